#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Every nginx snippet of the documentation is a configuration that nginx takes.

use v5.36;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;

my $t = Test::Codeexec->new;

# Where a statement of a snippet belongs; what is not here is for a location.

my %level = (
	(map { $_ => 'main' } qw/load_module user worker_processes pid error_log
		worker_shutdown_timeout env events http/),
	(map { $_ => 'http' } qw/upstream log_format limit_req_zone
		limit_conn_zone map geo server split_clients proxy_cache_path
		codeexec_pg/),
	(map { $_ => 'server' } qw/listen server_name location/),
);

# The statements of a text: up to a semicolon, or a block.

sub statements ($text) {
	my $quoted = qr/"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'/s;
	my $block = qr/(?<block>\{(?:$quoted|\#[^\n]*|[^{}"'#]|(?&block))*\})/s;
	my @found;

	for ($text) {
		pos = 0;
		while (1) {
			/\G(?:\s+|\#[^\n]*)*/gc;
			last if pos == length;
			/\G((?:$quoted|[^;{}"'#])+(?:;|$block))/gc
				or die 'cannot read: ' . substr $text, pos;
			push @found, $1;
		}
	}

	return @found;
}

# A whole configuration around a snippet.

sub wrap ($snippet) {
	my %text = map { $_ => '' } qw/main http server location/;

	# Files that are of no concern to the machine.

	$snippet =~ s{/etc/codeexec/(?=keys)|/etc/nginx/(?=codeexec\.password)|(?:/dev/shm|/run)/(?=nginx-images)}
		{%%TESTDIR%%/}g;

	# A pool that is described elsewhere.

	my %pool = map { $_ => 1 }
		$snippet =~ /^\s*codeexec_(?:store|image)\s+(\w+)/gm;

	for my $pool (grep { $_ ne 'off' } sort keys %pool) {
		next if $snippet =~ /^\s*codeexec_pg\s+$pool\b/m;
		$text{http} .= "codeexec_pg $pool { conninfo host=/run; }\n";
	}

	for my $statement (statements($snippet)) {
		my ($name) = $statement =~ /^(\w+)/;
		next if $name eq 'load_module' || $name eq 'user';
		$text{ $level{$name} // 'location' } .= "$statement\n";
	}

	my $main = $ENV{CODEEXEC_STATIC} ? ''
		: "load_module $Test::Codeexec::MODULE;\n";
	$main .= "pid %%TESTDIR%%/nginx.pid;\n" if $text{main} !~ /^pid\s/m;
	$main .= "events {}\n" if $text{main} !~ /^events\s/m;
	$text{server} .= "location /snippet {\n$text{location}}\n"
		if $text{location} ne '';
	$text{http} .= "server {\n$text{server}}\n" if $text{server} ne '';

	return $main . $text{main}
		. ($text{http} eq '' ? '' : "http {\n$text{http}}\n");
}

my $root = $Test::Codeexec::ROOT;
my $seen = 0;

# A log by default is in logs/ in an nginx that was built with no other path.

mkdir $t->dir . "/logs";
$t->write_file('codeexec.password', "secret\n");
$t->write_file('keys', 'alice ' . 'a5' x 32 . "\n");

for my $file ("$root/README.md", "$root/SECURITY.md", glob "$root/docs/*.md") {
	open my $fh, '<', $file or die "$file: $!";
	my $text = do { local $/; <$fh> };

	while ($text =~ /^```nginx\n(.*?)^```$/gms) {
		my ($snippet, $line) = ($1, 1 + substr($text, 0, $-[1]) =~ tr/\n//);
		my $name = substr($file, 1 + length $root) . ", line $line";

		$t->write_file('nginx.conf', wrap($snippet));
		my ($out, $success) = $t->test_conf;
		ok($success, $name) || diag($out);
		$seen++;
	}
}

ok($seen, "$seen snippets seen");

# The template of the quick start, too.

{
	open my $fh, '<', "$root/conf/nginx.conf" or die "nginx.conf: $!";
	my $text = do { local $/; <$fh> };

	$text =~ s/^load_module .*$//m if $ENV{CODEEXEC_STATIC};
	$text =~ s/\@MODULE\@/$Test::Codeexec::MODULE/;
	$text =~ s/\@LISTEN\@/'127.0.0.1:' . $t->port/e;
	$text =~ s/\@(?:RUN|WORK)\@/$t->dir/ge;

	$t->write_file('nginx.conf', $text);
	my ($out, $success) = $t->test_conf;
	ok($success, 'conf/nginx.conf') || diag($out);

	# and with all that is commented out

	open my $compat, '<', "$root/conf/compat.conf" or die "compat.conf: $!";
	my $doors = do { local $/; <$compat> };
	$doors =~ s/\@KEYS\@/$t->dir . '\/keys'/e;
	$doors =~ s/127\.0\.0\.1:\d+;/'127.0.0.1:' . $t->port(1) . ';'/e;
	$doors =~ s/127\.0\.0\.1:\d{4};/'127.0.0.1:' . $t->port(2) . ';'/e;
	$t->write_file('compat.conf', $doors);
	$t->write_file('keys', 'render ' . 'a5' x 32 . "\n");

	$text =~ s/^(\s*)#(?:db|doors) /$1/gm;
	$text =~ s/^(\s*)#(?=\w[\w ]+[^#]*;$)/$1/gm;
	$t->write_file('nginx.conf', $text);
	($out, $success) = $t->test_conf;
	ok($success, 'conf/nginx.conf, nothing commented out') || diag($out);
}

unlink $t->dir . '/error.log';
$t->done_testing;
