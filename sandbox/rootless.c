/*
 * Copyright (C) The codeexec authors.
 *
 *   codeexecd                            its mapper
 *   --------------------------------     ---------------------------------
 *   fork  ---------------------------->  wait
 *   enter a user namespace
 *   close the pipe  ------------------>  newuidmap, newgidmap
 *   wait for its end  <----------------  exit
 *   or else map the one uid that is ours
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codeexecd.h"
#include "rootless.h"

#define MAPPERS  "/usr/bin/"

bool  rootless;
bool  shared_uid;
char  shared_uid_why[80];

static uid_t  own_uid;


/*
 * Lines of /etc/subuid: "name:first:count", or a uid for the name.  Where
 * "uids" is in the range, as for a second codeexecd of the same user, the
 * numbers are the same inside and outside.
 */

static bool
find_range(const char *path, const char *name, unsigned long needed,
    unsigned long *first)
{
	char           line[512], user[256], number[32];
	FILE          *f;
	bool           found;
	unsigned long  count;

	(void) snprintf(number, sizeof(number), "%u", (unsigned) own_uid);

	f = fopen(path, "re");
	if (f == NULL) {
		return false;
	}

	for (found = false; !found && fgets(line, sizeof(line), f) != NULL; ) {
		found = sscanf(line, "%255[^:]:%lu:%lu", user, first, &count)
		        == 3
		    && (strcmp(user, name) == 0 || strcmp(user, number) == 0)
		    && count >= needed;
	}

	(void) fclose(f);

	if (found && config.uids >= *first
	    && config.uids + needed <= *first + count)
	{
		*first = (unsigned long) config.uids;
	}

	return found;
}


/* In the mapper. */

static int
run_mapper(const char *program, pid_t target, unsigned own,
    unsigned long first, unsigned long count)
{
	int    i, status;
	pid_t  pid;
	char   path[64], numbers[6][24];
	char  *argv[9] = { path, NULL };
	char  *envp[] = { NULL };

	(void) snprintf(path, sizeof(path), MAPPERS "%s", program);
	(void) snprintf(numbers[0], sizeof(numbers[0]), "%u", own);
	(void) snprintf(numbers[1], sizeof(numbers[1]), "%llu",
	    (unsigned long long) config.uids);
	(void) snprintf(numbers[2], sizeof(numbers[2]), "%lu", first);
	(void) snprintf(numbers[3], sizeof(numbers[3]), "%lu", count);
	(void) snprintf(numbers[4], sizeof(numbers[4]), "%d", (int) target);

	/* PROGRAM PID 0 OWN 1 UIDS FIRST COUNT */

	argv[1] = numbers[4];
	argv[2] = (char *) "0";
	argv[3] = numbers[0];
	argv[4] = (char *) "1";

	for (i = 0; i < 3; i++) {
		argv[5 + i] = numbers[1 + i];
	}

	argv[8] = NULL;

	pid = fork();

	if (pid == 0) {
		(void) execve(path, argv, envp);
		_exit(127);
	}

	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0
	    ? 0 : -1;
}


static _Noreturn void
mapper(int gate, pid_t target, unsigned long count)
{
	char            c;
	unsigned long   uids, gids;
	struct passwd  *pw;

	pw = getpwuid(own_uid);

	if (pw == NULL
	    || !find_range("/etc/subuid", pw->pw_name, count, &uids)
	    || !find_range("/etc/subgid", pw->pw_name, count, &gids))
	{
		_exit(2);
	}

	if (access(MAPPERS "newuidmap", X_OK) != 0
	    || access(MAPPERS "newgidmap", X_OK) != 0)
	{
		_exit(3);
	}

	if (read(gate, &c, 1) != 0
	    || run_mapper("newuidmap", target, own_uid, uids, count) != 0)
	{
		_exit(4);
	}

	_exit(run_mapper("newgidmap", target, getgid(), gids, count) == 0
	    ? 0 : 5);
}


static void
write_own(const char *path, const char *text)
{
	int     fd;
	size_t  length = strlen(text);

	fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, length) != (ssize_t) length) {
		fatal("%s", path);
	}

	(void) close(fd);
}


/* The group of before is ours as well, and others can't be given up. */

static void
map_own(gid_t gid)
{
	char  map[64];

	write_own("/proc/self/setgroups", "deny");

	(void) snprintf(map, sizeof(map), "0 %u 1\n", (unsigned) own_uid);
	write_own("/proc/self/uid_map", map);

	(void) snprintf(map, sizeof(map), "0 %u 1\n", (unsigned) gid);
	write_own("/proc/self/gid_map", map);
}


static const char *
why_shared(int status)
{
	switch (WIFEXITED(status) ? WEXITSTATUS(status) : -1) {

	case 2:
		return "no range of that size in /etc/subuid and /etc/subgid";

	case 3:
		return "no newuidmap and newgidmap";

	default:
		return "newuidmap has failed";
	}
}


void
rootless_enter(void)
{
	int            gate[2], status;
	pid_t          pid;
	gid_t          gid = getgid();
	unsigned long  count;

	own_uid = getuid();

	if (geteuid() == 0) {
		return;
	}

	rootless = true;
	count = (unsigned long) (config.runtimes * (config.slots + 1));

	if (pipe2(gate, O_CLOEXEC) != 0) {
		fatal("pipe");
	}

	pid = fork();

	if (pid == 0) {
		(void) close(gate[1]);
		mapper(gate[0], getppid(), count);
	}

	if (pid < 0 || unshare(CLONE_NEWUSER) != 0) {
		fatal("codeexecd is not root, and can't make a user namespace");
	}

	(void) close(gate[0]);
	(void) close(gate[1]);

	if (waitpid(pid, &status, 0) != pid) {
		fatal("waitpid");
	}

	if (WIFEXITED(status) && WEXITSTATUS(status) == 5) {
		errno = EPERM;
		fatal("newgidmap has failed");
	}

	if (status != 0) {
		shared_uid = true;
		(void) snprintf(shared_uid_why, 80, "%s", why_shared(status));
		map_own(gid);

	} else if (setgroups(0, NULL) != 0) {
		fatal("setgroups");
	}

	log_info("started by uid %u, not by root: the uids of runs are %s",
	    (unsigned) own_uid, shared_uid ? "its own"
	    : "of its range in /etc/subuid");
}


uid_t
rootless_outside(uid_t uid)
{
	if (!rootless) {
		return uid;
	}

	return uid == 0 ? own_uid : (uid_t) -1;
}
