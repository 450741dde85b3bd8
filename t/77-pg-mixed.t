#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Requests of every kind for images and for runs that store, many at a time and
# some of them aborted, while sessions are ended, tables are locked and nginx
# reloads: what is answered is right, and afterwards everything is as it was.

use v5.36;

use Digest::SHA qw/sha256_hex/;
use IO::Select;
use MIME::Base64 qw/decode_base64/;
use Test::More;
use Time::HiRes qw/sleep time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Image;
use Test::Codeexec::Process;
use Test::FakeSandbox;
use Test::Postgres;

my $seconds = $ENV{CODEEXEC_SECONDS} // 5;
my $concurrency = 24;
my $seed = $ENV{CODEEXEC_SEED} // $$;

alarm 90 + 2 * $seconds;
note("CODEEXEC_SEED=$seed");
srand $seed;

my $t = Test::Codeexec->new;
my $db = Test::Postgres->new($t)->schema;

$t->write_conf(<<~EOC, main => 'worker_processes 2;');
	log_format status '\$status \$uri';
	access_log %%TESTDIR%%/access.log status;
	upstream sandbox { server unix:%%SOCK%% max_fails=0; keepalive 4; }
	upstream closing { server unix:%%SOCK%% max_fails=0; }

	${\ $db->block('images', max_connections => 3, max_requests => 50,
		query_timeout => '2s', queue => '64 timeout=1s',
		sweep => '200ms')}

	server {
	    listen 127.0.0.1:%%PORT_0%%;

	    location /image/ { codeexec_image images; }
	    location /gzip/ {
	        codeexec_image images;
	        gzip on;
	        gzip_types image/png;
	        gzip_min_length 1;
	    }
	    location /page/ { ssi on; alias %%TESTDIR%%/page/; }
	    location /run {
	        codeexec_pass sandbox;
	        codeexec_store images;
	        codeexec_image_ttl 1h;
	    }
	    location /run/close {
	        codeexec_pass closing;
	        codeexec_store images;
	    }
	    location /strict {
	        codeexec_pass sandbox;
	        codeexec_store images;
	        codeexec_store_fallback 503;
	    }
	}
	EOC

my %file = ('one.png' => image_bytes(700), 'two.png' => image_bytes(90000));
my @several = map { [$_, $file{$_}] } sort keys %file;
my $large = image_bytes(6 << 20);

$t->fake(script => sub ($c, $job) {
	my $code = $job->{code};

	sleep rand 0.02 if $code eq 'slow';
	return $c->send(answer(stdout => 'nothing')) if $code eq 'none';
	return $c->send(answer(files => [['big.png', $large]]))
		if $code eq 'large';
	$c->send(answer(stdout => 'drawn', files => \@several));

	# Never on a connection that nginx keeps: it could be in use again.

	$c->close if $code eq 'close';
});

my @sizes = (1, 100, 4096, 8193, 40000, 300000, 5 << 20);
my %name = map { $_ => insert($db, size => $_) } @sizes;
my %bytes = map { $_ => image_bytes($_) } @sizes;
my %tag = map { $_ => '"' . sha256_hex($bytes{$_}) . '"' } @sizes;

mkdir $t->dir . '/page';
$t->write_file('page/a.html', join '', map {
	qq(<!--# include virtual="/image/$name{$_}" -->) } 100, 40000, 1);
my $page = join '', @bytes{100, 40000, 1};

$t->run;

###############################################################################

# The kinds: a request, and what its answer must be if it is not an error

sub any_size { $sizes[rand @sizes] }

sub plain ($method, $path, $body = undef, @headers) {
	return $t->request($method => $path, keepalive => 1,
		defined $body ? (body => $body) : (), headers => \@headers);
}

sub set_is ($r, $wanted) {
	my $data = $r->json // return 0;
	my $images = $data->{images} // {};
	my $inline = $data->{inline} // {};

	return 0 if "@{[sort keys %$images]}" ne "@{[sort keys %$wanted]}";

	# All of them are URLs, or none is.

	my $n = grep { $_ eq 'unavailable' } values %$inline;
	return 0 if $n && $n != keys %$wanted;

	return !grep { $n ? decode_base64($images->{$_}) ne $wanted->{$_}
		: $images->{$_} !~ m{^http://localhost/image/[0-9a-f-]{36}_\Q$_\E$}
	} keys %$wanted;
}

my %kind = (
	get => [30, sub { my $n = any_size();
		(plain(GET => "/image/$name{$n}"),
			sub ($r) { $r->body eq $bytes{$n} }) }],
	head => [5, sub { my $n = any_size();
		(plain(HEAD => "/image/$name{$n}"),
			sub ($r) { $r->header('Content-Length') == $n }, 1) }],
	match => [10, sub { my $n = any_size();
		(plain(GET => "/image/$name{$n}", undef,
			"If-None-Match: $tag{$n}"),
			sub ($r) { $r->status == 304 }) }],
	nomatch => [5, sub { my $n = any_size();
		(plain(GET => "/image/$name{$n}", undef, 'If-None-Match: "x"'),
			sub ($r) { $r->body eq $bytes{$n} }) }],
	range => [5, sub {
		(plain(GET => "/image/$name{40000}", undef,
			'Range: bytes=100-199,3000-3999'),
			sub ($r) { $r->status == 206
				&& index($r->body, substr $bytes{40000}, 3000,
					1000) > 0 }) }],
	gzip => [3, sub {
		(plain(GET => "/gzip/$name{40000}", undef,
			'Accept-Encoding: gzip'),
			sub ($r) { $r->header('Content-Encoding') eq 'gzip' }) }],
	missing => [5, sub {
		(plain(GET => image_path(image_name())),
			sub ($r) { $r->status == 404 }) }],
	page => [5, sub {
		(plain(GET => '/page/a.html'), sub ($r) {
			$r->body eq $page || $r->body =~ /"error":/ }) }],
	post => [3, sub {
		(plain(POST => "/image/$name{100}", 'x' x 5000),
			sub ($r) { $r->status == 405 }) }],
	(map {
		my $code = $_;
		($code => [8, sub {
			(plain(POST => $code eq 'close' ? '/run/close' : '/run',
				qq({"code":"$code"})), sub ($r) {
					set_is($r, \%file) }) }])
	} qw/store slow close/),
	strict => [5, sub {
		(plain(POST => '/strict', '{"code":"store"}'), sub ($r) {
			set_is($r, \%file) && $r->body !~ /inline/ }) }],
	large => [2, sub {
		(plain(POST => '/run', '{"code":"large"}'), sub ($r) {
			$r->body =~ /"big\.png":"(?:http|iVBOR)/ }) }],
	none => [4, sub {
		(plain(POST => '/run', '{"code":"none"}'), sub ($r) {
			$r->body eq qq({"output":"nothing"}\n) }) }],
);

my @lots = map { ($_) x $kind{$_}[0] } sort keys %kind;

###############################################################################

# A connection is used until its request is aborted, or nginx closes it.

my (%slot, %done, @wrong);
my ($errors, $aborted) = (0, 0);
my $select = IO::Select->new;

sub start_next ($socket = undef) {
	my $name = $lots[rand @lots];
	my ($bytes, $check, $head) = $kind{$name}[1]->();
	my $kept = $socket;

	$socket //= $t->connect;
	write_all($socket, $bytes);
	$select->add($socket);
	$slot{$socket} = { name => $name, check => $check, head => $head,
		kept => $kept, bytes => $bytes,
		abort => rand() < 0.15 ? time + rand 0.03 : undef };
}

sub take ($socket) {
	my $slot = delete $slot{$socket};
	my $r = $t->read_response($socket, timeout => 15,
		head => $slot->{head});
	my $status = $r->status // 'none';

	$select->remove($socket);

	# A kept connection may be closed by a reload.

	return start_next() if $r->raw eq '' && $slot->{kept};

	if ($status =~ /^50[34]$/ && ($slot->{head} || ref $r->json)) {
		$errors++;
	} elsif (!$r->complete || !eval { $slot->{check}->($r) }) {
		push @wrong, "$slot->{name}: " . substr $r->raw, 0, 300;
	} else {
		$done{ $slot->{name} }++;
	}

	start_next($r->complete && ($r->header('Connection') // '') ne 'close'
		? $socket : undef);
}

sub drop ($socket) {
	delete $slot{$socket};
	$select->remove($socket);
	rand > 0.5 ? close $socket : $t->abort($socket);
	$aborted++;
	start_next();
}

# What happens meanwhile

my $lock = Test::Postgres::Client->new($db);
my $locked = 0;

sub disturb {
	my $what = rand;

	if ($locked) {
		$lock->query('COMMIT');
		$locked = 0;
	} elsif ($what < 0.4) {
		$db->terminate_backends;
	} elsif ($what < 0.6) {
		$lock->query('BEGIN; LOCK TABLE images');
		$locked = 1;
	} elsif ($what < 0.8) {
		$t->signal('HUP');
	}
}

for (1 .. 3) {
	$t->http_get("/image/$name{100}");
	$t->http_post_json('/run', '{"code":"store"}');
}

start_next() for 1 .. $concurrency;

my $end = time + $seconds;
my $next = time + 0.5;

while (time < $end) {
	take($_) for grep { !$slot{$_}{abort} } $select->can_read(0.01);

	my $now = time;
	drop($_) for grep { ($slot{$_}{abort} // $now + 1) <= $now }
		$select->handles;

	if ($now > $next) {
		disturb();
		$next = $now + ($locked ? 0.05 : 0.25);
	}
}

$lock->query('COMMIT') if $locked;

# The end: what is still there is dropped, and nginx comes to rest.

close $_ for $select->handles;
$t->disconnect;

is(scalar @wrong, 0, 'no answer was wrong')
	|| diag(join "\n", @wrong > 10 ? @wrong[0 .. 9] : @wrong);

my $good = 0;
$good += $_ for values %done;

SKIP: {
	skip 'too few to be of every kind', scalar keys %kind if $good < 400;
	cmp_ok($done{$_} // 0, '>', 0, "of kind $_") for sort keys %kind;
}

cmp_ok($good, '>', 5 * $errors, "$good answers, $errors errors, "
	. "$aborted aborted");

ok(wait_until(10, sub { !grep { cmdline($_) =~ /is shutting down/ }
	children($t->{nginx}) }), 'old workers have gone');
ok(wait_until(10, sub { $db->backends <= 6 }), 'two pools of three');

for my $n (100, 5 << 20) {
	my $r = $t->http_get("/image/$name{$n}");
	ok($r->complete && $r->body eq $bytes{$n}, "still well, $n bytes");
}

ok(set_is($t->http_post_json('/run', '{"code":"store"}'), \%file),
	'still well, a run');
is($db->psql("SELECT count(*) FILTER (WHERE filename LIKE '%_one.png') - "
	. "count(*) FILTER (WHERE filename LIKE '%_two.png') FROM images"), 0,
	'no half of a set was stored');

$t->done_testing;
