
/*
 * Copyright (C) The codeexec authors.
 *
 * Deletes expired images: in the first worker of each node, a batch at a
 * time, only when no job waits, and under a lock in the database, so that one
 * node does it while the others go on.
 */


#include "ngx_http_codeexec_pg.h"


/*
 * Rows of a batch.  How long their deletion takes depends on their sizes, so
 * the batch is halved and doubled to take about a tenth of a second.
 */
#define NGX_HTTP_CODEEXEC_PG_BATCH      32
#define NGX_HTTP_CODEEXEC_PG_MAX_BATCH  512
#define NGX_HTTP_CODEEXEC_PG_FAST       50
#define NGX_HTTP_CODEEXEC_PG_SLOW       200

/* Between two batches, so that a long sweep is no load. */
#define NGX_HTTP_CODEEXEC_PG_PAUSE      100


static void ngx_http_codeexec_pg_sweep_later(
    ngx_http_codeexec_pg_pool_t *pool, ngx_msec_t delay);
static void ngx_http_codeexec_pg_sweep_handler(ngx_event_t *ev);
static void ngx_http_codeexec_pg_sweep_done(ngx_http_codeexec_pg_job_t *job);


void
ngx_http_codeexec_pg_init_sweep(ngx_http_codeexec_pg_pool_t *pool,
    ngx_cycle_t *cycle)
{
    ngx_http_codeexec_pg_job_t  *job;

    if (pool->sweep == 0 || !pool->stores || ngx_worker != 0) {
        return;
    }

    pool->sweep_batch = NGX_HTTP_CODEEXEC_PG_BATCH;
    pool->sweep_args.values[0] = (char *) pool->sweep_rows;
    pool->sweep_args.lengths[0] = sizeof(pool->sweep_rows);

    job = &pool->sweep_job;

    job->statement = ngx_http_codeexec_pg_sweep;
    job->args = &pool->sweep_args;
    job->nargs = 1;
    job->handler = ngx_http_codeexec_pg_sweep_done;
    job->data = pool;
    job->log = cycle->log;

    pool->sweeper.handler = ngx_http_codeexec_pg_sweep_handler;
    pool->sweeper.data = pool;
    pool->sweeper.log = cycle->log;
    pool->sweeper.cancelable = 1;

    /* at any time, lest reloads that are frequent prevent it */

    ngx_add_timer(&pool->sweeper, (ngx_msec_t) ngx_random() % pool->sweep);
}


/* With some jitter, so that nodes which were started together drift apart. */

static void
ngx_http_codeexec_pg_sweep_later(ngx_http_codeexec_pg_pool_t *pool,
    ngx_msec_t delay)
{
    delay = delay * 3 / 4 + (ngx_msec_t) ngx_random() % (delay / 2 + 1);

    ngx_add_timer(&pool->sweeper, delay);
}


static void
ngx_http_codeexec_pg_sweep_handler(ngx_event_t *ev)
{
    u_char                       *p;
    ngx_uint_t                    rows;
    ngx_http_codeexec_pg_pool_t  *pool;

    pool = ev->data;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ev->log, 0,
                   "codeexec pg sweep handler, batch: %ui",
                   pool->sweep_batch);

    if (ngx_exiting) {
        return;
    }

    rows = pool->sweep_batch;

    for (p = pool->sweep_rows + sizeof(pool->sweep_rows);
         p > pool->sweep_rows;
         rows >>= 8)
    {
        *--p = (u_char) rows;
    }

    if (pool->plain || pool->nwaiting || pool->nbusy == pool->max_connections
        || ngx_http_codeexec_pg_submit(pool, &pool->sweep_job) != NGX_OK)
    {
        ngx_http_codeexec_pg_sweep_later(pool, pool->sweep);
    }
}


static void
ngx_http_codeexec_pg_sweep_done(ngx_http_codeexec_pg_job_t *job)
{
    ngx_int_t                     n;
    ngx_uint_t                    batch;
    const char                   *count;
    ngx_http_codeexec_pg_pool_t  *pool;

    pool = job->data;
    batch = pool->sweep_batch;

    if (job->time > NGX_HTTP_CODEEXEC_PG_SLOW
        || job->status == NGX_HTTP_GATEWAY_TIME_OUT)
    {
        pool->sweep_batch = ngx_max(batch / 2, 1);

    } else if (job->status == NGX_OK && job->time < NGX_HTTP_CODEEXEC_PG_FAST)
    {
        pool->sweep_batch = ngx_min(batch * 2, NGX_HTTP_CODEEXEC_PG_MAX_BATCH);
    }

    if (job->status != NGX_OK) {

        /* what took too long may be done with fewer */

        ngx_http_codeexec_pg_sweep_later(pool,
            job->status == NGX_HTTP_GATEWAY_TIME_OUT && batch > 1
            ? NGX_HTTP_CODEEXEC_PG_PAUSE : pool->sweep);
        return;
    }

    count = PQcmdTuples(job->result);
    n = ngx_atoi((u_char *) count, ngx_strlen(count));

    PQclear(job->result);
    job->result = NULL;

    if (n > 0) {
        ngx_log_error(NGX_LOG_INFO, job->log, 0,
                      "codeexec_pg \"%V\": deleted %i expired images",
                      &pool->name, n);
    }

    ngx_http_codeexec_pg_sweep_later(pool, n < (ngx_int_t) batch
                                           ? pool->sweep
                                           : NGX_HTTP_CODEEXEC_PG_PAUSE);
}
