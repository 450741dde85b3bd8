/*
 * Copyright (C) The codeexec authors.
 *
 * Control groups: one directory for each slot in every hierarchy that can do
 * something for us, made once and used by one run after another.  A run puts
 * itself in before it is locked down; we keep the files open.
 *
 *   v2, delegated      BASE/codeexec/slot-N         everything
 *   v1                 BASE/codeexec/slot-N         memory, pids, cpu, cpuacct
 *   v2 without         BASE/codeexec/slot-N         cpu time, beside v1
 *   controllers
 *
 * BASE is where codeexecd itself is in that hierarchy.
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

#define CPU_PERIOD_US  100000

static int
write_number(const char *dir, const char *name, uint64_t n)
{
	char  text[32];

	(void) snprintf(text, sizeof(text), "%llu", (unsigned long long) n);

	return cgroup_write_in(dir, name, text);
}


static uint64_t
read_number(int fd)
{
	char     text[32];
	ssize_t  n;

	n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);
	if (n <= 0) {
		return 0;
	}

	text[n] = '\0';

	return strtoull(text, NULL, 10);
}


/* "oom_kill 3" in memory.events and memory.oom_control, and the like; 0 where
 * there is no such file or field. */

static uint64_t
read_field(int fd, const char *field)
{
	char        text[1024];
	ssize_t     n;
	const char  *p;

	n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);
	if (n <= 0) {
		return 0;
	}

	text[n] = '\0';

	for (p = text; (p = strstr(p, field)) != NULL; p++) {
		if ((p == text || p[-1] == '\n') && p[strlen(field)] == ' ') {
			return strtoull(p + strlen(field), NULL, 10);
		}
	}

	return 0;
}


/* Microseconds of CPU time in a period, or the word for "all". */

static const char *
quota(char *text, const char *all)
{
	if (config.limits.cpus == 0) {
		return all;
	}

	(void) snprintf(text, 32, "%d",
	    (int) (config.limits.cpus * CPU_PERIOD_US));

	return text;
}


/* The keeper is one process more than the run has been promised. */

static void
set_limits_v1(const struct hierarchy *h, const char *dir)
{
	char            text[32];
	struct limits  *l = &config.limits;

	if (h->has & HAS_MEMORY) {

		/* One that was left by an earlier codeexecd may be lower; it is
		 * absent without swap accounting. */

		(void) cgroup_write_in(dir, "memory.memsw.limit_in_bytes",
		    "-1");

		if (write_number(dir, "memory.limit_in_bytes", l->memory)
		    != 0)
		{
			fatal("%s/memory.limit_in_bytes", dir);
		}

		(void) write_number(dir, "memory.memsw.limit_in_bytes",
		    l->memory);
	}

	if ((h->has & HAS_PIDS)
	    && write_number(dir, "pids.max", l->processes + 1) != 0)
	{
		fatal("%s/pids.max", dir);
	}

	if ((h->has & HAS_CPU)
	    && (write_number(dir, "cpu.cfs_period_us", CPU_PERIOD_US) != 0
	        || cgroup_write_in(dir, "cpu.cfs_quota_us", quota(text, "-1"))
	            != 0))
	{
		fatal("%s/cpu.cfs_quota_us", dir);
	}
}


static void
set_limits_v2(const struct hierarchy *h, const char *dir)
{
	char            text[32];
	struct limits  *l = &config.limits;

	if (h->has & HAS_MEMORY) {
		if (write_number(dir, "memory.max", l->memory) != 0
		    || write_number(dir, "memory.oom.group", 1) != 0)
		{
			fatal("%s/memory.max", dir);
		}

		(void) write_number(dir, "memory.swap.max", 0);
	}

	if ((h->has & HAS_PIDS)
	    && write_number(dir, "pids.max", l->processes + 1) != 0)
	{
		fatal("%s/pids.max", dir);
	}

	if ((h->has & HAS_CPU)
	    && cgroup_write_in(dir, "cpu.max", quota(text, "max")) != 0)
	{
		fatal("%s/cpu.max", dir);
	}
}


static void
open_files(struct cgroup *cg, const struct hierarchy *h, const char *dir)
{
	bool  v2 = (h->has & IS_V2) != 0;

	if (h->has & HAS_MEMORY) {
		cg->memory_peak = cgroup_open_in(dir, O_RDWR, "%s",
		    v2 ? "memory.peak" : "memory.max_usage_in_bytes");
		cg->memory_events = cgroup_open_in(dir, O_RDONLY, "%s",
		    v2 ? "memory.events" : "memory.oom_control");
	}

	if (h->has & HAS_PIDS) {
		cg->pids = cgroup_open_in(dir, O_RDONLY, "pids.current");
		cg->pids_events = cgroup_open_in(dir, O_RDONLY, "pids.events");
		cg->dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}

	if (h->has & HAS_CPU) {
		cg->weight = cgroup_open_in(dir, O_WRONLY, "%s",
		    v2 ? "cpu.weight" : "cpu.shares");
	}

	if (h->has & HAS_CPUACCT) {
		cg->cpu = cgroup_open_in(dir, O_RDONLY, "cpuacct.usage");

	} else if (v2 && !(hierarchies_have & HAS_CPUACCT)) {
		cg->cpu = cgroup_open_in(dir, O_RDONLY, "cpu.stat");
	}
}


void
cgroup_open(struct cgroup *cg, unsigned slot)
{
	char                     dir[PATH_MAX];
	unsigned                 i;
	const struct hierarchy  *h;

	memset(cg, 0, sizeof(*cg));

	cg->memory_peak = cg->memory_events = -1;
	cg->cpu = cg->pids = cg->pids_events = cg->dir = cg->weight = -1;
	cg->notice = -1;

	for (i = 0; i < n_hierarchies; i++) {
		h = &hierarchies[i];

		(void) snprintf(dir, sizeof(dir), "%s/slot-%u", h->dir, slot);

		if (mkdir(dir, 0755) != 0 && errno != EEXIST) {
			fatal("mkdir %s", dir);
		}

		if (h->has & IS_V2) {
			set_limits_v2(h, dir);
		} else {
			set_limits_v1(h, dir);
		}

		open_files(cg, h, dir);

		cg->procs[i] = cgroup_open_in(dir, O_WRONLY, "cgroup.procs");
		if (cg->procs[i] < 0) {
			fatal("%s/cgroup.procs", dir);
		}
	}

	cg->count = n_hierarchies;
}


static uint64_t
cpu_total(const struct cgroup *cg)
{
	return hierarchies_have & HAS_CPUACCT ? read_number(cg->cpu) / 1000
	    : read_field(cg->cpu, "usage_usec");
}


/* Somebody waits for a run that has a job, nobody for one that is made. */

static void
set_weight(const struct cgroup *cg, const char *weight)
{
	if (cg->weight >= 0
	    && pwrite(cg->weight, weight, strlen(weight), 0) < 0)
	{
		log_warn("CPU weight: %s", strerror(errno));
	}
}


void
cgroup_prepare(struct cgroup *cg)
{
	set_weight(cg, "32");
}


void
cgroup_begin(struct cgroup *cg)
{
	uint64_t  n;

	set_weight(cg, "1024");

	/* What it was told of the run before this one. */

	cg->oom = false;

	if (cg->notice >= 0) {
		(void) read(cg->notice, &n, sizeof(n));
	}

	cg->cpu_base = cpu_total(cg);
	cg->oom_base = read_field(cg->memory_events, "oom_kill");
	cg->full_base = read_field(cg->pids_events, "max");

	/* Where the kernel can't start the peak again, it is not ours. */

	if (cg->memory_peak >= 0 && pwrite(cg->memory_peak, "0", 1, 0) < 0) {
		close_fd(&cg->memory_peak);
	}
}


int
cgroup_count(const struct cgroup *cg)
{
	return cg->pids < 0 ? -1 : (int) read_number(cg->pids);
}


/* v1 answers from a cache of the open file: it is opened anew. */

unsigned
cgroup_members(const struct cgroup *cg, pid_t *pids, unsigned n)
{
	int       fd;
	char      text[256], *p, *end;
	ssize_t   size;
	unsigned  i;

	fd = openat(cg->dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	close_fd(&fd);

	if (size < 0) {
		return n + 1;
	}

	text[size] = '\0';

	for (i = 0, p = text; *p != '\0' && i <= n; i++, p = end + 1) {
		pid_t  pid = (pid_t) strtol(p, &end, 10);

		if (i < n) {
			pids[i] = pid;
		}
	}

	return i;
}


bool
cgroup_oom(const struct cgroup *cg)
{
	return cg->oom
	    || read_field(cg->memory_events, "oom_kill") > cg->oom_base;
}


bool
cgroup_full(const struct cgroup *cg)
{
	return read_field(cg->pids_events, "max") > cg->full_base;
}


uint64_t
cgroup_cpu_us(const struct cgroup *cg)
{
	return cg->cpu < 0 ? 0 : cpu_total(cg) - cg->cpu_base;
}


uint64_t
cgroup_peak_kb(const struct cgroup *cg)
{
	return read_number(cg->memory_peak) / 1024;
}


uint32_t
cgroup_cpu_seconds(uint64_t wall_ms)
{
	double  cpus = config.limits.cpus;

	if (cpus == 0 || !(hierarchies_have & HAS_CPU)) {
		cpus = (double) sysconf(_SC_NPROCESSORS_ONLN);
	}

	/* A second more for each that was begun, and one for good measure. */

	return (uint32_t) ((double) (wall_ms / 1000 + 2)
	    * (cpus < 1 ? 1 : cpus));
}


/* Only what we made; a directory that is in use stays and is said. */

void
cgroup_cleanup(void)
{
	char      dir[PATH_MAX];
	unsigned  i, slot;

	for (i = 0; i < n_hierarchies; i++) {
		for (slot = 0; slot < config.slots * config.runtimes; slot++) {
			(void) snprintf(dir, sizeof(dir), "%s/slot-%u",
			    hierarchies[i].dir, slot);
			(void) rmdir(dir);
		}

		if (rmdir(hierarchies[i].dir) != 0 && errno != ENOENT) {
			log_warn("rmdir %s: %s", hierarchies[i].dir,
			    strerror(errno));
		}
	}
}
