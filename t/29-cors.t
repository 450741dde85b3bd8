#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# codeexec_cors: what browsers are told, before anything else and with
# whatever answer.

use v5.36;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::FakeSandbox;

my $t = Test::Codeexec->new;

$t->write_file('users', "nobody:{PLAIN}x\n");
$t->write_conf(<<'EOC');
    limit_req_zone $server_name zone=one:1m rate=1r/m;
    limit_req_status 429;
    codeexec_pg none { conninfo "host=%%TESTDIR%%"; connect_timeout 100ms; }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        server_name any;
        codeexec_cors *;
        client_max_body_size 100;
        large_client_header_buffers 2 1k;

        location / { codeexec_pass unix:%%SOCK%%; }
        location /api/ { codeexec_api executor; codeexec_pass unix:%%SOCK%%; }
        location /off/ { codeexec_pass unix:%%SOCK%%; codeexec_cors off; }
        location /static/ { return 200 "text"; }
        location /key/ {
            codeexec_pass unix:%%SOCK%%;
            auth_basic "codeexec";
            auth_basic_user_file %%TESTDIR%%/users;
        }
        location /limit/ { codeexec_pass unix:%%SOCK%%; limit_req zone=one; }
        location /denied/ { codeexec_pass unix:%%SOCK%%; deny all; }
        location /own/ {
            codeexec_pass unix:%%SOCK%%;
            error_page 404 500 502 504 = @other;
        }
        location /held/ { codeexec_pass unix:%%SOCK%%; codeexec_store none;
            codeexec_store_fallback 503; }
        location /ssi/ { ssi on; ssi_types text/plain; default_type text/html;
            alias %%TESTDIR%%/; }
        location /down/ { codeexec_pass unix:%%TESTDIR%%/nobody; }
        location @other { codeexec_cors off; return 418 "mine"; }
    }

    server {
        listen 127.0.0.1:%%PORT_1%%;
        codeexec_cors https://a.example https://b.example:8443 http://[::1]:80
            capacitor://localhost;
        codeexec_api executor;

        location / { codeexec_pass unix:%%SOCK%%; }
    }

    server {
        listen 127.0.0.1:%%PORT_2%%;
        location / { codeexec_pass unix:%%SOCK%%; }
    }
EOC

$t->expect_log('/nobody failed');
$t->write_file('page.html', '<!--# include virtual="/x" -->');

my $fake = $t->fake(script => sub ($c, $job) {
	my $png = "\x89PNG\r\n\x1a\n";
	$c->send($job->{code} eq 'busy' ? busy()
		: $job->{code} eq 'timeout' ? answer(status => 'timeout')
		: $job->{code} eq 'image' ? answer(files => [['a.png', $png]])
		: answer(stdout => 'ran'));
});

$t->run;

my @origin = ('Origin: https://a.example');
my @preflight = (@origin, 'Access-Control-Request-Method: POST');

sub ask ($uri, @headers) {
	my $port = ref $headers[0] ? ${ shift @headers } : 0;
	return $t->http($t->request(OPTIONS => $uri, headers => \@headers),
		port => $t->port($port));
}

sub post ($uri, %arg) {
	return $t->http_post($uri, $arg{body} // '{"code":"x"}',
		headers => [@origin, @{ $arg{headers} // [] }],
		port => $t->port($arg{port} // 0));
}

sub allowed_is ($r, $want, $name) {
	return is(join(' | ', $r->header('Access-Control-Allow-Origin')), $want,
		$name) || diag($r->raw);
}

###############################################################################

# Preflights: nothing that may refuse a request has a say in them

for my $uri (qw{/runcode /api/execute /api/none /key/x /limit/x /denied/x /down/x
	/static/x})
{
	my $r = ask($uri, @preflight);
	is($r->status, 204, "preflight of $uri");
	is($r->body, '', 'without a body');
	is($r->header('Content-Type'), undef, 'nor a type');
	allowed_is($r, '*', 'origin');
	is($r->header('Access-Control-Allow-Methods'), 'GET, HEAD, POST, OPTIONS',
		'methods');
	is($r->header('Access-Control-Allow-Headers'), 'Authorization, '
		. 'Content-Type, X-API-Key, X-Auth-Token, X-Sandbox-Token', 'headers');
	is($r->header('Access-Control-Max-Age'), 600, 'age');
	is($r->header('Vary'), undef, 'all are told the same');
}

my $r = ask('/x', @preflight,
	'access-control-request-headers: x-request-id, content-type');
is($r->header('Access-Control-Allow-Headers'), 'x-request-id, content-type',
	'headers that are asked for');
$r = ask('/x', @preflight, "Access-Control-Request-Headers: a\x01b");
unlike($r->header('Access-Control-Allow-Headers'), qr/\x01/,
	'if they are headers');

is(ask('/limit/x', @preflight)->status, 204, "a preflight") for 1 .. 3;

for (
	['no Origin', 'Access-Control-Request-Method: POST'],
	['no method', @origin],
	['neither'],
) {
	my ($name, @headers) = @$_;
	$r = ask('/x', @headers);
	is($r->status, 405, "OPTIONS, $name");
	allowed_is($r, '*', "$name: origin");
}

is($t->http($t->request(POST => '/x', body => '{"code":"x"}',
	headers => \@preflight))->status, 200, 'a POST is no preflight');

is(ask('/off/x', @preflight)->status, 405, 'off');
allowed_is(ask('/off/x', @preflight), '', 'off: no headers');
is(ask('/x', \2, @preflight)->status, 405, 'by default');
allowed_is(ask('/x', \2, @preflight), '', 'by default: no headers');

###############################################################################

# Answers: runs, and errors of all kinds

allowed_is(post('/runcode'), '*', 'a run');
allowed_is($t->http_post('/runcode', '{"code":"x"}'), '*', 'without an Origin');
is(post('/runcode')->header('Access-Control-Expose-Headers'),
	'Retry-After, WWW-Authenticate', 'what scripts may see');
allowed_is(post('/runcode', body => '{'), '*', 'a refusal');
allowed_is(post('/runcode', body => '{"code":"busy"}'), '*', 'busy');
allowed_is(post('/runcode', body => '{"code":"timeout"}'), '*', 'a timeout');
allowed_is(post('/runcode', body => 'x' x 101), '*', 'a large body');
allowed_is(post('/api/execute', body => '{}'), '*', 'FastAPI');
allowed_is($t->http_get('/api/none'), '*', 'no such path');
allowed_is($t->http_get('/api/'), '*', 'a local answer');
allowed_is($t->http_get('/static/'), '*', "nginx's own");
allowed_is($t->http_get('/ssi/page.html'), '*', 'a page with another in it');

$r = post('/key/x');
is($r->status, 401, 'no key');
allowed_is($r, '*', 'its origin');
post('/limit/x');
$r = post('/limit/x');
is($r->status, 429, 'too many');
allowed_is($r, '*', 'its origin');
is(post('/denied/x')->status, 403, 'denied');
allowed_is(post('/denied/x'), '*', 'its origin');
allowed_is(post('/down/x'), '*', 'no codeexecd');

$r = post('/held/x', body => '{"code":"image"}');
is($r->status, 503, 'an answer that was held, and then was another one');
allowed_is($r, '*', 'its origin, once');

$r = $t->http($t->request(PUT => '/own/x', headers => \@origin));
is($r->status, 405, 'no error_page for it');
allowed_is($r, '*', 'origin');

sub raw ($bytes) {
	my $s = $t->connect;
	$s->syswrite($bytes);
	return $t->read_response($s);
}

allowed_is(raw("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), '*', 'a bad host');
allowed_is(raw("GET /\x01 HTTP/1.1\r\n"), '*', 'a bad request line');
allowed_is(raw('GET /' . 'x' x 2000 . " HTTP/1.1\r\nHost: a\r\n\r\n"), '*',
	'a long request line');

###############################################################################

# A list of origins

sub from ($origin) {
	return $t->http($t->request(GET => '/', headers => ["Origin: $origin"]),
		port => $t->port(1));
}

for my $origin (qw{https://a.example https://b.example:8443 http://[::1]:80
	capacitor://localhost})
{
	$r = from($origin);
	allowed_is($r, $origin, $origin);
	is(join(' ', $r->header('Vary')), 'Origin', "$origin: Vary");
	$r = ask('/execute', \1, "Origin: $origin",
		'Access-Control-Request-Method: POST');
	is($r->status, 204, "$origin: preflight");
	allowed_is($r, $origin, "$origin: preflight");
	is(join(' ', $r->header('Vary')), 'Origin', "$origin: Vary");
}

for my $origin ('https://a.example.evil', 'https://A.example', 'null', '*',
	'http://a.example', 'https://a.example:443', 'https://b.example',
	'https://a.exampl', 'xhttps://a.example')
{
	$r = from($origin);
	is($r->status, 200, "not $origin");
	allowed_is($r, '', "not $origin: no headers");
	is(join(' ', $r->header('Vary')), 'Origin', "not $origin: Vary");
	$r = ask('/execute', \1, "Origin: $origin",
		'Access-Control-Request-Method: POST');
	is($r->status, 204, "not $origin: preflight");
	is($r->raw =~ /Access-Control/ ? 'yes' : 'no', 'no', 'says nothing');
}

$r = $t->http_get('/', port => $t->port(1));
allowed_is($r, '', 'no Origin');
is($r->header('Vary'), 'Origin', 'no Origin: Vary');
is(from('x')->header('Access-Control-Allow-Credentials'), undef,
	'credentials are never asked for');

$t->done_testing;
