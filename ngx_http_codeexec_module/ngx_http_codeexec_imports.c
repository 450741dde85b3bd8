
/*
 * Copyright (C) The codeexec authors.
 *
 * Which modules a Python program names in its import statements.  This is for
 * telling its author: strings, comments and brackets are told apart, but it is
 * no parser, and a program can import without a statement.
 */


#include "ngx_http_codeexec_module.h"


#define NGX_HTTP_CODEEXEC_MAX_IMPORTS  256


typedef struct {
    u_char       *p;
    u_char       *last;
    ngx_uint_t    depth;                           /* of brackets */
    ngx_array_t  *names;
} ngx_http_codeexec_scan_t;


static ngx_int_t ngx_http_codeexec_scan_statement(
    ngx_http_codeexec_scan_t *s);
static ngx_int_t ngx_http_codeexec_scan_import(ngx_http_codeexec_scan_t *s);
static ngx_int_t ngx_http_codeexec_add_import(ngx_http_codeexec_scan_t *s);
static void ngx_http_codeexec_scan_end(ngx_http_codeexec_scan_t *s);
static void ngx_http_codeexec_scan_string(ngx_http_codeexec_scan_t *s);
static void ngx_http_codeexec_scan_blank(ngx_http_codeexec_scan_t *s);
static ngx_str_t ngx_http_codeexec_scan_word(ngx_http_codeexec_scan_t *s);
static ngx_uint_t ngx_http_codeexec_is_letter(u_char c);
static ngx_uint_t ngx_http_codeexec_is_word(ngx_str_t *word,
    const char *text);
static int ngx_libc_cdecl ngx_http_codeexec_cmp_imports(const void *one,
    const void *two);


ngx_int_t
ngx_http_codeexec_imports(ngx_str_t *code, ngx_array_t *names)
{
    ngx_http_codeexec_scan_t  s;

    s.p = code->data;
    s.last = code->data + code->len;
    s.depth = 0;
    s.names = names;

    if (code->len >= 3 && ngx_memcmp(s.p, "\xef\xbb\xbf", 3) == 0) {
        s.p += 3;
    }

    while (s.p < s.last && names->nelts < NGX_HTTP_CODEEXEC_MAX_IMPORTS) {

        if (ngx_http_codeexec_scan_statement(&s) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_http_codeexec_scan_end(&s);
    }

    ngx_qsort(names->elts, names->nelts, sizeof(ngx_str_t),
              ngx_http_codeexec_cmp_imports);

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_scan_statement(ngx_http_codeexec_scan_t *s)
{
    ngx_str_t  word;

    ngx_http_codeexec_scan_blank(s);

    word = ngx_http_codeexec_scan_word(s);

    if (ngx_http_codeexec_is_word(&word, "import")) {
        return ngx_http_codeexec_scan_import(s);
    }

    if (ngx_http_codeexec_is_word(&word, "from")) {
        ngx_http_codeexec_scan_blank(s);

        return ngx_http_codeexec_add_import(s);
    }

    return NGX_OK;
}


/* What follows "import": names, each maybe with another one after "as". */

static ngx_int_t
ngx_http_codeexec_scan_import(ngx_http_codeexec_scan_t *s)
{
    ngx_str_t  word;

    for ( ;; ) {
        ngx_http_codeexec_scan_blank(s);

        if (ngx_http_codeexec_add_import(s) != NGX_OK) {
            return NGX_ERROR;
        }

        do {
            ngx_http_codeexec_scan_blank(s);

            if (s->p < s->last && *s->p == '.') {
                s->p++;
                ngx_http_codeexec_scan_blank(s);
            }

            word = ngx_http_codeexec_scan_word(s);

        } while (word.len);

        if (s->p == s->last || *s->p != ',') {
            return NGX_OK;
        }

        s->p++;
    }
}


/* The first part of a name; a relative one has none. */

static ngx_int_t
ngx_http_codeexec_add_import(ngx_http_codeexec_scan_t *s)
{
    ngx_str_t   word, *name;
    ngx_uint_t  i;

    word = ngx_http_codeexec_scan_word(s);

    if (word.len == 0 || (word.data[0] >= '0' && word.data[0] <= '9')) {
        return NGX_OK;
    }

    name = s->names->elts;

    for (i = 0; i < s->names->nelts; i++) {
        if (name[i].len == word.len
            && ngx_memcmp(name[i].data, word.data, word.len) == 0)
        {
            return NGX_OK;
        }
    }

    if (i == NGX_HTTP_CODEEXEC_MAX_IMPORTS) {
        return NGX_OK;
    }

    name = ngx_array_push(s->names);
    if (name == NULL) {
        return NGX_ERROR;
    }

    *name = word;

    return NGX_OK;
}


/* To where another statement may begin. */

static void
ngx_http_codeexec_scan_end(ngx_http_codeexec_scan_t *s)
{
    while (s->p < s->last) {

        switch (*s->p) {

        case '"':
        case '\'':
            ngx_http_codeexec_scan_string(s);
            continue;

        case '#':
            while (s->p < s->last && *s->p != LF && *s->p != CR) {
                s->p++;
            }

            continue;

        case '\\':
            s->p++;
            s->p += (s->last - s->p > 1 && s->p[0] == CR && s->p[1] == LF);
            break;

        case '(':
        case '[':
        case '{':
            s->depth++;
            break;

        case ')':
        case ']':
        case '}':
            s->depth -= s->depth ? 1 : 0;
            break;

        case LF:
        case CR:
        case ';':
        case ':':
            if (s->depth == 0) {
                s->p++;
                return;
            }
        }

        s->p += (s->p < s->last);
    }
}


/* A backslash hides a quote in raw strings, too. */

static void
ngx_http_codeexec_scan_string(ngx_http_codeexec_scan_t *s)
{
    u_char      quote;
    ngx_uint_t  triple;

    quote = *s->p;

    triple = s->last - s->p > 2 && s->p[1] == quote && s->p[2] == quote;

    s->p += triple ? 3 : 1;

    while (s->p < s->last) {

        if (*s->p == '\\') {
            s->p += ngx_min(s->last - s->p, 2);
            continue;
        }

        if (!triple && (*s->p == LF || *s->p == CR)) {
            return;
        }

        if (*s->p == quote
            && (!triple || (s->last - s->p > 2 && s->p[1] == quote
                            && s->p[2] == quote)))
        {
            s->p += triple ? 3 : 1;
            return;
        }

        s->p++;
    }
}


/* A line that goes on counts as blank. */

static void
ngx_http_codeexec_scan_blank(ngx_http_codeexec_scan_t *s)
{
    while (s->p < s->last) {

        if (*s->p == '\\' && s->last - s->p > 1
            && (s->p[1] == LF || s->p[1] == CR))
        {
            s->p += (s->last - s->p > 2 && s->p[1] == CR && s->p[2] == LF)
                        ? 3 : 2;
            continue;
        }

        if (*s->p != ' ' && *s->p != '\t' && *s->p != '\f') {
            return;
        }

        s->p++;
    }
}


static ngx_str_t
ngx_http_codeexec_scan_word(ngx_http_codeexec_scan_t *s)
{
    ngx_str_t  word;

    word.data = s->p;

    while (s->p < s->last && ngx_http_codeexec_is_letter(*s->p)) {
        s->p++;
    }

    word.len = s->p - word.data;

    return word;
}


static ngx_uint_t
ngx_http_codeexec_is_letter(u_char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '0' && c <= '9') || c == '_' || c >= 0x80;
}


static ngx_uint_t
ngx_http_codeexec_is_word(ngx_str_t *word, const char *text)
{
    return word->len == ngx_strlen(text)
           && ngx_memcmp(word->data, text, word->len) == 0;
}


static int ngx_libc_cdecl
ngx_http_codeexec_cmp_imports(const void *one, const void *two)
{
    const ngx_str_t *first = one;
    const ngx_str_t *second = two;

    return (int) ngx_memn2cmp(first->data, second->data, first->len,
                              second->len);
}
