# Copyright (C) The codeexec authors.
"""A worker: unpacks wheels and precompiles what is in them.

python3 -I -S -c TEXT '{"wheels": [...], "target": ..., "prefix": ...,
                        "max_size": ..., "report": ...}'

No code of a wheel is run.  Left out are what starts with an interpreter (.pth),
and programs and data, which have their place in a whole installation only.
"""

import base64
import csv
import hashlib
import io
import json
import os
import posixpath
import py_compile
import stat
import sys
import warnings
import zipfile

UNCHECKED = py_compile.PycInvalidationMode.UNCHECKED_HASH

PIECE = 1 << 20


class Bad(Exception):
    pass


def place(name):
    """Where a member goes, or None; fails if it is one that must not be."""
    parts = name.split('/')
    if name.startswith('/') or '\\' in name or '\0' in name \
            or any(part in ('', '.', '..') for part in parts):
        raise Bad('has a file "%s"' % ascii(name)[1:-1])
    if parts[0].endswith('.data'):
        if parts[1] not in ('purelib', 'platlib') or len(parts) < 3:
            return None
        parts = parts[2:]
    if len(parts) == 1 and parts[0].endswith('.pth'):
        return None
    return posixpath.join(*parts)


def recorded(archive, names):
    """Hashes by name, from RECORD."""
    [record] = [name for name in names if name.endswith('.dist-info/RECORD')
                and name.count('/') == 1] or [None]
    if record is None:
        raise Bad('has no RECORD')
    if archive.getinfo(record).file_size > 64 * PIECE:
        raise Bad('has too long a RECORD')
    text = io.StringIO(archive.read(record).decode('utf-8'))
    return {row[0]: row[1] for row in csv.reader(text) if len(row) == 3}


class Unpacker:

    def __init__(self, target, max_size):
        self.target = target
        self.left = max_size
        self.notes = []
        self.owner = {}     # wheel by path

    def write(self, archive, info, path):
        """Returns the hash as RECORD has it."""
        digest = hashlib.sha256()
        full = os.path.join(self.target, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if os.path.lexists(full):
            os.unlink(full)
        with archive.open(info) as source, open(full, 'xb') as copy:
            while piece := source.read(PIECE):
                self.left -= len(piece)
                if self.left < 0:
                    raise Bad('makes it more than "max_size"')
                digest.update(piece)
                copy.write(piece)
        os.chmod(full, 0o755 if info.external_attr >> 16 & 0o111 else 0o644)
        text = base64.urlsafe_b64encode(digest.digest()).decode()
        return 'sha256=' + text.rstrip('=')

    def member(self, archive, wheel, info, hashes):
        mode = info.external_attr >> 16
        if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise Bad('has "%s", which is no file' % ascii(info.filename)[1:-1])
        path = place(info.filename)
        if path is None:
            if info.filename.endswith('.pth'):
                self.notes.append('%s: "%s" is left out' % (
                    wheel, ascii(info.filename)[1:-1]))
            return
        digest = self.write(archive, info, path)
        wanted = hashes.get(info.filename)
        signature = path.endswith(('/RECORD', '/RECORD.jws', '/RECORD.p7s'))
        if wanted != digest and not (signature and not wanted):
            raise Bad('has "%s", which RECORD does not have so'
                      % ascii(info.filename)[1:-1])
        if self.owner.setdefault(path, wheel) != wheel:
            self.notes.append('"%s" is in %s and in %s' % (
                ascii(path)[1:-1], self.owner[path], wheel))

    def unpack(self, path):
        wheel = os.path.basename(path)
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist()
                       if not info.is_dir()]
            names = [info.filename for info in members]
            if len(set(names)) != len(names):
                raise Bad('has two files of a name')
            hashes = recorded(archive, names)
            for info in members:
                self.member(archive, wheel, info, hashes)


def precompile(target, prefix):
    for path, directories, files in os.walk(target):
        directories.sort()
        for name in sorted(files):
            if not name.endswith('.py'):
                continue
            full = os.path.join(path, name)
            seen = os.path.join(prefix, os.path.relpath(full, target))
            try:
                py_compile.compile(full, dfile=seen, doraise=True, quiet=2,
                                   invalidation_mode=UNCHECKED)
            except (py_compile.PyCompileError, ValueError, RecursionError,
                    MemoryError):
                pass    # it says so itself when it is imported


def main():
    arguments = json.loads(sys.argv[1])
    target = arguments['target']
    unpacker = Unpacker(target, arguments['max_size'])

    os.umask(0o022)
    warnings.simplefilter('ignore')
    os.makedirs(target)
    for path in arguments['wheels']:
        try:
            unpacker.unpack(path)
        except (Bad, OSError, UnicodeError, RuntimeError, ValueError, EOFError,
                NotImplementedError, csv.Error, zipfile.BadZipFile,
                zipfile.LargeZipFile, __import__('zlib').error) as error:
            print('%s: %s' % (os.path.basename(path), error))
            return 1
    precompile(target, arguments['prefix'])
    with open(arguments['report'], 'x', encoding='utf-8') as file:
        json.dump(unpacker.notes, file)
    return 0


sys.exit(main())
