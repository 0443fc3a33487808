#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=1800
# Volumes that mdadm made, started by us: complete and without each member (with no argument: the first and the last) the
# data are md's own, and a clean RAID6 does not resync. Stopped by us, mdadm finds them clean.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/act.sh"

lab_disks 5 80
modprobe dm-raid
ALL=$(lab_devs 1-5 | paste -sd,)
each=$# # of what: all members are left out in turn

# level NAME LEVEL DISKS OPTIONS..
level() {
	local name=$1 level=$2 count=$3 sum len i others
	shift 3
	for i in $(lab_devs 1-5); do dd if=/dev/zero of="$i" bs=1M oflag=direct status=none 2> /dev/null || true; done
	lab_md_container ddf $(lab_devs "1-$count")
	lab_md_volume ddf "$name" "$level" "$count" "$@"
	lab_md_sync "$name"
	lab_fill "/dev/md/$name" 7
	sum=$(lab_sum "/dev/md/$name")
	len=$(blockdev --getsz "/dev/md/$name")
	lab_md_stop

	ok "$name: starts" act "$ALL" assemble
	is "$name: every member is in sync at once" "$(health "$name")" "$(printf 'A%.0s' $(seq "$count"))"
	is "$name: nothing is resynced" "$(action "$name")" idle
	is "$name: md's data" "$(lab_sum "/dev/mapper/$name")" "$sum"
	nok "$name: a member is held against others" mdadm --zero-superblock "$(lab_dev 1)"
	ok "$name: stops" act "$ALL" stop
	like "$name: mdadm finds it clean" "$(mdadm -E "$(lab_dev 1)")" "Consistent"
	ok "$name: starts again, slices as found" act "$ALL" assemble
	is "$name: all in sync" "$(health "$name")" "$(printf 'A%.0s' $(seq "$count"))"
	ok "$name: stops" act "$ALL" stop
	free_disks
	[ "$level" != 0 ] || return 0
	for ((i = 1; i <= count; i++)); do
		local saved="/run/lab/files/save"
		[ "$each" != 0 ] || [ "$i" = 1 ] || [ "$i" = "$count" ] || continue
		others=$(for n in $(seq "$count"); do [ "$n" = "$i" ] || lab_dev "$n"; done | paste -sd,)
		for n in $(seq "$count"); do dd if="$(lab_dev "$n")" of="$saved.$n" bs=1M skip=44 iflag=direct status=none; done
		ok "$name without disk $i: starts degraded" act "$others" assemble:degraded
		is "$name without disk $i: md's data" "$(lab_sum "/dev/mapper/$name")" "$sum"
		ok "$name without disk $i: stops" act "$others" stop
		free_disks
		for n in $(seq "$count"); do dd if="$saved.$n" of="$(lab_dev "$n")" bs=1M seek=44 oflag=direct status=none; done
	done
	lab_md_assemble ddf $(lab_devs "1-$count")
	# Of a RAID10 of an odd number mdadm shows more than it made, and than the disks say: a half member at the end.
	is "$name: mdadm reads the same" "$(dd if="/dev/md/$name" bs=64k count=$((len / 128)) iflag=direct status=none | sha1sum | cut -d' ' -f1)" "$sum"
	lab_md_stop
}

# Each argument is one volume; by `all` every layout that DDF and dm-raid share, in about ten minutes.
if [ "${1:-}" = all ]; then
	set -- "r1 1 2 --size=8M" "r5 5 3 --chunk=64 --size=8M" "r5la 5 4 --chunk=128 --size=8M --layout=la" \
		"r5ra 5 4 --chunk=64 --size=8M --layout=ra" "r6 6 4 --chunk=64 --size=8M --layout=ddf-N-continue" \
		"r6nr 6 5 --chunk=64 --size=8M --layout=ddf-N-restart" \
		"r6zr 6 4 --chunk=64 --size=8M --layout=ddf-zero-restart" "r10 10 4 --chunk=64 --size=8M" \
		"r0 0 3 --chunk=64 --size=8M" "r4 4 3 --chunk=64 --size=8M" "r1e 10 3 --chunk=64 --size=6M" \
		"r1e5 10 5 --chunk=64 --size=5M"
fi
for spec in "$@"; do
	# shellcheck disable=SC2086
	level $spec
done
[ $# -eq 0 ] || lab_done
level r5 5 3 --chunk=64 --size=8M
level r6 6 4 --chunk=64 --size=8M --layout=ddf-N-continue
level r10 10 4 --chunk=64 --size=8M
lab_done
