# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Arrays on dm-raid with slices of our own making, by dm_tool (tests/lab/dm_tool.c). Source it after lab.sh.
# Each disk K has two private devices: legK (data) and metaK (slice).

dm_uuid=SPARED-lab-0000
dm_chunk=128
dm_member=16384 # sectors of each member
dm_meta_at=65536

# dm_legs FIRST LAST: private devices on disks FIRST..LAST (numbers as in lab_dev). Nobody waits for udev to link a private one.
dm_legs() {
	local k dev x
	for ((k = $1; k <= $2; k++)); do
		dev=$(lab_dev "$k")
		dm_tool linear "leg$k" "$dm_uuid-leg$k" "$dev" 2048 "$dm_member"
		dm_tool linear "meta$k" "$dm_uuid-meta$k" "$dev" "$dm_meta_at" 2048
		for x in leg meta; do lab_wait_for "[ -b /dev/mapper/$x$k ]"; done
	done
}

# What dm_array sets for a type: level, layout, chunk, slots and length of the array.
dm_shape() {
	type=$1
	chunk=$dm_chunk
	case $type in
	raid1) level=1 layout=0 chunk=0 n=2 len=$dm_member ;;
	raid5_n) level=5 layout=5 n=3 len=$((2 * dm_member)) ;;
	raid5_la) level=5 layout=0 n=3 len=$((2 * dm_member)) ;;
	raid5_ra) level=5 layout=1 n=3 len=$((2 * dm_member)) ;;
	raid5_ls) level=5 layout=2 n=3 len=$((2 * dm_member)) ;;
	raid6_zr) level=6 layout=8 n=5 len=$((3 * dm_member)) ;;
	raid6_nr) level=6 layout=9 n=5 len=$((3 * dm_member)) ;;
	raid6_nc) level=6 layout=10 n=5 len=$((3 * dm_member)) ;;
	raid10) level=10 layout=258 n=4 len=$((2 * dm_member)) ;;
	raid10_odd) type=raid10 level=10 layout=258 n=3 len=$((3 * dm_member / 2)) ;;
	*) return 1 ;;
	esac
}

# dm_slice K POS KEY=VALUE..: our slice for disk K as slot POS of the shape.
dm_slice() {
	local k=$1 pos=$2
	shift 2
	dm_tool slice "/dev/mapper/meta$k" pos="$pos" n="$n" level="$level" layout="$layout" chunk="$chunk" \
		array="$len" sectors="$dm_member" "$@"
}

# dm_slices KEY=VALUE..: for all slots, disk K being slot K-1.
dm_slices() {
	local k
	for ((k = 1; k <= n; k++)); do dm_slice "$k" $((k - 1)) "$@"; done
}

# dm_slots WORD..: the table's slots; a number is a disk, with ! it is rebuilt, - is nothing.
dm_slots() {
	local w
	for w in "$@"; do
		case $w in
		-) echo - ;;
		*) echo "/dev/mapper/meta${w%!}:/dev/mapper/leg$w" ;;
		esac
	done
}

dm_start() {
	local name=$1
	shift
	# shellcheck disable=SC2046
	dm_tool start "$name" "$dm_uuid" "$type" "$len" "$chunk" $(dm_slots "$@")
}

# dm_swap NAME SLOT.. [-- COMMAND]
dm_swap() {
	local name=$1 slots=()
	shift
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		slots+=("$1")
		shift
	done
	# shellcheck disable=SC2046
	dm_tool swap "$name" "$type" "$len" "$chunk" $(dm_slots "${slots[@]}") "$@"
}

# dm_key KEY TEXT: the value of KEY=.. in a line
dm_key() { sed -n "s/.*\\b$1=\\([^ ]*\\).*/\\1/p" <<< "$2"; }
dm_super() { dm_key "$2" "$(dm_tool super "/dev/mapper/meta$1")"; }
dm_health() { dm_tool status "$1" | cut -d' ' -f1; }
dm_settled() { dm_tool status "$1" | grep -q settled; }
# The raw device, past caches.
dm_sum() { dd if="/dev/mapper/$1" bs=1M iflag=direct status=none | sha1sum | cut -d' ' -f1; }
dm_zero() { dd if=/dev/zero of="/dev/mapper/$1" bs=1M oflag=direct conv=nocreat status=none 2> /dev/null || true; }
# dm_break K / dm_mend K: every access to disk K's leg and slice fails with EIO, or works again. The devices stay.
dm_break() {
	local x
	for x in leg meta; do
		dmsetup table "$x$1" > "/run/lab/files/$x$1.table"
		dmsetup suspend --noflush "$x$1"
		dmsetup load "$x$1" --table "0 $(blockdev --getsz "/dev/mapper/$x$1") error"
		dmsetup resume "$x$1"
	done
}
dm_mend() {
	local x
	for x in leg meta; do
		dmsetup suspend --noflush "$x$1"
		dmsetup load "$x$1" "/run/lab/files/$x$1.table"
		dmsetup resume "$x$1"
	done
}
# sectors written to disk K's leg so far
dm_written() { awk '{print $7}' "/sys/block/$(basename "$(readlink -f "/dev/mapper/leg$1")")/stat"; }
dm_resyncs() { dmesg | grep -cE 'md: (resync|recovery|reshape) of RAID' || true; }
