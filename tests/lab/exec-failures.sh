#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=900
# Failures under the verifying writer: a person's fail with a spare in one swap, a member that the kernel failed, a crash
# before it is recorded, a return by bitmap, another failure between load and suspend, a forced start. mdadm is the witness.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/act.sh"

lab_disks 6 80
modprobe dm-raid
ALL=$(lab_devs 1-6 | paste -sd,)
timing() { grep -o '"timing":{[^}]*}' /run/lab/files/last | tail -n1; }

lab_md_container ddf $(lab_devs 1-6)
lab_md_volume ddf v6 6 4 --chunk=64 --size=12M --layout=ddf-N-continue
lab_md_sync v6
lab_fill /dev/md/v6 7
sum=$(lab_sum /dev/md/v6)
lab_md_stop
ok "starts" act "$ALL" assemble
is "md's data" "$(lab_sum /dev/mapper/v6)" "$sum"
lab_writer_start w /dev/mapper/v6

say "fail and spare in one swap"
old=$(disk_of v6 1)
spare=$(for d in $(lab_devs 1-6); do dmsetup deps -o devname 2> /dev/null | grep '^v6-leg' | grep "(${d#/dev/})" > /dev/null || { echo "$d"; break; }; done)
ok "fail and activate" act --watch "$ALL" "fail=$old" "activate-spare=$spare"
timing
grep -o '"kind":"[a-z.-]*"' "$LAB_OUT/act.json" | sort | uniq -c
like "one swap" "$(health v6)" "^A[aA]AA$"
lab_wait_for "[ \$(dmsetup status v6 | awk '{print \$6}') = AAAA ]" 60
ok "recorded" act "$ALL" record
say "metadata after: $(mdadm -E "$(lab_dev 6)" | grep -A10 'Physical Disks' | tr -s ' ' | tr '\n' ';')"
ok "idle records are quick" act --repeat 3 "$ALL" record
timing

say "the kernel fails a member"
gone=$(disk_of v6 0)
break_leg v6 0
lab_wait_for "dmsetup status v6 | grep -q ' D'" 20
ok "recorded and taken out" act "$ALL" record
timing
is "it is out" "$(health v6)" "-AAA"
like "mdadm agrees" "$(mdadm -E "$(disk_of v6 1)")" "Failed"

say "return by bitmap"
ok "returns" act --watch "$ALL" "readd=$gone"
like "by bitmap" "$(cat /run/lab/files/last)" '"reason":"by bitmap"'
lab_wait_for "[ \$(dmsetup status v6 | awk '{print \$6}') = AAAA ]" 60
ok "recorded" act "$ALL" record

say "another failure between load and suspend"
act_tool "$ALL" dry-run "fail=$(disk_of v6 2)" > "$LAB_OUT/dry.json"
cat > /run/lab/files/race.sh << 'EOF'
l=$(dmsetup ls | awk '/^v6-leg3-/ { print $1 }')
dmsetup table $l | awk '{ print $1, $2, "error" }' | dmsetup load $l
dmsetup suspend --noflush --nolockfs $l; dmsetup resume $l
while n=$(dmsetup info -c --noheadings -o events v6); ! dmsetup status v6 | grep -q D; do timeout 10 dmsetup wait v6 "$n" || exit; done
EOF
failed=$(disk_of v6 2)
ok "fail, while the kernel fails another" act --hold "swap suspend=bash /run/lab/files/race.sh" "$ALL" "fail=$failed"
is "both are out" "$(health v6)" "AA--"
lab_writer_clean w
sum=$(lab_sum /dev/mapper/v6)
ok "stops" act "$ALL" stop
free_disks
lab_md_assemble ddf $(lab_devs 1-6)
is "mdadm reads the same" "$(lab_sum /dev/md/v6)" "$sum"
lab_md_stop
lab_done
