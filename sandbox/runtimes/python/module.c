/*
 * Copyright (C) The codeexec authors.
 *
 * _codeexec: the Python side of the zygote, in the stable ABI, so that one
 * build serves every interpreter an operator points codeexecd at.
 */

#define Py_LIMITED_API  0x03070000
#define PY_SSIZE_T_CLEAN

#include <Python.h>

#include <errno.h>
#include <unistd.h>

#include "lockdown.h"
#include "zygote.h"

PyMODINIT_FUNC PyInit__codeexec(void);

static struct spawn_fork  request;  /* that this run was forked for */

static const struct zygote_hooks hooks = {
	.before_fork = PyOS_BeforeFork,
	.after_fork_parent = PyOS_AfterFork_Parent,
	.after_fork_child = PyOS_AfterFork_Child
};


static PyObject *
read_text(int fd, uint32_t size)
{
	char      *p;
	ssize_t    n;
	uint32_t   got;
	PyObject  *bytes;

	bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t) size);
	if (bytes == NULL) {
		return NULL;
	}

	p = PyBytes_AsString(bytes);

	for (got = 0; got < size; got += (uint32_t) n) {
		n = read(fd, p + got, size - got);

		if (n <= 0) {
			Py_DECREF(bytes);
			return PyErr_SetFromErrno(PyExc_OSError);
		}
	}

	return bytes;
}


static PyObject *
serve(PyObject *self, PyObject *unused)
{
	char  error[128];

	(void) self;
	(void) unused;

	if (zygote_serve(&hooks, &request, error, sizeof(error)) != 0) {
		PyErr_SetString(PyExc_RuntimeError, error);
		return NULL;
	}

	Py_RETURN_NONE;
}


static PyObject *
wait_job(PyObject *self, PyObject *unused)
{
	int               fd;
	PyObject         *code, *vars, *args;
	struct spawn_job  job;

	(void) self;
	(void) unused;

	fd = lockdown_wait(&request, &job);

	code = read_text(fd, job.code_size);
	vars = code != NULL ? read_text(fd, job.vars_size) : NULL;
	args = vars != NULL ? read_text(fd, job.args_size) : NULL;

	(void) close(fd);

	if (args == NULL) {
		Py_XDECREF(code);
		Py_XDECREF(vars);
		return NULL;
	}

	return Py_BuildValue("(NNN)", code, vars, args);
}


static PyMethodDef methods[] = {
	{ "serve", serve, METH_NOARGS,
	  "serve()\n\n"
	  "Fork at codeexecd's request for ever; return in each run, which is\n"
	  "locked down then." },
	{ "wait", wait_job, METH_NOARGS,
	  "wait() -> (code, variables, arguments)\n\n"
	  "Park the run and return the three texts of its job, as bytes." },
	{ NULL, NULL, 0, NULL }
};

static struct PyModuleDef definition = {
	PyModuleDef_HEAD_INIT,
	.m_name = "_codeexec",
	.m_size = -1,
	.m_methods = methods
};


PyMODINIT_FUNC
PyInit__codeexec(void)
{
	return PyModule_Create(&definition);
}
