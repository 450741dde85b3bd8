/*
 * Copyright (C) The codeexec authors.
 */

#define _GNU_SOURCE

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "codeexecd.h"
#include "layers.h"

#define CGROUP_REMEDY                                                         \
    "let codeexecd write to its control groups: Delegate=yes under systemd, " \
    "a writable /sys/fs/cgroup in a container"

struct layer  layers[LAYERS] = {

	[LAYER_NAMESPACES] = { "namespaces", true, false,
	    "start codeexecd with CAP_SYS_ADMIN, with user.max_*_namespaces "
	    "above 0, and in a container with a seccomp profile that lets "
	    "clone3, unshare and setns through" },

	[LAYER_NESTED] = { "nested-namespaces", true, true,
	    "let codeexecd write /proc/sys/user/max_user_namespaces of its "
	    "jails: AppArmor's docker-default profile forbids it" },

	[LAYER_ROOT] = { "root", true, false,
	    "start codeexecd with CAP_SYS_ADMIN, with a rootfs that has a "
	    "/usr, and in a container with profiles (seccomp, AppArmor) that "
	    "let mount, umount2 and pivot_root through" },

	[LAYER_PROC] = { "proc", true, false,
	    "leave /proc whole where codeexecd is not root of the machine: "
	    "docker run --security-opt systempaths=unconfined" },

	[LAYER_DEVICES] = { "devices", true, false,
	    "give codeexecd a /dev with null, zero, full, random and urandom" },

	[LAYER_SOCKETS] = { "sockets", true, false,
	    "use a kernel with CONFIG_SECCOMP_FILTER, and a container profile "
	    "that lets seccomp through" },

	[LAYER_SYSCALLS] = { "syscalls", true, false,
	    "use a kernel with CONFIG_SECCOMP_FILTER, and a container profile "
	    "that lets seccomp through" },

	[LAYER_CAPABILITIES] = { "capabilities", true, false,
	    "use a kernel that lets a process give up capabilities and set "
	    "no_new_privs, and no profile that forbids prctl and capset" },

	[LAYER_UIDS] = { "uids", true, false,
	    "start codeexecd with CAP_SETUID and CAP_SETGID; without root, "
	    "install newuidmap and give its user a range in /etc/subuid and "
	    "/etc/subgid" },

	[LAYER_RLIMITS] = { "rlimits", true, true,
	    "start codeexecd with a hard limit of core files of 1 or more "
	    "(LimitCORE=, ulimit -Hc) or with CAP_SYS_RESOURCE" },

	[LAYER_MEMORY] = { "memory", true, true, CGROUP_REMEDY },
	[LAYER_PROCESSES] = { "processes", true, true, CGROUP_REMEDY },
	[LAYER_CPU] = { "cpu", true, true, CGROUP_REMEDY },

	[LAYER_DISK] = { "disk", true, false,
	    "use a kernel that lets a user namespace mount a tmpfs" },

	[LAYER_LANDLOCK] = { "landlock", false, true,
	    "use a kernel with CONFIG_SECURITY_LANDLOCK and \"landlock\" in "
	    "its lsm= list" },

	[LAYER_SHARED_INODES] = { "shared-inodes", false, true,
	    "let codeexec-rootfs build a tree with what runs need and nothing "
	    "else, and point \"rootfs\" at it" },
};


int
layer_find(const char *name)
{
	int  id;

	for (id = 0; id < LAYERS; id++) {
		if (strcmp(layers[id].name, name) == 0) {
			return id;
		}
	}

	return -1;
}


bool
layer_allowed(enum layer_id id)
{
	unsigned  i;

	if (config.cgroup[0] == '\0'
	    && (id == LAYER_MEMORY || id == LAYER_PROCESSES || id == LAYER_CPU))
	{
		return true;
	}

	for (i = 0; i < config.allow_missing.count; i++) {
		if (strcmp(config.allow_missing.name[i], layers[id].name) == 0)
		{
			return true;
		}
	}

	return false;
}


__attribute__((format(printf, 3, 0)))
static void
set(enum layer_id id, bool missing, const char *fmt, va_list args)
{
	char          *p;
	struct layer  *l = &layers[id];

	l->missing = missing;
	(void) vsnprintf(l->how, sizeof(l->how), fmt, args);

	/* It goes into lines and into JSON as it is. */

	for (p = l->how; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\' || *p < 0x20 || *p == 0x7f) {
			*p = '\'';
		}
	}
}


void
layer_held(enum layer_id id, const char *how, ...)
{
	va_list  args;

	va_start(args, how);
	set(id, false, how, args);
	va_end(args);
}


void
layer_missing(enum layer_id id, const char *why, ...)
{
	va_list  args;

	va_start(args, why);
	set(id, true, why, args);
	va_end(args);
}


bool
layers_suffice(void)
{
	int  id;

	for (id = 0; id < LAYERS; id++) {
		if (layers[id].missing && !layers[id].dispensable) {
			return false;
		}
	}

	return true;
}


int
layers_review(void)
{
	int            id, rc;
	struct layer  *l;

	for (id = rc = 0; id < LAYERS; id++) {
		l = &layers[id];

		if (!l->missing || !l->mandatory) {
			continue;
		}

		if (!layer_allowed((enum layer_id) id)) {
			log_warn("the layer \"%s\" is missing: %s; %s%s",
			    l->name, l->how, l->remedy, l->dispensable
			    ? ", or name it in allow_missing" : "");
			rc = -1;

		} else if (!l->dispensable) {
			log_warn("the layer \"%s\" is missing: %s; there is no "
			    "way without it: %s", l->name, l->how, l->remedy);
			rc = -1;

		} else {
			log_warn("running without the layer \"%s\": %s",
			    l->name, l->how);
		}
	}

	return rc;
}
