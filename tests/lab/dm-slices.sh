#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=400 manual
# Slices as slice_encode writes them are what the kernel takes for its own: every layout starts clean without a resync, starts
# with any tolerable members missing, and its data are then the same. A slice that says dirty is resynced.
#   dm-slices.sh [all]: without all, one layout of RAID5 and of RAID6, which lacks pairs of neighbours only
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/dm.sh"
modprobe dm-raid

lab_disks 5 64
dm_legs 1 5

degraded() { # SLOT..: starts so, compares, stops
	local want
	want=$(printf '%s' "$@" | sed 's/[1-9]/A/g')
	ok "$type starts as $want" dm_start a "$@"
	is "$type status $want" "$(dm_tool status a | cut -d' ' -f1,2)" "$want idle"
	is "$type data as $want" "$(dm_sum a)" "$sum"
	dm_tool remove a
}

types=(raid5_ls raid6_nc)
[ "${1:-}" != all ] || types+=(raid1 raid5_n raid5_la raid5_ra raid6_zr raid6_nr raid10 raid10_odd)
for t in "${types[@]}"; do
	dm_shape "$t"
	all=()
	for ((k = 1; k <= n; k++)); do
		dm_zero "leg$k"
		all+=("$k")
	done
	dm_slices events=7
	resyncs=$(dm_resyncs)
	ok "$t starts on slices of ours" dm_start a "${all[@]}"
	is "$t is in sync" "$(dm_tool status a)" "$(printf 'A%.0s' "${all[@]}") idle $(dmsetup status a | awk '{print $7}') settled"
	is "$t: the kernel prints the table that we loaded" "$(dm_tool status a > /dev/null; dmsetup table a | cut -d' ' -f1-4)" "0 $len raid $type"
	dd if=/dev/urandom of=/dev/mapper/a bs=1M oflag=direct status=none 2> /dev/null || true
	sync
	sum=$(dm_sum a)
	# 5 MiB of small writes: parity by read-modify-write, too
	dd if=/dev/urandom of=/dev/mapper/a bs=4k count=500 seek=33 oflag=direct status=none
	sum=$(dm_sum a)
	dm_tool remove a
	is "$t: nothing was resynced" "$(dm_resyncs)" "$resyncs"
	is "$t: clean when stopped" "$(dm_super 1 resync) $(dm_super 1 failed)" "-1 0"

	# Each start below finds slices of ours again: a start without a member marks it failed.
	for ((i = 0; i < n; i++)); do
		# Of a RAID6 the pairs below take each member out.
		[ "${1:-}" = all ] || [[ $t != raid6* ]] || break
		slots=("${all[@]}")
		slots[i]=-
		dm_slices events=9
		degraded "${slots[@]}"
	done
	case $t in
	raid6*)
		for ((i = 0; i < n; i++)); do for ((j = i + 1; j < n; j++)); do
			[ "${1:-}" = all ] || [ "$j" -eq $((i + 1)) ] || continue
			slots=("${all[@]}")
			slots[i]=- slots[j]=-
			dm_slices events=9
			degraded "${slots[@]}"
		done; done
		;;
	raid10)
		for slots in '- 2 - 4' '1 - - 4' '- 2 3 -' '1 - 3 -'; do
			dm_slices events=9
			# shellcheck disable=SC2086
			degraded $slots
		done
		;;
	esac
done

# A wrong layout is silent for the kernel: only the data tell.
dm_shape raid5_la
for k in 1 2 3; do dm_zero "leg$k"; done
dm_slices events=3
dm_start a 1 2 3
dd if=/dev/urandom of=/dev/mapper/a bs=1M oflag=direct status=none 2> /dev/null || true
sum=$(dm_sum a)
dm_tool remove a
dm_shape raid5_ra
dm_slices events=3
dm_start a 1 2 3
is "raid5_ra instead of raid5_la is not told" "$(dm_health a)" AAA
nok "and gives other data" test "$(dm_sum a)" = "$sum"
dm_tool remove a

# Dirty: parity that does not fit is written anew.
dirty=(raid5_ls raid6_nc raid1 raid10)
[ "${1:-}" != all ] || dirty+=(raid5_n raid10_odd)
for t in "${dirty[@]}"; do
	dm_shape "$t"
	all=()
	for ((k = 1; k <= n; k++)); do
		dd if=/dev/urandom of="/dev/mapper/leg$k" bs=1M oflag=direct status=none 2> /dev/null || true
		all+=("$k")
	done
	dm_slices events=5 resync=0 dirty=1
	resyncs=$(dm_resyncs)
	ok "$t starts dirty" dm_start a "${all[@]}"
	lab_wait_for 'dm_settled a' 60
	is "$t was resynced" "$(($(dm_resyncs) - resyncs))" 1
	sum=$(dm_sum a)
	dm_tool remove a
	is "$t: the bitmap is empty again" "$(dm_super 1 bits) $(dm_super 1 resync)" "0 -1"
	slots=("${all[@]}")
	slots[1]=-
	dm_slices events=9
	degraded "${slots[@]}"
done

# Dirty by its bitmap alone, or by the offset alone.
dm_shape raid5_ls
resyncs=$(dm_resyncs)
dm_slices events=5 resync=-1 dirty=1
dm_start a 1 2 3
lab_wait_for 'dm_settled a' 60
say "bits set, resync offset done: $(($(dm_resyncs) - resyncs)) resyncs, $(dm_tool status a)"
dm_tool remove a
say "then: $(dm_tool super /dev/mapper/meta1)"
resyncs=$(dm_resyncs)
dm_slices events=5 resync=0 dirty=0
dm_start a 1 2 3
lab_wait_for 'dm_settled a' 60
say "no bits, resync offset 0: $(($(dm_resyncs) - resyncs)) resyncs"
dm_tool remove a
lab_done
