#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Errors that are not of a run: those of nginx, early ones among them, those of
# its limits, and those of what is behind it.  Every API has its own form.

use v5.36;

use Test::More;
use Time::HiRes qw/time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::FakeSandbox;

# Where an API runs code, with what, and its form of an error.

my @apis = (
	{
		name => 'native', path => 'runcode', body => '{"code":"x"}',
		form => sub ($text) { return qq({"error":"$text"}\n) },
	},
);

my %reason = (
	400 => 'Bad Request', 401 => 'Unauthorized', 403 => 'Forbidden',
	404 => 'Not Found', 405 => 'Method Not Allowed', 408 => 'Request Timeout',
	409 => 'Conflict', 413 => 'Request Entity Too Large',
	414 => 'Request-URI Too Long', 415 => 'Unsupported Media Type',
	422 => 'Unprocessable Entity', 429 => 'Too Many Requests',
	431 => 'Request Header Fields Too Large', 500 => 'Internal Server Error',
	501 => 'Not Implemented', 502 => 'Bad Gateway',
	503 => 'Service Unavailable', 504 => 'Gateway Timeout',
	505 => 'HTTP Version Not Supported', 507 => 'Insufficient Storage',
);

# With 408 nginx closes the connection.

my @returned = grep { $_ != 408 } sort keys %reason;

my $t = Test::Codeexec->new;

sub server ($n) {
	my $api = $apis[$n];
	my $returned = join "\n", map {
		"location = /return/$_ { return $_; }"
	} @returned;

	return <<~EOC;
		limit_req_zone \$server_port zone=rate$n:1m rate=1r/m;
		limit_conn_zone \$server_port zone=runs$n:1m;

		server {
		    listen 127.0.0.1:%%PORT_$n%%;
		    codeexec_api $api->{name};
		    client_max_body_size 1000;
		    client_header_buffer_size 512;
		    large_client_header_buffers 2 1k;
		    client_body_timeout 300ms;
		    root %%TESTDIR%%/none;

		    $returned

		    location /run/ { codeexec_pass unix:%%SOCK%%; }
		    location /dead/ { codeexec_pass unix:%%SOCK_dead%%; }
		    location /slow/ {
		        codeexec_pass unix:%%SOCK_slow%%;
		        codeexec_read_timeout 100ms;
		    }
		    location /broken/ { codeexec_pass unix:%%SOCK_broken%%; }
		    location /busy/ { codeexec_pass unix:%%SOCK_busy%%; }
		    location /rate/ {
		        codeexec_pass unix:%%SOCK%%;
		        limit_req zone=rate$n;
		    }
		    location /rate429/ {
		        codeexec_pass unix:%%SOCK%%;
		        limit_req zone=rate$n;
		        limit_req_status 429;
		    }
		    location /runs/ {
		        codeexec_pass unix:%%SOCK_slow%%;
		        limit_conn runs$n 1;
		        limit_conn_status 429;
		    }
		    location /denied/ { codeexec_pass unix:%%SOCK%%; deny all; }
		    location /keys/ {
		        codeexec_key_file keys;
		        codeexec_pass unix:%%SOCK%%;
		    }
		    location /people/ {
		        auth_basic x;
		        auth_basic_user_file %%TESTDIR%%/keys;
		        codeexec_pass unix:%%SOCK%%;
		    }
		    location /page/ {
		        error_page 404 =200 /page.html;
		        codeexec_pass unix:%%SOCK%%;
		    }
		    location = /page.html { return 200 "mine\n"; }
		}
		EOC
}

$t->write_file('keys', 'alice ' . 'a5' x 32 . "\n");
$t->write_conf(join '', map { server($_) } 0 .. $#apis);

my $ran = sub ($c, $job) { $c->send(answer(stdout => 'x')) };

$t->fake(script => $ran);
$t->fake(name => 'slow', script => sub ($c, $job) { $c->eof });
$t->fake(name => 'broken', script => sub ($c, $job) { $c->send('x' x 100) });
$t->fake(name => 'busy', script => sub ($c, $job) { $c->send(busy()) });
$t->dead_socket('dead');

$t->run;
$t->baseline;

for my $n (0 .. $#apis) {
	my $api = $apis[$n];
	my $port = $t->port($n);
	my $path = $api->{path};

	my $is = sub ($r, $status, $name, $text = $reason{$status}) {
		is(join(' ', $r->status // 'none', $r->body, $r->complete),
			"$status " . $api->{form}->($text) . ' 1',
			"$api->{name}: $name") || diag($r->raw);
		is($r->header('Content-Type'), 'application/json',
			"$api->{name}: $name, type");
	};

	my $get = sub ($uri, %arg) { $t->http_get($uri, %arg, port => $port) };
	my $post = sub ($uri, %arg) {
		return $t->http_post_json($uri, $api->{body}, %arg,
			port => $port);
	};
	my $raw = sub (@bytes) {
		my $s = $t->connect($port);
		write_all($s, join '', @bytes);
		return $t->read_response($s);
	};
	my $head = "GET /run/$path HTTP/1.1\r\nHost: a\r\n";

	# what never gets to a location

	$is->($raw->("GET /\x01 HTTP/1.1\r\n\r\n"), 400, 'a bad line');
	$is->($raw->("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400, 'a bad host');
	$is->($raw->("GET / HTTP/1.1\r\n\r\n"), 400, 'no host');
	$is->($raw->($head, "Content-Length: x\r\n\r\n"), 400, 'a bad length');
	$is->($raw->($head, "A: b\r\nA\0: c\r\n\r\n"), 400, 'a bad header');
	$is->($raw->($head, 'A: ' . 'x' x 2000, "\r\n\r\n"), 400,
		'a long header');
	$is->($raw->($head, 'A: ' . 'x' x 700, "\r\n", 'B: ' . 'x' x 700, "\r\n",
		'C: ' . 'x' x 700, "\r\n\r\n"), 400, 'long headers');
	$is->($raw->('GET /' . 'x' x 2000 . " HTTP/1.1\r\n\r\n"), 414,
		'a long URI');
	$is->($raw->("GET /run/$path HTTP/3.0\r\n\r\n"), 505, 'a version');
	$is->($raw->($head, "Transfer-Encoding: x\r\n\r\n"), 501, 'an encoding');
	$is->($raw->("TRACE /run/$path HTTP/1.1\r\nHost: a\r\n\r\n"), 405,
		'TRACE');
	$is->($get->('/nothing'), 404, 'no file');
	$is->($get->('/..'), 400, 'above the root');

	# what gets no further than a location

	$is->($get->("/return/$_"), $_, "return $_") for @returned;
	$is->($post->('/run/none'), 404, 'no path');
	$is->($t->http($t->request(PUT => "/run/$path"), port => $port), 405,
		'a method');
	$is->($post->("/denied/$path"), 403, 'an address');
	$is->($post->("/people/$path"), 401, 'a password');
	is($get->('/page/none')->body, "mine\n", "$api->{name}: error_page");

	# bodies

	$is->($t->http_post("/run/$path", 'x' x 1001, port => $port), 413,
		'a large body');
	$is->($t->http_post("/run/$path", 'x' x 1001, port => $port,
		chunked => 100), 413, 'a large body in chunks');
	$is->($raw->($t->request(POST => "/run/$path", headers =>
		['Transfer-Encoding: chunked']), "x\r\n"), 400, 'a bad chunk');

	for my $part ('', '{"code"') {
		my $s = $t->connect($port);
		my $begin = time;

		write_all($s, $t->request(POST => "/run/$path", keepalive => 1,
			headers => ['Content-Length: 100']) . $part);
		my $r = $t->read_response($s);
		$is->($r, 408, 'a slow body of ' . length $part);
		is($r->header('Connection'), 'close',
			"$api->{name}: the connection is closed");
		cmp_ok(time - $begin, '>', 0.25, "$api->{name}: not earlier");

		# what comes too late is nothing to anybody

		write_all($s, $t->request(POST => "/run/$path") x 2);
		is($t->read_response($s, timeout => 1)->status, undef,
			"$api->{name}: and nothing more");
	}

	# what is behind

	$is->($post->("/dead/$path"), 502, 'nobody there');
	$is->($post->("/broken/$path"), 502, 'no answer of ours');
	$is->($post->("/slow/$path"), 504, 'no answer');

	my $r = $post->("/busy/$path");
	$is->($r, 503, 'no room', 'Server is busy, try again later');
	like($r->header('Retry-After'), qr/^\d+$/, "$api->{name}: Retry-After");

	# limits of nginx

	is($post->("/rate/$path")->status, 200, "$api->{name}: the first");

	for (['rate', 503], ['rate429', 429]) {
		my ($location, $status) = @$_;
		$r = $post->("/$location/$path");
		$is->($r, $status, 'too many');
		like($r->header('Retry-After'), qr/^\d+$/,
			"$api->{name}: $status, Retry-After");
	}

	my $s = $t->connect($port);
	write_all($s, $t->request(POST => "/runs/$path", body => $api->{body}));
	wait_until(5, sub { $t->{fake}{slow}->runs >= 2 * $n + 2 });
	$r = $post->("/runs/$path");
	$is->($r, 429, 'too many at once');
	like($r->header('Retry-After'), qr/^\d+$/, "$api->{name}: Retry-After");
	close $s;

	# keys

	$is->($post->("/keys/$path"), 401, 'no key',
		$api->{no_key} // 'Authorization header is missing or invalid');
	$is->($post->("/keys/$path", headers => ['X-API-Key: x']), 401,
		'a wrong key', $api->{wrong_key} // 'Invalid token');
}

$t->check_leaks('no leaks', 1);
$t->done_testing;
