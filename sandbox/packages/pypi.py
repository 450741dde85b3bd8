# Copyright (C) The codeexec authors.
"""Packages of Python: wheels, which pip chooses and fetches.

Nothing is built and nothing is installed by pip, so no code of a package runs
before a program imports it in its jail.
"""

import glob
import importlib.util
import os
import re
import shlex
import urllib.parse

import settings
from allow import Allow
from process import Failure, say

TARGET = '/opt/packages'

WORD = re.compile(r'([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)'
                  r'(\[[A-Za-z0-9._,-]+\])?'
                  r'((?:[<>=!~]=|[<>])[A-Za-z0-9.*+!_-]+'
                  r'(?:,(?:[<>=!~]=|[<>])[A-Za-z0-9.*+!_-]+)*)?')

QUIET = ['--isolated', '--no-input', '--disable-pip-version-check',
         '--no-color', '--progress-bar=off', '--no-cache-dir']

METADATA_HEAD = 4096


def normal(name):
    return re.sub(r'[-_.]+', '-', name).lower()


def of_module(options, module):
    """The package that has it, where that has another name."""
    names = dict(word.split('=') for word in options.modules)
    return normal(names.get(module, module))


def allowed(options):
    return Allow(options.allow, normal)


def parse(word):
    """The name in what an operator asks for."""
    match = WORD.fullmatch(word)
    if not match:
        raise Failure('"%s" is not understood; wanted is NAME or NAME==VERSION'
                      % word)
    return normal(match[1])


def pip_module(name):
    """What pip has for versions, which this machine's Python has not."""
    return importlib.import_module('pip._vendor.packaging.' + name)


def same_version(one, other):
    try:
        version = pip_module('version').Version
        return version(one) == version(other)
    except ValueError:
        return one == other


def wheel_name(path):
    """Name and version of a wheel, by the name of its file."""
    try:
        name, version, *_ = pip_module('utils').parse_wheel_filename(
            os.path.basename(path))
    except ValueError:
        raise Failure('"%s" is no name of a wheel' % os.path.basename(path))
    return normal(name), str(version)


def rootfs_paths(options, python):
    return [path for path in
            (os.path.join(options.rootfs, below.lstrip('/')) for below in
             ('/usr/local/lib/%s/dist-packages' % python,
              '/usr/lib/python3/dist-packages'))
            if os.path.isdir(path)]


def rootfs_packages(paths):
    """Versions by name of what the rootfs has."""
    found = {}
    for path in paths:
        for info in sorted(glob.glob(glob.escape(path) + '/*-info')):
            for inner in 'METADATA', 'PKG-INFO', '':
                file = os.path.join(info, inner).rstrip('/')
                if not os.path.isfile(file):
                    continue
                with open(file, 'rb') as opened:
                    head = opened.read(METADATA_HEAD).decode('utf-8', 'replace')
                name = re.search(r'^Name: (\S+)', head, re.M)
                version = re.search(r'^Version: (\S+)', head, re.M)
                if name and version:
                    found.setdefault(normal(name[1]), version[1])
                break
    return found


class Set:
    """One set of packages, chosen anew from all that was asked for."""

    def __init__(self, task):
        if not importlib.util.find_spec('pip'):
            raise Failure('no pip; on Debian it is in the package python3-pip')
        self.options = task.options
        self.worker = task.worker
        self.work = task.work
        self.store = task.wheels
        self.python = settings.python_version(task.options)
        self.allow = allowed(task.options)
        self.paths = rootfs_paths(task.options, self.python)
        self.there = rootfs_packages(self.paths)
        self.pip = os.path.join(task.work, 'in', 'pip')
        os.mkdir(self.pip, 0o755)
        os.symlink(os.path.dirname(importlib.util.find_spec('pip').origin),
                   os.path.join(self.pip, 'pip'))

    # -------------------------------------------------------------- choosing

    def run_pip(self, name, paths, *arguments):
        self.worker.run_script('with_packages.py', name, network=True,
                               pip=self.pip, paths=paths, arguments=arguments)

    def sources(self, locked, closed):
        """Where pip looks, as lines for its list of requirements."""
        options = self.options
        place = os.path.join(self.work, 'in', 'locked')
        os.mkdir(place, 0o755)
        for name, package in locked.items():
            os.symlink(self.wheel(package), os.path.join(place, package.file))
        lines = ['--find-links ' + shlex.quote(place)]
        if options.wheels and not closed:
            lines.append('--find-links ' + shlex.quote(options.wheels))
        if options.index and not closed:
            lines.append('--index-url ' + shlex.quote(options.index))
        else:
            lines.append('--no-index')
        return lines

    def wheel(self, package):
        return os.path.join(self.store, package.digest.partition(':')[2],
                            package.file)

    def constraints(self, requested, locked, changed):
        """Nothing changes its version that nobody has named, and nothing takes
        the place of a package of the rootfs."""
        version = pip_module('version')
        wanted = {name: number for name, number in self.there.items()
                  if name not in requested and name not in locked}
        wanted.update((name, package.version)
                      for name, package in locked.items()
                      if name not in changed)
        wanted.update((name, number)
                      for name, number in self.allow.versions().items()
                      if name not in wanted)
        for name, number in sorted(wanted.items()):
            try:
                yield '%s==%s' % (name, version.Version(number))
            except version.InvalidVersion:
                pass

    def choose(self, requested, locked, changed, closed):
        """What is to be installed: (name, version, address, digest or '')."""
        if not closed and not (self.options.index or self.options.wheels):
            raise Failure('neither "index" nor "wheels" is configured')
        self.lines = self.sources(locked, closed)
        self.run_pip(
            'choosing the packages', self.paths, 'install', '--dry-run', *QUIET,
            '--only-binary=:all:', '--report', 'report.json',
            '-c', self.worker.give('constraints.txt', '\n'.join(
                self.constraints(requested, locked, changed)) + '\n'),
            '-r', self.worker.give('requirements.txt', '\n'.join(
                [*self.lines, *requested.values()]) + '\n'))
        for item in self.worker.report('report.json')['install']:
            download, metadata = item['download_info'], item['metadata']
            digest = download.get('archive_info', {}).get('hash') or ''
            address = download['url']
            if not urllib.parse.urlsplit(address).path.endswith('.whl') \
                    or re.search(r'[\s#]', address):
                raise Failure('"%s" is no wheel' % address)
            yield (normal(metadata['name']), metadata['version'], address,
                   digest.replace('=', ':'))

    # -------------------------------------------------------------- fetching

    def fetch(self, chosen, locked, make):
        """The packages, with a wheel of each in the store."""
        packages, missing = {}, {}
        for name, version, address, digest in chosen:
            if name in locked and same_version(locked[name].version, version):
                packages[name] = locked[name]
            else:
                missing[name] = (version, address, digest)
        if missing:
            packages.update(self.download(missing, make))
        for name, package in packages.items():
            self.allow.check(name, package.version, package.digest,
                             same_version)
        return packages

    def download(self, missing, make):
        lines = [line for line in self.lines if '-url ' in line] \
            or ['--no-index']
        lines += [address + ('#' + digest.replace(':', '=') if digest else '')
                  for version, address, digest in missing.values()]
        self.run_pip(
            'fetching the packages', [], 'download', *QUIET, '--no-deps',
            '--only-binary=:all:', '-d', 'wheels',
            '-r', self.worker.give('fetch.txt', '\n'.join(lines) + '\n'))
        found = {}
        for path in os.listdir(os.path.join(self.worker.output, 'wheels')):
            name, version = wheel_name(path)
            if name not in missing \
                    or not same_version(missing[name][0], version):
                raise Failure('"%s" was not asked for' % path)
            found[name] = self.keep(path, version, missing[name][2], make)
        for name in missing.keys() - found.keys():
            raise Failure('there is no wheel of "%s"' % name)
        return found

    def keep(self, file, version, wanted, make):
        """Takes a wheel over into the store."""
        place = os.path.join(self.work, file)
        digest = self.worker.take(os.path.join('wheels', file), place)
        if wanted and wanted != 'sha256:' + digest:
            raise Failure('"%s" has not the hash that the index has' % file)
        package = make(version, 'sha256:' + digest, file)
        self.allow.check(wheel_name(file)[0], version, package.digest,
                         same_version)
        os.makedirs(os.path.dirname(self.wheel(package)), 0o755, exist_ok=True)
        os.chmod(place, 0o644)
        os.replace(place, self.wheel(package))
        return package

    # ---------------------------------------------------------------- making

    def make(self, packages, number, tree):
        site = 'lib/%s/site-packages' % self.python
        self.worker.run_script(
            'unpack.py', 'unpacking the packages', target='tree',
            wheels=[self.wheel(packages[name]) for name in sorted(packages)],
            prefix='%s/%d/%s' % (TARGET, number, site),
            max_size=self.options.max_size, report='notes.json')
        for note in self.worker.report('notes.json'):
            say(str(note))
        self.worker.left = self.options.max_size
        os.makedirs(os.path.join(tree, os.path.dirname(site)), 0o755)
        self.worker.take_tree('tree', os.path.join(tree, site))


def build(task):
    """Fills work/tree; returns the packages by name."""
    these = Set(task)
    chosen = list(these.choose(task.requested, task.locked, task.changed,
                               task.closed)) if task.requested else []
    packages = these.fetch(chosen, task.locked, task.make)
    for name in sorted(task.changed):
        if name in task.requested and name not in packages:
            say('"%s" %s is in the rootfs' % (name, these.there.get(name, '')))
    these.make(packages, task.number, os.path.join(task.work, 'tree'))
    return packages
