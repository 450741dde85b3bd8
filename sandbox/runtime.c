/*
 * Copyright (C) The codeexec authors.
 *
 * Builders and zygotes: starting them, talking to them, starting them again.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codeexecd.h"

/*
 * A run is process 2 of its jail.  A zygote with a small pid too would be
 * mistaken for its own child by libraries that detect a fork by getpid().
 */
#define ZYGOTE_PID     300

struct runtime  runtimes[RUNTIMES_MAX];

static bool  ready_said;

static void  builder_start(struct runtime *rt);
static void  runtime_resume(evutil_socket_t fd, short what, void *data);
static void  zygote_start(struct tier *tier);


/* The pen's uid 0 is rt->uid on the host; the slots' uids follow it. */

static int
write_maps(struct runtime *rt)
{
	int          fd, i;
	char         path[64], map[64];
	ssize_t      n;
	const char  *names[] = { "uid_map", "gid_map" };

	for (i = 0; i < 2; i++) {
		(void) snprintf(path, sizeof(path), "/proc/%d/%s",
		    (int) rt->pid, names[i]);
		n = snprintf(map, sizeof(map), "0 %u %llu\n", rt->uid,
		    (unsigned long long) config.slots + 1);

		fd = open(path, O_WRONLY | O_CLOEXEC);

		if (fd < 0 || write(fd, map, (size_t) n) != n) {
			log_warn("%s: %s", path, strerror(errno));
			close_fd(&fd);
			return -1;
		}

		(void) close(fd);
	}

	return 0;
}


/* Everything in the pen died with its builder. */

static void
builder_down(struct runtime *rt)
{
	unsigned  i;

	process_close(&rt->builder);

	for (i = 0; i < rt->tiers; i++) {
		process_close(&rt->tier[i].zygote);
		(void) evtimer_del(&rt->tier[i].zygote.restart);
		rt->tier[i].warm = false;
	}

	rt->state = RUNTIME_DOWN;

	for (i = 0; i < config.slots; i++) {
		slot_lost(&rt->slots[i]);
	}

	if (!stopping) {
		process_retry(&rt->builder);
	}
}


static void
builder_exited(evutil_socket_t fd, short what, void *data)
{
	struct runtime  *rt = data;

	(void) fd;
	(void) what;

	log_warn("the builder of \"%s\" is gone", rt->config->name);
	builder_down(rt);
}


static void
builder_entered(struct runtime *rt, struct spawn_reply *reply)
{
	unsigned  i;

	if (write_maps(rt) != 0
	    || spawn_send(rt->builder.control, reply, sizeof(*reply), NULL, 0)
	        != 0)
	{
		builder_down(rt);
		return;
	}

	rt->state = RUNTIME_UP;

	for (i = 0; i < rt->tiers; i++) {
		zygote_start(&rt->tier[i]);
	}
}


static void
builder_message(evutil_socket_t fd, short what, void *data)
{
	int                 fds[2];
	ssize_t             n;
	unsigned            nfds;
	struct runtime     *rt = data;
	struct spawn_reply  reply;

	(void) what;

	for ( ;; ) {
		nfds = 2;
		n = spawn_recv(fd, &reply, sizeof(reply), fds, &nfds, 0);

		if (n < 0 && errno == EAGAIN) {
			return;
		}

		if (n <= 0) {
			log_warn("the builder of \"%s\" closed its socket",
			    rt->config->name);
			builder_down(rt);
			return;
		}

		if (rt->state == RUNTIME_ENTERING) {
			builder_entered(rt, &reply);
			return;
		}

		if (reply.slot < config.slots) {
			slot_built(&rt->slots[reply.slot], &reply, fds, nfds);
		}
	}
}


static void
builder_exec(struct runtime *rt)
{
	char   path[512], library[512], slots[16];
	char  *argv[] = { path, config.rootfs, library, slots, NULL };
	char  *envp[] = { NULL };

	(void) snprintf(path, sizeof(path), "%s/codeexec-builder",
	    config.library);
	(void) snprintf(library, sizeof(library), "%s/%s", config.library,
	    rt->config->name);
	(void) snprintf(slots, sizeof(slots), "%llu",
	    (unsigned long long) config.slots);

	(void) close(SPAWN_FILTER_FD);
	(void) execve(path, argv, envp);

	fatal("execve(\"%s\")", path);
}


static void
builder_start(struct runtime *rt)
{
	struct clone_args  args = { .flags = CLONE_NEWPID };

	rt->pid = process_fork(&rt->builder, &args, -1);

	if (rt->pid == 0) {
		builder_exec(rt);
	}

	if (rt->pid < 0) {
		log_warn("can't start the builder of \"%s\": %s",
		    rt->config->name, strerror(errno));
		process_retry(&rt->builder);
		return;
	}

	rt->state = RUNTIME_ENTERING;
	process_watch(&rt->builder, builder_exited, builder_message, rt);
}


static void
builder_restart(evutil_socket_t fd, short what, void *data)
{
	(void) fd;
	(void) what;

	builder_start(data);
}


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
		(char *) "TZ=UTC",
		NULL, NULL, NULL
	};
	unsigned  i;

	if (tier->config->huge_pages) {
		envp[4] = (char *) "PYTHONMALLOC=malloc";
		envp[5] = (char *) "GLIBC_TUNABLES=glibc.malloc.hugetlb=1"
		    ":glibc.malloc.mmap_threshold=1073741824";
	}

	a = argv;
	*a++ = tier->runtime->config->interpreter;
	*a++ = (char *) "-I";
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


static void
zygote_start(struct tier *tier)
{
	pid_t              pid, wanted = ZYGOTE_PID + (pid_t) tier->number;
	struct clone_args  args = {
		.set_tid = (uintptr_t) &wanted,
		.set_tid_size = 1
	};

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


static void
zygote_restart(evutil_socket_t fd, short what, void *data)
{
	struct tier  *tier = data;

	(void) fd;
	(void) what;

	if (tier->runtime->state == RUNTIME_UP) {
		zygote_start(tier);
	}
}


static void
runtime_init(struct runtime *rt, unsigned number)
{
	unsigned      i;
	struct tier  *tier;

	rt->config = &config.runtime[number];
	rt->tiers = rt->config->tiers;
	rt->number = number;
	rt->uid = (uint32_t) (config.uids + number * (config.slots + 1));

	process_init(&rt->builder, builder_restart, rt);
	(void) evtimer_assign(&rt->resume, loop, runtime_resume, rt);

	for (i = 0; i < rt->tiers; i++) {
		tier = &rt->tier[i];

		tier->runtime = rt;
		tier->config = &rt->config->tier[i];
		tier->number = i;

		TAILQ_INIT(&tier->queue);
		process_init(&tier->zygote, zygote_restart, tier);
	}

	slots_init(rt);
	builder_start(rt);
}


void
runtimes_start(void)
{
	unsigned  i;

	for (i = 0; i < config.runtimes; i++) {
		runtime_init(&runtimes[i], i);
	}
}


/* The pens die with their builders; their cgroups can be removed then. */

void
runtimes_stop(void)
{
	unsigned  i, k;

	for (i = 0; i < config.runtimes; i++) {
		for (k = 0; k < runtimes[i].tiers; k++) {
			process_close(&runtimes[i].tier[k].zygote);
		}

		process_close(&runtimes[i].builder);
	}

	process_reap_all();
}


struct runtime *
runtime_find(const char *language)
{
	unsigned  i;

	for (i = 0; i < config.runtimes; i++) {
		if (strcmp(runtimes[i].config->name, language) == 0) {
			return &runtimes[i];
		}
	}

	return NULL;
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
runtime_choose(struct runtime *rt, const char *code, size_t size)
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


static struct slot *
free_slot(struct runtime *rt)
{
	unsigned  i;

	for (i = 0; i < config.slots; i++) {
		if (rt->slots[i].state == SLOT_EMPTY) {
			return &rt->slots[i];
		}
	}

	return NULL;
}


static void
say_ready(void)
{
	unsigned  i, k;

	for (i = 0; i < config.runtimes && !ready_said; i++) {
		for (k = 0; k < runtimes[i].tiers; k++) {
			if (runtimes[i].tier[k].parked == 0) {
				return;
			}
		}
	}

	if (!ready_said) {
		ready_said = true;
		log_info("ready");
	}
}


void
runtime_refill(struct runtime *rt)
{
	unsigned      i;
	struct slot  *slot;
	struct tier  *tier;

	if (stopping || rt->paused || rt->state != RUNTIME_UP) {
		return;
	}

	for (i = 0; i < rt->tiers; i++) {
		tier = &rt->tier[i];

		while (tier->warm
		       && tier->ahead < tier->config->spare + tier->queued)
		{
			slot = free_slot(rt);
			if (slot == NULL) {
				return;
			}

			slot_prepare(slot, tier);

			if (rt->paused) {
				return;
			}
		}
	}

	say_ready();
}


static void
runtime_resume(evutil_socket_t fd, short what, void *data)
{
	struct runtime  *rt = data;

	(void) fd;
	(void) what;

	rt->paused = false;
	runtime_refill(rt);
}


void
runtime_pause(struct runtime *rt)
{
	struct timeval  tv;

	if (rt->paused) {
		return;
	}

	backoff(rt->pauses++, &tv);
	rt->paused = true;
	(void) evtimer_add(&rt->resume, &tv);
}


int
runtime_build(struct slot *slot)
{
	struct runtime      *rt = slot->runtime;
	struct spawn_build   request = {
		.slot = slot->index,
		.serial = slot->serial,
		.disk = config.limits.disk,
		.inodes = (uint32_t) config.limits.inodes
	};

	if (spawn_send(rt->builder.control, &request, sizeof(request), NULL, 0)
	    == 0)
	{
		return 0;
	}

	log_warn("can't reach the builder of \"%s\": %s", rt->config->name,
	    strerror(errno));

	return -1;
}


int
runtime_fork(struct slot *slot, const int *fds, unsigned nfds)
{
	struct tier        *tier = slot->tier;
	struct limits      *l = &config.limits;
	struct spawn_fork   request = {
		.slot = slot->index,
		.serial = slot->serial,
		.file_size = l->disk,
		.data_size = cgroup_has_memory() ? 0 : l->memory,
		.open_files = (uint32_t) l->open_files,
		.processes = (uint32_t) l->processes + 1,  /* the keeper */
		.cpu_seconds = (uint32_t) (l->max_wall_ms / 1000 + 1)
	};

	if (!tier->warm) {
		return -1;
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
