
/*
 * Copyright (C) The codeexec authors.
 */


#include "ngx_http_codeexec_image_types.h"

#include <string.h>


/* What has no <svg> so far is something else, whatever it says there. */
#define NGX_HTTP_CODEEXEC_MAX_PROLOG  4096

#define ngx_http_codeexec_type(bit, mime, ext)                                \
    { bit, sizeof(mime) - 1, mime, ext }

#define ngx_http_codeexec_begins(p, len, text)                                \
    ((len) >= sizeof(text) - 1 && memcmp(p, text, sizeof(text) - 1) == 0)


static int ngx_http_codeexec_is_svg(const unsigned char *p, size_t len);
static size_t ngx_http_codeexec_skip_markup(const unsigned char *p,
    size_t len);
static size_t ngx_http_codeexec_skip_doctype(const unsigned char *p,
    size_t len);
static size_t ngx_http_codeexec_skip_to(const unsigned char *p, size_t len,
    const char *end);
static int ngx_http_codeexec_is_xml_space(unsigned char c);


static const ngx_http_codeexec_image_type_t  ngx_http_codeexec_types[] = {
    ngx_http_codeexec_type(NGX_HTTP_CODEEXEC_PNG, "image/png", "png"),
    ngx_http_codeexec_type(NGX_HTTP_CODEEXEC_JPEG, "image/jpeg", "jpg"),
    ngx_http_codeexec_type(NGX_HTTP_CODEEXEC_GIF, "image/gif", "gif"),
    ngx_http_codeexec_type(NGX_HTTP_CODEEXEC_WEBP, "image/webp", "webp"),
    ngx_http_codeexec_type(NGX_HTTP_CODEEXEC_AVIF, "image/avif", "avif"),
    ngx_http_codeexec_type(NGX_HTTP_CODEEXEC_SVG, "image/svg+xml", "svg")
};

#define NGX_HTTP_CODEEXEC_NTYPES                                              \
    (sizeof(ngx_http_codeexec_types) / sizeof(ngx_http_codeexec_types[0]))


const ngx_http_codeexec_image_type_t *
ngx_http_codeexec_type_of_image(const unsigned char *p, size_t len)
{
    size_t    i;
    unsigned  bit;

    if (ngx_http_codeexec_begins(p, len, "\x89PNG\r\n\x1a\n")) {
        bit = NGX_HTTP_CODEEXEC_PNG;

    } else if (ngx_http_codeexec_begins(p, len, "\xff\xd8\xff")) {
        bit = NGX_HTTP_CODEEXEC_JPEG;

    } else if (ngx_http_codeexec_begins(p, len, "GIF87a")
               || ngx_http_codeexec_begins(p, len, "GIF89a"))
    {
        bit = NGX_HTTP_CODEEXEC_GIF;

    } else if (ngx_http_codeexec_begins(p, len, "RIFF")
               && len >= 12 && memcmp(p + 8, "WEBP", 4) == 0)
    {
        bit = NGX_HTTP_CODEEXEC_WEBP;

    } else if (len >= 12
               && (memcmp(p + 4, "ftypavif", 8) == 0
                   || memcmp(p + 4, "ftypavis", 8) == 0))
    {
        bit = NGX_HTTP_CODEEXEC_AVIF;

    } else if (ngx_http_codeexec_is_svg(p, len)) {
        bit = NGX_HTTP_CODEEXEC_SVG;

    } else {
        return NULL;
    }

    for (i = 0; ngx_http_codeexec_types[i].bit != bit; i++) { /* void */ }

    return &ngx_http_codeexec_types[i];
}


const ngx_http_codeexec_image_type_t *
ngx_http_codeexec_type_by_name(const unsigned char *name, size_t len)
{
    size_t                                 i;
    const ngx_http_codeexec_image_type_t  *type;

    for (i = 0; i < NGX_HTTP_CODEEXEC_NTYPES; i++) {
        type = &ngx_http_codeexec_types[i];

        if (len == type->len && memcmp(name, type->mime, len) == 0) {
            return type;
        }
    }

    return NULL;
}


/* An XML declaration, comments and a DOCTYPE may come before <svg>. */

static int
ngx_http_codeexec_is_svg(const unsigned char *p, size_t len)
{
    size_t  n;

    if (len > NGX_HTTP_CODEEXEC_MAX_PROLOG) {
        len = NGX_HTTP_CODEEXEC_MAX_PROLOG;
    }

    if (ngx_http_codeexec_begins(p, len, "\xef\xbb\xbf")) {
        p += 3;
        len -= 3;
    }

    for ( ;; ) {
        while (len && ngx_http_codeexec_is_xml_space(*p)) {
            p++;
            len--;
        }

        n = ngx_http_codeexec_skip_markup(p, len);

        if (n == 0) {
            break;
        }

        p += n;
        len -= n;
    }

    return ngx_http_codeexec_begins(p, len, "<svg")
           && len > 4
           && (p[4] == '>' || p[4] == '/'
               || ngx_http_codeexec_is_xml_space(p[4]));
}


/* Returns how many bytes to skip, 0 if there is no such thing. */

static size_t
ngx_http_codeexec_skip_markup(const unsigned char *p, size_t len)
{
    if (ngx_http_codeexec_begins(p, len, "<?")) {
        return ngx_http_codeexec_skip_to(p, len, "?>");
    }

    if (ngx_http_codeexec_begins(p, len, "<!--")) {
        return ngx_http_codeexec_skip_to(p, len, "-->");
    }

    if (ngx_http_codeexec_begins(p, len, "<!DOCTYPE")) {
        return ngx_http_codeexec_skip_doctype(p, len);
    }

    return 0;
}


/* Of a declaration in it no more is understood than its quotes. */

static size_t
ngx_http_codeexec_skip_doctype(const unsigned char *p, size_t len)
{
    size_t         i;
    unsigned       depth;
    unsigned char  quote;

    depth = 0;
    quote = '\0';

    for (i = 0; i < len; i++) {

        if (quote) {
            if (p[i] == quote) {
                quote = '\0';
            }

            continue;
        }

        switch (p[i]) {

        case '"':
        case '\'':
            quote = p[i];
            break;

        case '<':
            depth++;
            break;

        case '>':
            if (--depth == 0) {
                return i + 1;
            }

            break;
        }
    }

    return 0;
}


static size_t
ngx_http_codeexec_skip_to(const unsigned char *p, size_t len, const char *end)
{
    size_t  i, n;

    n = strlen(end);

    for (i = 0; i + n <= len; i++) {

        if (memcmp(p + i, end, n) == 0) {
            return i + n;
        }
    }

    return 0;
}


static int
ngx_http_codeexec_is_xml_space(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
