/*
 * Copyright (C) The codeexec authors.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "privileges.h"


int
privileges_drop(void)
{
	int                             cap;
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct   none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	/* The kernel knows the last capability; it says EINVAL after it. */

	for (cap = 0; prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++) {
		/* void */
	}

	if (errno != EINVAL || cap <= CAP_AUDIT_READ) {
		return -1;
	}

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0
	    || syscall(SYS_capset, &header, none) != 0
	    || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
	{
		return -1;
	}

	return 0;
}
