#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=1200 manual
# A start where disks are slow to answer: sixteen with a RAID6, each command takes 8 ms as on a disk that turns. By spared from its
# exec until the array runs, and by mdadm --assemble --scan on the same set.
#   far.sh [ROUNDS [MS]]
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

rounds=${1:-5} delay=${2:-8}
results=/run/lab/files/results
: > "$results"
note() { echo "$2" >> "/run/lab/files/note-$1"; }
row() { printf '%s\t%s\n' "$1" "$(lab_median < "/run/lab/files/note-$2")" >> "$results"; }
since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.0f\n", (b - a) * 1000 }'; }
# Of the daemon's plans, in ms: how long the disks took to read, and to write.
phase() {
	sparectl history --json | jq --arg line "$1" --arg phase "$2" \
		'[.. | objects | select(.took? and (.lines[0] // "" | startswith($line))) | .took[$phase] / 1000 | round] | max'
}

lab_disks 16 48
lab_md_container ddf $(lab_devs 1-16)
mdadm --create /dev/md/six --level=6 --size=8M -n 16 --chunk=64 $(lab_devs 1-16) --run > /dev/null 2>&1
lab_udev_settle
lab_md_sync six
lab_md_stop
set=$(spared_set_of "$(lab_dev 1)")
echo $((delay * 1000000)) > /sys/bus/pseudo/drivers/scsi_debug/ndelay

for ((i = 0; i <= rounds; i++)); do # the first is not counted: programs are read
	begin=$EPOCHREALTIME
	mdadm --assemble --scan > /dev/null 2>&1
	lab_wait_for '[ -e /dev/md/six ]' 60
	[ $i = 0 ] || note mdadm "$(since "$begin")"
	lab_md_taken_over
	lab_md_stop
	lab_udev_settle
done
spared_configure "$set"
echo 'budget: {plans-per-hour: 1000}' >> /etc/spared/spared.yaml
for ((i = 0; i <= rounds; i++)); do
	begin=$EPOCHREALTIME
	rm -rf /var/lib/spared
	spared >> "$LAB_OUT/spared.log" 2>&1 &
	spared_pid=$!
	lab_wait_for '[ "$(spared_array six state)" = optimal ]' 120
	if [ $i != 0 ]; then
		note spared "$(since "$begin")"
		note open "$(phase claim open)"
		note claim "$(phase claim total)"
		note start "$(phase assemble total)"
	fi
	kill -USR1 $spared_pid # the machine ends: it is stopped, clean
	kill -TERM $spared_pid
	lab_wait_for "! kill -0 $spared_pid" 60
	dmsetup remove_all
	lab_udev_settle
done
row "mdadm --assemble --scan" mdadm
row "spared: from its exec until the array runs" spared
row "  act opens and reads the sixteen" open
row "  and has looked for other formats" claim
row "  the plan that starts the array" start
say "commands take $delay ms, $rounds rounds; ms"
{ printf 'what\tmedian (range)\n'; cat "$results"; } | column -t -s "$(printf '\t')"
lab_done
