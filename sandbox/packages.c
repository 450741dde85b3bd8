/*
 * Copyright (C) The codeexec authors.
 *
 * The packages that the programs of a runtime can import.  A zygote lists them
 * before it is warm, as a JSON object
 *
 *     {"version":3,"packages":{"numpy":"1.24.2",...}}
 *
 * with the version of the directory of packages that it has found, 0 for none.
 * It has run no user code; but modules that it has imported could have a hand
 * in this, so nothing is believed but that it is such an object.
 */

#define _GNU_SOURCE

#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "codeexecd.h"

/* Seven runtimes with so much fit into a STATE that nginx takes. */

#define PACKAGES_MAX  131072


static bool
is_list(json_t *json)
{
	json_t      *value, *list = json_object_get(json, "packages");
	const char  *key;

	if (!json_is_integer(json_object_get(json, "version"))
	    || !json_is_object(list))
	{
		return false;
	}

	json_object_foreach(list, key, value) {
		if (!json_is_string(value)) {
			return false;
		}
	}

	return true;
}


void
packages_take(struct tier *tier, int fd)
{
	char     *text;
	json_t   *json;
	ssize_t   n;

	text = xcalloc(1, PACKAGES_MAX);
	n = pread(fd, text, PACKAGES_MAX, 0);
	close_fd(&fd);

	json = n > 0 && n < PACKAGES_MAX
	    ? json_loadb(text, (size_t) n, JSON_REJECT_DUPLICATES, NULL) : NULL;
	free(text);

	if (!is_list(json)) {
		log_warn("the zygote \"%s\" of \"%s\" has no list of packages",
		    tier->config->name, tier->runtime->config->name);
		json_decref(json);
		return;
	}

	json_decref(tier->packages);
	tier->packages = json;
}


unsigned
packages_version(const struct tier *tier)
{
	return (unsigned) json_integer_value(
	    json_object_get(tier->packages, "version"));
}


/* Of the first tier: they differ only while another version takes over. */

static json_t *
describe(const struct runtime *rt)
{
	json_t  *list = json_object_get(rt->tier[0].packages, "packages");

	return json_pack("{s:s?, s:I, s:O?}",
	    "directory", rt->config->packages,
	    "version", (json_int_t) packages_version(&rt->tier[0]),
	    "packages", list);
}


void
packages_print(struct evbuffer *out)
{
	char      *text;
	json_t    *all = json_object();
	unsigned   i;

	for (i = 0; i < config.runtimes; i++) {
		if (i != config.commands) {
			(void) json_object_set_new(all,
			    config.runtime[i].name, describe(&runtimes[i]));
		}
	}

	text = json_dumps(all, JSON_COMPACT);

	(void) evbuffer_add_printf(out, ",\"packages\":%s",
	    text != NULL ? text : "{}");

	free(text);
	json_decref(all);
}
