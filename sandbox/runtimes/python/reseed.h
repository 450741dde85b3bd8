/*
 * Copyright (C) The codeexec authors.
 *
 * The generator behind numpy.random.rand() and its like, which knows nothing of
 * forks.  Its own seed() touches four hundred pages of a run.
 */

#ifndef CODEEXEC_PYTHON_RESEED_H
#define CODEEXEC_PYTHON_RESEED_H

#include <Python.h>

/* reseed_at_fork(capsule, key, position): whether runs will find other random
 * numbers there, since what is there is what it should be. */
PyObject *reseed_at_fork(PyObject *self, PyObject *args);

/* In a run; without random numbers there is none. */
void reseed(void);

#endif /* CODEEXEC_PYTHON_RESEED_H */
