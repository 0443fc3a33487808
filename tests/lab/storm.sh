#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=600
# Storms: 100,000 events of udev (one of its messages, told again) and 100,000 failed reads. The broker's memory stays bounded, its socket answers, an array that
# has nothing to do with it and loses a member is recorded in time, and what is known at the end is what a fresh start finds.
# Then the same with kill -9 in the middle.
#   storm.sh [UEVENTS]     of the kernel's own events (1000; udevd needs some 10 ms for each)
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

uevents=${1:-1000} many=100000
socket=/run/spared/control.sock

# --- the disks: an array, and 32 others that make the noise --------------------------------------------------

lab_disks 5 48
modprobe null_blk nr_devices=0
mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
for i in $(seq 0 31); do
	dir=/sys/kernel/config/nullb/nullb$i
	mkdir "$dir"
	echo 16 > "$dir/size"
	# Pieces of 512 sectors: of a larger one the kernel makes a list that it cannot search.
	for ((at = 0; i < 8 && at < 32768; at += 512)); do echo "+$at-$((at + 511))" > "$dir/badblocks"; done
	echo 1 > "$dir/power"
done
lab_udev_settle
noisy=$(echo /sys/block/nullb*)
bad=$(for i in $(seq 0 7); do echo /dev/nullb$i; done)
nok "a bad disk cannot be read" dd if=/dev/nullb0 of=/dev/null bs=4k count=1 iflag=direct
lab_md_container ddf $(lab_devs 1-5)
lab_md_volume ddf r5 5 3 --chunk=64 --size=16M
lab_md_sync r5
lab_md_stop
spared_log_level=warning spared_configure "$(spared_set_of "$(lab_dev 1)")"
spared_quick
spared_start
spared_optimal r5
lab_writer_start w /dev/mapper/r5 --pace 5000

# --- measuring -------------------------------------------------------------------------------------------------

kib() { awk -v key="$1:" '$1 == key { print $2 }' "/proc/$spared_pid/status"; }
peak_reset() { echo 5 > "/proc/$spared_pid/clear_refs"; }
# What does not hang on what was before: of the disks that are here, all that was read from them; arrays and sets.
picture() {
	sparectl status --json | jq -S '.status
		| {arrays: [.arrays[] | {name, set, level, state, managed, size, redundancy, rebuilding, "dm": .dm,
			members: [.members[] | {slot, name, state, present}], spares: [.spares[] | select(.state != "lost") | {name, kind, state, fits}]}] | sort_by(.name),
		   sets: [.sets[] | {id, managed, split, seq, stuck}] | sort_by(.id),
		   devices: [.devices[] | select(.present) | {id, name, node, size, role, contents, set, standing, media}] | sort_by(.id),
		   plans: .plans}'
}
quiet() { # until nothing is planned, probed or told any more
	lab_udev_settle 120
	lab_wait_for '[ "$(sparectl status --json | jq "[.status.plans[]?] | length")" = 0 ]' 60
	spared_optimal r5
}
as_fresh() {
	quiet
	picture > "$LAB_OUT/running.json"
	spared_stop
	rm -rf /var/lib/spared
	spared_start
	quiet
	picture > "$LAB_OUT/fresh.json"
	ok "$1: what was known is what a fresh start finds" diff -u "$LAB_OUT/running.json" "$LAB_OUT/fresh.json"
}
# storm COMMAND...: in the background, with a client beside it that asks for the status.
storm() {
	storm_tool ask $socket > /run/lab/files/asked & asking=$!
	"$@" > /run/lab/files/stormed & storming=$!
}
storm_over() {
	wait $storming
	kill -TERM $asking
	wait $asking || true
	say "$(cat /run/lab/files/stormed | paste -sd' ') $(cat /run/lab/files/asked)"
}
# choose SLOT: the member of the array that will go, and who sees it. fail_one: it goes; how long until it is written.
choose() {
	local slot
	pulled=$(spared_disk r5 "$1")
	others=()
	for slot in 0 1 2; do [ "$slot" = "$1" ] || others+=("/dev/$(spared_disk_at r5 $slot)"); done
}
fail_one() { bench_pull "/sys/class/scsi_device/$(lab_scsi "$pulled")/device/delete" 60 "${others[@]}" > /run/lab/files/pulled; }

# --- the storms ------------------------------------------------------------------------------------------------

udev_storm() { storm_tool replay $many /sys/block/nullb31; storm_tool uevents "$uevents" $noisy; }
error_storm() { storm_tool errors $many $bad; }
both() { udev_storm & error_storm; wait $!; }

lab_pause 1
before=$(kib VmRSS)
round=0
for kind in udev_storm error_storm; do
	say "$kind"
	choose $((round++))
	peak_reset
	storm $kind
	lab_pause 0.3
	fail_one
	storm_over
	within "$kind: a failure was on all disks, ms" "$(jq .all_ms /run/lab/files/pulled)" 10000
	within "$kind: status was answered, ms at most" "$(jq .worst_ms /run/lab/files/asked)" 5000
	is "$kind: always" "$(jq .refused /run/lab/files/asked)" 0
	quiet
	within "$kind: the broker's memory at most, KiB more than before" $(($(kib VmHWM) - before)) 16384
	within "$kind: and when it is over" $(($(kib VmRSS) - before)) 8192
	lab_plug "$pulled"
	lab_wait_for "sparectl status --json | jq -e '.status.devices[] | select(.node == \"$(lab_dev "$pulled")\")'" 60
	ok "$kind: the disk is a spare" sparectl spare add "$(lab_dev "$pulled")"
	sparectl sources --json | jq -c ".. | objects | select(.received) | {name, received, lost, rescans}" | lab_quiet
done
as_fresh "after the storms"

say "kill -9 in both"
choose $round
storm both
lab_pause 1
spared_kill
fail_one & pulling=$!
spared_start
wait $pulling
storm_over
within "after kill -9 a failure was on all disks, ms, the start included" "$(jq .all_ms /run/lab/files/pulled)" 60000
as_fresh "after kill -9 in the storm"
lab_writer_clean w
lab_done
