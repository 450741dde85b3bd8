#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# t/gallery/node/*.js, each of which says at its end what comes of it: "//= "
# is a line of output, "//! end" how it ends ("exit 0" if not said), "//! stderr"
# a pattern, "//! stdin" and "//! timeout" what it is given.
#
# CODEEXEC_RUNS=1000 makes so many runs of them, in turn.

use v5.36;

use JSON::PP ();
use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Process;
use Test::Codeexec::Real;

my $t = Test::Codeexec::Real->start(node => 1, spare => 3,
	conf => { limits => { memory => '192mb', disk => '32mb' } });
my @programs = map { program($_) } sort glob "$FindBin::Bin/gallery/node/*.js";
my $runs = $ENV{CODEEXEC_RUNS} || 2 * @programs;
my %wrong;

$ENV{CODEEXEC_TIMEOUT} // alarm 120 + $runs;

sub program ($file) {
	my ($name) = $file =~ m{([^/]+)\.js$};
	my $code = Test::Codeexec::Process::slurp($file);
	my %p = (name => $name, end => 'exit 0', timeout => 20);

	utf8::decode($code);
	$p{output} = join '', map { "$_\n" } map { $_ // '' } $code =~ m{^//=(?: (.*))?$}mg;
	$p{$1} = $2 while $code =~ m{^//! (\w+) (.*)$}mg;
	$p{stdin} =~ s/\\n/\n/g if $p{stdin};
	$p{code} = $code =~ s{^//[=!].*\n}{}mgr;
	return \%p;
}

# What is wrong with a run, or nothing.

sub fault ($p) {
	my $a = $t->run_code($p->{code}, language => 'nodejs',
		detail => JSON::PP::true, timeout => $p->{timeout} + 0,
		$p->{stdin} ? (stdin => $p->{stdin}) : ());
	my $status = $a->{status} // 'no answer';
	my $end = $status eq 'signal' ? "signal $a->{signal}"
		: defined $a->{exit_code} ? "exit $a->{exit_code}" : $status;

	return "$p->{name}: $end\n$a->{stderr}" if $end ne $p->{end};
	return "$p->{name}: output is $a->{output}"
		if $a->{output} ne $p->{output} =~ s/\A\n\z//r;
	return "$p->{name}: stderr is $a->{stderr}"
		if $a->{stderr} !~ ($p->{stderr} ? qr/$p->{stderr}/ : qr/\A\z/);
	return;
}

cmp_ok(scalar @programs, '>=', 30, scalar @programs . ' programs');

for my $n (0 .. $runs - 1) {
	my $p = $programs[$n % @programs];
	my $fault = fault($p) // next;
	$wrong{ $p->{name} }++ or diag($fault);
}

is($wrong{ $_->{name} } // 0, 0, $_->{name}) for @programs;
note("$runs runs");

$t->settle;
is($t->output('console.log(6 * 7)', language => 'nodejs'), "42\n", 'still well');
$t->done_testing;
