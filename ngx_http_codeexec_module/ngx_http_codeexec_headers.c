
/*
 * Copyright (C) The codeexec authors.
 */


#include "ngx_http_codeexec_module.h"


/* Name and value are not copied. */

ngx_table_elt_t *
ngx_http_codeexec_add_header(ngx_http_request_t *r, const char *name,
    const char *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NULL;
    }

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value.data = (u_char *) value;
    h->value.len = ngx_strlen(value);

#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return h;
}


#if (nginx_version >= 1023000)

ngx_int_t
ngx_http_codeexec_set_cache_control(ngx_http_request_t *r, const char *value)
{
    ngx_table_elt_t  *cc, *h;

    cc = r->headers_out.cache_control;

    if (cc == NULL) {
        cc = ngx_http_codeexec_add_header(r, "Cache-Control", "");
        if (cc == NULL) {
            return NGX_ERROR;
        }

        r->headers_out.cache_control = cc;
    }

    for (h = cc->next; h; h = h->next) {
        h->hash = 0;
    }

    cc->value.data = (u_char *) value;
    cc->value.len = ngx_strlen(value);

    return NGX_OK;
}

#else

ngx_int_t
ngx_http_codeexec_set_cache_control(ngx_http_request_t *r, const char *value)
{
    ngx_uint_t         i;
    ngx_array_t       *a;
    ngx_table_elt_t   *cc, **ccp;

    a = &r->headers_out.cache_control;

    if (a->elts == NULL
        && ngx_array_init(a, r->pool, 1, sizeof(ngx_table_elt_t *)) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (a->nelts == 0) {
        cc = ngx_http_codeexec_add_header(r, "Cache-Control", "");
        if (cc == NULL) {
            return NGX_ERROR;
        }

        ccp = ngx_array_push(a);
        if (ccp == NULL) {
            return NGX_ERROR;
        }

        *ccp = cc;
    }

    ccp = a->elts;

    ccp[0]->value.data = (u_char *) value;
    ccp[0]->value.len = ngx_strlen(value);

    for (i = 1; i < a->nelts; i++) {
        ccp[i]->hash = 0;
    }

    return NGX_OK;
}

#endif


ngx_table_elt_t *
ngx_http_codeexec_find_header(ngx_http_request_t *r, const char *name)
{
    return ngx_http_codeexec_find_header_in(&r->headers_in.headers, name);
}


ngx_table_elt_t *
ngx_http_codeexec_find_header_in(ngx_list_t *headers, const char *name)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    len = ngx_strlen(name);

    part = &headers->part;
    header = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {

            if (part->next == NULL) {
                return NULL;
            }

            part = part->next;
            header = part->elts;
            i = 0;
        }

        if (header[i].hash && header[i].key.len == len
            && ngx_strncasecmp(header[i].key.data, (u_char *) name, len) == 0)
        {
            return &header[i];
        }
    }
}


/* "application/json" and "application/…+json", with any parameters. */

ngx_uint_t
ngx_http_codeexec_is_json_type(ngx_http_request_t *r)
{
    size_t      len;
    ngx_str_t   type;

    if (r->headers_in.content_type == NULL) {
        return 0;
    }

    type = r->headers_in.content_type->value;

    for (len = 0; len < type.len; len++) {

        if (type.data[len] == ';' || type.data[len] == ' ') {
            break;
        }
    }

    if (len < sizeof("application/json") - 1
        || ngx_strncasecmp(type.data, (u_char *) "application/", 12) != 0)
    {
        return 0;
    }

    if (ngx_strncasecmp(type.data + len - 5, (u_char *) "+json", 5) == 0) {
        return 1;
    }

    return len == sizeof("application/json") - 1
           && ngx_strncasecmp(type.data + len - 4, (u_char *) "json", 4) == 0;
}
