
/*
 * Copyright (C) The codeexec authors.
 *
 * Opens a connection: the hosts in turn, until one can be connected to and has
 * prepared the statements.
 */


#include "ngx_http_codeexec_pg.h"

#if (NGX_SSL)
#include <openssl/err.h>
#endif


/* libpq has some fifty. */
#define NGX_HTTP_CODEEXEC_PG_KEYWORDS  128


static void ngx_http_codeexec_pg_start(ngx_http_codeexec_pg_connection_t *pg);
static void ngx_http_codeexec_pg_prepare(
    ngx_http_codeexec_pg_connection_t *pg);
static void ngx_http_codeexec_pg_notice(void *data, const char *message);


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
    pg->repeated = 0;

    ngx_post_event(&pg->start, &ngx_posted_events);
}


void
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
    pg->generation = pool->generation;
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


void
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


void
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
        text = ngx_http_codeexec_pg_text(pg, i);

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


void
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
            ngx_http_codeexec_pg_use_plain(pg);

            PQclear(pg->result);
            pg->result = NULL;
            pg->failed = 0;

            ngx_http_codeexec_pg_prepare(pg);
            return;
        }

        ngx_http_codeexec_pg_not_prepared(pg,
                                          PQresultErrorMessage(pg->result));
        return;
    }

    PQclear(pg->result);
    pg->result = NULL;

    pool->host = pg->host;

    ngx_http_codeexec_pg_opened(pg);
}


/* A session that was only just ended says nothing about its host. */

void
ngx_http_codeexec_pg_not_prepared(ngx_http_codeexec_pg_connection_t *pg,
    const char *reason)
{
    ngx_str_t    message;
    const char  *sqlstate;

    if (pg->repeated
        || (pg->failed
            && ngx_http_codeexec_pg_classify(pg->result, &sqlstate)
               != ngx_http_codeexec_pg_reconnect))
    {
        ngx_http_codeexec_pg_next_host(pg, reason);
        return;
    }

    message = ngx_http_codeexec_pg_message(reason);

    ngx_log_error(NGX_LOG_INFO, pg->timer.log, 0,
                  "codeexec_pg \"%V\": connection closed: %V",
                  &pg->pool->name, &message);

    pg->repeated = 1;

    ngx_http_codeexec_pg_reset(pg);
    ngx_http_codeexec_pg_start(pg);
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
