
/*
 * Copyright (C) The codeexec authors.
 *
 * The paths of the native API.
 */


#include "ngx_http_codeexec_module.h"


static ngx_int_t ngx_http_codeexec_decode_validate(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);
static ngx_uint_t ngx_http_codeexec_validate_status(
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_encode_validate(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static void ngx_http_codeexec_write_validate(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx);
static void ngx_http_codeexec_write_complaints(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_rejection_t *rejection);
static void ngx_http_codeexec_write_line(ngx_http_codeexec_writer_t *w,
    ngx_int_t line);
static ngx_int_t ngx_http_codeexec_decode_health(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);
static ngx_int_t ngx_http_codeexec_encode_stop(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);


static ngx_str_t  ngx_http_codeexec_not_running =
    ngx_string("No such execution");


static const ngx_http_codeexec_endpoint_t
                                 ngx_http_codeexec_native_endpoints[] = {

    { ngx_string("runcode"),
      NGX_HTTP_GET|NGX_HTTP_POST,
      ngx_http_codeexec_decode_request,
      ngx_http_codeexec_result_status,
      ngx_http_codeexec_encode_result },

    { ngx_string("stop/"),
      NGX_HTTP_POST,
      ngx_http_codeexec_decode_stop,
      ngx_http_codeexec_stop_status,
      ngx_http_codeexec_encode_stop },

    { ngx_string("status"),
      NGX_HTTP_GET,
      ngx_http_codeexec_decode_state,
      ngx_http_codeexec_state_status,
      ngx_http_codeexec_encode_status },

    { ngx_string("languages"),
      NGX_HTTP_GET,
      ngx_http_codeexec_decode_state,
      ngx_http_codeexec_state_status,
      ngx_http_codeexec_encode_languages },

    { ngx_string("validate"),
      NGX_HTTP_POST,
      ngx_http_codeexec_decode_validate,
      ngx_http_codeexec_validate_status,
      ngx_http_codeexec_encode_validate },

    { ngx_string("metrics"),
      NGX_HTTP_GET,
      ngx_http_codeexec_decode_state,
      ngx_http_codeexec_state_status,
      ngx_http_codeexec_encode_metrics },

    { ngx_string("healthz"),
      NGX_HTTP_GET|NGX_HTTP_CODEEXEC_OPEN,
      ngx_http_codeexec_decode_health,
      NULL,
      NULL },

    { ngx_string("packages"),
      NGX_HTTP_GET,
      ngx_http_codeexec_decode_state,
      ngx_http_codeexec_state_status,
      ngx_http_codeexec_encode_packages },

    { ngx_null_string, 0, NULL, NULL, NULL }
};


const ngx_http_codeexec_dialect_t  ngx_http_codeexec_native = {
    ngx_string("native"),
    ngx_http_codeexec_native_endpoints,
    ngx_http_codeexec_encode_error
};


/* A request for a run, of which nothing comes back. */

static ngx_int_t
ngx_http_codeexec_decode_validate(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body)
{
    ngx_int_t  rc;

    rc = ngx_http_codeexec_decode_request(r, ctx, body);

    ctx->job.check = 1;
    ctx->job.inline_only = 1;

    ngx_str_null(&ctx->job.collect);

    return rc;
}


static ngx_uint_t
ngx_http_codeexec_validate_status(ngx_http_codeexec_ctx_t *ctx)
{
    switch (ctx->outcome) {

    case NGX_HTTP_CODEEXEC_BUSY:
    case NGX_HTTP_CODEEXEC_REJECTED:
        return ngx_http_codeexec_result_status(ctx);

    default:
        return NGX_HTTP_OK;
    }
}


static ngx_int_t
ngx_http_codeexec_encode_validate(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_http_codeexec_writer_t  w;

    if (ctx->outcome == NGX_HTTP_CODEEXEC_BUSY
        || ctx->outcome == NGX_HTTP_CODEEXEC_REJECTED)
    {
        return ngx_http_codeexec_encode_result(r, ctx);
    }

    ngx_memzero(&w, sizeof(ngx_http_codeexec_writer_t));

    ngx_http_codeexec_write_validate(&w, ctx);

    if (ngx_http_codeexec_make_room(ctx, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_codeexec_write_validate(&w, ctx);

    ngx_http_codeexec_free_result(r, ctx);

    return NGX_OK;
}


static void
ngx_http_codeexec_write_validate(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_http_codeexec_rejection_t  *rejection;

    if (ctx->outcome == NGX_HTTP_CODEEXEC_OK) {
        ngx_http_codeexec_put_text(w, "{\"valid\":true}\n");
        return;
    }

    ngx_http_codeexec_put_text(w, "{\"valid\":false,\"error\":");

    rejection = ctx->rejection;

    if (rejection) {
        ngx_http_codeexec_put_string(w, &rejection->lines[0].message);
        ngx_http_codeexec_write_line(w, rejection->lines[0].line);
        ngx_http_codeexec_write_complaints(w, rejection);

    } else {
        ngx_http_codeexec_put_text(w, "\"");
        ngx_http_codeexec_write_reason(w, ctx);
        ngx_http_codeexec_put_text(w, "\"");
        ngx_http_codeexec_write_line(w, 0);
    }

    ngx_http_codeexec_put_text(w, "}\n");
}


static void
ngx_http_codeexec_write_complaints(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_rejection_t *rejection)
{
    ngx_uint_t  i;

    ngx_http_codeexec_put_text(w, ",\"errors\":[");

    for (i = 0; i < rejection->nlines; i++) {

        if (i) {
            ngx_http_codeexec_put_text(w, ",");
        }

        ngx_http_codeexec_put_text(w, "{\"error\":");
        ngx_http_codeexec_put_string(w, &rejection->lines[i].message);
        ngx_http_codeexec_write_line(w, rejection->lines[i].line);
        ngx_http_codeexec_put_text(w, "}");
    }

    ngx_http_codeexec_put_text(w, "]");
}


static void
ngx_http_codeexec_write_line(ngx_http_codeexec_writer_t *w, ngx_int_t line)
{
    ngx_http_codeexec_put_text(w, ",\"line\":");

    if (line > 0) {
        ngx_http_codeexec_put_number(w, line);

    } else {
        ngx_http_codeexec_put_text(w, "null");
    }
}


static ngx_int_t
ngx_http_codeexec_decode_health(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body)
{
    ngx_str_set(&ctx->body, "{\"status\":\"ok\"}\n");

    return NGX_DONE;
}


static ngx_int_t
ngx_http_codeexec_encode_stop(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    if (ctx->status != NGX_HTTP_OK) {
        return ngx_http_codeexec_encode_error(r, ctx,
                                              &ngx_http_codeexec_not_running);
    }

    return ngx_http_codeexec_answer_json(r, ctx,
               json_pack("{s:b, s:s%}", "stopped", 1, "execution_id",
                         ctx->name.data, ctx->name.len), 0);
}
