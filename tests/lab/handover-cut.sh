#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=400 disks=nbd:14:40M persist=50 manual
# The power goes while two sets are written, one that mdadm has made and runs and one that spared has; then each has the other's: it
# finds the arrays dirty, makes their parity right, has every acknowledged block, and writes. Then the first has its own again, with
# every block, also without as many members as the level allows. Of what was not flushed each disk has kept half.
#   handover-cut.sh [SEED]    of the writers
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

seed=${1:-1}
declare -A disks=([m5]="h1 h2 h3" [m6]="h4 h5 h6 h7" [s5]="h8 h9 h10" [s6]="h11 h12 h13 h14")
devs() { local n; for n in $1; do lab_dev "$n"; done; }
# What another machine made gets a number behind its name from mdadm; what spared made, too.
node() {
	local n
	for n in "$2/$1" "$2/${1}_0"; do
		[ ! -b "$n" ] || { echo "$n"; return 0; }
	done
	return 1
}
writes() { lab_writer_start "$1" "$(node "$1" "$2")" --pace 2000 --seed "$((seed + ${1#?}))" --journal "$LAB_OUT/$1.journal$boot"; }
written() { for v in "$@"; do lab_wait_for "[ \$(lab_writer_stats $v | lab_json writes) -ge 150 ]" 60; done; }
every() { ok "$3, $1: every acknowledged block" lab_writer verify --journal "$LAB_OUT/$1.journal$boot" "$(node "$1" "$2")"; }
md() { basename "$(readlink -f "$(node "$1" /dev/md)")"; }
# Nothing happens by itself.
manage() {
	spared_configure "$1"
	sed -i 's,^rules: .*,rules: {dirs: [/etc/spared/rules.d]},' /etc/spared/spared.yaml
	spared_start
}
mdadm_take() { # SET DISK..
	lab_md_assemble "set$1" "${@:2}"
	for v in "${1}5" "${1}6"; do lab_wait_for "node $v /dev/md" 30; done
}
mdadm_check() {
	local node
	node=$(node "$1" /dev/md)
	lab_md_sync "${node##*/}"
	echo check > "/sys/block/$(md "$1")/md/sync_action"
	lab_md_sync "${node##*/}"
	is "mdadm, $1: nothing differs" "$(cat "/sys/block/$(md "$1")/md/mismatch_cnt")" 0
}
spared_take() { for v in "${1}5" "${1}6"; do ok "spared takes $v" lab_wait_for "sparectl array start $v --degraded" 40; done; }
spared_check() {
	spared_optimal "$1"
	lab_wait_for "dmsetup status $1 | grep -q ' idle '" 60
	sparectl array check "$1" > /dev/null
	lab_wait_for "[ \"\$(spared_array $1 scrubbed)\" != 0 ]" 60
	is "spared, $1: nothing differs" "$(spared_array "$1" mismatches)" 0
}
spared_leave() {
	for v in "${1}5" "${1}6"; do sparectl array stop "$v" > /dev/null; done
	spared_stop
	dmsetup remove_all
}
says() { mdadm -E "$(devs "${disks[$1]%% *}")" | awk -v v="$1" '/^ *state\[/ { sub(/.*: /, ""); s = $0 } /^ *Name\[/ && $NF == v { print s }'; }

if [ "$LAB_BOOT" = 1 ]; then
	boot=1
	lab_md_container setm $(devs "${disks[m5]} ${disks[m6]}")
	mdadm --create /dev/md/m5 --level=5 -n 3 --size=4M --chunk=16 --run $(devs "${disks[m5]}") > /dev/null 2>&1
	mdadm --create /dev/md/m6 --level=6 -n 4 --layout=ddf-N-continue --size=4M --chunk=16 --run $(devs "${disks[m6]}") > /dev/null 2>&1
	lab_udev_settle
	for v in m5 m6; do lab_md_sync $v; done
	manage nothing-yet
	sparectl array create s5 --level raid5 --size 8MiB $(devs "${disks[s5]}") > /dev/null
	sparectl array create s6 --level raid6 --size 8MiB --in s5 $(devs "${disks[s6]}") > /dev/null
	for v in s5 s6; do spared_optimal $v; done
	lab_wait_for '[ "$(mdadm -E "$(lab_dev h8)" "$(lab_dev h11)" | grep -c "Not Initialised")" = 0 ]' 60
	spared_array s5 set > "$LAB_OUT/set"
	for v in m5 m6; do writes $v /dev/md; done
	for v in s5 s6; do writes $v /dev/mapper; done
	written m5 m6 s5 s6
	lab_cut
fi

boot=1
for v in m5 m6 s5 s6; do is "mdadm -E of $v" "$(says $v)" "Optimal, Not Consistent"; done
manage "$(spared_set_of "$(lab_dev h1)")"
spared_take m
mdadm_take s $(devs "${disks[s5]} ${disks[s6]}")
for v in m5 m6; do every $v /dev/mapper spared; done
for v in s5 s6; do every $v /dev/md mdadm; done
for v in m5 m6; do spared_check $v; done
for v in s5 s6; do mdadm_check $v; done
boot=2
for v in m5 m6; do writes $v /dev/mapper; done
for v in s5 s6; do writes $v /dev/md; done
written m5 m6 s5 s6
for v in m5 m6 s5 s6; do lab_writer_clean $v; done

say "each has its own again"
spared_leave m
lab_md_stop
manage "$(cat "$LAB_OUT/set")"
spared_take s
mdadm_take m $(devs "${disks[m5]} ${disks[m6]}")
for v in s5 s6; do every $v /dev/mapper spared; done
for v in m5 m6; do every $v /dev/md mdadm; done
for v in 5 6 6; do
	say "a member less"
	mdadm "$(node "m$v" /dev/md)" --fail "/dev/$(ls "/sys/block/$(md m$v)/slaves" | head -n1)" 2>&1 | lab_quiet
	every m$v /dev/md mdadm
	sparectl array fail s$v "$(spared_array s$v 'members | map(select(.state == "in-sync"))[0].name')" > /dev/null
	every s$v /dev/mapper spared
done
spared_leave s
lab_md_stop
lab_done
