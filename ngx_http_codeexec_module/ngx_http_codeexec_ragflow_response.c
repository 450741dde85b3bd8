
/*
 * Copyright (C) The codeexec authors.
 *
 * The API of RAGFlow's sandbox: a result becomes an answer.
 */


#include "ngx_http_codeexec_ragflow.h"


#define NGX_HTTP_CODEEXEC_RAGFLOW_ARTIFACTS      10
#define NGX_HTTP_CODEEXEC_RAGFLOW_ARTIFACT_SIZE  (10 * 1024 * 1024)


static void ngx_http_codeexec_ragflow_judge(ngx_http_codeexec_ctx_t *ctx,
    ngx_http_codeexec_ragflow_answer_t *answer);
static void ngx_http_codeexec_ragflow_judge_error(
    ngx_http_codeexec_ctx_t *ctx, ngx_http_codeexec_ragflow_answer_t *answer);
static ngx_uint_t ngx_http_codeexec_ragflow_has(ngx_str_t *text,
    const char *part);
static void ngx_http_codeexec_ragflow_write(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx, ngx_http_codeexec_ragflow_answer_t *answer,
    u_char generation);
static void ngx_http_codeexec_ragflow_put_word(ngx_http_codeexec_writer_t *w,
    const char *member, const char *word);
static void ngx_http_codeexec_ragflow_put_time(ngx_http_codeexec_writer_t *w,
    int64_t usec);
static void ngx_http_codeexec_ragflow_write_artifacts(
    ngx_http_codeexec_writer_t *w, ngx_http_codeexec_result_t *res);
static const char *ngx_http_codeexec_ragflow_artifact(
    ngx_http_codeexec_result_t *res, ngx_uint_t n, ngx_str_t *name);
static ngx_uint_t ngx_http_codeexec_ragflow_in_artifacts(ngx_str_t *name);
static const char *ngx_http_codeexec_ragflow_type(ngx_str_t *name);


static ngx_str_t  ngx_http_codeexec_ragflow_directory =
    ngx_string("artifacts/");

static ngx_str_t  ngx_http_codeexec_ragflow_busy =
    ngx_string("Container pool is busy");


static struct {
    ngx_str_t    name;
    const char  *type;

} ngx_http_codeexec_ragflow_types[] = {
    { ngx_string(".png"), "image/png" },
    { ngx_string(".jpg"), "image/jpeg" },
    { ngx_string(".jpeg"), "image/jpeg" },
    { ngx_string(".svg"), "image/svg+xml" },
    { ngx_string(".pdf"), "application/pdf" },
    { ngx_string(".csv"), "text/csv" },
    { ngx_string(".json"), "application/json" },
    { ngx_string(".html"), "text/html" },
    { ngx_null_string, NULL }
};


ngx_uint_t
ngx_http_codeexec_ragflow_status(ngx_http_codeexec_ctx_t *ctx)
{
    if (ctx->outcome == NGX_HTTP_CODEEXEC_REJECTED
        && ctx->refused_with == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE)
    {
        return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
    }

    return NGX_HTTP_OK;
}


ngx_int_t
ngx_http_codeexec_ragflow_encode(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_int_t                           rc;
    ngx_str_t                           text;
    ngx_http_codeexec_ragflow_answer_t  answer;

    if (ctx->rejection && !ctx->rejection->syntax) {

        text = ngx_http_codeexec_rejection_text(r, ctx->rejection);

        return text.data ? ngx_http_codeexec_ragflow_fail(r, ctx, -999,
                                                    "Code is unsafe", &text)
                         : NGX_ERROR;
    }

    switch (ctx->outcome) {

    case NGX_HTTP_CODEEXEC_BUSY:
        return ngx_http_codeexec_ragflow_fail(r, ctx, -10,
                                             "no_available_container",
                                             &ngx_http_codeexec_ragflow_busy);

    case NGX_HTTP_CODEEXEC_REJECTED:

        if (ctx->status != NGX_HTTP_OK) {
            return ngx_http_codeexec_fastapi_error(r, ctx, &ctx->message);
        }

        return ngx_http_codeexec_ragflow_fail(r, ctx, -3, "internal_error",
                                              &ctx->message);
    }

    ngx_http_codeexec_ragflow_judge(ctx, &answer);

    rc = ngx_http_codeexec_ragflow_send(r, ctx, &answer);

    ngx_http_codeexec_free_result(r, ctx);

    return rc;
}


static void
ngx_http_codeexec_ragflow_judge(ngx_http_codeexec_ctx_t *ctx,
    ngx_http_codeexec_ragflow_answer_t *answer)
{
    ngx_http_codeexec_result_t  *res;

    ngx_memzero(answer, sizeof(ngx_http_codeexec_ragflow_answer_t));

    res = &ctx->result;

    answer->time_us = res->time_us;

    switch (ctx->outcome) {

    case NGX_HTTP_CODEEXEC_OK:
        answer->status = "success";
        answer->success = 1;
        answer->output.data = res->output.data;
        answer->output.len = res->output.len;
        answer->errors.data = res->errors.data;
        answer->errors.len = res->errors.len;
        break;

    case NGX_HTTP_CODEEXEC_TIMEOUT:
        answer->status = "resource_limit_exceeded";
        answer->exit_code = -124;
        answer->limit = "time";
        ngx_str_set(&answer->errors, "Execution timeout");
        break;

    case NGX_HTTP_CODEEXEC_MEMORY:
        answer->status = "resource_limit_exceeded";
        answer->exit_code = -137;
        answer->limit = "memory";
        ngx_str_set(&answer->errors, "Memory limit exceeded (killed by OOM)");
        break;

    default:
        ngx_http_codeexec_ragflow_judge_error(ctx, answer);
    }
}


/* By what its stderr says, as clients know it. */

static void
ngx_http_codeexec_ragflow_judge_error(ngx_http_codeexec_ctx_t *ctx,
    ngx_http_codeexec_ragflow_answer_t *answer)
{
    ngx_http_codeexec_result_t  *res;

    res = &ctx->result;

    answer->time_us = -1;
    answer->errors.data = res->errors.data;
    answer->errors.len = res->errors.len;
    answer->exit_code = (res->signal > 0) ? 128 + res->signal
                                          : res->exit_code;

    if (ngx_http_codeexec_ragflow_has(&answer->errors, "Permission denied")) {
        answer->status = "unauthorized_access";
        answer->access = "file_access";

    } else if (ngx_http_codeexec_ragflow_has(&answer->errors,
                                             "Operation not permitted"))
    {
        answer->status = "unauthorized_access";
        answer->access = "disallowed_syscall";

    } else if (ngx_http_codeexec_ragflow_has(&answer->errors, "MemoryError")) {
        answer->status = "resource_limit_exceeded";
        answer->limit = "memory";

    } else {
        answer->status = "program_error";
        answer->error = "nonzero_exit";
    }
}


static ngx_uint_t
ngx_http_codeexec_ragflow_has(ngx_str_t *text, const char *part)
{
    return text->len >= ngx_strlen(part)
           && ngx_strnstr(text->data, (char *) part, text->len) != NULL;
}


ngx_int_t
ngx_http_codeexec_ragflow_fail(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_int_t exit_code, const char *detail,
    ngx_str_t *errors)
{
    ngx_http_codeexec_ragflow_answer_t  answer;

    ngx_memzero(&answer, sizeof(ngx_http_codeexec_ragflow_answer_t));

    answer.status = "program_runner_error";
    answer.errors = *errors;
    answer.exit_code = exit_code;
    answer.detail = detail;
    answer.time_us = -1;

    return ngx_http_codeexec_ragflow_send(r, ctx, &answer);
}


ngx_int_t
ngx_http_codeexec_ragflow_send(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_http_codeexec_ragflow_answer_t *answer)
{
    u_char                      generation;
    ngx_http_codeexec_writer_t  w;

    ngx_memzero(&w, sizeof(ngx_http_codeexec_writer_t));

    generation = ngx_http_codeexec_ragflow_generation(r);

    ngx_http_codeexec_ragflow_write(&w, ctx, answer, generation);

    if (ngx_http_codeexec_make_room(ctx, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_codeexec_ragflow_write(&w, ctx, answer, generation);

    return NGX_OK;
}


static void
ngx_http_codeexec_ragflow_write(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx, ngx_http_codeexec_ragflow_answer_t *answer,
    u_char generation)
{
    ngx_http_codeexec_shown_t   *claim;
    ngx_http_codeexec_result_t  *res;

    res = &ctx->result;

    ngx_http_codeexec_ragflow_put_word(w, "{\"status\":", answer->status);
    ngx_http_codeexec_put_text(w, ",\"stdout\":");
    ngx_http_codeexec_put_string(w, &answer->output);
    ngx_http_codeexec_put_text(w, ",\"stderr\":");
    ngx_http_codeexec_put_string(w, &answer->errors);
    ngx_http_codeexec_put_text(w, ",\"exit_code\":");
    ngx_http_codeexec_put_number(w, answer->exit_code);
    ngx_http_codeexec_ragflow_put_word(w, ",\"detail\":", answer->detail);
    ngx_http_codeexec_ragflow_put_time(w, answer->time_us);
    ngx_http_codeexec_put_text(w, ",\"memory_used_kb\":null");
    ngx_http_codeexec_ragflow_put_word(w, ",\"resource_limit_type\":",
                                       answer->limit);
    ngx_http_codeexec_ragflow_put_word(w, ",\"unauthorized_access_type\":",
                                       answer->access);
    ngx_http_codeexec_ragflow_put_word(w, ",\"runtime_error_type\":",
                                       answer->error);

    if (generation == 'a') {
        ngx_http_codeexec_put_text(w, "}");
        return;
    }

    ngx_http_codeexec_put_text(w, ",\"artifacts\":[");

    if (answer->success) {
        ngx_http_codeexec_ragflow_write_artifacts(w, res);
    }

    ngx_http_codeexec_put_text(w, "],\"result\":");

    claim = res->claims[NGX_HTTP_CODEEXEC_RETURN];

    if (answer->success && claim) {
        ngx_http_codeexec_put_text(w, "{\"present\":true,\"value\":");
        ngx_http_codeexec_put(w, claim->payload.data, claim->payload.len);
        ngx_http_codeexec_put_text(w, ",\"type\":\"json\"}}");

    } else {
        ngx_http_codeexec_put_text(w, "null}");
    }
}


/* Neither has a character that JSON would have escaped. */

static void
ngx_http_codeexec_ragflow_put_word(ngx_http_codeexec_writer_t *w,
    const char *member, const char *word)
{
    ngx_http_codeexec_put(w, member, ngx_strlen(member));

    if (word == NULL) {
        ngx_http_codeexec_put_text(w, "null");
        return;
    }

    ngx_http_codeexec_put_text(w, "\"");
    ngx_http_codeexec_put(w, word, ngx_strlen(word));
    ngx_http_codeexec_put_text(w, "\"");
}


static void
ngx_http_codeexec_ragflow_put_time(ngx_http_codeexec_writer_t *w,
    int64_t usec)
{
    u_char  text[NGX_INT64_LEN + sizeof(".000") - 1];

    ngx_http_codeexec_put_text(w, ",\"time_used_ms\":");

    if (usec < 0) {
        ngx_http_codeexec_put_text(w, "null");
        return;
    }

    ngx_http_codeexec_put(w, text,
                          ngx_sprintf(text, "%L.%03L",
                                      usec / 1000, usec % 1000)
                          - text);
}


static void
ngx_http_codeexec_ragflow_write_artifacts(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_result_t *res)
{
    ngx_str_t    name;
    ngx_uint_t   i, n;
    const char  *type;

    for (i = 0, n = 0;
         i < res->nfiles && n < NGX_HTTP_CODEEXEC_RAGFLOW_ARTIFACTS;
         i++)
    {
        type = ngx_http_codeexec_ragflow_artifact(res, i, &name);

        if (type == NULL) {
            continue;
        }

        if (n++) {
            ngx_http_codeexec_put_text(w, ",");
        }

        ngx_http_codeexec_put_text(w, "{\"name\":");
        ngx_http_codeexec_put_string(w, &name);
        ngx_http_codeexec_ragflow_put_word(w, ",\"mime_type\":", type);
        ngx_http_codeexec_put_text(w, ",\"size\":");
        ngx_http_codeexec_put_number(w, res->files[i].content.len);
        ngx_http_codeexec_put_text(w, ",\"content_b64\":\"");
        ngx_http_codeexec_put_base64(w, &res->files[i].content);
        ngx_http_codeexec_put_text(w, "\"}");
    }
}


/*
 * Its media type and its name, or NULL.  A file of the working directory is
 * moved to the others, and takes the place of one that has its name.
 */

static const char *
ngx_http_codeexec_ragflow_artifact(ngx_http_codeexec_result_t *res,
    ngx_uint_t n, ngx_str_t *name)
{
    size_t                     len;
    ngx_uint_t                 i, below;
    ngx_http_codeexec_file_t  *file, *other;

    file = &res->files[n];
    len = ngx_http_codeexec_ragflow_directory.len;

    *name = file->name;

    below = ngx_http_codeexec_ragflow_in_artifacts(name);

    if (below) {
        name->data += len;
        name->len -= len;

    } else if (ngx_strlchr(name->data, name->data + name->len, '/')
               || (name->len == sizeof("args.json") - 1
                   && ngx_strncmp(name->data, "args.json", name->len) == 0))
    {
        return NULL;
    }

    if (file->content.len == 0
        || file->content.len > NGX_HTTP_CODEEXEC_RAGFLOW_ARTIFACT_SIZE
        || name->data[0] == '.'
        || ngx_strlchr(name->data, name->data + name->len, '\\')
        || ngx_http_codeexec_ragflow_has(name, ".."))
    {
        return NULL;
    }

    for (i = 0; below && i < res->nfiles; i++) {
        other = &res->files[i];

        if (other->name.len == name->len
            && ngx_memcmp(other->name.data, name->data, name->len) == 0)
        {
            return NULL;
        }
    }

    return ngx_http_codeexec_ragflow_type(name);
}


static ngx_uint_t
ngx_http_codeexec_ragflow_in_artifacts(ngx_str_t *name)
{
    size_t  len;

    len = ngx_http_codeexec_ragflow_directory.len;

    return name->len > len
           && ngx_memcmp(name->data, ngx_http_codeexec_ragflow_directory.data,
                         len)
              == 0;
}


static const char *
ngx_http_codeexec_ragflow_type(ngx_str_t *name)
{
    ngx_uint_t   i;
    ngx_str_t   *end;

    for (i = 0; ngx_http_codeexec_ragflow_types[i].name.len; i++) {
        end = &ngx_http_codeexec_ragflow_types[i].name;

        if (name->len > end->len
            && ngx_strncasecmp(name->data + name->len - end->len, end->data,
                               end->len)
               == 0)
        {
            return ngx_http_codeexec_ragflow_types[i].type;
        }
    }

    return NULL;
}
