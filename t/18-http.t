#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# The ways a request can arrive.

use v5.36;

use Test::More;
use Time::HiRes qw/sleep time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::FakeSandbox;

my $t = Test::Codeexec->new;

$t->write_conf(<<'EOC');
    upstream sandbox { server unix:%%SOCK%%; keepalive 2; }
    client_max_body_size 4m;
    client_header_timeout 3s;
    client_body_timeout 3s;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_1%% http2;

        location /runcode { codeexec_pass sandbox; }
        location /file {
            client_body_in_file_only clean;
            codeexec_pass sandbox;
        }
        location /tiny {
            client_body_buffer_size 1k;
            codeexec_pass sandbox;
        }
        location /single {
            client_body_in_single_buffer on;
            codeexec_pass sandbox;
        }
    }
EOC

my $fake = $t->fake(script => sub ($c, $job) {
	my $code = $job->{code};
	my $size = length $code;

	return $c->send(answer(stdout => 'x' x $1)) if $code =~ /^x (\d+)$/;
	$c->send(answer(stdout => $size < 100 ? $code : $size));
});

$t->run;

sub output ($text) { return qq({"output":"$text"}) }

sub body ($code) { return qq({"code":"$code"}) }

sub args ($code) { "/runcode?languageType=python&variables={}&code=$code" }

# versions and connections

my $r = $t->http_post_json('/runcode', body('a'), version => '1.0');
answer_is($r, 200, output('a'), 'HTTP/1.0, POST');
is($r->header('Transfer-Encoding'), undef, 'HTTP/1.0, no chunks');
answer_is($t->http_get(args('a'), version => '1.0'), 200, output('a'),
	'HTTP/1.0, GET');

my $s = $t->connect;
for (1 .. 3) {
	$r = $t->http_post_json('/runcode', body("a$_"), version => '1.0',
		keepalive => 1, socket => $s,
		headers => ['Connection: keep-alive']);
	answer_is($r, 200, output("a$_"), "HTTP/1.0, kept $_");
}
is($r->header('Connection'), 'keep-alive', 'it has a length');

$s = $t->connect;
for (1 .. 5) {
	answer_is($t->http_post_json('/runcode', body($_), socket => $s,
		keepalive => 1), 200, output($_), "HTTP/1.1, kept $_");
	answer_is($t->http_get(args($_), socket => $s, keepalive => 1), 200,
		output($_), "HTTP/1.1, GET, kept $_");
}

$s = $t->connect;
write_all($s, join '', map {
	$t->request(POST => '/runcode', body => body("post$_"), keepalive => 1),
	$t->request(GET => args("get$_"), keepalive => 1),
} 1 .. 3);
write_all($s, $t->request(POST => '/runcode', body => '{'));

for (1 .. 3) {
	answer_is($t->read_response($s), 200, output("post$_"), "pipelined $_");
	answer_is($t->read_response($s), 200, output("get$_"), "pipelined $_");
}

error_is($t->read_response($s), 400, 'Invalid JSON', 'pipelined, the last');

# HTTP/0.9 has no status, but a body

$s = $t->connect;
write_all($s, 'GET ' . args('old') . "\r\n");
my $raw = '';
1 while sysread $s, $raw, 4096, length $raw;
is($raw, output('old') . "\n", 'HTTP/0.9');

# bodies

my $long = 'x' x 100000;

for my $uri (qw(/runcode /file /tiny /single)) {
	answer_is($t->http_post_json($uri, body('a')), 200, output('a'),
		"$uri, short");
	answer_is($t->http_post_json($uri, body($long)), 200, output(100000),
		"$uri, long");
	answer_is($t->http_post_json($uri, body('a'), chunked => 3), 200,
		output('a'), "$uri, short chunks");
	answer_is($t->http_post_json($uri, body($long), chunked => 9999), 200,
		output(100000), "$uri, chunks");
	error_is($t->http_post_json($uri, '', chunked => 10), 400,
		'Invalid JSON', "$uri, no chunks");
	error_is($t->http_post_json($uri, ''), 400, 'Invalid JSON',
		"$uri, empty");
}

error_is($t->http($t->request(POST => '/runcode')), 400, 'Invalid JSON',
	'no Content-Length');

my $request = $t->request(POST => '/runcode', body => body('slowly'));
$s = $t->connect;
write_all($s, $_), sleep 0.002 for $request =~ /.{1,7}/gs;
answer_is($t->read_response($s), 200, output('slowly'), 'a slow client');

$s = $t->connect;
write_all($s, $t->request(GET => args('a'), keepalive => 1,
	body => 'ignored' x 1000));
answer_is($t->read_response($s), 200, output('a'), 'GET with a body');
answer_is($t->http_post_json('/runcode', body('b'), socket => $s), 200,
	output('b'), 'and the next');

$s = $t->connect;
write_all($s, $t->request(POST => '/runcode', headers => [
	'Content-Length: 12', 'Expect: 100-continue']));
is($t->read_response($s, continue => 1)->status, 100, '100 Continue');
write_all($s, body('a'));
answer_is($t->read_response($s), 200, output('a'), 'and then the answer');

# methods

for my $method (qw/PUT DELETE OPTIONS PATCH PROPFIND LOCK/) {
	$fake->reset;
	$r = $t->http($t->request($method => args('a'), body => body('a')));
	error_is($r, 405, 'Method Not Allowed', $method);
	is($r->header('Allow'), 'GET, POST', "$method, Allow");
	is($fake->runs, 0, "$method, not run");
}

$r = $t->http_head(args('a'));
is($r->status, 405, 'HEAD');
is($r->header('Allow'), 'GET, POST', 'HEAD, Allow');
is($r->raw =~ s/.*?\r\n\r\n//sr, '', 'HEAD, no body');

$s = $t->connect;
error_is($t->http($t->request(PUT => '/runcode', body => $long,
	keepalive => 1), socket => $s), 405, 'Method Not Allowed',
	'PUT with a long body');
answer_is($t->http_post_json('/runcode', body('b'), socket => $s), 200,
	output('b'), 'the body was discarded');

is($t->http($t->request(TRACE => '/runcode'))->status, 405, 'TRACE');

# a client that reads slowly

$s = $t->connect;
write_all($s, $t->request(POST => '/runcode', body => body('x 3000000')));
my $got = '';
while (sysread $s, $got, 50000, length $got) { sleep 0.001 }
is(length($got =~ s/.*?\r\n\r\n//sr), 3000000 + length(output('') . "\n"),
	'a slow reader gets all');

# HTTP/2

SKIP: {
	skip 'no curl with HTTP/2', 8
		if `curl --version 2>&1` !~ /^Features:.* HTTP2/m;

	my $base = 'http://127.0.0.1:' . $t->port(1);
	my $curl = sub (@arg) {
		open my $fh, '-|', qw/curl -s -m 10 --http2-prior-knowledge -w/,
			'%{http_code} %{http_version}', @arg;
		local $/;
		return <$fh>;
	};

	$t->write_file('body', body($long));

	is($curl->('-d', body('h2'), "$base/runcode"),
		output('h2') . "\n200 2", 'HTTP/2, POST');
	is($curl->('-g', $base . args('h2')), output('h2') . "\n200 2",
		'HTTP/2, GET');
	is($curl->('-d', '@' . $t->dir . '/body', "$base/runcode"),
		output(100000) . "\n200 2", 'HTTP/2, long body');
	is($curl->('-d', '@' . $t->dir . '/body', "$base/tiny"),
		output(100000) . "\n200 2", 'HTTP/2, body in a file');
	is($curl->('-d', '', "$base/runcode"),
		qq({"error":"Invalid JSON"}\n400 2), 'HTTP/2, empty body');
	is($curl->('-X', 'PUT', "$base/runcode"),
		qq({"error":"Method Not Allowed"}\n405 2), 'HTTP/2, PUT');
	like($curl->('-gI', $base . args('x')), qr/^allow: GET, POST\r\n.*405 2/ms,
		'HTTP/2, HEAD');
	is(length $curl->('-d', body('x 3000000'), "$base/runcode"),
		3000000 + length(output('') . "\n200 2"), 'HTTP/2, long answer');
}

$t->done_testing;
