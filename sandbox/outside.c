/*
 * Copyright (C) The codeexec authors.
 *
 * What the kernel says of parked runs: nothing that a run could forge.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "codeexecd.h"

#define MOUNTS_MAX  64

struct mount {
	const char  *line;
	char         point[256];
	char         options[256];
};

static const char *const  namespaces[] = {
	"user", "pid", "mnt", "net", "ipc", "uts", "cgroup"
};


/* 0 for what can't be read. */

static ino_t
namespace(pid_t pid, const char *name)
{
	char         path[64];
	struct stat  st;

	(void) snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int) pid, name);

	return stat(path, &st) == 0 ? st.st_ino : 0;
}


static void
compare_namespaces(pid_t one, pid_t other, const char *whose)
{
	size_t  i;
	ino_t   its;

	for (i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++) {
		its = namespace(one, namespaces[i]);

		if (its == 0 || its == namespace(other, namespaces[i])) {
			check_breach(LAYER_NAMESPACES,
			    "the %s namespace of a run is %s", namespaces[i],
			    whose);
		}
	}
}


/* A process that has no filter, with every capability in the jail. */

static int
nest(int run)
{
	if (setns(run, CLONE_NEWUSER) != 0) {
		return errno;
	}

	return unshare(CLONE_NEWUSER) == 0 ? 0 : errno;
}


static void
look_at_nesting(const struct slot *slot)
{
	int    status;
	pid_t  pid;

	pid = fork();

	if (pid == 0) {
		_exit(nest(slot->run));
	}

	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
		return;
	}

	/* ENOSPC is what the kernel says for a limit of 0. */

	if (WEXITSTATUS(status) != ENOSPC && !layers[LAYER_NESTED].missing) {
		check_breach(LAYER_NESTED, "a user namespace in a jail, made "
		    "from outside: %s", strerror(WEXITSTATUS(status)));
	}
}


static void
look_at_mount(const struct mount *m)
{
	bool         nodes;
	const char  *point = m->point;

	nodes = strcmp(point, "/dev") == 0 || strncmp(point, "/dev/", 5) == 0;

	if (strstr(m->options, "nosuid") == NULL) {
		check_breach(LAYER_ROOT, "%.60s is not nosuid", point);
	}

	if (strcmp(point, "/home") != 0
	    && strncmp(m->options, "ro,", 3) != 0)
	{
		check_breach(LAYER_ROOT, "%.60s is writable", point);
	}

	if (!nodes && strstr(m->options, "nodev") == NULL) {
		check_breach(LAYER_DEVICES, "%.60s may have devices", point);
	}

	if (strcmp(point, "/proc") == 0
	    && strstr(m->line, "subset=pid") == NULL)
	{
		check_breach(LAYER_PROC, "all of it is there");
	}
}


/* Lines of mountinfo: "id parent dev root point options ...". */

static unsigned
split_mounts(char *text, struct mount *mounts)
{
	char      *line, *save;
	unsigned   n;

	n = 0;

	for (line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save))
	{
		if (n == MOUNTS_MAX
		    || sscanf(line, "%*s %*s %*s %*s %255s %255s",
		              mounts[n].point, mounts[n].options) != 2)
		{
			check_breach(LAYER_ROOT, "mounts that no jail has");
			return 0;
		}

		mounts[n++].line = line;
	}

	return n;
}


/* What a later mount covers, such as the pen's /proc, is out of reach. */

static void
look_at_mounts(pid_t pid)
{
	char                 path[64];
	unsigned             i, k, n;
	static char          text[65536];
	static struct mount  mounts[MOUNTS_MAX];

	(void) snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int) pid);

	if (read_file(path, text, sizeof(text)) <= 0) {
		check_breach(LAYER_ROOT, "its mounts can't be read");
		return;
	}

	n = split_mounts(text, mounts);

	for (i = 0; i < n; i++) {
		for (k = i + 1; k < n; k++) {
			if (strcmp(mounts[i].point, mounts[k].point) == 0) {
				break;
			}
		}

		if (k == n) {
			look_at_mount(&mounts[i]);
		}
	}
}


/* The four ids of a line of /proc/PID/status. */

static bool
are_all(const char *status, const char *field, uid_t id)
{
	unsigned     a, b, c, d;
	const char  *p;

	p = strstr(status, field);

	return p != NULL
	    && sscanf(p + strlen(field), "%u %u %u %u", &a, &b, &c, &d) == 4
	    && a == id && b == id && c == id && d == id;
}


static void
look_at_status(const struct slot *slot, pid_t pid)
{
	size_t                    i;
	char                      path[64], text[4096];
	static const char *const  sets[] = {
		"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"
	};

	(void) snprintf(path, sizeof(path), "/proc/%d/status", (int) pid);

	if (read_file(path, text, sizeof(text)) <= 0) {
		check_breach(LAYER_UIDS, "%s: %s", path, strerror(errno));
		return;
	}

	if (!are_all(text, "\nUid:", slot_uid(slot))
	    || !are_all(text, "\nGid:", slot_uid(slot)))
	{
		check_breach(LAYER_UIDS, "a run that is not uid %u",
		    (unsigned) slot_uid(slot));
	}

	/* Who shares the uid of codeexecd can't give up its groups either. */

	if (!layers[LAYER_UIDS].missing
	    && strstr(text, "\nGroups:\t \n") == NULL)
	{
		check_breach(LAYER_UIDS, "a run that has other groups, too");
	}

	for (i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		char  line[64];

		(void) snprintf(line, sizeof(line), "\n%s:\t%016x\n", sets[i],
		    0);

		if (strstr(text, line) == NULL) {
			check_breach(LAYER_CAPABILITIES, "%s is not empty",
			    sets[i]);
		}
	}

	if (strstr(text, "\nNoNewPrivs:\t1\n") == NULL) {
		check_breach(LAYER_CAPABILITIES, "no_new_privs is not set");
	}

	if (strstr(text, "\nSeccomp:\t2\n") == NULL) {
		check_breach(LAYER_SYSCALLS, "a run without a filter");
	}
}


static void
look_at_other(const struct slot *slot, pid_t pid, const struct slot *other)
{
	if (!layers[LAYER_UIDS].missing && slot_uid(slot) == slot_uid(other)) {
		check_breach(LAYER_UIDS, "two runs of uid %u",
		    (unsigned) slot_uid(slot));
	}

	compare_namespaces(pid, process_pid(other->run), "another run's, too");
}


void
outside_look(void)
{
	pid_t         pid;
	unsigned      n, seen;
	uint64_t      i;
	struct slot  *slot, *last;

	last = NULL;

	for (seen = n = 0; n < config.runtimes; n++) {
		for (i = 0; i < config.slots; i++) {
			slot = &runtimes[n].slots[i];

			if (slot->state != SLOT_PARKED) {
				continue;
			}

			seen++;
			pid = process_pid(slot->run);

			compare_namespaces(pid, getpid(), "the machine's");
			look_at_status(slot, pid);
			look_at_mounts(pid);
			look_at_nesting(slot);

			if (last != NULL) {
				look_at_other(slot, pid, last);
			}

			last = slot;
		}
	}

	check_holds(LAYER_UIDS, "seen from outside in %u runs", seen);
}
