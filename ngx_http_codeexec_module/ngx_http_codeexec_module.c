
/*
 * Copyright (C) The codeexec authors.
 */


#include "ngx_http_codeexec_module.h"


#define NGX_HTTP_CODEEXEC_ANYWHERE                                            \
    NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF

/* A job longer than a frame would need splitting; nobody sends that. */
#define NGX_HTTP_CODEEXEC_MAX_SIZE     WIRE_LENGTH_MAX

/* JOB.timeout_ms of docs/protocol.md. */
#define NGX_HTTP_CODEEXEC_MAX_TIMEOUT  3600000


static ngx_int_t ngx_http_codeexec_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_codeexec_postconfiguration(ngx_conf_t *cf);
static void *ngx_http_codeexec_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_codeexec_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static void ngx_http_codeexec_merge_upstream(ngx_conf_t *cf,
    ngx_http_codeexec_loc_conf_t *prev, ngx_http_codeexec_loc_conf_t *conf);
static char *ngx_http_codeexec_check_limits(ngx_conf_t *cf,
    ngx_http_codeexec_loc_conf_t *conf);
static char *ngx_http_codeexec_pass(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_codeexec_images(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_codeexec_set_images(ngx_conf_t *cf,
    ngx_http_codeexec_loc_conf_t *lcf, ngx_str_t *names, ngx_uint_t n);


static ngx_conf_bitmask_t  ngx_http_codeexec_next_upstream_masks[] = {
    { ngx_string("error"), NGX_HTTP_UPSTREAM_FT_ERROR },
    { ngx_string("timeout"), NGX_HTTP_UPSTREAM_FT_TIMEOUT },
    { ngx_string("invalid_header"), NGX_HTTP_UPSTREAM_FT_INVALID_HEADER },
    { ngx_string("busy"), NGX_HTTP_CODEEXEC_FT_BUSY },
    { ngx_string("non_idempotent"), NGX_HTTP_UPSTREAM_FT_NON_IDEMPOTENT },
    { ngx_string("off"), NGX_HTTP_UPSTREAM_FT_OFF },
    { ngx_null_string, 0 }
};


static ngx_command_t  ngx_http_codeexec_commands[] = {

    { ngx_string("codeexec_pass"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_CONF_TAKE1,
      ngx_http_codeexec_pass,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("codeexec_bind"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE12,
      ngx_http_upstream_bind_set_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, upstream.local),
      NULL },

    { ngx_string("codeexec_socket_keepalive"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, upstream.socket_keepalive),
      NULL },

    { ngx_string("codeexec_connect_timeout"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, upstream.connect_timeout),
      NULL },

    { ngx_string("codeexec_send_timeout"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, upstream.send_timeout),
      NULL },

    { ngx_string("codeexec_read_timeout"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, upstream.read_timeout),
      NULL },

    { ngx_string("codeexec_buffer_size"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, upstream.buffer_size),
      NULL },

    { ngx_string("codeexec_ignore_client_abort"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, upstream.ignore_client_abort),
      NULL },

    { ngx_string("codeexec_intercept_errors"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, upstream.intercept_errors),
      NULL },

    { ngx_string("codeexec_next_upstream"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_1MORE,
      ngx_conf_set_bitmask_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, next_upstream),
      &ngx_http_codeexec_next_upstream_masks },

    { ngx_string("codeexec_next_upstream_tries"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, upstream.next_upstream_tries),
      NULL },

    { ngx_string("codeexec_next_upstream_timeout"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, upstream.next_upstream_timeout),
      NULL },

    { ngx_string("codeexec_max_code_size"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, max_code_size),
      NULL },

    { ngx_string("codeexec_max_stdin_size"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, max_stdin_size),
      NULL },

    { ngx_string("codeexec_max_variables_size"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, max_variables_size),
      NULL },

    { ngx_string("codeexec_max_response_size"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, max_response_size),
      NULL },

    { ngx_string("codeexec_timeout"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, timeout),
      NULL },

    { ngx_string("codeexec_max_timeout"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, max_timeout),
      NULL },

    { ngx_string("codeexec_images"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_1MORE,
      ngx_http_codeexec_images,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("codeexec_detail"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, detail),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_codeexec_module_ctx = {
    ngx_http_codeexec_preconfiguration,    /* preconfiguration */
    ngx_http_codeexec_postconfiguration,   /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_codeexec_create_loc_conf,     /* create location configuration */
    ngx_http_codeexec_merge_loc_conf       /* merge location configuration */
};


ngx_module_t  ngx_http_codeexec_module = {
    NGX_MODULE_V1,
    &ngx_http_codeexec_module_ctx,         /* module context */
    ngx_http_codeexec_commands,            /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_str_t  ngx_http_codeexec_default_images[] = {
    ngx_string("png"),
    ngx_string("jpg"),
    ngx_string("jpeg"),
    ngx_string("gif"),
    ngx_string("webp"),
    ngx_string("svg")
};


static ngx_int_t
ngx_http_codeexec_preconfiguration(ngx_conf_t *cf)
{
    return ngx_http_codeexec_add_variables(cf);
}


static ngx_int_t
ngx_http_codeexec_postconfiguration(ngx_conf_t *cf)
{
    ngx_http_codeexec_error_filter_init();

    return NGX_OK;
}


static void *
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
     *     conf->dialect = NULL;
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
    conf->max_response_size = NGX_CONF_UNSET_SIZE;
    conf->timeout = NGX_CONF_UNSET_MSEC;
    conf->max_timeout = NGX_CONF_UNSET_MSEC;
    conf->detail = NGX_CONF_UNSET;

    return conf;
}


static char *
ngx_http_codeexec_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_codeexec_loc_conf_t *prev = parent;
    ngx_http_codeexec_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    ngx_conf_merge_size_value(conf->max_code_size,
                              prev->max_code_size, 1024 * 1024);
    ngx_conf_merge_size_value(conf->max_stdin_size,
                              prev->max_stdin_size, 1024 * 1024);
    ngx_conf_merge_size_value(conf->max_variables_size,
                              prev->max_variables_size, 1024 * 1024);
    ngx_conf_merge_size_value(conf->max_response_size,
                              prev->max_response_size, 64 * 1024 * 1024);

    ngx_conf_merge_msec_value(conf->timeout, prev->timeout, 10000);
    ngx_conf_merge_msec_value(conf->max_timeout, prev->max_timeout, 60000);
    ngx_conf_merge_value(conf->detail, prev->detail, 0);

    if (conf->images.data == NULL) {
        conf->images = prev->images;
    }

    if (conf->images.data == NULL
        && ngx_http_codeexec_set_images(cf, conf,
                                        ngx_http_codeexec_default_images,
                                        sizeof(ngx_http_codeexec_default_images)
                                        / sizeof(ngx_str_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    conf->dialect = &ngx_http_codeexec_native;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname
        && conf->upstream.upstream == NULL && conf->pass_lengths == NULL)
    {
        conf->upstream.upstream = prev->upstream.upstream;
        conf->pass_lengths = prev->pass_lengths;
        conf->pass_values = prev->pass_values;
    }

    if (clcf->lmt_excpt && clcf->handler == NULL
        && (conf->upstream.upstream || conf->pass_lengths))
    {
        clcf->handler = ngx_http_codeexec_handler;
    }

    ngx_http_codeexec_merge_upstream(cf, prev, conf);

    return ngx_http_codeexec_check_limits(cf, conf);
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

    if (conf->upstream.buffer_size == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"codeexec_buffer_size\" must be "
                           "greater than zero");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_codeexec_pass(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_codeexec_loc_conf_t *lcf = conf;

    ngx_url_t                   u;
    ngx_str_t                  *value;
    ngx_uint_t                  n;
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_script_compile_t   sc;

    if (lcf->upstream.upstream || lcf->pass_lengths) {
        return "is duplicate";
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    clcf->handler = ngx_http_codeexec_handler;

    if (clcf->name.len && clcf->name.data[clcf->name.len - 1] == '/') {
        clcf->auto_redirect = 1;
    }

    value = cf->args->elts;

    n = ngx_http_script_variables_count(&value[1]);

    if (n) {
        ngx_memzero(&sc, sizeof(ngx_http_script_compile_t));

        sc.cf = cf;
        sc.source = &value[1];
        sc.lengths = &lcf->pass_lengths;
        sc.values = &lcf->pass_values;
        sc.variables = n;
        sc.complete_lengths = 1;
        sc.complete_values = 1;

        if (ngx_http_script_compile(&sc) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        return NGX_CONF_OK;
    }

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = value[1];
    u.no_resolve = 1;

    lcf->upstream.upstream = ngx_http_upstream_add(cf, &u, 0);
    if (lcf->upstream.upstream == NULL) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_codeexec_images(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_codeexec_loc_conf_t *lcf = conf;

    u_char      *p;
    ngx_str_t   *value;
    ngx_uint_t   i, j;

    if (lcf->images.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        lcf->images.data = (u_char *) "";
        return NGX_CONF_OK;
    }

    for (i = 1; i < cf->args->nelts; i++) {
        p = value[i].data;

        for (j = 0; j < value[i].len; j++) {
            p[j] = ngx_tolower(p[j]);

            if ((p[j] < 'a' || p[j] > 'z') && (p[j] < '0' || p[j] > '9')) {
                break;
            }
        }

        if (j == 0 || j != value[i].len || ngx_strcmp(p, "off") == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid value \"%V\"", &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_http_codeexec_set_images(cf, lcf, &value[1], cf->args->nelts - 1)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* Shell patterns know no case, so "png" becomes ["*.png","*.PNG"]. */

static ngx_int_t
ngx_http_codeexec_set_images(ngx_conf_t *cf,
    ngx_http_codeexec_loc_conf_t *lcf, ngx_str_t *names, ngx_uint_t n)
{
    u_char      *p;
    size_t       len;
    ngx_uint_t   i, j;

    len = sizeof("[]") - 1;

    for (i = 0; i < n; i++) {
        len += 2 * (sizeof("\"*.\",") - 1 + names[i].len);
    }

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    lcf->images.data = p;

    *p++ = '[';

    for (i = 0; i < n; i++) {
        p = ngx_sprintf(p, "%s\"*.%V\",\"*.", i ? "," : "", &names[i]);

        for (j = 0; j < names[i].len; j++) {
            *p++ = ngx_toupper(names[i].data[j]);
        }

        *p++ = '"';
    }

    *p++ = ']';

    lcf->images.len = p - lcf->images.data;

    return NGX_OK;
}
