// SPDX-License-Identifier: GPL-2.0-or-later
/* The devices by which spared holds the disks of a set, as sysfs shows them: also while spared does not run. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Calls fn for each claim of the set: its device-mapper name and the disk that it holds. Returns how many there are. */
size_t claims_each(const char *set, void (*fn)(void *u, const char *name, const char *disk), void *u);
/* True if an array runs on a disk of the set: a private device of one lies beside its claim. */
bool claims_in_use(const char *set);
