#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# A client that goes away takes its run with it: codeexecd sees the end of its
# connection, and soon.

use v5.36;

use Test::More;
use Time::HiRes qw/sleep time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::FakeSandbox;

# The promise to hold is 250 ms; a loaded machine is given more.

my $limit = 1;

my $t = Test::Codeexec->new;

$t->write_conf(<<'EOC');
    log_format status '$status $uri';
    access_log %%TESTDIR%%/access.log status;

    upstream sandbox { server unix:%%SOCK%%; keepalive 2; }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_1%% http2;

        location /runcode { codeexec_pass sandbox; }
        location /stubborn {
            codeexec_pass sandbox;
            codeexec_ignore_client_abort on;
        }
    }
EOC

my $fake = $t->fake(script => sub ($c, $job) {
	my $how = $job->{code};
	my $whole = answer(stdout => ['x' x 1000, 'y' x 1000]);

	return $c->send($whole) if $how eq 'ok';
	return $c->send(answer(stdout => 'x' x 3e6)) if $how eq 'large';
	$c->send(substr $whole, 0, 1500) if $how eq 'half';

	if ($how eq 'slow') {
		sleep 0.2;
		return $c->note($c->send($whole) ? 'finished' : 'broken');
	}

	$c->eof;
});

$t->run;

sub start ($code, $uri = '/runcode') {
	my $s = $t->connect;
	$fake->reset;
	write_all($s, $t->request(POST => $uri, keepalive => 1,
		body => qq({"code":"$code"})));
	$fake->wait_for('job');
	sleep 0.02 if $code eq 'half';
	return $s;
}

sub seen ($since, $name) {
	my $event = $fake->wait_for('eof');
	my $ms = $event ? 1000 * ($event->{time} - $since) : 9999;

	ok($event && $event->{state} eq 'run', "$name, run was closed");
	cmp_ok($ms, '<', 1000 * $limit, "$name, soon");
	note(sprintf '%s: %.1f ms', $name, $ms);
}

my $since;

is($t->http_post_json('/runcode', '{"code":"ok"}')->status, 200, 'before');
$t->baseline;

for my $code (qw/hang half/) {
	my $s = start($code);
	$since = time;
	close $s;
	seen($since, "close, $code");

	$s = start($code);
	$since = time;
	$t->abort($s);
	seen($since, "reset, $code");

	$s = start($code);
	$since = time;
	shutdown $s, 1;
	seen($since, "half-close, $code");
}

# Many at once.

$fake->reset;
my @s = map { $t->connect } 1 .. 20;
write_all($_, $t->request(POST => '/runcode', body => '{"code":"hang"}'))
	for @s;
ok($fake->wait_for(job => 20), 'twenty runs');
$since = time;
close $_ for @s;
my $last = $fake->wait_for(eof => 20);
cmp_ok($last ? $last->{time} - $since : 9, '<', $limit, 'twenty closed');

# HTTP/2: the stream is reset, or its connection is closed.

SKIP: {
	skip 'no curl with HTTP/2', 2
		if `curl --version 2>&1` !~ /^Features:.* HTTP2/m;

	$fake->reset;
	my $pid = $t->spawn('curl.out', qw/curl -s --http2-prior-knowledge
		-d/, '{"code":"hang"}', 'http://127.0.0.1:' . $t->port(1)
			. '/runcode');
	$fake->wait_for('job');
	$since = time;
	kill KILL => $pid;
	waitpid $pid, 0;
	seen($since, 'HTTP/2');
}

# While it takes its time to read the answer: the run is over by then.

my $slow = $t->connect;
$t->http_post_json('/runcode', '{"code":"ok"}');
$fake->reset;
write_all($slow, $t->request(POST => '/runcode', body => '{"code":"large"}'));
sysread $slow, my $some, 1000;
$t->abort($slow);
is($t->http_post_json('/runcode', '{"code":"ok"}')->status, 200,
	'abort of a slow reader');
is($fake->connections, 0, 'the connection was free for the next run');

# Before all of the request was there, codeexecd knows nothing of it.

$fake->reset;
my $s = $t->connect;
my $request = $t->request(POST => '/runcode', body => '{"code":"ok"}');
write_all($s, substr $request, 0, -3);
sleep 0.02;
close $s;
sleep 0.05;
is($fake->runs, 0, 'an unfinished request is not run');
is($fake->connections, 0, 'and opens no connection');

# The next request on the same connection, sent early, is no abort.

$fake->reset;
$s = $t->connect;
write_all($s, $t->request(POST => '/runcode', keepalive => 1,
	body => '{"code":"slow"}') x 2);
is($t->read_response($s)->status, 200, 'pipelined, first');
is($t->read_response($s)->status, 200, 'pipelined, second');
ok($fake->wait_for(finished => 2), 'both have finished');

# Unless it is told to go on.

$s = start('slow', '/stubborn');
close $s;
ok($fake->wait_for('finished'), 'codeexec_ignore_client_abort');

is($t->http_post_json('/runcode', '{"code":"ok"}')->status, 200, 'still well');

$t->check_leaks('no descriptors left', 2);

like($t->read_file('access.log'), qr{^499 /runcode$}m, '499 is logged');
$t->done_testing;
