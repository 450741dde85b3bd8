#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Reload, upgrade of the configuration and shutdown while code runs: nothing
# is lost, nothing is left.

use v5.36;

use Test::More;
use Time::HiRes qw/sleep time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Process;
use Test::FakeSandbox;

my $t = Test::Codeexec->new;

sub configure ($timeout, $main = '') {
	$t->write_conf(<<~'EOC' =~ s/TIMEOUT/$timeout/r, main => $main);
		upstream sandbox { server unix:%%SOCK%%; keepalive 8; }

		server {
		    listen 127.0.0.1:%%PORT_0%%;
		    location /runcode {
		        codeexec_pass sandbox;
		        codeexec_timeout TIMEOUT;
		    }
		}
		EOC
}

my $fake = $t->fake(script => sub ($c, $job) {
	my ($how, $seconds) = split ' ', $job->{code};

	return $c->eof if $how eq 'hang';
	sleep $seconds if $how eq 'sleep';
	$c->send(answer(stdout => $job->{job}{timeout_ms}));
});

configure('1s');
$t->run;

sub start ($code) {
	my $s = $t->connect;
	write_all($s, $t->request(POST => '/runcode', keepalive => 1,
		body => qq({"code":"$code"})));
	return $s;
}

# The new configuration holds for new requests, the old one for those begun.

my @s = map { start('sleep 0.3') } 1 .. 10;
ok($fake->wait_for(job => 10), 'ten runs');
my ($old) = $t->workers;

configure('2s');
ok($t->reload, 'reload');
answer_is($t->http_post_json('/runcode', '{"code":"report"}'), 200,
	'{"output":"2000"}', 'new configuration');
answer_is($t->read_response($_), 200, '{"output":"1000"}', 'a run goes on')
	for @s;
close $_ for @s;
ok(wait_until(3, sub { !kill 0 => $old }), 'the old worker has gone');

# Under load: four clients, one request after another, while nginx reloads.

$fake->reset;
my @clients = map {
	pipe my $from, my $to;
	my $pid = fork;

	if (!$pid) {
		my ($count, $bad, $end) = (0, 0, time + 1.2);

		while (time < $end) {
			my $r = eval { $t->http_post_json('/runcode',
				'{"code":"sleep 0.005"}') };
			$bad++ if !$r || ($r->status // 0) != 200;
			$count++;
		}

		syswrite $to, "$count $bad";
		POSIX::_exit(0);
	}

	close $to;
	$from;
} 1 .. 4;

for (1 .. 4) {
	sleep 0.2;
	$t->signal('HUP');
}

my ($count, $bad) = (0, 0);
for my $from (@clients) {
	my ($n, $m) = split ' ', <$from>;
	$count += $n;
	$bad += $m;
}

cmp_ok($count, '>', 50, "$count requests during four reloads");
is($bad, 0, 'none was lost');
is($fake->runs, $count, 'none was run twice');

# Shutdown waits for runs, not for kept connections.

wait_until(3, sub { 1 == grep { cmdline($_) =~ /worker/ }
	children($t->{nginx}) });
my $s = start('sleep 0.2');
$fake->wait_for(job => $count + 1);
my $begin = time;
$t->signal('QUIT');
answer_is($t->read_response($s), 200, '{"output":"2000"}',
	'the last run is answered');
close $s;
ok($t->stop, 'stopped');
cmp_ok(time - $begin, '<', 1.5, 'soon');
ok(wait_until(2, sub { $fake->count('eof') >= $fake->connections }),
	'kept connections are closed');

# But not for ever, when it has a limit.

configure('3s', 'worker_shutdown_timeout 100ms;');
$t->run;
$fake->reset;
$s = start('hang');
$fake->wait_for('job');
$begin = time;
ok($t->stop, 'stopped, worker_shutdown_timeout');
cmp_ok(time - $begin, '<', 1.5, 'soon');
is(($fake->wait_for('eof') // {})->{state}, 'run', 'the run was closed');

# Nor does a run outlive its worker.

$t->run;
$fake->reset;
$s = start('hang');
$fake->wait_for('job');
$begin = time;
kill KILL => $t->workers;
my $event = $fake->wait_for('eof') // { time => 0 };
cmp_ok(abs($event->{time} - $begin), '<', 1, 'a killed worker ends its runs');
ok(wait_until(3, sub { $t->workers }), 'a new worker');
answer_is($t->http_post_json('/runcode', '{"code":"report"}'), 200,
	'{"output":"3000"}', 'and it works');

$t->expect_log(qr/worker process \d+ exited on signal 9/);
$t->done_testing;
