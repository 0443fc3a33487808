#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=240 disks=nbd:3:32M
# A disk that answers nothing at all: the process that reads it is given up, and nobody else waits for it. Disks that take
# over the process that reads them (hostile.c; their daemon is linked with that parser): they get nowhere.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

contents() { sparectl status --json | jq -r --arg n "$(basename "$(lab_dev "$1")")" '.status.devices[] | select(.name == $n) | .contents'; }
probes() { sparectl status --json | jq -r ".broker.workers.probes.$1"; }

modprobe dm-mod
spared_configure no-such-set
echo "timeouts: {probe: 3s}" >> /etc/spared/spared.yaml
lab_udev_settle
lab_fault 2 hang
begin=$(lab_ms)
spared_start
within "requests wait for the first picture, not for the disk" $(($(lab_ms) - begin)) 15000
lab_wait_for '[ "$(probes killed)" = 1 ]' 15
is "the other disks were read" "$(contents 1) $(contents 3)" "blank blank"
is "the hanging one is not readable" "$(contents 2)" unreadable
is "the process hangs in the kernel, and is not waited for" "$(probes hanging) $(probes running)" "1 0"
begin=$(lab_ms)
sparectl status > /dev/null
within "the broker answers at once" $(($(lab_ms) - begin)) 1500
like "the log says it" "$(cat "$LAB_OUT/spared.log")" "took too long"
lab_fault 2
lab_wait_for '[ "$(probes hanging)" = 0 ]' 90
ok "the process is gone once the disk answers" true
spared_stop

# hostile N WORD: what a memory disk makes its parser do.
hostile() { printf 'HOSTILE %s\n' "$2" | dd of="$(lab_dev "d$1")" bs=512 conv=sync oflag=direct status=none; }
why() { sparectl status --json | jq -r --arg n "$(basename "$(lab_dev "d$1")")" '.status.devices[] | select(.name == $n) | "\(.contents): \(."contents-name")"'; }
words=(write-disk create socket fork exec kill hoard spin nothing)
lab_disks ${#words[@]} 8
for i in "${!words[@]}"; do hostile $((i + 1)) "${words[i]}"; done
sums=$(for i in "${!words[@]}"; do lab_sum "$(lab_dev d$((i + 1)))"; done)
PATH=$LAB_BUILD/bin/hostile:$PATH spared_start
pid=$spared_pid
lab_wait_for '[ "$(probes running)" = 0 ] && [ "$(probes killed)" -ge 1 ]' 30
for i in 0 1 2 3 4 5; do
	is "a disk whose parser tries ${words[i]}" "$(why $((i + 1)))" \
		"unreadable: the process that read it tried more than to read, and was killed"
done
is "one that takes memory until there is none gets little" "$(why 7)" "foreign: null"
is "one that loops" "$(why 8)" "unreadable: reading it took too long"
is "one that does nothing" "$(why 9)" "foreign: null"
is "the other disks were read" "$(contents h1) $(contents h2) $(contents h3)" "blank blank blank"
is "no byte of a disk is another" "$(for i in "${!words[@]}"; do lab_sum "$(lab_dev d$((i + 1)))"; done)" "$sums"
nok "no file was made" test -e /tmp/spared-was-here
ok "the broker is the one that was started" kill -0 "$pid"
like "the kernel's log says which call it was" "$(dmesg)" 'type=1326 .*exe=".*hostile/spared" sig=31'
spared_stop
lab_done
