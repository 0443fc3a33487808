// SPDX-License-Identifier: GPL-2.0-or-later
/* The bytes of tracefs: pages of trace_pipe_raw and an event's `format` text. Pure. Sources: the kernel's
 * kernel/trace/ring_buffer.c (struct buffer_data_page, ring_buffer_event), Documentation/trace/ring-buffer-design.rst
 * and include/trace/events/block.h. */
#pragma once

#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a field lies in a record, bytes; size 0: the event has no such field. */
struct trace_field {
	unsigned offset, size;
};

/* What is needed of /sys/kernel/tracing/events/block/<event>/format. */
struct trace_format {
	unsigned id; /* common_type of its records */
	struct trace_field type, dev, sector, nr_sector, error, rwbs;
};

/* Reads a `format` text. -EBADMSG names the field that is missing or of a wrong size. */
int trace_format_parse(const char *text, struct trace_format *ret, struct err *e);

/* One failed request. */
struct trace_error {
	int64_t time; /* by the instance's trace clock, ns */
	unsigned major, minor;
	uint64_t sector; /* 512 bytes; UINT64_MAX: none */
	uint32_t sectors;
	int error;     /* negative errno */
	char rwbs[12]; /* blk_fill_rwbs(): R W D F N, then F S M A .. */
};

/* How a page is laid out: /sys/kernel/tracing/events/header_page. */
struct trace_layout {
	unsigned commit_offset, commit_size, data_offset;
};
/* Reads that text. -EBADMSG. */
int trace_layout_parse(const char *text, struct trace_layout *ret, struct err *e);

/* Calls fn for each record of one of the formats. *lost grows by the records that the page says were overwritten before
 * it (by one if it does not say how many). 0, or -EBADMSG when the page is inconsistent; what was read until then was
 * given. */
int trace_page_decode(const void *page, size_t len, const struct trace_layout *layout,
		      const struct trace_format *formats, size_t n_formats,
		      void (*fn)(void *u, const struct trace_error *te), void *u, uint64_t *lost, struct err *e);

enum { TRACE_CPUS_MAX = 4096 };
/* Reads "0-3,8": calls fn for each number below TRACE_CPUS_MAX. -EBADMSG, or the first negative value of fn. */
int cpu_list_parse(const char *text, int (*fn)(void *u, unsigned cpu), void *u);
