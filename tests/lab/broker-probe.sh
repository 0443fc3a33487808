#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=240 disks=nbd:3:48M
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
ok "the process hangs in the kernel, and is not waited for" lab_wait_for '[ "$(probes hanging) $(probes running)" = "1 0" ]' 15
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

say "metadata of two formats on one disk"
name() { sparectl status --json | jq -r --arg n "$(basename "$(lab_dev "$1")")" '.status.devices[] | select(.name == $n) | ."contents-name"'; }
intel() { # intel DISK: as a controller of Intel's has left it
	printf 'Intel Raid ISM Cfg Sig. 1.3.00' |
		dd of="$(lab_dev "$1")" bs=512 seek=$(($(blockdev --getsz "$(lab_dev "$1")") - 2)) conv=sync oflag=direct status=none
}
types() { wipefs -n -O TYPE --noheadings "$(lab_dev "$1")" | sort -u | paste -sd' '; }
held() { dmsetup ls | awk '/^spared-claim/ { print $1 }'; }
sums() { for n in h1 h2; do lab_sum "$(lab_dev $n)"; done; }
ignored() { # ignored WHEN
	lab_wait_for '[ "$(contents h2)" = member ]' 20
	like "status names both, $1" "$(sparectl status -v)" "$(basename "$(lab_dev h2)") .*member, and metadata of an Intel Matrix RAID \\(isw_raid_member\\)"
	like "a start says which, and what to do" "$(sparectl array start both 2>&1 || true)" \
		"$(basename "$(lab_dev h2)") holds .*isw_raid_member.*, beside that of ddf set $set: .*wipefs.*--force"
	like "so does a dry run" "$(sparectl array start both --dry-run 2>&1 || true)" "beside that of ddf"
	like "why no rule starts it" "$(sparectl rules why start-complete both)" "array.complete.*false"
	is "it is not started" "$(spared_array both state)" inactive
	is "no disk is held" "$(held)" ""
	is "no byte was written" "$(sums)" "$before"
}
lab_md_container ddf "$(lab_dev h1)" "$(lab_dev h2)"
lab_md_volume ddf both 1 2 --size=8M
lab_md_sync both
lab_md_stop
intel h2
is "libblkid sees both" "$(types h2)" "ddf_raid_member isw_raid_member"
mdadm --create /dev/md/old --level=1 -n 2 --metadata=1.2 --run "$(lab_dev h3)" missing > /dev/null 2>&1
mdadm --stop /dev/md/old > /dev/null 2>&1
intel h3
set=$(spared_set_of "$(lab_dev h1)") before=$(sums)
spared_configure "$set"
spared_start
ignored "once it was read"
is "of one that is not ours, too" "$(name h3)" "metadata of an Intel Matrix RAID (isw_raid_member), metadata of a Linux MD array (linux_raid_member)"
wipefs -q -a -t isw_raid_member "$(lab_dev h2)"
ok "one is wiped: it starts by itself" lab_wait_for '[ "$(spared_array both state)" = optimal ]' 60
ok "it stops" sparectl array stop both
spared_stop
for d in $(held); do dmsetup remove "$d"; done
intel h2
before=$(sums)
spared_start
ignored "in another run"
ok "a person says that DDF is meant" sparectl array start both --force --yes
spared_optimal both
ok "and it stops" sparectl array stop both
spared_stop
lab_done
