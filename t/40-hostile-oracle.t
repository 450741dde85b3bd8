#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# What is looked at after each hostile program would be seen: things go wrong
# on purpose here.

use v5.36;

use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Hostile;
use Test::Codeexec::Process;

my $hostile = Test::Codeexec::Hostile->new('oracle');
my $t = $hostile->t;
my $canary = $hostile->{canary};
my $words = $canary->words;

$hostile->begin;
is(join("\n", $hostile->check_host), '', 'all is well');

sub seen ($name, $pattern) {
	my @bad = $hostile->check_host;
	like(join("\n", @bad), $pattern, "seen: $name");
}

# Canaries

$t->write_file('canary', 'other');
seen('a file was written to', qr/^the file canary has changed$/);
$t->write_file('canary', $canary->secret);

my %to = (
	tcp => IO::Socket::INET->new(PeerAddr => "127.0.0.1:$words->{PORT}"),
	udp => IO::Socket::INET->new(Proto => 'udp',
		PeerAddr => "127.0.0.1:$words->{UDP}"),
	stream => IO::Socket::UNIX->new(Peer => $t->dir . '/canary.sock'),
	abstract => IO::Socket::UNIX->new(Peer => "\0$words->{NAME}"),
);
$to{udp}->send('x');

my @touched = $hostile->check_host;
is(join(', ', @touched), join(', ', map { "somebody has come to $_" }
	qw/tcp udp stream abstract/), 'seen: connections');
$canary->{$_}->accept for qw/tcp stream/;
accept my $from, $canary->{abstract};
$canary->{udp}->recv(my $text, 10);

SKIP: {
	skip 'no shared memory', 1 if !defined $canary->{shm};
	shmwrite $canary->{shm}, 'x', 0, 1;
	seen('shared memory was written to', qr/^shared memory has changed$/);
	shmwrite $canary->{shm}, $canary->secret, 0, 24;
}

# Answers

my $response = bless { status => 200, raw => '' }, 'Test::Codeexec::Response';

sub answer_seen ($name, $answer, $pattern) {
	my @bad = $hostile->check_answer($response, $answer);
	like(join("\n", @bad), $pattern, "seen: $name");
}

answer_seen('(nothing)', { status => 'ok', output => '' }, qr/^$/);
answer_seen('a timeout with 200', { status => 'timeout' }, qr/^HTTP status/);
answer_seen('an unknown member', { status => 'ok', path => '/' },
	qr/^a member path of another kind$/);
answer_seen('a member of another type', { status => 'ok', output => {} },
	qr/^a member output of another kind$/m);
answer_seen('too much output', { status => 'ok', output => 'x' x 102401 },
	qr/^output is too long$/);
answer_seen('too many images', { status => 'ok',
	images => { map { $_ => '' } 1 .. 9 } }, qr/^too many images$/);
$response->{raw} = 'x' . $canary->secret;
answer_seen('a secret', { status => 'ok' }, qr/^a secret in the answer$/);
is_deeply([map { Test::Codeexec::Hostile::how_it_ended($_) }
	{ status => 'ok', reason => '' }, { status => 'ok', reason => 'disk' },
	{ status => 'error', reason => 'exit', exit_code => 3 },
	{ status => 'signal', reason => 'syscall', signal => 31 }, {}],
	['ok', 'ok (disk)', 'error 3', 'signal 31 (syscall)', 'none ()'],
	'how runs end, in words');

# What is left: a process of a slot, a run, a mount of somebody else's

$Test::Codeexec::Hostile::PATIENCE = 0.5;

SKIP: {
	skip 'not root', 1 if $> != 0;
	my $pid = fork // die "fork: $!";

	if (!$pid) {
		POSIX::setuid($t->base_uid + 2);
		alarm 0;
		exec { '/bin/sleep' } 'sleep', 60 or POSIX::_exit(1);
	}

	wait_until(5, sub { cmdline($pid) eq 'sleep 60' });
	seen('a process with the uid of a slot', qr/^processes: .*\bsleep 60/);
	kill KILL => $pid;
	waitpid $pid, 0;
}

my $run = $t->send_code("open('here', 'w')\nimport time\ntime.sleep(9)");
$t->marked('here');
seen('a run', qr/^something runs$/);
close $run;
$t->settle;
seen('a run that was aborted', qr/^runs: \d+ started, \d+ finished$/);
$hostile->{aborted} = 1;

$hostile->{count}{$_}-- for grep { /^(?:mounts|descriptors)/ }
	keys %{ $hostile->{count} };
seen('mounts and descriptors', qr/^descriptors of .*^mounts of /ms);
$hostile->{count} = $hostile->count;

$hostile->{memory} -= 2000;
cmp_ok($hostile->memory - $hostile->{memory}, '>', 1024, 'seen: memory');

# Logs, files, processes

open my $log, '>>', $t->dir . '/codeexec.log' or die "log: $!";
syswrite $log, 'warning: ' . $canary->secret . "\n";
seen('a line in a log', qr/^codeexecd says: warning: .*^a secret in a log$/ms);
truncate $log, $hostile->{log}{'codeexec.log'};

my $tree = $hostile->tree;
cmp_ok(scalar keys %$tree, '>', 1000, 'files that runs can read');
my ($one) = sort keys %$tree;
my %other = (%$tree, "$one other" => 1);
delete $other{$one};
is(scalar Test::Codeexec::Hostile::changes($tree, $tree), 0, 'no change');
is(join('', Test::Codeexec::Hostile::changes($tree, \%other)),
	"- $one+ $one other", 'seen: a file has changed');

kill KILL => $t->zygotes;
$Test::Codeexec::Hostile::PATIENCE = 10;
seen('a zygote was killed', qr/^processes: daemon .*, were daemon /m);

$canary->remove;
$t->done_testing;
