#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=400
# What a person asks for: an event that did not happen, told dry (what would be done, and nothing changes) and live (the real
# thing, marked as injected wherever it is told or kept); the dry run of each change; mistakes; a start beyond redundancy, and
# of two halves that each went on alone: refused with a reason and a way out, and then as the person chooses.
# shellcheck source=lib/lab.sh
. "$LAB_REPO/tests/lab/lib/lab.sh"
# shellcheck source=lib/spared.sh
. "$LAB_REPO/tests/lab/lib/spared.sh"

said=/run/lab/files/said
# status_of COMMAND...: its exit status; what it said is in $said, and told if it is another one than wanted.
status_of() { local status=0; "$@" > $said 2>&1 < /dev/null || status=$?; echo $status; }
# refused WHAT STATUS REGEX COMMAND...
refused() {
	local what=$1 status=$2 regex=$3
	shift 3
	is "$what: exit status" "$(status_of "$@")" "$status"
	like "$what: what it says" "$(cat $said)" "$regex"
}
# What must not change by a dry run: the DDF copies of the disks (slices have the kernel's bitmap, which follows what is
# written), and the tables. Where the copies are, the disk's last sector says.
looked_at="1 2 3 4 5 11" tables=
everything() {
	local n disk at
	for n in $looked_at; do
		disk=$(lab_dev "$n")
		tail -c 512 "$disk"
		for at in $(tail -c 512 "$disk" | od -An -v -tx8 --endian=big -j96 -N16); do
			dd if="$disk" bs=512 skip=$((16#$at)) count=2048 status=none
		done
	done | sha1sum
	{ dmsetup table; dmsetup info -c --noheadings; } | sed -n "/^$tables/p" | sort
}
unchanged() { is "$1: nothing has changed" "$(everything)" "$before"; }
name() { basename "$(lab_dev "$1")"; }

modprobe dm-raid
lab_disks 11 44
lab_md_container big $(lab_devs 1-5)
lab_md_volume big r6 6 4 --chunk=64 --size=8M
lab_md_sync r6
lab_md_container small $(lab_devs 6-8)
lab_md_volume small r5 5 3 --chunk=64 --size=8M
lab_md_sync r5
lab_md_container twin $(lab_devs 9-10)
lab_md_volume twin r1 1 2 --size=8M
lab_md_sync r1
lab_fill /dev/md/r5 5
lab_md_stop
spared_configure "$(spared_set_of "$(lab_dev 1)")" "$(spared_set_of "$(lab_dev 6)")" "$(spared_set_of "$(lab_dev 9)")"
spared_start
for a in r6 r5 r1; do spared_optimal $a 60; done
two=$(name 2)

say "an event, dry"
before=$(everything)
error=(block.error "device.name=$two" error.status=medium error.operation=read)
is "one error: no rule would fire" "$(status_of sparectl inject "${error[@]}" error.region=1)" 1
like "it says so" "$(cat $said)" "no rule would fire"
for n in 1 2 3 4 5 6 7 8 9; do sparectl inject "${error[@]}" error.region=$n --live; done > /dev/null
like "nine of ten places: why tells what is missing" "$(sparectl rules why excessive-errors "$two")" "9"
before=$(everything)
is "the tenth, dry" "$(status_of sparectl inject "${error[@]}" error.region=10)" 0
like "the rule" "$(cat $said)" "excessive-errors would be fired for"
like "its plan" "$(cat $said)" "fail-member $two from r6"
like "and the spare" "$(cat $said)" "activate-spare $(name 5) for r6"
is "as JSON" "$(sparectl inject "${error[@]}" error.region=10 --json | jq -r '.matches.verdicts[] | "\(.rule) \(.kind)"')" \
	"excessive-errors fired"
unchanged "a dry event"
is "and nothing was counted" "$(sparectl inject "${error[@]}" error.region=10 --json | jq '.matches.verdicts | length')" 1

say "what would happen"
before=$(everything)
is "not every array has a spare" "$(status_of sparectl forecast --json)" 1
like "r5 has none" "$(jq -r '.arrays[] | select(.name == "r5") | "\(.handled) \(.spares) \(.["spare-reason"])"' $said)" "^false 0 there is no spare"
is "whichever member of r6 goes, and however, the spare takes its place" \
	"$(jq -r '.arrays[] | select(.name == "r6") | "\(.handled) \([.members[].cases[] | .result + " " + (.spare // "-")] | unique | join(", "))"' $said)" \
	"true spare $(name 5)"
is "with errors by this rule, at the tenth place" \
	"$(jq -r '.arrays[] | select(.name == "r6") | .members[] | select(.name == "'"$two"'") | .cases[] | select(.case == "errors") | "\(.rule) \(.meanwhile) \(.redundancy) \(.spares)"' $said)" \
	"excessive-errors 1 2 0"
is "one array in detail" "$(status_of sparectl forecast --pull "$two")" 0
like "after its patience" "$(cat $said)" "pulled +member-gone: $(name 5) takes its place after 30s; until it is rebuilt it can lose 1 more"
unchanged "a forecast"

say "the same, live"
spared_monitor text
lab_stream_mark mon
ok "the tenth" sparectl inject "${error[@]}" error.region=10 --live
spared_event array.optimal "" 90 > /dev/null
is "the disk was failed, the spare took its place" "$(spared_disk_at r6 "$(spared_slot r6 "$(name 5)")") $(spared_states r6)" \
	"$(name 5) in-sync in-sync in-sync in-sync"
like "monitor marks the event" "$(lab_stream_wait mon '"type": ?"event".*"kind": ?"block.error"' 5)" '"origin": ?"injected"'
like "and the verdict's plan" "$(lab_stream_wait mon '"type": ?"plan".*fail-member' 5)" '"injected": ?true'
like "in words, too" "$(lab_stream_wait text 'block.error' 5)" "injected"
like "its end" "$(lab_stream_wait mon 'fail-member.*"type": ?"outcome"' 5)" '"injected": ?true'
lab_stream_stop text
is "the history keeps the mark: events" \
	"$(sparectl history --type event --json | jq '[.rows[] | select(.row.kind == "block.error" and .row.origin == "injected")] | length')" 10
is "the intent" "$(sparectl history --type intent --json | jq '[.rows[] | select(.row.injected)] | length')" 1
is "the outcome" \
	"$(sparectl history --type outcome --json | jq '[.rows[] | select(.row.injected and .row.rule == "excessive-errors")] | length')" 1
like "the log says who" "$(cat "$LAB_OUT/spared.log")" "block.error is injected by uid 0"
spared_agrees "$(lab_dev 1)" r6 "$(lab_devs 1-5)"

say "recorded, and played again"
is "now r6 has no spare" "$(status_of sparectl forecast --pull "$(name 5)")" 1
like "it says so" "$(cat $said)" "nothing takes its place: member-gone: no valid spare"
ok "a recording" sparectl record --since 1h "$LAB_OUT/record.jsonl"
mkdir -p /run/lab/files/same /run/lab/files/eager
cp "$LAB_REPO"/config/default/rules.d/* /run/lab/files/same
cp "$LAB_REPO"/config/default/rules.d/* /run/lab/files/eager
sed -i 's/threshold: {count: 10,/threshold: {count: 5,/' /run/lab/files/eager/20-errors.yaml
is "by the same rules" "$(status_of sparectl replay "$LAB_OUT/record.jsonl" --rules /run/lab/files/same)" 0
like "it is as it was" "$(cat $said)" "of ([0-9]+) recorded verdicts the replay meets \\1$"
is "by eager ones" "$(status_of sparectl replay "$LAB_OUT/record.jsonl" --rules /run/lab/files/eager)" 1
like "the disk fails earlier" "$(cat $said)" "excessive-errors $two, later by .*[|] excessive-errors $two"
cp $said $said.first
status_of sparectl replay "$LAB_OUT/record.jsonl" --rules /run/lab/files/eager > /dev/null
ok "and again just so" cmp $said $said.first

say "the dry run of each change"
lab_wait_for 'dmsetup status r6 | grep -q " idle "' 30
before=$(everything)
dry() {
	local what=$1 line=$2
	shift 2
	is "$what: exit status" "$(status_of sparectl "$@" --dry-run)" 0
	like "$what: the plan" "$(cat $said)" "would do: $line"
	like "$what: the metadata" "$(cat $said | tr '\n' '~')" "metadata before.*metadata after"
	unchanged "$what"
}
three=$(name 3)
dry "array fail" "fail-member $three from r6" array fail r6 "$three"
like "array fail: the table without the member" "$(cat $said)" "table of r6 after:.* - -"
dry "spare add" "add-spare $(name 11)" spare add "$(name 11)" --array r6
dry "array stop" "stop-array r5" array stop r5
like "array stop: its table" "$(cat $said)" "table of r5 before:"
is "as JSON: show" "$(sparectl array fail r6 "$three" --dry-run --json | jq -r '.result, (.show | length)' | tr '\n' ' ')" "ok 1 "

say "mistakes"
refused "an array that is not there" 1 "no array 'nope'" sparectl array fail nope "$three"
refused "a disk that is not there" 1 "no device 'sdzz'" sparectl array fail r6 sdzz
refused "a disk of another array" 4 "is not a member of r6" sparectl array fail r6 "$(name 6)"
refused "a fact without a value" 2 "is not fact=value" sparectl inject block.error "$two"
refused "an event's name that is none" 2 "kind" sparectl inject "Block Error"
refused "an event about nobody" 1 "no device 'sdzz'" sparectl inject block.error device.name=sdzz
refused "a member as a spare" 4 "." sparectl spare add "$three"
mkfs.ext4 -q "$(lab_dev 11)"
udevadm settle
refused "a disk with a file system as a spare" 4 "ext4|file ?system|not blank" sparectl spare add "$(name 11)" --array r6
ok "what is so already is no mistake" sparectl array start r6
unchanged_tables=$(dmsetup table | sort)
exec 7< /dev/mapper/r6
refused "an array that is in use" 1 "in use" sparectl array stop r6
exec 7<&-
is "it runs on" "$(dmsetup table | sort)" "$unchanged_tables"
ok "JSON of an error" jq -e '.error.code == "not-found" and .ok == false' <(sparectl array fail nope x --json || true)

say "beyond redundancy"
ok "one of three is failed by hand" sparectl array fail r5 "$(name 6)"
like "why no spare took its place" "$(sparectl spare why r5)" "^r5/[0-9]: .*no valid spare: "
looked_at="6 7 8" before=$(everything)
dry "array remove" "remove-member $(name 6) from r5" array remove "$(name 6)"
ok "the array stops" sparectl array stop r5
lab_pull 7
lab_wait_for '[ "$(spared_array r5 "members | map(select(.present)) | length")" = 2 ]' 20
before=$(dmsetup table | sort)
refused "start" 4 "only 1 of 3 .*too few.*--force" sparectl array start r5
refused "a degraded start" 4 "only 1 of 3 .*too few.*--force" sparectl array start r5 --degraded
refused "a forced start that nobody confirms" 4 "may be lost or mixed" sparectl array start r5 --force
is "nothing was started" "$(dmsetup table | sort)" "$before"
is "the forced start, dry" "$(status_of sparectl array start r5 --force --dry-run)" 0
like "says which member it takes back" "$(cat $said)" "assemble r5.*force"
is "nothing was started" "$(dmsetup table | sort)" "$before"
is "the forced start" "$(status_of sparectl array start r5 --force --yes)" 0
like "says what it did" "$(cat $said)" "forced"
is "it runs, degraded" "$(spared_array r5 state)" degraded
ok "nothing was written meanwhile: all data are there" lab_check_fill /dev/mapper/r5 5
spared_agrees "$(lab_dev 8)" r5 "$(lab_devs 6 8)"
ok "it stops" sparectl array stop r5
lab_plug 7

say "two halves"
half() { # half SEED: the one that is here alone
	lab_wait_for '[ "$(spared_array r1 "members | map(select(.present)) | length")" = 1 ]' 20
	ok "a half starts alone" sparectl array start r1 --degraded
	lab_fill /dev/mapper/r1 "$1"
	ok "and stops" sparectl array stop r1
}
ok "the mirror stops" sparectl array stop r1
lab_pull 9
half 9
lab_pull 10
lab_plug 9
refused "a half that is older, by what spared has seen" 4 "only 0 of 2 .*here and current" sparectl array start r1 --degraded
# Another machine has seen nothing.
spared_stop
rm -rf /var/lib/spared
spared_start
half 10
lab_plug 10
lab_wait_for '[ "$(spared_array r1 "members | map(select(.present)) | length")" = 2 ]' 20
looked_at="9 10" tables=r1
before=$(everything)
refused "together" 4 "r1 has two histories.*--force --read-only" sparectl array start r1
refused "nor degraded" 4 "r1 has two histories" sparectl array start r1 --degraded
refused "nor forced, if it could be written" 4 "r1 has two histories" sparectl array start r1 --force --yes
like "status names the set" "$(sparectl status)" "two histories in set $(spared_set_of "$(lab_dev 9)")"
unchanged "a refused start"
is "a forced start to look" "$(status_of sparectl array start r1 --force --read-only --yes)" 0
is "cannot be written" "$(blockdev --getro /dev/mapper/r1)" 1
ok "and shows one of them" eval 'lab_check_fill /dev/mapper/r1 9 || lab_check_fill /dev/mapper/r1 10'
ok "it stops" sparectl array stop r1
# The person chooses the half with seed 10, on disk 9: the other is wiped.
dd if=/dev/zero of="$(lab_dev 10)" bs=1M oflag=direct status=none 2> /dev/null || true
udevadm trigger --action=change --settle "$(lab_dev 10)"
lab_wait_for '[ "$(spared_array r1 "members | map(select(.present)) | length")" = 1 ]' 20
ok "the half that was chosen starts" sparectl array start r1 --degraded
ok "with its data" lab_check_fill /dev/mapper/r1 10
ok "the other disk becomes a spare" sparectl spare add "$(lab_dev 10)" --array r1
ok "and takes the place" sparectl spare activate r1 "$(lab_dev 10)"
spared_optimal r1 60
is "and a mirror again" "$(spared_states r1)" "in-sync in-sync"
ok "with the same data" lab_check_fill /dev/mapper/r1 10
spared_agrees "$(lab_dev 9)" r1 "$(lab_devs 9-10)"

say "what programs read, by the protocol's schema"
for verb in status history; do
	sparectl $verb --json > $said
	ok "the answer to $verb" spared_valid answer-$verb $said
done
like "metrics of an array" "$(sparectl metrics)" '^spared_array_members\{array="r1",id="[^"]+",state="in-sync"\} 2$'
like "what a person asked for, with its plan" "$(sparectl history --type command --array r1)" 'spare-activate .* in r1 by root \(sparectl pid [0-9]+\): P-[0-9]+$'
like "a plan is found by its array and its disk" \
	"$(sparectl history --type outcome --array r1 --device "$(lab_dev 10)")" 'P-[0-9]+ ok: activate-spare'

say "a disk that is being read"
dd if=/dev/zero of="$(lab_dev 11)" bs=1M oflag=direct status=none 2> /dev/null || true
udevadm trigger --action=change --settle "$(lab_dev 11)"
ok "a disk that was emptied is given" sparectl spare add "$(lab_dev 11)" --array r6
ok "taken back" sparectl spare remove "$(lab_dev 11)"
ok "and given again at once" sparectl spare add "$(lab_dev 11)" --array r6

say "a rule that asks"
cat > /etc/spared/rules.d/91-ask.yaml <<-'END'
	version: 1
	rules:
	  - name: asks # lint: no-guard
	    description: A person decides.
	    event: block.error
	    where: {device.role: member, error.status: target}
	    mode: ask
	    do: [fail-member]
END
ok "it is read" sparectl rules reload
asked() { sparectl rules list --json | jq -r '.questions[] | "\(.rule) \(.device)"'; }
member=$(spared_disk_at r1 0)
for answer in deny approve; do
	ok "an error" sparectl inject block.error "device.name=$member" error.status=target --live
	is "it asks about the disk" "$(asked)" "asks $member"
	is "and has done nothing" "$(spared_states r1)" "in-sync in-sync"
	ok "a person answers: $answer" sparectl rules $answer asks
	is "it asks no more" "$(asked)" ""
done
ok "denied it did nothing, approved it does" lab_wait_for '[ "$(spared_member r1 0)" = failed ]' 20

say "rules whose tests fail"
sed -i 's/^rules: {/rules: {tests: refuse, /' /etc/spared/spared.yaml
cat > /etc/spared/rules.d/asks.test.yaml <<-'END'
	version: 1
	tests:
	  - name: asks
	    world: {devices: {sda: {}, sdb: {}}, arrays: {m: {level: raid1, members: [sda, sdb]}}}
	    events: [{at: 1s, event: block.error, device: sda, error.status: target}]
	    expect: [{at: 1s, rule: asks, asked: true}]
END
ok "tests that pass" sparectl rules reload
sed -i 's/error.status: target}$/error.status: medium}/' /etc/spared/rules.d/91-ask.yaml
refused "tests that fail" 2 "why not: all else holds.*error.status = medium" sparectl rules reload
like "it says what stays" "$(cat $said)" "tests of the rules fail; nothing was loaded"
ok "the rule that ran does" sparectl inject block.error "device.name=$(spared_disk_at r1 1)" error.status=target
spared_stop
ok "all that was monitored" spared_valid message "$LAB_OUT/mon"
lab_done
