#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# codeexec_api executor: every row of its tables.  With a fake codeexecd what
# no program can be made to do, with a real one all else.

use v5.36;
use utf8;

use Encode ();
use JSON::PP ();
use MIME::Base64 qw/decode_base64/;
use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Real;
use Test::FakeSandbox;

alarm(900);

my $t = Test::Codeexec::Real->start(science => 1,
	conf => { limits => { memory => '768mb', max_wall => '60s' } },
	http => <<'EOC');
	upstream sandbox { server unix:%%SOCK%%; keepalive 8; }
	codeexec_pg none { conninfo "host=%%TESTDIR%%"; connect_timeout 100ms; }
	server {
	    listen 127.0.0.1:%%PORT_0%%;
	    codeexec_api executor;
	    client_max_body_size 4m;

	    location / { codeexec_pass sandbox; }
	    location = /run { codeexec_pass sandbox; }
	    location /short/ { codeexec_pass sandbox; codeexec_timeout 1s;
	        codeexec_max_timeout 2500ms; }
	    location /nofiles/ { codeexec_pass sandbox; codeexec_files off;
	        codeexec_results off; }
	    location /small/ { codeexec_pass sandbox; codeexec_max_files 2;
	        codeexec_max_files_size 100; codeexec_max_variables_size 10;
	        codeexec_max_code_size 100; }
	    location /policy/ {
	        codeexec_pass sandbox;
	        codeexec_deny_import os subprocess pickle;
	        codeexec_deny_call eval open;
	        codeexec_deny "SECRET" "no secrets";
	    }
	    location /store/ { codeexec_pass sandbox; codeexec_store none; }
	    location /fake/ { codeexec_pass unix:%%SOCK_fake%%; }
	    location /down/ { codeexec_pass unix:%%TESTDIR%%/nobody; }
	}
EOC

$t->expect_log('/nobody failed');

my $json = JSON::PP->new->utf8->allow_nonref;
my $chars = JSON::PP->new->allow_nonref;

sub execute ($code, %member) {
	my $uri = delete $member{uri} // '/execute';
	return $t->http_post_json($uri, { code => $code, %member },
		timeout => 70);
}

# The answer to a program.

sub ran ($code, %member) {
	my $r = execute($code, %member);
	is($r->status, 200, 'status') || diag($r->raw);
	return $r->json;
}

# Status, type, and the exact body: no newline at its end, no \u.

sub body_is ($r, $status, $body, $name) {
	my $got = join ' ', $r->status, $r->header('Content-Type') // '',
		Encode::decode('UTF-8', $r->body);
	return is($got, "$status application/json $body", $name);
}

sub detail_is ($r, $status, $text, $name) {
	return body_is($r, $status, '{"detail":' . $chars->encode($text) . '}',
		$name);
}

# 422 with these issues, each as JSON text.

sub issues_are ($r, $name, @issues) {
	return body_is($r, 422, '{"detail":[' . join(',', @issues) . ']}', $name);
}

sub issue ($type, $loc, $msg, $input, $ctx = undef) {
	return qq({"type":"$type","loc":$loc,"msg":"$msg","input":$input)
		. (defined $ctx ? qq(,"ctx":$ctx) : '') . '}';
}

sub post ($body, %arg) {
	return $t->http_post_json($arg{uri} // '/execute',
		Encode::encode_utf8($body));
}

###############################################################################

# Paths that need no run

body_is($t->http_get('/'), 200, '{"service":"Python Executor Service",'
	. '"status":"running","version":"1.2.0"}', 'GET /');
my $healthy = '{"status":"healthy","version":"1.2.0","available_libraries":[';
like($t->http_get('/health')->body,
	qr/\A\Q$healthy\E(?:"[a-z-]+"(?:,|(?=\])))*\]\}\z/, 'GET /health');
detail_is($t->http_get('/down/health'), 502, 'Bad Gateway',
	'without codeexecd, it is not healthy');

my @templates = qw/matplotlib_basic plotly_scatter pandas_analysis
	sklearn_preprocessing sklearn_linear_regression sklearn_classification
	seaborn_visualization scipy_stats/;

my $r = $t->http_get('/templates');
my $templates = $r->json;
is(join(' ', $r->body =~ /"(\w+)":"/g), "@templates", 'GET /templates, in order');

for my $name (@templates) {
	body_is($t->http_get("/templates/$name"), 200, qq({"name":"$name","code":)
		. $chars->encode($templates->{$name}) . '}', "GET /templates/$name");
}

detail_is($t->http_get('/templates/none'), 404, "模板 'none' 不存在",
	'an unknown template');
detail_is($t->http_get('/templates/%E5%9B%BE%22'), 404, "模板 '图\"' 不存在",
	'with a strange name');
detail_is($t->http_get("/$_"), 404, 'Not Found', "GET /$_") for
	'templates/', 'templates/a/b', 'nothing', 'execute/', 'Execute', 'runcode';

for (['GET', '/execute', 'POST'], ['PUT', '/execute', 'POST'],
	['GET', '/validate', 'POST'], ['POST', '/', 'GET, HEAD'],
	['POST', '/health', 'GET, HEAD'], ['DELETE', '/templates', 'GET, HEAD'],
	['POST', '/templates/x', 'GET, HEAD'])
{
	my ($method, $uri, $allow) = @$_;
	$r = $t->http($t->request($method => $uri, body => ''));
	detail_is($r, 405, 'Method Not Allowed', "$method $uri");
	is($r->header('Allow'), $allow, "$method $uri: Allow");
}

###############################################################################

# Requests that are none: as pydantic 2 says it

my $dict = 'Input should be a valid dictionary or object to extract fields from';
my @paths = ('/execute', '/validate');

for my $uri (@paths) {
	issues_are(post($_->[0], uri => $uri), "$uri: $_->[0]",
		issue('model_attributes_type', '["body"]', $dict, $_->[1] // $_->[0]))
		for ['[]'], ['"x"'], ['5'], ['true'], ['[1, {"a": "é"}]', '[1,{"a":"é"}]'];
	issues_are(post($_, uri => $uri), "$uri: \"$_\"",
		issue('missing', '["body"]', 'Field required', 'null')) for '', 'null';
	issues_are(post('{}', uri => $uri), "$uri: {}",
		issue('missing', '["body","code"]', 'Field required', '{}'));
}

issues_are($t->http_post('/execute', '{"code": "1"}',
	headers => ["Content-Type: $_"]), "type $_",
	issue('model_attributes_type', '["body"]', $dict, '"{\"code\": \"1\"}"'))
	for 'text/plain', 'application/x-www-form-urlencoded', 'application/jsonx';
is($t->http_post('/execute', '{"code": "1"}', headers => [@$_])->status, 200,
	"@$_") for [], ['Content-Type: application/json; charset=utf-8'],
	['Content-Type: application/problem+json'];
detail_is($t->http_post('/execute', "\xff", headers => ['Content-Type: text/x']),
	400, 'There was an error parsing the body', 'no text at all');

# What Python's own decoder says, and where

for (
	[' ', 1, 'Expecting value'],
	['{', 1, 'Expecting property name enclosed in double quotes'],
	['{"', 1, 'Unterminated string starting at'],
	['{"a', 1, 'Unterminated string starting at'],
	['{"a\\', 1, 'Unterminated string starting at'],
	['{"a"', 4, "Expecting ':' delimiter"],
	['{"a":', 5, 'Expecting value'],
	['{"a":1', 6, "Expecting ',' delimiter"],
	['{"a":1,', 7, 'Expecting property name enclosed in double quotes'],
	['{"a":1,}', 7, 'Expecting property name enclosed in double quotes'],
	['[', 1, 'Expecting value'],
	['[1', 2, "Expecting ',' delimiter"],
	['[1,', 3, 'Expecting value'],
	['[1,]', 3, 'Expecting value'],
	['[1 2]', 3, "Expecting ',' delimiter"],
	['"\\u', 2, 'Invalid \\uXXXX escape'],
	['"\\u12"', 2, 'Invalid \\uXXXX escape'],
	['"\\u12g4567"', 2, 'Invalid \\uXXXX escape'],
	['"\\u1234', 2, 'Invalid \\uXXXX escape'],
	['"\\u12345', 0, 'Unterminated string starting at'],
	['"\\x"', 1, 'Invalid \\escape'],
	["\"ab\x01\"", 3, 'Invalid control character at'],
	["{\"code\": \"a\nb\"}", 11, 'Invalid control character at'],
	['-', 0, 'Expecting value'],
	['01', 1, 'Extra data'],
	['1.', 1, 'Extra data'],
	['1.5x', 3, 'Extra data'],
	['1e+', 1, 'Extra data'],
	['nul', 0, 'Expecting value'],
	['nulll', 4, 'Extra data'],
	['{"a" 1}', 5, "Expecting ':' delimiter"],
	['{a:1}', 1, 'Expecting property name enclosed in double quotes'],
	["{'a':1}", 1, 'Expecting property name enclosed in double quotes'],
	['{"a":1 "b":2}', 7, "Expecting ',' delimiter"],
	['{"a":[1,{"b":[]}]]', 17, "Expecting ',' delimiter"],
	['{,}', 1, 'Expecting property name enclosed in double quotes'],
	['[}', 1, 'Expecting value'],
	['{"a":x}', 5, 'Expecting value'],
	['"é€" x', 5, 'Extra data'],
	['{"a":1}}', 7, 'Extra data'],
	['code=1', 0, 'Expecting value'],
) {
	my ($body, $pos, $error) = @$_;
	issues_are(post($body), "no JSON: $body", issue('json_invalid',
		qq(["body",$pos]), 'JSON decode error', '{}',
		'{"error":' . $chars->encode($error) . '}'));
}

# and what is more than we take

detail_is($t->http_post_json('/execute', $_->[0]), 400,
	'There was an error parsing the body', $_->[1]) for
	["{\"code\":\"\xff\"}", 'no UTF-8'],
	['{"code":"1","code":"2"}', 'twice the same name'],
	['{"code":"1","x":' . '[' x 100 . ']' x 100 . '}', 'too deep'],
	['{"code":"1","x":NaN}', 'NaN'],
	['{"code":"1","x":1e999}', 'an infinite number'],
	['{"code":"\ud800"}', 'half a character'];

is($t->http_post_json('/execute', "\xef\xbb\xbf{\"code\":\"1\"}")->status, 200,
	'a byte order mark');

# Members: each row is the type of the issue, a message and values of it

my $code = '"code":"pass"';
my $int = 'Input should be a valid integer';
my $parse = "$int, unable to parse string as an integer";

for (
	['code', 'string_type', 'Input should be a valid string', 'null', 5, '[]',
		'true', '{"a":1}', '1.5'],
	['timeout', 'int_type', $int, 'null', '[]', '{}'],
	['timeout', 'int_from_float', "$int, got a number with a fractional part",
		'30.5', '0.25'],
	['timeout', 'int_parsing', $parse, map { qq("$_") } 'abc', '', '0x10',
		'1e1', '30.5', '30.', '.5', '_1', '1__0', '1_', '+ 5', '٣', '-', '5 5'],
	['timeout', 'greater_than_equal',
		'Input should be greater than or equal to 1', '0', '-1', 'false',
		'"-0"', '"0"', '"-5"', '-123456789012'],
	['timeout', 'less_than_equal', 'Input should be less than or equal to 60',
		'61', '"61"', '1000000', '"1000000000000000000000000000000"'],
	['outputFormat', 'string_type', 'Input should be a valid string', 'null',
		5, '[]'],
	['output_format', 'string_type', 'Input should be a valid string', '{}'],
	['datasets', 'dict_type', 'Input should be a valid dictionary', '[]',
		'"x"', '5', 'false'],
	['preloadedVariables', 'dict_type', 'Input should be a valid dictionary',
		'[]', '"x"', '5'],
	['preloaded_variables', 'dict_type', 'Input should be a valid dictionary',
		'[1]'],
) {
	my ($member, $type, $msg, @values) = @$_;
	my $ctx = { greater_than_equal => '{"ge":1}',
		less_than_equal => '{"le":60}' }->{$type};

	for my $value (@values) {
		issues_are(post('{' . ($member eq 'code' ? '' : "$code,")
			. qq("$member":$value}), uri => '/validate'),
			"$member: $value",
			issue($type, qq(["body","$member"]), $msg, $value, $ctx));
	}
}

issues_are(post('{"code":5,"timeout":"a","outputFormat":5,"datasets":[],'
	. '"preloadedVariables":[]}'), 'all at once, in the order of the model',
	issue('string_type', '["body","code"]', 'Input should be a valid string', 5),
	issue('int_parsing', '["body","timeout"]', $parse, '"a"'),
	issue('string_type', '["body","outputFormat"]',
		'Input should be a valid string', 5),
	map { issue('dict_type', qq(["body","$_"]),
		'Input should be a valid dictionary', '[]') }
		qw/datasets preloadedVariables/);
issues_are(post('{"timeout":0,"datasets":{"a.csv":1,"b é":null,"c":"x"}}'),
	'missing code, and values of datasets',
	issue('missing', '["body","code"]', 'Field required',
		'{"timeout":0,"datasets":{"a.csv":1,"b é":null,"c":"x"}}'),
	issue('greater_than_equal', '["body","timeout"]',
		'Input should be greater than or equal to 1', 0, '{"ge":1}'),
	issue('string_type', '["body","datasets","a.csv"]',
		'Input should be a valid string', 1),
	issue('string_type', '["body","datasets","b é"]',
		'Input should be a valid string', 'null'));
issues_are(post("{$code,\"timeout\":3}", uri => '/short/execute'),
	"an operator's limit", issue('less_than_equal', '["body","timeout"]',
	'Input should be less than or equal to 2', 3, '{"le":2}'));

# What is taken, with a fake codeexecd that tells

my $state = { slots => 1, packages => { python => { version => 0,
	packages => { 'scikit-learn' => '1.2', pandas => '1.5', flask => '3' } } } };

my $fake = $t->fake(state => $state, name => 'fake', script => sub ($c, $job) {
	my $how = {
		busy => sub { busy(retry_after => 7) },
		reject => sub { reject('language', 'no "é"') },
		memory => sub { answer(status => 'memory', exit_code => undef,
			signal => 9, stdout => 'a', stderr => "b\xff\n",
			time_us => 1_999_999) },
		signal => sub { answer(status => 'signal', exit_code => undef,
			signal => 11, shown => [['@error' =>
			'{"name":"E","value":"v","traceback":"t"}']]) },
		timeout => sub { answer(status => 'timeout', exit_code => undef,
			signal => 9, stdout => 'so far', stderr => 'and this',
			time_us => 30_000_123) },
		exit => sub { answer(status => 'error', exit_code => 3,
			stderr => "why\n") },
		empty => sub { answer(status => 'error', exit_code => 1,
			shown => [['@error' =>
			'{"name":"KeyError","value":"","traceback":""}']]) },
		cut => sub { answer(stdout => 'x', stderr => 'y',
			truncated => JSON::PP::true) },
		shown => sub { answer(shown => [
			[text => 'no chart'],
			[png => 'not a picture'],
			[text => 'x', png => "\x89PNG", '@size' => '12x34'],
			['application/vnd.plotly.v1+json' => "{\"\xc3\xa9\":\xff",
				'@size' => '700x450'],
			[jpeg => 'x'],
			['@name' => "d\xc3\xa9", html => '<p>"', data => '{"shape":[2,3]}'],
			['@name' => 'shown', text => 't', html => '', data => '{"shape":[2,3]}'],
			['@name' => 'no', html => '', data => '{"shape":[2]}'],
			['@name' => 'no', html => '', data => '{"shape":"[1,2]"}'],
			['@name' => 'no', html => '', data => '{"shape":[-2,3]}'],
			['@name' => 'no', html => '', data => '{"shape":[1,[2,3]]}'],
			['@name' => 'no', html => '', data => '{"Shape":[2,3]}'],
			['@name' => 'no', html => '', data => '[2,3]'],
			['@name' => 'no', html => '', data => 'nonsense'],
			['@name' => 'no', html => ''],
			['@variables' => '{"a": {"type":"int"}}'],
			"\0\1x", '',
		]) },
		rejected => sub { answer(status => 'error', exit_code => 1,
			shown => [['@rejected' => $json->encode($c->{next} // {
				kind => 'syntax', message => 'm', line => 2,
				column => 100_000, text => "  x\n",
				lines => [{ line => 2, message => "m\n\"" }] })]]) },
	}->{ $job->{code} };

	$c->send($how ? $how->() : answer(stdout => 'ok'));
});

body_is($t->http_get('/fake/health'), 200, $healthy . '"pandas","scikit-learn"]}',
	'libraries that are there');

sub asked (%member) {
	my $r = execute('pass', uri => '/fake/execute', %member);
	return $r->status == 200 ? $fake->job : diag($r->raw);
}

my $job = asked();
my $options = $job->{job}{options};
is_deeply([sort keys %{ $job->{job} }], [qw/id language options timeout_ms/],
	'the job: no files are collected');
is($job->{job}{timeout_ms}, 30000, 'timeout');
is($job->{job}{language}, 'python', 'language');
is_deeply([sort keys %$options], [qw/dataframes dedent dpi imports results saved
	syntax variables/], 'options');

for (['30', 30], [1, 1], [60, 60], ['"30"', 30], ['30.0', 30], ['" 7 "', 7],
	['"1_0"', 10], ['"+5"', 5], ['"5.00"', 5], ['true', 1], ['"007"', 7],
	['5e0', 5], ['"\n5\t"', 5])
{
	my ($value, $seconds) = @$_;
	$r = post(qq({$code,"timeout":$value}), uri => '/fake/execute');
	is($fake->job->{job}{timeout_ms}, 1000 * $seconds, "timeout: $value")
		|| diag($r->raw);
}

is(asked(output_format => 'html', outputFormat => 'x')->{code}, 'pass',
	'any format');
is(asked(preloadedVariables => undef, datasets => undef)->{vars}, '',
	'null stands for none');
is(asked(preloadedVariables => {}, datasets => {})->{vars}, '', 'nothing, too');

post('{"code":"pass","preloaded_variables": {"n":12345678901234567890,'
	. ' "x":[1.50]} }', uri => '/fake/execute');
is($fake->job->{vars}, '{"n":12345678901234567890, "x":[1.50]}',
	'variables are passed on as they are');
post('{"code":"pass","preloaded_variables": {"a":1},'
	. '"preloadedVariables":{"b":2}}', uri => '/fake/execute');
is($fake->job->{vars}, '{"b":2}', 'the alias goes first');

$job = asked(datasets => { 'a.csv' => "x\n1\n", 'sub/b"é.txt' => '' });
is_deeply([sort { $a->[0] cmp $b->[0] } @{ $job->{put} }],
	[['a.csv', "x\n1\n"], [Encode::encode_utf8('sub/b"é.txt'), '']], 'files');
$options = $job->{job}{options};
is_deeply([sort @{ $options->{files} }], ['a.csv', 'sub/b"é.txt'], 'their names');
is_deeply($options->{links}, { '{{dataset_path}}' => '.' }, 'and their place');

# A text is no fence to be looked for

is(do { execute("```\n1\n```", uri => '/fake/execute'); $fake->job->{code} },
	"```\n1\n```", 'fences are left alone');

# Limits of the location

for (
	['datasets', { a => '', b => '', c => '' }, 413,
		'"datasets" has more than 2 files'],
	['datasets', { a => 'x' x 101 }, 413,
		'"datasets" are larger than 100 bytes'],
	['preloadedVariables', { a => 'x' x 10 }, 413,
		'"variables" is larger than 10 bytes'],
	['datasets', { '../a' => '' }, 400, '"datasets" has a name that is no path '
		. 'below the working directory'],
	['datasets', { 'a' => '', 'a/b' => '' }, 400,
		'"datasets" has one name for a file and a directory'],
) {
	my ($member, $value, $status, $text) = @$_;
	detail_is(execute('pass', $member => $value, uri => '/small/execute'),
		$status, $text, "limit: $text");
}

detail_is(execute('x' x 101, uri => '/small/execute'), 413,
	'"code" is larger than 100 bytes', 'code too large');
detail_is(execute("1\0"), 400, '"code" must not contain NUL characters', 'NUL');
detail_is(execute('pass', datasets => { a => '' }, uri => '/nofiles/execute'),
	400, 'Files are not available', 'codeexec_files off');
detail_is(post('x' x (5 << 20)), 413, 'Request Entity Too Large', 'a large body');

# Answers to what codeexecd may say

sub fake_is ($code, $status, $time, $output, $error, $name) {
	body_is(execute($code, uri => '/fake/execute'), 200, qq({"status":"$status",)
		. qq("execution_time":$time,"output":{$output},"error":$error}), $name);
}

my $nothing = '"charts":[],"dataframes":[],"variables":{}';

fake_is('pass', 'success', 1, qq("stdout":"ok","stderr":"",$nothing), 'null',
	'an answer');
fake_is('memory', 'error', 1999, qq("stdout":"a","stderr":"b\x{fffd}\\n",$nothing),
	'"Memory limit exceeded"', 'memory');
fake_is('signal', 'error', 1, qq("stdout":"","stderr":"",$nothing),
	'"Process killed by signal 11 (SIGSEGV)"', 'a signal');
fake_is('timeout', 'timeout', 30000,
	qq("stdout":"so far","stderr":"and this",$nothing), '"执行超时（限制 30 秒）"',
	'a timeout');
fake_is('exit', 'error', 1, qq("stdout":"","stderr":"why\\n",$nothing),
	'"Process exited with code 3"', 'an exit code');
fake_is('empty', 'error', 1, qq("stdout":"","stderr":"",$nothing),
	'"KeyError"', 'an exception without a text');
fake_is('cut', 'success', 1, qq("stdout":"x","stderr":"y\\ncodeexec: a part of )
	. qq(the output was left out, as it is too large\\n",$nothing), 'null',
	'truncated output');
fake_is('shown', 'success', 1, '"stdout":"","stderr":"","charts":['
	. '{"type":"matplotlib","format":"png","data":"bm90IGEgcGljdHVyZQ==",'
	. '"width":null,"height":null},'
	. '{"type":"matplotlib","format":"png","data":"iVBORw==",'
	. '"width":12,"height":34},'
	. qq({"type":"plotly","format":"json","data":"{\\"é\\":\x{fffd}",)
	. '"width":700,"height":450}],"dataframes":[{"name":"dé","html":"<p>\"",'
	. '"rows":2,"columns":3}],"variables":{"a": {"type":"int"}}', 'null',
	'what is shown');

my $far = ' ' x 999 . '^';
my $bad = $chars->encode("语法错误（第2行）: m\n\"\n问题代码: x\n$far");
body_is(execute('rejected', uri => '/fake/execute'), 200, '{"status":"error",'
	. qq("execution_time":0,"output":{"stdout":"","stderr":$bad,$nothing},)
	. qq("error":$bad}), 'a rejection');

$r = execute('busy', uri => '/fake/execute');
detail_is($r, 503, 'Server is busy, try again later', 'busy');
is($r->header('Retry-After'), 7, 'Retry-After');
is(execute('reject', uri => '/fake/execute')->status, 400, 'a reject');
detail_is(execute('x', uri => '/down/execute'), 502, 'Bad Gateway', 'no codeexecd');

###############################################################################

# Programs

$r = $t->http_post_json('/execute', qq({\n    "code": "print(\\"Hello World\\")",)
	. qq(\n    "timeout": 30\n  }));
like($r->body, qr/\A\{"status":"success","execution_time":\d+,"output":\{
	"stdout":"Hello\ World\\n","stderr":"","charts":\[\],"dataframes":\[\],
	"variables":\{\}\},"error":null\}\z/x, "the original's first example");
is($r->header('Cache-Control'), 'no-store', 'is not cached');

is(ran('print("é")', uri => '/run')->{output}{stdout}, "é\n", 'an exact location');

my $a = ran("import sys\nprint('out')\nprint('err', file=sys.stderr)\n"
	. "raise ValueError('bad')");
is($a->{status}, 'error', 'an exception');
is($a->{error}, 'bad', 'its text');
is($a->{output}{stdout}, "out\n", 'stdout before it');
is($a->{output}{stderr}, "err\nTraceback (most recent call last):\n"
	. "  File \"main.py\", line 4, in <module>\n    raise ValueError('bad')\n"
	. "ValueError: bad\n", 'stderr, with a traceback');

is(ran('x')->{error}, "name 'x' is not defined\n"
	. '提示: 请检查变量名是否拼写正确，或该变量是否已定义。', 'a hint for a name');
is(ran('np.nothing')->{error} =~ s/.*(?=\n)//r,
	"\n提示: 请检查模块或对象的方法/属性名是否正确。", 'for an attribute');
is(ran('1 / 0')->{error}, 'division by zero', 'none otherwise');
is(ran('import sys; sys.exit(3)')->{error}, 'Process exited with code 3', 'exit');
is(ran('import sys; sys.exit(0)')->{status}, 'success', 'exit code 0');
is(ran("print(1, flush=True)\nwhile True: pass", timeout => 1)->{error},
	'执行超时（限制 1 秒）', 'a timeout');
$a = ran("print(1, flush=True)\nwhile True: pass", timeout => 1);
is("$a->{status} $a->{output}{stdout}", "timeout 1\n", 'with what was printed');
cmp_ok($a->{execution_time}, '>=', 1000, 'and its time');

# Functions, classes, recursion: what the original breaks

is(ran("def f(n):\n    return 1 if n < 2 else n * f(n - 1)\nclass A:\n"
	. "    x = [f(i) for i in range(5)]\nprint(f(5), A.x)")->{output}{stdout},
	"120 [1, 1, 2, 6, 24]\n", 'functions and classes');

# Indentation

is(ran("    x = 1\n    if x:\n        print('yes')\n")->{output}{stdout}, "yes\n",
	'indented as a whole');
is(ran("\n\n\tx = 1\n\tprint(x)\n")->{output}{stdout}, "1\n", 'by tabs');
is(ran("s = '''\n    a\n  b'''\nprint(s)\n")->{output}{stdout}, "\n    a\n  b\n",
	'text is left alone');
like(ran("  x = 1\n  raise KeyError(x)")->{output}{stderr},
	qr/line 2, in <module>\n    raise KeyError\(x\)\n/, 'lines of a traceback');

# Names that need no import, and cost nothing

is(ran('print(np.arange(3), pd.Series([1]).sum(), json.dumps(1), Counter("aab"))')
	->{output}{stdout}, "[0 1 2] 1 1 Counter({'a': 2, 'b': 1})\n", 'np, pd, …');
is(ran("print(re.sub('a', 'b', 'a'), io.StringIO('x').read(), "
	. "base64.b64encode(b'1'), numpy is np, pandas is pd)")->{output}{stdout},
	"b x b'MQ==' True True\n", 'others');
is(ran("import sys\nprint([m for m in ('num' 'py', 'pan' 'das', 'plot' 'ly', "
	. "'PI' 'L') if m in sys.modules])")->{output}{stdout}, "[]\n",
	'only where they are used');
is(ran("import sys\nprint('plot' 'ly' in sys.modules)\nx = 'px'; x.upper()")
	->{output}{stdout}, "False\n", 'and not where they are text');
is(ran("px, go = 3, 4\ndef f(): return px + go\nimport sys\n"
	. "print(f(), 'plot' 'ly' in sys.modules)")->{output}{stdout}, "7 False\n",
	"a program's own names");
is(ran("def f(): return np.pi > 3\nprint(f())")->{output}{stdout}, "True\n",
	'in a function');
is(ran('print(np)', preloadedVariables => { np => 5 })->{output}{stdout}, "5\n",
	'a variable of that name');

# Variables

$a = ran("i = 1\nf = 1.5\ns = 'x' * 300\nb = True\nl = [1, 'a']\nd = {'k': 1}\n"
	. "t = (1,)\n_p = 1\nimport math\ndef g(): pass\nclass C: pass\n"
	. "a = np.zeros((2, 3))\ndf = pd.DataFrame({'x': [1, 2], 'y': [3, 4]})\n"
	. "sr = pd.Series([1, 2])\nprint(user_id)",
	preloadedVariables => { user_id => 12345 })->{output};
is_deeply($a->{variables}, {
	i => { type => 'int', value => '1' },
	f => { type => 'float', value => '1.5' },
	s => { type => 'str', value => 'x' x 200 },
	b => { type => 'bool', value => 'True' },
	l => { type => 'list', value => "[1, 'a']" },
	d => { type => 'dict', value => "{'k': 1}" },
	t => { type => 'tuple', value => '(1,)' },
	a => { type => 'numpy.ndarray', shape => [2, 3], dtype => 'float64',
		preview => "[[0. 0. 0.]\n [0. 0. 0.]]" },
	df => { type => 'pandas.DataFrame', shape => [2, 2],
		columns => [qw/x y/] },
	sr => { type => 'pandas.Series', length => 2, dtype => 'int64' },
	user_id => { type => 'int', value => '12345' },
}, 'variables') || diag($json->encode($a));

# Dataframes

is(scalar @{ $a->{dataframes} }, 1, 'dataframes');
my $frame = $a->{dataframes}[0];
is(join(' ', map { "$_=$frame->{$_}" } qw/name rows columns/),
	'name=df rows=2 columns=2', 'one of them');
like($frame->{html},
	qr/\A<table (?:border="0" )?class="dataframe table table-striped table-bordered">/,
	'as HTML');

$a = ran("import pandas\nbig = pandas.DataFrame({'n': range(1000)})\n_hidden = big")
	->{output}{dataframes};
is(scalar @$a, 1, 'not those that begin with _');
is("$a->[0]{rows} $a->[0]{columns}", '1000 1', 'of a large one');
is(scalar(() = $a->[0]{html} =~ /<tr/g), 101, 'the first 100 rows');

# Charts

sub charts ($answer) {
	return join ' ', map { "$_->{type}:$_->{format}:$_->{width}x$_->{height}" }
		@{ $answer->{output}{charts} };
}

sub square ($inches) {
	return "plt.figure(figsize=($inches, $inches))\n"
		. "plt.axes([0, 0, 1, 1]).set_axis_off()\nplt.plot([0, 1])\n";
}

$a = ran(<<'EOP');
import matplotlib.pyplot as plt
import numpy as np

x = np.linspace(0, 10, 100)
y = np.sin(x)

plt.figure(figsize=(10, 6))
plt.plot(x, y)
plt.title('Sine Wave')
plt.show()
EOP
my ($chart) = @{ $a->{output}{charts} };
is(join(',', sort keys %$chart), 'data,format,height,type,width', 'a chart');
my $png = decode_base64($chart->{data});
like($png, qr/\A\x89PNG\r\n\x1a\n/, 'is a picture');
is("$chart->{width}x$chart->{height}", join('x', unpack 'x16 NN', $png),
	'of the size that is said');
cmp_ok($chart->{width}, '>', 700, 'a hundred dots per inch');
cmp_ok($chart->{width}, '<', 1020, 'and not more');

my $one = charts(ran(square(3)));
my $two = charts(ran(square(2)));
isnt($one, $two, 'two sizes');
is(charts(ran(square(3) . square(2))), "$one $two", 'all that are left open');
is(charts(ran(square(3) . "plt.show()\n" . square(2))), "$one $two",
	'those that are shown, and those that are open');
is(charts(ran(square(3) . "plt.savefig('x.pdf')\n" . square(2))), "$one $two",
	'those that are saved, as they are open');
is(charts(ran(square(3) . "plt.close('all')")), '', 'not those that are closed');
is(charts(ran("import matplotlib.pyplot as plt\nplt.figure()")), '',
	'nor those that are empty');
is(charts(ran(square(3) . '1 / 0')), $one, 'those of a program that fails');
is(charts(ran(square(3), uri => '/nofiles/execute')), $one,
	'whatever codeexec_results says');
is(charts(ran(square(3), uri => '/store/execute')), $one,
	'nothing is stored elsewhere');

sub is_installed ($module) {
	return !system "/usr/bin/python3 -c 'import $module' >/dev/null 2>&1";
}

SKIP: {
	skip('no plotly', 5) if !is_installed('plotly');

	$a = ran("fig = go.Figure(go.Scatter(x=[1], y=[2]))\n"
		. "fig.update_layout(width=300, height=200)");
	is(charts($a), 'plotly:json:300x200', 'a figure of plotly');
	my $figure = $json->decode(Encode::encode_utf8(
		$a->{output}{charts}[0]{data}));
	is($figure->{data}[0]{type}, 'scatter', 'as JSON text');
	is(charts(ran("import plotly.express as px\npx.line(y=[1]).show()\n"
		. square(3))), "plotly:json:700x450 $one", 'one that is shown');
}

# Datasets

my %datasets = ('data.csv' => "name,age\nAlice,25\nBob,30\n",
	'config.json' => '{"key": ["v"]}', 'note.txt' => "å\r\n",
	'sub/more.csv' => "a\n1\n");

sub with_data ($code) {
	my $a = ran($code, datasets => \%datasets);
	return $a->{error} // $a->{output}{stdout};
}

is(with_data("import pandas as pd\ndf = pd.read_csv('data.csv')\nprint(df.shape)"),
	"(2, 2)\n", 'a file by its name');
is(with_data("print(pd.read_csv('{{dataset_path}}/data.csv').shape, "
	. "pd.read_json('{{dataset_path}}/config.json').shape, "
	. "pd.read_csv('{{dataset_path}}/sub/more.csv').shape)"),
	"(2, 2) (1, 1) (1, 1)\n", 'with the placeholder');
is(with_data("print(open('note.txt', newline='').read() == 'å\\r\\n')"), "True\n",
	'by open()');
is(with_data("for f in sorted(selected_files, key=lambda f: f['name']):\n"
	. "    print(list(f), f['name'], f['path'], len(f['content']))"),
	"['name', 'path', 'content'] config.json config.json 14\n"
	. "['name', 'path', 'content'] data.csv data.csv 25\n"
	. "['name', 'path', 'content'] note.txt note.txt 3\n"
	. "['name', 'path', 'content'] sub/more.csv sub/more.csv 4\n",
	'selected_files');
is(with_data("print(__datasets_content__['note.txt'].strip(), "
	. "sorted(__datasets_df__), __datasets_df__['data.csv'].age.sum())"),
	"å ['config.json', 'data.csv', 'sub/more.csv'] 55\n",
	'by their other names');
is_deeply(ran('print(len(selected_files))', datasets => \%datasets)
	->{output}{variables}, {}, 'which are no variables of the program');
is(ran('print(selected_files)', datasets => \%datasets,
	preloadedVariables => { selected_files => [1] })->{output}{stdout}, "[1]\n",
	"the client's own selected_files");
is(ran('print(selected_files)')->{status}, 'error', 'none without datasets');
is(ran("import os\nprint(os.path.exists('data.csv'))")->{output}{stdout},
	"False\n", 'nothing is left for the next one');

###############################################################################

# What is wrong with a program

sub invalid ($code, $error, $name) {
	my $text = $chars->encode($error);

	body_is(execute($code), 200, '{"status":"error","execution_time":0,'
		. qq("output":{"stdout":"","stderr":$text,$nothing},"error":$text}),
		"$name: execute");
	body_is(execute($code, uri => '/validate'), 200,
		qq({"valid":false,"error":$text}), "$name: validate");
}

sub valid ($code, $name) {
	body_is(execute($code, uri => '/validate'), 200, '{"valid":true,"error":null}',
		$name);
}

invalid('', '代码不能为空', 'no code');
invalid(" \n\t\r\n", '代码不能为空', 'blanks');
invalid('#' x 100_001, '代码过长（最大100KB）', 'too long');
invalid("x = 1\nif x = 2:\n    pass", "语法错误（第2行）: invalid syntax. Maybe you "
	. "meant '==' or ':=' instead of '='?\n问题代码: if x = 2:\n   ^",
	'a syntax error');
invalid("def f():\nreturn 1", "语法错误（第2行）: expected an indented block after "
	. "function definition on line 1\n问题代码: return 1\n^", 'indentation');
invalid('x = (', "语法错误（第1行）: '(' was never closed\n问题代码: x = (\n    ^",
	'a parenthesis');

valid('é' x 99_999, 'characters are counted');
valid('print("test")', 'a program');
valid("  x = 1\n  y = 2", 'an indented one');
valid("while True: pass", 'nothing is run');
valid("import os; os._exit(1)", 'whatever it would do');
valid("import nothing_of_that_name", 'nor imported');

# An operator's policy, in the original's words

for (
	['import os', "第1行：禁止导入模块 'os'\n安全策略不允许使用此模块。"],
	["x = 1\nfrom os import path", "第2行：禁止导入模块 'os'\n"
		. '安全策略不允许使用此模块。'],
	["  x = 1\n  import json, os.path", "第2行：禁止导入模块 'os'\n"
		. '安全策略不允许使用此模块。'],
	["import pickle\nimport os", "第1行：禁止导入模块 'pickle'\n"
		. '安全策略不允许使用此模块。'],
	["print(eval('1'))", "检测到禁止的操作: eval()\n安全策略不允许使用此函数。"],
	["x = 1\n# SECRET", '第2行：no secrets'],
	["if x = 1: pass", "语法错误（第1行）: invalid syntax. Maybe you meant '==' or "
		. "':=' instead of '='?\n问题代码: if x = 1: pass\n   ^"],
) {
	my ($code, $error) = @$_;
	my $text = $chars->encode($error);

	body_is(execute($code, uri => '/policy/execute'), 200, '{"status":"error",'
		. qq("execution_time":0,"output":{"stdout":"","stderr":$text,$nothing},)
		. qq("error":$text}), "policy: $code");
	body_is(execute($code, uri => '/policy/validate'), 200,
		qq({"valid":false,"error":$text}), "policy, validate: $code");
}

is(ran("import json\ndf = pd.DataFrame({'a': [1]})\nprint(df.eval('a + 1')[0], "
	. "re.compile('a').pattern)", uri => '/policy/execute')->{output}{stdout},
	"2 a\n", 'what is not forbidden');
body_is(execute('import json', uri => '/policy/validate'), 200,
	'{"valid":true,"error":null}', 'is valid');
is(ran("import os\nprint(eval('6*7'))")->{output}{stdout}, "42\n",
	'without a policy, nothing is');

###############################################################################

# The templates run, and draw

for my $name (@templates) {
	SKIP: {
		my @missing = grep { !is_installed($_) } $templates->{$name}
			=~ /^(?:from|import) (\w+)/mg;
		skip("$name: no @missing", 5) if @missing;

		my $a = ran($templates->{$name}, timeout => 60);
		is($a->{status}, 'success', "$name: runs") || diag($a->{error});
		is($a->{output}{stderr}, '', "$name: says nothing else");
		cmp_ok(scalar @{ $a->{output}{charts} }, '==', 1, "$name: one chart");
		valid($templates->{$name}, "$name: valid");
	}
}

# The end

execute('1') for 1 .. 4;
$t->settle;
$t->baseline;
execute($_) for 'print(1)', '1 / 0', 'x = (', 'import os; os.kill(os.getpid(), 9)';
execute('pass', uri => '/validate');
post('{}');
$t->http_get('/health');
$t->settle;
$t->check_leaks;
$t->done_testing;
