/*
 * Copyright (C) The codeexec authors.
 *
 * codeexec-command: the zygote of every language that is a command, such as
 * bash or C.  What to do with a program comes with its job:
 *
 *   zygote        run, locked down and parked
 *   ----------    ---------------------------------------------------------
 *   fork ------>  job: files, the program itself, argument lists
 *                 compile, if there is such a list -----> child, waited for
 *                    |  failed: its code, "compile"          killed when
 *                    |                                       its time is up
 *                 tell codeexecd that the program begins
 *                 execve()
 *
 * Up to the execve() there is no user code in the jail but what a compiler
 * makes of it, so what is told to codeexecd is true.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hygiene.h"
#include "inbox.h"
#include "lockdown.h"
#include "zygote.h"

#define PATH_TEXT  "PATH=/usr/local/bin:/usr/bin:/bin"

static const char *const  environment[] = {
	"HOME=" JAIL_HOME, "LANG=C.UTF-8", "LOGNAME=user", PATH_TEXT,
	"TMPDIR=/tmp", "TZ=UTC", "USER=user"
};

#define ENVIRONMENT  (sizeof(environment) / sizeof(environment[0]))

struct work {
	char   *file;       /* where the program goes */
	char  **compile;    /* argument list, empty if there is none */
	char  **command;
	char  **environ;
};


static void
nothing(void)
{
	/* void */
}


static const struct zygote_hooks  hooks = {
	nothing, nothing, nothing, NULL
};


static _Noreturn void
fail(const char *what, const char *name)
{
	(void) dprintf(2, "codeexec: can't %s \"%s\": %s\n", what, name,
	    strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}


static void *
allocate(size_t n, size_t size)
{
	void  *p;

	p = calloc(n, size);
	if (p == NULL) {
		fail("allocate memory for", "the program");
	}

	return p;
}


/* Strings with a NUL behind each, up to an empty one or the end: appended to
 * list, which has room.  Returns what is behind them. */

static const char *
take_strings(const char *p, const char *end, char **list, size_t *n)
{
	while (p < end && *p != '\0') {
		list[(*n)++] = (char *) p;
		p += strlen(p) + 1;
	}

	return p < end ? p + 1 : p;
}


static size_t
count_strings(const char *p, const char *end)
{
	size_t  n;

	for (n = 0; p < end; n++) {
		p += strlen(p) + 1;
	}

	return n;
}


/* An empty argument is one, too: it is only in the lists of a language that an
 * empty string is the end. */

static void
add_arguments(char **list, size_t *n, const char *p, const char *end)
{
	while (p < end) {
		list[(*n)++] = (char *) p;
		p += strlen(p) + 1;
	}
}


static const char *
copy_text(const struct inbox *inbox, const struct spawn_job *job, int which)
{
	char  *copy;

	copy = allocate(1, job->size[which] + 1);

	return memcpy(copy, inbox->text[which], job->size[which]);
}


/* The later of two values of a variable holds, as the last one would with
 * putenv(). */

static void
make_environment(struct work *w, const char *text, size_t size)
{
	size_t   n, i, k, length;
	char   **all;

	all = allocate(ENVIRONMENT + count_strings(text, text + size) + 1,
	    sizeof(char *));

	for (n = 0; n < ENVIRONMENT; n++) {
		all[n] = (char *) environment[n];
	}

	add_arguments(all, &n, text, text + size);

	w->environ = allocate(n + 1, sizeof(char *));

	for (i = 0, length = 0; i < n; i++) {
		for (k = i + 1; k < n; k++) {
			if (strncmp(all[i], all[k],
			            strcspn(all[i], "=") + 1) == 0)
			{
				break;
			}
		}

		if (k == n) {
			w->environ[length++] = all[i];
		}
	}

	free(all);
}


/* TEXT_COMMAND: file, compile…, "", command…, "" */

static void
make_work(struct work *w, const struct inbox *inbox,
    const struct spawn_job *job)
{
	size_t       n, all;
	const char  *p, *end, *args;

	p = copy_text(inbox, job, TEXT_COMMAND);
	end = p + job->size[TEXT_COMMAND];
	args = copy_text(inbox, job, TEXT_ARGS);

	all = count_strings(p, end)
	    + count_strings(args, args + job->size[TEXT_ARGS]) + 1;

	w->file = (char *) p;
	w->compile = allocate(all, sizeof(char *));
	w->command = allocate(all, sizeof(char *));

	n = 0;
	p = take_strings(p + strlen(p) + 1, end, w->compile, &n);

	n = 0;
	(void) take_strings(p, end, w->command, &n);
	add_arguments(w->command, &n, args, args + job->size[TEXT_ARGS]);

	make_environment(w, copy_text(inbox, job, TEXT_ENV),
	    job->size[TEXT_ENV]);
}


static void
write_program(const char *file, const char *text, size_t size)
{
	int      fd;
	ssize_t  n;

	fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
	    0644);

	for (n = 0; fd >= 0 && size > 0; text += n, size -= (size_t) n) {
		n = write(fd, text, size);
		if (n <= 0) {
			break;
		}
	}

	if (fd < 0 || size > 0 || close(fd) != 0) {
		fail("write", file);
	}
}


static void
tell(const struct spawn_job *job, enum command_event event)
{
	struct spawn_reply  reply;

	spawn_reply_init(&reply, 0, job->serial, NULL);
	reply.error = event;

	/* Who is not told stops us in time. */

	(void) spawn_send(SPAWN_CONTROL_FD, &reply, sizeof(reply), NULL, 0);
}


/* What it says goes to stderr: stdout is the program's. */

static _Noreturn void
compile_child(const struct work *w)
{
	(void) setpgid(0, 0);

	if (dup2(2, 1) != 1) {
		_exit(126);
	}

	(void) execvpe(w->compile[0], w->compile, w->environ);
	fail("run", w->compile[0]);
}


static void
compile(const struct work *w, const struct spawn_job *job)
{
	int            child, status;
	pid_t          pid;
	struct pollfd  event;

	pid = fork();
	if (pid < 0) {
		fail("run", w->compile[0]);
	}

	if (pid == 0) {
		compile_child(w);
	}

	child = (int) syscall(SYS_pidfd_open, pid, 0);
	event = (struct pollfd) { .fd = child, .events = POLLIN };

	if (child < 0 || poll(&event, 1, (int) job->compile_ms) != 1) {
		(void) kill(-pid, SIGKILL);
		(void) kill(pid, SIGKILL);
		tell(job, COMMAND_SLOW);
		_exit(1);
	}

	(void) close(child);

	if (waitpid(pid, &status, 0) != pid) {
		_exit(126);
	}

	/* Nothing that a compiler has left behind sees the program run. */

	(void) kill(-pid, SIGKILL);

	if (status != 0) {
		tell(job, COMMAND_NOT_COMPILED);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status)
		    : 128 + WTERMSIG(status));
	}
}


static _Noreturn void
run_job(const struct spawn_fork *request)
{
	int               fd;
	struct work       w;
	struct inbox      inbox;
	struct spawn_job  job;

	fd = lockdown_wait(request, &job);
	inbox_open(&inbox, fd, &job);
	make_work(&w, &inbox, &job);

	write_program(w.file, inbox.text[TEXT_CODE], job.size[TEXT_CODE]);
	inbox_close(&inbox);

	if (w.compile[0] != NULL) {
		compile(&w, &job);
	}

	tell(&job, COMMAND_BEGINS);
	(void) close(SPAWN_CONTROL_FD);

	(void) execvpe(w.command[0], w.command, w.environ);
	fail("run", w.command[0]);
}


int
main(void)
{
	const int           policy = SPAWN_FILTER_FD;
	const char         *why;
	struct spawn_fork   request;

	/* It is what execvpe() searches. */

	(void) clearenv();
	(void) putenv((char *) PATH_TEXT);

	why = hygiene_inspect(&policy, 1);
	if (why != NULL) {
		hygiene_refuse("the command zygote", why);
	}

	zygote_serve(&hooks, &request);
	run_job(&request);
}
