#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=240 disks=nbd:16:40M persist=50
# The power goes at a random moment of an operation, under writers on a RAID1, 5, 6 and 10; of what was not flushed each disk
# keeps half, in no order, and so does the one with the history. The next boot's daemon must start every array by itself,
# every acknowledged block must read back, redundancy must be true after the resync, and mdadm must read the same of every
# disk. `powercut.sh ROUNDS [SEED]`: so many cuts (2), of operations and at moments that the seed decides (1).
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

rounds=${1:-2}
volumes=(one five six ten)
round=$LAB_BOOT # the cut that ends this boot
RANDOM=$((${2:-1} * 1000 + round))

volume() { mdadm --create "/dev/md/$1" --level="$2" --size=6M "${@:3}" --run > /dev/null 2>&1; }
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
	volume one 1 -n 2 $(lab_devs h1-h2)
	volume five 5 -n 3 --chunk=16 $(lab_devs h3-h5)
	volume six 6 -n 4 --chunk=16 $(lab_devs h6-h9)
	volume ten 10 -n 4 --chunk=16 $(lab_devs h10-h13)
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
	extra=$(spared_array extra state)
	ok "an array that was being made or deleted is whole or away ($extra)" test "$extra" = "" -o "$extra" = optimal -o "$extra" = inactive
	[ -z "$extra" ] || ok "and is deleted" sparectl array delete extra --stop --yes
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
	spared_agrees "/dev/$(spared_says | awk '$2 == "in-sync" { print $1; exit }')"
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
	dev=$(spares | head -n1)
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
	while sparectl array create extra "${two[@]:0:2}" --level raid1 --size 4MiB --in one && sparectl array delete extra --stop --yes; do :; done
}
op_nothing() { :; }
operations=(fail return pull flap restart spares daemon nothing replace replace check create create)

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
