#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# codeexec-rootfs on tiny trees, with a stand-in for the program that fetches
# packages; and codeexecd on a real rootfs, if `make rootfs` has built one.

use v5.36;

use Cwd qw/abs_path/;
use Test::More;
use Time::HiRes qw/sleep/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Process;
use Test::Codeexec::Real;

my $root = $Test::Codeexec::ROOT;
my $program = "$root/sandbox/rootfs/codeexec-rootfs";
my $current = $ENV{CODEEXEC_ROOTFS} // "$root/build/rootfs/current";

my $t = Test::Codeexec->new->has('root');
my $dir = $t->dir;
my $store = "$dir/store";

$ENV{CODEEXEC_TIMEOUT} // alarm 240;

# Exit status and output of a program.

sub run (@command) {
	open my $out, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', @command
		or die "$command[0]: $!";
	binmode $out, ':utf8';
	my $text = do { local $/; <$out> } // '';
	close $out;
	return ($? >> 8, $text);
}

sub sh ($command) {
	local $ENV{D} = $dir;
	system('sh', '-euc', $command) == 0 or die "$command failed";
}

# Everything below, but for the manifest, as "path mode owner".

sub entries ($tree) {
	my @all = split /\n/, (run('find', $tree, '-mindepth', 1,
		'!', '-name', 'MANIFEST', '-printf', '%P %m %U:%G\n'))[1];
	return map { my ($path, @rest) = split / (?=\d+ \d+:\d+$)/;
		($path => "@rest") } @all;
}

###############################################################################

# What the builder keeps is what codeexecd takes

{
	my $c = Test::Codeexec::Process::slurp("$root/sandbox/template.c");
	my $py = Test::Codeexec::Process::slurp(
		"$root/sandbox/rootfs/finish.py");
	my ($kept) = $py =~ /^USED = \[(.*?)^\]/ms;
	my %kept = map { $_ => 1 } $kept =~ /'(.*?)'/g;
	my @taken = map { /"(.*?)"/g }
		$c =~ /^static const char \*const \w+\[\] = (\{.*?\});/msg;

	ok(@taken > 10, 'template.c lists what it takes');
	is(join(' ', grep { !$kept{$_} } 'usr', @taken), '',
		'and the builder keeps all of it');
}

###############################################################################

# Configurations

sub conf ($text) { return $t->write_file('rootfs.conf', $text) }

my @bad = (
	['', 'no "packages"'],
	['packages = {}', 'no "packages"'],
	["\npackage = {a}", ':2: unknown option "package"'],
	['packages = a', ':1: unexpected "a"'],
	['packages = {a b}', ':1: unexpected "b"'],
	['packages = {a,', ':1: the end is missing'],
	['packages = {a', ':1: the end is missing'],
	['packages', ':1: the end is missing'],
	['packages {a}', ':1: unexpected "{"'],
	['suite += a', ':1: unexpected "+="'],
	['suite = {a}', ':1: unexpected "{"'],
	["packages = {a}\nsuite = \"a", ':2: cannot read'],
	['packages = {"--option"}', 'no good value for "packages"'],
	['packages = {"a;b"}', 'no good value for "packages"'],
	['suite = "-x"', 'no good value for "suite"'],
	['sources = {"http://example.org"}', 'no good value for "sources"'],
	['locales = {"de_DE"}', 'no good value for "locales"'],
	['wheels = here', 'no good value for "wheels"'],
	['delete = {"/usr"}', 'no good value for "delete"'],
	['delete = {"usr/../etc"}', 'no good value for "delete"'],
	["packages = {a}\nwheels = \"$dir\"", 'no wheels in'],
);

for my $case (@bad) {
	my ($text, $expected) = @$case;
	my ($status, $out) = run($program, 'build', '-t', '-c', conf($text));

	ok($status == 1 && index($out, $expected) >= 0
		&& $out =~ /^codeexec-rootfs: [^\n]*\n\z/,
		"refused: $expected") || diag($text, "\n", $out);
}

for my $file ("$root/conf/rootfs.conf", conf(qq(packages += {"a" # b\n})
	. qq(packages += {"c=1:2.0+b1", d/stable,}\nsuite="trixie"\n)))
{
	my ($status, $out) = run($program, 'build', '-t', '-c', $file);
	is($status, 0, (split m{/}, $file)[-1] . ' is good') || diag($out);
}

is((run($program, 'build', '-t', '-c', "$dir/none"))[0], 1, 'no such file');
is((run($program))[0], 2, 'no command');
is((run($program, 'verify'))[0], 2, 'no argument');
is((run($program, '--help'))[0], 0, 'help');

# Dependencies that packages are left out of

{
	my ($status, $out) = run('/usr/bin/python3', '-IB', '-c', <<~'EOP',
		import sys
		sys.path.insert(0, sys.argv[1])
		import install
		print(install.without('Package: p\n'
		    'Depends: a, b (>= 1) | c, d:any, e\nPre-Depends: c\n'
		    'Description: d\n Depends: a\n\nPackage: q\nDepends: ab\n',
		    ['a', 'c', 'd']), end='')
		EOP
		"$root/sandbox/rootfs");

	is($out, "Package: p\nDepends: e\nDescription: d\n Depends: a\n\n"
		. "Package: q\nDepends: ab\n", 'a package is left out');
}

###############################################################################

# Building, with a program in place of mmdebstrap that makes a tiny tree

mkdir "$dir/bin";
$t->write_file('bin/mmdebstrap', <<'END');
#!/bin/sh
set -eu
FAKE=$(cat %%TESTDIR%%/fake)
[ -z "${SECRET:-}" ]
case $FAKE in
fail) echo 'one reason'; echo 'another reason' >&2; exit 3 ;;
esac
while case $1 in --*) true ;; *) false ;; esac; do shift; done
umask 000
mkdir -p "$2" && cd "$2"
mkdir -p usr/bin usr/lib usr/share/doc/p usr/share/man/man1 etc/alternatives \
    etc/secret var/lib/dpkg var/log dev root proc
ln -s usr/bin usr/lib .
echo "${FAKE:-tool}" >usr/bin/tool
chmod 4755 usr/bin/tool
setcap cap_net_raw+ep usr/bin/tool 2>/dev/null || true
printf x >'usr/lib/a b ü\n'
ln usr/bin/tool usr/bin/same
ln -s tool usr/bin/link
mkdir usr/local && chgrp 50 usr/local && chmod 2775 usr/local
echo x >usr/lib/others && chown 1000:1000 usr/lib/others
chmod 600 usr/lib/others
echo text >usr/share/doc/p/copyright
echo text >usr/share/doc/p/changelog
echo text >usr/share/man/man1/tool.1
mkdir -p usr/lib/__pycache__ && echo x >usr/lib/__pycache__/m.pyc
touch -d @1000000000 usr/share/doc/p/copyright usr/bin/tool
echo secret >etc/shadow
echo secret >etc/secret/key
echo id >etc/machine-id
ln -s ../usr/lib/os-release etc/os-release
touch etc/ld.so.cache
printf 'Package: %s\nStatus: install ok %s\nVersion: 1\nArchitecture: all\n\n' \
    one installed two config-files >var/lib/dpkg/status
echo log >var/log/log
mknod dev/null c 1 3
case $FAKE in
fifo) mkfifo usr/lib/fifo ;;
hang) mount -t tmpfs none proc; sleep 98765 & echo started >&2
    touch %%TESTDIR%%/hanging; sleep 98765 ;;
esac
END
chmod 0755, "$dir/bin/mmdebstrap";

my $conf = conf(<<'END');
sources = {"deb http://example.org bookworm main"}
packages = {one}
delete = {"usr/share/doc", "usr/share/man"}
keep = {"usr/share/doc/*/copyright"}
END

$ENV{PATH} = "$dir/bin:$ENV{PATH}";
$ENV{SECRET} = 'for nobody';
my @build = ($program, 'build', '-c', $conf, '-o', $store);

sub build ($fake) {
	$t->write_file('fake', $fake);
	return run(@build);
}

sub is_tidy ($name) {
	my @left = map { s{.*/}{}r } glob "$store/{.[!.]*,*}";
	is(join(' ', grep { !/^(?:current|\.lock|bookworm-.*)$/ } @left), '',
		"$name: nothing is left lying about");
	unlike(Test::Codeexec::Process::slurp('/proc/mounts'), qr/\Q$dir\E/,
		"$name: no mount is left");
}

{
	my ($status, $out) = build('');
	my $first = readlink "$store/current";

	is($status, 0, 'a rootfs is built') || diag($out);
	like($first // '', qr/^bookworm-20010909-[0-9a-f]{16}$/,
		'its name says what and of when it is');
	like($out, qr/^rootfs = "\Q$store\E\/current"$/m,
		'and what to write into codeexecd.conf');
	is_tidy('after a build');

	my $tree = "$store/$first";
	my %is = entries($tree);
	my %should = (bin => '777', lib => '777', 'etc/os-release' => '777',
		'usr/bin/link' => '777', 'usr/bin/tool' => '755',
		'usr/bin/same' => '755',
		(map { $_ => '644' } 'usr/lib/others', "usr/lib/a b ü\\n",
			'usr/share/doc/p/copyright', 'etc/ld.so.cache',
			'var/lib/dpkg/status'),
		(map { $_ => '755' } qw{usr usr/bin usr/lib usr/local
			usr/share usr/share/doc usr/share/doc/p etc
			etc/alternatives var var/lib var/lib/dpkg}));

	$_ .= ' 0:0' for values %should;
	utf8::decode(my $name = "usr/lib/a b ü\\n");
	$should{$name} = delete $should{"usr/lib/a b ü\\n"};
	is_deeply(\%is, \%should, 'with what is wanted and nothing else');

	my $late = (run('find', $tree, '-newermt', '@1000000000'))[1];
	is($late, '', 'no time stamp is later than that of the packages');

	my $manifest = Test::Codeexec::Process::slurp("$tree/MANIFEST");
	like($manifest, qr/^package one 1 all$/m, 'the manifest has packages');
	unlike($manifest, qr/two/, 'but none that is not installed');
	like($manifest, qr{^f[ ]0644[ ]0:0[ ]2d7116\w+
		[ ]usr/lib/a\\x20b\\x20\\xc3\\xbc\\x5cn$}mx, 'and all files');
	like($manifest, qr{^l[ ]0777[ ]0:0[ ]\.\./usr/lib/os-release
		[ ]etc/os-release$}mx, 'and links');

	($status, $out) = build('');
	is($status, 0, 'it is built again') || diag($out);
	like($out, qr/the same as before/, 'and has not changed');
	is(readlink "$store/current", $first, 'nor has its name');

	($status, $out) = build('other');
	is($status, 0, 'another one is built') || diag($out);
	isnt(readlink "$store/current", $first, 'and is the current one');
	ok(-d $tree, 'while the first one is still there');

	my $second = readlink "$store/current";

	($status, $out) = build('fail');
	is($status, 1, 'a build fails');
	like($out, qr/failed\n.*one reason\nanother reason\n\z/s,
		'and says what was said');
	is_tidy('after a failure');

	($status, $out) = build('fifo');
	is($status, 1, 'a package with a fifo is refused');
	like($out, qr{^usr/lib/fifo: is a device, socket or pipe$}m,
		'by its name');

	sh('echo >>$D/store/current/usr/bin/link');
	($status, $out) = build('other');
	is($status, 1, 'one that was changed since is not taken');
	like($out, qr/is damaged/, 'and this is said');
	is(readlink "$store/current", $second, 'the current one stays');
}

# Ended while it is at work

for my $signal (qw/INT TERM KILL/) {
	$t->write_file('fake', 'hang');
	unlink "$dir/hanging";

	my $pid = $t->spawn('hang.log', @build);
	ok(wait_until(20, sub { -e "$dir/hanging" }), "$signal: at work");

	if ($signal eq 'INT') {
		my ($status, $out) = run(@build);
		is($status, 1, 'another one does not start meanwhile');
		like($out, qr/another build is at work/, 'and says why');
	}

	kill $signal => $pid;
	waitpid $pid, 0;
	is($?, { INT => 130 << 8, TERM => 143 << 8, KILL => 9 }->{$signal},
		"$signal: ended");
	is_tidy($signal) if $signal ne 'KILL';
	ok(wait_until(2, sub { !grep { cmdline($_) =~ /98765/ }
		map { m{(\d+)} } glob '/proc/[0-9]*' }),
		"$signal: and so is all it has started");
}

{
	my ($status, $out) = build('third');
	is($status, 0, 'what was left of the killed one does no harm')
		|| diag($out);
	is_tidy('after all');
}

###############################################################################

# Verifying

sub verify ($name, $expected, $change = undef, @arg) {
	sh('rm -rf $D/copy && cp -a $D/tree $D/copy');
	sh("cd \$D/copy && $change") if $change;

	my ($status, $out) = run($program, 'verify', @arg, "$dir/copy");
	my @lines = split /\n/, $out;

	is($status, $expected ne '' ? 1 : 0, $name);
	like($lines[0] // '', $expected ne '' ? qr/^\Q$expected\E/
		: qr/as in its manifest, sha256 \w{64}$/, "$name: what is said")
		|| diag($out);
	is(scalar @lines, 1, "$name: and nothing else")
		if $expected !~ /hard link|setuid|writable|owned|device/;
}

sh('cp -a $D/store/$(readlink $D/store/current) $D/tree');
sh('cp $D/tree/MANIFEST $D/elsewhere; ln $D/elsewhere $D/linked');

verify('as it was', '');
verify('a changed file', 'usr/bin/tool: content is ',
	'echo >>usr/bin/tool; rm usr/bin/same; ln -s x y; rm y; '
	. 'sed -i "/bin.same/d" MANIFEST');
verify('a changed mode', 'usr/lib/others: mode is 0755, was 0644',
	'chmod 755 usr/lib/others');
verify('an extra file', 'usr/lib/extra: is not in the manifest',
	'touch usr/lib/extra');
verify('an extra directory', 'usr/extra: is not in the manifest',
	'mkdir usr/extra');
verify('a missing file', 'usr/lib/others: is missing', 'rm usr/lib/others');
verify('a changed link', 'usr/bin/link: content is /etc/shadow, was tool',
	'ln -sfn /etc/shadow usr/bin/link');
verify('a file for a link', 'bin: type is d, was l; mode is 0755, was 0777; '
	. 'content is -, was usr/bin', 'rm bin; mkdir bin');
verify('a setuid bit', 'usr/lib/others: has a setuid, setgid or sticky bit',
	'chmod 4644 usr/lib/others');
verify('an owner', 'usr/lib/others: is not owned by root',
	'chown 1000 usr/lib/others');
verify('what others may write to', 'usr/lib: is writable by others',
	'chmod 777 usr/lib');
verify('a device', 'usr/lib/node: is a device, socket or pipe',
	'mknod usr/lib/node c 1 3');
verify('a hard link', 'usr/lib/link: has a hard link outside of the tree',
	'ln $D/linked usr/lib/link');
verify('a manifest elsewhere', '', 'rm MANIFEST', '-m', "$dir/elsewhere");

{
	my ($status, $out) = run($program, 'verify', "$store/current");
	is($status, 0, 'a version by its link') || diag($out);

	sh('echo package evil 1 all >>$D/store/current/MANIFEST');
	($status, $out) = run($program, 'verify', "$store/current");
	is($out, "the manifest is not the one of this version\n",
		'a manifest that does not go with the name');

	($status, $out) = run($program, 'verify', "$dir/bin");
	like($out, qr/^codeexec-rootfs: .*MANIFEST: No such file/,
		'no manifest');

	($status, $out) = run($program, 'manifest', "$dir/tree");
	is($status, 0, 'the manifest of any tree');
	is($out =~ s/^(?:suite|package|wheel).*\n//mgr,
		Test::Codeexec::Process::slurp("$dir/tree/MANIFEST")
		=~ s/^(?:suite|package|wheel).*\n//mgr, 'is that of its version');
}

###############################################################################

# codeexecd and trees

sub config_test ($rootfs) {
	my $conf = Test::Codeexec::Real::conf_text($t, 'test',
		Test::Codeexec::Real->real_conf, { rootfs => $rootfs });
	return run($Test::Codeexec::DAEMON, '-t', '-c',
		$t->write_file('test.conf', $conf));
}

SKIP: {
	skip 'no codeexecd' if !-x $Test::Codeexec::DAEMON;

	is((config_test('/'))[0], 0, 'a rootfs that is the machine');
	is((config_test("$store/current"))[0], 0, 'a rootfs that is a link');
	like((config_test("$dir/nowhere"))[1], qr/"rootfs": No such file/,
		'a rootfs that is not there');
	like((config_test($dir))[1], qr/"rootfs": no usr in it/,
		'a rootfs without /usr');
}

if (!-x $Test::Codeexec::DAEMON || !-e "$current/MANIFEST") {
	diag('no rootfs built, see `make rootfs`');
	$t->done_testing;
	exit;
}

# The link is one of ours, so that it can be changed.

my $version = abs_path($current);
symlink $version, "$dir/rootfs";
my $real = Test::Codeexec::Real->start(science => 1,
	conf => { rootfs => "$dir/rootfs", limits => { memory => '1gb',
		output => '8mb' } });

is($real->output('print("Hello, World!")'), "Hello, World!\n", 'hello');
is($real->output("import numpy as np\nprint(np.eye(3).sum(), "
	. 'round(float(np.linalg.det(np.eye(3) * 2)), 6))'), "3.0 8.0\n",
	'numpy');
is($real->output("import sys, pandas\nprint(pandas.DataFrame({'a': [1, 2]})"
	. ".a.sum())"), "3\n", 'pandas');

{
	my $code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\n"
		. "plt.title('中文标题 ä')\nplt.savefig('a.png')\n"
		. "from matplotlib.font_manager import findfont\n"
		. "print(findfont('WenQuanYi Micro Hei'))\n";
	utf8::decode($code);
	my $answer = $real->run_code($code, detail => \1);

	is($answer->{error} // $answer->{stderr}, '', 'a plot with CJK text');
	like($answer->{output}, qr/wqy-microhei/, 'in a font of the rootfs');
	like($real->image($answer, 'a.png'), qr/^\x89PNG.{9000}/s,
		'is an image');
	unlike($real->read_file('codeexec.log'), qr/no warm figure/,
		'and was drawn before');
}

# What the packages are there for, as far as they are: leaving out some that
# they claim to need has broken none.

{
	my %module = (numpy => 'numpy.linalg', pandas => 'pandas',
		scipy => 'scipy.stats', sympy => 'sympy',
		sklearn => 'sklearn.ensemble', statsmodels => 'statsmodels.api',
		networkx => 'networkx', matplotlib => 'matplotlib.pyplot',
		seaborn => 'seaborn', plotly => 'plotly.express',
		pil => 'PIL.Image', openpyxl => 'openpyxl',
		lxml => 'lxml.etree', bs4 => 'bs4', yaml => 'yaml',
		tabulate => 'tabulate', requests => 'requests',
		flask => 'flask', 'flask-cors' => 'flask_cors',
		pytest => 'pytest', hypothesis => 'hypothesis',
		ipython => 'IPython', opencv => 'cv2',
		fonttools => 'fontTools.ttLib');
	my @modules = sort map { $module{$_} // () }
		Test::Codeexec::Process::slurp("$version/MANIFEST")
		=~ /^package python3-(\S+)/mg;

	is($real->output(<<~'EOP', args => \@modules, timeout => 60,
		import importlib, sys
		for name in sys.argv[1:]:
		    try:
		        importlib.import_module(name)
		    except Exception as error:
		        print(name, repr(error))
		EOP
		read_timeout => 70), '', @modules . ' modules: all are imported');
}

# No inode of the machine's is among those that a run sees, wherever it looks.

{
	my $code = <<~'EOP';
		import os
		for top in '/usr', '/etc', '/lib', '/bin':
		    for path, dirs, files in os.walk(top):
		        for name in files:
		            s = os.lstat(os.path.join(path, name))
		            print(s.st_dev, s.st_ino)
		EOP
	my %seen = map { $_ => 1 } split /\n/, $real->output($code);
	my ($checked, @shared) = 0;

	for my $path (split /\n/, (run(qw{find /usr/bin /usr/sbin /usr/lib
		/usr/local /etc -xdev -type f}))[1])
	{
		my ($dev, $ino) = lstat $path;
		$checked++;
		push @shared, $path if defined $ino && $seen{"$dev $ino"};
	}

	ok(keys %seen > 5000 && $checked > 1000,
		"$checked files of the machine, " . keys(%seen) . ' of a run');
	is("@shared", '', 'have no inode in common');
}

is($real->output(<<~'EOP'), "0 0 []\n", 'no setuid bit, none writable');
	import os
	setuid = writable = 0
	for path, dirs, files in os.walk('/usr'):
	    for name in files + dirs:
	        mode = os.lstat(os.path.join(path, name)).st_mode
	        setuid += bool(mode & 0o7000)
	        writable += mode & 0o170000 != 0o120000 and bool(mode & 0o022)
	print(setuid, writable, [p for p in ('/etc/shadow', '/etc/machine-id')
	    if os.path.exists(p)])
	EOP
is($real->output(<<~'EOP'), "1\n", 'modules are compiled, and never checked');
	import importlib.util, json
	with open(importlib.util.cache_from_source(json.__file__), 'rb') as f:
	    print(int.from_bytes(f.read(8)[4:], 'little'))
	EOP

# Another version becomes the current one, and the builder is started again.

{
	symlink "$store/current", "$dir/other";
	rename "$dir/other", "$dir/rootfs" or die "rename: $!";
	is(abs_path("$dir/rootfs"), abs_path("$store/current"),
		'another version is the current one');

	my $builder = $real->builder;
	kill KILL => $builder;
	ok(wait_until(10, sub {
		my $b = $real->builder;
		$b && $b != $builder && $real->idle;
	}), 'another builder');
	is($real->output("import numpy\nprint(1)"), "1\n",
		'has the version that codeexecd was started with');
}

my ($status, $out) = run($program, 'verify', $version);
is($status, 0, 'no run has changed the rootfs') || diag($out);

$real->finish;
$t->done_testing;
