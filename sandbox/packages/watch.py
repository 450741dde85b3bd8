# Copyright (C) The codeexec authors.
"""Adding what programs have missed: a log of nginx is followed.

Each line is a JSON object with "language" and "missing", and nothing but the
word of a program.  It is looked up in the list of what may be added; what is
added then is the name in that list.
"""

import json
import os
import time

import daemon
from process import Failure, say
from versions import Versions

LINE_MAX = 4096
PIECE = 1 << 20

PAUSE = 1       # seconds, when there is no more to be read


class Log:
    """Lines that are added to a file, and to those that take its place."""

    def __init__(self, path):
        self.path = path
        self.file = None
        self.rest = b''
        if os.path.exists(path):
            self.open()
            self.file.seek(0, os.SEEK_END)

    def open(self):
        if self.file:
            self.file.close()
        self.file = open(self.path, 'rb', buffering=0)
        self.rest = b''

    def turn(self):
        """At the end of the file: whether there is another beginning."""
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            return False
        if not there.st_size:
            return False        # nginx may still write to the one before
        here = self.file and os.fstat(self.file.fileno())
        if not here or not os.path.samestat(there, here):
            self.open()
        elif there.st_size < self.file.tell():
            self.file.seek(0)
            self.rest = b''
        else:
            return False
        return True

    def read(self):
        """Whole lines; those that are too long are left out."""
        piece = self.file.read(PIECE) if self.file else b''
        if not piece and self.turn():
            piece = self.file.read(PIECE)
        *lines, rest = (self.rest + piece).split(b'\n')
        self.rest = rest[:LINE_MAX + 1]
        return [line for line in lines if len(line) <= LINE_MAX]


def missed(line):
    """Language and module, whatever a program calls so; or two empty ones."""
    try:
        said = json.loads(line)
        return str(said['language']), str(said['missing'])
    except (ValueError, TypeError, KeyError, RecursionError):
        return '', ''


def wanted(options, languages, lines):
    """Languages and packages of their lists, once each."""
    found = {}
    lists = {name: language.allowed(options).entries
             for name, language in languages.items()} if lines else {}
    for name, module in map(missed, lines):
        if name in lists:
            package = languages[name].of_module(options, module)
            if package in lists[name]:
                found[name, package] = True
    return found


def is_there(options, name, language, package):
    versions = Versions(options.directory, name)
    if package in versions.read(versions.current()).packages:
        return True
    for path in options.sockets:
        listed = (daemon.state(path) or {}).get('packages', {}).get(name, {})
        if package in map(language.normal, listed.get('packages', {})):
            return True     # it is in the rootfs
    return False


def follow(options, languages, path, add):
    log = Log(path)
    again = {}      # when a package may be tried again
    say('following %s' % path)
    while True:
        lines = log.read()
        try:
            packages = wanted(options, languages, lines)
        except (Failure, OSError) as error:
            say(str(error))     # a list that is being written
            packages = ()
        for name, package in packages:
            if again.get((name, package), 0) > time.monotonic():
                continue
            try:
                if is_there(options, name, languages[name], package):
                    continue
                say('programs miss "%s"' % package)
                add(name, package)
            except (Failure, OSError) as error:
                say('"%s" was not added: %s' % (package, error))
            again[name, package] = time.monotonic() + options.retry
            time.sleep(options.interval)
        time.sleep(PAUSE)
