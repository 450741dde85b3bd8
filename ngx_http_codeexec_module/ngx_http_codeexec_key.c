
/*
 * Copyright (C) The codeexec authors.
 *
 * The key of a request: where it is, whether it is a good one, and what may
 * be run with it.
 */


#include "ngx_http_codeexec_module.h"


static ngx_int_t ngx_http_codeexec_access_handler(ngx_http_request_t *r);
static ngx_uint_t ngx_http_codeexec_is_open(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_unauthorized(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_uint_t unknown);
static ngx_int_t ngx_http_codeexec_get_secret(ngx_http_request_t *r,
    ngx_str_t *secret);
static ngx_uint_t ngx_http_codeexec_is_secret(ngx_table_elt_t *header,
    ngx_str_t *secret);
static void ngx_http_codeexec_strip_scheme(ngx_str_t *value);


/* The first one has a scheme before the key. */

static ngx_str_t  ngx_http_codeexec_key_headers[] = {
    ngx_string("Authorization"),
    ngx_string("X-API-Key"),
    ngx_string("X-Sandbox-Token"),
    ngx_string("X-Auth-Token"),
    ngx_null_string
};


ngx_int_t
ngx_http_codeexec_key_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_codeexec_access_handler;

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_access_handler(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_http_codeexec_ctx_t       *ctx;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    if (lcf->keys == NULL) {
        return NGX_DECLINED;
    }

    rc = ngx_http_codeexec_find_key(r);

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http codeexec access handler, key: %i", rc);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_codeexec_module);

    if (rc == NGX_OK || ngx_http_codeexec_is_open(r, ctx)) {
        return NGX_OK;
    }

    if (rc == NGX_HTTP_BAD_REQUEST) {
        return ngx_http_codeexec_refuse(ctx, rc, "More than one key");
    }

    return ngx_http_codeexec_unauthorized(r, ctx, rc == NGX_ABORT);
}


/* What tells whether the server is there is for everybody. */

static ngx_uint_t
ngx_http_codeexec_is_open(ngx_http_request_t *r, ngx_http_codeexec_ctx_t *ctx)
{
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    if (lcf->upstream.upstream == NULL && lcf->pass_lengths == NULL) {
        return 0;
    }

    return ngx_http_codeexec_find_endpoint(r, ctx) == NGX_OK
           && (ctx->endpoint->methods & NGX_HTTP_CODEEXEC_OPEN);
}


static ngx_int_t
ngx_http_codeexec_unauthorized(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_uint_t unknown)
{
    ngx_table_elt_t  *h;

    /* here core finds it, if another module lets the request pass */

    h = ngx_http_codeexec_add_header(r, "WWW-Authenticate",
                   unknown ? "Bearer realm=\"codeexec\", "
                             "error=\"invalid_token\""
                           : "Bearer realm=\"codeexec\"");
    if (h == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.www_authenticate = h;

    return ngx_http_codeexec_refuse(ctx, NGX_HTTP_UNAUTHORIZED,
                   unknown ? "Invalid token"
                           : "Authorization header is missing or invalid");
}


ngx_int_t
ngx_http_codeexec_find_key(ngx_http_request_t *r)
{
    ngx_str_t                      secret;
    ngx_http_codeexec_ctx_t       *ctx;
    ngx_http_codeexec_loc_conf_t  *lcf;

    ctx = ngx_http_codeexec_get_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    /* a rewrite may have led to another location since the last time */

    if (lcf->keys && ctx->keys == lcf->keys) {
        return ctx->key_state;
    }

    ctx->key = NULL;
    ctx->keys = lcf->keys;

    if (lcf->keys == NULL) {
        return NGX_DECLINED;
    }

    ctx->key_state = ngx_http_codeexec_get_secret(r, &secret);

    if (ctx->key_state == NGX_OK) {
        ctx->key_state = ngx_http_codeexec_search_key(lcf->keys, &secret,
                                                      &ctx->key);
    }

    return ctx->key_state;
}


/*
 * Two keys would be a question of which is looked at by whom, even if they
 * are the same.
 */

static ngx_int_t
ngx_http_codeexec_get_secret(ngx_http_request_t *r, ngx_str_t *secret)
{
    ngx_str_t         value;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    ngx_str_null(secret);

    part = &r->headers_in.headers.part;
    header = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {

            if (part->next == NULL) {
                break;
            }

            part = part->next;
            header = part->elts;
            i = 0;
        }

        if (!ngx_http_codeexec_is_secret(&header[i], &value)) {
            continue;
        }

        if (secret->len) {
            return NGX_HTTP_BAD_REQUEST;
        }

        *secret = value;
    }

    return secret->len ? NGX_OK : NGX_DECLINED;
}


/* An empty one is as good as none. */

static ngx_uint_t
ngx_http_codeexec_is_secret(ngx_table_elt_t *header, ngx_str_t *secret)
{
    ngx_str_t  *name;

    for (name = ngx_http_codeexec_key_headers; name->len; name++) {

        if (header->key.len == name->len
            && ngx_strncasecmp(header->key.data, name->data, name->len) == 0)
        {
            *secret = header->value;

            if (name == ngx_http_codeexec_key_headers) {
                ngx_http_codeexec_strip_scheme(secret);
            }

            return secret->len != 0;
        }
    }

    return 0;
}


/* Of another scheme nothing is left: that is for other modules. */

static void
ngx_http_codeexec_strip_scheme(ngx_str_t *value)
{
    u_char  *p, *last;

    p = value->data;
    last = p + value->len;

    if (value->len < sizeof("Bearer ") - 1
        || ngx_strncasecmp(p, (u_char *) "Bearer ", sizeof("Bearer ") - 1)
           != 0)
    {
        p = last;

    } else {
        p += sizeof("Bearer ") - 1;
    }

    while (p < last && *p == ' ') {
        p++;
    }

    value->data = p;
    value->len = last - p;
}


ngx_msec_t
ngx_http_codeexec_max_timeout(ngx_http_codeexec_ctx_t *ctx)
{
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_codeexec_module);

    if (ctx->key && ctx->key->max_timeout) {
        return ngx_min(ctx->key->max_timeout, lcf->max_timeout);
    }

    return lcf->max_timeout;
}


/* A time that the client has not asked for is shortened without a word. */

ngx_int_t
ngx_http_codeexec_check_key(ngx_http_codeexec_ctx_t *ctx)
{
    ngx_str_t   *language;
    ngx_uint_t   i;

    if (ctx->key == NULL || ctx->job.query || ctx->job.stop) {
        return NGX_OK;
    }

    ctx->job.timeout = ngx_min(ctx->job.timeout,
                               ngx_http_codeexec_max_timeout(ctx));

    if (ctx->key->languages == NULL) {
        return NGX_OK;
    }

    language = ctx->key->languages->elts;

    for (i = 0; i < ctx->key->languages->nelts; i++) {

        if (language[i].len == ctx->job.language.len
            && ngx_memcmp(language[i].data, ctx->job.language.data,
                          language[i].len)
               == 0)
        {
            return NGX_OK;
        }
    }

    return ngx_http_codeexec_refuse(ctx, NGX_HTTP_FORBIDDEN,
                                    "\"%V\" is not allowed for this key",
                                    &ctx->job.language);
}
