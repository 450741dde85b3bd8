# Copyright (C) The codeexec authors.
"""The versions of a rootfs, side by side; one of them is the current one."""

import contextlib
import fcntl
import os
import time

import manifest
from process import Failure, run

CURRENT = 'current'


def remove(path):
    run(['rm', '-rf', '--one-file-system', '--', path], 'removing ' + path)


@contextlib.contextmanager
def workplace(output):
    """A place on the same file system that is gone afterwards.  One build is
    at work at a time, so what is there already is left of one that died."""
    os.makedirs(output, exist_ok=True)
    work = os.path.join(os.path.realpath(output), '.work')
    with open(os.path.join(output, '.lock'), 'w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure('another build is at work in %s' % output)
        remove(work)
        try:
            os.mkdir(work, 0o755)
            yield work
        finally:
            remove(work)


def name(suite, epoch, text):
    day = time.strftime('%Y%m%d', time.gmtime(epoch))
    return '%s-%s-%s' % (suite, day, manifest.digest(text)[:16])


def squash(work, epoch):
    run(['mksquashfs', os.path.join(work, 'tree'),
         os.path.join(work, 'squashfs'), '-noappend', '-no-progress',
         '-all-root', '-no-xattrs',
         '-comp', 'zstd', '-Xcompression-level', '6'], 'mksquashfs',
        env={**os.environ, 'SOURCE_DATE_EPOCH': str(epoch)})


def sync(path):
    run(['sync', '--file-system', path], 'sync')


def put_in_place(output, work, version):
    """Each step is a rename: at any time all that can be seen is whole."""
    output = os.path.realpath(output)
    place = os.path.join(output, version)
    sync(work)

    if os.path.exists(os.path.join(work, 'squashfs')):
        os.replace(os.path.join(work, 'squashfs'), place + '.squashfs')

    new = not os.path.exists(place)
    if new:
        os.rename(os.path.join(work, 'tree'), place)
    elif manifest.verify(place, os.path.join(place, manifest.NAME))[1]:
        raise Failure('%s is damaged; remove it and build again' % place)

    os.symlink(version, os.path.join(work, CURRENT))
    os.replace(os.path.join(work, CURRENT), os.path.join(output, CURRENT))
    sync(output)
    return place, new


def size(tree):
    blocks = {status.st_ino: status.st_blocks
              for _, _, status in manifest.walk(tree)}
    return sum(blocks.values()) * 512
