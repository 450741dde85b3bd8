
/*
 * Copyright (C) The codeexec authors.
 *
 * The render API: a program comes in, the figure that it draws goes out.
 */


#include "ngx_http_codeexec_module.h"


static ngx_int_t ngx_http_codeexec_render_decode(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);
static ngx_int_t ngx_http_codeexec_render_about(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);
static ngx_uint_t ngx_http_codeexec_render_status(
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_render_encode(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_http_codeexec_form_t *ngx_http_codeexec_render_find(
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_render_failure(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static void ngx_http_codeexec_render_write(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_render_error(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *message);


static const ngx_http_codeexec_endpoint_t
                                 ngx_http_codeexec_render_endpoints[] = {

    { ngx_string("render-matplotlib"),
      NGX_HTTP_POST,
      ngx_http_codeexec_render_decode,
      ngx_http_codeexec_render_status,
      ngx_http_codeexec_render_encode },

    { ngx_string(""),
      NGX_HTTP_GET|NGX_HTTP_CODEEXEC_OPEN,
      ngx_http_codeexec_render_about,
      NULL,
      NULL },

    { ngx_null_string, 0, NULL, NULL, NULL }
};


const ngx_http_codeexec_dialect_t  ngx_http_codeexec_render = {
    ngx_string("render"),
    ngx_http_codeexec_render_endpoints,
    ngx_http_codeexec_render_error
};


static ngx_str_t  ngx_http_codeexec_render_python = ngx_string("python");

static ngx_str_t  ngx_http_codeexec_render_options =
    ngx_string("\"figure\":true,\"dpi\":200,"
               "\"imports\":{\"plt\":\"matplotlib.pyplot\","
                            "\"np\":\"numpy\"}");

static ngx_str_t  ngx_http_codeexec_render_unauthorized =
    ngx_string("Unauthorized");

static ngx_str_t  ngx_http_codeexec_traceback = ngx_string("traceback");


static ngx_int_t
ngx_http_codeexec_render_decode(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body)
{
    json_t                        *json;
    ngx_int_t                      rc;
    ngx_str_t                      code, id;
    ngx_http_codeexec_loc_conf_t  *lcf;

    if (r->headers_in.content_type == NULL
        || !ngx_http_codeexec_is_json_type(r))
    {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                  "Content-Type must be application/json");
    }

    ctx->json = ngx_http_codeexec_json_parse(body, JSON_ALLOW_NUL
                                                   |JSON_DECODE_INT_AS_REAL);
    if (ctx->json == NULL) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                        "Invalid JSON");
    }

    json = json_object_get(ctx->json, "code");

    if (json_string_length(json) == 0) {
        return ngx_http_codeexec_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                        "Missing or invalid 'code' field");
    }

    if (ngx_http_codeexec_json_copy(r->pool, json, &code) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_codeexec_set_language(ctx, &ngx_http_codeexec_render_python);

    if (rc == NGX_OK) {
        rc = ngx_http_codeexec_set_source(ctx, &code);
    }

    if (rc == NGX_OK) {
        ngx_str_null(&id);
        rc = ngx_http_codeexec_set_id(ctx, &id);
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    ctx->job.timeout = lcf->timeout;
    ctx->job.options = ngx_http_codeexec_render_options;
    ctx->job.results = 1;
    ctx->job.inline_only = 1;

    return rc;
}


static ngx_int_t
ngx_http_codeexec_render_about(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body)
{
    ngx_str_set(&ctx->body, "Matplotlib Graph Render API is live!");
    ngx_str_set(&ctx->type, "text/html; charset=utf-8");

    return NGX_DONE;
}


static ngx_uint_t
ngx_http_codeexec_render_status(ngx_http_codeexec_ctx_t *ctx)
{
    if (ctx->rejection && !ctx->rejection->syntax) {
        return ngx_http_codeexec_result_status(ctx);
    }

    switch (ctx->outcome) {

    case NGX_HTTP_CODEEXEC_OK:
        return NGX_HTTP_OK;

    case NGX_HTTP_CODEEXEC_BUSY:
    case NGX_HTTP_CODEEXEC_REJECTED:
        return ngx_http_codeexec_result_status(ctx);

    default:
        return NGX_HTTP_CODEEXEC_UNPROCESSABLE;
    }
}


static ngx_int_t
ngx_http_codeexec_render_encode(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_str_t                  text;
    ngx_http_codeexec_form_t  *form;

    if (ctx->rejection && !ctx->rejection->syntax) {
        text = ngx_http_codeexec_rejection_text(r, ctx->rejection);

        return text.data ? ngx_http_codeexec_render_error(r, ctx, &text)
                         : NGX_ERROR;
    }

    switch (ctx->outcome) {

    case NGX_HTTP_CODEEXEC_BUSY:
        return ngx_http_codeexec_render_error(r, ctx, &ngx_http_codeexec_busy);

    case NGX_HTTP_CODEEXEC_REJECTED:
        return ngx_http_codeexec_render_error(r, ctx, &ctx->message);

    case NGX_HTTP_CODEEXEC_OK:
        form = ngx_http_codeexec_render_find(ctx);

        if (form) {
            ctx->body = form->content;
            ngx_str_set(&ctx->type, "image/png");

            return ngx_http_codeexec_add_header(r, "X-Content-Type-Options",
                                                "nosniff")
                   ? NGX_OK : NGX_ERROR;
        }

        ctx->status = NGX_HTTP_CODEEXEC_UNPROCESSABLE;
    }

    return ngx_http_codeexec_render_failure(r, ctx);
}


/* What the program calls a PNG need not be one. */

static ngx_http_codeexec_form_t *
ngx_http_codeexec_render_find(ngx_http_codeexec_ctx_t *ctx)
{
    ngx_uint_t                             i, j;
    ngx_http_codeexec_form_t              *form;
    ngx_http_codeexec_shown_t             *shown;
    const ngx_http_codeexec_image_type_t  *type;

    for (i = 0; i < ctx->result.nshown; i++) {
        shown = &ctx->result.shown[i];

        for (j = 0; j < shown->nforms; j++) {
            form = &shown->forms[j];

            type = ngx_http_codeexec_type_of_image(form->content.data,
                                                   form->content.len);

            if (type && type->bit == NGX_HTTP_CODEEXEC_PNG) {
                return form;
            }
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_codeexec_render_failure(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_http_codeexec_writer_t  w;

    ngx_memzero(&w, sizeof(ngx_http_codeexec_writer_t));

    ngx_http_codeexec_render_write(&w, ctx);

    if (ngx_http_codeexec_make_room(ctx, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_codeexec_render_write(&w, ctx);

    ngx_http_codeexec_free_result(r, ctx);

    return ngx_http_codeexec_to_ascii(r->pool, &ctx->body);
}


/* The traceback, if there is one; otherwise what is known of the end. */

static void
ngx_http_codeexec_render_write(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_str_t                    text;
    ngx_http_codeexec_shown_t   *claim;
    ngx_http_codeexec_stream_t  *errors;

    claim = ctx->result.claims[NGX_HTTP_CODEEXEC_EXCEPTION];
    errors = &ctx->result.errors;

    ngx_http_codeexec_put_text(w, "{\"error\":");

    if (ctx->outcome == NGX_HTTP_CODEEXEC_OK) {
        ngx_http_codeexec_put_text(w, "\"No figure was drawn\"");

    } else if (ctx->outcome == NGX_HTTP_CODEEXEC_ERROR && claim
               && ngx_http_codeexec_json_member(&claim->payload,
                                       &ngx_http_codeexec_traceback, &text)
                  == NGX_OK)
    {
        ngx_http_codeexec_put(w, text.data, text.len);

    } else {
        ngx_http_codeexec_put_text(w, "\"");
        ngx_http_codeexec_put_escaped(w, errors->data, errors->len);
        ngx_http_codeexec_write_reason(w, ctx);
        ngx_http_codeexec_put_text(w, "\"");
    }

    ngx_http_codeexec_put_text(w, "}\n");
}


static ngx_int_t
ngx_http_codeexec_render_error(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *message)
{
    if (r->headers_out.status == NGX_HTTP_UNAUTHORIZED) {
        message = &ngx_http_codeexec_render_unauthorized;
    }

    if (ngx_http_codeexec_encode_error(r, ctx, message) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_codeexec_to_ascii(r->pool, &ctx->body);
}
