# Copyright (C) The codeexec authors.
"""Programs that deal with what others have made: pip, npm, unpacking.

None of them has privileges or outlives its purpose.  They are given files in
"in", which they cannot write to, and leave files in "out", which are copied
from there by somebody who looks at nothing but their type and size.
"""

import hashlib
import json
import os
import stat

import process
from process import Failure

HERE = os.path.dirname(os.path.realpath(__file__))

# Files in a version, and bytes of what a worker reports.
FILES_MAX = 500000
REPORT_MAX = 64 << 20


class Worker:

    def __init__(self, options, work):
        self.options = options
        self.root = os.geteuid() == 0
        self.input = os.path.join(work, 'in')
        self.output = os.path.join(work, 'out')
        os.mkdir(self.input, 0o755)
        os.mkdir(self.output, 0o700)
        self.hand_over(self.output)
        self.left = options.max_size

    def hand_over(self, path):
        if self.root:
            os.chown(path, self.options.uid, self.options.gid)

    def give(self, name, text):
        """A file for it; an address in it may have a password."""
        path = os.path.join(self.input, name)
        with open(path, 'x', encoding='utf-8') as file:
            os.chmod(path, 0o400)
            file.write(text)
        self.hand_over(path)
        return path

    def run(self, argv, name, network=False):
        confined = []
        if self.root:
            confined = process.DIES if process.in_container else [
                *process.CONFINED, *['--net'] * (not network)]
            confined = [*confined,
                        *process.as_user(self.options.uid, self.options.gid)]
        process.run([*confined, *argv], name, cwd=self.output, env={
            'HOME': self.output,
            'LC_ALL': 'C.UTF-8',
            'PATH': '/usr/local/bin:/usr/bin:/bin',
            'PYTHONDONTWRITEBYTECODE': '1',
            'TMPDIR': self.output,
            **{key: value for key, value in os.environ.items()
               if network and key.lower().endswith('_proxy')}})

    def run_script(self, script, name, network=False, **arguments):
        """One of ours, which the user need not be able to read."""
        with open(os.path.join(HERE, script), encoding='utf-8') as file:
            text = file.read()
        self.run(['/usr/bin/python3', '-I', '-S', '-c', text,
                  json.dumps(arguments)], name, network)

    def report(self, name):
        """What it has written, as JSON."""
        descriptor = os.open(os.path.join(self.output, name),
                             os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, encoding='utf-8') as file:
            text = file.read(REPORT_MAX)
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise Failure('"%s" is no report' % name)

    # ------------------------------------------------------ taking its files

    def take_file(self, descriptor, target):
        """A new file of ours with its content; returns its digest."""
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise Failure('"%s" is no file' % os.path.basename(target))
        digest = hashlib.sha256()
        mode = 0o755 if status.st_mode & 0o111 else 0o644
        with open(descriptor, 'rb') as source, open(target, 'xb') as copy:
            while piece := source.read(1 << 20):
                self.left -= len(piece)
                if self.left < 0:
                    raise Failure('there is more than "max_size" in it')
                digest.update(piece)
                copy.write(piece)
            os.fchmod(copy.fileno(), mode)
        return digest.hexdigest()

    def take(self, name, target):
        """A file in "out" by its path there; returns its digest."""
        path = os.path.join(self.output, name)
        return self.take_file(
            os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), target)

    def take_tree(self, name, target, skip=()):
        """Directories and files; what is neither is left out."""
        count = 0

        def below(directory, target):
            nonlocal count
            os.mkdir(target, 0o755)
            for entry in sorted(os.listdir(directory)):
                count += 1
                if count > FILES_MAX:
                    raise Failure('there are too many files in it')
                if entry in skip:
                    continue
                kind = os.lstat(entry, dir_fd=directory).st_mode
                place = os.path.join(target, entry)
                if stat.S_ISDIR(kind):
                    fd = os.open(entry, os.O_RDONLY | os.O_DIRECTORY
                                 | os.O_NOFOLLOW, dir_fd=directory)
                    try:
                        below(fd, place)
                    finally:
                        os.close(fd)
                elif stat.S_ISREG(kind):
                    self.take_file(os.open(entry, os.O_RDONLY | os.O_NOFOLLOW
                                           | os.O_NONBLOCK, dir_fd=directory),
                                   place)

        fd = os.open(os.path.join(self.output, name),
                     os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            below(fd, target)
        except RecursionError:
            raise Failure('its directories are too deep')
        finally:
            os.close(fd)
