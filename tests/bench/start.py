#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How long spared takes from its exec: start.py ARRAYS LOG [OPTION...]. Until the status is answered and until as many arrays
are told as started; with the processor time of the broker and of its children that have ended by then. Prints one line of JSON;
the daemon goes on."""
import json, os, resource, socket, subprocess, sys, time

arrays, log = int(sys.argv[1]), open(sys.argv[2], "a")
hertz = os.sysconf("SC_CLK_TCK")


def ask(line):
    while True:
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect("/run/spared/control.sock")
            break
        except OSError:
            s.close()
            time.sleep(0.005)
    s.sendall(line)
    return s.makefile("r")


def ms():
    return round((time.monotonic() - begin) * 1000, 1)


begin = time.monotonic()
daemon = subprocess.Popen(["spared", *sys.argv[3:]], stdout=log, stderr=log)
events = ask(b'{"v":1,"verb":"monitor","types":["event","outcome"]}\n')
status = ask(b'{"v":1,"verb":"status"}\n')
told = {"listens": ms()}
answer = status.readline()
told["answered"] = ms()
with open(f"/proc/{daemon.pid}/stat") as f:
    cpu = [round(int(n) * 1000 / hertz) for n in f.read().rsplit(") ", 1)[1].split()[11:15]]
told["cpu"] = {"broker": cpu[0] + cpu[1], "children": cpu[2] + cpu[3]}
started = 0
while started < arrays:
    line = events.readline()
    if not line:
        sys.exit("the daemon has closed the socket")
    if '"outcome"' in line:
        j = json.loads(line)
        if j.get("type") == "outcome":
            log.write(f"{ms()} ms: plan {j.get('plan')} {j.get('origin', '')} {j.get('result')} {j.get('took')}\n")
            log.flush()
    if '"array.started"' in line and json.loads(line).get("event", {}).get("kind") == "array.started":
        started += 1
        told.setdefault("first", ms())
told["all"] = ms()
answer = json.loads(ask(b'{"v":1,"verb":"status"}\n').readline())["status"]
told["optimal"] = sum(a["state"] == "optimal" for a in answer["arrays"])
told["pid"] = daemon.pid
print(json.dumps(told), flush=True)
os._exit(0)
