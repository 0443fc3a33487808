#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The guest's init after switch_root: the rest of the mounts, a real udevd, then the script that
# the host asked for. What they print, and marks between them, goes to the host over a virtio port.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=linux LANG=C.UTF-8
arg() { sed -n "s/.*\\blab\\.$1=\\([^ ]*\\).*/\\1/p" /proc/cmdline; }

# A repository, build or kernel that lies below /tmp or /run must be seen through the new tmpfs there.
for d in repo build modules; do
	mkdir -p "/.lab/$d"
	mount --bind "$(arg $d)" "/.lab/$d"
done
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=1777 tmp /tmp
for d in repo build modules; do
	case $(arg $d) in
	/tmp/* | /run/*)
		mkdir -p "$(arg $d)"
		mount --bind "/.lab/$d" "$(arg $d)"
		;;
	esac
done
mkdir -p /dev/pts /dev/shm /run/lock /run/lab /run/udev
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tracefs tracefs /sys/kernel/tracing
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ln -sfn /proc/self/fd /dev/fd
ln -sfn fd/0 /dev/stdin
ln -sfn fd/1 /dev/stdout
ln -sfn fd/2 /dev/stderr
ip link set lo up 2>/dev/null || busybox ip link set lo up
hostname lab
ln -sfn /proc/self/mounts /etc/mtab

# The lab's kernel has its modules in a cache directory; they are bound to where modprobe looks.
release=$(uname -r)
rm -rf "/lib/modules/$release"
mkdir -p "/lib/modules/$release"
mount --bind "/.lab/modules/$release" "/lib/modules/$release"

# The host's own configuration must not decide about the guest's disks: no automatic assembly by mdadm or dmraid unless
# a script asks for it, no spared of the host's. reset.sh does the same between scripts.
mkdir -p /run/udev/rules.d
rm -rf /var/lib/spared /etc/spared /etc/udev/rules.d/*spared*
[ ! -d /etc/mdadm ] || : > /etc/mdadm/mdadm.conf
for rules in 64-md-raid-assembly 97-dmraid; do ln -s /dev/null /run/udev/rules.d/$rules.rules; done

# Who is slow has a part of a processor for all its processes together. (With less of one udevd lets mdadm's own waits run out.)
slow=/sys/fs/cgroup/slow
if [ -n "$(arg slow)" ]; then
	echo +cpu > /sys/fs/cgroup/cgroup.subtree_control
	mkdir $slow
	case $(arg slow) in
	udevd) echo "40000 100000" ;;
	spared) echo "15000 100000" ;;
	esac > $slow/cpu.max
fi
(
	[ "$(arg slow)" != udevd ] || echo "$BASHPID" > $slow/cgroup.procs
	exec /lib/systemd/systemd-udevd --daemon
)
# No cold plug of everything: it would load modules for each emulated chip, some seconds of them.
# What a script needs (scsi_debug, dm, md) is loaded when it is used; disks from the host are here.
for m in $(arg drivers | tr , ' '); do modprobe "$m"; done
udevadm trigger --action=add --subsystem-match=block --subsystem-match=mem --subsystem-match=tty
udevadm settle -t 30

export LAB_REPO LAB_BOOT LAB_BUILD LAB_SLOW
LAB_REPO=$(arg repo) LAB_BOOT=$(arg boot) LAB_BUILD=$(arg build) LAB_SLOW=$(arg slow)
cd "$LAB_REPO" || exit 1

# Two virtio ports lead to the host: lab.out carries the output, lab.ctl requests (lib/lab.sh).
# A port can be open only once, so the scripts write into a pipe.
mkfifo /run/lab/out
for p in /sys/class/virtio-ports/*; do ln -s "/dev/${p##*/}" "/run/lab/$(cat "$p/name")"; done
cat /run/lab/out > /run/lab/lab.out &
carrier=$!
exec 8> /run/lab/out

# The power goes off in a moment; init must not end before, nor need the disk that goes first.
mkfifo /run/lab/never
power_off() {
	echo o > /proc/sysrq-trigger
	while :; do read -r _ <> /run/lab/never; done
}
mark() { printf '\036lab %s\n' "$*" >&8; }

if [ "$(arg mode)" = shell ]; then
	# By hand: the console is the terminal.
	read -r rows cols < /results/.tty && stty rows "$rows" cols "$cols" < /dev/console
	echo "The lab. The repository is at $LAB_REPO, the helpers of tests/lab/README.md are there; 'exit' to leave."
	LAB_OUT=/results/shell LAB_NAME=shell setsid --ctty --wait bash --rcfile tests/lab/lib/lab.sh -i \
		< /dev/ttyS0 > /dev/ttyS0 2>&1
	power_off
fi

# Each script runs in a cgroup of its own, so that what it left running can be found and ended.
run() {
	local name=$1 path=$2 status group=/sys/fs/cgroup/script
	shift 2
	mark begin "$name"
	mkdir -p "$group"
	(
		echo "$BASHPID" > "$group/cgroup.procs"
		export LAB_NAME=$name LAB_OUT=/results/$name
		exec 8>&-
		if [ -x "$path" ]; then exec "$path" "$@"; else exec bash "$path" "$@"; fi
	) < /dev/null > /run/lab/out 2>&1
	status=$?
	mark end "$name" "$status"
	. tests/lab/lib/reset.sh > /run/lab/reset.log 2>&1 || {
		cat /run/lab/reset.log >&8
		mark dirty "$name"
		return 1
	}
}

for f in /results/.run/*; do
	mapfile -d '' -t words < "$f"
	run "${words[@]}" || break
done
mark off
# Let the last lines reach the host, unless something unkillable still holds the pipe.
exec 8>&-
for _ in {1..100}; do
	kill -0 "$carrier" 2> /dev/null || break
	read -rt 0.02 _ <> /run/lab/never
done
power_off
