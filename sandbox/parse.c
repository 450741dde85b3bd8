/*
 * Copyright (C) The codeexec authors.
 *
 * What a client says of a job: the object in its JOB frame, and the names of
 * files that it sends.  Nothing is guessed: what is wrong is refused.
 */

#define _GNU_SOURCE

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "codeexecd.h"

#define PATTERN_MAX  64
#define PATH_LENGTH  255
#define DEPTH_MAX    16       /* directories above a file */


static void
make_id(char *id)
{
	int            i;
	unsigned char  random[16];

	if (getrandom(random, sizeof(random), 0) != sizeof(random)) {
		fatal("getrandom");
	}

	for (i = 0; i < 16; i++) {
		(void) snprintf(id + 2 * i, 3, "%02x", random[i]);
	}
}


/* As execve() wants them: each with a NUL behind it, and none inside. */

static const char *
parse_args(struct job *job, json_t *args)
{
	size_t            i;
	json_t           *arg;
	struct evbuffer  *text = job->text[TEXT_ARGS];

	if (args != NULL && !json_is_array(args)) {
		return "\"args\" must be an array of strings";
	}

	json_array_foreach(args, i, arg) {
		if (!json_is_string(arg)) {
			return "\"args\" must be an array of strings";
		}

		(void) evbuffer_add(text, json_string_value(arg),
		    json_string_length(arg) + 1);
	}

	return evbuffer_get_length(text) > config.limits.input
	    ? "\"args\" is too large" : NULL;
}


static const char *
parse_env(struct job *job, json_t *env)
{
	json_t           *value;
	const char       *name;
	struct evbuffer  *text = job->text[TEXT_ENV];

	if (env != NULL && !json_is_object(env)) {
		return "\"env\" must be an object of strings";
	}

	json_object_foreach(env, name, value) {
		if (!json_is_string(value) || *name == '\0'
		    || strchr(name, '=') != NULL)
		{
			return "\"env\" must be an object of strings";
		}

		(void) evbuffer_add_printf(text, "%s=", name);
		(void) evbuffer_add(text, json_string_value(value),
		    json_string_length(value) + 1);
	}

	return evbuffer_get_length(text) > config.limits.input
	    ? "\"env\" is too large" : NULL;
}


static bool
is_variable(const char *name)
{
	const char  *p;

	for (p = name; *p != '\0'; p++) {
		if (!(*p == '_' || (*p >= 'A' && *p <= 'Z')
		      || (*p >= 'a' && *p <= 'z')
		      || (p > name && *p >= '0' && *p <= '9')))
		{
			return false;
		}
	}

	return p > name;
}


/* Strings as they are, everything else as JSON has it. */

static const char *
add_variables(struct job *job, json_t *vars)
{
	char             *text;
	json_t           *value;
	const char       *name;
	struct evbuffer  *env = job->text[TEXT_ENV];

	json_object_foreach(vars, name, value) {
		if (!is_variable(name)) {
			return "a variable has a name that a command can't "
			    "have";
		}

		(void) evbuffer_add_printf(env, "%s=", name);

		if (json_is_string(value)) {
			(void) evbuffer_add(env, json_string_value(value),
			    json_string_length(value) + 1);
			continue;
		}

		text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		if (text == NULL) {
			fatal("out of memory");
		}

		(void) evbuffer_add(env, text, strlen(text) + 1);
		free(text);
	}

	return NULL;
}


const char *
job_vars_to_env(struct job *job)
{
	size_t            size;
	json_t           *vars;
	const char       *error;
	json_error_t      ignored;
	struct evbuffer  *text = job->text[TEXT_VARS];

	size = evbuffer_get_length(text);
	if (size == 0) {
		return NULL;
	}

	vars = json_loadb((char *) evbuffer_pullup(text, -1), size, 0,
	    &ignored);

	error = json_is_object(vars) ? add_variables(job, vars)
	    : "the variables are no JSON object";

	json_decref(vars);
	(void) evbuffer_drain(text, size);

	return error;
}


/* They are the runtime's to understand. */

static const char *
parse_options(struct job *job, json_t *options)
{
	char    *text;
	size_t   size;

	if (options == NULL) {
		return NULL;
	}

	if (!json_is_object(options)) {
		return "\"options\" must be an object";
	}

	job->shows = json_is_true(json_object_get(options, "results"))
	    || json_is_true(json_object_get(options, "claims"));
	job->check = json_is_true(json_object_get(options, "check"));
	job->version = json_is_true(json_object_get(options, "version"));
	job->tables = json_object_size(json_object_get(options, "datasets"))
	    > 0;
	job->imports = json_incref(json_object_get(options, "imports"));

	if (job->shows) {
		(void) json_object_set_new(options, "limits", json_pack(
		    "{s:I,s:I}", "results", (json_int_t) config.limits.results,
		    "results_size", (json_int_t) config.limits.results_size));
	}

	text = json_dumps(options, JSON_COMPACT);
	if (text == NULL) {
		fatal("out of memory");
	}

	size = strlen(text);
	(void) evbuffer_add(job->text[TEXT_OPTIONS], text, size);
	free(text);

	return size > config.limits.input ? "\"options\" is too large" : NULL;
}


static const char *
parse_collect(struct job *job, json_t *patterns)
{
	size_t       i;
	json_t      *pattern;

	if (patterns == NULL) {
		return NULL;
	}

	if (!json_is_array(patterns)
	    || json_array_size(patterns) > NAMES_MAX)
	{
		return "\"collect\" must be an array of patterns";
	}

	for (i = 0; i < json_array_size(patterns); i++) {
		pattern = json_array_get(patterns, i);

		if (!json_is_string(pattern)
		    || json_string_length(pattern) > PATTERN_MAX)
		{
			return "\"collect\" must be an array of patterns";
		}

		job->collect.name[job->collect.count++]
		    = xstrdup(json_string_value(pattern));
	}

	return NULL;
}


/* Whoever knows it may stop the run, so that it is long and random. */

static const char *
parse_handle(struct job *job, json_t *handle)
{
	const char  *text;

	if (handle == NULL) {
		return NULL;
	}

	text = json_string_value(handle);

	if (text == NULL || strlen(text) != HANDLE_LENGTH
	    || strspn(text, "0123456789abcdef") != HANDLE_LENGTH)
	{
		return "\"handle\" must be 32 hexadecimal digits";
	}

	(void) strcpy(job->handle, text);

	return NULL;
}


static const char *
parse_members(struct job *job, json_t *root, char *language)
{
	json_t      *value;
	json_int_t   ms;
	const char  *text, *error;

	text = json_string_value(json_object_get(root, "language"));

	if (text == NULL || !is_name(text, "+#", LANGUAGE_MAX)) {
		return "\"language\" must be a name";
	}

	(void) strcpy(language, text);

	value = json_object_get(root, "id");

	if (value == NULL) {
		make_id(job->id);

	} else {
		text = json_string_value(value);

		if (text == NULL || !is_name(text, "", ID_MAX)) {
			return "\"id\" must be a name";
		}

		(void) strcpy(job->id, text);
	}

	value = json_object_get(root, "timeout_ms");
	job->timeout_ms = config.limits.wall_ms;

	if (value != NULL) {
		ms = json_integer_value(value);

		if (!json_is_integer(value) || ms < 1 || ms > 3600000) {
			return "\"timeout_ms\" must be from 1 to 3600000";
		}

		job->timeout_ms = (uint64_t) ms < config.limits.max_wall_ms
		    ? (uint64_t) ms : config.limits.max_wall_ms;
	}

	if ((error = parse_handle(job, json_object_get(root, "handle"))) == NULL
	    && (error = parse_args(job, json_object_get(root, "args"))) == NULL
	    && (error = parse_env(job, json_object_get(root, "env"))) == NULL
	    && (error = parse_options(job, json_object_get(root, "options")))
	        == NULL)
	{
		error = parse_collect(job, json_object_get(root, "collect"));
	}

	return error;
}


const char *
job_parse(struct job *job, struct evbuffer *json, char *language)
{
	size_t         size;
	json_t        *root;
	const char    *error;
	json_error_t   ignored;

	size = evbuffer_get_length(json);

	root = json_loadb((char *) evbuffer_pullup(json, -1), size,
	    JSON_REJECT_DUPLICATES, &ignored);

	error = json_is_object(root) ? parse_members(job, root, language)
	    : "not a JSON object";

	json_decref(root);

	return error;
}


/* A path below the working directory, as it would be written. */

static bool
is_path(const char *name, size_t size)
{
	size_t       length;
	unsigned     depth;
	const char  *part, *end;

	if (size == 0 || memchr(name, '\0', size) != NULL) {
		return false;
	}

	for (part = name, depth = 0; depth <= DEPTH_MAX; depth++) {
		end = memchr(part, '/', size - (size_t) (part - name));
		length = end != NULL ? (size_t) (end - part)
		    : size - (size_t) (part - name);

		if (length == 0 || (length == 1 && part[0] == '.')
		    || (length == 2 && part[0] == '.' && part[1] == '.'))
		{
			return false;
		}

		if (end == NULL) {
			return true;
		}

		part = end + 1;
	}

	return false;
}


const char *
job_parse_put(struct job *job, uint32_t size)
{
	char                  name[PATH_LENGTH];
	size_t                length;
	unsigned char         head[2];
	struct evbuffer      *files = job->text[TEXT_FILES];
	struct evbuffer_ptr   at;

	(void) evbuffer_ptr_set(files, &at,
	    evbuffer_get_length(files) - size, EVBUFFER_PTR_SET);

	if (size < 2 || evbuffer_copyout_from(files, &at, head, 2) != 2) {
		return "a file without a name";
	}

	length = (size_t) head[0] << 8 | head[1];

	if (length > sizeof(name) || length > size - 2
	    || evbuffer_ptr_set(files, &at, 2, EVBUFFER_PTR_ADD) != 0
	    || evbuffer_copyout_from(files, &at, name, length)
	        != (ev_ssize_t) length
	    || !is_path(name, length))
	{
		return "a file with a name that is no path below the working "
		    "directory";
	}

	return NULL;
}
