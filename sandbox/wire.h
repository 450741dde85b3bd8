/*
 * Copyright (C) The codeexec authors.
 *
 * The wire between nginx and codeexecd: the frame codec.
 *
 * docs/protocol.md describes the format byte by byte.  This file and wire.c
 * depend on the C library alone, so that the nginx module, the daemon, the
 * tests and the fuzzer all compile the very same code.
 *
 * A reader never allocates, never blocks and never looks at more bytes than
 * it was given; it hands payload out as slices of the caller's buffer.
 */

#ifndef CODEEXEC_WIRE_H
#define CODEEXEC_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define WIRE_VERSION      1
#define WIRE_HEADER_SIZE  8

/* No frame is longer than this, whatever the caller allows.  Bytes. */
#define WIRE_LENGTH_MAX   (64u << 20)


/* Bump WIRE_VERSION whenever a value below changes its meaning. */

enum wire_type {

	/* nginx to codeexecd */

	WIRE_JOB    = 0x01,  /* JSON object: what to run, under which limits */
	WIRE_CODE   = 0x02,  /* source text, any number of frames */
	WIRE_VARS   = 0x03,  /* JSON object text, passed on unread */
	WIRE_STDIN  = 0x04,  /* standard input, any number of frames */
	WIRE_RUN    = 0x05,  /* empty: the job is complete, start it */
	WIRE_QUERY  = 0x06,  /* empty: report the state of the daemon */
	WIRE_PUT    = 0x07,  /* 2 bytes name length, name, content: a file */
	WIRE_STOP   = 0x08,  /* JSON object: which run is to end now */

	/* codeexecd to nginx */

	WIRE_RESULT = 0x81,  /* JSON object: status, usage, sizes to follow */
	WIRE_STDOUT = 0x82,  /* bytes the run wrote */
	WIRE_STDERR = 0x83,
	WIRE_FILE   = 0x84,  /* 2 bytes name length, name, content */
	WIRE_END    = 0x85,  /* empty: nothing more follows */
	WIRE_BUSY   = 0x86,  /* JSON object: nothing was started, retry later */
	WIRE_REJECT = 0x87,  /* JSON object: nothing was started, job is bad */
	WIRE_STATE  = 0x88,  /* JSON object: the answer to WIRE_QUERY */
	WIRE_SHOW   = 0x89,  /* parts of one result, as the program shows it */
	WIRE_STOPPED = 0x8a  /* JSON object: the answer to WIRE_STOP */
};


/* What wire_read() found.  Errors are negative and final. */

enum wire_event {
	WIRE_AGAIN       = 0,   /* all input consumed, more is needed */
	WIRE_HEADER      = 1,   /* a frame begins: type and length are set */
	WIRE_DATA        = 2,   /* data and size hold a slice of its payload */
	WIRE_DONE        = 3,   /* the frame is complete */
	WIRE_BAD_MAGIC   = -1,
	WIRE_BAD_VERSION = -2,
	WIRE_TOO_LONG    = -3   /* length above the reader's limit */
};


struct wire_reader {
	uint32_t              limit;   /* largest payload accepted, bytes */

	/* valid from WIRE_HEADER to WIRE_DONE */

	uint32_t              length;  /* payload bytes of this frame */
	uint32_t              rest;    /* of which not seen yet */
	uint8_t               type;

	/* valid after WIRE_DATA, points into the caller's input */

	const unsigned char  *data;
	size_t                size;

	/* private */

	unsigned char         header[WIRE_HEADER_SIZE];
	uint8_t               have;    /* bytes of header collected */
	uint8_t               state;
};


/* limit is cut to WIRE_LENGTH_MAX. */
void wire_reader_init(struct wire_reader *r, uint32_t limit);

/*
 * Advances *pos towards last and returns at the first event.  Call again
 * until it returns WIRE_AGAIN (then *pos == last) or an error.
 */
enum wire_event wire_read(struct wire_reader *r, const unsigned char **pos,
    const unsigned char *last);

/* True between frames: a connection may only be reused here. */
int wire_reader_idle(const struct wire_reader *r);

/* Writes WIRE_HEADER_SIZE bytes to dst and returns the first byte after. */
unsigned char *wire_put_header(unsigned char *dst, enum wire_type type,
    uint32_t length);

/* A constant English phrase for an error event. */
const char *wire_strerror(enum wire_event event);

#endif /* CODEEXEC_WIRE_H */
