#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# forecast.sh SPARECTL JOURNAL RULES: recordings made by the pipeline without a kernel; what is forecast of them, what a
# daemon that is played is asked, and recordings that are not whole.
# shellcheck source-path=SCRIPTDIR source=lib.sh disable=SC2016
journal=$(realpath "$2")
rules=$(realpath "$3")
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || { echo "skipped: python3 is not there"; exit 77; }
ctl=("$sparectl" --config "$work/none.yaml" --control "$work/sock")

cat > small.events <<-'END'
	rules shipped
	disk sda 4GB
	disk sdb 4GB
	disk sdc 4GB
	disk sdx 4GB
	array data raid5 sda sdb sdc
	spare sdx
	start
	1m nothing
END
sed 's/^1m.*/1m remove sdx/; $a 2m error sda medium 1' small.events > without.events
for name in small without; do
	UPDATE=1 RECORD=$work/$name.jsonl "$journal" "$rules" $name.events > /dev/null
done

# --- of a recording
ok "with a spare all is well" 0 "${ctl[@]}" forecast small.jsonl
like "a disk that is pulled" '^ +pulled +member-gone: sdx takes its place after 30s; until it is rebuilt it can lose no more, then it can lose 1 more; spares left: 0$'
like "a disk that fails" '^ +failed +member-failed: sdx takes its place at once;'
like "a disk with errors is copied where nothing else is left" '^ +errors +erring-replaced: it is copied to sdx, which then takes its place, after 20s; until then it can lose 1 more'
like "the sum" '^of 1 arrays every next loss is repaired by itself$'
ok "without one" 1 "${ctl[@]}" forecast without.jsonl
like "the array says so" '^data  raid5  optimal  no valid spare: sdx is lost$'
like "and why nothing happens" '^ +pulled  nothing takes its place: member-gone: no valid spare: '
like "the sum, too" '^of 1 arrays 1 would not be repaired by themselves$'
first=$out
ok "again" 1 "${ctl[@]}" forecast without.jsonl
same "it is the same" "$out" "$first"
ok "as JSON" 1 "${ctl[@]}" forecast without.jsonl --json
same "one object" "$(python3 -c 'import json,sys; j=json.load(sys.stdin); print(j["ok"], j["unhandled"], j["same-rules"], len(j["arrays"][0]["members"]))' <<< "$out")" "False 1 True 3"
ok "one disk" 0 "${ctl[@]}" forecast small.jsonl --pull sdb
same "that is pulled only" "$(grep -c 'pulled' <<< "$out") $(grep -cE 'errors|failed' <<< "$out")" "1 0"
ok "all that are pulled" 0 "${ctl[@]}" forecast small.jsonl --pull all
same "each once" "$(grep -c 'pulled' <<< "$out")" 3
ok "no member" 1 "${ctl[@]}" forecast small.jsonl --pull sdx
like "is told" 'sdx is no member of an array that runs and is managed'
ok "no disk" 1 "${ctl[@]}" forecast small.jsonl --pull sdq
like "is told, too" "no device 'sdq' is known"
mkdir none
ok "other rules" 1 "${ctl[@]}" forecast small.jsonl --rules none
like "that do nothing" 'nothing takes its place: no rule that changes arrays asks for one for data/0'
ok "no directory" 2 "${ctl[@]}" forecast small.jsonl --rules nowhere

# --- recordings that are not whole
# broken WHAT SED MESSAGE
broken() {
	sed "$2" small.jsonl > broken.jsonl
	ok "$1" 1 "${ctl[@]}" forecast broken.jsonl
	like "is refused" "$3"
}
broken "cut off" '$d' "it is cut off: the last line, 'end', is missing"
broken "another version" '1s/"spared-record":1/"spared-record":2/' 'recording of version 2, this is version 1'
broken "no recording" '1d' "no recording: its first line has no 'spared-record'"
broken "an unknown key" '1s/"made"/"maid"/' "jsonl:1: recording: the key 'maid' is not known"
broken "one in the picture" '/^{"now"/s/"told"/"untold"/' "the key 'untold' is not known"
broken "one of a device" '/^{"now"/s/"sector-size"/"sector-sighs"/' "devices: the key 'sector-sighs' is not known"
broken "one of an event" '/^{"row"/s/"origin"/"original"/' 'jsonl:[0-9]*: event: '
broken "an unknown line" '2s/world/wurld/' "jsonl:2: the key 'wurld' is not known"
broken "no JSON" '3s/}$//' 'jsonl:3: no JSON object'
broken "a view that is not there" '/^{"now"/s/"view":0/"view":99/' 'a view is named that is not there'
broken "rows that are missing" '0,/^{"row"/{/^{"row"/d}' 'rows and says that it has'
ok "no file" 1 "${ctl[@]}" forecast nowhere.jsonl

# --- a daemon
python3 - <<-'END' &
	import json, socket
	lines = [json.loads(l) for l in open("small.jsonl")]
	part = {k: v for l in lines for k, v in l.items()}
	rows = [l["row"] for l in lines if "row" in l]
	def answer(r):
	    if r["verb"] == "world":
	        return {"world": part["now"]}
	    if r.get("table") == "world": # the second question: the first picture is younger than what was asked
	        return {"rows": [] if "until" in r else [{"id": 7, "table": "world", "wall": 1, "row": part["world"]}], "more": False}
	    new = [{"id": 8 + i, **row} for i, row in enumerate(rows)]
	    old = [{"id": 6, **rows[0]}, {"id": 5, **rows[0]}]
	    page = [x for x in reversed(old[::-1] + new) if x["id"] < r.get("before", 1 << 60)]
	    return {"rows": page[:4], "more": len(page) > 4}
	s = socket.socket(socket.AF_UNIX)
	s.bind("sock")
	s.listen()
	open("ready", "w").close()
	s.settimeout(20)
	with open("requests", "w") as log:
	    for _ in range(2):
	        c, _ = s.accept()
	        f = c.makefile("rw")
	        for line in f:
	            log.write(line)
	            log.flush()
	            f.write(json.dumps({"v": 1, "id": 0, "ok": True, **answer(json.loads(line))}) + "\n")
	            f.flush()
END
: < ready
printf 'rules: {dirs: [%s]}\n' "$rules" > live.yaml
live=("$sparectl" --config live.yaml --control sock)
ok "of a daemon" 0 "${live[@]}" forecast --pull sda
like "likewise" '^ +pulled +member-gone: sdx takes its place after 30s'
ok "its recording" 0 "${live[@]}" record --since 1h made.jsonl
wait
same "what was asked" "$(grep -c '"world"' requests)" 4
same "the rows are the same" "$(grep '^{"row"' made.jsonl)" "$(grep '^{"row"' small.jsonl)"
same "and the pictures" "$(grep -E '^{"(now|world)"' made.jsonl)" "$(grep -E '^{"(now|world)"' small.jsonl)"
ok "it can be read" 0 "${ctl[@]}" forecast made.jsonl
ok "a time that is none" 2 "${ctl[@]}" record --since soon
end
