/*
 * Copyright (C) The codeexec authors.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "keeper.h"
#include "landlock.h"
#include "lockdown.h"
#include "privileges.h"

#define NAMESPACES  (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC \
                     | CLONE_NEWUTS | CLONE_NEWCGROUP)

/* The first number that is free for good; descriptors 0 to 3 are replaced. */
#define FD_SAFE     16


/*
 * The zygote's /proc is still visible here; the jail's is read-only.  User
 * code can raise the value, never lower it.
 */

static const char *
prefer_for_oom(void)
{
	int      fd;
	ssize_t  n;

	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		return "open oom_score_adj";
	}

	n = write(fd, "1000", 4);
	(void) close(fd);

	return n == 4 ? NULL : "oom_score_adj";
}


static const char *
join_cgroups(const int *fds, unsigned nfds)
{
	unsigned  i;

	for (i = 0; i < nfds; i++) {
		if (write(fds[i], "0", 1) != 1) {
			return "cgroup.procs";
		}
	}

	return NULL;
}


static const char *
enter_namespaces(int jail)
{
	if (setns(jail, NAMESPACES) != 0) {
		return "setns";
	}

	/* Its root is the cgroup joined above, not the init's. */

	return unshare(CLONE_NEWCGROUP) == 0 ? NULL : "unshare cgroup";
}


/*
 * Descriptors came in any order, 0 to 3 among them never; they are moved up
 * first, so that no dup2() below can close one that is still needed.
 */

static const char *
replace_descriptors(const int *fds)
{
	int  i, source[4];

	source[0] = open("/dev/null", O_RDONLY);
	source[1] = fds[FORK_STDOUT];
	source[2] = fds[FORK_STDERR];
	source[3] = fds[FORK_CONTROL];

	for (i = 0; i < 4; i++) {
		source[i] = fcntl(source[i], F_DUPFD, FD_SAFE);
		if (source[i] < 0) {
			return "F_DUPFD";
		}
	}

	for (i = 0; i < 4; i++) {
		if (dup2(source[i], i) != i) {
			return "dup2";
		}
	}

	return close_range(SPAWN_CONTROL_FD + 1, ~0U, 0) == 0 ? NULL
	    : "close_range";
}


/* What signals do is the runtime's choice: it began with the defaults. */

static const char *
unblock_signals(void)
{
	sigset_t  none;

	(void) sigemptyset(&none);

	return sigprocmask(SIG_SETMASK, &none, NULL) == 0 ? NULL
	    : "sigprocmask";
}


static const char *
set_limits(const struct spawn_fork *request)
{
	size_t  i;
	struct {
		__rlimit_resource_t  resource;
		uint64_t             value;
	} limits[] = {
		{ RLIMIT_CORE, 1 },    /* 0 would still feed a core pipe */
		{ RLIMIT_FSIZE, request->file_size },
		{ RLIMIT_NOFILE, request->open_files },
		{ RLIMIT_NPROC, request->processes },
		{ RLIMIT_CPU, request->cpu_seconds },
		{ RLIMIT_DATA, request->data_size ? request->data_size
		                                  : RLIM_INFINITY },
		{ RLIMIT_STACK, 8u << 20 },
		{ RLIMIT_MEMLOCK, 64u << 10 },
		{ RLIMIT_SIGPENDING, 1024 },
		{ RLIMIT_MSGQUEUE, 0 },
		{ RLIMIT_NICE, 0 },
		{ RLIMIT_RTPRIO, 0 },
	};
	struct rlimit  limit, now;

	for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		__rlimit_resource_t  resource = limits[i].resource;

		if (getrlimit(resource, &now) != 0) {
			return "getrlimit";
		}

		/* What codeexecd was started with may be lower already. */

		limit.rlim_max = limits[i].value < now.rlim_max
		    ? limits[i].value : now.rlim_max;
		limit.rlim_cur = limit.rlim_max;

		if (setrlimit(resource, &limit) != 0) {
			return "setrlimit";
		}
	}

	return NULL;
}


/* A directory that was swapped below us would make this "(unreachable)". */

static const char *
enter_home(void)
{
	char  cwd[64];

	if (chdir(JAIL_HOME) != 0 || getcwd(cwd, sizeof(cwd)) == NULL) {
		return "chdir " JAIL_HOME;
	}

	if (strcmp(cwd, JAIL_HOME) != 0) {
		errno = ENOENT;
		return "getcwd";
	}

	return NULL;
}


/* The order matters: a change of uid clears dumpable and the death signal,
 * and it needs the capabilities that are dropped after it. */

static const char *
become_nobody(const struct spawn_fork *request)
{
	if ((!request->keep_groups && setgroups(0, NULL) != 0)
	    || setresgid(JAIL_UID, JAIL_UID, JAIL_UID) != 0
	    || setresuid(JAIL_UID, JAIL_UID, JAIL_UID) != 0)
	{
		return "setresuid";
	}

	if (privileges_drop() != 0) {
		return "capabilities";
	}

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0
	    || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
	{
		return "prctl";
	}

	return NULL;
}


static void
report(int control, const struct spawn_fork *request, const char *step)
{
	struct spawn_reply  reply;

	spawn_reply_init(&reply, request->slot, request->serial, step);

	if (spawn_send(control, &reply, sizeof(reply), NULL, 0) != 0
	    || step != NULL)
	{
		_exit(126);
	}
}


void
lockdown_enter(const struct spawn_fork *request, const int *fds,
    unsigned nfds, const struct sock_fprog *filter)
{
	int          control;
	const char  *step;

	control = fds[FORK_CONTROL];

	if ((step = prefer_for_oom()) == NULL
	    && (step = join_cgroups(fds + FORK_CGROUPS, nfds - FORK_CGROUPS))
	        == NULL
	    && (step = enter_namespaces(fds[FORK_JAIL])) == NULL
	    && (step = replace_descriptors(fds)) == NULL)
	{
		control = SPAWN_CONTROL_FD;
		(void) umask(0022);

		if ((step = setsid() > 0 ? NULL : "setsid") == NULL
		    && (step = unblock_signals()) == NULL
		    && (step = become_nobody(request)) == NULL
		    && (step = enter_home()) == NULL
		    && (step = set_limits(request)) == NULL
		    && (step = keeper_start() == 0 ? NULL : "keeper") == NULL
		    && (step = landlock_confine() == 0 ? NULL : "landlock")
		        == NULL
		    && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, filter)
		        != 0)
		{
			step = "seccomp";
		}
	}

	if (step != NULL) {
		report(control, request, step);
	}
}


int
lockdown_wait(const struct spawn_fork *request, struct spawn_job *job)
{
	int            fds[2];
	unsigned       nfds = 2;
	struct rlimit  cpu;

	report(SPAWN_CONTROL_FD, request, NULL);

	if (spawn_recv(SPAWN_CONTROL_FD, job, sizeof(*job), fds, &nfds, 0) <= 0
	    || nfds == 0)
	{
		_exit(126);
	}

	cpu.rlim_cur = cpu.rlim_max = job->cpu_seconds;

	if (setrlimit(RLIMIT_CPU, &cpu) != 0) {
		_exit(126);
	}

	if (nfds == 2) {
		if (dup2(fds[1], 0) != 0) {
			_exit(126);
		}

		(void) close(fds[1]);
	}

	return fds[0];
}
