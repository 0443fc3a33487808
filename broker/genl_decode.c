// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/genl_decode.h"

#include <errno.h>
#include <inttypes.h>
#include <netlink/attr.h>
#include <stdio.h>
#include <string.h>

enum { BINARY_SHOWN = 32 };

struct genl_value {
	const struct genl_attr *attr; /* NULL: the message is without it */
	int64_t number;
	const void *data; /* of texts and binaries, within the message */
	size_t len;
};

struct decoding {
	struct genl_value v[GENL_VALUES_MAX];
	struct err *e;
};

/* ---- bytes to values ---- */

static int64_t number_at(enum genl_type type, const void *data)
{
	union {
		uint8_t u8;
		uint16_t u16;
		uint32_t u32;
		int8_t s8;
		int16_t s16;
		int32_t s32;
		int64_t s64;
	} n = {0};

	memcpy(&n, data, genl_type_size(type));
	switch (type) {
	case GENL_U8:
		return n.u8;
	case GENL_U16:
		return n.u16;
	case GENL_U32:
		return n.u32;
	case GENL_S8:
		return n.s8;
	case GENL_S16:
		return n.s16;
	case GENL_S32:
		return n.s32;
	default: /* a u64 above all int64_t shows as a negative number, and JSON has no other */
		return n.s64;
	}
}

/* A text may end with a zero byte, or with its attribute; it has none within. */
static int take_text(struct decoding *dc, const struct genl_attr *attr, const char *data, size_t len)
{
	size_t n = strnlen(data, len);

	if (n >= GENL_TEXT_MAX || (n < len && n != len - 1))
		return err_set(dc->e, EBADMSG, "%s: a text of %zu bytes, of which %zu are text", attr->path, len, n);
	dc->v[attr->value] = (struct genl_value){.attr = attr, .data = data, .len = n};
	return 0;
}

static int take_attrs(struct decoding *dc, const struct genl_attrs *list, const void *data, size_t len);

static int take_attr(struct decoding *dc, const struct genl_attr *attr, const void *data, size_t len)
{
	size_t size = genl_type_size(attr->type);

	if (attr->type == GENL_NESTED)
		return take_attrs(dc, &attr->nested, data, len);
	if (attr->type == GENL_TEXT)
		return take_text(dc, attr, data, len);
	if ((size || attr->type == GENL_FLAG) && len != size)
		return err_set(dc->e, EBADMSG, "%s: %zu bytes, not %zu", attr->path, len, size);
	dc->v[attr->value] = (struct genl_value){.attr = attr, .data = data, .len = len};
	if (size)
		dc->v[attr->value].number = number_at(attr->type, data);
	return 0;
}

/* Where one comes twice, the later one counts, as in the kernel. As deep as the description, and no deeper. */
static int take_attrs(struct decoding *dc, const struct genl_attrs *list, const void *data, size_t len)
{
	const struct nlattr *a = data;
	int left = (int)len, r = 0;

	for (; r == 0 && nla_ok(a, left); a = nla_next(a, &left))
		for (size_t i = 0; i < list->n; i++)
			if ((int)list->a[i].id == nla_type(a)) {
				r = take_attr(dc, &list->a[i], nla_data(a), (size_t)nla_len(a));
				break;
			}
	if (r == 0 && left > 0)
		return err_set(dc->e, EBADMSG, "%d bytes that are no attribute", left);
	return r;
}

static int take_message(struct decoding *dc, const struct genl_desc *g, const uint8_t *data, size_t len)
{
	if (len > INT32_MAX || len < g->header_size)
		return err_set(dc->e, EBADMSG, "%zu bytes, and the header has %zu", len, g->header_size);
	for (size_t i = 0; i < g->header.n; i++) {
		const struct genl_attr *field = &g->header.a[i];

		dc->v[field->value] =
			(struct genl_value){.attr = field, .number = number_at(field->type, data + field->id)};
	}
	return take_attrs(dc, &g->attrs, data + g->header_size, len - g->header_size);
}

/* ---- values to text ---- */

static const char *word_of(const struct genl_value *v)
{
	for (size_t i = 0; i < v->attr->n_words; i++)
		if (v->attr->word[i].value == v->number)
			return v->attr->word[i].word;
	return NULL;
}

static void add_value(const struct genl_value *v, struct buf *out)
{
	const char *word = word_of(v);

	if (word)
		buf_add(out, word);
	else if (v->attr->type == GENL_FLAG)
		buf_add(out, "yes");
	else if (v->attr->type == GENL_TEXT)
		for (size_t i = 0; i < v->len; i++)
			buf_addc(out, ((const char *)v->data)[i]);
	else if (v->attr->type == GENL_BINARY)
		for (size_t i = 0; i < v->len && i < BINARY_SHOWN; i++)
			buf_addf(out, "%02x", ((const uint8_t *)v->data)[i]);
	else
		buf_addf(out, "%" PRId64, v->number);
}

/* 1; 0: an optional value of it is missing. What the message says is escaped. */
static int expand(struct decoding *dc, const struct genl_text *text, char *ret, size_t size)
{
	_cleanup_(buf_free) struct buf raw = {0}, escaped = {0};

	for (size_t i = 0; i < text->n; i++) {
		const struct genl_attr *attr = text->part[i].attr;

		if (!attr)
			buf_add(&raw, text->part[i].text);
		else if (dc->v[attr->value].attr)
			add_value(&dc->v[attr->value], &raw);
		else if (attr->optional)
			return 0;
		else
			return err_set(dc->e, EBADMSG, "there is no %s", attr->path);
	}
	value_escape(buf_str(&raw), 0, &escaped);
	snprintf(ret, size, "%s", buf_str(&escaped));
	return 1;
}

static int set_facts(struct decoding *dc, const struct genl_message *m, struct event *ev)
{
	for (size_t i = 0; i < m->n_facts; i++) {
		const struct fact_desc *desc = &fact_table[m->fact[i].fact];
		char text[GENL_TEXT_MAX];
		struct value v = {0};
		int r = expand(dc, &m->fact[i].text, text, sizeof(text));

		if (r < 0)
			return r;
		if (r == 0)
			continue;
		if (desc->type == V_STRING)
			v = value_str(text);
		else if (value_parse(desc->type, desc->words, text, &v, NULL) < 0)
			return err_set(dc->e, EBADMSG, "%s cannot be '%s'", desc->name, text);
		if (event_set(ev, m->fact[i].fact, v) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Numbers as numbers, unless they have a word. */
static int set_extra(const struct decoding *dc, const struct genl_desc *g, struct event *ev)
{
	ev->extra = json_object();
	for (size_t i = 0; ev->extra && i < g->n_values; i++) {
		_cleanup_(buf_free) struct buf raw = {0}, escaped = {0};
		const struct genl_value *v = &dc->v[i];
		json_t *one;

		if (!v->attr)
			continue;
		add_value(v, &raw);
		value_escape(buf_str(&raw), 0, &escaped);
		one = v->attr->type == GENL_FLAG		     ? json_true()
		      : genl_type_size(v->attr->type) && !word_of(v) ? json_integer(v->number)
								     : json_string(buf_str(&escaped));
		if (json_object_set_new(ev->extra, v->attr->path, one) < 0)
			return -ENOMEM;
	}
	return ev->extra ? 0 : -ENOMEM;
}

int genl_decode(const struct genl_desc *g, const char *source, uint8_t command, const void *payload, size_t len,
		struct genl_heard *ret, struct err *e)
{
	_cleanup_(event_freep) struct event *ev = NULL;
	const struct genl_message *m = g->message;
	struct decoding dc = {.e = e};
	int r;

	while (m < g->message + g->n_messages && m->command != command)
		m++;
	if (m == g->message + g->n_messages)
		return 0;
	r = take_message(&dc, g, payload, len);
	if (r < 0)
		return r;
	ev = event_new(m->kind, source, ORIGIN_KERNEL);
	if (!ev || event_set(ev, FACT_MESSAGE_FAMILY, value_str(g->family)) < 0 ||
	    event_set(ev, FACT_MESSAGE_NAME, value_str(m->name)) < 0)
		return -ENOMEM;
	r = set_facts(&dc, m, ev);
	if (r == 0)
		r = set_extra(&dc, g, ev);
	ret->device[0] = '\0';
	if (r == 0 && m->has_device)
		r = expand(&dc, &m->device, ret->device, sizeof(ret->device));
	if (r < 0)
		return r;
	ret->event = TAKE_PTR(ev);
	return 1;
}
