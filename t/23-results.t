#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# What a program shows: which options are passed on, what becomes of each
# form, and that a hostile record is left out and nothing else.

use v5.36;

use JSON::PP ();
use MIME::Base64;
use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::FakeSandbox;

my $t = Test::Codeexec->new;
my $json = JSON::PP->new->utf8;

$t->write_conf(<<'EOC', main => 'worker_processes 1;');
    log_format results '$uri $status $codeexec_results';
    access_log %%TESTDIR%%/access.log results;

    upstream sandbox { server unix:%%SOCK%% max_fails=0; keepalive 2; }
    client_max_body_size 32m;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        codeexec_max_stdin_size 32m;

        location / { codeexec_pass sandbox; }
        location /off { codeexec_pass sandbox; codeexec_results off; }
        location /small {
            codeexec_pass sandbox;
            codeexec_max_response_size 100;
        }
    }
EOC

# stdin has the records, in hexadecimal, and the code what else is answered;
# or the code makes the frames.

my $fake = $t->fake(script => sub ($c, $job) {
	return $c->send(eval $1) if $job->{code} =~ /^frames (.*)/s;
	$c->send(answer(shown => [map { pack 'H*', $_ }
		split /,/, $job->{stdin}, -1], eval $job->{code}));
});

$t->run;

my @all = map { $_ => JSON::PP::true } qw/results last_value return_variables/;

sub record (@parts) { return pack '(n/a* N/a*)*', @parts }

sub shown ($records, %member) {
	my $uri = delete $member{uri} // '/runcode';
	return $t->http_post_json($uri, { results => JSON::PP::true,
		code => '()', stdin => join(',', map { unpack 'H*', $_ } @$records),
		%member });
}

# Results and all after them, without the end.

sub shows ($records, $text, $name, %member) {
	my $r = shown($records, %member);
	return answer_is($r, 200, qq({"output":"",$text}), $name);
}

sub result ($text) { return qq("results":[{"is_main_result":false,$text}]) }

sub skipped ($reason) {
	return qq("results":[],"skipped":[{"result":0,"reason":"$reason"}]);
}

###############################################################################

# What is asked for

sub options ($data) {
	my $r = $t->http_post_json('/runcode', $data);
	is($r->status, 200, 'answered') || diag($r->body);
	return $fake->job->{job}{options};
}

is(options('{"code":"()"}'), undef, 'nothing');
is(options('{"code":"()","results":false,"last_value":null}'), undef, 'no');
is_deeply(options('{"code":"()","results":true}'),
	{ results => JSON::PP::true }, 'results');
is_deeply(options('{"code":"()","results":true,"last_value":true,'
	. '"return_variables":true,"main":{}}'), { results => JSON::PP::true,
	last_value => JSON::PP::true, variables => JSON::PP::true,
	main => {} }, 'all');
is_deeply(options('{"main":{"arguments":{"b":1,"a":[1.5,"\u00e9"]}},'
	. '"code":"()"}'),
	{ results => JSON::PP::true,
		main => { arguments => { b => 1, a => [1.5, "\x{e9}"] } } },
	'main(), which needs results');
like($fake->job->{raw}, qr/"main":\{"arguments":\{"b":1,"a":\[1\.5,/,
	'as it was written');

sub refused ($data, $status, $text, $name, $uri = '/runcode') {
	my $runs = $fake->runs;
	error_is($t->http_post_json($uri, $data), $status, $text, $name);
	is($fake->runs, $runs, "$name: nothing is run");
}

for my $name (qw/results last_value return_variables/) {
	refused(qq({"$name":$_}), 400, qq("$name" must be a boolean),
		"$name is $_") for '1', '"yes"', '{}';
	refused(qq({"$name":true}), 400, 'Results are not available',
		"$name is off", '/off');
	is($t->http_post_json('/off', qq({"code":"()","$name":false}))->status,
		200, "no $name that is off");
}

refused('{"main":{}}', 400, 'Results are not available', 'main() is off',
	'/off');
refused(qq({"main":$_}), 400, '"main" must be an object', "main is $_")
	for '1', '[]', 'true';
refused(qq({"main":{"arguments":$_}}), 400,
	'"arguments" of "main" must be an object', "arguments are $_")
	for '1', '[]', '"x"';
is_deeply(options('{"main":{"arguments":null},"code":"()"}'),
	{ results => JSON::PP::true, main => { arguments => undef } },
	'no arguments');
my $number = '"main" must have no NUL, and no integers of more than 64 bits';
refused(qq({"main":{"arguments":{"a":$_}}}), 400, $number, "an argument $_")
	for '18446744073709551616', '-9223372036854775809', '"\u0000"';
is_deeply(options('{"main":{"arguments":{"a":[-9223372036854775808,'
	. '9223372036854775807]}},"code":"()"}')->{main}{arguments}{a},
	['-9223372036854775808', '9223372036854775807'], 'the largest');
refused('{"main":{"arguments":{"a":1e999}}}', 400, 'Invalid JSON',
	'no number at all');
refused('{"main":{"a":"' . 'x' x 65529 . '"}}', 413,
	'"main" is larger than 65536 bytes', 'a large one');

# A NUL that jansson would overlook

refused(qq({"variables":{"a":1\0}}), 400, 'Invalid JSON', 'a NUL in JSON');
refused(qq({"variables":{"a":true}\0}), 400, 'Invalid JSON', 'one at its end');

###############################################################################

# Nothing unasked for

shows([], '"results":[]', 'no results');
answer_is(shown([record(text => 'x')], results => JSON::PP::false), 200,
	'{"output":""}', 'nobody wants results');
answer_is(shown([record(text => 'x'), record('@return' => '1'),
	record('@variables' => '{}'), record('@error' => 'x')],
	results => JSON::PP::false, detail => JSON::PP::false), 200,
	'{"output":""}', 'nor anything else');
shows([record(text => 'x'), record('@return' => '1'),
	record('@variables' => '{}')], result('"text":"x"'), 'results alone');
answer_is(shown([record(text => 'x'), record('@return' => '1'),
	record('@variables' => '{"a":1}')], results => JSON::PP::false,
	return_variables => JSON::PP::true), 200,
	'{"output":"","variables":{"a":1}}', 'variables alone');
answer_is(shown([record(text => 'x'), record('@return' => ' [1] '),
	record('@variables' => '{"a":1}')], results => JSON::PP::false,
	main => {}), 200, '{"output":"","return": [1] }',
	'what main() has returned');
answer_is(shown([record(text => 'x')], results => JSON::PP::false,
	last_value => JSON::PP::true), 200, '{"output":""}',
	'a value is a result, too');

# Forms

my $bytes = join '', map { chr } 0 .. 255;

shows([record($_ => "a\n\"\xc3\xa9\xff")],
	result(qq("$_":"a\\n\\"\xc3\xa9\xef\xbf\xbd")), "text as $_")
	for qw/text html markdown svg latex javascript/;
shows([record($_ => $bytes)],
	result(qq("$_":") . encode_base64($bytes, '') . '"'), "bytes as $_")
	for qw/png jpeg gif webp pdf/;
shows([record($_ => ' {"a":[1,2.50,null]} ')],
	result(qq("$_": {"a":[1,2.50,null]} )), "JSON as $_")
	for qw/json data chart/;
shows([record(json => $_)], result(qq("json":$_)), "JSON: $_")
	for '0', '-1.5e+3', 'true', 'null', '""', '[]', '"\ud83d\ude00"', '1e999',
		'123456789012345678901234567890', "\"\xc3\xa9\"",
		'[' x 32 . ']' x 32;
shows([record(json => $_)], result('"json":' . as_string($_)), "no JSON: $_")
	for '', ' ', '01', '+1', '1.', '.5', 'tru', 'NaN', '-Infinity', "'a'",
		'{a:1}', '{"a"}', '[1,]', '{"a":1,}', '[1', '1]', '1 2', '"',
		'"\x"', '"\ud800"', '"\ude00"', "\"\n\"", "1\0", "[1\0]", "\"a\0\"",
		'[' x 33 . ']' x 33, '[' x 100_000;
shows([record(json => qq("\xff"))],
	result(qq("json":"\\"\xef\xbf\xbd\\"")), 'JSON that is not UTF-8');

sub as_string ($text) {
	return '"' . $text =~ s/(["\\])/\\$1/gr =~ s/\n/\\n/gr
		=~ s/\0/\\u0000/gr . '"';
}

shows([record('text/plain' => 'a', 'image/png' => "\xff",
	'application/json' => '1')],
	result('"text":"a","png":"/w==","json":1'), 'media types that have names');
shows([record('text/x-a' => "a\xff", 'application/x-b' => "\0", 'image/bmp' =>
	'BM', 'application/vnd.x+json' => '{"a":1}', 'text/x+json' => '{',
	foo => 'x', text => 'y')],
	result(qq("text":"y","extra":{"text/x-a":"a\xef\xbf\xbd",)
	. '"application/x-b":{"base64":"AA=="},"image/bmp":{"base64":"Qk0="},'
	. '"application/vnd.x+json":{"a":1},"text/x+json":"{",'
	. '"foo":{"base64":"eA=="}}'), 'others');
shows([record(text => '')], result('"text":""'), 'nothing but a form');

# About results

shows([record('@main' => '', text => '1'), record(text => '2')],
	'"results":[{"is_main_result":true,"text":"1"},'
	. '{"is_main_result":false,"text":"2"}]', 'the last value');
shows([record('@name' => "a\"\xff", '@size' => '640x480', png => '')],
	result(qq("name":"a\\"\xef\xbf\xbd","width":640,"height":480,"png":"")),
	'name and size');
shows([record(text => 'x', '@size' => '0x999999', '@unheard.of' => "\xff")],
	result('"width":0,"height":999999,"text":"x"'), 'a remark of tomorrow');
shows([map { record(text => $_) } 0 .. 99], '"results":['
	. join(',', map { qq({"is_main_result":false,"text":"$_"}) } 0 .. 99)
	. ']', 'many, in their order');

###############################################################################

# About the run

my $error = '{"name":"E","value":"\u00e9","traceback":"a\nb"}';
shows([record('@error' => $error)], qq("results":[],"exception":$error),
	'an exception');
shows([record('@error' => ' {"x": {"name": 1}, "traceback":"t", "n\u0061me" '
	. ':"E", "value": "v" } ')], '"results":[],"exception":{"name":"E",'
	. '"value":"v","traceback":"t"}', 'its members alone');
answer_is(shown([record('@error' => $error), record(text => 'x')],
	code => 'status => "error", exit_code => 1, stderr => "oops\n", '
	. 'files => [["a.png", "x"]]'), 200, '{"error":"oops","images":'
	. '{"a.png":"eA=="},"output":"",' . result('"text":"x"')
	. qq(,"exception":$error}), 'beside the error');
answer_is(shown([record(text => 'x')], code => 'status => "timeout"'), 504,
	'{"error":"Code execution timed out","output":"",'
	. result('"text":"x"') . '}', 'of a run that took too long');
shows([record('@return' => 'null'), record('@variables' => "{\n}"),
	record('@error' => $error)], qq("results":[],"exception":$error,)
	. qq("return":null,"variables":{\n}), 'all of it', @all, main => {});
shows([map { record('@return' => $_) } 1 .. 3], '"results":[],"return":3,'
	. '"skipped":[{"result":0,"reason":"duplicate"},'
	. '{"result":1,"reason":"duplicate"}]', 'the last one counts',
	main => {});
my $r = shown([record(text => 'x'), record('@size' => '1')],
	detail => JSON::PP::true);
is($r->json->{skipped}[0]{result}, 1, 'with details');
is(join(' ', map { $r->body =~ /"($_)"/ } qw/results stderr truncated skipped/),
	'results stderr truncated skipped', 'in order');
$r = shown([record(text => 'x', text => 'x')], detail => JSON::PP::true,
	code => 'skipped => [{ name => "a", reason => "links" }]');
like($r->body, qr/"skipped":\[\{"name":"a","reason":"links"\},
	\{"result":0,"reason":"malformed"\}\]\}\n\z/x, 'files and results');

###############################################################################

# Hostile records

for my $name (qw/@error @return @variables/) {
	shows([record($name => $_)], skipped('malformed'), "$name <$_>", @all,
		main => {}) for '', '{', "\xff", '{"name":}', '1 1';
	shows([record($name => '{}', text => 'x')], skipped('malformed'),
		"$name is not alone");
	shows([record(text => 'x', $name => '{}')], skipped('malformed'),
		"$name is not alone, either");
}

shows([record('@variables' => $_)], skipped('malformed'), "variables <$_>")
	for '1', '[]', 'null', '"{}"', ' [{}]';
shows([record('@error' => $_)], skipped('malformed'), "an error <$_>")
	for '1', '[]', '{}', '{"name":"a","value":"b"}', '{"name":1,"value":"b",'
		. '"traceback":"c"}', '{"name":"a","value":null,"traceback":"c"}',
		'[{"name":"a","value":"b","traceback":"c"}]';

shows([], skipped('empty'), 'nothing', code => 'shown => [""]');
shows([record('@main' => '')], skipped('empty'), 'no form');
shows([record('@name' => 'x', '@size' => '1x1')], skipped('empty'),
	'remarks about nothing');
shows([$_->[1]], skipped('malformed'), $_->[0]) for
	['one byte', "\0"], ['two', "\0\1"], ['zeros', "\0" x 64],
	['a name that is too long', pack('n', 5) . 'text'],
	['no size', pack('n/a*', 'text')],
	['half a size', pack('n/a*', 'text') . "\0\0\0"],
	['a form that is too long', pack('n/a* N', 'text', 2) . 'x'],
	['4 GiB - 1', pack('n/a* N', 'text', 0xffffffff) . 'x'],
	['a name of 64 KiB - 1', "\xff\xff" . 'x' x 200],
	['more behind it', record(text => 'x') . "\0"],
	['a name of 128', record('a' x 128 => 'x')],
	['no name', record('' => 'x')],
	(map { ["a name with $_->[0]", record($_->[1], 'x')] }
		['a quote', 'a"b'], ['a capital', 'Text'], ['a NUL', "a\0b"],
		['a space', 'a b'], ['a backslash', 'a\\b'], ['UTF-8', "\xc3\xa9"],
		['a line feed', "text\n"], ['a semicolon', 'text/html;x']),
	['a form twice', record(text => 'a', text => 'b')],
	['a form by two names', record(text => 'a', 'text/plain' => 'b')],
	['a type twice', record('a/b' => 'a', text => 'x', 'a/b' => 'b')],
	['too many forms', record(map { ("a/$_" => '') } 1 .. 33)],
	['a million parts', "\0\1a\0\0\0\0" x 1_000_000],
	['a last value with content', record('@main' => 'x', text => 'x')],
	(map { ["a size of <$_>", record('@size' => $_, text => 'x')] }
		'', 'x', '1x', 'x1', '1', '1x1x1', '-1x1', '1x1 ', "1x1\0",
		'1000000x1', '1x1000000', '0x0x', '1X1', '1.5x1');
shows([record(map { ("a/$_" => '') } 1 .. 32)], result('"extra":{'
	. join(',', map { qq("a/$_":{"base64":""}) } 1 .. 32) . '}'),
	'as many forms as may be');
shows([record('a' x 127 => 'x')], result('"extra":{"' . 'a' x 127
	. '":{"base64":"eA=="}}'), 'the longest name');
shows([record(text => 'a'), "\0", '', record(text => 'b')],
	'"results":[{"is_main_result":false,"text":"a"},'
	. '{"is_main_result":false,"text":"b"}],"skipped":['
	. '{"result":1,"reason":"malformed"},{"result":2,"reason":"empty"}]',
	'the others are there');

# Large ones: 8 MiB of what would be a tree of hundreds.

my $large = '[' . '0,' x (4 << 20) . '0]';
$r = $t->http_post_json('/runcode', { results => JSON::PP::true,
	code => 'frames my $r = pack("n/a* N/a*", "json", "[" . "0," x (4 << 20) '
		. '. "0]"); answer(shown => [$r])' });
is($r->status, 200, 'large JSON');
ok($r->body eq '{"output":"",' . result(qq("json":$large)) . "}\n",
	'as it was');

# Bytes that were flipped, and cut

my $good = record('@main' => '', '@name' => 'n', '@size' => '12x34',
	text => 'abc', json => '{"a":[1,"b"]}', png => "\x89P",
	'a/b+json' => 'true');
my @bad;

for my $at (0 .. length($good) - 1) {
	for my $bit (0, 5, 7) {
		my $record = $good;
		substr($record, $at, 1) ^.= chr 1 << $bit;
		push @bad, $record;
	}

	push @bad, substr $good, 0, $at;
}

while (my @some = splice @bad, 0, 100) {
	my $r = shown(\@some, @all, main => {});
	my $data = $r->json;
	is($r->status, 200, scalar(@some) . ' broken records');
	is(ref $data, 'HASH', 'the answer is JSON');
	is(@{ $data->{results} } + @{ $data->{skipped} // [] }, @some,
		'each of them is there, or left out');
}

###############################################################################

# What codeexecd itself gets wrong is no answer of it.

sub bad ($frames, $name, $uri = '/runcode') {
	error_is($t->http_post_json($uri, { code => "frames $frames",
		results => JSON::PP::true }), 502, 'Bad Gateway', $name);
}

my $one = 'result_frame(results => 1, results_size => 10)';
my $x = 'show_frame(a => "xyz")';

answer_is($t->http_post_json('/runcode', { results => JSON::PP::true,
	code => "frames $one . $x . frame('END')" }), 200, '{"output":"",'
	. result('"extra":{"a":{"base64":"eHl6"}}') . '}', 'as announced');
bad("$one . frame('END')", 'none came');
bad("$one . $x . $x . frame('END')", 'two came');
bad("result_frame() . $x . frame('END')", 'unannounced');
bad("result_frame(results => 2, results_size => 10) . $x . frame('END')",
	'fewer');
bad("result_frame(results => 1, results_size => 11) . $x . frame('END')",
	'shorter');
bad("result_frame(results => 1, results_size => 9) . $x . frame('END')",
	'longer');
bad("result_frame(results => 1, results_size => 10, files => 1, "
	. "files_size => 4) . file_frame(a => 'x') . $x . frame('END')",
	'behind a file');
bad("result_frame(results => 1, results_size => 10, stdout_size => 1) . $x "
	. ". frame(STDOUT => 'x') . frame('END')", 'before stdout');
bad("$x . $one . frame('END')", 'before all');
bad("result_frame(results => $_, results_size => 10) . $x . frame('END')",
	"$_ of them") for '-1', '100001', '1 << 62';
bad("result_frame(results => 1, results_size => $_) . $x . frame('END')",
	"a size of $_") for '-1', '1 << 62';
bad('result_frame(results => "1", results_size => 10)', 'no number');
bad('answer(shown => ["x" x 101])', 'above codeexec_max_response_size',
	'/small');
is($t->http_post_json('/small', { results => JSON::PP::true,
	code => 'frames answer(shown => ["x" x 100])' })->status, 200, 'below it');
answer_is($t->http_post_json('/runcode', { results => JSON::PP::true,
	code => 'frames result_frame() . frame("END")' }), 200,
	'{"output":"","results":[]}', 'of an older codeexecd');

# In pieces

$r = $t->http_post_json('/runcode', { results => JSON::PP::true,
	code => 'frames $c->dribble(answer(stdout => "a", shown => [["text", "b"],'
		. ' ["html", "c"]], files => [["a.png", "x"]])); ""' });
answer_is($r, 200, '{"images":{"a.png":"eA=="},"output":"a","results":['
	. '{"is_main_result":false,"text":"b"},'
	. '{"is_main_result":false,"html":"c"}]}', 'byte by byte');

###############################################################################

# The log

shown([record(text => 'x'), "\0", record('@return' => '1'),
	record(html => 'y')], main => {}, uri => '/log');
shown([record(text => 'x')], results => JSON::PP::false, uri => '/log');
$t->http_post_json('/log', '{');

my @lines;
wait_until(5, sub {
	(@lines = $t->read_file('access.log') =~ m{^/log (.*)$}gm) == 3;
});
is(join(', ', @lines), '200 2, 200 0, 400 -', 'their number in the log');

$t->done_testing;
