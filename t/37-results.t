#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# What a Python program shows comes back: the programs of gallery/results, each
# with what is expected in comments of its own (see there, "README"), and what
# has no place in a comment.

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

my $python = '/usr/bin/python3';
my $json = JSON::PP->new->utf8->allow_nonref->canonical;
my @pixels;

my $t = Test::Codeexec::Real->start(science => 1, spare => 2, conf => {
	limits => { memory => '512mb', results => 12, results_size => '2mb',
		disk => '32mb' },
});

$t->warm;
$t->baseline;

sub ask ($code, %arg) {
	my $socket = $t->dial;
	Test::Codeexec::write_all($socket, Test::Codeexec::Real::job_frames(
		$code, timeout_ms => 20000, %arg));
	return Test::Codeexec::Real::read_answer($socket);
}

sub rich ($code, %options) {
	my $timeout = delete $options{timeout_ms} // 20000;
	my $stdin = delete $options{stdin};
	return ask($code, options => { results => \1, %options },
		timeout_ms => $timeout, defined $stdin ? (stdin => $stdin) : ());
}

# The forms of each result, as a hash.

sub shown ($answer) { return map { +{@$_} } @{ $answer->{shown} } }

# Names of the forms of each result, in the order in which they came.

sub kinds ($answer) {
	return join ' | ', map {
		my @forms = @$_;
		join ' ', map { $forms[2 * $_] } 0 .. $#forms / 2
	} @{ $answer->{shown} };
}

###############################################################################

# The gallery

sub is_installed ($module) {
	return !system "$python -c 'import $module' >/dev/null 2>&1";
}

sub expected ($source) {
	my %want = (options => {}, status => 'ok', stdout => '', stderr => '',
		needs => [], shown => []);

	while ($source =~ /^# (\w+): (.*)$/mg) {
		my ($key, $value) = ($1, $2);
		next if !exists $want{$key};

		if ($key eq 'shown') { push @{ $want{shown} }, $json->decode($value) }
		elsif ($key eq 'needs') { push @{ $want{needs} }, split ' ', $value }
		else { $want{$key} = $value =~ /^[{"]/ ? $json->decode($value)
			: $value }
	}

	return \%want;
}

sub image_size ($content) {
	return [unpack 'x16 NN', $content] if $content =~ /\A\x89PNG\r\n\x1a\n/;
	return [unpack 'x6 vv', $content] if $content =~ /\AGIF8[79]a/;

	pos($content) = 2;
	while ($content =~ /\G\xff(.)(..)/gcs) {
		my ($marker, $length) = (ord $1, unpack 'n', $2);
		return [reverse unpack 'nn', substr $content, pos($content) + 1, 4]
			if $marker >= 0xc0 && $marker <= 0xc3;
		pos($content) += $length - 2;
	}

	return [];
}

# Whether what is wanted is in it: members of objects that are not named may be
# anything.

sub has ($got, $want) {
	return $json->encode($got) eq $json->encode($want) if !ref $want;
	return ref $got eq 'ARRAY' && @$got == @$want
		&& !grep { !has($got->[$_], $want->[$_]) } 0 .. $#$want
		if ref $want eq 'ARRAY';
	return $json->encode($got) eq $json->encode($want)
		if ref $want ne 'HASH';
	return ref $got eq 'HASH'
		&& !grep { !exists $got->{$_} || !has($got->{$_}, $want->{$_}) }
			keys %$want;
}

sub form_is ($got, $want, $name) {
	if (!ref $want) {
		is(Encode::decode('UTF-8', $got), $want, $name);
		return;
	}

	like(Encode::decode('UTF-8', $got), qr/$want->{like}/s, $name)
		if exists $want->{like};
	unlike(Encode::decode('UTF-8', $got), qr/$want->{unlike}/s,
		"$name: not that") if exists $want->{unlike};

	for my $key (grep { exists $want->{$_} } qw/json has/) {
		my $value = eval { $json->decode($got) };
		ok(defined $value && has($value, $want->{has}), $name)
			|| diag($got) if $key eq 'has';
		is_deeply($value, $want->{json}, $name) if $key eq 'json';
	}

	is_deeply(image_size($got), $want->{size}, "$name: size")
		if exists $want->{size};
	push @pixels, [$name, $got, $want]
		if grep { exists $want->{$_} } qw/at colors/;
}

# A chart that nothing is said of may be there; one that is null must not.

sub result_is ($got, $want, $name) {
	if (!defined $want->{chart}) {
		my $chart = delete $got->{chart};
		ok(!defined $chart, "$name: no chart") if exists $want->{chart};
		$want = { map { $_ => $want->{$_} } grep { $_ ne 'chart' } keys %$want };
	}

	is(join(' ', sort keys %$got), join(' ', sort keys %$want),
		"$name: its forms") or return;
	form_is($got->{$_}, $want->{$_}, "$name: $_") for sort keys %$want;
}

my @programs = sort glob "$FindBin::Bin/gallery/results/*.py";
cmp_ok(scalar @programs, '>=', 40, 'a gallery');

for my $file (@programs) {
	my ($name) = $file =~ m{([^/]+)\.py$};
	my $source = Test::Codeexec::Process::slurp($file);
	my $want = expected($source);

	SKIP: {
		my @missing = grep { !is_installed($_) } @{ $want->{needs} };
		skip("$name: no @missing", 1) if @missing;

		my $answer = rich($source, %{ $want->{options} });
		my @shown = shown($answer);

		is($answer->{status}, $want->{status}, "$name: status")
			|| diag($answer->{stderr});
		form_is($answer->{$_}, $want->{$_}, "$name: $_")
			for qw/stdout stderr/;
		is(scalar @shown, scalar @{ $want->{shown} },
			"$name: number of results") || diag(kinds($answer));
		result_is($shown[$_], $want->{shown}[$_], "$name: $_")
			for 0 .. ($#shown < $#{ $want->{shown} } ? $#shown
				: $#{ $want->{shown} });
	}
}

# Pixels, as PIL sees them: "at" has some of them, "colors" how many percent of
# all of them have at least that colour.

my $look = <<'EOP';
import io, json, sys
from PIL import Image
for line in sys.stdin:
    data, want = json.loads(line)
    image = Image.open(io.BytesIO(bytes.fromhex(data))).convert('RGB')
    count = {'#%02x%02x%02x' % c: n for n, c in image.getcolors(1 << 24)}
    bad = []
    for at, color in want.get('at', {}).items():
        got = '#%02x%02x%02x' % image.getpixel(tuple(map(int, at.split(','))))
        if got != color: bad.append('%s is %s, not %s' % (at, got, color))
    for color, percent in want.get('colors', {}).items():
        got = 100 * count.get(color, 0) / (image.width * image.height)
        if got < percent: bad.append('%.2f %% are %s' % (got, color))
    print('; '.join(bad))
EOP

SKIP: {
	skip('no PIL to look with', 1) if !is_installed('PIL');

	my $dir = $t->{dir} // $ENV{TMPDIR} // '/tmp';
	my $path = "$dir/pixels-$$";

	open my $fh, '>', $path or die "$path: $!";
	print $fh $json->encode([unpack('H*', $_->[1]), $_->[2]]), "\n" for @pixels;
	close $fh;

	$ENV{LOOK} = $look;
	my @seen = map { s/\n//r } qx{$python -c "\$LOOK" <$path};
	unlink $path;

	is(scalar @seen, scalar @pixels, 'all pictures were looked at');
	is($seen[$_], '', "$pixels[$_][0]: pixels") for 0 .. $#seen;
}

###############################################################################

# Where results are not asked for, a program is a script

sub refuses ($code, $error, $name) {
	my $a = ask($code);
	like($a->{stderr}, qr/$error/, $name);
	is_deeply($a->{shown}, [], "$name: no results");
}

sub put ($name, $content) { return pack('n/a', $name) . $content }

sub parents ($name) {
	my @parents = ($name =~ s{/[^/]+$}{}r);
	unshift @parents, $parents[0] =~ s{/[^/]+$}{}r while $parents[0] =~ m{/};
	return @parents;
}

refuses('display(1)', "NameError: name 'display'", 'no display()');
refuses('import asyncio; await asyncio.sleep(0)', 'SyntaxError', 'no await');

my $a = ask("import matplotlib.pyplot as plt\nplt.plot([1])\nplt.show()\n"
	. "print(plt.get_fignums(), plt.show.__module__)\nplt.savefig('x.png')\n42",
	options => { last_value => \1, variables => \1 });
is($a->{stdout}, "[1] matplotlib.pyplot\n", 'plt.show() is what it was');
is($a->{stderr}, '', 'nor does it say anything');
is_deeply($a->{shown}, [], 'nothing else is shown');

my $names = 'import builtins, sys; print(len(dir(builtins)), '
	. '[f for f in sys.meta_path if "watch" in repr(f)], len(sys.modules))';
is(ask($names, options => {})->{stdout}, ask($names)->{stdout},
	'options that ask for nothing change nothing');
like(ask($names)->{stdout}, qr/\[\]/, 'nothing is watched');

# Nothing is imported, and nothing of ours is found

$a = rich('import sys; print([m for m in ("matplot" "lib", "pan" "das", '
	. '"num" "py", "PIL", "plotly", "IPython", "asyncio") '
	. 'if m in sys.modules])',
	last_value => \1, variables => \1);
is($a->{stdout}, "[]\n", 'nothing is imported');
is(kinds($a), '@variables', 'and nothing is shown but what was asked for');

$a = ask("import results, display, runner\nprint(results.x, display.x, runner.x)",
	options => { results => \1 },
	put => [map { put("$_.py", 'x = 1') } qw/results display runner/]);
is($a->{stdout}, "1 1 1\n", "the program's modules are its own")
	|| diag($a->{stderr});
like(rich('import watch')->{stderr}, qr/No module named 'watch'/,
	'there are no others');

for my $name (qw{PIL/Image plotly/io/_renderers}) {
	$a = ask("import $name\n" =~ s{/}{.}gr, options => { results => \1 },
		put => [put("$name.py", "x = 1\n1 / 0"),
			map { put("$_/__init__.py", '') } parents($name)]);
	like($a->{stderr}, qr/\A\QTraceback (most recent call last):
  File "main.py", line 1, in <module>
    import \E\S+\n\Q  File "\E[^"]*\Q.py", line 2, in <module>\E\n/,
		"$name of the program that fails");
	unlike($a->{stderr}, qr/watch|codeexec/, "$name: not a word of us");
}

$a = ask("for name in 'pan' 'das', 'PIL.Image', 'matplot' 'lib.pyplot': "
	. "__import__(name)\ndisplay(1)", options => { results => \1 }, put => [
	map { put("$_.py", '') } qw{pandas PIL/__init__ PIL/Image
		matplotlib/__init__ matplotlib/pyplot}]);
is(kinds($a), 'text', 'modules that only have those names');
is($a->{stderr}, '', 'are not spoken of');

$a = ask("from IPython.display import display, HTML\ndisplay(HTML())",
	options => { results => \1 }, put => [
	put('IPython/__init__.py', ''), put('IPython/core/__init__.py', ''),
	put('IPython/core/display_functions.py',
		'def display(*a, **k): print("plain")'),
	put('IPython/display.py', "from .core.display_functions import *\n"
		. "class HTML:\n    def __repr__(self): return 'HTML'\n"
		. "    def _repr_html_(self): return '<p>'\n")]);
is(kinds($a), 'text html', "IPython's display() is ours") || diag($a->{stderr});

###############################################################################

# What a job gives to its program

is(rich("import sys\nprint('wave' in sys.modules, 'x.np', 'xnp', "
	. "fractions.Fraction(1, 2))", imports => { np => 'wave',
	fractions => 'fractions' })->{stdout}, "False x.np xnp 1/2\n",
	'what a program does not speak of is not imported');

###############################################################################

# What was shown is there, whatever becomes of the program

for (
	['sys.exit()', 'import sys; sys.exit(3)', 'error', ''],
	['os._exit()', 'import os; os._exit(3)', 'error', ''],
	['an exception', '1 / 0', 'error', ' | @error'],
	['a crash', 'import ctypes; ctypes.string_at(0)', 'signal', ''],
	['SIGKILL', 'import os; os.kill(os.getpid(), 9)', 'signal', ''],
	['a timeout', 'while True: pass', 'timeout', ''],
	['a loop at the end', "import atexit\n\@atexit.register\ndef f():\n"
		. "    while True: pass", 'timeout', ''],
) {
	my ($name, $code, $status, $more) = @$_;
	$a = rich("display(1)\n$code", timeout_ms => 700);
	is($a->{status}, $status, "$name: status");
	is(kinds($a), "text$more", "$name: what was shown is there");
}

# Threads and children show things, too; what is at the end is said once.

$a = rich(<<'EOP');
import os, threading
from multiprocessing import Process
def show(c): display({'text/html': c * 100000}, raw=True)
ps = [Process(target=show, args=(c,)) for c in 'abcde']
ts = [threading.Thread(target=show, args=(c,)) for c in 'fghij']
for p in ps + ts: p.start()
for p in ps + ts: p.join()
EOP
is(join('', sort map { $_->{html} =~ /^(.)/
	&& $_->{html} eq $1 x 100000 ? $1 : '?' } shown($a)),
	'abcdefghij', 'of threads and children') || diag($a->{stderr});

$a = rich(<<'EOP', variables => \1, last_value => \1);
import os, matplotlib.pyplot as plt
plt.plot([1, 2])
if os.fork(): os.wait()
os.getpid() > 0
EOP
is(kinds($a), 'text @main | text png chart @size | @variables',
	'a child that ends as its parent does');

###############################################################################

# Limits: 12 results, of which one is kept for an error; 2 MB

$a = rich("for i in range(20): display(i)\n1 / 0");
is(kinds($a), join(' | ', ('text') x 11, '@error'), 'as many as may be');
like($a->{stderr},
	qr/\Acodeexec: not all results are kept: more than 11\nTraceback/,
	'what is left out is said, once');
is_deeply([map { $_->{text} // () } shown($a)], [0 .. 10], 'the first ones');

$a = rich("for i in range(20): display(i)\ndef main(): return 1",
	main => {}, variables => \1, limits => { results => 1000 });
is(kinds($a), join(' | ', ('text') x 9, '@return', '@variables'),
	'with room for what a job asks for');
ok(!$a->{truncated}, 'codeexecd cuts nothing');

$a = rich("class A:\n    def __repr__(self): return 'A'\n"
	. "    def _repr_html_(self): return 'x' * (3 << 20)\ndisplay(A())\n"
	. "display('y' * 300000)\ndisplay({'text/html': 'z' * (1 << 20)}, raw=True)\n"
	. "display({'text/html': 'z' * (1 << 20)}, raw=True)\ndisplay(2)\n1 / 0");
is(kinds($a), 'text | text | html | text | @error', 'what fits is kept');
is((shown($a))[1]{text}, "'" . 'y' x 99999 . "\n\xe2\x80\xa6 200002 more "
	. 'characters', 'a long text is cut');
like($a->{stderr}, qr/^codeexec: .*: html of 3145728 bytes$/m, 'and it is said');
ok(!$a->{truncated}, 'codeexecd cuts nothing');

$a = rich('list(range(10 ** 6))', last_value => \1);
is((shown($a))[0]{text}, substr('[' . join(', ', 0 .. 30000), 0, 99998)
	. "\n\xe2\x80\xa6", 'a long list, too');

# Records are whole, however full the disk is.

$a = rich(<<'EOP');
import os
display('before')
fd = os.open('big', os.O_WRONLY | os.O_CREAT)
for n in 1 << 20, 1 << 12:
    try:
        while True: os.write(fd, b'x' * n)
    except OSError: pass
for i in range(3): display({'text/html': 'z' * 10000}, raw=True)
os.unlink('big')
os.close(fd)
display('after')
EOP
is(kinds($a), 'text | text', 'a disk that is full');
is_deeply([map { $_->{text} } shown($a)], ["'before'", "'after'"],
	'before and after');
like($a->{stderr}, qr/no space|No space/, 'is said');

# A program that changes what it finds has nobody else's results.

for (
	['display', "import builtins\nbuiltins.display = None"],
	['the file', "import os\nos.unlink('/home/results')"],
	['a directory', "import os\nos.unlink('/home/results')\n"
		. "os.mkdir('/home/results')"],
	['a pipe', "import os\nos.unlink('/home/results')\n"
		. "os.mkfifo('/home/results')"],
	['descriptors', "import os\nos.closerange(3, 256)"],
	['the hooks', "import sys\nsys.meta_path.clear()"],
	['modules', "import sys\nsys.modules.clear()"],
	['functions', "import os, json, struct\nos.open = os.write = json.dumps = "
		. "struct.pack = None"],
	['everything', "import gc\ngc.unfreeze()\nfor o in gc.get_objects():\n"
		. "    if type(o) is type(gc) and '/opt/codeexec/' in str(o):\n"
		. "        for n in list(vars(o)): setattr(o, n, None)"],
) {
	my ($name, $code) = @$_;
	$a = rich("display(1)\n$code\ntry: display(2)\n"
		. "except BaseException: pass\n3", timeout_ms => 2000,
		last_value => \1, variables => \1);
	is($a->{type}, 'RESULT', "$name: an answer");
	is($a->{shown}[0][1], '1', "$name: what was shown before");
}

is(kinds(rich('display(1)')), 'text', 'and the next run is well');

# Large programs

$a = rich('x = """' . 'x' x (1 << 18) . "\"\"\"\nprint(1)\n2", last_value => \1);
is($a->{stdout}, "1\n", 'a large program runs');
is(kinds($a), '', 'without a last value');

$t->honest('and all is well');
$t->check_leaks('nothing is left');
$t->done_testing;
