#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# The API of RAGFlow's sandbox: every row of its tables, in the versions that
# are in use.

use v5.36;
use utf8;

use Encode ();
use JSON::PP ();
use MIME::Base64 qw/decode_base64 encode_base64/;
use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Real;
use Test::FakeSandbox;

alarm(400);

my $json = JSON::PP->new->utf8->allow_nonref->canonical;
my ($true, $null) = (JSON::PP::true, undef);
my $node = -x '/usr/bin/node' && -e ($Test::Codeexec::DAEMON
	=~ s{[^/]+$}{node/codeexec.node}r);

my $t = Test::Codeexec::Real->start(spare => 2, science => 1, node => $node,
	conf => { limits => { memory => '192mb', disk => '40mb',
		input => '2mb', file_size => '11mb', files_size => '40mb', files => 40 } },
	http => <<'EOC');
    limit_req_zone $server_port zone=slow:64k rate=1r/m;
    limit_conn_zone $server_port zone=none:64k;
    client_max_body_size 8m;
    codeexec_max_code_size 4m;
    codeexec_max_variables_size 2m;

    server {
        listen 127.0.0.1:%%PORT_0%%;

        location / { codeexec_api ragflow; codeexec_pass unix:%%SOCK%%; }
        location /a/ { codeexec_api ragflow-a; codeexec_pass unix:%%SOCK%%; }
        location /d/ { codeexec_api ragflow-d; codeexec_pass unix:%%SOCK%%; }
        location /short/ {
            codeexec_api ragflow;
            codeexec_pass unix:%%SOCK%%;
            codeexec_timeout 300ms;
        }
        location /deny/ {
            codeexec_api ragflow;
            codeexec_pass unix:%%SOCK%%;
            codeexec_deny 'forbidden' 'No.';
            codeexec_deny_import json;
        }
        location /fake/ { codeexec_api ragflow; codeexec_pass unix:%%SOCK_fake%%; }
        location /fake-a/ {
            codeexec_api ragflow-a;
            codeexec_pass unix:%%SOCK_fake%%;
        }
        location /down/ { codeexec_api ragflow; codeexec_pass unix:%%SOCK_down%%; }
        location /late/ {
            codeexec_api ragflow;
            codeexec_pass unix:%%SOCK_mute%%;
            codeexec_read_timeout 300ms;
        }
        location /small/ {
            codeexec_api ragflow;
            codeexec_pass unix:%%SOCK%%;
            codeexec_max_code_size 10;
            codeexec_max_variables_size 10;
        }
    }

    server {
        listen 127.0.0.1:%%PORT_1%%;
        limit_req zone=slow;

        location / { codeexec_api ragflow; codeexec_pass unix:%%SOCK%%; }
        location /a/ { codeexec_api ragflow-a; codeexec_pass unix:%%SOCK%%; }
        location /d/ {
            codeexec_api ragflow-d;
            codeexec_pass unix:%%SOCK%%;
            limit_req_status 429;
        }
    }

    server {
        listen 127.0.0.1:%%PORT_2%%;
        codeexec_api ragflow-d;
        client_max_body_size 100;

        location = /run { codeexec_pass unix:%%SOCK%%; }
        location = /key { return 401; }
    }
EOC

my $fake = $t->fake(name => 'fake', script => sub ($c, $job) {
	my %answer = eval $job->{code};
	$c->send($answer{raw} // answer(%answer));
});

$t->fake(name => 'mute', script => sub ($c, $job) { sleep 20 });
$t->dead_socket('down');
$t->expect_log(qr/connect\(\) to|timed out/);

sub post ($code, %arg) {
	my $at = delete $arg{at} // '';
	my $bytes = utf8::is_utf8($code) ? Encode::encode('UTF-8', $code) : $code;

	return $t->http_post_json("/${at}run", { code_b64 =>
		encode_base64($bytes, ''), %arg }, timeout => 30);
}

sub raw ($body, %arg) {
	return $t->http_post_json('/run', $body, %arg);
}

# An answer, as text with all members in their order; time is T.

sub answer_text ($got, %want) {
	my @keys = qw/status stdout stderr exit_code detail time_used_ms
		memory_used_kb resource_limit_type unauthorized_access_type
		runtime_error_type/;
	my %all = (stdout => '', stderr => '', artifacts => [], %want);

	push @keys, qw/artifacts result/ if !delete $all{old};

	return '{' . join(',', map {
		qq("$_":) . ($_ eq 'time_used_ms' && $all{$_} ? 'T'
			: $_ eq 'exit_code' ? $all{$_}
			: $_ eq 'result' && defined $all{$_} ? $all{$_}
			: $json->encode($all{$_}))
	} @keys) . '}';
}

sub is_answer ($r, $name, %want) {
	my $got = $r->body =~ s/"time_used_ms":\d+\.\d\d\d,/"time_used_ms":T,/r;
	my $status = delete $want{http} // 200;

	return is("@{[$r->status]} $got", "$status " . answer_text($got, %want),
		$name);
}

sub success ($r, $name, %want) {
	return is_answer($r, $name, status => 'success', exit_code => 0,
		time_used_ms => 1, %want);
}

# stderr is a pattern.

sub failure ($r, $stderr, $name, %want) {
	my $data = $r->json // {};

	like($data->{stderr} // '', $stderr, "$name: stderr");
	return is_answer($r, $name, status => 'program_error', exit_code => 1,
		runtime_error_type => 'nonzero_exit',
		stderr => $data->{stderr}, %want);
}

sub unsafe ($r, $stderr, $name, %want) {
	return is_answer($r, $name, status => 'program_runner_error',
		exit_code => -999, stderr => $stderr, detail => 'Code is unsafe',
		%want);
}

sub returned ($value) { return qq({"present":true,"value":$value,"type":"json"}) }

###############################################################################

# The others than /run

for my $at ('', 'a/', 'd/') {
	answer_is($t->http_get("/$at$_"), 200, '{"status":"ok"}', "GET /$at$_")
		for 'healthz', '';
}

answer_is($t->http_get('/docs'), 404, '{"detail":"Not Found"}', 'no such path');
my $r = $t->http_get('/run');
answer_is($r, 405, '{"detail":"Method Not Allowed"}', 'GET /run');
is($r->header('Allow'), 'POST', 'Allow');
is($r->header('Content-Type'), 'application/json', 'type');
answer_is($t->http_post_json('/healthz', {}), 405,
	'{"detail":"Method Not Allowed"}', 'POST /healthz');

###############################################################################

# 422

sub invalid ($body, $issues, $name) {
	return answer_is(raw($body), 422, qq({"detail":[$issues]}), $name);
}

invalid('{"language":"python"}', '{"type":"missing","loc":["body","code_b64"],'
	. '"msg":"Field required","input":{"language":"python"}}', 'no code');
invalid('{"code_b64":1}', '{"type":"string_type","loc":["body","code_b64"],'
	. '"msg":"Input should be a valid string","input":1}', 'a number');
invalid('{"code_b64":null}', '{"type":"string_type","loc":["body","code_b64"],'
	. '"msg":"Input should be a valid string","input":null}', 'null');
invalid('{"code_b64":"","language":"ruby"}', '{"type":"enum",'
	. '"loc":["body","language"],"msg":"Input should be \'python\' or '
	. '\'nodejs\'","input":"ruby","ctx":{"expected":"\'python\' or '
	. '\'nodejs\'"}}', 'another language');
invalid(qq({"code_b64":"","language":$_}), '{"type":"enum",'
	. '"loc":["body","language"],"msg":"Input should be \'python\' or '
	. qq('nodejs'","input":$_,"ctx":{"expected":"'python' or 'nodejs'"}}),
	"language: $_") for 'null', '1', '"Python"', '"python3"',
	'"javascript"', '"python\u0000"', '[]';
invalid('{"code_b64":"","arguments":[1]}', '{"type":"dict_type",'
	. '"loc":["body","arguments"],"msg":"Input should be a valid dictionary",'
	. '"input":[1]}', 'arguments');
invalid('{"code_b64":"=","language":0,"arguments":"x"}', join(',',
	'{"type":"value_error","loc":["body","code_b64"],"msg":"Value error, '
	. 'Invalid base64 encoding: Leading padding not allowed","input":"=",'
	. '"ctx":{"error":{}}}',
	'{"type":"enum","loc":["body","language"],"msg":"Input should be '
	. '\'python\' or \'nodejs\'","input":0,"ctx":{"expected":"\'python\' or '
	. '\'nodejs\'"}}',
	'{"type":"dict_type","loc":["body","arguments"],"msg":"Input should be a '
	. 'valid dictionary","input":"x"}'), 'all at once');
invalid('[]', '{"type":"model_attributes_type","loc":["body"],"msg":"Input '
	. 'should be a valid dictionary or object to extract fields from",'
	. '"input":[]}', 'no object');
invalid('{', '{"type":"json_invalid","loc":["body",1],"msg":"JSON decode '
	. 'error","input":{},"ctx":{"error":"Expecting property name enclosed in '
	. 'double quotes"}}', 'no JSON');
invalid('', '{"type":"missing","loc":["body"],"msg":"Field required",'
	. '"input":null}', 'nothing');

# As Python says it; what it takes is a program.

my %base64 = (
	'=' => 'Leading padding not allowed',
	'a' => 'Invalid base64-encoded string: number of data characters (1) '
		. 'cannot be 1 more than a multiple of 4',
	'a===' => 'Invalid base64-encoded string: number of data characters (1) '
		. 'cannot be 1 more than a multiple of 4',
	'abcdefghi' => 'Invalid base64-encoded string: number of data characters '
		. '(9) cannot be 1 more than a multiple of 4',
	'ab' => 'Incorrect padding', 'abc' => 'Incorrect padding',
	'ab=' => 'Incorrect padding', 'abcdef' => 'Incorrect padding',
	'ab==x' => 'Excess data after padding',
	'abc==' => 'Excess data after padding',
	'YQ==YQ==' => 'Excess data after padding',
	'ab=x' => 'Discontinuous padding not allowed',
	'ab=c=' => 'Discontinuous padding not allowed',
	'ab c' => 'Only base64 data is allowed',
	'abcd\n' => 'Only base64 data is allowed',
	'a-_b' => 'Only base64 data is allowed',
	'abc\u0000' => 'Only base64 data is allowed',
	'abc=d\u00e9' => 'string argument should contain only ASCII characters',
);

for my $text (sort keys %base64) {
	my $body = raw(qq({"code_b64":"$text"}))->json;
	is($body->{detail}[0]{msg}, "Value error, Invalid base64 encoding: "
		. $base64{$text}, "base64: $text");
}

is(raw(qq({"code_b64":"$_"}))->status, 200, "base64: $_")
	for '', 'YQ==', 'YWI=', 'YWJj', 'YWJj=', 'YWJj====', 'YR==';

###############################################################################

# main()

success(post('def main(): pass'), 'None', result => returned('null'));
success(post("print('module')\ndef main(a, b='x'):\n print(a, b)\n"
	. " return {'a': a, 'é': [b, None, (1, 2)]}", arguments => { a => 1 }),
	'a result', stdout => "module\n1 x\n",
	result => returned('{"a":1,"é":["x",null,[1,2]]}') =~ s/é/\xc3\xa9/r);
success(raw('{"extra":1,"code_b64":"' . encode_base64(
	'def main(**a): return a', '') . '","arguments":{"n":123456789012345678901'
	. ',"f":1.50,"b":true}}'), 'arguments as they were written',
	result => returned('{"n":123456789012345678901,"f":1.5,"b":true}'));
success(post('def main(): return 1', arguments => undef), 'arguments: null',
	result => returned('1'));
success(post("import warnings\ndef main():\n warnings.warn('careful')\n"
	. " return __name__"), 'a warning is no failure', stderr =>
	"main.py:3: UserWarning: careful\n  warnings.warn('careful')\n",
	result => returned('"main"'));
success(post("async def main(): return 2"), 'an async one',
	result => returned('2'));
success(post("def main():\n print('x')\n raise SystemExit(0)"), 'sys.exit(0)',
	stdout => "x\n");
success(post("def main(): return float('nan')"), 'NaN',
	result => returned('null'));
failure(post('def main(): return {1}'), qr/TypeError: Object of type set is not JSON serializable\n\z/,
	'no JSON');
failure(post(''), qr/\AImportError: cannot import name 'main' from 'main' \(/, 'no main()');
failure(post('def main(a): pass'), qr/missing 1 required positional argument: 'a'\n\z/,
	'an argument is missing');
failure(post("print(1)\ndef main(): return a / 0\na = 1"), qr/ZeroDivisionError: division by zero\n\z/,
	'an exception');
failure(post("def main(): raise SystemExit(3)"), qr/\A\z/, 'another exit code',
	exit_code => 3);
failure(post('return 1'), qr/SyntaxError: 'return' outside function\n\z/,
	'what the parser does not see');
failure(post("import signal\ndef main(): signal.raise_signal(11)"), qr/\A/,
	'a signal', exit_code => 139);

my $big = 'x' x 1_500_000;
my $body = post('def main(s): return len(s)', arguments => { s => $big });
success($body, 'large arguments', result => returned('1500000'));

# Where it ends otherwise

is_answer(post("def main():\n while True: pass", at => 'short/'), 'time',
	status => 'resource_limit_exceeded', exit_code => -124,
	stderr => 'Execution timeout', resource_limit_type => 'time',
	time_used_ms => 1);

my $memory = post("def main():\n x = [bytearray(1048576) for i in range(400)]\n"
	. ' return len(x)')->json;
is($memory->{status}, 'resource_limit_exceeded', 'memory');
is($memory->{resource_limit_type}, 'memory', 'memory: type');

sub fake ($code, $at = 'fake/') {
	return $t->http_post_json("/${at}run", { language => 'nodejs',
		code_b64 => encode_base64($code, '') });
}

my $error = "status => 'error', exit_code => 2, stderr =>";

is_answer(fake("(status => 'memory', exit_code => undef, stdout => 'lost')"),
	'killed for memory', status => 'resource_limit_exceeded',
	exit_code => -137, stderr => 'Memory limit exceeded (killed by OOM)',
	resource_limit_type => 'memory', time_used_ms => 1);
is_answer(fake("($error 'x: Permission denied', stdout => 'lost')"),
	'permission', status => 'unauthorized_access', exit_code => 2,
	stderr => 'x: Permission denied',
	unauthorized_access_type => 'file_access');
is_answer(fake("($error 'a Operation not permitted')"), 'a system call',
	status => 'unauthorized_access', exit_code => 2,
	stderr => 'a Operation not permitted',
	unauthorized_access_type => 'disallowed_syscall');
is_answer(fake("($error qq(MemoryError\\n))"), 'MemoryError',
	status => 'resource_limit_exceeded', exit_code => 2,
	stderr => "MemoryError\n", resource_limit_type => 'memory');
is_answer(fake("(status => 'signal', exit_code => undef, signal => 9)"),
	'killed by another', status => 'program_error', exit_code => 137,
	runtime_error_type => 'nonzero_exit');
success(fake("(stderr => 'Permission denied MemoryError')"),
	'not if it went well', stderr => 'Permission denied MemoryError');
is_answer(fake('(raw => busy())'), 'busy', status => 'program_runner_error',
	exit_code => -10, stderr => 'Container pool is busy',
	detail => 'no_available_container');
is_answer(fake("(raw => reject('language'))"), 'no such runtime',
	status => 'program_runner_error', exit_code => -3,
	stderr => 'Unsupported language', detail => 'internal_error');
answer_is(fake("(raw => reject('too_large', 'large'))"), 413,
	'{"detail":"large"}', 'too large for codeexecd');
is_answer(post('', at => 'down/'), 'no codeexecd',
	status => 'program_runner_error', exit_code => -3,
	stderr => 'Bad Gateway', detail => 'internal_error');
is_answer(post('', at => 'late/'), 'no answer',
	status => 'program_runner_error', exit_code => -3,
	stderr => 'Command timed out', detail => 'internal_error');
is_answer(fake("(raw => 'no frame')"), 'a bad answer',
	status => 'program_runner_error', exit_code => -3,
	stderr => 'Bad Gateway', detail => 'internal_error');
answer_is(post('x' x 11, at => 'small/'), 413,
	'{"detail":"\"code\" is larger than 10 bytes"}', 'a long program');
answer_is(post('x', at => 'small/', arguments => { a => 'x' x 9 }), 413,
	'{"detail":"\"arguments\" is larger than 10 bytes"}', 'long arguments');

# What is no text

is_answer(post("\xff"), 'not UTF-8', status => 'program_runner_error',
	exit_code => -999, stderr => 'the code is not UTF-8',
	detail => 'unhandled_exception');
unsafe(post("a\0b"), 'Line -1: Parsing Error: source code string cannot contain '
	. 'null bytes', 'NUL');

###############################################################################

# Analysis of Python programs

my @rules = (
	["import os", 'Line 1: Import: os'],
	["x\nimport os.path, math, sys as s", "Line 2: Import: os.path\nLine 2: Import: sys"],
	['import http.client', ''], ['import ftplib', 'Line 1: Import: ftplib'],
	['from subprocess import Popen', 'Line 1: From Import: subprocess'],
	['from . import os', ''], ['from .os import x', 'Line 1: From Import: os'],
	['import builtins', 'Line 1: Import: builtins', ''],
	["eval('1')", 'Line 1: Call: eval'], ['open', ''],
	['x.eval(1)', 'Line 1: Call: eval', ''],
	['df.rename(1).remove(2)', "Line 1: Call: remove\nLine 1: Call: rename", ''],
	['os.system("x")', "Line 1: Call: system\nLine 1: Attribute Access: os.system",
		'Line 1: Attribute Access: os.system'],
	['shutil.rmtree', 'Line 1: Attribute Access: shutil.rmtree'],
	['1 + 1', 'Line 1: Possible unsafe string concatenation'],
	["'%s' % 'a'", 'Line 1: Possible unsafe string concatenation'],
	['x + 1', ''], ['1 + 2 + x', 'Line 1: Possible unsafe string concatenation'],
	['def open(): pass', 'Line 1: Function Definition: open'],
	['async def open(): pass', ''], ['class open: pass', ''],
	['eval = x = 1', 'Line 1: Assignment to dangerous variable: eval'],
	['eval: int = 1', ''], ['a.eval = 1', ''],
	['lambda: eval(1)', "Line 1: Lambda with dangerous function call\nLine 1: Call: eval"],
	['[eval(x) for x in y]', "Line 1: List comprehension with dangerous function call\n"
		. 'Line 1: Call: eval'],
	["[x for x in eval('1')]", "Line 1: Call: eval\nLine 1: Call: eval"],
	['{eval(x) for x in open(y)}', join("\n", 'Line 1: Call: open',
		'Line 1: Set comprehension with dangerous function call',
		'Line 1: Call: eval', 'Line 1: Call: open')],
	['{eval(x): exec(x) for x in y}', join("\n",
		'Line 1: Dict comprehension with dangerous function call in key',
		'Line 1: Dict comprehension with dangerous function call in value',
		'Line 1: Call: eval', 'Line 1: Call: exec')],
	['(eval(x) for x in y)', 'Line 1: Call: eval'],
	["def f():\n yield eval(1)\n yield", "Line 2: Yield with dangerous function call\n"
		. 'Line 2: Call: eval'],
	["f(\n eval(\n  'x'))", 'Line 2: Call: eval'],
	['getattr(x, "y")', 'Line 1: Call: getattr'],
	['pickle.loads(x)', "Line 1: Attribute Access: pickle.loads"],
	["# import os\n'import os'", ''],
	["x = (", "Line -1: Parsing Error: '(' was never closed (<unknown>, line 1)"],
	["a\n b", 'Line -1: Parsing Error: unexpected indent (<unknown>, line 2)'],
);

for my $rule (@rules) {
	my ($code, $late, $early) = @$rule;

	for my $case (['', $late], ['a/', $early // $late]) {
		my ($at, $want) = @$case;
		my $got = post($code, at => $at)->json;

		is($got->{detail} ? $got->{stderr} : '', $want,
			"$code " . ($at || 'c/'));
	}
}

unsafe(post("import os\nos.getcwd()"),
	"Line 1: Import: os\nLine 2: Attribute Access: os.getcwd", 'all of it');
unsafe(post("import os", at => 'a/'), 'Line 1: Import: os', 'all of it, A',
	old => 1);
unsafe(post("import os", at => 'd/'), 'Line 1: Import: os', 'all of it, D');
unsafe(post("# forbidden\nimport os", at => 'deny/'), 'Line 1: No.',
	"an operator's pattern");
unsafe(post("1 + 1\nimport json", at => 'deny/'), "Line 1: Possible unsafe "
	. "string concatenation\nLine 2: Import of \"json\" is not allowed",
	"an operator's module");

###############################################################################

# Node.js

SKIP: {
	skip('no node', 1) if !$node;

	my @node = (language => 'nodejs');

	success(post('function main({ a }) { console.log(a); return { b: a } }', @node,
		arguments => { a => 'é' }), 'Node.js', stdout => "é\n",
		result => returned("{\"b\":\"\xc3\xa9\"}"));
	success(post('async function main() { await 1; return null }', @node),
		'async', result => returned('null'));
	success(post('const main = async (x) => x; module.exports = { main }', @node),
		'exported', result => returned('{}'));
	failure(post('async function main() {}', @node),
		qr/\AError: main\(\) must return a value. Use null for an empty result.\n\z/,
		'nothing');
	failure(post('function main() { return () => 1 }', @node),
		qr/\AError: main\(\) returned a non-JSON-serializable value.\n\z/,
		'a function');
	failure(post('function main() { null.x }', @node),
		qr{\AError when executing main: TypeError: Cannot read.*main\.js:1:\d+\)?\n\z}s,
		'an error');
	failure(post('async function main() { throw new Error("e") }', @node),
		qr{\AError in async main function: Error: e\n    at main \(/home/user/main\.js:1:\d+\)\n\z},
		'a rejection');
	failure(post('function main() { return Promise.reject("text") }', @node),
		qr{\AError in async main function: text\n\z}, 'of a text');
	failure(post('let a', @node), qr/main is not/, 'no main()');
	failure(post('let = 1 1', @node), qr/SyntaxError/, 'no program');
	is(post("'\0'", @node)->json->{exit_code}, 1, 'NUL');

	my $bad = "eval ('1')\nrequire('fs')\nnew Function ()\n"
		. "process . binding(1)\nrequire( `worker_threads` )\neval(2)\n"
		. 'require("child_process") // require("fs")';

	unsafe(post($bad, @node), join("\n", 'Line 7: Require: child_process',
		'Line 2: Require: fs', 'Line 7: Require: fs',
		'Line 5: Require: worker_threads', 'Line 1: Call: eval',
		'Line 6: Call: eval', 'Line 3: Call: Function',
		'Line 4: Call: process.binding'), 'analysis');
	success(post("// medieval(), require('node:fs'), import('fs')\n"
		. 'function main() { return 1 }', @node), 'not unsafe',
		result => returned('1'));

	success(post("require('fs'); function main() { return { a: 1 } }", @node,
		at => 'a/'), 'A: not analysed, printed', stdout => "{ a: 1 }\n",
		old => 1);
	success(post('function main() {}', @node, at => 'a/'), 'A: undefined',
		stdout => "undefined\n", old => 1);

	my $files = "const fs = require(['f', 's'].join(''));"
		. "fs.mkdirSync('artifacts'); fs.writeFileSync('artifacts/a.csv', '1');"
		. "function main() { return 1 }";

	is_deeply(post($files, @node)->json->{artifacts}, [{ name => 'a.csv',
		mime_type => 'text/csv', size => 1, content_b64 => 'MQ==' }],
		'Node.js: artifacts');
}

# Generation A

success(post('def main(a): return {"a": a}', at => 'a/',
	arguments => { a => 'x' }), 'A: printed', stdout => "{'a': 'x'}\n",
	old => 1);
success(post("print(1)\ndef main(): pass", at => 'a/'), 'A: None is not',
	stdout => "1\n", old => 1);
failure(post('x', at => 'a/'), qr/NameError/, 'A: a failure', old => 1);

###############################################################################

# Artifacts

my $write = "from pathlib import Path\n"
	. "def main(names):\n"
	. " for n in names:\n"
	. "  p = Path(n); p.parent.mkdir(exist_ok=True)\n"
	. "  p.write_bytes(n.encode() * names[n])\n";

sub artifacts ($names, %arg) {
	my $got = post($write, arguments => { names => $names }, %arg)->json;

	return [map { [$_->{name}, $_->{mime_type}, $_->{size},
		decode_base64($_->{content_b64})] } @{ $got->{artifacts} // [$got] }];
}

my @types = qw(png image/png jpg image/jpeg jpeg image/jpeg svg image/svg+xml
	pdf application/pdf csv text/csv json application/json html text/html);
my %types = @types;

is_deeply(artifacts({ map { ("artifacts/f.$_", 1) } keys %types }),
	[map { ["f.$_", $types{$_}, length "artifacts/f.$_", "artifacts/f.$_"] }
		sort keys %types], 'types');
is_deeply([map { "@$_[0, 1]" } @{ artifacts({ 'artifacts/A.PNG' => 1,
	'artifacts/b.JpEg' => 1 }) }], ['A.PNG image/png', 'b.JpEg image/jpeg'],
	'letters of any case');
is_deeply(artifacts({ 'artifacts/x.txt' => 1, 'artifacts/.png' => 1,
	'artifacts/.x.png' => 1, 'artifacts/x' => 1, 'artifacts/empty.csv' => 0,
	'artifacts/a..b.png' => 1, 'artifacts/a\\b.png' => 1, 'top.png' => 1,
	'other/x.png' => 1 }), [], 'none of these');
is(scalar @{ artifacts({ map { ("artifacts/$_.csv", 1) } 10 .. 29 }) }, 10,
	'not more than ten');
is_deeply([map { $_->[0] } @{ artifacts({ 'artifacts/123.csv' => 1,
	'artifacts/large1.csv' => 600_000 }) }], ['123.csv'], 'not too large');
is_deeply(artifacts({ 'top.png' => 1, 'args.json' => 1, 'main.csv' => 1,
	'artifacts/main.csv' => 2, 'artifacts/x.svg' => 1, 'below/y.png' => 1,
	'z.txt' => 1 }, at => 'd/'), [
	['x.svg', 'image/svg+xml', 15, 'artifacts/x.svg'],
	['main.csv', 'text/csv', 8, 'main.csv'],
	['top.png', 'image/png', 7, 'top.png']], 'D: those of the top, too');

my $fails = post("$write exit(1)", arguments => { names => { 'artifacts/a.csv'
	=> 1 } })->json;
is_deeply($fails->{artifacts}, [], 'none of one that fails');

my $figure = post("import matplotlib.pyplot as plt\ndef main():\n"
	. " plt.plot([1, 2])\n plt.savefig('artifacts/p.png')\n return 1")->json;
is("$figure->{stderr}$figure->{stdout}", '', 'matplotlib is quiet');
is($figure->{artifacts}[0]{mime_type}, 'image/png', 'a figure');
like(decode_base64($figure->{artifacts}[0]{content_b64}), qr/\A\x89PNG/,
	'a figure: its bytes');

###############################################################################

# Limits of nginx, and a server that is all of it

sub limited ($at, $http, $name, %more) {
	my $r;

	for (1 .. 2) {
		$r = $t->http_post_json("/${at}run", { code_b64 => '' },
			port => $t->port(1));
	}

	is_answer($r, $name, http => $http, status => 'program_runner_error',
		exit_code => -429, stderr => 'Too many requests, please try again later',
		detail => 'Too many requests, please try again later', %more);
	return $r;
}

limited('', 200, 'too many');
limited('a/', 200, 'too many, A', old => 1);
is(limited('d/', 429, 'too many, D')->header('Retry-After'), 1, 'Retry-After');

answer_is($t->http_post('/run', 'x' x 101, port => $t->port(2)), 413,
	'{"detail":"Request Entity Too Large"}', 'a large body');
answer_is($t->http_get('/none', port => $t->port(2)), 404,
	'{"detail":"Not Found"}', 'nothing there');
answer_is($t->http_get('/key', port => $t->port(2)), 401,
	'{"detail":"Missing or invalid sandbox executor API token"}', 'no key');

###############################################################################

# The probe of its settings, and the cases that its own suite has

my $probe = post("def main() -> dict:\n    print('TEST_PASSED')\n"
	. "    return {'status': 'ok'}\n")->json;
ok($probe->{exit_code} == 0 && $probe->{stdout} =~ /TEST_PASSED/, 'the probe');

for my $case (
	['7 without dependencies', "def main():\n    return {'data': 'hello'}", 1],
	['8 pandas', "import pandas as pd\n\ndef main():\n    data = {'a': [1, 2]}\n"
		. "    df = pd.DataFrame(data)\n", 1],
	['11 os', "import os\n\ndef main():\n    pass\n", 0],
	['12 Popen', "from subprocess import Popen\n\ndef main():\n    pass\n", 0],
	['13 eval', "def main():\n    eval('1')\n", 0],
	['14 rmtree', "import shutil\n\ndef main():\n    shutil.rmtree('/x')\n", 0],
	['15 concatenation', "def main():\n    s = 'os.' + 'system'\n", 0],
	['16 a function', "def eval_function():\n    eval('x')\n\ndef main():\n"
		. "    eval_function()\n", 0],
	['17 memory', "def main():\n    x = ['a' * 1024 * 1024] * 300\n", 0])
{
	my ($name, $code, $well) = @$case;
	is(post($code)->json->{status} eq 'success' ? 1 : 0, $well, "case $name");
}

my @loops = map { $t->connect } 1 .. 6;
$_->syswrite($t->request(POST => '/short/run', body => $json->encode({
	code_b64 => encode_base64("def main():\n    while True:\n        pass\n", ''),
	language => 'python', arguments => {} }))) for @loops;
is($t->read_response($_, timeout => 30)->json->{exit_code}, -124,
	'cases 1 to 6: a loop') for @loops;

$t->done_testing;
