
/*
 * Copyright (C) The codeexec authors.
 *
 * An answer is held until its images are stored.  The connection to codeexecd
 * is given back before, and core is made to do it:
 *
 *     process_header        the answer is complete, but not encoded
 *       header filter       keeps the header back; core thinks it was sent
 *         filter            leaves u->length at 1, and the buffer no room, so
 *                           that core reads no further; posts the request
 *     ---
 *     release               runs core's cleanup, which finalizes the upstream
 *                           with NGX_DONE, and not the request
 *       store_images        one transaction
 *     ---
 *     send_held             encodes; header, body, end
 *
 * Posted requests run before the worker waits for events, and are forgotten
 * when the request is terminated, so that nothing comes between.
 */


#include "ngx_http_codeexec_module.h"


static void ngx_http_codeexec_release(ngx_http_request_t *r);
static void ngx_http_codeexec_upstream_dummy(ngx_http_request_t *r,
    ngx_http_upstream_t *u);
static void ngx_http_codeexec_cancel(void *data);
static ngx_int_t ngx_http_codeexec_send_answer(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);


ngx_int_t
ngx_http_codeexec_hold(ngx_http_request_t *r)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    /* EOF that core would read here belongs to the idle connection */

    u->buffer.end = u->buffer.start;
    u->read_event_handler = ngx_http_codeexec_upstream_dummy;

    r->write_event_handler = ngx_http_codeexec_release;

    return ngx_http_post_request(r, NULL);
}


static void
ngx_http_codeexec_upstream_dummy(ngx_http_request_t *r,
    ngx_http_upstream_t *u)
{
    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http codeexec upstream dummy");
}


static void
ngx_http_codeexec_release(ngx_http_request_t *r)
{
    ngx_http_upstream_t      *u;
    ngx_http_codeexec_ctx_t  *ctx;

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http codeexec release");

    u = r->upstream;
    ctx = ngx_http_get_module_ctx(r, ngx_http_codeexec_module);

    r->write_event_handler = ngx_http_request_empty_handler;

    if (ctx == NULL || !ctx->holding || u->cleanup == NULL) {
        return;
    }

    /* NGX_DONE takes one reference, and the upstream's own is still needed */

    r->main->count++;

    (*u->cleanup)(r);

    ngx_http_codeexec_store_images(r, ctx);
}


void
ngx_http_codeexec_send_held(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_int_t status)
{
    ngx_int_t  rc;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http codeexec send held: %i", status);

    ctx->holding = 0;

    rc = (status == NGX_OK) ? ngx_http_codeexec_send_answer(r, ctx) : status;

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {

        /* a page of core, then */

        ctx->answered = 0;
    }

    ngx_http_finalize_request(r, rc);
}


static ngx_int_t
ngx_http_codeexec_send_answer(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (ctx->endpoint->encode(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* if not this one, another filter holds the header, for the body */

    if (ctx->header_held) {
        rc = ngx_http_codeexec_send_held_header(r, ctx);

        if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
            return rc;
        }
    }

    return ngx_http_codeexec_send_body(r, ctx);
}


ngx_int_t
ngx_http_codeexec_wait(ngx_http_request_t *r,
    ngx_http_codeexec_pg_job_t *job)
{
    ngx_event_t         *rev;
    ngx_http_cleanup_t  *cln;

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_codeexec_cancel;
    cln->data = job;

    r->write_event_handler = ngx_http_request_empty_handler;

    /* that handler sees the client go away, too */

    if (r->discard_body) {
        return NGX_OK;
    }

    r->read_event_handler = ngx_http_test_reading;

    rev = r->connection->read;

    if (rev->ready) {
        ngx_post_event(rev, &ngx_posted_events);
        return NGX_OK;
    }

    return ngx_handle_read_event(rev, 0);
}


static void
ngx_http_codeexec_cancel(void *data)
{
    ngx_http_codeexec_pg_job_t *job = data;

    ngx_http_codeexec_pg_cancel(job);
}


void
ngx_http_codeexec_job_done(ngx_http_codeexec_ctx_t *ctx,
    ngx_http_codeexec_pg_job_t *job)
{
    ctx->pg_time = ngx_max(ctx->pg_time, 0) + (int64_t) job->time;

    if (job->sqlstate[0]) {
        ngx_memcpy(ctx->sqlstate, job->sqlstate, sizeof(ctx->sqlstate));
    }
}
