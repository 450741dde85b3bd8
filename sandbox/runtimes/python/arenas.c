/*
 * Copyright (C) The codeexec authors.
 */

#define _GNU_SOURCE

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include "arenas.h"

#define HUGE  (2ul << 20)
#define ROOM  (512 * HUGE)    /* of addresses, not of memory */

/* As all versions have it, though not in the stable ABI. */

struct allocator {
	void  *context;
	void  *(*alloc)(void *context, size_t size);
	void   (*free)(void *context, void *p, size_t size);
};

void PyObject_GetArenaAllocator(struct allocator *a) __attribute__((weak));
void PyObject_SetArenaAllocator(struct allocator *a) __attribute__((weak));

static struct allocator   old;
static char              *next, *end;


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
	char              *p, *begin;
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


/* The last huge page is to be a whole one. */

void
arenas_release(void)
{
	char  *whole;

	if (old.alloc == NULL) {
		return;
	}

	PyObject_SetArenaAllocator(&old);

	whole = (char *) (((uintptr_t) next + HUGE - 1) & ~(HUGE - 1));

	(void) mprotect(next, (size_t) (whole - next), PROT_READ | PROT_WRITE);
	(void) munmap(whole, (size_t) (end - whole));
}
