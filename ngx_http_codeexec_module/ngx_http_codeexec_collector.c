
/*
 * Copyright (C) The codeexec authors.
 *
 * The collector takes the answer of codeexecd apart, frame by frame, as it
 * arrives in u->buffer.  The frames of a good answer are in this order:
 *
 *                 +-----------------------------------------------------+
 *                 |                                                     v
 *   0 --> RESULT -+-> STDOUT* --> STDERR* --> SHOW* --> FILE* ------> END
 *   |                                                                   |
 *   +---> BUSY --------------------------------------------> NGX_OK <---+
 *   |                                                           ^
 *   +---> REJECT -----------------------------------------------+
 *   |                                                           ^
 *   +---> STATE, STOPPED: nothing else answers what they do ----+
 *
 * All else is NGX_HTTP_UPSTREAM_INVALID_HEADER: another order, and more or
 * less bytes than RESULT announced.
 */


#include "ngx_http_codeexec_module.h"


/* One recv() takes this much of an answer that does not fit the buffer. */
#define NGX_HTTP_CODEEXEC_LARGE_BUFFER  65536


static ngx_int_t ngx_http_codeexec_begin_frame(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_uint_t ngx_http_codeexec_is_first(ngx_http_codeexec_ctx_t *ctx,
    ngx_uint_t type);
static ngx_uint_t ngx_http_codeexec_rank(ngx_uint_t type);
static ngx_int_t ngx_http_codeexec_begin_control(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_begin_state(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_begin_payload(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_begin_end(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_add_data(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_end_frame(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_http_codeexec_stream_t *ngx_http_codeexec_stream(
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_take_state(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static void ngx_http_codeexec_take_shown(ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_take_file(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_next_buffer(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);


void
ngx_http_codeexec_collector_init(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    size_t                         limit;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    limit = ctx->job.query ? NGX_HTTP_CODEEXEC_MAX_STATE
                           : NGX_HTTP_CODEEXEC_MAX_CONTROL;

    limit = ngx_max(lcf->max_response_size, limit);

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

    if (rc != NGX_OK) {
        return rc;
    }

    /*
     * A complete answer is not made worse by what follows, which could as
     * well be seen a moment later; but the connection is of no use any more.
     */

    u->keepalive = (pos == u->buffer.last);

    if (!u->keepalive) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "upstream sent data after its answer");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_begin_frame(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_uint_t  type;

    type = ctx->reader.type;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http codeexec frame: %xi, %uD",
                   type, ctx->reader.length);

    if (ctx->frame == 0
            ? !ngx_http_codeexec_is_first(ctx, type)
            : (ngx_http_codeexec_rank(type) == 0
               || ngx_http_codeexec_rank(type)
                  < ngx_http_codeexec_rank(ctx->frame)))
    {
        return ngx_http_codeexec_invalid(r, "unexpected frame");
    }

    ctx->frame = type;

    switch (type) {

    case WIRE_RESULT:
    case WIRE_BUSY:
    case WIRE_REJECT:
    case WIRE_STOPPED:
        return ngx_http_codeexec_begin_control(r, ctx);

    case WIRE_STATE:
        return ngx_http_codeexec_begin_state(r, ctx);

    case WIRE_END:
        return ngx_http_codeexec_begin_end(r, ctx);

    default:
        return ngx_http_codeexec_begin_payload(r, ctx);
    }
}


static ngx_uint_t
ngx_http_codeexec_is_first(ngx_http_codeexec_ctx_t *ctx, ngx_uint_t type)
{
    if (ctx->job.query) {
        return type == WIRE_STATE;
    }

    if (ctx->job.stop) {
        return type == WIRE_STOPPED;
    }

    return type == WIRE_RESULT || type == WIRE_BUSY || type == WIRE_REJECT;
}


/* Of what may follow a RESULT; 0 for all else. */

static ngx_uint_t
ngx_http_codeexec_rank(ngx_uint_t type)
{
    switch (type) {

    case WIRE_STDOUT:
        return 1;

    case WIRE_STDERR:
        return 2;

    case WIRE_SHOW:
        return 3;

    case WIRE_FILE:
        return 4;

    case WIRE_END:
        return 5;

    default:
        return 0;
    }
}


static ngx_int_t
ngx_http_codeexec_begin_control(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_http_upstream_t           *u;
    ngx_http_codeexec_loc_conf_t  *lcf;

    u = r->upstream;
    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    /* whatever else is wrong with it, a result tells of a run */

    if (ctx->frame == WIRE_RESULT && u->conf != &lcf->started) {
        u->conf = &lcf->started;
        return ngx_http_codeexec_invalid(r, "a result before the job");
    }

    if (ctx->reader.length > NGX_HTTP_CODEEXEC_MAX_CONTROL) {
        return ngx_http_codeexec_invalid(r, wire_strerror(WIRE_TOO_LONG));
    }

    ctx->control.data = ngx_pnalloc(r->pool, ctx->reader.length + 1);

    return ctx->control.data ? NGX_AGAIN : NGX_ERROR;
}


static ngx_int_t
ngx_http_codeexec_begin_state(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_http_codeexec_stream_t  *stream;

    if (ctx->reader.length > NGX_HTTP_CODEEXEC_MAX_STATE) {
        return ngx_http_codeexec_invalid(r, wire_strerror(WIRE_TOO_LONG));
    }

    stream = &ctx->result.state;

    stream->data = ngx_pnalloc(r->pool, ctx->reader.length + 1);
    stream->size = ctx->reader.length;

    return stream->data ? NGX_AGAIN : NGX_ERROR;
}


static ngx_int_t
ngx_http_codeexec_begin_payload(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_http_codeexec_result_t  *res;
    ngx_http_codeexec_stream_t  *stream;

    res = &ctx->result;
    stream = ngx_http_codeexec_stream(ctx);

    if (ctx->reader.length > stream->size - stream->len
        || (ctx->frame == WIRE_FILE && res->nfiles == res->files_announced)
        || (ctx->frame == WIRE_SHOW && res->nshown == res->shown_announced))
    {
        return ngx_http_codeexec_invalid(r, "more than was announced");
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_http_codeexec_begin_end(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_http_codeexec_result_t  *res;

    res = &ctx->result;

    if (ctx->reader.length
        || res->output.len != res->output.size
        || res->errors.len != res->errors.size
        || res->content.len != res->content.size
        || res->nfiles != res->files_announced
        || res->records.len != res->records.size
        || res->nshown != res->shown_announced)
    {
        return ngx_http_codeexec_invalid(r, "less than was announced");
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

    case WIRE_SHOW:
        return &ctx->result.records;

    case WIRE_FILE:
        return &ctx->result.content;

    case WIRE_STATE:
        return &ctx->result.state;

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

    case WIRE_SHOW:
        ngx_http_codeexec_take_shown(ctx);
        return NGX_AGAIN;

    case WIRE_FILE:
        return ngx_http_codeexec_take_file(r, ctx);

    case WIRE_END:
        return NGX_OK;

    case WIRE_STATE:
        return ngx_http_codeexec_take_state(r, ctx);
    }

    json = ngx_http_codeexec_json_parse(&ctx->control, 0);

    if (json == NULL) {
        rc = ngx_http_codeexec_invalid(r, "no JSON");

    } else if (ctx->frame == WIRE_RESULT) {
        rc = ngx_http_codeexec_take_result(r, ctx, json);

    } else if (ctx->frame == WIRE_BUSY) {
        rc = ngx_http_codeexec_take_busy(r, ctx, json);

    } else if (ctx->frame == WIRE_STOPPED) {
        rc = ngx_http_codeexec_take_stopped(r, ctx, json);

    } else {
        rc = ngx_http_codeexec_take_reject(r, ctx, json);
    }

    json_decref(json);

    return rc;
}


/* Parsed once, for whoever asked for it. */

static ngx_int_t
ngx_http_codeexec_take_state(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_str_t  text;

    text.data = ctx->result.state.data;
    text.len = ctx->result.state.len;

    json_decref(ctx->json);

    ctx->json = ngx_http_codeexec_json_parse(&text, 0);

    if (!json_is_object(ctx->json)) {
        return ngx_http_codeexec_invalid(r, "no JSON");
    }

    ctx->outcome = NGX_HTTP_CODEEXEC_OK;

    return NGX_OK;
}


/* All of the frame is at the end of the stream. */

static void
ngx_http_codeexec_take_shown(ngx_http_codeexec_ctx_t *ctx)
{
    ngx_http_codeexec_shown_t   *shown;
    ngx_http_codeexec_result_t  *res;

    res = &ctx->result;

    shown = &res->shown[res->nshown++];

    ngx_memzero(shown, sizeof(ngx_http_codeexec_shown_t));

    if (ctx->reader.length) {
        shown->payload.len = ctx->reader.length;
        shown->payload.data = res->records.data + res->records.len
                              - shown->payload.len;
    }
}


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
        return ngx_http_codeexec_invalid(r, "a file without a name");
    }

    p = res->content.data + res->content.len - size;
    len = p[0] << 8 | p[1];

    if (len == 0 || len > 255 || len > size - 2) {
        return ngx_http_codeexec_invalid(r, "a file without a name");
    }

    file = &res->files[res->nfiles++];

    file->name.data = p + 2;
    file->name.len = len;
    file->content.data = p + 2 + len;
    file->content.len = size - 2 - len;
    file->image = ngx_http_codeexec_is_image(ctx, &file->name);
    file->reason = NULL;

    /* such names might be one and the same in the answer */

    if (!file->image && ngx_http_codeexec_utf8_check(&file->name) != NGX_OK) {
        file->reason = "name";
    }

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
           + ctx->result.records.size + ctx->result.content.size
           + ctx->result.state.size;

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


ngx_int_t
ngx_http_codeexec_invalid(ngx_http_request_t *r, const char *what)
{
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "upstream sent an invalid answer: %s", what);

    return NGX_HTTP_UPSTREAM_INVALID_HEADER;
}
