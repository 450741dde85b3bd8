#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Packages that nobody should get: those that are not in the allow-list, and
# wheels that want more than to be unpacked.

use v5.36;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::Codeexec;
use Test::Codeexec::Packages;
use Test::Codeexec::Process;

$ENV{CODEEXEC_TIMEOUT} // alarm 900;

*wheel = \&Test::Codeexec::Packages::wheel;

my $t = Test::Codeexec::Packages->start;
my $dir = $t->dir;
my $top = "$dir/packages/python";
my $site = 'lib/python3.' . `/usr/bin/python3 -c 'import sys;print(sys.version_info[1], end="")'`
	. '/site-packages';

sub plain ($name, $version = '1.0', %more) {
	return wheel($name, $version, { "$name.py" => "V = '$version'\n" }, %more);
}

my $hash = $t->offer(
	plain('good'), plain('good', '2.0'), plain('other'),
	plain('needs', '1.0', requires => ['other']),
	plain('climbs', '1.0', raw => { '../../../../../climbed' => 'x' }),
	plain('absolute', '1.0', raw => { "$dir/climbed" => 'x' }),
	plain('backs', '1.0', raw => { '..\\climbed' => 'x' }),
	plain('dots', '1.0', raw => { 'a/./../../climbed' => 'x' }),
	plain('inner', '1.0', raw => {
		'inner-1.0.data/purelib/../../../climbed' => 'x' }),
	plain('links', '1.0', symlink => { 'link.py' => '/etc/passwd' }),
	plain('through', '1.0', symlink => { 'sub' => $dir },
		raw => { 'sub/climbed' => 'x' }),
	plain('twice', '1.0', twice => 'twice.py'),
	plain('lies', '1.0', lies => 'lies.py'),
	plain('hides', '1.0', raw => { 'hidden.py' => 'x' }),
	plain('bare', '1.0', no_record => 1),
	plain('bomb', '1.0', zeros => { 'bomb.bin' => 64 << 20 }),
	plain('changed', '1.0', digest => '0' x 64),
	wheel(starts => '1.0', { 'starts.py' => "V = 1\n",
		'starts.pth' => "import os; os.environ['PTH'] = 'ran'\n",
		'starts-1.0.data/purelib/again.pth' => "import os\n",
		'starts-1.0.data/purelib/pure.py' => "V = 'pure'\n",
		'starts-1.0.data/scripts/program' => "#!/bin/sh\n",
		'starts-1.0.data/data/etc/file' => 'x' }),
	wheel(sitecustomize => '1.0', {
		'sitecustomize.py' => "import os\nos.environ['SITE'] = 'ran'\n" }),
	wheel(broken => '1.0', { 'broken.py' => "= = =\n",
		'deep.py' => '(' x 5000 }),
	wheel(one => '1.0', { 'one.py' => '', 'tests/__init__.py' => 'a = 1' }),
	wheel(two => '1.0', { 'two.py' => '', 'tests/__init__.py' => 'a = 2' }),
);

sub nothing ($name) {
	is(join(' ', grep { -e } "$dir/climbed", "$dir/packages/climbed",
		"$dir/packages/.work", glob("$top/*"),
		glob("$dir/packages/wheels/*/$name-*")), '',
		"$name: nothing is left of it");
}

# Wheels, some of them as they are added and all others unpacked only

sub unpack_only ($what, $name) {
	my $text = Test::Codeexec::Process::slurp(
		"$Test::Codeexec::ROOT/sandbox/packages/unpack.py");
	my $out = "$dir/out-$name";
	my $pid = open my $fh, '-|', '/usr/bin/python3', '-I', '-S', '-c', $text,
		JSON::PP->new->encode({ wheels => [
			"$dir/www/files/$name-1.0-py3-none-any.whl" ],
			target => "$out/a/b/tree", prefix => '/x',
			max_size => 1 << 20, report => "$out/notes" }) or die $!;
	my $said = do { local $/; <$fh> };

	close $fh;
	is($? >> 8, 1, "$name is refused");
	like($said, qr/^$name-1\.0\S+: .*$what/, 'and it is said why');
	is(`find $dir -name climbed -not -path '*/tree/*'`, '',
		'nothing has climbed');
}

for my $case (
	[climbs => qr/has a file "\.\.\//],
	[absolute => qr/has a file "\//],
	[backs => qr/has a file "\.\./],
	[dots => qr/has a file "a\/\./],
	[inner => qr/has a file "inner-1\.0\.data/],
	[links => qr/"link\.py", which is no file/],
	[through => qr/which is no file|which RECORD does not have/],
	[twice => qr/two files of a name/],
	[lies => qr/"lies\.py", which RECORD does not have so/],
	[hides => qr/"hidden\.py", which RECORD does not have so/],
	[bare => qr/has no RECORD|RECORD/],
	[changed => qr/[Hh]ash|DO NOT MATCH/])
{
	my ($name, $what) = @$case;

	if ($name !~ /^(?:climbs|links|changed)$/) {
		unpack_only($what, $name);
		next;
	}

	$t->packages_fail($what, add => $name);
	nothing($name);
}

$t->configure(max_size => '32mb');
$t->packages_fail(qr/more than "max_size"/, add => 'bomb');
nothing('bomb');
$t->configure;

# What is left out, and what is not run

$t->packages_ok(qr/starts-1\.0.*: "starts\.pth" is left out/, add => 'starts');
$t->packages_ok(qr/\+ sitecustomize 1\.0/, add => 'sitecustomize');
is(join(' ', map { s{.*/}{}r } grep { !/dist-info|__pycache__/ }
	glob "$top/current/$site/*"), 'pure.py sitecustomize.py starts.py',
	'modules only');
is($t->output("import os, pure\nprint(pure.V, 'PTH' in os.environ, "
	. "'SITE' in os.environ)"), "pure False False\n",
	'nothing of them runs before the program');
is($t->state->{packages}{python}{packages}{starts}, '1.0', 'it is listed');

# A child of the program, which has "site" as every interpreter, imports a
# sitecustomize; that is inside of the jail.

is($t->output(<<'EOP') =~ s/\n//r, 'False', 'no .pth in a child either');
import subprocess, sys
print(subprocess.run([sys.executable, '-c', "import os; print('PTH' in os.environ)"],
    capture_output=True, text=True).stdout.strip())
EOP

$t->packages_ok(qr/\+ broken 1\.0/, add => 'broken');
like($t->output('import broken'), qr/SyntaxError/, 'a module that is none');
$t->packages_ok(qr/"tests\/__init__\.py" is in one-1\.0\S* and in two-1\.0/,
	add => 'one', 'two');

# The allow-list

sub allow (@lines) {
	$t->write_file('allow', join '', map { "$_\n" } @lines);
	$t->configure(allow => "$dir/allow");
}

$t->packages_ok(qr/- one/, remove => qw/one two broken starts sitecustomize/);
allow('# nothing');
$t->packages_fail(qr/"good" is not in .*allow/, add => 'good');
allow('good==1.0');
$t->packages_ok(qr/\+ good 1\.0/, add => 'good');
$t->packages_fail(qr/ResolutionImpossible|conflict|not in/, add => 'good==2.0');
allow('good==1.0', 'good==2.0');
$t->packages_ok(qr/\* good 2\.0, was 1\.0/, add => 'good==2.0');
allow('needs', 'Good');
$t->packages_fail(qr/"other" is not in/, add => 'needs');
allow('needs', 'Good', "OTHER==1.0 --hash=sha256:" . '0' x 64);
$t->packages_fail(qr/"other" 1\.0 has not the hash/, add => 'needs');
allow('needs', 'Good', "other==1.0 \\\n  --hash=sha256:" . '0' x 64
	. " \\\n  --hash=$hash->{'other 1.0'}  # the right one");
$t->packages_ok(qr/\+ needs 1\.0\n\+ other 1\.0/, add => 'needs');
allow('needs', 'other');
$t->packages_fail(qr/"good" is not in/, add => 'needs==1.0', 'other');
allow('needs', 'other', 'good', $_)
	&& $t->packages_fail(qr/allow:4: not understood/, add => 'other')
	for 'x y', 'x==1.0 sha256:zz', 'x==', '-e .', 'x @ https://example.org/';
$t->configure(allow => "$dir/none");
$t->packages_fail(qr/No such file/, add => 'other');

# Wheels of a directory, without an index

mkdir "$dir/wheels";
chmod 0755, "$dir/wheels";
system('cp', glob("$dir/www/files/good-1.0-*"), "$dir/wheels");
$t->configure(index => undef, wheels => "$dir/wheels");
$t->packages_ok(qr/\* good 1\.0, was 2\.0/, add => 'good==1.0');
$t->packages_fail(qr/No matching distribution/, add => 'broken');
is($t->output('import good, other; print(good.V, other.V)'), "1.0 1.0\n",
	'the others have stayed');

# A package of the rootfs keeps its version, unless it is named.

my $rootfs = $t->state->{packages}{python}{packages};
my ($theirs) = grep { $rootfs->{$_} && $rootfs->{$_} =~ /^[\d.]+$/ }
	qw/six numpy pandas Pygments setuptools/;

SKIP: {
	skip('nothing of use in the rootfs', 5) if !$theirs;

	$t->configure;
	$t->offer(wheel($theirs => '999.0', { 'theirs.py' => "V = 999\n" }),
		plain('wants', '1.0', requires => ["$theirs>=999"]),
		plain('likes', '1.0', requires => [$theirs]));
	$t->packages_fail(qr/conflict|ResolutionImpossible/i, add => 'wants');
	$t->packages_ok(qr/^version \d+ is in use\n\+ likes 1\.0\n\z/m,
		add => 'likes');
	$t->packages_ok(qr/"$theirs" \S+ is in the rootfs/i, add => $theirs);
	$t->packages_ok(qr/\+ \S+ 999\.0/, add => "$theirs==999.0");
	is($t->state->{packages}{python}{packages}{$theirs}, '999.0',
		'it comes before that of the rootfs');
}

$t->done_testing;
