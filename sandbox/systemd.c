/*
 * Copyright (C) The codeexec authors.
 *
 * A few lines of the protocols that sd_listen_fds(3) and sd_notify(3)
 * describe.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "codeexecd.h"
#include "systemd.h"


static long
number_of(const char *name)
{
	char        *end;
	long         n;
	const char  *text = getenv(name);

	if (text == NULL) {
		return -1;
	}

	n = strtol(text, &end, 10);

	return end != text && *end == '\0' ? n : -1;
}


int
systemd_sockets(void)
{
	int   fd;
	long  n;

	/* Not for us, but for whoever started us. */

	if (number_of("LISTEN_PID") != (long) getpid()) {
		return 0;
	}

	n = number_of("LISTEN_FDS");

	if (n < 1 || n > LISTENERS_MAX) {
		errno = EINVAL;
		return -1;
	}

	for (fd = SYSTEMD_FDS; fd < SYSTEMD_FDS + n; fd++) {
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
			return -1;
		}
	}

	return (int) n;
}


void
systemd_notify(const char *state)
{
	int                 fd;
	size_t              length;
	const char         *path;
	struct sockaddr_un  sun = { .sun_family = AF_UNIX };

	path = getenv("NOTIFY_SOCKET");
	length = path != NULL ? strlen(path) : 0;

	if (length < 2 || length >= sizeof(sun.sun_path)
	    || (path[0] != '/' && path[0] != '@'))
	{
		return;
	}

	memcpy(sun.sun_path, path, length);

	/* An abstract name. */

	if (sun.sun_path[0] == '@') {
		sun.sun_path[0] = '\0';
	}

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0
	    || sendto(fd, state, strlen(state), MSG_NOSIGNAL,
	              (struct sockaddr *) &sun,
	              (socklen_t) (offsetof(struct sockaddr_un, sun_path)
	                           + length)) < 0)
	{
		log_warn("%s: %s", path, strerror(errno));
	}

	close_fd(&fd);
}
