#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Packages that are added because programs have missed them: those of the list,
# and nothing else, whatever a program or a line of the log says.

use v5.36;

use Test::More;
use Time::HiRes qw/sleep/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Packages;
use Test::Codeexec::Process;

$ENV{CODEEXEC_TIMEOUT} // alarm 900;

my $t = Test::Codeexec::Packages->start(http => <<'EOC');
		log_format missing escape=json '{"language":"$codeexec_language",'
		    '"missing":"$codeexec_missing"}';
		access_log %%TESTDIR%%/missing.log missing if=$codeexec_missing;
EOC
my $log = $t->dir . '/missing.log';

sub plain ($name, $module = $name, %more) {
	return Test::Codeexec::Packages::wheel($name, '1.0',
		{ "$module.py" => "V = '1.0'\n" }, %more);
}

my @names = qw/after_lies after_lines first moved needs rotated truncated/;

$t->offer(plain('forbidden'), plain('needs', 'needs', requires => ['forbidden']),
	plain('Other.Name', 'odd'), plain('lied'), plain('huge'),
	map { plain($_) } grep { $_ ne 'needs' } @names);
$t->write_file('allow', join "\n", @names, 'other-name', 'huge', 'pip', '');

sub append ($text) {
	open my $fh, '>>:raw', $log or die "$log: $!";
	print $fh $text;
	close $fh;
}

sub said () { return $t->read_file('watch.log') }

# A program imports it again and again, until it is there.

sub comes ($module, $name = $module) {
	return ok(wait_until(120, sub {
		return 1 if $t->output("import $module; print($module.V)") eq "1.0\n";
		sleep 0.2;
		return 0;
	}), "$name is added") || diag(said());
}

# All of the log before has been looked at when another one is there.

sub only_adds ($what, $module) {
	comes($module);
	my ($status, $list) = $t->packages('list');
	my %fine = map { tr/_/-/r => 1 } 'other-name', grep { $_ ne 'needs' } @names;
	my @others = grep { !$fine{$_} } $list =~ /^(?!version )(\S+) /mg;
	is("$status @others", '0 ', "$what: nothing else is");
}

$t->configure(interval => 1);
$t->packages_fail(qr/neither "allow" nor "npm_allow" is configured/,
	watch => $log);

my @options = (allow => $t->dir . '/allow', modules => ['odd=other-name'],
	interval => 1, retry => 9999);

$t->configure(@options, modules => ['odd']);
$t->packages_fail(qr/"odd" is no good value for "modules"/, watch => $log);
$t->configure(@options);

my $watch = $t->spawn('watch.log', $Test::Codeexec::Packages::PROGRAM, 'watch',
	'-c', $t->dir . '/packages.conf', $log);

ok(wait_until(20, sub { said() =~ /following/ }), 'it starts') || diag(said);

# What programs miss

like($t->output('import first'), qr/^No package with a module "first"/m,
	'a program misses a package');
ok(wait_until(5, sub { $t->read_file('missing.log')
	eq qq({"language":"python","missing":"first"}\n) }), 'which is logged');
comes('first');
comes('odd', 'one of another name');
is($t->output("try:\n import moved\nexcept ImportError:\n print('none')"),
	"none\n", 'a program does without');
like($t->output('import forbidden'), qr/"forbidden"/, 'not in the list');
like($t->output('import needs'), qr/"needs"/, 'it needs what is not in the list');
only_adds('what is not in the list', 'moved');
like(said(), qr/"needs" was not added: "forbidden" is not in/, 'it is told why');
unlike(said(), qr/miss "forbidden"/, 'it is not even tried');

# What programs say

$t->run_code("import sys\nsys.exit('''No package with a module \"$_\" is "
	. "installed here. Whoever runs this service can add one.''')")
	for qw{lied ../after_lies after_lies/.. /etc/passwd @first/x pip needs},
		'first; touch x', 'huge\\nhuge', 'x' x 5000, 'a b';
only_adds('lies', 'after_lies');
is(scalar(() = said() =~ /miss "needs"/g), 1, 'what has failed is left alone');
unlike(said(), qr/miss "pip"/, 'what the rootfs has, too');

# What is in the file

sub line ($name, $language = 'python') {
	return qq({"language":"$language","missing":"$name"}\n);
}

append(join '', "\n", "no JSON\n", "\xff\xfe\0\n", "[]\n", "null\n", "{}\n",
	'[' x 4000 . "\n", '{"language":' x 300 . "\n", '9' x 4000 . "\n",
	qq({"language":["python"],"missing":"huge"}\n),
	qq({"language":"python","missing":["huge"]}\n),
	qq({"language":"python","missing":{"huge":1}}\n),
	qq({"language":"python","missing":null}\n),
	line('huge', 'nodejs'), line('huge', '../python'), line('huge', ''),
	line('./huge'), line('huge/'), line('huge==1.0'), line('huge '),
	line('--huge'), line('../../huge'), line("huge\\n"), line("huge\\u0000"),
	line('') =~ s/\n/' ' x 5000 . "\n"/er,
	' ' x 5000 . line('huge'), 'x' x 3_000_000 . line('huge'));
only_adds('lines', 'after_lines');

# Rotation: another file, and the same one that is empty again

rename $log, "$log.1" or die $!;
$t->signal('USR1');
ok(wait_until(20, sub { -e $log }), 'nginx has another file');
only_adds('another file', 'rotated');
append('{"language":"py');
sleep 1.5;
truncate $log, 0 or die $!;
only_adds('a shorter file', 'truncated');

ok(!exited($watch), 'it is still there') || diag(said());
unlike(said(), qr/Traceback/, 'and was not surprised');
ok(end_process($watch, 'TERM', 20), 'it ends');
is($? >> 8, 143, 'by the signal');
ok(! -e $t->dir . '/packages/.work', 'nothing is left');

$t->done_testing;
