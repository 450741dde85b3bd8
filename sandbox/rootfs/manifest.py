# Copyright (C) The codeexec authors.
"""What is in a tree, as text, and what must not be in any.

A manifest has a line for whatever a rootfs was made of, and one for each
entry of the tree:

    package NAME VERSION ARCHITECTURE
    wheel FILE SHA256
    TYPE MODE OWNER CONTENT PATH

TYPE is "d", "f" or "l"; CONTENT is a SHA-256, the target of a link or "-".
Bytes that are not printable ASCII, blanks and backslashes are written \\xNN.
"""

import errno
import hashlib
import os
import re
import stat

from process import Failure

NAME = 'MANIFEST'
FORMAT = 'codeexec-rootfs 1'
OWNER = (0, 0)

TYPES = {stat.S_IFDIR: 'd', stat.S_IFREG: 'f', stat.S_IFLNK: 'l'}
FIELDS = ('type', 'mode', 'owner', 'content')

XATTRS = {'security.capability', 'system.posix_acl_access',
          'system.posix_acl_default'}


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def escape(path):
    return ''.join(chr(c) if 0x20 < c < 0x7f and c != 0x5c else '\\x%02x' % c
                   for c in os.fsencode(path))


def walk(tree):
    """Path from the tree's top, entry and status of all but the manifest."""
    def below(directory, prefix):
        for entry in os.scandir(directory):
            path = prefix + entry.name
            if path == NAME:
                continue
            yield path, entry.path, entry.stat(follow_symlinks=False)
            if entry.is_dir(follow_symlinks=False):
                yield from below(entry.path, path + '/')

    yield '.', tree, os.lstat(tree)
    yield from below(tree, '')


def content(path, kind):
    if kind == 'l':
        return escape(os.readlink(path))
    if kind == 'f':
        with open(path, 'rb') as file:
            return hashlib.file_digest(file, 'sha256').hexdigest()
    return '-'


def describe(path, full, status):
    kind = TYPES.get(stat.S_IFMT(status.st_mode), '?')
    return ' '.join([kind, '%04o' % stat.S_IMODE(status.st_mode),
                     '%d:%d' % (status.st_uid, status.st_gid),
                     content(full, kind), escape(path)])


def privileges(path):
    """Extended attributes that give any."""
    try:
        return XATTRS.intersection(os.listxattr(path))
    except OSError as error:
        if error.errno == errno.ENOTSUP:    # as on a squashfs without any
            return set()
        raise


def faults(full, status):
    """What is wrong with an entry, whatever the manifest says."""
    kind = TYPES.get(stat.S_IFMT(status.st_mode))
    if kind is None:
        yield 'is a device, socket or pipe'
    if (status.st_uid, status.st_gid) != OWNER:
        yield 'is not owned by root' if OWNER == (0, 0) else 'has another owner'
    if kind == 'l':
        return
    if status.st_mode & 0o7000:
        yield 'has a setuid, setgid or sticky bit'
    if status.st_mode & 0o022:
        yield 'is writable by others'
    if kind and privileges(full):
        yield 'has capabilities or an access list'


def inspect(tree):
    """Lines by path, and what is wrong with the tree."""
    lines, wrong = {}, []
    device = os.lstat(tree).st_dev
    links = {}

    for path, full, status in walk(tree):
        name = escape(path)
        lines[name] = describe(path, full, status)
        wrong += ['%s: %s' % (name, fault) for fault in faults(full, status)]
        if status.st_dev != device:
            wrong.append('%s: is on another file system' % name)
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            links.setdefault((status.st_nlink, status.st_ino), []).append(name)

    for (count, _), names in links.items():
        if len(names) != count:
            wrong.append('%s: has a hard link outside of the tree' % names[0])
    return lines, sorted(wrong)


def package_lines(tree):
    """From dpkg's database in the tree, if it has one."""
    try:
        with open(os.path.join(tree, 'var/lib/dpkg/status')) as file:
            stanzas = file.read().split('\n\n')
    except FileNotFoundError:
        return []
    lines = []
    for stanza in stanzas:
        field = dict(re.findall(r'^(\S+): (.*)', stanza, re.MULTILINE))
        if field.get('Status', '').endswith(' installed'):
            lines.append('package %(Package)s %(Version)s %(Architecture)s'
                         % field)
    return sorted(lines)


def make(tree, head):
    lines, wrong = inspect(tree)
    if wrong:
        raise Failure('\n'.join(['this tree is not fit to be a rootfs', *wrong]))
    return '\n'.join([FORMAT, *head,
                      *(lines[path] for path in sorted(lines)), ''])


def read(path):
    with open(path, encoding='ascii', errors='backslashreplace') as file:
        text = file.read()
    if not text.startswith(FORMAT + '\n'):
        raise Failure('%s is no manifest' % path)
    lines = {}
    for line in text.splitlines():
        fields = line.split(' ')
        if len(fields) == 5 and len(fields[0]) == 1:
            lines[fields[4]] = line
    return text, lines


def difference(path, was, now):
    if was is None:
        return '%s: is not in the manifest' % path
    if now is None:
        return '%s: is missing' % path
    changed = ['%s is %s, was %s' % (field, b, a) for field, a, b in
               zip(FIELDS, was.split(' '), now.split(' ')) if a != b]
    return '%s: %s' % (path, '; '.join(changed))


def verify(tree, manifest):
    """The text of the manifest and a list of complaints."""
    tree = os.path.realpath(tree)
    text, expected = read(manifest)
    lines, complaints = inspect(tree)

    # The name that a version has is a part of the hash of its manifest.
    version = re.search(r'-([0-9a-f]{16})$', tree)
    if version and not digest(text).startswith(version[1]):
        complaints.append('the manifest is not the one of this version')

    for path in sorted(lines.keys() | expected.keys()):
        if lines.get(path) != expected.get(path):
            complaints.append(difference(path, expected.get(path),
                                         lines.get(path)))
    return text, complaints
