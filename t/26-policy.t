#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Screening, as the front has it: which rules codeexecd gets, what becomes of
# a rejection, and what is refused without asking it.

use v5.36;
use utf8;

use JSON::PP ();
use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::FakeSandbox;

my $t = Test::Codeexec->new;
my $json = JSON::PP->new->canonical;
my $true = JSON::PP::true;

$t->write_conf(<<'EOC');
    upstream sandbox { server unix:%%SOCK%% max_fails=0; keepalive 2; }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        client_max_body_size 4m;
        codeexec_max_code_size 4m;

        location / { codeexec_api native; codeexec_pass sandbox; }
    }
EOC

# The code says what is answered.

my $fake = $t->fake(script => sub ($c, $job) {
	my %answer = eval $job->{code};
	$c->send($answer{raw} // answer(%answer));
});

$t->run;

sub post ($uri, $code, %member) {
	return $t->http_post_json($uri, { code => $code, %member });
}

sub options () { return $fake->job->{job}{options} }

# A run that was rejected with that claim.

sub rejected ($claim) {
	my $text = ref $claim ? $json->encode($claim) : $claim;

	return "(status => 'error', exit_code => 1, stderr => 'as told', "
		. "shown => [['\@rejected', q\0$text\0]])" =~ s/\0/~/gr;
}

my %policy = (kind => 'policy', line => 2, message => 'm', lines => [
	{ line => 2, message => 'No "os"', rule => 'import', name => 'os' },
	{ line => 5, message => "No \x{e9}" }, { line => undef, message => 'x' },
	{ line => -1, message => 'y' } ]);
my %syntax = (kind => 'syntax', line => 3, column => 2, message => 'bad',
	text => 'a b', lines => [ { line => 3, message => 'bad' } ]);

###############################################################################

# validate

my $r = post('/validate', '()');

answer_is($r, 200, '{"valid":true}', 'a program');
is_deeply(options(), { claims => $true, check => $true }, 'what is asked for');
ok(!exists $fake->job->{job}{collect}, 'and no files');

post('/validate', '()', results => $true, last_value => $true);
is_deeply(options(), { results => $true, last_value => $true,
	check => $true }, 'as it would be run');

answer_is(post('/validate', rejected(\%syntax)), 200,
	'{"valid":false,"error":"bad","line":3,'
	. '"errors":[{"error":"bad","line":3}]}', 'no program');
answer_is(post('/validate', rejected(\%policy)), 200,
	'{"valid":false,"error":"No \"os\"","line":2,"errors":['
	. '{"error":"No \"os\"","line":2},{"error":"No '
	. "\xc3\xa9" . '","line":5},'
	. '{"error":"x","line":null},{"error":"y","line":null}]}', 'rules');
answer_is(post('/validate', "(status => 'memory', exit_code => undef)"), 200,
	'{"valid":false,"error":"Memory limit exceeded","line":null}',
	'too much of it');
answer_is(post('/validate', "(status => 'timeout', exit_code => undef)"), 200,
	'{"valid":false,"error":"Code execution timed out","line":null}',
	'too long');
answer_is(post('/validate', "(status => 'error', exit_code => 3)"), 200,
	'{"valid":false,"error":"Process exited with code 3","line":null}',
	'without a word');
error_is(post('/validate', '(raw => busy())'), 503,
	'Server is busy, try again later', 'busy');
error_is(post('/validate', "(raw => reject('language'))"), 400,
	'Unsupported language', 'no such language');
error_is($t->http_post_json('/validate', '{"code":1}'), 400,
	'"code" must be a string', 'a bad request');
error_is($t->http_get('/validate'), 405, 'Method Not Allowed', 'GET');

# Claims that make no sense are no rejection.

for my $claim ('{}', '[]', '"x"', '{"kind":"policy"}',
	'{"kind":"policy","lines":[]}', '{"kind":"policy","lines":{}}',
	'{"kind":1,"lines":[{"line":1,"message":"x"}]}',
	'{"kind":"policy","lines":[{"line":1}]}',
	'{"kind":"policy","lines":["x"]}',
	'{"kind":"policy","lines":[{"line":1,"message":2}]}',
	'{"kind":"policy","lines":[{"message":"\u0000"}]}',
	'{"kind":"policy","lines":[' . join(',', ('{"message":"x"}') x 1001)
		. ']}',
	'{"kind":"policy","lines":[{"message":"' . 'x' x 1048576 . '"}]}')
{
	answer_is(post('/validate', rejected($claim)), 200, '{"valid":false,'
		. '"error":"Process exited with code 1","line":null}',
		substr $claim, 0, 40);
}

answer_is(post('/validate', rejected('{"kind":"other","lines":[{"line":"x",'
	. '"message":"m","name":1}],"column":"c","text":[]}')), 200,
	'{"valid":false,"error":"m","line":null,'
	. '"errors":[{"error":"m","line":null}]}', 'some of it makes no sense');

# A program that was not to be screened has no say in it.

answer_is(post('/runcode', rejected(\%policy)), 200,
	'{"error":"as told","output":""}', 'not asked for');
answer_is(post('/runcode', rejected(\%policy), results => $true), 200,
	'{"error":"as told","output":"","results":[]}',
	'not asked for, with results');
answer_is(post('/validate', rejected(\%policy) =~ s/'error'/'ok'/r), 200,
	'{"valid":true}', 'of a run that was none');

$t->done_testing;
