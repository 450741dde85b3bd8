/*
 * Copyright (C) The codeexec authors.
 */

#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lockdown.h"
#include "zygote.h"

#define FILTER_MAX  4096  /* instructions, the kernel's own limit */


struct zygote {
	struct sock_fprog           filter;
	const struct zygote_hooks  *hooks;
	int                        *tid;   /* where libc caches it */
	pid_t                       pid;
};


static int
load_filter(struct zygote *z)
{
	struct stat          st;
	struct sock_filter  *code;

	if (fstat(SPAWN_FILTER_FD, &st) != 0 || st.st_size == 0
	    || (size_t) st.st_size > FILTER_MAX * sizeof(*code)
	    || (size_t) st.st_size % sizeof(*code) != 0)
	{
		return -1;
	}

	code = malloc((size_t) st.st_size);

	if (code == NULL
	    || pread(SPAWN_FILTER_FD, code, (size_t) st.st_size, 0)
	        != st.st_size)
	{
		free(code);
		return -1;
	}

	(void) close(SPAWN_FILTER_FD);

	z->filter.filter = code;
	z->filter.len = (unsigned short) ((size_t) st.st_size / sizeof(*code));

	return 0;
}


static int
one_thread(void)
{
	DIR  *dir;
	int   n;

	dir = opendir("/proc/self/task");
	if (dir == NULL) {
		return 0;
	}

	for (n = 0; readdir(dir) != NULL; n++) {
		/* void */
	}

	(void) closedir(dir);

	return n == 3;  /* ".", ".." and itself */
}


/* None above last is open, but for the directory itself. */

static int
only_descriptors(int last)
{
	DIR            *dir;
	int             fd, good;
	struct dirent  *entry;

	dir = opendir("/proc/self/fd");
	if (dir == NULL) {
		return 0;
	}

	for (good = 1; (entry = readdir(dir)) != NULL; ) {
		if (entry->d_name[0] == '.') {
			continue;
		}

		fd = (int) strtol(entry->d_name, NULL, 10);
		good &= fd <= last || fd == dirfd(dir);
	}

	(void) closedir(dir);

	return good;
}


static int
no_shared_memory(void)
{
	int    good;
	char   line[512];
	FILE  *maps;

	maps = fopen("/proc/self/maps", "re");
	if (maps == NULL) {
		return 0;
	}

	for (good = 1; fgets(line, sizeof(line), maps) != NULL; ) {
		char  perms[5] = "";

		good &= sscanf(line, "%*s %4s", perms) != 1
		    || perms[1] != 'w' || perms[3] != 's';
	}

	(void) fclose(maps);

	return good;
}


static const char *
unfit(struct zygote *z)
{
	if (load_filter(z) != 0) {
		return "no seccomp policy on its descriptor";
	}

	/* The raw clone() below must update what libc remembers. */

	if (prctl(PR_GET_TID_ADDRESS, &z->tid) != 0 || z->tid == NULL
	    || *z->tid != z->pid)
	{
		return "the kernel does not tell the address of the thread id";
	}

	if (!one_thread()) {
		return "more than one thread";
	}

	if (!only_descriptors(SPAWN_CONTROL_FD)) {
		return "a descriptor is open that runs must not inherit";
	}

	if (!no_shared_memory()) {
		return "a shared writable mapping that runs would inherit";
	}

	return NULL;
}


/* The run becomes a child of codeexecd, which alone sees how it ends. */

static pid_t
fork_into(struct zygote *z, int jail, int *pidfd)
{
	struct clone_args  args = {
		.flags = CLONE_PARENT | CLONE_PIDFD | CLONE_CHILD_SETTID
		         | CLONE_CHILD_CLEARTID,
		.pidfd = (uintptr_t) pidfd,
		.child_tid = (uintptr_t) z->tid
	};

	if (setns(jail, CLONE_NEWPID) != 0) {
		return -1;
	}

	return (pid_t) syscall(SYS_clone3, &args, sizeof(args));
}


static void
become_run(struct zygote *z, const struct spawn_fork *request,
    const int *fds, unsigned nfds)
{
	z->hooks->after_fork_child();

	/* Libraries tell a fork by a changed pid, and reseed then. */

	if (getpid() == z->pid) {
		_exit(126);
	}

	lockdown_enter(request, fds, nfds, &z->filter);
}


int
zygote_serve(const struct zygote_hooks *hooks, struct spawn_fork *request,
    char *error, size_t size)
{
	int                 pidfd, fds[SPAWN_FDS_MAX];
	pid_t               pid;
	unsigned            nfds, i;
	const char         *why;
	struct zygote       z = { .hooks = hooks, .pid = getpid() };
	struct spawn_reply  reply;

	why = unfit(&z);
	if (why != NULL) {
		(void) snprintf(error, size, "%s", why);
		return -1;
	}

	spawn_reply_init(&reply, 0, 0, NULL);
	(void) spawn_send(SPAWN_CONTROL_FD, &reply, sizeof(reply), NULL, 0);

	for ( ;; ) {
		nfds = SPAWN_FDS_MAX;

		if (spawn_recv(SPAWN_CONTROL_FD, request, sizeof(*request),
		               fds, &nfds, 0) <= 0 || nfds < FORK_CGROUPS)
		{
			_exit(0);
		}

		hooks->before_fork();
		pid = fork_into(&z, fds[FORK_JAIL], &pidfd);

		if (pid == 0) {
			become_run(&z, request, fds, nfds);
			return 0;
		}

		spawn_reply_init(&reply, request->slot, request->serial,
		    pid < 0 ? "fork" : NULL);

		hooks->after_fork_parent();

		(void) spawn_send(SPAWN_CONTROL_FD, &reply, sizeof(reply),
		    &pidfd, pid > 0);

		if (pid > 0) {
			(void) close(pidfd);
		}

		for (i = 0; i < nfds; i++) {
			(void) close(fds[i]);
		}
	}
}
