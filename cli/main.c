// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"
#include "cli/output.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define CHANGING (OPT(DRY_RUN) | OPT(NO_WAIT))
#define LOCKING (OPT(DRY_RUN) | OPT(ROOT) | OPT(INITRAMFS))

const struct verb cli_verbs[] = {
	{"status", "", "arrays, members, spares, rebuilds and open cases", OPT(WATCH) | OPT(VERBOSE), 0, 0,
	 verb_status},
	{"monitor", "", "events, verdicts, plans and outcomes as they happen", OPT(TYPE), 0, 0, verb_monitor},
	{"history", "", "what happened, newest last",
	 OPT(DEVICE) | OPT(ARRAY) | OPT(RULE) | OPT(SINCE) | OPT(LIMIT) | OPT(TYPE), 0, 0, verb_history},
	{"inject", "KIND [fact=value...]", "what rules would do on this event; with --live: do it",
	 OPT(LIVE) | OPT(DEVICE) | OPT(ARRAY) | OPT(SLOT), 1, -1, verb_inject},
	{"sources", "", "where events come from, and what was lost", 0, 0, 0, verb_sources},

	{"array start", "ARRAY", "start an array", CHANGING | OPT(FORCE) | OPT(DEGRADED) | OPT(READ_ONLY) | OPT(YES), 1,
	 1, verb_array},
	{"array stop", "ARRAY", "stop an array", CHANGING, 1, 1, verb_array},
	{"array fail", "[ARRAY] DEVICE", "fail a member", CHANGING, 1, 2, verb_array},
	{"array remove", "[ARRAY] DEVICE", "forget a failed or missing member", CHANGING, 1, 2, verb_array},
	{"array re-add", "[ARRAY] DEVICE", "take a member back that was away", CHANGING, 1, 2, verb_array},
	{"spare add", "DEVICE", "make a blank disk a spare", CHANGING | OPT(ARRAY), 1, 1, verb_spare},
	{"spare remove", "DEVICE", "take a spare out of its set", CHANGING, 1, 1, verb_spare},
	{"spare activate", "ARRAY [DEVICE]", "let a spare take an empty slot", CHANGING | OPT(SLOT), 1, 2, verb_spare},
	{"maintenance on", "DEVICE|ARRAY", "hold the rules back that respect maintenance", OPT(DRY_RUN) | OPT(FOR), 1,
	 1, verb_maintenance},
	{"maintenance off", "DEVICE|ARRAY", "end maintenance", OPT(DRY_RUN), 1, 1, verb_maintenance},

	{"rules check", "[FILE|DIR...]", "check rules; no daemon needed", OPT(STRICT) | OPT(INSTALLED), 0, -1,
	 verb_rules_check},
	{"rules test", "[FILE|DIR...]", "run unit tests of rules; no daemon needed",
	 OPT(ONLY) | OPT(JUNIT) | OPT(RULES) | OPT(BASE) | OPT(VERBOSE), 0, -1, verb_rules_test},
	{"rules list", "", "the rules in their order", OPT(ORIGIN), 0, 0, verb_rules_list},
	{"rules why", "RULE SUBJECT", "why a rule did, or did not, fire for a device, ARRAY/SLOT or array", 0, 2, 2,
	 verb_rules_why},
	{"rules reload", "", "read settings and rules again", OPT(DRY_RUN), 0, 0, verb_rules_reload},
	{"rules doc", "[facts|actions|events]", "what rules may name", 0, 0, 1, verb_rules_doc},

	{"meta show", "DEVICE|FILE...", "the RAID metadata on disks or images; no daemon needed", OPT(VERBOSE), 1, -1,
	 verb_meta_show},
	{"manage", "SET|DEVICE...", "let spared run these sets, and keep other tools off them", LOCKING, 1, -1,
	 verb_manage},
	{"release", "SET|DEVICE...", "undo manage", LOCKING, 1, -1, verb_release},
	{"udev-check", "DEVNODE", "print SPARED_SET=GUID for a member (for udev rules)", 0, 1, 1, verb_udev_check},
	{0},
};

static int run(struct cli *c, char **argv)
{
	_cleanup_(buf_free) struct buf text = {0};
	struct err e = {0};

	if (cli_parse(c, argv + 1, &e) < 0)
		return cli_fail_err(c, CLI_USAGE, &e);
	if (GIVEN(c, VERSION)) {
		puts("sparectl " SPARED_VERSION);
		return CLI_OK;
	}
	if (!c->verb || GIVEN(c, HELP)) {
		cli_help(c->verb, &text);
		out_flush(&text);
		return CLI_OK;
	}
	return c->verb->fn(c);
}

int main(int argc, char **argv)
{
	struct cli c = {.fd = -1};
	const char *term = getenv("TERM");
	int status;

	if (argc < 1)
		return CLI_USAGE;
	setlocale(LC_TIME, "");
	signal(SIGPIPE, SIG_IGN);
	c.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && term && strcmp(term, "dumb") != 0;
	status = run(&c, argv);
	cli_finish(&c);
	if (fflush(stdout) != 0 && status == CLI_OK)
		status = CLI_NO;
	return status;
}
