
/*
 * Copyright (C) The codeexec authors.
 */


#include "ngx_http_codeexec_record.h"

#include <string.h>


#define ngx_http_codeexec_is_digit(c)  ((c) >= '0' && (c) <= '9')

#define ngx_http_codeexec_form(name, mime, as)                                \
    { name, mime, ngx_http_codeexec_as_ ## as }


static int ngx_http_codeexec_part_char(unsigned char c);
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


static const ngx_http_codeexec_form_type_t  ngx_http_codeexec_forms[] = {
    ngx_http_codeexec_form("text", "text/plain", text),
    ngx_http_codeexec_form("html", "text/html", text),
    ngx_http_codeexec_form("markdown", "text/markdown", text),
    ngx_http_codeexec_form("svg", "image/svg+xml", text),
    ngx_http_codeexec_form("latex", "text/latex", text),
    ngx_http_codeexec_form("javascript", "application/javascript", text),
    ngx_http_codeexec_form("png", "image/png", image),
    ngx_http_codeexec_form("jpeg", "image/jpeg", image),
    ngx_http_codeexec_form("gif", "image/gif", image),
    ngx_http_codeexec_form("webp", "image/webp", image),
    ngx_http_codeexec_form("pdf", "application/pdf", bytes),
    ngx_http_codeexec_form("json", "application/json", json),
    ngx_http_codeexec_form("data", NULL, json),
    ngx_http_codeexec_form("chart", NULL, json)
};

#define NGX_HTTP_CODEEXEC_NFORMS                                              \
    (sizeof(ngx_http_codeexec_forms) / sizeof(ngx_http_codeexec_forms[0]))


/* In the order of ngx_http_codeexec_form_e. */

static const ngx_http_codeexec_form_type_t  ngx_http_codeexec_others[] = {
    ngx_http_codeexec_form(NULL, NULL, text),
    ngx_http_codeexec_form(NULL, NULL, json),
    ngx_http_codeexec_form(NULL, NULL, image),
    ngx_http_codeexec_form(NULL, NULL, bytes)
};


int
ngx_http_codeexec_next_part(const unsigned char **pos,
    const unsigned char *last, ngx_http_codeexec_part_t *part)
{
    size_t                i, len;
    const unsigned char  *p;

    p = *pos;

    if (p == last) {
        return 0;
    }

    if (last - p < 2) {
        return -1;
    }

    len = (size_t) p[0] << 8 | p[1];
    p += 2;

    if (len == 0 || len > NGX_HTTP_CODEEXEC_RECORD_NAME
        || (size_t) (last - p) < len + 4)
    {
        return -1;
    }

    for (i = 0; i < len; i++) {

        if (!ngx_http_codeexec_part_char(p[i])) {
            return -1;
        }
    }

    part->name = p;
    part->name_len = len;

    p += len;
    len = (size_t) p[0] << 24 | (size_t) p[1] << 16 | (size_t) p[2] << 8
          | p[3];
    p += 4;

    if ((size_t) (last - p) < len) {
        return -1;
    }

    part->data = p;
    part->len = len;

    *pos = p + len;

    return 1;
}


static int
ngx_http_codeexec_part_char(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || ngx_http_codeexec_is_digit(c)
           || (c && strchr(".+/_@-", c));
}


const ngx_http_codeexec_form_type_t *
ngx_http_codeexec_form_type(const unsigned char *name, size_t len)
{
    size_t                                i;
    const char                           *mime;
    ngx_http_codeexec_form_e              as;
    const ngx_http_codeexec_form_type_t  *type;

    for (i = 0; i < NGX_HTTP_CODEEXEC_NFORMS; i++) {
        type = &ngx_http_codeexec_forms[i];
        mime = type->mime;

        if ((len == strlen(type->name) && memcmp(name, type->name, len) == 0)
            || (mime && len == strlen(mime) && memcmp(name, mime, len) == 0))
        {
            return type;
        }
    }

    as = ngx_http_codeexec_as_bytes;

    if (len >= 5 && memcmp(name + len - 5, "+json", 5) == 0) {
        as = ngx_http_codeexec_as_json;

    } else if (len >= 5 && memcmp(name, "text/", 5) == 0) {
        as = ngx_http_codeexec_as_text;

    } else if (len >= 6 && memcmp(name, "image/", 6) == 0) {
        as = ngx_http_codeexec_as_image;
    }

    return &ngx_http_codeexec_others[as];
}


int
ngx_http_codeexec_record_size(const unsigned char *p, size_t len,
    unsigned *width, unsigned *height)
{
    size_t     i, n, digits;
    unsigned   value[2];

    value[0] = value[1] = 0;
    digits = n = 0;

    for (i = 0; i < len; i++) {

        if (p[i] == 'x' && n == 0 && digits) {
            n = 1;
            digits = 0;
            continue;
        }

        /* 999,999 pixels are enough for anybody */

        if (!ngx_http_codeexec_is_digit(p[i]) || ++digits > 6) {
            return 0;
        }

        value[n] = value[n] * 10 + (p[i] - '0');
    }

    if (n == 0 || digits == 0) {
        return 0;
    }

    *width = value[0];
    *height = value[1];

    return 1;
}


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
