/*
 * Copyright (C) The codeexec authors.
 *
 * The frame codec.
 *
 *             WIRE_HEADER             WIRE_DATA, rest > 0
 *  +--------+             +---------+ ----+
 *  | HEADER |------------>| PAYLOAD |     |
 *  +--------+             +---------+ <---+
 *    |    ^                    |
 *    |    +--------------------+  WIRE_DONE, rest == 0
 *    |
 *    |  bad magic, version or length
 *    v
 *  FAILED, for good
 */

#include <string.h>

#include "wire.h"

enum {
	READ_HEADER,
	READ_PAYLOAD,
	READ_FAILED
};

static const unsigned char magic[2] = { 'C', 'X' };


void
wire_reader_init(struct wire_reader *r, uint32_t limit)
{
	memset(r, 0, sizeof(*r));

	r->limit = limit < WIRE_LENGTH_MAX ? limit : WIRE_LENGTH_MAX;
	r->state = READ_HEADER;
}


int
wire_reader_idle(const struct wire_reader *r)
{
	return r->state == READ_HEADER && r->have == 0;
}


static uint32_t
get32(const unsigned char *p)
{
	return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16
	    | (uint32_t) p[2] << 8 | p[3];
}


/* A wrong byte is refused as soon as it is seen, not when eight are. */

static enum wire_event
check_header(struct wire_reader *r)
{
	if (memcmp(r->header, magic, r->have < 2 ? r->have : 2) != 0) {
		return WIRE_BAD_MAGIC;
	}

	if (r->have > 2 && r->header[2] != WIRE_VERSION) {
		return WIRE_BAD_VERSION;
	}

	if (r->have < WIRE_HEADER_SIZE) {
		return WIRE_AGAIN;
	}

	r->type = r->header[3];
	r->length = get32(r->header + 4);

	return r->length > r->limit ? WIRE_TOO_LONG : WIRE_HEADER;
}


static enum wire_event
read_header(struct wire_reader *r, const unsigned char **pos,
    const unsigned char *last)
{
	size_t           n;
	enum wire_event  event;

	n = WIRE_HEADER_SIZE - r->have;

	if (n > (size_t) (last - *pos)) {
		n = (size_t) (last - *pos);
	}

	memcpy(r->header + r->have, *pos, n);

	r->have = (uint8_t) (r->have + n);
	*pos += n;

	event = check_header(r);

	if (event == WIRE_HEADER) {
		r->rest = r->length;
		r->state = READ_PAYLOAD;

	} else if (event != WIRE_AGAIN) {
		r->state = READ_FAILED;
	}

	return event;
}


enum wire_event
wire_read(struct wire_reader *r, const unsigned char **pos,
    const unsigned char *last)
{
	size_t  n;

	if (r->state == READ_FAILED) {
		return check_header(r);
	}

	if (r->state == READ_HEADER) {
		return *pos == last ? WIRE_AGAIN : read_header(r, pos, last);
	}

	if (r->rest == 0) {
		r->have = 0;
		r->state = READ_HEADER;
		return WIRE_DONE;
	}

	n = (size_t) (last - *pos);

	if (n == 0) {
		return WIRE_AGAIN;
	}

	if (n > r->rest) {
		n = r->rest;
	}

	r->data = *pos;
	r->size = n;
	r->rest -= (uint32_t) n;
	*pos += n;

	return WIRE_DATA;
}


unsigned char *
wire_put_header(unsigned char *dst, enum wire_type type, uint32_t length)
{
	*dst++ = magic[0];
	*dst++ = magic[1];
	*dst++ = WIRE_VERSION;
	*dst++ = (unsigned char) type;
	*dst++ = (unsigned char) (length >> 24);
	*dst++ = (unsigned char) (length >> 16);
	*dst++ = (unsigned char) (length >> 8);
	*dst++ = (unsigned char) length;

	return dst;
}


const char *
wire_strerror(enum wire_event event)
{
	switch (event) {

	case WIRE_BAD_MAGIC:
		return "invalid frame magic";

	case WIRE_BAD_VERSION:
		return "unsupported protocol version";

	case WIRE_TOO_LONG:
		return "too long frame";

	default:
		return "no error";
	}
}
