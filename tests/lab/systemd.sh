#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300 system=debian disks=nbd:6:48M
# The service on a whole Debian: what starts it, what restarts it, and three boots of the machine with an array that has a
# file system, and a snapshot when it goes down the first time.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

unit() { systemctl show spared --property="$1" --value; }
log() { journalctl -b "-${1:-0}" -u spared --no-pager -o cat; }
until_active() { lab_wait_for '[ "$(unit ActiveState)" = active ] && sparectl status' "${1:-30}"; }
# settings FOR A DROP-IN of the unit, that hold until the next boot.
drop_in() {
	mkdir -p /run/systemd/system/spared.service.d
	printf '[Service]\n%s\n' "$@" > /run/systemd/system/spared.service.d/lab.conf
	systemctl daemon-reload
}

starts() {
	is "the service does not run yet" "$(unit ActiveState)" inactive
	ok "sparectl starts it through the socket" sparectl status
	is "Type=notify: it said that it is ready" "$(unit Type) $(unit ActiveState) $(unit StatusText)" "notify active Listening."
	is "every source is there" "$(sparectl status --json | jq -r '[.broker.sources[] | select(.state == "failed")] | length')" 0
	nok "shipped rules are found where they were installed" test "$(sparectl rules list --json | jq '.. | .rules? // empty | length')" = 0
}

# What the box of the service leaves: a probe becomes nobody, and can still be ended.
boxed_probe() {
	local pid
	for pid in $(pgrep spared-probe); do
		if grep -q '^State:.D' /proc/$pid/status && grep -q '^Uid:.65534.65534' /proc/$pid/status &&
			grep -q '^Seccomp:.2' /proc/$pid/status; then echo "$pid"; fi
	done 2> /dev/null
}
boxed() {
	local pid
	printf 'version: 1\ntimeouts: {probe: 3s}\nnotify: {program: /usr/local/bin/notify}\n' > /etc/spared/spared.yaml
	printf '#!/bin/sh\nexec systemd-run --quiet --collect --pipe sh -c "cat >> /var/tmp/notices"\n' > /usr/local/bin/notify
	chmod 755 /usr/local/bin/notify
	lab_fault 5 hang
	systemctl restart spared
	# One process waits for disks to read, and each disk has one that it forks.
	lab_wait_for '[ "$(boxed_probe)" ]' 30
	pid=$(boxed_probe)
	ok "a probe is nobody, behind a filter" true
	lab_wait_for "grep -qE '^ShdPnd:.0*[0-9a-f]*[13579bdf][0-9a-f]{2}$' /proc/$pid/status" 20
	ok "and is killed when it hangs" true
	lab_fault 5
	lab_wait_for "! [ -e /proc/$pid ]" 30
}

# A set that mdadm made, kept off mdadm at once and at the next boot.
manage() {
	lab_md_container ddf $(lab_devs 1-5)
	lab_md_volume ddf data 5 4 --chunk=64 --size=16M
	lab_md_sync data
	lab_md_stop
	ok "sparectl manage makes the initramfs anew" sparectl manage "$(lab_dev 1)" --initramfs
	unmkinitramfs "/boot/initrd.img-$(uname -r)" /var/tmp/initrd
	like "its copy of mdadm.conf ignores the set" "$(cat "$(find /var/tmp/initrd -path '*etc/mdadm/mdadm.conf')")" \
		'^ARRAY <ignore> metadata=ddf UUID='
	spared_optimal data 30
	ok "the array runs" test -b /dev/mapper/data
}

# A member that is plugged starts the service that was stopped: the udev rule of a managed set.
plugged() {
	systemctl stop spared
	is "a stop is clean" "$(unit ActiveState) $(unit Result)" "inactive success"
	lab_pull 1
	is "nothing starts it while nothing comes" "$(unit ActiveState)" inactive
	lab_plug 1
	ok "a member that is plugged starts it" until_active
	lab_wait_for '[ "$(spared_states data)" = "in-sync in-sync in-sync in-sync" ]' 60
	ok "and it takes the member back" true
}

reload() {
	local pid
	pid=$(unit MainPID)
	like "of /sys it can write where the lights of enclosures are" \
		"$(awk '$5 == "/sys" || $5 == "/sys/devices" { print $5, substr($6, 1, 2) }' "/proc/$pid/mountinfo" | sort -u | paste -sd' ')" \
		"^/sys ro /sys/devices rw$"
	printf 'version: 1\nrules:\n  - name: hello\n    description: x\n    event: device.added\n    do: [{notify: {severity: info, text: hello}}]\n' > \
		/etc/spared/rules.d/50-hello.yaml
	systemctl reload spared
	lab_wait_for 'sparectl rules list | grep hello' 20
	is "reload: other rules, the same process" "$(unit MainPID) $(unit ActiveState)" "$pid active"
	echo 'version: 2' > /etc/spared/rules.d/50-hello.yaml
	systemctl reload spared
	lab_wait_for 'log | grep "the running settings and rules stay"' 20
	ok "reload with a mistake: the rules that run stay" eval 'sparectl rules list | grep hello'
	rm /etc/spared/rules.d/50-hello.yaml
	systemctl reload spared
}

watchdog() {
	local pid
	drop_in WatchdogSec=3s
	systemctl restart spared
	until_active
	pid=$(unit MainPID)
	kill -STOP "$pid"
	lab_wait_for '[ "$(unit NRestarts)" = 1 ]' 30
	until_active
	nok "a broker that hangs is replaced by the watchdog" test "$(unit MainPID)" = "$pid"
	like "the manager says why" "$(journalctl -b -u spared --no-pager -o cat)" 'Watchdog timeout'
	ok "the array went on" dd if=/dev/mapper/data of=/dev/null bs=1M iflag=direct
	drop_in WatchdogSec=60s
	systemctl reset-failed spared || true
}

# A rebuild goes on over a restart, and what happens meanwhile is told by what is different after it.
restart() {
	echo 1000 > /proc/sys/dev/raid/speed_limit_max
	echo 500 > /proc/sys/dev/raid/speed_limit_min
	lab_pull 2
	lab_wait_for 'spared_states data | grep rebuilding' 90
	systemctl restart --no-block spared
	lab_plug 2
	until_active
	like "the rebuild goes on after the restart" "$(spared_states data)" rebuilding
	echo 200000 > /proc/sys/dev/raid/speed_limit_max
	spared_optimal data 60
	like "its end is in the history" "$(sparectl history --since 5m)" 'array.resync-finished'
	lab_wait_for "sparectl status --json | jq -e --arg n $(basename "$(lab_dev 2)") '.status.devices[] | select(.name == \$n and .present)'" 20
	lab_wait_for '[ -s /var/tmp/notices ]' 20
	like "a program that systemd-run takes out of the box was told" "$(cat /var/tmp/notices)" '"severity"'
	like "and that the disk came back meanwhile" "$(sparectl history --since 5m | grep device.added)" "$(basename "$(lab_dev 2)")"
}

# The array carries a file system of the machine.
file_system() {
	mkfs.ext4 -q /dev/mapper/data
	echo '/dev/mapper/data /srv ext4 defaults,nofail 0 2' >> /etc/fstab
	systemctl daemon-reload
	systemctl start srv.mount
	echo precious > /srv/file
	systemctl restart spared
	until_active
	systemctl stop srv.mount
	is "what the service sees of file systems keeps none of them busy" "$(dmsetup info -c --noheadings -o open data | tr -d ' ')" 0
	systemctl start srv.mount
}

# A snapshot that is in use when the machine goes down.
snapshot() {
	ok "a snapshot is made" sparectl array snapshot data nightly --on "$(lab_dev 6)"
	mount -o ro /dev/mapper/data-snap-nightly /mnt
	echo later > /srv/later
	is "of what was there" "$(cat /mnt/file; [ -e /mnt/later ] || echo alone)" "$(printf "precious\nalone")"
}
snapshot_is_gone() {
	is "the snapshot ended with the machine, and was told so once" \
		"$(sparectl history --since 10m --type event | grep -oE 'snapshot\.(added|invalid|removed)' | paste -sd' ')" "snapshot.added snapshot.removed"
	is "nothing of it is there" "$(dmsetup ls | grep -cE -- '-(snap|cow|real)' || true) $(sparectl status | grep -c snapshot || true)" "0 0"
	is "its space looks like nothing" "$(blkid -p "$(lab_dev 6)" || true)" ""
	ok "and is good for the next one" eval 'sparectl array snapshot data nightly --on "$(lab_dev 6)" &&
		sparectl array snapshot data nightly --remove'
}

first_boot() {
	mkdir -p /etc/spared/rules.d
	printf 'version: 1\noverride:\n  member-gone: {for: 2s}\n  start-degraded: {for: 3s}\n' > /etc/spared/rules.d/90-quick.yaml
	systemctl enable --now spared.socket 2> /dev/null
	starts
	boxed
	manage
	plugged
	reload
	watchdog
	restart
	file_system
	snapshot
	systemctl enable spared 2> /dev/null
	cp "/boot/initrd.img-$(uname -r)" "$LAB_OUT/initrd.img"
	lab_reboot
}

second_boot() {
	until_active
	like "at the shutdown the array was stopped, so its file system was unmounted before" \
		"$(sparectl history --type outcome --since 10m --json | jq -c '[.. | objects | select(.origin? == "shutdown")]')" '"result":"ok"'
	lab_wait_for 'systemctl is-active srv.mount' 30
	is "the file system is mounted" "$(cat /srv/file)" precious
	nok "mdadm has taken nothing, in the initramfs or later" grep '^md' /proc/mdstat
	snapshot_is_gone
	is "what was written beside it is there" "$(cat /srv/later)" later
	is "it was clean: nothing is resynchronised" "$(dmesg | grep -c 'resync of RAID' || true) $(spared_array data state)" "0 optimal"
	systemctl stop spared
	lab_pull 3
	lab_reboot
}

third_boot() {
	until_active
	lab_wait_for 'systemctl is-active srv.mount' 30
	is "a degraded set: the machine boots, the file system is mounted" "$(cat /srv/file)" precious
	is "the array runs without it" "$(spared_array data state)" degraded
	lab_wait_for "sparectl status --json | jq -e '.status.arrays[].members[] | select(.state == \"failed\")'" 20
	sed -i '/start-degraded/d' /etc/spared/rules.d/90-quick.yaml
	systemctl stop srv.mount
	systemctl kill --kill-whom=main -s USR1 spared # as at a shutdown
	systemctl stop spared
	nok "stopped with the machine" dmsetup info data
	systemctl start spared
	ok "what was left degraded does not wait for what cannot be current" lab_wait_for '[ "$(spared_array data state)" = degraded ]' 20
}

case $LAB_BOOT in
1) first_boot ;;
2) second_boot ;;
3) third_boot ;;
esac
is "no unit has failed" "$(systemctl --failed --no-legend)" ""
lab_done
