
/*
 * Copyright (C) The codeexec authors.
 *
 * What is wrong with a text that should be JSON, in the words of Python's
 * decoder, which clients of its services know.
 */


#include "ngx_http_codeexec_module.h"


#define NGX_HTTP_CODEEXEC_SCAN_DEPTH  64


typedef struct {
    u_char      *p;                                /* or where the error is */
    u_char      *last;
    ngx_uint_t   depth;
    u_char       stack[NGX_HTTP_CODEEXEC_SCAN_DEPTH];  /* '{' or '[' */
} ngx_http_codeexec_scan_t;


static void ngx_http_codeexec_scan_space(ngx_http_codeexec_scan_t *s);
static const char *ngx_http_codeexec_scan(ngx_http_codeexec_scan_t *s);
static const char *ngx_http_codeexec_scan_key(ngx_http_codeexec_scan_t *s);
static const char *ngx_http_codeexec_scan_value(ngx_http_codeexec_scan_t *s);
static const char *ngx_http_codeexec_scan_next(ngx_http_codeexec_scan_t *s);
static const char *ngx_http_codeexec_scan_string(ngx_http_codeexec_scan_t *s);
static const char *ngx_http_codeexec_scan_escape(ngx_http_codeexec_scan_t *s,
    u_char *begin);
static size_t ngx_http_codeexec_scan_word(ngx_http_codeexec_scan_t *s);
static size_t ngx_http_codeexec_scan_number(ngx_http_codeexec_scan_t *s);
static u_char *ngx_http_codeexec_scan_digits(u_char *p, u_char *last);
static ngx_uint_t ngx_http_codeexec_scan_is(ngx_http_codeexec_scan_t *s,
    u_char c);


static ngx_str_t  ngx_http_codeexec_words[] = {
    ngx_string("null"),
    ngx_string("true"),
    ngx_string("false"),
    ngx_string("NaN"),
    ngx_string("Infinity"),
    ngx_string("-Infinity"),
    ngx_null_string
};


const char *
ngx_http_codeexec_json_error(ngx_str_t *text, ngx_uint_t *pos)
{
    u_char                    *p;
    const char                *error;
    ngx_http_codeexec_scan_t   s;

    s.p = text->data;
    s.last = text->data + text->len;
    s.depth = 0;

    error = ngx_http_codeexec_scan(&s);

    /* in characters */

    *pos = 0;

    for (p = text->data; p < s.p; p++) {
        *pos += (*p & 0xc0) != 0x80;
    }

    return error;
}


static void
ngx_http_codeexec_scan_space(ngx_http_codeexec_scan_t *s)
{
    while (s->p < s->last
           && (*s->p == ' ' || *s->p == '\t' || *s->p == CR || *s->p == LF))
    {
        s->p++;
    }
}


/* One token, and what must be behind it, at a time. */

static const char *
ngx_http_codeexec_scan(ngx_http_codeexec_scan_t *s)
{
    ngx_uint_t   depth;
    const char  *error;

    ngx_http_codeexec_scan_space(s);

    for ( ;; ) {
        depth = s->depth;

        error = ngx_http_codeexec_scan_value(s);

        if (error || s->depth == NGX_HTTP_CODEEXEC_SCAN_DEPTH) {
            return error;
        }

        if (s->depth > depth) {
            ngx_http_codeexec_scan_space(s);

            if (!ngx_http_codeexec_scan_is(s, s->stack[depth] + 2)) {
                error = ngx_http_codeexec_scan_key(s);

                if (error) {
                    return error;
                }

                continue;
            }
        }

        error = ngx_http_codeexec_scan_next(s);

        if (error || s->depth == 0) {
            return error;
        }
    }
}


/* Of a member, if it is one of an object, up to its value. */

static const char *
ngx_http_codeexec_scan_key(ngx_http_codeexec_scan_t *s)
{
    const char  *error;

    if (s->stack[s->depth - 1] == '[') {
        return NULL;
    }

    if (!ngx_http_codeexec_scan_is(s, '"')) {
        return "Expecting property name enclosed in double quotes";
    }

    error = ngx_http_codeexec_scan_string(s);

    if (error) {
        return error;
    }

    ngx_http_codeexec_scan_space(s);

    if (!ngx_http_codeexec_scan_is(s, ':')) {
        return "Expecting ':' delimiter";
    }

    s->p++;
    ngx_http_codeexec_scan_space(s);

    return NULL;
}


static const char *
ngx_http_codeexec_scan_value(ngx_http_codeexec_scan_t *s)
{
    size_t  len;

    if (ngx_http_codeexec_scan_is(s, '"')) {
        return ngx_http_codeexec_scan_string(s);
    }

    if (ngx_http_codeexec_scan_is(s, '{')
        || ngx_http_codeexec_scan_is(s, '['))
    {
        s->stack[s->depth++] = *s->p++;
        return NULL;
    }

    len = ngx_http_codeexec_scan_word(s);

    if (len == 0) {
        len = ngx_http_codeexec_scan_number(s);
    }

    s->p += len;

    return len ? NULL : "Expecting value";
}


/* Behind a value; the ends of containers are behind one, too. */

static const char *
ngx_http_codeexec_scan_next(ngx_http_codeexec_scan_t *s)
{
    for ( ;; ) {
        ngx_http_codeexec_scan_space(s);

        if (s->depth == 0) {
            return s->p == s->last ? NULL : "Extra data";
        }

        if (!ngx_http_codeexec_scan_is(s, s->stack[s->depth - 1] + 2)) {
            break;
        }

        s->depth--;
        s->p++;
    }

    if (!ngx_http_codeexec_scan_is(s, ',')) {
        return "Expecting ',' delimiter";
    }

    s->p++;
    ngx_http_codeexec_scan_space(s);

    return ngx_http_codeexec_scan_key(s);
}


static const char *
ngx_http_codeexec_scan_string(ngx_http_codeexec_scan_t *s)
{
    u_char      *begin;
    const char  *error;

    begin = s->p;

    for (s->p++; s->p < s->last; s->p++) {

        if (*s->p == '"') {
            s->p++;
            return NULL;
        }

        if (*s->p < ' ') {
            return "Invalid control character at";
        }

        if (*s->p == '\\') {
            error = ngx_http_codeexec_scan_escape(s, begin);

            if (error) {
                return error;
            }
        }
    }

    s->p = begin;

    return "Unterminated string starting at";
}


static const char *
ngx_http_codeexec_scan_escape(ngx_http_codeexec_scan_t *s, u_char *begin)
{
    u_char      c, *p;
    ngx_uint_t  i;

    p = s->p + 1;

    if (p == s->last) {
        s->p = begin;
        return "Unterminated string starting at";
    }

    if (*p != 'u') {

        if (*p == '\0' || ngx_strchr("\"\\/bfnrt", *p) == NULL) {
            return "Invalid \\escape";
        }

        s->p = p;
        return NULL;
    }

    /* Python wants a character behind them */

    for (i = 1; i <= 4; i++) {
        c = (s->last - p > 5) ? ngx_tolower(p[i]) : '\0';

        if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) {
            s->p = p;
            return "Invalid \\uXXXX escape";
        }
    }

    s->p = p + 4;

    return NULL;
}


static size_t
ngx_http_codeexec_scan_word(ngx_http_codeexec_scan_t *s)
{
    ngx_str_t  *word;

    for (word = ngx_http_codeexec_words; word->len; word++) {

        if ((size_t) (s->last - s->p) >= word->len
            && ngx_memcmp(s->p, word->data, word->len) == 0)
        {
            return word->len;
        }
    }

    return 0;
}


/* As much of one as there is: "1.x" is 1. */

static size_t
ngx_http_codeexec_scan_number(ngx_http_codeexec_scan_t *s)
{
    u_char  *p, *last, *digits, *end;

    last = s->last;
    p = s->p + ngx_http_codeexec_scan_is(s, '-');

    digits = p;
    p = (p < last && *p == '0') ? p + 1
                                : ngx_http_codeexec_scan_digits(p, last);

    if (p == digits) {
        return 0;
    }

    if (p < last && *p == '.') {
        end = ngx_http_codeexec_scan_digits(p + 1, last);
        p = (end > p + 1) ? end : p;
    }

    if (p < last && (*p == 'e' || *p == 'E')) {
        digits = p + 1;

        if (digits < last && (*digits == '+' || *digits == '-')) {
            digits++;
        }

        end = ngx_http_codeexec_scan_digits(digits, last);
        p = (end > digits) ? end : p;
    }

    return p - s->p;
}


static u_char *
ngx_http_codeexec_scan_digits(u_char *p, u_char *last)
{
    while (p < last && *p >= '0' && *p <= '9') {
        p++;
    }

    return p;
}


static ngx_uint_t
ngx_http_codeexec_scan_is(ngx_http_codeexec_scan_t *s, u_char c)
{
    return s->p < s->last && *s->p == c;
}
