package Test::Codeexec::Faults;

# Copyright (C) The codeexec authors.

# The file through which a test tells the calls of a sandbox to fail; see
# t/faults/faults.c, which knows its format, too.

use v5.36;

use Fcntl qw/SEEK_SET/;

my $SITES = 1024;
my $HEAD = 64;
my $SITE = 64;

my %PROGRAM = (d => 'codeexecd', b => 'codeexec-builder',
	z => 'python/_codeexec.abi3.so');

# build is the directory of the programs.

sub new ($class, $file, $build) {
	open my $fh, '+>', $file or die "$file: $!";
	binmode $fh;
	my $self = bless { fh => $fh, file => $file, build => $build }, $class;
	$self->put(0, "\0" x ($HEAD + $SITES * $SITE));
	return $self;
}

sub file ($self) { return $self->{file} }

sub put ($self, $at, $bytes) {
	sysseek $self->{fh}, $at, SEEK_SET;
	syswrite($self->{fh}, $bytes) == length $bytes or die "write: $!";
}

sub get ($self, $at, $size) {
	sysseek $self->{fh}, $at, SEEK_SET;
	sysread($self->{fh}, my $bytes, $size) == $size or die "read: $!";
	return $bytes;
}

sub trace ($self, $on) { $self->put(0, pack 'L', $on) }

# One site fails so often, with that error, after so many times that it does not.

sub arm ($self, $site, $error, $times = 1, $skip = 0) {
	$self->disarm;
	$self->put(16, pack 'lLl', $times, 0, $skip);
	$self->put(4, pack 'lQ', $error, $site->{key});
}

sub disarm ($self) { $self->put(4, pack 'x4 Q', 0) }

sub hits ($self) { return unpack 'L', $self->get(20, 4) }

# Forgets what was noted, and returns it: the sites in the sandbox's sources.

sub sites ($self) {
	my $bytes = $self->get($HEAD, $SITES * $SITE);
	my @sites;

	$self->put($HEAD, "\0" x length $bytes);

	for my $n (0 .. $SITES - 1) {
		my ($key, $program, $count, @rest)
			= unpack 'QLLL3lZ32', substr $bytes, $n * $SITE, $SITE;
		my $name = pop @rest;
		my $number = pop @rest;

		push @sites, { key => $key, count => $count,
			program => chr $program, frames => [grep { $_ } @rest],
			call => $number < 0 ? $name : "$name($number)" }
			if $key;
	}

	return $self->name(@sites);
}

# "codeexecd: pipe2 at park.c:34 < slot_fork < slot_built"

sub name ($self, @sites) {
	my %where;

	for my $program (keys %PROGRAM) {
		my %address = map { $_ => 1 } map { @{ $_->{frames} } }
			grep { $_->{program} eq $program } @sites;
		my @address = sort { $a <=> $b } keys %address or next;
		my $list = join ' ', map { sprintf '%#x', $_ - 1 } @address;
		my @lines = split /\n/, `addr2line -sf -e $self->{build}/$PROGRAM{$program} $list`;

		for my $address (@address) {
			my ($function, $line) = splice @lines, 0, 2;
			$where{$program}{$address} = [$function,
				$line =~ s/ .*//r];
		}
	}

	my @named;

	for my $site (@sites) {
		my $of = $where{ $site->{program} };
		my ($first, @more) = @{ $site->{frames} };
		my ($function, $line) = @{ $of->{$first} };

		next if $line !~ /^(\w+\.c):(\d+)/ || -e "$self->{build}/$1";
		next if $line =~ /faults\.c/;
		$site->{source} = $1;
		$site->{name} = join ' < ',
			($PROGRAM{ $site->{program} } =~ m{^python} ? 'zygote'
				: $PROGRAM{ $site->{program} })
			. ": $site->{call} at $line", $function,
			map { $of->{$_}[0] } @more;
		push @named, $site;
	}

	return sort { $a->{name} cmp $b->{name} } @named;
}

1;
