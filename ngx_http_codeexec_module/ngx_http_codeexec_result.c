
/*
 * Copyright (C) The codeexec authors.
 */


#include "ngx_http_codeexec_module.h"


/* limits.results of codeexecd */
#define NGX_HTTP_CODEEXEC_MAX_SHOWN  100000


static ngx_int_t ngx_http_codeexec_set_result(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, json_t *json);
static ngx_int_t ngx_http_codeexec_set_remarks(ngx_http_request_t *r,
    ngx_http_codeexec_result_t *res, json_t *json);
static void ngx_http_codeexec_set_stage(ngx_http_codeexec_result_t *res,
    json_t *json);
static ngx_int_t ngx_http_codeexec_set_sizes(ngx_http_request_t *r,
    ngx_http_codeexec_result_t *res, json_int_t *size);
static ngx_int_t ngx_http_codeexec_set_status(ngx_http_codeexec_result_t *res,
    ngx_http_codeexec_ctx_t *ctx, const char *status);
static ngx_int_t ngx_http_codeexec_alloc_result(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);


ngx_int_t
ngx_http_codeexec_take_result(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, json_t *json)
{
    ngx_int_t  rc;

    rc = ngx_http_codeexec_set_result(r, ctx, json);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_codeexec_set_remarks(r, &ctx->result, json) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_codeexec_alloc_result(r, ctx);
}


/* Members that an older codeexecd does not have. */

static ngx_int_t
ngx_http_codeexec_set_remarks(ngx_http_request_t *r,
    ngx_http_codeexec_result_t *res, json_t *json)
{
    json_t  *reason, *skipped;

    ngx_http_codeexec_set_stage(res, json);

    reason = json_object_get(json, "reason");
    skipped = json_object_get(json, "skipped");

    if (json_is_string(reason)
        && ngx_http_codeexec_json_copy(r->pool, reason, &res->reason)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (json_array_size(skipped)
        && ngx_http_codeexec_json_copy(r->pool, skipped, &res->skipped)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* Of most languages nothing is compiled, and there is nothing to tell. */

static void
ngx_http_codeexec_set_stage(ngx_http_codeexec_result_t *res, json_t *json)
{
    const char  *stage;
    json_int_t   usec;

    if (json_unpack(json, "{s:s, s:I}", "stage", &stage,
                    "compile_us", &usec)
        != 0)
    {
        return;
    }

    res->compile_us = ngx_max(usec, 0);

    if (ngx_strcmp(stage, "compile") == 0) {
        ngx_str_set(&res->stage, "compile");

    } else if (usec > 0) {
        ngx_str_set(&res->stage, "run");
    }
}


static ngx_int_t
ngx_http_codeexec_set_result(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, json_t *json)
{
    int                          truncated;
    size_t                       id_len;
    json_t                      *exit_code, *signal;
    json_int_t                   size[6], usage[4];
    const char                  *id, *status;
    ngx_http_codeexec_result_t  *res;

    res = &ctx->result;

    /* that an older codeexecd does not have */

    size[3] = 0;
    size[5] = 0;

    if (json_unpack(json, "{s:s%, s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:b,"
                    " s:I, s:I, s:I, s:I, s?I, s?I}",
                    "id", &id, &id_len, "status", &status,
                    "exit_code", &exit_code, "signal", &signal,
                    "time_us", &usage[0], "cpu_us", &usage[1],
                    "queue_us", &usage[2], "memory_kb", &usage[3],
                    "truncated", &truncated,
                    "stdout_size", &size[0], "stderr_size", &size[1],
                    "files_size", &size[2], "files", &size[4],
                    "results_size", &size[3], "results", &size[5])
        != 0)
    {
        return ngx_http_codeexec_invalid(r, "an incomplete result");
    }

    /* on a kept connection this could be the answer of another client */

    if (id_len != ctx->job.id.len
        || ngx_memcmp(id, ctx->job.id.data, id_len) != 0)
    {
        return ngx_http_codeexec_invalid(r, "the result of another job");
    }

    res->exit_code = json_is_integer(exit_code)
                         ? json_integer_value(exit_code) : -1;
    res->signal = json_is_integer(signal) ? json_integer_value(signal) : -1;
    res->time_us = ngx_max(usage[0], 0);
    res->cpu_us = ngx_max(usage[1], 0);
    res->queue_us = ngx_max(usage[2], 0);
    res->memory_kb = ngx_max(usage[3], 0);
    res->truncated = truncated;

    if (ngx_http_codeexec_set_status(res, ctx, status) != NGX_OK) {
        return ngx_http_codeexec_invalid(r, "an unknown status");
    }

    return ngx_http_codeexec_set_sizes(r, res, size);
}


/* Of stdout, stderr, all files and results, and the numbers of these two. */

static ngx_int_t
ngx_http_codeexec_set_sizes(ngx_http_request_t *r,
    ngx_http_codeexec_result_t *res, json_int_t *size)
{
    size_t                         max;
    ngx_uint_t                     i;
    ngx_http_codeexec_stream_t    *streams[4];
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);
    max = lcf->max_response_size;

    streams[0] = &res->output;
    streams[1] = &res->errors;
    streams[2] = &res->content;
    streams[3] = &res->records;

    for (i = 0; i < 4; i++) {

        if (size[i] < 0 || (uint64_t) size[i] > max) {
            return ngx_http_codeexec_invalid(r, "a too large result");
        }

        max -= size[i];
        streams[i]->size = size[i];
    }

    /* a FILE has two bytes of length, and a name of one byte or more */

    if (size[4] < 0 || size[4] > size[2] / 3) {
        return ngx_http_codeexec_invalid(r, "more files than bytes");
    }

    /* a SHOW may be empty, but there are no more than codeexecd allows */

    if (size[5] < 0 || size[5] > NGX_HTTP_CODEEXEC_MAX_SHOWN) {
        return ngx_http_codeexec_invalid(r, "too many results");
    }

    res->files_announced = size[4];
    res->shown_announced = size[5];

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_set_status(ngx_http_codeexec_result_t *res,
    ngx_http_codeexec_ctx_t *ctx, const char *status)
{
    ngx_uint_t  i;

    for (i = NGX_HTTP_CODEEXEC_OK; i <= NGX_HTTP_CODEEXEC_STOPPED; i++) {

        if (ngx_strcmp(ngx_http_codeexec_status_names[i].data, status) == 0) {
            ctx->outcome = i;
            res->known = 1;
            return NGX_OK;
        }
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_codeexec_alloc_result(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_uint_t                   i;
    ngx_http_codeexec_result_t  *res;
    ngx_http_codeexec_stream_t  *streams[4];

    res = &ctx->result;

    streams[0] = &res->output;
    streams[1] = &res->errors;
    streams[2] = &res->content;
    streams[3] = &res->records;

    for (i = 0; i < 4; i++) {

        if (streams[i]->size == 0) {
            continue;
        }

        streams[i]->data = ngx_pnalloc(r->pool, streams[i]->size);
        if (streams[i]->data == NULL) {
            return NGX_ERROR;
        }
    }

    if (res->files_announced) {
        res->files = ngx_palloc(r->pool, res->files_announced
                                         * sizeof(ngx_http_codeexec_file_t));
        if (res->files == NULL) {
            return NGX_ERROR;
        }
    }

    if (res->shown_announced) {
        res->shown = ngx_palloc(r->pool, res->shown_announced
                                         * sizeof(ngx_http_codeexec_shown_t));
        if (res->shown == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_AGAIN;
}


ngx_int_t
ngx_http_codeexec_take_busy(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, json_t *json)
{
    json_t     *after;
    ngx_int_t   seconds;

    after = json_object_get(json, "retry_after");
    seconds = json_is_integer(after) ? (ngx_int_t) json_integer_value(after)
                                     : 1;

    ctx->retry_after = ngx_max(1, ngx_min(seconds, 60));
    ctx->outcome = NGX_HTTP_CODEEXEC_BUSY;
    ctx->busy = 1;

    return NGX_OK;
}


ngx_int_t
ngx_http_codeexec_take_reject(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, json_t *json)
{
    ngx_str_t    text;
    const char  *reason, *message;

    if (json_unpack(json, "{s:s, s:s}", "reason", &reason,
                    "message", &message)
        != 0)
    {
        return ngx_http_codeexec_invalid(r, "an incomplete reject");
    }

    ctx->outcome = NGX_HTTP_CODEEXEC_REJECTED;

    text.data = (u_char *) message;
    text.len = ngx_strlen(message);

    if (ngx_strcmp(reason, "language") == 0) {
        ctx->status = NGX_HTTP_BAD_REQUEST;
        ngx_str_set(&text, "Unsupported language");

    } else if (ngx_strcmp(reason, "too_large") == 0) {
        ctx->status = NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;

    } else if (ngx_strcmp(reason, "job") == 0) {
        ctx->status = NGX_HTTP_BAD_REQUEST;

    } else {
        return ngx_http_codeexec_invalid(r, "an unknown reject");
    }

    ctx->refused_with = ctx->status;
    ctx->message.len = text.len;
    ctx->message.data = ngx_pstrdup(r->pool, &text);

    return ctx->message.data ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_codeexec_take_stopped(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, json_t *json)
{
    json_t  *stopped;

    stopped = json_object_get(json, "stopped");

    if (!json_is_boolean(stopped)) {
        return ngx_http_codeexec_invalid(r, "an incomplete stop");
    }

    ctx->stopped = json_is_true(stopped);
    ctx->outcome = NGX_HTTP_CODEEXEC_OK;

    return NGX_OK;
}
