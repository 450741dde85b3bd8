
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


#define NGX_HTTP_CODEEXEC_PG_ARGS  5


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
                                                    NGX_OK; set it to NULL to
                                                    keep it, it is cleared
                                                    otherwise */
    ngx_msec_t                        time;      /* from submit() on */
    u_char                            sqlstate[6];  /* or "" */

    /* private */

    ngx_queue_t                       queue;
    ngx_http_codeexec_pg_pool_t      *pool;
    ngx_http_codeexec_pg_connection_t  *connection;  /* that executes it */
    ngx_event_t                       timer;     /* while waiting */

    unsigned                          submitted:1;
    unsigned                          waiting:1;
    unsigned                          retried:1;
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


#endif /* _NGX_HTTP_CODEEXEC_PG_H_INCLUDED_ */
