/*
 * Copyright (C) The codeexec authors.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "privileges.h"

#if defined(__x86_64__)
#define ARCH  AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH  AUDIT_ARCH_AARCH64
#endif

#define LOAD(member)                                                          \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define UNLESS(value, skip)  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip)
#define IF(value, skip)      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, skip, 0)
#define RETURN(action)       BPF_STMT(BPF_RET | BPF_K, action)

static const struct sock_filter  strict[] = {
	LOAD(arch),
	UNLESS(ARCH, 5),
	LOAD(nr),
	IF(SYS_read, 4),
	IF(SYS_write, 3),
	IF(SYS_exit, 2),
	IF(SYS_rt_sigreturn, 1),
	RETURN(SECCOMP_RET_KILL_PROCESS),
	RETURN(SECCOMP_RET_ALLOW),
};


static int
drop(uint32_t permitted)
{
	int                             cap;
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct   sets[2] = {
		{ .permitted = permitted }, { .permitted = 0 }
	};

	/* The kernel knows the last capability; it says EINVAL after it. */

	for (cap = 0; prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++) {
		/* void */
	}

	if (errno != EINVAL || cap <= CAP_AUDIT_READ) {
		return -1;
	}

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0
	    || syscall(SYS_capset, &header, sets) != 0
	    || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
	{
		return -1;
	}

	return 0;
}


int
privileges_drop(void)
{
	return drop(0);
}


int
privileges_shield(void)
{
	return drop(1u << CAP_NET_BIND_SERVICE);
}


int
privileges_strict(void)
{
	struct sock_fprog  program = {
		.len = sizeof(strict) / sizeof(strict[0]),
		.filter = (struct sock_filter *) (uintptr_t) strict
	};

	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == SECCOMP_MODE_DISABLED) {
		return prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
	}

	return (int) syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}
