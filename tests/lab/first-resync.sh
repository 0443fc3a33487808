#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=1800 manual
# A member enters amid an array's first resync, which ends that: with "rebuild" in the table the kernel forgets the rest, and a
# return by bitmap clears the bits that the resync goes by. Disks are full of different random data, so that what nobody made
# shows in a check: parity and a mirror of two the rebuild makes, other mirrors a repair, or the next start. Then the same of the
# resync after a crash under writes, which leaves mirrors that differ. first-resync.sh NAME..: only these.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

lab_disks 6 48
rm -f /etc/mdadm/mdadm.conf
modprobe dm-raid
spared_configure nothing-yet
echo "budget: {plans-per-hour: 100}" >> /etc/spared/spared.yaml
spared_quick
spared_start

devs() { local n; for n in "$@"; do lab_dev "$n"; done; }
field() { dmsetup status v | awk -v n="$1" '{ print $n }'; }
resynced() { dmsetup status v | awk -v n="$1" '{ split($7, r, "/"); exit !($8 == "resync" && r[1] * 100 >= r[2] * n && r[1] < r[2]) }'; }
idle() { lab_wait_for '[ "$(field 8)" = idle ]' 60; }
initialised() { mdadm -E "/dev/$(spared_disk_at v 0)" | grep 'Fully Initialised' > /dev/null; }
agree() {
	dmsetup message v 0 check
	idle
	is "$1: mirrors and parity agree" "$(field 9)" 0
}

# made LEVEL SIZE DISKS [OPTION..]: an array whose first resync is slow, and a quarter through.
made() {
	local d
	for d in $(devs $(seq 1 $(($3 + 1)))); do dd if=/dev/urandom of="$d" bs=1M seek=1 count=8 oflag=direct status=none; done
	lab_md_speed 200
	ok "a $1 of $3" sparectl array create v --wipe --level "$1" --size "$2" $(devs $(seq 1 "$3")) "${@:4}"
	ok "its first resync is under way" lab_wait_for 'resynced 25' 60
}
all_in_sync() { lab_wait_for '[[ "$(spared_states v)" =~ ^(in-sync ?)+$ ]]' 60; }

# Mirrors that were not rebuilt: a repair is under way, which is not believed; cut: nor does it come to its end.
mirrors() {
	ok "a repair of it runs" lab_wait_for '[ "$(field 8)" = repair ]' 30
	nok "it is not called initialised" initialised
	if [ "$1" != cut ]; then
		lab_md_speed 200000
		idle
		agree "repaired"
		lab_wait_for '[ "$(spared_array v scrubbed)" != null ]' 30
		nok "it still is not" initialised
	fi
	ok "it stops" sparectl array stop v
	lab_md_speed 500
	ok "it starts" sparectl array start v
	ok "all of it is resynced" lab_wait_for '[ "$(field 8)" = resync ]' 20
	nok "it is not called initialised yet" initialised
	lab_md_speed 200000
}

# ended parity|mirrors|cut
ended() {
	ok "in sync" all_in_sync
	[ "$1" = parity ] || mirrors "$1"
	ok "it is called initialised" lab_wait_for initialised 60
	agree "at the end"
	ok "it is deleted" sparectl array delete v --stop --yes --container
}

# Of parity the kernel takes no table without a member amid a resync, and the one with a spare.
fail() { sparectl array fail v "$1" 2>&1 | lab_quiet || true; }

# spare LEVEL SIZE DISKS SLOT END: a spare takes a slot.
spare() {
	say "$1 of $3: a spare amid the first resync"
	made "$1" "$2" "$3" --spare "$(lab_dev $(($3 + 1)))"
	fail "$(spared_disk_at v "$4")"
	ok "a spare enters" lab_wait_for '[ "$(field 8)" = recover ]' 30
	lab_md_speed 500
	ended "$5"
}

# back LEVEL SIZE DISKS SLOT END: the member itself is back.
back() {
	local disk
	say "$1 of $3: a member returns amid the first resync"
	made "$1" "$2" "$3"
	disk=$(spared_disk_at v "$4")
	fail "$disk"
	dd if=/dev/urandom of=/dev/mapper/v bs=64k count=4 oflag=direct status=none
	like "it returns" "$(sparectl array re-add v "/dev/$disk")" "full rebuild: the redundancy of the array is still being made"
	lab_md_speed 500
	ended "$5"
}

# --- after a crash under writes ----------------------------------------------------------------------------------

# written LEVEL SIZE DISKS [OPTION..]: an array that is initialised.
written() {
	made "$@"
	lab_md_speed 200000
	ok "initialised" lab_wait_for initialised 60
	idle
}

private() { dmsetup ls | awk -v what="v-$1" 'index($1, what) == 1 { print $1 }' | sort; }
# Of each slot of the array, what the kernel compares: "MAJOR:MINOR SECTOR SECTORS".
places() { for leg in $(private leg); do dmsetup table "$leg" | awk '{ print $4, $5, $2 }'; done; }
# differ SLOT SLOT: sectors of their disks that are not the same.
differ() {
	local place i files=()
	for i in "$1" "$2"; do
		read -r -a place <<< "$(sed -n "$((i + 1))p" /run/lab/files/places)"
		files+=("/run/lab/files/slot$i")
		dd if="/dev/block/${place[0]}" of="/run/lab/files/slot$i" bs=512 skip="${place[1]}" count="${place[2]}" iflag=direct status=none
	done
	cmp -l "${files[@]}" | awk '{ s[int(($1 - 1) / 512)] } END { print length(s) }'
}

# The power goes under writes all over the array. Each member holds what it has, and gets no more: superblocks and bits first,
# then the data of slot $1, and a moment later of the others.
crash() {
	local n writers=()
	places > /run/lab/files/places
	dd if=/dev/urandom of=/dev/mapper/v bs=1M oflag=direct status=none 2> /dev/null || true
	spared_kill
	for n in 1 2 3 4; do
		lab_writer run --pace 2000 --seed "$n" /dev/mapper/v > /dev/null 2>&1 &
		writers+=($!)
	done
	lab_pause 0.5
	for n in $(private meta) $(private "leg$1-"); do dmsetup suspend --nolockfs --noflush "$n"; done
	lab_pause 0.5
	for n in $(private leg); do [[ $n = v-leg$1-* ]] || dmsetup suspend --nolockfs --noflush "$n"; done
	like "it goes down amid a $2" "$(field 8)" "$2"
	for n in $(private meta) $(private leg); do
		dmsetup load "$n" --table "0 $(dmsetup table "$n" | awk '{ print $2 }') error"
	done
	for n in $(private meta) $(private leg); do dmsetup resume "$n"; done
	dmsetup remove --force v 2>&1 | lab_quiet || true
	kill -KILL "${writers[@]}" 2> /dev/null || true
	lab_wait_for 'dmsetup remove_all --force 2> /dev/null; [ "$(dmsetup ls | grep -c "^v")" = 0 ]' 30
}
# crashed A B DOING: with mirrors that differ in two slots, which are not those that something enters beside.
crashed() {
	crash "$1" "$3"
	ok "mirrors differ after it" test "$(differ "$1" "$2")" -gt 0
	spared_start
}
does() { ok "the kernel does a $1" lab_wait_for "[ \"\$(field 8)\" = $1 ]" 60; }
delete() { ok "it is deleted" sparectl array delete v --stop --yes --container; }

# dirty LEVEL SIZE DISKS A B: nothing enters, and the bits tell what has to be compared.
dirty() {
	say "$1 of $3: a crash under writes"
	written "$1" "$2" "$3"
	crashed "$4" "$5" "idle|resync"
	ok "the kernel is done" lab_wait_for '[ "$(field 8)" = idle ]' 240
	lab_md_speed 200000
	idle
	agree "resynced"
	ok "it is still called initialised" initialised
	delete
}

# dirty_rebuild LEVEL SIZE DISKS A B END: slot 1 was being rebuilt.
dirty_rebuild() {
	say "$1 of $3: a crash under writes and a rebuild"
	written "$1" "$2" "$3" --spare "$(lab_dev $(($3 + 1)))"
	lab_md_speed 20
	fail "$(spared_disk_at v 1)"
	does recover
	crashed "$4" "$5" recover
	does recover
	lab_md_speed 500
	ended "$6"
}

# dirty_spare LEVEL SIZE DISKS A B END: slot 1 fails amid the resync after the crash, and a spare enters.
dirty_spare() {
	say "$1 of $3: a crash under writes, and a spare amid the resync"
	written "$1" "$2" "$3" --spare "$(lab_dev $(($3 + 1)))"
	lab_md_speed 50
	crashed "$4" "$5" "idle|resync"
	ok "spared has started it" lab_wait_for '[[ "$(field 8)" = @(idle|resync) ]]' 60
	say "the kernel: $(field 8)" # what the crash left to be compared may be little
	fail "$(spared_disk_at v 1)"
	does recover
	lab_md_speed 500
	ended "$6"
}

# dirty_back LEVEL SIZE DISKS A B END: the member itself is back.
dirty_back() {
	local disk
	say "$1 of $3: a crash under writes, and a member returns amid the resync"
	written "$1" "$2" "$3"
	lab_md_speed 50
	crashed "$4" "$5" "idle|resync"
	ok "spared has started it" lab_wait_for '[[ "$(field 8)" = @(idle|resync) ]]' 60
	say "the kernel: $(field 8)" # what the crash left to be compared may be little
	disk=$(spared_disk_at v 1)
	fail "$disk"
	dd if=/dev/urandom of=/dev/mapper/v bs=64k count=4 oflag=direct status=none
	like "it returns" "$(sparectl array re-add v "/dev/$disk")" "by bitmap|rebuil"
	lab_md_speed 500
	ended "$6"
}

one_three() { spare raid1 6MiB 3 1 cut; }
ten() { spare raid10 12MiB 4 1 mirrors; }
six() { spare raid6 12MiB 4 0 parity; }
six_five() { spare raid6 18MiB 5 2 parity; }
five() { spare raid5 12MiB 3 1 parity; }
one() { spare raid1 6MiB 2 1 parity; }
one_three_back() { back raid1 6MiB 3 1 cut; }
ten_back() { back raid10 12MiB 4 1 cut; }
dirty_one_three() { dirty raid1 6MiB 3 0 2; }
dirty_ten() { dirty raid10 12MiB 4 2 3; }
dirty_one_three_rebuild() { dirty_rebuild raid1 6MiB 3 0 2 cut; }
dirty_ten_rebuild() { dirty_rebuild raid10 12MiB 4 2 3 mirrors; }
dirty_one_three_spare() { dirty_spare raid1 6MiB 3 0 2 mirrors; }
dirty_ten_spare() { dirty_spare raid10 12MiB 4 2 3 cut; }
dirty_one_three_back() { dirty_back raid1 6MiB 3 0 2 cut; }
dirty_ten_back() { dirty_back raid10 12MiB 4 2 3 cut; }

[ $# -gt 0 ] || set -- one_three ten six six_five five one one_three_back ten_back dirty_one_three dirty_ten dirty_one_three_rebuild \
	dirty_ten_rebuild dirty_one_three_spare dirty_ten_spare dirty_one_three_back dirty_ten_back
for scenario in "$@"; do $scenario; done
lab_done
