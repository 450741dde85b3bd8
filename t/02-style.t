#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# What the sources look like: nginx's style in the module, KNF in the sandbox.

use v5.36;

use Test::More;

use FindBin;

my $root = "$FindBin::Bin/..";
my %style = (
	ngx_http_codeexec_module => { tabs => 0 },
	sandbox => { tabs => 1 },
);

my @files = map { glob "$root/$_/{,*/,*/*/}*.[ch]" } sort keys %style;

plan(skip_all => 'no sources') if !@files;

for my $file (@files) {
	my $name = $file =~ s/^\Q$root\E\///r;
	my ($dir) = split m{/}, $name;

	is(join("\n", complaints($file, $style{$dir})), '', $name);
}

done_testing();

sub complaints ($file, $style) {
	open my $fh, '<:encoding(UTF-8)', $file or return "cannot open: $!";
	my @lines = <$fh>;
	my @complaints;

	for my $n (1 .. @lines) {
		my $line = $lines[$n - 1];
		push @complaints, map { "line $n: $_" }
			line_complaints($line, $style);
	}

	push @complaints, 'no copyright' if "@lines" !~ /Copyright \(C\)/;
	push @complaints, 'no newline at the end'
		if @lines && $lines[-1] !~ /\n\z/;
	push @complaints, 'blank line at the end'
		if @lines && $lines[-1] =~ /^\s*$/;

	return (@complaints, function_complaints(@lines));
}

sub line_complaints ($line, $style) {
	my $width = 0;

	chomp $line;
	$width += $_ eq "\t" ? 8 - $width % 8 : 1 for split //, $line;

	# Neither string nor comment.

	my $code = $line =~ s/"(?:[^"\\]|\\.)*"/""/gr =~ s{/\*.*?(\*/|$)}{}gr;
	$code = '' if $code =~ /^\s*\*/;

	return (
		$width > 80 ? "$width columns" : (),
		$line =~ /\s$/ ? 'trailing blank' : (),
		$line =~ /\r/ ? 'carriage return' : (),
		!$style->{tabs} && $line =~ /\t/ ? 'tab' : (),
		$code =~ m{//} ? '// comment' : (),
		$line =~ /\b(?:TODO|FIXME|XXX)\b/ ? 'unfinished' : (),
	);
}

# A function is what stands between lines of a single brace.

sub function_complaints (@lines) {
	my ($begin, $name, @complaints);

	for my $n (0 .. $#lines) {
		if ($lines[$n] =~ /^\{\s*$/) {
			my ($head) = grep { /^\w+.*\(/ }
				reverse @lines[($n > 6 ? $n - 6 : 0) .. $n - 1];
			($name) = ($head // '?') =~ /(\w+)\s*\(/;
			$begin = $n;

		} elsif (defined $begin && $lines[$n] =~ /^\}/) {
			my $length = $n - $begin + 1;
			push @complaints, ($name // 'a function')
				. " has $length lines" if $length > 80;
			undef $begin;
		}
	}

	return @complaints;
}
