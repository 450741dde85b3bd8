#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# codeexecd --check is worth what it finds: sandboxes that were broken on
# purpose, one line of the sources each, and what it says of them.

use v5.36;

use POSIX ();
use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Process;
use Test::Codeexec::Real;

plan(skip_all => 'not with sanitisers') if $ENV{CODEEXEC_STATIC};

$ENV{CODEEXEC_TIMEOUT} //= 300;
alarm $ENV{CODEEXEC_TIMEOUT};

my $t = Test::Codeexec->new->has(qw/root daemon make gcc/);
my $root = $Test::Codeexec::ROOT;
my $tree = $t->dir . '/tree';

# A copy with what was compiled of it, so that only the mutants are.

system("mkdir -p $tree/build && cp -a $root/Makefile $root/sandbox $tree/ "
	. "&& cp -a $root/build/obj $root/build/python $root/build/codeexecd "
	. "$root/build/codeexec-builder $tree/build/") == 0
	or plan(skip_all => 'nothing was built here');
chmod 0755, $tree;

my $node = -e "$root/build/node/codeexec.node";
system('cp', '-a', "$root/build/node", "$tree/build/") if $node;

my @targets = map { "build/$_" } qw{codeexecd codeexec-builder
	python/_codeexec.abi3.so}, $node ? 'node/codeexec.node' : ();

# Mutants may leave something unused.

sub build {
	return system("make -s -C $tree WARN=-w @targets >$tree/log 2>&1") == 0;
}

sub edit ($file, $from, $to) {
	my $path = "$tree/sandbox/$file";
	my $text = Test::Codeexec::Process::slurp($path);

	(my $changed = $text) =~ s/\Q$from\E/$to/ or return;
	put($path, $changed);
	return sub { put($path, $text) };
}

sub put ($path, $text) {
	open my $fh, '>', $path or die "$path: $!";
	print $fh $text;
	close $fh or die "$path: $!";
}

my $conf = $t->write_file('check.conf', Test::Codeexec::Real::conf_text($t,
	'check', {
		runs => 1, limits => { memory => '128mb' },
		library => "$tree/build",
		runtime => { python => { tier => { base => { spare => 1 } } } },
	}));

# The same with Node.js alone, whose attacks are others.

my $node_conf = $t->write_file('node.conf',
	Test::Codeexec::Process::slurp($conf)
	=~ s{^runtime python }{runtime nodejs }mr
	=~ s{^(    interpreter = )".*"}{    kind = "node"\n$1"/usr/bin/node"}mr
	=~ s/"128mb"/"256mb"/r);

my %node_finds = map { $_ => 1 }
	("the host's /var", 'a device too many', 'all of /proc', 'many files',
	'no limits', 'a file too many', 'other sockets', 'ptrace',
	'another architecture', 'memory without a limit', 'no Landlock');

sub check ($conf = $conf) {
	my $out = `timeout 60 $tree/build/codeexecd --check -c $conf </dev/null 2>$tree/err`;
	my $code = $? >> 8;

	return ($code, $out, Test::Codeexec::Process::slurp("$tree/err"));
}

build() or BAIL_OUT('cannot be built: ' . Test::Codeexec::Process::slurp(
	"$tree/log"));

my ($code, $out, $err) = check();
is($code, 0, 'the original passes') || diag($out, $err);
if ($node) {
	($code, $out, $err) = check($node_conf);
	is($code, 0, 'and for Node.js') || diag($out, $err);
	unlike($out, qr/not attacked/, 'which attacks all of it');
	unlike($err, qr/has no attacks/, 'by itself');
}

my $landlock = $out =~ /^landlock +PASS +ABI (\d+)/m ? $1 : 0;

# Name; file, what stands there, what shall; lines of the output or of stderr

my @mutants = (
	['a root that can be written to', 'template.c',
		'mount(NULL, ".", NULL, MS_REMOUNT | MS_BIND | RO, NULL)',
		'mount(NULL, ".", NULL, MS_REMOUNT | MS_BIND | MS_NOSUID'
		. ' | MS_NODEV, NULL)', qr/^root +FAIL .*writable/m],
	['set-user-id programs', 'template.c',
		'(MS_RDONLY | MS_NOSUID | MS_NODEV)',
		'(MS_RDONLY | MS_NODEV)', qr/^root +FAIL .*not nosuid/m],
	['device nodes anywhere', 'template.c',
		'(MS_RDONLY | MS_NOSUID | MS_NODEV)',
		'(MS_RDONLY | MS_NOSUID)', qr/^devices +FAIL .*may have devices/m],
	["the host's /var", 'template.c', '"bin", "sbin"', '"var", "sbin"',
		qr/^root +FAIL .*reading .*\/var/m],
	['a device too many', 'template.c', '{ "null",    1, 3 },',
		'{ "null", 1, 3 }, { "kmsg", 1, 11 },',
		qr{^devices +FAIL .*/dev/kmsg}m],
	['all of /proc', 'jail.c', '"subset=pid,hidepid=invisible"',
		'"hidepid=invisible"', qr/^proc +FAIL .*all of it/m],
	['a large disk', 'jail.c', 'size=%llu,nr_inodes=%u"',
		'size=%llu0,nr_inodes=%u"', qr/^disk +FAIL .*bytes were written/m],
	['many files', 'jail.c', 'size=%llu,nr_inodes=%u"',
		'size=%llu,nr_inodes=%u0"', qr/^disk +FAIL .*files were made/m],
	['one network for all', 'jail.c',
		'? enter_network(b, request->slot)', '? NULL',
		qr/^namespaces +FAIL .*net namespace .*another run's/m],
	['the ipc of the pen', 'jail.c', 'CLONE_NEWNS | CLONE_NEWIPC',
		'CLONE_NEWNS', qr/^namespaces +FAIL .*ipc namespace/m],
	['nested namespaces', 'jail.c',
		'request->may_nest ? NULL : forbid_nesting()', 'NULL',
		qr/^nested-namespaces +FAIL .*made from outside/m],
	['a uid for all', 'runtime.c', 'shared_uid ? 0 : slot->index + 1', '1',
		qr/not locked down/],
	['capabilities', 'lockdown.c', 'if (privileges_drop() != 0)',
		'if (0)', qr/not locked down/],
	['no filter', 'lockdown.c', 'syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, filter)',
		'(filter == NULL)', qr/not locked down/],
	['no control groups', 'lockdown.c', 'i < nfds', 'i < nfds * 0',
		qr/not locked down/],
	['no limits', 'lockdown.c',
		'(step = set_limits(request)) == NULL',
		'(step = NULL) == NULL', qr/^rlimits +FAIL /m],
	['a file too many', 'lockdown.c', 'request->open_files }',
		'request->open_files + 1 }', qr/^rlimits +FAIL .*NOFILE/m],
	['other sockets', 'filter.c', 'local_sockets[] = { AF_UNIX }',
		'local_sockets[] = { AF_UNIX, AF_VSOCK }',
		qr/^sockets +FAIL .*socket/m],
	['ptrace', 'filter.c', '{ SCMP_SYS(ptrace), EPERM },',
		'{ SCMP_SYS(ptrace), ESRCH },', qr/^syscalls +FAIL .*ptrace/m],
	['a call that is let through', 'filter.c', 'SCMP_SYS(access),',
		'SCMP_SYS(access), SCMP_SYS(inotify_init1),',
		qr/^syscalls +FAIL .*inotify_init1/m],
	['another architecture', 'filter.c', 'SCMP_ACT_KILL_PROCESS)',
		'SCMP_ACT_ALLOW)', qr/^syscalls +FAIL .*architecture/m],
);

push @mutants, ['memory without a limit', 'cgroup.c',
		'"memory.limit_in_bytes", l->memory)',
		'"memory.limit_in_bytes", l->memory * 8)',
		qr/^memory +FAIL .*wanted/m]
	if -e '/sys/fs/cgroup/memory';

push @mutants, ['no Landlock', 'lockdown.c', 'landlock_confine(request->landlock) == 0',
	'(1 || landlock_confine(request->landlock) == 0)', qr/^landlock +WARN .*keeper/m]
	if $landlock >= 6;

for my $mutant (@mutants) {
	my ($name, $file, $from, $to, $pattern) = @$mutant;
	my $restore = edit($file, $from, $to);

	ok($restore, "$name: there is such a line") or next;

	if (build()) {
		($code, $out, $err) = check();
		is($code, $pattern =~ /WARN/ ? 0 : 1, "$name: exit code")
			|| diag($out, $err);
		like("$out$err", $pattern, "$name: is found");

		if ($node && $node_finds{$name}) {
			($code, $out, $err) = check($node_conf);
			like("$out$err", $pattern, "$name: Node.js finds it, too");
		}
	} else {
		fail("$name: can be built");
		diag(Test::Codeexec::Process::slurp("$tree/log"));
	}

	$restore->();
}

$t->done_testing;
