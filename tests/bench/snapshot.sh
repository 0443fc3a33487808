#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=900 manual
# What a snapshot costs those who write: a RAID5 of three disks, with its snapshots on a fourth, in turn of spared and of LVM (lvcreate
# --snapshot with chunks of the same 16 KiB). Writes are O_DIRECT and O_DSYNC, without a snapshot, then with a new one: the first into
# each chunk, which is copied before, and another one. Then the longest wait of a writer while one is made, and while it ends.
#   snapshot.sh [ROUNDS [CONTESTANT..]]
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"
. "$LAB_REPO/tests/lab/lib/lvm.sh"

rounds=${1:-5} files=/run/lab/files MIB=1048576
[ $# -gt 0 ] && shift
contestants=("$@")
[ ${#contestants[@]} -gt 0 ] || contestants=(spared LVM)
median() { sort -n | awk '{ v[NR] = $1 } END { if (NR) printf "%s (%s to %s)", v[int((NR + 1) / 2)], v[1], v[NR]; else print "-" }'; }
middle() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
ratio() { awk -v a="$(middle "$1")" -v b="$(middle "$2")" 'BEGIN { printf "%.2f", a / b }'; }

# --- contestants: NAME_begin, NAME_make, NAME_drop, NAME_end; $device is the array -------------------------------

spared_begin() {
	lab_md_container ddf $(lab_devs 1-3)
	lab_md_volume ddf r5 5 3 --chunk=64 --size=24M
	lab_md_sync r5
	lab_md_stop
	spared_configure "$(spared_set_of "$(lab_dev 1)")"
	spared_start
	spared_optimal r5
	lab_wait_for '[ -b /dev/mapper/r5 ]'
	device=/dev/mapper/r5
}
spared_make() { sparectl array snapshot r5 bench --on "$(lab_dev 4)" --wipe > /dev/null; }
spared_drop() { sparectl array snapshot r5 bench --remove > /dev/null; }
spared_end() {
	sparectl array stop r5 > /dev/null
	spared_stop
	dmsetup remove_all
}
LVM_begin() {
	lvm_set 24
	device=/dev/mapper/bench-r5
}
LVM_make() { lvcreate -qq -y --snapshot --chunksize 16k -L 80M -n bench bench/r5 "$(lab_dev 4)" 2>&1 | lab_quiet; }
LVM_drop() { lvremove -qq -y bench/bench 2>&1 | lab_quiet; }
LVM_end() { lvm_clear; }

# --- what is measured ---------------------------------------------------------------------------------------------

# small, large: 4 KiB into each chunk of 32 MiB, in random order; 1 MiB after the other of the rest.
small() { python3 "$LAB_REPO/tests/bench/writes.py" "$device" 4096 16384 0 $((32 * MIB)) 1; }
large() { python3 "$LAB_REPO/tests/bench/writes.py" "$device" $MIB $MIB $((32 * MIB)) $((48 * MIB)); }

measure() {
	local name=$1 i kind
	"${name}_begin"
	small > /dev/null # not counted: slices and caches are warm
	large > /dev/null
	for ((i = 0; i < rounds; i++)); do
		for kind in small large; do $kind >> "$files/$name.$kind.without"; done
		"${name}_make"
		for kind in small large; do $kind >> "$files/$name.$kind.first"; done
		for kind in small large; do $kind >> "$files/$name.$kind.later"; done
		"${name}_drop"
	done
	lab_writer_start "$name" "$device"
	for ((i = 0; i < rounds; i++)); do
		lab_writer_reset "$name"
		"${name}_make"
		lab_writer_stats "$name" | lab_json stall_ms >> "$files/$name.make"
		lab_writer_reset "$name"
		"${name}_drop"
		lab_writer_stats "$name" | lab_json stall_ms >> "$files/$name.drop"
	done
	lab_writer_clean "$name"
	"${name}_end"
}

lab_disks 4 96
for name in "${contestants[@]}"; do measure "$name"; done
echo
{
	printf '%s rounds; us a write: median (range)\t4 KiB each\tto without\t1 MiB each\tto without\n' "$rounds"
	for name in "${contestants[@]}"; do
		for when in without first later; do
			printf '%s, %s\t%s\t%s\t%s\t%s\n' "$name" \
				"$(case $when in without) echo no snapshot ;; first) echo a snapshot, first into a chunk ;; *) echo a snapshot, later ;; esac)" \
				"$(median < "$files/$name.small.$when")" "$(ratio "$files/$name.small.$when" "$files/$name.small.without")" \
				"$(median < "$files/$name.large.$when")" "$(ratio "$files/$name.large.$when" "$files/$name.large.without")"
		done
	done
} | column -t -s "$(printf '\t')"
echo
{
	printf 'longest wait for a write, ms: median (range)\tone is made\tit ends\n'
	for name in "${contestants[@]}"; do
		printf '%s\t%s\t%s\n' "$name" "$(median < "$files/$name.make")" "$(median < "$files/$name.drop")"
	done
} | column -t -s "$(printf '\t')"
lab_done
