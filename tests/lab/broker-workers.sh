#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300
# Children of the broker that die, hang, or cannot write: each is told of, and the rest goes on.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

child() { pgrep -P "$spared_pid" -x "$1" | sed -n 1p; }
broker() { sparectl status --json | jq -r ".broker.$1"; }
act_of_set() { broker 'workers.acts[] | select(.set != "") | .pid'; }
answers() { timeout 2 sparectl status > /dev/null; }

modprobe dm-mod
lab_disks 6 48
lab_md_container ddf $(lab_devs 1-4)
lab_md_volume ddf r5 5 3 --chunk=64 --size=8M
lab_md_sync r5
lab_md_stop
spared_configure '*'
spared_start
spared_optimal r5 60
ok "one process works for the set, one is ready" \
	lab_wait_for '[ "$(broker "workers.acts | map(.state) | sort | join(\" \")")" = "idle warm" ]' 10
is "they go before users' processes" "$(ps -C spared,spared-record,spared-act -o comm=,ni= | sort -u | xargs)" \
	"spared -10 spared-act -15 spared-record -10"

say "the act process is killed while it has nothing to do"
act=$(act_of_set)
kill -KILL "$act"
lab_wait_for "! kill -0 $act" 5
lab_stream_mark mon
ok "the next plan finds another one" sparectl array fail r5 "$(lab_dev 1)"
ok "and a rebuild follows" spared_event array.resync-finished "" 60
spared_optimal r5 60

say "the act process is killed in the middle of a plan"
lab_stream_mark mon
act=$(act_of_set)
kill -STOP "$act"
sparectl spare add "$(lab_dev 5)" > "$LAB_OUT/spare-add" 2>&1 &
adding=$!
lab_wait_for "[ \"\$(broker 'workers.acts[] | select(.state == \"busy\") | .pid')\" = $act ]" 10
ok "meanwhile the broker answers" answers
kill -KILL "$act"
ok "its death is an event" spared_event action.failed "killed by signal 9" 10
nok "and the command tells it" wait "$adding"
lab_wait_for '[ -n "$(act_of_set)" ]' 10
ok "nothing stays suspended" test "$(dmsetup info -c --noheadings -o suspended r5)" = Active
ok "the same command works now" sparectl spare add "$(lab_dev 5)"

say "the record process is stopped, then killed"
record=$(child spared-record)
kill -STOP "$record"
lab_stream_mark mon
begin=$(lab_ms)
ok "a plan does not wait for the history for ever" sparectl array fail r5 "$(lab_dev 2)"
within "it waited at most" $(($(lab_ms) - begin)) 15000
ok "it says so" lab_stream_wait mon "history cannot be written" 5
is "status says so" "$(broker history)" not-durable
kill -KILL "$record"
lab_wait_for '[ "$(broker history)" = ok ]' 20
like "what was done meanwhile is in the history" "$(sparectl history --json)" '"fail-member'
spared_optimal r5 60

say "nothing can be written to /var"
spared_stop
mkdir -p /run/lab/var
mount -t tmpfs -o size=1M tmpfs /var/lib/spared
mount -o remount,ro /var/lib/spared
spared_start
is "the history is not durable" "$(broker history)" not-durable
spared_optimal r5 30
mount -o remount,rw /var/lib/spared
lab_wait_for '[ "$(broker history)" = ok ]' 20
ok "it is written again, without a restart" true
spared_stop
umount /var/lib/spared

say "the broker is killed: the array runs on, and the next broker finds it"
spared_start
spared_optimal r5 30
lab_stream_stop mon
kill -KILL "$spared_pid"
wait "$spared_pid" 2> /dev/null || true
ok "the workers leave with it" lab_wait_for '! pgrep "^spared-"' 10
ok "the array still runs" dd if=/dev/mapper/r5 of=/dev/null bs=64k count=16 iflag=direct status=none
spared_start
is "optimal" "$(spared_array r5 state)" optimal
ok "and in sync by mdadm" sh -c "mdadm -E $(lab_dev 3) | grep -q 'state\[0\] : Optimal'"
spared_stop
lab_done
