/*
 * Copyright (C) The codeexec authors.
 *
 * The layers of the wall between a run and the machine, by the names that
 * "codeexecd --check", allow_missing, STATE, the log and the manuals use.
 *
 * Before codeexecd serves anybody it finds out which of them this machine
 * offers (probe.c, hierarchy.c).  A mandatory one that is missing keeps it
 * from starting, unless allow_missing names it and there is a way without.
 */

#ifndef CODEEXEC_LAYERS_H
#define CODEEXEC_LAYERS_H

#include <stdbool.h>

enum layer_id {
	LAYER_NAMESPACES, LAYER_NESTED, LAYER_ROOT, LAYER_PROC, LAYER_DEVICES,
	LAYER_SOCKETS, LAYER_SYSCALLS, LAYER_CAPABILITIES, LAYER_UIDS,
	LAYER_RLIMITS, LAYER_MEMORY, LAYER_PROCESSES, LAYER_CPU, LAYER_DISK,
	LAYER_LANDLOCK, LAYER_SHARED_INODES, LAYERS
};

struct layer {
	const char  *name;
	bool         mandatory;
	bool         dispensable;   /* there is a way without it */
	const char  *remedy;        /* one sentence, without its full stop */
	bool         missing;
	char         how[96];       /* it is done; or why it is missing */
};

extern struct layer  layers[LAYERS];

/* The layer of that name, or -1. */
int   layer_find(const char *name);

/* Whether allow_missing names it; cgroup = "" names three of them. */
bool  layer_allowed(enum layer_id id);

__attribute__((format(printf, 2, 3)))
void  layer_held(enum layer_id id, const char *how, ...);

__attribute__((format(printf, 2, 3)))
void  layer_missing(enum layer_id id, const char *why, ...);

/* Says which mandatory layers are missing.  Returns 0, or -1 if one of them
 * is neither allowed to be nor possible to do without. */
int   layers_review(void);

/* Whether runs can be made at all with those there are. */
bool  layers_suffice(void);

/* probe.c: fills layers by trying; makes one jail and throws it away. */
void  layers_probe(void);

extern int  layers_landlock;    /* the version of its ABI, or -1 */

#endif /* CODEEXEC_LAYERS_H */
