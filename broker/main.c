// SPDX-License-Identifier: GPL-2.0-or-later
#include "broker/act.h"
#include "broker/broker.h"
#include "broker/light.h"
#include "broker/path.h"
#include "broker/probe.h"
#include "broker/read_check.h"
#include "broker/record.h"
#include "broker/trial.h"
#include "core/log.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_CONFIG "/etc/spared/spared.yaml"

enum { STATUS_USAGE = 2, STATUS_CONFIG = 78 /* sysexits.h: EX_CONFIG */ };

static const char usage[] =
	"Usage: spared [OPTION]...\n"
	"Hears what happens to disks, decides by rules, and keeps RAID sets running.\n"
	"\n"
	"  -c, --config FILE      settings (" DEFAULT_CONFIG ")\n"
	"  -l, --log-level LEVEL  error, warning, notice, info or debug; instead of the settings'\n"
	"  -h, --help             this text\n"
	"  -V, --version          the version\n"
	"\n"
	"It stays in the foreground and logs to stderr. SIGHUP reads settings and rules again, SIGTERM ends it.\n"
	"sparectl is its command line; see spared(8), sparectl(8), spared.rules(5).\n";

/* Processes that the broker starts of itself; not for people. */
static const struct {
	const char *option;
	const char *name;
	int (*main)(int argc, char **argv);
} workers[] = {
	{"--act", "act", act_main},
	{"--probe", "probe", probe_main},
	{"--record", "record", record_main},
	{"--trial", "trial", trial_main},
	{"--read-check", "read", read_check_main},
	{"--path", "path", path_main},
	{"--light", "light", light_main},
};

/* -1: go on; else the exit status. */
static int parse_options(int argc, char **argv, struct broker_options *o)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"log-level", required_argument, NULL, 'l'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	enum log_level level;
	int option;

	while ((option = getopt_long(argc, argv, "c:l:hV", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			o->config = optarg;
			break;
		case 'l':
			if (log_level_parse(optarg, &level) < 0) {
				fprintf(stderr,
					"spared: '%s' is not a log level: error, warning, notice, info, debug\n",
					optarg);
				return STATUS_USAGE;
			}
			o->log_level = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		case 'V':
			puts("spared " SPARED_VERSION);
			return 0;
		default:
			fputs("Try 'spared --help'.\n", stderr);
			return STATUS_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "spared: '%s' is not understood\nTry 'spared --help'.\n", argv[optind]);
		return STATUS_USAGE;
	}
	return -1;
}

int main(int argc, char **argv)
{
	struct broker_options options = {.config = DEFAULT_CONFIG};
	struct err e = {0};
	struct broker b;
	int status;

	log_setup(LOG_INF, "spared");
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(workers); i++)
		if (strcmp(argv[1], workers[i].option) == 0) {
			log_setup(LOG_INF, workers[i].name);
			return workers[i].main(argc - 2, argv + 2);
		}
	status = parse_options(argc, argv, &options);
	if (status >= 0)
		return status;
	if (broker_init(&b, &options, &e) == 0) {
		status = broker_run(&b);
	} else {
		log_error("%s", e.msg);
		status = b.settings ? 1 : STATUS_CONFIG;
	}
	broker_finish(&b);
	return status;
}
