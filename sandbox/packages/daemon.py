# Copyright (C) The codeexec authors.
"""Telling codeexecd that there is another version, and seeing it in use."""

import json
import os
import re
import signal
import socket
import struct
import time

from process import Failure, say

HEADER = struct.Struct('!2sBBI')    # docs/protocol.md
CREDENTIALS = struct.Struct('3i')
MAGIC, VERSION = b'CX', 1
QUERY, STATE = 0x06, 0x88


def receive(connection, size):
    data = b''
    while len(data) < size:
        piece = connection.recv(min(size - len(data), 1 << 20))
        if not piece:
            raise Failure('codeexecd has closed the connection')
        data += piece
    return data


def state(path):
    """What codeexecd says of itself, or None if there is none."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    with connection:
        try:
            connection.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        peer = CREDENTIALS.unpack(connection.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))[0]
        connection.sendall(HEADER.pack(MAGIC, VERSION, QUERY, 0))
        *head, kind, size = HEADER.unpack(receive(connection, HEADER.size))
        if head != [MAGIC, VERSION] or kind != STATE:
            raise Failure('%s does not speak as codeexecd does' % path)
        return {**json.loads(receive(connection, size)), 'peer': peer}


def tiers(said, directory):
    """Of the runtimes that have their packages from there, by place."""
    directory = os.path.realpath(directory)
    return {(runtime['name'], tier['name']): tier
            for runtime in said['runtimes'] for tier in runtime['tiers']
            if said.get('packages', {}).get(runtime['name'], {}).get(
                'directory') == directory}


def is_codeexecd(pid):
    try:
        return bool(re.search(r'/codeexecd( \(deleted\))?$',
                              os.readlink('/proc/%d/exe' % pid)))
    except OSError:
        return False


def hang_up(said):
    """The kernel knows its number here, also if it is in a container; but a
    socket that systemd has made is systemd's."""
    for pid in said['peer'], said['pid']:
        if is_codeexecd(pid):
            os.kill(pid, signal.SIGHUP)
            return
    raise Failure('codeexecd can\'t be told: send it SIGHUP')


class Follower:
    """One codeexecd, and whether its interpreters have that version."""

    def __init__(self, path, directory, number):
        self.path = path
        self.directory = directory
        self.number = number
        self.before = state(path)
        self.used = bool(self.before and tiers(self.before, directory))

    def begin(self):
        if self.before is None:
            say('no codeexecd at %s' % self.path)
        elif not self.used:
            say('codeexecd at %s has no runtime with packages in %s' % (
                self.path, self.directory))
        else:
            hang_up(self.before)

    def is_done(self):
        """True, or a Failure when an interpreter did not start with it."""
        said = state(self.path)
        if said is None or said['pid'] != self.before['pid']:
            raise Failure('codeexecd at %s has gone' % self.path)
        done = True
        before = tiers(self.before, self.directory)
        for place, tier in tiers(said, self.directory).items():
            if tier['packages'] == self.number:
                done = done and not tier['stale']
            elif tier['zygotes'] > before[place]['zygotes'] \
                    and not tier['starting']:
                raise Failure('the interpreter "%s" of "%s" does not start '
                              'with it; the log of codeexecd says why'
                              % (place[1], place[0]))
            else:
                done = False
        return done


def tell(paths, directory):
    """That things are as they were; each that can be told."""
    for path in paths:
        try:
            said = state(path)
            if said and tiers(said, directory):
                hang_up(said)
        except (Failure, OSError) as error:
            say('%s: %s' % (path, error))


def follow(paths, directory, number, timeout):
    """Until all that have it in use; fails if one can't."""
    followers = [Follower(path, directory, number) for path in paths]
    for follower in followers:
        follower.begin()
    waiting = [follower for follower in followers if follower.used]
    deadline = time.monotonic() + timeout
    while waiting := [one for one in waiting if not one.is_done()]:
        if time.monotonic() > deadline:
            raise Failure('codeexecd does not use it after %d s' % timeout)
        time.sleep(0.05)
    return any(follower.used for follower in followers)
