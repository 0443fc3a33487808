#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=240
# What else the kernel tells: failed bios of devices without a request queue; a stack of devices, whose error is one event;
# paths of a multipath map; a SCSI unit attention; a changed size; a driver's read-only; what does not match its checksum.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

count() { sparectl status --json | jq ".status.counts[\"$1\"]"; }
id_of() { sparectl status --json | jq -r --arg n "${1##*/}" '.status.devices[] | select(.name == $n and .present) | .id'; }
read_at() { dd if="$1" of=/dev/null bs=4096 skip="$2" count=1 iflag=direct status=none; }
dm() { basename "$(readlink -f "/dev/mapper/$1")"; }
# errors: block.error lines that the monitor told since the mark, each as NAME STATUS ERRNO COUNT. By then all was told: the
# broker answers in the order of what it heard, and what waited for one below it has gone on.
errors() {
	lab_pause 0.5
	sparectl status > /dev/null
	tail -n +"${lab_stream_from[mon]}" /run/lab/files/mon | jq -r 'select(.event.kind? == "block.error") | .event |
		"\(."device-name") \(.facts."error.status") \(.facts."error.errno") \(.count)"'
}

modprobe dm-mod
lab_disks 4 32
spared_configure no-such-set
spared_start
read -r a b c d <<< "$(lab_devs 1-4 | tr '\n' ' ')"

say "null_blk in bio mode: it has no request queue"
modprobe null_blk nr_devices=0
mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
n=/sys/kernel/config/nullb/nullb7
mkdir $n
echo 0 > $n/queue_mode
echo 16 > $n/size
echo 1 > $n/memory_backed
echo +800-807 > $n/badblocks
echo 1 > $n/power
lab_udev_settle
null=$(compgen -G '/dev/nullb*')
ok "it is a disk" lab_wait_for "[ -n \"\$(id_of $null)\" ]" 10
lab_stream_mark mon
nok "a bad block cannot be read" read_at "$null" 100
line=$(spared_event block.error "" 10)
like "it is told, with its disk" "$line" "\"device\": ?\"$(id_of "$null")\""
for want in '"error.status": ?"io"' '"error.errno": ?5' '"error.operation": ?"read"' '"error.sector": ?800' '"error.sectors": ?8' \
	'"error.region": ?0' '"source": ?"bios"'; do
	like "as every block error: $want" "$line" "$want"
done

say "device-mapper: a target that fails everything, and one on top of it"
dmsetup create bad --table "0 2048 error"
dmsetup create upon --table "0 2048 linear /dev/mapper/bad 0"
lab_udev_settle
errors > /dev/null
lab_stream_mark mon
before=$(count copies)
nok "it cannot be read" read_at /dev/mapper/upon 1
spared_event block.error "" 10 > /dev/null
is "the lowest that told is named, once" "$(errors)" "$(dm bad) io 5 1"
is "the other was a copy" "$(($(count copies) - before))" 1
dmsetup remove upon
dmsetup remove bad

say "linear on linear on a disk with an unreadable place"
dmsetup create one --table "0 40960 linear $a 8"
dmsetup create two --table "0 32768 linear /dev/mapper/one 8"
lab_udev_settle
before=$(count copies)
errors > /dev/null
lab_stream_mark mon
lab_medium 1000 8
nok "it cannot be read" read_at /dev/mapper/two 123
lab_medium off
line=$(spared_event block.error "" 10)
like "the event names the disk" "$line" "\"device\": ?\"$(id_of "$a")\""
is "and there is no other" "$(errors)" "${a##*/} medium 61 1"
is "two were copies" "$(($(count copies) - before))" 2
dmsetup remove two
say "the same with the disk silent: it is pulled under them"
dmsetup create two --table "0 32768 linear /dev/mapper/one 8"
lab_udev_settle
lab_pull 1
errors > /dev/null
lab_stream_mark mon
nok "it cannot be read" read_at /dev/mapper/two 123
spared_event block.error "" 10 > /dev/null
like "the lowest that told is named, once" "$(errors)" "^$(dm one) (io|offline) [0-9]+ 1\$"
dmsetup remove two
dmsetup remove one

say "a private device of ours tells nothing"
dmsetup create private -u SPARED-ddf-00ab-leg0 --table "0 2048 error"
lab_udev_settle
before=$(count unknown-device)
lab_stream_mark mon
nok "it cannot be read" read_at /dev/mapper/private 0
ok "it was heard" lab_wait_for "[ \$(count unknown-device) -gt $before ]" 10
is "and dropped" "$(errors)" ""
dmsetup remove private

say "dm-verity: one data block is not what it was"
python3 - "$b" > /run/lab/files/root <<'END'
import hashlib, os, sys
blocks = [bytes([n]) * 4096 for n in range(16)]
tree = b"".join(hashlib.sha256(b).digest() for b in blocks).ljust(4096, b"\0")
with open(sys.argv[1], "r+b", buffering=0) as disk:
    disk.write(b"".join(blocks) + tree)
    disk.seek(5 * 4096)
    disk.write(b"x" * 512)
    os.fsync(disk)
print(hashlib.sha256(tree).hexdigest())
END
dmsetup create -r sealed --table "0 128 verity 1 $b $b 4096 4096 16 16 sha256 $(< /run/lab/files/root) -"
lab_udev_settle
errors > /dev/null
lab_stream_mark mon
ok "another block is read" read_at /dev/mapper/sealed 7
nok "this one is not" read_at /dev/mapper/sealed 5
line=$(spared_event block.corrupt "" 10)
like "it is told" "$line" '"corrupt.part": ?"data"'
like "which" "$line" '"corrupt.block": ?5[,}]'
like "of which device" "$line" "\"device-name\": ?\"$(dm sealed)\""
is "the failed read is told, too" "$(errors | sort -u | cut -d' ' -f1-3)" "$(dm sealed) io 5"
dmsetup remove sealed

say "dm-integrity: a sector that does not match its checksum"
modprobe dm-integrity
integrity() { dmsetup create kept --table "0 $1 integrity $c 0 - D 1 internal_hash:crc32c"; }
integrity 8
dmsetup remove kept
sectors=$(od -An -td8 -j16 -N8 "$c" | tr -d ' ')
integrity "$sectors"
lab_udev_settle
tr '\0' k < /dev/zero | dd of=/dev/mapper/kept bs=1M oflag=direct status=none 2> /dev/null || true
printf '%-4096s' LOOKHERE | dd of=/dev/mapper/kept bs=4096 seek=100 oflag=direct status=none
ok "what was written is read" read_at /dev/mapper/kept 100
dmsetup remove kept
at=$(grep -abo LOOKHERE "$c" | sed -n 1p | cut -d: -f1)
printf X | dd of="$c" bs=1 seek="$at" conv=notrunc status=none
integrity "$sectors"
lab_udev_settle
errors > /dev/null
lab_stream_mark mon
nok "after a change below it is not" read_at /dev/mapper/kept 100
line=$(spared_event block.error "" 10)
like "it is told" "$line" '"error.status": ?"protection"'
like "where" "$line" '"error.sector": ?800'
is "once, by the device that found it" "$(errors)" "$(dm kept) protection 84 1"
dmsetup remove kept

say "SCSI: the size has changed; the disk says so, then it is asked"
debug=/sys/bus/pseudo/drivers/scsi_debug
lab_stream_mark mon
echo 1 > $debug/virtual_gb
read_at "$d" 1 || true
line=$(spared_event device.attention "" 10)
like "unit attention" "$line" '"attention.what": ?"capacity-changed"'
like "of the disk" "$line" "\"device\": ?\"$(id_of "$d")\""
echo 1 > "/sys/block/${d##*/}/device/rescan"
line=$(spared_event device.changed "" 10)
like "the new size" "$line" '"device.size": ?1073741824'
like "of the disk" "$line" "\"device\": ?\"$(id_of "$d")\""

say "SCSI: what else a disk may want attention for"
# attention WHAT: the next command of the disk is answered with it.
attention() {
	local line
	read_at "$d" 2 || true
	line=$(spared_event device.attention "\"attention.what\": ?\"$1\"" 10)
	like "$1, of the disk" "$line" "\"device\": ?\"$(id_of "$d")\""
}
lab_stream_mark mon
python3 - "$d" <<-'END'
	import ctypes, fcntl, sys
	SG_SCSI_RESET, SG_SCSI_RESET_DEVICE = 0x2284, 1
	with open(sys.argv[1]) as disk: fcntl.ioctl(disk, SG_SCSI_RESET, ctypes.c_int(SG_SCSI_RESET_DEVICE))
END
attention reset
echo "write through" > /sys/class/scsi_disk/$(lab_scsi 4)/cache_type # by MODE SELECT
attention mode-changed
echo 2 > $debug/max_luns
attention luns-changed

say "SCSI: write protected"
lab_stream_mark mon
echo 1 > /sys/module/scsi_debug/parameters/wp
echo 1 > "/sys/block/${d##*/}/device/rescan"
line=$(spared_event device.changed "" 10)
like "read-only" "$line" '"device.read-only": ?true'
like "the disk" "$line" "\"device\": ?\"$(id_of "$d")\""
echo 0 > /sys/module/scsi_debug/parameters/wp
modprobe -r scsi_debug
lab_udev_settle

say "SCSI: a target of the kernel's own"
target=/sys/kernel/config/target backstore=core/rd_mcp_0/lab lun=loopback/naa.5001405000000001/tpgt_1/lun/lun_0
modprobe tcm_loop
mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
mkdir -p $target/$backstore
echo rd_pages=2048 > $target/$backstore/control
echo 1 > $target/$backstore/enable
mkdir -p $target/${lun%/lun/lun_0}
echo naa.5001405000000002 > $target/${lun%/lun/lun_0}/nexus
mkdir $target/$lun
ln -s $target/$backstore $target/$lun/lab
lab_wait_for 'grep -l LIO /sys/block/sd*/device/vendor'
d=/dev/$(basename "$(dirname "$(dirname "$(grep -l LIO /sys/block/sd*/device/vendor)")")")
lab_wait_for 'id_of "$d" | grep -q .'
lab_stream_mark mon
echo 1 > $target/$backstore/alua/default_tg_pt_gp/alua_access_state
attention access-changed
mkdir $target/$backstore/alua/other
echo 16 > $target/$backstore/alua/other/tg_pt_gp_id
echo other > $target/$lun/alua_tg_pt_gp
attention inquiry-changed
rm $target/$lun/lab
rmdir $target/$lun $target/${lun%/lun/lun_0} $target/loopback/naa.* $target/loopback $target/$backstore/alua/other $target/$backstore \
	$target/core/rd_mcp_0
modprobe -r tcm_loop
lab_udev_settle

say "multipath: two paths to one disk"
# As multipath-tools marks paths.
echo 'SUBSYSTEM=="block", ATTRS{model}=="scsi_debug*", ENV{ID_FS_TYPE}="mpath_member"' > /run/udev/rules.d/65-lab-spared.rules
lab_udev_reload
modprobe dm-round-robin
modprobe scsi_debug dev_size_mb=32 num_tgts=1 max_luns=1 add_host=2 per_host_store=0 vpd_use_hostno=0 delay=0
lab_wait_for 'lab_dev d1 && lab_dev d2' 10
lab_udev_settle
read -r a b <<< "$(lab_devs 1-2 | tr '\n' ' ')"
ok "both are known" lab_wait_for "[ -n \"\$(id_of $a)\" ] && [ -n \"\$(id_of $b)\" ]" 10
is "as two devices, with one WWN" "$([ "$(id_of "$a")" != "$(id_of "$b")" ] && lab_wwn 1)" "$(lab_wwn 2)"
dmsetup create mp -u mpath-lab --table \
	"0 65536 multipath 0 0 1 1 round-robin 0 2 1 $(cat /sys/block/"${a##*/}"/dev) 1 $(cat /sys/block/"${b##*/}"/dev) 1"
lab_udev_settle
ok "the map is a disk" lab_wait_for "[ \"\$(id_of $(dm mp))\" = dm-mpath-lab ]" 10
lab_stream_mark mon
echo offline > "/sys/block/${a##*/}/device/state"
for i in 1 2 3 4; do read_at /dev/mapper/mp $i; done
line=$(spared_event path.failed "" 10)
like "a path fails" "$line" "\"device\": ?\"$(id_of "$a")\""
like "of the map" "$line" '"path.map": ?"dm-mpath-lab"'
like "one is left" "$line" '"path.valid": ?1[,}]'
echo running > "/sys/block/${a##*/}/device/state"
dmsetup message mp 0 "reinstate_path $(cat /sys/block/"${a##*/}"/dev)"
line=$(spared_event path.reinstated "" 10)
like "it is back" "$line" "\"device\": ?\"$(id_of "$a")\""
like "both are valid" "$line" '"path.valid": ?2[,}]'

say "multipath: paths are failed, reinstated, used last, and as before"
at() { cat "/sys/block/${1##*/}/dev"; }
groups() { dmsetup table mp | sed -E 's/.* 0 0 ([0-9]) 1 /\1: /; s/round-robin 0 [0-9] 1/group/g; s/ *$//'; }
reads() { awk '{ print $1 }' "/sys/block/${1##*/}/stat"; }
like "a dry run shows the message" "$(sparectl path fail "$a" --dry-run)" "message to mp: fail_path $(at "$a")"
lab_stream_mark mon
ok "fail" sparectl path fail "$a"
like "the kernel says so" "$(spared_event path.failed "" 10)" "\"device\": ?\"$(id_of "$a")\""
like "and the map" "$(dmsetup status mp)" "$(at "$a") F .*$(at "$b") A"
like "the last one is not failed" "$(sparectl path fail "$b" 2>&1 || true)" "${b##*/} is the last path of mp that works"
ok "a path that has failed is used last, too" sparectl path demote "$a"
like "and stays failed" "$(dmsetup status mp)" "$(at "$b") A .*$(at "$a") F"
ok "reinstate" sparectl path reinstate "$a"
is "two groups, it is the last" "$(groups)" "2: group $(at "$b") 1 group $(at "$a") 1"
is "status knows" "$(sparectl status --json | jq -r '.status.devices[] | select(.marginal) | .name')" "${a##*/}"
before=$(reads "$a")
for i in 1 2 3 4; do read_at /dev/mapper/mp $((i * 8)); done
is "what is read comes by the other" "$(reads "$a")" "$before"
ok "which fails" sparectl path fail "$b"
ok "something else is read" read_at /dev/mapper/mp 400
ok "by this one" test "$(reads "$a")" -gt "$before"
ok "both work" sparectl path reinstate "$b"
is "a dry run shows the tables" "$(sparectl path restore "$a" --dry-run | grep -c 'table .* of mp: 0 0 ')" 2
ok "restore" sparectl path restore "$a"
is "one group as before" "$(groups)" "1: group $(at "$b") 1 $(at "$a") 1"
like "again: it is so" "$(sparectl path restore "$a")" ": ok"
ok "I/O is kept back where no path works" sparectl map queue-io "$(dm mp)"
like "the table says so" "$(dmsetup table mp)" "multipath 1 queue_if_no_path "
ok "or fails" sparectl map fail-io "$(dm mp)"
like "as it says then" "$(dmsetup table mp)" "multipath 0 0 "
python3 -c 'import socket, time
s = socket.socket(socket.AF_UNIX)
s.bind("\0/org/kernel/linux/storage/multipathd")
s.listen()
time.sleep(600)' &
daemon=$!
lab_wait_for 'grep -q org/kernel/linux/storage/multipathd /proc/net/unix' 10
like "multipathd's maps are left to it" "$(sparectl path fail "$a" 2>&1 || true)" "mp is multipathd's.*multipathd fail path ${a##*/}"
kill $daemon
errors > /dev/null
errors > /dev/null
lab_stream_mark mon
lab_medium 1000 8
nok "what no path can read" read_at /dev/mapper/mp 125
lab_medium off
spared_event block.error "" 10 > /dev/null
like "is told of the path that was asked, once" "$(errors)" "^(${a##*/}|${b##*/}) medium 61 1\$"
lab_stream_mark mon
gone=$(id_of "$b")
lab_pull 2
for i in 1 2 3 4; do read_at /dev/mapper/mp $i; done
line=$(spared_event path.failed "" 10)
like "a path that was pulled has failed when it is used" "$line" "\"device\": ?\"$gone\""
dmsetup remove mp

is "nothing was malformed" "$(count malformed)" 0
spared_stop
rm /run/udev/rules.d/65-lab-spared.rules
rmdir $n
modprobe -r null_blk
lab_done
