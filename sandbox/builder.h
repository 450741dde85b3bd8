/*
 * Copyright (C) The codeexec authors.
 *
 * codeexec-builder: builds jails for one runtime.
 *
 * Theory of operation
 * -------------------
 * codeexecd starts one builder for each runtime, as root and as process 1 of
 * a new pid namespace, the pen.  The builder
 *
 *   1. lays out a root of its own (template.c): a read-only tmpfs with the
 *      rootfs's /usr bound into it, a handful of generated files in /etc,
 *      five device nodes and nothing else, and pivots into it;
 *   2. gives up root: it enters a user namespace in which its uid 0 is an
 *      unprivileged uid of the host, together with new mount, network, ipc,
 *      uts and cgroup namespaces;
 *   3. builds a jail for each request (jail.c): it forks an init, process 1
 *      of a pid namespace inside new user, mount, ipc, uts and cgroup
 *      namespaces and a network namespace kept for that slot; the init mounts
 *      its /proc and its private tmpfs, sends codeexecd the descriptors of
 *      itself and of the tmpfs, gives up everything and sleeps for ever.
 *
 * A jail is used for one run and dies with its init.  The pen dies with the
 * builder, and the builder with codeexecd, whatever way that one ends: the
 * kernel kills every process of a pid namespace when its process 1 is gone.
 */

#ifndef CODEEXEC_BUILDER_H
#define CODEEXEC_BUILDER_H

#include <stdint.h>

#include "spawn.h"

struct builder {
	const char  *rootfs;    /* tree whose /usr the jails see */
	const char  *library;   /* directory bound at /opt/codeexec */
	const char  *packages;  /* and one at /opt/packages, or NULL */
	uint32_t     slots;     /* jails that may exist at once */
	int         *netns;     /* one network namespace for each slot, or -1 */
};

/* Prints "codeexec-builder: what: strerror", tells codeexecd, and exits. */
__attribute__((noreturn, format(printf, 1, 2)))
void die(const char *fmt, ...);

/* template.c: the root every jail starts from.  Returns in the new root. */
void template_build(const struct builder *b);

/* jail.c: one jail.  Answers on SPAWN_CONTROL_FD, good or bad. */
void jail_build(struct builder *b, const struct spawn_build *request);

#endif /* CODEEXEC_BUILDER_H */
