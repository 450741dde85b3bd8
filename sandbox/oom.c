/*
 * Copyright (C) The codeexec authors.
 *
 * With version 1 of control groups the kernel kills one process of a run that
 * is out of memory and lets the others go on without it; version 2 kills the
 * group (memory.oom.group).  A run that has lost a part is of no use, so we
 * are told by the kernel and kill the rest: one rule, whatever the version.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "codeexecd.h"


/* The notice comes before the kernel has killed, and counted, anything. */

static void
out_of_memory(evutil_socket_t fd, short what, void *data)
{
	uint64_t      n;
	struct slot  *slot = data;

	(void) what;

	if (read(fd, &n, sizeof(n)) == sizeof(n)
	    && slot->state == SLOT_RUNNING)
	{
		slot->cgroup.oom = true;
		slot_kill(slot);
	}
}


static int
subscribe(const char *dir, int fd)
{
	int   control, rc;
	char  text[32];

	control = cgroup_open_in(dir, O_RDONLY, "memory.oom_control");
	if (control < 0) {
		return -1;
	}

	(void) snprintf(text, sizeof(text), "%d %d", fd, control);
	rc = cgroup_write_in(dir, "cgroup.event_control", text);
	close_fd(&control);

	return rc;
}


void
oom_watch(struct slot *slot, unsigned number)
{
	int       fd;
	char      dir[PATH_MAX];
	unsigned  i;

	for (i = 0; i < n_hierarchies; i++) {
		if ((hierarchies[i].has & (HAS_MEMORY | IS_V2)) != HAS_MEMORY) {
			continue;
		}

		(void) snprintf(dir, sizeof(dir), "%s/slot-%u",
		    hierarchies[i].dir, number);

		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

		if (fd < 0 || subscribe(dir, fd) != 0) {
			log_warn("%s/cgroup.event_control: %s", dir,
			    strerror(errno));
			close_fd(&fd);
			continue;
		}

		slot->cgroup.notice = fd;
		(void) event_assign(&slot->out_of_memory, loop, fd,
		    EV_READ | EV_PERSIST, out_of_memory, slot);
		(void) event_add(&slot->out_of_memory, NULL);
	}
}
