// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/before.h"
#include "cli/capsule.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/disk.h"
#include "cli/output.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- JSON ---- */

static json_t *super_json(const struct slice_super *s)
{
	char failed[24];

	snprintf(failed, sizeof(failed), "0x%" PRIx64, s->failed);
	return json_pack("{s:i,s:i,s:I,s:s,s:b,s:b,s:i,s:i,s:I}", "devices", (int)s->n_devices, "position",
			 (int)s->position, "events", (json_int_t)s->events, "failed", failed, "in-sync",
			 s->recovery_offset == UINT64_MAX, "array-in-sync", s->resync_offset == UINT64_MAX, "level",
			 (int)s->level, "layout", (int)s->layout, "array-sectors", (json_int_t)s->array_sectors);
}

static json_t *stamp_json(const struct stamp *s)
{
	char epoch[24];

	snprintf(epoch, sizeof(epoch), "%016" PRIx64, s->epoch);
	return json_pack("{s:s,s:s,s:i,s:s,s:I,s:I,s:b,s:b,s:I}", "set", s->set, "volume", s->volume, "slot",
			 (int)s->slot, "epoch", epoch, "seq", (json_int_t)s->seq_current, "intended-seq",
			 (json_int_t)s->seq_intended, "running", s->running, "owed", s->owed, "generation",
			 (json_int_t)s->generation);
}

static json_t *disk_json(const char *path, const struct disk_meta *m)
{
	json_t *j = json_pack("{s:i,s:s,s:s,s:I,s:i,s:o,s:o}", "v", 1, "path", path, "name", m->name, "sectors",
			      (json_int_t)m->sectors, "sector-size", (int)m->sector_size, "view",
			      m->view ? meta_view_to_json(m->view) : json_null(), "bays", json_array());

	for (unsigned i = 0; i < m->n_bays; i++) {
		const struct disk_bay *b = &m->bays[i];
		json_t *bay = json_pack("{s:i,s:I}", "bay", (int)b->bay, "sector", (json_int_t)b->sector);

		if (b->stamp_status == 0)
			json_object_set_new(bay, "stamp", stamp_json(&b->stamp));
		if (b->super_status == 0)
			json_object_set_new(bay, "slice", super_json(&b->super));
		json_array_append_new(json_object_get(j, "bays"), bay);
	}
	return j;
}

/* ---- text ---- */

static enum tone member_tone(enum member_state state)
{
	return state == MEMBER_IN_SYNC ? TONE_GOOD : state == MEMBER_REBUILDING ? TONE_WARN : TONE_BAD;
}

static void print_disks(const struct cli *c, const struct meta_view *v, struct buf *out)
{
	buf_addf(out, "disks (%zu)\n", v->n_disks);
	for (size_t i = 0; i < v->n_disks; i++) {
		const struct meta_disk *d = &v->disks[i];
		bool self = strcmp(d->ref, v->self) == 0;

		buf_add(out, "  ");
		out_word(c, out, self ? TONE_BOLD : TONE_PLAIN, d->ref, 9);
		out_size(out, d->sectors * 512);
		buf_addf(out, "%s%s%s%s%s%s%s%s", d->spare ? d->dedicated ? ", dedicated spare" : ", global spare" : "",
			 d->revertible ? ", revertible" : "", d->enclosure ? ", of its enclosure" : "",
			 d->missing ? ", missing" : "", d->predicted ? ", predicts its failure" : "",
			 d->read_errors ? ", had read errors" : "", d->foreign ? ", foreign" : "",
			 self ? ", this disk" : "");
		if (d->failed) {
			buf_add(out, ", ");
			out_word(c, out, TONE_BAD, "failed", 0);
		}
		buf_addc(out, '\n');
	}
}

static void print_volume(const struct cli *c, const struct meta_volume *v, struct buf *out)
{
	buf_add(out, "volume ");
	out_word(c, out, TONE_BOLD, v->name[0] ? v->name : "(no name)", 0);
	buf_addf(out, "  %s", v->guid);
	if (!v->known) {
		buf_add(out, "\n  its configuration is not on this disk\n");
		return;
	}
	if (v->level == RAID_UNSUPPORTED) {
		buf_add(out, "\n  not supported: ");
		out_text(out, v->unsupported);
		buf_addc(out, '\n');
		return;
	}
	buf_addf(out, "\n  %s, ", raid_level_name(v->level));
	out_size(out, v->sectors * 512);
	if (v->chunk)
		buf_addf(out, ", chunk %" PRIu32 "KiB, layout %d", v->chunk / 2, v->layout);
	buf_addf(out, ", sequence %" PRIu32 ", %s%s\n", v->seq, v->clean ? "clean" : "dirty",
		 v->initialised ? "" : ", not fully initialised");
	if (meta_volume_doubted(v))
		buf_add(out, "  a member is not in sync, and the disks do not say which\n");
	for (unsigned i = 0; i < v->slots; i++) {
		const struct meta_member *m = &v->members[i];

		buf_addf(out, "  slot %-3u", i);
		out_word(c, out, member_tone(m->state), member_words[m->state], 12);
		if (m->ref[0])
			buf_addf(out, "disk %s, data at sector %" PRIu64, m->ref, m->offset);
		buf_addc(out, '\n');
	}
}

static void print_bay(const struct disk_bay *b, struct buf *out)
{
	buf_addf(out, "bay %u at sector %" PRIu64 "\n", b->bay, b->sector);
	if (b->stamp_status == 0)
		buf_addf(out,
			 "  stamp   volume %s slot %" PRIu32 ", epoch %016" PRIx64 ", sequence %" PRIu64
			 " (intended %" PRIu64 "), %s%s\n",
			 b->stamp.volume, b->stamp.slot, b->stamp.epoch, b->stamp.seq_current, b->stamp.seq_intended,
			 b->stamp.running ? "running" : "stopped",
			 b->stamp.owed ? ", its mirrors have not been compared" : "");
	else
		buf_addf(out, "  stamp   %s\n", b->stamp_status == -EBADMSG ? "damaged" : "none");
	if (b->super_status == 0)
		buf_addf(out,
			 "  slice   position %" PRIu32 " of %" PRIu32 ", events %" PRIu64 ", failed 0x%" PRIx64
			 ", %s\n",
			 b->super.position, b->super.n_devices, b->super.events, b->super.failed,
			 b->super.recovery_offset == UINT64_MAX ? "in sync" : "rebuilding");
	else
		buf_addf(out, "  slice   %s\n",
			 b->super_status == -EBADMSG  ? "damaged"
			 : b->super_status == -ESTALE ? "the kernel's: not kept"
						      : "blank");
}

static void print_disk(const struct cli *c, const char *path, const struct disk_meta *m, struct buf *out)
{
	const struct meta_view *v = m->view;

	out_word(c, out, TONE_BOLD, path, 0);
	buf_add(out, "  ");
	out_size(out, m->sectors * 512);
	if (!v) {
		buf_add(out, ", no RAID metadata that is known here\n");
		return;
	}
	if (m->sector_size != 512)
		buf_addf(out, ", blocks of %u bytes", m->sector_size);
	buf_addf(out, ", %s, set %s", v->format, v->set);
	if (v->maker[0]) {
		buf_add(out, ", made by ");
		out_text(out, v->maker);
	}
	buf_addf(out, "\nsequence %" PRIu64 ", this disk is %s, room for slices: ", v->seq,
		 v->self[0] ? v->self : "not listed");
	if (v->room_sectors)
		buf_addf(out, "%" PRIu64 " sectors from %" PRIu64 "\n", v->room_sectors, v->room_start);
	else
		buf_add(out, "none\n");
	print_disks(c, v, out);
	for (size_t i = 0; i < v->n_volumes; i++)
		print_volume(c, &v->volumes[i], out);
	for (unsigned i = 0; i < m->n_bays; i++)
		print_bay(&m->bays[i], out);
}

static int show(const struct cli *c, const char *path, const struct disk_meta *m)
{
	_cleanup_(buf_free) struct buf out = {0};

	if (GIVEN(c, JSON)) {
		out_json(disk_json(path, m));
	} else {
		print_disk(c, path, m, &out);
		out_flush(&out);
	}
	return m->view ? CLI_OK : CLI_NO;
}

/* What the kernel wrote into slices is in no image: what is there now is not shown as what was there then. */
static void hide_slices(struct disk_meta *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->n_bays; i++) {
		m->bays[i].super_status = -ESTALE;
		if (m->bays[i].stamp_status != -ENODATA)
			m->bays[n++] = m->bays[i];
	}
	m->n_bays = n;
}

/* The disk as it is, d, and over it what it held before the plan. */
static int show_then(const struct cli *c, const char *path, struct blockdev *d, const struct image_disk *im)
{
	_cleanup_(blockdev_closep) struct blockdev *then = NULL;
	_cleanup_(disk_meta_finish) struct disk_meta m = {0};
	struct err e = {0};

	if (d->sectors != im->sectors)
		return cli_fail(c, CLI_NO, "failed", "%s is another disk than %s was", path, im->name);
	then = before_device(d, im);
	if (!then || disk_meta_of(then, &m, &e) < 0)
		return cli_fail(c, CLI_NO, "failed", "%s: what it held before %s is not kept, or not all of it%s%s",
				path, c->opt[OPT_BEFORE], e.msg[0] ? ": " : "", e.msg);
	hide_slices(&m);
	return show(c, path, &m);
}

/* ---- a capsule ---- */

/* NULL: it is none. */
static FILE *open_capsule(const char *path, size_t *size)
{
	FILE *f = fopen(path, "re");
	char head[16];
	struct stat st;

	if (f && fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= CAPSULE_BYTES_MAX &&
	    fread(head, 1, sizeof(head), f) == sizeof(head) && capsule_is(head, sizeof(head))) {
		rewind(f);
		*size = (size_t)st.st_size;
		return f;
	}
	if (f)
		fclose(f);
	return NULL;
}

static bool is_capsule(const char *path)
{
	size_t size;
	FILE *f = open_capsule(path, &size);

	if (f)
		fclose(f);
	return f;
}

static char *read_capsule(const char *path, size_t *len)
{
	size_t size;
	FILE *f = open_capsule(path, &size);
	char *text = f ? malloc(size) : NULL;

	*len = text ? fread(text, 1, size, f) : 0;
	if (f)
		fclose(f);
	return text;
}

/* im NULL: as it is. */
static int show_kept(const struct cli *c, const char *path, const struct sectors *s, const struct image_disk *im)
{
	_cleanup_(blockdev_closep) struct blockdev *d = sectors_play(s);
	_cleanup_(disk_meta_finish) struct disk_meta m = {0};
	struct err e = {0};
	char name[PATH_MAX];

	snprintf(name, sizeof(name), "%.3000s:%.64s", path, s->name);
	if (s->error[0])
		return cli_fail(c, CLI_NO, "failed", "%s: it could not be read when the capsule was made: %s", name,
				s->error);
	if (d && im)
		return show_then(c, name, d, im);
	if (!d || disk_meta_of(d, &m, &e) < 0)
		return cli_fail(c, CLI_NO, "failed", "%s: %s", name, d ? e.msg : "out of memory");
	return show(c, name, &m);
}

static int show_capsule_before(const struct cli *c, const char *path, struct capsule *capsule)
{
	_cleanup_(image_freep) struct image *im = NULL;
	const struct before_rows rows = capsule_before(capsule);
	int status = CLI_OK, n = 0;
	struct err e = {0};

	if (before_lay(&rows, c->opt[OPT_BEFORE], &im, &e) < 0)
		return cli_fail(c, CLI_NO, "failed", "%s: %s", path, e.msg);
	for (size_t i = 0; i < capsule->n_disks; i++) {
		const struct sectors *s = &capsule->disks[i];
		const struct image_disk *d = s->device[0] ? image_disk(im, s->device) : NULL;
		int r = d ? show_kept(c, path, s, d) : CLI_OK;

		status = MAX(status, r);
		n += d != NULL;
	}
	if (n == 0)
		return cli_fail(c, CLI_NO, "not-found", "%s: %s wrote to no disk that is in it", path,
				c->opt[OPT_BEFORE]);
	return status;
}

static int show_capsule(const struct cli *c, const char *path, const char *text, size_t len)
{
	_cleanup_(capsule_finish) struct capsule capsule = {0};
	int status = CLI_OK;
	struct err e = {0};

	if (disk_drop_rights(&e) < 0 || capsule_parse(text, len, &capsule, &e) < 0)
		return cli_fail(c, CLI_NO, "failed", "%s: %s", path, e.msg);
	if (GIVEN(c, BEFORE))
		return show_capsule_before(c, path, &capsule);
	for (size_t i = 0; i < capsule.n_disks; i++) {
		int r = show_kept(c, path, &capsule.disks[i], NULL);

		status = MAX(status, r);
	}
	return capsule.n_disks ? status : cli_fail(c, CLI_NO, "failed", "%s: there is no disk in it", path);
}

static int show_one(const struct cli *c, const char *path)
{
	_cleanup_(disk_meta_finish) struct disk_meta m = {0};
	_cleanup_(freep) char *text = NULL;
	struct err e = {0};
	size_t len = 0;

	text = read_capsule(path, &len);
	if (text)
		return show_capsule(c, path, text, len);
	if (disk_meta_read(path, true, &m, &e) < 0)
		return cli_fail_err(c, CLI_NO, &e);
	return show(c, path, &m);
}

/* ---- before a plan ---- */

static int show_before(const struct cli *c, const char *path, const struct image_disk *im)
{
	_cleanup_(blockdev_closep) struct blockdev *d = NULL;
	struct err e = {0};

	if (blockio_open(path, false, &d, &e) < 0 || disk_drop_rights(&e) < 0)
		return cli_fail_err(c, CLI_NO, &e);
	return show_then(c, path, d, im);
}

/* Reading gives up root's rights for good, so each disk has a process of its own. */
static int apart(const struct cli *c, const char *path, const struct image_disk *im)
{
	int wstatus = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return cli_fail(c, CLI_NO, "failed", "cannot start a process: %s", strerror(errno));
	if (pid == 0) {
		int r = im ? show_before(c, path, im) : show_one(c, path);

		fflush(stdout);
		_exit(r);
	}
	if (waitpid(pid, &wstatus, 0) < 0 || !WIFEXITED(wstatus))
		return cli_fail(c, CLI_NO, "failed", "%s: its reader died", path);
	return WEXITSTATUS(wstatus);
}

/* The node that a person names in this way, too: by id, by kernel name. */
static bool names(const json_t *device, const char *arg)
{
	const char *node = j_str(device, "node");

	return strcmp(arg, node) == 0 || strcmp(arg, j_str(device, "id")) == 0 ||
	       strcmp(arg, j_str(device, "name")) == 0 ||
	       (strncmp(node, "/dev/", 5) == 0 && strcmp(arg, node + 5) == 0);
}

static bool asked_for(const struct cli *c, const json_t *device)
{
	for (int i = 0; i < c->n_args; i++)
		if (names(device, c->args[i]))
			return true;
	return c->n_args == 0;
}

static int show_disks_before(struct cli *c)
{
	_cleanup_(image_freep) struct image *im = NULL;
	json_t *answer = NULL, *device;
	int status = before_ask(c, c->opt[OPT_BEFORE], &im), n = 0;
	size_t i;

	if (status == CLI_OK)
		status = client_ask(c, client_request("status"), &answer);
	json_array_foreach(j_list(json_object_get(answer, "status"), "devices"), i, device)
	{
		const struct image_disk *d = im ? image_disk(im, j_str(device, "id")) : NULL;
		int r;

		if (!d || !j_bool(device, "present") || !asked_for(c, device))
			continue;
		r = apart(c, j_str(device, "node"), d);
		status = MAX(status, r);
		n++;
	}
	json_decref(answer);
	if (status == CLI_OK && n == 0)
		status = cli_fail(c, CLI_NO, "not-found", "%s wrote to no disk that is here%s", c->opt[OPT_BEFORE],
				  c->n_args ? " and that you name" : "");
	return status;
}

/* What is in a capsule is all there: the daemon is asked for what is not. */
static int show_all_before(struct cli *c)
{
	int status = CLI_OK, capsules = 0, r;

	for (int i = 0; i < c->n_args; i++) {
		if (!is_capsule(c->args[i]))
			continue;
		r = apart(c, c->args[i], NULL);
		status = MAX(status, r);
		capsules++;
	}
	if (capsules && capsules == c->n_args)
		return status;
	r = show_disks_before(c);
	return MAX(status, r);
}

int verb_meta_show(struct cli *c)
{
	int status = CLI_OK;

	if (GIVEN(c, BEFORE))
		return show_all_before(c);
	if (c->n_args == 0)
		return cli_fail(c, CLI_USAGE, "usage", "of which disk, or image of one?");
	for (int i = 0; i < c->n_args; i++) {
		int r = apart(c, c->args[i], NULL);

		status = MAX(status, r);
	}
	return status;
}

int verb_udev_check(struct cli *c)
{
	_cleanup_(disk_meta_finish) struct disk_meta m = {0};
	struct err e = {0};

	if (disk_meta_read(c->args[0], true, &m, &e) < 0)
		return cli_fail_err(c, CLI_NO, &e);
	if (!m.view)
		return CLI_NO;
	printf("SPARED_SET=%s\n", m.view->set);
	return CLI_OK;
}
