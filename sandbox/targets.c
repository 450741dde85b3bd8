/*
 * Copyright (C) The codeexec authors.
 *
 * What the attacks of "codeexecd --check" are aimed at: calls, limits, and
 * some things of the machine that anybody there could read or connect to.
 */

#define _GNU_SOURCE

#include <fcntl.h>
#include <jansson.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"
#include "codeexecd.h"
#include "landlock.h"

/* Calls that no program may make: tried with arguments that the kernel itself
 * would find fault with in another way. */

static const char *const  calls[] = {
	"acct", "add_key", "bpf", "capset", "chroot", "clock_settime", "clone",
	"clone3", "delete_module", "fanotify_init", "finit_module", "fsconfig",
	"fsmount", "fsopen", "fspick", "init_module", "inotify_init1",
	"io_setup", "io_submit", "io_uring_enter", "io_uring_register",
	"io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_load", "keyctl",
	"landlock_restrict_self", "lookup_dcookie", "mbind", "memfd_secret",
	"migrate_pages", "modify_ldt", "mount", "mount_setattr", "move_mount",
	"move_pages", "mq_open", "msgget", "name_to_handle_at",
	"open_by_handle_at", "open_tree", "perf_event_open", "pidfd_getfd",
	"personality", "pivot_root", "process_madvise", "process_vm_readv",
	"process_vm_writev", "ptrace", "quotactl", "request_key", "seccomp",
	"semget", "setdomainname", "sethostname", "setns", "settimeofday",
	"setxattr", "shmget", "socketpair", "splice", "swapoff", "swapon",
	"syslog", "tee", "umount2", "unshare", "userfaultfd", "vmsplice",
};

/* Younger than the library that knows the names; the same everywhere. */

static const struct {
	const char  *name;
	int          number;
} young_calls[] = {
	{ "statmount", 457 }, { "listmount", 458 }, { "mseal", 462 },
	{ "setxattrat", 463 }, { "open_tree_attr", 467 },
};

static const char  *conf_path;
static char         canary[64];       /* a file */
static char         abstract[64];     /* a socket, without its NUL */
static int          listener = -1;


/* One more than it may have, if there are as many. */

unsigned
targets_loops(void)
{
	long      n;
	unsigned  wanted;

	n = sysconf(_SC_NPROCESSORS_ONLN);
	wanted = (unsigned) config.limits.cpus + 1;

	wanted = wanted > (unsigned) n ? (unsigned) n : wanted;

	return wanted > config.limits.processes
	    ? (unsigned) config.limits.processes : wanted;
}


static json_t *
call_numbers(void)
{
	int      number;
	size_t   i;
	json_t  *object;

	object = json_object();

	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		number = seccomp_syscall_resolve_name(calls[i]);

		if (number >= 0) {
			(void) json_object_set_new(object, calls[i],
			    json_integer(number));
		}
	}

	for (i = 0; i < sizeof(young_calls) / sizeof(young_calls[0]); i++) {
		(void) json_object_set_new(object, young_calls[i].name,
		    json_integer(young_calls[i].number));
	}

	return object;
}


/* What lies below /usr is there to be read, if the rootfs is the machine's. */

static json_t *
foreign_files(void)
{
	char    *path;
	json_t  *array;

	array = json_array();

	if (canary[0] != '\0') {
		(void) json_array_append_new(array, json_string(canary));
	}

	path = realpath(conf_path, NULL);

	if (path != NULL && strncmp(path, "/usr/", 5) != 0) {
		(void) json_array_append_new(array, json_string(path));
	}

	free(path);

	return array;
}


char *
targets_text(const char *attack)
{
	char            host[65] = "", *text;
	json_t         *object;
	struct rlimit   core;
	struct limits  *l = &config.limits;

	(void) gethostname(host, sizeof(host) - 1);
	(void) getrlimit(RLIMIT_CORE, &core);

	object = json_pack("{s:s, s:o, s:[sss], s:o, s:s, s:s, s:s, s:s, "
	    "s:[iii], s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:i}",
	    "attack", attack,
	    "calls", call_numbers(),
	    "copying", "splice", "tee", "vmsplice",
	    "files", foreign_files(),
	    "canary", CHECK_CANARY,
	    "abstract", abstract,
	    "hostname", host,
	    "library", config.library,
	    "pids", (int) getpid(), (int) getppid(), (int) runtimes[0].pid,
	    "core", (json_int_t) core.rlim_max,
	    "memory", (json_int_t) l->memory,
	    "disk", (json_int_t) l->disk,
	    "inodes", (json_int_t) l->inodes,
	    "processes", (json_int_t) l->processes,
	    "open_files", (json_int_t) l->open_files,
	    "loops", (int) targets_loops(),
	    "landlock", layers_landlock);

	text = json_dumps(object, JSON_COMPACT);
	json_decref(object);

	if (text == NULL) {
		fatal("the variables of an attack");
	}

	return text;
}


/* Things of the machine that anybody there may read or connect to. */

void
targets_plant(const char *path)
{
	int                 fd;
	size_t              n;
	struct sockaddr_un  sun = { .sun_family = AF_UNIX };

	conf_path = path;

	(void) strcpy(canary, "/tmp/codeexec-check-XXXXXX");
	fd = mkostemp(canary, O_CLOEXEC);

	if (fd < 0 || fchmod(fd, 0644) != 0) {
		canary[0] = '\0';
	}

	close_fd(&fd);

	(void) snprintf(abstract, sizeof(abstract),
	    "codeexec-check-%d", (int) getpid());
	n = strlen(abstract);
	memcpy(sun.sun_path + 1, abstract, n);

	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (listener < 0
	    || bind(listener, (struct sockaddr *) &sun,
	            (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1
	                         + n)) != 0
	    || listen(listener, 1) != 0)
	{
		fatal("bind(\"@%s\")", abstract);
	}
}


void
targets_remove(void)
{
	if (canary[0] != '\0') {
		(void) unlink(canary);
	}

	close_fd(&listener);
}
