/*
 * Copyright (C) The codeexec authors.
 *
 * Brings files out of a working directory in which nothing is alive any more.
 * Names and contents are an attacker's: only regular files of the run itself
 * with one name are taken, opened beneath the directory, without following
 * anything, without waiting for anything, and read up to a limit.
 */

#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "codeexecd.h"

#define ENTRIES_MAX  10000  /* directory entries looked at */


struct collection {
	struct job       *job;
	struct evbuffer  *out;
	uid_t             uid;
	int               dir;
	unsigned          count;
	uint64_t          size;     /* payloads of FILE frames */
};


static bool
is_wanted(const struct job *job, const char *name)
{
	unsigned  i;

	for (i = 0; i < job->collect.count; i++) {
		if (fnmatch(job->collect.name[i], name,
		            FNM_PERIOD | FNM_CASEFOLD) == 0)
		{
			return true;
		}
	}

	return false;
}


/* Such a name would have to be escaped wherever it appears. */

static bool
is_printable(const char *name)
{
	for ( ; *name != '\0'; name++) {
		if ((unsigned char) *name < 0x20 || *name == 0x7f) {
			return false;
		}
	}

	return true;
}


static int
open_beneath(int dir, const char *name)
{
	struct open_how  how = {
		.flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY
		         | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS
		           | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV
	};

	return (int) syscall(SYS_openat2, dir, name, &how, sizeof(how));
}


/* The size is what can be read, whatever fstat() says. */

static int
read_all(int fd, struct evbuffer *content, size_t limit)
{
	int  n;

	while (evbuffer_get_length(content) <= limit) {
		n = evbuffer_read(content, fd, 65536);

		if (n == 0) {
			return 0;
		}

		if (n < 0) {
			return -1;
		}
	}

	return -1;
}


static void
add_file(struct collection *c, const char *name, struct evbuffer *content)
{
	size_t         length;
	unsigned char  head[2];

	length = strlen(name);

	head[0] = (unsigned char) (length >> 8);
	head[1] = (unsigned char) length;

	(void) evbuffer_prepend(content, name, length);
	(void) evbuffer_prepend(content, head, 2);

	c->count++;
	c->size += evbuffer_get_length(content);

	frame_move(c->out, WIRE_FILE, content);
}


static void
take(struct collection *c, const char *name)
{
	int               fd;
	uint64_t          limit, used;
	struct stat       st;
	struct evbuffer  *content;
	struct limits    *l = &config.limits;

	used = c->size + 2 + strlen(name);
	limit = used < l->files_size ? l->files_size - used : 0;
	limit = limit < l->file_size ? limit : l->file_size;

	fd = open_beneath(c->dir, name);
	if (fd < 0) {
		return;
	}

	content = evbuffer_new();

	if (content != NULL && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)
	    && st.st_nlink == 1 && st.st_uid == c->uid)
	{
		if (c->count == l->files || (uint64_t) st.st_size > limit
		    || read_all(fd, content, limit) != 0)
		{
			c->job->truncated = true;

		} else {
			add_file(c, name, content);
		}
	}

	if (content != NULL) {
		evbuffer_free(content);
	}

	(void) close(fd);
}


static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}


unsigned
collect_files(struct job *job, int home, uid_t uid, struct evbuffer *out,
    uint64_t *size)
{
	DIR                *dir;
	char              **names;
	size_t              i, n, seen;
	struct dirent      *entry;
	struct collection   c = {
		.job = job, .out = out, .uid = uid, .dir = home
	};

	*size = 0;

	if (job->collect.count == 0 || home < 0) {
		return 0;
	}

	dir = fdopendir(fcntl(home, F_DUPFD_CLOEXEC, 0));
	if (dir == NULL) {
		return 0;
	}

	names = xcalloc(ENTRIES_MAX, sizeof(char *));

	for (n = seen = 0; seen < ENTRIES_MAX && (entry = readdir(dir)); seen++)
	{
		if (is_wanted(job, entry->d_name)
		    && is_printable(entry->d_name))
		{
			names[n++] = xstrdup(entry->d_name);
		}
	}

	(void) closedir(dir);

	/* Their order in the directory means nothing to anybody. */

	qsort(names, n, sizeof(char *), compare);

	for (i = 0; i < n; i++) {
		take(&c, names[i]);
		free(names[i]);
	}

	free(names);

	*size = c.size;

	return c.count;
}
