
/*
 * Copyright (C) The codeexec authors.
 */


#include "ngx_http_codeexec_record.h"

#include <string.h>


#define ngx_http_codeexec_is_digit(c)  ((c) >= '0' && (c) <= '9')

#define ngx_http_codeexec_form(name, mime, as)                                \
    { name, mime, ngx_http_codeexec_as_ ## as }


static int ngx_http_codeexec_part_char(unsigned char c);


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
