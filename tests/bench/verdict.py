#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How long after a read failed a rule's verdict is told to a subscriber: verdict.py ROUNDS DEVICE. Prints milliseconds."""
import json, mmap, os, socket, sys, time

rounds, device = int(sys.argv[1]), sys.argv[2]
s = socket.socket(socket.AF_UNIX)
s.settimeout(20)
s.connect("/run/spared/control.sock")
lines = s.makefile("r")
s.sendall(b'{"v":1,"verb":"monitor","types":["verdict"]}\n')
lines.readline()
buf = mmap.mmap(-1, 4096)
fd = os.open(device, os.O_RDONLY | os.O_DIRECT)
for i in range(rounds):
    time.sleep(0.3)
    try:
        os.preadv(fd, [buf], i * (1 << 20))
        sys.exit(device + " can be read")
    except OSError:
        failed = time.clock_gettime(time.CLOCK_BOOTTIME)
    while json.loads(lines.readline()).get("type") != "verdict":
        pass
    print(f"{(time.clock_gettime(time.CLOCK_BOOTTIME) - failed) * 1000:.2f}")
