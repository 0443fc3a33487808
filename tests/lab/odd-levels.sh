#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=1500 manual
# RAID4, and RAID10 over three and five disks, on the same disks: made by spared, a member fails, the spare takes its
# place in all of them, another fails and returns by its bitmap; by mdadm the data are the same, whole and with a disk missing.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

lab_disks 6 48
rm -f /etc/mdadm/mdadm.conf
spared_configure nothing-yet
echo "budget: {plans-per-hour: 100}" >> /etc/spared/spared.yaml
spared_quick 2s 300s
sed -i 's/^disable: .*/disable: [shared-cause, member-returned]/; /member-returned:/d' /etc/spared/rules.d/90-quick.yaml
spared_start
devs() { local n; for n in "$@"; do lab_dev "$n"; done; }
arrays="r4 r1e five"
declare -A sum
data() { local v; for v in $arrays; do is "$v: $1" "$(lab_sum "/dev/mapper/$v")" "${sum[$v]}"; done; }
whole() { local v; for v in $arrays; do ok "$v is whole: $1" spared_optimal "$v" 200; done; }
agree() {
	local v
	for v in $arrays; do
		dmsetup message $v 0 check
		lab_wait_for "dmsetup status $v | awk '{ exit \$8 != \"idle\" }'" 100
		is "$v: its members agree $1" "$(dmsetup status $v | awk '{ print $9 }')" 0
	done
}

ok "r4" sparectl array create r4 --level raid4 --size 4MiB $(devs 3 1 2) --spare "$(lab_dev 6)"
set=$(spared_array r4 set)
ok "r1e" sparectl array create r1e --level raid1e --size 6MiB --in "$set" $(devs 1 2 3)
ok "five" sparectl array create five --level raid10 --size 5MiB --in "$set" $(devs 2 1 3 4 5)
is "r4 is as large as was asked" "$(blockdev --getsz /dev/mapper/r4)" 8192
is "r1e, too" "$(blockdev --getsz /dev/mapper/r1e)" 12288
n=0
for v in $arrays; do lab_fill "/dev/mapper/$v" $((++n)) > /dev/null; done
for v in $arrays; do sum[$v]=$(lab_sum "/dev/mapper/$v"); done
lab_wait_for '[ "$(mdadm -E $(lab_dev 3) | grep -c "Fully Initialised")" = 3 ]' 200
agree "when their redundancy is made"

say "disk 1 fails, and the spare takes its place in all"
ok "disk 1 fails" sparectl array fail r4 "$(lab_dev 1)"
whole "on the spare"
data "on the spare"
agree "on the spare"

say "disk 2 fails, which has r4's parity, and returns"
ok "disk 2 fails" sparectl array fail r4 "$(lab_dev 2)"
data "degraded"
n=10
for v in $arrays; do lab_fill "/dev/mapper/$v" $((++n)) > /dev/null; done
for v in $arrays; do sum[$v]=$(lab_sum "/dev/mapper/$v"); done
nok "another one beside it is not given up" sparectl array fail r1e "$(lab_dev 3)"
for v in $arrays; do ok "$v: disk 2 is taken back" sparectl array re-add $v "$(lab_dev 2)"; done
whole "with disk 2 back"
data "with disk 2 back"
agree "with disk 2 back"
for v in $arrays; do ok "$v stops" sparectl array stop $v; done

say "mdadm reads them"
ok "release" sparectl release "$set"
export MDADM_NO_MDMON=1
same() {
	local v
	mdadm --assemble /dev/md/ddf $(devs "${@:2}") 2>&1 | lab_quiet
	mdadm --incremental --run /dev/md/ddf 2>&1 | lab_quiet || true
	lab_udev_settle
	for v in $arrays; do is "$v, $1" "$(lab_sum "$(ls -d "/dev/md/$v" "/dev/md/${v}_0" 2> /dev/null)")" "${sum[$v]}"; done
	lab_md_stop
}
same whole 2 3 4 5 6
same "without disk 2" 3 4 5 6
same "without disk 3" 2 4 5 6
lab_done
