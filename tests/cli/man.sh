#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The manual pages have no mistake that mandoc knows; every command and option of sparectl is in its page.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v mandoc > /dev/null || { echo "skipped: mandoc is not there"; exit 77; }
bad=0
for page in docs/*.[58]; do
	# Pages that are not installed here are no mistake.
	if mandoc -T lint "$page" 2> /dev/null | grep -v 'referenced manual not found'; then bad=1; fi
	echo "$page"
done
while read -r word; do
	tr -d '\n' < docs/sparectl.8 | grep -qF -- "$word" ||
		grep -qE "^\.?.*(Cm|Fl Fl) (.*[ ,])?$word" docs/sparectl.8 || { echo "sparectl.8 does not have '$word'"; bad=1; }
done < <(sed -n 's/^\t{"\([a-z-]*\( [a-z-]*\)\?\)", .*/\1/p' cli/main.c
	sed -n 's/^\tX([A-Z_]*, "\([a-z-]*\)".*/\1/p' cli/cli.h)
exit "$bad"
