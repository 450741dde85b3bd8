# Copyright (C) The codeexec authors.
"""The configuration of a rootfs.  conf/rootfs.conf is its manual."""

import glob
import os
import types

import reader
from process import Failure

DEFAULTS = {
    'suite': 'bookworm',
    'sources': [],
    'packages': [],
    'without': [],
    'wheels': '',
    'locales': [],
    'delete': [],
    'keep': [],
}

# What a value, or each of a list, must look like.  Most become arguments of
# programs, so none may look like an option.
WORDS = {
    'suite': r'[a-z][a-z0-9.-]*',
    'sources': r'deb .+',
    'packages': r'[a-z0-9][a-z0-9+.:-]*(=[A-Za-z0-9.+~:-]+|/[a-z0-9.-]+)?',
    'without': r'[a-z0-9][a-z0-9+.-]*',
    'wheels': r'(/.*)?',
    'locales': r'[a-z]{2,3}_[A-Z]{2}\.UTF-8',
    'delete': r'(?!/)(?!.*\.\.(/|$)).+',
    'keep': r'(?!/)(?!.*\.\.(/|$)).+',
}


def find_wheels(path, directory):
    wheels = sorted(glob.glob(os.path.join(glob.escape(directory), '*.whl')))
    if directory and not wheels:
        raise Failure('%s: no wheels in "%s"' % (path, directory))
    return wheels


def load(path):
    options = reader.load(path, DEFAULTS, WORDS)

    if not options['packages']:
        raise Failure('%s: no "packages"' % path)
    options['wheels'] = find_wheels(path, options['wheels'])
    return types.SimpleNamespace(**options)
