#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# From frames to JSON: every byte, every status, every member.

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

$t->write_conf(<<'EOC');
    upstream sandbox { server unix:%%SOCK%% max_fails=0; keepalive 2; }
    codeexec_read_timeout 5s;

    server {
        listen 127.0.0.1:%%PORT_0%%;

        location /runcode { codeexec_pass sandbox; }
        location /detail { codeexec_pass sandbox; codeexec_detail on; }
    }
EOC

# A job says in its stdin which frames it wants: they are sent as they are.

my $fake = $t->fake(script => sub ($c, $job) {
	my $how = $job->{code};

	return $c->send(answer(stdout => $job->{stdin})) if $how eq 'echo';
	return $c->send(answer(stdout => [$job->{stdin} =~ /./gs]))
		if $how eq 'bytes';
	return $c->send(answer(eval $job->{stdin})) if $how eq 'answer';
	return $c->send(eval $job->{stdin}) if $how eq 'frame';
});

$t->run;

# stdin goes through JSON, so its bytes are named in Perl.

sub quoted ($bytes) {
	return '"' . $bytes =~ s/(.)/sprintf '\\x%02x', ord $1/gesr . '"';
}

sub run ($expression, %arg) {
	return $t->http_post_json($arg{uri} // '/runcode', { code => 'answer',
		stdin => $expression, %{ $arg{data} // {} } });
}

sub output ($bytes, $how = 'stdout') {
	return run('stdout => ' . quoted($bytes));
}

# headers

my $r = run('stdout => "x\n"');
is($r->line, 'HTTP/1.1 200 OK', 'status line');
is($r->header('Content-Type'), 'application/json', 'Content-Type');
is($r->header('Cache-Control'), 'no-store', 'Cache-Control');
is($r->body, qq({"output":"x\\n"}\n), 'body');
is($r->header('Content-Length') // length $r->body, length $r->body, 'length');
is(scalar(my @types = $r->header('Content-Type')), 1, 'one Content-Type');

# bytes

my @wrong = grep {
	my $byte = chr;
	my $data = output($byte)->json // {};
	my $expected = $_ < 0x80 ? $byte : "\x{fffd}";
	($data->{output} // 'none') ne $expected;
} 0 .. 255;
is("@wrong", '', 'every byte alone');

my $all = join '', map { chr } 0 .. 127;
answer_is(output($all), 200, '{"output":"'
	. join('', map { sprintf '\u%04x', $_ } 0 .. 7) . '\b\t\n'
	. '\u000b\f\r' . join('', map { sprintf '\u%04x', $_ } 14 .. 31)
	. ' !\"#$%&\'()*+,-./' . join('', map { chr } 48 .. 91) . '\\\\'
	. join('', map { chr } 93 .. 127) . '"}', 'ASCII, to the letter');

answer_is(output("\0"), 200, '{"output":"\u0000"}', 'NUL');
answer_is(output("\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80"), 200,
	qq({"output":"\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80"}), 'UTF-8 is raw');

my $data = output("\xe2\x80\xa8\xe2\x80\xa9")->json;
is($data->{output}, "\x{2028}\x{2029}", 'U+2028 and U+2029');
$data = output("\xef\xbb\xbf\xef\xbf\xbd\xef\xbf\xbf\xf4\x8f\xbf\xbf")->json;
is($data->{output}, "\x{feff}\x{fffd}\x{ffff}\x{10ffff}",
	'BOM, replacement, noncharacters');

# What is not UTF-8 is replaced as the WHATWG decoder and Python do it: one
# U+FFFD for each maximal part of a sequence.

my $valid = qr/[\x00-\x7f] | [\xc2-\xdf][\x80-\xbf]
	| \xe0[\xa0-\xbf][\x80-\xbf] | [\xe1-\xec\xee\xef][\x80-\xbf]{2}
	| \xed[\x80-\x9f][\x80-\xbf] | \xf0[\x90-\xbf][\x80-\xbf]{2}
	| [\xf1-\xf3][\x80-\xbf]{3} | \xf4[\x80-\x8f][\x80-\xbf]{2}/x;
my $part = qr/\xe0[\xa0-\xbf] | [\xe1-\xec\xee\xef][\x80-\xbf]
	| \xed[\x80-\x9f] | \xf0[\x90-\xbf][\x80-\xbf]?
	| [\xf1-\xf3][\x80-\xbf]{1,2} | \xf4[\x80-\x8f][\x80-\xbf]?/x;

sub replaced ($bytes) {
	my $text = $bytes =~ s/\G(?:($valid)|$part|.)/$1 \/\/ "\xef\xbf\xbd"/gesr;
	utf8::decode($text);
	return $text;
}

my @sequences = ("\x80", "\xbf", "\xc0", "\xc1\x80", "\xc2", "\xc2A",
	"\xc3\xa9\xc3", "\xe0\x80\x80", "\xe0\xa0", "\xe0\xa0A", "\xe2\x82",
	"\xe2\x82\xe2\x82\xac", "\xe2A\x82", "\xed\xa0\x80",
	"\xed\xa0\xbd\xed\xb8\x80", "\xed\x9f", "\xf0\x80\x80\x80",
	"\xf0\x9f", "\xf0\x9f\x98", "\xf0\x9f\x98A", "\xf0\x9f\xf0\x9f\x98\x80",
	"\xf4\x8f\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80",
	"\xfe\xff", "\xff" x 5, "A\xe9B\xe9C", "\x80\x80\x80", "\xef\xbf",
	"\xc2\"", "\xe2\x82\\", "\xf0\n", "\xe2\0", "\x89PNG\r\n\x1a\n");

srand 1;
my @edges = map { chr } 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0,
	0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff;
push @sequences, join '', map { $edges[rand @edges] } 1 .. 500 for 1 .. 30;

@wrong = map { quoted($_) } grep {
	my $data = output($_)->json // {};
	($data->{output} // 'none') ne replaced($_);
} @sequences;
is(join("\n", map { substr $_, 0, 200 } @wrong), '', 'invalid UTF-8');

# The oracle above is no better than this one.

SKIP: {
	skip 'no python3', 1 if !-x '/usr/bin/python3';

	my $list = join ',', map { 'b' . quoted($_) } @sequences;
	my $file = $t->write_file('utf8.py', 'import json; print(json.dumps(['
		. "s.decode('utf-8', 'replace') for s in [$list]]))");
	is_deeply($json->decode(scalar `/usr/bin/python3 $file`),
		[map { replaced($_) } @sequences], 'the same as in Python');
}

# Characters cut by frames.

for my $text ("\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80", "\xe2\x82", "\xf0\x9f",
	"a\xed\xa0\x80b\xc3", "\xe2\x82\xe2\x82\xac")
{
	my $list = join ',', map { quoted($_) } $text =~ /./gs;
	is(run("stdout => [$list]")->json->{output}, replaced($text),
		'a frame for each byte: ' . quoted($text));
}

is(run('stdout => ["\xc3"], stderr => "\xa9", status => "error"')
	->json->{output}, "\x{fffd}", 'stdout and stderr are not joined');
is(run('stdout => ["a", "", "b", ""]')->json->{output}, 'ab', 'empty frames');

# sizes

for my $size (0, 1, 4087, 4088, 4089, 4095, 4096, 4097, 8192, 65536, 1000000) {
	$r = run("stdout => 'x' x $size");
	ok($r->body eq '{"output":"' . 'x' x $size . qq("}\n), "$size bytes");
}

$r = run('stdout => "\0" x 5e6');
ok($r->body eq '{"output":"' . '\u0000' x 5e6 . qq("}\n), '5 MB of NUL');
$r = run('stdout => "\xff" x 3e6');
ok($r->body eq '{"output":"' . "\xef\xbf\xbd" x 3e6 . qq("}\n), '3 MB of \xff');
$r = run('stdout => [("x") x 20000]');
ok($r->body eq '{"output":"' . 'x' x 20000 . qq("}\n), '20000 frames');

# images

answer_is(run('files => [["triangle.png", "abc"]]'), 200,
	'{"images":{"triangle.png":"YWJj"},"output":""}', 'image');
answer_is(run('files => [["b.png", "1"], ["a.png", "22"], ["c.svg", "333"]],
	stdout => "x"'), 200, '{"images":{"b.png":"MQ==","a.png":"MjI=",'
	. '"c.svg":"MzMz"},"output":"x"}', 'in the order received');
answer_is(run('files => [["\xc3\xa9\".png", ""], ["\n\xff.png", "x"]]'), 200,
	qq({"images":{"\xc3\xa9\\".png":"","\\n\xef\xbf\xbd.png":"eA=="},)
	. '"output":""}', 'names are text');
answer_is(run('files => [["x" x 255, "x"]]'), 200,
	'{"images":{"' . 'x' x 255 . '":"eA=="},"output":""}', 'a long name');
$r = run('files => [["d/e.png", "x"]], status => "error", stderr => "bad"');
answer_is($r, 200, '{"error":"bad","images":{"d/e.png":"eA=="},"output":""}',
	'images and an error');

my $bytes = join '', map { chr } 0 .. 255;

for my $n (0 .. 4, 255 .. 259, 3000, 65535, 1000000) {
	my $image = substr $bytes x (1 + $n / 256), 0, $n;
	$r = run("files => [['a', substr join('', map { chr } 0 .. 255)"
		. " x (1 + $n / 256), 0, $n]]");
	ok($r->body eq '{"images":{"a":"' . encode_base64($image, '')
		. qq("},"output":""}\n), "image of $n bytes");
}

# statuses

my $exit = 'status => "error", exit_code => 3';
my $signal = 'status => "signal", exit_code => undef';

for my $case (
	["$exit, stderr => 'oops'", 200, '{"error":"oops","output":""}'],
	["$exit, stderr => \"oops\\n\"", 200, '{"error":"oops","output":""}'],
	["$exit, stderr => \"a\\nb\\n\", stdout => 'c'", 200,
		'{"error":"a\nb","output":"c"}'],
	[$exit, 200, '{"error":"Process exited with code 3","output":""}'],
	["$exit, stderr => \"\\n\"", 200,
		qr/^\{"error":"(?:Process exited with code 3)?","output":""\}$/],
	["$signal, signal => 9", 200,
		'{"error":"Process killed by signal 9 (SIGKILL)","output":""}'],
	["$signal, signal => 11, stderr => \"oops\\n\"", 200, '{"error":"oops\n'
		. 'Process killed by signal 11 (SIGSEGV)","output":""}'],
	["$signal, signal => 6, stderr => \"oops\"", 200, '{"error":"oops\n'
		. 'Process killed by signal 6 (SIGABRT)","output":""}'],
	["$signal, signal => 31", 200,
		'{"error":"Process killed by signal 31 (SIGSYS)","output":""}'],
	["status => 'memory', exit_code => undef, signal => 9", 200,
		'{"error":"Memory limit exceeded","output":""}'],
	["status => 'memory', exit_code => 1, stderr => \"oops\\n\",
		stdout => 'x'", 200,
		'{"error":"oops\nMemory limit exceeded","output":"x"}'],
	["status => 'timeout', exit_code => undef, signal => 9,
		stdout => 'part', stderr => 'ignored'", 504,
		'{"error":"Code execution timed out","output":"part"}'],
	["status => 'timeout', exit_code => undef, files => [['a', 'x']]", 504,
		'{"error":"Code execution timed out","images":{"a":"eA=="},'
		. '"output":""}'],
	["stderr => 'a warning', stdout => 'x'", 200, '{"output":"x"}'],
	["stdout => 'x', truncated => JSON::PP::true", 200,
		'{"output":"x","truncated":true}'],
	["$exit, truncated => JSON::PP::true", 200,
		'{"error":"Process exited with code 3","output":"",'
		. '"truncated":true}'])
{
	my ($expression, $status, $body) = @$case;
	my $name = $expression =~ s/\s+/ /gr;

	if (ref $body) {
		like(run($expression)->body, $body, $name);
	} else {
		answer_is(run($expression), $status, $body, $name);
	}
}

# detail

my $members = 'id => "my.id", time_us => 1234567, cpu_us => 1250, queue_us => 9,
	memory_kb => 9000';
my $asked = { detail => JSON::PP::true, execution_id => 'my.id' };

$r = run("$members, stdout => 'x', stderr => 'w'", data => $asked);
is_deeply($r->json, { output => 'x', stderr => 'w', status => 'ok',
	exit_code => 0, signal => undef, time_ms => 1234.567, cpu_ms => 1.25,
	queue_ms => 0.009, memory_kb => 9000, execution_id => 'my.id',
	truncated => JSON::PP::false }, 'detail');
like($r->body, qr/^\{"output":"x",/, 'the usual members first');
like($r->body, qr/"time_ms":1234\.567\b/, 'three decimals');
like($r->body, qr/"cpu_ms":1\.250\b/, 'three decimals, always');
like($r->body, qr/"queue_ms":0\.009\b/, 'three decimals, below one');
is(scalar(my @t = $r->body =~ /"truncated"/g), 1, 'truncated once');

$r = run("$members, $signal, signal => 9, files => [['a', 'x']],
	stderr => 'oops', truncated => JSON::PP::true", data => $asked);
my $details = $r->json;
is($details->{error}, "oops\nProcess killed by signal 9 (SIGKILL)",
	'detail, error');
is($details->{stderr}, 'oops', 'detail, stderr as it was');
is($details->{signal}, 9, 'detail, signal');
is($details->{exit_code}, undef, 'detail, no exit code');
ok(exists $details->{exit_code}, 'detail, but null');
ok($details->{truncated}, 'detail, truncated');
is(scalar(@t = $r->body =~ /"truncated"/g), 1, 'truncated once');
like($r->body, qr/^\{"error":.*"images":.*"output":.*"status":/, 'order');

ok(!exists $details->{$_}, "detail, no $_ was given")
	for qw/reason skipped/;
$r = run("reason => 'disk', skipped => [{ name => qq(a\\n\"),
	reason => 'fifo' }]", data => $asked);
is($r->json->{reason}, 'disk', 'detail, reason');
is_deeply($r->json->{skipped}, [{ name => "a\n\"", reason => 'fifo' }],
	'detail, skipped');
$r = run("reason => '', skipped => []", data => $asked);
is($r->json->{reason}, '', 'detail, no reason');
ok(!exists $r->json->{skipped}, 'detail, nothing was skipped');

# of what was compiled

$r = run("stage => 'run', compile_us => 12345", data => $asked);
is_deeply([$r->json->@{qw/stage compile_ms/}], ['run', 12.345],
	'detail, compiled');
like($r->body, qr/"queue_ms":[\d.]+,"stage":"run","compile_ms":12\.345,"mem/,
	'in their place');
$r = run("stage => 'compile', compile_us => 0, reason => 'compile',
	status => 'error', exit_code => 1", data => $asked);
is_deeply([$r->json->@{qw/stage compile_ms reason/}], ['compile', 0, 'compile'],
	'detail, it did not compile');
$r = run("stage => 'run', compile_us => 0", data => $asked);
ok(!exists $r->json->{$_}, "nothing was compiled: no $_")
	for qw/stage compile_ms/;
$r = run("stage => 1, compile_us => 'x'", data => $asked);
ok($r->status == 200 && !exists $r->json->{stage}, 'what is no stage');

ok(run("reason => undef, skipped => 'x', stdout => 'x'")->status == 200,
	'what is not a reason');
is(run("stdout => 'x'", uri => '/detail')->json->{status}, 'ok',
	'codeexec_detail');
answer_is(run("stdout => 'x'", uri => '/detail',
	data => { detail => JSON::PP::false }), 200, '{"output":"x"}',
	'the request wins');
is(run('status => "timeout", exit_code => undef', data => $asked)
	->json->{status}, 'timeout', 'detail of a timeout');

# busy and rejected

sub framed ($expression) {
	return $t->http_post_json('/runcode',
		{ code => 'frame', stdin => $expression });
}

$r = framed('busy(retry_after => 42)');
error_is($r, 503, 'Server is busy, try again later', 'busy');
is($r->header('Retry-After'), 42, 'Retry-After');
is($r->header('Cache-Control'), 'no-store', 'Cache-Control');

for my $reason (qw/queue_full queue_timeout stopping not_ready unheard_of/) {
	$r = framed("busy(reason => '$reason')");
	error_is($r, 503, 'Server is busy, try again later', "busy, $reason");
}

for my $after (0, 61, -1, '"x"', 'null', '1e9', '[]') {
	$r = framed("frame(BUSY => '{\"reason\":\"x\",\"retry_after\":$after}')");
	like($r->status, qr/^50[23]$/, "retry_after $after");
	like($r->header('Retry-After') // 1, qr/^(?:[1-9]|[1-5]\d|60)$/,
		"retry_after $after, in range");
}

error_is(framed('reject("language")'), 400, 'Unsupported language', 'reject');
error_is(framed('reject(too_large => "too \"large\" \x{20ac}")'), 413,
	"too \"large\" \x{20ac}", 'reject, too large');
error_is(framed('reject(job => "bad job")'), 400, 'bad job', 'reject, job');

$t->done_testing;
