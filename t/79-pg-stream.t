#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Bytes from the database in pieces of all sizes, TLS records that end where
# they should not, and an answer that does not end at all.

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

my $t = Test::Codeexec->new;
my $message = \&Test::FakePostgres::message;

# A lookup is answered with an image of as many bytes as its name says.  The
# first 5000 bytes of the row come first, then all the rest at once.

my $complete = $message->(C => "SELECT 1\0");
my $ready = $message->(Z => 'I');

sub row ($size) {
	return Test::FakePostgres::data_row(Test::FakePostgres::lookup_values(
		type => 'image/png', data => image_bytes($size)));
}

sub lookup ($c, $size) {
	my $rest = length(row($size) . $complete . $ready) - 5000;

	return $c->raw(row($size), $complete) if $rest <= 0;

	$c->raw(row($size), $complete)->mangle(sub ($bytes) {
		$c->send(substr $bytes, 0, -$rest);
		sleep 0.02;
		$c->send(substr $bytes, -$rest);
	});
}

# ... or with something that has no end.

my %endless = (
	rows => row(20),
	late => row(20),
	notices => Test::FakePostgres::error_message('00000', 'x' x 100,
		type => 'N', S => 'NOTICE'),
	results => $message->(C => "SELECT 0\0"),
);

sub endless ($c, $what) {
	my $more = $endless{$what} x (65536 / length $endless{$what});

	$c->raw(row(20));
	$c->complete if $what eq 'late';
	$c->mangle(sub ($bytes) {
		$c->send(substr $bytes, 0, -length $ready);
		1 while $c->send($more);
		exit;
	});
}

# A store is answered with as much talk, in the same way.

sub store ($c, $size) {
	$c->notice('x' x $size) if $size;
	$c->complete('INSERT 0 1')->mangle(sub ($bytes) {
		$c->send(substr $bytes, 0, 3000);
		sleep 0.02;
		$c->send(substr $bytes, 3000);
	});
}

my $fake = Test::FakePostgres->new($t, script => sub ($c, $q) {
	my ($name) = $q->{params}[0] =~ /_(\w+)(?:\.png)?$/;

	return store($c, $name) if $q->{kind} eq 'store';
	return if $q->{kind} ne 'lookup';
	return lookup($c, $name) if $name =~ /^\d/;
	endless($c, $name);
});

my $python = `python3 -c 'import ssl; print(1)' 2>/dev/null` eq "1\n";
my $tls = $python && Test::Postgres::certificate($t->dir, 'server',
	'DNS:localhost,IP:127.0.0.1');
my $relay;

if ($tls) {
	$relay = $t->spawn('relay.out', 'python3', '-I',
		"$FindBin::Bin/lib/tls-relay.py", $t->port(10), $fake->port,
		map { $t->dir . "/server.$_" } qw/crt key/);
	wait_until(10, sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1',
		PeerPort => $t->port(10)) || exited($relay) });
}

my %pool = (plain => $fake->conninfo, tls => 'host=127.0.0.1 port='
	. $t->port(10) . ' dbname=codeexec user=codeexec sslmode=require');

$t->write_conf(<<~EOC, main => 'worker_processes 1;');
	upstream sandbox { server unix:%%SOCK%%; keepalive 2; }
	@{[map { $fake->block($_, max_connections => 2, query_timeout => '1s',
		conninfo => qq("$pool{$_}")) } sort keys %pool]}
	server {
	    listen 127.0.0.1:%%PORT_0%%;
	    codeexec_image_name .;
	    @{[map { "location /$_/ { codeexec_image $_; }\n"
		. "location /run/$_ { codeexec_pass sandbox; "
		. "codeexec_store $_; }\n" } sort keys %pool]}
	    location = /alive { return 200; }
	}
	EOC

$t->fake(script => sub ($c, $job) {
	$c->send(answer(files => [map { ["$_.png", image_bytes(50)] }
		split / /, $job->{code}]));
});

$t->run;

sub get ($pool, $name, @arg) {
	return $t->http_get(image_path(image_name($name), "/$pool/"), @arg);
}

for my $pool (sort keys %pool) {
	SKIP: {
		skip 'no TLS for python3', 1 if $pool eq 'tls' && !$tls;

		# libpq has room for 16 kB at first.  What is left by the last
		# message that fits should not be waited for.

		my $around = 16384 - length(row(0) . $complete);
		my @wrong = grep {
			my $r = get($pool, $_);
			$r->status != 200 || $r->body ne image_bytes($_);
		} map { $_ - 8 .. $_ + 16 } $around;
		is("@wrong", '', "$pool, images of about 16 kB");

		@wrong = grep {
			my $r = get($pool, $_);
			$r->status != 200 || $r->body ne image_bytes($_);
		} map { ($_ - 100, $_, $_ + 100) } map { $_ * 8192 } 1 .. 5;
		is("@wrong", '', "$pool, images of other sizes");

		@wrong = grep {
			my $r = $t->http_post_json("/run/$pool",
				{ code => "0 $_ 1" });
			3 != (() = $r->body =~ m{"http://}g);
		} map { $_ - 50 .. $_ } 16384 - 70;
		is("@wrong", '', "$pool, notices of about 16 kB");
	}
}

###############################################################################

# What does not end takes neither memory nor time.

my ($worker) = $t->workers;

sub memory {
	return Test::Codeexec::Process::slurp("/proc/$worker/status")
		=~ /^VmRSS:\s+(\d+)/m ? $1 / 1024 : 0;
}

for my $what (sort keys %endless) {
	my $before = memory();
	my $s = $t->connect;
	my ($most, $slowest, $begin) = (0, 0, time);

	write_all($s, $t->request(GET => image_path(image_name($what),
		'/plain/')));

	until (IO::Select->new($s)->can_read(0) || time - $begin > 15) {
		my $begin = time;
		$t->http_get('/alive', timeout => 15);
		my $took = time - $begin;
		$slowest = $took if $took > $slowest;
		my $now = memory() - $before;
		$most = $now if $now > $most;
		sleep 0.01;
	}

	my $took = time - $begin;
	my $r = $t->read_response($s);
	like($r->status // 'none', qr/^50[034]$/, "$what without end");
	is(ref $r->json, 'HASH', "$what without end, an error");
	cmp_ok($took, '<', $what eq 'rows' ? 1 : 5, "$what without end, soon");
	cmp_ok($slowest, '<', 0.5, "$what without end, others are served");
	cmp_ok($most, '<', 60, "$what without end, no memory is taken")
		if !$ENV{ASAN_OPTIONS};

	is(get(plain => 100)->body, image_bytes(100), "and after $what");
}

is_deeply([$t->workers], [$worker], 'it is still the same worker');
end_process($relay, 'TERM', 2) if $relay;

$t->done_testing;
