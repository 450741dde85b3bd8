package Test::FakeSandbox;

# Copyright (C) The codeexec authors.

# A scripted codeexecd.  It speaks the frames of docs/protocol.md, answers as
# the test tells it to, well or badly, and notes everything it has seen.

use v5.36;

use Exporter qw/import/;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX ();
use Storable ();
use Time::HiRes qw/sleep time/;

our @EXPORT = qw/frame file_frame show_frame result_frame answer busy reject
	read_frame/;

our %TYPE = (
	JOB => 0x01, CODE => 0x02, VARS => 0x03, STDIN => 0x04, RUN => 0x05,
	QUERY => 0x06, PUT => 0x07, STOP => 0x08,

	RESULT => 0x81, STDOUT => 0x82, STDERR => 0x83, FILE => 0x84,
	END => 0x85, BUSY => 0x86, REJECT => 0x87, STATE => 0x88,
	SHOW => 0x89, STOPPED => 0x8a,
);

# What a RESULT names when the test does not: the job being run.

our $job_id = 'fake';

my %NAME = reverse %TYPE;
my $json = JSON::PP->new->utf8->canonical;

###############################################################################

# Frames, as bytes.

sub frame ($type, $payload = '') {
	$payload = $json->encode($payload) if ref $payload;
	return pack('a2 C C N', 'CX', 1, $TYPE{$type} // $type,
		length $payload) . $payload;
}

sub file_frame ($name, $content) {
	return frame(FILE => pack('n/a*', $name) . $content);
}

# One result: names and contents of its parts.

sub show_frame (@parts) { return frame(SHOW => pack '(n/a* N/a*)*', @parts) }

sub result_frame (%member) {
	return frame(RESULT => {
		id => $job_id, status => 'ok', exit_code => 0, signal => undef,
		time_us => 1500, cpu_us => 1250, queue_us => 250,
		memory_kb => 9000, truncated => JSON::PP::false,
		stdout_size => 0, stderr_size => 0, files => 0,
		files_size => 0, %member });
}

# A whole answer: stdout and stderr are strings or lists of strings, one frame
# each; files is a list of [name, content], shown one of lists of parts or of
# payloads as they are; all the rest are members of RESULT.

sub answer (%arg) {
	my @out = map { ref ? @$_ : ($_) } grep { defined } delete $arg{stdout};
	my @err = map { ref ? @$_ : ($_) } grep { defined } delete $arg{stderr};
	my @files = map { file_frame(@$_) } @{ delete $arg{files} // [] };
	my @shown = map { ref ? show_frame(@$_) : frame(SHOW => $_) }
		@{ delete $arg{shown} // [] };

	return join '',
		result_frame(
			stdout_size => length join('', @out),
			stderr_size => length join('', @err),
			files => scalar @files,
			files_size => length(join '', @files) - 8 * @files,
			@shown ? (results => scalar @shown,
				results_size => length(join '', @shown)
					- 8 * @shown) : (),
			%arg),
		(map { frame(STDOUT => $_) } @out),
		(map { frame(STDERR => $_) } @err),
		@shown, @files, frame('END');
}

sub busy (%arg) {
	return frame(BUSY =>
		{ reason => 'queue_full', retry_after => 1, %arg });
}

sub reject ($reason, $message = "bad $reason") {
	return frame(REJECT => { reason => $reason, message => $message });
}

# One frame from a socket: (name, payload); empty at the end of the stream;
# (undef, reason) when what came was no frame.

sub read_frame ($socket) {
	my $header = read_bytes($socket, 8) // return;
	return (undef, 'cut header') if length $header < 8;

	my ($magic, $version, $type, $length) = unpack 'a2 C C N', $header;

	return (undef, "magic $magic") if $magic ne 'CX';
	return (undef, "version $version") if $version != 1;
	return (undef, "length $length") if $length > 64 << 20;

	my $payload = read_bytes($socket, $length) // '';
	return (undef, 'cut payload') if length $payload < $length;

	return ($NAME{$type} // $type, $payload);
}

sub read_bytes ($socket, $size) {
	my $bytes = '';

	while (length $bytes < $size) {
		my $n = sysread $socket, $bytes, $size - length $bytes,
			length $bytes;
		next if !defined $n && $!{EINTR};
		last if !$n;
	}

	return $bytes eq '' && $size ? undef : $bytes;
}

###############################################################################

# The daemon: listens at once, so a connect after new() never fails; one child
# process per connection.

sub new ($class, %arg) {
	my $self = bless {
		listen => $arg{listen},
		log => $arg{log},
		backlog => $arg{backlog} // 511,
		accept => $arg{accept} // 1,
		greet => $arg{greet},
		state => $arg{state} // { slots => 1 },
		stop => $arg{stop} // sub ($c, $handle) { 1 },
		script => $arg{script} // sub ($c, $job) {
			$c->send(answer(stdout => 'hello'));
		},
	}, $class;

	return $self->start;
}

sub start ($self) {
	my $at = $self->{listen};
	my $socket;

	if ($at =~ m{^/}) {
		unlink $at;
		$socket = IO::Socket::UNIX->new(Local => $at,
			Listen => $self->{backlog});
		chmod 0666, $at;

	} else {
		$socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
			LocalPort => $at, Listen => $self->{backlog},
			ReuseAddr => 1);
	}

	$socket or die "cannot listen on $at: $!";

	defined(my $pid = fork) or die "cannot fork: $!";

	if (!$pid) {
		setpgrp;
		$SIG{$_} = 'DEFAULT' for qw/TERM INT ALRM/;
		$SIG{CHLD} = $SIG{PIPE} = 'IGNORE';
		alarm 120;
		eval { $self->accept_all($socket); 1 } or warn $@;
		POSIX::_exit(0);
	}

	setpgrp $pid, $pid;
	@$self{qw/pid owner/} = ($pid, $$);
	return $self;
}

# Ends it with all its connections; the socket file stays, so that a later
# connect is refused.

sub stop ($self) {
	return if !$self->{pid} || $self->{owner} != $$;
	kill KILL => -$self->{pid};
	waitpid delete $self->{pid}, 0;
}

sub DESTROY ($self) { $self->stop }

sub accept_all ($self, $listener) {
	sleep 120 if !$self->{accept};

	for (my $n = 1; ; $n++) {
		my $socket = $listener->accept or next;
		my $pid = fork // die "cannot fork: $!";

		if (!$pid) {
			close $listener;
			my $c = ((ref $self) . '::Connection')->new(
				$socket, $n, $self->{log});
			@$c{qw/state_json stop_script/} = @$self{qw/state stop/};
			eval { $self->serve($c); 1 }
				or $c->note(died => why => "$@");
			POSIX::_exit(0);
		}
	}
}

sub serve ($self, $c) {
	$c->note('accept');
	$self->{greet}->($c) if $self->{greet};

	while (my $job = $c->read_job) {
		$self->{script}->($c, $job);
	}
}

# What was seen, oldest first: accept, job, eof (of nginx; with state idle,
# job or run), bad (no valid frame), each with time and connection.

sub events ($self, $type = undef) { return read_events($self->{log}, $type) }

sub read_events ($log, $type) {
	my @events;

	open my $fh, '<:raw', $log or return;

	while (read $fh, my $size, 4) {
		read $fh, my $record, unpack 'N', $size;
		push @events, Storable::thaw($record);
	}

	return grep { !$type || $_->{event} eq $type } @events;
}

sub jobs ($self) { return $self->events('job') }

sub job ($self) { return ($self->jobs)[-1] }

sub count ($self, $type) { return scalar(my @e = $self->events($type)) }

sub connections ($self) { return $self->count('accept') }

sub runs ($self) { return $self->count('job') }

# Waits until there are $n events of that type.

sub wait_for ($self, $type, $n = 1, $timeout = 3) {
	my $end = time + $timeout;
	my @events;

	while ((@events = $self->events($type)) < $n) {
		return if time > $end;
		sleep 0.005;
	}

	return $events[$n - 1];
}

# Forgets what was seen.

sub reset ($self) { truncate $self->{log}, 0 if -e $self->{log}; return $self }

###############################################################################

package Test::FakeSandbox::Connection;

# What a script sees as its first argument.

use Fcntl qw/O_APPEND O_CREAT O_WRONLY/;
use Socket qw/IPPROTO_TCP TCP_NODELAY/;
use Time::HiRes qw/sleep time/;

sub new ($class, $socket, $number, $log) {
	$socket->setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
		if $socket->isa('IO::Socket::INET');
	sysopen my $fh, $log, O_WRONLY | O_APPEND | O_CREAT
		or die "cannot open $log: $!";

	return bless { socket => $socket, number => $number, log => $fh,
		log_file => $log,
		run => 0, state => 'idle' }, $class;
}

# Number of the connection, and of the run on it.

sub number ($self) { return $self->{number} }
sub run ($self) { return $self->{run} }

sub note ($self, $event, %detail) {
	syswrite $self->{log}, pack 'N/a*', Storable::nfreeze({
		event => $event, time => time, connection => $self->{number},
		%detail });
}

sub read_job ($self) {
	my $job = { code => '', vars => '', stdin => '', put => [],
		frames => [] };

	$self->{state} = 'idle';

	while (my ($name, $payload) =
		Test::FakeSandbox::read_frame($self->{socket}))
	{
		if (!defined $name) {
			$self->note(bad => why => $payload);
			return;
		}

		push @{ $job->{frames} }, [$name, length $payload];
		$self->{state} = 'job';

		if ($name eq 'QUERY') {
			$self->send(Test::FakeSandbox::frame(
				STATE => $self->{state_json}));
			return $self->read_job;

		} elsif ($name eq 'STOP') {
			$self->answer_stop($payload);
			return $self->read_job;

		} elsif ($name eq 'JOB') {
			$job->{raw} = $payload;
			$job->{job} = eval { $json->decode($payload) };
			$Test::FakeSandbox::job_id = $job->{id}
				= $job->{job}{id} // 'none';

		} elsif ($name =~ /^(CODE|VARS|STDIN)$/) {
			$job->{lc $name} .= $payload;

		} elsif ($name eq 'PUT') {
			my ($file) = unpack 'n/a', $payload;
			push @{ $job->{put} }, [$file,
				substr $payload, 2 + length $file];

		} elsif ($name eq 'RUN') {
			$self->{run}++;
			$self->{state} = 'run';
			$self->note(job => %$job);
			return $job;

		} else {
			$self->note(bad => why => "frame $name");
			return;
		}
	}

	$self->note(eof => state => $self->{state});
	return;
}

# What the script for STOP returns is the answer: a boolean or bytes.

sub answer_stop ($self, $payload) {
	my $handle = (eval { $json->decode($payload) } // {})->{handle};

	$self->note(stop => handle => $handle);
	my $answer = $self->{stop_script}->($self, $handle);

	$self->send($answer && length $answer > 1 ? $answer
		: Test::FakeSandbox::frame(STOPPED => { stopped =>
			$answer ? JSON::PP::true : JSON::PP::false }));
}

# Waits until another connection has asked for this job to be stopped.

sub wait_stop ($self, $job, $timeout = 10) {
	my $end = time + $timeout;

	until (grep { $_->{handle} eq $job->{job}{handle} }
		Test::FakeSandbox::read_events($self->{log_file}, 'stop'))
	{
		return 0 if time > $end;
		sleep 0.005;
	}

	return 1;
}

sub send ($self, @bytes) {
	my $bytes = join '', @bytes;
	my $sent = 0;

	while ($sent < length $bytes) {
		my $n = syswrite $self->{socket}, $bytes, 65536, $sent;
		return 0 if !defined $n;
		$sent += $n;
	}

	return 1;
}

# Sends in pieces cut at the given offsets (default: everywhere), with a sleep
# between them.

sub dribble ($self, $bytes, $at = undef, $delay = 0.001) {
	my $from = 0;

	for my $to ($at ? @$at : (1 .. length($bytes) - 1), length $bytes) {
		next if $to <= $from;
		sleep $delay if $from;
		$self->send(substr $bytes, $from, $to - $from) or return 0;
		$from = $to;
	}

	return 1;
}

# Waits for nginx to close; true when it did.

sub eof ($self, $timeout = 10) {
	my $end = time + $timeout;

	while ((my $rest = $end - time) > 0) {
		vec(my $set = '', fileno $self->{socket}, 1) = 1;
		next if !select $set, undef, undef, $rest;

		my $n = sysread $self->{socket}, my $bytes, 65536;
		next if $n;
		$self->note(eof => state => $self->{state});
		return 1;
	}

	return 0;
}

# Stays there, and reads nothing.

sub idle ($self, $timeout = 10) { sleep $timeout }

sub close ($self) { CORE::close($self->{socket}); POSIX::_exit(0) }

1;

__END__

=head1 NAME

Test::FakeSandbox - a scripted codeexecd

=head1 SYNOPSIS

	my $fake = $t->fake(script => sub ($c, $job) {
		$c->send(busy(retry_after => 3)) if $job->{code} eq 'busy';
		$c->dribble(answer(stdout => 'hi')) if $job->{code} eq 'slow';
		$c->eof if $job->{code} eq 'hang';
	});

	is($fake->job->{job}{language}, 'python', 'language');
	is($fake->connections, 1, 'one connection');

=head1 THE DAEMON

C<< new(listen => path or port, log => file, script => sub) >> listens before
it returns.  C<< accept => 0 >> never accepts, C<< greet => sub ($c) >> is
called on each new connection, C<< stop => sub ($c, $handle) >> for each STOP:
it returns whether that is stopped, or a whole answer.  C<state> is the answer to
QUERY.  C<stop> ends it, C<start> begins again at the same address.

C<events($type)>, C<count($type)>, C<jobs>, C<job> (the last), C<runs> and
C<connections> tell what was seen; C<wait_for($type, $n)> waits for the Nth
event of a type: C<accept>, C<job>, C<stop>, C<eof> or C<bad>; C<reset> forgets.  A job
has C<job> (decoded), C<raw>, C<code>, C<vars>, C<stdin>, C<put>, a list of
[name, content], and C<frames>, a list of [name, length].

=head1 THE SCRIPT

Called for each job that is complete, in a process of its own.  C<$c> offers
C<send>, C<dribble($bytes, [offsets], $delay)>, C<eof($timeout)>, C<close>,
C<idle> (reads nothing), C<wait_stop($job)>, C<number>, C<run> and C<note>.  When the script
returns, the next job is read.

=head1 BYTES

C<frame($type, $payload)>, C<result_frame(%members)>,
C<file_frame($name, $content)>, C<show_frame(@parts)>, C<answer(%what)>, C<busy>, C<reject>; to read,
C<read_frame($socket)>.  A RESULT has the id of the job being run, and C<fake>
outside of a script.

=cut
