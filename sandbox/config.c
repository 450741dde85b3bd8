/*
 * Copyright (C) The codeexec authors.
 *
 * The configuration file, read with libconfuse.  conf/codeexecd.conf is the
 * manual of it; what stands here are the defaults and the ranges.
 */

#define _GNU_SOURCE

#include <confuse.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "codeexecd.h"
#include "layers.h"

#define KB  (1024L)
#define MB  (1024L * KB)

struct config  config;

static const char  *config_path;   /* for messages */

static const struct {
	const char  *name;
	long         factor;
} sizes[] = {
	{ "", 1 }, { "k", KB }, { "kb", KB }, { "m", MB }, { "mb", MB },
	{ "g", 1024 * MB }, { "gb", 1024 * MB }, { NULL, 0 }
}, times[] = {
	{ "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 },
	{ "h", 3600000 }, { NULL, 0 }
};


static int
parse_unit(cfg_t *cfg, cfg_opt_t *opt, const char *value, long *result,
    const char *what, const void *table)
{
	int          i;
	char        *end;
	long         n;
	const struct {
		const char  *name;
		long         factor;
	} *unit = table;

	errno = 0;
	n = strtol(value, &end, 10);

	if (end != value && errno == 0 && n >= 0) {
		for (i = 0; unit[i].name != NULL; i++) {
			if (strcasecmp(end, unit[i].name) == 0
			    && !__builtin_mul_overflow(n, unit[i].factor,
			                               result))
			{
				return 0;
			}
		}
	}

	cfg_error(cfg, "invalid %s \"%s\" for \"%s\"", what, value,
	    cfg_opt_name(opt));

	return -1;
}


static int
parse_size(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	return parse_unit(cfg, opt, value, result, "size", sizes);
}


static int
parse_time(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	return parse_unit(cfg, opt, value, result, "time", times);
}


static int
in_range(cfg_t *cfg, cfg_opt_t *opt, long low, long high)
{
	long  n = cfg_opt_getnint(opt, cfg_opt_size(opt) - 1);

	if (n >= low && n <= high) {
		return 0;
	}

	cfg_error(cfg, "\"%s\" must be between %ld and %ld",
	    cfg_opt_name(opt), low, high);

	return -1;
}


static int
check_count(cfg_t *cfg, cfg_opt_t *opt)
{
	return in_range(cfg, opt, 1, 1024);
}


static int
check_spare(cfg_t *cfg, cfg_opt_t *opt)
{
	return in_range(cfg, opt, 1, 256);
}


/* 0 is no limit. */

static int
check_runs(cfg_t *cfg, cfg_opt_t *opt)
{
	return in_range(cfg, opt, 0, 1000000000);
}


static int
check_age(cfg_t *cfg, cfg_opt_t *opt)
{
	return in_range(cfg, opt, 0, 7 * 24 * 3600000L);
}


static int
check_queue(cfg_t *cfg, cfg_opt_t *opt)
{
	return in_range(cfg, opt, 0, 100000);
}


/* Uids of runs must be nobody else's. */

static int
check_uids(cfg_t *cfg, cfg_opt_t *opt)
{
	return in_range(cfg, opt, 65537, 2000000000);
}


static int
check_wall(cfg_t *cfg, cfg_opt_t *opt)
{
	return in_range(cfg, opt, 1, 3600000);
}


static int
check_payload(cfg_t *cfg, cfg_opt_t *opt)
{
	return in_range(cfg, opt, 1, WIRE_LENGTH_MAX - 1024);
}


static int
check_disk(cfg_t *cfg, cfg_opt_t *opt)
{
	return in_range(cfg, opt, 64 * KB, 1024L * 1024 * MB);
}


static int
check_memory(cfg_t *cfg, cfg_opt_t *opt)
{
	return in_range(cfg, opt, 16 * MB, 1024L * 1024 * MB);
}


static int
check_small(cfg_t *cfg, cfg_opt_t *opt)
{
	return in_range(cfg, opt, 16, 1000000);
}


static cfg_opt_t tier_options[] = {
	CFG_STR_LIST("preload", "{}", CFGF_NONE),
	CFG_STR_LIST("when", "{}", CFGF_NONE),
	CFG_INT("spare", 2, CFGF_NONE),
	CFG_INT("max_runs", 10000, CFGF_NONE),
	CFG_INT_CB("max_age", 1800000, CFGF_NONE, parse_time),
	CFG_END()
};

static cfg_opt_t runtime_options[] = {
	CFG_STR("interpreter", NULL, CFGF_NODEFAULT),
	CFG_STR("kind", NULL, CFGF_NODEFAULT),
	CFG_SEC("tier", tier_options, CFGF_MULTI | CFGF_TITLE
	                              | CFGF_NO_TITLE_DUPES),
	CFG_END()
};

static cfg_opt_t limit_options[] = {
	CFG_INT_CB("wall", 10000, CFGF_NONE, parse_time),
	CFG_INT_CB("max_wall", 60000, CFGF_NONE, parse_time),
	CFG_INT_CB("memory", 512 * MB, CFGF_NONE, parse_size),
	CFG_INT_CB("disk", 64 * MB, CFGF_NONE, parse_size),
	CFG_INT_CB("output", 1 * MB, CFGF_NONE, parse_size),
	CFG_INT_CB("file_size", 8 * MB, CFGF_NONE, parse_size),
	CFG_INT_CB("files_size", 24 * MB, CFGF_NONE, parse_size),
	CFG_INT_CB("code", 1 * MB, CFGF_NONE, parse_size),
	CFG_INT_CB("input", 1 * MB, CFGF_NONE, parse_size),
	CFG_INT("files", 32, CFGF_NONE),
	CFG_INT("inodes", 4096, CFGF_NONE),
	CFG_INT("processes", 64, CFGF_NONE),
	CFG_INT("open_files", 256, CFGF_NONE),
	CFG_FLOAT("cpus", 1.0, CFGF_NONE),
	CFG_END()
};

static cfg_opt_t options[] = {
	CFG_STR_LIST("listen", "{unix:/run/codeexec/codeexec.sock}", CFGF_NONE),
	CFG_STR("listen_mode", "0660", CFGF_NONE),
	CFG_STR("listen_group", "www-data", CFGF_NONE),
	CFG_STR_LIST("peers", "{root, www-data}", CFGF_NONE),
	CFG_STR("library", "/usr/local/lib/codeexec", CFGF_NONE),
	CFG_STR("rootfs", "/", CFGF_NONE),
	CFG_STR("cgroup", "codeexec", CFGF_NONE),
	CFG_STR_LIST("allow_missing", "{}", CFGF_NONE),
	CFG_INT("uids", 600000, CFGF_NONE),
	CFG_INT("runs", 16, CFGF_NONE),
	CFG_INT("queue", 256, CFGF_NONE),
	CFG_INT_CB("queue_timeout", 10000, CFGF_NONE, parse_time),
	CFG_SEC("limits", limit_options, CFGF_NONE),
	CFG_SEC("runtime", runtime_options, CFGF_MULTI | CFGF_TITLE
	                                    | CFGF_NO_TITLE_DUPES),
	CFG_END()
};

static const struct {
	const char               *path;
	cfg_validate_callback_t   check;
} checks[] = {
	{ "uids", check_uids },
	{ "runs", check_count },
	{ "queue", check_queue },
	{ "queue_timeout", check_wall },
	{ "limits|wall", check_wall },
	{ "limits|max_wall", check_wall },
	{ "limits|memory", check_memory },
	{ "limits|disk", check_disk },
	{ "limits|output", check_payload },
	{ "limits|file_size", check_payload },
	{ "limits|files_size", check_payload },
	{ "limits|code", check_payload },
	{ "limits|input", check_payload },
	{ "limits|files", check_queue },
	{ "limits|inodes", check_small },
	{ "limits|processes", check_count },
	{ "limits|open_files", check_small },
	{ "runtime|tier|spare", check_spare },
	{ "runtime|tier|max_runs", check_runs },
	{ "runtime|tier|max_age", check_age },
};


static int
copy_names(cfg_t *cfg, const char *option, struct names *names)
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

	return copy_names(cfg, "preload", &tier->preload) == 0
	    && copy_names(cfg, "when", &tier->when) == 0 ? 0 : -1;
}


static int
copy_kind(cfg_t *cfg, struct runtime_config *rt)
{
	const char  *name = cfg_getstr(cfg, "kind");

	rt->kind = kind_find(name != NULL ? name : rt->name);

	if (rt->kind == NULL) {
		cfg_error(cfg, "runtime \"%s\" is of no \"kind\" that there is",
		    rt->name);
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

	if (!is_name(rt->name, "+#", LANGUAGE_MAX) || rt->name[0] == '.') {
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

	if (copy_kind(cfg, rt) != 0) {
		return -1;
	}

	rt->interpreter = xstrdup(cfg_getstr(cfg, "interpreter"));

	for (i = 0; i < rt->tiers; i++) {
		if (copy_tier(cfg_getnsec(cfg, "tier", i), &rt->tier[i]) != 0) {
			return -1;
		}

		config.slots += rt->tier[i].spare;
	}

	if (config.slots > SLOTS_MAX) {
		cfg_error(cfg, "\"runs\" and all \"spare\" are more than %d",
		    SLOTS_MAX);
		return -1;
	}

	return 0;
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

	if (copy_names(cfg, "allow_missing", &config.allow_missing) != 0) {
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
copy(cfg_t *cfg)
{
	unsigned  i;

	config.listen_mode = xstrdup(cfg_getstr(cfg, "listen_mode"));
	config.listen_group = xstrdup(cfg_getstr(cfg, "listen_group"));
	config.library = xstrdup(cfg_getstr(cfg, "library"));
	config.cgroup = xstrdup(cfg_getstr(cfg, "cgroup"));
	config.uids = (uint64_t) cfg_getint(cfg, "uids");
	config.runs = (uint64_t) cfg_getint(cfg, "runs");
	config.queue = (uint64_t) cfg_getint(cfg, "queue");
	config.queue_ms = (uint64_t) cfg_getint(cfg, "queue_timeout");
	config.runtimes = cfg_size(cfg, "runtime");

	if (copy_names(cfg, "listen", &config.listen) != 0
	    || copy_names(cfg, "peers", &config.peers) != 0
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

	if (config.runtimes == 0 || config.runtimes > RUNTIMES_MAX) {
		cfg_error(cfg, "1 to %d sections \"runtime\" are needed",
		    RUNTIMES_MAX);
		return -1;
	}

	config.slots = config.runs;

	for (i = 0; i < config.runtimes; i++) {
		if (copy_runtime(cfg_getnsec(cfg, "runtime", i),
		                 &config.runtime[i]) != 0)
		{
			return -1;
		}
	}

	return 0;
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
	size_t  i;
	cfg_t  *cfg;

	config_path = path;

	cfg = cfg_init(options, CFGF_NONE);
	if (cfg == NULL) {
		return -1;
	}

	cfg_set_error_function(cfg, print_error);

	for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		cfg_set_validate_func(cfg, checks[i].path, checks[i].check);
	}

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
