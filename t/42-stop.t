#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# STOP: a run ends because somebody on another connection wants it to, whatever
# it does, and soon; its client gets what there is.

use v5.36;

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
my $serial = 0;

my $t = Test::Codeexec::Real->start(spare => 1, http => <<'EOC', conf => {
	upstream sandbox { server unix:%%SOCK%%; keepalive 8; }
	codeexec_zone runs:1m;
	server {
	    listen 127.0.0.1:%%PORT_0%%;
	    codeexec_api native;
	    location / { codeexec_pass sandbox; }
	}
EOC
	runs => 2, queue => 64, commands => { spare => 1 },
	'language compiled' => { file => 'x', aliases => ['cc'],
		version => ['echo', '1.2'], compile => ['sleep', '9'],
		command => ['true'], compile_timeout => '9s' } });

$t->warm;
$t->baseline;

# [connection, handle]

sub start ($code, %arg) {
	my $handle = sprintf '%032x', $$ * 10_000 + $serial++;
	my $socket = $t->dial;

	write_all($socket, Test::Codeexec::Real::job_frames($code,
		handle => $handle, %arg));
	return [$socket, $handle];
}

sub stop ($handle, $socket = $t->dial) {
	$socket->syswrite(frame(STOP => { handle => $handle }));
	my ($type, $payload) = read_frame($socket);
	return $type . ' ' . ($payload =~ /\A\{"stopped":(\w+)\}\z/ ? $1 : $payload);
}

sub answer_of ($run) {
	return Test::Codeexec::Real::read_answer($run->[0]) // { type => 'EOF' };
}

sub stopped ($run, $name, $stdout = '') {
	my $since = time;

	is(stop($run->[1]), 'STOPPED true', "$name: stop");
	my $a = answer_of($run);
	my $took = time - $since;
	$worst = $took if $took > $worst;
	is("$a->{type} $a->{status} $a->{reason}", 'RESULT stopped stopped',
		"$name: stopped");
	is($a->{stdout}, $stdout, "$name: with what it has written")
		if defined $stdout;
	cmp_ok($took, '<', $limit, "$name: soon");
	return $a;
}

# Whatever it does

my %program = (
	sleeps => "import time\ntime.sleep(30)",
	burns => "while True: pass",
	'ignores signals' => "import signal\nfor s in range(1, 65):\n"
		. "    try: signal.signal(s, signal.SIG_IGN)\n"
		. "    except (OSError, ValueError): pass\nwhile True: pass",
	forks => "import os, time\nfor i in range(20):\n"
		. "    if os.fork() == 0: os.setsid(); time.sleep(30)\n"
		. "time.sleep(30)",
	'is stopped' => "import os\nos.kill(os.getpid(), 19)",
	writes => "import os\nwhile True: os.write(1, b'x' * 65536)",
);

for my $name (sort keys %program) {
	my $mark = $name =~ s/\W/-/gr;
	my $run = start("print('first', flush=True)\nopen('$mark', 'w')\n"
		. $program{$name}, collect => [$mark]);
	my @pids = $t->marked($mark);

	ok(@pids >= 1, "$name: runs");
	my $a = stopped($run, $name, $name eq 'writes' ? undef : "first\n");
	is($a->{signal}, 9, "$name: killed");
	ok(exists $a->{file}{$mark}, "$name: its file");
	ok(wait_until($limit, sub {
		!grep { Test::Codeexec::Process::slurp("/proc/$_/stat")
			=~ /\) [^ZX]/ } @pids;
	}), "$name: and gone");
}

# While it compiles

my $run = start('', language => 'compiled');
ok(wait_until(5, sub { $t->state->{running} == 1 }), 'a compiler runs');
is(stopped($run, 'compiles')->{stage}, 'compile', 'before the program began');

# In the queue, where the others stay

my @running = map { start('import time; time.sleep(30)') } 1 .. 2;
ok(wait_until(5, sub { $t->state->{running} == 2 }), 'two run');
my $started = $t->state->{runs_started};
my @queued = map { start("print($_)") } 0 .. 2;
ok(wait_until(5, sub { $t->state->{queued} == 3 }), 'three wait');
my $a = stopped($queued[1], 'waits');
is_deeply([@$a{qw/exit_code signal time_us memory_kb/}], [undef, undef, 0, 0],
	'as nothing has run');
is($t->state->{queued}, 2, 'the others wait');
stopped($_, 'runs') for @running;
is(answer_of($queued[$_])->{stdout}, "$_\n", 'they run') for 0, 2;
is($t->state->{runs_started} - $started, 2, 'and nobody else');

# A connection is used again, by either side.

my $socket = $t->dial;
for (1 .. 3) {
	$run = start('import time; time.sleep(30)');
	ok(wait_until(5, sub { $t->state->{running} == 1 }), 'one more');
	is(stop($run->[1], $socket), 'STOPPED true', 'on the same connection');
	is(answer_of($run)->{status}, 'stopped', 'stopped');
	write_all($run->[0], Test::Codeexec::Real::job_frames('print(1)'));
	is(answer_of($run)->{stdout}, "1\n", 'another job on its own');
}

# Nobody has the handle.

is(stop('0' x 32), 'STOPPED false', 'nobody');
$run = start('print(1)');
is(answer_of($run)->{status}, 'ok', 'a run');
is(stop($run->[1]), 'STOPPED false', 'that has ended');

# STOP comes first.

$started = $t->state->{runs_started};
my $early = '1' x 32;
is(stop($early), 'STOPPED false', 'early');
$socket = $t->dial;
write_all($socket, Test::Codeexec::Real::job_frames('print(1)',
	handle => $early));
$a = Test::Codeexec::Real::read_answer($socket);
is("$a->{status} $a->{stdout}", 'stopped ', 'is never run');
is($t->state->{runs_started}, $started, 'indeed');
stop(sprintf '%032x', $_) for 1 .. 256;
write_all($socket, Test::Codeexec::Real::job_frames('print(1)',
	handle => $early));
is(Test::Codeexec::Real::read_answer($socket)->{status}, 'ok',
	'of 256 that came later it is forgotten');

# In the middle of a job's frames

$run = start('print(1)');
answer_of($run);
my $half = '2' x 32;
my $frames = Test::Codeexec::Real::job_frames('print(2)', handle => $half);
write_all($run->[0], substr $frames, 0, -8);
sleep 0.05;
is(stop($half), 'STOPPED false', 'it is not complete');
write_all($run->[0], substr $frames, -8);
is(answer_of($run)->{status}, 'stopped', 'so it does not run');

# What is no STOP

for my $bytes (frame('STOP'), frame(STOP => '[]'), frame(STOP => '{}'),
	frame(STOP => { handle => 'x' }), frame(STOP => { handle => 1 }),
	frame(STOP => '{"handle":"' . '3' x 31 . '\\u0000"}'),
	frame(STOP => { handle => '3' x 32, more => 'x' x 300 }))
{
	$socket = $t->dial;
	$socket->syswrite($bytes);
	is((read_frame($socket))[0], undef, 'closed: ' . substr $bytes, 8, 40);
}

$run = start('import time; time.sleep(30)');
ok(wait_until(5, sub { $t->state->{running} == 1 }), 'one runs');
$run->[0]->syswrite(frame(STOP => { handle => $run->[1] }));
is(answer_of($run)->{type}, 'EOF', 'nor on the connection of the run');

for my $handle ('x' x 32, 'A' x 32, '1' x 31, '1' x 33, '', 1, undef) {
	$socket = $t->dial;
	write_all($socket, Test::Codeexec::Real::job_frames('print(1)',
		handle => $handle));
	my $a = Test::Codeexec::Real::read_answer($socket);
	is("$a->{type} $a->{reason}", 'REJECT job', 'a bad handle');
}

# Many at once, at any moment

my @many = map { start('print("x" * 1000)') } 1 .. 40;
my %seen;
for my $n (0 .. $#many) {
	sleep 0.002;
	stop($many[$n][1]) if $n % 3;
}
for (@many) {
	my $a = answer_of($_);
	$seen{$a->{status} // $a->{reason}}++;
}
is(join(' ', grep { !/^(?:ok|stopped)$/ } keys %seen), '',
	'each is run or stopped');
cmp_ok($seen{ok}, '>=', 14, 'those that nobody stops are run');
note(join ', ', map { "$_: $seen{$_}" } sort keys %seen);
close $_->[0] for @many, @queued, @running, $run;
close $socket;

# Through nginx

for my $how ('sleeps', 'burns') {
	my $s = $t->send_code("print('so far', flush=True)\n"
		. "open('http-$how', 'w')\n$program{$how}",
		execution_id => $how, detail => \1);
	$t->marked("http-$how");
	my $since = time;
	answer_is($t->http($t->request(POST => "/stop/$how")), 200,
		qq({"stopped":true,"execution_id":"$how"}), "$how: stop");
	my $r = $t->receive($s);
	my $json = $r->json;
	is($r->status, 200, "$how: answered");
	is_deeply([@$json{qw/error output status reason exit_code signal/}],
		['Code execution was stopped', "so far\n", 'stopped', 'stopped',
			undef, 9], "$how: how it ended");
	my $took = time - $since;
	$worst = $took if $took > $worst;
	cmp_ok($took, '<', $limit, "$how: soon");
}

my $status = $t->http_get('/status')->json;
is($status->{sandbox}{runs_stopped}, $t->state->{runs_stopped}, 'counted');
is(join(' ', sort keys %$status), 'executions languages running sandbox status',
	'members of /status');
unlike($t->http_get('/status')->body, qr{/|"pid"|layers}, 'no path, no pid');
my ($base) = @{ $status->{sandbox}{runtimes}[0]{tiers} };
is(join(' ', sort keys %$base), 'name parked queued warm', 'of a tier');

my %language = map { $_->{name} => $_ }
	@{ $t->http_get('/languages')->json->{languages} };
is(join(' ', sort keys %language), 'compiled python', 'languages');
is("@{ $language{python}{aliases} }", 'py python3', 'their aliases');
is("@{ $language{compiled}{aliases} }", 'cc', 'their own');
like($language{python}{version}, qr/^3\.\d+/, 'their versions');
is($language{compiled}{version}, '1.2', 'also of commands');

my $metrics = $t->http_get('/metrics');
is($metrics->header('Content-Type'), 'text/plain; version=0.0.4; charset=utf-8',
	'metrics');
my ($lines, %metric, %type) = (0);
for (split /\n/, $metrics->body) {
	$lines++;
	/^# HELP (\w+) \S/ and next;
	/^# TYPE (\w+) (gauge|counter)$/ and $type{$1} = $2, next;
	/^(\w+)(\{runtime="(\w+)",tier="(\w+)"\})? (\d+)$/ && $type{$1}
		or fail("a line of metrics: $_"), next;
	$metric{defined $3 ? "$1 $3 $4" : $1} = $5;
}
cmp_ok($lines, '>', 30, 'many lines');
$status = $t->state;
is($metric{codeexec_runs_started_total}, $status->{runs_started}, 'started');
is($metric{codeexec_runs_stopped_total}, $status->{runs_stopped}, 'stopped');
is($metric{'codeexec_tier_warm python base'}, 1, 'a tier');
is($metric{codeexec_executions}, 0, 'executions');
is(scalar(grep { ($type{$_} eq 'counter') != /_total$/ } keys %type), 0,
	'names of counters');

note(sprintf 'the slowest was answered after %.0f ms', 1000 * $worst);

ok($t->settle, 'all is quiet');
$t->honest('still well');
$status = $t->state;
is($status->{runs_started}, $status->{runs_finished} + $status->{runs_aborted},
	'every run was finished or aborted');
$t->check_leaks('nothing is left');
$t->done_testing;
