# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
# For the tests in this folder: $sparectl, a directory $work of its own, checks.
set -euo pipefail
sparectl=$(realpath "$1")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
failed=0

# ok WHAT STATUS CMD...: the command ends with this status; what it printed is in $out.
ok() {
	local what=$1 want=$2 got=0
	shift 2
	out=$(timeout 60 "$@" 2>&1 < /dev/null) || got=$?
	if [ "$got" = "$want" ]; then
		echo "ok - $what"
	else
		echo "not ok - $what: status $got, not $want: $*"
		sed 's/^/    /' <<< "$out"
		failed=1
	fi
}
# A server in the background opens the fifo "ready" to write once it listens. await: until then.
mkfifo ready
await() { timeout 60 cat ready > /dev/null; }
# like WHAT REGEX: $out has a line that matches.
like() {
	if grep -qE -- "$2" <<< "$out"; then
		echo "ok - $1"
	else
		echo "not ok - $1: nothing matches $2 in"
		sed 's/^/    /' <<< "$out"
		failed=1
	fi
}
same() {
	if [ "$2" = "$3" ]; then
		echo "ok - $1"
	else
		printf 'not ok - %s: got\n%s\n  wanted\n%s\n' "$1" "$2" "$3"
		failed=1
	fi
}
end() { exit "$failed"; }
