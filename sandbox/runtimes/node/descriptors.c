/*
 * Copyright (C) The codeexec authors.
 */

#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "descriptors.h"
#include "spawn.h"

#define INTERESTS_MAX    8
#define CONTENT_MAX      16

enum kind { KIND_OTHER, KIND_NULL, KIND_EVENT, KIND_EPOLL, KIND_PIPE };

struct interest {
	int                  fd;
	struct epoll_event   event;
};

static struct descriptor {
	int              fd;
	enum kind        kind;
	int              flags;         /* as open() takes them */
	char             target[64];    /* tells the ends of one pipe */
	unsigned         counter;       /* of an eventfd */
	char             content[CONTENT_MAX];     /* of a pipe */
	size_t           content_size;
	struct interest  interests[INTERESTS_MAX]; /* of an epoll */
	unsigned         n_interests;
} saved[DESCRIPTORS_MAX];

static unsigned  count;
static int       numbers[DESCRIPTORS_MAX];


const int *
descriptors_list(unsigned *n)
{
	int             fd;
	DIR            *dir;
	struct dirent  *d;

	*n = 0;
	dir = opendir("/proc/self/fd");

	while (dir != NULL && (d = readdir(dir)) != NULL) {
		fd = d->d_name[0] == '.' ? -1 : atoi(d->d_name);

		if (fd > SPAWN_FILTER_FD && fd != dirfd(dir)
		    && *n < DESCRIPTORS_MAX)
		{
			numbers[(*n)++] = fd;
		}
	}

	if (dir != NULL) {
		(void) closedir(dir);
	}

	return numbers;
}


static enum kind
kind_of(const char *target)
{
	return strcmp(target, "/dev/null") == 0 ? KIND_NULL
	    : strncmp(target, "anon_inode:[eventfd]", 20) == 0 ? KIND_EVENT
	    : strncmp(target, "anon_inode:[eventpoll]", 22) == 0 ? KIND_EPOLL
	    : strncmp(target, "pipe:", 5) == 0 ? KIND_PIPE
	    : KIND_OTHER;
}


/* One line of /proc/self/fdinfo/N. */

static void
note_info(struct descriptor *d, const char *line)
{
	int                  fd;
	unsigned             events;
	unsigned long long   data;
	struct interest     *i;

	if (sscanf(line, "flags: %o", (unsigned *) &d->flags) == 1
	    || sscanf(line, "eventfd-count: %x", &d->counter) == 1
	    || sscanf(line, "tfd: %d events: %x data: %llx", &fd, &events,
	              &data) != 3)
	{
		return;
	}

	if (d->n_interests == INTERESTS_MAX) {
		d->kind = KIND_OTHER;
		return;
	}

	i = &d->interests[d->n_interests++];
	i->fd = fd;
	i->event.events = events;
	i->event.data.u64 = data;
}


static void
note(struct descriptor *d, int fd)
{
	int      n;
	char     path[64], line[256];
	FILE    *info;
	ssize_t  length;

	(void) memset(d, 0, sizeof(*d));
	d->fd = fd;

	(void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	length = readlink(path, d->target, sizeof(d->target) - 1);
	d->target[length > 0 ? length : 0] = '\0';
	d->kind = kind_of(d->target);

	(void) snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = fopen(path, "re");

	while (info != NULL && fgets(line, sizeof(line), info)) {
		note_info(d, line);
	}

	if (info != NULL) {
		(void) fclose(info);
	} else {
		d->kind = KIND_OTHER;
	}

	if (d->kind == KIND_PIPE && (d->flags & O_ACCMODE) == O_RDONLY
	    && ioctl(fd, FIONREAD, &n) == 0 && n > 0)
	{
		d->content_size = (size_t) n;

		if (n > CONTENT_MAX || read(fd, d->content, (size_t) n) != n) {
			d->kind = KIND_OTHER;
		}
	}
}


/* The writing end of the pipe that this one reads from. */

static struct descriptor *
writer_of(const struct descriptor *reader)
{
	unsigned  i;

	for (i = 0; i < count; i++) {
		if (saved[i].kind == KIND_PIPE
		    && (saved[i].flags & O_ACCMODE) == O_WRONLY
		    && strcmp(saved[i].target, reader->target) == 0)
		{
			return &saved[i];
		}
	}

	return NULL;
}


int
descriptors_close(void)
{
	const int  *list;
	unsigned    i;

	list = descriptors_list(&count);

	for (i = 0; i < count; i++) {
		note(&saved[i], list[i]);
	}

	for (i = 0; i < count; i++) {
		if (saved[i].kind == KIND_OTHER
		    || (saved[i].kind == KIND_PIPE
		        && (saved[i].flags & O_ACCMODE) == O_RDONLY
		        && writer_of(&saved[i]) == NULL))
		{
			return -1;
		}
	}

	for (i = 0; i < count; i++) {
		(void) close(saved[i].fd);
	}

	return 0;
}


/* Above all the others, so that nothing is in the way of anything. */

static int
top(void)
{
	int       fd = SPAWN_FILTER_FD;
	unsigned  i;

	for (i = 0; i < count; i++) {
		fd = saved[i].fd > fd ? saved[i].fd : fd;
	}

	return fd + 1;
}


/* Gives fd, which it closes, the number and the flags of d. */

static int
place(const struct descriptor *d, int fd)
{
	int  rc;

	if (fd == d->fd) {
		rc = 0;

	} else {
		rc = dup3(fd, d->fd, O_CLOEXEC) == d->fd ? 0 : -1;
		(void) close(fd);
	}

	if (rc == 0 && (d->flags & O_NONBLOCK)) {
		rc = fcntl(d->fd, F_SETFL, O_NONBLOCK);
	}

	return rc;
}


static int
place_pipe(const struct descriptor *reader)
{
	int                       i, fds[2], high[2];
	const struct descriptor  *writer = writer_of(reader);

	if (pipe2(fds, O_CLOEXEC) != 0) {
		return -1;
	}

	for (i = 0; i < 2; i++) {
		high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, top());
		(void) close(fds[i]);
	}

	if (high[0] < 0 || high[1] < 0
	    || write(high[1], reader->content, reader->content_size)
	        != (ssize_t) reader->content_size)
	{
		return -1;
	}

	return place(reader, high[0]) == 0 && place(writer, high[1]) == 0
	    ? 0 : -1;
}


static int
restore(const struct descriptor *d)
{
	int  fd;

	if (d->kind == KIND_PIPE) {
		return (d->flags & O_ACCMODE) == O_WRONLY ? 0 : place_pipe(d);
	}

	fd = d->kind == KIND_EVENT ? eventfd(d->counter, EFD_CLOEXEC)
	    : d->kind == KIND_EPOLL ? epoll_create1(EPOLL_CLOEXEC)
	    : open("/dev/null", (d->flags & O_ACCMODE) | O_CLOEXEC);

	return fd < 0 ? -1 : place(d, fd);
}


int
descriptors_restore(void)
{
	unsigned             i, k;
	struct descriptor   *d;

	for (i = 0; i < count; i++) {
		if (restore(&saved[i]) != 0) {
			return -1;
		}
	}

	for (i = 0; i < count; i++) {
		d = &saved[i];

		for (k = 0; k < d->n_interests; k++) {
			if (epoll_ctl(d->fd, EPOLL_CTL_ADD, d->interests[k].fd,
			              &d->interests[k].event) != 0)
			{
				return -1;
			}
		}
	}

	return 0;
}
