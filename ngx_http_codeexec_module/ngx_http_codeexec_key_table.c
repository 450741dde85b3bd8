
/*
 * Copyright (C) The codeexec authors.
 *
 * Digests of keys, and how one is found.
 */


#include "ngx_http_codeexec_module.h"

#include <openssl/sha.h>


static int ngx_libc_cdecl ngx_http_codeexec_compare_names(const void *one,
    const void *two);
static int ngx_libc_cdecl ngx_http_codeexec_compare_digests(const void *one,
    const void *two);
static ngx_int_t ngx_http_codeexec_blind(ngx_http_codeexec_keys_t *keys,
    u_char *digest, u_char *blinded);


/* NGX_ABORT if it is that of nothing, which anybody has. */

ngx_int_t
ngx_http_codeexec_parse_digest(ngx_http_codeexec_keys_t *keys,
    ngx_str_t *text, u_char *digest)
{
    size_t     i;
    ngx_int_t  n;
    u_char     bytes[NGX_HTTP_CODEEXEC_DIGEST_LEN];
    u_char     empty[NGX_HTTP_CODEEXEC_DIGEST_LEN];

    if (text->len != 2 * sizeof(bytes)) {
        return NGX_DECLINED;
    }

    for (i = 0; i < sizeof(bytes); i++) {
        n = ngx_hextoi(text->data + 2 * i, 2);

        if (n == NGX_ERROR) {
            return NGX_DECLINED;
        }

        bytes[i] = (u_char) n;
    }

    if (SHA256((u_char *) "", 0, empty) == NULL) {
        return NGX_ERROR;
    }

    if (ngx_memcmp(bytes, empty, sizeof(bytes)) == 0) {
        return NGX_ABORT;
    }

    return ngx_http_codeexec_blind(keys, bytes, digest);
}


char *
ngx_http_codeexec_sort_keys(ngx_conf_t *cf, ngx_http_codeexec_keys_t *keys)
{
    ngx_uint_t                i, n;
    ngx_http_codeexec_key_t  *key;

    key = keys->keys.elts;
    n = keys->keys.nelts;

    ngx_qsort(key, n, sizeof(ngx_http_codeexec_key_t),
              ngx_http_codeexec_compare_names);

    for (i = 1; i < n; i++) {

        if (ngx_http_codeexec_compare_names(&key[i - 1], &key[i]) == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate name \"%V\" in %V:%ui",
                               &key[i].name, &keys->path,
                               ngx_max(key[i - 1].line, key[i].line));
            return NGX_CONF_ERROR;
        }
    }

    ngx_qsort(key, n, sizeof(ngx_http_codeexec_key_t),
              ngx_http_codeexec_compare_digests);

    for (i = 1; i < n; i++) {

        if (ngx_http_codeexec_compare_digests(&key[i - 1], &key[i]) == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" and \"%V\" are the same key in %V:%ui",
                               &key[i - 1].name, &key[i].name, &keys->path,
                               ngx_max(key[i - 1].line, key[i].line));
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


ngx_http_codeexec_key_t *
ngx_http_codeexec_concurrency_key(ngx_http_codeexec_keys_t *keys)
{
    ngx_uint_t                i;
    ngx_http_codeexec_key_t  *key, *first;

    key = keys->keys.elts;
    first = NULL;

    for (i = 0; i < keys->keys.nelts; i++) {

        if (key[i].concurrency && (first == NULL || key[i].line < first->line))
        {
            first = &key[i];
        }
    }

    return first;
}


static int ngx_libc_cdecl
ngx_http_codeexec_compare_names(const void *one, const void *two)
{
    const ngx_http_codeexec_key_t  *first = one;
    const ngx_http_codeexec_key_t  *second = two;

    return (int) ngx_memn2cmp(first->name.data, second->name.data,
                              first->name.len, second->name.len);
}


static int ngx_libc_cdecl
ngx_http_codeexec_compare_digests(const void *one, const void *two)
{
    const ngx_http_codeexec_key_t  *first = one;
    const ngx_http_codeexec_key_t  *second = two;

    return ngx_memcmp(first->digest, second->digest,
                      NGX_HTTP_CODEEXEC_DIGEST_LEN);
}


ngx_int_t
ngx_http_codeexec_search_key(ngx_http_codeexec_keys_t *keys,
    ngx_str_t *secret, const ngx_http_codeexec_key_t **key)
{
    u_char                   digest[NGX_HTTP_CODEEXEC_DIGEST_LEN];
    ngx_http_codeexec_key_t  wanted;

    ngx_memzero(&wanted, sizeof(ngx_http_codeexec_key_t));

    if (SHA256(secret->data, secret->len, digest) == NULL
        || ngx_http_codeexec_blind(keys, digest, wanted.digest) != NGX_OK)
    {
        return NGX_ERROR;
    }

    *key = bsearch(&wanted, keys->keys.elts, keys->keys.nelts,
                   sizeof(ngx_http_codeexec_key_t),
                   ngx_http_codeexec_compare_digests);

    return *key ? NGX_OK : NGX_ABORT;
}


/*
 * How long a comparison takes says something of what is compared.  So digests
 * are hashed again, with a salt that nobody knows: what that gives cannot be
 * told from the digest, and is of no use to whoever has a guess of a key.
 */

static ngx_int_t
ngx_http_codeexec_blind(ngx_http_codeexec_keys_t *keys, u_char *digest,
    u_char *blinded)
{
    u_char  *p, text[2 * NGX_HTTP_CODEEXEC_DIGEST_LEN];

    p = ngx_cpymem(text, keys->salt, NGX_HTTP_CODEEXEC_DIGEST_LEN);
    ngx_memcpy(p, digest, NGX_HTTP_CODEEXEC_DIGEST_LEN);

    return SHA256(text, sizeof(text), blinded) ? NGX_OK : NGX_ERROR;
}
