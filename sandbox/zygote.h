/*
 * Copyright (C) The codeexec authors.
 *
 * The fork server of every runtime: a warm interpreter calls zygote_serve()
 * once, which returns only in the runs it forks.
 *
 * A zygote never receives a byte of user code.  It has one thread, the
 * descriptors 0 to 3 and no shared writable memory; zygote_serve() refuses to
 * start otherwise, because fork() would hand all of that to every run.
 */

#ifndef CODEEXEC_ZYGOTE_H
#define CODEEXEC_ZYGOTE_H

#include "spawn.h"

struct zygote_hooks {
	void  (*before_fork)(void);
	void  (*after_fork_parent)(void);
	void  (*after_fork_child)(void);
};

/*
 * Tells codeexecd that the zygote is warm, then forks at its request until
 * it goes away (the process exits then).  Returns 0 in each run, locked down
 * but not yet parked: request is what lockdown_wait() wants, after whatever
 * the runtime likes to do ahead of the job.
 *
 * Returns -1 with a message in error when the process is not fit to fork.
 */
int zygote_serve(const struct zygote_hooks *hooks, struct spawn_fork *request,
    char *error, size_t size);

#endif /* CODEEXEC_ZYGOTE_H */
