/*
 * Copyright (C) The codeexec authors.
 */

#define _GNU_SOURCE

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include "arenas.h"

#define HUGE      (2ul << 20)
#define ROOM      (512 * HUGE)    /* of addresses, not of memory */

/* Objects of up to so many bytes are in pools, one for each multiple of 16. */
#define SMALL     512
#define POOL      16384
#define HEADER    48

#define HOLES_MAX (1 << 18)

/* As all versions have it, though not in the stable ABI. */

struct allocator {
	void  *context;
	void  *(*alloc)(void *context, size_t size);
	void   (*free)(void *context, void *p, size_t size);
};

void PyObject_GetArenaAllocator(struct allocator *a) __attribute__((weak));
void PyObject_SetArenaAllocator(struct allocator *a) __attribute__((weak));

void *PyObject_Malloc(size_t size);
void PyObject_Free(void *p);

static struct allocator   old;
static char              *begin, *next, *end;


/* Freed, it is given back to the kernel, as it would have been anyway. */

static void *
alloc(void *context, size_t size)
{
	char  *p = next;

	(void) context;

	if (size > (size_t) (end - next)
	    || mprotect(p, size, PROT_READ | PROT_WRITE) != 0)
	{
		return old.alloc(old.context, size);
	}

	next += size;

	return p;
}


static void
release(void *context, void *p, size_t size)
{
	(void) context;

	old.free(old.context, p, size);
}


void
arenas_gather(void)
{
	char              *p;
	struct allocator   ours = { .alloc = alloc, .free = release };

	if (PyObject_GetArenaAllocator == NULL
	    || PyObject_SetArenaAllocator == NULL)
	{
		return;
	}

	p = mmap(NULL, ROOM + HUGE, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED) {
		return;
	}

	begin = (char *) (((uintptr_t) p + HUGE - 1) & ~(HUGE - 1));
	next = begin;
	end = begin + ROOM;

	(void) munmap(p, (size_t) (begin - p));
	(void) munmap(end, (size_t) (p + HUGE - begin));

	PyObject_GetArenaAllocator(&old);
	PyObject_SetArenaAllocator(&ours);
}


/* Until two in a row are the first ones of a pool; one of them keeps it. */

static void
fill_holes(size_t size)
{
	int    n;
	char  *p, *last = NULL;

	for (n = 0; n < HOLES_MAX; n++) {
		p = PyObject_Malloc(size);

		if (last != NULL && (uintptr_t) last % POOL == HEADER
		    && p == last + size)
		{
			PyObject_Free(p);
			return;
		}

		last = p;
	}
}


/* The last huge page is to be a whole one. */

void
arenas_release(void)
{
	char    *whole;
	size_t   size;

	if (old.alloc == NULL) {
		return;
	}

	/* Nobody asks for an arena where there are no pools. */

	for (size = 16; next > begin && size <= SMALL; size += 16) {
		fill_holes(size);
	}

	PyObject_SetArenaAllocator(&old);

	whole = (char *) (((uintptr_t) next + HUGE - 1) & ~(HUGE - 1));

	(void) mprotect(next, (size_t) (whole - next), PROT_READ | PROT_WRITE);
	(void) munmap(whole, (size_t) (end - whole));
}
