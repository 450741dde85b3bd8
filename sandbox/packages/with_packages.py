# Copyright (C) The codeexec authors.
"""A worker: pip, to which the packages of another tree are the installed ones.

python3 -I -S -c TEXT '{"pip": DIRECTORY, "paths": [...], "arguments": [...]}'
"""

import json
import runpy
import sys

arguments = json.loads(sys.argv[1])

# Without "site" there is nothing here yet but the standard library.
sys.path += [arguments['pip'], *arguments['paths']]
sys.argv = ['pip', *arguments['arguments']]
runpy.run_module('pip', run_name='__main__', alter_sys=True)
