// SPDX-License-Identifier: GPL-2.0-or-later
/* No namespaces: each call that would name something outside (a file, a process, an address) is refused already. */
#include "broker/sandbox.h"

#include "core/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

/* MEMORY: a format keeps at most 4 MiB of a disk (DDF_COPY_SECTORS_MAX); the rest is the program, and room. */
enum { NOBODY = 65534, CPU_SECONDS = 20, MEMORY = 128 << 20, CALL_ARGS = 2 };

static const struct {
	int resource;
	rlim_t soft, hard;
} limits[] = {
	{RLIMIT_AS, MEMORY, MEMORY},
	{RLIMIT_CORE, 0, 0},
	{RLIMIT_CPU, CPU_SECONDS, CPU_SECONDS + 1}, /* the first ends it by SIGXCPU, which says why */
	{RLIMIT_FSIZE, 0, 0},
	{RLIMIT_NOFILE, 0, 0},
	{RLIMIT_NPROC, 0, 0},
	{RLIMIT_MEMLOCK, 0, 0},
	{RLIMIT_MSGQUEUE, 0, 0},
};

/* The calls that are left. By the C library's own doing: brk, mmap, munmap and mremap of malloc, sysinfo of qsort. */
enum which_fd { ANY, FD_DISK, FD_OUT };
static const struct call {
	int nr;
	enum which_fd fd; /* the only value of its first argument */
	unsigned n;
	struct scmp_arg_cmp arg[CALL_ARGS]; /* of mmap: memory only, never code */
} calls[] = {
	{SCMP_SYS(pread64), FD_DISK},
	{SCMP_SYS(write), FD_OUT},
	{SCMP_SYS(mmap), .n = 2,
	 .arg = {{2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}, {3, SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS}}},
	{SCMP_SYS(munmap)},
	{SCMP_SYS(mremap)},
	{SCMP_SYS(brk)},
	{SCMP_SYS(madvise)},
	{SCMP_SYS(sysinfo)},
	{SCMP_SYS(clock_gettime)},
	{SCMP_SYS(close)},
	{SCMP_SYS(restart_syscall)},
	{SCMP_SYS(exit)},
	{SCMP_SYS(exit_group)},
};

/* The filter as the kernel takes it, and for which fds it was made. Making it is half of what a sandbox costs. */
static struct {
	int disk, out;
	struct sock_fprog program;
} prepared;

bool sandbox_is_whole(void)
{
	return !SANITIZED;
}

/* The broker is the last that the kernel ends when memory is short; a probe is the first. */
static void volunteer(void)
{
	_cleanup_(closep) int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "1000", 4) < 0)
		return; /* as before, then */
}

static int limit_resources(struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (setrlimit((__rlimit_resource_t)limits[i].resource,
			      &(struct rlimit){limits[i].soft, limits[i].hard}) < 0)
			return err_sys(e, errno, "limit of resource %d", limits[i].resource);
	return 0;
}

/* Who is not root has no privileges to give up, and no right to be somebody else. */
static int drop_privileges(struct err *e)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
	pid_t parent = getppid();
	int death = 0;

	prctl(PR_GET_PDEATHSIG, &death);
	if (geteuid() == 0 &&
	    (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0))
		return err_sys(e, errno, "cannot become nobody");
	/* A change of user takes it away (commit_creds, kernel/cred.c). */
	if (death && (prctl(PR_SET_PDEATHSIG, death) < 0 || getppid() != parent))
		return err_set(e, ESRCH, "nobody waits for what is read");
	if (syscall(SYS_capset, &header, none) < 0)
		return err_sys(e, errno, "cannot drop capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, errno, "cannot give up privileges");
	return 0;
}

static int add_call(scmp_filter_ctx filter, const struct call *c, int fd)
{
	struct scmp_arg_cmp arg[CALL_ARGS];
	unsigned n = c->n;

	memcpy(arg, c->arg, sizeof(arg));
	if (c->fd != ANY)
		arg[n++] = (struct scmp_arg_cmp){0, SCMP_CMP_EQ, (scmp_datum_t)fd, 0};
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, c->nr, n, arg);
}

static scmp_filter_ctx make_filter(int disk, int out)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = filter ? seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) : -ENOMEM;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(calls); i++)
		r = add_call(filter, &calls[i], calls[i].fd == FD_DISK ? disk : out);
	if (r == 0)
		return filter;
	seccomp_release(filter);
	return NULL;
}

/* Its instructions, as the library writes them into a file. */
static int read_program(int fd, struct sock_fprog *ret)
{
	off_t size = lseek(fd, 0, SEEK_END);
	_cleanup_(freep) struct sock_filter *code = size > 0 ? malloc((size_t)size) : NULL;

	if (!code || pread(fd, code, (size_t)size, 0) != size)
		return -EIO;
	*ret = (struct sock_fprog){.len = (unsigned short)((size_t)size / sizeof(*code)), .filter = TAKE_PTR(code)};
	return 0;
}

int sandbox_prepare(int disk, int out, struct err *e)
{
	scmp_filter_ctx filter = SANITIZED ? NULL : make_filter(disk, out);
	_cleanup_(closep) int fd = filter ? memfd_create("filter", MFD_CLOEXEC) : -1;
	struct sock_fprog program;
	int r;

	if (SANITIZED)
		return 0;
	r = fd < 0 ? -ENOMEM : seccomp_export_bpf(filter, fd);
	if (filter)
		seccomp_release(filter);
	if (r == 0)
		r = read_program(fd, &program);
	if (r < 0)
		return err_sys(e, -r, "the filter of system calls");
	free(prepared.program.filter);
	prepared.disk = disk;
	prepared.out = out;
	prepared.program = program;
	return 0;
}

int sandbox_enter(int disk, int out, struct err *e)
{
	bool ready = prepared.program.len && prepared.disk == disk && prepared.out == out;
	int r = ready ? 0 : sandbox_prepare(disk, out, e);

	if (SANITIZED)
		return 0;
	volunteer();
	if (r == 0)
		r = limit_resources(e);
	if (r == 0)
		r = drop_privileges(e);
	if (r == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prepared.program) < 0)
		r = err_sys(e, errno, "system calls cannot be filtered");
	return r;
}
