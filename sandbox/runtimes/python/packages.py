# Copyright (C) The codeexec authors.
"""In the zygote: packages beside those of the rootfs, and the names of all.

/opt/packages, where it is configured, has versions of a set of packages, and
"current" leads to one of them.  A zygote stays with the one that it has found,
and so do its runs.
"""

import json
import os
import sys

TOP = '/opt/packages'

# What is read of a package's metadata, which begins with these.
HEAD = 4096


def expected():
    return os.path.isdir(TOP)


def add():
    """The number of the version, 0 for none, and the environment of the runs.

    It comes after the standard library, of which no package can take the
    place, and before the packages of the rootfs.  Interpreters that a program
    starts find it there as well, because to them it is the user's.
    """
    try:
        version = os.readlink(os.path.join(TOP, 'current'))
    except OSError:
        return 0, {}
    top = os.path.join(TOP, version)
    path = os.path.join(top, 'lib', 'python%d.%d' % sys.version_info[:2],
                        'site-packages')
    if not (version.isascii() and version.isdigit() and os.path.isdir(path)):
        print('codeexec: no packages for this Python in "%s"' % top,
              file=sys.stderr)
        return 0, {}
    rootfs = [at for at, entry in enumerate(sys.path) if is_site(entry)]
    sys.path.insert(rootfs[0] if rootfs else len(sys.path), path)
    return int(version), {'PYTHONUSERBASE': top}


def is_site(path):
    return path.endswith(('/site-packages', '/dist-packages'))


def read_head(directory, name):
    """Name and version as a package tells them itself, or None."""
    path = os.path.join(directory, name)
    for inner in ('METADATA', 'PKG-INFO', ''):
        try:
            with open(os.path.join(path, inner).rstrip('/'), 'rb') as file:
                head = file.read(HEAD).decode('utf-8', 'replace')
        except OSError:
            continue
        fields = dict(line.split(': ', 1) for line in
                      head.partition('\n\n')[0].split('\n') if ': ' in line)
        if fields.get('Name') and fields.get('Version'):
            return fields['Name'].strip(), fields['Version'].strip()
    return None


def installed():
    """Versions by name; of two packages of a name the first one counts."""
    found = {}
    for directory in filter(is_site, sys.path):
        try:
            names = sorted(os.listdir(directory))
        except OSError:
            continue
        for name in names:
            if name.endswith(('.dist-info', '.egg-info')):
                package = read_head(directory, name)
                if package:
                    key = package[0].lower().replace('_', '-')
                    found.setdefault(key.replace('.', '-'), package)
    return dict(found[key] for key in sorted(found))


def describe(version):
    """What codeexecd is told: packages.c."""
    return json.dumps({'version': version, 'packages': installed()})
