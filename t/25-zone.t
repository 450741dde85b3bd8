#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# codeexec_zone: executions of all workers, and stopping them from any other.

use v5.36;

use Digest::SHA qw/sha256_hex/;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw/sleep time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Process;
use Test::FakeSandbox;

my $t = Test::Codeexec->new;

my %key = map { $_ => "cx_$_-" . 'k' x 40 } qw/alice bob root few/;
my %option = (root => ' admin', few => ' concurrency=3');

$t->write_file('keys', join '', map {
	"$_ " . sha256_hex($key{$_}) . ($option{$_} // '') . "\n"
} sort keys %key);

sub configure ($size = '1m') {
	$t->write_conf(<<~'EOC' =~ s/SIZE/$size/r, main => 'worker_processes 2;');
		upstream sandbox { server unix:%%SOCK%%; keepalive 8; }
		upstream two {
		    server unix:%%SOCK%% max_fails=0;
		    server unix:%%SOCK_other%% max_fails=0;
		}
		upstream late {
		    server 127.0.0.1:%%PORT_1%% max_fails=0;
		    server unix:%%SOCK%% backup;
		}

		codeexec_zone runs:SIZE;
		log_format zone '$request_method $uri $status $codeexec_status '
		    '$codeexec_id';
		access_log %%TESTDIR%%/access.log zone;

		server {
		    listen 127.0.0.1:%%PORT_0%%;
		    codeexec_api native;

		    location / { codeexec_pass sandbox; }
		    location /two/ { codeexec_pass two; }
		    location /late/ {
		        codeexec_pass late;
		        codeexec_connect_timeout 10s;
		    }
		    location /tiny/ { codeexec_zone tiny:32k; codeexec_pass sandbox; }
		    location /keys/ { codeexec_key_file keys; codeexec_pass sandbox; }
		    location /none/ { codeexec_zone off; codeexec_pass sandbox; }
		    location /variable/ {
		        set $name sandbox;
		        codeexec_pass $name;
		    }
		}
		EOC
}

# Programs are words for this script. What a STOP is answered with is in the
# file "answer".

sub script ($c, $job) {
	my ($how, $seconds) = split ' ', $job->{code};

	if ($how eq 'wait') {
		my %end = $c->wait_stop($job) ? (status => 'stopped',
			reason => 'stopped', exit_code => undef, signal => 9) : ();

		# Not before whoever has stopped it is answered.

		sleep 0.3 if $t->read_file('answer') eq 'false';
		$c->send(answer(stdout => 'so far', %end));

	} elsif ($how eq 'end') {
		$c->wait_stop($job);
		$c->send(answer(stdout => 'done'));

	} elsif ($how eq 'busy') {
		$c->wait_stop($job);
		sleep 0.2;
		$c->send(busy());

	} elsif ($how eq 'hang') {
		$c->eof;

	} else {
		$c->send(answer(stdout => 'ran'));
	}
}

sub answer_stop ($c, $handle) {
	my $how = $t->read_file('answer');

	sleep 0.3 if $how eq 'late';
	return $how eq 'broken' ? frame(STOPPED => '[]')
		: $how eq 'wrong' ? frame(STATE => {})
		: $how eq 'cut' ? substr(frame(STOPPED => { stopped => 1 }), 0, 9)
		: $how eq '';
}

my @fakes = map { $t->fake(name => $_, script => \&script,
	stop => \&answer_stop) } qw/codeexec other/;
my ($fake, $other) = @fakes;

configure();
$t->run;

sub start ($code, $id = undef, $uri = '/runcode') {
	my $s = $t->connect;
	my $execution = defined $id ? qq(,"execution_id":"$id") : '';

	write_all($s, $t->request(POST => $uri, keepalive => 1,
		body => qq({"code":"$code"$execution})));
	return $s;
}

sub begin ($code, $id = undef, $uri = '/runcode') {
	my $before = $fake->runs + $other->runs;
	my $s = start($code, $id, $uri);

	wait_until(3, sub { $fake->runs + $other->runs > $before })
		or die "it does not begin";
	return $s;
}

sub stop ($id, $prefix = '') {
	return $t->http($t->request(POST => "$prefix/stop/$id"));
}

sub status ($uri = '/status') { return $t->http_get($uri)->json }

sub ids ($uri = '/status') {
	return join ' ', map { $_->{id} } @{ status($uri)->{executions} };
}

sub empty ($name, $uri = '/status') {
	ok(wait_until(3, sub { ids($uri) eq '' }), $name) || diag(ids($uri));
}

my $stopped = '{"error":"Code execution was stopped","output":"so far"}';
my $unsent = '{"error":"Code execution was stopped","output":""}';

sub stopped ($id) { return qq({"stopped":true,"execution_id":"$id"}) }

# What is running

empty('nothing is running');

my $s = begin('wait', 'first');
my $status = status();
is($status->{status}, 'ok', 'status');
is($status->{running}, 1, 'one is running');
my ($run) = @{ $status->{executions} };
is_deeply([@$run{qw/id language api/}], [qw/first python native/], 'which one');
cmp_ok($run->{time_ms}, '<', 60_000, 'since when');
is(join(' ', sort keys %$run), 'api id language time_ms', 'and no more');
is($status->{sandbox}{slots}, 1, 'the state of codeexecd');
like($fake->job->{job}{handle}, qr/^[0-9a-f]{32}$/, 'a handle');

answer_is(stop('first'), 200, stopped('first'), 'stop');
answer_is($t->read_response($s), 200, $stopped, 'the one that is stopped');
is(($fake->events('stop'))[-1]{handle}, $fake->job->{job}{handle},
	'by its handle');
empty('it is gone');
error_is(stop('first'), 404, 'No such execution', 'stop again');

for my $line ('POST /stop/first 200 - -', 'POST /stop/first 404 - -',
	'POST /runcode 200 stopped first', 'GET /status 200 - -')
{
	ok(wait_until(3, sub { $t->read_file('access.log') =~ /^\Q$line\E$/m }),
		"logged: $line") || diag($t->read_file('access.log'));
}

is($t->http_head('/status')->status, 200, 'HEAD');

$s = begin('wait');
my $id = ids();
like($id, qr/^[0-9a-f]{8}-[0-9a-f]{4}-7/, 'an id that was made');
answer_is(stop($id), 200, stopped($id), 'stop');
is($t->read_response($s)->status, 200, 'stopped');

# Any worker stops what any other has begun.

my %handles;

for my $n (1 .. 30) {
	$s = begin('wait', "n$n");
	$handles{$fake->job->{job}{handle}} = 1;
	my $r = stop("n$n");
	my $answer = $t->read_response($s);
	next if $r->status == 200 && $answer->body eq "$stopped\n";
	fail("stop $n") || diag($r->raw, $answer->raw);
}

is(scalar keys %handles, 30, 'all handles are different');
is(scalar $t->workers, 2, 'two workers');

# In the order in which they began; names of paths

my @s = map { begin('wait', $_) } qw/b a c/;
is(ids(), 'b a c', 'the oldest first');
is(status('/two/status')->{running}, 3, 'the same zone in another location');
is(status('/none/status')->{running}, 0, 'but not without one');
error_is(stop('a', '/none'), 404, 'No such execution', 'nor is any stopped');
error_is(stop($_), 404, 'No such execution', "stop \"$_\"")
	for '', 'x', 'a/', 'A', 'a' x 65, '%01', 'a%0a', 'b%22c', '%C3%A4%FF';
error_is($t->http_get('/stop/a'), 405, 'Method Not Allowed', 'GET');
answer_is($t->http_post('/stop/a?x=y', '{"what":"ever"}'), 200, stopped('a'),
	'a body and arguments do no harm');
answer_is(stop('b', '/variable'), 200, stopped('b'),
	'where the upstream is a variable');
answer_is(stop('c'), 200, stopped('c'), 'the last one');
answer_is($t->read_response($_), 200, $stopped, 'stopped') for @s;

# Ids that run are taken.

$fake->reset;
$s = begin('wait', 'twice');
error_is($t->http_post_json('/runcode', { code => 'x', execution_id => 'twice' }),
	409, 'An execution with this id is running', 'the same id')
	for 1 .. 4;
is($fake->runs, 1, 'was not sent');
answer_is($t->http_post_json('/none/runcode',
	{ code => 'x', execution_id => 'twice' }), 200, '{"output":"ran"}',
	'where there is no zone nobody cares');
ok(!exists $fake->job->{job}{handle}, 'nor is there a handle');
is(stop('twice')->status, 200, 'stop');
is($t->read_response($s)->status, 200, 'stopped');
answer_is($t->http_post_json('/runcode', { code => 'x', execution_id => 'twice' }),
	200, '{"output":"ran"}', 'it is free again');
empty('nothing is left');

# However a request ends

$s = begin('hang', 'client');
close $s;
empty('the client is gone');

$s = begin('hang', 'reset');
$t->abort($s);
empty('by a reset');

$t->fake(name => 'gone')->stop;
is($t->http_post_json('/runcode', { code => 'x' })->status, 200, 'a run');
is($t->http_post_json('/runcode', { code => 1 })->status, 400, 'a bad one');
empty('answered ones are gone');

# codeexecd does not know it: it has ended, or has not come yet.

$t->write_file('answer', 'false');
$s = begin('wait', 'unknown');
answer_is(stop('unknown'), 200, stopped('unknown'),
	'codeexecd does not know it yet');
answer_is($t->read_response($s), 200, $stopped, 'but will');

$t->write_file('answer', 'late');
$s = begin('end', 'ended');
error_is(stop('ended'), 404, 'No such execution', 'it ends at that moment');
answer_is($t->read_response($s), 200, '{"output":"done"}', 'by itself');

for my $how (qw/broken wrong cut/) {
	$t->write_file('answer', $how);
	$s = begin('hang', $how);
	$t->write_file('answer', $how);
	error_is($t->http($t->request(POST => "/stop/$how"), timeout => 15),
		502, 'Bad Gateway', "an answer that is $how") if $how ne 'cut';
	close $s;
}

$t->write_file('answer', '');
empty('nothing is left');

# The codeexecd that has it is asked, whichever comes next.

for my $n (1 .. 6) {
	$_->reset for @fakes;
	$s = begin('wait', "two$n", '/two/runcode');
	answer_is(stop("two$n", $n % 2 ? '/two' : ''), 200, stopped("two$n"),
		'one of two');
	answer_is($t->read_response($s), 200, $stopped, 'is stopped');
	is($_->count('stop'), $_->runs, 'the other is not asked') for @fakes;
}

# It would go to another one, but has been stopped by then.

for (1 .. 2) {
	$_->reset for @fakes;
	$t->write_file('answer', 'false');
	$s = begin('busy', 'next', '/two/runcode');
	answer_is(stop('next', '/two'), 200, stopped('next'), 'stop');
	answer_is($t->read_response($s), 200, $unsent, 'before its next peer');
	is($fake->runs + $other->runs, 1, 'which does not get it');
}

$t->write_file('answer', '');

# It is stopped before it is sent at all: the host does not answer.

my $late = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1',
	LocalPort => $t->port(1)) or die "$!";
my @full = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1',
	PeerPort => $t->port(1), Blocking => 0) } 1 .. 4;
$_->reset for @fakes;
$s = start('x', 'late', '/late/runcode');
ok(wait_until(3, sub { ids() eq 'late' }), 'it waits for its connection');
answer_is(stop('late'), 200, stopped('late'), 'stop');
close $_ for @full;
$late->accept for 1 .. 3;
close $late;
my $r = $t->read_response($s, timeout => 20);
answer_is($r, 200, $unsent, 'answered without having been sent');
is($fake->runs, 0, 'to anybody');
empty('nothing is left');

# With keys, what one has begun is nobody else's.

sub ask ($who, $method, $path, %arg) {
	return $t->http($t->request($method => "/keys/$path", %arg,
		headers => ["X-API-Key: $key{$who}"]));
}

sub begin_as ($who, $id) {
	my $before = $fake->runs;
	my $s = $t->connect;
	write_all($s, $t->request(POST => '/keys/runcode', keepalive => 1,
		headers => ["X-API-Key: $key{$who}"],
		body => qq({"code":"wait","execution_id":"$id"})));
	wait_until(3, sub { $fake->runs > $before }) or die 'it does not begin';
	return $s;
}

sub ids_of ($who) {
	my $status = ask($who, GET => 'status')->json;
	return join ' ', $status->{running},
		map { "$_->{key}:$_->{id}" } @{ $status->{executions} };
}

$s = begin_as(alice => 'job');
is(ids_of('alice'), '1 alice:job', 'its owner sees it');
is(ids_of('bob'), '0', 'another key does not');
is(ids(), '', 'nor does who has none');
is(ids_of('root'), '1 alice:job', 'but an admin');
error_is(ask(bob => POST => 'stop/job'), 404, 'No such execution',
	'another key does not stop it');
error_is(stop('job'), 404, 'No such execution', 'nor does who has none');
my $of_bob = begin_as(bob => 'job');
is(ids_of('root'), '2 alice:job bob:job', 'ids are of their keys');
answer_is(ask(bob => POST => 'stop/job'), 200, stopped('job'), 'one stops its own');
answer_is($t->read_response($of_bob), 200, $stopped, 'its own');
is(ids_of('alice'), '1 alice:job', 'and no other');
my $of_root = begin_as(root => 'job');
answer_is(ask(root => POST => 'stop/job'), 200, stopped('job'),
	'an admin its own first');
answer_is($t->read_response($of_root), 200, $stopped, 'its own');
answer_is(ask(root => POST => 'stop/job'), 200, stopped('job'), 'and any other');
answer_is($t->read_response($s), 200, $stopped, 'that of another key');

# So many at once

@s = map { begin_as(few => "few$_") } 1 .. 3;
for (1 .. 4) {
	my $r = ask(few => POST => 'runcode', body => '{"code":"x"}');
	error_is($r, 429, 'Too many executions with this key', 'more than it may have');
	ok($r->header('Retry-After'), 'Retry-After');
}
is(ask(alice => POST => 'runcode', body => '{"code":"x"}')->status, 200,
	'another one may');
ask(few => POST => 'stop/few2');
is($t->read_response($s[1])->status, 200, 'one is stopped');
is(ask(few => POST => 'runcode', body => '{"code":"x"}')->status, 200,
	'then there is room');
ask(few => POST => "stop/few$_") for 1, 3;
is($t->read_response($s[$_])->status, 200, 'stopped') for 0, 2;

# A full zone

$fake->reset;
@s = ();
for my $n (1 .. 400) {
	push @s, my $s = start('hang', "tiny$n", '/tiny/runcode');
	last if !wait_until(0.3, sub { $fake->runs == $n });
}
my $many = $fake->runs;
cmp_ok($many, '>', 10, "$many fit");
$r = $t->read_response(pop @s);
error_is($r, 503, 'Too many executions are running', 'one that does not');
is($r->header('Retry-After'), 1, 'Retry-After');
is(status('/tiny/status')->{running}, $many, 'all are listed');
is(ids(), '', 'but not in another zone');
close $_ for @s;
empty('all are gone', '/tiny/status');
is($t->http_post_json('/tiny/runcode', { code => 'x' })->status, 200,
	'there is room again');
like($t->read_file('error.log'), qr/\[error\].*codeexec_zone "tiny" is full/,
	'said in the log');

# A reload: new workers stop what old ones have begun.

$s = begin('wait', 'old');
ok($t->reload, 'reload');
is(ids(), 'old', 'it is still there');
error_is($t->http_post_json('/runcode', { code => 'x', execution_id => 'old' }),
	409, 'An execution with this id is running', 'its id is taken');
answer_is(stop('old'), 200, stopped('old'), 'stop');
answer_is($t->read_response($s), 200, $stopped, 'by the new workers');
close $s;

# A worker that is killed

@s = map { begin('hang', "killed$_") } 1 .. 8;
is(status()->{running}, 8, 'eight are running');
my @workers = $t->workers;
kill KILL => @workers;
$t->expect_log(qr/worker process \d+ exited on signal 9/);
ok(wait_until(5, sub {
	my @now = $t->workers;
	@now == 2 && !grep { my $old = $_; grep { $_ == $old } @now } @workers;
}), 'new workers');
answer_is($t->http_post_json('/runcode', { code => 'x', execution_id => 'killed1' }),
	200, '{"output":"ran"}', 'an id is free again');
error_is(stop('killed2'), 404, 'No such execution', 'nothing to stop');
is(ids(), '', 'nor to be seen');
close $_ for @s;

# codeexecd is gone.

$s = begin('wait', 'gone');
$fake->stop;
is($t->read_response($s)->status, 502, 'codeexecd has died');
error_is(stop('gone'), 404, 'No such execution', 'and its runs with it');
is($t->http_get('/status')->status, 502, 'no status without it');
$fake->start;
empty('it is back');

# The size is another one: the list begins anew.

$s = begin('wait', 'resized');
configure('2m');
ok($t->reload, 'reload with another size');
is(ids(), '', 'an empty list');
close $s;

$t->done_testing;
