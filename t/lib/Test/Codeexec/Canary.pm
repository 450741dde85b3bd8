package Test::Codeexec::Canary;

# Copyright (C) The codeexec authors.

# Canaries: a secret in everything of a host that a run might come to, and
# whether anybody has touched it.

use v5.36;

use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use IPC::SysV qw/IPC_CREAT IPC_EXCL IPC_RMID/;
use POSIX ();
use Socket;

use Test::Codeexec::Process;
use Test::Codeexec::Real;

my %number = (
	x86_64 => { mq_open => 240, mq_unlink => 241, mq_timedsend => 242,
		add_key => 248, keyctl => 250 },
	aarch64 => { mq_open => 180, mq_unlink => 181, mq_timedsend => 182,
		add_key => 217, keyctl => 219 },
);

# Before nginx and codeexecd are started: what they inherit.

sub new ($class) {
	my $self = bless { owner => $$, missing => [], files => {},
		secret => join('', map { chr 97 + rand 26 } 1 .. 24),
		nr => $number{(POSIX::uname())[4]} // {} }, $class;

	$ENV{CODEEXEC_CANARY} = $self->{secret};
	$self->plant('keyring', \&keyring);
	return $self;
}

# The rest, when it is known where they are.

sub around ($self, $t) {
	$self->{t} = $t;
	$self->{name} = "codeexec-canary-$$";

	$self->file(secret => 0600);
	$self->file(canary => 0644);
	$self->plant($_, $self->can($_)) for qw/tcp udp stream abstract vsock
		shared_memory message_queue process/;
	return $self;
}

sub plant ($self, $what, $how) {
	eval { $self->$how; 1 } or push @{ $self->{missing} }, "$what: $@";
}

sub call ($self, $name, @arg) {
	my $nr = $self->{nr}{$name} // die "no number\n";
	my $result = syscall $nr, @arg;

	die "$name: $!\n" if $result < 0;
	return $result;
}

# In the session keyring that codeexecd starts with, and in that of its user.

sub keyring ($self) {
	my ($type, $name) = ('user', "codeexec-canary-$$");

	$self->call(keyctl => 1, 0, 0, 0, 0);      # a session of our own
	$self->call(keyctl => 8, -4, -3, 0, 0);    # in which the user's is
	
	for my $ring (-3, -4) {
		my $key = $self->call(add_key => $type, $name, $self->{secret},
			24, $ring);
		push @{ $self->{key} }, [$key, $ring];
		$self->call(keyctl => 5, $key, 0x3f3f3f3f, 0, 0);
	}
}

sub file ($self, $name, $mode) {
	$self->{t}->write_file($name, $self->{secret});
	chmod $mode, $self->{t}->dir . "/$name";
	$self->{files}{$name} = 1;
}

sub tcp ($self) {
	$self->{tcp} = IO::Socket::INET->new(Listen => 5,
		LocalAddr => '127.0.0.1') or die "$!\n";

	# The same port at the address that others know this machine by.

	my ($address) = grep { /^\d+(?:\.\d+){3}$/ } split ' ', `hostname -I`;
	$self->{address} = $address // '192.0.2.1';
	$self->{tcp_outside} = IO::Socket::INET->new(Listen => 5,
		LocalAddr => $address, LocalPort => $self->{tcp}->sockport)
		if $address;
}

sub udp ($self) {
	$self->{udp} = IO::Socket::INET->new(Proto => 'udp',
		LocalAddr => '127.0.0.1') or die "$!\n";
}

sub stream ($self) {
	my $path = $self->{t}->dir . '/canary.sock';

	$self->{stream} = IO::Socket::UNIX->new(Local => $path, Listen => 5)
		or die "$!\n";
	chmod 0666, $path;
}

sub abstract ($self) {
	socket my $socket, PF_UNIX, SOCK_STREAM, 0 or die "$!\n";
	bind $socket, pack_sockaddr_un("\0$self->{name}") or die "$!\n";
	listen $socket, 5 or die "$!\n";
	$self->{abstract} = $socket;
}

sub vsock ($self) {
	socket my $socket, 40, SOCK_STREAM, 0 or die "$!\n";
	bind $socket, pack 'SSLLx4', 40, 0, 12000 + $$ % 20000, 0xffffffff
		or die "$!\n";
	listen $socket, 5 or die "$!\n";
	$self->{vsock} = $socket;
}

sub shared_memory ($self) {
	$self->{shm_key} = 0x5ec00000 + $$ % 0x100000;
	my $id = shmget $self->{shm_key}, 4096, IPC_CREAT | IPC_EXCL | 0666;

	defined $id or die "$!\n";
	shmwrite $id, $self->{secret}, 0, 24 or die "$!\n";
	$self->{shm} = $id;
}

sub message_queue ($self) {
	my $fd = $self->call(mq_open => $self->{name}, 0102, 0666, 0);

	$self->{mq} = 1;
	$self->call(mq_timedsend => $fd, $self->{secret}, 24, 0, 0);
	POSIX::close($fd);
}

# A process of the host with the user id of the first slot.

sub process ($self) {
	my $uid = $self->{t}->base_uid;

	die "not root\n" if $> != 0;
	defined(my $pid = fork) or die "$!\n";

	if (!$pid) {
		$( = $) = $uid + 1;
		POSIX::setuid($uid + 1) or POSIX::_exit(1);
		alarm 0;
		exec { '/bin/sleep' } $self->{secret}, 1000
			or POSIX::_exit(127);
	}

	$self->{process} = $pid;
	wait_until(5, sub { cmdline($pid) =~ /^$self->{secret} / }) or die "no sleep\n";
}

###############################################################################

# What has become of them: complaints.

sub touched ($self) {
	my @bad;

	for my $name (sort keys %{ $self->{files} }) {
		push @bad, "the file $name has changed"
			if $self->{t}->read_file($name) ne $self->{secret};
	}

	for my $name (qw/tcp tcp_outside udp stream abstract vsock/) {
		push @bad, "somebody has come to $name" if $self->{$name}
			&& IO::Select->new($self->{$name})->can_read(0);
	}

	if (defined $self->{shm}) {
		my $bytes = '';

		shmread $self->{shm}, $bytes, 0, 24;
		push @bad, 'shared memory has changed'
			if $bytes ne $self->{secret};
	}

	push @bad, 'the process is gone' if $self->{process}
		&& cmdline($self->{process}) !~ /^$self->{secret} /;
	return @bad;
}

# Words of a program that looks for them: %%NAME%%.

sub words ($self) {
	my $t = $self->{t};

	return {
		DIR => $t->dir, SOCKET => $t->socket, NAME => $self->{name},
		PORT => $self->{tcp}->sockport, ADDRESS => $self->{address},
		UDP => $self->{udp}->sockport, SHM => $self->{shm_key} // 0,
		KEYS => join(', ', map { $_->[0] } @{ $self->{key} // [] }),
		BACKWARDS => scalar reverse($self->{secret}),
	};
}

sub process_id ($self) { return $self->{process} // 0 }

sub secret ($self) { return $self->{secret} }

sub missing ($self) { return @{ $self->{missing} } }

sub DESTROY ($self) {
	local ($@, $!, $?);
	$self->remove;
}

sub remove ($self) {
	return if $self->{owner} != $$;

	if (my $pid = delete $self->{process}) {
		kill KILL => $pid;
		waitpid $pid, 0;
	}

	shmctl $self->{shm}, IPC_RMID, 0 if defined $self->{shm};
	delete $self->{shm};
	eval { $self->call(mq_unlink => $self->{name}) } if delete $self->{mq};
	eval { $self->call(keyctl => 9, @$_, 0, 0) }
		for @{ delete $self->{key} // [] };
}

1;
