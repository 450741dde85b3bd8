
/*
 * Copyright (C) The codeexec authors.
 *
 * The API of RAGFlow's sandbox, and what its versions differ in.
 */


#ifndef _NGX_HTTP_CODEEXEC_RAGFLOW_H_INCLUDED_
#define _NGX_HTTP_CODEEXEC_RAGFLOW_H_INCLUDED_


#include "ngx_http_codeexec_module.h"


/* One answer, which has all of its members always. */

typedef struct {
    const char               *status;
    ngx_str_t                 output;
    ngx_str_t                 errors;
    int64_t                   exit_code;
    const char               *detail;              /* the others: or NULL */
    int64_t                   time_us;             /* -1: null */
    const char               *limit;
    const char               *access;
    const char               *error;

    unsigned                  success:1;           /* with all that came */
} ngx_http_codeexec_ragflow_answer_t;


ngx_int_t ngx_http_codeexec_ragflow_decode(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);

ngx_uint_t ngx_http_codeexec_ragflow_status(ngx_http_codeexec_ctx_t *ctx);
ngx_int_t ngx_http_codeexec_ragflow_encode(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
/* One that says why nothing was run: program_runner_error. */
ngx_int_t ngx_http_codeexec_ragflow_fail(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_int_t exit_code, const char *detail,
    ngx_str_t *errors);
ngx_int_t ngx_http_codeexec_ragflow_send(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_http_codeexec_ragflow_answer_t *answer);

/* 'a', 'c' or 'd' */
u_char ngx_http_codeexec_ragflow_generation(ngx_http_request_t *r);


#endif /* _NGX_HTTP_CODEEXEC_RAGFLOW_H_INCLUDED_ */
