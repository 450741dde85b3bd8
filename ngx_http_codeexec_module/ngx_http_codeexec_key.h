
/*
 * Copyright (C) The codeexec authors.
 *
 * Keys: who may ask for runs, and for what.
 */


#ifndef _NGX_HTTP_CODEEXEC_KEY_H_INCLUDED_
#define _NGX_HTTP_CODEEXEC_KEY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* SHA-256. */
#define NGX_HTTP_CODEEXEC_DIGEST_LEN    32

#define NGX_HTTP_CODEEXEC_KEY_NAME_LEN  64


typedef struct {
    u_char                    digest[NGX_HTTP_CODEEXEC_DIGEST_LEN];

    ngx_str_t                 name;                /* at most
                                                NGX_HTTP_CODEEXEC_KEY_NAME_LEN */
    ngx_str_t                 class;               /* empty: none */
    ngx_uint_t                concurrency;         /* runs, 0: no limit */
    ngx_msec_t                max_timeout;         /* 0: no limit */
    ngx_array_t              *languages;           /* of ngx_str_t, canonical;
                                                      NULL: all */
    unsigned                  admin:1;
} ngx_http_codeexec_key_t;


/* A file of them. */

typedef struct {
    ngx_str_t                 path;

    /* Digests are of this and the digest in the file. */
    u_char                    salt[NGX_HTTP_CODEEXEC_DIGEST_LEN];

    ngx_array_t               keys;                /* of
                                                      ngx_http_codeexec_key_t,
                                                      by digest */
} ngx_http_codeexec_keys_t;


char *ngx_http_codeexec_key_file(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_codeexec_key_init(ngx_conf_t *cf);

ngx_int_t ngx_http_codeexec_digest(u_char *data, size_t len, u_char *digest);
/* That of the key with this digest is turned into what is in "keys". */
ngx_int_t ngx_http_codeexec_blind(ngx_http_codeexec_keys_t *keys,
    u_char *digest);

/*
 * Looks for the key that a request has, and sets ctx->key: NGX_OK if it is a
 * good one, NGX_DECLINED if there is none, NGX_ABORT if it is unknown,
 * NGX_HTTP_BAD_REQUEST if there are several, or NGX_ERROR.
 */
ngx_int_t ngx_http_codeexec_find_key(ngx_http_request_t *r);


#endif /* _NGX_HTTP_CODEEXEC_KEY_H_INCLUDED_ */
