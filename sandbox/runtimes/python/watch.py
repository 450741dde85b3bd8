# Copyright (C) The codeexec authors.
"""Calls a function when a module has been imported, by whomever."""

import sys

import _codeexec

installers = {}     # by name of the module


def notice(name):
    try:
        installers[name](sys.modules[name])
    except Exception:
        pass    # a file of the program that has only the name


class Finder:
    """First of sys.meta_path; it finds nothing by itself."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name not in installers or name in sys.modules:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, 'find_spec', None)
            if finder is Finder or find is None:
                continue
            spec = find(name, path, target)
            if spec is not None:
                hook(spec, name)
                return spec
        return None


def hook(spec, name):
    loader = spec.loader
    if hasattr(loader, 'exec_module'):
        loader.exec_module = _codeexec.after(
            loader.exec_module, lambda result, args, kwargs: notice(name))


def start():
    for name in installers:
        if name in sys.modules:
            notice(name)
    sys.meta_path.insert(0, Finder)


def is_a(value, module, name):
    """isinstance() of a class that is there if that module was imported, if
    it is the module that it should be, and not a file of the program."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)


def stop():
    sys.meta_path.remove(Finder)
