
/*
 * Copyright (C) The codeexec authors.
 */


#include "ngx_http_codeexec_module.h"


#define NGX_HTTP_CODEEXEC_ANYWHERE                                            \
    NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF


static ngx_int_t ngx_http_codeexec_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_codeexec_postconfiguration(ngx_conf_t *cf);
static char *ngx_http_codeexec_pass(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_codeexec_images(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_conf_bitmask_t  ngx_http_codeexec_next_upstream_masks[] = {
    { ngx_string("error"), NGX_HTTP_UPSTREAM_FT_ERROR },
    { ngx_string("timeout"), NGX_HTTP_UPSTREAM_FT_TIMEOUT },
    { ngx_string("invalid_header"), NGX_HTTP_UPSTREAM_FT_INVALID_HEADER },
    { ngx_string("busy"), NGX_HTTP_CODEEXEC_FT_BUSY },
    { ngx_string("non_idempotent"), NGX_HTTP_UPSTREAM_FT_NON_IDEMPOTENT },
    { ngx_string("off"), NGX_HTTP_UPSTREAM_FT_OFF },
    { ngx_null_string, 0 }
};


static ngx_conf_bitmask_t  ngx_http_codeexec_image_types[] = {
    { ngx_string("png"), NGX_HTTP_CODEEXEC_PNG },
    { ngx_string("jpeg"), NGX_HTTP_CODEEXEC_JPEG },
    { ngx_string("gif"), NGX_HTTP_CODEEXEC_GIF },
    { ngx_string("webp"), NGX_HTTP_CODEEXEC_WEBP },
    { ngx_string("avif"), NGX_HTTP_CODEEXEC_AVIF },
    { ngx_string("svg"), NGX_HTTP_CODEEXEC_SVG },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_codeexec_fallbacks[] = {
    { ngx_string("inline"), 0 },
    { ngx_string("503"), NGX_HTTP_SERVICE_UNAVAILABLE },
    { ngx_null_string, 0 }
};


static ngx_command_t  ngx_http_codeexec_commands[] = {

    { ngx_string("codeexec_pass"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_CONF_TAKE1,
      ngx_http_codeexec_pass,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("codeexec_api"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE12,
      ngx_http_codeexec_api,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("codeexec_cors"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_1MORE,
      ngx_http_codeexec_cors,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("codeexec_key_file"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_HTTP_LMT_CONF|NGX_CONF_TAKE1,
      ngx_http_codeexec_key_file,
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

    { ngx_string("codeexec_max_files_size"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, max_files_size),
      NULL },

    { ngx_string("codeexec_max_files"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, max_files),
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

    { ngx_string("codeexec_results"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, results),
      NULL },

    { ngx_string("codeexec_files"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, files),
      NULL },

    { ngx_string("codeexec_zone"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE1,
      ngx_http_codeexec_zone,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("codeexec_deny"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE12,
      ngx_http_codeexec_deny,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("codeexec_deny_import"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_1MORE,
      ngx_http_codeexec_rule,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, deny_imports),
      NULL },

    { ngx_string("codeexec_allow_import"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_1MORE,
      ngx_http_codeexec_rule,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, allow_imports),
      (void *) 1 },

    { ngx_string("codeexec_deny_call"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_1MORE,
      ngx_http_codeexec_rule,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, deny_calls),
      NULL },

    { ngx_string("codeexec_pg"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_codeexec_pg_block,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("codeexec_store"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE1,
      ngx_http_codeexec_store,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("codeexec_store_fallback"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, image.fallback),
      &ngx_http_codeexec_fallbacks },

    { ngx_string("codeexec_image"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_CONF_TAKE12,
      ngx_http_codeexec_image,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("codeexec_image_name"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE1,
      ngx_http_codeexec_image_name,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("codeexec_image_types"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_1MORE,
      ngx_conf_set_bitmask_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, image.types),
      &ngx_http_codeexec_image_types },

    { ngx_string("codeexec_image_max_size"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, image.max_size),
      NULL },

    { ngx_string("codeexec_image_max_total"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, image.max_total),
      NULL },

    { ngx_string("codeexec_image_max_count"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, image.max_count),
      NULL },

    { ngx_string("codeexec_image_ttl"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, image.ttl),
      NULL },

    { ngx_string("codeexec_image_url"),
      NGX_HTTP_CODEEXEC_ANYWHERE|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_codeexec_loc_conf_t, image.url),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_codeexec_module_ctx = {
    ngx_http_codeexec_preconfiguration,    /* preconfiguration */
    ngx_http_codeexec_postconfiguration,   /* postconfiguration */

    ngx_http_codeexec_pg_create_main_conf, /* create main configuration */
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
    ngx_http_codeexec_pg_init_process,     /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_codeexec_pg_exit_process,     /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
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

    if (ngx_http_codeexec_key_init(cf) != NGX_OK
        || ngx_http_codeexec_cors_init(cf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_codeexec_pg_postconfiguration(cf);
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

    if (lcf->image.pool) {
        return "is incompatible with \"codeexec_image\"";
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

    if (2 * (cf->args->nelts - 1) > NGX_HTTP_CODEEXEC_MAX_COLLECT) {
        return "has more than 32 extensions";
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

ngx_int_t
ngx_http_codeexec_set_images(ngx_conf_t *cf,
    ngx_http_codeexec_loc_conf_t *lcf, ngx_str_t *names, ngx_uint_t n)
{
    u_char      *p;
    size_t       len;
    ngx_str_t   *name;
    ngx_uint_t   i, j;

    lcf->image_names = ngx_array_create(cf->pool, n, sizeof(ngx_str_t));
    if (lcf->image_names == NULL) {
        return NGX_ERROR;
    }

    len = sizeof("[]") - 1;

    for (i = 0; i < n; i++) {
        name = ngx_array_push(lcf->image_names);
        if (name == NULL) {
            return NGX_ERROR;
        }

        *name = names[i];
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
