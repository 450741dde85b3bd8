#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# The harness itself: the fake sandbox, the client, the accounting.

use v5.36;

use IO::Socket::UNIX;
use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::FakeSandbox;

my $t = Test::Codeexec->new;

$t->write_conf(<<'EOC');
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location /text { return 200 "text\n"; }
        location /error { return 400 '{"error":"Bad"}\n'; }
        location /chunks { ssi on; ssi_types text/plain; root %%TESTDIR%%; }
        location / { return 404; }
    }
EOC

mkdir $t->dir . '/chunks';
$t->write_file('chunks/a.txt', 'a<!--# include virtual="/text" -->b');

my $fake = $t->fake(script => sub ($c, $job) {
	my $answer = answer(stdout => "<$job->{code}>", id => $job->{id});
	return $c->close if $job->{code} eq 'die';
	return $c->eof if $job->{code} eq 'hang';
	return $c->dribble($answer) if $job->{code} eq 'slow';
	$c->send($answer);
});

$t->run;

# client

my $r = $t->http_get('/text');
answer_is($r, 200, 'text', 'get');
ok($r->complete, 'complete');
is($r->header('content-length'), 5, 'header');

answer_is($t->http_get('/text', version => '1.0'), 200, 'text', 'HTTP/1.0');
answer_is($t->http_get('/chunks/a.txt'), 200, "atext\nb", 'chunked response');

my $s = $t->connect;
my @requests = map { $t->request(GET => $_, keepalive => 1) }
	'/text', '/chunks/a.txt', '/other', '/text';
write_all($s, join '', @requests);
is($t->read_response($s)->status, 200, 'pipelined 1');
is($t->read_response($s)->status, 200, 'pipelined 2');
is($t->read_response($s)->status, 404, 'pipelined 3');
answer_is($t->read_response($s), 200, 'text', 'pipelined 4');
close $s;

# fake sandbox

my @job = (frame(JOB => { id => 'x', language => 'python' }),
	frame(CODE => 'a'), frame(CODE => 'b'), frame('RUN'));
my $c = IO::Socket::UNIX->new(Peer => $t->socket);
$c->syswrite(join '', @job);
is((read_frame($c))[0], 'RESULT', 'result');
is_deeply([read_frame($c)], [STDOUT => '<ab>'], 'stdout');
is_deeply([read_frame($c)], [END => ''], 'end');

is($fake->runs, 1, 'runs');
is($fake->job->{code}, 'ab', 'joined code');
is($fake->job->{job}{language}, 'python', 'decoded job');

$c->syswrite(join '', $job[0], frame(CODE => 'slow'), frame('RUN'));
like($_, qr/^(RESULT|STDOUT|END)$/, "dribbled $_")
	for map { (read_frame($c))[0] } 1 .. 3;
is($fake->connections, 1, 'connections');

$c->syswrite(join '', $job[0], frame(CODE => 'die'), frame('RUN'));
is_deeply([read_frame($c)], [], 'died');

$c = IO::Socket::UNIX->new(Peer => $t->socket);
$c->syswrite(join '', $job[0], frame(CODE => 'hang'), frame('RUN'));
ok($fake->wait_for(job => 4), 'hanging');
is($fake->count('eof'), 0, 'not closed');
close $c;
is($fake->wait_for('eof')->{state}, 'run', 'closed during a run');

$c = IO::Socket::UNIX->new(Peer => $t->socket);
$c->syswrite("CX\x02\x01\0\0\0\0");
is($fake->wait_for('bad')->{why}, 'version 2', 'wrong version seen');

$t->dead_socket('dead');
ok(!IO::Socket::UNIX->new(Peer => $t->socket('dead')), 'dead socket');
$fake->stop;
ok(!IO::Socket::UNIX->new(Peer => $t->socket), 'stopped');
$fake->start;
is($t->state->{slots}, 1, 'state');

# accounting

$t->baseline;
$t->check_leaks;

$t->done_testing;
