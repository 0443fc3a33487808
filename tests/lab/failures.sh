#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300
# Several disks at once, through the daemon: two members of a RAID6, one of each mirror of a RAID10, one of a RAID1: a spare
# for each, and no writer sees an error. Then more than there is redundancy for: three of the RAID6, both disks of a mirror.
# It is said, the metadata stay at the last state that could run, and with the disks back what was acknowledged is there.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

lab_disks 15 48
lab_md_container ddf $(lab_devs 1-15)
lab_md_array six 6 8M -n 4 --chunk=64 $(lab_devs 1-4)
lab_md_array ten 10 8M -n 4 --chunk=64 $(lab_devs 5-8)
lab_md_array one 1 8M -n 2 $(lab_devs 9-10)
lab_udev_settle
for v in six ten one; do lab_md_sync $v; done
lab_md_stop

spared_configure "$(spared_set_of "$(lab_dev 1)")"
spared_quick
spared_start
for v in six ten one; do
	spared_optimal $v
	lab_writer_start $v /dev/mapper/$v --pace 4000
done
health() { dmsetup status "$1" | awk '{ print $6 }'; }
# By mdadm: the first word of a volume's state on disk $2, and the sequence number of all on disk $1.
mdadm_state() { lab_md_state "$1" "$(lab_dev "$2")" | cut -d, -f1; }
mdadm_seq() { mdadm -E "$(lab_dev "$1")" | sed -n 's/^ *Seq : //p'; }

say "two of the RAID6, one of each mirror of the RAID10, one of the RAID1: gone together"
lab_stream_mark mon
pulled=("$(spared_disk six 0)" "$(spared_disk six 2)" "$(spared_disk ten 1)" "$(spared_disk ten 2)" "$(spared_disk one 0)")
for n in "${pulled[@]}"; do lab_pull "$n"; done
lab_wait_for "[ \$(tail -n +${lab_stream_from[mon]} /run/lab/files/mon | grep -c '\"kind\": \?\"spare.activated\"') -ge 5 ]" 90
for v in six ten one; do spared_optimal $v; done
is "all five were replaced" "$(health six) $(health ten) $(health one)" "AAAA AAAA AA"
spared_agrees "$(lab_dev 10)"
for v in six one; do lab_writer_clean $v; done

say "three of the RAID6 at once, and one mirror of the RAID10, one disk after the other under the writer"
pulled=("$(spared_disk six 0)" "$(spared_disk six 1)" "$(spared_disk six 3)")
left=$(spared_disk six 2) first=$(spared_disk ten 2) second=$(spared_disk ten 3)
for n in "${pulled[@]}"; do lab_pull "$n"; done
lab_wait_for '[ "$(spared_array six state)" = failed ]' 30
lab_pull "$first"
# Until it is on the disks, not only known: what has not been written before the other one goes cannot be any more.
lab_wait_for '[ "$(mdadm_state ten "$left")" = Degraded ] && [ "$(health ten)" != AAAA ]' 30
lab_pull "$second"
lab_wait_for '[ "$(spared_array ten state)" = failed ]' 30
for v in six ten; do
	ok "$v: a person is told" lab_wait_for "grep -q '$v has failed' $LAB_OUT/notices" 20
	ok "it is in the history" lab_wait_for "sparectl history --json --array $v | grep -q array.failed" 20
	# Of the RAID6 none, one or two of the three, by when the others were gone.
	like "its metadata say what could still run" "$(mdadm_state $v "$left")" '^(Optimal|Partially Optimal|Degraded)$'
done
like "the last member is not taken away" "$(sparectl array fail six "$(lab_dev "$left")" 2>&1 || true)" "cannot do without"
lab_writer_stop ten > "$LAB_OUT/ten.failed"
nok "the RAID6 cannot be read" dd if=/dev/mapper/six of=/dev/null bs=1M iflag=direct
seq=$(mdadm_seq "$left")
ok "the RAID6 stops" sparectl array stop six
ok "the RAID10 stops" sparectl array stop ten
is "and nothing was written by that" "$(mdadm_seq "$left")" "$seq"

say "the disks come back"
lab_plug "$first"
spared_stale "$(lab_dev "$first")"
like "the mirror's disk that missed writes starts nothing" "$(sparectl array start ten --degraded 2>&1 || true)" "too few"
for n in "$second" "${pulled[@]}"; do lab_plug "$n"; done
lab_wait_for '[ "$(spared_member ten 3)" = in-sync ]' 30
ok "the other one does" sparectl array start ten --degraded
ok "every acknowledged block" lab_writer verify --state /run/lab/files/ten.state /dev/mapper/ten
nok "the RAID6 is not started by itself" sparectl array start six --degraded
ok "but by force" sparectl array start six --force --yes
ok "every acknowledged block" lab_writer verify --state /run/lab/files/six.state /dev/mapper/six
ok "the failed disk is taken back" sparectl array re-add ten "$(lab_dev "$first")"
# Those that were missing return by themselves; one that was failed while the others still went does not.
for n in "${pulled[@]}"; do sparectl array re-add six "$(lab_dev "$n")" > /dev/null; done
spared_optimal ten
spared_optimal six
is "all are whole" "$(health six) $(health ten) $(health one)" "AAAA AAAA AA"
for v in six ten one; do ok "$v stops" sparectl array stop $v; done
members=$(for v in six ten one; do spared_array $v 'members[] | "/dev/" + .name'; done)
spared_stop
dmsetup remove_all
lab_md_assemble ddf $members
for v in six ten one; do
	lab_wait_for "[ -e /dev/md/$v ]" 30
	ok "by mdadm, $v: every acknowledged block" lab_writer verify --state /run/lab/files/$v.state /dev/md/$v
done
lab_md_stop
lab_done
