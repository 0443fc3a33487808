// SPDX-License-Identifier: GPL-2.0-or-later
/* --help: made from the tables of commands and options. */
#include "cli/cli.h"

#include "cli/output.h"

#include <string.h>

enum { OPTION_WIDTH = 22, VERB_WIDTH = 34, EXAMPLE_WIDTH = 50 };

static void heading(const struct cli *c, const char *text, struct buf *out)
{
	buf_addc(out, '\n');
	out_word(c, out, TONE_BOLD, text, 0);
	buf_addc(out, '\n');
}

/* The text after a left part that may be wider than its column. */
static void two_columns(const char *left, int width, const char *right, struct buf *out)
{
	if ((int)strlen(left) <= width)
		buf_addf(out, "  %-*s %s\n", width, left, right);
	else
		buf_addf(out, "  %s\n  %-*s %s\n", left, width, "", right);
}

static void help_options(uint64_t options, struct buf *out)
{
	for (int i = 0; i < OPT_MAX; i++) {
		const struct cli_option_row *row = &cli_options[i];
		_cleanup_(buf_free) struct buf left = {0};

		if (!(options & UINT64_C(1) << i))
			continue;
		if (row->letter)
			buf_addf(&left, "-%c, ", row->letter);
		buf_addf(&left, "--%s%s%s", row->name, row->arg ? " " : "", row->arg ? row->arg : "");
		two_columns(buf_str(&left), OPTION_WIDTH, row->doc, out);
	}
}

static void help_statuses(const struct verb *v, struct buf *out)
{
	buf_addf(out, "  0  %s\n", v->yes ? v->yes : "done");
	buf_addf(out, "  1  %s\n", v->no ? v->no : "it was tried and failed");
	buf_add(out, "  2  wrong usage\n");
	if (v->exits & 1u << CLI_NO_DAEMON)
		buf_addf(out, "  %d  spared does not run, or does not answer\n", CLI_NO_DAEMON);
	if (v->exits & 1u << CLI_REFUSED)
		buf_addf(out, "  %d  refused by a guard or by the state, or not confirmed; nothing was done\n",
			 CLI_REFUSED);
}

static void help_verb(const struct cli *c, struct buf *out)
{
	const struct verb *v = c->verb;

	buf_addf(out, "usage: sparectl %s%s%s [options]\n%s\n", v->name, v->args[0] ? " " : "", v->args,
		 v->doc ? v->doc : "for the completion of shells");
	if (v->about)
		buf_addf(out, "\n%s\n", v->about);
	if (v->options) {
		heading(c, "Options", out);
		help_options(v->options, out);
	}
	heading(c, "Options of every command", out);
	help_options(OPT_GLOBAL, out);
	if (v->examples[0].command)
		heading(c, "Examples", out);
	for (size_t i = 0; i < ARRAY_SIZE(v->examples) && v->examples[i].command; i++)
		two_columns(v->examples[i].command, EXAMPLE_WIDTH, v->examples[i].what, out);
	heading(c, "Exit status", out);
	help_statuses(v, out);
	if (v->see)
		buf_addf(out, "\nSee also: %s, sparectl(8)\n", v->see);
}

static void help_all(const struct cli *c, struct buf *out)
{
	buf_add(out, "usage: sparectl COMMAND [options]\n\n");
	for (const struct verb *v = cli_verbs; v->name; v++) {
		_cleanup_(buf_free) struct buf left = {0};

		if (!v->doc)
			continue;
		buf_addf(&left, "%s %s", v->name, v->args);
		two_columns(buf_str(&left), VERB_WIDTH, v->doc, out);
	}
	heading(c, "Options of every command", out);
	help_options(OPT_GLOBAL, out);
	buf_add(out,
		"\nExit status: 0 done; 1 the answer is no, or it failed; 2 usage; 3 spared does not run or answer; "
		"4 refused.\n"
		"'sparectl COMMAND --help' tells more; see also sparectl(8).\n");
}

void cli_help(const struct cli *c, struct buf *out)
{
	if (c->verb)
		help_verb(c, out);
	else
		help_all(c, out);
}
