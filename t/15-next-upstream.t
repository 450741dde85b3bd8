#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Which requests go to another codeexecd, and which never do: nothing is run
# twice unless the configuration asks for it.

use v5.36;

use Test::More;
use Time::HiRes qw/time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::FakeSandbox;

my $t = Test::Codeexec->new;

$t->write_conf(<<'EOC');
    upstream dead_first {
        server unix:%%SOCK_dead%%;
        server unix:%%SOCK_good%% backup;
    }

    upstream bad_first {
        server unix:%%SOCK_bad%% max_fails=0;
        server unix:%%SOCK_good%% backup;
    }

    upstream balanced {
        server unix:%%SOCK_bad%%;
        server unix:%%SOCK_good%%;
    }

    upstream all_bad {
        server unix:%%SOCK_bad%%;
        server unix:%%SOCK_bad2%%;
        server unix:%%SOCK_bad3%%;
    }

    upstream dead_and_bad {
        server unix:%%SOCK_dead%%;
        server unix:%%SOCK_bad%% backup;
    }

    upstream bad_and_dead {
        server unix:%%SOCK_bad%%;
        server unix:%%SOCK_dead%% backup;
    }

    upstream rude_first {
        server unix:%%SOCK_rude%% max_fails=0;
        server unix:%%SOCK_good%% backup;
    }

    upstream all_dead {
        server unix:%%SOCK_dead%%;
        server unix:%%SOCK_dead2%%;
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        codeexec_read_timeout 100ms;

        location /dead { codeexec_pass dead_first; }
        location /bad { codeexec_pass bad_first; }
        location /balanced { codeexec_pass balanced; }
        location /all_bad { codeexec_pass all_bad; }
        location /dead_and_bad { codeexec_pass dead_and_bad; }
        location /bad_and_dead { codeexec_pass bad_and_dead; }
        location /rude { codeexec_pass rude_first; }
        location /all_dead { codeexec_pass all_dead; }

        location /off {
            codeexec_pass bad_first;
            codeexec_next_upstream off;
        }

        location /error_only {
            codeexec_pass bad_first;
            codeexec_next_upstream error;
        }

        location /again {
            codeexec_pass bad_first;
            codeexec_next_upstream error timeout invalid_header busy
                                   non_idempotent;
        }

        location /invalid {
            codeexec_pass bad_first;
            codeexec_next_upstream error timeout invalid_header busy;
        }

        location /tries {
            codeexec_pass all_bad;
            codeexec_next_upstream_tries 2;
        }

        location /time {
            codeexec_pass all_bad;
            codeexec_next_upstream_timeout 30ms;
        }

        location /variable { codeexec_pass $arg_to; }
        location /socket { codeexec_pass unix:%%TESTDIR%%/$arg_to.sock; }
    }
EOC

my $script = sub ($c, $job) {
	my $how = $job->{code};

	$c->send(busy(retry_after => 7)) if $how eq 'busy';
	select(undef, undef, undef, 0.05), $c->send(busy())
		if $how eq 'later busy';
	$c->send(reject('language')) if $how eq 'reject';
	$c->send("garbage!"), $c->eof if $how eq 'garbage';
	$c->send(substr answer(stdout => 'x'), 0, 20) if $how eq 'cut';
	$c->send(answer(status => 'error', exit_code => 1, stderr => 'e'))
		if $how eq 'error';
	$c->send(answer(status => 'timeout', stdout => 'p',
		exit_code => undef)) if $how eq 'timeout';
	return $c->eof if $how eq 'hang';
	$c->close if $how =~ /^(?:close|cut)$/;
};

my $good = $t->fake(name => 'good', script => sub ($c, $job) {
	$c->send(answer(stdout => 'good'));
});
my @bad = map { $t->fake(name => $_, script => $script) } qw/bad bad2 bad3/;
my $bad = $bad[0];

$t->dead_socket($_) for qw/dead dead2/;
$t->run;

sub post ($uri, $code = 'x') {
	$_->reset for $good, @bad;
	return $t->http_post_json($uri, { code => $code });
}

sub get ($uri, $code = 'x') {
	$_->reset for $good, @bad;
	return $t->http_get("$uri?languageType=python&variables={}&code=$code");
}

# How often code was handed to the bad and to the good one.

sub runs_are ($bad_runs, $good_runs, $name) {
	is(join(' ', $bad->runs, $good->runs), "$bad_runs $good_runs", $name);
}

my $output = '{"output":"good"}';
my $busy = 'Server is busy, try again later';

# refused: nothing was sent

answer_is(post('/dead'), 200, $output, 'POST, refused');
answer_is(get('/dead'), 200, $output, 'GET, refused');
error_is(post('/all_dead'), 502, 'Bad Gateway', 'all refused');
error_is(post('/all_dead'), 502, 'Bad Gateway', 'no live upstreams');

# busy: nothing was started

answer_is(post('/bad', 'busy'), 200, $output, 'POST, busy');
runs_are(1, 1, 'asked one and ran at the other');
answer_is(get('/bad', 'busy'), 200, $output, 'GET, busy');
runs_are(1, 1, 'asked one and ran at the other');

my $asked = 0;

for (1 .. 6) {
	my $r = post('/balanced', 'busy');
	$asked += $bad->runs;
	answer_is($r, 200, $output, 'busy, balanced');
}

is($asked, 3, 'a busy codeexecd is asked again and again');

for my $n (1 .. 3) {
	my $r = post('/all_bad', 'busy');
	error_is($r, 503, $busy, "all busy, $n");
	is($r->header('Retry-After'), 7, 'Retry-After of codeexecd');
	is(join(' ', map { $_->runs } @bad), '1 1 1', 'each was asked');
}

error_is(post('/dead_and_bad', 'busy'), 503, $busy, 'refused, then busy');
my $r = post('/bad_and_dead', 'busy');
error_is($r, 503, $busy, 'busy, then refused');
is($r->header('Retry-After'), 7, 'Retry-After of the busy one');
error_is(post('/off', 'busy'), 503, $busy, 'busy, off');
runs_are(1, 0, 'not tried elsewhere');
error_is(post('/error_only', 'busy'), 503, $busy, 'busy, only error');
runs_are(1, 0, 'not tried elsewhere');

error_is(post('/tries', 'busy'), 503, $busy, 'codeexec_next_upstream_tries');
my $tried = 0;
$tried += $_->runs for @bad;
is($tried, 2, 'two were tried');

error_is(post('/time', 'later busy'), 503, $busy,
	'codeexec_next_upstream_timeout');
$tried = 0;
$tried += $_->runs for @bad;
is($tried, 1, 'one was tried');

# Not all of the job was sent, so it cannot have been run: a large one, and a
# codeexecd that does not read it.

my $large = 'x' x 1000000;
my $rude = sub ($greet) {
	my $fake = $t->fake(name => 'rude', greet => $greet);
	my $r = post('/rude', $large);
	is($fake->runs, 0, 'never had all of it');
	$fake->stop;
	return $r;
};

answer_is($rude->(sub ($c) { $c->close }), 200, $output,
	'closed while the job was sent');
answer_is($rude->(sub ($c) { $c->send(busy()); $c->idle }), 200, $output,
	'busy while the job was sent');
error_is($rude->(sub ($c) { $c->send(answer(stdout => 'x')); $c->idle }), 502,
	'Bad Gateway', 'a result before the job was sent');
is($good->runs, 0, 'not run again');

# sent, and then who knows: never run twice

for my $case ([close => 502, 'Bad Gateway'], [cut => 502, 'Bad Gateway'],
	[garbage => 502, 'Bad Gateway'], [hang => 504, 'Gateway Timeout'])
{
	my ($how, $status, $error) = @$case;

	for my $uri ('/bad', '/invalid') {
		error_is(post($uri, $how), $status, $error, "POST $uri, $how");
		runs_are(1, 0, 'not run again');
		error_is(get($uri, $how), $status, $error, "GET $uri, $how");
		runs_are(1, 0, 'not run again');
	}

	# but when asked for

	answer_is(post('/again', $how), 200, $output,
		"non_idempotent POST, $how");
	runs_are(1, 1, 'run again');
	answer_is(get('/again', $how), 200, $output,
		"non_idempotent GET, $how");
	runs_are(1, 1, 'run again');
}

# answers

error_is(post('/again', 'reject'), 400, 'Unsupported language', 'reject');
runs_are(1, 0, 'is final');
answer_is(post('/again', 'error'), 200, '{"error":"e","output":""}', 'error');
runs_are(1, 0, 'is final');
answer_is(post('/again', 'timeout'), 504,
	'{"error":"Code execution timed out","output":"p"}', 'timeout');
runs_are(1, 0, 'is final');

# the target in a variable

answer_is($t->http_post_json('/variable?to=dead_first', { code => 'x' }),
	200, $output, 'name of an upstream in a variable');
answer_is($t->http_post_json('/socket?to=good', { code => 'x' }), 200,
	$output, 'path of a socket in a variable');
is($t->http_post_json('/variable?to=unknown:9000', { code => '' })->status, 502,
	'unknown name in a variable');
is($t->http_post_json('/variable?to=', { code => '' })->status, 500,
	'empty variable');

$t->done_testing;
