/*
 * Copyright (C) The codeexec authors.
 */

#define _GNU_SOURCE

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "codeexecd.h"

struct counters  counters;
bool             stopping;


static struct evbuffer *
new_buffer(void)
{
	struct evbuffer  *buffer;

	buffer = evbuffer_new();
	if (buffer == NULL) {
		fatal("out of memory");
	}

	return buffer;
}


struct job *
job_new(struct client *client)
{
	int          i;
	struct job  *job;

	job = xcalloc(1, sizeof(*job));

	job->client = client;
	job->input = new_buffer();
	job->output[0] = new_buffer();
	job->output[1] = new_buffer();

	for (i = 0; i < TEXTS; i++) {
		job->text[i] = new_buffer();
	}

	return job;
}


void
job_free(struct job *job)
{
	unsigned  i;

	if (event_initialized(&job->timer)) {
		(void) evtimer_del(&job->timer);
	}

	for (i = 0; i < job->collect.count; i++) {
		free(job->collect.name[i]);
	}

	for (i = 0; i < TEXTS; i++) {
		evbuffer_free(job->text[i]);
	}

	if (job->language != NULL && job->started > 0) {
		job->language->running--;
	}

	job_delist(job);

	evbuffer_free(job->input);
	evbuffer_free(job->output[0]);
	evbuffer_free(job->output[1]);
	json_decref(job->imports);
	free(job);
}


void
job_unlink(struct job *job)
{
	if (job->tier != NULL && job->slot == NULL) {
		TAILQ_REMOVE(&job->tier->queue, job, link);
		job->tier->queued--;
		counters.queued--;
		job->tier = NULL;
	}
}


static void
job_busy(struct job *job, const char *reason, unsigned retry_after)
{
	struct client  *client = job->client;

	job_unlink(job);
	job_free(job);

	counters.busy++;
	client->job = NULL;
	client_busy(client, reason, retry_after);
}


static void
job_timer(evutil_socket_t fd, short what, void *data)
{
	struct job  *job = data;

	(void) fd;
	(void) what;

	if (job->slot == NULL) {
		job_busy(job, "queue_timeout", 1);
		return;
	}

	/* A run that has ended by itself is only waited for to be buried. */

	if (job->slot->state == SLOT_RUNNING && slot_is_alive(job->slot)) {
		job->timed_out = true;
		slot_kill(job->slot);
	}
}


static void
job_arm(struct job *job, uint64_t ms)
{
	struct timeval  tv;

	tv.tv_sec = (time_t) (ms / 1000);
	tv.tv_usec = (suseconds_t) (ms % 1000) * 1000;

	/* Counted from now, not from when the loop last looked at the clock. */

	(void) event_base_update_cache_time(loop);
	(void) evtimer_add(&job->timer, &tv);
}


static void
job_start(struct job *job, struct slot *slot)
{
	struct client  *client = job->client;

	job_unlink(job);

	job->slot = slot;
	job->started = now_us();

	if (slot_run(slot, job) != 0) {
		job->slot = NULL;
		job->started = 0;
		client->job = NULL;
		job_free(job);
		client_busy(client, "not_ready", 1);
		return;
	}

	counters.started++;

	if (job->language != NULL) {
		job->language->running++;
		job->compiling = job->language->compile_ms > 0;
	}

	/* Who waits for a compiler stops it itself, a little sooner. */

	job_arm(job, job->compiling ? job->language->compile_ms + 1000
	    : job->timeout_ms);
}


void
job_compiled(struct job *job)
{
	uint64_t  now = now_us();

	if (job->compiling) {
		job->compile_us = now - job->started;
		job->started = now;
		job->compiling = false;

		job_arm(job, job->timeout_ms);
	}
}


static struct slot *
parked_slot(struct tier *tier)
{
	unsigned      i;
	struct slot  *slot;

	for (i = 0; tier->parked > 0 && i < config.slots; i++) {
		slot = &tier->runtime->slots[i];

		if (slot->state == SLOT_PARKED && slot->tier == tier) {
			return slot;
		}
	}

	return NULL;
}


/* One of a language that has its own limit waits for its own. */

static struct job *
first_job(struct tier *tier)
{
	struct job             *job;
	const struct language  *lang;

	for (job = TAILQ_FIRST(&tier->queue); job != NULL;
	     job = TAILQ_NEXT(job, link))
	{
		lang = job->language;

		if (lang == NULL || lang->runs == 0
		    || lang->running < lang->runs)
		{
			return job;
		}
	}

	return NULL;
}


/* The oldest job that a parked run waits for. */

static struct job *
next_job(void)
{
	unsigned      i, k;
	struct job   *job, *best;
	struct tier  *tier;

	best = NULL;

	for (i = 0; i < config.runtimes; i++) {
		for (k = 0; k < runtimes[i].tiers; k++) {
			tier = &runtimes[i].tier[k];
			job = tier->parked > 0 ? first_job(tier) : NULL;

			if (job != NULL && (best == NULL
			    || job->submitted < best->submitted))
			{
				best = job;
			}
		}
	}

	return best;
}


void
jobs_dispatch(void)
{
	struct job   *job;
	struct slot  *slot;

	while (counters.running < config.runs && (job = next_job()) != NULL) {
		slot = parked_slot(job->tier);

		/* The host may be short of memory and have killed it. */

		if (slot_is_alive(slot)) {
			job_start(job, slot);
		} else {
			slot_kill(slot);
		}
	}
}


void
job_submit(struct job *job, struct runtime *rt)
{
	struct tier  *tier;

	job->submitted = now_us();
	tier = tier_choose(rt, job);

	(void) evtimer_assign(&job->timer, loop, job_timer, job);

	if ((tier->parked == 0 || counters.running >= config.runs)
	    && counters.queued >= config.queue)
	{
		job_busy(job, "queue_full", 1);
		return;
	}

	job->tier = tier;
	TAILQ_INSERT_TAIL(&tier->queue, job, link);
	tier->queued++;
	counters.queued++;

	/* Both of these may answer and free it. */

	job_arm(job, config.queue_ms);
	jobs_dispatch();
	runtime_refill(rt);
}


void
job_abort(struct job *job)
{
	struct slot  *slot = job->slot;

	job_unlink(job);
	job_free(job);

	if (slot != NULL) {
		counters.aborted++;
		slot->job = NULL;
		slot_kill(slot);
	}
}


void
job_lost(struct job *job)
{
	struct client  *client = job->client;

	counters.lost++;
	client->job = NULL;
	job_free(job);
	client_close(client);
}


void
jobs_refuse(void)
{
	unsigned     i, k;
	struct job  *job;

	for (i = 0; i < config.runtimes; i++) {
		for (k = 0; k < runtimes[i].tiers; k++) {
			while ((job = TAILQ_FIRST(&runtimes[i].tier[k].queue))
			       != NULL)
			{
				job_busy(job, "stopping", 1);
			}
		}
	}
}
