
/*
 * Copyright (C) The codeexec authors.
 *
 * What a client is told that asks for details.
 */


#include "ngx_http_codeexec_module.h"


static void ngx_http_codeexec_write_number(ngx_http_codeexec_writer_t *w,
    const char *name, int64_t number);
static void ngx_http_codeexec_write_time(ngx_http_codeexec_writer_t *w,
    const char *name, int64_t usec);


void
ngx_http_codeexec_write_detail(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_str_t                   *status;
    ngx_http_codeexec_result_t  *res;

    res = &ctx->result;
    status = &ngx_http_codeexec_status_names[ctx->outcome];

    ngx_http_codeexec_write_string(w, "\"stderr\":", res->errors.data,
                                   res->errors.len);
    ngx_http_codeexec_write_string(w, "\"status\":", status->data,
                                   status->len);

    if (res->reason.data) {
        ngx_http_codeexec_write_string(w, "\"reason\":", res->reason.data,
                                       res->reason.len);
    }

    ngx_http_codeexec_write_number(w, "\"exit_code\":", res->exit_code);
    ngx_http_codeexec_write_number(w, "\"signal\":", res->signal);
    ngx_http_codeexec_write_time(w, "\"time_ms\":", res->time_us);
    ngx_http_codeexec_write_time(w, "\"cpu_ms\":", res->cpu_us);
    ngx_http_codeexec_write_time(w, "\"queue_ms\":", res->queue_us);

    if (res->stage.data) {
        ngx_http_codeexec_write_string(w, "\"stage\":", res->stage.data,
                                       res->stage.len);
        ngx_http_codeexec_write_time(w, "\"compile_ms\":", res->compile_us);
    }

    ngx_http_codeexec_write_number(w, "\"memory_kb\":", res->memory_kb);

    ngx_http_codeexec_write_string(w, "\"execution_id\":", ctx->job.id.data,
                                   ctx->job.id.len);

    ngx_http_codeexec_write_truncated(w, res->truncated);
}


static void
ngx_http_codeexec_write_number(ngx_http_codeexec_writer_t *w,
    const char *name, int64_t number)
{
    ngx_http_codeexec_write_key(w, name);

    if (number < 0) {
        ngx_http_codeexec_put_text(w, "null");
        return;
    }

    ngx_http_codeexec_put_number(w, number);
}


static void
ngx_http_codeexec_write_time(ngx_http_codeexec_writer_t *w, const char *name,
    int64_t usec)
{
    u_char  text[NGX_INT64_LEN + sizeof(".000") - 1];

    ngx_http_codeexec_write_key(w, name);

    ngx_http_codeexec_put(w, text,
                          ngx_sprintf(text, "%L.%03L",
                                      usec / 1000, usec % 1000)
                          - text);
}
