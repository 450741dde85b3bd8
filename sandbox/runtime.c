/*
 * Copyright (C) The codeexec authors.
 *
 * Builders and zygotes: starting them, talking to them, starting them again.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "codeexecd.h"
#include "layers.h"
#include "rootless.h"
#include "systemd.h"

struct runtime  runtimes[RUNTIMES_MAX];

static bool  ready_said;

static void  builder_start(struct runtime *rt);
static void  runtime_resume(evutil_socket_t fd, short what, void *data);


/* The pen's uid 0 is rt->uid for us; the slots' uids follow it, if there are
 * any. */

int
builder_maps(struct runtime *rt)
{
	int          fd, i, error;
	char         path[64], map[64];
	ssize_t      n;
	const char  *names[] = { "uid_map", "gid_map" };

	for (i = 0; i < 2; i++) {
		(void) snprintf(path, sizeof(path), "/proc/%d/%s",
		    (int) rt->pid, names[i]);
		n = snprintf(map, sizeof(map), "0 %u %llu\n", rt->uid,
		    shared_uid ? 1ull
		    : (unsigned long long) config.slots + 1);

		fd = open(path, O_WRONLY | O_CLOEXEC);

		if (fd < 0 || write(fd, map, (size_t) n) != n) {
			error = errno;
			close_fd(&fd);
			errno = error;
			return -1;
		}

		(void) close(fd);
	}

	return 0;
}


/* Everything in the pen died with its builder. */

static void
builder_down(struct runtime *rt)
{
	unsigned  i;

	process_close(&rt->builder);

	for (i = 0; i < rt->tiers; i++) {
		tier_stop(&rt->tier[i]);
	}

	rt->state = RUNTIME_DOWN;

	for (i = 0; i < config.slots; i++) {
		slot_lost(&rt->slots[i]);
	}

	if (!stopping) {
		process_retry(&rt->builder);
	}
}


static void
builder_exited(evutil_socket_t fd, short what, void *data)
{
	struct runtime  *rt = data;

	(void) fd;
	(void) what;

	log_warn("the builder of \"%s\" is gone", rt->config->name);
	builder_down(rt);
}


static void
builder_entered(struct runtime *rt, struct spawn_reply *reply)
{
	if (builder_maps(rt) != 0
	    || spawn_send(rt->builder.control, reply, sizeof(*reply), NULL, 0)
	        != 0)
	{
		log_warn("can't map the uids of \"%s\": %s",
		    rt->config->name, strerror(errno));
		builder_down(rt);
		return;
	}

	rt->state = RUNTIME_MAPPED;
}


/* While it changes its uid nobody can enter its namespaces who may not trace
 * any process of the machine. */

static void
builder_ready(struct runtime *rt)
{
	unsigned  i;

	rt->state = RUNTIME_UP;

	for (i = 0; i < rt->tiers; i++) {
		tier_start(&rt->tier[i]);
	}
}


static void
builder_message(evutil_socket_t fd, short what, void *data)
{
	int                 rc, fds[BUILT_FDS];
	unsigned            nfds;
	struct runtime     *rt = data;
	struct spawn_reply  reply;

	(void) fd;
	(void) what;

	for ( ;; ) {
		nfds = BUILT_FDS;
		rc = process_receive(&rt->builder, &reply, fds, &nfds);

		if (rc == 0) {
			return;
		}

		if (rc < 0) {
			log_warn("the builder of \"%s\" closed its socket",
			    rt->config->name);
			builder_down(rt);
			return;
		}

		/* It has said itself why it can't. */

		if (rt->state != RUNTIME_UP && reply.error != 0) {
			builder_down(rt);
			return;
		}

		if (rt->state == RUNTIME_ENTERING) {
			builder_entered(rt, &reply);
			return;
		}

		if (rt->state == RUNTIME_MAPPED) {
			builder_ready(rt);
			continue;
		}

		if (reply.slot < config.slots) {
			slot_built(&rt->slots[reply.slot], &reply, fds, nfds);
		}
	}
}


static void
builder_exec(struct runtime *rt)
{
	char   path[512], library[512], slots[16];
	char  *argv[] = { path, config.rootfs, library, slots,
	                  rt->config->packages, NULL };
	char  *envp[] = { NULL };

	(void) snprintf(path, sizeof(path), "%s/codeexec-builder",
	    config.library);
	(void) snprintf(library, sizeof(library), "%s/%s", config.library,
	    rt->config->kind->name);
	(void) snprintf(slots, sizeof(slots), "%llu",
	    (unsigned long long) config.slots);

	(void) close(SPAWN_FILTER_FD);
	(void) execve(path, argv, envp);

	fatal("execve(\"%s\")", path);
}


int
builder_fork(struct runtime *rt)
{
	struct clone_args  args = { .flags = CLONE_NEWPID };

	rt->pid = process_fork(&rt->builder, &args, -1);

	if (rt->pid == 0) {
		builder_exec(rt);
	}

	return rt->pid < 0 ? -1 : 0;
}


static void
builder_start(struct runtime *rt)
{
	if (builder_fork(rt) != 0) {
		log_warn("can't start the builder of \"%s\": %s",
		    rt->config->name, strerror(errno));
		process_retry(&rt->builder);
		return;
	}

	rt->state = RUNTIME_ENTERING;
	process_watch(&rt->builder, builder_exited, builder_message, rt);
}


static void
builder_restart(evutil_socket_t fd, short what, void *data)
{
	(void) fd;
	(void) what;

	builder_start(data);
}


uint32_t
runtime_uid(unsigned number)
{
	return shared_uid ? 0
	    : (uint32_t) (config.uids + number * (config.slots + 1));
}


static void
runtime_init(struct runtime *rt, unsigned number)
{
	unsigned      i;
	struct tier  *tier;

	rt->config = &config.runtime[number];
	rt->tiers = rt->config->tiers;
	rt->number = number;
	rt->uid = runtime_uid(number);

	process_init(&rt->builder, builder_restart, rt);
	(void) evtimer_assign(&rt->resume, loop, runtime_resume, rt);

	for (i = 0; i < rt->tiers; i++) {
		tier = &rt->tier[i];

		tier->runtime = rt;
		tier->config = &rt->config->tier[i];
		tier->number = i;

		tier_init(tier);
	}

	slots_init(rt);
	builder_start(rt);
}


void
runtimes_start(void)
{
	unsigned  i;

	for (i = 0; i < config.runtimes; i++) {
		runtime_init(&runtimes[i], i);
	}
}


void
runtimes_reload(void)
{
	unsigned  i, k;

	for (i = 0; i < config.runtimes; i++) {
		for (k = 0; k < runtimes[i].tiers; k++) {
			tier_reload(&runtimes[i].tier[k]);
		}
	}
}


/* The pens die with their builders; their cgroups can be removed then. */

void
runtimes_stop(void)
{
	unsigned  i, k;

	for (i = 0; i < config.runtimes; i++) {
		for (k = 0; k < runtimes[i].tiers; k++) {
			tier_stop(&runtimes[i].tier[k]);
		}

		process_close(&runtimes[i].builder);
	}

	process_reap_all();
}


static struct slot *
free_slot(struct runtime *rt)
{
	unsigned  i;

	for (i = 0; i < config.slots; i++) {
		if (rt->slots[i].state == SLOT_EMPTY) {
			return &rt->slots[i];
		}
	}

	return NULL;
}


static void
say_ready(void)
{
	unsigned  i, k;

	for (i = 0; i < config.runtimes && !ready_said; i++) {
		for (k = 0; k < runtimes[i].tiers; k++) {
			if (runtimes[i].tier[k].parked == 0) {
				return;
			}
		}
	}

	if (!ready_said) {
		ready_said = true;
		log_info("ready");
		versions_ask();
		systemd_notify("READY=1");
	}
}


/* Takes slots for a tier until it has so many ahead; -1 to give up. */

static int
refill_tier(struct tier *tier, uint64_t wanted)
{
	struct slot     *slot;
	struct runtime  *rt = tier->runtime;

	while (tier->warm && tier->ahead < wanted) {
		slot = free_slot(rt);
		if (slot == NULL) {
			slots_hurry(rt);
			return -1;
		}

		slot_prepare(slot, tier);

		if (rt->paused) {
			return -1;
		}
	}

	return 0;
}


/* Every tier gets its spare runs before one gets more for its queue. */

void
runtime_refill(struct runtime *rt)
{
	unsigned      i;
	uint64_t      more;
	struct tier  *tier;

	if (stopping || rt->paused || rt->state != RUNTIME_UP) {
		return;
	}

	for (i = 0; i < rt->tiers; i++) {
		tier = &rt->tier[i];

		if (refill_tier(tier, tier->config->spare) != 0) {
			return;
		}
	}

	for (i = 0; i < rt->tiers; i++) {
		tier = &rt->tier[i];
		more = tier->queued < config.runs ? tier->queued : config.runs;
		more += tier->stale;

		if (refill_tier(tier, tier->config->spare + more) != 0) {
			return;
		}
	}

	say_ready();
}


static void
runtime_resume(evutil_socket_t fd, short what, void *data)
{
	struct runtime  *rt = data;

	(void) fd;
	(void) what;

	rt->paused = false;
	runtime_refill(rt);
}


void
runtime_pause(struct runtime *rt)
{
	struct timeval  tv;

	if (rt->paused) {
		return;
	}

	backoff(rt->pauses++, &tv);
	rt->paused = true;
	(void) evtimer_add(&rt->resume, &tv);
}


int
runtime_build(struct slot *slot)
{
	struct runtime      *rt = slot->runtime;
	struct spawn_build   request = {
		.slot = slot->index,
		.serial = slot->serial,
		.uid = shared_uid ? 0 : slot->index + 1,
		.disk = config.limits.disk,
		.inodes = (uint32_t) config.limits.inodes,
		.may_nest = layers[LAYER_NESTED].missing
	};

	if (spawn_send(rt->builder.control, &request, sizeof(request), NULL, 0)
	    == 0)
	{
		return 0;
	}

	log_warn("can't reach the builder of \"%s\": %s", rt->config->name,
	    strerror(errno));

	return -1;
}
