// SPDX-License-Identifier: GPL-2.0-or-later
/* The same set in another byte order or with the other CRCs: what mdadm wrote, rewritten by ddf_dialect.py, which knows
 * the standard's tables and nothing of spared's. */
#include "tests/unit/ddf_disks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum { PIECE = 4096 };
static const uint8_t blank[PIECE];
static const char tool[] = SPARED_TESTS_DIR "/unit/ddf_dialect.py";

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

/* Its end as the end of a file that is as large as the disk. What is blank is left out. */
static void disk_out(const struct test_disk *d, const char *path)
{
	size_t kept = (size_t)(d->sectors - d->first) * 512;
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)(d->sectors * 512)) < 0)
		die(path);
	for (size_t at = 0; at < kept; at += PIECE)
		if (memcmp(d->bytes + at, blank, PIECE) != 0 &&
		    pwrite(fd, d->bytes + at, PIECE, (off_t)(d->first * 512 + at)) != PIECE)
			die(path);
	close(fd);
}

/* What is blank has not become anything else. */
static void disk_in(struct test_disk *d, const char *path)
{
	size_t kept = (size_t)(d->sectors - d->first) * 512;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die(path);
	for (size_t at = 0; at < kept; at += PIECE)
		if (memcmp(d->bytes + at, blank, PIECE) != 0 &&
		    pread(fd, d->bytes + at, PIECE, (off_t)(d->first * 512 + at)) != PIECE)
			die(path);
	close(fd);
	unlink(path);
}

void test_set_dialect(struct test_set *s, bool little, bool usual_crc)
{
	char dir[] = "/tmp/spared-dialect-XXXXXX", path[TEST_DISKS_MAX][64], block[16];
	const char *argv[9 + TEST_DISKS_MAX] = {"python3", tool};
	int status;
	pid_t pid;

	argv[2] = "--block", argv[3] = block;
	argv[4] = "--order", argv[5] = little ? "little" : "big";
	argv[6] = "--crc", argv[7] = usual_crc ? "usual" : "mdadm";
	if (!mkdtemp(dir))
		die(dir);
	snprintf(block, sizeof(block), "%u", s->disk[0].sector_size);
	for (size_t i = 0; i < s->n; i++) {
		snprintf(path[i], sizeof(path[i]), "%s/%zu", dir, i);
		disk_out(&s->disk[i], path[i]);
		argv[8 + i] = path[i];
	}
	pid = fork();
	if (pid == 0) {
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		die(tool);
	for (size_t i = 0; i < s->n; i++)
		disk_in(&s->disk[i], path[i]);
	rmdir(dir);
}
