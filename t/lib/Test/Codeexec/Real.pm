package Test::Codeexec::Real;

# Copyright (C) The codeexec authors.

# The harness with a real codeexecd behind nginx: running programs, and what
# the host sees of them.

use v5.36;

use IO::Socket::UNIX;
use MIME::Base64 qw/decode_base64/;
use Test::More import => [qw/diag is ok/];

use Test::Codeexec;
use Test::Codeexec::Daemon;
use Test::Codeexec::Process;
use Test::FakeSandbox;

our @ISA = qw/Test::Codeexec/;

# A server with /runcode, and a codeexecd.  conf is laid over the harness's
# configuration, science => 1 adds that tier, http replaces the server.

sub start ($class, %arg) {
	my $t = $class->new->has('daemon', $arg{node} ? 'node' : ());

	$t->write_conf($arg{http} // <<~'EOC');
		upstream sandbox { server unix:%%SOCK%%; keepalive 8; }
		server {
		    listen 127.0.0.1:%%PORT_0%%;
		    client_max_body_size 16m;
		    location /runcode {
		        codeexec_pass sandbox;
		        codeexec_max_code_size 8m;
		        codeexec_max_stdin_size 8m;
		        codeexec_max_variables_size 8m;
		    }
		}
		EOC

	$t->run_daemon(conf => $class->real_conf(%arg),
		name => $arg{name} // 'codeexec');
	return $t->run;
}

sub real_conf ($class, %arg) {
	my %tier = (base => { spare => $arg{spare} // 2 });

	$tier{science} = {
		spare => 1,
		preload => [qw/numpy pandas matplotlib.pyplot/],
		when => [qw/numpy pandas matplotlib scipy/],
	} if $arg{science};

	# node => 1 adds Node.js.

	my $node = { kind => 'node', interpreter => '/usr/bin/node',
		tier => { base => { spare => $arg{spare} // 2 } } };

	return { runtime => { python => { tier => \%tier },
			$arg{node} ? (nodejs => $node) : () },
		%{ $arg{conf} // {} } };
}

# The text of a configuration, for a codeexecd that is started by other means.

sub conf_text ($t, $name, @changes) {
	my $conf = $t->daemon_conf($name);

	$conf = Test::Codeexec::Daemon::overlay($conf, $_) for @changes;
	return Test::Codeexec::Daemon::render($conf);
}

###############################################################################

# Programs

sub post ($t, $code, %member) {
	my $timeout = delete $member{read_timeout} // 20;

	return $t->http_post_json($t->{uri} // '/runcode',
		{ code => $code, %member }, timeout => $timeout);
}

# What is in the answer, whatever its status.

sub run_code ($t, $code, %member) {
	return $t->post($code, %member)->json // {};
}

sub output ($t, $code, %member) {
	my $answer = $t->run_code($code, %member);
	return defined $answer->{error} ? "error: $answer->{error}"
		: $answer->{output};
}

# Returns once the program has printed its first byte or, as told by marker,
# made a file of that name; the answer is read later.

sub send_code ($t, $code, %member) {
	my $socket = $t->connect;

	Test::Codeexec::write_all($socket, $t->request(POST =>
		$t->{uri} // '/runcode', body => JSON::PP->new->utf8->encode(
			{ code => $code, %member })));
	return $socket;
}

sub receive ($t, $socket, %arg) {
	return $t->read_response($socket, timeout => 20, %arg);
}

sub honest ($t, $name) {
	return Test::Codeexec::answer_is($t->post('print(6*7)'), 200,
		'{"output":"42\n"}', $name);
}

sub image ($t, $answer, $name) {
	return decode_base64($answer->{images}{$name} // '');
}

# Uses every slot, so that nothing is opened for the first time later.

sub warm ($t, $name = 'codeexec', $n = undef) {
	my $runs = $n // $t->state($name)->{slots};

	for (1 .. 3) {
		my @s = map { $t->send_code('import time; time.sleep(0.05)') }
			1 .. $runs;
		$t->receive($_) for @s;
	}

	$t->settle($name);
	return $t;
}

# Waits until nothing runs and the spare runs are parked again.

sub settle ($t, $name = 'codeexec') {
	my $last = -1;
	my $same = 0;

	return wait_until(10, sub {
		my $n = $t->idle($name);
		$same = $n && $n == $last ? $same + 1 : 0;
		$last = $n;
		select undef, undef, undef, 0.02;
		return $same > 5;
	});
}

# How many runs are parked, or 0 while there is anything to do.

sub idle ($t, $name = 'codeexec') {
	my $s = eval { $t->state($name) } // return 0;
	my $parked = 0;

	return 0 if $s->{running} || $s->{queued};

	for my $tier (map { @{ $_->{tiers} } } @{ $s->{runtimes} }) {
		return 0 if !$tier->{warm} || !$tier->{parked};
		$parked += $tier->{parked};
	}

	return $parked;
}

###############################################################################

# The host's view

sub status ($pid) {
	return { Test::Codeexec::Process::slurp("/proc/$pid/status")
		=~ /^(\w+):[ \t]*(.*?)[ \t]*$/mg };
}

sub uid ($pid) { return (split ' ', status($pid)->{Uid} // '-1')[0] }

sub base_uid ($t, $name = 'codeexec') {
	return $t->read_file("$name.conf") =~ /^uids = "?(\d+)/m ? $1 : undef;
}

# Processes by what they are: builder, zygotes, and the runs and whatever
# these have started, parked or not.  A run that was just forked looks like its
# zygote, but it is in one pid namespace more.

sub builder ($t, $name = 'codeexec') {
	return (grep { cmdline($_) =~ /codeexec-builder/ }
		children($t->daemon_pid($name)))[0];
}

sub zygotes ($t, $name = 'codeexec') {
	my $uid = $t->base_uid($name);
	my @zygotes = grep {
		my $status = status($_);
		($status->{Uid} // '') =~ /^$uid\b/
			&& $status->{NSpid} =~ /^\d+\s+\d+$/
			&& cmdline($_) =~ /zygote\.py/;
	} children($t->daemon_pid($name));

	@zygotes = sort { $a <=> $b } @zygotes;
	return @zygotes;
}

sub jailed ($t, $name = 'codeexec') {
	my $uid = $t->base_uid($name);
	return grep { my $u = uid($_); $u > $uid && $u < $uid + 100 }
		map { m{(\d+)} } glob '/proc/[0-9]*';
}

# The processes of the run that has made that file in its working directory.

sub marked ($t, $marker, $timeout = 5) {
	my @pids;

	wait_until($timeout, sub {
		@pids = grep { -e "/proc/$_/root/home/user/$marker" }
			$t->jailed;
	});

	return @pids;
}

sub namespaces ($pid) {
	return { map { $_ => readlink "/proc/$pid/ns/$_" }
		qw/user pid mnt net ipc uts cgroup/ };
}

# Control groups of the daemons of this test: in each hierarchy they are below
# the group that we are in.

sub cgroups ($t) {
	my %dir;

	for my $line (split /\n/, Test::Codeexec::Process::slurp(
		'/proc/self/cgroup'))
	{
		my ($controllers, $path) = $line =~ /^\d+:(.*?):(.*)/ or next;
		my $root = '/sys/fs/cgroup/' . ($controllers =~ s/^name=//r);

		$root = -d "$root/unified" ? "$root/unified" : $root
			if $controllers eq '';
		$dir{ $_ =~ s{/+$}{}r } = 1 for grep { -d } "$root$path", $root;
	}

	return map { glob "$_/codeexec-test-$$-*/{,*/}" } sort keys %dir;
}

# The long-lived processes, as one text to be compared.

sub pids ($t, $name = 'codeexec') {
	return join ' ', 'daemon', $t->daemon_pid($name), 'builder',
		$t->builder($name) // 'none', 'zygotes', $t->zygotes($name);
}

###############################################################################

# The daemon's own socket

sub dial ($t, $name = 'codeexec') {
	return IO::Socket::UNIX->new(Peer => $t->socket($name))
		// die "cannot connect to $name: $!\n";
}

# The frames of a whole job.

sub job_frames ($code, %arg) {
	my $vars = delete $arg{vars};
	my $stdin = delete $arg{stdin};
	my @put = @{ delete $arg{put} // [] };

	return join '', frame(JOB => { language => 'python', %arg }),
		frame(CODE => $code),
		defined $vars ? frame(VARS => $vars) : (),
		defined $stdin ? frame(STDIN => $stdin) : (),
		(map { frame(PUT => $_) } @put),
		frame('RUN');
}

# The answer as a hash: type of its first frame, its members, stdout, stderr,
# files, shown results (arrays of name and content); undef when the connection
# ended.

sub read_answer ($socket) {
	my ($type, $payload) = read_frame($socket);
	return if !defined $type;

	my %answer = (%{ JSON::PP->new->utf8->decode($payload) },
		type => $type, stdout => '', stderr => '', file => {},
		shown => []);
	return \%answer if $type ne 'RESULT';

	while (($type, $payload) = read_frame($socket)) {
		return \%answer if $type eq 'END';
		$answer{lc $type} .= $payload if $type =~ /^STD/;
		$answer{file}{ (unpack 'n/a', $payload)[0] } = $payload
			if $type eq 'FILE';
		push @{ $answer{shown} }, [unpack '(n/a N/a)*', $payload]
			if $type eq 'SHOW';
	}

	return;
}

1;

__END__

=head1 NAME

Test::Codeexec::Real - Test::Codeexec with a real codeexecd

=head1 SYNOPSIS

	my $t = Test::Codeexec::Real->start(science => 1,
		conf => { limits => { memory => '96mb' } });

	is($t->output('print(n)', variables => { n => 1 }), "1\n", 'runs');
	$t->honest('still well');

=cut
