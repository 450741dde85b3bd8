#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Images from PostgreSQL: every byte, every type, every name, every error.

use v5.36;

use Digest::SHA qw/sha256_hex/;
use Test::More;
use Time::HiRes qw/sleep time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Image;
use Test::Postgres;

my $t = Test::Codeexec->new;
my $db = Test::Postgres->new($t)->schema;

# Two more databases: with the table of the service before, and with that
# table after schema.sql.

$db->database($_)->legacy_schema($_) for qw/legacy upgraded/;

$t->write_conf(<<~EOC);
	${\ $db->block('images', max_connections => 3, query_timeout => '10s')}
	${\ $db->block('quick', max_connections => 1, query_timeout => '500ms',
		conninfo => '"' . $db->conninfo('application_name=quick') . '"')}
	${\ $db->block('legacy', max_connections => 4,
		conninfo => '"' . $db->conninfo('dbname=legacy') . '"')}
	${\ $db->block('upgraded', max_connections => 2,
		conninfo => '"' . $db->conninfo('dbname=upgraded') . '"')}

	server {
	    listen 127.0.0.1:%%PORT_0%%;

	    location /image/ { codeexec_image images; }
	    location /quick/ { codeexec_image quick; }
	    location /legacy/ { codeexec_image legacy; }
	    location /upgraded/ { codeexec_image upgraded; }
	    location ~ ^/regex/ { codeexec_image images; }
	    location = /variable { codeexec_image images \$arg_name; }
	    location /any/ {
	        codeexec_image images;
	        codeexec_image_name ^.+\$;
	    }
	    location /small/ {
	        codeexec_image images;
	        codeexec_image_max_size 1000;
	    }
	    location /all/ {
	        codeexec_image images;
	        codeexec_image_types png jpeg gif webp avif svg;
	    }
	    location /gif/ {
	        codeexec_image images;
	        codeexec_image_types gif;
	    }
	}
	EOC

$t->run;

sub get ($name, $prefix = '/image/', %arg) {
	return $t->http_get(image_path($name, $prefix), timeout => 20, %arg);
}

sub bytes_are ($r, $bytes, $name) {
	my $ok = $r->complete && ($r->status // 0) == 200
		&& $r->body eq $bytes
		&& $r->header('Content-Length') == length $bytes;
	return ok($ok, $name) || diag(($r->status // 'no response'), ', ',
		length $r->body, ' of ', length $bytes, ' bytes, first ',
		join ' ', map { "[@$_]" } @{ $r->{headers} // [] });
}

# headers

my $now = time;
my $png = image_bytes(1000);
my $name = insert($db, data => $png, created_at => "'2024-02-29 12:34:56.789'");
my $r = get($name);

bytes_are($r, $png, 'an image');
is($r->line, 'HTTP/1.1 200 OK', 'status line');

my %expected = (
	'Content-Type' => 'image/png',
	'ETag' => '"' . sha256_hex($png) . '"',
	'Last-Modified' => 'Thu, 29 Feb 2024 12:34:56 GMT',
	'Accept-Ranges' => 'bytes',
	'Cache-Control' => 'public, max-age=31536000, immutable',
	'X-Content-Type-Options' => 'nosniff',
	'Content-Security-Policy' => "default-src 'none'; "
		. "style-src 'unsafe-inline'; sandbox",
	'Cross-Origin-Resource-Policy' => 'cross-origin',
	'Referrer-Policy' => 'no-referrer',
	'Content-Length' => 1000,
);

for my $header (sort keys %expected) {
	is_deeply([$r->header($header)], [$expected{$header}], $header);
}

is($r->header('Content-Disposition'), undef, 'shown, not downloaded');
is($r->header('Retry-After'), undef, 'no Retry-After');

my $head = $t->http_head(image_path($name));
my $without_date = sub ($r) {
	[map { "$_->[0]: $_->[1]" } grep { $_->[0] ne 'Date' }
		@{ $r->{headers} }];
};

is($head->status, 200, 'HEAD');
is_deeply($without_date->($head), $without_date->($r), 'HEAD, same headers');
is($head->raw =~ s/.*?\r\n\r\n//sr, '', 'HEAD, no body');

$name = insert($db);
is(get($name)->header('Last-Modified'), $db->psql('SELECT to_char(created_at, '
	. "'Dy, DD Mon YYYY HH24:MI:SS') FROM images WHERE filename = '$name'")
	. ' GMT', 'Last-Modified is now by default');

$name = insert($db, created_at => "'1969-12-31 23:59:59'");
is(get($name)->status, 200, 'created before 1970');
$name = insert($db, created_at => "'infinity'");
bytes_are(get($name), image_bytes(100), 'created never');
is(get($name)->header('Last-Modified'), undef, 'and no Last-Modified');
$name = insert($db, created_at => "'-infinity'");
bytes_are(get($name), image_bytes(100), 'created before all');
$name = insert($db, created_at => 'NULL');
is(get($name)->header('Last-Modified'), undef, 'no created_at');

# sizes

my @sizes = (0, 1, 2, 31, 32, 33, 100, 4095, 4096, 4097, 8191, 8192, 8193,
	16383, 16384, 16385, 30000, 65535, 65536, 65537, 131072, 1000000,
	1 << 20, 3000000);
my %name = map { $_ => insert($db, size => $_) } @sizes, 16 << 20;

bytes_are(get($name{$_}), image_bytes($_), "$_ bytes") for @sizes;

my $big = image_bytes(16 << 20);
bytes_are(get($name{16 << 20}), $big, '16 MB');
bytes_are(get($name{16 << 20}), $big, '16 MB again');
is($t->http_head(image_path($name{16 << 20}))->header('Content-Length'),
	16 << 20, 'HEAD, 16 MB');

# A value that PostgreSQL has compressed is one like others.

$db->psql('ALTER TABLE images ALTER data SET STORAGE EXTENDED');
$name = insert($db, data => $png . "\0" x 1000000);
bytes_are(get($name), $png . "\0" x 1000000, 'compressed');
$db->psql('ALTER TABLE images ALTER data SET STORAGE EXTERNAL');

# several at once, more than there are connections

for my $round (1 .. 3) {
	my @wanted = map { $sizes[($_ * 7 + $round) % @sizes] } 1 .. 40;
	my @sockets = map { $t->connect } @wanted;

	write_all($sockets[$_], $t->request(GET =>
		image_path($name{ $wanted[$_] }))) for 0 .. $#wanted;

	my @wrong = grep {
		my $r = $t->read_response($sockets[$_]);
		!$r->complete || $r->status != 200
			|| $r->body ne image_bytes($wanted[$_]);
	} 0 .. $#wanted;

	is("@wanted[@wrong]", '', "forty at once, $round");
}

cmp_ok($db->backends, '<=', 3, 'three connections');

# one after another on one connection

my $s = $t->connect;
my @wrong = grep {
	my $r = get($name{$_}, '/image/', socket => $s, keepalive => 1);
	!$r->complete || $r->body ne image_bytes($_);
} @sizes;
is("@wrong", '', 'all on one connection');

# types

my $attachment = sub ($r) { $r->header('Content-Disposition') // '' };

for my $type (qw/png jpeg gif webp/) {
	my $mime = $Test::Codeexec::Image::MIME{$type};

	$r = get(insert($db, type => $type));
	is($r->header('Content-Type'), $mime, "$type, by the row");
	is($attachment->($r), '', "$type, shown");

	$name = insert($db, type => $type, content_type => 'NULL');
	$r = get($name);
	is($r->header('Content-Type'), $mime, "$type, by magic");
	is($t->http_head(image_path($name))->header('Content-Type'), $mime,
		"$type, by magic, HEAD");
}

is(get(insert($db, data => 'GIF87a...', content_type => 'NULL'))
	->header('Content-Type'), 'image/gif', 'an older GIF');
is(get(insert($db, type => 'unknown', content_type => "'image/png'"))
	->header('Content-Type'), 'image/png', 'the row wins');

for my $type (qw/avif svg unknown/) {
	for my $row (Test::Postgres::quote(
		$Test::Codeexec::Image::MIME{$type}), 'NULL')
	{
		$name = insert($db, type => $type, size => 64,
			content_type => $row);

		$r = get($name);
		is($r->header('Content-Type'), 'application/octet-stream',
			"$type, $row, not allowed");
		is($attachment->($r), 'attachment', "$type, $row, attachment");
		is($r->header('X-Content-Type-Options'), 'nosniff',
			"$type, $row, nosniff");

		$r = get($name, '/all/');
		is($r->header('Content-Type'),
			$Test::Codeexec::Image::MIME{$type}, "$type, $row, allowed");
		is($attachment->($r), $type eq 'unknown' ? 'attachment' : '',
			"$type, $row, shown if allowed");

		my $head = $t->http_head(image_path($name, '/all/'));
		is_deeply($without_date->($head), $without_date->($r),
			"$type, $row, HEAD");
	}
}

for my $svg ('<svg', "<svg xmlns='x'>", "\xef\xbb\xbf<svg>", "\n <svg>",
	'<?xml version="1.0"?>' . "\n<!DOCTYPE svg>\n<svg>")
{
	$name = insert($db, data => "$svg</svg>" . ' ' x 50,
		content_type => 'NULL');
	$r = get($name, '/all/');
	is($r->header('Content-Type'), $t->http_head(image_path($name,
		'/all/'))->header('Content-Type'), 'GET and HEAD agree on '
		. $svg =~ s/[^ -~]/./gr);
}

is(get(insert($db), '/gif/')->header('Content-Type'),
	'application/octet-stream', 'PNG where only GIF is allowed');

for my $bad ('text/html', 'IMAGE/PNG', 'image/png; charset=x', 'image/', '',
	'png', "image/png\r\nX-Evil: 1", "image/gif\0", ' image/png')
{
	my $sql = $bad =~ /[\r\n\0]/ ? 'E' . Test::Postgres::quote(
		$bad =~ s/\r/\\r/r =~ s/\n/\\n/r =~ s/\0/x/r)
		: Test::Postgres::quote($bad);
	$r = get(insert($db, type => 'jpeg', content_type => $sql));
	is($r->header('Content-Type'), 'image/jpeg',
		"row says $sql, magic wins");
	is($r->header('X-Evil'), undef, 'no header of its own');

	$r = get(insert($db, type => 'unknown', content_type => $sql));
	is($r->header('Content-Type'), 'application/octet-stream',
		"row says $sql, nobody knows");
}

# Too little to tell.

for my $part (1 .. 11) {
	my @types = map {
		my $data = substr $Test::Codeexec::Image::MAGIC{$_}, 0, $part;
		my $r = get(insert($db, data => $data, content_type => 'NULL'));
		bytes_are($r, $data, "$part bytes of $_");
		"$_ " . $r->header('Content-Type');
	} qw/png webp/;

	is("@types", ($part < 8 ? 'png application/octet-stream'
		: 'png image/png') . ' webp application/octet-stream',
		"$part bytes, types");
}

# tags of rows without a checksum

$name = insert($db, sha256 => 'NULL', size => 1000);
my ($id, $xmin) = split /\|/, $db->psql('SELECT id, xmin FROM images '
	. "WHERE filename = '$name'");
is(get($name)->header('ETag'), sprintf('"%x-%x-%x"', $id, $xmin, 1000),
	'ETag without sha256');
is($t->http_head(image_path($name))->header('ETag'),
	sprintf('"%x-%x-%x"', $id, $xmin, 1000), 'HEAD, too');
$db->psql("UPDATE images SET data = data || '\\x00' WHERE filename = '$name'");
isnt(get($name)->header('ETag'), sprintf('"%x-%x-%x"', $id, $xmin, 1000),
	'it changes with the row');

for my $bad ("'\\x'", "'\\x00ff'", "'\\x" . '00' x 33 . "'") {
	$name = insert($db, sha256 => $bad, size => 77);
	$r = get($name);
	bytes_are($r, image_bytes(77), "sha256 $bad");
	like($r->header('ETag'), qr/^"[0-9a-f]+-[0-9a-f]+-4d"$/,
		"sha256 $bad, ETag");
}

# names

sub name_is ($name, $expected, $text, $path = image_path($name)) {
	my $r = $t->http_get($path);

	return bytes_are($r, image_bytes(100), $text) if $expected == 200;
	return error_is($r, 400, 'Invalid image name', $text)
		if $expected == 400;
	return error_is($r, 404, 'Image not found', $text);
}

my $uuid = '01234567-89ab-cdef-0123-456789abcdef';

for my $file ('a', 'a b.png', '%41.png', '100%.png', 'a+b', 'a?b', 'a#b',
	'a&b=c', 'a\\b', q(a'b"c), q{a');DROP TABLE images;--}, 'a;b', '...',
	'..', '.', '-', '_', '$1', '{}', '<x>', '~', 'a|b',
	"\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80.png", 'x' x 255,
	"\xc3\xa9" x 255, "\xf0\x9f\x98\x80" x 255, "\xc2\x80")
{
	my $shown = length $file > 60 ? substr($file, 0, 8) . '...' : $file;
	name_is(insert($db, name => "${uuid}_$file"), 200, "name $shown");
	name_is("${uuid}_$file?", 404, "no name $shown")
		if length $file < 255;
}

for my $bad ('', 'x', 'index.html', $uuid, "${uuid}_", "$uuid-a",
	(uc $uuid) . '_a', "x${uuid}_a", substr($uuid, 1) . '_a',
	"${uuid}_a/b", "${uuid}_/", "${uuid}_a\n", "${uuid}_\n", "${uuid}_a\tb",
	"${uuid}_a\r\nb", "${uuid}_\x1f", "${uuid}_a\x7f", "\n${uuid}_a",
	"${uuid}_" . 'x' x 256, "${uuid}_" . "\xc3\xa9" x 256,
	"${uuid}_" . 'x' x 5000, "${uuid}_\xff", "${uuid}_a\xc3",
	"${uuid}_\xc0\x80", "${uuid}_\xed\xa0\x80", "${uuid}_\xf4\x90\x80\x80",
	$uuid =~ s/-//gr . '_a', $uuid =~ s/f/g/r . '_a')
{
	my $shown = length $bad > 60 ? substr($bad, 0, 45) . '...' : $bad;
	$db->image($bad) if $bad =~ /^[\x01-\x7f]*$/;
	name_is($bad, 400, 'bad name '
		. $shown =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger);
}

unlike($t->read_file('error.log'), qr/pcre/, 'and none is an error');
is($t->http_get("/image/${uuid}_a%00")->status, 400, 'NUL in a name');
is($t->http_get("/any/%00")->status, 400, 'NUL where any name will do');
name_is('', 200, 'dot-dot is for nginx', "/x/../image/./${uuid}_a");
name_is('', 200, 'escaped as well', "/x/%2e%2e/image/${uuid}_a");
name_is('', 400, 'slash in a name', "/image/${uuid}_a%2Fb");
name_is('', 400, 'and then dot-dot', "/image/${uuid}_a%2F..%2Fb");
name_is('', 200, 'arguments are not the name', "/image/${uuid}_a?b=c");
name_is('', 200, 'letters escaped for no reason', "/image/${uuid}%5f%61");
name_is('', 200, 'regex location', "/regex/a/b/${uuid}_a");
name_is('', 400, 'regex location, no name', '/regex/a/');
name_is('', 200, 'variable', "/variable?name=${uuid}_a");
name_is('', 400, 'variable, empty', '/variable');
name_is('', 404, 'variable, missing', "/variable?name=${uuid}_none");

$db->image($_, data => image_bytes(100)) for 'x y', "a\nb", '../etc', 'a/b/c';
name_is('x y', 200, 'any name', '/any/x%20y');
name_is('a/b/c', 200, 'any name, slashes', '/any/a/b/c');
is($t->http_get('/any/%ff')->status, 400, 'any name is UTF-8 all the same');
is($t->http_get('/any/' . 'x' x 6000)->status, 404, 'any name, 6000 bytes');
error_is($t->http_get('/any/'), 400, 'Invalid image name', 'any but none');

# max_size

bytes_are(get($name{100}, '/small/'), image_bytes(100), 'small enough');
bytes_are(get(insert($db, size => 1000), '/small/'), image_bytes(1000),
	'just small enough');

for my $size (1001, 3000000) {
	$r = get(insert($db, size => $size), '/small/');
	error_is($r, 500, 'Image is too large', "$size bytes");
	is($r->header('Cache-Control'), 'no-store', "$size bytes, no-store");
	is($r->header('ETag'), undef, "$size bytes, no ETag");
	is($r->header('Last-Modified'), undef, "$size bytes, no Last-Modified");
}

is($t->http_head(image_path($name{65536}, '/small/'))->status, 500,
	'too large, HEAD');
is($t->http_get(image_path($name{65536}, '/small/'), headers =>
	['If-None-Match: "x"'])->status, 500, 'too large, If-None-Match');
like($t->read_file('error.log'), qr/\[error\].*codeexec_image_max_size/,
	'the log names the directive');

$name = image_name();
$db->image($name, sql => image_sql((16 << 20) + 1));
error_is(get($name), 500, 'Image is too large', '16 MB and a byte');

# life

for my $case (['1 second', 1], ['100 seconds', 100], ['1 hour', 3600],
	['364 days', 364 * 86400], ['400 days', 31536000])
{
	my ($life, $most) = @$case;
	$r = get(insert($db, expires_at => "now() + interval '$life'"));
	my ($age) = ($r->header('Cache-Control') // '')
		=~ /^public, max-age=(\d+), immutable$/;
	is($r->status, 200, "expires in $life");
	ok(defined $age && $age <= $most && $age >= $most - 3,
		"expires in $life, max-age") || diag($age // 'none');
}

for my $past ('now()', "now() - interval '1 day'", "'-infinity'",
	"'1960-01-01'")
{
	$name = insert($db, expires_at => $past);
	error_is(get($name), 404, 'Image not found', "expired, $past");
	is($t->http_head(image_path($name))->status, 404,
		"expired, $past, HEAD");
	is($t->http_get(image_path($name), headers => ['If-None-Match: *'])
		->status, 404, "expired, $past, If-None-Match");
}

$r = get(insert($db, expires_at => "'infinity'"));
bytes_are($r, image_bytes(100), 'expires never');
is($r->header('Cache-Control'), 'public, max-age=31536000, immutable',
	'expires never, max-age');

$name = insert($db, expires_at => "now() + interval '300 ms'");
is(get($name)->status, 200, 'alive');
sleep 0.4;
is(get($name)->status, 404, 'and not any more');

# the table of the service before

$name = image_name();
my $old = image_bytes(5000, 'jpeg');
$db->image($name, data => $old, dbname => 'legacy');

# Four connections at once learn of it.

my @first = map { $t->connect } 1 .. 4;
write_all($_, $t->request(GET => image_path($name, '/legacy/'))) for @first;
bytes_are($t->read_response($_), $old, 'legacy table, at once') for @first;

for my $n (1 .. 6) {
	$r = get($name, '/legacy/');
	bytes_are($r, $old, "legacy table, $n");
}

is($r->header('Content-Type'), 'image/jpeg', 'legacy table, by magic');
is($r->header('Last-Modified'), undef, 'legacy table, no Last-Modified');
is($r->header('Cache-Control'), 'public, max-age=31536000, immutable',
	'legacy table, max-age');
like($r->header('ETag'), qr/^"[0-9a-f]+-[0-9a-f]+-1388"$/,
	'legacy table, ETag');
is($t->http_head(image_path($name, '/legacy/'))->header('Content-Length'),
	5000, 'legacy table, HEAD');
is($t->http_get(image_path($name, '/legacy/'), headers => [
	'If-None-Match: ' . $r->header('ETag')])->status, 304,
	'legacy table, 304');
error_is(get(image_name(), '/legacy/'), 404, 'Image not found',
	'legacy table, missing');
my @warnings = $t->read_file('error.log') =~ /\[warn\].*/g;
is(scalar @warnings, 1, 'legacy table, one warning') || diag("@warnings");

# The same table after schema.sql, and rows that were there before.

$db->image($name, data => $old, dbname => 'upgraded');
$db->schema('upgraded')->schema('upgraded');
is($db->psql('SELECT count(*), count(created_at), count(content_type) '
	. 'FROM images', dbname => 'upgraded'), '1|0|0', 'old rows stay as '
	. 'they are');
$r = get($name, '/upgraded/');
bytes_are($r, $old, 'upgraded table');
is($r->header('Content-Type'), 'image/jpeg', 'upgraded table, by magic');
is($r->header('Last-Modified'), undef, 'upgraded table, no Last-Modified');
is($db->psql("SELECT attstorage FROM pg_attribute WHERE attrelid = "
	. "'images'::regclass AND attname = 'data'", dbname => 'upgraded'),
	'e', 'upgraded table, data is not compressed');

# The service before still writes.

my $later = image_name();
$db->image($later, data => $png, dbname => 'upgraded');
$r = get($later, '/upgraded/');
bytes_are($r, $png, 'a row of the old service');
isnt($r->header('Last-Modified'), undef, 'it has a date');

# A table that is upgraded while nginx runs is soon used in full.

$db->schema('legacy');
bytes_are(get($name, '/legacy/'), $old, 'upgraded under nginx');

# methods

for my $method (qw/POST PUT DELETE OPTIONS PATCH PROPFIND/) {
	$r = $t->http($t->request($method => image_path($name{100}),
		body => 'x' x 100));
	error_is($r, 405, 'Method Not Allowed', $method);
	is($r->header('Allow'), 'GET, HEAD', "$method, Allow");
	is($r->header('Cache-Control'), 'no-store', "$method, no-store");
}

is($db->psql('SELECT count(*) FROM images WHERE filename = '
	. "'$name{100}'"), 1, 'and nothing was deleted');

# errors

$r = get(image_name());
error_is($r, 404, 'Image not found', 'missing');
is($r->header('Cache-Control'), 'max-age=5', 'missing, cached for a moment');
is($r->header('ETag'), undef, 'missing, no ETag');
$head = $t->http_head(image_path(image_name()));
is($head->status, 404, 'missing, HEAD');
is($head->raw =~ s/.*?\r\n\r\n//sr, '', 'missing, HEAD, no body');
is($t->http_get('/image/')->header('Cache-Control'), 'no-store',
	'bad name, no-store');

my $locker = Test::Postgres::Client->new($db);
get($name{100}, '/quick/');
$locker->query('BEGIN; LOCK TABLE images');
my $begin = time;
$r = get($name{100}, '/quick/');
my $took = time - $begin;
error_is($r, 504, 'Gateway Timeout', 'locked');
is($r->header('Cache-Control'), 'no-store', 'locked, no-store');
ok($took > 0.4 && $took < 2, 'in time') || diag($took);
is($t->http_head(image_path($name{100}, '/quick/'))->status, 504,
	'locked, HEAD');
$locker->query('COMMIT');
bytes_are(get($name{100}, '/quick/'), image_bytes(100), 'unlocked');

$db->psql('ALTER TABLE images RENAME TO hidden');
$r = get($name{100});
error_is($r, 500, 'Internal Server Error', 'no table');
is($r->header('Cache-Control'), 'no-store', 'no table, no-store');
is($r->header('Retry-After'), undef, 'no table, no Retry-After');
like($t->read_file('error.log'), qr/\[error\].*relation "images" does not/,
	'no table, the log says so');
unlike($r->raw, qr/relation/, 'no table, the client is not told');
$db->psql('ALTER TABLE hidden RENAME TO images');
bytes_are(get($name{100}), image_bytes(100), 'the table is back');

$db->psql('REVOKE ALL ON images FROM codeexec');
error_is(get($name{100}), 500, 'Internal Server Error', 'no rights');
$db->psql('GRANT SELECT ON images TO codeexec');
bytes_are(get($name{100}), image_bytes(100), 'rights again');

$t->baseline;
$db->stop('fast');
$r = get($name{100});
error_is($r, 503, 'Image store is unavailable', 'stopped');
is($r->header('Cache-Control'), 'no-store', 'stopped, no-store');
like($r->header('Retry-After'), qr/^[1-9]\d*$/, 'stopped, Retry-After');
is($t->http_head(image_path($name{100}))->status, 503, 'stopped, HEAD');
$db->start;
ok(Test::Codeexec::Process::wait_until(12, sub {
	get($name{100})->status == 200 }), 'started again');
$t->check_leaks('no leaks', 3);

$t->done_testing;
