
/*
 * Copyright (C) The codeexec authors.
 *
 * The packages that programs can import.  codeexecd lists them for each of its
 * runtimes; directories of its machine, which it also tells, are nobody's
 * business here.
 */


#include "ngx_http_codeexec_module.h"


static json_t *ngx_http_codeexec_packages_of_all(
    ngx_http_codeexec_ctx_t *ctx);


ngx_int_t
ngx_http_codeexec_encode_packages(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx)
{
    return ngx_http_codeexec_answer_json(r, ctx,
                                     ngx_http_codeexec_packages_of_all(ctx),
                                     0);
}


json_t *
ngx_http_codeexec_packages(ngx_http_codeexec_ctx_t *ctx, const char *language)
{
    json_t  *list;

    list = json_object_get(json_object_get(ctx->json, "packages"), language);
    list = json_object_get(list, "packages");

    return json_is_object(list) ? list : NULL;
}


/* In the order of the runtimes, without those that have not said any yet. */

static json_t *
ngx_http_codeexec_packages_of_all(ngx_http_codeexec_ctx_t *ctx)
{
    size_t       i;
    json_t      *all, *runtime, *list;
    const char  *name, *version;

    all = json_object();

    json_array_foreach(json_object_get(ctx->json, "runtimes"), i, runtime) {

        if (json_unpack(runtime, "{s:s, s:s}", "name", &name,
                        "version", &version)
            != 0)
        {
            continue;
        }

        list = ngx_http_codeexec_packages(ctx, name);

        if (list
            && json_object_set_new(all, name,
                                   json_pack("{s:s, s:O}", "version", version,
                                             "packages", list))
               != 0)
        {
            json_decref(all);
            return NULL;
        }
    }

    return all;
}
