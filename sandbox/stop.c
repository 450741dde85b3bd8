/*
 * Copyright (C) The codeexec authors.
 *
 * STOP: a run ends because somebody wants it to, who is not on its connection
 * but has its handle.
 */

#define _GNU_SOURCE

#include <jansson.h>
#include <string.h>

#include "codeexecd.h"

#define EARLY_MAX  256

/* All jobs that have a handle. */
static TAILQ_HEAD(, job)  jobs = TAILQ_HEAD_INITIALIZER(jobs);

/*
 * Handles that nobody had when they were to be stopped, the latest ones.  A
 * STOP may overtake its job, which then must not begin.
 */
static char      early[EARLY_MAX][HANDLE_LENGTH + 1];
static unsigned  next_early;


static struct job *
find(const char *handle)
{
	struct job  *job;

	for (job = TAILQ_FIRST(&jobs); job != NULL;
	     job = TAILQ_NEXT(job, others))
	{
		if (strcmp(job->handle, handle) == 0) {
			return job;
		}
	}

	return NULL;
}


bool
job_enlist(struct job *job)
{
	unsigned  i;

	if (job->handle[0] == '\0') {
		return false;
	}

	for (i = 0; i < EARLY_MAX; i++) {
		if (strcmp(early[i], job->handle) == 0) {
			counters.stopped++;
			return true;
		}
	}

	TAILQ_INSERT_TAIL(&jobs, job, others);
	job->listed = true;

	return false;
}


void
job_delist(struct job *job)
{
	if (job->listed) {
		TAILQ_REMOVE(&jobs, job, others);
		job->listed = false;
	}
}


/* Returns whether that is how it ends. */

static bool
job_stop(struct job *job)
{
	if (job->stopped) {
		return true;
	}

	if (job->slot == NULL) {
		counters.stopped++;
		job_skip(job);
		return true;
	}

	/* One that has ended, or is to end for another reason, goes on so. */

	if (job->timed_out || job->slot->state != SLOT_RUNNING
	    || !slot_is_alive(job->slot))
	{
		return false;
	}

	counters.stopped++;
	job->stopped = true;
	slot_kill(job->slot);

	return true;
}


static bool
stop(const char *handle)
{
	struct job  *job = find(handle);

	if (job != NULL) {
		return job_stop(job);
	}

	(void) strcpy(early[next_early], handle);
	next_early = (next_early + 1) % EARLY_MAX;

	return false;
}


int
client_stop(struct client *c)
{
	bool          stopped;
	size_t        size;
	json_t       *root;
	const char   *handle;
	json_error_t  ignored;

	size = evbuffer_get_length(c->head);

	root = json_loadb((char *) evbuffer_pullup(c->head, -1), size, 0,
	    &ignored);

	handle = json_string_value(json_object_get(root, "handle"));

	if (c->too_large || handle == NULL || strlen(handle) != HANDLE_LENGTH) {
		json_decref(root);
		return -1;
	}

	stopped = stop(handle);

	json_decref(root);
	(void) evbuffer_drain(c->head, size);

	if (stopped) {
		frame_add(c->out, WIRE_STOPPED, "{\"stopped\":true}", 16);
	} else {
		frame_add(c->out, WIRE_STOPPED, "{\"stopped\":false}", 17);
	}

	client_done(c);

	return 0;
}
