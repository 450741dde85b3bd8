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

void *isolate_current(void) __asm__("_ZN2v87Isolate10GetCurrentEv");

void *isolate_generator(void *isolate)
    __asm__("_ZN2v88internal7Isolate23random_number_generatorEv");

void generator_seed(void *generator, int64_t seed)
    __asm__("_ZN2v84base21RandomNumberGenerator7SetSeedEl");


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
