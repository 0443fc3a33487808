#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=3600 manual
# snapshot-kills.sh [POINTS [WHO]]: each point of the plans that make and end snapshots, or only those that the glob matches ('last*');
# WHO: "act", "both" or "broker".
# kill -9 at each point between the steps: the act process, the broker with it, or the broker alone while act goes on. Four sets at a
# time, each at a point of its own, each under a verifying writer whose journal tells what a snapshot may hold: all that was
# written up to one moment, and nothing of later. Every time the daemon has to put it right by itself: the array takes writes, nothing
# is suspended, the snapshot is whole or gone, no device is left over, the status knows what there is and follows how it fills, and
# all snapshots end and can be made again. Then the daemon is stopped, and killed, while there are snapshots; a member fails while it is
# away, and it is killed while another one is being replaced. The daemon is tests/lab/spared_held.c.
# shellcheck source=lib/lab.sh
. "$LAB_REPO/tests/lab/lib/lab.sh"
# shellcheck source=lib/spared.sh
. "$LAB_REPO/tests/lab/lib/spared.sh"
PATH=$LAB_BUILD/bin/held:$PATH

SETS=4 DISKS=6 base=0 hold=/run/lab/hold run=/run/lab/files
declare -A guid
modprobe -a dm-raid dm-snapshot

# --- the arrays: three members, a spare, and two disks for what snapshots keep ----------------------------------

disk() { lab_dev $((DISKS * ($1 - 1) + $2)); }
make_sets() {
	local i
	lab_disks $((DISKS * SETS)) 40
	for ((i = 1; i <= SETS; i++)); do
		# shellcheck disable=SC2046
		mdadm --create "/dev/md/c$i" --metadata=ddf -n 4 $(for k in 1 2 3 4; do disk $i $k; done) --run
		# shellcheck disable=SC2046
		mdadm --create "/dev/md/a$i" --level=5 -n 3 --chunk=64 --size=4M $(for k in 1 2 3; do disk $i $k; done) --run
	done > "$LAB_OUT/mdadm" 2>&1
	lab_udev_settle
	lab_md_taken_over
	for ((i = 1; i <= SETS; i++)); do lab_md_sync "a$i"; done
	lab_md_stop
	for ((i = 1; i <= SETS; i++)); do guid[$i]=$(spared_set_of "$(disk $i 1)"); done
}

# --- what is, by the kernel and by the status --------------------------------------------------------------------

kernel_has() { dmsetup ls 2> /dev/null | grep -oP "^a$1-snap-\K\S+" | sort | paste -sd' ' || true; }
writes() { lab_writer_stats "a$1" | lab_json writes; }
table() { dmsetup table "a$1" | cut -d' ' -f3; }

# wrong: what is not as it should be, a line each: something is planned; a device is suspended, or a table waits in it; the status
# knows other snapshots than the kernel has; an array has not the devices that are due: BASE of them, and with a snapshot the layer
# and two for each.
wrong() {
	{
		sparectl status --json | jq -r '.status.arrays[] | "A \(.name) \(.set) plan=\(.plan) "
			+ ([.snapshots // [] | .[] | select(.state == "active").name] | sort | join(","))'
		dmsetup info -c --noheadings --separator ' ' -o name,uuid,suspended,tables_loaded | sort
	} | awk -v base="$base" -v sets=$SETS '
		$1 == "A" { n++; set[$2] = $3; has[$2] = $5; if ($4 != "plan=") print $2, $4; next }
		$3 != "Active" || $4 != "Live" { print }
		{
			for (a in set)
				if ($1 == a || index($1, a "-") == 1 || index($2, set[a])) {
					devices[a]++
					if (index($1, a "-snap-") == 1) {
						is[a] = is[a] (is[a] ? "," : "") substr($1, length(a) + 7)
						more[a] = more[a] ? more[a] + 2 : 3
					}
				}
		}
		END {
			if (n != sets) print n + 0, "arrays"
			for (a in set) {
				if (is[a] != has[a]) print a, "has", is[a], "by the kernel, by the status", has[a]
				if (base && devices[a] != base + more[a]) print a, devices[a], "devices"
			}
		}'
}

# make SET NAME, drop SET NAME; log: $run/SET.NAME
make() {
	sparectl array snapshot "a$1" "$2" --on "$(disk $1 $((4 + ${2#s})))" --wipe > "$run/a$1.$2" 2>&1
}
drop() { sparectl array snapshot "a$1" "$2" --remove > "$run/a$1.$2" 2>&1; }

# noted SET NAME COMMAND..: between which of the writer's writes it was.
noted() {
	local i=$1 name=$2
	writes "$i" > "$run/least.$i.$name"
	"${@:3}" || true
	writes "$i" > "$run/most.$i.$name"
}
# moment SET NAME: it holds what was there at one moment, and that one was when it was made.
moment() {
	local said n
	said=$(lab_writer moment --journal "$run/a$1.journal" "/dev/mapper/a$1-snap-$2" 2>&1) || true
	n=$(lab_json writes <<< "$said")
	like "a$1, $2: of one moment" "$said" '"errors":0,.*"wrong":0,'
	is "a$1, $2: and of that when it was made ($n)" \
		"$([ "$n" -ge "$(cat "$run/least.$1.$2")" ] && [ "$n" -le $(($(cat "$run/most.$1.$2") + 1)) ] && echo yes)" yes
}

# --- a round -----------------------------------------------------------------------------------------------------

# before PHASE SET: what there is before. during PHASE SET: the plan that is killed.
before() {
	case $1 in second | one | last) noted "$2" s1 make "$2" s1 ;; esac
	case $1 in one) noted "$2" s2 make "$2" s2 ;; esac
}
during() {
	case $1 in
	first) noted "$2" s1 make "$2" s1 ;;
	second) noted "$2" s2 make "$2" s2 ;;
	one) drop "$2" s2 ;;
	last) drop "$2" s1 ;;
	esac
}
makes() { case $1 in first) echo s1 ;; second) echo s2 ;; esac; }
# may_have PHASE: before and after.
may_have() {
	case $1 in
	first | last) echo "^(s1)?$" ;;
	*) echo "^s1( s2)?$" ;;
	esac
}
verb() { case $1 in first | second) echo snapshot ;; *) echo drop-snapshot ;; esac; }

# in_parallel FUNCTION: for each set of this round, with its phase.
in_parallel() {
	local i pids=()
	for ((i = 1; i <= SETS; i++)); do
		"$1" "${phase[i]}" $i &
		pids+=($!)
	done
	[ "${2:-}" = behind ] || wait "${pids[@]}" || true
	behind=("${pids[@]}")
}
end_all() { # PHASE SET
	local name
	for name in $(kernel_has "$2"); do drop "$2" "$name" || true; done
}
# round WHO CASE...: a case "PHASE NUMBER POINT" for each set.
round() {
	local who=$1 i now made name phase=() behind=() was=() since
	shift
	rm -f $hold/*.held
	for ((i = 1; i <= SETS; i++)); do phase[i]=${*:i:1} phase[i]=${phase[i]%% *}; done
	in_parallel before
	for ((i = 1; i <= SETS; i++)); do
		echo "$(verb "${phase[i]}") $(cut -d' ' -f2- <<< "${*:i:1}")" > "$hold/${guid[$i]}"
	done
	in_parallel during behind
	lab_wait_for "[ \$(ls $hold/*.held 2> /dev/null | wc -l) = $SETS ]" 120 || ls $hold
	since=$(lab_ms)
	spared_kill_held "$who"
	wait "${behind[@]}" || true
	lab_wait_for '[ -z "$(wrong)" ]' 120 || true
	is "$who killed: nothing is suspended or left over, and the status knows what there is" "$(wrong)" ""
	say "after $(($(lab_ms) - since)) ms"
	for ((i = 1; i <= SETS; i++)); do
		now=$(kernel_has $i) was[i]=$(writes $i) made=$(makes "${phase[i]}")
		# Act goes on alone after the command has lost whom it asked.
		[ "$who" != broker ] || [ -z "$made" ] || echo "${was[i]}" > "$run/most.$i.$made"
		like "$who killed before ${*:i:1}: what there is: '$now'" "$now" "$(may_have "${phase[i]}")"
		is "a$i: its table" "$(table $i)" "$([ "$now" ] && echo snapshot-origin || echo raid)"
		for name in $now; do moment $i "$name"; done
	done
	for ((i = 1; i <= SETS; i++)); do
		ok "a$i: it is written to" lab_wait_for "[ \$(writes $i) -gt ${was[i]} ]" 60
	done
	in_parallel end_all
	is "all of them end" "$(dmsetup ls | grep -cE 'snap|real|cow')" 0
}

# --- the story ---------------------------------------------------------------------------------------------------

mkdir -p $hold
make_sets
spared_configure '*'
spared_quick
echo "budget: {plans-per-hour: 1000}" >> /etc/spared/spared.yaml
spared_start
for ((i = 1; i <= SETS; i++)); do
	spared_optimal a$i
	lab_wait_for "[ -b /dev/mapper/a$i ]"
	lab_writer_start a$i /dev/mapper/a$i --pace 20000 --journal $run/a$i.journal
done
base=$(dmsetup info -c --noheadings -o name,uuid | grep -cE "^a1[:-]|${guid[1]}")
is "all is in order, of $base devices each" "$(wrong)" ""

say "a rehearsal: what act passes through between the steps"
every=()
rehearse() { # PHASE
	before "$1" 1
	: > $hold/trace
	during "$1" 1
	mapfile -t -O ${#every[@]} every < <(awk -v set="${guid[1]}" -v steps="$(verb "$1")" -v phase="$1" '
		$1 == set && $2 == steps && $3 != "open" && $3 != "commit" {
			point = $0
			sub(/^[^ ]+ [^ ]+ /, "", point)
			print phase, ++seen[point], point
		}' $hold/trace)
}
: > $hold/trace
for p in first second one last; do
	rehearse $p
	end_all $p 1
done
rm $hold/trace
printf '#   %s\n' "${every[@]}"
for want in "first 1 snapshot suspend" "first 4 dm resume" "second 3 dm resume" "one 1 dm remove" "last 2 dm suspend" "last 2 dm resume"; do
	ok "a point: $want" grep -qx "$want" <(printf '%s\n' "${every[@]}")
done
some=()
# shellcheck disable=SC2254
for p in "${every[@]}"; do case $p in ${1:-*}) some+=("$p") ;; esac; done

for who in ${2:-act both broker}; do
	set -- "${some[@]}"
	while [ $# -gt 0 ]; do
		[ $# -ge $SETS ] || set -- "$@" "${some[@]:0:SETS-$#}"
		round "$who" "${@:1:SETS}"
		shift $SETS
	done
done
# --- what there is when the daemon is not --------------------------------------------------------------------------

# still HOW: all snapshots are of the moment when they were made, and known.
still() {
	local i
	lab_wait_for '[ -z "$(wrong)" ]' 120 || true
	is "$1: nothing is suspended, and the status knows what there is" "$(wrong)" ""
	for ((i = 1; i <= SETS; i++)); do moment $i s1; done
}
used() { spared_array "a$1" 'snapshots[0].used'; }

say "the daemon stops, is killed, and starts again, with a snapshot each"
phase=() behind=()
for ((i = 1; i <= SETS; i++)); do phase[i]=second; done
in_parallel before
spared_stop
spared_start
still "stopped and started"
spared_kill
lab_pause 1
spared_start
filled=$(used 1)
still "killed and started"
ok "how full one is is followed" lab_wait_for "[ \$(used 1) -gt $filled ]" 60

say "a member fails while no daemon is there, and one is replaced while it is killed"
base=0 # a disk that failed leaves its devices behind
spared_kill
gone=$(lab_number "$(disk 1 1)")
lab_pull "$gone"
lab_wait_for 'dmsetup status a1-real | grep -q D' 60
spared_start
lab_wait_for '[ "$(spared_array a1 state)" = optimal ]' 240
is "a spare has the place" "$(spared_states a1)" "in-sync in-sync in-sync"
like "below the origin" "$(dmsetup status a1-real)" " AAA "
# The kernel copies for a hundredth of the time only: else it is over before anybody looks.
modprobe dm-mirror
throttle=/sys/module/dm_mirror/parameters/raid1_resync_throttle
echo 1 > $throttle
sparectl array replace a2 "$(spared_disk_at a2 0)" > "$run/replace" 2>&1 &
lab_wait_for 'dmsetup table | grep -q "^a2-leg.* mirror "' 60 || cat "$run/replace"
spared_kill
echo 100 > $throttle
spared_start
lab_wait_for '! dmsetup table | grep -q "^a2-leg.* mirror " && [ "$(spared_array a2 state)" = optimal ]' 120
is "the member that is being replaced is whole, or its copy" "$(spared_states a2)" "in-sync in-sync in-sync"
still "after both"
in_parallel end_all
is "all of them end" "$(dmsetup ls | grep -cE 'snap|real|cow')" 0
for ((i = 1; i <= SETS; i++)); do lab_writer_clean "a$i"; done
spared_stop
lab_done
