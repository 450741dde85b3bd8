
/*
 * Copyright (C) The codeexec authors.
 */


#include "ngx_http_codeexec_module.h"


#define NGX_HTTP_CODEEXEC_MAX_ARGS  65536


typedef struct {
    ngx_str_t  alias;
    ngx_str_t  name;
} ngx_http_codeexec_language_t;


static ngx_str_t *ngx_http_codeexec_canonical(ngx_str_t *name);
static ngx_int_t ngx_http_codeexec_check_size(ngx_http_codeexec_ctx_t *ctx,
    const char *member, size_t size, size_t limit);
static void ngx_http_codeexec_strip_fence(ngx_str_t *code,
    ngx_str_t *language);
static ngx_uint_t ngx_http_codeexec_match_fence(u_char *p, u_char *last,
    ngx_str_t *language);
static u_char *ngx_http_codeexec_next_line(u_char *p, u_char *last);
static u_char *ngx_http_codeexec_find_fence(u_char *p, u_char *last);
static ngx_int_t ngx_http_codeexec_make_id(ngx_http_codeexec_ctx_t *ctx);


static ngx_http_codeexec_language_t  ngx_http_codeexec_languages[] = {
    { ngx_string("py"), ngx_string("python") },
    { ngx_string("python3"), ngx_string("python") },
    { ngx_string("javascript"), ngx_string("nodejs") },
    { ngx_string("js"), ngx_string("nodejs") },
    { ngx_string("node"), ngx_string("nodejs") },
    { ngx_string("sh"), ngx_string("bash") },
    { ngx_null_string, ngx_null_string }
};


static ngx_str_t *
ngx_http_codeexec_canonical(ngx_str_t *name)
{
    ngx_http_codeexec_language_t  *l;

    for (l = ngx_http_codeexec_languages; l->alias.len; l++) {

        if (name->len == l->alias.len
            && ngx_strncmp(name->data, l->alias.data, name->len) == 0)
        {
            return &l->name;
        }
    }

    return name;
}


void
ngx_http_codeexec_add_aliases(const char *name, json_t *aliases)
{
    size_t                         i;
    json_t                        *other;
    ngx_http_codeexec_language_t  *l;

    for (l = ngx_http_codeexec_languages; l->alias.len; l++) {

        if (ngx_strcmp(l->name.data, name) != 0) {
            continue;
        }

        json_array_foreach(aliases, i, other) {
            if (json_is_string(other)
                && ngx_strcmp(json_string_value(other), l->alias.data) == 0)
            {
                break;
            }
        }

        if (i == json_array_size(aliases)) {
            (void) json_array_append_new(aliases,
                                      json_string((char *) l->alias.data));
        }
    }
}


ngx_int_t
ngx_http_codeexec_language(ngx_pool_t *pool, ngx_str_t *name,
    ngx_str_t *language)
{
    u_char     c;
    size_t     i;
    ngx_str_t  lower;

    if (name->len == 0 || name->len > NGX_HTTP_CODEEXEC_MAX_NAME) {
        return NGX_DECLINED;
    }

    lower.len = name->len;
    lower.data = ngx_pnalloc(pool, lower.len);
    if (lower.data == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < name->len; i++) {
        c = ngx_tolower(name->data[i]);

        if ((c < 'a' || c > 'z') && (c < '0' || c > '9')
            && (c == '\0' || ngx_strchr("+#._-", c) == NULL))
        {
            return NGX_DECLINED;
        }

        lower.data[i] = c;
    }

    *language = *ngx_http_codeexec_canonical(&lower);

    return NGX_OK;
}


ngx_int_t
ngx_http_codeexec_set_language(ngx_http_codeexec_ctx_t *ctx, ngx_str_t *name)
{
    ngx_int_t  rc;

    rc = ngx_http_codeexec_language(ctx->request->pool, name,
                                    &ctx->job.language);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc != NGX_OK) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                        "Unsupported language");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_check_size(ngx_http_codeexec_ctx_t *ctx,
    const char *member, size_t size, size_t limit)
{
    if (size > limit) {
        return ngx_http_codeexec_refuse(ctx,
                                        NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                        "\"%s\" is larger than %uz bytes",
                                        member, limit);
    }

    return NGX_OK;
}


/* The language is set before, it tells which fences are the code's. */

ngx_int_t
ngx_http_codeexec_set_code(ngx_http_codeexec_ctx_t *ctx, ngx_str_t *code)
{
    ngx_int_t  rc;

    rc = ngx_http_codeexec_set_source(ctx, code);

    if (rc == NGX_OK) {
        ngx_http_codeexec_strip_fence(&ctx->job.code, &ctx->job.language);
    }

    return rc;
}


ngx_int_t
ngx_http_codeexec_set_source(ngx_http_codeexec_ctx_t *ctx, ngx_str_t *code)
{
    ngx_int_t                      rc;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_codeexec_module);

    rc = ngx_http_codeexec_check_size(ctx, "code", code->len,
                                      lcf->max_code_size);
    if (rc != NGX_OK) {
        return rc;
    }

    if (code->len && ngx_strlchr(code->data, code->data + code->len, '\0')) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                  "\"code\" must not contain NUL characters");
    }

    ctx->job.code = *code;

    return NGX_OK;
}


/* The text of an object that was parsed already, or nothing. */

ngx_int_t
ngx_http_codeexec_set_variables(ngx_http_codeexec_ctx_t *ctx, ngx_str_t *text)
{
    ngx_int_t                      rc;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_codeexec_module);

    rc = ngx_http_codeexec_check_size(ctx, "variables", text->len,
                                      lcf->max_variables_size);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx->job.variables = *text;

    return NGX_OK;
}


ngx_int_t
ngx_http_codeexec_set_input(ngx_http_codeexec_ctx_t *ctx, ngx_str_t *input)
{
    ngx_int_t                      rc;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_codeexec_module);

    rc = ngx_http_codeexec_check_size(ctx, "stdin", input->len,
                                      lcf->max_stdin_size);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx->job.input = *input;

    return NGX_OK;
}


ngx_int_t
ngx_http_codeexec_set_args(ngx_http_codeexec_ctx_t *ctx, json_t *args)
{
    size_t   i;
    json_t  *arg;

    if (!json_is_array(args)) {
        goto invalid;
    }

    json_array_foreach(args, i, arg) {

        /* a NUL would end the argument when it is handed to the program */

        if (!json_is_string(arg)
            || ngx_strlen(json_string_value(arg)) != json_string_length(arg))
        {
            goto invalid;
        }
    }

    if (ngx_http_codeexec_json_copy(ctx->request->pool, args, &ctx->job.args)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_codeexec_check_size(ctx, "args", ctx->job.args.len,
                                        NGX_HTTP_CODEEXEC_MAX_ARGS);

invalid:

    return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                         "\"args\" must be an array of strings without NUL");
}


ngx_int_t
ngx_http_codeexec_set_env(ngx_http_codeexec_ctx_t *ctx, json_t *env)
{
    json_t      *value;
    const char  *name;

    if (!json_is_object(env)) {
        goto invalid;
    }

    json_object_foreach(env, name, value) {

        if (*name == '\0' || ngx_strchr(name, '=')
            || !json_is_string(value)
            || ngx_strlen(json_string_value(value))
               != json_string_length(value))
        {
            goto invalid;
        }
    }

    if (ngx_http_codeexec_json_copy(ctx->request->pool, env, &ctx->job.env)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_codeexec_check_size(ctx, "env", ctx->job.env.len,
                                        NGX_HTTP_CODEEXEC_MAX_ARGS);

invalid:

    return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                         "\"env\" must be an object of strings without NUL");
}


/*
 * The text of an object that was parsed already, as reals.  To codeexecd its
 * numbers are what they look like, and some are too large for that.
 */

ngx_int_t
ngx_http_codeexec_set_main(ngx_http_codeexec_ctx_t *ctx, ngx_str_t *text)
{
    json_t     *json, *arguments;
    ngx_int_t   rc;

    rc = ngx_http_codeexec_check_size(ctx, "main", text->len,
                                      NGX_HTTP_CODEEXEC_MAX_ARGS);
    if (rc != NGX_OK) {
        return rc;
    }

    json = ngx_http_codeexec_json_parse(text, 0);

    if (json == NULL) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                      "\"main\" must have no NUL, and no integers of more "
                      "than 64 bits");
    }

    arguments = json_object_get(json, "arguments");

    rc = (arguments == NULL || json_is_null(arguments)
          || json_is_object(arguments))
             ? NGX_OK : NGX_DECLINED;

    json_decref(json);

    if (rc != NGX_OK) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                      "\"arguments\" of \"main\" must be an object");
    }

    ctx->job.main = *text;

    return NGX_OK;
}


ngx_int_t
ngx_http_codeexec_set_timeout(ngx_http_codeexec_ctx_t *ctx, double seconds)
{
    ngx_msec_t  timeout, max;

    max = ngx_http_codeexec_max_timeout(ctx);

    /* before the cast, which is undefined for what does not fit */

    if (seconds < 0.001 || seconds > (double) max) {
        return ngx_http_codeexec_bad_timeout(ctx);
    }

    timeout = (ngx_msec_t) (seconds * 1000 + 0.5);

    if (timeout > max) {
        return ngx_http_codeexec_bad_timeout(ctx);
    }

    ctx->job.timeout = timeout;

    return NGX_OK;
}


ngx_int_t
ngx_http_codeexec_bad_timeout(ngx_http_codeexec_ctx_t *ctx)
{
    ngx_msec_t  max;

    max = ngx_http_codeexec_max_timeout(ctx);

    if (max % 1000) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                  "\"timeout\" must be a number between 0.001 and %M.%03M",
                  max / 1000, max % 1000);
    }

    return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                  "\"timeout\" must be a number between 0.001 and %M",
                  max / 1000);
}


/* A null string stands for a client that leaves it to us. */

ngx_int_t
ngx_http_codeexec_set_id(ngx_http_codeexec_ctx_t *ctx, ngx_str_t *id)
{
    u_char  c;
    size_t  i;

    if (id->data == NULL) {
        return ngx_http_codeexec_make_id(ctx);
    }

    if (id->len == 0 || id->len > NGX_HTTP_CODEEXEC_MAX_ID) {
        goto invalid;
    }

    for (i = 0; i < id->len; i++) {
        c = ngx_tolower(id->data[i]);

        if ((c < 'a' || c > 'z') && (c < '0' || c > '9')
            && c != '.' && c != '_' && c != '-')
        {
            goto invalid;
        }
    }

    ctx->job.id = *id;

    return NGX_OK;

invalid:

    return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
             "\"execution_id\" must be 1 to 64 characters of A-Za-z0-9._-");
}


/* A UUID of version 7: ids sort by the time of their requests. */

static ngx_int_t
ngx_http_codeexec_make_id(ngx_http_codeexec_ctx_t *ctx)
{
    u_char       uuid[16];
    uint64_t     now;
    ngx_time_t  *tp;
    ngx_uint_t   i;

    if (ngx_http_codeexec_random(uuid, sizeof(uuid)) != NGX_OK) {

        for (i = 0; i < sizeof(uuid); i++) {
            uuid[i] = (u_char) ngx_random();
        }
    }

    tp = ngx_timeofday();
    now = (uint64_t) tp->sec * 1000 + tp->msec;

    for (i = 0; i < 6; i++) {
        uuid[i] = (u_char) (now >> (40 - 8 * i));
    }

    ctx->job.id.len = NGX_HTTP_CODEEXEC_UUID_LEN;
    ctx->job.id.data = ngx_pnalloc(ctx->request->pool,
                                   NGX_HTTP_CODEEXEC_UUID_LEN);
    if (ctx->job.id.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    (void) ngx_http_codeexec_put_uuid(ctx->job.id.data, uuid, 7);

    return NGX_OK;
}


/*
 * Models answer in Markdown.  The first fenced block of this language, or of
 * none, is the code; a text without such a block is code as it is.
 */

static void
ngx_http_codeexec_strip_fence(ngx_str_t *code, ngx_str_t *language)
{
    u_char  *p, *last, *end;

    last = code->data + code->len;
    p = ngx_http_codeexec_find_fence(code->data, last);

    while (p < last) {

        end = ngx_http_codeexec_find_fence(
                                 ngx_http_codeexec_next_line(p, last), last);

        if (ngx_http_codeexec_match_fence(p, last, language)) {
            code->data = ngx_http_codeexec_next_line(p, last);
            code->len = end - code->data;
            return;
        }

        p = ngx_http_codeexec_find_fence(
                               ngx_http_codeexec_next_line(end, last), last);
    }
}


static ngx_uint_t
ngx_http_codeexec_match_fence(u_char *p, u_char *last, ngx_str_t *language)
{
    size_t      i;
    u_char     *end, tag[NGX_HTTP_CODEEXEC_MAX_NAME];
    ngx_str_t   name, *canonical;

    p += 3;

    for (end = p; end < last && *end != LF; end++) { /* void */ }

    while (end > p && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == CR)) {
        end--;
    }

    name.data = tag;
    name.len = end - p;

    if (name.len == 0) {
        return 1;
    }

    if (name.len > sizeof(tag)) {
        return 0;
    }

    for (i = 0; i < name.len; i++) {
        tag[i] = ngx_tolower(p[i]);
    }

    canonical = ngx_http_codeexec_canonical(&name);

    return canonical->len == language->len
           && ngx_memcmp(canonical->data, language->data, language->len) == 0;
}


static u_char *
ngx_http_codeexec_next_line(u_char *p, u_char *last)
{
    p = ngx_strlchr(p, last, LF);

    return p ? p + 1 : last;
}


static u_char *
ngx_http_codeexec_find_fence(u_char *p, u_char *last)
{
    while (p < last) {

        if (last - p >= 3 && ngx_memcmp(p, "```", 3) == 0) {
            return p;
        }

        p = ngx_http_codeexec_next_line(p, last);
    }

    return last;
}
