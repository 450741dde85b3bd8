
/*
 * Copyright (C) The codeexec authors.
 *
 * A job on a connection: its arguments out, its results in.
 */


#include "ngx_http_codeexec_pg.h"

#if (NGX_SSL)
#include <openssl/err.h>
#include <openssl/ssl.h>
#endif


/* libpq's buffers never shrink, a connection that needed more is replaced. */
#define NGX_HTTP_CODEEXEC_PG_LARGE      (4 * 1024 * 1024)

/* For the server to cancel a statement, and to say so, before we give up. */
#define NGX_HTTP_CODEEXEC_PG_GRACE      500


static ngx_int_t ngx_http_codeexec_pg_read(
    ngx_http_codeexec_pg_connection_t *pg);
static ngx_uint_t ngx_http_codeexec_pg_pending(
    ngx_http_codeexec_pg_connection_t *pg);
static ngx_int_t ngx_http_codeexec_pg_read_results(
    ngx_http_codeexec_pg_connection_t *pg);
static ngx_int_t ngx_http_codeexec_pg_send(
    ngx_http_codeexec_pg_connection_t *pg, ngx_http_codeexec_pg_job_t *job);
static ngx_int_t ngx_http_codeexec_pg_keep_result(
    ngx_http_codeexec_pg_connection_t *pg, PGresult *res);


ngx_int_t
ngx_http_codeexec_pg_execute(ngx_http_codeexec_pg_connection_t *pg,
    ngx_http_codeexec_pg_job_t *job)
{
    ngx_http_codeexec_pg_pool_t  *pool;

    pool = pg->pool;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, job->log, 0,
                   "codeexec pg execute: %s, %ui",
                   ngx_http_codeexec_pg_statements[job->statement].name,
                   job->nargs);

    pg->c->idle = 0;
    pg->unstored = 0;
    pg->requests++;

    if (ngx_http_codeexec_pg_send(pg, job) != NGX_OK
        || ngx_http_codeexec_pg_flush(pg) != NGX_OK)
    {
        ngx_http_codeexec_pg_close(pg);
        return NGX_ERROR;
    }

    ngx_http_codeexec_pg_set_state(pg, ngx_http_codeexec_pg_busy);

    pg->job = job;
    job->connection = pg;

    pg->timer.cancelable = 0;
    ngx_http_codeexec_pg_set_timer(pg, pool->query_timeout
                                       + (pool->prepare
                                          ? NGX_HTTP_CODEEXEC_PG_GRACE : 0));

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_pg_send(ngx_http_codeexec_pg_connection_t *pg,
    ngx_http_codeexec_pg_job_t *job)
{
    int                                rc;
    size_t                             size;
    ngx_int_t                          i;
    ngx_uint_t                         n;
    const char                        *text;
    ngx_http_codeexec_pg_args_t       *args;
    ngx_http_codeexec_pg_statement_t  *st;

    static const int  binary[NGX_HTTP_CODEEXEC_PG_ARGS] = { 1, 1, 1, 1 };

    st = &ngx_http_codeexec_pg_statements[job->statement];
    text = ngx_http_codeexec_pg_text(pg, job->statement);

    if (text == NULL) {
        return NGX_ERROR;
    }

    pg->pipeline = (job->nargs > 1);

    if (pg->pipeline && !PQenterPipelineMode(pg->conn)) {
        return NGX_ERROR;
    }

    size = 0;

    for (n = 0; n < job->nargs; n++) {
        args = &job->args[n];

        rc = pg->pool->prepare
             ? PQsendQueryPrepared(pg->conn, st->name, st->nargs,
                                   args->values, args->lengths, binary, 1)
             : PQsendQueryParams(pg->conn, text, st->nargs, st->types,
                                 args->values, args->lengths, binary, 1);
        if (!rc) {
            return NGX_ERROR;
        }

        for (i = 0; i < st->nargs; i++) {
            size += args->lengths[i];
        }
    }

    if (size > NGX_HTTP_CODEEXEC_PG_LARGE) {
        pg->large = 1;
    }

    if (pg->pipeline && !PQpipelineSync(pg->conn)) {
        return NGX_ERROR;
    }

    /* row by row, a server cannot make libpq collect them without end */

    return PQsetSingleRowMode(pg->conn) ? NGX_OK : NGX_ERROR;
}


/* The job goes away before it is done. */

void
ngx_http_codeexec_pg_abandon(ngx_http_codeexec_pg_connection_t *pg)
{
    pg->job = NULL;
    ngx_http_codeexec_pg_set_state(pg, ngx_http_codeexec_pg_draining);

    /* without its end a transaction is rolled back */

    if (pg->sending) {
        ngx_http_codeexec_pg_close(pg);
    }
}


ngx_int_t
ngx_http_codeexec_pg_flush(ngx_http_codeexec_pg_connection_t *pg)
{
    int  rc;

    rc = PQflush(pg->conn);

    if (rc == -1) {
        return NGX_ERROR;
    }

    pg->sending = rc;

    return ngx_http_codeexec_pg_want_write(pg, rc);
}


/* NGX_OK at the end of all results, NGX_AGAIN or NGX_ERROR. */

static ngx_int_t
ngx_http_codeexec_pg_read(ngx_http_codeexec_pg_connection_t *pg)
{
    int        consumed;
    ngx_int_t  rc;

    do {
        consumed = PQconsumeInput(pg->conn);

#if (NGX_SSL)
        if (PQsslInUse(pg->conn)) {

            /* core would log what is left as an alert */

            ERR_clear_error();
        }
#endif

        if (consumed && pg->sending
            && ngx_http_codeexec_pg_flush(pg) != NGX_OK)
        {
            consumed = 0;
        }

        /* what came before the end of a connection may say why it ended */

        rc = ngx_http_codeexec_pg_read_results(pg);

        if (rc == NGX_AGAIN && !consumed) {
            return NGX_ERROR;
        }

    } while (rc == NGX_AGAIN && ngx_http_codeexec_pg_pending(pg));

    return rc;
}


/* What OpenSSL has decrypted but libpq had no room for makes no event. */

static ngx_uint_t
ngx_http_codeexec_pg_pending(ngx_http_codeexec_pg_connection_t *pg)
{
#if (NGX_SSL)

    SSL  *ssl;

    if (PQsslInUse(pg->conn)) {
        ssl = PQsslStruct(pg->conn, "OpenSSL");

        return ssl && SSL_pending(ssl) > 0;
    }

#endif

    return 0;
}



static ngx_int_t
ngx_http_codeexec_pg_read_results(ngx_http_codeexec_pg_connection_t *pg)
{
    PGresult        *res;
    ngx_uint_t       ends;
    ExecStatusType   status;

    ends = 0;

    while (!PQisBusy(pg->conn)) {

        res = PQgetResult(pg->conn);

        if (res == NULL) {

            if (!pg->pipeline) {
                return NGX_OK;
            }

            /* one is the end of an execution, two that of the connection */

            if (ends++) {
                return NGX_ERROR;
            }

            (void) PQsetSingleRowMode(pg->conn);

            continue;
        }

        ends = 0;
        status = PQresultStatus(res);

        if (status == PGRES_PIPELINE_SYNC) {
            PQclear(res);
            pg->pipeline = 0;

            return PQexitPipelineMode(pg->conn) ? NGX_OK : NGX_ERROR;
        }

        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT
            || status == PGRES_COPY_BOTH)
        {
            /* nothing of ours does, and it would be repeated for ever */
            PQclear(res);
            return NGX_ERROR;
        }

        if (ngx_http_codeexec_pg_keep_result(pg, res) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_AGAIN;
}


/*
 * An error stays, and so does a row; of the others the last one does.  There
 * is one row at most.
 */

static ngx_int_t
ngx_http_codeexec_pg_keep_result(ngx_http_codeexec_pg_connection_t *pg,
    PGresult *res)
{
    int             column;
    ngx_uint_t      row;
    ExecStatusType  status;

    status = PQresultStatus(res);
    row = pg->result && PQresultStatus(pg->result) == PGRES_SINGLE_TUPLE;

    if (pg->failed || status == PGRES_PIPELINE_ABORTED
        || (row && status == PGRES_TUPLES_OK))
    {
        PQclear(res);
        return NGX_OK;
    }

    PQclear(pg->result);
    pg->result = res;

    switch (status) {

    case PGRES_SINGLE_TUPLE:

        if (row) {
            return NGX_ERROR;
        }

        column = PQnfields(res) - 1;

        if (column >= 0
            && PQgetlength(res, 0, column) > NGX_HTTP_CODEEXEC_PG_LARGE)
        {
            pg->large = 1;
        }

        break;

    case PGRES_COMMAND_OK:

        /* once is enough, but never is not */

        if (pg->job && pg->job->statement == ngx_http_codeexec_pg_store
            && !pg->job->retried && ngx_strcmp(PQcmdTuples(res), "1") != 0)
        {
            pg->unstored = 1;
        }

        break;

    case PGRES_TUPLES_OK:
        break;

    default:
        pg->failed = 1;
    }

    return NGX_OK;
}


void
ngx_http_codeexec_pg_process(ngx_http_codeexec_pg_connection_t *pg)
{
    ngx_int_t  rc;

    rc = ngx_http_codeexec_pg_read(pg);

    if (rc == NGX_AGAIN) {
        return;
    }

    pg->broken = (rc == NGX_ERROR);

    if (pg->state == ngx_http_codeexec_pg_preparing) {

        if (rc == NGX_OK || pg->failed) {
            ngx_http_codeexec_pg_prepared(pg);

        } else {
            ngx_http_codeexec_pg_not_prepared(pg, PQerrorMessage(pg->conn));
        }

        return;
    }

    if (rc == NGX_OK || pg->failed) {
        ngx_http_codeexec_pg_finish(pg);

    } else {
        ngx_http_codeexec_pg_lost(pg, NGX_DECLINED, PQerrorMessage(pg->conn));
    }
}


ngx_int_t
ngx_http_codeexec_pg_ignore(ngx_http_codeexec_pg_connection_t *pg)
{
    if (ngx_http_codeexec_pg_read(pg) != NGX_OK
        || PQstatus(pg->conn) != CONNECTION_OK)
    {
        return NGX_ERROR;
    }

    PQclear(pg->result);

    pg->result = NULL;
    pg->failed = 0;

    return NGX_OK;
}
