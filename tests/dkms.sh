#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# contrib/blkerr by DKMS, for the lab's kernel, in a tree of its own: added, built, installed and removed as for any other module.
set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/spared-lab/kernel
command -v dkms > /dev/null || { echo "skipped: dkms is not there (./dev lab installs it)"; exit 77; }
[ -s "$cache/release" ] || { echo "skipped: the lab's kernel and its headers are not there (./dev lab fetches them)"; exit 77; }
release=$(cat "$cache/release")
headers=$cache/headers/usr/src/linux-headers-$release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "not ok - $*"; cat "$work/log"; exit 1; }

# As README.md says, but for where.
version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' "$repo/contrib/blkerr/dkms.conf")
grep -qF "/usr/src/blkerr-$version && dkms install blkerr/$version" "$repo/contrib/blkerr/README.md" ||
	fail "README.md names another version than dkms.conf: $version"
mkdir -p "$work/tree" "$work/src" "$work/modules/$release"
cp -r "$repo/contrib/blkerr" "$work/src/blkerr-$version"
by_dkms() {
	dkms "$1" --dkmstree "$work/tree" --sourcetree "$work/src" --installtree "$work/modules" -m blkerr -v "$version" "${@:2}" \
		>> "$work/log" 2>&1 || fail "dkms $1"
	echo "ok - dkms $1"
}
by_dkms add
by_dkms build -k "$release" --kernelsourcedir "$headers"
by_dkms install -k "$release" --kernelsourcedir "$headers" --no-depmod
module=$(find "$work/modules/$release/updates/dkms" -name 'blkerr.ko*')
[ -n "$module" ] || fail "no module was installed"
info=$(modinfo "$module")
grep -qE "^vermagic: +$release " <<< "$info" || fail "it is not for $release: $info"
grep -qE '^alias: +net-pf-16-proto-16-family-blkerr$' <<< "$info" || fail "it would not be loaded by its family's name: $info"
by_dkms remove --all
[ ! -e "$module" ] || fail "it is still there"
echo "ok - it is for the kernel that was asked for, and is loaded by its family's name"
