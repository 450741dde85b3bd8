#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# The engine API: each row of its tables, success and failure.

use v5.36;
use utf8;

use Encode ();
use JSON::PP ();
use Test::More;
use Time::HiRes qw/sleep time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Process;
use Test::Codeexec::Real;
use Test::FakeSandbox;

my $http = Encode::encode_utf8(<<'EOC');
	upstream sandbox { server unix:%%SOCK%%; keepalive 8; }
	upstream fake { server unix:%%SOCK_fake%%; }
	codeexec_zone engine:1m;
	server {
	    listen 127.0.0.1:%%PORT_0%%;
	    codeexec_api engine;
	    codeexec_timeout 3s;
	    codeexec_max_code_size 10k;
	    client_max_body_size 64k;

	    location / { codeexec_pass sandbox; }
	    location /api/ { codeexec_pass sandbox; }
	    location /fake/ { codeexec_pass fake; codeexec_timeout 30s; }
	    location /short/ { codeexec_pass sandbox; codeexec_timeout 1500ms; }
	    location /strict/ {
	        codeexec_pass sandbox;
	        codeexec_deny_import subprocess;
	        codeexec_deny 'os\.system' "检测到危险代码模式: os\.system";
	    }
	    location /executor/ { codeexec_api executor; codeexec_pass sandbox; }
	    location /render/ { codeexec_api render; codeexec_pass sandbox; }
	    location /down/ { codeexec_pass unix:%%SOCK_down%%; }
	}
EOC

my $t = Test::Codeexec::Real->start(http => $http, conf => {
	runs => 2, queue => 1, limits => { memory => '96mb' } });

$t->dead_socket('down');

my $fake = $t->fake(name => 'fake', state => { packages => {
	python => { packages => { numpy => '1.24.2', Pillow => '9.4.0',
		beautifulsoup4 => '4.11.2' } } },
	limits => { memory => 512 << 20 } },
	script => sub ($c, $job) {
		my ($how) = split ' ', $job->{code};

		return $c->send(busy(retry_after => 3)) if $how eq 'busy';
		return $c->send(reject('language')) if $how eq 'reject';
		return $c->send(answer(stdout => 'x', time_us => $1 * 1000))
			if $how =~ /^took(\d+)/;
		return $c->send(answer(status => 'timeout', reason => 'timeout',
			exit_code => undef, signal => 9, stdout => 'so far'))
			if $how eq 'timeout';
		$c->wait_stop($job) if $how eq 'wait';
		$c->send(answer(stdout => 'ok'));
	});

my $json = JSON::PP->new->utf8;

sub execute ($code, %arg) {
	my $uri = delete $arg{uri} // '/execute';

	return $t->http_post_json($uri, $json->encode({ code => $code, %arg }),
		timeout => 20);
}

# The exact text, of which parts in <> are patterns; characters that are not
# ASCII are written as they are here.

sub ascii ($text) {
	return $text =~ s/([^\x00-\x7f])/sprintf '\\u%04x', ord $1/ger;
}

sub like_text ($r, $status, $text, $name) {
	my $pattern = join '', map { /^<(.*)>$/s ? $1 : quotemeta }
		split /(<[^<>]*>)/, ascii($text);
	my $ok = ($r->status // 0) == $status && $r->body =~ /\A$pattern\n\z/
		&& $r->header('Content-Type') eq 'application/json';

	return ok($ok, Encode::encode_utf8($name)) || diag($r->raw, "\nexpected $pattern");
}

my $id = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
my $time = '\d+\.\d{1,3}';

sub ran ($output, %arg) {
	my $success = defined $arg{error} && !$arg{fine} ? 'false' : 'true';
	my $error = $arg{error} // '';

	return qq({"error":"$error","execution_id":"<$id>",)
		. qq("execution_time":<$time>,"imports_used":)
		. ($arg{imports} // '[]') . ',"install_message":"'
		. ($arg{install} // '无需安装包') . qq(","output":"$output",)
		. qq("success":$success});
}

sub failed ($error) { return qq({"error":"$error","output":"","success":false}) }

# GET /health, and the commands of its README

my $healthy = '{"service":"Python Execution Engine","status":"healthy",'
	. '"version":"1.0.0"}';
like_text($t->http_get('/health'), 200, $healthy, 'health');
like_text($t->http_get('/api/health'), 200, $healthy, 'behind /api/');

SKIP: {
	skip 'no curl', 3 if !grep { -x "$_/curl" } split /:/, $ENV{PATH};

	my $url = 'http://127.0.0.1:' . $t->port;
	my $run = sub ($command) { return `curl -s $command` };

	is($run->("$url/health"), "$healthy\n", 'curl: health');
	like($run->(qq(-X POST $url/execute -H "Content-Type: application/json" )
		. q(-d '{"code": "print(\"Hello, World!\")"}')),
		qr/"output":"Hello, World!\\n","success":true\}\n\z/, 'curl: execute');
	like($run->("$url/packages"), qr/\A\{"allowed_packages":\[/,
		'curl: packages');
}

# POST /execute

like_text(execute('print("Hello, World!")'), 200, ran('Hello, World!\n'),
	'hello');
like_text(execute('print("数学 π 😀")'), 200, ran('数学 π \ud83d\ude00\n'),
	'all is ASCII');
like_text(execute(<<'EOP'), 200,
import math
import datetime

print("数学计算:")
print(f"π = {math.pi}")
EOP
	ran('数学计算:\nπ = 3.141592653589793\n', imports => '["datetime","math"]',
		install => '所有包都在允许列表中'), 'imports');
like_text(execute('import sys; print(1); print("careful", file=sys.stderr)'),
	200, ran('1\n', error => 'careful\n', fine => 1, imports => '["sys"]',
		install => '所有包都在允许列表中'), 'stderr is no failure');
like_text(execute("print(1)\nno_such_thing()\nprint(2)"), 200,
	ran('1\n', error => '<Traceback[^}]*>NameError: name <\W*>no_such_thing'
		. '<\W*> is not defined\n'), 'a failure is no success');
like_text(execute('print('), 200,
	ran('', error => '<[^}]*>SyntaxError<[^}]*>'), 'no program');
like_text(execute('raise SystemExit(3)'), 200,
	ran('', error => '进程退出码: 3'), 'an exit code');
like_text(execute('import os; os.kill(os.getpid(), 9)'), 200,
	ran('', error => '进程被信号终止: 9', imports => '["os"]',
		install => '所有包都在允许列表中'), 'a signal');
like_text(execute("print('x', flush=True)\nb = bytearray(300 << 20)"), 200,
	ran('x\n', error => '<(?:[^}]*)>', ), 'memory');
like_text(execute("import no_such_package.part\n"), 200,
	ran('', error => '<[^}]*>No module named <[^}]*>',
		imports => '["no_such_package"]',
		install => '安装包失败: no_such_package'), 'what is not installed');
like_text(execute("print('so far', flush=True)\nwhile True: pass"), 200,
	ran('so far\n', error => '代码执行超时（3秒）'), 'its time is over');
like_text(execute("while True: pass", uri => '/short/execute'), 200,
	ran('', error => '代码执行超时（1.5秒）'), 'half seconds');
like_text(execute('timeout', uri => '/fake/execute'), 200,
	ran('so far', error => '代码执行超时（30秒）'), 'the usual time');
like_text(execute("x = '''\n```python\n1\n```\n'''\nprint(len(x))"), 200,
	ran('17\n'), 'a fence in a program is a part of it');
like_text(execute('print(1)', execution_id => 'mine-1'), 200,
	ran('1\n') =~ s/<$id>/mine-1/r =~ s/<\Q$id\E>/mine-1/r, 'its own id');
like_text(execute('print(1)', execution_id => undef), 200, ran('1\n'),
	'an id that is null');
like_text(execute("open('a.png', 'w').write('x')\nprint(1)"), 200, ran('1\n'),
	'no images');

for (['0' => '0.0'], ['1' => '0.001'], [10 => '0.01'], [120 => '0.12'],
	[1000 => '1.0'], [12345 => '12.345'], [100000 => '100.0'])
{
	my ($ms, $seconds) = @$_;
	like(execute("took$ms", uri => '/fake/execute')->body,
		qr/"execution_time":\Q$seconds\E,/, "time: $seconds");
}

# Faults of the client

my $missing = failed('缺少代码参数');
like_text($t->http_post_json('/execute', $_), 400, $missing, "missing: $_")
	for '', '{}', '[]', '[1]', '1', 'null', '"code"', '{"codes":"x"}', '{"code"',
	'{"code":"x"', '{"execution_id":"a"}', "{\"code\":\"\xff\"}";
like_text($t->http_post_json('/execute', qq({"code":"$_"})), 400,
	failed('代码不能为空'), 'blank') for '', ' ', '\n\t\r ', '\u3000\u00a0',
	'\u001c';
like_text($t->http_post_json('/execute', qq({"code":$_})), 400,
	failed('代码必须是字符串'), "no text: $_") for 1, 'true', '[]', '{}', 'null';
like_text($t->http_post('/execute', '{"code":"print(1)"}'), 200, ran('1\n'),
	'its type does not matter');
like_text(execute('x', execution_id => $_), 400,
	failed('<[^}]*execution_id[^}]*>'), 'a bad id')
	for '', 'a b', 'x' x 65, 1, [], "\x{4e2d}";
like_text(execute("a\0b"), 400, failed('<[^}]*>NUL<[^}]*>'), 'NUL');
like_text(execute('#' x 10_241), 413, failed('<[^}]*>10240<[^}]*>'),
	'large code');
like_text(execute('#' x 70_000), 413, failed('Request Entity Too Large'),
	'a large body');

# What it imports

sub imports_of ($code) {
	my $r = execute("ok\n$code", uri => '/fake/execute')->json;
	return join ' ', @{ $r->{imports_used} };
}

my @imports = (
	['import a' => 'a'], ['import a.b.c' => 'a'], ["import  a\t, b" => 'a b'],
	['import b as x, a.c as y, c' => 'a b c'], ['from a import b' => 'a'],
	['from a.b import (c,' . "\n" . 'import_d, e)' => 'a'],
	['from . import a' => ''], ['from .a import b' => ''],
	['from..a import b' => ''], ["if 1:\n    import a" => 'a'],
	["try: import a\nexcept: import b" => 'a b'], ['x = 1; import a' => 'a'],
	["# import a\nimport b # import c" => 'b'], ['"import a"' => ''],
	["x = '''\nimport a\n'''" => ''], ['f"""' . "\nimport a\n" . '"""' => ''],
	["x = 'it\\'s'; import a" => 'a'], ["x = r'\\'; import a'" => ''],
	["x = (1,\nimport_a)\nimport b" => 'b'], ["x = {\n'a': 1}\nimport a" => 'a'],
	["import \\\n  a, \\\r\n b" => 'a b'], ["x = 1 + \\\nimport_a" => ''],
	['important = 1' => ''], ['x.import_a' => ''], ['from_a = 1' => ''],
	["import a\r\nimport b\rimport c" => 'a b c'], ['import a, a, b, a' => 'a b'],
	['import' => ''], ['from' => ''], ['import ' => ''], ["import a." => 'a'],
	['x = "' => ''], ["x = '''" => ''], ['x = "\\' => ''], ['import a,' => 'a'],
	['import 1' => ''], ['(' => ''], [')' . "\nimport a" => 'a'],
	["import π" => 'π'], ["lambda: x; import a" => 'a'], ["\\" => ''],
);

is(Encode::encode_utf8(imports_of($_->[0])), Encode::encode_utf8($_->[1]),
	Encode::encode_utf8("imports of $_->[0]" =~ s/\s+/ /gr)) for @imports;
is(scalar(split ' ', imports_of(join '', map { "import m$_\n" } 1 .. 600)), 256,
	'not more than so many');
like(execute("\x{feff}import a", uri => '/fake/execute')->body,
	qr/"imports_used":\["a"\]/, 'after a byte order mark');

# Screening

sub unsafe ($why) {
	return qq({"error":"安全检查失败: $why","execution_id":"<$id>",)
		. qq("execution_time":<$time>,"output":"","success":false});
}

like_text(execute("import os\nos.system('id')", uri => '/strict/execute'), 200,
	unsafe('<[^}]*>检测到危险代码模式: os\\\\.system'), 'a pattern');
like_text(execute("print(0)\nimport subprocess", uri => '/strict/execute'), 200,
	unsafe('<[^}]*2[^}]*subprocess[^}]*>'), 'an import');
like_text(execute('print(1)', uri => '/strict/execute'), 200, ran('1\n'),
	'what is safe');
like_text(execute('print(', uri => '/strict/execute'), 200,
	ran('', error => '<[^}]*>SyntaxError<[^}]*>'), 'no program');
is(stop('nothing', '/strict')->status, 404, 'nothing to be screened');
is($t->http_get('/strict/config')->status, 200, 'nor here');

# Without codeexecd, or with one that is busy

like_text(execute('print(1)', uri => '/down/execute'), 502,
	failed('Bad Gateway'), 'codeexecd is down');
my $r = execute('busy', uri => '/fake/execute');
like_text($r, 503, failed('服务器繁忙，请稍后再试'), 'busy');
is($r->header('Retry-After'), 3, 'Retry-After');
like_text(execute('reject', uri => '/fake/execute'), 400,
	failed('Unsupported language'), 'refused');

# Other paths and methods

like_text($t->http_get($_), 404, failed('Not Found'), "no path $_")
	for '/', '/nothing', '/execute/', '/health/', '/api/', '/api/x';
like_text($t->http_get('/execute'), 405, failed('Method Not Allowed'),
	'GET execute');
like_text($t->http_get('/stop/a'), 405, failed('Method Not Allowed'),
	'GET stop');
like_text($t->http_post($_, '{}'), 405, failed('Method Not Allowed'),
	"POST $_") for qw{/health /status /packages /config};
like_text($t->http("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400,
	failed('Bad Request'), 'a bad request');

# GET /packages and /config

like_text($t->http_get('/fake/packages'), 200,
	'{"allowed_packages":["Pillow","beautifulsoup4","numpy"],"total_count":3}',
	'packages');
like_text($t->http_get('/fake/config'), 200, '{"allowed_packages_count":3,'
	. '"max_execution_time":30,"max_memory_mb":512}', 'config');
like_text($t->http_get('/config'), 200, '{"allowed_packages_count":<\d+>,'
	. '"max_execution_time":3,"max_memory_mb":96}', 'of the real one');
like_text($t->http_get('/short/config'), 200, '{"allowed_packages_count":<\d+>,'
	. '"max_execution_time":1.5,"max_memory_mb":96}', 'half seconds');
like_text($t->http_get('/down/packages'), 502, failed('Bad Gateway'),
	'packages of nobody');

# GET /status, POST /stop/<id>

sub status_is ($name, @ids) {
	my $list = join ',', map { qq("$_") } @ids;
	my $n = @ids;

	return wait_until(5, sub {
		$t->http_get('/status')->body eq qq({"execution_ids":[$list],)
			. qq("running_executions":$n,"status":"running"}\n);
	}) ? pass($name) : fail($name) || diag($t->http_get('/status')->body);
}

sub stop ($id, $prefix = '') {
	return $t->http($t->request(POST => "$prefix/stop/$id"));
}

sub start ($code, $id, $uri = '/execute') {
	my $s = $t->connect;
	write_all($s, $t->request(POST => $uri, body => $json->encode(
		{ code => $code, execution_id => $id })));
	return $s;
}

sub stopped ($output) {
	return ran($output, error => '代码执行已停止')
		=~ s/<\Q$id\E>/<[\\w.-]+>/r;
}

status_is('nothing runs');
my $s = start("print('so far', flush=True)\nopen('one', 'w')\n"
	. "while True: pass", 'one');
$t->marked('one');
status_is('one runs', 'one');
like_text(execute('print(1)', execution_id => 'one'), 409,
	failed('An execution with this id is running'), 'its id is taken');
my $since = time;
like_text(stop('one'), 200, '{"message":"成功停止执行: one","success":true}',
	'stop');
like_text($t->receive($s), 200, stopped('so far\n'), 'it is stopped');
cmp_ok(time - $since, '<', 1, 'soon');
like_text(stop('one'), 404,
	'{"message":"停止执行失败或执行不存在: one","success":false}', 'once');
like_text(stop('%22%e4%b8%ad'), 404,
	'{"message":"停止执行失败或执行不存在: \\\\"中","success":false}' =~ s/\\\\/\\/r,
	'any name');
like_text(stop(''), 404,
	'{"message":"停止执行失败或执行不存在: ","success":false}', 'no name');
status_is('nothing runs');

$s = start('wait', 'late', '/fake/execute');
status_is('one runs', 'late');
like_text(stop('late'), 200, '{"message":"成功停止执行: late","success":true}',
	'by another location');
is($t->receive($s)->status, 200, 'answered');

# What another API has begun

for (['/executor/execute', 200, qr/\A\{"status":"error",.*was stopped.*\}\z/],
	['/render/render-matplotlib', 422,
		qr/\A\{"error":"Code execution was stopped"\}\n\z/])
{
	my ($uri, $code, $answer) = @$_;

	$s = $t->connect;
	write_all($s, $t->request(POST => $uri, headers =>
		['Content-Type: application/json'],
		body => '{"code":"while True: pass"}'));
	my $ids;
	wait_until(5, sub {
		$ids = $t->http_get('/status')->json->{execution_ids};
		@$ids && $t->state->{running};
	});
	is(stop($ids->[0])->status, 200, "stop what runs in $uri");
	my $r = $t->receive($s);
	is($r->status, $code, 'its status');
	like($r->body, $answer, 'its answer');
}

# In the queue

my @s = map { start("open('q$_', 'w')\nwhile True: pass", "q$_") } 1, 2;
$t->marked("q$_") for 1, 2;
push @s, start('print(3)', 'q3');
ok(wait_until(5, sub { $t->state->{queued} == 1 }), 'one waits');
like_text(execute('print(4)'), 503, failed('服务器繁忙，请稍后再试'),
	'no room for more');
like_text(stop('q3'), 200, '{"message":"成功停止执行: q3","success":true}',
	'stop what waits');
like_text($t->receive(pop @s), 200, stopped(''), 'it has not run');
stop("q$_") for 1, 2;
like_text($t->receive($_), 200, stopped(''), 'the others') for @s;
status_is('nothing runs');

# Under load: all are answered, whether they are stopped or not.

my (%seen, @running);

for my $n (1 .. 60) {
	push @running, start($n % 2 ? "print($n)" : "while True: pass", "load$n",
		$n % 7 ? '/execute' : '/fake/execute');
	stop('load' . ($n - 1));
	next if @running < 6;
	stop($_) for @{ $t->http_get('/status')->json->{execution_ids} };
	count(splice @running, 0, 3);
}

my $gone = wait_until(20, sub {
	my @ids = @{ $t->http_get('/status')->json->{execution_ids} };
	stop($_) for @ids;
	return !@ids;
});
ok($gone, 'all are gone');
count(@running);

sub count (@sockets) {
	for (@sockets) {
		my $r = $t->receive($_);
		my $data = $r->json // {};
		my $form = join ' ', sort keys %$data;
		my $right = 'error ' . ($r->status == 200 ? 'execution_id '
			. 'execution_time imports_used install_message ' : '')
			. 'output success';
		$seen{$r->status . ($form eq $right ? '' : " $form")}++;
	}
}

is(join(' ', grep { !/^(?:200|503)$/ } sort keys %seen), '',
	'each has an answer of the right form');
note(join ', ', map { "$_: $seen{$_}" } sort keys %seen);

$t->settle;
like_text(execute('print(1)'), 200, ran('1\n'), 'well after it');
$t->baseline;
$s = start("while True: pass", 'last');
status_is('one more', 'last');
is(stop('last')->status, 200, 'stop');
is($t->receive($s)->status, 200, 'answered');
$t->check_leaks('nothing is left', 1);
$t->done_testing;
