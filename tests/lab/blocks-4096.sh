#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=240
# Disks with logical blocks of 4096 bytes: a RAID5 with a spare, a RAID6 that is given one, and a RAID1. They start, lose a
# member each, are whole again, stop and start, and every acknowledged block is there. mdadm and blkid see no DDF on them.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

lab_disks 12 48 sector_size=4096
is "the disks have blocks of 4096 bytes" "$(cat /sys/block/sd[a-l]/queue/logical_block_size | sort | uniq -c | tr -s ' ')" " 12 4096"
said=$(mdadm --create /dev/md/ddf --metadata=ddf --raid-devices=2 $(lab_devs 1-2) --run 2>&1 && mdadm -E "$(lab_dev 1)" 2>&1) || true
say "mdadm: $(tail -n 3 <<< "$said" | paste -sd' ')"
mdadm --stop /dev/md/ddf > /dev/null 2>&1 || true
for dev in $(lab_devs 1-12); do dd if=/dev/zero of="$dev" bs=1M oflag=direct status=none 2> /dev/null || true; done

like "a RAID5 and a spare are laid out" "$(ddf_lay spare-global $(lab_devs 1-4))" "volume v5 raid5"
like "a RAID6" "$(ddf_lay raid6-n-continue $(lab_devs 5-8))" "volume v6 raid6"
like "a RAID1" "$(ddf_lay raid1 $(lab_devs 9-10))" "volume v1 raid1"
say "mdadm -E: $(mdadm -E "$(lab_dev 1)" 2>&1 | sed -n 1,3p | paste -sd' ')"
say "blkid: $(blkid -p "$(lab_dev 1)" 2>&1 | sed -n 1,3p | paste -sd' ')"
nok "mdadm sees no DDF" mdadm -E "$(lab_dev 1)"
nok "nor does blkid" blkid -p "$(lab_dev 1)"

spared_configure "$(spared_set_of "$(lab_dev 1)")" "$(spared_set_of "$(lab_dev 5)")" "$(spared_set_of "$(lab_dev 9)")"
spared_quick
spared_start
health() { dmsetup status "$1" | awk '{ print $6 }'; }
for v in v5 v6 v1; do
	spared_optimal $v
	is "$v has blocks of 4096 bytes" "$(cat "/sys/block/$(basename "$(readlink -f /dev/mapper/$v)")/queue/logical_block_size")" 4096
	lab_writer_start $v /dev/mapper/$v --pace 3000
done
is "all members are in sync at once" "$(health v5) $(health v6) $(health v1)" "AAA AAAA AA"

ok "a blank disk becomes the RAID6's spare" sparectl spare add "$(lab_dev 11)" --array v6
say "one member of each is pulled"
lab_stream_mark mon
mirror=$(spared_disk v1 0)
for n in "$(spared_disk v5 1)" "$(spared_disk v6 2)" "$mirror"; do lab_pull "$n"; done
lab_wait_for "[ \$(tail -n +${lab_stream_from[mon]} /run/lab/files/mon | grep -c '\"kind\": \?\"spare.activated\"') -ge 2 ]" 60
for v in v5 v6; do spared_optimal $v; done
lab_wait_for '[ "$(spared_states v1)" = "failed in-sync" ]' 20
lab_plug "$mirror"
spared_stale "$(lab_dev "$mirror")"
ok "the mirror's own disk is taken back" sparectl array re-add v1 "$(lab_dev "$mirror")"
like "by bitmap" "$(sparectl history --json --array v1)" "by bitmap"
spared_optimal v1
is "all are whole" "$(health v5) $(health v6) $(health v1)" "AAA AAAA AA"
for v in v5 v6 v1; do
	ok "$v is checked" dmsetup message $v 0 check
	lab_wait_for "dmsetup status $v | awk '{ exit \$8 != \"idle\" }'" 60
	is "$v: members agree" "$(dmsetup status $v | awk '{ print $9 }')" 0
done

say "kill -9, a start on the running arrays, a stop, and a start from the disks alone"
spared_kill
spared_start
for v in v5 v6 v1; do spared_optimal $v; done
for v in v5 v6 v1; do
	lab_writer_clean $v
	ok "$v stops" sparectl array stop $v
	ok "$v starts" sparectl array start $v
	spared_optimal $v
	ok "$v: every acknowledged block" lab_writer verify --state /run/lab/files/$v.state /dev/mapper/$v
	ok "$v stops" sparectl array stop $v
done
is "no start resynced anything" "$(grep -c 'resync-started' /run/lab/files/mon || true)" 0
lab_done
