#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Two codeexecd behind one nginx: the load is spread, one that is busy or gone
# is passed over, and no program runs twice.

use v5.36;

use Test::More;
use Time::HiRes qw/sleep time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Real;

my %conf = (runs => 2, queue => 2);

my $t = Test::Codeexec::Real->start(name => 'one', spare => 6,
	conf => \%conf, http => <<'EOC');
	upstream sandboxes {
	    zone sandboxes 64k;
	    least_conn;
	    server unix:%%SOCK_one%% max_fails=1 fail_timeout=1s;
	    server unix:%%SOCK_two%% max_fails=1 fail_timeout=1s;
	    keepalive 8;
	}

	server {
	    listen 127.0.0.1:%%PORT_0%%;
	    location /runcode { codeexec_pass sandboxes; }
	    location /all {
	        codeexec_pass sandboxes;
	        codeexec_next_upstream error timeout busy non_idempotent;
	    }
	}
EOC

my $two = $t->real_conf(spare => 6, conf => \%conf);
$t->run_daemon(name => 'two', conf => $two);
my @names = qw/one two/;

sub started { return map { $t->state($_)->{runs_started} } @names }

sub settled { $t->settle($_) for @names }

sub ask ($n, $code, %member) {
	my @s = map { $t->send_code($code, %member) } 1 .. $n;
	return map { $t->receive($_) } @s;
}

settled();

###############################################################################

# Spread

my @before = started();
$t->honest("one after another, $_") for 1 .. 20;
my @after = started();
my @got = map { $after[$_] - $before[$_] } 0, 1;
is($got[0] + $got[1], 20, 'twenty runs');
cmp_ok($got[0], '>=', 5, 'some by the first');
cmp_ok($got[1], '>=', 5, 'some by the second');

settled();
@before = started();
my @r = ask(4, "import time\ntime.sleep(0.4)\nprint('x')");
is($_->body, qq({"output":"x\\n"}\n), 'four at the same time') for @r;
@after = started();
is_deeply([map { $after[$_] - $before[$_] } 0, 1], [2, 2], 'two by each');

# Kept connections are used.

is($t->state($_)->{clients} < 8, 1, "$_: connections are kept") for @names;

###############################################################################

# One is busy: the other one gets it; both are: 503, and nothing ran

# Fills one of them: two run, two wait.

sub fill ($name) {
	my @s = map { $t->dial($name) } 1 .. 4;

	$_->syswrite(Test::Codeexec::Real::job_frames(
		'import time; time.sleep(5)')) for @s;
	ok(wait_until(3, sub {
		my $s = $t->state($name);
		return $s->{running} == 2 && $s->{queued} == 2;
	}), "$name is full");
	return @s;
}

settled();
my @direct = fill('one');
@before = started();
my $busy = $t->state('one')->{busy};

for my $n (1 .. 6) {
	$t->honest("one is busy, $n");
	sleep 0.03;
}

@after = started();
is_deeply([map { $after[$_] - $before[$_] } 0, 1], [0, 6],
	'all by the other one');
cmp_ok($t->state('one')->{busy} - $busy, '>', 0, 'which said so');

push @direct, fill('two');
@before = started();
error_is($t->post('print(1)'), 503, 'Server is busy, try again later',
	'both are busy');
is_deeply([started()], \@before, 'and nothing was run');
close $_ for @direct;
settled();
$t->honest('free again');

# A program that fails is not tried elsewhere.

@before = started();
is($t->post('1 / 0')->status, 200, 'a failure');
is($t->post('import os; os.kill(os.getpid(), 9)')->status, 200, 'a signal');
is($t->post('import time; time.sleep(9)', timeout => 0.1)->status, 504,
	'a timeout');
@after = started();
is($after[0] + $after[1] - $before[0] - $before[1], 3,
	'each ran once, whatever came of it');

###############################################################################

# One is killed

settled();
my @s = map { $t->send_code("import time\ntime.sleep(1)\nprint('x')") } 1 .. 4;
wait_until(2, sub {
	$t->state('one')->{running} == 2 && $t->state('two')->{running} == 2 });
@before = started();
$t->expect_log(qr/connect\(\) to unix:\S* failed/);
$t->expect_log(qr/no live upstreams/);
$t->kill_daemon('one');
my %status;
$status{ $_->status }++ for map { $t->receive($_) } @s;
is_deeply(\%status, { 200 => 2, 502 => 2 },
	'runs that were lost are 502, the others go on');
is($t->state('two')->{runs_started}, $before[1], 'and none was run again');

my $begin = time;
$t->settle('two');
$t->honest("by the one that is left, $_") for 1 .. 10;
cmp_ok(time - $begin, '<', 3, 'without waiting');
is($t->state('two')->{runs_started} - $before[1], 10, 'each once');

# The other one is stopped, too: 502.  Both come back.

$t->stop_daemon('two');
error_is($t->post('print(1)'), 502, 'Bad Gateway', 'none is left');

$t->run_daemon(name => $_, conf => $t->real_conf(spare => 6, conf => \%conf))
	for @names;
# nginx counts in whole seconds.

sleep 2.1;
settled();
$t->honest("both are back, $_") for 1 .. 20;
@after = started();
is($after[0] + $after[1], 20, 'twenty runs') || diag("@after");
cmp_ok($_, '>', 0, 'by both') for @after;

###############################################################################

# Stopped under load, one after the other, as for an upgrade: what was not
# started goes to the other one.

settled();
my ($good, $lost, $accepted, $other) = (0, 0, 0, 0);
my $stopped = 0;
my @runs = (0, 0);

for my $round (1 .. 30) {
	my @s = map { $t->send_code("print($round)") } 1 .. 2;

	if ($round == 10) {
		$runs[0] += $t->state('one')->{runs_started};
		$t->stop_daemon('one');
	}

	if ($round == 20) {
		$t->run_daemon(name => 'one',
			conf => $t->real_conf(spare => 6, conf => \%conf));
	}

	for my $r (map { $t->receive($_) } @s) {
		my $right = $r->body eq qq({"output":"$round\\n"}\n);
		$right ? $good++ : $r->status == 502 ? $lost++
			: $r->status == 503 ? $accepted++ : $other++;
	}
}

is($other, 0, 'stopped and started under load: no strange answer');
cmp_ok($lost, '<=', 2, 'what was running may be lost');
cmp_ok($good, '>=', 50, 'nearly all are answered');
note("good $good, lost $lost, busy $accepted");

settled();
$t->honest('still well');
$t->done_testing;
