#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A witness for generic netlink that shares no code with spared: plain sockets.

usage: genl.py listen FAMILY GROUP    prints each message as one line: command, then attribute=value; first "listening"
       genl.py ask FAMILY COMMAND [HEX]    sends a request, prints the answer, or nothing if it is an acknowledgement
       genl.py send FAMILY GROUP HEX  a forged message of the family, from this process to the group
Exit status 3: the kernel refused.
"""
import os
import socket
import struct
import sys

SOL_NETLINK, ADD_MEMBERSHIP, GENL_ID_CTRL, GETFAMILY = 270, 1, 16, 3
NAMES = {1: "major", 2: "minor", 3: "diskseq", 4: "sector", 5: "sectors", 6: "operation", 7: "status", 8: "errno", 9: "time",
         10: "seq", 11: "dropped", 12: "limited", 13: "overrun", 14: "sent"}


def attributes(data):
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        yield kind & 0x3fff, data[4:length]
        data = data[(length + 3) & ~3:]


def attribute(kind, value):
    data = struct.pack("=HH", 4 + len(value), kind) + value
    return data + b"\0" * (-len(data) % 4)


def request(sock, family, command, payload=b"", flags=1):    # NLM_F_REQUEST
    body = struct.pack("=BBH", command, 1, 0) + payload
    sock.send(struct.pack("=IHHII", 16 + len(body), family, flags, 1, 0) + body)
    data = sock.recv(65536)
    if struct.unpack_from("=H", data, 4)[0] == 2:
        error = struct.unpack_from("=i", data, 16)[0]
        if error:
            print(os.strerror(-error))
            sys.exit(3)
        return b""
    return data[16:]


def resolve(sock, name):
    found, groups = 0, {}
    for kind, value in attributes(request(sock, GENL_ID_CTRL, GETFAMILY, attribute(2, name.encode() + b"\0"))[4:]):
        if kind == 1:
            found = struct.unpack("=H", value)[0]
        elif kind == 7:
            for _, group in attributes(value):
                parts = dict(attributes(group))
                groups[parts[1].rstrip(b"\0").decode()] = struct.unpack("=I", parts[2])[0]
    return found, groups


def text(kind, value):
    if kind == 6:
        return value.rstrip(b"\0").decode()
    return int.from_bytes(value, "little")


def show(message):
    words = [f"cmd={message[0]}"]
    words += [f"{NAMES.get(k, k)}={text(k, v)}" for k, v in attributes(message[4:]) if k in NAMES]
    print(" ".join(words), flush=True)


def main():
    verb, family, what = sys.argv[1:4]
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
    sock.bind((0, 0))
    number, groups = resolve(sock, family)
    if verb == "ask":
        payload = bytes.fromhex(sys.argv[4]) if len(sys.argv) > 4 else b""
        answer = request(sock, number, int(what), payload, 5 if payload else 1)     # 4: NLM_F_ACK
        if answer:
            show(answer)
        return
    if verb == "send":
        body = bytes.fromhex(sys.argv[4])
        message = struct.pack("=IHHII", 16 + len(body), number, 0, 0, 0) + body
        sock.sendto(message, (0, 1 << (groups[what] - 1)))
        return
    sock.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)     # SO_RCVBUFFORCE
    sock.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, groups[what])
    print("listening", flush=True)
    while True:
        data = sock.recv(65536)
        if struct.unpack_from("=H", data, 4)[0] == number:
            show(data[16:struct.unpack_from("=I", data)[0]])


try:
    main()
except OSError as e:
    print(e.strerror)
    sys.exit(3)
