/*
 * Copyright (C) The codeexec authors.
 *
 * Handing a job to a parked run: its text in sealed memory, and the fuse that
 * ends the jail even if this process no longer can.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "codeexecd.h"

#define FUSE_SECONDS  2


static void
close_all(int *fds, unsigned nfds)
{
	while (nfds-- > 0) {
		close_fd(&fds[nfds]);
	}
}


static int
put_memfd(const char *name, struct evbuffer *const *parts, unsigned n)
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


static uint64_t
total_ms(const struct job *job)
{
	return job->timeout_ms
	    + (job->language != NULL ? job->language->compile_ms : 0);
}


static void
add_command(struct job *job, const struct language *lang)
{
	struct evbuffer  *text = job->text[TEXT_COMMAND];

	if (job->version && lang->version != NULL) {
		(void) evbuffer_add(text, lang->version, lang->version_size);
	} else {
		(void) evbuffer_add(text, lang->command, lang->command_size);
	}

	(void) evbuffer_prepend(job->text[TEXT_ENV], lang->env,
	    lang->env_size);
}


static int
send_job(struct slot *slot, struct job *job)
{
	int               i, fds[2] = { -1, -1 }, rc;
	unsigned          nfds;
	struct language  *lang = job->language;
	struct spawn_job  message = {
		.serial = slot->serial,
		.cpu_seconds = cgroup_cpu_seconds(total_ms(job))
	};

	if (lang != NULL) {
		add_command(job, lang);
		message.compile_ms = (uint32_t) lang->compile_ms;
	}

	for (i = 0; i < TEXTS; i++) {
		message.size[i] = (uint32_t) evbuffer_get_length(job->text[i]);
	}

	rc = -1;
	nfds = evbuffer_get_length(job->input) > 0 ? 2 : 1;

	fds[0] = put_memfd("job", job->text, TEXTS);

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


bool
slot_is_alive(const struct slot *slot)
{
	struct pollfd  run = { .fd = slot->run, .events = POLLIN };

	return poll(&run, 1, 0) == 0;
}


/* Later than our own timer in any case. */

static int
light_fuse(const struct slot *slot, uint64_t ms)
{
	struct itimerspec  t = {
		.it_value.tv_sec = (time_t) (ms / 1000) + FUSE_SECONDS
	};

	return timerfd_settime(slot->fuse, 0, &t, NULL);
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

	if (job->language != NULL) {
		(void) event_assign(&slot->parked, loop, slot->control,
		    EV_READ | EV_PERSIST, slot_told, slot);
		(void) event_add(&slot->parked, NULL);
	}

	slot_state(slot, SLOT_RUNNING);
	slot->job = job;

	if (light_fuse(slot, total_ms(job)) != 0
	    || send_job(slot, job) != 0)
	{
		log_warn("can't hand over a job: %s", strerror(errno));
		slot->job = NULL;
		slot_kill(slot);
		return -1;
	}

	if (job->language == NULL) {
		close_fd(&slot->control);
	}

	return 0;
}


void
slot_told(evutil_socket_t fd, short what, void *data)
{
	ssize_t             n;
	unsigned            nfds = 0;
	struct job         *job;
	struct slot        *slot = data;
	struct spawn_reply  reply;

	(void) what;

	for ( ;; ) {
		n = spawn_recv(fd, &reply, sizeof(reply), NULL, &nfds, 0);

		if (n < 0 && errno == EAGAIN) {
			return;
		}

		if (n <= 0) {
			(void) event_del(&slot->parked);
			close_fd(&slot->control);
			return;
		}

		job = slot->job;

		if (job == NULL || reply.serial != slot->serial) {
			continue;
		}

		if (reply.error == COMMAND_BEGINS) {
			job_compiled(job);
		} else if (reply.error == COMMAND_SLOW) {
			job->timed_out = true;
		}
	}
}
