/*
 * Copyright (C) The codeexec authors.
 *
 * Runs that nobody knows.  A run is a child of codeexecd, which learns of it
 * from the zygote that forked it.  If the zygote dies in between, the run is
 * killed with its jail, but the jail ends only when the run is reaped; and
 * nobody waits for what nobody knows.
 */

#define _GNU_SOURCE

#include <sys/wait.h>

#include "codeexecd.h"

#define EVERY_MS  50

static struct event  timer;


static bool
is_known(pid_t pid)
{
	unsigned      i, k;
	struct slot  *slot;

	for (i = 0; i < config.runtimes; i++) {
		for (k = 0; k < config.slots; k++) {
			slot = &runtimes[i].slots[k];

			if (slot->run >= 0 && !slot->reaped
			    && process_pid(slot->run) == pid)
			{
				return true;
			}
		}
	}

	return false;
}


/* Whether a slot waits for its jail, and it may be that one. */

static bool
is_needed(void)
{
	unsigned      i, k;
	struct slot  *slot;

	for (i = 0; i < config.runtimes; i++) {
		for (k = 0; k < config.slots; k++) {
			slot = &runtimes[i].slots[k];

			if (slot->state == SLOT_DYING && slot->jail >= 0
			    && slot->run < 0)
			{
				return true;
			}
		}
	}

	return false;
}


/* The kernel shows one dead child at a time.  If that one is known, its own
 * event is under way, and the next one's turn is after it.  Builders, zygotes
 * and whatever is being buried may be reaped by anybody. */

static void
reap(evutil_socket_t fd, short what, void *data)
{
	siginfo_t       info;
	struct timeval  tv = { 0, EVERY_MS * 1000 };

	(void) fd;
	(void) what;
	(void) data;

	for ( ;; ) {
		info.si_pid = 0;

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0
		    || info.si_pid == 0 || is_known(info.si_pid))
		{
			break;
		}

		(void) waitid(P_PID, (id_t) info.si_pid, &info,
		    WEXITED | WNOHANG);
	}

	if (is_needed()) {
		(void) evtimer_add(&timer, &tv);
	}
}


void
strays_reap(void)
{
	struct timeval  tv = { 0, EVERY_MS * 1000 };

	if (!event_initialized(&timer)) {
		(void) evtimer_assign(&timer, loop, reap, NULL);
	}

	if (!evtimer_pending(&timer, NULL)) {
		(void) evtimer_add(&timer, &tv);
	}
}
