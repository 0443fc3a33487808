// SPDX-License-Identifier: GPL-2.0-or-later
/* Words: valid names, nearest words, globs. */
#include "config/schema.h"

#include <ctype.h>
#include <string.h>

enum { WORD_MAX = 64, DISTANCE_MAX = 2 };

bool name_valid(const char *s)
{
	size_t len = strlen(s);

	return len > 0 && len <= 64 && islower((unsigned char)s[0]) &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* Damerau-Levenshtein distance (adjacent characters swapped count once) of words shorter than WORD_MAX. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][WORD_MAX + 1], na = strlen(a), nb = strlen(b);

	for (size_t j = 0; j <= nb; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t cost = a[i - 1] != b[j - 1];

			row[j] = MIN(MIN(row[j - 1], above[j]) + 1, above[j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = MIN(row[j], before[j - 2] + 1);
		}
	}
	return rows[na % 3][nb];
}

const char *suggest_from(const char *s, const char *(*next)(const void *u, size_t i), const void *u)
{
	const char *best = NULL, *word;
	size_t best_distance = MIN((size_t)DISTANCE_MAX + 1, strlen(s));

	if (strlen(s) >= WORD_MAX)
		return NULL;
	for (size_t i = 0; (word = next(u, i)); i++) {
		size_t n;

		if (strlen(word) >= WORD_MAX)
			continue;
		n = distance(s, word);
		if (n < best_distance) {
			best_distance = n;
			best = word;
		}
	}
	return best;
}

static const char *next_word(const void *u, size_t i)
{
	return ((const char *const *)u)[i];
}

const char *suggest(const char *s, const char *const *words)
{
	return suggest_from(s, next_word, words);
}

bool glob_is(const char *s)
{
	return strpbrk(s, "*?") != NULL;
}

/* Matches one character against the pattern at p; *after is where the pattern goes on. */
static bool match_one(const char *p, unsigned char c, const char **after)
{
	bool negate, hit = false;
	const char *q;

	if (*p == '\\' && p[1]) {
		*after = p + 2;
		return (unsigned char)p[1] == c;
	}
	*after = p + 1;
	if (*p == '?')
		return true;
	if (*p != '[')
		return (unsigned char)*p == c;
	q = p + 1;
	negate = *q == '!';
	q += negate;
	if (!*q || !strchr(q + 1, ']'))
		return c == '[';
	for (bool first = true; first || *q != ']'; first = false) {
		unsigned char from = (unsigned char)*q++, to = from;

		if (*q == '-' && q[1] && q[1] != ']') {
			to = (unsigned char)q[1];
			q += 2;
		}
		hit |= c >= from && c <= to;
		if (!*q)
			return false;
	}
	*after = q + 1;
	return hit != negate;
}

bool glob_match(const char *pattern, const char *s)
{
	const char *star = NULL, *retry = NULL, *after;

	while (*s) {
		if (*pattern == '*') {
			star = ++pattern;
			retry = s;
		} else if (*pattern && match_one(pattern, (unsigned char)*s, &after)) {
			pattern = after;
			s++;
		} else if (star) {
			pattern = star;
			s = ++retry;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}
