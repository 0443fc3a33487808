#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=1500 manual
# RAID4, and RAID10 over three and five disks, on the same disks: made by spared, a member fails, the spare takes its
# place in all of them, another fails and returns by its bitmap; a RAID4 grows; they get other names, are deleted, and both is
# taken back. By mdadm the data are the same, whole and with a disk missing.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

spared_by_hand 6
devs() { local n; for n in "$@"; do lab_dev "$n"; done; }
arrays="r4 r1e five last" # last: a RAID4 with room behind it
declare -A sum
data() { local v; for v in $arrays; do is "$v: $1" "$(lab_sum "/dev/mapper/$v")" "${sum[$v]}"; done; }
whole() { local v; for v in $arrays; do ok "$v is whole: $1" spared_optimal "$v" 200; done; }
agree() {
	local v
	for v in $arrays; do
		dmsetup message $v 0 check
		lab_wait_for "dmsetup status $v | awk '{ exit \$8 != \"idle\" }'" 100
		is "$v: its members agree $1" "$(dmsetup status $v | awk '{ print $9 }')" 0
	done
}

ok "r4" sparectl array create r4 --level raid4 --size 4MiB $(devs 3 1 2) --spare "$(lab_dev 6)"
set=$(spared_array r4 set)
ok "r1e" sparectl array create r1e --level raid1e --size 6MiB --in "$set" $(devs 1 2 3)
ok "five" sparectl array create five --level raid10 --size 5MiB --in "$set" $(devs 2 1 3 4 5)
ok "last" sparectl array create last --level raid4 --size 4MiB --in "$set" $(devs 1 2 3)
is "r4 is as large as was asked" "$(blockdev --getsz /dev/mapper/r4)" 8192
is "r1e, too" "$(blockdev --getsz /dev/mapper/r1e)" 12288
n=0
for v in $arrays; do lab_fill "/dev/mapper/$v" $((++n)) > /dev/null; done
for v in $arrays; do sum[$v]=$(lab_sum "/dev/mapper/$v"); done
lab_wait_for '[ "$(mdadm -E $(lab_dev 3) | grep -c "Fully Initialised")" = 4 ]' 200
agree "when their redundancy is made"

say "one grows, others are refused"
for v in r1e five; do
	like "$v is not made larger" "$(sparectl array grow $v --size 9MiB 2>&1 || true)" "$v is a RAID10: of what is added"
done
like "nor is r4, with no room behind it" "$(sparectl array grow r4 2>&1 || true)" "no room: disk [0-9a-f]{8} has 0 KiB free right behind"
ok "last grows" sparectl array grow last --size 8MiB
is "the device has it" "$(blockdev --getsz /dev/mapper/last)" 16384
is "what was there is" "$(head -c 4M /dev/mapper/last | sha1sum | cut -d' ' -f1)" "${sum[last]}"
dd if=/dev/urandom of=/dev/mapper/last bs=1M seek=5 count=2 oflag=direct status=none
lab_wait_for '[ "$(mdadm -E $(lab_dev 3) | grep -c "Fully Initialised")" = 4 ]' 200
agree "with last made larger"
sum[last]=$(lab_sum /dev/mapper/last)

say "disk 1 fails, and the spare takes its place in all"
ok "disk 1 fails" sparectl array fail r4 "$(lab_dev 1)"
whole "on the spare"
data "on the spare"
agree "on the spare"

say "disk 2 fails, which has r4's parity, and returns"
ok "disk 2 fails" sparectl array fail r4 "$(lab_dev 2)"
data "degraded"
n=10
for v in $arrays; do lab_fill "/dev/mapper/$v" $((++n)) > /dev/null; done
for v in $arrays; do sum[$v]=$(lab_sum "/dev/mapper/$v"); done
nok "another one beside it is not given up" sparectl array fail r1e "$(lab_dev 3)"
for v in $arrays; do ok "$v: disk 2 is taken back" sparectl array re-add $v "$(lab_dev 2)"; done
whole "with disk 2 back"
data "with disk 2 back"
agree "with disk 2 back"

for v in $arrays; do ok "$v stops" sparectl array stop $v; done

say "other names, and deletions, taken back"
plan_of() { sparectl "$@" --json 2> /dev/null | jq -r '."plan-id"'; }
# By mdadm, on a disk that all of them have.
names() { mdadm -E "$(lab_dev 3)" | sed -n 's/.*Name\[[0-9]*\] : //p' | sort | paste -sd' '; }
sorted() { tr ' ' '\n' <<< "$*" | grep . | sort | paste -sd' '; }
for v in $arrays; do
	plan=$(plan_of array rename $v other)
	is "$v is renamed, by mdadm" "$(names)" "$(sorted "${arrays/$v/other}")"
	ok "which is taken back" sparectl undo "$plan"
	plan=$(plan_of array delete $v --yes)
	is "$v is deleted, by mdadm" "$(names)" "$(sorted "${arrays/$v/}")"
	ok "which is taken back, too" sparectl undo "$plan"
	is "$v is there again, by mdadm" "$(names)" "$(sorted $arrays)"
done
for v in r1e last; do
	ok "$v is renamed" sparectl array rename $v $v-2
	sum[$v-2]=${sum[$v]}
done
arrays="r4 r1e-2 five last-2"

say "mdadm reads them"
ok "release" sparectl release "$set"
export MDADM_NO_MDMON=1
same() {
	local v
	mdadm --assemble /dev/md/ddf $(devs "${@:2}") 2>&1 | lab_quiet
	mdadm --incremental --run /dev/md/ddf 2>&1 | lab_quiet || true
	lab_udev_settle
	for v in $arrays; do is "$v, $1" "$(lab_sum "$(ls -d "/dev/md/$v" "/dev/md/${v}_0" 2> /dev/null)")" "${sum[$v]}"; done
	lab_md_stop
}
same whole 2 3 4 5 6
same "without disk 2" 3 4 5 6
same "without disk 3" 2 4 5 6
lab_done
