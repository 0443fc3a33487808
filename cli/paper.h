// SPDX-License-Identifier: GPL-2.0-or-later
/* What forecast, record and replay share: pictures, rules, recordings. */
#pragma once

#include "cli/cli.h"
#include "pipeline/recording.h"

/* The daemon's picture. Exit status. */
int paper_world(struct cli *c, json_t **ret);
/* Rules of a directory, of a recording, or the installed ones (both NULL), as the picture's settings want them loaded;
 * what is wrong with them is told. Exit status. */
int paper_rules(struct cli *c, const char *dir, const struct recording *from, const json_t *world,
		struct ruleset **ret);
/* Whether these are the rules that ran where the picture was made. */
bool paper_same_rules(const json_t *world, const struct ruleset *rules);
/* "1h" is an hour ago; else a time. Told if it is neither. Exit status. */
int paper_since(const struct cli *c, int64_t otherwise, int64_t *ret);
/* A recording from the daemon as text. Exit status. */
int record_text(struct cli *c, int64_t since, struct buf *out);
