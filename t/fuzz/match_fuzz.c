/*
 * Copyright (C) The codeexec authors.
 *
 * Fuzzer of the patterns of files (libFuzzer).
 *
 * The input is a pattern, a NUL and a path.  What matches must be what a much
 * simpler and much slower matcher finds, and be below directories that a
 * pattern is said to lead into.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "match.h"

#define LENGTH    16   /* of both, since the simple one tries everything */

#define CHECK(x)  if (!(x)) { check_failed(#x, __LINE__); }


static void
check_failed(const char *what, int line)
{
	fprintf(stderr, "line %d: %s does not hold\n", line, what);
	abort();
}


static int
lower(int c)
{
	return c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c;
}


/* The character at *p, which is moved on, and whether c is one of it. */

static int
one(const char **p, const char *end, int c)
{
	int          no, found, low, high;
	const char  *q;

	if (**p == '?') {
		(*p)++;
		return 1;
	}

	if (**p == '[') {
		q = *p + 1;
		no = q < end && (*q == '!' || *q == '^');
		q += no;

		if (q < end && memchr(q + 1, ']', end - q - 1) != NULL) {
			found = 0;

			do {
				low = high = lower((unsigned char) *q++);

				if (end - q > 1 && q[0] == '-' && q[1] != ']') {
					high = lower((unsigned char) q[1]);
					q += 2;
				}

				found |= c >= low && c <= high;
			} while (q < end && *q != ']');

			if (q < end) {
				*p = q + 1;
				return found != no;
			}
		}
	} else if (**p == '\\' && end - *p > 1) {
		(*p)++;
	}

	return lower((unsigned char) *(*p)++) == c;
}


static int
part(const char *p, const char *pend, const char *s, const char *send)
{
	if (p == pend) {
		return s == send;
	}

	if (*p == '*') {
		return part(p + 1, pend, s, send)
		    || (s < send && part(p, pend, s + 1, send));
	}

	return s < send && one(&p, pend, lower((unsigned char) *s))
	    && part(p, pend, s + 1, send);
}


static int
dot(const char *p, const char *end)
{
	return *p == '.' || (end - p > 1 && p[0] == '\\' && p[1] == '.');
}


/* Both begin with a part. */

static int
path(const char *p, const char *s)
{
	const char  *pend, *send;

	pend = p + strcspn(p, "/");
	send = s + strcspn(s, "/");

	if (pend - p == 2 && memcmp(p, "**", 2) == 0) {
		if (*pend == '\0') {
			return *s != '.' && (*send == '\0' || path(p, send + 1));
		}

		return path(pend + 1, s)
		    || (*s != '.' && *send != '\0' && path(p, send + 1));
	}

	return (*s != '.' || dot(p, pend)) && part(p, pend, s, send)
	    && (*pend == '\0' ? *send == '\0'
	        : *send != '\0' && path(pend + 1, send + 1));
}


/* No part is empty. */

static int
is_plain(const char *p)
{
	return *p != '\0' && *p != '/' && strstr(p, "//") == NULL
	    && p[strlen(p) - 1] != '/';
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char            pattern[LENGTH + 1], name[LENGTH + 1], *text, *slash;
	int             found;
	struct matcher  m;

	memset(pattern, 0, sizeof(pattern));
	memset(name, 0, sizeof(name));

	for (text = pattern; size > 0 && *data != '\0'; data++, size--) {
		if (text < pattern + LENGTH) {
			*text++ = (char) *data;
		}
	}

	for (text = name; size > 1 && text < name + LENGTH; size--) {
		*text++ = (char) *++data;
	}

	text = pattern;
	match_init(&m, &text, 1);
	CHECK(m.count == (unsigned) is_plain(pattern));

	found = match_file(&m, name);
	CHECK(found == (is_plain(pattern) && is_plain(name)
	    && path(pattern, name)));

	while (found && (slash = strrchr(name, '/')) != NULL) {
		*slash = '\0';
		CHECK(match_below(&m, name));
	}

	return 0;
}
