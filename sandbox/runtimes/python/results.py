# Copyright (C) The codeexec authors.
"""What the program shows, one record after another in a file that codeexecd
reads when the run has ended: docs/protocol.md, "Results".

A record is appended with one write(), so that threads and child processes may
show things, too, and what was shown before a crash or a timeout is there.
"""

import base64
import json
import math
import os
import re
import struct
import sys

PATH = '/home/results'

TEXT_MAX = 100000       # characters
FINAL_MAX = 1 << 16     # bytes of a record about the run

SHORT = {
    'text/plain': 'text', 'text/html': 'html', 'text/markdown': 'markdown',
    'image/svg+xml': 'svg', 'text/latex': 'latex', 'image/png': 'png',
    'image/jpeg': 'jpeg', 'image/gif': 'gif', 'image/webp': 'webp',
    'application/pdf': 'pdf', 'application/json': 'json',
    'application/javascript': 'javascript', 'text/javascript': 'javascript',
}
BINARY = {'png', 'jpeg', 'gif', 'webp', 'pdf'}
JSON = {'json', 'data', 'chart'}
NAMES = set(SHORT.values()) | JSON

MEDIA_TYPE = re.compile(r'[a-z0-9][a-z0-9.+_-]*/[a-z0-9.+_-]+')

enabled = False     # records about the run
showing = False     # and what the program shows


def start(limits, shows, finals):
    """finals: how many records about the run there must be room for."""
    global enabled, showing, pid, size, most, room, shown, told
    enabled = True
    showing = shows
    pid = os.getpid()
    size = limits.get('results_size', 1 << 24)
    most = max(1, limits.get('results', 100) - finals)
    room = size - min(finals * FINAL_MAX, size // 4)
    shown = 0
    told = False


def is_of_run():
    """Not a child that goes on to the program's end as its parent does."""
    return enabled and os.getpid() == pid


def dumps(value):
    """JSON, which has no NaN."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False,
                          separators=(',', ':'))
    except ValueError as error:
        if 'Circular' in str(error):
            raise
        return json.dumps(finite(value), ensure_ascii=False,
                          separators=(',', ':'))


def finite(value):
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key if isinstance(key, str) or key is None else finite(key):
                finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value


def utf8(text):
    return text.encode('utf-8', 'replace')


def cut(text, most=TEXT_MAX):
    if len(text) <= most:
        return text
    return '%s\n… %d more characters' % (text[:most], len(text) - most)


def encode(name, content):
    """Bytes of one form."""
    if isinstance(content, (bytes, bytearray, memoryview)):
        return bytes(content)
    if name in JSON or name.endswith('+json'):
        if isinstance(content, str):
            try:
                content = json.loads(content)
            except ValueError:
                pass    # it is a string
        return utf8(dumps(content))
    if not isinstance(content, str):
        raise TypeError('%s is neither text nor bytes, but %s'
                        % (name, type(content).__name__))
    if name in BINARY or name.startswith(('image/', 'audio/', 'video/')) \
            and not name.endswith('+xml'):
        return base64.b64decode(content)
    return utf8(cut(content) if name == 'text' else content)


def pixels(name, content):
    """Width and height as the image itself has them, or None."""
    if name == 'png' and content[12:16] == b'IHDR':
        return struct.unpack('>II', content[16:24])
    if name == 'gif' and content[:3] == b'GIF':
        return struct.unpack('<HH', content[6:10])
    if name == 'jpeg' and content[:2] == b'\xff\xd8':
        return jpeg_pixels(content)
    return None


def jpeg_pixels(content):
    at = 2
    while content[at:at + 1] == b'\xff' and len(content) >= at + 9:
        marker, length = struct.unpack('>BH', content[at + 1:at + 4])
        if 0xc0 <= marker <= 0xcf and marker not in (0xc4, 0xc8, 0xcc):
            return struct.unpack('>HH', content[at + 5:at + 9])[::-1]
        at += 2 + length
    return None


def labels(forms, main, name):
    """What is said of the result itself."""
    if main:
        yield '@main', b''
    if name:
        yield '@name', utf8(str(name))
    for kind, content in forms:
        size = pixels(kind, content)
        if size:
            yield '@size', b'%dx%d' % size
            return


def record(forms):
    parts = [b'']
    for name, content in forms:
        name = name.encode('ascii')
        parts += (struct.pack('!H', len(name)), name,
                  struct.pack('!I', len(content)), content)
    parts[0] = struct.pack('!I', sum(map(len, parts)))
    return b''.join(parts)


def append(data):
    fd = os.open(PATH, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    try:
        done = os.write(fd, data)
        if done < len(data):
            # The disk is full.  Half a record would be taken for a whole one.
            end = os.lseek(fd, 0, os.SEEK_CUR)
            if end == os.fstat(fd).st_size:
                os.ftruncate(fd, end - done)
            raise OSError('no space left for it')
    finally:
        os.close(fd)


def put(forms, main=False, name=None):
    """Shows one result: forms is a list of names and bytes."""
    global shown
    if not showing:
        return False
    if shown >= most:
        omit('more than %d' % most)
        return False
    forms = list(forms)
    free = room - os.stat(PATH).st_size
    while forms:
        data = record([*forms, *labels(forms, main, name)])
        if len(data) <= free:
            break
        # Some of it may fit: text rather than a picture of a hundred megabytes.
        largest = max(forms, key=lambda form: len(form[1]))
        forms.remove(largest)
        omit('%s of %d bytes' % (largest[0], len(largest[1])))
    if all(form[0].startswith('@') for form in forms):
        return False
    append(data)
    shown += 1
    return True


def put_final(name, text):
    """A record about the run."""
    if is_of_run():
        append(record([(name, utf8(text))]))


def put_return(text):
    """What main() has returned: all of it, or it has failed."""
    if is_of_run() and len(utf8(text)) + 64 \
            > size - os.stat(PATH).st_size:
        raise ValueError('main() returned more than %d bytes' % size)
    put_final('@return', text)


def omit(why):
    global told
    if not told:
        told = True
        say('not all results are kept: ' + why)


def say(text):
    try:
        print('codeexec:', text, file=sys.stderr)
    except Exception:
        pass
