
/*
 * Copyright (C) The codeexec authors.
 */


#include "ngx_http_codeexec_module.h"


static ngx_int_t ngx_http_codeexec_decode_body(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);
static ngx_int_t ngx_http_codeexec_check_wishes(ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_decode_members(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_decode_variables(
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);
static ngx_int_t ngx_http_codeexec_decode_options(
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_decode_results(
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);
static ngx_int_t ngx_http_codeexec_decode_files(
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_get_flag(ngx_http_codeexec_ctx_t *ctx,
    const char *name, ngx_flag_t *flag);
static json_t *ngx_http_codeexec_get(ngx_http_codeexec_ctx_t *ctx,
    const char *name);
static ngx_int_t ngx_http_codeexec_get_string(ngx_http_codeexec_ctx_t *ctx,
    const char *name, ngx_str_t *value);


static ngx_str_t  ngx_http_codeexec_python = ngx_string("python");
static ngx_str_t  ngx_http_codeexec_variables = ngx_string("variables");
static ngx_str_t  ngx_http_codeexec_main = ngx_string("main");


ngx_int_t
ngx_http_codeexec_decode_request(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body)
{
    ngx_int_t                      rc;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    ctx->job.timeout = lcf->timeout;
    ctx->job.detail = lcf->detail;

    rc = (r->method & NGX_HTTP_GET)
             ? ngx_http_codeexec_decode_query(r, ctx)
             : ngx_http_codeexec_decode_body(r, ctx, body);

    return rc == NGX_OK ? ngx_http_codeexec_check_wishes(ctx) : rc;
}


static ngx_int_t
ngx_http_codeexec_decode_body(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body)
{
    ngx_int_t  rc;

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

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_decode_results(ctx, body);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_decode_files(ctx);
    }

    return rc;
}


/* What a client may ask for is for the location to say. */

static ngx_int_t
ngx_http_codeexec_check_wishes(ngx_http_codeexec_ctx_t *ctx)
{
    ngx_http_codeexec_job_t       *job;
    ngx_http_codeexec_loc_conf_t  *lcf;

    job = &ctx->job;
    lcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_codeexec_module);

    if (!lcf->results && ngx_http_codeexec_wants_results(job)) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                        "Results are not available");
    }

    if (!lcf->files && (job->nfiles || job->collect.len)) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                        "Files are not available");
    }

    return NGX_OK;
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

    value = ngx_http_codeexec_get(ctx, "env");

    if (value) {
        rc = ngx_http_codeexec_set_env(ctx, value);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return ngx_http_codeexec_get_flag(ctx, "detail", &ctx->job.detail);
}


/* What the program itself is to say, beside what it prints. */

static ngx_int_t
ngx_http_codeexec_decode_results(ngx_http_codeexec_ctx_t *ctx,
    ngx_str_t *body)
{
    json_t                   *value;
    ngx_int_t                 rc;
    ngx_str_t                 text;
    ngx_http_codeexec_job_t  *job;

    job = &ctx->job;

    rc = ngx_http_codeexec_get_flag(ctx, "results", &job->results);

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_get_flag(ctx, "last_value", &job->last_value);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_get_flag(ctx, "return_variables",
                                        &job->return_variables);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    value = ngx_http_codeexec_get(ctx, "main");

    if (value) {

        if (!json_is_object(value)) {
            return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                            "\"main\" must be an object");
        }

        if (ngx_http_codeexec_json_member(body, &ngx_http_codeexec_main,
                                          &text)
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        rc = ngx_http_codeexec_set_main(ctx, &text);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_decode_files(ngx_http_codeexec_ctx_t *ctx)
{
    json_t     *files, *wanted;
    ngx_int_t   rc;

    files = ngx_http_codeexec_get(ctx, "files");
    wanted = ngx_http_codeexec_get(ctx, "return_files");

    rc = NGX_OK;

    if (files) {
        rc = json_is_object(files)
                 ? ngx_http_codeexec_set_files(ctx, "files", files)
                 : ngx_http_codeexec_set_return(ctx, "files", files);
    }

    if (wanted && rc == NGX_OK) {

        if (files && !json_is_object(files)) {
            return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                            "\"files\" must be an object "
                                            "beside \"return_files\"");
        }

        rc = ngx_http_codeexec_set_return(ctx, "return_files", wanted);
    }

    return rc;
}


static ngx_int_t
ngx_http_codeexec_get_flag(ngx_http_codeexec_ctx_t *ctx, const char *name,
    ngx_flag_t *flag)
{
    json_t  *value;

    value = ngx_http_codeexec_get(ctx, name);

    if (value == NULL) {
        return NGX_OK;
    }

    if (!json_is_boolean(value)) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                        "\"%s\" must be a boolean", name);
    }

    *flag = json_is_true(value);

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
