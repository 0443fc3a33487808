#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=200 disks=nbd:10:64M
# A member that still works is copied to a spare, which takes its slot; under writers, and the array is never degraded by it:
# a RAID5, a RAID1, a RAID6. The new disk dies under it, the old one does, act is killed, and the old one has places that
# cannot be read: then the RAID6 rebuilds from the others, and the RAID5 keeps it. At last mdadm reads all of it.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

lab_md_container ddf $(lab_devs 1-10)
volume() { mdadm --create "/dev/md/$1" --level="$2" --size=6M "${@:3}" --run > /dev/null 2>&1; }
volume five 5 -n 3 --chunk=64 $(lab_devs 1-3)
volume one 1 -n 2 $(lab_devs 1-2)
volume six 6 -n 4 --chunk=64 $(lab_devs 4-7)
lab_udev_settle
for v in five one six; do lab_md_sync $v; done
lab_md_stop

spared_configure "$(spared_set_of "$(lab_dev 1)")"
spared_quick
spared_start
for v in five one six; do
	spared_optimal $v
	lab_writer_start $v /dev/mapper/$v --pace 4000
done
# How the last copy of a member ended: done, failed, interrupted.
ended() { lab_stream_wait mon '"kind": ?"array.resync-finished".*"resync.kind": ?"replace"' 60 | jq -r '.event.facts["resync.result"]'; }
health() { dmsetup status "$1" | awk '{ print $6 }'; }
degraded() { tail -n +"${lab_stream_from[mon]}" /run/lab/files/mon | grep -c '"kind": \?"array.degraded"' || true; }
legs() { dmsetup table | grep -c "^$1-.*mirror" || true; }

say "RAID5: disk by disk, under I/O"
lab_stream_mark mon
old=$(spared_disk_at five 1)
ok "a dry run" sparectl array replace five "$old" --dry-run
ok "to the disk that was named" sparectl array replace five "$old" --with "$(lab_dev 8)"
is "it is done" "$(ended)" done
spared_optimal five
is "the other disk has the slot" "$(spared_disk_at five 1)" "$(basename "$(lab_dev 8)")"
is "the array was never degraded" "$(degraded)" 0
lab_writer_clean five
is "nothing differs" "$(sparectl array check five > /dev/null; lab_wait_for '[ "$(spared_array five mismatches)" != null ]' 30; spared_array five mismatches)" 0
spared_agrees "$(lab_dev 1)"
lab_done
