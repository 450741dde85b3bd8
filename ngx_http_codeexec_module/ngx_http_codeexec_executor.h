
/*
 * Copyright (C) The codeexec authors.
 *
 * What the files of the executor API have of each other.
 */


#ifndef _NGX_HTTP_CODEEXEC_EXECUTOR_H_INCLUDED_
#define _NGX_HTTP_CODEEXEC_EXECUTOR_H_INCLUDED_


#include "ngx_http_codeexec_module.h"


ngx_int_t ngx_http_codeexec_executor_decode(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);

ngx_uint_t ngx_http_codeexec_executor_status(ngx_http_codeexec_ctx_t *ctx);
ngx_int_t ngx_http_codeexec_executor_encode(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);

/* A job of which the program is not to be run. */
ngx_int_t ngx_http_codeexec_executor_check(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);
ngx_int_t ngx_http_codeexec_executor_encode_check(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);

/* The answer to a program that was not run: for that, or as ctx->rejection
   says. */
ngx_int_t ngx_http_codeexec_executor_decline(ngx_http_codeexec_ctx_t *ctx,
    ngx_str_t *message);
ngx_int_t ngx_http_codeexec_executor_reject(ngx_http_codeexec_ctx_t *ctx);

ngx_int_t ngx_http_codeexec_executor_templates(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);
ngx_int_t ngx_http_codeexec_executor_template(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);


#endif /* _NGX_HTTP_CODEEXEC_EXECUTOR_H_INCLUDED_ */
