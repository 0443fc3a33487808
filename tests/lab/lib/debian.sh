#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# debian.sh DIR PROGRAM...: a whole Debian of this machine's release, with systemd, udev, initramfs-tools, mdadm, and the libraries of
# the programs, for scripts that say `system=debian`. Made once (about a minute) and kept beside the lab's kernel, whose
# modules it has. Copies it to DIR: root.img (ext4) and initrd.img.
set -euo pipefail

cache=${XDG_CACHE_HOME:-$HOME/.cache}/spared-lab
kernel=$cache/kernel
release=$(cat "$kernel/release")
packages=(systemd systemd-sysv udev dbus initramfs-tools zstd mdadm dmsetup kmod e2fsprogs jq procps mount)
target=$1
shift

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)

# What drivers the emulated machine has, and what a set needs before systemd loads anything.
modules=(virtio_pci virtio_blk virtio_scsi virtio_console 9p 9pnet_virtio sd_mod ext4)
unused=(drivers/gpu drivers/net drivers/media drivers/staging drivers/infiniband drivers/iio drivers/usb drivers/hwmon
	drivers/input drivers/video drivers/isdn drivers/bluetooth net/wireless net/mac80211 net/bluetooth sound)

libraries() {
	ldd "$@" | awk '$3 ~ "^/" { print $3 }' | sort -u | while read -r lib; do
		dpkg-query -S "*/${lib##*/}" | sed 's/:.*//'
	done | sort -u
}

make_root() {
	local root=$1 m
	"${as_root[@]}" mmdebstrap --quiet --variant=apt --include="$(IFS=,; echo "${packages[*]}")" \
		--aptopt='APT::Install-Recommends "false"' --dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--customize-hook='rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/*' "$(. /etc/os-release; echo "$VERSION_CODENAME")" "$root"
	"${as_root[@]}" sh -e -c "$(
		cat <<-'END'
			root=$1 tree=$2 release=$3 modules=$4 unused=$5
			mkdir -p "$root/usr/lib/modules" "$root/results"
			cp -a "$tree/lib/modules/$release" "$root/usr/lib/modules/"
			cp "$tree/boot/config-$release" "$tree/boot/vmlinuz-$release" "$root/boot/"
			for m in $unused; do rm -rf "$root/usr/lib/modules/$release/kernel/$m"; done
			depmod -b "$root" "$release"
			printf 'MODULES=list\nCOMPRESS=zstd\n' > "$root/etc/initramfs-tools/conf.d/lab"
			printf '%s\n' $modules > "$root/etc/initramfs-tools/modules"
			echo lab > "$root/etc/hostname"
			echo '/dev/vda / ext4 defaults 0 1' > "$root/etc/fstab"
			mkdir -p "$root/var/log/journal" "$root/etc/systemd/system.conf.d"
			printf '[Manager]\nDefaultTimeoutStartSec=60\nLogLevel=notice\n' > "$root/etc/systemd/system.conf.d/lab.conf"
			# What is done by timers, at consoles, and for networks is nobody's here.
			for m in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
				fstrim.timer mdcheck_start.timer mdcheck_continue.timer mdmonitor-oneshot.timer mdmonitor.service \
				systemd-timesyncd.service getty.target console-getty.service serial-getty@ttyS0.service tmp.mount \
				systemd-hwdb-update.service systemd-update-utmp.service; do
				ln -sfn /dev/null "$root/etc/systemd/system/$m"
			done
			cat > "$root/lab-init" <<-'INIT'
				#!/bin/sh
				# Init of the lab's guest: mounts what the host lends, and goes on in the tree that is tested.
				repo=$(sed 's/.*lab\.repo=\([^ ]*\).*/\1/' /proc/cmdline)
				modprobe -a virtio_console 9pnet_virtio 9p
				mkdir -p "$repo" /results
				mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=262144,cache=loose repo "$repo"
				mount -t 9p -o rw,trans=virtio,version=9p2000.L,msize=262144,cache=none,access=any results /results
				exec "$repo/tests/lab/lib/debian-init.sh"
			INIT
			chmod 755 "$root/lab-init"
			chroot "$root" update-initramfs -c -k "$release" > /dev/null
		END
	)" - "$root" "$kernel/tree" "$release" "${modules[*]}" "${unused[*]}"
}

# A cached one is good as long as packages, kernel and this file are the same.
mapfile -t -O "${#packages[@]}" packages < <(libraries "$@")
key=$(cat "${BASH_SOURCE[0]}" "$kernel/release" - <<< "${packages[*]}" | sha256sum | cut -c1-16)
image=$cache/debian-$key
exec 9> "$cache/.lock"
flock 9
if [ ! -s "$image/root.img" ]; then
	echo "lab: making a Debian of ${#packages[@]} packages and what they need (kept in $image)" >&2
	rm -rf "$cache"/debian-*
	work=$(mktemp -d "$cache/fetch.XXXXXX")
	trap '"${as_root[@]}" rm -rf "$work"' EXIT
	mkdir "$work/image"
	make_root "$work/root"
	truncate -s 1G "$work/image/root.img"
	"${as_root[@]}" mke2fs -q -t ext4 -O ^metadata_csum,^has_journal -d "$work/root" "$work/image/root.img"
	"${as_root[@]}" cat "$work/root/boot/initrd.img-$release" > "$work/image/initrd.img"
	mv "$work/image" "$image"
fi
mkdir -p "$target"
cp --sparse=always "$image/root.img" "$image/initrd.img" "$target/"
