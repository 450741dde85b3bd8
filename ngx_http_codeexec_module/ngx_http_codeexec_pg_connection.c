
/*
 * Copyright (C) The codeexec authors.
 *
 * One connection to PostgreSQL.
 *
 *              connect()          start, poll        prepared
 *     closed ------------> connecting ------> preparing ------> idle <--.
 *       ^                   |     ^ next          |             | ^     |
 *       |                   |     `--- host ------|     execute()| |     |
 *       |  not_opened()     |                     |             v |     |
 *       |<------------------+---------------------'      finish() |     |
 *       |                                                      busy     |
 *       |  lost(), close()                                       | abandon()
 *       |<------------- idle, busy, draining                     v      |
 *       |                                                  draining ----'
 *
 * The transitions are made by the functions of those names; lost() and
 * close() leave from any state.  Invariants:
 *
 *  - the queues and counters of the pool are kept by set_state() alone;
 *  - closed: without PGconn, socket and timer;
 *  - idle: read event on; what arrives is read and dropped;
 *  - busy: has a job, which has this connection;
 *  - draining: has none, its results are dropped;
 *  - the write event is on only while libpq has something left to send, as
 *    it is level-triggered, like the read event: libpq does not read a socket
 *    until it is empty;
 *  - libpq owns the socket, and may replace it while connecting, so nginx is
 *    taken off it before each PQconnectPoll(), and before PQfinish().
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

#define NGX_HTTP_CODEEXEC_PG_KEYWORDS   64


static void ngx_http_codeexec_pg_start_handler(ngx_event_t *ev);
static void ngx_http_codeexec_pg_start(ngx_http_codeexec_pg_connection_t *pg);
static void ngx_http_codeexec_pg_next_host(
    ngx_http_codeexec_pg_connection_t *pg, const char *reason);
static void ngx_http_codeexec_pg_poll(ngx_http_codeexec_pg_connection_t *pg);
static void ngx_http_codeexec_pg_prepare(
    ngx_http_codeexec_pg_connection_t *pg);
static void ngx_http_codeexec_pg_prepared(
    ngx_http_codeexec_pg_connection_t *pg);
static ngx_int_t ngx_http_codeexec_pg_send(
    ngx_http_codeexec_pg_connection_t *pg, ngx_http_codeexec_pg_job_t *job);
static ngx_int_t ngx_http_codeexec_pg_flush(
    ngx_http_codeexec_pg_connection_t *pg);
static ngx_int_t ngx_http_codeexec_pg_consume(
    ngx_http_codeexec_pg_connection_t *pg);
static ngx_int_t ngx_http_codeexec_pg_read_results(
    ngx_http_codeexec_pg_connection_t *pg);
static void ngx_http_codeexec_pg_keep_result(
    ngx_http_codeexec_pg_connection_t *pg, PGresult *res);
static void ngx_http_codeexec_pg_process(
    ngx_http_codeexec_pg_connection_t *pg);
static void ngx_http_codeexec_pg_read_handler(ngx_event_t *rev);
static void ngx_http_codeexec_pg_write_handler(ngx_event_t *wev);
static void ngx_http_codeexec_pg_timer_handler(ngx_event_t *ev);
static ngx_int_t ngx_http_codeexec_pg_attach(
    ngx_http_codeexec_pg_connection_t *pg);
static ngx_int_t ngx_http_codeexec_pg_want_write(
    ngx_http_codeexec_pg_connection_t *pg, ngx_uint_t want);
static void ngx_http_codeexec_pg_detach(ngx_http_codeexec_pg_connection_t *pg);
static void ngx_http_codeexec_pg_reset(ngx_http_codeexec_pg_connection_t *pg);
static void ngx_http_codeexec_pg_notice(void *data, const char *message);


void
ngx_http_codeexec_pg_init_connection(ngx_http_codeexec_pg_pool_t *pool,
    ngx_http_codeexec_pg_connection_t *pg, ngx_log_t *log)
{
    pg->pool = pool;

    pg->start.handler = ngx_http_codeexec_pg_start_handler;
    pg->start.data = pg;
    pg->start.log = log;

    pg->timer.handler = ngx_http_codeexec_pg_timer_handler;
    pg->timer.data = pg;
    pg->timer.log = log;
}


/*
 * Begins in an event of its own, so that a failure is never told to a caller
 * who is still submitting.
 */

void
ngx_http_codeexec_pg_connect(ngx_http_codeexec_pg_connection_t *pg)
{
    ngx_http_codeexec_pg_set_state(pg, ngx_http_codeexec_pg_connecting);

    pg->host = pg->pool->host;
    pg->tried = 0;

    ngx_post_event(&pg->start, &ngx_posted_events);
}


static void
ngx_http_codeexec_pg_start_handler(ngx_event_t *ev)
{
    ngx_http_codeexec_pg_start(ev->data);
}


static void
ngx_http_codeexec_pg_start(ngx_http_codeexec_pg_connection_t *pg)
{
    ngx_uint_t                    n;
    ngx_http_codeexec_pg_host_t  *host;
    ngx_http_codeexec_pg_pool_t  *pool;
    const char                   *keywords[NGX_HTTP_CODEEXEC_PG_KEYWORDS];
    const char                   *values[NGX_HTTP_CODEEXEC_PG_KEYWORDS];

    pool = pg->pool;
    host = pool->hosts.elts;
    host += pg->host;

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, pg->timer.log, 0,
                   "codeexec pg start: %s, %s, %s",
                   host->host ? host->host : "-",
                   host->hostaddr ? host->hostaddr : "-",
                   host->port ? host->port : "-");

    n = pool->keywords.nelts;

    ngx_memcpy(keywords, pool->keywords.elts, n * sizeof(char *));
    ngx_memcpy(values, pool->values.elts, n * sizeof(char *));

    /* libpq takes NULL and "" for its default */

    keywords[n] = "host";
    values[n++] = host->host;
    keywords[n] = "hostaddr";
    values[n++] = host->hostaddr;
    keywords[n] = "port";
    values[n++] = host->port;
    keywords[n] = NULL;
    values[n] = NULL;

    ngx_http_codeexec_pg_set_state(pg, ngx_http_codeexec_pg_connecting);

    pg->opened = ngx_current_msec;
    pg->requests = 0;

    pg->conn = PQconnectStartParams(keywords, values, 0);

    if (pg->conn == NULL) {
        ngx_http_codeexec_pg_next_host(pg, "out of memory");
        return;
    }

    if (PQstatus(pg->conn) == CONNECTION_BAD) {
        ngx_http_codeexec_pg_next_host(pg, PQerrorMessage(pg->conn));
        return;
    }

    (void) PQsetNoticeProcessor(pg->conn, ngx_http_codeexec_pg_notice, pg);

    /* as if PQconnectPoll() had returned PGRES_POLLING_WRITING */

    if (ngx_http_codeexec_pg_attach(pg) != NGX_OK
        || ngx_http_codeexec_pg_want_write(pg, 1) != NGX_OK)
    {
        ngx_http_codeexec_pg_next_host(pg, "no event");
        return;
    }

    ngx_http_codeexec_pg_set_timer(pg, pool->connect_timeout);
}


static void
ngx_http_codeexec_pg_next_host(ngx_http_codeexec_pg_connection_t *pg,
    const char *reason)
{
    ngx_str_t                     message;
    ngx_http_codeexec_pg_host_t  *host;
    ngx_http_codeexec_pg_pool_t  *pool;

    pool = pg->pool;
    host = pool->hosts.elts;
    host += pg->host;

    message = ngx_http_codeexec_pg_message(reason);

    ngx_log_error(NGX_LOG_ERR, pg->timer.log, 0,
                  "codeexec_pg \"%V\": cannot connect to \"%s\": %V",
                  &pool->name, host->host ? host->host
                                          : host->hostaddr ? host->hostaddr
                                                           : "default socket",
                  &message);

    ngx_http_codeexec_pg_reset(pg);

    if (++pg->tried == pool->hosts.nelts) {
        ngx_http_codeexec_pg_set_state(pg, ngx_http_codeexec_pg_closed);
        ngx_http_codeexec_pg_not_opened(pg);
        return;
    }

    pg->host = (pg->host + 1) % pool->hosts.nelts;

    ngx_http_codeexec_pg_start(pg);
}


static void
ngx_http_codeexec_pg_poll(ngx_http_codeexec_pg_connection_t *pg)
{
    PostgresPollingStatusType  status;

    ngx_http_codeexec_pg_detach(pg);

    status = PQconnectPoll(pg->conn);

#if (NGX_SSL)
    ERR_clear_error();
#endif

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, pg->timer.log, 0,
                   "codeexec pg poll: %d", (int) status);

    if (status == PGRES_POLLING_FAILED) {
        ngx_http_codeexec_pg_next_host(pg, PQerrorMessage(pg->conn));
        return;
    }

    if (ngx_http_codeexec_pg_attach(pg) != NGX_OK
        || ngx_http_codeexec_pg_want_write(pg,
                                           status == PGRES_POLLING_WRITING)
           != NGX_OK)
    {
        ngx_http_codeexec_pg_next_host(pg, "no event");
        return;
    }

    if (status == PGRES_POLLING_OK) {
        ngx_http_codeexec_pg_prepare(pg);
    }
}


/* All statements in one round trip. */

static void
ngx_http_codeexec_pg_prepare(ngx_http_codeexec_pg_connection_t *pg)
{
    int                                rc;
    ngx_uint_t                         i;
    const char                        *text;
    ngx_http_codeexec_pg_statement_t  *st;

    ngx_http_codeexec_pg_set_state(pg, ngx_http_codeexec_pg_preparing);

    pg->plain = pg->pool->plain;

    rc = (PQsetnonblocking(pg->conn, 1) == 0);

    if (!pg->pool->prepare) {

        if (rc == 0) {
            ngx_http_codeexec_pg_next_host(pg, PQerrorMessage(pg->conn));
            return;
        }

        ngx_http_codeexec_pg_prepared(pg);
        return;
    }

    rc = rc && PQenterPipelineMode(pg->conn);
    pg->pipeline = 1;

    for (i = 0; rc && i < NGX_HTTP_CODEEXEC_PG_STATEMENTS; i++) {
        st = &ngx_http_codeexec_pg_statements[i];
        text = ngx_http_codeexec_pg_text(pg->pool, i);

        if (text) {
            rc = PQsendPrepare(pg->conn, st->name, text, st->nargs, st->types);
        }
    }

    if (!rc || !PQpipelineSync(pg->conn)
        || ngx_http_codeexec_pg_flush(pg) != NGX_OK)
    {
        ngx_http_codeexec_pg_next_host(pg, PQerrorMessage(pg->conn));
    }
}


static void
ngx_http_codeexec_pg_prepared(ngx_http_codeexec_pg_connection_t *pg)
{
    const char                   *sqlstate;
    ngx_http_codeexec_pg_pool_t  *pool;

    pool = pg->pool;

    if (pg->failed) {

        if (!pg->plain
            && ngx_http_codeexec_pg_classify(pg->result, &sqlstate)
               == ngx_http_codeexec_pg_old_table)
        {
            ngx_http_codeexec_pg_use_plain(pool);

            PQclear(pg->result);
            pg->result = NULL;
            pg->failed = 0;

            ngx_http_codeexec_pg_prepare(pg);
            return;
        }

        ngx_http_codeexec_pg_next_host(pg, PQresultErrorMessage(pg->result));
        return;
    }

    PQclear(pg->result);
    pg->result = NULL;

    pool->host = pg->host;

    ngx_http_codeexec_pg_opened(pg);
}


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

    static const int  binary[NGX_HTTP_CODEEXEC_PG_ARGS] = { 1, 1, 1, 1, 1 };

    st = &ngx_http_codeexec_pg_statements[job->statement];
    text = ngx_http_codeexec_pg_text(pg->pool, job->statement);

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

    return NGX_OK;
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


static ngx_int_t
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


/*
 * What OpenSSL has decrypted but libpq had no room for makes no event.
 */

static ngx_int_t
ngx_http_codeexec_pg_consume(ngx_http_codeexec_pg_connection_t *pg)
{
    int  rc;
#if (NGX_SSL)
    SSL  *ssl;
#endif

    rc = PQconsumeInput(pg->conn);

#if (NGX_SSL)

    if (PQsslInUse(pg->conn)) {
        ssl = PQsslStruct(pg->conn, "OpenSSL");

        while (rc && ssl && PQisBusy(pg->conn) && SSL_pending(ssl) > 0) {
            rc = PQconsumeInput(pg->conn);
        }

        /* core would log what is left as an alert */

        ERR_clear_error();
    }

#endif

    return rc ? NGX_OK : NGX_ERROR;
}


/* NGX_OK at the end of all results, NGX_AGAIN or NGX_ERROR. */

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

            continue;
        }

        ends = 0;
        status = PQresultStatus(res);

        if (status == PGRES_PIPELINE_SYNC) {
            PQclear(res);
            return PQexitPipelineMode(pg->conn) ? NGX_OK : NGX_ERROR;
        }

        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT
            || status == PGRES_COPY_BOTH)
        {
            /* nothing of ours does, and it would be repeated for ever */
            PQclear(res);
            return NGX_ERROR;
        }

        ngx_http_codeexec_pg_keep_result(pg, res);
    }

    return NGX_AGAIN;
}


/* An error stays; of the others the last one does. */

static void
ngx_http_codeexec_pg_keep_result(ngx_http_codeexec_pg_connection_t *pg,
    PGresult *res)
{
    int             column;
    ExecStatusType  status;

    status = PQresultStatus(res);

    if (pg->failed || status == PGRES_PIPELINE_ABORTED) {
        PQclear(res);
        return;
    }

    PQclear(pg->result);
    pg->result = res;

    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        pg->failed = 1;
        return;
    }

    if (status == PGRES_TUPLES_OK && PQntuples(res) > 0) {
        column = PQnfields(res) - 1;

        if (column >= 0
            && PQgetlength(res, 0, column) > NGX_HTTP_CODEEXEC_PG_LARGE)
        {
            pg->large = 1;
        }
    }
}


static void
ngx_http_codeexec_pg_process(ngx_http_codeexec_pg_connection_t *pg)
{
    ngx_int_t  rc;

    rc = ngx_http_codeexec_pg_consume(pg);

    if (rc == NGX_OK && pg->sending) {
        rc = ngx_http_codeexec_pg_flush(pg);
    }

    /* what came before the end of a connection may say why */

    if (rc == NGX_OK || PQstatus(pg->conn) == CONNECTION_BAD) {
        rc = ngx_http_codeexec_pg_read_results(pg);
    }

    if (rc == NGX_AGAIN) {
        return;
    }

    if (pg->state == ngx_http_codeexec_pg_preparing) {

        if (rc == NGX_OK || pg->failed) {
            ngx_http_codeexec_pg_prepared(pg);

        } else {
            ngx_http_codeexec_pg_next_host(pg, PQerrorMessage(pg->conn));
        }

        return;
    }

    if (rc == NGX_OK || pg->failed) {
        ngx_http_codeexec_pg_finish(pg);

    } else {
        ngx_http_codeexec_pg_lost(pg, NGX_DECLINED, PQerrorMessage(pg->conn));
    }
}


static void
ngx_http_codeexec_pg_read_handler(ngx_event_t *rev)
{
    ngx_connection_t                   *c;
    ngx_http_codeexec_pg_connection_t  *pg;

    c = rev->data;
    pg = c->data;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, rev->log, 0,
                   "codeexec pg read handler: %d", (int) pg->state);

    if (c->close) {
        /* the worker is going to exit, or is tired of waiting for that */
        ngx_http_codeexec_pg_lost(pg, NGX_HTTP_SERVICE_UNAVAILABLE,
                                  "worker is shutting down");
        return;
    }

    switch (pg->state) {

    case ngx_http_codeexec_pg_connecting:
        ngx_http_codeexec_pg_poll(pg);
        return;

    case ngx_http_codeexec_pg_idle:

        if (ngx_http_codeexec_pg_consume(pg) != NGX_OK
            || ngx_http_codeexec_pg_read_results(pg) != NGX_OK
            || PQstatus(pg->conn) != CONNECTION_OK)
        {
            ngx_http_codeexec_pg_lost(pg, NGX_DECLINED,
                                      PQerrorMessage(pg->conn));
        }

        return;

    default:
        ngx_http_codeexec_pg_process(pg);
    }
}


static void
ngx_http_codeexec_pg_write_handler(ngx_event_t *wev)
{
    ngx_connection_t                   *c;
    ngx_http_codeexec_pg_connection_t  *pg;

    c = wev->data;
    pg = c->data;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, wev->log, 0,
                   "codeexec pg write handler: %d", (int) pg->state);

    if (pg->state == ngx_http_codeexec_pg_connecting) {
        ngx_http_codeexec_pg_poll(pg);
        return;
    }

    /* reads first: a server that cannot write does not read either */

    ngx_http_codeexec_pg_process(pg);
}


/*
 * Switching between busy and idle with every query, the timer is left where
 * it is as long as it is not late, and looks at the deadline when it expires.
 */

void
ngx_http_codeexec_pg_set_timer(ngx_http_codeexec_pg_connection_t *pg,
    ngx_msec_t timeout)
{
    pg->deadline = ngx_current_msec + timeout;

    if (!pg->timer.timer_set
        || (ngx_msec_int_t) (pg->timer.timer.key - pg->deadline) > 0)
    {
        ngx_add_timer(&pg->timer, timeout);
    }
}


static void
ngx_http_codeexec_pg_timer_handler(ngx_event_t *ev)
{
    ngx_msec_int_t                      left;
    ngx_http_codeexec_pg_connection_t  *pg;

    pg = ev->data;
    left = (ngx_msec_int_t) (pg->deadline - ngx_current_msec);

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, ev->log, 0,
                   "codeexec pg timer handler: %d, left: %M",
                   (int) pg->state, left);

    if (left > 0) {
        ngx_add_timer(ev, left);
        return;
    }

    switch (pg->state) {

    case ngx_http_codeexec_pg_connecting:
    case ngx_http_codeexec_pg_preparing:
        ngx_http_codeexec_pg_next_host(pg, "timed out");
        return;

    case ngx_http_codeexec_pg_idle:
        ngx_http_codeexec_pg_close(pg);
        return;

    default:
        ngx_http_codeexec_pg_lost(pg, NGX_HTTP_GATEWAY_TIME_OUT, "timed out");
    }
}


static ngx_int_t
ngx_http_codeexec_pg_attach(ngx_http_codeexec_pg_connection_t *pg)
{
    ngx_log_t         *log;
    ngx_connection_t  *c;

    if (pg->c) {
        return NGX_OK;
    }

    log = pg->timer.log;

    c = ngx_get_connection(PQsocket(pg->conn), log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    /* the socket is closed by libpq */

    c->shared = 1;
    c->data = pg;
    c->log = log;
    c->read->log = log;
    c->write->log = log;
    c->read->handler = ngx_http_codeexec_pg_read_handler;
    c->write->handler = ngx_http_codeexec_pg_write_handler;

    pg->c = c;

    if (ngx_add_event(c->read, NGX_READ_EVENT, NGX_LEVEL_EVENT) != NGX_OK) {
        ngx_http_codeexec_pg_detach(pg);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_pg_want_write(ngx_http_codeexec_pg_connection_t *pg,
    ngx_uint_t want)
{
    ngx_event_t  *wev;

    wev = pg->c->write;

    if (want && !wev->active) {
        return ngx_add_event(wev, NGX_WRITE_EVENT, NGX_LEVEL_EVENT);
    }

    if (!want && wev->active) {
        return ngx_del_event(wev, NGX_WRITE_EVENT, 0);
    }

    return NGX_OK;
}


static void
ngx_http_codeexec_pg_detach(ngx_http_codeexec_pg_connection_t *pg)
{
    ngx_connection_t  *c;

    c = pg->c;

    if (c == NULL) {
        return;
    }

    if (c->read->active) {
        (void) ngx_del_event(c->read, NGX_READ_EVENT, 0);
    }

    if (c->write->active) {
        (void) ngx_del_event(c->write, NGX_WRITE_EVENT, 0);
    }

    ngx_close_connection(c);

    pg->c = NULL;
}


/* Back to a connection that was never opened. */

static void
ngx_http_codeexec_pg_reset(ngx_http_codeexec_pg_connection_t *pg)
{
    ngx_http_codeexec_pg_detach(pg);

    if (pg->start.posted) {
        ngx_delete_posted_event(&pg->start);
    }

    if (pg->timer.timer_set) {
        ngx_del_timer(&pg->timer);
    }

    PQclear(pg->result);
    pg->result = NULL;

    if (pg->conn) {
        PQfinish(pg->conn);
        pg->conn = NULL;

#if (NGX_SSL)
        ERR_clear_error();
#endif
    }

    pg->timer.cancelable = 0;
    pg->pipeline = 0;
    pg->sending = 0;
    pg->failed = 0;
    pg->large = 0;
}


void
ngx_http_codeexec_pg_close(ngx_http_codeexec_pg_connection_t *pg)
{
    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, pg->timer.log, 0,
                   "codeexec pg close: %d", (int) pg->state);

    if (pg->state == ngx_http_codeexec_pg_closed) {
        return;
    }

    ngx_http_codeexec_pg_reset(pg);
    ngx_http_codeexec_pg_set_state(pg, ngx_http_codeexec_pg_closed);
}


static void
ngx_http_codeexec_pg_notice(void *data, const char *message)
{
    ngx_http_codeexec_pg_connection_t *pg = data;

    ngx_str_t  line;

    line = ngx_http_codeexec_pg_message(message);

    ngx_log_error(NGX_LOG_NOTICE, pg->timer.log, 0, "codeexec_pg \"%V\": %V",
                  &pg->pool->name, &line);
}
