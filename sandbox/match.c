/*
 * Copyright (C) The codeexec authors.
 *
 * Which files are asked for.  Patterns and names are both a stranger's, and
 * thousands of names are looked at while everybody else waits: nothing is
 * tried again but what follows the last star, and all of it has a limit.
 */

#define _GNU_SOURCE

#include <ctype.h>
#include <string.h>

#include "match.h"


static unsigned char
fold(char c)
{
	return (unsigned char) tolower((unsigned char) c);
}


/* One character against a class, of which p is behind the bracket; *end is
 * what follows it, or NULL if it is none. */

static bool
in_class(const char *p, const char *last, char c, const char **end)
{
	bool           no, found;
	const char    *begin;
	unsigned char  low, high;

	no = p < last && (*p == '!' || *p == '^');
	p += no;
	found = false;

	for (begin = p; p < last && (*p != ']' || p == begin); p++) {
		low = high = fold(*p);

		if (last - p > 2 && p[1] == '-' && p[2] != ']') {
			high = fold(p[2]);
			p += 2;
		}

		found = found || (fold(c) >= low && fold(c) <= high);
	}

	*end = p < last ? p + 1 : NULL;

	return found != no;
}


/* A character against what stands at p; *end is what follows it there. */

static bool
is_one(const char *p, const char *last, char c, const char **end)
{
	bool  found;

	*end = p + 1;

	if (*p == '?') {
		return true;
	}

	if (*p == '[') {
		found = in_class(p + 1, last, c, end);

		if (*end != NULL) {
			return found;
		}

		*end = p + 1;

	} else if (*p == '\\' && p + 1 < last) {
		*end = ++p + 1;
	}

	return fold(*p) == fold(c);
}


static bool
may_step(struct matcher *m, const char *p, const char *last)
{
	unsigned  cost;

	cost = p < last && *p == '[' ? (unsigned) (last - p) : 1;
	m->steps -= cost < m->steps ? cost : m->steps;

	return m->steps > 0;
}


/* Where to go on behind a star: anywhere, or where the end can only be. */

static const char *
behind_star(struct part name, const char *p, const char *last, const char *s)
{
	const char  *q;

	for (q = p; q < last; q++) {
		if (strchr("*[\\", *q) != NULL) {
			return s;
		}
	}

	q = name.text + name.length;

	return q - s > last - p ? q - (last - p) : s;
}


static bool
has_dot(struct part pattern)
{
	return pattern.text[0] == '.' || (pattern.length > 1
	    && pattern.text[0] == '\\' && pattern.text[1] == '.');
}


/* A part of a pattern against one of a path. */

static bool
is_part(struct matcher *m, struct part pattern, struct part name)
{
	const char  *p, *s, *end, *last, *star, *again;

	if (name.text[0] == '.' && !has_dot(pattern)) {
		return false;
	}

	p = pattern.text;
	last = p + pattern.length;
	star = again = NULL;

	for (s = name.text; s < name.text + name.length; ) {
		if (!may_step(m, p, last)) {
			return false;
		}

		if (p < last && *p == '*') {
			star = ++p;
			again = s = behind_star(name, p, last, s);

		} else if (p < last && is_one(p, last, *s, &end)) {
			p = end;
			s++;

		} else if (star != NULL) {
			p = star;
			s = ++again;

		} else {
			return false;
		}
	}

	while (p < last && *p == '*') {
		p++;
	}

	return p == last;
}


static bool
is_any_depth(struct part part)
{
	return part.length == 2 && memcmp(part.text, "**", 2) == 0;
}


/* Returns false if it is no path that anything could have. */

static bool
split(const char *text, struct parts *parts)
{
	size_t  length;

	for (parts->count = 0; parts->count < MATCH_PARTS; text += length + 1) {
		length = strcspn(text, "/");

		if (length == 0) {
			return false;
		}

		parts->part[parts->count].text = text;
		parts->part[parts->count++].length = length;

		if (text[length] == '\0') {
			return true;
		}
	}

	return false;
}


/* Whether "**", which the pattern has at i, may lead on into a directory that
 * has only these parts left. */

static bool
may_lead(const struct parts *pattern, unsigned i, const struct parts *name,
    unsigned k)
{
	while (k < name->count && name->part[k].text[0] != '.') {
		k++;
	}

	if (k == name->count) {
		return true;
	}

	while (++i < pattern->count) {
		if (has_dot(pattern->part[i])) {
			return true;
		}
	}

	return false;
}


/* All of name, or with below, whether it may be a directory above such a
 * name. */

static bool
is_path(struct matcher *m, const struct parts *pattern,
    const struct parts *name, bool below)
{
	unsigned  i, k, star, again;
	bool      any;

	star = again = MATCH_PARTS;

	for (i = k = 0; k < name->count; ) {
		any = i < pattern->count && is_any_depth(pattern->part[i]);

		if (any && (below || i == pattern->count - 1)) {
			return may_lead(pattern, i, name, k);
		}

		if (any) {
			star = ++i;
			again = k;

		} else if (i < pattern->count
		           && is_part(m, pattern->part[i], name->part[k]))
		{
			i++;
			k++;

		} else if (star != MATCH_PARTS
		           && name->part[again].text[0] != '.')
		{
			i = star;
			k = ++again;

		} else {
			return false;
		}
	}

	return below ? i < pattern->count : i == pattern->count;
}


static bool
is_any(struct matcher *m, const char *path, bool below)
{
	unsigned      i;
	struct parts  name;

	if (!split(path, &name)) {
		return false;
	}

	for (i = 0; i < m->count; i++) {
		if (is_path(m, &m->pattern[i], &name, below)) {
			return true;
		}
	}

	return false;
}


void
match_init(struct matcher *m, char *const *patterns, unsigned count)
{
	unsigned  i;

	m->count = 0;
	m->steps = MATCH_STEPS;

	for (i = 0; i < count && m->count < MATCH_PATTERNS; i++) {
		if (split(patterns[i], &m->pattern[m->count])) {
			m->count++;
		}
	}
}


bool
match_file(struct matcher *m, const char *path)
{
	return is_any(m, path, false);
}


bool
match_below(struct matcher *m, const char *path)
{
	return is_any(m, path, true);
}
