/*
 * Copyright (C) The codeexec authors.
 *
 * From an empty slot to a parked run: a jail is asked for, then a fork into it,
 * then the run says that it is locked down, and is checked.
 */

#define _GNU_SOURCE

#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "codeexecd.h"

#define TMPFS_SUPER_MAGIC  0x01021994
#define OVERDUE_S          10

static void  run_parked(evutil_socket_t fd, short what, void *data);
static void  slot_park(struct slot *slot);


/* The run must be able to open /dev/stdout, and so to own it. */

static int
make_pipe(struct slot *slot, int i, int *end)
{
	int  fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0) {
		return -1;
	}

	slot->output[i] = fds[0];
	*end = fds[1];

	(void) event_assign(&slot->readable[i], loop, fds[0],
	    EV_READ | EV_PERSIST, slot_readable, slot);

	return fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0
	    && fchown(fds[1], slot_uid(slot), slot_uid(slot)) == 0 ? 0 : -1;
}


static int
slot_fork(struct slot *slot)
{
	int       fds[SPAWN_FDS_MAX], sockets[2] = { -1, -1 }, rc;
	unsigned  i;

	fds[FORK_JAIL] = slot->jail;
	fds[FORK_CONTROL] = fds[FORK_STDOUT] = fds[FORK_STDERR] = -1;

	rc = -1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) == 0
	    && make_pipe(slot, 0, &fds[FORK_STDOUT]) == 0
	    && make_pipe(slot, 1, &fds[FORK_STDERR]) == 0)
	{
		fds[FORK_CONTROL] = sockets[1];

		for (i = 0; i < slot->cgroup.count; i++) {
			fds[FORK_CGROUPS + i] = slot->cgroup.procs[i];
		}

		rc = tier_fork(slot, fds, FORK_CGROUPS + i);
	}

	slot->control = sockets[0];
	close_fd(&sockets[1]);
	close_fd(&fds[FORK_STDOUT]);
	close_fd(&fds[FORK_STDERR]);

	if (slot->control >= 0) {
		(void) fcntl(slot->control, F_SETFL, O_NONBLOCK);
		(void) event_assign(&slot->parked, loop, slot->control,
		    EV_READ, run_parked, slot);
		(void) event_add(&slot->parked, NULL);
	}

	return rc;
}


/* The answer to a question that nobody asks any more: a process comes with
 * it, and maybe descriptors of something else. */

static void
bury_all(int *fds, unsigned nfds)
{
	if (nfds > 0) {
		process_bury(fds[0]);
	}

	while (nfds > 1) {
		(void) close(fds[--nfds]);
	}
}


/* Somebody who should have answered has died, or could not. */

static void
slot_overdue(evutil_socket_t fd, short what, void *data)
{
	struct slot  *slot = data;

	(void) fd;
	(void) what;

	log_warn("a run of \"%s\" was not made within %d s",
	    slot->tier->config->name, OVERDUE_S);
	slot_fail(slot);
}


void
slot_prepare(struct slot *slot, struct tier *tier)
{
	struct timeval  tv = { OVERDUE_S, 0 };

	slot->tier = tier;
	slot->serial++;
	slot->reaped = slot->locked = slot->signaled = false;

	cgroup_prepare(&slot->cgroup);
	slot_state(slot, SLOT_BUILDING);

	if (runtime_build(slot) != 0) {
		slot_state(slot, SLOT_EMPTY);
		runtime_pause(slot->runtime);
		return;
	}

	(void) evtimer_assign(&slot->overdue, loop, slot_overdue, slot);
	(void) evtimer_add(&slot->overdue, &tv);
}


void
slot_built(struct slot *slot, const struct spawn_reply *reply, int *fds,
    unsigned nfds)
{
	struct statfs  fs;

	if (slot->state != SLOT_BUILDING || reply->serial != slot->serial) {
		bury_all(fds, nfds);
		return;
	}

	if (reply->error != 0 || nfds != BUILT_FDS
	    || fstatfs(fds[BUILT_HOME], &fs) != 0
	    || fs.f_type != TMPFS_SUPER_MAGIC)
	{
		log_warn("can't build a jail: %.28s: %s", reply->step,
		    strerror(reply->error));
		bury_all(fds, nfds);
		slot_fail(slot);
		return;
	}

	slot->jail = fds[BUILT_JAIL];
	slot->home = fds[BUILT_HOME];
	slot->results = fds[BUILT_RESULTS];
	slot->fuse = fds[BUILT_FUSE];

	(void) event_assign(&slot->jail_exited, loop, slot->jail, EV_READ,
	    slot_jail_exited, slot);
	(void) event_add(&slot->jail_exited, NULL);

	slot_state(slot, SLOT_FORKING);

	if (slot_fork(slot) != 0) {
		slot_fail(slot);
	}
}


void
slot_forked(struct slot *slot, const struct spawn_reply *reply, int *fds,
    unsigned nfds)
{
	if (slot->state != SLOT_FORKING || reply->serial != slot->serial
	    || reply->error != 0 || nfds != 1)
	{
		if (reply->error != 0) {
			log_warn("can't fork a run: %s",
			    strerror(reply->error));
		}

		bury_all(fds, nfds);

		if (slot->state == SLOT_FORKING
		    && reply->serial == slot->serial)
		{
			slot_fail(slot);
		}

		return;
	}

	slot->run = fds[0];

	(void) event_assign(&slot->run_exited, loop, slot->run, EV_READ,
	    slot_run_exited, slot);
	(void) event_add(&slot->run_exited, NULL);

	slot_park(slot);
}


static int
status_number(const char *text, const char *field)
{
	int          n;
	const char  *p;

	p = strstr(text, field);

	return p != NULL && sscanf(p + strlen(field), "%d", &n) == 1 ? n : -1;
}


/*
 * The filters that codeexecd was started under, such as those of a container,
 * are those of every run, and "under a filter" says nothing then: it must be
 * one more.  Beside filters there is no strict mode, so the keeper has one.
 */

static bool
is_confined(const char *text, int mode)
{
	int          filters;
	char         own[4096];
	static int   outer = -1;

	if (outer < 0) {
		if (read_file("/proc/self/status", own, sizeof(own)) < 0) {
			return false;
		}

		/* Kernels before 5.9 don't tell. */

		outer = status_number(own, "\nSeccomp_filters:");
		if (outer < 0 && status_number(own, "\nSeccomp:") == 0) {
			outer = 0;
		}
	}

	if (outer == 0) {
		return status_number(text, "\nSeccomp:") == mode;
	}

	filters = status_number(text, "\nSeccomp_filters:");

	return outer > 0 && filters == outer + 1
	    && status_number(text, "\nSeccomp:") == SECCOMP_MODE_FILTER;
}


static bool
is_locked(struct slot *slot, pid_t pid, int mode)
{
	char  path[64], text[4096];

	(void) snprintf(path, sizeof(path), "/proc/%d/status", (int) pid);

	return read_file(path, text, sizeof(text)) > 0
	    && (uid_t) status_number(text, "\nUid:") == slot_uid(slot)
	    && strstr(text, "\nCapPrm:\t0000000000000000\n") != NULL
	    && strstr(text, "\nCapEff:\t0000000000000000\n") != NULL
	    && strstr(text, "\nCapBnd:\t0000000000000000\n") != NULL
	    && strstr(text, "\nNoNewPrivs:\t1\n") != NULL
	    && strstr(text, "\nThreads:\t1\n") != NULL
	    && is_confined(text, mode);
}


/*
 * What the run says of itself is not enough.  In its cgroup there must be the
 * run under the policy and its keeper in strict mode, and nobody else.
 */

static bool
is_locked_down(struct slot *slot)
{
	pid_t  run, keeper, pids[2];

	run = process_pid(slot->run);

	if (slot->cgroup.dir >= 0) {
		if (cgroup_members(&slot->cgroup, pids, 2) != 2
		    || (pids[0] != run && pids[1] != run)) {
			return false;
		}

		keeper = pids[0] == run ? pids[1] : pids[0];
		slot->keeper = (int) syscall(SYS_pidfd_open, keeper, 0);

		if (slot->keeper < 0
		    || !is_locked(slot, keeper, SECCOMP_MODE_STRICT))
		{
			return false;
		}
	}

	return is_locked(slot, run, SECCOMP_MODE_FILTER);
}


static void
slot_park(struct slot *slot)
{
	if (slot->state != SLOT_FORKING || !slot->locked || slot->run < 0) {
		return;
	}

	if (!is_locked_down(slot)) {
		log_warn("a run of \"%s\" is not locked down, it is discarded",
		    slot->tier->config->name);
		slot_fail(slot);
		return;
	}

	(void) evtimer_del(&slot->overdue);
	slot->runtime->pauses = 0;

	slot_state(slot, SLOT_PARKED);
	tier_parked(slot);
	jobs_dispatch();
	runtime_refill(slot->runtime);
}


static void
run_parked(evutil_socket_t fd, short what, void *data)
{
	unsigned            nfds = 0;
	struct slot        *slot = data;
	struct spawn_reply  reply = { .step = "it died" };

	(void) what;

	if (spawn_recv(fd, &reply, sizeof(reply), NULL, &nfds, 0) <= 0
	    || reply.error != 0 || reply.serial != slot->serial)
	{
		log_warn("a run of \"%s\" can't be locked down: %.28s: %s",
		    slot->tier->config->name, reply.step,
		    strerror(reply.error));
		slot_fail(slot);
		return;
	}

	slot->locked = true;
	slot_park(slot);
}
