#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Packages beside those of the rootfs: adding and removing them, what runs see
# of them, and one version taking over from another.

use v5.36;

use IO::Select;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw/sleep/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Packages;
use Test::Codeexec::Process;

$ENV{CODEEXEC_TIMEOUT} // alarm 900;

*wheel = \&Test::Codeexec::Packages::wheel;

my $t = Test::Codeexec::Packages->start(python => {
	tier => { base => { spare => 2 },
		more => { spare => 1, when => ['more'], preload => ['json'] } },
});

my $top = $t->dir . '/packages/python';

sub greet ($version, %more) {
	return wheel(greet => $version, {
		'greet/__init__.py' => "V = '$version'\n",
		'greet/late.py' => "V = '$version'\n",
		'greet/data.txt' => $version,
	}, %more);
}

my $hashes = $t->offer(
	greet('1.0', requires => ['helper']),
	greet('2.0', requires => ['helper>=2']),
	greet('2.1', requires => ['helper>=2', 'missing']),
	wheel(helper => '1.0', { 'helper.py' => "V = '1.0'\n" }),
	wheel(helper => '2.0', { 'helper.py' => "V = '2.0'\n" }),
	wheel(shadow => '1.0', { 'colorsys/__init__.py' => "V = 'shadow'\n",
		'shadow.py' => "V = '1.0'\n" }),
	wheel(breaks => '1.0', { 'breaks.py' => "V = '1.0'\n" }),
	wheel('Odd.Name_x' => '0.1', { 'odd.py' => "V = 'odd'\n" }),
	{ kind => 'sdist', name => 'source', version => '1.0',
		setup => "open('" . $t->dir . "/ran', 'w')\n" },
);

sub state_of ($runtime = 'python') { return $t->state->{packages}{$runtime} }

sub listed () { return $t->http_get('/packages')->json->{python}{packages} }

# None yet

is(state_of->{version}, 0, 'there is no version');
is(state_of->{directory}, $top, 'of that directory');
ok(exists state_of->{packages}{pip}, 'the packages of the rootfs are listed');
is($t->output('import greet') . "\n", <<'EOT', 'an import of what is not there');
error: Traceback (most recent call last):
  File "main.py", line 1, in <module>
    import greet
ModuleNotFoundError: No module named 'greet'
No package with a module "greet" is installed here. Whoever runs this service can add one.
EOT
unlike($t->output('import json.greet'), qr/No package/, 'a part of a module');
$t->packages_ok(qr/^there is no version yet$/, 'list');
$t->packages_fail(qr/no version/, $_) for qw/verify rollback/;

# Adding

$t->packages_ok(qr/^version 1 is in use\n\+ greet 1\.0\n\+ helper 2\.0$/m,
	add => 'greet==1.0');
is(state_of->{version}, 1, 'version 1');
is(readlink "$top/current", 1, 'is the current one');
is(listed->{greet}, '1.0', 'it is listed');
is(listed->{helper}, '2.0', 'and what it needs');
is($t->output('import greet, helper; print(greet.V, helper.V, greet.__file__)'),
	"1.0 2.0 /opt/packages/1/lib/python3." . minor()
	. "/site-packages/greet/__init__.py\n", 'programs can import it');
is($t->output('import greet; print(greet.__cached__ is not None)'), "True\n",
	'it is compiled');
is($t->output("import importlib.metadata as m\nprint(m.version('greet'))"),
	"1.0\n", 'and has its metadata');
is($t->output("import subprocess, sys\nprint(subprocess.run([sys.executable, "
	. "'-c', 'import greet; print(greet.V)'], capture_output=True, "
	. "text=True))") =~ /stdout='(.*?)\\n'/ && $1, '1.0',
	'by interpreters that a program starts, too');
like($t->output("open('/opt/packages/x', 'w')"), qr/Errno 30|Permission denied/,
	'they are read-only');
$t->packages_ok(qr/^version 1 of 1\ngreet 1\.0\nhelper 2\.0 \(needed/, 'list');
$t->packages_ok(qr/^version 1: as in its manifest, sha256 /, 'verify');
$t->packages_ok(qr/^nothing has changed$/, add => 'greet==1.0');
$t->packages_fail(qr/not understood/, add => $_) for 'a b',
	'greet@file:///etc', 'https://example.org/x.whl', './x';
$t->packages_fail(qr/No matching distribution/, add => $_) for 'none',
	'greet==7', 'source', 'greet==2.1';
ok(! -e $t->dir . '/ran', 'no setup.py was run');
is(readlink "$top/current", 1, 'nothing has changed');
is(join(' ', map { s{.*/}{}r } glob "$top/*"), '1 current', 'nothing is left');

sub minor () { return `/usr/bin/python3 -c 'import sys;print(sys.version_info[1])'` =~ s/\n//r }

# What is on the disk

{
	my $site = "$top/1/lib/python3." . minor() . '/site-packages';
	my @bad = grep { my @s = lstat; $s[4] != $> || $s[2] & 022 }
		split /\n/, `find $t->{dir}/packages -not -type l`;
	is("@bad", '', 'nobody else can write to it');
	is((stat "$site/greet/__init__.py")[3], 1, 'no file has two names');

	my ($stored) = glob $t->dir . '/packages/wheels/*/greet-1.0*.whl';
	is($stored =~ m{/(\w+)/greet} && "sha256:$1", $hashes->{'greet 1.0'},
		'the wheel is kept');

	open my $fh, '>>', "$site/helper.py" or die $!;
	print $fh "# more\n";
	close $fh;
	my ($status, $out) = $t->packages('verify');
	is($status, 1, 'a file that was changed');
	like($out, qr{^lib/python\S+/helper\.py: content is }, 'is named');
}

# Shadowing: the standard library comes first, the rootfs last.

$t->packages_ok(qr/\+ shadow 1\.0/, add => 'shadow', 'Odd.Name_x');

my $shadowed = "import colorsys, shadow; print(hasattr(colorsys, 'V'), shadow.V)";

is($t->output($shadowed), "False 1.0\n",
	'no package takes the place of a module of Python');
is($t->output(<<"EOP"), "False 1.0\n\n", 'nor in a child');
import subprocess, sys
print(subprocess.run([sys.executable, '-c', "$shadowed"],
    capture_output=True, text=True).stdout)
EOP
is(listed->{'Odd.Name_x'}, '0.1', 'an odd name');
is($t->output('import more_or_less') =~ /No package/ ? 1 : 0, 1, 'both tiers');
is($t->output("# more\nimport shadow; print(shadow.V)"), "1.0\n",
	'the other tier has it, too');

# One version takes over while there are runs: one that has begun stays with
# its own, each sees one version only, and all are answered.

my $long = $t->send_code(<<'EOP', timeout => 60);
import os, time, greet
link = os.readlink('/opt/packages/current')
open('begun', 'w')
while os.readlink('/opt/packages/current') == link:
    time.sleep(0.05)
import greet.late, helper
print(greet.V, greet.late.V, open(greet.__path__[0] + '/data.txt').read())
EOP
ok($t->marked('begun'), 'a run begins');

my %seen;
my $child = fork // die;

if (!$child) {
	my ($status) = $t->packages(add => 'greet==2.0');
	POSIX::_exit($status);
}

my ($answers, $bad) = (0, 0);
my $end = 0;

while (!$end) {
	$end = waitpid($child, POSIX::WNOHANG()) == $child;
	my $tier = $answers % 3 ? '' : "# more\n";
	my @s = map { $t->send_code("${tier}import greet, time\ntime.sleep(0.02)\n"
		. 'import greet.late; print(greet.V, greet.late.V)') } 1 .. 3;
	for my $socket (@s) {
		my $r = $t->receive($socket);
		$answers++;
		$seen{ $r->json->{output} // $r->raw }++;
		$bad++ if $r->status != 200;
	}
}

is($?, 0, 'another version is added meanwhile');
is($bad, 0, "$answers requests, all of them answered");
is(join('|', sort keys %seen), "1.0 1.0\n|2.0 2.0\n", 'by one version each');
is($t->output("${_}import greet; print(greet.V)"), "2.0\n",
	'the new one is in use') for '', '', '', "# more\n", "# more\n";
is($t->receive($long, timeout => 60)->json->{output}, "1.0 1.0 1.0\n",
	'the long run has kept its own');

# SIGHUP, again and again

{
	my $started = $t->state->{runtimes}[0]{tiers}[0]{zygotes};

	for (1 .. 30) {
		kill HUP => $t->daemon_pid;
		$bad++ if $t->output('import greet; print(greet.V)') ne "2.0\n";
		sleep 0.01 * ($_ % 5);
	}

	is($bad, 0, 'thirty times SIGHUP, and every run is answered');
	ok(wait_until(20, sub {
		!grep { $_->{starting} || $_->{stale} }
			map { @{ $_->{tiers} } } @{ $t->state->{runtimes} };
	}), 'it settles');
	cmp_ok($t->state->{runtimes}[0]{tiers}[0]{zygotes}, '>', $started,
		'with others');
	is(scalar(my @z = $t->zygotes), 2, 'one for each tier');
	unlike($t->read_file('codeexec.log'), qr/warning/, 'nothing to warn of');
}

# Back, forward, away

$t->packages_ok(qr/^version 2 is in use$/, 'rollback');
is($t->output('import greet; print(greet.V)'), "1.0\n", 'rolled back');
$t->packages_ok(qr/^version 3 is in use$/, rollback => 3);
$t->packages_fail(qr/there is no version 9/, rollback => 9);
$t->packages_fail(qr/"helper" was not asked for, something else needs it/,
	remove => 'helper');
$t->packages_ok(qr/^version 4 is in use\n- greet 2\.0\n- helper 2\.0$/m,
	remove => 'greet');
like($t->output('import helper'), qr/No package/, 'it is gone');
is($t->output('import shadow; print(shadow.V)'), "1.0\n", 'the rest is not');

# Old versions go, the latest ones stay.

$t->packages_ok(qr/version 5 is in use/, add => 'helper==1.0');
$t->packages_ok(qr/version 6 is in use\n\* helper 2\.0, was 1\.0/,
	add => 'helper');
is(join(' ', map { s{.*/}{}r } glob "$top/*"), '4 5 6 current', 'three are kept');
is(scalar(glob $t->dir . '/packages/wheels/*/greet-*'), undef,
	'and the wheels that they came from');
$t->packages_ok(qr/^nothing has changed$/, 'upgrade');

# What an interpreter does not start with is not used.

$t->stop_daemon;
$t->run_daemon(conf => { runtime => { python => { packages => $top,
	tier => { base => { spare => 2, preload => ['shadow', 'helper'] } } } } });
$t->offer(wheel(helper => '3.0', { 'helper.py' => "raise ValueError('no')\n" }));
$t->packages_fail(qr/the interpreter "base" of "python" does not start with it/,
	upgrade => 'helper');
is(readlink "$top/current", 6, 'the version before is the current one');
ok(! -e "$top/7", 'nothing is left of the other');
is($t->output('import helper; print(helper.V)'), "2.0\n", 'and it is in use');
like($t->read_file('codeexec.log'), qr/ValueError: no/, 'the log says why');
ok(wait_until(10, sub { $t->state->{runtimes}[0]{tiers}[0]{packages} == 6 }),
	'the interpreter has it');

# Two at once, and one that is interrupted while it waits for the index

{
	my $silent = IO::Socket::INET->new(Listen => 5,
		LocalAddr => '127.0.0.1') or die $!;
	$t->configure(index => 'http://127.0.0.1:' . $silent->sockport);

	my $pid = fork // die;

	if (!$pid) {
		open STDOUT, '>', '/dev/null';
		open STDERR, '>&', \*STDOUT;
		alarm 0;
		exec $Test::Codeexec::Packages::PROGRAM, 'add', '-c',
			$t->dir . '/packages.conf', 'greet==2.0'
			or POSIX::_exit(127);
	}

	my $waiting = $silent->accept;
	ok($waiting, 'one adds');
	$t->packages_fail(qr/at work/, remove => 'shadow');
	kill TERM => $pid;
	waitpid $pid, 0;
	is($? >> 8, 143, 'and is interrupted');
	ok(IO::Select->new($waiting)->can_read(5), 'with what it has started');
	ok(! -e $t->dir . '/packages/.work', 'nothing is left');
	is(readlink "$top/current", 6, 'nothing has changed');
	$t->configure;
}

# The list, and no codeexecd

is($t->http_head('/packages')->status, 200, 'HEAD');
error_is($t->http_post('/packages', ''), 405, 'Method Not Allowed', 'POST');
$t->stop_daemon;
$t->expect_log(qr/connect\(\) to unix:.* failed/);
error_is($t->http_get('/packages'), 502, 'Bad Gateway', 'nobody to ask');
$t->packages_ok(qr/no codeexecd at .*\nversion 7 is the current one/s,
	add => 'breaks');
$t->run_daemon(conf => { runtime => { python => { packages => $top,
	tier => { base => { spare => 2 } } } } });
is($t->output('import breaks; print(breaks.V)'), "1.0\n",
	'what starts later has it');
ok($t->stop_daemon, 'stopped');

# Configurations

for my $case (
	['/nowhere', qr/"packages" of runtime "python": No such file/],
	["$t->{dir}/nginx.conf", qr/must be a directory/],
	["$t->{dir}/open", qr/must be a directory that only its owner can write/])
{
	my ($path, $what) = @$case;

	mkdir "$t->{dir}/open";
	chmod 0777, "$t->{dir}/open";
	my $file = $t->write_file('bad.conf', $t->conf_text('bad', {
		runtime => { python => { packages => $path,
			tier => { base => { spare => 1 } } } } }));
	my $out = `timeout 10 $Test::Codeexec::DAEMON -t -c $file 2>&1`;
	is($? >> 8, 1, "packages = $path");
	like($out, $what, 'is refused');
}

for my $case ([directory => 'here'], [index => 'ftp://x'], [keep => 1],
	[user => 'root'], [user => 'nobody-at-all'], [max_size => '1'],
	[no => 'such'])
{
	$t->configure(@$case);
	$t->packages_fail(qr/$case->[0]|user/, 'list');
}

$t->configure(index => undef);
$t->packages_fail(qr/neither "index" nor "wheels"/, add => 'greet');

$t->done_testing;
