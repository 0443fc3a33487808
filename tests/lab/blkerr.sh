#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=240 module=contrib/blkerr
# The kernel module blkerr.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

genl() { "$LAB_REPO/tests/lab/lib/genl.py" "$@"; }
module=/results/bin/blkerr.ko
modprobe dm-mod
lab_disks 2 32
time {
mkdir -p /lib/modules/$(uname -r)/updates
cp $module /lib/modules/$(uname -r)/updates
depmod -a
}
genl ask blkerr 2
lsmod | grep blkerr
rmmod blkerr
insmod $module rate=50
lab_stream err genl listen blkerr errors
lab_stream_wait err listening 20
lab_medium 1000 8
dd if=/dev/"$(basename "$(lab_dev 1)")" of=/dev/null bs=4096 skip=125 count=1 iflag=direct status=none || true
lab_stream_wait err cmd=1 10
genl ask blkerr 2
setpriv --reuid=nobody --regid=nogroup --clear-groups python3 $LAB_REPO/tests/lab/lib/genl.py listen blkerr errors || echo $?
setpriv --reuid=nobody --regid=nogroup --clear-groups python3 $LAB_REPO/tests/lab/lib/genl.py ask blkerr 2 || echo $?
cat $LAB_OUT/*
modprobe drbd; modprobe nbd
genl ask drbd 1 || true
rmmod blkerr
lab_done
