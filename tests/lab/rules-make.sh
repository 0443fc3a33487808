#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=240
# Rules that make arrays: three blank disks with a tag become one, it gets all the room that they have, and once a person has stopped
# it another name; it is given up only when a person says yes, and then its disks are blank. A person makes one of a pool, too.
# shellcheck source=lib/lab.sh
. "$LAB_REPO/tests/lab/lib/lab.sh"
# shellcheck source=lib/spared.sh
. "$LAB_REPO/tests/lab/lib/spared.sh"

lab_disks 6 64
rm -f /etc/mdadm/mdadm.conf
spared_configure '7370617265642020*'
id_of() { sparectl status --json | jq -r --arg n "$(basename "$(lab_dev "$1")")" '.status.devices[] | select(.name == $n) | .id'; }
spared_start
cat >> /etc/spared/spared.yaml <<- END
	tags:
	  devices:
	    "$(id_of 2)": [shelf]
	    "$(id_of 3)": [shelf]
	    "$(id_of 5)": [shelf]
	    "$(id_of 4)": [attic]
	    "$(id_of 6)": [attic]
END
cat > /etc/spared/rules.d/60-make.yaml <<- 'END'
	version: 1
	rules:
	  - name: fill-shelf
	    description: Three blank disks of the shelf become an array.
	    watch: device
	    where: {device.contents: blank, device.tags: {has: shelf}}
	    for: 2s
	    limit: {count: 1, within: 1d, per: []}
	    do:
	      - create-array: {name: bulk, level: raid5, pool: shelf, members: 3, size: 8MiB, chunk: 32KiB}
	  - name: use-all
	    description: It gets what its disks have left.
	    watch: array
	    where: {array.name: bulk, array.state: optimal}
	    for: 2s
	    do: [grow-array]
	  - name: other-name
	    description: What a person stopped has another name.
	    watch: array
	    where: {array.name: bulk, array.stopped-by: operator}
	    for: 1s
	    do:
	      - rename-array: {to: "old-${array.name}"}
	  - name: give-up
	    description: It may go if somebody says so.
	    watch: array
	    where: {array.name: old-bulk}
	    for: 1s
	    mode: ask
	    do:
	      - delete-array: {container: true}
END
ok "the rules are loaded" sparectl rules reload

say "three disks of the shelf"
ok "are an array by themselves" lab_wait_for '[ "$(spared_array bulk state)" = optimal ]' 40
is "of those disks" "$(spared_array bulk 'members[].name' | sort | paste -sd' ')" \
	"$(for n in 2 3 5; do basename "$(lab_dev $n)"; done | sort | paste -sd' ')"
like "in chunks of 32 KiB" "$(dmsetup table bulk)" " raid5_ls [0-9]+ 64 "
lab_fill /dev/mapper/bulk 7 > /dev/null
data() { head -c 8M /dev/mapper/"$1" | md5sum; }
before=$(data bulk)
ok "which gets all that they have" lab_wait_for "[ \$(blockdev --getsz /dev/mapper/bulk) -gt 60000 ]" 60
is "its data are there" "$(data bulk)" "$before"
lab_wait_for 'mdadm -E "$(lab_dev 2)" | grep -q "Fully Initialised"' 60
spared_agrees "$(lab_dev 2)"

set=$(spared_array bulk set)
ok "people are told that its locks are theirs to write" grep -q "'sparectl manage $set' keeps other tools off it" "$LAB_OUT/notices"
ok "they do" sparectl manage "$set"
like "mdadm is kept off" "$(cat /etc/udev/rules.d/61-spared-managed.rules)" "$set"

say "a person makes one of the attic, where a third disk is not to be had"
nok "of three" sparectl array create top --level raid5 --pool attic --members 3 --no-manage
like "is refused with how many there are" "$(sparectl array create top --level raid5 --pool attic --members 3 --no-manage 2>&1 || true)" \
	"3 disks of the pool are wanted: .* there are 2"
ok "of two it is made" sparectl array create top --level raid1 --pool attic --members 2 --size 4MiB --no-manage
is "of those" "$(spared_array top 'members[].name' | sort | paste -sd' ')" \
	"$(for n in 4 6; do basename "$(lab_dev $n)"; done | sort | paste -sd' ')"

say "what a person stops"
ok "bulk is stopped" sparectl array stop bulk
ok "has another name" lab_wait_for '[ "$(spared_array old-bulk state)" = inactive ]' 20
like "on the disks" "$(mdadm -E "$(lab_dev 3)")" "Name\[0\] : old-bulk"
lab_wait_for '[ "$(sparectl status --json | jq ".status.questions | length")" = 1 ]' 20
lab_pause 2
is "and nothing more before somebody is asked" "$(spared_array old-bulk state)" inactive
ok "a person says yes" sparectl rules approve give-up
ok "its disks are blank" lab_wait_for '! mdadm -E "$(lab_dev 2)" > /dev/null 2>&1' 20
nok "mdadm finds nothing" mdadm -E "$(lab_dev 5)"
is "the other array goes on" "$(spared_array top state)" optimal
lab_done
