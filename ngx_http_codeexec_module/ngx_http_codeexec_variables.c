
/*
 * Copyright (C) The codeexec authors.
 */


#include "ngx_http_codeexec_module.h"


static ngx_int_t ngx_http_codeexec_status_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_codeexec_string_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_codeexec_key_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_codeexec_number_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_codeexec_time_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_codeexec_pg_time_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_codeexec_pg_sqlstate_variable(
    ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_codeexec_set_time(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, int64_t msec);


/* In the order of NGX_HTTP_CODEEXEC_…, and as codeexecd names them. */

ngx_str_t  ngx_http_codeexec_status_names[] = {
    ngx_string(""),
    ngx_string("ok"),
    ngx_string("error"),
    ngx_string("signal"),
    ngx_string("timeout"),
    ngx_string("memory"),
    ngx_string("stopped"),
    ngx_string("busy"),
    ngx_string("rejected")
};


static ngx_http_variable_t  ngx_http_codeexec_vars[] = {

    { ngx_string("codeexec_status"), NULL,
      ngx_http_codeexec_status_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("codeexec_id"), NULL, ngx_http_codeexec_string_variable,
      offsetof(ngx_http_codeexec_ctx_t, job.id),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("codeexec_language"), NULL,
      ngx_http_codeexec_string_variable,
      offsetof(ngx_http_codeexec_ctx_t, job.language),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("codeexec_key"), NULL, ngx_http_codeexec_key_variable,
      offsetof(ngx_http_codeexec_key_t, name), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("codeexec_key_class"), NULL, ngx_http_codeexec_key_variable,
      offsetof(ngx_http_codeexec_key_t, class), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("codeexec_run_time"), NULL, ngx_http_codeexec_time_variable,
      offsetof(ngx_http_codeexec_ctx_t, result.time_us),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("codeexec_cpu_time"), NULL, ngx_http_codeexec_time_variable,
      offsetof(ngx_http_codeexec_ctx_t, result.cpu_us),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("codeexec_queue_time"), NULL,
      ngx_http_codeexec_time_variable,
      offsetof(ngx_http_codeexec_ctx_t, result.queue_us),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("codeexec_memory"), NULL, ngx_http_codeexec_number_variable,
      offsetof(ngx_http_codeexec_ctx_t, result.memory_kb),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("codeexec_exit_code"), NULL,
      ngx_http_codeexec_number_variable,
      offsetof(ngx_http_codeexec_ctx_t, result.exit_code),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("codeexec_results"), NULL,
      ngx_http_codeexec_number_variable,
      offsetof(ngx_http_codeexec_ctx_t, result.results),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("codeexec_missing"), NULL, ngx_http_codeexec_string_variable,
      offsetof(ngx_http_codeexec_ctx_t, result.missing),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("codeexec_images_stored"), NULL,
      ngx_http_codeexec_number_variable,
      offsetof(ngx_http_codeexec_ctx_t, images_stored),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("codeexec_pg_time"), NULL,
      ngx_http_codeexec_pg_time_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("codeexec_pg_sqlstate"), NULL,
      ngx_http_codeexec_pg_sqlstate_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_codeexec_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_codeexec_vars; v->name.len; v++) {

        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_status_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                *name;
    ngx_http_codeexec_ctx_t  *ctx;

    ctx = ngx_http_codeexec_find_ctx(r);

    if (ctx == NULL || ctx->outcome == NGX_HTTP_CODEEXEC_NO_STATUS
        || ctx->job.query || ctx->job.stop)
    {
        v->not_found = 1;
        return NGX_OK;
    }

    name = &ngx_http_codeexec_status_names[ctx->outcome];

    v->len = name->len;
    v->data = name->data;
    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_string_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                *value;
    ngx_http_codeexec_ctx_t  *ctx;

    ctx = ngx_http_codeexec_find_ctx(r);

    if (ctx == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    value = (ngx_str_t *) ((char *) ctx + data);

    if (value->len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->len = value->len;
    v->data = value->data;
    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;

    return NGX_OK;
}


/*
 * Limits ask for it before the access phase does, and the log after a
 * redirect to a location that needs no key.
 */

static ngx_int_t
ngx_http_codeexec_key_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                     *value;
    ngx_http_codeexec_ctx_t       *ctx;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    if (lcf->keys && ngx_http_codeexec_find_key(r) == NGX_ERROR) {
        return NGX_ERROR;
    }

    ctx = ngx_http_codeexec_find_ctx(r);

    if (ctx == NULL || ctx->key == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    value = (ngx_str_t *) ((char *) ctx->key + data);

    if (value->len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->len = value->len;
    v->data = value->data;
    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_number_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                   *p;
    int64_t                   value;
    ngx_http_codeexec_ctx_t  *ctx;

    ctx = ngx_http_codeexec_find_ctx(r);

    if (ctx == NULL || !ctx->result.known) {
        v->not_found = 1;
        return NGX_OK;
    }

    value = *(int64_t *) ((char *) ctx + data);

    if (value < 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->len = ngx_sprintf(p, "%L", value) - p;
    v->data = p;
    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;

    return NGX_OK;
}


/* In seconds, as $request_time is. */

static ngx_int_t
ngx_http_codeexec_time_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_codeexec_ctx_t  *ctx;

    ctx = ngx_http_codeexec_find_ctx(r);

    if (ctx == NULL || !ctx->result.known) {
        v->not_found = 1;
        return NGX_OK;
    }

    return ngx_http_codeexec_set_time(r, v,
                                 *(int64_t *) ((char *) ctx + data) / 1000);
}


static ngx_int_t
ngx_http_codeexec_pg_time_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_codeexec_ctx_t  *ctx;

    ctx = ngx_http_codeexec_find_ctx(r);

    if (ctx == NULL || ctx->pg_time < 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    return ngx_http_codeexec_set_time(r, v, ctx->pg_time);
}


static ngx_int_t
ngx_http_codeexec_pg_sqlstate_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_codeexec_ctx_t  *ctx;

    ctx = ngx_http_codeexec_find_ctx(r);

    if (ctx == NULL || ctx->sqlstate[0] == '\0') {
        v->not_found = 1;
        return NGX_OK;
    }

    v->len = ngx_strlen(ctx->sqlstate);
    v->data = ctx->sqlstate;
    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_set_time(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, int64_t msec)
{
    u_char  *p;

    p = ngx_pnalloc(r->pool, NGX_INT64_LEN + sizeof(".000") - 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->len = ngx_sprintf(p, "%L.%03L", msec / 1000, msec % 1000) - p;
    v->data = p;
    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;

    return NGX_OK;
}
