#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Rules without a daemon: check, list, doc.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

mkdir -p dirs/a dirs/b
cat > config.yaml <<-END
	version: 1
	rules: {dirs: [$work/dirs/a, $work/dirs/b]}
END
none=(--control "$work/none.sock" --config "$work/config.yaml")
cat > dirs/a/10-a.yaml <<-'END'
	version: 1
	rules:
	  - name: first
	    description: The first rule.
	    event: device.added
	    do:
	      - notify: {severity: info, text: "${device.name}"}
END
ok "good rules" 0 "$sparectl" rules check "${none[@]}"
like "are counted" '^1 rules, all good'
cat > mine.yaml <<-'END'
	version: 1
	override:
	  first: {limit: 1h}
END
ok "an override alone has nothing to change" 1 "$sparectl" rules check mine.yaml "${none[@]}"
like "with file, line and column" 'mine.yaml:3:3: error: no rule .first. to override'
ok "together with the installed rules it has" 0 "$sparectl" rules check --installed mine.yaml "${none[@]}"
cat > dirs/b/20-b.yaml <<-'END'
	version: 1
	rules:
	  - name: second
	    description: Two mistakes.
	    event: device.removed
	    treshold: {count: 3, within: 1h}
	    do: [fail-membr]
END
ok "mistakes" 1 "$sparectl" rules check "${none[@]}"
like "the key" "20-b.yaml:6:5: error: unknown key 'treshold'"
like "with a hint" "hint: did you mean 'threshold'"
like "the action, in the same run" "20-b.yaml:7:10: error: no action 'fail-membr'"
like "and a count" "^2 errors, 0 warnings"
ok "as JSON" 1 "$sparectl" rules check --json "${none[@]}"
like "with places" '"line": ?6'
rm dirs/b/20-b.yaml
ok "a list without a daemon" 0 "$sparectl" rules list "${none[@]}"
like "names the rule" "^first "
like "and its place" "at .*10-a.yaml:3"
ok "with the origin of keys" 0 "$sparectl" rules list --origin "${none[@]}"
like "each has its place" '^ +event +.*/10-a.yaml:5:12$'
cat > dirs/b/20-b.yaml <<-'END'
	version: 1
	override:
	  first: {limit: 1h, event: device.changed}
END
ok "and an override" 0 "$sparectl" rules list --origin "${none[@]}"
like "comes last" '^ +event +.*/10-a.yaml:5:12, then .*/20-b.yaml:3:29$'
like "as what it added does" '^ +limit +.*/20-b.yaml:3:18$'
ok "as JSON, too" 0 "$sparectl" rules list --origin --json "${none[@]}"
like "a list for each key" '"limit": ?\['
rm dirs/b/20-b.yaml
ok "a file that is not there" 1 "$sparectl" rules check nowhere.yaml "${none[@]}"
like "is named" "cannot read nowhere.yaml"
ok "facts" 0 "$sparectl" rules doc facts
like "with types" '^error.status +word '
ok "actions" 0 "$sparectl" rules doc actions
like "with parameters" '^    severity +.*\(required\)'
ok "something else" 2 "$sparectl" rules doc verbs
ok "the shipped rules" 0 "$sparectl" rules check --strict "$repo/config/default/rules.d" "${none[@]}"
# A rule that changes arrays wants a test that makes it fire, and one that does not.
mkdir -p cover
cat > cover/rule.yaml <<-'END'
	version: 1
	rules:
	  - name: gone
	    description: A member that is gone is failed.
	    watch: member
	    where: {member.state: missing}
	    for: 10s
	    do: [fail-member]
END
cat > cover/one.test.yaml <<-'END'
	version: 1
	worlds:
	  w: {devices: {sda..sdc: {}}, arrays: {data: {level: raid5, members: [sda, sdb, sdc]}}}
	tests:
	  - name: gone
	    world: w
	    load: [rule.yaml]
	    events: [{at: 0s, event: device.removed, device: sda}]
	    until: 20s
	    expect: [{at: 10s, rule: gone}]
END
ok "a test that passes" 0 "$sparectl" rules test cover --base cover "${none[@]}"
ok "is half of what is wanted" 1 "$sparectl" rules test cover --base cover --strict "${none[@]}"
like "of a rule that is never held back" "cover/rule.yaml:3: warning: 'gone' changes arrays, and no test holds it back .no-test.$"
cat > cover/two.test.yaml <<-'END'
	version: 1
	worlds:
	  w: {devices: {sda..sdc: {}}, arrays: {data: {level: raid5, members: [sda, sdb, sdc]}}}
	tests:
	  - {name: quiet, world: w, load: [rule.yaml], until: 20s, expect: []}
END
ok "with the other half" 0 "$sparectl" rules test cover --base cover --strict "${none[@]}"
ok "and what nothing fires" 1 "$sparectl" rules test cover/two.test.yaml --base cover --strict "${none[@]}"
like "is told, too" "no test fires it .no-test.$"

# --- tests that fail, as people and as programs read it. UPDATE=1 writes what is expected.
golden=$repo/tests/golden/rules
tests=("$sparectl" rules test rules --rules rules/rules.d "${none[@]}")
cd "$repo/tests/golden"
ok "failing tests" 1 "${tests[@]}" --junit "$work/junit.xml"
if [ -n "${UPDATE:-}" ]; then
	printf '%s\n' "$out" > "$golden/text"
	cp "$work/junit.xml" "$golden/junit.xml"
fi
same "say how what came differs" "$out" "$(< "$golden/text")"
same "JUnit has the same" "$(< "$work/junit.xml")" "$(< "$golden/junit.xml")"
if command -v python3 > /dev/null; then
	same "and is XML" "$(python3 -c '
import sys, xml.etree.ElementTree as t
r = t.parse(sys.argv[1]).getroot()
print(r.tag, r.get("tests"), r.get("failures"), r.get("errors"), len(r.findall(".//failure")), len(r.findall(".//error")))' "$work/junit.xml")" \
		"testsuites 5 3 1 3 1"
fi
ok "only one, and the file that cannot be read" 1 "${tests[@]}" --only passes --junit "$work/one.xml"
same "are two cases" "$(grep -c '<testcase' "$work/one.xml")" 2
ok "no place for it" 1 "${tests[@]}" --junit /nonexistent/junit.xml
cd "$work"

# --- tests beside rules see all layers
cat > dirs/b/20-b.yaml <<-'END'
	version: 1
	override:
	  first: {limit: 1h}
END
cat > dirs/b/first.test.yaml <<-'END'
	version: 1
	tests:
	  - name: the limit of the stronger layer holds
	    world: {devices: {sda: {present: false}}}
	    events: [{at: 1s, event: device.added, device: sda}, {at: 2s, event: device.removed, device: sda}, {at: 3s, event: device.added, device: sda}]
	    expect: [{at: 1s, rule: first}, {at: 3s, rule: first, limited: true}]
END
ok "tests of two layers" 0 "$sparectl" rules test "${none[@]}"
like "ran" '^1 tests in 1 files: 1 passed'
end
