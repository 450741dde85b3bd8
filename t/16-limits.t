#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Every limit, from both sides.

use v5.36;
use utf8;

use Test::More;
use Time::HiRes qw/time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::FakeSandbox;

my $t = Test::Codeexec->new;

$t->write_conf(<<'EOC');
    upstream sandbox { server unix:%%SOCK%% max_fails=0; keepalive 2; }

    client_max_body_size 100k;
    large_client_header_buffers 4 32k;
    codeexec_timeout 3s;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        codeexec_max_code_size 1000;
        codeexec_max_stdin_size 2000;
        codeexec_max_variables_size 300;

        location /default { codeexec_pass sandbox; codeexec_max_code_size 1m; }

        location /runcode {
            codeexec_pass sandbox;
            codeexec_max_response_size 5000;
            codeexec_read_timeout 600ms;
        }

        location /times {
            codeexec_pass sandbox;
            codeexec_timeout 1500ms;
            codeexec_max_timeout 2500ms;

            location /times/inner {
                codeexec_pass sandbox;
                codeexec_timeout 100ms;
            }
        }

        location /body {
            codeexec_pass sandbox;
            client_max_body_size 200;
        }
    }

    server {
        listen 127.0.0.1:%%PORT_1%%;
        client_max_body_size 100m;

        location /runcode { codeexec_pass sandbox; }
    }
EOC

my $fake = $t->fake(script => sub ($c, $job) {
	my ($how, $n) = split ' ', $job->{code} || 'none';

	return $c->eof if $how eq 'hang';
	return $c->send(reject(too_large => 'code is too large'))
		if $how eq 'too_large';
	return $c->send(reject(job => 'no such thing')) if $how eq 'job';
	return $c->send(reject(other => 'what')) if $how eq 'other';
	return $c->send(answer(stderr => 'y' x $n, status => 'error',
		exit_code => 1)) if $how eq 'stderr';
	return $c->send(answer(files => [[a => 'z' x $n]])) if $how eq 'file';
	return $c->send(answer(stdout => 'x' x $n)) if $how eq 'stdout';
	return $c->send(answer(stdout => [('x') x $n])) if $how eq 'frames';
	return $c->dribble(answer(stdout => 'x' x 100), [1 .. 9], 0.1)
		if $how eq 'steady';

	$c->send(answer(stdout => 'ok'));
});

$t->run;

my $output = '{"output":"ok"}';

sub post ($data, $uri = '/runcode', %arg) {
	return $t->http_post_json($uri, $data, %arg);
}

sub get ($query, $uri = '/runcode') {
	return $t->http_get("$uri?languageType=python&$query");
}

# sizes of members: code, in bytes

answer_is(post({ code => 'x' x 1000 }), 200, $output, 'code of 1000');
error_is(post({ code => 'x' x 1001 }), 413,
	'"code" is larger than 1000 bytes', 'code of 1001');
answer_is(post({ code => 'é' x 500 }), 200, $output, 'code of 500 x 2');
error_is(post({ code => 'é' x 500 . 'x' }), 413,
	'"code" is larger than 1000 bytes', 'code of 500 x 2 + 1');
answer_is(post('{"code":"' . '\u0061' x 1000 . '"}'), 200, $output,
	'code of 1000 escapes');
answer_is(get('variables={}&code=' . '%61' x 1000), 200, $output,
	'GET, code of 1000');
error_is(get('variables={}&code=' . '%61' x 1001), 413,
	'"code" is larger than 1000 bytes', 'GET, code of 1001');

# stdin

answer_is(post({ code => '', stdin => 'x' x 2000 }), 200, $output,
	'stdin of 2000');
error_is(post({ code => '', stdin => 'x' x 2001 }), 413,
	'"stdin" is larger than 2000 bytes', 'stdin of 2001');
error_is(get('variables={}&code=1&stdin=' . 'x' x 2001), 413,
	'"stdin" is larger than 2000 bytes', 'GET, stdin of 2001');

# variables: {"a":"xx"} is 8 bytes more than its x

answer_is(post('{"variables":{"a":"' . 'x' x 292 . '"}}'), 200, $output,
	'variables of 300');
error_is(post('{"variables":{"a":"' . 'x' x 293 . '"}}'), 413,
	'"variables" is larger than 300 bytes', 'variables of 301');
error_is(get('code=1&variables={"a":"' . 'x' x 293 . '"}'), 413,
	'"variables" is larger than 300 bytes', 'GET, variables of 301');

# the defaults

my $meg = 1 << 20;

for my $case ([code => {}], [stdin => { code => '' }]) {
	my ($name, $more) = @$case;

	answer_is(post({ %$more, $name => 'x' x $meg }, '/runcode',
		port => $t->port(1)), 200, $output, "$name of 1m");
	error_is(post({ %$more, $name => 'x' x ($meg + 1) }, '/runcode',
		port => $t->port(1)), 413,
		"\"$name\" is larger than 1048576 bytes", "$name of 1m + 1");
}

error_is(post('{"variables":{"a":"' . 'x' x $meg . '"}}', '/runcode',
	port => $t->port(1)), 413, '"variables" is larger than 1048576 bytes',
	'variables of more than 1m');

# the body

answer_is(post(body(200), '/body'), 200, $output, 'body of 200');
error_is(post(body(201), '/body'), 413, 'Request Entity Too Large',
	'body of 201');
error_is(post(body(201), '/body', chunked => 50), 413,
	'Request Entity Too Large', 'chunked body of 201');
error_is(post(body(100 * 1024 + 1), '/default'), 413,
	'Request Entity Too Large', 'client_max_body_size of http');

sub body ($size) { return '{"code":""' . ' ' x ($size - 11) . '}' }

# time limits of a run

sub sent ($data, $uri) {
	$fake->reset;
	is(post($data, $uri)->status, 200, "run at $uri");
	return ($fake->job // {})->{job}{timeout_ms};
}

is(sent({ code => '' }, '/default'), 3000, 'codeexec_timeout of http');
is(sent({ code => '' }, '/times'), 1500, 'codeexec_timeout');
is(sent({ code => '' }, '/times/inner'), 100, 'codeexec_timeout, inner');
is(sent({ code => '', timeout => 2.5 }, '/times'), 2500, 'the largest');
is(sent({ code => '', timeout => 2.5 }, '/times/inner'), 2500,
	'the largest, inherited');
is(sent({ code => '', timeout => 60 }, '/default'), 60000,
	'the largest by default');

my $range = '"timeout" must be a number between 0.001 and ';
error_is(post({ timeout => 2.501 }, '/times'), 400,
	qr/^\Q$range\E2\.50*$/, 'above the largest');
error_is(post({ timeout => 60.001 }, '/default'), 400, $range . '60',
	'above the largest by default');
error_is(post({ timeout => 0 }, '/times'), 400, qr/^\Q$range\E2\.50*$/,
	'zero');

# answers

answer_is(post({ code => 'stdout 4000' }), 200,
	'{"output":"' . 'x' x 4000 . '"}', 'response of 4000');

for my $what (qw/stdout stderr file/) {
	error_is(post({ code => "$what 5001" }), 502, 'Bad Gateway',
		"$what of 5001");
	error_is(post({ code => "$what 200000" }), 502, 'Bad Gateway',
		"$what of 200000");
}

error_is(post({ code => "frames 5001" }), 502, 'Bad Gateway',
	'5001 frames of one byte');
answer_is(post({ code => 'stdout 60000' }, '/default'), 200,
	'{"output":"' . 'x' x 60000 . '"}', 'response of 60000');

# waiting for codeexecd

$fake->reset;
my $begin = time;
error_is(post({ code => 'hang' }), 504, 'Gateway Timeout', 'read timeout');
cmp_ok(time - $begin, '<', 1, 'in time');

# Connections of requests before this one may end late, and idle.

ok(wait_until(3, sub {
	grep { $_->{state} eq 'run' } $fake->events('eof');
}), 'run was closed');
answer_is(post({ code => 'steady' }), 200, '{"output":"' . 'x' x 100 . '"}',
	'the time is that between two reads');

# what codeexecd refuses

error_is(post({ code => 'too_large' }), 413, 'code is too large',
	'too large for codeexecd');
error_is(post({ code => 'job' }), 400, 'no such thing', 'bad for codeexecd');

answer_is(post({ code => '' }), 200, $output, 'still well');

$t->expect_log(qr/client intended to send too large/);
$t->done_testing;
