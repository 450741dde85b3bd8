
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
#define NGX_HTTP_CODEEXEC_DIGEST_LEN  32


typedef struct {
    u_char                    digest[NGX_HTTP_CODEEXEC_DIGEST_LEN];

    ngx_str_t                 name;
    ngx_uint_t                line;                /* in the file */

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
    u_char                    salt[NGX_HTTP_CODEEXEC_DIGEST_LEN];
    ngx_array_t               keys;                /* of
                                                      ngx_http_codeexec_key_t,
                                                      by their digests */
} ngx_http_codeexec_keys_t;


/* What may follow the digest in a line. */

typedef struct {
    ngx_str_t   name;                              /* with "=" if it has a
                                                      value */

    /* NGX_OK, NGX_DECLINED if it is invalid, or NGX_ERROR. */
    ngx_int_t (*set)(ngx_conf_t *cf, ngx_http_codeexec_key_t *key,
                     ngx_str_t *value);
} ngx_http_codeexec_key_option_t;


char *ngx_http_codeexec_key_file(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

ngx_int_t ngx_http_codeexec_check_key_name(ngx_str_t *name);
/* NGX_OK, NGX_DECLINED, NGX_ABORT if it is that of no bytes, or NGX_ERROR. */
ngx_int_t ngx_http_codeexec_parse_digest(ngx_http_codeexec_keys_t *keys,
    ngx_str_t *text, u_char *digest);
/* Finds duplicates, too. */
char *ngx_http_codeexec_sort_keys(ngx_conf_t *cf,
    ngx_http_codeexec_keys_t *keys);

/* The first one in the file that limits how many runs there may be, or NULL. */
ngx_http_codeexec_key_t *ngx_http_codeexec_concurrency_key(
    ngx_http_codeexec_keys_t *keys);

/* NGX_OK, NGX_ABORT if there is no such key, or NGX_ERROR. */
ngx_int_t ngx_http_codeexec_search_key(ngx_http_codeexec_keys_t *keys,
    ngx_str_t *secret, const ngx_http_codeexec_key_t **key);

ngx_int_t ngx_http_codeexec_key_init(ngx_conf_t *cf);

/*
 * Looks for the key of a request and sets ctx->key: NGX_OK if it is a good
 * one, NGX_DECLINED if there is none, NGX_ABORT if it is unknown,
 * NGX_HTTP_BAD_REQUEST if there are several, or NGX_ERROR.
 */
ngx_int_t ngx_http_codeexec_find_key(ngx_http_request_t *r);


extern ngx_http_codeexec_key_option_t  ngx_http_codeexec_key_options[];


#endif /* _NGX_HTTP_CODEEXEC_KEY_H_INCLUDED_ */
