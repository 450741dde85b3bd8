
/*
 * Copyright (C) The codeexec authors.
 */


#include "ngx_http_codeexec_module.h"


static ngx_int_t ngx_http_codeexec_query_value(ngx_http_codeexec_ctx_t *ctx,
    const char *name, ngx_str_t *value);
static void ngx_http_codeexec_unquote(ngx_str_t *value);
static ngx_int_t ngx_http_codeexec_query_code(ngx_http_codeexec_ctx_t *ctx,
    ngx_str_t *code);
static ngx_int_t ngx_http_codeexec_query_variables(
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *text);
static ngx_int_t ngx_http_codeexec_query_options(
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_query_flags(ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_query_json(ngx_http_codeexec_ctx_t *ctx,
    ngx_uint_t i);
static ngx_int_t ngx_http_codeexec_query_main(ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_set_wanted(ngx_http_codeexec_ctx_t *ctx,
    json_t *wanted);
static ngx_int_t ngx_http_codeexec_query_timeout(
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *text);


/* Arguments that are JSON; what becomes of them is for those to say. */

static struct {
    const char   *name;
    ngx_int_t   (*set)(ngx_http_codeexec_ctx_t *ctx, json_t *value);
} ngx_http_codeexec_query_jsons[] = {
    { "args", ngx_http_codeexec_set_args },
    { "env", ngx_http_codeexec_set_env },
    { "return_files", ngx_http_codeexec_set_wanted }
};


ngx_int_t
ngx_http_codeexec_decode_query(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_int_t  rc;
    ngx_str_t  id, name, variables, code;

    rc = ngx_http_codeexec_query_value(ctx, "execution_id", &id);

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_set_id(ctx, &id);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_query_value(ctx, "languageType", &name);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_query_value(ctx, "variables", &variables);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_query_value(ctx, "code", &code);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    if (name.data == NULL || variables.data == NULL || code.data == NULL) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                        "Invalid parameters");
    }

    rc = ngx_http_codeexec_set_language(ctx, &name);

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_query_code(ctx, &code);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_query_variables(ctx, &variables);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_query_options(ctx);
    }

    return rc;
}


/* An argument without a value counts as absent. */

static ngx_int_t
ngx_http_codeexec_query_value(ngx_http_codeexec_ctx_t *ctx, const char *name,
    ngx_str_t *value)
{
    ngx_str_t            arg;
    ngx_http_request_t  *r;

    r = ctx->request;

    ngx_str_null(value);

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &arg) != NGX_OK
        || arg.len == 0)
    {
        return NGX_OK;
    }

    value->len = arg.len;
    value->data = ngx_pstrdup(r->pool, &arg);
    if (value->data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_codeexec_unescape_uri(value);
    ngx_http_codeexec_unquote(value);

    if (ngx_http_codeexec_utf8_check(value) != NGX_OK) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                        "\"%s\" must be UTF-8", name);
    }

    return NGX_OK;
}


/* Some clients quote the values. */

static void
ngx_http_codeexec_unquote(ngx_str_t *value)
{
    u_char  *p, *last;

    p = value->data;
    last = value->data + value->len - 1;

    if (value->len < 2 || *p != '"' || *last != '"'
        || ngx_strlchr(p + 1, last, '"') != NULL)
    {
        return;
    }

    value->data++;
    value->len -= 2;
}


static ngx_int_t
ngx_http_codeexec_query_code(ngx_http_codeexec_ctx_t *ctx, ngx_str_t *code)
{
    ngx_http_codeexec_unescape(code);

    if (ngx_http_codeexec_utf8_check(code) != NGX_OK) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                        "\"code\" must be UTF-8");
    }

    return ngx_http_codeexec_set_code(ctx, code);
}


static ngx_int_t
ngx_http_codeexec_query_variables(ngx_http_codeexec_ctx_t *ctx,
    ngx_str_t *text)
{
    u_char  *p;

    p = text->data;

    /* a quoted object, which has quotes of its own */

    if (text->len >= 4
        && ngx_memcmp(p, "\"{", 2) == 0
        && ngx_memcmp(p + text->len - 2, "}\"", 2) == 0)
    {
        text->data++;
        text->len -= 2;
    }

    ctx->json = ngx_http_codeexec_json_parse(text, JSON_ALLOW_NUL
                                                   |JSON_DECODE_INT_AS_REAL);

    if (!json_is_object(ctx->json)) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                        "Invalid variables format");
    }

    if (json_object_size(ctx->json) == 0) {
        return NGX_OK;
    }

    return ngx_http_codeexec_set_variables(ctx, text);
}


static ngx_int_t
ngx_http_codeexec_query_options(ngx_http_codeexec_ctx_t *ctx)
{
    ngx_int_t   rc;
    ngx_str_t   value;
    ngx_uint_t  i;

    rc = ngx_http_codeexec_query_value(ctx, "stdin", &value);

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_set_input(ctx, &value);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_query_value(ctx, "timeout", &value);
    }

    if (rc == NGX_OK && value.data) {
        rc = ngx_http_codeexec_query_timeout(ctx, &value);
    }

    for (i = 0; rc == NGX_OK && i < 3; i++) {
        rc = ngx_http_codeexec_query_json(ctx, i);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_query_main(ctx);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_query_flags(ctx);
    }

    return rc;
}


static ngx_int_t
ngx_http_codeexec_query_flags(ngx_http_codeexec_ctx_t *ctx)
{
    ngx_int_t     rc;
    ngx_str_t     value;
    ngx_uint_t    i;
    ngx_flag_t   *flags[4];
    const char   *names[] = {
        "detail", "results", "last_value", "return_variables"
    };

    flags[0] = &ctx->job.detail;
    flags[1] = &ctx->job.results;
    flags[2] = &ctx->job.last_value;
    flags[3] = &ctx->job.return_variables;

    for (i = 0; i < 4; i++) {
        rc = ngx_http_codeexec_query_value(ctx, names[i], &value);

        if (rc != NGX_OK) {
            return rc;
        }

        if (value.data) {
            *flags[i] = (value.len == 1 && value.data[0] == '1')
                        || (value.len == 4
                            && ngx_strncmp(value.data, "true", 4) == 0);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_query_json(ngx_http_codeexec_ctx_t *ctx, ngx_uint_t i)
{
    ngx_int_t  rc;
    ngx_str_t  value;

    rc = ngx_http_codeexec_query_value(ctx,
                                ngx_http_codeexec_query_jsons[i].name, &value);

    if (rc != NGX_OK || value.data == NULL) {
        return rc;
    }

    json_decref(ctx->json);
    ctx->json = ngx_http_codeexec_json_parse(&value, JSON_ALLOW_NUL
                                                     |JSON_DECODE_ANY);

    return ngx_http_codeexec_query_jsons[i].set(ctx, ctx->json);
}


static ngx_int_t
ngx_http_codeexec_set_wanted(ngx_http_codeexec_ctx_t *ctx, json_t *wanted)
{
    return ngx_http_codeexec_set_return(ctx, "return_files", wanted);
}


static ngx_int_t
ngx_http_codeexec_query_main(ngx_http_codeexec_ctx_t *ctx)
{
    ngx_int_t  rc;
    ngx_str_t  value;

    rc = ngx_http_codeexec_query_value(ctx, "main", &value);

    if (rc != NGX_OK || value.data == NULL) {
        return rc;
    }

    json_decref(ctx->json);
    ctx->json = ngx_http_codeexec_json_parse(&value, JSON_ALLOW_NUL
                                                     |JSON_DECODE_INT_AS_REAL);

    if (!json_is_object(ctx->json)) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                        "\"main\" must be an object");
    }

    return ngx_http_codeexec_set_main(ctx, &value);
}


/* Digits with at most one point; strtod() would also take "inf" and "0x1". */

static ngx_int_t
ngx_http_codeexec_query_timeout(ngx_http_codeexec_ctx_t *ctx, ngx_str_t *text)
{
    u_char      *p, *last;
    double       seconds, unit;
    ngx_uint_t   digits;

    unit = 0;
    digits = 0;
    seconds = 0;
    last = text->data + text->len;

    for (p = text->data; p < last; p++) {

        if (*p == '.' && unit == 0) {
            unit = 1;
            continue;
        }

        if (*p < '0' || *p > '9') {
            return ngx_http_codeexec_bad_timeout(ctx);
        }

        digits++;

        if (unit == 0) {
            seconds = seconds * 10 + (*p - '0');

        } else {
            unit /= 10;
            seconds += (*p - '0') * unit;
        }
    }

    if (digits == 0) {
        return ngx_http_codeexec_bad_timeout(ctx);
    }

    return ngx_http_codeexec_set_timeout(ctx, seconds);
}
