# Copyright (C) The codeexec authors.
"""The list of packages that may be added.

A line is a name with or without a version, and hashes of the files that may be
installed.  Lists of pip's, "NAME==VERSION --hash=sha256:HEX", are of that form.
"""

import re

from process import Failure

LINE = re.compile(r'(?P<name>(@[\w.-]+/)?[\w][\w.-]*)'
                  r'(\[[\w,.-]*\])?((==|(?<=\w)@)(?P<version>[\w.+!-]+))?')
HASH = re.compile(r'(--hash=)?(sha256:[0-9a-f]{64}|sha512-[A-Za-z0-9+/]+=*)')


def logical_lines(path):
    with open(path, encoding='utf-8') as file:
        text = re.sub(r'\\\n', ' ', file.read())
    for number, line in enumerate(text.split('\n'), 1):
        line = re.sub(r'(^|\s)#.*', '', line).strip()
        if line:
            yield number, line.split()


class Allow:
    """Of one language, whose names normal() makes comparable."""

    def __init__(self, path, normal):
        self.path = path
        self.normal = normal
        self.entries = {}
        for number, words in logical_lines(path) if path else ():
            match = LINE.fullmatch(words[0])
            hashes = [HASH.fullmatch(word) for word in words[1:]]
            if not match or not all(hashes):
                raise Failure('%s:%d: not understood; wanted is NAME==VERSION '
                              'and hashes' % (path, number))
            entry = self.entries.setdefault(normal(match['name']), {})
            known = entry.setdefault(match['version'], set())
            known.update(found[2] for found in hashes)

    def versions(self):
        """The only version of a name, where there is but one."""
        return {name: next(iter(entry)) for name, entry in self.entries.items()
                if len(entry) == 1 and None not in entry}

    def check(self, name, version, digest, same=str.__eq__):
        if not self.path:
            return
        entry = self.entries.get(self.normal(name))
        if entry is None:
            raise Failure('"%s" is not in %s' % (name, self.path))
        found = [hashes for wanted, hashes in entry.items()
                 if wanted is None or same(wanted, version)]
        if not found:
            raise Failure('"%s" %s is not in %s, other versions are' % (
                name, version, self.path))
        hashes = set().union(*found)
        if hashes and digest not in hashes:
            raise Failure('"%s" %s has not the hash that %s has: %s' % (
                name, version, self.path, digest))
