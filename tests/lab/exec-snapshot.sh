#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=900 manual
# exec-snapshot.sh [POINTS]: the act process dies at each point between the steps of plans that make and end snapshots, or only at
# those that the glob matches ('last *'), under a verifying writer whose journal tells what a snapshot may hold: all that was written up
# to one moment, and nothing of later. Whatever the next one finds: the array takes writes, nothing is suspended, the snapshot is whole
# or gone, no device is left over, all of them end, and another is made. The executor alone: with the daemon, snapshot-kills.sh.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/act.sh"
modprobe -a dm-raid dm-snapshot

run=/run/lab/files
lab_disks 6 48
ddf_lay spare-global $(lab_devs 1-4) > "$LAB_OUT/laid"
ALL=$(lab_devs 1-4 | paste -sd,)
ok "the array starts" act "$ALL" assemble
lab_wait_for 'dmsetup status v5 | grep -q " idle "' 60
lab_writer_start w /dev/mapper/v5 --pace 20000 --journal $run/journal
dmsetup ls | awk '{ print $1 }' | sort > $run/base

kernel_has() { dmsetup ls | awk '/^v5-snap-/ { printf "%s%s", n++ ? " " : "", substr($1, 9) }'; }
writes() { lab_writer_stats w | lab_json writes; }
# wrong: what is not as it should be, a line each.
wrong() {
	dmsetup info -c --noheadings --separator ' ' -o name,suspended,tables_loaded | sort | awk -v base="$(cat $run/base)" '
		BEGIN { n = split(base, list, "\n"); for (i = 1; i <= n; i++) due[list[i]] = 1 }
		$2 != "Active" || $3 != "Live" { print }
		$1 ~ /^v5-snap-/ { snaps++; due[$1] = due["v5-cow-" substr($1, 9)] = due["v5-real"] = 1 }
		{ is[$1] = 1 }
		END {
			for (d in due) if (!(d in is)) print d, "is missing"
			for (d in is) if (!(d in due)) print d, "is left over"
		}'
}
# make NAME [OPTION..]: between which of the writer's writes that was is noted. drop NAME [OPTION..]
make() {
	local name=$1 status=0
	shift
	writes > "$run/least.$name"
	act_tool "$@" "$ALL" "snapshot=$name:$(lab_dev $((4 + ${name#s})))" > "$run/said" 2>&1 || status=$?
	return $status
}
drop() {
	local name=$1
	shift
	act_tool "$@" "$ALL" "drop-snapshot=$name" > "$run/said" 2>&1
}
# moment NAME: it holds what was there at one moment, and that one was when it was made.
moment() {
	local said n
	said=$(lab_writer moment --journal $run/journal "/dev/mapper/v5-snap-$1" 2>&1) || true
	n=$(lab_json writes <<< "$said")
	like "$1: of one moment" "$said" '"errors":0,.*"wrong":0,'
	is "and of that when it was made: write $n" \
		"$([ "$n" -ge "$(cat "$run/least.$1")" ] && [ "$n" -le $(($(cat "$run/most.$1") + 1)) ] && echo yes)" yes
}

# before PHASE; during PHASE [OPTION..]: the plan that is cut.
before() {
	case $1 in second | one | last) make s1 && writes > $run/most.s1 ;; esac
	case $1 in one) make s2 && writes > $run/most.s2 ;; esac
}
during() {
	case $1 in
	first) make s1 "${@:2}" ;;
	second) make s2 "${@:2}" ;;
	one) drop s2 "${@:2}" ;;
	last) drop s1 "${@:2}" ;;
	esac
}
may_have() {
	case $1 in
	first | last) echo "^(s1)?$" ;;
	*) echo "^s1( s2)?$" ;;
	esac
}
end_all() {
	local name
	for name in $(kernel_has); do drop "$name"; done
}

say "a rehearsal: what it passes through"
every=()
for phase in first second one last; do
	before $phase
	during $phase --trace
	mapfile -t -O ${#every[@]} every < <(sed -n 's/^{"mark":"\([^"]*\)".*/\1/p' $run/said |
		awk -v phase=$phase '!/^(open|commit)/ { print phase, ++seen[$0], $0 }')
	end_all
done
printf '#   %s\n' "${every[@]}"
is "nothing is left of it" "$(wrong)" ""
for want in "first 1 snapshot suspend" "first 4 dm resume" "second 3 dm resume" "one 2 dm remove" "last 2 dm suspend" "last 2 dm resume"; do
	ok "a point: $want" grep -qx "$want" <(printf '%s\n' "${every[@]}")
done

n=0
for point in "${every[@]}"; do
	# shellcheck disable=SC2254
	case $point in ${1:-*}) ;; *) continue ;; esac
	phase=${point%% *} status=0
	before "$phase"
	during "$phase" --die "${point#* }" || status=$?
	is "it dies before $point" "$status" 77
	act "$ALL" record || true
	case $phase in first) writes > $run/most.s1 ;; second) writes > $run/most.s2 ;; esac
	is "nothing is suspended, nothing left over" "$(wrong)" ""
	now=$(kernel_has)
	like "the snapshot is whole or gone: '$now'" "$now" "$(may_have "$phase")"
	for name in $now; do moment "$name"; done
	was=$(writes)
	lab_wait_for "[ \$(writes) -gt $was ]" 20 || lab_fail "the array takes no writes"
	end_all
	is "and nothing is left of them" "$(wrong)" ""
	n=$((n + 1))
done
say "$n points"

ok "one more is made" make s1
writes > $run/most.s1
moment s1
ok "and ends" drop s1
lab_writer_clean w
like "the array has its table" "$(dmsetup table v5)" " raid raid5_ls "
ok "and stops" act "$ALL" stop
free_disks
lab_done
