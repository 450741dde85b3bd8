/*
 * Copyright (C) The codeexec authors.
 *
 * Connections from nginx.
 *
 *          JOB               RUN
 *   IDLE -------> COLLECT --------> WAIT ---+
 *    ^  QUERY, STOP: answered at once      |
 *    +-------------------------------------+
 *              RESULT … END, BUSY or REJECT
 *
 * Anything else closes the connection, and closing it kills its run.
 */

#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codeexecd.h"

#define HEAD_MAX      (256 * 1024)   /* bytes of a JOB object */
#define STOP_MAX      256            /* the same of STOP */

static TAILQ_HEAD(, client)  clients = TAILQ_HEAD_INITIALIZER(clients);


void
frame_add(struct evbuffer *out, enum wire_type type, const void *data,
    size_t size)
{
	unsigned char  header[WIRE_HEADER_SIZE];

	(void) wire_put_header(header, type, (uint32_t) size);
	(void) evbuffer_add(out, header, sizeof(header));

	if (size > 0) {
		(void) evbuffer_add(out, data, size);
	}
}


void
frame_move(struct evbuffer *out, enum wire_type type,
    struct evbuffer *payload)
{
	unsigned char  header[WIRE_HEADER_SIZE];

	(void) wire_put_header(header, type,
	    (uint32_t) evbuffer_get_length(payload));
	(void) evbuffer_add(out, header, sizeof(header));
	(void) evbuffer_add_buffer(out, payload);
}


void
client_close(struct client *c)
{
	struct job  *job = c->job;

	c->job = NULL;

	if (job != NULL) {
		job_abort(job);
	}

	(void) event_del(&c->readable);
	(void) event_del(&c->writable);
	(void) close(c->fd);

	evbuffer_free(c->out);
	evbuffer_free(c->head);

	TAILQ_REMOVE(&clients, c, link);
	counters.clients--;
	free(c);
}


static void
client_writable(evutil_socket_t fd, short what, void *data)
{
	struct client  *c = data;

	(void) what;

	while (evbuffer_get_length(c->out) > 0) {
		if (evbuffer_write(c->out, fd) > 0) {
			continue;
		}

		if (errno == EAGAIN) {
			(void) event_add(&c->writable, NULL);

		} else {

			/* The reader sees it too, and nobody else holds c. */

			(void) shutdown(fd, SHUT_RDWR);
			(void) evbuffer_drain(c->out,
			    evbuffer_get_length(c->out));
		}

		return;
	}
}


void
client_done(struct client *c)
{
	c->submitted = false;
	client_writable(c->fd, EV_WRITE, c);
}


void
client_busy(struct client *c, const char *reason, unsigned retry_after)
{
	int   n;
	char  text[128];

	n = snprintf(text, sizeof(text),
	    "{\"reason\":\"%s\",\"retry_after\":%u}", reason, retry_after);

	frame_add(c->out, WIRE_BUSY, text, (size_t) n);
	client_done(c);
}


/* Both texts are ours: there is nothing in them to escape but quotes. */

void
client_reject(struct client *c, const char *reason, const char *message)
{
	int          n;
	char         text[256], escaped[160], *p;

	for (p = escaped; *message != '\0' && p < escaped + 150; message++) {
		if (*message == '"') {
			*p++ = '\\';
		}

		*p++ = *message;
	}

	*p = '\0';

	n = snprintf(text, sizeof(text),
	    "{\"reason\":\"%s\",\"message\":\"%s\"}", reason, escaped);

	counters.rejected++;
	frame_add(c->out, WIRE_REJECT, text, (size_t) n);
	client_done(c);
}


/* They are the runtime's to read; this is for a clear answer. */

static bool
is_object(struct evbuffer *text)
{
	char         head[64];
	ev_ssize_t   n;
	const char  *p;

	n = evbuffer_copyout(text, head, sizeof(head) - 1);
	head[n > 0 ? n : 0] = '\0';

	p = head + strspn(head, " \t\r\n");

	return n == 0 || *p == '{';
}


static void
client_run(struct client *c)
{
	int          rt;
	char         language[LANGUAGE_MAX + 1];
	struct job  *job = c->job;
	const char  *error, *reason;

	c->submitted = true;

	reason = "job";
	error = job_parse(job, c->head, language);

	if (error == NULL && c->too_large) {
		reason = "too_large";
		error = "code, variables, input or files above a limit";
	}

	if (error == NULL) {
		error = c->error;
	}

	if (error == NULL && !is_object(job->text[TEXT_VARS])) {
		error = "the variables are no JSON object";
	}

	rt = error == NULL ? language_find(language, &job->language) : -1;

	if (error == NULL && rt < 0) {
		reason = "language";
		error = "Unsupported language";
	}

	if (error == NULL && job->language != NULL) {
		error = job->check
		    ? "programs of this language can't be checked"
		    : job_vars_to_env(job);
	}

	(void) evbuffer_drain(c->head, evbuffer_get_length(c->head));

	if (error != NULL) {
		c->job = NULL;
		job_free(job);
		client_reject(c, reason, error);
		return;
	}

	if (job_enlist(job)) {
		job_skip(job);
		return;
	}

	job_submit(job, &runtimes[rt]);
}


/* Each file has its length before it. */

static void
put_begin(struct client *c)
{
	size_t        used;
	uint32_t      length = htonl(c->reader.length);
	struct job   *job = c->job;

	c->sink = job->text[TEXT_FILES];
	used = evbuffer_get_length(c->sink) - job->put * sizeof(length);

	if (job->put == config.limits.put
	    || c->reader.length > config.limits.put_size - used)
	{
		c->too_large = true;
		return;
	}

	(void) evbuffer_add(c->sink, &length, sizeof(length));
	c->room = config.limits.put_size + ++job->put * sizeof(length);
}


/* The first frame of what is asked. */

static int
question_begin(struct client *c)
{
	c->too_large = false;
	c->error = NULL;
	c->sink = c->head;

	switch (c->reader.type) {

	case WIRE_JOB:
		c->job = job_new(c);
		c->room = HEAD_MAX;
		return 0;

	case WIRE_STOP:
		c->room = STOP_MAX;
		return 0;

	case WIRE_QUERY:
		return c->reader.length == 0 ? 0 : -1;

	default:
		return -1;
	}
}


/* Chooses where the payload goes; returns -1 if the frame has no place. */

static int
frame_begin(struct client *c)
{
	struct limits  *l = &config.limits;

	/* Who has not read the last answer has nothing more to ask. */

	if (c->submitted || evbuffer_get_length(c->out) > 0) {
		return -1;
	}

	c->sink = NULL;

	if (c->job == NULL) {
		return question_begin(c);
	}

	switch (c->reader.type) {

	case WIRE_CODE:
		c->sink = c->job->text[TEXT_CODE];
		c->room = l->code;
		return 0;

	case WIRE_VARS:
		c->sink = c->job->text[TEXT_VARS];
		c->room = l->input;
		return 0;

	case WIRE_STDIN:
		c->sink = c->job->input;
		c->room = l->input;
		return 0;

	case WIRE_PUT:
		put_begin(c);
		return 0;

	case WIRE_RUN:
		return c->reader.length == 0 ? 0 : -1;

	default:
		return -1;
	}
}


/* A job that is too large is read to its end, so that it gets an answer. */

static void
frame_data(struct client *c)
{
	if (c->too_large
	    || c->reader.size > c->room - evbuffer_get_length(c->sink))
	{
		c->too_large = true;
		return;
	}

	(void) evbuffer_add(c->sink, c->reader.data, c->reader.size);
}


static int
frame_end(struct client *c)
{
	switch (c->reader.type) {

	case WIRE_PUT:
		if (c->error == NULL && !c->too_large) {
			c->error = job_parse_put(c->job, c->reader.length);
		}

		return 0;

	case WIRE_RUN:
		client_run(c);
		return 0;

	case WIRE_QUERY:
		client_state(c);
		return 0;

	case WIRE_STOP:
		return client_stop(c);

	default:
		return 0;
	}
}


/* Returns -1 when the connection is of no use any more. */

static int
client_parse(struct client *c, const unsigned char *pos,
    const unsigned char *last)
{
	for ( ;; ) {
		switch (wire_read(&c->reader, &pos, last)) {

		case WIRE_AGAIN:
			return 0;

		case WIRE_HEADER:
			if (frame_begin(c) != 0) {
				return -1;
			}

			break;

		case WIRE_DATA:
			frame_data(c);
			break;

		case WIRE_DONE:
			if (frame_end(c) != 0) {
				return -1;
			}

			break;

		default:
			return -1;
		}
	}
}


static void
client_readable(evutil_socket_t fd, short what, void *data)
{
	ssize_t               n;
	struct client        *c = data;
	static unsigned char  buffer[65536];

	(void) what;

	n = read(fd, buffer, sizeof(buffer));

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return;
	}

	/* A half-close is a close: nginx never does one. */

	if (n <= 0 || client_parse(c, buffer, buffer + n) != 0) {
		client_close(c);
	}
}


void
client_new(int fd)
{
	struct client  *c;

	c = xcalloc(1, sizeof(*c));

	c->fd = fd;
	c->out = evbuffer_new();
	c->head = evbuffer_new();

	if (c->out == NULL || c->head == NULL) {
		fatal("out of memory");
	}

	wire_reader_init(&c->reader, WIRE_LENGTH_MAX);

	(void) event_assign(&c->readable, loop, fd, EV_READ | EV_PERSIST,
	    client_readable, c);
	(void) event_assign(&c->writable, loop, fd, EV_WRITE,
	    client_writable, c);
	(void) event_add(&c->readable, NULL);

	TAILQ_INSERT_TAIL(&clients, c, link);
	counters.clients++;
}


void
clients_stop(void)
{
	struct client  *c;

	while ((c = TAILQ_FIRST(&clients)) != NULL) {
		client_close(c);
	}
}
