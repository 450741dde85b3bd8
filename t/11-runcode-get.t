#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# GET: how arguments are decoded.

use v5.36;
use utf8;

use JSON::PP ();
use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::FakeSandbox;

my $t = Test::Codeexec->new;
my $json = JSON::PP->new->utf8->canonical;

$t->write_conf(<<'EOC');
    upstream sandbox { server unix:%%SOCK%%; keepalive 2; }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        large_client_header_buffers 4 64k;

        location /runcode { codeexec_pass sandbox; }
        location /poor { codeexec_pass sandbox; codeexec_results off;
            codeexec_files off; }
    }
EOC

my $fake = $t->fake(script => sub ($c, $job) {
	return $c->send(reject('language'))
		if $job->{job}{language} ne 'python';
	$c->send(answer(stdout => 'ran'));
});

$t->run;

sub get ($query) { $t->http_get("/runcode?$query") }

sub job ($query, $name) {
	$fake->reset;
	answer_is(get($query), 200, '{"output":"ran"}', $name);
	return $fake->job // {};
}

# Text as a query argument: all but letters and digits in percent form.

sub escaped ($text) {
	utf8::encode($text);
	return uri_escape($text);
}

sub bytes ($text) {
	utf8::encode($text);
	return $text;
}

my $most = 'languageType=python&variables={}';

# the plain case

my $job = job("$most&code=print(1)", 'plain');
is($job->{code}, 'print(1)', 'code');
like($job->{vars}, qr/^(?:|\{\})$/, 'no variables');
is($job->{stdin}, '', 'no stdin');
is($job->{job}{language}, 'python', 'language');
is($job->{job}{timeout_ms}, 10000, 'timeout');
ok(@{ $job->{job}{collect} // [] }, 'collect');

# code: argument as it stands in the URI, and what must be run

my @code = (

	# percent and plus

	['print%281%29', 'print(1)', 'percent'],
	['a+b', 'a b', 'plus is a space'],
	['a%2Bb', 'a+b', 'escaped plus is a plus'],
	['a%20b', 'a b', '%20'],
	['a%0Ab', "a\nb", 'newline'],
	['a%26b%3Dc', 'a&b=c', 'ampersand'],
	['a%2541', 'a%41', 'decoded once'],
	['a=b==c', 'a=b==c', 'equal signs'],
	['%e6%bc%a2', '漢', 'lower case digits'],
	['%E6%BC%A2%F0%9F%98%80', '漢😀', 'UTF-8'],
	['a?b', 'a?b', 'question mark'],

	# quotes around

	['"print(1)"', 'print(1)', 'raw quotes'],
	['%22print(1)%22', 'print(1)', 'escaped quotes'],
	['"print(1)%22', 'print(1)', 'one of each'],
	['""', '', 'only quotes'],
	['%22%22', '', 'only escaped quotes'],
	['"a', '"a', 'only the first'],
	['a"', 'a"', 'only the last'],
	['"a"%2B"b"', '"a"+"b"', 'others between'],
	['%22a%22%2B%22b%22', '"a"+"b"', 'escaped others between'],
	['print("a")', 'print("a")', 'inside'],
	['\'a\'', "'a'", 'single quotes stay'],
	['"print(\'a\')"', "print('a')", 'single inside double'],
	['"a\nb"', "a\nb", 'quotes, then escapes'],

	# backslash escapes, here raw in the URI

	['a\nb', "a\nb", '\n'],
	['a\tb', "a\tb", '\t'],
	['a\rb', "a\rb", '\r'],
	['a\\\\b', 'a\\b', '\\\\'],
	['a\\\\nb', 'a\\nb', '\\\\n'],
	['a\\\\\nb', "a\\\nb", '\\\\ and \n'],
	["a\\'b", "a'b", "\\'"],
	['a\"b', 'a"b', '\"'],
	['a\a\b\f\vb', "a\a\b\f\x0bb", '\a \b \f \v'],
	['a\1b', "a\x01b", '\1'],
	['a\101b', 'aAb', '\101'],
	['a\60b', 'a0b', '\60'],
	['a\1018', 'aA8', 'three octal digits at most'],
	['a\18', "a\x{1}8", '8 is not octal'],
	['a\x41b', 'aAb', '\x41'],
	['a\x414', 'aA4', 'two hexadecimal digits'],
	['a\xe9b', 'aéb', '\xe9 is a character'],
	['a\u00e9b', 'aéb', '\u00e9'],
	['a\u6F22b', 'a漢b', '\u6F22'],
	['a\U0001F600b', 'a😀b', '\U0001F600'],
	['a\ud83d\ude00b', 'a😀b', 'surrogates'],
	['a\%0Ab', 'ab', 'line continuation'],
	['a\%0D%0Ab', "a\\\r\nb", 'backslash and CR'],
	['a%5Cnb', "a\nb", 'escaped backslash'],
	['%E6%BC%A2\n%E6%BC%A2', "漢\n漢", 'UTF-8 beside an escape'],
	['a\db', 'a\db', 'unknown escape'],
	['a\%20b', 'a\ b', 'backslash and space'],
	['a\%E6%BC%A2', 'a\漢', 'backslash and UTF-8'],
	['a\\', 'a\\', 'backslash at the end'],
	['a\x4', 'a\x4', 'short \x'],
	['a\u12', 'a\u12', 'short \u'],
	['a\xzz', 'a\xzz', 'no digits'],
	['a\N', 'a\N', '\N'],
	['a\U00110000', 'a\U00110000', 'beyond Unicode'],
	['a%zz%', 'a%zz%', 'stray percent'],

	# fences

	['```python\nprint(1)\n```', 'print(1)', 'fence'],
	['"```%0Aprint(1)%0A```"', 'print(1)', 'fence in quotes'],
);

for my $case (@code) {
	my ($argument, $code, $name) = @$case;
	my $sent = job("$most&code=$argument", $name)->{code} // 'not sent';
	$sent =~ s/\n\z// if $name =~ /^fence/;
	is(escape_controls($sent), escape_controls(bytes($code)),
		"code, $name");
}

sub escape_controls ($text) {
	return $text =~ s/([^ -~])/sprintf '{%02x}', ord $1/ger;
}

my $long = 'x' x 30000;
is(length job("$most&code=$long", 'long')->{code}, 30000, 'long code');

# variables

for my $case (
	['{"a":1}', { a => 1 }, 'raw'],
	['%7B%22a%22%3A1%7D', { a => 1 }, 'percent form'],
	['{"a":"b+c"}', { a => 'b c' }, 'plus is a space'],
	['{"a":"b%2Bc"}', { a => 'b+c' }, 'escaped plus'],
	['"{}"', {}, 'quotes around'],
	['"{"a":"b"}"', { a => 'b' }, 'quotes around others'],
	['%22{}%22', {}, 'escaped quotes around'],
	['{"a":"x\ny"}', { a => "x\ny" }, 'escapes are those of JSON'],
	['{"a":"%E6%BC%A2"}', { a => '漢' }, 'UTF-8'],
	['{"a":"\u6f22\""}', { a => '漢"' }, 'JSON escapes'],
	['{"a":{"b":[1,2]}}', { a => { b => [1, 2] } }, 'nested'],
	['+{+"a"+:+1+}+', { a => 1 }, 'blanks'])
{
	my ($argument, $expected, $name) = @$case;
	my $sent = job("languageType=python&code=1&variables=$argument",
		"variables, $name")->{vars} || '{}';
	is($json->encode($json->decode($sent)), $json->encode($expected),
		"variables sent, $name");
}

# the other arguments

$job = job("$most&code=1&timeout=2.5&stdin=a%0Ab+c&args=[\"x\",\"y+z\"]"
	. '&execution_id=my.id-1', 'optional arguments');
is($job->{job}{timeout_ms}, 2500, 'timeout');
is($job->{stdin}, "a\nb c", 'stdin');
is_deeply($job->{job}{args}, ['x', 'y z'], 'args');
is($job->{job}{id}, 'my.id-1', 'execution id');
is(job("$most&code=1&stdin=a\\nb", 'stdin')->{stdin}, 'a\nb',
	'stdin has no escapes');
is(job('code=1&variables={}&languageType=PY', 'any order')->{job}{language},
	'python', 'alias');
is(job('code=1&variables={}&languageType="python"', 'quotes')->{job}{language},
	'python', 'quoted language');
is(job("xcode=2&$most&code=1&codex=3", 'similar names')->{code}, '1',
	'the right one');

for my $value (qw/1 true/) {
	my $data = get("$most&code=1&detail=$value")->json // {};
	is($data->{status}, 'ok', "detail=$value");
}

for my $value (qw/0 false/) {
	answer_is(get("$most&code=1&detail=$value"), 200, '{"output":"ran"}',
		"detail=$value");
}

# what else is asked for

for my $case (
	['results=1', 'results', { results => JSON::PP::true }],
	['results=true&last_value=1', 'last value', { results => JSON::PP::true,
		last_value => JSON::PP::true }],
	['return_variables=1', 'variables', { results => JSON::PP::true,
		variables => JSON::PP::true }],
	['main={"arguments":{"a":[1,"%C3%A9"]}}', 'main()', { results =>
		JSON::PP::true, main => { arguments => { a => [1, 'é'] } } }],
	['main={}', 'main() alone', { results => JSON::PP::true, main => {} }],
	['results=0&last_value=false&return_variables=no', 'none of them', undef],
) {
	my ($query, $name, $options) = @$case;

	$fake->reset;
	is(get("$most&code=1&$query")->status, 200, $name);
	is_deeply($fake->job->{job}{options}, $options, "$name: options");
}

is(get("$most&code=1&results=1")->body, qq({"output":"ran","results":[]}\n),
	'results in the answer');
is(get("$most&code=1&env={\"A\":\"x%20y\"}")->status, 200, 'env');
is_deeply($fake->job->{job}{env}, { A => 'x y' }, 'env');

for my $case (['true', ['**']], ['["*.csv","a/**"]', ['*.csv', 'a/**']],
	['false', undef]) {
	my ($value, $patterns) = @$case;

	$fake->reset;
	is(get("$most&code=1&return_files=$value")->status, 200,
		"return_files=$value");
	my @collect = grep { !/^\*\.\w+$/ || /csv/ }
		@{ $fake->job->{job}{collect} };
	is_deeply(\@collect, $patterns // [], 'patterns');
}

# refused

$fake->reset;

error_is($t->http_get('/runcode'), 400, 'Invalid parameters', 'no arguments');
error_is(get(''), 400, 'Invalid parameters', 'empty arguments');
error_is(get('languageType=python&variables={}'), 400, 'Invalid parameters',
	'no code');
error_is(get('languageType=python&code=1'), 400, 'Invalid parameters',
	'no variables');
error_is(get('variables={}&code=1'), 400, 'Invalid parameters',
	'no languageType');
error_is(get('xlanguageType=python&variables={}&code=1'), 400,
	'Invalid parameters', 'a similar name');

for my $variables ('[]', '1', '"a"', 'null', '{', '{"a":1', '{a:1}', '{}+x',
	'{"a":1,"a":2}', '[' x 1000)
{
	my $name = substr $variables, 0, 20;
	error_is(get("languageType=python&code=1&variables=$variables"), 400,
		'Invalid variables format', "variables $name");
}

error_is(get("$most&code=$_"), 400, qr/./, "code $_")
	for '%FF', 'a%C3', '%C0%80', '%ED%A0%80', '%F4%90%80%80', '\ud800',
		'\udc00', '\ud800\ud800', 'a%00', '\0', '\x00';
error_is(get("$most&code=1&stdin=%FF"), 400, qr/./, 'stdin %FF');
error_is(get('languageType=python&code=1&variables={"a":"%FF"}'), 400, qr/./,
	'variables %FF');

error_is(get("$most&code=1&timeout=$_"), 400,
	'"timeout" must be a number between 0.001 and 60', "timeout $_")
	for '0', '-1', '61', 'x', '1x', '0x10', '1e300', 'inf', 'nan';
error_is(get("$most&code=1&args=$_"), 400, qr/^"args" /, "args $_")
	for 'a', '[1]', '{}', '["a"', '"a"';
error_is(get("$most&code=1&execution_id=$_"), 400, qr/^"execution_id" /,
	"execution_id $_") for 'a+b', 'x' x 65, '%C3%A9', 'a%00';
error_is(get("variables={}&code=1&languageType=$_"), 400,
	'Unsupported language', "language $_") for 'a+b', 'x' x 33;

error_is(get("$most&code=1&env=$_"), 400, qr/^"env" /, "env $_")
	for 'a', '[]', '{"a":1}', '{"":"x"}', '{"a":"\u0000"}', 'true';
error_is(get("$most&code=1&return_files=$_"), 400, qr/^"return_files" /,
	"return_files $_") for 'a', '1', '{}', '"*.csv"', '[1]', '[""]';
error_is(get("$most&code=1&main=$_"), 400, '"main" must be an object',
	"main $_") for 'a', '1', '[]', 'true', 'null';
error_is(get("$most&code=1&main={\"arguments\":[]}"), 400,
	'"arguments" of "main" must be an object', 'arguments of main()');
error_is($t->http_get("/poor?$most&code=1&$_"), 400, 'Results are not available',
	"poor, $_") for 'results=1', 'last_value=1', 'return_variables=1',
	'main={}';
error_is($t->http_get("/poor?$most&code=1&return_files=true"), 400,
	'Files are not available', 'poor, files');

is($fake->connections, 0, 'none of these came to codeexecd');

error_is(get('variables={}&code=1&languageType=ruby'), 400,
	'Unsupported language', 'language ruby');
is($fake->job->{job}{language}, 'ruby', 'codeexecd was asked');

$t->done_testing;
