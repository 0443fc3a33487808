#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: disks=nbd:2:48M bus=nvme block=4096 timeout=120
# The lab's own test, for NVMe disks with 4 KiB blocks: medium errors, pull, plug.
. "$LAB_REPO/tests/lab/lib/lab.sh"

get() { dd if="$1" bs=4k skip="$2" count="$3" iflag=direct status=none; }

d=$(lab_dev 1)
like "an NVMe disk" "$d" '^/dev/nvme[0-9]n1$'
is "with 4 KiB blocks" "$(blockdev --getss "$d")" 4096
lab_fault 1 'read 80 8 heal'
lab_trace_start
nok "a bad block cannot be read" get "$d" 10 1
like "a medium error in the kernel's eyes, errno -61" "$(lab_trace)" '\[-61\]'
head -c 4096 /dev/zero | dd of="$d" bs=4k seek=10 oflag=direct status=none
ok "written, it is well" get "$d" 10 1
wwn=$(lab_wwn 1)
ok "a pull" lab_pull 1
nok "the disk is gone" lab_dev 1
ok "a plug" lab_plug 1
is "the same identity" "$(lab_wwn 1)" "$wwn"
lab_done
