/*
 * Copyright (C) The codeexec authors.
 *
 * Slots: see the states in codeexecd.h.  Killing the init of a jail kills
 * everything in it, whatever the run has started, and the kernel lets the
 * init end only when all of it is gone; so "the jail is empty" is "the pidfd
 * of its init is readable", or sooner: "the slot's cgroup is empty".
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codeexecd.h"

#define TMPFS_SUPER_MAGIC  0x01021994

static void  slot_conclude(struct slot *slot);


uid_t
slot_uid(const struct slot *slot)
{
	return slot->runtime->uid + 1 + slot->index;
}


static void
close_event(int *fd, struct event *ev)
{
	if (*fd >= 0) {
		(void) event_del(ev);
		close_fd(fd);
	}
}


static void
slot_count(struct slot *slot, enum slot_state state)
{
	struct tier  *tier = slot->tier;
	bool          was, is;

	was = slot->state >= SLOT_BUILDING && slot->state <= SLOT_PARKED;
	is = state >= SLOT_BUILDING && state <= SLOT_PARKED;

	tier->ahead += (unsigned) is - (unsigned) was;
	tier->parked += (unsigned) (state == SLOT_PARKED)
	    - (unsigned) (slot->state == SLOT_PARKED);

	was = slot->state == SLOT_RUNNING || slot->state == SLOT_ENDED;
	is = state == SLOT_RUNNING || state == SLOT_ENDED;

	slot->runtime->running += (unsigned) is - (unsigned) was;
}


static void
slot_state(struct slot *slot, enum slot_state state)
{
	slot_count(slot, state);
	slot->state = state;
}


static void
slot_empty(struct slot *slot)
{
	slot_state(slot, SLOT_EMPTY);
	slot->tier = NULL;

	runtime_refill(slot->runtime);
	jobs_dispatch(slot->runtime);
}


void
slots_init(struct runtime *rt)
{
	unsigned      i;
	struct slot  *slot;

	rt->slots = xcalloc(config.slots, sizeof(struct slot));

	for (i = 0; i < config.slots; i++) {
		slot = &rt->slots[i];

		slot->runtime = rt;
		slot->index = i;
		slot->jail = slot->run = slot->keeper = -1;
		slot->home = slot->control = -1;
		slot->output[0] = slot->output[1] = -1;

		cgroup_open(&slot->cgroup,
		    (unsigned) (rt->number * config.slots + i));
	}
}


void
slot_prepare(struct slot *slot, struct tier *tier)
{
	slot->tier = tier;
	slot->serial++;
	slot->reaped = slot->locked = slot->signaled = false;

	slot_state(slot, SLOT_BUILDING);

	if (runtime_build(slot) != 0) {
		slot_state(slot, SLOT_EMPTY);
		runtime_pause(slot->runtime);
	}
}


/* Leaves only the init's pidfd open, which says when the jail is gone. */

static void
close_run(struct slot *slot)
{
	int  i;

	close_event(&slot->control, &slot->parked);
	close_event(&slot->run, &slot->run_exited);

	for (i = 0; i < 2; i++) {
		close_event(&slot->output[i], &slot->readable[i]);
	}

	close_fd(&slot->keeper);
	close_fd(&slot->home);
}


static void
slot_reap(struct slot *slot)
{
	siginfo_t  info;

	memset(&info, 0, sizeof(info));

	if (slot->run < 0 || slot->reaped
	    || syscall(SYS_waitid, P_PIDFD, slot->run, &info,
	               WEXITED | WNOHANG, &slot->usage) != 0
	    || info.si_pid == 0)
	{
		return;
	}

	slot->reaped = true;
	slot->signaled = info.si_code != CLD_EXITED;
	slot->status = info.si_status;

	(void) event_del(&slot->run_exited);
}


/* A slot is empty again when the init is dead and the run is reaped: only
 * then may another run have its uid, its cgroups and its network. */

static void
slot_bury(struct slot *slot)
{
	slot_reap(slot);

	if (slot->jail >= 0 || (slot->run >= 0 && !slot->reaped)) {
		return;
	}

	close_run(slot);
	slot_empty(slot);
}


void
slot_kill(struct slot *slot)
{
	if (slot->jail >= 0) {
		(void) syscall(SYS_pidfd_send_signal, slot->jail, SIGKILL,
		    NULL, 0);
	}

	if (slot->state == SLOT_BUILDING || slot->state == SLOT_FORKING
	    || slot->state == SLOT_PARKED)
	{
		slot_state(slot, SLOT_DYING);
		slot_bury(slot);
	}
}


/* It could not be made: the next one is not tried at once. */

static void
slot_fail(struct slot *slot)
{
	runtime_pause(slot->runtime);
	slot_kill(slot);
}


void
slot_lost(struct slot *slot)
{
	if (slot->state == SLOT_EMPTY) {
		return;
	}

	if (slot->job != NULL) {
		job_lost(slot->job);
		slot->job = NULL;
	}

	slot_state(slot, SLOT_DYING);
	slot_bury(slot);
}


static void
jail_exited(evutil_socket_t fd, short what, void *data)
{
	struct slot  *slot = data;

	(void) fd;
	(void) what;

	close_fd(&slot->jail);

	switch (slot->state) {

	case SLOT_RUNNING:
	case SLOT_ENDED:
		slot_reap(slot);

		if (slot->reaped) {
			slot_conclude(slot);
		}

		break;

	case SLOT_DYING:
		slot_bury(slot);
		break;

	default:
		slot_kill(slot);
	}
}


/* The answer need not wait for the teardown of the jail when nothing is left
 * in it that could write: the init and the keeper can't. */

static bool
is_alone(struct slot *slot)
{
	struct pollfd  keeper = { .fd = slot->keeper, .events = POLLIN };

	return slot->jail < 0
	    || cgroup_count(&slot->cgroup)
	        == (slot->keeper >= 0 && poll(&keeper, 1, 0) == 0);
}


static void
run_exited(evutil_socket_t fd, short what, void *data)
{
	struct slot  *slot = data;

	(void) fd;
	(void) what;

	slot_reap(slot);

	if (!slot->reaped) {
		return;
	}

	if (slot->state == SLOT_RUNNING) {
		slot_state(slot, SLOT_ENDED);

		if (is_alone(slot)) {
			slot_conclude(slot);
			return;
		}

		slot_kill(slot);
		return;
	}

	if (slot->state == SLOT_DYING) {
		slot_bury(slot);
		return;
	}

	log_warn("a parked run of \"%s\" died by itself (%s %d)",
	    slot->tier->config->name,
	    slot->signaled ? "signal" : "exit code", slot->status);

	slot_fail(slot);
}


/* Returns whether there may be more. */

static bool
read_output(struct slot *slot, int i)
{
	ssize_t          n;
	size_t           room;
	struct job      *job = slot->job;
	static char      buffer[65536];

	/* One buffer in a turn, so that one run can't keep the loop. */

	n = read(slot->output[i], buffer, sizeof(buffer));

	if (n < 0 && errno == EAGAIN) {
		return false;
	}

	if (n <= 0) {
		close_event(&slot->output[i], &slot->readable[i]);
		return false;
	}

	if (job == NULL) {
		return true;
	}

	room = config.limits.output - evbuffer_get_length(job->output[i]);

	if ((size_t) n > room) {
		job->truncated = true;
		n = (ssize_t) room;
	}

	(void) evbuffer_add(job->output[i], buffer, (size_t) n);

	return true;
}


static void
output_readable(evutil_socket_t fd, short what, void *data)
{
	struct slot  *slot = data;

	(void) what;

	(void) read_output(slot, fd == slot->output[1]);
}


/* Every writer is dead, so that a pipe holds little and gets no more. */

static void
drain_output(struct slot *slot)
{
	int  i;

	for (i = 0; i < 2; i++) {
		while (slot->output[i] >= 0 && read_output(slot, i)) {
			/* void */
		}
	}
}


static void
slot_conclude(struct slot *slot)
{
	struct job  *job = slot->job;

	drain_output(slot);

	if (job != NULL) {
		slot->job = NULL;
		job->slot = slot;
		job_finish(job);
	}

	if (slot->jail >= 0) {
		(void) syscall(SYS_pidfd_send_signal, slot->jail, SIGKILL,
		    NULL, 0);
	}

	slot_state(slot, SLOT_DYING);
	slot_bury(slot);
}


static pid_t
run_pid(struct slot *slot)
{
	int          pid;
	char         path[64], text[512];
	const char  *p;

	(void) snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", slot->run);

	return read_file(path, text, sizeof(text)) > 0
	    && (p = strstr(text, "\nPid:")) != NULL
	    && sscanf(p, "\nPid: %d", &pid) == 1 ? (pid_t) pid : -1;
}


static bool
is_locked(struct slot *slot, pid_t pid, const char *seccomp)
{
	int          uid;
	char         path[64], text[4096];
	const char  *p;

	(void) snprintf(path, sizeof(path), "/proc/%d/status", (int) pid);

	return read_file(path, text, sizeof(text)) > 0
	    && (p = strstr(text, "\nUid:")) != NULL
	    && sscanf(p, "\nUid: %d", &uid) == 1
	    && (uid_t) uid == slot_uid(slot)
	    && strstr(text, "\nCapPrm:\t0000000000000000\n") != NULL
	    && strstr(text, "\nCapEff:\t0000000000000000\n") != NULL
	    && strstr(text, "\nCapBnd:\t0000000000000000\n") != NULL
	    && strstr(text, "\nNoNewPrivs:\t1\n") != NULL
	    && strstr(text, "\nThreads:\t1\n") != NULL
	    && strstr(text, seccomp) != NULL;
}


/*
 * What the run says of itself is not enough.  In its cgroup there must be the
 * run under the policy and its keeper in strict mode, and nobody else.
 */

static bool
is_locked_down(struct slot *slot)
{
	pid_t     run, keeper, pids[2];
	unsigned  n;

	run = run_pid(slot);

	n = cgroup_members(&slot->cgroup, pids, 2);

	if (n != 0) {
		if (n != 2 || (pids[0] != run && pids[1] != run)) {
			return false;
		}

		keeper = pids[0] == run ? pids[1] : pids[0];
		slot->keeper = (int) syscall(SYS_pidfd_open, keeper, 0);

		if (!is_locked(slot, keeper, "\nSeccomp:\t1\n")) {
			return false;
		}
	}

	return is_locked(slot, run, "\nSeccomp:\t2\n");
}


static void
slot_park(struct slot *slot)
{
	if (slot->state != SLOT_FORKING || !slot->locked || slot->run < 0) {
		return;
	}

	if (!is_locked_down(slot)) {
		log_warn("a run of \"%s\" is not locked down, it is discarded",
		    slot->tier->config->name);
		slot_fail(slot);
		return;
	}

	slot_state(slot, SLOT_PARKED);
	jobs_dispatch(slot->runtime);
	runtime_refill(slot->runtime);
}


static void
run_parked(evutil_socket_t fd, short what, void *data)
{
	unsigned            nfds = 0;
	struct slot        *slot = data;
	struct spawn_reply  reply = { .step = "it died" };

	(void) what;

	if (spawn_recv(fd, &reply, sizeof(reply), NULL, &nfds, 0) <= 0
	    || reply.error != 0 || reply.serial != slot->serial)
	{
		log_warn("a run of \"%s\" can't be locked down: %.28s: %s",
		    slot->tier->config->name, reply.step,
		    strerror(reply.error));
		slot_fail(slot);
		return;
	}

	slot->locked = true;
	slot_park(slot);
}


/* The run must be able to open /dev/stdout, and so to own it. */

static int
make_pipe(struct slot *slot, int i, int *end)
{
	int  fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0) {
		return -1;
	}

	slot->output[i] = fds[0];
	*end = fds[1];

	(void) event_assign(&slot->readable[i], loop, fds[0],
	    EV_READ | EV_PERSIST, output_readable, slot);

	return fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0
	    && fchown(fds[1], slot_uid(slot), slot_uid(slot)) == 0 ? 0 : -1;
}


static int
slot_fork(struct slot *slot)
{
	int       fds[SPAWN_FDS_MAX], sockets[2] = { -1, -1 }, rc;
	unsigned  i;

	fds[FORK_JAIL] = slot->jail;
	fds[FORK_CONTROL] = fds[FORK_STDOUT] = fds[FORK_STDERR] = -1;

	rc = -1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) == 0
	    && make_pipe(slot, 0, &fds[FORK_STDOUT]) == 0
	    && make_pipe(slot, 1, &fds[FORK_STDERR]) == 0)
	{
		fds[FORK_CONTROL] = sockets[1];

		for (i = 0; i < slot->cgroup.count; i++) {
			fds[FORK_CGROUPS + i] = slot->cgroup.procs[i];
		}

		rc = runtime_fork(slot, fds, FORK_CGROUPS + i);
	}

	slot->control = sockets[0];
	close_fd(&sockets[1]);
	close_fd(&fds[FORK_STDOUT]);
	close_fd(&fds[FORK_STDERR]);

	if (slot->control >= 0) {
		(void) fcntl(slot->control, F_SETFL, O_NONBLOCK);
		(void) event_assign(&slot->parked, loop, slot->control,
		    EV_READ, run_parked, slot);
		(void) event_add(&slot->parked, NULL);
	}

	return rc;
}


/* The answer to a question that nobody asks any more: a process comes with
 * it, and maybe a descriptor of something else. */

static void
bury_all(int *fds, unsigned nfds)
{
	if (nfds > 0) {
		process_bury(fds[0]);
	}

	if (nfds > 1) {
		(void) close(fds[1]);
	}
}


static void
close_all(int *fds, unsigned nfds)
{
	while (nfds-- > 0) {
		close_fd(&fds[nfds]);
	}
}


void
slot_built(struct slot *slot, const struct spawn_reply *reply, int *fds,
    unsigned nfds)
{
	struct statfs  fs;

	if (slot->state != SLOT_BUILDING || reply->serial != slot->serial) {
		bury_all(fds, nfds);
		return;
	}

	if (reply->error != 0 || nfds != 2 || fstatfs(fds[1], &fs) != 0
	    || fs.f_type != TMPFS_SUPER_MAGIC)
	{
		log_warn("can't build a jail: %.28s: %s", reply->step,
		    strerror(reply->error));
		bury_all(fds, nfds);
		slot_fail(slot);
		return;
	}

	slot->jail = fds[0];
	slot->home = fds[1];

	(void) event_assign(&slot->jail_exited, loop, slot->jail, EV_READ,
	    jail_exited, slot);
	(void) event_add(&slot->jail_exited, NULL);

	slot_state(slot, SLOT_FORKING);

	if (slot_fork(slot) != 0) {
		slot_fail(slot);
	}
}


void
slot_forked(struct slot *slot, const struct spawn_reply *reply, int *fds,
    unsigned nfds)
{
	if (slot->state != SLOT_FORKING || reply->serial != slot->serial
	    || reply->error != 0 || nfds != 1)
	{
		if (reply->error != 0) {
			log_warn("can't fork a run: %s",
			    strerror(reply->error));
		}

		bury_all(fds, nfds);

		if (slot->state == SLOT_FORKING
		    && reply->serial == slot->serial)
		{
			slot_fail(slot);
		}

		return;
	}

	slot->run = fds[0];

	(void) event_assign(&slot->run_exited, loop, slot->run, EV_READ,
	    run_exited, slot);
	(void) event_add(&slot->run_exited, NULL);

	slot_park(slot);
}


static int
put_memfd(const char *name, struct evbuffer **parts, unsigned n)
{
	int       fd;
	size_t    left;
	unsigned  i;

	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		return -1;
	}

	for (i = 0; i < n; i++) {
		while ((left = evbuffer_get_length(parts[i])) > 0) {
			if (evbuffer_write_atmost(parts[i], fd,
			                          (ev_ssize_t) left) <= 0)
			{
				close_fd(&fd);
				return -1;
			}
		}
	}

	if (lseek(fd, 0, SEEK_SET) != 0
	    || fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW
	             | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
	{
		close_fd(&fd);
	}

	return fd;
}


static int
send_job(struct slot *slot, struct job *job)
{
	int               fds[2] = { -1, -1 }, rc;
	unsigned          nfds;
	struct evbuffer  *parts[3] = { job->code, job->vars, job->args };
	struct spawn_job  message = {
		.serial = slot->serial,
		.code_size = (uint32_t) evbuffer_get_length(job->code),
		.vars_size = (uint32_t) evbuffer_get_length(job->vars),
		.args_size = (uint32_t) evbuffer_get_length(job->args)
	};

	rc = -1;
	nfds = evbuffer_get_length(job->input) > 0 ? 2 : 1;

	fds[0] = put_memfd("job", parts, 3);

	if (nfds == 2) {
		fds[1] = put_memfd("stdin", &job->input, 1);
	}

	if (fds[0] >= 0 && (nfds == 1 || fds[1] >= 0)) {
		rc = spawn_send(slot->control, &message, sizeof(message), fds,
		    nfds);
	}

	close_all(fds, 2);

	return rc;
}


int
slot_run(struct slot *slot, struct job *job)
{
	int  i;

	cgroup_begin(&slot->cgroup);

	for (i = 0; i < 2; i++) {
		(void) event_add(&slot->readable[i], NULL);
	}

	(void) event_del(&slot->parked);

	slot_state(slot, SLOT_RUNNING);
	slot->job = job;

	if (send_job(slot, job) != 0) {
		log_warn("can't hand over a job: %s", strerror(errno));
		slot->job = NULL;
		slot_kill(slot);
		return -1;
	}

	close_fd(&slot->control);

	return 0;
}
