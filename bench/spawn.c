/*
 * Copyright (C) The codeexec authors.
 *
 * Runs a command again and again, a fixed number of times at once, for a
 * fixed time: what a service pays that starts an interpreter for each
 * request.  Each run must succeed and print the expected text.  Prints the
 * time of each run in microseconds, then that of the whole.
 *
 * usage: spawn AT-ONCE SECONDS EXPECTED-TEXT COMMAND...
 */

#define _GNU_SOURCE

#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AT_ONCE_MAX  64

extern char  **environ;

static struct pollfd  output[AT_ONCE_MAX];

static struct run {
	pid_t     pid;
	uint64_t  began;
	char      text[4096];
	size_t    size;
} runs[AT_ONCE_MAX];


static uint64_t
now_us(void)
{
	struct timespec  t;

	(void) clock_gettime(CLOCK_MONOTONIC, &t);

	return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}


static void
start(int i, char **command)
{
	int                         ends[2], rc;
	posix_spawn_file_actions_t  actions;

	runs[i].began = now_us();
	runs[i].size = 0;

	if (pipe2(ends, O_CLOEXEC) != 0) {
		err(1, "pipe");
	}

	(void) posix_spawn_file_actions_init(&actions);
	(void) posix_spawn_file_actions_adddup2(&actions, ends[1], 1);

	rc = posix_spawnp(&runs[i].pid, command[0], &actions, NULL, command,
	    environ);
	if (rc != 0) {
		errx(1, "%s: %s", command[0], strerror(rc));
	}

	(void) posix_spawn_file_actions_destroy(&actions);
	(void) close(ends[1]);

	output[i].fd = ends[0];
	output[i].events = POLLIN;
}


/* Whether the run is over; exits if it went wrong. */

static int
finished(int i, const char *expected)
{
	int          status;
	ssize_t      n;
	struct run  *run = &runs[i];

	n = read(output[i].fd, run->text + run->size,
	    sizeof(run->text) - 1 - run->size);

	if (n > 0) {
		run->size += (size_t) n;
		return 0;
	}

	(void) close(output[i].fd);
	output[i].fd = -1;

	if (waitpid(run->pid, &status, 0) != run->pid) {
		err(1, "waitpid");
	}

	run->text[run->size] = '\0';

	if (status != 0 || strstr(run->text, expected) == NULL) {
		errx(1, "status %d, output: %s", status, run->text);
	}

	(void) printf("%llu\n",
	    (unsigned long long) (now_us() - run->began));

	return 1;
}


int
main(int argc, char **argv)
{
	int       i, count, busy;
	uint64_t  began, until;

	count = argc > 4 ? atoi(argv[1]) : 0;

	if (count < 1 || count > AT_ONCE_MAX) {
		errx(2, "usage: spawn AT-ONCE SECONDS EXPECTED-TEXT "
		    "COMMAND...");
	}

	began = now_us();
	until = began + (uint64_t) (atof(argv[2]) * 1e6);

	for (i = 0; i < count; i++) {
		start(i, argv + 4);
	}

	for (busy = count; busy > 0; ) {
		if (poll(output, (nfds_t) count, 120000) <= 0) {
			err(1, "no output");
		}

		for (i = 0; i < count; i++) {
			if (output[i].fd < 0 || output[i].revents == 0
			    || !finished(i, argv[3]))
			{
				continue;
			}

			if (now_us() < until) {
				start(i, argv + 4);
			} else {
				busy--;
			}
		}
	}

	(void) printf("elapsed %llu\n",
	    (unsigned long long) (now_us() - began));

	return 0;
}
