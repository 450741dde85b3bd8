
/*
 * Copyright (C) The codeexec authors.
 *
 * A row of the database becomes the headers of an answer.  The row may say
 * anything: what is not as the statement promises is an error, and no text of
 * it gets into a header.
 */


#include "ngx_http_codeexec_module.h"


/* From 1970 to 2000, where PostgreSQL's time begins. */
#define NGX_HTTP_CODEEXEC_EPOCH  946684800

/* A year of five digits has no room in a header. */
#define NGX_HTTP_CODEEXEC_YEAR_10000  253402300800

/* Of the data when the whole is not returned. */
#define NGX_HTTP_CODEEXEC_BEGINNING  32

#define NGX_HTTP_CODEEXEC_SHA256_LEN  32

#define NGX_HTTP_CODEEXEC_MAX_AGE  31536000
#define NGX_HTTP_CODEEXEC_FOREVER  "public, max-age=31536000, immutable"


static const char *ngx_http_codeexec_read_columns(PGresult *res,
    ngx_http_codeexec_row_t *row);
static ngx_int_t ngx_http_codeexec_row_value(PGresult *res, int column,
    int size, uint64_t *value);
static void ngx_http_codeexec_row_text(PGresult *res, int column,
    ngx_str_t *text);
static ngx_int_t ngx_http_codeexec_row_time(PGresult *res, int column,
    int64_t *time);
static ngx_int_t ngx_http_codeexec_row_content_type(ngx_http_request_t *r,
    ngx_http_codeexec_row_t *row);
static ngx_int_t ngx_http_codeexec_row_cache_control(ngx_http_request_t *r,
    ngx_http_codeexec_row_t *row);


ngx_int_t
ngx_http_codeexec_read_row(ngx_http_request_t *r, PGresult *res,
    ngx_uint_t metadata, ngx_http_codeexec_row_t *row)
{
    size_t                         size;
    const char                    *invalid;
    ExecStatusType                 status;
    ngx_http_codeexec_loc_conf_t  *lcf;

    status = PQresultStatus(res);

    if ((status != PGRES_SINGLE_TUPLE && status != PGRES_TUPLES_OK)
        || PQnfields(res) != ngx_http_codeexec_pg_columns
        || PQntuples(res) > 1)
    {
        invalid = "row";
        goto failed;
    }

    if (PQntuples(res) == 0) {
        return NGX_DECLINED;
    }

    invalid = ngx_http_codeexec_read_columns(res, row);

    if (invalid) {
        goto failed;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    size = row->size;

    if (metadata || size > lcf->image.max_size) {
        size = ngx_min(size, NGX_HTTP_CODEEXEC_BEGINNING);
    }

    if (row->data.len == size) {
        return NGX_OK;
    }

    invalid = "data";

failed:

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "the database returned an image with invalid %s", invalid);

    return NGX_ERROR;
}


/* Returns what is invalid. */

static const char *
ngx_http_codeexec_read_columns(PGresult *res, ngx_http_codeexec_row_t *row)
{
    if (ngx_http_codeexec_row_value(res, ngx_http_codeexec_pg_size, 4,
                                    &row->size)
        != NGX_OK
        || row->size > NGX_MAX_INT32_VALUE)
    {
        return "size";
    }

    if (ngx_http_codeexec_row_value(res, ngx_http_codeexec_pg_id, 8, &row->id)
        != NGX_OK)
    {
        return "id";
    }

    if (ngx_http_codeexec_row_value(res, ngx_http_codeexec_pg_version, 4,
                                    &row->version)
        != NGX_OK)
    {
        return "version";
    }

    if (ngx_http_codeexec_row_time(res, ngx_http_codeexec_pg_created,
                                   &row->created)
        != NGX_OK)
    {
        return "created_at";
    }

    if (ngx_http_codeexec_row_time(res, ngx_http_codeexec_pg_expires,
                                   &row->expires)
        != NGX_OK)
    {
        return "expires_at";
    }

    ngx_http_codeexec_row_text(res, ngx_http_codeexec_pg_type, &row->type);
    ngx_http_codeexec_row_text(res, ngx_http_codeexec_pg_sha256,
                               &row->sha256);
    ngx_http_codeexec_row_text(res, ngx_http_codeexec_pg_data, &row->data);

    return NULL;
}


/* A number, in network byte order. */

static ngx_int_t
ngx_http_codeexec_row_value(PGresult *res, int column, int size,
    uint64_t *value)
{
    int      i;
    u_char  *p;

    if (PQgetisnull(res, 0, column)
        || PQfformat(res, column) != 1
        || PQgetlength(res, 0, column) != size)
    {
        return NGX_ERROR;
    }

    p = (u_char *) PQgetvalue(res, 0, column);

    *value = 0;

    for (i = 0; i < size; i++) {
        *value = *value << 8 | p[i];
    }

    return NGX_OK;
}


/* NULL is empty. */

static void
ngx_http_codeexec_row_text(PGresult *res, int column, ngx_str_t *text)
{
    text->len = PQgetlength(res, 0, column);
    text->data = (u_char *) PQgetvalue(res, 0, column);
}


/* In seconds since 1970, rounded down.  NULL is later than any time. */

static ngx_int_t
ngx_http_codeexec_row_time(PGresult *res, int column, int64_t *time)
{
    int64_t   usec;
    uint64_t  value;

    if (PQgetisnull(res, 0, column)) {
        *time = INT64_MAX;
        return NGX_OK;
    }

    if (ngx_http_codeexec_row_value(res, column, 8, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    usec = (int64_t) value;

    *time = usec / 1000000 - (usec % 1000000 < 0) + NGX_HTTP_CODEEXEC_EPOCH;

    return NGX_OK;
}


/* What is not allowed has no type, whoever says so. */

const ngx_http_codeexec_image_type_t *
ngx_http_codeexec_row_type(ngx_http_request_t *r,
    ngx_http_codeexec_row_t *row)
{
    ngx_http_codeexec_loc_conf_t          *lcf;
    const ngx_http_codeexec_image_type_t  *type;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_codeexec_module);

    type = ngx_http_codeexec_type_by_name(row->type.data, row->type.len);

    if (type && (type->bit & lcf->image.types)) {
        return type;
    }

    type = ngx_http_codeexec_type_of_image(row->data.data, row->data.len);

    if (type && (type->bit & lcf->image.types)) {
        return type;
    }

    return NULL;
}


ngx_int_t
ngx_http_codeexec_row_etag(ngx_http_request_t *r,
    ngx_http_codeexec_row_t *row, ngx_str_t *etag)
{
    u_char  *p;

    p = ngx_pnalloc(r->pool, 2 * NGX_HTTP_CODEEXEC_SHA256_LEN + 2);
    if (p == NULL) {
        return NGX_ERROR;
    }

    etag->data = p;

    if (row->sha256.len != NGX_HTTP_CODEEXEC_SHA256_LEN) {
        etag->len = ngx_sprintf(p, "\"%xL-%xL-%xL\"", row->id, row->version,
                                row->size)
                    - p;
        return NGX_OK;
    }

    *p++ = '"';
    p = ngx_hex_dump(p, row->sha256.data, row->sha256.len);
    *p++ = '"';

    etag->len = p - etag->data;

    return NGX_OK;
}


/* Of an image that is not sent, its first bytes may be too few for its type. */

ngx_int_t
ngx_http_codeexec_row_headers(ngx_http_request_t *r,
    ngx_http_codeexec_row_t *row, ngx_str_t *etag, ngx_uint_t not_modified)
{
    ngx_table_elt_t  *h;

    if (not_modified) {
        r->headers_out.status = NGX_HTTP_NOT_MODIFIED;

    } else {
        r->headers_out.status = NGX_HTTP_OK;
        r->headers_out.content_length_n = row->size;
        r->allow_ranges = 1;

        if (ngx_http_codeexec_row_content_type(r, row) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (row->created >= 0 && row->created < NGX_HTTP_CODEEXEC_YEAR_10000) {
        r->headers_out.last_modified_time = (time_t) row->created;
    }

    h = ngx_http_codeexec_add_header(r, "ETag", "");
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->value = *etag;

    r->headers_out.etag = h;

    if (ngx_http_codeexec_row_cache_control(r, row) != NGX_OK
        || ngx_http_codeexec_add_header(r, "X-Content-Type-Options",
               "nosniff")
           == NULL
        || ngx_http_codeexec_add_header(r, "Content-Security-Policy",
               "default-src 'none'; style-src 'unsafe-inline'; sandbox")
           == NULL
        || ngx_http_codeexec_add_header(r, "Cross-Origin-Resource-Policy",
               "cross-origin")
           == NULL
        || ngx_http_codeexec_add_header(r, "Referrer-Policy", "no-referrer")
           == NULL)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_row_content_type(ngx_http_request_t *r,
    ngx_http_codeexec_row_t *row)
{
    const ngx_http_codeexec_image_type_t  *type;

    type = ngx_http_codeexec_row_type(r, row);

    if (type) {
        r->headers_out.content_type.data = (u_char *) type->mime;
        r->headers_out.content_type.len = type->len;

    } else {
        ngx_str_set(&r->headers_out.content_type, "application/octet-stream");

        if (ngx_http_codeexec_add_header(r, "Content-Disposition",
                                         "attachment")
            == NULL)
        {
            return NGX_ERROR;
        }
    }

    r->headers_out.content_type_len = r->headers_out.content_type.len;

    return NGX_OK;
}


/* No cache may keep an image for longer than the database does. */

static ngx_int_t
ngx_http_codeexec_row_cache_control(ngx_http_request_t *r,
    ngx_http_codeexec_row_t *row)
{
    u_char   *p;
    int64_t   life;

    if (r->err_status) {

        /* an image in place of an error, which may be over soon */

        return ngx_http_codeexec_set_cache_control(r, "max-age=5");
    }

    life = row->expires - ngx_time();

    if (life >= NGX_HTTP_CODEEXEC_MAX_AGE) {
        return ngx_http_codeexec_set_cache_control(r,
                                                   NGX_HTTP_CODEEXEC_FOREVER);
    }

    p = ngx_pnalloc(r->pool, sizeof(NGX_HTTP_CODEEXEC_FOREVER));
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(p, "public, max-age=%L, immutable%Z", ngx_max(life, 0));

    return ngx_http_codeexec_set_cache_control(r, (char *) p);
}
