
/*
 * Copyright (C) The codeexec authors.
 *
 * All of SQL, and what its errors mean.
 */


#include "ngx_http_codeexec_pg.h"


/* OIDs of types never change: src/include/catalog/pg_type.dat. */

#define NGX_HTTP_CODEEXEC_PG_BOOL    16
#define NGX_HTTP_CODEEXEC_PG_BYTEA   17
#define NGX_HTTP_CODEEXEC_PG_INT8    20
#define NGX_HTTP_CODEEXEC_PG_TEXT    25
#define NGX_HTTP_CODEEXEC_PG_FLOAT8  701


typedef struct {
    const char                    *sqlstate;     /* or its beginning */
    ngx_http_codeexec_pg_error_e   error;
} ngx_http_codeexec_pg_sqlstate_t;


ngx_http_codeexec_pg_statement_t  ngx_http_codeexec_pg_statements[] = {

    /* $1 name, $2 metadata only, $3 size up to which all data is returned */

    { "codeexec_lookup",

      "SELECT content_type, octet_length(data), created_at, expires_at,"
      " sha256, id::int8, xmin,"
      " CASE WHEN $2 OR octet_length(data) > $3"
      " THEN substr(data, 1, 32) ELSE data END"
      " FROM images WHERE filename = $1"
      " AND (expires_at IS NULL OR expires_at > now())",

      "SELECT NULL::text, octet_length(data), NULL::timestamptz,"
      " NULL::timestamptz, NULL::bytea, id::int8, xmin,"
      " CASE WHEN $2 OR octet_length(data) > $3"
      " THEN substr(data, 1, 32) ELSE data END"
      " FROM images WHERE filename = $1",

      3,
      { NGX_HTTP_CODEEXEC_PG_TEXT, NGX_HTTP_CODEEXEC_PG_BOOL,
        NGX_HTTP_CODEEXEC_PG_INT8 } },

    /*
     * $1 name, $2 data, $3 type, $4 seconds to live or NULL.  Names are
     * unique, so a conflict of names is a repetition of what was stored.
     */

    { "codeexec_store",

      "INSERT INTO images (filename, data, content_type, sha256, created_at,"
      " expires_at) VALUES ($1, $2, $3, sha256($2), now(),"
      " now() + make_interval(secs => $4))"
      " ON CONFLICT (filename) DO NOTHING",

      "INSERT INTO images (filename, data) VALUES ($1, $2)"
      " ON CONFLICT (filename) DO NOTHING",

      4,
      { NGX_HTTP_CODEEXEC_PG_TEXT, NGX_HTTP_CODEEXEC_PG_BYTEA,
        NGX_HTTP_CODEEXEC_PG_TEXT, NGX_HTTP_CODEEXEC_PG_FLOAT8 } },

    /* $1 most rows to delete; the number of the lock says "images" */

    { "codeexec_sweep",

      "WITH leader AS MATERIALIZED"
      " (SELECT pg_try_advisory_xact_lock(115918506517875) AS elected),"
      " expired AS MATERIALIZED (SELECT id FROM images"
      " WHERE expires_at <= now() AND (SELECT elected FROM leader)"
      " ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)"
      " DELETE FROM images WHERE id IN (SELECT id FROM expired)",

      NULL,

      1,
      { NGX_HTTP_CODEEXEC_PG_INT8 } }
};


/* The first that matches counts. */

static ngx_http_codeexec_pg_sqlstate_t  ngx_http_codeexec_pg_sqlstates[] = {

    { "57014", ngx_http_codeexec_pg_timed_out },      /* query_canceled */
    { "57P", ngx_http_codeexec_pg_reconnect },        /* …_shutdown */
    { "08", ngx_http_codeexec_pg_reconnect },         /* connection_… */
    { "25006", ngx_http_codeexec_pg_reconnect },      /* read_only_sql_… */
    { "25P0", ngx_http_codeexec_pg_reconnect },       /* …_timeout */
    { "26000", ngx_http_codeexec_pg_reconnect },      /* not prepared */
    { "42P05", ngx_http_codeexec_pg_reconnect },      /* prepared already */
    { "0A000", ngx_http_codeexec_pg_reconnect },      /* plan is outdated */
    { "40", ngx_http_codeexec_pg_again },             /* deadlock_detected */
    { "55P03", ngx_http_codeexec_pg_again },          /* lock_not_available */
    { "53", ngx_http_codeexec_pg_unavailable },       /* out of something */
    { "58", ngx_http_codeexec_pg_unavailable },       /* io_error */
    { "42703", ngx_http_codeexec_pg_old_table },      /* undefined_column */
    { NULL, ngx_http_codeexec_pg_error }
};


const char *
ngx_http_codeexec_pg_text(ngx_http_codeexec_pg_connection_t *pg,
    ngx_uint_t i)
{
    ngx_http_codeexec_pg_statement_t  *st;

    st = &ngx_http_codeexec_pg_statements[i];

    return pg->plain ? st->plain : st->text;
}


/* A result without a state is libpq's own: the connection broke. */

ngx_http_codeexec_pg_error_e
ngx_http_codeexec_pg_classify(const PGresult *res, const char **sqlstate)
{
    const char                       *p;
    ngx_http_codeexec_pg_sqlstate_t  *s;

    *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);

    if (*sqlstate == NULL) {
        *sqlstate = "";
        return ngx_http_codeexec_pg_reconnect;
    }

    /* five digits or capital letters, it goes into logs */

    for (p = *sqlstate; (*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z');
         p++)
    { /* void */ }

    if (*p || p - *sqlstate != 5) {
        *sqlstate = "";
        return ngx_http_codeexec_pg_error;
    }

    for (s = ngx_http_codeexec_pg_sqlstates; s->sqlstate; s++) {

        if (ngx_strncmp(*sqlstate, s->sqlstate, ngx_strlen(s->sqlstate))
            == 0)
        {
            break;
        }
    }

    return s->error;
}


/*
 * The first line of what libpq says, as it may say much, for the log, which
 * the server may not write to at will.
 */

ngx_str_t
ngx_http_codeexec_pg_message(const char *message)
{
    u_char         *p, *last;
    const char     *m;
    ngx_str_t       line;
    static u_char   text[NGX_MAX_ERROR_STR / 4];

    p = text;
    last = text + sizeof(text);

    for (m = message ? message : "";
         *m && *m != CR && *m != LF && p < last;
         m++)
    {
        *p++ = ((u_char) *m < 0x20 || *m == 0x7f) ? '?' : (u_char) *m;
    }

    line.data = text;
    line.len = p - text;

    return line;
}
