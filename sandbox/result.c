/*
 * Copyright (C) The codeexec authors.
 *
 * What happened, as the kernel tells it, and the frames that say so.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codeexecd.h"


static const char *
job_status(const struct job *job, const struct slot *slot)
{
	if (cgroup_oom(&slot->cgroup)) {
		return "memory";
	}

	if (job->timed_out) {
		return "timeout";
	}

	if (slot->signaled) {
		return "signal";
	}

	return slot->status == 0 ? "ok" : "error";
}


static uint64_t
cpu_us(const struct slot *slot)
{
	uint64_t              us;
	const struct rusage  *ru = &slot->usage;

	us = cgroup_cpu_us(&slot->cgroup);

	return us != 0 ? us
	    : (uint64_t) (ru->ru_utime.tv_sec + ru->ru_stime.tv_sec) * 1000000
	      + (uint64_t) (ru->ru_utime.tv_usec + ru->ru_stime.tv_usec);
}


static uint64_t
memory_kb(const struct slot *slot)
{
	uint64_t  kb;

	kb = cgroup_peak_kb(&slot->cgroup);

	return kb != 0 ? kb : (uint64_t) slot->usage.ru_maxrss;
}


static void
add_result(struct evbuffer *out, struct job *job, unsigned files,
    uint64_t files_size)
{
	int               n;
	char              text[1024], code[16] = "null", sig[16] = "null";
	struct slot      *slot = job->slot;

	(void) snprintf(slot->signaled ? sig : code, sizeof(code), "%d",
	    slot->status);

	/* Nothing in it needs to be escaped: see is_name(). */

	n = snprintf(text, sizeof(text),
	    "{\"id\":\"%s\",\"status\":\"%s\",\"exit_code\":%s,\"signal\":%s,"
	    "\"time_us\":%llu,\"cpu_us\":%llu,\"queue_us\":%llu,"
	    "\"memory_kb\":%llu,\"truncated\":%s,\"stdout_size\":%zu,"
	    "\"stderr_size\":%zu,\"files\":%u,\"files_size\":%llu}",
	    job->id, job_status(job, slot), code, sig,
	    (unsigned long long) (slot->ended - job->started),
	    (unsigned long long) cpu_us(slot),
	    (unsigned long long) (job->started - job->submitted),
	    (unsigned long long) memory_kb(slot),
	    job->truncated ? "true" : "false",
	    evbuffer_get_length(job->output[0]),
	    evbuffer_get_length(job->output[1]), files,
	    (unsigned long long) files_size);

	frame_add(out, WIRE_RESULT, text, (size_t) n);
}


void
job_finish(struct job *job)
{
	uint64_t          files_size;
	unsigned          files;
	struct slot      *slot = job->slot;
	struct client    *client = job->client;
	struct evbuffer  *collected;

	collected = evbuffer_new();
	if (collected == NULL) {
		fatal("out of memory");
	}

	files = collect_files(job, slot->home, slot_uid(slot), collected,
	    &files_size);

	add_result(client->out, job, files, files_size);

	if (evbuffer_get_length(job->output[0]) > 0) {
		frame_move(client->out, WIRE_STDOUT, job->output[0]);
	}

	if (evbuffer_get_length(job->output[1]) > 0) {
		frame_move(client->out, WIRE_STDERR, job->output[1]);
	}

	(void) evbuffer_add_buffer(client->out, collected);
	evbuffer_free(collected);

	frame_add(client->out, WIRE_END, NULL, 0);

	counters.finished++;
	client->job = NULL;
	job_free(job);
	client_done(client);
}
