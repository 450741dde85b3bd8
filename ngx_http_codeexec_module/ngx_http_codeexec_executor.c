
/*
 * Copyright (C) The codeexec authors.
 *
 * The paths of the executor API.
 */


#include "ngx_http_codeexec_executor.h"


static ngx_int_t ngx_http_codeexec_executor_about(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);
static ngx_int_t ngx_http_codeexec_executor_health(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);
static ngx_uint_t ngx_http_codeexec_executor_healthy(
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_executor_state(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static void ngx_http_codeexec_executor_write_health(
    ngx_http_codeexec_writer_t *w, json_t *packages);


static ngx_str_t  ngx_http_codeexec_libraries[] = {
    ngx_string("numpy"),
    ngx_string("pandas"),
    ngx_string("matplotlib"),
    ngx_string("plotly"),
    ngx_string("scikit-learn"),
    ngx_string("seaborn"),
    ngx_string("scipy"),
    ngx_null_string
};


static const ngx_http_codeexec_endpoint_t
                                 ngx_http_codeexec_executor_endpoints[] = {

    { ngx_string("execute"),
      NGX_HTTP_POST,
      ngx_http_codeexec_executor_decode,
      ngx_http_codeexec_executor_status,
      ngx_http_codeexec_executor_encode },

    { ngx_string("validate"),
      NGX_HTTP_POST,
      ngx_http_codeexec_executor_check,
      ngx_http_codeexec_executor_status,
      ngx_http_codeexec_executor_encode_check },

    { ngx_string("templates"),
      NGX_HTTP_GET,
      ngx_http_codeexec_executor_templates,
      NULL,
      NULL },

    { ngx_string("templates/"),
      NGX_HTTP_GET,
      ngx_http_codeexec_executor_template,
      NULL,
      NULL },

    { ngx_string("health"),
      NGX_HTTP_GET|NGX_HTTP_CODEEXEC_OPEN,
      ngx_http_codeexec_executor_health,
      ngx_http_codeexec_executor_healthy,
      ngx_http_codeexec_executor_state },

    { ngx_string(""),
      NGX_HTTP_GET|NGX_HTTP_CODEEXEC_OPEN,
      ngx_http_codeexec_executor_about,
      NULL,
      NULL },

    { ngx_null_string, 0, NULL, NULL, NULL }
};


const ngx_http_codeexec_dialect_t  ngx_http_codeexec_executor = {
    ngx_string("executor"),
    ngx_http_codeexec_executor_endpoints,
    ngx_http_codeexec_fastapi_error
};


static ngx_int_t
ngx_http_codeexec_executor_about(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body)
{
    ngx_str_set(&ctx->body, "{\"service\":\"Python Executor Service\","
                            "\"status\":\"running\",\"version\":\"1.2.0\"}");

    return NGX_DONE;
}


/* It is codeexecd that is healthy or not. */

static ngx_int_t
ngx_http_codeexec_executor_health(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body)
{
    ctx->job.query = 1;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_codeexec_executor_healthy(ngx_http_codeexec_ctx_t *ctx)
{
    return NGX_HTTP_OK;
}


static ngx_int_t
ngx_http_codeexec_executor_state(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    json_t                      *packages;
    ngx_uint_t                   i;
    ngx_http_codeexec_writer_t   w;

    packages = json_object_get(json_object_get(json_object_get(ctx->json,
                                                               "packages"),
                                               "python"),
                               "packages");

    ngx_memzero(&w, sizeof(ngx_http_codeexec_writer_t));

    for (i = 0; i < 2; i++) {

        ngx_http_codeexec_executor_write_health(&w, packages);

        if (i == 0 && ngx_http_codeexec_make_room(ctx, &w) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* All libraries of the API, or those that codeexecd knows to be there. */

static void
ngx_http_codeexec_executor_write_health(ngx_http_codeexec_writer_t *w,
    json_t *packages)
{
    size_t       begin;
    ngx_str_t   *library;

    ngx_http_codeexec_put_text(w, "{\"status\":\"healthy\","
                                  "\"version\":\"1.2.0\","
                                  "\"available_libraries\":[");

    begin = w->len;

    for (library = ngx_http_codeexec_libraries; library->len; library++) {

        if (packages == NULL
            || json_object_get(packages, (char *) library->data))
        {
            ngx_http_codeexec_put_comma(w, begin);
            ngx_http_codeexec_put_string(w, library);
        }
    }

    ngx_http_codeexec_put_text(w, "]}");
}
