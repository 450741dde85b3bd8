
/*
 * Copyright (C) The codeexec authors.
 *
 * The "conninfo" of a pool, taken apart: hosts become addresses, as a worker
 * must not wait for the resolver, and the rest is left to libpq.
 */


#include "ngx_http_codeexec_pg.h"


static ngx_int_t ngx_http_codeexec_pg_parameter(ngx_conf_t *cf,
    ngx_http_codeexec_pg_pool_t *pool, PQconninfoOption *option);
static ngx_int_t ngx_http_codeexec_pg_hosts(ngx_conf_t *cf,
    ngx_http_codeexec_pg_pool_t *pool, char *hosts, char *addrs, char *ports);
static ngx_int_t ngx_http_codeexec_pg_add_host(ngx_conf_t *cf,
    ngx_http_codeexec_pg_pool_t *pool, char *host, char *hostaddr,
    char *port);
static ngx_int_t ngx_http_codeexec_pg_resolve(ngx_conf_t *cf,
    ngx_http_codeexec_pg_pool_t *pool, char *host, char *port);
static ngx_int_t ngx_http_codeexec_pg_split(ngx_conf_t *cf, char *list,
    ngx_array_t *items);


/* Of conninfo, what has no meaning here, and what has it elsewhere. */

static struct {
    const char  *keyword;
    const char  *instead;
} ngx_http_codeexec_pg_refused[] = {
    { "service", "parameters" },
    { "passfile", "\"password_file\"" },
    { "connect_timeout", "the directive \"connect_timeout\"" },
    { "replication", "nothing" },
    { NULL, NULL }
};


/* libpq knows both forms, "host=... dbname=..." and "postgresql://...". */

char *
ngx_http_codeexec_pg_conninfo(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_codeexec_pg_pool_t *pool = conf;

    char              *error, *hosts, *addrs, *ports;
    ngx_int_t          rc;
    ngx_str_t         *value, message;
    PQconninfoOption  *options, *o;

    if (pool->hosts.nelts) {
        return "is duplicate";
    }

    value = cf->args->elts;

    error = NULL;

    options = PQconninfoParse((char *) value[1].data, &error);

    if (options == NULL) {

        /* the complaint may cite a piece of a password */

        message = ngx_http_codeexec_pg_message(
            ngx_strstr(value[1].data, "password")
            || ngx_strchr(value[1].data, '@')
            ? "cannot be parsed; are quotes around the password missing?"
            : error);

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"conninfo\": %V", &message);
        PQfreemem(error);

        return NGX_CONF_ERROR;
    }

    hosts = addrs = ports = NULL;
    rc = NGX_OK;

    for (o = options; o->keyword && rc == NGX_OK; o++) {

        if (o->val == NULL) {
            continue;
        }

        if (ngx_strcmp(o->keyword, "host") == 0) {
            hosts = o->val;

        } else if (ngx_strcmp(o->keyword, "hostaddr") == 0) {
            addrs = o->val;

        } else if (ngx_strcmp(o->keyword, "port") == 0) {
            ports = o->val;

        } else {
            rc = ngx_http_codeexec_pg_parameter(cf, pool, o);
        }
    }

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_pg_hosts(cf, pool, hosts, addrs, ports);
    }

    PQconninfoFree(options);

    return (rc == NGX_OK) ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static ngx_int_t
ngx_http_codeexec_pg_parameter(ngx_conf_t *cf,
    ngx_http_codeexec_pg_pool_t *pool, PQconninfoOption *option)
{
    ngx_uint_t  i;

    for (i = 0; ngx_http_codeexec_pg_refused[i].keyword; i++) {

        if (ngx_strcmp(option->keyword,
                       ngx_http_codeexec_pg_refused[i].keyword)
            == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%s\" is not supported in \"conninfo\", "
                               "use %s instead", option->keyword,
                               ngx_http_codeexec_pg_refused[i].instead);
            return NGX_ERROR;
        }
    }

    /* hosts are tried one by one, so a second pass is not known to libpq */

    if (ngx_strcmp(option->keyword, "target_session_attrs") == 0
        && ngx_strcmp(option->val, "prefer-standby") == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"target_session_attrs=prefer-standby\" is not "
                           "supported, use \"standby\" or \"any\" instead");
        return NGX_ERROR;
    }

    return ngx_http_codeexec_pg_add_parameter(cf, pool, option->keyword,
                                              option->val);
}


ngx_int_t
ngx_http_codeexec_pg_add_parameter(ngx_conf_t *cf,
    ngx_http_codeexec_pg_pool_t *pool, const char *keyword, const char *value)
{
    char  **k, **v;

    k = ngx_array_push(&pool->keywords);
    v = ngx_array_push(&pool->values);

    if (k == NULL || v == NULL) {
        return NGX_ERROR;
    }

    *k = ngx_http_codeexec_pg_copy(cf, keyword, ngx_strlen(keyword));
    *v = ngx_http_codeexec_pg_copy(cf, value, ngx_strlen(value));

    return (*k && *v) ? NGX_OK : NGX_ERROR;
}


ngx_uint_t
ngx_http_codeexec_pg_has(ngx_http_codeexec_pg_pool_t *pool,
    const char *keyword)
{
    char       **k;
    ngx_uint_t   i;

    k = pool->keywords.elts;

    for (i = 0; i < pool->keywords.nelts; i++) {

        if (ngx_strcmp(k[i], keyword) == 0) {
            return 1;
        }
    }

    return 0;
}


/* Lists as libpq has them: of the same length, but for a single port. */

static ngx_int_t
ngx_http_codeexec_pg_hosts(ngx_conf_t *cf, ngx_http_codeexec_pg_pool_t *pool,
    char *hosts, char *addrs, char *ports)
{
    char         **h, **a, **p, *port;
    ngx_int_t      rc;
    ngx_uint_t     i, n;
    ngx_array_t    host, addr, portno;

    if (ngx_http_codeexec_pg_split(cf, hosts, &host) != NGX_OK
        || ngx_http_codeexec_pg_split(cf, addrs, &addr) != NGX_OK
        || ngx_http_codeexec_pg_split(cf, ports, &portno) != NGX_OK)
    {
        return NGX_ERROR;
    }

    n = ngx_max(1, ngx_max(host.nelts, addr.nelts));

    if ((host.nelts && host.nelts != n) || (addr.nelts && addr.nelts != n)
        || (portno.nelts > 1 && portno.nelts != n))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"conninfo\" has lists of hosts, addresses and "
                           "ports of different lengths");
        return NGX_ERROR;
    }

    h = host.elts;
    a = addr.elts;
    p = portno.elts;

    for (i = 0; i < n; i++) {
        port = portno.nelts ? p[portno.nelts > 1 ? i : 0] : NULL;

        if (addr.nelts && a[i]) {
            rc = ngx_http_codeexec_pg_add_host(cf, pool,
                                               host.nelts ? h[i] : NULL, a[i],
                                               port);

        } else if (host.nelts == 0 || h[i] == NULL
                   || h[i][0] == '/' || h[i][0] == '@')
        {
            rc = ngx_http_codeexec_pg_add_host(cf, pool,
                                               host.nelts ? h[i] : NULL, NULL,
                                               port);

        } else {
            rc = ngx_http_codeexec_pg_resolve(cf, pool, h[i], port);
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_pg_add_host(ngx_conf_t *cf,
    ngx_http_codeexec_pg_pool_t *pool, char *host, char *hostaddr, char *port)
{
    ngx_http_codeexec_pg_host_t  *h;

    h = ngx_array_push(&pool->hosts);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->host = host;
    h->hostaddr = hostaddr;
    h->port = port;

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_pg_resolve(ngx_conf_t *cf,
    ngx_http_codeexec_pg_pool_t *pool, char *host, char *port)
{
    char        *addr;
    size_t       len;
    ngx_url_t    u;
    ngx_uint_t   i;
    u_char       text[NGX_SOCKADDR_STRLEN];

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url.data = (u_char *) host;
    u.url.len = ngx_strlen(host);
    u.host = u.url;

    if (ngx_inet_resolve_host(cf->pool, &u) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s \"%s\" in \"conninfo\"",
                           u.err ? u.err : "cannot resolve", host);
        return NGX_ERROR;
    }

    for (i = 0; i < u.naddrs; i++) {
        len = ngx_sock_ntop(u.addrs[i].sockaddr, u.addrs[i].socklen, text,
                            NGX_SOCKADDR_STRLEN, 0);

        addr = ngx_http_codeexec_pg_copy(cf, (char *) text, len);

        if (addr == NULL
            || ngx_http_codeexec_pg_add_host(cf, pool, host, addr, port)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* Empty items become NULL, for libpq's default. */

static ngx_int_t
ngx_http_codeexec_pg_split(ngx_conf_t *cf, char *list, ngx_array_t *items)
{
    char    **item;
    size_t    len;

    if (ngx_array_init(items, cf->pool, 2, sizeof(char *)) != NGX_OK) {
        return NGX_ERROR;
    }

    if (list == NULL || *list == '\0') {
        return NGX_OK;
    }

    for ( ;; ) {
        len = strcspn(list, ",");

        item = ngx_array_push(items);
        if (item == NULL) {
            return NGX_ERROR;
        }

        *item = NULL;

        if (len) {
            *item = ngx_http_codeexec_pg_copy(cf, list, len);
            if (*item == NULL) {
                return NGX_ERROR;
            }
        }

        if (list[len] == '\0') {
            return NGX_OK;
        }

        list += len + 1;
    }
}


char *
ngx_http_codeexec_pg_copy(ngx_conf_t *cf, const char *text, size_t len)
{
    char  *copy;

    copy = ngx_pnalloc(cf->pool, len + 1);
    if (copy == NULL) {
        return NULL;
    }

    ngx_memcpy(copy, text, len);
    copy[len] = '\0';

    return copy;
}
