/*
 * Copyright (C) The codeexec authors.
 *
 * What a process that forks runs may have, because every run inherits it: one
 * thread, no children, /dev/null as its input, the log as its output, a
 * SOCK_SEQPACKET socket to codeexecd, no other descriptor, and no shared
 * memory that can be written to.
 */

#ifndef CODEEXEC_HYGIENE_H
#define CODEEXEC_HYGIENE_H

/*
 * Looks at everything.  more are n descriptors that may be open, too.
 * Returns NULL, or what is wrong, to be put after a name: text that is valid
 * until the next call.  The first call notes what 0 to 3 are; they must be the
 * same ever after.  It takes some milliseconds.
 */
const char *hygiene_inspect(const int *more, unsigned n);

/*
 * The same before each fork, after one inspection: counts threads, children
 * and descriptors, and inspects when there is one more or less, when the size
 * of the memory has changed, and in any case after some hundred times.
 */
const char *hygiene_glance(const int *more, unsigned n);

/* Says so in the log, in one line, and exits with SPAWN_UNFIT. */
__attribute__((noreturn))
void hygiene_refuse(const char *who, const char *why);

#endif /* CODEEXEC_HYGIENE_H */
