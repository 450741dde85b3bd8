/*
 * Copyright (C) The codeexec authors.
 */

#define Py_LIMITED_API  0x030a0000
#define PY_SSIZE_T_CLEAN

#include "reseed.h"

#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define KEY  624

/* A Mersenne Twister; all of the key is used up when position is KEY. */

struct twister {
	uint32_t  key[KEY];
	int       position;
};

static struct twister  *twister;


PyObject *
reseed_at_fork(PyObject *self, PyObject *args)
{
	int           position;
	void        **generator;  /* begins with a pointer to its state */
	PyObject     *capsule;
	const char   *key;
	Py_ssize_t    size;

	(void) self;

	if (!PyArg_ParseTuple(args, "Oy#i", &capsule, &key, &size, &position)) {
		return NULL;
	}

	generator = PyCapsule_GetPointer(capsule, "BitGenerator");
	if (generator == NULL) {
		return NULL;
	}

	if (size == sizeof(twister->key)) {
		twister = *generator;

		if (memcmp(twister->key, key, sizeof(twister->key)) != 0
		    || twister->position != position)
		{
			twister = NULL;
		}
	}

	return PyBool_FromLong(twister != NULL);
}


void
reseed(void)
{
	if (twister == NULL) {
		return;
	}

	if (getrandom(twister->key, sizeof(twister->key), 0)
	    != sizeof(twister->key))
	{
		_exit(126);
	}

	twister->position = KEY;
}
