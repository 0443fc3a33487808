#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# kernel.sh INITRD: fetches the stock Debian kernel for the lab, once, and makes the initramfs
# that boots it. Nothing is installed: the packages are unpacked into a cache directory. Prints where:
#   vmlinux release tree/lib/modules/<release>
# kernel.sh --module FOLDER TARGET: builds a kernel module of ours for it, and puts FOLDER's .ko into TARGET.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/spared-lab
mkdir -p "$cache"
exec 9>"$cache/.lock"
flock 9
trap 'rm -rf "$cache"/fetch.* "$cache"/initrd.?????? "$cache"/module.??????' EXIT

say() { echo "lab: $*" >&2; }

# An emulated CPU needs seconds to unpack a kernel; the host does it once. Offset and length of the
# packed kernel stand in the boot header (Documentation/x86/boot.rst: setup_sects, payload_*).
unpack() {
	local sects offset length
	sects=$(od -An -tu1 -j $((0x1f1)) -N1 "$1")
	offset=$(od -An -tu4 -j $((0x248)) -N4 "$1")
	length=$(od -An -tu4 -j $((0x24c)) -N4 "$1")
	head -c $(((sects + 1) * 512 + offset + length)) "$1" | tail -c "$((length))" | xz -dcq --single-stream
}

# download DIR PACKAGE...: _apt may not write here: apt then fetches as the caller and says so, which is only noise.
download() { (cd "$1" && shift && apt-get -qq download "$@") 2> >(grep -v 'unsandboxed' >&2); }

# A cached kernel is good as long as it is there; `rm -r` the cache to take a newer one.
fetch() {
	local pkg work
	pkg=$(apt-cache depends linux-image-amd64 2>/dev/null |
		sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | sed -n 1p)
	[ -n "$pkg" ] || { say "apt does not know linux-image-amd64: run apt-get update"; exit 1; }
	say "fetching $pkg (unpacked into $cache, not installed)"
	work=$(mktemp -d "$cache/fetch.XXXXXX")
	download "$work" "$pkg"
	dpkg -x "$work"/linux-image-*.deb "$work/tree"
	# A folder that came from a package built for merged /usr is found under either name.
	[ -d "$work/tree/lib/modules" ] || ln -s usr/lib "$work/tree/lib"
	local release
	release=$(basename "$work"/tree/lib/modules/*)
	depmod -b "$work/tree" "$release"
	unpack "$work/tree/boot/vmlinuz-$release" > "$work/vmlinux"
	rm -f "$work"/*.deb
	rm -rf "$cache/kernel"
	echo "$release" > "$work/release"
	chmod 755 "$work"
	mv "$work" "$cache/kernel"
}

# What modules are built with: the kernel's own headers and build tools, unpacked too; that they are at another place is told
# to the one file that names it.
headers() {
	local release=$1 work pkg
	work=$(mktemp -d "$cache/fetch.XXXXXX")
	pkg=linux-headers-$release
	say "fetching $pkg"
	# shellcheck disable=SC2046
	download "$work" "$pkg" $(apt-cache depends "$pkg" | sed -n 's/^ *Depends: \(linux-\(headers\|kbuild\)-.*\)$/\1/p') || {
		say "apt has no headers any more for the kernel in $cache: remove that directory to take a newer one"
		exit 1
	}
	for pkg in "$work"/*.deb; do dpkg -x "$pkg" "$work"; done
	rm -f "$work"/*.deb
	sed -i "s|/usr/src/|$cache/kernel/headers/usr/src/|" "$work/usr/src/linux-headers-$release/Makefile"
	mv "$work" "$cache/kernel/headers"
}

# Built in a copy: nothing is written into the folder. It is the same compiler, whatever name the kernel knows it by.
module() {
	local release=$1 folder=$2 target=$3 work
	work=$(mktemp -d "$cache/module.XXXXXX")
	cp "$folder"/* "$work"
	make -s -C "$cache/kernel/headers/usr/src/linux-headers-$release" M="$work" CC=gcc modules > "$work/log" 2>&1 || {
		cat "$work/log" >&2
		exit 1
	}
	cp "$work"/*.ko "$target"
	rm -rf "$work"
}

# What the first seconds need: virtio, 9p for the root file system, overlayfs, and the serial ports.
initrd() {
	local release=$1 target=$2 work mod
	work=$(mktemp -d "$cache/initrd.XXXXXX")
	mkdir -p "$work"/{bin,mod,proc,sys,dev,root,lower,rw}
	cp "$(command -v busybox)" "$work/bin/busybox"
	cp "$here/initramfs.sh" "$work/init"
	chmod 755 "$work/init"
	for mod in virtio_pci virtio_console 9pnet_virtio 9p overlay; do
		modprobe -d "$cache/kernel/tree" -S "$release" --show-depends "$mod"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' > "$work/list"
	sed 's|.*/|/mod/|' "$work/list" > "$work/modules"
	xargs cp -t "$work/mod" < "$work/list"
	(cd "$work" && find . | cpio -o -H newc --quiet) > "$target"
	rm -rf "$work"
}

[ -s "$cache/kernel/vmlinux" ] || fetch
release=$(cat "$cache/kernel/release")
if [ "$1" = --module ]; then
	[ -d "$cache/kernel/headers" ] || headers "$release"
	module "$release" "$2" "$3"
	exit 0
fi
initrd "$release" "$1"
echo "$cache/kernel"
