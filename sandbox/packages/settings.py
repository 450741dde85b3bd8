# Copyright (C) The codeexec authors.
"""The configuration.  conf/packages.conf is its manual."""

import os
import pwd
import types

import reader
from process import Failure

DEFAULTS = {
    'directory': '/var/lib/codeexec/packages',
    'rootfs': '/',
    'user': 'nobody',
    'index': '',
    'wheels': '',
    'allow': '',
    'registry': '',
    'npm_allow': '',
    'max_size': '2gb',
    'keep': '3',
    'sockets': ['/run/codeexec/codeexec.sock'],
    'timeout': '60',
    'modules': [],
    'interval': '60',
    'retry': '600',
}

PATH = r'/[^\s"]*'
URL = r'https?://[^\s"]+'

WORDS = {
    'directory': PATH,
    'rootfs': PATH,
    'user': r'[a-z_][a-z0-9_-]*',
    'index': '(%s)?' % URL,
    'wheels': '(%s)?' % PATH,
    'allow': '(%s)?' % PATH,
    'registry': '(%s)?' % URL,
    'npm_allow': '(%s)?' % PATH,
    'max_size': r'[1-9][0-9]{0,5}[kmg]b',
    'keep': r'[2-9]|[1-9][0-9]{1,2}',
    'sockets': PATH,
    'timeout': r'[1-9][0-9]{0,3}',
    'modules': r'\w+=[A-Za-z0-9][\w.-]*',
    'interval': r'[1-9][0-9]{0,4}',
    'retry': r'[1-9][0-9]{0,4}',
}

UNITS = {'kb': 1 << 10, 'mb': 1 << 20, 'gb': 1 << 30}


def load(path):
    options = reader.load(path, DEFAULTS, WORDS)
    options['max_size'] = (int(options['max_size'][:-2])
                           * UNITS[options['max_size'][-2:]])
    for name in 'keep', 'timeout', 'interval', 'retry':
        options[name] = int(options[name])
    try:
        user = pwd.getpwnam(options['user'])
    except KeyError:
        raise Failure('%s: no user "%s"' % (path, options['user']))
    if user.pw_uid == 0:
        raise Failure('%s: "user" must not be root' % path)
    options['uid'], options['gid'] = user.pw_uid, user.pw_gid
    return types.SimpleNamespace(**options)


def python_version(options):
    """That of the runs; pip is this machine's, and must be of the same."""
    import sys
    own = 'python%d.%d' % sys.version_info[:2]
    link = os.path.join(options.rootfs, 'usr/bin/python3')
    try:
        theirs = os.path.basename(os.path.realpath(link)
                                  if options.rootfs == '/'
                                  else os.readlink(link))
    except OSError as error:
        raise Failure('no Python in the rootfs: %s: %s' % (
            link, error.strerror))
    if theirs != own:
        raise Failure('the runs have %s and this machine %s: packages must be '
                      'chosen by the same' % (theirs, own))
    return own
