#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=240
# What the broker hears: disks by udev at start and later, block errors with the right disk, device-mapper events, loss that is
# counted and followed by a new look (block errors and uevents), a trace instance that outlives a crash.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

instances=/sys/kernel/tracing/instances
# device N KEY: of disk N in the status.
device() { sparectl status --json | jq -r --arg n "$(basename "$(lab_dev "$1")")" ".status.devices[] | select(.name == \$n) | .$2"; }
# source NAME KEY
source_value() { sparectl status --json | jq -r --arg n "$1" ".broker.sources[] | select(.name == \$n) | .$2"; }

modprobe dm-mod
lab_disks 3 32
spared_configure no-such-set
spared_start

ids=$(for i in 1 2 3; do device $i id; done)
is "all disks are known at start" "$(grep -c '^wwn-' <<< "$ids")" 3
like "with a controller" "$(device 1 controller)" .
is "sources that listen" "$(for s in dm tracefs udev; do source_value $s state; done | tr '\n' ' ')" "on on on "
is "a blank disk was read and is blank" "$(device 1 contents)" blank

first=$(device 2 id)
lab_stream_mark mon
lab_pull 2
ok "a pulled disk is heard" spared_event device.removed "\"device\": ?\"$first\"" 10
lab_plug 2
ok "and when it is back it is the same one" spared_event device.added "\"device\": ?\"$first\"" 20
lab_wait_for '[ -e "$(lab_dev 2)" ]' 10
lab_udev_settle

lab_stream_mark mon
third=$(device 3 id) name=$(basename "$(lab_dev 3)")
lab_medium 1000 8
nok "a read fails" dd if=/dev/"$name" of=/dev/null bs=4096 skip=125 count=1 iflag=direct status=none
lab_medium off
line=$(spared_event block.error "" 10)
like "the block error names the disk" "$line" "\"device\": ?\"$third\""
like "and the kind of error" "$line" '"error.status": ?"medium"'
like "and what failed" "$line" '"error.operation": ?"read"'
like "and where" "$line" '"error.sector": ?100[0-7]'
like "by the trace instance" "$line" '"source": ?"tracefs"'

before=$(source_value dm received)
dmsetup create heard -u SPARED-ddf-000102 --table "0 2048 zero"
lab_wait_for "[ \"\$(source_value dm received)\" -gt $before ]" 10
before=$(source_value dm received)
dmsetup create other -u LVM-x --table "0 2048 zero"
dmsetup remove other
dmsetup remove heard
lab_wait_for "[ \"\$(source_value dm received)\" -gt $before ]" 10
is "device-mapper events are ours only: created, removed" "$(source_value dm received)" 2

# udev looks at every new device; dm-zero refuses to read ahead, which is heard, and no fault.
is "what udev read is no event" "$(grep -c '"kind": \?"block.error"' /run/lab/files/mon)" 1
before=$(source_value tracefs received)
say "an error for each of the 65536 sectors of a disk while the broker is stopped"
lab_stream_mark mon
kill -STOP "$spared_pid"
lab_medium 0 65536
dd if=/dev/"$name" of=/dev/null bs=512 iflag=direct conv=noerror status=none 2> /dev/null || true
lab_medium off
kill -CONT "$spared_pid"
line=$(spared_event broker.overflow "" 20)
like "loss is told, and counted" "$line" '"overflow.lost": ?[1-9]'
like "by its source" "$line" '"overflow.source": ?"tracefs"'
ok "everything is looked at again" spared_event broker.resynced "" 20
is "nothing came or went by that" "$(for i in 1 2 3; do device $i present; done | uniq)" true
heard=$(source_value tracefs received) lost=$(source_value tracefs lost)
is "heard and lost are all there were" "$((heard - before + lost))" 65536

say "more uevents than the socket holds while the broker is stopped; a disk is pulled, and its event is among the lost"
first=$(device 1 id) received=$(source_value udev received)
lab_stream_mark mon
ok "the socket is made small" spared_room 15 2304
kill -STOP "$spared_pid"
udevadm trigger --action=change --settle --subsystem-match=block
lab_pull 1
lab_udev_settle
kill -CONT "$spared_pid"
line=$(spared_event broker.overflow '"overflow.source": ?"udev"' 20)
like "the loss is told, and counted" "$line" '"overflow.lost": ?[1-9]'
ok "everything is looked at again" spared_event broker.resynced "" 20
ok "so the pulled disk is missed" spared_event device.removed "\"device\": ?\"$first\"" 20
present() { sparectl status --json | jq --arg id "$1" '.status.devices[] | select(.id == $id) | .present'; }
is "status says so" "$(present "$first") $(device 2 present)" "false true"
say "heard $(($(source_value udev received) - received)), lost $(source_value udev lost)"
ok "and is large again" spared_room 15 $((128 << 20))
lab_plug 1
ok "the disk is back" lab_wait_for '[ "$(device 1 present)" = true ]' 20

spared_kill
say "errors while no broker runs"
# counted SECTOR: how often the history has an error there.
counted() { sparectl history --type event --kind block.error --json | jq "[.rows[] | select(.row.facts.\"error.sector\" == $1)] | length"; }
fail_at() {
	lab_medium "$1" 8
	nok "a sector cannot be read" dd if="$(lab_dev 2)" of=/dev/null bs=4096 skip=$(($1 / 8)) count=1 iflag=direct status=none
	lab_medium off
}
ok "a killed broker leaves its instance" test -d $instances/spared
fail_at 2000
spared_start
is "the next one takes it over" "$(source_value tracefs state)" on
ok "with what was in it" lab_wait_for '[ "$(counted 2000)" = 1 ]' 10
spared_stop
ok "so does one that ended" test -d $instances/spared
fail_at 2400
spared_start
ok "a restart loses no error" lab_wait_for '[ "$(counted 2400)" = 1 ]' 10
is "nor tells one twice" "$(counted 2000)" 1
spared_stop
lab_done
