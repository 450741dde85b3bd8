/*
 * Copyright (C) The codeexec authors.
 *
 * Three functions of V8 are called that only C++ knows; their names are those
 * of the C++ ABI.  A node without them does not load this.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "engine.h"

#define HUGE  (2ul << 20)

void *isolate_current(void) __asm__("_ZN2v87Isolate10GetCurrentEv");

void *isolate_generator(void *isolate)
    __asm__("_ZN2v88internal7Isolate23random_number_generatorEv");

void generator_seed(void *generator, int64_t seed)
    __asm__("_ZN2v84base21RandomNumberGenerator7SetSeedEl");


static char *
align(char *p)
{
	return (char *) (((uintptr_t) p + HUGE - 1) & ~(HUGE - 1));
}


/* From here on no thread may be in it: what does this is not part of it. */

static int
move_to_huge(char *begin, size_t size, int protection)
{
	char  *area, *copy;

	area = mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED) {
		return -1;
	}

	copy = align(area);

	(void) madvise(copy, size, MADV_HUGEPAGE);
	(void) memcpy(copy, begin, size);

	if (mprotect(copy, size, protection) != 0
	    || mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, begin)
	        != begin)
	{
		return -1;
	}

	/* What was there for the alignment. */

	(void) munmap(area, (size_t) (copy - area));
	(void) munmap(copy + size, (size_t) (area + HUGE - copy));

	return 0;
}


int
engine_huge_text(void)
{
	int             rc = 0;
	char            line[512], perms[5], *from, *to;
	FILE           *maps;
	unsigned long   begin, end, symbol = (uintptr_t) isolate_current;

	maps = fopen("/proc/self/maps", "re");
	if (maps == NULL) {
		return -1;
	}

	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx %4s", &begin, &end, perms) != 3
		    || symbol < begin || symbol >= end
		    || strcmp(perms, "r-xp") != 0)
		{
			continue;
		}

		from = align((char *) begin);
		to = align((char *) end - HUGE + 1);

		if (from < to) {
			rc = move_to_huge(from, (size_t) (to - from),
			    PROT_READ | PROT_EXEC);
		}

		break;
	}

	(void) fclose(maps);

	return rc;
}


/* Mappings of the kernel's own refuse it, and need it not. */

int
engine_share_heap(void)
{
	char            line[512];
	FILE           *maps;
	unsigned long   begin, end;

	maps = fopen("/proc/self/maps", "re");
	if (maps == NULL) {
		return -1;
	}

	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx", &begin, &end) == 2
		    && strstr(line, "[v") == NULL
		    && madvise((void *) begin, end - begin, MADV_DOFORK) != 0)
		{
			(void) fclose(maps);
			return -1;
		}
	}

	(void) fclose(maps);

	return 0;
}


int
engine_seed(void)
{
	int64_t  seed;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed)) {
		return -1;
	}

	generator_seed(isolate_generator(isolate_current()), seed);

	return 0;
}
