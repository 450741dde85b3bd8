/*
 * Copyright (C) The codeexec authors.
 *
 * The seccomp policy: an allow-list.  What is not listed does not exist
 * (ENOSYS), so that libraries fall back as on an older kernel and a system
 * call invented tomorrow is refused today.  Calls that programs expect to be
 * forbidden rather than missing answer EPERM.  Another architecture's entry
 * point kills the process.
 *
 * Only the 32 bits that the kernel looks at are compared.
 *
 * t/syscalls has a table of what comes of each call, by hand: a change here is
 * one there.  Calls that need a capability, such as those that mount by
 * descriptors, set clocks or load modules, are missing rather than forbidden:
 * nobody falls back from EPERM to something that works.  mincore() stays, as
 * libraries call it: what it tells of /usr, reading and a clock tell, too.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "filter.h"

#define LENGTH(a)  (sizeof(a) / sizeof((a)[0]))

#define LOW32(arg, value)                                                     \
    SCMP_CMP((arg), SCMP_CMP_MASKED_EQ, 0xffffffffu, (uint32_t) (value))

/* CLONE_NEW* but NEWTIME, which clone() can't say; and the flags that would
 * make a child of codeexecd or put a process out of its reach. */

#define CLONE_FORBIDDEN                                                       \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC              \
     | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_PARENT             \
     | CLONE_PTRACE | CLONE_UNTRACED)

static const int allowed[] = {

	/* files */

	SCMP_SYS(access), SCMP_SYS(chdir), SCMP_SYS(chmod), SCMP_SYS(close),
	SCMP_SYS(close_range), SCMP_SYS(copy_file_range), SCMP_SYS(creat),
	SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2), SCMP_SYS(fadvise64), SCMP_SYS(fallocate),
	SCMP_SYS(fchdir), SCMP_SYS(fchmod), SCMP_SYS(fchmodat),
	SCMP_SYS(fdatasync), SCMP_SYS(fgetxattr), SCMP_SYS(flistxattr),
	SCMP_SYS(flock), SCMP_SYS(fstat), SCMP_SYS(fstatfs), SCMP_SYS(fsync),
	SCMP_SYS(ftruncate), SCMP_SYS(futimesat), SCMP_SYS(getcwd),
	SCMP_SYS(getdents), SCMP_SYS(getdents64), SCMP_SYS(getxattr),
	SCMP_SYS(lgetxattr), SCMP_SYS(link), SCMP_SYS(linkat),
	SCMP_SYS(listxattr), SCMP_SYS(llistxattr), SCMP_SYS(lseek),
	SCMP_SYS(lstat), SCMP_SYS(mkdir), SCMP_SYS(mkdirat),
	SCMP_SYS(newfstatat), SCMP_SYS(open), SCMP_SYS(openat),
	SCMP_SYS(openat2), SCMP_SYS(pipe), SCMP_SYS(pipe2), SCMP_SYS(pread64),
	SCMP_SYS(preadv), SCMP_SYS(preadv2), SCMP_SYS(pwrite64),
	SCMP_SYS(pwritev), SCMP_SYS(pwritev2), SCMP_SYS(read),
	SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(readv),
	SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2),
	SCMP_SYS(rmdir), SCMP_SYS(stat), SCMP_SYS(statfs), SCMP_SYS(statx),
	SCMP_SYS(symlink), SCMP_SYS(symlinkat), SCMP_SYS(truncate),
	SCMP_SYS(umask), SCMP_SYS(unlink), SCMP_SYS(unlinkat),
	SCMP_SYS(utime), SCMP_SYS(utimensat), SCMP_SYS(utimes),
	SCMP_SYS(write), SCMP_SYS(writev),

	/* memory */

	SCMP_SYS(brk), SCMP_SYS(membarrier), SCMP_SYS(mincore),
	SCMP_SYS(mlock), SCMP_SYS(mlock2), SCMP_SYS(mmap), SCMP_SYS(mprotect),
	SCMP_SYS(mremap), SCMP_SYS(msync), SCMP_SYS(munlock),
	SCMP_SYS(munmap), SCMP_SYS(pkey_alloc), SCMP_SYS(pkey_free),
	SCMP_SYS(pkey_mprotect),

	/* processes and threads */

	SCMP_SYS(capget), SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(exit),
	SCMP_SYS(exit_group), SCMP_SYS(fork), SCMP_SYS(futex),
	SCMP_SYS(futex_waitv), SCMP_SYS(get_robust_list), SCMP_SYS(getcpu),
	SCMP_SYS(getegid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
	SCMP_SYS(getgroups), SCMP_SYS(getpgid), SCMP_SYS(getpgrp),
	SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(getpriority),
	SCMP_SYS(getresgid), SCMP_SYS(getresuid), SCMP_SYS(getrlimit),
	SCMP_SYS(getrusage), SCMP_SYS(getsid), SCMP_SYS(gettid),
	SCMP_SYS(getuid), SCMP_SYS(rseq), SCMP_SYS(sched_get_priority_max),
	SCMP_SYS(sched_get_priority_min), SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_getattr), SCMP_SYS(sched_getparam),
	SCMP_SYS(sched_getscheduler), SCMP_SYS(sched_rr_get_interval),
	SCMP_SYS(sched_yield), SCMP_SYS(set_robust_list),
	SCMP_SYS(set_tid_address), SCMP_SYS(setpgid), SCMP_SYS(setsid),
	SCMP_SYS(sysinfo), SCMP_SYS(times), SCMP_SYS(uname), SCMP_SYS(vfork),
	SCMP_SYS(wait4), SCMP_SYS(waitid),

	/* signals */

	SCMP_SYS(kill), SCMP_SYS(pause), SCMP_SYS(pidfd_open),
	SCMP_SYS(pidfd_send_signal), SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigpending),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigqueueinfo),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigsuspend),
	SCMP_SYS(rt_sigtimedwait), SCMP_SYS(rt_tgsigqueueinfo),
	SCMP_SYS(sigaltstack), SCMP_SYS(tgkill), SCMP_SYS(tkill),

	/* time and waiting */

	SCMP_SYS(alarm), SCMP_SYS(clock_getres), SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(epoll_create),
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2), SCMP_SYS(epoll_wait), SCMP_SYS(eventfd),
	SCMP_SYS(eventfd2), SCMP_SYS(getitimer), SCMP_SYS(getrandom),
	SCMP_SYS(gettimeofday), SCMP_SYS(nanosleep), SCMP_SYS(poll),
	SCMP_SYS(ppoll), SCMP_SYS(pselect6), SCMP_SYS(select),
	SCMP_SYS(setitimer), SCMP_SYS(signalfd), SCMP_SYS(signalfd4),
	SCMP_SYS(time), SCMP_SYS(timer_create), SCMP_SYS(timer_delete),
	SCMP_SYS(timer_getoverrun), SCMP_SYS(timer_gettime),
	SCMP_SYS(timer_settime), SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_gettime), SCMP_SYS(timerfd_settime),

	/* sockets, once socket() has let one be made */

	SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(bind),
	SCMP_SYS(connect), SCMP_SYS(getpeername), SCMP_SYS(getsockname),
	SCMP_SYS(getsockopt), SCMP_SYS(listen), SCMP_SYS(recvfrom),
	SCMP_SYS(recvmmsg), SCMP_SYS(recvmsg), SCMP_SYS(sendmmsg),
	SCMP_SYS(sendmsg), SCMP_SYS(sendto),
	SCMP_SYS(shutdown),
};

static const struct {
	int  call;
	int  error;
} refused[] = {

	/* "not permitted": libraries expect it */

	{ SCMP_SYS(add_key), EPERM }, { SCMP_SYS(bpf), EPERM },
	{ SCMP_SYS(capset), EPERM }, { SCMP_SYS(chown), EPERM },
	{ SCMP_SYS(chroot), EPERM }, { SCMP_SYS(fchown), EPERM },
	{ SCMP_SYS(fchownat), EPERM }, { SCMP_SYS(ioprio_set), EPERM },
	{ SCMP_SYS(keyctl), EPERM }, { SCMP_SYS(lchown), EPERM },
	{ SCMP_SYS(mknod), EPERM }, { SCMP_SYS(mlockall), EPERM },
	{ SCMP_SYS(mount), EPERM }, { SCMP_SYS(perf_event_open), EPERM },
	{ SCMP_SYS(pivot_root), EPERM },
	{ SCMP_SYS(process_vm_readv), EPERM },
	{ SCMP_SYS(process_vm_writev), EPERM }, { SCMP_SYS(ptrace), EPERM },
	{ SCMP_SYS(request_key), EPERM },
	{ SCMP_SYS(sched_setaffinity), EPERM },
	{ SCMP_SYS(sched_setattr), EPERM }, { SCMP_SYS(sched_setparam), EPERM },
	{ SCMP_SYS(sched_setscheduler), EPERM },
	{ SCMP_SYS(setgid), EPERM }, { SCMP_SYS(setgroups), EPERM },
	{ SCMP_SYS(setns), EPERM }, { SCMP_SYS(setpriority), EPERM },
	{ SCMP_SYS(setregid), EPERM }, { SCMP_SYS(setresgid), EPERM },
	{ SCMP_SYS(setresuid), EPERM }, { SCMP_SYS(setreuid), EPERM },
	{ SCMP_SYS(setrlimit), EPERM }, { SCMP_SYS(setuid), EPERM },
	{ SCMP_SYS(umount2), EPERM }, { SCMP_SYS(unshare), EPERM },

	/* "not here": the callers copy by read() and write() then */

	{ SCMP_SYS(sendfile), EINVAL }, { SCMP_SYS(splice), EINVAL },
	{ SCMP_SYS(tee), EINVAL }, { SCMP_SYS(vmsplice), EINVAL },
};

/* Calls allowed for some values of one argument only. */

static const uint32_t ioctls[] = {
	FIOCLEX, FIONBIO, FIONCLEX, FIONREAD, TCGETS, TIOCGPGRP, TIOCGWINSZ
};

static const uint32_t fcntls[] = {
	F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK,
	F_SETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW,
	F_GETPIPE_SZ, F_SETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS
};

#ifndef PR_SET_VMA
#define PR_SET_VMA  0x53564d41
#endif

static const uint32_t prctls[] = {
	PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_GET_KEEPCAPS,
	PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP, PR_CAPBSET_READ,
	PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_SET_CHILD_SUBREAPER,
	PR_GET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS,
	PR_SET_VMA
};

static const uint32_t arch_prctls[] = {
	0x1001, 0x1002, 0x1003, 0x1004  /* ARCH_{SET,GET}_{GS,FS} */
};

static const uint32_t local_sockets[] = { AF_UNIX };

/* Those that attach filters are an attack surface of their own. */

static const uint32_t socket_options[] = {
	SO_REUSEADDR, SO_TYPE, SO_ERROR, SO_DONTROUTE, SO_BROADCAST,
	SO_SNDBUF, SO_RCVBUF, SO_KEEPALIVE, SO_OOBINLINE, SO_PRIORITY,
	SO_LINGER, SO_REUSEPORT, SO_PASSCRED, SO_RCVLOWAT, SO_SNDLOWAT,
	SO_RCVTIMEO, SO_SNDTIMEO, SO_TIMESTAMP, SO_PEEK_OFF, 1 /* TCP_NODELAY */
};

static const uint32_t own_process[] = { 0 };

static const uint32_t query[] = { 0xffffffff };

static const uint32_t madvises[] = {
	0, 1, 2, 3, 4,          /* NORMAL RANDOM SEQUENTIAL WILLNEED DONTNEED */
	8, 9, 10, 11,           /* FREE REMOVE DONTFORK DOFORK */
	14, 15, 16, 17, 18, 19, /* HUGEPAGE NOHUGEPAGE DUMP FORK */
	20, 21, 22, 23          /* COLD PAGEOUT POPULATE */
};

static const struct {
	int              call;
	unsigned         arg;
	const uint32_t  *values;
	size_t           count;
} filtered[] = {
	{ SCMP_SYS(ioctl), 1, ioctls, LENGTH(ioctls) },
	{ SCMP_SYS(fcntl), 1, fcntls, LENGTH(fcntls) },
	{ SCMP_SYS(prctl), 0, prctls, LENGTH(prctls) },
	{ SCMP_SYS(arch_prctl), 0, arch_prctls, LENGTH(arch_prctls) },
	{ SCMP_SYS(socket), 0, local_sockets, LENGTH(local_sockets) },
	{ SCMP_SYS(socketpair), 0, local_sockets, LENGTH(local_sockets) },
	{ SCMP_SYS(setsockopt), 2, socket_options, LENGTH(socket_options) },
	{ SCMP_SYS(prlimit64), 0, own_process, LENGTH(own_process) },
	{ SCMP_SYS(personality), 0, query, LENGTH(query) },
	{ SCMP_SYS(madvise), 2, madvises, LENGTH(madvises) },
};


static int
add(scmp_filter_ctx ctx, uint32_t action, int call, unsigned n,
    const struct scmp_arg_cmp *cmp)
{
	int   rc;
	char *name;

	rc = seccomp_rule_add_array(ctx, action, call, n, cmp);
	if (rc == 0) {
		return 0;
	}

	name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);

	(void) fprintf(stderr, "seccomp rule for %s: %s\n",
	    name != NULL ? name : "?", strerror(-rc));

	return -1;
}


static int
add_filtered(scmp_filter_ctx ctx)
{
	size_t               i, k;
	struct scmp_arg_cmp  cmp;

	for (i = 0; i < LENGTH(filtered); i++) {
		for (k = 0; k < filtered[i].count; k++) {
			cmp = LOW32(filtered[i].arg, filtered[i].values[k]);

			if (add(ctx, SCMP_ACT_ALLOW, filtered[i].call, 1, &cmp)
			    != 0)
			{
				return -1;
			}
		}
	}

	/* A FIFO, and no other kind of node. */

	cmp = SCMP_CMP(2, SCMP_CMP_MASKED_EQ, S_IFMT, S_IFIFO);
	if (add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mknodat), 1, &cmp) != 0) {
		return -1;
	}

	cmp = SCMP_CMP(0, SCMP_CMP_MASKED_EQ, CLONE_FORBIDDEN, 0);
	if (add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, &cmp) != 0) {
		return -1;
	}

	return 0;
}


/* Every family but AF_UNIX, as on a host without it. */

static int
refuse_families(scmp_filter_ctx ctx, int call)
{
	struct scmp_arg_cmp  none = LOW32(0, AF_UNSPEC);
	struct scmp_arg_cmp  more = SCMP_CMP(0, SCMP_CMP_GT, AF_UNIX);
	uint32_t             action = SCMP_ACT_ERRNO(EAFNOSUPPORT);

	return add(ctx, action, call, 1, &none) == 0
	    && add(ctx, action, call, 1, &more) == 0 ? 0 : -1;
}


static int
add_rules(scmp_filter_ctx ctx)
{
	size_t  i;

	for (i = 0; i < LENGTH(allowed); i++) {
		if (add(ctx, SCMP_ACT_ALLOW, allowed[i], 0, NULL) != 0) {
			return -1;
		}
	}

	for (i = 0; i < LENGTH(refused); i++) {
		if (add(ctx, SCMP_ACT_ERRNO((uint32_t) refused[i].error),
		        refused[i].call, 0, NULL) != 0)
		{
			return -1;
		}
	}

	return add_filtered(ctx) == 0
	    && refuse_families(ctx, SCMP_SYS(socket)) == 0
	    && refuse_families(ctx, SCMP_SYS(socketpair)) == 0 ? 0 : -1;
}


static int
export(scmp_filter_ctx ctx)
{
	int  fd;

	fd = memfd_create("seccomp", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		return -1;
	}

	if (seccomp_export_bpf(ctx, fd) != 0
	    || fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW
	             | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
	{
		(void) close(fd);
		return -1;
	}

	return fd;
}


int
filter_compile(void)
{
	int              fd;
	scmp_filter_ctx  ctx;

	ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	if (ctx == NULL) {
		return -1;
	}

	fd = -1;

	if (seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
	                     SCMP_ACT_KILL_PROCESS) == 0
	    && seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0
	    && add_rules(ctx) == 0)
	{
		fd = export(ctx);
	}

	seccomp_release(ctx);

	if (fd < 0) {
		(void) fprintf(stderr, "can't compile the seccomp policy\n");
	}

	return fd;
}
