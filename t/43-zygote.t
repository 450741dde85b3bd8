#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Zygotes: what they may have, what a preload may not do, that they are
# replaced in time, and what happens if one dies at the worst moment.

use v5.36;

use File::Basename qw/dirname/;
use Test::More;
use Time::HiRes qw/sleep time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Process;
use Test::Codeexec::Real;

$ENV{CODEEXEC_TIMEOUT} // alarm 150;

my $t = Test::Codeexec::Real->start(spare => 2, conf => { runs => 2,
	runtime => { python => { tier => { base => {
		max_runs => 20, max_age => 0 } } } } });

sub tier ($name = 'codeexec') {
	return $t->state($name)->{runtimes}[0]{tiers}[0];
}

sub in_log ($pattern, $name = 'codeexec') {
	return wait_until(10, sub { $t->read_file("$name.log") =~ $pattern });
}

###############################################################################

# What the host sees of one

my ($zygote) = $t->zygotes;
my %fd = map { m{/(\d+)$} => readlink } glob "/proc/$zygote/fd/*";

is(join(' ', sort { $a <=> $b } keys %fd), '0 1 2 3', 'four descriptors');
is($fd{0}, '/dev/null', 'no input');
like($fd{3}, qr/^socket:/, 'a socket');
is(Test::Codeexec::Real::status($zygote)->{Threads}, 1, 'one thread');
is(join(' ', children($zygote)), '', 'no children');
is(join("\n", grep { /^\S+ .w.s/ } split /\n/, Test::Codeexec::Process::slurp(
	"/proc/$zygote/maps")), '', 'no shared memory to write to');
is(join(' ', glob "/proc/$zygote/task/*"), "/proc/$zygote/task/$zygote",
	'no other task');

###############################################################################

# It never sees a byte of what it forks for: neither program, nor input,
# variables, arguments or output.

sub memory_has ($pid, $needle) {
	open my $maps, '<', "/proc/$pid/maps" or die "maps: $!";
	open my $mem, '<:raw', "/proc/$pid/mem" or die "mem: $!";

	no warnings 'portable';

	while (my $line = <$maps>) {
		my ($low, $high, $perms) = $line =~ /^(\w+)-(\w+) (\S+)/;
		next if $perms !~ /^r/ || $line =~ /\[v/;
		($low, $high) = (hex $low, hex $high);

		sysseek $mem, $low, 0;
		my $left = '';
		while ($low < $high && sysread $mem, my $part, 1 << 20) {
			return $line if index("$left$part", $needle) >= 0;
			$left = substr $part, -64;
			$low += length $part;
		}
	}

	return '';
}

# (Reversed here, so that it is in no other program's memory by chance.)

my $needle = reverse 'rebmilc-yvi-fo-eldeen';

for my $try (1 .. 8) {
	my $raw = $t->dial;
	write_all($raw, Test::Codeexec::Real::job_frames(
		"print('$needle-output')\n# $needle-code", args => ["$needle-args"],
		vars => qq({"v":"$needle-vars"}), stdin => "$needle-stdin"));
	is(Test::Codeexec::Real::read_answer($raw)->{stdout},
		"$needle-output\n", "a run with needles, $try");
}

is(memory_has($_, $needle), '', 'no needle in ' . cmdline($_))
	for $t->zygotes, $t->builder;

{
	my $s = $t->send_code("open('here', 'w')\nimport time; time.sleep(9)\n"
		. "# $needle-code");
	my @pids = $t->marked('here');
	isnt(join('', map { memory_has($_, $needle) } @pids), '',
		'(it would be found)');
	close $s;
	$t->settle;
}

###############################################################################

# They are replaced after so many runs, and nobody waits for it.

my ($before, $slow) = (tier()->{zygotes}, 0);
my %seen;

for my $n (1 .. 150) {
	my $raw = $t->dial;
	write_all($raw, Test::Codeexec::Real::job_frames("print(hash('a'))"));
	my $a = Test::Codeexec::Real::read_answer($raw);
	$seen{ $a->{stdout} }++;
	$slow++ if !tier()->{warm};
	is($a->{status}, 'ok', "run $n") if $a->{status} ne 'ok';
}

my $more = tier()->{zygotes} - $before;
cmp_ok($more, '>=', 4, "150 runs: $more zygotes");
cmp_ok($more, '<=', 9, 'and not many more');
cmp_ok(scalar keys %seen, '>=', $more - 1, 'each has hashes of its own');
is($slow, 0, 'there was a warm one at all times');
$t->settle;
my @z;
ok(wait_until(10, sub { (@z = $t->zygotes) == 1 }), 'one is left');
isnt($z[0], $zygote, 'another one');
is(join(' ', grep { /^\d+$/ && Test::Codeexec::Process::slurp("/proc/$_/stat")
	=~ /\) Z/ } children($t->daemon_pid)), '', 'no zombies');
is(join("\n", grep { /warning/ } split /\n/, $t->read_file('codeexec.log')),
	'', 'nothing to warn of');

# In one go, from several sides

$before = tier()->{zygotes};

for (1 .. 10) {
	my @s = map { $t->dial } 1 .. 8;
	write_all($_, Test::Codeexec::Real::job_frames('print(6 * 7)')) for @s;
	my @a = map { Test::Codeexec::Real::read_answer($_)->{stdout} } @s;
	is(join('', @a), "42\n" x 8, 'eight at once') if "@a" ne "42\n " x 7 . "42\n";
}

cmp_ok(tier()->{zygotes} - $before, '>=', 2, 'replaced under load');
$t->honest('all is well');
$t->settle;

# After a time, and then what was parked before is replaced, too: nothing of
# the old one is left, though nobody asked for a run.

$t->run_daemon(name => 'aged', conf => { runs => 3,
	runtime => { python => { tier => { base => {
		spare => 3, max_runs => 0, max_age => '1s' } } } } });

sub hashes ($n) {
	return map {
		my $raw = $t->dial('aged');
		write_all($raw, Test::Codeexec::Real::job_frames("print(hash('a'))"));
		Test::Codeexec::Real::read_answer($raw)->{stdout};
	} 1 .. $n;
}

my %old = map { $_ => 1 } hashes(1);
my $started = tier('aged')->{zygotes};
my @parked = $t->jailed('aged');
ok(wait_until(10, sub { tier('aged')->{zygotes} >= $started + 2 }),
	'replaced without any run');
ok(wait_until(10, sub {
	my %now = map { $_ => 1 } $t->jailed('aged');
	return !grep { $now{$_} } @parked;
}), 'and so is what was parked');
ok(!(grep { $old{$_} } hashes(4)), 'no run is forked from the old one');

# A successor that dies: the older one stays.

ok(wait_until(10, sub {
	my ($first, $next) = $t->zygotes('aged');
	kill KILL => $next if $next;
	return in_log_now(qr/is gone, the older one stays/);
}), 'a successor is killed');

sub in_log_now ($pattern) { return $t->read_file('aged.log') =~ $pattern }

is(scalar(grep { /^-?\d+\n$/ } hashes(5)), 5, 'the older one serves');
$started = tier('aged')->{zygotes};
sleep 1.5;
is(tier('aged')->{zygotes}, $started, 'no other one is tried at once');

# Both die.

kill KILL => $t->zygotes('aged');
is(scalar(grep { /^-?\d+\n$/ } hashes(8)), 8, 'the older one is killed');
ok($t->stop_daemon('aged'), 'stopped');

###############################################################################

# A preload that breaks a rule: it is named, and codeexecd does not start.

my $library = $t->dir . '/library';
my $daemon = dirname($Test::Codeexec::DAEMON);

mkdir $library;
system('cp', '-a', "$daemon/codeexec-builder", "$daemon/python", $library);

sub module ($name, $text) {
	$t->write_file("library/python/$name.py", $text);
}

sub spoilt_conf (@preload) {
	return $t->conf_text('spoilt', { runs => 1, library => $library,
		runtime => { python => { tier => { base => { spare => 1,
			preload => ['json', @preload] } } } } });
}

my $library_of = 'import ctypes, mmap, os, socket, threading, time';

my @spoilers = (
	[thread => qr/has started a thread \("python3"\)/,
		'threading.Thread(target=time.sleep, args=(99,), daemon=True).start()'],
	[file => qr{has left a descriptor open \(\d+, "/usr/bin/\w+"\)},
		"f = open('/usr/bin/env', 'rb')"],
	[unix => qr/has left a descriptor open \(\d+, "socket:\[\d+\]"\)/,
		's = socket.socket(socket.AF_UNIX)'],
	[pipe => qr/has left a descriptor open \(\d+, "pipe:\[\d+\]"\)/,
		'p = os.pipe()'],
	[epoll => qr/has left a descriptor open \(\d+, "anon_inode:\[?eventpoll/,
		'import select; e = select.epoll()'],
	[shared => qr/has mapped shared memory .*\("\/dev\/zero/,
		'm = mmap.mmap(-1, 4096)'],
	[mapped => qr{has mapped shared memory .*\("/home/},
		"f = open('/home/m', 'w+b'); f.truncate(4096)\n"
		. "m = mmap.mmap(f.fileno(), 4096, prot=mmap.PROT_READ)\n"
		. "f.close()\n"
		. "d = [n for n in os.listdir('/proc/self/fd') if "
		. "os.path.realpath('/proc/self/fd/' + n) == '/home/m']\n"
		. 'for n in d: os.close(int(n))'],
	[child => qr/has started a process/,
		"if os.fork() == 0: time.sleep(99)"],
	[zombie => qr/has started a process/, "if os.fork() == 0: os._exit(0)"],
	[input => qr/has closed or replaced descriptor 0/,
		"f = os.open('/usr/bin/env', os.O_RDONLY); os.dup2(f, 0); os.close(f)"],
	[closed => qr/has closed or replaced descriptor 3/, 'os.close(3)'],
	[log => qr/has closed or replaced descriptor 1/,
		"f = os.open('/dev/null', os.O_WRONLY); os.dup2(f, 1); os.close(f)"],
);

for my $case (@spoilers) {
	my ($name, $what, $code) = @$case;

	module("spoils_$name", "$library_of\n$code\n");

	my $file = $t->write_file('spoilt.conf',
		spoilt_conf("spoils_$name", 'base64'));
	my $out = `timeout 10 $Test::Codeexec::DAEMON -c $file 2>&1 </dev/null`;
	is($? >> 8, 1, "preload, $name: codeexecd does not start") || diag($out);
	my @lines = grep { /refused/ } split /\n/, $out;
	is(scalar @lines, 1, "preload, $name: one line says why")
		if $name ne 'closed';   # it is killed for it, and tried again
	like($lines[0] // $out,
		qr/^codeexec-zygote: refused: preload "spoils_$name" $what/,
		"preload, $name: which names it");
	unlike($out, qr/Traceback|\bready\b/, "preload, $name: nothing else");
}

is(join(' ', grep { /spoilt/ } $t->cgroups), '', 'nothing is left of them');

# One that does it later, when it forks: before the first fork, or at the
# third.  What is replaced by something of the same size is found in time.

# (After it, a zygote has no pid namespace in which it could start anything.)

for my $case ([file => qr/has left a/, "open('/usr/bin/env')"],
	[thread => qr/has started a thread/,
		'threading.Thread(target=time.sleep, args=(99,), daemon=True).start()'],
	[child => qr/has started a process/, 'os.posix_spawn("/bin/true", ["true"], {})'])
{
	my ($name, $what, $code) = @$case;

	module('spoils_fork', "$library_of\nkeep = []\n"
		. "os.register_at_fork(before=lambda: keep.append($code))\n");
	my $file = $t->write_file('spoilt.conf', spoilt_conf('spoils_fork'));
	my $out = `timeout 10 $Test::Codeexec::DAEMON -c $file 2>&1 </dev/null`;
	is($? >> 8, 1, "$name, at the first fork: codeexecd does not start");
	like($out, qr/^codeexec-zygote: refused: the zygote, warm, $what/m,
		"$name, at the first fork: it is said why");
}

my %later = (
	file => [qr/has left a descriptor open/, "keep.append(open('/usr/bin/env'))"],
	shared => [qr/has mapped shared memory/, 'keep.append(mmap.mmap(-1, 4096))'],
	swapped => [qr/has mapped shared memory/, 'swap()'],
);

for my $name (sort keys %later) {
	my ($what, $code) = @{ $later{$name} };

	module("spoils_$name", <<"EOP");
$library_of
keep, count = [], 0
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p] + [ctypes.c_size_t] * 5
area = libc.mmap(None, 4096, 3, 0x22, 2 ** 64 - 1, 0)
def swap():
    libc.mmap(area, 4096, 3, 0x31, 2 ** 64 - 1, 0)
def before():
    global count
    count += 1
    if count == 4: $code
os.register_at_fork(before=before)
EOP
	$t->run_daemon(name => 'spoilt', conf => spoilt_conf("spoils_$name"));

	my $good = 0;
	for (1 .. ($name eq 'swapped' ? 280 : 12)) {
		my $raw = $t->dial('spoilt');
		write_all($raw, Test::Codeexec::Real::job_frames(<<'EOP'));
import os
shared = [l for l in open('/proc/self/maps') if l.split()[1][1:] in ('w-s', 'wxs')]
print(len(shared), len(os.listdir('/proc/self/task')), os.path.exists('/proc/self/fd/4'))
EOP
		$good += (Test::Codeexec::Real::read_answer($raw)->{stdout} // '')
			=~ /^0 1/;
	}

	like($t->read_file('spoilt.log'), qr/refused: the zygote, warm, $what/,
		"$name, later: it ends");
	is($good, 12, "$name, later: no run has it") if $name ne 'swapped';
	ok($t->stop_daemon('spoilt'), "$name, later: stopped");
}

# What may be configured

for my $case (['max_runs', -1], ['max_runs', 'many'], ['max_age', 'old'],
	['max_age', '8000h'])
{
	my ($key, $value) = @$case;
	my $conf = spoilt_conf() =~ s/(?=\s+spare)/ $key = "$value"\n/r;
	my $file = $t->write_file('spoilt.conf', $conf);
	my $out = `timeout 10 $Test::Codeexec::DAEMON -t -c $file 2>&1`;

	is($? >> 8, 1, "$key = $value");
	like($out, qr/spoilt\.conf:\d+: .*$key/, 'is refused');
}

# What is wrong with an import is said by Python, and tried again.

module('fails', "raise ValueError('no')\n");
{
	my $file = $t->write_file('spoilt.conf', spoilt_conf('fails'));
	my $out = `timeout 2 $Test::Codeexec::DAEMON -c $file 2>&1 </dev/null`;
	is($? >> 8, 124, 'a module that fails: tried again');
	like($out, qr/ValueError: no/, 'and it is said why');
}

###############################################################################

# A zygote that dies after it has forked and before it can say so: codeexecd
# has a child that it doesn't know, in a jail that can't end before that one
# is reaped.

SKIP: {
	my $machine = (POSIX::uname())[4];
	my ($attach, $next, $regs) = (16, 24, 12);

	skip("no ptrace for $machine here", 1) if $machine ne 'x86_64';

	my $ptrace = sub ($request, $pid, $data = 0) {
		return syscall(101, $request, $pid, 0, $data) == 0;
	};

	$t->run_daemon(name => 'lost', conf => { runs => 2,
		runtime => { python => { tier => { base => {
			spare => 2, max_runs => 0, max_age => 0 } } } } });

	my $slots = $t->state('lost')->{slots};
	my $answer = sub ($raw) {
		return Test::Codeexec::Real::read_answer($raw)->{stdout} // '';
	};

	for my $try (1 .. $slots + 2) {
		my ($pid) = reverse $t->zygotes('lost');

		if (!$ptrace->($attach, $pid)) {
			skip("no ptrace: $!", 1);
		}

		waitpid $pid, 0;
		my @raw = map { $t->dial('lost') } 1, 2;
		write_all($raw[0], Test::Codeexec::Real::job_frames('print(6 * 7)'));
		my ($call, $buffer) = (-1, "\0" x 512);

		# sendmsg() is the first call after the fork that says anything;
		# there is none before it but in the answer to us.

		while ($call != 46 && $ptrace->($next, $pid)) {
			last if waitpid($pid, 0) != $pid
				|| syscall(101, $regs, $pid, 0, $buffer) != 0;
			$call = unpack 'x120 q', $buffer;
		}

		kill KILL => $pid;
		waitpid $pid, 0;

		is($call, 46, "a zygote dies before it answers, $try");
		is($answer->($raw[0]), "42\n", "the run that was parked, $try");
		write_all($raw[1], Test::Codeexec::Real::job_frames('print(6 * 7)'));
		is($answer->($raw[1]), "42\n", "and the next one, $try");
		ok($t->settle('lost'), "all are parked again, $try");
	}

	my @zombies = grep { Test::Codeexec::Process::slurp("/proc/$_/stat")
		=~ /\) Z/ } children($t->daemon_pid('lost'));
	is("@zombies", '', 'no zombies');
	is($t->idle('lost'), 2, 'as many are parked as before');
	is($t->state('lost')->{runs_lost}, 0, 'and no run was lost');
}

$t->done_testing;
