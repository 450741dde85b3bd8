#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Control groups of version 2 with controllers.  For an emulated machine: nothing
# here depends on how fast it is.

use v5.36;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::Codeexec;
use Test::Codeexec::Process;
use Test::Codeexec::Real;

my $root = '/sys/fs/cgroup';
my %has = map { $_ => 1 } split ' ',
	Test::Codeexec::Process::slurp("$root/cgroup.controllers");

plan(skip_all => 'no control groups of version 2 with controllers')
	if !$has{memory} || !$has{pids} || !$has{cpu};

alarm($ENV{CODEEXEC_TIMEOUT} // 600);

my $t = Test::Codeexec::Real->new->has('daemon');

$t->run_daemon(timeout => 120, conf => { runs => 2, queue_timeout => '60s',
	limits => { wall => '60s', max_wall => '60s', memory => '96mb', disk => '32mb',
		processes => 20, cpus => 0.5 },
	runtime => { python => { tier => { base => { spare => 1 } } } } });

sub job ($code, %arg) {
	my $socket = $t->dial;

	$socket->syswrite(Test::Codeexec::Real::job_frames($code,
		id => 'vm', timeout_ms => 60_000, %arg));
	return Test::Codeexec::Real::read_answer($socket) // {};
}

sub is_answer ($answer, $status, $reason, $name) {
	is("$answer->{status} $answer->{reason}", "$status $reason", $name)
		|| diag(explain($answer));
}

my %layer = map { $_->{name} => $_ } @{ $t->state->{layers} };

for my $name (qw/memory processes cpu/) {
	is($layer{$name}{state}, 'on', "$name: on");
	like($layer{$name}{how}, qr/cgroup v2/, "$name: by version 2");
}

my $answer = job('print(6*7)');
is($answer->{stdout}, "42\n", 'a run');
is_answer($answer, 'ok', '', 'ends well');
cmp_ok($answer->{cpu_us}, '>', 0, 'CPU time is known');

# A live one, from outside

my $socket = $t->dial;
$socket->syswrite(Test::Codeexec::Real::job_frames(
	"open('mark', 'w')\nimport time\ntime.sleep(3)", id => 'live',
	timeout_ms => 60_000));
my ($pid) = $t->marked('mark', 60);
my ($group) = Test::Codeexec::Process::slurp("/proc/$pid/cgroup")
	=~ /^0::(.*)/m;
like($group, qr{/codeexec-test-$$-codeexec/slot-\d+$}, 'a group of its own');

my %wanted = ('memory.max' => 96 << 20, 'memory.oom.group' => 1,
	'pids.max' => 21, 'cpu.max' => '50000 100000');
$wanted{'memory.swap.max'} = 0 if -e "$root$group/memory.swap.max";

for my $file (sort keys %wanted) {
	is(Test::Codeexec::Process::slurp("$root$group/$file"),
		"$wanted{$file}\n", $file);
}

is_answer(Test::Codeexec::Real::read_answer($socket), 'ok', '', 'it ends');

# The limits

is_answer(job('b = bytearray(600 << 20)'), 'memory', 'memory', 'memory');
is_answer(job(<<'EOP'), 'memory', 'memory', 'memory of a child');
import os, time
if os.fork() == 0:
    b = bytearray(600 << 20)
time.sleep(50)
print('still here')
EOP

$answer = job(<<'EOP');
import os, time
n = 0
try:
    while n < 100:
        if os.fork() == 0:
            time.sleep(50)
        n += 1
except BlockingIOError:
    print(n)
EOP
is_answer($answer, 'ok', 'processes', 'processes');
is($answer->{stdout}, "19\n", 'as many as promised, itself among them');

$answer = job(<<'EOP');
import time
end = time.monotonic() + 4
while time.monotonic() < end:
    pass
EOP
is_answer($answer, 'ok', '', 'a loop');
cmp_ok($answer->{cpu_us}, '<', 0.75 * $answer->{time_us},
	'has half of a processor');

$answer = job("import os, time\nfor i in range(5):\n    if os.fork() == 0:\n"
	. "        os.setsid(); time.sleep(50)\nprint('gone')");
is($answer->{stdout}, "gone\n", 'one that leaves processes behind');
ok($t->settle, 'at rest');
is(scalar(grep { Test::Codeexec::Process::slurp("/proc/$_/cmdline") ne '' }
	$t->jailed), 2 * $t->idle, 'nothing but parked runs and their keepers');
is(job('print(6*7)')->{stdout}, "42\n", 'another run');

$t->done_testing;
