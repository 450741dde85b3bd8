
/*
 * Copyright (C) The codeexec authors.
 *
 * Files that a request brings along, and which it wants to have back.
 */


#include "ngx_http_codeexec_module.h"


/* All of codeexecd: see PUT and "collect" in docs/protocol.md. */

#define NGX_HTTP_CODEEXEC_MAX_PATH      255
#define NGX_HTTP_CODEEXEC_MAX_PARTS     17
#define NGX_HTTP_CODEEXEC_MAX_PATTERN   64
#define NGX_HTTP_CODEEXEC_MAX_PATTERNS  32


static ngx_int_t ngx_http_codeexec_add_put(ngx_http_codeexec_ctx_t *ctx,
    const char *member, const char *name, json_t *value,
    ngx_http_codeexec_file_t *file);
static ngx_uint_t ngx_http_codeexec_is_path(u_char *name, size_t len);
static ngx_int_t ngx_http_codeexec_put_content(ngx_http_codeexec_ctx_t *ctx,
    json_t *value, ngx_http_codeexec_file_t *file);
static ngx_int_t ngx_http_codeexec_decode_base64(
    ngx_http_codeexec_ctx_t *ctx, json_t *value, ngx_str_t *content);
static ngx_int_t ngx_http_codeexec_check_puts(ngx_http_codeexec_ctx_t *ctx,
    const char *member);
static ngx_uint_t ngx_http_codeexec_is_above(ngx_str_t *dir, ngx_str_t *file);
static ngx_uint_t ngx_http_codeexec_is_pattern(json_t *value);


static ngx_str_t  ngx_http_codeexec_all = ngx_string("[\"**\"]");


/*
 * The strings are not copied: the object lives on in the context, without
 * what was decoded.
 */

ngx_int_t
ngx_http_codeexec_set_files(ngx_http_codeexec_ctx_t *ctx, const char *member,
    json_t *files)
{
    void                          *iter;
    ngx_int_t                      rc;
    ngx_uint_t                     n;
    ngx_http_codeexec_file_t      *file;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_codeexec_module);

    n = json_object_size(files);

    if (n > lcf->max_files) {
        return ngx_http_codeexec_refuse(ctx,
                                        NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                        "\"%s\" has more than %ui files",
                                        member, lcf->max_files);
    }

    if (n == 0) {
        return NGX_OK;
    }

    file = ngx_palloc(ctx->request->pool,
                      n * sizeof(ngx_http_codeexec_file_t));
    if (file == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->files = json_incref(files);
    ctx->job.files = file;

    for (iter = json_object_iter(files);
         iter;
         iter = json_object_iter_next(files, iter))
    {
        rc = ngx_http_codeexec_add_put(ctx, member,
                                       json_object_iter_key(iter),
                                       json_object_iter_value(iter), file);
        if (rc != NGX_OK) {
            return rc;
        }

        if (json_is_object(json_object_iter_value(iter))
            && json_object_iter_set_new(files, iter, json_null()) != 0)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        file++;
        ctx->job.nfiles++;
    }

    return ngx_http_codeexec_check_puts(ctx, member);
}


static ngx_int_t
ngx_http_codeexec_add_put(ngx_http_codeexec_ctx_t *ctx, const char *member,
    const char *name, json_t *value, ngx_http_codeexec_file_t *file)
{
    /* jansson has no keys with a NUL */

    file->name.data = (u_char *) name;
    file->name.len = ngx_strlen(name);

    if (!ngx_http_codeexec_is_path(file->name.data, file->name.len)) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                             "\"%s\" has a name that is no path below the "
                             "working directory", member);
    }

    return ngx_http_codeexec_put_content(ctx, value, file);
}


/* As it would be written, and could be returned again. */

static ngx_uint_t
ngx_http_codeexec_is_path(u_char *name, size_t len)
{
    size_t       i, part;
    ngx_uint_t   parts;

    if (len > NGX_HTTP_CODEEXEC_MAX_PATH) {
        return 0;
    }

    parts = 0;
    part = 0;

    for (i = 0; i <= len; i++) {

        if (i < len && name[i] != '/') {

            if (name[i] < 0x20 || name[i] == 0x7f) {
                return 0;
            }

            continue;
        }

        if (i == part
            || (i - part == 1 && name[part] == '.')
            || (i - part == 2 && name[part] == '.' && name[part + 1] == '.')
            || ++parts > NGX_HTTP_CODEEXEC_MAX_PARTS)
        {
            return 0;
        }

        part = i + 1;
    }

    return 1;
}


static ngx_int_t
ngx_http_codeexec_put_content(ngx_http_codeexec_ctx_t *ctx, json_t *value,
    ngx_http_codeexec_file_t *file)
{
    json_t     *base64;
    ngx_int_t   rc;

    if (json_is_string(value)) {
        file->content.data = (u_char *) json_string_value(value);
        file->content.len = json_string_length(value);
        return NGX_OK;
    }

    base64 = json_object_get(value, "base64");

    if (!json_is_string(base64) || json_object_size(value) != 1) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                  "\"files\" must have strings, or objects "
                                  "with a string \"base64\"");
    }

    rc = ngx_http_codeexec_decode_base64(ctx, base64, &file->content);

    if (rc == NGX_DECLINED) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                        "\"files\" has invalid base64");
    }

    return rc;
}


/*
 * As RFC 4648 has it, without line breaks; what nginx decodes is more.  One
 * content must not have two encodings, so that bits nobody uses are zero.
 */

static ngx_int_t
ngx_http_codeexec_decode_base64(ngx_http_codeexec_ctx_t *ctx, json_t *value,
    ngx_str_t *content)
{
    size_t      i, pad;
    u_char      last[4];
    ngx_str_t   text, tail, group;

    text.data = (u_char *) json_string_value(value);
    text.len = json_string_length(value);

    if (text.len % 4) {
        return NGX_DECLINED;
    }

    pad = 0;

    while (pad < 2 && pad < text.len && text.data[text.len - 1 - pad] == '=') {
        pad++;
    }

    for (i = 0; i < text.len - pad; i++) {

        if (!ngx_http_codeexec_is_base64(text.data[i])) {
            return NGX_DECLINED;
        }
    }

    content->data = ngx_pnalloc(ctx->request->pool,
                                ngx_base64_decoded_length(text.len) + 1);
    if (content->data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_decode_base64(content, &text) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (pad) {
        tail.len = 3 - pad;
        tail.data = content->data + content->len - tail.len;
        group.data = last;
        ngx_encode_base64(&group, &tail);

        if (ngx_memcmp(last, text.data + text.len - 4, 4) != 0) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_codeexec_is_base64(u_char c)
{
    u_char  lower;

    lower = ngx_tolower(c);

    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9')
           || c == '+' || c == '/';
}


/* The sum of all, and that none is to be both a file and a directory. */

static ngx_int_t
ngx_http_codeexec_check_puts(ngx_http_codeexec_ctx_t *ctx, const char *member)
{
    size_t                         rest;
    ngx_uint_t                     i, j;
    ngx_http_codeexec_file_t      *files;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_codeexec_module);

    files = ctx->job.files;
    rest = lcf->max_files_size;

    for (i = 0; i < ctx->job.nfiles; i++) {

        if (files[i].content.len > rest) {
            return ngx_http_codeexec_refuse(ctx,
                                  NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                  "\"%s\" are larger than %uz bytes",
                                  member, lcf->max_files_size);
        }

        rest -= files[i].content.len;

        for (j = 0; j < ctx->job.nfiles; j++) {

            if (ngx_http_codeexec_is_above(&files[i].name, &files[j].name)) {
                return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                     "\"%s\" has one name for a file and "
                                     "a directory", member);
            }
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_codeexec_is_above(ngx_str_t *dir, ngx_str_t *file)
{
    return file->len > dir->len
           && file->data[dir->len] == '/'
           && ngx_memcmp(dir->data, file->data, dir->len) == 0;
}


/* true for all of them, or an array of patterns. */

ngx_int_t
ngx_http_codeexec_set_return(ngx_http_codeexec_ctx_t *ctx, const char *member,
    json_t *value)
{
    size_t                         i;
    json_t                        *pattern;
    ngx_uint_t                     max;
    ngx_http_codeexec_loc_conf_t  *lcf;

    if (json_is_boolean(value)) {

        if (json_is_true(value)) {
            ctx->job.collect = ngx_http_codeexec_all;
        }

        return NGX_OK;
    }

    if (!json_is_array(value)) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                        "\"%s\" must be true, or an array of "
                                        "patterns", member);
    }

    lcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_codeexec_module);

    /* each extension of an image is two of them */

    max = NGX_HTTP_CODEEXEC_MAX_COLLECT;

    if (lcf->image_names) {
        max -= 2 * lcf->image_names->nelts;
    }

    max = ngx_min(max, NGX_HTTP_CODEEXEC_MAX_PATTERNS);

    if (json_array_size(value) > max) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                        "\"%s\" has more than %ui patterns",
                                        member, max);
    }

    json_array_foreach(value, i, pattern) {

        if (!ngx_http_codeexec_is_pattern(pattern)) {
            return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                  "\"%s\" must have strings of 1 to %d bytes "
                                  "without NUL", member,
                                  NGX_HTTP_CODEEXEC_MAX_PATTERN);
        }
    }

    /* an empty array asks for none, but for the member in the answer */

    return ngx_http_codeexec_json_copy(ctx->request->pool, value,
                                       &ctx->job.collect)
           == NGX_OK ? NGX_OK : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static ngx_uint_t
ngx_http_codeexec_is_pattern(json_t *value)
{
    size_t  len;

    if (!json_is_string(value)) {
        return 0;
    }

    len = json_string_length(value);

    return len > 0 && len <= NGX_HTTP_CODEEXEC_MAX_PATTERN
           && ngx_strlen(json_string_value(value)) == len;
}


/* As codeexec_images has it, if it was not the request that asked for it. */

ngx_uint_t
ngx_http_codeexec_is_image(ngx_http_codeexec_ctx_t *ctx, ngx_str_t *name)
{
    size_t                         len;
    ngx_str_t                     *ext;
    ngx_uint_t                     i;
    ngx_http_codeexec_loc_conf_t  *lcf;

    if (ctx->job.collect.len == 0) {
        return 1;
    }

    lcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_codeexec_module);

    if (lcf->image_names == NULL || name->data[0] == '.'
        || ngx_strlchr(name->data, name->data + name->len, '/'))
    {
        return 0;
    }

    ext = lcf->image_names->elts;

    for (i = 0; i < lcf->image_names->nelts; i++) {
        len = ext[i].len;

        if (name->len > len
            && name->data[name->len - len - 1] == '.'
            && ngx_strncasecmp(name->data + name->len - len, ext[i].data, len)
               == 0)
        {
            return 1;
        }
    }

    return 0;
}
