
/*
 * Copyright (C) The codeexec authors.
 *
 * The executor API: programs that are not run, be it that they are only to be
 * looked at, or that something is wrong with them.
 */


#include "ngx_http_codeexec_executor.h"


static void ngx_http_codeexec_executor_write_decline(
    ngx_http_codeexec_writer_t *w, ngx_http_codeexec_ctx_t *ctx,
    ngx_str_t *message);
static void ngx_http_codeexec_executor_write_invalid(
    ngx_http_codeexec_writer_t *w, ngx_str_t *message);
static void ngx_http_codeexec_executor_write_rejection(
    ngx_http_codeexec_writer_t *w, ngx_http_codeexec_rejection_t *rejection);
static void ngx_http_codeexec_executor_write_syntax(
    ngx_http_codeexec_writer_t *w, ngx_http_codeexec_rejection_t *rejection);
static void ngx_http_codeexec_executor_write_policy(
    ngx_http_codeexec_writer_t *w, ngx_http_codeexec_complaint_t *complaint);


/* Where the end of a line would be too far away for anybody to see. */
#define NGX_HTTP_CODEEXEC_MAX_COLUMN  1000


ngx_int_t
ngx_http_codeexec_executor_check(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body)
{
    ctx->job.check = 1;

    return ngx_http_codeexec_executor_decode(r, ctx, body);
}


ngx_int_t
ngx_http_codeexec_executor_encode_check(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_str_t                   text;
    ngx_http_codeexec_writer_t  w;

    switch (ctx->outcome) {

    case NGX_HTTP_CODEEXEC_OK:
        ngx_str_set(&ctx->body, "{\"valid\":true,\"error\":null}");
        return NGX_OK;

    case NGX_HTTP_CODEEXEC_BUSY:
    case NGX_HTTP_CODEEXEC_REJECTED:
        return ngx_http_codeexec_executor_encode(r, ctx);
    }

    if (ctx->rejection) {
        return ngx_http_codeexec_executor_encode(r, ctx);
    }

    /* not even that could be done */

    ngx_memzero(&w, sizeof(ngx_http_codeexec_writer_t));

    ngx_http_codeexec_write_reason(&w, ctx);

    text.len = w.len;
    text.data = ngx_pnalloc(r->pool, w.len);
    if (text.data == NULL) {
        return NGX_ERROR;
    }

    w.pos = text.data;

    ngx_http_codeexec_write_reason(&w, ctx);

    return ngx_http_codeexec_executor_decline(ctx, &text);
}


ngx_int_t
ngx_http_codeexec_executor_decline(ngx_http_codeexec_ctx_t *ctx,
    ngx_str_t *message)
{
    ngx_http_codeexec_writer_t  w;

    ngx_memzero(&w, sizeof(ngx_http_codeexec_writer_t));

    ngx_http_codeexec_executor_write_decline(&w, ctx, message);

    if (ngx_http_codeexec_make_room(ctx, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_codeexec_executor_write_decline(&w, ctx, message);

    return NGX_OK;
}


static void
ngx_http_codeexec_executor_write_decline(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *message)
{
    if (ctx->job.check) {
        ngx_http_codeexec_executor_write_invalid(w, message);
        return;
    }

    ngx_http_codeexec_put_text(w, "{\"status\":\"error\","
                                  "\"execution_time\":0,\"output\":"
                                  "{\"stdout\":\"\",\"stderr\":");
    ngx_http_codeexec_put_string(w, message);
    ngx_http_codeexec_put_text(w, ",\"charts\":[],\"dataframes\":[],"
                                  "\"variables\":{}},\"error\":");
    ngx_http_codeexec_put_string(w, message);
    ngx_http_codeexec_put_text(w, "}");
}


static void
ngx_http_codeexec_executor_write_invalid(ngx_http_codeexec_writer_t *w,
    ngx_str_t *message)
{
    ngx_http_codeexec_put_text(w, "{\"valid\":false,\"error\":");
    ngx_http_codeexec_put_string(w, message);
    ngx_http_codeexec_put_text(w, "}");
}


ngx_int_t
ngx_http_codeexec_executor_reject(ngx_http_codeexec_ctx_t *ctx)
{
    ngx_str_t                   text;
    ngx_http_codeexec_writer_t  w;

    ngx_memzero(&w, sizeof(ngx_http_codeexec_writer_t));

    ngx_http_codeexec_executor_write_rejection(&w, ctx->rejection);

    text.len = w.len;
    text.data = ngx_pnalloc(ctx->request->pool, w.len ? w.len : 1);
    if (text.data == NULL) {
        return NGX_ERROR;
    }

    w.pos = text.data;

    ngx_http_codeexec_executor_write_rejection(&w, ctx->rejection);

    return ngx_http_codeexec_executor_decline(ctx, &text);
}


/* The first of several, as the original stops there. */

static void
ngx_http_codeexec_executor_write_rejection(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_rejection_t *rejection)
{
    if (rejection->syntax) {
        ngx_http_codeexec_executor_write_syntax(w, rejection);

    } else {
        ngx_http_codeexec_executor_write_policy(w, &rejection->lines[0]);
    }
}


static void
ngx_http_codeexec_executor_write_syntax(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_rejection_t *rejection)
{
    u_char                         *p, *last;
    ngx_int_t                       i, column;
    ngx_http_codeexec_complaint_t  *complaint;

    complaint = &rejection->lines[0];

    ngx_http_codeexec_put_text(w, "语法错误");

    if (complaint->line > 0) {
        ngx_http_codeexec_put_text(w, "（第");
        ngx_http_codeexec_put_number(w, complaint->line);
        ngx_http_codeexec_put_text(w, "行）");
    }

    ngx_http_codeexec_put_text(w, ": ");
    ngx_http_codeexec_put(w, complaint->message.data, complaint->message.len);

    p = rejection->text.data;
    last = p + rejection->text.len;

    while (p < last && *p <= ' ') {
        p++;
    }

    while (p < last && last[-1] <= ' ') {
        last--;
    }

    if (p == last) {
        return;
    }

    ngx_http_codeexec_put_text(w, "\n问题代码: ");
    ngx_http_codeexec_put(w, p, last - p);

    column = ngx_min(rejection->column, NGX_HTTP_CODEEXEC_MAX_COLUMN);

    if (column > 0) {
        ngx_http_codeexec_put_text(w, "\n");

        for (i = 1; i < column; i++) {
            ngx_http_codeexec_put_text(w, " ");
        }

        ngx_http_codeexec_put_text(w, "^");
    }
}


static void
ngx_http_codeexec_executor_write_policy(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_complaint_t *complaint)
{
    u_char     *dot;
    ngx_str_t   name;

    name = complaint->name;

    if (ngx_strncmp(complaint->rule.data, "call", complaint->rule.len) == 0
        && name.len)
    {
        ngx_http_codeexec_put_text(w, "检测到禁止的操作: ");
        ngx_http_codeexec_put(w, name.data, name.len);
        ngx_http_codeexec_put_text(w, "()\n安全策略不允许使用此函数。");
        return;
    }

    if (complaint->line > 0) {
        ngx_http_codeexec_put_text(w, "第");
        ngx_http_codeexec_put_number(w, complaint->line);
        ngx_http_codeexec_put_text(w, "行：");
    }

    if (name.len == 0) {
        ngx_http_codeexec_put(w, complaint->message.data,
                              complaint->message.len);
        return;
    }

    dot = ngx_strlchr(name.data, name.data + name.len, '.');

    ngx_http_codeexec_put_text(w, "禁止导入模块 '");
    ngx_http_codeexec_put(w, name.data,
                          dot ? (size_t) (dot - name.data) : name.len);
    ngx_http_codeexec_put_text(w, "'\n安全策略不允许使用此模块。");
}
