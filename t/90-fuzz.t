#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Short runs of the fuzzers over their corpora: the frame codec, what tells types
# of images, what takes results of programs apart, and patterns of files.

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

alarm 200;

for my $target (
	[wire => 'sandbox', 'wire.c', 4096, 20],
	[image => 'ngx_http_codeexec_module', 'ngx_http_codeexec_image_types.c',
		512, 8],
	[record => 'ngx_http_codeexec_module', 'ngx_http_codeexec_record.c '
		. "$root/ngx_http_codeexec_module/ngx_http_codeexec_is_json.c "
		. '-ljansson', 512, 15],
	[match => 'sandbox', 'match.c', 48, 15])
{
	my ($name, $source, $file, $length, $seconds) = @$target;

	is(system(@build, "-I$root/$source", '-o', "$dir/${name}_fuzz",
		"$root/t/fuzz/${name}_fuzz.c",
		split / /, "$root/$source/$file"), 0, "$name, build");

	# New inputs go to a directory of their own, not to the corpus.

	mkdir "$dir/$name";
	my $limits = "-runs=200000 -max_total_time=$seconds "
		. "-max_len=$length -timeout=5";
	my $corpus = "$root/t/fuzz/corpus/$name";
	my $out = `cd $dir && ./${name}_fuzz $limits $name $corpus 2>&1`;

	is($?, 0, "$name, run") || diag($out);
	like($out, qr/Done (\d+) runs/, "$name, all of it");
	note($out =~ /(Done .*)/);
}

done_testing();
