#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# codeexecd as a service manager starts it: sockets that listen already, and
# a socket to say that it is ready.  This test is the service manager.

use v5.36;

use Fcntl qw/F_DUPFD/;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Socket qw/SOCK_DGRAM/;
use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Process;
use Test::Codeexec::Real;
use Test::FakeSandbox;

my $t = Test::Codeexec::Real->new->has('daemon');

$t->write_conf(<<'EOC');
upstream sandbox { server unix:%%SOCK_passed%%; keepalive 8; }
server {
    listen 127.0.0.1:%%PORT_0%%;
    location /runcode { codeexec_pass sandbox; }
}
EOC

my $passed = IO::Socket::UNIX->new(Local => $t->socket('passed'),
	Listen => 64) or die "socket: $!";
chmod 0660, $t->socket('passed');
chown 0, scalar getgrnam('www-data'), $t->socket('passed');

my $notify = IO::Socket::UNIX->new(Local => $t->socket('notify'),
	Type => SOCK_DGRAM) or die "socket: $!";

my $conf = $t->write_file('codeexec.conf', $t->conf_text('codeexec',
	$t->real_conf(spare => 1, conf => { runs => 2 })));

# Starts codeexecd with these sockets as descriptors 3, 4, ...

sub start ($sockets, %env) {
	unlink $t->dir . '/codeexec.log';
	defined(my $pid = fork) or die "fork: $!";

	if (!$pid) {
		open STDOUT, '>', $t->dir . '/codeexec.log';
		open STDERR, '>&', \*STDOUT;
		alarm 0;
		my @up = map { fcntl $_, F_DUPFD, 40 } @$sockets;
		POSIX::dup2($up[$_], 3 + $_) for 0 .. $#up;
		@ENV{qw/LISTEN_PID LISTEN_FDS/} = ($$, scalar @$sockets)
			if @$sockets;
		$ENV{$_} = $env{$_} for keys %env;
		exec $Test::Codeexec::DAEMON, '-c', $conf
			or POSIX::_exit(127);
	}

	return $pid;
}

sub notified ($timeout = 20) {
	IO::Select->new($notify)->can_read($timeout) or return '';
	$notify->recv(my $text, 1024);
	return $text;
}

sub adopt ($pid) {
	$t->{daemon}{codeexec} = { pid => $pid, name => 'codeexec' };
}

sub refused ($name, $pattern, @args) {
	my $pid = start(@args);
	my $ended = wait_until(5, sub { waitpid($pid, POSIX::WNOHANG()) });

	ok($ended && $? != 0, "$name: it does not start");
	like($t->read_file('codeexec.log'), $pattern, "$name: and says why");
	kill KILL => $pid if !$ended;
}

###############################################################################

$t->run;

# A client that came before there was a codeexecd.

my $early = $t->dial('passed');
$early->syswrite(Test::Codeexec::Real::job_frames('print("early")'));

adopt(start([$passed], NOTIFY_SOCKET => $t->socket('notify')));
is(notified(), 'READY=1', 'it says when it is ready');
like($t->read_file('codeexec.log'), qr/ready$/m, 'which is in the log');

is(Test::Codeexec::Real::read_answer($early)->{stdout}, "early\n",
	'a client that was there before is served');
$t->honest('through the socket that was passed on');
ok(!-e $t->socket, 'nothing listens at "listen"');
is((stat $t->socket('passed'))[2] & 07777, 0660, 'the mode is not changed');

is($t->output(<<'EOP'), "[0, 1, 2]\n", 'the runs have nothing of it');
import os
def is_open(fd):
    try: os.fstat(fd); return True
    except OSError: return False
print([fd for fd in range(256) if is_open(fd)])
EOP

# Who connects is asked as ever.

chmod 0666, $t->socket('passed');

if (!(my $pid = fork // die "fork: $!")) {
	$( = $) = 65534;
	$< = $> = 65534;
	my $stranger = $t->dial('passed');
	$stranger->syswrite(frame('QUERY'));
	POSIX::_exit($stranger->sysread(my $data, 1) ? 1 : 0);
} else {
	waitpid $pid, 0;
	is($?, 0, 'a stranger gets no answer');
}

# Stopped and started again: the socket is there all the time.

kill TERM => $t->daemon_pid;
is(notified(5), 'STOPPING=1', 'it says that it stops');
ok($t->stop_daemon, 'and does');
ok(-S $t->socket('passed'), 'the socket stays');

my $waiting = $t->send_code('print("patience")');
adopt(start([$passed], NOTIFY_SOCKET => '@codeexec-test-' . $$));
ok(wait_until(20, sub { $t->read_file('codeexec.log') =~ /ready$/m }),
	'a second time');
like($t->read_file('codeexec.log'), qr/warning: \@codeexec-test-$$: /,
	'that nobody can be told is said');
is($t->receive($waiting)->json->{output}, "patience\n",
	'a request in between is served');
ok($t->stop_daemon, 'stopped');

# Two sockets, one of them TCP

my $tcp = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
	LocalPort => $t->port(1), Listen => 8, ReuseAddr => 1) or die "tcp: $!";
adopt(start([$passed, $tcp]));
ok(wait_until(20, sub { $t->read_file('codeexec.log') =~ /ready$/m }),
	'two sockets');
like($t->read_file('codeexec.log'), qr/no authentication on TCP/,
	'a TCP socket is warned of');

for my $socket (IO::Socket::UNIX->new(Peer => $t->socket('passed')),
	IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $t->port(1)))
{
	$socket->syswrite(Test::Codeexec::Real::job_frames('print(1)'));
	is(Test::Codeexec::Real::read_answer($socket)->{stdout}, "1\n",
		ref $socket);
}

ok($t->stop_daemon, 'stopped');

# Variables that are for somebody else

adopt(start([], LISTEN_PID => $$, LISTEN_FDS => 1));
ok(wait_until(20, sub { $t->read_file('codeexec.log') =~ /ready$/m }),
	'the sockets are for another process');
ok(-S $t->socket, '"listen" holds');
ok($t->stop_daemon, 'stopped');
ok(!-e $t->socket, 'its own socket is removed');

# What makes no sense

refused('a socket that does not listen', qr/no listening stream socket/,
	[$notify]);
refused('no socket', qr/descriptor 3 of LISTEN_FDS/,
	[do { open my $f, '<', '/dev/null'; $f }]);
refused('more than were passed on', qr/LISTEN_FDS: Bad file descriptor/,
	[$passed], LISTEN_FDS => 8);
refused('a number that is none', qr/LISTEN_FDS: Invalid argument/, [$passed],
	LISTEN_FDS => '1x');
refused('too many', qr/LISTEN_FDS: Invalid argument/, [$passed],
	LISTEN_FDS => 9);

$t->done_testing;
