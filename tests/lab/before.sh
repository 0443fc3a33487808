#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=1500 disks=nbd:12:48M manual
# before.sh [DISKS]: what plans write over is in the history. A member of a set refuses a write, it is recorded, a spare takes
# over, is rebuilt and recorded; before the first of these plans each disk said what it was read to say then, and so it does in
# a capsule. Prints what each plan took: rows and bytes of the history, and its microseconds by phase.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

n=${1:-4} level=5
[ "$n" -le 4 ] || level=6
# Plans that wrote over something, the oldest first.
plans() { sparectl history --json --type outcome -n 200 | jq -r '.rows | reverse | .[].row | select(.before) | .plan'; }
new_plans() { plans | grep -vxFf "$LAB_OUT/earlier" || true; }
# What a disk says, but for the kernel's slices.
said() { grep -v '^  slice' | sed 1d; }

lab_md_container ddf $(lab_devs h1-"$n")
mdadm --create /dev/md/a --level="$level" -n $((n - 1)) --size=8M $(lab_devs h1-$((n - 1))) --run > /dev/null 2>&1
lab_udev_settle
lab_md_sync a
lab_md_stop
spared_configure "$(spared_set_of "$(lab_dev h1)")"
spared_start
spared_optimal a
lab_writer_start w /dev/mapper/a --pace 4000
for d in $(lab_devs h1-"$n"); do sparectl meta show "$d" | said > "$LAB_OUT/${d##*/}.said"; done
plans > "$LAB_OUT/earlier"

say "$n disks: one refuses a write"
lab_stream_mark mon
lab_fault h2 "write 0 40960"
spared_event array.optimal "" 120 > /dev/null
lab_fault h2
lab_wait_for '[ "$(new_plans | wc -l)" -ge 2 ]' 30
first=$(new_plans | sed -n 1p)
sparectl capsule "$LAB_OUT/capsule" > /dev/null
# in_capsule DISK: what it says of one disk.
in_capsule() { awk -v disk="capsule:${1##*/} " '/^[^ ]*capsule:/ { on = index($0, disk) } on' "$LAB_OUT/in-capsule"; }
sparectl meta show --before "$first" "$LAB_OUT/capsule" > "$LAB_OUT/in-capsule"
for d in $(lab_dev h1) $(lab_devs h3-"$n"); do
	is "before $first ${d##*/} said what it said" "$(sparectl meta show --before "$first" "$d" | said)" "$(cat "$LAB_OUT/${d##*/}.said")"
	is "the same of ${d##*/} in a capsule" "$(in_capsule "$d" | said)" "$(cat "$LAB_OUT/${d##*/}.said")"
done
like "history tells of it" "$(sparectl history --plan "$first")" "what it wrote over is kept .*meta show --before $first"
for p in $(new_plans); do
	sparectl history --json --plan "$p" --type before > "$LAB_OUT/rows.$p"
	sparectl history --json --plan "$p" --type outcome | jq -r --argjson rows "$(jq '.rows | length' "$LAB_OUT/rows.$p")" \
		--argjson bytes "$(jq -c '.rows[].row' "$LAB_OUT/rows.$p" | wc -c)" \
		'.rows[0].row | "\(.plan) \(.origin) \(.lines | join(", ")): \(.before | tostring), \($rows) rows, \($bytes) bytes; took \(.took | tostring)"'
done
lab_writer_clean w
lab_done
