#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The manual pages have no mistake that mandoc knows; every command and option of sparectl, every setting and every verb of
# the protocol is in its page.
set -euo pipefail
sparectl=$(realpath "$1")
cd "$(dirname "$0")/../.."
bad=0
if command -v mandoc > /dev/null; then
	for page in docs/*.[578]; do
		# Pages that are not installed here are no mistake.
		if mandoc -T lint -W warning "$page" 2> /dev/null | grep -v 'referenced manual not found'; then bad=1; fi
		echo "$page"
	done
else
	echo "skipped: mandoc is not there"
	bad=77
fi

# has PAGE WORDS: some macro's arguments in the page are these words.
has() {
	grep -qE "^\.?(.* )?(Cm|Fl Fl|Fl . , Fl Fl|Li|,) (.* , )?$2( |$)" "docs/$1" || { echo "$1 does not have '$2'"; bad=1; }
}
words=0
while read -r word; do
	has sparectl.8 "$word"
	words=$((words + 1))
done < <("$sparectl" --help | sed -n 's/^  \([a-z][a-z-]*\( [a-z][a-z-]*\)\?\)\( [A-Z[].*\)\?  .*/\1/p'
	sed -n 's/^\tX([A-Z_]*, "\([a-z-]*\)".*/\1/p' cli/cli.h)
while read -r word; do
	has spared.yaml.5 "$word"
	words=$((words + 1))
done < <(sed -n 's/^\t{"\([a-z.-]*\)", SET_.*/\1/p' config/settings.c)
while read -r word; do
	has spared-protocol.7 "$word"
	words=$((words + 1))
done < <(sed -n 's/^\t{"\([a-z-]*\)", ".*VERB_.*/\1/p; s/^\t{"\([a-z-]*\)", "[^"]*"[^"]*$/\1/p' broker/request.c | sort -u)
[ "$words" -gt 100 ] || { echo "only $words words were looked for"; bad=1; }
exit "$bad"
