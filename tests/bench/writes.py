#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""writes.py DEVICE BYTES STEP FROM TO [SEED]: one write of BYTES at each STEP bytes between FROM and TO, O_DIRECT and O_DSYNC, one
after the other, or, with a seed, in an order of that. Prints the median time of a write, us."""
import mmap
import os
import random
import sys
import time

device, size, step, first, end = sys.argv[1], *map(int, sys.argv[2:6])
places = list(range(first, end, step))
if len(sys.argv) > 6:
    random.Random(int(sys.argv[6])).shuffle(places)
buf = mmap.mmap(-1, size)
buf.write(os.urandom(size))
fd = os.open(device, os.O_WRONLY | os.O_DIRECT | os.O_DSYNC)
took = []
for at in places:
    begin = time.monotonic_ns()
    if os.pwrite(fd, buf, at) != size:
        sys.exit(f"{device}: a write of {size} at {at} was not whole")
    took.append(time.monotonic_ns() - begin)
os.close(fd)
print(f"{sorted(took)[len(took) // 2] / 1000:.1f}")
