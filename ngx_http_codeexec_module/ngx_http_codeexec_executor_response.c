
/*
 * Copyright (C) The codeexec authors.
 *
 * The executor API: a result becomes an answer.
 */


#include "ngx_http_codeexec_executor.h"


static void ngx_http_codeexec_executor_write(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx);
static void ngx_http_codeexec_executor_write_stderr(
    ngx_http_codeexec_writer_t *w, ngx_http_codeexec_ctx_t *ctx);
static void ngx_http_codeexec_executor_write_charts(
    ngx_http_codeexec_writer_t *w, ngx_http_codeexec_ctx_t *ctx);
static void ngx_http_codeexec_executor_write_chart(
    ngx_http_codeexec_writer_t *w, ngx_http_codeexec_shown_t *shown,
    ngx_http_codeexec_form_t *form);
static void ngx_http_codeexec_executor_write_frames(
    ngx_http_codeexec_writer_t *w, ngx_http_codeexec_ctx_t *ctx);
static ngx_uint_t ngx_http_codeexec_executor_shape(ngx_str_t *data,
    int64_t *rows, int64_t *columns);
static void ngx_http_codeexec_executor_write_error(
    ngx_http_codeexec_writer_t *w, ngx_http_codeexec_ctx_t *ctx);
static void ngx_http_codeexec_executor_write_exception(
    ngx_http_codeexec_writer_t *w, ngx_str_t *exception);
static ngx_uint_t ngx_http_codeexec_executor_has(ngx_str_t *text,
    const char *part);
static ngx_http_codeexec_form_t *ngx_http_codeexec_executor_form(
    ngx_http_codeexec_shown_t *shown, const char *name);


/* The name of a form that has none of its own is its media type. */
#define NGX_HTTP_CODEEXEC_PLOTLY  "application/vnd.plotly.v1+json"


static ngx_str_t  ngx_http_codeexec_exception_name = ngx_string("name");
static ngx_str_t  ngx_http_codeexec_exception_value = ngx_string("value");
static ngx_str_t  ngx_http_codeexec_frame_shape = ngx_string("shape");


ngx_uint_t
ngx_http_codeexec_executor_status(ngx_http_codeexec_ctx_t *ctx)
{
    switch (ctx->outcome) {

    case NGX_HTTP_CODEEXEC_BUSY:
    case NGX_HTTP_CODEEXEC_REJECTED:
        return ngx_http_codeexec_result_status(ctx);

    default:
        return NGX_HTTP_OK;
    }
}


ngx_int_t
ngx_http_codeexec_executor_encode(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_http_codeexec_writer_t  w;

    if (ctx->rejection) {
        return ngx_http_codeexec_executor_reject(ctx);
    }

    switch (ctx->outcome) {

    case NGX_HTTP_CODEEXEC_BUSY:
        return ngx_http_codeexec_fastapi_error(r, ctx,
                                               &ngx_http_codeexec_busy);

    case NGX_HTTP_CODEEXEC_REJECTED:
        return ngx_http_codeexec_fastapi_error(r, ctx, &ctx->message);
    }

    ngx_memzero(&w, sizeof(ngx_http_codeexec_writer_t));

    ngx_http_codeexec_executor_write(&w, ctx);

    if (ngx_http_codeexec_make_room(ctx, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_codeexec_executor_write(&w, ctx);

    ngx_http_codeexec_free_result(r, ctx);

    return NGX_OK;
}


static void
ngx_http_codeexec_executor_write(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_str_t                   *variables, output;
    ngx_http_codeexec_result_t  *res;

    res = &ctx->result;

    switch (ctx->outcome) {

    case NGX_HTTP_CODEEXEC_OK:
        ngx_http_codeexec_put_text(w, "{\"status\":\"success\"");
        break;

    case NGX_HTTP_CODEEXEC_TIMEOUT:
        ngx_http_codeexec_put_text(w, "{\"status\":\"timeout\"");
        break;

    default:
        ngx_http_codeexec_put_text(w, "{\"status\":\"error\"");
    }

    ngx_http_codeexec_put_text(w, ",\"execution_time\":");
    ngx_http_codeexec_put_number(w, res->time_us / 1000);

    output.data = res->output.data;
    output.len = res->output.len;

    ngx_http_codeexec_put_text(w, ",\"output\":{\"stdout\":");
    ngx_http_codeexec_put_string(w, &output);
    ngx_http_codeexec_put_text(w, ",\"stderr\":");
    ngx_http_codeexec_executor_write_stderr(w, ctx);
    ngx_http_codeexec_put_text(w, ",\"charts\":[");
    ngx_http_codeexec_executor_write_charts(w, ctx);
    ngx_http_codeexec_put_text(w, "],\"dataframes\":[");
    ngx_http_codeexec_executor_write_frames(w, ctx);
    ngx_http_codeexec_put_text(w, "],\"variables\":");

    if (res->claims[NGX_HTTP_CODEEXEC_VARIABLES]) {
        variables = &res->claims[NGX_HTTP_CODEEXEC_VARIABLES]->payload;
        ngx_http_codeexec_put(w, variables->data, variables->len);

    } else {
        ngx_http_codeexec_put_text(w, "{}");
    }

    ngx_http_codeexec_put_text(w, "},\"error\":");
    ngx_http_codeexec_executor_write_error(w, ctx);
    ngx_http_codeexec_put_text(w, "}");
}


/* There is no other place to say it. */

static void
ngx_http_codeexec_executor_write_stderr(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_http_codeexec_stream_t  *errors;

    errors = &ctx->result.errors;

    ngx_http_codeexec_put_text(w, "\"");
    ngx_http_codeexec_put_escaped(w, errors->data, errors->len);

    if (ctx->result.truncated) {

        if (errors->len && errors->data[errors->len - 1] != LF) {
            ngx_http_codeexec_put_text(w, "\\n");
        }

        ngx_http_codeexec_put_text(w, "codeexec: a part of the output was "
                                      "left out, as it is too large\\n");
    }

    ngx_http_codeexec_put_text(w, "\"");
}


static void
ngx_http_codeexec_executor_write_charts(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx)
{
    size_t                      begin;
    ngx_uint_t                  i;
    ngx_http_codeexec_form_t   *form;
    ngx_http_codeexec_shown_t  *shown;

    begin = w->len;

    for (i = 0; i < ctx->result.nshown; i++) {
        shown = &ctx->result.shown[i];

        form = ngx_http_codeexec_executor_form(shown,
                                               NGX_HTTP_CODEEXEC_PLOTLY);

        if (form) {
            ngx_http_codeexec_put_comma(w, begin);
            ngx_http_codeexec_put_text(w, "{\"type\":\"plotly\","
                                          "\"format\":\"json\",\"data\":");
            ngx_http_codeexec_put_string(w, &form->content);
            ngx_http_codeexec_executor_write_chart(w, shown, form);
            continue;
        }

        form = ngx_http_codeexec_executor_form(shown, "png");

        if (form) {
            ngx_http_codeexec_put_comma(w, begin);
            ngx_http_codeexec_put_text(w, "{\"type\":\"matplotlib\","
                                          "\"format\":\"png\",\"data\":\"");
            ngx_http_codeexec_put_base64(w, &form->content);
            ngx_http_codeexec_put_text(w, "\"");
            ngx_http_codeexec_executor_write_chart(w, shown, form);
        }
    }
}


static void
ngx_http_codeexec_executor_write_chart(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_shown_t *shown, ngx_http_codeexec_form_t *form)
{
    if (!shown->has_size) {
        ngx_http_codeexec_put_text(w, ",\"width\":null,\"height\":null}");
        return;
    }

    ngx_http_codeexec_put_text(w, ",\"width\":");
    ngx_http_codeexec_put_number(w, shown->width);
    ngx_http_codeexec_put_text(w, ",\"height\":");
    ngx_http_codeexec_put_number(w, shown->height);
    ngx_http_codeexec_put_text(w, "}");
}


/* Those of variables have a name, and no text, as what is displayed has. */

static void
ngx_http_codeexec_executor_write_frames(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx)
{
    size_t                      begin;
    int64_t                     rows, columns;
    ngx_uint_t                  i;
    ngx_http_codeexec_form_t   *html, *data;
    ngx_http_codeexec_shown_t  *shown;

    begin = w->len;

    for (i = 0; i < ctx->result.nshown; i++) {
        shown = &ctx->result.shown[i];

        html = ngx_http_codeexec_executor_form(shown, "html");
        data = ngx_http_codeexec_executor_form(shown, "data");

        if (shown->name.data == NULL || html == NULL || data == NULL
            || ngx_http_codeexec_executor_form(shown, "text")
            || !data->valid
            || !ngx_http_codeexec_executor_shape(&data->content, &rows,
                                                 &columns))
        {
            continue;
        }

        ngx_http_codeexec_put_comma(w, begin);
        ngx_http_codeexec_put_text(w, "{\"name\":");
        ngx_http_codeexec_put_string(w, &shown->name);
        ngx_http_codeexec_put_text(w, ",\"html\":");
        ngx_http_codeexec_put_string(w, &html->content);
        ngx_http_codeexec_put_text(w, ",\"rows\":");
        ngx_http_codeexec_put_number(w, rows);
        ngx_http_codeexec_put_text(w, ",\"columns\":");
        ngx_http_codeexec_put_number(w, columns);
        ngx_http_codeexec_put_text(w, "}");
    }
}


/* {"shape":[2,3]} */

static ngx_uint_t
ngx_http_codeexec_executor_shape(ngx_str_t *data, int64_t *rows,
    int64_t *columns)
{
    u_char     *comma;
    ngx_int_t   n, m;
    ngx_str_t   shape;

    if (ngx_http_codeexec_json_member(data, &ngx_http_codeexec_frame_shape,
                                      &shape)
        != NGX_OK)
    {
        return 0;
    }

    comma = ngx_strlchr(shape.data, shape.data + shape.len, ',');

    if (shape.len < sizeof("[0,0]") - 1 || shape.data[0] != '['
        || comma == NULL)
    {
        return 0;
    }

    n = ngx_atoi(shape.data + 1, comma - shape.data - 1);
    m = ngx_atoi(comma + 1, shape.data + shape.len - 1 - comma - 1);

    if (n == NGX_ERROR || m == NGX_ERROR) {
        return 0;
    }

    *rows = n;
    *columns = m;

    return 1;
}


static void
ngx_http_codeexec_executor_write_error(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_http_codeexec_shown_t  *claim;

    claim = ctx->result.claims[NGX_HTTP_CODEEXEC_EXCEPTION];

    switch (ctx->outcome) {

    case NGX_HTTP_CODEEXEC_OK:
        ngx_http_codeexec_put_text(w, "null");
        return;

    case NGX_HTTP_CODEEXEC_TIMEOUT:
        ngx_http_codeexec_put_text(w, "\"执行超时（限制 ");
        ngx_http_codeexec_put_number(w, ctx->job.timeout / 1000);

        if (ctx->job.timeout % 1000) {
            ngx_http_codeexec_put_text(w, ".");
            ngx_http_codeexec_put_number(w, ctx->job.timeout % 1000 / 100);
        }

        ngx_http_codeexec_put_text(w, " 秒）\"");
        return;

    case NGX_HTTP_CODEEXEC_ERROR:

        if (claim) {
            ngx_http_codeexec_executor_write_exception(w, &claim->payload);
            return;
        }
    }

    ngx_http_codeexec_put_text(w, "\"");
    ngx_http_codeexec_write_reason(w, ctx);
    ngx_http_codeexec_put_text(w, "\"");
}


/* Its text, or its class if it has none, with a hint. */

static void
ngx_http_codeexec_executor_write_exception(ngx_http_codeexec_writer_t *w,
    ngx_str_t *exception)
{
    ngx_str_t  text;

    (void) ngx_http_codeexec_json_member(exception,
                                   &ngx_http_codeexec_exception_value, &text);

    if (text.len == sizeof("\"\"") - 1) {
        (void) ngx_http_codeexec_json_member(exception,
                                    &ngx_http_codeexec_exception_name, &text);
    }

    /* without the quote at its end */

    ngx_http_codeexec_put(w, text.data, text.len - 1);

    if (ngx_http_codeexec_executor_has(&text, "name")
        && ngx_http_codeexec_executor_has(&text, "is not defined"))
    {
        ngx_http_codeexec_put_text(w, "\\n提示: 请检查变量名是否拼写正确，"
                                      "或该变量是否已定义。");

    } else if (ngx_http_codeexec_executor_has(&text, "module")
               && ngx_http_codeexec_executor_has(&text, "has no attribute"))
    {
        ngx_http_codeexec_put_text(w, "\\n提示: 请检查模块或对象的方法/"
                                      "属性名是否正确。");
    }

    ngx_http_codeexec_put_text(w, "\"");
}


static ngx_uint_t
ngx_http_codeexec_executor_has(ngx_str_t *text, const char *part)
{
    size_t   len;

    len = ngx_strlen(part);

    return text->len >= len
           && ngx_strlcasestrn(text->data, text->data + text->len,
                               (u_char *) part, len - 1)
              != NULL;
}


static ngx_http_codeexec_form_t *
ngx_http_codeexec_executor_form(ngx_http_codeexec_shown_t *shown,
    const char *name)
{
    size_t      len;
    ngx_uint_t  i;

    len = ngx_strlen(name);

    for (i = 0; i < shown->nforms; i++) {

        if (shown->forms[i].name.len == len
            && ngx_memcmp(shown->forms[i].name.data, name, len) == 0)
        {
            return &shown->forms[i];
        }
    }

    return NULL;
}
