#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300
# A member that is listed again must read new. It is pulled, writes go on, it returns: by bitmap while the disk was awaited,
# and by a person's hand after it was failed; then the others go, so that it is read itself. At last mdadm runs the arrays
# between a crash and the next start: its data count, and no slice from before.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

lab_disks 5 48
lab_md_container ddf $(lab_devs 1-5)
lab_md_array one 1 8M -n 2 $(lab_devs 1-2)
lab_md_array five 5 8M -n 3 --chunk=64 $(lab_devs 3-5)
lab_udev_settle
lab_md_sync one
lab_md_sync five
lab_md_stop

spared_configure "$(spared_set_of "$(lab_dev 1)")"
spared_quick
spared_start

writers() { for v in one five; do lab_writer_start $v /dev/mapper/$v --pace 5000; done; }
# Until so many more writes are acknowledged.
writes_go_on() {
	local upto
	upto=$(($(lab_writer_stats "$1" | lab_json writes) + 100))
	lab_wait_for "[ \$(lab_writer_stats $1 | lab_json writes) -ge $upto ]" 30
}
spared_slot_of() { sparectl status --json | jq -e --arg d "${1##*/}" '.status.arrays[].members[] | select(.name == $d)'; }
# A slot of the RAID5 whose disk the mirror does not use.
free_slot() {
	local slot
	for slot in 0 1 2; do
		[ "$(spared_slot one "$(spared_disk_at five $slot)")" ] || echo $slot
	done | sed -n 1p
}
how_it_returned() { sparectl history --json --array "$1" | grep -oE 'by bitmap|full rebuild: [^"]*' | tail -n1; }

spared_optimal one
spared_optimal five
writers

say "the RAID5's member is away in maintenance, the RAID1's for too long"
awaited=$(spared_disk five 1) failed=$(spared_disk one 0)
sparectl maintenance on "$(lab_dev "$awaited")" > /dev/null
lab_pull "$awaited"
lab_pull "$failed"
ok "a person is told" lab_wait_for "grep -q 'one lost a member and no spare' $LAB_OUT/notices" 30
writes_go_on one
writes_go_on five
is "one is awaited, one is failed" "$(spared_member five 1) $(spared_member one 0)" "missing failed"

say "and back: by itself, and by a person"
lab_plug "$awaited"
lab_plug "$failed"
sparectl maintenance off "$(lab_dev "$awaited")" > /dev/null
spared_optimal five
like "by bitmap" "$(how_it_returned five)" "by bitmap"
spared_stale "$(lab_dev "$failed")"
is "nothing takes back what was failed" "$(spared_member one 0)" failed
ok "re-added" sparectl array re-add one "$(lab_dev "$failed")"
spared_optimal one
like "by bitmap, too" "$(how_it_returned one)" "by bitmap"
spared_agrees "$(lab_dev 1)"

say "now they are needed"
lab_stream_mark mon
others=("$(spared_disk one 1)" "$(spared_disk five 0)")
for n in "${others[@]}"; do lab_pull "$n"; done
spared_event array.member-failed > /dev/null
writes_go_on one
writes_go_on five
is "the mirror runs on the disk that came back" "$(spared_states one)" "in-sync failed"
is "so does the RAID5" "$(spared_states five)" "failed in-sync in-sync"
lab_writer_clean one
lab_writer_clean five

say "the others come back"
for n in "${others[@]}"; do
	lab_plug "$n"
	dev=$(lab_dev "$n")
	spared_stale "$dev"
	ok "re-added" sparectl array re-add "$dev"
done
spared_optimal one
spared_optimal five

say "spared crashes, and mdadm runs the arrays; it fails a member"
spared_kill
dmsetup remove_all
lab_md_assemble ddf $(lab_devs 1-5)
lab_wait_for '[ -e /dev/md/one ] && [ -e /dev/md/five ]' 30
lab_md_sync one
lab_md_sync five
failed=$(lab_dev 1)
mdadm /dev/md/one --fail "$failed" 2>&1 | lab_quiet
lab_wait_for "mdadm -E $(lab_dev 2) | grep -q Failed" 20
# mdmon takes room on a disk of the RAID5 instead.
lab_wait_for "grep -qx 0 /sys/block/$(basename "$(readlink -f /dev/md/one)")/md/degraded" 30
lab_fill /dev/md/one 21
lab_fill /dev/md/five 25
lab_md_stop
spared_start
lab_wait_for '[ -e /dev/mapper/five ]' 30
ok "the RAID5 has what mdadm wrote" lab_check_fill /dev/mapper/five 25
lab_wait_for '[ -e /dev/mapper/one ]' 30
ok "the mirror too" lab_check_fill /dev/mapper/one 21
nok "what mdadm failed is in no slot" spared_slot_of "$failed"
lab_pull 2
lab_pull "$(spared_disk five "$(free_slot)")"
ok "what mdadm rebuilt has it alone" lab_check_fill /dev/mapper/one 21
ok "the RAID5 without a member" lab_check_fill /dev/mapper/five 25
lab_done
