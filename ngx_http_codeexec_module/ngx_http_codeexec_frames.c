
/*
 * Copyright (C) The codeexec authors.
 */


#include "ngx_http_codeexec_module.h"


static ngx_int_t ngx_http_codeexec_stop_frame(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_job_json(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *json);
static void ngx_http_codeexec_write_job(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_job_t *job, ngx_http_codeexec_loc_conf_t *lcf);
static void ngx_http_codeexec_write_options(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_job_t *job, ngx_str_t *rules);
static void ngx_http_codeexec_write_rules(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_job_t *job, ngx_str_t *rules);
static void ngx_http_codeexec_write_collect(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_job_t *job, ngx_str_t *images);
static ngx_chain_t **ngx_http_codeexec_add_put_frame(ngx_http_request_t *r,
    ngx_chain_t **ll, ngx_http_codeexec_file_t *file);
static ngx_chain_t **ngx_http_codeexec_add_frame(ngx_http_request_t *r,
    ngx_chain_t **ll, enum wire_type type, ngx_str_t *payload);
static ngx_chain_t **ngx_http_codeexec_add_buf(ngx_http_request_t *r,
    ngx_chain_t **ll, u_char *data, size_t len);


ngx_int_t
ngx_http_codeexec_create_request(ngx_http_request_t *r)
{
    ngx_str_t                 json, none;
    ngx_uint_t                i;
    ngx_chain_t             **ll;
    ngx_http_codeexec_ctx_t  *ctx;

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http codeexec create request");

    ctx = ngx_http_get_module_ctx(r, ngx_http_codeexec_module);

    ngx_str_null(&none);

    ngx_http_codeexec_collector_init(r, ctx);

    if (ctx->job.query) {
        ll = ngx_http_codeexec_add_frame(r, &r->upstream->request_bufs,
                                         WIRE_QUERY, &none);

        return ll ? NGX_OK : NGX_ERROR;
    }

    if (ctx->job.stop) {
        return ngx_http_codeexec_stop_frame(r, ctx);
    }

    if (ngx_http_codeexec_job_json(r, ctx, &json) != NGX_OK) {
        return NGX_ERROR;
    }

    ll = ngx_http_codeexec_add_frame(r, &r->upstream->request_bufs,
                                     WIRE_JOB, &json);
    ll = ngx_http_codeexec_add_frame(r, ll, WIRE_CODE, &ctx->job.code);

    if (ctx->job.variables.len) {
        ll = ngx_http_codeexec_add_frame(r, ll, WIRE_VARS,
                                         &ctx->job.variables);
    }

    if (ctx->job.input.len) {
        ll = ngx_http_codeexec_add_frame(r, ll, WIRE_STDIN, &ctx->job.input);
    }

    for (i = 0; i < ctx->job.nfiles; i++) {
        ll = ngx_http_codeexec_add_put_frame(r, ll, &ctx->job.files[i]);
    }

    ll = ngx_http_codeexec_add_frame(r, ll, WIRE_RUN, &none);

    return ll ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_codeexec_stop_frame(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    size_t      len;
    ngx_str_t   json;

    len = sizeof("{\"handle\":\"\"}") - 1 + ctx->job.handle.len;

    json.data = ngx_pnalloc(r->pool, len);
    if (json.data == NULL) {
        return NGX_ERROR;
    }

    json.len = ngx_sprintf(json.data, "{\"handle\":\"%V\"}",
                           &ctx->job.handle)
               - json.data;

    return ngx_http_codeexec_add_frame(r, &r->upstream->request_bufs,
                                       WIRE_STOP, &json)
           ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_codeexec_job_json(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *json)
{
    ngx_http_codeexec_writer_t     w;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    ngx_memzero(&w, sizeof(ngx_http_codeexec_writer_t));

    ngx_http_codeexec_write_job(&w, &ctx->job, lcf);

    json->len = w.len;
    json->data = ngx_pnalloc(r->pool, w.len);
    if (json->data == NULL) {
        return NGX_ERROR;
    }

    w.pos = json->data;

    ngx_http_codeexec_write_job(&w, &ctx->job, lcf);

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http codeexec job: %V", json);

    return NGX_OK;
}


static void
ngx_http_codeexec_write_job(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_job_t *job, ngx_http_codeexec_loc_conf_t *lcf)
{
    ngx_http_codeexec_put_text(w, "{\"id\":\"");
    ngx_http_codeexec_put(w, job->id.data, job->id.len);

    if (job->handle.len) {
        ngx_http_codeexec_put_text(w, "\",\"handle\":\"");
        ngx_http_codeexec_put(w, job->handle.data, job->handle.len);
    }

    ngx_http_codeexec_put_text(w, "\",\"language\":\"");
    ngx_http_codeexec_put(w, job->language.data, job->language.len);
    ngx_http_codeexec_put_text(w, "\",\"timeout_ms\":");
    ngx_http_codeexec_put_number(w, job->timeout);

    if (job->args.len) {
        ngx_http_codeexec_put_text(w, ",\"args\":");
        ngx_http_codeexec_put(w, job->args.data, job->args.len);
    }

    if (job->env.len) {
        ngx_http_codeexec_put_text(w, ",\"env\":");
        ngx_http_codeexec_put(w, job->env.data, job->env.len);
    }

    if (ngx_http_codeexec_wants_results(job)
        || ngx_http_codeexec_is_screened(lcf, job))
    {
        ngx_http_codeexec_write_options(w, job, &lcf->rules);
    }

    if ((lcf->images.len && !job->inline_only) || job->collect.len) {
        ngx_http_codeexec_write_collect(w, job, &lcf->images);
    }

    ngx_http_codeexec_put_text(w, "}");
}


static void
ngx_http_codeexec_write_options(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_job_t *job, ngx_str_t *rules)
{
    /* the others come in the same way */

    if (ngx_http_codeexec_wants_results(job) && !job->claims_only) {
        ngx_http_codeexec_put_text(w, ",\"options\":{\"results\":true");

    } else {
        ngx_http_codeexec_put_text(w, ",\"options\":{\"claims\":true");
    }

    if (job->check) {
        ngx_http_codeexec_put_text(w, ",\"check\":true");
    }

    if (job->syntax) {
        ngx_http_codeexec_put_text(w, ",\"syntax\":true");
    }

    if (rules->len || job->rules.len) {
        ngx_http_codeexec_write_rules(w, job, rules);
    }

    if (job->last_value) {
        ngx_http_codeexec_put_text(w, ",\"last_value\":true");
    }

    if (job->return_variables) {
        ngx_http_codeexec_put_text(w, ",\"variables\":true");
    }

    if (job->main.len) {
        ngx_http_codeexec_put_text(w, ",\"main\":");
        ngx_http_codeexec_put(w, job->main.data, job->main.len);
    }

    if (job->options.len) {
        ngx_http_codeexec_put_text(w, ",");
        ngx_http_codeexec_put(w, job->options.data, job->options.len);
    }

    ngx_http_codeexec_put_text(w, "}");
}


static void
ngx_http_codeexec_write_rules(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_job_t *job, ngx_str_t *rules)
{
    size_t  begin;

    ngx_http_codeexec_put_text(w, ",\"screen\":{");

    begin = w->len;

    ngx_http_codeexec_put(w, rules->data, rules->len);

    if (job->rules.len) {
        ngx_http_codeexec_put_comma(w, begin);
        ngx_http_codeexec_put(w, job->rules.data, job->rules.len);
    }

    ngx_http_codeexec_put_text(w, "}");
}


/* Both are arrays. */

static void
ngx_http_codeexec_write_collect(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_job_t *job, ngx_str_t *images)
{
    size_t  begin;

    ngx_http_codeexec_put_text(w, ",\"collect\":[");

    begin = w->len;

    if (images->len && !job->inline_only) {
        ngx_http_codeexec_put(w, images->data + 1, images->len - 2);
    }

    if (job->collect.len > 2) {
        ngx_http_codeexec_put_comma(w, begin);
        ngx_http_codeexec_put(w, job->collect.data + 1, job->collect.len - 2);
    }

    ngx_http_codeexec_put_text(w, "]");
}


/* The content is sent from where it is. */

static ngx_chain_t **
ngx_http_codeexec_add_put_frame(ngx_http_request_t *r, ngx_chain_t **ll,
    ngx_http_codeexec_file_t *file)
{
    u_char  *head, *p;
    size_t   len;

    len = 2 + file->name.len;

    head = ngx_pnalloc(r->pool, WIRE_HEADER_SIZE + len);
    if (head == NULL) {
        return NULL;
    }

    p = wire_put_header(head, WIRE_PUT, (uint32_t) (len + file->content.len));

    *p++ = (u_char) (file->name.len >> 8);
    *p++ = (u_char) file->name.len;
    ngx_memcpy(p, file->name.data, file->name.len);

    ll = ngx_http_codeexec_add_buf(r, ll, head, WIRE_HEADER_SIZE + len);

    if (file->content.len) {
        ll = ngx_http_codeexec_add_buf(r, ll, file->content.data,
                                       file->content.len);
    }

    return ll;
}


/* Both return where the next link goes, or NULL, which they pass on. */

static ngx_chain_t **
ngx_http_codeexec_add_frame(ngx_http_request_t *r, ngx_chain_t **ll,
    enum wire_type type, ngx_str_t *payload)
{
    u_char  *header;

    header = ngx_pnalloc(r->pool, WIRE_HEADER_SIZE);
    if (header == NULL) {
        return NULL;
    }

    wire_put_header(header, type, (uint32_t) payload->len);

    ll = ngx_http_codeexec_add_buf(r, ll, header, WIRE_HEADER_SIZE);

    if (payload->len) {
        ll = ngx_http_codeexec_add_buf(r, ll, payload->data, payload->len);
    }

    return ll;
}


static ngx_chain_t **
ngx_http_codeexec_add_buf(ngx_http_request_t *r, ngx_chain_t **ll,
    u_char *data, size_t len)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    if (ll == NULL) {
        return NULL;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NULL;
    }

    /* core resets pos to start when it sends the chain again */

    b->start = data;
    b->pos = data;
    b->last = data + len;
    b->end = b->last;
    b->memory = 1;

    cl = ngx_alloc_chain_link(r->pool);
    if (cl == NULL) {
        return NULL;
    }

    cl->buf = b;
    cl->next = NULL;

    *ll = cl;

    return &cl->next;
}
