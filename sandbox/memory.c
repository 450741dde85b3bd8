/*
 * Copyright (C) The codeexec authors.
 */

#define _GNU_SOURCE

#include <fcntl.h>
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

#define PAGE      4096
#define PAGES     512        /* in a huge one */
#define HUGE      ((size_t) PAGES * PAGE)
#define WORTH_IT  128        /* pages that are there already */

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


static char *
align(unsigned long p)
{
	return (char *) ((p + HUGE - 1) & ~(HUGE - 1));
}


/* Of the pages of a huge one, how many are in the page table. */

static bool
is_worth_it(int pagemap, const char *p)
{
	unsigned  i, n = 0;
	uint64_t  entry[PAGES];

	if (pread(pagemap, entry, sizeof(entry),
	          (off_t) ((uintptr_t) p / PAGE * sizeof(*entry)))
	    != (ssize_t) sizeof(entry))
	{
		return false;
	}

	for (i = 0; i < PAGES; i++) {
		n += entry[i] >> 63 & 1;
	}

	return n >= WORTH_IT;
}


/*
 * The same bytes at the same address, but no more those of a file, whose pages
 * a run would have to find one after another: page tables of files are not
 * copied by a fork.  This code itself is in no library that is large enough.
 */

static void
copy_text(char *begin, size_t size)
{
	char  *area, *copy;

	area = mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED) {
		return;
	}

	copy = align((uintptr_t) area);

	/* The first of these holds where the administrator lets it, the other
	 * one in any case, from Linux 6.1 on. */

	(void) madvise(copy, size, MADV_HUGEPAGE);
	(void) memcpy(copy, begin, size);
	(void) madvise(copy, size, MADV_COLLAPSE);

	if (mprotect(copy, size, PROT_READ | PROT_EXEC) != 0
	    || mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, begin)
	        != begin)
	{
		(void) munmap(copy, size);
	}

	/* What was there for the alignment. */

	(void) munmap(area, (size_t) (copy - area));
	(void) munmap(copy + size, (size_t) (area + HUGE - copy));
}


static void
settle_text(const struct mapping *m, int pagemap)
{
	char  *p, *begin = NULL;
	bool   worth_it;

	for (p = align(m->begin); p <= (char *) m->end; p += HUGE) {
		worth_it = p + HUGE <= (char *) m->end
		    && is_worth_it(pagemap, p);

		if (worth_it && begin == NULL) {
			begin = p;

		} else if (!worth_it && begin != NULL) {
			copy_text(begin, (size_t) (p - begin));
			begin = NULL;
		}
	}
}


static void
settle_heap(const struct mapping *m, int pagemap)
{
	char  *p;

	for (p = align(m->begin); p + HUGE <= (char *) m->end; p += HUGE) {
		if (is_worth_it(pagemap, p)) {
			(void) madvise(p, HUGE, MADV_COLLAPSE);
		}
	}
}


static bool
is_heap(const struct mapping *m)
{
	return m->inode == 0 && strcmp(m->perms, "rw-p") == 0
	    && (m->name == '\0' || m->name == 'h');
}


static void
merge(FILE *smaps)
{
	char            line[512] = "";
	struct mapping  m, all = { .end = 0 };

	while (next_mapping(smaps, line, sizeof(line), &m)) {
		merge_text(&all, &m);
	}
}


static void
settle(FILE *smaps, int pagemap)
{
	char            line[512] = "";
	struct mapping  m;

	while (next_mapping(smaps, line, sizeof(line), &m)) {
		if (is_of_file(&m, "r-xp")) {
			settle_text(&m, pagemap);

		} else if (is_heap(&m)) {
			settle_heap(&m, pagemap);
		}
	}
}


void
memory_settle(void)
{
	int    pagemap;
	FILE  *smaps;

	/* Huge pages of other sizes are those of other machines. */

	if (sysconf(_SC_PAGESIZE) != PAGE) {
		return;
	}

	smaps = fopen("/proc/self/smaps", "re");
	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (smaps != NULL && pagemap >= 0) {
		merge(smaps);
		rewind(smaps);
		settle(smaps, pagemap);
	}

	if (pagemap >= 0) {
		(void) close(pagemap);
	}

	if (smaps != NULL) {
		(void) fclose(smaps);
	}
}
