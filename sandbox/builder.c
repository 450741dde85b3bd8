/*
 * Copyright (C) The codeexec authors.
 *
 * codeexec-builder ROOTFS LIBRARY SLOTS [PACKAGES], started by codeexecd alone.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "builder.h"

#define NAMESPACES  (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC \
                     | CLONE_NEWUTS | CLONE_NEWCGROUP)


void
die(const char *fmt, ...)
{
	int                 error = errno;
	char                step[256];
	va_list             args;
	struct spawn_reply  reply;

	va_start(args, fmt);
	(void) vsnprintf(step, sizeof(step), fmt, args);
	va_end(args);

	(void) fprintf(stderr, "codeexec-builder: %s: %s\n", step,
	    strerror(error));

	errno = error;
	spawn_reply_init(&reply, 0, 0, step);
	(void) spawn_send(SPAWN_CONTROL_FD, &reply, sizeof(reply), NULL, 0);

	exit(1);
}


static void
say_done(const char *what)
{
	struct spawn_reply  reply;

	spawn_reply_init(&reply, 0, 0, NULL);

	if (spawn_send(SPAWN_CONTROL_FD, &reply, sizeof(reply), NULL, 0) != 0)
	{
		die("%s", what);
	}
}


static void
wait_for_maps(void)
{
	unsigned            nfds = 0;
	struct spawn_reply  reply;

	if (spawn_recv(SPAWN_CONTROL_FD, &reply, sizeof(reply), NULL, &nfds, 0)
	    <= 0)
	{
		die("maps");
	}
}


/*
 * From here on the builder is root in its own user namespace only.  Its maps
 * can't be written from inside: codeexecd does it when it hears of us first.
 */

static void
give_up_root(void)
{
	if (unshare(NAMESPACES) != 0) {
		die("unshare");
	}

	say_done("unshare");
	wait_for_maps();

	if (setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0) {
		die("setresuid");
	}

	/* A change of uid clears it, and then /proc/PID/uid_map of our own
	 * children would belong to the host's root. */

	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0
	    || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
	{
		die("prctl");
	}

	if (sethostname("sandbox", 7) != 0) {
		die("sethostname");
	}

	say_done("setresuid");
}


static void
serve(struct builder *b)
{
	ssize_t             n;
	unsigned            nfds;
	struct spawn_build  request;

	for ( ;; ) {
		nfds = 0;

		n = spawn_recv(SPAWN_CONTROL_FD, &request, sizeof(request),
		    NULL, &nfds, 0);

		if (n <= 0) {
			exit(n < 0);
		}

		jail_build(b, &request);
	}
}


int
main(int argc, char **argv)
{
	uint32_t        i;
	struct builder  b;

	if (argc != 4 && argc != 5) {
		errno = EINVAL;
		die("usage: codeexec-builder ROOTFS LIBRARY SLOTS [PACKAGES]");
	}

	b.rootfs = argv[1];
	b.library = argv[2];
	b.slots = (uint32_t) strtoul(argv[3], NULL, 10);
	b.packages = argv[4];

	if (b.slots == 0 || b.slots > SLOTS_MAX) {
		errno = ERANGE;
		die("SLOTS");
	}

	if (getpid() != 1) {
		errno = EPERM;
		die("not process 1 of a pid namespace");
	}

	b.netns = malloc(b.slots * sizeof(int));
	if (b.netns == NULL) {
		die("malloc");
	}

	for (i = 0; i < b.slots; i++) {
		b.netns[i] = -1;
	}

	/* Inits of jails are reaped by the kernel. */

	(void) signal(SIGCHLD, SIG_IGN);
	(void) prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);

	template_build(&b);
	give_up_root();
	serve(&b);
}
