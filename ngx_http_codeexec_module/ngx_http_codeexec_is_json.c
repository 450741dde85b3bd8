
/*
 * Copyright (C) The codeexec authors.
 */


#include "ngx_http_codeexec_record.h"

#include <string.h>


#define ngx_http_codeexec_is_digit(c)  ((c) >= '0' && (c) <= '9')


static const unsigned char *ngx_http_codeexec_json_space(
    const unsigned char *p, const unsigned char *last);
static const unsigned char *ngx_http_codeexec_json_string(
    const unsigned char *p, const unsigned char *last);
static const unsigned char *ngx_http_codeexec_json_escape(
    const unsigned char *p, const unsigned char *last);
static int ngx_http_codeexec_json_unit(const unsigned char *p,
    const unsigned char *last);
static const unsigned char *ngx_http_codeexec_json_utf8(
    const unsigned char *p, const unsigned char *last);
static const unsigned char *ngx_http_codeexec_json_number(
    const unsigned char *p, const unsigned char *last);
static const unsigned char *ngx_http_codeexec_json_digits(
    const unsigned char *p, const unsigned char *last);
static const unsigned char *ngx_http_codeexec_json_scalar(
    const unsigned char *p, const unsigned char *last);
static const unsigned char *ngx_http_codeexec_json_word(
    const unsigned char *p, const unsigned char *last, const char *word);


/*
 *               value                          , }
 *   { "key" : --------> an object's value ends -----> "key" : or the end
 *   [         --------> an array's value ends  -----> value   or the end
 */

int
ngx_http_codeexec_is_json(const unsigned char *p, size_t len)
{
    char                  open[NGX_HTTP_CODEEXEC_RECORD_DEPTH];
    size_t                depth;
    const unsigned char  *last;

    last = p + len;
    depth = 0;

    for ( ;; ) {

        /* a value, with its key if it has one */

        p = ngx_http_codeexec_json_space(p, last);

        if (depth && open[depth - 1] == '}') {
            p = ngx_http_codeexec_json_string(p, last);
            p = ngx_http_codeexec_json_space(p, last);

            if (p == NULL || p == last || *p++ != ':') {
                return 0;
            }

            p = ngx_http_codeexec_json_space(p, last);
        }

        if (p == NULL || p == last) {
            return 0;
        }

        if (*p == '{' || *p == '[') {

            if (depth == NGX_HTTP_CODEEXEC_RECORD_DEPTH) {
                return 0;
            }

            open[depth++] = (*p == '{') ? '}' : ']';
            p = ngx_http_codeexec_json_space(p + 1, last);

            if (p == last || *p != open[depth - 1]) {
                continue;
            }

        } else {
            p = ngx_http_codeexec_json_scalar(p, last);
        }

        /* the ends of all that it closes */

        for ( ;; ) {
            p = ngx_http_codeexec_json_space(p, last);

            if (p == NULL) {
                return 0;
            }

            if (depth == 0) {
                return p == last;
            }

            if (p == last) {
                return 0;
            }

            if (*p == ',') {
                p++;
                break;
            }

            if (*p++ != open[--depth]) {
                return 0;
            }
        }
    }
}


/* These return NULL if there is no such thing, and pass it on. */

static const unsigned char *
ngx_http_codeexec_json_space(const unsigned char *p, const unsigned char *last)
{
    if (p == NULL) {
        return NULL;
    }

    while (p < last && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')) {
        p++;
    }

    return p;
}


static const unsigned char *
ngx_http_codeexec_json_scalar(const unsigned char *p,
    const unsigned char *last)
{
    switch (*p) {

    case '"':
        return ngx_http_codeexec_json_string(p, last);

    case 't':
        return ngx_http_codeexec_json_word(p, last, "true");

    case 'f':
        return ngx_http_codeexec_json_word(p, last, "false");

    case 'n':
        return ngx_http_codeexec_json_word(p, last, "null");

    default:
        return ngx_http_codeexec_json_number(p, last);
    }
}


static const unsigned char *
ngx_http_codeexec_json_word(const unsigned char *p, const unsigned char *last,
    const char *word)
{
    size_t  len;

    len = strlen(word);

    if ((size_t) (last - p) < len || memcmp(p, word, len) != 0) {
        return NULL;
    }

    return p + len;
}


static const unsigned char *
ngx_http_codeexec_json_number(const unsigned char *p,
    const unsigned char *last)
{
    if (*p == '-') {
        p++;
    }

    if (p < last && *p == '0') {
        p++;

    } else {
        p = ngx_http_codeexec_json_digits(p, last);
    }

    if (p && p < last && *p == '.') {
        p = ngx_http_codeexec_json_digits(p + 1, last);
    }

    if (p && p < last && (*p == 'e' || *p == 'E')) {
        p++;

        if (p < last && (*p == '+' || *p == '-')) {
            p++;
        }

        p = ngx_http_codeexec_json_digits(p, last);
    }

    return p;
}


static const unsigned char *
ngx_http_codeexec_json_digits(const unsigned char *p,
    const unsigned char *last)
{
    if (p == last || !ngx_http_codeexec_is_digit(*p)) {
        return NULL;
    }

    while (p < last && ngx_http_codeexec_is_digit(*p)) {
        p++;
    }

    return p;
}


static const unsigned char *
ngx_http_codeexec_json_string(const unsigned char *p,
    const unsigned char *last)
{
    if (p == NULL || p == last || *p++ != '"') {
        return NULL;
    }

    while (p && p < last) {

        if (*p == '"') {
            return p + 1;
        }

        if (*p < 0x20) {
            return NULL;
        }

        if (*p == '\\') {
            p = ngx_http_codeexec_json_escape(p + 1, last);

        } else if (*p < 0x80) {
            p++;

        } else {
            p = ngx_http_codeexec_json_utf8(p, last);
        }
    }

    return NULL;
}


/* Surrogates come in pairs only, so that every parser takes them. */

static const unsigned char *
ngx_http_codeexec_json_escape(const unsigned char *p,
    const unsigned char *last)
{
    int  unit;

    if (p == last) {
        return NULL;
    }

    if (*p != 'u') {
        return (*p && strchr("\"\\/bfnrt", *p)) ? p + 1 : NULL;
    }

    unit = ngx_http_codeexec_json_unit(p + 1, last);

    if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff)) {
        return NULL;
    }

    p += 5;

    if (unit < 0xd800 || unit > 0xdbff) {
        return p;
    }

    if (last - p < 6 || p[0] != '\\' || p[1] != 'u') {
        return NULL;
    }

    unit = ngx_http_codeexec_json_unit(p + 2, last);

    return (unit >= 0xdc00 && unit <= 0xdfff) ? p + 6 : NULL;
}


static int
ngx_http_codeexec_json_unit(const unsigned char *p, const unsigned char *last)
{
    int            i, unit;
    unsigned char  c;

    if (last - p < 4) {
        return -1;
    }

    unit = 0;

    for (i = 0; i < 4; i++) {
        c = p[i];

        if (ngx_http_codeexec_is_digit(c)) {
            unit = unit * 16 + (c - '0');
            continue;
        }

        c |= 0x20;

        if (c < 'a' || c > 'f') {
            return -1;
        }

        unit = unit * 16 + (c - 'a' + 10);
    }

    return unit;
}


static const unsigned char *
ngx_http_codeexec_json_utf8(const unsigned char *p, const unsigned char *last)
{
    size_t         i, len;
    unsigned char  low, high;

    low = 0x80;
    high = 0xbf;

    if (*p >= 0xc2 && *p <= 0xdf) {
        len = 2;

    } else if (*p >= 0xe0 && *p <= 0xef) {
        len = 3;
        low = (*p == 0xe0) ? 0xa0 : 0x80;
        high = (*p == 0xed) ? 0x9f : 0xbf;

    } else if (*p >= 0xf0 && *p <= 0xf4) {
        len = 4;
        low = (*p == 0xf0) ? 0x90 : 0x80;
        high = (*p == 0xf4) ? 0x8f : 0xbf;

    } else {
        return NULL;
    }

    if ((size_t) (last - p) < len || p[1] < low || p[1] > high) {
        return NULL;
    }

    for (i = 2; i < len; i++) {

        if (p[i] < 0x80 || p[i] > 0xbf) {
            return NULL;
        }
    }

    return p + len;
}
