
/*
 * Copyright (C) The codeexec authors.
 *
 * JSON that is ASCII only, as Flask makes it: what is not ASCII can only be
 * in strings, which have an escape for it.
 */


#include "ngx_http_codeexec_module.h"


static void ngx_http_codeexec_put_ascii(ngx_http_codeexec_writer_t *w,
    ngx_str_t *json);
static size_t ngx_http_codeexec_put_character(ngx_http_codeexec_writer_t *w,
    u_char *p);
static void ngx_http_codeexec_put_unit(ngx_http_codeexec_writer_t *w,
    uint32_t unit);


ngx_int_t
ngx_http_codeexec_to_ascii(ngx_pool_t *pool, ngx_str_t *json)
{
    u_char                      *p;
    ngx_http_codeexec_writer_t   w;

    ngx_memzero(&w, sizeof(ngx_http_codeexec_writer_t));

    ngx_http_codeexec_put_ascii(&w, json);

    if (w.len == json->len) {
        return NGX_OK;
    }

    p = ngx_pnalloc(pool, w.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    w.pos = p;
    w.len = 0;

    ngx_http_codeexec_put_ascii(&w, json);

    json->data = p;
    json->len = w.len;

    return NGX_OK;
}


static void
ngx_http_codeexec_put_ascii(ngx_http_codeexec_writer_t *w, ngx_str_t *json)
{
    u_char  *p, *last, *plain;

    last = json->data + json->len;

    for (p = json->data; p < last; /* void */ ) {

        plain = p;

        while (p < last && *p < 0x80) {
            p++;
        }

        ngx_http_codeexec_put(w, plain, p - plain);

        if (p < last) {
            p += ngx_http_codeexec_put_character(w, p);
        }
    }
}


/* Of text that is UTF-8, as all JSON of ours is. */

static size_t
ngx_http_codeexec_put_character(ngx_http_codeexec_writer_t *w, u_char *p)
{
    uint32_t  c;

    if (*p < 0xe0) {
        ngx_http_codeexec_put_unit(w, (*p & 0x1f) << 6 | (p[1] & 0x3f));
        return 2;
    }

    if (*p < 0xf0) {
        ngx_http_codeexec_put_unit(w, (*p & 0x0f) << 12
                                      | (p[1] & 0x3f) << 6 | (p[2] & 0x3f));
        return 3;
    }

    c = (*p & 0x07) << 18 | (p[1] & 0x3f) << 12 | (p[2] & 0x3f) << 6
        | (p[3] & 0x3f);

    c -= 0x10000;

    ngx_http_codeexec_put_unit(w, 0xd800 | c >> 10);
    ngx_http_codeexec_put_unit(w, 0xdc00 | (c & 0x3ff));

    return 4;
}


static void
ngx_http_codeexec_put_unit(ngx_http_codeexec_writer_t *w, uint32_t unit)
{
    u_char  text[sizeof("\\uffff")];

    ngx_sprintf(text, "\\u%04xD", unit);

    ngx_http_codeexec_put(w, text, sizeof(text) - 1);
}
