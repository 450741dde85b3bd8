/*
 * Copyright (C) The codeexec authors.
 */

#define _GNU_SOURCE

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "codeexecd.h"


static bool  quiet;


/* One write for each line, so that lines of several processes don't mix. */

__attribute__((format(printf, 2, 0)))
static void
vlog(const char *level, const char *fmt, va_list args)
{
	int        n, m;
	char       line[1024];
	time_t     t;
	struct tm  tm;

	t = time(NULL);
	(void) gmtime_r(&t, &tm);

	n = (int) strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%SZ ", &tm);
	n += snprintf(line + n, sizeof(line) - (size_t) n, "codeexecd: %s",
	    level);

	m = vsnprintf(line + n, sizeof(line) - (size_t) n - 1, fmt, args);
	if (m < 0) {
		return;
	}

	n += m;
	if ((size_t) n > sizeof(line) - 2) {
		n = sizeof(line) - 2;
	}

	line[n++] = '\n';

	if (write(STDERR_FILENO, line, (size_t) n) < 0) {
		/* nowhere to say it */
		return;
	}
}


void
log_warnings_only(void)
{
	quiet = true;
}


void
log_info(const char *fmt, ...)
{
	va_list  args;

	if (quiet) {
		return;
	}

	va_start(args, fmt);
	vlog("", fmt, args);
	va_end(args);
}


void
log_warn(const char *fmt, ...)
{
	va_list  args;

	va_start(args, fmt);
	vlog("warning: ", fmt, args);
	va_end(args);
}


void
fatal(const char *fmt, ...)
{
	int      error = errno;
	char     message[512];
	va_list  args;

	va_start(args, fmt);
	(void) vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);

	log_warn("fatal: %s: %s", message, strerror(error));
	_exit(1);
}


uint64_t
now_us(void)
{
	struct timespec  t;

	(void) clock_gettime(CLOCK_MONOTONIC, &t);

	return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}


void
close_fd(int *fd)
{
	if (*fd >= 0) {
		(void) close(*fd);
		*fd = -1;
	}
}


void *
xcalloc(size_t n, size_t size)
{
	void  *p;

	p = calloc(n, size);
	if (p == NULL) {
		fatal("out of memory");
	}

	return p;
}


char *
xstrdup(const char *s)
{
	char  *p;

	p = strdup(s);
	if (p == NULL) {
		fatal("out of memory");
	}

	return p;
}


ssize_t
read_file(const char *path, char *buffer, size_t size)
{
	int      fd;
	size_t   got;
	ssize_t  n;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return -1;
	}

	for (got = 0; got < size; got += (size_t) n) {
		n = read(fd, buffer + got, size - got);
		if (n <= 0) {
			break;
		}
	}

	(void) close(fd);

	if (got == size) {
		errno = EFBIG;
		return -1;
	}

	buffer[got] = '\0';

	return (ssize_t) got;
}


bool
is_name(const char *s, const char *more, size_t max)
{
	size_t  n;

	for (n = 0; s[n] != '\0'; n++) {
		if (n == max || (!isalnum((unsigned char) s[n])
		                 && strchr("._-", s[n]) == NULL
		                 && strchr(more, s[n]) == NULL))
		{
			return false;
		}
	}

	return n > 0;
}
