#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# The pool of connections to PostgreSQL: its options, its limits, and the ways
# to connect.

use v5.36;

use Digest::SHA qw/sha256_hex/;
use Test::More;
use Time::HiRes qw/sleep time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Image;
use Test::Codeexec::Process;
use Test::FakePostgres;
use Test::Postgres;

# libpq would listen to these; nginx's workers must not.

@ENV{qw/PGUSER PGAPPNAME PGSSLMODE PGOPTIONS PGTARGETSESSIONATTRS/}
	= qw/nobody evil verify-full -x standby/;

my $t = Test::Codeexec->new;
my $db = Test::Postgres->new($t, conf => { log_connections => 'on' })->schema;
my $dir = $t->dir;

# A name with "slow" in it makes a query take 300 ms.

$db->psql(<<'EOF');
ALTER TABLE images ENABLE ROW LEVEL SECURITY;
CREATE POLICY slow ON images USING (CASE WHEN filename LIKE '%slow%'
    THEN pg_sleep(0.3)::text = '' ELSE true END);
EOF

###############################################################################

# The configuration

sub config ($block, $location = 'codeexec_image x;', $server = '') {
	$t->write_conf(<<~EOC);
		$block
		server {
		    listen 127.0.0.1:%%PORT_0%%;
		    $server
		    location /image/ { $location }
		}
		EOC
	return $t->test_conf;
}

sub good ($name, @arg) {
	my ($out, $success) = config(@arg);
	ok($success, $name) || diag($out);
}

sub bad ($name, $error, @arg) {
	my ($out, $success) = config(@arg);
	my $pattern = ref $error ? $error : qr/\Q$error\E/;
	ok(!$success && $out =~ /\[emerg\] $pattern/, $name)
		|| diag("expected \"$error\", got:\n$out");
}

sub block ($options, $conninfo = '"host=/tmp"') {
	return "codeexec_pg x { conninfo $conninfo; $options }";
}

$t->write_file('password', "secret\nsecond line\n");
$t->write_file('empty', '');
$t->write_file('blank', "\nsecret\n");
$t->write_file('long', 'x' x 5000);

good('least', block(''));
good('all', block(<<~EOF));
	password_file $dir/password;
	max_connections 4;
	queue 10 timeout=1500ms;
	connect_timeout 1s;
	query_timeout 1s;
	idle_timeout 1m;
	max_requests 10;
	max_age 1d;
	prepare off;
	sweep 1h;
	EOF
good("$_", block("$_;")) for 'queue 0', 'queue 1', 'max_requests 0',
	'max_age 0', 'sweep 0', 'prepare on', 'max_connections 1';
good('a relative password_file', block('password_file password;'));
good('two pools', block('') . ' codeexec_pg y { conninfo "host=/tmp"; }');
good('a pool that nobody uses', block(''), 'return 404;');
good('the pool comes last', '', 'codeexec_image x;', '} '
	. block('') . ' server { listen 127.0.0.1:%%PORT_1%%;');
good("conninfo $_", block('', qq("$_"))) for '', 'dbname=x',
	'postgresql://u@127.0.0.1:1234/x?sslmode=require',
	'host=127.0.0.1,/tmp port=1,2', 'hostaddr=127.0.0.1 host=db.test',
	'host=localhost', "password='a b'", 'options=-cgeqo=off',
	'application_name=x', 'target_session_attrs=read-write',
	'host=127.0.0.1,127.0.0.1,127.0.0.1 port=5432';

bad('not in server', '"codeexec_pg" directive is not allowed here', block(''),
	'return 404;', 'codeexec_pg y { conninfo ""; }');
bad('not in location', '"codeexec_pg" directive is not allowed here',
	block(''), 'codeexec_pg y { conninfo ""; }');
bad('no name', 'invalid number of arguments in "codeexec_pg"',
	'codeexec_pg { conninfo ""; }');
bad('two names', 'invalid number of arguments in "codeexec_pg"',
	'codeexec_pg x y { conninfo ""; }');
bad('no block', 'directive "codeexec_pg" has no opening "{"',
	'codeexec_pg x;');
bad('"off" is no name', qr/invalid name of a pool "off"/,
	'codeexec_pg off { conninfo ""; }');
bad('twice', qr/duplicate codeexec_pg "x"|codeexec_pg "x" is duplicate/,
	block('') x 2);
bad('empty', qr/no "conninfo" in codeexec_pg "x"/, 'codeexec_pg x { }');
bad('codeexec_image, not configured', 'codeexec_pg "x" is not configured', '');
bad('codeexec_store, not configured', 'codeexec_pg "y" is not configured',
	block(''), 'codeexec_pass unix:/x; codeexec_store y;');
bad('unknown', 'unknown directive "colour"', block('colour red;'));
bad('a directive of nginx', 'unknown directive "root"', block('root /;'));

for my $name (qw/password_file max_connections connect_timeout query_timeout
	idle_timeout max_requests max_age prepare sweep conninfo queue/)
{
	my $value = { prepare => 'on', conninfo => '"host=/x"',
		password_file => "$dir/password" }->{$name} // 5;

	bad("$name twice", qr/"$name" directive is duplicate/,
		block("$name $value; $name $value;"));
	bad("$name, no argument", qq(invalid number of arguments in "$name"),
		block("$name;"));
	bad("$name, arguments", qq(invalid number of arguments in "$name"),
		block("$name $value timeout=1s 3;"));
}

for my $name (qw/connect_timeout query_timeout idle_timeout max_age sweep/) {
	bad("$name soon", qq("$name" directive invalid value),
		block("$name soon;"));
	bad("$name -1", qq("$name" directive invalid value),
		block("$name -1;"));
}

for my $name (qw/connect_timeout query_timeout idle_timeout/) {
	bad("$name 0", qr/.*must be greater than zero/, block("$name 0;"));
}

# PostgreSQL takes no more than that.

good("query_timeout $_", block("query_timeout $_;"))
	for '2147483647ms', '1ms', '24d';
bad("query_timeout $_", '"query_timeout" must be equal to or less than '
	. '2147483647ms', block("query_timeout $_;"))
	for '2147483648ms', '25d', '30d';

for my $name (qw/max_connections max_requests/) {
	bad("$name $_", qq("$name" directive invalid number),
		block("$name $_;")) for qw/some -1 1.5/;
}

bad("max_connections $_", 'value must be between 1 and 1000',
	block("max_connections $_;")) for 0, 1001, 100000;
bad('prepare maybe', 'invalid value "maybe" in "prepare" directive',
	block('prepare maybe;'));
bad("queue $_", qr/invalid (?:number|parameter|value)/, block("queue $_;"))
	for 'some', '-1', '5 soon', '5 timeout=soon', '5 timeout=', '5 timeout=0',
		'5 wait=1s';

for my $conninfo ('host', 'host=/tmp nonsense=1', "host='/tmp",
	'sslmode', 'postgresql://[::1')
{
	bad("conninfo $conninfo", qr/invalid "conninfo": \w/,
		block('', qq("$conninfo")));
}

# What libpq complains of may be a piece of a password.

for my $conninfo ('host=/tmp password=my secret', "password='my secret",
	"host=/tmp password='my 'secret'", 'password = my secret',
	'postgresql://u:secret@[::1', 'postgresql://u:my%secret@/x',
	'postgresql://u@/x?password=secret%', 'postgresql://u:secret@/x?y')
{
	my ($out, $success) = config(block('', qq("$conninfo")));
	ok(!$success && $out =~ /\[emerg\] invalid "conninfo": \w/,
		"bad conninfo with a password") || diag($out);
	unlike($out, qr/secret/, 'and nothing of it is shown');
}

bad("conninfo $_", qr/.*"?$_"?/, block('', qq("host=/tmp $_=x")))
	for qw/passfile service/;
bad('conninfo, lists', qr/.*(?:lengths|could not match)/,
	block('', '"host=/a,/b port=1,2,3"'));
bad('conninfo, no such host', qr/.*no-such-host\.invalid/,
	block('', '"host=no-such-host.invalid"'));

bad('password_file, missing', qr/open\(\) "$dir\/none" failed/,
	block("password_file $dir/none;"));
bad('password_file, a directory', qr/.*"$dir" failed/,
	block("password_file $dir;"));
bad("password_file, $_", qr/.*password.*"$dir\/$_"/,
	block("password_file $dir/$_;")) for qw/empty blank long/;
bad('two passwords', qr/.*password_file.*password/,
	block("password_file $dir/password;", '"host=/tmp password=x"'));

unlike($t->read_file('error.log'), qr/secret/, 'no password in the log');
unlink "$dir/error.log";

###############################################################################

# The hard cap, with two workers

sub location ($pool) { <<~EOC }
	location /$pool/ { codeexec_image $pool; }
	EOC

my $ssl = $db->has_ssl;
my $pair = $db->dir . '/data/server';
my $listen_ssl = $ssl ? "listen 127.0.0.1:%%PORT_1%% ssl;\n"
	. "ssl_certificate $pair.crt; ssl_certificate_key $pair.key;" : '';

sub server (@pools) { <<~EOC }
	server {
	    listen 127.0.0.1:%%PORT_0%%;
	    $listen_ssl
	    @{[map { location($_) } @pools]}
	}
	EOC

$t->write_conf($db->block('cap', max_connections => 3,
	queue => '256 timeout=10s') . server('cap'),
	main => 'worker_processes 2;');
$t->run;

my $name = insert($db);
my $slow = insert($db, name => image_name('slow.png'));

sub get ($pool, $name = $name) {
	return $t->http_get(image_path($name, "/$pool/"), timeout => 20);
}

sub found ($pool, $text, $image = $name, $size = 100) {
	my $r = get($pool, $image);
	my $ok = $r->complete && $r->status == 200
		&& $r->body eq image_bytes($size);
	return ok($ok, $text) || diag(($r->status // 'none'), ', ',
		length $r->body, ' bytes');
}

# Sends requests, and returns the sockets.

sub start ($pool, $n, $name = $slow) {
	my @s = map { $t->connect } 1 .. $n;
	write_all($_, $t->request(GET => image_path($name, "/$pool/"))) for @s;
	return @s;
}

sub statuses (@s) {
	my %count;
	$count{ $t->read_response($_)->status // 'none' }++ for @s;
	return join ', ', map { "$count{$_} x $_" } sort keys %count;
}

my @s = start('cap', 36);
my $most = 0;
my $end = time + 8;
my $done = IO::Select->new(@s);

while (time < $end) {
	my $now = $db->backends;
	$most = $now if $now > $most;
	last if @s == (my @ready = $done->can_read(0.01));
	sleep 0.01;
}

is(statuses(@s), '36 x 200', 'a burst');
ok($most >= 3 && $most <= 6, 'three connections of each worker, never more')
	|| diag($most);
$t->stop;
is($db->wait_backends(0), 0, 'none is left when nginx has stopped');

###############################################################################

# The rest, with one worker

my $password = $Test::Postgres::PASSWORD;
my $crt = $db->dir . '/server.crt';

$t->write_file('right', "$password\nx\n");
$t->write_file('right-crlf', "$password\r\n");
$t->write_file('right-eof', $password);
$t->write_file('wrong', "wrong-password\n");
chmod 0600, "$dir/right";

my $fake = Test::FakePostgres->new($t, script => sub ($c, $q) {
	$c->image(type => 'image/png', data => image_bytes(100))->complete
		if $q->{kind} eq 'lookup';
});

# As a pooler does it that knows nothing of sessions.

my $pooler = Test::FakePostgres->new($t, name => 'pooler',
	startup => sub ($c, $parameters) {
		return $c->refuse('08P01', 'unsupported startup parameter')
			if $parameters->{options};
		$c->welcome;
	}, parse => sub ($c, $s) {
		$c->error('08P01', 'no prepared statements') if $s->{name} ne '';
	}, script => sub ($c, $q) {
		$c->image(type => 'image/png', data => image_bytes(100))
			->complete if $q->{kind} eq 'lookup';
	});

sub tcp (@more) {
	return '"' . $db->tcp_conninfo(@more) . '"';
}

my %pool = (
	one => { max_connections => 1 },
	queue2 => { max_connections => 1, queue => 2 },
	queue0 => { max_connections => 1, queue => 0 },
	queue_timeout => { max_connections => 1, queue => '5 timeout=150ms' },
	idle => { idle_timeout => '200ms' },
	requests => { max_requests => 3, max_connections => 1 },
	forever => { max_requests => 0, max_age => 0, max_connections => 1 },
	age => { max_age => '250ms', max_connections => 1 },
	query => { query_timeout => '150ms', max_connections => 1 },
	unprepared => { prepare => 'off', query_timeout => '150ms',
		max_connections => 1 },
	named => { conninfo => '"' . $db->conninfo('application_name=mine')
		. '"' },
	uri => { conninfo => '"postgresql://codeexec@:' . $db->port
		. '/codeexec?host=' . ($db->dir =~ s{/}{%2F}gr) . '"' },
	options => { conninfo => '"' . $db->conninfo(
		"options='-c statement_timeout=100 -c geqo=off'") . '"' },
	fake => { conninfo => '"' . $fake->conninfo . '"',
		query_timeout => '1234ms' },
	userless => { conninfo => '"' . ($fake->conninfo =~ s/ user=\S+//r)
		. '"' },
	fake_unprepared => { conninfo => '"' . $fake->conninfo . '"',
		prepare => 'off' },
	pooler => { conninfo => '"' . $pooler->conninfo . '"',
		prepare => 'off' },
	scram => { conninfo => tcp(), password_file => "$dir/right" },
	scram_crlf => { conninfo => tcp(), password_file => "$dir/right-crlf" },
	scram_eof => { conninfo => tcp(), password_file => "$dir/right-eof" },
	scram_wrong => { conninfo => tcp(), password_file => "$dir/wrong" },
	scram_none => { conninfo => tcp() },
	scram_inline => { conninfo => tcp("password='"
		. ($password =~ s/([\\'])/\\$1/gr =~ s/([\\"])/\\$1/gr) . "'") },
	$ssl ? (
		full => { conninfo => tcp('host=localhost', 'user=tls',
			'sslmode=verify-full', "sslrootcert=$crt"),
			password_file => "$dir/right" },
		full_address => { conninfo => tcp('host=127.0.0.1', 'user=tls',
			'sslmode=verify-full', "sslrootcert=$crt"),
			password_file => "$dir/right" },
		full_hostaddr => { conninfo => tcp('host=db.test',
			'hostaddr=127.0.0.1', 'user=tls', 'sslmode=verify-full',
			"sslrootcert=$crt"), password_file => "$dir/right" },
		full_name => { conninfo => tcp('host=other.test',
			'hostaddr=127.0.0.1', 'user=tls', 'sslmode=verify-full',
			"sslrootcert=$crt"), password_file => "$dir/right" },
		full_root => { conninfo => tcp('host=localhost', 'user=tls',
			'sslmode=verify-full', "sslrootcert=@{[$db->dir]}/"
			. 'other.crt'), password_file => "$dir/right" },
		require => { conninfo => tcp('user=tls', 'sslmode=require'),
			password_file => "$dir/right", max_connections => 2 },
		plain => { conninfo => tcp('user=tls', 'sslmode=disable'),
			password_file => "$dir/right" },
	) : (),
);

$t->write_conf(join('', map { $db->block($_, %{ $pool{$_} }) } sort keys %pool)
	. server(sort keys %pool));
$t->run;

is($db->backends, 0, 'nothing is opened before it is needed');

# the queue

my $unavailable = 'Image store is unavailable';
my $lock = Test::Postgres::Client->new($db);

sub active ($n) {
	return is($db->wait_backends($n, 3, $Test::Postgres::APPLICATION,
		'active'), $n, "$n active");
}

for my $case ([queue2 => 2], [queue0 => 0]) {
	my ($pool, $size) = @$case;

	found($pool, "$pool, a first");

	$lock->query('BEGIN; LOCK TABLE images');
	my @s = start($pool, 1, $name);
	active(1);
	push @s, start($pool, $size, $name);
	sleep 0.1;

	my $begin = time;
	for (1 .. 2) {
		my $r = get($pool);
		error_is($r, 503, $unavailable, "$pool is full");
		like($r->header('Retry-After'), qr/^[1-9]\d*$/,
			"$pool, Retry-After");
	}
	cmp_ok(time - $begin, '<', 0.5, "$pool, at once");

	# A place that is left is free for another.

	if ($size) {
		close pop @s;
		sleep 0.1;
		push @s, start($pool, 1, $name);
		sleep 0.1;
		error_is(get($pool), 503, $unavailable, "$pool is full again");
	}

	$lock->query('COMMIT');
	is(statuses(@s), @s . ' x 200', "$pool, all that were let in");
	found($pool, "$pool, free again");
}

# Before there is a connection, too.

$db->terminate_backends;
$db->wait_backends(0);
sleep 0.1;
is(statuses(start('queue0', 1, $name)), '1 x 200', 'queue0, cold');

found('queue_timeout', 'queue_timeout, a first');
@s = start('queue_timeout', 1);
active(1);
my $begin = time;
my $r = get('queue_timeout');
my $took = time - $begin;
error_is($r, 503, $unavailable, 'queue_timeout');
ok($took > 0.12 && $took < 0.29, 'queue_timeout, then') || diag($took);
is(statuses(@s), '1 x 200', 'queue_timeout, the other');
@s = start('queue_timeout', 1);
sleep 0.2;
push @s, start('queue_timeout', 3, $name);
is(statuses(@s), '4 x 200', 'queue_timeout, those that came later');

# the life of a connection

sub connections {
	my @n = $db->log_text =~
		/connection authorized: .*application_name=nginx-codeexec/g;
	return scalar @n;
}

$db->terminate_backends;
$db->wait_backends(0);
found('idle', 'idle_timeout');
is($db->backends, 1, 'idle_timeout, kept');
is($db->wait_backends(0, 1), 0, 'idle_timeout, closed');
found('idle', 'idle_timeout, and again');
for (1 .. 6) { sleep 0.06; get('idle') }
is($db->backends, 1, 'idle_timeout, not while it is used');

my $before = connections();
found('requests', "max_requests, $_") for 1 .. 12;
is(connections() - $before, 4, 'max_requests');

$before = connections();
found('forever', "no max_requests, $_") for 1 .. 9;
is(connections() - $before, 1, 'no max_requests');

$before = connections();
found('age', "max_age, $_"), sleep 0.09 for 1 .. 8;
my $opened = connections() - $before;
ok($opened >= 2 && $opened <= 4, 'max_age') || diag($opened);

# time-outs

sub pids {
	return $db->psql('SELECT pid FROM pg_stat_activity WHERE '
		. "application_name = 'nginx-codeexec' ORDER BY pid");
}

$db->terminate_backends;
$db->wait_backends(0);

found('query', 'query_timeout, in time');
my $pid = pids();
for (1 .. 2) {
	$begin = time;
	error_is(get('query', $slow), 504, 'Gateway Timeout', 'query_timeout');
	$took = time - $begin;
	ok($took > 0.12 && $took < 0.28, 'query_timeout, then') || diag($took);
}
found('query', 'query_timeout, the next');
is(pids(), $pid, 'on the same connection');
like($db->log_text, qr/canceling statement due to statement timeout/,
	'the server has ended it');

# ... who may be unable to

$db->freeze;
$begin = time;
error_is(get('query'), 504, 'Gateway Timeout', 'query_timeout, frozen');
cmp_ok(time - $begin, '<', 2.5, 'query_timeout, frozen, in time');
$db->thaw;
found('query', 'query_timeout, thawed');

found('unprepared', 'prepare off');
$begin = time;
error_is(get('unprepared', $slow), 504, 'Gateway Timeout', 'prepare off, slow');
cmp_ok(time - $begin, '<', 2.5, 'prepare off, slow, in time');
found('unprepared', 'prepare off, and again');

found('options', 'options');
error_is(get('options', $slow), 504, 'Gateway Timeout',
	'options are not replaced');

# what is said to the server

found('fake', 'fake') for 1 .. 3;
my %startup = %{ ($fake->events('startup'))[0]{parameters} };
is($startup{application_name}, 'nginx-codeexec', 'application_name');
is($startup{client_encoding}, 'UTF8', 'client_encoding');
is($startup{user}, 'codeexec', 'user');
is($startup{database}, 'codeexec', 'database');
like($startup{options} // '', qr/^-c statement_timeout=1234$/, 'options');
is($fake->connections, 1, 'one connection');
my @parsed = $fake->events('parse');
is(scalar(grep { $_->{name} eq '' } @parsed), 0, 'prepared, with a name');
is(scalar(grep { $_->{kind} eq 'lookup' } @parsed), 1, 'prepared once');
is_deeply([map { join ' ', @{ $_->{results} } } $fake->executed], [(1) x 3],
	'results are binary');

$fake->reset;
found('userless', 'no user');
is(($fake->events('startup'))[0]{parameters}{user}, $> == 0 ? 'www-data'
	: scalar getpwuid $>, 'no user, that of nginx');

$fake->reset;
found('fake_unprepared', 'fake, prepare off') for 1 .. 3;
is(($fake->events('startup'))[0]{parameters}{options}, undef,
	'prepare off, no options');
@parsed = $fake->events('parse');
is(join(' ', map { "[$_->{name}]" } @parsed), '[] [] []',
	'prepare off, no names');

found('pooler', 'a pooler') for 1 .. 3;

$before = connections();
found('named', 'application_name');
is($db->backends('mine'), 1, 'application_name is the given one');
found('uri', 'conninfo as a URI');

# ways to connect

sub refused ($pool, $pattern, $text) {
	error_is(get($pool), 503, $unavailable, $text);
	like($t->read_file('error.log'), $pattern, "$text, the log");
}

found('scram', 'scram');
found('scram_crlf', 'scram, CRLF');
found('scram_eof', 'scram, a file of one line');
found('scram_inline', 'scram, a password in conninfo');
refused('scram_wrong', qr/"scram_wrong".*password authentication failed/,
	'scram, wrong password');
refused('scram_none', qr/"scram_none".*no password supplied/,
	'scram, no password');

my $log = $t->read_file('error.log');
unlike($log, qr/wrong-password|\Q$password\E/, 'no password in the log');

SKIP: {
	skip 'no openssl', 30 if !$ssl;

	my $tls = sub { $db->psql('SELECT bool_and(ssl) FROM pg_stat_ssl JOIN '
		. "pg_stat_activity USING (pid) WHERE usename = 'tls'") };

	found('full', 'verify-full');
	is($tls->(), 't', 'it is encrypted');
	found('full_address', 'verify-full, an address');
	found('full_hostaddr', 'verify-full, name and address');
	refused('full_name', qr/"full_name".*does not match host name/,
		'verify-full, another name');
	refused('full_root', qr/"full_root".*certificate verify failed/,
		'verify-full, another root');
	refused('plain', qr/"plain".*no encryption/, 'TLS is asked for');

	# Errors that libpq leaves behind are not those of nginx's own TLS.

	my $https = 'https://127.0.0.1:' . $t->port(1);
	get('full_root');
	is(`curl -s -k -m 5 $https/one/x`, qq({"error":"Invalid image name"}\n),
		'TLS of nginx after that');

	my @sizes = (1, 100, 5000, 8192, 16384, 50000, 300000, 2000000);
	my %image = map { $_ => insert($db, size => $_) } @sizes, 16 << 20;

	found('require', "require, $_ bytes", $image{$_}, $_)
		for @sizes, 16 << 20;
	is($tls->(), 't', 'require, encrypted') if $db->backends;

	my @want = map { $sizes[$_ % @sizes] } 1 .. 40;
	my @s = map { start('require', 1, $image{$_}) } @want;
	my @wrong = grep { $t->read_response($s[$_])->body
		ne image_bytes($want[$_]) } 0 .. $#want;
	is("@want[@wrong]", '', 'require, forty at once');
}

# None of it was left open.

$t->stop;
is($db->wait_backends(0), 0, 'no connection is left');

unlike($t->read_file('error.log'), qr/ignoring stale global SSL error/,
	'no errors of SSL are left');
$t->done_testing;
