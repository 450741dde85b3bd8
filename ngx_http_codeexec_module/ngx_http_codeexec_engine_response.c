
/*
 * Copyright (C) The codeexec authors.
 *
 * What the engine API answers, with sorted keys and in ASCII.
 */


#include "ngx_http_codeexec_module.h"


typedef void (*ngx_http_codeexec_engine_pt)(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx, void *data);


static ngx_int_t ngx_http_codeexec_engine_make(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_http_codeexec_engine_pt write,
    void *data);
static void ngx_http_codeexec_engine_write_error(
    ngx_http_codeexec_writer_t *w, ngx_http_codeexec_ctx_t *ctx, void *data);
static void ngx_http_codeexec_engine_write_stopped(
    ngx_http_codeexec_writer_t *w, ngx_http_codeexec_ctx_t *ctx, void *data);
static void ngx_http_codeexec_engine_write_run(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx, void *data);
static void ngx_http_codeexec_engine_write_unsafe(
    ngx_http_codeexec_writer_t *w, ngx_http_codeexec_ctx_t *ctx, void *data);
static void ngx_http_codeexec_engine_write_reason(
    ngx_http_codeexec_writer_t *w, ngx_http_codeexec_ctx_t *ctx);
static void ngx_http_codeexec_engine_write_id(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx);
static void ngx_http_codeexec_engine_write_seconds(
    ngx_http_codeexec_writer_t *w, int64_t msec, ngx_uint_t decimals);
static void ngx_http_codeexec_engine_write_imports(
    ngx_http_codeexec_writer_t *w, ngx_array_t *imports);
static void ngx_http_codeexec_engine_write_install(
    ngx_http_codeexec_writer_t *w, ngx_http_codeexec_ctx_t *ctx,
    ngx_array_t *imports);
static ngx_str_t *ngx_http_codeexec_engine_missing(
    ngx_http_codeexec_ctx_t *ctx, ngx_array_t *imports);


static ngx_str_t  ngx_http_codeexec_engine_busy =
    ngx_string("服务器繁忙，请稍后再试");


/* A program that fails, breaks rules or takes too long has been answered. */

ngx_uint_t
ngx_http_codeexec_engine_result_status(ngx_http_codeexec_ctx_t *ctx)
{
    switch (ctx->outcome) {

    case NGX_HTTP_CODEEXEC_BUSY:
        return NGX_HTTP_SERVICE_UNAVAILABLE;

    case NGX_HTTP_CODEEXEC_REJECTED:
        return ctx->refused_with;

    default:
        return NGX_HTTP_OK;
    }
}


ngx_int_t
ngx_http_codeexec_engine_encode(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_int_t    rc;
    ngx_str_t    text;
    ngx_array_t  imports;

    switch (ctx->outcome) {

    case NGX_HTTP_CODEEXEC_BUSY:
        return ngx_http_codeexec_engine_error(r, ctx,
                                              &ngx_http_codeexec_engine_busy);

    case NGX_HTTP_CODEEXEC_REJECTED:
        return ngx_http_codeexec_engine_error(r, ctx, &ctx->message);
    }

    if (ctx->rejection && !ctx->rejection->syntax) {
        text = ngx_http_codeexec_rejection_text(r, ctx->rejection);

        if (text.data == NULL) {
            return NGX_ERROR;
        }

        return ngx_http_codeexec_engine_make(r, ctx,
                                      ngx_http_codeexec_engine_write_unsafe,
                                      &text);
    }

    if (ngx_array_init(&imports, r->pool, 8, sizeof(ngx_str_t)) != NGX_OK
        || ngx_http_codeexec_imports(&ctx->job.code, &imports) != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_http_codeexec_engine_make(r, ctx,
                                       ngx_http_codeexec_engine_write_run,
                                       &imports);

    ngx_http_codeexec_free_result(r, ctx);

    return rc;
}


ngx_int_t
ngx_http_codeexec_engine_stopped(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    return ngx_http_codeexec_engine_make(r, ctx,
                                       ngx_http_codeexec_engine_write_stopped,
                                       NULL);
}


ngx_int_t
ngx_http_codeexec_engine_error(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *message)
{
    return ngx_http_codeexec_engine_make(r, ctx,
                                         ngx_http_codeexec_engine_write_error,
                                         message);
}


static ngx_int_t
ngx_http_codeexec_engine_make(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_http_codeexec_engine_pt write,
    void *data)
{
    ngx_http_codeexec_writer_t  w;

    ngx_memzero(&w, sizeof(ngx_http_codeexec_writer_t));

    write(&w, ctx, data);

    if (ngx_http_codeexec_make_room(ctx, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    write(&w, ctx, data);

    return ngx_http_codeexec_to_ascii(r->pool, &ctx->body);
}


static void
ngx_http_codeexec_engine_write_error(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx, void *data)
{
    ngx_str_t *message = data;

    ngx_http_codeexec_put_text(w, "{\"error\":");
    ngx_http_codeexec_put_string(w, message);
    ngx_http_codeexec_put_text(w, ",\"output\":\"\",\"success\":false}\n");
}


/* What is no id may have anything in it. */

static void
ngx_http_codeexec_engine_write_stopped(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx, void *data)
{
    if (ctx->status == NGX_HTTP_OK) {
        ngx_http_codeexec_put_text(w, "{\"message\":\"成功停止执行: ");

    } else {
        ngx_http_codeexec_put_text(w,
                                "{\"message\":\"停止执行失败或执行不存在: ");
    }

    ngx_http_codeexec_put_escaped(w, ctx->name.data, ctx->name.len);

    if (ctx->status == NGX_HTTP_OK) {
        ngx_http_codeexec_put_text(w, "\",\"success\":true}\n");

    } else {
        ngx_http_codeexec_put_text(w, "\",\"success\":false}\n");
    }
}


static void
ngx_http_codeexec_engine_write_unsafe(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx, void *data)
{
    ngx_str_t *text = data;

    ngx_http_codeexec_put_text(w, "{\"error\":\"安全检查失败: ");
    ngx_http_codeexec_put_escaped(w, text->data, text->len);
    ngx_http_codeexec_put_text(w, "\"");
    ngx_http_codeexec_engine_write_id(w, ctx);
    ngx_http_codeexec_put_text(w, ",\"output\":\"\",\"success\":false}\n");
}


static void
ngx_http_codeexec_engine_write_run(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx, void *data)
{
    ngx_array_t *imports = data;

    ngx_http_codeexec_result_t  *res;

    res = &ctx->result;

    ngx_http_codeexec_put_text(w, "{\"error\":\"");

    if (ctx->outcome == NGX_HTTP_CODEEXEC_OK
        || (ctx->outcome == NGX_HTTP_CODEEXEC_ERROR && res->errors.len))
    {
        ngx_http_codeexec_put_escaped(w, res->errors.data, res->errors.len);

    } else {
        ngx_http_codeexec_engine_write_reason(w, ctx);
    }

    ngx_http_codeexec_put_text(w, "\"");
    ngx_http_codeexec_engine_write_id(w, ctx);

    ngx_http_codeexec_put_text(w, ",\"imports_used\":[");
    ngx_http_codeexec_engine_write_imports(w, imports);

    ngx_http_codeexec_put_text(w, "],\"install_message\":\"");
    ngx_http_codeexec_engine_write_install(w, ctx, imports);

    ngx_http_codeexec_put_text(w, "\",\"output\":\"");
    ngx_http_codeexec_put_escaped(w, res->output.data, res->output.len);

    if (ctx->outcome == NGX_HTTP_CODEEXEC_OK) {
        ngx_http_codeexec_put_text(w, "\",\"success\":true}\n");

    } else {
        ngx_http_codeexec_put_text(w, "\",\"success\":false}\n");
    }
}


/* What it wrote to stderr, and why it ended so. */

static void
ngx_http_codeexec_engine_write_reason(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_http_codeexec_stream_t  *errors;

    errors = &ctx->result.errors;

    switch (ctx->outcome) {

    case NGX_HTTP_CODEEXEC_TIMEOUT:
        ngx_http_codeexec_put_text(w, "代码执行超时（");
        ngx_http_codeexec_engine_write_seconds(w, ctx->job.timeout, 0);
        ngx_http_codeexec_put_text(w, "秒）");
        return;

    case NGX_HTTP_CODEEXEC_STOPPED:
        ngx_http_codeexec_put_text(w, "代码执行已停止");
        return;
    }

    ngx_http_codeexec_put_escaped(w, errors->data, errors->len);

    if (errors->len && errors->data[errors->len - 1] != LF) {
        ngx_http_codeexec_put_text(w, "\\n");
    }

    switch (ctx->outcome) {

    case NGX_HTTP_CODEEXEC_MEMORY:
        ngx_http_codeexec_put_text(w, "内存使用超出限制");
        return;

    case NGX_HTTP_CODEEXEC_SIGNAL:
        ngx_http_codeexec_put_text(w, "进程被信号终止: ");
        ngx_http_codeexec_put_number(w, ctx->result.signal);
        return;

    default:
        ngx_http_codeexec_put_text(w, "进程退出码: ");
        ngx_http_codeexec_put_number(w, ctx->result.exit_code);
    }
}


/* And the time, as both come before what any answer goes on with. */

static void
ngx_http_codeexec_engine_write_id(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_http_codeexec_put_text(w, ",\"execution_id\":");
    ngx_http_codeexec_put_string(w, &ctx->job.id);

    ngx_http_codeexec_put_text(w, ",\"execution_time\":");
    ngx_http_codeexec_engine_write_seconds(w, ctx->result.time_us / 1000, 1);
}


/* As Python writes them: as an integer, or with what is needed of decimals. */

static void
ngx_http_codeexec_engine_write_seconds(ngx_http_codeexec_writer_t *w,
    int64_t msec, ngx_uint_t decimals)
{
    u_char   text[NGX_INT64_LEN + sizeof(".000") - 1], *last;

    last = ngx_sprintf(text, "%L.%03L", msec / 1000, msec % 1000);

    while (last[-1] == '0') {
        last--;
    }

    if (last[-1] == '.') {
        last = decimals ? last + 1 : last - 1;
    }

    ngx_http_codeexec_put(w, text, last - text);
}


static void
ngx_http_codeexec_engine_write_imports(ngx_http_codeexec_writer_t *w,
    ngx_array_t *imports)
{
    ngx_str_t   *name;
    ngx_uint_t   i;

    name = imports->elts;

    for (i = 0; i < imports->nelts; i++) {

        if (i) {
            ngx_http_codeexec_put_text(w, ",");
        }

        ngx_http_codeexec_put_string(w, &name[i]);
    }
}


/* Nothing is installed for a run: what it imports is there, or not. */

static void
ngx_http_codeexec_engine_write_install(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx, ngx_array_t *imports)
{
    ngx_str_t  *name;

    if (imports->nelts == 0) {
        ngx_http_codeexec_put_text(w, "无需安装包");
        return;
    }

    name = ngx_http_codeexec_engine_missing(ctx, imports);

    if (name) {
        ngx_http_codeexec_put_text(w, "安装包失败: ");
        ngx_http_codeexec_put_escaped(w, name->data, name->len);
        return;
    }

    ngx_http_codeexec_put_text(w, "所有包都在允许列表中");
}


/* The one that the traceback says isn't there, of those that are named. */

static ngx_str_t *
ngx_http_codeexec_engine_missing(ngx_http_codeexec_ctx_t *ctx,
    ngx_array_t *imports)
{
    u_char                      *p, *last;
    ngx_str_t                   *name;
    ngx_uint_t                   i;
    ngx_http_codeexec_stream_t  *errors;

    static ngx_str_t  text =
                         ngx_string("\nModuleNotFoundError: No module named '");

    errors = &ctx->result.errors;

    if (ctx->outcome != NGX_HTTP_CODEEXEC_ERROR || errors->len < text.len) {
        return NULL;
    }

    last = errors->data + errors->len;

    for (p = last - text.len; p >= errors->data; p--) {
        if (*p == LF && ngx_memcmp(p, text.data, text.len) == 0) {
            break;
        }
    }

    if (p < errors->data) {
        return NULL;
    }

    p += text.len;
    name = imports->elts;

    for (i = 0; i < imports->nelts; i++) {
        if ((size_t) (last - p) > name[i].len
            && ngx_memcmp(p, name[i].data, name[i].len) == 0
            && (p[name[i].len] == '\'' || p[name[i].len] == '.'))
        {
            return &name[i];
        }
    }

    return NULL;
}
