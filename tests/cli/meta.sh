#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `sparectl meta show` agrees with what mdadm said of the same disks when the golden images were made.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

golden=$repo/tests/golden/meta
command -v xz > /dev/null || { echo "skipped: xz is not there"; exit 77; }
ls "$golden"/*.txt > /dev/null 2>&1 || { echo "skipped: there are no golden images"; exit 77; }

for text in "$golden"/*.txt; do
	name=$(basename "$text" .txt)
	while read -r n sectors refno; do
		[ -e "$golden/$name-$n.tail.xz" ] || continue
		truncate -s $((sectors * 512)) disk
		tail_mib=$(sed -n '1s/.*tail_mib=\([0-9]*\).*/\1/p' "$text")
		xz -dc "$golden/$name-$n.tail.xz" |
			dd of=disk bs=64K seek=$((sectors * 512 - (tail_mib << 20))) oflag=seek_bytes conv=notrunc status=none
		ok "$name-$n is read" 0 "$sparectl" meta show disk
		like "its reference is mdadm's" "this disk is $refno"
		ok "$name-$n as JSON" 0 "$sparectl" meta show disk --json
		like "names the set as udev-check does" "\"set\":\"$("$sparectl" udev-check disk | cut -d= -f2)\""
		"$sparectl" meta show disk > direct
		rm -f "$name.capsule"
		ok "$name-$n into a capsule" 0 "$sparectl" capsule "$name.capsule" disk --control nowhere
		rm disk
		ok "which is read without it" 0 "$sparectl" meta show "$name.capsule"
		same "and says the same" "${out/"$name.capsule:disk"/disk}" "$(< direct)"
		within=$(stat -c %s "$name.capsule")
		same "in less than two megabytes" "$((within < 2000000))" 1
	done < <(sed -n 's/^disk index=\([0-9]*\) sectors=\([0-9]*\) .*refno=\([0-9a-f]*\).*/\1 \2 \3/p' "$text" | head -2)
done
# The image of a disk with blocks of 4096 bytes: the anchor fills its last block.
lay=$(dirname "$sparectl")/ddf_lay
read -r sectors < <(sed -n 's/^disk index=1 sectors=\([0-9]*\) .*/\1/p' "$golden/raid1.txt")
truncate -s $((sectors * 512)) disk-1 disk-2
ok "the same set in blocks of 4096" 0 "$lay" raid1:4096 disk-1 disk-2
ok "its image is read" 0 "$sparectl" meta show disk-1
like "as what it is" 'blocks of 4096 bytes, ddf'
like "with its volume" 'raid1, '
like "and where the data are" 'data at sector 0'
ok "as JSON" 0 "$sparectl" meta show --json disk-2
like "with the size of its blocks" '"sector-size": ?4096'
# Turned over by a tool of the tests' own: libblkid takes it for DDF, too.
ok "the same set in little-endian byte order" 0 "$lay" raid1:little disk-1 disk-2
ok "its image is read" 0 "$sparectl" meta show disk-1
like "with its volume" 'raid1, '
if command -v blkid > /dev/null; then
	ok "blkid knows it" 0 blkid -p -s TYPE -s USAGE disk-1
	like "as what it is" 'ddf_raid_member'
fi
rm disk-1 disk-2
truncate -s 64M blank
ok "a blank disk has none" 1 "$sparectl" meta show blank
like "and that is said" 'no RAID metadata'
ok "nothing for udev" 1 "$sparectl" udev-check blank
same "and no output" "$out" ""
ok "a capsule of two, one of which is not there" 0 "$sparectl" capsule two.capsule blank nowhere --control nowhere
ok "tells of both" 1 "$sparectl" meta show two.capsule
like "what could not be read" 'nowhere: it could not be read when the capsule was made'
like "and the other" 'two.capsule:blank.*no RAID metadata'
ok "a capsule is not written over another" 1 "$sparectl" capsule two.capsule blank --control nowhere
same "and is for nobody else" "$(stat -c %a two.capsule)" 600
sed 's/"count":[0-9]*/"count":99999999/' two.capsule > lies.capsule
ok "one that lies" 1 "$sparectl" meta show lies.capsule
like "is refused with its line" 'lies.capsule: line [0-9]+: .*make no sense'
head -c 300 two.capsule > cut.capsule
ok "one that was cut" 1 "$sparectl" meta show cut.capsule
ok "a directory is no disk" 1 "$sparectl" meta show .
ok "one of two" 1 "$sparectl" meta show blank nowhere
like "the other is named" 'nowhere'
end
