/*
 * Copyright (C) The codeexec authors.
 *
 * What happened, as the kernel tells it, and the frames that say so.
 */

#define _GNU_SOURCE

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "codeexecd.h"


/*
 * Which of several things that happened is the answer: the first "yes".
 *
 *                                         status     reason
 *   killed for memory? ------------ yes   memory     memory
 *        | no
 *   stopped by STOP? -------------- yes   stopped    stopped
 *        | no
 *   stopped at its time limit? ---- yes   timeout    timeout
 *        | no
 *   ended by a signal? ------------ yes   signal     SIGSYS: syscall
 *        | no                                |       else as below, or signal
 *   exit code other than 0? ------- yes   error      as below, or exit
 *        | no                                |
 *        +--------------------------------- ok       as below, or ""
 *
 *   compiler ended with an error? - yes              compile
 *   refused a process or thread? -- yes              processes
 *   tmpfs full at the end? -------- yes              disk
 *   stdout or stderr cut? --------- yes              output
 *
 * Each question is one to the kernel or to our own clock, none to the run;
 * docs/protocol.md says where each answer is from, and where there is none.
 */

static const char *
job_status(const struct job *job, const struct slot *slot)
{
	if (cgroup_oom(&slot->cgroup)) {
		return "memory";
	}

	if (job->stopped) {
		return "stopped";
	}

	if (job->timed_out) {
		return "timeout";
	}

	if (slot->signaled) {
		return "signal";
	}

	return slot->status == 0 ? "ok" : "error";
}


/* A write that finds less room than it needs takes what there is, so a disk
 * that was too small is one without a block or an inode left. */

static bool
is_full(int home)
{
	struct statfs  fs;

	return home >= 0 && fstatfs(home, &fs) == 0
	    && (fs.f_bfree == 0 || fs.f_ffree == 0);
}


static const char *
job_reason(const struct job *job, const struct slot *slot, const char *status)
{
	if (strcmp(status, "memory") == 0 || strcmp(status, "stopped") == 0
	    || strcmp(status, "timeout") == 0)
	{
		return status;
	}

	/* The policy ends no other call than one of another architecture, the
	 * number of which the kernel tells nobody but its audit log. */

	if (slot->signaled && slot->status == SIGSYS) {
		return "syscall";
	}

	if (job->compiling && !slot->signaled && slot->status != 0) {
		return "compile";
	}

	if (cgroup_full(&slot->cgroup)) {
		return "processes";
	}

	if (is_full(slot->home)) {
		return "disk";
	}

	if (job->output_cut) {
		return "output";
	}

	return slot->signaled ? "signal" : slot->status != 0 ? "exit" : "";
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
add_result(struct evbuffer *out, struct job *job,
    const struct collected *files, const struct shown *shown)
{
	char              code[16] = "null", sig[16] = "null";
	const char       *status;
	struct slot      *slot = job->slot;
	struct evbuffer  *text;

	text = evbuffer_new();
	if (text == NULL) {
		fatal("out of memory");
	}

	status = job_status(job, slot);

	(void) snprintf(slot->signaled ? sig : code, sizeof(code), "%d",
	    slot->status);

	/* Nothing in it needs to be escaped: see is_name(). */

	(void) evbuffer_add_printf(text,
	    "{\"id\":\"%s\",\"status\":\"%s\",\"reason\":\"%s\","
	    "\"exit_code\":%s,\"signal\":%s,\"time_us\":%llu,"
	    "\"cpu_us\":%llu,\"queue_us\":%llu,\"memory_kb\":%llu,"
	    "\"truncated\":%s,\"stdout_size\":%zu,\"stderr_size\":%zu,"
	    "\"stage\":\"%s\",\"compile_us\":%llu,"
	    "\"files\":%u,\"files_size\":%llu,"
	    "\"results\":%u,\"results_size\":%llu,\"skipped_count\":%u,"
	    "\"skipped\":[",
	    job->id, status, job_reason(job, slot, status), code, sig,
	    (unsigned long long) (job->compiling ? 0
	                          : slot->ended - job->started),
	    (unsigned long long) cpu_us(slot),
	    (unsigned long long) (job->started - job->submitted),
	    (unsigned long long) memory_kb(slot),
	    job->output_cut || job->files_cut || job->results_cut ? "true"
	    : "false",
	    evbuffer_get_length(job->output[0]),
	    evbuffer_get_length(job->output[1]),
	    job->compiling ? "compile" : "run",
	    (unsigned long long) (job->compiling ? slot->ended - job->started
	                          : job->compile_us), files->files,
	    (unsigned long long) files->size, shown->results,
	    (unsigned long long) shown->size, files->skipped_count);

	(void) evbuffer_add_buffer(text, files->skipped);
	(void) evbuffer_add(text, "]}", 2);

	frame_move(out, WIRE_RESULT, text);
	evbuffer_free(text);
}


void
job_finish(struct job *job)
{
	struct slot       *slot = job->slot;
	struct client     *client = job->client;
	struct shown       shown = { .frames = evbuffer_new() };
	struct collected   files = {
		.frames = evbuffer_new(), .skipped = evbuffer_new()
	};

	if (files.frames == NULL || files.skipped == NULL
	    || shown.frames == NULL)
	{
		fatal("out of memory");
	}

	collect_files(job, slot->home, slot_uid(slot), &files);
	collect_results(job, slot->results, &shown);

	add_result(client->out, job, &files, &shown);

	if (evbuffer_get_length(job->output[0]) > 0) {
		frame_move(client->out, WIRE_STDOUT, job->output[0]);
	}

	if (evbuffer_get_length(job->output[1]) > 0) {
		frame_move(client->out, WIRE_STDERR, job->output[1]);
	}

	(void) evbuffer_add_buffer(client->out, shown.frames);
	(void) evbuffer_add_buffer(client->out, files.frames);
	evbuffer_free(shown.frames);
	evbuffer_free(files.frames);
	evbuffer_free(files.skipped);

	frame_add(client->out, WIRE_END, NULL, 0);

	counters.finished++;
	client->job = NULL;
	job_free(job);
	client_done(client);
}


void
job_skip(struct job *job)
{
	int             n;
	char            text[512];
	struct client  *client = job->client;

	n = snprintf(text, sizeof(text),
	    "{\"id\":\"%s\",\"status\":\"stopped\",\"reason\":\"stopped\","
	    "\"exit_code\":null,\"signal\":null,\"time_us\":0,\"cpu_us\":0,"
	    "\"queue_us\":%llu,\"memory_kb\":0,\"truncated\":false,"
	    "\"stdout_size\":0,\"stderr_size\":0,\"stage\":\"run\","
	    "\"compile_us\":0,\"files\":0,\"files_size\":0,\"results\":0,"
	    "\"results_size\":0,\"skipped_count\":0,\"skipped\":[]}", job->id,
	    (unsigned long long) (job->submitted > 0
	                          ? now_us() - job->submitted : 0));

	frame_add(client->out, WIRE_RESULT, text, (size_t) n);
	frame_add(client->out, WIRE_END, NULL, 0);

	job_unlink(job);
	client->job = NULL;
	job_free(job);
	client_done(client);
}
