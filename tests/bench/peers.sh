#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=900 manual
# What it costs to have spared running, beside the others: memory and wake-ups of all processes when nothing happens, with 100
# disks and an array; memory with 1,000 disks; how long a start takes; and how soon a failed read is a rule's verdict.
#   peers.sh [ROUNDS]
# mdmon and mdadm --monitor watch the same array. dmeventd is measured where it is installed (Debian: lvm2), with a mirror.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

rounds=${1:-5} idle=10
table=/run/lab/files/table
: > "$table"
row() { printf '%s\t%s\t%s\n' "$@" >> "$table"; }
median() { sort -n | awk '{ v[NR] = $1 } END { if (NR) printf "%s (%s to %s)", v[int((NR + 1) / 2)], v[1], v[NR]; else print "-" }'; }

# kib PID..: private and shared parts by their share; wakeups PID..: how often they have slept and been woken.
kib() { for p in "$@"; do awk '/^Pss:/ { print $2 }' "/proc/$p/smaps_rollup"; done | awk '{ n += $1 } END { print n + 0 }'; }
rss() { for p in "$@"; do awk '/^VmRSS/ { print $2 }' "/proc/$p/status"; done | awk '{ n += $1 } END { print n + 0 }'; }
wakeups() { for p in "$@"; do cat /proc/"$p"/task/*/status; done | awk '/^voluntary/ { n += $2 } END { print n + 0 }'; }

# measure NAME PID..: when nothing happens
measure() {
	local name=$1 before
	shift
	lab_pause 3
	before=$(wakeups "$@")
	lab_pause $idle
	row "$name: wake-ups in $idle s" "$(($(wakeups "$@") - before))" "$# processes"
	row "$name: memory, KiB" "$(rss "$@")" "$(kib "$@") by their share of what is shared"
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

modprobe dm-raid
modprobe null_blk nr_devices=0
mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
lab_disks 4 64
disks 0 96
say "100 disks, $rounds rounds; kernel $(uname -r), $(mdadm --version 2>&1 | head -n1)"
lab_md_container ddf $(lab_devs 1-4)
mdadm --create /dev/md/r5 --level=5 -n 3 --chunk=64 --size=16M $(lab_devs 1-3) --run 2>&1 | lab_quiet
lab_udev_settle
lab_md_taken_over
lab_md_sync r5

mdadm --monitor --scan --mail root --delay 60 > /dev/null 2>&1 & monitor=$!
measure "mdmon and mdadm --monitor" $(pgrep mdmon) $monitor
kill $monitor
lab_md_stop

if command -v dmeventd > /dev/null; then
	dmeventd
	lab_wait_for 'pgrep -x dmeventd'
	measure "dmeventd, nothing registered" $(pgrep -x dmeventd)
	pkill -x dmeventd || true
else
	row "dmeventd" "-" "not installed"
fi

spared_log_level=warning spared_configure "$(spared_set_of "$(lab_dev 1)")"
cat > /etc/spared/rules.d/50-bench.yaml <<'END'
version: 1
rules:
  - name: any-error
    description: Each failed request is told.
    event: block.error
    do: [notify: {severity: notice, text: "an error"}]
END
sparectl rules check /etc/spared/rules.d/50-bench.yaml | lab_quiet

# start NAME: until the status is answered, and until the array runs.
start() {
	local begin i
	for ((i = 0; i < rounds; i++)); do
		[ "$i" = 0 ] || { kill -TERM $daemon; lab_wait_for "! kill -0 $daemon" 30; }
		begin=$(lab_ms)
		spared >> "$LAB_OUT/spared.log" 2>&1 & daemon=$!
		lab_wait_for 'sparectl status' 120
		echo $(($(lab_ms) - begin)) >> "/run/lab/files/start-$1"
		lab_wait_for '[ "$(spared_array r5 state)" = optimal ]' 60
	done
	row "spared with $1 disks: a start, ms until the status is answered" "$(median < "/run/lab/files/start-$1")" ""
}

# processes: the broker and its children. settled: they have done what the start left to do.
processes() { echo $daemon $(pgrep -P $daemon); }

start 100
lab_pause 30 # the readers and the act process of a set end after a while
measure "spared" $(processes)
row "spared: of that the broker, KiB" "$(rss $daemon)" ""
if [ -e /proc/modules ] && sparectl sources --json | grep -q '"blkerr".*"on"'; then source=blkerr; else source=tracefs; fi
python3 "$LAB_REPO/tests/bench/verdict.py" $((rounds * 4)) /dev/nullb0 > /run/lab/files/verdict
row "spared: a failed read is a verdict ($source), ms" "$(median < /run/lab/files/verdict)" "$((rounds * 4)) reads"

kill -TERM $daemon
lab_wait_for "! kill -0 $daemon" 30
disks 96 996
rounds=1
start 1000
lab_pause 30
measure "spared with 1000 disks" $(processes)
row "spared with 1000 disks: of that the broker, KiB" "$(rss $daemon)" "the aim is 10240"

echo
{ printf 'what\tmedian (range)\t\n'; cat "$table"; } | column -t -s "$(printf '\t')"
lab_done
