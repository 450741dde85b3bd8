#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Variables, as the access log shows them.

use v5.36;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::FakeSandbox;

my $t = Test::Codeexec->new;

$t->write_conf(<<'EOC');
    log_format run '$http_x_name|$status|$codeexec_status|$codeexec_id|'
                   '$codeexec_language|$codeexec_run_time|'
                   '$codeexec_cpu_time|$codeexec_memory|'
                   '$codeexec_queue_time|$codeexec_exit_code';
    log_format missing '$http_x_name|$codeexec_missing';
    log_format peers '$http_x_name|$upstream_status|$upstream_addr';
    access_log %%TESTDIR%%/missing.log missing if=$codeexec_missing;
    access_log %%TESTDIR%%/access.log run;
    access_log %%TESTDIR%%/peers.log peers;

    upstream sandbox {
        server unix:%%SOCK%%;
        server unix:%%SOCK_other%% backup;
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;

        location /runcode { codeexec_pass unix:%%SOCK%%; }
        location /other { codeexec_pass sandbox; }
        location /quick {
            codeexec_pass unix:%%SOCK%%;
            codeexec_read_timeout 50ms;
        }
        location /dead { codeexec_pass unix:%%SOCK_dead%%; }
        location /page {
            codeexec_pass unix:%%SOCK_dead%%;
            error_page 502 /outside;
        }
        location /header {
            add_header X-Run "$codeexec_status $codeexec_id" always;
            codeexec_pass unix:%%SOCK%%;
        }
        location /outside { return 200 "outside\n"; }
    }
EOC

my @usage = (time_us => 1234567, cpu_us => 78900, queue_us => 5000,
	memory_kb => 4321);
my %answer = (
	ok => sub { answer(@usage, stdout => 'x') },
	error => sub { answer(@usage, status => 'error', exit_code => 3) },
	signal => sub { answer(@usage, status => 'signal', exit_code => undef,
		signal => 9) },
	timeout => sub { answer(@usage, status => 'timeout',
		exit_code => undef) },
	memory => sub { answer(@usage, status => 'memory',
		exit_code => undef) },
	long => sub { answer(time_us => 3600 * 1e6, queue_us => 0,
		cpu_us => 999, memory_kb => 4194304, stdout => 'x') },
	busy => sub { busy() },
	reject => sub { reject('language') },
);

my $fake = $t->fake(script => sub ($c, $job) {
	return $c->close if $job->{code} eq 'die';
	return $c->eof if $job->{code} eq 'hang';
	$c->send(($answer{$job->{code}}
		// sub { answer(@usage, status => 'error', stderr => $job->{code}) })
		->());
});

$t->fake(name => 'other', script => sub ($c, $job) {
	$c->send($answer{ok}->());
});
$t->dead_socket('dead');
$t->run;

my $n = 0;

# The line that a request logged, without its name.

sub logged ($uri, $code, %data) {
	my $name = 'request' . ++$n;

	$t->http_post_json($uri, { code => $code, execution_id => 'the.id',
		%data }, headers => ["X-Name: $name"]);
	return logged_line($name);
}

sub logged_line ($name) {
	return wait_until(2, sub {
		$t->read_file('access.log') =~ /^$name\|(.*)\n/m ? $1 : undef;
	});
}

my $usage = '1.234|0.078|4321|0.005';

is(logged('/runcode', 'ok'), "200|ok|the.id|python|$usage|0", 'ok');
is(logged('/runcode', 'error'), "200|error|the.id|python|$usage|3", 'error');
is(logged('/runcode', 'signal'), "200|signal|the.id|python|$usage|-",
	'signal');
is(logged('/runcode', 'timeout'), "504|timeout|the.id|python|$usage|-",
	'timeout');
is(logged('/runcode', 'memory'), "200|memory|the.id|python|$usage|-",
	'memory');
is(logged('/runcode', 'long'), '200|ok|the.id|python|3600.000|0.000|4194304|'
	. '0.000|0', 'large and small');
is(logged('/runcode', 'ok', languageType => 'JS'),
	"200|ok|the.id|nodejs|$usage|0", 'canonical language');
like(logged('/runcode', 'ok', execution_id => undef),
	qr/^200\|ok\|[0-9a-f-]{36}\|python\|/, 'an id that was made');

my $none = '-|-|-|-|-';

is(logged('/runcode', 'busy'), "503|busy|the.id|python|$none", 'busy');
is(logged('/runcode', 'reject'), "400|rejected|the.id|python|$none",
	'rejected');
is(logged('/other', 'busy'), "200|ok|the.id|python|$usage|0",
	'busy, and then another');
is(logged('/runcode', 'die'), "502|-|the.id|python|$none", 'died');
is(logged('/quick', 'hang'), "504|-|the.id|python|$none", 'read timeout');
is(logged('/dead', 'ok'), "502|-|the.id|python|$none", 'refused');

like(logged('/runcode', 'ok', args => 1), qr/^400\|-\|.*\|\Q$none\E$/,
	'invalid');
like(logged('/page', 'ok'), qr/^(?:200|502)\|-\|.*\|\Q$none\E$/,
	'after an internal redirect');

logged('/other', 'busy');
like($t->read_file('peers.log'), qr/^request$n\|503, 200\|unix:\S+, unix:\S+$/m,
	'a busy peer is logged as such');

# What is missing, by the line that the runtimes write

my $missing = 'is installed here. Whoever';
my $python = qq(No package with a module "a_b.c" $missing);

sub missed ($code) {
	logged('/runcode', $code);
	return $t->read_file('missing.log') =~ /^request$n\|(.*)\n/m ? $1 : undef;
}

is(missed("x\n$python\n"), 'a_b.c', 'a module is missing');
is(missed(qq(No package "\@a/b-c" $missing\nError\n)), '@a/b-c', 'a package is');
is(missed(qq(No package "one" $missing\n$python\n)), 'a_b.c', 'the last one');
is(missed("$python\n" . 'x' x 10_000), 'a_b.c', 'before the rest');
is(missed($_), undef, 'none: ' . substr $_, 0, 30) for 'ok', 'error',
	"x$python", "$python\n" . 'x' x 20_000, 'No package "', 'No package "a',
	'No package "a" is installed here.', qq(No package "" $missing),
	qq(No package "a b" $missing), qq(No package "a\"" $missing),
	qq(No package "\x{e9}" $missing), qq(No package "a\n" $missing),
	qq(No package "@{['x' x 215]}" $missing);
is(length missed(qq(No package "@{['x' x 214]}" $missing)), 214, 'a long name');

$t->http_get('/outside', headers => ['X-Name: outside']);
is(logged_line('outside'), "200|-|-|-|$none", 'in another location');

$t->http($t->request(PUT => '/runcode', headers => ['X-Name: put']));
is(logged_line('put'), "405|-|-|-|$none", 'another method');

is($t->http_post_json('/header', { code => 'ok', execution_id => 'i' })
	->header('X-Run'), 'ok i', 'in a header');
is($t->http_post_json('/header', { code => 'error', execution_id => 'i' })
	->header('X-Run'), 'error i', 'in a header, error');

my $s = $t->connect;
write_all($s, $t->request(POST => '/runcode', headers => ['X-Name: abort'],
	body => '{"code":"hang","execution_id":"i"}'));
$fake->wait_for(job => $fake->runs);
wait_until(2, sub { $fake->job->{id} eq 'i' && $fake->job->{code} eq 'hang' });
close $s;
is(logged_line('abort'), "499|-|i|python|$none", 'client abort');

$t->done_testing;
