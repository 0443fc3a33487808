# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Helpers for scripts that run in the lab's guest. Source it: . "$LAB_REPO/tests/lab/lib/lab.sh"
# tests/lab/README.md lists them. Given by the lab: LAB_REPO, LAB_BUILD (the build directory),
# LAB_OUT (a directory that the host sees as build/lab/<script>), LAB_BOOT (2 after a power cut).
# By hand (./dev shell) a command that fails must not end the shell.
[[ $- == *i* ]] || set -euo pipefail
export PATH="$LAB_BUILD:$LAB_BUILD/bin:$LAB_REPO/build/lab/bin:$PATH"
export MDADM_NO_SYSTEMCTL=1 MDADM_NO_UDEV=

mkdir -p /run/lab/files
lab_checks=0 lab_failed=0 lab_line=
declare -A lab_stream_from=() lab_stream_pid=()

say() { echo "# $*"; }

# All deadlines are so many times as long where something is slow on purpose (run.py --slow).
lab_slower=1
[ -z "${LAB_SLOW:-}" ] || lab_slower=4

# --- checks: one that fails hides no other -------------------------------------------------------

lab_pass() { lab_checks=$((lab_checks + 1)); echo "ok $lab_checks - $*"; }
lab_fail() { lab_checks=$((lab_checks + 1)); lab_failed=$((lab_failed + 1)); echo "not ok $lab_checks - $*"; }

lab_quiet() { sed 's/^/#   /'; }

# ok DESCRIPTION COMMAND...: the command must succeed; what it printed is shown when it does not.
# It runs in this shell, so that what it sets stays set.
ok() {
	local what=$1 status=0
	shift
	"$@" > /run/lab/files/.said 2>&1 || status=$?
	if [ "$status" -eq 0 ]; then lab_pass "$what"; return; fi
	lab_fail "$what"
	echo "#   status $status of: $*"
	lab_quiet < /run/lab/files/.said
}

# nok DESCRIPTION COMMAND...: the command must fail.
nok() {
	local what=$1
	shift
	if "$@" > /run/lab/files/.said 2>&1; then
		lab_fail "$what"
		echo "#   succeeded: $*"
		lab_quiet < /run/lab/files/.said
	else lab_pass "$what"; fi
}

# is DESCRIPTION GOT WANTED
is() {
	if [ "$2" = "$3" ]; then lab_pass "$1"; return; fi
	lab_fail "$1"
	echo "#   got:    $2"
	echo "#   wanted: $3"
}

# like DESCRIPTION TEXT EXTENDED-REGEX
like() {
	if grep -qE -- "$3" <<< "$2"; then lab_pass "$1"; return; fi
	lab_fail "$1"
	echo "#   does not match: $3"
	lab_quiet <<< "$2"
}

# within DESCRIPTION GOT MAX: a number of at most so much
within() {
	if awk -v a="$2" -v b="$3" 'BEGIN { exit !(a != "" && a + 0 <= b + 0) }'; then
		lab_pass "$1 ($2 of at most $3)"
	else lab_fail "$1 ($2, more than $3)"; fi
}

skip() { lab_checks=$((lab_checks + 1)); echo "ok $lab_checks - $1 # skip ${2:-}"; }

# The last line of a script. A script that ends anywhere else has failed.
lab_done() {
	trap - EXIT
	echo "1..$lab_checks"
	[ "$lab_failed" -eq 0 ] || { say "$lab_failed of $lab_checks checks failed"; exit 1; }
	exit 0
}

lab_died() {
	local status=$1 line=$2 name
	trap - EXIT
	for name in "${!lab_stream_pid[@]}"; do cp "/run/lab/files/$name" "$LAB_OUT/$name"; done
	lab_fail "the script runs to its end (status $status, line $line of ${0##*/})"
	exit 1
}
if [[ $- != *i* ]]; then
	trap 'lab_died $? "$lab_line"' EXIT
	trap 'lab_line=$LINENO' ERR
	set -E
fi

# --- waiting: on a condition, never for a time -----------------------------------------------------

# A descriptor on which nothing ever comes: a pause without a new process.
exec {lab_never}<> <(:)
lab_pause() { read -rt "$1" -u "$lab_never" || true; }

# lab_wait_for CONDITION [SECONDS]: evaluates the bash text until it holds; fails after the deadline.
lab_wait_for() {
	local - end=$((${EPOCHREALTIME/./} + ${2:-20} * lab_slower * 1000000))
	# A grep -q that leaves early must not fail the pipe by its writer's SIGPIPE.
	set +o pipefail
	until eval "$1" > /dev/null 2>&1; do
		if [ "${EPOCHREALTIME/./}" -gt "$end" ]; then
			echo "# not within ${2:-20} s: $1" >&2
			return 1
		fi
		lab_pause 0.02
	done
}

lab_udev_settle() { udevadm settle -t "$((${1:-30} * lab_slower))"; }
# udevd may be too busy to take one more request.
lab_udev_reload() { lab_wait_for 'udevadm control --reload' 30; }
lab_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

# lab_stream NAME COMMAND...: a command in the background whose lines are kept in $LAB_OUT/NAME.
# lab_stream_wait NAME REGEX [SECONDS]: until a line (also an earlier one) matches; prints it.
# lab_stream_mark NAME: from now on only newer lines count.
lab_stream() {
	local name=$1
	shift
	: > "/run/lab/files/$name"
	"$@" > "/run/lab/files/$name" 2>> "$LAB_OUT/$name.err" &
	lab_stream_pid[$name]=$!
	lab_stream_from[$name]=1
}
lab_stream_mark() { lab_stream_from[$1]=$(($(wc -l < "/run/lab/files/$1") + 1)); }
lab_stream_wait() {
	local status=0
	# grep leaves at the first match; tail then ends with its next line, or by the timeout.
	grep -m1 -E -- "$2" < <(exec timeout "$((${3:-20} * lab_slower))" tail -n +"${lab_stream_from[$1]}" -s 0.05 -f "/run/lab/files/$1") || status=$?
	[ "$status" -eq 0 ] || echo "# no line in $1 within ${3:-20} s: $2" >&2
	return "$status"
}
lab_stream_stop() {
	kill "${lab_stream_pid[$1]}" 2>/dev/null || true
	wait "${lab_stream_pid[$1]}" 2>/dev/null || true
	cp "/run/lab/files/$1" "$LAB_OUT/$1"
}

# --- disks -------------------------------------------------------------------------------------------
# Disks are numbered from 1 and keep number and WWN whatever the kernel calls them. A script whose
# header says `# lab: disks=nbd:N:SIZE` has disks served by the host; others make them with lab_disks.
# d3 and h3 name the third scsi_debug and the third host disk where a script has both.

# lab_disks COUNT SIZE_MB [scsi_debug options]: SCSI disks in the guest's memory, gone with the boot.
lab_disks() {
	local count=$1 size=$2 i
	shift 2
	modprobe scsi_debug add_host="$count" dev_size_mb="$size" per_host_store=1 delay=0 \
		max_luns=1 num_tgts=1 "$@"
	for ((i = 1; i <= count; i++)); do lab_wait_for "lab_dev d$i" 20; done
	lab_udev_settle
}

lab_kind() {
	case $1 in
	d*) echo debug ;;
	h*) echo host ;;
	*) if [ -e /sys/bus/pseudo/drivers/scsi_debug ]; then echo debug; else echo host; fi ;;
	esac
}

# lab_scsi N: the SCSI address host:channel:target:lun of a disk, there or not.
lab_scsi() {
	local n=${1#[dh]} host
	if [ "$(lab_kind "$1")" = debug ]; then
		# Adapters are numbered from 0 in the order of their making; each has one host.
		host=$(basename "/sys/bus/pseudo/devices/adapter$((n - 1))"/host*)
		echo "${host#host}:0:0:0"
	else
		host=$(dirname "$(grep -lx virtio_scsi /sys/class/scsi_host/host*/proc_name)")
		host=${host##*/host}
		echo "$host:0:$n:0"
	fi
}

# lab_dev N: the disk's present device node; fails while there is none.
lab_dev() {
	local n=${1#[dh]} path
	if [ "$(lab_kind "$1")" = host ] && [ -e /sys/module/nvme ]; then
		path=$(grep -lx "LAB$(printf %03d "$n") *" /sys/class/nvme/nvme*/serial) || return 1
		path=$(echo "${path%/serial}"/nvme*n1)
	else
		path=$(echo "/sys/class/scsi_device/$(lab_scsi "$1")/device/block"/*)
	fi
	path=/dev/${path##*/}
	[ -b "$path" ] && echo "$path"
}

# lab_devs N...: several device nodes; `lab_devs 1-4` for a range.
lab_devs() {
	local n first last i kind
	for n in "$@"; do
		kind=${n%%[0-9]*} first=${n%-*} last=${n#*-}
		for ((i = ${first#"$kind"}; i <= ${last#"$kind"}; i++)); do lab_dev "$kind$i"; done
	done
}

# lab_number DEVICE: the disk's number, the other way round.
lab_number() {
	local path n
	path=$(readlink -f "/sys/block/${1##*/}/device")
	case $path in
	*/adapter*)
		n=${path##*/adapter}
		echo $((${n%%/*} + 1))
		;;
	*)
		IFS=: read -r _ _ n _ <<< "${path##*/}"
		echo "$n"
		;;
	esac
}

# lab_wwn N: the WWN, as udev's ID_WWN has it.
lab_wwn() { udevadm info -q property --property=ID_WWN --value "$(lab_dev "$1")"; }

# lab_pull N / lab_plug N: the disk goes as if unplugged, and comes back with its data.
lab_pull() {
	local scsi
	if [ "$(lab_kind "$1")" = host ]; then
		lab_ask "pull ${1#h}"
	else
		scsi=$(lab_scsi "$1")
		echo 1 > "/sys/class/scsi_device/$scsi/device/delete"
	fi
	lab_wait_for "! lab_dev $1"
}
lab_plug() {
	local scsi
	if [ "$(lab_kind "$1")" = host ]; then
		lab_ask "plug ${1#h}"
	else
		scsi=$(lab_scsi "$1")
		echo "0 0 0" > "/sys/class/scsi_host/host${scsi%%:*}/scan"
	fi
	lab_wait_for "lab_dev $1"
	lab_udev_settle
}

# lab_ask REQUEST: something only the host can do; one at a time.
lab_ask() {
	local answer
	{
		flock 5
		exec 6<> /run/lab/lab.ctl
		echo "$*" >&6
		read -rt 60 -u 6 answer || answer="no answer"
		exec 6>&-
	} 5> /run/lab/ctl.lock
	[ "$answer" = ok ] || { echo "# host: $* -> $answer" >&2; return 1; }
}

# lab_cut: the power goes, now. The script starts again from its first line with LAB_BOOT=2, 3, ...
# Only host disks and $LAB_OUT survive.
lab_cut() {
	exec 6<> /run/lab/lab.ctl
	echo cut >&6
	read -r -u "$lab_never"
}

# lab_reboot: a guest with systemd ends as a machine does, and the script starts again with LAB_BOOT=2, 3, ... The root file
# system and host disks survive; a disk that is pulled stays away.
lab_reboot() {
	lab_ask reboot
	trap - EXIT
	systemctl poweroff --no-block
	read -r -u "$lab_never"
}

# lab_fault N [LINE...]: what a host disk does wrong from now on; without a line: nothing any more.
#   read START COUNT heal    sectors that cannot be read until they are written again
#   read START COUNT stay    sectors that can never be read
#   write START COUNT        sectors that cannot be written
#   flush                    a cache flush fails
#   delay MS                 every request is slow
#   hang                     no request is answered until the fault is taken away
# COUNT - means to the end of the disk. The change holds from the next request on.
lab_fault() {
	local file=/results/ctl/disk${1#h}
	shift
	if [ $# -eq 0 ]; then rm -f "$file"; return; fi
	printf '%s\n' "$@" > "$file.new"
	mv "$file.new" "$file"
}

# lab_fault_count N [read|write|flush|heal]: how often it did, so far.
lab_fault_count() { grep -c "^${2:-}" "/results/ctl/disk${1#h}.log" 2>/dev/null || true; }

# lab_medium START COUNT | off: unreadable sectors on ALL scsi_debug disks at once (sense MEDIUM
# ERROR, errno -61; scsi_debug knows no other way, and writing does not heal them).
lab_medium() {
	local p=/sys/module/scsi_debug/parameters opts=/sys/bus/pseudo/drivers/scsi_debug/opts
	if [ "$1" = off ]; then echo 0 > "$opts"; return; fi
	echo "$1" > "$p/medium_error_start"
	echo "$2" > "$p/medium_error_count"
	echo 2 > "$opts"
}

# lab_trace_start / lab_trace: block errors as the kernel's tracepoint tells them, a line each.
lab_trace_start() {
	local t=/sys/kernel/tracing/instances/lab
	mkdir -p "$t"
	echo 1 > "$t/events/block/block_rq_error/enable"
	echo > "$t/trace"
}
lab_trace() { grep -o 'block_rq_error:.*' /sys/kernel/tracing/instances/lab/trace || true; }

# --- mdadm -------------------------------------------------------------------------------------------

# mdadm waits some seconds for udev to link a new array, and fails if it does not in time, though the array runs: what counts here
# is whether it is there once udev has settled.

# lab_md_container NAME DEVICE...: a DDF container; disks that no volume uses are its spares.
lab_md_container() {
	local name=$1
	shift
	{ mdadm --create "/dev/md/$name" --metadata=ddf --raid-devices=$# "$@" --run 2>&1 || true; } | lab_quiet
	lab_udev_settle
	[ -b "/dev/md/$name" ]
}

# lab_md_volume CONTAINER NAME LEVEL DISKS [mdadm options]: for example
#   lab_md_volume ddf v6 6 4 --layout=ddf-N-continue --chunk=64 --size=8M
lab_md_volume() {
	local container=$1 name=$2 level=$3 count=$4
	shift 4
	{ mdadm --create "/dev/md/$name" --level="$level" --raid-devices="$count" "$@" --run "/dev/md/$container" 2>&1 || true; } | lab_quiet
	lab_udev_settle
	[ -b "/dev/md/$name" ]
	lab_md_taken_over
}

# lab_md_array NAME LEVEL SIZE [mdadm options] DISKS: an array on disks of a container.
lab_md_array() { mdadm --create "/dev/md/$1" --level="$2" --size="$3" "${@:4}" --run > /dev/null 2>&1 || { lab_udev_settle && [ -b "/dev/md/$1" ]; }; }

# lab_md_state NAME DISK: how mdadm reads there the state of an array of a DDF set: "Degraded, Not Consistent".
lab_md_state() {
	mdadm -E "$2" | awk -v name="$1" '/^ *state\[/ { sub(/.*: /, ""); state = $0 } /^ *Name\[/ && $NF == name { print state }'
}

# An array of a container is read-only until mdmon has taken it over. On a busy machine it was seen once
# that mdmon never did; another one that takes over does.
lab_md_taken_over() {
	local condition='! grep -qx readonly /sys/block/md*/md/array_state'
	lab_wait_for "$condition" 10 && return
	grep . /proc/mdstat /sys/block/md*/md/{array_state,metadata_version} | lab_quiet
	{ pgrep -ax 'mdmon|@dmon' || echo "no mdmon"; } | lab_quiet
	say "mdmon --takeover --all"
	{ mdmon --takeover --all 2>&1 || true; } | lab_quiet
	lab_wait_for "$condition" 20
}

# lab_md_sync NAME: until no resync or rebuild runs on it.
lab_md_sync() {
	local md
	md=$(basename "$(readlink -f "/dev/md/$1")")
	lab_wait_for "[ ! -e /sys/block/$md/md/sync_action ] || grep -qx idle /sys/block/$md/md/sync_action" "${2:-120}"
}

# lab_md_speed KIB: all rebuilds go at so many KiB a second.
lab_md_speed() { echo "$1" | tee /proc/sys/dev/raid/speed_limit_min > /proc/sys/dev/raid/speed_limit_max; }

# lab_md_stop: all md arrays, and mdmon has written its last.
lab_md_stop() {
	sync
	lab_wait_for 'mdadm --stop --scan; ! grep -q ^md /proc/mdstat' "${1:-30}"
	lab_wait_for '! pgrep -x "mdmon|@dmon"' 20
	lab_udev_settle
}

# lab_md_assemble CONTAINER DEVICE...: container and volumes, as a machine without spared would.
lab_md_assemble() {
	local name=$1
	shift
	{ mdadm --assemble "/dev/md/$name" "$@" 2>&1 || true; } | lab_quiet
	lab_wait_for "[ -b '/dev/md/$name' ]" 60
	mdadm --incremental "/dev/md/$name" 2>&1 | lab_quiet || true
	lab_udev_settle
	lab_md_taken_over
}

# lab_fill DEVICE SEED: the whole device with data that a number decides. lab_check_fill: and whether
# it is still there. lab_sum DEVICE: its sha1.
# udev looks at what was written; until it has, who stops the array finds it in use.
lab_fill() { lab_writer fill "$2" "$1" && lab_udev_settle; }
lab_check_fill() { lab_writer check "$2" "$1"; }
lab_sum() { dd if="$1" bs=1M iflag=direct status=none | sha1sum | cut -d' ' -f1; }

# --- the verifying writer ---------------------------------------------------------------------------
# Writes 4 KiB blocks all the time and checks that what was acknowledged is read (tests/lab/writer.c).

lab_writer_start() {
	local name=$1 device=$2
	shift 2
	rm -f "/run/lab/files/$name.writer" # of an earlier one
	lab_writer run "$@" --state "/run/lab/files/$name.state" "$device" > "/run/lab/files/$name.writer" 2>&1 &
	echo $! > "/run/lab/files/$name.pid"
	lab_wait_for "[ -s /run/lab/files/$name.writer ]"
}
# lab_writer_stats NAME: counts so far, as JSON. lab_writer_reset NAME: the longest stall from now on.
lab_writer_stats() {
	local file=/run/lab/files/$1.writer lines
	lines=$(wc -l < "$file")
	kill -USR1 "$(cat "/run/lab/files/$1.pid")"
	lab_wait_for "[ \$(wc -l < $file) -gt $lines ]" 60
	tail -n1 "$file"
}
lab_writer_reset() { kill -USR2 "$(cat "/run/lab/files/$1.pid")"; }
# lab_writer_stop NAME: reads back every block, prints the result, which is kept in $LAB_OUT too.
lab_writer_stop() {
	local pid
	pid=$(cat "/run/lab/files/$1.pid")
	kill -TERM "$pid" 2>/dev/null || true
	lab_wait_for "! kill -0 $pid" 120
	wait "$pid" 2>/dev/null || true
	cp "/run/lab/files/$1.writer" "$LAB_OUT/writer-$1.json"
	tail -n1 "/run/lab/files/$1.writer"
}
# lab_writer_clean NAME: stops it; no error and no wrong block may have been.
lab_writer_clean() {
	local result
	result=$(lab_writer_stop "$1")
	say "writer $1: $result"
	like "writer $1: no write or read failed" "$result" '"errors":0,'
	like "writer $1: every acknowledged block reads back" "$result" '"wrong":0,'
}
# lab_median: of the numbers on stdin, "median (least to most)"; "-" if there is none.
lab_median() { sort -n | awk '{ v[NR] = $1 } END { if (NR) printf "%s (%s to %s)", v[int((NR + 1) / 2)], v[1], v[NR]; else print "-" }'; }

# lab_json NAME: a number or string of the JSON line on stdin.
lab_json() { grep -oE "\"$1\": *(\"[^\"]*\"|-?[0-9.]+|true|false)" | sed -n 1p | sed 's/^"[^"]*": *//; s/^"//; s/"$//'; }
