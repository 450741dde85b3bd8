# Copyright (C) The codeexec authors.
"""What the job gives a program to begin with, beside its variables."""

import sys
from opcode import opmap
from types import CodeType

SET, GLOBAL = opmap['STORE_NAME'], opmap['LOAD_GLOBAL']
READS = {GLOBAL, opmap['LOAD_NAME'],
         opmap.get('LOAD_FROM_DICT_OR_GLOBALS', GLOBAL)}
EXTENDED = opmap['EXTENDED_ARG']

# The lowest bit of an argument of LOAD_GLOBAL is no part of the index.
SHIFTED = sys.version_info >= (3, 11)


def tables(datasets):
    """{"columns", "data", "index"}, or a list of rows, as a DataFrame."""
    if not datasets:
        return {}
    import pandas
    made = {}
    for name, value in datasets.items():
        if isinstance(value, dict):
            made[name] = pandas.DataFrame(
                value['data'], value.get('index'), value.get('columns'))
        else:
            made[name] = pandas.DataFrame(value)
    return made


def accesses(code):
    """Global names in the order in which code reads or sets them, as it is
    written; and whether it sets them."""
    argument = 0
    pairs = iter(code.co_code)
    for operation, byte in zip(pairs, pairs):
        argument = argument << 8 | byte
        if operation == EXTENDED:
            continue
        if operation == SET or operation in READS:
            index = argument >> (operation == GLOBAL and SHIFTED)
            yield code.co_names[index], operation == SET
        argument = 0


def read_by(code, names):
    """Which of these names a program reads, and does not set before."""
    found, own, todo = set(), {}, [code]
    while todo:
        part = todo.pop()
        todo += [item for item in part.co_consts if type(item) is CodeType]
        if not names & set(part.co_names):
            continue
        for name, is_set in accesses(part):
            if part is code:
                own.setdefault(name, is_set)
            if name in names and not is_set:
                found.add(name)
    return {name for name in found if not own.get(name)}


def names(imports, code):
    """{"np": "numpy", "Counter": "collections:Counter"}: modules that need no
    import.  Of those only that the program speaks of, and that are there."""
    found = {}
    for name in read_by(code, imports.keys()):
        module, _, attribute = imports[name].partition(':')
        try:
            __import__(module)
            value = sys.modules[module]
            found[name] = getattr(value, attribute) if attribute else value
        except (ImportError, AttributeError):
            pass
    return found


def read(name):
    with open(name, encoding='utf-8', errors='replace', newline='') as file:
        return file.read()


def selected(contents):
    return [{'name': name, 'path': name, 'content': text}
            for name, text in contents.items()]


def frames(contents):
    """Those that are tables."""
    import io
    import pandas
    readers = {'csv': pandas.read_csv, 'json': pandas.read_json}
    made = {}
    for name, text in contents.items():
        reader = readers.get(name.rpartition('.')[2])
        try:
            if reader:
                made[name] = reader(io.StringIO(text))
        except Exception:
            pass
    return made


FILES = {'selected_files': selected, '__datasets_content__': dict,
         '__datasets_df__': frames}


def files(placed, code):
    """Files of the job under the names that a program of the executor's API
    has for them."""
    wanted = read_by(code, FILES.keys())
    if not wanted:
        return {}
    contents = {name: read(name) for name in placed}
    return {name: FILES[name](contents) for name in wanted}
