#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=240
# While nothing of spared gets a turn, a member fails, writes go on without it, and the next one goes: that the first one missed
# them stands nowhere but in what the kernel wrote on the members that were left. A RAID10 and a RAID5: which disk is behind must
# be known from that, whichever comes back first.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

lab_disks 7 48
lab_md_container ddf $(lab_devs 1-7)
lab_md_array ten 10 8M -n 4 --chunk=64 $(lab_devs 1-4)
lab_md_array five 5 8M -n 3 --chunk=64 $(lab_devs 5-7)
lab_udev_settle
for v in ten five; do lab_md_sync $v; done
lab_md_stop

spared_configure "$(spared_set_of "$(lab_dev 1)")"
spared_quick
spared_start
declare -A first second left
for v in ten five; do
	spared_optimal $v
	lab_writer_start $v /dev/mapper/$v --pace 4000
done
first=([ten]=$(spared_disk ten 2) [five]=$(spared_disk five 0))
second=([ten]=$(spared_disk ten 3) [five]=$(spared_disk five 1))
left=([ten]=$(spared_disk ten 0) [five]=$(spared_disk five 2))
count() { lab_writer_stats "$1" | lab_json "$2"; }
# By mdadm on the disk that is left: the volume's state.
recorded() { lab_md_state "$1" "$(lab_dev "${left[$1]}")" | cut -d, -f1; }

say "one fails, writes go on, the next one goes; spared stands still"
pkill -STOP -x spared
for v in ten five; do
	lab_pull "${first[$v]}"
	lab_wait_for "dmsetup status $v | grep -q D" 30
	from=$(count $v writes)
	lab_wait_for "[ \$(count $v writes) -ge $((from + 50)) ]" 60
	is "$v: writes go on" "$(count $v errors)" 0
	lab_pull "${second[$v]}"
	lab_wait_for "[ \$(count $v errors) -gt 0 ]" 60
done
pkill -CONT -x spared
for v in ten five; do
	lab_wait_for "[ \"\$(spared_array $v state)\" = failed ]" 30
	ok "$v: a person is told" lab_wait_for "grep -q '$v has failed' $LAB_OUT/notices" 20
	is "$v: its metadata know nothing of it" "$(recorded $v)" Optimal
	lab_writer_stop $v > /dev/null
	ok "$v stops" sparectl array stop $v
done

say "the one that missed them comes back first"
for v in ten five; do
	lab_plug "${first[$v]}"
	lab_wait_for "[ \"\$(spared_member $v $([ $v = ten ] && echo 2 || echo 0))\" != missing ]" 30
	nok "$v is not started with it" sparectl array start $v --degraded
done

say "and then the other one"
for v in ten five; do
	lab_plug "${second[$v]}"
	lab_wait_for "[ \"\$(spared_member $v $([ $v = ten ] && echo 3 || echo 1))\" != missing ]" 30
done
ok "the RAID10 starts" sparectl array start ten --degraded
# Of a RAID5 both failed for the kernel: a person says so, what missed less is taken.
nok "the RAID5 does not" sparectl array start five --degraded
ok "but by force" sparectl array start five --force --yes
for v in ten five; do
	ok "$v: every acknowledged block" lab_writer verify --state /run/lab/files/$v.state /dev/mapper/$v
done
like "ten: without the one that missed writes" "$(recorded ten)" Degraded
like "five, too" "$(recorded five)" Degraded
for v in ten five; do
	ok "$v: it is taken back" sparectl array re-add $v "$(lab_dev "${first[$v]}")"
	spared_optimal $v
	ok "$v: every acknowledged block" lab_writer verify --state /run/lab/files/$v.state /dev/mapper/$v
done
lab_done
