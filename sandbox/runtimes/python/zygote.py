# Copyright (C) The codeexec authors.
"""The Python zygote: python3 -B -X utf8 zygote.py MODULE...

Imports the modules, then forks at codeexecd's request.  A module that leaves
something that runs must not inherit is the end of it.
"""

import atexit
import gc
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

MATPLOTLIB = '/usr/share/codeexec/matplotlib'

sys.path.insert(0, HERE)

import _codeexec

_codeexec.gather()

import packages
import runner

# A program's own "results.py" is not to be ours.
for name, module in list(sys.modules.items()):
    if getattr(module, '__file__', None) and name != '__main__' \
            and os.path.dirname(module.__file__) == HERE:
        del sys.modules[name]
_codeexec.use(runner)


def prepare_matplotlib():
    """A private copy of the prebuilt font list, which is that of the rootfs
    if it has one: where the fonts have changed since, matplotlib makes another
    one."""
    import shutil
    prebuilt = [path for path in (MATPLOTLIB, HERE + '/matplotlib')
                if os.path.isdir(path)][0]
    private = '/home/matplotlib'
    shutil.copytree(prebuilt, private)
    os.environ['MPLCONFIGDIR'] = private
    os.environ['MATPLOTLIBRC'] = os.path.join(prebuilt, 'matplotlibrc')


def warm_matplotlib():
    """The first figure costs more than the next ones: draw it here."""
    import io
    import matplotlib.font_manager as fonts
    import matplotlib.pyplot as plt
    try:
        for family in plt.rcParams['font.family'][1:]:
            fonts.findfont(family, fallback_to_default=False)
    except ValueError as error:
        # Drawing with it nevertheless would leave a file open for ever.
        print('codeexec: no warm figure:', error, file=sys.stderr)
        return
    plt.figure()
    plt.plot([0, 1], [0, 1])
    plt.title('0.5 \u4e2d')
    plt.savefig(io.BytesIO(), format='png')
    plt.close('all')
    # A font that is in use keeps its file open, which runs must not share.
    fonts._get_font.cache_clear()
    # What these do at the end of a run is undone by its end.
    atexit.unregister(sys.modules['matplotlib._pylab_helpers'].Gcf.destroy_all)
    atexit.unregister(sys.modules['PIL.Image'].core.clear_cache)
    gc.collect()


def warm_pandas(pandas):
    """The first tables cost more than the next ones, too."""
    import io
    try:
        for _ in range(runner.WARM):
            frame = pandas.DataFrame({'a': [1, 2, 3], 'b': [0.5, 1, 2],
                                      'c': ['x', 'y', 'z']})
            frame.a.sum()
            frame.describe()
            frame.groupby('c').mean(numeric_only=True)
            frame[frame.a > 1].sort_values('b')
            repr(frame), repr(frame.a), frame._repr_html_()
            pandas.read_csv(io.StringIO(frame.to_csv()))
    except Exception as error:
        print('codeexec: no warm table:', error, file=sys.stderr)


def hold_back_hooks():
    """What these modules do at a fork is to see to locks that another thread
    may hold.  In a zygote there is none, so it is for forks of the program."""
    def register_at_fork(**hooks):
        if sys._getframe(1).f_globals.get('__name__') in ('threading',
                                                          'logging'):
            runner.fork_hooks.append(hooks)
        else:
            register(**hooks)

    register, os.register_at_fork = os.register_at_fork, register_at_fork
    return register


def preload(modules):
    # BLAS and OpenMP threads would not survive the fork, their locks would.
    for name in ('OPENBLAS', 'OMP', 'MKL', 'NUMEXPR'):
        os.environ[name + '_NUM_THREADS'] = '1'
    os.environ['MPLBACKEND'] = 'Agg'

    register = hold_back_hooks()
    matplotlib = any(m.split('.')[0] == 'matplotlib' for m in modules)
    if matplotlib:
        prepare_matplotlib()
    for module in modules:
        __import__(module)
        _codeexec.inspect('preload "%s"' % module)
    if matplotlib:
        warm_matplotlib()
    if 'pandas' in sys.modules:
        warm_pandas(sys.modules['pandas'])
    os.register_at_fork = register
    if 'numpy.random' in sys.modules:
        reseed_numpy(sys.modules['numpy.random'])


def reseed_numpy(random):
    """The legacy generator is the one that a fork does not reseed."""
    random.seed()
    try:
        generator = random.mtrand._rand._bit_generator
        state = generator.state['state']
        if _codeexec.reseed_at_fork(generator.capsule, state['key'].tobytes(),
                                    int(state['pos'])):
            return
    except (AttributeError, KeyError, TypeError, ValueError):
        pass
    os.register_at_fork(after_in_child=random.seed)


def warm_traceback():
    """Rendering the first one loads and compiles half a dozen modules' worth."""
    import linecache
    import traceback
    source = 'def f(x):\n    return 1 / x\nf(0)\n'
    linecache.cache[runner.NAME] = (len(source), None,
                                    source.splitlines(True), runner.NAME)
    try:
        exec(compile(source, runner.NAME, 'exec'), {})
    except ZeroDivisionError as error:
        traceback.format_exception(error)


def main():
    _codeexec.inspect('the interpreter')
    version, environment = packages.add()
    preload(sys.argv[1:])
    warm_traceback()
    _codeexec.tell(packages.describe(version))

    runner.ENVIRONMENT.update(environment)
    runner.errors.hints = packages.expected()

    # Programs started by a run must not inherit the zygote's tuning.
    os.environ.clear()
    os.environ.update(runner.ENVIRONMENT)
    sys.path.remove(HERE)
    os.chdir('/')
    runner.set_up()


main()

# The interpreter calls this one when no frame of this file is left.
sys.excepthook = _codeexec.serve
raise Exception
