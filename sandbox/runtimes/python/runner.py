# Copyright (C) The codeexec authors.
"""One run: the user's program as __main__, with the manners of a script.

_codeexec calls prepare(), begin(), complete(), failed() and finish(), and runs
what begin() returns by itself, so that no frame of this file is below the
program.

Everything here runs inside the jail, next to user code that may have changed
any of it: nothing that codeexecd relies on is decided here.
"""

import atexit
import gc
import io
import json
import linecache
import os
import sys
import traceback
import types

import capture
import errors
from errors import HOME, NAME

PATH = os.path.join(HOME, NAME)

ENVIRONMENT = {
    'HOME': HOME,
    'LANG': 'C.UTF-8',
    'LOGNAME': 'user',
    'MPLBACKEND': 'Agg',
    'MATPLOTLIBRC': '/opt/codeexec/matplotlib/matplotlibrc',
    'PATH': '/usr/local/bin:/usr/bin:/bin',
    'PYTHONDONTWRITEBYTECODE': '1',
    'PYTHONUTF8': '1',
    'TMPDIR': '/tmp',
    'TZ': 'UTC',
    'USER': 'user',
    'OMP_NUM_THREADS': '1',
    'OPENBLAS_NUM_THREADS': '1',
}


def text_stream(fd, mode, **options):
    # The size is said, because that of the file behind fd may still change.
    raw = io.FileIO(fd, mode, closefd=False)
    kind = io.BufferedReader if mode == 'r' else io.BufferedWriter
    stream = io.TextIOWrapper(kind(raw, 65536), 'utf-8', **options)
    stream.mode = mode
    return stream


def open_streams():
    """Streams on descriptors 0 to 2, whatever a run will find behind them.

    They are made while 1 and 2 are a pipe, as they will be in the run.
    """
    saved = [os.dup(fd) for fd in (1, 2)]
    pipe = os.pipe()
    for fd in (1, 2):
        os.dup2(pipe[1], fd)

    sys.stdin = sys.__stdin__ = text_stream(0, 'r', errors='surrogateescape')
    sys.stdout = sys.__stdout__ = text_stream(1, 'w', errors='surrogateescape')
    sys.stderr = sys.__stderr__ = text_stream(2, 'w', line_buffering=True,
                                              errors='backslashreplace')

    for fd, old in zip((1, 2), saved):
        os.dup2(old, fd, inheritable=True)
    for fd in (*saved, *pipe):
        os.close(fd)


def make_main(variables):
    main = types.ModuleType('__main__')
    main.__dict__.update({
        '__builtins__': sys.modules['builtins'],
        '__file__': PATH,
        '__cached__': None,
    })
    main.__dict__.update(variables)
    sys.modules['__main__'] = main
    return main


def exit_code(code):
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xff if -2**63 <= code < 2**63 else 255
    print(code, file=sys.stderr)
    return 1


def failed(error):
    """The exit code of a program that has ended with an exception."""
    capture.failed(error)
    if isinstance(error, SystemExit):
        return exit_code(error.code)
    sys.last_type, sys.last_value = type(error), error
    sys.last_traceback = error.__traceback__
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except SystemExit as other:
        return exit_code(other.code)
    except BaseException:
        traceback.print_exception(error)
    return 130 if isinstance(error, KeyboardInterrupt) else 1


def finish(code):
    """What the interpreter does at its end, without its slow teardown."""
    try:
        if 'threading' in sys.modules:
            sys.modules['threading']._shutdown()
        capture.finish(main.__dict__)
        atexit._run_exitfuncs()
    except BaseException:
        traceback.print_exc()

    # Files that the program left open are flushed as their objects die.
    sys.last_type = sys.last_value = sys.last_traceback = None
    main.__dict__.clear()
    gc.collect()

    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, ValueError):
            pass
        except OSError:
            code = 120
    return code


# The program, once it has come.
text = None

# The interpreter writes to code until it has run so often.
WARM = 16

# Arguments of os.register_at_fork() that have waited for the run.
fork_hooks = []

REHEARSAL = b"""
def function(value):
    return '%s' % value
print(function(1), file=output)
function(1)
"""


class ProgramFile:
    """Writes the program to its file when somebody is going to read it.

    That is a program that names __file__ or argv[0], and processes that
    multiprocessing starts anew, rather than forks: they load the program from
    there.  It is not there otherwise: the directory that a run begins in is
    empty.
    """

    READERS = ('multiprocessing.popen_spawn_posix',
               'multiprocessing.popen_forkserver')

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name in cls.READERS and text is not None:
            cls.write()

    @staticmethod
    def write():
        try:
            with open(PATH, 'xb') as file:
                file.write(text)
        except OSError:
            pass


def set_up():
    """In the zygote: what every run has in common."""
    open_streams()
    sys.path.insert(0, HOME)
    sys.meta_path.insert(0, ProgramFile)

    # What is made when it is first used is made here.
    for _ in range(WARM):
        main = make_main({'output': io.StringIO()})
        capture.rehearse(REHEARSAL, main)
        main.__dict__.clear()


def settle():
    """In the zygote, when its script has ended, as it does, by an exception."""
    sys.excepthook = errors.report
    for name in 'last_exc', 'last_type', 'last_value', 'last_traceback':
        vars(sys).pop(name, None)

    # What lives now lives for ever: never walked by a collection, never
    # copied because a collection wrote to it.
    gc.collect()
    gc.freeze()
    gc.disable()


def prepare():
    """In a run that waits for its job.

    A forked process pays for each page it writes to first.  Going through
    the motions once makes the parked run pay, not the one that is waited for.
    """
    gc.enable()
    for hooks in fork_hooks:
        os.register_at_fork(**hooks)
    main = make_main({'output': io.StringIO()})
    exec(compile(REHEARSAL, NAME, 'exec', dont_inherit=True), main.__dict__)
    main.__dict__.clear()
    gc.collect()
    gc.freeze()


def split(text):
    return [os.fsdecode(part) for part in text.split(b'\0')[:-1]]


def begin(source, variables, arguments, environment, options):
    """The program's code and globals, and whether complete() is to be called;
    or the exit code if it is no program."""
    global main, text
    wishes = json.loads(options) if options not in (b'', b'{}') else None
    if wishes and wishes.get('dedent'):
        source = capture.program.dedent(source)
    text = source
    # Functions are of a file of this name, classes of the module's.
    linecache.cache[NAME] = linecache.cache[PATH] = (
        lambda: source.decode('utf-8', 'replace'),)
    if b'__file__' in source or b'argv[0]' in source:
        ProgramFile.write()
    sys.argv = [NAME] + split(arguments)
    for pair in split(environment):     # update() asks what a mapping is
        variable, _, os.environ[variable] = pair.partition('=')
    given = json.loads(variables) if variables else {}
    if wishes and (wishes.get('main') or {}).get('variables'):
        wishes['main']['arguments'], given = given, {}
    main = make_main(given)
    try:
        if wishes:
            capture.start(wishes)
        program = capture.to_code(source)
        if wishes:
            capture.furnish(main, program)
    except BaseException as error:
        return failed(error.with_traceback(None))
    return program, main.__dict__, bool(wishes)


def complete(outcome):
    """What follows the program's code, where the job wants something more."""
    capture.complete(outcome, main.__dict__)
