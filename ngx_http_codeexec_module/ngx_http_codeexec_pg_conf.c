
/*
 * Copyright (C) The codeexec authors.
 *
 * The "codeexec_pg" block.  Whatever may block a process is done here, by the
 * master: names of hosts are resolved, and the password is read.
 */


#include "ngx_http_codeexec_pg.h"


/* A longer line is no password. */
#define NGX_HTTP_CODEEXEC_PG_PASSWORD  1024


static char *ngx_http_codeexec_pg_option(ngx_conf_t *cf,
    ngx_command_t *dummy, void *conf);
static char *ngx_http_codeexec_pg_conninfo(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static ngx_int_t ngx_http_codeexec_pg_parameter(ngx_conf_t *cf,
    ngx_http_codeexec_pg_pool_t *pool, PQconninfoOption *option);
static ngx_int_t ngx_http_codeexec_pg_add_parameter(ngx_conf_t *cf,
    ngx_http_codeexec_pg_pool_t *pool, const char *keyword,
    const char *value);
static ngx_uint_t ngx_http_codeexec_pg_has(ngx_http_codeexec_pg_pool_t *pool,
    const char *keyword);
static ngx_int_t ngx_http_codeexec_pg_hosts(ngx_conf_t *cf,
    ngx_http_codeexec_pg_pool_t *pool, char *hosts, char *addrs, char *ports);
static ngx_int_t ngx_http_codeexec_pg_add_host(ngx_conf_t *cf,
    ngx_http_codeexec_pg_pool_t *pool, char *host, char *hostaddr,
    char *port);
static ngx_int_t ngx_http_codeexec_pg_resolve(ngx_conf_t *cf,
    ngx_http_codeexec_pg_pool_t *pool, char *host, char *port);
static ngx_int_t ngx_http_codeexec_pg_split(ngx_conf_t *cf, char *list,
    ngx_array_t *items);
static char *ngx_http_codeexec_pg_copy(ngx_conf_t *cf, const char *text,
    size_t len);
static char *ngx_http_codeexec_pg_password_file(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_codeexec_pg_queue(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_codeexec_pg_complete(ngx_conf_t *cf,
    ngx_http_codeexec_pg_pool_t *pool);
static char *ngx_http_codeexec_pg_init_pool(ngx_conf_t *cf,
    ngx_http_codeexec_pg_pool_t *pool);


static ngx_conf_num_bounds_t  ngx_http_codeexec_pg_max_connections = {
    ngx_conf_check_num_bounds, 1, 1000
};


static ngx_command_t  ngx_http_codeexec_pg_options[] = {

    { ngx_string("conninfo"),
      NGX_CONF_TAKE1,
      ngx_http_codeexec_pg_conninfo,
      0,
      0,
      NULL },

    { ngx_string("password_file"),
      NGX_CONF_TAKE1,
      ngx_http_codeexec_pg_password_file,
      0,
      0,
      NULL },

    { ngx_string("max_connections"),
      NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      0,
      offsetof(ngx_http_codeexec_pg_pool_t, max_connections),
      &ngx_http_codeexec_pg_max_connections },

    { ngx_string("queue"),
      NGX_CONF_TAKE12,
      ngx_http_codeexec_pg_queue,
      0,
      0,
      NULL },

    { ngx_string("connect_timeout"),
      NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      0,
      offsetof(ngx_http_codeexec_pg_pool_t, connect_timeout),
      NULL },

    { ngx_string("query_timeout"),
      NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      0,
      offsetof(ngx_http_codeexec_pg_pool_t, query_timeout),
      NULL },

    { ngx_string("idle_timeout"),
      NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      0,
      offsetof(ngx_http_codeexec_pg_pool_t, idle_timeout),
      NULL },

    { ngx_string("max_requests"),
      NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      0,
      offsetof(ngx_http_codeexec_pg_pool_t, max_requests),
      NULL },

    { ngx_string("max_age"),
      NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      0,
      offsetof(ngx_http_codeexec_pg_pool_t, max_age),
      NULL },

    { ngx_string("prepare"),
      NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      0,
      offsetof(ngx_http_codeexec_pg_pool_t, prepare),
      NULL },

    { ngx_string("sweep"),
      NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      0,
      offsetof(ngx_http_codeexec_pg_pool_t, sweep),
      NULL },

      ngx_null_command
};


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


void *
ngx_http_codeexec_pg_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_codeexec_pg_main_conf_t  *pmcf;

    pmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_codeexec_pg_main_conf_t));
    if (pmcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&pmcf->pools, cf->pool, 2,
                       sizeof(ngx_http_codeexec_pg_pool_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return pmcf;
}


ngx_http_codeexec_pg_pool_t *
ngx_http_codeexec_pg_add(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_uint_t                          i;
    ngx_http_codeexec_pg_pool_t       **pools, *pool;
    ngx_http_codeexec_pg_main_conf_t   *pmcf;

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_codeexec_module);

    pools = pmcf->pools.elts;

    for (i = 0; i < pmcf->pools.nelts; i++) {

        if (pools[i]->name.len == name->len
            && ngx_strncmp(pools[i]->name.data, name->data, name->len) == 0)
        {
            return pools[i];
        }
    }

    pools = ngx_array_push(&pmcf->pools);
    if (pools == NULL) {
        return NULL;
    }

    pool = ngx_pcalloc(cf->pool, sizeof(ngx_http_codeexec_pg_pool_t));
    if (pool == NULL) {
        return NULL;
    }

    *pools = pool;

    pool->name = *name;
    pool->file_name = cf->conf_file->file.name.data;
    pool->line = cf->conf_file->line;

    pool->max_connections = NGX_CONF_UNSET_UINT;
    pool->max_requests = NGX_CONF_UNSET_UINT;
    pool->queue_size = NGX_CONF_UNSET_UINT;
    pool->queue_timeout = NGX_CONF_UNSET_MSEC;
    pool->connect_timeout = NGX_CONF_UNSET_MSEC;
    pool->query_timeout = NGX_CONF_UNSET_MSEC;
    pool->idle_timeout = NGX_CONF_UNSET_MSEC;
    pool->max_age = NGX_CONF_UNSET_MSEC;
    pool->sweep = NGX_CONF_UNSET_MSEC;
    pool->prepare = NGX_CONF_UNSET;

    if (ngx_array_init(&pool->keywords, cf->pool, 16, sizeof(char *)) != NGX_OK
        || ngx_array_init(&pool->values, cf->pool, 16, sizeof(char *))
           != NGX_OK
        || ngx_array_init(&pool->hosts, cf->pool, 2,
                          sizeof(ngx_http_codeexec_pg_host_t))
           != NGX_OK)
    {
        return NULL;
    }

    return pool;
}


char *
ngx_http_codeexec_pg_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                         *rv;
    ngx_str_t                    *value;
    ngx_conf_t                    save;
    ngx_http_codeexec_pg_pool_t  *pool;

    value = cf->args->elts;

    if (value[1].len == 0 || ngx_strcmp(value[1].data, "off") == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid name of a pool \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    pool = ngx_http_codeexec_pg_add(cf, &value[1]);
    if (pool == NULL) {
        return NGX_CONF_ERROR;
    }

    if (pool->hosts.nelts) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate codeexec_pg \"%V\"", &pool->name);
        return NGX_CONF_ERROR;
    }

    save = *cf;

    cf->handler = ngx_http_codeexec_pg_option;
    cf->handler_conf = pool;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_http_codeexec_pg_complete(cf, pool);
}


/* Core looks directives up by context, and there is none for this block. */

static char *
ngx_http_codeexec_pg_option(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    char           *rv;
    ngx_str_t      *value;
    ngx_uint_t      n;
    ngx_command_t  *cmd;

    value = cf->args->elts;
    n = cf->args->nelts;

    if (n == 2 && ngx_strcmp(value[0].data, "include") == 0) {
        return ngx_conf_include(cf, dummy, conf);
    }

    for (cmd = ngx_http_codeexec_pg_options; cmd->name.len; cmd++) {

        if (cmd->name.len == value[0].len
            && ngx_strcmp(cmd->name.data, value[0].data) == 0)
        {
            break;
        }
    }

    if (cmd->name.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown directive \"%V\"", &value[0]);
        return NGX_CONF_ERROR;
    }

    if (n != 2 && !(n == 3 && (cmd->type & NGX_CONF_TAKE2))) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number of arguments in \"%V\" directive",
                           &value[0]);
        return NGX_CONF_ERROR;
    }

    rv = cmd->set(cf, cmd, conf);

    if (rv == NGX_CONF_OK || rv == NGX_CONF_ERROR) {
        return rv;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" directive %s",
                       &value[0], rv);

    return NGX_CONF_ERROR;
}


/* libpq knows both forms, "host=... dbname=..." and "postgresql://...". */

static char *
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
        message = ngx_http_codeexec_pg_message(error);

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


static ngx_int_t
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


static ngx_uint_t
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


static char *
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


static char *
ngx_http_codeexec_pg_password_file(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_codeexec_pg_pool_t *pool = conf;

    u_char     *p;
    ssize_t     n;
    ngx_fd_t    fd;
    ngx_str_t  *value;
    u_char      line[NGX_HTTP_CODEEXEC_PG_PASSWORD];

    if (pool->password.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_conf_full_name(cf->cycle, &value[1], 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    fd = ngx_open_file(value[1].data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" failed", &value[1]);
        return NGX_CONF_ERROR;
    }

    n = ngx_read_fd(fd, line, sizeof(line));

    if (n == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_read_fd_n " \"%V\" failed", &value[1]);
    }

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_ALERT, cf, ngx_errno,
                           ngx_close_file_n " \"%V\" failed", &value[1]);
    }

    if (n == -1) {
        return NGX_CONF_ERROR;
    }

    for (p = line; p < line + n && *p && *p != CR && *p != LF; p++) {
        /* void */
    }

    if (p == line || p == line + sizeof(line)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no password in the first line of \"%V\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    pool->password.len = p - line;
    pool->password.data = (u_char *) ngx_http_codeexec_pg_copy(cf,
                                          (char *) line, pool->password.len);

    ngx_explicit_memzero(line, sizeof(line));

    return pool->password.data ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_codeexec_pg_queue(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_codeexec_pg_pool_t *pool = conf;

    ngx_int_t    n;
    ngx_str_t   *value, text;
    ngx_msec_t   timeout;

    if (pool->queue_size != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    n = ngx_atoi(value[1].data, value[1].len);

    if (n == NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    pool->queue_size = n;

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value[2].data, "timeout=", 8) == 0) {
        text.data = value[2].data + 8;
        text.len = value[2].len - 8;

        timeout = ngx_parse_time(&text, 0);

        if (timeout != (ngx_msec_t) NGX_ERROR && timeout > 0) {
            pool->queue_timeout = timeout;
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\"", &value[2]);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_codeexec_pg_complete(ngx_conf_t *cf,
    ngx_http_codeexec_pg_pool_t *pool)
{
    u_char  options[sizeof("-c statement_timeout=") + NGX_INT_T_LEN];

    if (pool->hosts.nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"conninfo\" in codeexec_pg \"%V\"",
                           &pool->name);
        return NGX_CONF_ERROR;
    }

    ngx_conf_init_uint_value(pool->max_connections, 8);
    ngx_conf_init_uint_value(pool->max_requests, 100000);
    ngx_conf_init_uint_value(pool->queue_size, 256);
    ngx_conf_init_msec_value(pool->queue_timeout, 2000);
    ngx_conf_init_msec_value(pool->connect_timeout, 3000);
    ngx_conf_init_msec_value(pool->query_timeout, 5000);
    ngx_conf_init_msec_value(pool->idle_timeout, 60000);
    ngx_conf_init_msec_value(pool->max_age, 3600000);
    ngx_conf_init_msec_value(pool->sweep, 60000);
    ngx_conf_init_value(pool->prepare, 1);

    if (pool->connect_timeout == 0 || pool->query_timeout == 0
        || pool->idle_timeout == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"connect_timeout\", \"query_timeout\" and "
                           "\"idle_timeout\" must be greater than zero");
        return NGX_CONF_ERROR;
    }

    if (pool->password.data
        && ngx_http_codeexec_pg_has(pool, "password"))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "both \"password_file\" and a password in "
                           "\"conninfo\" of codeexec_pg \"%V\"",
                           &pool->name);
        return NGX_CONF_ERROR;
    }

    ngx_sprintf(options, "-c statement_timeout=%M%Z", pool->query_timeout);

    /*
     * What follows would make libpq read files or ask Kerberos in a worker;
     * a file that is not there is the only way to have none.
     */

    if (ngx_http_codeexec_pg_add_parameter(cf, pool, "passfile",
                                           "/nonexistent/codeexec")
        != NGX_OK
        || ngx_http_codeexec_pg_add_parameter(cf, pool, "client_encoding",
                                              "UTF8")
           != NGX_OK
        || ngx_http_codeexec_pg_add_parameter(cf, pool,
                                              "fallback_application_name",
                                              "nginx-codeexec")
           != NGX_OK
        || (!ngx_http_codeexec_pg_has(pool, "gssencmode")
            && ngx_http_codeexec_pg_add_parameter(cf, pool, "gssencmode",
                                                  "disable")
               != NGX_OK)
        || (pool->password.data
            && ngx_http_codeexec_pg_add_parameter(cf, pool, "password",
                                                  (char *) pool->password.data)
               != NGX_OK)
        || (pool->prepare && !ngx_http_codeexec_pg_has(pool, "options")
            && ngx_http_codeexec_pg_add_parameter(cf, pool, "options",
                                                  (char *) options)
               != NGX_OK))
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_codeexec_pg_init_pool(cf, pool);
}


static char *
ngx_http_codeexec_pg_init_pool(ngx_conf_t *cf,
    ngx_http_codeexec_pg_pool_t *pool)
{
    ngx_uint_t                          i;
    ngx_http_codeexec_pg_connection_t  *pg;

    ngx_queue_init(&pool->closed);
    ngx_queue_init(&pool->idle);
    ngx_queue_init(&pool->waiting);
    ngx_queue_init(&pool->refused);

    pg = ngx_pcalloc(cf->pool, pool->max_connections
                               * sizeof(ngx_http_codeexec_pg_connection_t));
    if (pg == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < pool->max_connections; i++) {
        ngx_queue_insert_tail(&pool->closed, &pg[i].queue);
    }

    pool->connections = pg;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_codeexec_pg_postconfiguration(ngx_conf_t *cf)
{
    ngx_uint_t                          i;
    ngx_http_codeexec_pg_pool_t       **pools;
    ngx_http_codeexec_pg_main_conf_t   *pmcf;

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_codeexec_module);

    pools = pmcf->pools.elts;

    for (i = 0; i < pmcf->pools.nelts; i++) {

        if (pools[i]->hosts.nelts == 0) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "codeexec_pg \"%V\" is not configured in %s:%ui",
                          &pools[i]->name, pools[i]->file_name,
                          pools[i]->line);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
