# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Helpers for lab scripts that run the daemon. Source it after lab.sh.

# spared_configure SET...: manages these sets (GUIDs, or globs) with the shipped rules.
spared_configure() {
	local sets
	sets=$(printf '"%s", ' "$@")
	mkdir -p /etc/spared/rules.d
	cat > /etc/spared/spared.yaml <<-END
		version: 1
		manage: [${sets%, }]
		rules: {dirs: ["$LAB_REPO/config/default/rules.d", /etc/spared/rules.d]}
		settle: 1s
		doubt: ${spared_doubt:-0s}
		log-level: ${spared_log_level:-info}
		notify: {program: /run/lab/files/notified}
	END
	# What people would get as mail: each notification is a line of JSON here.
	printf '#!/bin/sh\ncat >> "%s/notices"; echo >> "%s/notices"\n' "$LAB_OUT" "$LAB_OUT" > /run/lab/files/notified
	chmod +x /run/lab/files/notified
	: > "$LAB_OUT/notices"
	cp "$LAB_REPO"/contrib/udev/*.rules /etc/udev/rules.d/
	lab_udev_reload
}

# spared_quick [GONE [DEGRADED]]: the shipped rules with shorter waits, for a member that is gone and, if given, for the rest of an
# array that could start. Disks that a script pulls together would be shared-cause's.
spared_quick() {
	cat > /etc/spared/rules.d/90-quick.yaml <<-END
		version: 1
		override:
		  member-gone: {for: ${1:-2s}}
		  fill-empty-slot: {for: 1s}
		  member-returned: {for: 1s}
		  array-degraded: {for: 5s}
		  start-degraded: {for: ${2:-30s}}
		disable: [shared-cause]
	END
}

# spared_by_hand DISKS: scsi_debug disks of 48 MiB, no set, and a daemon that leaves what comes back to the script.
spared_by_hand() {
	lab_disks "$1" 48
	rm -f /etc/mdadm/mdadm.conf
	spared_configure nothing-yet
	echo "budget: {plans-per-hour: 100}" >> /etc/spared/spared.yaml
	spared_quick 2s 300s
	sed -i 's/^disable: .*/disable: [shared-cause, member-returned]/; /member-returned:/d' /etc/spared/rules.d/90-quick.yaml
	spared_start
}

# spared_start [OPTION...]: until it answers; its log is $LAB_OUT/spared.log, its events stream "mon".
spared_start() {
	(
		[ "${LAB_SLOW:-}" != spared ] || echo "$BASHPID" > /sys/fs/cgroup/slow/cgroup.procs
		exec spared "$@"
	) >> "$LAB_OUT/spared.log" 2>&1 &
	spared_pid=$!
	lab_wait_for 'sparectl status' 30
	spared_monitor mon --json
}

# spared_monitor NAME [OPTION...]: a stream of what sparectl monitor prints; from here on it misses nothing.
spared_monitor() {
	local name=$1 count='sparectl status --json | jq .broker.subscribers' before
	shift
	before=$(eval "$count")
	lab_stream "$name" sparectl monitor "$@"
	lab_wait_for "[ \"\$($count)\" -gt $before ]"
}

# spared_stop: a clean end, of its processes, too; arrays that run go on.
spared_stop() {
	local children
	lab_stream_stop mon
	children=$({ pgrep -P "$spared_pid" || true; } | paste -sd" ")
	kill -TERM "$spared_pid"
	lab_wait_for "! kill -0 $spared_pid $children" 30
}

# spared_kill: as a crash would end it, workers too.
spared_kill() {
	lab_stream_stop mon
	pkill -KILL -x spared || true
	lab_wait_for '! pgrep -x spared' 30
	wait "$spared_pid" 2> /dev/null || true
}

# spared_kill_held WHO: "act", "broker" or "both" die where the files in $hold (spared_held.c) say that act stands still;
# alone, act goes on then. The next broker is started.
spared_kill_held() {
	if [ "$1" != act ]; then
		lab_stream_stop mon
		kill -KILL "$spared_pid"
		wait "$spared_pid" 2> /dev/null || true
	fi
	if [ "$1" = broker ]; then kill -CONT $(cat $hold/*.held); else kill -KILL $(cat $hold/*.held); fi
	[ "$1" = act ] || spared_start
}

# spared_valid NAME FILE: its lines are valid by NAME of the protocol's schema ("message", "answer-VERB").
spared_valid() { PYTHONDONTWRITEBYTECODE=1 python3 "$LAB_REPO/tests/schema.py" "$1" < "$2"; }

# spared_event KIND [REST] [SECONDS]: until the monitor has told an event of this kind.
spared_event() { lab_stream_wait mon "\"type\": ?\"event\".*\"kind\": ?\"$1\"${2:+.*$2}" "${3:-60}"; }

# The set that a disk belongs to.
spared_set_of() { sparectl meta show --json "$1" | jq -r .view.set; }

# spared_array NAME KEY: a value of an array in the status.
spared_array() { sparectl status --json | jq -r --arg n "$1" ".status.arrays[] | select(.name == \$n) | .$2"; }
# spared_member NAME SLOT: its state. spared_slot NAME DEVICE: the slot where a disk sits.
spared_member() { spared_array "$1" "members[] | select(.slot == $2) | .state"; }
spared_disk_at() { spared_array "$1" "members[] | select(.slot == $2) | .name"; }
spared_slot() { spared_array "$1" "members[] | select(.name == \"${2##*/}\") | .slot"; }
spared_states() { spared_array "$1" 'members | map(.state) | join(" ")'; }

# spared_disk NAME SLOT: the number, as in lab_dev, of the disk that sits in a slot.
spared_disk() { lab_number "$(spared_disk_at "$1" "$2")"; }

# spared_stale DEVICE: until a disk that came back was read and is known to be behind the others.
spared_stale() {
	lab_wait_for "sparectl status --json | jq -e '.status.devices[] |
		select(.node == \"$1\" and .present and .standing == \"stale\")'" 30
}

# spared_optimal NAME [SECONDS]
spared_optimal() { lab_wait_for "[ \"\$(spared_array $1 state)\" = optimal ]" "${2:-120}"; }

# spared_disk_states "REF=DISK ..": from what mdadm -E prints, on stdin, "DISK STATE" of these, in our words. After a line
# "= NAME", "NAME DISK STATE".
spared_disk_states() {
	awk -v refs="$1" '
		BEGIN { n = split(refs, pair, " "); for (i = 1; i <= n; i++) { split(pair[i], kv, "="); name[kv[1]] = kv[2] } }
		$1 == "=" { of = $2 " "; on = 0 }
		/Number +RefNo/ { on = 1; next }
		on && ($2 in name) {
			state = "in-sync"
			if (/Failed/) state = "failed"
			else if (/Missing/) state = "missing"
			else if (/Rebuild/) state = "rebuilding"
			else if (/[Ss]pare\//) state = "spare"
			print of name[$2], state
		}' | sort
}

# spared_mdadm_says DISK [DISKS]: what mdadm reads on a disk about each present disk of its set, one line each: NAME STATE, in
# our words. mdadm names disks by their reference within the set only. DISKS: to look for them, instead of all.
spared_mdadm_says() {
	local dev refs=
	for dev in ${2:-/dev/sd?}; do
		refs+=" $(mdadm -E "$dev" 2>/dev/null | awk -v dev="$dev" '$4 == dev && !n++ { print $2 }')=${dev##*/}"
	done
	mdadm -E "$1" | spared_disk_states "$refs"
}

# spared_says [NAME]: the same from the status: members of all arrays (or this one) and spares, of the disks that are here.
spared_says() {
	sparectl status --json | jq -r --arg n "${1:-}" '[.status.arrays[] | select($n == "" or .name == $n)]
		| ([.[].members[] | select(.present and .state != "empty") | "\(.name) \(.state)"]
		   + [.[].spares[]? | select(.state == "idle") | "\(.name) spare"]) | unique | .[]' | sort
}

# spared_agrees DISK [NAME DISKS]: status and mdadm -E say the same of every present disk; of one array and its set's disks.
# A disk that a spare has replaced is no member any more: mdadm still lists it, as failed.
spared_agrees() {
	local ours theirs
	ours=$(spared_says "${2:-}")
	theirs=$(spared_mdadm_says "$1" "${3:-}")
	is "mdadm -E agrees with sparectl status about every member and spare" "$ours" \
		"$(grep -wFf <(cut -d' ' -f1 <<< "$ours") <<< "$theirs")"
	is "the disks that mdadm -E has beside them are failed ones" \
		"$(grep -vwFf <(cut -d' ' -f1 <<< "$ours") <<< "$theirs" | grep -vc failed)" 0
}

# spared_room PROTOCOL BYTES: how much may wait in the daemon's netlink sockets of that protocol (15: uevents, 16: generic). A
# real flood would have to be of many MiB.
spared_room() {
	python3 - "$spared_pid" "$1" "$2" <<-'END'
		import ctypes, os, socket, sys
		AF_NETLINK, SO_RCVBUFFORCE, PIDFD_GETFD = 16, 33, 438
		pid, protocol, room = map(int, sys.argv[1:])
		other, done = os.pidfd_open(pid), 0
		for fd in os.listdir(f"/proc/{pid}/fd"):
		    if not os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:"):
		        continue
		    s = socket.socket(fileno=ctypes.CDLL(None).syscall(PIDFD_GETFD, other, int(fd), 0))
		    if (s.family, s.proto) == (AF_NETLINK, protocol):
		        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, room)
		        done += 1
		sys.exit(done == 0)
	END
}
