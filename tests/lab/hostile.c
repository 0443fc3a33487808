// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lab/hostile.h"

#include "core/cleanup.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DISK = 3, PIECE = 1 << 20, PIECES_MAX = 1024 };

#define TEXT(s) ((long)(uintptr_t)(s))

static const char spoiled[] = "spoiled";
static const char *const shell[] = {"/bin/sh", "-c", "touch /tmp/spared-was-here", NULL};

static const struct {
	const char *word;
	long nr, arg[6];
} calls[] = {
	{"open", SYS_openat, {AT_FDCWD, TEXT("/etc/passwd"), O_RDONLY}},
	{"create", SYS_openat, {AT_FDCWD, TEXT("/tmp/spared-was-here"), O_WRONLY | O_CREAT, 0600}},
	{"write-disk", SYS_write, {DISK, TEXT(spoiled), sizeof(spoiled)}},
	{"pwrite-disk", SYS_pwrite64, {DISK, TEXT(spoiled), sizeof(spoiled), 0}},
	{"ioctl-disk", SYS_ioctl, {DISK, BLKFLSBUF}},
	{"map-disk", SYS_mmap, {0, 4096, PROT_READ, MAP_SHARED, DISK, 0}},
	{"map-code", SYS_mmap, {0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0}},
	{"log", SYS_write, {STDERR_FILENO, TEXT(spoiled), sizeof(spoiled)}},
	{"read-other", SYS_pread64, {STDIN_FILENO, 0, 0, 0}},
	{"socket", SYS_socket, {AF_UNIX, SOCK_STREAM, 0}},
	{"fork", SYS_clone, {SIGCHLD}},
	{"exec", SYS_execve, {TEXT("/bin/sh"), TEXT(shell), 0}},
	{"ptrace", SYS_ptrace, {PTRACE_TRACEME}},
	{"kill", SYS_kill, {1, SIGCONT}},
	{"prctl", SYS_prctl, {PR_SET_DUMPABLE, 1}},
	{"setuid", SYS_setuid, {0}},
	{"unshare", SYS_unshare, {0x10000000 /* CLONE_NEWUSER */}},
	{"io-uring", SYS_io_uring_setup, {1, 0}},
	{"bpf", SYS_bpf, {0, 0, 0}},
	{"no-such", 100000},
};

const char *hostile_word(size_t i)
{
	return i < ARRAY_SIZE(calls) ? calls[i].word : NULL;
}

static void try(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (strcmp(calls[i].word, word) == 0)
			syscall(calls[i].nr, calls[i].arg[0], calls[i].arg[1], calls[i].arg[2], calls[i].arg[3],
				calls[i].arg[4], calls[i].arg[5]);
}

/* More than a GiB is too much: it ends in a way that tells. */
static void hoard(void)
{
	static void *piece[PIECES_MAX];
	size_t n = 0;

	while (n < PIECES_MAX && (piece[n] = malloc(PIECE)) != NULL)
		memset(piece[n++], 1, PIECE);
	if (n == PIECES_MAX)
		_exit(99);
	while (n > 0)
		free(piece[--n]);
}

static void spin(void)
{
	for (volatile unsigned n = 0;; n++)
		;
}

static void flood(void)
{
	while (write(STDOUT_FILENO, spoiled, sizeof(spoiled)) > 0)
		;
}

static int hostile_probe(const struct meta_reader *r, struct err *e _unused_)
{
	static const struct {
		const char *word;
		void (*fn)(void);
	} deeds[] = {{"hoard", hoard}, {"spin", spin}, {"flood", flood}};
	char text[512];

	if (r->read(r->u, 0, text, 1) < 0 || memcmp(text, HOSTILE_MARK, strlen(HOSTILE_MARK)) != 0)
		return 0;
	text[sizeof(text) - 1] = '\0';
	text[strcspn(text, "\n")] = '\0';
	try(text + strlen(HOSTILE_MARK));
	for (size_t i = 0; i < ARRAY_SIZE(deeds); i++)
		if (strcmp(deeds[i].word, text + strlen(HOSTILE_MARK)) == 0)
			deeds[i].fn();
	return 0;
}

const struct meta_format hostile_format = {.name = "hostile", .probe = hostile_probe};
const struct meta_format *const __wrap_meta_formats[] = {&hostile_format, &meta_ddf, NULL};
