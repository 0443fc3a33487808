#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=260
# A snapshot of an array with a file system in use is what was there at that moment, while a member fails and a spare is rebuilt
# under both. One that runs full is told, and the array goes on. When the last one ends, the array is as it was.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"
modprobe -a dm-snapshot loop

lab_disks 7 48
lab_md_container ddf $(lab_devs 1-4)
lab_md_volume ddf data 5 3 --chunk=64 --size=8M
lab_md_sync data
lab_md_stop
spared_configure "$(spared_set_of "$(lab_dev 1)")"
spared_quick
spared_start
spared_optimal data
mkfs.ext4 -q -F /dev/mapper/data
mkdir -p /m /s
mount /dev/mapper/data /m
cow=$(lab_dev 6)
dmsetup create small --table "0 4096 linear $(lab_dev 7) 0"
lines() { wc -l < "$1/lines"; }
suspended() { dmsetup info -c --noheadings -o suspended | grep -c Suspended || true; }
# It writes a line after the other, each flushed, until it is told to end.
(while [ ! -e /run/lab/files/enough ]; do date +%N >> /m/lines && sync /m/lines || echo failed >> /run/lab/files/errors; done) &
writer=$!

say "--- made ---"
like "a dry run shows the tables" "$(sparectl array snapshot data nightly --on "$cow" --dry-run)" \
	"table of data after: +snapshot-origin data-real"
like "and leaves the array's" "$(dmsetup table data)" " raid raid5"
nok "a disk of the set is no place for it" sparectl array snapshot data nightly --on "$(lab_dev 4)"
printf x | dd of="$cow" conv=notrunc 2> /dev/null
like "one that holds something neither" "$(sparectl array snapshot data nightly --on "$cow" 2>&1 || true)" "is not empty"
truncate -s 4M /m/file
loop=$(losetup -f --show /m/file)
like "nor one that lies on the array" "$(sparectl array snapshot data nightly --on "$loop" 2>&1 || true)" "lies on data itself"
losetup -d "$loop"
lab_stream_mark mon
ok "made" sparectl array snapshot data nightly --on "$cow" --wipe
spared_event snapshot.added > /dev/null
is "the array's device is an origin, the raid table is below" \
	"$(dmsetup table data data-real | grep -oE 'snapshot-origin|raid5_[a-z]+' | tr '\n' ' ')" "snapshot-origin raid5_ls "
is "nothing is suspended" "$(suspended)" 0
snap=/dev/mapper/data-snap-nightly
ok "its file system is whole, with nothing to replay" e2fsck -fn "$snap"
mount -o ro "$snap" /s
then=$(lines /s)
sum=$(sha1sum < "$snap")
ok "lines before it are in it: $then" test "$then" -gt 0
lab_wait_for "[ \$(wc -l < /m/lines) -gt $((then + 2)) ]" 20

say "--- a member fails, a spare is rebuilt ---"
gone=$(spared_disk data 1)
lab_stream_mark mon
lab_pull "$gone"
spared_event spare.activated > /dev/null
spared_optimal data 60
is "the origin is above still" "$(dmsetup table data | cut -d' ' -f3)" snapshot-origin
is "the snapshot is what it was" "$(sha1sum < "$snap")" "$sum"
ok "and its file" test "$(lines /s)" = "$then"

say "--- one that runs full ---"
lab_stream_mark mon
ok "a second one, beside it" sparectl array snapshot data tiny --on /dev/mapper/small
dd if=/dev/urandom of=/m/big bs=1M count=4 conv=fsync 2> /dev/null
spared_event snapshot.invalid > /dev/null
like "status says so" "$(sparectl status)" "snapshot tiny .* invalid"
like "the other is well, and how full it is told" "$(sparectl status)" "snapshot nightly .*%"
is "its content too" "$(sha1sum < "$snap")" "$sum"
sparectl status --json > "$LAB_OUT/status.json"
ok "the status is as its schema says" spared_valid answer-status "$LAB_OUT/status.json"

say "--- the end ---"
like "one in use stays" "$(sparectl array snapshot data nightly --remove 2>&1 || true)" "in use"
umount /s
ok "the full one ends" sparectl array snapshot data tiny --remove
ok "the other" sparectl array snapshot data nightly --remove
lab_wait_for '! dmsetup info data-real' 20
like "the array has its table again" "$(dmsetup table data)" " raid raid5_ls"
is "nothing is suspended" "$(suspended)" 0
is "nothing of them is left" "$(dmsetup ls | grep -cE 'snap|real' || true)" 0
touch /run/lab/files/enough
wait "$writer"
nok "no write failed" test -e /run/lab/files/errors
umount /m
ok "the array's file system is whole" e2fsck -fn /dev/mapper/data
spared_agrees "$(lab_dev "$(spared_disk data 0)")"
ok "the array stops" sparectl array stop data
spared_stop
lab_done
