
/*
 * Copyright (C) The codeexec authors.
 *
 * The collector takes the answer of codeexecd apart, frame by frame, as it
 * arrives in u->buffer.  The types of a good answer never decrease:
 *
 *                 +-----------------------------------------------------+
 *                 |                                                     v
 *   0 --> RESULT -+-> STDOUT* --> STDERR* --> FILE* ----------------> END
 *   |                                                                   |
 *   +---> BUSY --------------------------------------------> NGX_OK <---+
 *   |                                                           ^
 *   +---> REJECT -----------------------------------------------+
 *
 * All else is NGX_HTTP_UPSTREAM_INVALID_HEADER: another order, more or less
 * bytes than RESULT announced, and anything after the end.
 */


#include "ngx_http_codeexec_module.h"


/* RESULT, BUSY and REJECT are small, no matter what was run. */
#define NGX_HTTP_CODEEXEC_MAX_CONTROL  8192

/* One recv() takes this much of an answer that does not fit the buffer. */
#define NGX_HTTP_CODEEXEC_LARGE_BUFFER  65536


static ngx_int_t ngx_http_codeexec_begin_frame(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_add_data(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_end_frame(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_http_codeexec_stream_t *ngx_http_codeexec_stream(
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_take_result(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, json_t *json);
static ngx_int_t ngx_http_codeexec_set_result(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, json_t *json);
static ngx_int_t ngx_http_codeexec_set_status(ngx_http_codeexec_result_t *res,
    ngx_http_codeexec_ctx_t *ctx, const char *status);
static ngx_int_t ngx_http_codeexec_alloc_result(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_take_busy(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, json_t *json);
static ngx_int_t ngx_http_codeexec_take_reject(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, json_t *json);
static ngx_int_t ngx_http_codeexec_take_file(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_next_buffer(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_invalid(ngx_http_request_t *r,
    const char *what);


void
ngx_http_codeexec_collector_init(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    size_t                         limit;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    limit = ngx_max(lcf->max_response_size, NGX_HTTP_CODEEXEC_MAX_CONTROL);

    wire_reader_init(&ctx->reader, ngx_min(limit, WIRE_LENGTH_MAX));

    ctx->frame = 0;
    ctx->outcome = NGX_HTTP_CODEEXEC_NO_STATUS;
    ctx->status = 0;
    ctx->answered = 0;

    ngx_str_null(&ctx->control);
    ngx_str_null(&ctx->body);
    ngx_memzero(&ctx->result, sizeof(ngx_http_codeexec_result_t));

    ctx->result.exit_code = -1;
    ctx->result.signal = -1;
}


ngx_int_t
ngx_http_codeexec_collect(ngx_http_request_t *r, ngx_http_codeexec_ctx_t *ctx)
{
    ngx_int_t             rc;
    enum wire_event       event;
    ngx_http_upstream_t  *u;
    const unsigned char  *pos;

    u = r->upstream;
    pos = u->buffer.pos;

    do {
        event = wire_read(&ctx->reader, &pos, u->buffer.last);

        switch (event) {

        case WIRE_AGAIN:
            return ngx_http_codeexec_next_buffer(r, ctx);

        case WIRE_HEADER:
            rc = ngx_http_codeexec_begin_frame(r, ctx);
            break;

        case WIRE_DATA:
            rc = ngx_http_codeexec_add_data(r, ctx);
            break;

        case WIRE_DONE:
            rc = ngx_http_codeexec_end_frame(r, ctx);
            break;

        default:
            return ngx_http_codeexec_invalid(r, wire_strerror(event));
        }

    } while (rc == NGX_AGAIN);

    if (rc == NGX_OK && pos != u->buffer.last) {
        return ngx_http_codeexec_invalid(r, "data after the answer");
    }

    return rc;
}


static ngx_int_t
ngx_http_codeexec_begin_frame(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_uint_t                     type;
    ngx_http_upstream_t           *u;
    ngx_http_codeexec_stream_t    *stream;
    ngx_http_codeexec_loc_conf_t  *lcf;

    type = ctx->reader.type;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http codeexec frame: %xi, %uD",
                   type, ctx->reader.length);

    if (ctx->frame == 0
            ? (type != WIRE_RESULT && type != WIRE_BUSY && type != WIRE_REJECT)
            : (type < ctx->frame || type == WIRE_RESULT || type > WIRE_END))
    {
        return ngx_http_codeexec_invalid(r, "unexpected frame");
    }

    ctx->frame = type;

    switch (type) {

    case WIRE_RESULT:

        /* whatever else is wrong with it, a result tells of a run */

        u = r->upstream;
        lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

        if (u->conf != &lcf->started) {
            u->conf = &lcf->started;
            return ngx_http_codeexec_invalid(r, "result before the job");
        }

        /* fall through */

    case WIRE_BUSY:
    case WIRE_REJECT:

        if (ctx->reader.length > NGX_HTTP_CODEEXEC_MAX_CONTROL) {
            return ngx_http_codeexec_invalid(r, "too long frame");
        }

        ctx->control.data = ngx_pnalloc(r->pool, ctx->reader.length + 1);

        return ctx->control.data ? NGX_AGAIN : NGX_ERROR;

    case WIRE_END:

        if (ctx->reader.length
            || ctx->result.output.len != ctx->result.output.size
            || ctx->result.errors.len != ctx->result.errors.size
            || ctx->result.content.len != ctx->result.content.size
            || ctx->result.nfiles != ctx->result.files_announced)
        {
            return ngx_http_codeexec_invalid(r, "end before the end");
        }

        return NGX_AGAIN;
    }

    stream = ngx_http_codeexec_stream(ctx);

    if (ctx->reader.length > stream->size - stream->len
        || (type == WIRE_FILE
            && ctx->result.nfiles == ctx->result.files_announced))
    {
        return ngx_http_codeexec_invalid(r, "more than it announced");
    }

    return NGX_AGAIN;
}


/* Room for the whole frame was checked when it began. */

static ngx_int_t
ngx_http_codeexec_add_data(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_http_codeexec_stream_t  *stream;

    stream = ngx_http_codeexec_stream(ctx);

    if (stream == NULL) {
        ngx_memcpy(ctx->control.data + ctx->control.len,
                   ctx->reader.data, ctx->reader.size);
        ctx->control.len += ctx->reader.size;

        return NGX_AGAIN;
    }

    ngx_memcpy(stream->data + stream->len, ctx->reader.data,
               ctx->reader.size);
    stream->len += ctx->reader.size;

    return NGX_AGAIN;
}


/* NULL for the frames that have JSON in them. */

static ngx_http_codeexec_stream_t *
ngx_http_codeexec_stream(ngx_http_codeexec_ctx_t *ctx)
{
    switch (ctx->frame) {

    case WIRE_STDOUT:
        return &ctx->result.output;

    case WIRE_STDERR:
        return &ctx->result.errors;

    case WIRE_FILE:
        return &ctx->result.content;

    default:
        return NULL;
    }
}


static ngx_int_t
ngx_http_codeexec_end_frame(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    json_t     *json;
    ngx_int_t   rc;

    switch (ctx->frame) {

    case WIRE_STDOUT:
    case WIRE_STDERR:
        return NGX_AGAIN;

    case WIRE_FILE:
        return ngx_http_codeexec_take_file(r, ctx);

    case WIRE_END:
        return NGX_OK;
    }

    json = ngx_http_codeexec_json_parse(&ctx->control, 0);

    if (json == NULL) {
        rc = ngx_http_codeexec_invalid(r, "invalid JSON");

    } else if (ctx->frame == WIRE_RESULT) {
        rc = ngx_http_codeexec_take_result(r, ctx, json);

    } else if (ctx->frame == WIRE_BUSY) {
        rc = ngx_http_codeexec_take_busy(r, ctx, json);

    } else {
        rc = ngx_http_codeexec_take_reject(r, ctx, json);
    }

    json_decref(json);

    return rc;
}


static ngx_int_t
ngx_http_codeexec_take_result(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, json_t *json)
{
    ngx_int_t  rc;

    rc = ngx_http_codeexec_set_result(r, ctx, json);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_codeexec_alloc_result(r, ctx);
}


static ngx_int_t
ngx_http_codeexec_set_result(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, json_t *json)
{
    int                            truncated;
    size_t                         i, id_len, max;
    json_t                        *exit_code, *signal;
    json_int_t                     size[4], usage[4];
    const char                    *id, *status;
    ngx_http_codeexec_result_t    *res;
    ngx_http_codeexec_loc_conf_t  *lcf;

    res = &ctx->result;

    if (json_unpack(json, "{s:s%, s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:b,"
                    " s:I, s:I, s:I, s:I}",
                    "id", &id, &id_len, "status", &status,
                    "exit_code", &exit_code, "signal", &signal,
                    "time_us", &usage[0], "cpu_us", &usage[1],
                    "queue_us", &usage[2], "memory_kb", &usage[3],
                    "truncated", &truncated,
                    "stdout_size", &size[0], "stderr_size", &size[1],
                    "files_size", &size[2], "files", &size[3])
        != 0)
    {
        return ngx_http_codeexec_invalid(r, "incomplete result");
    }

    /* on a kept connection this could be the answer of another client */

    if (id_len != ctx->job.id.len
        || ngx_memcmp(id, ctx->job.id.data, id_len) != 0)
    {
        return ngx_http_codeexec_invalid(r, "result of another job");
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);
    max = lcf->max_response_size;

    for (i = 0; i < 4; i++) {

        if (usage[i] < 0 || size[i] < 0) {
            return ngx_http_codeexec_invalid(r, "negative number");
        }

        if ((uint64_t) size[i] > max) {
            return ngx_http_codeexec_invalid(r, "too large result");
        }

        if (i < 3) {
            max -= size[i];
        }
    }

    /* a FILE has two bytes of length, and a name of one byte or more */

    if (size[3] > size[2] / 3) {
        return ngx_http_codeexec_invalid(r, "more files than bytes");
    }

    res->exit_code = json_is_integer(exit_code)
                         ? json_integer_value(exit_code) : -1;
    res->signal = json_is_integer(signal) ? json_integer_value(signal) : -1;
    res->time_us = usage[0];
    res->cpu_us = usage[1];
    res->queue_us = usage[2];
    res->memory_kb = usage[3];
    res->truncated = truncated;
    res->output.size = size[0];
    res->errors.size = size[1];
    res->content.size = size[2];
    res->files_announced = size[3];

    if (ngx_http_codeexec_set_status(res, ctx, status) != NGX_OK) {
        return ngx_http_codeexec_invalid(r, "unknown status");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_set_status(ngx_http_codeexec_result_t *res,
    ngx_http_codeexec_ctx_t *ctx, const char *status)
{
    ngx_uint_t  i;

    for (i = NGX_HTTP_CODEEXEC_OK; i <= NGX_HTTP_CODEEXEC_MEMORY; i++) {

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
    ngx_uint_t                    i;
    ngx_http_codeexec_result_t   *res;
    ngx_http_codeexec_stream_t   *streams[3];

    res = &ctx->result;

    streams[0] = &res->output;
    streams[1] = &res->errors;
    streams[2] = &res->content;

    for (i = 0; i < 3; i++) {

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

    return NGX_AGAIN;
}


static ngx_int_t
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


static ngx_int_t
ngx_http_codeexec_take_reject(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, json_t *json)
{
    ngx_str_t    text;
    const char  *reason, *message;

    if (json_unpack(json, "{s:s, s:s}", "reason", &reason,
                    "message", &message)
        != 0)
    {
        return ngx_http_codeexec_invalid(r, "incomplete reject");
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
        return ngx_http_codeexec_invalid(r, "unknown reject");
    }

    ctx->refused_with = ctx->status;
    ctx->message.len = text.len;
    ctx->message.data = ngx_pstrdup(r->pool, &text);

    return ctx->message.data ? NGX_OK : NGX_ERROR;
}


/* All of the frame is at the end of the stream. */

static ngx_int_t
ngx_http_codeexec_take_file(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    u_char                      *p;
    size_t                       len, size;
    ngx_http_codeexec_file_t    *file;
    ngx_http_codeexec_result_t  *res;

    res = &ctx->result;
    size = ctx->reader.length;

    if (size < 3) {
        return ngx_http_codeexec_invalid(r, "file without a name");
    }

    p = res->content.data + res->content.len - size;
    len = p[0] << 8 | p[1];

    if (len == 0 || len > 255 || len > size - 2) {
        return ngx_http_codeexec_invalid(r, "file without a name");
    }

    file = &res->files[res->nfiles++];

    file->name.data = p + 2;
    file->name.len = len;
    file->content.data = p + 2 + len;
    file->content.len = size - 2 - len;

    return NGX_AGAIN;
}


/*
 * All of the buffer was copied.  Emptied, it never gets full, which core
 * would take for a too big header.
 */

static ngx_int_t
ngx_http_codeexec_next_buffer(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    size_t      size, rest;
    u_char     *p;
    ngx_buf_t  *b;

    b = &r->upstream->buffer;

    size = b->end - b->start;
    rest = ctx->result.output.size + ctx->result.errors.size
           + ctx->result.content.size;

    if (rest > size && size < NGX_HTTP_CODEEXEC_LARGE_BUFFER) {
        size = ngx_min(rest + NGX_HTTP_CODEEXEC_MAX_CONTROL,
                       NGX_HTTP_CODEEXEC_LARGE_BUFFER);

        p = ngx_palloc(r->pool, size);
        if (p == NULL) {
            return NGX_ERROR;
        }

        b->start = p;
        b->end = p + size;
    }

    b->pos = b->start;
    b->last = b->start;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_http_codeexec_invalid(ngx_http_request_t *r, const char *what)
{
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "upstream sent an invalid answer: %s", what);

    return NGX_HTTP_UPSTREAM_INVALID_HEADER;
}
