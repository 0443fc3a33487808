#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=900 manual
# What is written to the disks of a RAID5 beside its data, for each change: by mdmon and by spared, on the same DDF sets. The
# kernel's trace tells each write; data end at a sector that is known, and what lies behind is metadata.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

data_end=$((16 * 2048)) # of each member, sectors
trace=/sys/kernel/tracing/instances/bench
results=/run/lab/files/results
: > "$results"

# --- what was written ---------------------------------------------------------------------------------------

trace_on() {
	local n filter=
	mkdir -p $trace
	echo 8192 > $trace/buffer_size_kb
	for n in 1 2 3 4 5; do filter+="${filter:+ || }dev == $((0x$(stat -c %t "$(lab_dev $n)") << 20 | 0x$(stat -c %T "$(lab_dev $n)")))"; done
	echo "$filter" > $trace/events/block/block_rq_issue/filter
	echo 1 > $trace/events/block/block_rq_issue/enable
	echo > $trace/trace
}
# written NAME: since the last time, per disk and in all; the workspace is told beside it. Data that are written by a rebuild part
# it in two: NAME, and NAME2, if that is given.
written() {
	sleep 1 # who writes once more when it is idle (mdmon)
	cp $trace/trace "$LAB_OUT/trace-$peer-${1// /-}"
	echo > $trace/trace
	awk -v peer="$peer" -v name="$1" -v name2="${2:-}" -v end=$data_end -v room="$room" -v room_end="$room_end" -v spare="${spare:-none}" '
		{ for (i = 1; i <= NF; i++) if ($i == "block_rq_issue:") {
			dev = $(i + 1); how = $(i + 2); sector = $(i + 5); n = $(i + 7)
			if (how !~ /W/ && how !~ /F/) next
			if (how ~ /W/ && sector < end) { if (dev == spare && !(dev in first)) first[dev] = line; last = line; next }
			line++; devs[line] = dev; bytes[line] = how ~ /W/ ? n * 512 : 0; flush[line] = how ~ /^F/
			work[line] = sector >= room && sector < room_end
		} }
		function tell(what, from, to,   l, d, all, area, w, f, per, nd, max) {
			for (l = from; l <= to; l++) { per[devs[l]] += bytes[l]; all += bytes[l]; if (work[l]) area += bytes[l]; w += bytes[l] > 0; f += flush[l] }
			for (d in per) { nd++; if (per[d] > max) max = per[d] }
			printf "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\n", what, peer, nd, all, max, area, w, f
		}
		END { cut = name2 != "" ? last : line; tell(name, 1, cut); if (name2 != "") tell(name2, cut + 1, line) }' "$LAB_OUT/trace-$peer-${1// /-}" >> "$results"
}
number_of() { echo "$((0x$(stat -c %t "$1"))),$((0x$(stat -c %T "$1")))"; }

# --- mdmon --------------------------------------------------------------------------------------------------

make_set() {
	local dev
	for dev in $(lab_devs 1-5); do dd if=/dev/zero of="$dev" bs=1M seek=30 oflag=direct status=none 2> /dev/null || true; done
	lab_md_container ddf $(lab_devs "1-$1")
	mdadm --create /dev/md/r5 --level=5 -n 4 --chunk=64 --size=16M $(lab_devs 1-4) --run 2>&1 | lab_quiet
	lab_udev_settle
	lab_md_taken_over
	lab_md_sync r5
	lab_md_stop
}
one_write() { dd if=/dev/urandom of="$1" bs=4k count=1 seek=100 oflag=direct,dsync status=none; }
md_rebuilt() {
	local md
	md=$(basename "$(readlink -f /dev/md/r5)")
	lab_wait_for "[ -e /sys/block/$md/slaves/$(basename "$(lab_dev 5)") ] && grep -qx 0 /sys/block/$md/md/degraded && grep -qx idle /sys/block/$md/md/sync_action" 120
}
with_mdmon() {
	peer=mdmon room=0 room_end=0
	make_set 4
	trace_on
	lab_md_assemble ddf $(lab_devs 1-4)
	one_write /dev/md/r5
	written "first start, and the first write"
	lab_pull 2
	# md hears of it by a write that fails: what udev would tell it (mdadm -I --fail) is not asked for here.
	lab_wait_for 'one_write /dev/md/r5; mdadm -E "$(lab_dev 1)" | grep -qi degraded' 30
	written "a failure is recorded"
	lab_md_stop
	written "clean stop, degraded"
	lab_plug 2
	make_set 5
	echo > $trace/trace
	lab_md_assemble ddf $(lab_devs 1-5)
	one_write /dev/md/r5
	written "later start, and the first write"
	spare=$(number_of "$(lab_dev 5)")
	lab_pull 2
	one_write /dev/md/r5
	md_rebuilt
	written "a failure is recorded, a spare activated" "the rebuild has finished"
	lab_md_stop
	written "clean stop"
	lab_plug 2
}

# --- spared -------------------------------------------------------------------------------------------------

with_spared() {
	peer=spared
	make_set 4
	read -r room room_end <<< "$(sparectl meta show --json "$(lab_dev 1)" | jq -r '.view | "\(.room_start) \(.room_start + .room_sectors)"')"
	spared_log_level=warning spared_configure "*"
	printf 'version: 1\noverride:\n  member-gone: {for: 0s}\n' > /etc/spared/rules.d/90-bench.yaml
	trace_on
	spared_start
	spared_optimal r5
	one_write /dev/mapper/r5
	written "first start, and the first write"
	lab_pull 2
	lab_wait_for '[ "$(spared_array r5 state)" = degraded ]' 30
	written "a failure is recorded"
	sparectl array stop r5 | lab_quiet
	written "clean stop, degraded"
	spared_stop
	dmsetup remove_all
	lab_plug 2
	make_set 5
	rm -rf /var/lib/spared
	spared_start
	spared_optimal r5
	sparectl array stop r5 | lab_quiet
	echo > $trace/trace
	sparectl array start r5 | lab_quiet
	spared_optimal r5
	one_write /dev/mapper/r5
	written "later start, and the first write"
	spare=$(number_of "$(lab_dev 5)")
	lab_stream_mark mon
	lab_pull 2
	spared_event array.optimal "" 120 > /dev/null
	written "a failure is recorded, a spare activated" "the rebuild has finished"
	sparectl array stop r5 | lab_quiet
	written "clean stop"
	spared_stop
}

modprobe dm-raid
lab_disks 5 64
with_mdmon
with_spared
echo
{ printf 'change\tby\tdisks\tbytes\ton one disk at most\tof it in the workspace\twrites\tflushes\n'; sort -t "$(printf '\t')" -s -k1,1 "$results"; } | column -t -s "$(printf '\t')"
lab_done
