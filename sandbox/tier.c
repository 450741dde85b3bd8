/*
 * Copyright (C) The codeexec authors.
 *
 * The tiers of a runtime, which differ in what their zygotes have imported:
 * choosing one for a program, and asking for a fork.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <string.h>

#include "codeexecd.h"
#include "layers.h"
#include "rootless.h"

int
tier_fork(struct slot *slot, const int *fds, unsigned nfds)
{
	struct tier        *tier = slot->tier;
	struct limits      *l = &config.limits;
	struct zygote      *z = tier->warm;
	struct spawn_fork   request = {
		.slot = slot->index,
		.serial = slot->serial,
		.file_size = l->disk,
		.data_size = l->memory,
		.open_files = (uint32_t) l->open_files,
		.processes = (uint32_t) l->processes + 1,  /* the keeper */
		.cpu_seconds = cgroup_cpu_seconds(l->max_wall_ms),
		.keep_groups = shared_uid,
		.landlock = layers_landlock
	};

	if (z == NULL) {
		errno = ESRCH;
		return -1;
	}

	/* The second of two: the control group, which counts, must be hit
	 * first.  Much of what is mapped is never touched. */

	if (hierarchies_have & HAS_MEMORY) {
		request.data_size *= 8;
	}

	/* Each process counts here for as long as a fork() of its own takes,
	 * even one that the control group will refuse. */

	if (hierarchies_have & HAS_PIDS) {
		request.processes *= 2;
	}

	if (spawn_send(z->process.control, &request, sizeof(request), fds,
	               nfds) != 0)
	{
		return -1;
	}

	slot->zygote = z->serial;
	zygote_used(z);

	return 0;
}


static bool
is_word(unsigned char c)
{
	return c == '_' || c >= 0x80 || (c >= '0' && c <= '9')
	    || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}


static bool
contains_word(const char *text, size_t size, const char *word)
{
	size_t       n;
	const char  *p, *last;

	n = strlen(word);
	last = text + size;

	for (p = text; (p = memmem(p, (size_t) (last - p), word, n)) != NULL;
	     p++)
	{
		if ((p == text || !is_word((unsigned char) p[-1]))
		    && (p + n == last || !is_word((unsigned char) p[n])))
		{
			return true;
		}
	}

	return false;
}


/* A wrong guess costs time, never correctness: every tier can import all. */

struct tier *
tier_choose(struct runtime *rt, const char *code, size_t size)
{
	unsigned             i, k;
	const struct names  *when;

	for (i = rt->tiers; i-- > 1; ) {
		when = &rt->tier[i].config->when;

		for (k = 0; k < when->count; k++) {
			if (contains_word(code, size, when->name[k])) {
				return &rt->tier[i];
			}
		}
	}

	return &rt->tier[0];
}
