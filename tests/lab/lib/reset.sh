#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by init.sh after each script: takes down what it left, so that the next one can share the
# boot. Fails when something would not go; the host then boots anew for the rest.
reset_end_processes() {
	local pid comm
	# mdmon must live until its arrays are stopped.
	while read -r pid; do
		comm=$(tr -d '\0' < "/proc/$pid/cmdline" 2>/dev/null)
		case $comm in *mdmon*) ;; *) kill -9 "$pid" 2>/dev/null ;; esac
	done < <(cat /sys/fs/cgroup/script/cgroup.procs; [ "$LAB_SLOW" != spared ] || cat /sys/fs/cgroup/slow/cgroup.procs)
}

reset_all() {
	local mount left dir
	reset_end_processes
	for _ in 1 2 3 4 5 6 7 8; do
		awk '$2 ~ "^/(mnt|run/lab)/" { print $2 }' /proc/mounts | tac | while read -r mount; do
			umount "$mount"
		done
		[ -e /sys/block/dm-0 ] || lsmod | grep -q ^dm_mod && dmsetup ls >/dev/null 2>&1 &&
			timeout 10 dmsetup remove_all --force
		grep -q '^md' /proc/mdstat 2>/dev/null && timeout 10 mdadm --stop --scan
		losetup -D 2>/dev/null
		udevadm settle -t 5
		left=$(grep -c '^md' /proc/mdstat 2>/dev/null)
		[ "${left:-0}" -eq 0 ] && ! compgen -G '/sys/block/dm-*' >/dev/null && break
		reset_end_processes
	done
	echo 1 > /sys/fs/cgroup/script/cgroup.kill
	modprobe -r scsi_debug || return 1
	! grep -q '^blkerr ' /proc/modules || rmmod blkerr || return 1
	for dir in /sys/kernel/config/nullb/*/; do [ ! -d "$dir" ] || rmdir "$dir" || return 1; done
	! grep -q '^null_blk ' /proc/modules || modprobe -r null_blk || return 1
	# A broker leaves its trace instances to the next one.
	for dir in /sys/kernel/tracing/instances/*/; do [ ! -d "$dir" ] || rmdir "$dir" || return 1; done
	udevadm settle -t 10
	compgen -G '/sys/block/dm-*' && return 1
	compgen -G '/sys/block/md*' && return 1
	rm -rf /run/spared /var/lib/spared /etc/spared /run/lab/files
	rm -f /etc/udev/rules.d/*spared* /run/udev/rules.d/*spared*
	: > /etc/mdadm/mdadm.conf
	ln -sfn /dev/null /run/udev/rules.d/64-md-raid-assembly.rules
	# udevd may be too busy to take one more request.
	for _ in {1..50}; do udevadm control --reload && break; udevadm settle -t 1; done
	rmdir /sys/fs/cgroup/script 2>/dev/null || true
}
reset_all
