#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=400 disks=nbd:14:40M persist=50 manual
# The power goes while two sets are written, one that mdadm has made and runs and one that spared has; then each has the other's: it
# finds the arrays dirty, makes their parity right, has every acknowledged block, and writes. Then the first has its own again, with
# every block, also without as many members as the level allows. Of what was not flushed each disk has kept half.
#   handover-cut.sh [SEED [LEVEL..]]    of the writers; 5 6 if none is said
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

seed=${1:-1} levels=("${@:2}")
[ $# -gt 1 ] || levels=(5 6)
declare -A members=([1]=2 [5]=3 [6]=4 [10]=4) disks=()
next=1 m=() s=()
for maker in m s; do
	for l in "${levels[@]}"; do
		disks[$maker$l]=$(seq -f h%g -s' ' "$next" "$((next + members[$l] - 1))")
		next=$((next + members[$l]))
	done
done
for l in "${levels[@]}"; do m+=("m$l") s+=("s$l"); done
all() { local v; for v in "$@"; do devs "${disks[$v]}"; done; }
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
	for l in "${levels[@]}"; do lab_wait_for "node $1$l /dev/md" 30; done
}
mdadm_check() {
	local node
	node=$(node "$1" /dev/md)
	lab_md_sync "${node##*/}"
	echo check > "/sys/block/$(md "$1")/md/sync_action"
	lab_md_sync "${node##*/}"
	is "mdadm, $1: nothing differs" "$(cat "/sys/block/$(md "$1")/md/mismatch_cnt")" 0
}
spared_take() { for l in "${levels[@]}"; do ok "spared takes $1$l" lab_wait_for "sparectl array start $1$l --degraded" 40; done; }
spared_check() {
	spared_optimal "$1"
	lab_wait_for "dmsetup status $1 | grep -q ' idle '" 60
	sparectl array check "$1" > /dev/null
	lab_wait_for "[ \"\$(spared_array $1 scrubbed)\" != 0 ]" 60
	is "spared, $1: nothing differs" "$(spared_array "$1" mismatches)" 0
}
spared_leave() {
	for l in "${levels[@]}"; do sparectl array stop "$1$l" > /dev/null; done
	spared_stop
	dmsetup remove_all
}
says() { lab_md_state "$1" "$(devs "${disks[$1]%% *}")"; }

if [ "$LAB_BOOT" = 1 ]; then
	boot=1
	lab_md_container setm $(all "${m[@]}")
	for l in "${levels[@]}"; do
		mdadm --create "/dev/md/m$l" --level="$l" -n "${members[$l]}" --size=4M $([ "$l" = 1 ] || echo --chunk=16) \
			$([ "$l" != 6 ] || echo --layout=ddf-N-continue) --run $(devs "${disks[m$l]}") > /dev/null 2>&1
	done
	lab_udev_settle
	for v in "${m[@]}"; do lab_md_sync "$v"; done
	manage nothing-yet
	for l in "${levels[@]}"; do
		sparectl array create "s$l" --level "raid$l" --size "$([ "$l" = 1 ] && echo 4 || echo 8)MiB" \
			$([ "s$l" = "${s[0]}" ] || echo --in "${s[0]}") $(devs "${disks[s$l]}") > /dev/null
	done
	for v in "${s[@]}"; do
		spared_optimal "$v"
		lab_wait_for "! mdadm -E $(lab_dev "${disks[$v]%% *}") | grep -q 'Not Initialised'" 60
	done
	spared_array "${s[0]}" set > "$LAB_OUT/set"
	for v in "${m[@]}"; do writes "$v" /dev/md; done
	for v in "${s[@]}"; do writes "$v" /dev/mapper; done
	written "${m[@]}" "${s[@]}"
	lab_cut
fi

boot=1
for v in "${m[@]}" "${s[@]}"; do is "mdadm -E of $v" "$(says "$v")" "Optimal, Not Consistent"; done
manage "$(spared_set_of "$(lab_dev "${disks[${m[0]}]%% *}")")"
spared_take m
mdadm_take s $(all "${s[@]}")
for v in "${m[@]}"; do every "$v" /dev/mapper spared; done
for v in "${s[@]}"; do every "$v" /dev/md mdadm; done
for v in "${m[@]}"; do spared_check "$v"; done
for v in "${s[@]}"; do mdadm_check "$v"; done
boot=2
for v in "${m[@]}"; do writes "$v" /dev/mapper; done
for v in "${s[@]}"; do writes "$v" /dev/md; done
written "${m[@]}" "${s[@]}"
for v in "${m[@]}" "${s[@]}"; do lab_writer_clean "$v"; done

say "each has its own again"
spared_leave m
lab_md_stop
manage "$(cat "$LAB_OUT/set")"
spared_take s
mdadm_take m $(all "${m[@]}")
for v in "${s[@]}"; do every "$v" /dev/mapper spared; done
for v in "${m[@]}"; do every "$v" /dev/md mdadm; done
less=("${levels[@]}")
[[ " ${levels[*]} " != *" 6 "* ]] || less+=(6)
for l in "${less[@]}"; do
	say "a member less"
	mdadm "$(node "m$l" /dev/md)" --fail "/dev/$(ls "/sys/block/$(md "m$l")/slaves" | sed -n 1p)" 2>&1 | lab_quiet
	every "m$l" /dev/md mdadm
	sparectl array fail "s$l" "$(spared_array "s$l" 'members | map(select(.state == "in-sync"))[0].name')" > /dev/null
	every "s$l" /dev/mapper spared
done
spared_leave s
lab_md_stop
lab_done
