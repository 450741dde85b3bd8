# Copyright (C) The codeexec authors.
"""Makes an index of Python packages and a registry of npm's, as plain files.

make.py DIRECTORY <JSON, a list of packages:
    {"kind": "wheel", "name": ..., "version": ..., "files": {path: text},
     "requires": [...], and what is wrong with it:
     "raw": {path: text} not in RECORD, "symlink": {path: target},
     "twice": path, "lies": path, "zeros": {path: bytes}, "no_record": true}
    {"kind": "sdist", "name": ..., "version": ..., "setup": text}
    {"kind": "npm", "name": ..., "version": ..., "files": ..., "requires":
     {name: range}, "scripts": {...}, "tarball": another address}
"""

import base64
import hashlib
import io
import json
import os
import re
import sys
import tarfile
import warnings
import zipfile

TOP = sys.argv[1]


def record_hash(data):
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest())
    return 'sha256=' + digest.decode().rstrip('=')


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as file:
        file.write(data)


def wheel(spec):
    name, version = spec['name'], spec['version']
    info = '%s-%s.dist-info/' % (name, version)
    files = {path: text.encode() for path, text in spec['files'].items()}
    files.update((path, bytes(size))
                 for path, size in spec.get('zeros', {}).items())
    files[info + 'METADATA'] = ''.join(
        line + '\n' for line in
        ['Metadata-Version: 2.1', 'Name: ' + name, 'Version: ' + version,
         *('Requires-Dist: ' + other for other in spec.get('requires', ()))]
    ).encode()
    files[info + 'WHEEL'] = (b'Wheel-Version: 1.0\nGenerator: test\n'
                             b'Root-Is-Purelib: true\nTag: py3-none-any\n')
    rows = ['%s,%s,%d' % (path, record_hash(
        b'other' if path == spec.get('lies') else data), len(data))
        for path, data in files.items()]
    if not spec.get('no_record'):
        files[info + 'RECORD'] = '\n'.join(
            [*rows, info + 'RECORD,,', '']).encode()
    buffer = io.BytesIO()
    warnings.simplefilter('ignore')
    with zipfile.ZipFile(buffer, 'w', zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(path, data)
        for path, text in spec.get('raw', {}).items():
            archive.writestr(path, text)
        for path, target in spec.get('symlink', {}).items():
            member = zipfile.ZipInfo(path)
            member.external_attr = 0o120777 << 16
            archive.writestr(member, target)
        if 'twice' in spec:
            archive.writestr(spec['twice'], files[spec['twice']])
    return '%s-%s-py3-none-any.whl' % (name, version), buffer.getvalue()


def tar(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w:gz') as archive:
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def sdist(spec):
    stem = '%s-%s' % (spec['name'], spec['version'])
    return stem + '.tar.gz', tar({
        stem + '/setup.py': spec['setup'].encode(),
        stem + '/PKG-INFO': ('Metadata-Version: 2.1\nName: %s\nVersion: %s\n'
                             % (spec['name'], spec['version'])).encode()})


def python(specs):
    pages = {}
    for spec in specs:
        file, data = {'wheel': wheel, 'sdist': sdist}[spec['kind']](spec)
        write('%s/files/%s' % (TOP, file), data)
        digest = hashlib.sha256(data).hexdigest()
        page = re.sub('[-_.]+', '-', spec['name']).lower()
        pages.setdefault(page, []).append(
            '<a href="/files/%s#sha256=%s">%s</a><br>' % (
                file, spec.get('digest', digest), file))
        print(spec['name'], spec['version'], 'sha256:' + digest)
    for name, links in pages.items():
        write('%s/simple/%s/index.html' % (TOP, name),
              '<!DOCTYPE html><html><body>\n{}\n</body></html>\n'.format(
                  '\n'.join(links)).encode())


def npm(specs, address):
    registry = {}
    for spec in specs:
        name, version = spec['name'], spec['version']
        about = {'name': name, 'version': version,
                 'dependencies': spec.get('requires', {}),
                 **({'scripts': spec['scripts'], 'hasInstallScript': True}
                    if 'scripts' in spec else {})}
        files = {'package/package.json': json.dumps(about).encode()}
        files.update(('package/' + path, text.encode())
                     for path, text in spec['files'].items())
        data = tar(files)
        file = '%s-%s.tgz' % (name.rpartition('/')[2], version)
        write('%s/npm/%s/-/%s' % (TOP, name, file), data)
        digest = 'sha512-' + base64.b64encode(
            hashlib.sha512(data).digest()).decode()
        entry = registry.setdefault(name, {
            'name': name, 'dist-tags': {}, 'versions': {}})
        entry['dist-tags']['latest'] = version
        entry['versions'][version] = {**about, 'dist': {
            'tarball': spec.get('tarball') or '%s/%s/-/%s' % (
                address, name, file),
            'integrity': spec.get('integrity', digest)}}
        print(name, version, digest)
    for name, entry in registry.items():
        write('%s/npm/%s/index.json' % (TOP, name),
              json.dumps(entry).encode())


def main():
    specs = json.load(sys.stdin)
    python([spec for spec in specs if spec['kind'] != 'npm'])
    npm([spec for spec in specs if spec['kind'] == 'npm'], sys.argv[2])


main()
