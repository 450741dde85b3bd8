# Copyright (C) The codeexec authors.
"""The source as code: with the value of its last expression, with await."""

import ast

import screen

NAME = 'main.py'

# As globals have it while the program ends: no identifier, so that no program
# has one of that name.
VALUE = '<value>'

# Its tree takes some hundred times as much memory as a source.
TREE_MAX = 1 << 18

NOT_ASYNC = ('outside async function', "'await' outside function",
             'outside of an asynchronous function')


def dedent(source):
    """A program that is indented as a whole; the others are left as they are."""
    if not source.lstrip(b'\r\n')[:1] in (b' ', b'\t'):
        return source
    import textwrap
    return textwrap.dedent(source.decode('utf-8', 'replace')).encode()


def ends_in_semicolon(source, last):
    lines = source.replace(b'\r\n', b'\n').replace(b'\r', b'\n').split(b'\n')
    line = lines[last.end_lineno - 1]
    return line[last.end_col_offset:].lstrip().startswith(b';')


def keep_value(source, tree):
    """The tree of a program that stores its last value, or the source."""
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr) or ends_in_semicolon(source, last):
        return source
    target = ast.copy_location(ast.Name(VALUE, ast.Store()), last)
    store = ast.copy_location(ast.Assign([target], last.value), last)
    if len(tree.body) == 1 and ast.get_docstring(tree, False) is not None:
        tree.body.append(store)
    else:
        tree.body[-1] = store
    return tree


def to_code(source, last_value, rules=None):
    last_value = last_value and len(source) <= TREE_MAX
    if rules is not None:
        # What was looked at is what is compiled.
        tree = screen.look(source, NAME, rules)
        if last_value:
            keep_value(source, tree)
        return compile_either(tree)
    try:
        return compile_either(source, last_value)
    except (RecursionError, MemoryError):
        # Too deep for a tree; perhaps not for the compiler.
        return compile_either(source)


def compile_either(what, last_value=False):
    try:
        if last_value:
            what = keep_value(what, ast.parse(what, NAME))
        return compile(what, NAME, 'exec', dont_inherit=True)
    except SyntaxError as error:
        if not any(text in str(error.msg) for text in NOT_ASYNC):
            raise
    return compile(what, NAME, 'exec', ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
                   dont_inherit=True)
