
/*
 * Copyright (C) The codeexec authors.
 *
 * Reads a file of keys: "name digest [option ...]" in each line.  Whatever is
 * wrong there may be a key in the wrong place, so that only good names and
 * options are ever repeated in a message.
 */


#include "ngx_http_codeexec_module.h"

#include <sys/random.h>


/* A larger file has something else in it. */
#define NGX_HTTP_CODEEXEC_KEY_FILE_SIZE  (16 * 1024 * 1024)


static char *ngx_http_codeexec_read_key_file(ngx_conf_t *cf, ngx_str_t *path,
    ngx_str_t *text);
static const char *ngx_http_codeexec_read_keys(ngx_conf_t *cf, ngx_fd_t fd,
    ngx_str_t *text);
static char *ngx_http_codeexec_parse_keys(ngx_conf_t *cf,
    ngx_http_codeexec_keys_t *keys, ngx_str_t *text);
static char *ngx_http_codeexec_parse_key(ngx_conf_t *cf,
    ngx_http_codeexec_keys_t *keys, ngx_str_t *line, ngx_uint_t number);
static char *ngx_http_codeexec_parse_key_options(ngx_conf_t *cf,
    ngx_http_codeexec_keys_t *keys, ngx_http_codeexec_key_t *key,
    ngx_str_t *line);
static void ngx_http_codeexec_next_word(ngx_str_t *line, ngx_str_t *word);


char *
ngx_http_codeexec_key_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_codeexec_loc_conf_t *lcf = conf;

    char                      *rv;
    ngx_str_t                 *value, text;
    ngx_http_codeexec_keys_t  *keys;

    if (lcf->keys != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        lcf->keys = NULL;
        return NGX_CONF_OK;
    }

    keys = ngx_pcalloc(cf->pool, sizeof(ngx_http_codeexec_keys_t));
    if (keys == NULL) {
        return NGX_CONF_ERROR;
    }

    keys->path = value[1];

    if (ngx_conf_full_name(cf->cycle, &keys->path, 1) != NGX_OK
        || ngx_array_init(&keys->keys, cf->pool, 16,
                          sizeof(ngx_http_codeexec_key_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    /* the pool of random bytes is that of a worker */

    if (getrandom(keys->salt, sizeof(keys->salt), 0) != sizeof(keys->salt)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno, "getrandom() failed");
        return NGX_CONF_ERROR;
    }

    rv = ngx_http_codeexec_read_key_file(cf, &keys->path, &text);

    if (rv == NGX_CONF_OK) {
        rv = ngx_http_codeexec_parse_keys(cf, keys, &text);
    }

    if (rv == NGX_CONF_OK) {
        rv = ngx_http_codeexec_sort_keys(cf, keys);
    }

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (keys->keys.nelts == 0) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0, "no keys in \"%V\"",
                           &keys->path);
    }

    lcf->keys = keys;

    return NGX_CONF_OK;
}


static char *
ngx_http_codeexec_read_key_file(ngx_conf_t *cf, ngx_str_t *path,
    ngx_str_t *text)
{
    ngx_fd_t     fd;
    const char  *error;

    /* a FIFO must not keep the master waiting */

    fd = ngx_open_file(path->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" failed", path);
        return NGX_CONF_ERROR;
    }

    error = ngx_http_codeexec_read_keys(cf, fd, text);

    if (error) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" %s", path, error);
    }

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_ALERT, cf, ngx_errno,
                           ngx_close_file_n " \"%V\" failed", path);
    }

    return error ? NGX_CONF_ERROR : NGX_CONF_OK;
}


static const char *
ngx_http_codeexec_read_keys(ngx_conf_t *cf, ngx_fd_t fd, ngx_str_t *text)
{
    ssize_t          n;
    ngx_file_info_t  fi;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        return "cannot be examined";
    }

    if (!ngx_is_file(&fi)) {
        return "is not a regular file";
    }

    /* who may add a line may do everything */

    if (fi.st_mode & S_IWOTH) {
        return "must not be writable by others";
    }

    if (ngx_file_size(&fi) > NGX_HTTP_CODEEXEC_KEY_FILE_SIZE) {
        return "is too large";
    }

    text->len = 0;
    text->data = ngx_pnalloc(cf->temp_pool, ngx_file_size(&fi) + 1);
    if (text->data == NULL) {
        return "does not fit into memory";
    }

    while (text->len < (size_t) ngx_file_size(&fi)) {

        n = ngx_read_fd(fd, text->data + text->len,
                        ngx_file_size(&fi) - text->len);

        if (n <= 0) {
            return "cannot be read";
        }

        text->len += n;
    }

    return NULL;
}


static char *
ngx_http_codeexec_parse_keys(ngx_conf_t *cf, ngx_http_codeexec_keys_t *keys,
    ngx_str_t *text)
{
    char        *rv;
    u_char      *p, *last, *end;
    ngx_str_t    line;
    ngx_uint_t   number;

    p = text->data;
    last = p + text->len;

    for (number = 1; p < last; number++) {

        end = ngx_strlchr(p, last, LF);
        if (end == NULL) {
            end = last;
        }

        line.data = p;
        line.len = end - p;

        rv = ngx_http_codeexec_parse_key(cf, keys, &line, number);
        if (rv != NGX_CONF_OK) {
            return rv;
        }

        p = end + 1;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_codeexec_parse_key(ngx_conf_t *cf, ngx_http_codeexec_keys_t *keys,
    ngx_str_t *line, ngx_uint_t number)
{
    ngx_int_t                 rc;
    ngx_str_t                 name, digest;
    ngx_http_codeexec_key_t  *key;

    ngx_http_codeexec_next_word(line, &name);

    if (name.len == 0) {
        return NGX_CONF_OK;
    }

    ngx_http_codeexec_next_word(line, &digest);

    if (ngx_http_codeexec_check_key_name(&name) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid name of a key in %V:%ui",
                           &keys->path, number);
        return NGX_CONF_ERROR;
    }

    key = ngx_array_push(&keys->keys);
    if (key == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(key, sizeof(ngx_http_codeexec_key_t));

    key->line = number;
    key->name.len = name.len;
    key->name.data = ngx_pstrdup(cf->pool, &name);
    if (key->name.data == NULL) {
        return NGX_CONF_ERROR;
    }

    rc = ngx_http_codeexec_parse_digest(keys, &digest, key->digest);

    if (rc == NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "SHA256() failed");
        return NGX_CONF_ERROR;
    }

    if (rc != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           rc == NGX_ABORT ? "empty key in %V:%ui"
                                           : "invalid digest in %V:%ui",
                           &keys->path, number);
        return NGX_CONF_ERROR;
    }

    return ngx_http_codeexec_parse_key_options(cf, keys, key, line);
}


static char *
ngx_http_codeexec_parse_key_options(ngx_conf_t *cf,
    ngx_http_codeexec_keys_t *keys, ngx_http_codeexec_key_t *key,
    ngx_str_t *line)
{
    ngx_int_t                        rc;
    ngx_str_t                        word, value;
    ngx_uint_t                       i, seen;
    ngx_http_codeexec_key_option_t  *options;

    options = ngx_http_codeexec_key_options;
    seen = 0;

    for ( ;; ) {
        ngx_http_codeexec_next_word(line, &word);

        if (word.len == 0) {
            return NGX_CONF_OK;
        }

        rc = NGX_DECLINED;

        for (i = 0; options[i].set; i++) {
            value.data = word.data + options[i].name.len;
            value.len = word.len - options[i].name.len;

            if (word.len < options[i].name.len
                || ngx_strncmp(word.data, options[i].name.data,
                               options[i].name.len)
                   != 0)
            {
                continue;
            }

            if (!(seen & (1 << i))) {
                rc = options[i].set(cf, key, &value);
            }

            seen |= 1 << i;

            break;
        }

        if (rc == NGX_ERROR) {
            return NGX_CONF_ERROR;
        }

        if (rc != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid or duplicate option \"%V\" in %V:%ui",
                               &word, &keys->path, key->line);
            return NGX_CONF_ERROR;
        }
    }
}


/* What follows a "#" at the beginning of a word is a comment. */

static void
ngx_http_codeexec_next_word(ngx_str_t *line, ngx_str_t *word)
{
    u_char  *p, *last;

    p = line->data;
    last = p + line->len;

    while (p < last && (*p == ' ' || *p == '\t' || *p == CR)) {
        p++;
    }

    word->data = p;

    if (p < last && *p == '#') {
        last = p;
    }

    while (p < last && *p != ' ' && *p != '\t' && *p != CR) {
        p++;
    }

    word->len = p - word->data;

    line->data = p;
    line->len = last - p;
}
