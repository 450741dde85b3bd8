#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# POST: what is accepted, what is refused, what codeexecd is sent.

use v5.36;
use utf8;

use JSON::PP ();
use Math::BigFloat;
use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::FakeSandbox;

my $t = Test::Codeexec->new;
my $json = JSON::PP->new->utf8->allow_bignum;

$t->write_conf(<<'EOC');
    upstream sandbox { server unix:%%SOCK%%; keepalive 2; }

    server {
        listen 127.0.0.1:%%PORT_0%%;

        location /runcode { codeexec_pass sandbox; }
        location /none { codeexec_pass sandbox; codeexec_images off; }
        location /some { codeexec_pass sandbox; codeexec_images png; }
    }
EOC

my $fake = $t->fake(script => sub ($c, $job) {
	return $c->send(reject('language'))
		if $job->{job}{language} !~ /^(?:python|nodejs|bash)$/;
	$c->send(answer(stdout => 'ran'));
});

$t->run;

sub post ($data, $uri = '/runcode') { $t->http_post_json($uri, $data) }

# Posts what must be accepted; the job that it became.

sub job ($data, $name, $uri = '/runcode') {
	$fake->reset;
	answer_is(post($data, $uri), 200, '{"output":"ran"}', $name);
	return $fake->job // {};
}

# the plain case

my $job = job({ code => 'print(1)' }, 'only code');

is($job->{code}, 'print(1)', 'code');
is($job->{stdin}, '', 'no stdin');
like($job->{vars}, qr/^(?:|\{\})$/, 'no variables');
is($job->{job}{language}, 'python', 'default language');
is($job->{job}{timeout_ms}, 10000, 'default timeout');
is_deeply($job->{job}{args} // [], [], 'no arguments');
is($job->{frames}[0][0], 'JOB', 'JOB is first');
is($job->{frames}[-1][0], 'RUN', 'RUN is last');
is($job->{frames}[-1][1], 0, 'RUN is empty');
is(scalar(grep { $_->[0] =~ /JOB|RUN/ } @{ $job->{frames} }), 2, 'once each');

# execution id

my $x = '[0-9a-f]';
my $uuid7 = qr/^$x{8}-$x{4}-7$x{3}-[89ab]$x{3}-$x{12}$/;
my $now = time * 1000;

like($job->{job}{id}, $uuid7, 'an id is made');
my $first = id_time($job->{job}{id});
ok(abs($first - $now) < 10000, 'with the time in it');

my $second = job({ code => '' }, 'another')->{job}{id};
isnt($second, $job->{job}{id}, 'ids differ');
ok(id_time($second) >= $first, 'ids ascend');

# Milliseconds, the first 48 bits.

sub id_time ($id) {
	my ($high, $low) = $id =~ /^(.{8})-(.{4})/;
	return hex($high) * 65536 + hex($low);
}

for my $id ('a', 'A.b_c-9', 'x' x 64) {
	is(job({ code => '', execution_id => $id }, "id $id")->{job}{id}, $id,
		'id sent');
}

# images

sub collected ($job, $name) {
	my @patterns = map { s/\./\\./r =~ s/\*/.*/r }
		@{ $job->{job}{collect} // [] };
	return scalar grep { $name =~ /^$_$/ } @patterns;
}

for my $ext (qw/png jpg jpeg gif webp svg/) {
	ok(collected($job, "a.$ext"), "$ext is collected");
	ok(collected($job, "A." . uc $ext), "so is \U$ext");
}

ok(!collected($job, 'a.txt'), 'txt is not');
is_deeply(job({ code => '' }, 'images off', '/none')->{job}{collect} // [], [],
	'nothing is collected');

$job = job({ code => '' }, 'some images', '/some');
ok(collected($job, 'a.png'), 'png is collected');
ok(!collected($job, 'a.gif'), 'gif is not');

# languages

my %language = (
	python => 'python', py => 'python', python3 => 'python',
	PyThOn => 'python', nodejs => 'nodejs', javascript => 'nodejs',
	js => 'nodejs', node => 'nodejs', NodeJS => 'nodejs', bash => 'bash',
	sh => 'bash', SH => 'bash',
);

for my $name (sort keys %language) {
	$job = job({ languageType => $name, code => '1' }, "language $name");
	is($job->{job}{language}, $language{$name}, "$name sent");
}

is(job({ language => 'js', code => '1' }, 'other name')->{job}{language},
	'nodejs', 'language is languageType');

$fake->reset;

for my $name ('ruby', 'c++', 'c#', 'objective-c', 'x.y_z', 'a' x 32) {
	error_is(post({ languageType => $name, code => '1' }), 400,
		'Unsupported language', "language $name");
	is($fake->job->{job}{language}, $name, "$name was sent");
}

$fake->reset;

for my $name ('', 'a b', 'a' x 33, "py\n", 'пайтон', 'a/b', '"') {
	error_is(post({ languageType => $name, code => '1' }), 400,
		'Unsupported language', 'language ' . JSON::PP->new->ascii
			->allow_nonref->encode($name));
}

is($fake->runs, 0, 'none was sent');

# code, as it is

my %code = (
	'empty' => '',
	'lines' => "a = 1\nb = 2\r\n\tc\n",
	'UTF-8' => "print('é 漢字 😀 \x{2028}')",
	'NUL' => "a\0b",
	'controls' => join('', map { chr } 1 .. 31, 127 .. 160),
	'quotes' => q{"'\\"'\\n},
	'surrounding blanks' => "  \n x \n  ",
	'long' => 'x = 1 # ' . 'é' x 100000,
);

for my $name (sort keys %code) {
	my $bytes = $code{$name};
	utf8::encode($bytes);
	my $sent = job({ code => '', stdin => $code{$name} }, "stdin, $name")
		->{stdin};
	ok($sent eq $bytes, "$name is intact");

	next if $name eq 'NUL';
	$sent = job({ code => $code{$name} }, "code, $name")->{code};
	ok($sent eq $bytes, "$name is intact");
}

is(job('{"code":"\u00e9\ud83d\ude00\/"}', 'escapes')->{code},
	"\xc3\xa9\xf0\x9f\x98\x80/", 'escapes decoded');

# fences

my @fences = (
	["```python\nprint(1)\n```", "print(1)", 'python'],
	["```py\nprint(1)\n```\n", "print(1)", 'py'],
	["```python3\nprint(1)\n```", "print(1)", 'python3'],
	["```\nprint(1)\n```", "print(1)", 'bare'],
	["Here you are:\n```python\nprint(1)\n```\nBye.", "print(1)",
		'text around'],
	["```python\nprint(1)\nprint(2)", "print(1)\nprint(2)", 'no end'],
	["```python\r\nprint(1)\r\n```\r\n", "print(1)", 'CRLF'],
	["```python\nx = '```'\n```", "x = '```'", 'in a string'],
	["x = 'a ```python'\ny", "x = 'a ```python'\ny", 'not at a line start'],
	["x = 1\n", "x = 1\n", 'none'],
	["```bash\nls\n```\n```python\nprint(1)\n```", "print(1)",
		'another language first'],
	["```text\nx\n```", "```text\nx\n```", 'no language of ours'],
	["```python\n```", "", 'empty'],
	["```pythonic\nx\n```", "```pythonic\nx\n```", 'a longer name'],
	["```pyth\nx\n```", "```pyth\nx\n```", 'a shorter name'],
	["```Python  \nx\n```", "x", 'capital and blanks'],
);

for my $case (@fences) {
	my ($code, $expected, $name) = @$case;
	my $sent = job({ code => $code }, "fence, $name")->{code};
	is($sent =~ s/\r?\n\z//r, $expected =~ s/\n\z//r, "code, $name");
}

for my $case ([bash => 'bash'], [bash => 'sh'], [nodejs => 'js'],
	[nodejs => 'javascript'], [nodejs => 'node'])
{
	my ($language, $fence) = @$case;
	my $sent = job({ languageType => $language,
		code => "```$fence\necho\n```" }, "fence $fence")->{code};
	is($sent =~ s/\n\z//r, 'echo', "code of $fence");
}

# variables

for my $text ('{}', '{"a":1}', '{"a":{"b":[1,null,true,{"c":"d"}]}}',
	'{"a":"\u0000"}', '{"a":' . '[' x 28 . ']' x 28 . '}', '{"é":"漢"}',
	'{"a":-0.5e-7,"b":1e300}', '{"a b":""}')
{
	my $bytes = $text;
	utf8::encode($bytes);
	my $sent = job(qq{{"code":"","variables":$bytes}}, "variables $bytes")
		->{vars};
	$sent = '{}' if $sent eq '';
	is_deeply($json->decode($sent), $json->decode($bytes), "sent $bytes");
}

# Numbers are text to us: what Python can hold must arrive.

for my $number (qw/0 -1 9007199254740993 9223372036854775807
	9223372036854775808 18446744073709551616
	123456789012345678901234567890 0.1 3.141592653589793 1e22 5e-324/)
{
	my $sent = job(qq({"code":"","variables":{"n":$number}}),
		"number $number")->{vars} // '';
	my ($got) = $sent =~ /"n":\s*([^}\s]+)/;
	cmp_ok(Math::BigFloat->new($got // 'nan'), '==',
		Math::BigFloat->new($number), "$number is exact")
		|| diag($sent);
}

# the other members

is(job({ code => '', timeout => 2.5 }, 'timeout')->{job}{timeout_ms}, 2500,
	'2.5 s');
is(job({ code => '', timeout => 60 }, 'timeout')->{job}{timeout_ms}, 60000,
	'60 s');
is(job({ code => '', timeout => 0.001 }, 'timeout')->{job}{timeout_ms}, 1,
	'1 ms');
is(job('{"code":"","timeout":1.5e1}', 'timeout')->{job}{timeout_ms}, 15000,
	'1.5e1 s');

my @args = ('a', '', "é \n", '"\\');
is_deeply(job({ code => '', args => \@args }, 'args')->{job}{args}, \@args,
	'args sent');


job({ code => '', unknown => { a => 1 }, id => 7 }, 'unknown members');
job('{"a":1}', 'only unknown members');
is(job('{"code":null,"variables":null,"timeout":null,"stdin":null,'
	. '"args":null,"execution_id":null,"detail":null,"languageType":null}',
	'all null')->{job}{timeout_ms}, 10000, 'null is absent');

job(qq( \t\r\n{ "code" : "" } \n), 'blanks around');
answer_is($t->http_post('/runcode', '{"code":"1"}'), 200, '{"output":"ran"}',
	'no content type');
answer_is($t->http_post('/runcode', '{"code":"1"}',
	headers => ['Content-Type: text/plain']), 200, '{"output":"ran"}',
	'another content type');
answer_is($t->http_post_json('/runcode?a=b', '{"code":"1"}'), 200,
	'{"output":"ran"}', 'arguments are nothing to POST');

# Which variables are meant, when the text is searched for them.

for my $body ('{"x":{"variables":{"a":1}},"variables":{"a":2}}',
	'{"x":"\"variables\":{\"a\":1}","variables":{"a":2}}',
	'{"x":[{"variables":{"a":1}}],"variables":{"a":2}}',
	'{"variables":{"a":2},"x":{"variables":{"a":1}}}',
	'{"vari\u0061bles":{"a":2}}',
	'{"Variables":{"a":1},"variables" : {"a":2} , "z":"}"}',
	'{"variables\\\\":{"a":1},"variables":{"a":2}}')
{
	is(job($body, $body)->{vars} =~ s/\s//gr, '{"a":2}', 'the right ones');
}

is(job('{"variables":{"a":"}\\"{"},"code":"b"}', 'braces in strings')->{vars},
	'{"a":"}\\"{"}', 'are no braces');

# what is no JSON object

$fake->reset;

for my $body ('', ' ', '{}', ' {} ', '[]', '[{"code":"1"}]', '1', 'null',
	'true', '"code"', 'code=1', '{', '{"code":"1"', '{"code":"1"} x',
	'{"code":"1"}{}', "{'code':'1'}", '{"code":"1",}', '{code:"1"}',
	'{"code":"a' . "\n" . '"}', "{\"code\":\"\xff\"}",
	"{\"code\":\"\xc3\"}", "{\"code\":\"\xed\xa0\x80\"}",
	"{\"code\":\"\xf4\x90\x80\x80\"}", "{\"code\":\"\xc0\x80\"}",
	'{"code":"\ud800"}', '{"code":"\ude00"}', '{"code":"\x41"}',
	'{"code":"a","code":"b"}', '{"variables":{"a":1,"a":2}}',
	'{"code":"\u12"}', "\xff", "\0", '{"code":"1","timeout":01}',
	'{"code":"1","timeout":NaN}', '{"a":' x 100000, '[' x 100000,
	'{"variables":' . '[' x 100000 . ']' x 100000 . '}')
{
	my $name = length $body > 50 ? substr($body, 0, 15) . '...' : $body;
	$name =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ge;
	error_is(post($body), 400, 'Invalid JSON', "body <$name>");
}

# what has the wrong type or range

my $timeout = '"timeout" must be a number between 0.001 and 60';

for my $case (
	['"code":1', '"code" must be a string'],
	['"code":["a"]', '"code" must be a string'],
	['"code":{}', '"code" must be a string'],
	['"code":true', '"code" must be a string'],
	['"variables":[]', 'Invalid variables format'],
	['"variables":"{}"', 'Invalid variables format'],
	['"variables":1', 'Invalid variables format'],
	['"variables":false', 'Invalid variables format'],
	(map { [qq("timeout":$_), $timeout] } '"1"', '0', '-1', '0.0001',
		'60.001', '61', '1e300', 'true', '[1]', '99999999999999999999'),
	['"stdin":1', qr/^"stdin" /], ['"stdin":[]', qr/^"stdin" /],
	['"args":"a"', qr/^"args" /], ['"args":[1]', qr/^"args" /],
	['"args":["a\u0000"]', qr/^"args" /], ['"code":"a\u0000"', qr/^"code" /],
	['"args":["a",null]', qr/^"args" /], ['"args":{}', qr/^"args" /],
	(map { [qq("execution_id":$_), qr/^"execution_id" /] } '""', '1',
		'"a b"', '"' . 'x' x 65 . '"', '"a/b"', '"\u00e9"', '"a\u0000"',
		'[]'),
	['"detail":1', qr/^"detail" /], ['"detail":"true"', qr/^"detail" /],
	['"languageType":1', qr/^"languageType" /],
	['"languageType":[]', qr/^"languageType" /])
{
	my ($member, $error) = @$case;
	error_is(post($member =~ /"code"/ ? "{$member}"
		: qq({"code":"1",$member})), 400, $error, "wrong $member");
}

is($fake->connections, 0, 'none of these came to codeexecd');

$t->done_testing;
