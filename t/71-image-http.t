#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Images among all that nginx has for responses: conditions, ranges, caches,
# subrequests, and clients that are slow or gone.

use v5.36;

use Digest::SHA qw/sha256_hex/;
use Socket qw/SOL_SOCKET SO_RCVBUF/;
use Test::More;
use Time::HiRes qw/sleep time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Image;
use Test::Codeexec::Process;
use Test::FakePostgres;
use Test::Postgres;

my $t = Test::Codeexec->new;
my $db = Test::Postgres->new($t)->schema;

my $fake_image = image_bytes(3000);
my $fake_tag = '"' . sha256_hex($fake_image) . '"';

my $fake = Test::FakePostgres->new($t, script => sub ($c, $q) {
	return if $q->{kind} ne 'lookup' || $q->{params}[0] =~ /missing/;
	my $part = ord $q->{params}[1] ? substr $fake_image, 0, 32
		: $fake_image;
	$c->image(type => 'image/png', created => 1e9, data => $part,
		size => 3000, sha256 => pack 'H*', sha256_hex($fake_image));
	$c->complete;
});

my $bytes = image_bytes(1000);
my $tag = '"' . sha256_hex($bytes) . '"';
my $date = 'Thu, 29 Feb 2024 12:34:56 GMT';
my $name = insert($db, data => $bytes,
	created_at => "'2024-02-29 12:34:56.789'");
my $path = image_path($name);

my $big = image_bytes(16 << 20);
my $big_name = insert($db, size => 16 << 20);

my $medium = image_bytes(200000);
my $medium_name = insert($db, size => 200000);
my $missing = image_name();

# On plain TCP, curl has one HTTP/2 request for a connection.

my $crt = $db->dir . '/data/server';
my $tls = $db->has_ssl ? "listen 127.0.0.1:%%PORT_2%% ssl http2;\n"
	. "ssl_certificate $crt.crt; ssl_certificate_key $crt.key;" : '';

$t->write_conf(<<~EOC);
	log_format status '\$status \$request_method \$uri \$codeexec_pg_time';
	access_log %%TESTDIR%%/access.log status;
	sendfile on;
	limit_req_zone \$binary_remote_addr zone=one:1m rate=1r/m;
	proxy_cache_path %%TESTDIR%%/cache keys_zone=cache:1m inactive=10m;

	${\ $db->block('images', max_connections => 1, query_timeout => '20s',
		queue => '100 timeout=20s')}
	${\ $fake->block('fake', max_connections => 1)}

	server {
	    listen 127.0.0.1:%%PORT_0%%;
	    listen 127.0.0.1:%%PORT_1%% http2;
	    $tls

	    location /image/ { codeexec_image images; }
	    location /fake/ { codeexec_image fake; }

	    location /expires/ {
	        codeexec_image images;
	        expires 1h;
	        add_header X-Added yes;
	        add_header X-Always yes always;
	    }
	    location /before/ {
	        codeexec_image images;
	        if_modified_since before;
	    }
	    location /one-range/ {
	        codeexec_image images;
	        max_ranges 1;
	    }
	    location /svg/ {
	        codeexec_image images;
	        codeexec_image_types png svg;
	        gzip on;
	        gzip_types image/svg+xml;
	        gzip_min_length 20;
	        gzip_proxied any;
	    }
	    location /odd/ {
	        codeexec_image images;
	        codeexec_image_name "(*LIMIT_MATCH=1)^(?:a|\\s)+b";
	    }
	    location /auth/ {
	        auth_request /check;
	        codeexec_image images;
	    }
	    location = /check {
	        if (\$http_x_key != good) { return 403; }
	        return 204;
	    }
	    location /auth-by-image/ {
	        auth_request /image/$$;
	        codeexec_image images;
	    }
	    location /limited/ {
	        limit_req zone=one;
	        codeexec_image images;
	    }
	    location /page/ {
	        ssi on;
	        alias %%TESTDIR%%/page/;
	    }
	    location /if/ {
	        codeexec_image images;
	        if (\$arg_a) { expires 1h; }
	        if (\$arg_b) { set \$b 1; }
	    }
	    location /only-if/ {
	        root /nonexistent;
	        if (\$arg_a) { codeexec_image images; }
	    }
	    location /limit-except/ {
	        codeexec_image images;
	        limit_except HEAD { deny all; }
	    }
	    location /files/ {
	        root %%TESTDIR%%;
	        try_files \$uri \@image;
	    }
	    location \@image { codeexec_image images; }
	    location = /exact/$name { codeexec_image images; }
	    location /nested/ {
	        location ~ \\.png\$ { codeexec_image images; }
	    }
	    location /rewritten/ {
	        rewrite ^/rewritten/../(.*)\$ /image/\$1 last;
	    }
	    location /accel/ {
	        proxy_pass http://127.0.0.1:%%PORT_0%%/application/;
	    }
	    location /application/ {
	        add_header X-Accel-Redirect /image/\$arg_name;
	        return 200 x;
	    }
	    location /rate/ {
	        codeexec_image images;
	        limit_rate 150k;
	    }
	    location /error-page/ {
	        codeexec_image images;
	        error_page 404 = \@none;
	        error_page 400 /bad.html;
	    }
	    location \@none { return 200 "none\\n"; }
	    location = /bad.html { return 200 "bad\\n"; }

	    location /cached/ {
	        proxy_pass http://127.0.0.1:%%PORT_0%%/image/;
	        proxy_cache cache;
	        add_header X-Cache \$upstream_cache_status always;
	    }
	    location /revalidated/ {
	        proxy_pass http://127.0.0.1:%%PORT_0%%/image/;
	        proxy_cache cache;
	        proxy_cache_key revalidated\$uri;
	        proxy_cache_revalidate on;
	        proxy_ignore_headers Cache-Control;
	        proxy_cache_valid 200 1s;
	        add_header X-Cache \$upstream_cache_status always;
	    }
	    location /sliced/ {
	        slice 32k;
	        proxy_pass http://127.0.0.1:%%PORT_0%%/image/;
	        proxy_cache cache;
	        proxy_cache_key sliced\$uri\$slice_range;
	        proxy_set_header Range \$slice_range;
	        proxy_http_version 1.1;
	        proxy_cache_valid 200 206 1h;
	    }
	}
	EOC

$t->run;

sub get ($path, @headers) { $t->http_get($path, headers => \@headers) }

sub whole ($r, $text, $expected = $bytes) {
	my $ok = $r->complete && ($r->status // 0) == 200
		&& $r->body eq $expected;
	return ok($ok, $text) || diag(($r->status // 'no response'), ' with ',
		length $r->body, ' bytes');
}

sub status_is ($r, $status, $text) {
	my $ok = ($r->status // 0) == $status;
	$ok &&= $r->body eq '' if $status == 304;
	return ok($ok, $text) || diag(($r->status // 'no response'), ' with ',
		length $r->body, ' bytes');
}

###############################################################################

# conditions

my $r = get($path, "If-None-Match: $tag");
status_is($r, 304, 'If-None-Match');
is($r->header('ETag'), $tag, '304, ETag');
is($r->header('Last-Modified'), $date, '304, Last-Modified');
is($r->header('Cache-Control'), 'public, max-age=31536000, immutable',
	'304, Cache-Control');
is($r->header('Content-Length'), undef, '304, no Content-Length');

my $other = '"' . sha256_hex('') . '"';

for my $value ("W/$tag", "\"x\", $tag, \"y\"", "$other,$tag", "\"x\",W/$tag",
	'*', " $tag ", "$tag,")
{
	status_is(get($path, "If-None-Match: $value"), 304,
		"If-None-Match: $value");
}

for my $value ($other, "W/$other", $tag =~ tr/"//dr, uc $tag, '""', 'x', '',
	substr($tag, 0, -1), "\"x$tag\"", "$other, \"x\"")
{
	whole(get($path, "If-None-Match: $value"), "If-None-Match: $value");
}

status_is(get($path, "If-None-Match: $other, $tag, " . '"x", ' x 500), 304,
	'a long If-None-Match');
status_is(get($path, "If-Modified-Since: $date"), 304, 'If-Modified-Since');
whole(get($path, "If-Modified-Since: Thu, 29 Feb 2024 12:34:57 GMT"),
	'If-Modified-Since is exact');
status_is(get("/before/$name",
	"If-Modified-Since: Thu, 29 Feb 2024 12:34:57 GMT"), 304,
	'or not, if nginx is told so');
whole(get($path, 'If-Modified-Since: yesterday'), 'If-Modified-Since, bad');
status_is(get($path, "If-None-Match: $tag", "If-Modified-Since: $date"), 304,
	'both');

# nginx wants both to match, the standard only the tag.

$r = get($path, "If-None-Match: $tag",
	'If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT');
ok($r->status == 304 || $r->status == 200 && $r->body eq $bytes,
	'the tag matches, the date does not') || diag(length $r->body);
whole(get($path, "If-None-Match: $other", "If-Modified-Since: $date"),
	'the date matches, the tag does not');

whole(get($path, "If-Match: $tag"), 'If-Match');
whole(get($path, 'If-Match: *'), 'If-Match: *');

for my $value ($other, "W/$tag") {
	$r = get($path, "If-Match: $value");
	status_is($r, 412, "If-Match: $value");
	ok($r->complete, "If-Match: $value, complete");
}

$r = get($path, "If-Match: $other", "If-None-Match: $tag");
status_is($r, 412, 'If-Match comes first');
whole(get($path, "If-Match: $tag", "If-None-Match: $other"),
	'If-Match and If-None-Match');
status_is(get($path, 'If-Unmodified-Since: Thu, 01 Jan 2004 00:00:00 GMT'),
	412, 'If-Unmodified-Since');

status_is(get(image_path(image_name()), 'If-None-Match: *'), 404,
	'If-None-Match, missing');
status_is(get('/image/x', 'If-None-Match: *'), 400,
	'If-None-Match, bad name');
status_is($t->http_head($path, headers => ["If-None-Match: $tag"]), 304,
	'HEAD, If-None-Match');
is($t->http_head($path, headers => ["If-None-Match: $other"])
	->header('Content-Length'), 1000, 'HEAD, If-None-Match, other');

# What the database is asked for

sub asked ($expected, $text, $code) {
	$fake->reset;
	$code->();
	is(join(' ', map { unpack 'H*', $_->{params}[1] }
		$fake->executed('lookup')), $expected, $text);
}

my $fake_path = image_path(image_name(), '/fake/');

asked('00', 'GET asks for the bytes', sub {
	whole(get($fake_path), 'fake', $fake_image) });
is_deeply([map { unpack 'H*', $_ // 'NULL' }
	@{ ($fake->executed)[0]{params} }[1, 2]], ['00',
	sprintf '%016x', 16 << 20], 'and names the largest');
asked('01', 'HEAD does not', sub {
	is($t->http_head($fake_path)->header('Content-Length'), 3000,
		'fake, HEAD') });
asked('01', 'a condition does not', sub {
	status_is(get($fake_path, "If-None-Match: $fake_tag"), 304,
		'fake, If-None-Match') });
asked('01', 'a list does not', sub {
	status_is(get($fake_path, "If-None-Match: $other, W/$fake_tag"), 304,
		'fake, If-None-Match, list') });
asked('01 00', 'unless it fails', sub {
	whole(get($fake_path, "If-None-Match: $other"),
		'fake, If-None-Match, other', $fake_image) });
asked('01', 'HEAD and a condition that fails', sub {
	is($t->http_head($fake_path, headers => ["If-None-Match: $other"])
		->status, 200, 'fake, HEAD, If-None-Match, other') });
asked('01', 'nothing is asked for twice', sub {
	status_is(get(image_path(image_name('missing'), '/fake/'),
		'If-None-Match: *'), 404, 'fake, missing') });

$fake->reset;
get('/fake/bad-name');
is(scalar $fake->executed, 0, 'a bad name is not asked for');
$t->http($t->request(POST => $fake_path, body => 'x'));
is(scalar $fake->executed, 0, 'POST neither');

###############################################################################

# ranges

sub range_is ($range, $from, $to, @headers) {
	my $r = get($path, "Range: bytes=$range", @headers);
	my $ok = $r->status == 206 && $r->body eq
		substr($bytes, $from, $to - $from + 1)
		&& $r->header('Content-Range') eq "bytes $from-$to/1000"
		&& $r->header('ETag') eq $tag
		&& $r->header('Content-Type') eq 'image/png';
	return ok($ok, "range $range @headers") || diag($r->status);
}

range_is('0-0', 0, 0);
range_is('0-99', 0, 99);
range_is('10-19', 10, 19);
range_is('999-999', 999, 999);
range_is('500-', 500, 999);
range_is('-10', 990, 999);
range_is('0-', 0, 999);
range_is('990-2000', 990, 999);
range_is('-5000', 0, 999);
range_is('5-9', 5, 9, "If-Range: $tag");
range_is('5-9', 5, 9, "If-Range: $date");
range_is('5-9', 5, 9, "If-None-Match: $other");
range_is('5-9', 5, 9, "If-Match: $tag");

status_is(get($path, 'Range: bytes=0-9', "If-None-Match: $tag"), 304,
	'a condition before a range');
whole(get($path, 'Range: bytes=5-9', $_), $_) for "If-Range: $other",
	"If-Range: W/$tag", 'If-Range: Thu, 01 Jan 2004 00:00:00 GMT';
whole(get($path, "Range: $_"), "Range: $_") for 'lines=1-2', 'bytes 1-2';

$r = get($path, 'Range: bytes=1000-');
status_is($r, 416, 'beyond the end');
is($r->header('Content-Range'), 'bytes */1000', '416, Content-Range');
is(ref $r->json, 'HASH', '416 is JSON') || diag($r->raw);
is($r->header('Content-Type'), 'application/json', '416, Content-Type');
is($r->header('Cache-Control'), 'no-store', '416, Cache-Control');

# Several of them make a multipart answer, in a single buffer.

sub parts_are ($path, $all, @ranges) {
	my $r = get($path, 'Range: bytes=' . join ',', map { "$_->[0]-$_->[1]" }
		@ranges);
	my ($boundary) = ($r->header('Content-Type') // '')
		=~ m{^multipart/byteranges; boundary=(\S+)$};
	my $expected = join '', map {
		"\r\n--$boundary\r\nContent-Type: image/png\r\n"
			. "Content-Range: bytes $_->[0]-$_->[1]/"
			. length($all) . "\r\n\r\n"
			. substr $all, $_->[0], $_->[1] - $_->[0] + 1
	} @ranges if defined $boundary;

	ok(defined $boundary && $r->complete && $r->status == 206
		&& $r->body eq "$expected\r\n--$boundary--\r\n",
		scalar(@ranges) . ' ranges') || diag($r->status);
}

parts_are($path, $bytes, [0, 9], [20, 29]);
parts_are($path, $bytes, map { [3 * $_, 3 * $_] } 0 .. 99);
parts_are(image_path($big_name), $big, [0, 9], [8e6, 9e6], [15e6, 16e6]);
whole(get("/one-range/$name", 'Range: bytes=0-1,4-5'), 'max_ranges');

$r = get(image_path($big_name), 'Range: bytes=10000000-12000000');
ok($r->body eq substr($big, 1e7, 2000001), 'a range of a large one');
$r = get(image_path($big_name), "If-Range: \"x\"", 'Range: bytes=0-1');
whole($r, 'If-Range, a large one', $big);

###############################################################################

# Other modules

$r = get("/expires/$name");
whole($r, 'expires');
like(join(', ', $r->header('Cache-Control')), qr/max-age=3600/,
	'expires has its way');
is(scalar(my @c = $r->header('Cache-Control')), 1, 'one Cache-Control');
isnt($r->header('Expires'), undef, 'Expires');
is($r->header('X-Added'), 'yes', 'add_header');
$r = get("/expires/$name", "If-None-Match: $tag");
status_is($r, 304, 'expires, 304');
is($r->header('X-Added'), 'yes', 'expires, 304, add_header');
$r = get('/expires/' . image_name());
error_is($r, 404, 'Image not found', 'expires, 404');
is($r->header('X-Added'), undef, 'add_header not for errors');
is($r->header('X-Always'), 'yes', 'add_header always');

my $svg = "<svg xmlns='x'>" . ' ' x 5000 . '</svg>';
my $svg_name = insert($db, type => 'svg', data => $svg);
$r = get("/svg/$svg_name");
whole($r, 'svg', $svg);
is($r->header('Content-Type'), 'image/svg+xml', 'svg, type');
$r = get("/svg/$svg_name", 'Accept-Encoding: gzip');
is($r->header('Content-Encoding'), 'gzip', 'svg, gzip');
is($r->header('ETag'), 'W/"' . sha256_hex($svg) . '"', 'svg, weak ETag');
$t->write_file('svg.gz', '');
open my $gz, '>:raw', $t->dir . '/svg.gz';
print $gz $r->body;
close $gz;
is(scalar `gzip -dc @{[$t->dir]}/svg.gz`, $svg, 'svg, unpacked');
status_is(get("/svg/$svg_name", 'Accept-Encoding: gzip', 'If-None-Match: W/"'
	. sha256_hex($svg) . '"'), 304, 'svg, gzip, 304');
$r = get("/svg/$name", 'Accept-Encoding: gzip');
whole($r, 'png, not packed');
is($r->header('ETag'), $tag, 'png, strong ETag');

# The type of an old one is only known when more than its beginning is.

my $late = '<?xml version="1.0" encoding="utf-8" standalone="no"?>' . "\n$svg";
my $late_path = "/svg/" . $db->image(image_name('late.svg'), data => $late);

for my $again (0, 1) {
	$r = get($late_path);
	whole($r, 'old svg', $late);
	is($r->header('Content-Type'), 'image/svg+xml', 'old svg, type');
	is($r->header('Content-Disposition'), undef, 'old svg, shown');
	$r = get($late_path, 'If-None-Match: ' . $r->header('ETag'));
	status_is($r, 304, 'old svg, 304');
	is($r->header('Content-Type'), undef, 'old svg, 304, no type');
	is($r->header('Content-Disposition'), undef, 'old svg, 304, shown');
	$r = $t->http_head($late_path);
	is($r->header('Content-Disposition'), undef, 'old svg, HEAD, shown');
}

$r = get($late_path =~ s/svg/image/r);
is($r->header('Content-Disposition'), 'attachment', 'svg that is not allowed');

# A pattern that PCRE gives up on

status_is(get('/odd/aaaaa%0Aforged:%20b'), 400, 'a pattern with limits');
my $log = $t->read_file('error.log');
like($log, qr/ failed: -\d+ using "codeexec_image_name"/, 'and an error');
unlike($log, qr/^forged/m, 'nothing of the name in the log');

status_is(get("/auth/$name"), 403, 'auth_request, forbidden');
whole(get("/auth/$name", 'X-Key: good'), 'auth_request, allowed');
status_is(get("/auth-by-image/$name"), 500, 'auth_request by an image');

whole(get("/limited/$name"), 'limit_req');
status_is(get("/limited/$name"), 503, 'limit_req, too many');

is(get('/error-page/' . image_name())->body, "none\n", 'error_page 404');
is(get('/error-page/x')->body, "bad\n", 'error_page 400');
whole(get("/error-page/$name"), 'error_page, no error');

# other ways to a location

whole(get("/if/$name?$_"), "if, $_") for 'none=1', 'a=1', 'b=1', 'a=1&b=1';
like(join(', ', get("/if/$name?a=1")->header('Cache-Control')),
	qr/max-age=3600/, 'if, its settings');
whole(get("/only-if/$name?a=1"), 'in if');
status_is(get("/only-if/$name"), 404, 'not in if');
status_is(get("/limit-except/$name"), 403, 'limit_except');
is($t->http_head("/limit-except/$name")->header('Content-Length'), 1000,
	'limit_except, HEAD');
mkdir $t->dir . '/files';
$t->write_file('files/there', 'a file');
is(get('/files/there')->body, 'a file', 'try_files, a file');
whole(get("/files/$name"), 'try_files, an image');
whole(get("/exact/$name"), 'an exact location');
whole(get("/nested/$name"), 'a nested location');
whole(get("/rewritten/xy/$name"), 'rewrite');
whole(get("/accel/?name=$name"), 'X-Accel-Redirect');
status_is(get("/accel/?name=$missing"), 404, 'X-Accel-Redirect, missing');
my $rate = time;
whole(get("/rate/$medium_name"), 'limit_rate', $medium);
cmp_ok(time - $rate, '>', 0.1, 'indeed');

# subrequests

mkdir $t->dir . '/page';

sub page_is ($include, $expected, $text, @headers) {
	$t->write_file('page/a.html', "[$include]");
	my $r = get('/page/a.html', @headers);
	return ok($r->complete && $r->status == 200
		&& $r->body eq "[$expected]", $text)
		|| diag($r->status, ', ', length $r->body, ' of ',
			2 + length $expected, ' bytes: ', substr $r->raw, 0, 500);
}

sub include ($name) { qq(<!--# include virtual="/image/$name" -->) }

page_is(include($name), $bytes, 'SSI');
page_is(include($name) . '|' . include($svg_name) . '|' . include($name),
	"$bytes|$svg|$bytes", 'SSI, three of them');
page_is(include($big_name), $big, 'SSI, a large one');
page_is(include($name), $bytes, 'SSI, a condition of the page',
	"If-None-Match: $tag");
page_is(include($name), $bytes, 'SSI, more conditions',
	"If-None-Match: $other, W/$tag");
page_is(include($missing), qq({"error":"Image not found"}\n), 'SSI, missing');
page_is(include('x'), qq({"error":"Invalid image name"}\n), 'SSI, bad name');
page_is(include($name) x 30, $bytes x 30, 'SSI, thirty');
page_is('<!--# include virtual="/image/' . $name . '" set="x" -->|'
	. '<!--# echo var="x" encoding="none" -->', "|$bytes", 'SSI, in memory');
is($t->http_head('/page/a.html')->status, 200, 'SSI, HEAD');

# caches

whole(get("/cached/$name"), 'cache');
$r = get("/cached/$name");
whole($r, 'cache, again');
is($r->header('X-Cache'), 'HIT', 'cache, HIT');
is($r->header('ETag'), $tag, 'cache, ETag');
is($r->header('Content-Security-Policy') =~ /sandbox/, 1, 'cache, CSP');
status_is(get("/cached/$name", "If-None-Match: $tag"), 304, 'cache, 304');
$r = get("/cached/$name", 'Range: bytes=5-9');
is($r->status . $r->body, '206' . substr($bytes, 5, 5), 'cache, range');

is(get("/cached/$missing")->header('X-Cache'), 'MISS', 'cache, 404');
is(get("/cached/$missing")->header('X-Cache'), 'HIT', 'cache, 404 again');
is(get("/cached/x")->header('X-Cache'), 'MISS', 'cache, 400');
is(get("/cached/x")->header('X-Cache'), 'MISS', 'cache, 400 is not kept');

whole(get("/revalidated/$name"), 'cache, to be revalidated');
sleep 2.1;
my $before = () = $t->read_file('access.log') =~ m{^304 GET /image/}mg;
$r = get("/revalidated/$name");
is($r->header('X-Cache'), 'REVALIDATED', 'cache, revalidated');
whole($r, 'cache, revalidated, bytes');
my $after = () = $t->read_file('access.log') =~ m{^304 GET /image/}mg;
is($after, $before + 1, 'cache, revalidated by 304');

whole(get("/sliced/$medium_name"), 'slices', $medium);
whole(get("/sliced/$medium_name"), 'slices, cached', $medium);
$r = get("/sliced/$medium_name", 'Range: bytes=60000-70000');
ok($r->status == 206 && $r->body eq substr($medium, 60000, 10001),
	'slices, range');

###############################################################################

# Connections

my $s = $t->connect;
write_all($s, join '', map { ($t->request(GET => $path, keepalive => 1),
	$t->request(GET => $path, keepalive => 1,
		headers => ["If-None-Match: $tag"]),
	$t->request(GET => "/image/$missing", keepalive => 1),
	$t->request(HEAD => $path, keepalive => 1),
	$t->request(GET => $path, keepalive => 1,
		headers => ['Range: bytes=1-3'])) } 1 .. 5);

my @got;
for (1 .. 5) {
	push @got, map { $t->read_response($s, head => $_ == 3)->status // 0 }
		0 .. 4;
}

is("@got", join(' ', ('200 304 404 200 206') x 5), 'pipelined');

for my $body ('x', 'x' x 100000) {
	for my $method (qw/POST GET/) {
		$r = $t->http($t->request($method => $path, keepalive => 1,
			body => $body), socket => $s);
		is($r->status, $method eq 'GET' ? 200 : 405,
			"$method with a body");
		whole($t->http_get($path, keepalive => 1, socket => $s),
			'and the next on that connection');
	}
}

$r = $t->http($t->request(POST => $path, keepalive => 1, body => 'y' x 5000,
	chunked => 700), socket => $s);
is($r->status, 405, 'POST in chunks');
whole($t->http_get($path, keepalive => 1, socket => $s), 'and the next');
close $s;

whole($t->http_get($path, version => '1.0'), 'HTTP/1.0');

$s = $t->connect;
write_all($s, "GET $path\r\n");
my $raw = '';
1 while sysread $s, $raw, 4096, length $raw;
ok($raw eq $bytes, 'HTTP/0.9');

# HTTP/2

SKIP: {
	skip 'no curl with HTTP/2', 8
		if `curl --version 2>&1` !~ /^Features:.* HTTP2/m;

	my $base = 'http://127.0.0.1:' . $t->port(1);
	my $curl = sub (@arg) {
		open my $fh, '-|', qw/curl -s -m 10 --http2-prior-knowledge -w/,
			'%{http_code} %{http_version}', @arg;
		local $/;
		return <$fh>;
	};

	ok($curl->("$base$path") eq "${bytes}200 2", 'HTTP/2');
	ok($curl->("$base/image/$big_name") eq "${big}200 2",
		'HTTP/2, a large one');
	is($curl->('-H', "If-None-Match: $tag", "$base$path"), '304 2',
		'HTTP/2, 304');
	is($curl->("$base/image/$missing"),
		qq({"error":"Image not found"}\n404 2), 'HTTP/2, 404');
	like($curl->('-I', "$base$path"), qr/content-length: 1000\r\n.*200 2/s,
		'HTTP/2, HEAD');
	ok($curl->('-r', '5-9', "$base$path") eq substr($bytes, 5, 5)
		. '206 2', 'HTTP/2, range');
	is($curl->('-X', 'POST', "$base$path"),
		qq({"error":"Method Not Allowed"}\n405 2), 'HTTP/2, POST');

	skip 'no TLS', 1 if !$tls;
	system qw/curl -s -k -Z -m 10/, '-o', $t->dir . '/h2-#1', '--stderr',
		'/dev/null', 'https://127.0.0.1:' . $t->port(2)
			. "$path?[1-20]";
	is(scalar(grep { $t->read_file("h2-$_") eq $bytes } 1 .. 20), 20,
		'HTTP/2, twenty on one connection');
}

# A slow client has its image, and the database's connection serves others.

my $slow = $t->connect;
setsockopt $slow, SOL_SOCKET, SO_RCVBUF, 100000;
write_all($slow, $t->request(GET => image_path($big_name)));
sleep 0.3;
sysread $slow, my $first, 1000;
my $begin = time;
whole(get($path), "beside a slow client, $_") for 1 .. 5;
cmp_ok(time - $begin, '<', 1, 'and at once');
is($db->backends, 1, 'there is one connection');
my $rest = '';
1 while sysread $slow, $rest, 1 << 20, length $rest;
ok("$first$rest" =~ /\r\n\r\n/ && substr("$first$rest", $+[0]) eq $big,
	'the slow client gets it all');

# Clients that do not wait

$t->baseline;
my $lock = Test::Postgres::Client->new($db);

sub aborted { my @n = $t->read_file('access.log') =~ /^499 /mg; scalar @n }

for my $how (qw/close abort/) {
	$lock->query('BEGIN; LOCK TABLE images');
	my $count = aborted();
	my @s = map { $t->connect } 1 .. 10;
	write_all($_, $t->request(GET => $path)) for @s;
	is($db->wait_backends(1, 3, $Test::Postgres::APPLICATION, 'active'), 1,
		"$how, one asks, nine wait");
	$how eq 'close' ? close $_ : $t->abort($_) for @s;
	ok(wait_until(3, sub { aborted() == $count + 10 }),
		"$how, all are logged") || diag(aborted() - $count);
	$lock->query('COMMIT');
	whole(get($path), "$how, and after that");
}

# A body that comes while the database is asked is read and dropped.

for my $end (qw/finished closed/) {
	my $head = $t->request(GET => $path, keepalive => 1,
		headers => ['Content-Length: 100000']);
	my $s = $t->connect;

	$lock->query('BEGIN; LOCK TABLE images');
	write_all($s, $head . 'x' x 1000);
	is($db->wait_backends(1, 3, $Test::Postgres::APPLICATION, 'active'), 1,
		"a body that is $end, asked");
	write_all($s, 'x' x 50000);

	# Core takes the end of a body that is cut for its end.

	$end eq 'closed' ? close $s : sleep 0.05;
	$lock->query('COMMIT');

	if ($end eq 'closed') {
		whole(get($path), 'a body that is closed, the next');
		next;
	}

	write_all($s, 'x' x 49000);
	whole($t->read_response($s), 'a body that is finished');
	whole($t->http_get($path, socket => $s), 'and the next');
}

SKIP: {
	skip 'no curl with HTTP/2', 3
		if `curl --version 2>&1` !~ /^Features:.* HTTP2/m;

	$lock->query('BEGIN; LOCK TABLE images');
	my $count = aborted();
	my $pid = $t->spawn('curl.out', qw/curl -s --http2-prior-knowledge/,
		'http://127.0.0.1:' . $t->port(1) . $path);
	is($db->wait_backends(1, 3, $Test::Postgres::APPLICATION, 'active'), 1,
		'HTTP/2, asked');
	kill KILL => $pid;
	waitpid $pid, 0;
	ok(wait_until(3, sub { aborted() > $count }), 'HTTP/2, logged');
	$lock->query('COMMIT');
	whole(get($path), 'HTTP/2, and after that');
}

# The rest of an answer that nobody waits for is not for the next.

for (1 .. 20) {
	my $s = $t->connect;
	write_all($s, $t->request(GET => image_path($big_name)));
	sleep 0.002 * ($_ % 7);
	$t->abort($s);
	my $r = get($path);
	whole($r, "aborted, the next, $_") if !$r->complete
		|| $r->body ne $bytes;
}

whole(get($path), 'aborted at any time');
$t->check_leaks('no descriptors left', 3);
is($db->wait_backends(1), 1, 'still one connection') if $db->backends;

cmp_ok(($t->read_file('access.log') =~ m{^200 GET \Q$path\E (\d\.\d{3})$}m)[0]
	// 9, '<', 1, '$codeexec_pg_time');

$t->expect_log(qr/limiting requests/);
$t->done_testing;
