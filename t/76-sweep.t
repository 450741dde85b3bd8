#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Expired images are removed, by one node at a time, and never in the way of
# anybody.

use v5.36;

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

my $t = Test::Codeexec->new;
my $node = Test::Codeexec->new;
my $db = Test::Postgres->new($t)->schema;
$db->database('legacy')->legacy_schema('legacy');

# Lookups of the fake take their time; what it is asked to sweep is nothing.

my $slow = Test::FakePostgres->new($t, script => sub ($c, $q) {
	sleep 0.03 if $q->{kind} eq 'lookup';
});

my $workers = 2;

sub configure ($t, $sweep, $pools = '', $locations = '') {
	$t->write_conf(<<~EOC, main => "worker_processes $workers;");
		upstream sandbox { server unix:%%SOCK%%; keepalive 2; }

		${\ $db->block('images', max_connections => 2,
			sweep => $sweep)}
		$pools

		server {
		    listen 127.0.0.1:%%PORT_0%%;
		    location /image/ { codeexec_image images; }
		    location /run {
		        codeexec_pass sandbox;
		        codeexec_store images;
		        codeexec_image_ttl 300ms;
		    }
		    $locations
		}
		EOC
}

sub location ($pool) { <<~EOC }
	location /$pool/ { codeexec_image $pool; }
	location /run/$pool { codeexec_pass sandbox; codeexec_store $pool; }
	EOC

sub get ($name, $prefix = '/image/', $on = $t) {
	return $on->http_get(image_path($name, $prefix));
}

# So many expired rows at once.

sub expired ($n, $name = 'old') {
	$db->psql('INSERT INTO images (filename, data, expires_at) SELECT '
		. "gen_random_uuid() || '_$name', 'x', now() - interval '1 s' "
		. "FROM generate_series(1, $n)");
}

sub left ($name = 'old') {
	return 0 + $db->psql('SELECT count(*) FROM images WHERE filename LIKE '
		. "'%\\_$name'");
}

my $script = sub ($c, $job) {
	$c->send(answer(files => [['run.png', image_bytes(100)]]));
};
$t->fake(script => $script);
$node->fake(script => $script);

configure($t, '200ms');
$t->run;

# Those that have expired go, and no others.

my %live = (
	never => insert($db, expires_at => 'NULL'),
	infinity => insert($db, expires_at => "'infinity'"),
	hour => insert($db, expires_at => "now() + interval '1 hour'"),
	minute => insert($db, expires_at => "now() + interval '1 minute'"),
);
my $legacy = image_name();
$db->image($legacy, data => image_bytes(100), created_at => 'NULL');

is(get($live{never})->status, 200, 'before');
expired(10);
ok(wait_until(3, sub { left() == 0 }), 'expired images are removed');
is(get($live{$_})->status, 200, "one stays, $_") for sort keys %live;
is(get($legacy)->status, 200, 'one stays, of the service before');

my $r = $t->http_post_json('/run', '{"code":"x"}');
is($r->status, 200, 'a run');
is(left('run.png'), 1, 'its image');
ok(wait_until(3, sub { left('run.png') == 0 }), 'is removed in time');

# More than one statement takes

expired(2300);
ok(wait_until(6, sub { left() == 0 }), 'thousands are removed')
	|| diag(left());

# What is locked by somebody is left for later.

expired(20, 'locked');
my $lock = Test::Postgres::Client->new($db);
$lock->query("BEGIN; SELECT 1 FROM images WHERE filename LIKE '%locked' LIMIT 3 "
	. 'FOR UPDATE');
ok(wait_until(3, sub { left('locked') <= 3 }), 'all but what is locked');
sleep 0.4;
is(left('locked'), 3, 'what is locked stays');
$lock->query('COMMIT');
ok(wait_until(3, sub { left('locked') == 0 }), 'until it is not');

like($t->read_file('error.log'), qr/\[info\].*"images".*\d+ expired images?/,
	'the log tells');

# Two nodes at the same table

configure($node, '100ms');
$node->run;
configure($t, '100ms');
ok($t->reload, 'reloaded');
is(get($live{never}, '/image/', $_)->status, 200, 'a node') for $t, $node;

for my $round (1 .. 3) {
	expired(700);
	ok(wait_until(4, sub { left() == 0 }), "two nodes, $round");
}

# The lock that one of them has

my $seen = Test::FakePostgres->new($t, name => 'seen');
configure($t, '100ms', $seen->block('seen', max_connections => 1,
	sweep => '100ms'),
	location('seen'));
ok($t->reload, 'reloaded');
is(get(image_name(), '/seen/')->status, 404, 'seen');
ok($seen->wait_for(execute => 3), 'a sweep');
my ($sql) = map { $_->{sql} } $seen->executed('sweep');
my ($key) = ($sql // '') =~ /pg_try_advisory_xact_lock\(\s*(-?\d+)\s*\)/;

SKIP: {
	ok(defined $key, 'an advisory lock is tried') || skip 'no key', 3;
	$lock->query("SELECT pg_advisory_lock($key)");
	sleep 0.2;
	expired(50);
	sleep 0.5;
	is(left(), 50, 'somebody else is at it');
	$lock->query("SELECT pg_advisory_unlock($key)");
	ok(wait_until(3, sub { left() == 0 }), 'not any more');
}

# It is one of them that sweeps, of two workers, too.

is(scalar(grep { $_->{kind} ne 'sweep' && $_->{kind} ne 'lookup' }
	$seen->executed), 0, 'nothing else is executed');
my %connection = map { $_->{connection} => 1 } $seen->executed('sweep');
is(scalar keys %connection, 1, 'one worker sweeps');
my @times = map { $_->{time} } $seen->executed('sweep');
cmp_ok(scalar @times, '>=', 4, scalar(@times) . ' sweeps');
my @gaps = map { $times[$_] - $times[$_ - 1] } 1 .. $#times;
cmp_ok((sort { $a <=> $b } @gaps)[0], '>', 0.06, 'not more often than told');

$node->stop;
$node->{fake}{codeexec}->stop;
my $errors = join "\n", grep { /\[(?:error|warn)\]/ } split /\n/,
	$t->read_file('error.log') . $node->read_file('error.log');
is($errors, '', 'no errors of either');

# Nobody waits for it.  With two workers, the one that has nothing to do would be
# free to sweep.

$workers = 1;
configure($t, '100ms', $slow->block('slow', max_connections => 1,
	sweep => '60ms'), location('slow'));
$workers = 2;
ok($t->reload, 'reloaded');
is(get(image_name(), '/slow/')->status, 404, 'slow');
$slow->reset;
my @busy = map { $t->connect } 1 .. 8;
my $path = image_path(image_name(), '/slow/');
write_all($_, $t->request(GET => $path, keepalive => 1) x 8) for @busy;
ok(wait_until(5, sub { $slow->executed('lookup') >= 32 }), 'half of them');
my $sweeps = $slow->executed('sweep');
cmp_ok($sweeps, '<=', 1, 'no sweep while requests wait, but one before them');
$t->read_response($busy[$_ % 8]) for 0 .. 63;
$_->close for @busy;
ok(wait_until(3, sub { $slow->executed('sweep') }), 'but then');

# Rows that take long to delete: as many at a time as there is time for, and no
# request waits for more than that, not even for the only connection.

$db->psql(<<'EOF');
CREATE FUNCTION heavy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_sleep(0.02);
    RETURN OLD;
END $$;
CREATE TRIGGER heavy BEFORE DELETE ON images FOR EACH ROW
    EXECUTE FUNCTION heavy();
EOF

# The fake has time for three, and not much of it.

my $short = Test::FakePostgres->new($t, name => 'short', script => sub ($c, $q) {
	return if $q->{kind} ne 'sweep';
	return $c->complete('DELETE 0') if batch($q) <= 3;
	sleep 0.1;
	$c->error('57014');
});

sub batch ($q) { return unpack 'q>', $q->{params}[0] }

configure($t, 0, $db->block('heavy', max_connections => 1, sweep => '100ms',
	query_timeout => '300ms') . $short->block('short', sweep => '50ms',
	query_timeout => '100ms'), location('heavy') . location('short'));
ok($t->reload, 'reloaded');
expired(60);

my ($slowest, @status) = 0;
wait_until(8, sub {
	my $begin = time;
	push @status, get($live{never}, '/heavy/')->status // 'none';
	my $took = time - $begin;
	$slowest = $took if $took > $slowest;
	sleep 0.01;
	return @status % 10 == 0 && left() == 0;
});

is(left(), 0, 'what takes long is deleted, too');
is(scalar(grep { $_ ne 200 } @status), 0, scalar(@status) . ' lookups');
cmp_ok($slowest, '<', 0.8, 'none of them waits for long');

wait_until(2, sub { grep { batch($_) <= 3 } $short->executed('sweep') });
my @batch = map { batch($_) } $short->executed('sweep');

ok((grep { $_ <= 3 } @batch), 'a short query_timeout, too')
	|| diag("@batch");

$db->psql('DROP TRIGGER heavy ON images');

# Never, if it is told so

configure($t, 0);
ok($t->reload, 'reloaded');
is(get($live{never})->status, 200, 'sweep 0');
wait_until(3, sub { !grep { cmdline($_) =~ /is shutting/ }
	children($t->{nginx}) });
expired(5);
sleep 0.5;
is(left(), 5, 'sweep 0, they stay');

# The table of the service before has none that could expire.

$t->stop;
unlink $t->dir . '/error.log';
configure($t, 0, $db->block('legacy', max_connections => 1, sweep => '50ms',
	conninfo => '"' . $db->conninfo('dbname=legacy') . '"'),
	location('legacy'));
$t->run;
sleep 0.4;
is($t->http_post_json('/run/legacy', '{"code":"x"}')->status, 200,
	'legacy table');
sleep 0.5;
my $told = () = $t->read_file('error.log') =~ /\[(?:warn|error)\]/g;
cmp_ok($told, '<=', 2, 'legacy table, no error again and again')
	|| diag($t->read_file('error.log'));
my $failed = () = $db->log_text =~ /ERROR:  column "expires_at"/g;
cmp_ok($failed, '<=', 6, 'legacy table, the server has peace, too');
is($db->psql('SELECT count(*) FROM images', dbname => 'legacy'), 1,
	'legacy table, its image');

# No database: the log is not filled.

unlink $t->dir . '/error.log';
$t->stop;
configure($t, '50ms');
$t->run;
is(get($live{never})->status, 200, 'before it stops');
$db->stop('fast');
sleep 1;
my $lines = () = $t->read_file('error.log') =~ /\n/g;
cmp_ok($lines, '<', 60, 'stopped, a few lines in the log');
$db->start;
ok(wait_until(6, sub { left() == 0 }), 'started, and swept');

$node->check_logs;
$t->done_testing;
