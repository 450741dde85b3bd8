package Test::Codeexec;

# Copyright (C) The codeexec authors.

# The harness: a real nginx, real or fake sandboxes, a small HTTP client, and
# the checks that every test program ends with.

use v5.36;

use Cwd qw/abs_path/;
use Exporter qw/import/;
use File::Basename qw/dirname/;
use File::Path qw/remove_tree/;
use File::Temp qw/tempdir/;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX qw/WNOHANG/;
use Test::More import => [qw/diag fail is ok plan/];
use Time::HiRes qw/sleep/;

use Test::Codeexec::Client;
use Test::Codeexec::Daemon;
use Test::Codeexec::Process;
use Test::FakeSandbox;

our @ISA = qw/Test::Codeexec::Client Test::Codeexec::Daemon/;
our @EXPORT = qw/answer_is error_is uri_escape wait_until write_all/;

our $ROOT = abs_path(dirname(__FILE__) . '/../../..');
our $NGINX = $ENV{CODEEXEC_NGINX} // '/usr/sbin/nginx';
our $MODULE = $ENV{CODEEXEC_MODULE}
	// "$ROOT/build/ngx_http_codeexec_module.so";
our $DAEMON = $ENV{CODEEXEC_DAEMON} // "$ROOT/build/codeexecd";

binmode Test::More->builder->$_, ':encoding(UTF-8)'
	for qw/output failure_output todo_output/;

my @all;

# A test program that hangs is a failure, not a hang.

$SIG{PIPE} = 'IGNORE';
$SIG{INT} = $SIG{TERM} = sub { exit 1 };
$SIG{ALRM} = sub { fail('in time'); exit 1 };
alarm($ENV{CODEEXEC_TIMEOUT} // 90);

###############################################################################

# Setting up

sub new ($class, %need) {
	-x $NGINX or plan(skip_all => "no nginx at $NGINX");
	$ENV{CODEEXEC_STATIC} || -e $MODULE
		or plan(skip_all => "no module at $MODULE");

	my $dir = tempdir('codeexec-XXXXXX', TMPDIR => 1);
	chmod 0755, $dir;
	be_subreaper();

	push @all, bless { dir => $dir, owner => $$, port => [], daemon => {},
		fake => {}, expected => [] }, $class;
	return $all[-1];
}

# Skips the program unless all these are there: modules of nginx, "root",
# "daemon", or programs.

sub has ($self, @what) {
	state $version = `$NGINX -V 2>&1`;

	for my $what (@what) {
		my $there = $what =~ /^http_/
			? $version =~ /--with-${what}_module/
			: $what eq 'root' ? $> == 0
			: $what eq 'daemon' ? -x $DAEMON
				&& ($> == 0 || $ENV{CODEEXEC_ROOTLESS})
			: $what eq 'node' ? -x '/usr/bin/node'
				&& -e ($DAEMON =~ s{[^/]+$}{node/codeexec.node}r)
			: grep { -x "$_/$what" } split /:/, $ENV{PATH};

		plan(skip_all => "no $what") if !$there;
	}

	return $self;
}

sub dir ($self) { return $self->{dir} }

sub socket ($self, $name = 'codeexec') { return "$self->{dir}/$name.sock" }

# The Nth port of this test: free on 127.0.0.1 when it was first asked for,
# and below the range that the kernel gives to clients.

sub port ($self, $n = 0) {
	return $self->{port}[$n] //= do {
		my $port;
		1 until IO::Socket::INET->new(Listen => 1,
			LocalAddr => '127.0.0.1',
			LocalPort => $port = 12000 + int rand 20000);
		$port;
	};
}

sub expand ($self, $text) {
	$text =~ s/%%PORT_(\d+)%%/$self->port($1)/ge;
	$text =~ s/%%SOCK_(\w+)%%/$self->socket($1)/ge;
	$text =~ s/%%SOCK%%/$self->socket/ge;
	$text =~ s/%%TESTDIR%%/$self->{dir}/g;
	return $text;
}

sub write_file ($self, $name, $text) {
	open my $fh, '>:raw', "$self->{dir}/$name" or die "$name: $!";
	print $fh $self->expand($text);
	close $fh or die "$name: $!";
	return "$self->{dir}/$name";
}

sub read_file ($self, $name) {
	open my $fh, '<:raw', "$self->{dir}/$name" or return '';
	local $/;
	return <$fh> // '';
}

# Writes nginx.conf; $http is the inside of the http block.

sub write_conf ($self, $http, %arg) {
	my $load = $ENV{CODEEXEC_STATIC} ? '' : "load_module $MODULE;";
	my $level = $ENV{CODEEXEC_DEBUG} ? 'debug' : 'info';
	my $access = $http =~ /^\s*access_log/m ? '' : 'access_log off;';
	my $temp = join "\n    ", map {
		"${_}_temp_path %%TESTDIR%%/temp_$_;"
	} qw/client_body proxy fastcgi uwsgi scgi/;

	$self->write_file('nginx.conf', <<~EOF);
		$load
		daemon off;
		pid %%TESTDIR%%/nginx.pid;
		error_log %%TESTDIR%%/error.log $level;
		env ASAN_OPTIONS;
		env UBSAN_OPTIONS;
		@{[$> == 0 ? 'user www-data;' : '']}
		@{[$arg{main} // '']}

		events { worker_connections 512; }

		http {
		    $access
		    $temp

		$http
		}
		EOF

	return $self;
}

###############################################################################

# nginx

sub nginx_command ($self, @arg) {
	return ($NGINX, '-p', $self->{dir}, '-e', "$self->{dir}/error.log",
		'-c', "$self->{dir}/nginx.conf", @arg);
}

# Output of nginx -t, and whether it was successful.

sub test_conf ($self) {
	my @command = $self->nginx_command('-t');
	my $out = `@command 2>&1`;
	return ($out, $? == 0);
}

sub run ($self) {
	$self->{nginx} = $self->spawn('nginx.out', $self->nginx_command);

	wait_until(5, sub {
		-s "$self->{dir}/nginx.pid" && $self->workers
			|| exited($self->{nginx});
	});

	if (exited($self->{nginx})) {
		diag($self->read_file('nginx.out'),
			$self->read_file('error.log'));
		die "nginx did not start\n";
	}

	return $self;
}

sub spawn ($self, $log, @command) {
	defined(my $pid = fork) or die "cannot fork: $!";

	if (!$pid) {
		open STDOUT, '>>', "$self->{dir}/$log";
		open STDERR, '>&', \*STDOUT;
		alarm 0;
		$SIG{PIPE} = 'DEFAULT';
		exec { $command[0] } @command or POSIX::_exit(127);
	}

	return $pid;
}

sub signal ($self, $signal) { kill $signal => $self->{nginx} }

sub workers ($self) {
	return grep { cmdline($_) =~ /^nginx: worker process(?! is shut)/ }
		children($self->{nginx});
}

# Reloads and returns when new workers have taken over; the old ones may be
# busy with what they had begun.

sub reload ($self) {
	my %old = map { $_ => 1 } $self->workers;
	$self->signal('HUP');
	return wait_until(5, sub {
		my @now = $self->workers;
		return @now && !grep { $old{$_} } @now;
	});
}

# True if nginx ended by itself in time.

sub stop ($self, $signal = 'QUIT', $timeout = 5) {
	my $pid = delete $self->{nginx} // return 1;
	return end_process($pid, $signal, $timeout);
}

###############################################################################

# Sandboxes

# A fake one, at the socket of that name or at a port; script => sub.

sub fake ($self, %arg) {
	my $name = delete $arg{name} // 'codeexec';

	return $self->{fake}{$name} = Test::FakeSandbox->new(
		listen => delete $arg{port} // $self->socket($name),
		log => "$self->{dir}/$name.fake", %arg);
}

# A socket file that nobody listens at: connects are refused.

sub dead_socket ($self, $name) {
	IO::Socket::UNIX->new(Local => $self->socket($name), Listen => 1)
		or die "$name: $!";
	chmod 0666, $self->socket($name);
}

###############################################################################

# The end of a test: leaks, logs, processes

# Error log lines that match are as they should be.

sub expect_log ($self, $pattern) {
	push @{ $self->{expected} }, $pattern;
}

# What must not grow from here on, once it is the same for a while.

sub baseline ($self) {
	my ($now, $same) = ('', 0);

	wait_until(2, sub {
		my ($usage, $before) = ($self->usage, $now);

		sleep 0.02;
		$self->{baseline} = $usage;
		$now = join "\n", map { "$_ $usage->{$_}" } sort keys %$usage;
		$same = $now eq $before ? $same + 1 : 0;
		return $same == 5;
	});

	return $self->{baseline};
}

sub usage ($self) {
	my @roots = grep { defined } $self->{nginx},
		map { $_->{pid} } values %{ $self->{daemon} };
	my @pids = map { ($_, descendants($_)) } @roots;
	my %usage = (processes => scalar @pids, mounts => mounts(),
		cgroups => scalar(my @c = $self->cgroups));

	$usage{"descriptors of $_ " . cmdline($_)} = descriptors($_) for @pids;
	return \%usage;
}

# Parked runs come and go, so only processes that were there at the baseline
# are compared one by one.

sub check_leaks ($self, $name = 'no leaks', $slack = 0) {
	my $before = $self->{baseline} or die 'no baseline';
	my @more;

	wait_until(2, sub {
		my $now = $self->usage;
		@more = map { "$_: $before->{$_}, now $now->{$_}" }
			grep { defined $now->{$_}
				&& $now->{$_} > $before->{$_} + $slack }
			sort keys %$before;
		return !@more;
	});

	return ok(!@more, $name) || diag(join "\n", @more);
}

# Stops everything, checks, ends the plan.

sub done_testing ($self) {
	$self->finish;
	Test::More::done_testing();
}

sub finish ($self) {
	my @daemons = keys %{ $self->{daemon} };

	$self->disconnect;
	ok($self->stop, 'nginx stopped') if $self->{nginx};
	ok($self->stop_daemon($_), "codeexecd $_ stopped") for @daemons;
	is(join("\n", $self->cgroups), '', 'no control groups left') if @daemons;
	$_->stop for values %{ $self->{fake} };
	$self->check_processes;
	$self->check_logs;
}

sub check_processes ($self) {
	my @left;

	wait_until(2, sub {
		1 while waitpid(-1, WNOHANG) > 0;
		@left = descendants($$);
		return !@left;
	});

	is(join("\n", map { "$_ " . cmdline($_) } @left), '',
		'no process left');
	kill KILL => @left if @left;
}

sub check_logs ($self) {
	my @lines = split /\n/, $self->read_file('error.log');

	for my $pattern (@{ $self->{expected} }) {
		@lines = grep { !/$pattern/ } @lines;
	}

	is(join("\n", grep { /\[(?:alert|crit|emerg)\]/ } @lines), '',
		'no alerts');

	my @reports = map { $self->reports($_) }
		map { substr $_, 1 + length $self->{dir} }
		glob "$self->{dir}/{*.log,*.out,asan*}";

	is(join("\n", @reports), '', 'no sanitizer reports');
}

sub reports ($self, $name) {
	return map { "$name: $_" }
		grep { /runtime error:|ERROR: \w+Sanitizer|SUMMARY: \w+Sanit/ }
		split /\n/, $self->read_file($name);
}

# Whatever way the program ends.

END {
	local $?;
	$_->clean for grep { $_->{owner} == $$ } @all;
}

sub clean ($self) {
	$self->stop('TERM', 1);
	$self->stop_daemon($_) for keys %{ $self->{daemon} };
	$_->stop for values %{ $self->{fake} };

	if ($ENV{CODEEXEC_LEAVE}) {
		diag("left in $self->{dir}");
		return;
	}

	remove_tree($self->{dir}, { error => \my $ignored });
}

1;

__END__

=head1 NAME

Test::Codeexec - harness for the tests of codeexec

=head1 SYNOPSIS

	use Test::More;
	use lib 't/lib';
	use Test::Codeexec;
	use Test::FakeSandbox;

	my $t = Test::Codeexec->new;

	$t->write_conf(<<'EOF');
	server {
	    listen 127.0.0.1:%%PORT_0%%;
	    location /runcode { codeexec_pass unix:%%SOCK%%; }
	}
	EOF

	my $fake = $t->fake;
	$t->run;

	my $r = $t->http_post_json('/runcode', { code => 'print(1)' });
	answer_is($r, 200, '{"output":"hello"}', 'answer');

	$t->done_testing;

=head1 SETTING UP

C<new> makes a directory for this test; C<has> skips the program when
something is missing.  C<write_conf($http, main => $main)> and
C<write_file($name, $text)> expand C<%%TESTDIR%%>, C<%%PORT_N%%>, C<%%SOCK%%>
and C<%%SOCK_name%%>.  C<run>, C<reload>, C<signal>, C<stop>, C<workers> and
C<test_conf> are about nginx.

=head1 SANDBOXES

C<< fake(name => 'a', script => sub) >> starts a L<Test::FakeSandbox>,
C<dead_socket('a')> refuses connections.

C<< run_daemon(name => 'a', conf => {...} or text) >> starts a real codeexecd
and returns when it is ready; C<state('a')> asks it for its counters;
C<stop_daemon('a')>, C<kill_daemon('a')>, C<daemon_pid('a')>.

=head1 HTTP

The methods of L<Test::Codeexec::Client>, and its test functions.

=head1 THE END

C<done_testing> stops everything and tests that nginx and codeexecd stopped in
time, that no process or control group is left, that error.log has no alert,
crit or emerg (C<expect_log($pattern)> for those a test wants), and no
sanitizer report.

C<baseline> notes processes, descriptors, mounts and control groups when they
have settled; C<check_leaks($name, $slack)> gives them two seconds to come back
to that.  codeexecd opens some things at the first use of a slot, so use every
slot before the baseline.

=head1 ENVIRONMENT

C<CODEEXEC_NGINX>, C<CODEEXEC_MODULE>, C<CODEEXEC_DAEMON>: paths of the
binaries.  C<CODEEXEC_LIBRARY>: where the builder and the runtimes are, if not
beside codeexecd.  C<CODEEXEC_ROOTFS>: the tree of the runs, C</>.
C<CODEEXEC_STATIC=1>: the module is linked into nginx.
C<CODEEXEC_LEAVE=1>: keep the directory.  C<CODEEXEC_DEBUG=1>: debug log.
C<CODEEXEC_TIMEOUT>: seconds for one test program, 90.  C<CODEEXEC_ROOTLESS>:
layers, separated by commas, that may be missing when it is not root who runs
the test, as t/54-rootless.t does; without it codeexecd is not tested then.

=cut
