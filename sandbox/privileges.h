/*
 * Copyright (C) The codeexec authors.
 */

#ifndef CODEEXEC_PRIVILEGES_H
#define CODEEXEC_PRIVILEGES_H

/*
 * Gives up every capability for good: bounding, ambient, effective,
 * permitted and inheritable sets are emptied and no_new_privs is set.
 * Returns 0, or -1 with errno: the caller must not go on then.
 */
int privileges_drop(void);

/*
 * The same for a process that untrusted ones of its uid must not look into:
 * one capability stays permitted that gives no power here and is never in
 * force.  For who has none the kernel then refuses ptrace() and all that asks
 * for the same right, /proc/PID/exe and /proc/PID/mem among it.
 */
int privileges_shield(void);

/*
 * Gives up every system call but read(), write(), exit() and rt_sigreturn():
 * seccomp's strict mode, or a filter that says the same where filters of a
 * container or a service manager are in force, beside which there is no
 * strict mode.  No memory is allocated.  To be called after
 * privileges_drop().  Returns 0, or -1 with errno.
 */
int privileges_strict(void);

#endif /* CODEEXEC_PRIVILEGES_H */
