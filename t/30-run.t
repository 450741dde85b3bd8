#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# The contract of /runcode with real runs, end to end.

use v5.36;
use utf8;

use Encode ();
use JSON::PP ();
use MIME::Base64 qw/encode_base64/;
use Test::More;
use Time::HiRes qw/time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Real;

my $t = Test::Codeexec::Real->start(science => 1,
	conf => { limits => { memory => '256mb' } });

# A PNG that a program makes without any library.

my $png = <<'EOP';
import struct, zlib
def png(path):
    def chunk(kind, data):
        sum = zlib.crc32(kind + data)
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', sum)
    with open(path, 'wb') as f:
        f.write(b'\x89PNG\r\n\x1a\n'
                + chunk(b'IHDR', struct.pack('>2I5B', 1, 1, 8, 0, 0, 0, 0))
                + chunk(b'IDAT', zlib.compress(b'\0\0')) + chunk(b'IEND', b''))
EOP

sub is_png ($bytes, $name) {
	like($bytes, qr/\A\x89PNG\r\n\x1a\n.{4}IHDR.*IEND\xaeB`\x82\z/s, $name);
}

###############################################################################

# The three examples that clients start with

answer_is($t->http_post_json('/runcode', '{"languageType": "python",'
	. ' "variables": {}, "code": "print(\"Hello, World!\")"}'), 200,
	'{"output":"Hello, World!\n"}', 'POST, hello');

answer_is($t->http_get('/runcode?languageType="python"&variables={}'
	. '&code=print("Hello,%20World!")'), 200,
	'{"output":"Hello, World!\n"}', 'GET, hello');

answer_is($t->http_get('/runcode?languageType=python&variables={}'
	. q{&code=print('Hello,+World!')}), 200,
	'{"output":"Hello, World!\n"}', 'GET, hello, without quotes');

my $r = $t->post(<<'EOP', languageType => 'python', variables => {});
import matplotlib.pyplot as plt

# Draw a triangle
x = [0, 1, 0.5, 0]
y = [0, 0, 1, 0]

plt.plot(x, y)
plt.title('Triangle')
plt.savefig('triangle.png')
EOP
is($r->status, 200, 'POST, triangle');
like($r->body, qr/\A\{"images":\{"triangle\.png":"[A-Za-z0-9+\/]+=*"\},
	"output":""\}\n\z/x, 'its answer');
is($r->header('Content-Type'), 'application/json', 'its type');
is($r->header('Cache-Control'), 'no-store', 'its caching');
my $triangle = $t->image($r->json, 'triangle.png');
is_png($triangle, 'a picture');
cmp_ok(length $triangle, '>', 5000, 'of some size');

# The commands of the README, to the letter

my $readme = do {
	open my $fh, '<:encoding(UTF-8)', "$FindBin::Bin/../README.md"
		or die "README.md: $!";
	local $/;
	<$fh>;
};

SKIP: {
	skip 'no curl', 3 if !grep { -x "$_/curl" } split /:/, $ENV{PATH};

	my $port = $t->port;
	my $block = qr/(?:[^\n]*\n(?:\ {4}|(?=\n\ {4})))*?[^\n]*/;
	my @found = $readme
		=~ /^\ {4}(curl\ $block)\n\n\ {4}(\{.*?)\n\n/gmsx;
	cmp_ok(scalar @found, '>=', 6, 'commands in the README');

	while (my ($command, $answer) = splice @found, 0, 2) {
		$command =~ s/localhost:8080/127.0.0.1:$port/g;
		$command =~ s/^ {4}//mg;
		$answer = join '[A-Za-z0-9+/=]+', map { quotemeta }
			split /…/, $answer;
		$t->write_file('command', Encode::encode_utf8($command));
		my $got = `bash @{[$t->dir]}/command 2>@{[$t->dir]}/curl.out`;
		like($got, qr/\A$answer\n\z/,
			(split /\n/, $command)[0] =~ s/\s*\\$//r);
	}
}

###############################################################################

# Variables are values

my $value = sub ($json, $code = 'print(type(v).__name__, repr(v))') {
	my $r = $t->http_post_json('/runcode', qq({"variables":{"v":$json},)
		. '"code":' . JSON::PP->new->allow_nonref->encode($code) . '}');
	return $r->json->{output} // $r->body;
};

my @values = (
	['"Bob"', "str 'Bob'"],
	['""', "str ''"],
	['"7"', "str '7'"],
	['"__import__(\"os\").abort()"', q{str '__import__("os").abort()'}],
	['"a\\u0000b\\n\'\\"\\\\"', q{str 'a\x00b\n\'"\\\\'}],
	['"\u00e4\u4f60\ud83d\ude00"', "str 'ä你😀'"],
	['7', 'int 7'],
	['-0', 'int 0'],
	['123456789012345678901234567890', 'int 123456789012345678901234567890'],
	['18446744073709551616', 'int 18446744073709551616'],
	['0.1', 'float 0.1'],
	['1.0', 'float 1.0'],
	['1e300', 'float 1e+300'],
	['null', 'NoneType None'],
	['true', 'bool True'],
	['false', 'bool False'],
	['[1,[2.5,"x"],{"k":[null]}]', "list [1, [2.5, 'x'], {'k': [None]}]"],
	['{"a":{"b":{"c":[1]}}}', "dict {'a': {'b': {'c': [1]}}}"],
	['[]', 'list []'],
	['{}', 'dict {}'],
);

is($value->($_->[0]), "$_->[1]\n", "variable $_->[0]") for @values;

is($t->output('print(总数 + 1)', variables => { 总数 => 41 }), "42\n",
	'a variable with a name of its own script');
is($t->output("print(globals()['not a name'])",
	variables => { 'not a name' => 1 }), "1\n", 'a name that is none');
is($t->output('print(print)', variables => { print => 1 }),
	q{error: Traceback (most recent call last):
  File "main.py", line 1, in <module>
    print(print)
TypeError: 'int' object is not callable}, 'a variable shadows a builtin');
is($t->output('print(n); n = 2; print(n)', variables => { n => 1 }), "1\n2\n",
	'a variable can be assigned');
is($t->output('print("v" in globals())'), "False\n", 'and is gone afterwards');
is(length $t->output('print(v)', variables => { v => 'x' x 900_000 }),
	900_001, 'a long one');

###############################################################################

# Other members

my $fence = '```';

for my $case (
	["${fence}python\nprint(1)\n$fence", 'python'],
	["${fence}py\nprint(1)\n$fence", 'py'],
	["$fence\nprint(1)\n$fence", 'bare'],
	["Here it is:\n\n${fence}python\nprint(1)\n$fence\nEnjoy.", 'with words'],
	["${fence}python\nprint(1)", 'not closed'],
) {
	is($t->output($case->[0]), "1\n", "fence, $case->[1]");
}

is($t->output("print('''\n x $fence y''')"), "\n x $fence y\n",
	'no fence inside of a line');
is($t->output(''), '', 'an empty program');
is($t->output("\n\n   \n# nothing\n"), '', 'nothing but a comment');
is($t->output("\x{feff}print(1)"), "1\n", 'a byte order mark');
is($t->output("print(1)\r\nif 1:\r\n    print(2)\r\n"), "1\n2\n", 'CRLF');
is($t->output('import sys; print(ascii(sys.stdin.read()))',
	stdin => "ä\n\0x"), "'\\xe4\\n\\x00x'\n", 'stdin');
is($t->output('import sys; print(repr(sys.stdin.read()))'), "''\n",
	'no stdin');
is($t->output('import sys; print(len(sys.stdin.buffer.read()))',
	stdin => 'x' x 1_000_000), "1000000\n", 'a megabyte of stdin');
is($t->output('import sys; print(sys.argv)', args => ['a b', 'ä', '', '-x']),
	"['main.py', 'a b', 'ä', '', '-x']\n", 'args');
is($t->output('import sys; print(sys.argv)'), "['main.py']\n", 'no args');

for my $name (qw/python py PYTHON Python3 python3/) {
	is($t->output('print(1)', languageType => $name), "1\n", $name);
}

is($t->output('print(1)', language => 'python'), "1\n", 'language');

for my $name (qw/nodejs js bash sh ruby c++ cobol/, 'no such', '../python',
	'x' x 33)
{
	error_is($t->post('1', languageType => $name), 400,
		'Unsupported language', "language $name");
}

# With GET, everything but the code

$r = $t->http_get('/runcode?languageType=py&variables='
	. uri_escape('{"n":{"a":[1,"x y"]}}') . '&code='
	. uri_escape('import sys\nprint(n, sys.argv, input())')
	. '&stdin=line+one&args=' . uri_escape('["p q"]')
	. '&timeout=5&execution_id=my-run&detail=1');
is($r->json->{output}, "{'a': [1, 'x y']} ['main.py', 'p q'] line one\n",
	'GET with everything');
is($r->json->{execution_id}, 'my-run', 'GET, execution_id');
$r = $t->http_get('/runcode?languageType=python&variables={}&code='
	. 'print(%22%E4%BD%A0%E5%A5%BD%22)');
is($r->json->{output}, "你好\n", 'GET, UTF-8');
$r = $t->http_get('/runcode?languageType=python&variables={}&code='
	. 'for+i+in+range(2):\n++++print(i)');
is($r->json->{output}, "0\n1\n", 'GET, escapes');
error_is($t->http_get('/runcode?languageType=python&code=1'), 400,
	'Invalid parameters', 'GET without variables');

###############################################################################

# Details

my $answer = $t->run_code(<<'EOP', detail => JSON::PP::true,
import sys, time
print('out')
print('warning', file=sys.stderr)
block = bytearray(80 << 20)
for i in range(0, len(block), 4096): block[i] = 1
time.sleep(0.2)
end = time.process_time() + 0.2
while time.process_time() < end: pass
EOP
	execution_id => 'Run-1.a_B');

is($answer->{output}, "out\n", 'output');
ok(!exists $answer->{error}, 'a warning on stderr is no failure');
is($answer->{stderr}, "warning\n", 'stderr in the details');
is($answer->{status}, 'ok', 'status');
is($answer->{exit_code}, 0, 'exit code');
is($answer->{signal}, undef, 'signal');
is($answer->{execution_id}, 'Run-1.a_B', 'execution id');
ok(exists $answer->{truncated} && !$answer->{truncated}, 'not truncated');
cmp_ok($answer->{time_ms}, '>=', 400, 'time: sleep and burn');
cmp_ok($answer->{time_ms}, '<', 5000, 'time: not much more');
cmp_ok($answer->{cpu_ms}, '>=', 195, 'cpu: the burn');
cmp_ok($answer->{cpu_ms}, '<', $answer->{time_ms}, 'cpu: without the sleep');
cmp_ok($answer->{memory_kb}, '>=', 80 << 10, 'memory: what was allocated');
cmp_ok($answer->{memory_kb}, '<', 150 << 10, 'memory: not much more');
cmp_ok($answer->{queue_ms}, '>=', 0, 'queue time');
cmp_ok($answer->{queue_ms}, '<', 1000, 'queue time: no wait');

$answer = $t->run_code('print(1)', detail => JSON::PP::true);
cmp_ok($answer->{memory_kb}, '<', 60 << 10,
	'memory of a small run after a large one');
cmp_ok($answer->{memory_kb}, '>', 500, 'memory of a small run');
cmp_ok($answer->{cpu_ms}, '>', 0, 'cpu of a small run');
cmp_ok($answer->{cpu_ms}, '<', 200, 'not that of the one before');
like($answer->{execution_id}, qr/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/,
	'an id of our own');

# CPU time of processes that the program started and did not wait for

$answer = $t->run_code(<<'EOP', detail => JSON::PP::true);
import os, time
r, w = os.pipe()
if os.fork() == 0:
    end = time.process_time() + 0.3
    while time.process_time() < end: pass
    os._exit(0)
os.close(w)
os.read(r, 1)
EOP
cmp_ok($answer->{cpu_ms}, '>=', 280, 'cpu of a child');

is_deeply([sort keys %{ $t->run_code('print(1)') }], ['output'],
	'no details unless asked for');

###############################################################################

# Failure

$answer = $t->run_code(<<'EOP', detail => JSON::PP::true);
print('before')
def outer(x):
    return inner(x)
def inner(x):
    return 1 / x
outer(0)
EOP
is($answer->{error}, <<'EOP' =~ s/\n\z//r, 'a traceback of user frames');
Traceback (most recent call last):
  File "main.py", line 6, in <module>
    outer(0)
  File "main.py", line 3, in outer
    return inner(x)
           ^^^^^^^^
  File "main.py", line 5, in inner
    return 1 / x
           ~~^~~
ZeroDivisionError: division by zero
EOP
is($answer->{output}, "before\n", 'what it had printed is kept');
is($answer->{status}, 'error', 'status');
is($answer->{exit_code}, 1, 'exit code');

for my $case (
	['syntax error', 'x = = 1'],
	['in a library', "import json\njson.loads('{')"],
	['in a thread', "import threading\nt = threading.Thread(target="
		. "lambda: 1 / 0)\nt.start()\nt.join()"],
	['in an exec', "exec('1/0')"],
	['at exit', "import atexit\natexit.register(lambda: 1 / 0)"],
	['unraisable', "class A:\n    def __del__(self): 1 / 0\nx = A()\ndel x"],
	['unraisable at the end',
		"class A:\n    def __del__(self): 1 / 0\nx = A()"],
	['warning', "import warnings\nwarnings.warn('x')\nraise SystemExit(1)"],
	['chained', "try:\n    1 / 0\nexcept Exception:\n    [][1]"],
	['raised again',
		"try:\n    1 / 0\nexcept Exception as e:\n    raise ValueError from e"],
) {
	my $detail = $t->run_code($case->[1], detail => JSON::PP::true);
	unlike($detail->{stderr}, qr/runner|zygote|_codeexec|opt/,
		"$case->[0]: not a word of how it is run");
	like($detail->{stderr}, qr/main\.py|<string>/, "$case->[0]: where it was");
}

is_deeply($t->run_code("print('x')\nraise SystemExit(3)"),
	{ error => 'Process exited with code 3', output => "x\n" },
	'an exit code without a word');
is_deeply($t->run_code("import sys\nsys.exit('no luck')"),
	{ error => 'no luck', output => '' }, 'an exit with a word');
is_deeply($t->run_code("import os, sys\nsys.stderr.write('last words\\n')\n"
	. 'os.kill(os.getpid(), 9)'),
	{ error => "last words\nProcess killed by signal 9 (SIGKILL)",
	output => '' }, 'a signal');

$answer = $t->run_code($png . "png('a.png')\nprint('x')\n1 / 0");
is_png($t->image($answer, 'a.png'), 'images of a run that failed');
like($answer->{error}, qr/ZeroDivisionError/, 'with its error');

###############################################################################

# Output

$r = $t->post(<<'EOP', detail => JSON::PP::true);
import sys
sys.stdout.buffer.write(bytes(range(256)) + b'\xe4\xbd\xa0\0' + b'\xf0\x9f\x98')
sys.stderr.buffer.write(b'\0\xff\n')
EOP
like($r->body, qr/\\u0000\\u0001/, 'NUL is escaped');
$answer = $r->json;
is($answer->{output}, join('', map { chr } 0 .. 127) . "\x{fffd}" x 128
	. "你\0\x{fffd}", 'every byte, and what is no UTF-8 is replaced');
is($answer->{stderr}, "\0\x{fffd}\n", 'on stderr as well');

is($t->output("print('ä你😀\\u2028\\x1b[0m\\x7f')"),
	"ä你😀\x{2028}\x1b[0m\x7f\n", 'text of all kinds');
is($t->output(q{print('{"status":"ok"}'); print('CX\x01\x85\0\0\0\0')}),
	qq({"status":"ok"}\nCX\x01\x{85}\0\0\0\0\n), 'text that looks like ours');
is($t->output("print('x', end='')"), 'x', 'no newline');
is(length $t->output("print('x' * 999_999)"), 1_000_000, 'a megabyte');
is($t->output("import sys\nprint('a'); sys.stderr.write('b'); print('c')"),
	"a\nc\n", 'stdout and stderr apart');

###############################################################################

# Images

$answer = $t->run_code($png . <<'EOP');
import os
for name in ('a.png b.jpg c.jpeg d.gif e.webp f.svg G.PNG H.JpEg ä.png'
             ' i.txt j.pdf k .png .hidden.png l.png.txt').split(' '):
    png(name)
os.mkdir('sub')
png('sub/m.png')
png('/tmp/n.png')
with open('with space.gif', 'w') as f: f.write('text')
open('empty.png', 'w')
EOP
is_deeply([sort keys %{ $answer->{images} // {} }], [sort qw/a.png b.jpg
	c.jpeg d.gif e.webp f.svg G.PNG H.JpEg ä.png empty.png/,
	'with space.gif'], 'which files are images');
is_png($t->image($answer, 'G.PNG'), 'one of them');
is($answer->{images}{'with space.gif'}, encode_base64('text', ''),
	'not judged by its contents');
is($answer->{images}{'empty.png'}, '', 'an empty one');
ok(!$answer->{truncated}, 'nothing was cut');

$r = $t->post("for c in 'bca': open(c + '.png', 'w').write(c)");
answer_is($r, 200, '{"images":{"a.png":"YQ==","b.png":"Yg==","c.png":"Yw=="},'
	. '"output":""}', 'images in the order of their names');
is_deeply($t->run_code('print(1)'), { output => "1\n" }, 'none the next time');
is_png($t->image($t->run_code("import os\nos.chdir('/tmp')\n$png"
	. "png('/home/user/x.png')"), 'x.png'), 'from another directory');
is_deeply([keys %{ $t->run_code("import os\n$png"
	. "png('x.tmp')\nos.rename('x.tmp', 'x.png')")->{images} }], ['x.png'],
	'a renamed one');

###############################################################################

# Time

my $before = time;
$r = $t->post("$png\npng('a.png')\nimport time\nprint('partial', flush=True)\n"
	. "print('lost')\ntime.sleep(9)", timeout => 0.4,
	detail => JSON::PP::true);
my $took = time - $before;
is($r->status, 504, 'timeout');
$answer = $r->json;
is($answer->{error}, 'Code execution timed out', 'its error');
is($answer->{output}, "partial\n", 'partial output');
is_png($t->image($answer, 'a.png'), 'images until then');
is($answer->{status}, 'timeout', 'its status');
is($answer->{exit_code}, undef, 'no exit code');
cmp_ok($answer->{time_ms}, '>=', 400, 'its time');
cmp_ok($took, '<', 1.4, 'and not much later');

error_is($t->post('1', timeout => 0), 400, qr/"timeout" must be/,
	'timeout 0');
error_is($t->post('1', timeout => 61), 400, qr/"timeout" must be/,
	'timeout too large');

$t->honest('still well');
$t->done_testing;
