// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs a fuzz target on files and folders of files, where no libFuzzer is: each as it is, then cut at every length up
 * to 512, then with single bytes changed in a fixed order. What comes after --once, as it is only. A build with clang
 * and SPARED_FUZZ looks for new ones instead. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHANGES = 2000, SIZE_MAX_READ = 1 << 20 };

/* In memory of just that size, so that a sanitizer sees what is read beyond. */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1);

	if (!exact)
		abort();
	memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

static int run_file(const char *path, bool once)
{
	static uint8_t data[SIZE_MAX_READ];
	FILE *f = fopen(path, "re");
	uint32_t x = 1;
	size_t size;

	if (!f) {
		perror(path);
		return 1;
	}
	size = fread(data, 1, sizeof(data), f);
	fclose(f);
	run(data, size);
	if (once)
		return 0;
	for (size_t n = 0; n < size && n < 512; n++)
		run(data, n);
	for (int i = 0; i < CHANGES && size > 0; i++) {
		uint8_t *at, old;

		x = x * 1664525 + 1013904223;
		at = &data[(x >> 8) % (i % 2 && size > 256 ? 256 : size)];
		old = *at;
		*at = i % 3 ? (uint8_t)(x >> 24) : (uint8_t)(old ^ 1 << (x >> 29));
		run(data, size);
		*at = old;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int files = 0, failed = 0;
	bool once = false;

	for (int i = 1; i < argc; i++) {
		struct dirent *d;
		struct stat st;
		DIR *dir;

		if (strcmp(argv[i], "--once") == 0) {
			once = true;
			continue;
		}
		if (stat(argv[i], &st) == 0 && !S_ISDIR(st.st_mode)) {
			failed |= run_file(argv[i], once);
			files++;
			continue;
		}
		dir = opendir(argv[i]);
		while (dir && (d = readdir(dir))) {
			char path[4096];

			if (d->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "%s/%s", argv[i], d->d_name);
			failed |= run_file(path, once);
			files++;
		}
		if (dir)
			closedir(dir);
	}
	printf("%d inputs\n", files);
	return failed || files == 0;
}
