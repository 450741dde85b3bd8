/*
 * Copyright (C) The codeexec authors.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "keeper.h"
#include "privileges.h"

#define STACK_SIZE  16384

static char  stack[STACK_SIZE] __attribute__((aligned(64)));


/*
 * Runs beside the run in the same memory, on this stack, with the same
 * thread-local storage: nothing here may touch errno, so failure is exit.
 */

static int
keeper_main(void *data)
{
	char        c;
	const int  *ends = data;

	/* Both ends are kept, so that the read() below never returns. */

	if (syscall(SYS_dup2, ends[1], 0) == 0
	    && syscall(SYS_dup2, ends[0], 1) == 1
	    && syscall(SYS_close_range, 2, ~0U, 0) == 0
	    && syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0
	    && privileges_strict() == 0
	    && syscall(SYS_write, 0, "", 1) == 1)
	{
		while (syscall(SYS_read, 0, &c, 1) == 1) {
			/* void */
		}
	}

	syscall(SYS_exit, 0);

	return 0;
}


int
keeper_start(void)
{
	int         ends[2], error;
	char        c;
	pid_t       pid;
	ssize_t     n;
	sigset_t    all, old;
	static int  its[2];   /* the keeper reads it while ours changes */

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
		return -1;
	}

	n = -1;
	pid = -1;
	its[0] = ends[0];
	its[1] = ends[1];

	/* It must not run the handlers of a program that signals its group. */

	(void) sigfillset(&all);

	if (sigprocmask(SIG_SETMASK, &all, &old) == 0) {

		/* No exit signal: wait() does not see it. */

		pid = clone(keeper_main, stack + STACK_SIZE, CLONE_VM, its);

		if (sigprocmask(SIG_SETMASK, &old, NULL) != 0) {
			pid = -1;
		}
	}

	if (pid > 0) {

		/* Now a keeper that failed is the end of the stream. */

		(void) close(ends[1]);
		ends[1] = -1;

		n = read(ends[0], &c, 1);
	}

	error = n == 0 ? EIO : errno;

	(void) close(ends[0]);

	if (ends[1] >= 0) {
		(void) close(ends[1]);
	}

	errno = error;

	return n == 1 ? 0 : -1;
}
