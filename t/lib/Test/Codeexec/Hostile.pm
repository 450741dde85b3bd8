package Test::Codeexec::Hostile;

# Copyright (C) The codeexec authors.

# Runs the cases of a file in t/hostile: each is a program that means harm.  It
# must end in exactly the way that is written there, and must leave everything
# as it was.

use v5.36;

use Digest::SHA qw/sha256_hex/;
use JSON::PP ();
use Test::More;
use Time::HiRes qw/time/;

use Test::Codeexec;
use Test::Codeexec::Canary;
use Test::Codeexec::Process;
use Test::Codeexec::Real;

# A busy machine takes its time.

$ENV{CODEEXEC_TIMEOUT} // alarm 240;

our $PATIENCE = 10;
our $DIR = "$Test::Codeexec::ROOT/t/hostile";

# What every case finds, unless its file says "conf name value".

my %conf = (
	runs => 3,
	limits => {
		memory => '128mb', disk => '16mb', processes => 40,
		output => '100kb', files => 8, wall => '5s',
	},
);

# A whole test program.  more => sub gets the object, after the cases.

sub test ($class, $name, %arg) {
	my $file = read_file("$DIR/$name");
	my $self = $class->new($name, $file);

	$self->begin;
	$self->run_case($_) for @{ $file->{cases} };
	$arg{more}->($self) if $arg{more};
	$self->end;
}

sub new ($class, $name, $file = {}) {
	my $canary = Test::Codeexec::Canary->new;
	my $t = Test::Codeexec::Real->start(spare => 2,
		conf => Test::Codeexec::Daemon::overlay({ %conf,
			limits => { %{ $conf{limits} } } }, $file->{conf} // {}));

	$canary->around($t);
	note("no canary in $_") for $canary->missing;

	return bless { t => $t, name => $name, aborted => 0, canary => $canary,
		prelude => slurp("$DIR/prelude.py"),
		words => $canary->words }, $class;
}

sub t ($self) { return $self->{t} }

sub slurp ($file) {
	open my $fh, '<:raw', $file or die "$file: $!\n";
	local $/;
	return <$fh> // '';
}

###############################################################################

# Files of cases.  See t/hostile/README.md.

sub read_file ($file) {
	my ($head, @texts) = split /^=== /m, slurp($file);
	my %conf;

	while ($head =~ /^conf (\S+) (.+)$/mg) {
		my ($value, @path) = ($2, reverse split /\./, $1);
		$value = { $_ => $value } for @path;
		Test::Codeexec::Daemon::overlay(\%conf, $value);
	}

	return { conf => \%conf, cases => [map { read_case($_, $file) } @texts] };
}

sub read_case ($text, $file) {
	my ($line, $code) = $text =~ /\A([^\n]*)\n(.*?)(?=^--- |\z)/ms;
	my %part = $text =~ /^--- (\w+)\n(.*?)(?=^--- |\z)/msg;
	my ($title, $end, $timeout, $option) = split / \| /, $line;
	my ($id, $name) = $title =~ /^([A-L]\d\d|-) (.+)/
		or die "$file: no number in $title\n";

	defined $end && defined $part{output} or die "$file: $title\n";
	$part{output} =~ s/\n\z//;

	# What the kernel decides is a pattern, and it is said why.

	my ($pattern) = $end =~ m{^/(.*)/$};
	die "$file: $title: why?\n" if $pattern && !$part{why};

	return { id => $id, name => $id eq '-' ? $name : "$id $name",
		ends => $pattern ? qr/^(?:$pattern)$/ : qr/^\Q$end\E$/,
		says => $end, timeout => 0 + ($timeout || 10), code => $code,
		shell => ($option // '') eq 'sh', stdin => $part{stdin},
		output => $part{output} };
}

###############################################################################

# One case

sub run_case ($self, $case) {
	my $t = $self->{t};
	my $name = $case->{name};
	my $code = $case->{shell}
		? "import os\nos.execv('/bin/sh', ['sh', '-c', "
			. python_string($case->{code}) . "])\n"
		: $self->{prelude} . $case->{code};
	my $begin = time;

	$code =~ s/%%([A-Z]+)%%/$self->{words}{$1} \/\/ die "no $1"/ge;
	my $r = $t->post($code, timeout => $case->{timeout},
		detail => JSON::PP::true,
		defined $case->{stdin} ? (stdin => $case->{stdin}) : ());
	my $took = time - $begin;
	my $a = $r->json // {};
	my $end = how_it_ended($a);

	note("$name ended: $end");
	like($end, $case->{ends}, "$name: $case->{says}")
		|| diag(substr $r->raw, 0, 2000);
	$self->check_output($case, $a);

	my @bad = ($self->check_answer($r, $a),
		$took > $case->{timeout} + 5 ? "it has taken $took s" : (),
		$self->check_host);
	is(join("\n", @bad), '', "$name: and all is well");
}

sub python_string ($text) {
	return "'" . ($text =~ s/([\\'])/\\$1/gr =~ s/\n/\\n/gr) . "'";
}

# "ok", "error 3", "signal 9", "timeout", "memory"; then a reason, if it is not
# the one that goes without saying.

sub how_it_ended ($a) {
	my $status = $a->{status} // 'none';
	my $reason = $a->{reason} // '';
	my %usual = (ok => '', error => 'exit');
	my $what = $status eq 'error' ? " $a->{exit_code}"
		: $status eq 'signal' ? " $a->{signal}" : '';

	return "$status$what"
		. ($reason eq ($usual{$status} // $status) ? '' : " ($reason)");
}

sub check_output ($self, $case, $a) {
	my $seen = ($a->{output} // '') . join '', map { "image $_\n" }
		sort keys %{ $a->{images} // {} };

	$seen .= "skipped $_->{name} $_->{reason}\n"
		for @{ $a->{skipped} // [] };
	$seen .= "truncated\n" if $a->{truncated};
	like($seen =~ s/\n\z//r, qr/\A(?:$case->{output})\z/s,
		"$case->{name}: output") || diag(substr $a->{stderr} // '', 0, 2000);
}

# The answer itself: status, members, sizes, no secret in it.

my %member = (output => '', error => '', status => '', reason => '',
	stderr => '', execution_id => '', exit_code => 1, signal => 1,
	time_ms => 1, cpu_ms => 1, queue_ms => 1, memory_kb => 1,
	truncated => 1, images => {}, skipped => []);

sub check_answer ($self, $r, $a) {
	my $want = ($a->{status} // '') eq 'timeout' ? 504 : 200;
	my $cap = 100 << 10;
	my @bad;

	push @bad, 'HTTP status ' . ($r->status // 'none')
		if ($r->status // 0) != $want;
	push @bad, map { "a member $_ of another kind" }
		grep { ref($a->{$_} // '') ne ref($member{$_} // \1)
			&& ref($a->{$_} // '') !~ /^JSON::PP::Boolean$/ }
		sort keys %$a;
	push @bad, map { "$_ is too long" }
		grep { length($a->{$_} // '') > $cap } qw/output stderr/;
	push @bad, 'too many images' if keys %{ $a->{images} // {} } > 8;
	push @bad, 'a secret in the answer'
		if index($r->raw, $self->{canary}->secret) >= 0;
	return @bad;
}

###############################################################################

# The host, after each case.  aborted => how many runs were, on purpose.

sub check_host ($self, %arg) {
	my $t = $self->{t};
	my $honest = $t->post('print(6*7)');
	my @bad;

	push @bad, 'an honest run: ' . $honest->raw
		if $honest->body ne qq({"output":"42\\n"}\n);
	push @bad, "processes: @{[$self->pids]}, were $self->{pids}"
		if $self->pids ne $self->{pids};

	# What takes a moment to go

	my @left;
	$self->{aborted} += $arg{aborted} // 0;
	wait_until($PATIENCE, sub { !(@left = $self->left) });
	push @bad, @left, $self->{canary}->touched;

	my $log = $self->new_log('codeexec.log');
	push @bad, "codeexecd says: $log" if $log ne '';
	push @bad, 'a secret in a log' if index($log . $self->new_log(
		'error.log'), $self->{canary}->secret) >= 0;
	return @bad;
}

sub pids ($self) {
	my $t = $self->{t};
	return join ' ', $t->pids, 'nginx', $t->{nginx}, $t->workers;
}

# What is there of runs beside those that are parked, and what is more than it
# was.

sub left ($self) {
	my $t = $self->{t};
	my $parked = $t->idle or return 'something runs';
	my $sleeper = $self->{canary}->process_id;
	my @jailed = grep { $_ != $sleeper } $t->jailed;
	my @grouped = map { split ' ',
		Test::Codeexec::Process::slurp("$_/cgroup.procs") }
		grep { m{/pids/} } $t->cgroups;
	my $state = $t->state;
	my $now = $self->count;
	my $before = $self->{count};
	my @bad;

	push @bad, 'processes: ' . join ', ', map { "$_ " . cmdline($_) } @jailed
		if @jailed != 2 * $parked;
	push @bad, "in control groups: @grouped, with $parked parked"
		if $self->{groups} && @grouped != 2 * $parked;
	push @bad, "runs: $state->{runs_started} started, "
		. "$state->{runs_finished} finished"
		if $state->{runs_started} != $state->{runs_finished}
			+ $self->{aborted} || $state->{runs_lost}
		|| $state->{runs_aborted} != $self->{aborted};
	push @bad, map { "$_: " . ($now->{$_} // 'gone') . ", was $before->{$_}" }
		grep { my $n = $now->{$_} // -1; /^desc/ ? $n > $before->{$_}
			: $n != $before->{$_} } sort keys %$before;
	return @bad;
}

# Mounts, descriptors, namespaces, objects and keys, as numbers.

sub count ($self) {
	my $t = $self->{t};
	my $host = readlink '/proc/self/ns/mnt';
	my $dir = $t->dir;
	my %count;

	for my $pid (grep { /^\d+$/ } split ' ', $self->pids) {
		my $what = "$pid " . cmdline($pid);
		# Of those of the host, some may be others'.

		my @mounts = map { (split)[4] } split /\n/,
			Test::Codeexec::Process::slurp("/proc/$pid/mountinfo");
		@mounts = grep { m{^(?:/proc|/home|/usr|/etc|/dev|/opt|$dir)\b} }
			@mounts if readlink("/proc/$pid/ns/mnt") eq $host;
		$count{"mounts of $what"} = @mounts;

		# nginx may keep a connection more, and close it.

		$count{"descriptors of $what"} = descriptors($pid)
			if cmdline($pid) !~ /nginx: worker/;
	}

	my $uid = $t->base_uid;
	$count{"owned by runs, in $_"} = grep { $_ > $uid && $_ < $uid + 100 }
		owners("/proc/$_")
		for qw{sysvipc/shm sysvipc/sem sysvipc/msg key-users};
	return \%count;
}

# Uids in a table of the kernel: by its head, or in the first column.

sub owners ($file) {
	my @lines = map { [split] } split /\n/,
		Test::Codeexec::Process::slurp($file) or return;
	my ($column) = grep { $lines[0][$_] eq 'uid' } 0 .. $#{ $lines[0] };

	return map { $_->[$column // 0] =~ /^(\d+)/ } @lines;
}

sub new_log ($self, $name) {
	return substr $self->{t}->read_file($name), $self->{log}{$name} // 0;
}

###############################################################################

# The beginning and the end of a group

sub begin ($self) {
	my $t = $self->{t};

	$t->warm;
	delete $t->baseline->{mounts};    # see count()
	$self->{groups} = grep { m{/pids/} } $t->cgroups;
	$self->{log}{$_} = length $t->read_file($_) for qw/codeexec.log error.log/;
	$self->{pids} = $self->pids;
	$self->{count} = $self->count;
	$self->{memory} = $self->memory;
	$self->{tree} = $self->tree;
	$self->{kernel} = kernel_log();
}

sub end ($self) {
	my $t = $self->{t};

	is(join("\n", changes($self->{tree}, $self->tree)), '',
		'what runs can read has not changed');
	is($self->cache, '', 'nor has what the kernel has cached of it');
	is(join("\n", new_kernel_log($self->{kernel})), '',
		'the kernel does not complain');

	# (A sanitiser keeps what was freed.)

	my $more = $self->memory - $self->{memory};
	cmp_ok($more, '<', 1024, 'codeexecd needs no more memory')
		if !$ENV{CODEEXEC_STATIC};

	$self->{canary}->remove;
	$t->check_leaks('nothing is left');
	$t->done_testing;
}

sub memory ($self) {
	my ($kb) = Test::Codeexec::Real::status($self->{t}->daemon_pid)->{VmRSS}
		=~ /(\d+)/;
	return $kb;
}

# Files that runs see and that matter: sizes and times of some ten thousand.

sub tree ($self) {
	my ($pid) = grep { $_ != $self->{canary}->process_id } $self->{t}->jailed;
	my @roots = map { glob "/proc/$pid/root/$_" }
		qw{usr/bin usr/sbin usr/lib usr/lib/python3* etc opt};

	open my $find, '-|', 'find', @roots, qw/-maxdepth 2 -name __pycache__
		-prune -o -not -type d -printf/, '%h/%f %y %m %U %s %T@ %C@\n'
		or die "find: $!";
	my %tree = map { s{^/proc/\d+/root}{}r => 1 } <$find>;
	return \%tree;
}

sub changes ($before, $after) {
	return map({ "- $_" } grep { !$after->{$_} } sort keys %$before),
		map { "+ $_" } grep { !$before->{$_} } sort keys %$after;
}

# Pages that were written to by no right way are in memory and not on the disk.

sub cache ($self) {
	my ($pid) = grep { $_ != $self->{canary}->process_id } $self->{t}->jailed;
	my $root = "/proc/$pid/root";
	my @files = map { glob "$root$_" } '/usr/bin/python3', '/usr/bin/env',
		'/usr/bin/id', '/usr/bin/su', '/etc/passwd',
		'/opt/codeexec/*.so', '/opt/codeexec/runner.py',
		'/usr/lib/*/libc.so.6', '/usr/lib/*/ld-linux*.so*';
	my @bad;

	for my $file (@files) {
		my $direct = `dd if='$file' iflag=direct bs=1M status=none 2>/dev/null`;
		next if $?;   # not every file system can do it
		push @bad, $file if sha256_hex($direct) ne sha256_hex(slurp($file));
	}

	return join ' ', @bad;
}

# Lines of the kernel's log that tell of a fault of its own, or that a run has
# brought down the machine.

sub kernel_log {
	return [grep { /WARNING:|BUG:|Oops|hung_task|CONSTRAINT_NONE/ }
		split /\n/, `dmesg 2>/dev/null`];
}

sub new_kernel_log ($before) {
	my %old = map { $_ => 1 } @$before;
	return grep { !$old{$_} } @{ kernel_log() };
}

1;
