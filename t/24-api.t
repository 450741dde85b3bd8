#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# codeexec_api: which path of an API a request is for, and what the errors of
# a server that speaks it look like.

use v5.36;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::FakeSandbox;

my $t = Test::Codeexec->new;

$t->write_conf(<<'EOC');
    server {
        listen 127.0.0.1:%%PORT_0%%;

        location / { codeexec_api native; codeexec_pass unix:%%SOCK%%; }
        location /below/ { codeexec_api native; codeexec_pass unix:%%SOCK%%; }
        location /open { codeexec_api native; codeexec_pass unix:%%SOCK%%; }
        location = /exact { codeexec_api native; codeexec_pass unix:%%SOCK%%; }
        location = /alive {
            codeexec_api native healthz;
            codeexec_pass unix:%%SOCK%%;
        }
        location ~ ^/h.*z$ { codeexec_api native; codeexec_pass unix:%%SOCK%%; }
        location /if/ {
            codeexec_api native;
            if ($arg_run) { codeexec_pass unix:%%SOCK%%; }
        }
        location /plain { codeexec_pass unix:%%SOCK%%; }
    }

    server {
        listen 127.0.0.1:%%PORT_1%%;
        codeexec_api native;
        large_client_header_buffers 2 1k;
        client_max_body_size 100;

        location = /runcode { codeexec_pass unix:%%SOCK%%; }
        location /files { return 404; }
        location /text { default_type text/plain; return 403 "mine"; }
    }

    server {
        listen 127.0.0.1:%%PORT_2%%;

        location /files { return 404; }
    }
EOC

my $fake = $t->fake(script => sub ($c, $job) {
	$c->send(answer(stdout => 'ran'));
});

$t->run;

my $ran = '{"output":"ran"}';
my $healthy = '{"status":"ok"}';

sub post ($uri, %arg) {
	return $t->http_post_json($uri, { code => 'x' }, %arg);
}

sub get ($uri, %arg) { return $t->http_get($uri, %arg) }

# paths

answer_is(post('/runcode'), 200, $ran, 'a path below /');
answer_is(get('/healthz'), 200, $healthy, 'by a regular expression');
answer_is(post('/below/runcode'), 200, $ran, 'below a location');
answer_is(get('/below/healthz'), 200, $healthy, 'another one');
answer_is(post('/open/runcode'), 200, $ran, 'below a location without a /');
answer_is(get('/openhealthz'), 200, $healthy,
	'the name of such a location ends anywhere');
answer_is(post('/exact'), 200, $ran, 'an exact location has the first path');
answer_is(get('/alive'), 200, $healthy, 'or the one that is given');
answer_is(post('/if/runcode?run=1'), 200, $ran, 'in an if');
answer_is(post('/plain/whatever'), 200, $ran, 'no API: the first path');

error_is(post("/$_"), 404, 'Not Found', "no path: \"$_\"") for '', 'runcode/',
	'runcod', 'runcodes', 'RUNCODE', 'x/runcode', 'below/x',
	'if/nothing?run=1';

error_is(get('/below/'), 404, 'Not Found', 'the location itself');

# methods

my $r = $t->http($t->request(DELETE => '/below/runcode'));
error_is($r, 405, 'Method Not Allowed', 'a method it does not have');
is($r->header('Allow'), 'GET, POST', 'Allow of runcode');

$r = post('/below/healthz');
error_is($r, 405, 'Method Not Allowed', 'POST of healthz');
is($r->header('Allow'), 'GET, HEAD', 'Allow of healthz');

$r = $t->http_head('/below/healthz');
is($r->status, 200, 'HEAD');
is($r->header('Content-Length'), length "$healthy\n", 'with a length');

# nothing of these has reached codeexecd

is($fake->runs, 6, 'runs');

# errors of a whole server

sub raw ($port, $bytes) {
	my $s = $t->connect($t->port($port));
	$s->syswrite($bytes);
	return $t->read_response($s);
}

error_is(get('/files', port => $t->port(1)), 404, 'Not Found', 'another location');
error_is(get('/none', port => $t->port(1)), 404, 'Not Found', 'no location');
error_is(raw(1, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400, 'Bad Request',
	'a bad host');
error_is(raw(1, "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"), 400,
	'Bad Request', 'a bad request line');
error_is(raw(1, 'GET /' . 'x' x 2000 . " HTTP/1.1\r\nHost: a\r\n\r\n"), 414,
	'Request-URI Too Long', 'a long request line');
error_is(raw(1, "GET / HTTP/1.1\r\nHost: a\r\nA: " . 'x' x 2000 . "\r\n\r\n"),
	400, 'Bad Request', 'a long header');
error_is($t->http_post('/runcode', 'x' x 101, port => $t->port(1)), 413,
	'Request Entity Too Large', 'a large body');
answer_is(get('/text', port => $t->port(1)), 403, 'mine', 'what is no page is left');

$r = get('/files', port => $t->port(2));
like($r->body, qr/<html>/, 'a server without an API');

$t->done_testing;
