# Copyright (C) The codeexec authors.
"""What the job gives a program to begin with, beside its variables."""

import re
import sys


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


def names(imports, source):
    """{"np": "numpy", "Counter": "collections:Counter"}: modules that need no
    import.  Of those only that the source speaks of, and that are there."""
    found = {}
    for name, target in imports.items():
        if not re.search(rb'(?<![\w.])%s(?!\w)' % re.escape(name.encode()),
                         source):
            continue
        module, _, attribute = target.partition(':')
        try:
            __import__(module)
            value = sys.modules[module]
            found[name] = getattr(value, attribute) if attribute else value
        except (ImportError, AttributeError):
            pass
    return found
