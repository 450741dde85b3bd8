
/*
 * Copyright (C) The codeexec authors.
 *
 * What a program shows is taken apart, and becomes a part of the answer.  All
 * of it is hostile: what is not as docs/protocol.md has it is left out, with
 * a reason.
 */


#include "ngx_http_codeexec_module.h"


/* No object has so many, and a hostile one needs memory for each. */
#define NGX_HTTP_CODEEXEC_MAX_FORMS  32


static ngx_int_t ngx_http_codeexec_take_rejection(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static ngx_int_t ngx_http_codeexec_read_record(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_http_codeexec_shown_t *shown);
static ngx_uint_t ngx_http_codeexec_count_parts(ngx_str_t *payload,
    ngx_http_codeexec_part_t *first);
static ngx_uint_t ngx_http_codeexec_is_claim(ngx_http_codeexec_part_t *part);
static void ngx_http_codeexec_read_claim(ngx_http_codeexec_ctx_t *ctx,
    ngx_http_codeexec_shown_t *shown, ngx_http_codeexec_part_t *part);
static ngx_uint_t ngx_http_codeexec_is_exception(ngx_str_t *text);
static ngx_uint_t ngx_http_codeexec_is_object(ngx_str_t *text);
static ngx_int_t ngx_http_codeexec_read_remark(
    ngx_http_codeexec_shown_t *shown, ngx_http_codeexec_part_t *part);
static ngx_int_t ngx_http_codeexec_read_form(ngx_http_codeexec_shown_t *shown,
    ngx_http_codeexec_part_t *part);
static ngx_uint_t ngx_http_codeexec_is_named(ngx_http_codeexec_part_t *part,
    ngx_str_t *name);


/* In the order of NGX_HTTP_CODEEXEC_EXCEPTION and the others. */

static ngx_str_t  ngx_http_codeexec_claims[] = {
    ngx_string("@error"),
    ngx_string("@return"),
    ngx_string("@variables"),
    ngx_string("@rejected")
};

static ngx_str_t  ngx_http_codeexec_at_main = ngx_string("@main");
static ngx_str_t  ngx_http_codeexec_at_name = ngx_string("@name");
static ngx_str_t  ngx_http_codeexec_at_size = ngx_string("@size");


ngx_int_t
ngx_http_codeexec_read_results(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_uint_t                   i;
    ngx_http_codeexec_shown_t   *shown;
    ngx_http_codeexec_result_t  *res;

    res = &ctx->result;

    for (i = 0; i < res->nshown; i++) {
        shown = &res->shown[i];

        if (ngx_http_codeexec_read_record(r, ctx, shown) != NGX_OK) {
            return NGX_ERROR;
        }

        if (!ctx->job.results) {

            /* it came along with what was asked for */

            shown->nforms = 0;
        }

        if (shown->nforms) {
            res->results++;
        }
    }

    return ngx_http_codeexec_take_rejection(r, ctx);
}


/* Which is believed if it may be true. */

static ngx_int_t
ngx_http_codeexec_take_rejection(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_int_t                      rc;
    ngx_http_codeexec_shown_t     *claim;
    ngx_http_codeexec_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    claim = ctx->result.claims[NGX_HTTP_CODEEXEC_REJECTION];

    if (claim == NULL || !ngx_http_codeexec_is_screened(lcf, &ctx->job)
        || ctx->outcome != NGX_HTTP_CODEEXEC_ERROR)
    {
        return NGX_OK;
    }

    rc = ngx_http_codeexec_read_rejection(r, ctx, &claim->payload);

    if (rc == NGX_DECLINED) {
        claim->reason = "malformed";
        return NGX_OK;
    }

    return rc;
}


static ngx_int_t
ngx_http_codeexec_read_record(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_http_codeexec_shown_t *shown)
{
    ngx_int_t                  rc;
    ngx_uint_t                 n;
    const u_char              *pos, *last;
    ngx_http_codeexec_part_t   part;

    if (shown->payload.len == 0) {
        shown->reason = "empty";
        return NGX_OK;
    }

    n = ngx_http_codeexec_count_parts(&shown->payload, &part);

    if (n == 0) {
        shown->reason = "malformed";
        return NGX_OK;
    }

    if (n == 1 && ngx_http_codeexec_is_claim(&part)) {
        ngx_http_codeexec_read_claim(ctx, shown, &part);
        return NGX_OK;
    }

    shown->forms = ngx_palloc(r->pool, n * sizeof(ngx_http_codeexec_form_t));
    if (shown->forms == NULL) {
        return NGX_ERROR;
    }

    pos = shown->payload.data;
    last = pos + shown->payload.len;

    while (ngx_http_codeexec_next_part(&pos, last, &part) == 1) {

        rc = (part.name[0] == '@')
                 ? ngx_http_codeexec_read_remark(shown, &part)
                 : ngx_http_codeexec_read_form(shown, &part);

        if (rc != NGX_OK) {
            shown->nforms = 0;
            shown->reason = "malformed";
            return NGX_OK;
        }
    }

    if (shown->nforms == 0) {
        shown->reason = "empty";
    }

    return NGX_OK;
}


/* Returns 0 if that is not what they are, or if there are too many. */

static ngx_uint_t
ngx_http_codeexec_count_parts(ngx_str_t *payload,
    ngx_http_codeexec_part_t *first)
{
    ngx_int_t                  rc;
    ngx_uint_t                 n;
    const u_char              *pos, *last;
    ngx_http_codeexec_part_t   part;

    n = 0;
    pos = payload->data;
    last = pos + payload->len;

    while ((rc = ngx_http_codeexec_next_part(&pos, last, &part)) == 1) {

        if (n == 0) {
            *first = part;
        }

        if (++n > NGX_HTTP_CODEEXEC_MAX_FORMS) {
            return 0;
        }
    }

    return rc == 0 ? n : 0;
}


static ngx_uint_t
ngx_http_codeexec_is_claim(ngx_http_codeexec_part_t *part)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_CODEEXEC_NCLAIMS; i++) {

        if (ngx_http_codeexec_is_named(part, &ngx_http_codeexec_claims[i])) {
            return 1;
        }
    }

    return 0;
}


/* The runtime says such a thing once, and at the end. */

static void
ngx_http_codeexec_read_claim(ngx_http_codeexec_ctx_t *ctx,
    ngx_http_codeexec_shown_t *shown, ngx_http_codeexec_part_t *part)
{
    ngx_str_t                    text;
    ngx_uint_t                   i, valid;
    ngx_http_codeexec_shown_t  **claim;

    for (i = 0;
         !ngx_http_codeexec_is_named(part, &ngx_http_codeexec_claims[i]);
         i++)
    {
        /* void */
    }

    text.data = (u_char *) part->data;
    text.len = part->len;

    valid = ngx_http_codeexec_is_json(part->data, part->len);

    if (valid && i == NGX_HTTP_CODEEXEC_EXCEPTION) {
        valid = ngx_http_codeexec_is_exception(&text);

    } else if (valid && i == NGX_HTTP_CODEEXEC_VARIABLES) {
        valid = ngx_http_codeexec_is_object(&text);
    }

    if (!valid) {
        shown->reason = "malformed";
        return;
    }

    claim = &ctx->result.claims[i];

    if (*claim) {
        (*claim)->reason = "duplicate";
    }

    *claim = shown;
    shown->payload = text;
}


static ngx_uint_t
ngx_http_codeexec_is_exception(ngx_str_t *text)
{
    ngx_str_t          value;
    ngx_uint_t         i;
    static ngx_str_t   members[] = {
        ngx_string("name"),
        ngx_string("value"),
        ngx_string("traceback")
    };

    for (i = 0; i < 3; i++) {

        if (ngx_http_codeexec_json_member(text, &members[i], &value) != NGX_OK
            || value.data[0] != '"')
        {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_http_codeexec_is_object(ngx_str_t *text)
{
    size_t  i;

    for (i = 0; i < text->len && text->data[i] <= ' '; i++) { /* void */ }

    return i < text->len && text->data[i] == '{';
}


/* About the result; what is not known is a later one's. */

static ngx_int_t
ngx_http_codeexec_read_remark(ngx_http_codeexec_shown_t *shown,
    ngx_http_codeexec_part_t *part)
{
    unsigned  width, height;

    if (ngx_http_codeexec_is_claim(part)) {
        return NGX_DECLINED;
    }

    if (ngx_http_codeexec_is_named(part, &ngx_http_codeexec_at_main)) {
        shown->is_main = 1;
        return part->len ? NGX_DECLINED : NGX_OK;
    }

    if (ngx_http_codeexec_is_named(part, &ngx_http_codeexec_at_name)) {
        shown->name.data = (u_char *) part->data;
        shown->name.len = part->len;
        return NGX_OK;
    }

    if (!ngx_http_codeexec_is_named(part, &ngx_http_codeexec_at_size)) {
        return NGX_OK;
    }

    if (!ngx_http_codeexec_record_size(part->data, part->len, &width,
                                       &height))
    {
        return NGX_DECLINED;
    }

    shown->width = width;
    shown->height = height;
    shown->has_size = 1;

    return NGX_OK;
}


/* No form is there twice, for they are keys of an object. */

static ngx_int_t
ngx_http_codeexec_read_form(ngx_http_codeexec_shown_t *shown,
    ngx_http_codeexec_part_t *part)
{
    ngx_uint_t                 i;
    ngx_http_codeexec_form_t  *form, *other;

    form = &shown->forms[shown->nforms];

    form->type = ngx_http_codeexec_form_type(part->name, part->name_len);
    form->name.data = (u_char *) part->name;
    form->name.len = part->name_len;
    form->content.data = (u_char *) part->data;
    form->content.len = part->len;
    form->image = NULL;

    for (i = 0; i < shown->nforms; i++) {
        other = &shown->forms[i];

        if (form->type == other->type
            && (form->type->name
                || ngx_http_codeexec_is_named(part, &other->name)))
        {
            return NGX_DECLINED;
        }
    }

    form->valid = form->type->as == ngx_http_codeexec_as_json
                  && ngx_http_codeexec_is_json(part->data, part->len);

    shown->nforms++;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_codeexec_is_named(ngx_http_codeexec_part_t *part, ngx_str_t *name)
{
    return part->name_len == name->len
           && ngx_memcmp(part->name, name->data, name->len) == 0;
}
