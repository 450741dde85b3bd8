/*
 * Copyright (C) The codeexec authors.
 *
 * The fork server of every runtime: a warm interpreter calls zygote_serve()
 * once, which returns only in the runs it forks.
 *
 * A zygote never receives a byte of user code, and has nothing that one run
 * could leave to the next: hygiene.h.
 */

#ifndef CODEEXEC_ZYGOTE_H
#define CODEEXEC_ZYGOTE_H

#include "spawn.h"

struct zygote_hooks {
	void  (*before_fork)(void);
	void  (*after_fork_parent)(void);
	void  (*after_fork_child)(void);
	const char  *version;        /* of the interpreter, 27 characters */
	const char  *packages;       /* JSON object: packages.c; or NULL */
};

/*
 * Tells codeexecd that the zygote is warm, then forks at its request until
 * it goes away (the process exits then).  Returns in each run, locked down
 * but not yet parked: request is what lockdown_wait() wants, after whatever
 * the runtime likes to do ahead of the job.
 *
 * When the process is not fit to fork, at first or later, it says so and exits
 * with SPAWN_UNFIT.
 */
void zygote_serve(const struct zygote_hooks *hooks,
    struct spawn_fork *request);

#endif /* CODEEXEC_ZYGOTE_H */
