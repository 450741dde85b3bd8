
/*
 * Copyright (C) The codeexec authors.
 *
 * The paths of the native API.
 */


#include "ngx_http_codeexec_module.h"


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

    { ngx_string("healthz"),
      NGX_HTTP_GET,
      ngx_http_codeexec_decode_health,
      NULL,
      NULL },

    { ngx_null_string, 0, NULL, NULL, NULL }
};


const ngx_http_codeexec_dialect_t  ngx_http_codeexec_native = {
    ngx_string("native"),
    ngx_http_codeexec_native_endpoints,
    ngx_http_codeexec_encode_error
};


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
