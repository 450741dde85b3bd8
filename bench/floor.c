/*
 * Copyright (C) The codeexec authors.
 *
 * The floor: the least that a fresh, jailed process of a warm interpreter can
 * cost.  A loop forks, jails, runs and reaps; there is no server, no daemon,
 * no limit, no collecting of files.  The layers are those of codeexec: user,
 * pid, mount, network, ipc, uts and cgroup namespaces, a pivoted read-only
 * root, a private /proc and tmpfs, no capabilities, codeexec's own seccomp
 * policy.
 *
 * The modules named are imported once.  Then each line of standard input, a
 * number of seconds, is one round, which prints the time of each run in
 * microseconds, then that of the whole.
 *
 * usage: floor PROGRAM-FILE EXPECTED-TEXT [MODULE...]
 */

#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN

#include <Python.h>

#include <err.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "filter.h"
#include "privileges.h"

#define HOST_UID  "650000"

#define NAMESPACES  (CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS               \
                     | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

static struct sock_fprog  policy;


static void
check(int rc, const char *what)
{
	if (rc < 0) {
		err(1, "%s", what);
	}
}


static uint64_t
now_us(void)
{
	struct timespec  t;

	check(clock_gettime(CLOCK_MONOTONIC, &t), "clock_gettime");

	return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}


static void
write_text(const char *path, const char *text)
{
	int  fd;

	check(fd = open(path, O_WRONLY | O_CLOEXEC), path);
	check((int) write(fd, text, strlen(text)), path);
	check(close(fd), path);
}


static void
load_policy(void)
{
	int    fd;
	off_t  size;

	check(fd = filter_compile(), "seccomp policy");
	check((int) (size = lseek(fd, 0, SEEK_END)), "lseek");

	policy.len = (unsigned short) ((size_t) size / sizeof(struct sock_filter));
	policy.filter = malloc((size_t) size);

	if (policy.filter == NULL
	    || pread(fd, policy.filter, (size_t) size, 0) != size)
	{
		err(1, "seccomp policy");
	}

	check(close(fd), "close");
}


/* Namespaces of an unprivileged user: a child that is still root outside
 * writes the map. */

static void
enter_namespaces(void)
{
	int    gate[2];
	char   path[64], c;
	pid_t  helper, parent = getpid();

	check(pipe(gate), "pipe");
	check(helper = fork(), "fork");

	if (helper == 0) {
		check((int) read(gate[0], &c, 1), "read");

		(void) snprintf(path, sizeof(path), "/proc/%d/uid_map", parent);
		write_text(path, "0 " HOST_UID " 1");
		(void) snprintf(path, sizeof(path), "/proc/%d/gid_map", parent);
		write_text(path, "0 " HOST_UID " 1");
		_exit(0);
	}

	check(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET), "unshare");
	check((int) write(gate[1], "", 1), "write");
	check(waitpid(helper, NULL, 0), "waitpid");
	check(setresgid(0, 0, 0), "setresgid");
	check(setresuid(0, 0, 0), "setresuid");
	check(prctl(PR_SET_DUMPABLE, 1), "dumpable");
}


static void
pivot(void)
{
	size_t             i;
	char               path[64];
	static const char  *const binds[] = { "/usr", "/etc", "/proc" };
	static const char  *const links[] = { "bin", "lib", "lib64" };

	check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private");
	check(mount("tmpfs", "/mnt", "tmpfs", MS_NOSUID | MS_NODEV, NULL),
	    "tmpfs");

	for (i = 0; i < sizeof(binds) / sizeof(binds[0]); i++) {
		(void) snprintf(path, sizeof(path), "/mnt%s", binds[i]);
		check(mkdir(path, 0755), path);
		check(mount(binds[i], path, NULL, MS_BIND | MS_REC, NULL), path);
	}

	for (i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		char  target[64];

		(void) snprintf(path, sizeof(path), "/mnt/%s", links[i]);
		(void) snprintf(target, sizeof(target), "usr/%s", links[i]);
		check(symlink(target, path), path);
	}

	check(mkdir("/mnt/home", 0755), "home");
	check(symlink("home", "/mnt/tmp"), "tmp");
	check(chdir("/mnt"), "chdir");
	check((int) syscall(SYS_pivot_root, ".", "."), "pivot_root");
	check(umount2(".", MNT_DETACH), "umount");
	check(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY
	            | MS_NOSUID | MS_NODEV, NULL), "read-only");
}


static void
jail(int output)
{
	write_text("/proc/self/uid_map", "1000 0 1");
	write_text("/proc/self/setgroups", "deny");
	write_text("/proc/self/gid_map", "1000 0 1");

	check(mount("proc", "/proc", "proc",
	            MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
	            "subset=pid,hidepid=invisible"), "proc");
	check(mount("tmpfs", "/home", "tmpfs", MS_NOSUID | MS_NODEV,
	            "size=64m,nr_inodes=4096,mode=0777"), "tmpfs");
	check(chdir("/home"), "chdir");
	check(dup2(output, 1), "dup2");
	check((int) close_range(3, ~0U, 0), "close_range");
	check(privileges_drop(), "capabilities");
	check((int) syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &policy),
	    "seccomp");
}


/* In the child; a program that raises exits with 1. */

static _Noreturn void
run_program(const char *program, int output)
{
	jail(output);

	if (PyRun_SimpleString(program) != 0
	    || PyRun_SimpleString("import sys; sys.stdout.flush()") != 0)
	{
		_exit(1);
	}

	_exit(0);
}


static void
one_run(const char *program, const char *expected)
{
	int                ends[2], status;
	char               text[4096];
	pid_t              pid;
	size_t             size = 0;
	ssize_t            n;
	struct clone_args  args = { .flags = NAMESPACES,
	                            .exit_signal = SIGCHLD };

	check(pipe2(ends, O_CLOEXEC), "pipe");

	PyOS_BeforeFork();
	check(pid = (pid_t) syscall(SYS_clone3, &args, sizeof(args)), "clone3");

	if (pid == 0) {
		PyOS_AfterFork_Child();
		run_program(program, ends[1]);
	}

	PyOS_AfterFork_Parent();
	check(close(ends[1]), "close");

	while ((n = read(ends[0], text + size, sizeof(text) - 1 - size)) > 0) {
		size += (size_t) n;
	}

	text[size] = '\0';

	check(close(ends[0]), "close");
	check(waitpid(pid, &status, 0), "waitpid");

	if (status != 0 || strstr(text, expected) == NULL) {
		errx(1, "status %d, output: %s", status, text);
	}
}


static void
one_round(const char *program, double seconds, const char *expected)
{
	uint64_t  began, t, now;

	began = now = now_us();

	while (now < began + (uint64_t) (seconds * 1e6)) {
		t = now;
		one_run(program, expected);
		now = now_us();

		(void) printf("%llu\n", (unsigned long long) (now - t));
	}

	(void) printf("elapsed %llu\n", (unsigned long long) (now - began));
	(void) fflush(stdout);
}


static void
warm_up(char **module)
{
	char      line[128];
	PyConfig  config;

	PyConfig_InitPythonConfig(&config);

	if (PyStatus_Exception(Py_InitializeFromConfig(&config))) {
		errx(1, "Python");
	}

	PyConfig_Clear(&config);

	for (; *module != NULL; module++) {
		(void) snprintf(line, sizeof(line), "import %s", *module);
		check(PyRun_SimpleString(line), line);

		/* The first figure of a process is the slowest. */

		if (strcmp(*module, "matplotlib.pyplot") == 0) {
			check(PyRun_SimpleString(
			    "import io; matplotlib.pyplot.figure()\n"
			    "matplotlib.pyplot.plot([0, 1])\n"
			    "matplotlib.pyplot.savefig(io.BytesIO())\n"
			    "matplotlib.pyplot.close('all')"), "warm-up");
		}
	}

	check(PyRun_SimpleString("import gc; gc.collect(); gc.freeze()"), "gc");
}


int
main(int argc, char **argv)
{
	char         line[64];
	FILE        *f;
	static char  program[1 << 16];

	if (argc < 3) {
		errx(2, "usage: floor PROGRAM-FILE EXPECTED-TEXT [MODULE...]");
	}

	f = fopen(argv[1], "r");
	if (f == NULL) {
		err(1, "%s", argv[1]);
	}

	program[fread(program, 1, sizeof(program) - 1, f)] = '\0';
	(void) fclose(f);

	warm_up(argv + 3);
	load_policy();
	enter_namespaces();
	pivot();

	(void) printf("ready\n");
	(void) fflush(stdout);

	while (fgets(line, sizeof(line), stdin) != NULL) {
		one_round(program, atof(line), argv[2]);
	}

	return 0;
}
