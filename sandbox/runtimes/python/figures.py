# Copyright (C) The codeexec authors.
"""Figures of matplotlib: plt.show(), savefig(), and those left open."""

import io
import os
import sys

import _codeexec
import charts
import errors
import results
from watch import is_a

HOME = '/home/user'

# The form of a saved figure by its format.
FORMATS = {
    'png': 'png', 'jpg': 'jpeg', 'jpeg': 'jpeg', 'svg': 'svg', 'pdf': 'pdf',
    'webp': 'webp', 'gif': 'gif', 'tif': 'image/tiff', 'tiff': 'image/tiff',
    'eps': 'application/postscript', 'ps': 'application/postscript',
}

MARK = '_codeexec_shown'

dpi = None          # of the job, or that of each figure
saves = True        # a figure that is saved to a file is shown

managers = None     # matplotlib's list of open figures, once it is there


def install(pyplot):
    global managers
    figure = sys.modules['matplotlib.figure'].Figure
    if saves:
        figure.savefig = _codeexec.after(figure.savefig, saved)
    charts.install()
    managers = sys.modules['matplotlib._pylab_helpers'].Gcf
    sys.modules['matplotlib.backend_bases'].FigureManagerBase.show = \
        lambda manager: show_one(manager.canvas.figure)
    pyplot.show = show


def is_blank(figure):
    return len(figure.get_children()) <= 1      # its background


def is_shown(figure):
    return getattr(figure, MARK, False) and not figure.stale


def mark(figure):
    setattr(figure, MARK, True)
    figure.stale = False


def forms(value):
    if not is_a(value, 'matplotlib.figure', 'Figure'):
        return None
    text = [('text', results.utf8(repr(value)))]
    if is_blank(value):
        return text
    picture = io.BytesIO()
    value.savefig(picture, format='png', dpi=dpi or value.dpi,
                  bbox_inches='tight')
    chart = charts.forms(value)
    mark(value)
    return [*text, ('png', picture.getvalue()), *chart]


def show_one(figure):
    try:
        if not is_blank(figure) and not is_shown(figure):
            results.put(forms(figure))
    except Exception as error:
        errors.mention(error)


def show_open():
    for manager in managers.get_all_fig_managers():
        show_one(manager.canvas.figure)


def show(*args, **kwargs):
    """Display all open figures, and close them as a window would be."""
    show_open()
    sys.modules['matplotlib.pyplot'].close('all')


def finish():
    if managers is not None:
        show_open()


def put_current():
    """The figure that pyplot draws in, blank if nothing has been drawn."""
    import matplotlib.pyplot as pyplot
    figure = pyplot.gcf()
    picture = io.BytesIO()
    figure.savefig(picture, format='png', dpi=dpi or figure.dpi,
                   bbox_inches='tight')
    results.put([('png', picture.getvalue())])


def saved(result, args, kwargs):
    """A figure that was written to a file is shown as what it was saved as."""
    try:
        kwargs = kwargs or {}
        figure = args[0]
        path = args[1] if len(args) > 1 else kwargs.get('fname')
        if isinstance(path, (str, os.PathLike)) and not is_blank(figure):
            show_file(figure, os.fspath(path), kwargs.get('format'))
    except Exception as error:
        errors.mention(error)


def show_file(figure, path, format):
    extension = os.path.splitext(path)[1][1:]
    if format is None:
        format = extension or figure.canvas.get_default_filetype()
        if not extension:
            path = path.rstrip('.') + '.' + format
    kind = FORMATS.get(format.lower())
    if kind is None:
        return
    path = os.path.join(os.getcwd(), path)
    with io.FileIO(path) as file:
        content = file.readall()
    name = os.path.relpath(path, HOME)
    results.put([(kind, content), *charts.forms(figure)],
                name=os.path.basename(path) if name[:3] == '../' else name)
    mark(figure)
