/*
 * Copyright (C) The codeexec authors.
 *
 * Results that a program has shown.  Its runtime writes them to a file, one
 * after another, each with its length before it; what is in them is the
 * program's word and is passed on unread.
 */

#define _GNU_SOURCE

#include <arpa/inet.h>
#include <unistd.h>

#include "codeexecd.h"


/* Reads up to limit bytes; returns whether there are more. */

static bool
read_some(int fd, struct evbuffer *content, uint64_t limit)
{
	ssize_t      n;
	size_t       want;
	static char  buffer[65536];

	do {
		want = limit < sizeof(buffer) ? (size_t) limit : sizeof(buffer);

		if (want == 0) {
			return read(fd, buffer, 1) > 0;
		}

		n = read(fd, buffer, want);

		if (n > 0) {
			(void) evbuffer_add(content, buffer, (size_t) n);
			limit -= (uint64_t) n;
		}
	} while (n > 0);

	return false;
}


/* The last one may be in part only: the run was killed, or the limit hit. */

static void
take_all(struct job *job, struct evbuffer *content, struct shown *out)
{
	uint32_t          length;
	struct evbuffer  *payload;

	payload = evbuffer_new();
	if (payload == NULL) {
		fatal("out of memory");
	}

	while (evbuffer_copyout(content, &length, sizeof(length))
	       == sizeof(length))
	{
		length = ntohl(length);

		if (length > evbuffer_get_length(content) - sizeof(length)) {
			break;
		}

		if (out->results == config.limits.results) {
			job->results_cut = true;
			break;
		}

		(void) evbuffer_drain(content, sizeof(length));
		(void) evbuffer_remove_buffer(content, payload, length);

		out->results++;
		out->size += length;

		frame_move(out->frames, WIRE_SHOW, payload);
	}

	evbuffer_free(payload);
}


void
collect_results(struct job *job, int fd, struct shown *out)
{
	struct evbuffer  *content;

	if (!job->shows) {
		return;
	}

	content = evbuffer_new();
	if (content == NULL) {
		fatal("out of memory");
	}

	job->results_cut = read_some(fd, content, config.limits.results_size);
	take_all(job, content, out);

	evbuffer_free(content);
}
