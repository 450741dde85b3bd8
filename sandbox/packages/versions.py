# Copyright (C) The codeexec authors.
"""The versions of a set of packages, side by side; one is the current one.

    DIRECTORY/python/1/, 2/, ...     each with a MANIFEST
    DIRECTORY/python/current -> 2
    DIRECTORY/wheels/SHA256/FILE     what they were unpacked from

A manifest begins with what was asked for and what was installed for it:

    requested WORD
    package NAME VERSION DIGEST FILE
"""

import collections
import os
import re

import manifest
import store
from process import Failure

CURRENT = 'current'
WHEELS = 'wheels'

Package = collections.namedtuple('Package', 'version digest file')


class Version:

    def __init__(self, requested=(), packages=()):
        self.requested = list(requested)
        self.packages = dict(packages)

    def head(self):
        return ['requested ' + word for word in sorted(self.requested)] + [
            ' '.join(['package', name, *map(manifest.escape, package)])
            for name, package in sorted(self.packages.items())]


def read(path):
    text, _ = manifest.read(os.path.join(path, manifest.NAME))
    version = Version()
    for line in text.split('\n'):
        kind, *fields = line.split(' ')
        if kind == 'requested' and len(fields) == 1:
            version.requested.append(fields[0])
        elif kind == 'package' and len(fields) == 4:
            version.packages[fields[0]] = Package(*fields[1:])
    return version


class Versions:

    def __init__(self, directory, language):
        self.top = directory
        self.directory = os.path.join(directory, language)
        self.wheels = os.path.join(directory, WHEELS)

    def prepare(self):
        os.makedirs(self.directory, 0o755, exist_ok=True)
        os.makedirs(self.wheels, 0o755, exist_ok=True)
        status = os.stat(self.directory)
        if (status.st_uid, status.st_mode & 0o022) != (os.geteuid(), 0):
            raise Failure('%s must be yours, and nobody else\'s to write to'
                          % self.directory)

    def path(self, number):
        return os.path.join(self.directory, str(number))

    def numbers(self):
        if not os.path.isdir(self.directory):
            return []
        return sorted(int(name) for name in os.listdir(self.directory)
                      if re.fullmatch('[1-9][0-9]*', name))

    def current(self):
        try:
            link = os.readlink(os.path.join(self.directory, CURRENT))
        except FileNotFoundError:
            return 0
        return int(link) if re.fullmatch('[1-9][0-9]*', link) else 0

    def next(self):
        return max([0, *self.numbers()]) + 1

    def read(self, number):
        return read(self.path(number)) if number else Version()

    def seal(self, work, version):
        """The manifest of work/tree."""
        tree = os.path.join(work, 'tree')
        lines, wrong = manifest.inspect(tree)
        if wrong:
            raise Failure('\n'.join(['this is not fit for runs', *wrong]))
        text = '\n'.join([manifest.FORMAT, *version.head(),
                          *(lines[path] for path in sorted(lines)), ''])
        path = os.path.join(tree, manifest.NAME)
        with open(path, 'x', encoding='ascii') as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o644)

    def put(self, work, number):
        os.rename(os.path.join(work, 'tree'), self.path(number))
        store.sync(self.directory)

    def switch(self, number):
        """One rename; 0: there is none any more."""
        link = os.path.join(self.directory, CURRENT)
        if not number:
            os.unlink(link)
            return
        new = os.path.join(self.directory, '.' + CURRENT)
        if os.path.lexists(new):
            os.unlink(new)
        os.symlink(str(number), new)
        os.replace(new, link)
        store.sync(self.directory)

    def remove(self, number):
        store.remove(self.path(number))

    def prune(self, keep):
        """Old versions, of which the latest may still be in use."""
        current = self.current()
        older = [number for number in self.numbers() if number < current]
        for number in older[:max(0, len(older) - keep + 1)]:
            self.remove(number)

    def prune_wheels(self):
        """Those that no version has come from."""
        used = {package.digest.partition(':')[2] for number in self.numbers()
                for package in self.read(number).packages.values()}
        for name in os.listdir(self.wheels):
            if name not in used and re.fullmatch('[0-9a-f]{64}', name):
                store.remove(os.path.join(self.wheels, name))
