
/*
 * Copyright (C) The codeexec authors.
 *
 * What a program shows: records of named parts, and what is in them.  All of
 * it is the program's own word.  Nothing of nginx is needed.
 */


#ifndef _NGX_HTTP_CODEEXEC_RECORD_H_INCLUDED_
#define _NGX_HTTP_CODEEXEC_RECORD_H_INCLUDED_


#include <stddef.h>


/* Containers within each other, in JSON that is embedded in ours. */
#define NGX_HTTP_CODEEXEC_RECORD_DEPTH  32

#define NGX_HTTP_CODEEXEC_RECORD_NAME   127


typedef struct {
    const unsigned char  *name;
    size_t                name_len;
    const unsigned char  *data;
    size_t                len;
} ngx_http_codeexec_part_t;


typedef enum {
    ngx_http_codeexec_as_text = 0,
    ngx_http_codeexec_as_json,
    ngx_http_codeexec_as_image,
    ngx_http_codeexec_as_bytes
} ngx_http_codeexec_form_e;


/* Forms that have a name of their own, or not: then the name is NULL. */

typedef struct {
    const char               *name;
    const char               *mime;
    ngx_http_codeexec_form_e  as;
} ngx_http_codeexec_form_type_t;


/* Returns 1 with the next part, 0 at the end, and -1 if there is none. */
int ngx_http_codeexec_next_part(const unsigned char **pos,
    const unsigned char *last, ngx_http_codeexec_part_t *part);

/* Of names that begin with no "@". */
const ngx_http_codeexec_form_type_t *ngx_http_codeexec_form_type(
    const unsigned char *name, size_t len);

/* Returns 1 if that is all there is: "640x480". */
int ngx_http_codeexec_record_size(const unsigned char *p, size_t len,
    unsigned *width, unsigned *height);

/*
 * Returns 1 if it is one JSON value, in UTF-8 and of escapes that are
 * characters.  It neither recurses nor takes memory, as a parser would.
 */
int ngx_http_codeexec_is_json(const unsigned char *p, size_t len);


#endif /* _NGX_HTTP_CODEEXEC_RECORD_H_INCLUDED_ */
