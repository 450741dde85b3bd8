#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# A table that does not take what it is given, or that changes under
# connections which know it otherwise.

use v5.36;

use MIME::Base64 qw/encode_base64/;
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
my $db = Test::Postgres->new($t)->schema;
$db->database('empty');

# It takes everything, ends the session, and then says that it has it already.

my $seen = $t->dir . '/seen';
my $twice = Test::FakePostgres->new($t, script => sub ($c, $q) {
	return if $q->{kind} ne 'store';
	return $c->complete('INSERT 0 0') if -e $seen;
	$c->complete('INSERT 0 1')->mangle(sub ($bytes) {
		$t->write_file('seen', '');
		$c->close;
	});
});

my %pool = (
	twice => { conninfo => '"' . $twice->conninfo . '"' },
	images => { max_connections => 2 },
	strict => { max_connections => 1 },
	many => { max_connections => 4 },
	unprepared => { max_connections => 1, prepare => 'off' },
	empty => { conninfo => '"' . $db->conninfo('dbname=empty') . '"' },
	empty_unprepared => { prepare => 'off',
		conninfo => '"' . $db->conninfo('dbname=empty') . '"' },
);

my $locations = join '', map { <<~EOC } grep { $_ ne 'strict' } sort keys %pool;
	location /$_/ { codeexec_image $_; }
	location /run/$_ { codeexec_pass sandbox; codeexec_store $_; }
	EOC

$t->write_conf(<<~EOC, main => 'worker_processes 1;');
	log_format store '\$uri \$status \$codeexec_images_stored '
	                 '\$codeexec_pg_sqlstate';
	access_log %%TESTDIR%%/access.log store;
	upstream sandbox { server unix:%%SOCK%%; keepalive 2; }
	codeexec_image_url http://localhost/images/;
	@{[map { $db->block($_, %{ $pool{$_} }) } sort keys %pool]}
	server {
	    listen 127.0.0.1:%%PORT_0%%;
	    $locations
	    location /run/strict {
	        codeexec_pass sandbox;
	        codeexec_store strict;
	        codeexec_store_fallback 503;
	    }
	}
	EOC

my @files = map { ["$_.png", image_bytes(100 + $_)] } 1 .. 3;
my %image = map { @$_ } @files;

$t->fake(script => sub ($c, $job) {
	my $n = $job->{code};
	$c->send(answer(files => [@files[0 .. $n - 1]]));
});

$t->run;

sub run ($pool, $n = 1) {
	return $t->http_post_json("/run/$pool", { code => "$n" });
}

# Whatever is given a URL is there, with its bytes.

sub stored_ok ($r, $n, $text) {
	my $got = ($r->json // {})->{images} // {};
	my @wrong = grep {
		my ($path) = ($got->{$_} // '') =~ m{^http://[^/]+(/\S+)$};
		!defined $path || $t->http_get($path)->body ne $image{$_};
	} map { $_->[0] } @files[0 .. $n - 1];

	return ok(!@wrong && $r->status == 200, $text)
		|| diag($r->raw);
}

sub inline_ok ($r, $n, $text) {
	my $data = $r->json // {};
	my $ok = $r->status == 200;

	for my $file (map { $_->[0] } @files[0 .. $n - 1]) {
		$ok &&= ($data->{images}{$file} // '')
			eq encode_base64($image{$file}, '')
			&& ($data->{inline}{$file} // '') eq 'unavailable';
	}

	return ok($ok, $text) || diag($r->raw);
}

sub get ($name, $pool = 'images') {
	return $t->http_get(image_path($name, "/$pool/"));
}

sub found ($r, $text, $size = 100) {
	my $ok = $r->complete && ($r->status // 0) == 200
		&& $r->body eq image_bytes($size);
	return ok($ok, $text) || diag($r->raw);
}

sub errors {
	return grep { /\[error\]/ } split /\n/, $t->read_file('error.log');
}

###############################################################################

# A sequence that is behind, as after a failover to a logical replica

my @known = map { insert($db) } 1 .. 3;
$db->psql("SELECT setval('images_id_seq', 1, false)");

for my $n (1 .. 3) {
	inline_ok(run('images'), 1, "the sequence is at $n");
}

stored_ok(run('images'), 1, 'the sequence has got there');
is(scalar $db->images, 4, 'four images');
is(scalar(errors()), 3, 'an error for each') || diag(errors());
like($t->read_file('access.log'), qr{^/run/images 200 [0-] 23505$}m,
	'and its SQLSTATE');

# One of several conflicts.

$db->psql("SELECT setval('images_id_seq', (SELECT max(id) FROM images) - 1)");
inline_ok(run('images', 3), 3, 'the first of three');
stored_ok(run('images', 3), 3, 'the next three');
$db->psql("SELECT setval('images_id_seq', max(id)) FROM images");
my $next = 2 + $db->psql('SELECT max(id) FROM images');
insert($db, id => $next);
inline_ok(run('images', 3), 3, 'the second of three');
found(get($_), 'those before') for @known;

my $before = () = $db->images;
$db->psql("SELECT setval('images_id_seq', (SELECT max(id) FROM images) - 1)");
error_is(run('strict', 2), 503, 'Images could not be stored', 'strict');
is(scalar(my @now = $db->images), $before, 'none of a set was stored');
$db->psql("SELECT setval('images_id_seq', max(id)) FROM images");

# A trigger that drops rows

$db->psql(<<'END');
CREATE FUNCTION drop_some() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE WHEN NEW.filename LIKE TG_ARGV[0] THEN NULL ELSE NEW END;
END $$;
END

for my $case (['%', 1], ['%', 3], ['%1.png', 3], ['%2.png', 3], ['%3.png', 3]) {
	my ($pattern, $n) = @$case;

	$db->psql("CREATE OR REPLACE TRIGGER drop_some BEFORE INSERT ON images
		FOR EACH ROW EXECUTE FUNCTION drop_some('$pattern')");
	my $before = @{[errors()]};
	inline_ok(run('images', $n), $n, "a trigger drops $pattern of $n");
	cmp_ok(scalar(@{[errors()]}), '>', $before, "and that is an error");
	error_is(run('strict', $n), 503, 'Images could not be stored',
		"$pattern of $n, strict");
}

stored_ok(run('images', 2), 2, 'a trigger that drops none of these');
$db->psql('DROP TRIGGER drop_some ON images');
stored_ok(run('images', 3), 3, 'no trigger');

like($t->read_file('access.log'), qr{^/run/images 200 [0-] -$}m,
	'nothing is logged as stored');

# Stored twice is stored once.

my $lock = Test::Postgres::Client->new($db);
$before = () = $db->images;
$lock->query('BEGIN; LOCK TABLE images IN SHARE MODE');
my $s = $t->connect;
write_all($s, $t->request(POST => '/run/images', body => '{"code":"2"}'));
$db->wait_backends(1, 3, $Test::Postgres::APPLICATION, 'active');
$db->terminate_backends;
$db->wait_backends(1, 3, $Test::Postgres::APPLICATION, 'active');
$lock->query('COMMIT');
stored_ok($t->read_response($s), 2, 'a second attempt');
is(scalar(@now = $db->images), $before + 2, 'stored once');

# The first attempt was successful, but nobody has heard of that: the second
# one finds the names taken.

$twice->reset;
my $r = run('twice', 3);
is($r->status, 200, 'stored twice');
is(scalar(my @urls = $r->body =~ m{http://localhost/images/}g), 3,
	'stored twice, with URLs') || diag($r->raw);
is(scalar $twice->executed('store'), 6, 'stored twice, indeed');

###############################################################################

# Columns that go away, while all connections have statements that name them

my $name = insert($db);
my @pools = qw/images many unprepared/;

sub warm {
	for my $pool (@pools) {
		my @s = map { $t->connect } 1 .. 4;
		write_all($_, $t->request(GET => image_path($name, "/$pool/")))
			for @s;
		$t->read_response($_) for @s;
	}
}

for my $column (qw/sha256 expires_at created_at content_type/) {
	warm();
	found(get($name, $_), "$_, $column is there") for @pools;

	$db->psql("ALTER TABLE images DROP COLUMN $column");

	for my $pool (@pools) {
		my @s = map { $t->connect } 1 .. 8;
		write_all($_, $t->request(GET => image_path($name, "/$pool/")))
			for @s;
		found($t->read_response($_), "$pool, $column is gone") for @s;
		found(get($name, $pool), "$pool, $column is gone, $_") for 1, 2;
		stored_ok(run($pool, 2), 2, "$pool, $column is gone, storing");
	}

	$db->schema;
}

# New connections find the columns again.

$db->terminate_backends;
$db->wait_backends(0);
my $expired = insert($db, expires_at => "now() - interval '1 s'");

error_is(get($expired, $_), 404, 'Image not found', "$_, expires_at is back")
	for @pools;

###############################################################################

# No table at all

for my $pool (qw/empty empty_unprepared/) {
	my $status = $pool eq 'empty' ? 503 : 500;

	is(get($name, $pool)->status, $status, "$pool, no table");
	inline_ok(run($pool), 1, "$pool, no table, storing");
	like($t->read_file('error.log'),
		qr/"$pool".*relation "images" does not exist/,
		"$pool, no table, the log");
}

$db->schema('empty');
ok(wait_until(3, sub { get($name, 'empty')->status == 404 }),
	'a table, no reload');
stored_ok(run('images'), 1, 'still well');

$t->done_testing;
