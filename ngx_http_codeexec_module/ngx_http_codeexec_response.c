
/*
 * Copyright (C) The codeexec authors.
 */


#include "ngx_http_codeexec_module.h"


static ngx_int_t ngx_http_codeexec_encode_run(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static void ngx_http_codeexec_write_run(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx);
static void ngx_http_codeexec_write_error(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx);
static void ngx_http_codeexec_write_images(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx);
static void ngx_http_codeexec_write_inline(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_uint_t ngx_http_codeexec_tells_skipped(
    ngx_http_codeexec_ctx_t *ctx);


ngx_str_t  ngx_http_codeexec_busy =
    ngx_string("Server is busy, try again later");


/* In the order of ngx_http_codeexec_fate_e. */

static const char  *ngx_http_codeexec_reasons[] = {
    NULL, "type", "size", "count", "total", "name", "unavailable"
};


static const char  *ngx_http_codeexec_signals[] = {
    NULL, "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT",
    "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1", "SIGSEGV", "SIGUSR2",
    "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT",
    "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU",
    "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR",
    "SIGSYS"
};


ngx_uint_t
ngx_http_codeexec_result_status(ngx_http_codeexec_ctx_t *ctx)
{
    if (ctx->rejection && !ctx->rejection->syntax) {
        return NGX_HTTP_FORBIDDEN;
    }

    switch (ctx->outcome) {

    case NGX_HTTP_CODEEXEC_BUSY:
        return NGX_HTTP_SERVICE_UNAVAILABLE;

    case NGX_HTTP_CODEEXEC_REJECTED:
        return ctx->refused_with;

    case NGX_HTTP_CODEEXEC_TIMEOUT:
        return NGX_HTTP_GATEWAY_TIME_OUT;

    default:
        return NGX_HTTP_OK;
    }
}


ngx_int_t
ngx_http_codeexec_encode_result(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_str_t  text;

    if (ctx->rejection && !ctx->rejection->syntax) {

        text = ngx_http_codeexec_rejection_text(r, ctx->rejection);

        return text.data ? ngx_http_codeexec_encode_error(r, ctx, &text)
                         : NGX_ERROR;
    }

    switch (ctx->outcome) {

    case NGX_HTTP_CODEEXEC_BUSY:
        return ngx_http_codeexec_encode_error(r, ctx, &ngx_http_codeexec_busy);

    case NGX_HTTP_CODEEXEC_REJECTED:
        return ngx_http_codeexec_encode_error(r, ctx, &ctx->message);

    default:
        return ngx_http_codeexec_encode_run(r, ctx);
    }
}


ngx_int_t
ngx_http_codeexec_encode_error(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *message)
{
    ngx_uint_t                  i;
    ngx_http_codeexec_writer_t  w;

    ngx_memzero(&w, sizeof(ngx_http_codeexec_writer_t));

    for (i = 0; i < 2; i++) {

        ngx_http_codeexec_put_text(&w, "{");
        ngx_http_codeexec_write_string(&w, "\"error\":",
                                       message->data, message->len);
        ngx_http_codeexec_put_text(&w, "}\n");

        if (i == 0 && ngx_http_codeexec_make_room(ctx, &w) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_encode_run(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_http_codeexec_writer_t  w;

    ngx_memzero(&w, sizeof(ngx_http_codeexec_writer_t));

    ngx_http_codeexec_write_run(&w, ctx);

    if (ngx_http_codeexec_make_room(ctx, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_codeexec_write_run(&w, ctx);

    ngx_http_codeexec_free_result(r, ctx);

    return NGX_OK;
}


/* A slow client keeps the answer alive, but need not keep it twice. */

void
ngx_http_codeexec_free_result(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    (void) ngx_pfree(r->pool, ctx->result.output.data);
    (void) ngx_pfree(r->pool, ctx->result.errors.data);
    (void) ngx_pfree(r->pool, ctx->result.content.data);
    (void) ngx_pfree(r->pool, ctx->result.records.data);

    ctx->result.output.data = NULL;
    ctx->result.errors.data = NULL;
    ctx->result.content.data = NULL;
    ctx->result.records.data = NULL;
    ctx->result.nfiles = 0;
    ctx->result.nshown = 0;
}


static void
ngx_http_codeexec_write_run(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_http_codeexec_result_t  *res;

    res = &ctx->result;

    ngx_http_codeexec_put_text(w, "{");

    if (ctx->outcome != NGX_HTTP_CODEEXEC_OK) {
        ngx_http_codeexec_write_error(w, ctx);
    }

    ngx_http_codeexec_write_images(w, ctx);

    ngx_http_codeexec_write_string(w, "\"output\":", res->output.data,
                                   res->output.len);

    if (ngx_http_codeexec_wants_results(&ctx->job)) {
        ngx_http_codeexec_write_results(w, ctx);
    }

    if (ctx->job.collect.len) {
        ngx_http_codeexec_write_files(w, ctx);
    }

    if (ctx->job.detail) {
        ngx_http_codeexec_write_detail(w, ctx);

    } else if (res->truncated) {
        ngx_http_codeexec_write_truncated(w, 1);
    }

    if (ngx_http_codeexec_tells_skipped(ctx)) {
        ngx_http_codeexec_write_skipped(w, ctx);
    }

    ngx_http_codeexec_put_text(w, "}\n");
}


/* Only the first member of the object has no comma before it. */

void
ngx_http_codeexec_write_key(ngx_http_codeexec_writer_t *w, const char *name)
{
    if (w->len > 1) {
        ngx_http_codeexec_put_text(w, ",");
    }

    ngx_http_codeexec_put(w, name, ngx_strlen(name));
}


static void
ngx_http_codeexec_write_error(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx)
{
    size_t                       len;
    ngx_http_codeexec_stream_t  *errors;

    ngx_http_codeexec_write_key(w, "\"error\":\"");

    if (ctx->outcome == NGX_HTTP_CODEEXEC_TIMEOUT
        || ctx->outcome == NGX_HTTP_CODEEXEC_STOPPED)
    {
        ngx_http_codeexec_write_reason(w, ctx);
        ngx_http_codeexec_put_text(w, "\"");
        return;
    }

    errors = &ctx->result.errors;
    len = errors->len;

    if (len && errors->data[len - 1] == LF) {
        len--;
    }

    ngx_http_codeexec_put_escaped(w, errors->data, len);

    if (ctx->outcome != NGX_HTTP_CODEEXEC_ERROR || len == 0) {

        if (len) {
            ngx_http_codeexec_put_text(w, "\\n");
        }

        ngx_http_codeexec_write_reason(w, ctx);
    }

    ngx_http_codeexec_put_text(w, "\"");
}


void
ngx_http_codeexec_write_reason(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx)
{
    int64_t      signal;
    const char  *name;

    switch (ctx->outcome) {

    case NGX_HTTP_CODEEXEC_TIMEOUT:
        ngx_http_codeexec_put_text(w, "Code execution timed out");
        return;

    case NGX_HTTP_CODEEXEC_STOPPED:
        ngx_http_codeexec_put_text(w, "Code execution was stopped");
        return;

    case NGX_HTTP_CODEEXEC_MEMORY:
        ngx_http_codeexec_put_text(w, "Memory limit exceeded");
        return;

    case NGX_HTTP_CODEEXEC_ERROR:
        ngx_http_codeexec_put_text(w, "Process exited with code ");
        ngx_http_codeexec_put_number(w, ctx->result.exit_code);
        return;
    }

    signal = ctx->result.signal;

    ngx_http_codeexec_put_text(w, "Process killed by signal ");
    ngx_http_codeexec_put_number(w, signal);

    if (signal > 0
        && signal < (int64_t) (sizeof(ngx_http_codeexec_signals)
                               / sizeof(ngx_http_codeexec_signals[0])))
    {
        name = ngx_http_codeexec_signals[signal];

        ngx_http_codeexec_put_text(w, " (");
        ngx_http_codeexec_put(w, name, ngx_strlen(name));
        ngx_http_codeexec_put_text(w, ")");
    }
}


static void
ngx_http_codeexec_write_images(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_uint_t                  i, n, ninline;
    ngx_http_codeexec_file_t   *file;
    ngx_http_codeexec_image_t  *image;

    ninline = 0;

    for (i = 0, n = 0; i < ctx->result.nfiles; i++) {
        file = &ctx->result.files[i];
        image = ctx->store ? &ctx->store->images[i] : NULL;

        if (!file->image) {
            continue;
        }

        if (n++ == 0) {
            ngx_http_codeexec_write_key(w, "\"images\":{");

        } else {
            ngx_http_codeexec_put_text(w, ",");
        }

        ngx_http_codeexec_put_string(w, &file->name);
        ngx_http_codeexec_put_text(w, ":");
        ngx_http_codeexec_write_image(w, ctx, image, &file->content);

        if (ngx_http_codeexec_inline_reason(image)) {
            ninline++;
        }
    }

    if (n) {
        ngx_http_codeexec_put_text(w, "}");
    }

    if (ninline) {
        ngx_http_codeexec_write_inline(w, ctx);
    }
}


void
ngx_http_codeexec_write_image(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx, ngx_http_codeexec_image_t *image,
    ngx_str_t *content)
{
    ngx_http_codeexec_put_text(w, "\"");

    if (image && image->fate == ngx_http_codeexec_stored) {
        ngx_http_codeexec_put_escaped(w, ctx->store->url.data,
                                      ctx->store->url.len);
        ngx_http_codeexec_put_uri(w, &image->name);

    } else {
        ngx_http_codeexec_put_base64(w, content);
    }

    ngx_http_codeexec_put_text(w, "\"");
}


const char *
ngx_http_codeexec_inline_reason(ngx_http_codeexec_image_t *image)
{
    return image ? ngx_http_codeexec_reasons[image->fate] : NULL;
}


/* Why an image is not a URL, which the client could not tell otherwise. */

static void
ngx_http_codeexec_write_inline(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_uint_t                 i, n;
    const char                *reason;
    ngx_http_codeexec_file_t  *file;

    ngx_http_codeexec_write_key(w, "\"inline\":{");

    for (i = 0, n = 0; i < ctx->result.nfiles; i++) {
        file = &ctx->result.files[i];
        reason = ngx_http_codeexec_inline_reason(&ctx->store->images[i]);

        if (!file->image || reason == NULL) {
            continue;
        }

        if (n++) {
            ngx_http_codeexec_put_text(w, ",");
        }

        ngx_http_codeexec_put_string(w, &file->name);
        ngx_http_codeexec_put_text(w, ":\"");
        ngx_http_codeexec_put(w, reason, ngx_strlen(reason));
        ngx_http_codeexec_put_text(w, "\"");
    }

    ngx_http_codeexec_put_text(w, "}");
}


void
ngx_http_codeexec_write_string(ngx_http_codeexec_writer_t *w,
    const char *name, u_char *data, size_t len)
{
    ngx_http_codeexec_write_key(w, name);

    ngx_http_codeexec_put_text(w, "\"");
    ngx_http_codeexec_put_escaped(w, data, len);
    ngx_http_codeexec_put_text(w, "\"");
}


/* A client that asks for nothing but images gets nothing but these. */

static ngx_uint_t
ngx_http_codeexec_tells_skipped(ngx_http_codeexec_ctx_t *ctx)
{
    return ctx->job.detail || ctx->job.collect.len
           || ngx_http_codeexec_wants_results(&ctx->job);
}


void
ngx_http_codeexec_write_truncated(ngx_http_codeexec_writer_t *w,
    ngx_uint_t truncated)
{
    ngx_http_codeexec_write_key(w, "\"truncated\":");

    if (truncated) {
        ngx_http_codeexec_put_text(w, "true");

    } else {
        ngx_http_codeexec_put_text(w, "false");
    }
}
