#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# The harness itself: the real PostgreSQL and the fake one, both as seen by
# PostgreSQL's own client.

use v5.36;

use Test::More;
use Time::HiRes qw/time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Process;
use Test::FakePostgres;
use Test::Postgres;

my $t = Test::Codeexec->new;
my $db = Test::Postgres->new($t);

# What the real psql says, as if it were run by anybody.

sub psql ($conninfo, $sql) {
	local $ENV{PGPASSWORD};
	my ($out) = Test::Postgres::program(psql => '/dev/null', '-X',
		$conninfo, '-P', 'null=NULL', '-Atc', $sql);
	return $out;
}

sub with_password ($conninfo) {
	my $password = $Test::Postgres::PASSWORD =~ s/([\\'])/\\$1/gr;
	return "$conninfo password='$password'";
}

# the server

is($db->psql("SELECT 1, NULL, 'a|b'"), '1||a|b', 'a row');
is($db->psql('SELECT generate_series(1, 3)'), "1\n2\n3", 'rows');
ok(!eval { $db->psql('SELEC') }, 'an error');
like($@, qr/^42601 syntax error/, 'as SQLSTATE and message');
is($db->psql('SELECT current_user', user => 'codeexec'), 'codeexec', 'role');

$db->legacy_schema;
my $bytes = join '', map { chr } 0 .. 255;
$db->image("it's", data => $bytes);
is($db->psql('SELECT filename, data FROM images'), "it's|\\x"
	. unpack('H*', $bytes), 'image');

is(psql($db->conninfo, 'SELECT current_user'), "codeexec\n", 'unix socket');
is($db->backends, 0, 'no backends');

my $other = Test::Postgres::Client->new($db, application => 'other');
is($db->wait_backends(1, 3, 'other'), 1, 'one backend');
$other->send_query('SELECT pg_sleep(20)');
is($db->wait_backends(1, 3, 'other', 'active'), 1, 'it is active');
is($db->terminate_backends('other'), 1, 'ended');
is($db->wait_backends(0, 3, 'other'), 0, 'gone');
ok(!eval { $other->answer }, 'its session is over');

like(psql($db->tcp_conninfo, 'SELECT 1'), qr/no password supplied/,
	'TCP, no password');
is(psql(with_password($db->tcp_conninfo), 'SELECT 1'), "1\n", 'TCP, password');

SKIP: {
	skip 'no openssl', 4 if !$db->has_ssl;

	my $sql = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()';
	my $verify = sub ($host, $crt, $role) {
		psql(with_password($db->tcp_conninfo("host=$host",
			'hostaddr=127.0.0.1', 'sslmode=verify-full', 'sslrootcert='
			. $db->dir . "/$crt.crt", "user=$role")), $sql);
	};

	is($verify->('localhost', 'server', 'tls'), "t\n", 'TLS');
	like($verify->('localhost', 'other', 'tls'), qr/verify failed/,
		'TLS, another root');
	like($verify->('other.test', 'server', 'tls'),
		qr/does not match host name/, 'TLS, another name');
	like(psql(with_password($db->tcp_conninfo('user=tls')), $sql),
		qr/rejects connection .* no encryption/, 'TLS is asked for');
}

$db->set(default_transaction_read_only => 'on');
ok(!eval { $db->image('x') }, 'read-only');
like($@, qr/^25006/, 'read-only, SQLSTATE');
ok($db->restart->psql('SELECT 1'), 'restart');
$db->crash;
ok(!eval { $db->psql('SELECT 1') }, 'crashed');
ok($db->start->psql('SELECT count(*) FROM images'), 'and recovered');
$db->freeze;
my $silent = IO::Socket::UNIX->new(Peer => $db->dir . '/.s.PGSQL.' . $db->port);
ok($silent, 'frozen, one can still connect');
$db->thaw;
ok($db->psql('SELECT 1'), 'and it goes on');

# the fake

my $fake = Test::FakePostgres->new($t, query => sub ($c, $s) {
	return if $s->{sql} =~ /SHOW/;
	return $c->error('53200', 'no memory') if $s->{sql} eq 'fail';
	$c->notice('nota bene');
	$c->raw(Test::FakePostgres::row_description([a => 'text', 0],
		[b => 'text', 0]));
	$c->row('x', undef)->row('1', '22')->complete('SELECT 2');
	$c->dribbled(0.0001) if $s->{sql} eq 'dribble';
	$c->cut($1) if $s->{sql} =~ /cut (\d+)/;
	$c->eof if $s->{sql} eq 'hang';
});

my $rows = "NOTICE:  nota bene\nx|NULL\n1|22\n";
is(psql($fake->conninfo, 'any'), $rows, 'fake, rows');
is(psql($fake->conninfo, 'dribble'), $rows, 'fake, byte by byte');
is(psql($fake->conninfo, 'fail'), "ERROR:  no memory\n", 'fake, an error');
like(psql($fake->conninfo, "cut $_"), qr/server closed the connection/,
	"fake, cut at byte $_") for 1, 4, 60, 100;
like(psql($fake->conninfo('sslmode=prefer'), 'any'), qr/1\|22/,
	'fake, no encryption');
is(($fake->events('startup'))[0]{parameters}{application_name}, 'psql',
	'fake, startup seen');
is(($fake->events('query'))[0]{sql}, 'any', 'fake, query seen');
is($fake->count('encryption'), 1, 'fake, encryption asked for');

my $picky = Test::FakePostgres->new($t, name => 'picky',
	directory => $t->dir . '/picky', startup => sub ($c, $parameters) {
		$c->refuse('53300', 'too many') if $parameters->{user} eq 'x';
		$c->welcome(default_transaction_read_only => 'on');
	}, query => sub ($c, $s) { $c->error('XX000', 'asked') });
like(psql($picky->conninfo('user=x'), 'any'), qr/FATAL:  too many/,
	'fake, refused');
like(psql($picky->conninfo('target_session_attrs=read-write'), 'any'),
	qr/session is read-only/, 'fake, read-only');
like(psql($picky->conninfo, 'any'), qr/ERROR:  asked/, 'fake, let in');

# The extended protocol, spoken by hand.

my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
	PeerPort => $fake->port);
my $next = sub { sysread $c, my $head, 5; my ($type, $n) = unpack 'aN', $head;
	sysread $c, my $body, $n - 4 if $n > 4; ($type, $body // '') };
my $send = sub { syswrite $c, join '', @_ };
my $message = \&Test::FakePostgres::message;

$send->(pack 'NNa*', 8 + 16, 196608, "user\0codeexec\0\0\0");
1 while ($next->())[0] ne 'Z';

$send->($message->(P => pack 'Z*Z*nN', 's', 'SELECT FROM images', 1, 25),
	$message->(B => pack 'Z*Z*nnn N/a* l> nn', '', 's', 1, 1, 2, "\0a", -1,
		1, 1),
	$message->(D => "P\0"), $message->(E => "\0" . pack 'N', 0),
	$message->('S'));
is(join('', map { ($next->())[0] } 1 .. 5), '12TCZ', 'fake, extended');
my ($seen) = $fake->executed('lookup');
is_deeply([@$seen{qw/kind params formats results/}],
	['lookup', ["\0a", undef], [1], [1]], 'fake, what was executed');

$send->($message->(B => pack 'Z*Z*nnn', '', 'none', 0, 0, 0),
	$message->(E => "\0" . pack 'N', 0), $message->('S'));
is(join('', map { ($next->())[0] } 1 .. 2), 'EZ', 'fake, skipped to Sync');
close $c;

$t->done_testing;
