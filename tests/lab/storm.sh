#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=1800 alone
# Storms over many disks: events of udev, failed reads, the kernel's own uevents where no udevd runs, as fast as they can be made. The
# broker's memory stays bounded, its socket answers, a subscriber that does not read is cut off and nobody else waits for it, an
# array that has nothing to do with it and loses a member is recorded in time, and what is known at the end is what a fresh
# start finds. Then the same with kill -9 in the middle.
#   storm.sh [EVENTS [UEVENTS [DISKS]]]    10000 of each; 500 of the kernel's through udevd, which needs some ms for each; 48 disks.
#                                          By hand: storm.sh 100000 100000 300
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

many=${1:-10000} uevents=${2:-500} disks=${3:-48}
socket=/run/spared/control.sock

# --- the disks: an array, and others that make the noise; the first eight can not be read -----------------------

lab_disks 5 48
modprobe null_blk nr_devices=0
modprobe loop max_loop=8
mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
# udevd passes on more of them if it looks no further at them.
sed '1i KERNEL=="nullb*|loop*", GOTO="persistent_storage_end"' /usr/lib/udev/rules.d/60-persistent-storage.rules \
	> /etc/udev/rules.d/60-persistent-storage.rules
lab_udev_reload
for ((i = 0; i < disks; i++)); do
	dir=/sys/kernel/config/nullb/nullb$i
	mkdir "$dir"
	echo 16 > "$dir/size"
	echo 1 > "$dir/submit_queues"
	# Pieces of 512 sectors: of a larger one the kernel makes a list that it cannot search.
	for ((at = 0; i < 8 && at < 32768; at += 512)); do echo "+$at-$((at + 511))" > "$dir/badblocks"; done
	echo 1 > "$dir/power"
done
for i in 0 1 2 3; do dmsetup create noise$i --table "0 2048 zero"; done
lab_udev_settle 120
noisy=$(echo /sys/block/nullb* /sys/block/loop* /sys/block/dm-[0-3])
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
	# Nothing waits in a socket of uevents.
	lab_wait_for "awk '\$2 == 15 { n += \$5 } END { exit n > 0 }' /proc/net/netlink" 240
	lab_wait_for "[ \"\$(sparectl status --json | jq '.broker.workers.probes | .running + .queued')\" = 0 ]" 120
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
# storm COMMAND...: in the background, with clients beside it: one asks for the status, one reads all that is told, one is told all
# and does not read.
storm() {
	storm_tool ask $socket > /run/lab/files/asked & clients=($!)
	storm_tool listen $socket > /run/lab/files/heard & clients+=($!)
	storm_tool deaf $socket > /run/lab/files/deaf & clients+=($!)
	"$@" > /run/lab/files/stormed & storming=$!
}
storm_over() {
	wait $storming
	kill -TERM "${clients[@]}" 2> /dev/null || true # those whose broker was killed have ended
	wait "${clients[@]}" || true
	say "$(paste -sd' ' /run/lab/files/stormed) $(cat /run/lab/files/asked)"
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

udev_storm() { storm_tool replay $many $noisy; storm_tool uevents "$uevents" $noisy; }
error_storm() { storm_tool fill $socket 1000 & storm_tool errors $many $bad; wait $!; }
kernel_storm() { storm_tool uevents $many $noisy; }
both() { udev_storm & storm_tool errors $many $bad; wait $!; }
# weather STORM: a storm in which a member goes.
weather() {
	say "$1"
	choose $((round++ % 3))
	peak_reset
	storm "$1"
	lab_pause 0.3
	fail_one
	storm_over
	within "$1: a failure was on all disks, ms" "$(jq .all_ms /run/lab/files/pulled)" 10000
	within "$1: status was answered, ms at most" "$(jq .worst_ms /run/lab/files/asked)" 5000
	is "$1: always" "$(jq .refused /run/lab/files/asked)" 0
	is "$1: who reads is not cut off" "$(jq .cut_off /run/lab/files/heard)" false
	quiet
	# For each of three subscribers up to 4 MiB may wait.
	within "$1: the broker's memory at most, KiB more than before" $(($(kib VmHWM) - before)) 28672
	within "$1: and when it is over" $(($(kib VmRSS) - before)) 8192
	sparectl sources --json | jq -c ".. | objects | select(.received) | {name, received, merged, lost, rescans}" | lab_quiet
}

round=0
for kind in udev_storm error_storm; do
	before=$(kib VmRSS)
	weather $kind
	lab_plug "$pulled"
	lab_wait_for "sparectl status --json | jq -e '.status.devices[] | select(.node == \"$(lab_dev "$pulled")\" and .present)'" 60
	ok "$kind: the disk is a spare" sparectl spare add "$(lab_dev "$pulled")"
done
is "who does not read was cut off, with notice" "$(jq -c '[.cut_off, .ended]' /run/lab/files/deaf)" '[true,true]'
as_fresh "after the storms"

say "kill -9 in both"
choose $((round++))
storm both
lab_pause 1
spared_kill
fail_one & pulling=$!
spared_start
wait $pulling
storm_over
within "after kill -9 a failure was on all disks, ms, the start included" "$(jq .all_ms /run/lab/files/pulled)" 60000
as_fresh "after kill -9 in the storm"

say "without udevd"
spared_stop
udevd=$(pgrep -x systemd-udevd)
kill $udevd
lab_wait_for '! pgrep -x systemd-udevd'
rm -rf /run/udev/control /run/udev/data /var/lib/spared
spared_start
spared_optimal r5
before=$(kib VmRSS)
weather kernel_storm
as_fresh "after the kernel's storm"
lab_writer_clean w
lab_done
