
/*
 * Copyright (C) The codeexec authors.
 *
 * The same as in _status.c, as Prometheus reads it.
 */


#include "ngx_http_codeexec_module.h"


typedef struct {
    const char  *member;                           /* of the state */
    const char  *name;
    const char  *type;
    const char  *help;
} ngx_http_codeexec_metric_t;


static void ngx_http_codeexec_write_metrics(ngx_http_codeexec_writer_t *w,
    json_t *state, ngx_uint_t executions);
static void ngx_http_codeexec_write_tiers(ngx_http_codeexec_writer_t *w,
    json_t *state, ngx_http_codeexec_metric_t *metric);
static void ngx_http_codeexec_write_help(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_metric_t *metric);
static void ngx_http_codeexec_write_label(ngx_http_codeexec_writer_t *w,
    json_t *value);
static void ngx_http_codeexec_write_sample(ngx_http_codeexec_writer_t *w,
    json_t *value);
static void ngx_http_codeexec_put_chars(ngx_http_codeexec_writer_t *w,
    const char *text);


static ngx_http_codeexec_metric_t  ngx_http_codeexec_metrics[] = {
    { "running", "codeexec_runs", "gauge", "Runs now" },
    { "queued", "codeexec_queued", "gauge", "Jobs that wait" },
    { "clients", "codeexec_connections", "gauge", "Connections from nginx" },
    { "slots", "codeexec_slots", "gauge", "Places for runs, parked or not" },
    { "runs_started", "codeexec_runs_started_total", "counter",
      "Runs that were given a job" },
    { "runs_finished", "codeexec_runs_finished_total", "counter",
      "Runs that were answered" },
    { "runs_aborted", "codeexec_runs_aborted_total", "counter",
      "Runs whose client has gone" },
    { "runs_stopped", "codeexec_runs_stopped_total", "counter",
      "Jobs that were stopped, started or not" },
    { "runs_lost", "codeexec_runs_lost_total", "counter",
      "Runs that have gone with their runtime" },
    { "rejected", "codeexec_rejected_total", "counter",
      "Jobs that were no good" },
    { "busy", "codeexec_busy_total", "counter",
      "Jobs that there was no room for" },
    { NULL, NULL, NULL, NULL }
};


static ngx_http_codeexec_metric_t  ngx_http_codeexec_tier_metrics[] = {
    { "warm", "codeexec_tier_warm", "gauge", "Whether its zygote is ready" },
    { "parked", "codeexec_tier_parked", "gauge", "Runs made ahead" },
    { "queued", "codeexec_tier_queued", "gauge", "Jobs that wait for it" },
    { NULL, NULL, NULL, NULL }
};


static ngx_http_codeexec_metric_t  ngx_http_codeexec_executions_metric = {
    NULL, "codeexec_executions", "gauge", "Requests in the codeexec_zone"
};


ngx_int_t
ngx_http_codeexec_encode_metrics(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    ngx_array_t                 runs;
    ngx_http_codeexec_writer_t  w;

    if (ngx_array_init(&runs, r->pool, 16, sizeof(ngx_http_codeexec_listed_t))
        != NGX_OK
        || ngx_http_codeexec_list_runs(r, ctx, &runs) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_memzero(&w, sizeof(ngx_http_codeexec_writer_t));

    ngx_http_codeexec_write_metrics(&w, ctx->json, runs.nelts);

    if (ngx_http_codeexec_make_room(ctx, &w) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_codeexec_write_metrics(&w, ctx->json, runs.nelts);

    ngx_str_set(&ctx->type, "text/plain; version=0.0.4; charset=utf-8");

    return NGX_OK;
}


static void
ngx_http_codeexec_write_metrics(ngx_http_codeexec_writer_t *w, json_t *state,
    ngx_uint_t executions)
{
    json_t                      *value;
    ngx_http_codeexec_metric_t  *metric;

    ngx_http_codeexec_write_help(w, &ngx_http_codeexec_executions_metric);
    ngx_http_codeexec_put_chars(w, ngx_http_codeexec_executions_metric.name);
    ngx_http_codeexec_put_text(w, " ");
    ngx_http_codeexec_put_number(w, executions);
    ngx_http_codeexec_put_text(w, "\n");

    for (metric = ngx_http_codeexec_metrics; metric->name; metric++) {
        value = json_object_get(state, metric->member);

        if (!json_is_integer(value)) {
            continue;
        }

        ngx_http_codeexec_write_help(w, metric);
        ngx_http_codeexec_put_chars(w, metric->name);
        ngx_http_codeexec_write_sample(w, value);
    }

    for (metric = ngx_http_codeexec_tier_metrics; metric->name; metric++) {
        ngx_http_codeexec_write_help(w, metric);
        ngx_http_codeexec_write_tiers(w, state, metric);
    }
}


static void
ngx_http_codeexec_write_tiers(ngx_http_codeexec_writer_t *w, json_t *state,
    ngx_http_codeexec_metric_t *metric)
{
    size_t   i, k;
    json_t  *runtime, *tier;

    json_array_foreach(json_object_get(state, "runtimes"), i, runtime) {
        json_array_foreach(json_object_get(runtime, "tiers"), k, tier) {

            ngx_http_codeexec_put_chars(w, metric->name);
            ngx_http_codeexec_put_text(w, "{runtime=");
            ngx_http_codeexec_write_label(w, json_object_get(runtime, "name"));
            ngx_http_codeexec_put_text(w, ",tier=");
            ngx_http_codeexec_write_label(w, json_object_get(tier, "name"));
            ngx_http_codeexec_put_text(w, "}");
            ngx_http_codeexec_write_sample(w, json_object_get(tier,
                                                            metric->member));
        }
    }
}


static void
ngx_http_codeexec_write_help(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_metric_t *metric)
{
    ngx_http_codeexec_put_text(w, "# HELP ");
    ngx_http_codeexec_put_chars(w, metric->name);
    ngx_http_codeexec_put_text(w, " ");
    ngx_http_codeexec_put_chars(w, metric->help);
    ngx_http_codeexec_put_text(w, "\n# TYPE ");
    ngx_http_codeexec_put_chars(w, metric->name);
    ngx_http_codeexec_put_text(w, " ");
    ngx_http_codeexec_put_chars(w, metric->type);
    ngx_http_codeexec_put_text(w, "\n");
}


/* Names in a configuration of codeexecd, which has none to be escaped. */

static void
ngx_http_codeexec_write_label(ngx_http_codeexec_writer_t *w, json_t *value)
{
    ngx_str_t  text;

    text.data = (u_char *) json_string_value(value);
    text.len = json_string_length(value);

    ngx_http_codeexec_put_string(w, &text);
}


static void
ngx_http_codeexec_write_sample(ngx_http_codeexec_writer_t *w, json_t *value)
{
    ngx_http_codeexec_put_text(w, " ");
    ngx_http_codeexec_put_number(w, json_is_true(value)
                                    ? 1 : json_integer_value(value));
    ngx_http_codeexec_put_text(w, "\n");
}


static void
ngx_http_codeexec_put_chars(ngx_http_codeexec_writer_t *w, const char *text)
{
    ngx_http_codeexec_put(w, text, ngx_strlen(text));
}
