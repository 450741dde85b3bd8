/*
 * Copyright (C) The codeexec authors.
 *
 * The run's side of the wall: what a process forked from a zygote does to
 * itself before it may see a byte of user code.  Native code only, in every
 * runtime the same.
 */

#ifndef CODEEXEC_LOCKDOWN_H
#define CODEEXEC_LOCKDOWN_H

#include <linux/filter.h>

#include "spawn.h"

/*
 * Enters the jail and locks the process down: cgroups, namespaces, standard
 * descriptors, uid, capabilities, limits, keeper, Landlock, seccomp, in this
 * order.
 * Closes every descriptor but 0, 1, 2 and SPAWN_CONTROL_FD.
 *
 * When a step fails, codeexecd has been told which, and the process has
 * exited.
 */
void lockdown_enter(const struct spawn_fork *request, const int *fds,
    unsigned nfds, const struct sock_fprog *filter);

/*
 * Tells codeexecd that the run is parked, and blocks until the job comes;
 * exits when codeexecd goes away instead.  Puts the job's standard input at 0
 * and returns the descriptor of the job's text, which is the caller's.
 *
 * SPAWN_CONTROL_FD is open still; the caller closes it before there is any
 * user code.
 */
int lockdown_wait(const struct spawn_fork *request, struct spawn_job *job);

#endif /* CODEEXEC_LOCKDOWN_H */
