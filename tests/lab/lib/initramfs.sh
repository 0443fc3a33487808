#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
# The guest's first process: mounts the host's root read-only over 9p, lays a tmpfs over it, and
# goes on in tests/lab/lib/init.sh, which lies in the tree that is being tested.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
while read -r m; do insmod "$m" || echo "lab: insmod $m failed"; done < /modules

# shellcheck disable=SC2013
for w in $(cat /proc/cmdline); do
	case $w in
	lab.init=*) init=${w#lab.init=} ;;
	lab.repo=*) repo=${w#lab.repo=} ;;
	esac
done

opts=trans=virtio,version=9p2000.L,msize=262144
mount -t 9p -o "ro,$opts,cache=loose" root /lower || { echo "lab: no root over 9p"; poweroff -f; }
mount -t tmpfs -o size=75%,mode=755 tmpfs /rw
mkdir -p /rw/upper /rw/work
mount -t overlay -o lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work root /root

# The tree under test must be seen as it is now, whatever kind of mount it lies on at the host.
mkdir -p /root/results
mount -t 9p -o "rw,$opts,cache=none,access=any" results /root/results || echo "lab: no /results"
mount --move /proc /root/proc
mount --move /sys /root/sys
mount --move /dev /root/dev
[ -x "/root$init" ] || { echo "lab: $init is not there ($repo)"; poweroff -f; }
exec switch_root /root "$init"
