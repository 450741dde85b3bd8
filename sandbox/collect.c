/*
 * Copyright (C) The codeexec authors.
 *
 * Brings files out of a working directory in which nothing is alive any more.
 * Names and contents are an attacker's: only regular files of the run itself
 * with one name are taken, opened beneath the directory, without following
 * anything, without waiting for anything, and read up to a limit.  Every other
 * one that was asked for is left out with a reason.
 */

#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <jansson.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "codeexecd.h"

#define ENTRIES_MAX  10000  /* directory entries looked at */
#define SKIPPED_MAX  4096   /* bytes about files left out: RESULT is short */

#define SKIPPED      "%s{\"name\":%s,\"reason\":\"%s\"}"


struct collection {
	struct job        *job;
	struct collected  *out;
	uid_t              uid;
	int                dir;
};

struct entry {
	char              *name;
	unsigned char      type;      /* DT_REG and the like */
};

static struct entry  entries[ENTRIES_MAX];


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


/* An attacker's name as a JSON string: bytes that are no UTF-8 become U+FFFD,
 * everything that is not ASCII an escape. */

static char *
quote(const char *name)
{
	char    *text, safe[3 * NAME_MAX + 1], *p;
	json_t  *json;

	json = json_string(name);

	if (json == NULL) {
		for (p = safe; *name != '\0' && p < safe + 3 * NAME_MAX;
		     name++)
		{
			if ((unsigned char) *name < 0x80) {
				*p++ = *name;
			} else {
				p = stpcpy(p, "\xef\xbf\xbd");
			}
		}

		*p = '\0';
		json = json_string(safe);
	}

	text = json_dumps(json, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	json_decref(json);

	if (text == NULL) {
		fatal("out of memory");
	}

	return text;
}


static void
skip(struct collection *c, const char *name, const char *reason)
{
	char              *text;
	size_t             used;
	struct collected  *out = c->out;

	used = evbuffer_get_length(out->skipped);
	out->skipped_count++;

	if (used + strlen(name) > SKIPPED_MAX) {
		return;
	}

	text = quote(name);

	if (used + strlen(text) + sizeof(SKIPPED) + strlen(reason)
	    <= SKIPPED_MAX)
	{
		(void) evbuffer_add_printf(out->skipped, SKIPPED,
		    used > 0 ? "," : "", text, reason);
	}

	free(text);
}


static void
cut(struct collection *c, const char *name, const char *limit)
{
	c->job->files_cut = true;
	skip(c, name, limit);
}


/* What a file is that can't be taken, or NULL. */

static const char *
kind(mode_t mode)
{
	switch (mode & S_IFMT) {

	case S_IFREG:
		return NULL;

	case S_IFLNK:
		return "symlink";

	case S_IFDIR:
		return "directory";

	case S_IFIFO:
		return "fifo";

	case S_IFSOCK:
		return "socket";

	default:
		return "device";
	}
}


/* Sockets and symbolic links can't even be opened. */

static const char *
why_not_open(const struct collection *c, const char *name)
{
	const char   *why;
	struct stat   st;

	why = fstatat(c->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0
	    ? kind(st.st_mode) : NULL;

	return why != NULL ? why : "unreadable";
}


/* The size is what can be read, whatever fstat() says: 0, -1 with errno, or
 * 1 for more than limit. */

static int
read_all(int fd, struct evbuffer *content, uint64_t limit)
{
	ssize_t      n;
	static char  buffer[65536];

	while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
		if ((uint64_t) n > limit) {
			return 1;
		}

		limit -= (uint64_t) n;

		if (evbuffer_add(content, buffer, (size_t) n) != 0) {
			return -1;
		}
	}

	return n == 0 ? 0 : -1;
}


static void
add_file(struct collected *out, const char *name, struct evbuffer *content)
{
	size_t         length;
	unsigned char  head[2];

	length = strlen(name);

	head[0] = (unsigned char) (length >> 8);
	head[1] = (unsigned char) length;

	(void) evbuffer_prepend(content, name, length);
	(void) evbuffer_prepend(content, head, 2);

	out->files++;
	out->size += evbuffer_get_length(content);

	frame_move(out->frames, WIRE_FILE, content);
}


static void
take_open(struct collection *c, const char *name, int fd)
{
	int               rc;
	uint64_t          used, left;
	const char       *why;
	struct stat       st;
	struct limits    *l = &config.limits;
	struct evbuffer  *content;

	if (fstat(fd, &st) != 0) {
		skip(c, name, "unreadable");
		return;
	}

	why = kind(st.st_mode);

	if (why != NULL || st.st_nlink != 1 || st.st_uid != c->uid) {
		skip(c, name, why != NULL ? why
		    : st.st_nlink != 1 ? "links" : "owner");
		return;
	}

	used = c->out->size + 2 + strlen(name);
	left = used < l->files_size ? l->files_size - used : 0;

	if ((uint64_t) st.st_size > l->file_size) {
		cut(c, name, "file_size");
		return;
	}

	if ((uint64_t) st.st_size > left) {
		cut(c, name, "files_size");
		return;
	}

	content = evbuffer_new();
	if (content == NULL) {
		fatal("out of memory");
	}

	rc = read_all(fd, content, left < l->file_size ? left : l->file_size);

	if (rc == 0) {
		add_file(c->out, name, content);
	} else if (rc < 0) {
		skip(c, name, "unreadable");
	} else {
		cut(c, name, left < l->file_size ? "files_size" : "file_size");
	}

	evbuffer_free(content);
}


/* Thousands of files must not keep the loop: what the directory itself says
 * not to be a file is not opened, nor is one that there is no room for. */

static void
take(struct collection *c, const struct entry *entry)
{
	int          fd;
	const char  *why, *name = entry->name;

	why = entry->type == DT_UNKNOWN ? NULL : kind(DTTOIF(entry->type));

	if (why != NULL) {
		skip(c, name, why);
		return;
	}

	if (!is_printable(name)) {
		skip(c, name, "name");
		return;
	}

	if (c->out->files == config.limits.files) {
		cut(c, name, "files");
		return;
	}

	fd = open_beneath(c->dir, name);

	if (fd < 0) {
		skip(c, name, why_not_open(c, name));
		return;
	}

	take_open(c, name, fd);
	(void) close(fd);
}


/* Those that are wanted; returns their number. */

static size_t
read_directory(struct collection *c, DIR *dir)
{
	size_t          n, seen;
	struct dirent  *d;

	for (n = seen = 0; (d = readdir(dir)) != NULL; seen++) {
		if (seen == ENTRIES_MAX) {
			cut(c, ".", "entries");
			break;
		}

		if (is_wanted(c->job, d->d_name)) {
			entries[n].name = xstrdup(d->d_name);
			entries[n++].type = d->d_type;
		}
	}

	return n;
}


static int
compare(const void *a, const void *b)
{
	const struct entry  *one = a, *two = b;

	return strcmp(one->name, two->name);
}


void
collect_files(struct job *job, int home, uid_t uid, struct collected *out)
{
	DIR                *dir;
	size_t              i, n;
	struct collection   c = {
		.job = job, .out = out, .uid = uid, .dir = home
	};

	if (job->collect.count == 0 || home < 0) {
		return;
	}

	dir = fdopendir(fcntl(home, F_DUPFD_CLOEXEC, 0));
	if (dir == NULL) {
		return;
	}

	n = read_directory(&c, dir);
	(void) closedir(dir);

	/* Their order in the directory means nothing to anybody. */

	qsort(entries, n, sizeof(entries[0]), compare);

	for (i = 0; i < n; i++) {
		take(&c, &entries[i]);
		free(entries[i].name);
	}
}
