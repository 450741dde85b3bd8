/*
 * Copyright (C) The codeexec authors.
 *
 * The configuration file, read with libconfuse, and what one part of it says
 * about another.
 */

#define _GNU_SOURCE

#include <confuse.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codeexecd.h"
#include "layers.h"

struct config  config;

static const char  *config_path;   /* for messages */


int
names_copy(cfg_t *cfg, const char *option, struct names *names)
{
	unsigned  i, n;

	n = cfg_size(cfg, option);

	if (n > NAMES_MAX) {
		cfg_error(cfg, "more than %d entries in \"%s\"", NAMES_MAX,
		    option);
		return -1;
	}

	for (i = 0; i < n; i++) {
		names->name[i] = xstrdup(cfg_getnstr(cfg, option, i));
	}

	names->count = n;

	return 0;
}


static int
copy_tier(cfg_t *cfg, struct tier_config *tier)
{
	tier->name = xstrdup(cfg_title(cfg));

	if (!is_name(tier->name, "", LANGUAGE_MAX)) {
		cfg_error(cfg, "\"%s\" is no name of a tier", tier->name);
		return -1;
	}

	tier->spare = (uint64_t) cfg_getint(cfg, "spare");
	tier->max_runs = (uint64_t) cfg_getint(cfg, "max_runs");
	tier->max_age_ms = (uint64_t) cfg_getint(cfg, "max_age");

	return names_copy(cfg, "preload", &tier->preload) == 0
	    && names_copy(cfg, "when", &tier->when) == 0 ? 0 : -1;
}


static int
copy_kind(cfg_t *cfg, struct runtime_config *rt)
{
	const char  *name = cfg_getstr(cfg, "kind");

	rt->kind = kind_find(name != NULL ? name : rt->name);

	if (rt->kind == NULL || rt->kind->script == NULL) {
		cfg_error(cfg, "runtime \"%s\" is of no \"kind\" that there is",
		    rt->name);
		return -1;
	}

	return 0;
}


/* Whoever can write there can change what all runs import. */

static int
copy_packages(cfg_t *cfg, struct runtime_config *rt)
{
	struct stat  st;
	const char  *path = cfg_getstr(cfg, "packages");

	if (path == NULL) {
		return 0;
	}

	rt->packages = realpath(path, NULL);

	if (rt->packages == NULL || stat(rt->packages, &st) != 0) {
		cfg_error(cfg, "\"packages\" of runtime \"%s\": %s", rt->name,
		    strerror(errno));
		return -1;
	}

	if (!S_ISDIR(st.st_mode) || (st.st_mode & 022) != 0
	    || (st.st_uid != 0 && st.st_uid != geteuid()))
	{
		cfg_error(cfg, "\"packages\" of runtime \"%s\" must be a "
		    "directory that only its owner can write to, root or who "
		    "starts codeexecd", rt->name);
		return -1;
	}

	return 0;
}


static int
copy_runtime(cfg_t *cfg, struct runtime_config *rt)
{
	unsigned  i;

	rt->name = xstrdup(cfg_title(cfg));
	rt->tiers = cfg_size(cfg, "tier");

	if (!is_name(rt->name, "+#", LANGUAGE_MAX) || rt->name[0] == '.'
	    || strcmp(rt->name, "command") == 0)
	{
		cfg_error(cfg, "\"%s\" is no name of a language", rt->name);
		return -1;
	}

	if (cfg_getstr(cfg, "interpreter") == NULL) {
		cfg_error(cfg, "runtime \"%s\" has no \"interpreter\"",
		    rt->name);
		return -1;
	}

	if (rt->tiers == 0 || rt->tiers > TIERS_MAX) {
		cfg_error(cfg, "runtime \"%s\" must have 1 to %d tiers",
		    rt->name, TIERS_MAX);
		return -1;
	}

	if (copy_kind(cfg, rt) != 0 || copy_packages(cfg, rt) != 0) {
		return -1;
	}

	rt->interpreter = xstrdup(cfg_getstr(cfg, "interpreter"));

	for (i = 0; i < rt->tiers; i++) {
		if (copy_tier(cfg_getnsec(cfg, "tier", i), &rt->tier[i]) != 0) {
			return -1;
		}

		config.slots += rt->tier[i].spare;
	}

	return 0;
}


/* The one runtime of all languages that are commands. */

static void
add_commands(uint64_t spare)
{
	struct runtime_config  *rt = &config.runtime[config.runtimes++];

	rt->name = (char *) "command";
	rt->kind = kind_find(rt->name);
	rt->interpreter = (char *) "/opt/codeexec/codeexec-command";
	rt->tiers = 1;

	rt->tier[0].name = (char *) "base";
	rt->tier[0].spare = spare;
	rt->tier[0].max_age_ms = 3600000;

	config.slots += spare;
}


static int
copy_limits(cfg_t *cfg, struct limits *l)
{
	l->wall_ms = (uint64_t) cfg_getint(cfg, "wall");
	l->max_wall_ms = (uint64_t) cfg_getint(cfg, "max_wall");
	l->memory = (uint64_t) cfg_getint(cfg, "memory");
	l->disk = (uint64_t) cfg_getint(cfg, "disk");
	l->output = (uint64_t) cfg_getint(cfg, "output");
	l->file_size = (uint64_t) cfg_getint(cfg, "file_size");
	l->files_size = (uint64_t) cfg_getint(cfg, "files_size");
	l->files = (uint64_t) cfg_getint(cfg, "files");
	l->code = (uint64_t) cfg_getint(cfg, "code");
	l->input = (uint64_t) cfg_getint(cfg, "input");
	l->put = (uint64_t) cfg_getint(cfg, "put");
	l->put_size = (uint64_t) cfg_getint(cfg, "put_size");
	l->results = (uint64_t) cfg_getint(cfg, "results");
	l->results_size = (uint64_t) cfg_getint(cfg, "results_size");
	l->inodes = (uint64_t) cfg_getint(cfg, "inodes");
	l->processes = (uint64_t) cfg_getint(cfg, "processes");
	l->open_files = (uint64_t) cfg_getint(cfg, "open_files");
	l->cpus = cfg_getfloat(cfg, "cpus");

	if (l->wall_ms > l->max_wall_ms) {
		cfg_error(cfg, "\"wall\" must not be above \"max_wall\"");
		return -1;
	}

	/* Else filling the disk would kill a program that could be told. */

	if (l->disk >= l->memory) {
		cfg_error(cfg, "\"disk\" must be below \"memory\"");
		return -1;
	}

	if (l->cpus < 0 || l->cpus > 1024 || (l->cpus > 0 && l->cpus < 0.01)) {
		cfg_error(cfg, "\"cpus\" must be 0 or between 0.01 and 1024");
		return -1;
	}

	return 0;
}


/* A link such as "current" may come to lead to another tree: whatever is
 * started again later must be of the same one. */

static int
copy_rootfs(cfg_t *cfg)
{
	char  usr[PATH_MAX + 4];

	config.rootfs = realpath(cfg_getstr(cfg, "rootfs"), NULL);
	if (config.rootfs == NULL) {
		cfg_error(cfg, "\"rootfs\": %s", strerror(errno));
		return -1;
	}

	(void) snprintf(usr, sizeof(usr), "%s/usr", config.rootfs);

	if (access(usr, X_OK) != 0) {
		cfg_error(cfg, "\"rootfs\": no usr in it: %s", strerror(errno));
		return -1;
	}

	return 0;
}


static int
copy_allowed(cfg_t *cfg)
{
	unsigned  i;

	if (names_copy(cfg, "allow_missing", &config.allow_missing) != 0) {
		return -1;
	}

	for (i = 0; i < config.allow_missing.count; i++) {
		if (layer_find(config.allow_missing.name[i]) < 0) {
			cfg_error(cfg, "\"%s\" in \"allow_missing\" is no "
			    "layer", config.allow_missing.name[i]);
			return -1;
		}
	}

	return 0;
}


static int
copy_languages(cfg_t *cfg)
{
	unsigned  i;

	config.slots = config.runs;
	config.commands = config.runtimes;

	for (i = 0; i < config.runtimes; i++) {
		if (copy_runtime(cfg_getnsec(cfg, "runtime", i),
		                 &config.runtime[i]) != 0)
		{
			return -1;
		}
	}

	for (i = 0; i < cfg_size(cfg, "language"); i++) {
		if (language_copy(cfg_getnsec(cfg, "language", i)) != 0) {
			return -1;
		}
	}

	if (config.languages > 0) {
		add_commands((uint64_t) cfg_getint(cfg_getsec(cfg, "commands"),
		                                   "spare"));
	}

	if (config.slots > SLOTS_MAX) {
		cfg_error(cfg, "\"runs\" and all \"spare\" are more than %d",
		    SLOTS_MAX);
		return -1;
	}

	return 0;
}


static int
copy(cfg_t *cfg)
{
	config.listen_mode = xstrdup(cfg_getstr(cfg, "listen_mode"));
	config.listen_group = xstrdup(cfg_getstr(cfg, "listen_group"));
	config.library = xstrdup(cfg_getstr(cfg, "library"));
	config.cgroup = xstrdup(cfg_getstr(cfg, "cgroup"));
	config.cpu_weight = (uint64_t) cfg_getint(cfg, "cpu_weight");
	config.uids = (uint64_t) cfg_getint(cfg, "uids");
	config.runs = (uint64_t) cfg_getint(cfg, "runs");
	config.queue = (uint64_t) cfg_getint(cfg, "queue");
	config.queue_ms = (uint64_t) cfg_getint(cfg, "queue_timeout");
	config.runtimes = cfg_size(cfg, "runtime");

	if (names_copy(cfg, "listen", &config.listen) != 0
	    || names_copy(cfg, "peers", &config.peers) != 0
	    || copy_rootfs(cfg) != 0
	    || copy_allowed(cfg) != 0
	    || copy_limits(cfg_getsec(cfg, "limits"), &config.limits) != 0)
	{
		return -1;
	}

	if (strspn(config.listen_mode, "01234567")
	    != strlen(config.listen_mode) || strlen(config.listen_mode) > 4
	    || config.listen_mode[0] == '\0')
	{
		cfg_error(cfg, "\"listen_mode\" must be octal, as in 0660");
		return -1;
	}

	if (config.listen.count == 0 || config.listen.count > LISTENERS_MAX) {
		cfg_error(cfg, "1 to %d addresses must be in \"listen\"",
		    LISTENERS_MAX);
		return -1;
	}

	if (config.cgroup[0] != '\0'
	    && (!is_name(config.cgroup, "", 64) || config.cgroup[0] == '.'
	        || strcmp(config.cgroup, "codeexecd") == 0))
	{
		cfg_error(cfg, "\"cgroup\" must be a plain name, and not "
		    "\"codeexecd\"");
		return -1;
	}

	if (config.runtimes == 0 || config.runtimes >= RUNTIMES_MAX) {
		cfg_error(cfg, "1 to %d sections \"runtime\" are needed",
		    RUNTIMES_MAX - 1);
		return -1;
	}

	return copy_languages(cfg);
}


__attribute__((format(printf, 2, 0)))
static void
print_error(cfg_t *cfg, const char *fmt, va_list args)
{
	char  message[512];

	(void) vsnprintf(message, sizeof(message), fmt, args);

	log_warn("%s:%d: %s", config_path, cfg->line, message);
}


int
config_load(const char *path)
{
	int     rc;
	cfg_t  *cfg;

	config_path = path;

	cfg = options_new();
	if (cfg == NULL) {
		return -1;
	}

	cfg_set_error_function(cfg, print_error);

	rc = cfg_parse(cfg, path);

	if (rc == CFG_FILE_ERROR) {
		log_warn("open(\"%s\"): %s", path, strerror(errno));
	}

	if (rc == CFG_SUCCESS) {
		rc = copy(cfg) == 0 ? CFG_SUCCESS : CFG_PARSE_ERROR;
	}

	(void) cfg_free(cfg);

	return rc == CFG_SUCCESS ? 0 : -1;
}
