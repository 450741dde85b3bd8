/*
 * Copyright (C) The codeexec authors.
 */

#ifndef CODEEXEC_AFTER_H
#define CODEEXEC_AFTER_H

int        after_init(void);

/* Function of the module: after(function, observer). */
PyObject  *after_make(PyObject *self, PyObject *args);

#endif /* CODEEXEC_AFTER_H */
