/*
 * Copyright (C) The codeexec authors.
 *
 * _codeexec: the Python side of the zygote, in the stable ABI, so that one
 * build serves every interpreter an operator points codeexecd at.
 */

#define Py_LIMITED_API  0x030a0000
#define PY_SSIZE_T_CLEAN

#include <Python.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "after.h"
#include "arenas.h"
#include "hygiene.h"
#include "inbox.h"
#include "lockdown.h"
#include "reseed.h"
#include "zygote.h"

PyMODINIT_FUNC PyInit__codeexec(void);

static struct spawn_fork  request;  /* that this run was forked for */

/* The module, which no import finds.  Not in the zeroed memory, which the
 * keeper has its stack in and the program may write to. */

static PyObject  *runner = Py_None;


static void
after_fork_child(void)
{
	PyOS_AfterFork_Child();
	reseed();
}

static struct zygote_hooks hooks = {
	.before_fork = PyOS_BeforeFork,
	.after_fork_parent = PyOS_AfterFork_Parent,
	.after_fork_child = after_fork_child
};


/* NULL is an exception, for the caller or for the end of the run. */

static PyObject *
call(const char *name, PyObject *args)
{
	PyObject  *function, *result;

	function = PyObject_GetAttrString(runner, name);
	result = function != NULL ? PyObject_CallObject(function, args) : NULL;

	Py_XDECREF(function);
	Py_XDECREF(args);

	return result;
}


/* An exit code, or 255 for what can't happen unless user code has changed
 * the runner. */

static int
exit_code(PyObject *result)
{
	long  code;

	code = result != NULL ? PyLong_AsLong(result) : 255;

	if (PyErr_Occurred() != NULL) {
		PyErr_Clear();
		code = 255;
	}

	return (int) code & 0xff;
}


#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* What comes after it is newer than the stable ABI that we keep to. */

static PyObject *
take_exception(void)
{
	PyObject  *type, *value, *traceback;

	PyErr_Fetch(&type, &value, &traceback);
	PyErr_NormalizeException(&type, &value, &traceback);

	if (traceback != NULL) {
		(void) PyException_SetTraceback(value, traceback);
	}

	Py_XDECREF(traceback);
	Py_XDECREF(type);

	return value;
}

#pragma GCC diagnostic pop


static PyObject *
wait_job(void)
{
	int                i, fd;
	PyObject          *texts, *text;
	struct inbox       inbox;
	struct spawn_job   job;

	fd = lockdown_wait(&request, &job);
	(void) close(SPAWN_CONTROL_FD);

	inbox_open(&inbox, fd, &job);

	texts = PyTuple_New(TEXT_COMMAND);

	for (i = 0; texts != NULL && i < TEXT_COMMAND; i++) {
		text = PyBytes_FromStringAndSize(inbox.text[i],
		    (Py_ssize_t) job.size[i]);

		if (text == NULL || PyTuple_SetItem(texts, i, text) != 0) {
			Py_CLEAR(texts);
		}
	}

	inbox_close(&inbox);

	return texts;
}


/* begin() returns the code, its globals and whether complete() follows, or the
 * exit code of a program that is none. */

static int
run_job(void)
{
	int        more;
	PyObject  *job, *begun, *code, *globals, *result;

	begun = NULL;

	if (call("prepare", NULL) != NULL && (job = wait_job()) != NULL) {
		begun = call("begin", job);
	}

	if (begun == NULL || !PyTuple_Check(begun)) {
		return exit_code(begun);
	}

	if (!PyArg_ParseTuple(begun, "OOp", &code, &globals, &more)) {
		return exit_code(NULL);
	}

	/* The call of serve() has been counted as one of a thousand. */

	Py_LeaveRecursiveCall();
	result = PyEval_EvalCode(code, globals, globals);
	(void) Py_EnterRecursiveCall("");

	if (result != NULL && more) {
		result = call("complete", Py_BuildValue("(N)", result));
	}

	return result != NULL ? 0
	    : exit_code(call("failed", Py_BuildValue("(N)", take_exception())));
}


/* "3.11.2 (main, …": the first word of it. */

static const char *
version(void)
{
	static char  text[28];

	(void) snprintf(text, sizeof(text), "%.*s",
	    (int) strcspn(Py_GetVersion(), " "), Py_GetVersion());

	return text;
}


/*
 * sys.excepthook of the zygote, whose script ends with an exception: so it is
 * called by the interpreter itself, when no Python frame is left.  User code
 * then finds its own frames only, and has the whole recursion limit.
 */

static PyObject *
serve(PyObject *self, PyObject *args)
{
	int  code;

	(void) self;
	(void) args;

	if (call("settle", NULL) == NULL) {
		PyErr_Print();
		_exit(1);
	}

	arenas_release();

	hooks.version = version();
	zygote_serve(&hooks, &request);

	code = run_job();

	_exit(exit_code(call("finish", Py_BuildValue("(i)", code))));
}


static PyObject *
use(PyObject *self, PyObject *module)
{
	(void) self;

	runner = Py_NewRef(module);

	Py_RETURN_NONE;
}


static PyObject *
gather(PyObject *self, PyObject *args)
{
	(void) self;
	(void) args;

	arenas_gather();

	Py_RETURN_NONE;
}


static PyObject *
tell(PyObject *self, PyObject *args)
{
	const char  *text;

	(void) self;

	if (!PyArg_ParseTuple(args, "s", &text)) {
		return NULL;
	}

	free((char *) (uintptr_t) hooks.packages);
	hooks.packages = strdup(text);

	Py_RETURN_NONE;
}


static PyObject *
inspect(PyObject *self, PyObject *args)
{
	const int    policy = SPAWN_FILTER_FD;
	const char  *who, *why;

	(void) self;

	if (!PyArg_ParseTuple(args, "s", &who)) {
		return NULL;
	}

	why = hygiene_inspect(&policy, 1);
	if (why != NULL) {
		hygiene_refuse(who, why);
	}

	Py_RETURN_NONE;
}


static PyMethodDef methods[] = {
	{ "use", use, METH_O,
	  "use(module)\n\n"
	  "Its functions prepare() to finish() are those of a run." },
	{ "serve", serve, METH_VARARGS,
	  "serve(type, value, traceback)\n\n"
	  "Fork at codeexecd's request for ever; run its jobs in the runs.\n"
	  "An excepthook: it does not return." },
	{ "inspect", inspect, METH_VARARGS,
	  "inspect(who)\n\n"
	  "Exit, saying that it was who, if this process can't be forked." },
	{ "gather", gather, METH_NOARGS,
	  "gather()\n\n"
	  "Have what is made from now on where a fork is cheap." },
	{ "reseed_at_fork", reseed_at_fork, METH_VARARGS,
	  "reseed_at_fork(capsule, key, position)\n\n"
	  "Have random numbers in a numpy.random.MT19937 of each run." },
	{ "tell", tell, METH_VARARGS,
	  "tell(packages)\n\n"
	  "What codeexecd is to know of the packages that can be imported." },
	{ "after", after_make, METH_VARARGS,
	  "after(function, observer)\n\n"
	  "function, and then observer(result, args, kwargs) is called." },
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
	return after_init() == 0 ? PyModule_Create(&definition) : NULL;
}
