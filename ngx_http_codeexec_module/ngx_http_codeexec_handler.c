
/*
 * Copyright (C) The codeexec authors.
 */


#include "ngx_http_codeexec_module.h"


static void ngx_http_codeexec_read_handler(ngx_http_request_t *r);
static void ngx_http_codeexec_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_codeexec_read_body(ngx_http_request_t *r,
    ngx_str_t *body);
static ngx_int_t ngx_http_codeexec_look(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static void ngx_http_codeexec_cleanup(void *data);


ngx_int_t
ngx_http_codeexec_handler(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_http_codeexec_ctx_t  *ctx;

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http codeexec handler");

    /* the access phase may have ended without having asked for the key */

    if (ngx_http_codeexec_find_key(r) == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_codeexec_module);

    if (ctx->key) {
        ctx->owner = ctx->key->name;
        ctx->max_runs = ctx->key->concurrency;
        ctx->admin = ctx->key->admin;
    }

    rc = ngx_http_codeexec_find_endpoint(r, ctx);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_read_client_request_body(r, ngx_http_codeexec_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    if (rc == NGX_AGAIN) {
        ctx->read_handler = r->read_event_handler;
        r->read_event_handler = ngx_http_codeexec_read_handler;
    }

    return NGX_DONE;
}


/*
 * Core closes the connection without a word if a body does not arrive in
 * time, and does so whenever it is told 408.
 */

static void
ngx_http_codeexec_read_handler(ngx_http_request_t *r)
{
    ngx_connection_t         *c;
    ngx_http_codeexec_ctx_t  *ctx;

    c = r->connection;

    if (!c->read->timedout) {
        ctx = ngx_http_get_module_ctx(r, ngx_http_codeexec_module);
        ctx->read_handler(r);
        return;
    }

    ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT, "client timed out");

    c->read->timedout = 0;
    r->keepalive = 0;
    r->lingering_close = 1;

#if (NGX_HTTP_V2)

    /* what comes now must not complete the body */

    if (r->stream) {
        r->stream->skip_data = 1;
    }

#endif

    ngx_http_finalize_request(r,
             ngx_http_special_response_handler(r, NGX_HTTP_REQUEST_TIME_OUT));
}


static void
ngx_http_codeexec_body_handler(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_str_t                 body;
    ngx_http_codeexec_ctx_t  *ctx;

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http codeexec body handler");

    ctx = ngx_http_get_module_ctx(r, ngx_http_codeexec_module);

    ngx_str_null(&body);

    if (r->method & NGX_HTTP_POST) {
        if (ngx_http_codeexec_read_body(r, &body) != NGX_OK) {
            ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
            return;
        }
    }

    /* a job that is no good must not cost a connection, nor a run */

    rc = ctx->endpoint->decode(r, ctx, &body);

    json_decref(ctx->json);
    ctx->json = NULL;

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_look(r, ctx);
    }

    if (rc == NGX_DONE) {
        ngx_http_finalize_request(r, ngx_http_codeexec_send_local(r, ctx));
        return;
    }

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_check_key(ctx);
    }

    if (rc == NGX_OK && !ctx->job.query && !ctx->job.stop) {
        rc = ngx_http_codeexec_add_run(r, ctx);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_init_upstream(r);
    }

    if (rc != NGX_OK) {
        ngx_http_finalize_request(r, rc);
        return;
    }

    ngx_http_upstream_init(r);
}


/* What is refused here is answered as if the runtime had refused it. */

static ngx_int_t
ngx_http_codeexec_look(ngx_http_request_t *r, ngx_http_codeexec_ctx_t *ctx)
{
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    if (ctx->job.query || ctx->job.stop) {
        return NGX_OK;
    }

    if (lcf->deny) {

        if (ngx_http_codeexec_screen(r, ctx, lcf->deny) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        if (ctx->rejection) {
            ngx_http_codeexec_sort_complaints(ctx->rejection);
        }
    }

    if (ctx->rejection == NULL && ctx->job.deny
        && ngx_http_codeexec_screen(r, ctx, ctx->job.deny) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->rejection == NULL) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "codeexec refused the code: %V",
                  &ctx->rejection->lines[0].message);

    ctx->outcome = NGX_HTTP_CODEEXEC_ERROR;
    ctx->result.exit_code = 1;
    ctx->status = ctx->endpoint->status(ctx);

    return ctx->endpoint->encode(r, ctx) == NGX_OK
           ? NGX_DONE : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


/*
 * The body is one piece of memory when decoded.  It may come in several
 * buffers (HTTP/2, chunked), the last of which may be a file.
 */

static ngx_int_t
ngx_http_codeexec_read_body(ngx_http_request_t *r, ngx_str_t *body)
{
    off_t         size;
    u_char       *p;
    ssize_t       n;
    ngx_buf_t    *b;
    ngx_chain_t  *cl, *in;

    in = r->request_body ? r->request_body->bufs : NULL;

    if (in && in->next == NULL && !in->buf->in_file) {
        body->data = in->buf->pos;
        body->len = in->buf->last - in->buf->pos;
        return NGX_OK;
    }

    size = 0;

    for (cl = in; cl; cl = cl->next) {
        size += ngx_buf_size(cl->buf);
    }

    p = ngx_palloc(r->pool, size ? size : 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    body->data = p;
    body->len = size;

    for (cl = in; cl; cl = cl->next) {
        b = cl->buf;

        if (!b->in_file) {
            p = ngx_cpymem(p, b->pos, b->last - b->pos);
            continue;
        }

        size = b->file_last - b->file_pos;

        n = ngx_read_file(b->file, p, size, b->file_pos);

        if (n != size) {
            ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                          ngx_read_file_n " read only %z of %O from \"%V\"",
                          n, size, &b->file->name);
            return NGX_ERROR;
        }

        p += n;
    }

    return NGX_OK;
}


ngx_http_codeexec_ctx_t *
ngx_http_codeexec_create_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t       *cln;
    ngx_http_codeexec_ctx_t  *ctx;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_codeexec_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;

    ngx_memzero(ctx, sizeof(ngx_http_codeexec_ctx_t));

    ctx->request = r;
    ctx->result.exit_code = -1;
    ctx->result.signal = -1;
    ctx->pg_time = -1;

    cln->handler = ngx_http_codeexec_cleanup;

    ngx_http_set_ctx(r, ctx, ngx_http_codeexec_module);

    return ctx;
}


ngx_http_codeexec_ctx_t *
ngx_http_codeexec_get_ctx(ngx_http_request_t *r)
{
    ngx_http_codeexec_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_codeexec_module);

    return ctx ? ctx : ngx_http_codeexec_create_ctx(r);
}


/* An internal redirect takes the context away, but the log needs it. */

ngx_http_codeexec_ctx_t *
ngx_http_codeexec_find_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t       *cln;
    ngx_http_codeexec_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_codeexec_module);

    if (ctx || (!r->internal && !r->filter_finalize)) {
        return ctx;
    }

    for (cln = r->pool->cleanup; cln; cln = cln->next) {

        if (cln->handler != ngx_http_codeexec_cleanup) {
            continue;
        }

        ctx = cln->data;

        /* the pool is shared by all subrequests */

        if (ctx->request == r) {
            return ctx;
        }
    }

    return NULL;
}


static void
ngx_http_codeexec_cleanup(void *data)
{
    ngx_http_codeexec_ctx_t *ctx = data;

    ngx_http_codeexec_remove_run(ctx);

    json_decref(ctx->json);
    ctx->json = NULL;

    json_decref(ctx->files);
    ctx->files = NULL;

    PQclear(ctx->row);
    ctx->row = NULL;
}


ngx_int_t
ngx_http_codeexec_refuse(ngx_http_codeexec_ctx_t *ctx, ngx_int_t status,
    const char *fmt, ...)
{
    u_char      *p, *last;
    va_list      args;
    u_char       message[NGX_MAX_ERROR_STR / 8];

    last = message + sizeof(message);

    va_start(args, fmt);
    p = ngx_vslprintf(message, last, fmt, args);
    va_end(args);

    ctx->message.data = ngx_pnalloc(ctx->request->pool, p - message);
    if (ctx->message.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->message.len = p - message;
    ngx_memcpy(ctx->message.data, message, ctx->message.len);

    ctx->refused_with = status;

    ngx_log_error(NGX_LOG_INFO, ctx->request->connection->log, 0,
                  "codeexec refused the request: %V", &ctx->message);

    return status;
}
