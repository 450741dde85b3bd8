#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# What codeexecd cannot start with: it says so in one line, exits, and leaves
# nothing.  Missing layers are in t/53-check.t.

use v5.36;

use POSIX ();
use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Process;
use Test::Codeexec::Real;

$ENV{CODEEXEC_TIMEOUT} //= 180;
alarm $ENV{CODEEXEC_TIMEOUT};

my $t = Test::Codeexec::Real->new->has('root', 'daemon');
my $dir = $t->dir;
my $unshare = { x86_64 => 272, aarch64 => 97 }->{(POSIX::uname())[4]}
	// plan(skip_all => 'not on this architecture');
my $log = "$dir/start.log";
my $mounts = mounts();

my $base = { runs => 1, runtime => { python => { tier => { base => {
	spare => 1 } } } } };

sub private_mounts {
	syscall($unshare, 0x20000) == 0 or die "unshare: $!";
	system('mount --make-rprivate /') == 0 or die 'mount';
}

sub run_daemon ($prepare, $change, @before) {
	my $file = $t->write_file('start.conf',
		$t->conf_text('start', $base, $change));

	unlink $log;
	my $pid = fork // die "fork: $!";

	if (!$pid) {
		open STDIN, '<', '/dev/null';
		open STDERR, '>', $log;
		open STDOUT, '>&', \*STDERR;
		$prepare->();
		exec @before, $Test::Codeexec::DAEMON, '-c', $file
			or POSIX::_exit(127);
	}

	my $ended = wait_until(20, sub { waitpid($pid, POSIX::WNOHANG) });
	my $status = $?;

	if (!$ended) {
		kill TERM => $pid;
		waitpid $pid, 0;
	}

	return $ended ? $status : -1;
}

sub refuses ($name, $prepare, $change, $pattern, @before) {
	my $status = run_daemon($prepare, $change, @before);
	my @lines = split /\n/, $t->read_file('start.log');

	ok($status > 0 && ($status & 127) == 0, "$name: exits")
		|| diag("status $status\n", map { "$_\n" } @lines);
	is(scalar(grep { $_ =~ $pattern } @lines), 1, "$name: one line says why")
		|| diag(map { "$_\n" } @lines);
	cmp_ok(scalar @lines, '<', 5, "$name: and there are few others");
	is(join(' ', $t->cgroups), '', "$name: no control groups");
	ok(!-e $t->socket('start'), "$name: no socket");
	is(mounts(), $mounts, "$name: no mounts");
}

my $nothing = sub { };

mkdir "$dir/closed";
mkdir "$dir/rootfs";
mkdir "$dir/rootfs/usr";
mkdir "$dir/library";
$t->write_file('plain', 'a file');
chmod 0500, "$dir/closed";
chown 1, 1, "$dir/closed";

refuses('a read-only directory of the socket', sub {
		private_mounts();
		system("mount --bind $dir/closed $dir/closed && mount "
			. "-o remount,bind,ro $dir/closed") == 0 or die 'mount';
	}, { listen => ["unix:$dir/closed/socket"] },
	qr{fatal: .*closed/socket.*Read-only file system});
refuses('a directory that is a file', $nothing,
	{ listen => ["unix:$dir/plain/socket"] },
	qr{fatal: .*plain/socket.*Not a directory});
refuses('a file where the socket shall be', $nothing,
	{ listen => ["unix:$dir/plain"] }, qr{fatal: .*/plain\b});
is($t->read_file('plain'), 'a file', 'and the file is left alone');
refuses('a directory that it may not write to', $nothing,
	{ listen => ["unix:$dir/closed/socket"] },
	qr{fatal: .*closed/socket.*Permission denied},
	qw/setpriv --bounding-set -dac_override/);
refuses('few descriptors', $nothing, { runs => 200 }, qr{fatal: setrlimit\(RLIMIT_NOFILE, \d+\)},
	'sh', '-c', 'ulimit -n 256; exec setpriv --bounding-set '
	. '-sys_resource "$@"', 'sh');
refuses('no rootfs', $nothing, { rootfs => "$dir/no-rootfs" },
	qr{start.conf:\d+: "rootfs": No such file});
refuses('a rootfs without an interpreter', $nothing,
	{ rootfs => "$dir/rootfs" }, 
	qr{the interpreter "/usr/bin/python3": No such file});
refuses('no library', $nothing, { library => "$dir/no-library" },
	qr{no-library});
refuses('a library without a builder', $nothing,
	{ library => "$dir/library" }, qr{fatal: execve\(.*codeexec-builder});

$t->done_testing;
