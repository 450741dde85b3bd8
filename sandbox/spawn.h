/*
 * Copyright (C) The codeexec authors.
 *
 * What codeexecd, the builder, the zygotes and the runs say to each other
 * while a run is made.  All of it is trusted code on the same machine, so
 * messages are plain structs in single SOCK_SEQPACKET datagrams; descriptors
 * travel beside them.
 *
 *   codeexecd --spawn_build--> builder                 "build a jail"
 *   init      --spawn_reply--> codeexecd  + jail, ...  "it stands"
 *   codeexecd --spawn_fork---> zygote     + jail, ...  "fork into it"
 *   zygote    --spawn_reply--> codeexecd  + run        "forked"
 *   run       --spawn_reply--> codeexecd               "locked down, parked"
 *   codeexecd --spawn_job----> run        + job, stdin "go"
 *   run       --spawn_reply--> codeexecd               a command: "compiled"
 */

#ifndef CODEEXEC_SPAWN_H
#define CODEEXEC_SPAWN_H

#include <stdint.h>
#include <sys/types.h>

/* Where a program that codeexecd starts finds its ends of things. */

#define SPAWN_CONTROL_FD   3   /* SOCK_SEQPACKET to codeexecd */
#define SPAWN_FILTER_FD    4   /* memfd, struct sock_filter[]: the policy */

/* Exit code of a zygote that must not be forked: hygiene.h. */

#define SPAWN_UNFIT        78

#define SPAWN_FDS_MAX      12
#define SLOTS_MAX          4096

/* The one uid and gid that exist inside a jail. */

#define JAIL_UID           1000

#define JAIL_HOME          "/home/user"

/* Results that a program shows, written by its runtime: docs/protocol.md. */

#define JAIL_RESULTS       "/home/results"


struct spawn_build {
	uint32_t  slot;
	uint32_t  serial;       /* echoed; tells late answers from new ones */
	uint32_t  uid;          /* in the pen, of the run: uid and gid */
	uint64_t  disk;         /* bytes of the private tmpfs */
	uint32_t  inodes;
	uint32_t  may_nest;     /* the user namespaces ban is not to be had */
};


/* Beside the reply of an init: its pidfd, the working directory, the file of
 * results, and a timerfd that the init waits for, to end then, and with it the
 * jail. */

enum { BUILT_JAIL, BUILT_HOME, BUILT_RESULTS, BUILT_FUSE, BUILT_FDS };


/* Beside it: jail (pidfd of its init), control, stdout, stderr, then one
 * cgroup.procs for each cgroup to join. */

enum { FORK_JAIL, FORK_CONTROL, FORK_STDOUT, FORK_STDERR, FORK_CGROUPS };

struct spawn_fork {
	uint32_t  slot;
	uint32_t  serial;
	uint64_t  file_size;    /* RLIMIT_FSIZE, bytes */
	uint64_t  data_size;    /* RLIMIT_DATA, bytes; 0 is unlimited */
	uint32_t  open_files;   /* RLIMIT_NOFILE */
	uint32_t  processes;    /* RLIMIT_NPROC */
	uint32_t  cpu_seconds;  /* RLIMIT_CPU, lowered when the job comes */
	uint32_t  keep_groups;  /* they can't be given up: rootless.h */
};


struct spawn_reply {
	uint32_t  slot;
	uint32_t  serial;
	int32_t   error;        /* errno, 0 is success */
	char      step[28];     /* which call failed, NUL-terminated */
};


/* Beside it: a sealed memfd with its texts one after another, and optionally
 * the standard input. */

enum {
	TEXT_CODE,
	TEXT_VARS,      /* JSON object, or empty */
	TEXT_ARGS,      /* each with a NUL behind it */
	TEXT_ENV,       /* NAME=value, each with a NUL behind it */
	TEXT_OPTIONS,   /* JSON object, or empty */
	TEXT_COMMAND,   /* of a language that is one, see below */
	TEXT_FILES,     /* PUT frames' payloads, 4 bytes of length before */
	TEXTS
};

/* TEXT_COMMAND: each with a NUL behind it, the name of the file for the
 * program, the words of the compiler and an empty one, the words of the command
 * and an empty one. */

struct spawn_job {
	uint32_t  serial;
	uint32_t  cpu_seconds;   /* RLIMIT_CPU */
	uint32_t  compile_ms;    /* what a compiler may take */
	uint32_t  size[TEXTS];   /* bytes */
};


/* What the run of a command says while there is no user code in it, as the
 * error of a spawn_reply. */

enum command_event { COMMAND_BEGINS, COMMAND_NOT_COMPILED, COMMAND_SLOW };


/* Sends one datagram.  Returns 0, or -1 with errno; never raises SIGPIPE. */
int spawn_send(int sock, const void *msg, size_t size, const int *fds,
    unsigned nfds);

/*
 * Receives one datagram of exactly size bytes.  *nfds is the room in fds on
 * entry and the number received, all close-on-exec, on return.
 * Returns size, 0 at end of stream, or -1 with errno (EBADMSG for another
 * size or more descriptors than room; none are kept then).
 */
ssize_t spawn_recv(int sock, void *msg, size_t size, int *fds,
    unsigned *nfds, int flags);

/* Fills a reply from errno (or success when step is NULL). */
void spawn_reply_init(struct spawn_reply *r, uint32_t slot, uint32_t serial,
    const char *step);

#endif /* CODEEXEC_SPAWN_H */
