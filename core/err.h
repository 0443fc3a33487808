// SPDX-License-Identifier: GPL-2.0-or-later
/* The only error object. A function that can fail returns 0 or more, or a negative errno, and fills
 * *e (which may be NULL) only when it fails. */
#pragma once

#include "core/cleanup.h"

#include <stdint.h>

enum { ERR_MSG_MAX = 1024, ERR_FILE_MAX = 256 };

struct err {
	int code;		 /* positive errno, 0: no error */
	char file[ERR_FILE_MAX]; /* of the input that is wrong, empty if none */
	int line, col;		 /* 1-based; 0: not known */
	char msg[ERR_MSG_MAX];	 /* one sentence that names the thing and, where there is one, the way out */
};

/* Fills *e and returns -code. code is a positive errno. */
int err_set(struct err *e, int code, const char *fmt, ...) _printf_(3, 4);
/* The same, with the place in the input. */
int err_set_at(struct err *e, int code, const char *file, int line, int col, const char *fmt, ...) _printf_(6, 7);
/* The same, with ": " and strerror(code) at the end. */
int err_sys(struct err *e, int code, const char *fmt, ...) _printf_(3, 4);
/* Puts "text: " before the message, for the caller that knows the context. Returns -e->code, or -EIO if e is NULL. */
int err_prefix(struct err *e, const char *fmt, ...) _printf_(2, 3);
/* "file:line:col: msg", or what of it is known. Returns buf. */
const char *err_text(const struct err *e, char *buf, size_t size);
