/*
 * Copyright (C) The codeexec authors.
 *
 * A warm zygote for each tier, at all times: starting one, starting another
 * ahead of its end, and letting the first one go.  Everything that is forked
 * from one zygote has its addresses and its hash seed, so none lasts for ever.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <linux/sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codeexecd.h"

/*
 * A run is process 2 of its jail.  A zygote with a small pid too would be
 * mistaken for its own child by libraries that detect a fork by getpid().
 */
#define ZYGOTE_PID  300

#define RETIRE_S    10      /* for answers, at most */
#define HANG_UP_S   1       /* between its socket's end and its own */
#define AGAIN_MS    60000   /* until another successor, if one fails */

static void  zygote_start(struct zygote *z);


static struct zygote *
other(const struct zygote *z)
{
	return &z->tier->zygotes[z == &z->tier->zygotes[0]];
}


/* A slot that has asked it for a fork, and has no answer. */

static struct slot *
asking_slot(const struct zygote *z)
{
	unsigned      i;
	struct slot  *slot;

	for (i = 0; i < config.slots; i++) {
		slot = &z->tier->runtime->slots[i];

		if (slot->tier == z->tier && slot->state == SLOT_FORKING
		    && slot->run < 0 && slot->zygote == z->serial)
		{
			return slot;
		}
	}

	return NULL;
}


static void
set_age(struct tier *tier, uint64_t ms)
{
	struct timeval  tv = {
		.tv_sec = (time_t) (ms / 1000),
		.tv_usec = (suseconds_t) (ms % 1000) * 1000
	};

	if (ms != 0) {
		(void) evtimer_add(&tier->worn, &tv);
	}
}


/* Starts a successor; the zygote goes on until that is warm. */

static void
tier_renew(struct tier *tier)
{
	if (tier->warm != NULL && !stopping
	    && other(tier->warm)->state == ZYGOTE_DOWN
	    && now_us() >= tier->not_before)
	{
		zygote_start(other(tier->warm));
	}
}


static void
tier_worn(evutil_socket_t fd, short what, void *data)
{
	(void) fd;
	(void) what;

	tier_renew(data);
}


void
zygote_used(struct zygote *z)
{
	z->forks++;

	if (z->tier->config->max_runs != 0
	    && z->forks >= z->tier->config->max_runs)
	{
		tier_renew(z->tier);
	}
}


static void
zygote_close(struct zygote *z)
{
	process_close(&z->process);
	(void) evtimer_del(&z->process.restart);

	z->state = ZYGOTE_DOWN;

	if (z->tier->warm == z) {
		z->tier->warm = NULL;
	}
}


static void
zygote_retire(struct zygote *z)
{
	if (asking_slot(z) == NULL) {
		zygote_close(z);
	}
}


/* A slot that waits for its answer has no job yet. */

static void
zygote_drop(struct zygote *z)
{
	struct slot  *slot;

	zygote_close(z);

	while ((slot = asking_slot(z)) != NULL) {
		slot_kill(slot);
	}
}


/* There is always one that is warm, starting, or about to be started. */

static void
zygote_down(struct zygote *z)
{
	struct tier        *tier = z->tier;
	enum zygote_state   state = z->state;

	zygote_drop(z);

	if (stopping || state == ZYGOTE_RETIRING) {
		return;
	}

	if (tier->warm == NULL) {
		if (other(z)->state != ZYGOTE_STARTING) {
			process_retry(&z->process);
		}

	} else if (state == ZYGOTE_STARTING) {
		tier->not_before = now_us() + AGAIN_MS * 1000;
		set_age(tier, AGAIN_MS);
	}
}


static void
zygote_exited(evutil_socket_t fd, short what, void *data)
{
	siginfo_t       info = { .si_pid = 0 };
	struct zygote  *z = data;
	struct tier    *tier = z->tier;

	(void) what;

	log_warn("the zygote \"%s\" of \"%s\" is gone%s", tier->config->name,
	    tier->runtime->config->name, z->state == ZYGOTE_STARTING
	    && tier->warm != NULL ? ", the older one stays" : "");

	/* What is wrong with its preload will be wrong the next time. */

	if (!tier->proven
	    && waitid(P_PIDFD, (id_t) fd, &info, WEXITED | WNOHANG | WNOWAIT)
	        == 0
	    && info.si_pid != 0 && info.si_code == CLD_EXITED
	    && info.si_status == SPAWN_UNFIT)
	{
		stop_failed();
	}

	zygote_down(z);
}


static void
zygote_told(struct zygote *z, const struct spawn_reply *reply, const int *fds,
    unsigned nfds)
{
	struct runtime  *rt = z->tier->runtime;

	free(rt->told);
	rt->told = version_text(reply->step, sizeof(reply->step));

	if (nfds == 1) {
		packages_take(z->tier, fds[0]);
	}
}


static void
zygote_warm(struct zygote *z)
{
	struct tier     *tier = z->tier;
	struct zygote   *old = tier->warm;
	struct timeval   tv = { RETIRE_S, 0 };

	z->state = ZYGOTE_WARM;
	z->process.failures = 0;

	tier->warm = z;
	tier->runtime->builder.failures = 0;

	log_info("the zygote \"%s\" of \"%s\" is warm", tier->config->name,
	    tier->runtime->config->name);

	if (old != NULL) {
		old->state = ZYGOTE_RETIRING;
		(void) evtimer_add(&old->process.restart, &tv);
		zygote_retire(old);

		tier->stale = true;
	}

	set_age(tier, tier->config->max_age_ms);
	runtime_refill(tier->runtime);
}


/* It is about to end, and will say how; it must not stay without a socket. */

static void
zygote_hung_up(struct zygote *z)
{
	struct timeval  tv = { HANG_UP_S, 0 };

	(void) event_del(&z->process.message);
	(void) evtimer_add(&z->process.restart, &tv);

	if (z->tier->warm == z) {
		z->tier->warm = NULL;
	}
}


static void
zygote_message(evutil_socket_t fd, short what, void *data)
{
	int                 rc, fds[1];
	unsigned            nfds;
	struct zygote      *z = data;
	struct tier        *tier = z->tier;
	struct spawn_reply  reply;

	(void) fd;
	(void) what;

	for ( ;; ) {
		nfds = 1;
		rc = process_receive(&z->process, &reply, fds, &nfds);

		if (rc == 0) {
			return;
		}

		if (rc < 0) {
			zygote_hung_up(z);
			return;
		}

		if (z->state == ZYGOTE_STARTING) {
			zygote_told(z, &reply, fds, nfds);
			zygote_warm(z);
			continue;
		}

		tier->proven |= reply.error == 0;

		if (reply.slot < config.slots) {
			slot_forked(&tier->runtime->slots[reply.slot], &reply,
			    fds, nfds);
		}

		if (z->state == ZYGOTE_RETIRING) {
			zygote_retire(z);
		}

		if (z->state == ZYGOTE_DOWN) {
			return;
		}
	}
}


static void
zygote_exec(void *data)
{
	const struct tier  *tier = data;

	kind_exec(tier);

	/* What is not there, or is no program, will not be the next time. */

	if (errno == ENOENT || errno == EACCES || errno == ENOEXEC) {
		log_warn("the interpreter \"%s\": %s",
		    tier->runtime->config->interpreter, strerror(errno));
		_exit(SPAWN_UNFIT);
	}

	fatal("execve(\"%s\")", tier->runtime->config->interpreter);
}


static void
zygote_start(struct zygote *z)
{
	pid_t               pid, wanted;
	struct tier        *tier = z->tier;
	struct clone_args   args = {
		.set_tid = (uintptr_t) &wanted,
		.set_tid_size = 1
	};

	/* The one before it may still be around. */

	wanted = ZYGOTE_PID + (pid_t) (tier->number
	    + TIERS_MAX * (tier->started % 64));

	z->serial = ++tier->started;
	z->forks = 0;

	pid = process_fork_into(&z->process, &args,
	    tier->runtime->builder.pidfd, zygote_exec, tier);

	if (pid < 0) {
		log_warn("can't start the zygote \"%s\" of \"%s\": %s",
		    tier->config->name, tier->runtime->config->name,
		    strerror(errno));
		zygote_down(z);
		return;
	}

	z->state = ZYGOTE_STARTING;
	process_watch(&z->process, zygote_exited, zygote_message, z);
}


/* Its back-off is over, or our patience. */

static void
zygote_timer(evutil_socket_t fd, short what, void *data)
{
	struct zygote  *z = data;

	(void) fd;
	(void) what;

	if (z->state != ZYGOTE_DOWN) {
		zygote_down(z);

	} else if (z->tier->warm == NULL
	           && z->tier->runtime->state == RUNTIME_UP)
	{
		zygote_start(z);
	}
}


void
tier_init(struct tier *tier)
{
	int  i;

	TAILQ_INIT(&tier->queue);
	(void) evtimer_assign(&tier->worn, loop, tier_worn, tier);

	for (i = 0; i < 2; i++) {
		tier->zygotes[i].tier = tier;
		process_init(&tier->zygotes[i].process, zygote_timer,
		    &tier->zygotes[i]);
	}
}


void
tier_start(struct tier *tier)
{
	zygote_start(&tier->zygotes[0]);
}


/* One that is starting may have seen what was before, and one that is retiring
 * takes the place of the next. */

void
tier_reload(struct tier *tier)
{
	int  i;

	if (tier->warm != NULL) {
		tier->not_before = 0;
		zygote_drop(other(tier->warm));
		tier_renew(tier);
		return;
	}

	for (i = 0; i < 2; i++) {
		if (tier->zygotes[i].state == ZYGOTE_STARTING) {
			zygote_down(&tier->zygotes[i]);
		}
	}
}


/* With its builder. */

void
tier_stop(struct tier *tier)
{
	zygote_close(&tier->zygotes[0]);
	zygote_close(&tier->zygotes[1]);

	(void) evtimer_del(&tier->worn);
}


bool
tier_is_starting(const struct tier *tier)
{
	return tier->zygotes[0].state == ZYGOTE_STARTING
	    || tier->zygotes[1].state == ZYGOTE_STARTING;
}


/* Parked for a job, and forked from a zygote that has been replaced. */

static struct slot *
stale_slot(const struct tier *tier)
{
	unsigned      i;
	struct slot  *slot;

	for (i = 0; i < config.slots && tier->warm != NULL; i++) {
		slot = &tier->runtime->slots[i];

		if (slot->tier == tier && slot->state == SLOT_PARKED
		    && slot->zygote != tier->warm->serial)
		{
			return slot;
		}
	}

	return NULL;
}


/* One by one, each when there is another to take its place. */

void
tier_parked(struct slot *slot)
{
	struct slot  *old;
	struct tier  *tier = slot->tier;

	if (tier->warm != NULL && slot->zygote != tier->warm->serial) {
		tier->stale = true;
	}

	if (!tier->stale) {
		return;
	}

	old = stale_slot(tier);

	if (old != NULL && old != slot) {
		slot_kill(old);
		old = stale_slot(tier);
	}

	tier->stale = old != NULL;
}
