/*
 * Copyright (C) The codeexec authors.
 *
 * What this machine, or the container on it, offers: tried, not looked up.
 * The builder makes a pen and one jail as it will for the runs, and both are
 * thrown away.  It takes some milliseconds; "codeexecd --check" does more.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "codeexecd.h"
#include "landlock.h"
#include "layers.h"
#include "privileges.h"
#include "rootless.h"

#define ANSWER_MS  10000

int  layers_landlock = -1;

/* How the steps begin that a builder says it has failed at. */

static const struct {
	const char     *step;
	enum layer_id   layer;
} steps[] = {
	{ "private mount namespace", LAYER_NAMESPACES },
	{ "unshare", LAYER_NAMESPACES },
	{ "clone", LAYER_NAMESPACES },
	{ "open network", LAYER_NAMESPACES },
	{ "setns", LAYER_NAMESPACES },
	{ "sethostname", LAYER_NAMESPACES },
	{ "max_user_namespaces", LAYER_NESTED },
	{ "mount /proc", LAYER_PROC },
	{ "mount /dev", LAYER_DEVICES },
	{ "mknod", LAYER_DEVICES },
	{ "bind /dev/", LAYER_DEVICES },
	{ "/dev/", LAYER_DEVICES },
	{ "maps", LAYER_UIDS },
	{ "uid_map", LAYER_UIDS },
	{ "gid_map", LAYER_UIDS },
	{ "setresuid", LAYER_UIDS },
	{ "mount /home", LAYER_DISK },
	{ "mkdir /home", LAYER_DISK },
};


static void
step_failed(const char *step, int error)
{
	size_t         i;
	enum layer_id  id;

	id = LAYER_ROOT;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (strncmp(step, steps[i].step, strlen(steps[i].step)) == 0) {
			id = steps[i].layer;
			break;
		}
	}

	layer_missing(id, "%.28s: %s", step, strerror(error));
}


/* Returns 0, or -1 after saying what is missing.  A builder that says nothing
 * could not be started, or not with this rootfs. */

static int
await(int control)
{
	int                 fds[SPAWN_FDS_MAX];
	unsigned            nfds = SPAWN_FDS_MAX;
	struct pollfd       p = { .fd = control, .events = POLLIN };
	struct spawn_reply  reply;

	if (poll(&p, 1, ANSWER_MS) != 1
	    || spawn_recv(control, &reply, sizeof(reply), fds, &nfds, 0) <= 0)
	{
		step_failed("codeexec-builder", EIO);
		return -1;
	}

	while (nfds-- > 0) {
		(void) close(fds[nfds]);
	}

	if (reply.error != 0) {
		step_failed(reply.step, reply.error);
		return -1;
	}

	return 0;
}


/* As who forks a zygote will: process.c. */

static void
probe_enter(int pidfd)
{
	int    status;
	pid_t  pid;

	pid = fork();

	if (pid == 0) {
		_exit(setns(pidfd, CLONE_NEWPID) == 0 ? 0 : errno);
	}

	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
		step_failed("setns", EIO);

	} else if (WEXITSTATUS(status) != 0) {
		step_failed("setns", WEXITSTATUS(status));
	}
}


static void
make_jail(struct runtime *rt)
{
	int                 control = rt->builder.control;
	struct slot         slot = { .runtime = rt, .serial = 1 };
	struct spawn_reply  go = { .error = 0 };

	if (await(control) != 0) {
		return;
	}

	if (builder_maps(rt) != 0) {
		step_failed("uid_map", errno);
		return;
	}

	if (spawn_send(control, &go, sizeof(go), NULL, 0) != 0) {
		step_failed("codeexec-builder", errno);
		return;
	}

	if (await(control) != 0) {
		return;
	}

	if (runtime_build(&slot) != 0) {
		step_failed("codeexec-builder", errno);
		return;
	}

	if (await(control) == 0) {
		probe_enter(rt->builder.pidfd);
	}
}


static void
probe_jail(void)
{
	siginfo_t       info;
	struct runtime  rt = {
		.config = &config.runtime[0],
		.uid = runtime_uid(0)
	};

	if (builder_fork(&rt) != 0) {
		step_failed("clone", errno);
		return;
	}

	make_jail(&rt);

	(void) syscall(SYS_pidfd_send_signal, rt.builder.pidfd, SIGKILL, NULL,
	    0);
	(void) waitid(P_PIDFD, (id_t) rt.builder.pidfd, &info, WEXITED);
	close_fd(&rt.builder.pidfd);
	close_fd(&rt.builder.control);
}


/* What a run does to itself can't be undone: it is tried in a child. */

static int
in_child(int (*try)(void))
{
	int    status;
	pid_t  pid;

	pid = fork();

	if (pid == 0) {
		_exit(try());
	}

	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status)
	    ? WEXITSTATUS(status) : EIO;
}


/* As in a jail: with every capability, in a user namespace.  Where there are
 * none of these, that is said already. */

static int
drop_capabilities(void)
{
	return unshare(CLONE_NEWUSER) != 0 || privileges_drop() == 0 ? 0
	    : errno;
}


/* The policy itself, and one call that it must refuse. */

static int
load_filter(void)
{
	int                fd, error;
	struct stat        st;
	struct sock_fprog  program;

	if (fstat(filter_fd, &st) != 0) {
		return errno;
	}

	program.len = (unsigned short)
	    ((size_t) st.st_size / sizeof(struct sock_filter));
	program.filter = mmap(NULL, (size_t) st.st_size, PROT_READ,
	    MAP_PRIVATE, filter_fd, 0);

	if (program.filter == MAP_FAILED
	    || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
	    || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
	{
		return errno;
	}

	fd = socket(AF_INET, SOCK_STREAM, 0);
	error = fd < 0 && errno == EAFNOSUPPORT ? 0 : EIO;
	close_fd(&fd);

	return error;
}


static void
probe_process(void)
{
	int          error;
	struct stat  st;

	error = in_child(drop_capabilities);

	if (error == 0) {
		layer_held(LAYER_CAPABILITIES, "none, no_new_privs");
	} else {
		layer_missing(LAYER_CAPABILITIES, "giving them up: %s",
		    strerror(error));
	}

	error = filter_fd < 0 ? ENOSYS : in_child(load_filter);

	if (error != 0) {
		layer_missing(LAYER_SYSCALLS, "seccomp: %s", strerror(error));
		layer_missing(LAYER_SOCKETS, "seccomp: %s", strerror(error));
		return;
	}

	(void) fstat(filter_fd, &st);

	layer_held(LAYER_SYSCALLS, "seccomp: %zu instructions, what is not "
	    "listed is ENOSYS",
	    (size_t) st.st_size / sizeof(struct sock_filter));
	layer_held(LAYER_SOCKETS, "seccomp: AF_UNIX alone");
}


/*
 * With a limit of 0 a kernel that pipes core dumps to a program still does,
 * and the program is root's; with 1 it does not.
 */

static void
probe_limits(void)
{
	char           pattern[256];
	struct rlimit  limit;

	if (getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0
	    && read_file("/proc/sys/kernel/core_pattern", pattern,
	                 sizeof(pattern)) > 0 && pattern[0] == '|')
	{
		layer_missing(LAYER_RLIMITS, "core files: the limit is 0, "
		    "which does not hold for a pipe");
		return;
	}

	layer_held(LAYER_RLIMITS, "core %llu, open files %llu, no real-time "
	    "priority", (unsigned long long) limit.rlim_max,
	    (unsigned long long) config.limits.open_files);
}


static void
probe_landlock(void)
{
	layers_landlock = landlock_abi();

	if (layers_landlock < LANDLOCK_ABI_MIN) {
		layer_missing(LAYER_LANDLOCK, "%s",
		    layers_landlock >= 0 ? "too old in this kernel"
		    : errno == EPERM ? "forbidden, as by a container's profile"
		    : "not in this kernel");
	} else {
		layer_held(LAYER_LANDLOCK, "ABI %d", layers_landlock);
	}
}


static void
probe_rootfs(void)
{
	char         path[4096];
	struct stat  own, machine;

	(void) snprintf(path, sizeof(path), "%.4000s/usr", config.rootfs);

	if (stat(path, &own) == 0 && stat("/usr", &machine) == 0
	    && own.st_dev == machine.st_dev && own.st_ino == machine.st_ino)
	{
		layer_missing(LAYER_SHARED_INODES,
		    "the rootfs is the machine's own /usr");
	} else {
		layer_held(LAYER_SHARED_INODES, "a rootfs of its own");
	}
}


void
layers_probe(void)
{
	struct limits  *l = &config.limits;

	/* True unless the jail can't be made. */

	layer_held(LAYER_NAMESPACES,
	    "user, pid, mount, network, ipc, uts, cgroup");
	layer_held(LAYER_NESTED, "user.max_user_namespaces is 0, and seccomp");
	layer_held(LAYER_ROOT, "a read-only tmpfs, pivot_root");
	layer_held(LAYER_PROC, "subset=pid, hidepid=invisible, read-only");
	layer_held(LAYER_DEVICES, "null, zero, full, random, urandom");
	layer_held(LAYER_DISK, "tmpfs: %llu MB, %llu inodes",
	    (unsigned long long) l->disk >> 20,
	    (unsigned long long) l->inodes);

	layer_held(LAYER_UIDS, "%llu to %llu, one for each run",
	    (unsigned long long) config.uids + 1,
	    (unsigned long long) (config.uids
	        + config.runtimes * (config.slots + 1) - 1));

	if (filter_fd >= 0) {
		probe_jail();
	}

	/* Once more without what there is a way without. */

	if (layers[LAYER_NESTED].missing
	    && (checking || layer_allowed(LAYER_NESTED)))
	{
		probe_jail();
	}

	/* Root has no way without; others do with the one uid they have. */

	if (shared_uid && !layers[LAYER_UIDS].missing) {
		layers[LAYER_UIDS].dispensable = true;
		layer_missing(LAYER_UIDS, "all runs have the uid of codeexecd: "
		    "%s", shared_uid_why);
	}

	probe_process();
	probe_limits();
	probe_landlock();
	probe_rootfs();
}
