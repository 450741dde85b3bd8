#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# codeexec_api render: a program comes in, a figure goes out.  With a fake
# codeexecd what no program can be made to do, with a real one all else.

use v5.36;
use utf8;

use Encode ();
use JSON::PP ();
use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Real;
use Test::FakeSandbox;

alarm(600);

my $t = Test::Codeexec::Real->start(science => 1,
	conf => { limits => { memory => '512mb' } }, http => <<'EOC');
	upstream sandbox { server unix:%%SOCK%%; keepalive 8; }
	codeexec_pg none { conninfo "host=%%TESTDIR%%"; connect_timeout 100ms; }
	server {
	    listen 127.0.0.1:%%PORT_0%%;
	    codeexec_api render;
	    codeexec_timeout 50s;
	    client_max_body_size 2m;

	    location / { codeexec_pass sandbox; }
	    location = /draw { codeexec_pass sandbox; }
	    location /short/ { codeexec_pass sandbox; codeexec_timeout 700ms; }
	    location /small/ { codeexec_pass sandbox; codeexec_max_code_size 10; }
	    location /policy/ { codeexec_pass sandbox; codeexec_deny_import os; }
	    location /store/ { codeexec_pass sandbox; codeexec_store none; }
	    location /fake/ { codeexec_pass unix:%%SOCK_fake%%; }
	    location /down/ { codeexec_pass unix:%%TESTDIR%%/nobody; }
	}
EOC

# The original's own examples have other names for the address only.

sub draw ($code, %arg) {
	my $uri = delete $arg{uri} // '/render-matplotlib';
	return $t->http_post_json($uri, { code => $code }, timeout => 60, %arg);
}

sub size ($r) { return join 'x', unpack 'x16 NN', $r->body }

sub is_drawn ($r, $name) {
	my $ok = $r->status == 200
		&& $r->body =~ /\A\x89PNG\r\n\x1a\n.{4}IHDR.*IEND\xaeB`\x82\z/s
		&& $r->header('Content-Type') eq 'image/png'
		&& $r->header('Content-Length') == length $r->body;
	return ok($ok, $name) || diag($r->status, ' ', substr $r->body, 0, 500);
}

sub fails ($r, $status, $text, $name) {
	return error_is($r, $status, $text, $name);
}

###############################################################################

# GET /

my $r = $t->http_get('/');
answer_is($r, 200, 'Matplotlib Graph Render API is live!', 'GET /');
like($r->header('Content-Type'), qr{^text/html}, 'its type');
is($t->http_head('/')->status, 200, 'HEAD /');

# What a request looks like

my $missing = "Missing or invalid 'code' field";
my $type = 'Content-Type must be application/json';
my $uri = '/render-matplotlib';

fails($t->http_post($uri, '{"code":"1"}'), 400, $type, 'no type');
fails($t->http_post($uri, '{"code":"1"}', headers => ["Content-Type: $_"]),
	400, $type, "type \"$_\"") for 'text/plain',
	'application/x-www-form-urlencoded', 'application/jsonx',
	'application/xjson', 'text/json', '+json', 'application/', 'json', '';
fails($t->http_post($uri, '{}', headers => ["Content-Type: $_"]), 400,
	$missing, "type \"$_\"") for 'application/json',
	'application/json; charset=utf-8', 'Application/JSON;a=b',
	'application/vnd.api+json', 'application/json ; x';
fails($t->http_post_json($uri, $_), 400, 'Invalid JSON', "body \"$_\"")
	for '', 'not json', '{', '{"code":"1"', '{"code":1}x', "{\"code\":\"\xff\"}",
	'"x"', '5';
fails($t->http_post_json($uri, $_), 400, $missing, "body $_") for '{}', '[]',
	'{"code":null}', '{"code":5}', '{"code":""}', '{"code":["1"]}',
	'["code"]', '{"Code":"1"}', '{"code":false}';
fails(draw("1\0"), 400, '"code" must not contain NUL characters', 'NUL');
fails(draw('x' x 11, uri => '/small/render-matplotlib'), 413,
	'"code" is larger than 10 bytes', 'code too large');
fails($t->http_post_json($uri, 'x' x (3 << 20)), 413,
	'Request Entity Too Large', 'a large body');

$r = $t->http_get($uri);
fails($r, 405, 'Method Not Allowed', "GET $uri");
is($r->header('Allow'), 'POST', 'Allow');
fails($t->http_post_json('/', {}), 405, 'Method Not Allowed', 'POST /');
fails($t->http_get("/$_"), 404, 'Not Found', "/$_") for 'x',
	'render-matplotlib/', 'runcode';

###############################################################################

# Figures

$r = draw(<<'EOP');
import numpy as np
import matplotlib.pyplot as plt
x = np.linspace(0, 10, 1000)
y = np.sin(x)
plt.plot(x, y)
plt.title('Sine Wave')
EOP
is_drawn($r, "the original's example");
is($r->header('Cache-Control'), 'no-store', 'is not cached');
is($r->header('X-Content-Type-Options'), 'nosniff', 'nor guessed at');

is_drawn(draw('plt.plot(np.arange(3)); print("x")'), 'plt and np are there');
is_drawn(draw('plt.plot([1, 2])', uri => '/draw'), 'an exact location');
is_drawn(draw('plt.plot([1, 2])', uri => '/store/render-matplotlib'),
	'codeexec_store has no say');
is_drawn(draw('import sys; plt.plot([1]); sys.exit(0)'), 'sys.exit(0)');
is_drawn(draw('import warnings; warnings.warn("x"); plt.plot([1]); plt.show()'),
	'stderr');

# 6.4 x 4.8 inches by 200 dots, and what is empty at the edges cut off

my $blank = size(draw('import matplotlib.pyplot as plt'));
like($blank, qr/^1[23]\d\dx9\d\d$/, 'a blank figure, as large as they are');

for (
	['plt.figure()', 'nothing drawn in a figure'],
	['1', 'nothing drawn'],
	['   ', 'blank code'],
	['# comment', 'a comment'],
) {
	my ($code, $name) = @$_;
	$r = draw($code);
	is_drawn($r, $name);
	is(size($r), $blank, "$name: a blank figure");
}

sub square ($inches) {
	return "plt.figure(figsize=($inches, $inches), frameon=False)\n"
		. "plt.axes([0, 0, 1, 1]).set_axis_off()\nplt.plot([0, 1])\n";
}

my ($w) = size(draw(square(3))) =~ /^(\d+)/;
cmp_ok($w, '>', 500, 'three inches at 200 dots');
cmp_ok($w, '<', 700, 'and not more');

# The current figure, whatever was closed, shown or saved before

is(size(draw(square(3) . square(2))), size(draw(square(2))), 'the last one');
is(size(draw("import matplotlib.pyplot as plt\na = plt.figure(figsize=(3, 3))\n"
	. square(2) . "plt.figure(a.number)\nplt.axes([0, 0, 1, 1]).set_axis_off()"
	. "\nplt.plot([0, 1])\n")), size(draw(square(3))), 'the current one');
is(size(draw(square(2) . 'plt.show()')), size(draw(square(2))), 'plt.show()');
is(size(draw(square(2) . 'plt.savefig("x.png", dpi=30)')),
	size(draw(square(2))), 'savefig()');
is(size(draw(square(2) . 'plt.close("all")')), $blank, 'closed');
is(size(draw(square(2) . 'plt.rcParams["savefig.dpi"] = 30')),
	size(draw(square(2))), 'settings of the program');

# Nothing of one request is left in the next one

draw("plt.rcParams['figure.figsize'] = (1, 1); plt.plot([1])");
is(size(draw('1')), $blank, 'settings are gone');

# Failures

$r = draw("x = 1\nraise ValueError('Simulated \"error\" é')");
fails($r, 422, qq{Traceback (most recent call last):\n  File "main.py", line 2,}
	. qq{ in <module>\n    raise ValueError('Simulated "error" é')\n}
	. qq{ValueError: Simulated "error" é\n}, 'an exception');
like($r->body, qr/Simulated \\"error\\" \\u00e9/, 'ASCII only');

fails(draw('def f('), 422, qr/\A  File "main.py", line 1\n.*SyntaxError: .*\n\z/s,
	'a syntax error');
fails(draw('open("/nowhere")'), 422,
	qr/FileNotFoundError: .*\Q'\/nowhere'\E\n\z/s, 'a missing file');
fails(draw('plt.plot([1]); plt.title("$\\\\nosuchthing{$")'), 422,
	qr/ValueError/, 'what can be drawn, but not saved');
fails(draw('plt.figure(figsize=(3000, 3000))'), 422,
	qr/ValueError: Image size of .* is too large/, 'too large a figure');
fails(draw('plt.plot([1]); import sys; sys.exit(3)'), 422,
	'Process exited with code 3', 'sys.exit(3)');
fails(draw('plt.plot([1]); import sys; sys.exit("no")'), 422,
	"no\nProcess exited with code 1", 'sys.exit("no")');
fails(draw('import os; os._exit(0)'), 422, 'No figure was drawn', 'os._exit()');
fails(draw('import os; os.kill(os.getpid(), 9)'), 422,
	'Process killed by signal 9 (SIGKILL)', 'SIGKILL');
fails(draw('while True: pass', uri => '/short/render-matplotlib'), 422,
	'Code execution timed out', 'a timeout');
fails(draw('x = bytearray(1 << 30)'), 422, qr/MemoryError|Memory limit exceeded/,
	'too much memory');

my $policy = '/policy/render-matplotlib';
fails(draw("x\nimport os", uri => $policy), 403,
	'Line 2: Import of "os" is not allowed', "an operator's policy");
fails(draw('x = (', uri => $policy), 422, qr/SyntaxError/, 'a syntax error');
is_drawn(draw('plt.plot([1])', uri => $policy), 'what keeps to it');
is_drawn(draw('plt.plot([1])'), 'all is well');
$t->expect_log('/nobody failed');

# What codeexecd can be made to say

my $fake = $t->fake(name => 'fake', script => sub ($c, $job) {
	my $how = {
		html => sub { answer(shown => [[png => '<script>alert(1)</script>'],
			[png => "\x89PNG\r\n\x1a\nsecond"]]) },
		nothing => sub { answer(stdout => 'x') },
		text => sub { answer(shown => [[text => 'x', png => 'GIF89a']]) },
		broken => sub { answer(shown => ["\0\3pngxxx"]) },
		busy => sub { busy(retry_after => 7) },
		reject => sub { reject('language', 'no "é"') },
		memory => sub { answer(status => 'memory', exit_code => undef,
			signal => 9, stderr => "\xc3\xa9\n") },
		signal => sub { answer(status => 'signal', exit_code => undef,
			signal => 11) },
		exit => sub { answer(status => 'error', exit_code => 3,
			stderr => "why\n") },
		claim => sub { answer(status => 'error', exit_code => 1,
			shown => [['@error' => Encode::encode_utf8('{"name":"E",'
			. '"value":"v","traceback":"𝄞 \u00e9\n"}')]]) },
		cut => sub { result_frame(stdout_size => 5) },
	}->{ $job->{code} };

	$c->send($how->());
	$c->close if $job->{code} eq 'cut';
});

my $at = '/fake/render-matplotlib';

$r = draw('html', uri => $at);
answer_is($r, 200, "\x89PNG\r\n\x1a\nsecond", 'what is no PNG is passed over');
fails(draw($_, uri => $at), 422, 'No figure was drawn', $_)
	for qw/nothing text broken/;

my $job = $fake->job->{job};
is_deeply($job, { id => $job->{id}, language => 'python', timeout_ms => 50000,
	options => { results => JSON::PP::true, figure => JSON::PP::true,
	dpi => 200, imports => { plt => 'matplotlib.pyplot', np => 'numpy' } } },
	'the job');

$r = draw('busy', uri => $at);
fails($r, 503, 'Server is busy, try again later', 'busy');
is($r->header('Retry-After'), 7, 'Retry-After');
fails(draw('reject', uri => $at), 400, qr/language/, 'a reject');
fails(draw('memory', uri => $at), 422, "é\nMemory limit exceeded", 'memory');
fails(draw('signal', uri => $at), 422, 'Process killed by signal 11 (SIGSEGV)',
	'a signal');
fails(draw('exit', uri => $at), 422, "why\nProcess exited with code 3", 'an exit');

$r = draw('claim', uri => $at);
fails($r, 422, "𝄞 é\n", 'a traceback');
like($r->body, qr/"\\ud834\\udd1e \\u00e9\\n"/, 'ASCII only');

fails(draw('cut', uri => $at), 502, 'Bad Gateway', 'half an answer');
fails(draw('x', uri => '/down/render-matplotlib'), 502, 'Bad Gateway',
	'no codeexecd');

# A server's errors

my $s = $t->connect;
$s->syswrite("GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
fails($t->read_response($s), 400, 'Bad Request', 'a bad host');

# The end

sub many ($n) {
	my @s = map {
		my $s = $t->connect;
		write_all($s, $t->request(POST => '/render-matplotlib',
			body => '{"code":"import matplotlib\nplt.plot([1])"}',
			headers => ['Content-Type: application/json']));
		$s;
	} 1 .. $n;
	return grep { $t->read_response($_, timeout => 60)->body =~ /^\x89PNG/ } @s;
}

is(scalar many(4), 4, 'several at once');
$t->settle;
$t->baseline;
is(scalar many(4), 4, 'and again');
draw('1 / 0');
$t->settle;
$t->check_leaks;
$t->done_testing;
