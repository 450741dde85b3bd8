/*
 * Copyright (C) The codeexec authors.
 *
 * The tiers of a runtime, which differ in what their zygotes have imported:
 * choosing one for a program, and asking for a fork.
 */

#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "codeexecd.h"
#include "layers.h"
#include "rootless.h"

#define FILE_SCAN  16384    /* of a file: imports are at its begin */

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


/* The last tier that has a word of the text, if it is behind the given one. */

static unsigned
scan(const struct runtime *rt, unsigned than, const char *text, size_t size)
{
	unsigned             i, k;
	const struct names  *when;

	for (i = rt->tiers; i-- > than + 1; ) {
		when = &rt->tier[i].config->when;

		for (k = 0; k < when->count; k++) {
			if (contains_word(text, size, when->name[k])) {
				return i;
			}
		}
	}

	return than;
}


/* Modules that the program need not import itself, if it speaks of them. */

static unsigned
scan_imports(const struct runtime *rt, unsigned than, const struct job *job,
    const char *code, size_t size)
{
	json_t      *target;
	const char  *name;

	json_object_foreach(job->imports, name, target) {
		if (json_is_string(target) && contains_word(code, size, name)) {
			than = scan(rt, than, json_string_value(target),
			    json_string_length(target));
		}
	}

	return than;
}


/* What it may import of what comes with it. */

static unsigned
scan_files(const struct runtime *rt, unsigned than, const struct job *job)
{
	size_t                at, size, begin;
	uint32_t              frame;
	ev_ssize_t            n;
	const char           *suffix = rt->config->kind->suffix;
	struct evbuffer      *files = job->text[TEXT_FILES];
	struct evbuffer_ptr   p;
	static char           text[FILE_SCAN];

	for (at = 0; suffix != NULL && at < evbuffer_get_length(files);
	     at += sizeof(frame) + ntohl(frame))
	{
		(void) evbuffer_ptr_set(files, &p, at, EVBUFFER_PTR_SET);
		n = evbuffer_copyout_from(files, &p, text, sizeof(text));

		(void) memcpy(&frame, text, sizeof(frame));
		size = sizeof(frame) + ntohl(frame);
		size = size < (size_t) n ? size : (size_t) n;

		begin = (size_t) (unsigned char) text[sizeof(frame)] << 8
		    | (unsigned char) text[sizeof(frame) + 1];
		begin += sizeof(frame) + 2;

		if (memcmp(text + begin - strlen(suffix), suffix,
		           strlen(suffix)) == 0)
		{
			than = scan(rt, than, text + begin, size - begin);
		}
	}

	return than;
}


/*
 * A wrong guess costs time, never correctness: every tier can import all.  So a
 * word counts wherever it is, also in what the program may pass to __import__()
 * or exec().
 */

struct tier *
tier_choose(struct runtime *rt, const struct job *job)
{
	size_t       size;
	unsigned     i;
	const char  *code, *tables = rt->config->kind->tables;

	if (rt->tiers == 1) {
		return &rt->tier[0];
	}

	size = evbuffer_get_length(job->text[TEXT_CODE]);
	code = size == 0 ? ""
	    : (const char *) evbuffer_pullup(job->text[TEXT_CODE], -1);

	i = scan(rt, 0, code, size);
	i = scan_imports(rt, i, job, code, size);
	i = scan_files(rt, i, job);

	if (job->tables && tables != NULL) {
		i = scan(rt, i, tables, strlen(tables));
	}

	return &rt->tier[i];
}
