
/*
 * Copyright (C) The codeexec authors.
 *
 * Why a program was not run: "@rejected" in docs/protocol.md.  It is the word
 * of the program's own runtime, and so may be the program's.
 */


#include "ngx_http_codeexec_module.h"


#define NGX_HTTP_CODEEXEC_MAX_REJECTION   1048576
#define NGX_HTTP_CODEEXEC_MAX_COMPLAINTS  1000


static ngx_int_t ngx_http_codeexec_copy_rejection(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, json_t *json);
static ngx_int_t ngx_http_codeexec_copy_complaint(ngx_http_request_t *r,
    json_t *json, ngx_http_codeexec_complaint_t *complaint);
static ngx_int_t ngx_http_codeexec_copy_text(ngx_http_request_t *r,
    json_t *json, ngx_str_t *text);
static void ngx_http_codeexec_write_rejection(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_rejection_t *rejection);


ngx_int_t
ngx_http_codeexec_read_rejection(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *claim)
{
    json_t     *json;
    ngx_int_t   rc;

    if (claim->len > NGX_HTTP_CODEEXEC_MAX_REJECTION) {
        return NGX_DECLINED;
    }

    /* numbers out of range are none of the runtime's */

    json = ngx_http_codeexec_json_parse(claim, 0);

    if (json == NULL) {
        return NGX_DECLINED;
    }

    rc = ngx_http_codeexec_copy_rejection(r, ctx, json);

    json_decref(json);

    return rc;
}


static ngx_int_t
ngx_http_codeexec_copy_rejection(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, json_t *json)
{
    size_t                          i, n;
    json_t                         *lines, *column;
    ngx_int_t                       rc;
    const char                     *kind;
    ngx_http_codeexec_rejection_t  *rejection;

    kind = json_string_value(json_object_get(json, "kind"));
    lines = json_object_get(json, "lines");
    n = json_array_size(lines);

    if (kind == NULL || n == 0 || n > NGX_HTTP_CODEEXEC_MAX_COMPLAINTS) {
        return NGX_DECLINED;
    }

    rejection = ngx_pcalloc(r->pool, sizeof(ngx_http_codeexec_rejection_t));
    if (rejection == NULL) {
        return NGX_ERROR;
    }

    rejection->lines = ngx_pcalloc(r->pool,
                                   n * sizeof(ngx_http_codeexec_complaint_t));
    if (rejection->lines == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        rc = ngx_http_codeexec_copy_complaint(r, json_array_get(lines, i),
                                              &rejection->lines[i]);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    column = json_object_get(json, "column");

    rejection->nlines = n;
    rejection->syntax = (ngx_strcmp(kind, "syntax") == 0);
    rejection->column = json_is_integer(column)
                            ? (ngx_int_t) json_integer_value(column) : 0;

    rc = ngx_http_codeexec_copy_text(r, json_object_get(json, "text"),
                                     &rejection->text);
    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    ctx->rejection = rejection;

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_copy_complaint(ngx_http_request_t *r, json_t *json,
    ngx_http_codeexec_complaint_t *complaint)
{
    json_t     *line;
    ngx_int_t   rc;

    line = json_object_get(json, "line");

    complaint->line = json_is_integer(line)
                          ? (ngx_int_t) json_integer_value(line) : 0;

    rc = ngx_http_codeexec_copy_text(r, json_object_get(json, "message"),
                                     &complaint->message);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_codeexec_copy_text(r, json_object_get(json, "rule"),
                                    &complaint->rule)
        == NGX_ERROR
        || ngx_http_codeexec_copy_text(r, json_object_get(json, "name"),
                                       &complaint->name)
           == NGX_ERROR)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_copy_text(ngx_http_request_t *r, json_t *json,
    ngx_str_t *text)
{
    if (!json_is_string(json)) {
        return NGX_DECLINED;
    }

    return ngx_http_codeexec_json_copy(r->pool, json, text);
}


ngx_str_t
ngx_http_codeexec_rejection_text(ngx_http_request_t *r,
    ngx_http_codeexec_rejection_t *rejection)
{
    ngx_str_t                   text;
    ngx_http_codeexec_writer_t  w;

    ngx_memzero(&w, sizeof(ngx_http_codeexec_writer_t));

    ngx_http_codeexec_write_rejection(&w, rejection);

    text.len = w.len;
    text.data = ngx_pnalloc(r->pool, w.len ? w.len : 1);

    if (text.data) {
        w.pos = text.data;
        ngx_http_codeexec_write_rejection(&w, rejection);
    }

    return text;
}


static void
ngx_http_codeexec_write_rejection(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_rejection_t *rejection)
{
    ngx_uint_t                      i;
    ngx_http_codeexec_complaint_t  *complaint;

    for (i = 0; i < rejection->nlines; i++) {
        complaint = &rejection->lines[i];

        if (i) {
            ngx_http_codeexec_put_text(w, "\n");
        }

        if (complaint->line) {
            ngx_http_codeexec_put_text(w, "Line ");
            ngx_http_codeexec_put_number(w, complaint->line);
            ngx_http_codeexec_put_text(w, ": ");
        }

        ngx_http_codeexec_put(w, complaint->message.data,
                              complaint->message.len);
    }
}
