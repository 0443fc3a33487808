// SPDX-License-Identifier: GPL-2.0-or-later
/* The sources of the table in source.c. */
#pragma once

#include "broker/source.h"

extern const struct source_ops source_bios;    /* source_tracefs.c */
extern const struct source_ops source_blkerr;  /* source_blkerr.c */
extern const struct source_ops source_dm;      /* source_dm.c */
extern const struct source_ops source_genl;    /* source_genl.c */
extern const struct source_ops source_tracefs; /* source_tracefs.c */
extern const struct source_ops source_udev;    /* source_udev.c */
