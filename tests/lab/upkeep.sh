#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=260
# Arrays are compared: a block that one member has alone is counted by a check, left, and put right by a repair, at each level
# with redundancy. A check that is ended, or that a failure ends, counts as none. A mirror's member is read last, and a rebuild
# is as fast as it was told to be; both outlive a stop. Two arrays on the same disks are rebuilt one after the other.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

lab_disks 19 48
lab_md_container ddf $(lab_devs 1-13)
lab_md_array one 1 4M -n 2 $(lab_devs 1-2)
lab_md_array five 5 4M -n 3 --chunk=64 $(lab_devs 3-5)
lab_md_array six 6 4M -n 4 --chunk=64 $(lab_devs 6-9)
lab_md_array ten 10 4M -n 4 --chunk=64 $(lab_devs 10-13)
lab_udev_settle
all="one five six ten"
for v in $all; do lab_md_sync $v; lab_fill /dev/md/$v 7; done
lab_md_stop

spared_configure "$(spared_set_of "$(lab_dev 1)")"
spared_quick
spared_start
for v in $all; do spared_optimal $v; done

# The first 512 bytes of the second chunk of a slot's data are not what they were.
spoil() {
	local dev offset
	dev=/dev/$(spared_disk_at "$1" "$2")
	offset=$(sparectl meta show --json "$dev" | jq --arg n "$1" '.view as $v | $v.volumes[] | select(.name == $n) | .members[] |
		select(.ref == $v.self) | .offset')
	dd if=/dev/urandom of="$dev" bs=512 count=1 seek=$((offset + 128)) oflag=direct conv=notrunc 2> /dev/null
}
finished() { spared_event array.resync-finished "\"array\": ?\"[^\"]*\".*$1.*$2|$1.*$2" 60; }
mismatches() { spared_array "$1" mismatches; }

say "a check counts, a repair puts right"
for v in $all; do spoil $v 1; done
lab_stream_mark mon
for v in $all; do ok "$v: a check" sparectl array check $v; done
for v in $all; do lab_wait_for "[ \"\$(mismatches $v)\" -gt 0 ] 2> /dev/null" 60; ok "$v: it counted $(mismatches $v) sectors" true; done
ok "events told" lab_wait_for "[ \$(tail -n +${lab_stream_from[mon]} /run/lab/files/mon | grep -c '\"kind\": \?\"array.mismatch\"') -ge 4 ]" 20
ok "a person is told" lab_wait_for "[ \$(grep -c 'members of .* differ' $LAB_OUT/notices) -ge 4 ]" 20
for v in $all; do ok "$v: a repair" sparectl array repair $v; done
for v in $all; do lab_wait_for "[ \"\$(mismatches $v)\" = 0 ]" 60; done
for v in $all; do sparectl array check $v > /dev/null; done
lab_wait_for "[ \"\$(sparectl status --json | jq '[.status.arrays[] | select(.action == \"check\")] | length')\" = 0 ]" 60
for v in $all; do is "$v: nothing differs any more" "$(mismatches $v)" 0; done
for v in five six; do ok "$v: its data are what they were" lab_check_fill /dev/mapper/$v 7; done

say "slowly, so that it can be ended"
ok "slower" sparectl array speed five 100KiB/s
like "the table says so" "$(dmsetup table five)" "min_recovery_rate 100 max_recovery_rate 100"
lab_stream_mark mon
scrubbed=$(spared_array five scrubbed)
sparectl array check five > /dev/null
spared_event array.resync-started > /dev/null
like "a rebuild is not begun beside it" "$(sparectl array repair five 2>&1 || true)" "check already runs"
like "how far it is" "$(sparectl status)" "five .* check .*%"
ok "ended" sparectl array check five --cancel
like "and told so" "$(spared_event array.resync-finished)" "interrupted"
is "it counts as none" "$(spared_array five scrubbed)" "$scrubbed"
sparectl array check five > /dev/null
lab_stream_mark mon
gone=$(spared_disk five 2)
lab_pull "$gone"
dd if=/dev/urandom of=/dev/mapper/five bs=64k count=4 oflag=direct 2> /dev/null
like "a failure ends it" "$(spared_event array.resync-finished)" "interrupted"
like "a degraded array is not compared" "$(sparectl array check five 2>&1 || true)" "degraded|being rebuilt"

say "a rebuild is as fast as it was told to be"
lab_plug "$gone"
spared_stale "$(lab_dev "$gone")"
sparectl array re-add five "$(lab_dev "$gone")" > /dev/null || true
sparectl array fail six "$(spared_disk_at six 3)" > /dev/null
sparectl array speed six 200KiB/s > /dev/null
ok "as fast as it can" sparectl array speed five max
like "both limits" "$(dmsetup table five)" "min_recovery_rate 100000000 max_recovery_rate 100000000"
spared_optimal five 60
ok "back to the kernel's own" sparectl array speed five default
nok "no limit of ours" grep -q recovery_rate <<< "$(dmsetup table five)"

say "a mirror's member is read last"
last=$(spared_disk_at one 0)
like "not of another level" "$(sparectl array read-last six "$(spared_disk_at six 0)" 2>&1 || true)" "is a raid6"
ok "read last" sparectl array read-last one "$last"
like "the table says so" "$(dmsetup table one)" "write_mostly 0"
reads() { awk '{ print $1 }' "/sys/block/$1/stat"; }
before=$(reads "$last")
dd if=/dev/mapper/one of=/dev/null bs=64k iflag=direct 2> /dev/null
is "nothing is read from it" "$(reads "$last")" "$before"
ok "stopped" sparectl array stop one
ok "and started" sparectl array start one
like "it is so again" "$(dmsetup table one)" "write_mostly 0"
ok "taken back" sparectl array read-last one "$last" --off
nok "no more" grep -q write_mostly <<< "$(dmsetup table one)"

say "arrays that share disks take turns"
actions() { dmsetup status --target raid | awk '$1 ~ /^twin[56]:$/ { print $1 $9 }' | xargs; }
ok "a RAID6" sparectl array create twin6 --level raid6 --size 4MiB $(lab_devs 14-17) --spare "$(lab_dev 18),$(lab_dev 19)"
ok "a RAID5 on its disks" sparectl array create twin5 --level raid5 --size 4MiB --in twin6 $(lab_devs 14-17)
lab_wait_for '[ "$(actions)" = "twin5:idle twin6:idle" ]' 30
lab_md_speed 100
lab_stream_mark mon
ok "a disk of both fails" sparectl array fail twin6 "$(lab_dev 15)"
lab_wait_for "[[ \"\$(spared_states twin5) \$(spared_states twin6)\" = *rebuilding*rebuilding* ]]" 30
ok "the one that could lose no more is rebuilt, the other waits" lab_wait_for '[ "$(actions)" = "twin5:recover twin6:frozen" ]' 10
lab_md_speed 200000
together=0
until [[ "$(actions)" =~ ^twin5:idle ]]; do [[ "$(actions)" != *recover*recover* ]] || together=1; done
is "never both" $together 0
rebuilt() {
	tail -n +"${lab_stream_from[mon]}" /run/lab/files/mon | jq -r 'select(.event.kind? == "array.resync-finished") | .event."array-name"' | xargs
}
ok "one after the other" lab_wait_for '[ "$(rebuilt)" = "twin5 twin6" ]' 30

say "what is known outlives the daemon"
spared_stop
spared_start
is "when it was compared last" "$(spared_array ten mismatches)" 0
ok "and when" test "$(spared_array ten scrubbed)" -gt 0
like "the limit of the rebuild" "$(spared_array six rate)" "204800"
lab_done
