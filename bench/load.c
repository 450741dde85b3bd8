/*
 * Copyright (C) The codeexec authors.
 *
 * A load client: a fixed number of keep-alive connections, each with one
 * request under way, for a fixed time.  Each answer is checked.  Prints the
 * time of each request in microseconds, then that of the whole.
 *
 * usage: load PORT CONNECTIONS SECONDS REQUEST-FILE EXPECTED-TEXT
 */

#define _GNU_SOURCE

#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX  (4 << 20)

struct connection {
	int       fd;
	char     *answer;      /* ANSWER_MAX + 1 bytes */
	size_t    size;        /* of what has arrived */
	uint64_t  began;
};

static struct sockaddr_in  server;
static char                request[1 << 16];
static size_t              request_size;
static const char         *expected;
static int                 epfd;


static uint64_t
now_us(void)
{
	struct timespec  t;

	(void) clock_gettime(CLOCK_MONOTONIC, &t);

	return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}


static void
open_connection(struct connection *c)
{
	int                 on = 1;
	struct epoll_event  ev = { .events = EPOLLIN, .data.ptr = c };

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (c->fd < 0
	    || connect(c->fd, (struct sockaddr *) &server, sizeof(server)) != 0
	    || setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on))
	    || epoll_ctl(epfd, EPOLL_CTL_ADD, c->fd, &ev) != 0)
	{
		err(1, "connect");
	}
}


static void
ask(struct connection *c)
{
	c->size = 0;
	c->began = now_us();

	if (send(c->fd, request, request_size, MSG_NOSIGNAL)
	    != (ssize_t) request_size)
	{
		err(1, "send");
	}
}


/* Of the chunks from p on; 0 if the last of them has not arrived. */

static size_t
chunked_size(const char *p, const char *end)
{
	char        *after;
	size_t       chunk;
	const char  *start = p;

	for ( ;; ) {
		chunk = strtoul(p, &after, 16);

		if (after == p || end - after < 2
		    || (size_t) (end - after) < chunk + 4)
		{
			return 0;
		}

		p = after + 2 + chunk + 2;

		if (chunk == 0) {
			return (size_t) (p - start);
		}
	}
}


/* Whether the answer is complete; exits if it is not the right one. */

static int
complete(struct connection *c)
{
	char        *body, *end, *length;
	size_t       size;

	c->answer[c->size] = '\0';
	end = c->answer + c->size;

	body = strstr(c->answer, "\r\n\r\n");
	if (body == NULL) {
		return 0;
	}

	body += 4;
	length = strcasestr(c->answer, "\r\nContent-Length:");

	if (length != NULL && length < body) {
		size = strtoul(length + 17, NULL, 10);

		if ((size_t) (end - body) < size) {
			return 0;
		}

	} else if (chunked_size(body, end) == 0) {
		return 0;
	}

	if (strncmp(c->answer, "HTTP/1.1 200 ", 13) != 0
	    || strstr(body, expected) == NULL)
	{
		errx(1, "not the expected answer: %.600s", c->answer);
	}

	return 1;
}


static int
receive(struct connection *c)
{
	ssize_t  n;

	n = recv(c->fd, c->answer + c->size, ANSWER_MAX - c->size, 0);
	if (n <= 0) {
		errx(1, "connection closed, or an answer too large");
	}

	c->size += (size_t) n;

	return complete(c);
}


static void
run(struct connection *connections, int count, uint64_t until)
{
	int                 i, n, busy;
	struct connection  *c;
	struct epoll_event  events[64];

	for (i = 0; i < count; i++) {
		open_connection(&connections[i]);
		ask(&connections[i]);
	}

	for (busy = count; busy > 0; ) {
		n = epoll_wait(epfd, events, 64, 120000);
		if (n <= 0) {
			err(1, "no answer");
		}

		for (i = 0; i < n; i++) {
			c = events[i].data.ptr;

			if (!receive(c)) {
				continue;
			}

			(void) printf("%llu\n",
			    (unsigned long long) (now_us() - c->began));

			if (strcasestr(c->answer, "\r\nConnection: close")) {
				(void) close(c->fd);
				open_connection(c);
			}

			if (now_us() < until) {
				ask(c);
			} else {
				busy--;
			}
		}
	}
}


int
main(int argc, char **argv)
{
	int                 i, count;
	FILE               *f;
	uint64_t            began;
	struct connection  *connections;

	if (argc != 6) {
		errx(2, "usage: load PORT CONNECTIONS SECONDS REQUEST-FILE "
		    "EXPECTED-TEXT");
	}

	server.sin_family = AF_INET;
	server.sin_port = htons((uint16_t) atoi(argv[1]));
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

	count = atoi(argv[2]);
	expected = argv[5];

	f = fopen(argv[4], "r");
	if (f == NULL) {
		err(1, "%s", argv[4]);
	}

	request_size = fread(request, 1, sizeof(request), f);
	(void) fclose(f);

	connections = calloc((size_t) count, sizeof(*connections));
	epfd = epoll_create1(EPOLL_CLOEXEC);

	for (i = 0; i < count; i++) {
		connections[i].answer = malloc(ANSWER_MAX + 1);
		if (connections[i].answer == NULL) {
			err(1, "malloc");
		}
	}

	began = now_us();
	run(connections, count, began + (uint64_t) (atof(argv[3]) * 1e6));

	(void) printf("elapsed %llu\n",
	    (unsigned long long) (now_us() - began));

	return 0;
}
