
/*
 * Copyright (C) The codeexec authors.
 *
 * The executor API: a request becomes a job.  What is wrong with it is told
 * all at once, and in pydantic's words.
 */


#include "ngx_http_codeexec_executor.h"


/* Of the API itself; codeexec_max_timeout may be less. */

#define NGX_HTTP_CODEEXEC_EXECUTOR_TIMEOUT      30
#define NGX_HTTP_CODEEXEC_EXECUTOR_MAX_TIMEOUT  60

#define NGX_HTTP_CODEEXEC_EXECUTOR_MAX_CODE     100000


/* What of the body is of use, once it was found valid. */

typedef struct {
    ngx_str_t   code;
    double      timeout;                           /* seconds */
    json_t     *datasets;                          /* NULL if none */
    ngx_str_t   variables;                         /* JSON, or empty */
} ngx_http_codeexec_executor_input_t;


static ngx_int_t ngx_http_codeexec_executor_validate(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body,
    ngx_http_codeexec_executor_input_t *input);
static void ngx_http_codeexec_executor_check_code(ngx_http_codeexec_ctx_t *ctx,
    json_t *issues);
static void ngx_http_codeexec_executor_check_timeout(
    ngx_http_codeexec_ctx_t *ctx, json_t *issues,
    ngx_http_codeexec_executor_input_t *input);
static void ngx_http_codeexec_executor_check_datasets(
    ngx_http_codeexec_ctx_t *ctx, json_t *issues,
    ngx_http_codeexec_executor_input_t *input);
static json_t *ngx_http_codeexec_executor_member(ngx_http_codeexec_ctx_t *ctx,
    const char *alias, const char *name, const char **used);
static void ngx_http_codeexec_executor_issue(json_t *issues, const char *type,
    const char *message, const char *member, json_t *input);
static ngx_int_t ngx_http_codeexec_executor_job(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_http_codeexec_executor_input_t *input);
static ngx_int_t ngx_http_codeexec_executor_datasets(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, json_t *datasets);
static ngx_uint_t ngx_http_codeexec_executor_is_blank(ngx_str_t *code);
static ngx_uint_t ngx_http_codeexec_executor_is_long(ngx_str_t *code);


static ngx_str_t  ngx_http_codeexec_executor_python = ngx_string("python");

static ngx_str_t  ngx_http_codeexec_executor_blank =
    ngx_string("代码不能为空");

static ngx_str_t  ngx_http_codeexec_executor_long =
    ngx_string("代码过长（最大100KB）");

static ngx_str_t  ngx_http_codeexec_executor_options = ngx_string(
    "\"dedent\":true,\"dpi\":100,\"saved\":false,"
    "\"dataframes\":{\"rows\":100,\"border\":0,\"data\":\"shape\","
        "\"classes\":\"table table-striped table-bordered\"},"
    "\"imports\":{\"np\":\"numpy\",\"numpy\":\"numpy\","
        "\"pd\":\"pandas\",\"pandas\":\"pandas\","
        "\"matplotlib\":\"matplotlib\",\"plt\":\"matplotlib.pyplot\","
        "\"plotly\":\"plotly\",\"go\":\"plotly.graph_objects\","
        "\"px\":\"plotly.express\",\"sklearn\":\"sklearn\","
        "\"sns\":\"seaborn\",\"seaborn\":\"seaborn\",\"scipy\":\"scipy\","
        "\"Image\":\"PIL.Image\",\"ImageEnhance\":\"PIL.ImageEnhance\","
        "\"ImageFilter\":\"PIL.ImageFilter\",\"io\":\"io\","
        "\"base64\":\"base64\",\"json\":\"json\",\"re\":\"re\","
        "\"Counter\":\"collections:Counter\"}");


ngx_int_t
ngx_http_codeexec_executor_decode(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body)
{
    ngx_int_t                            rc;
    ngx_str_t                           *message;
    ngx_http_codeexec_executor_input_t   input;

    rc = ngx_http_codeexec_fastapi_body(r, ctx, body);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_codeexec_executor_validate(r, ctx, body, &input);

    if (rc != NGX_OK) {
        return rc;
    }

    message = NULL;

    if (ngx_http_codeexec_executor_is_blank(&input.code)) {
        message = &ngx_http_codeexec_executor_blank;

    } else if (ngx_http_codeexec_executor_is_long(&input.code)) {
        message = &ngx_http_codeexec_executor_long;
    }

    if (message) {
        return ngx_http_codeexec_executor_decline(ctx, message) == NGX_OK
               ? NGX_DONE : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_codeexec_executor_job(r, ctx, &input);
}


static ngx_int_t
ngx_http_codeexec_executor_validate(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body,
    ngx_http_codeexec_executor_input_t *input)
{
    json_t      *issues, *value;
    ngx_str_t    name;
    const char  *used;

    issues = json_array();

    ngx_memzero(input, sizeof(ngx_http_codeexec_executor_input_t));

    ngx_http_codeexec_executor_check_code(ctx, issues);
    ngx_http_codeexec_executor_check_timeout(ctx, issues, input);

    value = ngx_http_codeexec_executor_member(ctx, "outputFormat",
                                              "output_format", &used);

    if (value && !json_is_string(value)) {
        ngx_http_codeexec_executor_issue(issues, "string_type",
                                         "Input should be a valid string",
                                         used, value);
    }

    ngx_http_codeexec_executor_check_datasets(ctx, issues, input);

    value = ngx_http_codeexec_executor_member(ctx, "preloadedVariables",
                                              "preloaded_variables", &used);

    if (value && !json_is_null(value) && !json_is_object(value)) {
        ngx_http_codeexec_executor_issue(issues, "dict_type",
                                         "Input should be a valid dictionary",
                                         used, value);
    }

    if (json_array_size(issues)) {
        return ngx_http_codeexec_refuse_issues(ctx, issues);
    }

    json_decref(issues);

    if (json_object_size(value)) {
        name.data = (u_char *) used;
        name.len = ngx_strlen(used);

        if (ngx_http_codeexec_json_member(body, &name, &input->variables)
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return ngx_http_codeexec_json_copy(r->pool,
                                       json_object_get(ctx->json, "code"),
                                       &input->code)
           == NGX_OK ? NGX_OK : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static void
ngx_http_codeexec_executor_check_code(ngx_http_codeexec_ctx_t *ctx,
    json_t *issues)
{
    json_t  *code;

    code = json_object_get(ctx->json, "code");

    if (code == NULL) {
        ngx_http_codeexec_executor_issue(issues, "missing", "Field required",
                                         "code", ctx->json);

    } else if (!json_is_string(code)) {
        ngx_http_codeexec_executor_issue(issues, "string_type",
                                         "Input should be a valid string",
                                         "code", code);
    }
}


static void
ngx_http_codeexec_executor_check_timeout(ngx_http_codeexec_ctx_t *ctx,
    json_t *issues, ngx_http_codeexec_executor_input_t *input)
{
    u_char       text[64];
    json_t      *value;
    ngx_int_t    max;
    const char  *type, *message;

    max = ngx_min(ngx_http_codeexec_max_timeout(ctx) / 1000,
                  NGX_HTTP_CODEEXEC_EXECUTOR_MAX_TIMEOUT);
    max = ngx_max(max, 1);

    value = json_object_get(ctx->json, "timeout");

    if (value == NULL) {
        input->timeout = ngx_min(NGX_HTTP_CODEEXEC_EXECUTOR_TIMEOUT, max);
        return;
    }

    type = ngx_http_codeexec_lax_integer(value, &input->timeout, &message);

    if (type) {
        ngx_http_codeexec_executor_issue(issues, type, message, "timeout",
                                         value);

    } else if (input->timeout < 1) {
        ngx_http_codeexec_add_issue(issues, "greater_than_equal",
                         "Input should be greater than or equal to 1",
                         json_pack("[s, s]", "body", "timeout"),
                         json_incref(value), json_pack("{s:i}", "ge", 1));

    } else if (input->timeout > (double) max) {
        ngx_sprintf(text, "Input should be less than or equal to %i%Z", max);

        ngx_http_codeexec_add_issue(issues, "less_than_equal",
                         (char *) text,
                         json_pack("[s, s]", "body", "timeout"),
                         json_incref(value),
                         json_pack("{s:I}", "le", (json_int_t) max));
    }
}


static void
ngx_http_codeexec_executor_check_datasets(ngx_http_codeexec_ctx_t *ctx,
    json_t *issues, ngx_http_codeexec_executor_input_t *input)
{
    json_t      *datasets, *text;
    const char  *name;

    datasets = json_object_get(ctx->json, "datasets");

    if (datasets == NULL || json_is_null(datasets)) {
        return;
    }

    if (!json_is_object(datasets)) {
        ngx_http_codeexec_executor_issue(issues, "dict_type",
                                         "Input should be a valid dictionary",
                                         "datasets", datasets);
        return;
    }

    json_object_foreach(datasets, name, text) {

        if (!json_is_string(text)) {
            ngx_http_codeexec_add_issue(issues, "string_type",
                             "Input should be a valid string",
                             json_pack("[s, s, s]", "body", "datasets", name),
                             json_incref(text), NULL);
        }
    }

    if (json_object_size(datasets)) {
        input->datasets = datasets;
    }
}


/* Under the name of the field, if it is not there under its alias. */

static json_t *
ngx_http_codeexec_executor_member(ngx_http_codeexec_ctx_t *ctx,
    const char *alias, const char *name, const char **used)
{
    json_t  *value;

    *used = alias;

    value = json_object_get(ctx->json, alias);

    if (value == NULL) {
        *used = name;
        value = json_object_get(ctx->json, name);
    }

    return value;
}


static void
ngx_http_codeexec_executor_issue(json_t *issues, const char *type,
    const char *message, const char *member, json_t *input)
{
    ngx_http_codeexec_add_issue(issues, type, message,
                                json_pack("[s, s]", "body", member),
                                json_incref(input), NULL);
}


static ngx_int_t
ngx_http_codeexec_executor_job(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_http_codeexec_executor_input_t *input)
{
    ngx_int_t                 rc;
    ngx_str_t                 id;
    ngx_http_codeexec_job_t  *job;

    job = &ctx->job;

    job->timeout = ngx_min((ngx_msec_t) input->timeout * 1000,
                           ngx_http_codeexec_max_timeout(ctx));
    job->options = ngx_http_codeexec_executor_options;
    job->results = 1;
    job->return_variables = 1;
    job->syntax = 1;
    job->inline_only = 1;

    ngx_str_null(&id);

    rc = ngx_http_codeexec_set_id(ctx, &id);

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_set_language(ctx,
                                          &ngx_http_codeexec_executor_python);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_set_source(ctx, &input->code);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_set_variables(ctx, &input->variables);
    }

    if (rc == NGX_OK && input->datasets) {
        rc = ngx_http_codeexec_executor_datasets(r, ctx, input->datasets);
    }

    return rc;
}


/*
 * Files in the working directory, which the program may also find below a
 * directory that is named like a placeholder.
 */

static ngx_int_t
ngx_http_codeexec_executor_datasets(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, json_t *datasets)
{
    u_char                        *p;
    size_t                         len;
    ngx_int_t                      rc;
    ngx_str_t                     *options;
    ngx_uint_t                     i;
    ngx_http_codeexec_file_t      *files;
    ngx_http_codeexec_writer_t     w;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    if (!lcf->files) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                        "Files are not available");
    }

    rc = ngx_http_codeexec_set_files(ctx, "datasets", datasets);

    if (rc != NGX_OK) {
        return rc;
    }

    options = &ctx->job.options;
    files = ctx->job.files;

    /* a byte of a name becomes six of JSON at most */

    len = options->len + sizeof(",\"links\":{\"{{dataset_path}}\":\".\"},"
                                "\"files\":[]") - 1;

    for (i = 0; i < ctx->job.nfiles; i++) {
        len += sizeof("\"\",") - 1 + 6 * files[i].name.len;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    w.pos = p;
    w.len = 0;

    ngx_http_codeexec_put(&w, options->data, options->len);
    ngx_http_codeexec_put_text(&w, ",\"links\":{\"{{dataset_path}}\":\".\"},"
                                   "\"files\":[");

    for (i = 0; i < ctx->job.nfiles; i++) {

        if (i) {
            ngx_http_codeexec_put_text(&w, ",");
        }

        ngx_http_codeexec_put_string(&w, &files[i].name);
    }

    ngx_http_codeexec_put_text(&w, "]");

    options->data = p;
    options->len = w.len;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_codeexec_executor_is_blank(ngx_str_t *code)
{
    size_t  i;

    for (i = 0; i < code->len; i++) {

        if (code->data[i] != ' '
            && (code->data[i] < '\t' || code->data[i] > CR))
        {
            return 0;
        }
    }

    return 1;
}


/* In characters. */

static ngx_uint_t
ngx_http_codeexec_executor_is_long(ngx_str_t *code)
{
    size_t  i, n;

    n = 0;

    for (i = 0; i < code->len; i++) {
        n += (code->data[i] & 0xc0) != 0x80;
    }

    return n > NGX_HTTP_CODEEXEC_EXECUTOR_MAX_CODE;
}
