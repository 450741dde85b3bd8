
/*
 * Copyright (C) The codeexec authors.
 *
 * The API of RAGFlow's sandbox ("executor manager").  There are three of it:
 * of its first versions, of those since files and results came back, and of
 * those with a key.
 */


#include "ngx_http_codeexec_ragflow.h"


typedef struct {
    ngx_str_t  text;
    ngx_str_t  message;
} ngx_http_codeexec_ragflow_pattern_t;


static ngx_int_t ngx_http_codeexec_ragflow_health(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);
static ngx_int_t ngx_http_codeexec_ragflow_error(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *message);
static ngx_uint_t ngx_http_codeexec_ragflow_is_run(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);


static const ngx_http_codeexec_endpoint_t
                                 ngx_http_codeexec_ragflow_endpoints[] = {

    { ngx_string("run"),
      NGX_HTTP_POST,
      ngx_http_codeexec_ragflow_decode,
      ngx_http_codeexec_ragflow_status,
      ngx_http_codeexec_ragflow_encode },

    { ngx_string("healthz"),
      NGX_HTTP_GET,
      ngx_http_codeexec_ragflow_health,
      NULL,
      NULL },

    { ngx_string(""),
      NGX_HTTP_GET,
      ngx_http_codeexec_ragflow_health,
      NULL,
      NULL },

    { ngx_null_string, 0, NULL, NULL, NULL }
};


const ngx_http_codeexec_dialect_t  ngx_http_codeexec_ragflow = {
    ngx_string("ragflow"),
    ngx_http_codeexec_ragflow_endpoints,
    ngx_http_codeexec_ragflow_error
};


const ngx_http_codeexec_dialect_t  ngx_http_codeexec_ragflow_a = {
    ngx_string("ragflow-a"),
    ngx_http_codeexec_ragflow_endpoints,
    ngx_http_codeexec_ragflow_error
};


const ngx_http_codeexec_dialect_t  ngx_http_codeexec_ragflow_d = {
    ngx_string("ragflow-d"),
    ngx_http_codeexec_ragflow_endpoints,
    ngx_http_codeexec_ragflow_error
};


/* What programs for Node.js must not have in them, with its texts. */

static ngx_http_codeexec_ragflow_pattern_t
                                 ngx_http_codeexec_ragflow_patterns[] = {

    { ngx_string("require\\s*\\(\\s*['\"`]child_process['\"`]\\s*\\)"),
      ngx_string("Require: child_process") },

    { ngx_string("require\\s*\\(\\s*['\"`]fs['\"`]\\s*\\)"),
      ngx_string("Require: fs") },

    { ngx_string("require\\s*\\(\\s*['\"`]worker_threads['\"`]\\s*\\)"),
      ngx_string("Require: worker_threads") },

    { ngx_string("\\beval\\s*\\("), ngx_string("Call: eval") },

    { ngx_string("\\bFunction\\s*\\("), ngx_string("Call: Function") },

    { ngx_string("\\bprocess\\s*\\.\\s*binding\\s*\\("),
      ngx_string("Call: process.binding") },

    { ngx_null_string, ngx_null_string }
};


static ngx_str_t  ngx_http_codeexec_ragflow_limited =
    ngx_string("Too many requests, please try again later");

static ngx_str_t  ngx_http_codeexec_ragflow_late =
    ngx_string("Command timed out");

static ngx_str_t  ngx_http_codeexec_ragflow_pool =
    ngx_string("Container pool is busy");

static ngx_str_t  ngx_http_codeexec_ragflow_token =
    ngx_string("Missing or invalid sandbox executor API token");


ngx_int_t
ngx_http_codeexec_ragflow_configure(ngx_conf_t *cf,
    ngx_http_codeexec_loc_conf_t *lcf)
{
    ngx_uint_t                            i;
    ngx_http_codeexec_ragflow_pattern_t  *pattern;

    if (lcf->dialect != &ngx_http_codeexec_ragflow
        && lcf->dialect != &ngx_http_codeexec_ragflow_d)
    {
        return NGX_OK;
    }

    lcf->api_deny = ngx_array_create(cf->pool, 6,
                                     sizeof(ngx_http_codeexec_pattern_t));
    if (lcf->api_deny == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; ngx_http_codeexec_ragflow_patterns[i].text.len; i++) {

        pattern = &ngx_http_codeexec_ragflow_patterns[i];

        if (ngx_http_codeexec_add_pattern(cf, lcf->api_deny, &pattern->text,
                                          &pattern->message, PCRE2_UCP)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


u_char
ngx_http_codeexec_ragflow_generation(ngx_http_request_t *r)
{
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    if (lcf->dialect == &ngx_http_codeexec_ragflow_a) {
        return 'a';
    }

    return lcf->dialect == &ngx_http_codeexec_ragflow_d ? 'd' : 'c';
}


static ngx_int_t
ngx_http_codeexec_ragflow_health(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body)
{
    ngx_str_set(&ctx->body, "{\"status\":\"ok\"}");

    return NGX_DONE;
}


/*
 * Clients send a request again that was answered 5xx, whatever it was for:
 * that must not be a run.
 */

static ngx_int_t
ngx_http_codeexec_ragflow_error(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *message)
{
    ngx_uint_t  status;

    status = r->headers_out.status;

    if (status == NGX_HTTP_UNAUTHORIZED) {
        return ngx_http_codeexec_fastapi_error(r, ctx,
                                           &ngx_http_codeexec_ragflow_token);
    }

    if ((status < NGX_HTTP_INTERNAL_SERVER_ERROR
         && status != NGX_HTTP_TOO_MANY_REQUESTS)
        || !ngx_http_codeexec_ragflow_is_run(r, ctx))
    {
        return ngx_http_codeexec_fastapi_error(r, ctx, message);
    }

    r->headers_out.status = NGX_HTTP_OK;

    if (ctx->outcome == NGX_HTTP_CODEEXEC_BUSY || ctx->busy) {
        return ngx_http_codeexec_ragflow_fail(r, ctx, -10,
                                           "no_available_container",
                                           &ngx_http_codeexec_ragflow_pool);
    }

    /* limit_req and limit_conn answer either */

    if (status == NGX_HTTP_TOO_MANY_REQUESTS
        || (status == NGX_HTTP_SERVICE_UNAVAILABLE && r->upstream == NULL
            && ctx->message.len == 0))
    {
        if (ngx_http_codeexec_ragflow_generation(r) == 'd') {
            r->headers_out.status = NGX_HTTP_TOO_MANY_REQUESTS;
        }

        return ngx_http_codeexec_ragflow_fail(r, ctx, -429,
                       (char *) ngx_http_codeexec_ragflow_limited.data,
                       &ngx_http_codeexec_ragflow_limited);
    }

    return ngx_http_codeexec_ragflow_fail(r, ctx, -3, "internal_error",
                                          status == NGX_HTTP_GATEWAY_TIME_OUT
                                          ? &ngx_http_codeexec_ragflow_late
                                          : message);
}


/* It may have been refused before anybody looked. */

static ngx_uint_t
ngx_http_codeexec_ragflow_is_run(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    if (ctx->endpoint == NULL) {
        (void) ngx_http_codeexec_find_endpoint(r, ctx);
    }

    return ctx->endpoint == ngx_http_codeexec_ragflow_endpoints;
}
