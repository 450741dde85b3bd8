
/*
 * Copyright (C) The codeexec authors.
 *
 * The connections of a pool, in each worker, and how their jobs end.
 *
 * A connection that cannot be opened starts a time of back-off, in which no
 * other is tried.  As long as there is not a single one, jobs are refused at
 * once: nobody should wait for a database that is known to be down.
 */


#include "ngx_http_codeexec_pg.h"


#define NGX_HTTP_CODEEXEC_PG_MIN_BACKOFF  100
#define NGX_HTTP_CODEEXEC_PG_MAX_BACKOFF  10000


static void ngx_http_codeexec_pg_release(
    ngx_http_codeexec_pg_connection_t *pg);
static ngx_uint_t ngx_http_codeexec_pg_worn(
    ngx_http_codeexec_pg_connection_t *pg);
static void ngx_http_codeexec_pg_fail(ngx_http_codeexec_pg_connection_t *pg,
    ngx_http_codeexec_pg_job_t *job, PGresult *res);
static void ngx_http_codeexec_pg_retry(ngx_http_codeexec_pg_pool_t *pool,
    ngx_http_codeexec_pg_job_t *job);
static void ngx_http_codeexec_pg_retire(ngx_http_codeexec_pg_pool_t *pool,
    ngx_uint_t generation);
static void ngx_http_codeexec_pg_backoff_handler(ngx_event_t *ev);


ngx_uint_t
ngx_http_codeexec_pg_alive(ngx_http_codeexec_pg_pool_t *pool)
{
    return pool->nbusy || pool->nopening || !ngx_queue_empty(&pool->idle);
}


void
ngx_http_codeexec_pg_set_state(ngx_http_codeexec_pg_connection_t *pg,
    ngx_http_codeexec_pg_state_e state)
{
    ngx_http_codeexec_pg_pool_t  *pool;

    pool = pg->pool;

    switch (pg->state) {

    case ngx_http_codeexec_pg_closed:
    case ngx_http_codeexec_pg_idle:
        ngx_queue_remove(&pg->queue);
        break;

    case ngx_http_codeexec_pg_connecting:
    case ngx_http_codeexec_pg_preparing:
        pool->nopening--;
        break;

    default:
        pool->nbusy--;
    }

    pg->state = state;

    switch (state) {

    case ngx_http_codeexec_pg_closed:
        ngx_queue_insert_tail(&pool->closed, &pg->queue);
        break;

    case ngx_http_codeexec_pg_idle:
        ngx_queue_insert_head(&pool->idle, &pg->queue);
        break;

    case ngx_http_codeexec_pg_connecting:
    case ngx_http_codeexec_pg_preparing:
        pool->nopening++;
        break;

    default:
        pool->nbusy++;
    }
}


void
ngx_http_codeexec_pg_opened(ngx_http_codeexec_pg_connection_t *pg)
{
    ngx_http_codeexec_pg_pool_t  *pool;

    pool = pg->pool;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, pg->timer.log, 0,
                   "codeexec pg opened, waiting: %ui", pool->nwaiting);

    pool->failures = 0;
    pool->plain = pg->plain;
    pg->generation = pool->generation;

    if (pool->backoff.timer_set) {
        ngx_del_timer(&pool->backoff);
    }

    ngx_http_codeexec_pg_release(pg);
    ngx_http_codeexec_pg_dispatch(pool);
}


void
ngx_http_codeexec_pg_not_opened(ngx_http_codeexec_pg_connection_t *pg)
{
    ngx_msec_t                    delay;
    ngx_http_codeexec_pg_pool_t  *pool;

    pool = pg->pool;

    if (!pool->backoff.timer_set) {
        delay = ngx_min(NGX_HTTP_CODEEXEC_PG_MIN_BACKOFF << pool->failures,
                        NGX_HTTP_CODEEXEC_PG_MAX_BACKOFF);

        if (delay < NGX_HTTP_CODEEXEC_PG_MAX_BACKOFF) {
            pool->failures++;
        }

        /* a quarter more or less, lest all workers come at once */

        delay = delay * 3 / 4 + (ngx_msec_t) ngx_random() % (delay / 2);

        ngx_add_timer(&pool->backoff, delay);
    }

    ngx_http_codeexec_pg_dispatch(pool);
}


/* Makes the connection idle, or closes it. */

static void
ngx_http_codeexec_pg_release(ngx_http_codeexec_pg_connection_t *pg)
{
    if (ngx_http_codeexec_pg_worn(pg)) {
        ngx_http_codeexec_pg_close(pg);
        return;
    }

    ngx_http_codeexec_pg_set_state(pg, ngx_http_codeexec_pg_idle);

    pg->c->idle = 1;
    pg->timer.cancelable = 1;
    ngx_http_codeexec_pg_set_timer(pg, pg->pool->idle_timeout);
}


static ngx_uint_t
ngx_http_codeexec_pg_worn(ngx_http_codeexec_pg_connection_t *pg)
{
    ngx_http_codeexec_pg_pool_t  *pool;

    pool = pg->pool;

    return PQstatus(pg->conn) != CONNECTION_OK
           || pg->broken
           || pg->large
           || pg->generation != pool->generation
           || (pool->max_requests && pg->requests >= pool->max_requests)
           || (pool->max_age && ngx_current_msec - pg->opened >= pool->max_age)
           || (ngx_exiting && pool->nwaiting == 0);
}


void
ngx_http_codeexec_pg_finish(ngx_http_codeexec_pg_connection_t *pg)
{
    PGresult                     *res;
    ngx_uint_t                    failed, unstored;
    ngx_http_codeexec_pg_job_t   *job;
    ngx_http_codeexec_pg_pool_t  *pool;

    pool = pg->pool;
    job = pg->job;
    res = pg->result;
    failed = pg->failed;
    unstored = pg->unstored;

    pg->job = NULL;
    pg->result = NULL;
    pg->failed = 0;

    if (job) {
        job->connection = NULL;
    }

    if (failed) {
        ngx_http_codeexec_pg_fail(pg, job, res);
        return;
    }

    /* the next one is sent before this one is answered */

    ngx_http_codeexec_pg_release(pg);
    ngx_http_codeexec_pg_dispatch(pool);

    if (job == NULL) {
        PQclear(res);
        return;
    }

    if (unstored) {
        ngx_log_error(NGX_LOG_ERR, job->log, 0,
                      "codeexec_pg \"%V\": the database did not insert an "
                      "image", &pool->name);

        PQclear(res);
        ngx_http_codeexec_pg_done(job, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    job->result = res;

    ngx_http_codeexec_pg_done(job, NGX_OK);
}


static void
ngx_http_codeexec_pg_fail(ngx_http_codeexec_pg_connection_t *pg,
    ngx_http_codeexec_pg_job_t *job, PGresult *res)
{
    ngx_int_t                      status;
    ngx_log_t                     *log;
    ngx_str_t                      message;
    const char                    *sqlstate;
    ngx_http_codeexec_pg_pool_t   *pool;
    ngx_http_codeexec_pg_error_e   error;

    pool = pg->pool;

    error = ngx_http_codeexec_pg_classify(res, &sqlstate);
    message = ngx_http_codeexec_pg_message(PQresultErrorMessage(res));

    log = job ? job->log : pg->timer.log;

    ngx_log_error(NGX_LOG_ERR, log, 0, "codeexec_pg \"%V\": %V (SQLSTATE %s)",
                  &pool->name, &message, sqlstate);

    if (job) {
        (void) ngx_cpystrn(job->sqlstate, (u_char *) sqlstate,
                           sizeof(job->sqlstate));
    }

    PQclear(res);

    status = NGX_DECLINED;

    switch (error) {

    case ngx_http_codeexec_pg_error:
        status = NGX_HTTP_INTERNAL_SERVER_ERROR;
        break;

    case ngx_http_codeexec_pg_unavailable:
        status = NGX_HTTP_SERVICE_UNAVAILABLE;
        break;

    case ngx_http_codeexec_pg_timed_out:
        status = NGX_HTTP_GATEWAY_TIME_OUT;
        break;

    case ngx_http_codeexec_pg_reconnect:
        ngx_http_codeexec_pg_close(pg);
        ngx_http_codeexec_pg_retire(pool, pg->generation);
        break;

    case ngx_http_codeexec_pg_old_table:
        ngx_http_codeexec_pg_use_plain(pg);

        if (pool->prepare) {
            ngx_http_codeexec_pg_close(pg);
            ngx_http_codeexec_pg_retire(pool, pg->generation);
        }

        break;

    case ngx_http_codeexec_pg_again:
        break;
    }

    if (pg->state != ngx_http_codeexec_pg_closed) {
        ngx_http_codeexec_pg_release(pg);
    }

    if (job && status == NGX_DECLINED) {
        ngx_http_codeexec_pg_retry(pool, job);
        return;
    }

    ngx_http_codeexec_pg_dispatch(pool);

    if (job) {
        ngx_http_codeexec_pg_done(job, status);
    }
}


void
ngx_http_codeexec_pg_lost(ngx_http_codeexec_pg_connection_t *pg,
    ngx_int_t status, const char *reason)
{
    ngx_log_t                    *log;
    ngx_str_t                     message;
    ngx_uint_t                    level;
    ngx_http_codeexec_pg_job_t   *job;
    ngx_http_codeexec_pg_pool_t  *pool;

    pool = pg->pool;
    job = pg->job;

    level = job ? NGX_LOG_ERR : NGX_LOG_INFO;
    log = job ? job->log : pg->timer.log;
    message = ngx_http_codeexec_pg_message(reason);

    ngx_log_error(level, log, 0,
                  "codeexec_pg \"%V\": connection closed: %V",
                  &pool->name, &message);

    pg->job = NULL;
    ngx_http_codeexec_pg_close(pg);

    if (job == NULL) {
        ngx_http_codeexec_pg_dispatch(pool);
        return;
    }

    job->connection = NULL;

    if (status == NGX_DECLINED) {
        ngx_http_codeexec_pg_retire(pool, pg->generation);
        ngx_http_codeexec_pg_retry(pool, job);
        return;
    }

    ngx_http_codeexec_pg_dispatch(pool);
    ngx_http_codeexec_pg_done(job, status);
}


/* All statements may be repeated. */

static void
ngx_http_codeexec_pg_retry(ngx_http_codeexec_pg_pool_t *pool,
    ngx_http_codeexec_pg_job_t *job)
{
    if (job->retried) {
        ngx_http_codeexec_pg_dispatch(pool);
        ngx_http_codeexec_pg_done(job, NGX_HTTP_SERVICE_UNAVAILABLE);
        return;
    }

    job->retried = 1;

    ngx_http_codeexec_pg_enqueue(pool, job, 1);
    ngx_http_codeexec_pg_dispatch(pool);
}


void
ngx_http_codeexec_pg_done(ngx_http_codeexec_pg_job_t *job, ngx_int_t status)
{
    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, job->log, 0,
                   "codeexec pg done: %i, %s", status, job->sqlstate);

    job->status = status;
    job->time = ngx_current_msec - job->begun;

    job->handler(job);
}


/*
 * When one connection is cut, the others most often are, too: idle ones are
 * closed, and those at work will be, so that a retry gets a fresh one.
 */

static void
ngx_http_codeexec_pg_retire(ngx_http_codeexec_pg_pool_t *pool,
    ngx_uint_t generation)
{
    ngx_queue_t  *q;

    if (pool->generation != generation) {
        return;
    }

    pool->generation++;

    while (!ngx_queue_empty(&pool->idle)) {
        q = ngx_queue_head(&pool->idle);

        ngx_http_codeexec_pg_close(
            ngx_queue_data(q, ngx_http_codeexec_pg_connection_t, queue));
    }
}


/* A worker that quits must not wait for what nobody waits for. */

void
ngx_http_codeexec_pg_close_unwanted(ngx_http_codeexec_pg_pool_t *pool)
{
    ngx_uint_t                          i;
    ngx_http_codeexec_pg_connection_t  *pg;

    if (!ngx_exiting || pool->nwaiting || pool->nopening == 0) {
        return;
    }

    for (i = 0; i < pool->max_connections; i++) {
        pg = &pool->connections[i];

        if (pg->state == ngx_http_codeexec_pg_connecting
            || pg->state == ngx_http_codeexec_pg_preparing)
        {
            ngx_http_codeexec_pg_close(pg);
        }
    }
}


void
ngx_http_codeexec_pg_use_plain(ngx_http_codeexec_pg_connection_t *pg)
{
    ngx_http_codeexec_pg_pool_t  *pool;

    pool = pg->pool;

    pg->plain = 1;
    pool->plain = 1;

    if (pool->warned) {
        return;
    }

    pool->warned = 1;

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "codeexec_pg \"%V\": the table \"images\" lacks the columns "
                  "of schema.sql, so images have no date and never expire",
                  &pool->name);
}


static void
ngx_http_codeexec_pg_backoff_handler(ngx_event_t *ev)
{
    ngx_http_codeexec_pg_pool_t  *pool;

    pool = ev->data;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ev->log, 0,
                   "codeexec pg backoff handler, failures: %ui",
                   pool->failures);

    ngx_http_codeexec_pg_dispatch(pool);
}


ngx_int_t
ngx_http_codeexec_pg_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                          i, n;
    ngx_http_codeexec_pg_pool_t       **pools, *pool;
    ngx_http_codeexec_pg_main_conf_t   *pmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    pmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_codeexec_module);
    if (pmcf == NULL) {
        return NGX_OK;
    }

    pools = pmcf->pools.elts;

    for (i = 0; i < pmcf->pools.nelts; i++) {
        pool = pools[i];

        pool->backoff.handler = ngx_http_codeexec_pg_backoff_handler;
        pool->backoff.data = pool;
        pool->backoff.log = cycle->log;
        pool->backoff.cancelable = 1;

        ngx_http_codeexec_pg_init_queue(pool, cycle->log);

        for (n = 0; n < pool->max_connections; n++) {
            ngx_http_codeexec_pg_init_connection(pool, &pool->connections[n],
                                                 cycle->log);
        }

        ngx_http_codeexec_pg_init_sweep(pool, cycle);
    }

    return NGX_OK;
}


void
ngx_http_codeexec_pg_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                          i, n;
    ngx_http_codeexec_pg_pool_t       **pools;
    ngx_http_codeexec_pg_main_conf_t   *pmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return;
    }

    pmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_codeexec_module);
    if (pmcf == NULL) {
        return;
    }

    pools = pmcf->pools.elts;

    for (i = 0; i < pmcf->pools.nelts; i++) {

        for (n = 0; n < pools[i]->max_connections; n++) {
            ngx_http_codeexec_pg_close(&pools[i]->connections[n]);
        }
    }
}
