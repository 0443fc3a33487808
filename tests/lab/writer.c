/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lab's verifying writer: a witness that knows nothing of RAID. It writes 4 KiB blocks at random
 * places of a device or file, O_DIRECT|O_DSYNC, about one a millisecond, and holds the storage to its
 * word: a block whose write was acknowledged must read back as written, or as written later.
 *
 *   lab_writer run [OPTION...] DEVICE     until SIGTERM; then reads back everything and reports
 *     --pace USEC       pause between writes (1000)        --seed N        of the places (1)
 *     --length MIB      use only so much of the device     --create MIB    make a file of that size
 *     --reads N         read one block back every N writes (8)
 *     --state FILE      what was acknowledged, written at the end and at SIGUSR1
 *     --from FILE       go on with what an earlier one acknowledged; no such file: write every block once, before
 *     --journal FILE    each write noted there when issued and when acknowledged (for power cuts)
 *   lab_writer verify --state FILE | --journal FILE DEVICE      hold a device to such a file, later
 *   lab_writer moment --journal FILE DEVICE
 *                                         whether a device holds what was written up to a moment, and nothing of
 *                                         later; "writes" is how many that were
 *   lab_writer fill SEED DEVICE           the whole device with data that the seed decides
 *   lab_writer check SEED DEVICE          and whether it is still there
 *
 * SIGUSR1: a report now (also while a write hangs). SIGUSR2: the longest stall is counted anew.
 * Each report is one line of JSON. Exit status 0: no error, nothing wrong.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "writer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 1 << 20, HANG_SECONDS = 60 };

/* Acknowledged and issued differ while a write is on its way, and after one that failed. */
struct generation {
	uint32_t acked, issued;
};

struct note { /* a record of the journal */
	uint32_t block, generation, acked, reserved;
};

static struct {
	uint64_t seed, blocks, pace, reads_every, length_mib, create_mib;
	const char *state, *from, *journal, *device;
	int fd, journal_fd;
	struct generation *gen;
	uint8_t *buf;
} w = {.seed = 1, .pace = 1000, .reads_every = 8, .fd = -1, .journal_fd = -1};

static struct {
	_Atomic uint64_t writes, reads, write_errors, read_errors, wrong;
	_Atomic int first_error;
	_Atomic int64_t first_error_at;		       /* realtime, us */
	_Atomic int64_t stall, stall_mono, stall_real; /* us */
	_Atomic int64_t pending;		       /* monotonic us at which the write on its way was issued, or 0 */
} stat_;

static pthread_mutex_t stall_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool stopping, finished;

static int64_t now(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static _Noreturn void die(const char *format, ...)
{
	int error = errno;
	va_list ap;
	va_start(ap, format);
	fputs("lab_writer: ", stderr);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fprintf(stderr, "%s%s\n", error ? ": " : "", error ? strerror(error) : "");
	exit(2);
}

/* --- blocks ------------------------------------------------------------------------------------ */

static void make_block(uint8_t *buf, uint64_t block, uint32_t generation)
{
	for (int i = 0; i < PER_BLOCK; i++) {
		struct sector s = {.seed = w.seed, .block = block, .generation = generation, .place = (uint64_t)i};
		uint64_t x = mix(w.seed ^ mix(block) ^ ((uint64_t)generation << 8) ^ (uint64_t)i);
		memcpy(s.magic, magic, 8);
		for (size_t j = 0; j < sizeof s.filling / 8; j++)
			s.filling[j] = x = x * 6364136223846793005u + 1442695040888963407u;
		s.checksum = checksum(&s);
		memcpy(buf + (size_t)i * SECTOR, &s, SECTOR);
	}
}

static void complain(uint64_t block, const uint8_t *buf)
{
	static int said;
	if (said++ >= 20)
		return;
	fprintf(stderr, "{\"event\":\"wrong\",\"block\":%" PRIu64 ",\"acknowledged\":%u,\"issued\":%u,\"sectors\":[",
		block, w.gen[block].acked, w.gen[block].issued);
	for (int i = 0; i < PER_BLOCK; i++)
		fprintf(stderr, "%s%" PRId64, i ? "," : "", sector_generation(buf, w.seed, block, i));
	fprintf(stderr, "],\"real\":%" PRId64 "}\n", now(CLOCK_REALTIME));
}

/* Each sector must be of the acknowledged generation, or of a later one that was issued. A block that
 * was never acknowledged may hold anything. */
static void check_block(uint64_t block, const uint8_t *buf)
{
	const struct generation *g = &w.gen[block];
	for (int i = 0; i < PER_BLOCK && g->acked; i++) {
		int64_t found = sector_generation(buf, w.seed, block, i);
		if (found < g->acked || found > g->issued) {
			stat_.wrong++;
			complain(block, buf);
			return;
		}
	}
}

static void failed(_Atomic uint64_t *counter)
{
	int none = 0;
	(*counter)++;
	if (atomic_compare_exchange_strong(&stat_.first_error, &none, errno ? errno : EIO))
		stat_.first_error_at = now(CLOCK_REALTIME);
}

static void read_block(uint64_t block)
{
	stat_.reads++;
	if (pread(w.fd, w.buf, BLOCK, (off_t)(block * BLOCK)) != BLOCK)
		failed(&stat_.read_errors);
	else
		check_block(block, w.buf);
}

static void note(uint64_t block, bool acked)
{
	struct note n = {(uint32_t)block, w.gen[block].issued, acked, 0};
	if (w.journal_fd >= 0 && write(w.journal_fd, &n, sizeof n) != sizeof n)
		die("%s", w.journal);
}

static void write_block(uint64_t block)
{
	make_block(w.buf, block, ++w.gen[block].issued);
	note(block, false);
	int64_t start = now(CLOCK_MONOTONIC), real = now(CLOCK_REALTIME);
	stat_.pending = start;
	ssize_t n = pwrite(w.fd, w.buf, BLOCK, (off_t)(block * BLOCK));
	int64_t took = now(CLOCK_MONOTONIC) - start;
	stat_.pending = 0;
	stat_.writes++;
	pthread_mutex_lock(&stall_lock);
	if (took > stat_.stall) {
		stat_.stall = took;
		stat_.stall_mono = start;
		stat_.stall_real = real;
	}
	pthread_mutex_unlock(&stall_lock);
	if (n != BLOCK) {
		failed(&stat_.write_errors);
		return;
	}
	w.gen[block].acked = w.gen[block].issued;
	note(block, true);
}

/* --- reports ------------------------------------------------------------------------------------ */

static void report(const char *event)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_mutex_lock(&lock);
	pthread_mutex_lock(&stall_lock);
	int64_t pending = stat_.pending, stall = stat_.stall, mono = stat_.stall_mono, real = stat_.stall_real;
	pthread_mutex_unlock(&stall_lock);
	int64_t waits = pending ? now(CLOCK_MONOTONIC) - pending : 0;
	if (waits > stall) {
		stall = waits;
		mono = pending;
		real = now(CLOCK_REALTIME) - waits;
	}
	printf("{\"event\":\"%s\",\"writes\":%" PRIu64 ",\"reads\":%" PRIu64 ",\"errors\":%" PRIu64
	       ",\"write_errors\":%" PRIu64 ",\"read_errors\":%" PRIu64 ",\"wrong\":%" PRIu64
	       ",\"stall_ms\":%.3f,\"stall_mono\":%.6f,\"stall_real\":%.6f,\"pending_ms\":%.3f"
	       ",\"first_error\":\"%s\",\"first_error_real\":%.6f}\n",
	       event, stat_.writes, stat_.reads, stat_.write_errors + stat_.read_errors, stat_.write_errors,
	       stat_.read_errors, stat_.wrong, (double)stall / 1e3, (double)mono / 1e6, (double)real / 1e6,
	       (double)waits / 1e3, stat_.first_error ? strerrorname_np(stat_.first_error) : "",
	       (double)stat_.first_error_at / 1e6);
	fflush(stdout);
	pthread_mutex_unlock(&lock);
}

static void save_state(void)
{
	char tmp[PATH_MAX];
	if (!w.state)
		return;
	snprintf(tmp, sizeof tmp, "%s.new", w.state);
	FILE *f = fopen(tmp, "w");
	if (!f)
		die("%s", tmp);
	fwrite(&w.seed, sizeof w.seed, 1, f);
	fwrite(&w.blocks, sizeof w.blocks, 1, f);
	fwrite(w.gen, sizeof *w.gen, w.blocks, f);
	if (fclose(f) || rename(tmp, w.state))
		die("%s", w.state);
}

static void load_state(const char *path)
{
	FILE *f = fopen(path, "r");
	if (!f || fread(&w.seed, sizeof w.seed, 1, f) != 1 || fread(&w.blocks, sizeof w.blocks, 1, f) != 1 ||
	    w.blocks == 0)
		die("%s", path);
	if (!(w.gen = calloc(w.blocks, sizeof *w.gen)))
		die("memory");
	if (fread(w.gen, sizeof *w.gen, w.blocks, f) != w.blocks)
		die("%s", path);
	fclose(f);
}

static void load_journal(void)
{
	struct note n;
	uint64_t head[2];
	FILE *f = fopen(w.journal, "r");
	if (!f || fread(head, sizeof head, 1, f) != 1 || head[1] == 0)
		die("%s", w.journal);
	w.seed = head[0];
	w.blocks = head[1];
	if (!(w.gen = calloc(w.blocks, sizeof *w.gen)))
		die("memory");
	while (fread(&n, sizeof n, 1, f) == 1) {
		if (n.block >= w.blocks)
			die("%s: no journal", w.journal);
		w.gen[n.block].issued = n.generation;
		if (n.acked)
			w.gen[n.block].acked = n.generation;
	}
	fclose(f);
}

/* Signals have a thread of their own: the other one may be deep in a write that does not end. */
static void *signals(void *set)
{
	for (int sig, stop_asked = 0;;) {
		struct timespec wait = {.tv_sec = HANG_SECONDS};
		sig = stop_asked ? sigtimedwait(set, NULL, &wait) : sigwaitinfo(set, NULL);
		if (sig == SIGUSR1) {
			report("stats");
			save_state();
		} else if (sig == SIGUSR2) {
			pthread_mutex_lock(&stall_lock);
			stat_.stall = 0;
			pthread_mutex_unlock(&stall_lock);
		} else if (sig > 0) {
			stopping = true;
			stop_asked = 1;
		} else if (stop_asked && !finished) {
			report("hung");
			_exit(3);
		}
	}
	return NULL;
}

/* --- modes ---------------------------------------------------------------------------------------- */

static uint64_t open_device(int flags)
{
	struct stat st;
	uint64_t size;
	assert(w.device);
	w.fd = open(w.device, flags | O_CLOEXEC, 0600);
	if (w.fd < 0)
		die("%s", w.device);
	if (w.create_mib && posix_fallocate(w.fd, 0, (off_t)w.create_mib << 20))
		die("%s: %" PRIu64 " MiB", w.device, w.create_mib);
	if (fstat(w.fd, &st))
		die("%s", w.device);
	size = (uint64_t)st.st_size;
	if (S_ISBLK(st.st_mode) && ioctl(w.fd, BLKGETSIZE64, &size))
		die("%s", w.device);
	return size;
}

/* Of many blocks at once; where that fails, one by one. */
static void read_all(void)
{
	uint8_t *chunk = aligned_alloc(BLOCK, CHUNK);

	if (!chunk)
		die("memory");
	for (uint64_t b = 0, n; b < w.blocks; b += n) {
		bool known = false;
		n = w.blocks - b < CHUNK / BLOCK ? w.blocks - b : CHUNK / BLOCK;
		for (uint64_t i = 0; i < n; i++)
			known = known || w.gen[b + i].acked;
		bool whole = known && pread(w.fd, chunk, n * BLOCK, (off_t)(b * BLOCK)) == (ssize_t)(n * BLOCK);
		for (uint64_t i = 0; i < n; i++) {
			if (!w.gen[b + i].acked)
				continue;
			if (!whole) {
				read_block(b + i);
				continue;
			}
			stat_.reads++;
			check_block(b + i, chunk + i * BLOCK);
		}
	}
	free(chunk);
}

static int verdict(const char *event)
{
	read_all();
	finished = true;
	save_state();
	report(event);
	return stat_.write_errors || stat_.read_errors || stat_.wrong;
}

static void write_all(void)
{
	uint8_t *chunk = aligned_alloc(BLOCK, CHUNK);

	if (!chunk)
		die("memory");
	for (uint64_t b = 0, n; b < w.blocks; b += n) {
		n = w.blocks - b < CHUNK / BLOCK ? w.blocks - b : CHUNK / BLOCK;
		for (uint64_t i = 0; i < n; i++) {
			make_block(chunk + i * BLOCK, b + i, 1);
			w.gen[b + i] = (struct generation){1, 1};
		}
		if (pwrite(w.fd, chunk, n * BLOCK, (off_t)(b * BLOCK)) != (ssize_t)(n * BLOCK))
			die("%s: writing block %" PRIu64, w.device, b);
	}
	free(chunk);
}

/* What every block is to hold at the start; a number by which a writer that goes on differs from the one before. */
static uint64_t begin(uint64_t blocks)
{
	uint64_t issued = 0;

	if (w.from && access(w.from, F_OK) == 0) {
		load_state(w.from);
		if (w.blocks != blocks)
			die("%s: of another size than %s", w.from, w.device);
		for (uint64_t b = 0; b < blocks; b++)
			issued += w.gen[b].issued;
		return issued;
	}
	w.blocks = blocks;
	if (!(w.gen = calloc(blocks, sizeof *w.gen)))
		die("memory");
	errno = 0;
	if (w.from)
		write_all();
	return 0;
}

static int run(void)
{
	static sigset_t set;
	pthread_t thread;
	uint64_t size = open_device(O_RDWR | O_DIRECT | O_DSYNC | (w.create_mib ? O_CREAT : 0));

	if (w.length_mib && w.length_mib << 20 < size)
		size = w.length_mib << 20;
	if (size < BLOCK || size / BLOCK > UINT32_MAX)
		die("%s: %" PRIu64 " bytes are no size to write to", w.device, size);
	uint64_t before = begin(size / BLOCK);
	if (w.journal) {
		uint64_t head[2] = {w.seed, w.blocks};
		w.journal_fd = open(w.journal, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
		if (w.journal_fd < 0 || write(w.journal_fd, head, sizeof head) != sizeof head)
			die("%s", w.journal);
	}
	mlockall(MCL_CURRENT | MCL_FUTURE); /* the root file system may be the thing that hangs */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (pthread_create(&thread, NULL, signals, &set))
		die("thread");
	report("start");
	uint64_t random = mix(w.seed + before);
	for (uint64_t i = 1; !stopping; i++) {
		random = mix(random);
		write_block(random % w.blocks);
		if (w.reads_every && i % w.reads_every == 0) {
			random = mix(random);
			read_block(random % w.blocks);
		}
		if (w.pace) {
			struct timespec t = {(time_t)(w.pace / 1000000), (long)(w.pace % 1000000) * 1000};
			nanosleep(&t, NULL);
		}
	}
	return verdict("end");
}

static int verify(void)
{
	if (w.state)
		load_state(w.state);
	else if (w.journal)
		load_journal();
	else
		die("verify needs --state or --journal");
	w.state = NULL;
	open_device(O_RDONLY | O_DIRECT);
	return verdict("verify");
}

/* The latest write of which the device has something: all before it must be there, too. A block of which sectors are of
 * several writes is of no moment. */
static uint64_t read_moment(FILE *journal)
{
	uint64_t n = 0, latest = 0;
	struct note note;

	for (uint64_t b = 0; b < w.blocks; b++) {
		int64_t found;
		if (pread(w.fd, w.buf, BLOCK, (off_t)(b * BLOCK)) != BLOCK)
			failed(&stat_.read_errors);
		found = sector_generation(w.buf, w.seed, b, 0);
		for (int i = 1; i < PER_BLOCK; i++)
			if (sector_generation(w.buf, w.seed, b, i) != found) {
				stat_.wrong++;
				complain(b, w.buf);
				break;
			}
		w.gen[b].acked = found > 0 ? (uint32_t)found : 0;
	}
	fseek(journal, 2 * sizeof(uint64_t), SEEK_SET);
	while (fread(&note, sizeof note, 1, journal) == 1)
		if (!note.acked && ++n && w.gen[note.block].acked == note.generation)
			latest = n;
	return latest;
}

static int moment(void)
{
	uint64_t latest, n = 0;
	struct note note;
	FILE *journal;

	if (!w.journal)
		die("moment needs --journal");
	load_journal();
	open_device(O_RDONLY | O_DIRECT);
	if (!(journal = fopen(w.journal, "r")))
		die("%s", w.journal);
	latest = read_moment(journal);
	fseek(journal, 2 * sizeof(uint64_t), SEEK_SET);
	while (n < latest && fread(&note, sizeof note, 1, journal) == 1) {
		if (note.acked)
			continue;
		n++;
		if (w.gen[note.block].acked < note.generation) {
			stat_.wrong++;
			fprintf(stderr, "{\"event\":\"missing\",\"write\":%" PRIu64 ",\"block\":%u}\n", n, note.block);
		}
	}
	fclose(journal);
	stat_.writes = latest;
	report("moment");
	return stat_.read_errors || stat_.wrong;
}

static int fill(const char *seed, bool check)
{
	uint64_t size = open_device((check ? O_RDONLY : O_RDWR) | O_DIRECT), different = 0;
	uint64_t base = mix(strtoull(seed, NULL, 0) ^ 0x66696c6c);
	uint8_t *want = aligned_alloc(BLOCK, CHUNK), *got = aligned_alloc(BLOCK, CHUNK);

	if (!want || !got)
		die("memory");
	for (uint64_t at = 0; at < size; at += CHUNK) {
		size_t n = size - at < CHUNK ? size - at : CHUNK;
		for (size_t i = 0; i < n; i += 8) {
			uint64_t x = mix(base + (at + i) / 8);
			memcpy(want + i, &x, 8);
		}
		if (!check) {
			if (pwrite(w.fd, want, n, (off_t)at) != (ssize_t)n)
				die("%s: writing at %" PRIu64, w.device, at);
			continue;
		}
		if (pread(w.fd, got, n, (off_t)at) != (ssize_t)n)
			die("%s: reading at %" PRIu64, w.device, at);
		for (size_t i = 0; i < n; i += SECTOR)
			different += memcmp(want + i, got + i, SECTOR) != 0;
	}
	if (!check && fsync(w.fd))
		die("%s: flush", w.device);
	if (check)
		printf("{\"event\":\"check\",\"sectors\":%" PRIu64 ",\"different\":%" PRIu64 "}\n", size / SECTOR,
		       different);
	free(want);
	free(got);
	return different != 0;
}

static uint64_t number(const char *text)
{
	char *end;
	errno = 0;
	uint64_t n = strtoull(text ? text : "", &end, 0);
	if (errno || !text || end == text || *end)
		die("a number was expected, not '%s'", text ? text : "");
	return n;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	int i = 2;

	errno = 0;
	if (argc == 4 && (!strcmp(mode, "fill") || !strcmp(mode, "check"))) {
		w.device = argv[3];
		return fill(argv[2], !strcmp(mode, "check"));
	}
	for (; i < argc - 1; i += 2) {
		const char *key = argv[i], *value = argv[i + 1];
		if (!strcmp(key, "--pace"))
			w.pace = number(value);
		else if (!strcmp(key, "--seed"))
			w.seed = number(value);
		else if (!strcmp(key, "--length"))
			w.length_mib = number(value);
		else if (!strcmp(key, "--create"))
			w.create_mib = number(value);
		else if (!strcmp(key, "--reads"))
			w.reads_every = number(value);
		else if (!strcmp(key, "--state"))
			w.state = value;
		else if (!strcmp(key, "--from"))
			w.from = value;
		else if (!strcmp(key, "--journal"))
			w.journal = value;
		else
			break;
	}
	if (i != argc - 1 || (strcmp(mode, "run") != 0 && strcmp(mode, "verify") != 0 && strcmp(mode, "moment") != 0))
		die("usage: lab_writer run|verify|moment [OPTION...] DEVICE | fill|check SEED DEVICE");
	w.device = argv[i];
	w.buf = aligned_alloc(BLOCK, BLOCK);
	if (!w.buf)
		die("memory");
	return !strcmp(mode, "run") ? run() : !strcmp(mode, "moment") ? moment() : verify();
}
