
/*
 * Copyright (C) The codeexec authors.
 *
 * Images of a run are stored under names nobody can guess, and then only their
 * URLs are in the answer.
 */


#include "ngx_http_codeexec_module.h"


static ngx_uint_t ngx_http_codeexec_count_forms(ngx_http_codeexec_ctx_t *ctx,
    ngx_http_codeexec_image_t *image);
static void ngx_http_codeexec_choose(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_http_codeexec_image_t *image,
    ngx_str_t *file);
static ngx_http_codeexec_fate_e ngx_http_codeexec_fate(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_http_codeexec_image_t *image,
    ngx_str_t *file);
static ngx_int_t ngx_http_codeexec_make_name(ngx_http_request_t *r,
    ngx_http_codeexec_image_t *image, ngx_str_t *file);
static ngx_int_t ngx_http_codeexec_make_args(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static void ngx_http_codeexec_store_done(ngx_http_codeexec_pg_job_t *job);
static void ngx_http_codeexec_stored_or_not(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_int_t status);


ngx_int_t
ngx_http_codeexec_choose_images(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    u_char                        *p;
    ngx_str_t                      name;
    ngx_uint_t                     i, n;
    ngx_http_codeexec_file_t      *file;
    ngx_http_codeexec_image_t     *image;
    ngx_http_codeexec_store_t     *store;
    ngx_http_codeexec_result_t    *res;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);
    res = &ctx->result;

    n = res->nfiles + ngx_http_codeexec_count_forms(ctx, NULL);

    /* what nobody is to see is not stored either */

    if (lcf->image.store == NULL || n == 0 || ctx->job.inline_only
        || r->header_only || r->post_action)
    {
        return NGX_DECLINED;
    }

    store = ngx_pcalloc(r->pool, sizeof(ngx_http_codeexec_store_t));
    if (store == NULL) {
        return NGX_ERROR;
    }

    store->images = ngx_pcalloc(r->pool,
                                n * sizeof(ngx_http_codeexec_image_t));
    if (store->images == NULL) {
        return NGX_ERROR;
    }

    ctx->store = store;
    store->nimages = n;
    image = store->images;

    for (i = 0; i < res->nfiles; i++) {
        file = &res->files[i];

        image->content = file->content;
        name = file->name;

        if (!file->image) {

            /* it may be one of a directory below */

            for (p = name.data + name.len;
                 p > name.data && p[-1] != '/';
                 p--)
            {
                /* void */
            }

            name.len -= p - name.data;
            name.data = p;
        }

        ngx_http_codeexec_choose(r, ctx, image++, &name);
    }

    ngx_str_null(&name);

    for (n = ngx_http_codeexec_count_forms(ctx, image); n; n--) {
        ngx_http_codeexec_choose(r, ctx, image++, &name);
    }

    return store->nstored ? NGX_OK : NGX_DECLINED;
}


/* Of results that are images, which get one of these each, if there are. */

static ngx_uint_t
ngx_http_codeexec_count_forms(ngx_http_codeexec_ctx_t *ctx,
    ngx_http_codeexec_image_t *image)
{
    ngx_uint_t                  i, j, n;
    ngx_http_codeexec_form_t   *form;
    ngx_http_codeexec_shown_t  *shown;

    n = 0;

    for (i = 0; i < ctx->result.nshown; i++) {
        shown = &ctx->result.shown[i];

        for (j = 0; j < shown->nforms; j++) {
            form = &shown->forms[j];

            if (form->type->as != ngx_http_codeexec_as_image) {
                continue;
            }

            if (image) {
                image[n].content = form->content;
                form->image = &image[n];
            }

            n++;
        }
    }

    return n;
}


static void
ngx_http_codeexec_choose(ngx_http_request_t *r, ngx_http_codeexec_ctx_t *ctx,
    ngx_http_codeexec_image_t *image, ngx_str_t *file)
{
    image->fate = ngx_http_codeexec_fate(r, ctx, image, file);

    if (image->fate == ngx_http_codeexec_stored) {
        ctx->store->nstored++;
        ctx->store->total += image->content.len;
    }
}


static ngx_http_codeexec_fate_e
ngx_http_codeexec_fate(ngx_http_request_t *r, ngx_http_codeexec_ctx_t *ctx,
    ngx_http_codeexec_image_t *image, ngx_str_t *file)
{
    ngx_http_codeexec_loc_conf_t    *lcf;
    ngx_http_codeexec_image_conf_t  *conf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);
    conf = &lcf->image;

    image->type = ngx_http_codeexec_type_of_image(image->content.data,
                                                  image->content.len);

    if (image->type == NULL || !(image->type->bit & conf->types)) {
        return ngx_http_codeexec_by_type;
    }

    if (image->content.len > conf->max_size) {
        return ngx_http_codeexec_by_size;
    }

    if (ctx->store->nstored >= conf->max_count) {
        return ngx_http_codeexec_by_count;
    }

    if (image->content.len > conf->max_total - ctx->store->total) {
        return ngx_http_codeexec_by_total;
    }

    /* an error_page may take the place of the answer */

    if (ctx->outcome == NGX_HTTP_CODEEXEC_TIMEOUT
        && lcf->upstream.intercept_errors)
    {
        return ngx_http_codeexec_unavailable;
    }

    if (ngx_http_codeexec_make_name(r, image, file) != NGX_OK) {
        return ngx_http_codeexec_unavailable;
    }

    if (ngx_http_codeexec_check_name(r, &image->name) != NGX_OK) {
        return ngx_http_codeexec_by_name;
    }

    return ngx_http_codeexec_stored;
}


/* A result's is made up. */

static ngx_int_t
ngx_http_codeexec_make_name(ngx_http_request_t *r,
    ngx_http_codeexec_image_t *image, ngx_str_t *file)
{
    u_char     *p, uuid[16];
    u_char      made[sizeof("result.webp")];
    ngx_str_t   last, *name;

    if (ngx_http_codeexec_random(uuid, sizeof(uuid)) != NGX_OK) {
        return NGX_ERROR;
    }

    last = *file;

    if (last.data == NULL) {
        last.data = made;
        last.len = ngx_sprintf(made, "result.%s", image->type->ext) - made;
    }

    name = &image->name;

    name->len = NGX_HTTP_CODEEXEC_UUID_LEN + 1 + last.len;
    name->data = ngx_pnalloc(r->pool, name->len);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_http_codeexec_put_uuid(name->data, uuid, 4);
    *p++ = '_';
    ngx_memcpy(p, last.data, last.len);

    return NGX_OK;
}


void
ngx_http_codeexec_store_images(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_http_codeexec_pg_job_t    *job;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    job = &ctx->store->job;

    if (ngx_http_codeexec_make_args(r, ctx) != NGX_OK
        || ngx_http_codeexec_wait(r, job) != NGX_OK)
    {
        ngx_http_codeexec_send_held(r, ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    if (lcf->upstream.ignore_client_abort) {
        r->read_event_handler = ngx_http_block_reading;
    }

    job->statement = ngx_http_codeexec_pg_store;
    job->nargs = ctx->store->nstored;
    job->handler = ngx_http_codeexec_store_done;
    job->data = r;
    job->log = r->connection->log;

    r->connection->log->action = "storing images";

    if (ngx_http_codeexec_pg_submit(lcf->image.store, job) != NGX_OK) {
        ngx_http_codeexec_job_done(ctx, job);
        ngx_http_codeexec_stored_or_not(r, ctx, NGX_BUSY);
    }
}


static ngx_int_t
ngx_http_codeexec_make_args(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_uint_t                     i;
    ngx_http_codeexec_image_t     *image;
    ngx_http_codeexec_store_t     *store;
    ngx_http_codeexec_pg_args_t   *args;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);
    store = ctx->store;

    args = ngx_pcalloc(r->pool, store->nstored
                                * sizeof(ngx_http_codeexec_pg_args_t));
    if (args == NULL) {
        return NGX_ERROR;
    }

    store->job.args = args;

    for (i = 0; i < store->nimages; i++) {
        image = &store->images[i];

        if (image->fate != ngx_http_codeexec_stored) {
            continue;
        }

        args->values[0] = (char *) image->name.data;
        args->lengths[0] = (int) image->name.len;
        args->values[1] = (char *) image->content.data;
        args->lengths[1] = (int) image->content.len;
        args->values[2] = image->type->mime;
        args->lengths[2] = (int) image->type->len;

        if (lcf->image.ttl) {
            args->values[3] = (char *) lcf->image.ttl_arg;
            args->lengths[3] = sizeof(lcf->image.ttl_arg);
        }

        args++;
    }

    return NGX_OK;
}


static void
ngx_http_codeexec_store_done(ngx_http_codeexec_pg_job_t *job)
{
    ngx_connection_t         *c;
    ngx_http_request_t       *r;
    ngx_http_codeexec_ctx_t  *ctx;

    r = job->data;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, c->log, 0,
                   "http codeexec store done: %i", job->status);

    ctx = ngx_http_get_module_ctx(r, ngx_http_codeexec_module);

    PQclear(job->result);

    ngx_http_codeexec_job_done(ctx, job);
    ngx_http_codeexec_stored_or_not(r, ctx, job->status);

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_codeexec_stored_or_not(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_int_t status)
{
    ngx_uint_t                     i;
    ngx_http_codeexec_store_t     *store;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);
    store = ctx->store;

    r->connection->log->action = "sending to client";

    if (status == NGX_OK) {
        ctx->images_stored = store->nstored;

        status = ngx_http_codeexec_eval_url(r, &store->url);

        ngx_http_codeexec_send_held(r, ctx, status == NGX_OK ? NGX_OK
                                            : NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    if (lcf->image.fallback) {
        status = ngx_http_codeexec_refuse(ctx, lcf->image.fallback,
                                          "Images could not be stored");
        ngx_http_codeexec_send_held(r, ctx, status);
        return;
    }

    for (i = 0; i < store->nimages; i++) {

        if (store->images[i].fate == ngx_http_codeexec_stored) {
            store->images[i].fate = ngx_http_codeexec_unavailable;
        }
    }

    store->nstored = 0;

    ngx_http_codeexec_send_held(r, ctx, NGX_OK);
}
