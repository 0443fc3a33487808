#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=600 disks=nbd:5:80M
# The power goes after the kernel has failed a member and acknowledged new data, and before the format is told: the start
# finds it in the slices, and reads new. What was dirty is resynced, as far as the bitmap says. Then mdadm runs in between,
# two halves go on alone, and a forced start.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/act.sh"

modprobe dm-raid
ALL=$(lab_devs h1 h2 h3 h4 h5 | paste -sd,)
settled() { lab_wait_for "dmsetup status $1 | grep -q idle" 60; }

if [ "$LAB_BOOT" = 1 ]; then
	lab_md_container ddf $(lab_devs h1 h2 h3 h4 h5)
	lab_md_volume ddf v5 5 4 --chunk=64 --size=12M
	lab_md_sync v5
	lab_md_volume ddf v1 1 2 --size=8M
	lab_md_sync v1
	lab_fill /dev/md/v5 3
	lab_fill /dev/md/v1 4
	lab_md_stop
	ok "v5 starts" act --volume v5 "$ALL" assemble
	ok "v1 starts" act --volume v1 "$ALL" assemble
	lab_writer_start w1 /dev/mapper/v1 --journal "$LAB_OUT/w1.journal"
	lab_writer_start w5 /dev/mapper/v5 --journal "$LAB_OUT/w5.journal"
	lab_pause 1
	break_leg v5 1
	lab_wait_for "dmsetup status v5 | grep -q ' ADAA '" 20
	lab_pause 2
	lab_cut
fi

ok "v1 starts after the cut" act --volume v1 "$ALL" assemble
say "v1: $(dmsetup status v1)"
settled v1
# A start from clean slices raises no event; the end of a resync does.
is "v1 was being written: it was resynced" "$(dmsetup info -c --noheadings -o events v1)" 1
ok "v1: every acknowledged block reads back" lab_writer verify --journal "$LAB_OUT/w1.journal" /dev/mapper/v1
dmsetup message v1 0 check
settled v1
is "v1: both halves are the same" "$(dmsetup status v1 | awk '{ print $9 }')" 0
ok "v5 starts after the cut" act --volume v5 "$ALL" assemble:degraded
is "v5: the member that only the slices knew failed is out" "$(health v5)" "A-AA"
ok "v5: every acknowledged block reads back" lab_writer verify --journal "$LAB_OUT/w5.journal" /dev/mapper/v5
ok "v5 stops" act --volume v5 "$ALL" stop
ok "v1 stops" act --volume v1 "$ALL" stop
free_disks

say "mdadm runs in between"
lab_md_assemble ddf $(lab_devs h1 h2 h3 h4 h5)
lab_fill /dev/md/v1 9
lab_md_stop
ok "v1 starts with slices anew" act --volume v1 "$ALL" assemble
ok "v1: what mdadm wrote" lab_check_fill /dev/mapper/v1 9

ok "v1 stops" act --volume v1 "$ALL" stop
free_disks
say "beyond redundancy"
short=$(for d in $(tr , ' ' <<< "$ALL"); do echo "$d"; done | sed -n 1,2p | paste -sd,)
nok "v5 is refused with two of four" act --volume v5 "$short" assemble:degraded
free_disks

say "two halves"
for d in h1 h2; do dd if=/dev/zero of="$(lab_dev "$d")" bs=1M seek=46 oflag=direct status=none 2> /dev/null || true; done
a=$(lab_dev h1) b=$(lab_dev h2)
lab_md_container two "$a" "$b"
lab_md_volume two half 1 2 --size=8M
lab_md_sync half
lab_md_stop
ok "the mirror starts" act "$a,$b" assemble
ok "and stops" act "$a,$b" stop
free_disks
ok "one half alone" act "$a" assemble:degraded
lab_fill /dev/mapper/half 10
ok "stops" act "$a" stop
free_disks
ok "the other half alone" act "$b" assemble:degraded
lab_fill /dev/mapper/half 11
ok "stops" act "$b" stop
free_disks
nok "together they are refused" act "$a,$b" assemble:degraded
ok "a forced, read-only start shows one" act "$a,$b" assemble:degraded:force:read-only
is "it cannot be written" "$(blockdev --getro /dev/mapper/half)" 1
ok "it is one of them" eval 'lab_check_fill /dev/mapper/half 10 || lab_check_fill /dev/mapper/half 11'
ok "and stops" act "$a,$b" stop
free_disks
nok "and they are still refused" act "$a,$b" assemble:degraded

say "forced"
ok "the first half again" act "$a" assemble:degraded
ok "stops" act "$a" stop
free_disks
lab_done
