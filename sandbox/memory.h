/*
 * Copyright (C) The codeexec authors.
 *
 * What a fork costs is not the bytes of a process, but its mappings and the
 * entries of its page tables, each of which is copied, and taken down again
 * when the run ends.
 */

#ifndef CODEEXEC_MEMORY_H
#define CODEEXEC_MEMORY_H

/*
 * Makes this process cheaper to fork: with fewer mappings, and with its heap
 * on huge pages.  Changes neither an address nor a byte of it.  What the kernel
 * does not do stays as it is.
 */
void memory_settle(void);

#endif /* CODEEXEC_MEMORY_H */
