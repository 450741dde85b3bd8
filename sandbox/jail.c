/*
 * Copyright (C) The codeexec authors.
 *
 * One jail, built ahead of the run that will use it:
 *
 *   builder                              init (process 1 of the jail)
 *   ---------------------------------    ----------------------------------
 *   setns(network of the slot)
 *   clone3(user pid mnt ipc uts cgroup)
 *   write uid_map, gid_map               wait
 *   close the pipe  ------------------>  forbid nested user namespaces
 *                                        mount /proc and the tmpfs
 *                                        send pidfd, directory and fuse
 *                                        drop capabilities, strict seccomp
 *                                        sleep until killed, or the fuse
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "builder.h"
#include "privileges.h"

#define NAMESPACES  (CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC \
                     | CLONE_NEWUTS | CLONE_NEWCGROUP)


static int
write_proc(const char *path, const char *text)
{
	int      fd, error;
	ssize_t  n;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		return -1;
	}

	n = write(fd, text, strlen(text));
	error = errno;

	(void) close(fd);
	errno = error;

	return n == (ssize_t) strlen(text) ? 0 : -1;
}


/* A compromised run would own the uid; it can't make more of it than this. */

static const char *
forbid_nesting(void)
{
	return write_proc("/proc/sys/user/max_user_namespaces", "0") == 0
	    ? NULL : "max_user_namespaces";
}


static const char *
mount_private(const struct spawn_build *request)
{
	char  options[128];

	if (mount("proc", "/proc", "proc",
	          MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
	          "subset=pid,hidepid=invisible") != 0)
	{
		return "mount /proc";
	}

	(void) snprintf(options, sizeof(options),
	    "mode=0755,uid=%u,gid=%u,size=%llu,nr_inodes=%u",
	    JAIL_UID, JAIL_UID, (unsigned long long) request->disk,
	    request->inodes);

	if (mount("tmpfs", "/home", "tmpfs", MS_NOSUID | MS_NODEV, options)
	    != 0)
	{
		return "mount /home";
	}

	return NULL;
}


static const char *
make_home(int *results)
{
	(void) setfsgid(JAIL_UID);
	(void) setfsuid(JAIL_UID);

	if (mkdir(JAIL_HOME, 0700) != 0
	    || mkdir("/home/tmp", 01777) != 0 || chmod("/home/tmp", 01777) != 0
	    || mkdir("/home/shm", 01777) != 0 || chmod("/home/shm", 01777) != 0)
	{
		return "mkdir " JAIL_HOME;
	}

	/* It is read through this descriptor, whatever becomes of its name. */

	*results = open(JAIL_RESULTS, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600);

	return *results >= 0 ? NULL : "create " JAIL_RESULTS;
}


/* Nothing is left to do but to exist, until the fuse blows should codeexecd
 * not end the run in time; SIGCHLD is ignored, so that the kernel reaps what
 * the run leaves behind. */

static _Noreturn void
init_sleep(int fuse)
{
	uint64_t  n;

	if (dup2(fuse, 0) != 0 || close_range(1, ~0U, 0) != 0
	    || privileges_drop() != 0
	    || privileges_strict() != 0)
	{
		_exit(1);
	}

	(void) read(0, &n, sizeof(n));

	for ( ;; ) {
		(void) syscall(SYS_exit, 0);
	}
}


static _Noreturn void
init_main(const struct spawn_build *request, int gate)
{
	int                 fds[BUILT_FDS];
	char                c;
	const char         *step;
	struct spawn_reply  reply;

	if (read(gate, &c, 1) != 1) {
		_exit(1);
	}

	step = request->may_nest ? NULL : forbid_nesting();

	if (step == NULL) {
		step = mount_private(request);
	}

	if (step == NULL) {
		step = make_home(&fds[BUILT_RESULTS]);
	}

	fds[BUILT_JAIL] = (int) syscall(SYS_pidfd_open, getpid(), 0);
	fds[BUILT_HOME] = open(JAIL_HOME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fds[BUILT_FUSE] = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	if (step == NULL && (fds[BUILT_JAIL] < 0 || fds[BUILT_HOME] < 0
	                     || fds[BUILT_FUSE] < 0))
	{
		step = "open " JAIL_HOME;
	}

	spawn_reply_init(&reply, request->slot, request->serial, step);

	/* The zygote joins us by our pidfd, and the change of fsuid above has
	 * made us untouchable.  A run can't: its uid is another. */

	if (step == NULL && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) {
		_exit(1);
	}

	if (spawn_send(SPAWN_CONTROL_FD, &reply, sizeof(reply), fds,
	               step == NULL ? BUILT_FDS : 0) != 0 || step != NULL)
	{
		_exit(1);
	}

	init_sleep(fds[BUILT_FUSE]);
}


static const char *
write_maps(pid_t init, const struct spawn_build *request)
{
	char  path[64], map[64];

	(void) snprintf(map, sizeof(map), "%u %u 1\n", JAIL_UID, request->uid);

	(void) snprintf(path, sizeof(path), "/proc/%d/uid_map", (int) init);
	if (write_proc(path, map) != 0) {
		return "uid_map";
	}

	(void) snprintf(path, sizeof(path), "/proc/%d/gid_map", (int) init);
	if (write_proc(path, map) != 0) {
		return "gid_map";
	}

	return NULL;
}


/*
 * A network namespace is dear to make and dearer to destroy.  An empty one,
 * entered by a single jail at a time, in which only AF_UNIX sockets can be
 * made, holds nothing once the processes of that jail are gone; so it belongs
 * to the slot and the next jail enters it again.
 */

static const char *
enter_network(struct builder *b, uint32_t slot)
{
	if (b->netns[slot] < 0) {

		if (unshare(CLONE_NEWNET) != 0) {
			return "unshare network";
		}

		b->netns[slot] = open("/proc/self/ns/net",
		    O_RDONLY | O_CLOEXEC);

		return b->netns[slot] < 0 ? "open network" : NULL;
	}

	return setns(b->netns[slot], CLONE_NEWNET) == 0 ? NULL
	    : "setns network";
}


void
jail_build(struct builder *b, const struct spawn_build *request)
{
	int                 gate[2] = { -1, -1 };
	pid_t               init;
	const char         *step;
	struct clone_args   args = { .flags = NAMESPACES,
	                             .exit_signal = SIGCHLD };
	struct spawn_reply  reply;

	step = request->slot < b->slots ? enter_network(b, request->slot)
	    : "slot number";

	if (step == NULL && pipe2(gate, O_CLOEXEC) != 0) {
		step = "pipe";
	}

	if (step == NULL) {
		init = (pid_t) syscall(SYS_clone3, &args, sizeof(args));

		if (init == 0) {
			(void) close(gate[1]);
			init_main(request, gate[0]);
		}

		step = init < 0 ? "clone" : write_maps(init, request);
	}

	/* Without the byte the init exits, and the jail with it. */

	if (step == NULL && write(gate[1], "", 1) != 1) {
		step = "release";
	}

	if (step != NULL) {
		spawn_reply_init(&reply, request->slot, request->serial, step);
		(void) spawn_send(SPAWN_CONTROL_FD, &reply, sizeof(reply),
		    NULL, 0);
	}

	(void) close(gate[0]);
	(void) close(gate[1]);
}
