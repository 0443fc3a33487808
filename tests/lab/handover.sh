#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300 manual
# One RAID5 goes from mdadm to spared and back, in each state: degraded, in the middle of a rebuild, whole, and as a crash leaves
# it. Each finds the state that the other left, ends what the other began, and has every block that was acknowledged.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

lab_disks 4 48
lab_md_container ddf $(lab_devs 1-4)
lab_md_volume ddf v 5 3 --chunk=64 --size=12M
lab_md_sync v
lab_fill /dev/md/v 1
rm -f /etc/mdadm/mdadm.conf
spared_configure "$(spared_set_of "$(lab_dev 1)")"
spared_quick
sed -i 's/^disable: .*/disable: [shared-cause, member-returned, fill-empty-slot]/; /member-returned:\|fill-empty-slot:/d' /etc/spared/rules.d/90-quick.yaml
# Another udev rule would hand the disks to mdadm between the two.
to_spared() { lab_md_stop; spared_start; lab_wait_for 'sparectl array start v --degraded' 40; }
to_mdadm() {
	ok "spared stops it" sparectl array stop v
	spared_stop
	dmsetup remove_all
	lab_md_assemble ddf "$@"
	lab_wait_for '[ -e /dev/md/v ]' 30
}
md() { basename "$(readlink -f /dev/md/v)"; }
md_state() { mdadm -E "$(lab_dev "$1")" | sed -n 's/^ *state\[0\] : //p'; }
same() { ok "$1: every block" lab_check_fill "$2" "$3"; }

say "mdadm fails a member, and its rebuild is stopped in the middle"
lab_md_speed 300
mdadm /dev/md/v --fail "$(lab_dev 1)" 2>&1 | lab_quiet
lab_wait_for "grep -qx recover /sys/block/$(md)/md/sync_action" 30
lab_fill /dev/md/v 2
to_spared
is "spared goes on with it" "$(spared_states v | tr ' ' '\n' | sort | paste -sd' ')" "in-sync in-sync rebuilding"
lab_md_speed 200000
ok "and ends it" spared_optimal v 60
same "by spared" /dev/mapper/v 2
ok "a check" sparectl array check v
lab_wait_for '[ "$(spared_array v scrubbed)" != 0 ]' 60
is "nothing differs" "$(spared_array v mismatches)" 0

say "degraded by spared, and back"
out=$(spared_disk v 0)
ok "a member fails" sparectl array fail v "$(lab_dev "$out")"
lab_fill /dev/mapper/v 3
left=$(for s in 1 2; do echo "/dev/$(spared_disk_at v $s)"; done)
to_mdadm $left
is "mdadm runs it degraded" "$(cat "/sys/block/$(md)/md/degraded")" 1
same "by mdadm" /dev/md/v 3
lab_fill /dev/md/v 4
to_spared
is "spared runs it degraded" "$(spared_array v state)" degraded
same "by spared" /dev/mapper/v 4

say "spared's rebuild, stopped in the middle"
lab_fill /dev/mapper/v 5
lab_md_speed 300
ok "the disk is given again" sparectl spare add "$(lab_dev "$out")"
ok "as a spare that takes the place" sparectl spare activate v "$(lab_dev "$out")"
like "it is being rebuilt" "$(spared_states v)" rebuilding
members=$(for s in 0 1 2; do echo "/dev/$(spared_disk_at v $s)"; done)
to_mdadm $members
lab_md_speed 200000
lab_md_sync v
# mdadm 4.2 runs it, and does not go on with the rebuild.
is "mdadm runs it degraded" "$(cat "/sys/block/$(md)/md/degraded")" 1
same "by mdadm" /dev/md/v 5
to_spared
ok "spared ends it" spared_optimal v 60
same "by spared" /dev/mapper/v 5

say "spared is killed while it is written, and mdadm takes it as it is"
lab_writer_start w /dev/mapper/v --pace 3000
lab_wait_for '[ "$(lab_writer_stats w | lab_json writes)" -ge 50 ]' 30
spared_kill
lab_writer_stop w > /dev/null
dmsetup remove_all
is "by mdadm" "$(md_state "$(lab_number "${members%%$'\n'*}")")" "Optimal, Not Consistent"
lab_md_assemble ddf $members
lab_wait_for '[ -e /dev/md/v ]' 30
lab_md_sync v
ok "by mdadm: every acknowledged block" lab_writer verify --state /run/lab/files/w.state /dev/md/v
to_spared
is "and back, clean" "$(spared_array v state)" optimal
ok "by spared: every acknowledged block" lab_writer verify --state /run/lab/files/w.state /dev/mapper/v
lab_done
