/*
 * Copyright (C) The codeexec authors.
 */

#ifndef CODEEXEC_PRIVILEGES_H
#define CODEEXEC_PRIVILEGES_H

/*
 * Gives up every capability for good: bounding, ambient, effective,
 * permitted and inheritable sets are emptied and no_new_privs is set.
 * Returns 0, or -1 with errno: the caller must not go on then.
 */
int privileges_drop(void);

#endif /* CODEEXEC_PRIVILEGES_H */
