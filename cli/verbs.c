// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of commands: what they take, and what --help teaches. Completion and the manual's test read it, too. */
#include "cli/cli.h"

#define CHANGING (OPT(DRY_RUN) | OPT(NO_WAIT))
#define LOCKING (OPT(DRY_RUN) | OPT(ROOT) | OPT(INITRAMFS))
#define ASKS (1u << CLI_NO_DAEMON)
#define CHANGES (1u << CLI_NO_DAEMON | 1u << CLI_REFUSED)

const struct verb cli_verbs[] = {
	/* ---- looking ---- */
	{
		"status",
		"",
		"arrays, members, spares, rebuilds and open cases",
		OPT(WATCH) | OPT(VERBOSE),
		0,
		0,
		verb_status,
		.about = "The first command to run: what spared knows now. An array stands with its members by slot "
			 "and\n"
			 "its spares; below them stand the disks that something is wrong with.",
		.examples = {{"sparectl status --watch", "draws it again whenever something happens"},
			     {"sparectl status --json | jq '.status.arrays[] | {name, state}'", "for a program"}},
		.exits = ASKS,
		.see = "history, monitor, rules why",
	},
	{
		"monitor",
		"",
		"events, verdicts, plans and outcomes as they happen",
		OPT(TYPE),
		0,
		0,
		verb_monitor,
		.about = "Prints a line for each thing that happens, until it is interrupted or spared ends.",
		.examples = {{"sparectl monitor --type verdict,plan,outcome",
			      "what rules decide, and what comes of it"},
			     {"sparectl monitor --json | while read -r line; do ...; done", "a line of JSON each"}},
		.exits = ASKS,
		.see = "history, spared-protocol(7)",
	},
	{
		"history",
		"",
		"what happened, newest last",
		OPT(DEVICE) | OPT(ARRAY) | OPT(RULE) | OPT(KIND) | OPT(TYPE) | OPT(PERSON) | OPT(SINCE) | OPT(UNTIL) |
			OPT(LIMIT) | OPT(VERDICT) | OPT(PLAN) | OPT(ERRORS),
		0,
		0,
		verb_history,
		.about = "Reads what spared has stored: events, verdicts, plans (intents) and their outcomes, cases, "
			 "and the\n"
			 "commands of people. Options narrow it, all of them together. With --verdict: why a rule "
			 "fired, with\n"
			 "the events that made it fire and what came of it. With --errors: a count by day and device.",
		.examples = {{"sparectl history --array data --since 1h", "the last hour of an array"},
			     {"sparectl history --errors --since 30d", "which disks had errors on which days"}},
		.no = "there is no such verdict, or the history cannot be read",
		.exits = ASKS,
		.see = "monitor, rules why, spared.yaml(5) for how long it is kept",
	},
	{
		"inject",
		"KIND [FACT=VALUE...]",
		"what rules would do on this event; with --live: do it",
		OPT(LIVE) | OPT(DEVICE) | OPT(ARRAY) | OPT(SLOT),
		1,
		-1,
		verb_inject,
		.about = "Works out on a copy what the running rules would do if this event came now. Nothing changes, "
			 "unless\n"
			 "--live is given: then the event is counted, rules act on it, and it is marked as injected.",
		.examples = {{"sparectl inject block.error device.name=sdb error.status=medium event.count=10",
			      "what ten errors on sdb would do"},
			     {"sparectl inject array.degraded array.name=data --live", "a drill, for real"}},
		.no = "no rule would fire",
		.exits = ASKS,
		.see = "rules why, rules test, rules doc",
	},
	{
		"forecast",
		"[FILE]",
		"what would happen if a member failed, or was pulled, now",
		OPT(PULL) | OPT(RULES),
		0,
		1,
		verb_forecast,
		.about = "On paper, by the rules and guards that run: for each member of each array what acts when it "
			 "has\n"
			 "errors, fails or is pulled, which spare takes its place, and what is left then; or why "
			 "nothing\n"
			 "does. Nothing is changed. With a recording: as of when it was made, with its rules.",
		.examples = {{"sparectl forecast", "nightly, from a timer: spared-forecast.timer"},
			     {"sparectl forecast --pull sdb", "before that disk is pulled"}},
		.yes = "whichever member goes next, a spare takes its place",
		.no = "of some array one would not be replaced",
		.exits = ASKS,
		.see = "status, inject, rules why",
	},
	{
		"record",
		"[FILE]",
		"what decides, and what happened, as a file for a report",
		OPT(SINCE),
		0,
		1,
		verb_record,
		.about = "Writes a recording: arrays, devices, spares and settings as they were, the events, verdicts "
			 "and\n"
			 "commands since (a day, if --since is not given), and the rules. It holds no data of disks.",
		.examples = {{"sparectl record --since 2h report.jsonl", "the last two hours"},
			     {"sparectl record | gzip > report.jsonl.gz", "the last day, packed"}},
		.exits = ASKS,
		.see = "forecast, replay, history",
	},
	{
		"replay",
		"[FILE]",
		"what happened, under other rules",
		OPT(RULES) | OPT(SINCE) | OPT(VERBOSE),
		0,
		1,
		verb_replay,
		.about = "Plays a recording, or what the daemon's history has, on a virtual clock: once with the "
			 "recorded\n"
			 "rules, once with those on disk or of --rules. What differs stands in two columns; with "
			 "--verbose\n"
			 "all. Nothing is changed, and the same recording gives the same answer.",
		.examples = {{"sparectl replay --since 7d --rules ./new.d", "before these rules are installed"},
			     {"sparectl replay report.jsonl", "somebody's recording, with the rules on disk"}},
		.yes = "nothing differs",
		.no = "something differs, or it cannot be replayed",
		.exits = ASKS,
		.see = "record, rules test, inject",
	},
	{
		"sources",
		"",
		"where events come from, and what was lost",
		0,
		0,
		0,
		verb_sources,
		.about = "A row for each source of events: whether it is heard, how many messages came, how many were "
			 "dropped\n"
			 "as malformed, merged with others, or lost by the kernel, and how often all was read again.",
		.examples = {{"sparectl sources", "a table"},
			     {"sparectl sources --json | jq '.sources[] | .name, .lost'", "for a program"}},
		.exits = ASKS,
		.see = "metrics, status",
	},
	{
		"metrics",
		"",
		"counters and states as Prometheus reads them",
		0,
		0,
		0,
		verb_metrics,
		.about = "Prints the metrics in Prometheus' text format: for node_exporter's textfile collector, or "
			 "behind\n"
			 "any small web server. With --json the text is a string of an object.",
		.examples = {{"sparectl metrics > /var/lib/prometheus/node-exporter/spared.prom",
			      "from a timer, each minute"},
			     {"sparectl metrics | grep spared_array_state", "by hand"}},
		.exits = ASKS,
		.see = "sources, status",
	},

	/* ---- changing ---- */
	{
		"array start",
		"ARRAY",
		"start an array",
		CHANGING | OPT(FORCE) | OPT(DEGRADED) | OPT(READ_ONLY) | OPT(YES),
		1,
		1,
		verb_array,
		.about = "Reads all copies of the metadata, writes what the slices know and they do not, and loads the "
			 "table.\n"
			 "--degraded starts it although members are missing; --force although more are missing than "
			 "its level\n"
			 "allows, which may lose data and must be confirmed.",
		.examples = {{"sparectl array start data --dry-run", "the plan, the metadata and the table"},
			     {"sparectl array start data --degraded", "without the member that is missing"}},
		.exits = CHANGES,
		.see = "array stop, meta show, status",
	},
	{
		"array stop",
		"ARRAY",
		"stop an array",
		CHANGING,
		1,
		1,
		verb_array,
		.about = "Removes the device of an array that nobody uses, and marks it clean. Rules do not start it "
			 "again.",
		.examples = {{"sparectl array stop data", "/dev/mapper/data is gone afterwards"},
			     {"sparectl array stop data --dry-run", "what would be written"}},
		.exits = CHANGES,
		.see = "array start, release",
	},
	{
		"array fail",
		"[ARRAY] DEVICE",
		"fail a member",
		CHANGING,
		1,
		2,
		verb_array,
		.about = "Records the member as failed in the metadata of the others, and takes it out of the table. "
			 "Refused\n"
			 "where no redundancy is left. The array may be left out if the device is in one only.",
		.examples = {{"sparectl array fail data sdb --dry-run", "what would happen"},
			     {"sparectl array fail sdb", "a spare then takes its place, by the shipped rules"}},
		.exits = CHANGES,
		.see = "array remove, array re-add, spare activate",
	},
	{
		"array remove",
		"[ARRAY] DEVICE",
		"forget a failed or missing member",
		CHANGING,
		1,
		2,
		verb_array,
		.about = "Takes a member that is failed or missing out of the metadata: its slot is empty afterwards.",
		.examples = {{"sparectl array remove data sdb", "before the disk is sent back"},
			     {"sparectl array remove data sdb --dry-run", "what would be written"}},
		.exits = CHANGES,
		.see = "array fail, spare add",
	},
	{
		"array re-add",
		"[ARRAY] DEVICE",
		"take a member back that was away",
		CHANGING,
		1,
		2,
		verb_array,
		.about = "Takes back a member that was away. What it missed is copied: by the bitmap where that is "
			 "known to be\n"
			 "whole, else all of it.",
		.examples = {{"sparectl array re-add data sdb", "the cable is in again"},
			     {"sparectl array re-add data sdb --dry-run", "by bitmap, or a rebuild?"}},
		.exits = CHANGES,
		.see = "array fail, status",
	},
	{
		"array replace",
		"[ARRAY] DEVICE",
		"copy a member to a spare, which then takes its place",
		CHANGING | OPT(WITH) | OPT(CANCEL),
		1,
		2,
		verb_replace,
		.about = "For a member that still works. It stays one until all of it is copied, so that the array is "
			 "never less\n"
			 "safe than before; then the other disk takes its slot, and it is recorded as failed. It goes "
			 "on "
			 "after the\n"
			 "command has ended: see status. Where the old disk cannot be read the copy ends; the slot is "
			 "then "
			 "rebuilt\n"
			 "from the others, if redundancy is left without it, or stays as it is.",
		.examples = {{"sparectl array replace data sdb --with sdx", "this disk takes its place"},
			     {"sparectl array replace data sdb --cancel", "sdb stays, the other is a spare again"}},
		.exits = CHANGES,
		.see = "array check, array fail, status",
	},
	{
		"array copy-back",
		"[ARRAY] DEVICE",
		"copy the spare that stands in for a disk back to that disk",
		CHANGING | OPT(ALWAYS),
		1,
		2,
		verb_copy_back,
		.about =
			"DEVICE is the disk that has come back, or a blank one in its place. The spare that took its "
			"slot is\n"
			"copied to it while it serves, and is a spare again when all of it is there; status shows how "
			"far it\n"
			"is. For spares that are revertible (see spare add); with --always for any. A copy that breaks "
			"changes\n"
			"nothing.",
		.examples = {{"sparectl array copy-back data sdb", "the disk was only loose"},
			     {"sparectl array copy-back sdb --dry-run", "to which array, and from which spare"}},
		.exits = CHANGES,
		.see = "spare add, array replace, status",
	},
	{
		"array check",
		"ARRAY",
		"read all members and count what does not match",
		CHANGING | OPT(CANCEL),
		1,
		1,
		verb_scrub,
		.about =
			"Reads every block of every member, which also finds sectors that cannot be read any more: "
			"the kernel\n"
			"rewrites them. What does not match is counted; nothing else is changed. It goes on after the "
			"command\n"
			"has ended: see status. A failure or a rebuild ends it, so does a change of the array's table.",
		.examples = {{"sparectl array check data", "status shows how far it is"},
			     {"sparectl array check data --cancel", "end it"}},
		.exits = CHANGES,
		.see = "array repair, array speed, status",
	},
	{
		"array repair",
		"ARRAY",
		"read all members and put right what does not match",
		CHANGING | OPT(CANCEL),
		1,
		1,
		verb_scrub,
		.about = "As array check; but parity that does not match is written anew, and of mirrors the first "
			 "one's block\n"
			 "is written to the others. Which of them was right nobody knows.",
		.examples = {{"sparectl array repair data", "after a check that counted mismatches"},
			     {"sparectl array repair data --cancel", "end it"}},
		.exits = CHANGES,
		.see = "array check, status",
	},
	{
		"array read-last",
		"[ARRAY] DEVICE",
		"read a member of a RAID1 only where no other can be read",
		CHANGING | OPT(OFF),
		1,
		2,
		verb_read_last,
		.about = "For a member that is slow, or that has errors and is needed all the same. It is written as "
			 "before.\n"
			 "It stays so over stops and restarts, until --off, or until another disk has its slot.",
		.examples = {{"sparectl array read-last data sdb", "the others serve the reads"},
			     {"sparectl array read-last data sdb --off", "as the others again"}},
		.exits = CHANGES,
		.see = "array fail, array replace",
	},
	{
		"array speed",
		"ARRAY RATE|max|default",
		"limit how fast an array is rebuilt, resynced or compared",
		CHANGING,
		2,
		2,
		verb_speed,
		.about =
			"RATE is by member, as in 50MiB/s. max: before all other I/O, as fast as the disks can. "
			"default: the\n"
			"kernel's own limits (dev.raid.speed_limit_min and _max). It needs a new table: a rebuild goes "
			"on where\n"
			"it was, a check that runs ends.",
		.examples = {{"sparectl array speed data 50MiB/s", "by day"},
			     {"sparectl array speed data max", "redundancy first"}},
		.exits = CHANGES,
		.see = "status, array check",
	},
	{
		"array create",
		"NAME [DEVICE...]",
		"make an array of blank disks",
		CHANGING | OPT(LEVEL) | OPT(POOL) | OPT(MEMBERS) | OPT(LAYOUT) | OPT(CHUNK) | OPT(SIZE) | OPT(SPARE) |
			OPT(IN) | OPT(FORMAT) | OPT(ASSUME_CLEAN) | OPT(WIPE) | OPT(NO_MANAGE) | OPT(INITRAMFS),
		1,
		-1,
		verb_create,
		.about =
			"Makes a set of the disks, which is managed from its first byte on, with one array, and starts "
			"it; its\n"
			"redundancy is made in the background. With --in the disks are of a set, or join it. A disk "
			"that "
			"holds\n"
			"anything is refused, unless --wipe gives that up; one in use always is. With --pool they are "
			"chosen: the\n"
			"smallest that hold --size; without it those that waste least.",
		.examples =
			{{"sparectl array create vault --level raid6 sdb sdc sdd sde --spare sdf",
			  "a set of five disks"},
			 {"sparectl array create fast --level raid10 --size 20GB --pool shelf --members 4 --in vault",
			  "of blank disks with that tag, in its set"}},
		.exits = CHANGES,
		.see = "set create, array delete, manage",
	},
	{
		"array delete",
		"ARRAY",
		"forget an array: its data are gone",
		CHANGING | OPT(STOP) | OPT(CONTAINER) | OPT(YES) | OPT(NO_MANAGE) | OPT(INITRAMFS),
		1,
		1,
		verb_delete,
		.about = "Takes an array that does not run out of the metadata: its room is free for others. Its disks "
			 "stay\n"
			 "disks of the set, spares where they are of no other array; with --container they are blank "
			 "again.",
		.examples = {{"sparectl array delete old --dry-run", "what would be written"},
			     {"sparectl array delete old --stop --container", "and the set, with its locks"}},
		.exits = CHANGES,
		.see = "array create, array stop, set delete",
	},
	{
		"array snapshot",
		"ARRAY NAME",
		"keep an array as it is now, for a backup",
		CHANGING | OPT(ON) | OPT(WIPE) | OPT(REMOVE),
		2,
		2,
		verb_snapshot,
		.about =
			"The array goes on; /dev/mapper/ARRAY-snap-NAME stays as the array is now. A file system on it "
			"is written\n"
			"out and frozen for that moment. What is written over is kept on DEVICE, which must be empty "
			"and not lie\n"
			"on the array; when it is full, or fails, the snapshot is invalid, and the array goes on. A "
			"snapshot ends\n"
			"with --remove, and with the machine's run.",
		.examples = {{"sparectl array snapshot data nightly --on /dev/sdx",
			      "mount it read-only, and back it up"},
			     {"sparectl array snapshot data nightly --remove", "afterwards"}},
		.exits = CHANGES,
		.see = "array stop, status",
	},
	{
		"array rename",
		"ARRAY NAME",
		"give an array another name",
		CHANGING,
		2,
		2,
		verb_rename,
		.about = "Writes the name into the metadata, where mdadm finds it, too. The array must not run: its "
			 "device has\n"
			 "its name.",
		.examples = {{"sparectl array rename data vault", "/dev/mapper/vault at the next start"},
			     {"sparectl array rename data vault --dry-run", "what would be written"}},
		.exits = CHANGES,
		.see = "array stop, array start",
	},
	{
		"array grow",
		"ARRAY",
		"give an array more of its disks' space",
		CHANGING | OPT(SIZE),
		1,
		1,
		verb_grow,
		.about =
			"Takes what is free right behind the array on all of its disks: where they are larger than it, "
			"or what\n"
			"lay there was deleted. It may run and be in use. All members must be in sync. What is added "
			"is\n"
			"resynced. What lies on the array is not told: 'resize2fs' or the like comes after it. It "
			"cannot "
			"be\n"
			"taken back. A RAID10 is refused.",
		.examples = {{"sparectl array grow data", "by all there is room for"},
			     {"sparectl array grow data --size 2TiB --dry-run", "what would be written and loaded"}},
		.exits = CHANGES,
		.see = "array create, array replace",
	},
	{
		"set create",
		"DEVICE...",
		"make a set of blank disks, without an array",
		CHANGING | OPT(FORMAT) | OPT(WIPE) | OPT(NO_MANAGE) | OPT(INITRAMFS),
		1,
		-1,
		verb_set_create,
		.about = "Its disks are spares until arrays are made in it.",
		.examples = {{"sparectl set create sdb sdc sdd", "arrays come later: array create --in"},
			     {"sparectl set create sdb --dry-run", "what would be written"}},
		.exits = CHANGES,
		.see = "array create, set delete",
	},
	{
		"set delete",
		"SET",
		"make the disks of a set without arrays blank again",
		CHANGING | OPT(YES) | OPT(NO_MANAGE) | OPT(INITRAMFS),
		1,
		1,
		verb_set_delete,
		.about = "Refused while the set has an array. SET is its GUID, as 'status --json' and 'meta show' tell "
			 "it.",
		.examples =
			{{"sparectl set delete 737061726564202061623139663735385834d77a9f0c21aa", "by its GUID"},
			 {"sparectl set delete \"$(sparectl status --json | jq -r '.status.sets[0].id')\" --dry-run",
			  "the only set that is known"}},
		.exits = CHANGES,
		.see = "array delete, release",
	},
	{
		"spare add",
		"DEVICE",
		"make a blank disk a spare",
		CHANGING | OPT(ARRAY) | OPT(REVERTIBLE) | OPT(ENCLOSURE),
		1,
		1,
		verb_spare,
		.about = "Writes the set's metadata on a blank disk. Refused if anything is on it: wipe it first "
			 "(wipefs -a).\n"
			 "With --array it serves this array only, with --enclosure arrays that have a member in its "
			 "enclosure.\n"
			 "What it serves as --revertible it gives back. One that is a spare gets what is given "
			 "beside.",
		.examples = {{"sparectl spare add sdx --array data", "dedicated to one; else for all of the set"},
			     {"sparectl spare add sdx --revertible",
			      "a spare again when the failed disk is exchanged"}},
		.exits = CHANGES,
		.see = "spare remove, spare activate",
	},
	{
		"spare remove",
		"DEVICE",
		"take a spare out of its set",
		CHANGING,
		1,
		1,
		verb_spare,
		.about = "Takes an idle spare out of the set's metadata; the disk is free afterwards.",
		.examples = {{"sparectl spare remove sdx", "free for something else"},
			     {"sparectl spare remove sdx --dry-run", "what would be written"}},
		.exits = CHANGES,
		.see = "spare add",
	},
	{
		"spare activate",
		"ARRAY [DEVICE]",
		"let a spare take an empty slot",
		CHANGING | OPT(SLOT),
		1,
		2,
		verb_spare,
		.about = "Puts a spare into the slot of a failed or missing member, and rebuilds it. Without a device "
			 "the best\n"
			 "fitting spare is taken; the shipped rules do this by themselves.",
		.examples = {{"sparectl spare activate data", "the best spare, the first empty slot"},
			     {"sparectl spare activate data sdx --slot 2", "this one, there"}},
		.exits = CHANGES,
		.see = "spare add, array fail",
	},
	{
		"disk check",
		"DEVICE",
		"read all of a disk, slowly",
		OPT(DRY_RUN) | OPT(SPEED) | OPT(CANCEL),
		1,
		1,
		verb_disk_check,
		.about = "Reads the disk from end to end with the lowest I/O priority, for as long as it takes: it is "
			 "not waited\n"
			 "for. status shows how far it is, history how it ended. A disk that becomes a member "
			 "meanwhile is not\n"
			 "read to the end.",
		.examples = {{"sparectl disk check sdx --speed 20MB/s", "a new spare"},
			     {"sparectl disk check sdx --cancel", "enough"}},
		.exits = CHANGES,
		.see = "status, spare add",
	},
	{
		"disk light",
		"DEVICE fault|locate|off",
		"the light of a disk's slot",
		CHANGING,
		2,
		2,
		verb_disk_light,
		.about = "Puts on the fault or the locate light of the slot where the disk is, or was last, or puts "
			 "both "
			 "out.\n"
			 "The kernel must know the enclosure, as the driver ses does. The shipped rules put on the "
			 "fault "
			 "light of\n"
			 "a disk that failed.",
		.examples = {{"sparectl disk light sdx locate", "which one is it?"},
			     {"sparectl disk light sdx off", "found"}},
		.exits = CHANGES,
		.see = "status, array replace",
	},
	{
		"path fail",
		"DEVICE",
		"use a path of a multipath map no more",
		CHANGING,
		1,
		1,
		verb_path,
		.about = "Tells the kernel to send no more I/O down this path. Refused for the last one that works, "
			 "and where\n"
			 "multipathd has the map.",
		.examples = {{"sparectl path fail sdb", "before its cable is changed"},
			     {"sparectl path fail sdb --dry-run", "the message that would be sent"}},
		.exits = CHANGES,
		.see = "path reinstate, path demote",
	},
	{
		"path reinstate",
		"DEVICE",
		"use a failed path again",
		CHANGING,
		1,
		1,
		verb_path,
		.about = "The opposite of path fail. Refused where multipathd has the map.",
		.examples = {{"sparectl path reinstate sdb", "the cable is in again"},
			     {"sparectl path reinstate sdb --dry-run", "the message that would be sent"}},
		.exits = CHANGES,
		.see = "path fail",
	},
	{
		"path demote",
		"DEVICE",
		"use a path last, when no other is left",
		CHANGING,
		1,
		1,
		verb_path,
		.about = "Loads the map's table with this path in a priority group of its own, the last one. Refused "
			 "where\n"
			 "multipathd has the map.",
		.examples = {{"sparectl path demote sdb --dry-run", "the table before and after"},
			     {"sparectl path demote sdb", "it loses frames now and then"}},
		.exits = CHANGES,
		.see = "path restore",
	},
	{
		"path restore",
		"DEVICE",
		"use a demoted path as the others",
		CHANGING,
		1,
		1,
		verb_path,
		.about = "The opposite of path demote: the path joins the first priority group again. Refused where "
			 "multipathd\n"
			 "has the map.",
		.examples = {{"sparectl path restore sdb --dry-run", "the table before and after"},
			     {"sparectl path restore sdb", "it was quiet for a day"}},
		.exits = CHANGES,
		.see = "path demote",
	},
	{
		"spare why",
		"ARRAY[/SLOT]|DEVICE",
		"why no spare takes the place of a member",
		0,
		1,
		1,
		verb_spare_why,
		.about = "In one line, whatever the reason is: none is needed, a rule still waits or is held back, no "
			 "spare\n"
			 "is valid, a guard refuses. Of an array: of its first slot that lacks a member. Below it what "
			 "each\n"
			 "rule that changes arrays says.",
		.examples = {{"sparectl spare why data", "of an array that stays degraded"},
			     {"sparectl spare why sdb", "of a disk that has errors, or is gone"}},
		.exits = ASKS,
		.see = "forecast, rules why, history",
	},
	{
		"map queue-io",
		"DEVICE",
		"keep I/O back while no path works",
		CHANGING,
		1,
		1,
		verb_path,
		.about = "A multipath map without a path that works keeps I/O back until there is one. Refused where "
			 "multipathd\n"
			 "has the map.",
		.examples = {{"sparectl map queue-io dm-3", "the fabric is away for a while"},
			     {"sparectl map queue-io dm-3 --dry-run", "the message that would be sent"}},
		.exits = CHANGES,
		.see = "map fail-io, path fail",
	},
	{
		"map fail-io",
		"DEVICE",
		"fail I/O while no path works",
		CHANGING,
		1,
		1,
		verb_path,
		.about =
			"A multipath map without a path that works fails its I/O, also what it has kept back: an array "
			"above\n"
			"it can go on without it. Refused where multipathd has the map.",
		.examples = {{"sparectl map fail-io dm-3", "it does not come back"},
			     {"sparectl map fail-io dm-3 --dry-run", "the message that would be sent"}},
		.exits = CHANGES,
		.see = "map queue-io",
	},
	{
		"undo",
		"PLAN",
		"take a plan back that was a mistake",
		CHANGING,
		1,
		1,
		verb_undo,
		.about = "Makes a plan of the opposite of each step; of a deletion, of what the disks held before. "
			 "Refused "
			 "where\n"
			 "a step has none, and once the set was written again. The last 64 plans are known, mostly for "
			 "a "
			 "day;\n"
			 "history shows their numbers.",
		.examples = {{"sparectl undo P-17 --dry-run", "whether it can be undone, and what that would write"},
			     {"sparectl undo P-17", "the spare that was removed is one again; a deleted array, too"}},
		.exits = CHANGES,
		.see = "history, array re-add, spare add",
	},
	{
		"maintenance on",
		"DEVICE|ARRAY",
		"hold the rules back that respect maintenance",
		OPT(DRY_RUN) | OPT(FOR),
		1,
		1,
		verb_maintenance,
		.about = "Before you pull a disk or a cable on purpose: rules that respect maintenance wait until it "
			 "ends.",
		.examples = {{"sparectl maintenance on sdb --for 30m", "ends by itself"},
			     {"sparectl maintenance on data", "until it is taken off"}},
		.exits = CHANGES,
		.see = "maintenance off, status",
	},
	{
		"maintenance off",
		"DEVICE|ARRAY",
		"end maintenance",
		OPT(DRY_RUN),
		1,
		1,
		verb_maintenance,
		.about = "Ends it; what happened meanwhile and still holds is acted on.",
		.examples = {{"sparectl maintenance off sdb", "of a disk"},
			     {"sparectl maintenance off data", "of an array"}},
		.exits = CHANGES,
		.see = "maintenance on",
	},

	/* ---- rules ---- */
	{
		"rules check",
		"[FILE|DIR...]",
		"check rules; no daemon needed",
		OPT(STRICT) | OPT(INSTALLED),
		0,
		-1,
		verb_rules_check,
		.about = "Reads rules as the daemon would and tells every mistake with file, line, column and a hint. "
			 "Without\n"
			 "files: the installed ones.",
		.examples = {{"sparectl rules check 50-site.yaml --installed",
			      "as the strongest layer of what is installed"},
			     {"sparectl rules check --strict", "for a pipeline: warnings fail, too"}},
		.no = "there are errors; with --strict: or warnings",
		.see = "rules test, rules reload, spared.rules(5)",
	},
	{
		"rules test",
		"[FILE|DIR...]",
		"run unit tests of rules; no daemon needed",
		OPT(ONLY) | OPT(JUNIT) | OPT(RULES) | OPT(BASE) | OPT(STRICT) | OPT(VERBOSE),
		0,
		-1,
		verb_rules_test,
		.about = "Plays events to rules on a virtual clock and compares what they do with what the test "
			 "expects.",
		.examples = {{"sparectl rules test tests/", "all files of a directory"},
			     {"sparectl rules test site.test.yaml --only storm --verbose",
			      "one test, with what happened"}},
		.no = "a test failed",
		.see = "rules check, spared.rules(5)",
	},
	{
		"rules list",
		"",
		"the rules in their order",
		OPT(ORIGIN),
		0,
		0,
		verb_rules_list,
		.about = "The rules of the daemon; if it does not run, those on disk.",
		.examples = {{"sparectl rules list", "by priority"},
			     {"sparectl rules list --origin", "with the file that set each key"}},
		.no = "the rules on disk have errors",
		.see = "rules why, rules doc",
	},
	{
		"rules stats",
		"",
		"what each rule saw, did and cost",
		0,
		0,
		0,
		verb_rules_stats,
		.about =
			"Of each rule: events or subjects that it saw, how many matched, how often it fired, was held "
			"back by\n"
			"unless, limited or inhibited, what it keeps open, and the time that it took. Since the daemon "
			"started,\n"
			"or the rule was changed.",
		.examples = {{"sparectl rules stats", "a line for each rule"},
			     {"sparectl rules stats --json | jq '.rules | max_by(.spent).rule'",
			      "the one that costs most"}},
		.exits = ASKS,
		.see = "rules why, metrics",
	},
	{
		"rules why",
		"[RULE SUBJECT]",
		"why a rule did, or did not, fire for a device, ARRAY/SLOT or array",
		OPT(VERDICT),
		0,
		2,
		verb_rules_why,
		.about = "The first condition that does not hold, and by how much; then all of them, and what the rule "
			 "would\n"
			 "do if it fired now. With --verdict alone: why it fired then, with its events and what came "
			 "of it.",
		.examples = {{"sparectl rules why member-gone data/2", "a rule about members"},
			     {"sparectl rules why --verdict 6b081207-14", "of the history; lines of verdicts end "
									  "with their ids"}},
		.yes = "it has fired, or its state holds",
		.no = "it has not fired",
		.exits = ASKS,
		.see = "history, inject",
	},
	{
		"rules approve",
		"QUESTION",
		"yes to what a rule asks",
		OPT(DRY_RUN),
		1,
		1,
		verb_rules_answer,
		.about = "A rule in mode ask waits before it changes an array. QUESTION is the id that rules list\n"
			 "and the notification show, or the rule's name if it asks but once. What is not so any more "
			 "is\n"
			 "refused.",
		.examples = {{"sparectl rules approve 6b081207-14 --dry-run", "what would be done, step by step"},
			     {"sparectl rules approve night-shift", "by the rule's name, if it asks but once"}},
		.exits = ASKS,
		.see = "rules deny, rules list",
	},
	{
		"rules deny",
		"QUESTION",
		"no to what a rule asks",
		0,
		1,
		1,
		verb_rules_answer,
		.about = "The question is closed; the rule may ask again when it fires again.",
		.examples = {{"sparectl rules deny 6b081207-14", "do not"},
			     {"sparectl rules deny night-shift", "by the rule's name, if it asks but once"}},
		.exits = ASKS,
		.see = "rules approve",
	},
	{
		"rules uninhibit",
		"RULE",
		"end what other rules silence this one by",
		0,
		1,
		1,
		verb_rules_uninhibit,
		.about = "An inhibition ends by itself; this ends those that silence RULE now. What still holds begins "
			 "to\n"
			 "wait then. rules why tells whether a rule is inhibited, and by which one.",
		.examples = {{"sparectl rules uninhibit member-gone", "the disks are not coming back"},
			     {"sparectl rules uninhibit excessive-errors --json", "for a program"}},
		.exits = ASKS,
		.see = "rules why, rules list",
	},
	{
		"rules reload",
		"",
		"read settings and rules again",
		OPT(DRY_RUN),
		0,
		0,
		verb_rules_reload,
		.about = "All or nothing: with one mistake in them the running ones stay. Counters of rules that did "
			 "not\n"
			 "change go on.",
		.examples = {{"sparectl rules reload --dry-run", "only check"},
			     {"sparectl rules reload", "and use them"}},
		.exits = ASKS,
		.see = "rules check, spared.yaml(5)",
	},
	{
		"rules doc",
		"[facts|actions|events]",
		"what rules may name",
		0,
		0,
		1,
		verb_rules_doc,
		.about = "The vocabulary of rules, from the program's own tables.",
		.examples = {{"sparectl rules doc facts", "with types and words"},
			     {"sparectl rules doc actions", "with parameters"}},
		.see = "rules check, spared.rules(5)",
	},

	{
		"rules schema",
		"[rules|tests]",
		"JSON Schema of rules files, or of their tests, for editors",
		0,
		0,
		1,
		verb_rules_schema,
		.about = "Made of the tables that the loader reads files by. Both are installed beside the rules.",
		.examples = {{"sparectl rules schema > ~/.cache/spared-rules.json", "for an editor's language server"},
			     {"sparectl rules schema tests | jq -r '.\"$defs\".expect.properties | keys[]'",
			      "what an expectation may say"}},
		.see = "rules doc, rules check",
	},

	/* ---- sets and disks ---- */
	{
		"meta show",
		"[DEVICE|FILE...]",
		"the RAID metadata on disks or images; no daemon needed",
		OPT(VERBOSE) | OPT(BEFORE),
		0,
		-1,
		verb_meta_show,
		.about = "What lies on a disk, read-only and without root's rights: set, disks, volumes, slots, and "
			 "what spared\n"
			 "keeps beside them. With --before what lay there before a plan: the disk as it is, and over "
			 "it what the\n"
			 "history has of what this plan and all since then wrote over; without a device all disks that "
			 "the plan wrote to.\n"
			 "A capsule has both.",
		.examples = {{"sparectl meta show /dev/sdb /dev/sdc", "two members"},
			     {"sparectl meta show --before P-17 /dev/sdb", "what it said before that plan"}},
		.no = "a disk could not be read, or has no metadata that is known; with --before: or the history has "
		      "nothing of it",
		.see = "manage, status",
	},
	{
		"capsule",
		"FILE [DEVICE...]",
		"what a report of a problem needs, in one file",
		0,
		1,
		-1,
		verb_capsule,
		.about = "Writes a file of JSON lines: the metadata of all disks that are of a set (or of the devices "
			 "that are\n"
			 "given), and of spared's own: status, rules, events and outcomes. No data of arrays, no "
			 "settings and no\n"
			 "arguments of programs are in it; serial numbers and names are. meta show reads it anywhere, "
			 "also\n"
			 "what the disks said before one of the last plans (--before).",
		.examples = {{"sparectl capsule report.capsule", "to be sent with the report"},
			     {"sparectl capsule report.capsule /dev/sdb /dev/sdc", "of these disks"}},
		.no = "the file cannot be written, or exists already",
		.see = "meta show, history",
	},
	{
		"manage",
		"SET|DEVICE...",
		"let spared run these sets, and keep other tools off them",
		LOCKING,
		1,
		-1,
		verb_manage,
		.about = "Writes a line each into mdadm.conf, a udev rule and spared.yaml. Nothing is managed by "
			 "default.",
		.examples = {{"sparectl manage /dev/sdb --dry-run", "the differences of the files"},
			     {"sparectl manage /dev/sdb --initramfs", "and make the initramfs anew"}},
		.exits = 1u << CLI_REFUSED,
		.see = "release, meta show",
	},
	{
		"release",
		"SET|DEVICE...",
		"undo manage",
		LOCKING,
		1,
		-1,
		verb_release,
		.about = "Takes these lines away, and lets go of the disks. Refused while an array of the set runs.",
		.examples = {{"sparectl release /dev/sdb --dry-run", "the differences of the files"},
			     {"sparectl release /dev/sdb --initramfs", "mdadm has the set again"}},
		.exits = 1u << CLI_REFUSED,
		.see = "manage, array stop",
	},
	{
		"udev-check",
		"DEVNODE",
		"print SPARED_SET=GUID for a member (for udev rules)",
		0,
		1,
		1,
		verb_udev_check,
		.about = "For 61-spared-managed.rules: udev's own property is the same for all sets that mdadm made.",
		.examples = {{"sparectl udev-check /dev/sdb", "by hand"},
			     {"IMPORT{program}=\"/usr/sbin/sparectl udev-check $devnode\"", "in a udev rule"}},
		.no = "it is no member",
		.see = "manage",
	},
	/* What shells ask; no person does. */
	{
		"complete",
		"WORD...",
		NULL,
		0,
		0,
		-1,
		verb_complete,
	},
	{0},
};
