
/*
 * Copyright (C) The codeexec authors.
 *
 * What is in the shared memory of codeexec_zone.
 */


#ifndef _NGX_HTTP_CODEEXEC_ZONE_H_INCLUDED_
#define _NGX_HTTP_CODEEXEC_ZONE_H_INCLUDED_


#include "ngx_http_codeexec_module.h"


#define NGX_HTTP_CODEEXEC_BUCKETS  256


/* In shared memory. */

typedef struct {
    ngx_queue_t               all;                 /* oldest first */
    ngx_queue_t               buckets[NGX_HTTP_CODEEXEC_BUCKETS];
} ngx_http_codeexec_runs_t;


struct ngx_http_codeexec_zone_s {
    ngx_http_codeexec_runs_t *runs;
    ngx_slab_pool_t          *shpool;
};


struct ngx_http_codeexec_run_s {
    ngx_queue_t               all;
    ngx_queue_t               bucket;

    ngx_pid_t                 pid;                 /* of its worker */
    int64_t                   started;             /* ms since 1970 */
    ngx_uint_t                stopped;             /* it is to be */

    socklen_t                 socklen;             /* 0: not sent yet */
    ngx_sockaddr_t            sockaddr;            /* of its codeexecd */

    u_char                    handle[NGX_HTTP_CODEEXEC_HANDLE_LEN];

    u_char                    id_len;
    u_char                    owner_len;
    u_char                    language_len;
    u_char                    api_len;
    u_char                    id[NGX_HTTP_CODEEXEC_MAX_ID];
    u_char                    owner[NGX_HTTP_CODEEXEC_MAX_OWNER];
    u_char                    language[NGX_HTTP_CODEEXEC_MAX_NAME];
    u_char                    api[NGX_HTTP_CODEEXEC_MAX_NAME];
};


/* All with the mutex of the zone. */

ngx_queue_t *ngx_http_codeexec_bucket(ngx_http_codeexec_zone_t *zone,
    ngx_str_t *id);
/* Ids are those of their owners; NULL stands for any. */
ngx_http_codeexec_run_t *ngx_http_codeexec_find_run(
    ngx_http_codeexec_zone_t *zone, ngx_str_t *id, ngx_str_t *owner);
ngx_uint_t ngx_http_codeexec_owns_run(ngx_str_t *owner,
    ngx_http_codeexec_run_t *run);
ngx_uint_t ngx_http_codeexec_is_dead(ngx_http_codeexec_run_t *run);
ngx_http_codeexec_run_t *ngx_http_codeexec_alloc_run(
    ngx_http_codeexec_zone_t *zone);
void ngx_http_codeexec_free_run(ngx_http_codeexec_zone_t *zone,
    ngx_http_codeexec_run_t *run);
void ngx_http_codeexec_sweep_runs(ngx_http_codeexec_zone_t *zone);


#endif /* _NGX_HTTP_CODEEXEC_ZONE_H_INCLUDED_ */
