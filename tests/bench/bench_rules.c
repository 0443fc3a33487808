// SPDX-License-Identifier: GPL-2.0-or-later
/* How fast the rule engine is: CPU time of this process alone, with a world of its own. rules.sh calls it.
 *   bench_rules log DIR LOG N   rules of the directory; N events out of the lines of the log, again and again
 *   bench_rules least LOG N     the same events, of which each disk's are counted by a hash table and nothing else
 *   bench_rules windows N       N windows are opened; time goes on with them open; they end
 * A line of the log: "block.error device=disk17 status=medium region=5". */
#include "core/clock.h"
#include "rules/rules.h"

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DISKS = 20000, WIDTH = 4, FACTS = 16, STEP_NS = 1000 };

/* ---- the world: disks, four of which are one array ---- */

struct disk {
	char name[16], array[16], member[24];
	struct {
		enum fact_id fact;
		struct value v;
	} fact[FACTS];
	size_t n;
};

struct world {
	struct disk disk[DISKS];
};

static void add(struct disk *d, enum fact_id fact, struct value v)
{
	d->fact[d->n].fact = fact;
	d->fact[d->n++].v = v;
}

static void make_disk(struct disk *d, int i)
{
	snprintf(d->name, sizeof(d->name), "disk%d", i);
	snprintf(d->array, sizeof(d->array), "array%d", i / WIDTH);
	snprintf(d->member, sizeof(d->member), "array%d/%d", i / WIDTH, i % WIDTH);
	add(d, FACT_DEVICE_ID, value_str(d->name));
	add(d, FACT_DEVICE_NAME, value_str(d->name));
	add(d, FACT_DEVICE_MODEL, value_str("a model"));
	add(d, FACT_DEVICE_SIZE, value_size(UINT64_C(4) << 40));
	add(d, FACT_DEVICE_MEDIA, fact_enum(FACT_DEVICE_MEDIA, MEDIA_HDD));
	add(d, FACT_DEVICE_ROLE, fact_enum(FACT_DEVICE_ROLE, ROLE_MEMBER));
	add(d, FACT_DEVICE_PRESENT, value_bool(true));
	add(d, FACT_DEVICE_CONTROLLER, value_str(i % 2 ? "c1" : "c0"));
	add(d, FACT_MEMBER_ID, value_str(d->member));
	add(d, FACT_MEMBER_SLOT, value_int(i % WIDTH));
	add(d, FACT_MEMBER_STATE, fact_enum(FACT_MEMBER_STATE, MEMBER_IN_SYNC));
	add(d, FACT_ARRAY_ID, value_str(d->array));
	add(d, FACT_ARRAY_NAME, value_str(d->array));
	add(d, FACT_ARRAY_STATE, fact_enum(FACT_ARRAY_STATE, ARRAY_OPTIMAL));
	add(d, FACT_ARRAY_REDUNDANCY, value_int(1));
}

/* The world costs as little as it can: it is not what is measured. */
static struct disk *find_disk(struct world *w, const char *id)
{
	size_t n = 0;

	for (const char *p = id + strlen("disk"); *p; p++)
		n = n * 10 + (size_t)(*p - '0');
	return n < DISKS ? &w->disk[n] : NULL;
}

static struct disk *find_member(struct world *w, const char *id)
{
	const char *slash = strchr(id, '/');
	long n = strncmp(id, "array", 5) == 0 && slash ? strtol(id + 5, NULL, 10) * WIDTH + strtol(slash + 1, NULL, 10)
						       : -1;

	return n >= 0 && n < DISKS ? &w->disk[n] : NULL;
}

static int each(void *u, enum subject_sort sort, int (*fn)(void *fu, const char *id), void *fu)
{
	struct world *w = u;
	int r = 0;

	for (int i = 0; i < DISKS && r == 0; i++)
		if (sort == SORT_DEVICE || sort == SORT_MEMBER)
			r = fn(fu, sort == SORT_MEMBER ? w->disk[i].member : w->disk[i].name);
	return r;
}

static int memberships(void *u, const char *device, int (*fn)(void *fu, const char *member_id), void *fu)
{
	struct disk *d = find_disk(u, device);

	return d ? fn(fu, d->member) : 0;
}

static bool bind(void *u, enum subject_sort sort, const char *id, struct facts *f)
{
	struct disk *d = sort == SORT_MEMBER ? find_member(u, id) : sort == SORT_DEVICE ? find_disk(u, id) : NULL;

	for (size_t i = 0; d && i < d->n; i++)
		if (sort == SORT_MEMBER || d->fact[i].fact < FACT_MEMBER_ID)
			f->v[d->fact[i].fact] = d->fact[i].v;
	return d != NULL;
}

static const struct world_ops ops = {.each = each, .memberships = memberships, .bind = bind};

static struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		err(1, "memory");
	for (int i = 0; i < DISKS; i++)
		make_disk(&w->disk[i], i);
	return w;
}

/* ---- the engine ---- */

static const char *const severities[] = {"info", "warning", NULL};
static const struct param_desc notify_params[] = {
	{"severity", PARAM_ENUM, true, severities}, {"text", PARAM_STRING, true}, {NULL}};
static const struct action_desc notify = {.name = "notify", .params = notify_params};
static const struct action_desc *const actions[] = {&notify, NULL};

static int64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * NS_PER_SEC + t.tv_nsec;
}

static void count_verdict(void *u, const struct verdict *v)
{
	uint64_t *fired = u;

	*fired += v->kind == VERDICT_FIRED;
}

/* Of the directory, or, dir NULL, of the text. */
static struct ruleset *load(const char *dir, const char *text)
{
	struct rule_source source = {.file = "bench.yaml", .text = text, .len = text ? strlen(text) : 0};
	struct ruleset_options o = {.actions = actions};
	_cleanup_(buf_free) struct buf out = {0};
	struct ruleset *rs = NULL;
	struct diag d;
	int r;

	diag_init(&d);
	r = dir ? ruleset_load_dirs(&dir, 1, &o, &d, &rs) : ruleset_load(&source, 1, &o, &d, &rs);
	if (r < 0) {
		diag_print(&d, NULL, &out);
		errx(1, "%.2000s", buf_str(&out));
	}
	diag_finish(&d);
	return rs;
}

static int64_t ticks(void *u)
{
	struct timespec t;

	(void)u;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * NS_PER_SEC + t.tv_nsec;
}

static struct engine *start(struct ruleset *rs, struct world *w, uint64_t *fired)
{
	struct engine_options o = {.world = &ops,
				   .world_u = w,
				   .on_verdict = count_verdict,
				   .u = fired,
				   .ticks = ticks,
				   .room = SIZE_MAX / 8};
	struct engine *e;

	if (engine_new(rs, &o, &e) < 0)
		errx(1, "memory");
	engine_start(e, 0, 0);
	return e;
}

static char *read_file(const char *path, size_t *ret_len)
{
	FILE *f = fopen(path, "re");
	struct buf text = {0};
	char part[65536];
	size_t n;

	if (!f)
		err(1, "%s", path);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_addn(&text, part, n);
	fclose(f);
	*ret_len = text.len;
	return buf_take(&text);
}

/* ---- events ---- */

struct log {
	const char *text, *line;
	size_t len;
	uint64_t seq;
};

static struct log log_open(const char *path)
{
	struct log l = {0};

	l.text = l.line = read_file(path, &l.len);
	if (!l.len || l.text[l.len - 1] != '\n')
		errx(1, "%s ends without a new line", path);
	return l;
}

/* "KEY=VALUE", up to a space or the end of the line. */
struct word {
	const char *key, *value;
	size_t key_len, len;
};

static const char *next_word(const char *p, struct word *w)
{
	*w = (struct word){.key = p, .value = p};
	for (; *p != ' ' && *p != '\n'; p++)
		if (*p == '=') {
			w->key_len = (size_t)(p - w->key);
			w->value = p + 1;
		}
	w->len = (size_t)(p - w->value);
	return p;
}

static bool is_key(const struct word *w, const char *key)
{
	return w->key_len == strlen(key) && memcmp(w->key, key, w->key_len) == 0;
}

static void set_status(struct event *ev, const struct word *w)
{
	for (int i = 0; error_words[i]; i++)
		if (error_words[i][0] == w->value[0] && strlen(error_words[i]) == w->len &&
		    memcmp(error_words[i], w->value, w->len) == 0)
			event_set(ev, FACT_ERROR_STATUS, fact_enum(FACT_ERROR_STATUS, i));
}

static void set_region(struct event *ev, const struct word *w)
{
	int64_t n = 0;

	for (size_t i = 0; i < w->len; i++)
		n = n * 10 + (w->value[i] - '0');
	event_set(ev, FACT_ERROR_REGION, value_int(n));
}

/* The next line, from the first again after the last. */
static struct event *next_event(struct log *l)
{
	struct event *ev = event_new("block.error", "log", ORIGIN_KERNEL);
	const char *p = l->line;
	struct word w;

	if (!ev)
		err(1, "memory");
	for (;; p++) {
		p = next_word(p, &w);
		if (is_key(&w, "device"))
			ev->device = strndup(w.value, w.len);
		else if (is_key(&w, "status"))
			set_status(ev, &w);
		else if (is_key(&w, "region"))
			set_region(ev, &w);
		if (*p == '\n')
			break;
	}
	if (!ev->device || ev->n_facts != 2)
		errx(1, "a line that is no error");
	ev->seq = ++l->seq;
	ev->time = ev->wall = (int64_t)l->seq * STEP_NS;
	l->line = p + 1 < l->text + l->len ? p + 1 : l->text;
	return ev;
}

/* ns of CPU an event, read and taken. */
static double per_event(struct log *l, uint64_t n, void (*take)(void *u, const struct event *ev), void *u)
{
	int64_t begin = cpu_ns();

	for (uint64_t i = 0; i < n; i++) {
		struct event *ev = next_event(l);

		take(u, ev);
		event_free(ev);
	}
	return (double)(cpu_ns() - begin) / (double)n;
}

static void take_none(void *u, const struct event *ev)
{
	(void)u;
	(void)ev;
}

static void take_engine(void *u, const struct event *ev)
{
	engine_event(u, ev, ev->time);
}

/* Reading the lines is measured, too, as the peers do it, and by itself. The first n events make all that there is to
 * make, and each rule fires. */
static void run_log(const char *rules, const char *log, uint64_t n)
{
	struct world *w = world_new();
	struct log l = log_open(log);
	uint64_t fired = 0, fired_first;
	int64_t loaded = cpu_ns();
	struct ruleset *rs = load(rules, NULL);
	struct engine *e = start(rs, w, &fired);
	double first, again, read;

	loaded = cpu_ns() - loaded;
	first = per_event(&l, n, take_engine, e);
	fired_first = fired;
	again = per_event(&l, n, take_engine, e);
	read = per_event(&l, n, take_none, NULL);
	printf("{\"events\":%" PRIu64 ",\"first_ns\":%.1f,\"ns\":%.1f,\"read_ns\":%.1f,\"fired\":%" PRIu64
	       ",\"load_ms\":%.1f}\n",
	       n, first, again, read, fired_first, (double)loaded / 1e6);
	engine_free(e);
	ruleset_unref(rs);
	free((void *)l.text);
	free(w);
}

/* ---- the least ---- */

/* What nobody can do without who counts by disk: find the disk by its name, count. A cache line a disk. */
enum { SLOTS = 65536 };

struct counter {
	char id[24];
	uint64_t n;
	char rest[32];
};

static void take_least(void *u, const struct event *ev)
{
	struct counter *slots = u;
	uint64_t h = 0xcbf29ce484222325;

	for (const char *p = ev->device; *p; p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3;
	h ^= h >> 32;
	while (slots[h % SLOTS].id[0] && strcmp(slots[h % SLOTS].id, ev->device) != 0)
		h++;
	if (!slots[h % SLOTS].id[0])
		snprintf(slots[h % SLOTS].id, sizeof(slots->id), "%s", ev->device);
	slots[h % SLOTS].n++;
}

static void run_least(const char *log, uint64_t n)
{
	struct counter *slots = aligned_alloc(64, SLOTS * sizeof(*slots));
	struct log l = log_open(log);
	double again, read;

	if (!slots)
		err(1, "memory");
	memset(slots, 0, SLOTS * sizeof(*slots));
	per_event(&l, n, take_least, slots);
	again = per_event(&l, n, take_least, slots);
	read = per_event(&l, n, take_none, NULL);
	printf("{\"events\":%" PRIu64 ",\"ns\":%.1f,\"read_ns\":%.1f}\n", n, again, read);
	free(slots);
	free((void *)l.text);
}

/* ---- windows ---- */

#define WINDOWS_RULES                                                                                                  \
	"version: 1\nrules:\n  - name: r\n    description: d\n    event: block.error\n"                                \
	"    threshold: {count: 10, within: 10m}\n"                                                                    \
	"    do: [{notify: {severity: info, text: x}}]\n"

static size_t heap(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* How long a step of time takes when nothing is due. */
static double advance_ns(struct engine *e, int64_t from)
{
	enum { STEPS = 100000 };
	int64_t begin = cpu_ns();

	for (int i = 0; i < STEPS; i++)
		engine_advance(e, from + i, from + i);
	return (double)(cpu_ns() - begin) / STEPS;
}

static void run_windows(int64_t n)
{
	struct world *w = world_new();
	struct ruleset *rs = load(NULL, WINDOWS_RULES);
	uint64_t fired = 0;
	struct engine *e = start(rs, w, &fired);
	struct event *ev = event_new("block.error", "bench", ORIGIN_KERNEL);
	size_t before = heap(), after;
	int64_t opened, ended;
	double idle;
	char id[32];

	opened = cpu_ns();
	for (int64_t i = 0; i < n; i++) {
		ev->seq = (uint64_t)i + 1;
		ev->time = ev->wall = i * STEP_NS;
		snprintf(id, sizeof(id), "wwn-0x5000c500%08" PRIx64, i);
		ev->device = id;
		engine_event(e, ev, ev->time);
		ev->device = NULL;
	}
	opened = cpu_ns() - opened;
	after = heap();
	idle = advance_ns(e, n * STEP_NS);
	ended = cpu_ns();
	engine_advance(e, 3600 * NS_PER_SEC, 3600 * NS_PER_SEC);
	ended = cpu_ns() - ended;
	printf("{\"windows\":%" PRId64
	       ",\"mb\":%.1f,\"bytes\":%.1f,\"open_ns\":%.1f,\"advance_ns\":%.1f,\"end_ns\":%.1f,"
	       "\"left_mb\":%.1f}\n",
	       n, (double)(after - before) / 1e6, (double)(after - before) / (double)n, (double)opened / (double)n,
	       idle, (double)ended / (double)n, ((double)heap() - (double)before) / 1e6);
	event_free(ev);
	engine_free(e);
	ruleset_unref(rs);
	free(w);
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "log") == 0)
		run_log(argv[2], argv[3], strtoull(argv[4], NULL, 10));
	else if (argc == 4 && strcmp(argv[1], "least") == 0)
		run_least(argv[2], strtoull(argv[3], NULL, 10));
	else if (argc == 3 && strcmp(argv[1], "windows") == 0)
		run_windows(strtoll(argv[2], NULL, 10));
	else
		errx(2, "usage: bench_rules log DIR LOG N, bench_rules least LOG N, bench_rules windows N");
	return 0;
}
