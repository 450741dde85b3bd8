
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
#endif


static void ngx_http_codeexec_pg_read_handler(ngx_event_t *rev);
static void ngx_http_codeexec_pg_shutdown(
    ngx_http_codeexec_pg_connection_t *pg);
static void ngx_http_codeexec_pg_write_handler(ngx_event_t *wev);
static void ngx_http_codeexec_pg_timer_handler(ngx_event_t *ev);


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


ngx_int_t
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

    /* for a worker that quits, unless a job waits; see shutdown() */

    c->idle = 1;

    pg->c = c;

    if (ngx_add_event(c->read, NGX_READ_EVENT, NGX_LEVEL_EVENT) != NGX_OK) {
        ngx_http_codeexec_pg_detach(pg);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
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


void
ngx_http_codeexec_pg_detach(ngx_http_codeexec_pg_connection_t *pg)
{
    ngx_uint_t         flags;
    ngx_connection_t  *c;

    c = pg->c;

    if (c == NULL) {
        return;
    }

    /* libpq closes the socket of a connection that broke */

    flags = (PQsocket(pg->conn) == c->fd) ? 0 : NGX_CLOSE_EVENT;

    if (c->read->active) {
        (void) ngx_del_event(c->read, NGX_READ_EVENT, flags);
    }

    if (c->write->active) {
        (void) ngx_del_event(c->write, NGX_WRITE_EVENT, flags);
    }

    ngx_close_connection(c);

    pg->c = NULL;
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
        ngx_http_codeexec_pg_shutdown(pg);
        return;
    }

    switch (pg->state) {

    case ngx_http_codeexec_pg_connecting:
        ngx_http_codeexec_pg_poll(pg);
        return;

    case ngx_http_codeexec_pg_idle:

        if (ngx_http_codeexec_pg_ignore(pg) != NGX_OK) {
            ngx_http_codeexec_pg_lost(pg, NGX_DECLINED,
                                      PQerrorMessage(pg->conn));
        }

        return;

    default:
        ngx_http_codeexec_pg_process(pg);
    }
}


/*
 * Core calls this for idle connections when the worker begins to quit; with
 * an error, and for all, when worker_shutdown_timeout has passed.
 */

static void
ngx_http_codeexec_pg_shutdown(ngx_http_codeexec_pg_connection_t *pg)
{
    ngx_http_codeexec_pg_pool_t  *pool;

    pool = pg->pool;

    if (pg->c->error) {
        pool->shutdown = 1;

    } else if (pg->state != ngx_http_codeexec_pg_idle && pool->nwaiting) {
        pg->c->close = 0;
        return;
    }

    ngx_http_codeexec_pg_lost(pg, NGX_HTTP_SERVICE_UNAVAILABLE,
                              "worker is shutting down");
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


/* Back to a connection that was never opened. */

void
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
    pg->plain = 0;
    pg->broken = 0;
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
