
/*
 * Copyright (C) The codeexec authors.
 *
 * Deletes expired images: in the first worker of each node, a batch at a
 * time, only when no job waits, and under a lock in the database, so that one
 * node does it while the others go on.
 */


#include "ngx_http_codeexec_pg.h"


#define NGX_HTTP_CODEEXEC_PG_BATCH  500

/* Between two batches, so that a long sweep is no load. */
#define NGX_HTTP_CODEEXEC_PG_PAUSE  100


static void ngx_http_codeexec_pg_sweep_later(
    ngx_http_codeexec_pg_pool_t *pool, ngx_msec_t delay);
static void ngx_http_codeexec_pg_sweep_handler(ngx_event_t *ev);
static void ngx_http_codeexec_pg_sweep_done(ngx_http_codeexec_pg_job_t *job);


void
ngx_http_codeexec_pg_init_sweep(ngx_http_codeexec_pg_pool_t *pool,
    ngx_cycle_t *cycle)
{
    u_char                      *p;
    ngx_uint_t                   n;
    ngx_http_codeexec_pg_job_t  *job;

    if (pool->sweep == 0 || !pool->stores || ngx_worker != 0) {
        return;
    }

    p = pool->sweep_batch;

    for (n = 0; n < 8; n++) {
        p[n] = (u_char) ((uint64_t) NGX_HTTP_CODEEXEC_PG_BATCH
                         >> (56 - 8 * n));
    }

    pool->sweep_args.values[0] = (char *) p;
    pool->sweep_args.lengths[0] = 8;

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

    ngx_http_codeexec_pg_sweep_later(pool, pool->sweep);
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
    ngx_http_codeexec_pg_pool_t  *pool;

    pool = ev->data;

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, ev->log, 0,
                   "codeexec pg sweep handler");

    if (ngx_exiting || pool->plain) {
        return;
    }

    if (pool->nwaiting || pool->nbusy == pool->max_connections
        || ngx_http_codeexec_pg_submit(pool, &pool->sweep_job) != NGX_OK)
    {
        ngx_http_codeexec_pg_sweep_later(pool, pool->sweep);
    }
}


static void
ngx_http_codeexec_pg_sweep_done(ngx_http_codeexec_pg_job_t *job)
{
    ngx_int_t                     n;
    const char                   *count;
    ngx_http_codeexec_pg_pool_t  *pool;

    pool = job->data;

    if (job->status != NGX_OK) {
        ngx_http_codeexec_pg_sweep_later(pool, pool->sweep);
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

    ngx_http_codeexec_pg_sweep_later(pool, n < NGX_HTTP_CODEEXEC_PG_BATCH
                                           ? pool->sweep
                                           : NGX_HTTP_CODEEXEC_PG_PAUSE);
}
