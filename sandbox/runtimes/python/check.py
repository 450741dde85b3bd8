# Copyright (C) The codeexec authors.
"""What "codeexecd --check" runs in a jail: a program that tries to get out.

codeexecd's variables say which attack and what to look for.  Each line of the
output is "+ LAYER what failed, as it must" or "- LAYER what went through".
Some attacks end the run; what that means is for codeexecd to say.
"""

import ctypes
import errno
import mmap
import os
import resource
import socket
import stat
import sys
import time

WRITE = os.O_WRONLY | os.O_CREAT

NAMESPACES = {
    'mount': 0x20000, 'cgroup': 0x2000000, 'uts': 0x4000000,
    'ipc': 0x8000000, 'user': 0x10000000, 'pid': 0x20000000,
    'network': 0x40000000,
}

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def call(number, *args):
    """The error's name, or None if it worked."""
    ctypes.set_errno(0)
    if libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, args)) != -1:
        return None
    return errno.errorcode.get(ctypes.get_errno(), '?')


def attempt(function, *args):
    try:
        function(*args)
    except OSError as error:
        return errno.errorcode.get(error.errno, '?')
    except (ValueError, OverflowError):
        return 'EINVAL'
    return None


class Layer:
    """Counts the attempts on a layer, and says how they went."""

    def __init__(self, name):
        self.name = name
        self.tried = 0
        self.through = []

    def must(self, holds, what):
        self.tried += 1
        if not holds:
            self.through.append(what)

    def refused(self, what, error, *expected):
        self.must(error is not None and (error in expected or not expected),
                  what if error is None else '%s: %s' % (what, error))

    def report(self, text='%d attempts failed'):
        for what in self.through[:3]:
            print('-', self.name, what)
        if not self.through:
            print('+', self.name, text % self.tried if '%d' in text else text)


def read(path):
    with open(path) as file:
        return file.read()


def attack_namespaces():
    layer = Layer('namespaces')
    for pid in pids:
        if pid < 100:
            continue    # our own numbers are as small in a container
        layer.refused('process %d of the host' % pid,
                      attempt(os.kill, pid, 0), 'ESRCH')
    layer.must(os.getppid() == 0, 'a parent')
    layer.must(os.uname().nodename != hostname, "the host's name")
    with socket.socket(socket.AF_UNIX) as s:
        layer.refused('an abstract socket of the host',
                      attempt(s.connect, '\0' + abstract))
    layer.refused('shared memory', attempt_call('shmget', 0, 4096, 0o1600))
    layer.refused('setns', attempt_call('setns', os.pidfd_open(1), 0x20000000))
    layer.report()


def attempt_call(name, *args):
    return call(calls[name], *args) if name in calls else 'ENOSYS'


def attack_nesting():
    layer = Layer('nested-namespaces')
    for name, flag in NAMESPACES.items():
        layer.refused('unshare ' + name, attempt_call('unshare', flag))
        pid = os.getpid()
        error = attempt_call('clone', flag | 17, 0, 0, 0, 0)
        if os.getpid() != pid or os.getppid() != 0:
            os._exit(0)
        layer.refused('clone ' + name, error)
    argument = (ctypes.c_uint64 * 8)(NAMESPACES['user'], 0, 0, 0, 17)
    layer.refused('clone3', attempt_call(
        'clone3', ctypes.addressof(argument), ctypes.sizeof(argument)))
    layer.report()


def attack_root():
    layer = Layer('root')
    for path in ('/x', '/usr/x', '/usr/bin/x', '/etc/passwd', '/opt/x',
                 '/opt/codeexec/x', '/dev/x', '/proc/x', '/home/../x',
                 library + '/x'):
        layer.refused('writing ' + path, attempt(os.open, path, WRITE))
        layer.refused('mkdir ' + path, attempt(os.mkdir, path))
    layer.refused('removing /etc/passwd', attempt(os.unlink, '/etc/passwd'))
    for path in ('/etc/shadow', '/root', '/var', '/sys', '/run', *files):
        for root in ('', '/home/' + '../' * 40, '/proc/1/root',
                     '/proc/self/cwd/../..'):
            layer.refused('reading ' + root + path,
                          attempt(os.stat, root + path))
    here = os.getcwd()
    for _ in range(40):
        os.chdir('..')
    layer.must(os.stat('.').st_ino == os.stat('/').st_ino, 'above the root')
    os.chdir(here)
    for name in ('mount', 'umount2', 'pivot_root', 'chroot', 'open_tree',
                 'move_mount', 'fsopen', 'mount_setattr'):
        layer.refused(name, attempt_call(name, -1, -1, -1, -1, -1),
                      'EPERM', 'ENOSYS')
    layer.report()


def attack_proc():
    layer = Layer('proc')
    names = set(os.listdir('/proc'))
    layer.must(names == {'self', 'thread-self', str(os.getpid())},
               'in /proc: ' + ' '.join(sorted(names))[:80])
    for name in ('1', 'sys/kernel/core_pattern', 'sysrq-trigger', 'kcore',
                 'kallsyms', 'keys', 'cmdline', 'version', 'meminfo'):
        layer.refused('/proc/' + name, attempt(os.stat, '/proc/' + name))
    for name in ('oom_score_adj', 'uid_map', 'setgroups', 'mem', 'comm'):
        layer.refused('writing /proc/self/' + name,
                      attempt(os.open, '/proc/self/' + name, os.O_RDWR))
    attempt(lambda: layer.must(canary not in read('/proc/self/environ'),
                               "codeexecd's environment"))
    layer.must(canary not in ' '.join(os.environ), "codeexecd's environment")
    layer.report()


def attack_devices():
    layer = Layer('devices')
    known = {'null': (1, 3), 'zero': (1, 5), 'full': (1, 7),
             'random': (1, 8), 'urandom': (1, 9)}
    names = os.listdir('/dev')
    for name in names:
        st = os.lstat('/dev/' + name)
        if not stat.S_ISLNK(st.st_mode):
            number = os.major(st.st_rdev), os.minor(st.st_rdev)
            layer.must(stat.S_ISCHR(st.st_mode) and known.get(name) == number,
                       '/dev/' + name)
    layer.must(set(known) <= set(names), 'a node is missing')
    for kind, major, minor in ((stat.S_IFCHR, 1, 1), (stat.S_IFBLK, 8, 0),
                               (stat.S_IFCHR, 10, 200)):
        layer.refused('mknod', attempt(os.mknod, 'node', kind | 0o600,
                                       os.makedev(major, minor)))
    for name in ('mem', 'kmsg', 'tty', 'ptmx', 'kvm', 'fuse', 'net/tun'):
        layer.refused('/dev/' + name,
                      attempt(os.open, '/dev/' + name, os.O_RDWR))
    layer.report()


def attack_sockets():
    layer = Layer('sockets')
    for family in range(64):
        if family == socket.AF_UNIX:
            continue
        for kind in (1, 2, 3, 5):
            layer.refused('socket family %d type %d' % (family, kind),
                          attempt(lambda: socket.socket(family, kind)))
        layer.refused('socketpair of family %d' % family,
                      attempt_call('socketpair', family, 1, 0,
                                   ctypes.addressof((ctypes.c_int * 2)())))
    layer.report()


def attack_syscalls():
    layer = Layer('syscalls')
    for name, number in calls.items():
        if name in ('clone', 'personality', 'socketpair'):
            continue
        layer.refused(name, call(number, *[-1] * 6), 'EPERM', 'ENOSYS',
                      'EINVAL' if name in copying else 'EPERM')
    layer.refused('personality', attempt_call('personality', 0x0400000),
                  'EPERM', 'ENOSYS')
    layer.report('%d calls refused')


def attack_capabilities():
    layer = Layer('capabilities')
    status = dict(line.split(':\t', 1) for line in
                  read('/proc/self/status').splitlines() if ':\t' in line)
    for name in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'):
        layer.must(int(status[name], 16) == 0, name + ' ' + status[name])
    layer.must(status['NoNewPrivs'] == '1', 'no_new_privs is not set')
    for function, *args in ((os.setuid, 0), (os.setgid, 0),
                            (os.setgroups, []), (os.setresuid, -1, 0, -1),
                            (os.chroot, '/home'), (os.chown, '.', 0, 0)):
        layer.refused(function.__name__, attempt(function, *args))
    layer.must(os.getuid() != 0 and os.geteuid() == os.getuid(), 'uid')
    layer.report()


def attack_limits():
    layer = Layer('rlimits')
    for name, most in (('CORE', core), ('NOFILE', open_files), ('FSIZE', disk),
                       ('CPU', 1 << 20), ('MSGQUEUE', 0), ('NICE', 0), ('RTPRIO', 0),
                       ('MEMLOCK', 1 << 16), ('SIGPENDING', 1024),
                       ('NPROC', 2 * (processes + 1)), ('STACK', 8 << 20)):
        number = getattr(resource, 'RLIMIT_' + name)
        soft, hard = resource.getrlimit(number)
        layer.must(0 <= soft <= hard <= most,
                   '%s is %d, %d' % (name, soft, hard))
        layer.refused('raising ' + name, attempt(
            resource.setrlimit, number, (hard + 1, hard + 1)))
    fds = []
    layer.refused('open files', attempt(lambda: fds.extend(
        os.dup(1) for _ in range(open_files + 1))), 'EMFILE')
    for fd in fds:
        os.close(fd)
    layer.report()


def attack_landlock():
    # All that is beside us in the jail has our uid: only Landlock is between.
    layer = Layer('landlock')
    for pid in range(3, 20):
        layer.refused('a signal to the keeper', attempt(os.kill, pid, 0))
    layer.report()


def surface():
    attack_namespaces()
    attack_nesting()
    attack_root()
    attack_proc()
    attack_devices()
    attack_sockets()
    attack_syscalls()
    attack_capabilities()
    attack_limits()
    if landlock >= 6:
        attack_landlock()


def fill_disk():
    layer = Layer('disk')
    written = 0
    block = b'\1' * (1 << 18)
    error = None
    fds = [os.open('fill%d' % i, WRITE) for i in range(3)]
    while error is None and written < 2 * disk:
        try:
            written += os.write(fds[written * 2 // disk % 3], block)
        except OSError as e:
            error = errno.errorcode[e.errno]
    layer.must(error == 'ENOSPC' and written <= disk,
               '%d bytes were written, %s' % (written, error))
    for i, fd in enumerate(fds):
        os.close(fd)
        os.unlink('fill%d' % i)
    made = 0
    error = None
    while error is None and made < inodes + 16:
        error = attempt(lambda: os.close(os.open('f%d' % made, WRITE)))
        made += error is None
    layer.must(error == 'ENOSPC' and made <= inodes,
               '%d files were made, %s' % (made, error))
    layer.refused('a file of a terabyte', attempt(os.truncate, 'f0', 1 << 40))
    layer.report('no space after %d MB and %d files' % (written >> 20, made))


def eat_memory():
    # Shared, and so beyond what RLIMIT_DATA sees: the group must count it.
    size = memory + (64 << 20)
    area = mmap.mmap(-1, size)
    for i in range(0, size, 4096):
        area[i] = 1
    print('- memory %d MB' % (size >> 20))


def fork_all():
    import _thread
    layer = Layer('processes')
    _thread.stack_size(65536)
    n, lock = 1, _thread.allocate_lock()
    lock.acquire()
    try:
        while n < processes + 16:
            if n > 40:
                _thread.start_new_thread(lock.acquire, ())
            elif os.fork() == 0:
                time.sleep(60)
                os._exit(0)
            n += 1
    except (OSError, RuntimeError):
        pass
    layer.must(n <= processes, '%d processes and threads' % n)
    layer.report('no more after %d' % n)
    sys.stdout.flush()
    os._exit(0)


def spin():
    children = []
    until = time.monotonic() + 0.7
    for _ in range(loops - 1):
        pid = os.fork()
        if pid == 0:
            break
        children.append(pid)
    else:
        pid = 1
    while time.monotonic() < until:
        pass
    if pid == 0:
        os._exit(0)
    for child in children:
        os.waitpid(child, 0)


def foreign():
    """The i386 entry point of the kernel: getpid() of another policy."""
    if os.uname().machine != 'x86_64':
        os.abort()
    code = mmap.mmap(-1, 4096, prot=7)
    code.write(b'\xb8\x14\x00\x00\x00\xcd\x80\xc3')
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    ctypes.CFUNCTYPE(ctypes.c_int)(address)()


{'surface': surface, 'disk': fill_disk, 'memory': eat_memory,
 'processes': fork_all, 'cpu': spin, 'foreign': foreign}[attack]()
