/*
 * Copyright (C) The codeexec authors.
 *
 * The long-lived children of codeexecd: making them, watching them, burying
 * them.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "codeexecd.h"
#include "rootless.h"

#define NAMESPACES  (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC \
                     | CLONE_NEWUTS | CLONE_NEWCGROUP)

#ifndef BACKOFF_MIN_MS
#define BACKOFF_MIN_MS  100
#endif

#define BACKOFF_MAX_MS  10000

#define STOP_SECONDS    5

#define STACK_SIZE      65536

struct pen_fork {
	struct process      *process;
	struct clone_args   *args;
	int                  builder;
	void               (*main)(void *data);
	void                *data;
	pid_t                pid;
	int                  error;
};

/* A process 1 ends only after its namespace is empty: that takes a while. */

struct orphan {
	int           pidfd;
	struct event  exited;
};


void
process_init(struct process *p, event_callback_fn restart, void *data)
{
	p->pidfd = p->control = -1;

	(void) evtimer_assign(&p->restart, loop, restart, data);
}


static void
orphan_exited(evutil_socket_t fd, short what, void *data)
{
	siginfo_t       info = { .si_pid = 0 };
	struct orphan  *o = data;

	(void) fd;
	(void) what;

	if (waitid(P_PIDFD, (id_t) o->pidfd, &info, WEXITED | WNOHANG) == 0
	    && info.si_pid == 0)
	{
		(void) event_add(&o->exited, NULL);
		return;
	}

	(void) close(o->pidfd);
	free(o);
}


void
process_bury(int pidfd)
{
	struct orphan  *o;

	(void) syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);

	o = xcalloc(1, sizeof(*o));
	o->pidfd = pidfd;

	(void) event_assign(&o->exited, loop, pidfd, EV_READ, orphan_exited,
	    o);
	(void) event_add(&o->exited, NULL);
}


void
process_close(struct process *p)
{
	if (p->control >= 0) {
		(void) event_del(&p->message);
		close_fd(&p->control);
	}

	if (p->pidfd >= 0) {
		(void) event_del(&p->exited);
		process_bury(p->pidfd);
		p->pidfd = -1;
	}
}


void
backoff(unsigned failures, struct timeval *tv)
{
	unsigned  ms;

	ms = BACKOFF_MIN_MS << (failures < 7 ? failures : 7);
	ms = ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;

	tv->tv_sec = ms / 1000;
	tv->tv_usec = (suseconds_t) (ms % 1000) * 1000;
}


void
process_retry(struct process *p)
{
	struct timeval  tv;

	backoff(p->failures++, &tv);
	(void) evtimer_add(&p->restart, &tv);
}


int
process_receive(struct process *p, struct spawn_reply *reply, int *fds,
    unsigned *nfds)
{
	ssize_t   n;
	unsigned  room = *nfds;

	/* What has more descriptors than that is dropped: the slot that waits
	 * for it is overdue one day. */

	do {
		*nfds = room;
		n = spawn_recv(p->control, reply, sizeof(*reply), fds, nfds,
		    0);
	} while (n < 0 && errno == EBADMSG);

	return n > 0 ? 1 : n < 0 && errno == EAGAIN ? 0 : -1;
}


pid_t
process_pid(int pidfd)
{
	int          pid;
	char         path[64], text[512];
	const char  *p;

	(void) snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);

	return read_file(path, text, sizeof(text)) > 0
	    && (p = strstr(text, "\nPid:")) != NULL
	    && sscanf(p, "\nPid: %d", &pid) == 1 ? (pid_t) pid : -1;
}


void
process_watch(struct process *p, event_callback_fn exited,
    event_callback_fn message, void *data)
{
	(void) event_assign(&p->exited, loop, p->pidfd, EV_READ, exited, data);
	(void) event_add(&p->exited, NULL);

	(void) event_assign(&p->message, loop, p->control,
	    EV_READ | EV_PERSIST, message, data);
	(void) event_add(&p->message, NULL);
}


/*
 * In the child, already in the pen's pid namespace.  It becomes the pen's
 * root, which is nobody on the host.  The builder may be in the network of a
 * slot, which is the jail's alone; interpreters want some place to write
 * while they start.
 */

static int
enter_pen(int builder)
{
	if (setns(builder, NAMESPACES) != 0
	    || setresgid(0, 0, 0) != 0
	    || setresuid(0, 0, 0) != 0
	    || unshare(CLONE_NEWNS | CLONE_NEWNET) != 0
	    || mount("tmpfs", "/home", "tmpfs", MS_NOSUID | MS_NODEV,
	             "mode=0755,size=64m") != 0
	    || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
	{
		return -1;
	}

	(void) umask(0022);

	return mkdir("/home/tmp", 01777) == 0 && chdir("/") == 0 ? 0 : -1;
}


/* Ours is the first: a loop that waits for a child of its own serves nobody. */

static int
make_sockets(int *sockets)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets)
	    != 0)
	{
		return -1;
	}

	if (fcntl(sockets[0], F_SETFL, O_NONBLOCK) != 0) {
		(void) close(sockets[0]);
		(void) close(sockets[1]);
		return -1;
	}

	return 0;
}


pid_t
process_fork(struct process *p, struct clone_args *args, int builder)
{
	int    null, sockets[2];
	pid_t  pid;

	if (make_sockets(sockets) != 0) {
		return -1;
	}

	args->flags |= CLONE_PIDFD;
	args->pidfd = (uintptr_t) &p->pidfd;
	args->exit_signal = args->flags & CLONE_PARENT ? 0 : SIGCHLD;

	pid = (pid_t) syscall(SYS_clone3, args, sizeof(*args));

	if (pid < 0) {
		(void) close(sockets[0]);
		(void) close(sockets[1]);
		return -1;
	}

	if (pid > 0) {
		(void) close(sockets[1]);
		p->control = sockets[0];
		return pid;
	}

	if ((!shared_uid && setgroups(0, NULL) != 0)
	    || (builder >= 0 && enter_pen(builder) != 0))
	{
		fatal("can't enter the pen");
	}

	/* Up first: either may sit where the other has to go. */

	sockets[1] = fcntl(sockets[1], F_DUPFD, 64);
	filter_fd = fcntl(filter_fd, F_DUPFD, 64);

	null = open("/dev/null", O_RDONLY);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0
	    || dup2(sockets[1], SPAWN_CONTROL_FD) < 0
	    || dup2(filter_fd, SPAWN_FILTER_FD) < 0
	    || close_range(SPAWN_FILTER_FD + 1, ~0U, 0) != 0)
	{
		fatal("can't hand over descriptors");
	}

	(void) signal(SIGPIPE, SIG_DFL);
	(void) setsid();

	return 0;
}


/*
 * On a stack of its own, in a process that shares everything else with us
 * while we wait: setns() is for all that it will fork, and there is no way
 * back for who is not root on the machine.
 */

static int
fork_into(void *data)
{
	struct pen_fork  *f = data;

	f->pid = -1;

	if (setns(f->builder, CLONE_NEWPID) == 0) {
		f->pid = process_fork(f->process, f->args, f->builder);

		if (f->pid == 0) {
			f->main(f->data);
		}
	}

	f->error = errno;

	return 0;
}


pid_t
process_fork_into(struct process *p, struct clone_args *args, int builder,
    void (*child)(void *data), void *data)
{
	pid_t            pid;
	static char      stack[STACK_SIZE] __attribute__((aligned(64)));
	struct pen_fork  f = {
		.process = p, .args = args, .builder = builder,
		.main = child, .data = data
	};

	args->flags |= CLONE_PARENT;

	pid = clone(fork_into, stack + STACK_SIZE,
	    CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &f);

	if (pid < 0 || waitpid(pid, NULL, 0) != pid) {
		return -1;
	}

	errno = f.error;

	return f.pid;
}


void
process_reap_all(void)
{
	/* All of them were killed; a kernel that can't finish one of them
	 * within this time must not keep us. */

	(void) signal(SIGALRM, SIG_DFL);
	(void) alarm(STOP_SECONDS);

	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {
		/* void */
	}

	(void) alarm(0);
}
