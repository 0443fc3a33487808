// SPDX-License-Identifier: GPL-2.0-or-later
/* What verbs print: text for people, JSON for programs. Whatever comes from disks or from the daemon is escaped. */
#pragma once

#include "cli/cli.h"

enum tone { TONE_PLAIN, TONE_GOOD, TONE_BAD, TONE_WARN, TONE_DIM, TONE_BOLD };

/* Prints the object: indented on a terminal, else on one line. Takes j. */
void out_json(json_t *j);
/* The same, always on one line, and flushed: streams. Borrows j. */
void out_json_line(const json_t *j);
void out_flush(const struct buf *b);

/* Appends the text, escaped and in the tone where colours are on; padded with blanks to width (0: not padded). */
void out_word(const struct cli *c, struct buf *b, enum tone tone, const char *s, int width);
void out_text(struct buf *b, const char *s);
/* 4.1TB; 1h20m; [#####.....] 52% */
void out_size(struct buf *b, uint64_t bytes);
void out_duration(struct buf *b, int64_t ns);
void out_bar(struct buf *b, double share, int width);
/* Local time: "2026-03-02 14:42:10", with milliseconds if told. */
void out_time(struct buf *b, int64_t wall_ns, bool ms);
/* Lines of a list of strings, each with the indent in front. */
void out_lines(struct buf *b, const json_t *list, const char *indent);
/* What differs between two texts, with three lines around it; nothing if nothing does. */
void out_diff(const struct cli *c, struct buf *b, const char *file, const char *before, const char *after);

/* Members of an object; "", 0, false or an empty list if it has none of that type. */
const char *j_str(const json_t *j, const char *key);
int64_t j_int(const json_t *j, const char *key);
double j_real(const json_t *j, const char *key);
bool j_bool(const json_t *j, const char *key);
const json_t *j_list(const json_t *j, const char *key);
