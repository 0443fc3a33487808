#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=180
# A full and a read-only /var: told once each way, as an event, a notice and to people; nothing waits for the history.
# Then what the history answers: who asked for what, why a verdict fired, errors by day, and what it forgets by itself.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

modprobe dm-mod
lab_disks 2 16
disk=$(basename "$(lab_dev 1)")
mkdir -p /run/var
mkfs.ext4 -q -m 0 -O ^has_journal "$(lab_dev 2)"
mount "$(lab_dev 2)" /run/var
spared_configure no-such-set
cat >> /etc/spared/spared.yaml <<-END
	history: /run/var/spared/history.db
	keep: {time: 1d, size: 2MiB}
END
cat > /etc/spared/rules.d/50-test.yaml <<-END
	version: 1
	rules:
	  - name: three
	    description: Three slow requests tell.
	    event: block.slow
	    threshold: {count: 3, within: 1h}
	    do: [{notify: {severity: info, text: "three of them"}}]
END
spared_start
state() { sparectl status --json | jq -r .broker.history; }
is "it is written" "$(state)" ok

# Injected events of some KB each, one connection: 200 of them take less than a second.
flood() {
	python3 - "$1" <<-'END'
		import socket, sys
		s = socket.socket(socket.AF_UNIX); s.connect("/run/spared/control.sock"); f = s.makefile("r")
		for i in range(int(sys.argv[1])):
		    s.sendall(b'{"v":1,"verb":"inject","live":true,"kind":"bulk.event","extra":{"x":"%s"}}\n' % (b"y" * 6000))
		    f.readline()
	END
}
inject() { sparectl inject "$@" --live; }
notices() { grep -c "$1" "$LAB_OUT/notices"; }

# --- full
dd if=/dev/zero of=/run/var/ballast bs=64k > /dev/null 2>&1 || true
begin=$(lab_ms)
ok "events go on with a full /var" flood 200
within "without waiting (ms)" $(($(lab_ms) - begin)) 10000
like "that it is full is an event" "$(spared_event broker.history-lost)" 'history.reason.*full'
is "and the status" "$(state)" not-durable
ok "rules go on" eval 'for i in 1 2 3; do inject block.slow device.name=$disk; done; spared_event block.slow; lab_stream_wait mon "\"rule\": ?\"three\""'
begin=$(lab_ms)
sparectl maintenance on "$disk" > /dev/null
within "so does a person's command (ms)" $(($(lab_ms) - begin)) 3000
lab_wait_for 'grep -q "cannot be written" "$LAB_OUT/notices"'
rm /run/var/ballast
like "that it works again is an event" "$(spared_event broker.history-restored)" '"history.missed": ?0'
is "and the status, too" "$(state)" ok
lab_wait_for 'grep -q "written again" "$LAB_OUT/notices"'
is "each was told once" "$(notices 'cannot be written') $(notices 'written again')" "1 1"
like "what happened meanwhile was kept" "$(sparectl history --kind block.slow)" 'block.slow'
like "that it was lost is in it" "$(sparectl history --kind 'broker.history-*')" 'history-lost.*history.reason='

# --- read-only
spared_stop
umount /run/var # and so is everything on the disk
mount -o ro "$(lab_dev 2)" /run/var
begin=$(lab_ms)
spared_start
within "it starts with a read-only /var (ms)" $(($(lab_ms) - begin)) 15000
is "and says so" "$(state)" not-durable
inject block.slow device.name="$disk" > /dev/null
mount -o remount,rw /run/var
spared_event broker.history-restored > /dev/null
is "it is written as soon as it can be" "$(state)" ok
like "with what happened before" "$(sparectl history --since 1m --kind 'broker.*')" 'history-lost.*history.reason='

# --- what it answers
like "who asked for what" "$(sparectl history --type command)" "maintenance $disk by root.*sparectl pid [0-9]+\): done"
is "by person" "$(sparectl history --person root --kind maintenance --json | jq '.rows | length')" 1
is "by a person who did nothing" "$(sparectl history --person nobody --json | jq '.rows | length')" 0
verdict=$(sparectl history --rule three --type verdict --json | jq -r '.rows[-1].row.id')
why=$(sparectl history --verdict "$verdict")
like "why: the rule" "$why" 'Three slow requests tell'
is "why: its three events" "$(grep -c 'block.slow .*(control, injected)' <<< "$why")" 3
nok "no such verdict" sparectl history --verdict none
inject block.error device.name="$disk" error.status=medium error.operation=read error.sector=8 event.count=5 > /dev/null
inject block.error device.name="$disk" error.status=timeout error.operation=read error.sector=8 > /dev/null
lab_wait_for "sparectl history --errors | grep -q timeout"
like "errors by day" "$(sparectl history --errors)" "^$(date +%F) +$disk +6  medium 5, timeout 1"
is "of another disk" "$(sparectl history --errors --device no-such --json | jq -c .errors)" "[]"
is "nothing is younger than now" "$(sparectl history --since 0s --json | jq '.rows | length')" 0
is "until an hour ago" "$(sparectl history --until 1h --json | jq '.rows | length')" 0

# --- what it forgets
flood 1200 # more than the disk would hold
# It forgets every thousand rows: some more, until that comes.
lab_wait_for 'flood 64; [ "$(stat -c %s /run/var/spared/history.db)" -lt 4000000 ]' 60
ok "beyond keep.size the oldest goes, and the file gets smaller" lab_wait_for "[ \"\$(sparectl history --kind block.slow --json | jq '.rows | length')\" = 0 ]" 60
is "it is written still" "$(state)" ok
# --- what programs read
sparectl metrics > /run/lab/files/metrics
like "metrics: events by source" "$(cat /run/lab/files/metrics)" '^spared_events_total\{source="control",class="block"\} [0-9]+$'
like "metrics: the history" "$(cat /run/lab/files/metrics)" '^spared_history_state\{state="ok"\} 1$'
like "metrics: memory" "$(cat /run/lab/files/metrics)" '^spared_resident_memory_bytes [1-9][0-9]{6,}$'
echo change > "/sys/block/$disk/uevent"
lab_wait_for "sparectl sources | grep -qE '^udev +on +[1-9]'"
like "sources: a table" "$(sparectl sources)" '^udev +on +[1-9][0-9]* '
for verb in help status sources metrics settings history rules-list; do
	printf '{"v":1,"id":7,"verb":"%s"}\n' "$verb" | timeout 20 python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect("/run/spared/control.sock"); s.sendall(sys.stdin.buffer.read())
sys.stdout.write(s.makefile().readline())' > /run/lab/files/answer
	ok "by the schema: the answer to $verb" spared_valid "answer-$verb" /run/lab/files/answer
done
spared_stop
ok "by the schema: all that was monitored" spared_valid message "$LAB_OUT/mon"
umount /run/var
lab_done
