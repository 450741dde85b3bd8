
/*
 * Copyright (C) The codeexec authors.
 *
 * What a line of a file of keys says of its key.
 */


#include "ngx_http_codeexec_module.h"


#define NGX_HTTP_CODEEXEC_MAX_CONCURRENCY  1000000

/* JOB.timeout_ms of docs/protocol.md. */
#define NGX_HTTP_CODEEXEC_MAX_TIMEOUT      3600000


static ngx_int_t ngx_http_codeexec_set_concurrency(ngx_conf_t *cf,
    ngx_http_codeexec_key_t *key, ngx_str_t *value);
static ngx_int_t ngx_http_codeexec_set_class(ngx_conf_t *cf,
    ngx_http_codeexec_key_t *key, ngx_str_t *value);
static ngx_int_t ngx_http_codeexec_set_languages(ngx_conf_t *cf,
    ngx_http_codeexec_key_t *key, ngx_str_t *value);
static ngx_int_t ngx_http_codeexec_set_max_timeout(ngx_conf_t *cf,
    ngx_http_codeexec_key_t *key, ngx_str_t *value);
static ngx_int_t ngx_http_codeexec_set_admin(ngx_conf_t *cf,
    ngx_http_codeexec_key_t *key, ngx_str_t *value);


ngx_http_codeexec_key_option_t  ngx_http_codeexec_key_options[] = {
    { ngx_string("concurrency="), ngx_http_codeexec_set_concurrency },
    { ngx_string("class="), ngx_http_codeexec_set_class },
    { ngx_string("languages="), ngx_http_codeexec_set_languages },
    { ngx_string("max_timeout="), ngx_http_codeexec_set_max_timeout },
    { ngx_string("admin"), ngx_http_codeexec_set_admin },
    { ngx_null_string, NULL }
};


/* It is in logs, and what limits are counted by. */

ngx_int_t
ngx_http_codeexec_check_key_name(ngx_str_t *name)
{
    u_char  c;
    size_t  i;

    if (name->len > NGX_HTTP_CODEEXEC_MAX_OWNER) {
        return NGX_DECLINED;
    }

    for (i = 0; i < name->len; i++) {
        c = ngx_tolower(name->data[i]);

        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
            continue;
        }

        if (i == 0 || (c != '.' && c != '_' && c != '-' && c != '@')) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_set_concurrency(ngx_conf_t *cf,
    ngx_http_codeexec_key_t *key, ngx_str_t *value)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n < 1 || n > NGX_HTTP_CODEEXEC_MAX_CONCURRENCY) {
        return NGX_DECLINED;
    }

    key->concurrency = n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_set_class(ngx_conf_t *cf, ngx_http_codeexec_key_t *key,
    ngx_str_t *value)
{
    if (value->len == 0
        || ngx_http_codeexec_check_key_name(value) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    key->class.len = value->len;
    key->class.data = ngx_pstrdup(cf->pool, value);

    return key->class.data ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_codeexec_set_languages(ngx_conf_t *cf,
    ngx_http_codeexec_key_t *key, ngx_str_t *value)
{
    u_char     *p, *last, *end;
    ngx_int_t   rc;
    ngx_str_t   name, *language;

    key->languages = ngx_array_create(cf->pool, 4, sizeof(ngx_str_t));
    if (key->languages == NULL) {
        return NGX_ERROR;
    }

    last = value->data + value->len;

    for (p = value->data; p <= last; p = end + 1) {

        end = ngx_strlchr(p, last, ',');
        if (end == NULL) {
            end = last;
        }

        name.data = p;
        name.len = end - p;

        language = ngx_array_push(key->languages);
        if (language == NULL) {
            return NGX_ERROR;
        }

        rc = ngx_http_codeexec_language(cf->pool, &name, language);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_set_max_timeout(ngx_conf_t *cf,
    ngx_http_codeexec_key_t *key, ngx_str_t *value)
{
    ngx_int_t  timeout;

    timeout = ngx_parse_time(value, 0);

    if (timeout < 1 || timeout > NGX_HTTP_CODEEXEC_MAX_TIMEOUT) {
        return NGX_DECLINED;
    }

    key->max_timeout = timeout;

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_set_admin(ngx_conf_t *cf, ngx_http_codeexec_key_t *key,
    ngx_str_t *value)
{
    key->admin = 1;

    return value->len ? NGX_DECLINED : NGX_OK;
}
