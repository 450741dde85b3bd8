#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# No run sees another one, at the same time or before it; and what the host
# says of a live run is what was promised.

use v5.36;

use Test::More;
use Time::HiRes qw/sleep/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Process;
use Test::Codeexec::Real;

my $t = Test::Codeexec::Real->start(spare => 2, conf => { runs => 3 });

$t->warm;
$t->baseline;

###############################################################################

# A live run, as the host sees it: two of them, asleep

my $sleep = sub ($mark) { return <<"EOP" };
import os, socket, time
s = socket.socket(socket.AF_UNIX)
s.bind('\\0name-of-$mark')
s.listen()
for d in '/home/user', '/tmp', '/dev/shm': open(d + '/$mark', 'w').write('secret')
secret = 'secret of $mark'
time.sleep(20)
EOP

my %socket = map { $_ => $t->send_code($sleep->($_), execution_id => $_) }
	qw/one two/;
my %pids = map { $_ => [$t->marked($_)] } qw/one two/;

# Of the two processes, the run is the one with an output; the other is its
# keeper.  The filters that we are under ourselves, as in a container, are
# theirs too, and beside filters there is no strict mode: it is one more.

my $own = Test::Codeexec::Real::status($$);
my $outer = $own->{Seccomp} eq '0' ? 0 : $own->{Seccomp_filters};
my %run;

for my $name (qw/one two/) {
	my @pids = @{ $pids{$name} };
	my @run = grep { (readlink("/proc/$_/fd/1") // '') =~ /^pipe:/ } @pids;

	is(scalar @pids, 2, "$name: a run and its keeper");
	is(scalar @run, 1, "$name: one run");
	$run{$name} = $run[0];
}

my $host = Test::Codeexec::Real::namespaces($$);
my $zygote = Test::Codeexec::Real::namespaces(($t->zygotes)[0]);
my %namespace = map { $_ => Test::Codeexec::Real::namespaces($run{$_}) }
	qw/one two/;

for my $type (qw/user pid mnt net ipc uts cgroup/) {
	my ($one, $two) = map { $namespace{$_}{$type} } qw/one two/;

	isnt($one, $host->{$type}, "$type namespace is not the host's");
	isnt($one, $zygote->{$type}, "$type namespace is not the zygote's");
	isnt($one, $two, "$type namespace is not another run's");
}

my $base = $t->base_uid;
my %uid;

for my $name (qw/one two/) {
	for my $pid (@{ $pids{$name} }) {
		my $what = $pid == $run{$name} ? $name : "keeper of $name";
		my $status = Test::Codeexec::Real::status($pid);
		my @uids = split ' ', $status->{Uid};

		is("@uids", join(' ', ($uids[0]) x 4), "$what: one uid");
		is($status->{Gid}, $status->{Uid}, "$what: and gid");
		ok($uids[0] > $base && $uids[0] <= $base + $t->state->{slots},
			"$what: in the range of the configuration");
		is($status->{Groups} // '', '', "$what: no groups");
		is($status->{$_}, '0' x 16, "$what: $_")
			for qw/CapInh CapPrm CapEff CapBnd CapAmb/;
		is($status->{NoNewPrivs}, 1, "$what: no_new_privs");
		is($status->{Seccomp}, $pid == $run{$name} || $outer ? 2 : 1,
			"$what: seccomp");
		is($status->{Seccomp_filters}, $outer + 1, "$what: filters")
			if $status->{Seccomp} eq '2';
		is($status->{Threads}, 1, "$what: one thread");
		$uid{$name}{ $uids[0] } = 1;
	}

	is(scalar keys %{ $uid{$name} }, 1, "$name: one uid for both");
}

isnt((keys %{ $uid{one} })[0], (keys %{ $uid{two} })[0],
	'another uid for each run');

for my $name (qw/one two/) {
	my $pid = $run{$name};
	my %slot;

	my @lines = split /\n/, Test::Codeexec::Process::slurp("/proc/$pid/cgroup");
	my @ours = grep { m{/codeexec-test-$$-codeexec/slot-\d+$} } @lines;
	$slot{$_}++ for map { m{(slot-\d+)$} } @ours;
	is(scalar keys %slot, 1, "$name: in one slot");
	like("@ours", qr/\b$_\b/, "$name: in a cgroup for $_")
		for Test::Codeexec::Process::slurp('/proc/self/cgroup')
			=~ /^0::/m && -e '/sys/fs/cgroup/cgroup.controllers'
			? () : qw/memory pids cpu/;

	my $mounts = Test::Codeexec::Process::slurp("/proc/$pid/mountinfo");
	my %flags = $mounts =~ /^\S+ \S+ \S+ \S+ (\S+) (\S+)/mg;
	like($flags{'/'}, qr/^ro,.*nosuid.*nodev|^ro,.*nodev.*nosuid/,
		"$name: the root is read-only");
	my @writable = grep { $flags{$_} !~ /^ro\b/ } sort keys %flags;
	is("@writable", '/home', "$name: one place to write to");
	like($flags{'/home'}, qr/nosuid.*nodev/, "$name: its flags");
	like($flags{'/proc'}, qr/nosuid.*nodev.*noexec/, "$name: /proc");
	like($mounts, qr/ - proc .*subset=pid/, "$name: a small /proc");

	my @fds = sort map { readlink } glob "/proc/$pid/fd/*";
	like("@fds", qr{^/dev/null pipe:\[\d+\] pipe:\[\d+\] socket:\[\d+\]$},
		"$name: descriptors, with the socket it has made");

	my $limits = Test::Codeexec::Process::slurp("/proc/$pid/limits");
	like($limits, qr/^Max core file size +1 +1 /m, "$name: no core files");
	like($limits, qr/^Max open files +256 +256 /m, "$name: open files");
	like($limits, qr/^Max realtime priority +0 +0 /m, "$name: priority");

	is(Test::Codeexec::Process::slurp("/proc/$pid/oom_score_adj") + 0, 1000,
		"$name: first to go when memory is short");
	is((stat "/proc/$pid/environ")[4], $base, "$name: not dumpable");
	is(readlink("/proc/$pid/cwd"), '/home/user', "$name: cwd");
	my $net = Test::Codeexec::Process::slurp("/proc/$pid/net/dev");
	is(join(' ', $net =~ /^ *(\w+):/mg), 'lo', "$name: no interfaces");
}

isnt(readlink("/proc/$run{one}/ns/net"), readlink("/proc/$run{two}/ns/net"),
	'networks of two runs');

# The inits and the zygote have nothing either.

my @inits = grep { $_ != $t->builder }
	children($t->builder);
cmp_ok(scalar @inits, '>=', 2, 'inits of jails');

for my $pid (@inits, $t->zygotes) {
	my $status = Test::Codeexec::Real::status($pid);
	my $what = cmdline($pid) =~ /zygote/ ? 'zygote' : 'init';

	next if $what eq 'init' && ($status->{Seccomp} // 1) eq '0';
	isnt((split ' ', $status->{Uid} // '1')[0], 0, "$what is not root");
	is($status->{CapEff} // '0' x 16, '0' x 16, "$what has no capabilities")
		if $what eq 'init';
}

###############################################################################

# What a third one sees of the two

my $look = <<'EOP';
import ctypes, errno, os, socket
print('files', [n for d in ('.', '/tmp', '/dev/shm', '/home') for n in sorted(os.listdir(d))])
print('pids', [n for n in os.listdir('/proc') if n.isdigit() and int(n) != os.getpid()])
found = []
for name in 'name-of-one', 'name-of-two':
    s = socket.socket(socket.AF_UNIX)
    try: s.connect('\0' + name); found.append(name)
    except ConnectionRefusedError: pass
print('sockets', found)
alive = []
for pid in range(1, 32768, 1):
    try: os.kill(pid, 0); alive.append(pid)
    except ProcessLookupError: pass
    except PermissionError: pass
print('signals', len(alive) <= 2)  # itself and, without Landlock, its keeper
libc = ctypes.CDLL(None, use_errno=True)
print('shmget', libc.shmget(0x5ec, 4096, 0o1666), errno.errorcode[ctypes.get_errno()])
found = []
for line in open('/proc/self/maps'):
    area, perms, *rest = line.split()
    low, high = [int(x, 16) for x in area.split('-')]
    if perms[0] == 'r' and '[v' not in line and high - low < 1 << 27:
        data = ctypes.string_at(low, high - low)
        if data.count(b'terces'[::-1] + b' of ') > 0: found.append(line)
print('memory', found)
EOP

my $nothing = <<'EOP';
files ['results', 'shm', 'tmp', 'user']
pids []
sockets []
signals True
shmget -1 ENOSYS
memory []
EOP

is($t->output($look), $nothing, 'a third run sees nothing of the two');

# Nor does it afterwards, in whatever slot it is.

close $_ for values %socket;
ok($t->settle, 'both are gone');
is($t->output($look), $nothing, "nothing is left of them, $_") for 1 .. 6;

my $leave = <<'EOP';
import os, socket, sys, json
for d in '.', '/tmp', '/dev/shm', '/home': open(d + '/left', 'w').write('left')
os.makedirs('/home/user/.config/x')
s = socket.socket(socket.AF_UNIX)
s.bind('\0name-of-one')
s.listen()
os.environ['LEFT'] = 'left'
json.left = sys.left = 'left'
os.umask(0)
if os.fork() == 0:
    os.setsid()
    import time; time.sleep(30)
EOP

for (1 .. 6) {
	is($t->output($leave), '', "something is left behind, $_");
	is($t->output("import json, os, sys\nprint(hasattr(json, 'left'), "
		. "hasattr(sys, 'left'), 'LEFT' in os.environ, "
		. "os.umask(0), os.listdir())"), "False False False 18 []\n",
		"nothing is found, $_");
}

is($t->output($look), $nothing, 'neither files nor sockets');

# Pids start anew; they are no counter of other runs.

my %pid = map { $t->output('import os; print(os.getpid())') => 1 } 1 .. 6;
is(join(' ', map { s/\n//r } keys %pid), '2', 'a pid says nothing');

###############################################################################

# Nobody but the run can read what it was sent: it is handed over in memory
# that has no name, and nothing of it stands in a log.

$t->output("secret = 'needle-in-the-log'\nprint(secret)", stdin =>
	'needle-in-stdin', variables => { v => 'needle-in-variables' });
unlike($t->read_file('codeexec.log') . $t->read_file('error.log'), qr/needle/,
	'no code in a log');

$t->settle;
$t->check_leaks('nothing is left');
$t->done_testing;
