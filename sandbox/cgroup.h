/*
 * Copyright (C) The codeexec authors.
 *
 * Control groups: the hierarchies of this host, and one group of each slot in
 * them, by which its runs are limited and measured.
 */

#ifndef CODEEXEC_CGROUP_H
#define CODEEXEC_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CGROUPS_MAX     8    /* hierarchies that a run joins */


/* hierarchy.c */

enum { HAS_MEMORY = 1, HAS_PIDS = 2, HAS_CPU = 4, HAS_CPUACCT = 8, IS_V2 = 16 };

struct hierarchy {
	char     *dir;                   /* ours in it */
	unsigned  has;                   /* controllers, bits from above */
};

extern struct hierarchy  hierarchies[CGROUPS_MAX];
extern unsigned          n_hierarchies;
extern unsigned          hierarchies_have;      /* all of them together */

/* Finds what the host has, makes our directories, and says in layers what
 * can be limited with them. */
void  cgroup_init(void);

/* A file of a cgroup directory: descriptor or -1; 0 or -1; both with errno. */
__attribute__((format(printf, 3, 4)))
int  cgroup_open_in(const char *dir, int flags, const char *fmt, ...);
int  cgroup_write_in(const char *dir, const char *name, const char *text);


/* cgroup.c */

struct cgroup {
	int       procs[CGROUPS_MAX];    /* open cgroup.procs */
	unsigned  count;
	int       memory_peak;           /* open files, or -1 where absent */
	int       memory_events;
	int       cpu;
	int       pids;
	int       pids_events;
	int       weight;
	int       dir;                   /* where pids is */
	uint64_t  cpu_base;              /* microseconds when the job began */
	uint64_t  oom_base;
	uint64_t  full_base;
	int       notice;                /* eventfd of oom.c, or -1 */
	bool      oom;                   /* it has told, since begin */
};

void  cgroup_open(struct cgroup *cg, unsigned slot);
void  cgroup_prepare(struct cgroup *cg);     /* a run is about to be made */
void  cgroup_begin(struct cgroup *cg);       /* a job is about to start */


/* The pids in it, at most n of them; returns their number, or n + 1 for more
 * than that and for "unknown".  There must be a directory to ask. */
unsigned  cgroup_members(const struct cgroup *cg, pid_t *pids, unsigned n);

/* How many processes are in it, or -1 when there is no cgroup to ask. */
int       cgroup_count(const struct cgroup *cg);
bool      cgroup_oom(const struct cgroup *cg);      /* since begin */

/* Whether a process or thread was refused for pids.max, since begin; false
 * where the kernel does not count it. */
bool      cgroup_full(const struct cgroup *cg);
uint64_t  cgroup_cpu_us(const struct cgroup *cg);   /* since begin, or 0 */
uint64_t  cgroup_peak_kb(const struct cgroup *cg);  /* or 0 */
void      cgroup_cleanup(void);

/* CPU time, in seconds, that no process can have had after so long. */
uint32_t  cgroup_cpu_seconds(uint64_t wall_ms);

#endif
