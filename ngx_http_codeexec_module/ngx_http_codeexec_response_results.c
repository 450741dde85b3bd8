
/*
 * Copyright (C) The codeexec authors.
 *
 * What a program has shown, as members of the native answer.
 */


#include "ngx_http_codeexec_module.h"


static void ngx_http_codeexec_write_claims(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx);
static void ngx_http_codeexec_write_exception(ngx_http_codeexec_writer_t *w,
    ngx_str_t *text);
static void ngx_http_codeexec_write_shown(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx, ngx_http_codeexec_shown_t *shown);
static void ngx_http_codeexec_write_form(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx, ngx_http_codeexec_form_t *form);
static void ngx_http_codeexec_write_extra(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx, ngx_http_codeexec_shown_t *shown);
static void ngx_http_codeexec_write_reasons(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_shown_t *shown);


void
ngx_http_codeexec_write_results(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx)
{
    size_t                      begin;
    ngx_uint_t                  i;
    ngx_http_codeexec_shown_t  *shown;

    if (ctx->job.results) {
        ngx_http_codeexec_write_key(w, "\"results\":[");

        begin = w->len;

        for (i = 0; i < ctx->result.nshown; i++) {
            shown = &ctx->result.shown[i];

            if (shown->nforms) {
                ngx_http_codeexec_put_comma(w, begin);
                ngx_http_codeexec_write_shown(w, ctx, shown);
            }
        }

        ngx_http_codeexec_put_text(w, "]");
    }

    ngx_http_codeexec_write_claims(w, ctx);
}


static void
ngx_http_codeexec_write_claims(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_str_t                   *text;
    ngx_http_codeexec_shown_t  **claims;

    claims = ctx->result.claims;

    if (claims[NGX_HTTP_CODEEXEC_EXCEPTION]) {
        ngx_http_codeexec_write_exception(w,
                              &claims[NGX_HTTP_CODEEXEC_EXCEPTION]->payload);
    }

    if (ctx->job.main.len && claims[NGX_HTTP_CODEEXEC_RETURN]) {
        text = &claims[NGX_HTTP_CODEEXEC_RETURN]->payload;

        ngx_http_codeexec_write_key(w, "\"return\":");
        ngx_http_codeexec_put(w, text->data, text->len);
    }

    if (ctx->job.return_variables && claims[NGX_HTTP_CODEEXEC_VARIABLES]) {
        text = &claims[NGX_HTTP_CODEEXEC_VARIABLES]->payload;

        ngx_http_codeexec_write_key(w, "\"variables\":");
        ngx_http_codeexec_put(w, text->data, text->len);
    }
}


/* These members, whatever else is there. */

static void
ngx_http_codeexec_write_exception(ngx_http_codeexec_writer_t *w,
    ngx_str_t *text)
{
    size_t             begin;
    ngx_str_t          value;
    ngx_uint_t         i;
    static ngx_str_t   members[] = {
        ngx_string("name"),
        ngx_string("value"),
        ngx_string("traceback")
    };

    ngx_http_codeexec_write_key(w, "\"exception\":{");

    begin = w->len;

    for (i = 0; i < 3; i++) {
        (void) ngx_http_codeexec_json_member(text, &members[i], &value);

        ngx_http_codeexec_put_comma(w, begin);
        ngx_http_codeexec_put_string(w, &members[i]);
        ngx_http_codeexec_put_text(w, ":");
        ngx_http_codeexec_put(w, value.data, value.len);
    }

    ngx_http_codeexec_put_text(w, "}");
}


static void
ngx_http_codeexec_write_shown(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx, ngx_http_codeexec_shown_t *shown)
{
    ngx_uint_t                 i;
    const char                *key;
    ngx_http_codeexec_form_t  *form;

    if (shown->is_main) {
        ngx_http_codeexec_put_text(w, "{\"is_main_result\":true");

    } else {
        ngx_http_codeexec_put_text(w, "{\"is_main_result\":false");
    }

    if (shown->name.data) {
        ngx_http_codeexec_put_text(w, ",\"name\":");
        ngx_http_codeexec_put_string(w, &shown->name);
    }

    if (shown->has_size) {
        ngx_http_codeexec_put_text(w, ",\"width\":");
        ngx_http_codeexec_put_number(w, shown->width);
        ngx_http_codeexec_put_text(w, ",\"height\":");
        ngx_http_codeexec_put_number(w, shown->height);
    }

    for (i = 0; i < shown->nforms; i++) {
        form = &shown->forms[i];
        key = form->type->name;

        if (key) {
            ngx_http_codeexec_put_text(w, ",\"");
            ngx_http_codeexec_put(w, key, ngx_strlen(key));
            ngx_http_codeexec_put_text(w, "\":");
            ngx_http_codeexec_write_form(w, ctx, form);
        }
    }

    ngx_http_codeexec_write_extra(w, ctx, shown);
    ngx_http_codeexec_write_reasons(w, shown);

    ngx_http_codeexec_put_text(w, "}");
}


static void
ngx_http_codeexec_write_form(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx, ngx_http_codeexec_form_t *form)
{
    switch (form->type->as) {

    case ngx_http_codeexec_as_json:

        if (form->valid) {
            ngx_http_codeexec_put(w, form->content.data, form->content.len);
            return;
        }

        /* fall through */

    case ngx_http_codeexec_as_text:
        ngx_http_codeexec_put_string(w, &form->content);
        return;

    default:
        ngx_http_codeexec_write_image(w, ctx, form->image, &form->content);
        return;
    }
}


/* Bytes are told from text, which their names would not do here. */

static void
ngx_http_codeexec_write_extra(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx, ngx_http_codeexec_shown_t *shown)
{
    ngx_uint_t                 i, n;
    ngx_http_codeexec_form_t  *form;

    for (i = 0, n = 0; i < shown->nforms; i++) {
        form = &shown->forms[i];

        if (form->type->name) {
            continue;
        }

        if (n++) {
            ngx_http_codeexec_put_text(w, ",");

        } else {
            ngx_http_codeexec_put_text(w, ",\"extra\":{");
        }

        ngx_http_codeexec_put_string(w, &form->name);
        ngx_http_codeexec_put_text(w, ":");

        if (form->type->as == ngx_http_codeexec_as_text
            || form->type->as == ngx_http_codeexec_as_json)
        {
            ngx_http_codeexec_write_form(w, ctx, form);
            continue;
        }

        if (form->image && form->image->fate == ngx_http_codeexec_stored) {
            ngx_http_codeexec_put_text(w, "{\"url\":");

        } else {
            ngx_http_codeexec_put_text(w, "{\"base64\":");
        }

        ngx_http_codeexec_write_form(w, ctx, form);
        ngx_http_codeexec_put_text(w, "}");
    }

    if (n) {
        ngx_http_codeexec_put_text(w, "}");
    }
}


/* Why images are not stored, as the answer has it for files. */

static void
ngx_http_codeexec_write_reasons(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_shown_t *shown)
{
    ngx_uint_t                 i, n;
    const char                *key, *reason;
    ngx_http_codeexec_form_t  *form;

    for (i = 0, n = 0; i < shown->nforms; i++) {
        form = &shown->forms[i];
        reason = ngx_http_codeexec_inline_reason(form->image);

        if (reason == NULL) {
            continue;
        }

        if (n++) {
            ngx_http_codeexec_put_text(w, ",\"");

        } else {
            ngx_http_codeexec_put_text(w, ",\"inline\":{\"");
        }

        key = form->type->name;

        if (key) {
            ngx_http_codeexec_put(w, key, ngx_strlen(key));

        } else {
            ngx_http_codeexec_put(w, form->name.data, form->name.len);
        }

        ngx_http_codeexec_put_text(w, "\":\"");
        ngx_http_codeexec_put(w, reason, ngx_strlen(reason));
        ngx_http_codeexec_put_text(w, "\"");
    }

    if (n) {
        ngx_http_codeexec_put_text(w, "}");
    }
}
