#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# The cases of t/hostile/I-tenants, each with what must be true after it; and a
# victim that lives beside an attacker, and one that was there before it.

use v5.36;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Hostile;

# It has its secret in its memory, in files, in its output, in the names of
# sockets, processes and threads, and under locks on files that all share.

my $victim = <<'EOP';
import ctypes, fcntl, os, socket, sys, threading, time
secret = '%s'
print(secret, flush=True)
for d in '.', '/tmp', '/dev/shm', '/home': open(d + '/' + secret, 'w').write(secret)
s = socket.socket(socket.AF_UNIX)
s.bind('\0' + secret)
s.listen()
os.environ['SECRET'] = secret
ctypes.CDLL(None).prctl(15, secret.encode(), 0, 0, 0)
os.mkfifo('/tmp/fifo')
if os.fork() == 0: os.execv('/bin/sleep', ['sleep-' + secret, '30'])
f = open('/usr/bin/env', 'rb')
fcntl.flock(f, fcntl.LOCK_SH)
os.umask(0)
open('ready', 'w')
while os.path.exists('ready'): time.sleep(0.01)
print(secret)
EOP

# (The secret is told backwards, so that no memory has it because of us.)

my $attacker = <<'EOP';
import ctypes, errno, os, signal, socket
secret = '%s'[::-1]
found = []
for top, dirs, files in os.walk('/'):
    if top == '/': dirs[:] = [d for d in dirs if d != 'usr']
    found += [os.path.join(top, n) for n in dirs + files if secret in n]
for n in os.listdir('/proc') + ['%%d/root/home/user' %% n for n in range(1, 50)]:
    for part in 'cmdline', 'environ', 'comm', 'status', 'maps', 'fd', secret:
        try:
            with open('/proc/%%s/%%s' %% (n, part), 'rb') as f:
                if secret.encode() in f.read(): found.append((n, part))
        except OSError: pass
for name in '\0' + secret, '/tmp/fifo', '/proc/1/root/tmp/fifo':
    s = socket.socket(socket.AF_UNIX)
    try: s.connect(name); found.append(name)
    except OSError: pass
signalled = 0
for pid in range(2, 4000):
    if pid != os.getpid():
        try: os.kill(pid, 9); signalled += 1
        except OSError: pass
head, tail = secret[:9].encode(), secret[9:].encode()
for line in open('/proc/self/maps'):
    area, perms, rest = line.split(None, 2)
    low, high = [int(x, 16) for x in area.split('-')]
    if perms[0] == 'r' and '[v' not in rest and high - low < 1 << 27:
        data = ctypes.string_at(low, high - low)
        at = data.find(head + tail)
        while at >= 0:
            found.append('memory') if rest.split()[-1] == '/dev/zero' else None
            at = data.find(head + tail, at + 1)
print([f for f in found if f != 'memory'], signalled <= 1)
EOP

sub secret { return join '', map { chr 97 + rand 26 } 1 .. 20 }

Test::Codeexec::Hostile->test('I-tenants', more => sub ($self) {
	my $t = $self->t;

	for my $try (1 .. 3) {
		my $secret = secret();
		my $attack = sprintf $attacker, scalar reverse $secret;
		my $s = $t->send_code(sprintf $victim, $secret);
		my @pids;

		wait_until(5, sub { (@pids = $t->marked('ready')) == 3 });
		is(scalar @pids, 3, "I01 a victim, its keeper and its child, $try");
		is($t->output($attack), "[] True\n",
			"I01 nothing of it is found, $_, $try") for 1 .. 3;
		ok(unlink("/proc/$pids[0]/root/home/user/ready"),
			"I01 it lives, $try");
		is($t->receive($s)->body, qq({"output":"$secret\\n$secret\\n"}\n),
			"I01 it has its own output, $try");
		is(join("\n", $self->check_host), '',
			"I01 and all is well, $try");

		# Afterwards, in each slot

		is($t->output($attack), "[] True\n",
			"I05 nor when it is gone, $_, $try") for 1 .. 4;
	}
});
