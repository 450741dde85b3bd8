
/*
 * Copyright (C) The codeexec authors.
 */


#ifndef _NGX_HTTP_CODEEXEC_MODULE_H_INCLUDED_
#define _NGX_HTTP_CODEEXEC_MODULE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <jansson.h>

#include "ngx_http_codeexec_image_types.h"
#include "ngx_http_codeexec_key.h"
#include "ngx_http_codeexec_pg.h"
#include "ngx_http_codeexec_record.h"
#include "sandbox/wire.h"


#if (NGX_PCRE) && !(NGX_PCRE2)
#error the codeexec module requires nginx with PCRE2
#endif


#define NGX_HTTP_CODEEXEC_NO_STATUS  0
#define NGX_HTTP_CODEEXEC_OK         1
#define NGX_HTTP_CODEEXEC_ERROR      2
#define NGX_HTTP_CODEEXEC_SIGNAL     3
#define NGX_HTTP_CODEEXEC_TIMEOUT    4
#define NGX_HTTP_CODEEXEC_MEMORY     5
#define NGX_HTTP_CODEEXEC_STOPPED    6
#define NGX_HTTP_CODEEXEC_BUSY       7
#define NGX_HTTP_CODEEXEC_REJECTED   8


/* RESULT, BUSY and REJECT are small, no matter what was run. */
#define NGX_HTTP_CODEEXEC_MAX_CONTROL  8192

/* STATE names each layer, language and package. */
#define NGX_HTTP_CODEEXEC_MAX_STATE    1048576

#define NGX_HTTP_CODEEXEC_UUID_LEN     36

/* Of languages and APIs, execution ids, those who own them, and handles. */
#define NGX_HTTP_CODEEXEC_MAX_NAME     32
#define NGX_HTTP_CODEEXEC_MAX_ID       64
#define NGX_HTTP_CODEEXEC_MAX_OWNER    64
#define NGX_HTTP_CODEEXEC_HANDLE_LEN   32

/* Patterns that codeexecd takes for one run. */
#define NGX_HTTP_CODEEXEC_MAX_COLLECT  64


/*
 * BUSY is a status of the protocol and not of HTTP.  Core retries statuses
 * only, and 404 is the one that does not count as a failure of the peer.
 */

#define NGX_HTTP_CODEEXEC_FT_BUSY    NGX_HTTP_UPSTREAM_FT_HTTP_404


/* A status that nginx has no name for. */
#define NGX_HTTP_CODEEXEC_UNPROCESSABLE  422


/* Of an endpoint's methods: it needs no key. */

#define NGX_HTTP_CODEEXEC_OPEN       0x80000000


typedef struct ngx_http_codeexec_ctx_s   ngx_http_codeexec_ctx_t;
typedef struct ngx_http_codeexec_zone_s  ngx_http_codeexec_zone_t;
typedef struct ngx_http_codeexec_run_s   ngx_http_codeexec_run_t;


/* One of the paths of an API. */

typedef struct {

    /* Below the location; of one that ends in "/" the rest is ctx->name. */
    ngx_str_t                 path;

    ngx_uint_t                methods;             /* GET includes HEAD */

    /*
     * Either fills ctx->job in and returns NGX_OK; or makes the answer, which
     * is ctx->body, ctx->status and ctx->type, and returns NGX_DONE; or
     * returns what ngx_http_codeexec_refuse() did, or another HTTP status.
     * The body is empty unless the method is POST.
     */
    ngx_int_t               (*decode)(ngx_http_request_t *r,
                                  ngx_http_codeexec_ctx_t *ctx,
                                  ngx_str_t *body);

    /* Of the answer to ctx->outcome, before it is encoded. */
    ngx_uint_t              (*status)(ngx_http_codeexec_ctx_t *ctx);

    /* Makes ctx->body of ctx->result, and ctx->type if it is not JSON. */
    ngx_int_t               (*encode)(ngx_http_request_t *r,
                                  ngx_http_codeexec_ctx_t *ctx);
} ngx_http_codeexec_endpoint_t;


/* What one API looks like to its clients. */

typedef struct {
    ngx_str_t                 name;

    /*
     * The first one is that of a location which doesn't tell them apart.
     * The last one has no decode().
     */
    const ngx_http_codeexec_endpoint_t  *endpoints;

    /*
     * Makes ctx->body of an error answer, whose status is that of
     * r->headers_out and may be changed there.
     */
    ngx_int_t               (*error)(ngx_http_request_t *r,
                                  ngx_http_codeexec_ctx_t *ctx,
                                  ngx_str_t *message);
} ngx_http_codeexec_dialect_t;


typedef struct {
    ngx_http_codeexec_pg_pool_t  *pool;            /* of codeexec_image, NULL
                                                      if it is not there */
    ngx_http_complex_value_t *name;                /* NULL: part of the URI */

    ngx_http_codeexec_pg_pool_t  *store;           /* NULL: off */
    ngx_uint_t                fallback;            /* HTTP status, 0: inline */

    ngx_uint_t                types;               /* bits */
    size_t                    max_size;
    size_t                    max_total;
    ngx_uint_t                max_count;
    ngx_msec_t                ttl;                 /* 0: for ever */
    ngx_http_complex_value_t *url;                 /* prefix; NULL: our own */
    ngx_regex_t              *pattern;             /* of names */

    u_char                    max_size_arg[8];     /* int8 */
    u_char                    ttl_arg[8];          /* float8, seconds */
} ngx_http_codeexec_image_conf_t;


typedef struct {

    /*
     * While "upstream" is in r->upstream->conf, no code was started; from
     * the last byte of the job on it is "started", with another next_upstream.
     * All else in both is equal.  Core only reads them, see README.md.
     */
    ngx_http_upstream_conf_t  upstream;
    ngx_http_upstream_conf_t  started;

    ngx_uint_t                next_upstream;       /* as configured */

    ngx_array_t              *pass_lengths;        /* codeexec_pass with */
    ngx_array_t              *pass_values;         /* variables, or NULL */

    size_t                    max_code_size;       /* bytes */
    size_t                    max_stdin_size;
    size_t                    max_variables_size;
    size_t                    max_files_size;      /* of all together */
    ngx_uint_t                max_files;
    size_t                    max_response_size;   /* of all payloads */

    ngx_msec_t                timeout;             /* for a job without one */
    ngx_msec_t                max_timeout;         /* a client may ask for */

    ngx_str_t                 images;              /* JSON array of patterns,
                                                      empty if off */
    ngx_array_t              *image_names;         /* extensions, NULL if off */
    ngx_flag_t                detail;
    ngx_flag_t                results;             /* a client may ask for */
    ngx_flag_t                files;

    ngx_array_t              *deny;                /* patterns, or NULL */
    ngx_array_t              *deny_imports;        /* of names; or NULL */
    ngx_array_t              *allow_imports;       /* NULL: all are */
    ngx_array_t              *deny_calls;
    ngx_str_t                 rules;               /* these as JSON members of
                                                      "screen", or empty */

    ngx_http_codeexec_image_conf_t  image;

    ngx_array_t              *cors;                /* of origins, "*" alone;
                                                      NULL: off */
    ngx_shm_zone_t           *zone;                /* NULL: off */

    const ngx_http_codeexec_dialect_t  *dialect;   /* NULL: codeexec_api is
                                                      not there */
    const ngx_http_codeexec_endpoint_t *endpoint;  /* NULL: by the URI */
    ngx_array_t              *api_deny;            /* of it, or NULL */

    ngx_http_codeexec_keys_t *keys;                /* NULL: none is needed */
} ngx_http_codeexec_loc_conf_t;


/* codeexec_deny, or what an API has of it. */

typedef struct {
    pcre2_code               *code;
    ngx_str_t                 message;             /* empty: what matches */
} ngx_http_codeexec_pattern_t;


typedef struct {
    ngx_str_t                 name;
    ngx_str_t                 content;
    ngx_uint_t                image;               /* to be listed as one */
    const char               *reason;              /* to be left out */
} ngx_http_codeexec_file_t;


/* What is to be run.  All memory is of r->pool, but for ctx->files. */

typedef struct {
    ngx_str_t                 id;
    ngx_str_t                 handle;              /* empty: it can't be
                                                      stopped */
    ngx_str_t                 language;            /* canonical name */
    ngx_str_t                 code;                /* UTF-8 without NUL */
    ngx_str_t                 variables;           /* JSON object or empty */
    ngx_str_t                 input;               /* for stdin */
    ngx_str_t                 args;                /* JSON array or empty */
    ngx_str_t                 env;                 /* JSON object or empty */
    ngx_str_t                 main;                /* JSON object or empty */
    ngx_str_t                 collect;             /* JSON array of patterns,
                                                      empty: images only */
    ngx_str_t                 options;             /* of the runtime, more of
                                                      them: JSON members */
    ngx_str_t                 rules;               /* of the API, beside those
                                                      of the location: JSON
                                                      members of "screen" */
    ngx_array_t              *deny;                /* the same, of patterns */
    ngx_http_codeexec_file_t *files;               /* to be placed */
    ngx_uint_t                nfiles;
    ngx_msec_t                timeout;
    ngx_flag_t                detail;              /* more in the answer */
    ngx_flag_t                results;             /* what the program shows */
    ngx_flag_t                last_value;          /* of its last expression */
    ngx_flag_t                return_variables;    /* a summary of them */

    unsigned                  query:1;             /* nothing is to be run:
                                                      the state is asked for */
    unsigned                  stop:1;              /* nor here: the run with
                                                      the handle is to end */
    unsigned                  inline_only:1;       /* no image is a file, or
                                                      is stored */
    unsigned                  check:1;             /* it is not to be run */
    unsigned                  syntax:1;            /* errors of syntax are
                                                      a rejection, too */
    unsigned                  claims_only:1;       /* of the results */
} ngx_http_codeexec_job_t;


/* A codeexecd that is to be asked, and no other. */

typedef struct {
    ngx_sockaddr_t            sockaddr;
    socklen_t                 socklen;
} ngx_http_codeexec_target_t;


/* An execution of the zone. */

typedef struct {
    ngx_str_t                 id;
    ngx_str_t                 owner;
    ngx_str_t                 language;
    ngx_str_t                 api;
    int64_t                   started;             /* ms since 1970 */
} ngx_http_codeexec_listed_t;


/* Payloads of one type of frame, joined. */

typedef struct {
    u_char                   *data;
    size_t                    len;                 /* received so far */
    size_t                    size;                /* announced */
} ngx_http_codeexec_stream_t;


typedef struct ngx_http_codeexec_image_s  ngx_http_codeexec_image_t;


/* A result in one of its forms. */

typedef struct {
    const ngx_http_codeexec_form_type_t  *type;
    ngx_str_t                  name;               /* slices of the stream */
    ngx_str_t                  content;
    ngx_http_codeexec_image_t *image;              /* NULL: not to be stored */
    ngx_uint_t                 valid;              /* JSON */
} ngx_http_codeexec_form_t;


/* What the program says of the run as a whole. */

#define NGX_HTTP_CODEEXEC_EXCEPTION  0
#define NGX_HTTP_CODEEXEC_RETURN     1
#define NGX_HTTP_CODEEXEC_VARIABLES  2
#define NGX_HTTP_CODEEXEC_REJECTION  3
#define NGX_HTTP_CODEEXEC_NCLAIMS    4


/* One SHOW, of which nothing is to be trusted. */

typedef struct {
    ngx_str_t                 payload;
    const char               *reason;              /* it is left out, or NULL */

    ngx_http_codeexec_form_t *forms;               /* none: it is a claim */
    ngx_uint_t                nforms;
    ngx_str_t                 name;                /* data is NULL if none */
    unsigned                  width;
    unsigned                  height;
    unsigned                  has_size:1;
    unsigned                  is_main:1;
} ngx_http_codeexec_shown_t;


/* What codeexecd answered. */

typedef struct {
    ngx_http_codeexec_stream_t  output;            /* stdout */
    ngx_http_codeexec_stream_t  errors;            /* stderr */
    ngx_http_codeexec_stream_t  content;           /* whole FILE payloads */
    ngx_http_codeexec_stream_t  records;           /* whole SHOW payloads */
    ngx_http_codeexec_stream_t  state;             /* JSON, of a query */

    ngx_http_codeexec_file_t   *files;
    ngx_uint_t                  nfiles;            /* received so far */
    ngx_uint_t                  files_announced;

    ngx_http_codeexec_shown_t  *shown;
    ngx_uint_t                  nshown;            /* received so far */
    ngx_uint_t                  shown_announced;
    int64_t                     results;           /* of these in the answer */
    ngx_http_codeexec_shown_t  *claims[NGX_HTTP_CODEEXEC_NCLAIMS];

    int64_t                     exit_code;         /* -1: there is none */
    int64_t                     signal;            /* -1: there is none */
    int64_t                     time_us;           /* wall time */
    int64_t                     cpu_us;
    int64_t                     queue_us;
    int64_t                     compile_us;
    int64_t                     memory_kb;         /* peak */

    ngx_str_t                   stage;             /* data is NULL if nothing
                                                      was compiled */
    ngx_str_t                   reason;            /* data is NULL if none
                                                      was given */
    ngx_str_t                   skipped;           /* JSON, or empty */
    ngx_str_t                   missing;           /* a package, or empty */

    unsigned                    known:1;           /* the above is set */
    unsigned                    truncated:1;
} ngx_http_codeexec_result_t;


/* What is wrong with a program that was not run. */

typedef struct {
    ngx_int_t                 line;                /* 0: not known, or there is
                                                      none: -1 */
    ngx_str_t                 message;
    ngx_str_t                 rule;                /* "import", "call" or
                                                      empty */
    ngx_str_t                 name;                /* of what it is about */
} ngx_http_codeexec_complaint_t;


typedef struct {
    ngx_http_codeexec_complaint_t  *lines;         /* one or more */
    ngx_uint_t                nlines;
    ngx_int_t                 column;              /* of the first, 0: unset */
    ngx_str_t                 text;                /* that line, or empty */

    unsigned                  syntax:1;            /* it is no program; else it
                                                      breaks rules */
} ngx_http_codeexec_rejection_t;


/* What becomes of a file of a run. */

typedef enum {
    ngx_http_codeexec_stored = 0,    /* or to be stored */
    ngx_http_codeexec_by_type,       /* the rest is inline, for that reason */
    ngx_http_codeexec_by_size,
    ngx_http_codeexec_by_count,
    ngx_http_codeexec_by_total,
    ngx_http_codeexec_by_name,
    ngx_http_codeexec_unavailable
} ngx_http_codeexec_fate_e;


struct ngx_http_codeexec_image_s {
    ngx_http_codeexec_fate_e  fate;
    ngx_str_t                 name;                /* in the database */
    ngx_str_t                 content;
    const ngx_http_codeexec_image_type_t  *type;
};


typedef struct {
    ngx_http_codeexec_image_t  *images;            /* one for each file, and
                                                      then those of results */
    ngx_uint_t                  nimages;
    ngx_uint_t                  nstored;           /* or to be stored */
    size_t                      total;             /* bytes of these */
    ngx_str_t                   url;               /* prefix */

    ngx_http_codeexec_pg_job_t  job;
} ngx_http_codeexec_store_t;


/* The image that is asked for. */

typedef struct {
    ngx_str_t                 name;
    u_char                    metadata;            /* bool */

    unsigned                  header_sent:1;

    ngx_http_codeexec_pg_args_t  args;
    ngx_http_codeexec_pg_job_t   job;
} ngx_http_codeexec_lookup_t;


/* What the database says of it. */

typedef struct {
    ngx_str_t                 type;
    uint64_t                  size;
    int64_t                   created;             /* seconds since 1970 */
    int64_t                   expires;
    ngx_str_t                 sha256;              /* empty: not known */
    uint64_t                  id;
    uint64_t                  version;
    ngx_str_t                 data;                /* or the first bytes */
} ngx_http_codeexec_row_t;


struct ngx_http_codeexec_ctx_s {
    ngx_http_request_t       *request;

    const ngx_http_codeexec_endpoint_t  *endpoint;
    ngx_str_t                 name;                /* what follows its path */
    ngx_uint_t                allowed;             /* methods, if another one
                                                      was used */

    const ngx_http_codeexec_key_t  *key;           /* NULL: none is needed, or
                                                      there is no good one */
    ngx_http_codeexec_keys_t  *keys;               /* it was searched in */
    ngx_int_t                 key_state;           /* what was found */

    ngx_http_event_handler_pt  read_handler;       /* of core, while the body
                                                      is read */

    json_t                   *json;                /* request while decoded,
                                                      or state received;
                                                      freed by the cleanup */
    json_t                   *files;               /* its files, the same */
    ngx_http_codeexec_job_t   job;

    ngx_str_t                 owner;               /* of what it starts: the
                                                      name of its key */
    ngx_uint_t                max_runs;            /* of the owner, 0: any */
    ngx_http_codeexec_zone_t *zone;                /* that has "run" */
    ngx_http_codeexec_run_t  *run;                 /* NULL: it isn't there */
    ngx_http_codeexec_target_t  *target;           /* of a stop */

    /* the collector, reset for every peer tried */

    struct wire_reader        reader;
    ngx_uint_t                frame;               /* type begun last or 0 */
    ngx_str_t                 control;             /* payload of RESULT, BUSY
                                                      and REJECT so far */
    ngx_http_codeexec_result_t  result;

    /* NULL: it was run */
    ngx_http_codeexec_rejection_t  *rejection;

    /* the answer */

    ngx_uint_t                outcome;             /* NGX_HTTP_CODEEXEC_… */
    ngx_uint_t                status;              /* of the HTTP answer */
    ngx_str_t                 body;
    ngx_str_t                 type;                /* empty: JSON */
    ngx_int_t                 retry_after;         /* seconds, 0: unset */

    ngx_str_t                 message;             /* of refused_with, shown
                                                      to the client */
    ngx_int_t                 refused_with;        /* HTTP status or 0 */
    ngx_str_t                 refusal;             /* its body, or empty */

    ngx_uint_t                busy_state;          /* index in
                                                      r->upstream_states */

    /* images and their database */

    ngx_http_codeexec_store_t   *store;            /* of a run, or NULL */
    ngx_http_codeexec_lookup_t  *lookup;           /* of a request for one */
    PGresult                 *row;                 /* the answer points into,
                                                      cleared by the cleanup */
    int64_t                   images_stored;
    int64_t                   pg_time;             /* milliseconds, -1: unset */
    u_char                    sqlstate[6];         /* of the last failure */

    unsigned                  admin:1;             /* may stop and see all */
    unsigned                  located:1;           /* "run" has the peer */
    unsigned                  stopped:1;           /* what "stop" was about */
    unsigned                  busy:1;              /* a peer said BUSY */
    unsigned                  answered:1;          /* "body" is to be sent */
    unsigned                  error:1;             /* "body" replaces a page
                                                      of core */
    unsigned                  error_sent:1;        /* and was passed on */
    unsigned                  holding:1;           /* the answer waits until
                                                      images are stored */
    unsigned                  header_held:1;       /* and so does its header */
};


/* Counts when pos is NULL, so that an encoder sizes its own buffer. */

typedef struct {
    u_char                   *pos;
    size_t                    len;
} ngx_http_codeexec_writer_t;


ngx_int_t ngx_http_codeexec_handler(ngx_http_request_t *r);
ngx_http_codeexec_ctx_t *ngx_http_codeexec_create_ctx(ngx_http_request_t *r);
/* The one that is there already, or a new one. */
ngx_http_codeexec_ctx_t *ngx_http_codeexec_get_ctx(ngx_http_request_t *r);
ngx_http_codeexec_ctx_t *ngx_http_codeexec_find_ctx(ngx_http_request_t *r);

/* Remembers what to tell the client, and returns the status. */
ngx_int_t ngx_http_codeexec_refuse(ngx_http_codeexec_ctx_t *ctx,
    ngx_int_t status, const char *fmt, ...);

char *ngx_http_codeexec_api(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
/* Sets ctx->endpoint, or returns an HTTP status. */
ngx_int_t ngx_http_codeexec_find_endpoint(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
const ngx_http_codeexec_dialect_t *ngx_http_codeexec_dialect(
    ngx_http_codeexec_loc_conf_t *lcf);
/* What the key of the request allows. */
ngx_msec_t ngx_http_codeexec_max_timeout(ngx_http_codeexec_ctx_t *ctx);
ngx_int_t ngx_http_codeexec_check_key(ngx_http_codeexec_ctx_t *ctx);

/* Sends ctx->body as an answer that needed no upstream. */
ngx_int_t ngx_http_codeexec_send_local(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
/* The body only, as the last of the answer. */
ngx_int_t ngx_http_codeexec_send_body(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);

/* Makes ctx->body of it and drops the reference; NULL is NGX_ERROR. */
ngx_int_t ngx_http_codeexec_answer_json(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, json_t *json, size_t flags);

/* Adds names of modules, sorted, each once; they point into the code. */
ngx_int_t ngx_http_codeexec_imports(ngx_str_t *code, ngx_array_t *names);

ngx_uint_t ngx_http_codeexec_engine_result_status(
    ngx_http_codeexec_ctx_t *ctx);
ngx_int_t ngx_http_codeexec_engine_encode(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
/* Says whether it was, by ctx->status. */
ngx_int_t ngx_http_codeexec_engine_stopped(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
ngx_int_t ngx_http_codeexec_engine_error(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *message);

/* Endpoints whose answer is made of the state of codeexecd. */
ngx_int_t ngx_http_codeexec_decode_state(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);
ngx_uint_t ngx_http_codeexec_state_status(ngx_http_codeexec_ctx_t *ctx);
ngx_int_t ngx_http_codeexec_encode_status(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
ngx_int_t ngx_http_codeexec_encode_languages(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
ngx_int_t ngx_http_codeexec_encode_metrics(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);

/*
 * Before a job is submitted: from now on nothing happens to the request but
 * that the job is done, or the client goes away, which cancels it.
 */
ngx_int_t ngx_http_codeexec_wait(ngx_http_request_t *r,
    ngx_http_codeexec_pg_job_t *job);
/* Notes what the variables need to know. */
void ngx_http_codeexec_job_done(ngx_http_codeexec_ctx_t *ctx,
    ngx_http_codeexec_pg_job_t *job);

char *ngx_http_codeexec_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
/* NGX_OK, also without a zone, or an HTTP status. */
ngx_int_t ngx_http_codeexec_add_run(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
void ngx_http_codeexec_remove_run(ngx_http_codeexec_ctx_t *ctx);
/* Before it is sent there: NGX_OK, or NGX_DECLINED if it must not be sent. */
ngx_int_t ngx_http_codeexec_locate_run(ngx_http_codeexec_ctx_t *ctx,
    struct sockaddr *sockaddr, socklen_t socklen);
/*
 * The run with the id ctx->name, if it is of this owner: NGX_OK if ctx->target
 * has to be asked, NGX_DONE if it will never be sent, NGX_DECLINED if there is
 * none, or NGX_ERROR.
 */
ngx_int_t ngx_http_codeexec_stop_run(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
/* Whether the same run is still there. */
ngx_uint_t ngx_http_codeexec_run_is_left(ngx_http_codeexec_ctx_t *ctx);
/* Adds ngx_http_codeexec_listed_t, oldest first. */
ngx_int_t ngx_http_codeexec_list_runs(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_array_t *list);

/* Of an endpoint that stops runs, in any dialect. */
ngx_int_t ngx_http_codeexec_decode_stop(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);
/* 200 or 404. */
ngx_uint_t ngx_http_codeexec_stop_status(ngx_http_codeexec_ctx_t *ctx);
/* Of one that was stopped and must not be sent: answers it, a bit later. */
ngx_int_t ngx_http_codeexec_end_stopped(ngx_http_request_t *r);

void *ngx_http_codeexec_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_codeexec_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
ngx_int_t ngx_http_codeexec_set_images(ngx_conf_t *cf,
    ngx_http_codeexec_loc_conf_t *lcf, ngx_str_t *names, ngx_uint_t n);

char *ngx_http_codeexec_image(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_codeexec_image_name(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_codeexec_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
void ngx_http_codeexec_init_image_conf(ngx_http_codeexec_image_conf_t *conf);
char *ngx_http_codeexec_merge_image_conf(ngx_conf_t *cf,
    ngx_http_codeexec_image_conf_t *prev,
    ngx_http_codeexec_image_conf_t *conf);

ngx_int_t ngx_http_codeexec_decode_request(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);
ngx_int_t ngx_http_codeexec_decode_query(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);

/* Both work in place, for the result is never the longer one. */
void ngx_http_codeexec_unescape_uri(ngx_str_t *value);
void ngx_http_codeexec_unescape(ngx_str_t *code);

/* The canonical name; NGX_OK, NGX_DECLINED if it is invalid, or NGX_ERROR. */
ngx_int_t ngx_http_codeexec_language(ngx_pool_t *pool, ngx_str_t *name,
    ngx_str_t *language);
ngx_int_t ngx_http_codeexec_set_language(ngx_http_codeexec_ctx_t *ctx,
    ngx_str_t *name);
ngx_int_t ngx_http_codeexec_set_code(ngx_http_codeexec_ctx_t *ctx,
    ngx_str_t *code);
/* The same, without looking for fences. */
ngx_int_t ngx_http_codeexec_set_source(ngx_http_codeexec_ctx_t *ctx,
    ngx_str_t *code);
ngx_int_t ngx_http_codeexec_set_variables(ngx_http_codeexec_ctx_t *ctx,
    ngx_str_t *text);
ngx_int_t ngx_http_codeexec_set_input(ngx_http_codeexec_ctx_t *ctx,
    ngx_str_t *input);
ngx_int_t ngx_http_codeexec_set_args(ngx_http_codeexec_ctx_t *ctx,
    json_t *args);
ngx_int_t ngx_http_codeexec_set_env(ngx_http_codeexec_ctx_t *ctx,
    json_t *env);
ngx_int_t ngx_http_codeexec_set_main(ngx_http_codeexec_ctx_t *ctx,
    ngx_str_t *text);
/* member: what the client calls them. */
ngx_int_t ngx_http_codeexec_set_files(ngx_http_codeexec_ctx_t *ctx,
    const char *member, json_t *files);
ngx_uint_t ngx_http_codeexec_is_base64(u_char c);
ngx_int_t ngx_http_codeexec_set_return(ngx_http_codeexec_ctx_t *ctx,
    const char *member, json_t *value);
/* Of a file that comes back: whether it is listed as an image. */
ngx_uint_t ngx_http_codeexec_is_image(ngx_http_codeexec_ctx_t *ctx,
    ngx_str_t *name);
ngx_int_t ngx_http_codeexec_set_timeout(ngx_http_codeexec_ctx_t *ctx,
    double seconds);
ngx_int_t ngx_http_codeexec_bad_timeout(ngx_http_codeexec_ctx_t *ctx);
ngx_int_t ngx_http_codeexec_set_id(ngx_http_codeexec_ctx_t *ctx,
    ngx_str_t *id);

/* Other names of a language, that are not there yet. */
void ngx_http_codeexec_add_aliases(const char *name, json_t *aliases);

ngx_int_t ngx_http_codeexec_random(u_char *bytes, size_t n);
u_char *ngx_http_codeexec_put_uuid(u_char *p, u_char *uuid,
    ngx_uint_t version);

/*
 * NGX_OK if the text is UTF-8 and is nested no deeper than jansson may be
 * trusted with; whether it is JSON is left to jansson.
 */
ngx_int_t ngx_http_codeexec_json_check(ngx_str_t *text);
ngx_int_t ngx_http_codeexec_utf8_check(ngx_str_t *text);
json_t *ngx_http_codeexec_json_parse(ngx_str_t *text, size_t flags);
/* Finds the text of a member of an object, which must be valid JSON. */
ngx_int_t ngx_http_codeexec_json_member(ngx_str_t *text, ngx_str_t *name,
    ngx_str_t *value);
ngx_int_t ngx_http_codeexec_json_copy(ngx_pool_t *pool, json_t *value,
    ngx_str_t *text);

/* What Python says of a text that is no JSON, and where; NULL if it is. */
const char *ngx_http_codeexec_json_error(ngx_str_t *text, ngx_uint_t *pos);

/* What FastAPI and pydantic would do; all take the references given. */
ngx_int_t ngx_http_codeexec_fastapi_body(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *body);
ngx_int_t ngx_http_codeexec_fastapi_error(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *message);
void ngx_http_codeexec_add_issue(json_t *issues, const char *type,
    const char *message, json_t *loc, json_t *input, json_t *more);
ngx_int_t ngx_http_codeexec_refuse_issues(ngx_http_codeexec_ctx_t *ctx,
    json_t *issues);
/* Returns the type of an issue and its message, or NULL and the number. */
const char *ngx_http_codeexec_lax_integer(json_t *value, double *number,
    const char **message);

/* Of ctx->body, when it was counted and before it is written. */
ngx_int_t ngx_http_codeexec_make_room(ngx_http_codeexec_ctx_t *ctx,
    ngx_http_codeexec_writer_t *w);
void ngx_http_codeexec_put(ngx_http_codeexec_writer_t *w, const void *data,
    size_t len);
void ngx_http_codeexec_put_escaped(ngx_http_codeexec_writer_t *w,
    u_char *data, size_t len);
/* The same with its quotes. */
void ngx_http_codeexec_put_string(ngx_http_codeexec_writer_t *w,
    ngx_str_t *text);
/* If anything was put since then. */
void ngx_http_codeexec_put_comma(ngx_http_codeexec_writer_t *w, size_t begin);
void ngx_http_codeexec_put_base64(ngx_http_codeexec_writer_t *w,
    ngx_str_t *data);
/* Escaped for a URI, which is ASCII. */
void ngx_http_codeexec_put_uri(ngx_http_codeexec_writer_t *w, ngx_str_t *data);
void ngx_http_codeexec_put_number(ngx_http_codeexec_writer_t *w,
    int64_t number);

/* Of valid JSON in UTF-8. */
ngx_int_t ngx_http_codeexec_to_ascii(ngx_pool_t *pool, ngx_str_t *json);

#define ngx_http_codeexec_put_text(w, text)                                   \
    ngx_http_codeexec_put(w, text, sizeof(text) - 1)

/* The program may be found not to be one that is run. */
#define ngx_http_codeexec_is_screened(lcf, job)                               \
    ((lcf)->rules.len || (job)->rules.len || (job)->check || (job)->syntax)

#define ngx_http_codeexec_wants_results(job)                                  \
    ((job)->results || (job)->last_value || (job)->return_variables           \
     || (job)->main.len || (job)->options.len)

ngx_int_t ngx_http_codeexec_init_upstream(ngx_http_request_t *r);
ngx_int_t ngx_http_codeexec_create_request(ngx_http_request_t *r);

/* NGX_OK at the end of the answer, NGX_AGAIN, NGX_ERROR (500), or
   NGX_HTTP_UPSTREAM_INVALID_HEADER. */
ngx_int_t ngx_http_codeexec_collect(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
void ngx_http_codeexec_collector_init(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
ngx_int_t ngx_http_codeexec_invalid(ngx_http_request_t *r, const char *what);

/* Like the above, but NGX_AGAIN when more frames must follow. */
ngx_int_t ngx_http_codeexec_take_result(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, json_t *json);
ngx_int_t ngx_http_codeexec_take_busy(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, json_t *json);
ngx_int_t ngx_http_codeexec_take_reject(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, json_t *json);
ngx_int_t ngx_http_codeexec_take_stopped(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, json_t *json);

/* What programs can import, as codeexecd tells it. */
ngx_int_t ngx_http_codeexec_encode_packages(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
/* Those of a language: names and versions; NULL if there is no list. */
json_t *ngx_http_codeexec_packages(ngx_http_codeexec_ctx_t *ctx,
    const char *language);

ngx_uint_t ngx_http_codeexec_result_status(ngx_http_codeexec_ctx_t *ctx);
ngx_int_t ngx_http_codeexec_encode_result(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
ngx_int_t ngx_http_codeexec_encode_error(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *message);
/* Once it has been encoded. */
void ngx_http_codeexec_free_result(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
/* Why a run has failed that said nothing about it; without quotes. */
void ngx_http_codeexec_write_reason(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx);

/* The results of a run are taken apart; NGX_ERROR if memory is short. */
ngx_int_t ngx_http_codeexec_read_results(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
/* The same for the package that it has missed. */
ngx_int_t ngx_http_codeexec_read_missing(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);

char *ngx_http_codeexec_deny(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_codeexec_rule(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_codeexec_merge_policy(ngx_conf_t *cf,
    ngx_http_codeexec_loc_conf_t *prev, ngx_http_codeexec_loc_conf_t *conf);
/* What that API has where codeexec_api names it. */
ngx_int_t ngx_http_codeexec_ragflow_configure(ngx_conf_t *cf,
    ngx_http_codeexec_loc_conf_t *lcf);
ngx_int_t ngx_http_codeexec_add_pattern(ngx_conf_t *cf, ngx_array_t *patterns,
    ngx_str_t *text, ngx_str_t *message, uint32_t options);
/* Sets ctx->rejection if the code matches any, by pattern and position. */
ngx_int_t ngx_http_codeexec_screen(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_array_t *patterns);
void ngx_http_codeexec_sort_complaints(
    ngx_http_codeexec_rejection_t *rejection);

/*
 * Sets ctx->rejection to what the claim says; NGX_DECLINED if that makes no
 * sense, or NGX_ERROR.
 */
ngx_int_t ngx_http_codeexec_read_rejection(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_str_t *claim);
/* "Line 2: …", one for each; of r->pool, data is NULL if memory is short. */
ngx_str_t ngx_http_codeexec_rejection_text(ngx_http_request_t *r,
    ngx_http_codeexec_rejection_t *rejection);

/* Members of the answer; the key of each has its quotes and colon. */
void ngx_http_codeexec_write_key(ngx_http_codeexec_writer_t *w,
    const char *name);
void ngx_http_codeexec_write_string(ngx_http_codeexec_writer_t *w,
    const char *name, u_char *data, size_t len);
void ngx_http_codeexec_write_truncated(ngx_http_codeexec_writer_t *w,
    ngx_uint_t truncated);
void ngx_http_codeexec_write_detail(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx);
void ngx_http_codeexec_write_results(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx);
void ngx_http_codeexec_write_files(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx);
void ngx_http_codeexec_write_skipped(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx);
/* Where an image was stored, or its bytes. */
void ngx_http_codeexec_write_image(ngx_http_codeexec_writer_t *w,
    ngx_http_codeexec_ctx_t *ctx, ngx_http_codeexec_image_t *image,
    ngx_str_t *content);
/* Why an image is inline, or NULL. */
const char *ngx_http_codeexec_inline_reason(ngx_http_codeexec_image_t *image);

/* NGX_OK if there is anything to store, or NGX_DECLINED. */
ngx_int_t ngx_http_codeexec_choose_images(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
/* The prefix that names of images are appended to. */
ngx_int_t ngx_http_codeexec_eval_url(ngx_http_request_t *r, ngx_str_t *url);
/* Ends in ngx_http_codeexec_send_held(), maybe at once. */
void ngx_http_codeexec_store_images(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);

/* Lets go of the upstream as soon as core does, then stores the images. */
ngx_int_t ngx_http_codeexec_hold(ngx_http_request_t *r);
/* Encodes and sends the answer, or fails with the status, and finalizes. */
void ngx_http_codeexec_send_held(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx, ngx_int_t status);

ngx_int_t ngx_http_codeexec_image_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_codeexec_check_name(ngx_http_request_t *r,
    ngx_str_t *name);
/* NGX_OK, NGX_DECLINED if there is no such image, or NGX_ERROR. */
ngx_int_t ngx_http_codeexec_read_row(ngx_http_request_t *r, PGresult *res,
    ngx_uint_t metadata, ngx_http_codeexec_row_t *row);
const ngx_http_codeexec_image_type_t *ngx_http_codeexec_row_type(
    ngx_http_request_t *r, ngx_http_codeexec_row_t *row);
ngx_int_t ngx_http_codeexec_row_etag(ngx_http_request_t *r,
    ngx_http_codeexec_row_t *row, ngx_str_t *etag);
ngx_int_t ngx_http_codeexec_row_headers(ngx_http_request_t *r,
    ngx_http_codeexec_row_t *row, ngx_str_t *etag, ngx_uint_t not_modified);

ngx_table_elt_t *ngx_http_codeexec_add_header(ngx_http_request_t *r,
    const char *name, const char *value);
/* In place of any other, and so that "expires" finds it. */
ngx_int_t ngx_http_codeexec_set_cache_control(ngx_http_request_t *r,
    const char *value);

/* The first of that name, in any case. */
ngx_table_elt_t *ngx_http_codeexec_find_header(ngx_http_request_t *r,
    const char *name);
ngx_table_elt_t *ngx_http_codeexec_find_header_in(ngx_list_t *headers,
    const char *name);

char *ngx_http_codeexec_cors(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_int_t ngx_http_codeexec_cors_init(ngx_conf_t *cf);
ngx_int_t ngx_http_codeexec_cors_headers_out(ngx_http_request_t *r);

/* Of the request's body, as it says. */
ngx_uint_t ngx_http_codeexec_is_json_type(ngx_http_request_t *r);

void ngx_http_codeexec_error_filter_init(void);
/* Passes on the header of an answer that was held. */
ngx_int_t ngx_http_codeexec_send_held_header(ngx_http_request_t *r,
    ngx_http_codeexec_ctx_t *ctx);
ngx_int_t ngx_http_codeexec_add_variables(ngx_conf_t *cf);


extern const ngx_http_codeexec_dialect_t  ngx_http_codeexec_native;
extern const ngx_http_codeexec_dialect_t  ngx_http_codeexec_engine;
extern const ngx_http_codeexec_dialect_t  ngx_http_codeexec_executor;
extern const ngx_http_codeexec_dialect_t  ngx_http_codeexec_render;
extern const ngx_http_codeexec_dialect_t  ngx_http_codeexec_ragflow;
extern const ngx_http_codeexec_dialect_t  ngx_http_codeexec_ragflow_a;
extern const ngx_http_codeexec_dialect_t  ngx_http_codeexec_ragflow_d;
extern ngx_str_t                          ngx_http_codeexec_busy;
extern ngx_str_t                          ngx_http_codeexec_status_names[];


#endif /* _NGX_HTTP_CODEEXEC_MODULE_H_INCLUDED_ */
