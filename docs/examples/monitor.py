#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows spared: what the arrays are like now, then a line for each thing that happens. See spared-protocol(7)."""
import json
import socket
import sys

path = sys.argv[1] if len(sys.argv) > 1 else "/run/spared/control.sock"
connection = socket.socket(socket.AF_UNIX)
connection.connect(path)
lines = connection.makefile("r", encoding="utf-8")


def send(verb, **keys):
    connection.sendall((json.dumps({"v": 1, "verb": verb, **keys}) + "\n").encode())


def ask(verb, **keys):
    """Sends a request and returns its answer. Messages that come before it are shown."""
    send(verb, id=1, **keys)
    for line in lines:
        answer = json.loads(line)
        if "ok" not in answer:
            show(answer)
        elif answer["ok"]:
            return answer
        else:
            sys.exit(f"{verb}: {answer['error']['message']}")
    sys.exit("spared ended the connection")


def show(message):
    body = message.get(message["type"], message)
    words = [body.get(key) for key in ("kind", "rule", "state", "result", "text", "device-name", "array-name", "reason")]
    print(message["type"], *[word for word in words if word], flush=True)


# First subscribe, then ask: nothing that happens in between is missed.
ask("monitor", types=["event", "verdict", "outcome", "notice"])
for array in ask("status")["status"]["arrays"]:
    print(array["name"], array["level"], array["state"], *[m["state"] for m in array["members"]], flush=True)
for line in lines:
    show(json.loads(line))
