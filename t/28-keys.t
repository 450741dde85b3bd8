#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# codeexec_key_file: who may ask for runs, and for what.

use v5.36;

use Test::More;
use Digest::SHA qw/sha256_hex/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::FakeSandbox;

my $t = Test::Codeexec->new;

my %key = map { $_ => "cx_$_-" . 'k' x 40 } qw/alice bob slow poly old/;

sub line ($name, @options) {
	return join(' ', $name, sha256_hex($key{$name}), @options) . "\n";
}

$t->write_file('keys', join '', "# the keys\n\n", line('alice'),
	"\t" . uc(line('bob') =~ s/^bob //r =~ s/\n//r) =~ s/^/bob\t/r
		. "  class=batch   # in upper case\r\n",
	line('slow', 'max_timeout=2s'),
	line('poly', 'languages=js,ruby admin') =~ s/\n//r);

$t->write_conf(<<'EOC');
    log_format keys '$status $codeexec_key $codeexec_key_class';
    access_log %%TESTDIR%%/access.log keys;

    map $codeexec_key_class $batch { batch $codeexec_key; default ""; }
    limit_req_zone $codeexec_key zone=key:1m rate=1r/m;
    limit_req_zone $batch zone=batch:1m rate=1r/m;
    client_max_body_size 2m;
    codeexec_timeout 5s;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_1%% http2;
        codeexec_key_file keys;

        location / { codeexec_api native; codeexec_pass unix:%%SOCK%%; }
        location /plain { codeexec_pass unix:%%SOCK%%; }
        location /free {
            codeexec_key_file off;
            codeexec_pass unix:%%SOCK%%;
        }
        location = /file { alias %%TESTDIR%%/static; }
        location /read {
            codeexec_key_file off;
            limit_except GET { codeexec_key_file keys; }
            codeexec_pass unix:%%SOCK%%;
        }
        location /any {
            satisfy any;
            auth_basic "people";
            auth_basic_user_file %%TESTDIR%%/people;
            codeexec_pass unix:%%SOCK%%;
        }
        location /both {
            auth_basic "people";
            auth_basic_user_file %%TESTDIR%%/people;
            codeexec_pass unix:%%SOCK%%;
        }
        location /inside {
            satisfy any;
            allow 127.0.0.1;
            deny all;
            codeexec_pass unix:%%SOCK%%;
        }
        location /limited {
            limit_req zone=key;
            limit_req_status 429;
            codeexec_pass unix:%%SOCK%%;
        }
        location /batch {
            limit_req zone=batch;
            limit_req_status 429;
            codeexec_pass unix:%%SOCK%%;
        }
        location /moved { set $from $codeexec_key; rewrite ^ /other last; }
        location /other {
            codeexec_key_file others;
            codeexec_pass unix:%%SOCK%%;
        }
        location /page {
            error_page 401 = /pages/401;
            codeexec_pass unix:%%SOCK%%;
        }
        location /pages-of-others {
            codeexec_cors https://a.example;
            limit_req zone=key;
            codeexec_pass unix:%%SOCK%%;
        }
        location = /ssi {
            codeexec_key_file off;
            ssi on;
            ssi_types *;
            alias %%TESTDIR%%/ssi;
        }
        location /pages/ { codeexec_key_file off; return 200 "page\n"; }
    }
EOC

my $others = sha256_hex('bWluZQ==');
$t->write_file('others', "mine $others\n");
$t->write_file('static', "file\n");
$t->write_file('ssi', '<!--#include virtual="/runcode?languageType=python'
	. '&variables={}&code=x" -->');
$t->write_file('people', "guest:{PLAIN}secret\n");

my $fake = $t->fake(script => sub ($c, $job) {
	$c->send(answer(stdout => "$job->{job}{language} $job->{job}{timeout_ms}"));
});

$t->run;
$t->baseline;

my $ran = '{"output":"python 5000"}';

sub post ($uri, @headers) {
	return $t->http_post_json($uri, { code => 'x' }, headers => \@headers);
}

sub run_with ($uri, %data) {
	my $key = delete $data{key};
	return $t->http_post_json($uri, { code => 'x', %data },
		headers => ["X-API-Key: $key"]);
}

sub challenge ($r) {
	my @values = $r->header('WWW-Authenticate');
	return join ' | ', @values;
}

my $asked = 'Bearer realm="codeexec"';
my $wrong = "$asked, error=\"invalid_token\"";
my $missing = 'Authorization header is missing or invalid';

# where a key is looked for

for my $header ("Authorization: Bearer $key{alice}",
	"authorization: bearer   $key{alice}  ", "Authorization: BEARER $key{alice}",
	"X-API-Key: $key{alice}", "x-api-key:$key{alice}",
	"X-Sandbox-Token: $key{alice}", "X-Auth-Token:  $key{alice} ")
{
	my $r = post('/runcode', $header);
	answer_is($r, 200, $ran, $header =~ s/cx_.*/…/r);
	is($r->header('WWW-Authenticate'), undef, 'without a challenge');
}

answer_is(post('/runcode', "X-API-Key: $key{bob}"), 200, $ran,
	'a digest in upper case');
answer_is(post('/runcode', "X-API-Key: $key{alice}", 'Authorization: Basic x',
	'X-Auth-Token:', 'X-Sandbox-Token: '), 200, $ran,
	'beside another scheme and empty headers');
answer_is($t->http_get('/runcode?languageType=python&variables={}&code=x',
	headers => ["X-Auth-Token: $key{alice}"]), 200, $ran, 'GET');

# what is no key

$fake->reset;

my $r = post('/runcode');
error_is($r, 401, $missing, 'no key');
is(challenge($r), $asked, 'its challenge');
is($r->header('Cache-Control'), 'no-store', 'it is not to be kept');

for my $header ('Authorization: Bearer', 'Authorization: Bearer ',
	"Authorization: $key{alice}", "Authorization: Token $key{alice}",
	"Authorization: Bearer\t$key{alice}", "Authorization: Bearer$key{alice}",
	'X-API-Key:', 'X-API-Key:  ', "X_API_Key: $key{alice}",
	"X-API-Keys: $key{alice}", "Cookie: X-API-Key=$key{alice}",
	"Proxy-Authorization: Bearer $key{alice}")
{
	$r = post('/runcode', $header);
	error_is($r, 401, $missing, 'none: ' . $header =~ s/cx_.*/…/r);
	is(challenge($r), $asked, 'its challenge');
}

my $digest = sha256_hex($key{alice});

for my $value ('x', "$key{alice}x", substr($key{alice}, 0, -1),
	uc $key{alice}, "$key{alice}, $key{alice}", "$key{alice},",
	"\"$key{alice}\"", "$key{alice} x", $key{old}, $digest, 'alice',
	'x' x 5000, "\xff\x80", '%00', '%63' . substr $key{alice}, 1)
{
	my $name = substr $value =~ s/cx_[a-z]+-k+/…/gr, 0, 20;

	for my $header ("X-API-Key: $value", "Authorization: Bearer $value") {
		$r = post('/runcode', $header);
		error_is($r, 401, 'Invalid token', "unknown: $name");
		is(challenge($r), $wrong, 'its challenge');
	}
}

$r = post("/runcode?key=$key{alice}&api_key=$key{alice}");
error_is($r, 401, $missing, 'a key in the URI is none');

for my $headers (["Authorization: Bearer $key{alice}", "X-API-Key: $key{bob}"],
	["X-API-Key: $key{alice}", "X-API-Key: $key{alice}"],
	["X-API-Key: $key{alice}", "X-Auth-Token: wrong"],
	["X-API-Key: wrong", "Authorization: Bearer $key{alice}"])
{
	$r = post('/runcode', @$headers);
	error_is($r, 400, 'More than one key', 'two keys');
}

is(post('/runcode', ("Authorization: Bearer $key{alice}") x 2)->status, 400,
	'nginx itself refuses a second Authorization');
is(post('/runcode', "X-API-Key: $key{alice}\0")->status, 400, 'and a NUL');
is($fake->runs, 0, 'none of these was run');

# before the body

my $s = $t->connect;
write_all($s, $t->request(POST => '/runcode', keepalive => 1, headers =>
	['Content-Length: 1000000', 'Expect: 100-continue']));
$r = $t->read_response($s, continue => 1);
error_is($r, 401, $missing, 'before 100 Continue');

$s = $t->connect;
write_all($s, $t->request(POST => '/runcode', keepalive => 1,
	headers => ['X-API-Key: wrong'], body => 'x' x 100000));
error_is($t->read_response($s), 401, 'Invalid token', 'a body is discarded');
answer_is($t->http_post_json('/runcode', { code => 'x' }, socket => $s,
	headers => ["X-API-Key: $key{alice}"]), 200, $ran,
	'and the connection is kept');

$s = $t->connect;
write_all($s, $t->request(POST => '/runcode', headers =>
	['Content-Length: 10000000']));
error_is($t->read_response($s), 413, 'Request Entity Too Large',
	'nginx says first that a body is too large');

# what needs none

answer_is($t->http_get('/healthz'), 200, '{"status":"ok"}', 'health is open');
answer_is($t->http_get('/healthz', headers => ['X-API-Key: wrong']), 200,
	'{"status":"ok"}', 'with a wrong one, too');
is($t->http_head('/healthz')->status, 200, 'HEAD');
error_is(post('/healthz'), 401, $missing, 'but no other method');
error_is($t->http_get('/nothing'), 401, $missing,
	'what is there is not for everybody');
error_is($t->http_get('/nothing', headers => ["X-API-Key: $key{alice}"]), 404,
	'Not Found', 'but for those with a key');
answer_is(post('/free'), 200, $ran, 'off');
error_is(post('/plain'), 401, $missing, 'without codeexec_api');

$r = $t->http_get('/file');
is($r->status, 401, 'another location');
like($r->body, qr/<html>/, 'has a page of nginx');
answer_is($t->http_get('/file', headers => ["X-API-Key: $key{alice}"]), 200,
	'file', 'another location with a key');

is($t->http_get('/read?languageType=python&variables={}&code=x')->status, 200,
	'limit_except: GET');
error_is(post('/read'), 401, $missing, 'limit_except: POST');
answer_is(post('/read', "X-API-Key: $key{alice}"), 200, $ran,
	'limit_except: POST with a key');

# with other modules

my $basic = 'Authorization: Basic Z3Vlc3Q6c2VjcmV0';

answer_is(post('/any', "X-API-Key: $key{alice}"), 200, $ran,
	'satisfy any: the key');
$r = post('/any', $basic);
answer_is($r, 200, $ran, 'satisfy any: the password');
is(challenge($r), '', 'and no challenge');
$r = post('/any', 'X-API-Key: wrong');
is($r->status, 401, 'satisfy any: neither');
like(challenge($r), qr/\Q$wrong\E/, 'a challenge');
answer_is(post('/both', $basic, "X-API-Key: $key{alice}"), 200, $ran,
	'satisfy all: both');
error_is(post('/both', $basic), 401, $missing, 'satisfy all: the password');
is(post('/both', "X-API-Key: $key{alice}")->status, 401,
	'satisfy all: the key');
answer_is(post('/inside'), 200, $ran, 'satisfy any: the address');
answer_is(run_with('/inside', key => $key{slow}), 200,
	'{"output":"python 2000"}', 'limits of a key hold even so');

# what a browser asks before it sends a key needs none

$r = $t->http($t->request(OPTIONS => '/pages-of-others', headers => [
	'Origin: https://a.example', 'Access-Control-Request-Method: POST',
	'Access-Control-Request-Headers: x-api-key']));
is($r->status, 204, 'a preflight');
is($r->header('Access-Control-Allow-Headers'), 'x-api-key', 'a key may be sent');
$r = post('/pages-of-others', 'Origin: https://a.example');
error_is($r, 401, $missing, 'the request itself needs one');
is($r->header('Access-Control-Allow-Origin'), 'https://a.example',
	'the page may read why');
error_is($t->http($t->request(OPTIONS => '/pages-of-others')), 401, $missing,
	'what is no preflight needs one');

# a rewrite changes the file, an error_page takes the request elsewhere

error_is(post('/moved', "X-API-Key: $key{alice}"), 401, 'Invalid token',
	'a key of another file');
answer_is(post('/moved', 'Authorization: Bearer bWluZQ=='), 200, $ran,
	'a key of that file');
answer_is(post('/page', 'X-API-Key: wrong'), 200, 'page', 'error_page');

# a subrequest is not asked for a key, but what it allows holds

sub ssi (@headers) {
	my $json = $t->http_get('/ssi', headers => \@headers)->json;
	return $json->{output} // $json->{error};
}

is(ssi(), 'python 5000', 'a subrequest');
is(ssi("X-API-Key: $key{slow}"), 'python 2000', 'with a key');
is(ssi("X-API-Key: $key{poly}"), '"python" is not allowed for this key',
	'with one for another language');

# what a key allows

answer_is(run_with('/runcode', key => $key{slow}), 200,
	'{"output":"python 2000"}', 'the time by default is cut');
answer_is(run_with('/runcode', key => $key{slow}, timeout => 2), 200,
	'{"output":"python 2000"}', 'as much as the key allows');
error_is(run_with('/runcode', key => $key{slow}, timeout => 2.001), 400,
	'"timeout" must be a number between 0.001 and 2', 'more');
answer_is(run_with('/runcode', key => $key{alice}, timeout => 60), 200,
	'{"output":"python 60000"}', 'no limit but that of the location');
error_is(run_with('/runcode', key => $key{alice}, timeout => 61), 400,
	'"timeout" must be a number between 0.001 and 60', 'which holds');

answer_is(run_with('/runcode', key => $key{poly}, language => $_), 200,
	'{"output":"nodejs 5000"}', "language: $_") for qw/js nodejs Node/;
answer_is(run_with('/runcode', key => $key{poly}, language => 'ruby'), 200,
	'{"output":"ruby 5000"}', 'language: ruby');
error_is(run_with('/runcode', key => $key{poly}, language => $_), 403,
	"\"$_\" is not allowed for this key", "language: $_")
	for qw/python rub ruby2/;
error_is(run_with('/runcode', key => $key{poly}), 403,
	'"python" is not allowed for this key', 'the language by default');

# limits of nginx by key, before the access phase

is(run_with('/limited', key => $key{$_})->status, 200, "$_, once")
	for qw/alice slow/;
error_is(run_with('/limited', key => $key{alice}), 429, 'Too Many Requests',
	'alice, twice');
error_is(post('/limited', 'X-API-Key: wrong'), 401, 'Invalid token',
	'who has no key is not counted') for 1 .. 2;
is(run_with('/batch', key => $key{alice})->status, 200, 'not of this class')
	for 1 .. 2;
is(run_with('/batch', key => $key{bob})->status, 200, 'of this class');
error_is(run_with('/batch', key => $key{bob}), 429, 'Too Many Requests',
	'of this class, twice');

# the log

unlink $t->dir . '/access.log';
kill USR1 => $t->{nginx};
wait_until(5, sub { -e $t->dir . '/access.log' });

sub logged ($code) {
	my $before = length $t->read_file('access.log');
	$code->();
	wait_until(5, sub { length $t->read_file('access.log') > $before });
	return substr $t->read_file('access.log'), $before;
}

is(logged(sub { post('/runcode', "X-API-Key: $key{alice}") }),
	"200 alice -\n", 'a name');
is(logged(sub { post('/runcode', "X-API-Key: $key{bob}") }),
	"200 bob batch\n", 'and a class');
is(logged(sub { post('/runcode', 'X-API-Key: wrong') }), "401 - -\n",
	'a wrong key');
is(logged(sub { post('/free', "X-API-Key: $key{bob}") }), "200 - -\n",
	'a key that nobody asks for');
is(logged(sub { run_with('/runcode', key => $key{slow}, timeout => 9) }),
	"400 slow -\n", 'a refused job');
is(logged(sub { write_all($t->connect, "GET /\x01 HTTP/1.1\r\n\r\n") }),
	"400 - -\n", 'a bad request');

# nginx logs URIs, and headers that it has refused

my @leaked = grep { /cx_/ && !/\?key=|client sent (?:duplicate|invalid) header/ }
	split /\n/, $t->read_file('error.log');
is("@leaked", '', 'no key in the error log');

# HTTP/2

SKIP: {
	skip 'no curl with HTTP/2', 3
		if `curl --version 2>&1` !~ /^Features:.* HTTP2/m;

	# no body: curl may lose an answer that comes before it has sent one

	my $curl = sub (@arg) {
		open my $fh, '-|', qw/curl -sg -m 10 --http2-prior-knowledge -w/,
			'%{http_code} %{http_version}', @arg, 'http://127.0.0.1:'
			. $t->port(1) . '/runcode?languageType=python&variables={}&code=x';
		local $/;
		return <$fh>;
	};

	is($curl->('-H', "X-API-Key: $key{alice}"), "$ran\n200 2",
		'HTTP/2, a key');
	is($curl->('-H', 'Authorization: Bearer wrong'),
		"{\"error\":\"Invalid token\"}\n401 2", 'HTTP/2, a wrong key');
	is($curl->('-H', "X-API-Key: $key{alice}", '-H', "X-Auth-Token: $key{alice}"),
		"{\"error\":\"More than one key\"}\n400 2", 'HTTP/2, two keys');
}

# a reload: one key goes, one comes, one gets another limit

$t->write_file('keys', line('alice', 'max_timeout=1s') . line('old'));
answer_is(run_with('/runcode', key => $key{bob}), 200, $ran,
	'a changed file is not looked at');
ok($t->reload, 'reloaded');
error_is(run_with('/runcode', key => $key{bob}), 401, 'Invalid token',
	'a key that was taken away');
answer_is(run_with('/runcode', key => $key{old}), 200, $ran, 'a new one');
answer_is(run_with('/runcode', key => $key{alice}), 200,
	'{"output":"python 1000"}', 'another limit');

# one that cannot be read keeps the old ones

$t->write_file('keys', "alice\n");
$t->expect_log(qr/invalid digest in .*keys:1/);
$t->signal('HUP');
ok(wait_until(5, sub { $t->read_file('error.log') =~ /invalid digest/ }),
	'a bad file');
answer_is(run_with('/runcode', key => $key{old}), 200, $ran,
	'the old keys are there');

# many

$t->write_file('keys', join '', map { "k$_ " . sha256_hex("many$_")
	. " class=c$_\n" } 1 .. 5000);
ok($t->reload, 'reloaded with many');

my $good = grep { my $n = 1 + int rand 5000;
	run_with('/runcode', key => "many$n")->status == 200 } 1 .. 20;
is($good, 20, 'each is found');
error_is(run_with('/runcode', key => "many$_"), 401, 'Invalid token',
	"many$_ is not there") for 0, 5001;

$t->check_leaks('no leaks', 2);
$t->done_testing;
