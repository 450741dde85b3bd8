#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Files in and out, and results, from the request to the answer, with real
# runs.

use v5.36;

use JSON::PP ();
use MIME::Base64;
use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Real;

my $t = Test::Codeexec::Real->start(spare => 2, conf => {
	limits => { put => 3, put_size => '100kb', results => 3,
		results_size => '100kb', input => '100kb' },
	'language half' => { file => 'main.sh', command => ['sh', './built'],
		compile => ['sh', '-c', 'grep -q ok main.sh && cp main.sh built'] },
});

my $true = JSON::PP::true;

# Every slot is used once.

for (1 .. 3) {
	my @all = map { my $s = $t->dial;
		write_all($s, Test::Codeexec::Real::job_frames('echo ok; sleep 0.05',
			language => 'half'));
		$s } 1 .. $t->state->{slots};
	Test::Codeexec::Real::read_answer($_) for @all;
}

$t->warm;
$t->baseline;

###############################################################################

# In

my $bytes = join '', map { chr } 0 .. 255;
my $r = $t->post(<<'EOP', args => ['a b'], stdin => 'in',
import os, sys
print(sys.argv[1:], input(), os.environ['A'])
print(open('d/e/text.csv', encoding='utf-8').read())
print(open('bytes', 'rb').read() == bytes(range(256)))
EOP
	env => { A => 'x y' }, files => { 'd/e/text.csv' => "a,\x{e9}",
	bytes => { base64 => encode_base64($bytes, '') } });
is($r->json->{output}, "['a b'] in x y\na,\x{e9}\nTrue\n", 'all that comes in')
	|| diag($r->body);
is($t->output('import os; print(os.listdir())'), "[]\n", 'and is gone');

error_is($t->post('print(1)', files => { map { $_ => '' } 1 .. 4 }), 413,
	qr/files above a limit/, 'too many for codeexecd');
error_is($t->post('print(1)', files => { a => 'x' x (100 << 10) }), 413,
	qr/files above a limit/, 'too large for codeexecd');
is($t->output('print(1)', files => { a => 'x' x (99 << 10) }), "1\n",
	'as large as may be');

###############################################################################

# Out

my $leave = <<'EOP';
import os
os.makedirs('artifacts/deep')
open('artifacts/a.csv', 'w').write('a,b\n')
open('artifacts/deep/b.bin', 'wb').write(b'\0\xff')
open('c.txt', 'w').write('c')
open('d.png', 'wb').write(b'png')
os.symlink('/etc/passwd', 'artifacts/passwd.csv')
EOP
my %file = (
	'artifacts/a.csv' => { type => 'text/csv', size => 4, text => "a,b\n" },
	'artifacts/deep/b.bin' => { type => 'application/octet-stream',
		size => 2, base64 => 'AP8=' },
	'c.txt' => { type => 'text/plain', size => 1, text => 'c' },
);
my $images = { 'd.png' => encode_base64('png', '') };
my $skipped = [{ name => 'artifacts/passwd.csv', reason => 'symlink' }];

is_deeply($t->run_code($leave), { images => $images, output => '' },
	'images, unasked');
is_deeply($t->run_code($leave, files => $true), { images => $images,
	output => '', files => \%file, skipped => $skipped }, 'all files');
is_deeply($t->run_code($leave, files => ['artifacts/*.csv']), {
	images => $images, output => '', skipped => $skipped,
	files => { 'artifacts/a.csv' => $file{'artifacts/a.csv'} } },
	'by a pattern');
is_deeply($t->run_code($leave, files => ['**/*.csv', 'c.*', '*.PNG'],
	detail => $true)->{files}, { map { $_ => $file{$_} }
	'artifacts/a.csv', 'c.txt' }, 'by some');
is_deeply($t->run_code('open("b", "w").write(open("a").read() * 2)',
	files => { a => 'x' }, return_files => ['b'])->{files},
	{ b => { type => 'text/plain', size => 2, text => 'xx' } },
	'in and out');
is_deeply($t->run_code('open("b", "w").write("x"); 1/0', files => $true)
	->{files}{b}{text}, 'x', 'of a program that fails');
is_deeply($t->run_code("import time\nopen('b', 'w').write('x')\n"
	. 'time.sleep(9)', files => $true, timeout => 1)->{files}{b}{text},
	'x', 'of one that takes too long');

# The example of the documentation

my $readme = do {
	open my $fh, '<:raw', "$Test::Codeexec::ROOT/README.md" or die $!;
	local $/;
	<$fh>;
};
my ($request, $answer) = $readme =~ /^```json\n(\{.*?"return_files".*?)^```
	\s+(\{"output":.*?)\n/msx;
answer_is($t->http_post_json('/runcode', $request), 200, $answer,
	'the example of README.md');

###############################################################################

# Results, which are written by hand here

my $show = <<'EOP';
import struct
def show(*parts):
    data = b''.join(struct.pack('!H', len(n)) + n + struct.pack('!I', len(c)) + c
                    for n, c in parts)
    with open('/home/results', 'ab') as f: f.write(struct.pack('!I', len(data)) + data)
EOP

sub results ($code, %member) {
	return $t->run_code("$show$code", results => $true, %member);
}

my $a = results('show((b"text", b"1"), (b"png", b"\0\xff"))' . "\n"
	. 'show((b"@return", b"1")); print("out")');
is_deeply($a->{results}[0], { is_main_result => JSON::PP::false, text => '1',
	png => 'AP8=' }, 'a result');
is($a->{output}, "out\n", 'beside the output');
ok(!exists $a->{return}, 'nothing that was not asked for');
is_deeply(results('open("/home/results", "ab").write(b"\0\0\0\3" + b"\xff" * 3)')
	->{skipped}, [{ result => 0, reason => 'malformed' }], 'rubbish');
$a = results('for i in range(9): show((b"text", b"%d" % i))');
is(scalar @{ $a->{results} }, 3, 'as many as may be');
ok($a->{truncated}, 'and it is said');
is_deeply([map { $t->run_code("${show}show((b'\@return', b'[1]')); "
	. "show((b'\@variables', b'{\"a\": 1}')); show((b'text', b'x'))\n"
	. 'def main(): return [1]', main => {})->{$_} }
	qw/return variables results/],
	[[1], undef, undef], 'what main() has returned, alone');

# By GET, and what was compiled

sub ask_by_get (%arg) {
	$arg{languageType} //= 'python';
	$arg{variables} //= '{}';
	return $t->http_get('/runcode?' . join '&',
		map { "$_=" . uri_escape($arg{$_}) } sort keys %arg)->json;
}

is_deeply(ask_by_get(code => 'import os\nx = os.environ["A"]\nx', results => 1,
	last_value => 'true', return_variables => 1, env => '{"A":"b"}'), {
	output => '', results => [{ is_main_result => $true, text => "'b'" }],
	variables => { x => { type => 'str', value => 'b' } } },
	'results by GET');
is_deeply(ask_by_get(code => 'def main(a):\n    open("b", "w").write(a)\n    return a',
	main => '{"arguments":{"a":"c"}}', return_files => '["b"]'), {
	output => '', return => 'c', files => { b => { type => 'text/plain',
		size => 1, text => 'c' } } }, 'main() and files by GET');

$a = ask_by_get(code => 'echo ok', languageType => 'half', detail => 1);
is_deeply([$a->@{qw/output status stage/}], ["ok\n", 'ok', 'run'], 'compiled');
cmp_ok($a->{compile_ms}, '>', 0, 'for some time');
$a = ask_by_get(code => 'echo no', languageType => 'half', detail => 1);
is_deeply([$a->@{qw/status reason stage exit_code time_ms/}],
	['error', 'compile', 'compile', 1, 0], 'what does not compile');
ok(!exists ask_by_get(code => '1', detail => 1)->{stage},
	'Python has no stages');

# Any bytes there are JSON here.

for my $try (1 .. 20) {
	$r = $t->post(<<'EOP', results => $true, last_value => $true,
import random, struct
def main(): pass
names = [b'text', b'png', b'json', b'@error', b'@return', b'@variables', b'@size',
         b'@main', b'a/b+json', b'', b'x' * 128, b'"']
data = b''
for _ in range(3):
    record = b''
    for _ in range(random.choice([1, 1, 2, 5])):
        n = random.choice(names)
        c = random.choice([b'{}', b'1', b'"\\u00', random.randbytes(9), b'1x1', b''])
        record += struct.pack('!H', len(n)) + n + struct.pack('!I', len(c)) + c
    record = random.choice([record, record, record[:-1], record + b'\0'])
    data += struct.pack('!I', len(record)) + record
open('/home/results', 'ab').write(data)
EOP
		return_variables => $true, main => {});
	next if $r->status == 200 && $r->json && $r->json->{results}
		&& !$r->json->{error};
	fail('hostile results are answered');
	diag($r->raw);
}

$t->honest('and all is well');
$t->check_leaks('nothing is left');
$t->done_testing;
