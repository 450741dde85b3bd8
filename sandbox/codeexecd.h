/*
 * Copyright (C) The codeexec authors.
 *
 * codeexecd: runs untrusted programs for nginx.  A section for each source
 * file, but for those of config.h and cgroup.h; sandbox/README.md has the
 * processes and who kills what.
 *
 * Theory of operation
 * -------------------
 * One thread, one libevent loop.  A client (client.c) sends a job (job.c);
 * the job waits in the queue of its tier until a slot (slot.c) has a run
 * parked for it: a process that was forked from a warm zygote into a jail of
 * its own and locked down before there was a job.  The job's text is handed
 * over, the process runs, dies, and is thrown away with its jail; the slot
 * gets a new jail and a new process ahead of the next job.  The runtime
 * (runtime.c) owns the builder and the zygotes that make them.
 *
 * What happened is read from the kernel (slot.c, cgroup.c) and from the
 * working directory once nothing is alive in it (collect.c); nothing that
 * the run says about itself is believed.
 *
 * Times are microseconds of CLOCK_MONOTONIC, sizes bytes, unless a name says
 * otherwise.  Everything here runs on the loop's thread.
 */

#ifndef CODEEXECD_H
#define CODEEXECD_H

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/types.h>

#include "cgroup.h"
#include "config.h"
#include "spawn.h"
#include "wire.h"

#define CLIENTS_MAX     4096 /* connections at once */
#define ID_MAX          64   /* characters of an execution id */
#define HANDLE_LENGTH   32   /* hexadecimal digits */

struct json_t;
struct slot;


/* util.c */

__attribute__((format(printf, 1, 2)))
void log_info(const char *fmt, ...);

__attribute__((format(printf, 1, 2)))
void log_warn(const char *fmt, ...);

/* Drops what log_info() says from now on. */
void log_warnings_only(void);

/* Logs with strerror(errno) and exits: for what can't be gone on from. */
__attribute__((noreturn, format(printf, 1, 2)))
void fatal(const char *fmt, ...);

uint64_t  now_us(void);
void      close_fd(int *fd);          /* closes unless -1, sets -1 */
void     *xcalloc(size_t n, size_t size);
char     *xstrdup(const char *s);

/* 1 to max letters, digits, ".", "_", "-" and those of more. */
bool      is_name(const char *s, const char *more, size_t max);

/* Whole file into a NUL-terminated buffer; -1 with errno if it won't fit. */
ssize_t   read_file(const char *path, char *buffer, size_t size);


/* oom.c: kills a run of which the kernel kills one process; number is that of
 * its group. */
void  oom_watch(struct slot *slot, unsigned number);


/* process.c: a builder or a zygote */

struct clone_args;

struct process {
	int           pidfd;         /* -1 while there is none */
	int           control;
	struct event  exited;
	struct event  message;
	struct event  restart;       /* back-off timer */
	unsigned      failures;      /* in a row */
};

void   process_init(struct process *p, event_callback_fn restart, void *data);

/*
 * Makes a child that has its control socket and the policy where spawn.h
 * says, /dev/null as its input and nothing else open but our log.  builder is
 * the pidfd of the builder whose namespaces it enters, or -1.
 * Returns 0 in the child, its pid in the parent, or -1 with errno.
 */
pid_t  process_fork(struct process *p, struct clone_args *args, int builder);

/* The same with a child that is in the pid namespace of the builder, too; it
 * calls child(), which does not return. */
pid_t  process_fork_into(struct process *p, struct clone_args *args,
           int builder, void (*child)(void *data), void *data);
void   process_watch(struct process *p, event_callback_fn exited,
           event_callback_fn message, void *data);
void   process_close(struct process *p);      /* kills and buries it */
void   process_retry(struct process *p);      /* starts it again later */

/* The time to wait after so many failures in a row: 100 ms to 10 s. */
void   backoff(unsigned failures, struct timeval *tv);

/*
 * Takes the next message.  *nfds is the room in fds on entry and the number
 * received on return.  Returns 1, 0 when there is none yet, or -1 when the
 * other end is closed.
 */
int    process_receive(struct process *p, struct spawn_reply *reply, int *fds,
           unsigned *nfds);

/* The pid behind a pidfd, as we see it, or -1. */
pid_t  process_pid(int pidfd);

/* Kills, and reaps and closes when it is dead; owns pidfd. */
void   process_bury(int pidfd);

/* Blocks until every child is dead and reaped, for some seconds at most. */
void   process_reap_all(void);


/* runtime.c: a builder and its zygotes, one set for each language
 *
 *         started       in new namespaces     root is given up
 *   DOWN ---------> ENTERING ---------> MAPPED ---------------> UP
 *    ^                 |                  |                      |
 *    +---- back off ---+------------------+----------------------+
 *                   the builder or its socket is gone
 *
 * A zygote that dies alone is started again; its parked runs live on, since
 * they are children of codeexecd.
 */

enum runtime_state {
	RUNTIME_DOWN, RUNTIME_ENTERING, RUNTIME_MAPPED, RUNTIME_UP
};

TAILQ_HEAD(job_queue, job);

/* warm.c
 *
 *   DOWN --> STARTING --> WARM --> RETIRING --> DOWN
 *    ^          |          |
 *    +----------+----------+ it died
 *
 * One of a tier is WARM and is asked for forks.  When it is worn, the other is
 * started; once that is WARM this one RETIREs, and ends when all it was asked
 * for is answered.
 */

enum zygote_state {
	ZYGOTE_DOWN, ZYGOTE_STARTING, ZYGOTE_WARM, ZYGOTE_RETIRING
};

struct zygote {
	struct process     process;
	struct tier       *tier;
	enum zygote_state  state;
	uint32_t           serial;   /* among those of the tier */
	uint64_t           forks;    /* asked of it */
};

struct tier {
	struct runtime            *runtime;
	const struct tier_config  *config;
	struct zygote              zygotes[2];
	struct zygote             *warm;     /* one of them, or NULL */
	struct event               worn;     /* when it is too old */
	uint64_t                   not_before;  /* may another be started */
	uint32_t                   started;  /* zygotes */
	struct job_queue           queue;
	unsigned                   queued;
	unsigned                   ahead;    /* slots BUILDING to PARKED */
	unsigned                   parked;   /* of which ready */
	unsigned                   number;
	bool                       proven;   /* one has forked */
	bool                       stale;    /* has an older one's parked */
	struct json_t             *packages; /* of the warm one, or NULL */
};

struct runtime {
	const struct runtime_config  *config;
	struct process                builder;
	struct event                  resume;  /* ends a pause */
	unsigned                      pauses;  /* in a row */
	bool                          paused;
	enum runtime_state            state;
	struct tier                   tier[TIERS_MAX];
	unsigned                      tiers;
	struct slot                  *slots;
	unsigned                      number;
	char                         *told;    /* its version, or NULL */
	pid_t                         pid;     /* of its builder */
	uint32_t                      uid;     /* of its builder */
};

extern struct runtime  runtimes[RUNTIMES_MAX];

/* warm.c: the zygotes of a tier */
void             tier_init(struct tier *tier);
void             tier_start(struct tier *tier);
void             tier_stop(struct tier *tier);

/* What a zygote finds when it starts may have changed: there is another one
 * soon, and until then the one that is warm. */
void             tier_reload(struct tier *tier);
bool             tier_is_starting(const struct tier *tier);
void             zygote_used(struct zygote *z);    /* it forks once more */

/* A slot of the tier is PARKED now: it may replace one that is stale. */
void             tier_parked(struct slot *slot);

/* Makes the process, which asks for its maps first; -1 with errno. */
int              builder_fork(struct runtime *rt);
int              builder_maps(struct runtime *rt);

/* The uid of the builder of that runtime: on the host, or in the user namespace
 * of rootless.h. */
uint32_t         runtime_uid(unsigned number);

void             runtimes_start(void);
void             runtimes_reload(void);      /* new zygotes for all tiers */
void             runtimes_stop(void);        /* kills all, waits for it */

/* tier.c: the one whose words the job contains; the first one if none. */
struct tier     *tier_choose(struct runtime *rt, const struct job *job);
void             runtime_refill(struct runtime *rt);

/* A run could not be made: makes no other one for a while. */
void             runtime_pause(struct runtime *rt);

/* Asks the builder for a jail or the zygote for a fork; -1 if it is gone. */
int              runtime_build(struct slot *slot);
int              tier_fork(struct slot *slot, const int *fds,
                     unsigned nfds);


/* slot.c: a place for one run
 *
 *   EMPTY --> BUILDING --> FORKING --> PARKED --> RUNNING --> ENDED
 *     ^           |            |          |          |         |   |
 *     |           |            |          |          |         |   | answered
 *     |           |            |          |          | killed  |   v
 *     |           |            |          |          |         | LINGERING
 *     |           v            v          v          v         v   v
 *     +------------------------- DYING <----------------------------+
 *        init of the jail is dead, and the run is reaped
 *
 * LINGERING: nothing but the init and the keeper is alive in the jail, and the
 * answer is sent.  It ends in time, or as soon as there is no slot for another.
 */

enum slot_state {
	SLOT_EMPTY, SLOT_BUILDING, SLOT_FORKING, SLOT_PARKED, SLOT_RUNNING,
	SLOT_ENDED, SLOT_LINGERING, SLOT_DYING
};

struct slot {
	struct runtime   *runtime;
	struct tier      *tier;
	struct job       *job;           /* RUNNING and ENDED, unless aborted */
	enum slot_state   state;
	uint32_t          index;
	uint32_t          serial;        /* of the jail in it */
	uint32_t          zygote;        /* serial of what it is forked from */
	int               jail;          /* pidfd of its init */
	int               run;           /* pidfd */
	int               keeper;        /* pidfd, beside the run: keeper.h */
	int               home;          /* working directory */
	int               results;       /* file in the same tmpfs */
	int               fuse;          /* timerfd: its init ends with it */
	int               control;
	int               output[2];     /* read ends of stdout and stderr */
	struct event      jail_exited;
	struct event      run_exited;
	struct event      parked;
	struct event      readable[2];
	struct event      out_of_memory;
	struct event      overdue;       /* of BUILDING, FORKING, LINGERING */
	struct cgroup     cgroup;
	struct rusage     usage;         /* of the run, once reaped */
	int               status;        /* si_status, once reaped */
	bool              signaled;
	bool              reaped;
	bool              locked;        /* the run said it is parked */
	uint64_t          ended;         /* when it was reaped */
};

void   slots_init(struct runtime *rt);
uid_t  slot_uid(const struct slot *slot);      /* as that of the builder */
void  slot_state(struct slot *slot, enum slot_state state);

/* It could not be made: the next one is not tried at once. */
void  slot_fail(struct slot *slot);

/* Events of it: the init is dead, the run is, it wrote something. */
void  slot_jail_exited(evutil_socket_t fd, short what, void *slot);
void  slot_run_exited(evutil_socket_t fd, short what, void *slot);
void  slot_readable(evutil_socket_t fd, short what, void *slot);

/* strays.c: reaps children that nobody knows, while a slot waits for one. */
void  strays_reap(void);

/* park.c: from EMPTY to PARKED */

void  slot_prepare(struct slot *slot, struct tier *tier);
void  slot_built(struct slot *slot, const struct spawn_reply *reply,
          int *fds, unsigned nfds);
void  slot_forked(struct slot *slot, const struct spawn_reply *reply,
          int *fds, unsigned nfds);

/* slot.c again */

void  slot_kill(struct slot *slot);

/* A slot is needed: those that are LINGERING end now. */
void  slots_hurry(struct runtime *rt);

/* The runtime is gone, and every process in the slot with it. */
void  slot_lost(struct slot *slot);

/* handover.c */

/* Whether the run of a PARKED or RUNNING slot has not ended. */
bool  slot_is_alive(const struct slot *slot);

/* Hands job to a PARKED slot; returns -1 if it turned out to be dead. */
int   slot_run(struct slot *slot, struct job *job);

/* What a run of a command says: whether it has been compiled. */
void  slot_told(evutil_socket_t fd, short what, void *slot);


/* job.c: what a client wants run
 *
 *   (client collects) --> QUEUED --> RUNNING --> answered, freed
 *                            |          |
 *                            v          v
 *                      BUSY, freed   client gone: killed, freed
 */

struct job {
	TAILQ_ENTRY(job)   link;
	TAILQ_ENTRY(job)   others;       /* that have a handle: stop.c */
	struct client     *client;
	struct tier       *tier;
	struct slot       *slot;         /* while it runs */
	struct event       timer;        /* queue time-out, then the deadline */
	struct evbuffer   *text[TEXTS];  /* as spawn.h has them */
	struct evbuffer   *input;
	struct evbuffer   *output[2];
	struct names       collect;      /* patterns */
	unsigned           put;          /* files in text[TEXT_FILES] */
	char               id[ID_MAX + 1];
	char               handle[HANDLE_LENGTH + 1];  /* or "" */
	struct language   *language;     /* NULL: its runtime is */
	uint64_t           timeout_ms;
	uint64_t           compile_us;   /* how long that took */
	uint64_t           submitted;
	uint64_t           started;
	bool               compiling;    /* its program has not begun */
	bool               timed_out;
	bool               stopped;      /* by STOP */
	bool               listed;       /* others is in use */
	bool               output_cut;   /* stdout or stderr */
	bool               files_cut;    /* one was left out for a limit */
	bool               version;      /* not a program: its language's */
	bool               check;        /* nothing is to be run */
	bool               shows;        /* results or claims are asked for */
	bool               tables;       /* given as data */
	struct json_t     *imports;      /* that it need not do, or NULL */
	bool               results_cut;
};

struct counters {
	uint64_t  started;               /* runs handed to a process */
	uint64_t  finished;
	uint64_t  aborted;               /* by their client */
	uint64_t  rejected;
	uint64_t  busy;
	uint64_t  lost;                  /* with their runtime */
	uint64_t  stopped;               /* started or not */
	uint64_t  queued;                /* now */
	uint64_t  running;               /* now: slots with a job */
	uint64_t  clients;               /* now */
};

extern struct counters  counters;
extern bool             stopping;

struct job  *job_new(struct client *client);
void         job_free(struct job *job);

/* Its program begins now, if it had to be compiled. */
void         job_compiled(struct job *job);

/* Queues or starts it; answers by itself, now or later. */
void         job_submit(struct job *job, struct runtime *rt);
void         job_abort(struct job *job);
void         job_unlink(struct job *job);  /* from its queue, if any */
void         jobs_dispatch(void);
void         jobs_refuse(void);          /* those that wait */

/* parse.c */

/*
 * Reads the JOB object into job and its language, room for LANGUAGE_MAX + 1
 * characters.  Returns NULL, or what is wrong with it.
 */
const char  *job_parse(struct job *job, struct evbuffer *json,
                 char *language);

/* The variables of a command are its environment: returns the same. */
const char  *job_vars_to_env(struct job *job);

/* The frame PUT of size bytes whose payload is the last of TEXT_FILES: returns
 * NULL, or what is wrong with it. */
const char  *job_parse_put(struct job *job, uint32_t size);


/* stop.c: STOP */

/* It may be stopped from now on; true if it has been already. */
bool         job_enlist(struct job *job);
void         job_delist(struct job *job);

/* The frame STOP, whose payload is c->head; -1 if it is none. */
int          client_stop(struct client *c);


/* result.c: the slot's run is over and nothing is alive in its jail. */
void         job_finish(struct job *job);

/* It was stopped before it had a slot. */
void         job_skip(struct job *job);

/* It may have run, but what it did is not known: the client is cut off. */
void         job_lost(struct job *job);


/* collect.c */

struct collected {
	struct evbuffer  *frames;        /* FILE frames */
	struct evbuffer  *skipped;       /* inside of a JSON array */
	unsigned          skipped_count; /* named in it or not */
	unsigned          files;
	uint64_t          size;          /* payloads of the frames */
};

/* Fills out, whose buffers are there and empty, from the directory home of a
 * dead run. */
void  collect_files(struct job *job, int home, uid_t uid,
          struct collected *out);


/* show.c: the same for the file of results; out gets SHOW frames. */

struct shown {
	struct evbuffer  *frames;
	unsigned          results;
	uint64_t          size;          /* payloads of the frames */
};

void  collect_results(struct job *job, int fd, struct shown *out);


/* client.c */

struct client {
	TAILQ_ENTRY(client)  link;
	int                  fd;
	struct event         readable;
	struct event         writable;
	struct wire_reader   reader;
	struct evbuffer     *out;
	struct evbuffer     *head;       /* payload of the JOB frame */
	struct evbuffer     *sink;       /* takes the payload being read */
	size_t               room;       /* bytes the sink may hold */
	struct job          *job;        /* collected, queued or running */
	bool                 submitted;
	const char          *error;      /* of a PUT frame, or NULL */
	bool                 too_large;
};

void  client_new(int fd);
void  clients_stop(void);          /* closes all, and so kills their runs */

/* versions.c */
void   versions_ask(void);                       /* when all is ready */
char  *version_text(const char *text, size_t size);  /* a printable copy */

/* packages.c: what a warm zygote says that programs can import */

/* Reads it from the file, and closes that; keeps what it had if it is no such
 * text.  The zygote imports what is not ours. */
void      packages_take(struct tier *tier, int fd);

/* The version of the directory of packages that it has; 0: none. */
unsigned  packages_version(const struct tier *tier);

/* Appends a member of STATE. */
void      packages_print(struct evbuffer *out);

/* state.c */
void  client_state(struct client *c);

/* listen.c */
/* On so many sockets that were passed on to us, or on those of "listen". */
void  clients_listen(int inherited);
void  clients_refuse(void);        /* closes and removes the sockets */

/* Answers; each ends the client's current job. */
void  client_busy(struct client *c, const char *reason, unsigned retry_after);
void  client_reject(struct client *c, const char *reason,
          const char *message);
void  client_done(struct client *c);       /* after writing to c->out */
void  client_close(struct client *c);

/* Appends one frame; the payload may be empty. */
void  frame_add(struct evbuffer *out, enum wire_type type, const void *data,
          size_t size);

/* Appends one frame and moves the payload into it without a copy. */
void  frame_move(struct evbuffer *out, enum wire_type type,
          struct evbuffer *payload);


/* codeexecd.c */

extern struct event_base  *loop;
extern int                 filter_fd;      /* the seccomp policy */

/* Stops as at SIGTERM, but as a failure: what is wrong was said. */
void  stop_failed(void);

#endif /* CODEEXECD_H */
