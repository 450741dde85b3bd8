/*
 * Copyright (C) The codeexec authors.
 *
 * Where Python's objects are: it asks the kernel for a megabyte at a time,
 * which are then scattered between the libraries of its modules, where no huge
 * page has room.
 */

#ifndef CODEEXEC_PYTHON_ARENAS_H
#define CODEEXEC_PYTHON_ARENAS_H

/* From here on they are put side by side, */
void arenas_gather(void);

/*
 * and from here on they come from where they did before.  What is free among
 * objects that are here to stay is taken: a run would write to three pages for
 * each size of its objects, and so writes to one.
 */
void arenas_release(void);

#endif /* CODEEXEC_PYTHON_ARENAS_H */
