#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Other parts of nginx in front of, around and behind codeexec_pass.  Errors
# of nginx itself are JSON as well.

use v5.36;

use IO::Uncompress::Gunzip qw/gunzip/;
use Test::More;
use Time::HiRes qw/sleep/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::FakeSandbox;

my $t = Test::Codeexec->new->has('http_auth_request');

$t->write_conf(<<'EOC');
    limit_req_zone $server_port zone=one:64k rate=1r/m;
    limit_req_zone $server_port zone=two:64k rate=1r/m;
    limit_conn_zone $server_port zone=conn:64k;
    proxy_cache_path %%TESTDIR%%/cache keys_zone=cache:64k levels=1;

    upstream sandbox { server unix:%%SOCK%% max_fails=0; keepalive 4; }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        codeexec_read_timeout 2s;
        subrequest_output_buffer_size 32k;

        location /runcode { codeexec_pass sandbox; }

        location /limit_req { limit_req zone=one; codeexec_pass sandbox; }
        location /limit_429 {
            limit_req zone=two;
            limit_req_status 429;
            codeexec_pass sandbox;
        }
        location /limit_conn { limit_conn conn 1; codeexec_pass sandbox; }

        location /basic {
            auth_basic "the realm";
            auth_basic_user_file %%TESTDIR%%/users;
            codeexec_pass sandbox;
        }
        location /request204 { auth_request /204; codeexec_pass sandbox; }
        location /request401 { auth_request /401; codeexec_pass sandbox; }
        location /request403 { auth_request /403; codeexec_pass sandbox; }
        location /request404 { auth_request /404; codeexec_pass sandbox; }
        location = /204 { return 204; }
        location = /401 { return 401; }
        location = /403 { return 403; }
        location /denied { deny all; codeexec_pass sandbox; }

        location /kept {
            error_page 400 502 503 504 /sorry;
            codeexec_pass sandbox;
        }
        location /intercepted {
            codeexec_intercept_errors on;
            error_page 400 502 503 504 /sorry;
            codeexec_pass sandbox;
        }
        location /intercepted_without_page {
            codeexec_intercept_errors on;
            codeexec_pass sandbox;
        }
        location /fallback {
            codeexec_pass unix:%%SOCK_dead%%;
            error_page 502 = @second;
        }
        location @second { codeexec_pass sandbox; }
        location /dead { codeexec_pass unix:%%SOCK_dead%%; }
        location /sorry { return 200 "sorry $status"; }

        location /cached {
            proxy_pass http://127.0.0.1:%%PORT_0%%/runcode;
            proxy_cache cache;
            proxy_cache_methods POST;
            proxy_cache_key $request_body;
            proxy_cache_valid 200 1m;
            proxy_ignore_headers Cache-Control;
            add_header X-Cache $upstream_cache_status;
        }
        location /not_cached {
            proxy_pass http://127.0.0.1:%%PORT_0%%/runcode;
            proxy_cache cache;
            proxy_cache_methods POST;
            proxy_cache_key x$request_body;
            proxy_cache_valid 200 1m;
        }

        location /mirrored { mirror /copy; codeexec_pass sandbox; }
        location /copy { internal; codeexec_pass sandbox; }
        location /mirror_of_text { mirror /copy; return 200 "text"; }
        location /mirror_of_page { mirror /copy; root %%TESTDIR%%; }

        location /ssi {
            ssi on;
            ssi_types text/plain;
            root %%TESTDIR%%;
        }

        location /gzip {
            gzip on;
            gzip_min_length 1;
            gzip_types application/json;
            codeexec_pass sandbox;
        }
        location /gzip_denied {
            gzip on;
            gzip_min_length 1;
            gzip_types application/json;
            deny all;
            codeexec_pass sandbox;
        }
        location /check { auth_request /runcode; codeexec_pass sandbox; }
        location /slash/ { codeexec_pass sandbox; }
        location /headers {
            add_header X-Id $codeexec_id always;
            expires 1h;
            codeexec_pass sandbox;
        }
        location /rewritten { rewrite ^ /runcode last; }
        location /if {
            if ($arg_run) {
                codeexec_pass sandbox;
                break;
            }
            return 404;
        }
        location /outside { return 404; }
    }
EOC

my $script = sub ($c, $job) {
	my ($how, $text) = split ' ', $job->{code};

	return $c->send(busy(retry_after => 5)) if $how eq 'busy';
	return $c->send(reject('language')) if $how eq 'reject';
	return $c->send(answer(status => 'timeout', exit_code => undef))
		if $how eq 'timeout';
	return $c->send('garbage!'), $c->close if $how eq 'garbage';
	return $c->send(answer(stdout => 'x' x 20000)) if $how eq 'long';

	sleep 0.3 if $how eq 'slow';
	$c->send(answer(stdout => $text // 'ran'));
};

my $fake = $t->fake(script => $script);

mkdir $t->dir . "/$_" for qw/ssi mirror_of_page/;
my $get = '/runcode?languageType=python&variables={}&code';
$t->write_file('users', "me:{PLAIN}secret\n");
$t->write_file('mirror_of_page/a.txt', 'page');
$t->write_file('ssi/one.txt', qq(<!--#include virtual="$get=x" -->));
$t->write_file('ssi/two.txt', join '|', map {
	qq(<!--#include virtual="$get=x+$_" -->) } 'a' .. 'e');
$t->write_file('ssi/set.txt', qq(<!--#include virtual="$get=x+in" set="v" -->)
	. '<!--#if expr="$v = /in/" -->found<!--#endif -->');
$t->write_file('ssi/long.txt',
	qq(<!--#include virtual="$get=long" set="v" -->)
	. '<!--#if expr="$v = /xxxx/" -->long<!--#endif -->');
$t->write_file('ssi/bad.txt',
	qq(<!--#include virtual="/runcode?code=1" -->|<!--#include virtual=")
	. qq(/dead?languageType=python&variables={}&code=1" -->|end));

$t->dead_socket('dead');
$t->run;

sub post ($uri, $code = 'x', %arg) {
	return $t->http_post_json($uri, { code => $code }, %arg);
}

my $output = '{"output":"ran"}';

# limits

answer_is(post('/limit_req'), 200, $output, 'limit_req, first');
my $r = post('/limit_req');
error_is($r, 503, 'Service Unavailable', 'limit_req, second');
is($r->header('Retry-After'), 1, 'Retry-After');

answer_is(post('/limit_429'), 200, $output, 'limit_req_status, first');
$r = post('/limit_429');
error_is($r, 429, 'Too Many Requests', 'limit_req_status, second');
is($r->header('Retry-After'), 1, 'Retry-After');

$fake->reset;
my $s = $t->connect;
write_all($s, $t->request(POST => '/limit_conn', body => '{"code":"slow"}'));
$fake->wait_for('job');
$r = post('/limit_conn');
error_is($r, 503, 'Service Unavailable', 'limit_conn');
is($r->header('Retry-After'), 1, 'Retry-After');
answer_is($t->read_response($s), 200, $output, 'limit_conn, the first');

# access

$fake->reset;
$r = post('/basic');
error_is($r, 401, 'Unauthorized', 'auth_basic');
is($r->header('WWW-Authenticate'), 'Basic realm="the realm"', 'its header');
error_is(post('/denied'), 403, 'Forbidden', 'deny');
error_is(post('/request403'), 403, 'Forbidden', 'auth_request');
error_is(post('/request401'), 401, 'Unauthorized', 'auth_request 401');
error_is(post('/request404'), 500, 'Internal Server Error',
	'auth_request, broken');
is($fake->connections, 0, 'nothing was run');

answer_is(post('/basic', 'x', headers =>
	['Authorization: Basic bWU6c2VjcmV0']), 200, $output, 'auth_basic, ok');
answer_is(post('/request204'), 200, $output, 'auth_request, ok');

my $big = ' ' x 50000;
$s = $t->connect;
error_is($t->http_post('/basic', qq({"code":""$big}), socket => $s,
	keepalive => 1), 401, 'Unauthorized', 'refused with a body');
answer_is(post('/runcode', 'x', socket => $s), 200, $output,
	'its body was discarded');

# errors

$r = post('/dead');
error_is($r, 502, 'Bad Gateway', 'codeexecd is down');
is($r->line, 'HTTP/1.1 502 Bad Gateway', 'status line');

$r = post('/kept', 'busy');
error_is($r, 503, 'Server is busy, try again later', 'answers are not errors');
is($r->header('Retry-After'), 5, 'with their own Retry-After');
error_is(post('/kept', 'reject'), 400, 'Unsupported language', 'reject');
answer_is($t->http_post('/kept', 'x'), 400, 'sorry 400',
	'a request that is refused at once is an error of nginx');
answer_is(post('/kept', 'timeout'), 504,
	'{"error":"Code execution timed out","output":""}', 'timeout');
answer_is(post('/kept', 'garbage'), 502, 'sorry 502',
	'but what nginx itself says goes to error_page');

for my $case ([busy => 503], [reject => 400], [timeout => 504],
	[garbage => 502])
{
	my ($how, $status) = @$case;
	answer_is(post('/intercepted', $how), $status, "sorry $status",
		"$how, intercepted");
}

answer_is(post('/intercepted'), 200, $output, 'no error, not intercepted');
is(post('/intercepted_without_page', 'busy')->status, 503,
	'intercepted, no page');

answer_is(post('/fallback'), 200, $output, 'fallback to a named location');
is($fake->job->{code}, 'x', 'with the body');
$r = post('/outside');
is($r->status, 404, 'elsewhere');
unlike($r->header('Content-Type'), qr/json/, 'errors are as ever');

# cache in front

$fake->reset;
$r = post('/cached', 'x cached');
answer_is($r, 200, '{"output":"cached"}', 'proxy_cache, miss');
is($r->header('X-Cache'), 'MISS', 'miss');
$r = post('/cached', 'x cached');
answer_is($r, 200, '{"output":"cached"}', 'proxy_cache, hit');
is($r->header('X-Cache'), 'HIT', 'hit');
is($fake->runs, 1, 'run once');

$fake->reset;
post('/not_cached', 'x plain') for 1 .. 2;
is($fake->runs, 2, 'not cached unless told so');

# subrequests

for my $uri ('/mirrored', '/mirror_of_page/a.txt') {
	$fake->reset;
	$r = $uri eq '/mirrored' ? post($uri, 'x mirror')
		: $t->http_get("$uri?languageType=python&variables={}"
			. '&code=x+mirror');
	is($r->status, 200, "$uri");
	my $runs = $uri eq '/mirrored' ? 2 : 1;
	ok($fake->wait_for(job => $runs), "$uri, run");
	is($fake->job->{code}, 'x mirror', "$uri, code");
	sleep 0.02;
	is($fake->runs, $runs, "$uri, no more");
}

answer_is($t->http_get('/ssi/one.txt'), 200, $output, 'SSI');
answer_is($t->http_get('/ssi/two.txt'), 200, join("\n|",
	map { qq({"output":"$_"}) } 'a' .. 'e'), 'five at once, in order');
answer_is($t->http_get('/ssi/set.txt'), 200, 'found', 'SSI in memory');
answer_is($t->http_get('/ssi/long.txt'), 200, 'long', 'SSI in memory, 20k');
$r = $t->http_get('/ssi/bad.txt');
is($r->status, 200, 'errors in SSI');
like($r->body, qr/\|end$/, 'the page goes on');
ok($r->complete, 'to its end');

# filters

$r = post('/gzip', 'long', headers => ['Accept-Encoding: gzip']);
is($r->header('Content-Encoding'), 'gzip', 'gzip');
my $body = $r->body;
gunzip(\$body, \my $plain);
is(length $plain, 20000 + length qq({"output":""}\n), 'gunzip');

$r = post('/gzip_denied', 'x', headers => ['Accept-Encoding: gzip']);
is($r->status, 403, 'gzip of an error');
$body = $r->body;
gunzip(\$body, \$plain);
is($plain, qq({"error":"Forbidden"}\n), 'gunzip of an error');

error_is(post('/check'), 500, 'Internal Server Error',
	'an auth_request that runs code');
$r = post('/slash');
is($r->status, 301, 'a slash is added');
like($r->header('Location'), qr{/slash/$}, 'to the location');

$r = post('/headers');
like($r->header('X-Id'), qr/^[0-9a-f-]{36}$/, 'add_header with a variable');
$r = $t->http_post('/headers', 'x');
error_is($r, 400, 'Invalid JSON', 'add_header, no run');

answer_is(post('/rewritten'), 200, $output, 'rewrite');
answer_is(post('/if?run=1'), 200, $output, 'if');
is(post('/if')->status, 404, 'if not');

$t->done_testing;
