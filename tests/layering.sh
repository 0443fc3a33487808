#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Who may include whom: downwards only (docs/architecture.md), and which folder may see which library.
#   layering.sh [ROOT]
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"

# folder: folders whose headers it may include, beside its own
layers=$(
	cat <<-'END'
	core:
	config: core
	rules: core config
	actions/meta: core
	actions/dm: core
	actions: core config actions/meta actions/dm
	pipeline: core config rules actions actions/meta
	broker: core config rules actions actions/meta actions/dm pipeline contrib/blkerr
	cli: core config rules actions actions/meta pipeline broker
	END
)

# header (a pattern of the name between < >): the only folder that may include it
libraries=$(
	cat <<-'END'
	yaml.h config
	pcre2.h rules
	ev.h broker
	libudev.h broker
	netlink/ broker
	seccomp.h broker
	sqlite3.h broker
	libdevmapper.h actions/dm
	sha1.h cli
	END
)

bad=0
complain() {
	echo "$*"
	bad=1
}

folder_of() {
	case $1 in
	actions/meta/* | actions/dm/* | contrib/blkerr/*) echo "${1%/*}" ;;
	*) echo "${1%%/*}" ;;
	esac
}

while IFS=: read -r folder allowed; do
	[ -d "$folder" ] || continue
	while IFS=: read -r file line text; do
		header=${text#*\"}
		header=${header%%\"*}
		of=$(folder_of "$header")
		[ "$(folder_of "$file")" = "$folder" ] || continue
		[ -e "$header" ] || complain "$file:$line: \"$header\" is not there (includes are given from the root)"
		case " $folder $allowed " in
		*" $of "*) ;;
		*) complain "$file:$line: $folder may not include \"$header\" (it may include:${allowed:- nothing of ours})" ;;
		esac
	done < <(grep -rnE --include='*.[ch]' '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$folder" || true)
done <<< "$layers"

while read -r header only; do
	while IFS=: read -r file line _; do
		[ "$(folder_of "$file")" = "$only" ] || complain "$file:$line: only $only may include <$header>"
	done < <(grep -rnE --include='*.[ch]' "^[[:space:]]*#[[:space:]]*include[[:space:]]*<(${header}|.*/${header})" \
		core config rules actions pipeline broker cli 2> /dev/null || true)
done <<< "$libraries"

# cli is allowed the broker's control.h alone: the protocol, not the process.
while IFS=: read -r file line text; do
	case $text in
	*'"broker/control.h"'*) ;;
	*) complain "$file:$line: of broker/, cli may include control.h only" ;;
	esac
done < <(grep -rnE --include='*.[ch]' '^[[:space:]]*#[[:space:]]*include[[:space:]]*"broker/' cli || true)

[ "$bad" = 0 ] && echo "layering: all includes go downwards"
exit "$bad"
