#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# bench: host
# How fast the rule engine is, by itself and beside SEC and CLIPS on the same rules and the same events. No guest: nothing here
# asks the kernel for more than a file. CPU time, so that other programs on the machine disturb less; the contestants take turns.
#   rules.sh [ROUNDS]
set -euo pipefail

rounds=${1:-5}
build=${SPARED_BUILD:-build/release}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
PATH=$PWD/$build/bin:$PATH

# --- rules and events ------------------------------------------------------------------------------------

# rules SHAPE N: N threshold rules. A file has at most 1 MiB.
#   disk   each names a disk                 array  each names an array, which an event of a disk leads to
#   all    none names anything that tells it from the others: each of them is asked about each event, and is false
rules() {
	mkdir -p "$dir/$1-$2"
	awk -v shape="$1" -v n="$2" -v dir="$dir/$1-$2" 'BEGIN { for (i = 0; i < n; i++) {
		f = dir "/" int(i / 2000) ".yaml"
		if (i % 2000 == 0) print "version: 1\nrules:" > f
		what = shape == "disk" ? "device.id: disk" i : shape == "array" ? "array.name: array" i : "error.region: {gt: " 2000 + i "}"
		printf "  - name: r%d\n    description: One of many.\n    event: block.error\n" \
			"    where: {%s, error.status: [medium, io, target, protection]}\n    threshold: {count: 10, within: 1m}\n" \
			"    limit: 1m\n    do: [{notify: {severity: info, text: \"too many\"}}]\n", i, what > f } }'
}

# The same in the languages of SEC and of CLIPS, which has no notion of time: there it is counted without a window.
sec_rules() {
	awk -v n="$1" -v out="$dir/sec.out" 'BEGIN { for (i = 0; i < n; i++)
		printf "type=SingleWithThreshold\nptype=RegExp\npattern=^block\\.error device=disk%d status=(?:medium|io|target|protection) \n" \
			"desc=r%d\naction=write %s %%s\nwindow=60\nthresh=10\n\n", i, i, out }' > "$dir/$1.sec"
}
clips_rules() {
	{
		echo '(deftemplate event (slot device) (slot status))'
		echo '(deftemplate counted (slot rule) (slot n))'
		awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++)
			printf "(defrule r%d ?e <- (event (device disk%d) (status medium|io|target|protection)) ?c <- (counted (rule r%d) (n ?n)) =>" \
				" (retract ?e) (modify ?c (n (+ ?n 1))))\n", i, i, i
			print "(deffacts begin"
			for (i = 0; i < n; i++) printf "(counted (rule r%d) (n 0))\n", i
			print ")" }'
		echo '(defrule fires (declare (salience 10)) ?c <- (counted (rule ?r) (n 10)) => (retract ?c) (printout out ?r crlf))'
		echo '(defrule left (declare (salience -10)) ?e <- (event) => (retract ?e))'
		echo '(deffunction all () (bind ?d (read in)) (while (neq ?d EOF) do (assert (event (device ?d) (status (read in)))) (run) (bind ?d (read in))))'
		printf "%s\n" "(reset)" "(open \"$dir/log-$1.clips\" in)" "(open \"$dir/clips.out\" out \"w\")" "(all)" "(close)" "(exit)"
	} > "$dir/$1.clp"
}

# events N LINES: of 2 N disks. With N rules one event in four is counted, by a rule of its own.
events() {
	awk -v n="$1" -v lines="$2" 'BEGIN { srand(7); split("medium io timeout transport", status, " "); for (i = 0; i < lines; i++)
		printf "block.error device=disk%d status=%s region=%d\n", int(rand() * 2 * n), status[1 + int(rand() * 4)], int(rand() * 1000) }' \
		> "$dir/log-$1"
	sed 's/.*device=\([^ ]*\) status=\([^ ]*\) .*/\1 \2/' "$dir/log-$1" > "$dir/log-$1.clips"
}

# --- measuring -------------------------------------------------------------------------------------------

# cpu COMMAND..: its CPU time, ns
cpu() {
	local TIMEFORMAT='%U %S'
	{ time "$@" > /dev/null 2>&1; } 2>&1 | awk '{ printf "%.0f", ($1 + $2) * 1e9 }'
}
row() { printf '%s\t%s\n' "$@" >> "$dir/rows"; }
value() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p"; }
# Per event, without what the start and the reading of the rules cost.
per_event() { awk -v all="$1" -v start="$2" -v n="$3" 'BEGIN { printf "%.1f", (all - start) / n }'; }

# spared SHAPE RULES N EVENTS: so many events of 2 N disks, and as many again. In the first, each rule fires; the second
# is what goes on.
spared() {
	bench_rules log "$dir/$1-$2" "$dir/log-$3" "$4" > "$dir/spared.json"
	row "$1 $2 $3" "$(less_read ns)"
	row "first $1 $2 $3" "$(less_read first_ns)"
	row "read" "$(value read_ns < "$dir/spared.json")"
	row "load $2" "$(value load_ms < "$dir/spared.json")"
	[ "$1 $2" != "disk $3" ] || row "spared $2" "$(value first_ns < "$dir/spared.json")"
	[ "$1 $2" != "disk $3" ] || row "matched $2" "$(less_read first_ns)"
}
less_read() { awk -v all="$(value "$1" < "$dir/spared.json")" -v read="$(value read_ns < "$dir/spared.json")" 'BEGIN { print all - read }'; }

# The same events, only counted by disk.
least() {
	bench_rules least "$dir/log-$1" 1000000 > "$dir/spared.json"
	row "least $1" "$(less_read ns)"
}

# SEC gets the first lines only: it would take minutes. What its reading costs tells one rule that never matches.
sec_lines() { per_event "$(cpu sec --conf="$dir/$1.sec" --input="$dir/sec.log" --notail)" "$(cpu sec --conf="$dir/$1.sec" --input=/dev/null --notail)" "$2"; }
sec_one() {
	local lines=$2 all
	head -n "$lines" "$dir/log-$1" > "$dir/sec.log"
	rm -f "$dir/sec.out"
	# With few rules it has enough lines for that.
	[ "$1" != 10 ] || sec_read=$(sec_lines none "$lines")
	all=$(sec_lines "$1" "$lines")
	row "sec $1" "$all"
	row "sec read" "$sec_read"
	row "sec matched $1" "$(per_event "$all" "$sec_read" 1)"
	[ "$(fired_spared "$1" "$lines")" = "$(cat "$dir/sec.out" 2> /dev/null | wc -l)" ] || echo "rules.sh: SEC and spared differ in what fires" >&2
}
fired_spared() { bench_rules log "$dir/disk-$1" "$dir/log-$1" "$2" | value fired; }

clips_one() {
	local lines
	lines=$(wc -l < "$dir/log-$1")
	sed "s,$dir/log-$1.clips,/dev/null,; s,clips.out,clips.none," "$dir/$1.clp" > "$dir/start.clp"
	row "clips $1" "$(per_event "$(cpu clips -f2 "$dir/$1.clp" < /dev/null)" "$(cpu clips -f2 "$dir/start.clp" < /dev/null)" "$lines")"
	[ "$(fired_spared "$1" "$lines")" = "$(wc -l < "$dir/clips.out")" ] || echo "rules.sh: CLIPS and spared differ in what fires" >&2
}

windows() {
	bench_rules windows "$1" > "$dir/windows.json"
	for key in mb open_ns advance_ns end_ns; do row "$key $1" "$(value $key < "$dir/windows.json")"; done
}

# --- rounds ----------------------------------------------------------------------------------------------

events 5 200000
printf 'type=Suppress\nptype=SubStr\npattern=never\n' > "$dir/none.sec"
for n in 10 100 1000 10000; do
	for shape in disk array all; do rules $shape $n; done
	events $n 200000
	[ $n = 10000 ] || { sec_rules $n; clips_rules $n; }
done
for ((i = 0; i < rounds; i++)); do
	for n in 10 100 1000; do
		spared disk $n $n 1000000
		sec_one $n $((1000000 / n))
		clips_one $n
	done
	for n in 10 1000 10000; do
		least $n
		for shape in disk array; do
			spared $shape $n 5 1000000
			[ $shape-$n = disk-10 ] || [ $shape-$n = disk-1000 ] || spared $shape $n $n 1000000
		done
	done
	for n in 10 100 1000; do spared all $n 5 $((2000000 / n)); done
	for n in 1000 1000000; do windows $n; done
	echo "round $((i + 1)) of $rounds" >&2
done

# --- the result --------------------------------------------------------------------------------------------

# of NAME [DIVIDED BY]: median and range of the rows of that name, or of the ratios to the other's, round by round
of() {
	awk -F'\t' -v name="$1" -v by="${2:-}" '$1 == name { a[++n] = $2 } by != "" && $1 == by { b[++m] = $2 }
		END { for (i = 1; i <= n; i++) print (by == "" ? a[i] : b[i] ? a[i] / b[i] : 0) }' "$dir/rows" |
		sort -n | awk '{ v[NR] = $1 } END { f = v[NR] < 10 ? "%.2f" : "%.0f"; printf f " (" f " to " f ")", v[int((NR + 1) / 2)], v[1], v[NR] }'
}
table() { column -t -s "$(printf '\t')"; }
line() { local IFS=$'\t'; echo "$*"; }

echo "ns of CPU an event: median (range) of $rounds rounds"
{
	line "N rules" 10 1000 10000 "10000 : 10"
	line "no rules, a counter a disk; events of 2 N disks" "$(of "least 10")" "$(of "least 1000")" "$(of "least 10000")" "$(of "least 10000" "least 10")"
	for shape in disk array; do
		line "each names another $shape; events of 10 disks" "$(of "$shape 10 5")" "$(of "$shape 1000 5")" \
			"$(of "$shape 10000 5")" "$(of "$shape 10000 5" "$shape 10 5")"
		line "each names another $shape; events of 2 N disks" "$(of "$shape 10 10")" "$(of "$shape 1000 1000")" \
			"$(of "$shape 10000 10000")" "$(of "$shape 10000 10000" "$shape 10 10")"
		line "the first million of these, each rule fires" "$(of "first $shape 10 10")" "$(of "first $shape 1000 1000")" \
			"$(of "first $shape 10000 10000")" "$(of "first $shape 10000 10000" "first $shape 10 10")"
	done
	line "none can be told from the others (10, 100, 1000)" "$(of "all 10 5")" "$(of "all 100 5")" "$(of "all 1000 5")" -
} | table
echo
echo "the same rules and lines of a log, read and matched; ns a line"
{
	line "N rules" 10 100 1000
	for who in spared sec clips; do line "$who" "$(of "$who 10")" "$(of "$who 100")" "$(of "$who 1000")"; done
	for who in sec clips; do line "$who : spared" "$(of "$who 10" "spared 10")" "$(of "$who 100" "spared 100")" "$(of "$who 1000" "spared 1000")"; done
	line "spared, of that reading the line" "$(of read)" "" ""
	line "sec, of that reading the line" "$(of "sec read")" "" ""
	line "sec : spared, without the reading" "$(of "sec matched 10" "matched 10")" "$(of "sec matched 100" "matched 100")" \
		"$(of "sec matched 1000" "matched 1000")"
} | table
echo
{
	line "open windows" 1000 1000000
	line "memory, MB" "$(of "mb 1000")" "$(of "mb 1000000")"
	for key in open advance end; do line "ns to $key one" "$(of "${key}_ns 1000")" "$(of "${key}_ns 1000000")"; done
	line "ms to load 10000 rules" "" "$(of "load 10000")"
} | sed 's/advance one/move the clock while none ends/' | table
echo "events a second into 1000 rules that name a disk each, without reading them: $(of "disk 1000 1000" | awk '{ printf "%.0f", 1e9 / $1 }')"
