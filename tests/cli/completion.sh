#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the shells offer: bash by calling its function as bash would, with names of a daemon that is played.
# shellcheck source-path=SCRIPTDIR source=lib.sh disable=SC2034
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || { echo "skipped: python3 is not there"; exit 77; }
# shellcheck source=../../contrib/completion/sparectl.bash
. "$repo/contrib/completion/sparectl.bash"
compopt() { :; } # bash has it within a completion only

# offers WHAT WANTED WORD...: the last word is being typed; what comes, sorted, on one line.
offers() {
	local what=$1 wanted=$2
	shift 2
	COMP_WORDS=("$sparectl" "$@")
	COMP_CWORD=$#
	_sparectl
	same "$what" "$(printf '%s\n' "${COMPREPLY[@]}" | sort | xargs)" "$wanted"
}

offers "a first word" "meta metrics" me
offers "a second word" "start stop" array st
offers "commands that are not for people are not offered" "" compl
offers "after help" "start stop" help array st
offers "options of the command" "--degraded --dry-run" array start --d
offers "options of all" "--json --junit" rules test --j
offers "words of an option" "case command" history --type c
offers "words" "always auto" status --color a
offers "kinds of events" "block.corrupt block.error block.slow" inject block.
offers "facts" "error.sector= error.sectors= error.status=" inject block.error error.s
offers "and their words, as bash splits them" "target timeout transport" inject block.error error.status = t
offers "all of them" "flush" inject block.error error.operation = f
touch file-1 file-2
offers "files" "file-1 file-2" rules check file-
offers "files of an option" "file-1 file-2" status --config file-
offers "no daemon, no names, no noise" "" array stop --control "$work/none" d

status='{"v":1,"id":0,"ok":true,"status":{"devices":[{"id":"wwn-1","name":"sdq","node":"/dev/sdq"},{"id":"wwn-2","name":"sdr","node":"/dev/sdr"}],"arrays":[{"id":"g-1","name":"data"},{"id":"g-2","name":"x; rm -rf"}],"sets":[{"id":"4c69"}]}}'
rules='{"v":1,"id":0,"ok":true,"rules":[{"name":"member-gone"},{"name":"member-returned"}]}'
python3 - "$status" "$rules" <<-'END' &
	import json, socket, sys
	s = socket.socket(socket.AF_UNIX)
	s.bind("sock")
	s.listen(8)
	open("ready", "w").close()
	s.settimeout(20)
	while True:
	    c, _ = s.accept()
	    f = c.makefile("rw")
	    for line in f:
	        f.write((sys.argv[1] if json.loads(line)["verb"] == "status" else sys.argv[2]) + "\n")
	        f.flush()
	    c.close()
END
server=$!
await
live=(--control sock --config none.yaml)
offers "arrays; not one whose name is a command" data "${live[@]}" array stop ""
offers "arrays or devices" "data sdq sdr" "${live[@]}" array fail ""
offers "devices of an array" "sdq sdr" "${live[@]}" array fail data sd
offers "devices by path" "/dev/sdq /dev/sdr" "${live[@]}" spare add /dev/
offers "rules" "member-gone member-returned" "${live[@]}" rules why member
offers "what a rule is about" "data sdq sdr" "${live[@]}" rules why member-gone ""
offers "arrays of an option" "data" "${live[@]}" history --array d
offers "sets" "4c69" "${live[@]}" manage 4
kill "$server"

if command -v zsh > /dev/null; then
	ok "zsh reads its file" 0 zsh -n "$repo/contrib/completion/_sparectl"
else
	echo "ok - zsh is not there # skip"
fi
end
