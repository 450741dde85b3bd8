/*
 * Copyright (C) The codeexec authors.
 *
 * after(function, observer): a callable that looks and behaves like function,
 * and calls observer(result, args, kwargs) when that has returned.  Written in
 * C, because a function in Python would be a frame in the user's tracebacks.
 */

#define Py_LIMITED_API  0x030a0000
#define PY_SSIZE_T_CLEAN

#include <Python.h>

#include "after.h"

struct after {
	PyObject   ob_base;
	PyObject  *function;
	PyObject  *observer;
};

static PyObject  *type, *method_type;


static int
traverse(PyObject *self, visitproc visit, void *arg)
{
	struct after  *after = (struct after *) self;

	Py_VISIT(Py_TYPE(self));
	Py_VISIT(after->function);
	Py_VISIT(after->observer);

	return 0;
}


static int
clear(PyObject *self)
{
	struct after  *after = (struct after *) self;

	Py_CLEAR(after->function);
	Py_CLEAR(after->observer);

	return 0;
}


static void
dealloc(PyObject *self)
{
	freefunc   release;
	PyObject  *of = (PyObject *) Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	(void) clear(self);

	release = (freefunc) PyType_GetSlot((PyTypeObject *) of, Py_tp_free);
	release(self);

	Py_DECREF(of);
}


static PyObject *
call(PyObject *self, PyObject *args, PyObject *kwargs)
{
	PyObject      *result, *seen;
	struct after  *after = (struct after *) self;

	result = PyObject_Call(after->function, args, kwargs);

	if (result == NULL) {
		return NULL;
	}

	seen = PyObject_CallFunctionObjArgs(after->observer, result, args,
	    kwargs != NULL ? kwargs : Py_None, NULL);

	if (seen == NULL) {
		Py_DECREF(result);
		return NULL;
	}

	Py_DECREF(seen);

	return result;
}


/* As a function of a class it becomes a method. */

static PyObject *
get(PyObject *self, PyObject *object, PyObject *owner)
{
	(void) owner;

	if (object == NULL || object == Py_None) {
		return Py_NewRef(self);
	}

	return PyObject_CallFunctionObjArgs(method_type, self, object, NULL);
}


static PyObject *
get_attribute(PyObject *self, PyObject *name)
{
	return PyObject_GetAttr(((struct after *) self)->function, name);
}


static PyObject *
represent(PyObject *self)
{
	return PyObject_Repr(((struct after *) self)->function);
}


static PyType_Slot slots[] = {
	{ Py_tp_traverse, traverse },
	{ Py_tp_clear, clear },
	{ Py_tp_dealloc, dealloc },
	{ Py_tp_call, call },
	{ Py_tp_descr_get, get },
	{ Py_tp_getattro, get_attribute },
	{ Py_tp_repr, represent },
	{ 0, NULL }
};

static PyType_Spec spec = {
	.name = "builtins.function",
	.basicsize = sizeof(struct after),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
	         | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = slots
};


int
after_init(void)
{
	PyObject  *types;

	types = PyImport_ImportModule("types");
	method_type = types != NULL
	    ? PyObject_GetAttrString(types, "MethodType") : NULL;
	type = PyType_FromSpec(&spec);

	Py_XDECREF(types);

	return method_type != NULL && type != NULL ? 0 : -1;
}


PyObject *
after_make(PyObject *self, PyObject *args)
{
	PyObject       *function, *observer;
	allocfunc       allocate;
	struct after   *after;
	PyTypeObject   *of = (PyTypeObject *) type;

	(void) self;

	if (!PyArg_ParseTuple(args, "OO", &function, &observer)) {
		return NULL;
	}

	allocate = (allocfunc) PyType_GetSlot(of, Py_tp_alloc);
	after = (struct after *) allocate(of, 0);

	if (after != NULL) {
		after->function = Py_NewRef(function);
		after->observer = Py_NewRef(observer);
	}

	return (PyObject *) after;
}
