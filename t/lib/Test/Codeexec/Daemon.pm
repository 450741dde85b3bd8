package Test::Codeexec::Daemon;

# Copyright (C) The codeexec authors.

# The part of the harness that runs real codeexecds.

use v5.36;

use File::Basename qw/dirname/;
use IO::Select;
use IO::Socket::UNIX;
use JSON::PP ();
use Test::More import => [qw/diag/];

use Test::Codeexec::Process;
use Test::FakeSandbox;

# A real codeexecd.  conf is the whole text of its configuration, or a hash
# that is laid over the defaults below.  CODEEXEC_ROOTFS is a tree for its runs.

sub run_daemon ($self, %arg) {
	my $name = $arg{name} // 'codeexec';
	my $conf = $arg{conf} // {};

	$conf = render(overlay($self->daemon_conf($name), $conf)) if ref $conf;

	my $file = $self->write_file("$name.conf", $conf);
	my $pid = $self->spawn("$name.log", $Test::Codeexec::DAEMON,
		'-c', $file);
	my $daemon = $self->{daemon}{$name} = { pid => $pid, name => $name };

	my $ready = wait_until($arg{timeout} // 30, sub {
		$daemon->{exited} = exited($pid)
			or $self->read_file("$name.log") =~ /\bready\b/
			&& eval { $self->state($name) };
	});

	return $self if $ready && !$daemon->{exited};

	diag($self->read_file("$name.log"));
	delete $self->{daemon}{$name} if $daemon->{exited};
	die "codeexecd $name is not ready\n";
}

sub daemon_conf ($self, $name) {
	my $n = keys %{ $self->{daemon} };

	return {
		listen => ['unix:' . $self->socket($name)],
		listen_mode => '0666',
		library => $ENV{CODEEXEC_LIBRARY}
			// dirname($Test::Codeexec::DAEMON),
		rootfs => $ENV{CODEEXEC_ROOTFS} // '/',
		uids => 600000 + ($$ % 4000) * 1000 + $n * 100,
		cgroup => "codeexec-test-$$-$name",
		runs => 4,
		rootfs => $ENV{CODEEXEC_ROOTFS} // '/',
		runtime => { python => {
			interpreter => '/usr/bin/python3',
			tier => { base => { spare => 2 } },
		} },
		$> == 0 ? () : (
			listen_group => scalar getgrgid($) + 0),
			peers => [scalar getpwuid($>)],
			allow_missing => [split /,/, $ENV{CODEEXEC_ROOTLESS}],
		),
	};
}

sub overlay ($base, $top) {
	for my $key (keys %$top) {
		$base->{$key} = ref $top->{$key} eq 'HASH'
			&& ref $base->{$key} eq 'HASH'
			? overlay($base->{$key}, $top->{$key})
			: $top->{$key};
	}

	return $base;
}

# The text of a configuration: lists in braces, runtimes and tiers by name.

sub render ($conf, $indent = '') {
	my $text = '';

	for my $key (sort keys %$conf) {
		my $value = $conf->{$key};

		if (ref $value eq 'HASH' && $key =~ /^(?:runtime|tier)$/) {
			$text .= render({ "$key $_" => $value->{$_} }, $indent)
				for sort keys %$value;
		} elsif ($key eq 'include') {
			$text .= qq(include("$value")\n);
		} elsif (ref $value eq 'HASH') {
			$text .= "$indent$key {\n"
				. render($value, "    $indent") . "$indent}\n";
		} elsif (ref $value) {
			$text .= "$indent$key = {"
				. join(', ', map { qq("$_") } @$value) . "}\n";
		} else {
			$text .= qq($indent$key = "$value"\n);
		}
	}

	return $text;
}

sub daemon_pid ($self, $name = 'codeexec') {
	return $self->{daemon}{$name}{pid};
}

# The answer to a QUERY.

sub state ($self, $name = 'codeexec') {
	my $socket = IO::Socket::UNIX->new(Peer => $self->socket($name))
		or die "cannot connect to $name: $!\n";
	$socket->syswrite(frame('QUERY'));
	IO::Select->new($socket)->can_read(5) or die "$name is silent\n";

	my ($type, $payload) = read_frame($socket);
	($type // '') eq 'STATE' or die "no STATE from $name\n";
	return JSON::PP->new->utf8->decode($payload);
}

# True if codeexecd ended by itself in time.

sub stop_daemon ($self, $name = 'codeexec', $signal = 'TERM') {
	my $daemon = delete $self->{daemon}{$name} // return 1;
	return end_process($daemon->{pid}, $signal, 10);
}

sub kill_daemon ($self, $name = 'codeexec') {
	return $self->stop_daemon($name, 'KILL');
}

# Control groups of the daemons of this test, in every hierarchy.

sub cgroups ($self) {
	return glob "/sys/fs/cgroup/{,*/}codeexec-test-$$-*/{,*/}";
}

1;
