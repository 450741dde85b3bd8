/*
 * Copyright (C) The codeexec authors.
 */

#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inbox.h"

#define PATH_LENGTH  255   /* codeexecd lets nothing longer through */


static _Noreturn void
fail(const char *what, const char *name)
{
	(void) dprintf(2, "codeexec: can't %s \"%s\": %s\n", what, name,
	    strerror(errno));
	_exit(1);
}


/* Directories above it are made as they are needed. */

static void
make_parents(char *path)
{
	char  *slash;

	for (slash = strchr(path, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/'))
	{
		*slash = '\0';

		if (mkdir(path, 0755) != 0 && errno != EEXIST) {
			fail("make the directory", path);
		}

		*slash = '/';
	}
}


static void
place(char *path, const char *content, size_t size)
{
	int      fd;
	ssize_t  n;

	make_parents(path);

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    0644);
	if (fd < 0) {
		fail("place", path);
	}

	for ( ; size > 0; content += n, size -= (size_t) n) {
		n = write(fd, content, size);

		if (n <= 0) {
			fail("place", path);
		}
	}

	(void) close(fd);
}


/* Lengths and names have been looked at by codeexecd. */

static void
place_all(const char *p, size_t size)
{
	char          path[PATH_LENGTH + 1];
	size_t        length;
	uint32_t      frame;
	const char   *end;

	for (end = p + size; p < end; p += frame) {
		(void) memcpy(&frame, p, sizeof(frame));
		frame = ntohl(frame);
		p += sizeof(frame);

		length = (size_t) (unsigned char) p[0] << 8
		    | (unsigned char) p[1];

		if (length > PATH_LENGTH || length + 2 > frame
		    || frame > (size_t) (end - p))
		{
			_exit(126);
		}

		(void) memcpy(path, p + 2, length);
		path[length] = '\0';

		place(path, p + 2 + length, frame - 2 - length);
	}
}


void
inbox_open(struct inbox *inbox, int fd, const struct spawn_job *job)
{
	int          i;
	const char  *p;

	inbox->size = 0;

	for (i = 0; i < TEXTS; i++) {
		inbox->size += job->size[i];
	}

	inbox->memory = NULL;

	if (inbox->size > 0) {
		inbox->memory = mmap(NULL, inbox->size, PROT_READ,
		    MAP_PRIVATE | MAP_POPULATE, fd, 0);

		if (inbox->memory == MAP_FAILED) {
			_exit(126);
		}
	}

	(void) close(fd);

	p = inbox->memory != NULL ? inbox->memory : "";

	for (i = 0; i < TEXTS; i++) {
		inbox->text[i] = p;
		p += job->size[i];
	}

	place_all(inbox->text[TEXT_FILES], job->size[TEXT_FILES]);
}


void
inbox_close(struct inbox *inbox)
{
	if (inbox->memory != NULL) {
		(void) munmap(inbox->memory, inbox->size);
	}
}
