#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# The life of codeexecd: killed, stopped, started again, its helpers killed;
# who may connect, what it refuses, how it was started.

use v5.36;

use IO::Select;
use IO::Socket::UNIX;
use List::Util qw/uniq/;
use POSIX ();
use Test::More;
use Time::HiRes qw/sleep time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Process;
use Test::Codeexec::Real;
use Test::FakeSandbox;

$ENV{CODEEXEC_TIMEOUT} // alarm 120;

my %conf = (runs => 4, queue => 50,
	limits => { wall => '5s', code => '64kb', input => '64kb' });
my $t = Test::Codeexec::Real->start(spare => 2, conf => \%conf);
my $conf = $t->real_conf(spare => 2, conf => \%conf);

# Every living process of that codeexecd, by uid and by descent.

sub all_pids {
	my $pid = $t->daemon_pid;
	my %all = map { $_ => 1 } $pid, descendants($pid), $t->jailed;
	return keys %all;
}

sub living (@pids) {
	return grep { Test::Codeexec::Process::slurp("/proc/$_/stat")
		=~ /\) [^ZX]/ } @pids;
}

# Orphans are ours, and a pid namespace ends only when its dead are reaped.

sub reap (@pids) {
	waitpid $_, POSIX::WNOHANG for @pids;
}

sub all_dead ($since, $name, @pids) {
	my $done = wait_until(5, sub { reap(@pids); !living(@pids) });
	my $took = time - $since;

	ok($done && $took < 2, "$name: all " . @pids . ' processes are dead')
		|| diag("after $took s: ", map { "$_ " . cmdline($_) . "\n" }
			living(@pids));
	note(sprintf '%s: %.0f ms', $name, 1000 * $took);
	is(scalar(my @left = $t->jailed), 0, "$name: none with our uids");
}

sub load ($n, $code = "import os, time\nfor i in range(5):\n"
	. "    if os.fork() == 0: os.setsid(); time.sleep(30)\ntime.sleep(30)")
{
	my @s = map { $t->send_code($code) } 1 .. $n;
	ok(wait_until(5, sub {
		my $s = eval { $t->state };
		return $s && $s->{running} + $s->{queued} == $n
			&& $s->{running} >= ($n < 4 ? $n : 4);
	}), "$n requests are under way");
	return @s;
}

###############################################################################

# Killed under load

my @s = load(10);
my @pids = all_pids();
my $daemon = $t->daemon_pid;
cmp_ok(scalar @pids, '>', 12, 'processes before');
my $since = time;
kill KILL => $daemon;
all_dead($since, 'kill -9', @pids);
is($t->kill_daemon, 1, 'it is gone');

error_is($t->receive($_), 502, 'Bad Gateway', 'a request that was under way')
	for @s[0, 1, 9];
error_is($t->post('print(1)'), 502, 'Bad Gateway', 'the next request');
ok(-S $t->socket, 'its socket file is still there');
my @cgroups = $t->cgroups;
cmp_ok(scalar @cgroups, '>', 4, 'and its control groups');

$t->run_daemon(conf => $conf);
$t->honest('started again, and nginx was not told');
is($t->output("import os\nprint(len(os.listdir('/home')))"), "4\n",
	'runs are as they should be');
is_deeply([sort $t->cgroups], [sort @cgroups], 'the control groups are used');
is($t->post('b = bytearray(600 << 20)')->json->{error},
	'Memory limit exceeded', 'and their limits hold');

###############################################################################

# Stopped

@s = load(6);
@pids = all_pids();
$since = time;
ok($t->stop_daemon, 'SIGTERM under load: it stops');
all_dead($since, 'SIGTERM', @pids);
like($t->receive($_)->status, qr/^(?:502|503)$/, 'a request under way')
	for @s;
ok(!-e $t->socket, 'no socket');
is(join(' ', $t->cgroups), '', 'no control groups');

###############################################################################

# What all runs together weigh

sub weight { return map { Test::Codeexec::Process::slurp($_) =~ s/\n//r } grep { -e }
	map { my $d = $_; map { "$d/$_" } qw/cpu.shares cpu.weight/ }
	grep { !/slot-/ } $t->cgroups }

my $v1 = -d '/sys/fs/cgroup/cpu';
my $processors = `getconf _NPROCESSORS_ONLN` + 0;

$t->run_daemon(conf => $conf);
is(join(' ', uniq(weight())), $v1 ? 1024 * $processors : 100,
	'cpu_weight is automatic');
$t->stop_daemon;

$t->run_daemon(conf => { %$conf, cpu_weight => 250 });
is(join(' ', uniq(weight())), $v1 ? 2560 : 250, 'cpu_weight is what it is told');
$t->stop_daemon;
$t->expect_log(qr/connect\(\) to unix:.* failed \(2: No such file/);
error_is($t->post('print(1)'), 502, 'Bad Gateway', 'without codeexecd');
ok(!grep({ m{codeexec} } Test::Codeexec::Process::slurp('/proc/self/mounts')
	=~ m{^tmpfs (/run/codeexec\S*)}mg), 'no mounts');

for my $signal (qw/INT QUIT/) {
	$t->run_daemon(conf => $conf);
	$t->honest("before SIG$signal");
	ok($t->stop_daemon('codeexec', $signal), "SIG$signal stops it");
}

$t->run_daemon(conf => $conf);
$t->honest('and again');
$t->warm;
$t->baseline;

###############################################################################

# Its helpers are killed

my ($zygote) = $t->zygotes;
my $builder = $t->builder;
@s = load(3, "import time\ntime.sleep(0.5)\nprint('x')");
kill KILL => $zygote;
is($t->receive($_)->body, qq({"output":"x\\n"}\n),
	'a zygote is killed: a run goes on') for @s;
ok(wait_until(5, sub { my ($z) = $t->zygotes; $z && $z != $zygote }),
	'another zygote');
$t->honest("by the new zygote, $_") for 1 .. 6;
is($t->builder, $builder, 'the builder is the same');
ok($t->settle, 'as many are parked as before');

@s = load(3);
@pids = ($t->zygotes, $t->jailed);
$since = time;
kill KILL => $builder;
ok(wait_until(3, sub { !living(@pids) }),
	'the builder is killed: everything dies with it');
error_is($t->receive($_), 502, 'Bad Gateway', 'a request under way') for @s;
ok(wait_until(5, sub { my $b = $t->builder; $b && $b != $builder }),
	'another builder');
my $r = $t->post('print(6*7)');
is($r->body, qq({"output":"42\\n"}\n), 'the next request waits for it');
$t->honest("by the new one, $_") for 1 .. 6;
is($t->state->{runs_lost}, 3, 'lost runs are counted');

# Killed again and again

for (1 .. 3) {
	wait_until(5, sub { $t->builder && $t->zygotes });
	kill KILL => $t->builder // (), $t->zygotes;
	sleep 0.05;
}

is($t->post('print(6*7)')->status, 200, 'killed several times');
ok($t->settle, 'settles');

# A stopped zygote is no reason to wait for what is parked.

($zygote) = $t->zygotes;
kill STOP => $zygote;
$t->honest('a parked run, while the zygote is stopped');
kill CONT => $zygote;
ok($t->settle, 'goes on');

# Parked runs that are killed are replaced.

my $uid = $t->base_uid;
kill KILL => $t->jailed;
wait_until(3, sub { $t->idle });
$t->honest("parked runs were killed, $_") for 1 .. 4;
ok($t->settle, 'parked again');
$t->check_leaks('nothing is left of what was killed');

###############################################################################

# What it refuses

sub closed ($socket, $name) {
	IO::Select->new($socket)->can_read(3);
	my $n = sysread $socket, my $bytes, 65536;
	ok(!$n, "$name: closed") || diag(unpack 'H*', $bytes);
}

my @bad = (
	['no frames', "GET / HTTP/1.0\r\n\r\n"],
	['a wrong magic', 'CY' . substr frame('QUERY'), 2],
	['a wrong version', "CX\x02" . substr frame('QUERY'), 3],
	['an unknown type', frame(0x7f)],
	['a type of its own', frame(RESULT => '{}')],
	['a length above all', "CX\x01\x01\xff\xff\xff\xff"],
	['RUN first', frame('RUN')],
	['CODE first', frame(CODE => 'print(1)')],
	['two JOBs', frame(JOB => { language => 'python' }) x 2],
	['QUERY in a job', frame(JOB => { language => 'python' }) . frame('QUERY')],
	['RUN with a payload', frame(JOB => { language => 'python' })
		. frame(RUN => 'x')],
	['QUERY with a payload', frame(QUERY => 'x')],
	['zeros', "\0" x 100000],
);

for my $case (@bad) {
	my $socket = $t->dial;
	$socket->syswrite($case->[1]);
	closed($socket, $case->[0]);
}

my @rejected = (
	['no JSON', 'job', frame(JOB => 'x')],
	['no object', 'job', frame(JOB => '[]')],
	['an empty one', 'job', frame(JOB => '')],
	['no language', 'job', frame(JOB => {})],
	['language, a number', 'job', frame(JOB => { language => 1 })],
	['another language', 'language', frame(JOB => { language => 'cobol' })],
	['a path', 'job', frame(JOB => { language => '../python' })],
	['a bad id', 'job', frame(JOB => { language => 'python', id => 'a b' })],
	['a long id', 'job',
		frame(JOB => { language => 'python', id => 'x' x 65 })],
	['timeout 0', 'job',
		frame(JOB => { language => 'python', timeout_ms => 0 })],
	['timeout, a string', 'job',
		frame(JOB => { language => 'python', timeout_ms => '1' })],
	['args, a string', 'job',
		frame(JOB => { language => 'python', args => 'x' })],
	['args of numbers', 'job',
		frame(JOB => { language => 'python', args => [1] })],
	['collect, a string', 'job',
		frame(JOB => { language => 'python', collect => '*' })],
	['collect, too many', 'job',
		frame(JOB => { language => 'python', collect => [('*') x 65] })],
	['a duplicate', 'job',
		frame(JOB => '{"language":"python","language":"x"}')],
	['large code', 'too_large', frame(JOB => { language => 'python' })
		. frame(CODE => 'x' x 65537)],
	['large code in pieces', 'too_large',
		frame(JOB => { language => 'python' })
		. frame(CODE => 'x' x 30000) x 3],
	['large variables', 'too_large', frame(JOB => { language => 'python' })
		. frame(VARS => '{' . ' ' x 65536)],
	['large stdin', 'too_large', frame(JOB => { language => 'python' })
		. frame(STDIN => 'x' x 65537)],
	['a large JOB', 'too_large',
		frame(JOB => '{"language":"python"' . ' ' x 300_000 . '}')],
);

my $socket = $t->dial;

for my $case (@rejected) {
	my ($name, $reason, $frames) = @$case;

	write_all($socket, $frames . frame('RUN'));
	my $answer = Test::Codeexec::Real::read_answer($socket);
	my $got = $answer ? "$answer->{type} $answer->{reason}" : 'closed';
	# A JOB above its limit cannot be read at all.
	$got = "REJECT $reason" if $name eq 'a large JOB' && $got =~ /REJECT job/;
	is($got, "REJECT $reason", "rejected: $name");
	$socket = $t->dial if !$answer;
}

write_all($socket, Test::Codeexec::Real::job_frames('print(n, input())',
	vars => '{"n":5}', stdin => 'in', id => 'an-id', collect => ['*.txt']));
my $answer = Test::Codeexec::Real::read_answer($socket);
is($answer->{stdout}, "5 in\n", 'and the same connection runs the next job');
is($answer->{id}, 'an-id', 'its id');

# In single bytes, as a slow peer would

$socket = $t->dial;
$socket->syswrite($_) for split //, Test::Codeexec::Real::job_frames('print(1)');
is(Test::Codeexec::Real::read_answer($socket)->{stdout}, "1\n", 'in bytes');

# More than one frame ahead of the answer

$socket = $t->dial;
write_all($socket, Test::Codeexec::Real::job_frames('print(1)') x 2);
$answer = Test::Codeexec::Real::read_answer($socket);
ok(!$answer || $answer->{stdout} eq "1\n", 'two jobs at once');
$t->honest('no harm is done');

# Variables that nginx would not send

for my $case (['x', 'REJECT'], ['[1]', 'REJECT'], ["\xff", 'REJECT'],
	['{"a":', 'RESULT'])
{
	my ($vars, $type) = @$case;

	$socket = $t->dial;
	write_all($socket, Test::Codeexec::Real::job_frames('print(1)',
		vars => $vars));
	$answer = Test::Codeexec::Real::read_answer($socket);
	is($answer && $answer->{type}, $type, 'variables: refused or an error');
	isnt($answer && $answer->{status}, 'ok', 'not run with them');
}

# A peer that never reads: others are served.

$socket = $t->dial;
write_all($socket, Test::Codeexec::Real::job_frames('print("x" * 900000)'));
$t->honest("beside a peer that does not read, $_") for 1 .. 3;
close $socket;

# Many connections that say nothing

my $clients = $t->state->{clients};
my @idle = map { $t->dial } 1 .. 300;
ok(wait_until(3, sub { $t->state->{clients} == $clients + 300 }),
	'three hundred idle connections') || diag(explain $t->state);
$t->honest('beside them');
close $_ for @idle;
ok(wait_until(3, sub { $t->state->{clients} <= $clients + 1 }),
	'and they are gone');

# Who may connect: root and www-data, by default

sub connect_as ($user) {
	my $pid = fork // die "cannot fork: $!";

	if (!$pid) {
		my $id = getpwnam $user;
		POSIX::setgid($id);
		POSIX::setuid($id);
		my $s = IO::Socket::UNIX->new(Peer => $t->socket)
			or POSIX::_exit(2);
		$s->syswrite(frame('QUERY'));
		IO::Select->new($s)->can_read(3) or POSIX::_exit(3);
		POSIX::_exit(sysread($s, my $bytes, 8) ? 1 : 0);
	}

	waitpid $pid, 0;
	return (qw/refused answered unreachable silent/)[$? >> 8];
}

is(connect_as('www-data'), 'answered', 'www-data may connect');
is(connect_as('nobody'), 'refused', 'nobody may not');
is(connect_as('daemon'), 'refused', 'nor any other');
$t->honest('still well');
$t->check_leaks('nothing is left of what was refused', 1);
$t->stop_daemon;

###############################################################################

# Configurations that are broken

sub test_conf ($text) {
	my $file = $t->write_file('broken.conf', $text);
	my $out = `timeout 10 $Test::Codeexec::DAEMON -t -c $file 2>&1`;
	return ($? >> 8, $out);
}

my $good = $t->conf_text('codeexec', $conf);
my ($code, $out) = test_conf($good);
is($code, 0, 'a good configuration');
like($out, qr/\bfine\b|\bok\b|successful/, 'is said to be good');

my @broken = (
	['a syntax error', "$good\nruns = = 1\n"],
	['an unclosed section', "limits {\n    memory = 1gb\n"],
	['an unclosed string', "listen = \"unix:/x\n"],
	['an unknown name', "$good\nno_such_thing = 1\n"],
	['an unknown limit', "limits { colour = 1 }\n"],
	['runs, too few', "runs = 0\n$good"],
	['runs, a word', "runs = many\n$good"],
	['a size', "limits { memory = 12parsecs }\n$good"],
	['a negative size', "limits { memory = -1 }\n$good"],
	['a huge size', "limits { memory = 99999999999999999999gb }\n$good"],
	['a time', "queue_timeout = soon\n$good"],
	['uids of the system', "uids = 0\n$good"],
	['disk above memory', "limits { memory = 64mb\n disk = 128mb }\n$good"],
	['wall above max_wall', "limits { wall = 2m }\n$good"],
	['no runtime', "runs = 1\n"],
	['a runtime without tiers', "runtime python { interpreter = \"/x\" }\n"],
	['a runtime without an interpreter', "runtime python { tier a { } }\n"],
	['cpu_weight, too much', "cpu_weight = 10001\n$good"],
	['cpu_weight below zero', "cpu_weight = -1\n$good"],
	['cgroup with a path', "cgroup = \"a/../b\"\n$good"],
);

for my $case (@broken) {
	# What stands first must not be overruled by what follows.
	my ($name, $text) = @$case;
	my ($key) = $text =~ /^(\w+) =/;

	$text =~ s/\n$key = [^\n]*//g if $key && $text =~ /^$key/
		&& $text ne "$key = 1\n";
	$text =~ s/\nlimits \{.*?\n\}//s if $text =~ /^limits/;

	my ($code, $out) = test_conf($text);
	isnt($code, 0, "broken: $name");
	like($out, qr{\Q@{[$t->dir]}\E/broken\.conf:\d+: \S},
		"file and line: $name");
}

$out = `timeout 10 $Test::Codeexec::DAEMON -t -c /no/such/file 2>&1`;
isnt($? >> 8, 0, 'no file');
like($out, qr{/no/such/file.*No such file}, 'is said so');
$out = `timeout 10 $Test::Codeexec::DAEMON 2>&1`;
is($? >> 8, 2, 'no arguments');
like($out, qr/usage/, 'usage');

# What only starting shows

sub fails_to_start ($name, $change, $pattern) {
	my $file = $t->write_file('failing.conf',
		$t->conf_text('codeexec', $conf, $change));
	my $out = `timeout 3 $Test::Codeexec::DAEMON -c $file 2>&1`;
	my $code = $? >> 8;

	ok($code != 0 && $code != 124, "$name: does not start")
		|| diag("exit code $code");
	like($out, $pattern, "$name: says why");
	is(join(' ', $t->cgroups), '', "$name: leaves nothing");
}

fails_to_start('a directory that is not there',
	{ listen => ['unix:/no/such/dir/socket'] }, qr{/no/such/dir/socket});
fails_to_start('an address that is none', { listen => ['udp:1'] }, qr/udp:1/);
fails_to_start('a mode that is none', { listen_mode => 'rw-rw----' },
	qr/listen_mode|rw-rw----/);
fails_to_start('a group that is none', { listen_group => 'no-such-group' },
	qr/no-such-group/);
fails_to_start('a peer that is none', { peers => ['no-such-user'] },
	qr/no-such-user/);

# A second one at the same socket

$t->run_daemon(conf => $conf);
my $file = $t->write_file('second.conf', $t->conf_text('second', $conf,
	{ listen => ['unix:' . $t->socket], uids => $uid + 500 }));
$out = `timeout 3 $Test::Codeexec::DAEMON -c $file 2>&1`;
ok($? >> 8 && $? >> 8 != 124, 'a second one at the same socket does not start')
	|| diag($out);
$t->honest('the first one is unharmed');
$t->stop_daemon;
rmdir for reverse sort $t->cgroups;

###############################################################################

# Started by a strange shell

my $daemon_path = $Test::Codeexec::DAEMON;
my $strange = $t->write_file('strange', <<"END");
#!/bin/bash
umask 000
ulimit -Sn 64
exec 0<&- 5</etc/passwd 6</ 9>>@{[$t->dir]}/left
export LANG=tr_TR.UTF-8 LC_CTYPE=tr_TR.UTF-8 SECRET=canary TMPDIR=/nowhere \\
    PYTHONPATH=/tmp PYTHONHOME=/nowhere PYTHONINSPECT=1 PYTHONSTARTUP=/x
trap '' PIPE HUP USR1 TERM
cd /tmp
exec $daemon_path "\$@"
END
chmod 0755, $strange;

{
	local $Test::Codeexec::DAEMON = $strange;
	$t->run_daemon(conf => { %$conf,
		library => $ENV{CODEEXEC_LIBRARY}
			// $daemon_path =~ s{/[^/]*$}{}r });
}

$t->honest('started by a strange shell');
is($t->output(<<'EOP'), <<'EOP', 'of which nothing is seen in a run');
import os, signal, sys
def is_open(fd):
    try: os.fstat(fd); return True
    except OSError: return False
print([fd for fd in range(1000) if is_open(fd)])
print('SECRET' in os.environ, [n for n in os.environ if 'PYTHON' in n])
print(oct(os.umask(0)), signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL)
print(signal.getsignal(signal.SIGHUP) == signal.SIG_DFL, 'I'.lower())
EOP
[0, 1, 2]
False ['PYTHONDONTWRITEBYTECODE', 'PYTHONUTF8']
0o22 True
True i
EOP
is((stat $t->socket)[2] & 07777, 0666,
	'the mode of the socket is as configured');
is(join(' ', grep { (stat)[2] & 0022 } $t->cgroups), '',
	'control groups are not writable by others');
is(readlink('/proc/' . $t->daemon_pid . '/fd/0'), '/dev/null', 'its stdin');

my @inherited = grep { m{^/(?:etc/passwd|$)} || m{/left$} }
	map { readlink // '' } map { glob "/proc/$_/fd/*" }
	$t->daemon_pid, descendants($t->daemon_pid);
is("@inherited", '', 'nothing it was given is open');

$t->done_testing;
