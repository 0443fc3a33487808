// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"
#include "cli/output.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>

static int run(struct cli *c, char **argv)
{
	_cleanup_(buf_free) struct buf text = {0};
	struct err e = {0};
	int status;

	if (cli_parse(c, argv + 1, &e) < 0)
		return cli_fail_err(c, CLI_USAGE, &e);
	if (GIVEN(c, VERSION)) {
		puts("sparectl " SPARED_VERSION);
		return CLI_OK;
	}
	status = cli_colour(c);
	if (status != CLI_OK)
		return status;
	if (!c->verb || GIVEN(c, HELP)) {
		cli_help(c, &text);
		out_flush(&text);
		return CLI_OK;
	}
	return c->verb->fn(c);
}

int main(int argc, char **argv)
{
	struct cli c = {.fd = -1};
	int status;

	if (argc < 1)
		return CLI_USAGE;
	setlocale(LC_TIME, "");
	signal(SIGPIPE, SIG_IGN);
	status = run(&c, argv);
	cli_finish(&c);
	if (fflush(stdout) != 0 && status == CLI_OK)
		status = CLI_NO;
	return status;
}
