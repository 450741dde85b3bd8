
/*
 * Copyright (C) The codeexec authors.
 */


#include "ngx_http_codeexec_module.h"


static ngx_int_t ngx_http_codeexec_query_value(ngx_http_codeexec_ctx_t *ctx,
    const char *name, ngx_str_t *value);
static void ngx_http_codeexec_unquote(ngx_str_t *value);
static void ngx_http_codeexec_unescape_uri(ngx_str_t *value);
static ngx_int_t ngx_http_codeexec_query_code(ngx_http_codeexec_ctx_t *ctx,
    ngx_str_t *code);
static ngx_int_t ngx_http_codeexec_query_variables(
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *text);
static ngx_int_t ngx_http_codeexec_query_options(
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_query_timeout(
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *text);
static void ngx_http_codeexec_unescape(ngx_str_t *code);
static u_char *ngx_http_codeexec_unescape_one(u_char **dst, u_char *p,
    u_char *last);
static u_char *ngx_http_codeexec_unescape_octal(u_char **dst, u_char *p,
    u_char *last);
static u_char *ngx_http_codeexec_unescape_hex(u_char **dst, u_char *p,
    u_char *last);
static ngx_int_t ngx_http_codeexec_hex(u_char *p, u_char *last, size_t n);
static u_char *ngx_http_codeexec_put_char(u_char *dst, ngx_int_t c);


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


/* In place, and as forms do it: "+" is a space; a stray "%" stays. */

static void
ngx_http_codeexec_unescape_uri(ngx_str_t *value)
{
    u_char     *p, *dst, *last;
    ngx_int_t   c;

    dst = value->data;
    last = value->data + value->len;

    for (p = value->data; p < last; p++) {

        c = (*p == '+') ? ' ' : *p;

        if (*p == '%' && ngx_http_codeexec_hex(p + 1, last, 2) != NGX_ERROR) {
            c = ngx_http_codeexec_hex(p + 1, last, 2);
            p += 2;
        }

        *dst++ = (u_char) c;
    }

    value->len = dst - value->data;
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
    ngx_int_t  rc;
    ngx_str_t  value;

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

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_query_value(ctx, "args", &value);
    }

    if (rc == NGX_OK && value.data) {
        json_decref(ctx->json);
        ctx->json = ngx_http_codeexec_json_parse(&value, JSON_ALLOW_NUL);

        rc = ngx_http_codeexec_set_args(ctx, ctx->json);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_query_value(ctx, "detail", &value);
    }

    if (rc == NGX_OK && value.data) {
        ctx->job.detail = (value.len == 1 && value.data[0] == '1')
                          || (value.len == 4
                              && ngx_strncmp(value.data, "true", 4) == 0);
    }

    return rc;
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


/*
 * Backslash escapes as Python's unicode_escape knows them, in place: none is
 * shorter than what it stands for.  What is no escape stays as it is.
 */

static void
ngx_http_codeexec_unescape(ngx_str_t *code)
{
    u_char  *p, *dst, *last;

    p = code->data;
    dst = code->data;
    last = code->data + code->len;

    while (p < last) {

        if (*p == '\\' && p + 1 < last) {
            p = ngx_http_codeexec_unescape_one(&dst, p, last);
            continue;
        }

        *dst++ = *p++;
    }

    code->len = dst - code->data;
}


static u_char *
ngx_http_codeexec_unescape_one(u_char **dst, u_char *p, u_char *last)
{
    u_char  *d;

    d = *dst;

    switch (p[1]) {

    case LF:
        return p + 2;

    case '\\':
    case '\'':
    case '"':
        *d = p[1];
        break;

    case 'a':
        *d = '\a';
        break;

    case 'b':
        *d = '\b';
        break;

    case 'f':
        *d = '\f';
        break;

    case 'n':
        *d = LF;
        break;

    case 'r':
        *d = CR;
        break;

    case 't':
        *d = '\t';
        break;

    case 'v':
        *d = '\v';
        break;

    case 'x':
    case 'u':
    case 'U':
        return ngx_http_codeexec_unescape_hex(dst, p, last);

    default:
        return ngx_http_codeexec_unescape_octal(dst, p, last);
    }

    *dst = d + 1;

    return p + 2;
}


static u_char *
ngx_http_codeexec_unescape_octal(u_char **dst, u_char *p, u_char *last)
{
    u_char     *digit;
    ngx_int_t   c;

    c = 0;

    for (digit = p + 1; digit < last && digit < p + 4; digit++) {

        if (*digit < '0' || *digit > '7') {
            break;
        }

        c = c * 8 + (*digit - '0');
    }

    if (digit == p + 1) {
        *(*dst)++ = '\\';
        return digit;
    }

    *dst = ngx_http_codeexec_put_char(*dst, c);

    return digit;
}


static u_char *
ngx_http_codeexec_unescape_hex(u_char **dst, u_char *p, u_char *last)
{
    size_t     n;
    ngx_int_t  c, low;

    n = (p[1] == 'x') ? 2 : (p[1] == 'u') ? 4 : 8;
    c = ngx_http_codeexec_hex(p + 2, last, n);

    if (c == NGX_ERROR || c > 0x10ffff) {
        *(*dst)++ = '\\';
        return p + 1;
    }

    p += 2 + n;

    /* a pair of surrogates, as JSON would write it, is one character */

    if (c >= 0xd800 && c <= 0xdbff
        && last - p >= 6 && p[0] == '\\' && p[1] == 'u')
    {
        low = ngx_http_codeexec_hex(p + 2, last, 4);

        if (low >= 0xdc00 && low <= 0xdfff) {
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            p += 6;
        }
    }

    *dst = ngx_http_codeexec_put_char(*dst, c);

    return p;
}


static ngx_int_t
ngx_http_codeexec_hex(u_char *p, u_char *last, size_t n)
{
    u_char     c;
    ngx_int_t  value;

    if ((size_t) (last - p) < n) {
        return NGX_ERROR;
    }

    for (value = 0; n; n--) {
        c = *p++;

        if (c >= '0' && c <= '9') {
            value = value * 16 + (c - '0');
            continue;
        }

        c |= 0x20;

        if (c < 'a' || c > 'f') {
            return NGX_ERROR;
        }

        value = value * 16 + (c - 'a' + 10);
    }

    return value;
}


/* Lone surrogates come out as three bytes that are not UTF-8. */

static u_char *
ngx_http_codeexec_put_char(u_char *dst, ngx_int_t c)
{
    if (c < 0x80) {
        *dst++ = (u_char) c;
        return dst;
    }

    if (c < 0x800) {
        *dst++ = (u_char) (0xc0 | (c >> 6));

    } else {

        if (c < 0x10000) {
            *dst++ = (u_char) (0xe0 | (c >> 12));

        } else {
            *dst++ = (u_char) (0xf0 | (c >> 18));
            *dst++ = (u_char) (0x80 | ((c >> 12) & 0x3f));
        }

        *dst++ = (u_char) (0x80 | ((c >> 6) & 0x3f));
    }

    *dst++ = (u_char) (0x80 | (c & 0x3f));

    return dst;
}
