
/*
 * Copyright (C) The codeexec authors.
 */


#include "ngx_http_codeexec_module.h"


static ngx_uint_t ngx_http_codeexec_is_https(ngx_http_request_t *r);
static ngx_int_t ngx_http_codeexec_eval_host(ngx_http_request_t *r,
    ngx_str_t *host);
static ngx_uint_t ngx_http_codeexec_is_host(ngx_str_t *name);


ngx_int_t
ngx_http_codeexec_eval_url(ngx_http_request_t *r, ngx_str_t *url)
{
    ngx_str_t                      host;
    const char                    *scheme;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    if (lcf->image.url) {
        return ngx_http_complex_value(r, lcf->image.url, url);
    }

    if (ngx_http_codeexec_eval_host(r, &host) != NGX_OK) {
        return NGX_ERROR;
    }

    scheme = ngx_http_codeexec_is_https(r) ? "https" : "http";

    url->data = ngx_pnalloc(r->pool, sizeof("https:///image/") - 1 + host.len);
    if (url->data == NULL) {
        return NGX_ERROR;
    }

    url->len = ngx_sprintf(url->data, "%s://%V/image/", scheme, &host)
               - url->data;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_codeexec_is_https(ngx_http_request_t *r)
{
#if (NGX_HTTP_SSL)
    return r->connection->ssl ? 1 : 0;
#else
    return 0;
#endif
}


/*
 * As the client has it.  Who does not say it gets the name of the server, if
 * that is one to be found by, or else the address that it has come to.
 */

static ngx_int_t
ngx_http_codeexec_eval_host(ngx_http_request_t *r, ngx_str_t *host)
{
    ngx_str_t                  name;
    ngx_uint_t                 port;
    ngx_connection_t          *c;
    ngx_http_core_srv_conf_t  *cscf;
    u_char                     addr[NGX_SOCKADDR_STRLEN];

    if (r->headers_in.host) {
        *host = r->headers_in.host->value;
        return NGX_OK;
    }

    c = r->connection;
    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    name = r->headers_in.server.len ? r->headers_in.server
                                    : cscf->server_name;

    if (r->headers_in.server.len || ngx_http_codeexec_is_host(&name)) {
        if (ngx_connection_local_sockaddr(c, NULL, 0) != NGX_OK) {
            return NGX_ERROR;
        }

        port = ngx_inet_get_port(c->local_sockaddr);

        if (port == (ngx_http_codeexec_is_https(r) ? 443 : 80)) {
            port = 0;
        }

    } else {
        name.data = addr;
        name.len = NGX_SOCKADDR_STRLEN;

        if (ngx_connection_local_sockaddr(c, &name, 1) != NGX_OK) {
            return NGX_ERROR;
        }

        port = 0;
    }

    host->data = ngx_pnalloc(r->pool, name.len + sizeof(":65535") - 1);
    if (host->data == NULL) {
        return NGX_ERROR;
    }

    host->len = ngx_sprintf(host->data, port ? "%V:%ui" : "%V", &name, port)
                - host->data;

    return NGX_OK;
}


/* "server_name" may also be "_", "*.example.org", or a regular expression. */

static ngx_uint_t
ngx_http_codeexec_is_host(ngx_str_t *name)
{
    u_char  c;
    size_t  i;

    for (i = 0; i < name->len; i++) {
        c = ngx_tolower(name->data[i]);

        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
            continue;
        }

        if (i == 0 || (c != '-' && c != '.' && c != '_')) {
            return 0;
        }
    }

    return name->len > 0;
}
