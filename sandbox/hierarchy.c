/*
 * Copyright (C) The codeexec authors.
 *
 * Which control group hierarchies this host has and where we are in them.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codeexecd.h"
#include "layers.h"

#define LEAF  "codeexecd"

struct hierarchy  hierarchies[CGROUPS_MAX];
unsigned          n_hierarchies;
unsigned          hierarchies_have;

static const struct {
	const char  *name;
	unsigned     bit;
} controllers[] = {
	{ "memory", HAS_MEMORY }, { "pids", HAS_PIDS }, { "cpu", HAS_CPU },
	{ "cpuacct", HAS_CPUACCT },
};


__attribute__((format(printf, 3, 4)))
int
cgroup_open_in(const char *dir, int flags, const char *fmt, ...)
{
	char     path[PATH_MAX], name[64];
	va_list  args;

	va_start(args, fmt);
	(void) vsnprintf(name, sizeof(name), fmt, args);
	va_end(args);

	if (snprintf(path, sizeof(path), "%s/%s", dir, name)
	    >= (int) sizeof(path))
	{
		errno = ENAMETOOLONG;
		return -1;
	}

	return open(path, flags | O_CLOEXEC);
}


int
cgroup_write_in(const char *dir, const char *name, const char *text)
{
	int      fd;
	ssize_t  n;

	fd = cgroup_open_in(dir, O_WRONLY, "%s", name);
	if (fd < 0) {
		return -1;
	}

	n = write(fd, text, strlen(text));
	(void) close(fd);

	return n == (ssize_t) strlen(text) ? 0 : -1;
}


static unsigned
parse_controllers(char *list)
{
	char      *name, *save;
	size_t     i;
	unsigned   bits;

	bits = 0;

	for (name = strtok_r(list, ", \n", &save); name != NULL;
	     name = strtok_r(NULL, ", \n", &save))
	{
		for (i = 0; i < sizeof(controllers) / sizeof(controllers[0]);
		     i++)
		{
			if (strcmp(name, controllers[i].name) == 0) {
				bits |= controllers[i].bit;
			}
		}
	}

	return bits;
}


/* Our own path in the hierarchy that /proc/self/cgroup lists so. */

static int
own_path(const char *root, unsigned bits, char *path, size_t size)
{
	int    rc;
	char   line[PATH_MAX + 256], *list, *where;
	FILE  *f;

	f = fopen("/proc/self/cgroup", "re");
	if (f == NULL) {
		return -1;
	}

	for (rc = -1; rc < 0 && fgets(line, sizeof(line), f) != NULL; ) {
		line[strcspn(line, "\n")] = '\0';

		list = strchr(line, ':');
		where = list != NULL ? strchr(list + 1, ':') : NULL;

		if (where == NULL) {
			continue;
		}

		*where++ = '\0';

		if (parse_controllers(list + 1) != bits
		    || (bits == 0 && list[1] != '\0'))
		{
			continue;
		}

		/* Mounted from inside a container, our path is its root. */

		if (snprintf(path, size, "%s%s", root,
		             strcmp(where, "/") == 0 ? "" : where)
		    < (int) size)
		{
			rc = 0;
			if (access(path, F_OK) != 0) {
				(void) snprintf(path, size, "%s", root);
			}
		}
	}

	(void) fclose(f);

	return rc;
}


/* One by one: an absent controller must not cost the others. */

static int
hand_down(const char *dir)
{
	int                       i, rc;
	static const char *const  wanted[] = { "+memory", "+pids", "+cpu" };

	for (i = rc = 0; i < 3; i++) {
		if (cgroup_write_in(dir, "cgroup.subtree_control", wanted[i])
		    != 0 && errno == EBUSY)
		{
			rc = -1;
		}
	}

	return rc;
}


/*
 * With the unified hierarchy a group that has processes can't hand
 * controllers down.  In a group that was delegated to us, or in a container,
 * its processes are moved to a leaf then.
 */

static void
enable_v2(const char *base)
{
	int    fd;
	char   leaf[PATH_MAX + 16], pid[32];
	FILE  *procs;

	if (hand_down(base) == 0) {
		return;
	}

	(void) snprintf(leaf, sizeof(leaf), "%s/" LEAF, base);
	(void) mkdir(leaf, 0755);

	fd = cgroup_open_in(base, O_RDONLY, "cgroup.procs");
	procs = fd < 0 ? NULL : fdopen(fd, "r");

	while (procs != NULL && fgets(pid, sizeof(pid), procs) != NULL) {
		(void) cgroup_write_in(leaf, "cgroup.procs", pid);
	}

	if (procs != NULL) {
		(void) fclose(procs);
	}

	if (hand_down(base) != 0) {
		log_warn("%s/cgroup.subtree_control: %s", base,
		    strerror(errno));
	}
}


/*
 * With version 1 a group competes with each process outside of it, on each
 * processor for itself; left alone, the runs on all of them would weigh as
 * much as one such process.  With version 2 groups compete with groups, and
 * who made ours has said how much it weighs.
 */

static void
set_weight(const struct hierarchy *h)
{
	char      text[32];
	bool      v2 = (h->has & IS_V2) != 0;
	uint64_t  weight = config.cpu_weight;

	if (weight == 0) {
		if (v2) {
			return;
		}

		weight = 100 * (uint64_t) sysconf(_SC_NPROCESSORS_ONLN);
	}

	(void) snprintf(text, sizeof(text), "%llu",
	    (unsigned long long) (v2 ? weight : weight * 1024 / 100));

	if (cgroup_write_in(h->dir, v2 ? "cpu.weight" : "cpu.shares", text)
	    != 0)
	{
		log_warn("CPU weight of %s: %s", h->dir, strerror(errno));
	}
}


static void
add_hierarchy(const char *root, unsigned bits)
{
	int                fd;
	char               base[PATH_MAX], dir[PATH_MAX + 256], text[512];
	ssize_t            n;
	struct hierarchy  *h;

	/* The same hierarchy may be mounted twice. */

	if ((bits != 0 && (hierarchies_have & bits) == bits)
	    || (bits == 0 && (hierarchies_have & IS_V2)))
	{
		return;
	}

	if (n_hierarchies == CGROUPS_MAX
	    || own_path(root, bits, base, sizeof(base)) != 0)
	{
		return;
	}

	h = &hierarchies[n_hierarchies];
	h->has = bits;

	(void) snprintf(dir, sizeof(dir), "%s/%.64s", base, config.cgroup);
	h->dir = xstrdup(dir);

	if (bits == 0) {
		h->has = IS_V2;
		enable_v2(base);
	}

	if (mkdir(h->dir, 0755) != 0 && errno != EEXIST) {
		log_warn("mkdir %s: %s", h->dir, strerror(errno));
		return;
	}

	if (h->has & IS_V2) {
		(void) hand_down(h->dir);

		fd = cgroup_open_in(h->dir, O_RDONLY, "cgroup.subtree_control");
		n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
		close_fd(&fd);

		text[n > 0 ? n : 0] = '\0';
		h->has |= parse_controllers(text);

		/* All that is left is CPU time, and that we have. */

		if (h->has == IS_V2 && (hierarchies_have & HAS_CPUACCT)) {
			(void) rmdir(h->dir);
			return;
		}
	}

	if (h->has & HAS_CPU) {
		set_weight(h);
	}

	hierarchies_have |= h->has;
	n_hierarchies++;
}


/* Lines of mountinfo: "… root mountpoint options … - type source super". */

static void
find_hierarchies(void)
{
	char      line[4096], point[PATH_MAX / 4], type[32], super[512];
	char     *dash;
	FILE     *f;
	unsigned  bits;

	f = fopen("/proc/self/mountinfo", "re");
	if (f == NULL) {
		return;
	}

	while (fgets(line, sizeof(line), f) != NULL) {
		dash = strstr(line, " - ");

		if (dash == NULL
		    || sscanf(line, "%*s %*s %*s %*s %1023s", point) != 1
		    || sscanf(dash, " - %31s %*s %511s", type, super) != 2)
		{
			continue;
		}

		if (strcmp(type, "cgroup2") == 0) {
			add_hierarchy(point, 0);

		} else if (strcmp(type, "cgroup") == 0) {
			bits = parse_controllers(super);
			if (bits != 0) {
				add_hierarchy(point, bits);
			}
		}
	}

	(void) fclose(f);
}


/* The controller that does it, as in "cgroup v1 (pids)". */

static bool
controlled_by(unsigned bit, const char *name, char *text, size_t size)
{
	unsigned  i;

	for (i = 0; i < n_hierarchies; i++) {
		if (hierarchies[i].has & bit) {
			(void) snprintf(text, size, "cgroup v%d (%s)",
			    hierarchies[i].has & IS_V2 ? 2 : 1, name);
			return true;
		}
	}

	(void) snprintf(text, size, config.cgroup[0] == '\0'
	    ? "control groups are switched off"
	    : "no cgroup controller \"%s\" that codeexecd can write to", name);

	return false;
}


void
cgroup_init(void)
{
	char            by[96];
	struct limits  *l = &config.limits;

	if (config.cgroup[0] != '\0') {
		find_hierarchies();
	}

	if (controlled_by(HAS_MEMORY, "memory", by, sizeof(by))) {
		layer_held(LAYER_MEMORY, "%.40s: %llu MB", by,
		    (unsigned long long) l->memory >> 20);
	} else {
		layer_missing(LAYER_MEMORY, "%s", by);
	}

	if (controlled_by(HAS_PIDS, "pids", by, sizeof(by))) {
		layer_held(LAYER_PROCESSES, "%.40s: %llu", by,
		    (unsigned long long) l->processes);
	} else {
		layer_missing(LAYER_PROCESSES, "%s", by);
	}

	if (l->cpus == 0) {
		layer_held(LAYER_CPU, "no limit is configured");

	} else if (controlled_by(HAS_CPU, "cpu", by, sizeof(by))) {
		layer_held(LAYER_CPU, "%.40s: %.2f processors", by, l->cpus);

	} else {
		layer_missing(LAYER_CPU, "%s", by);
	}
}
