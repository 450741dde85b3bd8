
/*
 * Copyright (C) The codeexec authors.
 */


#include "ngx_http_codeexec_module.h"


static ngx_int_t ngx_http_codeexec_decode_members(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_decode_variables(
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);
static ngx_int_t ngx_http_codeexec_decode_options(
    ngx_http_codeexec_ctx_t *ctx);
static json_t *ngx_http_codeexec_get(ngx_http_codeexec_ctx_t *ctx,
    const char *name);
static ngx_int_t ngx_http_codeexec_get_string(ngx_http_codeexec_ctx_t *ctx,
    const char *name, ngx_str_t *value);


const ngx_http_codeexec_dialect_t  ngx_http_codeexec_native = {
    ngx_string("native"),
    ngx_http_codeexec_decode_request,
    ngx_http_codeexec_result_status,
    ngx_http_codeexec_encode_result,
    ngx_http_codeexec_encode_error
};


static ngx_str_t  ngx_http_codeexec_python = ngx_string("python");
static ngx_str_t  ngx_http_codeexec_variables = ngx_string("variables");


ngx_int_t
ngx_http_codeexec_decode_request(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body)
{
    ngx_int_t                      rc;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    ctx->job.timeout = lcf->timeout;
    ctx->job.detail = lcf->detail;

    if (r->method & NGX_HTTP_GET) {
        return ngx_http_codeexec_decode_query(r, ctx);
    }

    /*
     * Numbers matter in the variables only, which are passed on as they were
     * written; as reals they may be of any size.
     */

    ctx->json = ngx_http_codeexec_json_parse(body, JSON_ALLOW_NUL
                                                   |JSON_DECODE_INT_AS_REAL);

    if (json_object_size(ctx->json) == 0) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                        "Invalid JSON");
    }

    rc = ngx_http_codeexec_decode_members(r, ctx);

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_decode_variables(ctx, body);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_decode_options(ctx);
    }

    return rc;
}


static ngx_int_t
ngx_http_codeexec_decode_members(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_int_t   rc;
    ngx_str_t   id, name, code, input;

    rc = ngx_http_codeexec_get_string(ctx, "execution_id", &id);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_codeexec_set_id(ctx, &id);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_codeexec_get_string(ctx, "languageType", &name);

    if (rc == NGX_OK && name.data == NULL) {
        rc = ngx_http_codeexec_get_string(ctx, "language", &name);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_codeexec_set_language(ctx, name.data ? &name
                                                  : &ngx_http_codeexec_python);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_codeexec_get_string(ctx, "code", &code);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_codeexec_set_code(ctx, &code);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_codeexec_get_string(ctx, "stdin", &input);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_codeexec_set_input(ctx, &input);
}


static ngx_int_t
ngx_http_codeexec_decode_variables(ngx_http_codeexec_ctx_t *ctx,
    ngx_str_t *body)
{
    json_t     *variables;
    ngx_str_t   text;

    variables = ngx_http_codeexec_get(ctx, "variables");

    if (variables == NULL) {
        return NGX_OK;
    }

    if (!json_is_object(variables)) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                        "Invalid variables format");
    }

    if (json_object_size(variables) == 0) {
        return NGX_OK;
    }

    if (ngx_http_codeexec_json_member(body, &ngx_http_codeexec_variables,
                                      &text)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_codeexec_set_variables(ctx, &text);
}


static ngx_int_t
ngx_http_codeexec_decode_options(ngx_http_codeexec_ctx_t *ctx)
{
    json_t     *value;
    ngx_int_t   rc;

    value = ngx_http_codeexec_get(ctx, "timeout");

    if (value) {
        rc = json_is_number(value)
                 ? ngx_http_codeexec_set_timeout(ctx, json_number_value(value))
                 : ngx_http_codeexec_bad_timeout(ctx);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    value = ngx_http_codeexec_get(ctx, "args");

    if (value) {
        rc = ngx_http_codeexec_set_args(ctx, value);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    value = ngx_http_codeexec_get(ctx, "detail");

    if (value) {

        if (!json_is_boolean(value)) {
            return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                            "\"detail\" must be a boolean");
        }

        ctx->job.detail = json_is_true(value);
    }

    return NGX_OK;
}


/* A member that is null counts as absent. */

static json_t *
ngx_http_codeexec_get(ngx_http_codeexec_ctx_t *ctx, const char *name)
{
    json_t  *value;

    value = json_object_get(ctx->json, name);

    return json_is_null(value) ? NULL : value;
}


static ngx_int_t
ngx_http_codeexec_get_string(ngx_http_codeexec_ctx_t *ctx, const char *name,
    ngx_str_t *value)
{
    json_t  *json;

    ngx_str_null(value);

    json = ngx_http_codeexec_get(ctx, name);

    if (json == NULL) {
        return NGX_OK;
    }

    if (!json_is_string(json)) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                        "\"%s\" must be a string", name);
    }

    if (ngx_http_codeexec_json_copy(ctx->request->pool, json, value)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_OK;
}
