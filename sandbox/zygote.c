/*
 * Copyright (C) The codeexec authors.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hygiene.h"
#include "lockdown.h"
#include "memory.h"
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


/* The raw clone() below must update what libc remembers. */

static void
prepare(struct zygote *z)
{
	const char  *why;

	if (load_filter(z) != 0) {
		hygiene_refuse("the zygote", "has no seccomp policy");
	}

	if (prctl(PR_GET_TID_ADDRESS, &z->tid) != 0 || z->tid == NULL
	    || *z->tid != z->pid)
	{
		hygiene_refuse("the zygote", "can't find its thread id");
	}

	memory_settle();

	why = hygiene_inspect(NULL, 0);
	if (why != NULL) {
		hygiene_refuse("the zygote", why);
	}
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


/* Modules may have asked to be called before a fork, so this comes last. */

static pid_t
fork_run(struct zygote *z, const int *fds, unsigned nfds, int *pidfd)
{
	const char  *why;

	z->hooks->before_fork();

	why = hygiene_glance(fds, nfds);
	if (why != NULL) {
		hygiene_refuse("the zygote, warm,", why);
	}

	return fork_into(z, fds[FORK_JAIL], pidfd);
}


/* A file, since it is too long for a message; or -1. */

static int
packages_file(const char *text)
{
	int     fd;
	size_t  size;

	if (text == NULL) {
		return -1;
	}

	size = strlen(text);
	fd = memfd_create("packages", MFD_CLOEXEC);

	if (fd >= 0 && write(fd, text, size) != (ssize_t) size) {
		(void) close(fd);
		return -1;
	}

	return fd;
}


/* Nobody waits for a zygote that has not said so. */

static void
say_warm(const struct zygote_hooks *hooks)
{
	int                 fd;
	struct spawn_reply  reply;

	spawn_reply_init(&reply, 0, 0, NULL);
	(void) snprintf(reply.step, sizeof(reply.step), "%s",
	    hooks->version != NULL ? hooks->version : "");

	fd = packages_file(hooks->packages);

	if (spawn_send(SPAWN_CONTROL_FD, &reply, sizeof(reply), &fd, fd >= 0)
	    != 0)
	{
		_exit(1);
	}

	if (fd >= 0) {
		(void) close(fd);
	}
}


void
zygote_serve(const struct zygote_hooks *hooks, struct spawn_fork *request)
{
	int                 pidfd, fds[SPAWN_FDS_MAX];
	pid_t               pid;
	unsigned            nfds, i;
	struct zygote       z = { .hooks = hooks, .pid = getpid() };
	struct spawn_reply  reply;

	prepare(&z);
	say_warm(hooks);

	for ( ;; ) {
		nfds = SPAWN_FDS_MAX;

		if (spawn_recv(SPAWN_CONTROL_FD, request, sizeof(*request),
		               fds, &nfds, 0) <= 0 || nfds < FORK_CGROUPS)
		{
			_exit(0);
		}

		pid = fork_run(&z, fds, nfds, &pidfd);

		if (pid == 0) {
			become_run(&z, request, fds, nfds);
			return;
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
