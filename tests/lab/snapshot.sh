#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=260
# A snapshot of an array with a file system in use is what was there at that moment, while a member fails and a spare is rebuilt
# under both. One that runs full is told, and the array goes on. When the last one ends, the array is as it was. The act process is
# killed while the array is suspended for the first one, and the broker with it while the last one ends (each point:
# snapshot-kills.sh); one that ran full while no broker was there is told after its start.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"
PATH=$LAB_BUILD/bin/held:$PATH hold=/run/lab/hold
mkdir -p $hold
modprobe -a dm-snapshot loop

lab_disks 7 48
lab_md_container ddf $(lab_devs 1-4)
lab_md_volume ddf data 5 3 --chunk=64 --size=8M
lab_md_sync data
lab_md_stop
set=$(spared_set_of "$(lab_dev 1)")
spared_configure "$set"
spared_quick
spared_start
spared_optimal data
lab_wait_for '[ -b /dev/mapper/data ]'
mkfs.ext4 -q -F /dev/mapper/data
mkdir -p /m /s
mount /dev/mapper/data /m
cow=$(lab_dev 6)
dmsetup create small --table "0 8192 linear $(lab_dev 7) 0"
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
echo "snapshot 3 dm resume" > "$hold/$set"
sparectl array snapshot data nightly --on "$cow" --wipe > /dev/null 2>&1 &
lab_wait_for "[ -e $hold/$set.held ]" 30
is "the array's table is below, and it is suspended" "$(dmsetup table data-real | cut -d' ' -f3) $(suspended)" "raid 1"
kill -KILL "$(cat "$hold/$set.held")"
rm "$hold/$set.held"
wait $! || true
lab_wait_for '! dmsetup info data-real && [ "$(spared_array data plan)" = "" ]' 30
is "killed there: the array goes on, and nothing is left" "$(dmsetup ls | grep -cE 'snap|real|cow' || true) $(suspended)" "0 0"
like "with its table" "$(dmsetup table data)" " raid raid5_ls"
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

say "--- one that runs full, while no broker is there ---"
ok "a second one, beside it" sparectl array snapshot data tiny --on /dev/mapper/small
lab_wait_for 'sparectl status | grep "snapshot tiny"'
lab_pause 2.5 # what it knows is saved
spared_kill
dd if=/dev/urandom of=/m/big bs=1M count=4 conv=fsync 2> /dev/null
spared_start
lab_wait_for 'sparectl history --since 1h --json | grep snapshot.invalid' 20
is "it is told once the broker is back, and the other is no news" \
	"$(sparectl history --since 1h --type event | grep -oE 'snapshot\.(added|invalid|removed)' | sort | uniq -c | tr -s ' \n' ' ')" " 2 snapshot.added 1 snapshot.invalid "
like "status says so" "$(sparectl status)" "snapshot tiny .* invalid"
like "the other is well, and how full it is told" "$(sparectl status)" "snapshot nightly .*%"
is "its content too" "$(sha1sum < "$snap")" "$sum"
sparectl status --json > "$LAB_OUT/status.json"
ok "the status is as its schema says" spared_valid answer-status "$LAB_OUT/status.json"

say "--- the end ---"
like "one in use stays" "$(sparectl array snapshot data nightly --remove 2>&1 || true)" "in use"
umount /s
ok "the full one ends" sparectl array snapshot data tiny --remove
echo "drop-snapshot 2 dm resume" > "$hold/$set"
sparectl array snapshot data nightly --remove > /dev/null 2>&1 &
lab_wait_for "[ -e $hold/$set.held ]" 30
kill -KILL "$(cat "$hold/$set.held")"
spared_kill
spared_start
lab_wait_for '! dmsetup info data-real' 30
lab_wait_for '[ "$(spared_array data plan)" = "" ]' 20
nok "the other, though both were killed between the tables" grep "snapshot nightly" <(sparectl status)
like "the array has its table again" "$(dmsetup table data)" " raid raid5_ls"
is "nothing is suspended" "$(suspended)" 0
is "nothing of them is left" "$(dmsetup ls | grep -cE 'snap|real|cow' || true)" 0
touch /run/lab/files/enough
wait "$writer"
nok "no write failed" test -e /run/lab/files/errors
umount /m
ok "the array's file system is whole" e2fsck -fn /dev/mapper/data
ok "one more, which keeps the block with the superblock first of all" sparectl array snapshot data last --on "$cow" --wipe
dd if=/dev/mapper/data of=/dev/mapper/data bs=4k count=1 conv=notrunc,fsync status=none
is "its space does not look like the array to those who look for file systems" "$(blkid -p "$cow" || true)" ""
ok "nor afterwards" eval 'sparectl array snapshot data last --remove && ! blkid -p "$cow"'
spared_agrees "$(lab_dev "$(spared_disk data 0)")"
ok "the array stops" sparectl array stop data
spared_stop
lab_done
