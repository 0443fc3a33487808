#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=240
# `sparectl manage`: mdadm is kept off a managed set by udev's way in (mdadm -I) and by hand (--assemble --scan), other sets
# are not touched, and `sparectl release` gives the set back. Private devices are hidden from udev's probing.
# Beside those two locks each disk is held by a device of spared's: it suffices where the others are missing.
# shellcheck source=lib/lab.sh
. "$LAB_REPO/tests/lab/lib/lab.sh"
# shellcheck source=lib/spared.sh
. "$LAB_REPO/tests/lab/lib/spared.sh"

lab_disks 6 48
lab_md_container ours $(lab_devs 1-4)
lab_md_volume ours r5 5 3 --chunk=64 --size=8M
lab_md_sync r5
lab_md_container theirs $(lab_devs 5-6)
lab_md_volume theirs r1 1 2 --size=8M
lab_md_sync r1
lab_md_stop

rm -f /run/udev/rules.d/64-md-raid-assembly.rules /etc/mdadm/mdadm.conf
cp "$LAB_REPO"/contrib/udev/*.rules /etc/udev/rules.d/
lab_udev_reload

plug_again() { udevadm trigger --action=add --subsystem-match=block && udevadm settle -t 20; }
md_has() { for s in /sys/block/md*/slaves/"$(basename "$1")"; do [ ! -e "$s" ] || return 0; done; return 1; }
stop_md() { mdadm --stop --scan > /dev/null 2>&1 || true; udevadm settle -t 20; }
prop() { udevadm info -q property -n "$1" | sed -n "s/^$2=//p"; }

plug_again
ok "without a lock udev lets mdadm take the set" md_has "$(lab_dev 1)"
stop_md
ok "stopped" test -z "$(ls -d /sys/block/md* 2> /dev/null)"

before=$(mdadm -E --brief "$(lab_dev 1)" | sed -n 's/^ARRAY metadata=ddf UUID=//p')
diff=$(sparectl manage "$(lab_dev 1)" --dry-run)
like "the dry run names the container as mdadm does" "$diff" "UUID=$before"
ok "the dry run writes nothing" test ! -e /etc/udev/rules.d/61-spared-managed.rules
ok "manage" sparectl manage "$(lab_dev 1)"
is "mdadm.conf names the container as mdadm does" \
	"$(sed -n 's/^ARRAY <ignore> metadata=ddf UUID=//p' /etc/mdadm/mdadm.conf)" "$before"
sums=$(sha1sum /etc/mdadm/mdadm.conf /etc/udev/rules.d/61-spared-managed.rules /etc/spared/spared.yaml)
ok "manage again" sparectl manage "$(lab_dev 3)"
is "another member of the set changes nothing" \
	"$(sha1sum /etc/mdadm/mdadm.conf /etc/udev/rules.d/61-spared-managed.rules /etc/spared/spared.yaml)" "$sums"

plug_again
for n in 1 2 3 4; do
	is "udev knows disk $n as managed" "$(prop "$(lab_dev $n)" SPARED_MANAGED)" 1
	is "and as a member, still" "$(prop "$(lab_dev $n)" ID_FS_TYPE)" ddf_raid_member
	nok "mdadm -I kept off disk $n" md_has "$(lab_dev $n)"
done
ok "the other set is mdadm's, as before" md_has "$(lab_dev 5)"
stop_md
mdadm --assemble --scan > /dev/null 2>&1 || true
udevadm settle -t 20
for n in 1 2 3 4; do nok "mdadm --assemble --scan kept off disk $n" md_has "$(lab_dev $n)"; done
ok "and has the other set" md_has "$(lab_dev 5)"
stop_md

# What is written to a member and closed is no event (nowatch).
lab_stream events udevadm monitor --udev --subsystem-match=block
lab_stream_wait events '^UDEV' 20 # it listens
dd if=/dev/zero of="$(lab_dev 1)" bs=512 count=1 seek=$((40 << 11)) conv=notrunc oflag=direct status=none
dd if=/dev/zero of="$(lab_dev 5)" bs=512 count=1 seek=$((40 << 11)) conv=notrunc oflag=direct status=none
lab_stream_wait events "change.*$(basename "$(lab_dev 5)") " 20
nok "closing a managed member after a write is no event" \
	grep -q "change.*$(basename "$(lab_dev 1)") " /run/lab/files/events
lab_stream_stop events
stop_md

say "spared runs, and each of the other locks is missing in turn"
claims() { dmsetup ls | grep -c '^spared-claim-' || true; }
# without FILE: a lock's file is away; with: it is back.
without() { mv "$1" /run/lab/files/lock && lab_udev_reload; }
with() { mv /run/lab/files/lock "$1" && lab_udev_reload; }
# The ends of the members, where their metadata are.
tails() { for n in 1 2 3 4; do tail -c 1M "$(lab_dev $n)"; done | sha1sum; }
status_of() { local status=0; "$@" > /run/lab/files/said 2>&1 || status=$?; echo $status; }
udev_lock=/etc/udev/rules.d/61-spared-managed.rules mdadm_lock=/etc/mdadm/mdadm.conf
echo "settle: 1s" >> /etc/spared/spared.yaml
lab_stream private udevadm monitor --property --subsystem-match=block
lab_stream_wait private '^UDEV' 20
spared_start
lab_wait_for '[ "$(claims)" = 4 ]' 30
told() { awk -v RS= -v from="$1" -v what="$2" 'index($1, from) == 1 && $0 ~ what' /run/lab/files/private | grep -c '^ACTION=change' || true; }
lab_wait_for '[ "$(told UDEV DM_UUID=SPARED-.*-claim-)" = 4 ]' 20
is "the kernel tells of four claims, whose cookie is flags only" "$(told KERNEL DM_COOKIE=5111808)" 4
is "udev runs none of device-mapper's programs for them" "$(told UDEV DM_COOKIE=5111808)" 0
is "and knows that they are not to be looked at" "$(told UDEV 'DM_UUID=SPARED-.*DISK_RULES_FLAG=1|DISK_RULES_FLAG=1.*DM_UUID=SPARED-')" 4
lab_stream_stop private
before=$(tails)
without $udev_lock
plug_again
for n in 1 2 3 4; do nok "without the udev rule mdadm -I is kept off disk $n" md_has "$(lab_dev $n)"; done
ok "the other set is mdadm's" md_has "$(lab_dev 5)"
stop_md
with $udev_lock
without $mdadm_lock
mdadm --assemble --scan > /dev/null 2>&1 || true
udevadm settle -t 20
for n in 1 2 3 4; do nok "without mdadm.conf mdadm --assemble --scan is kept off disk $n" md_has "$(lab_dev $n)"; done
ok "and has the other set" md_has "$(lab_dev 5)"
stop_md
nok "named disks are kept from mdadm --assemble" mdadm --assemble /dev/md/taken $(lab_devs 1-4)
nok "nor are they used" md_has "$(lab_dev 1)"
stop_md
with $mdadm_lock
is "nothing was written to the members" "$(tails)" "$before"

say "release while an array runs, and when none does"
ok "the array starts" sparectl array start r5
is "release is refused while it runs" "$(status_of sparectl release "$(lab_dev 2)")" 4
like "and says what to do" "$(cat /run/lab/files/said)" "sparectl array stop r5"
spared_stop
is "also while spared does not run" "$(status_of sparectl release "$(lab_dev 2)")" 4
is "every disk is held" "$(claims)" 4
spared_start
lab_wait_for '[ "$(spared_array r5 state)" = optimal ]' 30
ok "the array stops" sparectl array stop r5
is "the disks of a managed set stay held" "$(claims)" 4
ok "release" sparectl release "$(lab_dev 2)"
ok "the udev rule is gone" test ! -e $udev_lock
is "no disk is held any more" "$(claims)" 0
plug_again
ok "mdadm has the set again" md_has "$(lab_dev 1)"
stop_md
ok "manage once more" sparectl manage "$(lab_dev 1)"
lab_wait_for '[ "$(claims)" = 4 ]' 30
spared_stop
is "the disks stay held when spared ends" "$(claims)" 4
ok "release without spared" sparectl release "$(lab_dev 2)"
is "no disk is held any more" "$(claims)" 0
plug_again
ok "mdadm has the set again" md_has "$(lab_dev 1)"
stop_md

# A leg of a mirror shows the file system of the whole: it must not be seen.
mkfs.ext4 -q "$(lab_dev 6)"
for uuid in SPARED-ddf-00-leg0 SPARED-ddf-00-meta0 SPARED-ddf-00-claim0 SPARED-ddf-00; do
	dmsetup create "t$uuid" --uuid "$uuid" --table "0 65536 linear $(lab_dev 6) 0"
	udevadm settle -t 20
	udevadm trigger --action=change "/dev/mapper/t$uuid"
	udevadm settle -t 20
	want=$([ "$uuid" = SPARED-ddf-00 ] && echo ext4 || true)
	is "what udev sees of $uuid" "$(prop "/dev/mapper/t$uuid" ID_FS_TYPE)" "$want"
	dmsetup remove "t$uuid"
done
lab_done
