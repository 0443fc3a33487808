#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=400 manual
# What of a swap is the kernel's: the time of each call, of swaps by actions/dm alone under the verifying writer.
#   swap.sh [ROUNDS]
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/dm.sh"

rounds=${1:-12}
modprobe dm-raid; echo 1 > /sys/kernel/rcu_expedited; cat /sys/kernel/rcu_expedited
lab_disks 5 64
dm_legs 1 5
for t in raid1 raid5_ls raid6_nc; do
	dm_shape "$t"
	all=()
	for ((k = 1; k <= n; k++)); do
		dm_zero "leg$k"
		all+=("$k")
	done
	dm_slices events=7
	dm_start a "${all[@]}"
	lab_writer_start w /dev/mapper/a
	for key in load suspend status resume; do : > "/run/lab/files/$key"; done
	for ((i = 0; i < rounds; i++)); do
		lab_wait_for 'dm_settled a' 30
		out=$(dm_swap a "${all[@]}")
		for key in load suspend status resume; do dm_key $key "$out" >> "/run/lab/files/$key"; done
	done
	for key in load suspend status resume; do
		printf '%s\t%s\t%s\n' "$t" "$key" "$(sort -n "/run/lab/files/$key" |
			awk '{ v[NR] = $1 } END { printf "%s (%s to %s)", v[int((NR + 1) / 2)], v[1], v[NR] }')" >> /run/lab/files/table
	done
	printf '%s\tlongest stall\t%s\n' "$t" "$(lab_writer_stats w | lab_json stall_ms)" >> /run/lab/files/table
	lab_writer_clean w
	dm_tool remove a
done
echo
{ printf '%s rounds each\tcall\tms: median (range)\n' "$rounds"; cat /run/lab/files/table; } | column -t -s "$(printf '\t')"
lab_done
