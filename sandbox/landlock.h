/*
 * Copyright (C) The codeexec authors.
 *
 * Landlock, where the kernel has it: the same walls once more, by another
 * mechanism.  Nothing relies on it.
 */

#ifndef CODEEXEC_LANDLOCK_H
#define CODEEXEC_LANDLOCK_H

/* The first ABI in which a program may still rename from one directory to
 * another one; runs are not restricted by an older one. */
#define LANDLOCK_ABI_MIN  2

/* The version of the kernel's ABI, or -1 with errno where there is none. */
int landlock_abi(void);

/*
 * With that version of the ABI, restricts the calling thread and what it will
 * start: no write outside of /home and the nodes of /dev, no TCP, no signal to
 * a process and no connection to an abstract socket of anybody else, as far as
 * the ABI goes.  It must have set no_new_privs.  Returns 0, also where abi is
 * too old or -1, or -1 with errno.
 */
int landlock_confine(int abi);

#endif /* CODEEXEC_LANDLOCK_H */
