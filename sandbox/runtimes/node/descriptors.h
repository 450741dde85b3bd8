/*
 * Copyright (C) The codeexec authors.
 *
 * The descriptors that node has of itself: event loops (epoll), eventfds,
 * pipes to itself, /dev/null.  If runs inherited them, they would share them
 * with the zygote and with each other.
 *
 * So the zygote closes them, and each run makes new ones with the same
 * numbers, flags and content: nothing in node knows the difference.
 */

#ifndef CODEEXEC_NODE_DESCRIPTORS_H
#define CODEEXEC_NODE_DESCRIPTORS_H

#define DESCRIPTORS_MAX  64

/* Those above SPAWN_FILTER_FD that are there now: a list and its length. */
const int *descriptors_list(unsigned *n);

/*
 * Notes what they are and closes them.  Returns 0, or -1 when there is one of
 * another kind; it is left open, so that hygiene_inspect() names it.
 */
int descriptors_close(void);

/* Makes new ones; to be called when none of their numbers is in use.  Returns
 * 0, or -1 with errno. */
int descriptors_restore(void);

#endif /* CODEEXEC_NODE_DESCRIPTORS_H */
