# Copyright (C) The codeexec authors.
"""Tables of pandas, as text, HTML and data; and tables that a job brings."""

import sys

import errors
import results

ROWS = 1000
CELLS = 100000

whole = None    # of the job: which tables of the program's globals it wants


def pandas():
    module = sys.modules.get('pandas')
    # It may still be being imported, or be a file of the program.
    return module if hasattr(module, 'DataFrame') \
        and hasattr(module, 'Series') else None


def forms(value):
    module = pandas()
    if module is None:
        return None
    if isinstance(value, module.DataFrame):
        return [('text', results.utf8(results.cut(repr(value)))),
                *html(value), ('data', data(value, module))]
    if isinstance(value, module.Series):
        return [('text', results.utf8(results.cut(repr(value)))),
                *html(value.to_frame()), ('data', data(value, module))]
    return None


def html(frame):
    text = frame._repr_html_()      # as pd.set_option() says
    return [('html', results.utf8(text))] if text else []


def data(value, module):
    """{"columns", "index", "data", "shape"}: the first rows, the whole shape."""
    part = value.iloc[:, :ROWS] if value.ndim == 2 else value
    width = max(1, part.shape[1] if part.ndim == 2 else 1)
    part = part.iloc[:max(1, min(ROWS, CELLS // width))]
    try:
        text = part.to_json(orient='split', date_format='iso',
                            default_handler=str)
    except Exception:
        # A cell that has no JSON, such as one that contains itself.
        text = part.astype(str).to_json(orient='split', date_format='iso',
                                        default_handler=str)
    shape = ','.join(map(str, value.shape))
    return results.utf8('%s,"shape":[%s]}' % (text[:-1], shape))


def finish(variables):
    """The tables that are among the program's globals, with their names."""
    module = pandas()
    if module is None or not whole:
        return
    style = whole if isinstance(whole, dict) else {}
    for name, value in list(variables.items()):
        if name[:1] != '_' and isinstance(value, module.DataFrame):
            try:
                put_whole(name, value, module, style)
            except Exception as error:
                errors.mention(error)


def put_whole(name, frame, module, style):
    rows = frame.head(style.get('rows', ROWS))
    text = rows.to_html(**{key: style[key] for key in ('classes', 'border')
                           if key in style})
    results.put([('html', results.utf8(text)), ('data', data(frame, module))],
                name=name)


def bring(datasets):
    """The tables of a job: {"columns", "data", "index"}, or a list of rows."""
    import pandas
    tables = {}
    for name, value in datasets.items():
        if isinstance(value, dict):
            tables[name] = pandas.DataFrame(
                value['data'], value.get('index'), value.get('columns'))
        else:
            tables[name] = pandas.DataFrame(value)
    return tables
