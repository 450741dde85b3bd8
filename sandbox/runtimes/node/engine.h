/*
 * Copyright (C) The codeexec authors.
 *
 * What V8 has against being forked.
 */

#ifndef CODEEXEC_NODE_ENGINE_H
#define CODEEXEC_NODE_ENGINE_H

/* It asks the kernel not to give its heap to children, where node's own ones
 * only call exec().  Takes that back; 0 or -1 with errno. */
int engine_share_heap(void);

/*
 * Moves node's code to huge pages, so that a run does not have to find each of
 * its small ones again: a fork leaves out what is mapped from files.  Does
 * nothing where there are no huge pages; 0 or -1 with errno.
 */
int engine_huge_text(void);

/*
 * Seeds the generator that Math.random() of a new context is seeded from, and
 * so that of the main one, as long as nobody has called it.  0 or -1 with
 * errno.
 */
int engine_seed(void);

#endif /* CODEEXEC_NODE_ENGINE_H */
