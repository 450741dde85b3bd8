
/*
 * Copyright (C) The codeexec authors.
 *
 * The package that a program has failed for.  Its runtime tells its author on
 * stderr, and so it is the word of the program, which could write that line
 * itself.
 */


#include "ngx_http_codeexec_module.h"


/* The traceback of Node.js comes after that line, and so may other things. */
#define NGX_HTTP_CODEEXEC_MISSING_WITHIN  16384

/* Names of npm are not longer. */
#define NGX_HTTP_CODEEXEC_MAX_MISSING     214


static ngx_uint_t ngx_http_codeexec_is_missing(u_char *p, u_char *last,
    ngx_str_t *name);
static ngx_uint_t ngx_http_codeexec_is_of_name(u_char c);
static ngx_uint_t ngx_http_codeexec_skip(u_char **p, u_char *last,
    ngx_str_t *text);


/* As the runtimes have them: errors.py and runner.js. */

static ngx_str_t  ngx_http_codeexec_missing_heads[] = {
    ngx_string("No package with a module \""),
    ngx_string("No package \"")
};

static ngx_str_t  ngx_http_codeexec_missing_tail =
    ngx_string("\" is installed here. ");


ngx_int_t
ngx_http_codeexec_read_missing(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    u_char                      *p, *first, *last;
    ngx_str_t                    name;
    ngx_http_codeexec_result_t  *res;

    res = &ctx->result;

    if (ctx->outcome != NGX_HTTP_CODEEXEC_ERROR) {
        return NGX_OK;
    }

    first = res->errors.data;
    last = first + res->errors.len;

    if (res->errors.len > NGX_HTTP_CODEEXEC_MISSING_WITHIN) {
        first = last - NGX_HTTP_CODEEXEC_MISSING_WITHIN;
    }

    for (p = last; p > first; /* void */ ) {
        p--;

        if ((p == first || p[-1] == LF)
            && ngx_http_codeexec_is_missing(p, last, &name))
        {
            res->missing.len = name.len;
            res->missing.data = ngx_pstrdup(r->pool, &name);

            return res->missing.data ? NGX_OK : NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_codeexec_is_missing(u_char *p, u_char *last, ngx_str_t *name)
{
    if (!ngx_http_codeexec_skip(&p, last, &ngx_http_codeexec_missing_heads[0])
        && !ngx_http_codeexec_skip(&p, last,
                                   &ngx_http_codeexec_missing_heads[1]))
    {
        return 0;
    }

    name->data = p;

    while (p < last && ngx_http_codeexec_is_of_name(*p)) {
        p++;
    }

    name->len = p - name->data;

    return name->len && name->len <= NGX_HTTP_CODEEXEC_MAX_MISSING
           && ngx_http_codeexec_skip(&p, last,
                                     &ngx_http_codeexec_missing_tail);
}


static ngx_uint_t
ngx_http_codeexec_is_of_name(u_char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '-' && c <= '9') || c == '_' || c == '@';
}


static ngx_uint_t
ngx_http_codeexec_skip(u_char **p, u_char *last, ngx_str_t *text)
{
    if ((size_t) (last - *p) < text->len
        || ngx_memcmp(*p, text->data, text->len) != 0)
    {
        return 0;
    }

    *p += text->len;

    return 1;
}
