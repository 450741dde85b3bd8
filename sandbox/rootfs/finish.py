# Copyright (C) The codeexec authors.
"""What becomes of a fresh Debian: nothing superfluous, everything prebuilt."""

import fnmatch
import glob
import os
import pathlib
import re
import shutil
import stat

from manifest import privileges
from process import NOBODY_ID, run_inside

HERE = os.path.dirname(os.path.realpath(__file__))

# What codeexecd takes from a rootfs, which is listed in sandbox/template.c,
# and the packages that are installed, for those who look for holes in them.
USED = [
    'usr', 'bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32',
    'etc/alternatives', 'etc/fonts',
    'etc/ld.so.cache', 'etc/matplotlibrc', 'etc/mime.types', 'etc/os-release',
    'var/lib/dpkg/status',
]

# Where sandbox/runtimes/python/zygote.py looks for matplotlib's list of fonts.
MATPLOTLIB = 'usr/share/codeexec/matplotlib'
MATPLOTLIBS = ('usr/lib/python3/dist-packages/matplotlib',
               'usr/local/lib/python3*/dist-packages/matplotlib')

# Runs have no /var.
FONTCONFIG = 'usr/share/codeexec/fontconfig'
FONTCONFIG_CONF = '''\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <cachedir>/%s</cachedir>
</fontconfig>
''' % FONTCONFIG


def scan(directory):
    return sorted(os.scandir(directory), key=lambda entry: entry.name)


def everything(directory):
    """All entries below, what is in a directory before the directory."""
    for entry in scan(directory):
        if entry.is_dir(follow_symlinks=False):
            yield from everything(entry.path)
        yield entry


def exists(tree, path):
    return os.path.lexists(os.path.join(tree, path))


def write(tree, path, text, epoch):
    path = os.path.join(tree, path)
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)
    os.chmod(path, 0o644)
    for changed in (path, os.path.dirname(path)):
        os.utime(changed, (epoch, epoch))


def time_stamp(tree, begin):
    """SOURCE_DATE_EPOCH, or the latest that a package has brought along."""
    if os.environ.get('SOURCE_DATE_EPOCH', '').isdigit():
        return int(os.environ['SOURCE_DATE_EPOCH'])
    times = [entry.stat(follow_symlinks=False).st_mtime
             for entry in everything(os.path.join(tree, 'usr'))]
    return int(max((t for t in times if t < begin), default=0))


def limit_times(tree, epoch):
    for entry in everything(tree):
        if entry.stat(follow_symlinks=False).st_mtime > epoch:
            os.utime(entry.path, (epoch, epoch), follow_symlinks=False)
    os.utime(tree, (epoch, epoch))


def patterns(globs):
    """As in dpkg's path-exclude, "*" stands for slashes, too."""
    return re.compile('|'.join(map(fnmatch.translate, globs)) or '(?!)').match


def delete(tree, options):
    unwanted, wanted = patterns(options.delete), patterns(options.keep)

    def clear(directory, doomed):
        for entry in scan(directory):
            path = os.path.relpath(entry.path, tree)
            dies = doomed or unwanted(path)
            if entry.is_dir(follow_symlinks=False):
                clear(entry.path, dies)
                if dies and not os.listdir(entry.path):
                    os.rmdir(entry.path)
            elif dies and not wanted(path):
                os.unlink(entry.path)

    clear(tree, False)


def run_script(tree, name, *args, **options):
    """A script that comes with codeexec, by the rootfs's own Python."""
    place = os.path.join(tree, 'tmp')
    os.makedirs(place, exist_ok=True)
    shutil.copyfile(os.path.join(HERE, name), os.path.join(place, name))
    run_inside(tree, ['/usr/bin/python3', *args], name, **options)


def compile_python(tree):
    for entry in everything(os.path.join(tree, 'usr')):
        if entry.name == '__pycache__':
            shutil.rmtree(entry.path)
    if not exists(tree, 'usr/bin/python3'):
        return
    # Without "site", which would run what packages have left for it.
    run_script(tree, 'compile.py', '-S', '/tmp/compile.py', *(
        '/' + path for place in ('usr/lib', 'usr/local/lib')
        for path in sorted(glob.glob(place + '/python3*', root_dir=tree))))


def make_font_list(tree):
    """It takes importing matplotlib, which may be from a wheel."""
    place = os.path.join(tree, MATPLOTLIB)
    os.makedirs(place)
    os.chown(place, NOBODY_ID, NOBODY_ID)
    run_script(tree, 'fontcache.py', '-s', '/tmp/fontcache.py',
               '/' + MATPLOTLIB, unprivileged=True)


def make_caches(tree, epoch):
    if any(glob.glob(path, root_dir=tree) for path in MATPLOTLIBS):
        make_font_list(tree)
    if exists(tree, 'usr/bin/fc-cache'):
        write(tree, 'etc/fonts/conf.d/00-codeexec.conf', FONTCONFIG_CONF,
              epoch)
        run_inside(tree, ['fc-cache', '--system-only', '--really-force'],
                   'fc-cache')
    if exists(tree, 'usr/sbin/ldconfig'):
        run_inside(tree, ['ldconfig'], 'ldconfig')


def drop_unused(tree):
    """Also devices, logs, secrets and whatever else is outside of /usr."""
    parents = {str(parent) for path in USED
               for parent in pathlib.PurePath(path).parents}

    def clear(directory):
        for entry in scan(directory):
            path = os.path.relpath(entry.path, tree)
            if path in USED:
                continue
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
            elif path in parents:
                clear(entry.path)
            else:
                shutil.rmtree(entry.path)

    clear(tree)


def make_readable(path, mode):
    if stat.S_ISLNK(mode):
        return
    runs = stat.S_ISDIR(mode) or mode & 0o111
    os.chmod(path, 0o755 if runs else 0o644)
    for name in privileges(path):
        os.removexattr(path, name)


def normalise(tree):
    """Nothing is writable or owned by others, nothing gives privileges."""
    for entry in everything(tree):
        os.chown(entry.path, 0, 0, follow_symlinks=False)
        make_readable(entry.path, entry.stat(follow_symlinks=False).st_mode)
    os.chown(tree, 0, 0)
    os.chmod(tree, 0o755)


def finish(options, tree, epoch):
    delete(tree, options)
    compile_python(tree)
    limit_times(tree, epoch)    # fontconfig keeps those of directories
    make_caches(tree, epoch)
    drop_unused(tree)
    normalise(tree)
    limit_times(tree, epoch)
