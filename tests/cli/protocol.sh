#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What sparectl sends and what it makes of answers, against a daemon of a few lines that plays a file of answers.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || { echo "skipped: python3 is not there"; exit 0; }

# play ANSWER...: listens once, keeps the requests in requests, and answers each with the next line.
play() {
	printf '%s\n' "$@" > answers
	rm -f sock requests
	python3 - <<-'END' &
		import socket
		s = socket.socket(socket.AF_UNIX)
		s.bind("sock")
		s.listen()
		s.settimeout(20)
		c, _ = s.accept()
		f = c.makefile("rw")
		with open("requests", "w") as log:
		    for answer in open("answers"):
		        if not answer.startswith("+"):
		            line = f.readline()
		            if not line:
		                break
		            log.write(line)
		        f.write(answer.lstrip("+"))
		        f.flush()
	END
	until [ -S sock ]; do sleep 0.02; done
}
ctl=("$sparectl" --control "$work/sock" --config "$work/none.yaml")
# sent [N]: the Nth request.
sent() { python3 -c 'import json,sys; print(json.dumps(json.loads(open("requests").readlines()[int(sys.argv[1]) - 1]), sort_keys=True))' "${1:-1}"; }

play '{"v":1,"id":0,"ok":true,"plan":["fail-member sdb from data"],"plan-id":"P-1","result":"ok","reason":""}'
ok "a change" 0 "${ctl[@]}" array fail data sdb
like "prints the plan" '^fail-member sdb from data'
like "and the result" '^P-1: ok'
wait
same "the request" "$(sent)" '{"array": "data", "device": "sdb", "v": 1, "verb": "array-fail", "wait": true}'

play '{"v":1,"id":0,"ok":true,"plan":["fail-member sdb from data"],"plan-id":"P-1","result":"ok","show":["before\nafter"]}'
ok "a dry run" 0 "${ctl[@]}" array fail sdb --dry-run --no-wait
like "says would" '^would do: fail-member sdb from data'
like "and shows" '^after'
wait
same "the request of a dry run" "$(sent)" '{"device": "sdb", "dry-run": true, "v": 1, "verb": "array-fail"}'

play '{"v":1,"id":0,"ok":false,"error":{"code":"refused","message":"no redundancy is left"},"plan":["refused: fail-member: x"]}'
ok "a refusal" 4 "${ctl[@]}" array fail data sdb
like "says why" 'array fail: no redundancy is left'
like "and what was planned" 'refused: fail-member: x'
wait
play '{"v":1,"id":0,"ok":false,"error":{"code":"failed","message":"it \u001b[31mfailed\u202e"}}'
ok "a failure" 1 "${ctl[@]}" array stop data
like "is escaped for the terminal" 'it \\x1B?\[31mfailed|it \\x1b\[31mfailed'
wait
play '{"v":1,"id":0,"ok":false,"error":{"code":"denied","message":"only root may change anything"}}'
ok "denied" 1 "${ctl[@]}" spare add sdb
wait
play
ok "a connection that ends" 3 "${ctl[@]}" sources
like "is told" 'ended the connection'
wait

play '{"v":1,"id":0,"ok":true,"matches":{"verdicts":[{"rule":"r","kind":"fired","subject":"sdb","plans":[["fail-member sdb from data"]],"does":[]}]}}'
ok "an injected event" 0 "${ctl[@]}" inject block.error device.name=sdb error.status=medium error.errno=5 event.count=10
like "names the rule" '^r would be fired for sdb'
like "and the plan" '^  fail-member sdb from data'
wait
same "the request of inject" "$(sent)" \
	'{"count": 10, "device": "sdb", "facts": {"error.errno": 5, "error.status": "medium"}, "kind": "block.error", "v": 1, "verb": "inject"}'
play '{"v":1,"id":0,"ok":true,"matches":{"verdicts":[]}}'
ok "nothing would fire" 1 "${ctl[@]}" inject device.added
wait

play '{"v":1,"id":0,"ok":true,"why":{"v":1,"rule":"r","subject":"sdb","result":"waiting","answer":"a","line":"r has not fired for sdb: a.","parts":[{"part":"event","value":"ok","kind":"block.error","event":7,"last":"2026-03-02T14:35:02Z"},{"part":"where","value":"ok","tests":[{"fact":"device.role","is":"member","op":"eq","want":"member","value":"ok","at":"r.yaml:5:9"}]},{"part":"inhibit","value":"no","by":"q","until":"2026-03-02T15:00:00Z"}],"would_do":["fail-member sdb from data","activate-spare sdx for data"],"origin":{"rule":"/a/r.yaml:3:11","limit":"/b/s.yaml:4:9"}}}'
ok "why not" 1 "${ctl[@]}" rules why r sdb
like "begins with the answer" '^r has not fired for sdb: a\.$'
like "has the last event" '^  ok  event      block\.error +last 2026-03-02T14:35:02Z \(seq 7\)$'
like "what held it back" '^  NO  inhibit    by q until 2026-03-02T15:00:00Z$'
like "what would be done" '^  would do: fail-member sdb from data; activate-spare sdx for data$'
like "and where it comes from" '^  rule at /a/r\.yaml:3:11, limit set by /b/s\.yaml:4:9$'
wait
same "the request of why" "$(sent)" '{"rule": "r", "subject": "sdb", "v": 1, "verb": "rules-why"}'
play '{"v":1,"id":0,"ok":true,"rules":[{"name":"r","description":"d","trigger":"event block.error","mode":"enforce","priority":500,"at":"/a/r.yaml:3:11","destructive":false,"disabled":false,"origin":{"limit":["/a/r.yaml:6:12","/b/s.yaml:4:9"]}}]}'
ok "the daemon's rules" 0 "${ctl[@]}" rules list --origin
like "with the places of keys" '^ +limit +/a/r\.yaml:6:12, then /b/s\.yaml:4:9$'
wait
same "the request of list" "$(sent)" '{"origin": true, "v": 1, "verb": "rules-list"}'

names='{"v":1,"id":0,"ok":true,"status":{"devices":[{"id":"wwn-1","name":"sdq"}],"arrays":[]}}'
play "$names" '{"v":1,"id":0,"ok":true}' \
	'+{"type":"event","event":{"wall":1,"kind":"block.error","source":"tracefs","origin":"kernel","count":3,"device":"wwn-1","facts":{"error.status":"medium"}}}' \
	'+{"type":"notice","notice":{"severity":"warning","text":"a b"}}'
ok "monitor ends with the daemon" 3 "${ctl[@]}" monitor --type event,notice
like "has events" 'event +block.error sdq \(tracefs, 3 times\) error.status=medium'
like "and notices" 'notice +warning: a b'
wait
same "the request of monitor" "$(sent 2)" '{"types": ["event", "notice"], "v": 1, "verb": "monitor"}'
play '{"v":1,"id":0,"ok":true,"more":false,"rows":[{"id":2,"table":"outcome","wall":2,"row":{"plan":"P-2","result":"failed","reason":"why"}},{"id":1,"table":"notice","wall":1,"row":{"severity":"info","text":"first"}}]}' "$names"
ok "history" 0 "${ctl[@]}" history --since 2026-01-31T12:00:00Z -n 5
same "is newest last" "$(grep -n 'P-2 failed: why' <<< "$out" | cut -d: -f1)" 2
wait
same "the request of history" "$(sent)" '{"limit": 5, "since": 1769860800000000000, "v": 1, "verb": "history"}'
end
