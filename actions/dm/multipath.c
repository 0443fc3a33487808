// SPDX-License-Identifier: GPL-2.0-or-later
#include "actions/dm/multipath.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The words of a line, one after the other. */
struct words {
	const char *at;
	bool broken; /* a word was missing, too long, or no number where one is needed */
};

static size_t next(struct words *w, const char **ret)
{
	size_t n;

	w->at += strspn(w->at, " ");
	n = strcspn(w->at, " ");
	*ret = w->at;
	w->at += n;
	w->broken |= n == 0;
	return n;
}

static unsigned take_number(struct words *w, unsigned max)
{
	const char *s;
	size_t n = next(w, &s);
	unsigned v = 0;

	w->broken |= n > 6;
	for (size_t i = 0; i < n && !w->broken; i++) {
		w->broken |= s[i] < '0' || s[i] > '9';
		v = v * 10 + (unsigned)(s[i] - '0');
	}
	w->broken |= v > max;
	return w->broken ? 0 : v;
}

/* Appends the next n words to the text. */
static void take_text(struct words *w, unsigned n, char *to, size_t size)
{
	for (unsigned i = 0; i < n && !w->broken; i++) {
		size_t used = strlen(to), len;
		const char *s;

		len = next(w, &s);
		if (used + (used > 0) + len >= size) {
			w->broken = true;
			return;
		}
		if (used)
			to[used++] = ' ';
		memcpy(to + used, s, len);
		to[used + len] = '\0';
	}
}

/* "N word.." with the number. */
static void take_counted(struct words *w, char *to, size_t size)
{
	struct words ahead = *w;
	unsigned n = take_number(&ahead, DM_MP_HEAD_MAX);

	w->broken |= ahead.broken;
	take_text(w, n + 1, to, size);
}

static int broken(const char *what, const struct words *w, const char *params, struct err *e)
{
	return err_set(e, EBADMSG, "a multipath map's %s makes no sense at byte %zu: %.200s", what,
		       (size_t)(w->at - params), params);
}

static void take_group(struct words *w, struct dm_mp_map *m, unsigned g)
{
	unsigned n;

	m->group[g].selector[0] = '\0';
	take_text(w, 1, m->group[g].selector, sizeof(m->group[g].selector));
	take_counted(w, m->group[g].selector, sizeof(m->group[g].selector));
	n = take_number(w, DM_MP_PATHS_MAX - m->n_paths);
	m->group[g].path_args = take_number(w, DM_MP_PATHS_MAX);
	for (unsigned i = 0; i < n && !w->broken; i++) {
		struct dm_mp_path *p = &m->path[m->n_paths++];

		*p = (struct dm_mp_path){.group = g};
		take_text(w, 1, p->dev, sizeof(p->dev));
		take_text(w, m->group[g].path_args, p->args, sizeof(p->args));
	}
}

int dm_mp_table_parse(const char *params, struct dm_mp_map *m, struct err *e)
{
	struct words w = {.at = params};

	m->head[0] = '\0';
	m->n_paths = 0;
	take_counted(&w, m->head, sizeof(m->head)); /* features */
	take_counted(&w, m->head, sizeof(m->head)); /* hardware handler */
	m->n_groups = take_number(&w, DM_MP_GROUPS_MAX);
	m->first = take_number(&w, DM_MP_GROUPS_MAX);
	for (unsigned g = 0; g < m->n_groups && !w.broken; g++)
		take_group(&w, m, g);
	w.at += strspn(w.at, " ");
	return w.broken || *w.at || m->first > m->n_groups ? broken("table", &w, params, e) : 0;
}

int dm_mp_table_print(const struct dm_mp_map *m, struct dm_target *ret, struct err *e)
{
	_cleanup_(buf_free) struct buf b = {0};
	unsigned p = 0;

	buf_addf(&b, "%s %u %u", m->head, m->n_groups, m->first);
	for (unsigned g = 0; g < m->n_groups; g++) {
		unsigned n = 0;

		for (unsigned i = p; i < m->n_paths && m->path[i].group == g; i++)
			n++;
		buf_addf(&b, " %s %u %u", m->group[g].selector, n, m->group[g].path_args);
		for (; p < m->n_paths && m->path[p].group == g; p++)
			buf_addf(&b, " %s%s%s", m->path[p].dev, m->path[p].args[0] ? " " : "", m->path[p].args);
	}
	if (b.len >= sizeof(ret->params))
		return err_set(e, E2BIG, "a multipath map's table is longer than %d", DM_PARAMS_MAX);
	snprintf(ret->type, sizeof(ret->type), "multipath");
	memcpy(ret->params, buf_str(&b), b.len + 1);
	return 0;
}

/* "2 0 0 0 2 1 A 0 2 2 8:0 A 0 0 1 ..": two numbers, the handler's words, groups, the one in use; of each group its
 * state, the selector's words, paths, words of the selector for each path; of each path its number, A or F, how often
 * it failed, and those words. */
int dm_mp_status_take(const char *params, struct dm_mp_map *m, struct err *e)
{
	char skip[DM_MP_HEAD_MAX] = "";
	struct words w = {.at = params};
	unsigned groups, p = 0;

	take_counted(&w, skip, sizeof(skip));
	take_counted(&w, skip, sizeof(skip));
	groups = take_number(&w, DM_MP_GROUPS_MAX);
	take_number(&w, DM_MP_GROUPS_MAX);
	w.broken |= groups != m->n_groups;
	for (unsigned g = 0; g < groups && !w.broken; g++) {
		unsigned n, args;

		skip[0] = '\0';
		take_text(&w, 1, skip, sizeof(skip));
		take_counted(&w, skip, sizeof(skip));
		n = take_number(&w, DM_MP_PATHS_MAX);
		args = take_number(&w, DM_MP_PATHS_MAX);
		for (unsigned i = 0; i < n && !w.broken; i++, p++) {
			char state[8] = "", dev[DM_MP_TEXT_MAX] = "";

			skip[0] = '\0';
			take_text(&w, 1, dev, sizeof(dev));
			take_text(&w, 1, state, sizeof(state));
			take_text(&w, args + 1, skip, sizeof(skip));
			w.broken |= p >= m->n_paths || strcmp(dev, m->path[p].dev) != 0 || m->path[p].group != g;
			if (!w.broken)
				m->path[p].failed = strcmp(state, "A") != 0;
		}
	}
	return w.broken || p != m->n_paths ? broken("status", &w, params, e) : 0;
}

int dm_mp_find(const struct dm_mp_map *m, const char *dev)
{
	for (unsigned i = 0; i < m->n_paths; i++)
		if (strcmp(m->path[i].dev, dev) == 0)
			return (int)i;
	return -1;
}

static unsigned paths_in(const struct dm_mp_map *m, unsigned group)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->n_paths; i++)
		n += m->path[i].group == group;
	return n;
}

static void drop_group(struct dm_mp_map *m, unsigned group)
{
	memmove(&m->group[group], &m->group[group + 1], (m->n_groups - group - 1) * sizeof(m->group[0]));
	m->n_groups--;
	for (unsigned i = 0; i < m->n_paths; i++)
		m->path[i].group -= m->path[i].group > group;
}

static void insert_group(struct dm_mp_map *m, unsigned group)
{
	memmove(&m->group[group + 1], &m->group[group], (m->n_groups - group) * sizeof(m->group[0]));
	m->n_groups++;
	for (unsigned i = 0; i < m->n_paths; i++)
		m->path[i].group += m->path[i].group >= group;
}

/* Paths are in the order of their groups: this one is now the last of its group. */
static void put_path(struct dm_mp_map *m, unsigned path, unsigned group)
{
	struct dm_mp_path moved = m->path[path];
	unsigned at;

	memmove(&m->path[path], &m->path[path + 1], (m->n_paths - path - 1) * sizeof(moved));
	for (at = 0; at < m->n_paths - 1 && m->path[at].group <= group; at++)
		;
	memmove(&m->path[at + 1], &m->path[at], (m->n_paths - 1 - at) * sizeof(moved));
	moved.group = group;
	m->path[at] = moved;
}

/* A full table has no room for one more group: nothing is left to be last. */
bool dm_mp_demote(struct dm_mp_map *m, unsigned path, unsigned *ret_group, bool *ret_alone)
{
	unsigned group = m->path[path].group, last;

	*ret_group = group;
	*ret_alone = paths_in(m, group) == 1;
	if ((*ret_alone && group == m->n_groups - 1) || m->n_groups == DM_MP_GROUPS_MAX)
		return false;
	last = m->n_groups;
	insert_group(m, last);
	m->group[last] = m->group[group];
	put_path(m, path, last);
	if (*ret_alone)
		drop_group(m, group);
	m->first = 1;
	return true;
}

bool dm_mp_restore(struct dm_mp_map *m, unsigned path, unsigned group, bool alone)
{
	unsigned last = m->n_groups - 1;

	if (m->path[path].group != last || paths_in(m, last) != 1 || last == 0)
		return false;
	if (alone && m->n_groups < DM_MP_GROUPS_MAX) {
		group = MIN(group, last);
		insert_group(m, group);
		m->group[group] = m->group[m->n_groups - 1];
	} else {
		group = MIN(group, last - 1);
	}
	/* A selector with other words for its paths would not understand these. */
	if (m->group[group].path_args != m->group[m->n_groups - 1].path_args)
		return false;
	put_path(m, path, group);
	drop_group(m, m->n_groups - 1);
	m->first = 1;
	return true;
}
