#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# codeexecd --check, and what a missing layer does: each is taken away by means
# that an operator could have taken, without meaning to.

use v5.36;

use POSIX ();
use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Process;
use Test::Codeexec::Real;

$ENV{CODEEXEC_TIMEOUT} //= 300;
alarm $ENV{CODEEXEC_TIMEOUT};

my $t = Test::Codeexec->new->has('root', 'daemon');
my $daemon = $Test::Codeexec::DAEMON;

my @names = qw/namespaces nested-namespaces root proc devices sockets syscalls
	capabilities uids rlimits memory processes cpu disk landlock
	shared-inodes/;
my %optional = (landlock => 1, 'shared-inodes' => 1);

# Numbers of calls, of the machines that this is tested on

my $number = {
	x86_64 => { unshare => 272, setns => 308, pivot_root => 155, seccomp => 317,
		capset => 126, prctl => 157, clone3 => 435 },
	aarch64 => { unshare => 97, setns => 268, pivot_root => 41, seccomp => 277,
		capset => 91, prctl => 167, clone3 => 435 },
}->{(POSIX::uname())[4]} // plan(skip_all => 'not on this architecture');

my ($NEWNS, $NEWUSER, $NEWPID) = (0x20000, 0x10000000, 0x20000000);

###############################################################################

# Ways to spoil things, for the process that will be codeexecd

sub private_mounts {
	syscall($number->{unshare}, $NEWNS) == 0 or die "unshare: $!";
	system('mount --make-rprivate /') == 0 or die 'mount';
}

# A filter that answers EPERM to a call, as that of a container does.

sub deny ($name) {
	my $filter = pack 'SCCL' x 4,
		0x20, 0, 0, 0,                         # load the number
		0x15, 0, 1, $number->{$name},          # is it this one?
		0x06, 0, 0, 0x00050000 | POSIX::EPERM, # an error
		0x06, 0, 0, 0x7fff0000;                # allowed
	my $program = pack 'S x6 P', 4, $filter;

	syscall($number->{prctl}, 22, 2, $program, 0, 0) == 0
		or die "seccomp: $!";
}

sub without_cgroups {
	private_mounts();
	system('umount -R -l /sys/fs/cgroup') == 0 or die 'umount';
}

# A tmpfs over one file of /proc, as container engines have them.

sub masked_proc {
	private_mounts();
	system('mount -t tmpfs tmpfs /proc/fs') == 0 or die 'mount';
}

sub few_devices {
	my $dev = $t->dir . '/dev';

	private_mounts();
	system(<<~"END") == 0 or die 'mount';
		mkdir -p $dev && mount -t tmpfs tmpfs $dev || exit 1
		for node in null zero random urandom; do
			touch $dev/\$node
			mount --bind /dev/\$node $dev/\$node || exit 1
		done
		mount --move $dev /dev
		END
}

# Where core dumps are piped to a program, a limit of 0 does not keep them in.

sub piped_cores {
	my $pattern = $t->write_file('core_pattern', "|/bin/false %p\n");

	private_mounts();
	system("mount --bind $pattern /proc/sys/kernel/core_pattern") == 0
		or die 'mount';
}

# In namespaces with these uids, as in a container without root: the maps are
# the parent's to write.

sub in_user_namespace ($map, $flags = $NEWPID, @prepare) {
	pipe my $ready, my $tell_ready;
	pipe my $go, my $tell_go;

	my $pid = fork // die "fork: $!";

	if ($pid) {
		close $tell_ready;
		close $go;
		sysread $ready, my $byte, 1;

		for my $file (qw/uid_map gid_map/) {
			open my $fh, '>', "/proc/$pid/$file" or die $!;
			syswrite $fh, $map or die "$file: $!";
		}

		close $tell_go;
		wait_for($pid);
	}

	close $ready;
	close $tell_go;
	syscall($number->{unshare}, $NEWUSER | $NEWNS | $flags) == 0
		or die "user: $!";
	syswrite $tell_ready, 'x';
	sysread $go, my $byte, 1;

	if ($flags & $NEWPID) {
		$pid = fork // die "fork: $!";
		wait_for($pid) if $pid;
	}

	system('mount --make-rprivate /') == 0 or die 'mount';
	$_->() for @prepare;
}

sub wait_for ($pid) {
	local $SIG{TERM} = sub { kill TERM => $pid };
	1 until waitpid($pid, 0) == $pid;
	POSIX::_exit($? >> 8 || $? & 127);
}

sub own_proc { system('mount -t proc proc /proc') == 0 or die 'mount' }

sub no_user_namespaces {
	open my $fh, '>', '/proc/sys/user/max_user_namespaces' or die $!;
	syswrite $fh, '0' or die "max_user_namespaces: $!";
}

###############################################################################

# codeexecd with its arguments, spoiled; its exit code, stdout and stderr

my $n = 0;

sub run ($prepare, @args) {
	my ($out, $err) = map { $t->dir . "/$_" . $n } qw/out err/;
	$n++;
	my $pid = fork // die "fork: $!";

	if (!$pid) {
		POSIX::setsid();
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', $out;
		open STDERR, '>', $err;
		eval { ref $prepare ? $prepare->() : deny($prepare); 1 }
			or print STDERR "spoiling failed: $@";
		exec @args or POSIX::_exit(126);
	}

	my $done = wait_until(60, sub { waitpid($pid, POSIX::WNOHANG) == $pid
		? [$?] : undef });
	kill(KILL => -$pid), waitpid $pid, 0 if !$done;

	return ($done ? $done->[0] >> 8 : 'hangs',
		map { Test::Codeexec::Process::slurp($_) } $out, $err);
}

sub conf ($name, @changes) {
	return $t->write_file("$name.conf", Test::Codeexec::Real::conf_text($t, $name, {
		runs => 1, limits => { memory => '128mb' },
		runtime => { python => { tier => { base => { spare => 1 } } } },
	}, @changes));
}

sub check ($prepare, @changes) {
	return run($prepare, $daemon, '--check', '-c', conf('check', @changes));
}

sub lines ($out) {
	return { $out =~ /^(\S+) +((?:PASS|FAIL|SKIP|WARN) .*)$/mg };
}

my $nothing = sub { };
my $all = "0 0 4294967295\n";

###############################################################################

# As it is

my $before = join ' ', $t->cgroups;
my %files = map { $_ => 1 } glob '/tmp/codeexec-check-*';
my ($code, $out, $err) = check($nothing);
is($code, 0, 'all is well here: exit code') || diag($out, $err);
is($err, '', 'nothing on stderr');
is(join(' ', $out =~ /^(\S+) +(?:PASS|FAIL|SKIP|WARN) /mg), "@names",
	'a line for each layer');
like($out, qr/^every mandatory layer holds.*\n\z/m, 'and the conclusion');

my $lines = lines($out);

for my $name (grep { !$optional{$_} } @names) {
	like($lines->{$name}, qr/^PASS +\S.*; \S/, "$name passes, and says how");
}

like($lines->{memory}, qr/cgroup v\d \(memory\): 128 MB; .*killed/, 'memory');
like($lines->{processes}, qr/cgroup v\d \(pids\): 64; no more after \d/,
	'processes');
like($lines->{uids}, qr/2 runs$/, 'uids: two runs were looked at');
like($lines->{disk}, qr/tmpfs: 32 MB, 4096 inodes; no space after 32 MB/,
	'disk');
like($lines->{landlock}, qr/^(?:PASS +ABI \d|SKIP +not in this kernel)/,
	'Landlock, or not');
my $landlock = $lines->{landlock} =~ /ABI (\d+)/ ? $1 : 0;
like($lines->{'shared-inodes'},
	qr/^WARN .*Remedy: .*"rootfs".*\.$/, "the machine's own /usr");
is(join(' ', $t->cgroups), $before, 'no control groups are left');
is(join(' ', grep { !$files{$_} } glob '/tmp/codeexec-check-*'), '',
	'nor files');

($code, $out, $err) = run($nothing, $daemon, '--check', '-c', '/no/such/file');
is($code, 1, 'no configuration: exit code');
like($err, qr{/no/such/file}, 'says so');
($code, $out, $err) = run($nothing, $daemon, '--check', 'x');
is($code, 2, 'an argument: exit code');
($code, $out, $err) = run(sub { POSIX::setgid(65534); POSIX::setuid(65534) },
	$daemon, '--check', '-c', conf('check'));
is($code, 1, 'a user without a range of uids: exit code');
like(lines($out)->{uids}, qr{^FAIL .*: no .*\. Remedy: .*/etc/subuid},
	'says so') || diag($out, $err);

# As root of a user namespace, which is what a container may have

($code, $out, $err) = check(sub {
	in_user_namespace($all, $NEWPID, \&own_proc) });
is($code, 0, 'in a user namespace: exit code') || diag($out, $err);
($code, $out, $err) = check(sub { in_user_namespace($all, 0) });
is($code, 0, "and in another one's pid namespace") || diag($out, $err);

# Beside a codeexecd with the same configuration that is in service

$t->run_daemon(name => 'check', conf => { runs => 1 });
my $file = $t->dir . '/check.conf';
($code, $out) = run($nothing, $daemon, '--check', '-c', $file);
is($code, 0, 'beside one that is in service') || diag($out);

our $program = 'print(6*7)';

sub say_hello ($name) {
	my $socket = IO::Socket::UNIX->new(Peer => $t->socket($name))
		// return 'no connection';
	write_all($socket, Test::Codeexec::Real::job_frames($program));
	my $answer = Test::Codeexec::Real::read_answer($socket) // {};
	return $answer->{stdout};
}

is(say_hello('check'), "42\n", 'which goes on');
my %layer = map { $_->{name} => $_ } @{ $t->state('check')->{layers} };
is(join(' ', sort keys %layer), join(' ', sort @names),
	'STATE has all layers');
is(join(' ', grep { $layer{$_}{state} ne 'on' }
	grep { !$optional{$_} } @names), '', 'and they are on');
is($layer{landlock}{mandatory}, JSON::PP::false(), 'some are optional');
is($layer{'shared-inodes'}{state}, 'missing', 'and may be missing');
$t->stop_daemon('check');
unlike($t->read_file('check.log'), qr/warning/, 'nothing to warn of');

# Both runtimes are attacked; those of Node.js alone in t/54-mutants.t.

SKIP: {
	skip 'Node.js is not there'
		if !-e ($daemon =~ s{[^/]*$}{node/codeexec.node}r) || !-x '/usr/bin/node';

	($code, $out, $err) = check($nothing, { limits => { memory => '256mb' },
		runtime => { nodejs => { kind => 'node',
			interpreter => '/usr/bin/node',
			tier => { base => { spare => 1 } } } } });
	is($code, 0, 'with Node.js: exit code') || diag($out, $err);
	is($err, '', 'which has its attacks');
	like(lines($out)->{$_}, qr/^PASS +\S.*; \S/, "$_: both")
		for grep { !$optional{$_} } @names;
}

# A library without attacks proves nothing.

my $library = $t->dir . '/library';
my $source = $daemon =~ s{/[^/]*$}{}r;
system("mkdir $library && cp -a $source/python $source/codeexec-builder "
	. "$library/ && rm $library/python/check.py") == 0 or die 'cp';
($code, $out, $err) = check($nothing, { library => $library });
is($code, 1, 'nothing to attack with: exit code');
like($err, qr/"python" has no attacks/, 'says so');
like(lines($out)->{sockets}, qr/^SKIP .*not attacked/, 'nothing is proven');

###############################################################################

# What is missing; whether codeexecd can do without, if allowed to

my @missing = (
	[['namespaces'], 'unshare is forbidden', 'unshare'],
	[['namespaces'], 'clone3 is forbidden', 'clone3'],
	[['namespaces'], 'user.max_user_namespaces is 0',
		sub { in_user_namespace($all, $NEWPID, \&own_proc,
			\&no_user_namespaces) }],
	[['root'], 'pivot_root is forbidden', 'pivot_root'],
	[['proc'], '/proc is masked, in a user namespace',
		sub { masked_proc(); in_user_namespace($all) }],
	[['namespaces'], 'setns is forbidden', 'setns'],
	[['devices'], 'no /dev/full', \&few_devices],
	[[qw/sockets syscalls/], 'seccomp is forbidden', 'seccomp'],
	[['capabilities'], 'capset is forbidden', 'capset'],
	[['uids'], 'a few uids', sub {
		in_user_namespace("0 0 1000\n", $NEWPID, \&own_proc) }],
	[[qw/memory processes cpu/], 'no control groups', \&without_cgroups],
	[['rlimits'], 'core dumps into a pipe', \&piped_cores,
		'sh', '-c', 'ulimit -c 0; exec setpriv --bounding-set '
		. '-sys_resource "$@"', 'sh'],
);

# One of them, where it is a hierarchy of its own

push @missing, [['memory'], 'memory is read-only', sub {
	private_mounts();
	system('mount -o remount,bind,ro /sys/fs/cgroup/memory') == 0
		or die 'mount';
}] if -e '/sys/fs/cgroup/memory/memory.limit_in_bytes';

my %dispensable = map { $_ => 1 } qw/memory processes cpu rlimits/;

sub leaves_nothing ($name) {
	ok(!-e $t->socket('check'), "$name: no socket is left");
	my @cgroups = $t->cgroups;
	ok("@cgroups" eq $before, "$name: no control groups");
	rmdir for reverse sort @cgroups;
	unlink $t->socket('check');
}

# Serves, spoiled; what it says, and its STATE and an answer if it gets so far

sub serve ($prepare, @args) {
	my $log = $t->dir . '/serve.log';
	my ($state, $hello);

	unlink $log;
	my $pid = fork // die "fork: $!";

	if (!$pid) {
		POSIX::setsid();
		open STDIN, '<', '/dev/null';
		open STDERR, '>', $log;
		eval { ref $prepare ? $prepare->() : deny($prepare); 1 }
			or print STDERR "spoiling failed: $@";
		exec @args or POSIX::_exit(126);
	}

	my $status;
	my $ended = sub {
		$status = $? if !defined $status && waitpid($pid,
			POSIX::WNOHANG) == $pid;
		return defined $status;
	};

	wait_until(30, sub { $ended->()
		|| $t->read_file('serve.log') =~ /\bready\b/ });

	if (!defined $status) {
		$hello = say_hello('check');
		$state = eval { $t->state('check') };
		kill TERM => $pid;
		wait_until(10, $ended) or kill KILL => -$pid;
	}

	return (($status // 0) >> 8, $t->read_file('serve.log'), $hello,
		{ map { $_->{name} => $_->{state} } @{ $state->{layers} // [] } });
}

for my $case (@missing) {
	my ($gone, $name, $prepare, @wrap) = @$case;
	my %gone = map { $_ => 1 } @$gone;
	my @command = (@wrap, $daemon);

	my ($code, $out, $err) = run($prepare, @command, '--check', '-c',
		conf('check'));
	my $lines = lines($out);

	is($code, 1, "$name: --check fails") || diag($out, $err);
	like($lines->{$_}, qr/^FAIL +\S.*\. Remedy: \S.*\.$/,
		"$name: $_ fails, with a remedy") for @$gone;
	is(join(' ', grep { ($lines->{$_} // 'FAIL') =~ /^FAIL/ && !$gone{$_} }
		@names), '', "$name: nothing else fails") || diag($out);
	leaves_nothing("$name, --check");

	($code, $err) = serve($prepare, @command, '-c', conf('check'));
	is($code, 1, "$name: does not start") || diag($err);
	is(scalar(() = $err =~ /the layer "\Q$_\E" is missing: .+; .+/g), 1,
		"$name: says once that $_ is missing") || diag($err) for @$gone;
	leaves_nothing("$name, refused");

	# allowed, one by one: all of them are needed

	if (@$gone > 1) {
		($code, $err) = serve($prepare, @command, '-c',
			conf('check', { allow_missing => [$gone->[0]] }));
		is($code, 1, "$name: allowing one of them is not enough");
		unlike($err, qr/the layer "$gone->[0]" is missing.*allow_missing/,
			"$name: the other ones are said");
	}

	my $allowed = conf('check', { allow_missing => $gone });
	($code, $out, $err) = run($prepare, @command, '--check', '-c',
		$allowed);
	$lines = lines($out);
	like($lines->{$_}, qr/^FAIL .*\(allow_missing\)/,
		"$name: $_ is missing, and may be") for @$gone;

	my ($code2, $log, $hello, $state) = serve($prepare, @command, '-c',
		$allowed);

	if (grep { !$dispensable{$_} } @$gone) {
		is($code, 1, "$name: there is no way without: --check");
		is($code2, 1, "$name: nor does it start");
		like($log, qr/the layer "$_" is missing.* no way without it/,
			"$name: says so of $_") for @$gone;

	} else {
		is($code, 0, "$name: allowed: --check") || diag($out, $err);
		is($code2, 0, "$name: starts when allowed") || diag($log);
		is($hello, "42\n", "$name: and runs");
		like($log, qr/warning: running without the layer "$_": \S/,
			"$name: warns of $_") for @$gone;
		is(join(' ', sort grep { $state->{$_} eq 'missing'
			&& !$optional{$_} } keys %$state), join(' ', sort @$gone),
			"$name: STATE says what is missing");
	}

	leaves_nothing("$name, allowed");
}

# Switched off in the configuration: the same as naming the three

my ($log, $hello, $state);

{
	local $program = <<~'EOP';
		import os, time
		n = 1
		try:
		    while n < 500:
		        if os.fork() == 0: time.sleep(9); os._exit(0)
		        n += 1
		except OSError: print(n)
		try: bytearray(1 << 30)
		except MemoryError: print('MemoryError')
		EOP

	($code, $log, $hello, $state) = serve($nothing, $daemon, '-c',
		conf('check', { cgroup => '' }));
}

is($code, 0, 'cgroup = "": starts') || diag($log);
like($hello, qr/^6\d\nMemoryError\n\z/,
	'cgroup = "": what still holds, see SECURITY.md');
is(join(' ', sort grep { $state->{$_} eq 'missing' && !$optional{$_} }
	keys %$state), 'cpu memory processes', 'cgroup = "": STATE');
is(scalar(() = $log =~ /running without the layer "(?:cpu|memory|processes)"/g),
	3, 'cgroup = "": warns');
($code, $out) = check($nothing, { cgroup => '' });
is($code, 0, 'cgroup = "": --check') || diag($out);
like(lines($out)->{memory}, qr/^FAIL .*switched off.*\(allow_missing\)/,
	'cgroup = "": its line');

# Naming what is there, or no layer at all

($code, $log, $hello) = serve($nothing, $daemon, '-c',
	conf('check', { allow_missing => [@names] }));
is($hello, "42\n", 'allow_missing: naming what is there is allowed');
unlike($log, qr/warning/, 'and nothing to warn of');
($code, $out, $err) = run($nothing, $daemon, '-t', '-c',
	conf('check', { allow_missing => ['sockets', 'cgroups'] }));
isnt($code, 0, 'allow_missing: no layer');
like($err, qr/check\.conf:\d+: "cgroups" in "allow_missing" is no layer/,
	'says which');

###############################################################################

# What only a debugger can take away: the file that forbids user namespaces in
# a jail, and a Landlock that is there and does not work

SKIP: {
	skip 'no strace', 1 if !grep { -x "$_/strace" } split /:/, $ENV{PATH};

	my @strace = (qw/strace -f -qq -o/, $t->dir . '/strace');
	my @nest = (@strace, qw{-P /proc/sys/user/max_user_namespaces -e},
		'inject=openat:error=EACCES', $daemon);

	($code, $out, $err) = run($nothing, @nest, '--check', '-c',
		conf('check'));
	is($code, 1, 'nested namespaces: --check fails');
	like(lines($out)->{'nested-namespaces'},
		qr/^FAIL .*max_user_namespaces: .*\. Remedy/,
		'nested namespaces: its line') || diag($out, $err);
	like(lines($out)->{sockets}, qr/^PASS/, 'the others are attacked');
	($code, $log) = serve($nothing, @nest, '-c', conf('check'));
	is($code, 1, 'nested namespaces: does not start');
	like($log, qr/the layer "nested-namespaces" is missing: .+; .+/,
		'nested namespaces: says so');
	($code, $log, $hello, $state) = serve($nothing, @nest, '-c',
		conf('check', { allow_missing => ['nested-namespaces'] }));
	is($hello, "42\n", 'nested namespaces: runs when allowed')
		|| diag($log);
	is($state->{'nested-namespaces'}, 'missing', 'STATE says so');

	# Older versions of Landlock: codeexecd asks once, and the kernel goes
	# on to take what an older program would have asked for.

	for my $abi (grep { $_ < $landlock } 1, 2, 3, 4, 6) {
		($code, $out, $err) = run($nothing, qw/strace -qq -o/,
			$t->dir . '/strace', '-e', 'inject='
			. "landlock_create_ruleset:retval=$abi:when=1",
			$daemon, '--check', '-c', conf('check'));
		is($code, 0, "Landlock $abi: --check passes") || diag($out, $err);
		like(lines($out)->{landlock}, $abi < 2 ? qr/^SKIP .*too old/
			: qr/^PASS +ABI $abi\b/, "Landlock $abi: its line");
	}

	# Builders that take their time to change the uid, and nobody who may
	# trace them meanwhile, as in a container

	my @slow = (@strace, qw/-e trace=setresuid -e
		inject=setresuid:delay_exit=200000 setpriv --bounding-set
		-sys_ptrace/, $daemon);

	($code, $log, $hello) = serve($nothing, @slow, '-c', conf('check'));
	is($hello, "42\n", 'slow builders: runs') || diag($log);
	unlike($log, qr/warning/, 'slow builders: nothing to warn of');
}

$t->done_testing;
