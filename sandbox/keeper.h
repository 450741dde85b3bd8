/*
 * Copyright (C) The codeexec authors.
 *
 * The keeper: a second process that holds the run's memory.
 *
 * The kernel reports the end of a process only after it has torn down its
 * memory, and for an interpreter that takes longer than most programs run.
 * A process that shares the memory (CLONE_VM) leaves the teardown to the last
 * of the two, so the end of the run is known at once, and the memory goes
 * when the keeper, which dies with the run, has been torn down.
 *
 * The keeper has everything the run has: jail, uid, cgroups, limits.  User
 * code can write to its memory, so it is in seccomp's strict mode: it can
 * read() and write() a socket to itself, and exit.  If user code makes it end
 * or kills it, that run is answered later, as it would be without.
 */

#ifndef CODEEXEC_KEEPER_H
#define CODEEXEC_KEEPER_H

/*
 * Starts the keeper and returns 0 when it is in strict mode, or -1 with
 * errno.  It is no child that wait() returns.  To be called with all
 * but the seccomp policy in force.
 */
int keeper_start(void);

#endif /* CODEEXEC_KEEPER_H */
