/*
 * Copyright (C) The codeexec authors.
 *
 * Makes calls of the sandbox fail.  For tests only: `make FAULTS=1` links it
 * into codeexecd, the builder and the zygote with the linker's --wrap, so that
 * no source knows of it and every call into libc, raw system calls among them,
 * comes through here.  A shim that is preloaded would not reach the builder,
 * which is static, and a tracer changes how processes end and who is told.
 *
 * All processes share one file, $CODEEXEC_FAULTS: each call is a site in it,
 * known by where it is called from, three frames deep; one site at a time is
 * told to fail.  The frames need frame pointers and no inlining.
 *
 *   codeexecd   opens the file
 *      | descriptor 5, across execve()
 *      +--> builder, zygote   map it before main()
 *               +--> init, run, keeper   inherit the mapping
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SITES      1024
#define FRAMES     3
#define FILE_FD    700   /* in codeexecd, where nobody looks */
#define PASS_FD    5     /* the first that process.c does not hand over */
#define FILE_SIZE  (64 + SITES * sizeof(struct site))

struct site {
	uint64_t  key;            /* 0: free */
	uint32_t  program;
	uint32_t  count;
	uint32_t  frame[FRAMES];  /* return addresses, from the image's start */
	int32_t   number;         /* of syscall() */
	char      name[32];
};

struct table {
	uint32_t     trace;       /* note the sites */
	int32_t      error;
	uint64_t     armed;       /* key of the site that fails */
	int32_t      left;        /* so often */
	uint32_t     hits;
	int32_t      skip;        /* after so many that do not */
	uint32_t     room[9];
	struct site  site[SITES];
};

_Static_assert(sizeof(struct table) == FILE_SIZE, "the test knows it");

extern char  __ehdr_start[] __attribute__((visibility("hidden")));
extern char  etext[] __attribute__((visibility("hidden")));

static struct table  *table;
static pid_t          pid;      /* of a zygote, which may not write */


/*
 * What fails: its name, and what it returns then.  The arguments are passed
 * on as six words, which is what the calling conventions of x86-64 and arm64
 * make of them.
 */

#define CALLS                                                                 \
	CALL(accept4, -1) CALL(bind, -1) CALL(calloc, 0) CALL(chdir, -1)      \
	CALL(chmod, -1) CALL(chown, -1) CALL(clone, -1) CALL(dup2, -1)        \
	CALL(eventfd, -1) CALL(execve, -1) CALL(fchmod, -1)                   \
	CALL(fchown, -1) CALL(fcntl, -1) CALL(fdopendir, 0) CALL(fopen, 0)    \
	CALL(fstat, -1) CALL(fstatat, -1) CALL(fstatfs, -1) CALL(getcwd, 0)   \
	CALL(getrandom, -1) CALL(getrlimit, -1) CALL(listen, -1)              \
	CALL(lseek, -1) CALL(lstat, -1) CALL(malloc, 0)                       \
	CALL(memfd_create, -1) CALL(mkdir, -1) CALL(mmap, -1) CALL(mount, -1) \
	CALL(open, -1) CALL(openat, -1) CALL(opendir, 0) CALL(pipe2, -1)      \
	CALL(poll, -1) CALL(prctl, -1) CALL(pread, -1) CALL(pwrite, -1)       \
	CALL(read, -1) CALL(readlink, -1) CALL(readlinkat, -1)                \
	CALL(recvmsg, -1) CALL(rmdir, -1) CALL(sendmsg, -1)                   \
	CALL(setgroups, -1) CALL(sethostname, -1) CALL(setns, -1)             \
	CALL(setresgid, -1) CALL(setresuid, -1) CALL(setrlimit, -1)           \
	CALL(setsid, -1) CALL(setsockopt, -1) CALL(sigprocmask, -1)           \
	CALL(socket, -1) CALL(socketpair, -1) CALL(stat, -1)                  \
	CALL(symlink, -1) CALL(syscall, -1) CALL(timerfd_create, -1)          \
	CALL(timerfd_settime, -1) CALL(umount2, -1) CALL(unlink, -1)          \
	CALL(unshare, -1) CALL(waitid, -1) CALL(waitpid, -1) CALL(write, -1)


static bool
is_ours(uintptr_t address)
{
	return address >= (uintptr_t) __ehdr_start
	    && address < (uintptr_t) etext;
}


/* A frame is the one before it and the return address, on both machines. */

static uint64_t
where(const uintptr_t *frame, uint32_t *at)
{
	unsigned   i;
	uint64_t   key = 14695981039346656037u;
	uintptr_t  next;

	for (i = 0; i < FRAMES && is_ours(frame[1]); i++) {
		at[i] = (uint32_t) (frame[1] - (uintptr_t) __ehdr_start);
		key = (key ^ at[i]) * 1099511628211u;

		next = frame[0];
		if (next <= (uintptr_t) frame || next % 16 != 0
		    || next > (uintptr_t) frame + 65536)
		{
			break;
		}

		frame = (const uintptr_t *) next;
	}

	return key;
}


static void
note(uint64_t key, const uint32_t *at, const char *name, long number)
{
	unsigned      i;
	uint64_t      none;
	struct site  *s;

	for (i = 0; i < SITES; i++) {
		s = &table->site[(key + i) % SITES];
		none = 0;

		if (__atomic_compare_exchange_n(&s->key, &none, key, false,
		                                __ATOMIC_SEQ_CST,
		                                __ATOMIC_SEQ_CST))
		{
			s->program = PROGRAM;
			s->number = (int32_t) number;
			memcpy(s->frame, at, sizeof(s->frame));
			strncpy(s->name, name, sizeof(s->name) - 1);
		}

		if (s->key == key) {
			__atomic_add_fetch(&s->count, 1, __ATOMIC_SEQ_CST);
			return;
		}
	}
}


/* A zygote with shared memory that can be written to would be refused, and
 * rightly; after the fork, the process may be one that has no system calls. */

static void
make_writable(bool yes)
{
	(void) mprotect(table, FILE_SIZE,
	    yes ? PROT_READ | PROT_WRITE : PROT_READ);
}


static bool
fails(const char *name, long first, const uintptr_t *frame)
{
	bool      hit, zygote;
	int       error = errno;
	long      number;
	uint32_t  at[FRAMES] = { 0 };
	uint64_t  key;

	if (table == NULL || (!table->trace && table->armed == 0)
	    || !is_ours(frame[1]))
	{
		return false;
	}

	/* The first call after a fork is in a process that has them all. */

	zygote = pid != 0 && pid == getpid();

	if (pid != 0 && !zygote) {
		make_writable(true);
		pid = 0;
	}

	number = strcmp(name, "syscall") == 0 ? first : -1;
	key = (where(frame, at) ^ PROGRAM) | 1;

	if (number == SYS_exit || (!table->trace && table->armed != key)) {
		return false;
	}

	if (zygote) {
		make_writable(true);
	}

	if (table->trace) {
		note(key, at, name, number);
	}

	hit = table->armed == key
	    && __atomic_fetch_sub(&table->skip, 1, __ATOMIC_SEQ_CST) <= 0
	    && __atomic_fetch_sub(&table->left, 1, __ATOMIC_SEQ_CST) > 0;

	if (hit) {
		__atomic_add_fetch(&table->hits, 1, __ATOMIC_SEQ_CST);
		error = table->error;
	}

	if (zygote) {
		make_writable(false);
	}

	errno = error;

	return hit;
}


#define CALL(name, failure)                                                   \
	long  __real_ ## name(long, long, long, long, long, long);            \
	long  __wrap_ ## name(long, long, long, long, long, long);            \
                                                                              \
	long                                                                  \
	__wrap_ ## name(long a, long b, long c, long d, long e, long f)       \
	{                                                                     \
		return fails(#name, a, __builtin_frame_address(0)) ? failure  \
		    : __real_ ## name(a, b, c, d, e, f);                      \
	}

CALLS

#if PROGRAM == 'd'
CALL(evbuffer_new, 0)
CALL(evbuffer_write_atmost, -1)
#endif


int  __real_close_range(unsigned first, unsigned last, int flags);
int  __wrap_close_range(unsigned first, unsigned last, int flags);
int  __real_access(const char *path, int mode);
int  __wrap_access(const char *path, int mode);


/* Ours must outlive it, in codeexecd and in what that is about to become. */

int
__wrap_close_range(unsigned first, unsigned last, int flags)
{
	if (fails("close_range", 0, __builtin_frame_address(0))) {
		return -1;
	}

	if (PROGRAM != 'd') {
		return __real_close_range(first, last, flags);
	}

	if (first == PASS_FD
	    && (int) __real_dup2(FILE_FD, PASS_FD, 0, 0, 0, 0) == PASS_FD)
	{
		return __real_close_range(PASS_FD + 1, last, flags);
	}

	return __real_close_range(first, FILE_FD - 1, flags)
	    || __real_close_range(FILE_FD + 1, last, flags) ? -1 : 0;
}


/* hygiene.c asks whether what is mapped could be written to.  Ours may. */

int
__wrap_access(const char *path, int mode)
{
	if (fails("access", 0, __builtin_frame_address(0))) {
		return -1;
	}

	if (strstr(path, "codeexec-faults") != NULL) {
		errno = EROFS;
		return -1;
	}

	return __real_access(path, mode);
}


__attribute__((constructor))
static void
faults_map(void)
{
	int    fd = PASS_FD, prot = PROT_READ;
	void  *p;

	if (PROGRAM == 'd') {
		const char  *path = getenv("CODEEXEC_FAULTS");

		fd = path == NULL ? -1 : (int) __real_open((long) path,
		    O_RDWR | O_CLOEXEC, 0, 0, 0, 0);

		if (fd < 0 || dup3(fd, FILE_FD, O_CLOEXEC) != FILE_FD) {
			return;
		}
	}

	prot |= PROGRAM == 'z' ? 0 : PROT_WRITE;
	p = (void *) __real_mmap(0, FILE_SIZE, prot, MAP_SHARED, fd, 0);
	(void) close(fd);

	if (p != MAP_FAILED) {
		table = p;
	}

	pid = PROGRAM == 'z' ? getpid() : 0;
}
