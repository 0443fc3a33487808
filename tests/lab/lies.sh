#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=240
# Metadata that lie: every CRC is right, and what they say is not possible on this disk. Such a disk is refused by name and
# reason, nothing is written to it, and neither the rest of its set nor other sets suffer more than its loss.
# shellcheck source=lib/lab.sh
. "$LAB_REPO/tests/lab/lib/lab.sh"
# shellcheck source=lib/spared.sh
. "$LAB_REPO/tests/lab/lib/spared.sh"

# lie.py DISK LIE: changes a record in every copy and seals it again, as an attacker would.
cat > /run/lab/files/lie.py <<'END_OF_PYTHON'
import struct, sys, zlib
SECTOR = 512
disk = open(sys.argv[1], "r+b", buffering=0)
lie = sys.argv[2]
def read(sector, n): disk.seek(sector * SECTOR); return bytearray(disk.read(n * SECTOR))
def write(sector, data): disk.seek(sector * SECTOR); disk.write(data)
def seal(r):  # the CRC of mdadm and of the standard's users: begun with 0, its own field as 0xFF
    r[4:8] = b"\xff" * 4
    r[4:8] = struct.pack(">I", zlib.crc32(r, 0xFFFFFFFF) ^ 0xFFFFFFFF)
last = disk.seek(0, 2) // SECTOR - 1
anchor = read(last, 1)
copies = [lba for lba in struct.unpack_from(">QQ", anchor, 96) if lba != 0xFFFFFFFFFFFFFFFF]
record = struct.unpack_from(">H", anchor, 134)[0]
sections = [struct.unpack_from(">II", anchor, 192 + 8 * i) for i in range(5)]  # controller, disks, volumes, config, data
done = 0
def headers(change):
    for sector in copies + [last]:
        header = read(sector, 1)
        change(header)
        seal(header)
        write(sector, header)
def records(section, length, step, magic, change):
    global done
    for copy in copies:
        start, n = copy + sections[section][0], sections[section][1]
        for at in range(start, start + n, step):
            r = read(at, length)
            if struct.unpack_from(">I", r)[0] == magic:
                change(r)
                seal(r)
                write(at, r)
                done += 1
if lie == "extent":  # a member that ends far behind the disk
    records(3, record, record, 0xEEEEEEEE, lambda r: struct.pack_into(">Q", r, 72, 1 << 40))
elif lie == "elements":  # more members than a record has room for
    records(3, record, record, 0xEEEEEEEE, lambda r: struct.pack_into(">H", r, 64, 60000))
elif lie == "size":  # a disk whose usable part lies over the metadata
    records(1, sections[1][1], sections[1][1], 0x22222222,
            lambda r: [struct.pack_into(">Q", r, 64 + 64 * i + 32, 1 << 40) for i in range(3)])
elif lie == "section":  # a section of the header that lies behind the disk
    headers(lambda h: struct.pack_into(">II", h, 192 + 8 * 3, 1 << 30, 1 << 20))
    done = 1
sys.exit(0 if done else "nothing was changed")
END_OF_PYTHON

device() { sparectl status --json | jq -r --arg n "$(basename "$(lab_dev "$1")")" ".status.devices[] | select(.name == \$n) | .$2"; }

modprobe dm-raid
lab_disks 9 44
lab_md_container liars $(lab_devs 1-3)
lab_md_volume liars lost 5 3 --chunk=64 --size=8M
lab_md_sync lost
lab_md_container one $(lab_devs 4-6)
lab_md_volume one short 5 3 --chunk=64 --size=8M
lab_md_sync short
lab_md_container good $(lab_devs 7-9)
lab_md_volume good sound 5 3 --chunk=64 --size=8M
lab_md_sync sound
for a in lost short sound; do lab_fill /dev/md/$a 3; done
lab_md_stop

lies=([1]=extent [2]=elements [3]=size [4]=section)
for n in 1 2 3 4; do ok "disk $n: a lie about the ${lies[n]}" python3 /run/lab/files/lie.py "$(lab_dev $n)" "${lies[n]}"; done
sums() { for n in 1 2 3 4; do lab_sum "$(lab_dev $n)"; done; }
before=$(sums)
udevadm trigger --action=change --settle --subsystem-match=block

spared_configure '*'
spared_start
spared_optimal sound 60
ok "the set of the others runs, with its data" lab_check_fill /dev/mapper/sound 3
for n in 1 2 3 4; do
	is "disk $n is refused" "$(device $n contents)" unreadable
	like "with a reason" "$(device $n '"contents-name"')" "metadata that cannot be used: .{10}"
	say "disk $n (${lies[n]}): $(device $n '"contents-name"')"
	is "it is told by name" "$(jq -r .text < "$LAB_OUT/notices" | grep -c "^$(basename "$(lab_dev $n)") is left alone: ")" 1
	nok "sparectl meta show refuses it, too" sparectl meta show "$(lab_dev $n)"
done
like "status -v says why" "$(sparectl status -v)" "unreadable: ddf metadata that cannot be used"
is "the set of three liars is none" "$(spared_array lost state)" ""
ok "with one liar a set starts, degraded" sparectl array start short --degraded
is "so it is" "$(spared_array short state)" degraded
ok "with its data" lab_check_fill /dev/mapper/short 3
lab_writer_start short /dev/mapper/short
lab_writer_start sound /dev/mapper/sound
lab_wait_for '[ "$(lab_writer_stats short | lab_json writes)" -gt 100 ]' 30
is "the liar is no spare" "$(sparectl spare add "$(lab_dev 4)" --array short > /run/lab/files/said 2>&1; echo $?)" 4
say "$(cat /run/lab/files/said)"
lab_writer_clean short
lab_writer_clean sound
ok "it stops" sparectl array stop short
ok "so does the other" sparectl array stop sound
spared_stop
is "not a byte of the four disks was written" "$(sums)" "$before"
lab_done
