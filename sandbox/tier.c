/*
 * Copyright (C) The codeexec authors.
 *
 * The tiers of a runtime: zygotes that differ in what they have imported.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "codeexecd.h"

/*
 * A run is process 2 of its jail.  A zygote with a small pid too would be
 * mistaken for its own child by libraries that detect a fork by getpid().
 */
#define ZYGOTE_PID     300


static void
zygote_down(struct tier *tier)
{
	unsigned         i;
	struct slot     *slot;
	struct runtime  *rt = tier->runtime;

	process_close(&tier->zygote);
	tier->warm = false;

	for (i = 0; i < config.slots; i++) {
		slot = &rt->slots[i];

		if (slot->tier == tier && slot->state == SLOT_FORKING
		    && slot->run < 0)
		{
			slot_kill(slot);
		}
	}

	if (!stopping) {
		process_retry(&tier->zygote);
	}
}


static void
zygote_exited(evutil_socket_t fd, short what, void *data)
{
	struct tier  *tier = data;

	(void) fd;
	(void) what;

	log_warn("the zygote \"%s\" of \"%s\" is gone", tier->config->name,
	    tier->runtime->config->name);
	zygote_down(tier);
}


static void
zygote_warm(struct tier *tier)
{
	tier->warm = true;
	tier->zygote.failures = 0;
	tier->runtime->builder.failures = 0;

	log_info("the zygote \"%s\" of \"%s\" is warm", tier->config->name,
	    tier->runtime->config->name);

	runtime_refill(tier->runtime);
}


static void
zygote_message(evutil_socket_t fd, short what, void *data)
{
	int                 fds[1];
	ssize_t             n;
	unsigned            nfds;
	struct tier        *tier = data;
	struct spawn_reply  reply;

	(void) what;

	for ( ;; ) {
		nfds = 1;
		n = spawn_recv(fd, &reply, sizeof(reply), fds, &nfds, 0);

		if (n < 0 && errno == EAGAIN) {
			return;
		}

		if (n < 0 && errno == EBADMSG) {
			continue;
		}

		if (n <= 0) {
			zygote_down(tier);
			return;
		}

		if (!tier->warm) {
			zygote_warm(tier);

		} else if (reply.slot < config.slots) {
			slot_forked(&tier->runtime->slots[reply.slot], &reply,
			    fds, nfds);
		}
	}
}


static void
zygote_exec(struct tier *tier)
{
	char  *argv[NAMES_MAX + 8], **a;
	char  *envp[] = {
		(char *) "HOME=/home",
		(char *) "LANG=C.UTF-8",
		(char *) "PATH=/usr/bin:/bin",
		(char *) "PYTHONNOUSERSITE=1",
		(char *) "PYTHONSAFEPATH=1",
		(char *) "TZ=UTC",
		NULL
	};
	unsigned  i;

	a = argv;
	*a++ = tier->runtime->config->interpreter;
	*a++ = (char *) "-B";
	*a++ = (char *) "-Xutf8";
	*a++ = (char *) "/opt/codeexec/zygote.py";

	for (i = 0; i < tier->config->preload.count; i++) {
		*a++ = tier->config->preload.name[i];
	}

	*a = NULL;

	(void) execve(argv[0], argv, envp);

	fatal("execve(\"%s\")", argv[0]);
}


/* Children of ours are put into the pen until the second setns(). */

static pid_t
fork_into_pen(struct tier *tier, struct clone_args *args)
{
	int    self, error;
	pid_t  pid;

	self = (int) syscall(SYS_pidfd_open, getpid(), 0);

	if (self < 0
	    || setns(tier->runtime->builder.pidfd, CLONE_NEWPID) != 0)
	{
		close_fd(&self);
		return -1;
	}

	pid = process_fork(&tier->zygote, args, tier->runtime->builder.pidfd);

	if (pid != 0) {
		error = errno;

		if (setns(self, CLONE_NEWPID) != 0) {
			fatal("setns");
		}

		close_fd(&self);
		errno = error;
	}

	return pid;
}


void
zygote_start(struct tier *tier)
{
	pid_t              pid, wanted;
	struct clone_args  args = {
		.set_tid = (uintptr_t) &wanted,
		.set_tid_size = 1
	};

	/* After a failure the old one may still be around. */

	wanted = ZYGOTE_PID + (pid_t) (tier->number
	    + TIERS_MAX * (tier->zygote.failures % 64));

	pid = fork_into_pen(tier, &args);

	if (pid == 0) {
		zygote_exec(tier);
	}

	if (pid < 0) {
		log_warn("can't start the zygote \"%s\" of \"%s\": %s",
		    tier->config->name, tier->runtime->config->name,
		    strerror(errno));
		process_retry(&tier->zygote);
		return;
	}

	process_watch(&tier->zygote, zygote_exited, zygote_message, tier);
}


void
zygote_restart(evutil_socket_t fd, short what, void *data)
{
	struct tier  *tier = data;

	(void) fd;
	(void) what;

	if (tier->runtime->state == RUNTIME_UP) {
		zygote_start(tier);
	}
}


int
tier_fork(struct slot *slot, const int *fds, unsigned nfds)
{
	struct tier        *tier = slot->tier;
	struct limits      *l = &config.limits;
	struct spawn_fork   request = {
		.slot = slot->index,
		.serial = slot->serial,
		.file_size = l->disk,
		.data_size = l->memory,
		.open_files = (uint32_t) l->open_files,
		.processes = (uint32_t) l->processes + 1,  /* the keeper */
		.cpu_seconds = cgroup_cpu_seconds(l->max_wall_ms)
	};

	if (!tier->warm) {
		return -1;
	}

	/* The second of two: the control group, which counts, must be hit
	 * first.  Much of what is mapped is never touched. */

	if (hierarchies_have & HAS_MEMORY) {
		request.data_size *= 8;
	}

	if (hierarchies_have & HAS_PIDS) {
		request.processes++;
	}

	if (spawn_send(tier->zygote.control, &request, sizeof(request), fds,
	               nfds) == 0)
	{
		return 0;
	}

	log_warn("can't reach the zygote \"%s\" of \"%s\": %s",
	    tier->config->name, tier->runtime->config->name, strerror(errno));

	return -1;
}


static bool
is_word(unsigned char c)
{
	return c == '_' || c >= 0x80 || (c >= '0' && c <= '9')
	    || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}


static bool
contains_word(const char *text, size_t size, const char *word)
{
	size_t       n;
	const char  *p, *last;

	n = strlen(word);
	last = text + size;

	for (p = text; (p = memmem(p, (size_t) (last - p), word, n)) != NULL;
	     p++)
	{
		if ((p == text || !is_word((unsigned char) p[-1]))
		    && (p + n == last || !is_word((unsigned char) p[n])))
		{
			return true;
		}
	}

	return false;
}


/* A wrong guess costs time, never correctness: every tier can import all. */

struct tier *
tier_choose(struct runtime *rt, const char *code, size_t size)
{
	unsigned             i, k;
	const struct names  *when;

	for (i = rt->tiers; i-- > 1; ) {
		when = &rt->tier[i].config->when;

		for (k = 0; k < when->count; k++) {
			if (contains_word(code, size, when->name[k])) {
				return &rt->tier[i];
			}
		}
	}

	return &rt->tier[0];
}
