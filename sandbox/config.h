/*
 * Copyright (C) The codeexec authors.
 *
 * The configuration of codeexecd: what is in its file, as config.c has read it
 * with the grammar of options.c, and what is known of the runtimes and
 * languages that it may name.
 *
 * Times are milliseconds and sizes bytes.  It is read once, before anything
 * else is done, and does not change.
 */

#ifndef CODEEXEC_CONFIG_H
#define CODEEXEC_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LANGUAGE_MAX    32   /* characters of a language name */
#define TIERS_MAX       8    /* of one runtime */
#define RUNTIMES_MAX    8
#define LISTENERS_MAX   8
#define LANGUAGES_MAX   64
#define NAMES_MAX       64   /* entries of a list in the configuration */

struct cfg_t;
struct tier;


/* config.c */

struct limits {
	uint64_t      wall_ms;        /* default wall time */
	uint64_t      max_wall_ms;    /* the most a job may ask for */
	uint64_t      memory;
	uint64_t      disk;           /* of the private tmpfs */
	uint64_t      output;         /* each of stdout and stderr */
	uint64_t      file_size;      /* of one file returned */
	uint64_t      files_size;     /* of all files returned */
	uint64_t      files;          /* number of files returned */
	uint64_t      code;           /* size of the program accepted */
	uint64_t      input;          /* of variables, and of stdin */
	uint64_t      put;            /* files placed for a program */
	uint64_t      put_size;       /* of all of them */
	uint64_t      results;        /* shown by a program */
	uint64_t      results_size;   /* of all of them */
	uint64_t      inodes;
	uint64_t      processes;
	uint64_t      open_files;
	double        cpus;           /* processors' worth, 0: no limit */
};

struct names {
	char         *name[NAMES_MAX];
	unsigned      count;
};

struct tier_config {
	char         *name;
	struct names  preload;        /* modules that the zygote imports */
	struct names  when;           /* words in a program that choose it */
	uint64_t      spare;          /* runs parked ahead */
	uint64_t      max_runs;       /* of one zygote; 0: no limit */
	uint64_t      max_age_ms;     /* the same */
};

struct runtime_config {
	char                *name;
	const struct kind   *kind;
	char                *interpreter;
	char                *packages;   /* directory of versions, or NULL */
	struct tier_config   tier[TIERS_MAX];
	unsigned             tiers;
};

/* One that is a command; texts are as spawn.h has them. */

struct language {
	char                *name;
	struct names         aliases;
	char                *command;     /* TEXT_COMMAND */
	char                *version;     /* the same, or NULL */
	char                *env;         /* TEXT_ENV */
	uint32_t             command_size;
	uint32_t             version_size;
	uint32_t             env_size;
	uint64_t             compile_ms;  /* 0: it is not compiled */
	uint64_t             runs;        /* at once; 0: no limit of its own */
	uint64_t             running;
	char                *told;        /* its version, or NULL */
};

struct config {
	struct names           listen;
	struct names           peers;         /* users that may connect */
	char                  *listen_group;
	char                  *listen_mode;   /* octal */
	char                  *library;
	char                  *rootfs;
	char                  *cgroup;        /* "" switches cgroups off */
	uint64_t               cpu_weight;    /* of all runs, 0: automatic */
	struct names           allow_missing; /* layers: layers.h */
	uint64_t               uids;          /* first of slots + 1 host uids */
	uint64_t               runs;          /* at once */
	uint64_t               queue;         /* jobs waiting */
	uint64_t               queue_ms;      /* for how long at most */
	uint64_t               slots;         /* runs + everything spare */
	struct limits          limits;
	struct runtime_config  runtime[RUNTIMES_MAX];
	unsigned               runtimes;
	unsigned               commands;      /* number of that runtime */
	struct language        language[LANGUAGES_MAX];
	unsigned               languages;
};

extern struct config  config;

/* Reads path into config; returns 0, or -1 after saying what is wrong. */
int config_load(const char *path);

/* options.c: what may stand in it. */
struct cfg_t *options_new(void);

int names_copy(struct cfg_t *cfg, const char *option, struct names *names);


/* language.c */

/* Takes a section "language"; returns 0, or -1 after saying what is wrong. */
int  language_copy(struct cfg_t *cfg);

/* Returns the number of a runtime, or -1; *lang is NULL if the runtime is the
 * language. */
int  language_find(const char *name, struct language **lang);


/* kind.c: what is different from one interpreter to another */

struct kind {
	const char         *name;        /* its directory in the library, too */
	const char *const  *options;     /* of the interpreter */
	const char         *heap;        /* the one that ends in MB, or NULL */
	const char         *script;      /* in the pen, or NULL */
	const char *const  *environment;
	const char         *suffix;      /* of files to be imported, or NULL */
	const char         *tables;      /* who makes tables of data, or NULL */
};

/* NULL if there is none of that name. */
const struct kind  *kind_find(const char *name);

/* Becomes the zygote of a tier; returns if that fails. */
void                kind_exec(const struct tier *tier);

#endif
