// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void err_put(struct err *e, int code, const char *fmt, ...)
{
	if (e) {
		va_list ap;

		*e = (struct err){.code = code};
		va_start(ap, fmt);
		vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
		va_end(ap);
	}
}

void err_put_at(struct err *e, int code, const char *file, int line, int col, const char *fmt, ...)
{
	if (e) {
		va_list ap;

		*e = (struct err){.code = code, .line = line, .col = col};
		snprintf(e->file, sizeof(e->file), "%s", file ? file : "");
		va_start(ap, fmt);
		vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
		va_end(ap);
	}
}

void err_put_sys(struct err *e, int code, const char *fmt, ...)
{
	if (e) {
		va_list ap;
		size_t n;

		*e = (struct err){.code = code};
		va_start(ap, fmt);
		vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
		va_end(ap);
		n = strlen(e->msg);
		snprintf(e->msg + n, sizeof(e->msg) - n, ": %s", strerror(code));
	}
}

int err_prefix(struct err *e, const char *fmt, ...)
{
	char old[ERR_MSG_MAX];
	va_list ap;
	size_t n;

	if (!e)
		return -EIO;
	memcpy(old, e->msg, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	n = strlen(e->msg);
	snprintf(e->msg + n, sizeof(e->msg) - n, ": %.*s", (int)(sizeof(e->msg) - n - 3), old);
	return e->code ? -e->code : -EIO;
}

const char *err_text(const struct err *e, char *buf, size_t size)
{
	if (!e->file[0])
		snprintf(buf, size, "%s", e->msg);
	else if (e->line == 0)
		snprintf(buf, size, "%s: %s", e->file, e->msg);
	else
		snprintf(buf, size, "%s:%d:%d: %s", e->file, e->line, e->col, e->msg);
	return buf;
}
