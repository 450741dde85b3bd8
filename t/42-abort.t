#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Whoever asked is gone: the run ends, whatever it does, and soon.

use v5.36;

use IO::Socket::UNIX;
use Test::More;
use Time::HiRes qw/sleep time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Process;
use Test::Codeexec::Real;
use Test::FakeSandbox;

my $limit = 1;    # seconds, on a loaded machine; 0.25 are promised
my $worst = 0;

my $t = Test::Codeexec::Real->start(spare => 2,
	conf => { runs => 4, queue => 8 });

$t->warm;
$t->baseline;

# Programs that would go on: each says when it has begun by a file.

my %program = (
	sleeps => "import time\ntime.sleep(30)",
	burns => "while True: pass",
	'ignores signals' => "import signal\nfor s in range(1, 65):\n"
		. "    try: signal.signal(s, signal.SIG_IGN)\n"
		. "    except (OSError, ValueError): pass\nwhile True: pass",
	writes => "import os\nwhile True: os.write(1, b'x' * 65536)",
	forks => "import os, time\nfor i in range(20):\n"
		. "    if os.fork() == 0: os.setsid(); time.sleep(30)\n"
		. "time.sleep(30)",
	'is stopped' => "import os\nos.kill(os.getpid(), 19)",
	allocates => "import time\nb = bytearray(300 << 20)\ntime.sleep(30)",
);

sub start_one ($code, $mark, %arg) {
	my $socket = $t->send_code("open('$mark', 'w')\n$code", %arg);
	my @pids = $t->marked($mark);

	ok(@pids >= 2, "$mark: runs");
	sleep 0.05;
	@pids = $t->marked($mark);
	return ($socket, @pids);
}

# Zombies are gone as far as anybody can tell: their init reaps them.

sub gone ($since, $name, @pids) {
	my $done = wait_until(5, sub {
		!grep { Test::Codeexec::Process::slurp("/proc/$_/stat")
			=~ /\) [^ZX]/ } @pids;
	});
	my $took = time - $since;

	$worst = $took if $took > $worst;
	ok($done && $took < $limit, "$name: killed in time")
		|| diag("after $took s: @pids");
}

for my $name (sort keys %program) {
	my $mark = $name =~ s/\W/-/gr;

	for my $how (qw/close reset half-close/) {
		my ($socket, @pids) = start_one($program{$name}, $mark);
		my $since = time;

		$how eq 'close' ? close $socket
			: $how eq 'reset' ? $t->abort($socket)
			: shutdown $socket, 1;
		gone($since, "$name, $how", @pids);
		$t->honest("$name, $how: next");
		last if $name !~ /^(?:sleeps|burns)$/;
	}
}

# A client of codeexecd itself

for my $how (qw/close half-close frame/) {
	my $socket = $t->dial;
	$socket->syswrite(Test::Codeexec::Real::job_frames(
		"open('direct', 'w')\nimport time\ntime.sleep(30)"));
	my @pids = $t->marked('direct');
	my $since = time;

	$how eq 'close' ? close $socket
		: $how eq 'half-close' ? shutdown $socket, 1
		: $socket->syswrite(frame('QUERY'));
	gone($since, "a connection to codeexecd, $how", @pids);
}

# One of many: the others go on

my @others = map { $t->send_code('import time; time.sleep(0.5); print("x")') }
	1 .. 3;
my ($socket, @pids) = start_one($program{sleeps}, 'one-of-many');
my $since = time;
close $socket;
gone($since, 'one of many', @pids);
is($t->receive($_)->body, qq({"output":"x\\n"}\n), 'another one')
	for @others;

# In the queue: it never begins

$t->settle;
my $started = $t->state->{runs_started};
my @running = map { $t->send_code('import time; time.sleep(0.6); print("x")') }
	1 .. 4;
wait_until(3, sub { $t->state->{running} == 4 });
my @queued = map { $t->send_code('import time; time.sleep(30)') } 1 .. 5;
ok(wait_until(3, sub { $t->state->{queued} == 5 }), 'five are queued');
close $_ for @queued;
$since = time;
ok(wait_until(3, sub { $t->state->{queued} == 0 }), 'and are gone');
cmp_ok(time - $since, '<', $limit, 'soon');
is($t->receive($_)->status, 200, 'one that ran') for @running;
is($t->state->{runs_started} - $started, 4, 'none of the five was started');

# At any moment of its life

for my $n (0 .. 40) {
	my $s = $t->send_code('print("x" * 100000)' . "\nopen('a.png', 'w')");
	sleep $n / 2000;
	$n % 2 ? close $s : $t->abort($s);
}

ok($t->settle, 'aborted at any moment');
$t->honest('well after it');

# A worker of nginx that is killed takes its runs with it.

my ($worker) = $t->workers;
($socket, @pids) = start_one($program{burns}, 'worker');
my (undef, @more) = start_one($program{forks}, 'worker-2');
$since = time;
kill KILL => $worker;
gone($since, 'a worker is killed', @pids, @more);
$t->expect_log(qr/worker process \d+ exited on signal 9/);
ok(wait_until(5, sub { grep { $_ != $worker } $t->workers }), 'a new worker');
$t->honest('served by a new worker');
is($t->receive($socket)->complete, 0, 'its client got nothing');

# So does a reload, once its time is over.

$t->write_conf(<<'EOC', main => 'worker_shutdown_timeout 300ms;');
	server {
	    listen 127.0.0.1:%%PORT_0%%;
	    location /runcode { codeexec_pass unix:%%SOCK%%; }
	}
EOC
ok($t->reload, 'reload');
($socket, @pids) = start_one($program{sleeps}, 'reload');
my $short = $t->send_code('import time; time.sleep(0.1); print("x")');
$since = time + 0.3;
ok($t->reload, 'reload with runs');
is($t->receive($short)->body, qq({"output":"x\\n"}\n),
	'a short run is answered by the old worker');
gone($since, 'a long one ends with it', @pids);
close $socket;

note(sprintf 'the slowest was gone after %.0f ms', 1000 * $worst);

$t->settle;
my $state = $t->state;
is($state->{runs_started}, $state->{runs_finished} + $state->{runs_aborted},
	'every run was finished or aborted');
is(scalar(my @left = $t->jailed), 2 * $t->idle, 'no process is left');
$t->honest('still well');

# The workers are others than before.

delete $t->{baseline}{$_} for grep { /nginx/ } keys %{ $t->{baseline} };
$t->check_leaks('nothing is left');
$t->done_testing;
