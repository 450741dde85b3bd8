/*
 * Copyright (C) The codeexec authors.
 */

#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "threads.h"

#define THREADS_MAX  16
#define PATIENCE_MS  5000
#define FRAME_MAX    4096   /* of the handler, and a multiple of 16 */

/* Libc's own signal for changes of uid, in all threads: no thread can block
 * it, and libc has installed a handler that shows how one is left. */

#define SIGNAL       33

#define CLONE_SAME   (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND       \
                      | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS           \
                      | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

struct kernel_action {
	void           (*handler)(int, siginfo_t *, void *);
	unsigned long    flags;
	void           (*restorer)(void);
	uint64_t         mask;
};

static struct thread {
	pid_t        tid;
	int         *tid_address;   /* where libc has it */
	void        *tls;
	void        *robust;        /* list of mutexes */
	size_t       robust_size;
	char        *stack;         /* below the handler's frame */
	sigjmp_buf   context;
} threads[THREADS_MAX];

static unsigned  count;


/* Ours ends here; another thread comes back and goes on where the signal was
 * taken. */

static void
freeze(int sig, siginfo_t *info, void *context)
{
	unsigned        i;
	struct thread  *t;

	(void) sig;
	(void) info;
	(void) context;

	for (i = 0; i < count && threads[i].tid != gettid(); i++) {
		/* void */
	}

	if (i == count) {
		return;
	}

	t = &threads[i];
	t->tls = __builtin_thread_pointer();
	t->stack = (char *) __builtin_frame_address(0) - FRAME_MAX;

	if (prctl(PR_GET_TID_ADDRESS, &t->tid_address) != 0
	    || syscall(SYS_get_robust_list, 0, &t->robust, &t->robust_size)
	        != 0)
	{
		return;
	}

	if (sigsetjmp(t->context, 0) == 0) {
		syscall(SYS_exit, 0);
	}
}


/* What the kernel keeps for each thread. */

static int
thaw(void *data)
{
	struct rseq    *area;
	struct thread  *t = data;

	(void) syscall(SYS_set_robust_list, t->robust, t->robust_size);

	if (__rseq_size > 0) {
		area = (struct rseq *) ((char *) t->tls + __rseq_offset);

		if (syscall(SYS_rseq, area, 32, 0, RSEQ_SIG) != 0) {
			area->cpu_id = (uint32_t)
			    RSEQ_CPU_ID_REGISTRATION_FAILED;
		}
	}

	siglongjmp(t->context, 1);
}


static void
pause_ms(unsigned ms)
{
	struct timespec  t = { 0, (long) ms * 1000000 };

	(void) nanosleep(&t, NULL);
}


/* It waits for something, as all do that have nothing to do. */

static bool
is_asleep(pid_t tid)
{
	int      fd;
	char     path[64], text[256], *p;
	ssize_t  n;

	(void) snprintf(path, sizeof(path), "/proc/self/task/%d/stat",
	    (int) tid);

	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0) {
		(void) close(fd);
	}

	text[n > 0 ? n : 0] = '\0';
	p = strrchr(text, ')');

	return p != NULL && p[1] == ' ' && p[2] == 'S';
}


/* Lists the others; false when one of them is at work. */

static bool
list_threads(void)
{
	DIR            *dir;
	bool            asleep;
	pid_t           tid;
	struct dirent  *d;

	dir = opendir("/proc/self/task");
	asleep = dir != NULL;

	for (count = 0; asleep && (d = readdir(dir)) != NULL; ) {
		tid = d->d_name[0] == '.' ? 0 : atoi(d->d_name);

		if (tid == 0 || tid == gettid()) {
			continue;
		}

		asleep = count < THREADS_MAX && is_asleep(tid);
		if (asleep) {
			threads[count++].tid = tid;
		}
	}

	if (dir != NULL) {
		(void) closedir(dir);
	}

	return asleep;
}


static bool
are_gone(void)
{
	unsigned  i;

	for (i = 0; i < count; i++) {
		if (syscall(SYS_tgkill, getpid(), threads[i].tid, 0) == 0) {
			return false;
		}
	}

	return true;
}


int
threads_freeze(void)
{
	unsigned              i, ms;
	struct kernel_action  old, action;

	for (ms = 0; !list_threads(); ms++) {
		if (ms == PATIENCE_MS) {
			errno = EBUSY;
			return -1;
		}

		pause_ms(1);
	}

	if (syscall(SYS_rt_sigaction, SIGNAL, NULL, &old, sizeof(old.mask))
	    != 0)
	{
		return -1;
	}

	/* Its flags and the way back are libc's. */

	action = old;
	action.handler = freeze;
	action.mask = ~0ull;

	(void) syscall(SYS_rt_sigaction, SIGNAL, &action, NULL,
	    sizeof(action.mask));

	for (i = 0; i < count; i++) {
		(void) syscall(SYS_tgkill, getpid(), threads[i].tid, SIGNAL);
	}

	for (ms = 0; !are_gone() && ms < PATIENCE_MS; ms++) {
		pause_ms(1);
	}

	(void) syscall(SYS_rt_sigaction, SIGNAL, &old, NULL,
	    sizeof(old.mask));

	errno = EBUSY;

	return ms < PATIENCE_MS ? 0 : -1;
}


int
threads_thaw(void)
{
	unsigned        i;
	struct thread  *t;

	for (i = 0; i < count; i++) {
		t = &threads[i];

		if (clone(thaw, t->stack, CLONE_SAME, t, t->tid_address,
		          t->tls, t->tid_address) < 0)
		{
			return -1;
		}
	}

	return 0;
}
