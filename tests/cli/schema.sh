#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What `sparectl rules schema` prints judges rules files as the loader does: what the loader takes is good, what it refuses for its
# form is bad, and what it only warns of, or knows names for, is left to it.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

judge() { python3 "$repo/tests/rules_schema.py" "$@"; }
ok "the schema of rules" 0 "$sparectl" rules schema
printf '%s\n' "$out" > rules.json
ok "the schema of their tests" 0 "$sparectl" rules schema tests
printf '%s\n' "$out" > tests.json
ok "there are no others" 2 "$sparectl" rules schema facts

mapfile -t rules < <(find "$repo/config/default/rules.d" "$repo/config/examples" "$repo/tests/rules" "$repo/tests/pipeline" -name '*.yaml' \
	! -name '*.test.yaml' ! -name spared.yaml | sort)
judge rules.json "${rules[@]}" > judged
same "every rules file that loads is good" "$(grep -v ^good judged)" ""
same "they are many" "$([ "$(wc -l < judged)" -ge 45 ] && echo yes)" yes
mapfile -t tests < <(find "$repo/config/examples" "$repo/tests/rules" -name '*.test.yaml' | sort)
judge tests.json "${tests[@]}" > judged
same "every file of tests is good" "$(grep -v ^good judged)" ""
same "they are many, too" "$([ "$(wc -l < judged)" -ge 20 ] && echo yes)" yes

# Each golden mistake: bad by the schema is bad by the loader.
mapfile -t wrong < <(find "$repo/tests/golden/diag" -name '*.yaml' | sort)
judge rules.json "${wrong[@]}" > judged
while read -r verdict path _; do
	path=${path%:}
	[ "$verdict" = good ] || grep -q ': error:' "${path%.yaml}.err" || echo "$path"
done < judged > stricter
same "the schema refuses nothing that the loader takes" "$(cat stricter)" ""
for name in 01-on 02-treshold 03-suppress 04-count 05-no-unit 06-month 07-unknown-fact 08-word 10-in-list 11-set 12-compare 13-yes \
	20-no-action 24-severity bad-name missing-keys missing-parameter no-version null-value previous; do
	same "$name is bad for the schema, too" "$(grep -c "^bad .*/$name.yaml:" judged)" 1
done
cat > wrong.test.yaml <<-'END'
	version: 1
	tests:
	  - {name: a, world: w, expect: [{at: 1s, rules: x}]}
END
cat > entry.test.yaml <<-'END'
	version: 1
	tests:
	  - {name: a, world: w, events: [{at: 1s, suspend: 1h, device: sda}], expect: []}
END
cat > fact.test.yaml <<-'END'
	version: 1
	worlds: {w: {devices: {sda: {sise: 1TB}}}}
END
judge tests.json wrong.test.yaml entry.test.yaml fact.test.yaml > judged
same "wrong tests are bad" "$(grep -c ^bad judged)" 3
end
