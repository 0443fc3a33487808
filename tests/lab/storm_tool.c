// SPDX-License-Identifier: GPL-2.0-or-later
/* Storms, as fast as they can be made, and clients in them. Each prints one line of JSON.
 *
 * storm_tool uevents N SYSFS-DIR...
 *	writes "change" to the files "uevent", by JOBS processes at once
 *
 * storm_tool replay N SYSFS-DIR...
 *	one such event of each is taken as udevd tells it; they are told in turn, N in all, by udevd's way
 *
 * storm_tool errors N DEVICE...
 *	reads of 4 KiB with O_DIRECT, in turn, each at the next place; that they fail is what is wanted
 *
 * storm_tool fill SOCKET N
 *	has N events of some 6 kB told to all subscribers
 *
 * storm_tool ask SOCKET
 *	asks for the status until SIGTERM, then tells how long an answer took
 *
 * storm_tool listen SOCKET, storm_tool deaf SOCKET
 *	a subscriber that reads until SIGTERM, or one that reads nothing until then, and then all that is there */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FILES_MAX = 1024, IO = 4096, MESSAGE_MAX = 16384, UDEV_GROUP = 2, JOBS = 4, ROOM = 64 << 20 };

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int open_uevent(const char *dir)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/uevent", dir);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

static void change(int fd)
{
	if (write(fd, "change", 6) != 6)
		err(1, "uevent");
}

static int uevents(long n, char **dirs, int n_dirs)
{
	static int fd[FILES_MAX];
	double begin = now();
	int status, bad = 0;

	for (int i = 0; i < n_dirs; i++)
		fd[i] = open_uevent(dirs[i]);
	for (int job = 0; job < JOBS; job++) {
		if (fork() > 0)
			continue;
		for (long i = job; i < n; i += JOBS)
			change(fd[i % n_dirs]);
		_exit(0);
	}
	while (wait(&status) > 0)
		bad |= status;
	printf("{\"uevents\":%ld,\"seconds\":%.1f}\n", n, now() - begin);
	return bad != 0;
}

struct message {
	char *bytes;
	size_t len;
};

/* Whose message it is: DEVPATH=/devices/virtual/block/nullb0, with its NUL. -1: of none, or of one that has one. */
static int whose(const char *bytes, size_t len, char **dirs, int n_dirs, const struct message *m)
{
	for (int i = 0; i < n_dirs; i++) {
		const char *path = strstr(dirs[i], "/block/");

		if (!path)
			errx(1, "%s is no disk", dirs[i]);
		if (!m[i].bytes && memmem(bytes, len, path, strlen(path) + 1))
			return i;
	}
	return -1;
}

/* One message of each. */
static void collect(int in, char **dirs, int n_dirs, struct message *m)
{
	static char bytes[MESSAGE_MAX];

	for (int i = 0; i < n_dirs; i++) {
		int uevent = open_uevent(dirs[i]);

		change(uevent);
		close(uevent);
	}
	for (int left = n_dirs; left > 0;) {
		ssize_t len = recv(in, bytes, sizeof(bytes), 0);
		int i = len > 0 ? whose(bytes, (size_t)len, dirs, n_dirs, m) : -1;

		if (len < 0)
			err(1, "netlink");
		if (i < 0)
			continue;
		m[i] = (struct message){malloc((size_t)len), (size_t)len};
		if (!m[i].bytes)
			err(1, "memory");
		memcpy(m[i].bytes, bytes, m[i].len);
		left--;
	}
}

/* udevd's messages: libudev's header and properties. Root may send to the group as udevd does. */
static int replay(long n, char **dirs, int n_dirs)
{
	struct sockaddr_nl group = {.nl_family = AF_NETLINK, .nl_groups = UDEV_GROUP};
	int in = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT), room = ROOM;
	int out = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	static struct message m[FILES_MAX];
	long told = 0;
	double begin;

	if (in < 0 || out < 0 || bind(in, (struct sockaddr *)&group, sizeof(group)) < 0 ||
	    setsockopt(in, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		err(1, "netlink");
	collect(in, dirs, n_dirs, m);
	close(in);
	begin = now();
	for (long i = 0; i < n; i++) {
		const struct message *next = &m[i % n_dirs];

		told += sendto(out, next->bytes, next->len, 0, (struct sockaddr *)&group, sizeof(group)) ==
			(ssize_t)next->len;
	}
	printf("{\"replayed\":%ld,\"disks\":%d,\"reached_all\":%ld,\"seconds\":%.1f}\n", n, n_dirs, told,
	       now() - begin);
	return 0;
}

static int errors(long n, char **devices, int n_devices)
{
	static alignas(IO) char buf[IO];
	static uint64_t size[FILES_MAX];
	static int fd[FILES_MAX];
	double begin = now();
	long failed = 0;

	for (int i = 0; i < n_devices; i++) {
		fd[i] = open(devices[i], O_RDONLY | O_DIRECT | O_CLOEXEC);
		if (fd[i] < 0 || ioctl(fd[i], BLKGETSIZE64, &size[i]) < 0 || size[i] < IO)
			err(1, "%s", devices[i]);
	}
	for (long i = 0; i < n; i++) {
		int k = (int)(i % n_devices);
		uint64_t at = (uint64_t)(i / n_devices) % (size[k] / IO);

		failed += pread(fd[k], buf, IO, (off_t)(at * IO)) < 0;
	}
	printf("{\"reads\":%ld,\"failed\":%ld,\"seconds\":%.1f}\n", n, failed, now() - begin);
	return 0;
}

static volatile sig_atomic_t ended;

static void on_term(int sig)
{
	(void)sig;
	ended = 1;
}

/* A connection on which that was asked, or -1. */
static int asking(const char *path, const char *question)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
	    write(fd, question, strlen(question)) == (ssize_t)strlen(question))
		return fd;
	close(fd);
	return -1;
}

/* False when the broker is gone in the middle. */
static bool ask_once(const char *path)
{
	int fd = asking(path, "{\"v\":1,\"verb\":\"status\"}\n");
	static char answer[1 << 20];
	ssize_t n = -1;

	while (fd >= 0 && (n = read(fd, answer, sizeof(answer))) > 0 && answer[n - 1] != '\n')
		;
	close(fd);
	return n > 0;
}

static int fill(const char *path, long n)
{
	char question[1 << 13], *at = question, answer[1 << 12];
	int fd, asked = 0;

	at += sprintf(at, "{\"v\":1,\"verb\":\"inject\",\"live\":true,\"kind\":\"test.storm\",\"extra\":{\"x\":\"");
	at = (char *)memset(at, 'x', 6000) + 6000;
	memcpy(at, "\"}}\n", 5);
	fd = asking(path, question);
	while (fd >= 0 && ++asked < n && read(fd, answer, sizeof(answer)) > 0 &&
	       write(fd, question, strlen(question)) > 0)
		;
	close(fd);
	printf("{\"told\":%d}\n", asked);
	return asked < n;
}

/* Reads what a subscriber gets. The last thing that is sent to one that is cut off says so. */
static int listen_to(const char *path, bool deaf)
{
	static char bytes[1 << 16], tail[1 << 17];
	int fd = asking(path, "{\"v\":1,\"verb\":\"monitor\"}\n");
	const struct timeval patience = {.tv_sec = deaf ? 2 : 0};
	size_t all = 0, kept = 0, keep = sizeof(bytes);
	const char *lost;
	ssize_t n = 0;

	if (fd < 0)
		err(1, "%s", path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (deaf && !ended)
		pause();
	while ((n = read(fd, bytes, sizeof(bytes))) > 0) { /* SIGTERM interrupts it */
		if (kept > keep) {
			memmove(tail, tail + kept - keep, keep);
			kept = keep;
		}
		memcpy(tail + kept, bytes, (size_t)n);
		kept += (size_t)n;
		all += (size_t)n;
	}
	lost = memmem(tail, kept, "cut off: messages are not read", 30);
	printf("{\"bytes\":%zu,\"ended\":%s,\"cut_off\":%s}\n", all, n == 0 ? "true" : "false",
	       lost ? "true" : "false");
	return 0;
}

static int ask(const char *path)
{
	double worst = 0, sum = 0, begin;
	long answers = 0, refused = 0;

	while (!ended) {
		begin = now();
		if (ask_once(path)) {
			double took = now() - begin;

			worst = took > worst ? took : worst;
			sum += took;
			answers++;
		} else {
			refused++;
		}
		usleep(20000);
	}
	printf("{\"answers\":%ld,\"refused\":%ld,\"mean_ms\":%.1f,\"worst_ms\":%.1f}\n", answers, refused,
	       answers ? sum / (double)answers * 1000 : 0, worst * 1000);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	long n = argc > 2 ? strtol(argv[2], NULL, 10) : 0;

	/* It ends a reading that would go on for ever; an answer is waited for. */
	sigaction(SIGTERM,
		  &(struct sigaction){.sa_handler = on_term, .sa_flags = strcmp(what, "ask") == 0 ? SA_RESTART : 0},
		  NULL);
	if (strcmp(what, "ask") == 0)
		return ask(argv[2]);
	if (strcmp(what, "deaf") == 0 || strcmp(what, "listen") == 0)
		return listen_to(argv[2], *what == 'd');
	if (strcmp(what, "fill") == 0 && argc == 4)
		return fill(argv[2], strtol(argv[3], NULL, 10));
	if (argc < 4 || argc - 3 > FILES_MAX || n <= 0)
		errx(2, "usage: storm_tool uevents|replay|errors N TARGET... | ask|deaf|listen SOCKET | fill SOCKET N");
	if (strcmp(what, "uevents") == 0)
		return uevents(n, argv + 3, argc - 3);
	if (strcmp(what, "replay") == 0)
		return replay(n, argv + 3, argc - 3);
	return errors(n, argv + 3, argc - 3);
}
