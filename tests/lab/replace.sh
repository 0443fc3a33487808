#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=240 disks=nbd:12:48M
# A member that still works is copied to a spare, which takes its slot; under writers, and no array is degraded by it: a RAID5,
# a RAID1, a RAID6. Then the new disk dies under it, act is killed, the daemon is, the old disk dies, and the old one has places
# that cannot be read: the RAID6 rebuilds from the others. The power goes in the middle of a copy and of a rebuild: the old disk is
# the member and the new one a spare, as before, and the rebuild is done again. At last mdadm reads all of it.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

# How the last copy of a member ended: done, failed, interrupted.
ended() { lab_stream_wait mon '"kind": ?"array.resync-finished".*"resync.kind": ?"replace"' 60 | jq -r '.event.facts["resync.result"]'; }
degraded() { tail -n +"${lab_stream_from[mon]}" /run/lab/files/mon | grep -c '"kind": \?"array.degraded"' || true; }
mirrors() { dmsetup table | grep -c 'mirror core' || true; }
name() { basename "$(lab_dev "$1")"; }
clean() { for v in five one six; do like "$v: no write or read failed" "$(lab_writer_stats $v)" '"errors":0,.*"wrong":0'; done; }
# The disk takes so long for each request that something can happen meanwhile.
slow() { lab_fault "$1" "delay 150"; }
configure() {
	spared_configure "$(spared_set_of "$(lab_dev 3)")"
	spared_quick 2s 2s
	spared_start
	for v in five one six; do lab_wait_for "[ -e /dev/mapper/$v ]" 60; done
}

if [ "$LAB_BOOT" = 1 ]; then

lab_md_container ddf $(lab_devs 1-12)
lab_md_array five 5 6M -n 3 --chunk=64 $(lab_devs 1-3)
lab_md_array one 1 6M -n 2 $(lab_devs 4-5)
lab_md_array six 6 6M -n 4 --chunk=64 $(lab_devs 6-9)
lab_udev_settle
for v in five one six; do lab_md_sync $v; done
lab_md_stop
configure
for v in five one six; do
	spared_optimal $v
	lab_writer_start $v /dev/mapper/$v --pace 4000
done

say "a disk of each, at once"
lab_stream_mark mon
ok "a dry run" sparectl array replace five "$(spared_disk_at five 1)" --dry-run
is "does nothing" "$(mirrors)" 0
ok "RAID5, to the disk that was named" sparectl array replace five "$(spared_disk_at five 1)" --with "$(lab_dev 12)"
ok "RAID1" sparectl array replace one "$(spared_disk_at one 0)"
ok "RAID6" sparectl array replace six "$(spared_disk_at six 2)"
lab_wait_for "[ \$(tail -n +${lab_stream_from[mon]} /run/lab/files/mon | grep -c '\"resync.kind\": \?\"replace\",\"resync.result\": \?\"done\"') = 3 ]" 60
is "the other disk has the slot" "$(spared_disk_at five 1)" "$(name 12)"
is "the arrays were never degraded" "$(degraded)" 0
is "nothing is copied any more" "$(mirrors)" 0
like "the kernel's tables are whole" "$(dmsetup status five) $(dmsetup status one) $(dmsetup status six)" "AAA .*AA .*AAAA "
clean
spared_agrees "$(lab_dev 3)"
for v in five one six; do sparectl array check $v > /dev/null; done
for v in five one six; do
	lab_wait_for "[ \"\$(spared_array $v mismatches)\" != null ]" 30
	is "$v: nothing differs" "$(spared_array $v mismatches)" 0
done
say "the disks that were replaced are given as spares"
failed=$(spared_mdadm_says "$(lab_dev 3)" | awk '$2 == "failed" { print $1 }')
is "three were failed" "$(wc -l <<< "$failed")" 3
for d in $failed; do ok "$d" sparectl spare add "/dev/$d"; done

say "the new disk dies under it"
lab_stream_mark mon
spare=$(lab_number "$(head -n1 <<< "$failed")")
slow "$spare"
old=$(spared_disk_at five 0)
sparectl array replace five "$old" --with "$(lab_dev "$spare")" > /dev/null
like "how far it is" "$(sparectl status)" "copied to $(name "$spare")"
lab_fault "$spare" "write 0 -"
is "it ends" "$(ended)" failed
is "the old disk stays" "$(spared_states five) $(spared_disk_at five 0)" "in-sync in-sync in-sync $old"
is "never degraded" "$(degraded)" 0
lab_fault "$spare"
clean

say "act is killed in the middle, then the daemon"
spare=$(lab_number "$(sed -n 2p <<< "$failed")")
slow "$spare"
old=$(spared_disk_at five 0)
sparectl array replace five "$old" --with "$(lab_dev "$spare")" > /dev/null
pkill -KILL -x spared-act
is "the kernel goes on copying" "$(mirrors)" 2
spared_kill
lab_fault "$spare"
spared_start
# It may have been whole before the daemon looked, and then nothing is told.
ok "the new disk gets the slot" lab_wait_for "[ \"\$(spared_disk_at five 0)\" = $(name "$spare") ]" 60
is "and the array has all its members" "$(spared_states five)" "in-sync in-sync in-sync"
lab_wait_for '[ "$(mirrors)" = 0 ]' 20
is "nothing is left over" "$(dmsetup table | grep -c '^five-')" 6
ok "the old one is given as a spare" sparectl spare add "/dev/$old"
clean

say "the old disk dies in the middle"
lab_stream_mark mon
spare=$(lab_number "$(sed -n 3p <<< "$failed")")
slow "$spare"
old=$(spared_disk one 1)
sparectl array replace one "$(name "$old")" --with "$(lab_dev "$spare")" > /dev/null
lab_pull "$old"
like "it ends" "$(ended)" "failed|interrupted"
lab_fault "$spare"
spared_optimal one
clean

say "places that cannot be read: with redundancy left, the others have it all"
lab_stream_mark mon
old=$(spared_disk six 0)
lab_fault "$old" "read 2048 64 stay"
sparectl array replace six "$(name "$old")" > /dev/null
is "the copy ends" "$(ended)" failed
spared_optimal six
nok "the disk has left" grep -qw "$(name "$old")" <<< "$(spared_array six 'members[].name')"
lab_fault "$old"
ok "it is given as a spare" sparectl spare add "$(lab_dev "$old")"
clean
spared_agrees "$(lab_dev 3)"

say "the power goes in the middle of a copy and of a rebuild"
for v in five one six; do lab_writer_clean $v; done
for v in five six; do lab_writer_start $v /dev/mapper/$v --pace 4000 --journal "$LAB_OUT/$v.journal"; done
sparectl array speed six 100KiB/s > /dev/null
ok "a member fails" sparectl array fail six "$(spared_disk_at six 3)"
lab_wait_for '[ "$(spared_member six 3)" = rebuilding ]' 30
new=$(spared_array five 'spares[] | select(.state == "idle") | .name' | sed -n 1p) old=$(spared_disk_at five 2)
slow "$(lab_number "$new")"
ok "a copy" sparectl array replace five "$old" --with "$new"
is "both are under way" "$(mirrors) $(spared_member six 3)" "2 rebuilding"
lab_number "$old" > "$LAB_OUT/old"
lab_number "$new" > "$LAB_OUT/new"
lab_cut
fi

configure
is "the old disk is the member" "$(spared_disk_at five 2) $(spared_states five)" "$(name "$(cat "$LAB_OUT/old")") in-sync in-sync in-sync"
like "the new one a spare, as before" "$(spared_array five 'spares[] | "\(.name) \(.state)"')" "$(name "$(cat "$LAB_OUT/new")") idle"
spared_optimal six
for v in five six; do
	ok "$v: every acknowledged block" lab_writer verify --journal "$LAB_OUT/$v.journal" /dev/mapper/$v
done
lab_wait_for "dmsetup status five | grep -q idle" 30

say "mdadm reads the arrays"
for v in five one six; do ok "$v stops" sparectl array stop $v; done
members=$(for v in five one six; do spared_array $v 'members[] | "/dev/" + .name'; done)
spared_stop
dmsetup remove_all
lab_md_assemble ddf $members
for v in five one six; do
	lab_wait_for "[ -e /dev/md/$v ]" 30
	[ $v = one ] || ok "by mdadm, $v: every acknowledged block" lab_writer verify --journal "$LAB_OUT/$v.journal" /dev/md/$v
done
lab_md_stop
lab_done
