
/*
 * Copyright (C) The codeexec authors.
 *
 * Which API a location speaks, and which of its paths a request is for.  The
 * path of an API begins where that of the location ends: with
 *
 *     location /py/ { codeexec_api executor; codeexec_pass codeexecd; }
 *
 * a request for /py/validate is one for "validate" of that API.
 */


#include "ngx_http_codeexec_module.h"


static const ngx_http_codeexec_endpoint_t *ngx_http_codeexec_match_path(
    const ngx_http_codeexec_dialect_t *dialect, ngx_str_t *path,
    ngx_str_t *name);
static void ngx_http_codeexec_get_path(ngx_http_request_t *r,
    ngx_str_t *path);


static const ngx_http_codeexec_dialect_t  *ngx_http_codeexec_dialects[] = {
    &ngx_http_codeexec_native,
    &ngx_http_codeexec_engine,
    &ngx_http_codeexec_executor,
    &ngx_http_codeexec_render,
    &ngx_http_codeexec_ragflow,
    &ngx_http_codeexec_ragflow_a,
    &ngx_http_codeexec_ragflow_d,
    NULL
};


char *
ngx_http_codeexec_api(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_codeexec_loc_conf_t *lcf = conf;

    ngx_str_t                            *value, name;
    ngx_uint_t                            i;
    const ngx_http_codeexec_dialect_t    *dialect;
    const ngx_http_codeexec_endpoint_t   *endpoint;

    if (lcf->dialect) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 0; ngx_http_codeexec_dialects[i]; i++) {
        dialect = ngx_http_codeexec_dialects[i];

        if (value[1].len == dialect->name.len
            && ngx_strcmp(value[1].data, dialect->name.data) == 0)
        {
            lcf->dialect = dialect;
            break;
        }
    }

    if (lcf->dialect == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown API \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_codeexec_ragflow_configure(cf, lcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    endpoint = ngx_http_codeexec_match_path(lcf->dialect, &value[2], &name);

    if (endpoint == NULL || name.len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "API \"%V\" has no path \"%V\"",
                           &value[1], &value[2]);
        return NGX_CONF_ERROR;
    }

    lcf->endpoint = endpoint;

    return NGX_CONF_OK;
}


const ngx_http_codeexec_dialect_t *
ngx_http_codeexec_dialect(ngx_http_codeexec_loc_conf_t *lcf)
{
    return lcf->dialect ? lcf->dialect : &ngx_http_codeexec_native;
}


ngx_int_t
ngx_http_codeexec_find_endpoint(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_str_t                            path;
    ngx_uint_t                           methods;
    ngx_http_core_loc_conf_t            *clcf;
    ngx_http_codeexec_loc_conf_t        *lcf;
    const ngx_http_codeexec_dialect_t   *dialect;
    const ngx_http_codeexec_endpoint_t  *endpoint;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    dialect = ngx_http_codeexec_dialect(lcf);
    endpoint = lcf->endpoint;

    if (endpoint == NULL && (lcf->dialect == NULL || clcf->exact_match)) {
        endpoint = dialect->endpoints;
    }

    ngx_http_codeexec_get_path(r, &path);

    if (endpoint == NULL) {
        endpoint = ngx_http_codeexec_match_path(dialect, &path, &ctx->name);

        if (endpoint == NULL) {
            return NGX_HTTP_NOT_FOUND;
        }

    } else if (endpoint->path.len
               && endpoint->path.data[endpoint->path.len - 1] == '/')
    {
        ctx->name = path;
    }

    methods = endpoint->methods;

    if (methods & NGX_HTTP_GET) {
        methods |= (endpoint == dialect->endpoints) ? 0 : NGX_HTTP_HEAD;
    }

    if (!(r->method & methods)) {
        ctx->allowed = methods;
        return NGX_HTTP_NOT_ALLOWED;
    }

    ctx->endpoint = endpoint;

    return NGX_OK;
}


/* What of the URI is not the location's name, without a "/" before it. */

static void
ngx_http_codeexec_get_path(ngx_http_request_t *r, ngx_str_t *path)
{
    size_t                     len;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    len = clcf->name.len;

#if (NGX_PCRE)
    if (clcf->regex) {
        len = 0;
    }
#endif

    if (clcf->named || len > r->uri.len) {
        len = 0;
    }

    path->data = r->uri.data + len;
    path->len = r->uri.len - len;

    if (path->len && path->data[0] == '/') {
        path->data++;
        path->len--;
    }
}


static const ngx_http_codeexec_endpoint_t *
ngx_http_codeexec_match_path(const ngx_http_codeexec_dialect_t *dialect,
    ngx_str_t *path, ngx_str_t *name)
{
    size_t                               len;
    const ngx_http_codeexec_endpoint_t  *endpoint;

    ngx_str_null(name);

    for (endpoint = dialect->endpoints; endpoint->decode; endpoint++) {

        len = endpoint->path.len;

        if (path->len == len
            && ngx_strncmp(path->data, endpoint->path.data, len) == 0)
        {
            return endpoint;
        }

        if (len && endpoint->path.data[len - 1] == '/' && path->len > len
            && ngx_strncmp(path->data, endpoint->path.data, len) == 0)
        {
            name->data = path->data + len;
            name->len = path->len - len;

            return endpoint;
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_codeexec_send_local(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (ngx_http_discard_request_body(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->answered = 1;

    r->headers_out.status = ctx->status ? ctx->status : NGX_HTTP_OK;
    r->headers_out.content_length_n = ctx->body.len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_codeexec_send_body(r, ctx);
}


ngx_int_t
ngx_http_codeexec_send_body(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_buf_t    *b;
    ngx_chain_t   out;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->pos = ctx->body.data;
    b->last = ctx->body.data + ctx->body.len;
    b->memory = ctx->body.len ? 1 : 0;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


/* It ends in a newline, as text does. */

ngx_int_t
ngx_http_codeexec_answer_json(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, json_t *json, size_t flags)
{
    char  *dump;

    dump = json_dumps(json, JSON_COMPACT|flags);
    json_decref(json);

    if (dump == NULL) {
        return NGX_ERROR;
    }

    ctx->body.len = ngx_strlen(dump) + 1;
    ctx->body.data = ngx_pnalloc(r->pool, ctx->body.len);

    if (ctx->body.data) {
        ngx_memcpy(ctx->body.data, dump, ctx->body.len - 1);
        ctx->body.data[ctx->body.len - 1] = LF;
    }

    free(dump);

    return ctx->body.data ? NGX_OK : NGX_ERROR;
}
