#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=240
# Arrays that get more of their disks: a RAID5 under a writer, a RAID0, a RAID1 that does not run. What was written stays, what is
# added can be written at once and is resynced, also after it went down amid that; mdadm reads the new sizes and the same data.
# What has no room is refused by the name of the disk.
# shellcheck source=lib/lab.sh
. "$LAB_REPO/tests/lab/lib/lab.sh"
# shellcheck source=lib/spared.sh
. "$LAB_REPO/tests/lab/lib/spared.sh"

lab_disks 7 48
cp "$LAB_REPO"/contrib/udev/*.rules /etc/udev/rules.d/
rm -f /etc/mdadm/mdadm.conf
spared_configure nothing-yet
spared_start
devs() { for n in "$@"; do lab_dev "$n"; done; }
# Not zeros: parity that nobody made would match.
for d in $(devs 1 2 3 4 5); do dd if=/dev/urandom of="$d" bs=1M seek=1 count=14 oflag=direct status=none; done

ok "a RAID5 of 8 MiB" sparectl array create r5 --level raid5 --size 8MiB $(devs 1 2 3)
set=$(spared_array r5 set)
ok "a RAID1 of 3 MiB" sparectl array create r1 --level raid1 --size 3MiB --in "$set" $(devs 4 5)
ok "one more behind the RAID5" sparectl array create tail --level raid1 --size 1MiB --assume-clean --in "$set" $(devs 2 3)
ok "a RAID0 of 4 MiB" sparectl array create r0 --level raid0 --size 4MiB --in "$set" $(devs 6 7)
made() { [ "$(mdadm -E "$(lab_dev 1)" | grep -c 'Not Initialised')" = 0 ]; }
lab_wait_for made 60
sizes() { mdadm -E "$(lab_dev "$1")" | sed -n 's/ *Array Size\[[0-9]*\] : //p' | paste -sd' '; }
lab_fill /dev/mapper/r1 5 > /dev/null
lab_writer_start w /dev/mapper/r5

say "what is refused"
like "no room behind it, by the disk" "$(sparectl array grow r5 2>&1 || true)" "no room: disk [0-9a-f]{8} has 0 KiB free right behind"
like "a smaller size" "$(sparectl array grow r5 --size 4MiB 2>&1 || true)" "an array is never made smaller"
ok "what lies there is deleted" sparectl array delete tail --stop --yes
like "more than there is" "$(sparectl array grow r5 --size 1GiB 2>&1 || true)" "has [0-9]+ KiB free right behind the array's extent; each member needs [0-9]+ KiB more"
like "a dry run tells both sizes" "$(sparectl array grow r5 --size 16MiB --dry-run)" "size of r5 after:  16MiB"
is "and changes nothing" "$(blockdev --getsz /dev/mapper/r5)" 16384

say "under a writer"
udevadm monitor --kernel --property > /run/lab/files/uevents &
monitor=$!
ok "to 16 MiB" sparectl array grow r5 --size 16MiB
is "the device has it" "$(blockdev --getsz /dev/mapper/r5)" 32768
ok "and its users are told" lab_wait_for 'grep -q RESIZE=1 /run/lab/files/uevents' 10
kill $monitor
ok "what is new can be written" dd if=/dev/urandom of=/dev/mapper/r5 bs=64k seek=200 count=20 oflag=direct status=none
lab_wait_for made 60
is "mdadm reads the new size, initialised" "$(sizes 1)" 16384
is "all in sync" "$(spared_array r5 state)" optimal
lab_writer_clean w
check() {
	dmsetup message "$1" 0 check
	lab_wait_for "dmsetup status $1 | awk '{ exit \$8 != \"idle\" }'" 60
	is "$1: members agree" "$(dmsetup status "$1" | awk '{ print $9 }')" 0
}
check r5

say "without redundancy"
sum=$(lab_sum /dev/mapper/r0)
ok "a RAID0, too" sparectl array grow r0 --size 8MiB
is "has its size" "$(blockdev --getsz /dev/mapper/r0)" 16384
is "and its data" "$(head -c 4M /dev/mapper/r0 | sha1sum | cut -d' ' -f1)" "$sum"
dd if=/dev/urandom of=/dev/mapper/r0 bs=1M seek=5 count=2 oflag=direct status=none

say "stopped, and by all there is room for"
sum=$(lab_sum /dev/mapper/r1)
ok "r1 stops" sparectl array stop r1
ok "it is made larger" sparectl array grow r1
ok "it starts" sparectl array start r1
ok "by 11 MiB at least" test "$(blockdev --getsz /dev/mapper/r1)" -ge 28672
is "its data are there" "$(head -c 3M /dev/mapper/r1 | sha1sum | cut -d' ' -f1)" "$sum"
lab_wait_for '[ "$(mdadm -E "$(lab_dev 4)" | grep -c "Not Initialised")" = 0 ]' 60
check r1
like "no room any more" "$(sparectl array grow r1 2>&1 || true)" "no room"

say "it goes down amid the resync"
ok "which is slow" sparectl array speed r5 50KiB/s
ok "the RAID5 again" sparectl array grow r5 --size 18MiB
dd if=/dev/urandom of=/dev/mapper/r5 bs=64k seek=260 count=10 oflag=direct status=none
spared_kill
like "it runs" "$(dmsetup status r5)" " repair "
dmsetup remove --force r5
nok "it is gone" dmsetup info r5
# Why a start must not go by the bits alone.
like "the kernel tells by the offset how far it was" "$(dm_tool super /dev/mapper/r5-meta0-*)" "resync=[1-9]"
spared_start
lab_wait_for '[ "$(spared_array r5 state)" = optimal ]' 30
say "$(dmsetup status r5), $(dmsetup table r5)"
sparectl array speed r5 max > /dev/null
lab_wait_for made 60
check r5
for v in r5 r1 r0; do eval "sum_$v=$(lab_sum /dev/mapper/$v)"; done
for v in r5 r1 r0; do ok "$v stops" sparectl array stop $v; done

say "mdadm reads them"
ok "release" sparectl release "$set"
export MDADM_NO_MDMON=1
# Without disk 2: what parity says.
# shellcheck disable=SC2046
mdadm --assemble /dev/md/ddf $(devs 1 3 4 5 6 7) 2>&1 | lab_quiet
mdadm --incremental --run /dev/md/ddf 2>&1 | lab_quiet || true
lab_udev_settle
same() { is "$1" "$(lab_sum "$(ls -d "/dev/md/$1" "/dev/md/${1}_0" 2> /dev/null)")" "$2"; }
same r5 "$sum_r5"
same r1 "$sum_r1"
same r0 "$sum_r0"
lab_md_stop
lab_done
