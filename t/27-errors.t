#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Errors that are not of a run: those of nginx, early ones among them, those of
# its limits, and those of what is behind it.  Every API has its own form.

use v5.36;

use Test::More;
use Digest::SHA qw/sha256_hex/;
use Time::HiRes qw/time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::FakeSandbox;

# What RAGFlow's service says on HTTP 200, so that nobody tries again.

my $busy = 'Server is busy, try again later';
my $limited = 'Too many requests, please try again later';

sub ragflow ($generation) {
	my $last = $generation eq 'a' ? '' : ',"artifacts":[],"result":null';
	my $fail = sub ($code, $detail, $text = $detail) {
		return '{"status":"program_runner_error","stdout":"",'
			. qq("stderr":"$text","exit_code":$code,"detail":"$detail",)
			. join(',', map { qq("$_":null) } qw/time_used_ms
				memory_used_kb resource_limit_type
				unauthorized_access_type runtime_error_type/)
			. "$last}";
	};

	return {
		open => ['healthz', ''],
		name => "ragflow-$generation", path => 'run',
		body => '{"code_b64":"eA==","language":"python"}',
		form => sub ($text) { return qq({"detail":"$text"}) },
		unauthorized => 'Missing or invalid sandbox executor API token',
		run => sub ($status, $text) {
			return ($generation eq 'd' ? 429 : 200,
				$fail->(-429, $limited)) if $text =~ /Many|Unav/;
			return (200, $fail->(-10, 'no_available_container',
				'Container pool is busy')) if $text eq $busy;
			return (200, $fail->(-3, 'internal_error',
				$status == 504 ? 'Command timed out' : $text));
		},
	};
}

# Where an API runs code, with what, and its form of an error.

my @apis = (
	{
		open => ['healthz'],
		name => 'native', path => 'runcode', body => '{"code":"x"}',
		form => sub ($text) { return qq({"error":"$text"}\n) },
	},
	{
		open => [''],
		name => 'executor', path => 'execute', body => '{"code":"x"}',
		form => sub ($text) { return qq({"detail":"$text"}) },
	},
	{
		open => [''],
		name => 'render', path => 'render-matplotlib',
		body => '{"code":"x"}', ran => 422,
		form => sub ($text) { return qq({"error":"$text"}\n) },
		unauthorized => 'Unauthorized',
	},
	{
		open => ['health'],
		name => 'engine', path => 'execute', body => '{"code":"x"}',
		form => sub ($text) {
			return qq({"error":"$text","output":"","success":false}\n);
		},
		busy => '\u670d\u52a1\u5668\u7e41\u5fd9\uff0c\u8bf7\u7a0d'
			. '\u540e\u518d\u8bd5',
	},
	ragflow('a'), ragflow('c'), ragflow('d'),
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
		    codeexec_api @{[$api->{name} =~ s/-c$//r]};
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

$t->write_file('keys', 'alice ' . sha256_hex('elsewhere') . " languages=ruby\n");
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

	my $is = sub ($r, $status, $name, $text = $reason{$status}, $run = 0) {
		my $body = $api->{form}->($status == 401
			? $api->{unauthorized} // $text : $text);

		($status, $body) = $api->{run}->($status, $text)
			if $run && $api->{run};
		is(join(' ', $r->status // 'none', $r->body, $r->complete),
			"$status $body 1", "$api->{name}: $name")
			|| diag($r->raw);
		is($r->header('Content-Type'), 'application/json',
			"$api->{name}: $name, type");
		like($r->header('Retry-After'), qr/^\d+$/,
			"$api->{name}: $name, Retry-After")
			if $status == 429 || $status == 503;
	};

	# The same of a run, which some APIs answer in another way.

	my $run_is = sub ($r, $status, $name, $text = $reason{$status}) {
		$is->($r, $status, $name, $text, 1);
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

	$run_is->($post->("/dead/$path"), 502, 'nobody there');
	$run_is->($post->("/broken/$path"), 502, 'no answer of ours');
	$run_is->($post->("/slow/$path"), 504, 'no answer');
	$run_is->($post->("/busy/$path"), 503, 'no room', $api->{busy} // $busy);

	# limits of nginx

	is($post->("/rate/$path")->status, $api->{ran} // 200,
		"$api->{name}: the first");

	$run_is->($post->("/rate/$path"), 503, 'too many');
	$run_is->($post->("/rate429/$path"), 429, 'too many');

	my $s = $t->connect($port);
	write_all($s, $t->request(POST => "/runs/$path", body => $api->{body},
		headers => ['Content-Type: application/json']));
	wait_until(5, sub { $t->{fake}{slow}->runs >= 2 * $n + 2 });
	$run_is->($post->("/runs/$path"), 429, 'too many at once');
	close $s;

	# keys

	$is->($post->("/keys/$path"), 401, 'no key',
		'Authorization header is missing or invalid');
	$is->($post->("/keys/$path", headers => ['X-API-Key: x']), 401,
		'a wrong key', 'Invalid token');
	$is->($post->("/keys/$path", headers => ['X-API-Key: x',
		'X-Auth-Token: x']), 400, 'two keys', 'More than one key');
	$is->($post->("/keys/$path", headers => ['X-API-Key: elsewhere']), 403,
		'a language', '\\"python\\" is not allowed for this key');
	is($get->("/keys/$_")->status, 200, "$api->{name}: /$_ needs none")
		for @{ $api->{open} };
}

$t->check_leaks('no leaks', 1);
$t->done_testing;
