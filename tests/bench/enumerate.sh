#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=3000 manual mem=6G
# How fast arrays are found and started: sets with 24 members and with 500, by spared, by mdadm on the same DDF sets, by dmraid as far
# as it reads them, and by LVM on the same disks.
#   enumerate.sh [ROUNDS [SHAPE[/ROUNDS][:PEER,..]...]]   a shape is SETSxDISKS: 4x6 25x20; peers are spared, mdadm, dmraid, lvm
# The disks are the kernel's own SCSI target's, each a sparse file in memory: dmraid looks at SCSI disks only.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

export LVM_SUPPRESS_FD_WARNINGS=1
all_rounds=${1:-5}
shapes=("${@:2}")
[ $# -gt 1 ] || shapes=(4x6 25x20)
disk_mb=96 size_mb=4 # of each member's data: the rest is what is measured
target=/sys/kernel/config/target
backing=/run/lab/files/backing
results=/run/lab/files/results
: > "$results"

# took COMMAND...: milliseconds.
took() {
	local begin=$EPOCHREALTIME end
	"$@" > /run/lab/files/said 2>&1 || true
	end=$EPOCHREALTIME
	awk -v a="$begin" -v b="$end" 'BEGIN { printf "%.0f\n", (b - a) * 1000 }'
}
# note KEY VALUE: one of a round. of KEY: all of them.
note() { echo "$2" >> "/run/lab/files/note-$shape-$1"; }
row() { printf '%s\t%s\t%s\t%s\n' "$shape" "$1" "$2" "${3:-}" | tee -a "$results" | lab_quiet; }
row_of() { row "$1" "$(lab_median < "/run/lab/files/note-$shape-$2" 2> /dev/null || echo -)" "${3:-}"; }

# --- disks ------------------------------------------------------------------------------------------------

n_disks=0
# disks N: as many as that are there.
disks() {
	local i dir names=() tpg
	mkdir -p $backing
	for ((i = n_disks; i < $1; i++)); do names+=("$target/core/fileio_$((i / 200))/d$i"); done
	mkdir -p $target/loopback "${names[@]}"
	for ((i = n_disks; i < $1; i++)); do
		dir=$target/core/fileio_$((i / 200))/d$i
		tpg=$(printf '%s/loopback/naa.60014050000%05x/tpgt_1' $target $((i / 200)))
		[ -d "$tpg" ] || {
			mkdir -p "$tpg"
			basename "$(dirname "$tpg")" > "$tpg/nexus"
		}
		truncate -s ${disk_mb}M $backing/d$i
		echo "fd_dev_name=$backing/d$i,fd_dev_size=$((disk_mb << 20)),fd_buffered_io=1" > "$dir/control"
		printf 'bench%04x\n' "$i" > "$dir/wwn/vpd_unit_serial"
		echo 1 > "$dir/enable"
		mkdir "$tpg/lun/lun_$((i % 200))"
		ln -s "$dir" "$tpg/lun/lun_$((i % 200))/d$i"
	done
	n_disks=$1
	lab_udev_settle 600
	mapfile -t nodes < <(printf '%s\n' /sys/block/sd* | sed 's|/sys/block|/dev|' | sort -V)
	is "$1 disks are there" "${#nodes[@]}" "$1"
}

# blank: nothing is on any of them, and udev knows.
blank() {
	local i
	for ((i = 0; i < n_disks; i++)); do echo $backing/d$i; done | xargs truncate -s 0
	for ((i = 0; i < n_disks; i++)); do echo $backing/d$i; done | xargs truncate -s ${disk_mb}M
	blockdev --flushbufs "${nodes[@]}"
	udevadm trigger --action=change --subsystem-match=block
	lab_udev_settle 600
}

# of_set I: its disks.
of_set() { echo "${nodes[@]:$(($1 * per_set)):$per_set}"; }

# --- mdadm ------------------------------------------------------------------------------------------------

make_ddf() {
	local i
	for ((i = 0; i < sets; i++)); do
		mdadm --create "/dev/md/c$i" --metadata=ddf --raid-devices=$per_set $(of_set $i) --run > /dev/null 2>&1
		mdadm --create "/dev/md/v$i" --level=6 -n $per_set --chunk=64 --size=${size_mb}M --run "/dev/md/c$i" > /dev/null 2>&1
	done
	lab_udev_settle 300
	lab_md_taken_over
	lab_wait_for '! grep -qvx idle /sys/block/md*/md/sync_action' 600
	lab_md_stop 120
	udevadm trigger --action=change --subsystem-match=block
	lab_udev_settle 600
}
volumes_run() { [ "$(cat /sys/block/md*/md/level 2> /dev/null | grep -c raid6)" = $sets ]; }

bench_mdadm() {
	local i
	for ((i = first; i <= rounds; i++)); do
		t=$(took mdadm --assemble --scan)
		lab_md_taken_over
		volumes_run || { row "mdadm --assemble --scan" "does not start all: $(tail -n1 /run/lab/files/said)"; cat /proc/mdstat | lab_quiet; lab_md_stop 120; return; }
		[ "$i" = 0 ] || note mdadm "$t"
		lab_md_stop 120
		t=$(took mdadm --examine --scan)
		[ "$i" = 0 ] || note examine "$t"
	done
	row_of "mdadm --assemble --scan" mdadm
	row_of "mdadm --examine --scan: only reads" examine
}

# --- dmraid -----------------------------------------------------------------------------------------------

bench_dmraid() {
	local i seen
	for ((i = first; i <= rounds; i++)); do
		t=$(took dmraid -r)
		seen=$(grep -c '^/dev/' /run/lab/files/said || true)
		[ "$i" = 0 ] || note dmraid-r "$t"
		[ "$i" != $first ] || head -n 5 /run/lab/files/said | lab_quiet
		t=$(took dmraid -ay)
		[ "$i" = 0 ] || note dmraid "$t"
		[ "$i" != $first ] || head -n 5 /run/lab/files/said | lab_quiet
		dmraid -an > /dev/null 2>&1 || true
		dmsetup remove_all
	done
	row_of "dmraid -r: only reads" dmraid-r "it lists $seen disks"
	row_of "dmraid -ay" dmraid
}

# --- LVM --------------------------------------------------------------------------------------------------

make_lvm() {
	local i
	cat > /etc/lvm/lvm.conf <<-'END2'
		devices { filter = ["a|^/dev/sd|", "r|.*|"] use_devicesfile = 0 }
		activation { monitoring = 0 }
		global { event_activation = 0 }
	END2
	for ((i = 0; i < sets; i++)); do
		vgcreate -qq b$i $(of_set $i) 2>&1 | lab_quiet
		lvcreate -qq -y --type raid6 -i $((per_set - 2)) -I 64 -L $((size_mb * (per_set - 2)))M -n v b$i 2>&1 | lab_quiet
	done
	lab_wait_for '! dmsetup status --target raid | grep -qv " idle "' 600
	vgchange -qq -an 2>&1 | lab_quiet
	lab_udev_settle 300
}

bench_lvm() {
	local i n
	for ((i = first; i <= rounds; i++)); do
		t=$(took vgchange -ay)
		n=$(dmsetup status --target raid | wc -l)
		[ "$n" = $sets ] || { row "vgchange -ay" "starts $n of $sets"; return; }
		[ "$i" = 0 ] || note lvm "$t"
		lab_udev_settle 300
		vgchange -qq -an 2>&1 | lab_quiet
		lab_udev_settle 300
		t=$(took vgs)
		[ "$i" = 0 ] || note vgs "$t"
	done
	row_of "vgchange -ay" lvm
	row_of "vgs: only reads" vgs
}

# --- spared -----------------------------------------------------------------------------------------------

# The machine ends: arrays are stopped, clean.
stop_spared() {
	kill -USR1 "$1"
	kill -TERM "$1"
	lab_wait_for "! kill -0 $1" 300
	lab_udev_settle 300
	dmsetup remove_all
	lab_udev_settle 300
}

bench_spared() {
	local i told log=$LAB_OUT/spared-$shape.log key
	spared_log_level=info spared_configure "*"
	echo 'budget: {plans-per-hour: 1000}' >> /etc/spared/spared.yaml
	for ((i = first; i <= rounds; i++)); do
		: > "$log"
		told=$(python3 "$LAB_REPO/tests/bench/start.py" $sets "$log")
		is "all arrays are optimal" "$(jq .optimal <<< "$told")" $sets
		echo "$told" | lab_quiet
		grep -E ' ms( after the start|: plan)' "$log" | lab_quiet
		if [ "$i" != 0 ]; then
			for key in listens answered first all cpu.broker cpu.children; do note "spared-$key" "$(jq ".$key" <<< "$told")"; done
			note spared-told "$(sed -n 's/.*all disks are told \([0-9]*\) ms.*/\1/p' "$log")"
			note spared-read "$(sed -n 's/.*all disks are read \([0-9]*\) ms.*/\1/p' "$log")"
		fi
		stop_spared "$(jq .pid <<< "$told")"
	done
	row_of "spared: all arrays run" spared-all
	row_of "  it listens" spared-listens
	row_of "  udev has told of all disks (after it began to listen)" spared-told
	row_of "  all disks are read (the same)" spared-read
	row_of "  their disks are held; the status is answered" spared-answered
	row_of "  the first array runs" spared-first
	row_of "  CPU until the status is answered: the broker" spared-cpu.broker
	row_of "  and its children that have ended, probes above all" spared-cpu.children
}

# --- all --------------------------------------------------------------------------------------------------

modprobe dm-raid
modprobe -a target_core_mod target_core_file tcm_loop
mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
say "$all_rounds rounds; kernel $(uname -r), $(mdadm --version 2>&1 | sed -n 1p), LVM $(lvm version | awk '/LVM version/ { print $3 }'), dmraid $(dmraid --version 2>&1 | awk '/^dmraid version/ { print $3 }')"
for shape in "${shapes[@]}"; do
	peers=mdadm,dmraid,spared,lvm
	[[ $shape != *:* ]] || peers=${shape#*:}
	shape=${shape%:*}
	rounds=$all_rounds
	[[ $shape != */* ]] || rounds=${shape#*/}
	shape=${shape%/*}
	first=$((rounds == 1)) # round 0 is not counted: programs are read for the first time
	sets=${shape%x*} per_set=${shape#*x}
	disks $((sets * per_set))
	make_ddf
	say "$shape: DDF sets are made"
	for peer in spared mdadm dmraid; do [[ $peers != *$peer* ]] || bench_$peer; done
	blank
	[[ $peers == *lvm* ]] || continue
	make_lvm
	say "$shape: LVM's are made"
	bench_lvm
	blank
done

echo
{ printf 'sets\tms\tmedian (range)\t\n'; cat "$results"; } | column -t -s "$(printf '\t')"
lab_done
