/*
 * Copyright (C) The codeexec authors.
 *
 * Languages: names by which clients ask for them.  Some are a runtime of
 * their own; others are commands in the configuration, all of which run from
 * the zygotes of one runtime (runtimes/command), so that any of its parked
 * runs serves any of them.
 */

#define _GNU_SOURCE

#include <confuse.h>
#include <stdlib.h>
#include <string.h>

#include "codeexecd.h"

#define ALIASES_MAX  8
#define FILE_MAX     64   /* characters */


/* Owned by whoever added the last part; NULs inside. */

struct text {
	char    *data;
	size_t   size;
};


static void
add_string(struct text *text, const char *s)
{
	size_t  n = strlen(s) + 1;

	text->data = realloc(text->data, text->size + n);
	if (text->data == NULL) {
		fatal("realloc");
	}

	(void) memcpy(text->data + text->size, s, n);
	text->size += n;
}


/* One of a list, with "{file}" replaced. */

static void
add_word(struct text *text, const char *word, const char *file)
{
	char        *s;
	const char  *mark;

	mark = strstr(word, "{file}");

	if (mark == NULL) {
		add_string(text, word);
		return;
	}

	if (asprintf(&s, "%.*s%s%s", (int) (mark - word), word, file,
	             mark + strlen("{file}")) < 0)
	{
		fatal("asprintf");
	}

	add_string(text, s);
	free(s);
}


/* An empty string ends the list. */

static int
add_list(cfg_t *cfg, const char *option, const char *file, struct text *text)
{
	unsigned     i;
	const char  *word;

	for (i = 0; i < cfg_size(cfg, option); i++) {
		word = cfg_getnstr(cfg, option, i);

		if (*word == '\0') {
			cfg_error(cfg, "an empty string in \"%s\"", option);
			return -1;
		}

		add_word(text, word, file);
	}

	add_string(text, "");

	return 0;
}


/* As TEXT_COMMAND has it: spawn.h. */

static int
make_command(cfg_t *cfg, const char *compile, const char *command,
    char **data, uint32_t *size)
{
	struct text  text = { NULL, 0 };
	const char  *file = cfg_getstr(cfg, "file");

	add_string(&text, file);

	if (compile != NULL) {
		if (add_list(cfg, compile, file, &text) != 0) {
			free(text.data);
			return -1;
		}

	} else {
		add_string(&text, "");
	}

	if (add_list(cfg, command, file, &text) != 0) {
		free(text.data);
		return -1;
	}

	*data = text.data;
	*size = (uint32_t) text.size;

	return 0;
}


static int
add_environment(cfg_t *cfg, struct language *lang)
{
	unsigned      i;
	const char   *word;
	struct text   text = { NULL, 0 };

	for (i = 0; i < cfg_size(cfg, "env"); i++) {
		word = cfg_getnstr(cfg, "env", i);

		if (strchr(word, '=') == NULL || *word == '=') {
			cfg_error(cfg, "\"%s\" in \"env\" is not of the form "
			    "NAME=value", word);
			free(text.data);
			return -1;
		}

		add_string(&text, word);
	}

	lang->env = text.data;
	lang->env_size = (uint32_t) text.size;

	return 0;
}


static bool
is_taken(const char *name)
{
	struct language  *lang;

	return language_find(name, &lang) >= 0;
}


static int
check_names(cfg_t *cfg, struct language *lang)
{
	unsigned  i;

	if (!is_name(lang->name, "+#", LANGUAGE_MAX)) {
		cfg_error(cfg, "\"%s\" is no name of a language", lang->name);
		return -1;
	}

	if (is_taken(lang->name)) {
		cfg_error(cfg, "there is a language \"%s\" already",
		    lang->name);
		return -1;
	}

	for (i = 0; i < lang->aliases.count; i++) {
		if (!is_name(lang->aliases.name[i], "+#", LANGUAGE_MAX)) {
			cfg_error(cfg, "\"%s\" is no name of a language",
			    lang->aliases.name[i]);
			return -1;
		}

		if (is_taken(lang->aliases.name[i])) {
			cfg_error(cfg, "there is a language \"%s\" already",
			    lang->aliases.name[i]);
			return -1;
		}
	}

	return 0;
}


int
language_copy(cfg_t *cfg)
{
	const char       *file;
	struct language  *lang = &config.language[config.languages];

	if (config.languages == LANGUAGES_MAX) {
		cfg_error(cfg, "more than %d languages", LANGUAGES_MAX);
		return -1;
	}

	lang->name = xstrdup(cfg_title(cfg));
	lang->compile_ms = (uint64_t) cfg_getint(cfg, "compile_timeout");
	lang->runs = (uint64_t) cfg_getint(cfg, "runs");
	file = cfg_getstr(cfg, "file");

	if (cfg_size(cfg, "command") == 0) {
		cfg_error(cfg, "language \"%s\" has no \"command\"",
		    lang->name);
		return -1;
	}

	if (file == NULL || !is_name(file, "", FILE_MAX) || file[0] == '.') {
		cfg_error(cfg, "language \"%s\" must have a plain name as its "
		    "\"file\"", lang->name);
		return -1;
	}

	if (cfg_size(cfg, "aliases") > ALIASES_MAX) {
		cfg_error(cfg, "language \"%s\" has more than %d aliases",
		    lang->name, ALIASES_MAX);
		return -1;
	}

	if (cfg_size(cfg, "compile") == 0) {
		lang->compile_ms = 0;
	}

	if (names_copy(cfg, "aliases", &lang->aliases) != 0
	    || check_names(cfg, lang) != 0
	    || make_command(cfg, "compile", "command", &lang->command,
	                    &lang->command_size) != 0
	    || (cfg_size(cfg, "version") > 0
	        && make_command(cfg, NULL, "version", &lang->version,
	                        &lang->version_size) != 0))
	{
		return -1;
	}

	config.languages++;

	return add_environment(cfg, lang);
}


static bool
is_called(const struct language *lang, const char *name)
{
	unsigned  i;

	if (strcmp(lang->name, name) == 0) {
		return true;
	}

	for (i = 0; i < lang->aliases.count; i++) {
		if (strcmp(lang->aliases.name[i], name) == 0) {
			return true;
		}
	}

	return false;
}


int
language_find(const char *name, struct language **lang)
{
	unsigned  i;

	*lang = NULL;

	for (i = 0; i < config.runtimes; i++) {
		if (i != config.commands
		    && strcmp(config.runtime[i].name, name) == 0)
		{
			return (int) i;
		}
	}

	for (i = 0; i < config.languages; i++) {
		if (is_called(&config.language[i], name)) {
			*lang = &config.language[i];
			return (int) config.commands;
		}
	}

	return -1;
}
