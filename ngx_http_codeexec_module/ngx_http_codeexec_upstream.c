
/*
 * Copyright (C) The codeexec authors.
 */


#include "ngx_http_codeexec_module.h"


static ngx_int_t ngx_http_codeexec_eval(ngx_http_request_t *r,
    ngx_http_codeexec_loc_conf_t *lcf);
static ngx_int_t ngx_http_codeexec_resolve_target(ngx_http_request_t *r,
    ngx_http_codeexec_target_t *target);
static ngx_int_t ngx_http_codeexec_output_filter(void *data,
    ngx_chain_t *in);
static ngx_int_t ngx_http_codeexec_reinit_request(ngx_http_request_t *r);
static ngx_int_t ngx_http_codeexec_process_header(ngx_http_request_t *r);
static ngx_int_t ngx_http_codeexec_answer(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_uint_t ngx_http_codeexec_try_next(ngx_http_request_t *r);
static ngx_int_t ngx_http_codeexec_filter_init(void *data);
static ngx_int_t ngx_http_codeexec_filter(void *data, ssize_t bytes);
static void ngx_http_codeexec_abort_request(ngx_http_request_t *r);
static void ngx_http_codeexec_finalize_request(ngx_http_request_t *r,
    ngx_int_t rc);
static void ngx_http_codeexec_fix_busy_state(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);


ngx_int_t
ngx_http_codeexec_init_upstream(ngx_http_request_t *r)
{
    ngx_http_upstream_t           *u;
    ngx_http_codeexec_ctx_t       *ctx;
    ngx_http_codeexec_loc_conf_t  *lcf;

    if (ngx_http_upstream_create(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_codeexec_module);
    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    if (ctx->target) {
        if (ngx_http_codeexec_resolve_target(r, ctx->target) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

    } else if (lcf->pass_lengths) {
        if (ngx_http_codeexec_eval(r, lcf) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    u = r->upstream;

    ngx_str_set(&u->schema, "codeexec://");
    u->output.tag = (ngx_buf_tag_t) &ngx_http_codeexec_module;

    u->conf = &lcf->upstream;

    u->create_request = ngx_http_codeexec_create_request;
    u->reinit_request = ngx_http_codeexec_reinit_request;
    u->process_header = ngx_http_codeexec_process_header;
    u->abort_request = ngx_http_codeexec_abort_request;
    u->finalize_request = ngx_http_codeexec_finalize_request;

    u->input_filter_init = ngx_http_codeexec_filter_init;
    u->input_filter = ngx_http_codeexec_filter;
    u->input_filter_ctx = r;

    u->output.output_filter = ngx_http_codeexec_output_filter;
    u->output.filter_ctx = r;

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_eval(ngx_http_request_t *r,
    ngx_http_codeexec_loc_conf_t *lcf)
{
    ngx_url_t             url;
    ngx_http_upstream_t  *u;

    ngx_memzero(&url, sizeof(ngx_url_t));

    if (ngx_http_script_run(r, &url.url, lcf->pass_lengths->elts, 0,
                            lcf->pass_values->elts)
        == NULL)
    {
        return NGX_ERROR;
    }

    url.no_resolve = 1;

    if (ngx_parse_url(r->pool, &url) != NGX_OK) {
        if (url.err) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "%s in upstream \"%V\"", url.err, &url.url);
        }

        return NGX_ERROR;
    }

    u = r->upstream;

    u->resolved = ngx_pcalloc(r->pool, sizeof(ngx_http_upstream_resolved_t));
    if (u->resolved == NULL) {
        return NGX_ERROR;
    }

    if (url.addrs) {
        u->resolved->sockaddr = url.addrs[0].sockaddr;
        u->resolved->socklen = url.addrs[0].socklen;
        u->resolved->name = url.addrs[0].name;
        u->resolved->naddrs = 1;
    }

    u->resolved->host = url.host;
    u->resolved->port = url.port;
    u->resolved->no_port = url.no_port;

    return NGX_OK;
}


/* A name that no upstream has, so that core takes the address as it is. */

static ngx_int_t
ngx_http_codeexec_resolve_target(ngx_http_request_t *r,
    ngx_http_codeexec_target_t *target)
{
    u_char                         *name;
    struct sockaddr                *sockaddr;
    ngx_http_upstream_resolved_t   *resolved;

    name = ngx_pnalloc(r->pool, NGX_SOCKADDR_STRLEN);
    resolved = ngx_pcalloc(r->pool, sizeof(ngx_http_upstream_resolved_t));

    if (name == NULL || resolved == NULL) {
        return NGX_ERROR;
    }

    sockaddr = &target->sockaddr.sockaddr;

    resolved->sockaddr = sockaddr;
    resolved->socklen = target->socklen;
    resolved->naddrs = 1;
    resolved->port = ngx_inet_get_port(sockaddr);

    resolved->name.data = name;
    resolved->name.len = ngx_sock_ntop(sockaddr, target->socklen, name,
                                       NGX_SOCKADDR_STRLEN, 1);

    r->upstream->resolved = resolved;

    return NGX_OK;
}


/*
 * RUN is the end of the job.  Once all of it was handed to the kernel, the
 * code may be running, and must not be sent to another peer.
 */

static ngx_int_t
ngx_http_codeexec_output_filter(void *data, ngx_chain_t *in)
{
    ngx_http_request_t *r = data;

    ngx_int_t                      rc;
    ngx_http_upstream_t           *u;
    ngx_http_codeexec_ctx_t       *ctx;
    ngx_http_codeexec_loc_conf_t  *lcf;

    u = r->upstream;
    ctx = ngx_http_get_module_ctx(r, ngx_http_codeexec_module);

    if (ctx->run && !ctx->located) {
        ctx->located = 1;

        if (ngx_http_codeexec_locate_run(ctx, u->peer.sockaddr,
                                         u->peer.socklen)
            != NGX_OK)
        {
            return ngx_http_codeexec_end_stopped(r);
        }
    }

    rc = ngx_chain_writer(&u->writer, in);

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http codeexec output filter: %i", rc);

    if (rc == NGX_OK) {
        lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);
        u->conf = &lcf->started;
    }

    return rc;
}


static ngx_int_t
ngx_http_codeexec_reinit_request(ngx_http_request_t *r)
{
    ngx_http_codeexec_ctx_t       *ctx;
    ngx_http_codeexec_loc_conf_t  *lcf;

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http codeexec reinit request");

    ctx = ngx_http_get_module_ctx(r, ngx_http_codeexec_module);

    if (ctx == NULL) {
        return NGX_OK;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);
    r->upstream->conf = &lcf->upstream;

    ctx->located = 0;

    ngx_http_codeexec_fix_busy_state(r, ctx);
    ngx_http_codeexec_collector_init(r, ctx);

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_process_header(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_event_t                   *rev;
    ngx_http_upstream_t           *u;
    ngx_http_codeexec_ctx_t       *ctx;
    ngx_http_codeexec_loc_conf_t  *lcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_codeexec_module);

    if (ctx == NULL) {
        return NGX_ERROR;
    }

    u = r->upstream;

    rc = ngx_http_codeexec_collect(r, ctx);

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http codeexec process header: %i, outcome: %ui",
                   rc, ctx->outcome);

    if (rc != NGX_OK) {
        rev = u->peer.connection->read;

        /*
         * To core all of the answer is a header, which has one timer.  It is
         * deleted first, as ngx_add_timer() would leave a short one alone.
         */

        if (rc == NGX_AGAIN && rev->timer_set) {
            ngx_del_timer(rev);
            ngx_add_timer(rev, u->conf->read_timeout);
        }

        return rc;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    u->conf = &lcf->upstream;

    if (ctx->outcome == NGX_HTTP_CODEEXEC_BUSY
        && ngx_http_codeexec_try_next(r))
    {
        ctx->busy_state = r->upstream_states->nelts - 1;
        u->headers_in.status_n = NGX_HTTP_NOT_FOUND;
        return NGX_OK;
    }

    return ngx_http_codeexec_answer(r, ctx);
}


static ngx_int_t
ngx_http_codeexec_answer(ngx_http_request_t *r, ngx_http_codeexec_ctx_t *ctx)
{
    ngx_int_t             rc;
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (ngx_http_codeexec_read_results(r, ctx) != NGX_OK
        || ngx_http_codeexec_read_missing(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ctx->status = ctx->endpoint->status(ctx);

    rc = ngx_http_codeexec_choose_images(r, ctx);

    if (rc == NGX_DECLINED) {
        rc = ctx->endpoint->encode(r, ctx);
        u->headers_in.content_length_n = ctx->body.len;

    } else {

        /* it is encoded when the images are stored */

        ctx->holding = 1;
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->answered = 1;

    u->headers_in.status_n = ctx->status;

    if (u->state && u->state->status == 0) {
        u->state->status = ctx->status;
    }

    /*
     * The last byte of END stands for the body: with something left in the
     * buffer core calls the input filter at once, without flushing the
     * header first.
     */

    u->buffer.pos = u->buffer.last - 1;

    return NGX_OK;
}


/*
 * Core passes a status on to the next peer under these conditions, and only
 * if all are met; otherwise the stand-in for BUSY would reach the client.
 */

static ngx_uint_t
ngx_http_codeexec_try_next(ngx_http_request_t *r)
{
    ngx_msec_t            timeout;
    ngx_http_upstream_t  *u;

    u = r->upstream;
    timeout = u->conf->next_upstream_timeout;

    return (u->conf->next_upstream & NGX_HTTP_CODEEXEC_FT_BUSY)
           && u->peer.tries > 1
           && !r->request_body_no_buffering
           && !(timeout && ngx_current_msec - u->peer.start_time >= timeout);
}


static ngx_int_t
ngx_http_codeexec_filter_init(void *data)
{
    /* u->length is set here, core has reset it after process_header() */

    ngx_http_request_t *r = data;

    r->upstream->length = 1;

    return NGX_OK;
}


/*
 * The whole answer is output at once, so that core has nothing to wait for
 * and lets the connection go before a slow client has read it.
 */

static ngx_int_t
ngx_http_codeexec_filter(void *data, ssize_t bytes)
{
    ngx_http_request_t *r = data;

    ngx_buf_t                *b;
    ngx_chain_t               out;
    ngx_http_upstream_t      *u;
    ngx_http_codeexec_ctx_t  *ctx;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http codeexec filter: %z", bytes);

    u = r->upstream;
    ctx = ngx_http_get_module_ctx(r, ngx_http_codeexec_module);

    if (ctx == NULL || u->length == 0) {
        return NGX_ERROR;
    }

    u->state->response_length = u->state->bytes_received;

    if (ctx->holding) {
        return ngx_http_codeexec_hold(r);
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = ctx->body.data;
    b->last = ctx->body.data + ctx->body.len;
    b->memory = 1;

    out.buf = b;
    out.next = NULL;

    u->length = 0;

    return ngx_http_output_filter(r, &out) == NGX_ERROR ? NGX_ERROR : NGX_OK;
}


static void
ngx_http_codeexec_abort_request(ngx_http_request_t *r)
{
    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http codeexec abort request");
}


static void
ngx_http_codeexec_finalize_request(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_http_codeexec_ctx_t  *ctx;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http codeexec finalize request: %i", rc);

    ctx = ngx_http_get_module_ctx(r, ngx_http_codeexec_module);

    if (ctx == NULL) {
        return;
    }

    ngx_http_codeexec_remove_run(ctx);
    ngx_http_codeexec_fix_busy_state(r, ctx);

    /* how a run ended is not known from half an answer */

    if (!ctx->answered) {
        ctx->outcome = NGX_HTTP_CODEEXEC_NO_STATUS;
        ctx->result.known = 0;
    }

    /* what follows is a page of core, not the answer */

    if (!r->upstream->header_sent) {
        ctx->answered = 0;
        ctx->holding = 0;
    }
}


/* The stand-in for BUSY must not be logged as $upstream_status either. */

static void
ngx_http_codeexec_fix_busy_state(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_http_upstream_state_t  *state;

    if (r->upstream_states == NULL
        || ctx->busy_state >= r->upstream_states->nelts)
    {
        return;
    }

    state = r->upstream_states->elts;
    state += ctx->busy_state;

    if (ctx->busy && state->status == NGX_HTTP_NOT_FOUND) {
        state->status = NGX_HTTP_SERVICE_UNAVAILABLE;
    }
}
