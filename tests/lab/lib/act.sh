# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Helpers for lab scripts that run the executor alone, by act_tool. Source it after lab.sh.

# act WORDS...: act_tool; what it told last is in /run/lab/files/last.
act() { act_tool "$@" | tee -a "$LAB_OUT/act.json" > /run/lab/files/last; }
# What the kernel says of an array: its members' health, and what it does.
health() { dmsetup status "$1" | awk '{ print $6 }'; }
action() { dmsetup status "$1" | awk '{ print $8 }'; }
# The disks are anybody's again.
free_disks() { dmsetup ls 2> /dev/null | awk '/^spared-claim/ { print $1 }' | xargs -r -n1 dmsetup remove; }
# leg ARRAY SLOT: the dm device under the slot's data. disk_of ARRAY SLOT: the disk below that.
leg() { dmsetup ls | awk -v p="^$1-leg$2-" '$1 ~ p { print $1 }'; }
disk_of() { echo "/dev/$(basename "$(readlink -f "/sys/dev/block/$(dmsetup table "$(leg "$1" "$2")" | awk '{ print $4 }')")")"; }
# break_leg ARRAY SLOT: the member's data fail from now on: an error target under the running table, as a dying disk. The table
# that it had is kept in /run/lab/files/LEG.
break_leg() {
	local l
	l=$(leg "$1" "$2")
	dmsetup table "$l" > "/run/lab/files/$l"
	awk '{ print $1, $2, "error" }' "/run/lab/files/$l" | dmsetup load "$l"
	dmsetup suspend --noflush --nolockfs "$l"
	dmsetup resume "$l"
}
