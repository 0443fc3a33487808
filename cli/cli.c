// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include "cli/output.h"
#include "config/schema.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct cli_option_row cli_options[OPT_MAX] = {
#define X(id, name_, letter_, arg_, doc_) [OPT_##id] = {.name = name_, .letter = letter_, .arg = arg_, .doc = doc_},
	CLI_OPTIONS(X)
#undef X
};

static const char default_config[] = "/etc/spared/spared.yaml";

/* ---- the command line ---- */

static const char *verb_word(const void *u, size_t i)
{
	(void)u;
	/* Commands that are not for people stand last. */
	return cli_verbs[i].doc ? cli_verbs[i].name : NULL;
}

static const char *option_word(const void *u, size_t i)
{
	(void)u;
	return i < OPT_MAX ? cli_options[i].name : NULL;
}

static int find_option(const char *word, size_t len)
{
	for (int i = 0; i < OPT_MAX; i++)
		if (strlen(cli_options[i].name) == len && memcmp(cli_options[i].name, word, len) == 0)
			return i;
	return -1;
}

static int find_letter(char letter)
{
	for (int i = 0; i < OPT_MAX; i++)
		if (cli_options[i].letter == letter)
			return i;
	return -1;
}

/* Takes the option at argv[0]. The number of words that it used, or -EINVAL. */
static int parse_option(struct cli *c, char **argv, struct err *e)
{
	const char *word = argv[0], *value = NULL, *near;
	const struct cli_option_row *row;
	size_t len;
	int i;

	if (word[1] == '-') {
		len = strcspn(word + 2, "=");
		value = word[2 + len] == '=' ? word + 3 + len : NULL;
		i = find_option(word + 2, len);
	} else {
		i = find_letter(word[1]);
		value = word[2] ? word + 2 : NULL;
	}
	if (i < 0) {
		near = word[1] == '-' ? suggest_from(word + 2, option_word, NULL) : NULL;
		return err_set(e, EINVAL, "there is no option '%s'%s%s%s", word, near ? "; did you mean '--" : "",
			       near ? near : "", near ? "'?" : "");
	}
	row = &cli_options[i];
	if (!row->arg) {
		if (value)
			return err_set(e, EINVAL, "option '--%s' takes no value", row->name);
		c->opt[i] = "";
		return 1;
	}
	c->opt[i] = value ? value : argv[1];
	if (!c->opt[i])
		return err_set(e, EINVAL, "option '--%s' needs a value: --%s %s", row->name, row->name, row->arg);
	return value ? 1 : 2;
}

/* The verb that the first one or two words name. */
static int find_verb(struct cli *c, struct err *e)
{
	_cleanup_(buf_free) struct buf two = {0};
	const char *near;
	bool group = false;
	size_t len;

	assert(c->n_args > 0 && c->args[0]);
	len = strlen(c->args[0]);
	buf_addf(&two, "%s %s", c->args[0], c->n_args > 1 ? c->args[1] : "");
	for (const struct verb *v = cli_verbs; v->name; v++) {
		bool pair = strchr(v->name, ' ') != NULL;

		if (strcmp(v->name, pair ? buf_str(&two) : c->args[0]) == 0) {
			c->verb = v;
			c->args += pair ? 2 : 1;
			c->n_args -= pair ? 2 : 1;
			return 0;
		}
		group = group || (pair && strncmp(v->name, c->args[0], len) == 0 && v->name[len] == ' ');
	}
	near = suggest_from(group ? buf_str(&two) : c->args[0], verb_word, NULL);
	return err_set(e, EINVAL, "there is no command '%s'%s%s%s; 'sparectl --help' lists them",
		       group ? buf_str(&two) : c->args[0], near ? "; did you mean '" : "", near ? near : "",
		       near ? "'?" : "");
}

static int check_options(const struct cli *c, struct err *e)
{
	for (int i = 0; i < OPT_MAX; i++)
		if (c->opt[i] && !((c->verb->options | OPT_GLOBAL) & UINT64_C(1) << i))
			return err_set(e, EINVAL, "'sparectl %s' has no option '--%s'; see 'sparectl %s --help'",
				       c->verb->name, cli_options[i].name, c->verb->name);
	return 0;
}

int cli_colour(struct cli *c)
{
	const char *when = GIVEN(c, COLOR) ? c->opt[OPT_COLOR] : "auto", *term = getenv("TERM");
	const char *no = getenv("NO_COLOR");

	if (strcmp(when, "always") != 0 && strcmp(when, "never") != 0 && strcmp(when, "auto") != 0)
		return cli_fail(c, CLI_USAGE, "usage", "--color: '%s' is not one of auto, always, never", when);
	c->colour = when[1] == 'l' ||
		    (when[0] == 'a' && isatty(STDOUT_FILENO) && !(no && *no) && term && strcmp(term, "dumb") != 0);
	return CLI_OK;
}

int cli_parse(struct cli *c, char **argv, struct err *e)
{
	char **words = argv;
	bool end = false;
	int n = 0, r;

	while (*argv) {
		if (!end && strcmp(*argv, "--") == 0) {
			end = true;
			argv++;
		} else if (!end && (*argv)[0] == '-' && (*argv)[1]) {
			r = parse_option(c, argv, e);
			if (r < 0)
				return r;
			argv += r;
		} else {
			words[n++] = *argv++;
		}
	}
	words[n] = NULL;
	c->args = words;
	c->n_args = n;
	if (n == 0 || (n == 1 && strcmp(words[0], "help") == 0))
		return 0;
	if (strcmp(words[0], "help") == 0) {
		c->args++;
		c->n_args--;
		c->opt[OPT_HELP] = "";
	}
	r = find_verb(c, e);
	if (r == 0)
		r = check_options(c, e);
	if (r < 0 || GIVEN(c, HELP))
		return r;
	if (c->n_args < c->verb->min || (c->verb->max >= 0 && c->n_args > c->verb->max))
		return err_set(e, EINVAL, "usage: sparectl %s%s%s", c->verb->name, c->verb->args[0] ? " " : "",
			       c->verb->args);
	return 0;
}

void cli_finish(struct cli *c)
{
	if (c->settings_read)
		settings_finish(&c->settings);
	wire_in_free(&c->in);
	json_decref(c->names);
	closep(&c->fd);
}

/* ---- messages ---- */

int cli_fail(const struct cli *c, int status, const char *code, const char *fmt, ...)
{
	_cleanup_(freep) char *text = NULL;
	_cleanup_(buf_free) struct buf shown = {0};
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	out_text(&shown, text ? text : "out of memory");
	if (GIVEN(c, JSON))
		out_json(json_pack("{s:i,s:b,s:{s:s,s:s}}", "v", 1, "ok", 0, "error", "code", code, "message",
				   buf_str(&shown)));
	else
		fprintf(stderr, "sparectl: %s\n", buf_str(&shown));
	return status;
}

int cli_fail_err(const struct cli *c, int status, const struct err *e)
{
	char text[ERR_MSG_MAX + ERR_FILE_MAX + 32];

	return cli_fail(c, status, status == CLI_USAGE ? "usage" : "failed", "%s", err_text(e, text, sizeof(text)));
}

const struct settings *cli_settings(struct cli *c)
{
	_cleanup_(buf_free) struct buf text = {0};
	struct diag d;

	if (c->settings_read)
		return &c->settings;
	diag_init(&d);
	c->settings_read = true;
	if (settings_read(&c->settings, GIVEN(c, CONFIG) ? c->opt[OPT_CONFIG] : default_config, &d) < 0) {
		diag_print(&d, "the defaults are used", &text);
		fputs(buf_str(&text), stderr);
		settings_finish(&c->settings);
		settings_init(&c->settings);
	}
	diag_finish(&d);
	return &c->settings;
}

bool cli_confirm(const char *word)
{
	char line[256];

	if (!isatty(STDIN_FILENO) || !fgets(line, sizeof(line), stdin))
		return false;
	line[strcspn(line, "\n")] = '\0';
	return strcmp(line, word) == 0;
}
