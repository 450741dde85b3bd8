
/*
 * Copyright (C) The codeexec authors.
 */


#include "ngx_http_codeexec_module.h"


/* What PostgreSQL has room for in one value. */
#define NGX_HTTP_CODEEXEC_MAX_IMAGE  (1024 * 1024 * 1024 - 1)

/* In milliseconds; PostgreSQL's time ends in the year 294276. */
#define NGX_HTTP_CODEEXEC_MAX_TTL  (1000ULL * 86400 * 36500)

/* A UUID, and the name a file had when a run wrote it. */

#define NGX_HTTP_CODEEXEC_NAME                                                \
    "^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}_[^/\\x00-\\x1f\\x7f]{1,255}$"

#define NGX_HTTP_CODEEXEC_UTF  "(*UTF)"


static ngx_regex_t *ngx_http_codeexec_compile_name(ngx_conf_t *cf,
    ngx_str_t *pattern);
static void ngx_http_codeexec_set_number(u_char *p, uint64_t value);


static ngx_str_t  ngx_http_codeexec_default_name =
    ngx_string(NGX_HTTP_CODEEXEC_NAME);


char *
ngx_http_codeexec_image(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_codeexec_loc_conf_t *lcf = conf;

    ngx_str_t                         *value;
    ngx_http_core_loc_conf_t          *clcf;
    ngx_http_compile_complex_value_t   ccv;

    if (lcf->image.pool) {
        return "is duplicate";
    }

    if (lcf->upstream.upstream || lcf->pass_lengths) {
        return "is incompatible with \"codeexec_pass\"";
    }

    value = cf->args->elts;

    lcf->image.pool = ngx_http_codeexec_pg_add(cf, &value[1]);
    if (lcf->image.pool == NULL) {
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts == 3) {
        lcf->image.name = ngx_palloc(cf->pool,
                                     sizeof(ngx_http_complex_value_t));
        if (lcf->image.name == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

        ccv.cf = cf;
        ccv.value = &value[2];
        ccv.complex_value = lcf->image.name;

        if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_codeexec_image_handler;

    return NGX_CONF_OK;
}


char *
ngx_http_codeexec_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_codeexec_loc_conf_t *lcf = conf;

    ngx_str_t  *value;

    if (lcf->image.store != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        lcf->image.store = NULL;
        return NGX_CONF_OK;
    }

    lcf->image.store = ngx_http_codeexec_pg_add(cf, &value[1]);
    if (lcf->image.store == NULL) {
        return NGX_CONF_ERROR;
    }

    lcf->image.store->stores = 1;

    return NGX_CONF_OK;
}


char *
ngx_http_codeexec_image_name(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_codeexec_loc_conf_t *lcf = conf;

    ngx_str_t  *value;

    if (lcf->image.pattern) {
        return "is duplicate";
    }

    value = cf->args->elts;

    lcf->image.pattern = ngx_http_codeexec_compile_name(cf, &value[1]);

    return lcf->image.pattern ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static ngx_regex_t *
ngx_http_codeexec_compile_name(ngx_conf_t *cf, ngx_str_t *pattern)
{
    u_char               *p;
    ngx_regex_compile_t   rc;
    u_char                errstr[NGX_MAX_CONF_ERRSTR];

    ngx_memzero(&rc, sizeof(ngx_regex_compile_t));

    p = ngx_pnalloc(cf->pool, sizeof(NGX_HTTP_CODEEXEC_UTF) + pattern->len);
    if (p == NULL) {
        return NULL;
    }

    rc.pattern.data = p;
    rc.pattern.len = ngx_sprintf(p, NGX_HTTP_CODEEXEC_UTF "%V%Z", pattern)
                     - p - 1;
    rc.pool = cf->pool;
    rc.err.len = NGX_MAX_CONF_ERRSTR;
    rc.err.data = errstr;

    if (ngx_regex_compile(&rc) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%V", &rc.err);
        return NULL;
    }

    return rc.regex;
}


void
ngx_http_codeexec_init_image_conf(ngx_http_codeexec_image_conf_t *conf)
{
    conf->store = NGX_CONF_UNSET_PTR;
    conf->fallback = NGX_CONF_UNSET_UINT;
    conf->max_size = NGX_CONF_UNSET_SIZE;
    conf->max_total = NGX_CONF_UNSET_SIZE;
    conf->max_count = NGX_CONF_UNSET_UINT;
    conf->ttl = NGX_CONF_UNSET_MSEC;
}


char *
ngx_http_codeexec_merge_image_conf(ngx_conf_t *cf,
    ngx_http_codeexec_image_conf_t *prev,
    ngx_http_codeexec_image_conf_t *conf)
{
    double    seconds;
    uint64_t  bits;

    ngx_conf_merge_ptr_value(conf->store, prev->store, NULL);
    ngx_conf_merge_uint_value(conf->fallback, prev->fallback, 0);
    ngx_conf_merge_bitmask_value(conf->types, prev->types,
                                 (NGX_CONF_BITMASK_SET
                                  |NGX_HTTP_CODEEXEC_PNG
                                  |NGX_HTTP_CODEEXEC_JPEG
                                  |NGX_HTTP_CODEEXEC_GIF
                                  |NGX_HTTP_CODEEXEC_WEBP));
    ngx_conf_merge_size_value(conf->max_size, prev->max_size,
                              16 * 1024 * 1024);
    ngx_conf_merge_size_value(conf->max_total, prev->max_total,
                              32 * 1024 * 1024);
    ngx_conf_merge_uint_value(conf->max_count, prev->max_count, 32);
    ngx_conf_merge_msec_value(conf->ttl, prev->ttl, 0);

    if (conf->url == NULL) {
        conf->url = prev->url;
    }

    if (conf->pattern == NULL) {
        conf->pattern = prev->pattern;
    }

    if (conf->pattern == NULL && (conf->pool || conf->store)) {

        conf->pattern = ngx_http_codeexec_compile_name(cf,
                                             &ngx_http_codeexec_default_name);
        if (conf->pattern == NULL) {
            return NGX_CONF_ERROR;
        }

        /* there is one for all locations around which it is not set */

        prev->pattern = conf->pattern;
    }

    if (conf->max_size == 0 || conf->max_size > NGX_HTTP_CODEEXEC_MAX_IMAGE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"codeexec_image_max_size\" must be greater than "
                           "zero and less than 1g");
        return NGX_CONF_ERROR;
    }

    if (conf->ttl > NGX_HTTP_CODEEXEC_MAX_TTL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"codeexec_image_ttl\" must be equal to or less "
                           "than 36500d");
        return NGX_CONF_ERROR;
    }

    ngx_http_codeexec_set_number(conf->max_size_arg, conf->max_size);

    seconds = (double) conf->ttl / 1000;
    ngx_memcpy(&bits, &seconds, sizeof(double));
    ngx_http_codeexec_set_number(conf->ttl_arg, bits);

    return NGX_CONF_OK;
}


/* In network byte order, as arguments of statements are. */

static void
ngx_http_codeexec_set_number(u_char *p, uint64_t value)
{
    ngx_uint_t  i;

    for (i = 0; i < 8; i++) {
        p[i] = (u_char) (value >> (56 - 8 * i));
    }
}
