/*
 * Copyright (C) The codeexec authors.
 *
 * Fuzzer of the frame codec (libFuzzer).
 *
 * The same bytes are read three times: whole, split in two, and one by one.
 * The events must be the same each time, with the slices of a payload joined,
 * and the last of them must be the one that a much simpler reader finds.
 * The first two bytes of the input say where to split and set the limit.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

#define CHECK(x)  if (!(x)) { check_failed(#x, __LINE__); }


/* What a reading amounts to: frames as they came, then how it ended. */

struct trace {
	unsigned char    *bytes;
	size_t            size;
	size_t            room;
	uint64_t          seen;      /* payload of the current frame */
	enum wire_event   last;
	int               open;      /* between HEADER and DONE */
	int               idle;
};


static void
check_failed(const char *what, int line)
{
	fprintf(stderr, "line %d: %s does not hold\n", line, what);
	abort();
}


static void
trace_add(struct trace *t, const void *bytes, size_t size)
{
	CHECK(size <= t->room - t->size);

	if (size != 0) {
		memcpy(t->bytes + t->size, bytes, size);
		t->size += size;
	}
}


static void
trace_init(struct trace *t, size_t input)
{
	memset(t, 0, sizeof(*t));

	/* At most one header of 5 bytes and one end for each 8 of input. */

	t->room = 2 * input + 16;
	t->bytes = malloc(t->room);
	CHECK(t->bytes != NULL);
}


static void
trace_event(struct trace *t, const struct wire_reader *r,
    enum wire_event event)
{
	switch (event) {

	case WIRE_HEADER:
		CHECK(!t->open);
		CHECK(r->rest == r->length && r->length <= r->limit);
		trace_add(t, &r->type, 1);
		trace_add(t, &r->length, sizeof(r->length));
		t->open = 1;
		t->seen = 0;
		break;

	case WIRE_DATA:
		CHECK(t->open && r->size > 0);
		trace_add(t, r->data, r->size);
		t->seen += r->size;
		CHECK(t->seen + r->rest == r->length);
		break;

	case WIRE_DONE:
		CHECK(t->open && t->seen == r->length && r->rest == 0);
		CHECK(wire_reader_idle(r));
		t->open = 0;
		break;

	default:
		break;
	}
}


/* Feeds one piece; false after an error. */

static int
feed(struct wire_reader *r, struct trace *t, const unsigned char *data,
    size_t size)
{
	const unsigned char  *pos, *before, *last;

	/* A copy of its own lets ASan see any read beyond the piece. */

	unsigned char        *piece;

	piece = malloc(size ? size : 1);
	CHECK(piece != NULL);

	if (size != 0) {
		memcpy(piece, data, size);
	}

	pos = piece;
	last = piece + size;

	do {
		before = pos;
		t->last = wire_read(r, &pos, last);
		CHECK(pos >= before && pos <= last);
		trace_event(t, r, t->last);
	} while (t->last > WIRE_AGAIN);

	CHECK(t->last != WIRE_AGAIN || pos == last);
	free(piece);

	return t->last == WIRE_AGAIN;
}


static void
check_final(struct wire_reader *r, enum wire_event event)
{
	static const unsigned char  good[] = { 'C', 'X', 1, 5, 0, 0, 0, 0 };
	const unsigned char        *pos;

	if (event == WIRE_AGAIN) {
		return;
	}

	pos = good;
	CHECK(wire_read(r, &pos, good + sizeof(good)) == event);
	CHECK(strcmp(wire_strerror(event), "no error") != 0);
}


static void
read_all(struct trace *t, const unsigned char *data, size_t size, size_t piece,
    uint32_t limit)
{
	size_t              n, at;
	struct wire_reader  r;

	trace_init(t, size);
	wire_reader_init(&r, limit);

	CHECK(wire_reader_idle(&r));
	CHECK(r.limit <= WIRE_LENGTH_MAX);

	for (at = 0; at < size; at += n) {
		n = size - at < piece ? size - at : piece;

		if (!feed(&r, t, data + at, n)) {
			break;
		}

		/* A split in two: the rest at once. */

		piece = piece == 1 ? 1 : size;
	}

	t->idle = wire_reader_idle(&r);
	check_final(&r, t->last);
}


static void
check_same(const struct trace *a, const struct trace *b)
{
	CHECK(a->size == b->size);
	CHECK(memcmp(a->bytes, b->bytes, a->size) == 0);
	CHECK(a->last == b->last);
	CHECK(a->open == b->open);
	CHECK(a->idle == b->idle);
}


/* How it has to end, found with all of the input at hand. */

static enum wire_event
expected_end(const unsigned char *p, size_t size, uint32_t limit)
{
	uint32_t  length;

	for ( ;; ) {
		if ((size > 0 && p[0] != 'C') || (size > 1 && p[1] != 'X')) {
			return WIRE_BAD_MAGIC;
		}

		if (size > 2 && p[2] != WIRE_VERSION) {
			return WIRE_BAD_VERSION;
		}

		if (size < WIRE_HEADER_SIZE) {
			return WIRE_AGAIN;
		}

		length = (uint32_t) p[4] << 24 | p[5] << 16 | p[6] << 8 | p[7];

		if (length > limit) {
			return WIRE_TOO_LONG;
		}

		if (size - WIRE_HEADER_SIZE < length) {
			return WIRE_AGAIN;
		}

		p += WIRE_HEADER_SIZE + length;
		size -= WIRE_HEADER_SIZE + length;
	}
}


/* What is written must be read back. */

static void
check_header(uint8_t type, uint32_t length)
{
	unsigned char         header[WIRE_HEADER_SIZE];
	const unsigned char  *pos;
	enum wire_event       event;
	struct wire_reader    r;

	CHECK(wire_put_header(header, (enum wire_type) type, length)
	    == header + WIRE_HEADER_SIZE);

	wire_reader_init(&r, UINT32_MAX);
	pos = header;
	event = wire_read(&r, &pos, header + WIRE_HEADER_SIZE);

	if (length > WIRE_LENGTH_MAX) {
		CHECK(event == WIRE_TOO_LONG);
		return;
	}

	CHECK(event == WIRE_HEADER);
	CHECK(r.type == type && r.length == length);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t        split;
	uint32_t      limit;
	struct trace  whole, two, bytes;

	if (size < 2) {
		return 0;
	}

	split = 1 + data[0];
	limit = data[1] < 128 ? data[1] : (uint32_t) (data[1] - 127) << 20;
	data += 2;
	size -= 2;

	read_all(&whole, data, size, size ? size : 1, limit);
	read_all(&two, data, size, split, limit);
	read_all(&bytes, data, size, 1, limit);

	check_same(&whole, &two);
	check_same(&whole, &bytes);

	if (limit > WIRE_LENGTH_MAX) {
		limit = WIRE_LENGTH_MAX;
	}

	CHECK(whole.last == expected_end(data, size, limit));

	if (size >= 5) {
		check_header(data[0], (uint32_t) data[1] << 24 | data[2] << 16
		    | data[3] << 8 | data[4]);
	}

	free(whole.bytes);
	free(two.bytes);
	free(bytes.bytes);

	return 0;
}
