// SPDX-License-Identifier: GPL-2.0-or-later
/* What may follow on a command line: shells ask with the words so far, the last of which is being typed. One candidate
 * a line; ":files" instead asks the shell for names of files. It never says why there is nothing. */
#include "cli/client.h"
#include "cli/output.h"

#include "actions/actions.h"
#include "core/fact.h"
#include "pipeline/pipeline.h"

#include <stdio.h>
#include <string.h>

static void offer(const char *word, const char *typed)
{
	_cleanup_(buf_free) struct buf text = {0};

	/* Names come from disks: those that a shell or a terminal would take for more are not offered. */
	out_text(&text, word);
	if (*word && strncmp(word, typed, strlen(typed)) == 0 && strcmp(buf_str(&text), word) == 0 &&
	    !strpbrk(word, " \t\n'\"\\$`;&|<>(){}*?!#~"))
		puts(word);
}

/* ---- live names ---- */

/* The list of that key from the answer to a verb, or NULL. */
static json_t *ask_list(struct cli *c, const char *verb, const char *within, const char *key)
{
	json_t *answer = client_ask_quietly(c, verb), *list;

	list = json_incref(json_object_get(within ? json_object_get(answer, within) : answer, key));
	json_decref(answer);
	return list;
}

static void offer_names(struct cli *c, const char *typed, const char *verb, const char *within, const char *key)
{
	json_t *list = ask_list(c, verb, within, key), *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		bool path = strncmp(typed, "/dev", 4) == 0;

		offer(j_str(item, path ? "node" : "name"), typed);
	}
	json_decref(list);
}

static void offer_arrays(struct cli *c, const char *typed)
{
	offer_names(c, typed, "status", "status", "arrays");
}

static void offer_devices(struct cli *c, const char *typed)
{
	offer_names(c, typed, "status", "status", "devices");
}

static void offer_rules(struct cli *c, const char *typed)
{
	offer_names(c, typed, "rules-list", NULL, "rules");
}

static void offer_sets(struct cli *c, const char *typed)
{
	json_t *list = ask_list(c, "status", "status", "sets"), *item;
	size_t i;

	json_array_foreach(list, i, item) offer(j_str(item, "id"), typed);
	json_decref(list);
}

/* ---- words of our own ---- */

static void offer_words(const char *const *words, const char *typed)
{
	for (; words && *words; words++)
		offer(*words, typed);
}

static void offer_kinds(struct cli *c, const char *typed)
{
	(void)c;
	offer_words(event_kinds, typed);
}

/* "fact=", then the fact's words. */
static void offer_facts(struct cli *c, const char *typed)
{
	const char *equals = strchr(typed, '=');

	(void)c;
	for (int i = 0; i < FACT_MAX; i++) {
		size_t len = strlen(fact_table[i].name);
		char text[128];

		if (fact_table[i].from == FROM_MATCH)
			continue;
		if (!equals) {
			snprintf(text, sizeof(text), "%s=", fact_table[i].name);
			offer(text, typed);
		} else if ((size_t)(equals - typed) == len && memcmp(fact_table[i].name, typed, len) == 0) {
			for (const char *const *w = fact_table[i].words; w && *w; w++) {
				snprintf(text, sizeof(text), "%s=%s", fact_table[i].name, *w);
				offer(text, typed);
			}
		}
	}
}

static void offer_types(struct cli *c, const char *typed)
{
	static const char *const monitor[] = {"event", "verdict", "plan", "outcome", "notice", "command", NULL};
	static const char *const history[] = {"event", "verdict", "intent", "outcome", "case", "command", NULL};

	offer_words(c->verb && strcmp(c->verb->name, "monitor") == 0 ? monitor : history, typed);
}

static void offer_when(struct cli *c, const char *typed)
{
	static const char *const words[] = {"auto", "always", "never", NULL};

	(void)c;
	offer_words(words, typed);
}

static void offer_files(struct cli *c, const char *typed)
{
	static bool offered;

	(void)c;
	(void)typed;
	if (!offered)
		puts(":files");
	offered = true;
}

/* What a word of "args", or the argument of an option, stands for. */
static const struct {
	const char *word;
	void (*offer)(struct cli *c, const char *typed);
} kinds_of_args[] = {
	{"ARRAY", offer_arrays},  {"DEVICE", offer_devices}, {"SUBJECT", offer_devices}, {"SUBJECT", offer_arrays},
	{"SET", offer_sets},	  {"RULE", offer_rules},     {"KIND", offer_kinds},	 {"FACT=VALUE", offer_facts},
	{"FILE", offer_files},	  {"DIR", offer_files},	     {"PATH", offer_files},	 {"DEVNODE", offer_files},
	{"TYPE,..", offer_types}, {"WHEN", offer_when},
};

/* "DEVICE|FILE...": each of the words. */
static void offer_arg(struct cli *c, const char *form, size_t len, const char *typed)
{
	while (len > 0) {
		size_t n = 0;

		while (n < len && !strchr("[]|", form[n]))
			n++;
		while (n > 3 && strncmp(form + n - 3, "...", 3) == 0)
			n -= 3;
		for (size_t i = 0; i < ARRAY_SIZE(kinds_of_args); i++)
			if (strlen(kinds_of_args[i].word) == n && memcmp(kinds_of_args[i].word, form, n) == 0)
				kinds_of_args[i].offer(c, typed);
		if (n > 0 && form[0] >= 'a' && form[0] <= 'z') {
			char word[32];

			snprintf(word, sizeof(word), "%.*s", (int)n, form);
			offer(word, typed);
		}
		n = MIN(n + 1, len);
		form += n;
		len -= n;
	}
}

/* The form of the argument that is typed: one that may be left out is offered with its follower. */
static void offer_args(struct cli *c, int at, const char *typed)
{
	const char *form = c->verb->args;
	int i = 0;

	while (*form) {
		size_t len = strcspn(form, " ");
		bool last = form[len] == '\0';

		if (i == at || (last && i < at && c->verb->max < 0))
			offer_arg(c, form, len, typed);
		/* "[ARRAY] DEVICE": the first word may be either. */
		if (i == at && form[0] == '[' && !last && form[len + 1] != '[') {
			at++;
		}
		form += len + !last;
		i++;
	}
}

/* ---- the line ---- */

static void offer_verbs(const char *first, const char *typed)
{
	char last[32] = "";

	for (const struct verb *v = cli_verbs; v->name; v++) {
		size_t len = strcspn(v->name, " ");
		char word[32];

		if (!v->doc)
			continue;
		if (first && (strlen(first) != len || memcmp(first, v->name, len) != 0 || !v->name[len]))
			continue;
		snprintf(word, sizeof(word), "%.*s", (int)(first ? strlen(v->name + len + 1) : len),
			 first ? v->name + len + 1 : v->name);
		if (strcmp(word, last) != 0)
			offer(word, typed);
		snprintf(last, sizeof(last), "%s", word);
	}
	if (!first)
		offer("help", typed);
}

static void offer_options(const struct cli *c, const char *typed)
{
	uint64_t options = OPT_GLOBAL | (c->verb ? c->verb->options : 0);

	for (int i = 0; i < OPT_MAX; i++) {
		char word[32];

		snprintf(word, sizeof(word), "--%s", cli_options[i].name);
		if (options & UINT64_C(1) << i)
			offer(word, typed);
	}
}

/* The option that this word is and that wants the next word, or NULL. */
static const struct cli_option_row *wants_value(const char *word)
{
	for (int i = 0; i < OPT_MAX; i++) {
		const struct cli_option_row *row = &cli_options[i];
		bool is = strncmp(word, "--", 2) == 0
				  ? strcmp(word + 2, row->name) == 0
				  : row->letter && word[0] == '-' && word[1] == row->letter && !word[2];

		if (is && row->arg)
			return row;
	}
	return NULL;
}

static const struct verb *verb_of(char **words, int n, int *used)
{
	for (const struct verb *v = cli_verbs; v->name; v++) {
		size_t len = strcspn(v->name, " ");
		bool pair = v->name[len] != '\0';

		*used = pair ? 2 : 1;
		if (n >= *used && strlen(words[0]) == len && memcmp(words[0], v->name, len) == 0 &&
		    (!pair || strcmp(words[1], v->name + len + 1) == 0))
			return v;
	}
	return NULL;
}

int verb_complete(struct cli *c)
{
	const char *typed = c->n_args ? c->args[c->n_args - 1] : "";
	const struct cli_option_row *option = NULL;
	int n = 0, used = 0;

	/* Options and their values are taken out; the words before the last one are kept in place. */
	for (int i = 0; i + 1 < c->n_args; i++) {
		const char *word = c->args[i];

		option = wants_value(word);
		if (option && i + 2 < c->n_args) {
			if (strcmp(option->name, "control") == 0)
				c->opt[OPT_CONTROL] = c->args[i + 1];
			if (strcmp(option->name, "config") == 0)
				c->opt[OPT_CONFIG] = c->args[i + 1];
			option = NULL;
			i++;
		} else if (word[0] != '-') {
			c->args[n++] = c->args[i];
		}
	}
	if (n > 0 && strcmp(c->args[0], "help") == 0) {
		c->args++;
		n--;
	}
	c->verb = verb_of(c->args, n, &used);
	if (option)
		offer_arg(c, option->arg, strlen(option->arg), typed);
	else if (typed[0] == '-')
		offer_options(c, typed);
	else if (c->verb)
		offer_args(c, n - used, typed);
	else if (n < 2)
		offer_verbs(n ? c->args[0] : NULL, typed);
	return CLI_OK;
}
