#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# What a request brings along beside its code, and the files that it wants
# back: what is passed on, what is refused, and what the answer says.

use v5.36;

use JSON::PP ();
use MIME::Base64;
use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::FakeSandbox;

my $t = Test::Codeexec->new;

$t->write_conf(<<'EOC');
    upstream sandbox { server unix:%%SOCK%% max_fails=0; keepalive 2; }
    upstream busy_first {
        server unix:%%SOCK_busy%% weight=100;
        server unix:%%SOCK%% backup;
    }
    client_max_body_size 8m;

    server {
        listen 127.0.0.1:%%PORT_0%%;

        location /runcode { codeexec_pass sandbox; }
        location /small {
            codeexec_pass sandbox;
            codeexec_max_files 2;
            codeexec_max_files_size 10;
        }
        location /off { codeexec_pass sandbox; codeexec_files off; }
        location /busy { codeexec_pass busy_first; }
        location /none { codeexec_pass sandbox; codeexec_images off; }
        location /many {
            codeexec_pass sandbox;
            codeexec_images a1 a2 a3 a4 a5 a6 a7 a8 a9 b1 b2 b3 b4 b5 b6 b7
                            b8;
        }
    }
EOC

my $fake = $t->fake(script => sub ($c, $job) {
	return $c->send(reject(too_large => 'files above a limit'))
		if $job->{code} eq 'large';
	return $c->send(answer(eval $job->{code})) if $job->{code};
	$c->send(answer(stdout => 'hello'));
});

$t->run;

# $data may be JSON text.

sub post ($data, %arg) {
	return $t->http_post_json($arg{uri} // '/runcode', $data, %arg);
}

sub passed ($name, $data, %expected) {
	my $runs = $fake->runs;
	my $r = post($data);
	is($r->status, 200, "$name: answered") || diag($r->body);
	is($fake->runs, $runs + 1, "$name: once");
	my $job = $fake->job;
	is_deeply($job->{job}{$_}, $expected{$_}, "$name: $_")
		for grep { $_ ne 'put' } sort keys %expected;
	is_deeply($job->{put}, $expected{put}, "$name: files")
		if $expected{put};
	return $job;
}

sub refused ($name, $data, $status, $text, %arg) {
	my $runs = $fake->runs;
	error_is(post($data, %arg), $status, $text, $name);
	is($fake->runs, $runs, "$name: nothing is run");
}

###############################################################################

# Environment

passed('environment', { env => { A => 'x=y', B => '', "\x{e9}" => "\x{1f600}" } },
	env => { A => 'x=y', B => '', "\x{e9}" => "\x{1f600}" });
passed('no environment', { env => undef }, env => undef);
passed('an empty one', { env => {} }, env => {});

my $env = qr/^"env" must be an object of strings without NUL$/;
refused("environment $_", qq({"env":$_}), 400, $env) for '"A=B"', '[]', 'true',
	'{"A":1}', '{"A":null}', '{"":"x"}', '{"A=B":"x"}', '{"A":"x\u0000"}';
refused('a NUL in a name', '{"env":{"A\u0000B":"x"}}', 400, 'Invalid JSON');
passed('the largest', { env => { A => 'x' x (65536 - 8) } },
	env => { A => 'x' x (65536 - 8) });
refused('one byte more', { env => { A => 'x' x (65536 - 7) } }, 413,
	'"env" is larger than 65536 bytes');

###############################################################################

# Files to be placed

my $job = passed('files', { code => '', stdin => 'in', files => {
	'a.csv' => "a,b\n1,\x{e9}\n", 'd/e/f' => { base64 => 'AP//' },
	"\x{e9} x" => '', 'b' => { base64 => '' } } });
is_deeply({ map { @$_ } @{ $job->{put} } }, { 'a.csv' => "a,b\n1,\xc3\xa9\n",
	'd/e/f' => "\0\xff\xff", "\xc3\xa9 x" => '', b => '' }, 'their content');
is(join(' ', map { $_->[0] } @{ $job->{frames} }),
	'JOB CODE STDIN PUT PUT PUT PUT RUN', 'where they are');
is_deeply($job->{job}{collect}[0], '*.png', 'and images are wanted back');

passed('no files', { files => {} }, put => []);
passed('null', { files => undef }, put => []);
passed('NUL in text', '{"files":{"a":"x\u0000y"}}', put => [[a => "x\0y"]]);

my $large = join '', map { chr(($_ * 7 + ($_ >> 8)) % 256) } 1 .. 3_000_000;
$job = passed('a large one', { files => { large =>
	{ base64 => encode_base64($large, '') } } });
ok($job->{put}[0][1] eq $large, 'it is as it was');
$job = passed('a large text', { files => { large => 'x' x 3_000_000 } });
ok($job->{put}[0][1] eq 'x' x 3_000_000, 'it is, too');

for my $n (0 .. 5) {
	my $bytes = substr "\xff\xfe\0\xfb\xef\xbe", 0, $n;
	passed("base64 of $n bytes", { files => { a =>
		{ base64 => encode_base64($bytes, '') } } },
		put => [[a => $bytes]]);
}

refused("base64 $_", qq({"files":{"a":{"base64":"$_"}}}), 400,
	'"files" has invalid base64') for 'A', 'AA', 'AAA', 'AAAAA', 'AA=A',
	'A===', '====', '=AAA', 'AAA=AAAA', 'AA==AA==', 'AB==', 'AAB=', 'AA-_',
	'AAA ', ' AAA', 'AA A', 'AAAA\n', 'AA\u0000A', "AA\xc3\xa9", 'A\/A+==',
	'AA.=';
my $kinds = '"files" must have strings, or objects with a string "base64"';
refused("content $_", qq({"files":{"a":$_}}), 400, $kinds) for '1', 'null',
	'true', '[]', '{}', '{"base64":1}', '{"text":"x"}',
	'{"base64":"","x":1}', '{"base64":null}';

my $path = '"files" has a name that is no path below the working directory';
refused("name $_", { files => { $_ => '' } }, 400, $path) for '', '/', '/a',
	'a/', 'a//b', '.', './a', 'a/.', 'a/./b', '..', '../a', 'a/../b',
	"a\nb", "a\x7f", "\x01", 'x' x 256, join('/', ('a') x 18);
passed("name $_", { files => { $_ => '' } }, put => [[$_ => '']]) for '...',
	'.a', 'a..', '..a/b', ' ', '-', 'a\\b', 'x' x 255, join('/', ('a') x 17);
refused('a long name of few characters', { files => { "\x{e9}" x 128 => '' } },
	400, $path);
refused('a NUL in a name', '{"files":{"a\u0000b":""}}', 400, 'Invalid JSON');
refused('a name twice', '{"files":{"a":"","a":""}}', 400, 'Invalid JSON');
refused("@$_", { files => { map { $_ => '' } @$_ } }, 400,
	'"files" has one name for a file and a directory')
	for ['a', 'a/b'], ['a/b', 'a/b/c/d'];
passed('names that begin alike', { files => { map { $_ => '' } 'a', 'ab/c' } });

passed('as many as may be', { files => { map { $_ => '' } 1 .. 64 } });
refused('one more', { files => { map { $_ => '' } 1 .. 65 } }, 413,
	'"files" has more than 64 files');
refused('a lower number', { files => { map { $_ => '' } 1 .. 3 } }, 413,
	'"files" has more than 2 files', uri => '/small');
is(post({ files => { a => 'x' x 5, b => { base64 => 'AAAAAA==' } } },
	uri => '/small')->status, 200, 'as large as may be');
refused('one byte more', { files => { a => 'x' x 6, b =>
	{ base64 => 'AAAAAAA=' } } }, 413, '"files" are larger than 10 bytes',
	uri => '/small');
refused("files $_", qq({"files":$_}), 400,
	'"files" must be true, or an array of patterns') for '1', '"a"';
refused('files that are off', { files => { a => '' } }, 400,
	'Files are not available', uri => '/off');
is(post({ files => undef, return_files => JSON::PP::false }, uri => '/off')
	->status, 200, 'no files that are off');
error_is(post({ code => 'large', files => { a => '' } }), 413,
	'files above a limit', 'a limit of codeexecd');

###############################################################################

# Files to be returned

my @images = map { ("*.$_", '*.' . uc) } qw/png jpg jpeg gif webp svg/;

passed('all', { files => JSON::PP::true }, collect => [@images, '**'], put => []);
passed('all, and some', { files => { a => '' }, return_files => JSON::PP::true },
	collect => [@images, '**'], put => [[a => '']]);
passed('patterns', { files => ['a', "\x{e9}\"\\*"] },
	collect => [@images, 'a', "\x{e9}\"\\*"]);
passed('no pattern', { return_files => [] }, collect => \@images);
passed('false', { files => JSON::PP::false }, collect => \@images);
passed('most patterns', { return_files => [('x' x 64) x 32] },
	collect => [@images, ('x' x 64) x 32]);
refused('one more', { return_files => [('x') x 33] }, 400,
	'"return_files" has more than 32 patterns');
refused('most patterns beside images', { files => [('x') x 33] }, 400,
	'"files" has more than 30 patterns', uri => '/many');
is(post({ files => [('x') x 30] }, uri => '/many')->status, 200,
	'as many as codeexecd takes');
is(scalar @{ $fake->job->{job}{collect} }, 64, 'of them all');
refused("pattern $_", qq({"files":[$_]}), 400,
	'"files" must have strings of 1 to 64 bytes without NUL') for '1', '""',
	'null', '"a\u0000"', '["a"]', '"' . 'x' x 65 . '"',
	'"' . "\xc3\xa9" x 33 . '"';
refused("return_files $_", qq({"return_files":$_}), 400,
	'"return_files" must be true, or an array of patterns')
	for '1', '"*"', '{}';
refused('two that say what to return', '{"files":["a"],"return_files":["b"]}',
	400, '"files" must be an object beside "return_files"');
refused('returning is off', { files => JSON::PP::true }, 400,
	'Files are not available', uri => '/off');
refused('returning by name is off', { return_files => ['a'] }, 400,
	'Files are not available', uri => '/off');
is(post({ files => ['a'] }, uri => '/none')->status, 200, 'without images');
is_deeply($fake->job->{job}{collect}, ['a'], 'the patterns alone');

###############################################################################

# Files in the answer

my $png = "\x89PNG\r\n\x1a\nrest";
my $base64 = encode_base64($png, '');

sub answers ($files, $name, $body, %member) {
	my $uri = delete $member{uri} // '/runcode';
	my $code = 'files => [' . join(', ', map { sprintf '[pack("H*", "%s"), '
		. 'pack("H*", "%s")]', map { unpack 'H*', $_ } @$_ } @$files)
		. ']' . ($member{skipped} // '');
	delete $member{skipped};
	answer_is(post({ code => $code, %member }, uri => $uri), 200, $body,
		$name);
}

answers([['a.png', $png]], 'images only',
	qq({"images":{"a.png":"$base64"},"output":""}));
answers([['a.txt', 'x']], 'whatever codeexecd says is one',
	'{"images":{"a.txt":"eA=="},"output":""}');
answers([], 'no files', '{"output":"","files":{}}', files => JSON::PP::true);
answers([], 'no pattern', '{"output":"","files":{}}', files => []);
answers([['a.png', $png], ['B.PNG', 'x'], ['b', 'x'], ['d/a.png', $png],
	['.x.png', '']], 'images and files',
	qq({"images":{"a.png":"$base64","B.PNG":"eA=="},"output":"","files":{)
	. '"b":{"type":"text/plain","size":1,"text":"x"},'
	. qq("d/a.png":{"type":"image/png","size":12,"base64":"$base64"},)
	. '".x.png":{"type":"text/plain","size":0,"text":""}}}',
	files => JSON::PP::true);
answers([['a.png', $png]], 'images are off',
	qq({"output":"","files":{"a.png":{"type":"image/png","size":12,)
	. qq("base64":"$base64"}}}), files => JSON::PP::true, uri => '/none');
answers([['png', 'x'], ['apng', 'x'], ['a.png.x', 'x']], 'no images',
	'{"output":"","files":{' . join(',', map {
		qq("$_":{"type":"text/plain","size":1,"text":"x"}) }
		qw/png apng a.png.x/) . '}}', files => JSON::PP::true);
answers([['a.csv', "a\xc3\xa9\n"], ['a.JSON', '"'], ['x/b.xlsx', "PK\0"],
	['c', "\xff"], ['d.json', "{\0}"], ['e.svg/f', 'x'], ['g.', 'x'],
	['.csv', 'x'], ['h.gif', $png], ['i.log', "\e[1m"]], 'types',
	qq({"images":{"h.gif":"$base64"},"output":"","files":{)
	. qq("a.csv":{"type":"text/csv","size":4,"text":"a\xc3\xa9\\n"},)
	. '"a.JSON":{"type":"application/json","size":1,"text":"\""},'
	. '"x/b.xlsx":{"type":"application/vnd.openxmlformats-officedocument'
	. '.spreadsheetml.sheet","size":3,"base64":"UEsA"},'
	. '"c":{"type":"application/octet-stream","size":1,"base64":"/w=="},'
	. '"d.json":{"type":"application/json","size":3,"base64":"ewB9"},'
	. '"e.svg/f":{"type":"text/plain","size":1,"text":"x"},'
	. '"g.":{"type":"text/plain","size":1,"text":"x"},'
	. '".csv":{"type":"text/csv","size":1,"text":"x"},'
	. '"i.log":{"type":"application/octet-stream","size":4,'
	. '"base64":"G1sxbQ=="}}}',
	files => JSON::PP::true);
answers([["\xff", 'x'], ["\xfe", 'y'], ["a\"\n", 'z']],
	'names that are not UTF-8', '{"output":"","files":{"a\"\n":'
	. '{"type":"text/plain","size":1,"text":"z"}},"skipped":['
	. join(',', (qq({"name":"\xef\xbf\xbd","reason":"name"})) x 2) . ']}',
	files => JSON::PP::true);
answers([], 'what was left out', '{"output":"","files":{},"truncated":true,'
	. '"skipped":[{"name":"a","reason":"symlink"}]}',
	files => ['*'], skipped => ', truncated => JSON::PP::true, '
	. 'skipped => [{ name => "a", reason => "symlink" }]');
answers([], 'is not said unasked', '{"output":""}',
	skipped => ', skipped => [{ name => "a", reason => "symlink" }]');

# A program that fails has its files all the same, and one that takes too long.

my $r = post({ code => 'status => "error", exit_code => 1, stderr => "no", '
	. 'files => [["a.txt", "x"]]', files => ['*'] });
answer_is($r, 200, '{"error":"no","output":"","files":{"a.txt":'
	. '{"type":"text/plain","size":1,"text":"x"}}}', 'of a failure');
$r = post({ code => 'status => "timeout", files => [["a.txt", "x"]]',
	files => ['*'] });
answer_is($r, 504, '{"error":"Code execution timed out","output":"","files":'
	. '{"a.txt":{"type":"text/plain","size":1,"text":"x"}}}',
	'of a run that took too long');

# What is sent twice is sent as it was.

my $busy = $t->fake(name => 'busy', script => sub ($c, $job) {
	$c->send(busy());
});

my %data = (code => '()', files => { a => $large = 'x' x 1_000_000,
	b => { base64 => encode_base64("\0" x 1000, '') } }, env => { A => 'x' });
is(post(\%data, uri => '/busy')->status, 200, 'the next server');
my ($first, $second) = ($busy->job, $fake->job);
is_deeply($second->{$_}, $first->{$_}, "gets the same $_") for qw/job put frames/;
is(length $first->{put}[$_][1], $first->{put}[$_][0] eq 'a' ? 1_000_000 : 1000,
	'all of it') for 0, 1;

# And a connection is kept while it goes well.

my $connections = $fake->connections;
post({ code => '()', files => { a => 'x' } }) for 1 .. 5;
is($fake->connections, $connections, 'connections are kept');

$t->done_testing;
