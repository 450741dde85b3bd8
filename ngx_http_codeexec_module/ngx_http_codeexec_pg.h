
/*
 * Copyright (C) The codeexec authors.
 *
 * The client of PostgreSQL: a pool of libpq connections in each worker,
 * driven by nginx's events.  It knows nothing of HTTP.
 */


#ifndef _NGX_HTTP_CODEEXEC_PG_H_INCLUDED_
#define _NGX_HTTP_CODEEXEC_PG_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <libpq-fe.h>


#define NGX_HTTP_CODEEXEC_PG_ARGS  4


typedef struct ngx_http_codeexec_pg_job_s         ngx_http_codeexec_pg_job_t;
typedef struct ngx_http_codeexec_pg_pool_s        ngx_http_codeexec_pg_pool_t;
typedef struct ngx_http_codeexec_pg_connection_s
    ngx_http_codeexec_pg_connection_t;


/* The statements, see ngx_http_codeexec_pg_statement.c. */

typedef enum {
    ngx_http_codeexec_pg_lookup = 0,
    ngx_http_codeexec_pg_store,
    ngx_http_codeexec_pg_sweep
} ngx_http_codeexec_pg_statement_e;

#define NGX_HTTP_CODEEXEC_PG_STATEMENTS  3


/* Columns of what the lookup returns: no row, or one. */

enum {
    ngx_http_codeexec_pg_type = 0,      /* text, NULL if unknown */
    ngx_http_codeexec_pg_size,          /* int4, bytes of the image */
    ngx_http_codeexec_pg_created,       /* timestamptz, NULL if unknown */
    ngx_http_codeexec_pg_expires,       /* timestamptz, NULL: never */
    ngx_http_codeexec_pg_sha256,        /* bytea, NULL if unknown */
    ngx_http_codeexec_pg_id,            /* int8 */
    ngx_http_codeexec_pg_version,       /* xid */
    ngx_http_codeexec_pg_data,          /* bytea, see the statement */
    ngx_http_codeexec_pg_columns
};


/*
 * Arguments of one execution, in binary format.  A NULL value is SQL's NULL.
 * All memory belongs to the caller, and lives as long as the job.
 */

typedef struct {
    const char                 *values[NGX_HTTP_CODEEXEC_PG_ARGS];
    int                         lengths[NGX_HTTP_CODEEXEC_PG_ARGS];
} ngx_http_codeexec_pg_args_t;


/*
 * One statement to execute, or several executions of it in one transaction
 * and one round trip.  The first part is the caller's; all must be zero
 * otherwise.
 */

struct ngx_http_codeexec_pg_job_s {
    ngx_http_codeexec_pg_statement_e  statement;

    ngx_http_codeexec_pg_args_t      *args;
    ngx_uint_t                        nargs;     /* executions, 1 or more */

    /*
     * Called once, never from within submit(), unless the job is cancelled
     * before.  The job is not touched after that.
     */
    void                            (*handler)(
                                          ngx_http_codeexec_pg_job_t *job);
    void                             *data;
    ngx_log_t                        *log;       /* of the request */

    /* for the handler */

    ngx_int_t                         status;    /* NGX_OK, 500, 503, 504 */
    PGresult                         *result;    /* of the last execution if
                                                    NGX_OK, else NULL; it is
                                                    the handler's to clear */
    ngx_msec_t                        time;      /* from submit() on */
    u_char                            sqlstate[6];  /* or "" */

    /* private */

    ngx_queue_t                       queue;
    ngx_http_codeexec_pg_pool_t      *pool;
    ngx_http_codeexec_pg_connection_t  *connection;  /* that executes it */
    ngx_msec_t                        begun;
    ngx_msec_t                        queued;

    unsigned                          waiting:1;
    unsigned                          refused:1;
    unsigned                          retried:1;
};


/* One address of the server; NULL stands for libpq's default. */

typedef struct {
    char                             *host;      /* name, or directory */
    char                             *hostaddr;
    char                             *port;
} ngx_http_codeexec_pg_host_t;


struct ngx_http_codeexec_pg_pool_s {
    ngx_str_t                         name;
    u_char                           *file_name;
    ngx_uint_t                        line;

    /* configuration; see docs/directives.md */

    ngx_array_t                       keywords;  /* what libpq takes, */
    ngx_array_t                       values;    /* except for hosts */
    ngx_array_t                       hosts;
    ngx_str_t                         password;

    ngx_uint_t                        max_connections;
    ngx_uint_t                        max_requests;    /* 0: no limit */
    ngx_uint_t                        queue_size;
    ngx_msec_t                        queue_timeout;
    ngx_msec_t                        connect_timeout;
    ngx_msec_t                        query_timeout;
    ngx_msec_t                        idle_timeout;
    ngx_msec_t                        max_age;         /* 0: no limit */
    ngx_msec_t                        sweep;           /* 0: off */
    ngx_flag_t                        prepare;

    /* state, in each worker */

    ngx_http_codeexec_pg_connection_t  *connections;  /* all of them */
    ngx_queue_t                       closed;    /* connections to be opened */
    ngx_queue_t                       idle;      /* used last comes first */
    ngx_uint_t                        nopening;
    ngx_uint_t                        nbusy;     /* drained ones included */

    ngx_queue_t                       waiting;   /* jobs, in order */
    ngx_uint_t                        nwaiting;
    ngx_event_t                       timer;     /* of the first of them */
    ngx_queue_t                       refused;   /* jobs, until the event */
    ngx_event_t                       refuse;    /* that was posted for them */

    ngx_event_t                       backoff;
    ngx_uint_t                        failures;  /* in a row */
    ngx_uint_t                        host;      /* that worked last */
    ngx_uint_t                        generation;  /* of connections */

    ngx_event_t                       sweeper;
    ngx_http_codeexec_pg_job_t        sweep_job;
    ngx_http_codeexec_pg_args_t       sweep_args;
    ngx_uint_t                        sweep_batch;  /* rows */
    u_char                            sweep_rows[8];  /* as an argument */

    unsigned                          stores:1;  /* it is stored to */
    unsigned                          shutdown:1;  /* the worker's time is up */
    unsigned                          plain:1;   /* so was the connection
                                                    opened last */
    unsigned                          warned:1;  /* of that */
};


/*
 * Finds the pool of that name, or makes it; that it was configured is checked
 * when the configuration was read.
 */
ngx_http_codeexec_pg_pool_t *ngx_http_codeexec_pg_add(ngx_conf_t *cf,
    ngx_str_t *name);

/*
 * NGX_OK, and the handler will be called; or NGX_BUSY: the queue is full, or
 * the database is known to be down, and it won't be.
 */
ngx_int_t ngx_http_codeexec_pg_submit(ngx_http_codeexec_pg_pool_t *pool,
    ngx_http_codeexec_pg_job_t *job);

/*
 * For the cleanup of a request.  Does nothing to a job that was not submitted
 * or is done.  A transaction that was sent completely is left to itself, any
 * other is rolled back.
 */
void ngx_http_codeexec_pg_cancel(ngx_http_codeexec_pg_job_t *job);


/* What the module's hooks and its "codeexec_pg" command call. */

void *ngx_http_codeexec_pg_create_main_conf(ngx_conf_t *cf);
char *ngx_http_codeexec_pg_block(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_codeexec_pg_postconfiguration(ngx_conf_t *cf);
ngx_int_t ngx_http_codeexec_pg_init_process(ngx_cycle_t *cycle);
void ngx_http_codeexec_pg_exit_process(ngx_cycle_t *cycle);


/* The rest is private to the files of the client. */


typedef struct {
    const char                       *name;      /* once prepared */
    const char                       *text;
    const char                       *plain;     /* for a table of the columns
                                                    id, filename and data; NULL
                                                    if there is none */
    int                               nargs;
    Oid                               types[NGX_HTTP_CODEEXEC_PG_ARGS];
} ngx_http_codeexec_pg_statement_t;


typedef enum {
    ngx_http_codeexec_pg_closed = 0,
    ngx_http_codeexec_pg_connecting,
    ngx_http_codeexec_pg_preparing,
    ngx_http_codeexec_pg_idle,
    ngx_http_codeexec_pg_busy,
    ngx_http_codeexec_pg_draining
} ngx_http_codeexec_pg_state_e;


struct ngx_http_codeexec_pg_connection_s {
    ngx_http_codeexec_pg_pool_t      *pool;
    ngx_http_codeexec_pg_state_e      state;
    ngx_queue_t                       queue;     /* of pool->closed or idle */

    PGconn                           *conn;      /* NULL when closed */
    ngx_connection_t                 *c;         /* libpq's socket in nginx */
    ngx_event_t                       start;     /* posted */
    ngx_event_t                       timer;
    ngx_msec_t                        deadline;  /* the timer may be earlier */

    ngx_uint_t                        host;      /* index in pool->hosts */
    ngx_uint_t                        tried;     /* hosts that failed */

    ngx_http_codeexec_pg_job_t       *job;       /* when busy */
    PGresult                         *result;    /* the first that failed, or
                                                    the last */
    ngx_uint_t                        requests;
    ngx_msec_t                        opened;
    ngx_uint_t                        generation;  /* of the pool, then */

    unsigned                          pipeline:1;
    unsigned                          sending:1; /* not all was flushed */
    unsigned                          failed:1;  /* so is result */
    unsigned                          large:1;   /* its buffers have grown */
    unsigned                          plain:1;   /* for three columns */
    unsigned                          repeated:1;  /* opened a second time */
    unsigned                          broken:1;  /* its results made no sense */
    unsigned                          unstored:1;  /* rows were not inserted */
};


typedef struct {
    ngx_array_t                       pools;     /* of pointers */
} ngx_http_codeexec_pg_main_conf_t;


/* What an error means for the connection and the job. */

typedef enum {
    ngx_http_codeexec_pg_error = 0,  /* of the statement: 500 */
    ngx_http_codeexec_pg_unavailable,  /* 503 */
    ngx_http_codeexec_pg_timed_out,  /* 504 */
    ngx_http_codeexec_pg_again,      /* the same may work when repeated */
    ngx_http_codeexec_pg_reconnect,  /* it may on another connection */
    ngx_http_codeexec_pg_old_table   /* the added columns are missing */
} ngx_http_codeexec_pg_error_e;


/* _pg_conninfo.c */

char *ngx_http_codeexec_pg_conninfo(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_codeexec_pg_add_parameter(ngx_conf_t *cf,
    ngx_http_codeexec_pg_pool_t *pool, const char *keyword,
    const char *value);
ngx_uint_t ngx_http_codeexec_pg_has(ngx_http_codeexec_pg_pool_t *pool,
    const char *keyword);
char *ngx_http_codeexec_pg_copy(ngx_conf_t *cf, const char *text, size_t len);

/* _pg_connection.c */

void ngx_http_codeexec_pg_init_connection(ngx_http_codeexec_pg_pool_t *pool,
    ngx_http_codeexec_pg_connection_t *pg, ngx_log_t *log);
/* Puts libpq's socket among nginx's connections, and takes it away. */
ngx_int_t ngx_http_codeexec_pg_attach(ngx_http_codeexec_pg_connection_t *pg);
void ngx_http_codeexec_pg_detach(ngx_http_codeexec_pg_connection_t *pg);
ngx_int_t ngx_http_codeexec_pg_want_write(
    ngx_http_codeexec_pg_connection_t *pg, ngx_uint_t want);
void ngx_http_codeexec_pg_set_timer(ngx_http_codeexec_pg_connection_t *pg,
    ngx_msec_t timeout);
/* Frees all but the state. */
void ngx_http_codeexec_pg_reset(ngx_http_codeexec_pg_connection_t *pg);
void ngx_http_codeexec_pg_close(ngx_http_codeexec_pg_connection_t *pg);

/* _pg_connect.c */

void ngx_http_codeexec_pg_connect(ngx_http_codeexec_pg_connection_t *pg);
void ngx_http_codeexec_pg_start_handler(ngx_event_t *ev);
void ngx_http_codeexec_pg_poll(ngx_http_codeexec_pg_connection_t *pg);
void ngx_http_codeexec_pg_next_host(ngx_http_codeexec_pg_connection_t *pg,
    const char *reason);
void ngx_http_codeexec_pg_prepared(ngx_http_codeexec_pg_connection_t *pg);
void ngx_http_codeexec_pg_not_prepared(ngx_http_codeexec_pg_connection_t *pg,
    const char *reason);

/* _pg_query.c */

/* NGX_ERROR if it could not be sent, and the connection is closed. */
ngx_int_t ngx_http_codeexec_pg_execute(ngx_http_codeexec_pg_connection_t *pg,
    ngx_http_codeexec_pg_job_t *job);
/* The job of a busy connection goes away. */
void ngx_http_codeexec_pg_abandon(ngx_http_codeexec_pg_connection_t *pg);
ngx_int_t ngx_http_codeexec_pg_flush(ngx_http_codeexec_pg_connection_t *pg);
void ngx_http_codeexec_pg_process(ngx_http_codeexec_pg_connection_t *pg);
/* Reads and drops what comes while idle; NGX_ERROR at the end. */
ngx_int_t ngx_http_codeexec_pg_ignore(ngx_http_codeexec_pg_connection_t *pg);

/* _pg_pool.c */

void ngx_http_codeexec_pg_set_state(ngx_http_codeexec_pg_connection_t *pg,
    ngx_http_codeexec_pg_state_e state);
void ngx_http_codeexec_pg_opened(ngx_http_codeexec_pg_connection_t *pg);
/* No host could be connected to; the connection is closed. */
void ngx_http_codeexec_pg_not_opened(ngx_http_codeexec_pg_connection_t *pg);
/* All results were read. */
void ngx_http_codeexec_pg_finish(ngx_http_codeexec_pg_connection_t *pg);
/* The connection is of no use any more.  Status is for its job, NGX_DECLINED
   if that may be tried elsewhere. */
void ngx_http_codeexec_pg_lost(ngx_http_codeexec_pg_connection_t *pg,
    ngx_int_t status, const char *reason);
/* Whether there is any connection, or hope for one. */
ngx_uint_t ngx_http_codeexec_pg_alive(ngx_http_codeexec_pg_pool_t *pool);
/* Calls the handler; neither the job nor its request is touched after. */
void ngx_http_codeexec_pg_done(ngx_http_codeexec_pg_job_t *job,
    ngx_int_t status);
void ngx_http_codeexec_pg_close_unwanted(ngx_http_codeexec_pg_pool_t *pool);
void ngx_http_codeexec_pg_use_plain(ngx_http_codeexec_pg_connection_t *pg);

/* _pg_queue.c */

void ngx_http_codeexec_pg_init_queue(ngx_http_codeexec_pg_pool_t *pool,
    ngx_log_t *log);
/* Gives waiting jobs to idle connections, and opens what more is needed. */
void ngx_http_codeexec_pg_dispatch(ngx_http_codeexec_pg_pool_t *pool);
void ngx_http_codeexec_pg_enqueue(ngx_http_codeexec_pg_pool_t *pool,
    ngx_http_codeexec_pg_job_t *job, ngx_uint_t first);
void ngx_http_codeexec_pg_dequeue(ngx_http_codeexec_pg_job_t *job);

/* _pg_statement.c */

const char *ngx_http_codeexec_pg_text(ngx_http_codeexec_pg_connection_t *pg,
    ngx_uint_t i);
ngx_http_codeexec_pg_error_e ngx_http_codeexec_pg_classify(
    const PGresult *res, const char **sqlstate);
ngx_str_t ngx_http_codeexec_pg_message(const char *message);

extern ngx_http_codeexec_pg_statement_t  ngx_http_codeexec_pg_statements[];

/* _pg_sweep.c */

void ngx_http_codeexec_pg_init_sweep(ngx_http_codeexec_pg_pool_t *pool,
    ngx_cycle_t *cycle);


extern ngx_module_t  ngx_http_codeexec_module;


#endif /* _NGX_HTTP_CODEEXEC_PG_H_INCLUDED_ */
