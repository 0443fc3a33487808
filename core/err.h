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

/* Fill *e. Called by the macros below, through which every reader, and the analyser, sees that -code is returned. */
void err_put(struct err *e, int code, const char *fmt, ...) _printf_(3, 4);
void err_put_at(struct err *e, int code, const char *file, int line, int col, const char *fmt, ...) _printf_(6, 7);
void err_put_sys(struct err *e, int code, const char *fmt, ...) _printf_(3, 4);

#define ERR_RETURN(code, put)                                                                                          \
	({                                                                                                             \
		int code_ = (code);                                                                                    \
		put;                                                                                                   \
		-code_;                                                                                                \
	})
/* err_set(e, code, fmt, ...): fills *e and returns -code. code is a positive errno. */
#define err_set(e, code, ...) ERR_RETURN(code, err_put((e), code_, __VA_ARGS__))
/* err_set_at(e, code, file, line, col, fmt, ...): the same, with the place in the input. */
#define err_set_at(e, code, ...) ERR_RETURN(code, err_put_at((e), code_, __VA_ARGS__))
/* err_sys(e, code, fmt, ...): the same, with ": " and strerror(code) at the end. */
#define err_sys(e, code, ...) ERR_RETURN(code, err_put_sys((e), code_, __VA_ARGS__))
/* Puts "text: " before the message, for the caller that knows the context. Returns -e->code, or -EIO if e is NULL. */
int err_prefix(struct err *e, const char *fmt, ...) _printf_(2, 3);
/* "file:line:col: msg", or what of it is known. Returns buf. */
const char *err_text(const struct err *e, char *buf, size_t size);
