// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/genl.h"

#include "config/dirs.h"

#include <errno.h>
#include <string.h>

/* include/uapi/linux/genetlink.h, linux/netlink.h: NLA_TYPE_MASK */
enum { NAME_MAX_LEN = 15, COMMAND_MAX = 255, ID_MAX = 0x3fff, HEADER_MAX = 256 };

static const char *const type_words[] = {"u8",	"u16",	"u32",	  "u64",  "s8",	    "s16", "s32",
					 "s64", "text", "binary", "flag", "nested", NULL};

size_t genl_type_size(enum genl_type type)
{
	static const unsigned char sizes[] = {1, 2, 4, 8, 1, 2, 4, 8};

	return type < ARRAY_SIZE(sizes) ? sizes[type] : 0;
}

struct load {
	struct genl_desc *g;
	struct arena *a;
	struct diag *d;
	bool torn; /* an attribute had an error: that a value is not there is no news */
};

/* ---- attributes ---- */

struct raw_attr {
	int64_t id;
	int type;
	bool optional;
	const struct node *words, *nested;
};

static const struct field attr_fields[] = {
	{"id", FIELD_INT, offsetof(struct raw_attr, id), .required = true, .min = 1, .max = ID_MAX,
	 .doc = "number of the attribute"},
	{"type", FIELD_WORD, offsetof(struct raw_attr, type), .words = type_words, .doc = "what it holds"},
	{"optional", FIELD_BOOL, offsetof(struct raw_attr, optional), .doc = "a message may be without it"},
	{"words", FIELD_NODE, offsetof(struct raw_attr, words), .doc = "what its numbers mean"},
	{"nested", FIELD_NODE, offsetof(struct raw_attr, nested), .doc = "attributes within it"},
	{0},
};
static const struct schema attr_schema = {.what = "attribute", .fields = attr_fields};

static bool is_map(struct load *l, const struct node *n, const char *what)
{
	if (n->kind == NODE_MAP)
		return true;
	diag_error(l->d, &n->at, "type", "'%s' must be a mapping, not %s", what, node_kind_name(n));
	return false;
}

static bool is_name(struct load *l, const struct node *key, const char *what)
{
	if (name_valid(key->text))
		return true;
	diag_error(l->d, &key->at, "name", "'%s' is no name of %s", key->text, what);
	diag_hint(l->d, "names are lower case: a letter, then letters, digits and '-', at most 64");
	return false;
}

static void words_decode(struct load *l, const struct node *n, struct genl_attr *attr)
{
	if (!is_map(l, n, "words"))
		return;
	if (genl_type_size(attr->type) == 0) {
		diag_error(l->d, &n->at, "type", "'%s' is %s: only numbers have words", attr->path,
			   type_words[attr->type]);
		return;
	}
	attr->word = arena_array(l->a, struct genl_word, n->n + 1);
	for (size_t i = 0; i < n->n; i++) {
		struct field number = {.name = attr->path, .type = FIELD_INT};
		struct field word = {.name = n->keys[i]->text, .type = FIELD_NAME};
		struct genl_word *w = &attr->word[attr->n_words];

		if (field_decode(&number, n->keys[i], l->a, &w->value, l->d) == 0 &&
		    field_decode(&word, n->items[i], l->a, &w->word, l->d) == 0)
			attr->n_words++;
	}
}

static void take_value(struct load *l, struct genl_attr *attr, const struct place *at)
{
	if (l->g->n_values == GENL_VALUES_MAX) {
		diag_error(l->d, at, "limit", "more than %d values in one description", GENL_VALUES_MAX);
		return;
	}
	attr->value = l->g->n_values++;
}

static void attrs_decode(struct load *l, const struct node *n, const char *prefix, struct genl_attrs *out);

static void attr_decode(struct load *l, const struct node *key, const struct node *n, const char *prefix,
			struct genl_attr *attr)
{
	struct raw_attr raw = {.type = -1};

	if (!is_name(l, key, "an attribute") || schema_decode(&attr_schema, n, key->text, l->a, &raw, l->d) < 0)
		return;
	*attr = (struct genl_attr){.name = key->text,
				   .path = arena_printf(l->a, "%s%s", prefix, key->text),
				   .id = (unsigned)raw.id,
				   .optional = raw.optional};
	if (raw.type < 0 && !raw.nested) {
		diag_error(l->d, &n->at, "missing-key", "attribute '%s' has no 'type', and no 'nested'", key->text);
		return;
	}
	if (raw.type >= 0 && (raw.type == GENL_NESTED) != (raw.nested != NULL)) {
		diag_error(l->d, &key->at, "type", "attribute '%s': the type 'nested' and 'nested' belong together",
			   key->text);
		return;
	}
	attr->type = raw.nested ? GENL_NESTED : (enum genl_type)raw.type;
	if (raw.nested)
		attrs_decode(l, raw.nested, arena_printf(l->a, "%s.", attr->path), &attr->nested);
	else
		take_value(l, attr, &key->at);
	if (raw.words)
		words_decode(l, raw.words, attr);
}

static void attrs_decode(struct load *l, const struct node *n, const char *prefix, struct genl_attrs *out)
{
	if (!is_map(l, n, *prefix ? "nested" : "attributes"))
		return;
	out->a = arena_array(l->a, struct genl_attr, n->n + 1);
	for (size_t i = 0; i < n->n; i++) {
		struct genl_attr *attr = &out->a[out->n];

		attr_decode(l, n->keys[i], n->items[i], prefix, attr);
		if (!attr->name)
			continue;
		for (size_t k = 0; k < out->n; k++)
			if (out->a[k].id == attr->id)
				diag_error(l->d, &n->keys[i]->at, "duplicate", "'%s' has the id %u, as '%s' has",
					   attr->path, attr->id, out->a[k].path);
		out->n++;
	}
}

/* Numbers that follow each other with no gap but what aligns them. */
static void header_decode(struct load *l, const struct node *n)
{
	struct genl_attrs *out = &l->g->header;

	if (!is_map(l, n, "header"))
		return;
	out->a = arena_array(l->a, struct genl_attr, n->n + 1);
	for (size_t i = 0; i < n->n; i++) {
		struct field f = {.name = n->keys[i]->text, .type = FIELD_WORD, .words = type_words};
		struct genl_attr *attr = &out->a[out->n];
		size_t size, at;
		int type;

		if (!is_name(l, n->keys[i], "a field") || field_decode(&f, n->items[i], l->a, &type, l->d) < 0)
			continue;
		size = genl_type_size((enum genl_type)type);
		if (size == 0) {
			diag_error(l->d, &n->items[i]->at, "type", "a field of the header is a number, not '%s'",
				   type_words[type]);
			continue;
		}
		at = (l->g->header_size + size - 1) / size * size;
		*attr = (struct genl_attr){.name = n->keys[i]->text,
					   .path = arena_printf(l->a, "header.%s", n->keys[i]->text),
					   .id = (unsigned)at,
					   .type = (enum genl_type)type};
		take_value(l, attr, &n->keys[i]->at);
		out->n++;
		l->g->header_size = at + size;
	}
	l->g->header_size = (l->g->header_size + 3) & ~(size_t)3;
	if (l->g->header_size > HEADER_MAX)
		diag_error(l->d, &n->at, "limit", "a header of more than %d bytes", HEADER_MAX);
}

/* ---- texts ---- */

/* The i-th value that a text may name, NULL at the end. */
static const struct genl_attr *nth(const struct genl_attrs *list, size_t *i)
{
	for (size_t k = 0; k < list->n; k++) {
		const struct genl_attr *attr = &list->a[k],
				       *in = attr->type == GENL_NESTED ? nth(&attr->nested, i) : NULL;

		if (in)
			return in;
		if (attr->type != GENL_NESTED && (*i)-- == 0)
			return attr;
	}
	return NULL;
}

static const struct genl_attr *nth_value(const struct genl_desc *g, size_t i)
{
	const struct genl_attr *attr = nth(&g->header, &i);

	return attr ? attr : nth(&g->attrs, &i);
}

static const char *next_path(const void *u, size_t i)
{
	const struct genl_attr *attr = nth_value(u, i);

	return attr ? attr->path : NULL;
}

static const struct genl_attr *find_value(struct load *l, const struct node *n, const char *from, size_t len)
{
	const char *path = arena_strndup(l->a, from, len), *near;
	struct place at = node_part(n, (size_t)(from - n->text), len);
	const struct genl_attr *attr;

	for (size_t i = 0; (attr = nth_value(l->g, i)); i++)
		if (strcmp(attr->path, path) == 0)
			return attr;
	if (l->torn)
		return NULL;
	diag_error(l->d, &at, "unknown-value", "there is no value '%s'", path);
	near = suggest_from(path, next_path, l->g);
	if (near)
		diag_hint(l->d, "did you mean '%s'?", near);
	return NULL;
}

static void add_part(struct load *l, struct genl_text *out, const char *text, const struct genl_attr *attr)
{
	out->part = arena_grow(l->a, out->part, &out->n, sizeof(*out->part));
	out->part[out->n - 1] = (struct genl_part){text, attr};
}

static void text_decode(struct load *l, const struct node *n, const char *what, struct genl_text *out)
{
	const char *p;

	if (n->kind != NODE_SCALAR || node_is_null(n)) {
		diag_error(l->d, &n->at, "type", "'%s' must be a text, not %s", what, node_kind_name(n));
		return;
	}
	p = n->text;
	while (*p) {
		const char *open = strstr(p, "${"), *close = open ? strchr(open, '}') : NULL;
		size_t len = open ? (size_t)(open - p) : strlen(p);
		const struct genl_attr *attr;

		if (open && !close) {
			diag_error(l->d, &n->at, "text", "'%s': '${' without '}'", what);
			return;
		}
		if (len)
			add_part(l, out, arena_strndup(l->a, p, len), NULL);
		if (!open)
			return;
		attr = find_value(l, n, open + 2, (size_t)(close - open) - 2);
		if (attr)
			add_part(l, out, NULL, attr);
		p = close + 1;
	}
}

/* ---- messages ---- */

struct raw_message {
	int64_t command;
	const char *event;
	const struct node *device, *facts;
};

static const struct field message_fields[] = {
	{"command", FIELD_INT, offsetof(struct raw_message, command), .required = true, .min = 1, .max = COMMAND_MAX,
	 .doc = "number of the command"},
	{"event", FIELD_STRING, offsetof(struct raw_message, event), .required = true, .doc = "kind of the event"},
	{"device", FIELD_NODE, offsetof(struct raw_message, device), .doc = "name of the disk that it is about"},
	{"facts", FIELD_NODE, offsetof(struct raw_message, facts), .doc = "facts of the event"},
	{0},
};
static const struct schema message_schema = {.what = "message", .fields = message_fields};

/* Facts that any kind may have: those that messages are for. */
static bool fact_allowed(int fact)
{
	return strncmp(fact_table[fact].name, "message.", 8) == 0 && fact != FACT_MESSAGE_FAMILY &&
	       fact != FACT_MESSAGE_NAME;
}

static const char *next_fact(const void *u _unused_, size_t i)
{
	for (int fact = 0; fact < FACT_MAX; fact++)
		if (fact_allowed(fact) && i-- == 0)
			return fact_table[fact].name;
	return NULL;
}

/* A text without values is a value at once; a number is made of one number. */
static void check_fact(struct load *l, const struct node *n, const struct genl_fact *f)
{
	const struct fact_desc *desc = &fact_table[f->fact];
	const struct genl_attr *attr = f->text.n == 1 ? f->text.part[0].attr : NULL;
	struct err e = {0};
	struct value v;

	if (desc->type == V_STRING)
		return;
	if (attr ? genl_type_size(attr->type) == 0 || attr->n_words > 0
		 : f->text.n != 1 || value_parse(desc->type, desc->words, f->text.part[0].text, &v, &e) < 0)
		diag_error(l->d, &n->at, "type", "%s is a number: one, or one '${..}' that is one and has no words",
			   desc->name);
}

static void facts_decode(struct load *l, const struct node *n, struct genl_message *m)
{
	if (!is_map(l, n, "facts"))
		return;
	for (size_t i = 0; i < n->n; i++) {
		const char *name = n->keys[i]->text, *near;
		int fact = fact_lookup(name);
		struct genl_fact *f;
		size_t errors;

		if (fact < 0 || !fact_allowed(fact)) {
			diag_error(l->d, &n->keys[i]->at, "unknown-fact", "a message cannot set '%s'", name);
			near = suggest_from(name, next_fact, NULL);
			if (near)
				diag_hint(l->d, "did you mean '%s'?", near);
			else
				diag_hint(l->d, "it may set message.about, message.state and message.value");
			continue;
		}
		f = &m->fact[m->n_facts++]; /* keys differ, and the facts that are allowed are fewer than it holds */
		f->fact = (enum fact_id)fact;
		errors = l->d->errors;
		text_decode(l, n->items[i], name, &f->text);
		if (l->d->errors == errors)
			check_fact(l, n->items[i], f);
	}
}

static void message_decode(struct load *l, const struct node *key, const struct node *n, struct genl_message *m)
{
	struct raw_message raw = {0};
	const struct place *at;

	if (!is_name(l, key, "a message") || schema_decode(&message_schema, n, key->text, l->a, &raw, l->d) < 0)
		return;
	at = &node_get(n, "event")->at;
	if (!kind_valid(raw.event))
		diag_error(l->d, at, "kind", "'%s' is not a kind: two words joined by one dot", raw.event);
	else if (kind_known(raw.event))
		diag_error(l->d, at, "kind", "'%s' is a built-in kind: say another, such as 'link.dead'", raw.event);
	*m = (struct genl_message){.name = key->text,
				   .command = (unsigned)raw.command,
				   .kind = raw.event,
				   .has_device = raw.device != NULL};
	if (raw.device)
		text_decode(l, raw.device, "device", &m->device);
	if (raw.facts)
		facts_decode(l, raw.facts, m);
}

static void messages_decode(struct load *l, const struct node *n)
{
	if (!is_map(l, n, "messages"))
		return;
	l->g->message = arena_array(l->a, struct genl_message, n->n + 1);
	for (size_t i = 0; i < n->n; i++) {
		struct genl_message *m = &l->g->message[l->g->n_messages];

		message_decode(l, n->keys[i], n->items[i], m);
		for (size_t k = 0; m->name && k < l->g->n_messages; k++)
			if (l->g->message[k].command == m->command)
				diag_error(l->d, &n->keys[i]->at, "duplicate", "'%s' has the command %u, as '%s' has",
					   m->name, m->command, l->g->message[k].name);
		l->g->n_messages += m->name != NULL;
	}
	if (n->n == 0)
		diag_error(l->d, &n->at, "missing-key", "'messages' has none");
}

/* ---- a file ---- */

struct raw_desc {
	int64_t version;
	const char *family, *group;
	const struct node *header, *attributes, *messages;
};

static const struct field desc_fields[] = {
	{"version", FIELD_INT, offsetof(struct raw_desc, version), .required = true, .min = 1, .max = 1,
	 .doc = "version of this file: 1"},
	{"family", FIELD_STRING, offsetof(struct raw_desc, family), .required = true, .max = NAME_MAX_LEN,
	 .doc = "name of the family"},
	{"group", FIELD_STRING, offsetof(struct raw_desc, group), .required = true, .max = NAME_MAX_LEN,
	 .doc = "its multicast group"},
	{"header", FIELD_NODE, offsetof(struct raw_desc, header), .doc = "fields of the family's own header"},
	{"attributes", FIELD_NODE, offsetof(struct raw_desc, attributes), .doc = "what messages hold"},
	{"messages", FIELD_NODE, offsetof(struct raw_desc, messages), .required = true, .doc = "what is heard"},
	{0},
};
static const struct schema desc_schema = {.what = "description", .fields = desc_fields};

int genl_desc_parse(struct genl_desc *ret, const char *file, const char *text, size_t len, struct diag *d)
{
	size_t errors = d->errors;
	struct raw_desc raw = {0};
	struct load l = {.g = ret, .d = d};
	struct place whole = {.file = file};

	*ret = (struct genl_desc){0};
	if (tree_parse(&ret->tree, file, text, len, d) < 0)
		return -EINVAL;
	if (!ret->tree.root) {
		diag_error(d, &whole, "empty", "nothing is described");
		return -EINVAL;
	}
	l.a = &ret->tree.arena;
	if (schema_decode(&desc_schema, ret->tree.root, NULL, l.a, &raw, d) < 0)
		return -EINVAL;
	ret->family = raw.family;
	ret->group = raw.group;
	if (raw.header)
		header_decode(&l, raw.header);
	if (raw.attributes)
		attrs_decode(&l, raw.attributes, "", &ret->attrs);
	l.torn = d->errors > errors;
	messages_decode(&l, raw.messages);
	return d->errors > errors ? -EINVAL : 0;
}

void genl_desc_finish(struct genl_desc *g)
{
	tree_finish(&g->tree);
	*g = (struct genl_desc){0};
}

/* ---- all files ---- */

static int load_file(struct genl_descs *l, const char *path, struct diag *d)
{
	_cleanup_(arena_finish) struct arena arena = {0};
	struct genl_desc *g = calloc(1, sizeof(*g)), **more = reallocarray(l->desc, l->n + 1, sizeof(g));
	size_t len;
	char *text;
	int r;

	l->desc = more ? more : l->desc;
	r = g && more ? text_read(&arena, path, &text, &len, d) : -ENOMEM;
	if (r == 0)
		r = genl_desc_parse(g, path, text, len, d);
	if (r == 0) {
		l->desc[l->n++] = g;
		return 0;
	}
	if (g)
		genl_desc_finish(g);
	free(g);
	return r;
}

static int collect_kinds(struct genl_descs *l)
{
	size_t all = 0, n = 0;

	for (size_t i = 0; i < l->n; i++)
		all += l->desc[i]->n_messages;
	l->kinds = calloc(all + 1, sizeof(*l->kinds));
	for (size_t i = 0; l->kinds && i < l->n; i++)
		for (size_t k = 0; k < l->desc[i]->n_messages; k++)
			l->kinds[n++] = l->desc[i]->message[k].kind;
	return l->kinds ? 0 : -ENOMEM;
}

int genl_descs_load(const char *const *dirs, size_t n, struct diag *d, struct genl_descs **ret)
{
	_cleanup_(genl_descs_freep) struct genl_descs *l = calloc(1, sizeof(*l));
	struct drop_ins files = {0};
	int r = l ? drop_ins_list(dirs, n, d, &files) : -ENOMEM;

	for (size_t i = 0; r != -ENOMEM && i < files.n; i++) {
		int q = load_file(l, files.files[i].path, d);

		r = q < 0 ? q : r;
	}
	drop_ins_finish(&files);
	if (r == -ENOMEM || collect_kinds(l) < 0)
		return -ENOMEM;
	*ret = TAKE_PTR(l);
	return r;
}

void genl_descs_free(struct genl_descs *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++) {
		genl_desc_finish(l->desc[i]);
		free(l->desc[i]);
	}
	free(l->desc);
	free(l->kinds);
	free(l);
}
