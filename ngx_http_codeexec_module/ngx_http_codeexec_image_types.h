
/*
 * Copyright (C) The codeexec authors.
 *
 * Types of images, told from their first bytes.  Nothing of nginx is needed.
 */


#ifndef _NGX_HTTP_CODEEXEC_IMAGE_TYPES_H_INCLUDED_
#define _NGX_HTTP_CODEEXEC_IMAGE_TYPES_H_INCLUDED_


#include <stddef.h>


/* The lowest bit is NGX_CONF_BITMASK_SET. */

#define NGX_HTTP_CODEEXEC_PNG   0x0002
#define NGX_HTTP_CODEEXEC_JPEG  0x0004
#define NGX_HTTP_CODEEXEC_GIF   0x0008
#define NGX_HTTP_CODEEXEC_WEBP  0x0010
#define NGX_HTTP_CODEEXEC_AVIF  0x0020
#define NGX_HTTP_CODEEXEC_SVG   0x0040


typedef struct {
    unsigned     bit;
    size_t       len;
    const char  *mime;
    const char  *ext;
} ngx_http_codeexec_image_type_t;


/* Both return NULL if there is none. */

const ngx_http_codeexec_image_type_t *ngx_http_codeexec_type_of_image(
    const unsigned char *p, size_t len);
const ngx_http_codeexec_image_type_t *ngx_http_codeexec_type_by_name(
    const unsigned char *name, size_t len);


#endif /* _NGX_HTTP_CODEEXEC_IMAGE_TYPES_H_INCLUDED_ */
