/*
 * Copyright (C) The codeexec authors.
 *
 * codeexecd [-t | --check] -c FILE [-p FILE]
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "codeexecd.h"
#include "filter.h"
#include "layers.h"
#include "rootless.h"
#include "systemd.h"

#define FDS_PER_SLOT    24
#define FDS_OTHER       (CLIENTS_MAX + 512)

struct event_base  *loop;
int                 filter_fd = -1;

static int   inherited;    /* listening sockets that we were given */
static bool  failed;


static _Noreturn void
usage(void)
{
	(void) fprintf(stderr,
	    "usage: codeexecd -c FILE            run in the foreground\n"
	    "       codeexecd -c FILE -p FILE    and keep a pid file\n"
	    "       codeexecd -t -c FILE         test the configuration\n"
	    "       codeexecd --check [-c FILE]  attack the sandbox, say what "
	    "holds\n"
	    "       codeexecd -v                 print the version\n");
	exit(2);
}


static void
stop(evutil_socket_t sig, short what, void *data)
{
	(void) what;
	(void) data;

	log_info("signal %d: stopping", (int) sig);

	stopping = true;
	systemd_notify("STOPPING=1");
	(void) event_base_loopbreak(loop);
}


static void
reload(evutil_socket_t sig, short what, void *data)
{
	(void) sig;
	(void) what;
	(void) data;

	log_info("SIGHUP: starting new interpreters");
	runtimes_reload();
}


void
stop_failed(void)
{
	failed = stopping = true;
	(void) event_base_loopbreak(loop);
}


static void
write_pid(const char *path)
{
	FILE  *f;

	f = fopen(path, "we");

	if (f == NULL || fprintf(f, "%d\n", (int) getpid()) < 0
	    || fclose(f) != 0)
	{
		fatal("\"%s\"", path);
	}
}


/*
 * What the shell that started us had open or set is no business of the runs.
 * Descriptors 0 to 2 exist, so that none of ours takes their place; after
 * them come the listening sockets that we were given.
 */

static void
clean_process(void)
{
	int            fd, sig;
	sigset_t       none;
	struct rlimit  limit;

	for (sig = 1; sig < NSIG; sig++) {
		(void) signal(sig, SIG_DFL);
	}

	(void) sigemptyset(&none);
	(void) sigprocmask(SIG_SETMASK, &none, NULL);
	(void) umask(0022);

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd < 3);

	(void) close_range((unsigned) (SYSTEMD_FDS + inherited), ~0U, 0);

	/* 0 would still feed a core pipe, and runs can't raise it to 1. */

	limit.rlim_cur = limit.rlim_max = 1;
	(void) setrlimit(RLIMIT_CORE, &limit);

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
		fatal("getrlimit");
	}

	limit.rlim_cur = FDS_OTHER
	    + FDS_PER_SLOT * config.slots * config.runtimes;

	if (limit.rlim_max < limit.rlim_cur) {
		limit.rlim_max = limit.rlim_cur;
	}

	if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
		fatal("setrlimit(RLIMIT_NOFILE, %llu)",
		    (unsigned long long) limit.rlim_cur);
	}

	(void) signal(SIGPIPE, SIG_IGN);

	/* An ordinary user's process that is not dumpable may not look at
	 * itself in /proc. */

	(void) prctl(PR_SET_DUMPABLE, geteuid() != 0, 0, 0, 0);
}


static void
watch_signals(void)
{
	size_t               i;
	static struct event  events[4];

	static const struct {
		int                 number;
		event_callback_fn   callback;
	} signals[] = {
		{ SIGTERM, stop }, { SIGINT, stop }, { SIGQUIT, stop },
		{ SIGHUP, reload }
	};

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		(void) evsignal_assign(&events[i], loop, signals[i].number,
		    signals[i].callback, NULL);
		(void) event_add(&events[i], NULL);
	}
}


/* Deadlines are of the precise clock: with the other one a run could be
 * stopped some milliseconds before its time. */

static struct event_base *
new_loop(void)
{
	struct event_base    *base;
	struct event_config  *options;

	options = event_config_new();

	if (options == NULL
	    || event_config_set_flag(options, EVENT_BASE_FLAG_PRECISE_TIMER)
	        != 0)
	{
		return NULL;
	}

	base = event_base_new_with_config(options);
	event_config_free(options);

	return base;
}


static int
begin(void)
{
	inherited = systemd_sockets();
	if (inherited < 0) {
		fatal("LISTEN_FDS");
	}

	clean_process();

	loop = new_loop();
	if (loop == NULL) {
		return -1;
	}

	/* Where the kernel takes no filters it is the probe that says so. */

	filter_fd = filter_compile();

	watch_signals();

	return 0;
}


static void
end(void)
{
	jobs_refuse();
	clients_stop();
	runtimes_stop();
}


static int
check(const char *path)
{
	check_prepare(path);

	if (begin() != 0) {
		return 1;
	}

	rootless_enter();
	cgroup_init();
	layers_probe();

	if (layers_suffice()) {
		runtimes_start();
		check_run();
		stopping = true;
		end();
	}

	cgroup_cleanup();

	return check_report();
}


/* The session keyring of whoever starts us has keys, and runs would inherit
 * it.  The policy has no keyctl() for them; this is the second lock. */

static void
leave_keyring(void)
{
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0
	    && errno != ENOSYS)
	{
		log_warn("can't leave the session keyring: %s",
		    strerror(errno));
	}
}


static int
serve(const char *pid_path)
{
	if (begin() != 0) {
		return 1;
	}

	leave_keyring();

	clients_listen(inherited);
	rootless_enter();
	cgroup_init();
	layers_probe();

	if (layers_review() != 0) {
		clients_refuse();
		cgroup_cleanup();
		return 1;
	}

	runtimes_start();

	if (pid_path != NULL) {
		write_pid(pid_path);
	}

	(void) event_base_dispatch(loop);

	clients_refuse();
	end();
	cgroup_cleanup();

	if (pid_path != NULL) {
		(void) unlink(pid_path);
	}

	log_info("stopped");

	return failed;
}


int
main(int argc, char **argv)
{
	int                         c, test;
	bool                        attack;
	const char                 *path, *pid_path;
	static const struct option  options[] = {
		{ "check", no_argument, NULL, 'C' },
		{ NULL, 0, NULL, 0 }
	};

	test = 0;
	attack = false;
	path = pid_path = NULL;

	while ((c = getopt_long(argc, argv, "c:p:tv", options, NULL)) != -1) {
		switch (c) {

		case 'c':
			path = optarg;
			break;

		case 'p':
			pid_path = optarg;
			break;

		case 'C':
			attack = true;
			break;

		case 't':
			test = 1;
			break;

		case 'v':
			(void) printf("codeexecd %s\n", CODEEXEC_VERSION);
			return 0;

		default:
			usage();
		}
	}

	if (path == NULL && attack) {
		path = CODEEXEC_CONF;
	}

	if (path == NULL || optind != argc) {
		usage();
	}

	if (config_load(path) != 0) {
		return 1;
	}

	if (test) {
		log_info("the configuration file %s is fine", path);
		return 0;
	}

	return attack ? check(path) : serve(pid_path);
}
