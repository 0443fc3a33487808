#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Before systemd: at the first boot what `cmake --install` left in build/lab/stage is laid over the system; then the unit that runs
# the script (debian-run.sh) is made, and systemd begins.
arg() { sed -n "s/.*\\blab\\.$1=\\([^ ]*\\).*/\\1/p" /proc/cmdline; }

if [ "$(arg boot)" = 1 ]; then
	tar -C /results/stage -c . | tar -C / -x --no-same-owner --keep-directory-symlink
fi
mkdir -p /run/systemd/system/multi-user.target.wants /run/lab
cat > /run/systemd/system/lab.service <<-END
	[Unit]
	After=basic.target
	[Service]
	Type=exec
	Environment=LAB_REPO=$(arg repo) LAB_BOOT=$(arg boot) LAB_BUILD=/usr/local HOME=/root LANG=C.UTF-8
	WorkingDirectory=$(arg repo)
	ExecStart=/bin/bash $(arg repo)/tests/lab/lib/debian-run.sh
	TimeoutStopSec=5s
END
ln -s ../lab.service /run/systemd/system/multi-user.target.wants/
exec /sbin/init
