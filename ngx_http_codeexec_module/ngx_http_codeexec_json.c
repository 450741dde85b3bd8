
/*
 * Copyright (C) The codeexec authors.
 */


#include "ngx_http_codeexec_module.h"


/* jansson recurses, and so does whatever reads the variables later. */
#define NGX_HTTP_CODEEXEC_JSON_DEPTH  32

#define NGX_HTTP_CODEEXEC_REPLACEMENT  "\xef\xbf\xbd"


static size_t ngx_http_codeexec_utf8(u_char *p, u_char *last,
    ngx_uint_t *valid);
static u_char *ngx_http_codeexec_skip_space(u_char *p, u_char *last);
static u_char *ngx_http_codeexec_skip_string(u_char *p, u_char *last);
static u_char *ngx_http_codeexec_skip_value(u_char *p, u_char *last);
static ngx_uint_t ngx_http_codeexec_is_key(u_char *p, u_char *last,
    ngx_str_t *name);
static size_t ngx_http_codeexec_escape(u_char *escaped, u_char c);


/*
 * Returns the length of the sequence at p: of a whole character, or of the
 * maximal part of one that Unicode wants to be replaced by one U+FFFD.
 */

static size_t
ngx_http_codeexec_utf8(u_char *p, u_char *last, ngx_uint_t *valid)
{
    u_char  low, high;
    size_t  len, i;

    *valid = 0;

    low = 0x80;
    high = 0xbf;

    if (*p >= 0xc2 && *p <= 0xdf) {
        len = 2;

    } else if (*p >= 0xe0 && *p <= 0xef) {
        len = 3;

        if (*p == 0xe0) {
            low = 0xa0;

        } else if (*p == 0xed) {
            high = 0x9f;
        }

    } else if (*p >= 0xf0 && *p <= 0xf4) {
        len = 4;

        if (*p == 0xf0) {
            low = 0x90;

        } else if (*p == 0xf4) {
            high = 0x8f;
        }

    } else {
        *valid = (*p < 0x80);
        return 1;
    }

    for (i = 1; i < len; i++) {

        if (p + i == last || p[i] < low || p[i] > high) {
            return i;
        }

        low = 0x80;
        high = 0xbf;
    }

    *valid = 1;

    return len;
}


ngx_int_t
ngx_http_codeexec_utf8_check(ngx_str_t *text)
{
    u_char      *p, *last;
    ngx_uint_t   valid;

    p = text->data;
    last = p + text->len;

    while (p < last) {

        if (*p < 0x80) {
            p++;
            continue;
        }

        p += ngx_http_codeexec_utf8(p, last, &valid);

        if (!valid) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_codeexec_json_check(ngx_str_t *text)
{
    u_char      *p, *last;
    ngx_uint_t   depth;

    depth = 0;
    last = text->data + text->len;

    for (p = text->data; p < last; p++) {

        switch (*p) {

        case '"':
            p = ngx_http_codeexec_skip_string(p, last) - 1;
            break;

        case '[':
        case '{':
            if (++depth > NGX_HTTP_CODEEXEC_JSON_DEPTH) {
                return NGX_ERROR;
            }

            break;

        case ']':
        case '}':
            if (depth-- == 0) {
                return NGX_ERROR;
            }

            break;

        case '\0':

            /* jansson overlooks it behind a number */

            return NGX_ERROR;
        }
    }

    return ngx_http_codeexec_utf8_check(text);
}


json_t *
ngx_http_codeexec_json_parse(ngx_str_t *text, size_t flags)
{
    json_error_t  error;

    if (ngx_http_codeexec_json_check(text) != NGX_OK) {
        return NULL;
    }

    return json_loadb((char *) text->data, text->len,
                      flags|JSON_REJECT_DUPLICATES, &error);
}


/* Of a quoted string; stops at last when it is not closed. */

static u_char *
ngx_http_codeexec_skip_string(u_char *p, u_char *last)
{
    for (p++; p < last; p++) {

        if (*p == '"') {
            return p + 1;
        }

        if (*p == '\\' && p + 1 < last) {
            p++;
        }
    }

    return last;
}


static u_char *
ngx_http_codeexec_skip_space(u_char *p, u_char *last)
{
    while (p < last && (*p == ' ' || *p == '\t' || *p == CR || *p == LF)) {
        p++;
    }

    return p;
}


/* Up to the comma or bracket that ends a value, or white space before it. */

static u_char *
ngx_http_codeexec_skip_value(u_char *p, u_char *last)
{
    ngx_uint_t  depth;

    depth = 0;

    while (p < last) {

        switch (*p) {

        case '"':
            p = ngx_http_codeexec_skip_string(p, last);
            continue;

        case '[':
        case '{':
            depth++;
            break;

        case ']':
        case '}':
            if (depth == 0) {
                return p;
            }

            depth--;
            break;

        case ',':
        case ' ':
        case '\t':
        case CR:
        case LF:
            if (depth == 0) {
                return p;
            }

            break;
        }

        p++;
    }

    return last;
}


static ngx_uint_t
ngx_http_codeexec_is_key(u_char *p, u_char *last, ngx_str_t *name)
{
    json_t      *key;
    ngx_uint_t   found;

    if (ngx_strlchr(p, last, '\\') == NULL) {
        return (size_t) (last - p) == name->len + 2
               && ngx_memcmp(p + 1, name->data, name->len) == 0;
    }

    key = json_loadb((char *) p, last - p, JSON_DECODE_ANY|JSON_ALLOW_NUL,
                     NULL);

    found = json_string_length(key) == name->len
            && ngx_memcmp(json_string_value(key), name->data, name->len) == 0;

    json_decref(key);

    return found;
}


ngx_int_t
ngx_http_codeexec_json_member(ngx_str_t *text, ngx_str_t *name,
    ngx_str_t *value)
{
    u_char      *p, *last, *key;
    ngx_uint_t   found;

    last = text->data + text->len;

    p = ngx_http_codeexec_skip_space(text->data, last);

    if (p == last || *p != '{') {
        return NGX_DECLINED;
    }

    for (p++; p < last; p++) {

        p = ngx_http_codeexec_skip_space(p, last);

        if (p == last || *p != '"') {
            return NGX_DECLINED;
        }

        key = p;
        p = ngx_http_codeexec_skip_string(p, last);
        found = ngx_http_codeexec_is_key(key, p, name);

        p = ngx_http_codeexec_skip_space(p, last);

        if (p == last) {
            return NGX_DECLINED;
        }

        p = ngx_http_codeexec_skip_space(p + 1, last);

        value->data = p;
        p = ngx_http_codeexec_skip_value(p, last);
        value->len = p - value->data;

        if (found) {
            return NGX_OK;
        }

        p = ngx_http_codeexec_skip_space(p, last);
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_http_codeexec_json_copy(ngx_pool_t *pool, json_t *value, ngx_str_t *text)
{
    char    *dump;
    u_char  *p;
    size_t   len;

    if (json_is_string(value)) {
        dump = NULL;
        p = (u_char *) json_string_value(value);
        len = json_string_length(value);

    } else {
        dump = json_dumps(value, JSON_COMPACT);
        if (dump == NULL) {
            return NGX_ERROR;
        }

        p = (u_char *) dump;
        len = ngx_strlen(dump);
    }

    text->data = ngx_pnalloc(pool, len ? len : 1);

    if (text->data) {
        text->len = len;
        ngx_memcpy(text->data, p, len);
    }

    free(dump);

    return text->data ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_codeexec_make_room(ngx_http_codeexec_ctx_t *ctx,
    ngx_http_codeexec_writer_t *w)
{
    ctx->body.len = w->len;
    ctx->body.data = ngx_pnalloc(ctx->request->pool, w->len);
    if (ctx->body.data == NULL) {
        return NGX_ERROR;
    }

    w->pos = ctx->body.data;
    w->len = 0;

    return NGX_OK;
}


void
ngx_http_codeexec_put(ngx_http_codeexec_writer_t *w, const void *data,
    size_t len)
{
    if (w->pos && len) {
        w->pos = ngx_cpymem(w->pos, data, len);
    }

    w->len += len;
}


static size_t
ngx_http_codeexec_escape(u_char *escaped, u_char c)
{
    escaped[0] = '\\';

    switch (c) {

    case '"':
    case '\\':
        escaped[1] = c;
        return 2;

    case LF:
        escaped[1] = 'n';
        return 2;

    case CR:
        escaped[1] = 'r';
        return 2;

    case '\t':
        escaped[1] = 't';
        return 2;

    case '\b':
        escaped[1] = 'b';
        return 2;

    case '\f':
        escaped[1] = 'f';
        return 2;

    default:
        return ngx_sprintf(escaped, "\\u%04xd", (ngx_int_t) c) - escaped;
    }
}


/* The content of a JSON string; what is not UTF-8 becomes U+FFFD. */

void
ngx_http_codeexec_put_escaped(ngx_http_codeexec_writer_t *w, u_char *data,
    size_t len)
{
    u_char      *p, *last, *plain, escaped[8];
    size_t       n;
    ngx_uint_t   valid;

    plain = data;
    last = data + len;

    for (p = data; p < last; p += n) {

        n = 1;

        if (*p < 0x80) {
            if (*p >= 0x20 && *p != '"' && *p != '\\') {
                continue;
            }

            ngx_http_codeexec_put(w, plain, p - plain);
            ngx_http_codeexec_put(w, escaped,
                                  ngx_http_codeexec_escape(escaped, *p));

        } else {
            n = ngx_http_codeexec_utf8(p, last, &valid);

            if (valid) {
                continue;
            }

            ngx_http_codeexec_put(w, plain, p - plain);
            ngx_http_codeexec_put_text(w, NGX_HTTP_CODEEXEC_REPLACEMENT);
        }

        plain = p + n;
    }

    ngx_http_codeexec_put(w, plain, p - plain);
}


void
ngx_http_codeexec_put_string(ngx_http_codeexec_writer_t *w, ngx_str_t *text)
{
    ngx_http_codeexec_put_text(w, "\"");
    ngx_http_codeexec_put_escaped(w, text->data, text->len);
    ngx_http_codeexec_put_text(w, "\"");
}


void
ngx_http_codeexec_put_comma(ngx_http_codeexec_writer_t *w, size_t begin)
{
    if (w->len != begin) {
        ngx_http_codeexec_put_text(w, ",");
    }
}


void
ngx_http_codeexec_put_base64(ngx_http_codeexec_writer_t *w, ngx_str_t *data)
{
    ngx_str_t  encoded;

    encoded.len = ngx_base64_encoded_length(data->len);

    if (w->pos) {
        encoded.data = w->pos;
        ngx_encode_base64(&encoded, data);
        w->pos += encoded.len;
    }

    w->len += encoded.len;
}


void
ngx_http_codeexec_put_uri(ngx_http_codeexec_writer_t *w, ngx_str_t *data)
{
    size_t  len;

    len = data->len + 2 * ngx_escape_uri(NULL, data->data, data->len,
                                         NGX_ESCAPE_URI_COMPONENT);

    if (w->pos) {
        w->pos = (u_char *) ngx_escape_uri(w->pos, data->data, data->len,
                                           NGX_ESCAPE_URI_COMPONENT);
    }

    w->len += len;
}


void
ngx_http_codeexec_put_number(ngx_http_codeexec_writer_t *w, int64_t number)
{
    u_char  text[NGX_INT64_LEN];

    ngx_http_codeexec_put(w, text, ngx_sprintf(text, "%L", number) - text);
}
