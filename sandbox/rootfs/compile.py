# Copyright (C) The codeexec authors.
"""Inside a rootfs: python3 -S compile.py DIRECTORY... precompiles modules.

The result depends on nothing but the sources: it is checked neither against
their time stamps nor against their content, which never changes.
"""

import os
import py_compile
import sys

UNCHECKED = py_compile.PycInvalidationMode.UNCHECKED_HASH


def sources():
    for top in sys.argv[1:]:
        for path, directories, files in os.walk(top):
            directories.sort()
            for name in sorted(files):
                if name.endswith('.py'):
                    yield os.path.join(path, name)


def main():
    # One process, in one order: what an object shares with others that were
    # compiled before it shows in the result.
    failed = 0
    for path in sources():
        try:
            py_compile.compile(path, doraise=True, quiet=2,
                               invalidation_mode=UNCHECKED)
        except py_compile.PyCompileError:
            # Templates, and tests of how mistakes are handled.
            print('not compiled:', path)
            failed += 1
        except FileNotFoundError:
            pass    # a link to nowhere
    print('not compiled: %d files' % failed)


main()
