
/*
 * Copyright (C) The codeexec authors.
 *
 * Stopping an execution.  The codeexecd that has it is asked directly, whatever
 * the location's upstream would choose.
 */


#include "ngx_http_codeexec_module.h"


static void ngx_http_codeexec_answer_stopped(ngx_http_request_t *r);


ngx_int_t
ngx_http_codeexec_decode_stop(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body)
{
    ngx_int_t  rc;

    rc = ngx_http_codeexec_stop_run(r, ctx);

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http codeexec stop \"%V\": %i", &ctx->name, rc);

    switch (rc) {

    case NGX_OK:
        ctx->job.stop = 1;
        return NGX_OK;

    case NGX_DONE:
        ctx->stopped = 1;
        ctx->status = ctx->endpoint->status(ctx);

        if (ctx->endpoint->encode(r, ctx) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return NGX_DONE;

    case NGX_DECLINED:
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_NOT_FOUND,
                                        "No such execution");

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}


/*
 * codeexecd doesn't know a job that it has not got yet, but won't run it then.
 * Neither does it know one that has ended, and that is gone.
 */

ngx_uint_t
ngx_http_codeexec_stop_status(ngx_http_codeexec_ctx_t *ctx)
{
    if (ctx->stopped || ngx_http_codeexec_run_is_left(ctx)) {
        return NGX_HTTP_OK;
    }

    return NGX_HTTP_NOT_FOUND;
}


/*
 * Core takes NGX_AGAIN for a job that is not sent yet.  The posted request
 * comes before any event.
 */

ngx_int_t
ngx_http_codeexec_end_stopped(ngx_http_request_t *r)
{
    r->write_event_handler = ngx_http_codeexec_answer_stopped;

    return ngx_http_post_request(r, NULL) == NGX_OK ? NGX_AGAIN : NGX_ERROR;
}


/* As if codeexecd had answered so. */

static void
ngx_http_codeexec_answer_stopped(ngx_http_request_t *r)
{
    ngx_http_upstream_t      *u;
    ngx_http_codeexec_ctx_t  *ctx;

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http codeexec answer stopped");

    u = r->upstream;
    ctx = ngx_http_get_module_ctx(r, ngx_http_codeexec_module);

    r->write_event_handler = ngx_http_request_empty_handler;

    if (ctx == NULL || u->cleanup == NULL) {
        return;
    }

    /* NGX_DONE takes one reference, and the request goes on */

    r->main->count++;

    (*u->cleanup)(r);

    ngx_http_codeexec_collector_init(r, ctx);

    ctx->outcome = NGX_HTTP_CODEEXEC_STOPPED;
    ngx_str_set(&ctx->result.reason, "stopped");

    ctx->status = ctx->endpoint->status(ctx);

    if (ctx->endpoint->encode(r, ctx) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    ngx_http_finalize_request(r, ngx_http_codeexec_send_local(r, ctx));
}
