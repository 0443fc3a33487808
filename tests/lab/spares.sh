#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=400 disks=nbd:11:96M
# Spares that do not do: one that is too small is refused, and a person is told why; one that dies while it is filled is
# followed by the next; where there is no next one it is said, the case stays open, and a disk that is given later is used.
# Then the spare of another set, which a pool shares; and the disk that it stands in for comes back.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

lab_disks 1 48
small=$(lab_dev d1)
lab_md_container ddf $(lab_devs h1-h3)
lab_md_volume ddf data 5 3 --chunk=64 --size=20M
lab_md_sync data
lab_md_stop

# The disk that could not be read has one of its own.
cases() { sparectl status --json | jq -r '.status.cases[].name' | grep -vx "${small#/dev/}" | sort | paste -sd' '; }
told() { lab_wait_for "grep -q '$1' $LAB_OUT/notices" 30; }

spared_configure "$(spared_set_of "$(lab_dev h1)")"
echo "budget: {plans-per-hour: 20}" >> /etc/spared/spared.yaml
spared_quick
spared_start
spared_optimal data
lab_writer_start w /dev/mapper/data --pace 3000

say "a spare that is too small"
ok "it is taken into the set" sparectl spare add "$small"
spared_event spare.added > /dev/null

say "a spare is read through"
reading() { sparectl status --json | jq -r --arg n "${small#/dev/}" '.status.devices[] | select(.name == $n) |
	"\(."read-check".state) \(."read-check".errors) \(.marks | join(","))"'; }
lab_stream_mark mon
like "slowly" "$(sparectl disk check "$small" --speed 1MB/s)" "read-check ${small#/dev/} at 1MB/s"
ok "status tells how far it is" lab_wait_for "sparectl status | grep -q '${small#/dev/} .*is read .*%'" 10
ok "by a process that nobody waits for" lab_wait_for '[ "$(ionice -p "$(pgrep -x spared-read)")" = idle ]' 10
ok "it can be ended" sparectl disk check "$small" --cancel
like "which says nothing of the disk" "$(spared_event action.refused read-check)" 'a person has stopped it'
is "it is not finished" "$(reading)" "stopped 0 "
lab_medium 40000 8
lab_stream_mark mon
ok "at full speed" sparectl disk check "$small" --speed 1GB/s
like "an unreadable sector fails it" "$(spared_event action.failed read-check)" '1 place cannot be read, the first at 19MiB'
ok "the spare is marked" lab_wait_for '[ "$(reading)" = "failed 1 unproven" ]' 10
like "status says so" "$(sparectl status)" "${small#/dev/} .*when it was read: 1 unreadable place"
ok "and a person is told" told "spare ${small#/dev/} .* did not pass its reading"
like "the error itself is known as the kernel's" "$(sparectl history --errors)" "${small#/dev/}"
spared_stop
lab_medium off
spared_start
lab_wait_for '[ "$(spared_array data state)" = optimal ]' 30
is "a restart forgets neither" "$(reading)" "failed 1 unproven"
lab_stream_mark mon
ok "again" sparectl disk check "$small" --speed 1GB/s
spared_event action.succeeded read-check > /dev/null
ok "it passes and loses its mark" lab_wait_for '[ "$(reading)" = "ok 0 " ]' 10

say "what was a mistake is taken back"
plan_of() { sparectl "$@" --json | jq -r '."plan-id"'; }
is_spare() { spared_mdadm_says "$(lab_dev h1)" | grep -c spare || true; }
gone=$(plan_of spare remove "$small")
is "the spare is removed" "$(is_spare)" 0
like "a dry run tells how" "$(sparectl undo "$gone" --dry-run)" "would do: add-spare ${small#/dev/}"
back=$(plan_of undo "$gone")
is "and it is one again, by mdadm" "$(is_spare)" 1
like "once" "$(sparectl undo "$gone" 2>&1 || true)" "$gone was undone by $back"
gone=$(plan_of spare remove "$small")
like "not when the set was written since" "$(sparectl undo "$back" 2>&1 || true)" "$back cannot be undone any more: the set was written since"
ok "but what was done last is" sparectl undo "$gone"

made=$(plan_of spare add "$small" --array data --revertible)
like "it becomes a revertible one for this array, which is on the disk" "$(sparectl meta show "$small")" "dedicated spare, revertible"
like "what it said before that plan is kept" "$(sparectl meta show --before "$made" "$small")" "global spare, this disk"
ok "a capsule" sparectl capsule /run/lab/files/capsule
like "has it, too" "$(sparectl meta show --before "$made" /run/lab/files/capsule)" "global spare, this disk"
like "as mdadm reads it" "$(mdadm -E "$small")" " spare/Online"

say "but it is of no use"
why="${small#/dev/} is .*B too small"
ok "status tells why it is of no use" lab_wait_for "sparectl status | grep -q '$why'"
lab_stream_mark mon
lab_pull h2
refused=$(spared_event action.refused "too small")
like "the plan says why" "$refused" "$why"
ok "and a person is told" told "data lost a member and no spare took its place: $why"
like "so does the history" "$(sparectl history --array data)" "$why"
like "and a person who asks for it" "$(sparectl spare activate data "$small" 2>&1 || true)" "$why"
is "the array goes on, degraded" "$(spared_array data state)" degraded
is "the small disk is as it was" "$(spared_mdadm_says "$small" | grep "^${small#/dev/} ")" "${small#/dev/} spare"
is "the case is open" "$(cases | wc -w)" 1

say "one that fits"
lab_stream_mark mon
fits=$(lab_dev h4)
ok "is added" sparectl spare add "$fits"
spared_event spare.activated > /dev/null
spared_optimal data
ok "and serves" test "$(spared_slot data "$fits")" -ge 0
is "the case is closed" "$(cases)" ""
spared_agrees "$(lab_dev h1)"

say "a spare is pulled while it is filled: the next one"
lab_md_speed 200
ok "a spare" sparectl spare add "$(lab_dev h5)"
ok "another" sparectl spare add "$(lab_dev h6)"
slot=$(spared_slot data "$(lab_dev h1)")
lab_stream_mark mon
lab_pull h1
spared_event spare.activated > /dev/null
lab_wait_for "[ \"\$(spared_member data $slot)\" = rebuilding ]" 20
first=$(spared_disk data "$slot")
lab_stream_mark mon
lab_pull "h$first"
spared_event spare.activated > /dev/null
lab_wait_for "[ \"\$(spared_member data $slot)\" = rebuilding ]" 20
is "of two spares both were used" "$((first + $(spared_disk data "$slot")))" 11
lab_md_speed 200000
spared_optimal data
spared_agrees "$(lab_dev h3)"

say "a spare cannot be written while it is filled, and there is no other"
lab_md_speed 200
ok "a spare" sparectl spare add "$(lab_dev h7)"
slot=$(spared_slot data "$(lab_dev h3)")
lab_stream_mark mon
: > "$LAB_OUT/notices"
lab_pull h3
spared_event spare.activated > /dev/null
lab_wait_for "[ \"\$(spared_member data $slot)\" = rebuilding ]" 20
lab_stream_mark mon
lab_fault h7 "write 0 -"
spared_event array.member-failed > /dev/null
is "it is failed" "$(spared_member data "$slot")" failed
ok "a person is told" told "data lost a member and no spare took its place: $why"
like "its case and the pulled disk's are open" "$(cases)" "^sd[a-z]+ sd[a-z]+$"
lab_md_speed 200000
lab_stream_mark mon
ok "a disk is given" sparectl spare add "$(lab_dev h8)"
spared_event spare.activated > /dev/null
spared_optimal data
is "the cases are closed" "$(cases)" ""
lab_fault h7
spared_agrees "$(lab_dev h8)"

say "the spare of another set, which a pool shares"
lent=$(lab_dev h11)
ok "another set, with a spare" sparectl array create vault --level raid1 --size 20MiB --assume-clean \
	"$(lab_dev h9)" "$(lab_dev h10)" --spare "$lent"
cat >> /etc/spared/spared.yaml <<-END
	tags: {devices: {"$(sparectl status --json | jq -r --arg n "${lent#/dev/}" '.status.devices[] | select(.name == $n) | .id')": [shelf]}}
	pools: {shelf: ["*"]}
END
ok "the pool" sparectl rules reload
lab_stream_mark mon
lab_pull h4
spared_event action.succeeded take-spare > /dev/null
spared_optimal data
like "the plan says the whole" "$(sparectl history --array data)" "take-spare ${lent#/dev/} from vault"
ok "it serves" test "$(spared_slot data "$lent")" -ge 0
is "vault has no spare any more, by mdadm" "$(spared_mdadm_says "$(lab_dev h9)" | grep -c spare || true)" 0
spared_agrees "$(lab_dev h9)" vault "$(lab_dev h9) $(lab_dev h10)"
say "the disk that it stands in for is back"
lab_stream_mark mon
lab_plug h4
lab_wait_for 'sparectl array copy-back "$(lab_dev h4)" --always --dry-run' 20
like "it has the slot for good" "$(sparectl array copy-back "$(lab_dev h4)" 2>&1 || true)" "took slot . of data for good"
like "but a person may" "$(sparectl array copy-back "$(lab_dev h4)" --always --dry-run)" "would do: copy-back ${lent#/dev/} in data to "
ok "copies it back" sparectl array copy-back "$(lab_dev h4)" --always
spared_event array.resync-finished 'replace.*done' > /dev/null
ok "it serves" lab_wait_for '[ -n "$(spared_slot data "$(lab_dev h4)")" ]' 10
ok "and the spare is one again" lab_wait_for "sparectl status | grep -q 'spare idle.* ${lent#/dev/}'" 10
spared_agrees "$lent" data

lab_writer_clean w
members=$(for slot in 0 1 2; do echo "/dev/$(spared_disk_at data $slot)"; done)
ok "stops" sparectl array stop data
ok "and vault" sparectl array stop vault
spared_stop
dmsetup remove_all
# An old copy among them, as the disk that failed has it, leads mdadm's own table of disks astray.
lab_md_assemble ddf $members
lab_wait_for '[ -e /dev/md/data ]' 30
ok "by mdadm: every acknowledged block" lab_writer verify --state /run/lab/files/w.state /dev/md/data
lab_md_stop
lab_done
