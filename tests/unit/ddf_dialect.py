#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The same DDF in another byte order, or with another kind of CRC.

    ddf_dialect.py --block 512 --order little --crc usual IMAGE...

Rewrites images of whole disks in place. From the tables of SNIA's DDF 2.0, section 5, and from nothing of spared's: what
spared makes of such a disk is compared with this. GUIDs, names, path information and vendors' bytes are no numbers."""
import argparse
import struct
import sys
import zlib

HEADER = [
    (0, 4, 2),  # Signature, CRC
    (40, 4, 2),  # Sequence_Number, TimeStamp
    (96, 8, 2),  # Primary_Header_LBA, Secondary_Header_LBA
    (116, 4, 1),  # Workspace_Length
    (120, 8, 1),  # Workspace_LBA
    (128, 2, 5),  # Max_PD_Entries .. Max_Primary_Element_Entries
    (138, 4, 1),  # Max_Mapped_Block_Entries
    (192, 4, 16),  # eight sections: offset, length
]
CONTROLLER = [(0, 4, 2), (32, 2, 4)]  # Controller_Type: vendor, device, sub-vendor, sub-device
TABLE = [(0, 4, 2), (8, 2, 2)]  # of physical and of virtual disks
PHYSICAL = [(24, 4, 1), (28, 2, 2), (32, 8, 1), (58, 2, 1)]  # reference; type, state; size; block size
VIRTUAL = [(24, 2, 1), (28, 4, 1)]  # number; type
VOLUME = [
    (0, 4, 2),
    (32, 4, 2),  # Timestamp, Sequence_Number
    (64, 2, 1),  # Primary_Element_Count
    (72, 8, 2),  # Block_Count, VD_Size
    (88, 2, 1),  # Block_Size
    (96, 4, 8),  # Associated_Spare_Disks
    (128, 8, 1),  # Cache_Policies_And_Parameters
    (141, 2, 1),  # MDF_Parity_Generator_Polynomial
]
SPARE = [(0, 4, 3), (16, 2, 2)]
SPARE_ENTRY = [(24, 2, 1)]  # Secondary_Element
DATA = [(0, 4, 2), (32, 4, 1)]  # PD_Reference
ENTRY = {"physical": 64, "virtual": 64, "spare": 32}


class Disk:
    def __init__(self, path, block):
        self.file = open(path, "r+b")
        self.block = block
        self.size = self.file.seek(0, 2)
        anchor = self.read(self.size - block, block)
        magic = anchor[:4].hex()
        if magic not in ("de11de11", "11de11de"):
            sys.exit(f"{path}: no DDF anchor")
        self.order = ">" if magic == "de11de11" else "<"
        self.anchor = anchor

    def read(self, at, length):
        self.file.seek(at)
        return bytearray(self.file.read(length))

    def number(self, record, at, width):
        return struct.unpack_from(self.order + {2: "H", 4: "I", 8: "Q"}[width], record, at)[0]


def turn(record, base, numbers):
    for at, width, count in numbers:
        for start in range(base + at, base + at + width * count, width):
            record[start : start + width] = record[start : start + width][::-1]


def crc(record, kind):
    body = bytes(record[:4]) + b"\xff\xff\xff\xff" + bytes(record[8:])
    # zlib's is the usual one: begun with ones, inverted at the end. Begun with what undoes it, it is mdadm's.
    return zlib.crc32(body) if kind == "usual" else zlib.crc32(body, 0xFFFFFFFF) ^ 0xFFFFFFFF


def seal(record, order, kind):
    struct.pack_into(order + "I", record, 4, crc(record, kind))


def entries(record, base, size):
    return range(base, base + (len(record) - base) // size * size, size)


def convert(disk, order, kind):
    swap = order != disk.order
    header = disk.anchor
    elements = disk.number(header, 136, 2)
    record_length = disk.number(header, 134, 2) * disk.block
    sections = [
        (disk.number(header, 192 + 8 * i, 4), disk.number(header, 196 + 8 * i, 4)) for i in range(5)
    ]
    places = [disk.number(header, 96, 8), disk.number(header, 104, 8)]

    def rewrite(at, length, numbers, entry=None, base=0, size=0):
        record = disk.read(at, length)
        if swap:
            turn(record, 0, numbers)
            for start in entries(record, base, size) if entry else ():
                turn(record, start, entry)
            if numbers is VOLUME:
                turn(record, 512, [(0, 4, elements), (4 * elements, 8, elements)])
        seal(record, order, kind)
        disk.file.seek(at)
        disk.file.write(record)

    for place in places:
        if place == 2**64 - 1:
            continue
        start = [(place + offset) * disk.block for offset, _ in sections]
        length = [n * disk.block for _, n in sections]
        rewrite(place * disk.block, disk.block, HEADER)
        rewrite(start[0], disk.block, CONTROLLER)
        rewrite(start[1], length[1], TABLE, PHYSICAL, 64, 64)
        rewrite(start[2], length[2], TABLE, VIRTUAL, 64, 64)
        for at in range(start[3], start[3] + length[3] // record_length * record_length, record_length):
            magic = disk.read(at, 4).hex()
            if magic == "eeeeeeee":
                rewrite(at, record_length, VOLUME)
            elif magic == "55555555":
                rewrite(at, record_length, SPARE, SPARE_ENTRY, 32, 32)
        rewrite(start[4], disk.block, DATA)
    rewrite(disk.size - disk.block, disk.block, HEADER)
    disk.file.close()


parser = argparse.ArgumentParser()
parser.add_argument("--block", type=int, default=512)
parser.add_argument("--order", choices=["big", "little"], default="big")
parser.add_argument("--crc", choices=["mdadm", "usual"], default="mdadm")
parser.add_argument("image", nargs="+")
args = parser.parse_args()
for path in args.image:
    convert(Disk(path, args.block), ">" if args.order == "big" else "<", args.crc)
