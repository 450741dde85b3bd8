#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# conf/schema.sql and conf/roles.sql: on an empty database and on that of the
# service before, once and again, and while others use it.

use v5.36;

use POSIX ();
use Test::More;
use Time::HiRes qw/time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Postgres;

my $t = Test::Codeexec->new;
my $db = Test::Postgres->new($t);
my $conf = "$Test::Codeexec::ROOT/conf";

# As the manual has it: both files, by a superuser.

sub apply ($dbname, @files) {
	for my $file (@files) {
		is(load("$conf/$file.sql", $dbname), '',
			"$file.sql applied to $dbname");
	}
}

sub load ($file, $dbname) {
	return eval { $db->load($file, $dbname) } ? '' : $@;
}

sub ask ($dbname, $sql, @arg) {
	return eval { $db->psql($sql, dbname => $dbname, @arg) }
		// $@ =~ s/ .*//sr;
}

sub columns ($dbname) {
	return ask($dbname, q{SELECT attname, format_type(atttypid, NULL),
		attnotnull, attstorage, pg_get_expr(adbin, adrelid)
		FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid
		AND adnum = attnum WHERE attrelid = 'images'::regclass
		AND attnum > 0 AND NOT attisdropped ORDER BY attnum});
}

sub indexes ($dbname) {
	return ask($dbname, q{SELECT pg_get_indexdef(indexrelid)
		FROM pg_index WHERE indrelid = 'images'::regclass ORDER BY 1});
}

sub rights ($dbname) {
	return ask($dbname, q{SELECT relname, relacl FROM pg_class
		WHERE relname LIKE 'images%' AND relkind IN ('r', 'S')
		ORDER BY 1});
}

sub everything ($dbname) {
	return join "\n", columns($dbname), indexes($dbname), rights($dbname),
		ask($dbname, 'SELECT * FROM images ORDER BY id');
}

my $columns = <<~'EOF' =~ s/\n\z//r;
	id|integer|t|p|nextval('images_id_seq'::regclass)
	filename|character varying|t|x|
	data|bytea|t|e|
	content_type|text|f|x|
	sha256|bytea|f|x|
	created_at|timestamp with time zone|f|p|now()
	expires_at|timestamp with time zone|f|p|
	EOF

my $indexes = <<~'EOF' =~ s/\n\z//r;
	CREATE INDEX images_expires_at ON public.images USING btree (expires_at) WHERE (expires_at IS NOT NULL)
	CREATE UNIQUE INDEX images_filename_key ON public.images USING btree (filename)
	CREATE UNIQUE INDEX images_pkey ON public.images USING btree (id)
	EOF

my $insert = 'INSERT INTO images (filename, data) VALUES';

###############################################################################

# An empty database

$db->psql("CREATE DATABASE new");
apply('new', qw/schema roles/);

is(columns('new'), $columns, 'columns');
is(indexes('new'), $indexes, 'indexes');

is(ask('new', "$insert ('a_1.png', 'x') RETURNING created_at = now(),
	expires_at IS NULL"), 't|t', 'a new row has the time');
is(ask('new', "$insert ('a_1.png', 'y')"), '23505', 'a name is there once');

my $before = everything('new');
apply('new', qw/schema roles schema/);
is(everything('new'), $before, 'nothing changed by applying again');

###############################################################################

# What each role may do.  This removes an expired row as the module does.

my $expire = "$insert ('a_2.png', 'x');
	UPDATE images SET expires_at = now() - interval '1 s'
	WHERE filename = 'a_2.png'";
my $remove = 'DELETE FROM images WHERE id IN (SELECT id FROM images
	WHERE expires_at < now() LIMIT 10 FOR UPDATE SKIP LOCKED) RETURNING 1';

my %denied = (
	"$insert ('a_3.png', 'x')" => [qw/codeexec_read/],
	$remove => [qw/codeexec_read/],
	'DELETE FROM images' => [qw/codeexec_read/],
	"UPDATE images SET data = ''" => [qw/codeexec codeexec_read/],
	"UPDATE images SET filename = 'b'" => [qw/codeexec codeexec_read/],
	'TRUNCATE images' => [qw/codeexec codeexec_read/],
	"SELECT setval('images_id_seq', 1)" => [qw/codeexec codeexec_read/],
	'CREATE TABLE t ()' => [qw/codeexec codeexec_read/],
	'DROP TABLE images' => [qw/codeexec codeexec_read/],
	'ALTER TABLE images ADD x int' => [qw/codeexec codeexec_read/],
	'SET ROLE codeexec_owner' => [qw/codeexec codeexec_read/],
);

# Everybody might, and roles.sql leaves that as it is.

delete $denied{'CREATE TABLE t ()'}
	if $db->psql('SHOW server_version_num') < 150000;

for my $sql (sort keys %denied) {
	is(ask('new', $sql, user => $_), '42501', "$_: $sql")
		for @{ $denied{$sql} };
}

for my $role (qw/codeexec codeexec_read/) {
	is(ask('new', 'SELECT filename, data FROM images', user => $role),
		'a_1.png|\x78', "$role reads");
}

ask('new', $expire);
is(ask('new', $remove, user => 'codeexec'), '1', 'codeexec removes');
is(ask('new', "$insert ('a_3.png', 'x') ON CONFLICT DO NOTHING RETURNING 1",
	user => 'codeexec'), '1', 'codeexec stores');

is(ask('new', 'SELECT 1', user => 'codeexec_owner'), '28000',
	'the owner logs in nowhere');
is(ask('new', "SELECT count(*) FROM pg_authid WHERE rolname IN
	('codeexec_owner', 'codeexec_read') AND rolpassword IS NOT NULL"), '0',
	'no passwords');

# The owner may apply a newer schema.

{
	open my $fh, '<', "$conf/schema.sql" or die "schema.sql: $!";
	my $file = $t->write_file('owner.sql',
		join '', "SET ROLE codeexec_owner;\n", <$fh>);
	is(load($file, 'new'), '', 'schema.sql by the owner');
}

###############################################################################

# The service before: its own table with rows, and it goes on

$db->psql('CREATE ROLE "Old one" LOGIN');
$db->psql('CREATE DATABASE old OWNER "Old one"');
ask('old', 'CREATE TABLE images (id SERIAL PRIMARY KEY,
	filename VARCHAR NOT NULL UNIQUE, data BYTEA NOT NULL)',
	user => 'Old one');
ask('old', "$insert ('b_1.png', 'x'), ('b_2.png', 'y')", user => 'Old one');
apply('old', qw/schema/);

is(columns('old'), $columns, 'columns of an old table');
is(indexes('old'), $indexes, 'indexes of an old table');
is(ask('old', 'SELECT * FROM images ORDER BY id'),
	"1|b_1.png|\\x78||||\n2|b_2.png|\\x79||||", 'its rows are as they were');

apply('old', qw/roles/);
$before = everything('old');
apply('old', qw/schema roles/);
is(everything('old'), $before, 'nothing changed by applying again');

is(ask('old', "$insert ('b_3.png', 'z') RETURNING id, created_at = now()",
	user => 'Old one'), '3|t', 'the old service stores');
is(ask('old', 'SELECT count(*) FROM images', user => 'Old one'), '3',
	'and reads');
is(ask('old', 'SELECT count(*) FROM images', user => 'codeexec'), '3',
	'as does the new one');

###############################################################################

# A database that is not ours alone, and a sequence of another name

$db->psql('CREATE ROLE anybody LOGIN');
$db->psql('CREATE DATABASE shared');
ask('shared', 'GRANT CREATE ON SCHEMA public TO PUBLIC');
ask('shared', 'CREATE TABLE images (id SERIAL PRIMARY KEY,
	filename VARCHAR NOT NULL UNIQUE, data BYTEA NOT NULL)');
ask('shared', 'ALTER SEQUENCE images_id_seq RENAME TO "Images of all"');
apply('shared', qw/schema roles/);

is(ask('shared', 'CREATE TABLE theirs ()', user => 'anybody'), '',
	'others may do what they did');
is(ask('shared', "$insert ('a_1.png', 'x') RETURNING id", user => 'codeexec'),
	'1', 'a sequence of another name');

###############################################################################

# While others use the table: a dump that reads it, a store that is under way

sub transaction ($dbname, $sql) {
	my $client = Test::Postgres::Client->new($db, dbname => $dbname);
	$client->query("BEGIN; $sql");
	return $client;
}

# Applies schema.sql meanwhile; what is returned tells how that went.

sub begin_to_apply ($dbname) {
	my $pid = open my $out, '-|';

	defined $pid or die "cannot fork: $!";

	if (!$pid) {
		my $begin = time;
		my $error = load("$conf/schema.sql", $dbname);
		syswrite STDOUT, join "\n", time - $begin, $error;
		POSIX::_exit(0);
	}

	return sub {
		local $/;
		return (<$out> // '') =~ /^(\S+)\n(.*)$/s;
	};
}

# The slowest lookup until it is done.

sub slowest ($dbname, $seconds) {
	my $client = Test::Postgres::Client->new($db, dbname => $dbname);
	my ($end, $slowest) = (time + $seconds, 0);

	while (time < $end) {
		my $begin = time;
		$client->query("SELECT data FROM images WHERE filename = 'a'");
		my $took = time - $begin;
		$slowest = $took if $took > $slowest;
	}

	return $slowest;
}

my $legacy = 'CREATE TABLE images (id SERIAL PRIMARY KEY, filename VARCHAR NOT
	NULL UNIQUE, data BYTEA NOT NULL)';

for my $dbname (qw/dumped stored/) {
	$db->psql("CREATE DATABASE $dbname");
	ask($dbname, $legacy);
	ask($dbname, "$insert ('a', 'x')");
}

# Complete: nobody waits for anybody.

my @others = map { transaction(new => $_) } 'SELECT 1 FROM images',
	"$insert ('c_1.png', 'x')", 'SELECT 1 FROM images FOR UPDATE';
my $begin = time;
$before = everything('new');
my $applied = begin_to_apply('new');
cmp_ok(slowest(new => 0.5), '<', 0.4, 'applied again, lookups go on');
my ($took, $error) = $applied->();
is($error, '', 'applied again beside others');
apply('new', qw/roles/);
cmp_ok(time - $begin, '<', 2.9, 'applied again, at once');
is(everything('new'), $before, 'applied again, nothing changed');

# A table of the service before, and one that has columns but no index

my $dump = transaction(dumped => 'SELECT 1 FROM images');
apply('stored', qw/schema/);
ask('stored', 'DROP INDEX images_expires_at');
my $store = transaction(stored => "$insert ('b', 'x')");
my %before = map { $_ => everything($_) } qw/dumped stored/;
my %applied = map { $_ => begin_to_apply($_) } qw/dumped stored/;

cmp_ok(slowest(stored => 1), '<', 0.5, 'an index is missing, lookups go on');

for my $dbname (qw/dumped stored/) {
	($took, $error) = $applied{$dbname}->();
	like($error, qr/lock timeout/, "$dbname, the lock is not to be had");
	ok($took > 2.5 && $took < 6, "$dbname, for three seconds")
		|| diag($took);
	is(everything($dbname), $before{$dbname}, "$dbname, nothing changed");
}

cmp_ok(slowest(dumped => 0.1), '<', 0.1, 'and nobody waits any more');
$_->query('COMMIT') for $dump, $store;

for my $dbname (qw/dumped stored/) {
	apply($dbname, qw/schema/);
	is(columns($dbname), $columns, "$dbname, columns in the end");
	is(indexes($dbname), $indexes, "$dbname, indexes in the end");
}

# An index that was made before, without a lock

$db->psql('CREATE DATABASE prepared');
ask('prepared', $legacy);
ask('prepared', 'ALTER TABLE images ADD COLUMN expires_at timestamptz');
ask('prepared', 'CREATE INDEX CONCURRENTLY images_expires_at ON images
	(expires_at) WHERE expires_at IS NOT NULL');
apply('prepared', qw/schema/);
is(indexes('prepared'), $indexes, 'an index that was there');

###############################################################################

# All or nothing

$db->psql('CREATE DATABASE other');
ask('other', 'CREATE TABLE images (id int, filename text)');
like(load("$conf/schema.sql", 'other'), qr/ERROR/, 'an alien table');
is(ask('other', "SELECT count(*) FROM pg_attribute
	WHERE attrelid = 'images'::regclass AND attnum > 0"), '2',
	'is left as it was');

$t->done_testing;
