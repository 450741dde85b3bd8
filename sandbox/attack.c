/*
 * Copyright (C) The codeexec authors.
 *
 * Sends the attacks: a client of codeexecd inside of codeexecd, at the other
 * end of a socket pair.  The program is the runtime's own (check.py); it is
 * run once for each attack, since some of them end it.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <event2/bufferevent.h>
#include <fcntl.h>
#include <glob.h>
#include <jansson.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"
#include "codeexecd.h"
#include "landlock.h"

#define PROGRAM_MAX  65536
#define CANARY       "CODEEXEC_CHECK"

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

static void  judge_surface(json_t *result);
static void  judge_memory(json_t *result);
static void  judge_cpu(json_t *result);
static void  judge_foreign(json_t *result);

static const struct attack {
	const char      *name;
	enum layer_id    layer;         /* in the way, or the first of several */
	void           (*judge)(json_t *result);
} attacks[] = {
	{ "surface", LAYER_NAMESPACES, judge_surface },
	{ "foreign", LAYER_SYSCALLS, judge_foreign },
	{ "disk", LAYER_DISK, judge_surface },
	{ "processes", LAYER_PROCESSES, judge_surface },
	{ "memory", LAYER_MEMORY, judge_memory },
	{ "cpu", LAYER_CPU, judge_cpu },
};

#define ATTACKS  (sizeof(attacks) / sizeof(attacks[0]))

static struct {
	const char          *conf;
	void               (*done)(void);
	unsigned             runtime;
	unsigned             number;
	struct bufferevent  *wire;
	struct wire_reader   reader;
	struct evbuffer     *part[3];       /* RESULT, STDOUT, STDERR */
	struct event         next;
	char                 canary[64];    /* a file of the machine */
	char                 abstract[64];
	int                  listener;
} attack = { .listener = -1 };


static const char *
text_of(struct evbuffer *part)
{
	(void) evbuffer_add(part, "", 1);

	return (const char *) evbuffer_pullup(part, -1);
}


/* The last line, which is where an interpreter says what went wrong. */

static const char *
last_line(char *text)
{
	char    *p;
	size_t   n;

	n = strlen(text);

	while (n > 0 && text[n - 1] == '\n') {
		text[--n] = '\0';
	}

	p = strrchr(text, '\n');

	return p != NULL ? p + 1 : text;
}


static void
judge_line(const char *line)
{
	int   id;
	char  name[32], what[160], sign;

	if (sscanf(line, "%c %31s %159[^\n]", &sign, name, what) != 3
	    || (id = layer_find(name)) < 0)
	{
		return;
	}

	if (sign == '+') {
		check_holds((enum layer_id) id, "%s", what);
	} else {
		check_breach((enum layer_id) id, "%s", what);
	}
}


/* The program's own word: nobody was there to make it lie. */

static void
judge_surface(json_t *result)
{
	char        *text, *line, *save;
	const char  *status;

	text = xstrdup(text_of(attack.part[1]));

	for (line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save))
	{
		judge_line(line);
	}

	free(text);

	status = json_string_value(json_object_get(result, "status"));

	if (status == NULL || strcmp(status, "ok") != 0) {
		text = xstrdup(text_of(attack.part[2]));

		check_breach(attacks[attack.number].layer,
		    "the attack did not come to its end: %s %.90s",
		    status != NULL ? status : "no answer", last_line(text));
		free(text);
	}
}


static void
judge_memory(json_t *result)
{
	const char  *status;

	status = json_string_value(json_object_get(result, "status"));

	if (status != NULL && strcmp(status, "memory") == 0) {
		check_holds(LAYER_MEMORY, "a run that wanted more was killed");
		return;
	}

	check_breach(LAYER_MEMORY, "a run that wanted %llu MB: %s",
	    (unsigned long long) (config.limits.memory >> 20) + 64,
	    status != NULL ? status : "no answer");
}


/* One more than it may have, if there are as many. */

static unsigned
loops(void)
{
	long      n;
	unsigned  wanted;

	n = sysconf(_SC_NPROCESSORS_ONLN);
	wanted = (unsigned) config.limits.cpus + 1;

	wanted = wanted > (unsigned) n ? (unsigned) n : wanted;

	return wanted > config.limits.processes
	    ? (unsigned) config.limits.processes : wanted;
}


static void
judge_cpu(json_t *result)
{
	double  wall, cpu;

	wall = (double) json_integer_value(json_object_get(result, "time_us"));
	cpu = (double) json_integer_value(json_object_get(result, "cpu_us"));

	if (config.limits.cpus == 0 || loops() <= config.limits.cpus) {
		check_holds(LAYER_CPU, "not more than there are");
		return;
	}

	/* What the kernel lends within a period is paid back in the next. */

	if (wall > 0 && cpu <= config.limits.cpus * (wall + 200000)) {
		check_holds(LAYER_CPU, "%u loops had %.2f", loops(),
		    cpu / wall);
	} else {
		check_breach(LAYER_CPU, "%u loops had %.2f processors",
		    loops(), wall > 0 ? cpu / wall : 0.0);
	}
}


/* SIGSYS is the policy's; SIGSEGV is of a kernel without that entry point. */

static void
judge_foreign(json_t *result)
{
	json_int_t  sig;

	sig = json_integer_value(json_object_get(result, "signal"));

	if (sig != SIGSYS && sig != SIGSEGV && sig != SIGABRT) {
		check_breach(LAYER_SYSCALLS, "another architecture's calls");
	}
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

	if (attack.canary[0] != '\0') {
		(void) json_array_append_new(array, json_string(attack.canary));
	}

	path = realpath(attack.conf, NULL);

	if (path != NULL && strncmp(path, "/usr/", 5) != 0) {
		(void) json_array_append_new(array, json_string(path));
	}

	free(path);

	return array;
}


/* They become variables of the program. */

static json_t *
variables(void)
{
	char            host[65] = "";
	struct rlimit   core;
	struct limits  *l = &config.limits;

	(void) gethostname(host, sizeof(host) - 1);
	(void) getrlimit(RLIMIT_CORE, &core);

	return json_pack("{s:s, s:o, s:[sss], s:o, s:s, s:s, s:s, s:s, s:[iii],"
	    " s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:i}",
	    "attack", attacks[attack.number].name,
	    "calls", call_numbers(),
	    "copying", "splice", "tee", "vmsplice",
	    "files", foreign_files(),
	    "canary", CANARY,
	    "abstract", attack.abstract,
	    "hostname", host,
	    "library", config.library,
	    "pids", (int) getpid(), (int) getppid(), (int) runtimes[0].pid,
	    "core", (json_int_t) core.rlim_max,
	    "memory", (json_int_t) l->memory,
	    "disk", (json_int_t) l->disk,
	    "inodes", (json_int_t) l->inodes,
	    "processes", (json_int_t) l->processes,
	    "open_files", (json_int_t) l->open_files,
	    "loops", (int) loops(),
	    "landlock", landlock_abi());
}


static void
send_frame(enum wire_type type, const void *data, size_t size)
{
	frame_add(bufferevent_get_output(attack.wire), type, data, size);
}


static void
send_attack(const char *language, const char *program, size_t size)
{
	char    *text;
	json_t  *object;

	object = json_pack("{s:s}", "language", language);
	text = json_dumps(object, JSON_COMPACT);
	json_decref(object);

	if (text == NULL) {
		fatal("out of memory");
	}

	send_frame(WIRE_JOB, text, strlen(text));
	free(text);

	object = variables();
	text = json_dumps(object, JSON_COMPACT);
	json_decref(object);

	if (text == NULL) {
		fatal("the variables of an attack");
	}

	send_frame(WIRE_CODE, program, size);
	send_frame(WIRE_VARS, text, strlen(text));
	send_frame(WIRE_RUN, NULL, 0);
	free(text);
}


/* The runtime's check.*, whatever its language calls it. */

static ssize_t
read_program(const char *runtime, char *program, size_t size)
{
	char     pattern[512];
	glob_t   found;
	ssize_t  n;

	(void) snprintf(pattern, sizeof(pattern), "%s/%s/check.*",
	    config.library, runtime);

	if (glob(pattern, 0, NULL, &found) != 0) {
		errno = ENOENT;
		return -1;
	}

	n = read_file(found.gl_pathv[0], program, size);
	globfree(&found);

	return n;
}


static void
conclude(void)
{
	json_t        *result;
	json_error_t   ignored;

	result = json_loads(text_of(attack.part[0]), 0, &ignored);
	attacks[attack.number].judge(result);
	json_decref(result);

	attack.number++;
	(void) event_active(&attack.next, EV_TIMEOUT, 1);
}


static void
frame_done(void)
{
	switch (attack.reader.type) {

	case WIRE_END:
		conclude();
		return;

	case WIRE_BUSY:
	case WIRE_REJECT:
		(void) evbuffer_drain(attack.part[0],
		    evbuffer_get_length(attack.part[0]));
		conclude();
		return;

	default:
		return;
	}
}


static void
readable(struct bufferevent *wire, void *data)
{
	size_t                size;
	const unsigned char  *pos, *last;
	struct evbuffer      *input = bufferevent_get_input(wire);

	(void) data;

	size = evbuffer_get_length(input);
	pos = evbuffer_pullup(input, -1);

	for (last = pos + size; ; ) {
		switch (wire_read(&attack.reader, &pos, last)) {

		case WIRE_HEADER:
			break;

		case WIRE_DATA:
			(void) evbuffer_add(attack.part[
			    attack.reader.type == WIRE_STDOUT ? 1
			    : attack.reader.type == WIRE_STDERR ? 2 : 0],
			    attack.reader.data, attack.reader.size);
			break;

		case WIRE_DONE:
			frame_done();
			break;

		default:
			(void) evbuffer_drain(input, size);
			return;
		}
	}
}


/* The run was lost with its runtime. */

static void
closed(struct bufferevent *wire, short what, void *data)
{
	(void) wire;
	(void) what;
	(void) data;

	conclude();
}


static void
disconnect(void)
{
	int  i;

	if (attack.wire == NULL) {
		return;
	}

	bufferevent_free(attack.wire);
	attack.wire = NULL;

	for (i = 0; i < 3; i++) {
		evbuffer_free(attack.part[i]);
	}
}


static void
connect_to_us(void)
{
	int  i, fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	               fds) != 0)
	{
		fatal("socketpair");
	}

	client_new(fds[0]);

	attack.wire = bufferevent_socket_new(loop, fds[1],
	    BEV_OPT_CLOSE_ON_FREE);

	for (i = 0; i < 3; i++) {
		attack.part[i] = evbuffer_new();
	}

	if (attack.wire == NULL || !attack.part[0] || !attack.part[1]
	    || !attack.part[2])
	{
		fatal("out of memory");
	}

	wire_reader_init(&attack.reader, WIRE_LENGTH_MAX);
	bufferevent_setcb(attack.wire, readable, NULL, closed, NULL);
	(void) bufferevent_enable(attack.wire, EV_READ | EV_WRITE);
}


static void
finish(void)
{
	if (attack.canary[0] != '\0') {
		(void) unlink(attack.canary);
	}

	close_fd(&attack.listener);
	attack.done();
}


/* An attack that nothing is in the way of would hit the machine. */

static bool
is_pointless(void)
{
	return layers[attacks[attack.number].layer].missing;
}


static void
next_attack(evutil_socket_t fd, short what, void *data)
{
	ssize_t      n;
	const char  *language;
	static char  program[PROGRAM_MAX];

	(void) fd;
	(void) what;
	(void) data;

	disconnect();

	while (attack.number < ATTACKS && is_pointless()) {
		attack.number++;
	}

	if (attack.number == ATTACKS) {
		attack.number = 0;
		attack.runtime++;
	}

	if (attack.runtime == config.runtimes) {
		finish();
		return;
	}

	language = config.runtime[attack.runtime].name;
	n = read_program(language, program, sizeof(program));

	if (n < 0) {
		log_warn("\"%s\" has no attacks (check.* in its directory): "
		    "%s", language, strerror(errno));
		attack.number = ATTACKS;
		(void) event_active(&attack.next, EV_TIMEOUT, 1);
		return;
	}

	connect_to_us();
	send_attack(language, program, (size_t) n);
}


/* Things of the machine that anybody there may read or connect to. */

static void
plant_canaries(void)
{
	int                 fd;
	size_t              n;
	struct sockaddr_un  sun = { .sun_family = AF_UNIX };

	(void) strcpy(attack.canary, "/tmp/codeexec-check-XXXXXX");
	fd = mkostemp(attack.canary, O_CLOEXEC);

	if (fd < 0 || fchmod(fd, 0644) != 0) {
		attack.canary[0] = '\0';
	}

	close_fd(&fd);

	(void) snprintf(attack.abstract, sizeof(attack.abstract),
	    "codeexec-check-%d", (int) getpid());
	n = strlen(attack.abstract);
	memcpy(sun.sun_path + 1, attack.abstract, n);

	attack.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (attack.listener < 0
	    || bind(attack.listener, (struct sockaddr *) &sun,
	            (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1
	                         + n)) != 0
	    || listen(attack.listener, 1) != 0)
	{
		fatal("bind(\"@%s\")", attack.abstract);
	}
}


void
attack_start(const char *path, void (*done)(void))
{
	attack.conf = path;
	attack.done = done;

	plant_canaries();

	(void) event_assign(&attack.next, loop, -1, 0, next_attack, NULL);
	(void) event_active(&attack.next, EV_TIMEOUT, 1);
}
