#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=240 module=tests/lab/shelf
# Disks in enclosures. The lab has none that speaks SES, nor a SAS controller: the kernel's own enclosure class gets its disks from
# a module of ours (shelf/), where ses would put them; what udev and spared see is what the kernel makes of it. A spare that
# is only for its own enclosure serves an array that has a member there, and no other; a disk that is put into a slot later is
# known to be there; a spare in the slot where a member was is taken first where the rule says so. The slot of a disk that failed has its
# light on until another disk is in it.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

spared_by_hand 6
modprobe enclosure
insmod /results/bin/shelf.ko
put() { echo "$1 $2 $(lab_scsi "$3")" > /sys/module/shelf/parameters/put; }
take() { echo "$1 $(lab_scsi "$2")" > /sys/module/shelf/parameters/take; }
# Where spared knows a disk to be.
place() {
	sparectl record --since 1s | jq -r --arg n "$(basename "$(lab_dev "$1")")" \
		'select(.now) | .now.state.inventory.devices[] | select(.name == $n) | "\(.enclosure // "") \(.slot // "")"'
}
at() { ok "disk $1 is in $2, $3" lab_wait_for "[ \"\$(place $1)\" = '$2 $3' ]" 20; }

say "spared runs, and learns where disks are"
is "disk 1 is nowhere" "$(place 1)" " "
put 0 1 1
put 0 2 2
put 1 3 3
put 0 4 4
at 1 shelf-0 "Slot 01"
at 2 shelf-0 "Slot 02"
at 3 shelf-1 "Slot 03"
at 4 shelf-0 "Slot 04"
say "and after a restart"
spared_stop
spared_start
at 4 shelf-0 "Slot 04"

say "spares of their enclosures"
ok "an array in shelf 0" sparectl array create m --level raid1 --size 4MiB "$(lab_dev 1)" "$(lab_dev 2)"
for n in 3 4; do ok "disk $n" sparectl spare add "$(lab_dev $n)" --enclosure; done
like "the record says so" "$(sparectl meta show "$(lab_dev 4)")" "spare, of its enclosure, this disk"
like "mdadm reads it as a spare of any array" "$(mdadm -E "$(lab_dev 4)")" " Global-Spare/Online"
spared_optimal m
lab_stream_mark mon
ok "disk 1 fails" sparectl array fail m "$(lab_dev 1)"
spared_event spare.activated > /dev/null
# light SLOT NAME: of shelf 0.
light() { cat "/sys/class/enclosure/shelf-0/Slot $1/$2"; }
ok "the light of its slot is on" lab_wait_for '[ "$(light 01 fault)" = 1 ]' 20
is "no other is" "$(light 02 fault)$(light 04 fault)$(light 01 locate)" 000
spared_optimal m
is "the spare of its shelf serves" "$(spared_slot m "$(lab_dev 4)")" 0
spared_agrees "$(lab_dev 2)"

say "one of another shelf"
ok "disk 2 fails" sparectl array fail m "$(lab_dev 2)"
like "is not taken, and the reason is told" "$(sparectl spare activate m "$(lab_dev 3)" 2>&1 || true)" "where m has no member"
like "in the status, too" "$(sparectl status)" "where m has no member"
is "the array is degraded" "$(spared_array m state)" degraded

say "it is moved into this one"
take 1 3
put 0 3 3
at 3 shelf-0 "Slot 03"
ok "and serves" spared_optimal m 60
ok "where disk 2 was" test "$(spared_slot m "$(lab_dev 3)")" -ge 0

say "lights"
ok "that of disk 2 is on" lab_wait_for '[ "$(light 02 fault)" = 1 ]' 20
ok "a person looks for disk 4" sparectl disk light "$(lab_dev 4)" locate
is "it is found" "$(light 04 locate)" 1
like "what off would do" "$(sparectl disk light "$(lab_dev 4)" off --dry-run)" "Slot 04/fault: 0"
ok "off" sparectl disk light "$(lab_dev 4)" off
is "is off" "$(light 04 locate)$(light 04 fault)" 00
take 0 1
put 0 1 5
ok "with another disk in its slot there is no fault" lab_wait_for '[ "$(light 01 fault)" = 0 ]' 20
is "the other one still has it" "$(light 02 fault)" 1
like "a disk that is in no slot has no light" "$(sparectl disk light "$(lab_dev 6)" fault 2>&1 || true)" "in no slot of an enclosure"
ok "m stops" sparectl array stop m
lab_done
