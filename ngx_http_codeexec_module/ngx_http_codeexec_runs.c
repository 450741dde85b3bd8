
/*
 * Copyright (C) The codeexec authors.
 *
 * What requests do with the executions in codeexec_zone: one is there from
 * before its job is sent until its answer is complete, or its request is gone.
 *
 *     add_run       a random handle is made, by which codeexecd knows it
 *     locate_run    a codeexecd is about to get it, or it has been stopped
 *     remove_run
 *
 * Whoever stops it marks it first, and then asks the codeexecd that has it, if
 * there is one.  A mark that comes sooner is seen by locate_run; and codeexecd
 * remembers who is to be stopped, should the job come later than that.
 */


#include "ngx_http_codeexec_zone.h"


static ngx_int_t ngx_http_codeexec_add_locked(ngx_http_codeexec_zone_t *zone,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_uint_t ngx_http_codeexec_count_runs(ngx_http_codeexec_zone_t *zone,
    ngx_str_t *owner);
static u_char ngx_http_codeexec_copy(u_char *dst, size_t size,
    ngx_str_t *src);
static ngx_int_t ngx_http_codeexec_dup(ngx_pool_t *pool, ngx_str_t *dst,
    u_char *src, size_t len);


ngx_int_t
ngx_http_codeexec_add_run(ngx_http_request_t *r, ngx_http_codeexec_ctx_t *ctx)
{
    u_char                         random[NGX_HTTP_CODEEXEC_HANDLE_LEN / 2];
    ngx_int_t                      rc;
    ngx_http_codeexec_zone_t      *zone;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    if (lcf->zone == NULL) {
        return NGX_OK;
    }

    zone = lcf->zone->data;

    ctx->job.handle.len = NGX_HTTP_CODEEXEC_HANDLE_LEN;
    ctx->job.handle.data = ngx_pnalloc(r->pool, NGX_HTTP_CODEEXEC_HANDLE_LEN);

    if (ctx->job.handle.data == NULL
        || ngx_http_codeexec_random(random, sizeof(random)) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_hex_dump(ctx->job.handle.data, random, sizeof(random));

    ngx_shmtx_lock(&zone->shpool->mutex);

    rc = ngx_http_codeexec_add_locked(zone, ctx);

    ngx_shmtx_unlock(&zone->shpool->mutex);

    switch (rc) {

    case NGX_OK:
        return NGX_OK;

    case NGX_HTTP_CONFLICT:
        return ngx_http_codeexec_refuse(ctx, rc,
                                  "An execution with this id is running");

    case NGX_HTTP_TOO_MANY_REQUESTS:
        return ngx_http_codeexec_refuse(ctx, rc,
                                  "Too many executions with this key");

    default:
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "codeexec_zone \"%V\" is full", &lcf->zone->shm.name);

        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_SERVICE_UNAVAILABLE,
                                        "Too many executions are running");
    }
}


static ngx_int_t
ngx_http_codeexec_add_locked(ngx_http_codeexec_zone_t *zone,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_str_t                      api;
    ngx_time_t                    *tp;
    ngx_http_codeexec_run_t       *run;
    ngx_http_codeexec_loc_conf_t  *lcf;

    if (ngx_http_codeexec_find_run(zone, &ctx->job.id, &ctx->owner)) {
        return NGX_HTTP_CONFLICT;
    }

    if (ctx->max_runs
        && ngx_http_codeexec_count_runs(zone, &ctx->owner) >= ctx->max_runs)
    {
        return NGX_HTTP_TOO_MANY_REQUESTS;
    }

    run = ngx_http_codeexec_alloc_run(zone);
    if (run == NULL) {
        return NGX_ERROR;
    }

    lcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_codeexec_module);
    api = ngx_http_codeexec_dialect(lcf)->name;
    tp = ngx_timeofday();

    run->pid = ngx_pid;
    run->started = (int64_t) tp->sec * 1000 + tp->msec;

    ngx_memcpy(run->handle, ctx->job.handle.data, sizeof(run->handle));

    run->id_len = ngx_http_codeexec_copy(run->id, sizeof(run->id),
                                         &ctx->job.id);
    run->owner_len = ngx_http_codeexec_copy(run->owner, sizeof(run->owner),
                                            &ctx->owner);
    run->language_len = ngx_http_codeexec_copy(run->language,
                                               sizeof(run->language),
                                               &ctx->job.language);
    run->api_len = ngx_http_codeexec_copy(run->api, sizeof(run->api), &api);

    ngx_queue_insert_tail(&zone->runs->all, &run->all);
    ngx_queue_insert_tail(ngx_http_codeexec_bucket(zone, &ctx->job.id),
                          &run->bucket);

    ctx->zone = zone;
    ctx->run = run;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_codeexec_count_runs(ngx_http_codeexec_zone_t *zone, ngx_str_t *owner)
{
    ngx_uint_t                n;
    ngx_queue_t              *q;
    ngx_http_codeexec_run_t  *run;

    ngx_http_codeexec_sweep_runs(zone);

    n = 0;

    for (q = ngx_queue_head(&zone->runs->all);
         q != ngx_queue_sentinel(&zone->runs->all);
         q = ngx_queue_next(q))
    {
        run = ngx_queue_data(q, ngx_http_codeexec_run_t, all);
        n += ngx_http_codeexec_owns_run(owner, run);
    }

    return n;
}


void
ngx_http_codeexec_remove_run(ngx_http_codeexec_ctx_t *ctx)
{
    if (ctx->run == NULL) {
        return;
    }

    ngx_shmtx_lock(&ctx->zone->shpool->mutex);

    ngx_http_codeexec_free_run(ctx->zone, ctx->run);

    ngx_shmtx_unlock(&ctx->zone->shpool->mutex);

    ctx->run = NULL;
}


ngx_int_t
ngx_http_codeexec_locate_run(ngx_http_codeexec_ctx_t *ctx,
    struct sockaddr *sockaddr, socklen_t socklen)
{
    ngx_int_t                 rc;
    ngx_http_codeexec_run_t  *run;

    run = ctx->run;

    ngx_shmtx_lock(&ctx->zone->shpool->mutex);

    if (run->stopped || socklen > (socklen_t) sizeof(ngx_sockaddr_t)) {
        rc = NGX_DECLINED;

    } else {
        ngx_memcpy(&run->sockaddr, sockaddr, socklen);
        run->socklen = socklen;
        rc = NGX_OK;
    }

    ngx_shmtx_unlock(&ctx->zone->shpool->mutex);

    return rc;
}


ngx_int_t
ngx_http_codeexec_stop_run(ngx_http_request_t *r, ngx_http_codeexec_ctx_t *ctx)
{
    u_char                        *handle;
    ngx_int_t                      rc;
    ngx_http_codeexec_run_t       *run;
    ngx_http_codeexec_zone_t      *zone;
    ngx_http_codeexec_target_t    *target;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    if (lcf->zone == NULL) {
        return NGX_DECLINED;
    }

    handle = ngx_pnalloc(r->pool, NGX_HTTP_CODEEXEC_HANDLE_LEN);
    target = ngx_palloc(r->pool, sizeof(ngx_http_codeexec_target_t));

    if (handle == NULL || target == NULL) {
        return NGX_ERROR;
    }

    zone = lcf->zone->data;

    ngx_shmtx_lock(&zone->shpool->mutex);

    run = ngx_http_codeexec_find_run(zone, &ctx->name, &ctx->owner);

    if (run == NULL && ctx->admin) {
        run = ngx_http_codeexec_find_run(zone, &ctx->name, NULL);
    }

    if (run == NULL) {
        rc = NGX_DECLINED;

    } else {

        /* whoever has not sent it yet will find this, and not send it */

        run->stopped = 1;

        target->sockaddr = run->sockaddr;
        target->socklen = run->socklen;
        ngx_memcpy(handle, run->handle, NGX_HTTP_CODEEXEC_HANDLE_LEN);

        rc = run->socklen ? NGX_OK : NGX_DONE;
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    ctx->job.handle.data = handle;
    ctx->job.handle.len = NGX_HTTP_CODEEXEC_HANDLE_LEN;
    ctx->target = target;

    return rc;
}


ngx_uint_t
ngx_http_codeexec_run_is_left(ngx_http_codeexec_ctx_t *ctx)
{
    ngx_queue_t                   *q, *bucket;
    ngx_uint_t                     left;
    ngx_http_codeexec_run_t       *run;
    ngx_http_codeexec_zone_t      *zone;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_codeexec_module);
    zone = lcf->zone->data;

    left = 0;

    ngx_shmtx_lock(&zone->shpool->mutex);

    bucket = ngx_http_codeexec_bucket(zone, &ctx->name);

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = ngx_queue_next(q))
    {
        run = ngx_queue_data(q, ngx_http_codeexec_run_t, bucket);

        if (ngx_memcmp(run->handle, ctx->job.handle.data,
                       NGX_HTTP_CODEEXEC_HANDLE_LEN)
            == 0)
        {
            left = !ngx_http_codeexec_is_dead(run);
            break;
        }
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return left;
}


ngx_int_t
ngx_http_codeexec_list_runs(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_array_t *list)
{
    ngx_int_t                      rc;
    ngx_queue_t                   *q;
    ngx_http_codeexec_run_t       *run;
    ngx_http_codeexec_zone_t      *zone;
    ngx_http_codeexec_listed_t    *listed;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    if (lcf->zone == NULL) {
        return NGX_OK;
    }

    zone = lcf->zone->data;
    rc = NGX_OK;

    ngx_shmtx_lock(&zone->shpool->mutex);

    ngx_http_codeexec_sweep_runs(zone);

    for (q = ngx_queue_head(&zone->runs->all);
         q != ngx_queue_sentinel(&zone->runs->all);
         q = ngx_queue_next(q))
    {
        run = ngx_queue_data(q, ngx_http_codeexec_run_t, all);

        if (!ctx->admin && !ngx_http_codeexec_owns_run(&ctx->owner, run)) {
            continue;
        }

        listed = ngx_array_push(list);

        if (listed == NULL
            || ngx_http_codeexec_dup(r->pool, &listed->id, run->id,
                                     run->id_len)
               != NGX_OK
            || ngx_http_codeexec_dup(r->pool, &listed->owner, run->owner,
                                     run->owner_len)
               != NGX_OK
            || ngx_http_codeexec_dup(r->pool, &listed->language,
                                     run->language, run->language_len)
               != NGX_OK
            || ngx_http_codeexec_dup(r->pool, &listed->api, run->api,
                                     run->api_len)
               != NGX_OK)
        {
            rc = NGX_ERROR;
            break;
        }

        listed->started = run->started;
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return rc;
}


/* What is too long was refused before. */

static u_char
ngx_http_codeexec_copy(u_char *dst, size_t size, ngx_str_t *src)
{
    size = ngx_min(size, src->len);

    ngx_memcpy(dst, src->data, size);

    return (u_char) size;
}


static ngx_int_t
ngx_http_codeexec_dup(ngx_pool_t *pool, ngx_str_t *dst, u_char *src,
    size_t len)
{
    dst->len = len;
    dst->data = ngx_pnalloc(pool, len ? len : 1);

    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(dst->data, src, len);

    return NGX_OK;
}
