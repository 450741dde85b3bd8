
/*
 * Copyright (C) The codeexec authors.
 *
 * The API of RAGFlow's sandbox: a request becomes a job.
 */


#include "ngx_http_codeexec_ragflow.h"


static ngx_int_t ngx_http_codeexec_ragflow_check(ngx_http_codeexec_ctx_t *ctx);
static void ngx_http_codeexec_ragflow_check_code(ngx_http_codeexec_ctx_t *ctx,
    json_t *issues);
static void ngx_http_codeexec_ragflow_check_language(
    ngx_http_codeexec_ctx_t *ctx, json_t *issues);
static const char *ngx_http_codeexec_ragflow_base64(u_char *p, size_t len,
    char *message);
static ngx_int_t ngx_http_codeexec_ragflow_set_code(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_ragflow_set_arguments(
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);
static void ngx_http_codeexec_ragflow_set_options(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_ragflow_refuse_nul(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);


#define NGX_HTTP_CODEEXEC_RAGFLOW_MESSAGE  160


static ngx_str_t  ngx_http_codeexec_ragflow_python = ngx_string("python");
static ngx_str_t  ngx_http_codeexec_ragflow_nodejs = ngx_string("nodejs");
static ngx_str_t  ngx_http_codeexec_ragflow_arguments =
    ngx_string("arguments");

static ngx_str_t  ngx_http_codeexec_ragflow_main = ngx_string(
    "{\"variables\":true,\"style\":\"ragflow\"}");

static ngx_str_t  ngx_http_codeexec_ragflow_main_a = ngx_string(
    "{\"variables\":true,\"style\":\"ragflow\",\"print\":true}");

static ngx_str_t  ngx_http_codeexec_ragflow_rules =
    ngx_string("\"ragflow\":\"c\"");

static ngx_str_t  ngx_http_codeexec_ragflow_rules_a =
    ngx_string("\"ragflow\":\"a\"");

static ngx_str_t  ngx_http_codeexec_ragflow_directory =
    ngx_string("\"directories\":[\"artifacts\"]");

#define NGX_HTTP_CODEEXEC_RAGFLOW_COLLECT                                     \
    "\"artifacts/*.png\",\"artifacts/*.jpg\",\"artifacts/*.jpeg\","           \
    "\"artifacts/*.svg\",\"artifacts/*.pdf\",\"artifacts/*.csv\","            \
    "\"artifacts/*.json\",\"artifacts/*.html\""

static ngx_str_t  ngx_http_codeexec_ragflow_collect =
    ngx_string("[" NGX_HTTP_CODEEXEC_RAGFLOW_COLLECT "]");

static ngx_str_t  ngx_http_codeexec_ragflow_collect_d =
    ngx_string("[" NGX_HTTP_CODEEXEC_RAGFLOW_COLLECT ","
               "\"*.png\",\"*.jpg\",\"*.jpeg\",\"*.svg\",\"*.pdf\","
               "\"*.csv\",\"*.json\",\"*.html\"]");

static ngx_str_t  ngx_http_codeexec_ragflow_not_utf8 =
    ngx_string("the code is not UTF-8");


ngx_int_t
ngx_http_codeexec_ragflow_decode(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body)
{
    ngx_int_t                      rc;
    ngx_str_t                      none;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    ctx->job.timeout = lcf->timeout;
    ngx_str_null(&none);

    rc = ngx_http_codeexec_fastapi_body(r, ctx, body);

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_ragflow_check(ctx);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_set_id(ctx, &none);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_ragflow_set_arguments(ctx, body);
    }

    if (rc == NGX_OK) {
        ngx_http_codeexec_ragflow_set_options(r, ctx);

        rc = ngx_http_codeexec_ragflow_set_code(r, ctx);
    }

    return rc;
}


/* All that is wrong is told at once, in the order of the members. */

static ngx_int_t
ngx_http_codeexec_ragflow_check(ngx_http_codeexec_ctx_t *ctx)
{
    json_t  *issues, *value;

    issues = json_array();

    ngx_http_codeexec_ragflow_check_code(ctx, issues);
    ngx_http_codeexec_ragflow_check_language(ctx, issues);

    value = json_object_get(ctx->json, "arguments");

    if (value && !json_is_null(value) && !json_is_object(value)) {
        ngx_http_codeexec_add_issue(issues, "dict_type",
                                    "Input should be a valid dictionary",
                                    json_pack("[s, s]", "body", "arguments"),
                                    json_incref(value), NULL);
    }

    if (json_array_size(issues)) {
        return ngx_http_codeexec_refuse_issues(ctx, issues);
    }

    json_decref(issues);

    return NGX_OK;
}


static void
ngx_http_codeexec_ragflow_check_code(ngx_http_codeexec_ctx_t *ctx,
    json_t *issues)
{
    char         message[NGX_HTTP_CODEEXEC_RAGFLOW_MESSAGE];
    json_t      *value, *loc;
    const char  *error;

    loc = json_pack("[s, s]", "body", "code_b64");
    value = json_object_get(ctx->json, "code_b64");

    if (value == NULL) {
        ngx_http_codeexec_add_issue(issues, "missing", "Field required", loc,
                                    json_incref(ctx->json), NULL);
        return;
    }

    if (!json_is_string(value)) {
        ngx_http_codeexec_add_issue(issues, "string_type",
                                    "Input should be a valid string", loc,
                                    json_incref(value), NULL);
        return;
    }

    error = ngx_http_codeexec_ragflow_base64(
                                        (u_char *) json_string_value(value),
                                        json_string_length(value), message);
    if (error == NULL) {
        json_decref(loc);
        return;
    }

    ngx_http_codeexec_add_issue(issues, "value_error", error, loc,
                                json_incref(value),
                                json_pack("{s:{}}", "error"));
}


static void
ngx_http_codeexec_ragflow_check_language(ngx_http_codeexec_ctx_t *ctx,
    json_t *issues)
{
    json_t      *value;
    const char  *name;

    ctx->job.language = ngx_http_codeexec_ragflow_python;

    value = json_object_get(ctx->json, "language");

    if (value == NULL) {
        return;
    }

    name = json_string_value(value);

    if (name && json_string_length(value) == ngx_strlen(name)) {

        if (ngx_strcmp(name, "python") == 0) {
            return;
        }

        if (ngx_strcmp(name, "nodejs") == 0) {
            ctx->job.language = ngx_http_codeexec_ragflow_nodejs;
            return;
        }
    }

    ngx_http_codeexec_add_issue(issues, "enum",
                                "Input should be 'python' or 'nodejs'",
                                json_pack("[s, s]", "body", "language"),
                                json_incref(value),
                                json_pack("{s:s}", "expected",
                                          "'python' or 'nodejs'"));
}


/* What Python's strict decoder says; nginx's takes what it can. */

static const char *
ngx_http_codeexec_ragflow_base64(u_char *p, size_t len, char *message)
{
    size_t       i, n;
    ngx_uint_t   pads;
    const char  *error;

    error = NULL;
    pads = 0;

    for (i = 0, n = 0; i < len; i++) {

        if (p[i] >= 0x80) {
            return "Value error, Invalid base64 encoding: string argument "
                   "should contain only ASCII characters";
        }

        if (error) {
            continue;
        }

        if (p[i] == '=') {
            pads++;

            if (i == 0) {
                error = "Leading padding not allowed";

            } else if (n % 4 >= 2 && n % 4 + pads >= 4) {
                error = (i + 1 < len) ? "Excess data after padding" : "";
            }

        } else if (!ngx_http_codeexec_is_base64(p[i])) {
            error = "Only base64 data is allowed";

        } else if (pads) {
            error = "Discontinuous padding not allowed";

        } else {
            n++;
        }
    }

    if (error == NULL && n % 4 == 1) {
        (void) ngx_snprintf((u_char *) message,
                            NGX_HTTP_CODEEXEC_RAGFLOW_MESSAGE,
                            "Value error, Invalid base64 encoding: Invalid "
                            "base64-encoded string: number of data "
                            "characters (%uz) cannot be 1 more than a "
                            "multiple of 4%Z", n);
        return message;
    }

    if (error == NULL && n % 4) {
        error = "Incorrect padding";
    }

    if (error == NULL || *error == '\0') {
        return NULL;
    }

    (void) ngx_snprintf((u_char *) message, NGX_HTTP_CODEEXEC_RAGFLOW_MESSAGE,
                        "Value error, Invalid base64 encoding: %s%Z", error);

    return message;
}


static ngx_int_t
ngx_http_codeexec_ragflow_set_code(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    json_t     *value;
    ngx_str_t   text, code;

    value = json_object_get(ctx->json, "code_b64");

    text.data = (u_char *) json_string_value(value);
    text.len = json_string_length(value);

    /* it takes no padding but the right one */

    while (text.len && text.data[text.len - 1] == '=') {
        text.len--;
    }

    code.data = ngx_pnalloc(r->pool,
                            ngx_base64_decoded_length(text.len) + 1);
    if (code.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_decode_base64(&code, &text) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_codeexec_utf8_check(&code) != NGX_OK) {
        return ngx_http_codeexec_ragflow_fail(r, ctx, -999,
                                         "unhandled_exception",
                                         &ngx_http_codeexec_ragflow_not_utf8)
               == NGX_OK ? NGX_DONE : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (code.len && ngx_strlchr(code.data, code.data + code.len, '\0')) {
        return ngx_http_codeexec_ragflow_refuse_nul(r, ctx);
    }

    return ngx_http_codeexec_set_source(ctx, &code);
}


/* Neither interpreter takes one, and no file of a run is needed for that. */

static ngx_int_t
ngx_http_codeexec_ragflow_refuse_nul(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_str_t                           text;
    ngx_http_codeexec_ragflow_answer_t  answer;

    if (ctx->job.language.data == ngx_http_codeexec_ragflow_python.data) {
        ngx_str_set(&text, "Line -1: Parsing Error: source code string "
                           "cannot contain null bytes");

        return ngx_http_codeexec_ragflow_fail(r, ctx, -999, "Code is unsafe",
                                              &text)
               == NGX_OK ? NGX_DONE : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&answer, sizeof(ngx_http_codeexec_ragflow_answer_t));

    answer.status = "program_error";
    answer.exit_code = 1;
    answer.time_us = -1;
    answer.error = "nonzero_exit";
    ngx_str_set(&answer.errors, "SyntaxError: Invalid or unexpected token\n");

    return ngx_http_codeexec_ragflow_send(r, ctx, &answer) == NGX_OK
           ? NGX_DONE : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


/* As they were written: integers may be of any size. */

static ngx_int_t
ngx_http_codeexec_ragflow_set_arguments(ngx_http_codeexec_ctx_t *ctx,
    ngx_str_t *body)
{
    ngx_str_t                      text;
    ngx_http_codeexec_loc_conf_t  *lcf;

    if (json_object_size(json_object_get(ctx->json, "arguments")) == 0) {
        return NGX_OK;
    }

    if (ngx_http_codeexec_json_member(body,
                                      &ngx_http_codeexec_ragflow_arguments,
                                      &text)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    lcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_codeexec_module);

    if (text.len > lcf->max_variables_size) {
        return ngx_http_codeexec_refuse(ctx,
                                  NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                  "\"arguments\" is larger than %uz bytes",
                                  lcf->max_variables_size);
    }

    ctx->job.variables = text;

    return NGX_OK;
}


static void
ngx_http_codeexec_ragflow_set_options(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    u_char                         generation;
    ngx_uint_t                     python;
    ngx_http_codeexec_job_t       *job;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    job = &ctx->job;
    generation = ngx_http_codeexec_ragflow_generation(r);
    python = job->language.data == ngx_http_codeexec_ragflow_python.data;

    job->inline_only = 1;
    job->claims_only = 1;
    job->main = ngx_http_codeexec_ragflow_main;

    if (generation == 'a') {
        job->main = ngx_http_codeexec_ragflow_main_a;

        if (python) {
            job->rules = ngx_http_codeexec_ragflow_rules_a;
        }

        return;
    }

    if (python) {
        job->rules = ngx_http_codeexec_ragflow_rules;
        job->options = ngx_http_codeexec_ragflow_directory;

    } else {
        job->deny = lcf->api_deny;
    }

    job->collect = (generation == 'd') ? ngx_http_codeexec_ragflow_collect_d
                                       : ngx_http_codeexec_ragflow_collect;
}
