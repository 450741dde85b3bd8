#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# A gallery of what programs are made of: the scientific libraries, and what
# the standard library does with processes, threads, files and signals.  Each
# of t/gallery/*.py must print what is in the file *.out beside it, which is
# what a plain interpreter prints but for names of user, host and directory, and
# draw what its first lines say:
#
#     # needs: MODULE             left out where that is not installed
#     # stdin: TEXT               \n is a new line
#     # exit: CODE                if not 0
#     # error: PATTERN            of stderr, which is empty otherwise
#     # image: NAME TYPE [WxH]    one of the images, which are all listed
#     # has: NAME TEXT            what is in that image
#
# They run three at a time, in a tier that has loaded nothing and in one that
# has loaded the scientific modules.  CODEEXEC_GALLERY names some of them.

use v5.36;
use utf8;

use IO::Select;
use JSON::PP ();
use Test::More;
use Time::HiRes qw/time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Real;

my $python = '/usr/bin/python3';
my $at_once = 3;
my @only = split ' ', $ENV{CODEEXEC_GALLERY} // '';

alarm 600;

my $t = Test::Codeexec::Real->start(name => 'base', conf => limits(),
	http => <<'EOC');
	upstream base { server unix:%%SOCK_base%%; keepalive 4; }
	upstream science { server unix:%%SOCK_science%%; keepalive 4; }
	server {
	    listen 127.0.0.1:%%PORT_0%%;
	    codeexec_timeout 50s;
	    location /base { codeexec_pass base; }
	    location /science { codeexec_pass science; }
	}
EOC

$t->run_daemon(name => 'science', conf => { %{ limits() },
	runtime => { python => { tier => { base => { spare => 3,
		preload => [qw/numpy pandas matplotlib.pyplot/] } } } } });

# Those of codeexecd.conf.

sub limits { return { runs => 4, limits => { wall => '50s' } } }

###############################################################################

# The programs

sub read_text ($file) {
	open my $fh, '<:encoding(UTF-8)', $file or return '';
	local $/;
	return <$fh> // '';
}

sub load ($file) {
	my $code = read_text($file);
	my %p = (name => $file =~ s{.*/|\.py$}{}gr, code => $code, exit => 0,
		image => {}, has => []);

	$p{output} = read_text($file =~ s/\.py$/.out/r);

	while ($code =~ /^# (needs|stdin|exit|error|image|has): (.*)$/mg) {
		my ($key, $value) = ($1, $2);

		if ($key eq 'image') {
			my ($name, @what) = split ' ', $value;
			$p{image}{$name} = "@what";
		} elsif ($key eq 'has') {
			push @{ $p{has} }, [split ' ', $value, 2];
		} else {
			$p{$key} = $value =~ s/\\n/\n/gr =~ s/\n+\z/\n/r;
		}
	}

	return \%p;
}

sub installed ($module) {
	state %known;
	my $rootfs = $ENV{CODEEXEC_ROOTFS};

	return -e "$rootfs/usr/lib/python3/dist-packages/$module" ? 'yes' : 'no'
		if defined $rootfs;
	return $known{$module} //= system($python, '-Ic',
		'import importlib.util as u, sys; '
		. 'sys.exit(u.find_spec(sys.argv[1]) is None)', $module) == 0
		? 'yes' : 'no';
}

my @programs = map { load($_) } sort glob "$FindBin::Bin/gallery/*.py";

@programs = grep { my $p = $_; grep { $p->{name} eq $_ } @only } @programs
	if @only;
cmp_ok(scalar @programs, '>', 0, scalar @programs . ' programs');

###############################################################################

# Type and, where it is known, size of an image, as its own bytes say

sub describe ($data) {
	return sprintf 'png %dx%d', unpack 'x16 NN', $data
		if $data =~ /\A\x89PNG\r\n\x1a\n.*IEND.{4}\z/s;
	return sprintf 'gif %dx%d', unpack 'x6 vv', $data
		if $data =~ /\AGIF8[79]a.*;\z/s;
	return sprintf 'jpeg %dx%d', jpeg_size($data)
		if $data =~ /\A\xff\xd8\xff.*\xff\xd9\z/s;
	return sprintf 'webp %dx%d', webp_size($data)
		if $data =~ /\ARIFF(....)WEBP/s
			&& unpack('V', $1) + 8 == length $data;
	return 'svg' if $data =~ m{\A<\?xml.*<svg\b.*</svg>\s*\z}s;
	return 'unknown';
}

sub jpeg_size ($data) {
	my $at = 2;

	while ($at + 9 < length $data) {
		my ($marker, $size) = unpack "x$at x C n", $data;
		return reverse unpack "x$at x5 nn", $data
			if $marker >= 0xc0 && $marker <= 0xc2;
		$at += 2 + $size;
	}

	return (0, 0);
}

sub webp_size ($data) {
	my $kind = substr $data, 12, 4;

	return map { $_ & 0x3fff } unpack 'x26 vv', $data if $kind eq 'VP8 ';
	return map { 1 + $_ } map { ($_ & 0x3fff, $_ >> 14 & 0x3fff) }
		unpack 'x21 V', $data if $kind eq 'VP8L';
	return map { 1 + (unpack 'V', "$_\0") } unpack 'x24 a3 a3', $data;
}

###############################################################################

# Running them

sub begin ($job) {
	my ($tier, $p) = @$job;
	my $socket = $t->connect;

	write_all($socket, $t->request(POST => "/$tier", keepalive => 1,
		body => JSON::PP->new->utf8->encode({
			code => $p->{code}, detail => JSON::PP::true,
			defined $p->{stdin} ? (stdin => $p->{stdin}) : () })));
	return $socket;
}

sub run_all (@jobs) {
	my $select = IO::Select->new;
	my (%job, @done);

	while (@jobs || $select->count) {
		while (@jobs && $select->count < $at_once) {
			my $job = shift @jobs;
			my $socket = begin($job);
			$job{$socket} = $job;
			$select->add($socket);
		}

		for my $socket ($select->can_read(60)) {
			my $r = $t->read_response($socket, timeout => 60);
			push @done, [@{ delete $job{$socket} }, $r->json // {}];
			$select->remove($socket);
		}
	}

	return @done;
}

sub judge ($tier, $p, $answer) {
	my $name = "$p->{name}, $tier";
	my $images = $answer->{images} // {};
	my %found = map { $_ => describe($t->image($answer, $_)) }
		keys %$images;

	is($answer->{output}, $p->{output}, "$name: output");
	defined $p->{error}
		? like($answer->{stderr}, qr/$p->{error}/s, "$name: error")
		: is($answer->{stderr}, '', "$name: nothing on stderr");
	is($answer->{exit_code}, $p->{exit}, "$name: exit code")
		|| diag(explain($answer->{status}, $answer->{reason}));
	is_deeply(\%found, $p->{image}, "$name: images") || diag(explain \%found);

	for my $has (@{ $p->{has} }) {
		cmp_ok(index($t->image($answer, $has->[0]), $has->[1]), '>=', 0,
			"$name: $has->[1] in $has->[0]");
	}
}

$t->warm($_, 4) for qw/base science/;
$t->baseline;

my %missing = map { $_->{name} => $_->{needs} }
	grep { defined $_->{needs} && installed($_->{needs}) eq 'no' } @programs;
my @there = grep { !$missing{ $_->{name} } } @programs;
my $began = time;
my @done = run_all(map { my $tier = $_; map { [$tier, $_] } @there }
	qw/base science/);

for my $tier (qw/base science/) {
	for my $p (@programs) {
		SKIP: {
			skip("$p->{name}, $tier: no module $missing{$p->{name}}", 1)
				if $missing{ $p->{name} };
			my ($done) = grep { $_->[0] eq $tier && $_->[1] == $p } @done;
			judge($tier, $p, $done->[2]);
		}
	}
}

note(sprintf '%d runs in %.1f s', scalar @done, time - $began);

# The same program beside itself: what is named after it must not collide.

my %at_once = map { $_ => 1 } qw/multiprocessing process-pool memory sqlite
	matplotlib-formats sklearn/;

judge("$_->[0], beside itself", $_->[1], $_->[2])
	for run_all(map { my $p = $_; map { ['science', $p] } 1 .. $at_once }
		grep { $at_once{ $_->{name} } } @there);

$t->settle($_) for qw/base science/;
$t->check_leaks('no leaks', 8);
$t->done_testing;
