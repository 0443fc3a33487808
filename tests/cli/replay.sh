#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# replay.sh SPARECTL JOURNAL RULES: recordings that the pipeline made without a kernel, played again. With the same rules the
# replay comes to what was recorded; with others it shows what differs, and the same each time.
# shellcheck source-path=SCRIPTDIR source=lib.sh disable=SC2016
journal=$(realpath "$2")
rules=$(realpath "$3")
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || { echo "skipped: python3 is not there"; exit 77; }
ctl=("$sparectl" --config "$work/none.yaml" --control "$work/sock")
scripts=$repo/tests/pipeline

# --- the same rules: nothing differs, and each recorded verdict comes again
for name in budget forecast given_again injected kernel_fails maintenance no_spare on_failure record_fails return spare_dies started storm yank; do
	RECORD=$work/$name.jsonl "$journal" "$rules" "$scripts/$name.events" > /dev/null
	mkdir -p "own-$name"
	case $name in
	on_failure) cp "$scripts/on_failure.yaml" "own-$name" ;;
	*) cp "$rules"/* "own-$name" ;;
	esac
	ok "$name again" 0 "${ctl[@]}" replay "$name.jsonl" --rules "own-$name"
	like "nothing differs" '; nothing differs$'
	like "and nothing is missing" '^of ([1-9][0-9]*) recorded verdicts the replay meets \1$'
done

# --- other rules
mkdir patient
cp "$rules"/* patient
sed -i 's/for: 30s/for: 2m/' patient/30-members.yaml
cmp -s "$rules/30-members.yaml" patient/30-members.yaml && { echo "not ok - the rules are the same"; exit 1; }
ok "more patience" 1 "${ctl[@]}" replay no_spare.jsonl --rules patient
like "both columns" '^ +rules of the recording +\| patient$'
like "what comes later" '^[0-9: -]{19} member-gone data/1 +\| member-gone data/1, later by 1m30s$'
like "with its plan" '^ +fail-member sdb from data +\|   fail-member sdb from data$'
like "the sum" '; they differ$'
first=$out
ok "again" 1 "${ctl[@]}" replay no_spare.jsonl --rules patient
same "byte for byte" "$out" "$first"
ok "as JSON" 1 "${ctl[@]}" replay no_spare.jsonl --rules patient --json
json=$out
ok "again as JSON" 1 "${ctl[@]}" replay no_spare.jsonl --rules patient --json
same "likewise" "$out" "$json"
same "has the change" "$(python3 -c '
import json, sys
j = json.load(sys.stdin)
r = [r for r in j["rows"] if r["change"] == "changed" and r["left"]["rule"] == "member-gone"][0]
print(r["right"]["at"] - r["left"]["at"], r["left"]["plans"][0], j["same"], j["same-rules"])' <<< "$out")" \
	"90000000000 fail-member sdb from data False True"
mkdir none
ok "no rules at all" 1 "${ctl[@]}" replay yank.jsonl --rules none
like "what is gone" '^[0-9: -]{19} member-gone data/[0-9]+ +\|?$|^[0-9: -]{19} member-gone data/[0-9]+$'
like "and how it ends" '^at the end +data optimal +\| data degraded$'
ok "verbose" 0 "${ctl[@]}" replay yank.jsonl --rules own-yank --verbose
like "shows what does not differ" '^[0-9: -]{19} member-gone data/'

# --- what cannot be
sed '/^{"world"/d' yank.jsonl > headless.jsonl
ok "no first picture" 1 "${ctl[@]}" replay headless.jsonl
like "is told" 'no picture from before its first row'
ok "a recording and --since" 2 "${ctl[@]}" replay yank.jsonl --since 1h
mkdir wrong
echo 'rules: [' > wrong/10.yaml
ok "rules with mistakes" 1 "${ctl[@]}" replay yank.jsonl --rules wrong
like "are told with their place" '10.yaml:'
ok "no daemon" 3 "${ctl[@]}" replay
sed -i 's/"text":"/"text":"#/' yank.jsonl
ok "rules that did not run" 0 "${ctl[@]}" replay yank.jsonl --rules own-yank
like "are told" 'the rules in the recording are not those that ran'
end
