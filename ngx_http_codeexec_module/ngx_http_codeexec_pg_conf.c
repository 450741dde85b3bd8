
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
static char *ngx_http_codeexec_pg_password_file(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_codeexec_pg_queue(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_codeexec_pg_complete(ngx_conf_t *cf,
    ngx_http_codeexec_pg_pool_t *pool);
static ngx_int_t ngx_http_codeexec_pg_defaults(ngx_conf_t *cf,
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

    if (pool->query_timeout > NGX_MAX_INT32_VALUE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"query_timeout\" must be equal to or less than "
                           "%dms", NGX_MAX_INT32_VALUE);
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

    if (ngx_http_codeexec_pg_defaults(cf, pool) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_codeexec_pg_init_pool(cf, pool);
}


static ngx_int_t
ngx_http_codeexec_pg_defaults(ngx_conf_t *cf,
    ngx_http_codeexec_pg_pool_t *pool)
{
    ngx_uint_t        i;
    ngx_core_conf_t  *ccf;
    u_char            options[sizeof("-c statement_timeout=") + NGX_INT_T_LEN];

    ngx_sprintf(options, "-c statement_timeout=%M%Z", pool->query_timeout);

    ccf = (ngx_core_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                           ngx_core_module);

    /*
     * libpq would read a file of passwords, ask Kerberos, and look its user
     * up, in a worker; a file that is not there is the only way to have none.
     */

    struct {
        const char  *keyword;
        const char  *value;
    } defaults[] = {
        { "user", ccf->username },
        { "passfile", "/nonexistent/codeexec" },
        { "gssencmode", "disable" },
        { "client_encoding", "UTF8" },
        { "fallback_application_name", "nginx-codeexec" },
        { "password", (char *) pool->password.data },
        { "options", pool->prepare ? (char *) options : NULL },
        { NULL, NULL }
    };

    for (i = 0; defaults[i].keyword; i++) {

        if (defaults[i].value == NULL
            || ngx_http_codeexec_pg_has(pool, defaults[i].keyword))
        {
            continue;
        }

        if (ngx_http_codeexec_pg_add_parameter(cf, pool, defaults[i].keyword,
                                               defaults[i].value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
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
