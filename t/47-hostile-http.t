#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Clients that mean harm, before a real codeexecd: smuggled requests, bodies
# that never end, lines for the log, aborts, bursts, a service that is replaced
# under all this.  Numbers are those of t/hostile/README.md.

use v5.36;

use MIME::Base64 qw/encode_base64/;
use Test::More;
use Time::HiRes qw/sleep time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Canary;
use Test::Codeexec::Process;
use Test::Codeexec::Real;
use Test::FakeSandbox;

$ENV{CODEEXEC_TIMEOUT} // alarm 150;

my $canary = Test::Codeexec::Canary->new;
my $secret = $canary->secret;

my $t = Test::Codeexec::Real->start(spare => 4, conf => {
	runs => 4, queue => 50, queue_timeout => '20s',
	limits => { output => '4mb', wall => '5s' },
}, http => <<'EOC');
	log_format all '$status|$request|$http_user_agent|$http_x_any|'
	    '$codeexec_status|$codeexec_language|$codeexec_id';
	access_log %%TESTDIR%%/access.log all;

	upstream sandbox { server unix:%%SOCK%%; keepalive 8; }

	server {
	    listen 127.0.0.1:%%PORT_0%%;
	    client_max_body_size 0;
	    client_header_timeout 2s;
	    client_body_timeout 2s;
	    lingering_timeout 300ms;

	    location /runcode { codeexec_pass sandbox; }
	    location /members {
	        auth_basic "members";
	        auth_basic_user_file %%TESTDIR%%/users;
	        codeexec_pass sandbox;
	    }
	}
EOC

$t->write_file('users', "me:{PLAIN}$secret\n");
$canary->around($t);
$t->warm;
$t->baseline;

my $good = '{"code":"print(6*7)"}';
my $right = 'Authorization: Basic ' . encode_base64("me:$secret", '');

sub started { return $t->state->{runs_started} }

sub lines { return split /\n/, $t->read_file('access.log') }

# Everything that comes on a connection after these bytes.

sub talk (@bytes) {
	my $socket = $t->connect;
	my $raw = '';
	my $end = time + 5;

	write_all($socket, $_) for @bytes;
	shutdown $socket, 1 if @bytes > 1;
	1 while time < $end && IO::Select->new($socket)->can_read($end - time)
		&& sysread $socket, $raw, 65536, length $raw;
	return $raw;
}

sub statuses ($raw) { return join ' ', $raw =~ /^HTTP\/1\.[01] (\d+)/mg }

###############################################################################

# K02: who is refused is refused before his body is read.

{
	my $before = started();
	my $s = $t->connect;
	my $begin = time;

	write_all($s, "POST /members HTTP/1.1\r\nHost: x\r\nAuthorization: Basic "
		. encode_base64("me:wrong", '') . "\r\nContent-Length: "
		. (10 << 30) . "\r\n\r\n" . 'x' x 100_000);
	my $r = $t->read_response($s);
	error_is($r, 401, 'Unauthorized', 'K02: 10 GB with a wrong password');
	is(join(' ', glob $t->dir . '/temp_client_body/*'), '',
		'K02: nothing of it is on the disk');
	is(started(), $before, 'K02: nothing ran');
	close $s;

	# A prefix of it, none, two; one answer for all of them.

	my %seen;
	for my $user ("me:" . substr($secret, 0, 23), "me:$secret$secret", 'me:',
		"me:\U$secret", "you:$secret", 'x' x 3000)
	{
		my $r = $t->http_post('/members', $good, headers => [
			'Authorization: Basic ' . encode_base64($user, '')]);
		$seen{ $r->status . $r->body }++;
	}
	$seen{ $_->status . $_->body }++ for
		$t->http_post('/members', $good),
		$t->http_post('/members', $good, headers => ['Authorization: ']),
		$t->http_post('/members', $good, headers =>
			["Authorization: Bearer $secret"]);
	is_deeply(\%seen, { qq(401{"error":"Unauthorized"}\n) => 9 },
		'K01: one answer to every wrong password');
	is(started(), $before, 'K01: nothing ran');
	is($t->http_post('/members', $good, headers => [$right])->status, 200,
		'K01: (the right one)');
}

###############################################################################

# K06: where does a request end?  The second one would say so in its output.

my $evil = '{"code":"print(\'smuggled\')"}';
my $next = "POST /runcode HTTP/1.1\r\nHost: x\r\nContent-Length: "
	. length($evil) . "\r\nConnection: close\r\n\r\n$evil";
my $head = "POST /runcode HTTP/1.1\r\nHost: x\r\n";
my $length = 'Content-Length: ' . length $good;
my $chunked = 'Transfer-Encoding: chunked';

my @smuggle = (
	['length and chunks', 400, "$head$length\r\n$chunked\r\n\r\n0\r\n\r\n"],
	['chunks and length', 400, "$head$chunked\r\n$length\r\n\r\n0\r\n\r\n"],
	['two lengths', 400, "$head$length\r\nContent-Length: 0\r\n\r\n"],
	['the same length twice', 400, "$head$length\r\n$length\r\n\r\n$good"],
	['two lengths in one', 400, "$head$length, 0\r\n\r\n$good"],
	['a negative length', 400, "${head}Content-Length: -1\r\n\r\n$good"],
	['a length with a sign', 400, "${head}Content-Length: +21\r\n\r\n$good"],
	['a length in hexadecimal', 400,
		"${head}Content-Length: 0x15\r\n\r\n$good"],
	['a length that is none', 400, "${head}Content-Length: \r\n\r\n$good"],
	['a length above all', 400, "${head}Content-Length: " . '9' x 30
		. "\r\n\r\n$good"],
	['an unknown encoding', 501, "${head}Transfer-Encoding: xchunked\r\n\r\n"
		. "0\r\n\r\n"],
	['two encodings', 501, "${head}Transfer-Encoding: chunked, identity"
		. "\r\n\r\n0\r\n\r\n"],
	['chunks twice', 400, "$head$chunked\r\n$chunked\r\n\r\n0\r\n\r\n"],
	['a chunk above all', 400, "$head$chunked\r\n\r\n" . 'f' x 17
		. "\r\n$good"],
	['a chunk that is none', 400, "$head$chunked\r\n\r\nxyz\r\n$good"],
	['a negative chunk', 400, "$head$chunked\r\n\r\n-1\r\n$good"],
	['a zero byte in a line', 400, "POST /runcode\0 HTTP/1.1\r\nHost: x\r\n\r\n"],
	['a zero byte in a header', 400, "${head}X: a\0b\r\n\r\n"],
	['a space before a colon', 400, "${head}Content-Length : 5\r\n\r\n12345"],
	['two hosts', 400, "${head}Host: y\r\n\r\n"],
	['no host', 400, "POST /runcode HTTP/1.1\r\n\r\n"],
	['another protocol', 505, "POST /runcode HTTP/3.0\r\nHost: x\r\n\r\n"],
	['no protocol', 400, "POST /runcode FTP/1.0\r\nHost: x\r\n\r\n"],
);

for my $case (@smuggle) {
	my ($name, $status, $bytes) = @$case;
	my $before = started();
	my $raw = talk("$bytes$next");

	is(statuses($raw), $status, "K06: $name: one answer, and no more")
		|| diag($raw);
	unlike($raw, qr/smuggled|"output"/, "K06: $name: nothing ran");
	is(started(), $before, "K06: $name: really");
}

# Those that are understood are understood in one way.

my @odd = (
	['line feeds only', "POST /runcode HTTP/1.1\nHost: x\n$length\n\n$good"],
	['a whole address', "POST http://127.0.0.1:1/runcode HTTP/1.1\r\n"
		. "Host: x\r\n$length\r\n\r\n$good"],
	['chunks with extensions', "$head$chunked\r\n\r\n" . sprintf("%x", length
		$good) . ";a=b\r\n$good\r\n0\r\nX: y\r\n\r\n"],
	['a folded header', "${head}X: a\r\n b\r\n$length\r\n\r\n$good"],
	['names that are no names', "${head}X_Y: a\r\n: z\r\n$length\r\n\r\n$good"],
);

for my $case (@odd) {
	my ($name, $bytes) = @$case;
	my $raw = talk("$bytes$next");

	like(statuses($raw), qr/^(?:200 200|400)$/, "K06: $name")
		|| diag($raw);
	my @outputs = $raw =~ /\{"output":"(.*?)"\}/g;
	like("@outputs", qr/^(?:42\\n smuggled\\n)?$/,
		"K06: $name: two requests, in order, or none");
}

# What follows a request that was refused, or that was let in, has to show its
# own password.

for my $case (['refused', '401 401', ''], ['let in', '200 401', "$right\r\n"]) {
	my ($name, $want, $auth) = @$case;
	my $two = "POST /members HTTP/1.1\r\nHost: x\r\n$length\r\n";
	my $raw = talk("$two$auth\r\n$good${two}Connection: close\r\n\r\n$good");

	is(statuses($raw), $want, "K06: after one that was $name");
}

# A body that is left unread is no request.

{
	my $body = $next x 50;
	my $raw = talk("GET /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: "
		. length($body) . "\r\n\r\n${body}GET /last HTTP/1.1\r\nHost: x\r\n"
		. "Connection: close\r\n\r\n");

	is(statuses($raw), '404 404', 'K06: what an error left unread');
	unlike($raw, qr/smuggled/, 'K06: is not run');
}

$t->honest('K06: well after it');

###############################################################################

# K07, K10: lines for headers and for logs

{
	my $evil = "a\r\nSet-Cookie: x=1\r\n\r\n127.0.0.1 - admin \e[2J\x{9b}";
	my $json = JSON::PP->new->utf8;

	for my $member (qw/languageType execution_id code/) {
		my $r = $t->http_post('/runcode', $json->encode({
			code => "print('x')", $member => $evil }), headers =>
			["X-Request-Id: $secret", "User-Agent: a\e[2J\t$secret"]);

		like($r->status, $member eq 'code' ? qr/^200$/ : qr/^400$/,
			"K07: $member with a line feed");
		is(join(' ', sort map { lc $_->[0] } @{ $r->{headers} }),
			'cache-control connection content-length content-type '
				. 'date server', "K07: $member: no header more");
		unlike($r->raw =~ s/\r\n\r\n.*//sr, qr/$secret|Cookie/,
			"K07: $member: none comes back");
	}

	$t->http_get("/runcode?languageType=python&variables={}&code=%0a%0d%1b"
		. 'print(%27x%27)', headers => ['X-Any: ' . 'y' x 3000, $right]);
	$t->http_get("/\e[2Jx");

	for my $line ([3, qr/\|a\\x1B\[2J\\x09$secret\|/], [1, qr/\|y{3000}\|/],
		[1, qr/\|GET \/\\x1B\[2Jx/], [0, qr/^(?!\d{3}\|)/])
	{
		my ($n, $pattern) = @$line;
		my @found;

		wait_until(2, sub { (@found = grep { $_ =~ $pattern } lines())
			>= $n });
		is(scalar @found, $n, "K10: $n lines of one kind");
	}

	# (What nginx itself says of a line that is no request has it as it came.)

	for my $log (qw/access.log error.log codeexec.log/) {
		my $text = join "\n", grep { !/invalid request while/ } split
			/\n/, $t->read_file($log);
		unlike($text, qr/[^\n -~]/, "K10: $log has no control characters");
	}

	my $encoded = encode_base64("me:$secret", '');
	unlike($t->read_file($_), qr/\Q$encoded\E|needle/,
		"K10: $_ has no password and no program")
		for qw/access.log error.log codeexec.log/;
}

# K19: nobody is asked for anything.

{
	my $url = 'http://127.0.0.1:' . $canary->words->{PORT} . '/';
	my %all = map { $_ => $url } qw/url uri callback callback_url webhook
		image proxy import include $ref $schema/;

	$t->http_post_json('/runcode', { code => "print('x')", %all,
		variables => \%all, args => [$url], stdin => $url });
	$t->http_post_json('/runcode', { code => $url, $_ => $url })
		for qw/languageType execution_id timeout detail images/;
	$t->http("POST $url HTTP/1.1\r\nHost: 127.0.0.1:"
		. $canary->words->{PORT} . "\r\nX-Forwarded-Host: $url\r\n"
		. "X-Original-URL: $url\r\nForwarded: host=$url\r\nReferer: $url\r\n"
		. "Connection: close\r\n$length\r\n\r\n$good");
	is(join(', ', $canary->touched), '', 'K19: no address is connected to');
}

###############################################################################

# K12: slow clients.  They hold no slot and nobody up.

{
	my @heads = map { my $s = $t->connect; write_all($s, "POST /runc"); $s }
		1 .. 150;
	my @bodies = map {
		my $s = $t->connect;
		write_all($s, "$head$length\r\n\r\n" . substr $good, 0, 5);
		$s;
	} 1 .. 50;

	$t->honest("K12: beside slow ones, $_") for 1 .. 5;
	my $s = $t->state;
	is("$s->{running} $s->{queued}", '0 0', 'K12: none of them has a slot');

	write_all($bodies[0], substr $good, 5);
	is($t->read_response($bodies[0])->status, 200,
		'K12: one that comes to an end');
	my @late = map { $t->read_response($_, timeout => 8) } @heads[0 .. 9],
		@bodies[1 .. 10];
	is(join(' ', grep { defined && $_ != 408 } map { $_->status } @late), '',
		'K12: the others are sent away');
	$t->disconnect;

	# One that does not read its answer

	my @s = map { $t->send_code("print('x' * 3_000_000)") } 1 .. 8;
	ok($t->settle, 'K12: eight that do not read: no slot is taken');
	$t->honest('K12: and others are served');
	is(length($t->receive($_)->body), 3_000_000 + 16, 'K12: all is there')
		for @s;
}

# K13: aborts at any moment

{
	my $body = '{"code":"import time\ntime.sleep(0.01)\nprint(\'x\' * 100000)"}';
	my $whole = "POST /runcode HTTP/1.1\r\nHost: x\r\nContent-Length: "
		. length($body) . "\r\n\r\n$body";

	for my $n (1 .. 400) {
		my $s = $t->connect;
		my $part = rand() < 0.3 ? int rand length $whole : length $whole;

		write_all($s, substr $whole, 0, $part);
		sleep rand 0.03 if $part == length $whole;
		rand() < 0.5 ? close $s : $t->abort($s);
	}

	ok($t->settle, 'K13: 400 aborts');
	my $s = $t->state;
	is($s->{runs_started}, $s->{runs_finished} + $s->{runs_aborted},
		'K13: every run has finished or was aborted');
	is($s->{runs_lost}, 0, 'K13: none was lost');
	is(scalar(grep { $_ != $canary->process_id } $t->jailed), 2 * $t->idle,
		'K13: no process is left');
	$t->honest('K13: well after it');
	$t->check_leaks('K13: nothing is left', 4);
}

###############################################################################

# L08: many more than there are slots.  Each is answered, most of them at once.

{
	system 'prlimit', "--pid=$$", '--nofile=4096:';
	my $before = $t->state;
	my @s = map { eval { $t->dial } // () } 1 .. 1000;
	my $frames = Test::Codeexec::Real::job_frames('print(6*7)');
	my %count;

	is(scalar @s, 1000, 'L08: a thousand connections');
	write_all($_, $frames) for @s;

	for my $s (@s) {
		my $a = Test::Codeexec::Real::read_answer($s);
		$count{ $a ? $a->{type} . ($a->{stdout} // '') : 'none' }++;
	}

	is(join(' ', map { s/\n//r } sort keys %count), 'BUSY RESULT42',
		'L08: each is run or told to come back');
	cmp_ok($count{"RESULT42\n"}, '>=', 50, 'L08: a queue of them is run');
	note("L08: $_: $count{$_}") for sort keys %count;
	my $after = $t->state;
	is($after->{runs_started} - $before->{runs_started}, $count{"RESULT42\n"},
		'L08: who is busy runs nothing');
	close $_ for @s;
	ok($t->settle, 'L08: quiet again');
	$t->honest('L08: well after it');
}

###############################################################################

# K17: reload and replacement of nginx while runs are under way

{
	my $slow = "import time\ntime.sleep(0.7)\nprint('slow')";
	my @s = map { $t->send_code($slow) } 1 .. 20;

	ok($t->reload, 'K17: reload with twenty runs under way');
	is($t->receive($_)->body, qq({"output":"slow\\n"}\n), 'K17: one of them')
		for @s;

	# One whose parent is the one that it was started by does not do it.

	ok($t->stop, 'K17: nginx is stopped');
	my $shell = $t->spawn('nginx.out', 'sh', '-c', '"$@" & '
		. "while [ ! -s @{[$t->dir]}/nginx.pid ]; do sleep 0.05; done",
		'sh', $t->nginx_command);
	waitpid $shell, 0;
	my $old = $t->{nginx} = $t->read_file('nginx.pid') + 0;
	$t->honest('K17: and started again');

	@s = map { $t->send_code($slow) } 1 .. 8;
	wait_until(5, sub { $t->state->{running} == 4 });
	$t->signal('USR2');
	my @new;
	ok(wait_until(10, sub {
		@new = grep { cmdline($_) =~ /nginx: master/ } children($old);
		@new && children($new[0]);
	}), 'K17: another nginx at the same sockets');
	$t->{nginx} = $new[0] // $old;
	kill QUIT => $old;
	is($t->receive($_)->body, qq({"output":"slow\\n"}\n),
		'K17: a run of the old one') for @s;
	ok(wait_until(10, sub { exited($old) }), 'K17: the old one is gone');
	$t->honest('K17: served by the new one');
	ok($t->settle, 'K17: no run is left');
}

is(join(', ', $canary->touched), '', 'no canary was touched');
unlike($t->read_file($_), qr/$secret/, "$_ has no secret")
	for qw/error.log codeexec.log/;
$canary->remove;
$t->done_testing;
