/*
 * Copyright (C) The codeexec authors.
 *
 * "codeexecd --check": codeexecd attacks itself.
 *
 * It starts as always, but listens to nobody; its runs are looked at from
 * outside (outside.c), and each runtime is sent programs that try to get out
 * (attack.c, check.* in the runtime's directory) the way nginx sends any other.
 * One line for each layer says how it went.
 *
 *            a run of every tier          each attack of each runtime
 *            is parked, looked at         in its turn
 *   WAITING -------------------> ATTACKING -------------------------> DONE
 *      |  nothing gets parked, a signal      |  a signal
 *      +-------------------------------------+---> DONE, and unproven
 */

#ifndef CODEEXEC_CHECK_H
#define CODEEXEC_CHECK_H

#include <stdbool.h>

#include "layers.h"

struct slot;

extern bool  checking;

/* Before anything else is: smaller limits and groups of its own, so that
 * neither the machine nor a codeexecd that is in service notices. */
void  check_prepare(const char *path);

/* In place of serving; runs the loop. */
void  check_run(void);

/* Prints the lines to stdout; returns the exit status. */
int   check_report(void);

/* What an attack found.  One breach stays, whatever else holds. */
__attribute__((format(printf, 2, 3)))
void  check_holds(enum layer_id id, const char *fmt, ...);

__attribute__((format(printf, 2, 3)))
void  check_breach(enum layer_id id, const char *fmt, ...);


/* outside.c: parked runs, as the kernel shows them to us. */
void  outside_look(void);

/* targets.c */

#define CHECK_CANARY  "CODEEXEC_CHECK"    /* in our environment */

/* Makes files and sockets for the attacks to look for; path is that of the
 * configuration.  They are gone after targets_remove(). */
void      targets_plant(const char *path);
void      targets_remove(void);

/* A JSON object, for an attack of that name; the caller frees it. */
char     *targets_text(const char *attack);

/* As many busy processes as it takes to want more CPU than a run may have, or
 * fewer where there are not enough processors. */
unsigned  targets_loops(void);


/* attack.c */

/* Starts the first attack; done() is called after the last one. */
void  attack_start(const char *path, void (*done)(void));

#endif /* CODEEXEC_CHECK_H */
