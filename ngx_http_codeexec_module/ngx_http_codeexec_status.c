
/*
 * Copyright (C) The codeexec authors.
 *
 * What the native API tells of running executions, and of the codeexecd that
 * was asked for its state.  Of that only what is named here gets out.
 */


#include "ngx_http_codeexec_module.h"


static json_t *ngx_http_codeexec_executions(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
static json_t *ngx_http_codeexec_sandbox(json_t *state);
static json_t *ngx_http_codeexec_languages_of(json_t *state);
static json_t *ngx_http_codeexec_select(json_t *from, const char **name);
static json_t *ngx_http_codeexec_language_of(json_t *from);


static const char  *ngx_http_codeexec_counters[] = {
    "running", "queued", "slots", "runs_started", "runs_finished",
    "runs_aborted", "runs_stopped", "runs_lost", "rejected", "busy", NULL
};


static const char  *ngx_http_codeexec_tier_members[] = {
    "name", "warm", "parked", "queued", NULL
};


static const char  *ngx_http_codeexec_runtime_members[] = {
    "name", "version", NULL
};


ngx_int_t
ngx_http_codeexec_decode_state(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body)
{
    ctx->job.query = 1;

    return NGX_OK;
}


ngx_uint_t
ngx_http_codeexec_state_status(ngx_http_codeexec_ctx_t *ctx)
{
    return NGX_HTTP_OK;
}


ngx_int_t
ngx_http_codeexec_encode_status(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    json_t  *list;

    list = ngx_http_codeexec_executions(r, ctx);

    return ngx_http_codeexec_answer_json(r, ctx,
               json_pack("{s:s, s:i, s:o, s:o, s:o}", "status", "ok",
                         "running", (int) json_array_size(list),
                         "executions", list,
                         "sandbox", ngx_http_codeexec_sandbox(ctx->json),
                         "languages",
                         ngx_http_codeexec_languages_of(ctx->json)),
               0);
}


ngx_int_t
ngx_http_codeexec_encode_languages(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    return ngx_http_codeexec_answer_json(r, ctx,
               json_pack("{s:o}", "languages",
                         ngx_http_codeexec_languages_of(ctx->json)),
               0);
}


static json_t *
ngx_http_codeexec_executions(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    json_t                      *list, *item;
    int64_t                      now;
    ngx_uint_t                   i;
    ngx_time_t                  *tp;
    ngx_array_t                  runs;
    ngx_http_codeexec_listed_t  *run;

    if (ngx_array_init(&runs, r->pool, 16, sizeof(ngx_http_codeexec_listed_t))
        != NGX_OK
        || ngx_http_codeexec_list_runs(r, ctx, &runs) != NGX_OK)
    {
        return NULL;
    }

    list = json_array();
    run = runs.elts;

    tp = ngx_timeofday();
    now = (int64_t) tp->sec * 1000 + tp->msec;

    for (i = 0; i < runs.nelts; i++) {
        item = json_pack("{s:s%, s:s%, s:s%, s:I}",
                         "id", run[i].id.data, run[i].id.len,
                         "language", run[i].language.data,
                         run[i].language.len,
                         "api", run[i].api.data, run[i].api.len,
                         "time_ms",
                         (json_int_t) ngx_max(now - run[i].started, 0));

        if (run[i].owner.len) {
            (void) json_object_set_new(item, "key",
                                 json_stringn((char *) run[i].owner.data,
                                              run[i].owner.len));
        }

        if (json_array_append_new(list, item) != 0) {
            json_decref(list);
            return NULL;
        }
    }

    return list;
}


static json_t *
ngx_http_codeexec_sandbox(json_t *state)
{
    size_t   i, k;
    json_t  *sandbox, *runtimes, *runtime, *tiers, *tier, *item;

    sandbox = ngx_http_codeexec_select(state, ngx_http_codeexec_counters);
    runtimes = json_array();

    json_array_foreach(json_object_get(state, "runtimes"), i, runtime) {
        item = ngx_http_codeexec_select(runtime,
                                        ngx_http_codeexec_runtime_members);
        tiers = json_array();

        json_array_foreach(json_object_get(runtime, "tiers"), k, tier) {
            (void) json_array_append_new(tiers,
                         ngx_http_codeexec_select(tier,
                                           ngx_http_codeexec_tier_members));
        }

        (void) json_object_set_new(item, "tiers", tiers);
        (void) json_array_append_new(runtimes, item);
    }

    (void) json_object_set_new(sandbox, "runtimes", runtimes);

    return sandbox;
}


/* These members, those that are there. */

static json_t *
ngx_http_codeexec_select(json_t *from, const char **name)
{
    json_t  *to, *value;

    to = json_object();

    for ( /* void */ ; *name; name++) {
        value = json_object_get(from, *name);

        if (value) {
            (void) json_object_set(to, *name, value);
        }
    }

    return to;
}


/* Runtimes are languages, but for the one that languages run in. */

static json_t *
ngx_http_codeexec_languages_of(json_t *state)
{
    size_t       i;
    json_t      *list, *item;
    const char  *kind;

    list = json_array();

    json_array_foreach(json_object_get(state, "runtimes"), i, item) {
        kind = json_string_value(json_object_get(item, "kind"));

        if (kind == NULL || ngx_strcmp(kind, "command") != 0) {
            (void) json_array_append_new(list,
                                       ngx_http_codeexec_language_of(item));
        }
    }

    json_array_foreach(json_object_get(state, "languages"), i, item) {
        (void) json_array_append_new(list,
                                     ngx_http_codeexec_language_of(item));
    }

    return list;
}


static json_t *
ngx_http_codeexec_language_of(json_t *from)
{
    size_t       i;
    json_t      *aliases, *alias;
    const char  *name, *version;

    name = json_string_value(json_object_get(from, "name"));
    version = json_string_value(json_object_get(from, "version"));

    if (name == NULL) {
        return NULL;
    }

    if (version && *version == '\0') {
        version = NULL;
    }

    aliases = json_array();

    json_array_foreach(json_object_get(from, "aliases"), i, alias) {
        (void) json_array_append(aliases, alias);
    }

    ngx_http_codeexec_add_aliases(name, aliases);

    return json_pack("{s:s, s:s?, s:o}", "name", name, "version", version,
                     "aliases", aliases);
}
