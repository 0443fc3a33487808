#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=240 disks=nbd:16:40M persist=50
# The power goes at a random moment of an operation, under writers on a RAID1, 5, 6 and 10 (an even seed: RAID1 of three,
# RAID4, 6 and RAID10 over three); of what was not flushed each disk keeps half, in no order, and so does the one with the
# history. The next boot's daemon must start every array by itself, every acknowledged block must read back, redundancy must
# be true after the resync, and mdadm must read the same of every disk. `powercut.sh ROUNDS [SEED]`: so many cuts (1), of
# operations and at moments that the seed decides (1).
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

modprobe -a dm-snapshot loop

rounds=${1:-1} seed=${2:-1}
# name, level, disks
if [ $((seed % 2)) = 1 ]; then
	layout="one 1 h1-h2;five 5 h3-h5;six 6 h6-h9;ten 10 h10-h13"
else
	layout="three 1 h1-h3;four 4 h4-h6;six 6 h7-h10;odd 10 h11-h13"
fi
mapfile -t volumes < <(tr ';' '\n' <<< "$layout" | cut -d' ' -f1)
round=$LAB_BOOT # the cut that ends this boot
RANDOM=$((seed * 1000 + round))

volume() { # volume NAME LEVEL DISKS
	local disks
	mapfile -t disks < <(lab_devs "$3" | tr ' ' '\n')
	[ "$2" = 1 ] || set -- "$@" --chunk=16
	mdadm --create "/dev/md/$1" --level="$2" --size=6M -n "${#disks[@]}" "${@:4}" "${disks[@]}" --run > /dev/null 2>&1
}
# A slot of the array that is in sync, at random.
some_slot() { spared_array "$1" 'members[] | select(.state == "in-sync") | .slot' | shuf -n1 --random-source=<(yes $RANDOM); }
# Disks of the set that have nothing to do: what an earlier round failed.
idle_failed() {
	local used
	used=$(sparectl status --json | jq -r '[.status.arrays[] | (.members[]?, .spares[]?) | .name] | unique | .[]')
	for n in $(seq 1 15); do lab_dev "h$n"; done | grep -vwFf <(sed 's,^,/dev/,' <<< "$used") || true
}

# --- before the cut: what was there is right -----------------------------------------------------------------------

if [ "$LAB_BOOT" = 1 ]; then
	lab_md_container ddf $(lab_devs h1-h15)
	while read -r v; do volume $v; done < <(tr ';' '\n' <<< "$layout")
	lab_udev_settle
	for v in "${volumes[@]}"; do lab_md_sync $v; done
	lab_md_stop
	spared_set_of "$(lab_dev h1)" > "$LAB_OUT/set"
else
	say "cut $((LAB_BOOT - 1)) was: $(cat "$LAB_OUT/cut")"
fi

mkdir -p /var/lib/spared
[ "$LAB_BOOT" -gt 1 ] || mkfs.ext4 -q "$(lab_dev h16)"
mount "$(lab_dev h16)" /var/lib/spared
spared_configure "$(cat "$LAB_OUT/set")"
spared_quick 2s 2s
spared_start
# What a person would look at, when it went wrong.
tell() {
	[ "$lab_failed" -gt "${told:-0}" ] || return 0
	told=$lab_failed
	sparectl status -v | lab_quiet
	sparectl history --since 1h > "$LAB_OUT/history.$LAB_BOOT"
	sparectl rules why start-complete "$1" 2>&1 | lab_quiet
	dmsetup table | lab_quiet
	dmsetup status | grep raid | lab_quiet
	for n in $(seq 1 15); do sparectl meta show "$(lab_dev "h$n")"; done > "$LAB_OUT/meta.$LAB_BOOT" 2>&1 || true
}
for v in "${volumes[@]}"; do
	ok "$v is started by itself" lab_wait_for "[ -b /dev/mapper/$v ] && ! [[ \$(spared_array $v state) =~ inactive|failed ]]" 60
	tell "$v"
done
if [ "$LAB_BOOT" -gt 1 ]; then
	for v in "${volumes[@]}"; do
		ok "$v: every acknowledged block" lab_writer verify --journal "$LAB_OUT/$v.journal" /dev/mapper/$v
	done
	for extra in extra other; do
		state=$(spared_array $extra state)
		ok "an array that was being made, renamed or deleted is whole or away ($state)" test "$state" = "" -o "$state" = optimal -o "$state" = inactive
		[ -z "$state" ] || ok "and is deleted" sparectl array delete $extra --stop --yes
	done
	say "what was failed serves again"
	for dev in $(idle_failed); do
		sparectl spare add "$dev" || say "$dev: no"
	done
	for v in "${volumes[@]}"; do
		spared_optimal $v
		lab_wait_for "dmsetup status $v | grep -q ' idle '" 60
		dmsetup message $v 0 check
		lab_wait_for "dmsetup status $v | grep -q ' idle '" 60
		is "$v: its copies and its parity are right" "$(dmsetup status $v | awk '{ print $9 }')" 0
		ok "$v: every acknowledged block, again" lab_writer verify --journal "$LAB_OUT/$v.journal" /dev/mapper/$v
	done
	# By a disk that is up to date: one that missed the end of a plan, and whose place a spare has, keeps what it knew.
	spared_agrees "/dev/$(spared_says | awk '$2 == "in-sync" && !n++ { print $1 }')"
fi
[ "$LAB_BOOT" -le "$rounds" ] || { spared_stop; umount /var/lib/spared; lab_done; }

# --- an operation, and the cut ---------------------------------------------------------------------------------------

member() { lab_dev "h$(spared_disk "$1" "$2")"; }
spares() { sparectl status --json | jq -r '[.status.arrays[].spares[]?.name] | unique | .[] | "/dev/" + .'; }
# What happens to the array $1; the slot $2 is in sync.
op_fail() { sparectl array fail "$1" "$(member "$1" "$2")"; }
op_return() {
	local dev
	dev=$(member "$1" "$2")
	for s in $(spares); do sparectl spare remove "$s"; done
	sparectl array fail "$1" "$dev"
	sparectl array re-add "$1" "$dev"
}
op_pull() { lab_pull "h$(spared_disk "$1" "$2")"; }
op_flap() {
	local n
	n=$(spared_disk "$1" "$2")
	lab_pull "h$n"
	lab_wait_for "[ \"\$(spared_member $1 $2)\" != in-sync ]"
	lab_plug "h$n"
}
op_restart() {
	lab_writer_stop "$1"
	sparectl array stop "$1"
	sparectl array start "$1"
	lab_writer_start "$1" "/dev/mapper/$1" --seed "$RANDOM" --journal "$LAB_OUT/$1.journal.new"
	mv "$LAB_OUT/$1.journal.new" "$LAB_OUT/$1.journal"
}
op_spares() {
	local dev
	dev=$(spares | sed -n 1p)
	while sparectl spare remove "$dev" && sparectl spare add "$dev"; do :; done
}
op_daemon() {
	spared_kill
	spared_start
}
op_replace() {
	sparectl array replace "$1" "$(member "$1" "$2")"
}
op_check() { while sparectl array check "$1"; do lab_wait_for "dmsetup status $1 | grep -q ' idle '"; done; }
# An array of the spares, which the cut leaves whole or not at all.
op_create() {
	local two
	mapfile -t two < <(spares)
	while sparectl array create extra "${two[@]:0:2}" --level raid1 --size 4MiB --in "${volumes[0]}" && sparectl array delete extra --stop --yes; do :; done
}
# It gets another name, goes, and comes back.
op_rename() {
	local two gone
	mapfile -t two < <(spares)
	sparectl array create extra "${two[@]:0:2}" --level raid1 --size 4MiB --in "${volumes[0]}" --assume-clean
	while sparectl array stop extra && sparectl array rename extra other && gone=$(sparectl array delete other --yes --json | jq -r '."plan-id"') &&
		sparectl undo "$gone" && sparectl array rename other extra && sparectl array start extra; do :; done
}
op_grow() {
	local size
	while size=$(spared_array "$1" size) && sparectl array grow "$1" --size $((size + (1 << 20)))B; do
		lab_wait_for "dmsetup status $1 | grep -q ' idle '"
	done
}
op_snapshot() {
	truncate -s 8M /run/lab/files/cow
	losetup /dev/loop0 /run/lab/files/cow
	while sparectl array snapshot "$1" night --on /dev/loop0 --wipe && sparectl array snapshot "$1" night --remove; do :; done
}
# A spare takes the slot, and gives it back.
op_copy_back() {
	local dev
	dev=$(member "$1" "$2")
	sparectl array fail "$1" "$dev"
	lab_wait_for "[ \"\$(spared_member $1 $2)\" = in-sync ]" 60
	sparectl array copy-back "$1" "$dev" --always
}
op_repair() { while sparectl array repair "$1"; do lab_wait_for "dmsetup status $1 | grep -q ' idle '"; done; }
op_nothing() { :; }
operations=(fail return pull flap restart spares daemon nothing replace replace check create rename grow snapshot copy_back repair)

v=${volumes[RANDOM % ${#volumes[@]}]}
operation=${operations[RANDOM % ${#operations[@]}]}
slot=$(some_slot "$v")
moment=$((RANDOM % 3000))
echo "$operation of $v, slot $slot, after $moment ms" > "$LAB_OUT/cut"
for w in "${volumes[@]}"; do lab_writer_start "$w" "/dev/mapper/$w" --pace 4000 --seed "$RANDOM" --journal "$LAB_OUT/$w.journal"; done
(
	lab_pause "$((moment / 1000)).$(printf %03d $((moment % 1000)))"
	lab_cut
) &
"op_$operation" "$v" "$slot" || true
read -r -u "$lab_never"
