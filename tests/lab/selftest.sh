#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: disks=nbd:3:64M persist=50 timeout=300
# The lab's own test: its disks come, go and fail as they are told, and a power cut is one.
. "$LAB_REPO/tests/lab/lib/lab.sh"

pattern() { head -c $((4096 * $2)) /dev/zero | tr '\0' "$1"; }
put() { pattern "$2" "$4" | dd of="$1" bs=4k seek="$3" oflag=direct iflag=fullblock status=none; }
get() { dd if="$1" bs=4k skip="$2" count="$3" iflag=direct status=none; }
same() { cmp <(get "$1" "$3" "$4") <(pattern "$2" "$4"); }

if [ "$LAB_BOOT" = 2 ]; then
	say "after the power cut"
	result=$(lab_writer verify --journal "$LAB_OUT/journal" "$(lab_dev h3)" || true)
	say "$result"
	like "every acknowledged block survived" "$result" '"errors":0,.*"wrong":0,'
	like "there were some" "$result" '"reads":[1-9][0-9]'
	get "$(lab_dev h2)" 0 64 | fold -w 4096 > /run/lab/files/blocks
	kept=$(grep -c '^n*$' /run/lab/files/blocks || true) lost=$(grep -c '^o*$' /run/lab/files/blocks || true)
	say "of 64 blocks that were not flushed $kept are there, $lost are as before"
	is "an unflushed block is old or new, never torn" "$((lost + kept))" 64
	ok "the cut lost some of them" test "$lost" -gt 0
	ok "and kept some" test "$kept" -gt 0
	lab_done
fi

say "scsi_debug disks"
lab_disks 4 48
is "four disks" "$(lab_devs d1-d4 2>/dev/null | wc -l || true)" 4
wwn=$(lab_wwn d2)
is "each has a WWN of its own" "$(for n in d1 d2 d3 d4; do lab_wwn $n; done | sort -u | wc -l)" 4
put "$(lab_dev d2)" x 10 5
lab_stream events udevadm monitor --kernel --subsystem-match=block
lab_stream_wait events 'KERNEL - the kernel uevent'
ok "a pull" lab_pull d2
ok "its uevent" lab_stream_wait events 'remove .*block/sd'
nok "the disk is gone" lab_dev d2
lab_stream_mark events
ok "a plug" lab_plug d2
ok "its uevent" lab_stream_wait events 'add .*block/sd'
lab_stream_stop events
is "the same WWN" "$(lab_wwn d2)" "$wwn"
ok "the same data" same "$(lab_dev d2)" x 10 5

lab_trace_start
lab_medium 4660 1
nok "a medium error" get "$(lab_dev d1)" 582 1
lab_medium off
ok "and none any more" get "$(lab_dev d1)" 582 1
like "block_rq_error tells it, errno -61" "$(lab_trace)" '\[-61\]'

say "host disks"
like "the serial is the lab's" "$(udevadm info -q property "$(lab_dev h1)")" 'ID_SCSI_SERIAL=LAB001|ID_SERIAL_SHORT=.*LAB001|SCSI_IDENT_SERIAL=LAB001'
is "and the WWN" "$(lab_wwn h1)" 0x5000c50000000001
d=$(lab_dev h1)
put "$d" a 0 64
lab_fault h1 'read 80 8 heal' 'read 160 8 stay' 'write 240 8'
lab_trace_start
nok "a sector that heals cannot be read" get "$d" 10 1
like "block_rq_error tells it, errno -5" "$(lab_trace)" ' 80 \+ 8 .*\[-5\]'
ok "its neighbour can" get "$d" 11 1
put "$d" b 10 1
ok "written again, it can" same "$d" b 10 1
nok "a sector that stays bad cannot be read" get "$d" 20 1
put "$d" b 20 1
nok "also after a write" get "$d" 20 1
nok "a sector that cannot be written" put "$d" b 30 1
ok "can be read" same "$d" a 30 1
ok "the other disks are well" get "$(lab_dev h2)" 10 1
ok "the host counted the failed reads" test "$(lab_fault_count h1 read)" -ge 3
is "and the healing" "$(lab_fault_count h1 heal)" 1
lab_fault h1
ok "all is well again" get "$d" 0 64

lab_fault h1 hang
get "$d" 0 1 > /dev/null &
reader=$!
nok "a disk that hangs does not answer" lab_wait_for "! kill -0 $reader" 1
lab_fault h1
ok "and does when it no longer hangs" wait "$reader"
lab_fault h1 'delay 200'
before=$(lab_ms)
get "$d" 0 1 > /dev/null
ok "a slow disk is slow" test $(($(lab_ms) - before)) -ge 200
lab_fault h1

put "$d" c 40 1
ok "a pull by the host" lab_pull h1
nok "the disk is gone" lab_dev h1
ok "a plug by the host" lab_plug h1
ok "the same data" same "$(lab_dev h1)" c 40 1

say "device-mapper and md"
slice=8192
table="0 65536 raid raid1 3 0 region_size 1024 2"
for n in 1 2; do
	dmsetup create "meta$n" --table "0 $slice linear $(lab_dev h$n) 65536"
	dmsetup create "data$n" --table "0 65536 linear $(lab_dev h$n) 0"
	dd if=/dev/zero of="/dev/mapper/meta$n" bs=1M oflag=direct status=none 2> /dev/null || true
	table+=" /dev/mapper/meta$n /dev/mapper/data$n"
done
ok "a dm-raid table starts" dmsetup create r1 --table "$table"
ok "and gets in sync" lab_wait_for 'dmsetup status r1 | grep -q "AA 65536/65536 idle"' 30
lab_writer_start w /dev/mapper/r1 --length 8
lab_fault h2 'write 0 -'
ok "a write error fails its leg" lab_wait_for 'dmsetup status r1 | grep -q " AD "' 10
lab_writer_clean w
lab_fault h2
dmsetup remove r1
dmsetup remove meta1 && dmsetup remove data1 && dmsetup remove meta2 && dmsetup remove data2

lab_md_container ddf $(lab_devs d1-d4)
ok "mdadm makes a DDF volume" lab_md_volume ddf v 5 3 --chunk=64 --size=4M
lab_md_sync v
lab_fill /dev/md/v 5
lab_md_stop
lab_md_assemble ddf $(lab_devs d1-d4)
like "and finds it again, with its data" "$(lab_check_fill /dev/md/v 5)" '"different":0'

say "power cut"
put "$(lab_dev h2)" o 0 64
sync "$(lab_dev h2)"
lab_writer_start cut "$(lab_dev h3)" --length 4 --journal "$LAB_OUT/journal"
lab_wait_for '[ $(stat -c %s "$LAB_OUT/journal") -gt 6400 ]' 60
put "$(lab_dev h2)" n 0 64
# The checks so far are counted by the host; the last one comes from the second boot.
lab_cut
