#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Keys and executions in a zone: who may see and stop what, and how many one
# may have at once, in all workers together.

use v5.36;

use Test::More;
use Digest::SHA qw/sha256_hex/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::FakeSandbox;

my $t = Test::Codeexec->new;

$t->write_file('keys', join '', map {
	my ($name, $options) = @$_;
	"$name " . sha256_hex("key of $name") . " $options\n";
} ['alice', 'concurrency=2'], ['bob', 'concurrency=1 languages=python'],
	['ops', 'admin'], ['carl', '']);

$t->write_conf(<<'EOC', main => 'worker_processes 2;');
    codeexec_zone runs:1m;
    codeexec_key_file keys;

    server {
        listen 127.0.0.1:%%PORT_0%%;

        location / { codeexec_api native; codeexec_pass unix:%%SOCK%%; }
        location /other/ { codeexec_api native; codeexec_pass unix:%%SOCK%%; }
        location /alone/ {
            codeexec_zone alone:64k;
            codeexec_api native;
            codeexec_pass unix:%%SOCK%%;
        }
        location /inside/ {
            satisfy any;
            allow all;
            codeexec_api native;
            codeexec_pass unix:%%SOCK%%;
        }
    }
EOC

# A run goes on until it is stopped, or its client leaves.

my $fake = $t->fake(script => sub ($c, $job) {
	return $c->send(answer(stdout => 'ran')) if $job->{code} ne 'long';
	$c->eof;
});

$t->run;
$t->baseline;

sub headers ($name) { return defined $name ? "X-API-Key: key of $name" : () }

sub run ($name, %arg) {
	my $uri = delete $arg{uri} // '/runcode';
	return $t->http_post_json($uri, { code => 'x', %arg },
		headers => [headers($name)]);
}

# Starts a run and returns its connection, once codeexecd has it.

sub start ($name, $id, $uri = '/runcode') {
	my $runs = $fake->runs;
	my $s = $t->connect;

	write_all($s, $t->request(POST => $uri, headers => [headers($name)],
		body => qq({"code":"long","execution_id":"$id"})));
	wait_until(5, sub { $fake->runs > $runs });
	return $s;
}

sub listed ($name, $uri = '/status') {
	my $json = $t->http_get($uri, headers => [headers($name)])->json;
	return join ' ', sort map { $_->{id} }
		@{ $json->{executions} // [] };
}

sub stop_is ($name, $id, $status, $text) {
	my $r = $t->http_post("/stop/$id", '', headers => [headers($name)]);
	is($r->status, $status, $text) || diag($r->raw);
}

# how many at once

my @runs = map { start('alice', "a$_") } 1 .. 2;
my $r = run('alice');
error_is($r, 429, 'Too many executions with this key', 'a third one');
like($r->header('Retry-After'), qr/^\d+$/, 'Retry-After');
error_is(run('alice', uri => '/other/runcode'), 429,
	'Too many executions with this key', 'in another location');
is(run('alice', uri => '/alone/runcode')->status, 200, 'in another zone');
is(run($_)->status, 200, "of another key: $_") for qw/bob ops carl/;
is($t->http_get('/status', headers => [headers('alice')])->status, 200,
	'what is no run is not counted');

close shift @runs;
ok(wait_until(5, sub { run('alice')->status == 200 }), 'a place that was left');

# a refused job takes none

error_is(run('bob', language => 'ruby'), 403,
	'"ruby" is not allowed for this key', 'another language') for 1 .. 3;
is(run('bob')->status, 200, 'and then one that is allowed');

# who sees what

push @runs, start('carl', 'c1');
is(listed('alice'), 'a2', "alice sees alice's");
is(listed('carl'), 'c1', "carl sees carl's");
is(listed('bob'), '', 'bob sees none');
is(listed('ops'), 'a2 c1', 'an admin sees all');
is($t->http_get('/status')->status, 401, 'nobody sees any');

# and may stop what

stop_is('bob', 'a2', 404, "bob may not stop alice's");
stop_is('carl', 'a2', 404, "carl may not, either");
is($t->http_post('/stop/a2', '')->status, 401, 'nobody may');
is(listed('ops'), 'a2 c1', 'they are still there');

# the same id is another run for another key

push @runs, start('carl', 'a2');
is(listed('carl'), 'a2 c1', 'the same id');
error_is(run('carl', execution_id => 'a2'), 409,
	'An execution with this id is running', 'but not twice');

# who comes in without a key is somebody else

push @runs, start(undef, 'n1', '/inside/runcode');
is(listed(undef, '/inside/status'), 'n1', 'without a key: own runs');
is($t->http_post('/inside/stop/c1', '')->status, 404,
	'without a key: not those of a key');
stop_is('carl', 'n1', 404, 'nor the other way round');
is(listed('ops'), 'a2 a2 c1 n1', 'an admin sees these, too');

$t->disconnect;
@runs = ();
ok(wait_until(5, sub { listed('ops') eq '' }), 'all have gone');

$t->check_leaks('no leaks', 2);
$t->done_testing;
