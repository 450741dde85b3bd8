#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Every limit, from both sides.

use v5.36;

use JSON::PP ();
use Test::More;
use Time::HiRes qw/sleep time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Real;

my $t = Test::Codeexec::Real->start(spare => 2, conf => {
	runs => 2, queue => 2, queue_timeout => '700ms',
	limits => {
		memory => '64mb', disk => '16mb', inodes => 200, processes => 20,
		open_files => 40, output => '100kb', files => 4,
		file_size => '64kb', files_size => '160kb', code => '64kb',
		input => '32kb', wall => '1s', max_wall => '2s', cpus => 0.5,
	},
});

my $true = JSON::PP::true;

sub run_it ($code, %member) {
	return $t->run_code($code, detail => $true, %member);
}

###############################################################################

# Memory

my $a = run_it("b = bytearray(40 << 20)\nprint('x')");
is($a->{status}, 'ok', 'memory, below the limit');
$a = run_it("print('x', flush=True)\nb = bytearray(80 << 20)\nprint('y')");
is($a->{status}, 'memory', 'memory, above');
is($a->{error}, 'Memory limit exceeded', 'its error');
is($a->{output}, "x\n", 'with what it had printed');
is($a->{signal}, 9, 'its signal');
cmp_ok($a->{memory_kb}, '<=', 64 << 10, 'the peak is not above the limit');
cmp_ok($a->{memory_kb}, '>', 60 << 10, 'and near it');
$a = run_it("import sys\nprint('words', file=sys.stderr, flush=True)\n"
	. 'b = bytearray(80 << 20)');
is($a->{error}, "words\nMemory limit exceeded", 'after what it said');

$a = run_it("import os\nfor i in range(6):\n    if os.fork() == 0:\n"
	. "        b = bytearray(15 << 20)\n        import time; time.sleep(5)\n"
	. 'import time; time.sleep(5)');
is($a->{status}, 'memory', 'memory, of all processes together');

$a = run_it("import os\npid = os.fork()\nif pid == 0:\n"
	. "    b = bytearray(80 << 20)\n    os._exit(0)\n"
	. "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)");
is($a->{status}, 'memory', 'memory, in a child: the run is said to be over it');

is(run_it("try: b = bytearray(1 << 50)\nexcept MemoryError: print('no')"
	)->{output}, "no\n", 'what no machine has is a MemoryError');
is(run_it('print(1)')->{status}, 'ok', 'memory is there again');

###############################################################################

# Processes

my $count = <<'EOP';
import os, time
n = 0
try:
    while n < 500:
        if os.fork() == 0: time.sleep(10); os._exit(0)
        n += 1
except BlockingIOError:
    pass
print(n)
EOP

is(run_it($count)->{output}, "19\n", 'processes: as many as promised');
is(run_it($count)->{output}, "19\n", 'and the next time');

my $threads = <<'EOP';
import threading, time
n = 0
try:
    while n < 500:
        threading.Thread(target=time.sleep, args=(10,), daemon=True).start()
        n += 1
except RuntimeError as e:
    print(n, e)
EOP

is(run_it($threads)->{output}, "19 can't start new thread\n",
	'threads are counted');
is(run_it("import threading\nn = [threading.Thread(target=print, args=(i,))"
	. " for i in range(15)]\nfor t in n: t.start()\nfor t in n: t.join()"
	)->{status}, 'ok', 'threads, below');
is(run_it("import os\nfor i in range(100):\n    p = os.fork()\n"
	. "    if p == 0: os._exit(0)\n    os.waitpid(p, 0)\nprint('done')"
	)->{output}, "done\n", 'one hundred, one after another');

###############################################################################

# Disk

my $fill = sub ($where) { <<"EOP" };
import os
n = 0
try:
    with open('$where', 'wb', buffering=0) as f:
        while n < 100: f.write(bytes(1 << 20)); n += 1
except OSError as e: print(n, e.strerror)
EOP

for my $where (qw{big /tmp/big /dev/shm/big}) {
	my $a = run_it($fill->($where));
	like($a->{output}, qr/^1[56] (?:No space left on device|File too large)$/,
		"disk, $where: no more than it");
	is($a->{status}, 'ok', "disk, $where: the program is told");
}

is(run_it("for p in 'a', '/tmp/b', '/dev/shm/c':\n"
	. "    open(p, 'wb').write(bytes(9 << 20))")->{error} =~ /(No space.*)/
	&& $1, 'No space left on device', 'disk: one for all directories');
is(run_it("open('a', 'wb').write(bytes(15 << 20))\nprint('ok')")->{output},
	"ok\n", 'disk, below');
is(run_it("for i in range(10):\n    open('a', 'wb').write(bytes(12 << 20))\n"
	. "    import os; os.unlink('a')\nprint('ok')")->{output}, "ok\n",
	'disk, freed and used again');

my $inodes = run_it("n = 0\ntry:\n    while n < 1000:\n"
	. "        open(f'f{n}', 'w'); n += 1\nexcept OSError as e: "
	. "print(n, e.strerror)")->{output};
like($inodes, qr/^19\d No space left on device$/, 'inodes');

###############################################################################

# Output: exactly the limit is kept, and the program goes on to its end

my $cap = 100 << 10;

for my $case ([stdout => 1, 'output'], [stderr => 2, 'stderr']) {
	my ($name, $fd, $member) = @$case;
	my $write = "import os\ndef w(n):\n    while n: n -= os.write($fd, "
		. "b'x' * min(n, 65536))\nw(%d)\nopen('end.svg', 'w').write('end')";

	for my $size ($cap - 1, $cap) {
		my $a = run_it(sprintf $write, $size);
		is(length $a->{$member}, $size, "$name of $size bytes");
		ok(!$a->{truncated}, 'is not truncated');
	}

	for my $size ($cap + 1, 20 << 20) {
		my $a = run_it(sprintf $write, $size);
		is(length $a->{$member}, $cap, "$name of $size bytes is cut");
		ok($a->{truncated}, 'is truncated');
		is($a->{status}, 'ok', 'it ended well');
		is($t->image($a, 'end.svg'), 'end', 'it went on to its end');
	}
}

like($t->post("print('x' * 200_000)")->body, qr/,"truncated":true\}\n\z/,
	'truncated is said without details');
$a = run_it("import sys\nprint('a' * 200000)\nprint('b' * 200000, "
	. 'file=sys.stderr)');
is(length($a->{output}) . length($a->{stderr}), $cap . $cap,
	'one limit for each of the two');
$a = run_it('print("\u4f60" * 100000)');
is(length $a->{output}, int($cap / 3) + ($cap % 3 ? 1 : 0),
	'cut within a character');

###############################################################################

# Open files, and what one may not raise

is(run_it("n = 3\nl = []\ntry:\n    while True: l.append(open('/dev/null')); "
	. "n += 1\nexcept OSError as e: print(n, e.errno)")->{output}, "40 24\n",
	'open files');
is(run_it("import resource as r\nfor n in r.RLIMIT_NOFILE, r.RLIMIT_NPROC, "
	. "r.RLIMIT_FSIZE, r.RLIMIT_CORE:\n    a = r.getrlimit(n)\n    try: "
	. "r.setrlimit(n, (a[1] + 1, a[1] + 1))\n    except (ValueError, "
	. "OSError): pass\n    print(a == r.getrlimit(n))")->{output},
	"True\n" x 4, 'limits cannot be raised');

###############################################################################

# Files: number, size, sum

my $files = sub ($n, $size) {
	my $a = run_it("for i in range($n): open(f'{i}.png', 'wb')"
		. ".write(bytes($size))");
	my @sizes = map { length $t->image($a, $_) }
		sort keys %{ $a->{images} // {} };
	return join(' ', @sizes, $a->{truncated} ? 'cut' : ());
};

is($files->(4, 10), '10 10 10 10', 'files, as many as may be');
is($files->(5, 10), '10 10 10 10 cut', 'files, one more');
is($files->(150, 10), '10 10 10 10 cut', 'files, many more');
is($files->(1, 65536), '65536', 'file size');
is($files->(1, 65537), 'cut', 'file size, one more byte');
is($files->(3, 50_000), '50000 50000 50000', 'sum of files');
is($files->(3, 60_000), '60000 60000 cut', 'sum of files, more');

###############################################################################

# Wall time

for my $try (1 .. 3) {
	$a = run_it("import time\ntime.sleep(0.35)\nprint('x')", timeout => 0.5);
	is($a->{status}, 'ok', "wall time, just below, $try");

	my $begin = time;
	my $r = $t->post("import time\nprint('x', flush=True)\ntime.sleep(0.6)",
		timeout => 0.5);
	my $over = 1000 * (time - $begin) - 500;
	is($r->status, 504, "wall time, just above, $try");
	note(sprintf 'answered %.1f ms after the deadline', $over);
	cmp_ok($over, '>=', 0, 'not before');
	cmp_ok($over, '<', 250, 'and soon after');
}

my $begin = time;
is($t->post("while True: pass", timeout => 1.5)->json->{error},
	'Code execution timed out', 'a busy one');
my $over = 1000 * (time - $begin) - 1500;
cmp_ok($over, '<', 250, 'is answered soon');

$a = run_it('while True: pass', timeout => 1);
cmp_ok($a->{cpu_ms}, '<', 650, 'cpus: half a processor for one second');
cmp_ok($a->{cpu_ms}, '>', 250, 'and not much less');
$a = run_it("import os\nfor i in range(8):\n    if os.fork() == 0: break\n"
	. 'while True: pass', timeout => 1);
cmp_ok($a->{cpu_ms}, '<', 700, 'cpus: of all processes together');

$begin = time;
is($t->post('import time; time.sleep(20)', timeout => 60)->status, 504,
	'max_wall of codeexecd holds');
cmp_ok(time - $begin, '<', 2.5, 'when nginx would allow more');

# nginx's default is sent along, so the shorter of the two holds.

my $raw = $t->dial;
$begin = time;
$raw->syswrite(Test::Codeexec::Real::job_frames('import time; time.sleep(9)'));
is(Test::Codeexec::Real::read_answer($raw)->{status}, 'timeout',
	'wall of codeexecd, when the job names none');
cmp_ok(time - $begin, '<', 1.5, 'after one second');

###############################################################################

# What may be sent to codeexecd

my $code = "print('x')\n#";

is($t->output($code . 'x' x ((64 << 10) - length $code)), "x\n", 'code');
error_is($t->post($code . 'x' x ((64 << 10) - length($code) + 1)), 413,
	qr/above a limit/, 'code, one byte more');
error_is($t->post('x' x 1_000_000), 413, qr/above a limit/,
	'code, much more');

is($t->output('import sys; print(len(sys.stdin.read()))',
	stdin => 'x' x (32 << 10)), "32768\n", 'stdin');
error_is($t->post('1', stdin => 'x' x ((32 << 10) + 1)), 413,
	qr/above a limit/, 'stdin, one byte more');

my $var = sub ($n) { return { v => 'x' x ($n - length '{"v":""}') } };
is($t->output('print(len(v))', variables => $var->(32 << 10)), "32760\n",
	'variables');
error_is($t->post('1', variables => $var->((32 << 10) + 1)), 413,
	qr/above a limit/, 'variables, one byte more');
error_is($t->post('1', variables => $var->(900_000)), 413,
	qr/above a limit/, 'variables, much more');
$t->honest('the connection is good for the next one');

###############################################################################

# The queue: two run, two wait, the fifth is busy

my $sleeper = 'import time; time.sleep(0.5); print("slept")';
my $fill_up = sub ($n) {
	$t->settle;
	my @s = map { $t->send_code($sleeper) } 1 .. $n;
	wait_until(2, sub {
		my $s = $t->state;
		return $s->{running} + $s->{queued} == ($n > 4 ? 4 : $n)
			&& $s->{running} == 2;
	});
	return @s;
};

my @s = $fill_up->(4);
my $state = $t->state;
is("$state->{running} $state->{queued}", '2 2', 'two run, two wait');
$begin = time;
my $r = $t->post('print(1)');
error_is($r, 503, 'Server is busy, try again later', 'the fifth');
like($r->header('Retry-After'), qr/^[1-9]\d*$/, 'when to come back');
cmp_ok(time - $begin, '<', 0.3, 'at once');

is($t->receive($_)->body, qq({"output":"slept\\n"}\n), 'one of the four')
	for @s;
$a = $t->state;
is($a->{busy} - $state->{busy}, 1, 'counted');

$sleeper = 'import time; time.sleep(1.5); print("slept")';
$begin = time;
@s = $fill_up->(4);
is($t->receive($_)->status, 200, 'one that ran') for @s[0, 1];
my @late = map { $t->receive($_) } @s[2, 3];
error_is($_, 503, 'Server is busy, try again later',
	'one that waited too long') for @late;
is($late[0]->header('Retry-After'), 1, 'when to come back');

# Nothing of what was refused ran.

$t->settle;
my $started = $t->state->{runs_started};
@s = $fill_up->(4);
my @busy = map { $t->post('print(1)') } 1 .. 5;
is(scalar(grep { $_->status == 503 } @busy), 5, 'five are refused');
$t->receive($_) for @s;
is($t->state->{runs_started} - $started, 2, 'and only those that ran, ran');

$t->settle;
$a = run_it('print(1)');
cmp_ok($a->{queue_ms}, '<', 100, 'no queue, no wait');

$sleeper = 'import time; time.sleep(0.4); print("slept")';
@s = $fill_up->(2);
$a = run_it('print(1)');
cmp_ok($a->{queue_ms}, '>', 150, 'the time in the queue is told');
cmp_ok($a->{time_ms}, '<', 150, 'and is no part of the run');
$t->receive($_) for @s;

$t->honest('still well');
$t->done_testing;
