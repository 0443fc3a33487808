#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=400
# Swaps under a writer: a spare for a failed member, a second failure between load and suspend, a return by bitmap. What dm.c does
# while a device is suspended needs no memory and no system call but ioctl and semop.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/dm.sh"
modprobe dm-raid

# Those of a process that another script of this boot has killed are not ours.
cookies() { dmsetup udevcookies | grep -c 0xd4d || true; }
before=$(cookies)
lab_disks 6 64
dm_legs 1 6
events() { dm_tool list "$dm_uuid" | sed -n 's/^a .*event=\([0-9]*\).*/\1/p'; }

say "--- a spare for a failed member: raid5 ---"
dm_shape raid5_ls
for k in 1 2 3; do dm_zero "leg$k"; done
dm_slices events=7
dm_start a 1 2 3
lab_writer_start w /dev/mapper/a
lab_pause 1
dm_break 2
lab_wait_for '[ "$(dm_health a)" = ADA ]' 20
is "the failure is an event" "$(events)" 1
is "survivors know it" "$(dm_super 1 failed) $(dm_super 3 failed)" "2 2"
# What a disk held before does not matter when it is rebuilt, were it events beyond all others'.
dm_slice 4 1 events=99999
out=$(dm_swap a 1 4! 3)
say "$out"
like "fail and spare in one swap, no memory needed" "$out" 'swapped=1 before=ADA held=ADA action=[a-z]+ .* allocations=0'
lab_wait_for 'dm_settled a' 60
is "in sync" "$(dm_health a)" AAA
ok "by a rebuild of all of it" test "$(dm_written 4)" -ge "$dm_member"
is "the rebuild's end is an event" "$(events)" 2
lab_writer_clean w
sum=$(dm_sum a)
is "the new member's slice is the kernel's" "$(dm_super 4 recovery) $(dm_super 4 failed)" "-1 0"
dm_tool remove a
dm_mend 2
dm_slices events=1 # 1 and 3, and a leaver's
dm_slice 4 1 events=1
dm_start a - 4 3
is "same without member 0" "$(dm_sum a)" "$sum"
dm_tool remove a
dm_slice 1 0 events=1
dm_slice 4 1 events=1
dm_start a 1 4 -
is "same without member 2" "$(dm_sum a)" "$sum"
dm_tool remove a

say "--- a blank member must be named: in place of the first, too ---"
dm_slice 3 2 events=9 failed=1
dm_slice 4 1 events=9 failed=1
dm_tool blank /dev/mapper/meta1
nok "a blank slice without rebuild is refused" dm_start a 1 4 3
w0=$(dm_written 1)
ok "with rebuild it starts" dm_start a 1! 4 3
lab_wait_for 'dm_settled a' 60
is "and is rebuilt" "$(dm_health a) $(dm_sum a)" "AAA $sum"
ok "all of it" test "$(($(dm_written 1) - w0))" -ge "$dm_member"
dm_tool remove a
dm_slice 3 2 events=9
dm_slice 4 1 events=9
dm_tool blank /dev/mapper/meta1
w0=$(dm_written 1)
ok "also where the survivors do not know it failed" dm_start a 1! 4 3
lab_wait_for 'dm_settled a' 60
is "same" "$(dm_health a) $(dm_sum a)" "AAA $sum"
ok "all of it" test "$(($(dm_written 1) - w0))" -ge "$dm_member"
dm_tool remove a
for k in 3 4; do dm_slice "$k" $((5 - k)) events=0; done
dm_tool blank /dev/mapper/meta1
w0=$(dm_written 1)
say "events 0 at the survivors: $(dm_start a 1! 4 3 2>&1; lab_wait_for 'dm_settled a' 60; dm_tool status a; dm_tool super /dev/mapper/meta4), $(($(dm_written 1) - w0)) of $dm_member written"
dm_tool remove a

say "--- a second failure between load and suspend: raid6 ---"
dm_shape raid6_nc
for k in 1 2 3 4 5 6; do dm_zero "leg$k"; done
dm_slices events=7
dm_start a 1 2 3 4 5
lab_writer_start w /dev/mapper/a
lab_pause 1
dm_break 2
lab_wait_for '[ "$(dm_health a)" = ADAAA ]' 20
dm_tool blank /dev/mapper/meta6
cat > /run/lab/files/second <<-END
	. "$LAB_REPO/tests/lab/lib/lab.sh"; . "$LAB_REPO/tests/lab/lib/dm.sh"
	dm_break 4
	lab_wait_for '[ "\$(dm_health a)" = ADADA ]' 20
	trap - EXIT
END
status=0
out=$(dm_swap a 1 6! 3 4 5 -- "bash /run/lab/files/second") || status=$?
say "$out"
like "the status while suspended shows it" "$out" 'swapped=0 before=ADAAA held=ADADA .* allocations=0'
is "rolled back" "$status $(dm_health a) $(dmsetup info -c --noheadings -o tables_loaded a)" "3 ADADA Live"
# Planned anew: both out, one spare in.
out=$(dm_swap a 1 6! 3 - 5)
like "planned anew" "$out" 'swapped=1 before=ADADA'
lab_wait_for 'dm_settled a' 60
is "one spare is in, one slot is empty" "$(dm_health a)" AAA-A
lab_writer_clean w
sum=$(dm_sum a)
is "survivors keep the other's failed bit" "$(dm_super 1 failed) $(dm_super 6 failed)" "8 8"

say "--- a second failure that mends itself before the roll-back: the old table's resume revives it ---"
dm_mend 4
dm_tool blank /dev/mapper/meta4
lab_writer_start w /dev/mapper/a
cat > /run/lab/files/second <<-END
	. "$LAB_REPO/tests/lab/lib/lab.sh"; . "$LAB_REPO/tests/lab/lib/dm.sh"
	dm_break 5
	lab_wait_for '[ "\$(dm_health a)" = AAA-D ]' 20
	lab_pause 0.5
	dm_mend 5
	trap - EXIT
END
status=0
out=$(dm_swap a 1 6 3 4! 5 -- "bash /run/lab/files/second") || status=$?
say "$out"
like "seen, although its slice reads well" "$out" 'swapped=0 before=AAA-A held=AAA-D'
lab_wait_for 'dm_settled a' 60
is "the member is back by its bitmap" "$status $(dm_health a)" "3 AAA-A"
lab_writer_clean w
sum=$(dm_sum a)
dm_tool remove a
dm_slice 1 0 events=9
dm_slice 3 2 events=9
dm_slice 5 4 events=9
dm_start a - - 3 - 5 2> /dev/null || true # three of five: too few
is "too few members are refused" "$(dm_tool list "$dm_uuid" | grep -c '^a ')" 0
dm_slice 1 0 events=9
dm_slice 3 2 events=9
dm_slice 5 4 events=9
dm_start a 1 - 3 - 5
is "same by the member that was revived" "$(dm_sum a)" "$sum"
dm_tool remove a

dm_mend 2

say "--- out by - -, and back by bitmap ---"
for t in raid1 raid5_la raid10; do
	dm_shape "$t"
	all=() without=()
	for ((k = 1; k <= n; k++)); do
		dm_zero "leg$k"
		all+=("$k")
		without+=("$k")
	done
	without[1]=-
	dm_slices events=7
	dm_start a "${all[@]}"
	lab_writer_start w /dev/mapper/a
	lab_pause 1
	dm_break 2
	lab_wait_for 'dm_health a | grep -q D' 20
	out=$(dm_swap a "${without[@]}")
	like "$t: out at once" "$out" 'swapped=1 .* allocations=0'
	lab_pause 1
	dm_mend 2
	# Ours, events below all others'; the survivors carry the failed bit, their bitmap has lived since.
	before=$(dm_super 1 events)
	dm_slice 2 1 events=1 failed=0
	is "$t: the survivors carry the bit" "$(dm_super 1 failed)" 2
	w0=$(dm_written 2)
	out=$(dm_swap a "${all[@]}")
	say "$out (survivors' events $before)"
	like "$t: listed again in a swap" "$out" 'swapped=1'
	lab_wait_for 'dm_settled a' 60
	is "$t: in sync" "$(dm_health a)" "$(printf 'A%.0s' "${all[@]}")"
	say "$t: $(($(dm_written 2) - w0)) of $dm_member sectors written to the member, the writer's own with them"
	lab_writer_clean w
	sum=$(dm_sum a)
	is "$t: no failed bit is left" "$(dm_super 1 failed) $(dm_super 2 failed)" "0 0"
	dm_tool remove a
	without[1]=2
	without[0]=-
	dm_slices events=9
	dm_start a "${without[@]}"
	is "$t: the member that returned holds the same" "$(dm_sum a)" "$sum"
	dm_tool remove a
done

say "--- private devices are nobody's ---"
# New ones: dm_mend's resume is dmsetup's, which sets no flags.
dm_shape raid1
for x in leg1 meta1 leg2 meta2; do dm_tool remove $x; done
dm_legs 1 2
dm_zero leg1
dm_zero leg2
dm_slices events=7
dm_start a 1 2
mke2fs -q -t ext4 -F -U 12345678-1234-1234-1234-123456789abc /dev/mapper/a 2> /dev/null
udevadm trigger --action=change --settle --subsystem-match=block
lab_udev_settle
is "the array's file system is the array's" \
	"$(readlink -f /dev/disk/by-uuid/12345678-1234-1234-1234-123456789abc)" "$(readlink -f /dev/mapper/a)"
for x in leg1 leg2 meta1; do
	is "$x says nothing of it" "$(udevadm info "/dev/mapper/$x" | grep -cE 'ID_FS|by-uuid|by-label')" 0
done
ok "names of devices" test -L /dev/mapper/leg1
like "list gives them by UUID" "$(dm_tool list "$dm_uuid-leg")" '^leg1 SPARED-lab-0000-leg1 [0-9]+:[0-9]+ event=[0-9]+ open=1 live$'
nok "a member in use is not removed" dmsetup remove leg1
dm_tool remove a
within "no cookie is left" "$(cookies)" "$before"
lab_done
