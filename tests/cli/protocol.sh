#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What sparectl sends and what it makes of answers, against a daemon of a few lines that plays a file of answers.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
: > invalid
command -v python3 > /dev/null || { echo "skipped: python3 is not there"; exit 0; }

# play ANSWER...: listens once, keeps the requests in requests, and answers each with the next line, completed to what the
# daemon would send. Requests, answers and messages must be valid by the protocol's schema; what is not is in invalid.
play() {
	printf '%s\n' "$@" > answers
	rm -f sock requests
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$repo/tests python3 - <<-'END' &
		import json, schema, socket
		def valid(name, value):
		    with open("invalid", "a") as log:
		        for e in schema.errors(schema.named(name), value):
		            print(e, json.dumps(value)[:200], file=log)
		s = socket.socket(socket.AF_UNIX)
		s.bind("sock")
		s.listen()
		open("ready", "w").close()
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
		            log.flush()
		            request = json.loads(line)
		            valid("request", request)
		        if not answer.strip():
		            break
		        name = "message" if answer.startswith("+") else "answer-" + request["verb"]
		        value = schema.whole(schema.named(name), json.loads(answer.lstrip("+")))
		        valid(name, value)
		        f.write(json.dumps(value) + "\n")
		        f.flush()
	END
	await
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

play '{"v":1,"id":0,"ok":true,"plan":["add-spare sdb","copy-back sdx in data to sdb"],"plan-id":"P-1","result":"ok"}'
ok "a copy back" 0 "${ctl[@]}" array copy-back sdb --always --no-wait
wait
same "the request of copy-back" "$(sent)" '{"always": true, "device": "sdb", "v": 1, "verb": "array-copy-back"}'
play '{"v":1,"id":0,"ok":true,"plan":["add-spare sdx for data revertible in its enclosure"],"plan-id":"P-1","result":"ok"}'
ok "a spare of a kind" 0 "${ctl[@]}" spare add sdx --array data --revertible --enclosure --no-wait
wait
same "the request of spare add" "$(sent)" \
	'{"array": "data", "device": "sdx", "enclosure": true, "revertible": true, "v": 1, "verb": "spare-add"}'

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
play '{"v":1,"id":0,"ok":true,"why":{"v":1,"array":"data","slot":1,"device":"wwn-1","state":"missing","answer":"member-gone: for: 10s of 30s; then: no valid spare: sdx is marked flapping","rules":[{"rule":"member-gone","result":"waiting","answer":"for: 10s of 30s"}]}}'
ok "why no spare" 0 "${ctl[@]}" spare why data
like "begins with the line" '^data/1: member-gone: for: 10s of 30s; then: no valid spare: sdx is marked flapping$'
like "then each rule" '^  member-gone +for: 10s of 30s$'
wait
same "the request of spare why" "$(sent)" '{"subject": "data", "v": 1, "verb": "spare-why"}'
ok "a rule and a verdict" 2 "${ctl[@]}" rules why r sdb --verdict v-1
ok "a rule without a subject" 2 "${ctl[@]}" rules why r
play '{"v":1,"id":0,"ok":true,"rules":[{"name":"r","description":"d","trigger":"event block.error","mode":"enforce","priority":500,"at":"/a/r.yaml:3:11","destructive":false,"disabled":false,"origin":{"limit":["/a/r.yaml:6:12","/b/s.yaml:4:9"]}}]}'
ok "the daemon's rules" 0 "${ctl[@]}" rules list --origin
like "with the places of keys" '^ +limit +/a/r\.yaml:6:12, then /b/s\.yaml:4:9$'
wait
same "the request of list" "$(sent)" '{"origin": true, "v": 1, "verb": "rules-list"}'

play '{"v":1,"id":0,"ok":true,"rules":[{"rule":"r","seen":120,"matched":40,"fired":2,"held":1,"limited":3,"inhibited":4,"windows":5,"attempts":1,"states":0,"spent":1500000,"last":0,"evicted":7}],"totals":{"windows":5,"room-used":9,"room":1000000,"evicted":7,"evicted-rule":"r"}}'
ok "what rules saw and did" 0 "${ctl[@]}" rules stats
like "a line for each" '^r +120 +40 +2 +1 +3 +4 +6 +1ms500us  -  7 windows dropped$'
like "and one for all" '^5 windows open, room 9 of 1000000 used, 7 dropped, last of r$'
wait
same "the request of stats" "$(sent)" '{"v": 1, "verb": "rules-stats"}'
play '{"v":1,"id":0,"ok":true,"rules":[],"totals":{"windows":5}}'
ok "the same as JSON" 0 "${ctl[@]}" rules stats --json
like "which has the totals" '"windows":5'
wait

names='{"v":1,"id":0,"ok":true,"status":{"devices":[{"id":"wwn-1","name":"sdq"}],"arrays":[]}}'
play "$names" '{"v":1,"id":0,"ok":true}' \
	'+{"type":"event","event":{"wall":1,"kind":"block.error","source":"tracefs","origin":"kernel","count":3,"device":"wwn-1","facts":{"error.status":"medium"}}}' \
	'+{"type":"notice","notice":{"severity":"warning","text":"a b"}}'
ok "monitor ends with the daemon" 3 "${ctl[@]}" monitor --type event,notice
like "has events" 'event +block.error sdq \(tracefs, 3 times\) error.status=medium'
like "and notices" 'notice +warning: a b'
wait
same "the request of monitor" "$(sent 2)" '{"types": ["event", "notice"], "v": 1, "verb": "monitor"}'
play '{"v":1,"id":0,"ok":true,"more":false,"rows":[{"id":2,"table":"outcome","wall":2,"row":{"plan":"P-2","result":"failed","reason":"why"}},{"id":1,"table":"case","wall":1,"row":{"device":"wwn-1","name":"first"}}]}' "$names"
ok "history" 0 "${ctl[@]}" history --since 2026-01-31T12:00:00Z -n 5
same "is newest last" "$(grep -n 'P-2 failed: why' <<< "$out" | cut -d: -f1)" 2
wait
same "the request of history" "$(sent)" '{"limit": 5, "since": 1769860800000000000, "v": 1, "verb": "history"}'

play '{"v":1,"id":0,"ok":true,"rows":[{"id":9,"table":"outcome","wall":9,"row":{"plan":"P-1","verdict":"7","result":"ok"}},{"id":8,"table":"verdict","wall":8,"row":{"id":"7","kind":"fired","rule":"r","description":"Tells.","events":[1,3],"match":{"match.count":2,"match.span":90000000000}}},{"id":7,"table":"event","wall":7,"row":{"kind":"block.error","seq":3,"source":"tracefs"}}]}' "$names"
ok "why a verdict fired" 0 "${ctl[@]}" history --verdict 7
like "the rule" 'r fired .*\(verdict 7\)$'
like "what it saw, as people read it" '^ +match\.span +1m30s$'
like "its events" '^    .*event +block\.error \(tracefs\)'
like "those that were forgotten" 'does not have 1 of them any more'
like "what came of it" '^    .*outcome +P-1 ok'
wait
same "the request of it" "$(sent)" '{"v": 1, "verb": "history", "verdict": "7"}'
play '{"v":1,"id":0,"ok":true,"errors":[{"day":"2026-03-02","device":"wwn-1","errors":6,"statuses":{"medium":5,"io":1}}]}' "$names"
ok "errors by day" 0 "${ctl[@]}" history --errors --device sdq --until 2026-01-31T12:00:00Z
like "with the name of the disk" '^2026-03-02 +sdq +6  medium 5, io 1$'
wait
same "the request of errors" "$(sent)" '{"device": "sdq", "errors": true, "until": 1769860800000000000, "v": 1, "verb": "history"}'
play '{"v":1,"id":0,"ok":true,"rows":[{"id":9,"table":"command","wall":9,"row":{"kind":"array-fail","uid":0,"user":"root","login-uid":1000,"login":"alice","pid":7,"program":"sparectl","device":"wwn-1","array":"data","plan":"P-3","result":"planned"}}]}' "$names"
ok "who asked for what, a user that is not known here" 0 "${ctl[@]}" history --type command --person nobody-here
same "the request of it" "$(sent)" '{"person": "nobody-here", "table": "command", "v": 1, "verb": "history"}'
like "with user, login and process" 'command +array-fail sdq in data by root, logged in as alice \(sparectl pid 7\): P-3$'
wait
play '{"v":1,"id":0,"ok":true,"sources":[{"name":"udev","doc":"uevents","state":"on","received":7,"dropped":1,"merged":2,"lost":3,"rescans":4,"lag":2500000},{"name":"dm","state":"failed","reason":"no module"}]}'
ok "sources" 0 "${ctl[@]}" sources
like "as a table" '^udev +on +7 +1 +2 +3 +4 +2\.5ms  uevents$'
like "and why one is not heard" '^dm +failed .* -  no module$'
wait
play '{"v":1,"id":0,"ok":true,"text":"# HELP x y\nx 1\n"}'
ok "metrics" 0 "${ctl[@]}" metrics
same "are the text" "$out" "$(printf '# HELP x y\nx 1')"
wait
play '{"v":1,"id":0,"ok":true,"rules":[],"questions":[{"id":"6b-14","rule":"asks","description":"A person decides.","subject":"sdb","device":"sdb","array":"data","asked":1,"deadline":2,"then":"drop"}]}'
ok "rules list" 0 "${ctl[@]}" rules list
like "shows what is asked" '6b-14.*asks'
wait
for answer in approve deny; do
	play '{"v":1,"id":0,"ok":true,"plan":[],"plan-id":""}'
	ok "rules $answer" 0 "${ctl[@]}" rules "$answer" 6b-14
	wait
	same "the request of $answer" "$(sent)" "{\"question\": \"6b-14\", \"v\": 1, \"verb\": \"rules-$answer\"}"
done

play '{"v":1,"id":0,"ok":true,"plan":["fail-member sdb from data","activate-spare sdx for data"],"plan-id":""}'
ok "rules approve --dry-run" 0 "${ctl[@]}" rules approve 6b-14 --dry-run
same "prints what would be done" "$out" "$(printf 'fail-member sdb from data\nactivate-spare sdx for data')"
wait
same "and asks for no more" "$(sent)" '{"dry-run": true, "question": "6b-14", "v": 1, "verb": "rules-approve"}'

play '{"v":1,"id":0,"ok":true,"plan":[],"plan-id":""}'
ok "rules uninhibit" 0 "${ctl[@]}" rules uninhibit member-gone
wait
same "the request of uninhibit" "$(sent)" '{"rule": "member-gone", "v": 1, "verb": "rules-uninhibit"}'

# A set is gone from a disk: the capsule has it as it was before the plan, with no daemon and no disk.
then=$work/then now=$work/now
read -r sectors < <(sed -n 's/^disk index=1 sectors=\([0-9]*\) .*/\1/p' "$repo/tests/golden/meta/raid1.txt")
truncate -s $((sectors * 512)) "$then" other "$now"
ok "a set of two" 0 "$(dirname "$sparectl")/ddf_lay" raid1:512 "$then" other
python3 - "$then" "$now" <<-'END' > rows
	import base64, json, sys
	then, now = (open(f, "rb").read() for f in sys.argv[1:])
	n, runs = len(then) // 512, []
	for s in range(n):
	    a = then[512 * s:512 * s + 512]
	    if a != now[512 * s:512 * s + 512]:
	        runs.append([s, 1, a[0] if a == a[:1] * 512 else base64.b64encode(a).decode()])
	part = {"plan": "P-7", "set": "s", "disk": "wwn-1", "name": "sdq", "sectors": n, "sector-size": 512}
	rows = [{"plan": "P-9", "set": "s", "part": 1, "end": {"disks": 1, "sectors": 1, "bytes": 0, "cut": False}},
	        dict(part, plan="P-9", part=0, runs=[[0, 1, 0], [5, 1, None]]),
	        dict(part, part=1, runs=runs[len(runs) // 2:]), dict(part, part=0, runs=runs[:len(runs) // 2])]
	rows = [{"id": 9 - i, "table": "before", "wall": 1, "row": r} for i, r in enumerate(rows)]
	for page in rows[:2], rows[2:]:
	    print(json.dumps({"v": 1, "id": 0, "ok": True, "more": page == rows[:2], "rows": page}))
END
none='{"v":1,"id":0,"ok":true,"more":false,"rows":[]}'
before=("$(sed -n 1p rows)" "$(sed -n 2p rows)")
status='{"v":1,"id":0,"ok":true,"status":{"devices":[{"id":"wwn-1","name":"sdq","node":"'$now'","present":true,"set":"s"}],"arrays":[]}}'
play "$status" '{"v":1,"id":0,"ok":true,"sources":[]}' '{"v":1,"id":0,"ok":true,"rules":[]}' "$none" "$none" "$none" \
	"${before[@]}" "${before[@]}"
ok "a capsule" 0 "${ctl[@]}" capsule told.capsule
wait
same "asks for what plans wrote over, page by page" "$(sent 8)" \
	'{"before": 8, "limit": 1000, "table": "before", "v": 1, "verb": "history"}'
wanted=$("$sparectl" meta show "$then" | sed 1d | grep -v '^  slice')
rm "$now"
ok "the disk as it was" 1 "$sparectl" meta show told.capsule
like "had nothing" 'told.capsule:.*now .*no RAID metadata'
ok "and before the plan" 0 "$sparectl" meta show --before P-7 told.capsule
same "says what it said" "$(sed 1d <<< "$out" | grep -v '^  slice')" "$wanted"
ok "before a later plan" 1 "$sparectl" meta show --before P-9 told.capsule
like "nothing, either" 'no RAID metadata'
ok "before one that is not in it" 1 "$sparectl" meta show --before P-1 told.capsule
like "is told" 'told.capsule: nothing is kept of what P-1 wrote over'
sed 's/"disk": *"wwn-1"/"disk":"wwn-2"/g' told.capsule > strange.capsule
ok "of a disk that is not in it" 1 "$sparectl" meta show --before P-7 strange.capsule
like "is told, too" 'P-7 wrote to no disk that is in it'
sed 's/"runs": *\[\[[1-9][0-9]*/&000000/g' told.capsule > lies.capsule
ok "one that lies" 1 "$sparectl" meta show --before P-7 lies.capsule
like "is refused" 'what the disks held before P-7 cannot be read'

same "every request, answer and message was valid by the schema" "$(cat invalid)" ""
# The example of the manual, against the same.
play '{"v":1,"id":1,"ok":true}' '+{"type":"event","event":{"kind":"array.degraded","array-name":"data"}}' \
	'{"v":1,"id":1,"ok":true,"status":{"arrays":[{"name":"data","level":"raid5","state":"degraded","members":[{"state":"in-sync"},{"state":"failed"}]}]}}' \
	'+{"type":"outcome","plan":"P-1","result":"ok"}'
ok "the example" 0 python3 "$repo/docs/examples/monitor.py" "$work/sock"
like "shows the arrays" '^data raid5 degraded in-sync failed$'
like "and what happens" '^outcome ok$'
like "also before the answer" '^event array.degraded data$'
wait
same "it is valid, too" "$(cat invalid)" ""
same "it has less than 50 lines" "$(($(wc -l < "$repo/docs/examples/monitor.py") < 50))" 1
end
