
/*
 * Copyright (C) The codeexec authors.
 *
 * Jobs, and their wait for a connection.
 *
 *     submit() --> waiting --> on a connection --> handler
 *        |            |   ^         |
 *        |            |   `- again -'   once, at the head of the queue
 *        v            v
 *     NGX_BUSY      handler: queue timed out, or no connection to be had
 */


#include "ngx_http_codeexec_pg.h"


static void ngx_http_codeexec_pg_refuse(ngx_http_codeexec_pg_pool_t *pool,
    ngx_http_codeexec_pg_job_t *job);
static void ngx_http_codeexec_pg_refuse_handler(ngx_event_t *ev);
static void ngx_http_codeexec_pg_queue_handler(ngx_event_t *ev);


ngx_int_t
ngx_http_codeexec_pg_submit(ngx_http_codeexec_pg_pool_t *pool,
    ngx_http_codeexec_pg_job_t *job)
{
    ngx_uint_t  places;

    job->pool = pool;
    job->begun = ngx_current_msec;
    job->connection = NULL;
    job->result = NULL;
    job->sqlstate[0] = '\0';
    job->waiting = 0;
    job->refused = 0;
    job->retried = 0;

    if (pool->backoff.timer_set && !ngx_http_codeexec_pg_alive(pool)) {
        return NGX_BUSY;
    }

    /* who waits for a connection to be opened is not in the queue proper */

    places = pool->queue_size + pool->max_connections - pool->nbusy;

    if (pool->nwaiting >= places) {
        ngx_log_error(NGX_LOG_ERR, job->log, 0,
                      "codeexec_pg \"%V\": the queue is full", &pool->name);
        return NGX_BUSY;
    }

    ngx_http_codeexec_pg_enqueue(pool, job, 0);
    ngx_http_codeexec_pg_dispatch(pool);

    return NGX_OK;
}


void
ngx_http_codeexec_pg_cancel(ngx_http_codeexec_pg_job_t *job)
{
    if (job->refused) {
        ngx_queue_remove(&job->queue);
        job->refused = 0;
        return;
    }

    if (job->waiting) {
        ngx_http_codeexec_pg_dequeue(job);

    } else if (job->connection) {
        ngx_http_codeexec_pg_abandon(job->connection);
        job->connection = NULL;

    } else {
        return;
    }

    /* a connection may have been closed, or is not needed any more */

    ngx_http_codeexec_pg_dispatch(job->pool);
}


void
ngx_http_codeexec_pg_dispatch(ngx_http_codeexec_pg_pool_t *pool)
{
    ngx_queue_t                        *q;
    ngx_http_codeexec_pg_job_t         *job;
    ngx_http_codeexec_pg_connection_t  *pg;

    while (!ngx_queue_empty(&pool->waiting)
           && !ngx_queue_empty(&pool->idle))
    {

        q = ngx_queue_head(&pool->waiting);
        job = ngx_queue_data(q, ngx_http_codeexec_pg_job_t, queue);

        q = ngx_queue_head(&pool->idle);
        pg = ngx_queue_data(q, ngx_http_codeexec_pg_connection_t, queue);

        ngx_http_codeexec_pg_dequeue(job);

        if (ngx_http_codeexec_pg_execute(pg, job) == NGX_OK) {
            continue;
        }

        if (!job->retried) {
            job->retried = 1;
            ngx_http_codeexec_pg_enqueue(pool, job, 1);
            continue;
        }

        ngx_http_codeexec_pg_refuse(pool, job);
    }

    while (pool->nopening < pool->nwaiting
           && !ngx_queue_empty(&pool->closed)
           && !pool->backoff.timer_set
           && !pool->shutdown)
    {
        q = ngx_queue_head(&pool->closed);
        pg = ngx_queue_data(q, ngx_http_codeexec_pg_connection_t, queue);

        ngx_http_codeexec_pg_connect(pg);
    }

    if (pool->backoff.timer_set && !ngx_http_codeexec_pg_alive(pool)) {

        while (!ngx_queue_empty(&pool->waiting)) {
            q = ngx_queue_head(&pool->waiting);
            job = ngx_queue_data(q, ngx_http_codeexec_pg_job_t, queue);

            ngx_http_codeexec_pg_dequeue(job);
            ngx_http_codeexec_pg_refuse(pool, job);
        }
    }

    if (pool->nwaiting && !pool->timer.timer_set) {
        ngx_add_timer(&pool->timer, pool->queue_timeout);
    }

    ngx_http_codeexec_pg_close_unwanted(pool);
}


/* Its handler is called later, as the caller may be submitting it. */

static void
ngx_http_codeexec_pg_refuse(ngx_http_codeexec_pg_pool_t *pool,
    ngx_http_codeexec_pg_job_t *job)
{
    job->refused = 1;

    ngx_queue_insert_tail(&pool->refused, &job->queue);
    ngx_post_event(&pool->refuse, &ngx_posted_events);
}


void
ngx_http_codeexec_pg_enqueue(ngx_http_codeexec_pg_pool_t *pool,
    ngx_http_codeexec_pg_job_t *job, ngx_uint_t first)
{
    job->waiting = 1;
    job->queued = ngx_current_msec;
    pool->nwaiting++;

    if (first) {
        ngx_queue_insert_head(&pool->waiting, &job->queue);

    } else {
        ngx_queue_insert_tail(&pool->waiting, &job->queue);
    }
}


void
ngx_http_codeexec_pg_dequeue(ngx_http_codeexec_pg_job_t *job)
{
    job->waiting = 0;
    job->pool->nwaiting--;
    ngx_queue_remove(&job->queue);
}


static void
ngx_http_codeexec_pg_refuse_handler(ngx_event_t *ev)
{
    ngx_queue_t                  *q;
    ngx_http_codeexec_pg_job_t   *job;
    ngx_http_codeexec_pg_pool_t  *pool;

    pool = ev->data;

    while (!ngx_queue_empty(&pool->refused)) {
        q = ngx_queue_head(&pool->refused);
        job = ngx_queue_data(q, ngx_http_codeexec_pg_job_t, queue);

        ngx_queue_remove(&job->queue);
        job->refused = 0;

        ngx_http_codeexec_pg_done(job, NGX_HTTP_SERVICE_UNAVAILABLE);
    }
}


static void
ngx_http_codeexec_pg_queue_handler(ngx_event_t *ev)
{
    ngx_msec_int_t                left, first;
    ngx_queue_t                  *q;
    ngx_http_codeexec_pg_job_t   *job;
    ngx_http_codeexec_pg_pool_t  *pool;

    pool = ev->data;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ev->log, 0,
                   "codeexec pg queue handler, waiting: %ui", pool->nwaiting);

again:

    first = pool->queue_timeout;

    for (q = ngx_queue_head(&pool->waiting);
         q != ngx_queue_sentinel(&pool->waiting);
         q = ngx_queue_next(q))
    {
        job = ngx_queue_data(q, ngx_http_codeexec_pg_job_t, queue);

        left = (ngx_msec_int_t) (job->queued + pool->queue_timeout
                                 - ngx_current_msec);

        if (left > 0) {
            first = ngx_min(first, left);
            continue;
        }

        ngx_log_error(NGX_LOG_ERR, job->log, 0,
                      "codeexec_pg \"%V\": timed out in the queue",
                      &pool->name);

        ngx_http_codeexec_pg_dequeue(job);
        ngx_http_codeexec_pg_done(job, NGX_HTTP_SERVICE_UNAVAILABLE);

        /* the handler may have changed the queue */
        goto again;
    }

    if (pool->nwaiting && !ev->timer_set) {
        ngx_add_timer(ev, first);
    }

    ngx_http_codeexec_pg_close_unwanted(pool);
}


void
ngx_http_codeexec_pg_init_queue(ngx_http_codeexec_pg_pool_t *pool,
    ngx_log_t *log)
{
    pool->timer.handler = ngx_http_codeexec_pg_queue_handler;
    pool->timer.data = pool;
    pool->timer.log = log;

    /* a worker is kept alive by connections that open or work */

    pool->timer.cancelable = 1;

    pool->refuse.handler = ngx_http_codeexec_pg_refuse_handler;
    pool->refuse.data = pool;
    pool->refuse.log = log;
}
