#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=240 module=contrib/blkerr
# Generic netlink families that are described in files: nbd (its server is killed, and that is heard before any request fails),
# drbd, families that come with their modules while spared runs, a description that a person adds, one that does not fit.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

source_value() { sparectl sources --json | jq -r --arg n "$1" ".sources[] | select(.name == \$n) | .$2"; }
genl() { "$LAB_REPO/tests/lab/lib/genl.py" "$@"; }
genl_says() { lab_wait_for "grep -qE \"$1\" <<< \"\$(source_value genl reason)\"" 10; }

spared_configure no-such-set
mkdir -p /etc/spared/genl.d
sed -i "s|^settle.*|&\ngenl: {dirs: [\"$LAB_REPO/config/default/genl.d\", /etc/spared/genl.d]}|" /etc/spared/spared.yaml
# A rule may listen to what is described.
cat > /etc/spared/rules.d/50-link.yaml <<'END'
version: 1
rules:
  - name: nbd-dead
    description: The server of a network disk is gone.
    event: link.dead
    where: {message.state: dead}
    do:
      - notify: {severity: critical, text: "${device.name} has lost its server (${message.family})"}
END
spared_start
is "nothing is heard while the modules are not there" "$(source_value genl reason)" "not there: drbd, nbd"

modprobe nbd nbds_max=2
ok "a module comes: its family is heard" genl_says '^hears nbd; not there: drbd$'
truncate -s 16M /run/lab/files/nbd.img
nbdkit -f -U /run/lab/files/nbd.sock file /run/lab/files/nbd.img &
server=$!
lab_wait_for '[ -S /run/lab/files/nbd.sock ]'
nbd-client -unix /run/lab/files/nbd.sock /dev/nbd0 -timeout 3 > /dev/null
lab_udev_settle
ok "the disk is known" lab_wait_for 'sparectl status --json | jq -e ".status.devices[] | select(.name == \"nbd0\")"' 20
id=$(sparectl status --json | jq -r '.status.devices[] | select(.name == "nbd0") | .id')
dd if=/dev/nbd0 of=/dev/null bs=4096 count=1 iflag=direct status=none

lab_stream_mark mon
kill -9 "$server"
dd if=/dev/nbd0 of=/dev/null bs=4096 skip=8 count=1 iflag=direct status=none 2> /dev/null || true
dead=$(spared_event link.dead "" 20)
error=$(spared_event block.error "" 30)
say "$(jq -c '.event | [.seq, .kind, .source, .facts, .extra]' <<< "$dead")"
say "$(jq -c '.event | [.seq, .kind, .source, .facts]' <<< "$error")"
seq_of() { jq .event.seq <<< "$1"; }
time_of() { jq .event.time <<< "$1"; }
ok "the server's death is heard before the first request fails" test "$(seq_of "$dead")" -lt "$(seq_of "$error")"
say "$((($(time_of "$error") - $(time_of "$dead")) / 1000000)) ms before"
is "as an event about the disk" "$(jq -r .event.device <<< "$dead")" "$id"
is "with facts" "$(jq -r '.event.facts | ."message.family", ."message.about", ."message.state"' <<< "$dead" | xargs)" "nbd nbd0 dead"
ok "a rule hears it" lab_wait_for 'grep -q "nbd0 has lost its server (nbd)" "$LAB_OUT/notices"' 10
nbd-client -d /dev/nbd0 > /dev/null 2>&1 || true
lab_wait_for '! [ -e /sys/block/nbd0/pid ]' 10

# --- DRBD: a resource and a device of it are made, by the requests that drbdsetup would send ---------------------------
modprobe drbd
ok "another module comes" genl_says '^hears drbd, nbd$'
context=0700020072300000 # an attribute 2, "r0"; the attribute 2 around it says that it is nested
lab_stream_mark mon
genl ask drbd 7 ffffffff00000000"0c000280$context"
line=$(spared_event link.role '"message.about": ?"r0"' 20)
is "DRBD's new resource is heard" "$(jq -r '.event | .facts."message.family", .facts."message.state", .extra."notification.what"' <<< "$line" | xargs)" \
	"drbd secondary create"
genl ask drbd 5 0700000000000000"140002800800010000000000$context"
line=$(spared_event link.disk-state "" 20)
say "$(jq -c '.event | [.kind, .facts, .extra]' <<< "$line")"
is "and its device, in words" "$(jq -r '.event.facts | ."message.about", ."message.state", ."message.value"' <<< "$line" | xargs)" "r0 diskless 7"
genl ask drbd 6 0700000000000000"140002800800010000000000$context"
genl ask drbd 8 ffffffff00000000"0c000280$context"
rmmod drbd
ok "a module goes" genl_says '^hears nbd; not there: drbd$'

# --- a family that a person describes: by the module blkerr, whose messages are known well -----------------------------------
cat > /etc/spared/genl.d/50-site.yaml <<'END'
version: 1
family: blkerr
group: errors
attributes:
  major: {id: 1, type: u32}
  minor: {id: 2, type: u32}
  operation: {id: 6, type: text}
  errno: {id: 8, type: u32, words: {61: no-data}}
messages:
  error:
    command: 1
    event: site.block-error
    facts: {message.about: "${major}:${minor}", message.state: "${errno}", message.value: "${mnor}"}
END
nok "a mistake is refused" sparectl rules reload
like "with its place and a hint" "$(sparectl rules reload 2>&1)" "50-site.yaml:13:94: error: there is no value 'mnor'"
like "did you mean" "$(sparectl rules reload 2>&1)" "did you mean 'minor'"
sed -i 's/mnor/minor/' /etc/spared/genl.d/50-site.yaml
ok "without it the family is described" sparectl rules reload
is "and not there yet" "$(source_value genl reason)" "hears nbd; not there: blkerr, drbd"
insmod /results/bin/blkerr.ko
ok "until its module comes" genl_says '^hears blkerr, nbd; not there: drbd$'
lab_disks 1 32
bad_read() {
	lab_medium 1000 8
	dd if="$(lab_dev 1)" of=/dev/null bs=4096 skip=125 count=1 iflag=direct status=none 2> /dev/null || true
	lab_medium off
}
lab_stream_mark mon
bad_read
line=$(spared_event site.block-error "" 20)
is "its messages are events" "$(jq -r '.event.facts | ."message.about", ."message.state", ."message.value"' <<< "$line" | xargs)" \
	"$(cat /sys/block/"$(basename "$(lab_dev 1)")"/dev) no-data 0"
is "none was malformed" "$(source_value genl dropped)" 0

sed -i 's/type: text/type: u64/' /etc/spared/genl.d/50-site.yaml
ok "a description that does not fit" sparectl rules reload
bad_read
ok "messages that are not as described are counted" lab_wait_for '[ "$(source_value genl dropped)" = 1 ]' 10
ok "and the first is told" grep -q 'a message of blkerr is not as described: operation: 3 bytes, not 8' "$LAB_OUT/spared.log"
say "$(sparectl sources)"

# --- only the kernel is believed -------------------------------------------------------------------------------------
before=$(source_value genl dropped)
genl send blkerr errors 01010000
ok "a message of another process is counted, and not used" lab_wait_for "[ \"\$(source_value genl dropped)\" -gt $before ]" 10
spared_stop
rmmod blkerr
lab_done
