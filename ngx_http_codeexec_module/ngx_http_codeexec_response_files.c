
/*
 * Copyright (C) The codeexec authors.
 *
 * Files that were asked for, and what was left out, as members of the native
 * answer.
 */


#include "ngx_http_codeexec_module.h"


typedef struct {
    const char  *ext;
    const char  *mime;
} ngx_http_codeexec_media_type_t;


static void ngx_http_codeexec_write_file(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx, ngx_http_codeexec_file_t *file,
    ngx_http_codeexec_image_t *image);
static const char *ngx_http_codeexec_media_type(
    ngx_http_codeexec_file_t *file, ngx_uint_t text);
static ngx_uint_t ngx_http_codeexec_is_text(ngx_str_t *content);
static void ngx_http_codeexec_begin_skipped(ngx_http_codeexec_writer_t *w,
    ngx_uint_t n);
static void ngx_http_codeexec_end_skipped(ngx_http_codeexec_writer_t *w,
    const char *reason);


/* What programs leave behind. */

static const ngx_http_codeexec_media_type_t  ngx_http_codeexec_media[] = {
    { "bmp", "image/bmp" },
    { "bz2", "application/x-bzip2" },
    { "css", "text/css" },
    { "csv", "text/csv" },
    { "docx", "application/vnd.openxmlformats-officedocument"
              ".wordprocessingml.document" },
    { "gz", "application/gzip" },
    { "htm", "text/html" },
    { "html", "text/html" },
    { "ipynb", "application/x-ipynb+json" },
    { "js", "text/javascript" },
    { "json", "application/json" },
    { "jsonl", "application/x-ndjson" },
    { "md", "text/markdown" },
    { "mp3", "audio/mpeg" },
    { "mp4", "video/mp4" },
    { "parquet", "application/vnd.apache.parquet" },
    { "pdf", "application/pdf" },
    { "pptx", "application/vnd.openxmlformats-officedocument"
              ".presentationml.presentation" },
    { "py", "text/x-python" },
    { "tar", "application/x-tar" },
    { "tsv", "text/tab-separated-values" },
    { "txt", "text/plain" },
    { "wav", "audio/wav" },
    { "xlsx", "application/vnd.openxmlformats-officedocument"
              ".spreadsheetml.sheet" },
    { "xml", "application/xml" },
    { "yaml", "application/yaml" },
    { "yml", "application/yaml" },
    { "zip", "application/zip" },
    { NULL, NULL }
};


void
ngx_http_codeexec_write_files(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx)
{
    size_t                      begin;
    ngx_uint_t                  i;
    ngx_http_codeexec_file_t   *file;
    ngx_http_codeexec_image_t  *image;

    ngx_http_codeexec_write_key(w, "\"files\":{");

    begin = w->len;

    for (i = 0; i < ctx->result.nfiles; i++) {
        file = &ctx->result.files[i];
        image = ctx->store ? &ctx->store->images[i] : NULL;

        if (file->image || file->reason) {
            continue;
        }

        ngx_http_codeexec_put_comma(w, begin);
        ngx_http_codeexec_put_string(w, &file->name);
        ngx_http_codeexec_put_text(w, ":");
        ngx_http_codeexec_write_file(w, ctx, file, image);
    }

    ngx_http_codeexec_put_text(w, "}");
}


static void
ngx_http_codeexec_write_file(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx, ngx_http_codeexec_file_t *file,
    ngx_http_codeexec_image_t *image)
{
    ngx_uint_t   text;
    const char  *type, *reason;

    text = ngx_http_codeexec_is_text(&file->content);
    type = ngx_http_codeexec_media_type(file, text);

    ngx_http_codeexec_put_text(w, "{\"type\":\"");
    ngx_http_codeexec_put(w, type, ngx_strlen(type));
    ngx_http_codeexec_put_text(w, "\",\"size\":");
    ngx_http_codeexec_put_number(w, file->content.len);

    if (image && image->fate == ngx_http_codeexec_stored) {
        ngx_http_codeexec_put_text(w, ",\"url\":");
        ngx_http_codeexec_write_image(w, ctx, image, &file->content);

    } else if (text) {
        ngx_http_codeexec_put_text(w, ",\"text\":");
        ngx_http_codeexec_put_string(w, &file->content);

    } else {
        ngx_http_codeexec_put_text(w, ",\"base64\":\"");
        ngx_http_codeexec_put_base64(w, &file->content);
        ngx_http_codeexec_put_text(w, "\"");
    }

    /* of what is no image, nobody would expect it to be stored */

    reason = (image && image->type) ? ngx_http_codeexec_inline_reason(image)
                                    : NULL;
    if (reason) {
        ngx_http_codeexec_put_text(w, ",\"inline\":\"");
        ngx_http_codeexec_put(w, reason, ngx_strlen(reason));
        ngx_http_codeexec_put_text(w, "\"");
    }

    ngx_http_codeexec_put_text(w, "}");
}


/* Of an image by its first bytes, of others by their names. */

static const char *
ngx_http_codeexec_media_type(ngx_http_codeexec_file_t *file, ngx_uint_t text)
{
    u_char                                *p, *last;
    const ngx_http_codeexec_image_type_t  *type;
    const ngx_http_codeexec_media_type_t  *media;

    type = ngx_http_codeexec_type_of_image(file->content.data,
                                           file->content.len);
    if (type) {
        return type->mime;
    }

    last = file->name.data + file->name.len;

    for (p = last; p > file->name.data && p[-1] != '.' && p[-1] != '/'; p--) {
        /* void */
    }

    for (media = ngx_http_codeexec_media; media->ext; media++) {

        if (p > file->name.data && p[-1] == '.'
            && ngx_strlen(media->ext) == (size_t) (last - p)
            && ngx_strncasecmp(p, (u_char *) media->ext, last - p) == 0)
        {
            return media->mime;
        }
    }

    return text ? "text/plain" : "application/octet-stream";
}


/* Control characters would take six bytes each. */

static ngx_uint_t
ngx_http_codeexec_is_text(ngx_str_t *content)
{
    u_char  *p, *last;

    last = content->data + content->len;

    for (p = content->data; p < last; p++) {

        if (*p < 0x20 && *p != '\t' && *p != LF && *p != CR) {
            return 0;
        }
    }

    return ngx_http_codeexec_utf8_check(content) == NGX_OK;
}


/* Files by their names, results by their place among all that were shown. */

void
ngx_http_codeexec_write_skipped(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_str_t                   *skipped;
    ngx_uint_t                   i, n;
    ngx_http_codeexec_result_t  *res;

    res = &ctx->result;
    skipped = &res->skipped;
    n = 0;

    if (skipped->len) {
        ngx_http_codeexec_write_key(w, "\"skipped\":[");
        ngx_http_codeexec_put(w, skipped->data + 1, skipped->len - 2);
        n++;
    }

    for (i = 0; i < res->nfiles; i++) {

        if (res->files[i].reason) {
            ngx_http_codeexec_begin_skipped(w, n++);
            ngx_http_codeexec_put_text(w, "{\"name\":");
            ngx_http_codeexec_put_string(w, &res->files[i].name);
            ngx_http_codeexec_end_skipped(w, res->files[i].reason);
        }
    }

    for (i = 0; i < res->nshown; i++) {

        if (res->shown[i].reason) {
            ngx_http_codeexec_begin_skipped(w, n++);
            ngx_http_codeexec_put_text(w, "{\"result\":");
            ngx_http_codeexec_put_number(w, i);
            ngx_http_codeexec_end_skipped(w, res->shown[i].reason);
        }
    }

    if (n) {
        ngx_http_codeexec_put_text(w, "]");
    }
}


static void
ngx_http_codeexec_begin_skipped(ngx_http_codeexec_writer_t *w, ngx_uint_t n)
{
    if (n) {
        ngx_http_codeexec_put_text(w, ",");

    } else {
        ngx_http_codeexec_write_key(w, "\"skipped\":[");
    }
}


static void
ngx_http_codeexec_end_skipped(ngx_http_codeexec_writer_t *w,
    const char *reason)
{
    ngx_http_codeexec_put_text(w, ",\"reason\":\"");
    ngx_http_codeexec_put(w, reason, ngx_strlen(reason));
    ngx_http_codeexec_put_text(w, "\"}");
}
