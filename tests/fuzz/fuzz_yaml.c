// SPDX-License-Identifier: GPL-2.0-or-later
/* Any bytes as YAML, as settings and as a test file: errors, never a crash. */
#include "config/settings.h"
#include "rules/testfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(buf_free) struct buf out = {0};
	struct test_file tests;
	struct settings s;
	struct diag d;

	diag_init(&d);
	settings_parse(&s, "fuzz.yaml", (const char *)data, size, &d);
	settings_finish(&s);
	test_file_parse(&tests, "fuzz.test.yaml", (const char *)data, size, &d);
	test_file_finish(&tests);
	diag_print(&d, NULL, &out);
	json_decref(diag_to_json(&d));
	diag_finish(&d);
	return 0;
}
