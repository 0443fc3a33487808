#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The command line: help, mistakes, exit statuses, no daemon.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

none=(--control "$work/none.sock" --config "$work/none.yaml")
ok "no command prints help" 0 "$sparectl"
like "help lists the commands" '^  array fail \[ARRAY\] DEVICE  '
like "help tells the exit statuses" '^Exit status: 0 done; 1 .* 4 refused'
ok "help of a command" 0 "$sparectl" array start --help
like "with its options" '^  --force '
ok "help of a command, the other way" 0 "$sparectl" help array start
like "with its usage" '^usage: sparectl array start ARRAY'
ok "the version" 0 "$sparectl" --version

ok "an unknown command" 2 "$sparectl" statsu
like "names the nearest" "did you mean 'status'"
ok "an unknown second word" 2 "$sparectl" array strat x
like "names the nearest of the group" "did you mean 'array start'"
ok "an unknown option" 2 "$sparectl" status --jsom
like "names the nearest option" "did you mean '--json'"
ok "an option of another command" 2 "$sparectl" status --force
like "is told" "has no option '--force'"
ok "a missing value" 2 "$sparectl" history --since
like "is told with its name" "--since TIME"
ok "too few arguments" 2 "$sparectl" array start
like "print the usage" "usage: sparectl array start ARRAY"
ok "a bad number" 2 "$sparectl" history -n many "${none[@]}"
ok "a bad time" 2 "$sparectl" history --since yesterday "${none[@]}"
ok "a bad duration" 2 "$sparectl" maintenance on sdb --for 10 "${none[@]}"
like "with a hint at units" "unit"
ok "an unknown fact" 2 "$sparectl" inject block.error error.stats=io "${none[@]}"
like "is named" "no fact 'error.stats'"
ok "a value of the wrong type" 2 "$sparectl" inject block.error error.sector=many "${none[@]}"
ok "a wrong word" 2 "$sparectl" inject block.error error.status=wrong "${none[@]}"

for verb in status monitor history sources "array stop x" "spare add sdb" "maintenance on x" "rules why r s" "rules reload" "rules approve x"; do
	# shellcheck disable=SC2086
	ok "no daemon: $verb" 3 "$sparectl" $verb "${none[@]}"
	like "and what to do" "spared does not run.*systemctl start spared"
done
ok "an error as JSON" 3 "$sparectl" status --json "${none[@]}"
like "has a code" '"code": ?"no-daemon"'
ok "an array needs a level" 2 "$sparectl" array create x sdb sdc "${none[@]}"
like "which are named" "raid0, raid1, raid4, raid5, raid6 or raid10"
ok "and a format that is made" 2 "$sparectl" array create x sdb sdc --level raid1 --format isw "${none[@]}"
ok "a size is one" 2 "$sparectl" array create x sdb sdc --level raid1 --size large "${none[@]}"
like "and others are refused" "'large' is not a size"
ok "an array is not deleted without a word" 4 "$sparectl" array delete x "${none[@]}"
like "and says what it means" "its data with it"
ok "nor is a set" 4 "$sparectl" set delete x "${none[@]}"
ok "a forced start is not done without a word" 4 "$sparectl" array start x --force "${none[@]}"
like "and says what it risks" "may be lost"
end
