# Copyright (C) The codeexec authors.
"""What a job wants to know of its program beside stdout: docs/python.md."""

import builtins
import os
import sys

import display
import errors
import figures
import frames
import given
import pictures
import plots
import program
import results
import screen
import variables
import watch

watch.installers.update({
    'matplotlib.pyplot': figures.install,
    'plotly.io._renderers': plots.install,
    'PIL.Image': pictures.install,
    'IPython.core.display_functions': display.install,
})

options = {}

gave = {}           # global variables that are not the program's own

calls = False       # the program's code runs with frames of ours below


def start(wishes):
    """Before all else of the program."""
    global options
    options = wishes
    if options.get('results') or options.get('claims'):
        results.start(options.get('limits', {}), bool(options.get('results')),
                      1 + ('main' in options)
                      + bool(options.get('variables')))
    if options.get('results'):
        start_results()


def furnish(module, code):
    """Of a program that is going to run: the module that it will be."""
    if 'main' in options:
        # It is imported: what a script would do by itself, it does not do.
        module.__name__ = 'main'
        sys.modules['main'] = module
    for name in options.get('directories', ()):
        os.makedirs(name, exist_ok=True)
    for name, target in options.get('links', {}).items():
        if not os.path.lexists(name):
            os.symlink(target, name)
    if 'datasets' in options:
        module.__dict__.update(given.tables(options['datasets']))
    give(code, module.__dict__)


def give(code, namespace):
    """Names that the program need not define, unless it has them."""
    global gave
    if 'files' in options:
        gave = given.files(options['files'], code)
    found = given.names(options['imports'], code) if 'imports' in options \
        else {}
    for name, value in {**found, **gave}.items():
        namespace.setdefault(name, value)


def start_results():
    figures.dpi = options.get('dpi')
    if options.get('figure'):
        return
    plots.as_html = options.get('plotly') == 'html'
    figures.saves = options.get('saved', True)
    frames.whole = options.get('dataframes')
    builtins.display = display.display
    watch.start()


def to_code(source):
    """The program, if it is one, and if it is to be run."""
    rules, check = options.get('screen'), options.get('check')
    try:
        if rules is None and not options.get('results'):
            code = compile(source, program.NAME, 'exec', dont_inherit=True)
        else:
            code = program.to_code(source, options.get('results')
                                   and options.get('last_value'), rules)
    except BaseException as error:
        if rules is not None or check or options.get('syntax'):
            screen.tell(error)
        raise
    if check:
        raise SystemExit(0)
    return code


def rehearse(source, module):
    """A job with results, of which nothing is left: see runner.prepare()."""
    path, results.PATH = results.PATH, os.devnull
    installers, watch.installers = watch.installers, {}
    start({'results': True, 'last_value': True, 'variables': True,
           'limits': {}})
    screen.look(source, program.NAME, {
        'imports': ('os',), 'calls': ('exec',), 'ragflow': 'c'})
    code = to_code(source)
    furnish(module, code)
    exec(code, module.__dict__)
    complete(None, module.__dict__)
    finish(module.__dict__)
    end_rehearsal()
    results.PATH = path
    watch.installers = installers


def end_rehearsal():
    global options
    options = {}
    results.enabled = results.showing = False
    del builtins.display
    watch.stop()


def run(coroutine):
    import asyncio
    return asyncio.run(coroutine)


def complete(outcome, namespace):
    """The rest of a program whose code has been evaluated without an error."""
    global calls
    calls = True
    if outcome is not None:
        run(outcome)
    value = namespace.pop(program.VALUE, None)
    if value is not None and results.is_of_run():
        try:
            display.put(value, main=True)
        except Exception as error:
            errors.mention(error)
    if options.get('figure') and results.is_of_run():
        figures.put_current()
    if 'main' in options:
        call_main(namespace)
    calls = False


def call_main(namespace):
    main = options['main']
    try:
        function = namespace['main']
    except KeyError:
        if main.get('style') == 'ragflow':
            raise ImportError("cannot import name 'main' from 'main' (%s)"
                              % namespace.get('__file__')) from None
        raise NameError("name 'main' is not defined") from None
    value = function(**(main.get('arguments') or {}))
    if hasattr(value, '__await__'):
        value = run(value)
    if not main.get('print'):
        results.put_return(results.dumps(value))
    elif value is not None:
        print(value)


def failed(error):
    """The program has ended with an exception."""
    if calls:
        tb = error.__traceback__
        while tb is not None and not errors.is_theirs(
                tb.tb_frame.f_code.co_filename):
            tb = tb.tb_next
        error.__traceback__ = tb
    if not results.is_of_run():
        return
    if not isinstance(error, SystemExit):
        results.put_final('@error', results.dumps(errors.describe(error)))
    elif options.get('figure') and not error.code:
        try:
            figures.put_current()
        except Exception as other:
            errors.mention(other)


def finish(namespace):
    if not results.is_of_run():
        return
    if options.get('results'):
        figures.finish()
        plots.finish(namespace)
        frames.finish(namespace)
    if options.get('variables'):
        results.put_final('@variables', results.dumps(
            variables.summarise(namespace, gave)))
