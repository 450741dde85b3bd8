/*
 * Copyright (C) The codeexec authors.
 */

#define _GNU_SOURCE

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "codeexecd.h"

#define KB  1024ull
#define MB  (1024 * KB)

#define WALL_MS     30000      /* of one attack */
#define PATIENCE_S  90         /* until every tier has parked a run */
#define FAILURES    3          /* in a row, after which there is no point */
#define LOOK_US     20000

#define BREACH_REMEDY                                                         \
    "let nobody use it, and report it as SECURITY.md says"

enum { UNPROVEN, HOLDS, BREACHED };

static struct verdict {
	int   state;
	char  text[200];
} verdicts[LAYERS];

bool                 checking;
static const char   *conf_path;
static struct event  look;
static uint64_t      deadline;


__attribute__((format(printf, 3, 0)))
static void
set(enum layer_id id, int state, const char *fmt, va_list args)
{
	struct verdict  *v = &verdicts[id];

	if (v->state == BREACHED) {
		return;
	}

	v->state = state;
	(void) vsnprintf(v->text, sizeof(v->text), fmt, args);
}


void
check_holds(enum layer_id id, const char *fmt, ...)
{
	va_list  args;

	va_start(args, fmt);
	set(id, HOLDS, fmt, args);
	va_end(args);
}


void
check_breach(enum layer_id id, const char *fmt, ...)
{
	va_list  args;

	va_start(args, fmt);
	set(id, BREACHED, fmt, args);
	va_end(args);
}


static void
at_most(uint64_t *limit, uint64_t most)
{
	*limit = *limit < most ? *limit : most;
}


static void
at_least(uint64_t *limit, uint64_t least)
{
	*limit = *limit > least ? *limit : least;
}


void
check_prepare(const char *path)
{
	char            name[96];
	unsigned        i, k;
	struct limits  *l = &config.limits;

	checking = true;
	conf_path = path;
	log_warnings_only();

	at_most(&l->memory, 256 * MB);
	at_most(&l->disk, l->memory / 4);
	at_most(&l->inodes, 4096);
	at_most(&l->processes, 64);
	at_least(&l->code, 256 * KB);
	at_least(&l->input, 256 * KB);
	at_least(&l->output, 64 * KB);
	at_least(&config.queue, 1);
	l->wall_ms = l->max_wall_ms = config.queue_ms = WALL_MS;

	/* Two of one tier, to be compared with each other. */

	config.runs = config.slots = 1;

	for (i = 0; i < config.runtimes; i++) {
		for (k = 0; k < config.runtime[i].tiers; k++) {
			config.runtime[i].tier[k].spare = k == 0 ? 2 : 1;
			config.slots += config.runtime[i].tier[k].spare;
		}
	}

	if (config.cgroup[0] != '\0') {
		(void) snprintf(name, sizeof(name), "%.40s-check-%d",
		    config.cgroup, (int) getpid());
		config.cgroup = xstrdup(name);
	}

	(void) setenv(CHECK_CANARY, "canary", 1);
}


/* 1 when every tier has parked what it should, -1 when it never will. */

static int
is_ready(void)
{
	int              rc;
	unsigned         i, k;
	struct tier     *tier;
	struct runtime  *rt;

	for (i = 0, rc = 1; i < config.runtimes; i++) {
		rt = &runtimes[i];

		if (rt->builder.failures >= FAILURES || rt->pauses >= FAILURES)
		{
			return -1;
		}

		for (k = 0; k < rt->tiers; k++) {
			tier = &rt->tier[k];

			if (tier->zygotes[0].process.failures >= FAILURES
			    || tier->zygotes[1].process.failures >= FAILURES) {
				return -1;
			}

			if (tier->parked < tier->config->spare) {
				rc = 0;
			}
		}
	}

	return rc != 0 ? rc : now_us() < deadline ? 0 : -1;
}


static void
stop_loop(void)
{
	(void) event_base_loopbreak(loop);
}


static void
look_again(evutil_socket_t fd, short what, void *data)
{
	int             ready;
	struct timeval  tv = { 0, LOOK_US };

	(void) fd;
	(void) what;
	(void) data;

	ready = is_ready();

	if (ready == 0) {
		(void) evtimer_add(&look, &tv);

	} else if (ready < 0) {
		log_warn("no run could be made that is worth an attack");
		stop_loop();

	} else {
		outside_look();
		attack_start(conf_path, stop_loop);
	}
}


void
check_run(void)
{
	deadline = now_us() + PATIENCE_S * 1000000ull;

	(void) evtimer_assign(&look, loop, look_again, NULL);
	look_again(-1, 0, NULL);

	(void) event_base_dispatch(loop);
	(void) evtimer_del(&look);
	targets_remove();
}


static void
print_line(enum layer_id id, const char *word, const char *fmt, ...)
{
	va_list  args;

	(void) printf("%-18s %-5s ", layers[id].name, word);

	va_start(args, fmt);
	(void) vprintf(fmt, args);
	va_end(args);

	(void) putchar('\n');
}


/* Returns whether the layer holds, or need not. */

static bool
print_layer(enum layer_id id)
{
	bool                   allowed;
	const char            *fail, *note;
	const struct layer    *l = &layers[id];
	const struct verdict  *v = &verdicts[id];

	allowed = !l->mandatory || layer_allowed(id);
	note = l->mandatory && allowed ? " (allow_missing)" : "";
	fail = l->mandatory ? "FAIL" : "WARN";

	if (l->missing && id == LAYER_LANDLOCK) {
		print_line(id, "SKIP", "%s", l->how);

	} else if (l->missing) {
		print_line(id, fail, "%s%s. Remedy: %s.", l->how, note,
		    l->remedy);

	} else if (v->state == BREACHED) {
		print_line(id, fail, "%s: %s%s. Remedy: %s.", l->how, v->text,
		    note, BREACH_REMEDY);

	} else if (v->state == UNPROVEN && l->mandatory) {
		print_line(id, "SKIP", "%s: not attacked%s", l->how, note);
		return allowed;

	} else {
		print_line(id, "PASS", "%s%s%s", l->how,
		    v->state == HOLDS ? "; " : "", v->text);
		return true;
	}

	return allowed;
}


int
check_report(void)
{
	int       id;
	unsigned  bad;

	for (id = 0, bad = 0; id < LAYERS; id++) {
		bad += !print_layer((enum layer_id) id);
	}

	if (bad == 0) {
		(void) printf("every mandatory layer holds, or is named in "
		    "allow_missing\n");
	} else {
		(void) printf("%u mandatory layers do not hold\n", bad);
	}

	return fflush(stdout) == 0 && bad == 0 ? 0 : 1;
}
