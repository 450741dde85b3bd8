
/*
 * Copyright (C) The codeexec authors.
 *
 * Patterns that code must not match: codeexec_deny, and those of APIs.  They
 * are looked for in a worker, which a text that takes long must not keep: what
 * it costs is counted, and what costs too much is refused.
 */


#include "ngx_http_codeexec_module.h"

/* Steps of all patterns together; one takes up to 100 ns. */
#define NGX_HTTP_CODEEXEC_MIN_STEPS      500000
#define NGX_HTTP_CODEEXEC_CHAR_STEPS     4

/* What a step is that moves over many characters at once. */
#define NGX_HTTP_CODEEXEC_STEP_CHARS     8

#define NGX_HTTP_CODEEXEC_MAX_MATCHES    500

/* KB of memory for going back. */
#define NGX_HTTP_CODEEXEC_MATCH_HEAP     16384

#define NGX_HTTP_CODEEXEC_MAX_EXCERPT    60


typedef struct {
    ngx_http_request_t       *request;
    ngx_str_t                *text;
    int64_t                   steps;               /* that are left */
    size_t                    pos;                 /* of the last one */
    ngx_array_t              *complaints;

    size_t                    counted;             /* bytes of lines */
    ngx_int_t                 line;
    uint32_t                  options;

    pcre2_match_context      *context;
    pcre2_match_data         *match;
} ngx_http_codeexec_search_t;


static void ngx_http_codeexec_free_pattern(void *data);
static ngx_int_t ngx_http_codeexec_search(ngx_http_codeexec_search_t *s,
    ngx_array_t *patterns);
static ngx_int_t ngx_http_codeexec_search_one(ngx_http_codeexec_search_t *s,
    ngx_http_codeexec_pattern_t *pattern);
static int ngx_http_codeexec_count_step(pcre2_callout_block *block,
    void *data);
static ngx_int_t ngx_http_codeexec_add_match(ngx_http_codeexec_search_t *s,
    ngx_http_codeexec_pattern_t *pattern, size_t begin, size_t end);
static ngx_int_t ngx_http_codeexec_add_complaint(ngx_http_codeexec_search_t *s,
    ngx_int_t line, ngx_str_t *message);
static ngx_int_t ngx_http_codeexec_excerpt(ngx_http_codeexec_search_t *s,
    size_t begin, size_t end, ngx_str_t *message);
static ngx_int_t ngx_libc_cdecl ngx_http_codeexec_compare_lines(
    const void *one, const void *two);


static ngx_str_t  ngx_http_codeexec_too_complex =
    ngx_string("The code takes too long to be screened");


char *
ngx_http_codeexec_deny(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_codeexec_loc_conf_t *lcf = conf;

    ngx_str_t  *value, message;

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {

        if (lcf->deny != NGX_CONF_UNSET_PTR) {
            return "is duplicate";
        }

        lcf->deny = NULL;
        return NGX_CONF_OK;
    }

    if (lcf->deny == NULL) {
        return "is duplicate";
    }

    if (lcf->deny == NGX_CONF_UNSET_PTR) {
        lcf->deny = ngx_array_create(cf->pool, 4,
                                     sizeof(ngx_http_codeexec_pattern_t));
        if (lcf->deny == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    if (cf->args->nelts == 3) {
        message = value[2];

    } else {
        ngx_str_null(&message);
    }

    return ngx_http_codeexec_add_pattern(cf, lcf->deny, &value[1], &message,
                                         PCRE2_MULTILINE)
           == NGX_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
}


ngx_int_t
ngx_http_codeexec_add_pattern(ngx_conf_t *cf, ngx_array_t *patterns,
    ngx_str_t *text, ngx_str_t *message, uint32_t options)
{
    int                           code;
    u_char                        error[128];
    size_t                        offset;
    ngx_pool_cleanup_t           *cln;
    ngx_http_codeexec_pattern_t  *pattern;

    pattern = ngx_array_push(patterns);
    if (pattern == NULL) {
        return NGX_ERROR;
    }

    pattern->message = *message;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    /* each step is a call of ours */

    pattern->code = pcre2_compile(text->data, text->len,
                                  options|PCRE2_UTF|PCRE2_AUTO_CALLOUT,
                                  &code, &offset, NULL);

    if (pattern->code == NULL) {
        pcre2_get_error_message(code, error, sizeof(error));

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "pcre2_compile() failed: %s in \"%V\" at \"%s\"",
                           error, text, text->data + offset);
        return NGX_ERROR;
    }

    cln->handler = ngx_http_codeexec_free_pattern;
    cln->data = pattern->code;

    return NGX_OK;
}


static void
ngx_http_codeexec_free_pattern(void *data)
{
    pcre2_code_free(data);
}


ngx_int_t
ngx_http_codeexec_screen(ngx_http_request_t *r, ngx_http_codeexec_ctx_t *ctx,
    ngx_array_t *patterns)
{
    ngx_int_t                       rc;
    ngx_http_codeexec_search_t      s;
    ngx_http_codeexec_rejection_t  *rejection;

    ngx_memzero(&s, sizeof(ngx_http_codeexec_search_t));

    s.request = r;
    s.text = &ctx->job.code;
    s.steps = NGX_HTTP_CODEEXEC_MIN_STEPS
              + NGX_HTTP_CODEEXEC_CHAR_STEPS * (int64_t) s.text->len;

    s.complaints = ngx_array_create(r->pool, 4,
                                    sizeof(ngx_http_codeexec_complaint_t));
    if (s.complaints == NULL) {
        return NGX_ERROR;
    }

    s.context = pcre2_match_context_create(NULL);
    s.match = pcre2_match_data_create(1, NULL);

    rc = (s.context && s.match) ? ngx_http_codeexec_search(&s, patterns)
                                : NGX_ERROR;

    pcre2_match_data_free(s.match);
    pcre2_match_context_free(s.context);

    if (rc != NGX_OK || s.complaints->nelts == 0) {
        return rc;
    }

    rejection = ngx_pcalloc(r->pool, sizeof(ngx_http_codeexec_rejection_t));
    if (rejection == NULL) {
        return NGX_ERROR;
    }

    rejection->lines = s.complaints->elts;
    rejection->nlines = s.complaints->nelts;

    ctx->rejection = rejection;

    return NGX_OK;
}


void
ngx_http_codeexec_sort_complaints(ngx_http_codeexec_rejection_t *rejection)
{
    ngx_sort(rejection->lines, rejection->nlines,
             sizeof(ngx_http_codeexec_complaint_t),
             ngx_http_codeexec_compare_lines);
}


static ngx_int_t
ngx_http_codeexec_search(ngx_http_codeexec_search_t *s,
    ngx_array_t *patterns)
{
    ngx_int_t                     rc;
    ngx_uint_t                    i;
    ngx_http_codeexec_pattern_t  *pattern;

    (void) pcre2_set_callout(s->context, ngx_http_codeexec_count_step, s);
    (void) pcre2_set_heap_limit(s->context, NGX_HTTP_CODEEXEC_MATCH_HEAP);

    pattern = patterns->elts;

    for (i = 0; i < patterns->nelts; i++) {

        rc = ngx_http_codeexec_search_one(s, &pattern[i]);

        if (rc == NGX_DECLINED) {

            /* it must not be believed to be harmless */

            return ngx_http_codeexec_add_complaint(s, 0,
                                             &ngx_http_codeexec_too_complex);
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_codeexec_search_one(ngx_http_codeexec_search_t *s,
    ngx_http_codeexec_pattern_t *pattern)
{
    int     n;
    size_t  at, *match;

    match = pcre2_get_ovector_pointer(s->match);

    s->counted = 0;
    s->line = 1;

    for (at = 0; at <= s->text->len; /* void */ ) {

        n = pcre2_match(pattern->code, s->text->data, s->text->len, at,
                        s->options, s->match, s->context);

        /* it is UTF-8, then */

        s->options = PCRE2_NO_UTF_CHECK;

        if (n == PCRE2_ERROR_NOMATCH
            || s->complaints->nelts == NGX_HTTP_CODEEXEC_MAX_MATCHES)
        {
            return NGX_OK;
        }

        if (n < 0) {
            ngx_log_error(NGX_LOG_WARN, s->request->connection->log, 0,
                          "codeexec gave up screening: pcre2_match() "
                          "returned %d", n);
            return NGX_DECLINED;
        }

        if (ngx_http_codeexec_add_match(s, pattern, match[0], match[1])
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        /* "\K" in a lookahead lets a match end before it begins */

        at = ngx_max(match[1], at);

        if (match[1] <= match[0]) {

            do {
                at++;
            } while (at < s->text->len && (s->text->data[at] & 0xc0) == 0x80);
        }
    }

    return NGX_OK;
}


static int
ngx_http_codeexec_count_step(pcre2_callout_block *block, void *data)
{
    ngx_http_codeexec_search_t *s = data;

    size_t  pos;

    pos = block->current_position;

    s->steps -= 1 + (int64_t) ((pos > s->pos ? pos - s->pos : s->pos - pos)
                               / NGX_HTTP_CODEEXEC_STEP_CHARS);
    s->pos = pos;

    return s->steps < 0 ? PCRE2_ERROR_CALLOUT : 0;
}


static ngx_int_t
ngx_http_codeexec_add_match(ngx_http_codeexec_search_t *s,
    ngx_http_codeexec_pattern_t *pattern, size_t begin, size_t end)
{
    ngx_str_t  message;

    for ( /* void */ ; s->counted < begin; s->counted++) {
        s->line += (s->text->data[s->counted] == LF);
    }

    message = pattern->message;

    if (message.len == 0
        && ngx_http_codeexec_excerpt(s, begin, end, &message) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_codeexec_add_complaint(s, s->line, &message);
}


static ngx_int_t
ngx_http_codeexec_add_complaint(ngx_http_codeexec_search_t *s,
    ngx_int_t line, ngx_str_t *message)
{
    ngx_http_codeexec_complaint_t  *complaint;

    complaint = ngx_array_push(s->complaints);
    if (complaint == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(complaint, sizeof(ngx_http_codeexec_complaint_t));

    complaint->line = line;
    complaint->message = *message;

    return NGX_OK;
}


/* The beginning of what matches, up to the end of its line. */

static ngx_int_t
ngx_http_codeexec_excerpt(ngx_http_codeexec_search_t *s, size_t begin,
    size_t end, ngx_str_t *message)
{
    size_t   max;
    u_char  *p, *last, *text;

    text = s->text->data + begin;
    max = end > begin ? end - begin : 0;
    last = text + max;

    if (max > NGX_HTTP_CODEEXEC_MAX_EXCERPT) {
        last = text + NGX_HTTP_CODEEXEC_MAX_EXCERPT;

        while (last > text && (*last & 0xc0) == 0x80) {
            last--;
        }
    }

    for (p = text; p < last && *p != LF && *p != CR; p++) { /* void */ }

    message->len = p - text + sizeof("\"\" is not allowed") - 1;
    message->data = ngx_pnalloc(s->request->pool, message->len);
    if (message->data == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(message->data, "\"%*s\" is not allowed",
                (size_t) (p - text), text);

    return NGX_OK;
}


static ngx_int_t ngx_libc_cdecl
ngx_http_codeexec_compare_lines(const void *one, const void *two)
{
    const ngx_http_codeexec_complaint_t  *a, *b;

    a = one;
    b = two;

    return a->line - b->line;
}
