// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/tree.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

struct parse {
	struct tree *t;
	yaml_parser_t yaml;
	struct diag *d;
	size_t errors; /* beyond some, the rest is noise */
	bool ended;    /* syntax error or end of input: no event follows */
};

/* libyaml counts from 0; here is the one place where 1 is added. */
static struct place mark_place(const struct parse *p, const yaml_mark_t *from, const yaml_mark_t *to)
{
	struct place at = {.file = p->t->file, .line = (int)from->line + 1, .col = (int)from->column + 1};

	at.end_col = to && to->line == from->line && to->column > from->column ? (int)to->column + 1 : at.col + 1;
	return at;
}

static void report(struct parse *p, const yaml_event_t *ev, const char *code, const char *message, const char *hint)
{
	struct place at = mark_place(p, &ev->start_mark, &ev->end_mark);

	diag_error(p->d, &at, code, "%s", message);
	if (hint)
		diag_hint(p->d, "%s", hint);
	p->errors++;
}

/* What libyaml's words mean for whoever writes rules. */
static const char *syntax_hint(const char *problem)
{
	static const struct {
		const char *part, *hint;
	} hints[] = {
		{"mapping values are not allowed", "a text that holds ': ' must be quoted"},
		{"cannot start any token", "quote a text that starts with this character; indent with spaces"},
		{"did not find expected ',' or", "quote templates in {..}: text: \"${device.name}\""},
		{"could not find expected ':'", "write 'key: value', with a space after the ':'"},
		{"did not find expected key", "check the indentation, and quote texts that hold quotes or brackets"},
	};

	for (size_t i = 0; problem && i < ARRAY_SIZE(hints); i++)
		if (strstr(problem, hints[i].part))
			return hints[i].hint;
	return NULL;
}

/* "*.failed" at the place of the mark: an alias to the parser, a glob to the author. */
static bool starts_with(const struct parse *p, const yaml_mark_t *mark, char c)
{
	return mark->index < p->t->len && p->t->text[mark->index] == c;
}

static void report_syntax(struct parse *p)
{
	const yaml_parser_t *y = &p->yaml;
	struct place at = mark_place(p, &y->problem_mark, NULL);
	const char *hint = syntax_hint(y->problem);

	p->ended = true;
	p->errors++;
	if (y->error == YAML_READER_ERROR) {
		int line = 1;

		for (size_t i = 0; i < y->problem_offset && i < p->t->len; i++)
			line += p->t->text[i] == '\n';
		at = (struct place){.file = p->t->file, .line = line, .col = 1, .end_col = 2};
		diag_error(p->d, &at, "syntax", "%s", y->problem ? y->problem : "the text is not UTF-8");
		return;
	}
	if (starts_with(p, &y->context_mark, '*') && y->context && strstr(y->context, "alias")) {
		const char *word = p->t->text + y->context_mark.index;
		int len = (int)strcspn(word, " \t\r\n,]}");

		at = mark_place(p, &y->context_mark, NULL);
		at.end_col = at.col + len;
		diag_error(p->d, &at, "alias", "'*' starts an alias in YAML");
		diag_hint(p->d, "quote it: \"%.*s\"", len, word);
		return;
	}
	diag_error(p->d, &at, "syntax", "%s", y->problem ? y->problem : "this is not YAML");
	if (hint)
		diag_hint(p->d, "%s", hint);
	if (y->context) {
		at = mark_place(p, &y->context_mark, NULL);
		diag_add(p->d, SEVERITY_NOTE, &at, "syntax", "%s", y->context);
	}
}

/* False at the end of what can be read. */
static bool next_event(struct parse *p, yaml_event_t *ev)
{
	if (p->ended)
		return false;
	if (!yaml_parser_parse(&p->yaml, ev)) {
		report_syntax(p);
		return false;
	}
	p->ended = ev->type == YAML_STREAM_END_EVENT;
	return true;
}

static struct node *node_new(struct parse *p, enum node_kind kind, const yaml_event_t *ev)
{
	struct node *n = arena_new(&p->t->arena, struct node);

	n->kind = kind;
	n->text = kind == NODE_SCALAR ? "" : NULL;
	n->at = mark_place(p, &ev->start_mark, &ev->end_mark);
	return n;
}

static void refuse_properties(struct parse *p, const yaml_event_t *ev, const yaml_char_t *anchor,
			      const yaml_char_t *tag)
{
	if (anchor)
		report(p, ev, "anchor", "anchors are not allowed", "'&' starts an anchor in YAML: quote the text");
	if (tag)
		report(p, ev, "tag", "tags are not allowed", "'!' starts a tag in YAML: quote the text");
}

static struct node *parse_node(struct parse *p, const yaml_event_t *ev, int depth);

static struct node *parse_scalar(struct parse *p, const yaml_event_t *ev)
{
	struct node *n = node_new(p, NODE_SCALAR, ev);
	size_t len = ev->data.scalar.length;

	refuse_properties(p, ev, ev->data.scalar.anchor, ev->data.scalar.tag);
	if (memchr(ev->data.scalar.value, '\0', len))
		report(p, ev, "nul", "a text cannot hold a NUL character", NULL);
	n->text = arena_strndup(&p->t->arena, (const char *)ev->data.scalar.value, len);
	n->quoted = ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	return n;
}

static struct node *parse_list(struct parse *p, const yaml_event_t *ev, int depth)
{
	struct node *list = node_new(p, NODE_LIST, ev);
	yaml_event_t item;

	refuse_properties(p, ev, ev->data.sequence_start.anchor, ev->data.sequence_start.tag);
	while (next_event(p, &item)) {
		struct node *n;

		if (item.type == YAML_SEQUENCE_END_EVENT) {
			yaml_event_delete(&item);
			break;
		}
		n = parse_node(p, &item, depth + 1);
		yaml_event_delete(&item);
		list->items = arena_grow(&p->t->arena, list->items, &list->n, sizeof(*list->items));
		list->items[list->n - 1] = n;
	}
	return list;
}

static void check_key(struct parse *p, const struct node *map, const struct node *key, const yaml_event_t *ev)
{
	if (key->kind != NODE_SCALAR) {
		report(p, ev, "key", "a key must be a word", NULL);
		return;
	}
	if (strcmp(key->text, "<<") == 0 && !key->quoted)
		report(p, ev, "merge-key", "merge keys ('<<') are not allowed", NULL);
	for (size_t i = 0; i < map->n; i++) {
		if (map->keys[i]->kind == NODE_SCALAR && strcmp(map->keys[i]->text, key->text) == 0) {
			diag_error(p->d, &key->at, "duplicate-key",
				   "'%s' is given twice in this mapping, first at line %d", key->text,
				   map->keys[i]->at.line);
			if (strcmp(key->text, "where") == 0 || strcmp(key->text, "unless") == 0)
				diag_hint(p->d, "for \"any of\" use a list");
			p->errors++;
			return;
		}
	}
}

static struct node *parse_map(struct parse *p, const yaml_event_t *ev, int depth)
{
	struct node *map = node_new(p, NODE_MAP, ev);
	size_t n_keys = 0;
	yaml_event_t item;

	refuse_properties(p, ev, ev->data.mapping_start.anchor, ev->data.mapping_start.tag);
	while (next_event(p, &item)) {
		struct node *key, *value;

		if (item.type == YAML_MAPPING_END_EVENT) {
			yaml_event_delete(&item);
			break;
		}
		key = parse_node(p, &item, depth + 1);
		check_key(p, map, key, &item);
		yaml_event_delete(&item);
		if (!next_event(p, &item))
			break;
		value = parse_node(p, &item, depth + 1);
		yaml_event_delete(&item);
		if (key->kind != NODE_SCALAR)
			continue;
		map->keys = arena_grow(&p->t->arena, map->keys, &n_keys, sizeof(*map->keys));
		map->items = arena_grow(&p->t->arena, map->items, &map->n, sizeof(*map->items));
		map->keys[n_keys - 1] = key;
		map->items[n_keys - 1] = value;
	}
	return map;
}

static struct node *parse_node(struct parse *p, const yaml_event_t *ev, int depth)
{
	if (depth > TREE_DEPTH_MAX) {
		report(p, ev, "depth", "nested too deep: at most 16 levels", NULL);
		p->ended = true;
		return node_new(p, NODE_SCALAR, ev);
	}
	switch (ev->type) {
	case YAML_SCALAR_EVENT:
		return parse_scalar(p, ev);
	case YAML_SEQUENCE_START_EVENT:
		return parse_list(p, ev, depth);
	case YAML_MAPPING_START_EVENT:
		return parse_map(p, ev, depth);
	case YAML_ALIAS_EVENT: {
		_cleanup_(buf_free) struct buf hint = {0};

		buf_addf(&hint, "quote it: \"*%s\"", (const char *)ev->data.alias.anchor);
		report(p, ev, "alias", "'*' starts an alias in YAML", buf_str(&hint));
		break;
	}
	default:
		break;
	}
	return node_new(p, NODE_SCALAR, ev);
}

static void parse_stream(struct parse *p)
{
	size_t documents = 0;
	yaml_event_t ev;

	while (next_event(p, &ev)) {
		switch (ev.type) {
		case YAML_DOCUMENT_START_EVENT:
			if (++documents == 2)
				report(p, &ev, "document", "a file holds one document", "remove the '---'");
			break;
		case YAML_SCALAR_EVENT:
		case YAML_SEQUENCE_START_EVENT:
		case YAML_MAPPING_START_EVENT:
		case YAML_ALIAS_EVENT: {
			struct node *n = parse_node(p, &ev, 1);

			if (!p->t->root)
				p->t->root = n;
			break;
		}
		default:
			break;
		}
		yaml_event_delete(&ev);
	}
}

static void check_tabs(struct parse *p)
{
	const char *line = p->t->text, *end = line + p->t->len;

	for (int n = 1; line < end; n++) {
		size_t space = strspn(line, " ");

		if (line[space] == '\t' && line[space + strspn(line + space, " \t")] != '\n') {
			struct place at = {p->t->file, n, (int)space + 1, (int)space + 2};

			diag_error(p->d, &at, "tab", "a tab in the indentation");
			diag_hint(p->d, "indent with spaces");
			p->errors++;
			return;
		}
		line = strchr(line, '\n');
		if (!line)
			return;
		line++;
	}
}

int tree_parse(struct tree *t, const char *file, const char *text, size_t len, struct diag *d)
{
	struct parse p = {.t = t, .d = d};
	struct place whole = {.file = file};

	*t = (struct tree){0};
	t->file = arena_strdup(&t->arena, file);
	if (len > TREE_SIZE_MAX) {
		diag_error(d, &whole, "size", "the file has %zu bytes, more than 1 MiB", len);
		return -EINVAL;
	}
	t->text = arena_strndup(&t->arena, text, len);
	t->len = len;
	diag_source(d, file, text, len);
	check_tabs(&p);
	if (p.errors)
		return -EINVAL;
	if (!yaml_parser_initialize(&p.yaml)) {
		diag_error(d, &whole, "memory", "out of memory");
		return -EINVAL;
	}
	yaml_parser_set_encoding(&p.yaml, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&p.yaml, (const unsigned char *)t->text, len);
	parse_stream(&p);
	yaml_parser_delete(&p.yaml);
	if (t->root && node_is_null(t->root))
		t->root = NULL;
	return p.errors ? -EINVAL : 0;
}

int text_read(struct arena *a, const char *path, char **ret, size_t *ret_len, struct diag *d)
{
	struct place whole = {.file = path};
	_cleanup_(buf_free) struct buf text = {0};
	char part[65536];
	size_t n;
	FILE *f = fopen(path, "re");
	bool failed;

	if (!f) {
		int code = errno;

		diag_error(d, &whole, "unreadable", "cannot read it: %s", strerror(code));
		return -code;
	}
	while (text.len <= TREE_SIZE_MAX && (n = fread(part, 1, sizeof(part), f)) > 0)
		buf_addn(&text, part, n);
	failed = ferror(f);
	fclose(f);
	if (failed || text.oom) {
		diag_error(d, &whole, "unreadable", "cannot read it: %s", strerror(failed ? EIO : ENOMEM));
		return failed ? -EIO : -ENOMEM;
	}
	*ret = arena_strndup(a, buf_str(&text), text.len);
	*ret_len = text.len;
	return 0;
}

int tree_read(struct tree *t, const char *path, struct diag *d)
{
	_cleanup_(arena_finish) struct arena arena = {0};
	char *text = NULL;
	size_t len = 0;
	int r = text_read(&arena, path, &text, &len, d);

	*t = (struct tree){0};
	return r < 0 ? r : tree_parse(t, path, text, len, d);
}

void tree_finish(struct tree *t)
{
	arena_finish(&t->arena);
	*t = (struct tree){0};
}

const struct node *node_get(const struct node *map, const char *key)
{
	for (size_t i = 0; map && map->kind == NODE_MAP && i < map->n; i++)
		if (strcmp(map->keys[i]->text, key) == 0)
			return map->items[i];
	return NULL;
}

bool node_is_null(const struct node *n)
{
	return n->kind == NODE_SCALAR && !n->quoted &&
	       (!*n->text || strcmp(n->text, "~") == 0 || strcmp(n->text, "null") == 0);
}

const char *node_kind_name(const struct node *n)
{
	static const char *const names[] = {[NODE_SCALAR] = "a text", [NODE_LIST] = "a list", [NODE_MAP] = "a mapping"};

	return node_is_null(n) ? "nothing" : names[n->kind];
}

struct place node_part(const struct node *n, size_t offset, size_t len)
{
	struct place at = n->at;

	/* Escapes and folded lines move the text: then the whole scalar is the place. */
	if (n->kind != NODE_SCALAR || (size_t)(at.end_col - at.col) != strlen(n->text) + (n->quoted ? 2 : 0))
		return at;
	at.col += (int)offset + n->quoted;
	at.end_col = at.col + (int)len;
	return at;
}
