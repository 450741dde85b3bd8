#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# PostgreSQL that is stopped, restarted, killed, moved to another host, or not
# PostgreSQL at all.

use v5.36;

use Fcntl qw/O_CREAT O_EXCL O_WRONLY/;
use JSON::PP ();
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
my $dir = $t->dir;
my $db = Test::Postgres->new($t)->schema;
my $message = \&Test::FakePostgres::message;

# A query takes 20 ms if the name has "slow" in it.

$db->psql(<<'EOF');
ALTER TABLE images ENABLE ROW LEVEL SECURITY;
CREATE POLICY slow ON images USING (CASE WHEN filename LIKE '%slow%'
    THEN pg_sleep(0.02)::text = '' ELSE true END);
EOF

###############################################################################

# The fake server.  A name says what is to happen to who asks for it.

my $png = image_bytes(3000);
my @good = (type => 'image/png', created => 1e9, data => $png);

# True once for each name, whatever connection it comes on.

sub first ($name) {
	my $file = "$dir/seen-" . unpack 'H*', substr $name, -40;
	return sysopen my $fh, $file, O_WRONLY | O_CREAT | O_EXCL;
}

sub whole ($c, @) { return $c->image(@good)->complete }

sub values_with ($at, $value) {
	my @values = Test::FakePostgres::lookup_values(@good);
	$values[$at] = $value;
	return @values;
}

my %do = (
	good => \&whole,
	none => sub ($c, @) { $c->complete('SELECT 0') },
	dribble => sub ($c, @) { whole($c)->dribbled(0.0002,
		[1 .. 60, map { $_ * 97 } 1 .. 30]) },
	split => sub ($c, $q, $n) { whole($c)->dribbled(0.03, [$n]) },
	cut => sub ($c, $q, $n) { whole($c)->cut($n) },
	cutonce => sub ($c, $q, $n) {
		whole($c);
		$c->cut($n) if first($q->{params}[0]);
	},
	hang => sub ($c, @) { $c->eof },
	hangonce => sub ($c, $q, @) {
		$c->eof if first($q->{params}[0]);
		whole($c);
	},
	half => sub ($c, $q, $n) { whole($c)->mangle(sub ($bytes) {
		$c->send(substr $bytes, 0, $n); $c->eof; exit }) },
	err => sub ($c, $q, $state, @) { $c->error($state, "state $state") },
	once => sub ($c, $q, $state, @) {
		return $c->error($state, "state $state") if first($q->{params}[0]);
		whole($c);
	},
	fatal => sub ($c, $q, $state, @) {
		return whole($c) if !first($q->{params}[0]);
		$c->error($state, "state $state", S => 'FATAL')->mangle(
			sub ($bytes) { $c->send($bytes); $c->close });
	},
	plan => sub ($c, $q, @) {
		return whole($c) if !first($q->{params}[0]);
		$c->error('0A000', 'cached plan must not change result type');
	},
	notices => sub ($c, @) {
		$c->notice("line $_\nand another of it") for 1 .. 50;
		$c->out(S => "application_name\0other\0")
			->out(A => pack('N', 1) . "channel\0payload\0");
		whole($c)->notice('afterwards');
	},
	late => sub ($c, @) { whole($c)->mangle(sub ($bytes) {
		$c->send($bytes);
		sleep 0.02;
		$c->send(Test::FakePostgres::error_message('00000', 'idle',
			type => 'N', S => 'NOTICE')) }) },
	gib => sub ($c, @) { $c->mangle(sub ($bytes) {
		$c->send("2\0\0\0\4", Test::FakePostgres::row_description(
			@Test::FakePostgres::LOOKUP), pack('aN', 'D', 1 << 30),
			'x' x 100000);
		$c->eof; exit }) },
	gibvalue => sub ($c, @) { $c->out(D => pack('n(l>)*', 8, -1, 1, -1, -1,
		-1, -1, -1, 1 << 30) . 'x' x 1000)->complete },
	negative => sub ($c, @) { $c->raw(pack('aN', 'D', 0xffffffff), 'xxxx') },
	tiny => sub ($c, @) { $c->raw(pack('aN', 'D', 3)) },
	garbage => sub ($c, @) { $c->raw('HTTP/1.1 200 OK' . "\r\n" x 10) },
	unknown => sub ($c, @) { $c->out('?', 'x')->complete },
	copy => sub ($c, @) { $c->out(H => pack 'Cn', 0, 0)
		->out(d => 'x')->out('c')->complete('COPY 1') },
	copyin => sub ($c, @) { $c->out(G => pack 'Cn', 0, 0) },
	empty => sub ($c, @) { $c->out('I') },
	suspended => sub ($c, @) { $c->image(@good)->out('s') },
	two => sub ($c, @) { $c->image(@good)->image(@good)->complete },
	nocomplete => sub ($c, @) { $c->image(@good) },
	rows => sub ($c, $q, $n) { $c->row(('x') x $n)->complete },
	columns => sub ($c, $q, $n) {
		my @values = Test::FakePostgres::lookup_values(@good);
		push @values, 'x' while @values < $n;
		$c->row(@values[0 .. $n - 1])->complete;
	},
	text => sub ($c, @) { $c->row('image/png', '3000', '2001-01-01', undef,
		undef, '1', '700', '\\x' . unpack 'H*', $png)->complete },
	null => sub ($c, $q, $n) {
		$c->row(values_with($n, undef))->complete },
	value => sub ($c, $q, $n, $hex = '') {
		$c->row(values_with($n, pack 'H*', $hex))->complete },
	size => sub ($c, $q, $n) {
		$c->image(@good, size => $n)->complete },
	fields => sub ($c, $q, $what, @) {
		my %fields = (
			none => "\0", nostate => "SERROR\0Mno state\0\0",
			longstate => "SERROR\0C" . 'X' x 5000 . "\0Mlong\0\0",
			shortstate => "SERROR\0C4\0Mshort\0\0",
			emptystate => "SERROR\0C\0Mempty\0\0",
			nomessage => "SERROR\0CXX000\0\0",
			longmessage => "SERROR\0CXX000\0M" . 'm' x 100000 . "\0\0",
			lines => "SERROR\0CXX000\0Mone\ntwo\r\nthree\0\0",
			open => "SERROR\0CXX000", control =>
				"SERROR\0CX\n\x1b\xff\0M\x1b[31m\xff\r\n\0\0");
		$c->out(E => $fields{$what});
		$c->{failed} = 1;
	},
);

sub behave ($c, $q) {
	return if $q->{kind} ne 'lookup';
	my ($what, @arg) = split /-/, $q->{params}[0] =~ /_(.*)$/ ? $1 : '';
	$do{$what}->($c, $q, @arg);
}

# The user says what is to happen to who connects.

my %startup = (
	hang => sub ($c) { $c->eof },
	close => sub ($c) { $c->close },
	garbage => sub ($c) { $c->send('x' x 1000); $c->eof },
	http => sub ($c) { $c->send("HTTP/1.1 400 Bad Request\r\n\r\n") },
	unknown => sub ($c) { $c->out(R => pack 'N', 99)->flush; $c->eof },
	cleartext => sub ($c) { $c->out(R => pack 'N', 3)->flush; $c->eof },
	md5 => sub ($c) { $c->out(R => pack 'Na4', 5, 'salt')->flush; $c->eof },
	scram => sub ($c) { $c->out(R => pack('N', 10) . "SCRAM-SHA-256\0\0")
		->flush; $c->eof },
	nokey => sub ($c) { $c->out(R => pack 'N', 0)->flush; $c->eof },
	huge => sub ($c) { $c->raw(pack('aN', 'R', 1 << 30))->flush; $c->eof },
	parameters => sub ($c) {
		$c->out(R => pack 'N', 0);
		$c->out(S => "x$_\0" . 'y' x 1000 . "\0") for 1 .. 500;
		$c->notice("hello\nyou")->out(K => pack 'NN', 1, 1);
		$c->ready->flush;
	},
	slow => sub ($c) { $c->dribbled(0.0005); $c->welcome },
	starting => sub ($c) { $c->refuse('57P03') },
	full => sub ($c) { $c->refuse('53300') },
	password => sub ($c) { $c->refuse('28P01') },
	nodb => sub ($c) { $c->refuse('3D000') },
	parse => sub ($c) { $c->{parse} = '42P01'; $c->welcome },
	parseright => sub ($c) { $c->{parse} = '42501'; $c->welcome },
	parseold => sub ($c) { $c->{old} = 1; $c->welcome },
	parsenever => sub ($c) { $c->{parse} = '42703'; $c->welcome },
	parsetwice => sub ($c) { $c->{parse} = '42P05'; $c->welcome },
	parsehang => sub ($c) { $c->{parse} = 'hang'; $c->welcome },
	parseclose => sub ($c) { $c->{parse} = 'close'; $c->welcome },
);

my $fake = Test::FakePostgres->new($t, script => \&behave,
	startup => sub ($c, $parameters) {
		my $how = $startup{ $parameters->{user} };
		$how ? $how->($c) : $c->welcome;
	},
	parse => sub ($c, $s) {
		my $how = $c->{parse};

		return $c->error('42703', 'column does not exist')
			if $c->{old} && $s->{sql} =~ /sha256|expires_at/;
		return if !$how;
		return $c->eof if $how eq 'hang';
		return $c->close if $how eq 'close';
		$c->error($how, "told to fail");
	});

# Two hosts that answer with different images.

my $switch = "$dir/read-only";
my %second = (type => 'image/png', data => image_bytes(200));
my $primary = Test::FakePostgres->new($t, name => 'primary',
	startup => sub ($c, $parameters) {
		return $c->welcome if !-e $switch;
		$c->refuse('57P03') if -s $switch;
		$c->welcome(default_transaction_read_only => 'on');
	},
	script => sub ($c, $q) {
		return if $q->{kind} ne 'lookup';
		return $c->error('25006', 'read-only') if -e $switch;
		$c->image(@good)->complete;
	});
my $secondary = Test::FakePostgres->new($t, name => 'secondary',
	script => sub ($c, $q) {
		$c->image(%second)->complete if $q->{kind} eq 'lookup';
	});

# A host that does not answer: its backlog is full.

my $full = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1',
	LocalPort => $t->port(40));
my @stuffing = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1',
	PeerPort => $t->port(40), Blocking => 0) } 1 .. 4;

sub hosts ($attrs, @servers) {
	my @port = map { ref ? $_->port : $_ } @servers;
	return '"host=' . join(',', ('127.0.0.1') x @port) . ' port='
		. join(',', @port) . " user=codeexec sslmode=disable $attrs\"";
}

my %pool = (
	images => { max_connections => 4, queue => '256 timeout=5s' },
	backoff => { conninfo => '"' . $fake->conninfo('user=starting') . '"' },
	fake => { conninfo => '"' . $fake->conninfo . '"',
		query_timeout => '200ms', max_connections => 2 },
	many => { conninfo => '"' . $fake->conninfo . '"',
		query_timeout => '200ms', max_connections => 10 },
	failover => { conninfo => hosts('', $t->port(41), $secondary),
		max_requests => 1 },
	refusing => { conninfo => hosts('', $primary, $secondary),
		max_requests => 1 },
	readwrite => { conninfo => hosts('target_session_attrs=read-write',
		$primary, $secondary), max_connections => 1 },
	unanswered => { conninfo => hosts('', $t->port(40)),
		connect_timeout => '250ms' },
	unanswered_first => { conninfo => hosts('', $t->port(40), $secondary),
		connect_timeout => '250ms' },
	(map { ("start_$_" => { conninfo => '"' . $fake->conninfo("user=$_")
		. '"', query_timeout => '1s',
		connect_timeout => $_ eq 'slow' ? '20s' : '250ms' })
	} keys %startup),
);

$t->write_conf(<<~EOC);
	log_format state '\$uri \$status \$codeexec_pg_sqlstate';
	access_log %%TESTDIR%%/access.log state;
	upstream sandbox { server unix:%%SOCK%%; keepalive 4; }

	@{[map { $db->block($_, %{ $pool{$_} }) } sort keys %pool]}
	server {
	    listen 127.0.0.1:%%PORT_0%%;
	    location /run { codeexec_pass sandbox; codeexec_store images; }
	    @{[map { "location /$_/ { codeexec_image $_; }\n" }
	        sort keys %pool]}
	}
	EOC

$t->fake(script => sub ($c, $job) {
	$c->send(answer(files => [['a.png', image_bytes(500)],
		['b.png', image_bytes(50000)]]));
});

$t->run;

my ($worker) = $t->workers;
my $unavailable = 'Image store is unavailable';

sub get ($pool, $name = image_name(), %arg) {
	return $t->http_get(image_path($name, "/$pool/"), %arg);
}

sub found ($r, $text, $bytes = $png) {
	my $ok = $r->complete && ($r->status // 0) == 200
		&& $r->body eq $bytes;
	return ok($ok, $text) || diag(($r->status // 'none'), ', ',
		length $r->body, ' bytes: ', substr $r->body, 0, 100);
}

###############################################################################

# A real server goes and comes

my $name = insert($db);
my $slow = insert($db, name => image_name('slow.png'));
my $hundred = image_bytes(100);

found(get(images => $name), 'before', $hundred);
$t->baseline;

$db->stop('fast');
error_is(get(images => $name), 503, $unavailable, "stopped, $_") for 1 .. 3;
my $begin = time;
error_is(get(images => $name), 503, $unavailable, 'stopped, at once');
cmp_ok(time - $begin, '<', 0.1, 'indeed');
$db->start;
$begin = time;
ok(wait_until(5, sub { get(images => $name)->status == 200 }),
	'started, no reload was needed');
cmp_ok(time - $begin, '<', 2.5, 'and soon');

# How often is a server asked that refuses?

$fake->reset;
my $end = time + 1;
my ($requests, $slowest) = (0, 0);

while (time < $end) {
	my $begin = time;
	my $r = get('backoff');
	my $took = time - $begin;
	$slowest = $took if $took > $slowest;
	error_is($r, 503, $unavailable, 'back-off') if $r->status != 503;
	$requests++;
	sleep 0.002;
}

my $tries = $fake->connections;
cmp_ok($requests, '>', 50, "$requests requests in a second");
ok($tries >= 2 && $tries <= 6, "$tries tries to connect");
cmp_ok($slowest, '<', 0.3, 'nobody waits');

# Clients of two kinds, each request after the other, while things happen and
# for some seconds more.  Returns how often there was which status.

sub load ($seconds, $events) {
	my $over = "$dir/over";
	unlink $over;

	my @clients = map {
		my $store = $_ == 0;
		pipe my $from, my $to;
		my $pid = fork;

		if (!$pid) {
			alarm 60;
			$t->{fake} = {};
			my %count;

			while (!-e $over) {
				my $r = eval { $store
					? $t->http_post_json('/run', '{"code":"x"}')
					: get(images => $_ % 2 ? $name : $slow) };
				my $status = $r ? $r->status // 'none' : "died $@";

				$status = 'cut' if $r && !$r->complete;
				$status = 'wrong' if !$store && $status eq 200
					&& $r->body ne $hundred;
				$status = 'inline' if $store && $status eq 200
					&& $r->body =~ /inline/;
				$count{$status}++;
				sleep 0.001;
			}

			syswrite $to, JSON::PP->new->encode(\%count) . "\n";
			POSIX::_exit(0);
		}

		close $to;
		$from;
	} 0 .. 3;

	$events->();
	sleep $seconds;
	$t->write_file('over', '');

	my %count;
	for my $from (@clients) {
		my $one = JSON::PP->new->decode(scalar <$from>);
		$count{$_} += $one->{$_} for keys %$one;
	}
	return %count;
}

sub count_text (%count) {
	return join ', ', map { "$count{$_} x $_" } sort keys %count;
}

# Sessions are ended: nobody notices.  A new one is left alone for a while, as
# no request is tried more than twice.

my $ended = 0;
my %count = load(0.2, sub {
	for (1 .. 16) {
		sleep 0.2;
		$ended += $db->terminate_backends(undef, '1 s');
	}
});
is(join(' ', keys %count), '200', 'terminated under load: '
	. count_text(%count));
cmp_ok($ended, '>', 5, "$ended sessions were ended");

found(get(images => $name), "terminated, $_", $hundred),
	$db->terminate_backends for 1 .. 5;
$db->wait_backends(0);
my @s = map { $t->connect } 1 .. 4;
write_all($_, $t->request(GET => image_path($slow, '/images/'))) for @s;
$t->read_response($_) for @s;
$db->terminate_backends;
found(get(images => $name), 'all idle ones were terminated', $hundred);

# The server is restarted, and killed.

for my $how (qw/restart crash/) {
	my %count = load(1, sub {
		sleep 0.2;
		$how eq 'restart' ? $db->stop('fast') : $db->crash;
		sleep 0.1;
		$db->start;
	});
	my $lost = join ' ', grep { !/^(?:200|503|inline)$/ } keys %count;
	is($lost, '', "$how under load: " . count_text(%count));
	cmp_ok($count{200} // 0, '>', 50, "$how, served");
	ok(wait_until(5, sub { get(images => $name)->status == 200 }),
		"$how, and again");
}

is($db->psql("SELECT count(*) FILTER (WHERE filename LIKE '%_a.png') - "
	. "count(*) FILTER (WHERE filename LIKE '%_b.png') FROM images"), 0,
	'no half of a set was stored');

$db->freeze;
@s = map { $t->connect } 1 .. 3;
write_all($_, $t->request(GET => image_path($name, '/images/'))) for @s;
sleep 0.1;
$db->thaw;
found($t->read_response($_), 'it was only slow', $hundred) for @s;

$t->check_leaks('no descriptors left', 5);

###############################################################################

# Several hosts

found(get('failover'), "the first refuses, $_", $second{data}) for 1 .. 3;

$t->write_file('read-only', 'refuse');
found(get('refusing'), 'the first is starting', $second{data});
is($primary->connections, 1, 'it was asked');
found(get('refusing'), "the second is tried first now, $_", $second{data})
	for 1 .. 3;
is($primary->connections, 1, 'and the first no more');
unlink $switch;
$secondary->stop;
sleep 0.02;
my $r = get('refusing');
$r = get('refusing') if $r->status != 200;
found($r, 'until the second has gone');
$secondary->start;
found(get('refusing'), "the first is tried first again, $_") for 1 .. 2;

$t->write_file('read-only', '');
found(get('readwrite'), 'the first is read-only', $second{data});
$secondary->stop;
$secondary->start;
unlink $switch;
sleep 0.05;
$secondary->stop;
ok(wait_until(3, sub { get('readwrite')->status == 200 }),
	'the first can write');
found(get('readwrite'), 'and is used');
$secondary->start;
$t->write_file('read-only', '');
found(get('readwrite'), 'it was demoted: nobody notices', $second{data});
unlink $switch;

$begin = time;
error_is(get('unanswered'), 503, $unavailable, 'a host that does not answer');
my $took = time - $begin;
ok($took > 0.2 && $took < 1, 'connect_timeout') || diag($took);
$begin = time;
found(get('unanswered_first'), 'and another that does', $second{data});
$took = time - $begin;
ok($took > 0.2 && $took < 1, 'connect_timeout of one host') || diag($took);
found(get('unanswered_first'), 'and again', $second{data});

###############################################################################

# Whoever that is: at the start

for my $user (sort keys %startup) {
	my $begin = time;
	my $r = get("start_$user", image_name('good'));
	my $took = time - $begin;

	if ($user =~ /^(?:parameters|slow|parseold)$/) {
		found($r, "start, $user");
	} else {
		error_is($r, 503, $unavailable, "start, $user");
	}
	cmp_ok($took, '<', 1.5, "start, $user, in time") if $user ne 'slow';
}

found(get('start_parseold', image_name('good')), 'an old table, again');

# ... and later

sub fake ($what) { return get(fake => image_name($what)) }

found(fake('good'), 'good');
error_is(fake('none'), 404, 'Image not found', 'none');
found(fake('dribble'), 'byte by byte');
found(fake("split-$_"), "split at $_")
	for 1, 4, 5, 6, 9, 10, 100, 200, 250, 300, 400, 3200, 3300, 3310;

for my $at (0, 1, 5, 7, 150, 260, 300, 1000, 3000, 3200, 3300) {
	found(fake("cutonce-$at"), "died once at byte $at");
	error_is(fake("cut-$at"), 503, $unavailable, "dies at byte $at");
}

found(fake('good'), 'good again');

# All at once, as each of them takes its time.

my @hanging = qw/hang half-3 half-100 half-1000 half-3000 gib nocomplete/;
my %hanging = map { $_ => $t->connect } @hanging;
$begin = time;
write_all($hanging{$_}, $t->request(GET => image_path(image_name($_),
	'/many/'))) for @hanging;

for my $what (@hanging) {
	my $r = $t->read_response($hanging{$what});
	my $took = time - $begin;

	if ($what eq 'nocomplete') {
		ok($r->complete && $r->status =~ /^(?:200|50[034])$/, $what)
			|| diag($r->status);
		next;
	}
	error_is($r, 504, 'Gateway Timeout', $what);
	ok($took > 0.15 && $took < 2, "$what, in time") || diag($took);
}

found(fake('good'), 'good after that');
my $rss = Test::Codeexec::Process::slurp("/proc/$worker/status")
	=~ /VmRSS:\s+(\d+)/ ? $1 : 0;
cmp_ok($rss, '<', 300 << 10, 'no gigabyte was taken') if !$ENV{ASAN_OPTIONS};

found(fake('notices'), 'notices');
found(fake('late'), 'a notice to an idle connection');
sleep 0.05;
found(fake('good'), 'and it is still good');

# Answers that make no sense: an error, a connection that is not used again,
# and nothing of it for the client.

for my $what (qw/gibvalue negative tiny garbage unknown copy copyin empty rows-0
	rows-1 rows-7 rows-9 columns-1 columns-7 columns-9 columns-100 text
	null-1 null-7 null-5 null-6 value-1- value-1-00 value-1-00000000000003e8
	value-2-00 value-3-0000 value-5-01 value-6-0102 size-0 size--1
	size-10 size-2999 size-3001 size-2147483647 size--2147483648 two
	suspended value-7-/)
{
	my $begin = time;
	my $r = fake($what);
	my $status = $r->status // 'none';
	my $sane = $status =~ ($what eq 'empty' ? qr/^404$/ : qr/^50[034]$/)
			&& ref $r->json eq 'HASH'
		|| $status == 200 && $r->header('Content-Length')
			== length $r->body;

	ok($r->complete && $sane, "$what: $status") || diag($r->raw);
	ok($status != 200 || $r->body eq substr $png, 0, length $r->body,
		"$what, nothing but the image");
	cmp_ok(time - $begin, '<', 2, "$what, in time");

	$r = $t->http_head(image_path(image_name($what), '/fake/'));
	like($r->status // 'none', qr/^(?:200|404|50[034])$/, "$what, HEAD");
}

found(fake('good'), 'good after all that');

for my $type ("image/png\r\nX-Evil: 1", "\r\n\r\n", "image/png\0", "\0", 'x' x 5000,
	"\xff\xfe", 'image/png; x=y')
{
	my $hex = unpack 'H*', $type;
	my $r = length $hex > 400 ? fake('value-0-' . substr $hex, 0, 200)
		: fake("value-0-$hex");
	found($r, "type $hex");
	is($r->header('X-Evil'), undef, 'no header of its own');
	is($r->header('Content-Type'), 'image/png', 'its type is by magic');
}

for my $time ('7fffffffffffffff', '8000000000000000', '0000000000000000',
	'ffffffffffffffff', '7ffffffffffffffe', '8000000000000001')
{
	$r = fake("value-2-$time");
	found($r, "created at $time");
	$r = fake("value-3-$time");
	like($r->status, qr/^(?:200|404|500)$/, "expires at $time");
	my $cc = $r->header('Cache-Control') // '';
	like($cc, qr/^(?:public, max-age=\d{1,8}, immutable|max-age=5|no-store)$/,
		"expires at $time, max-age");
}

###############################################################################

# SQLSTATEs: status, and how often it was executed

sub tried ($what) {
	fake('good');
	$fake->reset;
	my $r = fake($what);
	return ($r, scalar $fake->executed('lookup'));
}

for my $state (qw/57P01 57P02 57P03 08000 08003 08006 08P01 25006 26000
	42P05/)
{
	my ($r, $n) = tried("once-$state");
	found($r, "$state once");
	is($n, 2, "$state once, retried");
	is($fake->connections, 1, "$state once, on another connection");

	($r, $n) = tried("err-$state");
	like($r->status, qr/^50[03]$/, "state $state");
	is($n, 2, "$state, retried once only");
}

for my $state (qw/57P01 57P02/) {
	my ($r, $n) = tried("fatal-$state");
	found($r, "$state, FATAL");
	is($n, 2, "$state, FATAL, retried");
}

my ($plan, $twice) = tried('plan');
found($plan, 'a plan that is outdated');
is($twice, 2, 'is made again');

for my $state (qw/40001 40P01/) {
	my ($r, $n) = tried("once-$state");
	found($r, "$state once");
	is($n, 2, "$state once, retried");
	($r, $n) = tried("err-$state");
	like($r->status, qr/^50[03]$/, "state $state");
	is($n, 2, "$state, retried once only");
	is($fake->connections, 0, "$state, on the same connection");
}

for my $state (qw/53000 53100 53200 53300 53400/) {
	my ($r, $n) = tried("err-$state");
	error_is($r, 503, $unavailable, "state $state");
	is($n, 1, "$state, not retried");
}

my ($r504, $n504) = tried('err-57014');
error_is($r504, 504, 'Gateway Timeout', 'state 57014');
is($n504, 1, '57014, not retried');
is($fake->connections, 0, '57014, the connection is kept');

for my $state (qw/42P01 42501 22001 22P02 23505 P0001 XX000 XX001 42601 0A001
	21000 ABCDE/)
{
	my ($r, $n) = tried("err-$state");
	error_is($r, 500, 'Internal Server Error', "state $state");
	is($n, 1, "$state, not retried");
	is($fake->connections, 0, "$state, the connection is kept");
	unlike($r->raw, qr/state $state/, "$state, not for the client");
	like($t->read_file('error.log'), qr/\[error\].*state $state/,
		"$state, in the log");
}

my $access = $t->read_file('access.log');
like($access, qr/_err-53200 503 53200$/m, '$codeexec_pg_sqlstate, 503');
like($access, qr/_err-57014 504 57014$/m, '$codeexec_pg_sqlstate, 504');
like($access, qr/_err-XX000 500 XX000$/m, '$codeexec_pg_sqlstate, 500');
like($access, qr/_good 200 -$/m, '$codeexec_pg_sqlstate, none');

for my $what (qw/none nostate longstate shortstate emptystate nomessage
	longmessage lines open control/)
{
	my $r = fake("fields-$what");
	like($r->status // 'none', qr/^50[034]$/, "an error with $what");
	ok($r->complete, "an error with $what, complete");
}

my @lines = split /\n/, $t->read_file('error.log');
is(scalar(grep { !m{^\d{4}/\d\d/\d\d } } @lines), 0,
	'a line of the log is a line') || diag(grep { !m{^\d{4}/} } @lines);
ok($t->read_file('error.log') !~ /[^\n -~\x80-\xff]/,
	'no control characters in the log');
cmp_ok((sort { $b <=> $a } map { length } @lines)[0], '<', 5000,
	'no endless lines');

found(fake('good'), 'good, at the end');
is_deeply([$t->workers], [$worker], 'it is still the same worker');
$t->check_leaks('no descriptors left, at the end', 60);

$t->done_testing;
