/*
 * Copyright (C) The codeexec authors.
 *
 * Fuzzer of what tells types of images (libFuzzer).
 *
 * What the first bytes of an image say must not be taken back by the rest, as
 * HEAD is answered by them alone.  Types that are told by a few bytes at fixed
 * places are told again by a much simpler reader, and what is said to be SVG
 * must have an <svg with nothing before it but what XML allows there.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ngx_http_codeexec_image_types.h"

#define CHECK(x)  if (!(x)) { check_failed(#x, __LINE__); }


static void
check_failed(const char *what, int line)
{
	fprintf(stderr, "line %d: %s does not hold\n", line, what);
	abort();
}


/* A copy of its own lets ASan see any read beyond the end. */

static const ngx_http_codeexec_image_type_t *
type_of(const uint8_t *data, size_t size)
{
	unsigned char                        *copy;
	const ngx_http_codeexec_image_type_t *type;

	copy = malloc(size ? size : 1);
	CHECK(copy != NULL);

	if (size != 0) {
		memcpy(copy, data, size);
	}

	type = ngx_http_codeexec_type_of_image(copy, size);
	CHECK(ngx_http_codeexec_type_of_image(copy, size) == type);
	free(copy);

	return type;
}


static int
has(const uint8_t *data, size_t size, size_t at, const char *bytes, size_t n)
{
	return size >= at + n && memcmp(data + at, bytes, n) == 0;
}


/* Without SVG. */

static unsigned
expected_bit(const uint8_t *data, size_t size)
{
	if (has(data, size, 0, "\x89PNG\r\n\x1a\n", 8)) {
		return NGX_HTTP_CODEEXEC_PNG;
	}

	if (has(data, size, 0, "\xff\xd8\xff", 3)) {
		return NGX_HTTP_CODEEXEC_JPEG;
	}

	if (has(data, size, 0, "GIF87a", 6) || has(data, size, 0, "GIF89a", 6)) {
		return NGX_HTTP_CODEEXEC_GIF;
	}

	if (has(data, size, 0, "RIFF", 4) && has(data, size, 8, "WEBP", 4)) {
		return NGX_HTTP_CODEEXEC_WEBP;
	}

	if (has(data, size, 4, "ftypavif", 8)
	    || has(data, size, 4, "ftypavis", 8))
	{
		return NGX_HTTP_CODEEXEC_AVIF;
	}

	return 0;
}


static void
check_svg(const uint8_t *data, size_t size)
{
	size_t i;

	i = has(data, size, 0, "\xef\xbb\xbf", 3) ? 3 : 0;

	while (i < size && memchr(" \t\r\n", data[i], 4) != NULL) {
		i++;
	}

	CHECK(has(data, size, i, "<svg", 4) || has(data, size, i, "<?", 2)
	    || has(data, size, i, "<!--", 4)
	    || has(data, size, i, "<!DOCTYPE", 9));

	for ( /* void */ ; !has(data, size, i, "<svg", 4); i++) {
		CHECK(i < size);
	}
}


static void
check_name(const uint8_t *data, size_t size)
{
	const ngx_http_codeexec_image_type_t *type;

	type = ngx_http_codeexec_type_by_name(data, size);

	if (type != NULL) {
		CHECK(type->len == size);
		CHECK(memcmp(type->mime, data, size) == 0);
		CHECK(strlen(type->mime) == size);
	}
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t                                n;
	unsigned                              bit;
	const ngx_http_codeexec_image_type_t *whole, *part;

	whole = type_of(data, size);
	bit = expected_bit(data, size);

	if (whole == NULL) {
		CHECK(bit == 0);

	} else if (whole->bit == NGX_HTTP_CODEEXEC_SVG) {
		CHECK(bit == 0);
		check_svg(data, size);

	} else {
		CHECK(whole->bit == bit);
	}

	if (whole != NULL) {
		CHECK(ngx_http_codeexec_type_by_name(
		    (const unsigned char *) whole->mime, whole->len) == whole);
	}

	for (n = 0; n < size; n = n < 48 ? n + 1 : 2 * n) {
		part = type_of(data, n);
		CHECK(part == NULL || part == whole);
	}

	check_name(data, size);

	return 0;
}
