/*
 * Copyright (C) The codeexec authors.
 *
 * The seccomp policy of a run.
 */

#ifndef CODEEXEC_FILTER_H
#define CODEEXEC_FILTER_H

/*
 * Compiles the policy and returns a sealed memfd that holds it as an array of
 * struct sock_filter, or -1 with a message on stderr.  The caller owns it.
 */
int filter_compile(void);

#endif /* CODEEXEC_FILTER_H */
