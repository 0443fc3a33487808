#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=240 manual
# Can the acknowledgement of a write wait until userspace has written a failure down? md writes its superblock before it acknowledges,
# so a device of its own under those sectors is a gate. Tried: one that holds for a time and opens by itself (dm-delay), and one that asks
# (nbd), whose server dies. What each costs is printed. docs/reliability.md, "The window that is left".
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/dm.sh"

# timed GAP COUNT: writes of a block with O_DIRECT|O_DSYNC after pauses of GAP s each; the median and the longest, ms.
timed() {
	python3 - "$1" "$2" /dev/mapper/a <<- 'END'
		import mmap, os, sys, time
		gap, count, path = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
		fd = os.open(path, os.O_WRONLY | os.O_DIRECT | os.O_DSYNC)
		block = mmap.mmap(-1, 4096)
		took = []
		for i in range(count):
		    time.sleep(gap)
		    begin = time.monotonic()
		    os.pwrite(fd, block, 4096 * i)
		    took.append(1000 * (time.monotonic() - begin))
		took.sort()
		print("%.0f %.0f" % (took[len(took) // 2], took[-1]))
	END
}
# one_write: in the background; when it is acknowledged is in files/acknowledged, in ms.
one_write() {
	rm -f /run/lab/files/acknowledged
	(dd if=/dev/zero of=/dev/mapper/a bs=4k count=1 seek=64 oflag=direct,dsync status=none && lab_ms > /run/lab/files/acknowledged) &
}
acknowledged() { [ -s /run/lab/files/acknowledged ]; }
# gated K TABLE: disk K's slice, of which md's superblock lies on a device of its own with this table.
gated() {
	local at=$dm_meta_at dev
	dev=$(lab_dev "$1")
	dmsetup create "gate$1" --table "$2"
	dmsetup create "meta$1" <<- END
		0 8 linear /dev/mapper/gate$1 0
		8 2040 linear $dev $((at + 8))
	END
	dm_tool linear "leg$1" "$dm_uuid-leg$1" "$dev" 2048 "$dm_member"
	lab_wait_for "[ -b /dev/mapper/leg$1 ]"
}
delay() { echo "0 8 delay $(lab_dev "$1") $dm_meta_at 0 $(lab_dev "$1") $dm_meta_at $2"; }
begin() {
	dm_shape raid1
	dm_slices events=7
	dm_start a 1 2
	lab_wait_for 'dm_settled a' 60
}
end() {
	dm_tool remove a
	for k in 1 2; do dmsetup remove "meta$k"; dmsetup remove "gate$k"; dmsetup remove "leg$k"; done
}
# fails K: its data can not be written any more.
fails() {
	dmsetup suspend --noflush "leg$1"
	dmsetup load "leg$1" --table "0 $dm_member error"
	dmsetup resume "leg$1"
}
event_nr() { dmsetup info -c --noheadings -o events a; }

modprobe dm-raid
modprobe dm-delay
lab_disks 2 64

say "what it costs while nothing fails, ms (median, longest)"
for hold in 0 20 50 100; do
	for k in 1 2; do gated $k "$(delay $k $hold)"; done
	begin
	# After half a second of idleness md writes its superblock before the first write.
	say "held for $hold: after idleness $(timed 0.5 9), without a pause $(timed 0 200)"
	end
done

# holds MS: from now on, of both gates.
holds() {
	for k in 1 2; do
		dmsetup load "gate$k" --table "$(delay $k "$1")"
		dmsetup suspend "gate$k"
		dmsetup resume "gate$k"
	done
}
say "a member fails, held for a second, and nobody opens"
for k in 1 2; do gated $k "$(delay $k 0)"; done
begin
timed 0 1 > /dev/null # not idle any more
holds 1000
seen=$(event_nr)
fails 2
start=$(lab_ms)
one_write
ok "the kernel tells" lab_wait_for "[ \"\$(event_nr)\" -gt $seen ]" 30
told=$(lab_ms)
is "the member is failed" "$(dm_health a)" AD
nok "and the write is not acknowledged" acknowledged
ok "it opens by itself" lab_wait_for acknowledged 30
after=$(($(cat /run/lab/files/acknowledged) - start))
say "told after $((told - start)) ms, acknowledged after $after"
within "not before the time is over (ms early)" $((1000 - after)) 0
holds 0
end

say "a gate that asks: nbd, whose server dies"
modprobe nbd nbds_max=2
for k in 1 2; do
	truncate -s 4096 "/run/lab/files/gate$k.img"
	nbdkit -f -U "/run/lab/files/gate$k.sock" file "/run/lab/files/gate$k.img" & servers+=($!)
	lab_wait_for "[ -S /run/lab/files/gate$k.sock ]"
	nbd-client -unix "/run/lab/files/gate$k.sock" "/dev/nbd$((k - 1))" > /dev/null
	gated $k "0 8 linear /dev/nbd$((k - 1)) 0"
done
begin
say "after idleness $(timed 0.5 9), without a pause $(timed 0 200)"
timed 0 1 > /dev/null
kill -9 "${servers[@]}"
one_write
lab_wait_for 'acknowledged || [ "$(dm_health a)" != AA ]' 20 || true
say "the servers are dead: health $(dm_health a), a write is $(acknowledged && echo acknowledged || echo not acknowledged)"
lab_pause 1
ok "a member is failed whose disk is good" test "$(dm_health a)" != AA
dmesg | grep -E 'md|raid|nbd' | tail -n 6 | lab_quiet
lab_done
