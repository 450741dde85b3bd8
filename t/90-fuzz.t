#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# A short run of the fuzzer of the frame codec over its corpus.

use v5.36;

use File::Temp qw/tempdir/;
use Test::More;

use FindBin;

my $root = "$FindBin::Bin/..";
my $dir = tempdir(CLEANUP => 1);

plan(skip_all => 'no clang') if `clang --version 2>/dev/null` eq '';

my $empty = "$dir/empty.c";
open my $fh, '>', $empty or die "$empty: $!";
print $fh "#include <stddef.h>\n#include <stdint.h>\n"
	. "int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n)\n"
	. "{ (void) d; return n & 0; }\n";
close $fh;

my @build = (qw/clang -g -O1 -Wall -Wextra -Werror/,
	'-fsanitize=fuzzer,address,undefined', '-fno-sanitize-recover=all');

plan(skip_all => 'no libFuzzer')
	if system("@build -o $dir/empty $empty 2>/dev/null") != 0;

alarm 60;

is(system(@build, "-I$root/sandbox", '-o', "$dir/wire_fuzz",
	"$root/t/fuzz/wire_fuzz.c", "$root/sandbox/wire.c"), 0, 'build');

# New inputs go to a directory of their own, not to the corpus.

mkdir "$dir/found";
my $limits = '-runs=200000 -max_total_time=20 -max_len=4096 -timeout=5';
my $corpus = "$root/t/fuzz/corpus/wire";
my $out = `cd $dir && ./wire_fuzz $limits found $corpus 2>&1`;

is($?, 0, 'run') || diag($out);
like($out, qr/Done (\d+) runs/, 'all of it');
note($out =~ /(Done .*)/);

done_testing();
