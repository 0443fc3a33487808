#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What systemd counts as open in the service is what docs/security.md says of it: the figure, and a line for each exposure.
#   exposure.sh UNIT SECURITY.MD
set -euo pipefail
unit=$1 doc=$2 status=0
said=$(LC_ALL=C.UTF-8 systemd-analyze security --offline=true --no-pager "$unit")
figure=$(sed -n 's/^→ Overall exposure level for .*: \([0-9.]*\) .*/\1/p' <<< "$said")
if [ -z "$figure" ] || ! grep -qF "\`systemd-analyze security\` says $figure " "$doc"; then
	echo "$doc does not say that the exposure is ${figure:-(nothing was said)}"
	status=1
fi
table=$(grep '^| ' "$doc")
n=0
while read -r _ name _; do
	n=$((n + 1))
	# SystemCallFilter=~@privileged, CapabilityBoundingSet=~CAP_SET(UID|GID|PCAP): what is open; PrivateUsers=: the setting.
	word=${name#*=~}
	word=${word%%[=/]*}
	grep -qE "\`${word}[\`=]" <<< "$table" || { echo "$doc does not explain $name"; status=1; }
done < <(grep '^✗' <<< "$said")
[ "$n" -gt 0 ] || { echo "no exposure was found: is the output another one?"; status=1; }
exit $status
