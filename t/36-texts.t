#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# What a job brings along beside its code: arguments, environment, options,
# files; and the results that a program shows.

use v5.36;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Real;
use Test::FakeSandbox;

my $t = Test::Codeexec::Real->start(spare => 2, conf => {
	limits => { input => '10kb', put => 3, put_size => '100kb',
		results => 3, results_size => '10kb', disk => '1mb' },
});

$t->warm;
$t->baseline;

sub ask ($code, %arg) {
	my $socket = $t->dial;
	Test::Codeexec::write_all($socket,
		Test::Codeexec::Real::job_frames($code, %arg));
	return Test::Codeexec::Real::read_answer($socket);
}

sub refused ($text, $name, %arg) {
	my $a = ask('print("ran")', %arg);
	is($a->{type}, 'REJECT', "$name: refused");
	like($a->{message}, qr/$text/, "$name: says why");
}

sub put ($name, $content) { return pack('n/a', $name) . $content }

###############################################################################

# Arguments and environment

my $args = 'import sys; print(sys.argv)';
is(ask($args, args => ['a b', '', "\x{e9}", '-c'])->{stdout},
	"['main.py', 'a b', '', '\xc3\xa9', '-c']\n", 'arguments');
is(ask($args, args => [])->{stdout}, "['main.py']\n", 'no arguments');
is(ask('import sys; print(len(sys.argv[1]))', args => ['x' x 10239])
	->{stdout}, "10239\n", 'arguments as long as may be');
refused('"args" is too large', 'one byte more', args => ['x' x 10240]);
refused('"args" must be', 'a number', args => [1]);
refused('"args" must be', 'an object', args => {});

my $env = 'import os; print(os.environ.get("A"), os.environ["HOME"], '
	. 'os.popen("echo $A").read())';
is(ask($env, env => { A => 'x=y z' })->{stdout},
	"x=y z /home/user x=y z\n\n", 'environment, of children too');
is(ask($env, env => { HOME => '/tmp' })->{stdout}, "None /tmp \n\n",
	'over that of the run');
is(ask($env)->{stdout}, "None /home/user \n\n", 'not of the next run');
is(ask('import os; print(len(os.environ["A"]))',
	env => { A => 'x' x 10237 })->{stdout}, "10237\n",
	'environment as large as may be');
refused('"env" is too large', 'one byte more', env => { A => 'x' x 10238 });
refused('"env" must be', 'no string', env => { A => 1 });
refused('"env" must be', 'no name', env => { '' => 'x' });
refused('"env" must be', 'not a name', env => { 'A=B' => 'x' });
refused('"env" must be', 'an array', env => []);

is(ask('print(1)', options => {})->{stdout}, "1\n", 'no options');
is(ask('print(1)', options => { unheard_of => [1] })->{stdout}, "1\n",
	'options that are not known');
refused('"options" must be', 'a string', options => 'x');

###############################################################################

# Files

my $list = <<'EOP';
import os
for d, _, names in sorted(os.walk('.')):
    for n in sorted(names):
        p = os.path.join(d, n)
        s = os.stat(p)
        print(p, s.st_size, oct(s.st_mode), s.st_uid, ascii(open(p, 'rb').read(9)))
EOP

is(ask($list, put => [put('b', ''), put('a/b c/d.csv', "1,2\n\0\xff"),
	put('a/e', 'E')])->{stdout},
	"./b 0 0o100644 1000 b''\n./a/e 1 0o100644 1000 b'E'\n"
	. "./a/b c/d.csv 6 0o100644 1000 b'1,2\\n\\x00\\xff'\n", 'files');
is(ask($list)->{stdout}, '', 'not in the next run');
is(ask('open("x", "a").write("y"); print(open("x").read())',
	put => [put('x', 'x')])->{stdout}, "xy\n", 'a file that is changed');

my $deep = join '/', ('d') x 16, 'f';
like(ask($list, put => [put($deep, 'x')])->{stdout}, qr{^\./$deep 1 },
	'as deep as may be');
refused('no path', 'one deeper', put => [put("d/$deep", 'x')]);

my $long = 'n' x 255;
like(ask($list, put => [put($long, 'x')])->{stdout}, qr{^\./$long 1 },
	'a name as long as may be');
refused('no path', 'one byte more', put => [put("n$long", 'x')]);

refused('no path', "the name \"$_\"", put => [put($_, 'x')])
	for '', '.', '..', '/', '/etc/x', 'a//b', 'a/', './a', 'a/..', '../a',
		'a/../b', "a\0b";
refused('without a name', 'a frame without a name', put => ['']);
refused('no path', 'a name that is longer than its frame', put => ["\0\5abc"]);

refused('files above', 'too many files', put => [map { put($_, '') } 1 .. 4]);
is(ask('import os; print(os.path.getsize("a") + os.path.getsize("b"))',
	put => [put('a', 'x' x 50000), put('b', 'x' x 52394)])->{stdout},
	"102394\n", 'files as large as may be');
refused('files above', 'one byte more',
	put => [put('a', 'x' x 50000), put('b', 'x' x 52395)]);

for (['the same name', put('a', 1), put('a', 2)],
	['a file as a directory', put('a', 1), put('a/b', 2)],
	['a directory as a file', put('a/b', 1), put('a', 2)])
{
	my ($name, @put) = @$_;
	my $a = ask('print("ran")', put => \@put);
	is($a->{exit_code}, 1, "$name: exit code");
	is($a->{stdout}, '', "$name: nothing ran");
	like($a->{stderr}, qr/^codeexec: can't .* "a(\/b)?": /, "$name: says why");
}

###############################################################################

# Results

my $show = <<'EOP';
import struct
def part(name, content):
    return struct.pack('!H', len(name)) + name + struct.pack('!I', len(content)) + content
def show(*parts):
    data = b''.join(part(n, c) for n, c in parts)
    with open('/home/results', 'ab') as f: f.write(struct.pack('!I', len(data)) + data)
EOP

my %results = (options => { results => \1 });
my $a = ask($show . 'show((b"text", b"1"), (b"png", b"\0\xff"));'
	. 'show((b"html", b"<b>"))', %results);
is_deeply($a->{shown}, [['text', '1', 'png', "\0\xff"], ['html', '<b>']],
	'results in their order');
is($a->{results}, 2, 'their number');
ok(!$a->{truncated}, 'nothing is cut');

is_deeply(ask($show . 'show((b"text", b"1"))')->{shown}, [],
	'none if they are not asked for');
is_deeply(ask('print(1)', %results)->{shown}, [], 'none if there are none');

$a = ask($show . 'for i in range(3): show((b"text", b"%d" % i))', %results);
is(scalar @{ $a->{shown} }, 3, 'as many as may be');
ok(!$a->{truncated}, 'all of them');
$a = ask($show . 'for i in range(4): show((b"text", b"%d" % i))', %results);
is(scalar @{ $a->{shown} }, 3, 'not one more');
ok($a->{truncated}, 'and it is said');

$a = ask($show . 'show((b"text", b"x" * (10240 - 14)))', %results);
is(length $a->{shown}[0][1], 10226, 'as large as may be');
ok(!$a->{truncated}, 'nothing is cut');
$a = ask($show . 'show((b"text", b"x" * (10240 - 13)))', %results);
is_deeply($a->{shown}, [], 'not one byte more');
ok($a->{truncated}, 'and it is said');

is_deeply(ask($show . 'show((b"text", b"1")); open("/home/results", "ab")'
	. '.write(struct.pack("!I", 9) + b"half"); import os; os._exit(3)',
	%results)->{shown}, [['text', '1']], 'half a result is none');
is_deeply(ask("${show}import time\nshow((b'text', b'1')); time.sleep(9)",
	%results, timeout_ms => 500)->{shown}, [['text', '1']],
	'those of a run that was stopped');
is_deeply(ask("${show}import os\nshow((b'text', b'1'))\n"
	. "os.unlink('/home/results'); os.symlink('/etc/passwd', '/home/results')",
	%results)->{shown}, [['text', '1']], 'whatever becomes of the name');
is_deeply(ask("open('/home/results', 'wb').truncate(1 << 19)", %results)
	->{shown}, [[], [], []], 'zeros are results of nothing');

$t->honest('and all is well');
$t->check_leaks('nothing is left');
$t->done_testing;
