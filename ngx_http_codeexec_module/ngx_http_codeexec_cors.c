
/*
 * Copyright (C) The codeexec authors.
 *
 * Which pages of other origins may use a location: codeexec_cors.  Browsers
 * ask before they send a request with JSON, and are answered before any key
 * or limit is looked at: there is none in such a question.
 */


#include "ngx_http_codeexec_module.h"


static ngx_uint_t ngx_http_codeexec_is_origin(ngx_str_t *text);
static ngx_uint_t ngx_http_codeexec_is_host(u_char *p, u_char *last);
static ngx_int_t ngx_http_codeexec_cors_handler(ngx_http_request_t *r);
static ngx_str_t *ngx_http_codeexec_cors_allowed(ngx_http_request_t *r);
static ngx_str_t *ngx_http_codeexec_cors_origin(ngx_http_request_t *r,
    ngx_array_t *origins);
static ngx_int_t ngx_http_codeexec_add_once(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);
static ngx_int_t ngx_http_codeexec_add_vary(ngx_http_request_t *r);


static ngx_str_t  ngx_http_codeexec_any_origin = ngx_string("*");

static ngx_str_t  ngx_http_codeexec_cors_expose =
    ngx_string("Retry-After, WWW-Authenticate");
static ngx_str_t  ngx_http_codeexec_cors_methods =
    ngx_string("GET, HEAD, POST, OPTIONS");
static ngx_str_t  ngx_http_codeexec_cors_headers =
    ngx_string("Authorization, Content-Type, X-API-Key, X-Auth-Token, "
               "X-Sandbox-Token");
static ngx_str_t  ngx_http_codeexec_cors_age = ngx_string("600");


char *
ngx_http_codeexec_cors(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_codeexec_loc_conf_t *lcf = conf;

    ngx_str_t   *value, *origin;
    ngx_uint_t   i;

    if (lcf->cors != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        lcf->cors = NULL;
        return NGX_CONF_OK;
    }

    lcf->cors = ngx_array_create(cf->pool, cf->args->nelts - 1,
                                 sizeof(ngx_str_t));
    if (lcf->cors == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        if (!(cf->args->nelts == 2 && ngx_strcmp(value[1].data, "*") == 0)
            && !ngx_http_codeexec_is_origin(&value[i]))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid origin \"%V\"", &value[i]);
            return NGX_CONF_ERROR;
        }

        origin = ngx_array_push(lcf->cors);
        if (origin == NULL) {
            return NGX_CONF_ERROR;
        }

        *origin = value[i];
    }

    return NGX_CONF_OK;
}


/* As a browser writes it: a scheme, a host, and a port if it is not usual. */

static ngx_uint_t
ngx_http_codeexec_is_origin(ngx_str_t *text)
{
    u_char  *p, *last;

    p = text->data;
    last = p + text->len;

    if (*p < 'a' || *p > 'z') {
        return 0;
    }

    while ((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9')
           || *p == '+' || *p == '-' || *p == '.')
    {
        p++;
    }

    if (last - p < 4 || ngx_strncmp(p, "://", 3) != 0) {
        return 0;
    }

    return ngx_http_codeexec_is_host(p + 3, last);
}


static ngx_uint_t
ngx_http_codeexec_is_host(u_char *p, u_char *last)
{
    u_char  *end;

    end = p;

    if (*p == '[') {
        for (end++; end < last && *end != ']'; end++) { /* void */ }

        if (end++ == last) {
            return 0;
        }

    } else {
        while ((*end >= 'a' && *end <= 'z') || (*end >= '0' && *end <= '9')
               || *end == '-' || *end == '.' || *end == '_')
        {
            end++;
        }
    }

    if (end == p) {
        return 0;
    }

    return end == last
           || (*end == ':' && ngx_atoi(end + 1, last - end - 1) > 0
               && ngx_atoi(end + 1, last - end - 1) < 65536);
}


/* Before all phases that may refuse a request. */

ngx_int_t
ngx_http_codeexec_cors_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_REWRITE_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_codeexec_cors_handler;

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_cors_handler(ngx_http_request_t *r)
{
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    if (lcf->cors == NULL || r->method != NGX_HTTP_OPTIONS || r != r->main
        || ngx_http_codeexec_find_header(r, "Origin") == NULL
        || ngx_http_codeexec_find_header(r, "Access-Control-Request-Method")
           == NULL)
    {
        return NGX_DECLINED;
    }

    if (ngx_http_codeexec_cors_origin(r, lcf->cors)
        && (ngx_http_codeexec_add_once(r, "Access-Control-Allow-Methods",
                                       &ngx_http_codeexec_cors_methods)
            != NGX_OK
            || ngx_http_codeexec_add_once(r, "Access-Control-Allow-Headers",
                                       ngx_http_codeexec_cors_allowed(r))
               != NGX_OK
            || ngx_http_codeexec_add_once(r, "Access-Control-Max-Age",
                                          &ngx_http_codeexec_cors_age)
               != NGX_OK))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_HTTP_NO_CONTENT;
}


/* All that are asked for. */

static ngx_str_t *
ngx_http_codeexec_cors_allowed(ngx_http_request_t *r)
{
    u_char            c;
    size_t            i;
    ngx_table_elt_t  *h;

    h = ngx_http_codeexec_find_header(r, "Access-Control-Request-Headers");

    if (h == NULL || h->value.len == 0) {
        return &ngx_http_codeexec_cors_headers;
    }

    for (i = 0; i < h->value.len; i++) {
        c = ngx_tolower(h->value.data[i]);

        if ((c < 'a' || c > 'z') && (c < '0' || c > '9')
            && (c == '\0' || ngx_strchr("-_, !#$%&'*+.^`|~", c) == NULL))
        {
            return &ngx_http_codeexec_cors_headers;
        }
    }

    return &h->value;
}


/* Whoever answers it, and however often a header is made for it. */

ngx_int_t
ngx_http_codeexec_cors_headers_out(ngx_http_request_t *r)
{
    ngx_str_t                     *origin;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    if (lcf->cors == NULL || r != r->main) {
        return NGX_OK;
    }

    origin = ngx_http_codeexec_cors_origin(r, lcf->cors);

    /* the answer to one page must not be kept for another */

    if (origin != &ngx_http_codeexec_any_origin
        && ngx_http_codeexec_add_vary(r) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (origin == NULL) {
        return NGX_OK;
    }

    if (ngx_http_codeexec_add_once(r, "Access-Control-Allow-Origin", origin)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_codeexec_add_once(r, "Access-Control-Expose-Headers",
                                      &ngx_http_codeexec_cors_expose);
}


/* What is to be told, or NULL. */

static ngx_str_t *
ngx_http_codeexec_cors_origin(ngx_http_request_t *r, ngx_array_t *origins)
{
    ngx_str_t        *origin;
    ngx_uint_t        i;
    ngx_table_elt_t  *h;

    origin = origins->elts;

    if (origin[0].data[0] == '*') {
        return &ngx_http_codeexec_any_origin;
    }

    h = ngx_http_codeexec_find_header(r, "Origin");

    for (i = 0; h && i < origins->nelts; i++) {

        if (h->value.len == origin[i].len
            && ngx_memcmp(h->value.data, origin[i].data, origin[i].len) == 0)
        {
            return &origin[i];
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_codeexec_add_once(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    if (ngx_http_codeexec_find_header_in(&r->headers_out.headers, name)) {
        return NGX_OK;
    }

    h = ngx_http_codeexec_add_header(r, name, "");
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->value = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_add_vary(ngx_http_request_t *r)
{
    ngx_table_elt_t  *h;

    h = ngx_http_codeexec_find_header_in(&r->headers_out.headers, "Vary");

    if (h && h->value.len == sizeof("Origin") - 1
        && ngx_strncmp(h->value.data, "Origin", h->value.len) == 0)
    {
        return NGX_OK;
    }

    return ngx_http_codeexec_add_header(r, "Vary", "Origin") ? NGX_OK
                                                              : NGX_ERROR;
}
