#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# The index of hostile programs and clients, t/hostile/README.md: everything it
# names is there, every case and every number of the catalogue is in it.

use v5.36;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Hostile;

my $root = $Test::Codeexec::ROOT;
my $dir = $Test::Codeexec::Hostile::DIR;

# The catalogue leaves out some numbers.

my %number = (
	A => '01-11 14 16 18 19', B => '01-12 16-18 20', C => '01-10 13 16 18 19',
	D => '01-06 08 11', E => '01-04 06 08', F => '01-05 08 11-13',
	G => '01-06 10 11', H => '01-04 06 08', I => '01-05 09',
	J => '01-03 05 06', K => '01-13 17 19', L => '01-04 07 08 11 12',
);

my @all = map { my $group = $_; map { my ($from, $to) = split /-/;
	map { sprintf '%s%02d', $group, $_ } $from .. $to // $from }
	split ' ', $number{$group} } sort keys %number;

my %text;

sub text ($name) {
	return $text{$name} //= eval {
		Test::Codeexec::Hostile::slurp("$root/$name") } // '';
}

# Cases

my %cases;

for my $file (grep { !/\.\w+$/ } glob "$dir/*") {
	my $name = $file =~ s{.*/}{}r;
	my @cases = eval { @{
		Test::Codeexec::Hostile::read_file($file)->{cases} } };
	my %seen;

	is($@, '', "$name is read");
	ok(scalar @cases, "$name has cases");
	is(join(', ', grep { $seen{$_}++ } map { $_->{name} } @cases), '',
		"$name: each has a name of its own");
	like(text(lc "t/40-hostile-$name.t"), qr/->test\('$name'/,
		"$name is run by a test");
	push @{ $cases{ $_->{id} } }, "$name: $_->{name}" for @cases;
	is(join(', ', grep { $_->{id} ne '-'
		&& substr($_->{id}, 0, 1) ne substr $name, 0, 1 } @cases), '',
		"$name: its group");
}

# The index

my %row = map { /^\| ([A-L]\d\d) \| (.*) \| (.*) \| (.*) \|$/
	? ($1 => [$2, $3, $4]) : () } split /\n/, text('t/hostile/README.md');

is(join(' ', sort keys %row), join(' ', @all), 'every number is in the index');

for my $id (sort keys %row) {
	my ($what, $where, $end) = @{ $row{$id} };
	my @missing;

	next if $where =~ /^not applicable: ./;

	for my $place (split /; /, $where) {
		$place =~ s/^[\w ,:]*: (?=t\/|bench)//;

		if ($place =~ /^cases(?: of (\w\d\d))?$/) {
			push @missing, $place if !$cases{ $1 // $id };
		} elsif ($place =~ /^(\S+\.(?:t|md)) "(.*)"$/) {
			push @missing, $place if index(text($1), $2) < 0;
		} elsif ($place =~ /^make (\w+)$/) {
			push @missing, $place if text('Makefile') !~ /^$1:/m;
		} else {
			push @missing, $place if !-e "$root/$place";
		}
	}

	is(join('; ', @missing), '', "$id is where the index says");
}

is(join(' ', grep { $_ ne '-' && !$row{$_}
	|| $_ ne '-' && $row{$_}[1] !~ /^cases/ } sort keys %cases), '',
	'every case is in the index');

# L11: numbers of processes come again, descriptors of them don't.

my %killing = map { my $text = text(s/^\Q$root\E\///r);
	$text =~ /\b(?:kill|tgkill|killpg)\s*\(|SYS_t?g?kill\b/ ? ($_ => 1) : () }
	glob "$root/sandbox/*.c";

is(join(' ', sort keys %killing), '', 'L11: nothing is killed by its number');

done_testing();
