#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=240 module=contrib/blkerr
# Block errors over netlink: the module blkerr by itself (who may listen, what it counts), and spared with it: the same facts as
# the trace event gives, taken over and given back while spared runs, never from both, loss counted and followed by a new look.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

module=/results/bin/blkerr.ko
genl() { "$LAB_REPO/tests/lab/lib/genl.py" "$@"; }
as_nobody() { setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; }
source_value() { sparectl sources --json | jq -r --arg n "$1" ".sources[] | select(.name == \$n) | .$2"; }
sources_are() { [ "$(source_value blkerr state) $(source_value tracefs state)" = "$1" ]; }

# bad_read SECTOR [DEVICE]: a read of 8 sectors.
bad_read() { dd if="${2:-$dev}" of=/dev/null bs=4096 skip=$(($1 / 8)) count=1 iflag=direct status=none 2> /dev/null || true; }
# reads N: so many that fail, of one sector each, from the begin of the disk; then one that does not.
reads() {
	lab_medium 0 "$1"
	dd if="$dev" of=/dev/null bs=512 count=1 iflag=direct conv=noerror status=none 2> /dev/null || true
	lab_medium off
}
# facts STREAM: the block errors of a monitor, without what tells its broker, the source and the moment apart.
facts() { jq -c 'select(.event.kind == "block.error") | .event | [.device, .count, .facts]' "$LAB_OUT/$1"; }
# counted STREAM [SOURCE]: how many failed requests these events stand for.
counted() {
	jq -s --arg s "${2:-}" '[.[].event | select(.kind == "block.error" and ($s == "" or .source == $s)) | .count] | add' "/run/lab/files/$1"
}

modprobe dm-mod
lab_disks 3 32
dev=$(lab_dev 1) other=$(lab_dev 2)

# --- the module by itself ---------------------------------------------------------------------------------
insmod $module rate=40
lab_stream err "$LAB_REPO/tests/lab/lib/genl.py" listen blkerr errors
lab_stream_wait err listening 20
lab_trace_start
lab_medium 1000 8
bad_read 1000
line=$(lab_stream_wait err cmd=1 10)
say "$line"
like "an error is told to who listens" "$line" \
	"$(sed 's/\(.*\):\(.*\)/major=\1 minor=\2/' /sys/block/"${dev##*/}"/dev) diskseq=[0-9]+ sector=1000 sectors=8 operation=RS status=[0-9]+ errno=61 time=[0-9]+ seq=1 dropped=0\$"
is "with the disk's number" "$(grep -o 'diskseq=[0-9]*' <<< "$line")" "diskseq=$(cat /sys/block/"${dev##*/}"/diskseq)"
is "an unprivileged listener is refused" "$(as_nobody python3 "$LAB_REPO/tests/lab/lib/genl.py" listen blkerr errors 2>&1 || echo "$?")" \
	$'Operation not permitted\n3'
is "and may not ask" "$(as_nobody python3 "$LAB_REPO/tests/lab/lib/genl.py" ask blkerr 2 2>&1 || echo "$?")" $'Operation not permitted\n3'
lab_stream_mark err
reads 1000
line=$(lab_stream_wait err 'cmd=2 seq=1001 ' 10) # where the reads take their time an earlier note tells of some
say "$line"
sent=$(grep -c cmd=1 /run/lab/files/err) dropped=$(grep -o 'dropped=[0-9]*' <<< "$line")
is "what is beyond the rate is counted, and told soon" "$((sent + ${dropped#*=})) $(grep -o ' seq=[0-9]*' <<< "$line")" "1001  seq=1001"
is "who may ask is answered the same" "$(genl ask blkerr 2)" "$line"
is "the kernel's own trace has as many" "$(lab_trace | wc -l)" 1001
# A disk whose requests end in a timer's hard interrupt.
modprobe null_blk nr_devices=0
mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
null=/sys/kernel/config/nullb/n0
mkdir $null
echo 2 > $null/irqmode
echo 64 > $null/size
echo +1000-1007 > $null/badblocks
echo 1 > $null/power
lab_udev_settle
lab_wait_for '[ -b /dev/n0 ] || [ -b /dev/nullb0 ]' 10
nulldev=$(compgen -G '/dev/n*0' | grep -E '^/dev/(n0|nullb0)$')
lab_trace_start
lab_stream_mark err
# The flood may have used up what is told within a second.
lab_wait_for 'bad_read 1000 "$nulldev"; tail -n "+${lab_stream_from[err]}" /run/lab/files/err | grep -q cmd=1' 10
line=$(lab_stream_wait err cmd=1 10)
like "an error in a hard interrupt is told" "$line" 'sector=1000 sectors=8 operation=RS status=[0-9]+ errno=5 '
say "$(grep block_rq_error /sys/kernel/tracing/instances/lab/trace | tail -n1)"
ok "and it was one" grep -qE ' d[.nNpBbL]h[0-9.]*.* block_rq_error' /sys/kernel/tracing/instances/lab/trace
rmdir $null
modprobe -r null_blk
lab_stream_stop err
rmmod blkerr

mkdir -p /run/lab/files/old/linux
printf '#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))\n#define LINUX_VERSION_CODE KERNEL_VERSION(5, 17, 0)\n' \
	> /run/lab/files/old/linux/version.h
like "a kernel before 5.18 is refused when it is built" \
	"$(gcc -fsyntax-only -I /run/lab/files/old "$LAB_REPO/contrib/blkerr/blkerr.c" 2>&1 || true)" "needs Linux 5.18 or later"

# --- spared, and a second one that cannot see the module: the same errors by both ways ---------------------------------
spared_log_level=debug spared_configure no-such-set
spared_start
ok "without the module the trace event is heard" sources_are "off on"
is "and it is said why" "$(source_value blkerr reason)" "the kernel module blkerr is not loaded"
lab_stream_mark mon
lab_medium 1000 8
bad_read 1000
like "an error comes by it" "$(spared_event block.error "" 10)" '"source": ?"tracefs"'
lab_medium off

before=$(source_value tracefs received)
insmod $module rate=1000000
ok "the module is loaded while it runs: it takes over" lab_wait_for 'sources_are "on off"' 10
is "and it is said why" "$(source_value tracefs reason)" "blkerr tells it"
is "bios, of which the module knows nothing, still come by a trace event" "$(source_value bios state)" on
sed "s|^settle.*|&\ncontrol: /run/second/control.sock\nrun-dir: /run/second\nhistory: /run/second/history.db|" \
	/etc/spared/spared.yaml > /run/lab/files/second.yaml
# Families are of one network namespace; in another one only the trace event is there.
unshare -n spared -c /run/lab/files/second.yaml > "$LAB_OUT/second.log" 2>&1 &
second_pid=$!
second() { sparectl --control /run/second/control.sock "$@"; }
lab_wait_for 'second status' 30
lab_stream two second monitor --json
lab_wait_for '[ "$(second status --json | jq .broker.subscribers)" -gt 0 ]'
lab_stream_stop mon
spared_monitor mon --json
lab_trace_start
lab_medium 1000 4000
for sector in 1000 2048 3000; do bad_read $sector; bad_read $((sector + 800)) "$other"; done
dd if="$other" of=/dev/null bs=64k skip=30 count=1 iflag=direct status=none 2> /dev/null || true
lab_medium off
# A disk that is offline fails writes too: an error of another kind.
exec 7<> "$dev"
echo offline > /sys/block/"${dev##*/}"/device/state
dd if=/dev/zero bs=4096 count=2 oflag=direct conv=notrunc status=none >&7 2> /dev/null || true
exec 7>&-
echo running > /sys/block/"${dev##*/}"/device/state
failed=$(lab_trace | wc -l)
ok "both hear all" lab_wait_for '[ "$(counted mon)" = "$failed" ] && [ "$(counted two)" = "$failed" ]' 20
lab_stream_stop two
lab_stream_stop mon
is "one by netlink, the other by the trace event" "$(jq -r 'select(.event.kind == "block.error") | .event.source' "$LAB_OUT"/{mon,two} | sort | uniq -c | awk '{print $2}' | xargs)" "blkerr tracefs"
is "the facts are the same" "$(facts mon)" "$(facts two)"
say "$(facts mon | wc -l) events of $failed errors, such as $(facts mon | sed -n 1p)"
kill -TERM "$second_pid"
wait "$second_pid" || true
is "nothing more came by the trace event of the first" "$(source_value tracefs received)" "$before"

# --- taken over and given back in the middle of a storm ---------------------------------------------------------------
rmmod blkerr
ok "the module goes: the trace event is heard again" lab_wait_for 'sources_are "off on"' 10
spared_monitor mon --json
lab_trace_start
touch /run/lab/files/storm
while [ -e /run/lab/files/storm ]; do reads 500; done &
reader=$!
lab_stream_wait mon '"kind": ?"block.error"' 10 > /dev/null
insmod $module rate=1000000
lab_wait_for 'sources_are "on off"' 10
lab_wait_for '[ "$(source_value blkerr received)" -gt 500 ]' 10
rm /run/lab/files/storm
wait "$reader"
failed=$(lab_trace | wc -l)
ok "each error is told once, by one or the other" lab_wait_for '[ "$(counted mon)" = "$failed" ]' 20
say "by tracefs $(counted mon tracefs), by blkerr $(counted mon blkerr)"
ok "some by each" test "$(counted mon tracefs)" -gt 0 -a "$(counted mon blkerr)" -gt 0
is "nothing was lost by that" "$(source_value tracefs lost) $(source_value blkerr lost)" "0 0"

lab_stream_mark mon
rmmod blkerr
line=$(spared_event broker.overflow "" 10)
like "when it goes, there is a moment that nobody heard: it is told" "$line" '"overflow.source": ?"blkerr"'
ok "and all is looked at again" spared_event broker.resynced "" 20
ok "the trace event is heard again" sources_are "off on"
lab_stream_mark mon
lab_medium 1000 8
bad_read 1000
like "and tells" "$(spared_event block.error "" 10)" '"source": ?"tracefs"'
lab_medium off

# --- loss --------------------------------------------------------------------------------------------------
insmod $module rate=50
lab_wait_for 'sources_are "on off"' 10
before=$(source_value blkerr received) lost=$(source_value blkerr lost)
lab_stream_mark mon
reads 500
line=$(spared_event broker.overflow "" 10)
like "what the module drops is told" "$line" '"overflow.source": ?"blkerr".*"overflow.lost": ?[1-9]'
ok "and followed by a new look" spared_event broker.resynced "" 20
ok "heard and lost are all there were" \
	lab_wait_for '[ $(($(source_value blkerr received) - before + $(source_value blkerr lost) - lost)) = 500 ]' 10
say "heard $(($(source_value blkerr received) - before)), lost $(($(source_value blkerr lost) - lost))"

say "more errors than the socket holds while the broker is stopped"
ok "the socket is made small" spared_room 16 $((64 << 10))
echo 1000000 > /sys/module/blkerr/parameters/rate
before=$(source_value blkerr received) lost=$(source_value blkerr lost)
lab_stream_mark mon
kill -STOP "$spared_pid"
reads 2000
kill -CONT "$spared_pid"
line=$(spared_event broker.overflow "" 20) || sparectl sources
like "the loss is told" "$line" '"overflow.source": ?"blkerr".*"overflow.lost": ?[1-9]'
ok "and followed by a new look" spared_event broker.resynced "" 20
ok "heard and lost are all there were" \
	lab_wait_for '[ $(($(source_value blkerr received) - before + $(source_value blkerr lost) - lost)) = 2000 ]' 10
say "heard $(($(source_value blkerr received) - before)), lost $(($(source_value blkerr lost) - lost))"
say "$(sparectl sources)"
spared_stop
rmmod blkerr

# --- loaded by its name ---------------------------------------------------------------------------------------
# What depmod would write down, by hand: it reads the whole tree, for half a minute.
printf 'alias %s blkerr\ninstall blkerr insmod %s $CMDLINE_OPTS\n' "$(modinfo -F alias $module)" $module > /etc/modprobe.d/blkerr.conf
spared_start
ok "an installed module is loaded by the family's name when spared starts" lab_wait_for 'sources_are "on off"' 10
spared_stop
rm /etc/modprobe.d/blkerr.conf
rmmod blkerr
lab_done
