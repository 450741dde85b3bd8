#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Screening: what the runtimes refuse to run, and what they say of it.

use v5.36;
use utf8;

use JSON::PP ();
use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Real;

alarm(300);

my $json = JSON::PP->new->utf8->allow_nonref;
my $true = JSON::PP::true;
my $node = -x '/usr/bin/node' && -e ($Test::Codeexec::DAEMON
	=~ s{[^/]+$}{node/codeexec.node}r);

my $t = Test::Codeexec::Real->start(spare => 2, node => $node, http => <<'EOC',
    server {
        listen 127.0.0.1:%%PORT_0%%;
        codeexec_api native;

        location / { codeexec_pass unix:%%SOCK%%; }
        location /rules/ {
            codeexec_pass unix:%%SOCK%%;
            codeexec_deny_import os;
            codeexec_deny_call eval;
            codeexec_deny secret "No secrets.";
        }
    }
EOC
	conf => {
	'language bash' => { file => 'main.sh', command => ['bash', 'main.sh'] },
});

$t->warm;

sub ask ($code, %arg) {
	my $language = delete $arg{language} // 'python';
	my %more = map { exists $arg{$_} ? ($_ => delete $arg{$_}) : () }
		qw/vars put/;
	my $socket = $t->dial;

	utf8::encode($code) if utf8::is_utf8($code);
	Test::Codeexec::write_all($socket, Test::Codeexec::Real::job_frames(
		$code, timeout_ms => 20000, language => $language, %more,
		options => { claims => $true, %arg }));
	return Test::Codeexec::Real::read_answer($socket);
}

sub claims ($answer) {
	return { map { $_->[0] => $json->decode($_->[1]) }
		grep { @$_ == 2 && $_->[0] =~ /^@/ } @{ $answer->{shown} } };
}

# "2 Import: os|5 ..."; "" if it was run.

sub lines ($answer) {
	my $rejected = claims($answer)->{'@rejected'} // return '';
	return join '|', map { ($_->{line} // '?') . " $_->{message}" }
		@{ $rejected->{lines} };
}

sub screened ($code, $rules, $want, $name = $code) {
	my $a = ask("print('ran')\n$code", screen => $rules);

	is(lines($a), $want, $name) || diag($a->{stderr});
	is($a->{stdout}, '', "$name: not run") if $want;
	is($a->{exit_code}, 1, "$name: exit code") if $want;
	return $a;
}

###############################################################################

# Imports

my $imports = { imports => [qw/os http.client/] };
my $os = '2 Import of "os" is not allowed';

screened('import os', $imports, $os);
screened('import math, os as o', $imports, $os);
screened('import os.path', $imports, '2 Import of "os.path" is not allowed');
screened('from os.path import join', $imports,
	'2 Import of "os.path" is not allowed');
screened('from os import *', $imports, $os);
screened("def f():\n if 0:\n  import os", $imports,
	'4 Import of "os" is not allowed');
screened('import http', $imports, '');
screened('from http import client as c', $imports,
	'2 Import of "http.client" is not allowed');
screened('import http.client', $imports,
	'2 Import of "http.client" is not allowed');
screened('import ostrich', $imports, '', 'a longer name');
screened('from .os import x', $imports, '', 'a relative import');
screened('__import__("os")', $imports, $os);
screened('__import__(name)', $imports, '', 'of what is not known');
screened("import importlib as i\ni.import_module('os.path')", $imports,
	'3 Import of "os.path" is not allowed');
screened("import os, os\nimport os", $imports,
	"$os|3 Import of \"os\" is not allowed", 'once for each line');
screened('import ｏｓ', $imports, $os, 'letters that Python takes for others');

my $only = { only => [qw/math numpy json.decoder/] };

screened("import math, numpy.linalg\nfrom json.decoder import scanner",
	$only, '');
screened('import json', $only, '2 Import of "json" is not allowed');
screened('from json import decoder', $only, '');
screened('from json import loads', $only, '2 Import of "json" is not allowed');
screened('import math', { only => [] }, '2 Import of "math" is not allowed',
	'none at all');
screened('import numpy.linalg', { %$only, imports => ['numpy.linalg'] },
	'2 Import of "numpy.linalg" is not allowed', 'both');

# Calls

my $calls = { calls => [qw/eval exec os.system/] };

screened('eval("1")', $calls, '2 Call of "eval" is not allowed');
screened('x.eval("1")', $calls, '', 'a method');
screened('eval', $calls, '', 'no call');
screened('import builtins; builtins.exec("")', $calls,
	'2 Call of "exec" is not allowed');
screened('from builtins import exec as e; e("")', $calls,
	'2 Call of "exec" is not allowed');
screened('import os as o; o.system("x")', $calls,
	'2 Call of "os.system" is not allowed');
screened("def f(): system('x')\nfrom os import system", $calls,
	'2 Call of "os.system" is not allowed', 'an import further down');
screened("exec(eval(\n '1'))\neval('')", $calls, join('|',
	'2 Call of "exec" is not allowed', '2 Call of "eval" is not allowed',
	'4 Call of "eval" is not allowed'), 'several');

my $answer = screened("import os\nos.system('x')", { %$imports, %$calls },
	"$os|3 Call of \"os.system\" is not allowed", 'all that is wrong');

is($answer->{stderr}, qq(Line 2: Import of "os" is not allowed\n)
	. qq(Line 3: Call of "os.system" is not allowed\n), 'on stderr, too');
is_deeply(claims($answer), { '@rejected' => { kind => 'policy', line => 2,
	message => 'Import of "os" is not allowed', lines => [
	{ line => 2, message => 'Import of "os" is not allowed',
		rule => 'import', name => 'os' },
	{ line => 3, message => 'Call of "os.system" is not allowed',
		rule => 'call', name => 'os.system' }] } }, 'and nothing else');

$answer = ask("print(1)", screen => { %$imports, %$calls });
is("$answer->{stdout}$answer->{exit_code}", "1\n0", 'a program that may run');
is_deeply($answer->{shown}, [], 'nothing is said of it');

# What is no program, what can't be looked at

$answer = screened("x = = 1", $imports, '2 invalid syntax');
is(claims($answer)->{'@rejected'}{kind}, 'syntax', 'no program');
like($answer->{stderr}, qr/SyntaxError: invalid syntax\n\z/, 'as ever');
screened('return 1', $imports, "2 'return' outside function",
	'what the compiler finds');
$answer = ask("print('ran')\n" . '-' x 200_000 . '1', screen => $imports);
is(claims($answer)->{'@rejected'}{kind}, 'syntax', 'too deep');
is($answer->{stdout}, '', 'and not run');
is(lines(ask('x = ' . join('+', (1) x 500), screen => $calls)), '',
	'deep, but not too deep');
screened("await f()", $imports, '', 'await');
is(ask("from __future__ import annotations\nprint(0)", screen => $imports)
	->{stdout}, "0\n", 'a __future__');
is(ask("'doc'\nprint(__doc__)", screen => $imports)->{stdout}, "doc\n",
	'a docstring');

# A file of that name, which the screening must not import.

$answer = ask('print(1)', screen => $imports, put => [
	map { pack('n/a*', "$_.py") . 'print("mine")' } qw/ast ragflow/]);
is($answer->{stdout}, "1\n", 'files of the program are none of ours');

# With results

$answer = ask("import math\nmath.sqrt(4)", results => $true,
	last_value => $true, screen => $imports);
is_deeply($answer->{shown}, [['text', '2.0', '@main', '']], 'a last value');
is_deeply(ask('display(1)', screen => $imports)->{shown}[0][0], '@error',
	'claims only');

###############################################################################

# check

sub checked ($code, $want, $name, %arg) {
	my $a = ask($code, check => $true, %arg);

	is(lines($a), $want, $name) || diag($a->{stderr});
	is($a->{stdout}, '', "$name: not run");
	is($a->{exit_code}, $want ? 1 : 0, "$name: exit code");
	return $a;
}

checked('print(1)', '', 'a program');
checked('', '', 'none');
checked("\x{feff}print('é')", '', 'with a mark');
checked('await print(1)', '', 'with await', results => $true);
checked("import os\nprint(1", "2 '(' was never closed", 'no program');
checked('import os', '1 Import of "os" is not allowed', 'with rules',
	screen => $imports);

my $rejected = claims(checked("a\nb c\n", '2 invalid syntax', 'the line'))
	->{'@rejected'};

is_deeply($rejected, { kind => 'syntax', line => 2, column => 3,
	message => 'invalid syntax', text => "b c\n",
	lines => [{ line => 2, message => 'invalid syntax' }] }, 'all of it');

$answer = ask('echo ran', check => $true, language => 'bash');
is("$answer->{type} $answer->{reason}", 'REJECT job',
	'a language that is a command');

SKIP: {
	skip('no node', 1) if !$node;

	checked('console.log(1)', '', 'Node.js', language => 'nodejs');
	checked('await console.log(1)', '', 'Node.js: await',
		language => 'nodejs');
	checked("import fs from 'fs';\nconsole.log(1)", '', 'Node.js: a module',
		language => 'nodejs');
	checked("let a;\nlet b = ;", "2 Unexpected token ';'",
		'Node.js: no program', language => 'nodejs');
	checked('1', '', 'Node.js: no main()', language => 'nodejs', main => {});

	# Where it is wrong, V8 does not tell of a module.

	checked("import fs from 'fs';\n\nlet b = ;", "? Unexpected token ';'",
		'Node.js: no module', language => 'nodejs');
}

###############################################################################

# main()

for my $language ('python', $node ? 'nodejs' : ()) {
	my $add = $language eq 'python' ? "def main(a, b): return [a, b]"
		: 'function main({ a, b }) { return [a, b] }';
	my $global = $language eq 'python' ? "print('a' in globals())"
		: 'console.log(typeof a !== "undefined")';

	my $a = ask("$add\n$global", language => $language,
		main => { variables => $true },
		vars => '{"a":12345678901,"b":"\u00e9"}');

	is($a->{stdout}, ucfirst "false\n", "$language: no global variables")
		if $language eq 'python';
	is($a->{stdout}, "false\n", "$language: no global variables")
		if $language eq 'nodejs';
	is_deeply(claims($a), { '@return' => [12345678901, "é"] },
		"$language: variables as arguments") || diag($a->{stderr});

	$a = ask($add, language => $language,
		main => { arguments => { a => 1, b => [] }, print => $true });
	is($a->{stdout}, $language eq 'python' ? "[1, []]\n" : "[ 1, [] ]\n",
		"$language: printed");
	is_deeply($a->{shown}, [], "$language: and nothing else");
}

my $large = ask('def main(): return "x" * 20000000', main => {});
is(claims($large)->{'@error'}{value}, 'main() returned more than 16777216 bytes',
	'a result that is too large');
is_deeply(ask('def main(): return "x" * 16000000', main => {})->{results}, 1,
	'a large one');

SKIP: {
	skip('no node', 1) if !$node;

	$large = ask('function main() { return "x".repeat(20000000) }',
		language => 'nodejs', main => {});
	is(claims($large)->{'@error'}{value}, 'main() returned more than 16777216 bytes',
		'Node.js: a result that is too large');
}

is(ask('def main(): pass', main => { print => $true })->{stdout}, '',
	'None is not printed');

###############################################################################

# With nginx

sub post ($uri, $code, %more) {
	return $t->http_post_json($uri, { code => $code, %more }, timeout => 20);
}

answer_is(post('/rules/runcode', "import math\nprint(math.e > 2)"), 200,
	'{"output":"True\n"}', 'a program');
error_is(post('/rules/runcode', "print(1)\nimport os\neval('')"), 403,
	"Line 2: Import of \"os\" is not allowed\n"
	. 'Line 3: Call of "eval" is not allowed', 'refused by the runtime');
error_is(post('/rules/runcode', "import os\n# secret"), 403,
	'Line 2: No secrets.', 'refused by nginx');
is(post('/rules/runcode', "x = = 1")->json->{error}, join("\n",
	'  File "main.py", line 1', '    x = = 1', '        ^',
	'SyntaxError: invalid syntax'), 'no program');
answer_is(post('/rules/validate', 'import os'), 200,
	'{"valid":false,"error":"Import of \"os\" is not allowed","line":1,'
	. '"errors":[{"error":"Import of \"os\" is not allowed","line":1}]}',
	'validate: a rule');
answer_is(post('/rules/validate', "import math\nprint(1"), 200,
	q~{"valid":false,"error":"'(' was never closed","line":2,~
	. q~"errors":[{"error":"'(' was never closed","line":2}]}~,
	'validate: no program');
answer_is(post('/validate', "open('x', 'w').write('x')\nimport os", files => {
	'a.py' => 'x', }), 200, '{"valid":true}', 'validate: a program');
answer_is(post('/rules/runcode', 'echo eval', language => 'bash'), 200,
	'{"output":"eval\n"}', 'rules are for Python');
error_is(post('/validate', 'echo', language => 'bash'), 400,
	"programs of this language can't be checked", 'validate: a command');

# What says it was refused, and was not, deceives its own client only.

my $forged = <<'EOP';
import struct, sys
text = b'{"kind":"policy","lines":[{"line":7,"message":"forged"}]}'
name = b'@rejected'
record = struct.pack('!H', len(name)) + name + struct.pack('!I', len(text)) + text
open('/home/results', 'ab').write(struct.pack('!I', len(record)) + record)
sys.exit(1)
EOP

error_is(post('/rules/runcode', $forged), 403, 'Line 7: forged', 'forged');
answer_is(post('/runcode', $forged), 200,
	'{"error":"Process exited with code 1","output":""}',
	'forged where nobody asks');

$t->done_testing;
