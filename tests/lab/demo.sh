#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=420 disks=nbd:10:96M
# The main job, told step by step: excessive errors -> fail member -> activate spare, on a real kernel.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

step() { printf '\n== %s\n' "$*"; }
tell() { printf '   %s\n' "$*"; }
# show COMMAND...: the command, and what it really prints.
show() {
	printf '\n   $ %s\n' "$*"
	{ "$@" 2>&1 || true; } | sed 's/^/   | /'
}

step "1. mdadm makes a DDF set: four disks of a RAID6, three of a RAID5, two spares"
lab_md_container ddf $(lab_devs 1-9) > /dev/null
mdadm --create /dev/md/vault --level=6 -n 4 --chunk=64 --size=20M $(lab_devs 1-4) --run > /dev/null 2>&1
mdadm --create /dev/md/desk --level=5 -n 3 --chunk=64 --size=20M $(lab_devs 5-7) --run > /dev/null 2>&1
lab_udev_settle
lab_md_sync vault
lab_md_sync desk
mkfs.ext4 -q /dev/md/vault
lab_fill /dev/md/desk 7 > /dev/null
mkdir -p /mnt/vault
mount /dev/md/vault /mnt/vault
dd if=/dev/urandom of=/mnt/vault/letters bs=1M count=8 status=none
sum=$(sha1sum < /mnt/vault/letters)
umount /mnt/vault
lab_md_stop
ok "md is stopped" sh -c '! grep -q ^md /proc/mdstat'
set_id=$(spared_set_of "$(lab_dev 1)")
show sparectl meta show "$(lab_dev 1)"

step "2. spared starts, hears the disks, and runs the arrays on device-mapper"
spared_configure "$set_id"
# Three disks of one controller in trouble within half a minute: a shipped rule takes that for the controller, and waits. Here it
# is what is played. And a member that is gone gets 15 seconds to come back, not the shipped 30.
cat > /etc/spared/rules.d/50-demo.yaml <<'END'
version: 1
override:
  member-gone: {for: 15s}
disable: [shared-cause]
END
show cat /etc/spared/rules.d/50-demo.yaml
spared_start
lab_wait_for '[ -e /dev/mapper/vault ] && [ -e /dev/mapper/desk ]' 60
spared_optimal vault
spared_optimal desk
show sparectl status
show dmsetup status vault
ok "the RAID5 holds what md wrote" lab_check_fill /dev/mapper/desk 7
mount /dev/mapper/vault /mnt/vault
is "the file in the RAID6 is as md left it" "$(sha1sum < /mnt/vault/letters)" "$sum"
lab_writer_start vault /mnt/vault/blocks --create 16
lab_writer_start desk /dev/mapper/desk --length 24
tell "two writers run; each checks every block that was acknowledged"

step "3. Disk 2 has unreadable places. The kernel heals each by rewriting; only the block layer tells"
lab_fault 2 "read 0 40960 heal"
lab_stream_mark mon
dd if=/dev/mapper/vault of=/dev/null bs=1M iflag=direct status=none
spared_event spare.activated "" 60 > /dev/null
lab_fault 2
spared_event array.optimal "" 120 > /dev/null
show sparectl history -n 8
show sparectl status
spared_optimal vault
spared_agrees "$(lab_dev 1)"
like "disk 2 is failed" "$(spared_mdadm_says "$(lab_dev 1)")" "^$(basename "$(lab_dev 2)") failed"

step "4. Disk 6 refuses a write. The kernel fails it by itself; spared records it and a spare takes over"
lab_stream_mark mon
lab_fault 6 "write 0 40960"
spared_event array.member-failed "" 60 > /dev/null
spared_event spare.activated "" 60 > /dev/null
lab_fault 6
spared_event array.optimal "" 120 > /dev/null
show sparectl status
spared_agrees "$(lab_dev 1)"

step "5. Disk 3 is pulled and no spare is left"
lab_stream_mark mon
lab_pull 3
spared_event array.degraded "" 60 > /dev/null
lab_stream_wait mon '"type": ?"notice".*vault' 60 | jq -r '"   told: " + .notice.text'
is "the RAID6 is degraded" "$(spared_array vault state)" degraded
show sparectl status
spared_agrees "$(lab_dev 1)"
tell "disk 10 is plugged in and given as a spare"
sparectl spare add "$(lab_dev 10)"
spared_event spare.activated "" 120 > /dev/null
spared_event array.optimal "" 120 > /dev/null
is "the RAID6 is optimal again" "$(spared_array vault state)" optimal

step "6. Disk 7 is pulled and back within the settle time: it returns by bitmap and costs no spare"
lab_stream_mark mon
lab_pull 7
spared_event array.degraded "" 60 > /dev/null
lab_plug 7
spared_event array.optimal "" 120 > /dev/null
is "the RAID5 is optimal" "$(spared_array desk state)" optimal
spared_agrees "$(lab_dev 1)"
show sparectl history -n 12

step "7. spared stops the arrays; mdadm, which knows nothing of spared, reads them"
lab_writer_clean vault
lab_writer_clean desk
is "the file is as md left it" "$(sha1sum < /mnt/vault/letters)" "$sum"
umount /mnt/vault
ok "the RAID6 stops" sparectl array stop vault
ok "the RAID5 stops" sparectl array stop desk
spared_stop
dmsetup remove_all
lab_md_assemble ddf $(lab_devs 1-10)
lab_wait_for '[ -e /dev/md/vault ] && [ -e /dev/md/desk ]' 30
mount -o ro /dev/md/vault /mnt/vault
is "by mdadm: the same file" "$(sha1sum < /mnt/vault/letters)" "$sum"
ok "by mdadm: every acknowledged block of the RAID5" lab_writer verify --state /run/lab/files/desk.state /dev/md/desk
ok "by mdadm: every acknowledged block of the RAID6" lab_writer verify --state /run/lab/files/vault.state /mnt/vault/blocks
umount /mnt/vault
lab_md_stop
lab_done
