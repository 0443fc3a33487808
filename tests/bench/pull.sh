#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=1800 manual
# How fast spared reacts, beside mdadm with mdmon and LVM with dmeventd on the same disks in the same boot: a member of an array is
# pulled under a 4 KiB O_DIRECT|O_DSYNC writer. An uninvolved program watches the other members until the failure is on all of
# them, the kernel's trace tells when the spare's first data are written, the writer how long it waited for a write at most.
#   pull.sh [ROUNDS [PEER[/LEVEL]...]]   mdmon, lvm (RAID5), spared; raid1, raid5 (default), raid6, raid10
# spared/LEVEL/replace: the member is not pulled but replaced, which none of the others can.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"
. "$LAB_REPO/tests/lab/lib/lvm.sh"

rounds=${1:-5}
contests=("${@:2}")
[ $# -gt 1 ] || contests=(mdmon lvm spared)
declare -A members_of=([raid1]=2 [raid5]=3 [raid6]=4 [raid10]=4)
size_mb=16 # of each member's data
trace=/sys/kernel/tracing/instances/bench
results=$LAB_OUT/results.jsonl
: > "$results"

# --- one round -----------------------------------------------------------------------------------------
# Of each peer: prepare_PEER makes its set and starts the writer; survivors_PEER DISK.. prints where bench_pull looks; optimal_PEER
# waits until the spare has taken over; data_PEER prints the range of sectors in which the spare then has data; own_PEER BEGIN what
# it tells of itself; give_PEER takes the pulled disk for a spare.

dev_number() { echo $((0x$(stat -c %t "$1") << 20 | 0x$(stat -c %T "$1"))); }

# trace_spare DISK: from now on the writes to it are traced, on the clock that bench_pull uses.
trace_spare() {
	mkdir -p "$trace"
	echo boot > "$trace/trace_clock"
	echo "dev == $(dev_number "$1")" > "$trace/events/block/block_rq_issue/filter"
	echo 1 > "$trace/events/block/block_rq_issue/enable"
	echo > "$trace/trace"
}

# first_write BEGIN FROM TO: boot time of the first traced write after that to these sectors, ns
first_write() {
	awk -v begin="$1" -v from="$2" -v to="$3" '{ for (i = 1; i <= NF; i++) if ($i == "block_rq_issue:") {
		t = $(i - 1); sub(":", "", t); split(t, p, "."); at = p[1] p[2] "000"
		if ($(i + 2) ~ /W/ && at + 0 >= begin + 0 && $(i + 5) + 0 >= from + 0 && $(i + 5) + 0 < to + 0) { print at; exit } } }' "$trace/trace"
}

ms() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f", (b - a) / 1e6 }'; }

# pull DISK: prints one line of JSON.
pull() {
	local n others=()
	for n in "${members[@]}"; do [ "$n" = "$1" ] || others+=("$(lab_dev "$n")"); done
	bench_pull "/sys/class/scsi_device/$(lab_scsi "$1")/device/delete" 30 $("survivors_$peer" "${others[@]}")
}
# replace DISK: likewise; it is copied while it works.
replace() {
	python3 -c 'import json, time; print(json.dumps({"pulled": time.clock_gettime_ns(time.CLOCK_BOOTTIME)}))'
	sparectl array replace r5 "$(lab_dev "$1")" 2>&1 | lab_quiet >&2
}

# One turn of the contest. members: the disks of the array, by number; spare: the idle one.
round() {
	local i=$1 at victim seen begin data
	at=$((i % ${#members[@]}))
	victim=${members[at]}
	trace_spare "$(lab_dev "$spare")"
	lab_writer_reset w
	[ "$peer" != spared ] || lab_stream_mark mon
	seen=$("$how" "$victim")
	begin=$(jq .pulled <<< "$seen")
	"optimal_$peer"
	data=$("data_$peer")
	[ "$i" -gt 0 ] || head -n 40 "$trace/trace" > "$LAB_OUT/trace-${contest//\//-}"
	jq -c --arg contest "$contest" --argjson rebuild "$(ms "$begin" "$(first_write "$begin" $data)")" \
		--argjson stall "$(lab_writer_stats w | lab_json stall_ms)" --argjson own "$("own_$peer" "$begin")" \
		'{contest: $contest, on_disk: .all_ms, rebuild: $rebuild, stall: $stall} + $own' <<< "$seen" | tee -a "$results" | lab_quiet
	[ "$how" = replace ] || lab_plug "$victim"
	"give_$peer" "$(lab_dev "$victim")"
}

# --- mdadm and mdmon --------------------------------------------------------------------------------------

mdmon_set() {
	local n=${members_of[$level]} chunk=(--chunk=64)
	[ "$level" != raid1 ] || chunk=()
	lab_md_container ddf $(lab_devs 1-$((n + 1)))
	# By name: of a container's disks mdadm takes any.
	mdadm --create /dev/md/r5 --level="$level" -n "$n" "${chunk[@]}" --size=${size_mb}M $(lab_devs "1-$n") --run 2>&1 | lab_quiet
	lab_udev_settle
	lab_md_taken_over
	lab_md_sync r5
}
prepare_mdmon() {
	mdmon_set
	lab_writer_start w /dev/md/r5
}
survivors_mdmon() { echo "$@"; }
optimal_mdmon() {
	local md
	md=$(basename "$(readlink -f /dev/md/r5)")
	lab_wait_for "grep -qx 0 /sys/block/$md/md/degraded && grep -qx idle /sys/block/$md/md/sync_action" 120
}
data_mdmon() { echo 0 $((size_mb * 2048)); }
own_mdmon() { echo '{}'; }
# mdadm 4.2 ends with a segmentation fault when a disk is added to a DDF container: the set is made anew.
give_mdmon() {
	lab_writer_clean w
	lab_md_stop
	prepare_mdmon
}
end_mdmon() {
	lab_writer_clean w
	lab_md_stop
}

# --- LVM and dmeventd -------------------------------------------------------------------------------------

prepare_lvm() {
	lvm_set $size_mb
	lab_writer_start w /dev/mapper/bench-r5
}
# The failed bits in dm-raid's own superblocks: by them the next start knows.
survivors_lvm() {
	local dev start
	for dev in "$@"; do
		read -r start _ <<< "$(lvm_part rmeta "$dev")"
		echo "$dev@$start"
	done
}
optimal_lvm() {
	lab_wait_for '[ -n "$(lvm_part rimage "$(lab_dev "$spare")")" ] && dmsetup status bench-r5 | grep -q " AAA .* idle "' 120
	# The plugin is at work for a while yet, and holds the lock of the volume group.
	lab_wait_for 'vgs -qq bench' 60
}
data_lvm() { lvm_part rimage "$(lab_dev "$spare")" | awk '{ print $1, $1 + $2 }'; }
own_lvm() { echo '{}'; }
# A disk that was away is none of the group's to its tools until it is made anew: so is the set.
give_lvm() {
	end_lvm
	prepare_lvm
}
end_lvm() {
	lab_writer_clean w
	lvm_clear
}

# --- spared -----------------------------------------------------------------------------------------------

prepare_spared() {
	mdmon_set
	lab_md_stop
	lab_stream_pid=()
	spared_log_level=warning spared_configure "$(spared_set_of "$(lab_dev 1)")"
	# The others wait for no disk to come back; to compare, neither does spared here.
	printf 'version: 1\noverride:\n  member-gone: {for: 0s}\n' > /etc/spared/rules.d/90-bench.yaml
	echo 'budget: {plans-per-hour: 1000}' >> /etc/spared/spared.yaml
	spared_start
	lab_wait_for '[ -e /dev/mapper/r5 ]' 60
	spared_optimal r5
	lab_writer_start w /dev/mapper/r5
}
survivors_spared() { echo "$@"; }
optimal_spared() {
	if [ "$how" = replace ]; then
		lab_stream_wait mon '"kind": ?"array.resync-finished".*"resync.kind": ?"replace"' 120 > /dev/null
	else
		spared_event array.optimal "" 120 > /dev/null
	fi
}
data_spared() { data_mdmon; }
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
end_spared() {
	lab_writer_clean w
	sparectl array stop r5 | lab_quiet
	spared_stop
	# Its claims outlive it, and it knows an array of this name.
	rm -rf /var/lib/spared/*
	dmsetup ls | awk '/^spared-claim-/ { print $1 }' | xargs -r -n1 dmsetup remove
	lab_udev_settle
}

# --- all ----------------------------------------------------------------------------------------------------

modprobe dm-raid
lab_disks 5 64
say "kernel $(uname -r), $rounds rounds each; $(mdadm --version 2>&1 | sed -n 1p); LVM $(lvm version | awk '/LVM version/ { print $3 }')"
for contest in "${contests[@]}"; do
	IFS=/ read -r peer level how <<< "$contest"
	level=${level:-raid5} how=${how:-pull}
	mapfile -t members < <(seq "${members_of[$level]}")
	spare=$((${#members[@]} + 1))
	"prepare_$peer"
	for ((i = 0; i < rounds; i++)); do round "$i"; done
	"end_$peer"
done

# --- the result ---------------------------------------------------------------------------------------------

echo
jq -rs '
	def median: sort | .[(length - 1) / 2 | floor];
	def of(contest; k): map(select(.contest == contest) | .[k] | select(. != null));
	def col: if length > 0 then "\(median) (\(min) to \(max))" else "-" end;
	def ratio(a; b): if (a | length) > 0 and (b | length) > 0 then (a | median) / (b | median) * 100 | round / 100 | tostring else "-" end;
	. as $all | ["on_disk", "rebuild", "stall"] as $keys | (map(.contest) | unique) as $has
	| (["ms: median (range)", "failure on all disks", "spare written to", "longest stall"],
	   (reduce .[] as $r ([]; if index($r.contest) then . else . + [$r.contest] end) | .[]
	    | . as $c | [({"mdmon": "mdadm + mdmon", "lvm": "LVM + dmeventd"}[$c] // $c)] + ($keys | map(. as $k | $all | of($c; $k) | col))),
	   (("mdmon", "lvm") as $peer | $has[] | select(startswith("spared")) | . as $own | sub("spared"; $peer) as $other
	    | select($has | index($other))
	    | ["\($own) to \($other)"] + ($keys | map(. as $k | ratio($all | of($own; $k); $all | of($other; $k))))))
	| @tsv' "$results" | column -t -s "$(printf '\t')"
[[ " ${contests[*]} " == *" spared "* ]] || lab_done
echo
echo "spared's own steps, ms, median:"
jq -rs '
	def median: sort | .[(length - 1) / 2 | floor];
	map(select(.contest == "spared")) as $s
	| (["heard after the pull", ($s | map(.heard) | median)],
	   (("record", "spare") as $plan | ("open", "commit", "enter", "load", "suspended", "total") as $k
	    | ($s | map(.[$plan][$k]) | map(select(. != null))) as $v | select($v | length > 0)
	    | ["\($plan): \($k)", ($v | median)]))
	| @tsv' "$results" | column -t -s "$(printf '\t')"
lab_done
