#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every command teaches: what it is for, two examples that name it, what its exit status means, what to read next. Colours
# and the wait for an answer.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || { echo "skipped: python3 is not there"; exit 77; }

mapfile -t verbs < <("$sparectl" --help | sed -n 's/^  \([a-z][a-z-]*\( [a-z][a-z-]*\)\?\)\( [A-Z[].*\)\?  .*/\1/p')
same "the help lists enough commands" "$((${#verbs[@]} > 20))" 1
for verb in "${verbs[@]}"; do
	# shellcheck disable=SC2086
	ok "$verb --help" 0 "$sparectl" $verb --help
	help=$out
	like "$verb: usage" "^usage: sparectl $verb"
	same "$verb: what it is for, in sentences" "$(sed -n '4,/^$/p' <<< "$help" | grep -v '^$' | tail -n1 | grep -c '\.$')" 1
	same "$verb: two examples" "$(sed -n '/^Examples$/,/^$/p' <<< "$help" | grep -cE "^  .*(sparectl) $verb")" 2
	same "$verb: exit statuses" "$(sed -n '/^Exit status$/,/^$/p' <<< "$help" | grep -cE '^  [012]  ')" 3
	like "$verb: what to read next" '^See also: .*sparectl\(8\)$'
	same "$verb: no line is too long" "$(awk 'length > 120' <<< "$help")" ""
done

# --- colours
ctl=("$sparectl" --config "$work/none.yaml")
esc=$(printf '\033')
plain() { same "$1" "$(grep -c "$esc" <<< "$out")" 0; }
ok "help in a pipe" 0 "${ctl[@]}" --help
plain "has no colours"
ok "with --color=always" 0 "${ctl[@]}" --help --color=always
like "it has" "$esc\[1mOptions"
ok "NO_COLOR does not take what was asked for" 0 env NO_COLOR=1 "${ctl[@]}" --help --color always
like "colours stay" "$esc\[1mOptions"
ok "on a terminal" 0 script -qec "TERM=xterm $sparectl --help" /dev/null
like "it has them, too" "$esc\[1mOptions"
ok "but not with NO_COLOR" 0 script -qec "TERM=xterm NO_COLOR=1 $sparectl --help" /dev/null
plain "none"
ok "nor on a dumb one" 0 script -qec "TERM=dumb $sparectl --help" /dev/null
plain "none there"
ok "nor with --color=never" 0 script -qec "TERM=xterm $sparectl --help --color=never" /dev/null
plain "none then"
ok "another word" 2 "${ctl[@]}" status --color=red
like "is told" "not one of auto, always, never"

# --- a daemon that hangs: it listens, and accepts nothing
python3 -c '
import socket, time
s = socket.socket(socket.AF_UNIX); s.bind("sock"); s.listen(0); open("ready", "w").close(); time.sleep(60)' &
hung=$!
await
begin=$EPOCHSECONDS
ok "no answer" 3 "${ctl[@]}" --control sock --timeout 1s status
like "is told with its way out" "does not answer within 1s; see 'systemctl status spared', or give it more with --timeout"
ok "no answer, as JSON" 3 "${ctl[@]}" --control sock --timeout 1s status --json
like "has a code" '"code": ?"timeout"'
ok "a change that does not end" 3 "${ctl[@]}" --control sock --timeout 1s spare add sdb
ok "completion waits no longer, and says nothing" 0 "${ctl[@]}" complete -- --control sock array stop ""
same "and offers nothing" "$out" ""
same "all within seconds" "$((EPOCHSECONDS - begin < 12))" 1
kill "$hung"
ok "a wrong time" 2 "${ctl[@]}" status --timeout soon
ok "no time" 2 "${ctl[@]}" status --timeout 0s
end
