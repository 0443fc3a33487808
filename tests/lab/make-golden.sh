#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=900 alone manual
# Makes tests/golden/meta: what mdadm writes for each kind of DDF set, as it lies on the disks.
# Run on the host, it runs itself in the lab and packs what comes out.
#
#   make-golden.sh [CASE...]
#
# CASE-N.tail.xz   the last 33 MiB of the case's disk N, where all of DDF lies (data areas are in front)
# CASE.txt         first lines of key=value words, then what mdadm -E said of each disk:
#   case name=... | disk index= sectors= refno= | volume name= level= layout= chunk= ... sha1= |
#   member volume= slot= disk= offset= (sectors) state=
set -euo pipefail

if [ -z "${LAB_REPO:-}" ]; then
	cd "$(dirname "$0")/../.."
	tests/lab/run.py tests/lab/make-golden.sh "$@"
	for f in build/lab/make-golden/*.tail; do
		xz -9e --stdout "$f" > "tests/golden/meta/$(basename "$f").xz"
	done
	cp build/lab/make-golden/*.txt tests/golden/meta/
	du -sh tests/golden/meta
	exit
fi

. "$LAB_REPO/tests/lab/lib/lab.sh"
only=("$@")
DISKS=6 SIZE_MB=48 TAIL_MB=33

# begin: the disks blank again. Only their ends can hold anything of the last case that matters here.
begin() {
	local n
	case_name=$1
	say "case $case_name"
	for ((n = 1; n <= DISKS; n++)); do
		dd if=/dev/zero of="$(lab_dev "$n")" bs=1M seek=14 count=34 oflag=direct status=none
	done
}

md_of() { basename "$(readlink -f "/dev/md/$1")"; }

# describe VOLUME: geometry and members as md has them in sysfs.
describe() {
	local s name slot disk
	s=/sys/block/$(md_of "$1")
	echo "volume name=$1 level=$(cat "$s/md/level") layout=$(cat "$s/md/layout")" \
		"chunk=$(cat "$s/md/chunk_size") raid_disks=$(cat "$s/md/raid_disks")" \
		"component_sectors=$(($(cat "$s/md/component_size") * 2)) array_sectors=$(cat "$s/size")" \
		"degraded=$(cat "$s/md/degraded" 2>/dev/null || echo 0)" \
		"sync=$(cat "$s/md/sync_action" 2>/dev/null || echo none)" \
		"array_state=$(cat "$s/md/array_state")" \
		"sha1=$(if [ "${2:-}" = nosum ]; then echo -; else lab_sum "/dev/md/$1"; fi)"
	for name in "$s"/md/dev-*; do
		slot=$(cat "$name/slot")
		disk=${name##*/dev-}
		for ((n = 1; n <= DISKS; n++)); do
			[ "$(lab_dev "$n" || true)" != "/dev/$disk" ] ||
				echo "member volume=$1 slot=$slot disk=$n offset=$(cat "$name/offset") state=$(cat "$name/state")"
		done
	done | sort -t= -k3n
}

# image DISK...: their ends, as they are at this moment, and what mdadm reads there.
image() {
	local n dev sectors
	for n in "$@"; do
		dev=$(lab_dev "$n")
		sectors=$(blockdev --getsz "$dev")
		dd if="$dev" of="$LAB_OUT/$case_name-$n.tail" bs=1M skip=$((sectors / 2048 - TAIL_MB)) \
			iflag=direct conv=sparse status=none
	done
	{
		echo "case name=$case_name disks=$# tail_mib=$TAIL_MB"
		for n in "$@"; do
			dev=$(lab_dev "$n")
			echo "disk index=$n sectors=$(blockdev --getsz "$dev") wwn=$(lab_wwn "$n")" \
				"refno=$(mdadm -E "$dev" | awk -v d="$dev" '$4 == d { print $2 }')"
		done
		cat /run/lab/files/volumes
		for n in "$@"; do
			dev=$(lab_dev "$n")
			printf '\n=== mdadm -E, disk %s\n' "$n"
			mdadm -E "$dev"
			printf '\n=== mdadm -E --brief, disk %s\n' "$n"
			mdadm -E --brief "$dev"
			printf '\n=== mdadm -E --export, disk %s\n' "$n"
			mdadm -E --export "$dev"
		done
	} > "$LAB_OUT/$case_name.txt"
}

# make CASE DISKS VOLUME-SPEC...: a container of disks 1-DISKS; each spec is "name level members options".
make() {
	local name=$1 disks=$2 spec
	shift 2
	begin "$name"
	lab_md_container ddf $(lab_devs "1-$disks")
	for spec in "$@"; do
		# shellcheck disable=SC2086
		lab_md_volume ddf $spec
	done
	for spec in "$@"; do
		lab_md_sync "${spec%% *}"
		lab_fill "/dev/md/${spec%% *}" "$((++seed))"
	done
}

volumes() {
	local v
	for v in "$@"; do describe "$v" "${sum:-}"; done > /run/lab/files/volumes
}

# wanted CASE: among the arguments, or there are none.
wanted() { [ "${#only[@]}" -eq 0 ] || [[ " ${only[*]} " == *" $1 "* ]]; }

# plain CASE DISKS SPEC...: a healthy set, stopped in good order.
plain() {
	local names=()
	wanted "$1" || return 0
	make "$@"
	local name=$1 disks=$2
	shift 2
	for spec in "$@"; do names+=("${spec%% *}"); done
	volumes "${names[@]}"
	lab_md_stop
	image $(seq "$disks")
	ok "$name" test -s "$LAB_OUT/$name.txt"
}

seed=0
lab_disks "$DISKS" "$SIZE_MB"

plain raid0 3 "v0 0 3 --chunk=64 --size=4M"
plain raid1 2 "v1 1 2 --size=4M"
plain raid5-n-continue 3 "v5 5 3 --chunk=64 --size=4M"
plain raid5-n-restart 3 "v5 5 3 --chunk=128 --size=4M --layout=la"
plain raid5-0-restart 4 "v5 5 4 --chunk=512 --size=4M --layout=ra"
plain raid6-n-continue 4 "v6 6 4 --chunk=64 --size=4M --layout=ddf-N-continue"
plain raid6-n-restart 5 "v6 6 5 --chunk=64 --size=4M --layout=ddf-N-restart"
plain raid6-0-restart 5 "v6 6 5 --chunk=64 --size=4M --layout=ddf-zero-restart"
plain raid10 4 "v10 10 4 --chunk=64 --size=4M"
# Of an odd number mdadm counts whole members: 4 MiB of each three in 6, 4 of each five in 5. Of 4 it does not divide.
plain raid1e 3 "v1e 10 3 --chunk=64 --size=4M"
plain raid1e-three 3 "v1e 10 3 --chunk=64 --size=6M"
plain raid1e-five 5 "v1e 10 5 --chunk=64 --size=5M"
plain raid4 3 "v4 4 3 --chunk=64 --size=4M"
plain two-volumes 5 "r5 5 4 --chunk=64 --size=4M" "r6 6 5 --chunk=64 --size=3M --layout=ddf-N-continue"
plain spare-global 4 "v5 5 3 --chunk=64 --size=4M"
plain spares-only 3

# A member failed, mdmon recorded it, nothing to take its place.
if wanted degraded; then
	make degraded 4 "v6 6 4 --chunk=64 --size=4M --layout=ddf-N-continue"
	lab_md_volume ddf v1 1 2 --size=2M && lab_md_sync v1
	failed=$(lab_dev 2)
	slot_of() { cat "/sys/block/$(md_of "$1")/md/dev-${2##*/}/slot"; }
	say "disk 2 is slot $(slot_of v6 "$failed") of v6"
	mdadm --fail /dev/md/v6 "$failed"
	lab_wait_for "mdadm -E $(lab_dev 1) | grep -q -E 'state.*(Degraded|Partially)'"
	volumes v6 v1
	lab_md_stop
	image 1 2 3 4
	ok degraded grep -q 'Failed' "$LAB_OUT/degraded.txt"
fi

# A member pulled, written on without it, plugged back: a stale member of a lower sequence number.
if wanted stale; then
	make stale 4 "v6 6 4 --chunk=64 --size=4M --layout=ddf-N-continue"
	lab_pull 3
	lab_fill /dev/md/v6 77
	lab_wait_for "mdadm -E $(lab_dev 1) | grep -q -E 'state.*(Degraded|Partially)'"
	volumes v6
	lab_plug 3
	lab_md_stop
	image 1 2 3 4
	ok stale grep -qE 'Degraded|Partially' "$LAB_OUT/stale.txt"
fi

# A spare in the middle of its rebuild, as a power cut would leave it.
if wanted rebuilding; then
	make rebuilding 4 "v5 5 3 --chunk=64 --size=12M"
	md=$(md_of v5)
	echo 100 > "/sys/block/$md/md/sync_speed_min"
	echo 100 > "/sys/block/$md/md/sync_speed_max"
	mdadm --fail /dev/md/v5 "/dev/$(basename "$(readlink -f "/sys/block/$md/md/rd1/block")")"
	lab_wait_for "grep -qx recover /sys/block/$md/md/sync_action"
	lab_wait_for "mdadm -E $(lab_dev 1) | grep -qi rebuild" 20 || say "mdadm -E names no rebuild"
	volumes v5
	image 1 2 3 4
	echo 200000 > "/sys/block/$md/md/sync_speed_max"
	lab_md_sync v5
	ok rebuilding grep -qE 'Degraded|Partially' "$LAB_OUT/rebuilding.txt"

	# The same set after the rebuild: the spare is a member now, the failed disk is in no volume.

	case_name=rebuilt
	volumes v5
	lab_md_stop
	image 1 2 3 4
	ok rebuilt grep -q 'Optimal' "$LAB_OUT/rebuilt.txt"
fi

# A RAID10 that mdmon runs with the record of its second pair in front, and a spare that it has rebuilt in the first: it leaves
# the spare as Rebuilding, and takes the record off the second pair's second disk. Disk 5 is the one that was lost.
if wanted raid10-rebuilt; then
	begin raid10-rebuilt
	lab_md_container ddf $(lab_devs 1-5)
	mdadm --create /dev/md/v10 --level=10 -n 4 --chunk=64 --size=4M --run $(lab_devs 1 5 2 3)
	lab_udev_settle
	lab_md_sync v10
	lab_fill /dev/md/v10 10
	lab_md_stop
	mdadm --assemble /dev/md/ddf $(lab_devs 1-4) 2>&1 | lab_quiet
	mdadm --incremental --run /dev/md/ddf 2>&1 | lab_quiet
	lab_udev_settle
	lab_wait_for '[ "$(cat /sys/block/$(md_of v10)/md/degraded)" = 0 ]' 60
	lab_md_sync v10
	volumes v10
	lab_md_stop
	image 1 2 3 4
	ok raid10-rebuilt grep -q Rebuilding "$LAB_OUT/raid10-rebuilt.txt"
fi

# Of two arrays on the same disks the first has its spare rebuilt, the second is stopped amid that: mdadm calls it Degraded, and
# each of its disks Online. Disk 4 is the one that failed, disk 3 the spare.
if wanted two-behind; then
	begin two-behind
	lab_md_container ddf $(lab_devs 1-4)
	mdadm --create /dev/md/a --level=5 -n 3 --chunk=64 --size=4M --run $(lab_devs 1 4 2)
	mdadm --create /dev/md/b --level=5 -n 3 --chunk=64 --size=4M --run $(lab_devs 1 4 2)
	lab_udev_settle
	for v in a b; do lab_md_sync $v; lab_fill "/dev/md/$v" 5; done
	lab_md_speed 20
	mdadm --fail /dev/md/a "$(lab_dev 4)"
	running() { [[ $(cat "/sys/block/$(md_of "$1")/md/sync_completed") = *[0-9]* ]]; }
	lab_wait_for 'running a || running b' 60
	first=a
	running a || first=b
	echo 100000 > "/sys/block/$(md_of $first)/md/sync_speed_min"
	echo 100000 > "/sys/block/$(md_of $first)/md/sync_speed_max"
	lab_wait_for '[ "$(cat /sys/block/$(md_of $first)/md/degraded)" = 0 ]' 60
	lab_wait_for "$([ $first = a ] && echo running b || echo running a)" 60
	lab_wait_for "mdadm -E $(lab_dev 1) | grep -q 'Optimal'"
	volumes a b
	lab_md_stop
	lab_md_speed 200000
	image 1 2 3
	ok two-behind grep -q 'Degraded' "$LAB_OUT/two-behind.txt"
fi

# Written to at this very moment: not consistent.
if wanted dirty; then
	make dirty 4 "v5 5 3 --chunk=64 --size=4M" "v1 1 2 --size=4M"
	lab_writer_start w /dev/md/v5
	lab_wait_for "mdadm -E $(lab_dev 1) | grep -q 'Not Consistent'"
	sum=nosum volumes v5 v1
	image 1 2 3 4
	lab_writer_stop w
	lab_md_stop
	ok dirty grep -q 'Not Consistent' "$LAB_OUT/dirty.txt"
fi

lab_done
