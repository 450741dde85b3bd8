
/*
 * Copyright (C) The codeexec authors.
 *
 * Requests as FastAPI takes them, and its 422 for those that it does not: a
 * list of issues, each with what is wrong, where, and with what input.
 */


#include "ngx_http_codeexec_module.h"


static ngx_int_t ngx_http_codeexec_refuse_body(ngx_http_codeexec_ctx_t *ctx,
    const char *type, const char *message, json_t *input);
static ngx_int_t ngx_http_codeexec_refuse_json(ngx_http_codeexec_ctx_t *ctx,
    ngx_str_t *body);
static json_t *ngx_http_codeexec_load(ngx_str_t *body);
static ngx_uint_t ngx_http_codeexec_lax_digits(u_char *p, size_t len,
    double *number);


/*
 * Leaves an object in ctx->json, or returns what
 * ngx_http_codeexec_refuse() did.
 */

ngx_int_t
ngx_http_codeexec_fastapi_body(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body)
{
    if (body->len == 0) {
        return ngx_http_codeexec_refuse_body(ctx, "missing", "Field required",
                                             json_null());
    }

    if (r->headers_in.content_type && !ngx_http_codeexec_is_json_type(r)) {

        if (ngx_http_codeexec_utf8_check(body) != NGX_OK) {
            return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                       "There was an error parsing the body");
        }

        return ngx_http_codeexec_refuse_body(ctx, "model_attributes_type",
                          "Input should be a valid dictionary or object to "
                          "extract fields from",
                          json_stringn((char *) body->data, body->len));
    }

    /* a byte order mark, which Python takes away, too */

    if (body->len >= 3 && ngx_memcmp(body->data, "\xef\xbb\xbf", 3) == 0) {
        body->data += 3;
        body->len -= 3;
    }

    ctx->json = ngx_http_codeexec_load(body);

    if (json_is_object(ctx->json)) {
        return NGX_OK;
    }

    if (ctx->json == NULL) {
        return ngx_http_codeexec_refuse_json(ctx, body);
    }

    if (json_is_null(ctx->json)) {
        return ngx_http_codeexec_refuse_body(ctx, "missing", "Field required",
                                             json_null());
    }

    return ngx_http_codeexec_refuse_body(ctx, "model_attributes_type",
                          "Input should be a valid dictionary or object to "
                          "extract fields from", json_incref(ctx->json));
}


/* Integers are as they were written, unless one has more than 64 bits. */

static json_t *
ngx_http_codeexec_load(ngx_str_t *body)
{
    json_t  *json;

    json = ngx_http_codeexec_json_parse(body,
                                        JSON_ALLOW_NUL|JSON_DECODE_ANY);
    if (json) {
        return json;
    }

    return ngx_http_codeexec_json_parse(body, JSON_ALLOW_NUL|JSON_DECODE_ANY
                                              |JSON_DECODE_INT_AS_REAL);
}


static ngx_int_t
ngx_http_codeexec_refuse_json(ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body)
{
    json_t      *issues;
    ngx_uint_t   pos;
    const char  *error;

    error = (ngx_http_codeexec_utf8_check(body) == NGX_OK)
                ? ngx_http_codeexec_json_error(body, &pos) : NULL;

    if (error == NULL) {

        /* JSON to Python, perhaps, but more than we take */

        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                       "There was an error parsing the body");
    }

    issues = json_array();

    ngx_http_codeexec_add_issue(issues, "json_invalid", "JSON decode error",
                                json_pack("[s, I]", "body",
                                          (json_int_t) pos),
                                json_object(),
                                json_pack("{s:s}", "error", error));

    return ngx_http_codeexec_refuse_issues(ctx, issues);
}


static ngx_int_t
ngx_http_codeexec_refuse_body(ngx_http_codeexec_ctx_t *ctx, const char *type,
    const char *message, json_t *input)
{
    json_t  *issues;

    issues = json_array();

    ngx_http_codeexec_add_issue(issues, type, message,
                                json_pack("[s]", "body"), input, NULL);

    return ngx_http_codeexec_refuse_issues(ctx, issues);
}


void
ngx_http_codeexec_add_issue(json_t *issues, const char *type,
    const char *message, json_t *loc, json_t *input, json_t *more)
{
    json_t  *issue;

    issue = json_pack("{s:s, s:o, s:s, s:o}", "type", type, "loc", loc,
                      "msg", message, "input", input);

    if (more && json_object_set_new(issue, "ctx", more) != 0) {
        json_decref(issue);
        issue = NULL;
    }

    /* an issue that could not be made is missed when they are counted */

    if (json_array_append_new(issues, issue) != 0) {
        (void) json_array_append_new(issues, json_null());
    }
}


ngx_int_t
ngx_http_codeexec_refuse_issues(ngx_http_codeexec_ctx_t *ctx, json_t *issues)
{
    char        *text;
    size_t       i, len;
    json_t      *issue;
    ngx_str_t   *refusal;
    ngx_int_t    rc;

    text = NULL;
    rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    json_array_foreach(issues, i, issue) {
        if (json_is_null(issue)) {
            goto done;
        }
    }

    text = json_dumps(issues, JSON_COMPACT);
    if (text == NULL) {
        goto done;
    }

    len = ngx_strlen(text);
    refusal = &ctx->refusal;

    refusal->len = sizeof("{\"detail\":}") - 1 + len;
    refusal->data = ngx_pnalloc(ctx->request->pool, refusal->len);

    if (refusal->data) {
        ngx_sprintf(refusal->data, "{\"detail\":%*s}", len, text);

        rc = ngx_http_codeexec_refuse(ctx, NGX_HTTP_CODEEXEC_UNPROCESSABLE,
                                      "the request is not valid");
    }

done:

    free(text);
    json_decref(issues);

    return rc;
}


/* An integer where pydantic is lax, or what is wrong with it. */

const char *
ngx_http_codeexec_lax_integer(json_t *value, double *number,
    const char **message)
{
    *message = "Input should be a valid integer";

    if (json_is_boolean(value)) {
        *number = json_is_true(value);
        return NULL;
    }

    if (json_is_number(value)) {
        *number = json_number_value(value);

        if (*number > -1e15 && *number < 1e15
            && *number != (double) (int64_t) *number)
        {
            *message = "Input should be a valid integer, got a number with a "
                       "fractional part";
            return "int_from_float";
        }

        return NULL;
    }

    if (!json_is_string(value)) {
        return "int_type";
    }

    if (!ngx_http_codeexec_lax_digits((u_char *) json_string_value(value),
                                      json_string_length(value), number))
    {
        *message = "Input should be a valid integer, unable to parse string "
                   "as an integer";
        return "int_parsing";
    }

    return NULL;
}


/* " +1_000.00 " */

static ngx_uint_t
ngx_http_codeexec_lax_digits(u_char *p, size_t len, double *number)
{
    u_char      *last;
    ngx_uint_t   negative;

    last = p + len;

    while (p < last && (*p == ' ' || (*p >= '\t' && *p <= CR))) {
        p++;
    }

    while (p < last
           && (last[-1] == ' ' || (last[-1] >= '\t' && last[-1] <= CR)))
    {
        last--;
    }

    negative = (p < last && *p == '-');

    if (p < last && (*p == '-' || *p == '+')) {
        p++;
    }

    if (p == last || *p < '0' || *p > '9') {
        return 0;
    }

    *number = 0;

    for ( /* void */ ; p < last && *p != '.'; p++) {

        if (*p == '_' && p + 1 < last && p[1] >= '0' && p[1] <= '9') {
            continue;
        }

        if (*p < '0' || *p > '9') {
            return 0;
        }

        *number = *number * 10 + (*p - '0');
    }

    if (p < last && ++p == last) {
        return 0;
    }

    while (p < last && *p == '0') {
        p++;
    }

    if (negative) {
        *number = - *number;
    }

    return p == last;
}


/* {"detail":"…"} */

ngx_int_t
ngx_http_codeexec_fastapi_error(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *message)
{
    ngx_http_codeexec_writer_t  w;

    ngx_memzero(&w, sizeof(ngx_http_codeexec_writer_t));

    ngx_http_codeexec_put_escaped(&w, message->data, message->len);

    ctx->body.len = w.len + sizeof("{\"detail\":\"\"}") - 1;
    ctx->body.data = ngx_pnalloc(r->pool, ctx->body.len);
    if (ctx->body.data == NULL) {
        return NGX_ERROR;
    }

    w.pos = ctx->body.data;

    ngx_http_codeexec_put_text(&w, "{\"detail\":\"");
    ngx_http_codeexec_put_escaped(&w, message->data, message->len);
    ngx_http_codeexec_put_text(&w, "\"}");

    return NGX_OK;
}
