/*
 * Copyright (C) The codeexec authors.
 */

#ifndef CODEEXEC_MATCH_H
#define CODEEXEC_MATCH_H

#include <stdbool.h>
#include <stddef.h>

#define MATCH_PARTS     17         /* a file below 16 directories */
#define MATCH_PATTERNS  64
#define MATCH_STEPS     5000000    /* comparisons of characters, for a run */


struct part {
	const char  *text;
	size_t       length;
};

struct parts {
	unsigned     count;
	struct part  part[MATCH_PARTS];
};

struct matcher {
	unsigned      count;
	unsigned      steps;           /* left; with none, nothing matches */
	struct parts  pattern[MATCH_PATTERNS];
};


/* The patterns stay the caller's, and must live on.  "*", "?" and "[a-z]" are
 * within a name, whatever case it has; "**" is any number of directories.  A
 * leading dot is matched by a dot only. */
void  match_init(struct matcher *m, char *const *patterns, unsigned count);

/* A path of at most MATCH_PARTS parts, none of them empty. */
bool  match_file(struct matcher *m, const char *path);

/* Whether a file below that directory may be asked for. */
bool  match_below(struct matcher *m, const char *path);

#endif /* CODEEXEC_MATCH_H */
