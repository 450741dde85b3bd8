/*
 * Copyright (C) The codeexec authors.
 *
 * Brings files out of a working directory in which nothing is alive any more.
 * Names and contents are an attacker's: only regular files of the run itself
 * with one name are taken, opened beneath the directory, without following
 * anything, without waiting for anything, and read up to a limit.  Every other
 * one that was asked for is left out with a reason.  Only directories that a
 * pattern leads into are looked at, down to a depth.
 */

#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "codeexecd.h"
#include "match.h"

#define ENTRIES_MAX  10000  /* directory entries looked at */
#define PATH_LENGTH  255    /* of a file below the working directory */
#define SKIPPED_MAX  4096   /* bytes about files left out: RESULT is short */

#define SKIPPED      "%s{\"name\":%s,\"reason\":\"%s\"}"


struct collection {
	struct job        *job;
	struct collected  *out;
	uid_t              uid;
	int                dir;
	size_t             seen;      /* entries of directories */
	size_t             found;     /* entries that are wanted */
	size_t             below;     /* directories that may have some */
	struct matcher     matcher;
};

struct entry {
	char              *name;
	unsigned char      type;      /* DT_REG and the like */
};

static struct entry  entries[ENTRIES_MAX];
static char         *directories[ENTRIES_MAX];


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

	if (!is_printable(name) || strlen(name) > PATH_LENGTH) {
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


static unsigned
parts_of(const char *path)
{
	unsigned  n;

	for (n = 1; (path = strchr(path, '/')) != NULL; path++) {
		n++;
	}

	return n;
}


/* A directory that has been asked for itself is no file, and said to be. */

static void
look_at(struct collection *c, const char *path, unsigned char type)
{
	if (type != DT_DIR || !match_below(&c->matcher, path)) {
		if (match_file(&c->matcher, path)) {
			entries[c->found].name = xstrdup(path);
			entries[c->found++].type = type;
		}

	} else if (strlen(path) > PATH_LENGTH - 2) {
		skip(c, path, "name");

	} else if (parts_of(path) == MATCH_PARTS) {
		cut(c, path, "depth");

	} else {
		directories[c->below++] = xstrdup(path);
	}
}


/* Returns false if no more is to be looked at. */

static bool
read_directory(struct collection *c, DIR *dir, const char *path)
{
	char            name[PATH_LENGTH + NAME_MAX + 2];
	struct dirent  *d;

	while ((d = readdir(dir)) != NULL) {
		if (c->seen++ == ENTRIES_MAX) {
			cut(c, ".", "entries");
			return false;
		}

		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
		{
			continue;
		}

		(void) snprintf(name, sizeof(name), "%s%s%s", path,
		    *path != '\0' ? "/" : "", d->d_name);

		look_at(c, name, d->d_type);
	}

	return c->matcher.steps > 0;
}


static bool
open_directory(struct collection *c, const char *path)
{
	int   fd;
	DIR  *dir;
	bool  more;

	fd = *path == '\0' ? fcntl(c->dir, F_DUPFD_CLOEXEC, 0)
	    : open_beneath(c->dir, path);

	dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir == NULL) {
		if (fd >= 0) {
			(void) close(fd);
		}

		skip(c, *path == '\0' ? "." : path, "unreadable");
		return true;
	}

	more = read_directory(c, dir, path);
	(void) closedir(dir);

	return more;
}


/* Breadth first: what is deep can't keep what is not from being seen. */

static void
find_files(struct collection *c)
{
	bool    more;
	size_t  i;

	more = open_directory(c, "");

	for (i = 0; i < c->below; i++) {
		more = more && open_directory(c, directories[i]);
		free(directories[i]);
	}

	if (c->matcher.steps == 0) {
		cut(c, ".", "patterns");
	}
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
	size_t             i;
	struct collection  c = {
		.job = job, .out = out, .uid = uid, .dir = home
	};

	if (job->collect.count == 0 || home < 0) {
		return;
	}

	match_init(&c.matcher, job->collect.name, job->collect.count);
	find_files(&c);

	/* Their order in the directory means nothing to anybody. */

	qsort(entries, c.found, sizeof(entries[0]), compare);

	for (i = 0; i < c.found; i++) {
		take(&c, &entries[i]);
		free(entries[i].name);
	}
}
