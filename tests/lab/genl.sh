#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=240
# Generic netlink families that are described in files: nbd (its server is killed, and that is heard before any request fails),
# drbd, families that come with their modules while spared runs, a description that a person adds, one that does not fit.
. "$LAB_REPO/tests/lab/lib/lab.sh"
. "$LAB_REPO/tests/lab/lib/spared.sh"

source_value() { sparectl sources --json | jq -r --arg n "$1" ".sources[] | select(.name == \$n) | .$2"; }
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
lab_done
