// SPDX-License-Identifier: GPL-2.0-or-later
/* Ownership by scope: a variable marked _cleanup_(f) is released when it goes out of scope,
 * unless TAKE_PTR or TAKE_FD handed it on. */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(fmt, first) __attribute__((format(printf, fmt, first)))
#define _unused_ __attribute__((unused))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
/* One of the two is evaluated twice: no calls in them that do something. */
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define TAKE(var, none)                                                                                                \
	({                                                                                                             \
		__typeof__(var) t_ = (var);                                                                            \
		(var) = (none);                                                                                        \
		t_;                                                                                                    \
	})
#define TAKE_PTR(p) TAKE(p, NULL)
#define TAKE_FD(fd) TAKE(fd, -1)

/* Defines NAME##p(T **p), for _cleanup_, from a destructor that accepts NULL. */
#define DEFINE_CLEANUP(type, destroy)                                                                                  \
	static inline void destroy##p(type *p)                                                                         \
	{                                                                                                              \
		if (*p)                                                                                                \
			destroy(*p);                                                                                   \
	}

static inline void freep(void *p)
{
	free(*(void **)p);
}

static inline void closep(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
