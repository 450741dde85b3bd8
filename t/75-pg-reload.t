#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Reload and shutdown while images are served and stored: no request is lost,
# no connection is left.

use v5.36;

use JSON::PP ();
use POSIX ();
use Test::More;
use Time::HiRes qw/sleep time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Image;
use Test::Codeexec::Process;
use Test::FakePostgres;
use Test::FakeSandbox;
use Test::Postgres;

my $reloads = $ENV{CODEEXEC_RELOADS} // 20;
alarm 90 + $reloads;

my $t = Test::Codeexec->new;
my $db = Test::Postgres->new($t)->schema;
$db->database('other')->schema('other');

# Slow images take 300 ms.

$db->psql(<<'EOF');
ALTER TABLE images ENABLE ROW LEVEL SECURITY;
CREATE POLICY slow ON images FOR SELECT USING (CASE WHEN filename LIKE '%slow%'
    THEN pg_sleep(0.3)::text = '' ELSE true END);
CREATE POLICY all_new ON images FOR INSERT WITH CHECK (true);
EOF

my $hanging = Test::FakePostgres->new($t, name => 'hanging',
	startup => sub ($c, $parameters) { $c->eof });

sub configure (%arg) {
	my $conninfo = $arg{conninfo} // $db->conninfo;

	$t->write_conf(<<~EOC, main => $arg{main} // '');
		upstream sandbox { server unix:%%SOCK%%; keepalive 8; }

		${\ $db->block('images', max_connections => $arg{max} // 4,
			conninfo => qq("$conninfo"), sweep => '1s')}
		${\ $hanging->block('hanging', connect_timeout => '20s',
			queue => '10 timeout=20s')}

		server {
		    listen 127.0.0.1:%%PORT_0%%;
		    location /image/ { codeexec_image images; }
		    location /hanging/ { codeexec_image hanging; }
		    location /run {
		        codeexec_pass sandbox;
		        codeexec_store images;
		    }
		}
		EOC
}

my $small = image_bytes(500);
my $large = image_bytes(300000);

my $fake = $t->fake(script => sub ($c, $job) {
	$c->send(answer(files => [['a.png', $small], ['b.png', $large]]));
});

configure();
$t->run;

my $name = insert($db, size => 2000);
my $slow = insert($db, name => image_name('slow.png'));

sub get ($name, @arg) { $t->http_get(image_path($name), @arg) }

sub start ($name, $prefix = '/image/') {
	my $s = $t->connect;
	write_all($s, $t->request(GET => image_path($name, $prefix)));
	return $s;
}

sub found ($r, $text, $size = 2000) {
	my $ok = $r->complete && ($r->status // 0) == 200
		&& $r->body eq image_bytes($size);
	return ok($ok, $text) || diag(($r->status // 'none'), ', ',
		length $r->body, ' bytes');
}

sub active ($n) {
	return is($db->wait_backends($n, 3, $Test::Postgres::APPLICATION,
		'active'), $n, "$n active");
}

sub old_workers {
	return grep { cmdline($_) =~ /worker process is shut/ }
		children($t->{nginx});
}

sub settled {
	return wait_until(10, sub { !old_workers() && 1 == $t->workers });
}

###############################################################################

# Reloads under load: clients that keep their connections, some for images and
# some for runs that store.  nginx may close a kept connection when it reloads,
# so who gets nothing at all on one asks again on another.

sub ask ($socket, $store) {
	my $request = $store ? $t->request(POST => '/run', keepalive => 1,
		body => '{"code":"x"}')
		: $t->request(GET => image_path($name), keepalive => 1);

	for (1 .. 2) {
		my $kept = $$socket;
		my $s = $$socket //= $t->connect;
		my $sent = write_all($s, $request);
		my $r = $t->read_response($s);

		$$socket = undef if !$r->complete
			|| ($r->header('Connection') // '') eq 'close';
		return $r if $r->raw ne '' || !$kept;
	}
}

sub good_answer ($r, $store) {
	return 0 if !$r->complete || $r->status != 200;
	return $r->body eq image_bytes(2000) if !$store;

	my %url = %{ ($r->json // {})->{images} // {} };
	return 0 if "@{[sort keys %url]}" ne 'a.png b.png';
	return !grep { !m{^http://localhost/image/} } values %url;
}

sub client ($n, $end) {
	my $store = $n >= 4;
	my ($count, $bad, $socket, @urls) = (0, 0);

	while (!-e $end) {
		my $r = eval { ask(\$socket, $store) };
		$count++;

		if (!$r || !good_answer($r, $store)) {
			$bad++;
			print STDERR '# client ', $n, ': ', !$r ? $@
				: substr(($r->line // 'nothing') . ' '
					. ($r->body // ''), 0, 300), "\n";
		} elsif ($store && @urls < 20) {
			push @urls, map { s{^http://[^/]+/image/}{}r }
				values %{ $r->json->{images} };
		}

		sleep 0.002;
	}

	return { count => $count, bad => $bad, urls => \@urls };
}

found(get($name), 'before');
ok($t->http_post_json('/run', '{"code":"x"}')->status == 200, 'a run before');
$t->disconnect;
my $master = $t->{nginx};
my $descriptors = descriptors($master);

my $end = $t->dir . '/end';
my @clients = map {
	my $n = $_;
	pipe my $from, my $to;
	my $pid = fork;

	if (!$pid) {
		alarm 80 + $reloads;
		$t->{clients} = [];
		syswrite $to, JSON::PP->new->encode(client($n, $end)) . "\n";
		POSIX::_exit(0);
	}

	close $to;
	$from;
} 0 .. 6;

my $most = 0;

for (1 .. $reloads) {
	sleep 0.1;
	my $now = $db->backends;
	$most = $now if $now > $most;
	$t->signal('HUP');
	wait_until(5, sub { $t->workers && old_workers() <= 4 });
}

sleep 0.1;
$t->write_file('end', '');

my (%sum, @urls);
for my $from (@clients) {
	my $one = JSON::PP->new->decode(scalar <$from>);
	$sum{$_} += $one->{$_} for qw/count bad/;
	push @urls, @{ $one->{urls} };
}

is($sum{bad}, 0, "$sum{count} requests during $reloads reloads, none lost");
cmp_ok($sum{count}, '>', 3 * $reloads, 'enough of them');
is($db->psql('SELECT count(*) FROM images WHERE filename IN (' . join(', ',
	map { Test::Postgres::quote($_) } @urls) . ')'), scalar @urls,
	'what was announced is there');
is($db->psql("SELECT count(*) FILTER (WHERE filename LIKE '%_a.png') - "
	. "count(*) FILTER (WHERE filename LIKE '%_b.png') FROM images"), 0,
	'no half of a set was stored');
ok(settled(), 'the old workers have gone');
wait_until(5, sub { $db->backends <= 4 });
cmp_ok($db->backends, '<=', 4, 'connections of one worker');
note("at most $most connections");
wait_until(5, sub { descriptors($master) <= $descriptors + 2 });
cmp_ok(descriptors($master), '<=', $descriptors + 2,
	'the master keeps no descriptors');
found(get($name), 'after');

# The old configuration holds for what was begun, then it is gone.

my $s = start($slow);
active(1);
configure(conninfo => $db->conninfo('dbname=other'));
ok($t->reload, 'another database');
is(get($name)->status, 404, 'it has other images');
found($t->read_response($s), 'a query goes on', 100);
ok(settled(), 'the old worker has gone');

sub databases {
	return $db->psql('SELECT DISTINCT datname FROM pg_stat_activity WHERE '
		. "application_name = 'nginx-codeexec'");
}

wait_until(5, sub { databases() eq 'other' });
is(databases(), 'other', 'and so have its connections');

###############################################################################

# Shutdown

sub restart (%arg) {
	$t->disconnect;
	$t->stop('TERM') if $t->{nginx};
	configure(%arg);
	$t->run;
	found(get($name), 'started');
}

sub stops ($signal, $limit, $text) {
	my $begin = time;
	ok($t->stop($signal, 10), "$text, stopped");
	my $took = time - $begin;
	ok($took < $limit, "$text, in time") || diag($took);
	is($db->wait_backends(0), 0, "$text, no connection left");
}

restart();
stops('QUIT', 1, 'idle connections');

restart();
$s = start($slow);
active(1);
$t->signal('QUIT');
found($t->read_response($s), 'a query in flight is finished', 100);
stops('QUIT', 1, 'a query in flight');

# Some that wait for a connection, too.

restart(max => 1);
my @s = map { start($_ ? $name : $slow) } 0 .. 4;
active(1);
sleep 0.05;
$t->signal('QUIT');
found($t->read_response($s[$_]), "waiting, $_", $_ ? 2000 : 100) for 0 .. 4;
stops('QUIT', 1, 'waiting');

# A run that is about to be stored

my $lock = Test::Postgres::Client->new($db);
restart();
$lock->query('BEGIN; LOCK TABLE images');
$s = $t->connect;
write_all($s, $t->request(POST => '/run', body => '{"code":"x"}'));
active(1);
$t->signal('QUIT');
sleep 0.1;
$lock->query('COMMIT');
ok(good_answer($t->read_response($s), 1), 'a store in flight is finished');
close $s;
stops('QUIT', 1, 'a store in flight');

# Nobody waits for this connection any more.

restart();
$s = start($name, '/hanging/');
ok($hanging->wait_for('startup'), 'connecting');
close $s;
sleep 0.05;
stops('QUIT', 2, 'connecting for nobody');

# A limit to patience

restart(main => 'worker_shutdown_timeout 200ms;');
$lock->query('BEGIN; LOCK TABLE images');
@s = map { start($name) } 1 .. 6;
active(4);
my $begin = time;
ok($t->stop, 'stopped, worker_shutdown_timeout');
my $took = time - $begin;
ok($took > 0.15 && $took < 1.5, 'worker_shutdown_timeout, in time')
	|| diag($took);
my @status = map { $t->read_response($_)->status // 'none' } @s;
is(join(' ', grep { !/^(?:none|503)$/ } @status), '',
	'nobody is told anything wrong');
$lock->query('COMMIT');
is($db->wait_backends(0), 0, 'worker_shutdown_timeout, no connection left');

# At once

restart();
$lock->query('BEGIN; LOCK TABLE images');
@s = map { start($name) } 1 .. 6;
active(4);
$begin = time;
ok($t->stop('TERM'), 'stopped, TERM');
cmp_ok(time - $begin, '<', 1, 'TERM, at once');
$lock->query('COMMIT');
is($db->wait_backends(0), 0, 'TERM, no connection left');

# A worker that is killed

restart();
$lock->query('BEGIN; LOCK TABLE images');
@s = map { start($name) } 1 .. 6;
active(4);
my ($old) = $t->workers;
kill KILL => $old;
ok(wait_until(3, sub { my ($new) = $t->workers; $new && $new != $old }),
	'a new worker');
$lock->query('COMMIT');
found(get($name), 'it works');
is($db->wait_backends(1), 1, 'the connections of the other are gone');

# Reload without a database, and without an end to connecting

$db->stop('fast');
is(get($name)->status, 503, 'no database');
$s = start($name, '/hanging/');
ok($t->reload, 'reloaded');
is(get($name)->status, 503, 'still none');
$db->start;
ok(wait_until(5, sub { get($name)->status == 200 }), 'there it is');
close $s;
ok(settled(), 'the old worker has gone');

$t->expect_log(qr/worker process \d+ exited on signal 9/);
$t->done_testing;
