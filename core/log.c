// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static struct {
	enum log_level level;
	bool journal;
	char name[16];
} log_state = {.level = LOG_INF, .name = "spared"};

/* $JOURNAL_STREAM names the device and inode of the journal's socket: systemd.exec(5). */
static bool stderr_is_journal(void)
{
	const char *env = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return env && sscanf(env, "%llu:%llu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev &&
	       st.st_ino == ino;
}

void log_setup(enum log_level level, const char *name)
{
	log_state.level = level;
	log_state.journal = stderr_is_journal();
	if (name)
		snprintf(log_state.name, sizeof(log_state.name), "%s", name);
}

int log_level_parse(const char *word, enum log_level *ret)
{
	static const struct {
		const char *word;
		enum log_level level;
	} words[] = {
		{"error", LOG_ERROR}, {"warning", LOG_WARN}, {"notice", LOG_NOTE},
		{"info", LOG_INF},    {"debug", LOG_DBG},
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i].word, word) == 0) {
			*ret = words[i].level;
			return 0;
		}
	return -EINVAL;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	char line[2048];
	int saved = errno, n = 0;
	va_list ap;

	if (level > log_state.level)
		return;
	if (log_state.journal)
		n = snprintf(line, sizeof(line), "<%d>", (int)level);
	n += snprintf(line + n, sizeof(line) - (size_t)n, "%s: ", log_state.name);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	/* One write, so that lines of several processes do not mix; nothing can be done if it fails. */
	n = (int)strlen(line);
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		errno = saved;
	errno = saved;
}
