// SPDX-License-Identifier: GPL-2.0-or-later
/* What every unit test includes: cmocka, and which row of a table a failure is about. */
#pragma once

#include "core/cleanup.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct {
	bool within;
	size_t row;
	char name[128];
} unit_row;

/* True: the row is there, and from here on failures are about it. */
_unused_ static bool row_begin(size_t row, size_t n)
{
	unit_row.within = row < n;
	unit_row.row = row;
	unit_row.name[0] = '\0';
	return unit_row.within;
}

/* for_rows (i, table): each row of the table, by its number i. */
#define for_rows(i, table) for (size_t i = 0; row_begin(i, ARRAY_SIZE(table)); i++)

/* What a failure calls the row beside its number. */
_unused_ static void row_name(const char *fmt, ...) _printf_(1, 2);

static void row_name(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(unit_row.name, sizeof(unit_row.name), fmt, ap);
	va_end(ap);
}

/* Only an assertion that failed leaves the rows before their end. */
_unused_ static int unit_end(void **state _unused_)
{
	if (unit_row.within)
		print_error("in row %zu %s\n", unit_row.row, unit_row.name);
	unit_row.within = false;
	return 0;
}

#define unit(function) cmocka_unit_test_teardown(function, unit_end)
