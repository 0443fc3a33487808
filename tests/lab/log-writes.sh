#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=1800
# Member disks on dm-log-writes, which keeps every write and flush of theirs: an array is made, loses a member and fills the
# slot, and so on, under a writer. Then the power is cut at each write and flush of metadata (log_cuts.c): the disks have what
# was flushed, and of the rest all, nothing, or a part. Each time a start must find the old state or the new one with
# every acknowledged block, and mdadm and sparectl must read of each disk what a start does. `log-writes.sh [CUTS [LOOKS]]`:
# about so many cuts (100), of which so many are read by mdadm, too (6); `log-writes.sh all`: every one; `keep`: none, but what
# was recorded is left in build/lab/log-writes for log_cuts on the host, as it is after a cut that left something else.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

DISKS=7 SECTORS=$((40 * 2048)) LOG_SECTORS=$((96 * 2048))
cuts=${1:-100} looks=${2:-6} dir=/run/lab/files/recorded t=/sys/kernel/tracing/instances/recorder
[ "$cuts" != all ] || cuts=0 looks=${2:-200}

# --- disks that are recorded ------------------------------------------------------------------------------------------

# base N TARGET: what lies under the disk.
base() {
	dmsetup load "base$1" --table "0 $SECTORS $2"
	dmsetup suspend --noflush --nolockfs "base$1"
	dmsetup resume "base$1"
}
linear() { echo "linear /dev/ram0 $((($1 - 1) * SECTORS))"; }
number() { dmsetup info -c --noheadings -o major,minor "$1"; }
name() { basename "$(readlink -f "/dev/mapper/disk$1")"; }
# Which of the disks has this name: dm-5.
which_disk() { for n in $(seq $DISKS); do [ "$(name "$n")" != "$1" ] || echo "$n"; done; }
member() { which_disk "$(spared_disk_at five "$1")"; }

# trace_of MAJOR:MINOR...: these devices' writes.
trace_of() {
	local n filter=
	for n in "$@"; do filter+="${filter:+ || }dev == $((${n%:*} << 20 | ${n#*:}))"; done
	for event in queue complete; do echo "($filter) && rwbs ~ \"*W*\"" > "$t/events/block/block_bio_$event/filter"; done
}
# part NAME STATES: what a start may find from here on, by slot of the array "five"; "-": there is none.
part() { echo "mark $1: $2" > $t/trace_marker; }

mkdir -p "$dir" $t
modprobe brd rd_nr=2 rd_size=$((700 * 1024)) max_part=0
for n in $(seq $DISKS); do
	dmsetup create "base$n" --table "0 $SECTORS $(linear "$n")"
	dmsetup create "log$n" --table "0 $LOG_SECTORS linear /dev/ram1 $(((n - 1) * LOG_SECTORS))"
	# Of device-mapper only a multipath map is a disk.
	dmsetup create "disk$n" -u "mpath-disk$n" --table "0 $SECTORS log-writes /dev/mapper/base$n /dev/mapper/log$n"
done
# mdadm opens with O_DIRECT, which a tmpfs has not.
dmsetup create images --table "0 $((400 * 2048)) linear /dev/ram0 $((DISKS * SECTORS))"
lab_udev_settle
mke2fs -q -t ext2 /dev/mapper/images
mount /dev/mapper/images "$dir"
numbers=()
for n in $(seq $DISKS); do
	numbers+=("$(number "disk$n")")
	echo "sd$(printf "\x$(printf %x $((96 + n)))") ${numbers[-1]} $SECTORS /dev/mapper/log$n"
done > "$dir/disks"
echo mono > $t/trace_clock
echo 8192 > $t/buffer_size_kb
trace_of "${numbers[@]}"
for event in queue complete; do echo 1 > "$t/events/block/block_bio_$event/enable"; done

# --- what happens -----------------------------------------------------------------------------------------------------

spared_configure nothing-yet
spared_quick
spared_start
idle() { lab_wait_for 'dmsetup status five | grep -q " idle "' 60; }
rebuilt() {
	spared_event spare.activated > /dev/null
	spared_optimal five
	idle
}

part "an array is made" "- iii"
ok "an array is made" sparectl array create five --level raid5 --size 4MiB "$(name 1)" "$(name 2)" "$(name 3)" \
	--spare "$(name 4),$(name 5)"
part "it runs" "iii"
echo "array $(number five)" > $t/trace_marker
trace_of "${numbers[@]}" "$(number five)"
lab_writer_start w /dev/mapper/five --length 1 --pace 8000 --reads 0 --seed 1
idle

part "the kernel fails a member, a spare takes over" "iii ifi iri"
lab_stream_mark mon
failed=$(member 1)
base "$failed" error
spared_event array.member-failed > /dev/null
rebuilt
part "it runs again" "iii"
base "$failed" "$(linear "$failed")"

part "a member is replaced" "iii"
replaced=$(member 0)
lab_stream_mark mon
ok "a member is replaced" sparectl array replace five "$(name "$replaced")"
lab_stream_wait mon '"kind": ?"array.resync-finished".*"resync.kind": ?"replace"' 60 > /dev/null
lab_wait_for '[ "$(dmsetup table | grep -c "mirror core")" = 0 ]'
part "it is replaced" "iii"

part "disks become spares, and are none again" "iii"
ok "a disk that had failed becomes a spare" sparectl spare add "$(name "$failed")"
ok "one that was replaced" sparectl spare add "$(name "$replaced")"
ok "it is taken out" sparectl spare remove "$(name "$replaced")"
ok "and in again" sparectl spare add "$(name "$replaced")"

part "an array beside it is made" "iii"
ok "an array beside it" sparectl array create extra "$(name 6)" "$(name 7)" --level raid1 --size 2MiB --in five
part "and deleted" "iii"
ok "is deleted" sparectl array delete extra --stop --yes

part "a person fails a member, a spare takes over" "iii iif iir"
lab_stream_mark mon
ok "a person fails a member" sparectl array fail five "$(spared_disk_at five 2)"
rebuilt
part "it runs once more" "iii"
lab_writer_clean w

part "it is stopped" "iii"
ok "stops" sparectl array stop five
part "it is started" "iii"
ok "starts" sparectl array start five
part "the end" "iii"
ok "stops again" sparectl array stop five
spared_stop

# --- the cuts -----------------------------------------------------------------------------------------------------------

dmsetup ls | awk '/^spared-claim/ { print $1 }' | xargs -r -n1 dmsetup remove
for event in queue complete; do echo 0 > "$t/events/block/block_bio_$event/enable"; done
used=$(dmsetup status --target log-writes | awk '$6 > n { n = $6 } END { print int(n / 2048) + 8 }')
is "no log was cut short" "$(dmsetup status --target log-writes | grep -c logging_disabled)" 0
for n in $(seq $DISKS); do dmsetup remove "disk$n"; done
for n in $(seq $DISKS); do blockdev --flushbufs "/dev/mapper/log$n"; done
is "the trace is whole" "$(cat $t/per_cpu/cpu*/stats | awk '/overrun|dropped/ { n += $NF } END { print n }')" 0
cat $t/trace > "$dir/trace"
rmdir $t
if [ "$cuts" != keep ]; then
	ok "after every cut a start finds the old state or the new one" log_cuts "$dir" five --cuts "$cuts" --looks "$looks"
	lab_quiet < /run/lab/files/.said
fi
if [ "$cuts" = keep ] || [ "$lab_failed" -gt 0 ]; then
	for n in $(seq $DISKS); do dd if="/dev/mapper/log$n" of="$LAB_OUT/log$n" bs=1M count="$used" status=none; done
	sed "s|/dev/mapper/|$LAB_REPO/build/lab/$LAB_NAME/|" "$dir/disks" > "$LAB_OUT/disks"
	cp "$dir/trace" "$LAB_OUT/"
fi
umount "$dir"
for n in $(seq $DISKS); do dmsetup remove "log$n" && dmsetup remove "base$n"; done
dmsetup remove images
modprobe -r brd
lab_done
