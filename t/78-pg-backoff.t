#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# The last connection goes while no other can be opened: nobody waits for a
# database that is known to be down, and nobody is forgotten.

use v5.36;

use Test::More;
use Time::HiRes qw/sleep time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Image;
use Test::Codeexec::Process;
use Test::FakePostgres;

my $t = Test::Codeexec->new;
my ($full, $end) = map { $t->dir . "/$_" } qw/full end/;

# Each pool has one connection, and may have no other.  What becomes of it is
# decided by its user.

my %ending = (
	closed => sub ($c) { $c->close },
	fatal => sub ($c) {
		$c->error('57P01', 'told to go', S => 'FATAL')->mangle(
			sub ($bytes) { $c->send($bytes); $c->close });
	},
	worn => sub ($c) {
		$c->image(type => 'image/png', data => image_bytes(100));
		$c->complete;
	},
	large => sub ($c) {
		$c->image(type => 'image/png', data => image_bytes(5 << 20));
		$c->complete;
	},
);

my $fake = Test::FakePostgres->new($t,
	startup => sub ($c, $parameters) {
		$c->{user} = $parameters->{user};
		$c->note("asked $c->{user}");
		-e $full ? $c->refuse('53300') : $c->welcome;
	},
	script => sub ($c, $q) {
		return if $q->{params}[0] !~ /slow/;
		wait_until(20, sub { -e $end });
		$ending{ $c->{user} }->($c);
	});

my @pools = sort keys %ending;

$t->write_conf(<<~EOC, main => 'worker_processes 1;');
	@{[map { $fake->block($_, max_connections => 2,
		query_timeout => '20s', queue => '100 timeout=10s',
		max_requests => $_ eq 'worn' ? 2 : 0,
		conninfo => '"' . $fake->conninfo("user=$_") . '"') } @pools]}
	server {
	    listen 127.0.0.1:%%PORT_0%%;
	    @{[map { "location /$_/ { codeexec_image $_; }\n" } @pools]}
	}
	EOC

$t->run;

my $unavailable = 'Image store is unavailable';

sub start ($pool, $name) {
	my $s = $t->connect;
	write_all($s, $t->request(GET => image_path($name, "/$pool/")));
	return $s;
}

sub get ($pool) {
	return $t->http_get(image_path(image_name(), "/$pool/"));
}

for my $quit (0, 1) {
	my $when = $quit ? 'quitting' : 'running';
	my (%first, %others);

	unlink $full, $end;
	ok(wait_until(5, sub { get($_)->status == 404 }), "$_, $when, served")
		for @pools;
	$t->disconnect;

	$fake->reset;
	$t->write_file('full', '');

	for my $pool (@pools) {
		$first{$pool} = start($pool, image_name('slow.png'));
		$others{$pool} = [map { start($pool, image_name()) } 1 .. 4];
	}

	# The fifth refusal is followed by more than a second of back-off.

	ok($fake->wait_for("asked $_" => 5, 10), "$_, $when, refused")
		for @pools;

	if ($quit) {
		$t->signal('QUIT');
		sleep 0.1;
	}

	my $begin = time;
	$t->write_file('end', '');

	for my $pool (@pools) {
		my $r = $t->read_response($first{$pool}, timeout => 3);

		if ($pool eq 'worn' || $pool eq 'large') {
			is($r->status, 200, "$pool, $when, the one at work");
		} else {
			error_is($r, 503, $unavailable,
				"$pool, $when, the one at work");
		}
	}

	for my $pool (@pools) {
		error_is($t->read_response($_, timeout => 3), 503,
			$unavailable, "$pool, $when, one that waits")
			for @{ $others{$pool} };
	}

	cmp_ok(time - $begin, '<', 1, "$when, all at once");

	if ($quit) {
		$begin = time;
		ok($t->stop, 'the worker has gone');
		cmp_ok(time - $begin, '<', 1, 'and soon');
		last;
	}

	error_is(get($_), 503, $unavailable, "$_, and the next") for @pools;
}

$t->done_testing;
