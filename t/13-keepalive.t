#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Connections to codeexecd are kept when, and only when, both sides are
# between two runs.

use v5.36;

use Test::More;
use Time::HiRes qw/sleep/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::FakeSandbox;

my $t = Test::Codeexec->new;

$t->write_conf(<<'EOC');
    upstream kept { server unix:%%SOCK%% max_fails=0; keepalive 2; }

    server {
        listen 127.0.0.1:%%PORT_0%%;

        location /runcode { codeexec_pass kept; }
        location /unkept { codeexec_pass unix:%%SOCK%%; }
        location /quick { codeexec_pass kept; codeexec_read_timeout 50ms; }
    }
EOC

my $fake = $t->fake(script => sub ($c, $job) {
	my $how = $job->{code};
	my $ok = answer(stdout => 'ok');
	my $second = answer(stdout => 'of another');

	return $c->close if $how eq 'stale' && $c->run > 1;
	return $c->eof if $how eq 'hang';

	$c->send(busy()) if $how eq 'busy';
	$c->send(reject('language')) if $how eq 'reject';
	$c->send($ok) if $how =~ /^(?:ok|stale)$/;
	$c->send(substr $ok, 0, -3), $c->close if $how eq 'cut';
	$c->send("garbage!"), $c->eof if $how eq 'garbage';
	$c->send($ok . pack 'H*', $1) if $how =~ /^extra (.*)/;
	$c->send($ok . $second) if $how eq 'two';
	$c->send($ok), sleep(0.1), $c->send($second) if $how eq 'late';
	$c->send($ok), $c->close if $how eq 'close';
});

$t->run;

sub run ($how, %arg) {
	return $t->http_post_json($arg{uri} // '/runcode', { code => $how },
		%arg);
}

# Begins with a fresh connection: none from before is in the way.

sub fresh {
	sleep 0.05;
	$t->reload;
	$fake->reset;
}

my $output = '{"output":"ok"}';

answer_is(run('ok'), 200, $output, "run $_") for 1 .. 10;
is($fake->connections, 1, 'one connection for ten runs');

answer_is($t->http_get('/runcode?languageType=py&variables={}&code=ok'), 200,
	$output, 'GET');
is($fake->connections, 1, 'the same for GET');

my $s = $t->connect;
answer_is(run('ok', socket => $s, keepalive => 1), 200, $output,
	"client keepalive $_") for 1 .. 3;
is($fake->connections, 1, 'the same for a client that keeps its own');

$fake->reset;
run('ok', uri => '/unkept') for 1 .. 3;
is($fake->connections, 3, 'none is kept without keepalive');
ok($fake->wait_for(eof => 3), 'but closed');

# BUSY and REJECT leave the connection as good as it was.

for my $how (qw/busy reject/) {
	fresh();
	run($how) for 1 .. 3;
	answer_is(run('ok'), 200, $output, "run after $how");
	is($fake->connections, 1, "connection reused after $how");
}

# Bytes that nobody asked for are never the answer to the next request.

for my $name ('x', 'CX', "\0" x 100, frame('END'), 'two') {
	my $how = $name eq 'two' ? $name : 'extra ' . unpack 'H*', $name;

	fresh();

	# The rest may be seen with the answer, or after it was passed on.

	like(run($how)->status, qr/^(?:200|502)$/, "$how, run");
	answer_is(run('ok'), 200, $output, "$how, next run");
	is($fake->connections, 2, "$how, connection not reused");
	ok($fake->wait_for('eof'), "$how, connection closed");
}

fresh();
answer_is(run('late'), 200, $output, 'late bytes, run');
sleep 0.2;
answer_is(run('ok'), 200, $output, 'late bytes, next run');
is($fake->connections, 2, 'late bytes, connection not reused');

# Errors.

for my $how (qw/cut garbage/) {
	fresh();
	is(run($how)->status, 502, "$how, run");
	answer_is(run('ok'), 200, $output, "$how, next run");
	is($fake->connections, 2, "$how, connection not reused");
}

fresh();
is(run('hang', uri => '/quick')->status, 504, 'timeout, run');
ok(wait_until(3, sub {
	grep { $_->{state} eq 'run' } $fake->events('eof');
}), 'timeout, connection closed');
answer_is(run('ok'), 200, $output, 'timeout, next run');
is($fake->connections, 2, 'timeout, connection not reused');

fresh();
$s = $t->connect;
write_all($s, $t->request(POST => '/runcode', body => '{"code":"hang"}'));
$fake->wait_for('job');
close $s;
ok($fake->wait_for('eof'), 'client abort, connection closed');
answer_is(run('ok'), 200, $output, 'client abort, next run');
is($fake->connections, 2, 'client abort, connection not reused');

# codeexecd closes an idle connection: nginx sees it, and no request is hurt.

fresh();

for (1 .. 5) {
	answer_is(run('close'), 200, $output, 'closed when idle');
	sleep 0.02;
}

is($fake->connections, 5, 'a new connection each');

# codeexecd dies on a kept connection just when the next job came: whether
# that ran is unknown, so it must not be sent again.

for my $method (qw/POST GET/) {
	fresh();
	answer_is(run('stale'), 200, $output, "stale $method, run");

	my $r = $method eq 'POST' ? run('stale') : $t->http_get(
		'/runcode?languageType=py&variables={}&code=stale');
	error_is($r, 502, 'Bad Gateway', "stale $method, next run");
	is($fake->runs, 2, "stale $method, not run twice");
}

# More at a time than are kept.

fresh();
my @s = map { $t->connect } 1 .. 6;
write_all($_, $t->request(POST => '/runcode', body => '{"code":"ok"}'))
	for @s;
answer_is($t->read_response($_), 200, $output, 'at the same time') for @s;
sleep 0.05;
cmp_ok($fake->connections - $fake->count('eof'), '<=', 2, 'two are kept');

$t->done_testing;
