/*
 * Copyright (C) The codeexec authors.
 *
 * codeexecd without root.
 *
 * An ordinary user may make a user namespace and be root in it.  codeexecd
 * enters one as soon as it has its sockets, and goes on there as root on the
 * machine would: it owns every namespace below, so it can make jails, look
 * into them and kill them.  What it can't get by itself is more than one uid:
 *
 *   inside            with a range in /etc/subuid       without
 *                     and /etc/subgid, newuidmap
 *                     and newgidmap
 *   0                 the user                          the user
 *   uids, uids + 1 …  of the range                      --
 *
 * Without a range the runs share the user's own uid ("shared_uid"), and the
 * layer "uids" is missing.
 */

#ifndef CODEEXEC_ROOTLESS_H
#define CODEEXEC_ROOTLESS_H

#include <stdbool.h>
#include <sys/types.h>

extern bool  rootless;
extern bool  shared_uid;

/* Why there is no range of uids, when shared_uid is true. */
extern char  shared_uid_why[];

/*
 * Enters the user namespace, if codeexecd is not root.  Needs config, and
 * that there is one thread; everything in which an id of the machine stands
 * (sockets, their owners) comes before.  Exits if that can't be done.
 */
void   rootless_enter(void);

/* What a uid that the kernel has told is called outside; (uid_t) -1 if it is
 * not known, as inside all but the user's own look the same. */
uid_t  rootless_outside(uid_t uid);

#endif /* CODEEXEC_ROOTLESS_H */
