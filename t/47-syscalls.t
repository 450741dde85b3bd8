#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Every system call, in a run, on the kernel that is there, against a table that
# was written and read by people: t/syscalls.  What is not in it is ENOSYS.

use v5.36;

use JSON::PP ();
use POSIX ();
use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Process;
use Test::Codeexec::Real;

$ENV{CODEEXEC_TIMEOUT} //= 300;
alarm $ENV{CODEEXEC_TIMEOUT};

my $machine = (POSIX::uname())[4];
my $table = "$FindBin::Bin/syscalls/$machine";

plan(skip_all => "no table for $machine") if !-e $table;

my $t = Test::Codeexec::Real->new->has('daemon');
my $sweep = Test::Codeexec::Process::slurp("$FindBin::Bin/syscalls/sweep.py");

# Many processes and much CPU time, one after the other

$t->run_daemon(conf => { runs => 1,
	limits => { wall => '60s', max_wall => '120s' },
	runtime => { python => { tier => { base => { spare => 1 } } } } });

###############################################################################

# The table: cases in order, each an entry, arguments and a verdict

my (@cases, %name, %listed, %seen);

sub number ($text) {
	$text =~ s/^\w+=(?=.)//;
	no warnings 'portable';
	return $text =~ /^0x/ ? hex $text : 0 + $text;
}

sub values_of ($text) {
	my ($low, $high) = $text =~ /^(\w+)-(\w+)$/ or return $text;
	return number($low) .. number($high);
}

sub add ($what, $verdict, @call) {
	push @cases, { what => $what, verdict => $verdict, call => \@call }
		if !$seen{"@call"}++;
}

for my $line (split /\n/, Test::Codeexec::Process::slurp($table)) {
	next if $line =~ /^(?:#|$)/;

	my ($number, $name, $index, $verdict, @values) = split ' ', $line;
	$name{$number} //= $name;
	$name{$number} eq $name or fail("$number has two names");
	$listed{$number} = 1;
	$number += 0;

	if ($index eq '-') {
		add($name . (@values ? "(@values)" : ''), $verdict, 'native',
			$number, map { number($_) } @values);
		next;
	}

	for my $text (map { values_of($_) } @values) {
		my $value = number($text);
		my $what = "$name($text)";

		if ($index eq 'family') {
			add($what, $verdict, 'sockets', $number, $value);
		} else {
			add($what, $verdict, 'native', $number,
				(-1) x $index, $value);
		}
	}
}

# The names are those of the kernel's header.

my ($header) = grep { -e } "/usr/include/$machine-linux-gnu/asm/unistd_64.h",
	'/usr/include/asm/unistd_64.h';

SKIP: {
	skip 'no kernel headers', 1 if !$header;

	my %known = map { /^#define __NR_(\w+)\s+(\d+)/ ? ($2 => $1) : () }
		split /\n/, Test::Codeexec::Process::slurp($header);
	my @wrong = grep { defined $known{$_} && $known{$_} ne $name{$_} }
		sort { $a <=> $b } keys %name;

	is(join(' ', map { "$_ $name{$_}" } @wrong), '', 'names');
}

# Whatever is not listed, and other entry points

add("number $_", 'ENOSYS', 'native', $_)
	for grep { !$listed{$_} } 0 .. 1023, map { 1 << $_ } 11 .. 29;
add('number -1', 'ENOSYS', 'native', -1);

if ($machine eq 'x86_64') {
	add("x32 number $_", 'SIGSYS', 'native', 0x40000000 + $_) for 0 .. 600;
	add("number $_", 'SIGSYS', 'native', $_)
		for -2, -1000, 0x7fffffff, 0x80000000;
	add("i386 number $_", 'SIGSYS', 'i386', $_) for -1 .. 480;

	# The kernel takes the lower half of a number.

	add('number of umount2, 64 bits', 'EPERM', 'native', (1 << 32) + 166);
	add('number of memfd_create, 64 bits', 'ENOSYS', 'native',
		(1 << 32) + 319);
}

###############################################################################

sub made (@calls) {
	my $socket = $t->dial;

	$socket->syswrite(Test::Codeexec::Real::job_frames($sweep,
		id => 'sweep', timeout_ms => 120_000,
		vars => JSON::PP->new->encode({ calls => \@calls })));
	my $answer = Test::Codeexec::Real::read_answer($socket) // {};

	is($answer->{status}, 'ok', scalar @calls . ' calls are made');
	is($answer->{stderr}, '', 'without a mistake');
	return split /\n/, $answer->{stdout} // '';
}

sub holds ($verdict, $said) {
	return $said !~ /^(?:ENOSYS|EPERM|SIGSYS)$/ if $verdict eq 'allowed';
	return grep { $_ eq $said } split /\|/, $verdict;
}

cmp_ok(scalar @cases, '>', 2500, 'cases');

while (my @some = splice @cases, 0, 500) {
	my @said = made(map { $_->{call} } @some);
	my @wrong;

	for my $case (@some) {
		my $said = shift @said // 'nothing';

		push @wrong, "$case->{what}: $said, not $case->{verdict}"
			if !holds($case->{verdict}, $said);
	}

	is(join("\n", splice @wrong, 0, 30), '', 'are as in the table, from '
		. $some[0]{what} . ' to ' . $some[-1]{what});
}

$t->done_testing;
