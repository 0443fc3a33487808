#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=1800 manual
# kills.sh [all]: without all a dozen points, with it every one.
# kill -9 at any point of a plan: a member fails, the failure is recorded, a spare takes its place, the end of the rebuild
# is recorded. Before each mark of the executor and each call that makes a table live or takes a device away, the act process is
# killed, or the broker with it, or the broker alone while act goes on. Four sets at a time, each at a point of its own. Every
# time the daemon has to come to the same end by itself: nothing suspended, nothing left over, one spare used, and status,
# mdadm -E and those who write agree. The daemon is tests/lab/spared_held.c.
# shellcheck source=lib/lab.sh
. "$LAB_REPO/tests/lab/lib/lab.sh"
# shellcheck source=lib/spared.sh
. "$LAB_REPO/tests/lab/lib/spared.sh"
PATH=$LAB_BUILD/bin/held:$PATH

SETS=4 DISKS=6 hold=/run/lab/hold
declare -A guid disks waste broken=([a1]="" [a2]="" [a3]="" [a4]="")

# --- the arrays ---------------------------------------------------------------------------------------------

# Slot numbers are the same everywhere, so are sizes; each set has three spares.
make_sets() {
	local i
	modprobe dm-raid
	lab_disks $((DISKS * SETS)) 40
	for ((i = 1; i <= SETS; i++)); do
		disks[$i]=$(lab_devs $((DISKS * (i - 1) + 1))-$((DISKS * i)))
		# shellcheck disable=SC2086
		mdadm --create "/dev/md/c$i" --metadata=ddf -n $DISKS ${disks[$i]} --run
		# shellcheck disable=SC2046
		mdadm --create "/dev/md/a$i" --level=5 -n 3 --chunk=64 --size=4M $(head -n3 <<< "${disks[$i]}") --run
	done > "$LAB_OUT/mdadm" 2>&1
	lab_udev_settle
	lab_md_taken_over
	for ((i = 1; i <= SETS; i++)); do lab_md_sync "a$i"; done
	lab_md_stop
	for ((i = 1; i <= SETS; i++)); do guid[$i]=$(spared_set_of "$(lab_dev $((DISKS * i)))"); done
}

# As the shipped rules, without their limits and waits, nor the budget.
configure() {
	spared_configure '*'
	cp "$LAB_REPO/config/default/rules.d/10-assemble.yaml" /etc/spared/rules.d/
	sed -i 's|^rules:.*|rules: {dirs: [/etc/spared/rules.d]}|' /etc/spared/spared.yaml
	echo "budget: {plans-per-hour: 1000}" >> /etc/spared/spared.yaml
	cat > /etc/spared/rules.d/50-spare.yaml <<-'RULES'
		version: 1
		rules:
		  - name: member-failed # lint: no-guard
		    description: A spare takes the place of a failed member.
		    event: array.member-failed
		    where: {member.state: failed, device.present: true}
		    do: [activate-spare]
		  - name: fill-empty-slot
		    description: A slot that stayed empty gets a spare.
		    watch: member
		    where: {member.state: [failed, empty], array.state: degraded, array.rebuilding: false, array.spares: {ge: 1}}
		    for: 1s
		    do: [activate-spare]
		  - name: again # lint: no-guard
		    description: What was interrupted is tried again.
		    event: action.failed
		    where: {action.name: activate-spare}
		    do: [activate-spare]
	RULES
}

# break_members SLOT: the disk there answers no more, in each array; those who write meet it. heal: it does.
break_members() {
	local i
	for ((i = 1; i <= SETS; i++)); do
		broken[a$i]=$(spared_disk_at "a$i" "$1")
		waste[$i]+=" ${broken[a$i]}"
	done
	for ((i = 1; i <= SETS; i++)); do echo offline > "/sys/block/${broken[a$i]}/device/state"; done
}
heal() {
	local i
	for ((i = 1; i <= SETS; i++)); do echo running > "/sys/block/${broken[a$i]}/device/state"; done
}

# recovered SPARES: each array is optimal without the disk that failed, and so many spares are left.
recovered() {
	local name json=
	for name in "${!broken[@]}"; do json+=${json:+,}"\"$name\":\"${broken[$name]}\""; done
	lab_pause 0.2
	sparectl status --json | jq -e --argjson broken "{$json}" --argjson spares "$1" '.status.arrays
		| length == ($broken | length) and all(.[]; .name as $n | .state == "optimal" and .plan == ""
			and all(.members[]; .name != $broken[$n])
			and ([.spares[] | select(.state == "idle")] | length) == $spares)'
}

# Lines "ARRAY DISK STATE" of members and idle spares, as the status has them, and as mdadm reads them on a member of each
# array; that one names disks by their reference (refs), and lists those that failed and were replaced as well.
status_says() {
	sparectl status --json | jq -r '.status.arrays[] | .name as $n | (.members[] | "\($n) \(.name) \(.state)"),
		(.spares[] | select(.state == "idle") | "\($n) \(.name) spare")' | sort
}
mdadm_says() {
	local i
	for ((i = 1; i <= SETS; i++)); do
		echo "= a$i"
		mdadm -E "/dev/$(grep -m1 "^a$i .* in-sync" <<< "$ours" | cut -d' ' -f2)"
	done | spared_disk_states "$refs"
}
# read_refs: REFERENCE=DISK of every disk.
read_refs() {
	local disk
	refs=$(for disk in /dev/sd?; do
		echo "= $disk"
		mdadm -E "$disk"
	done | awk '$1 == "=" { disk = $2 } $4 == disk { sub("/dev/", "", disk); print $2 "=" disk }' | tr '\n' ' ')
}

# --- points -------------------------------------------------------------------------------------------------

# What act passes through, of the first set, as lines "PHASE NUMBER POINT": the plan that recorded the failure, the one
# that activated the spare, the one that recorded the end of the rebuild.
points() {
	awk -v set="${guid[1]}" '
		function flush(i, phase, seen) {
			split("", seen)
			if (!commits) return
			phase = steps ~ /activate-spare/ ? "activate-spare" : activated ? "finish" : "record"
			if (phase == "activate-spare") activated = 1
			if (!done[phase]++)
				for (i = 1; i <= n; i++) print phase, ++seen[what[i]], what[i]
		}
		$1 == set {
			point = $0
			sub(/^[^ ]+ [^ ]+ /, "", point)
			if (point == "open") { flush(); n = commits = 0; steps = $2; next }
			what[++n] = point
			commits = commits || point == "commit format"
		}
		END { flush() }' $hold/trace
}

# order NUMBER "PHASE N POINT": this set's act is to stop there.
order() {
	local phase=${2%% *} file=$hold/${guid[$1]}
	case $phase in
	finish) echo "record ${2#* }" > "$file.next" ;;
	*) echo "$2" > "$file" ;;
	esac
}

# round WHO CASE...: a case for each set; WHO is killed: act, both or broker.
round() {
	local who=$1 slot=$((rounds % 3)) i ours theirs mine
	shift
	rounds=$((rounds + 1))
	rm -f $hold/*.held $hold/*.next
	for ((i = 1; i <= SETS; i++)); do order $i "${@:i:1}"; done
	break_members $slot
	lab_wait_for "[ \$(ls $hold/*.held 2> /dev/null | wc -l) = $SETS ]" 30 || ls $hold
	heal
	spared_kill_held "$who"
	spares=$((spares - 1))
	lab_wait_for "recovered $spares" 60 || sparectl status
	is "nothing stays suspended, $who killed" "$(dmsetup info -c --noheadings -o name,suspended | grep -c Suspended)" 0
	ours=$(status_says) theirs=$(mdadm_says)
	for ((i = 1; i <= SETS; i++)); do
		mine=$(grep "^a$i " <<< "$ours")
		is "$who killed before ${*:i:1}: whole, by one spare" \
			"$(grep -c ' in-sync$' <<< "$mine") $(grep -c ' spare$' <<< "$mine")" "3 $spares"
		is "mdadm -E says so, too" "$(grep "^a$i " <<< "$theirs" | grep -v ' failed$')" "$mine"
	done
	# The array, two devices for each member, and what holds each disk.
	is "no device is left over" "$(dmsetup ls | grep -c .)" $((SETS * (1 + 2 * 3 + DISKS)))
	[ $spares -gt 1 ] || give_back
}

# The disks that failed are wiped, and spares again.
give_back() {
	local i disk
	for ((i = 1; i <= SETS; i++)); do
		for disk in ${waste[$i]}; do
			dd if=/dev/zero of="/dev/$disk" bs=1M oflag=direct status=none 2> /dev/null || true
		done
	done
	udevadm trigger --action=change --settle --subsystem-match=block
	for ((i = 1; i <= SETS; i++)); do
		for disk in ${waste[$i]}; do
			lab_wait_for "sparectl spare add /dev/$disk --array a$i" 10
		done
		waste[$i]=
	done
	spares=3
	lab_wait_for "recovered $spares" 20
	read_refs
}

# --- the story ----------------------------------------------------------------------------------------------

mkdir -p $hold
make_sets
configure
spared_start
spares=3 rounds=0
lab_wait_for "recovered $spares" 60
read_refs
for ((i = 1; i <= SETS; i++)); do lab_writer_start "a$i" "/dev/mapper/a$i" --pace 20000; done

say "a rehearsal: what act passes through"
: > $hold/trace
break_members 0
spares=2
lab_wait_for "recovered $spares" 60
heal
mapfile -t every < <(points)
cp $hold/trace "$LAB_OUT/"
printf '#   %s\n' "${every[@]}"

some=("record 1 commit encode" "record 1 commit format" "record 1 commit stamps" "record 1 commit written"
	"activate-spare 1 commit format" "activate-spare 1 private device" "activate-spare 1 swap load"
	"activate-spare 1 swap suspend" "activate-spare 3 dm resume" "activate-spare 1 dm remove"
	"activate-spare 2 commit format" "finish 1 commit format")
for want in "${some[@]}"; do ok "a point: $want" grep -qx "$want" <(printf '%s\n' "${every[@]}"); done

# rounds_of WHO CASE...
rounds_of() {
	local who=$1
	shift
	while [ $# -gt 0 ]; do
		# The last round is filled up.
		[ $# -ge $SETS ] || set -- "$@" "${some[@]:0:SETS-$#}"
		round "$who" "${@:1:SETS}"
		shift $SETS
	done
}
if [ "${1:-}" = all ]; then
	for who in act both broker; do rounds_of $who "${every[@]}"; done
else
	rounds_of act "${some[@]}"
	rounds_of both "${some[@]}"
	rounds_of broker "record 1 commit format" "activate-spare 1 swap load" "activate-spare 1 swap suspend" "finish 1 commit format"
fi

for ((i = 1; i <= SETS; i++)); do lab_writer_clean "a$i"; done
for ((i = 1; i <= SETS; i++)); do dmsetup message "a$i" 0 check; done
for ((i = 1; i <= SETS; i++)); do
	lab_wait_for "dmsetup status a$i | grep -q ' idle '" 30
	is "a$i: the parity is right" "$(dmsetup status "a$i" | awk '{ print $9 }')" 0
done
spared_stop
lab_done
