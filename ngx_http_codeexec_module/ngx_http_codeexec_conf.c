
/*
 * Copyright (C) The codeexec authors.
 */


#include "ngx_http_codeexec_module.h"


/* A job longer than a frame would need splitting; nobody sends that. */
#define NGX_HTTP_CODEEXEC_MAX_SIZE     WIRE_LENGTH_MAX

/* A file has its name before it. */
#define NGX_HTTP_CODEEXEC_MAX_PUT      (WIRE_LENGTH_MAX - 1024 * 1024)

/* Each name is compared with all others. */
#define NGX_HTTP_CODEEXEC_MAX_FILES    1000

/* JOB.timeout_ms of docs/protocol.md. */
#define NGX_HTTP_CODEEXEC_MAX_TIMEOUT  3600000

#define NGX_HTTP_CODEEXEC_NIMAGES                                             \
    (sizeof(ngx_http_codeexec_default_images) / sizeof(ngx_str_t))


static void ngx_http_codeexec_merge_handler(ngx_conf_t *cf,
    ngx_http_codeexec_loc_conf_t *prev, ngx_http_codeexec_loc_conf_t *conf);
static void ngx_http_codeexec_merge_upstream(ngx_conf_t *cf,
    ngx_http_codeexec_loc_conf_t *prev, ngx_http_codeexec_loc_conf_t *conf);
static char *ngx_http_codeexec_check_zone(ngx_conf_t *cf,
    ngx_http_codeexec_loc_conf_t *conf);
static char *ngx_http_codeexec_check_limits(ngx_conf_t *cf,
    ngx_http_codeexec_loc_conf_t *conf);


static ngx_str_t  ngx_http_codeexec_default_images[] = {
    ngx_string("png"),
    ngx_string("jpg"),
    ngx_string("jpeg"),
    ngx_string("gif"),
    ngx_string("webp"),
    ngx_string("svg")
};


void *
ngx_http_codeexec_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_codeexec_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_codeexec_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->upstream.upstream = NULL;
     *     conf->upstream.buffering = 0;
     *     conf->upstream.pass_request_headers = 0;
     *     conf->upstream.pass_request_body = 0;
     *     conf->upstream.hide_headers_hash = { NULL, 0 };
     *     conf->started = { 0 };
     *     conf->next_upstream = 0;
     *     conf->pass_lengths = NULL;
     *     conf->pass_values = NULL;
     *     conf->images = { 0, NULL };
     *     conf->image_names = NULL;
     *     conf->rules = { 0, NULL };
     *     conf->image = { 0 };
     *     conf->dialect = NULL;
     *     conf->endpoint = NULL;
     *     conf->api_deny = NULL;
     */

    conf->upstream.local = NGX_CONF_UNSET_PTR;
    conf->upstream.socket_keepalive = NGX_CONF_UNSET;
    conf->upstream.connect_timeout = NGX_CONF_UNSET_MSEC;
    conf->upstream.send_timeout = NGX_CONF_UNSET_MSEC;
    conf->upstream.read_timeout = NGX_CONF_UNSET_MSEC;
    conf->upstream.buffer_size = NGX_CONF_UNSET_SIZE;
    conf->upstream.ignore_client_abort = NGX_CONF_UNSET;
    conf->upstream.intercept_errors = NGX_CONF_UNSET;
    conf->upstream.next_upstream_tries = NGX_CONF_UNSET_UINT;
    conf->upstream.next_upstream_timeout = NGX_CONF_UNSET_MSEC;

    conf->max_code_size = NGX_CONF_UNSET_SIZE;
    conf->max_stdin_size = NGX_CONF_UNSET_SIZE;
    conf->max_variables_size = NGX_CONF_UNSET_SIZE;
    conf->max_files_size = NGX_CONF_UNSET_SIZE;
    conf->max_files = NGX_CONF_UNSET_UINT;
    conf->max_response_size = NGX_CONF_UNSET_SIZE;
    conf->timeout = NGX_CONF_UNSET_MSEC;
    conf->max_timeout = NGX_CONF_UNSET_MSEC;
    conf->detail = NGX_CONF_UNSET;
    conf->results = NGX_CONF_UNSET;
    conf->files = NGX_CONF_UNSET;
    conf->cors = NGX_CONF_UNSET_PTR;
    conf->zone = NGX_CONF_UNSET_PTR;

    conf->keys = NGX_CONF_UNSET_PTR;

    conf->deny = NGX_CONF_UNSET_PTR;
    conf->deny_imports = NGX_CONF_UNSET_PTR;
    conf->allow_imports = NGX_CONF_UNSET_PTR;
    conf->deny_calls = NGX_CONF_UNSET_PTR;

    ngx_http_codeexec_init_image_conf(&conf->image);

    return conf;
}


char *
ngx_http_codeexec_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_codeexec_loc_conf_t *prev = parent;
    ngx_http_codeexec_loc_conf_t *conf = child;

    ngx_conf_merge_size_value(conf->max_code_size,
                              prev->max_code_size, 1024 * 1024);
    ngx_conf_merge_size_value(conf->max_stdin_size,
                              prev->max_stdin_size, 1024 * 1024);
    ngx_conf_merge_size_value(conf->max_variables_size,
                              prev->max_variables_size, 1024 * 1024);
    ngx_conf_merge_size_value(conf->max_files_size,
                              prev->max_files_size, 16 * 1024 * 1024);
    ngx_conf_merge_uint_value(conf->max_files, prev->max_files, 64);
    ngx_conf_merge_size_value(conf->max_response_size,
                              prev->max_response_size, 64 * 1024 * 1024);

    ngx_conf_merge_msec_value(conf->timeout, prev->timeout, 10000);
    ngx_conf_merge_msec_value(conf->max_timeout, prev->max_timeout, 60000);
    ngx_conf_merge_value(conf->detail, prev->detail, 0);
    ngx_conf_merge_value(conf->results, prev->results, 1);
    ngx_conf_merge_value(conf->files, prev->files, 1);
    ngx_conf_merge_ptr_value(conf->cors, prev->cors, NULL);
    ngx_conf_merge_ptr_value(conf->zone, prev->zone, NULL);

    ngx_conf_merge_ptr_value(conf->keys, prev->keys, NULL);

    if (conf->images.data == NULL) {
        conf->images = prev->images;
        conf->image_names = prev->image_names;
    }

    if (conf->images.data == NULL
        && ngx_http_codeexec_set_images(cf, conf,
                                        ngx_http_codeexec_default_images,
                                        NGX_HTTP_CODEEXEC_NIMAGES)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (conf->dialect == NULL) {
        conf->dialect = prev->dialect;
        conf->endpoint = prev->endpoint;
        conf->api_deny = prev->api_deny;
    }

    ngx_http_codeexec_merge_handler(cf, prev, conf);
    ngx_http_codeexec_merge_upstream(cf, prev, conf);

    if (ngx_http_codeexec_merge_policy(cf, prev, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_codeexec_merge_image_conf(cf, &prev->image, &conf->image)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_codeexec_check_zone(cf, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_codeexec_check_limits(cf, conf);
}


/* An "if" and a "limit_except" do what the location around them does. */

static void
ngx_http_codeexec_merge_handler(ngx_conf_t *cf,
    ngx_http_codeexec_loc_conf_t *prev, ngx_http_codeexec_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname
        && conf->upstream.upstream == NULL && conf->pass_lengths == NULL
        && conf->image.pool == NULL)
    {
        conf->upstream.upstream = prev->upstream.upstream;
        conf->pass_lengths = prev->pass_lengths;
        conf->pass_values = prev->pass_values;
        conf->image.pool = prev->image.pool;
        conf->image.name = prev->image.name;
    }

    if (clcf->lmt_excpt && clcf->handler == NULL) {

        if (conf->upstream.upstream || conf->pass_lengths) {
            clcf->handler = ngx_http_codeexec_handler;

        } else if (conf->image.pool) {
            clcf->handler = ngx_http_codeexec_image_handler;
        }
    }
}


static void
ngx_http_codeexec_merge_upstream(ngx_conf_t *cf,
    ngx_http_codeexec_loc_conf_t *prev, ngx_http_codeexec_loc_conf_t *conf)
{
    ngx_uint_t                 errors;
    ngx_http_upstream_conf_t  *pu, *u;

    pu = &prev->upstream;
    u = &conf->upstream;

    ngx_conf_merge_ptr_value(u->local, pu->local, NULL);
    ngx_conf_merge_value(u->socket_keepalive, pu->socket_keepalive, 0);
    ngx_conf_merge_msec_value(u->connect_timeout, pu->connect_timeout, 5000);
    ngx_conf_merge_msec_value(u->send_timeout, pu->send_timeout, 60000);
    ngx_conf_merge_msec_value(u->read_timeout, pu->read_timeout, 90000);
    ngx_conf_merge_size_value(u->buffer_size, pu->buffer_size,
                              (size_t) ngx_pagesize);
    ngx_conf_merge_value(u->ignore_client_abort, pu->ignore_client_abort, 0);
    ngx_conf_merge_value(u->intercept_errors, pu->intercept_errors, 0);
    ngx_conf_merge_uint_value(u->next_upstream_tries,
                              pu->next_upstream_tries, 0);
    ngx_conf_merge_msec_value(u->next_upstream_timeout,
                              pu->next_upstream_timeout, 0);

    ngx_conf_merge_bitmask_value(conf->next_upstream, prev->next_upstream,
                                 (NGX_CONF_BITMASK_SET
                                  |NGX_HTTP_UPSTREAM_FT_ERROR
                                  |NGX_HTTP_UPSTREAM_FT_TIMEOUT
                                  |NGX_HTTP_CODEEXEC_FT_BUSY));

    if (conf->next_upstream & NGX_HTTP_UPSTREAM_FT_OFF) {
        conf->next_upstream = NGX_CONF_BITMASK_SET
                              |NGX_HTTP_UPSTREAM_FT_OFF;
    }

    /* what did not start may be sent elsewhere, whatever the method is */

    u->next_upstream = conf->next_upstream
                       |NGX_HTTP_UPSTREAM_FT_NON_IDEMPOTENT;

    conf->started = conf->upstream;

    if (!(conf->next_upstream & NGX_HTTP_UPSTREAM_FT_NON_IDEMPOTENT)) {
        errors = NGX_HTTP_UPSTREAM_FT_ERROR
                 |NGX_HTTP_UPSTREAM_FT_TIMEOUT
                 |NGX_HTTP_UPSTREAM_FT_INVALID_HEADER;

        conf->started.next_upstream = conf->next_upstream & ~errors;
    }
}


/* Runs of a key are counted where all workers see them. */

static char *
ngx_http_codeexec_check_zone(ngx_conf_t *cf,
    ngx_http_codeexec_loc_conf_t *conf)
{
    ngx_http_codeexec_key_t  *key;

    if (conf->keys == NULL || conf->zone
        || (conf->upstream.upstream == NULL && conf->pass_lengths == NULL))
    {
        return NGX_CONF_OK;
    }

    key = ngx_http_codeexec_concurrency_key(conf->keys);

    if (key) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"concurrency\" of key \"%V\" in %V:%ui needs "
                           "\"codeexec_zone\"",
                           &key->name, &conf->keys->path, key->line);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_codeexec_check_limits(ngx_conf_t *cf,
    ngx_http_codeexec_loc_conf_t *conf)
{
    if (conf->timeout == 0 || conf->timeout > conf->max_timeout) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"codeexec_timeout\" must be greater than zero "
                           "and equal to or less than "
                           "\"codeexec_max_timeout\"");
        return NGX_CONF_ERROR;
    }

    if (conf->max_timeout > NGX_HTTP_CODEEXEC_MAX_TIMEOUT) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"codeexec_max_timeout\" must be equal to "
                           "or less than 1h");
        return NGX_CONF_ERROR;
    }

    if (conf->max_code_size > NGX_HTTP_CODEEXEC_MAX_SIZE
        || conf->max_stdin_size > NGX_HTTP_CODEEXEC_MAX_SIZE
        || conf->max_variables_size > NGX_HTTP_CODEEXEC_MAX_SIZE)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"codeexec_max_code_size\", "
                           "\"codeexec_max_stdin_size\" and "
                           "\"codeexec_max_variables_size\" must be equal to "
                           "or less than 64m");
        return NGX_CONF_ERROR;
    }

    if (conf->max_files_size > NGX_HTTP_CODEEXEC_MAX_PUT) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"codeexec_max_files_size\" must be equal to "
                           "or less than 63m");
        return NGX_CONF_ERROR;
    }

    if (conf->max_files > NGX_HTTP_CODEEXEC_MAX_FILES) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"codeexec_max_files\" must be equal to or less "
                           "than 1000");
        return NGX_CONF_ERROR;
    }

    if (conf->upstream.buffer_size == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"codeexec_buffer_size\" must be "
                           "greater than zero");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
