#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300 disks=nbd:5:160M mem=512M
# The machine's own disk is the array: the daemon's program, its history and the swap space lie on arrays that it looks after,
# and memory is short, so that its pages are fetched from there. Members of both are pulled twice, one after the other: it is
# recorded, spares take over and are rebuilt, and nobody waits for ever.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

lab_md_container ddf $(lab_devs h1-h5)
lab_md_array system 5 24M -n 3 --chunk=64 $(lab_devs h1-h3)
lab_md_array swap 1 80M -n 2 $(lab_devs h1-h2)
lab_udev_settle
for v in system swap; do lab_md_sync $v; done
lab_md_stop

spared_configure "$(spared_set_of "$(lab_dev h1)")"
spared_quick
spared_start
for v in system swap; do spared_optimal $v; done
spared_stop
mkfs.ext4 -q /dev/mapper/system
mkdir -p /run/lab/system
mount /dev/mapper/system /run/lab/system
mkdir /run/lab/system/bin
cp "$(command -v spared)" /run/lab/system/bin/
echo "history: /run/lab/system/history.db" >> /etc/spared/spared.yaml
mkswap /dev/mapper/swap | lab_quiet
swapon /dev/mapper/swap
PATH=/run/lab/system/bin:$PATH
hash -r
spared_start
is "the daemon runs from the array" "$(readlink "/proc/$spared_pid/exe")" /run/lab/system/bin/spared

# What is left of memory and a good part of the swap space is filled, touched all the time, and right.
cat > /run/lab/files/hog.py <<'END'
import mmap, random, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
kib = {line.split(":")[0]: int(line.split()[1]) for line in open("/proc/meminfo")}
pages = (kib["MemAvailable"] * 9 // 10 + kib["SwapFree"] * 4 // 10) // 4
open("/proc/self/oom_score_adj", "w").write("1000")
memory = mmap.mmap(-1, pages * 4096)
for i in range(pages): memory[i * 4096:i * 4096 + 8] = i.to_bytes(8, "little")
turn = 0
while True:
    for _ in range(100):
        i = random.randrange(pages)
        if int.from_bytes(memory[i * 4096:i * 4096 + 8], "little") != i: sys.exit("page %d is wrong" % i)
    turn += 1
    print(turn, flush=True)
END
python3 /run/lab/files/hog.py > /run/lab/files/hog 2>&1 &
hog=$!
lab_wait_for "grep -qx 1 /run/lab/files/hog" 120
# Files of the array, each written, flushed and read back past the caches.
(
	n=0
	while :; do
		n=$((n + 1))
		dd if=/dev/urandom of=/run/lab/system/file bs=64k count=4 conv=fsync status=none
		sum=$(sha1sum < /run/lab/system/file)
		[ "$(dd if=/run/lab/system/file bs=64k iflag=direct status=none | sha1sum)" = "$sum" ] || echo wrong
		echo $n
	done
) > /run/lab/files/filed 2>&1 &
files=$!
lab_wait_for "[ -s /run/lab/files/filed ]" 60
swapped() { awk '$1 == "pswpin" || $1 == "pswpout" { n += $2 } END { print n }' /proc/vmstat; }
turns() { tail -n1 "/run/lab/files/$1"; }

for slot in 0 1; do
	n=$(spared_disk swap $slot)
	say "h$n goes; $(awk '/MemAvailable|SwapFree/ { printf "%s %d MiB  ", $1, $2 / 1024 }' /proc/meminfo)"
	before=$(swapped) hogged=$(turns hog) filed=$(turns filed)
	begin=$(lab_ms)
	lab_pull "h$n"
	lab_wait_for "[ -n \"\$(spared_disk_at swap $slot)\" ] && [ \"\$(spared_disk swap $slot)\" != $n ]" 60
	for v in system swap; do
		ok "$v is whole again" spared_optimal $v 120
	done
	say "after $(($(lab_ms) - begin)) ms; $(($(swapped) - before)) pages went to or came from the swap space meanwhile"
	ok "memory was short" test $(($(swapped) - before)) -gt 500
	ok "who uses it went on" lab_wait_for "[ \"\$(turns hog)\" -gt $hogged ]" 30
	ok "files are written" lab_wait_for "[ \"\$(turns filed)\" -gt $filed ]" 30
done
ok "nothing was killed for want of memory" kill -0 $hog
is "no memory is wrong" "$(grep wrong /run/lab/files/hog || true)" ""
is "no file is wrong" "$(grep -v '^[0-9]*$' /run/lab/files/filed || true)" ""
kill $hog $files
wait $hog $files 2> /dev/null || true
ok "all swap space is read back" swapoff /dev/mapper/swap
is "both failures, of two arrays each, are in the history, which lies on the array" \
	"$(sparectl history --json | grep -o '"array.member-failed"' | wc -l)" 4
spared_stop
lab_wait_for "umount /run/lab/system" # a dd of the writer may still be there
ok "the file system is whole" e2fsck -fn /dev/mapper/system
lab_done
