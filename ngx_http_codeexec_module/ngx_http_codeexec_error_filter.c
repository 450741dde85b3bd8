
/*
 * Copyright (C) The codeexec authors.
 *
 * Adds the headers every answer of a location with codeexec_pass has, and
 * puts JSON in place of the pages core sends for errors, its own and those of
 * other modules, unless an error_page was found for them.  The latter is done
 * for codeexec_image, too, and where codeexec_api is set.
 */


#include "ngx_http_codeexec_module.h"


typedef struct {
    ngx_int_t  status;
    ngx_str_t  reason;
} ngx_http_codeexec_reason_t;


static ngx_int_t ngx_http_codeexec_header_filter(ngx_http_request_t *r);
static ngx_uint_t ngx_http_codeexec_is_page(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_set_error(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_str_t *ngx_http_codeexec_error_message(
    ngx_http_codeexec_ctx_t *ctx, ngx_int_t status);
static ngx_int_t ngx_http_codeexec_send_header(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_add_headers(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static const char *ngx_http_codeexec_allow(ngx_http_codeexec_ctx_t *ctx,
    ngx_http_codeexec_loc_conf_t *lcf);
static ngx_int_t ngx_http_codeexec_add_cache_control(ngx_http_request_t *r,
    ngx_http_codeexec_loc_conf_t *lcf);
static ngx_int_t ngx_http_codeexec_add_retry_after(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


static ngx_http_codeexec_reason_t  ngx_http_codeexec_reasons[] = {
    { 400, ngx_string("Bad Request") },
    { 401, ngx_string("Unauthorized") },
    { 402, ngx_string("Payment Required") },
    { 403, ngx_string("Forbidden") },
    { 404, ngx_string("Not Found") },
    { 405, ngx_string("Method Not Allowed") },
    { 406, ngx_string("Not Acceptable") },
    { 408, ngx_string("Request Timeout") },
    { 409, ngx_string("Conflict") },
    { 410, ngx_string("Gone") },
    { 411, ngx_string("Length Required") },
    { 412, ngx_string("Precondition Failed") },
    { 413, ngx_string("Request Entity Too Large") },
    { 414, ngx_string("Request-URI Too Long") },
    { 415, ngx_string("Unsupported Media Type") },
    { 416, ngx_string("Requested Range Not Satisfiable") },
    { 421, ngx_string("Misdirected Request") },
    { 422, ngx_string("Unprocessable Entity") },
    { 429, ngx_string("Too Many Requests") },
    { 431, ngx_string("Request Header Fields Too Large") },
    { 500, ngx_string("Internal Server Error") },
    { 501, ngx_string("Not Implemented") },
    { 502, ngx_string("Bad Gateway") },
    { 503, ngx_string("Service Unavailable") },
    { 504, ngx_string("Gateway Timeout") },
    { 505, ngx_string("HTTP Version Not Supported") },
    { 507, ngx_string("Insufficient Storage") },
    { 0, ngx_string("Error") }
};


void
ngx_http_codeexec_error_filter_init(void)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_codeexec_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_codeexec_body_filter;
}


static ngx_int_t
ngx_http_codeexec_header_filter(ngx_http_request_t *r)
{
    ngx_http_codeexec_ctx_t       *ctx;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    if (ngx_http_codeexec_cors_headers_out(r) != NGX_OK) {
        return NGX_ERROR;
    }

    if (lcf->upstream.upstream == NULL && lcf->pass_lengths == NULL
        && lcf->image.pool == NULL && lcf->dialect == NULL)
    {
        return ngx_http_next_header_filter(r);
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_codeexec_module);

    if (ctx && ctx->holding) {
        ctx->header_held = 1;
        return NGX_OK;
    }

    if (ngx_http_codeexec_is_page(r, ctx)) {

        ctx = ngx_http_codeexec_get_ctx(r);
        if (ctx == NULL) {
            return NGX_ERROR;
        }

        if (ngx_http_codeexec_set_error(r, ctx) != NGX_OK) {
            return NGX_ERROR;
        }

    } else if (ctx == NULL || !ctx->answered) {
        return ngx_http_next_header_filter(r);
    }

    return ngx_http_codeexec_send_header(r, ctx);
}


/*
 * The filters before this one have seen the header when it was held, and need
 * not see it again.
 */

ngx_int_t
ngx_http_codeexec_send_held_header(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ctx->header_held = 0;

    return ngx_http_codeexec_send_header(r, ctx);
}


static ngx_int_t
ngx_http_codeexec_send_header(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http codeexec header filter: %ui, error: %ui",
                   r->headers_out.status, ctx->error);

    if (ngx_http_codeexec_add_headers(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    r->headers_out.content_length_n = ctx->body.len;

    if (ctx->type.len) {
        r->headers_out.content_type = ctx->type;

    } else {
        ngx_str_set(&r->headers_out.content_type, "application/json");
    }

    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    return ngx_http_next_header_filter(r);
}


/*
 * Core marks its pages with err_status, which stays set in the location an
 * error_page led to.  If that is one of ours, its answer is no page, and
 * neither is what other handlers send there.
 */

static ngx_uint_t
ngx_http_codeexec_is_page(ngx_http_request_t *r, ngx_http_codeexec_ctx_t *ctx)
{
    ngx_str_t  *type;

    if (r->err_status < NGX_HTTP_BAD_REQUEST || (ctx && ctx->answered)) {
        return 0;
    }

    type = &r->headers_out.content_type;

    return type->len == 0
           || (type->len == sizeof("text/html") - 1
               && ngx_strncmp(type->data, "text/html", type->len) == 0);
}


static ngx_int_t
ngx_http_codeexec_set_error(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    /*
     * One peer was busy and the others are down.  As long as nothing was
     * started, trying again later is right.
     */

    if (ctx->busy
        && r->err_status == NGX_HTTP_BAD_GATEWAY
        && r->upstream && r->upstream->conf == &lcf->upstream)
    {
        r->err_status = NGX_HTTP_SERVICE_UNAVAILABLE;
        r->headers_out.status = NGX_HTTP_SERVICE_UNAVAILABLE;

        ctx->outcome = NGX_HTTP_CODEEXEC_BUSY;
        ctx->message = ngx_http_codeexec_busy;
        ctx->refused_with = NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    ctx->error = 1;

    ngx_str_null(&ctx->type);

    if (ctx->refusal.len
        && ctx->refused_with == (ngx_int_t) r->err_status)
    {
        ctx->body = ctx->refusal;
        return NGX_OK;
    }

    return ngx_http_codeexec_dialect(lcf)->error(r, ctx,
                    ngx_http_codeexec_error_message(ctx, r->err_status));
}


static ngx_str_t *
ngx_http_codeexec_error_message(ngx_http_codeexec_ctx_t *ctx,
    ngx_int_t status)
{
    ngx_http_codeexec_reason_t  *reason;

    if (ctx->message.len && ctx->refused_with == status) {
        return &ctx->message;
    }

    for (reason = ngx_http_codeexec_reasons; reason->status; reason++) {

        if (reason->status == status) {
            break;
        }
    }

    return &reason->reason;
}


static ngx_int_t
ngx_http_codeexec_add_headers(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_table_elt_t               *h;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    if (ngx_http_codeexec_add_cache_control(r, lcf) != NGX_OK) {
        return NGX_ERROR;
    }

    switch (r->headers_out.status) {

    case NGX_HTTP_NOT_ALLOWED:
        h = ngx_http_codeexec_add_header(r, "Allow",
                                         ngx_http_codeexec_allow(ctx, lcf));
        return h ? NGX_OK : NGX_ERROR;

    case NGX_HTTP_TOO_MANY_REQUESTS:
    case NGX_HTTP_SERVICE_UNAVAILABLE:
        return ngx_http_codeexec_add_retry_after(r, ctx);
    }

    return NGX_OK;
}


static const char *
ngx_http_codeexec_allow(ngx_http_codeexec_ctx_t *ctx,
    ngx_http_codeexec_loc_conf_t *lcf)
{
    if (lcf->image.pool) {
        return "GET, HEAD";
    }

    switch (ctx->allowed & ~NGX_HTTP_CODEEXEC_OPEN) {

    case NGX_HTTP_GET:
        return "GET";

    case NGX_HTTP_GET|NGX_HTTP_HEAD:
        return "GET, HEAD";

    case NGX_HTTP_POST:
        return "POST";

    default:
        return "GET, POST";
    }
}


/*
 * A page may come after the headers of an image, which it must not be cached
 * with.  On the other hand, a run is not to be cached even with "expires".
 */

static ngx_int_t
ngx_http_codeexec_add_cache_control(ngx_http_request_t *r,
    ngx_http_codeexec_loc_conf_t *lcf)
{
    ngx_table_elt_t  *h;

    if (lcf->image.pool == NULL) {
        h = ngx_http_codeexec_add_header(r, "Cache-Control", "no-store");
        return h ? NGX_OK : NGX_ERROR;
    }

    if (r->headers_out.status == NGX_HTTP_NOT_FOUND) {
        return ngx_http_codeexec_set_cache_control(r, "max-age=5");
    }

    return ngx_http_codeexec_set_cache_control(r, "no-store");
}


static ngx_int_t
ngx_http_codeexec_add_retry_after(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    u_char  *p;

    if (ngx_http_codeexec_find_header_in(&r->headers_out.headers,
                                         "Retry-After"))
    {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_INT_T_LEN + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(p, "%i%Z", ctx->retry_after ? ctx->retry_after : 1);

    return ngx_http_codeexec_add_header(r, "Retry-After", (char *) p)
           ? NGX_OK : NGX_ERROR;
}


/* Core sends a page in one piece, which is dropped. */

static ngx_int_t
ngx_http_codeexec_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t                *b;
    ngx_chain_t              *cl, out;
    ngx_http_codeexec_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_codeexec_module);

    if (ctx == NULL || !ctx->error || in == NULL) {
        return ngx_http_next_body_filter(r, in);
    }

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http codeexec body filter, sent: %ui", ctx->error_sent);

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    for (cl = in; cl; cl = cl->next) {
        b->last_buf |= cl->buf->last_buf;
        b->last_in_chain |= cl->buf->last_in_chain;
        b->flush |= cl->buf->flush;

        cl->buf->pos = cl->buf->last;
    }

    if (!ctx->error_sent) {
        ctx->error_sent = 1;

        b->pos = ctx->body.data;
        b->last = ctx->body.data + ctx->body.len;
        b->memory = 1;

    } else {
        b->sync = 1;
    }

    out.buf = b;
    out.next = NULL;

    return ngx_http_next_body_filter(r, &out);
}
