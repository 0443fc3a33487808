// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/tracefs_decode.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* kernel/trace/ring_buffer.c: enum ring_buffer_type; flags in the page's commit word. */
enum { RB_ALIGNMENT = 4, RB_DATA_LEN_MAX = 28, RB_PADDING = 29, RB_TIME_EXTEND = 30, RB_TIME_STAMP = 31 };
#define RB_DELTA_BITS 27
#define RB_MISSED_EVENTS (1u << 31)
#define RB_MISSED_STORED (1u << 30)
#define RB_COMMIT_MASK ((1u << 20) - 1)

/* "\tfield:dev_t dev;\toffset:8;\tsize:4;\tsigned:0;": finds the line whose declaration ends in the name. */
static bool find_field(const char *text, const char *name, struct trace_field *ret)
{
	size_t len = strlen(name);

	for (const char *p = text; (p = strstr(p, "field:")) != NULL; p++) {
		const char *end = strchr(p, ';'), *last;
		char *array;
		char decl[128];

		if (!end || (size_t)(end - p) >= sizeof(decl))
			continue;
		memcpy(decl, p, (size_t)(end - p));
		decl[end - p] = '\0';
		array = strchr(decl, '[');
		if (array && !strstr(decl, "__data_loc"))
			*array = '\0';
		last = strrchr(decl, ' ');
		if (!last || strlen(last + 1) != len || strcmp(last + 1, name) != 0)
			continue;
		return sscanf(end, ";%*[ \t]offset:%u;%*[ \t]size:%u;", &ret->offset, &ret->size) == 2;
	}
	return false;
}

int trace_format_parse(const char *text, struct trace_format *ret, struct err *e)
{
	struct trace_format f = {0};
	const struct {
		const char *name;
		struct trace_field *field;
		unsigned min, max; /* bytes */
	} wanted[] = {
		{"common_type", &f.type, 2, 2},	   {"dev", &f.dev, 4, 4},     {"sector", &f.sector, 8, 8},
		{"nr_sector", &f.nr_sector, 4, 4}, {"error", &f.error, 4, 4}, {"rwbs", &f.rwbs, 1, 32},
	};
	const char *id = strstr(text, "ID: ");

	if (!id || sscanf(id, "ID: %u", &f.id) != 1)
		return err_set(e, EBADMSG, "the trace event's format has no ID");
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		if (!find_field(text, wanted[i].name, wanted[i].field))
			return err_set(e, EBADMSG, "the trace event has no field %s", wanted[i].name);
		if (wanted[i].field->size < wanted[i].min || wanted[i].field->size > wanted[i].max ||
		    wanted[i].field->offset > 4096)
			return err_set(e, EBADMSG, "the trace event's field %s has %u bytes at %u", wanted[i].name,
				       wanted[i].field->size, wanted[i].field->offset);
	}
	*ret = f;
	return 0;
}

int trace_layout_parse(const char *text, struct trace_layout *ret, struct err *e)
{
	struct trace_field commit, data;

	if (!find_field(text, "commit", &commit) || !find_field(text, "data", &data))
		return err_set(e, EBADMSG, "header_page has no commit or no data");
	if ((commit.size != 4 && commit.size != 8) || commit.offset > 64 || data.offset < commit.offset + commit.size ||
	    data.offset > 128)
		return err_set(e, EBADMSG, "header_page: commit of %u bytes at %u, data at %u", commit.size,
			       commit.offset, data.offset);
	*ret = (struct trace_layout){
		.commit_offset = commit.offset, .commit_size = commit.size, .data_offset = data.offset};
	return 0;
}

static uint16_t get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static bool field_fits(const struct trace_field *f, size_t len)
{
	return f->offset <= len && f->size <= len - f->offset;
}

/* The kernel's own dev_t: 12 bits of major, 20 of minor (include/linux/kdev_t.h). */
static void decode_record(const uint8_t *p, size_t len, int64_t time, const struct trace_format *f,
			  void (*fn)(void *u, const struct trace_error *te), void *u)
{
	struct trace_error te = {.time = time};
	uint32_t dev;

	if (!field_fits(&f->dev, len) || !field_fits(&f->sector, len) || !field_fits(&f->nr_sector, len) ||
	    !field_fits(&f->error, len) || !field_fits(&f->rwbs, len))
		return;
	dev = get32(p + f->dev.offset);
	te.major = dev >> 20;
	te.minor = dev & 0xfffff;
	te.sector = get64(p + f->sector.offset);
	te.sectors = get32(p + f->nr_sector.offset);
	te.error = (int32_t)get32(p + f->error.offset);
	memcpy(te.rwbs, p + f->rwbs.offset, MIN(f->rwbs.size, sizeof(te.rwbs) - 1));
	fn(u, &te);
}

/* Size of the record at p with its header, and where its data is; 0: the record is malformed. */
static size_t record_extent(const uint8_t *p, size_t left, unsigned type_len, const uint8_t **data, size_t *data_len)
{
	size_t extent;

	*data = p + 4;
	*data_len = 0;
	switch (type_len) {
	case RB_TIME_EXTEND:
	case RB_TIME_STAMP:
		extent = 8;
		break;
	case RB_PADDING:
	case 0:
		/* A 32-bit length, which counts itself (type 0) or not (padding), follows the header. */
		if (left < 8)
			return 0;
		if (get32(p + 4) > left)
			return 0;
		extent = 4 + (size_t)get32(p + 4);
		if (extent < 8)
			return 0;
		if (type_len == 0) {
			*data = p + 8;
			*data_len = extent - 8;
		}
		break;
	default:
		*data_len = (size_t)type_len * RB_ALIGNMENT;
		extent = 4 + *data_len;
	}
	extent = (extent + RB_ALIGNMENT - 1) & ~(size_t)(RB_ALIGNMENT - 1);
	return extent <= left && *data_len <= left ? extent : 0;
}

static void dispatch(const uint8_t *data, size_t len, int64_t time, const struct trace_format *formats, size_t n,
		     void (*fn)(void *u, const struct trace_error *te), void *u)
{
	for (size_t i = 0; i < n; i++)
		if (field_fits(&formats[i].type, len) && get16(data + formats[i].type.offset) == formats[i].id) {
			decode_record(data, len, time, &formats[i], fn, u);
			return;
		}
}

/* What the page says was overwritten before it. */
static uint64_t missed_before(const uint8_t *p, size_t len, const struct trace_layout *layout, uint32_t commit)
{
	size_t at = layout->data_offset + (commit & RB_COMMIT_MASK);

	if (!(commit & RB_MISSED_EVENTS))
		return 0;
	if ((commit & RB_MISSED_STORED) && at + 8 <= len)
		return get64(p + at);
	return 1;
}

int trace_page_decode(const void *page, size_t len, const struct trace_layout *layout,
		      const struct trace_format *formats, size_t n_formats,
		      void (*fn)(void *u, const struct trace_error *te), void *u, uint64_t *lost, struct err *e)
{
	const uint8_t *p = page;
	uint64_t time;
	uint32_t commit;
	size_t at, end;

	if (len < layout->data_offset)
		return err_set(e, EBADMSG, "trace page of %zu bytes", len);
	time = get64(p);
	commit = layout->commit_size == 8 ? (uint32_t)get64(p + layout->commit_offset)
					  : get32(p + layout->commit_offset);
	*lost += missed_before(p, len, layout, commit);
	at = layout->data_offset;
	end = at + (commit & RB_COMMIT_MASK);
	if (end > len)
		return err_set(e, EBADMSG, "trace page says %zu of %zu bytes", end, len);
	while (end - at >= 4) {
		uint32_t head = get32(p + at);
		unsigned type_len = head & 0x1f;
		uint64_t delta = head >> 5;
		const uint8_t *data;
		size_t data_len, extent;

		/* Padding without a delta fills the rest of the page. */
		if (type_len == RB_PADDING && delta == 0)
			return 0;
		extent = record_extent(p + at, end - at, type_len, &data, &data_len);
		if (extent == 0)
			return err_set(e, EBADMSG, "trace record of type %u overruns its page at %zu", type_len, at);
		if (type_len == RB_TIME_EXTEND)
			time += delta + ((uint64_t)get32(p + at + 4) << RB_DELTA_BITS);
		else if (type_len == RB_TIME_STAMP)
			/* 59 bits; the top ones stay as they were (ring_buffer.c: rb_fix_abs_ts) */
			time = (time & ~((UINT64_C(1) << 59) - 1)) | delta |
			       ((uint64_t)get32(p + at + 4) << RB_DELTA_BITS);
		else
			time += delta;
		if (data_len > 0)
			dispatch(data, data_len, (int64_t)time, formats, n_formats, fn, u);
		at += extent;
	}
	return 0;
}

int cpu_list_parse(const char *text, int (*fn)(void *u, unsigned cpu), void *u)
{
	const char *p = text;

	while (*p && *p != '\n') {
		unsigned from, to;
		int used = 0, r;

		if (sscanf(p, "%u%n", &from, &used) != 1)
			return -EBADMSG;
		p += used;
		to = from;
		if (*p == '-') {
			if (sscanf(p + 1, "%u%n", &to, &used) != 1)
				return -EBADMSG;
			p += 1 + used;
		}
		if (to < from || to >= TRACE_CPUS_MAX || (*p && *p != ',' && *p != '\n'))
			return -EBADMSG;
		for (unsigned cpu = from; cpu <= to; cpu++) {
			r = fn(u, cpu);
			if (r < 0)
				return r;
		}
		if (*p == ',')
			p++;
	}
	return 0;
}
