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
 * Seeds the generator that Math.random() of a new context is seeded from, and
 * so that of the main one, as long as nobody has called it.  0 or -1 with
 * errno.
 */
int engine_seed(void);

#endif /* CODEEXEC_NODE_ENGINE_H */
