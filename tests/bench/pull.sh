#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=900 manual
# How fast spared reacts, beside mdadm and mdmon on the same disks in the same boot: a member of a RAID5 is pulled under a
# 4 KiB O_DIRECT|O_DSYNC writer. An uninvolved program watches the other members until the failure is on all of them, the kernel's
# trace tells when the spare's first data are written, the writer how long it waited for a write at most.
#   pull.sh [ROUNDS]
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

rounds=${1:-7}
size_mb=16 # of each member's data
trace=/sys/kernel/tracing/instances/bench
results=$LAB_OUT/results.jsonl
: > "$results"

# --- one round -----------------------------------------------------------------------------------------

dev_number() { echo $((0x$(stat -c %t "$1") << 20 | 0x$(stat -c %T "$1"))); }

# trace_spare DISK: from now on the writes to its data are traced, on the clock that bench_pull uses.
trace_spare() {
	mkdir -p "$trace"
	echo boot > "$trace/trace_clock"
	echo "dev == $(dev_number "$1") && sector < $((size_mb * 2048))" > "$trace/events/block/block_rq_issue/filter"
	echo 1 > "$trace/events/block/block_rq_issue/enable"
	echo > "$trace/trace"
}

# first_write BEGIN: boot time of the first traced write after that, ns
first_write() {
	awk -v begin="$1" '/block_rq_issue: [0-9,]+ [A-Z]*W/ { for (i = 1; i <= NF; i++) if ($i == "block_rq_issue:") { t = $(i - 1); sub(":", "", t)
		split(t, p, "."); at = p[1] p[2] "000"; if (at + 0 >= begin + 0) { print at; exit } } }' "$trace/trace"
}

ms() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f", (b - a) / 1e6 }'; }

# One pull. members: the disks of the array, by number; spare: the idle one.
members=(1 2 3) spare=4
round() {
	local peer=$1 i=$2 at victim n others=() seen begin
	at=$((i % 3))
	victim=${members[at]}
	for n in "${members[@]}"; do [ "$n" = "$victim" ] || others+=("$(lab_dev "$n")"); done
	trace_spare "$(lab_dev "$spare")"
	lab_writer_reset w
	[ "$peer" = mdmon ] || lab_stream_mark mon
	seen=$(bench_pull "/sys/class/scsi_device/$(lab_scsi "$victim")/device/delete" 30 "${others[@]}")
	begin=$(jq .pulled <<< "$seen")
	"optimal_$peer"
	[ "$i" -gt 0 ] || head -n 16 "$trace/trace" > "$LAB_OUT/trace-$peer"
	jq -c --arg peer "$peer" --argjson rebuild "$(ms "$begin" "$(first_write "$begin")")" \
		--argjson stall "$(lab_writer_stats w | lab_json stall_ms)" --argjson own "$("own_$peer" "$begin")" \
		'{peer: $peer, on_disk: .all_ms, rebuild: $rebuild, stall: $stall} + $own' <<< "$seen" | tee -a "$results" | lab_quiet
	lab_plug "$victim"
	"give_$peer" "$(lab_dev "$victim")"
}

prepare() {
	lab_md_container ddf $(lab_devs 1-4)
	# By name: of a container's disks mdadm takes any.
	mdadm --create /dev/md/r5 --level=5 -n 3 --chunk=64 --size=${size_mb}M $(lab_devs 1-3) --run 2>&1 | lab_quiet
	lab_udev_settle
	lab_md_taken_over
	lab_md_sync r5
}

# --- mdadm and mdmon --------------------------------------------------------------------------------------

optimal_mdmon() {
	local md
	md=$(basename "$(readlink -f /dev/md/r5)")
	lab_wait_for "grep -qx 0 /sys/block/$md/md/degraded && grep -qx idle /sys/block/$md/md/sync_action" 120
}
own_mdmon() { echo '{}'; }
# mdadm 4.2 ends with a segmentation fault when a disk is added to a DDF container: the set is made anew.
give_mdmon() {
	lab_writer_clean w
	lab_md_stop
	prepare
	lab_writer_start w /dev/md/r5
}

# --- spared -----------------------------------------------------------------------------------------------

optimal_spared() { spared_event array.optimal "" 120 > /dev/null; }
# own_spared BEGIN: when it first heard, and how long act took for what, from the outcomes of this round.
own_spared() {
	tail -n +"${lab_stream_from[mon]}" /run/lab/files/mon | jq -sc --argjson begin "$1" '
		def ms: . / 1e5 | round / 10;
		def us: . / 100 | round / 10;
		{heard: ([.[] | select(.type == "event") | (.event // .) | .time | select(. >= $begin)] | min - $begin | ms)}
		+ ([.[] | select(.type == "outcome" and .took) | {(if .origin == "builtin" then "record" else "spare" end): (.took | map_values(us))}]
		   | unique_by(keys) | add // {})'
}
give_spared() {
	members[at]=$spare
	spare=$victim
	sparectl spare add "$1" 2>&1 | lab_quiet
	lab_wait_for '[ "$(spared_array r5 "spares | map(select(.state == \"idle\")) | length")" = 1 ]' 30
}

# --- both ---------------------------------------------------------------------------------------------------

modprobe dm-raid
lab_disks 4 64
say "mdadm $(mdadm --version 2>&1 | head -n1), kernel $(uname -r), $rounds rounds each"
prepare
lab_writer_start w /dev/md/r5
for ((i = 0; i < rounds; i++)); do round mdmon "$i"; done
lab_writer_clean w
lab_md_stop
lab_stream_pid=()

set_id=$(spared_set_of "$(lab_dev "${members[0]}")")
spared_log_level=warning spared_configure "$set_id"
# mdmon waits for no disk to come back; to compare, neither does spared here.
printf 'version: 1\noverride:\n  member-gone: {for: 0s}\n' > /etc/spared/rules.d/90-bench.yaml
echo 'budget: {plans-per-hour: 1000}' >> /etc/spared/spared.yaml
spared_start
lab_wait_for '[ -e /dev/mapper/r5 ]' 60
spared_optimal r5
lab_writer_start w /dev/mapper/r5
for ((i = 0; i < rounds; i++)); do round spared "$i"; done
lab_writer_clean w
sparectl array stop r5 | lab_quiet
spared_stop

# --- the result ---------------------------------------------------------------------------------------------

echo
jq -rs '
	def median: sort | .[(length - 1) / 2 | floor];
	def col(k): map(.[k]) | map(select(. != null)) | if length > 0 then "\(median) (\(min) to \(max))" else "-" end;
	def line(name; list): [name, (list | col("on_disk")), (list | col("rebuild")), (list | col("stall"))];
	(map(select(.peer == "mdmon"))) as $m | (map(select(.peer == "spared"))) as $s
	| (["ms: median (range)", "failure on all disks", "spare written to", "longest stall"],
	   line("mdadm + mdmon"; $m), line("spared"; $s),
	   ["ratio of medians"] + (["on_disk", "rebuild", "stall"]
	     | map(. as $k | (($s | map(.[$k]) | median) / ($m | map(.[$k]) | median) * 100 | round / 100 | tostring))))
	| @tsv' "$results" | column -t -s "$(printf '\t')"
echo
echo "spared's own steps, ms, median:"
jq -rs '
	def median: sort | .[(length - 1) / 2 | floor];
	map(select(.peer == "spared")) as $s
	| (["heard after the pull", ($s | map(.heard) | median)],
	   (("record", "spare") as $plan | ("open", "commit", "enter", "load", "suspended", "total") as $k
	    | ($s | map(.[$plan][$k]) | map(select(. != null))) as $v | select($v | length > 0)
	    | ["\($plan): \($k)", ($v | median)]))
	| @tsv' "$results" | column -t -s "$(printf '\t')"
lab_done
