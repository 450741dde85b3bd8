/*
 * Copyright (C) The codeexec authors.
 *
 * The kinds of runtimes: how the interpreter of a zygote is called.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "codeexecd.h"

#define OPTIONS_MAX  8

static const char *const python_options[] = { "-B", "-Xutf8", NULL };

static const char *const python_environment[] = {
	"HOME=/home", "LANG=C.UTF-8", "PATH=/usr/bin:/bin",
	"PYTHONNOUSERSITE=1", "PYTHONSAFEPATH=1", "TZ=UTC", NULL
};

/* Threads that V8 works in would not survive a fork: it has as few as it can,
 * and does its work itself.  The last one lets a program that is compiled from
 * memory have import(), in versions before 20. */

static const char *const node_options[] = {
	"--single-threaded", "--v8-pool-size=0", "--no-flush-bytecode",
	"--experimental-vm-modules", NULL
};

static const char *const node_environment[] = {
	"HOME=/home", "LANG=C.UTF-8", "PATH=/usr/bin:/bin", "TZ=UTC",
	"UV_USE_IO_URING=0", NULL
};

/* Languages that are commands: a program of ours serves them all. */

static const char *const command_options[] = { NULL };

static const char *const command_environment[] = {
	"HOME=/home", "LANG=C.UTF-8", "PATH=/usr/bin:/bin", "TZ=UTC", NULL
};

static const struct kind kinds[] = {
	{ "command", command_options, NULL, NULL, command_environment, NULL,
	  NULL },
	{ "python", python_options, NULL, "/opt/codeexec/zygote.py",
	  python_environment, ".py", "pandas" },
	{ "node", node_options, "--max-old-space-size=",
	  "/opt/codeexec/zygote.js", node_environment, ".js", NULL },
};


const struct kind *
kind_find(const char *name)
{
	size_t  i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, name) == 0) {
			return &kinds[i];
		}
	}

	return NULL;
}


/*
 * The old space of V8; its young one has up to 48 MB more, and what is not on
 * its heap needs some, too.  A heap that is full is collected, and then said to
 * be full; memory that is used up is the end.
 */

static unsigned long long
heap_mb(void)
{
	uint64_t  mb = config.limits.memory >> 20;

	return mb < 96 ? mb / 4 : (mb - 48) / 4 * 3;
}


void
kind_exec(const struct tier *tier)
{
	char                 heap[64];
	const char          *argv[NAMES_MAX + OPTIONS_MAX], **a = argv;
	unsigned             i;
	const struct kind   *kind = tier->runtime->config->kind;
	const struct names  *preload = &tier->config->preload;

	*a++ = tier->runtime->config->interpreter;

	for (i = 0; kind->options[i] != NULL; i++) {
		*a++ = kind->options[i];
	}

	if (kind->heap != NULL) {
		(void) snprintf(heap, sizeof(heap), "%s%llu",
		    kind->heap, heap_mb());
		*a++ = heap;
	}

	if (kind->script != NULL) {
		*a++ = kind->script;
	}

	for (i = 0; i < preload->count; i++) {
		*a++ = preload->name[i];
	}

	*a = NULL;

	(void) execve(argv[0], (char **) (uintptr_t) argv,
	    (char **) (uintptr_t) kind->environment);
}
