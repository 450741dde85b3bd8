
/*
 * Copyright (C) The codeexec authors.
 *
 * Serves images.  With If-None-Match, as with HEAD, the database is asked for
 * what it knows of an image first, and only if need be for the image.
 */


#include "ngx_http_codeexec_module.h"


static ngx_int_t ngx_http_codeexec_eval_name(ngx_http_request_t *r,
    ngx_str_t *name);
static ngx_int_t ngx_http_codeexec_lookup(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_uint_t metadata);
static void ngx_http_codeexec_lookup_done(ngx_http_codeexec_pg_job_t *job);
static ngx_int_t ngx_http_codeexec_lookup_failed(
    ngx_http_codeexec_ctx_t *ctx, ngx_int_t status);
static ngx_int_t ngx_http_codeexec_send_image(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_uint_t ngx_http_codeexec_is_head(ngx_http_request_t *r);
static ngx_uint_t ngx_http_codeexec_is_conditional(ngx_http_request_t *r);
static ngx_uint_t ngx_http_codeexec_match(ngx_str_t *list, ngx_str_t *etag);
static ngx_uint_t ngx_http_codeexec_is_enough(ngx_http_request_t *r,
    ngx_http_codeexec_row_t *row);
static ngx_int_t ngx_http_codeexec_send_image_header(ngx_http_request_t *r,
    ngx_http_codeexec_row_t *row, ngx_str_t *etag, ngx_uint_t not_modified);
static ngx_int_t ngx_http_codeexec_send_image_body(ngx_http_request_t *r,
    ngx_str_t *data);


ngx_int_t
ngx_http_codeexec_image_handler(ngx_http_request_t *r)
{
    ngx_int_t                    rc;
    ngx_http_codeexec_ctx_t     *ctx;
    ngx_http_codeexec_lookup_t  *lookup;

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "http codeexec image handler");

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    ctx = ngx_http_codeexec_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    lookup = ngx_pcalloc(r->pool, sizeof(ngx_http_codeexec_lookup_t));
    if (lookup == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->lookup = lookup;

    if (ngx_http_codeexec_eval_name(r, &lookup->name) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_codeexec_check_name(r, &lookup->name) != NGX_OK) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                        "Invalid image name");
    }

    if (ngx_http_codeexec_wait(r, &lookup->job) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_codeexec_lookup(r, ctx, ngx_http_codeexec_is_head(r)
                                        || ngx_http_codeexec_is_conditional(r));
    if (rc == NGX_DONE) {
        r->main->count++;
    }

    return rc;
}


/* What follows the location's name, or the last slash if that is a regex. */

static ngx_int_t
ngx_http_codeexec_eval_name(ngx_http_request_t *r, ngx_str_t *name)
{
    u_char                        *p, *last;
    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    if (lcf->image.name) {
        return ngx_http_complex_value(r, lcf->image.name, name);
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    last = r->uri.data + r->uri.len;

    if (clcf->regex == NULL
        && !clcf->exact_match
        && r->uri.len >= clcf->name.len
        && ngx_memcmp(r->uri.data, clcf->name.data, clcf->name.len) == 0)
    {
        p = r->uri.data + clcf->name.len;

        if (p < last && *p == '/') {
            p++;
        }

    } else {
        for (p = last; p > r->uri.data && p[-1] != '/'; p--) { /* void */ }
    }

    name->data = p;
    name->len = last - p;

    return NGX_OK;
}


/*
 * A line feed at the end would be one that "$" matches before, and what is not
 * UTF-8 or has a NUL the database would refuse.
 */

ngx_int_t
ngx_http_codeexec_check_name(ngx_http_request_t *r, ngx_str_t *name)
{
    ngx_int_t                      n;
    ngx_http_codeexec_loc_conf_t  *lcf;

    if (name->len == 0
        || name->data[name->len - 1] == LF
        || ngx_strlchr(name->data, name->data + name->len, '\0')
        || ngx_http_codeexec_utf8_check(name) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    n = ngx_regex_exec(lcf->image.pattern, name, NULL, 0);

    if (n >= 0) {
        return NGX_OK;
    }

    if (n != NGX_REGEX_NO_MATCHED) {

        /* the name is left out, it may have line feeds and more */

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      ngx_regex_exec_n " failed: %i using "
                      "\"codeexec_image_name\"", n);
    }

    return NGX_DECLINED;
}


/* NGX_DONE if it is under way. */

static ngx_int_t
ngx_http_codeexec_lookup(ngx_http_request_t *r, ngx_http_codeexec_ctx_t *ctx,
    ngx_uint_t metadata)
{
    ngx_http_codeexec_lookup_t    *lookup;
    ngx_http_codeexec_pg_job_t    *job;
    ngx_http_codeexec_pg_args_t   *args;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    lookup = ctx->lookup;
    lookup->metadata = (u_char) metadata;

    args = &lookup->args;

    args->values[0] = (char *) lookup->name.data;
    args->lengths[0] = (int) lookup->name.len;
    args->values[1] = (char *) &lookup->metadata;
    args->lengths[1] = 1;
    args->values[2] = (char *) lcf->image.max_size_arg;
    args->lengths[2] = 8;

    job = &lookup->job;

    job->statement = ngx_http_codeexec_pg_lookup;
    job->args = args;
    job->nargs = 1;
    job->handler = ngx_http_codeexec_lookup_done;
    job->data = r;
    job->log = r->connection->log;

    r->connection->log->action = "looking up an image";

    if (ngx_http_codeexec_pg_submit(lcf->image.pool, job) != NGX_OK) {
        job->time = 0;
        ngx_http_codeexec_job_done(ctx, job);

        return ngx_http_codeexec_lookup_failed(ctx,
                                               NGX_HTTP_SERVICE_UNAVAILABLE);
    }

    return NGX_DONE;
}


static void
ngx_http_codeexec_lookup_done(ngx_http_codeexec_pg_job_t *job)
{
    ngx_int_t                 rc;
    ngx_connection_t         *c;
    ngx_http_request_t       *r;
    ngx_http_codeexec_ctx_t  *ctx;

    r = job->data;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, c->log, 0,
                   "http codeexec lookup done: %i", job->status);

    c->log->action = "sending to client";

    ctx = ngx_http_get_module_ctx(r, ngx_http_codeexec_module);

    PQclear(ctx->row);
    ctx->row = job->result;

    ngx_http_codeexec_job_done(ctx, job);

    if (job->status == NGX_OK) {
        rc = ngx_http_codeexec_send_image(r, ctx);

    } else {
        rc = ngx_http_codeexec_lookup_failed(ctx, job->status);
    }

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE && ctx->lookup->header_sent) {
        rc = NGX_ERROR;
    }

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }

    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_codeexec_lookup_failed(ngx_http_codeexec_ctx_t *ctx,
    ngx_int_t status)
{
    if (status == NGX_HTTP_SERVICE_UNAVAILABLE) {
        return ngx_http_codeexec_refuse(ctx, status,
                                        "Image store is unavailable");
    }

    return status;
}


/* NGX_DONE if the database is asked again. */

static ngx_int_t
ngx_http_codeexec_send_image(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_int_t                      rc;
    ngx_str_t                      etag;
    ngx_uint_t                     not_modified;
    ngx_http_codeexec_row_t        row;
    ngx_http_codeexec_lookup_t    *lookup;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lookup = ctx->lookup;

    rc = ngx_http_codeexec_read_row(r, ctx->row, lookup->metadata, &row);

    if (rc == NGX_DECLINED) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_NOT_FOUND,
                                        "Image not found");
    }

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    if (row.size > lcf->image.max_size) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "image of %uL bytes is larger than "
                      "\"codeexec_image_max_size\"", row.size);

        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_INTERNAL_SERVER_ERROR,
                                        "Image is too large");
    }

    if (lookup->header_sent) {
        return ngx_http_codeexec_send_image_body(r, &row.data);
    }

    if (ngx_http_codeexec_row_etag(r, &row, &etag) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    not_modified = 0;

    if (lookup->metadata) {
        not_modified = ngx_http_codeexec_is_conditional(r)
                       && ngx_http_codeexec_match(
                              &r->headers_in.if_none_match->value, &etag);

        if (!not_modified && !ngx_http_codeexec_is_enough(r, &row)) {
            return ngx_http_codeexec_lookup(r, ctx, 0);
        }
    }

    rc = ngx_http_codeexec_send_image_header(r, &row, &etag, not_modified);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    lookup->header_sent = 1;

    if (lookup->metadata) {

        /* a filter makes something else of the image, even for HEAD */

        return ngx_http_codeexec_lookup(r, ctx, 0);
    }

    return ngx_http_codeexec_send_image_body(r, &row.data);
}


static ngx_uint_t
ngx_http_codeexec_is_head(ngx_http_request_t *r)
{
    return r->header_only || (r->method == NGX_HTTP_HEAD && r == r->main);
}


/*
 * Whether If-None-Match decides.  What comes before it, and an image in place
 * of an error, are left to nginx, which needs no help then.
 */

static ngx_uint_t
ngx_http_codeexec_is_conditional(ngx_http_request_t *r)
{
    return r->headers_in.if_none_match
           && r->headers_in.if_match == NULL
           && r->headers_in.if_unmodified_since == NULL
           && r->err_status == 0
           && r == r->main
           && !r->disable_not_modified;
}


/* Compares as weakly as nginx does: what gzip has sent matches, too. */

static ngx_uint_t
ngx_http_codeexec_match(ngx_str_t *list, ngx_str_t *etag)
{
    u_char  *p, *last;

    if (list->len == 1 && list->data[0] == '*') {
        return 1;
    }

    p = list->data;
    last = list->data + list->len;

    while (p < last) {

        if (*p == ' ' || *p == '\t' || *p == ',') {
            p++;
            continue;
        }

        if (last - p > 2 && p[0] == 'W' && p[1] == '/') {
            p += 2;
        }

        if ((size_t) (last - p) >= etag->len
            && ngx_memcmp(p, etag->data, etag->len) == 0)
        {
            p += etag->len;

            while (p < last && (*p == ' ' || *p == '\t')) { p++; }

            if (p == last || *p == ',') {
                return 1;
            }
        }

        while (p < last && *p != ',') { p++; }
    }

    return 0;
}


/*
 * Whether the answer to HEAD is known.  The <svg> of an image that says no
 * type may be further down than the first bytes.
 */

static ngx_uint_t
ngx_http_codeexec_is_enough(ngx_http_request_t *r,
    ngx_http_codeexec_row_t *row)
{
    ngx_http_codeexec_loc_conf_t  *lcf;

    if (!ngx_http_codeexec_is_head(r)) {
        return 0;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    return row->data.len == row->size
           || !(lcf->image.types & NGX_HTTP_CODEEXEC_SVG)
           || ngx_http_codeexec_row_type(r, row) != NULL;
}


static ngx_int_t
ngx_http_codeexec_send_image_header(ngx_http_request_t *r,
    ngx_http_codeexec_row_t *row, ngx_str_t *etag, ngx_uint_t not_modified)
{
    ngx_int_t  rc;

    if (ngx_http_codeexec_row_headers(r, row, etag, not_modified) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);

    /* 416 is another answer, maybe of another location */

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE
        && ngx_http_codeexec_set_cache_control(r, "no-store") != NGX_OK)
    {
        return NGX_ERROR;
    }

    return rc;
}


static ngx_int_t
ngx_http_codeexec_send_image_body(ngx_http_request_t *r, ngx_str_t *data)
{
    ngx_buf_t    *b;
    ngx_chain_t   out;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = data->data;
    b->last = data->data + data->len;

    b->memory = data->len ? 1 : 0;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->sync = (b->last_buf || b->memory) ? 0 : 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}
