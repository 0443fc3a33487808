#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=400
# create.sh all: each layout, and more points; without: a part of them, in half the time.
# Arrays that spared makes: of every level and layout that it makes, mdadm assembles them and reads the same data, with one
# and with two members missing, too; their redundancy is made in the background and then recorded. Another name, and the end of
# one, as mdadm sees them. A disk that holds something is refused by its name. The act process is killed amid a
# creation: the disks are blank again, or the array is whole. The daemon is tests/lab/spared_held.c.
# shellcheck source=lib/lab.sh
. "$LAB_REPO/tests/lab/lib/lab.sh"
# shellcheck source=lib/spared.sh
. "$LAB_REPO/tests/lab/lib/spared.sh"
PATH=$LAB_BUILD/bin/held:$PATH
hold=/run/lab/hold

lab_disks 10 64
cp "$LAB_REPO"/contrib/udev/*.rules /etc/udev/rules.d/
rm -f /etc/mdadm/mdadm.conf
mkdir -p "$hold"
: > "$hold/trace"
spared_configure nothing-yet
spared_start

devs() { for n in "$@"; do lab_dev "$n"; done; }
say "a disk with a file system"
mke2fs -q -t ext4 "$(lab_dev 8)" 16M
udevadm settle -t 20
nok "is refused" sparectl array create no --level raid1 "$(lab_dev 7)" "$(lab_dev 8)"
like "by its name" "$(sparectl array create no --level raid1 "$(lab_dev 7)" "$(lab_dev 8)" 2>&1 || true)" "holds an ext4 file system"
ok "no lock was written" test ! -e /etc/udev/rules.d/61-spared-managed.rules
mkdir -p /run/lab/mnt && mount "$(lab_dev 8)" /run/lab/mnt
nok "nor is it wiped while it is mounted" sparectl array create no --level raid1 --wipe "$(lab_dev 7)" "$(lab_dev 8)"
umount /run/lab/mnt
ok "and no lock is left" test "$(cat /etc/udev/rules.d/61-spared-managed.rules 2> /dev/null | grep -c SPARED_SET)" = 0
ok "its file system is whole" e2fsck -fn "$(lab_dev 8)"

all="r10six "
say "a new set with its first array, then the others in the room that is left"
ok "six disks and a spare" sparectl array create r10six --level raid10 --size 6MiB $(devs 1 2 3 4 5 6) --spare "$(lab_dev 7)"
set=$(spared_array r10six set)
like "the set is locked against mdadm" "$(cat /etc/udev/rules.d/61-spared-managed.rules)" "$set"
while read -r name level layout size disks; do
	[ "${1:-}" = all ] || [[ " r0 r1 r5la r6nc " = *" $name "* ]] || continue
	all+="$name "
	# shellcheck disable=SC2086
	ok "$name" sparectl array create "$name" --level "$level" --size "$size" --in "$set" $(devs $disks) \
		$([ "$layout" = - ] || echo "--layout $layout")
done <<- END
	r0      raid0  -          6MiB 1 2 3
	r1      raid1  -          2MiB 1 2
	r1three raid1  -          2MiB 3 1 2
	r4      raid4  -          4MiB 3 1 2
	r5la    raid5  n-restart  4MiB 1 2 3
	r5ra    raid5  0-restart  6MiB 4 1 2 3
	r5ls    raid5  n-continue 6MiB 2 3 4 5
	r6zr    raid6  0-restart  4MiB 1 2 3 4
	r6nr    raid6  n-restart  6MiB 5 1 2 3 4
	r6nc    raid6  n-continue 8MiB 6 3 1 5 2 4
	r10     raid10 -          4MiB 1 2 3 4
	r1e     raid1e -          6MiB 1 2 3
	r10five raid10 -          5MiB 2 1 3 4 5
END
declare -A sum
n=0
for v in $all; do
	n=$((n + 1))
	lab_fill "/dev/mapper/$v" $n > /dev/null
	sum[$v]=$(lab_sum "/dev/mapper/$v")
done
init() { mdadm -E "$(lab_dev "${1:-1}")" | grep -c 'init state.*: Fully Initialised'; }
lab_wait_for '[ "$(mdadm -E $(lab_dev 1) $(lab_dev 6) | grep -c "Not Initialised")" = 0 ]' 60
is "the redundancy of all of them is made, and recorded" "$(init 1)" "$(wc -w <<< "$all")"
for v in r1 r5la r6nc r10six $([ "${1:-}" != all ] || echo r4 r1e r10five); do
	dmsetup message $v 0 check
	lab_wait_for "dmsetup status $v | awk '{ exit \$8 != \"idle\" }'" 60
	is "$v: members agree" "$(dmsetup status $v | awk '{ print $9 }')" 0
done
for v in $all; do sparectl array stop "$v" > /dev/null || lab_fail "stop of $v"; done

say "another name, and the end of one, as mdadm sees them"
names() { mdadm -E "$(lab_dev 1)" | sed -n 's/.*Name\[[0-9]*\] : //p' | sort | paste -sd' '; }
plan_of() { sparectl "$@" --json 2> /dev/null | jq -r '."plan-id"'; }
renamed=$(plan_of array rename r1 mirror)
ok "that r1 is renamed is taken back" sparectl undo "$renamed"
ok "r1 is renamed" sparectl array rename r1 mirror
sum[mirror]=${sum[r1]}
nok "r5la is not deleted without a word" sparectl array delete r5la < /dev/null
gone=$(plan_of array delete r5la --yes)
left=${all/r1 /mirror }
is "r5la is deleted: mdadm lists what is left" "$(names)" "$(tr ' ' '\n' <<< "${left/r5la /}" | grep . | sort | paste -sd' ')"
lost=$(plan_of array delete r6nc --yes)
like "what would bring r6nc back" "$(sparectl undo "$lost" --dry-run)" "would do: restore r6nc as before $lost"
ok "r6nc is back" sparectl undo "$lost"
is "by mdadm, too" "$(names | grep -o r6nc)" r6nc
like "r5la is not any more: the set was written since" "$(sparectl undo "$gone" 2>&1 || true)" "$gone cannot be undone any more"
ok "its room is taken again" sparectl array create again --level raid5 --layout n-restart --size 4MiB --in "$set" $(devs 1 2 3)
lab_fill /dev/mapper/again 77 > /dev/null
sum[again]=$(lab_sum /dev/mapper/again)
ok "again stops" sparectl array stop again
all=${left/r5la /again }

say "mdadm reads them, all members there and missing"
ok "release" sparectl release "$set"
# same WHICH ARRAY...: by mdadm the data are those that were written.
same() {
	local which=$1 v
	shift
	# What another machine made gets a number behind its name.
	for v in "$@"; do is "$v, $which" "$(lab_sum "$(ls -d "/dev/md/$v" "/dev/md/${v}_0" 2> /dev/null)")" "${sum[$v]}"; done
}
# No mdmon, so nothing is written: it rebuilds a degraded array in the room that is left on other members.
export MDADM_NO_MDMON=1
assemble() {
	{ mdadm --assemble /dev/md/ddf "$@" 2>&1 || true; } | lab_quiet
	lab_wait_for '[ -b /dev/md/ddf ]' 60
	mdadm --incremental --run /dev/md/ddf 2>&1 | lab_quiet || true
	lab_udev_settle
}
assemble $(devs 1 2 3 4 5 6 7)
same "whole" $all
lab_md_stop
assemble $(devs 1 3 4 5 6 7)
same "without a disk" ${all/r0 /}
lab_md_stop
assemble $(devs 1 4 5 6 7)
same "without two" $(tr ' ' '\n' <<< "$all" | grep -E "^(r1three|r6|r10)")
nok "nobody rebuilt meanwhile" pgrep mdmon
lab_md_stop
unset MDADM_NO_MDMON

say "what a disk holds is given up by a word, and a set goes with its last array"
made=$(plan_of array create wiped --level raid1 --assume-clean --wipe "$(lab_dev 8)" "$(lab_dev 9)")
nok "an ext4 is wiped" e2fsck -fn "$(lab_dev 8)"
like "what would be given back" "$(sparectl undo "$made" --dry-run)" "of what it held before $made"
ok "and given back" sparectl undo "$made"
ok "it is whole" e2fsck -fn "$(lab_dev 8)"
nok "no DDF is left" mdadm -E "$(lab_dev 8)"
udevadm settle -t 20
ok "it is wiped" sparectl array create wiped --level raid1 --wipe "$(lab_dev 8)" "$(lab_dev 9)"
# Behind its first MiB: the disks look blank afterwards, and are taken again below.
dd if=/dev/urandom of=/dev/mapper/wiped bs=1M count=4 seek=4 conv=fsync 2> /dev/null
sum[wiped]=$(lab_sum /dev/mapper/wiped)
gone=$(plan_of array delete wiped --stop --container --yes)
nok "array and set are deleted" mdadm -E "$(lab_dev 8)"
# Once it has been read what the disks hold now.
ok "and taken back" lab_wait_for 'sparectl undo "$gone"' 20
ok "it starts" sparectl array start wiped
is "its data are what they were" "$(lab_sum /dev/mapper/wiped)" "${sum[wiped]}"
ok "array and set are deleted again" sparectl array delete wiped --stop --container --yes
nok "nothing of it is left for mdadm" mdadm -E "$(lab_dev 8)"
ok "nor is a lock" test "$(grep -c SPARED_SET== /etc/udev/rules.d/61-spared-managed.rules 2> /dev/null || true)" != 1

say "act is killed amid a creation"
ask() {
	python3 - "$1" <<- 'END'
		import socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.connect("/run/spared/control.sock")
		s.sendall(sys.argv[1].encode() + b"\n")
		print(s.makefile().readline().strip())
	END
}
blank() { for d in $(devs 8 9 10); do ! sparectl meta show "$d" > /dev/null 2>&1 || return 1; done; }
runs() { [ "$(spared_array "$1" state)" = optimal ]; }
n=0
for point in "create set" "commit announce" "commit format" "start device"; do
	[ "${1:-}" = all ] || [ "$point" = "commit format" ] || continue
	n=$((n + 1))
	guid=73706172656420203030303030303${n}305834d77a0102030$n
	sparectl manage $guid > /dev/null
	echo "create-array 1 $point" > "$hold/$guid"
	ask "$(jq -nc --arg g $guid --arg n "k$n" --args '{v: 1, id: 1, verb: "array-create", name: $n, level: "raid5", size: 4194304,
		wait: true, "new-set": $g, devices: $ARGS.positional}' $(devs 8 9 10))" > /run/lab/files/asked &
	lab_wait_for "[ -e $hold/$guid.held ]" 30 || ls $hold
	kill -KILL "$(cat "$hold/$guid.held")"
	wait $!
	like "at '$point': the person is told" "$(cat /run/lab/files/asked)" '"ok": ?false'
	ok "at '$point': blank again, or whole" lab_wait_for "blank || runs k$n" 30
	say "$(blank && echo blank || echo whole)"
	if blank; then
		ok "no claim is left" test "$(dmsetup ls | grep -c spared-claim)" = 0
		sparectl release $guid > /dev/null
	else
		ok "deleted" sparectl array delete k$n --stop --container --yes
	fi
	ok "blank" lab_wait_for blank 20
done
ok "the same disks are made an array of" sparectl array create after --level raid5 --size 4MiB $(devs 8 9 10)
ok "which is deleted" sparectl array delete after --stop --container --yes

say "in a set that mdadm made"
lab_wait_for blank 20
lab_md_container made $(devs 8 9 10)
lab_md_stop
ok "manage" sparectl manage "$(lab_dev 8)"
lab_wait_for '[ "$(sparectl status --json | jq ".status.sets | map(select(.managed)) | length")" -ge 1 ]' 20
ok "a mirror" sparectl array create inside --level raid1 --size 4MiB --in "$(spared_set_of "$(lab_dev 8)")" $(devs 8 9)
lab_fill /dev/mapper/inside 5 > /dev/null
sum[inside]=$(lab_sum /dev/mapper/inside)
ok "stops" sparectl array stop inside
ok "release" sparectl release "$(lab_dev 8)"
{ mdadm --assemble /dev/md/made $(devs 8 9 10) 2>&1 || true; } | lab_quiet
lab_wait_for '[ -b /dev/md/made ]' 60
mdadm --incremental --run /dev/md/made 2>&1 | lab_quiet || true
lab_udev_settle
same "by mdadm" inside
lab_md_taken_over
inside=$(ls -d /dev/md/inside /dev/md/inside_0 2> /dev/null || true)
lab_fill "$inside" 6
lab_md_stop
ok "spared has the set again" sparectl manage "$(lab_dev 8)"
ok "it starts" lab_wait_for 'sparectl array start inside' 20
ok "it has what mdadm wrote" lab_check_fill /dev/mapper/inside 6
lab_done
