/*
 * Copyright (C) The codeexec authors.
 *
 * The answer to QUERY.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <unistd.h>

#include "codeexecd.h"
#include "layers.h"


/* What stands in layers needs no escapes. */

static size_t
print_layers(char *text, size_t size)
{
	int                  id;
	size_t               used;
	const struct layer  *l;

	used = (size_t) snprintf(text, size, "\"layers\":[");

	for (id = 0; id < LAYERS; id++) {
		l = &layers[id];

		used += (size_t) snprintf(text + used, size - used,
		    "%s{\"name\":\"%s\",\"mandatory\":%s,\"state\":\"%s\","
		    "\"how\":\"%s\"}", id > 0 ? "," : "", l->name,
		    l->mandatory ? "true" : "false",
		    l->missing ? "missing" : "on", l->how);
	}

	return used + (size_t) snprintf(text + used, size - used, "]");
}


/* Those that are commands; the others are runtimes. */

static size_t
print_languages(char *text, size_t size)
{
	size_t                  used;
	unsigned                i, k;
	const struct language  *lang;

	used = (size_t) snprintf(text, size, "\"languages\":[");

	for (i = 0; i < config.languages; i++) {
		lang = &config.language[i];

		used += (size_t) snprintf(text + used, size - used,
		    "%s{\"name\":\"%.32s\",\"version\":\"%s\","
		    "\"running\":%llu,\"aliases\":[", i > 0 ? "," : "",
		    lang->name, lang->told != NULL ? lang->told : "",
		    (unsigned long long) lang->running);

		for (k = 0; k < lang->aliases.count; k++) {
			used += (size_t) snprintf(text + used, size - used,
			    "%s\"%.32s\"", k > 0 ? "," : "",
			    lang->aliases.name[k]);
		}

		used += (size_t) snprintf(text + used, size - used, "]}");
	}

	return used + (size_t) snprintf(text + used, size - used, "],");
}


static size_t
print_counters(char *text, size_t size)
{
	const struct limits  *l = &config.limits;

	return (size_t) snprintf(text, size, "\"pid\":%d,"
	    "\"runs_started\":%llu,\"runs_finished\":%llu,"
	    "\"runs_aborted\":%llu,\"runs_lost\":%llu,"
	    "\"runs_stopped\":%llu,\"rejected\":%llu,\"busy\":%llu,"
	    "\"running\":%llu,\"queued\":%llu,\"clients\":%llu,"
	    "\"slots\":%llu,\"limits\":{\"wall_ms\":%llu,"
	    "\"max_wall_ms\":%llu,\"memory\":%llu},", (int) getpid(),
	    (unsigned long long) counters.started,
	    (unsigned long long) counters.finished,
	    (unsigned long long) counters.aborted,
	    (unsigned long long) counters.lost,
	    (unsigned long long) counters.stopped,
	    (unsigned long long) counters.rejected,
	    (unsigned long long) counters.busy,
	    (unsigned long long) counters.running,
	    (unsigned long long) counters.queued,
	    (unsigned long long) counters.clients,
	    (unsigned long long) config.slots,
	    (unsigned long long) l->wall_ms,
	    (unsigned long long) l->max_wall_ms,
	    (unsigned long long) l->memory);
}


static size_t
print_runtimes(char *text, size_t size)
{
	size_t           used;
	unsigned         i, k;
	struct tier     *tier;
	struct runtime  *rt;

	used = (size_t) snprintf(text, size, "\"runtimes\":[");

	for (i = 0; i < config.runtimes; i++) {
		rt = &runtimes[i];

		used += (size_t) snprintf(text + used, size - used,
		    "%s{\"name\":\"%.32s\",\"kind\":\"%s\","
		    "\"version\":\"%s\",\"tiers\":[", i > 0 ? "," : "",
		    rt->config->name, rt->config->kind->name,
		    rt->told != NULL ? rt->told : "");

		for (k = 0; k < rt->tiers; k++) {
			tier = &rt->tier[k];

			used += (size_t) snprintf(text + used, size - used,
			    "%s{\"name\":\"%.32s\",\"warm\":%s,"
			    "\"parked\":%u,\"queued\":%u,\"zygotes\":%u,"
			    "\"starting\":%s,\"stale\":%s,\"packages\":%u}",
			    k > 0 ? "," : "", tier->config->name,
			    tier->warm ? "true" : "false", tier->parked,
			    tier->queued, tier->started,
			    tier_is_starting(tier) ? "true" : "false",
			    tier->stale ? "true" : "false",
			    packages_version(tier));
		}

		used += (size_t) snprintf(text + used, size - used, "]}");
	}

	return used + (size_t) snprintf(text + used, size - used, "],");
}


void
client_state(struct client *c)
{
	char              text[65536];
	size_t            used;
	struct evbuffer  *all;

	text[0] = '{';
	used = 1;

	used += print_counters(text + used, sizeof(text) - used);
	used += print_runtimes(text + used, sizeof(text) - used);
	used += print_languages(text + used, sizeof(text) - used);
	used += print_layers(text + used, sizeof(text) - used);

	all = evbuffer_new();

	if (all == NULL || evbuffer_add(all, text, used) != 0) {
		fatal("out of memory");
	}

	packages_print(all);
	(void) evbuffer_add(all, "}", 1);

	frame_move(c->out, WIRE_STATE, all);
	evbuffer_free(all);
	client_done(c);
}
