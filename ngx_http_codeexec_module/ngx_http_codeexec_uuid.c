
/*
 * Copyright (C) The codeexec authors.
 */


#include "ngx_http_codeexec_module.h"

#include <sys/random.h>


/* The kernel gives that many, or none, without being asked again. */
#define NGX_HTTP_CODEEXEC_RANDOM  256


static u_char  ngx_http_codeexec_pool[NGX_HTTP_CODEEXEC_RANDOM];

/* Of each worker: the master, which they are copies of, never fills it. */
static size_t  ngx_http_codeexec_pool_left;


ngx_int_t
ngx_http_codeexec_random(u_char *bytes, size_t n)
{
    u_char  *p;

    if (n > ngx_http_codeexec_pool_left) {

        if (getrandom(ngx_http_codeexec_pool, NGX_HTTP_CODEEXEC_RANDOM,
                      GRND_NONBLOCK)
            != NGX_HTTP_CODEEXEC_RANDOM)
        {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, ngx_errno,
                          "getrandom() failed");
            return NGX_ERROR;
        }

        ngx_http_codeexec_pool_left = NGX_HTTP_CODEEXEC_RANDOM;
    }

    ngx_http_codeexec_pool_left -= n;

    p = ngx_http_codeexec_pool + ngx_http_codeexec_pool_left;

    ngx_memcpy(bytes, p, n);

    /* what was used once must not be found in memory */

    ngx_memzero(p, n);

    return NGX_OK;
}


/* Writes 36 characters; uuid has random bytes, but for what a version sets. */

u_char *
ngx_http_codeexec_put_uuid(u_char *p, u_char *uuid, ngx_uint_t version)
{
    ngx_uint_t  i;

    uuid[6] = (u_char) ((uuid[6] & 0x0f) | (version << 4));
    uuid[8] = (u_char) ((uuid[8] & 0x3f) | 0x80);

    for (i = 0; i < 16; i++) {

        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *p++ = '-';
        }

        p = ngx_hex_dump(p, &uuid[i], 1);
    }

    return p;
}
