# Copyright (C) The codeexec authors.
"""Running other programs: none of them, and no mount, outlives its purpose."""

import os
import subprocess
import sys

program = 'codeexec-rootfs'
verbose = False
in_container = False

# If this program dies, "unshare" is killed, and so is all that it has started.
# Mounts are made in a mount namespace that ends with the last process in it.
DIES = ['setpriv', '--pdeathsig', 'KILL']
CONFINED = [*DIES, 'unshare', '--fork', '--kill-child', '--mount', '--pid',
            '--ipc', '--uts', '--mount-proc']

ENVIRONMENT = {
    'DEBIAN_FRONTEND': 'noninteractive',
    'HOME': '/root',
    'LC_ALL': 'C.UTF-8',
    'PATH': '/usr/sbin:/usr/bin:/sbin:/bin',
    'PYTHONDONTWRITEBYTECODE': '1',
    'PYTHONHASHSEED': '0',      # or sets would have another order each time
    'TZ': 'UTC',
}

PASSED_ON = ('HOME', 'PATH', 'SOURCE_DATE_EPOCH', 'TMPDIR')

NOBODY_ID = 65534


# The kernel forgets that a process is to die with its parent when its user
# changes, so that comes once more.
def as_user(uid, gid):
    return ['setpriv', '--reuid=%d' % uid, '--regid=%d' % gid,
            '--clear-groups', '--bounding-set=-all', '--inh-caps=-all',
            '--no-new-privs', '--pdeathsig', 'KILL']


NOBODY = as_user(NOBODY_ID, NOBODY_ID)

# How much of what a program has said is shown when it fails.
TAIL = 20


class Failure(Exception):
    """What a person is told, without a traceback."""


def say(text):
    print(program + ':', text, file=sys.stderr, flush=True)


def run(argv, name, **options):
    """Run a program to its end; at any other end of ours, it is killed."""
    # A session of its own: a Ctrl-C is ours to deal with.
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             errors='replace', start_new_session=True,
                             **options)
    said = []
    with child:
        try:
            for line in child.stdout:
                said = said[1 - TAIL:] + [line]
                if verbose:
                    sys.stderr.write(line)
        except BaseException:
            child.kill()
            child.stdout.read()     # until the last that could write is dead
            raise
    if child.returncode != 0:
        shown = '' if verbose else '\n' + ''.join(said).rstrip()
        raise Failure('%s failed%s' % (name, shown))


def run_confined(argv, name):
    """A program of this machine that mounts and enters a chroot, with nothing
    of our environment that is not meant for it."""
    run([*(DIES if in_container else CONFINED), *argv], name, env={
        'LC_ALL': 'C.UTF-8',
        **{key: value for key, value in os.environ.items()
           if key in PASSED_ON or key.lower().endswith('_proxy')}})


def run_inside(tree, argv, name, unprivileged=False):
    """A program of the rootfs, in a chroot and without a network."""
    enter = ([*DIES, 'chroot', tree] if in_container
             else [*CONFINED, '--net', '--root', tree])
    run([*enter, *NOBODY * unprivileged, *argv], name, env=ENVIRONMENT)
