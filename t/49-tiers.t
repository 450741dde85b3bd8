#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Tiers: which one a job is run in, and what a fork of their zygotes costs: huge
# pages, and how many pages a run writes to.  Nothing here is a time.

use v5.36;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Process;
use Test::Codeexec::Real;

$ENV{CODEEXEC_TIMEOUT} // alarm 150;

my $t = Test::Codeexec::Real->start(science => 1);

sub text ($file) { return Test::Codeexec::Process::slurp($file) }

sub run_job ($code, %arg) {
	my $raw = $t->dial;
	write_all($raw, Test::Codeexec::Real::job_frames($code, %arg));
	return Test::Codeexec::Real::read_answer($raw);
}

###############################################################################

# Which tier.  Asking must not name what is asked for.

my $ask = "import sys\nprint('matplot' + 'lib' in sys.modules)\n";

sub tier_is ($want, $name, $more = '', %arg) {
	my $a = run_job("$ask$more", %arg);
	is("$a->{status} $a->{stdout}", 'ok '
		. ($want eq 'science' ? 'True' : 'False') . "\n",
		"$want: $name") or diag $a->{stderr};
}

tier_is(base => 'a program that imports nothing');
tier_is(base => 'a module of the standard library', 'import json');
tier_is(base => 'another word', 'mynumpy = numpy2 = 1');
tier_is(science => 'import', 'import numpy');
tier_is(science => 'import as', "import os, numpy as np");
tier_is(science => 'from', 'from matplotlib import pyplot');
tier_is(science => 'of a module', 'import pandas.api.types');
tier_is(science => 'in a function', "def f():\n    import scipy");
tier_is(science => '__import__()', "__import__('numpy')");
tier_is(science => 'import_module()',
	"from importlib import import_module\nimport_module(\"pandas\")");
tier_is(science => 'exec()', "exec('import numpy')");
tier_is(science => 'no line end', '#numpy');

my %np = (imports => { np => 'numpy', C => 'collections:Counter' });

tier_is(base => 'names that it does not use', 'x = 1', options => \%np);
tier_is(base => 'one of another module', 'C("ab")', options => \%np);
tier_is(science => 'one that it uses', 'np.zeros(1)', options => \%np);
is(run_job('np', options => { imports => $_ })->{status}, 'error',
	'names that are none') for 1, 'np', { np => 1 }, { np => undef };

tier_is(science => 'tables', 'len(d)', options => {
	datasets => { d => [[1, 2]] } });
tier_is(base => 'no tables', '', options => { datasets => {} });
is(run_job('np = 1', options => { datasets => 1 })->{status}, 'error',
	'tables that are none');

sub file ($name, $content) { return pack 'n/a a*', $name, $content }

tier_is(science => 'a module that comes along', 'import helper', put => [
	file('data.csv', "a,b\n"), file('helper.py', "import numpy\n")]);
tier_is(science => 'one in a directory', 'import sub.helper', put => [
	file('sub/helper.py', "import numpy\n"), file('z', '')]);
tier_is(base => 'one that imports nothing', 'import helper', put => [
	file('helper.py', ''), file('.py', 'x')]);
tier_is(base => 'data', '', put => [ file('numpy.csv', 'numpy pandas'),
	file('p', "import numpy\n"), file('py', 'numpy') ]);
tier_is(science => 'at the begin of a large one', '', put => [
	file('large.py', "import numpy\n" . "#\n" x 500_000)]);
tier_is(base => 'at its end, which is imported nevertheless', '', put => [
	file('large.py', "#\n" x 500_000 . "import numpy\n")]);

is(run_job("import large\nprint(large.n.__name__)", put => [
	file('large.py', "#\n" x 100_000 . "import numpy as n\n")])->{stdout},
	"numpy\n", 'a wrong guess costs time only');

###############################################################################

# Forks of the program see to its locks, though those of the zygote do not.

for my $tier ('base', 'science # numpy') {
	is(run_job(<<~EOP)->{stdout}, "1 True\n", "a fork beside a thread, $tier");
		import logging, os, threading  # $tier
		handler = logging.StreamHandler()
		held, done = threading.Event(), threading.Event()
		def hold():
		    with handler.lock:
		        held.set()
		        done.wait()
		thread = threading.Thread(target=hold)
		thread.start()
		held.wait()
		pid = os.fork()
		if pid == 0:
		    print(threading.active_count(),
		        handler.lock.acquire(blocking=False), flush=True)
		    os._exit(0)
		os.waitpid(pid, 0)
		done.set()
		EOP
}

###############################################################################

# What a fork copies, and what a run pays for



my ($base, $science) = sort { length cmdline($a) <=> length cmdline($b) }
	$t->zygotes;
my %memory = map { m{^(\w+):\s+(\d+) kB}m ? ($1 => $2) : () }
	split /\n/, text("/proc/$science/smaps_rollup");
my ($major, $minor) = split /\./, text('/proc/sys/kernel/osrelease');

SKIP: {
	skip('no huge pages here', 1) if $major * 1000 + $minor < 6001
		|| !-d '/sys/kernel/mm/transparent_hugepage';

	cmp_ok($memory{AnonHugePages}, '>', $memory{Anonymous} / 2,
		'most of what a zygote has is on huge pages');
}

my @text = grep { m{ /\S*python[\d.]*$} } split /\n/,
	text("/proc/$science/maps");
cmp_ok(scalar @text, '<=', 4, 'the interpreter is mapped in few pieces')
	or diag join "\n", @text;
is(scalar(grep { / .wx/ } split /\n/, text("/proc/$science/maps")), 0,
	'nothing is writable and executable');

# (298 and 704, when this was written, and 190 and 300 then.)

my $faults = "print(open('/proc/self/stat').read().rpartition(')')[2].split()[7])";
my %faults = (base => run_job($faults)->{stdout},
	science => run_job("$faults # numpy")->{stdout});

cmp_ok($faults{base}, '<', 270, "base: pages touched at the begin: $faults{base}");
cmp_ok($faults{science}, '<', 500,
	"science: pages touched at the begin: $faults{science}");

$t->honest('all is well');
$t->done_testing;
