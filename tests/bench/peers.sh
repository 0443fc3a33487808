#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=1800 manual module=contrib/blkerr
# What it costs to have spared running, beside the others: memory and wake-ups of all processes when nothing happens, with 100
# disks and an array, and with 1,000 disks; how long a start takes; and how soon a failed read is a rule's verdict.
#   peers.sh [ROUNDS]
# mdmon with mdadm --monitor, and dmeventd, watch an array on the same disks.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"
. "$LAB_REPO/tests/lab/lib/lvm.sh"

rounds=${1:-5} idle=10 blkerr=/results/bin/blkerr.ko
table=/run/lab/files/table footprint=/run/lab/files/footprint
: > "$table"
printf 'KiB\tprocess\twake-ups in %s s\tRSS\tPSS\tprivate dirty\theap\tlocked\n' $idle > "$footprint"
row() { printf '%s\t%s\t%s\n' "$@" >> "$table"; }

# proc PID KEY: kB of it, of smaps_rollup or of one mapping. wakeups PID..: how often its threads slept and were woken.
rollup() { awk -v key="$2:" '$1 == key { n += $2 } END { print n + 0 }' "/proc/$1/smaps_rollup"; }
mapping() { awk -v name="$2" '/^[0-9a-f]+-/ { on = $6 == name } on && $1 == "Rss:" { n += $2 } END { print n + 0 }' "/proc/$1/smaps"; }
wakeups() { for p in "$@"; do cat /proc/"$p"/task/*/status; done | awk '/^voluntary/ { n += $2 } END { print n + 0 }'; }

# measure NAME PID..: each process when nothing happens, and all of them together.
measure() {
	local name=$1 p before=() woken all=0 pss=0
	shift
	lab_pause 3
	for p in "$@"; do before+=("$(wakeups "$p")"); done
	lab_pause $idle
	for p in "$@"; do
		woken=$(($(wakeups "$p") - before[0]))
		before=("${before[@]:1}")
		all=$((all + woken)) pss=$((pss + $(rollup "$p" Pss)))
		printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$name" "$(cat "/proc/$p/comm")" "$woken" "$(rollup "$p" Rss)" \
			"$(rollup "$p" Pss)" "$(rollup "$p" Private_Dirty)" "$(mapping "$p" '[heap]')" "$(rollup "$p" Locked)" >> "$footprint"
	done
	printf '%s\tall\t%s\t\t%s\t\t\t\n' "$name" "$all" "$pss" >> "$footprint"
}

# disks FROM TO: null_blk disks of these numbers; the first can not be read.
disks() {
	local i dir
	for ((i = $1; i < $2; i++)); do
		dir=/sys/kernel/config/nullb/nullb$i
		mkdir "$dir"
		echo 64 > "$dir/size"
		echo 1 > "$dir/submit_queues"
		if [ "$i" = 0 ]; then
			for ((at = 0; at < 131072; at += 512)); do echo "+$at-$((at + 511))" > "$dir/badblocks"; done
		fi
		echo 1 > "$dir/power"
	done
	lab_udev_settle 300
}

# since MOMENT: how long ago that was, ms.
since() { echo $(($(lab_ms) - $1)); }

# start_mdadm: what it reads and what it starts; the array is stopped again.
start_mdadm() {
	local begin i
	for ((i = 0; i < rounds; i++)); do
		begin=$(lab_ms)
		mdadm --examine --scan > /dev/null
		since "$begin" >> /run/lab/files/examined
		begin=$(lab_ms)
		mdadm --assemble --scan > /dev/null 2>&1 || true
		since "$begin" >> /run/lab/files/assembled
		lab_md_stop
	done
	row "mdadm --examine --scan, ms" "$(lab_median < /run/lab/files/examined)" ""
	row "mdadm --assemble --scan, ms" "$(lab_median < /run/lab/files/assembled)" ""
}

# start_spared DISKS: until the status is answered; the first of all starts the array, too, the others find it running.
start_spared() {
	local begin i times
	for ((i = 0; i < rounds; i++)); do
		[ "$i" = 0 ] || stop_spared
		begin=$(lab_ms)
		spared >> "$LAB_OUT/spared.log" 2>&1 & daemon=$!
		lab_wait_for 'sparectl status' 120
		since "$begin" >> "/run/lab/files/answered-$1"
		lab_wait_for '[ "$(spared_array r5 state)" = optimal ]' 120
		[ "$i" != 0 ] || row "spared, $1 disks: the first start, the array is optimal, ms" "$(since "$begin")" ""
	done
	times=$(lab_median < "/run/lab/files/answered-$1")
	row "spared, $1 disks: the status is answered, ms" "$times" \
		"$(awk -v a="$times" -v b="$(lab_median < /run/lab/files/assembled)" 'BEGIN { printf "%.1f times mdadm --assemble --scan with 100", a / b }')"
}
stop_spared() {
	kill -TERM $daemon
	lab_wait_for "! kill -0 $daemon" 60
}

# verdicts SOURCE: from a failed read to a rule's verdict.
verdicts() {
	lab_wait_for "sparectl sources --json | jq -e '.sources[] | select(.name == \"$1\" and .state == \"on\")'" 20
	python3 "$LAB_REPO/tests/bench/verdict.py" $((rounds * 4)) /dev/nullb0 > "/run/lab/files/verdict-$1"
	row "spared, 100 disks: a failed read is a verdict ($1), ms" "$(lab_median < "/run/lab/files/verdict-$1")" "$((rounds * 4)) reads"
}

# processes: the broker and its children.
processes() { echo $daemon $(pgrep -P $daemon); }

modprobe dm-raid
modprobe null_blk nr_devices=0
mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
lab_disks 4 64
disks 0 96
say "100 disks, $rounds rounds; kernel $(uname -r), $(mdadm --version 2>&1 | sed -n 1p), LVM $(lvm version | awk '/LVM version/ { print $3 }')"
lvm_set 16
measure "LVM, 100 disks" $(pgrep -x dmeventd)
lvm_clear

lab_md_container ddf $(lab_devs 1-4)
mdadm --create /dev/md/r5 --level=5 -n 3 --chunk=64 --size=16M $(lab_devs 1-3) --run 2>&1 | lab_quiet
lab_udev_settle
lab_md_taken_over
lab_md_sync r5
mdadm --monitor --scan --mail root --delay 60 > /dev/null 2>&1 & monitor=$!
measure "mdadm, 100 disks" $(pgrep mdmon) $monitor
kill $monitor
lab_md_stop
start_mdadm

spared_log_level=info spared_configure "$(spared_set_of "$(lab_dev 1)")"
cat > /etc/spared/rules.d/50-bench.yaml <<'END'
version: 1
rules:
  - name: any-error
    description: Each failed request is told.
    event: block.error
    do: [notify: {severity: notice, text: "an error"}]
END
sparectl rules check /etc/spared/rules.d/50-bench.yaml | lab_quiet
start_spared 100
lab_pause 5 # what is free is given back
measure "spared, 100 disks" $(processes)
verdicts tracefs
insmod $blkerr
verdicts blkerr
stop_spared
rmmod blkerr

disks 96 996
rounds=1
start_spared 1000
lab_pause 5
measure "spared, 1000 disks" $(processes)
stop_spared

echo
column -t -s "$(printf '\t')" "$footprint"
echo
{ printf 'what\tmedian (range)\t\n'; cat "$table"; } | column -t -s "$(printf '\t')"
lab_done
