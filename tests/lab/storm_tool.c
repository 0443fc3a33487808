// SPDX-License-Identifier: GPL-2.0-or-later
/* Storms, as fast as they can be made, and a client that measures how soon it is answered.
 *
 *   storm_tool uevents N SYSFS-DIR...   writes "change" to the files "uevent", in turn
 *   storm_tool replay N SYSFS-DIR       one such event is taken as udevd tells it, and told N times more, by udevd's
 * way storm_tool errors N DEVICE...       reads of 4 KiB with O_DIRECT, in turn, each at the next place; that they fail
 * is what is wanted storm_tool ask SOCKET               asks for the status until SIGTERM, then prints how long an
 * answer took
 *
 * Each prints one line of JSON. */
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
#include <time.h>
#include <unistd.h>

enum { FILES_MAX = 256, IO = 4096, MESSAGE_MAX = 16384, UDEV_GROUP = 2 };

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
	int fd[FILES_MAX];
	double begin = now();

	for (int i = 0; i < n_dirs; i++)
		fd[i] = open_uevent(dirs[i]);
	for (long i = 0; i < n; i++)
		change(fd[i % n_dirs]);
	printf("{\"uevents\":%ld,\"seconds\":%.1f}\n", n, now() - begin);
	return 0;
}

/* udevd's messages: libudev's header and properties. Root may send to the group as udevd does. */
static int replay(long n, const char *dir)
{
	struct sockaddr_nl group = {.nl_family = AF_NETLINK, .nl_groups = UDEV_GROUP};
	int in = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT), uevent = open_uevent(dir);
	int out = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	const char *name = strrchr(dir, '/') + 1;
	char message[MESSAGE_MAX];
	long told = 0;
	ssize_t len;
	double begin;

	if (in < 0 || out < 0 || bind(in, (struct sockaddr *)&group, sizeof(group)) < 0)
		err(1, "netlink");
	change(uevent);
	do {
		len = recv(in, message, sizeof(message), 0);
		if (len < 0)
			err(1, "netlink");
	} while (!memmem(message, (size_t)len, name, strlen(name)));
	close(in);
	begin = now();
	for (long i = 0; i < n; i++)
		told += sendto(out, message, (size_t)len, 0, (struct sockaddr *)&group, sizeof(group)) == len;
	printf("{\"replayed\":%ld,\"reached_all\":%ld,\"seconds\":%.1f}\n", n, told, now() - begin);
	return 0;
}

static int errors(long n, char **devices, int n_devices)
{
	static alignas(IO) char buf[IO];
	uint64_t size[FILES_MAX];
	double begin = now();
	int fd[FILES_MAX];
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

/* False when the broker is gone in the middle. */
static bool ask_once(const char *path)
{
	static const char question[] = "{\"v\":1,\"verb\":\"status\"}\n";
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char answer[65536];
	ssize_t n = -1;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
	    write(fd, question, sizeof(question) - 1) == (ssize_t)sizeof(question) - 1)
		while ((n = read(fd, answer, sizeof(answer))) > 0 && answer[n - 1] != '\n')
			;
	close(fd);
	return n > 0;
}

static int ask(const char *path)
{
	double worst = 0, sum = 0, begin;
	long answers = 0, refused = 0;

	signal(SIGTERM, on_term);
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

	if (strcmp(what, "ask") == 0)
		return ask(argv[2]);
	if (argc < 4 || argc - 3 > FILES_MAX || n <= 0)
		errx(2, "usage: storm_tool uevents|replay|errors N TARGET... | ask SOCKET");
	if (strcmp(what, "uevents") == 0)
		return uevents(n, argv + 3, argc - 3);
	if (strcmp(what, "replay") == 0)
		return replay(n, argv[3]);
	return errors(n, argv + 3, argc - 3);
}
