#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Files out: what is taken, what is left out and why; hostile names, kinds,
# sizes and numbers of them; and that none of it takes long.

use v5.36;

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

my $t = Test::Codeexec::Real->start(science => 1, spare => 2, conf => {
	runs => 3, limits => {
		memory => '384mb', disk => '32mb', inodes => 12000, files => 8,
		file_size => '1mb', files_size => '3mb', wall => '10s',
		output => '200kb',
	},
});

$t->warm;
$t->baseline;
my $pids = $t->pids;

# Files, and "name reason" of what was left out; the answer must not be long
# in coming once the run is over.

sub collected ($code, %arg) {
	my $raw = $t->dial;
	my $slow = delete $arg{slow} // 1;
	my $begin = time;

	Test::Codeexec::write_all($raw, Test::Codeexec::Real::job_frames(
		"import os, socket, sys, time\n$code", collect => ['*.png'],
		timeout_ms => 8000, %arg));

	my ($type, $payload) = read_frame($raw);
	my $a = { %{ JSON::PP->new->utf8->decode($payload) }, file => {} };
	my $took = time - $begin - ($a->{time_us} + $a->{queue_us}) / 1e6;

	cmp_ok(length $payload, '<=', 8192, 'RESULT is short')
		if length $payload > 8192;
	cmp_ok($took, '<', $slow, 'nothing takes long') if $took >= $slow;

	while (($type, $payload) = read_frame($raw)) {
		last if $type eq 'END';
		$a->{stderr} .= $payload if $type eq 'STDERR';
		my $length = unpack 'n', $payload;
		$a->{file}{ substr $payload, 2, $length } =
			substr $payload, 2 + $length if $type eq 'FILE';
	}

	return $a;
}

sub files_are ($name, $code, $files, $skipped, %arg) {
	my $a = collected($code, %arg);
	my @skipped = map { "$_->{name} $_->{reason}" } @{ $a->{skipped} };

	is(join(' ', sort keys %{ $a->{file} }), $files, "$name: files")
		|| diag($a->{stderr} // '');
	is(join(', ', @skipped), $skipped, "$name: left out");
	is($a->{skipped_count}, scalar @skipped, "$name: number of them");
	is($a->{truncated} ? 1 : 0,
		$skipped =~ / (?:files|file_size|files_size|entries|depth)\b/
			? 1 : 0,
		"$name: cut only by a limit");
	return $a;
}

###############################################################################

# Kinds

my $a = files_are('one', "open('a.png', 'w').write('x')", 'a.png', '');
is($a->{file}{'a.png'}, 'x', 'its content');
files_are('none', '', '', '');
files_are('what nobody asked for', "os.mkfifo('f'); os.symlink('x', 'y.txt'); "
	. "open('.hidden.png', 'w')", '', '');

files_are('kinds', <<'EOP', 'good.png', join ', ',
open('good.png', 'w').write('x')
os.symlink('/etc/passwd', 'link1.png')
os.symlink('good.png', 'link2.png')
os.symlink('/proc/self/environ', 'link3.png')
os.symlink('loop.png', 'loop.png')
os.symlink('nowhere', 'void.png')
os.symlink('/home', 'out.png')
os.mkfifo('fifo.png')
os.mkdir('dir.png')
open('dir.png/inner.png', 'w')
open('hard', 'w').write('x')
os.link('hard', 'hard.png')
socket.socket(socket.AF_UNIX).bind('socket.png')
EOP
	'dir.png directory', 'fifo.png fifo', 'hard.png links',
	(map { "$_.png symlink" } qw/link1 link2 link3 loop out/),
	'socket.png socket', 'void.png symlink');

files_are('two names of one file',
	"open('a.png', 'w').write('x'); os.link('a.png', 'b.png')", '',
	'a.png links, b.png links');
files_are('a file that was deleted and is open',
	"f = open('a.png', 'w'); f.write('x'); f.flush(); os.unlink('a.png')",
	'', '');
files_are('modes', "open('a.png', 'w').write('x'); os.chmod('a.png', 0)\n"
	. "open('b.png', 'w').write('x'); os.chmod('b.png', 0o7777)",
	'a.png b.png', '');
files_are('the directory is locked', "open('a.png', 'w').write('x')\n"
	. "os.chmod('.', 0)", 'a.png', '');
files_are('the directory is gone', "os.chdir('/'); os.rmdir('/home/user')",
	'', '');
files_are('the directory is another one', "open('a.png', 'w').write('mine')\n"
	. "os.rename('/home/user', '/home/old'); os.mkdir('/home/user')\n"
	. "open('/home/user/b.png', 'w')", 'a.png', '');
files_are('the directory is a link', "os.rename('/home/user', '/home/old')\n"
	. "os.symlink('/etc', '/home/user')", '', '', collect => ['*']);
files_are('everything, and no dots', "os.mkdir('d')\nopen('f', 'w')", 'f',
	'd directory', collect => ['*']);
files_are('patterns that lead out', "os.mkdir('d'); open('d/a.png', 'w')", '',
	'', collect => ['../*', '/etc/*', '/etc/passwd', './d/*', 'd//*',
	'd/../d/*', '../**', '/**', '', '/', 'd/', 'd/*/']);

# Devices can't be made at all.

files_are('devices', "for m in 0o20666, 0o60666:\n    try: "
	. "os.mknod('d.png', m, os.makedev(1, 3))\n    except PermissionError: pass",
	'', '');

###############################################################################

# Directories

my $tree = <<'EOP';
for p in ('a.png', 'a.txt', 'd/b.png', 'd/c.txt', 'd/e/f.png', 'g/b.png',
          '.h/i.png', 'd/.j/k.png', 'd/.l.png'):
    os.makedirs(os.path.dirname(p) or '.', exist_ok=True)
    open(p, 'w').write(p)
EOP

sub tree ($collect, $files, $skipped = '') {
	my $a = files_are("tree, @$collect", $tree, $files, $skipped,
		collect => $collect);
	is($a->{file}{$_}, $_, "tree, @$collect: $_") for keys %{ $a->{file} };
}

tree(['*.png'], 'a.png');
tree(['*'], 'a.png a.txt', 'd directory, g directory');
tree(['d/*.png'], 'd/b.png');
tree(['*/b.png'], 'd/b.png g/b.png');
tree(['D/?.PNG'], 'd/b.png');
tree(['*/*'], 'd/b.png d/c.txt g/b.png', 'd/e directory');
tree(['**'], 'a.png a.txt d/b.png d/c.txt d/e/f.png g/b.png');
tree(['**/*.png'], 'a.png d/b.png d/e/f.png g/b.png');
tree(['**/b.png', '**/**/b.png', 'g/b.png'], 'd/b.png g/b.png');
tree(['d/**'], 'd/b.png d/c.txt d/e/f.png');
tree(['d/**/*.png'], 'd/b.png d/e/f.png');
tree(['d/**/e/*'], 'd/e/f.png');
tree(['**/e/**'], 'd/e/f.png');
tree(['**/d/**/f.png'], 'd/e/f.png');
tree(['d'], '', 'd directory');
tree(['d', 'd/*'], 'd/b.png d/c.txt', 'd/e directory');
tree(['.h/*', 'd/.*', 'd/.j/*'], '.h/i.png d/.j/k.png d/.l.png');
tree(['.*/*'], '.h/i.png');
tree(['**/.l.png'], 'd/.l.png');
tree(['**/.j/k.png', '**/\\.h/*'], '.h/i.png d/.j/k.png');
tree(['**/.j/**/k.*', '**/x/.h/*'], 'd/.j/k.png');
tree(['d/[a-b].png', '[!x]/c.*', '[D-d]/e/[f]*'],
	'd/b.png d/c.txt d/e/f.png');
tree(['\\a.png', 'a\\.txt', 'd\\/b.png'], 'a.png a.txt');
tree(['a.png/**', 'a.png/*', 'd**', 'a*/**'], '', 'd directory');
tree(['*a*.*p*n*g*', '*.tx[t'], 'a.png');

my %deep = (collect => ['**']);
files_are('16 directories', "os.makedirs('d/' * 16)\n"
	. "open('d/' * 16 + 'f', 'w'); os.mkdir('d/' * 16 + 'e')",
	'd/' x 16 . 'f', 'd/' x 16 . 'e depth', %deep);
files_are('17 directories', "os.makedirs('d/' * 17)\n"
	. "open('d/' * 17 + 'f', 'w'); open('d/' * 15 + 'f', 'w')",
	'd/' x 15 . 'f', 'd/' x 16 . 'd depth', %deep);
files_are('17 directories, and nobody wants to know', "os.makedirs('d/' * 17)",
	'', '', collect => ['*/*/*.png']);
files_are('a depth of 1,000', "for i in range(1000): os.mkdir('d'); "
	. "os.chdir('d')\nopen('f', 'w')", '', 'd/' x 16 . 'd depth', %deep);
files_are('a path of 255 bytes', "os.mkdir('d' * 200)\n"
	. "open('d' * 200 + '/' + 'f' * 54, 'w')", 'd' x 200 . '/' . 'f' x 54,
	'', %deep);
files_are('one byte more', "os.mkdir('d' * 200)\n"
	. "open('d' * 200 + '/' + 'f' * 55, 'w')", '', 'd' x 200 . '/'
	. 'f' x 55 . ' name', %deep);
files_are('a directory of 253 bytes', "os.mkdir('d' * 253)\n"
	. "open('d' * 253 + '/f', 'w')", 'd' x 253 . '/f', '', %deep);
files_are('one of 254', "os.mkdir('d' * 254)\nopen('d' * 254 + '/f', 'w')",
	'', 'd' x 254 . ' name', %deep);

files_are('links', <<'EOP', 'd/a', join(', ',
os.mkdir('d'); open('d/a', 'w').write('x')
os.symlink('d', 'e'); os.symlink('/etc', 'etc'); os.symlink('..', 'd/up')
os.symlink('d/a', 'f'); os.symlink('/', 'd/root'); os.symlink('loop', 'loop')
os.mkdir('g'); os.symlink('/home/user', 'g/home')
EOP
	(map { "$_ symlink" } qw(d/root d/up e etc f g/home loop))), %deep);
files_are('links that are asked to be followed', <<'EOP', '', '',
os.symlink('/etc', 'etc'); os.symlink('/', 'root'); os.symlink('.', 'here')
EOP
	collect => ['etc/passwd', 'root/etc/*', 'here/here/*', 'etc/**']);
files_are('kinds below', <<'EOP', 'd/a', 'd/fifo fifo, d/hard links, '
os.mkdir('d'); os.mkfifo('d/fifo'); open('d/a', 'w'); open('.x', 'w')
os.link('.x', 'd/hard'); os.chdir('d')
socket.socket(socket.AF_UNIX).bind('socket')
EOP
	. 'd/socket socket', %deep);
files_are('locked directories', "os.mkdir('d'); open('d/a', 'w')\n"
	. "os.chmod('d', 0); os.chmod('.', 0)", 'd/a', '', %deep);
files_are('names of directories', "os.mkdir('a\\n'); open('a\\n/b', 'w')\n"
	. "os.mkdir(b'\\xff'); open(b'\\xff/c', 'w')", "\xff/c", "a\n/b name",
	%deep);
files_are('moved away', "os.makedirs('d/e'); open('d/e/a', 'w')\n"
	. "os.rename('d/e', '/tmp/e'); os.mkdir('d/e'); open('d/e/b', 'w')\n"
	. "os.chdir('/tmp/e'); open('c', 'w')", 'd/e/b', '', %deep);
files_are('renamed without end', <<'EOP', 'a/b/f', '', %deep);
os.makedirs('a/b'); open('a/b/f', 'w')
if os.fork() == 0:
    os.setsid()
    while True:
        os.rename('a', 'c'); os.rename('c/b', 'd'); os.symlink('/etc', 'a')
        os.unlink('a'); os.rename('d', 'c/b'); os.rename('c', 'a')
        time.sleep(0)
for i in range(100): os.sched_yield()
EOP

# Numbers: all that is below counts, and what is not wanted does not.

$a = collected("for i in range(3): os.mkdir(str(i))\n"
	. "for i in range(9999): open(f'{i % 3}/{i}', 'w')", %deep);
is_deeply($a->{skipped}[0], { name => '.', reason => 'entries' },
	'ten thousand files below');
is($a->{skipped_count}, 10_000 - 2 - 3 - 6 - 8 + 1, 'are looked at in all');
$a = collected("for i in range(3): os.mkdir(str(i))\n"
	. "for i in range(9999): open(f'{i % 3}/{i}', 'w')\nopen('a', 'w')",
	collect => ['*', '3/*']);
is($a->{skipped_count}, 3, 'what no pattern leads to is not looked at');
ok(!$a->{truncated}, 'so that nothing is cut');
$a = collected("for i in range(5000): os.mkdir(f'{i:04}')", %deep);
is_deeply($a->{skipped}, [{ name => '.', reason => 'entries' }],
	'thousands of directories');

# Patterns that are there to take long

for my $pattern ('*a' x 31 . '*b', '*' x 63 . 'b', '*?' x 31 . 'b',
	'*[!b-c]' x 9 . 'b', '**/' x 20 . 'b', '**/*a*a*a*b/' x 5 . 'b')
{
	$a = collected("for i in range(8000): open('a' * 250 + '%04d' % i, 'w')",
		collect => [($pattern) x 64], slow => 2);
	is(keys %{ $a->{file} }, 0, "a pattern $pattern: nothing");
	note("it was cut") if $a->{truncated};
}

###############################################################################

# Names

my $names = <<'EOP';
for name in (b'../../tmp/x.png', b'/tmp/abs.png', b'a\nSet-Cookie: x=1.png',
             b'a"; filename="evil.png', b'\xff\xfe.png', b'..png', b'con.png',
             b'\xe2\x80\xaegnp.png', b'a\x1b[0m.png', b'a\x7f.png', b'a\\b.png',
             b' .png', b'x' * 251 + b'.png', b'<b>.png', b'caf\xc3\xa9.png'):
    try: open(name, 'w')
    except OSError as e: print(name, e)
EOP

$a = collected($names, collect => ['*.png']);
is($a->{skipped_count}, 4, 'names: what would have to be escaped, and one more');
is_deeply([map { "$_->{name} $_->{reason}" } @{ $a->{skipped} }],
	["a\nSet-Cookie: x=1.png name", "a\e[0m.png name", "a\x7f.png name",
		"\x{fffd}\x{fffd}.png files"],
	'names: which');
is(scalar keys %{ $a->{file} }, 8, 'names: the others are taken');
ok(exists $a->{file}{ 'x' x 251 . '.png' }, 'names: the longest');
ok(!exists $a->{file}{'..png'}, 'names: none with a dot in front');

# In RESULT they are text, whatever bytes they are.

$a = collected(<<'EOP');
os.mkfifo(b'\xff"\\\n\x01\xc3\xa9\xe2\x80\xae\xed\xa0\x80\xf0\x9f\x98\x80.png')
os.mkfifo(b'\xc3\xa9\xe2\x80\xae\xf0\x9f\x98\x80".png')
EOP
is_deeply([map { $_->{name} } @{ $a->{skipped} }],
	["\x{e9}\x{202e}\x{1f600}\".png",
		"\x{fffd}\"\\\n\x01" . "\x{fffd}" x 12 . '.png'],
	'names of what was left out are quoted');

# Many of them, and long: some are named, all are counted.

for my $byte ('a', '\\x01', '\\xff', '\\"', '\\xc3\\xa9') {
	$a = collected("for i in range(500): os.mkfifo(b'%03d' % i + "
		. "b'$byte' * 120 + b'.png')");
	is($a->{skipped_count}, 500, "500 long names of $byte: counted");
	my $named = @{ $a->{skipped} };
	ok($named >= 4 && $named < 100, "$named of them named");
}

###############################################################################

# Sizes

files_are('the largest file', "open('a.png', 'wb').write(bytes(1 << 20))",
	'a.png', '');
files_are('one byte more', "open('a.png', 'wb').write(bytes((1 << 20) + 1))",
	'', 'a.png file_size');
files_are('the sum', "for i in range(4): open(f'{i}.png', 'wb')"
	. ".write(bytes(900_000))", '0.png 1.png 2.png', '3.png files_size');
files_are('a smaller one still fits', "for i in range(4): "
	. "open(f'{i}.png', 'wb').write(bytes(900_000))\n"
	. "open('4.png', 'w').write('x')", '0.png 1.png 2.png 4.png',
	'3.png files_size');
files_are('the number', "for i in range(8): open(f'{i}.png', 'w')",
	join(' ', map { "$_.png" } 0 .. 7), '');
files_are('one more', "for i in range(9): open(f'{i}.png', 'w')",
	join(' ', map { "$_.png" } 0 .. 7), '8.png files');
files_are('the number, and what is no file', "for i in range(8): "
	. "open(f'{i}.png', 'w')\nos.mkfifo('z.png')",
	join(' ', map { "$_.png" } 0 .. 7), 'z.png fifo');

files_are('sparse giants', <<'EOP', 'c.png', 'a.png file_size, b.png file_size');
for name, size in ('a.png', 32 << 20), ('b.png', (1 << 20) + 1), ('c.png', 1 << 20):
    with open(name, 'wb') as f: f.truncate(size)
EOP
files_are('1024 TiB', "with open('a.png', 'wb') as f:\n"
	. "    try: f.truncate(1 << 50)\n    except OSError: pass", 'a.png', '');

# A daemon that goes on writing is dead when its file is read.

$a = files_are('a file that grows', <<'EOP', 'a.png', '');
if os.fork() == 0:
    os.setsid()
    with open('a.png', 'wb', buffering=0) as f:
        while True:
            f.write(b'x')
            if f.tell() > 900_000: f.truncate(0); f.seek(0)
while not os.path.exists('a.png'): time.sleep(0.001)
time.sleep(0.05)
EOP
files_are('a name that changes its kind', <<'EOP', '', '', collect => ['b']);
if os.fork() == 0:
    os.setsid()
    while True:
        os.symlink('/etc/passwd', 'a'); os.rename('a', 'c')
        os.mkfifo('a'); os.rename('a', 'c')
time.sleep(0.05)
EOP

# Root may not, where it is root of a container with few capabilities.

sub remove ($pid, $name) {
	my $uid = Test::Codeexec::Real::uid($pid);

	chdir "/proc/$pid/root/home/user" or return;
	local $> = $uid;
	my $done = unlink $name;
	$> = $<;
	chdir $Test::Codeexec::ROOT;
	return $done;
}

# And nothing at all is alive when the answer comes, however long it takes to
# die: the child here has much memory to give back.

for my $try (1 .. 4) {
	my $raw = $t->dial;

	write_all($raw, Test::Codeexec::Real::job_frames(<<'EOP'));
import os, time
ready, told = os.pipe()
if os.fork() == 0:
    memory = bytearray(b'x') * (250 << 20)
    os.write(told, b'x')
    time.sleep(60)
os.read(ready, 1)
open('here', 'w')
while os.path.exists('here'): time.sleep(0.01)
EOP
	my @pids = $t->marked('here');
	is(scalar @pids, 3, "a run, its keeper and a child, $try");
	ok(remove($pids[0], 'here'), "which goes on, $try");

	my ($type, $result) = read_frame($raw);
	my @alive = grep { Test::Codeexec::Process::slurp("/proc/$_/stat")
		=~ /\) [^ZX]/ } @pids;
	like($result, qr/"status":"ok"/, "it is answered, $try");
	is(join(' ', map { "$_ " . cmdline($_) } @alive), '',
		"and all are dead, $try");
}

$t->settle;

###############################################################################

# Numbers and depths

$a = collected("for i in range(5000): open('%04d.png' % i, 'w')");
is(join(' ', sort keys %{ $a->{file} }), join(' ', map { "000$_.png" } 0 .. 7),
	'5,000 files: the first');
is($a->{skipped_count}, 4992, 'the others are counted');
is_deeply($a->{skipped}[0], { name => '0008.png', reason => 'files' },
	'and some named');

$a = collected("for i in range(11000): open('%05d.png' % i, 'w')");
is(scalar keys %{ $a->{file} }, 8, '11,000 files: as many as may be');
is($a->{skipped_count}, 10_000 - 2 - 8 + 1, 'ten thousand are looked at');
is_deeply($a->{skipped}[0], { name => '.', reason => 'entries' },
	'and it is said so');
ok($a->{truncated}, 'and cut');

$a = collected("for i in range(3000): os.mkfifo('%04d.png' % i)\n"
	. "for i in range(3000): os.symlink('x', '%04d-.png' % i)");
is($a->{skipped_count}, 6000, 'six thousand that are no files');
ok(!$a->{truncated}, 'are not cut');

# How long the slot is taken after the answer

sub emptied ($name, $code) {
	$t->settle;
	my $a = collected($code);
	my $begin = time;
	my $done = wait_until(5, sub { $t->idle >= 3 });
	my $took = 1000 * (time - $begin);

	is($a->{status}, 'ok', "$name: made") || diag($a->{stderr});
	ok($done, "$name: the slot is free again");
	note(sprintf '%s: %.0f ms', $name, $took);
	cmp_ok($took, '<', 1000, "$name: soon");
}

emptied('one file of all the disk', "open('a', 'wb').write(bytes(31 << 20))");
emptied('11,000 files', "for i in range(11000): open(str(i), 'w')");
emptied('names of 255 bytes', "for i in range(5000): open('%0255d' % i, 'w')");

# (Landlock walks up to the root for each: what goes deeper only takes longer.)

emptied('a depth of 1,500', "for i in range(1500): os.mkdir('d'); os.chdir('d')");
emptied('a depth of 1,500, long names', "n = 'd' * 255\n"
	. "for i in range(1500): os.mkdir(n); os.chdir(n)");
emptied('5,000 links to one', "open('a', 'w')\n"
	. "for i in range(5000): os.link('a', str(i))");
emptied('sockets and pipes', "l = []\nfor i in range(100):\n"
	. "    s = socket.socket(socket.AF_UNIX); s.bind(str(i)); s.listen(); "
	. "l.append(s)\n    os.mkfifo('f%d' % i)");

$a = collected("try:\n    for i in range(10 ** 6): open('%d.png' % i, 'w')\n"
	. "except OSError as e: os.write(2, e.strerror.encode())");
is($a->{stderr}, 'No space left on device', 'as many files as there can be');
is($a->{reason}, 'disk', 'the reason');

###############################################################################

# One run's files are not the next one's, whatever slot it is in.

my $leave = "for d in '.', '/tmp', '/dev/shm', os.path.expanduser('~/.cache'):\n"
	. "    os.makedirs(d, exist_ok=True); open(d + '/left.png', 'w')";
my $look = "for d in '.', '/tmp', '/dev/shm':\n    print(os.listdir(d))";

for my $try (1 .. 8) {
	files_are("left behind, $try", $leave, 'left.png', '');
	files_are("and not found, $try", $look, '', '');
}

###############################################################################

# matplotlib, at length

$a = collected(<<'EOP', slow => 2);
import matplotlib.pyplot as plt
plt.plot([1, 2])
try: plt.savefig('/dev/full', format='png')
except OSError as e: os.write(2, e.strerror.encode())
for i in range(12):
    plt.figure(); plt.plot([1, 2]); plt.savefig('%02d.png' % i)
    plt.close('all')
EOP
is($a->{status}, 'ok', 'matplotlib: many figures');
is($a->{stderr}, 'No space left on device', 'matplotlib: /dev/full');
is(join(' ', sort keys %{ $a->{file} }), join(' ', map { "0$_.png" } 0 .. 7),
	'matplotlib: as many as may be');
is($a->{skipped_count}, 4, 'matplotlib: the others are counted');
like($_, qr/^\x89PNG/, 'matplotlib: an image') for $a->{file}{'00.png'};
$a = collected("import matplotlib\ntry: matplotlib.use('TkAgg')\n"
	. "except ImportError as e: print('no')\n"
	. "import matplotlib.pyplot as plt\nplt.figure()", slow => 2);
ok($a->{status} =~ /^(?:ok|error)$/, 'matplotlib: a backend with windows');

###############################################################################

# nginx takes the first members and leaves out what it doesn't know.

my $r = $t->post("import os\nos.mkfifo('a.png'); os.mkfifo('b\\n\\\"\\xff.png')\n"
	. "open('c.png', 'w').write('x')", detail => JSON::PP::true);
is($r->status, 200, 'through nginx');
is(join(' ', keys %{ $r->json->{images} }), 'c.png', 'the file is there');

$r = $t->post("import os\nfor i in range(500): os.mkfifo('%03d' % i + "
	. "'\\x01' * 240 + '.png')");
is($r->status, 200, 'through nginx, as much as RESULT can hold');

is($t->pids, $pids, 'all live on');
$t->honest('and are well');
$t->settle;
$t->check_leaks('nothing is left');
$t->done_testing;
