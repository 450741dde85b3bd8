#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Images of a run are in PostgreSQL when it is answered: all of them, with URLs
# that work, or none, and then they are in the answer.

use v5.36;

use Digest::SHA qw/sha256_hex/;
use JSON::PP ();
use MIME::Base64 qw/decode_base64 encode_base64/;
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
my $json = JSON::PP->new->utf8->canonical;

$db->database('legacy')->legacy_schema('legacy');

my $hanging = Test::FakePostgres->new($t, name => 'hanging',
	startup => sub ($c, $parameters) { $c->eof });

my %pool = (
	images => {},
	patient => { query_timeout => '40s',
		conninfo => $db->conninfo('application_name=patient') },
	single => { max_connections => 1, query_timeout => '20s',
		queue => '10 timeout=10s' },
	legacy => { conninfo => $db->conninfo('dbname=legacy') },
	down => { conninfo => 'host=127.0.0.1 port=' . $t->port(9)
		. ' user=codeexec sslmode=disable' },
	hanging => { conninfo => $hanging->conninfo,
		connect_timeout => '300ms' },
	readonly => { conninfo => $db->conninfo(
		q(options='-c default_transaction_read_only=on')) },
	reader => { conninfo => $db->conninfo('user=codeexec_read') },
	stranger => { conninfo => $db->conninfo('user=nobody') },
);

my $pools = join '', map {
	my %option = %{ $pool{$_} };
	$option{conninfo} = qq("$option{conninfo}") if $option{conninfo};
	$db->block($_, max_connections => 2, query_timeout => '500ms',
		%option);
} sort keys %pool;

# Servers by their names: what is in a URL if the client names no host.

my @servers = ('img-2.test', 'A_1.test', '192.0.2.1', '_', '*.img.test',
	'img.*', '""', '"~^(?<name>.+)$"', '--', '-a.test', "\xc3\xa9.test");

my $servers = join '', map { <<~EOC } 0 .. $#servers;
	server {
	    listen 127.0.0.1:%%PORT_@{[20 + $_]}%%;
	    server_name $servers[$_];
	    codeexec_store images;
	    location / { codeexec_pass sandbox; }
	}
	EOC

my $locations = join '', map { <<~EOC } sort keys %pool;
	location /run/$_ { codeexec_pass sandbox; codeexec_store $_; }
	location /strict/$_ {
	    codeexec_pass sandbox;
	    codeexec_store $_;
	    codeexec_store_fallback 503;
	}
	EOC

$t->write_conf(<<~EOC, main => 'worker_processes 1;');
	log_format store '\$uri \$status \$codeexec_images_stored '
	                 '\$codeexec_pg_time \$codeexec_pg_sqlstate';
	access_log %%TESTDIR%%/access.log store;

	upstream sandbox { server unix:%%SOCK%% max_fails=0; keepalive 2; }
	codeexec_read_timeout 40s;
	codeexec_max_response_size 64m;
	client_max_body_size 1m;

	$pools

	server {
	    listen 127.0.0.1:%%PORT_0%%;
	    listen 127.0.0.1:%%PORT_1%% http2;
	    server_name img.test;

	    location /image/ {
	        codeexec_image patient;
	        codeexec_image_types png jpeg gif webp avif svg;
	    }
	    location /single-image/ { codeexec_image single; }
	    location /legacy-image/ { codeexec_image legacy; }

	    $locations

	    location /off {
	        codeexec_pass sandbox;
	        codeexec_store off;
	    }
	    location /types {
	        codeexec_pass sandbox;
	        codeexec_store images;
	        codeexec_image_types png svg;
	    }
	    location /caps {
	        codeexec_pass sandbox;
	        codeexec_store images;
	        codeexec_image_max_size 1000;
	        codeexec_image_max_total 2000;
	        codeexec_image_max_count 3;
	    }
	    location /url {
	        codeexec_pass sandbox;
	        codeexec_store images;
	        codeexec_image_url https://cdn.test/\$arg_dir/?i=;
	    }
	    location /ttl {
	        codeexec_pass sandbox;
	        codeexec_store images;
	        codeexec_image_ttl 1h;
	    }
	    location /short {
	        codeexec_pass sandbox;
	        codeexec_store images;
	        codeexec_image_ttl 600ms;
	    }
	    location /name {
	        codeexec_pass sandbox;
	        codeexec_store images;
	        codeexec_image_name "^[0-9a-f-]{36}_[a-z]+\\.png\$";
	    }
	    location /intercept {
	        codeexec_pass sandbox;
	        codeexec_store images;
	        codeexec_intercept_errors on;
	    }
	    location /page/ { ssi on; alias %%TESTDIR%%/page/; }
	}

	$servers
	EOC

# The code is a list of [name, bytes] in Perl, stdin is more for answer().

my %canned = (
	pair => sub { answer(files => [['one.png', image_bytes(500)],
		['two.gif', image_bytes(70000, 'gif')]], stdout => 'drawn') },
	none => sub { answer(stdout => 'nothing') },
	busy => sub { busy() },
	huge => sub { answer(files => [map { ["$_.png",
		image_bytes(15 << 20)] } 1 .. 2]) },
);

my $fake = $t->fake(script => sub ($c, $job) {
	my $code = $job->{code};

	if ($code eq 'close') {
		$c->send($canned{pair}->());
		$c->close;
	}

	return $c->dribble($canned{pair}->(), [map { $_ * 997 } 1 .. 70])
		if $code eq 'slowly';
	if ($canned{$code}) {
		$c->send($canned{$code}->());
		return $c->note('sent');
	}

	$c->send(answer(files => [eval $code], eval $job->{stdin}));
});

$t->run;

sub quoted ($bytes) {
	return '"' . $bytes =~ s/([^ !#-#%-?A-\[\]-~])/
		sprintf '\\x%02x', ord $1/gesrx . '"';
}

sub files (@files) {
	return join ', ', map { '[' . quoted($_->[0]) . ", $_->[1]]" } @files;
}

sub png ($size) { "Test::Codeexec::Image::image_bytes($size)" }

sub of ($type, $size = 100) {
	return "Test::Codeexec::Image::image_bytes($size, '$type')";
}

sub run ($code, $uri = '/run/images', %arg) {
	my $data = delete $arg{data} // {};
	return $t->http_post_json($uri, { code => $code, %$data }, %arg);
}

sub count { return 0 + $db->psql('SELECT count(*) FROM images') }

my $uuid = qr/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}
	-[0-9a-f]{12}/x;

# The stored name in a URL.

sub name_in ($url) {
	return $url =~ m{/image/([^/?]+)$} ? $1 =~ s/%(..)/chr hex $1/ger
		: undef;
}

# Every image of the answer is a URL, and behind it are those bytes.

sub stored_ok ($r, $images, $text, %arg) {
	my $data = $r->json // {};
	my $got = $data->{images} // {};
	my @wrong;

	push @wrong, 'status ' . ($r->status // 'none')
		if ($r->status // 0) != ($arg{status} // 200);
	push @wrong, 'images ' . join ', ', sort keys %$got
		if "@{[sort keys %$got]}" ne "@{[sort keys %$images]}";
	push @wrong, 'inline' if exists $data->{inline} && !$arg{inline};

	for my $file (sort keys %$images) {
		my $url = $got->{$file} // next;
		my ($host, $path) = $url =~ m{^http://([^/]+)(/image/\S+)$};

		if (!defined $path || $path !~ m{^/image/${uuid}_}) {
			push @wrong, "$file: " . substr $url, 0, 80;
			next;
		}

		my $image = $t->http_get($path, timeout => 40);
		push @wrong, "$file: " . ($image->status // 'none') . ', '
			. length($image->body) . ' bytes'
			if ($image->status // 0) != 200
				|| $image->body ne $images->{$file};
	}

	return ok(!@wrong, $text) || diag(join("\n", @wrong), "\n",
		substr $r->raw, 0, 1000);
}

# Every image of the answer is in it, for that reason.

sub inline_ok ($r, $images, $reason, $text) {
	my $data = $r->json // {};
	my $got = $data->{images} // {};
	my @wrong = grep { decode_base64($got->{$_} // '') ne $images->{$_} }
		sort keys %$images;

	push @wrong, 'status ' . ($r->status // 'none')
		if ($r->status // 0) != 200;
	push @wrong, 'a URL' if $r->body =~ m{://};
	push @wrong, 'inline ' . $json->encode($data->{inline} // {})
		if $json->encode($data->{inline} // {}) ne $json->encode(
			{ map { $_ => $reason } keys %$images });

	return ok(!@wrong, $text)
		|| diag(join("\n", @wrong), "\n", substr $r->raw, 0, 1000);
}

my %pair = ('one.png' => image_bytes(500),
	'two.gif' => image_bytes(70000, 'gif'));

###############################################################################

# A run whose images are stored

my $r = run('pair');
stored_ok($r, \%pair, 'two images');
is($r->header('Content-Type'), 'application/json', 'Content-Type');
is($r->header('Cache-Control'), 'no-store', 'Cache-Control');
like($r->body, qr{^\{"images":\{"one\.png":"http://localhost/image/${uuid}_one
	\.png","two\.gif":"http://localhost/image/${uuid}_two\.gif"\},
	"output":"drawn"\}\n$}x, 'the body');
is(count(), 2, 'two rows');

my $image = $r->json->{images}{'two.gif'};
my $name = name_in($image);
is($t->http_get("/image/$name")->header('Content-Type'), 'image/gif', 'type');
is($db->psql("SELECT content_type, encode(sha256, 'hex'), created_at > now() - "
	. "interval '5 s', created_at <= now(), expires_at FROM images WHERE "
	. "filename = '$name'"), 'image/gif|' . sha256_hex($pair{'two.gif'})
	. '|t|t|', 'its row');
is($db->psql("SELECT data FROM images WHERE filename = '$name'"),
	'\\x' . unpack('H*', $pair{'two.gif'}), 'as the old service reads it');
is($t->http_get("/image/$name")->header('ETag'),
	'"' . sha256_hex($pair{'two.gif'}) . '"', 'ETag');

stored_ok(run('slowly'), \%pair, 'byte by byte');
stored_ok(run('pair', '/run/images', version => '1.0',
	headers => ['Host: localhost']), \%pair, 'HTTP/1.0');
stored_ok(run(files(['a.png', png(0) . ' . "\x89PNG\r\n\x1a\n"'])),
	{ 'a.png' => "\x89PNG\r\n\x1a\n" }, 'nothing but magic');

# URLs

sub url ($r) { return (values %{ ($r->json // {})->{images} // {} })[0] // '' }

my $one = files(['a.png', png(50)]);

for my $host ('localhost', 'example.test:8080', '127.0.0.1', '[::1]:80') {
	my $r = $t->http($t->request(POST => '/run/images', version => '1.0',
		body => $json->encode({ code => $one }),
		headers => ["Host: $host"]));
	like(url($r), qr{^http://\Q$host\E/image/${uuid}_a\.png$},
		"Host: $host");
}

# A host that JSON has to escape, if nginx takes it at all.

$r = $t->http($t->request(POST => '/run/images', version => '1.0',
	body => $json->encode({ code => $one }), headers => ['Host: a"b']));
ok($r->status == 400 || url($r) =~ m{^http://a"b/image/}, 'Host: a"b')
	|| diag($r->raw);

$r = run($one, '/run/images', version => '1.0');
like(url($r), qr{^http://img\.test:@{[$t->port]}/image/${uuid}_a\.png$},
	'no Host');

for my $n (0 .. $#servers) {
	my $port = $t->port(20 + $n);
	my $name = $n < 3 ? lc $servers[$n] : '127.0.0.1';

	like(url(run($one, '/', version => '1.0', port => $port)),
		qr{^http://\Q$name\E:$port/image/${uuid}_a\.png$},
		"no Host, server $n");
}

$r = $t->http($t->request(POST => 'http://other.test/', version => '1.0',
	body => $json->encode({ code => $one })), port => $t->port(20));
like(url($r), qr{^http://other\.test:\d+/image/}, 'no Host, but another name');
$r = run($one, '/url?dir=x%2Fy');
like(url($r), qr{^https://cdn\.test/x%2Fy/\?i=${uuid}_a\.png$},
	'codeexec_image_url');

# names

for my $name ('a b.png', 'a"b.png', "a'b.png", 'a\\b.png', '100%.png',
	'%41.png', 'a?b=c.png', 'a#b.png', 'a+b.png', 'a&b.png', 'a;b.png',
	'<b>.png', '..png', '.png', "\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80.png",
	'x' x 251 . '.png', "\xc3\xa9" x 127, 'x')
{
	my $text = $name;
	utf8::decode($text);
	my $shown = length $name > 60 ? substr($name, 0, 8) . '...' : $name;

	my $r = run(files([$name, png(64)]));
	stored_ok($r, { $text => image_bytes(64) }, "name $shown");
	like(url($r), qr{^[!-~]+$}, "name $shown, URL");
}

my $count = count();

for my $name ("a\nb.png", "a.png\n", "\x1f.png", "\x7f.png", "a\0.png",
	"\xff.png", "a\xc3.png", "\xed\xa0\x80.png", 'd/e.png', '/', "\xc3" x 255)
{
	my $shown = (length $name > 60 ? substr($name, 0, 8) . '...' : $name)
		=~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger;
	my $r = run(files([$name, png(64)]));
	my $data = $r->json // {};
	my ($key) = keys %{ $data->{images} // {} };

	is($r->status, 200, "bad name $shown");
	is($data->{images}{ $key // '' } // '', encode_base64(image_bytes(64), ''),
		"bad name $shown, base64");
	is_deeply($data->{inline}, { $key => 'name' },
		"bad name $shown, reason");
}

is(count(), $count, 'nothing was stored');

$r = run(files(['good.png', png(60)], ['BAD.png', png(61)]), '/name');
is_deeply($r->json->{inline}, { 'BAD.png' => 'name' }, 'codeexec_image_name');
like($r->json->{images}{'good.png'}, qr{_good\.png$},
	'codeexec_image_name, another');

# several

my @many = map { ["$_.png", png($_ * 100)] } 1 .. 32;
my %many = map { ("$_.png" => image_bytes($_ * 100)) } 1 .. 32;
$count = count();
stored_ok(run(files(@many)), \%many, '32 images');
is(count(), $count + 32, '32 rows');
$r = run(files(@many, ['33.png', png(3300)]));
is_deeply($r->json->{inline}, { '33.png' => 'count' }, 'a 33rd is inline');

my %name = map { substr($_, 0, 36) => 1 } $db->images;
is(scalar keys %name, count(), 'no UUID comes twice');

stored_ok(run('huge', '/run/patient', timeout => 40),
	{ map { ("$_.png" => image_bytes(15 << 20)) } 1 .. 2 }, 'two of 15 MB');
stored_ok(run(files(['a.png', png(16 << 20)]), '/run/patient', timeout => 40),
	{ 'a.png' => image_bytes(16 << 20) }, 'one of 16 MB');
$r = run(files(['a.png', png((16 << 20) + 1)]), '/run/patient', timeout => 40);
like(substr($r->body, -60), qr/="\},"inline":\{"a\.png":"size"\},"output":""\}$/,
	'and one more byte');

# results and files that were asked for, with the images

my %wanted = (results => JSON::PP::true, files => JSON::PP::true);
my $all = files(['a.png', png(64)], ['d/e.gif', of('gif', 70)],
	['f.txt', '"text"'], ['g.svg2', of('svg', 80)], ['h', png(65)]);
my $shown = 'shown => [[text => "x", png => ' . png(66) . '], '
	. '["\@main" => "", jpeg => ' . png(67) . ', "image/x" => '
	. of('webp', 68) . '], [gif => "no", pdf => "%PDF", svg => '
	. of('svg', 69) . '], "broken"]';

$count = count();
$r = run($all, '/run/images', data => { %wanted, stdin => $shown });
my $data = $r->json;
is($r->status, 200, 'results and files');
is(count(), $count + 6, 'are stored in one go');
stored_ok($r, { 'a.png' => image_bytes(64) }, 'the image');

sub behind ($url, $bytes, $name, $text) {
	like($url, qr{^http://localhost/image/${uuid}_\Q$name\E$}, "$text, URL");
	is($t->http_get('/image/' . name_in($url))->body, $bytes, $text);
}

behind($data->{files}{'d/e.gif'}{url}, image_bytes(70, 'gif'), 'e.gif',
	'a file in a directory');
behind($data->{files}{h}{url}, image_bytes(65), 'h', 'a file without a type');
is_deeply($data->{files}{'f.txt'}, { type => 'text/plain', size => 4,
	text => 'text' }, 'a file that is no image');
is($data->{files}{'g.svg2'}{inline}, 'type', 'an image that is not allowed');
behind($data->{results}[0]{png}, image_bytes(66), 'result.png', 'a result');
is($data->{results}[0]{text}, 'x', 'its other form');
behind($data->{results}[1]{jpeg}, image_bytes(67), 'result.png',
	'of what its bytes are');
behind($data->{results}[1]{extra}{'image/x'}{url}, image_bytes(68, 'webp'),
	'result.webp', 'and whatever it is called');
is($data->{results}[2]{gif}, encode_base64('no', ''), 'what is no image');
is_deeply($data->{results}[2]{inline}, { gif => 'type' }, 'and why');
like($data->{results}[2]{svg}, qr/^<\?xml/, 'SVG is text');
is_deeply($data->{skipped}, [{ result => 3, reason => 'malformed' }],
	'what was left out');

$count = count();
$r = run('', '/caps', data => { results => JSON::PP::true, stdin =>
	'shown => [map { [png => image_bytes(900)] } 1 .. 4]' });
is_deeply([map { $_->{inline}{png} } @{ $r->json->{results} }],
	[undef, undef, 'total', 'total'], 'the caps are those of images');
is(count(), $count + 2, 'so many are stored');
$r = run($all, '/run/images', data => { stdin => $shown });
ok(!exists $r->json->{results}, 'results nobody wants');
is(count(), $count + 4, 'are not stored, but the images are');

$r = run($all, '/run/down', data => { %wanted, stdin => $shown });
$data = $r->json;
is($data->{results}[0]{png}, encode_base64(image_bytes(66), ''),
	'without a database: a result is inline');
is_deeply($data->{results}[1]{inline}, { jpeg => 'unavailable',
	'image/x' => 'unavailable' }, 'and it is said');
is($data->{files}{'d/e.gif'}{inline}, 'unavailable', 'so are files');
is($data->{files}{'d/e.gif'}{base64}, encode_base64(image_bytes(70, 'gif'), ''),
	'with their content');
is($data->{inline}{'a.png'}, 'unavailable', 'and images');
error_is(run($all, '/strict/down', data => { %wanted, stdin => $shown }), 503,
	'Images could not be stored', 'or all of it is an error');

# types

my %type = (png => 1, jpeg => 1, gif => 1, webp => 1);

for my $type (qw/png jpeg gif webp avif svg unknown/) {
	my %image = ("a.$type" => image_bytes(100, $type));
	my $r = run(files(["a.$type", of($type)]));

	$type{$type} ? stored_ok($r, \%image, $type)
		: inline_ok($r, \%image, 'type', "$type, not allowed");
	next if !$type{$type};
	is($t->http_get('/image/' . name_in(url($r)))->header('Content-Type'),
		"image/$type", "$type, Content-Type");
}

stored_ok(run(files(['a.svg', of('svg')]), '/types'),
	{ 'a.svg' => image_bytes(100, 'svg') }, 'svg, allowed');
inline_ok(run(files(['a.gif', of('gif')]), '/types'),
	{ 'a.gif' => image_bytes(100, 'gif') }, 'type', 'gif, not allowed');
inline_ok(run(files(['a.png', '"a text"'])), { 'a.png' => 'a text' }, 'type',
	'a text that is named a.png');
inline_ok(run(files(['a.png', '""'])), { 'a.png' => '' }, 'type', 'empty');
$r = run(files(['a.png', of('jpeg')]));
is($db->psql("SELECT content_type FROM images WHERE filename = '"
	. name_in(url($r)) . "'"), 'image/jpeg', 'a JPEG that is named a.png');
$r = run(files(['a.png', png(50)], ['b.svg', of('svg')], ['c.png', png(60)]));
is_deeply($r->json->{inline}, { 'b.svg' => 'type' }, 'one of three');
like($r->body, qr/^\{"images":\{"a\.png":"http[^"]+","b\.svg":"PD94[^"]+",
	"c\.png":"http[^"]+"\},"inline":\{"b\.svg":"type"\},"output":""\}\n$/x,
	'their order');

# caps

sub reasons ($uri, @sizes) {
	my $r = run(files(map { ["$_.png", png($sizes[$_])] } 0 .. $#sizes),
		$uri);
	my $data = $r->json;
	return join ' ', map { $data->{inline}{"$_.png"}
		// ($data->{images}{"$_.png"} =~ /^http/ ? 'stored' : '?')
	} 0 .. $#sizes;
}

is(reasons('/caps', 999, 1000), 'stored stored', 'max_size, just below');
is(reasons('/caps', 1001), 'size', 'max_size, just above');
is(reasons('/caps', 1001, 1000), 'size stored', 'max_size, the next is not');
is(reasons('/caps', 1000, 1000), 'stored stored', 'max_total, just below');
is(reasons('/caps', 1000, 990, 11), 'stored stored total',
	'max_total, just above');
is(reasons('/caps', 1000, 999, 100, 1), 'stored stored total type',
	'max_total, and a type');
is(reasons('/caps', 900, 800, 400, 300), 'stored stored total stored',
	'max_total, a smaller one');
is(reasons('/caps', 50, 50, 50), 'stored stored stored',
	'max_count, just below');
is(reasons('/caps', 50, 50, 50, 50), 'stored stored stored count',
	'max_count, just above');
is(reasons('/caps', 1001, 1, 50, 50, 50, 50),
	'size type stored stored stored count', 'max_count is of stored ones');

###############################################################################

# Runs that are not what they were

$r = run($one, '/off');
inline_ok($r, {}, '', 'off, no URL');
unlike($r->body, qr/inline/, 'off, no reasons');

answer_is(run('none'), 200, '{"output":"nothing"}', 'no images');
error_is(run('busy'), 503, 'Server is busy, try again later', 'busy');

my $failed = run($one, '/run/images', data => { stdin =>
	'status => "error", exit_code => 1, stderr => "oops"' });
stored_ok($failed, { 'a.png' => image_bytes(50) }, 'a run that failed');
is($failed->json->{error}, 'oops', 'and its error');

my $timeout = 'status => "timeout", exit_code => undef, signal => 9';
$r = run($one, '/run/images', data => { stdin => $timeout });
stored_ok($r, { 'a.png' => image_bytes(50) }, 'a timeout', status => 504);
is($r->json->{error}, 'Code execution timed out', 'and its error');

$count = count();
$r = run($one, '/intercept', data => { stdin => $timeout });
is($r->status, 504, 'intercepted');
is($r->json->{images}{'a.png'}, encode_base64(image_bytes(50), ''),
	'intercepted, inline');
is(count(), $count, 'intercepted, nothing stored');
stored_ok(run($one, '/intercept'), { 'a.png' => image_bytes(50) },
	'nothing to intercept');

$r = run($one, '/run/images', data => { detail => JSON::PP::true });
stored_ok($r, { 'a.png' => image_bytes(50) }, 'detail');
is($r->json->{status}, 'ok', 'and its members');
$r = run(files(['a.svg', of('svg')]), '/run/images',
	data => { detail => JSON::PP::true });
like($r->body, qr/"inline":\{"a\.svg":"type"\},"output":"","stderr"|
	"inline":\{"a\.svg":"type"\},"output":""/x, 'detail, inline');

stored_ok(run('close'), \%pair, 'codeexecd closes after END');
stored_ok(run('pair'), \%pair, 'and another run');

# life

run($one, '/ttl');
is($db->psql('SELECT expires_at - created_at FROM images ORDER BY id DESC '
	. 'LIMIT 1'), '01:00:00', 'codeexec_image_ttl');
$r = run($one, '/short');
is($db->psql('SELECT expires_at - created_at FROM images ORDER BY id DESC '
	. 'LIMIT 1'), '00:00:00.6', 'codeexec_image_ttl in milliseconds');
my $path = '/image/' . name_in(url($r));
is($t->http_get($path)->status, 200, 'still there');
sleep 0.7;
is($t->http_get($path)->status, 404, 'not any more');

# subrequests, HTTP/2, pipelining

mkdir $t->dir . '/page';
$t->write_file('page/a.html', '[<!--# include virtual="/run/images?'
	. 'languageType=python&variables={}&code=pair" -->]');
$r = $t->http_get('/page/a.html');
like($r->body, qr/^\[\{"images":\{"one\.png":"http.*"output":"drawn"\}\n\]$/,
	'SSI');
$t->write_file('page/b.html', $t->read_file('page/a.html') x 5);
$r = $t->http_get('/page/b.html');
is(scalar(my @urls = $r->body =~ m{http://localhost/image/}g), 10,
	'SSI, five at once') || diag($r->raw);

SKIP: {
	skip 'no curl with HTTP/2', 2
		if `curl --version 2>&1` !~ /^Features:.* HTTP2/m;

	my $base = 'http://127.0.0.1:' . $t->port(1);
	my $answer = `curl -s -m 10 --http2-prior-knowledge -d '{"code":"pair"}' $base/run/images`;
	my ($url) = $answer =~ m{"one\.png":"(\Q$base\E/image/[^"]+)"};
	ok($url, 'HTTP/2') || diag($answer);
	is(`curl -s -m 10 --http2-prior-knowledge $url`, $pair{'one.png'},
		'HTTP/2, its URL');
}

my $s = $t->connect;
write_all($s, join '', map { $t->request(POST => '/run/images', keepalive => 1,
	body => qq({"code":"$_"})) } qw/pair none pair busy pair/);
is(join(' ', map { $t->read_response($s)->status } 1 .. 5),
	'200 200 200 503 200', 'pipelined');
close $s;

# many at once

my @s = map { $t->connect } 1 .. 20;
write_all($_, $t->request(POST => '/run/images', body => '{"code":"pair"}'))
	for @s;
my @answers = map { $t->read_response($_) } @s;
stored_ok($_, \%pair, 'twenty at once') for @answers[0, 9, 19];
my %distinct = map { $_ => 1 } map { values %{ $_->json->{images} } } @answers;
is(scalar keys %distinct, 40, 'forty URLs');
cmp_ok($db->backends, '<=', 2, 'two connections');

# The table of the service before

$r = run('pair', '/run/legacy');
like(url($r), qr{^http://localhost/image/${uuid}_}, 'legacy table');
is($db->psql("SELECT data FROM images WHERE filename = '"
	. name_in($r->json->{images}{'one.png'}) . "'", dbname => 'legacy'),
	'\\x' . unpack('H*', $pair{'one.png'}), 'legacy table, its row');
is($t->http_get('/legacy-image/' . name_in($r->json->{images}{'one.png'}))
	->body, $pair{'one.png'}, 'legacy table, the image');
run('pair', '/run/legacy');
is(scalar(my @w = $t->read_file('error.log') =~ /\[warn\].*lacks/g), 1,
	'legacy table, one warning');

###############################################################################

# The database fails

sub busy_ok ($r, $text) {
	error_is($r, 503, 'Images could not be stored', $text);
	is($r->header('Retry-After'), 1, "$text, Retry-After");
	is($r->header('Cache-Control'), 'no-store', "$text, no-store");
}

for my $pool (qw/down hanging readonly reader stranger/) {
	my $begin = time;
	inline_ok(run('pair', "/run/$pool"), \%pair, 'unavailable', $pool);
	inline_ok(run('pair', "/run/$pool"), \%pair, 'unavailable', "$pool again");
	busy_ok(run('pair', "/strict/$pool"), "$pool, strict");
	cmp_ok(time - $begin, '<', 3, "$pool, in time");

	answer_is(run('none', "/strict/$pool"), 200, '{"output":"nothing"}',
		"$pool, no images");
	inline_ok(run(files(['a.svg', of('svg')]), "/strict/$pool"),
		{ 'a.svg' => image_bytes(100, 'svg') }, 'type',
		"$pool, none to be stored");
}

$hanging->reset;
answer_is(run('none', '/run/hanging'), 200, '{"output":"nothing"}',
	'no images');
inline_ok(run(files(['a.svg', of('svg')]), '/run/hanging'),
	{ 'a.svg' => image_bytes(100, 'svg') }, 'type', 'none to be stored');
is($hanging->connections, 0, 'no image, no database');

$r = run(files(['a.png', png(50)], ['b.svg', of('svg')]), '/run/down');
is_deeply($r->json->{inline}, { 'a.png' => 'unavailable', 'b.svg' => 'type' },
	'two reasons');
like($r->body, qr/"inline":\{"a\.png":"unavailable","b\.svg":"type"\}/,
	'in order');

$r = run('pair', '/strict/down', data => { detail => JSON::PP::true });
busy_ok($r, 'strict, detail');

$count = count();
my $lock = Test::Postgres::Client->new($db);
$lock->query('BEGIN; LOCK TABLE images');
my $begin = time;
inline_ok(run('pair'), \%pair, 'unavailable', 'locked');
my $took = time - $begin;
ok($took > 0.4 && $took < 2, 'locked, in time') || diag($took);
busy_ok(run('pair', '/strict/images'), 'locked, strict');
$lock->query('COMMIT');
is(count(), $count, 'locked, nothing stored');
stored_ok(run('pair'), \%pair, 'unlocked');

# All or none

$count = count();
$db->psql(<<'EOF');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.filename LIKE '%refuse%' THEN
        RAISE EXCEPTION 'not this one';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON images FOR EACH ROW
    EXECUTE FUNCTION refuse();
EOF

for my $at (0 .. 2) {
	my @names = map { $_ == $at ? 'refuse.png' : "$_.png" } 0 .. 2;
	my %three = map { $_ => image_bytes(90) } @names;
	my $files = files(map { [$_, png(90)] } @names);

	inline_ok(run($files), \%three, 'unavailable', "image $at is refused");
	busy_ok(run($files, '/strict/images'), "image $at is refused, strict");
}

is(count(), $count, 'none was stored');

# An error that is only found when the transaction ends.

$db->psql(<<'EOF');
DROP TRIGGER refuse ON images;
CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON images DEFERRABLE
    INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse();
EOF

my $late = files(['a.png', png(90)], ['refuse.png', png(90)]);
inline_ok(run($late), { 'a.png' => image_bytes(90),
	'refuse.png' => image_bytes(90) }, 'unavailable', 'refused at the end');
busy_ok(run($late, '/strict/images'), 'refused at the end, strict');
is(count(), $count, 'refused at the end, none was stored');
$db->psql('DROP TRIGGER refuse ON images');
stored_ok(run('pair'), \%pair, 'not refused any more');

# The connection to codeexecd is free while the images are stored.

$t->disconnect;
run('none');
$fake->reset;
$lock->query('BEGIN; LOCK TABLE images');
$s = $t->connect;
write_all($s, $t->request(POST => '/run/images', body => '{"code":"pair"}'));
is($db->wait_backends(1, 3, $Test::Postgres::APPLICATION, 'active'), 1,
	'a store that waits');
answer_is(run('none'), 200, '{"output":"nothing"}', 'another run meanwhile');
is($fake->connections, 0, 'on the same connection');
$fake->stop;
sleep 0.05;
$lock->query('COMMIT');
stored_ok($t->read_response($s), \%pair, 'codeexecd is gone, all is stored');
$fake->start;

# Clients that go away while their images are stored

run('pair') for 1 .. 3;
$t->baseline;

for my $round (1 .. 6) {
	my $before = count();
	my @s = map { $t->connect } 1 .. 4;

	$lock->query('BEGIN; LOCK TABLE images');
	write_all($_, $t->request(POST => '/run/images',
		body => '{"code":"pair"}')) for @s;
	$db->wait_backends(2, 3, $Test::Postgres::APPLICATION, 'active');
	$round % 2 ? close $_ : $t->abort($_) for @s;
	sleep 0.05 if $round % 3;
	$lock->query('COMMIT');

	stored_ok(run('pair'), \%pair, "gone, the next, $round");

	my $more = count() - $before - 2;
	ok($more % 2 == 0 && $more >= 0 && $more <= 8,
		"gone, all or none, $round") || diag($more);
}

my $big = $json->encode({ code => 'huge' });
for my $round (1 .. 8) {
	my $before = count();
	my $s = $t->connect;
	write_all($s, $t->request(POST => '/run/images', body => $big));
	sleep 0.04 * $round;
	$t->abort($s);
	$db->wait_backends(0, 3, $Test::Postgres::APPLICATION, 'active');
	my $more = count() - $before;
	ok($more == 0 || $more == 2, "gone with 30 MB, $round") || diag($more);
}

# A connection that is closed on this account makes room for a new one.

my $wanted = insert($db, size => 100);
$t->http_get("/single-image/$wanted");
$db->freeze;
$fake->reset;
my $sender = $t->connect;
write_all($sender, $t->request(POST => '/run/single', body => $big));
$fake->wait_for(sent => 1, 10);
sleep 0.3;
my $waiter = $t->connect;
write_all($waiter, $t->request(GET => "/single-image/$wanted"));
sleep 0.05;
$t->abort($sender);
sleep 0.05;
$db->thaw;
$begin = time;
is($t->read_response($waiter)->body, image_bytes(100), 'who waits is served');
cmp_ok(time - $begin, '<', 3, 'and soon');

stored_ok(run('pair'), \%pair, 'still well');
$t->check_leaks('no descriptors left', 4);

# Every complete set of names is in the table, and no part of one.

is($db->psql("SELECT count(*) FILTER (WHERE filename LIKE '%one.png') - "
	. "count(*) FILTER (WHERE filename LIKE '%two.gif') FROM images"), 0,
	'as many of the first as of the second');

# what the log says

my $log = $t->read_file('access.log');
like($log, qr{^/run/images 200 2 0\.\d{3} -$}m, 'log, two stored');
like($log, qr{^/caps 200 3 0\.\d{3} -$}m, 'log, three of four');
like($log, qr{^/run/down 200 [0-] \d\.\d{3} -?$}m, 'log, none');
like($log, qr{^/run/readonly 200 [0-] \d\.\d{3} 25006$}m, 'log, read-only');
like($log, qr{^/run/reader 200 [0-] \d\.\d{3} 42501$}m, 'log, no right');
like($log, qr{^/run/images 200 [0-] \d\.\d{3} P0001$}m, 'log, refused');
like($log, qr{^/run/images 200 [0-] [01]\.\d{3} 57014$}m, 'log, locked');
like($log, qr{^/off 200 [0-] - -$}m, 'log, off');
like($log, qr{^/run/images 499 }m, 'log, gone');

# A program that draws

SKIP: {
	skip 'no codeexecd', 4 if $> != 0 || !-x $Test::Codeexec::DAEMON;

	$fake->stop;
	unlink $t->socket;
	$t->run_daemon;

	my $r = run(<<~'EOF', '/types', timeout => 30);
		import matplotlib.pyplot as plt
		plt.plot([1, 3, 2])
		plt.savefig('chart.png')
		plt.savefig('chart.svg')
		print('drawn')
		EOF
	my $data = $r->json // {};
	is($data->{output}, "drawn\n", 'drawn') || diag($r->raw);

	for my $type (qw/png svg+xml/) {
		my ($ext) = $type =~ /^(\w+)/;
		my $url = $data->{images}{"chart.$ext"} // '';
		my $image = $t->http_get($url =~ s{^http://[^/]+}{}r || '/');

		is($image->header('Content-Type'), "image/$type",
			"chart.$ext is an image");
		like($image->body, $ext eq 'png' ? qr/\A\x89PNG.*IEND.{4}\z/s
			: qr/<svg.*<\/svg>\s*\z/s, "chart.$ext is complete");
	}
}

$t->done_testing;
