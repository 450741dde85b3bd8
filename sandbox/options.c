/*
 * Copyright (C) The codeexec authors.
 *
 * What may stand in the configuration file: names, defaults, ranges.
 * conf/codeexecd.conf is the manual of it.
 */

#define _GNU_SOURCE

#include <confuse.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "codeexecd.h"

#define KB  (1024L)
#define MB  (1024L * KB)

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

/* What cpu.weight of version 2 takes, and 0. */

static int
check_weight(cfg_t *cfg, cfg_opt_t *opt)
{
	return in_range(cfg, opt, 0, 10000);
}


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
	CFG_STR("packages", NULL, CFGF_NODEFAULT),
	CFG_SEC("tier", tier_options, CFGF_MULTI | CFGF_TITLE
	                              | CFGF_NO_TITLE_DUPES),
	CFG_END()
};

static cfg_opt_t language_options[] = {
	CFG_STR_LIST("aliases", "{}", CFGF_NONE),
	CFG_STR("file", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("compile", "{}", CFGF_NONE),
	CFG_STR_LIST("command", "{}", CFGF_NONE),
	CFG_STR_LIST("version", "{}", CFGF_NONE),
	CFG_STR_LIST("env", "{}", CFGF_NONE),
	CFG_INT_CB("compile_timeout", 10000, CFGF_NONE, parse_time),
	CFG_INT("runs", 0, CFGF_NONE),
	CFG_END()
};

static cfg_opt_t command_options[] = {
	CFG_INT("spare", 2, CFGF_NONE),
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
	CFG_INT_CB("put_size", 16 * MB, CFGF_NONE, parse_size),
	CFG_INT_CB("results_size", 16 * MB, CFGF_NONE, parse_size),
	CFG_INT("put", 64, CFGF_NONE),
	CFG_INT("results", 100, CFGF_NONE),
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
	CFG_INT("cpu_weight", 0, CFGF_NONE),
	CFG_STR_LIST("allow_missing", "{}", CFGF_NONE),
	CFG_INT("uids", 600000, CFGF_NONE),
	CFG_INT("runs", 16, CFGF_NONE),
	CFG_INT("queue", 256, CFGF_NONE),
	CFG_INT_CB("queue_timeout", 10000, CFGF_NONE, parse_time),
	CFG_SEC("limits", limit_options, CFGF_NONE),
	CFG_SEC("runtime", runtime_options, CFGF_MULTI | CFGF_TITLE
	                                    | CFGF_NO_TITLE_DUPES),
	CFG_SEC("language", language_options, CFGF_MULTI | CFGF_TITLE
	                                      | CFGF_NO_TITLE_DUPES),
	CFG_SEC("commands", command_options, CFGF_NONE),
	CFG_FUNC("include", cfg_include),
	CFG_END()
};

static const struct {
	const char               *path;
	cfg_validate_callback_t   check;
} checks[] = {
	{ "uids", check_uids },
	{ "cpu_weight", check_weight },
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
	{ "limits|put_size", check_payload },
	{ "limits|results_size", check_payload },
	{ "limits|put", check_queue },
	{ "limits|results", check_queue },
	{ "limits|files", check_queue },
	{ "limits|inodes", check_small },
	{ "limits|processes", check_count },
	{ "limits|open_files", check_small },
	{ "language|compile_timeout", check_wall },
	{ "language|runs", check_queue },
	{ "commands|spare", check_spare },
	{ "runtime|tier|spare", check_spare },
	{ "runtime|tier|max_runs", check_runs },
	{ "runtime|tier|max_age", check_age },
};


cfg_t *
options_new(void)
{
	size_t  i;
	cfg_t  *cfg;

	cfg = cfg_init(options, CFGF_NONE);

	for (i = 0; cfg != NULL && i < sizeof(checks) / sizeof(checks[0]); i++)
	{
		cfg_set_validate_func(cfg, checks[i].path, checks[i].check);
	}

	return cfg;
}
