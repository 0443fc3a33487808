#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=3000 manual
# What mdadm has made spared runs and gives back, and what spared has made mdadm runs and gives back: of each level, and left in each
# state. The other finds the state that was left, every block that a verifying writer had acknowledged, writes, fails a member or is
# given a disk; the first finds that, too, makes the array whole, and has every block with as few members as the level allows.
# docs/formats.md has what was found.
#   handover.sh [CASE..]    only these: MAKER-LEVEL-STATE, globs: handover.sh mdadm-5-dirty 'spared-*-rebuilding'; mdadm-two
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

lab_disks 7 48
modprobe dm-raid
declare -A members=([1]=2 [5]=3 [6]=4 [10]=4) may_lose=([1]=1 [5]=1 [6]=2 [10]=1)
spared_configure '*'
# Nothing happens by itself: each step is one of this script's.
sed -i 's,^rules: .*,rules: {dirs: [/etc/spared/rules.d]},' /etc/spared/spared.yaml
echo "budget: {plans-per-hour: 1000}" >> /etc/spared/spared.yaml

# Of a case: its level and the state that it is left in; the disks that are of the array or its spares; the last disk that was taken.
level='' state='' disks=() taken=0
n() { echo "${members[$level]}"; }

# --- what each of the two does ------------------------------------------------------------------------------------------
# make SPARES, take, leave, crash; fail DISK, rebuild (of a spare that is there); members, lost (how many), whole (waits for it),
# differs (blocks, when all is read).

md() { basename "$(readlink -f "$mdadm_node")"; }
mdadm_node=/dev/md/v
mdadm_make() {
	local layout=
	[ "$level" != 6 ] || layout=--layout=ddf-N-continue
	lab_md_container ddf $(lab_devs "1-$(($(n) + $1))")
	lab_md_volume ddf v "$level" "$(n)" $([ "$level" = 1 ] || echo --chunk=64) $layout --size=4M
	mdadm_node=/dev/md/v
	lab_md_sync v
}
mdadm_take() {
	lab_md_assemble ddf "${disks[@]}"
	# What another machine made gets a number behind its name, what spared made, too.
	lab_wait_for 'mdadm_node=$(ls -d /dev/md/v /dev/md/v_0 2> /dev/null); [ -b "$mdadm_node" ]' 30
}
mdadm_leave() { lab_md_stop; }
# What mdmon has not written by then it does not write.
mdadm_crash() {
	local md
	pkill -KILL -x 'mdmon|@dmon'
	lab_writer_stop w > /run/lab/files/crashed
	for md in "$(md)" "$(basename "$(readlink -f /dev/md/ddf)")"; do echo clear > "/sys/block/$md/md/array_state"; done
	lab_wait_for '! grep -q ^md /proc/mdstat'
}
mdadm_members() { for s in "/sys/block/$(md)/slaves/"*; do echo "/dev/${s##*/}"; done; }
mdadm_fail() {
	mdadm "$mdadm_node" --fail "$1" 2>&1 | lab_quiet
	lab_wait_for "! mdadm_members | grep -qx $1"
}
mdadm_rebuild() { :; } # by itself
mdadm_lost() { cat "/sys/block/$(md)/md/degraded"; }
mdadm_whole() { lab_wait_for '[ "$(mdadm_lost)" = 0 ]' 60 && lab_md_sync "${mdadm_node##*/}"; }
mdadm_differs() {
	echo check > "/sys/block/$(md)/md/sync_action"
	lab_md_sync "${mdadm_node##*/}"
	cat "/sys/block/$(md)/md/mismatch_cnt"
}

spared_node=/dev/mapper/v
spared_make() {
	local spare=()
	[ "$1" = 0 ] || spare=(--spare "$(lab_dev $(($(n) + 1)))")
	spared_start
	sparectl array create v --level "raid$level" --no-manage --size "$([ "$level" = 1 ] && echo 4 || echo 8)MiB" \
		$(lab_devs "1-$(n)") "${spare[@]}" 2>&1 | lab_quiet
	spared_optimal v
	lab_wait_for "mdadm -E $(lab_dev 1) | grep -q 'Fully Initialised'" 60
}
spared_take() {
	spared_start
	lab_wait_for 'sparectl array start v --degraded' 40
}
spared_leave() {
	sparectl array stop v > /dev/null
	spared_stop
	dmsetup remove_all
}
spared_crash() {
	spared_kill
	dmsetup remove --force v || true # the writer has it open: its table fails all I/O from now on
	lab_writer_stop w > /run/lab/files/crashed
	dmsetup remove_all
}
spared_members() { spared_array v 'members[] | select(.state == "in-sync" or .state == "rebuilding") | "/dev/" + .name'; }
spared_fail() { sparectl array fail v "$1" > /dev/null; }
# What was begun goes on by itself.
spared_rebuild() { [[ "$(spared_states v)" = *rebuilding* ]] || sparectl spare activate v > /dev/null; }
spared_lost() { spared_array v 'members | map(select(.state != "in-sync")) | length'; }
spared_whole() { spared_optimal v 60; }
spared_differs() {
	sparectl array check v > /dev/null
	lab_wait_for '[ "$(spared_array v scrubbed)" != 0 ]' 60
	spared_array v mismatches
}

# --- what is common -----------------------------------------------------------------------------------------------------

node() { local v=${1}_node; echo "${!v}"; }
# writes TOOL: on what was acknowledged before. The first time every block.
writes() {
	lab_writer_start w "$(node "$1")" --pace 1000 --from /run/lab/files/w.state
	writes_go_on
}
writes_go_on() {
	local upto
	upto=$(($(lab_writer_stats w | lab_json writes) + 40))
	lab_wait_for "[ \$(lab_writer_stats w | lab_json writes) -ge $upto ]" 30
}
# wrote TOOL: it reads all of them.
wrote() {
	local result
	writes_go_on
	result=$(lab_writer_stop w)
	like "$1, while it is written: no error, every block" "$result" '"errors":0,.*"wrong":0,'
}
reads() { ok "$1${2:-}: every block" lab_writer verify --state /run/lab/files/w.state "$(node "$1")"; }
# fails TOOL [N]: the Nth of the members that there are.
fails() {
	local gone
	gone=$("${1}_members" | sed -n "${2:-2}p")
	"${1}_fail" "$gone"
	forget "$gone"
}
# Who has failed is not handed over: mdadm would take the old copy of its metadata for as good as any.
forget() { mapfile -t disks < <(printf '%s\n' "${disks[@]}" | grep -vx "$1"); }
# A blank disk becomes a spare. It is always spared's to do, before it hands over what is not whole or after it has got it: mdadm
# 4.2 --add, to a container that was assembled without the disk that failed, ends with a segmentation fault.
add_spare() {
	disks+=("$(lab_dev $((taken += 1)))")
	ok "spared makes a blank disk a spare" sparectl spare add "${disks[-1]}"
}
# An array that lacks a member goes with a spare to mdadm.
hands_over() {
	[ "$1" = mdadm ] || [ "$("${1}_lost")" = 0 ] || [ "$state" = rebuilding ] || add_spare
	"${1}_leave"
}
# takes TOOL MISSING[|OR]: what mdadm rebuilds at once goes slowly until it was seen.
takes() {
	lab_md_speed 100
	ok "$1 takes it" "${1}_take"
	like "$1 finds as many members missing" "$("${1}_lost")" "^($2)$"
	lab_md_speed 200000
}
fills() {
	[ "$1" = mdadm ] || [ "$("${1}_lost")" = 0 ] || [ -n "$(spared_array v 'spares[]?.name')" ] || add_spare
	ok "$1 rebuilds what is missing" "${1}_rebuild"
	ok "and ends it" "${1}_whole"
}
# Of a RAID10 mdadm leaves a spare that it has rebuilt as Rebuilding, depending on the order in which it had read the pairs' records
# (docs/formats.md). forgotten TOOL: how many. mdadm -E shows entries that it has moved twice; the first of them holds.
forgotten() {
	[ "$level-$1" = 10-mdadm ] || { echo 0; return; }
	mdadm -E "${disks[0]}" | awk 'length($2) == 8 && !seen[$2]++ && /Rebuilding$/' | wc -l
}
# left_as MISSING: by mdadm, and by what sparectl reads on a disk: the array's state, and how many of its members are not in sync.
left_as() {
	local is=Optimal how=Consistent
	[ "$state" != dirty ] || how="Not Consistent"
	[ "$1" = 0 ] || is=$([ "$level" = 6 ] && echo "Partially Optimal" || echo Degraded)
	is "as mdadm -E reads it" "$(mdadm -E "${disks[0]}" | sed -n 's/^ *state\[0\] : //p')" "$is, $how"
	# A disk of a RAID10 has the record of its own pair only.
	[ "$level" = 10 ] || is "members not in sync, as sparectl reads it" "$(sparectl meta show --json "${disks[0]}" |
		jq '.view.volumes[0].members | map(select(.state != "in-sync")) | length')" "$1"
}

# --- the states: how they come about, and what the other does then --------------------------------------------------------

clean_spares=0 clean_lost=0
clean_left() { :; }
clean_then() { fails "$1"; }

degraded_spares=0 degraded_lost=1
degraded_left() { fails "$1"; }
degraded_then() { fills "$1"; }

rebuilding_spares=1 rebuilding_lost=1
rebuilding_left() {
	lab_md_speed 100
	fails "$1"
	ok "$1 rebuilds the spare" "${1}_rebuild"
}
rebuilding_then() {
	# The spare is rebuilt where mdadm had listed it; who was there before is a spare, and has to go where one is missing.
	[ "$level-$1" != 10-spared ] || [ -z "$(spared_array v 'spares[]?.name')" ] ||
		ok "a good member is listed as a spare: it serves" sparectl spare activate v
	ok "$1 ends the rebuild" "${1}_whole"
}

spare_spares=1 spare_lost=0
spare_left() {
	fails "$1"
	ok "$1 takes the spare" "${1}_rebuild"
	ok "and has rebuilt it" "${1}_whole"
}
spare_then() { fails "$1"; }

dirty_spares=0 dirty_lost=0
dirty_left() { :; }
dirty_then() {
	ok "$1 makes parity or copies the same" "${1}_whole"
	is "nothing differs" "$("${1}_differs")" 0
}

# --- the cases ------------------------------------------------------------------------------------------------------------

fresh() {
	local dev
	[ -z "$(pgrep -x spared)" ] || spared_kill
	dmsetup remove_all --force
	lab_md_stop
	rm -rf /var/lib/spared /etc/mdadm/mdadm.conf /run/lab/files/w.state
	for dev in $(lab_devs 1-7); do blkdiscard -fz "$dev" 2> /dev/null; done
	lab_udev_settle
}

case_of() {
	local maker=$1 other=spared spares=${3}_spares missing=${3}_lost left lost again
	level=$2 state=$3
	[ "$1" = mdadm ] || other=mdadm
	SECONDS=0
	say "$maker makes a RAID$level, left $state, for $other"
	fresh
	taken=$(($(n) + ${!spares}))
	mapfile -t disks < <(lab_devs "1-$taken")
	"${maker}_make" "${!spares}"
	writes "$maker"
	"${state}_left" "$maker"
	if [ "$state" = dirty ]; then
		"${maker}_crash"
	else
		wrote "$maker"
		hands_over "$maker"
	fi
	missing=${!missing} again=0
	[ "$missing" != 0 ] || missing=$(forgotten "$maker") again=$missing
	[ "$again" = 0 ] || say "mdadm has left what it rebuilt as Rebuilding"
	left_as "$missing"
	# In the middle of that a good member may stand among the spares, too.
	[ "$level-$1-$state" != 10-mdadm-rebuilding ] || missing="1|2"
	takes "$other" "$missing"
	reads "$other"
	writes "$other"
	[ "$again" = 0 ] || ok "$other rebuilds it again" "${other}_whole"
	"${state}_then" "$other"
	wrote "$other"
	lost=$("${other}_lost")
	hands_over "$other"
	again=$(forgotten "$other")
	[ "$lost$again" != 01 ] || say "mdadm has left what it rebuilt as Rebuilding"
	takes "$maker" "$((lost > again ? lost : again))"
	reads "$maker"
	writes "$maker"
	[ "$lost$again" = 00 ] || fills "$maker"
	wrote "$maker"
	is "nothing differs" "$("${maker}_differs")" 0
	for ((left = may_lose[$level]; left > 0; left--)); do
		fails "$maker" 1
		reads "$maker" ", with a member less"
	done
	"${maker}_leave"
	say "$SECONDS s"
}

# Two arrays on the same disks, left when mdadm has rebuilt the spare in one of them only: it calls each disk Online by then.
two_case() {
	local v whole=a other=b spare
	say "mdadm makes two RAID5 on the same disks, left amid the rebuild of the second, for spared"
	fresh
	lab_md_container ddf $(lab_devs 1-4)
	spare=$(lab_dev 3)
	for v in a b; do
		mdadm --create /dev/md/$v --level=5 -n 3 --chunk=64 --size=4M --run $(lab_devs 1-2) "$(lab_dev 4)" 2>&1 | lab_quiet
		lab_udev_settle
		lab_md_sync $v
		lab_fill /dev/md/$v 5
	done
	lab_md_speed 20
	mdadm /dev/md/a --fail "$(lab_dev 4)" 2>&1 | lab_quiet
	running() { [[ $(cat "/sys/block/$(basename "$(readlink -f "/dev/md/$1")")/md/sync_completed") = *[0-9]* ]]; }
	lab_wait_for 'running a || running b' 60
	running a || whole=b other=a
	echo 200000 | tee "/sys/block/$(basename "$(readlink -f /dev/md/$whole)")/md/sync_speed_"{min,max} > /dev/null
	lab_wait_for "running $other" 60
	lab_md_stop
	lab_md_speed 200000
	like "by mdadm: one is degraded" "$(mdadm -E "$(lab_dev 1)" | sed -n 's/^ *state\[[01]\] : //p' | sort | paste -sd' ')" \
		"^Degraded, .* Optimal, Consistent$"
	is "and no disk of it is rebuilt" "$(mdadm -E "$(lab_dev 1)" | grep -c Rebuilding)" 0
	spared_start
	ok "spared starts the other" lab_wait_for "sparectl array start $whole" 40
	ok "it has its data" lab_check_fill /dev/mapper/$whole 5
	nok "the degraded one is not started" sparectl array start $other --degraded
	nok "nor by force" sparectl array start $other --force --yes
	ok "a person says which disk is behind" sparectl array fail $other "$spare"
	# mdadm has left it dirty, too.
	ok "it is started, by force" sparectl array start $other --force --yes
	ok "it has its data" lab_check_fill /dev/mapper/$other 5
	for v in a b; do ok "$v takes the disk back" sparectl array re-add $v "$spare"; done
	for v in a b; do ok "$v is whole" spared_optimal $v 60; done
	for v in a b; do ok "$v has its data" lab_check_fill /dev/mapper/$v 5; done
	for v in a b; do sparectl array stop $v > /dev/null; done
	spared_stop
	dmsetup remove_all
}

cases=("$@")
[ $# -gt 0 ] || cases=('*')
for name in {spared,mdadm}-{5,6,1,10}-{clean,degraded,rebuilding,spare,dirty}; do
	for glob in "${cases[@]}"; do
		# shellcheck disable=SC2053
		[[ $name = $glob ]] || continue
		IFS=- read -r maker level state <<< "$name"
		case_of "$maker" "$level" "$state"
		break
	done
done
for glob in "${cases[@]}"; do
	# shellcheck disable=SC2053
	[[ mdadm-two = $glob ]] || continue
	two_case
	break
done
lab_done
