#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Each call on the way from an empty slot to user code fails once.  Whatever
# then runs has every layer, seen from inside and from outside; or the client
# is told that nothing ran; and afterwards all is as before.
#
# The calls are found by tracing one start of a builder and one run, in a build
# of the sandbox whose calls into libc go through t/faults/faults.c.  (A shim to
# be preloaded does not reach the static builder; a tracer that injects errors
# changes how processes end and is a hundred times slower.)
#
# CODEEXEC_FAULTS_ALL=1: every error for each, the last of several calls at one
# place, too, and errors that last.  That takes half an hour.

use v5.36;

use Errno qw/EAGAIN EINTR ENOMEM ENOSPC EPERM/;
use POSIX ();
use Test::More;
use Time::HiRes qw/sleep time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Faults;
use Test::Codeexec::Process;
use Test::Codeexec::Real;

plan(skip_all => 'not with sanitisers') if $ENV{CODEEXEC_STATIC};

my $all = $ENV{CODEEXEC_FAULTS_ALL};

$ENV{CODEEXEC_TIMEOUT} //= $all ? 7200 : 600;
alarm $ENV{CODEEXEC_TIMEOUT};

my $t = Test::Codeexec::Real->new->has(qw/root daemon make gcc addr2line/);
my $build = "$Test::Codeexec::ROOT/build/faults";
my $number = { x86_64 => { setns => 308, unshare => 272, read => 0 },
	aarch64 => { setns => 268, unshare => 97, read => 63 } }->{(POSIX::uname())[4]}
	// plan(skip_all => 'not on this architecture');
my $NEWUSER = 0x10000000;

# What others mount meanwhile is not ours.

syscall($number->{unshare}, 0x20000) == 0
	&& system('mount --make-rprivate /') == 0 or BAIL_OUT('mounts');

system("make -s -C $Test::Codeexec::ROOT faults >@{[ $t->dir ]}/make.log 2>&1")
	== 0 or BAIL_OUT($t->read_file('make.log'));

my $faults = Test::Codeexec::Faults->new($t->dir . '/codeexec-faults', $build);

$Test::Codeexec::DAEMON = "$build/codeexecd";
$ENV{CODEEXEC_FAULTS} = $faults->file;
$ENV{CODEEXEC_LIBRARY} = $build;

my $conf = { runs => 1, queue_timeout => '2s',
	runtime => { python => { tier => { base => { spare => 1 } } } } };

# What is right: the output of a run, a parked one from outside, what is open

my ($good, $seen, $use);

###############################################################################

# What a run has, as it says itself

my $report = <<'EOP';
import os, re, resource, socket
for line in open('/proc/self/status'):
    if line.split(':')[0] in ('Uid', 'Gid', 'Groups', 'CapInh', 'CapPrm',
            'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp',
            'Seccomp_filters', 'Threads', 'SigBlk', 'SigIgn'):
        print(line.strip())
for name in sorted(n for n in dir(resource) if n.startswith('RLIMIT_')):
    print(name, resource.getrlimit(getattr(resource, name)))
print(*sorted(re.sub(r'id=\d+', 'id=', ' '.join(line.split()[4:]))
              for line in open('/proc/self/mountinfo')), sep='\n')
print({line.strip().split(':', 2)[2] for line in open('/proc/self/cgroup')})
for name in 'uid_map', 'gid_map', 'oom_score_adj':
    print(name, open('/proc/self/' + name).read().split()[0::2])
print(os.getpid(), os.getppid(), os.getsid(0), os.getcwd(), os.umask(0))
print(sorted(os.listdir('/proc/self/fd')), os.uname().nodename)
print(sorted(os.listdir('/')), sorted(os.listdir('/home')), os.listdir())
for path in '/home', '/home/user', '/home/tmp', '/home/shm', '/dev/null':
    st = os.stat(path)
    print(path, oct(st.st_mode), st.st_uid, st.st_gid)
for what in (lambda: socket.socket(socket.AF_INET),
             lambda: open('/etc/x', 'w'), lambda: os.kill(3, 0), lambda: os.unshare(0x10000000)
             if hasattr(os, 'unshare') else os.setuid(0)):
    try: print(what())
    except OSError as error: print(error)
EOP

# And a parked one, as the host sees it; what differs between any two is
# compared with what it has to be.

sub run_of ($pid) {
	return (readlink("/proc/$pid/fd/1") // '') =~ /^pipe:/;
}

sub text ($pid, $file) {
	return Test::Codeexec::Process::slurp("/proc/$pid/$file");
}

# Whether root of its user namespace could make another one, as errno.

sub nesting ($pid) {
	pipe my $in, my $out;
	my $child = fork // die "fork: $!";

	if (!$child) {
		open my $ns, '<', "/proc/$pid/ns/user" or POSIX::_exit(1);
		syscall $number->{setns}, fileno $ns, $NEWUSER;
		my $rc = syscall $number->{unshare}, $NEWUSER;
		syswrite $out, $rc == 0 ? 'made' : "$!";
		POSIX::_exit(0);
	}

	close $out;
	my $said = <$in> // 'nothing';
	waitpid $child, 0;
	return $said;
}

sub look ($pid) {
	my $status = Test::Codeexec::Real::status($pid);
	my ($uid) = split ' ', $status->{Uid} // return '';
	my $slot = $uid - $t->base_uid - 1;
	my @seen = (nesting($pid));

	push @seen, map { "$_ " . ($status->{$_} // '') =~ s/\b$uid\b/UID/gr }
		qw/Uid Gid Groups CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs
		Seccomp Seccomp_filters Threads SigBlk SigIgn/;
	push @seen, sort map { s/^\d+:(.*)slot-$slot$/$1SLOT/ ? $_ : () }
		split /\n/, text($pid, 'cgroup');
	push @seen, text($pid, 'limits'), text($pid, 'oom_score_adj'),
		map({ s/=$uid\b/=UID/gr } sort map { s/^(?:\S+ ){4}//r }
			split /\n/, text($pid, 'mountinfo')),
		map({ readlink("/proc/$pid/$_") // '' } qw/cwd root/),
		map { s/\d+/N/gr } map { readlink } glob "/proc/$pid/fd/*";

	my $outer = Test::Codeexec::Real::namespaces($$);
	my $zygote = Test::Codeexec::Real::namespaces(($t->zygotes)[0] // $$);
	my $own = Test::Codeexec::Real::namespaces($pid);

	push @seen, "shares $_" for grep { $own->{$_} eq $outer->{$_}
		|| $own->{$_} eq $zygote->{$_} } sort keys %$own;
	return join "\n", @seen;
}

###############################################################################

# A daemon at rest has one run parked and no other process.

sub at_rest {
	my $s = eval { $t->state } // return;
	my $tier = $s->{runtimes}[0]{tiers}[0];

	return !$s->{running} && !$s->{queued} && $tier->{parked} == 1
		&& descendants($t->daemon_pid) == 5;
}

# The builder, the zygote, an init, a run and its keeper

sub processes {
	my $pid = $t->daemon_pid // return {};
	return { map { $_ => 1 } grep { text($_, 'stat') =~ /\) [^ZX]/ }
		$pid, descendants($pid), $t->jailed };
}

sub rest ($timeout = 20) { return wait_until($timeout, \&at_rest) }

# The fault may be in what a builder, a zygote or a slot keeps open.

sub used {
	my $pid = $t->daemon_pid;

	return (daemon => descriptors($pid), builder =>
		descriptors($t->builder // 0), zygote =>
		descriptors(($t->zygotes)[0] // 0), mounts => mounts(),
		cgroups => scalar(my @c = $t->cgroups));
}

# The least of a while: what lingers is none of it.

sub note_use {
	my %least;

	for (1 .. 10) {
		my %now = used();
		$least{$_} = $now{$_} for grep { !defined $least{$_}
			|| $now{$_} < $least{$_} } keys %now;
		sleep 0.01;
	}

	return \%least;
}

sub leaks {
	my %now = used();
	return map { "leaks $_: $use->{$_}, now $now{$_}" }
		grep { $now{$_} > $use->{$_} } sort keys %now;
}

sub job ($id) {
	my $socket = eval { $t->dial } // return { type => 'no connection' };

	$socket->syswrite(Test::Codeexec::Real::job_frames($report, id => $id,
		timeout_ms => 5000));
	IO::Select->new($socket)->can_read(10)
		or return { type => 'no answer' };
	return Test::Codeexec::Real::read_answer($socket) // { type => 'end' };
}

# Slots and their networks are used, so that nothing is opened later.

sub start_daemon {
	$t->run_daemon(conf => $conf);
	rest() or BAIL_OUT('does not come to rest');

	for (1 .. 3) {
		job("warm-$_");
		rest();
	}
}

###############################################################################

# Which calls there are, and what is right

$faults->trace(1);
start_daemon();
$faults->sites;


$good = job('trace');
rest() or BAIL_OUT('does not come to rest');
my @run = $faults->sites;

kill KILL => $t->builder;
wait_until(5, sub { !at_rest() });
rest() or BAIL_OUT('does not come to rest');
my @start = $faults->sites;

for (1 .. 3) {
	is(job("again-$_")->{stdout}, $good->{stdout}, 'runs are alike');
	rest();
}

$faults->trace(0);
$seen = look((grep { run_of($_) } $t->jailed)[0]);
$use = note_use();

like($good->{stdout}, qr/^CapBnd:\t0{16}$/m, 'a run reports')
	|| diag(explain($good));
like($seen, qr/^No space left on device$/m, 'no nesting');
unlike($seen, qr/^shares/m, 'namespaces of its own');

# What comes after user code has begun, or after a builder: its output, answers,
# and killing and reaping, which fail for nobody who may do it.  The keeper's
# one read() is all that it does for the rest of its life; see README.md for
# what follows if that ends.

sub is_after ($site) {
	return $site->{source} =~ /^(?:result|collect|oom|state|strays)\.c$/
		|| $site->{name} =~ /<\s(?:slot_reap|slot_kill|process_bury
			|orphan_exited|read_output)\b/x
		|| $site->{call} eq "syscall($number->{read})";
}

my %in_run = map { $_->{key} => 1 } @run;

@run = grep { !is_after($_) } @run;
@start = grep { !$in_run{ $_->{key} } && !is_after($_) } @start;
cmp_ok(scalar @run, '>', 80, 'calls of a run: ' . @run);
cmp_ok(scalar @start, '>', 60, 'calls of a start: ' . @start);

###############################################################################

# An answer that is right, or that says that nothing was run

sub is_right ($answer) {
	return $answer->{type} eq 'RESULT' && $answer->{status} eq 'ok'
		&& $answer->{stdout} eq $good->{stdout}
		&& $answer->{stderr} eq '';
}

# A run that was killed before its program began, by itself, has no output.

sub is_refusal ($answer) {
	return $answer->{type} =~ /^(?:BUSY|end|no connection)$/
		|| $answer->{type} eq 'RESULT' && $answer->{status} ne 'ok'
		&& "$answer->{stdout}$answer->{stderr}" eq '';
}

sub log_of { return $t->read_file('codeexec.log') }

# codeexecd may give up, if it says why, and then leaves nothing.

sub gone ($log) {
	my $daemon = $t->{daemon}{codeexec} // return 1;

	return if waitpid($daemon->{pid}, POSIX::WNOHANG) == 0;

	my $code = $? >> 8;
	my @pids = grep { $_ != $daemon->{pid} } keys %{ processes() };

	delete $t->{daemon}{codeexec};
	$faults->disarm;

	my $said = substr log_of(), $log;
	my @wrong;
	push @wrong, "exit status $?" if $code == 0 || $? & 127;
	push @wrong, 'says nothing' if $said !~ /fatal: |refused: |can't/;
	push @wrong, 'leaves processes'
		if !wait_until(5, sub {
			waitpid $_, POSIX::WNOHANG for @pids;
			!grep { -e "/proc/$_" } @pids;
		});
	rmdir for reverse sort $t->cgroups;
	start_daemon();
	return \@wrong;
}

# What is wrong after a fault, if anything

sub after ($log, $answers, $may_fail) {
	my (@wrong, $gone, $pid);

	push @wrong, map { "an answer: " . explain_answer($_) }
		grep { !is_right($_) && !is_refusal($_) && !$may_fail->($_) }
		@$answers;

	my $rest = wait_until(20, sub { ($gone = gone($log)) || at_rest() });

	$faults->disarm;

	if ($gone) {
		$use = note_use();
		return (@wrong, @$gone);
	}

	if (!$rest) {
		push @wrong, 'no rest: ' . join '; ', map { cmdline($_) }
			keys %{ processes() };
		$t->kill_daemon;
		rmdir for reverse sort $t->cgroups;
		start_daemon();
		$use = note_use();
		return @wrong;
	}

	($pid) = grep { run_of($_) } $t->jailed;
	push @wrong, 'parked, but: ' . difference($seen, look($pid))
		if look($pid) ne $seen;

	my $answer = job('after');
	push @wrong, 'then: ' . explain_answer($answer) if !is_right($answer);
	rest() or push @wrong, 'no rest later';
	keys %{ processes() } == 6 or push @wrong, 'strays';
	my @leaks;
	wait_until(2, sub { !(@leaks = leaks()) });
	return @wrong, @leaks;
}

sub difference ($one, $two) {
	my %in = map { $_ => 1 } split /\n/, $one;
	my %has = map { $_ => 1 } split /\n/, $two;

	return join '; ', (map { "+ $_" } grep { !$in{$_} } sort keys %has),
		map { "- $_" } grep { !$has{$_} } sort keys %in;
}

sub explain_answer ($answer) {
	my $said = join ' ', map { "$_=" . ($answer->{$_} // 'null') }
		grep { !ref $answer->{$_} && !/^std/ } sort keys %$answer;

	return "$said: " . difference($good->{stdout}, $answer->{stdout} // '')
		. ' ' . ($answer->{stderr} // '');
}

my %name = (EPERM, 'EPERM', ENOMEM, 'ENOMEM', EAGAIN, 'EAGAIN',
	EINTR, 'EINTR');

sub try ($site, $error, $times, $skip, $trigger) {
	my $log = length log_of();
	my @answers;

	$faults->arm($site, $error, $times, $skip);

	if ($trigger eq 'run') {
		push @answers, job('fault');
	} else {
		kill KILL => $t->builder // ();
	}

	my $hit = wait_until(10, sub { $faults->hits });
	push @answers, map { job("more-$_") } 1 .. 2 if $times > 1;

	# Jobs that waited in vain may have left more runs than are spare.

	if ($times > 1) {
		$faults->disarm;
		job('surplus') if !rest(5);
	}

	# Nobody answers who can't accept a connection.

	my @wrong = after($log, \@answers, sub ($answer) {
		return $times > 1 && $site->{call} eq 'accept4'
			&& $answer->{type} eq 'no answer';
	});

	push @wrong, 'not reached' if !$hit;
	ok(!@wrong, "$name{$error}" . ($times > 1 ? ' for a while' : '')
		. ($skip ? ', the last' : '') . ", $site->{name}")
		|| diag(map({ "$_\n" } @wrong), substr log_of(), $log);
}

# What could not be set back once is not asked for again.

sub afresh ($site) {
	return if $site->{name} !~ /: pwrite at .* < cgroup_begin/;

	$t->stop_daemon;
	start_daemon();
	$use = note_use();
}

# In turn, so that each error is met by many of the calls

my @errors = (EPERM, ENOMEM, EAGAIN, EINTR);
my $n = 0;
my $only = $ENV{CODEEXEC_FAULTS_ONLY};

for my $case ((map { [$_, 'run'] } @run), map { [$_, 'start'] } @start) {
	my ($site, $trigger) = @$case;

	next if $only && $site->{name} !~ /$only/;

	if (!$all) {
		try($site, $errors[$n++ % @errors], 1, 0, $trigger);
		next;
	}

	try($site, $_, 1, 0, $trigger), afresh($site) for @errors;

	# Those who looked whether all is at rest had connections, too.

	try($site, EPERM, 1, $site->{count} - 1, $trigger)
		if $site->{count} > 1
		&& $site->{name} !~ /< listener_readable|: read at client/;
	try($site, $_, 1_000_000, 0, $trigger), afresh($site)
		for EPERM, EAGAIN;
}

$faults->disarm;
$t->done_testing;
