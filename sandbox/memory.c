/*
 * Copyright (C) The codeexec authors.
 */

#define _GNU_SOURCE

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE  25    /* Linux 6.1 */
#endif

#define HUGE      (2ul << 20)
#define PAGES     512        /* of 4 KiB, in a huge one */
#define WORTH_IT  128        /* that are there already */

struct mapping {
	unsigned long  begin;
	unsigned long  end;
	unsigned long  offset;
	unsigned long  device;
	unsigned long  inode;
	unsigned long  copied;    /* KiB that are not the file's any more */
	char           perms[5];
	char           name;      /* what it begins with */
};


static bool
read_header(const char *line, struct mapping *m)
{
	int            at = 0;
	unsigned long  major, minor;

	if (sscanf(line, "%lx-%lx %4s %lx %lx:%lx %lu %n", &m->begin, &m->end,
	           m->perms, &m->offset, &major, &minor, &m->inode, &at) != 7)
	{
		return false;
	}

	m->device = major << 32 | minor;
	m->copied = 0;
	m->name = at > 0 && line[at] == '[' ? line[at + 1] : '\0';

	return true;
}


/* False when there is no other one. */

static bool
next_mapping(FILE *smaps, char *line, int size, struct mapping *m)
{
	bool            found = read_header(line, m);
	struct mapping  next;

	while (fgets(line, size, smaps) != NULL) {
		if (!found) {
			found = read_header(line, m);

		} else if (sscanf(line, "Anonymous: %lu", &m->copied) != 1
		           && read_header(line, &next))
		{
			return true;
		}
	}

	line[0] = '\0';

	return found;
}


static bool
is_of_file(const struct mapping *m, const char *perms)
{
	return m->inode != 0 && m->copied == 0 && strcmp(m->perms, perms) == 0;
}


static bool
goes_on(const struct mapping *m, const struct mapping *next)
{
	return next->begin == m->end && next->inode == m->inode
	    && next->device == m->device
	    && next->offset == m->offset + (m->end - m->begin);
}


/*
 * Linkers put what is not code before and behind the code of a library, in
 * mappings of their own, for the sake of the protection alone.  A program that
 * may make memory executable gains nothing from it.
 */

static void
merge_text(struct mapping *all, const struct mapping *m)
{
	bool  code = is_of_file(m, "r-xp"), data = is_of_file(m, "r--p");

	if (!code && !data) {
		all->end = 0;
		return;
	}

	if (all->end == 0 || !goes_on(all, m)) {
		*all = *m;
		return;
	}

	if (code || strcmp(all->perms, "r-xp") == 0) {
		if (mprotect((void *) all->begin, m->end - all->begin,
		             PROT_READ | PROT_EXEC) != 0)
		{
			all->end = 0;
			return;
		}

		(void) strcpy(all->perms, "r-xp");
	}

	all->end = m->end;
}


static unsigned
present(unsigned long begin)
{
	unsigned       i, n = 0;
	unsigned char  pages[PAGES];

	if (mincore((void *) begin, HUGE, pages) != 0) {
		return 0;
	}

	for (i = 0; i < PAGES; i++) {
		n += pages[i] & 1;
	}

	return n;
}


static void
collapse(const struct mapping *m)
{
	unsigned long  p;

	for (p = (m->begin + HUGE - 1) & ~(HUGE - 1); p + HUGE <= m->end;
	     p += HUGE)
	{
		if (present(p) >= WORTH_IT) {
			(void) madvise((void *) p, HUGE, MADV_COLLAPSE);
		}
	}
}


static bool
is_heap(const struct mapping *m)
{
	return m->inode == 0 && strcmp(m->perms, "rw-p") == 0
	    && (m->name == '\0' || m->name == 'h');
}


void
memory_settle(void)
{
	char            line[512] = "";
	FILE           *smaps;
	struct mapping  m, all = { .end = 0 };

	/* Other sizes of pages are those of other machines. */

	if (sysconf(_SC_PAGESIZE) * PAGES != (long) HUGE) {
		return;
	}

	smaps = fopen("/proc/self/smaps", "re");

	while (smaps != NULL && next_mapping(smaps, line, sizeof(line), &m)) {
		merge_text(&all, &m);

		if (is_heap(&m)) {
			collapse(&m);
		}
	}

	if (smaps != NULL) {
		(void) fclose(smaps);
	}
}
