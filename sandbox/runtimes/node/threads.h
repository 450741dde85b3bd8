/*
 * Copyright (C) The codeexec authors.
 *
 * The threads that node has of itself: one or more for V8's tasks, one for
 * those with a delay, one that waits for the debugger's signal.  A zygote must
 * have none but its main thread, and a run would not inherit them, while
 * queues and condition variables still count on them.
 *
 * So they are frozen, which ends them where they wait and keeps what they were
 * doing, and thawed in the run: another thread goes on in each one's stead.
 */

#ifndef CODEEXEC_NODE_THREADS_H
#define CODEEXEC_NODE_THREADS_H

/*
 * Ends all threads but the caller's, when all of them wait for something.
 * Returns 0, or -1 with errno: there are too many, or one never waits.
 */
int threads_freeze(void);

/* They go on, in the calling process; 0 or -1 with errno. */
int threads_thaw(void);

#endif /* CODEEXEC_NODE_THREADS_H */
