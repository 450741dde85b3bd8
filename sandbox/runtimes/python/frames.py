# Copyright (C) The codeexec authors.
"""Tables of pandas, as text, HTML and data."""

import math
import sys

import errors
import results
from watch import is_a

ROWS = 1000
CELLS = 50000

whole = None    # of the job: which tables of the program's globals it wants


def is_frame(value):
    return is_a(value, 'pandas', 'DataFrame')


def forms(value):
    if is_frame(value):
        table = value
    elif is_a(value, 'pandas', 'Series'):
        table = value.to_frame()
    else:
        return None
    return [('text', results.utf8(results.cut(repr(value)))), *html(table),
            ('data', data(value))]


def html(frame):
    text = frame._repr_html_()      # as pd.set_option() says
    return [('html', results.utf8(text))] if text else []


def data(value):
    """{"columns", "index", "data", "shape"}: the first rows, the whole shape.

    Not by to_json(), which rounds numbers and fails at bytes and at objects
    that contain themselves."""
    part = value.iloc[:, :ROWS] if value.ndim == 2 else value
    width = part.shape[1] if part.ndim == 2 else 1
    part = part.iloc[:min(ROWS, CELLS // max(1, width))]
    index = [cell(label) for label in part.index]
    if value.ndim == 1:
        split = {'name': cell(value.name), 'index': index,
                 'data': cells(part)}
    else:
        columns = [cells(part.iloc[:, i]) for i in range(width)]
        split = {'columns': [cell(label) for label in part.columns],
                 'index': index,
                 'data': list(zip(*columns)) or [()] * len(part)}
    return results.utf8(results.dumps({**split, 'shape': value.shape}))


def shape(frame):
    return results.utf8(results.dumps({'shape': frame.shape}))


def cells(column):
    values = column.tolist()
    return values if is_plain(column) else list(map(cell, values))


def is_plain(column):
    """Whether tolist() gives numbers that JSON has."""
    if not type(column.dtype).__module__.startswith('numpy'):
        return False
    return column.dtype.kind in 'biu' or column.dtype.kind == 'f' \
        and bool(sys.modules['numpy'].isfinite(column.to_numpy()).all())


def cell(value, depth=0):
    """What JSON has for it; a date as ISO 8601, an unknown thing as text."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    module = sys.modules['pandas']
    if value is module.NaT or value is module.NA:
        return None
    if hasattr(value, 'isoformat'):
        return value.isoformat()
    if depth < 8 and isinstance(value, dict):
        return {str(key): cell(item, depth + 1)
                for key, item in value.items()}
    if depth < 8 and isinstance(value, (list, tuple)):
        return [cell(item, depth + 1) for item in value]
    if hasattr(value, 'dtype') and hasattr(value, 'tolist'):    # numpy
        plain = value.tolist()
        return str(value) if plain is value else cell(plain, depth + 1)
    if isinstance(value, sys.modules['decimal'].Decimal):
        return cell(float(value))
    return str(value)


def finish(variables):
    """The tables that are among the program's globals, with their names."""
    if not whole:
        return
    style = whole if isinstance(whole, dict) else {}
    for name, value in list(variables.items()):
        if name[:1] != '_' and is_frame(value):
            try:
                put_whole(name, value, style)
            except Exception as error:
                errors.mention(error)


def put_whole(name, frame, style):
    rows = frame.head(style.get('rows', ROWS))
    text = rows.to_html(**{key: style[key] for key in ('classes', 'border')
                           if key in style})
    content = shape(frame) if style.get('data') == 'shape' else data(frame)
    results.put([('html', results.utf8(text)), ('data', content)], name=name)
