// SPDX-License-Identifier: GPL-2.0-or-later
/* What a start and a reload of settings and rules share. */
#pragma once

#include "broker/broker.h"

int broker_load_settings(const char *path, struct settings **ret, struct diag *d);
int broker_load_genl(const struct settings *s, struct diag *d, struct genl_descs **ret);
int broker_load_rules(const struct settings *s, const struct genl_descs *genl, struct diag *d, struct ruleset **ret);
void broker_free_settings(struct settings *s);
void broker_set_log_level(const struct broker *b);
void broker_loaded_finish(struct loaded *l);
/* Begins the tests of the rules on disk; what comes of them is told, and decides about what waits for it (b->next). */
int broker_try_rules(struct broker *b, const struct settings *s, struct err *e);
