// SPDX-License-Identifier: GPL-2.0-or-later
/* CRCs, time and names of DDF records. */
#include "actions/meta/ddf.h"

#include "core/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* The polynomial of IEEE 802.3. mdadm begins with 0 and does not invert the end (crc32.c), and expects it of others;
 * FreeBSD's graid and dmraid begin with ones and invert, which is what is usual. Eight bytes a step: a disk has some
 * 100 KiB to check in each copy. */
static uint32_t crc_table[8][256];

/* Before main: disks are read side by side. */
__attribute__((constructor)) static void crc_init(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int k = 0; k < 8; k++)
			c = c & 1 ? 0xEDB88320 ^ (c >> 1) : c >> 1;
		crc_table[0][i] = c;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int t = 1; t < 8; t++)
			crc_table[t][i] = crc_table[0][crc_table[t - 1][i] & 0xFF] ^ (crc_table[t - 1][i] >> 8);
}

static uint32_t crc_add(uint32_t crc, const uint8_t *p, size_t n)
{
	for (; n >= 8; n -= 8, p += 8) {
		uint32_t lo = crc ^ (p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);

		crc = crc_table[7][lo & 0xFF] ^ crc_table[6][lo >> 8 & 0xFF] ^ crc_table[5][lo >> 16 & 0xFF] ^
		      crc_table[4][lo >> 24] ^ crc_table[3][p[4]] ^ crc_table[2][p[5]] ^ crc_table[1][p[6]] ^
		      crc_table[0][p[7]];
	}
	for (; n; n--, p++)
		crc = crc_table[0][(crc ^ *p) & 0xFF] ^ (crc >> 8);
	return crc;
}

static uint32_t crc_of(uint32_t crc, const void *record, size_t len)
{
	static const uint8_t unset[4] = {0xFF, 0xFF, 0xFF, 0xFF};
	const uint8_t *p = record;

	crc = crc_add(crc, p, 4);
	crc = crc_add(crc, unset, 4);
	return crc_add(crc, p + 8, len - 8);
}

uint32_t ddf_crc(const void *record, size_t len)
{
	return crc_of(0, record, len);
}

uint32_t ddf_crc_usual(const void *record, size_t len)
{
	return ~crc_of(UINT32_MAX, record, len);
}

void ddf_seal(void *record, size_t len)
{
	((struct ddf_record *)record)->crc = be32_of(ddf_crc(record, len));
}

bool ddf_is_blank(const void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((const uint8_t *)p)[i] != 0xFF)
			return false;
	return true;
}

uint32_t ddf_time(int64_t wall)
{
	/* DDF counts from 1980; ten years with two leap days after 1970. */
	return (uint32_t)(wall / NS_PER_SEC - (int64_t)(365 * 10 + 2) * 24 * 3600);
}

uint32_t ddf_now(void)
{
	return ddf_time(clock_wall(&clock_system));
}

unsigned ddf_unit(unsigned sector_size)
{
	unsigned unit = sector_size / DDF_SECTOR;

	return sector_size % DDF_SECTOR || unit == 0 || DDF_GRANULE % unit ? 0 : unit;
}

void ddf_guid_text(const char guid[DDF_GUID_LEN], char ret[META_GUID_MAX])
{
	for (int i = 0; i < DDF_GUID_LEN; i++)
		snprintf(ret + (size_t)i * 2, 3, "%02x", (uint8_t)guid[i]);
}

void ddf_ref_text(uint32_t ref, char ret[META_REF_MAX])
{
	snprintf(ret, META_REF_MAX, "%08x", ref);
}

int ddf_ref_parse(const char *text, uint32_t *ret, struct err *e)
{
	uint32_t ref = 0;

	for (int i = 0; i < 8; i++) {
		static const char digits[] = "0123456789abcdef";
		const char *d = text[i] ? strchr(digits, text[i]) : NULL;

		if (!d)
			return err_set(e, EINVAL, "'%.19s' is not a disk reference (8 hexadecimal digits)", text);
		ref = ref << 4 | (uint32_t)(d - digits);
	}
	if (text[8])
		return err_set(e, EINVAL, "'%.19s' is not a disk reference (8 hexadecimal digits)", text);
	*ret = ref;
	return 0;
}

int ddf_guid_parse(const char *text, char ret[DDF_GUID_LEN], struct err *e)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = strspn(text, digits);

	if (n != (size_t)2 * DDF_GUID_LEN || text[n])
		return err_set(e, EINVAL, "'%.51s' is not a GUID (48 hexadecimal digits)", text);
	for (size_t i = 0; i < DDF_GUID_LEN; i++)
		ret[i] = (char)((strchr(digits, text[2 * i]) - digits) << 4 |
				(strchr(digits, text[2 * i + 1]) - digits));
	return 0;
}

int ddf_random(void *p, size_t n, struct err *e)
{
	return getrandom(p, n, 0) == (ssize_t)n ? 0 : err_set(e, EIO, "no random numbers");
}
