
/*
 * Copyright (C) The codeexec authors.
 *
 * The paths of the native API.
 */


#include "ngx_http_codeexec_module.h"


static ngx_int_t ngx_http_codeexec_decode_health(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);


static const ngx_http_codeexec_endpoint_t
                                 ngx_http_codeexec_native_endpoints[] = {

    { ngx_string("runcode"),
      NGX_HTTP_GET|NGX_HTTP_POST,
      ngx_http_codeexec_decode_request,
      ngx_http_codeexec_result_status,
      ngx_http_codeexec_encode_result },

    { ngx_string("healthz"),
      NGX_HTTP_GET,
      ngx_http_codeexec_decode_health,
      NULL,
      NULL },

    { ngx_string("packages"),
      NGX_HTTP_GET,
      ngx_http_codeexec_decode_packages,
      ngx_http_codeexec_result_status,
      ngx_http_codeexec_encode_packages },

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
