/*
 * Copyright (C) The codeexec authors.
 */

#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hygiene.h"
#include "spawn.h"

#define GLANCES_MAX  256    /* between two inspections */

static char    why[512];
static struct {
	bool         known;
	struct stat  fd[SPAWN_CONTROL_FD + 1];
	unsigned     fds;
	uint64_t     memory;     /* bytes of all mappings */
	unsigned     glances;
} last;


static ssize_t
read_proc(const char *path, char *text, size_t size)
{
	int      fd;
	ssize_t  n;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0) {
		(void) close(fd);
	}

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';

	return n;
}


static bool
other_threads(void)
{
	DIR            *dir;
	bool            found;
	char            path[64], name[32];
	struct dirent  *d;

	dir = opendir("/proc/self/task");

	for (found = dir == NULL; dir && !found && (d = readdir(dir)); ) {
		if (d->d_name[0] == '.' || atoi(d->d_name) == getpid()) {
			continue;
		}

		found = true;
		(void) snprintf(path, sizeof(path),
		    "/proc/self/task/%.16s/comm", d->d_name);
		(void) read_proc(path, name, sizeof(name));
		(void) snprintf(why, sizeof(why),
		    "has started a thread (\"%s\")", name);
	}

	if (dir != NULL) {
		(void) closedir(dir);
	} else {
		(void) snprintf(why, sizeof(why), "can't count its threads");
	}

	return found;
}


static bool
has_child(void)
{
	siginfo_t  info = { .si_pid = 0 };

	if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0
	    && errno == ECHILD)
	{
		return false;
	}

	(void) snprintf(why, sizeof(why), "has started a process");

	return true;
}


/* The log may be anything, but it must stay the same. */

static bool
is_good(int fd, const struct stat *st)
{
	int        domain = 0, type = 0;
	socklen_t  size = sizeof(int);

	if (fd == STDIN_FILENO) {
		return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
	}

	if (fd == SPAWN_CONTROL_FD) {
		return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size)
		        == 0
		    && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0
		    && domain == AF_UNIX && type == SOCK_SEQPACKET;
	}

	return true;
}


static bool
changed_descriptors(void)
{
	int           fd;
	struct stat   st;
	struct stat  *was = last.fd;

	for (fd = 0; fd <= SPAWN_CONTROL_FD; fd++) {
		if (fstat(fd, &st) != 0 || !is_good(fd, &st)
		    || (last.known && (st.st_dev != was[fd].st_dev
		                       || st.st_ino != was[fd].st_ino)))
		{
			(void) snprintf(why, sizeof(why),
			    "has closed or replaced descriptor %d", fd);
			return true;
		}

		if (!last.known) {
			was[fd] = st;
		}
	}

	last.known = true;

	return false;
}


static bool
is_listed(int fd, const int *list, unsigned n)
{
	while (n-- > 0) {
		if (list[n] == fd) {
			return true;
		}
	}

	return false;
}


static bool
other_descriptors(const int *more, unsigned n)
{
	int             fd;
	DIR            *dir;
	bool            found;
	char            target[256];
	ssize_t         length;
	struct dirent  *d;

	dir = opendir("/proc/self/fd");
	if (dir == NULL) {
		(void) snprintf(why, sizeof(why), "can't list its descriptors");
		return true;
	}

	for (found = false; !found && (d = readdir(dir)) != NULL; ) {
		fd = d->d_name[0] == '.' ? -1 : atoi(d->d_name);
		found = fd > SPAWN_CONTROL_FD && fd != dirfd(dir)
		    && !is_listed(fd, more, n);

		if (found) {
			length = readlinkat(dirfd(dir), d->d_name, target,
			    sizeof(target) - 1);
			target[length > 0 ? length : 0] = '\0';
			(void) snprintf(why, sizeof(why),
			    "has left a descriptor open (%d, \"%s\")", fd,
			    target);
		}
	}

	(void) closedir(dir);

	return found;
}


/* Linux 6.2 tells their number without a list of them. */

static unsigned
open_descriptors(void)
{
	DIR          *dir;
	unsigned      n;
	struct stat   st;

	if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0) {
		return (unsigned) st.st_size;
	}

	dir = opendir("/proc/self/fd");

	for (n = 0; dir != NULL && readdir(dir) != NULL; n++) {
		/* void */
	}

	if (dir != NULL) {
		(void) closedir(dir);
	}

	return n;
}


/* What is mapped for reading only could be made writable, unless the file was
 * opened for reading only: that it can't be opened otherwise will do. */

static bool
is_harmless(const char *perms, const char *path)
{
	return perms[3] != 's'
	    || (perms[1] != 'w' && access(path, W_OK) != 0
	        && (errno == EROFS || errno == EACCES));
}


static bool
shared_memory(void)
{
	int    at;
	bool   found;
	char   line[512], perms[5];
	FILE  *maps;

	maps = fopen("/proc/self/maps", "re");
	if (maps == NULL) {
		(void) snprintf(why, sizeof(why), "can't list its memory");
		return true;
	}

	for (found = false; !found && fgets(line, sizeof(line), maps); ) {
		at = 0;
		line[strcspn(line, "\n")] = '\0';

		if (sscanf(line, "%*s %4s %*s %*s %*s %n", perms, &at) == 1
		    && at > 0 && !is_harmless(perms, line + at))
		{
			found = true;
			(void) snprintf(why, sizeof(why), "has mapped shared "
			    "memory that can be written to (\"%.256s\")",
			    line + at);
		}
	}

	(void) fclose(maps);

	return found;
}


/* Threads and bytes of memory, in one read. */

static bool
count(unsigned *threads, uint64_t *memory)
{
	char                 text[1024], *p;
	long                 n;
	unsigned long long   size;

	if (read_proc("/proc/self/stat", text, sizeof(text)) <= 0
	    || (p = strrchr(text, ')')) == NULL
	    || sscanf(p, ") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
	              "%*s %*s %*s %*s %*s %ld %*s %*s %llu", &n, &size) != 2)
	{
		return false;
	}

	*threads = (unsigned) n;
	*memory = size;

	return true;
}


const char *
hygiene_inspect(const int *more, unsigned n)
{
	unsigned  threads;

	if (other_threads() || has_child() || changed_descriptors()
	    || other_descriptors(more, n) || shared_memory())
	{
		return why;
	}

	last.glances = 0;
	last.fds = open_descriptors() - n;

	return count(&threads, &last.memory) ? NULL : "can't be counted";
}


const char *
hygiene_glance(const int *more, unsigned n)
{
	unsigned  threads;
	uint64_t  memory;

	return ++last.glances < GLANCES_MAX && !has_child()
	    && open_descriptors() == last.fds + n
	    && count(&threads, &memory) && threads == 1
	    && memory == last.memory ? NULL : hygiene_inspect(more, n);
}


void
hygiene_refuse(const char *who, const char *what)
{
	(void) dprintf(STDERR_FILENO, "codeexec-zygote: refused: %s %s\n",
	    who, what);
	_exit(SPAWN_UNFIT);
}
