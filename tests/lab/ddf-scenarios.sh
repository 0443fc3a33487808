#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=900
# What mdadm's own tests of DDF (tests/10ddf-* of its source) put mdadm and mdmon through, with spared in their place; what came
# of it mdadm reads on the disks (-E). docs/formats.md has the table. ddf-scenarios.sh all: each of them;
# ddf-scenarios.sh NAME..: only these. Which tells which of mdadm's:
#   made        create, create-fail-rebuild (its first half)
#   geometry    geometry
#   readd       fail-readd, fail-readd-readonly, fail-stop-readd, sudden-degraded
#   race        fail-create-race
#   spare       fail-spare
#   twice       fail-twice
#   two_spares  create-fail-rebuild, fail-two-spares
#   incomplete  assemble-missing, incremental-wrong-order
#   two_out, spares_apart  none: what comes next to them
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

spared_by_hand 7

devs() { local n; for n in "$@"; do lab_dev "$n"; done; }
# create NAME SIZE LEVEL DISK..: in a set of its own. beside ARRAY NAME ..: in that array's.
create() { ok "$1 is made" sparectl array create "$1" --wipe --size "$2" --level "$3" $(devs "${@:4}"); }
beside() { ok "$2 is made" sparectl array create "$2" --size "$3" --level "$4" --in "$(spared_array "$1" set)" $(devs "${@:5}"); }
fail() { ok "disk $2 of $1 fails" sparectl array fail "$1" "$(lab_dev "$2")"; }
give() { local n; for n in "$@"; do ok "disk $n is given" sparectl spare add "$(lab_dev "$n")"; done; }
# Disks of nobody that were used are as new.
blank() {
	local n
	for n in "$@"; do blkdiscard -z "$(lab_dev "$n")"; done
	lab_wait_for "[ \"\$(sparectl status --json | jq -r '[.status.devices[].contents] | unique | join(\" \")')\" = blank ]" 30
}
stop() { local a; for a in "$@"; do ok "$a stops" sparectl array stop "$a"; done; }
whole() { local a; for a in "$@"; do ok "$a is whole" spared_optimal "$a" 60; done; }
# refused WHAT REGEX COMMAND..
refused() {
	local what=$1 why=$2 status=0
	shift 2
	"$@" > /run/lab/files/why 2>&1 < /dev/null || status=$?
	like "$what: refused" "$status $(paste -sd' ' /run/lab/files/why)" "^[1-9].*$why"
}
# The last one goes with its set.
delete() {
	local a
	for a in "$@"; do
		ok "$a is deleted" sparectl array delete "$a" --stop --yes $([ "$a" != "${*: -1}" ] || echo --container)
	done
}
# By mdadm, on a disk: what state an array is in; what the disks of the set are, with how many of each.
md_state() { lab_md_state "$1" "$(lab_dev "$2")"; }
md_disks() {
	mdadm -E "$(lab_dev "$1")" | sed -n 's/^ *[0-9]\+ \+[0-9a-f]\{8\} .*\///p' | sort | uniq -c | sed 's/^ *//' | paste -sd, | sed 's/,/, /g; s/,  /, /g'
}
md_seq() { mdadm -E "$(lab_dev "$1")" | sed -n 's/^ *Seq : //p'; }
says() { is "by mdadm: $1 $3" "$(md_state "$1" "$2")" "$3"; }
disks() { is "by mdadm: $2" "$(md_disks "$1")" "$2"; }

readd() {
	say "fail-readd-readonly: nothing is written while it is away"
	create m 4MiB raid1 1 2
	whole m
	fail m 1
	says m 2 "Degraded, Not Consistent" # as it is while it runs
	disks 2 "1 Offline, Failed, 1 Online"
	ok "it is taken back" sparectl array re-add m "$(lab_dev 1)"
	whole m
	says m 2 "Optimal, Not Consistent"
	say "fail-readd: it is removed, the other is written, it is given again"
	refused "a member in use is removed" "fail it first" sparectl array remove m "$(lab_dev 1)"
	fail m 1
	ok "it is removed" sparectl array remove m "$(lab_dev 1)"
	mke2fs -q -F /dev/mapper/m
	give 1
	whole m
	disks 2 "2 Online"
	say "fail-stop-readd: stopped and started meanwhile"
	fail m 1
	stop m
	says m 2 "Degraded, Consistent"
	ok "it starts" sparectl array start m --degraded
	lab_fill /dev/mapper/m 4
	ok "it is taken back" sparectl array re-add m "$(lab_dev 1)"
	whole m
	say "sudden-degraded: it starts with one disk"
	stop m
	lab_pull 2
	ok "it starts" sparectl array start m --degraded
	lab_fill /dev/mapper/m 5
	like "by mdadm: the other is missing" "$(md_disks 1)" "^1 Offline, (Failed, )?Missing, 1 Online"
	lab_plug 2
	spared_stale "$(lab_dev 2)"
	ok "it is taken back" sparectl array re-add m "$(lab_dev 2)"
	whole m
	stop m
	for n in 1 2; do says m $n "Optimal, Consistent"; done
	delete m
}

race() {
	local racing
	say "fail-create-race: an array is made at the moment when its disk fails"
	create m 4MiB raid1 1 2
	whole m
	sparectl array create race --level raid1 --size 2MiB --in "$(spared_array m set)" $(devs 1 2) > /run/lab/files/race 2>&1 &
	racing=$!
	fail m 1
	wait $racing || true
	tail -n1 /run/lab/files/race | lab_quiet
	says m 2 "Degraded, Not Consistent"
	disks 2 "1 Offline, Failed, 1 Online"
	like "the new one is degraded, or is not there" "$(md_state race 2)" "^$|^Degraded"
	[ -z "$(md_state race 2)" ] || delete race
	delete m
}

two_spares() {
	say "create-fail-rebuild: a disk of two arrays is replaced"
	create six 8MiB raid6 1 2 3 4
	refused "a name that is taken" "an array 'six' already" \
		sparectl array create six --size 2MiB --level raid1 --in "$(spared_array six set)" $(devs 1 2)
	beside six ten 8MiB raid10 1 2 3 4
	for a in six ten; do lab_fill /dev/mapper/$a 5; done
	whole six ten
	refused "a member in use is removed" "fail it first" sparectl array remove ten "$(lab_dev 1)"
	fail six 1
	says ten 2 "Degraded, Not Consistent"
	says six 2 "Partially Optimal, Not Consistent"
	ok "it is removed" sparectl array remove six "$(lab_dev 1)"
	give 5
	whole six ten
	disks 5 "4 Online"
	say "fail-two-spares: two of their disks, one after the other"
	lab_md_speed 1000 # the second one fails while the first is rebuilt
	give 6 7
	fail ten 2
	fail ten 3
	lab_wait_for '[ "$(spared_states six) $(spared_states ten)" = "in-sync in-sync in-sync in-sync in-sync in-sync in-sync in-sync" ]' 60
	lab_md_speed 200000
	whole six ten
	disks 4 "2 Offline, Failed, 4 Online"
	for a in six ten; do says $a 4 "Optimal, Not Consistent"; done
	for a in six ten; do ok "$a has its data" lab_check_fill /dev/mapper/$a 5; done
	delete six ten # the last one here: the disk that was removed is not of the set any more, and keeps what it has of it
}

# Not one of mdadm's: the first spare is whole in one of them by then, and the other takes the second one. each_whole: that is
# whole, too, before the first one wants it.
spares_apart() {
	local quick=/etc/spared/rules.d/90-quick.yaml all="in-sync in-sync in-sync in-sync"
	say "fail-two-spares, the second disk when the first spare is whole in one array: each takes the other's ${1:-}"
	create six 8MiB raid6 1 2 3 4
	beside six ten 8MiB raid10 1 2 3 4
	for a in six ten; do lab_fill /dev/mapper/$a 5; done
	whole six ten
	give 6 7
	cp $quick /run/lab/files/quick
	sed -i 's/^disable: \[/&fill-empty-slot, /; /fill-empty-slot:/d' $quick
	ok "no slot is filled by itself" sparectl rules reload
	fail ten 2
	ok "ten takes one" sparectl spare activate ten "$(lab_dev 6)"
	lab_wait_for '[ "$(spared_states ten)" = "'"$all"'" ]' 60
	fail ten 3
	[ $# -gt 0 ] || lab_md_speed 500
	ok "six takes the other" sparectl spare activate six "$(lab_dev 7)"
	[ $# = 0 ] || lab_wait_for '[[ "$(spared_states six)" =~ ^(in-sync ?|failed ?|empty ?)+$ ]]' 60
	cp /run/lab/files/quick $quick
	ok "slots are filled again" sparectl rules reload
	ok "ten takes it, too" lab_wait_for '[ "$(spared_slot ten "$(lab_dev 7)")" != "" ]' 30
	lab_md_speed 200000
	lab_wait_for '[ "$(spared_states six) $(spared_states ten)" = "'"$all $all"'" ]' 60
	whole six ten
	disks 4 "2 Offline, Failed, 4 Online"
	for a in six ten; do says $a 4 "Optimal, Not Consistent"; done
	for a in six ten; do ok "$a has its data" lab_check_fill /dev/mapper/$a 5; done
	delete six ten
}

each_whole() { spares_apart whole; }

incomplete() {
	say "assemble-missing, incremental-wrong-order: of two arrays one runs without disks that both have; these come back"
	create far 8MiB raid10 1 3 2 4
	beside far near 4MiB raid1 1 2
	whole far near
	lab_fill /dev/mapper/far 1
	lab_fill /dev/mapper/near 2
	stop far near
	lab_pull 1
	lab_pull 2
	ok "far starts" sparectl array start far --degraded
	refused "near starts" "too few" sparectl array start near --degraded
	lab_fill /dev/mapper/far 6
	stop far
	says far 3 "Degraded, Consistent"
	like "by mdadm: two are missing" "$(md_disks 3)" "^2 Offline, (Failed, )?Missing, 2 Online"
	lab_plug 1
	lab_plug 2
	for n in 1 2; do spared_stale "$(lab_dev $n)"; done
	ok "mdadm finds another number on them" test "$(md_seq 1)" != "$(md_seq 3)"
	# DDF has one number for the set, and says of a disk as a whole that it was missing.
	refused "near is started" "here and current" sparectl array start near --degraded
	ok "it starts when it is told to" sparectl array start near --force --yes
	ok "and has its data" lab_check_fill /dev/mapper/near 2
	ok "far starts" sparectl array start far --degraded
	for n in 1 2; do
		for a in far near; do ok "disk $n is taken back by $a" sparectl array re-add $a "$(lab_dev $n)"; done
	done
	whole far near
	ok "far has what was written meanwhile" lab_check_fill /dev/mapper/far 6
	ok "near has its data" lab_check_fill /dev/mapper/near 2
	stop far near
	for a in far near; do for n in 1 4; do [ $a$n = near4 ] || says $a $n "Optimal, Consistent"; done; done
	is "by mdadm: one number" "$(md_seq 1)" "$(md_seq 4)"
	delete far near
}

# Not one of mdadm's: two are out, and one is rebuilt in full before the other returns.
two_out() {
	local level=$1
	say "$level without two members: one is given anew, then the other returns"
	create v 8MiB "$level" 1 2 3 4
	whole v
	fail v 1
	fail v 3
	lab_fill /dev/mapper/v 7
	ok "it is removed" sparectl array remove v "$(lab_dev 1)"
	give 1
	lab_wait_for '[ "$(spared_array v "members | map(select(.state == \"in-sync\")) | length")" = 3 ]' 60
	like "not by bitmap: the rebuild has emptied it" "$(sparectl array re-add v "$(lab_dev 3)")" "full rebuild: another member was rebuilt"
	whole v
	ok "it has its data" lab_check_fill /dev/mapper/v 7
	ok "a check" sparectl array check v
	lab_wait_for '[ "$(spared_array v scrubbed)" != 0 ]' 60
	is "nothing differs" "$(spared_array v mismatches)" 0
	delete v
}

spare() {
	say "fail-spare: no array is made of the disk that failed, nor of the spare that serves"
	ok "m is made" sparectl array create m --level raid1 $(devs 1 2) --spare "$(devs 3 4 5 | paste -sd,)"
	fail m 1
	lab_wait_for '[ "$(spared_states m)" = "in-sync in-sync" ]' 60
	whole m
	says m 2 "Optimal, Not Consistent"
	disks 2 "1 Offline, Failed, 4 Online"
	refused "one of the failed disk" "is failed" sparectl array create five --level raid5 --in "$(spared_array m set)" $(devs 1 4 5)
	refused "one of a full disk" "no room" sparectl array create five --level raid5 --in "$(spared_array m set)" $(devs 2 4 5)
	delete m
}

twice() {
	say "fail-twice: one disk of each of two arrays, and one spare"
	create one 4MiB raid1 1 2
	beside one five 8MiB raid5 3 4 5
	whole one five
	fail one 1
	fail five 3
	give 6
	lab_wait_for '[[ "$(spared_array one state) $(spared_array five state)" =~ ^(optimal degraded|degraded optimal)$ ]]' 60
	is "by mdadm: one is whole" "$({ md_state one 4; md_state five 4; } | sort | paste -sd' ')" "Degraded, Not Consistent Optimal, Not Consistent"
	disks 4 "2 Offline, Failed, 4 Online"
	delete one five
}

there() { local a; for a in "$@"; do [ -b "/dev/md/$a" ] || [ -b "/dev/md/${a}_0" ] || return 1; done; }
# mdadm takes it: its disks by name, or by mdadm.conf. by HOW ARRAY..
by() {
	local how=$1 a
	shift
	case $how in
	names)
		lab_md_assemble ddf $(devs 1 2 3 4 5)
		mdadm --detail --brief --scan | sort > /run/lab/files/mdadm.conf
		;;
	# Again, where it did not wait long enough for the container's name.
	conf) lab_wait_for "mdadm --assemble --scan --config=/run/lab/files/mdadm.conf; there $*" 60 ;;
	esac
	lab_wait_for "there $*" 60
	lab_udev_settle
	for a in "$@"; do
		ok "mdadm, by $how: $a has its data" lab_check_fill "$(ls -d "/dev/md/$a" "/dev/md/${a}_0" 2> /dev/null)" ${#a}
	done
	nok "by $how: nothing is resynced" grep -qE 'resync|recover' /proc/mdstat
	[ "$how" = names ] || is "by $how: it is what it was" "$(mdadm --detail --brief --scan | sort)" "$(cat /run/lab/files/mdadm.conf)"
	lab_md_stop
}

made() {
	local a all="r5 r10 r1x r0xx two0 two1xx"
	say "create; create-fail-rebuild: RAID5, 10, 1 and 0 in one set, then RAID0 and RAID1 on the same two disks"
	create r5 8MiB raid5 1 2 3 4 5
	refused "a name that is taken" "an array 'r5' already" \
		sparectl array create r5 --size 2MiB --level raid1 --in "$(spared_array r5 set)" $(devs 1 2)
	beside r5 r10 8MiB raid10 1 2 3 4
	beside r5 r1x 3MiB raid1 4 5
	beside r5 r0xx 6MiB raid0 1 2 3
	beside r5 two0 4MiB raid0 4 5
	beside r5 two1xx 2MiB raid1 4 5
	for a in $all; do lab_fill "/dev/mapper/$a" ${#a}; done
	whole r5 r10 r1x two1xx
	lab_wait_for '[ "$(mdadm -E $(lab_dev 1) $(lab_dev 5) | grep -c "Not Initialised")" = 0 ]' 60
	stop $all
	ok "it is given to mdadm" sparectl release "$(lab_dev 1)"
	for a in names conf; do by $a $all; done
	ok "spared has it again" sparectl manage "$(lab_dev 1)"
	for a in $all; do
		ok "$a starts" lab_wait_for "sparectl array start $a" 20
		ok "$a has its data" lab_check_fill "/dev/mapper/$a" ${#a}
	done
	delete r0xx two0 two1xx r1x r10 r5
}

geometry() {
	local a set
	say "geometry: what DDF has no word for is refused, deleted arrays are made again, running and stopped"
	create l1s 4MiB raid1 1 2
	set=$(spared_array l1s set)
	beside l1s l1m 3MiB raid1 1 2 3
	no() { refused "$2 $1" "$3" sparectl array create no --in "$set" --level "$2" --size "$4" $(devs "${@:5}"); }
	no "of four" raid1 "of 4 disks cannot be" 2MiB 1 2 3 4
	beside l1s l10_0 3MiB raid1e 1 2 3
	beside l1s l10_1 5MiB raid1e 1 2 3 4 5
	refused "RAID10 of three copies" "no layout" sparectl array create no --in "$set" --level raid10 --layout near-3 \
		--size 2MiB $(devs 1 2 3 4)
	beside l1s l10_2 9MiB raid10 1 2 3 4 5 6
	nok "RAID10 larger than there is room" sparectl array create no --in "$set" --level raid10 --size 60MiB $(devs 1 2 3 4 5 6)
	delete_one() { ok "$1 is deleted" sparectl array delete "$1" --yes ${2:-}; }
	delete_one l10_2 --stop
	beside l1s l10_2 12MiB raid10 1 2 3 4 5 6
	stop l1s l1m l10_0 l10_1 l10_2
	delete_one l10_2 # nothing runs
	beside l1s l10_2 12MiB raid10 1 2 3 4 5 6
	delete_one l10_2 --stop
	for a in n-restart 0-restart n-continue; do
		ok "RAID5 $a" sparectl array create "l5${a:0:4}" --in "$set" --level raid5 --layout $a --size 2MiB $(devs 1 2 3)
	done
	refused "RAID5 right-symmetric" "no layout" sparectl array create no --in "$set" --level raid5 --layout right-symmetric \
		--size 4MiB $(devs 1 2 3)
	for a in n-re 0-re n-co; do delete_one "l5$a" --stop; done
	no "of three" raid6 "of 3 disks cannot be" 4MiB 1 2 3
	ok "RAID6 n-restart" sparectl array create l6n --in "$set" --level raid6 --layout n-restart --size 4MiB $(devs 3 4 5 6)
	ok "RAID6 0-restart" sparectl array create l60 --in "$set" --level raid6 --layout 0-restart --size 4MiB $(devs 1 2 3 4)
	ok "RAID6 n-continue" sparectl array create l6c --in "$set" --level raid6 --layout n-continue --size 4MiB $(devs 6 1 2 5)
	is "mdadm lists them" "$(mdadm -E "$(lab_dev 1)" | sed -n 's/.*Name\[[0-9]*\] : //p' | sort | paste -sd' ')" "l10_0 l10_1 l1m l1s l60 l6c l6n"
	for a in l10_0 l10_1 l1m l1s; do ok "$a starts" sparectl array start $a; done
	delete l10_0 l10_1 l1m l60 l6c l6n l1s
}

case ${1:-} in
'') set -- readd incomplete two_out:raid10 ;;
all) set -- made geometry readd incomplete two_out:raid10 two_out:raid6 race spare twice spares_apart each_whole two_spares ;;
esac
for scenario in "$@"; do
	blank 1 2 3 4 5 6 7
	${scenario/:/ }
done
lab_done
