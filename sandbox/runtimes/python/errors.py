# Copyright (C) The codeexec authors.
"""Tracebacks as the interpreter prints them, without a frame of ours."""

import io
import linecache
import os
import sys
import traceback

import results

NAME = 'main.py'
HOME = '/home/user'
HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep

TRACEBACK_MAX = 20000   # characters

# Whether somebody sees to the packages that are there: packages.py.
hints = False


def suggestion(kind, error, tb):
    """The last line as the interpreter has it: "Did you mean" is only there."""
    stderr, sys.stderr = sys.stderr, io.StringIO()
    try:
        sys.__excepthook__(kind, error, tb)
        return sys.stderr.getvalue().splitlines(keepends=True)[-1]
    finally:
        sys.stderr = stderr


def is_theirs(name):
    """Whether a frame is of the program and the files beside it."""
    return name == NAME or name.startswith(HOME + '/') \
        or name.startswith('<') and not name.startswith('<frozen ')


def is_not_ours(name):
    return not name.startswith(HERE)


def drop(trace, keep):
    """Drops the frames that are not to be seen, from causes, too."""
    todo, seen = [trace], set()
    while todo:
        trace = todo.pop()
        if trace is None or id(trace) in seen:
            continue
        seen.add(id(trace))
        trace.stack[:] = [frame for frame in trace.stack
                          if keep(frame.filename)]
        todo += trace.__cause__, trace.__context__
        todo += getattr(trace, 'exceptions', None) or ()


def render(kind, error, tb, keep=is_not_ours):
    if isinstance(error, SyntaxError) and error.filename == NAME \
            and error.text is None and error.lineno:
        error.text = linecache.getline(NAME, error.lineno)
    trace = traceback.TracebackException(kind, error, tb, compact=True)
    drop(trace, keep)
    lines = list(trace.format())
    if isinstance(error, (NameError, AttributeError)):
        lines[-1] = suggestion(kind, error, tb)
    return ''.join(lines)


def hint(error):
    """What can be done about a program that wants a package."""
    if hints and isinstance(error, ModuleNotFoundError) \
            and error.name and '.' not in error.name:
        return ('No package with a module "%s" is installed here. '
                'Whoever runs this service can add one.\n' % error.name)
    return ''


def report(kind, error, tb):
    """sys.excepthook"""
    sys.stderr.write(render(kind, error, tb) + hint(error))


def mention(error):
    """An exception that a program is not ended by."""
    try:
        report(type(error), error, error.__traceback__)
    except Exception:
        results.say('%s while showing a result' % type(error).__name__)


def describe(error):
    """name, value and traceback, for those who got no stderr."""
    try:
        value = str(error)
    except Exception:
        value = '<exception str() failed>'
    try:
        text = render(type(error), error, error.__traceback__, is_theirs)
    except Exception:
        text = '%s: %s\n' % (type(error).__name__, value)
    if len(text) > TRACEBACK_MAX:
        half = TRACEBACK_MAX // 2
        text = '%s\n…\n%s' % (text[:half], text[-half:])
    return {'name': type(error).__name__, 'value': results.cut(value, 10000),
            'traceback': text}
