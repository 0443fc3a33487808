#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=400 disks=nbd:4:96M manual
# Power lost while dirty, and what a bitmap is good for. dm-raid does not say in its superblock that an array is dirty: started again
# on the slices as they lie, it resyncs nothing. With a resync offset of ours in them it resyncs what the bitmap says.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/dm.sh"
modprobe dm-raid
dm_member=131072 # 16 regions of 4 MiB
dm_meta_at=180224
mismatches() { dmsetup message a 0 check && lab_wait_for 'dm_settled a' 120 && dmsetup status a | awk '{print $9}'; }
# junk K REGION: a chunk of disk K in this region of 64 stripes; disk 1 has the parity of that stripe (raid5_ls of three)
junk() { dd if=/dev/urandom of="/dev/mapper/leg$1" bs=64k count=1 seek=$(($2 * 64 + 5)) oflag=direct status=none; }

if [ "$LAB_BOOT" = 1 ]; then
	dm_legs 1 4
	dm_shape raid5_ls
	dm_slices events=7
	dm_start a 1 2 3
	lab_writer_start w /dev/mapper/a --length 8 --journal "$LAB_OUT/journal"
	lab_pause 2
	say "running: $(dm_tool super /dev/mapper/meta1)"
	lab_cut
fi

dm_legs 1 4
dm_shape raid5_ls
say "after the cut: $(dm_tool super /dev/mapper/meta1)"
is "the slice does not say dirty" "$(dm_super 1 resync)" -1
is "but its bitmap knows the written region" "$(dm_super 1 bits)" 1
for k in 1 2 3; do dd if="/dev/mapper/meta$k" of="/run/lab/files/crash$k" bs=1M iflag=direct status=none; done
crashed() { for k in 1 2 3; do dd if="/run/lab/files/crash$k" of="/dev/mapper/meta$k" bs=1M oflag=direct status=none; done; }

junk 1 0 # what a write that was cut off leaves
resyncs=$(dm_resyncs)
dm_start a 1 2 3
lab_wait_for 'dm_settled a' 60
is "started on slices as they lie, nothing is resynced" "$(($(dm_resyncs) - resyncs))" 0
ok "and parity is wrong for ever" test "$(mismatches)" -gt 0
dm_tool remove a

crashed
junk 1 9 # outside of what the bitmap marks: only a full resync finds it
for k in 1 2 3; do dm_tool resync "/dev/mapper/meta$k" 0; done
resyncs=$(dm_resyncs)
dm_start a 1 2 3
lab_wait_for 'dm_settled a' 60
is "with our resync offset 0 it resyncs" "$(($(dm_resyncs) - resyncs))" 1
is "what the bitmap says, and no more" "$(mismatches)" 128
ok "every acknowledged block is there" lab_writer verify --journal "$LAB_OUT/journal" /dev/mapper/a
dmsetup message a 0 repair
lab_wait_for 'dm_settled a' 60
dm_tool remove a
say "stopped: $(dm_tool super /dev/mapper/meta1)"
is "done is noted" "$(dm_super 1 resync) $(dm_super 1 bits)" "-1 0"

say "--- dirty and degraded ---"
for t in raid5_ls raid6_nc raid1 raid10; do
	dm_shape "$t"
	[ "$n" -le 4 ] || n=4 len=$((2 * dm_member))
	slots=(1 -)
	for ((k = 3; k <= n; k++)); do slots+=("$k"); done
	dm_slices events=7 failed=2 resync=0 dirty=1
	if dm_start a "${slots[@]}" 2> /run/lab/files/refused; then
		lab_pause 1
		say "$t: starts: $(dm_tool status a)"
		dm_tool remove a
	else say "$t: refused: $(dmesg | grep -E 'md/raid|dm-raid|raid' | tail -n1)"; fi
	dm_slices events=7 failed=2 resync=-1 dirty=1
	ok "$t starts degraded when the offset says done" dm_start a "${slots[@]}"
	say "$t: $(dm_tool status a)"
	dm_tool remove a
done

say "--- return by bitmap: how much is written ---"
for t in raid1 raid5_ls raid10; do
	dm_shape "$t"
	all=() without=()
	for ((k = 1; k <= n; k++)); do
		all+=("$k")
		without+=("$k")
	done
	without[1]=-
	for k in "${all[@]}"; do dm_zero "leg$k"; done
	dm_slices events=7
	dm_start a "${all[@]}"
	lab_writer_start w /dev/mapper/a --length 8
	dm_break 2
	lab_wait_for 'dm_health a | grep -q D' 20
	dm_swap a "${without[@]}" > /dev/null
	lab_pause 1
	dm_mend 2
	dm_slice 2 1 events=1
	w0=$(dm_written 2)
	dm_swap a "${all[@]}" > /dev/null
	lab_wait_for 'dm_settled a' 60
	part=$(($(dm_written 2) - w0))
	within "$t: written to the member that returned, sectors of $dm_member" "$part" $((dm_member / 2))
	lab_writer_clean w
	is "$t: parity and copies fit" "$(mismatches)" 0
	dm_tool remove a
done
lab_done
