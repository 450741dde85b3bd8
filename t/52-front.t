#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Other modules of nginx around real runs: a check of each.

use v5.36;

use Test::More;
use Time::HiRes qw/sleep/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Real;

my $t = Test::Codeexec::Real->start(spare => 3, conf => { runs => 3 },
	http => <<'EOC');
	limit_req_zone $server_port zone=req:64k rate=1r/m;
	limit_conn_zone $server_port zone=conn:64k;
	proxy_cache_path %%TESTDIR%%/cache keys_zone=cache:64k levels=1;
	log_format run '$uri $status $codeexec_status $codeexec_language '
	    '$codeexec_exit_code $codeexec_run_time $codeexec_memory';
	access_log %%TESTDIR%%/access.log run;

	upstream sandbox { server unix:%%SOCK%%; keepalive 4; }

	server {
	    listen 127.0.0.1:%%PORT_0%%;

	    location /runcode { codeexec_pass sandbox; }
	    location /limit_req {
	        limit_req zone=req;
	        limit_req_status 429;
	        codeexec_pass sandbox;
	    }
	    location /limit_conn { limit_conn conn 1; codeexec_pass sandbox; }
	    location /basic {
	        auth_basic "runs";
	        auth_basic_user_file %%TESTDIR%%/users;
	        codeexec_pass sandbox;
	    }
	    location /request { auth_request /check; codeexec_pass sandbox; }
	    location = /check { if ($http_token != good) { return 403; } return 204; }
	    location /page {
	        codeexec_intercept_errors on;
	        error_page 504 = /too_slow;
	        codeexec_pass sandbox;
	    }
	    location = /too_slow { return 200 "too slow"; }
	    location /cached {
	        proxy_pass http://127.0.0.1:%%PORT_0%%/runcode;
	        proxy_cache cache;
	        proxy_cache_methods POST;
	        proxy_cache_key $request_body;
	        proxy_cache_valid 200 1m;
	        proxy_ignore_headers Cache-Control;
	        add_header X-Cache $upstream_cache_status;
	    }
	    location /mirrored { mirror /copy; codeexec_pass sandbox; }
	    location /copy { internal; codeexec_pass sandbox; }
	    location /ssi { ssi on; ssi_types text/plain; root %%TESTDIR%%; }
	    location /gzip {
	        gzip on;
	        gzip_types application/json;
	        codeexec_pass sandbox;
	    }
	    location /small { client_max_body_size 1k; codeexec_pass sandbox; }
	}
EOC

$t->write_file('users', "me:{PLAIN}secret\n");
mkdir $t->dir . '/ssi';
my $get = '/runcode?languageType=python&variables={}&code=';
$t->write_file('ssi/page.txt', join '|', map {
	qq(<!--#include virtual="${get}print($_*$_)" -->) } 2 .. 6);

sub runs { return $t->state->{runs_started} }

sub at ($uri, $code = 'print(6*7)', %arg) {
	return $t->http_post_json($uri, { code => $code }, %arg);
}

my $answer = '{"output":"42\n"}';

answer_is(at('/limit_req'), 200, $answer, 'limit_req, the first');
my $before = runs();
my $r = at('/limit_req');
error_is($r, 429, 'Too Many Requests', 'limit_req, the second');
is($r->header('Retry-After'), 1, 'when to come back');
is(runs(), $before, 'it was not run');

{
	local $t->{uri} = '/limit_conn';
	my $s = $t->send_code("import time\ntime.sleep(0.5)\nprint('x')");
	wait_until(3, sub { $t->state->{running} });
	$before = runs();
	error_is(at('/limit_conn'), 503, 'Service Unavailable', 'limit_conn');
	is(runs(), $before, 'it was not run');
	answer_is($t->receive($s), 200, '{"output":"x\n"}', 'the first one');
	close $s;
	ok(wait_until(3, sub { at('/limit_conn')->status == 200 }),
		'and the next');
}

$before = runs();
error_is(at('/basic'), 401, 'Unauthorized', 'auth_basic');
error_is(at('/request'), 403, 'Forbidden', 'auth_request');
is(runs(), $before, 'they were not run');
answer_is(at('/basic', 'print(6*7)',
	headers => ['Authorization: Basic bWU6c2VjcmV0']), 200, $answer,
	'auth_basic, good');
answer_is(at('/request', 'print(6*7)', headers => ['Token: good']), 200,
	$answer, 'auth_request, good');

{
	local $t->{uri} = '/page';
	answer_is($t->post('while True: pass', timeout => 0.2), 200, 'too slow',
		'error_page');
	answer_is($t->post('print(6*7)'), 200, $answer, 'error_page, not used');
}

$before = runs();
my $draw = 'import random; print(random.random())';
my $first = at('/cached', $draw);
my $second = at('/cached', $draw);
is($first->header('X-Cache'), 'MISS', 'proxy_cache, miss');
is($second->header('X-Cache'), 'HIT', 'proxy_cache, hit');
is($second->body, $first->body, 'the same answer');
is(runs(), $before + 1, 'run once');

$before = runs();
answer_is(at('/mirrored'), 200, $answer, 'mirror');
ok(wait_until(3, sub { runs() == $before + 2 }), 'run twice');

answer_is($t->http_get('/ssi/page.txt'), 200, join("\n|", map {
	'{"output":"' . $_ * $_ . '\n"}' } 2 .. 6), 'five runs on a page');

$r = at('/gzip', 'print("x" * 100000)', headers => ['Accept-Encoding: gzip']);
is($r->header('Content-Encoding'), 'gzip', 'gzip');
cmp_ok(length $r->body, '<', 1000, 'smaller');

$before = runs();
error_is(at('/small', '#' x 2000), 413, 'Request Entity Too Large',
	'client_max_body_size');
is(runs(), $before, 'it was not run');

at('/runcode', 'raise SystemExit(3)');
at('/runcode', 'import os; os.kill(os.getpid(), 15)');
$t->post('import time; time.sleep(9)', timeout => 0.1);
my @log;
ok(wait_until(3, sub {
	@log = grep { m{^/runcode} } split /\n/, $t->read_file('access.log');
	grep { / timeout / } @log;
}), 'logged');
like($log[-3], qr{^/runcode 200 error python 3 0\.\d{3} \d+$}, 'an exit code');
like($log[-2], qr{^/runcode 200 signal python - 0\.\d{3} \d+$}, 'a signal');
like($log[-1], qr{^/runcode 504 timeout python - 0\.1\d\d \d+$}, 'a timeout');

$t->honest('still well');
$t->done_testing;
