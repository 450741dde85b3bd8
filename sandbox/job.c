/*
 * Copyright (C) The codeexec authors.
 */

#define _GNU_SOURCE

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "codeexecd.h"

#define PATTERN_MAX  64

struct counters  counters;
bool             stopping;


struct job *
job_new(struct client *client)
{
	struct job  *job;

	job = xcalloc(1, sizeof(*job));

	job->client = client;
	job->code = evbuffer_new();
	job->vars = evbuffer_new();
	job->args = evbuffer_new();
	job->input = evbuffer_new();
	job->output[0] = evbuffer_new();
	job->output[1] = evbuffer_new();

	if (!job->code || !job->vars || !job->args || !job->input
	    || !job->output[0] || !job->output[1])
	{
		fatal("out of memory");
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

	evbuffer_free(job->code);
	evbuffer_free(job->vars);
	evbuffer_free(job->args);
	evbuffer_free(job->input);
	evbuffer_free(job->output[0]);
	evbuffer_free(job->output[1]);
	free(job);
}


static void
make_id(char *id)
{
	int            i;
	unsigned char  random[16];

	if (getrandom(random, sizeof(random), 0) != sizeof(random)) {
		fatal("getrandom");
	}

	for (i = 0; i < 16; i++) {
		(void) snprintf(id + 2 * i, 3, "%02x", random[i]);
	}
}


static const char *
parse_args(struct job *job, json_t *args)
{
	char    *text;
	size_t   i;

	if (args == NULL || json_array_size(args) == 0) {
		return args == NULL || json_is_array(args) ? NULL
		    : "\"args\" must be an array of strings";
	}

	for (i = 0; i < json_array_size(args); i++) {
		if (!json_is_string(json_array_get(args, i))) {
			return "\"args\" must be an array of strings";
		}
	}

	text = json_dumps(args, JSON_COMPACT);

	if (text == NULL || strlen(text) > config.limits.input) {
		free(text);
		return "\"args\" is too large";
	}

	(void) evbuffer_add(job->args, text, strlen(text));
	free(text);

	return NULL;
}


static const char *
parse_collect(struct job *job, json_t *patterns)
{
	size_t       i;
	const char  *pattern;

	if (patterns == NULL) {
		return NULL;
	}

	if (!json_is_array(patterns)
	    || json_array_size(patterns) > NAMES_MAX)
	{
		return "\"collect\" must be an array of patterns";
	}

	for (i = 0; i < json_array_size(patterns); i++) {
		pattern = json_string_value(json_array_get(patterns, i));

		if (pattern == NULL || strlen(pattern) > PATTERN_MAX) {
			return "\"collect\" must be an array of patterns";
		}

		job->collect.name[job->collect.count++] = xstrdup(pattern);
	}

	return NULL;
}


static const char *
parse_members(struct job *job, json_t *root, char *language)
{
	json_t      *value;
	json_int_t   ms;
	const char  *text, *error;

	text = json_string_value(json_object_get(root, "language"));

	if (text == NULL || !is_name(text, "+#", LANGUAGE_MAX)) {
		return "\"language\" must be a name";
	}

	(void) strcpy(language, text);

	value = json_object_get(root, "id");

	if (value == NULL) {
		make_id(job->id);

	} else {
		text = json_string_value(value);

		if (text == NULL || !is_name(text, "", ID_MAX)) {
			return "\"id\" must be a name";
		}

		(void) strcpy(job->id, text);
	}

	value = json_object_get(root, "timeout_ms");
	job->timeout_ms = config.limits.wall_ms;

	if (value != NULL) {
		ms = json_integer_value(value);

		if (!json_is_integer(value) || ms < 1 || ms > 3600000) {
			return "\"timeout_ms\" must be from 1 to 3600000";
		}

		job->timeout_ms = (uint64_t) ms < config.limits.max_wall_ms
		    ? (uint64_t) ms : config.limits.max_wall_ms;
	}

	error = parse_args(job, json_object_get(root, "args"));

	return error != NULL ? error
	    : parse_collect(job, json_object_get(root, "collect"));
}


const char *
job_parse(struct job *job, struct evbuffer *json, char *language)
{
	size_t         size;
	json_t        *root;
	const char    *error;
	json_error_t   ignored;

	size = evbuffer_get_length(json);

	root = json_loadb((char *) evbuffer_pullup(json, -1), size,
	    JSON_REJECT_DUPLICATES, &ignored);

	error = json_is_object(root) ? parse_members(job, root, language)
	    : "not a JSON object";

	json_decref(root);

	return error;
}


static void
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
		client->job = NULL;
		job_free(job);
		client_busy(client, "not_ready", 1);
		return;
	}

	counters.started++;
	job_arm(job, job->timeout_ms);
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
			job = TAILQ_FIRST(&tier->queue);

			if (job != NULL && tier->parked > 0
			    && (best == NULL
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
	size_t        size;
	struct tier  *tier;

	job->submitted = now_us();

	size = evbuffer_get_length(job->code);
	tier = tier_choose(rt, size == 0 ? ""
	    : (const char *) evbuffer_pullup(job->code, -1), size);

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
