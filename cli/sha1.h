// SPDX-License-Identifier: GPL-2.0-or-later
/* SHA-1 (FIPS 180-4): mdadm derives a container's UUID with it. For names, not for secrets. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { SHA1_SIZE = 20 };

void sha1(const void *data, size_t len, uint8_t ret[SHA1_SIZE]);
