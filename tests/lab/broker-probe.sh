#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=240 disks=nbd:3:32M
# A disk that answers nothing at all: the process that reads it is given up, and nobody else waits for it.
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
lab_done
