#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=400 manual
# What the kernel alone makes of the resync after a crash when a member enters: mirrors whose bits are set, and that differ, are
# compared by that resync; with "rebuild" in the table they are not, and the superblock says that nothing is left. After a
# return by bitmap they were once and once not. dm-dirty.sh LEVEL:CASE..: only these.
. "$LAB_REPO/tests/lab/lib/lab.sh"
modprobe dm-raid
modprobe brd rd_nr=8 rd_size=8192
speed() { echo "$1" | tee /proc/sys/dev/raid/speed_limit_min > /proc/sys/dev/raid/speed_limit_max; }
status() { dmsetup status a; }
settled() { local s; read -r -a s <<< "$(status)"; [ "${s[7]}" = idle ] && [ "${s[6]%/*}" = "${s[6]#*/}" ] && [[ ${s[5]} =~ ^[A-]+$ ]]; }
zero() { dd if=/dev/zero of="/dev/ram$1" bs=1M count="$2" oflag=direct status=none; }

# Members are ram0.., their slices ram4..; 6 MiB of each are used.
slice() {
	dm_tool slice "/dev/ram$((4 + $1))" pos="$1" n="$n" level="$number" layout="$layout" chunk="$chunk" array="$array" sectors=12288 \
		events="$2" failed=0 recovery=-1 resync="$3" dirty="$4" > /dev/null
}
# level NAME: slices as a start after a crash asks for a resync by them; the last MiB is different on each member.
level() {
	local i
	kind=$1 n=3 number=1 layout=0 chunk=0 array=12288 pair="0 2" args="0"
	[ "$1" = raid1 ] || n=4 number=10 layout=258 chunk=128 array=24576 pair="2 3" args="128 raid10_format near raid10_copies 2"
	for i in $(seq 0 $((n - 1))); do
		zero "$i" 8
		zero $((4 + i)) 1
		dd if=/dev/urandom of="/dev/ram$i" bs=1M seek=5 count=1 oflag=direct status=none
		slice "$i" 7 0 1
	done
}
# table [ENTERS|OUT]: slot 1 is rebuilt, or out.
table() {
	local i words=$args members=
	[ "${1:-}" != rebuild ] || words+=" rebuild 1"
	for i in $(seq 0 $((n - 1))); do
		if [ "$i" = 1 ] && [ "${1:-}" = out ]; then members+=" - -"; else members+=" /dev/ram$((4 + i)) /dev/ram$i"; fi
	done
	echo "0 $array raid $kind $(wc -w <<< "$words") $words $n$members"
}
start() { dmsetup create a --table "$(table "$@")"; }
swap() {
	dmsetup load a --table "$(table "$@")"
	dmsetup suspend a
	dmsetup resume a
}
# differ SECTORS WHAT: so many of the pair that nothing was rebuilt in; "-": they are told only.
differ() {
	local i got
	speed 200000
	lab_wait_for settled 120
	say "$(status); $(dm_tool super /dev/ram4)"
	for i in $pair; do blockdev --flushbufs "/dev/ram$i"; done
	got=$(cmp -n 6291456 -l "/dev/ram${pair% *}" "/dev/ram${pair#* }" | awk '{ s[int(($1 - 1) / 512)] } END { print length(s) }') || true
	if [ "$1" = - ]; then say "$kind, $2: $got sectors differ"; else is "$kind, $2: sectors that differ" "$got" "$1"; fi
	like "and nothing is left to do" "$(dm_tool super /dev/ram4)" "resync=-1"
	dmsetup remove a
}

alone() {
	level "$1"
	start
	differ 0 "nothing enters"
}
rebuilt() {
	level "$1"
	zero 5 1
	start rebuild
	differ 2048 "a start with a rebuild"
}
amid() {
	level "$1"
	speed 10
	start
	swap out
	zero 5 1
	swap rebuild
	differ 2048 "a rebuild amid the resync"
}
back() {
	level "$1"
	speed 10
	start
	swap out
	slice 1 1 -1 0
	swap
	differ - "a return by bitmap amid the resync"
}

[ $# -gt 0 ] || set -- {raid1,raid10}:{alone,rebuilt,amid,back}
for scenario in "$@"; do ${scenario#*:} "${scenario%:*}"; done
lab_done
