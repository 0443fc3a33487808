#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=180
# The control socket in bad hands: nothing that a client does or leaves undone reaches others, or the broker's memory.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

cat > /run/lab/files/abuse.py <<'END'
import json, os, schema, socket, sys, time
PATH = "/run/spared/control.sock"
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(PATH) # waits for room in the queue
    s.settimeout(20)
    return s
def ask(s, text):
    s.sendall(text if isinstance(text, bytes) else text.encode())
    return s.makefile("r").readline()
def code(line): return json.loads(line)["error"]["code"]
def until_end(s):
    data = b""
    try:
        while chunk := s.recv(1 << 16): data += chunk
    except ConnectionResetError: pass
    return data
what = sys.argv[1]
if what == "ask":
    answer = ask(connect(), sys.argv[2] + "\n")
    verb = json.loads(sys.argv[2])["verb"]
    name = "answer-" + verb if "answer-" + verb in schema.ROOT["$defs"] else "refusal"
    for e in schema.errors(schema.named(name), json.loads(answer)): print("not by the schema:", e)
    print(answer.strip())
elif what == "garbage":
    s = connect()
    s.sendall(b"nonsense\n" * 8)
    data = until_end(s).decode().splitlines()
    print(sum('"malformed"' in line for line in data), "too many malformed" in data[-1])
elif what == "long":
    s = connect()
    try: s.sendall(b"x" * (1 << 20))
    except (BrokenPipeError, ConnectionResetError): pass
    print(len(until_end(s)))
elif what == "crowd":
    crowd = [connect() for i in range(64)]
    for s in crowd[:64]: ask(s, '{"v":1,"verb":"help"}\n')
    print(code(connect().makefile("r").readline()))
elif what == "slow":
    # A subscriber that never reads, while 12 MB of events pass.
    s = connect()
    s.sendall(b'{"v":1,"verb":"monitor"}\n')
    other = connect()
    reader = other.makefile("r")
    worst = 0
    for i in range(100):
        other.sendall(b'{"v":1,"verb":"inject","live":true,"kind":"test.event","extra":{"x":"%s"}}\n' % (b"y" * 6000) * 20)
        begin = time.time()
        for n in range(20): json.loads(reader.readline())
        worst = max(worst, time.time() - begin)
    data = until_end(s)
    print(b"cut off" in data, len(data) < 8 << 20)
elif what == "greedy":
    # Requests without reading their answers.
    s = connect()
    try:
        for i in range(20000): s.sendall(b'{"v":1,"verb":"help"}\n')
    except (BrokenPipeError, ConnectionResetError, TimeoutError): pass
    print(b"cut off" in until_end(s))
elif what == "gone":
    for i in range(200):
        s = connect()
        s.sendall(b'{"v":1,"verb":"history"}\n{"v":1,"verb":"status"}\n')
        s.close()
    print("left")
END
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/run/lab/files
mkdir -p /run/lab/docs
cp "$LAB_REPO/tests/schema.py" /run/lab/files/
cp "$LAB_REPO/docs/spared-protocol.schema.json" /run/lab/docs/
abuse() { timeout 120 python3 /run/lab/files/abuse.py "$@"; }
rss() { awk '/VmRSS/ { print $2 }' "/proc/$spared_pid/status"; }

modprobe dm-mod
spared_configure no-such-set
spared_start
lab_stream_stop mon

# What a start leaves to do ends by itself: it is idle at the latest in the sixth time of 5 s.
spent() { awk '{ print $14 + $15 }' "/proc/$spared_pid/stat"; }
switches() { awk '/^voluntary/ { print $2 }' "/proc/$spared_pid/status"; }
for _ in 1 2 3 4 5 6; do
	ticks=$(spent) woken=$(switches)
	lab_pause 5
	ticks=$(($(spent) - ticks)) woken=$(($(switches) - woken))
	[ "$woken" != 0 ] || break
done
is "idle, it does not wake up" "$woken" 0
within "nor compute (ticks)" "$ticks" 0

is "the socket's mode" "$(stat -c '%a %U' /run/spared/control.sock)" "660 root"
like "a wrong version" "$(abuse ask '{"v":2,"verb":"status"}')" '"version"'
like "a wrong key" "$(abuse ask '{"v":1,"verb":"status","x":1}')" '"usage"'
like "a near verb is named" "$(abuse ask '{"v":1,"verb":"statsu"}')" "did you mean 'status'"
like "an event with a wrong fact" "$(abuse ask '{"v":1,"verb":"inject","kind":"block.error","facts":{"error.nonsense":1}}')" '"usage"'
is "eight times garbage, and the connection ends" "$(abuse garbage)" "8 True"
is "an endless line is cut" "$(abuse long)" 0
is "one client too many" "$(abuse crowd)" busy
before=$(rss)
is "a subscriber that does not read is cut off, with notice" "$(abuse slow)" "True True"
is "so is one that does not read its answers" "$(abuse greedy)" True
is "clients that leave early" "$(abuse gone)" left
ok "the broker answers" sparectl status
within "its memory has not grown (KiB)" $(($(rss) - before)) 20000

chmod 666 /run/spared/control.sock
as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups python3 /run/lab/files/abuse.py ask "$1"; }
chmod a+rx /run/lab /run/lab/files
like "whoever the mode lets in may ask" "$(as_nobody '{"v":1,"verb":"status"}')" '"ok":true'
like "but change nothing" "$(as_nobody '{"v":1,"verb":"array-stop","array":"r5"}')" '"denied"'
like "nor inject a live event" "$(as_nobody '{"v":1,"verb":"inject","kind":"a.b","live":true}')" '"denied"'
like "a reload that is refused keeps the rules" "$(echo nonsense >> /etc/spared/spared.yaml; abuse ask '{"v":1,"verb":"rules-reload"}')" '"usage"'
like "they run on" "$(abuse ask '{"v":1,"verb":"rules-list"}')" excessive-errors
like "root may" "$(abuse ask '{"v":1,"verb":"inject","kind":"block.error","live":true}')" '"ok":true'
stats=$(abuse ask '{"v":1,"verb":"rules-stats"}')
ok "the rules saw something" jq -e '.rules | any(.seen > 0 and .spent >= 0)' <<< "$stats"
ok "each rule is there" jq -e '[.rules[].rule] | any(. == "excessive-errors")' <<< "$stats"
like "a person reads it, too" "$(sparectl rules stats)" 'windows open, room [0-9]+ of 1000000 used'
for request in '"help"' '"status"' '"rules-stats"' '"sources"' '"metrics"' '"settings"' '"history"' '"history","errors":true' \
	'"monitor","types":["event"]' '"inject","kind":"array.degraded"' '"inject","kind":"block.slow","live":true' \
	'"maintenance","on":true,"device":"none"' '"array-stop","array":"none"' '"history","verdict":"none"'; do
	said+=$(abuse ask "{\"v\":1,\"verb\":$request}" | grep 'not by the schema' || true)
done
is "every answer is by the schema" "${said-}" ""

spared_pid_end=$spared_pid
kill -TERM "$spared_pid_end"
lab_wait_for "! kill -0 $spared_pid_end" 20
ok "no socket is left" test ! -e /run/spared/control.sock
lab_done
