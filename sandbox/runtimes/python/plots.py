# Copyright (C) The codeexec authors.
"""Figures of plotly: fig.show(), and those left in the program's globals."""

import sys

import errors
import results
from watch import is_a

MEDIA_TYPE = 'application/vnd.plotly.v1+json'

as_html = False

shown = []      # they are kept, so that no other one has the same id()


def install(renderers):
    """plotly.io._renderers, from where plotly.io takes its show()."""
    renderers.show = show


def is_figure(value):
    return is_a(value, 'plotly.basedatatypes', 'BaseFigure')


def pixels(figure):
    """As plotly.js draws it where the page does not say otherwise."""
    size = figure.layout.width or 700, figure.layout.height or 450
    return b'%dx%d' % tuple(map(int, size))


def forms(value):
    if not is_figure(value):
        return None
    shown.append(value)
    html = [('html', results.utf8(value.to_html(include_plotlyjs='cdn')))] \
        if as_html else []
    text = 'Figure with %d traces' % len(value.data)
    return [('text', text.encode()), *html,
            (MEDIA_TYPE, results.utf8(value.to_json())),
            ('@size', pixels(value))]


def show(fig, renderer=None, validate=True, **kwargs):
    """Show a figure, whatever the renderer: there is no browser here."""
    if not is_figure(fig):
        fig = sys.modules['plotly'].graph_objects.Figure(
            fig, skip_invalid=not validate)
    try:
        results.put(forms(fig))
    except Exception as error:
        errors.mention(error)


def finish(variables):
    if 'plotly.basedatatypes' not in sys.modules:
        return
    for name, value in list(variables.items()):
        if is_figure(value) and not any(value is other for other in shown):
            try:
                results.put(forms(value), name=name)
            except Exception as error:
                errors.mention(error)
