# Copyright (C) The codeexec authors.
"""What goes into a rootfs: packages, locales and wheels."""

import glob
import hashlib
import os
import re
import shutil
import subprocess

from process import run_confined, run_inside

KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

# How this machine gets at the archive; nothing else of its apt is used.
FETCHING = re.compile(r'Acquire::(https?::|Retries |Check-(Valid-Until|Date) )')

# Links in place of directories, without the package that turns one into the
# other, and the Perl that this needs.
MERGED_USR = '/usr/share/mmdebstrap/hooks/maybe-merged-usr'

PIP = 'python3-pip-whl'


def ask_apt(*argv):
    """Lines of apt's own view of its configuration."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True,
                          env={**os.environ, 'LC_ALL': 'C.UTF-8'})
    return done.stdout.splitlines() if done.returncode == 0 else []


def sources(options):
    """Lines for sources.list: those of the file, else what this machine has
    of the suite from Debian; none means Debian's own mirrors."""
    if options.sources:
        return options.sources

    suites = {options.suite + tail for tail in ('', '-updates', '-security')}
    found = {}
    for line in ask_apt('apt-get', 'indextargets', '--format',
                        '$(ORIGIN) $(RELEASE) $(REPO_URI) $(COMPONENT)',
                        'Created-By: Packages'):
        origin, suite, uri, component = (line.split(' ') + [''] * 4)[:4]
        if origin == 'Debian' and suite in suites and '://' in uri:
            found['deb [signed-by=%s] %s %s %s' % (
                KEYRING, uri, suite, component)] = True
    return list(found)


def private(path, flags):
    return os.open(path, flags, 0o600)


def packages(options, tree):
    wanted = list(options.packages)
    if options.wheels:
        wanted.append(PIP)
    if options.locales:
        wanted.append('locales')

    # In a file, for a proxy may have a password.
    settings = tree + '.apt'
    with open(settings, 'w', opener=private) as file:
        file.writelines(line + '\n' for line in ask_apt('apt-config', 'dump')
                        if FETCHING.match(line))
    run_confined(['mmdebstrap', '--mode=root', '--variant=apt',
                  '--format=directory', '--include=' + ','.join(wanted),
                  '--hook-directory=' + MERGED_USR,
                  '--dpkgopt=force-unsafe-io', '--verbose',
                  '--aptopt=' + settings, options.suite, tree, *sources(options)],
                 'installing the packages')


def without(text, names):
    """The dpkg status with no dependency on these packages."""
    def fields(match):
        kept = [part for part in re.split(r',\s*', match[2])
                if not any(re.match(r'\s*([^\s:(]+)', choice)[1] in names
                           for choice in part.split('|'))]
        return '%s: %s\n' % (match[1], ', '.join(kept)) if kept else ''

    return re.sub(r'^(Depends|Pre-Depends): (.*)\n', fields, text,
                  flags=re.MULTILINE)


def leave_out(options, tree):
    """Remove packages that others only claim to need, and all that came with
    them."""
    names = options.without + [PIP] * bool(options.wheels)
    if not names:
        return

    status = os.path.join(tree, 'var/lib/dpkg/status')
    with open(status, encoding='utf-8') as file:
        text = file.read()

    # One that nothing brought along can't be named to apt-get.
    names = [name for name in names
             if re.search(r'^Package: %s$' % re.escape(name), text, re.M)]
    if not names:
        return

    with open(status, 'w', encoding='utf-8') as file:
        file.write(without(text, options.without))
    run_inside(tree, ['apt-get', 'purge', '--yes', '--auto-remove',
                      '-o', 'APT::AutoRemove::RecommendsImportant=false',
                      '-o', 'APT::AutoRemove::SuggestsImportant=false',
                      *names], 'removing packages')


def locales(options, tree):
    for name in options.locales:
        run_inside(tree, ['localedef', '--no-archive', '-f', 'UTF-8',
                          '-i', name.removesuffix('.UTF-8'), name],
                   'making the locale ' + name)


def wheels(options, tree):
    """Lines for the manifest.  pip is given the hashes of the very files that
    were listed, no index and no network."""
    if not options.wheels:
        return []

    place = os.path.join(tree, 'tmp/wheels')
    os.mkdir(place)
    lines, wanted = [], ''
    for wheel in options.wheels:
        name = os.path.basename(wheel)
        shutil.copyfile(wheel, os.path.join(place, name))
        with open(os.path.join(place, name), 'rb') as file:
            digest = hashlib.file_digest(file, 'sha256').hexdigest()
        lines.append('wheel %s %s' % (name, digest))
        wanted += '%s @ file:///tmp/wheels/%s --hash=sha256:%s\n' % (
            name.split('-')[0], name, digest)
    with open(os.path.join(place, 'list'), 'w') as file:
        file.write(wanted)

    [pip] = glob.glob('usr/share/python-wheels/pip-*.whl', root_dir=tree)
    run_inside(tree, ['python3', '/%s/pip' % pip, 'install', '--no-index',
                      '--only-binary=:all:', '--require-hashes',
                      '--no-compile', '--no-cache-dir',
                      '--disable-pip-version-check',
                      '--break-system-packages', '--root-user-action=ignore',
                      '-r', '/tmp/wheels/list'], 'installing the wheels')
    return lines
