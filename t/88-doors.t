#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# All APIs of conf/compat.conf and the native one in one nginx, under load: runs
# that end well and badly, executions that are stopped, clients that go away,
# keys that are none and bodies that are too large.  Every answer is well-formed
# and of the API that was asked, and nothing is left.
#
# CODEEXEC_SECONDS=60 for more of it, CODEEXEC_SEED for the same again.

use v5.36;

use IO::Select;
use JSON::PP ();
use MIME::Base64 qw/encode_base64/;
use POSIX ();
use Test::More;
use Time::HiRes qw/sleep time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Process;
use Test::Codeexec::Real;

my $seconds = $ENV{CODEEXEC_SECONDS} // 15;
my $seed = $ENV{CODEEXEC_SEED} // $$;
my $clients = 10;

$ENV{CODEEXEC_TIMEOUT} // alarm 180 + $seconds;
note("CODEEXEC_SEED=$seed");

my $t = Test::Codeexec::Real->new->has('daemon');
my $json = JSON::PP->new->utf8->canonical;

# The file as it is shipped, on ports of this test.

my %port = (engine => 1, executor => 2, ragflow => 3, render => 4);
my %default = (engine => 5000, executor => 8000, ragflow => 9385,
	render => 5150);
my $conf = Test::Codeexec::Process::slurp("$FindBin::Bin/../conf/compat.conf");

for my $name (keys %port) {
	$conf =~ s/127\.0\.0\.1:$default{$name};/127.0.0.1:%%PORT_$port{$name}%%;/
		or BAIL_OUT("no $name in compat.conf");
}

$conf =~ s/\@KEYS\@/%%TESTDIR%%\/keys/;
$conf =~ s/client_max_body_size +\K\S+;/100k;/g;

my $key = `$FindBin::Bin/../tools/codeexec-key -f @{[$t->dir]}/keys add render`;
chomp $key;

$t->write_conf(<<~EOC, main => 'worker_processes 3;');
	upstream codeexecd { server unix:%%SOCK%%; keepalive 16; }
	codeexec_zone executions:1m;
	client_max_body_size 100k;
	server {
	    listen 127.0.0.1:%%PORT_0%%;
	    codeexec_api native;
	    location / {
	        codeexec_pass codeexecd;
	        codeexec_max_timeout 60s;
	    }
	}
	$conf
	EOC

my %tiers = %{ Test::Codeexec::Real->real_conf(science => 1, spare => 4,
	node => 1) };

$t->run_daemon(timeout => 60, conf => { %tiers, runs => 6, queue => 200,
	queue_timeout => '60s', limits => { memory => '256mb' } });
$t->run;

###############################################################################

# One request and what its answer may be: a status, and a check of its body

sub data ($r) { return eval { $json->decode($r->body) } }

sub has ($r, %want) {
	my $data = data($r);

	return 0 if ref $data ne 'HASH';
	for my $name (keys %want) {
		my $got = $data->{$name} // 'null';

		$got = $got ? 'true' : 'false' if JSON::PP::is_bool($got);
		$got = $json->encode($got) if ref $got;
		return 0 if ref $want{$name} ? $got !~ $want{$name}
			: $got ne $want{$name};
	}
	return 1;
}

sub post ($door, $uri, $data, %arg) {
	return (POST => $door, $uri, ref $data ? $json->encode($data) : $data,
		['Content-Type: application/json', @{ $arg{headers} // [] }]);
}

sub get ($door, $uri) { return (GET => $door, $uri, undef, []) }

my $large = $json->encode({ code => '#' x 200_000 });
my @key = ("X-API-Key: $key");
my $figure = "import matplotlib.pyplot as plt\nplt.plot([1, 4, 9])";

sub rag ($code, %arg) {
	return post('ragflow', '/run', { code_b64 => encode_base64($code, ''), %arg });
}

# The name tells the API first.  A refusal for want of room is not expected: the
# queue is long enough for everybody here.

my @kinds = (
	['native run', 8, sub ($tag) { post(native => '/runcode', { code => "print('$tag')" }) },
		200, sub ($r, $tag) { has($r, output => "$tag\n") }],
	['native error', 3, sub ($tag) { post(native => '/runcode', { code => "raise ValueError('$tag')" }) },
		200, sub ($r, $tag) { has($r, error => qr/ValueError: $tag/) }],
	['native timeout', 1, sub ($tag) { post(native => '/runcode',
			{ code => 'while True: pass', timeout => 0.2 }) },
		504, sub ($r, $tag) { has($r, error => qr/timed out/) }],
	['native health', 2, sub ($tag) { get(native => '/healthz') },
		200, sub ($r, $tag) { has($r, status => 'ok') }],
	['native status', 2, sub ($tag) { get(native => '/status') },
		200, sub ($r, $tag) { ref data($r) eq 'HASH' }],
	['native nothing', 1, sub ($tag) { get(native => "/$tag") },
		404, sub ($r, $tag) { has($r, error => 'Not Found') }],
	['native method', 1, sub ($tag) { (DELETE => 'native', '/runcode', undef, []) },
		405, sub ($r, $tag) { has($r, error => 'Method Not Allowed') }],
	['native body', 1, sub ($tag) { post(native => '/runcode', $large) },
		413, sub ($r, $tag) { has($r, error => 'Request Entity Too Large') }],
	['native garbage', 1, sub ($tag) { post(native => '/runcode', '{') },
		400, sub ($r, $tag) { has($r, error => 'Invalid JSON') }],

	['engine run', 8, sub ($tag) { post(engine => '/execute', { code => "print('$tag')" }) },
		200, sub ($r, $tag) { has($r, success => 'true', output => "$tag\n", error => '') }],
	['engine error', 3, sub ($tag) { post(engine => '/execute', { code => "raise ValueError('$tag')" }) },
		200, sub ($r, $tag) { has($r, error => qr/ValueError: $tag/) }],
	['engine nothing to run', 1, sub ($tag) { post(engine => '/execute', {}) },
		400, sub ($r, $tag) { has($r, success => 'false', output => '') }],
	['engine health', 1, sub ($tag) { get(engine => '/health') },
		200, sub ($r, $tag) { has($r, service => 'Python Execution Engine') }],
	['engine status', 1, sub ($tag) { get(engine => '/status') },
		200, sub ($r, $tag) { has($r, status => 'running', execution_ids => qr/^\[/) }],
	['engine nobody', 1, sub ($tag) { post(engine => "/stop/$tag", '') },
		404, sub ($r, $tag) { has($r, success => 'false') }],
	['engine body', 1, sub ($tag) { post(engine => '/execute', $large) },
		413, sub ($r, $tag) { ref data($r) eq 'HASH' }],

	['executor run', 8, sub ($tag) { post(executor => '/execute', { code => "print('$tag')" }) },
		200, sub ($r, $tag) { has($r, status => 'success', output => qr/"stdout":"$tag\\n"/) }],
	['executor error', 3, sub ($tag) { post(executor => '/execute', { code => "raise ValueError('$tag')" }) },
		200, sub ($r, $tag) { has($r, status => 'error', error => qr/$tag/) }],
	['executor chart', 1, sub ($tag) { post(executor => '/execute', { code => $figure }) },
		200, sub ($r, $tag) { has($r, status => 'success', output => qr/"type":"matplotlib"/) }],
	['executor timeout', 1, sub ($tag) { post(executor => '/execute',
			{ code => 'while True: pass', timeout => 1 }) },
		200, sub ($r, $tag) { has($r, status => 'timeout') }],
	['executor nothing to run', 1, sub ($tag) { post(executor => '/execute', {}) },
		422, sub ($r, $tag) { has($r, detail => qr/"missing"/) }],
	['executor nothing', 1, sub ($tag) { get(executor => "/$tag") },
		404, sub ($r, $tag) { has($r, detail => 'Not Found') }],
	['executor body', 1, sub ($tag) { post(executor => '/execute', $large) },
		413, sub ($r, $tag) { ref data($r) eq 'HASH' }],

	['ragflow run', 8, sub ($tag) { rag("def main(a):\n    print('$tag')\n    return a",
			arguments => { a => $tag }) },
		200, sub ($r, $tag) { has($r, status => 'success', stdout => qr/^$tag$/,
			exit_code => 0, result => qr/"$tag"/) }],
	['ragflow node', 3, sub ($tag) { rag("function main(a) { console.log('$tag'); return a.a }",
			language => 'nodejs', arguments => { a => $tag }) },
		200, sub ($r, $tag) { has($r, status => 'success', result => qr/"$tag"/) }],
	['ragflow error', 3, sub ($tag) { rag("def main(): raise ValueError('$tag')") },
		200, sub ($r, $tag) { has($r, status => 'program_error', exit_code => 1,
			stderr => qr/ValueError: $tag/) }],
	['ragflow unsafe', 2, sub ($tag) { rag("import os\ndef main(): return '$tag'") },
		200, sub ($r, $tag) { has($r, status => 'program_runner_error', exit_code => -999,
			stderr => 'Line 1: Import: os') }],
	['ragflow base64', 1, sub ($tag) { post(ragflow => '/run', { code_b64 => '%' }) },
		422, sub ($r, $tag) { has($r, detail => qr/Invalid base64/) }],
	['ragflow health', 1, sub ($tag) { get(ragflow => '/healthz') },
		200, sub ($r, $tag) { has($r, status => 'ok') }],
	['ragflow method', 1, sub ($tag) { get(ragflow => '/run') },
		405, sub ($r, $tag) { has($r, detail => 'Method Not Allowed') }],

	['render figure', 2, sub ($tag) { post(render => '/render-matplotlib', { code => $figure },
			headers => \@key) },
		200, sub ($r, $tag) { $r->header('Content-Type') eq 'image/png'
			&& $r->body =~ /^\x89PNG\r\n/ }],
	['render without a key', 1, sub ($tag) { post(render => '/render-matplotlib', { code => $figure }) },
		401, sub ($r, $tag) { has($r, error => 'Unauthorized') }],
	['render with another key', 1, sub ($tag) { post(render => '/render-matplotlib',
			{ code => $figure }, headers => ["X-API-Key: $tag"]) },
		401, sub ($r, $tag) { has($r, error => 'Unauthorized') }],
	['render nothing', 1, sub ($tag) { post(render => '/render-matplotlib', {}, headers => \@key) },
		400, sub ($r, $tag) { has($r, error => qr/Missing or invalid/) }],
);

my @deck = map { ($_) x $_->[1] } @kinds;

###############################################################################

# Each client is a process that takes from the deck until the time is over, and
# writes down what it did and what was wrong.

sub send_to ($method, $door, $uri, $body, $headers) {
	my $socket = $t->connect($t->port($port{$door} // 0));

	Test::Codeexec::Client::write_all($socket, $t->request($method => $uri,
		headers => $headers, defined $body ? (body => $body) : ()));
	return $socket;
}

sub plain ($tag) {
	my ($name, undef, $ask, $status, $check) = @{ $deck[rand @deck] };
	my $socket = send_to($ask->($tag));
	my $r = $t->read_response($socket, timeout => 60);
	my $type = $r->header('Content-Type') // '';

	return ($name) if ($r->status // 0) == $status && $check->($r, $tag)
		&& ($status == 200 || $type =~ m{^application/json});
	return ($name, ($r->status // 'nothing') . " $type " . substr $r->body, 0, 300);
}

# An execution that nobody could wait for is stopped by its id.

sub stopped ($tag) {
	my ($door, $run) = rand() < 0.5 ? (native => '/runcode') : (engine => '/execute');
	my $socket = send_to(post($door, $run, { code => "import time\nprint('$tag',"
		. " flush=True)\ntime.sleep(25)", execution_id => $tag,
		$door eq 'native' ? (timeout => 30) : () }));
	my ($r, $since);

	for (1 .. 400) {
		$since = time;
		$r = $t->read_response(send_to(post($door, "/stop/$tag", '')));
		last if $r->status == 200;
		sleep 0.05;
	}

	return ("$door stop", 'not stopped: ' . $r->status) if $r->status != 200;

	$r = $t->read_response($socket, timeout => 20);
	my $data = data($r);
	return ("$door stop") if ref $data eq 'HASH' && time - $since < 15;
	return ("$door stop", ($r->status // 'nothing') . ' ' . $r->body);
}

sub aborted ($tag) {
	my $socket = send_to(post(native => '/runcode',
		{ code => "import time; time.sleep(20)  # $tag", timeout => 30 }));

	sleep rand 0.2;
	$t->abort($socket);
	return ('abort');
}

sub client ($n, $end) {
	my (%done, @wrong);

	srand $seed * 100 + $n;

	for (my $i = 0; time < $end; $i++) {
		my $which = rand;
		my $tag = "t$n-$i-" . int rand 1e6;
		my ($name, $wrong) = eval {
			$which < 0.04 ? stopped($tag)
				: $which < 0.08 ? aborted($tag) : plain($tag);
		};
		($name, $wrong) = ('client', $@) if $@;

		$done{$name}++;
		push @wrong, "$name: $wrong" if defined $wrong && @wrong < 20;
	}

	$t->write_file("client-$n", $json->encode({ done => \%done, wrong => \@wrong }));
}

my $end = time + $seconds;
my @pids;

for my $n (1 .. $clients) {
	defined(my $pid = fork) or die "fork: $!";
	push(@pids, $pid), next if $pid;

	alarm 0;
	eval { client($n, $end) };
	warn $@ if $@;
	POSIX::_exit(0);
}

waitpid $_, 0 for @pids;

my (%done, @wrong);

for my $n (1 .. $clients) {
	my $told = eval { $json->decode($t->read_file("client-$n")) };

	$told or fail("client $n"), next;
	$done{$_} += $told->{done}{$_} for keys %{ $told->{done} };
	push @wrong, @{ $told->{wrong} };
}

note(join ', ', map { "$_: $done{$_}" } sort keys %done);
is(join("\n", @wrong), '', 'every answer is what it must be');

my $all = 0;
$all += $_ for values %done;
cmp_ok($all, '>', 5 * $seconds, "requests: $all");

for my $door (qw/native engine executor ragflow render/) {
	ok((grep { /^$door / } keys %done) > 2, "$door was asked");
}

# Nobody is left among the executions.

my $r = $t->http_get('/status');
my $running = ($r->json // {})->{running};
ok(!(ref $running eq 'ARRAY' ? @$running : $running), 'nothing runs')
	|| diag($r->body);

$t->settle;
$t->done_testing;
