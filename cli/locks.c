// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/locks.h"

#include "cli/edit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_MAX = 1 << 20 };

/* ---- what each file says ---- */

/* mdadm --assemble --scan and --incremental leave an ignored container alone. */
static int edit_mdadm_conf(const struct lock *l, const char *path, const char *text, const char *guid,
			   const char *program, bool on, struct buf *ret, struct err *e)
{
	_cleanup_(buf_free) struct buf line = {0};
	char uuid[36];
	size_t lines;

	(void)l;
	(void)program;
	if (edit_mdadm_uuid(guid, uuid) < 0)
		return err_set(e, EINVAL, "'%s' is no GUID of a DDF set: 48 hexadecimal digits", guid);
	buf_addf(&line, "ARRAY <ignore> metadata=ddf UUID=%s", uuid);
	return edit_block(path, text, buf_str(&line), on, ret, &lines, e);
}

static const char udev_head[] =
	"# Written by 'sparectl manage': mdadm's rules leave the members of these sets alone. See sparectl(8).\n"
	"# Behind 60-persistent-storage.rules, which finds ID_FS_TYPE, and before 64-md-raid-assembly.rules. nowatch: "
	"what\n"
	"# spared writes to a member is not an event.\n"
	"ACTION!=\"remove\", SUBSYSTEM==\"block\", ENV{ID_FS_TYPE}==\"ddf_raid_member\", "
	"IMPORT{program}=\"%s udev-check $devnode\"\n"
	"ACTION!=\"remove\", SUBSYSTEM==\"block\", ENV{ID_FS_TYPE}==\"ddf_raid_member\", ENV{SPARED_SET}!=\"?*\", "
	"IMPORT{db}=\"SPARED_SET\"\n";

static int edit_udev_rule(const struct lock *l, const char *path, const char *text, const char *guid,
			  const char *program, bool on, struct buf *ret, struct err *e)
{
	_cleanup_(buf_free) struct buf line = {0}, whole = {0};
	size_t lines;
	int r;

	(void)l;
	buf_addf(&line,
		 "ENV{SPARED_SET}==\"%s\", ENV{SPARED_MANAGED}=\"1\", ENV{nodmraid}=\"spared\", OPTIONS+=\"nowatch\"",
		 guid);
	if (!text[0])
		buf_addf(&whole, udev_head, program);
	else
		buf_add(&whole, text);
	r = edit_block(path, buf_str(&whole), buf_str(&line), on, ret, &lines, e);
	if (r == 0 && lines == 0)
		buf_clear(ret);
	return r;
}

static int edit_settings(const struct lock *l, const char *path, const char *text, const char *guid,
			 const char *program, bool on, struct buf *ret, struct err *e)
{
	(void)l;
	(void)program;
	return edit_manage(path, text, guid, on, ret, e);
}

const struct lock lock_table[LOCKS] = {
	{"mdadm's configuration", "/etc/mdadm/mdadm.conf", edit_mdadm_conf},
	{"udev rule", "/etc/udev/rules.d/61-spared-managed.rules", edit_udev_rule},
	{"settings", "/etc/spared/spared.yaml", edit_settings},
};

/* ---- files ---- */

static int read_text(const char *path, char **ret, struct err *e)
{
	_cleanup_(buf_free) struct buf b = {0};
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char part[4096];
	ssize_t n = 0;

	if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
		return err_sys(e, errno, "cannot read %s", path);
	while (fd >= 0 && (n = read(fd, part, sizeof(part))) > 0 && b.len <= FILE_MAX)
		buf_addn(&b, part, (size_t)n);
	if (n < 0)
		return err_sys(e, errno, "cannot read %s", path);
	if (b.len > FILE_MAX || strlen(buf_str(&b)) != b.len)
		return err_set(e, EINVAL, "%s is no text file, or too long to be edited here", path);
	*ret = strdup(buf_str(&b));
	return *ret ? 0 : -ENOMEM;
}

static int make_parents(const char *path, struct err *e)
{
	_cleanup_(freep) char *dir = strdup(path);

	for (char *p = dir ? strchr(dir + 1, '/') : NULL; p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(dir, 0755) < 0 && errno != EEXIST)
			return err_sys(e, errno, "cannot make the directory %s", dir);
		*p = '/';
	}
	return 0;
}

static int sync_parent(const char *path)
{
	_cleanup_(freep) char *dir = strdup(path);
	_cleanup_(closep) int fd = -1;

	if (!dir)
		return -ENOMEM;
	*strrchr(dir, '/') = '\0';
	fd = open(dir[0] ? dir : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* What was written is on disk under a name of its own; the old file's mode and owner are kept. */
static int write_beside(const char *path, const char *temp, const char *text)
{
	_cleanup_(closep) int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	size_t len = strlen(text), done = 0;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (stat(path, &st) == 0 && (fchmod(fd, st.st_mode & 07777) < 0 || fchown(fd, st.st_uid, st.st_gid) < 0))
		return -errno;
	while (done < len) {
		ssize_t n = write(fd, text + done, len - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

int lock_write(const struct lock_change *c, struct err *e)
{
	_cleanup_(buf_free) struct buf temp = {0};
	int r;

	if (strcmp(c->before, c->after) == 0)
		return 0;
	if (!c->after[0])
		return unlink(c->path) < 0 && errno != ENOENT ? err_sys(e, errno, "cannot remove %s", c->path) : 0;
	r = make_parents(c->path, e);
	if (r < 0)
		return r;
	buf_addf(&temp, "%s.spared-new", c->path);
	r = write_beside(c->path, buf_str(&temp), c->after);
	if (r == 0 && rename(buf_str(&temp), c->path) < 0)
		r = -errno;
	if (r == 0)
		r = sync_parent(c->path);
	if (r < 0) {
		unlink(buf_str(&temp));
		return err_sys(e, -r, "cannot write %s", c->path);
	}
	return 0;
}

/* ---- changes ---- */

int lock_change(const struct lock *l, const char *root, const char *const *guids, size_t n, const char *program,
		bool on, struct lock_change *ret, struct err *e)
{
	_cleanup_(buf_free) struct buf path = {0};
	_cleanup_(lock_change_finish) struct lock_change c = {.lock = l};
	int r;

	buf_addf(&path, "%s%s", root, l->path);
	c.path = buf_take(&path);
	if (!c.path)
		return -ENOMEM;
	r = read_text(c.path, &c.before, e);
	if (r < 0)
		return r;
	c.after = c.before ? strdup(c.before) : NULL;
	for (size_t i = 0; i < n && c.after; i++) {
		_cleanup_(buf_free) struct buf text = {0};

		/* A file of ours that is not there has nothing to be taken out of. */
		if (!on && !c.after[0])
			break;
		r = l->edit(l, c.path, c.after, guids[i], program, on, &text, e);
		if (r < 0)
			return r;
		free(c.after);
		c.after = buf_take(&text);
	}
	if (!c.after)
		return -ENOMEM;
	*ret = TAKE(c, (struct lock_change){0});
	return 0;
}

void lock_change_finish(struct lock_change *c)
{
	free(c->path);
	free(c->before);
	free(c->after);
	*c = (struct lock_change){0};
}
