#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# codeexecd without root: an ordinary user runs all of this, nginx included,
# first with a range of uids in /etc/subuid, then without.  That user exists in
# this test alone, which makes it in a mount namespace of its own.

use v5.36;

use File::Temp qw/tempdir/;
use POSIX ();
use Test::More;
use Time::HiRes qw/sleep/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Process;
use Test::Codeexec::Real;

use constant NAME => 'codeexec-test';
use constant RANGE => [500000, 6000000];

my ($stage, $dir) = @ARGV;

$ENV{CODEEXEC_TIMEOUT} //= 300;
alarm $ENV{CODEEXEC_TIMEOUT};

prepare_as_root() if $> == 0;

plan(skip_all => 'this test is started by root') if ($stage // '') ne 'user';
plan(skip_all => 'an ordinary user cannot mount /proc here')
	if system 'unshare -rUm --pid --fork --mount-proc true 2>/dev/null';

my $has_mappers = -u '/usr/bin/newuidmap' && -u '/usr/bin/newgidmap'
	&& Test::Codeexec::Real::status($$)->{NoNewPrivs} eq '0';

$ENV{CODEEXEC_ROOTLESS} = 'memory,processes,cpu';

my %conf = (runs => 2, limits => { memory => '128mb', disk => '16mb' });

###############################################################################

sub write_to ($file, $text) {
	open my $fh, '>', $file or die "$file: $!";
	print $fh $text;
	close $fh or die "$file: $!";
}

sub slurp ($file) { return Test::Codeexec::Process::slurp($file) }

# One process as root after another: the user's files over those of /etc, then
# the user, who may write the two that say which uids are for whom.

sub prepare_as_root {
	my $uid = 61000 + $$ % 4000;
	my $user = NAME;

	exec 'unshare', '--mount', '--propagation', 'private', $^X, $0, 'root',
		tempdir('codeexec-XXXXXX', TMPDIR => 1)
		or plan(skip_all => 'no unshare') if !defined $stage;

	chmod 0755, $dir;
	write_to("$dir/passwd", slurp('/etc/passwd')
		. "$user:x:${uid}:${uid}::$dir/home:/bin/sh\n");
	write_to("$dir/group", slurp('/etc/group')
		. "$user:x:${uid}:\n$user-too:x:" . ($uid + 4000) . ":$user\n");
	write_to("$dir/$_", ''), chown $uid, $uid, "$dir/$_"
		for qw/subuid subgid/;
	mkdir "$dir/home";
	chown $uid, $uid, "$dir/home";

	for my $file (qw/passwd group subuid subgid/) {
		-e "/etc/$file" or write_to("/etc/$file", '');
		system('mount', '--bind', "$dir/$file", "/etc/$file") == 0
			or plan(skip_all => 'root cannot mount here');
	}

	# The user may not be let into the directory that all of this is in.

	my $tree = "$dir.tree";
	mkdir $tree or die "$tree: $!";
	system('mount', '--bind', $Test::Codeexec::ROOT, $tree) == 0
		or plan(skip_all => 'root cannot mount here');
	s/^\Q$Test::Codeexec::ROOT\E/$tree/
		for grep { defined } @ENV{grep { /^CODEEXEC_/ } keys %ENV};

	defined(my $pid = fork) or die "fork: $!";
	exec 'setpriv', "--reuid=$uid", "--regid=$uid", '--init-groups',
		'--inh-caps=-all', '--', 'env', "HOME=$dir/home",
		"TMPDIR=$dir/home", $^X, "$tree/t/$FindBin::Script",
		'user', $dir
		or exit 127 if !$pid;

	local @SIG{qw/INT TERM ALRM/} = (sub { kill TERM => $pid }) x 3;
	1 while waitpid($pid, 0) < 0;
	my $status = $?;
	system 'umount', "/etc/$_" for qw/passwd group subuid subgid/;
	system 'umount', $tree;
	rmdir $tree;
	system 'rm', '-rf', $dir;

	POSIX::_exit($status >> 8 || $status);
}

# Who the processes belong to, as the machine sees it.

sub uids (@pids) {
	my %seen = map { Test::Codeexec::Real::uid($_) => 1 } @pids;
	return join ' ', sort { $a <=> $b } keys %seen;
}

sub layer_states ($t) {
	return { map { $_->{name} => $_->{state} } @{ $t->state->{layers} } };
}

# What must fail, and how a run ends that tries; no control group helps.

my @hostile = (
	['files of the machine' => <<~'EOP', "0\n"],
		import os
		paths = '/etc/shadow', '/etc/subuid', '/root', '/sys', '/var', '/run', '/boot', '/proc/1', '/proc/sys'
		print(sum(os.path.exists(p) for p in paths))
		EOP
	['the root' => <<~'EOP', "dev etc home opt proc tmp usr\n[] ['user', 'tmp', 'shm', 'results'] True\n"],
		import glob, os
		print(*sorted(d for d in os.listdir('/') if not os.path.islink('/' + d) or d == 'tmp'))
		mine = [p for p in glob.glob('/proc/[0-9]*') if p != '/proc/%d' % os.getpid()]
		print([p for p in mine if open(p + '/stat').read().split()[1] != '(python3)'],
		    sorted(os.listdir('/home'), reverse=True), not os.listdir('/home/user'))
		EOP
	['writing' => <<~'EOP', "0\n"],
		import os
		done = 0
		for path in '/x', '/usr/x', '/etc/x', '/etc/passwd', '/dev/x', '/opt/codeexec/x', '/proc/self/oom_score_adj':
		    try: open(path, 'w').write('0'); done += 1
		    except OSError: pass
		print(done)
		EOP
	['a network' => <<~'EOP', "97 97 97 97 ['lo']\n"],
		import errno, socket
		def attempt(family):
		    try: socket.socket(family); return 0
		    except OSError as e: return e.errno
		print(*[attempt(f) for f in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, 40)], [l.split(':')[0].strip() for l in open('/proc/self/net/dev') if ':' in l])
		EOP
	['system calls' => <<~'EOP', "0\n"],
		import ctypes
		libc = ctypes.CDLL(None)
		calls = 101, 155, 161, 165, 166, 248, 250, 272, 298, 308, 310, 321, 323, 425, 428, 434 * 0 + 438, 442
		print(sum(libc.syscall(n, 0, 0, 0, 0, 0) != -1 for n in calls))
		EOP
	['another user' => <<~'EOP', "1000 1000 0\n"],
		import os
		done = 0
		for uid in 0, 1, 33, 1001, 65534:
		    for call in os.setuid, os.setgid, os.seteuid, lambda u: os.chown('/home/user', u, u):
		        try: call(uid); done += 1
		        except OSError: pass
		print(os.getuid(), os.getgid(), done)
		EOP
	['signals' => <<~'EOP', "[]\n"],
		import os
		alive = []
		for pid in range(2, 40000):
		    if pid != os.getpid():
		        try: os.kill(pid, 0); alive.append(pid)
		        except OSError: pass
		print([p for p in alive if p > 3])
		EOP
	['process 1, and what it was started from' => <<~'EOP', "\n"],
		import os
		done = []
		def attempt(name, f, *args):
		    try: f(*args); done.append(name)
		    except OSError: pass
		attempt('seen', os.stat, '/proc/1/stat')
		attempt('link', os.readlink, '/proc/1/exe')
		attempt('chmod', os.chmod, '/proc/1/exe', 0o777)
		attempt('utime', os.utime, '/proc/1/exe')
		for name in 'exe', 'mem', 'environ', 'maps', 'fd/0':
		    attempt('read ' + name, open, '/proc/1/' + name, 'rb')
		for name in 'exe', 'mem', 'oom_score_adj':
		    attempt('write ' + name, open, '/proc/1/' + name, 'r+b')
		print(*done)
		EOP
	['a fork bomb' => <<~'EOP', "bounded\n"],
		import os, time
		n = 0
		try:
		    while True:
		        if os.fork() == 0: time.sleep(10); os._exit(0)
		        n += 1
		except BlockingIOError: print('bounded' if n < 70 else n)
		EOP
	['memory' => <<~'EOP', "MemoryError\n"],
		try: b = bytearray(300 << 20)
		except MemoryError: print('MemoryError')
		EOP
	['disk' => <<~'EOP', "full\n"],
		try:
		    with open('x', 'wb') as f:
		        while True: f.write(bytes(1 << 20))
		except OSError as e: print('full' if e.errno in (27, 28) else e)
		EOP
	['open files' => <<~'EOP', "24\n"],
		files = []
		try:
		    while True: files.append(open('/dev/null'))
		except OSError as e: print(e.errno)
		EOP
);

sub attack ($t, $name) {
	for my $try (@hostile) {
		my ($what, $code, $expected) = @$try;

		is($t->output($code), $expected, "$name: $what");
		$t->settle;
	}

	my $begin = time;
	my $r = $t->post('while True: pass', timeout => 0.5);
	is($r->status, 504, "$name: a loop is ended");
	cmp_ok(time - $begin, '<', 15, "$name: in time");

	is($t->output(<<~'EOP'), '', "$name: something that would stay");
		import os, time
		if os.fork() == 0:
		    os.setsid()
		    open('/tmp/stays', 'w').close()
		    time.sleep(30)
		EOP
	$t->settle;
	is(join(' ', marked_of($t, 'stays')), '', "$name: does not");
	$t->honest("$name: well afterwards");

	my $socket = $t->send_code("open('/tmp/m3', 'w'); "
		. 'import time; time.sleep(9)');
	ok(wait_until(5, sub { marked_of($t, 'm3') }), "$name: a run");
	close $socket;
	ok(wait_until(5, sub { !marked_of($t, 'm3') }),
		"$name: ends with its connection");
}

# codeexecd can't clean up, and nothing of it is left.  What it leaves is ours
# to wait for, as it is that of process 1 on a machine.

sub kill_it ($t, $name) {
	my $socket = $t->send_code("open('/tmp/m4', 'w'); "
		. "import os\nwhile os.fork() >= 0: pass");
	wait_until(5, sub { marked_of($t, 'm4') > 2 });
	my @pids = descendants($t->daemon_pid);

	cmp_ok(scalar @pids, '>', 6, "$name: builder, zygote, jails");
	$t->kill_daemon;
	ok(wait_until(10, sub {
		1 while waitpid(-1, POSIX::WNOHANG) > 0;
		!grep { alive($_) } @pids;
	}),
		"$name: all are killed with codeexecd")
		|| diag(map { "$_ " . cmdline($_) . "\n" } grep { alive($_) }
			@pids);
	close $socket;
}

sub alive ($pid) { return slurp("/proc/$pid/stat") =~ /\) [^ZX]/ }

# What codeexecd says of itself.

sub check ($t, $name, $missing) {
	my $file = $t->write_file('check.conf', $t->conf_text('check', \%conf));
	my $out = `timeout 60 $Test::Codeexec::DAEMON --check -c $file 2>/dev/null`;

	is($? >> 8, 0, "$name: --check") || diag($out);
	is(join(' ', $out =~ /^(\S+) +FAIL .*\(allow_missing\)/mg), $missing,
		"$name: --check: what is missing");
	like($out, qr/^uids +PASS .*; seen from outside in 2 runs$/m,
		"$name: --check: uids") if $missing !~ /uids/;
}

###############################################################################

# What belongs to the user, as after "make install" of an ordinary user

my $library = "$dir/home/library";
my $build = $Test::Codeexec::DAEMON =~ s{/[^/]*$}{}r;
system("mkdir $library && cp -r $build/python $build/codeexec-builder $library/")
	== 0 or die 'cp';
$ENV{CODEEXEC_LIBRARY} = $library;
my $mode = (stat "$library/codeexec-builder")[2];

my $start = sub { Test::Codeexec::Real->start(spare => 2, conf => \%conf) };

my ($first, $count) = @{ +RANGE };
my $groups = (split ' ', $)) - 1;

cmp_ok($groups, '>', 1, 'the user has more than one group');

SKIP: {
	skip 'newuidmap and newgidmap are not there or not setuid', 1
		if !$has_mappers;

	write_to("/etc/$_", NAME . ":$first:$count\n") for qw/subuid subgid/;
	my $t = $start->();

	like($t->read_file('codeexec.log'), qr{range in /etc/subuid$}m,
		'range: it says so');
	is(layer_states($t)->{uids}, 'on', 'range: the layer "uids" is there');
	is(layer_states($t)->{$_}, 'missing', "range: $_ is missing")
		for qw/memory processes cpu/;
	is(layer_states($t)->{$_}, 'on', "range: $_ is there")
		for qw/namespaces nested-namespaces root proc devices sockets
			syscalls capabilities rlimits disk/;

	$t->warm->baseline;
	my @socket = map { $t->send_code("open('/tmp/m$_', 'w'); "
		. 'import time; time.sleep(9)') } 1, 2;
	wait_until(5, sub { marked_of($t, 'm1') && marked_of($t, 'm2') });
	my @one = marked_of($t, 'm1');
	my @two = marked_of($t, 'm2');
	my $base = $t->base_uid;

	is(scalar @one, 2, 'range: a run and its keeper');
	isnt(uids(@one), uids(@two), 'range: another uid for each run');
	like(uids(@one), qr/^\d+$/, 'range: one for both');
	cmp_ok(uids(@one), '>', $base, 'range: it is in "uids"');
	is(uids($t->zygotes, $t->builder), $base, 'range: of the others');
	is(uids($t->daemon_pid), $>, 'range: of codeexecd');
	is(Test::Codeexec::Real::status($t->daemon_pid)->{Groups} // '', '',
		'range: groups of the user are given up');
	is((split ' ', Test::Codeexec::Real::status($_)->{Groups} // '', 2)[0],
		undef, 'range: and by what it starts') for @one, $t->zygotes;
	close $_ for @socket;
	$t->settle;

	attack($t, 'range');
	$t->settle;
	$t->check_leaks('range: nothing is left');
	check($t, 'range', 'memory processes cpu');
	kill_it($t, 'range');
	$t->finish;

	# Nobody but the user is let in: the others look all the same.

	my $other = Test::Codeexec::Real->new->has('daemon');
	my $out = run_daemon_for($other, { peers => [NAME, 'root'] }, 1);
	unlike($out, qr/refused/, 'the user is a peer');
	$out = run_daemon_for($other, { peers => ['root'] }, 0);
	like($out, qr/refused a connection from uid $>$/m, 'the user is none');
	$other->finish;
}

# Without a range: it must be named

write_to("/etc/$_", NAME . "x:1:9\n" . NAME . ":$first:3\n")
	for qw/subuid subgid/;

{
	my $t = Test::Codeexec::Real->new->has('daemon');
	my $out = fails($t, {});

	like($out, qr{layer "uids" is missing: .*/etc/subuid},
		'shared: refused when it is not named');

	local $ENV{CODEEXEC_ROOTLESS} = 'uids';
	like(fails($t, {}), qr/layer "$_" is missing/,
		"shared: so is $_") for qw/memory processes cpu/;
	$t->finish;
}

# Then process 1 has the uid of its run, too.  What keeps them apart must not be
# Landlock alone, which an older kernel is without.

for my $kernel ('this kernel', 'without Landlock') {
	local $ENV{CODEEXEC_ROOTLESS} = 'memory,processes,cpu,uids';
	local $Test::Codeexec::DAEMON = $kernel =~ /without/
		? without_landlock() : $Test::Codeexec::DAEMON;
	my $name = "shared, $kernel";
	my $t = $start->();

	like($t->read_file('codeexec.log'),
		qr/running without the layer "uids": .* uid of codeexecd/,
		"$name: it says so");
	is(layer_states($t)->{uids}, 'missing', "$name: uids are missing");
	is(layer_states($t)->{landlock}, 'missing', "$name: so is Landlock")
		if $kernel =~ /without/;
	is(layer_states($t)->{$_}, 'on', "$name: $_ is there")
		for qw/namespaces nested-namespaces root proc devices sockets
			syscalls capabilities rlimits disk/;

	my $socket = $t->send_code("open('/tmp/m1', 'w'); import time; "
		. 'time.sleep(9)');
	wait_until(5, sub { marked_of($t, 'm1') });
	is(uids(marked_of($t, 'm1'), children($t->daemon_pid)), $>,
		"$name: one uid for all");
	close $socket;
	$t->settle;

	attack($t, $name);
	check($t, $name, 'uids memory processes cpu');
	kill_it($t, $name);
	is((stat "$library/codeexec-builder")[2], $mode,
		"$name: the user's files are as they were");
	$t->finish;
}

Test::More::done_testing();

###############################################################################

# Who can see that file of a run.  The user, who is nobody special, can't look
# into the run's own directory.

sub marked_of ($t, $marker) {
	return grep { -e "/proc/$_/root/home/tmp/$marker"
		&& cmdline($_) !~ /builder/ } descendants($t->daemon_pid);
}

# A program that is codeexecd with a filter that answers EPERM to
# landlock_create_ruleset(), whose number is the same everywhere.

sub without_landlock {
	my $file = "$dir/home/codeexecd";
	my $number = { x86_64 => 157, aarch64 => 167 }->{(POSIX::uname())[4]};

	write_to($file, <<~"EOP");
		#!$^X
		my \$filter = pack 'SCCL' x 4, 0x20, 0, 0, 0, 0x15, 0, 1, 444,
			0x06, 0, 0, 0x00050001, 0x06, 0, 0, 0x7fff0000;
		syscall(\$_->[0], \@\$_[1 .. 5]) == 0 or die "prctl: \$!"
			for [$number, 38, 1, 0, 0, 0],
				[$number, 22, 2, pack('S x6 P', 4, \$filter), 0, 0];
		exec '$Test::Codeexec::DAEMON', \@ARGV;
		EOP
	chmod 0755, $file;
	return $file;
}

sub fails ($t, $conf) {
	my $file = $t->write_file('fails.conf',
		$t->conf_text('fails', $conf));
	my $out = `timeout 10 $Test::Codeexec::DAEMON -c $file 2>&1`;

	isnt($? >> 8, 124, 'it does not start');
	return $out;
}

# What it logs when the user asks for its state.

sub run_daemon_for ($t, $conf, $answers) {
	my $file = $t->write_file('peers.conf', $t->conf_text('peers', $conf));
	unlink $t->dir . '/peers.log';
	my $pid = $t->spawn('peers.log', $Test::Codeexec::DAEMON, '-c', $file);

	wait_until(20, sub { $t->read_file('peers.log') =~ /ready$/m });
	is(eval { $t->state('peers'); 1 } // 0, $answers,
		'an answer, or none');
	end_process($pid, 'TERM', 5);
	return $t->read_file('peers.log');
}
