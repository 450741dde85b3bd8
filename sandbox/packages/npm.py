# Copyright (C) The codeexec authors.
"""Packages of Node.js, which npm chooses, fetches and unpacks.

No script of a package is run, and what is not from the registry is refused.
"""

import base64
import json
import os
import re
import shutil
import urllib.parse

from allow import Allow
from process import Failure, say

WORD = re.compile(r'((?:@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]*)'
                  r'(?:@([\^~]?[0-9][A-Za-z0-9.+-]*|latest))?', re.I)

LOCK = 'package-lock.json'


def normal(name):
    return name


def of_module(options, module):
    """What is asked for may be a part of a package."""
    return re.match(r'(?:@[^/]*/)?[^/]*', module)[0]


def allowed(options):
    return Allow(options.npm_allow, normal)


def parse(word):
    match = WORD.fullmatch(word)
    if not match:
        raise Failure('"%s" is not understood; wanted is NAME or NAME@VERSION'
                      % word)
    return match[1]


def requirement(word):
    return WORD.fullmatch(word)[2] or '*'


def read_lock(path):
    try:
        with open(path, encoding='utf-8') as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def forget(lock, names):
    """The lock without these, so that they are chosen anew."""
    packages = {path: entry for path, entry in lock.get('packages', {}).items()
                if path and path.rpartition('node_modules/')[2] not in names}
    return {**{key: value for key, value in lock.items()
               if key != 'dependencies'}, 'packages': packages}


def check_entry(options, path, entry):
    """Digest of one package; fails if it has no business here."""
    name = path.rpartition('node_modules/')[2]
    registry = urllib.parse.urlsplit(options.registry)
    resolved = urllib.parse.urlsplit(str(entry.get('resolved')))
    if not re.fullmatch(r'(node_modules/(@[\w.-]+/)?[\w.-]+/?)+', path) \
            or '..' in path or entry.get('link'):
        raise Failure('"%s" is no package of the registry' % path)
    if (resolved.scheme, resolved.netloc) != (registry.scheme,
                                              registry.netloc):
        raise Failure('"%s" is not from the registry: %s' % (
            name, entry.get('resolved')))
    try:
        [digest] = [word for word in str(entry.get('integrity')).split()
                    if word.startswith('sha512-')][:1]
        if len(base64.b64decode(digest[7:], validate=True)) != 64:
            raise ValueError
    except ValueError:
        raise Failure('the registry has no sha512 of "%s"' % name)
    if entry.get('hasInstallScript'):
        say('"%s" has scripts for its installation, which were not run' % name)
    return name, str(entry.get('version')), digest


class Set:

    def __init__(self, task):
        if not shutil.which('npm', path='/usr/local/bin:/usr/bin:/bin'):
            raise Failure('no npm; on Debian it is in the package npm')
        if not task.options.registry:
            raise Failure('no "registry" is configured')
        self.options = task.options
        self.worker = task.worker
        self.allow = allowed(task.options)
        self.lock = read_lock(os.path.join(task.current, LOCK)) \
            if task.current else {}

    def choose(self, requested, changed):
        wanted = {name: requirement(word) for name, word in requested.items()}
        for name, version in self.allow.versions().items():
            if name in wanted and wanted[name] == '*':
                wanted[name] = version
        root = {'name': 'packages', 'version': '1.0.0', 'dependencies': wanted}
        self.place(requested, changed, root)
        self.worker.run(
            ['npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund',
             '--no-bin-links', '--no-update-notifier', '--omit=dev',
             '--no-progress', '--fetch-retries=1',
             '--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=3000',
             '--registry=' + self.options.registry,
             '--cache=' + os.path.join(self.worker.output, 'cache'),
             '--userconfig=' + self.worker.give('user.npmrc', ''),
             '--globalconfig=' + self.worker.give('global.npmrc', ''),
             '--prefix=' + os.path.join(self.worker.output, 'tree')],
            'npm', network=True)

    def place(self, requested, changed, root):
        """Where npm starts from, by a worker: the directory is not ours."""
        files = {'package.json': root}
        if self.lock:
            lock = forget(self.lock, changed)
            lock['packages'] = {'': root, **lock['packages']}
            files[LOCK] = lock
        given = [self.worker.give(name, json.dumps(content))
                 for name, content in files.items()]
        self.worker.run(['mkdir', 'tree'], 'npm')
        self.worker.run(['install', '-m', '600', '-t', 'tree', *given], 'npm')

    def packages(self, make):
        """Of those at the top there is one of a name; others have a path."""
        found = {}
        lock = self.worker.report(os.path.join('tree', LOCK))
        for path, entry in sorted(lock.get('packages', {}).items()):
            if not path or entry.get('optional') and not os.path.isdir(
                    os.path.join(self.worker.output, 'tree', path)):
                continue
            name, version, digest = check_entry(self.options, path, entry)
            self.allow.check(name, version, digest)
            found[path.removeprefix('node_modules/')] = make(
                version, digest, os.path.basename(
                    urllib.parse.urlsplit(entry['resolved']).path))
        return found, lock

    def take(self, packages, lock, tree):
        os.mkdir(tree, 0o755)
        top = os.path.join(tree, 'node_modules')
        if packages:
            self.worker.left = self.options.max_size
            self.worker.take_tree('tree/node_modules', top,
                                  skip=('.package-lock.json', '.bin'))
        else:
            os.mkdir(top, 0o755)
        with open(os.path.join(tree, LOCK), 'x', encoding='utf-8') as file:
            json.dump(lock, file, indent=1, sort_keys=True)


def build(task):
    """Fills work/tree; returns the packages by name."""
    these = Set(task)
    these.choose(task.requested, task.changed)
    packages, lock = these.packages(task.make)
    these.take(packages, lock, os.path.join(task.work, 'tree'))
    return packages
