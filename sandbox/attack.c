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
#include <glob.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "check.h"
#include "codeexecd.h"

#define PROGRAM_MAX  65536

static void  judge_surface(json_t *result);
static void  judge_memory(json_t *result);
static void  judge_cpu(json_t *result);
static void  judge_foreign(json_t *result);

static const struct attack {
	const char      *name;
	enum layer_id    layer;         /* in the way, or one of several */
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
	void               (*done)(void);
	unsigned             runtime;
	unsigned             number;
	struct bufferevent  *wire;
	struct wire_reader   reader;
	struct evbuffer     *part[3];       /* RESULT, STDOUT, STDERR */
	struct event         next;
} attack;


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


static void
judge_cpu(json_t *result)
{
	double  wall, cpu;

	wall = (double) json_integer_value(json_object_get(result, "time_us"));
	cpu = (double) json_integer_value(json_object_get(result, "cpu_us"));

	if (config.limits.cpus == 0 || targets_loops() <= config.limits.cpus) {
		check_holds(LAYER_CPU, "not more than there are");
		return;
	}

	/* What the kernel lends within a period is paid back in the next. */

	if (wall > 0 && cpu <= config.limits.cpus * (wall + 200000)) {
		check_holds(LAYER_CPU, "%u loops had %.2f", targets_loops(),
		    cpu / wall);
	} else {
		check_breach(LAYER_CPU, "%u loops had %.2f processors",
		    targets_loops(), wall > 0 ? cpu / wall : 0.0);
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


static void
send_frame(enum wire_type type, const void *data, size_t size)
{
	frame_add(bufferevent_get_output(attack.wire), type, data, size);
}


static void
send_attack(const char *language, const char *program, size_t size)
{
	char    *text, *vars;
	json_t  *object;

	object = json_pack("{s:s}", "language", language);
	text = json_dumps(object, JSON_COMPACT);
	json_decref(object);

	if (text == NULL) {
		fatal("out of memory");
	}

	vars = targets_text(attacks[attack.number].name);

	send_frame(WIRE_JOB, text, strlen(text));
	send_frame(WIRE_CODE, program, size);
	send_frame(WIRE_VARS, vars, strlen(vars));
	send_frame(WIRE_RUN, NULL, 0);

	free(text);
	free(vars);
}


/* The runtime's check.*, whatever its language calls it. */

static ssize_t
read_program(const char *kind, char *program, size_t size)
{
	char     pattern[512];
	glob_t   found;
	ssize_t  n;

	(void) snprintf(pattern, sizeof(pattern), "%s/%s/check.*",
	    config.library, kind);

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
		attack.done();
		return;
	}

	language = config.runtime[attack.runtime].name;
	n = read_program(config.runtime[attack.runtime].kind->name, program,
	    sizeof(program));

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


void
attack_start(const char *path, void (*done)(void))
{
	attack.done = done;
	targets_plant(path);

	(void) event_assign(&attack.next, loop, -1, 0, next_attack, NULL);
	(void) event_active(&attack.next, EV_TIMEOUT, 1);
}
