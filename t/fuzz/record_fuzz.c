/*
 * Copyright (C) The codeexec authors.
 *
 * Fuzzer of what takes results of programs apart (libFuzzer).
 *
 * Parts that are found must cover the record without gaps and be written back
 * as they were.  What is said to be JSON must be JSON to jansson, which is
 * another parser, and the other way round, but for what only one of them
 * wants.
 */

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ngx_http_codeexec_record.h"

#define CHECK(x)  if (!(x)) { check_failed(#x, __LINE__); }


static void
check_failed(const char *what, int line)
{
	fprintf(stderr, "line %d: %s does not hold\n", line, what);
	abort();
}


/* A copy of its own lets ASan see any read beyond the end. */

static unsigned char *
copy_of(const uint8_t *data, size_t size)
{
	unsigned char  *copy;

	copy = malloc(size ? size : 1);
	CHECK(copy != NULL);

	if (size != 0) {
		memcpy(copy, data, size);
	}

	return copy;
}


static void
check_type(const unsigned char *name, size_t len)
{
	const ngx_http_codeexec_form_type_t  *type;

	type = ngx_http_codeexec_form_type(name, len);

	if (type->name == NULL) {
		CHECK(type->mime == NULL);
		return;
	}

	CHECK((strlen(type->name) == len && memcmp(type->name, name, len) == 0)
	    || (strlen(type->mime) == len
	        && memcmp(type->mime, name, len) == 0));
}


static void
check_record(const uint8_t *data, size_t size)
{
	int                        rc;
	size_t                     i;
	unsigned char             *copy;
	const unsigned char       *pos, *begin, *last;
	ngx_http_codeexec_part_t   part;

	copy = copy_of(data, size);
	pos = copy;
	last = copy + size;

	for (begin = pos;
	     (rc = ngx_http_codeexec_next_part(&pos, last, &part)) == 1;
	     begin = pos)
	{
		CHECK(part.name == begin + 2);
		CHECK(part.name_len > 0 && part.name_len <= 127);
		CHECK(begin[0] == 0 && begin[1] == part.name_len);
		CHECK(part.data == part.name + part.name_len + 4);
		CHECK(part.data + part.len == pos && pos <= last);

		for (i = 0; i < part.name_len; i++) {
			CHECK(part.name[i] > 0x20 && part.name[i] < 0x7f);
			CHECK(part.name[i] != '"' && part.name[i] != '\\');
		}

		check_type(part.name, part.name_len);
	}

	CHECK(pos == begin);
	CHECK(rc == (pos == last ? 0 : -1));

	free(copy);
}


/* jansson wants numbers to fit and no NUL in keys; it takes what is deeper, and
 * overlooks a NUL behind a number or a word. */

static void
check_json(const uint8_t *data, size_t size)
{
	int             is_json;
	size_t          i, depth, deepest;
	json_t         *json;
	json_error_t    error;
	unsigned char  *copy;

	copy = copy_of(data, size);
	is_json = ngx_http_codeexec_is_json(copy, size);
	free(copy);

	for (i = depth = deepest = 0; i < size; i++) {
		depth += data[i] == '[' || data[i] == '{';
		deepest = depth > deepest ? depth : deepest;
	}

	json = json_loadb((const char *) data, size,
	    JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);

	if (is_json) {
		CHECK(json != NULL
		    || json_error_code(&error) == json_error_numeric_overflow
		    || json_error_code(&error)
		        == json_error_null_byte_in_key);
	} else {
		CHECK(json == NULL
		    || deepest > NGX_HTTP_CODEEXEC_RECORD_DEPTH
		    || memchr(data, '\0', size) != NULL);
	}

	json_decref(json);
}


static void
check_size(const uint8_t *data, size_t size)
{
	int            n;
	char           text[32];
	unsigned       width, height;
	unsigned char *copy;

	copy = copy_of(data, size);

	if (ngx_http_codeexec_record_size(copy, size, &width, &height)) {
		n = snprintf(text, sizeof(text), "%ux%u", width, height);
		CHECK(width <= 999999 && height <= 999999);
		CHECK(size >= (size_t) n && size <= 13);
		CHECK(copy[size - 1] == text[n - 1]);
	}

	free(copy);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_record(data, size);
	check_json(data, size);
	check_size(data, size);

	return 0;
}
