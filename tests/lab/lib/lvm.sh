# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A RAID5 of LVM's with dmeventd, for comparisons. Source it after lab.sh. The volume group is "bench", the volume "r5", on the first
# three of disks 1 to 4; the fourth is for raid_fault_policy "allocate".

export LVM_SUPPRESS_FD_WARNINGS=1

# lvm_set SIZE_MB: of each member's data.
lvm_set() {
	local dev
	cat > /etc/lvm/lvm.conf <<-'END'
		devices { filter = ["a|^/dev/sd|", "r|.*|"] use_devicesfile = 0 }
		activation { monitoring = 1 raid_fault_policy = "allocate" }
		global { event_activation = 0 }
	END
	for dev in $(lab_devs 1-4); do wipefs -qa "$dev"; done
	vgcreate -qq bench $(lab_devs 1-4) 2>&1 | lab_quiet
	lvcreate -qq -y --type raid5_ls -i 2 -I 64 -L $((2 * $1))M -n r5 bench $(lab_devs 1-3) 2>&1 | lab_quiet
	lab_wait_for 'dmsetup status bench-r5 | grep -q " AAA .* idle "' 60
	lab_wait_for 'pgrep -x dmeventd'
	like "dmeventd watches" "$(lvs --noheadings -o seg_monitor bench/r5)" monitored
}

# lvm_part NAME DISK: "START LENGTH" on the disk of the part (rimage, rmeta) that lies on it; or nothing.
lvm_part() {
	local number
	number=$((0x$(stat -c %t "$2"))):$((0x$(stat -c %T "$2")))
	dmsetup table | awk -v name="^bench-r5_$1_[0-9]+:" -v on="$number" '$1 ~ name && $4 == "linear" && $5 == on { print $6, $3 }'
}

# lvm_clear: nothing of it is left. A disk that was away may stand in the way of the tools: what they leave goes, too.
lvm_clear() {
	local dev
	lvchange -qq -an bench/r5 2>&1 | lab_quiet
	lab_wait_for '! dmsetup info bench-r5' 20
	for dev in $(lab_devs 1-4); do
		dd if=/dev/zero of="$dev" bs=1M count=2 oflag=direct status=none
	done
	kill "$(pgrep -x dmeventd)"
	lab_udev_settle
}
