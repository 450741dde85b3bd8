/*
 * Copyright (C) The codeexec authors.
 *
 * The node side of the zygote, in Node-API and libuv.
 *
 *   zygote.js: require()   threads frozen
 *              inspect()   after each module
 *              serve()     when the loop comes round, with no JavaScript below:
 *                          descriptors closed, zygote_serve()
 *   in a run               descriptors made anew, prepare()
 *                          lockdown_wait(), threads thawed
 *                          begin(), the program, the loop, finish()
 *
 * The loop of a run is run from here, and not the one that node was in: what
 * comes after that one would take the whole engine down bit by bit.
 */

#define _GNU_SOURCE
#define NAPI_VERSION  8

#include <node_api.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "descriptors.h"
#include "engine.h"
#include "hygiene.h"
#include "inbox.h"
#include "lockdown.h"
#include "threads.h"
#include "zygote.h"

#define WHO_MAX  256

static napi_env           env;        /* of the main thread */
static napi_ref           runner;     /* the functions of runner.js */
static napi_ref           process;    /* what programs call so */
static uv_loop_t         *loop;
static uv_idle_t          idle;
static struct spawn_fork  request;    /* that this run was forked for */
static bool               serving;


/* Before a program is there, nothing may fail. */

static void
must(bool good)
{
	if (!good) {
		_exit(126);
	}
}


static void
nothing(void)
{
	/* void */
}

static struct zygote_hooks hooks = {
	.before_fork = nothing,
	.after_fork_parent = nothing,
	.after_fork_child = nothing
};


static const char *
version(void)
{
	static char               text[28];
	const napi_node_version  *v;

	if (napi_get_node_version(env, &v) != napi_ok) {
		return NULL;
	}

	(void) snprintf(text, sizeof(text), "%u.%u.%u", v->major, v->minor,
	    v->patch);

	return text;
}


static void
failed(void)
{
	napi_value  error;

	if (napi_get_and_clear_last_exception(env, &error) == napi_ok) {
		(void) napi_fatal_exception(env, error);
	}
}


/* As node calls what happens in its loop: what was put off with nextTick() and
 * promises comes after it.  NULL is an exception, which has been seen to. */

static napi_value
call(napi_value object, napi_value function, size_t argc,
    const napi_value *argv)
{
	napi_value  result;

	if (napi_make_callback(env, NULL, object, function, argc, argv,
	                       &result) != napi_ok)
	{
		failed();
		return NULL;
	}

	return result;
}


static napi_value
call_method(napi_ref of, const char *name, size_t argc,
    const napi_value *argv)
{
	napi_value  object, function;

	if (napi_get_reference_value(env, of, &object) != napi_ok
	    || napi_get_named_property(env, object, name, &function)
	        != napi_ok)
	{
		failed();
		return NULL;
	}

	return call(object, function, argc, argv);
}


/* process.exitCode, if that is set. */

static int32_t
exit_code(void)
{
	int32_t         code = 0;
	napi_value      object, value;
	napi_valuetype  type;

	if (napi_get_reference_value(env, process, &object) != napi_ok
	    || napi_get_named_property(env, object, "exitCode", &value)
	        != napi_ok
	    || napi_typeof(env, value, &type) != napi_ok
	    || (type == napi_string
	        && napi_coerce_to_number(env, value, &value) != napi_ok))
	{
		failed();
		return 1;
	}

	(void) napi_get_value_int32(env, value, &code);

	return code;
}


/* process.emit(event, code), with nothing below it. */

static void
emit(const char *event)
{
	napi_value  argv[2];

	must(napi_create_string_utf8(env, event, NAPI_AUTO_LENGTH, &argv[0])
	        == napi_ok
	    && napi_create_int32(env, exit_code(), &argv[1]) == napi_ok);

	(void) call_method(process, "emit", 2, argv);
}


/* Returns the program as a function, or NULL when it is none. */

static napi_value
take_job(void)
{
	int                i, fd;
	napi_value         argv[TEXT_FILES], begun;
	struct inbox       inbox;
	napi_valuetype     type;
	struct spawn_job   job;

	fd = lockdown_wait(&request, &job);
	(void) close(SPAWN_CONTROL_FD);

	inbox_open(&inbox, fd, &job);

	for (i = 0; i < TEXT_FILES; i++) {
		must(napi_create_string_utf8(env,
		        inbox.text[i] != NULL ? inbox.text[i] : "",
		        job.size[i], &argv[i]) == napi_ok);
	}

	inbox_close(&inbox);

	must(threads_thaw() == 0);

	/* It has been the time of the zygote's last look. */

	uv_update_time(loop);

	begun = call_method(runner, "begin", TEXT_FILES, argv);

	return begun != NULL && napi_typeof(env, begun, &type) == napi_ok
	    && type == napi_function ? begun : NULL;
}


static void
keep_busy(uv_idle_t *handle)
{
	(void) handle;
}


/* What V8 wants done later does not keep the loop alive, but is done while it
 * is. */

static bool
turn(void)
{
	(void) uv_run(loop, UV_RUN_DEFAULT);

	(void) uv_idle_start(&idle, keep_busy);
	(void) uv_run(loop, UV_RUN_NOWAIT);
	(void) uv_idle_stop(&idle);

	return uv_loop_alive(loop) != 0;
}


static int
run_job(void)
{
	napi_value         global, program, result;
	napi_handle_scope  scope;

	must(napi_open_handle_scope(env, &scope) == napi_ok
	    && napi_get_global(env, &global) == napi_ok);

	(void) call_method(runner, "prepare", 0, NULL);
	program = take_job();

	if (program != NULL
	    && (result = call(global, program, 0, NULL)) != NULL)
	{
		(void) call_method(runner, "watch", 1, &result);
	}

	do {
		while (turn()) {
			/* void */
		}

		emit("beforeExit");
	} while (uv_loop_alive(loop));

	(void) call_method(runner, "finish", 0, NULL);
	emit("exit");

	return exit_code() & 0xff;
}


/* From the loop, so that no JavaScript is below the program. */

static void
serve_now(uv_idle_t *handle)
{
	(void) uv_idle_stop(handle);

	if (engine_share_heap() != 0) {
		hygiene_refuse("node", "can't share its memory with runs");
	}

	/* What is left open is named by the one that inspects next. */

	(void) descriptors_close();

	hooks.version = version();
	zygote_serve(&hooks, &request);

	must(descriptors_restore() == 0 && engine_seed() == 0);

	_exit(run_job());
}


/* serve(runner, process): fork at codeexecd's request for ever, when the loop
 * comes round; run its jobs in the runs. */

static napi_value
serve(napi_env e, napi_callback_info info)
{
	size_t      argc = 2;
	napi_value  argv[2];

	if (!serving
	    && napi_get_cb_info(e, info, &argc, argv, NULL, NULL) == napi_ok
	    && napi_create_reference(e, argv[0], 1, &runner) == napi_ok
	    && napi_create_reference(e, argv[1], 1, &process) == napi_ok
	    && napi_get_uv_event_loop(e, &loop) == napi_ok
	    && uv_idle_init(loop, &idle) == 0)
	{
		env = e;
		serving = true;
		(void) uv_idle_start(&idle, serve_now);
	}

	return NULL;
}


/* inspect(who): exit, saying that it was who, if this process can't be forked.
 * What node had open when it came here, runs do not inherit. */

static napi_value
inspect(napi_env e, napi_callback_info info)
{
	char               who[WHO_MAX];
	size_t             argc = 1, length;
	napi_value         argv[1];
	const char        *why;
	static int         own[DESCRIPTORS_MAX + 1];
	static unsigned    n;
	const int         *list;

	if (napi_get_cb_info(e, info, &argc, argv, NULL, NULL) != napi_ok
	    || napi_get_value_string_utf8(e, argv[0], who, sizeof(who),
	                                  &length) != napi_ok)
	{
		return NULL;
	}

	if (n == 0) {
		list = descriptors_list(&n);
		(void) memcpy(own, list, n * sizeof(*own));
		own[n++] = SPAWN_FILTER_FD;
	}

	why = hygiene_inspect(own, n);
	if (why != NULL) {
		hygiene_refuse(who, why);
	}

	return NULL;
}


/* tell(packages): what codeexecd is to know of those that can be loaded. */

static napi_value
tell(napi_env e, napi_callback_info info)
{
	char        *text;
	size_t       argc = 1, length;
	napi_value   argv[1];

	if (napi_get_cb_info(e, info, &argc, argv, NULL, NULL) != napi_ok
	    || napi_get_value_string_utf8(e, argv[0], NULL, 0, &length)
	        != napi_ok)
	{
		return NULL;
	}

	text = malloc(length + 1);

	if (text != NULL
	    && napi_get_value_string_utf8(e, argv[0], text, length + 1,
	                                  &length) == napi_ok)
	{
		free((char *) (uintptr_t) hooks.packages);
		hooks.packages = text;
		return NULL;
	}

	free(text);

	return NULL;
}


/* lend(function): calls it while the output is a pipe, as it is in a run.
 * Nobody reads it. */

static napi_value
lend(napi_env e, napi_callback_info info)
{
	int          i, log[2], ends[2];
	size_t       argc = 1;
	napi_value   argv[1], global;

	must(napi_get_cb_info(e, info, &argc, argv, NULL, NULL) == napi_ok
	    && napi_get_global(e, &global) == napi_ok
	    && pipe2(ends, O_CLOEXEC) == 0);

	for (i = 0; i < 2; i++) {
		log[i] = fcntl(STDOUT_FILENO + i, F_DUPFD_CLOEXEC, 0);
		must(log[i] >= 0 && dup2(ends[1], STDOUT_FILENO + i) >= 0);
	}

	(void) napi_call_function(e, global, argv[0], 0, NULL, NULL);

	for (i = 0; i < 2; i++) {
		must(dup2(log[i], STDOUT_FILENO + i) >= 0);
		(void) close(log[i]);
		(void) close(ends[i]);
	}

	return NULL;
}


/* exit(code): at once. */

static napi_value
exit_now(napi_env e, napi_callback_info info)
{
	size_t      argc = 1;
	int32_t     code = 255;
	napi_value  argv[1];

	if (napi_get_cb_info(e, info, &argc, argv, NULL, NULL) == napi_ok) {
		(void) napi_get_value_int32(e, argv[0], &code);
	}

	_exit(code & 0xff);
}


/* A second one, of a program that loads this file, gets nothing. */

static napi_value
init(napi_env e, napi_value exports)
{
	size_t                          i;
	napi_value                      function;
	static const struct {
		const char     *name;
		napi_callback   function;
	} functions[] = {
		{ "exit", exit_now }, { "inspect", inspect },
		{ "lend", lend }, { "serve", serve }, { "tell", tell }
	};

	if (serving) {
		return exports;
	}

	if (threads_freeze() != 0) {
		hygiene_refuse("node", "has threads that never wait");
	}

	for (i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (napi_create_function(e, functions[i].name,
		                         NAPI_AUTO_LENGTH,
		                         functions[i].function, NULL,
		                         &function) != napi_ok
		    || napi_set_named_property(e, exports,
		                               functions[i].name, function)
		        != napi_ok)
		{
			return NULL;
		}
	}

	return exports;
}

NAPI_MODULE(codeexec, init)
