#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=240 manual
# Arrays on other things, and under them. Members that are multipath maps of two paths each: the metadata are the map's, one path
# that fails is nothing to the array, both are a failed member. Then the array is half of a mirror of another machine, over nbd,
# and what DRBD replicates: it loses a member, is rebuilt, and has one replaced, and neither notices; it is stopped after them.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

UNITS=5 SECTORS=$((40 * 2048)) target=/sys/kernel/config/target
maps=() first=() second=() # of each unit: its map, and the paths of that

# --- a logical unit of two adapters is a disk with two paths --------------------------------------------------------------

adapter() { echo "$target/loopback/naa.500140500000000$1/tpgt_1"; }
# path ADAPTER UNIT: by which that adapter sees it.
path() {
	local at
	at=$(echo "/sys/class/scsi_device/$(< "$(adapter "$1")/address"):$2/device/block"/*)
	echo "${at##*/}"
}
number() { echo "$(< "/sys/block/$1/dev")"; }
unit() { for u in $(seq $UNITS); do [ "${maps[u]}" != "$1" ] || echo "$u"; done; }
mend_path() {
	echo running > "/sys/block/$2/device/state"
	dmsetup message "map$1" 0 "reinstate_path $(number "$2")"
}

# As multipath-tools marks paths.
echo 'SUBSYSTEM=="block", ATTRS{vendor}=="LIO-ORG*", ENV{ID_FS_TYPE}="mpath_member"' > /run/udev/rules.d/65-lab-spared.rules
lab_udev_reload
modprobe -a tcm_loop dm-round-robin
mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
for u in $(seq $UNITS); do
	unit=$target/core/rd_mcp_0/unit$u
	mkdir -p "$unit"
	echo rd_pages=$((SECTORS / 8)) > "$unit/control"
	echo "lab$u" > "$unit/wwn/vpd_unit_serial"
	echo 1 > "$unit/enable"
done
for a in 1 2; do
	mkdir -p "$(adapter $a)"
	echo "naa.500140500000009$a" > "$(adapter $a)/nexus"
	for u in $(seq $UNITS); do
		mkdir "$(adapter $a)/lun/lun_$u"
		ln -s "$target/core/rd_mcp_0/unit$u" "$(adapter $a)/lun/lun_$u/unit$u"
	done
done
for u in $(seq $UNITS); do
	lab_wait_for "[ -b /dev/\$(path 1 $u) ] && [ -b /dev/\$(path 2 $u) ]"
	first[u]=$(path 1 "$u") second[u]=$(path 2 "$u")
	dmsetup create "map$u" -u "mpath-unit$u" --table "0 $SECTORS multipath 0 0 1 1 round-robin 0 2 1 \
$(number "${first[u]}") 1 $(number "${second[u]}") 1"
	maps[u]=dm-$(dmsetup info -c --noheadings -o minor "map$u")
done
lab_udev_settle
all=$(printf '%s\n' "${maps[@]}" | sort | paste -sd' ')

seq_of() { sparectl meta show "/dev/$1" | awk '$1 == "sequence" { print $2 + 0 }'; }
# Whom the status has in the set, or as a spare of it.
of_a_set() { sparectl status --json | jq -r '[.status.arrays[] | (.members[], .spares[]) | .name] | unique | join(" ")'; }

spared_configure nothing-yet
spared_quick
spared_start

say "members are maps"
ok "an array on maps" sparectl array create five --level raid5 --size 4MiB "${maps[@]:0:3}" --spare "${maps[4]},${maps[5]}"
is "the set is of maps alone" "$(of_a_set)" "$all"
# On a path is what is on its map; it is looked at again now.
udevadm trigger --action=change --settle "/sys/block/${first[1]}" "/sys/block/${second[2]}"
lab_pause 0.5
is "and stays so when paths are read" "$(of_a_set)" "$all"
is "paths are paths" "$(sparectl status --json | jq -r '[.status.devices[] | select(.role == "path")] | length')" $((2 * UNITS))
is "the claims lie on maps" "$(dmsetup table | awk '/^spared-claim/ { print $5 }' | sort -u)" \
	"$(for m in "${maps[@]}"; do number "$m"; done | sort -u)"
spared_optimal five
lab_wait_for 'dmsetup status five | grep -q " idle "' 60
lab_writer_start w /dev/mapper/five --pace 4000

say "one path of a member fails"
m=$(unit "$(spared_disk_at five 1)")
before=$(seq_of "${maps[m]}")
lab_stream_mark mon
echo offline > "/sys/block/${first[m]}/device/state"
spared_event path.failed > /dev/null
lab_pause 0.5
is "the array is what it was" "$(spared_array five state) $(spared_states five)" "optimal in-sync in-sync in-sync"
is "nothing was recorded" "$(seq_of "${maps[m]}")" "$before"

say "the other one, too"
lab_stream_mark mon
echo offline > "/sys/block/${second[m]}/device/state"
like "the member has failed" "$(spared_event array.member-failed)" "\"${maps[m]}\""
spared_event spare.activated > /dev/null
spared_optimal five
nok "a spare has its place" test "$(spared_disk_at five 1)" = "${maps[m]}"

say "the paths are back"
mend_path "$m" "${first[m]}"
mend_path "$m" "${second[m]}"
ok "the disk is read again" lab_wait_for "sparectl spare add ${maps[m]}" 30
spared_event spare.added > /dev/null
lab_writer_clean w
spared_agrees "/dev/$(spared_disk_at five 0)" "" "${maps[*]/#//dev/}"

# --- under others -----------------------------------------------------------------------------------------------------

# What happens to the array while something lies on it: a member fails and a spare is rebuilt, another is replaced.
live() {
	local old
	lab_stream_mark mon
	ok "$1: a member is failed, a spare takes over" sparectl array fail five "$(spared_disk_at five 0)"
	spared_event spare.activated > /dev/null
	spared_optimal five
	old=$(spared_disk_at five 2)
	lab_stream_mark mon
	ok "$1: another is replaced" sparectl array replace five "$old"
	lab_stream_wait mon '"kind": ?"array.resync-finished".*"resync.kind": ?"replace"' 60 > /dev/null
	spared_optimal five
	nok "$1: it has left" test "$(spared_disk_at five 2)" = "$old"
}
# Those that left are spares again.
give_back() {
	local map set
	set=$(of_a_set)
	for map in "${maps[@]}"; do grep -qw "$map" <<< "$set" || ok "$map is a spare again" sparectl spare add "$map"; done
}
in_use() {
	like "$1: it is not stopped under it" "$(sparectl array stop five 2>&1 || true)" "in use"
}

say "half of another machine's mirror, over nbd"
modprobe brd rd_nr=2 rd_size=$((16 * 1024)) max_part=0
modprobe nbd nbds_max=1
nbdkit -f -U /run/lab/files/five.sock file /dev/mapper/five &
server=$!
lab_wait_for '[ -S /run/lab/files/five.sock ]'
nbd-client -unix /run/lab/files/five.sock /dev/nbd0 > /dev/null
mdadm --create /dev/md/pair --level=1 -n 2 --assume-clean --bitmap=none --run /dev/nbd0 /dev/ram0 2>&1 | lab_quiet
lab_udev_settle
lab_writer_start pair /dev/md/pair --pace 4000
live nbd
is "nbd: the mirror is whole" "$(grep -c '\[UU\]' /proc/mdstat)" 1
lab_writer_clean pair
in_use nbd
mdadm --stop /dev/md/pair 2> /dev/null
nbd-client -d /dev/nbd0 > /dev/null
kill "$server"
wait "$server" || true
give_back

say "what DRBD replicates"
# No configuration of drbdadm's is here to ask.
modprobe drbd usermode_helper=/bin/true
drbd() { /lib/drbd/drbdsetup-84 "$@"; }
side() {
	drbdmeta --force "$1" v08 "$2" internal create-md > /dev/null 2>&1
	drbd new-resource "r$1"
	drbd new-minor "r$1" "$1" 0
	drbd attach "$1" "$2" "$2" internal
}
side 0 /dev/mapper/five
side 1 /dev/ram1
drbd connect r0 ipv4:127.0.0.1:7700 ipv4:127.0.0.1:7701 --protocol=C
drbd connect r1 ipv4:127.0.0.1:7701 ipv4:127.0.0.1:7700 --protocol=C
lab_wait_for 'grep -q "^ 0: cs:Connected ro:Secondary/Secondary" /proc/drbd' 30
drbd primary 0 --force
ok "both sides are the same" lab_wait_for 'grep -q "^ 0: cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate" /proc/drbd' 60
lab_writer_start drbd /dev/drbd0 --pace 4000
live drbd
like "drbd: it has noticed nothing" "$(cat /proc/drbd)" "^ 0: cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate"
lab_writer_clean drbd
in_use drbd
drbd down r0
drbd down r1

ok "after them it is stopped" sparectl array stop five
spared_stop
dmsetup ls | awk '/^spared-claim/ { print $1 }' | xargs -r -n1 dmsetup remove
for u in $(seq $UNITS); do dmsetup remove "map$u"; done
for a in 1 2; do
	for u in $(seq $UNITS); do rm "$(adapter $a)/lun/lun_$u/unit$u" && rmdir "$(adapter $a)/lun/lun_$u"; done
	rmdir "$(adapter $a)" "$(dirname "$(adapter $a)")"
done
rmdir $target/loopback $target/core/rd_mcp_0/unit? $target/core/rd_mcp_0
modprobe -r tcm_loop drbd nbd brd
rm /run/udev/rules.d/65-lab-spared.rules
lab_done
