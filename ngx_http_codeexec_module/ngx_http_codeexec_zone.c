
/*
 * Copyright (C) The codeexec authors.
 *
 * codeexec_zone: the executions of all workers, in shared memory.  A worker
 * that was killed leaves its own behind, which are freed when they are met.
 */


#include "ngx_http_codeexec_zone.h"


static ngx_int_t ngx_http_codeexec_init_zone(ngx_shm_zone_t *shm_zone,
    void *data);


char *
ngx_http_codeexec_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_codeexec_loc_conf_t *lcf = conf;

    u_char                    *p;
    ssize_t                    size;
    ngx_str_t                 *value, name, s;
    ngx_shm_zone_t            *shm_zone;
    ngx_http_codeexec_zone_t  *zone;

    if (lcf->zone != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;
    name = value[1];

    if (name.len == 3 && ngx_strcmp(name.data, "off") == 0) {
        lcf->zone = NULL;
        return NGX_CONF_OK;
    }

    size = 0;
    p = (u_char *) ngx_strchr(name.data, ':');

    if (p) {
        name.len = p - name.data;

        s.data = p + 1;
        s.len = value[1].data + value[1].len - s.data;

        size = ngx_parse_size(&s);

        if (size == NGX_ERROR) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid zone size \"%V\"", &value[1]);
            return NGX_CONF_ERROR;
        }

        if (size < (ssize_t) (8 * ngx_pagesize)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "zone \"%V\" is too small", &value[1]);
            return NGX_CONF_ERROR;
        }
    }

    if (name.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid zone name \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    shm_zone = ngx_shared_memory_add(cf, &name, size,
                                     &ngx_http_codeexec_module);
    if (shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    if (shm_zone->data == NULL) {
        zone = ngx_pcalloc(cf->pool, sizeof(ngx_http_codeexec_zone_t));
        if (zone == NULL) {
            return NGX_CONF_ERROR;
        }

        shm_zone->init = ngx_http_codeexec_init_zone;
        shm_zone->data = zone;
    }

    lcf->zone = shm_zone;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_codeexec_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_codeexec_zone_t *old = data;

    size_t                     len;
    ngx_uint_t                 i;
    ngx_slab_pool_t           *shpool;
    ngx_http_codeexec_zone_t  *zone;

    zone = shm_zone->data;

    if (old) {
        *zone = *old;
        return NGX_OK;
    }

    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;
    zone->shpool = shpool;

    if (shm_zone->shm.exists) {
        zone->runs = shpool->data;
        return NGX_OK;
    }

    zone->runs = ngx_slab_alloc(shpool, sizeof(ngx_http_codeexec_runs_t));
    if (zone->runs == NULL) {
        return NGX_ERROR;
    }

    shpool->data = zone->runs;

    ngx_queue_init(&zone->runs->all);

    for (i = 0; i < NGX_HTTP_CODEEXEC_BUCKETS; i++) {
        ngx_queue_init(&zone->runs->buckets[i]);
    }

    len = sizeof(" in codeexec_zone \"\"") + shm_zone->shm.name.len;

    shpool->log_ctx = ngx_slab_alloc(shpool, len);
    if (shpool->log_ctx == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(shpool->log_ctx, " in codeexec_zone \"%V\"%Z",
                &shm_zone->shm.name);

    /* a zone that is full is the clients' doing, and logged as such */

    shpool->log_nomem = 0;

    return NGX_OK;
}


ngx_queue_t *
ngx_http_codeexec_bucket(ngx_http_codeexec_zone_t *zone, ngx_str_t *id)
{
    return &zone->runs->buckets[ngx_crc32_short(id->data, id->len)
                                % NGX_HTTP_CODEEXEC_BUCKETS];
}


ngx_http_codeexec_run_t *
ngx_http_codeexec_find_run(ngx_http_codeexec_zone_t *zone, ngx_str_t *id,
    ngx_str_t *owner)
{
    ngx_queue_t              *q, *next, *bucket;
    ngx_http_codeexec_run_t  *run;

    bucket = ngx_http_codeexec_bucket(zone, id);

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = next)
    {
        next = ngx_queue_next(q);
        run = ngx_queue_data(q, ngx_http_codeexec_run_t, bucket);

        if (run->id_len != id->len
            || ngx_memcmp(run->id, id->data, id->len) != 0
            || (owner && !ngx_http_codeexec_owns_run(owner, run)))
        {
            continue;
        }

        if (!ngx_http_codeexec_is_dead(run)) {
            return run;
        }

        ngx_http_codeexec_free_run(zone, run);
    }

    return NULL;
}


ngx_uint_t
ngx_http_codeexec_owns_run(ngx_str_t *owner, ngx_http_codeexec_run_t *run)
{
    return run->owner_len == owner->len
           && ngx_memcmp(run->owner, owner->data, owner->len) == 0;
}


/* Those of a worker that ends in any other way are removed by itself. */

ngx_uint_t
ngx_http_codeexec_is_dead(ngx_http_codeexec_run_t *run)
{
    return run->pid != ngx_pid
           && kill(run->pid, 0) == -1
           && ngx_errno == NGX_ESRCH;
}


ngx_http_codeexec_run_t *
ngx_http_codeexec_alloc_run(ngx_http_codeexec_zone_t *zone)
{
    ngx_http_codeexec_run_t  *run;

    run = ngx_slab_calloc_locked(zone->shpool, sizeof(ngx_http_codeexec_run_t));

    if (run == NULL) {
        ngx_http_codeexec_sweep_runs(zone);

        run = ngx_slab_calloc_locked(zone->shpool,
                                     sizeof(ngx_http_codeexec_run_t));
    }

    return run;
}


void
ngx_http_codeexec_free_run(ngx_http_codeexec_zone_t *zone,
    ngx_http_codeexec_run_t *run)
{
    ngx_queue_remove(&run->all);
    ngx_queue_remove(&run->bucket);

    ngx_slab_free_locked(zone->shpool, run);
}


void
ngx_http_codeexec_sweep_runs(ngx_http_codeexec_zone_t *zone)
{
    ngx_pid_t                 alive;
    ngx_queue_t              *q, *next;
    ngx_http_codeexec_run_t  *run;

    alive = ngx_pid;

    for (q = ngx_queue_head(&zone->runs->all);
         q != ngx_queue_sentinel(&zone->runs->all);
         q = next)
    {
        next = ngx_queue_next(q);
        run = ngx_queue_data(q, ngx_http_codeexec_run_t, all);

        if (run->pid == alive) {
            continue;
        }

        if (ngx_http_codeexec_is_dead(run)) {
            ngx_http_codeexec_free_run(zone, run);

        } else {
            alive = run->pid;
        }
    }
}
