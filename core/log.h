// SPDX-License-Identifier: GPL-2.0-or-later
/* Log lines go to stderr: with journald's "<N>" prefix when stderr is the journal, plain otherwise. */
#pragma once

#include "core/cleanup.h"

#include <stdbool.h>

/* syslog's numbers */
enum log_level { LOG_ERROR = 3, LOG_WARN = 4, LOG_NOTE = 5, LOG_INF = 6, LOG_DBG = 7 };

/* level: the least important that is printed. name: the process's own, e.g. "act"; NULL keeps it. */
void log_setup(enum log_level level, const char *name);
/* 0 and *ret, or -EINVAL: "error warning notice info debug". */
int log_level_parse(const char *word, enum log_level *ret);
void log_msg(enum log_level level, const char *fmt, ...) _printf_(2, 3);

#define log_error(...) log_msg(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_msg(LOG_WARN, __VA_ARGS__)
#define log_notice(...) log_msg(LOG_NOTE, __VA_ARGS__)
#define log_info(...) log_msg(LOG_INF, __VA_ARGS__)
#define log_debug(...) log_msg(LOG_DBG, __VA_ARGS__)
