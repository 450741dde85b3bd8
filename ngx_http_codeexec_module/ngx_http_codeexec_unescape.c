
/*
 * Copyright (C) The codeexec authors.
 */


#include "ngx_http_codeexec_module.h"


static u_char *ngx_http_codeexec_unescape_one(u_char **dst, u_char *p,
    u_char *last);
static u_char *ngx_http_codeexec_unescape_octal(u_char **dst, u_char *p,
    u_char *last);
static u_char *ngx_http_codeexec_unescape_hex(u_char **dst, u_char *p,
    u_char *last);
static ngx_int_t ngx_http_codeexec_hex(u_char *p, u_char *last, size_t n);
static u_char *ngx_http_codeexec_put_char(u_char *dst, ngx_int_t c);


/* In place, and as forms do it: "+" is a space; a stray "%" stays. */

void
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


/*
 * Backslash escapes as Python's unicode_escape knows them, in place: none is
 * shorter than what it stands for.  What is no escape stays as it is.
 */

void
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
