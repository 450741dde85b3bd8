/*
 * Copyright (C) The codeexec authors.
 *
 * Slots: see the states in codeexecd.h.  Killing the init of a jail kills
 * everything in it, whatever the run has started, and the kernel lets the
 * init end only when all of it is gone; so "the jail is empty" is "the pidfd
 * of its init is readable", or sooner: "the slot's cgroup is empty".
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "codeexecd.h"
#include "rootless.h"

#define LINGER_US  5000

static void  slot_conclude(struct slot *slot);


uid_t
slot_uid(const struct slot *slot)
{
	return shared_uid ? 0 : slot->runtime->uid + 1 + slot->index;
}


static void
close_event(int *fd, struct event *ev)
{
	if (*fd >= 0) {
		(void) event_del(ev);
		close_fd(fd);
	}
}


static void
slot_count(struct slot *slot, enum slot_state state)
{
	struct tier  *tier = slot->tier;
	bool          was, is;

	was = slot->state >= SLOT_BUILDING && slot->state <= SLOT_PARKED;
	is = state >= SLOT_BUILDING && state <= SLOT_PARKED;

	tier->ahead += (unsigned) is - (unsigned) was;
	tier->parked += (unsigned) (state == SLOT_PARKED)
	    - (unsigned) (slot->state == SLOT_PARKED);

	was = slot->state == SLOT_RUNNING || slot->state == SLOT_ENDED;
	is = state == SLOT_RUNNING || state == SLOT_ENDED;

	counters.running += (uint64_t) is - (uint64_t) was;
}


void
slot_state(struct slot *slot, enum slot_state state)
{
	slot_count(slot, state);
	slot->state = state;
}


static void
slot_empty(struct slot *slot)
{
	slot_state(slot, SLOT_EMPTY);
	slot->tier = NULL;

	runtime_refill(slot->runtime);
	jobs_dispatch();
}


void
slots_init(struct runtime *rt)
{
	unsigned      i;
	struct slot  *slot;

	rt->slots = xcalloc(config.slots, sizeof(struct slot));

	for (i = 0; i < config.slots; i++) {
		slot = &rt->slots[i];

		slot->runtime = rt;
		slot->index = i;
		slot->jail = slot->run = slot->keeper = -1;
		slot->home = slot->results = -1;
		slot->fuse = slot->control = -1;
		slot->output[0] = slot->output[1] = -1;

		cgroup_open(&slot->cgroup,
		    (unsigned) (rt->number * config.slots + i));
		oom_watch(slot, (unsigned) (rt->number * config.slots + i));
	}
}


/* Leaves only the init's pidfd open, which says when the jail is gone. */

static void
close_run(struct slot *slot)
{
	int  i;

	close_event(&slot->control, &slot->parked);
	close_event(&slot->run, &slot->run_exited);

	for (i = 0; i < 2; i++) {
		close_event(&slot->output[i], &slot->readable[i]);
	}

	if (event_initialized(&slot->overdue)) {
		(void) evtimer_del(&slot->overdue);
	}

	close_fd(&slot->keeper);
	close_fd(&slot->home);
	close_fd(&slot->results);
	close_fd(&slot->fuse);
}


/* Killed after its time, and not by us: the fuse or the limit on CPU time was
 * sooner, because this loop was held up. */

static bool
is_overdue(const struct slot *slot)
{
	const struct job  *job = slot->job;

	return job != NULL && slot->signaled && slot->status == SIGKILL
	    && slot->ended - job->started >= job->timeout_ms * 1000;
}


static void
slot_reap(struct slot *slot)
{
	siginfo_t  info;

	memset(&info, 0, sizeof(info));

	if (slot->run < 0 || slot->reaped) {
		return;
	}

	if (syscall(SYS_waitid, P_PIDFD, slot->run, &info, WEXITED | WNOHANG,
	            &slot->usage) != 0)
	{
		/* It was a stray when it died: strays.c. */

		if (errno != ECHILD) {
			return;
		}

		info.si_code = CLD_KILLED;
		info.si_status = SIGKILL;

	} else if (info.si_pid == 0) {
		return;
	}

	slot->reaped = true;
	slot->ended = now_us();
	slot->signaled = info.si_code != CLD_EXITED;
	slot->status = info.si_status;

	if (is_overdue(slot)) {
		slot->job->timed_out = true;
	}

	(void) event_del(&slot->run_exited);
}


/* A slot is empty again when the init is dead and the run is reaped: only
 * then may another run have its uid, its cgroups and its network. */

static void
slot_bury(struct slot *slot)
{
	slot_reap(slot);

	if (slot->jail >= 0 || (slot->run >= 0 && !slot->reaped)) {
		return;
	}

	close_run(slot);
	slot_empty(slot);
}


void
slot_kill(struct slot *slot)
{
	if (slot->jail >= 0) {
		(void) syscall(SYS_pidfd_send_signal, slot->jail, SIGKILL,
		    NULL, 0);
	}

	if ((slot->state >= SLOT_BUILDING && slot->state <= SLOT_PARKED)
	    || slot->state == SLOT_LINGERING)
	{
		(void) evtimer_del(&slot->overdue);

		if (slot->state == SLOT_FORKING && slot->run < 0) {
			strays_reap();
		}

		slot_state(slot, SLOT_DYING);
		slot_bury(slot);
	}
}


void
slot_fail(struct slot *slot)
{
	runtime_pause(slot->runtime);
	slot_kill(slot);
}


void
slot_lost(struct slot *slot)
{
	if (slot->state == SLOT_EMPTY) {
		return;
	}

	if (slot->job != NULL) {
		job_lost(slot->job);
		slot->job = NULL;
	}

	if (slot->run < 0) {
		strays_reap();
	}

	slot_state(slot, SLOT_DYING);
	slot_bury(slot);
}


void
slot_jail_exited(evutil_socket_t fd, short what, void *data)
{
	struct slot  *slot = data;

	(void) fd;
	(void) what;

	close_fd(&slot->jail);

	switch (slot->state) {

	case SLOT_RUNNING:
	case SLOT_ENDED:
		slot_reap(slot);

		if (slot->reaped) {
			slot_conclude(slot);
		}

		break;

	case SLOT_DYING:
		slot_bury(slot);
		break;

	default:
		slot_kill(slot);
	}
}


/* The answer need not wait for the teardown of the jail when nothing is left
 * in it that could write: the init and the keeper can't. */

static bool
is_alone(struct slot *slot)
{
	int            n, keepers;
	struct pollfd  keeper = { .fd = slot->keeper, .events = POLLIN };

	if (slot->jail < 0) {
		return true;
	}

	/* In this order: a keeper that ends in between makes it "no". */

	n = cgroup_count(&slot->cgroup);
	keepers = slot->keeper >= 0 && poll(&keeper, 1, 0) == 0;

	return n == keepers;
}


void
slot_run_exited(evutil_socket_t fd, short what, void *data)
{
	struct slot  *slot = data;

	(void) fd;
	(void) what;

	slot_reap(slot);

	if (!slot->reaped) {
		return;
	}

	if (slot->state == SLOT_RUNNING) {
		slot_state(slot, SLOT_ENDED);

		if (is_alone(slot)) {
			slot_conclude(slot);
			return;
		}

		slot_kill(slot);
		return;
	}

	if (slot->state == SLOT_DYING) {
		slot_bury(slot);
		return;
	}

	log_warn("a parked run of \"%s\" died by itself (%s %d)",
	    slot->tier->config->name,
	    slot->signaled ? "signal" : "exit code", slot->status);

	slot_fail(slot);
}


/* Returns whether there may be more. */

static bool
read_output(struct slot *slot, int i)
{
	ssize_t          n;
	size_t           room;
	struct job      *job = slot->job;
	static char      buffer[65536];

	/* One buffer in a turn, so that one run can't keep the loop. */

	n = read(slot->output[i], buffer, sizeof(buffer));

	if (n < 0 && errno == EAGAIN) {
		return false;
	}

	if (n <= 0) {
		close_event(&slot->output[i], &slot->readable[i]);
		return false;
	}

	if (job == NULL) {
		return true;
	}

	room = config.limits.output - evbuffer_get_length(job->output[i]);

	if ((size_t) n > room) {
		job->output_cut = true;
		n = (ssize_t) room;
	}

	(void) evbuffer_add(job->output[i], buffer, (size_t) n);

	return true;
}


void
slot_readable(evutil_socket_t fd, short what, void *data)
{
	struct slot  *slot = data;

	(void) what;

	(void) read_output(slot, fd == slot->output[1]);
}


/* Every writer is dead, so that a pipe holds little and gets no more. */

static void
drain_output(struct slot *slot)
{
	int  i;

	for (i = 0; i < 2; i++) {
		while (slot->output[i] >= 0 && read_output(slot, i)) {
			/* void */
		}
	}
}


static void
slot_lingered(evutil_socket_t fd, short what, void *data)
{
	(void) fd;
	(void) what;

	slot_kill(data);
}


/*
 * What is left is the memory of the run, and to give it back takes a CPU for
 * milliseconds, just when nginx, its database and the client want one for the
 * answer.  Those who need the slot need not wait: slots_hurry().
 */

static void
slot_linger(struct slot *slot)
{
	struct timeval  tv = { 0, LINGER_US };

	slot_state(slot, SLOT_LINGERING);

	(void) evtimer_assign(&slot->overdue, loop, slot_lingered, slot);
	(void) evtimer_add(&slot->overdue, &tv);
}


void
slots_hurry(struct runtime *rt)
{
	unsigned  i;

	for (i = 0; i < config.slots; i++) {
		if (rt->slots[i].state == SLOT_LINGERING) {
			slot_kill(&rt->slots[i]);
		}
	}
}


static void
slot_conclude(struct slot *slot)
{
	struct job  *job = slot->job;

	drain_output(slot);

	if (slot->control >= 0) {
		slot_told(slot->control, 0, slot);
	}

	if (job != NULL) {
		slot->job = NULL;
		job->slot = slot;
		job_finish(job);
	}

	/* Its place among the running is free, though the slot is not yet. */

	if (slot->jail >= 0) {
		slot_linger(slot);
		jobs_dispatch();
		runtime_refill(slot->runtime);
		return;
	}

	slot_state(slot, SLOT_DYING);
	jobs_dispatch();
	slot_bury(slot);
}
