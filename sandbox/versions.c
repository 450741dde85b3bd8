/*
 * Copyright (C) The codeexec authors.
 *
 * Which versions of its languages there are.  A warm interpreter tells its
 * own; a language that is a command is asked, one after another, by a client
 * that codeexecd is to itself: its command is run in a jail like any program.
 *
 *   ready --> ask the first --> answered --> ask the next --> ... --> close
 */

#define _GNU_SOURCE

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "codeexecd.h"

#define VERSION_MAX  80   /* characters of the first line */

static int                 sock = -1;
static unsigned            next;        /* language */
static struct event        readable;
static struct wire_reader  reader;
static struct evbuffer    *line;

static void  ask_next(void);


/* What an interpreter or a compiler prints is not ours. */

char *
version_text(const char *text, size_t size)
{
	char    *copy, *p;
	size_t   n;

	for (n = 0; n < size && n < VERSION_MAX && text[n] != '\n'
	     && text[n] != '\0'; n++)
	{
		/* void */
	}

	copy = strndup(text, n);
	if (copy == NULL) {
		fatal("strndup");
	}

	for (p = copy; *p != '\0'; p++) {
		if (*p < 0x20 || *p > 0x7e || *p == '"' || *p == '\\') {
			*p = '?';
		}
	}

	return copy;
}


static void
stop(void)
{
	(void) event_del(&readable);
	evbuffer_free(line);
	close_fd(&sock);
}


static void
answered(void)
{
	size_t            size = evbuffer_get_length(line);
	struct language  *lang = &config.language[next++];

	if (size > 0) {
		lang->told = version_text(
		    (const char *) evbuffer_pullup(line, -1), size);
		(void) evbuffer_drain(line, size);
	}

	ask_next();
}


static void
read_answer(evutil_socket_t fd, short what, void *data)
{
	ssize_t               n;
	unsigned char         buffer[4096];
	const unsigned char  *pos = buffer;

	(void) what;
	(void) data;

	n = read(fd, buffer, sizeof(buffer));

	if (n <= 0) {
		stop();
		return;
	}

	for ( ;; ) {
		switch (wire_read(&reader, &pos, buffer + n)) {

		case WIRE_HEADER:
			break;

		case WIRE_DATA:
			if ((reader.type == WIRE_STDOUT
			     || reader.type == WIRE_STDERR)
			    && evbuffer_get_length(line) < VERSION_MAX)
			{
				(void) evbuffer_add(line, reader.data,
				    reader.size);
			}

			break;

		case WIRE_DONE:
			if (reader.type == WIRE_END
			    || reader.type == WIRE_BUSY
			    || reader.type == WIRE_REJECT)
			{
				answered();

				if (sock < 0) {
					return;
				}
			}

			break;

		case WIRE_AGAIN:
			return;

		default:
			stop();
			return;
		}
	}
}


static void
ask(const struct language *lang)
{
	char              text[128];
	struct evbuffer  *job;

	job = evbuffer_new();
	if (job == NULL) {
		fatal("out of memory");
	}

	(void) snprintf(text, sizeof(text),
	    "{\"language\":\"%s\",\"options\":{\"version\":true}}",
	    lang->name);

	frame_add(job, WIRE_JOB, text, strlen(text));
	frame_add(job, WIRE_RUN, NULL, 0);

	/* It is short, and nothing else is in the socket. */

	(void) evbuffer_write(job, sock);
	evbuffer_free(job);
}


static void
ask_next(void)
{
	while (next < config.languages
	       && config.language[next].version == NULL)
	{
		next++;
	}

	if (next == config.languages) {
		stop();
	} else {
		ask(&config.language[next]);
	}
}


void
versions_ask(void)
{
	int  fds[2];

	if (config.languages == 0) {
		return;
	}

	line = evbuffer_new();

	if (line == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK
	                               | SOCK_CLOEXEC, 0, fds) != 0)
	{
		fatal("socketpair");
	}

	sock = fds[0];
	wire_reader_init(&reader, WIRE_LENGTH_MAX);

	(void) event_assign(&readable, loop, sock, EV_READ | EV_PERSIST,
	    read_answer, NULL);
	(void) event_add(&readable, NULL);

	client_new(fds[1]);
	ask_next();
}
