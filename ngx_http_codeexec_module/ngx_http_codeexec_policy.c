
/*
 * Copyright (C) The codeexec authors.
 *
 * Rules for the syntax of a program, which its runtime looks at: what it must
 * not import or call.  See docs/python.md, "Screening".
 */


#include "ngx_http_codeexec_module.h"


static ngx_uint_t ngx_http_codeexec_is_dotted(ngx_str_t *name);
static void ngx_http_codeexec_write_policy(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_loc_conf_t *conf);
static void ngx_http_codeexec_write_names(ngx_http_codeexec_writer_t *w,
    const char *member, ngx_array_t *names);


/* codeexec_deny_import, codeexec_allow_import and codeexec_deny_call */

char *
ngx_http_codeexec_rule(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    ngx_str_t     *value, *name;
    ngx_uint_t     i, none;
    ngx_array_t  **names;

    names = (ngx_array_t **) (p + cmd->offset);
    value = cf->args->elts;

    /* nothing is forbidden, or nothing is allowed */

    none = cf->args->nelts == 2
           && ngx_strcmp(value[1].data, cmd->post ? "none" : "off") == 0;

    if (*names == NGX_CONF_UNSET_PTR) {
        *names = ngx_array_create(cf->pool, 8, sizeof(ngx_str_t));
        if (*names == NULL) {
            return NGX_CONF_ERROR;
        }

    } else if (none || (*names)->nelts == 0) {
        return "is duplicate";
    }

    for (i = 1; !none && i < cf->args->nelts; i++) {

        if (!ngx_http_codeexec_is_dotted(&value[i])) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid name \"%V\"", &value[i]);
            return NGX_CONF_ERROR;
        }

        name = ngx_array_push(*names);
        if (name == NULL) {
            return NGX_CONF_ERROR;
        }

        *name = value[i];
    }

    return NGX_CONF_OK;
}


/* Identifiers with dots between them, of which those beyond ASCII pass. */

static ngx_uint_t
ngx_http_codeexec_is_dotted(ngx_str_t *name)
{
    u_char  c, last;
    size_t  i;

    last = '.';

    for (i = 0; i < name->len; i++) {
        c = ngx_tolower(name->data[i]);

        if (c == '.' ? last == '.'
            : !(c == '_' || c >= 0x80 || (c >= 'a' && c <= 'z')
                || (c >= '0' && c <= '9' && last != '.')))
        {
            return 0;
        }

        last = c;
    }

    return last != '.' && ngx_http_codeexec_utf8_check(name) == NGX_OK;
}


char *
ngx_http_codeexec_merge_policy(ngx_conf_t *cf,
    ngx_http_codeexec_loc_conf_t *prev, ngx_http_codeexec_loc_conf_t *conf)
{
    ngx_http_codeexec_writer_t  w;

    ngx_conf_merge_ptr_value(conf->deny, prev->deny, NULL);
    ngx_conf_merge_ptr_value(conf->deny_imports, prev->deny_imports, NULL);
    ngx_conf_merge_ptr_value(conf->allow_imports, prev->allow_imports, NULL);
    ngx_conf_merge_ptr_value(conf->deny_calls, prev->deny_calls, NULL);

    ngx_memzero(&w, sizeof(ngx_http_codeexec_writer_t));

    ngx_http_codeexec_write_policy(&w, conf);

    if (w.len == 0) {
        return NGX_CONF_OK;
    }

    conf->rules.len = w.len;
    conf->rules.data = ngx_pnalloc(cf->pool, w.len);
    if (conf->rules.data == NULL) {
        return NGX_CONF_ERROR;
    }

    w.pos = conf->rules.data;
    w.len = 0;

    ngx_http_codeexec_write_policy(&w, conf);

    return NGX_CONF_OK;
}


static void
ngx_http_codeexec_write_policy(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_loc_conf_t *conf)
{
    if (conf->deny_imports && conf->deny_imports->nelts) {
        ngx_http_codeexec_write_names(w, "\"imports\":[", conf->deny_imports);
    }

    if (conf->allow_imports) {
        ngx_http_codeexec_put_comma(w, 0);
        ngx_http_codeexec_write_names(w, "\"only\":[", conf->allow_imports);
    }

    if (conf->deny_calls && conf->deny_calls->nelts) {
        ngx_http_codeexec_put_comma(w, 0);
        ngx_http_codeexec_write_names(w, "\"calls\":[", conf->deny_calls);
    }
}


static void
ngx_http_codeexec_write_names(ngx_http_codeexec_writer_t *w,
    const char *member, ngx_array_t *names)
{
    ngx_str_t   *name;
    ngx_uint_t   i;

    ngx_http_codeexec_put(w, member, ngx_strlen(member));

    name = names->elts;

    for (i = 0; i < names->nelts; i++) {

        if (i) {
            ngx_http_codeexec_put_text(w, ",");
        }

        ngx_http_codeexec_put_string(w, &name[i]);
    }

    ngx_http_codeexec_put_text(w, "]");
}
