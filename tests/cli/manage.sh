#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The files that `sparectl manage` writes, below another root: idempotent, and undone by release byte for byte.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

one=4c696e75782d4d44deadbeef00000000583480bb74b063ae
two=4c696e75782d4d44deadbeef00000000583480bb74b063af
mkdir -p root/etc/mdadm root/etc/spared
printf 'HOMEHOST <system>\nMAILADDR root\n' > root/etc/mdadm/mdadm.conf
printf '# ours\nversion: 1\nmanage: [] # nothing yet\nsettle: 3s\n' > root/etc/spared/spared.yaml
chmod 640 root/etc/mdadm/mdadm.conf
cp -a root before

ok "a dry run" 0 "$sparectl" manage $one --root root --dry-run
like "shows mdadm's line" '^\+ARRAY <ignore> metadata=ddf UUID=30237a06:9da769f7:3c6cb7fb:68107a77'
like "and the rule" '^\+ENV\{SPARED_SET\}=="'$one'", .*ENV\{nodmraid\}="spared"'
like "and the setting" "^\+manage: \[$one\] # nothing yet"
ok "and changes nothing" 0 diff -r before root
ok "manage" 0 "$sparectl" manage $one --root root
cp -a root after
ok "manage again" 0 "$sparectl" manage $one --root root
like "says so" 'already so'
ok "and changes nothing" 0 diff -r after root
same "the file's mode is kept" "$(stat -c %a root/etc/mdadm/mdadm.conf)" 640
ok "the same GUID as mdadm prints it" 0 "$sparectl" manage 4C696E75:782D4D44:DEADBEEF:00000000:583480BB:74B063AE --root root
ok "changes nothing either" 0 diff -r after root
ok "a second set" 0 "$sparectl" manage $two --root root
ok "is released alone" 0 "$sparectl" release $two --root root
ok "and leaves the first" 0 diff -r after root
ok "two at once" 0 "$sparectl" manage $one $two --root root
same "have a rule each" "$(grep -c '^ENV{SPARED_SET}' root/etc/udev/rules.d/61-spared-managed.rules)" 2
ok "both are released" 0 "$sparectl" release $two $one --root root --json
like "as JSON" '"ok": ?true'
rmdir root/etc/udev/rules.d root/etc/udev
ok "everything is as before" 0 diff -r before root
ok "releasing again is no mistake" 0 "$sparectl" release $one --root root
ok "nor does it change anything" 0 diff -r before root

printf 'version: 1\nmanage: [\n' > root/etc/spared/spared.yaml
cp -a root broken
ok "settings that cannot be parsed" 1 "$sparectl" manage $one --root root
like "are refused with their place" 'spared.yaml:[0-9]+:[0-9]+: '
ok "and no file is written" 0 diff -r broken root
ok "no set" 1 "$sparectl" manage nosuchset --root root
like "says what a set is" 'GUID, or the path of a member'
ok "a disk without metadata" 1 "$sparectl" manage /etc/passwd --root root
end
