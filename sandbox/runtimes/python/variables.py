# Copyright (C) The codeexec authors.
"""A summary of the program's globals: what they are, not all that is in them."""

import types

from watch import is_a

LENGTH = 200    # characters of a value
NAMES = 200

NOT_DATA = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType,
            types.MethodType, type)

MINE = '__main__', 'main'

BRACKETS = {list: '[]', tuple: '()', set: '{}', frozenset: '{}', dict: '{}'}


class Full(Exception):
    pass


class Text:
    """The first characters of str(value), whatever the value's size."""

    def __init__(self, most):
        self.parts = []
        self.most = self.left = most
        self.inside = set()

    def add(self, part):
        self.parts.append(part[:self.left])
        self.left -= len(part)
        if self.left <= 0:
            raise Full

    def write(self, value):
        if type(value) in BRACKETS and value:
            self.container(value)
        elif isinstance(value, str):
            self.add(repr(value[:self.most + 1]))
        elif isinstance(value, (bytes, bytearray)):
            self.add(repr(value[:self.most + 1]))
        elif isinstance(value, int) and value.bit_length() > 1000:
            self.add('an integer of %d bits' % value.bit_length())
        else:
            self.add(repr(value))

    def container(self, value):
        if id(value) in self.inside:
            return self.add('...')
        self.inside.add(id(value))
        begin, end = BRACKETS[type(value)]
        if isinstance(value, frozenset):
            begin, end = 'frozenset({', '})'
        self.add(begin)
        for i, item in enumerate(value):
            if i:
                self.add(', ')
            self.write(item)
            if isinstance(value, dict):
                self.add(': ')
                self.write(value[item])
        if isinstance(value, tuple) and len(value) == 1:
            self.add(',')
        self.add(end)
        self.inside.discard(id(value))


def beginning(value, most):
    text = Text(most)
    try:
        text.write(value)
    except Full:
        pass
    return ''.join(text.parts)


def text_of(value):
    return value[:LENGTH] if isinstance(value, str) \
        else beginning(value, LENGTH)


def type_of(value):
    kind = type(value)
    if kind.__module__ == 'builtins' or kind.__module__ in MINE:
        return kind.__name__
    return '%s.%s' % (kind.__module__, kind.__qualname__)


def describe(value):
    if is_a(value, 'numpy', 'ndarray'):
        preview = str(value.flat[:LENGTH] if value.size > 1000 else value)
        return {'type': 'numpy.ndarray', 'shape': list(value.shape),
                'dtype': str(value.dtype), 'preview': preview[:LENGTH]}
    if is_a(value, 'pandas', 'DataFrame'):
        return {'type': 'pandas.DataFrame', 'shape': list(value.shape),
                'columns': [str(name)[:LENGTH]
                            for name in value.columns[:NAMES]]}
    if is_a(value, 'pandas', 'Series'):
        return {'type': 'pandas.Series', 'length': len(value),
                'dtype': str(value.dtype)}
    summary = {'type': type_of(value)}
    if type(value).__module__ not in MINE:
        summary['value'] = text_of(value)
    return summary


def summarise(variables, but):
    summary = {}
    for name, value in list(variables.items()):
        if not isinstance(name, str) or name[:1] in ('_', '<') \
                or len(name) > LENGTH \
                or name in but and but[name] is value:
            continue
        if len(summary) == NAMES:
            break
        try:
            if not isinstance(value, NOT_DATA):
                summary[name] = describe(value)
        except Exception:
            summary[name] = {'type': type(value).__name__}
    return summary
