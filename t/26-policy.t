#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Screening, as the front has it: which rules codeexecd gets, what becomes of
# a rejection, and what is refused without asking it.

use v5.36;
use utf8;

use JSON::PP ();
use Test::More;
use Time::HiRes ();

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

        location /rules/ {
            codeexec_api native;
            codeexec_pass sandbox;
            codeexec_deny_import os subprocess;
            codeexec_deny_import http.client;
            codeexec_deny_call eval os.system;

            location /rules/below/ {
                codeexec_pass sandbox;
                codeexec_deny_import off;
                codeexec_allow_import math;
            }
        }

        location /none/ {
            codeexec_api native;
            codeexec_pass sandbox;
            codeexec_allow_import none;
        }

        location /deny/ {
            codeexec_api native;
            codeexec_pass sandbox;
            codeexec_deny '^import\s+os' 'No "os" here';
            codeexec_deny '(?i)rm\s+-rf';
            codeexec_deny '\x{e9}+';
            codeexec_detail on;

            location /deny/below/ { codeexec_pass sandbox; }
            location /deny/off/ { codeexec_pass sandbox; codeexec_deny off; }
        }

        location /hard/ {
            codeexec_api native;
            codeexec_pass sandbox;
            codeexec_deny '(a+)+[!]';
            codeexec_deny '\w++[(]';
            codeexec_deny '(?:ab?|b)*[)]';
        }

        location /empty/ {
            codeexec_api native;
            codeexec_pass sandbox;
            codeexec_deny x* none;
            codeexec_deny 'a\Kb' K;
        }
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

###############################################################################

# Rules for the runtime

my %rules = (imports => [qw/os subprocess http.client/],
	calls => [qw/eval os.system/]);

answer_is(post('/rules/runcode', '()'), 200, '{"output":""}', 'a run');
is_deeply(options(), { claims => $true, screen => \%rules }, 'its rules');
post('/rules/runcode', '()', results => $true);
is_deeply(options(), { results => $true, screen => \%rules },
	'with results');
post('/rules/validate', '()');
is_deeply(options(), { claims => $true, check => $true, screen => \%rules },
	'of validate');
post('/rules/below/runcode', '()');
is_deeply(options(), { claims => $true, screen => { only => ['math'],
	calls => [qw/eval os.system/] } }, 'each is inherited by itself');
post('/none/runcode', '()');
is_deeply(options(), { claims => $true, screen => { only => [] } },
	'none at all');

error_is(post('/rules/runcode', rejected(\%policy)), 403,
	"Line 2: No \"os\"\nLine 5: No \xe9\nx\nLine -1: y", 'rejected');
answer_is(post('/rules/runcode', rejected(\%syntax)), 200,
	'{"error":"as told","output":""}', 'no program is an error as ever');
answer_is(post('/rules/runcode', rejected({ %policy, lines => [] })), 200,
	'{"error":"as told","output":""}', 'a bad claim');
answer_is(post('/rules/validate', rejected(\%syntax)), 200,
	'{"valid":false,"error":"bad","line":3,'
	. '"errors":[{"error":"bad","line":3}]}', 'validate, no program');

# Patterns

my $runs = $fake->runs;

error_is(post('/deny/runcode', "x\nimport  os"), 403, 'Line 2: No "os" here',
	'a message');
error_is(post('/deny/below/runcode', "\xe9\xe9 a\nRM -rf /\nimport os.path #\nrm -RF"),
	403, "Line 1: \"\xe9\xe9\" is not allowed\n"
	. "Line 2: \"RM -rf\" is not allowed\nLine 3: No \"os\" here\n"
	. 'Line 4: "rm -RF" is not allowed', 'all of them, in order');
error_is(post('/deny/runcode', "rm\n\n-rf"), 403, 'Line 1: "rm" is not allowed',
	'the first line of it');
error_is(post('/deny/runcode', "\x{e9}" x 100), 403, 'Line 1: "'
	. "\xe9" x 30 . '" is not allowed', 'the beginning of it');
error_is(post('/deny/runcode', 'a' . "\x{e9}" x 100), 403, 'Line 1: "'
	. "\xe9" x 30 . '" is not allowed', 'and no half a character');
error_is($t->http_get('/deny/runcode?languageType=python&variables={}&code='
	. uri_escape("import os")), 403, 'Line 1: No "os" here', 'GET');
answer_is(post('/deny/validate', "import os"), 200,
	'{"valid":false,"error":"No \"os\" here","line":1,'
	. '"errors":[{"error":"No \"os\" here","line":1}]}', 'validate');
is($fake->runs, $runs, 'nothing was run');

is(post('/deny/off/runcode', "# rm -rf\n()")->status, 200, 'off');
is(post('/deny/runcode', '()')->status, 200, 'no match');

my $many = $t->http_post_json('/deny/runcode', { code => "rm -rf\n" x 1000 });
is(scalar(() = $many->body =~ /Line/g), 500, 'not more than some');

# What takes long is refused, and what is only long is not.

my $long = 'The code takes too long to be screened';

for my $text ('a' x 1_000_000 . '!', ('a' x 30 . ' ') x 10_000 . '! (',
	'a' x 1_000_000 . ' (', 'ab' x 500_000 . 'c)', 'a' x 10_000 . ' (')
{
	my $name = substr($text, 0, 10) . ' ... ' . substr $text, -3;
	my $begin = Time::HiRes::time();
	my $r = post('/hard/runcode', $text);
	my $time = Time::HiRes::time() - $begin;

	is($r->status, 403, $name);
	like($r->body, qr/$long|not allowed/, "$name: refused");
	cmp_ok($time, '<', 10, sprintf '%s: %.3f s', $name, $time);
}

answer_is(post('/hard/runcode', "%{+{}}\n" . "# a text with words\n" x 20_000), 200,
	'{"output":""}', 'a long text');

error_is(post('/empty/runcode', "\x{e9}ab"), 403, "Line 1: none\n" x 4
	. 'Line 1: K', 'patterns that match nothing');

$t->done_testing;
