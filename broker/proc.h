// SPDX-License-Identifier: GPL-2.0-or-later
/* Child processes: what can block runs in one, so that it can be timed out and outlived. */
#pragma once

#include "core/err.h"

#include <stdbool.h>
#include <sys/types.h>

enum { PROC_FDS_MAX = 4, PROC_FD_FIRST = 3 };
/* A failure is heard, decided about and kept also while users' processes want all processors; act goes before all. */
enum { PROC_NICE_ACT = -15, PROC_NICE_BROKER = -10 };

struct proc_spec {
	/* Argument vector, NULL-terminated. argv[0] "/proc/self/exe" is this very program. */
	const char *const *argv;
	/* Added to a plain environment (PATH, LANG=C); NULL-terminated "NAME=value", or NULL. */
	const char *const *env;
	int in, out;	       /* become stdin and stdout; -1: /dev/null. stderr is the caller's */
	int fds[PROC_FDS_MAX]; /* become 3, 4, .. */
	size_t n_fds;
	bool dies_with_us; /* SIGKILL when the caller ends */
	int nice;	   /* the caller's own is not inherited */
};

/* Exit status of a child that could not run argv; of a disk's (probe.h), that could not open it. */
enum { PROC_EXIT_OPEN = 124, PROC_EXIT_EXEC = 127 };

/* The child's pid or -errno. Every fd that is not named is closed in it; signals are as at start. */
pid_t proc_spawn(const struct proc_spec *spec, struct err *e);
/* "exited with status 3", "was killed by signal 9 (Killed)"; status as waitpid(2) tells. */
const char *proc_status_text(int status, char *buf, size_t size);
