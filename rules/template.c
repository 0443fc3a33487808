// SPDX-License-Identifier: GPL-2.0-or-later
#include "rules/ast.h"

#include <string.h>

bool template_is(const char *text)
{
	return strstr(text, "${") != NULL;
}

static void add_text(struct load *l, struct template *t, const char *s, size_t n)
{
	if (n == 0)
		return;
	t->parts = arena_grow(&l->rs->arena, t->parts, &t->n, sizeof(*t->parts));
	t->parts[t->n - 1].text = arena_strndup(&l->rs->arena, s, n);
}

/* The default is read as the fact's type. */
static bool read_fallback(struct load *l, const struct node *n, struct template_part *part, size_t offset)
{
	const struct fact_desc *desc = &fact_table[part->fact];
	struct place at = node_part(n, offset, strlen(part->fallback));
	struct err e = {0};

	if (desc->type == V_SET || l->scope & SCOPE_NOTIFY)
		return true;
	/* In a text any words will do; only a whole template needs the type. */
	if (value_parse(desc->type, desc->words, part->fallback, &part->fallback_value, &e) == 0)
		return true;
	if (n->text[0] != '$' || strchr(n->text, '}')[1])
		return true;
	diag_error(l->d, &at, "default", "the default of %s: %s", desc->name, e.msg);
	return false;
}

/* One "${..}" of length len at offset. */
static bool add_fact(struct load *l, struct template *t, const struct node *n, size_t offset, size_t len)
{
	const char *inside = n->text + offset + 2, *colon = memmem(inside, len - 3, ":-", 2);
	size_t name_len = colon ? (size_t)(colon - inside) : len - 3;
	const char *name = arena_strndup(&l->rs->arena, inside, name_len);
	struct place at = node_part(n, offset + 2, name_len);
	struct template_part part = {0};
	int fact = order_resolve(l, name, &at, &part.kept);

	if (fact == -2)
		fact = field_resolve(l, name, &at);
	if (fact < 0)
		return false;
	part.name = name;
	part.fact = (enum fact_id)fact;
	part.late =
		!part.kept && l->scope & SCOPE_FAILURE && (fact == FACT_ACTION_REASON || fact == FACT_ACTION_RESULT);
	if (colon) {
		part.fallback = arena_strndup(&l->rs->arena, colon + 2, len - 3 - name_len - 2);
		if (!read_fallback(l, n, &part, offset + 2 + name_len + 2))
			return false;
	}
	t->parts = arena_grow(&l->rs->arena, t->parts, &t->n, sizeof(*t->parts));
	t->parts[t->n - 1] = part;
	return true;
}

struct template *template_compile(struct load *l, const struct node *n)
{
	struct template *t = arena_new(&l->rs->arena, struct template);
	const char *s = n->text;
	size_t from = 0, i = 0;
	bool ok = true;

	t->at = n->at;
	while (s[i]) {
		const char *end;

		if (strncmp(s + i, "$${", 3) == 0) {
			add_text(l, t, s + from, i - from);
			from = i + 1;
			i += 3;
			continue;
		}
		if (strncmp(s + i, "${", 2) != 0) {
			i++;
			continue;
		}
		end = strchr(s + i, '}');
		if (!end) {
			struct place at = node_part(n, i, 2);

			diag_error(l->d, &at, "template", "'${' is not closed");
			diag_hint(l->d, "write '$${' for a plain '${'");
			return NULL;
		}
		add_text(l, t, s + from, i - from);
		ok &= add_fact(l, t, n, i, (size_t)(end - s) - i + 1);
		i = (size_t)(end - s) + 1;
		from = i;
	}
	add_text(l, t, s + from, i - from);
	t->whole = t->n == 1 && !t->parts[0].text;
	return ok ? t : NULL;
}

static struct value part_value(const struct template_part *part, const struct facts *f)
{
	if (part->kept)
		return f->earlier ? f->earlier[part->kept - 1] : VALUE_NONE;
	return f->v[part->fact];
}

struct value template_value(const struct template *t, const struct facts *f)
{
	struct value v = part_value(&t->parts[0], f);

	return v.type == V_NONE ? t->parts[0].fallback_value : v;
}

const char *template_print(const struct template *t, const struct facts *f, enum value_style style, struct buf *out)
{
	const char *unknown = NULL;

	for (size_t i = 0; i < t->n; i++) {
		const struct template_part *part = &t->parts[i];
		struct value v = part->text ? VALUE_NONE : part_value(part, f);

		if (part->text) {
			buf_add(out, part->text);
		} else if (part->late) {
			buf_addf(out, "${%s}", fact_table[part->fact].name);
		} else if (v.type == V_NONE && part->fallback) {
			buf_add(out, part->fallback);
		} else {
			value_print(&v, style, out);
			if (v.type == V_NONE && !unknown)
				unknown = part->name;
		}
	}
	return unknown;
}

void failure_text(const char *text, const char *result, const char *reason, struct buf *out)
{
	const struct {
		const char *name, *text;
	} late[] = {{"${action.result}", result}, {"${action.reason}", reason}};

	while (*text) {
		size_t i = 0;

		while (i < ARRAY_SIZE(late) && strncmp(text, late[i].name, strlen(late[i].name)) != 0)
			i++;
		if (i < ARRAY_SIZE(late)) {
			value_escape(late[i].text, 256, out);
			text += strlen(late[i].name);
		} else {
			buf_addc(out, *text++);
		}
	}
}
