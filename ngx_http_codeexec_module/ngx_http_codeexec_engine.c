
/*
 * Copyright (C) The codeexec authors.
 *
 * The engine API.  Its answers are those of Flask: keys are sorted, and all is
 * ASCII.
 */


#include "ngx_http_codeexec_module.h"


#define NGX_HTTP_CODEEXEC_ENGINE_FLAGS  (JSON_SORT_KEYS|JSON_ENSURE_ASCII)


static ngx_int_t ngx_http_codeexec_engine_decode(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);
static ngx_int_t ngx_http_codeexec_engine_set_id(ngx_http_codeexec_ctx_t *ctx);
static ngx_uint_t ngx_http_codeexec_engine_is_blank(ngx_str_t *code);
static ngx_int_t ngx_http_codeexec_engine_health(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);
static ngx_int_t ngx_http_codeexec_engine_status(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);
static ngx_int_t ngx_http_codeexec_engine_stop(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);
static json_t *ngx_http_codeexec_engine_list(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static int ngx_libc_cdecl ngx_http_codeexec_cmp_packages(const void *one,
    const void *two);
static ngx_int_t ngx_http_codeexec_engine_packages(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_engine_config(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);


static const ngx_http_codeexec_endpoint_t
                                 ngx_http_codeexec_engine_endpoints[] = {

    { ngx_string("execute"),
      NGX_HTTP_POST,
      ngx_http_codeexec_engine_decode,
      ngx_http_codeexec_engine_result_status,
      ngx_http_codeexec_engine_encode },

    { ngx_string("stop/"),
      NGX_HTTP_POST,
      ngx_http_codeexec_engine_stop,
      ngx_http_codeexec_stop_status,
      ngx_http_codeexec_engine_stopped },

    { ngx_string("status"),
      NGX_HTTP_GET,
      ngx_http_codeexec_engine_status,
      NULL,
      NULL },

    { ngx_string("packages"),
      NGX_HTTP_GET,
      ngx_http_codeexec_decode_state,
      ngx_http_codeexec_state_status,
      ngx_http_codeexec_engine_packages },

    { ngx_string("config"),
      NGX_HTTP_GET,
      ngx_http_codeexec_decode_state,
      ngx_http_codeexec_state_status,
      ngx_http_codeexec_engine_config },

    { ngx_string("health"),
      NGX_HTTP_GET|NGX_HTTP_CODEEXEC_OPEN,
      ngx_http_codeexec_engine_health,
      NULL,
      NULL },

    { ngx_null_string, 0, NULL, NULL, NULL }
};


const ngx_http_codeexec_dialect_t  ngx_http_codeexec_engine = {
    ngx_string("engine"),
    ngx_http_codeexec_engine_endpoints,
    ngx_http_codeexec_engine_error
};


static ngx_str_t  ngx_http_codeexec_engine_python = ngx_string("python");


static ngx_int_t
ngx_http_codeexec_engine_decode(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body)
{
    json_t                        *json;
    ngx_int_t                      rc;
    ngx_str_t                      code;
    ngx_http_codeexec_loc_conf_t  *lcf;

    ctx->json = ngx_http_codeexec_json_parse(body, JSON_ALLOW_NUL
                                                   |JSON_DECODE_INT_AS_REAL);

    json = json_object_get(ctx->json, "code");

    if (json == NULL) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                        "缺少代码参数");
    }

    if (!json_is_string(json)) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                        "代码必须是字符串");
    }

    if (ngx_http_codeexec_json_copy(r->pool, json, &code) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_codeexec_engine_is_blank(&code)) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                        "代码不能为空");
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    ctx->job.timeout = lcf->timeout;
    ctx->job.inline_only = 1;

    rc = ngx_http_codeexec_set_language(ctx, &ngx_http_codeexec_engine_python);

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_set_source(ctx, &code);
    }

    return rc == NGX_OK ? ngx_http_codeexec_engine_set_id(ctx) : rc;
}


static ngx_int_t
ngx_http_codeexec_engine_set_id(ngx_http_codeexec_ctx_t *ctx)
{
    json_t     *json;
    ngx_str_t   id;

    ngx_str_null(&id);

    json = json_object_get(ctx->json, "execution_id");

    if (json && !json_is_null(json)) {

        if (!json_is_string(json)) {
            return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                       "\"execution_id\" must be a string");
        }

        if (ngx_http_codeexec_json_copy(ctx->request->pool, json, &id)
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return ngx_http_codeexec_set_id(ctx, &id);
}


/* As Python sees it, but for spaces that no keyboard has. */

static ngx_uint_t
ngx_http_codeexec_engine_is_blank(ngx_str_t *code)
{
    u_char  *p, *last;

    last = code->data + code->len;

    for (p = code->data; p < last; /* void */ ) {

        if (*p == ' ' || (*p >= '\t' && *p <= '\r')
            || (*p >= 0x1c && *p <= 0x1f))
        {
            p++;

        } else if (last - p >= 2 && ngx_memcmp(p, "\xc2\xa0", 2) == 0) {
            p += 2;

        } else if (last - p >= 3 && ngx_memcmp(p, "\xe3\x80\x80", 3) == 0) {
            p += 3;

        } else {
            return 0;
        }
    }

    return 1;
}


static ngx_int_t
ngx_http_codeexec_engine_health(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body)
{
    ngx_str_set(&ctx->body, "{\"service\":\"Python Execution Engine\","
                            "\"status\":\"healthy\","
                            "\"version\":\"1.0.0\"}\n");

    return NGX_DONE;
}


static ngx_int_t
ngx_http_codeexec_engine_status(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body)
{
    json_t                      *ids, *json;
    ngx_uint_t                   i;
    ngx_array_t                  runs;
    ngx_http_codeexec_listed_t  *run;

    if (ngx_array_init(&runs, r->pool, 16, sizeof(ngx_http_codeexec_listed_t))
        != NGX_OK
        || ngx_http_codeexec_list_runs(r, ctx, &runs) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ids = json_array();
    run = runs.elts;

    for (i = 0; i < runs.nelts; i++) {
        (void) json_array_append_new(ids, json_stringn((char *) run[i].id.data,
                                                       run[i].id.len));
    }

    json = json_pack("{s:s, s:I, s:o}", "status", "running",
                     "running_executions", (json_int_t) runs.nelts,
                     "execution_ids", ids);

    return ngx_http_codeexec_answer_json(r, ctx, json,
                                         NGX_HTTP_CODEEXEC_ENGINE_FLAGS)
           == NGX_OK ? NGX_DONE : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static ngx_int_t
ngx_http_codeexec_engine_stop(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body)
{
    ngx_int_t  rc;

    rc = ngx_http_codeexec_decode_stop(r, ctx, body);

    if (rc == NGX_HTTP_NOT_FOUND) {
        ctx->status = rc;

        if (ngx_http_codeexec_engine_stopped(r, ctx) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return NGX_DONE;
    }

    return rc;
}


/* The names of what is installed for Python. */

static json_t *
ngx_http_codeexec_engine_list(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    json_t       *list, *packages, *version;
    const char   *name, **names;
    ngx_uint_t    i, n;

    packages = ngx_http_codeexec_packages(ctx, "python");

    names = ngx_palloc(r->pool, (json_object_size(packages) + 1)
                                * sizeof(char *));
    if (names == NULL) {
        return NULL;
    }

    n = 0;

    json_object_foreach(packages, name, version) {
        names[n++] = name;
    }

    ngx_qsort(names, n, sizeof(char *), ngx_http_codeexec_cmp_packages);

    list = json_array();

    for (i = 0; i < n; i++) {
        (void) json_array_append_new(list, json_string(names[i]));
    }

    return list;
}


static int ngx_libc_cdecl
ngx_http_codeexec_cmp_packages(const void *one, const void *two)
{
    return ngx_strcmp(*(const char *const *) one, *(const char *const *) two);
}


static ngx_int_t
ngx_http_codeexec_engine_packages(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    json_t  *list;

    list = ngx_http_codeexec_engine_list(r, ctx);

    return ngx_http_codeexec_answer_json(r, ctx,
               json_pack("{s:I, s:o}", "total_count",
                         (json_int_t) json_array_size(list),
                         "allowed_packages", list),
               NGX_HTTP_CODEEXEC_ENGINE_FLAGS);
}


static ngx_int_t
ngx_http_codeexec_engine_config(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    json_t                        *list, *time, *memory;
    json_int_t                     count;
    ngx_msec_t                     timeout;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    list = ngx_http_codeexec_engine_list(r, ctx);
    count = json_array_size(list);
    json_decref(list);

    memory = json_object_get(json_object_get(ctx->json, "limits"), "memory");

    timeout = ngx_min(lcf->timeout, ngx_http_codeexec_max_timeout(ctx));
    time = (timeout % 1000) ? json_real((double) timeout / 1000)
                            : json_integer(timeout / 1000);

    return ngx_http_codeexec_answer_json(r, ctx,
               json_pack("{s:I, s:o, s:I}", "allowed_packages_count", count,
                         "max_execution_time", time,
                         "max_memory_mb",
                         json_integer_value(memory) / (1024 * 1024)),
               NGX_HTTP_CODEEXEC_ENGINE_FLAGS);
}
