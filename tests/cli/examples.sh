#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every example in spared.rules(5) that is a whole file passes `sparectl rules check`; unit tests among them run; the settings of
# spared.yaml(5) load; so do the descriptions of spared.genl(5), the shipped ones, and the rule that hears what they describe.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# Literal displays of a page that begin with "version:", as files PREFIX-N.yaml.
extract() {
	awk -v prefix="$2" '
		/^\.Bd -literal/ { n++; inside = 1; first = 1; next }
		/^\.Ed/ { inside = 0; next }
		inside && first { first = 0; keep = /^version:/; file = sprintf("%s-%02d.yaml", prefix, n) }
		inside && keep { gsub(/\\&/, ""); gsub(/\\e/, "\\"); print > file }
	' "$1"
}

none=(--control "$work/none.sock" --config "$work/none.yaml")
extract "$repo/docs/spared.rules.5" rules
count=0
for f in rules-*.yaml; do
	if grep -q '^tests:' "$f"; then
		mkdir -p test
		mv "$f" "test/${f%.yaml}.test.yaml"
		ok "$f (unit tests) passes" 0 "$sparectl" rules test "test/${f%.yaml}.test.yaml" \
			--rules "$work/default" "${none[@]}"
	else
		ok "$f passes" 0 "$sparectl" rules check "$f" "${none[@]}"
		mkdir -p default
		[ -e default/10.yaml ] || cp "$f" default/10.yaml
	fi
	count=$((count + 1))
done
same "examples are there" "$([ "$count" -ge 8 ] && echo yes)" yes

extract "$repo/docs/spared.yaml.5" settings
for f in settings-*.yaml; do
	ok "$f loads" 0 "$sparectl" rules doc events --config "$f"
	ok "$f is managed by hand" 0 "$sparectl" manage 4c696e75782d4d44deadbeef00000000583480bb74b063af --root "$work/root" --dry-run
	mkdir -p root/etc/spared
	cp "$f" root/etc/spared/spared.yaml
	ok "$f has no mistake" 0 "$sparectl" manage 4c696e75782d4d44deadbeef00000000583480bb74b063af --root "$work/root" --dry-run
done
extract "$repo/docs/spared.genl.5" genl
mkdir -p genl.d heard.d
for f in genl-*.yaml; do if grep -q '^rules:' "$f"; then mv "$f" heard.d; else mv "$f" genl.d; fi; done
same "examples of spared.genl are there" "$(ls genl.d heard.d | wc -l)" 5
printf 'version: 1\nrules: {dirs: ["%s"]}\ngenl: {dirs: ["%s", "%s"]}\n' "$work/heard.d" "$repo/config/default/genl.d" "$work/genl.d" \
	> heard.yaml
ok "a rule hears what is described" 0 "$sparectl" rules check --config heard.yaml
sed -i 's/^genl:.*//' heard.yaml
echo 'genl: {dirs: []}' >> heard.yaml
ok "and not what is not" 1 "$sparectl" rules check --config heard.yaml
like "which is told" "no event kind 'link.dead'"
# The example of the README, too.
awk '/^```yaml/ { inside = 1; next } /^```/ { inside = 0 } inside' "$repo/README.md" > readme.yaml
ok "README's rule passes" 0 "$sparectl" rules check readme.yaml "${none[@]}"
# Each recipe of the cookbook is the file that is installed, and each of these is told.
awk '/^## [0-9][0-9]-/ { file = $2 ".yaml" } /^```yaml/ { inside = 1; next } /^```/ { inside = 0 } inside { print > ("told-" file) }' \
	"$repo/docs/cookbook.md"
for f in "$repo"/config/examples/[0-9][0-9]-*.yaml; do
	case $f in *.test.yaml | */50-site.yaml) continue ;; esac
	name=$(basename "$f")
	sed -n '/^version:/,$p' "$f" > "is-$name"
	ok "$name is told as it is" 0 diff "is-$name" "told-$name"
	ok "$name has a test" 0 test -s "${f%.yaml}.test.yaml"
done
# The snippets of rules-compared.md: rules, or whole files.
awk '/^```yaml/ { n++; file = sprintf("compared-%02d.yaml", n); inside = first = 1; next } /^```/ { inside = 0 }
	inside && first && !/^version:/ { print "version: 1\nrules:" > file }
	inside { first = 0; print > file }' "$repo/docs/rules-compared.md"
for f in compared-*.yaml; do
	ok "$f passes" 0 "$sparectl" rules check "$repo/config/default/rules.d" "$f" "${none[@]}"
done
same "snippets are there" "$([ "$(find . -name 'compared-*' | wc -l)" -ge 17 ] && echo yes)" yes
# Every rule type of SEC, and every row of what others have, has a heading.
for heading in Single SingleWithSuppress SingleWithScript Pair PairWithWindow SingleWithThreshold SingleWith2Thresholds EventGroup Suppress \
	Calendar Jump Options Contexts 'Synthetic events' 'Declarative rules' 'Match operators' 'N in T' 'Error rate' 'Two thresholds' Absence \
	'Hold-down' 'Use the shaky' Scope 'Many failed' Cooldown Maintenance Macros Chaining 'When rules disagree' Validate Explain 'Unit tests' \
	'Reload that' Drop-ins; do
	same "rules-compared.md has '$heading'" "$(grep -cE "^### $heading( |,|:|$)" "$repo/docs/rules-compared.md" | sed 's/[2-9]/1/')" 1
done
same "recipes are there" "$([ "$(find . -name 'told-*' | wc -l)" -ge 15 ] && echo yes)" yes
end
