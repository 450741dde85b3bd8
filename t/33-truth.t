#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# What ended a run: the status, the reason, which of several wins, and that
# every limit is held by two.

use v5.36;

use Test::More;
use Time::HiRes qw/sleep time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Process;
use Test::Codeexec::Real;

my %conf = (runs => 2, limits => {
	memory => '64mb', disk => '16mb', inodes => 200, processes => 20,
	open_files => 40, output => '100kb', files => 4, file_size => '64kb',
	files_size => '160kb', wall => '1s', max_wall => '20s',
});

my $t = Test::Codeexec::Real->start(spare => 2, conf => \%conf);

my $prelude = <<'EOP';
import ctypes, mmap, os, resource, signal, sys, time
def end_of(pid): return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
def memory():
    pid = os.fork()
    if pid == 0: b = bytearray(90 << 20); os._exit(0)
    return end_of(pid)
def processes():
    try:
        for i in range(100):
            if os.fork() == 0: time.sleep(60)
    except BlockingIOError: return
    os._exit(99)
def disk():
    try:
        for name in 'big', 'more': open(name, 'wb').write(bytes(9 << 20))
    except OSError: return
    os._exit(99)
def output(): os.write(1, b'x' * 60000); os.write(1, b'x' * 60000)
EOP

sub ask ($code, %arg) {
	my $name = delete $arg{name} // 'codeexec';
	my $raw = $t->dial($name);

	Test::Codeexec::write_all($raw, Test::Codeexec::Real::job_frames(
		"$prelude$code", %arg));
	return Test::Codeexec::Real::read_answer($raw) // {};
}

# "status reason", or with exit code or signal if the pattern has one.

sub told ($a) {
	return join ' ', $a->{status} // 'none', "'" . ($a->{reason} // '') . "'",
		defined $a->{exit_code} ? "exit $a->{exit_code}" : (),
		defined $a->{signal} ? "signal $a->{signal}" : ();
}

sub ends ($name, $want, $code, %arg) {
	my $a = ask($code, %arg);
	like(told($a), ref $want ? $want : qr/^\Q$want\E$/, $name) || diag(substr $a->{stderr} // '', 0, 2000);
	return $a;
}

# However it ends: the kernel may kill all of it or one process only.

my $memory = qr/^memory 'memory' /;

###############################################################################

# Each alone

my $foreign = <<'EOP';
m = mmap.mmap(-1, 4096, prot=7)
m.write(b'\xb8\x14\0\0\0\xcd\x80\xc3')
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()
EOP

ends('nothing', "ok '' exit 0", '');
ends('an exit code', "error 'exit' exit 3", 'sys.exit(3)');
ends('an exception', "error 'exit' exit 1", '1 / 0');
ends('a signal of its own', "signal 'signal' signal 9",
	'os.kill(os.getpid(), 9)');
ends('a crash', "signal 'signal' signal 11", 'ctypes.string_at(0)');
ends('a call of another architecture', "signal 'syscall' signal 31", $foreign);
ends('the time', "timeout 'timeout' signal 9", 'time.sleep(9)',
	timeout_ms => 200);
ends('the time, busy', "timeout 'timeout' signal 9", 'while True: pass',
	timeout_ms => 200);
ends('the memory', $memory, 'b = bytearray(90 << 20)');
ends('the processes', "ok 'processes' exit 0", 'processes()');
ends('the processes, threads', "error 'processes' exit 1", "import threading\n"
	. "for i in range(30):\n    threading.Thread(target=time.sleep, "
	. 'args=(9,), daemon=True).start()');
ends('the disk', "ok 'disk' exit 0", 'disk()');
ends('the disk, and an exception', "error 'disk' exit 1",
	"open('a', 'wb').write(bytes(9 << 20))\n"
	. "open('b', 'wb').write(bytes(9 << 20))");
ends('the inodes', "error 'disk' exit 1",
	"for i in range(300): open(f'f{i}', 'w')");
ends('the output', "ok 'output' exit 0", 'output()');
ends('the other output', "ok 'output' exit 0",
	"os.write(2, b'x' * 60000); os.write(2, b'x' * 60000)");

ends('another program: its exit code', "error 'exit' exit 4",
	"os.execv('/bin/sh', ['sh', '-c', 'exit 4'])");
ends('another program: its signal', "signal 'signal' signal 15",
	"os.execv('/bin/sh', ['sh', '-c', 'kill \$\$'])");
ends('another program: its time', "timeout 'timeout' signal 9",
	"os.execv('/bin/sleep', ['sleep', '9'])", timeout_ms => 200);

# What is no limit is none

ends('all processes but one', "ok '' exit 0", "for i in range(19):\n"
	. "    if os.fork() == 0: time.sleep(9)");
ends('nearly all of the disk', "ok '' exit 0",
	"open('a', 'wb').write(bytes((16 << 20) - 65536))");
ends('all of the output', "ok '' exit 0",
	"os.write(1, b'x' * 51200); os.write(1, b'x' * 51200)");
ends('a child that crashes', "ok '' exit 0", "if os.fork() == 0: "
	. 'ctypes.string_at(0)' . "\nos.wait()");
ends('a disk that was full', "ok '' exit 0", "disk()\nos.unlink('big')");

my $a = ends('files that are too large', "ok '' exit 0",
	"open('a.svg', 'wb').write(bytes(70000))", collect => ['*.svg']);
ok($a->{truncated}, 'are no reason, but cut');

###############################################################################

# Several at once: memory, timeout, then how it ended; and for the reason
# processes, disk, output before what the end itself says.

ends('memory, of a child', $memory, 'memory()');
ends('memory before timeout', $memory,
	'memory(); time.sleep(9)', timeout_ms => 600);
ends('memory before a signal', $memory,
	'memory(); os.kill(os.getpid(), 15)');
ends('memory before an exit code', $memory,
	'memory(); sys.exit(3)');
ends('memory before all the rest', $memory,
	'memory(); processes(); output(); sys.exit(3)');
ends('timeout before all the rest', "timeout 'timeout' signal 9",
	'processes(); disk(); output(); time.sleep(9)', timeout_ms => 600);
ends('timeout before a signal', "timeout 'timeout' signal 9",
	'time.sleep(0.3); os.kill(os.getpid(), 15)', timeout_ms => 200);
ends('a foreign call before the rest', "signal 'syscall' signal 31",
	"processes(); output()\n$foreign");
ends('a signal and processes', "signal 'processes' signal 15",
	'processes(); disk(); output(); os.kill(os.getpid(), 15)');
ends('a signal and a disk', "signal 'disk' signal 15",
	'disk(); output(); os.kill(os.getpid(), 15)');
ends('a signal and output', "signal 'output' signal 15",
	'output(); os.kill(os.getpid(), 15)');
ends('a page of a file that there is no room for', "signal 'disk' signal 7",
	"f = open('a', 'w+b'); f.truncate(8 << 20)\n"
	. "m = mmap.mmap(f.fileno(), 8 << 20)\n"
	. "try: open('b', 'wb').write(bytes(16 << 20))\nexcept OSError: pass\n"
	. 'for i in range(0, 8 << 20, 4096): m[i] = 1');
ends('an exit code and processes', "error 'processes' exit 3",
	'processes(); disk(); output(); sys.exit(3)');
ends('an exit code and a disk', "error 'disk' exit 3",
	'disk(); output(); sys.exit(3)');
ends('an exit code and output', "error 'output' exit 3",
	'output(); sys.exit(3)');
ends('no failure and all three', "ok 'processes' exit 0",
	'processes(); disk(); output()');
ends('no failure and two', "ok 'disk' exit 0", 'disk(); output()');

# One run's limits are not the next one's.

ends("nothing, $_", "ok '' exit 0", '') for 1 .. 6;

# Nothing that the run says of itself

ends('a result of its own making', "error 'exit' exit 2", "os.write(1, "
	. "b'CX\\x01\\x81\\0\\0\\0\\x23{\"status\":\"memory\",\"reason\":\"memory\"}')"
	. "\nprint('Killed', file=sys.stderr)\nsys.exit(2)");

# The deadline: never "timeout" before it, always after

for my $try (1 .. 5) {
	my $a = ask('time.sleep(0.35)', timeout_ms => 500);
	is(told($a), "ok '' exit 0", "before the deadline, $try")
		if $a->{time_us} < 500_000;
	$a = ask('time.sleep(0.7)', timeout_ms => 500);
	is(told($a), "timeout 'timeout' signal 9", "after it, $try");
	cmp_ok($a->{time_us}, '>=', 500_000, 'not before');
}

# A limit that a program has set for itself is its own affair.

ends('a limit on CPU time of its own', "signal 'signal' signal 9",
	"resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass",
	timeout_ms => 20000);

###############################################################################

# Two for every limit: what the kernel was told

my $limits = 'for n in "CPU", "NPROC", "FSIZE", "DATA", "NOFILE", "CORE": '
	. 'print(n, *resource.getrlimit(getattr(resource, "RLIMIT_" + n)))';
my $cpus = `nproc`;

like(ask($limits, timeout_ms => 2000)->{stdout}, qr/\A
	CPU\ 4\ 4\n NPROC\ 42\ 42\n FSIZE\ 16777216\ 16777216\n
	DATA\ 536870912\ 536870912\n NOFILE\ 40\ 40\n CORE\ 1\ 1\n\z/x,
	'limits of each process, beside those of the run');
is(ask('print(resource.getrlimit(resource.RLIMIT_CPU)[0])',
	timeout_ms => $_)->{stdout}, 2 + int($_ / 1000) . "\n",
	"CPU time, for $_ ms") for 100, 1000, 3000;
is(ask(<<'EOP')->{stdout}, "no no\n", 'and it cannot be raised');
for n in 100, -1:
    try: resource.setrlimit(resource.RLIMIT_CPU, (n, n))
    except (ValueError, OSError): print('no', end=' ' if n > 0 else '\n')
EOP

# The fuse: codeexecd is stopped, and the run ends nevertheless.

my $pid = $t->daemon_pid;

for my $case (['that sleeps', 'time.sleep(60)'],
	['that computes', 'while True: pass'],
	['with children', "for i in range(5):\n    if os.fork() == 0: "
		. "os.setsid(); time.sleep(60)\ntime.sleep(60)"])
{
	my ($name, $code) = @$case;
	my $raw = $t->dial;

	Test::Codeexec::write_all($raw, Test::Codeexec::Real::job_frames(
		"${prelude}open('here', 'w')\n$code", timeout_ms => 1000));

	my @pids = $t->marked('here');
	ok(scalar @pids, "a run $name");
	kill STOP => $pid;

	my $begin = time;
	my $alive = sub { grep { Test::Codeexec::Process::slurp("/proc/$_/stat")
		=~ /\) [^ZX]/ } @pids };
	ok(wait_until(6, sub { !$alive->() }),
		"a run $name ends while codeexecd is stopped")
		|| diag(join ' ', $alive->());
	cmp_ok(time - $begin, '>', 1, 'later than codeexecd would have ended it');
	kill CONT => $pid;

	is(told(Test::Codeexec::Real::read_answer($raw) // {}),
		"timeout 'timeout' signal 9", 'and it is said why');
	$t->honest('and all is well');
}

$t->settle;
is($t->state->{runs_lost}, 0, 'no run was lost');

###############################################################################

# Without control groups: what is known then, and what is not

$t->run_daemon(name => 'bare', conf => { %conf, cgroup => '',
	runtime => { python => { tier => { base => { spare => 2 } } } } });

my @bare = (
	["ok '' exit 0", ''],
	["error 'exit' exit 3", 'sys.exit(3)'],
	["signal 'signal' signal 9", 'os.kill(os.getpid(), 9)'],
	["signal 'syscall' signal 31", $foreign],
	["timeout 'timeout' signal 9", 'time.sleep(9)'],
	["ok 'output' exit 0", 'output()'],
	["ok 'disk' exit 0", 'disk()'],

	# Refused by a limit that the kernel does not count

	["ok '' exit 0", 'processes()'],
	["error 'exit' exit 1", 'b = bytearray(90 << 20)'],
);

ends("without control groups: $_->[0]", $_->[0], $_->[1], name => 'bare',
	timeout_ms => 500) for @bare;

is(ask("n = 0\ntry:\n    while n < 99:\n        if os.fork() == 0: "
	. "time.sleep(9)\n        n += 1\nexcept BlockingIOError: print(n)",
	name => 'bare')->{stdout}, "19\n", 'as many processes as with them');
like(ask($limits, name => 'bare', timeout_ms => 2000)->{stdout},
	qr/^CPU @{[4 * $cpus]} .*^NPROC 21 .*^DATA 67108864 /ms,
	'the limits of each process are the only ones');

$t->done_testing;
