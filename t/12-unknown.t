#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# RESULT may have members that this nginx doesn't know, of any type: the
# answer is the same.

use v5.36;

use JSON::PP ();
use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::FakeSandbox;

my $t = Test::Codeexec->new;

$t->write_conf(<<'EOF');
server {
    listen 127.0.0.1:%%PORT_0%%;
    location /runcode { codeexec_pass unix:%%SOCK%%; }
}
EOF

my @members = (
	{},
	{ reason => 'disk' },
	{ reason => '' },
	{ reason => 'exit', skipped_count => 2, skipped => [
		{ name => "a\"\\\n\x{202e}\x{fffd}.png", reason => 'fifo' },
		{ name => 'b.png', reason => 'file_size' } ] },
	{ skipped => [map { { name => "$_.png", reason => 'files' } } 1 .. 100] },
	{ reason => undef, skipped => undef },
	{ tomorrow => { deep => [[[[[{ a => [1.5, undef] }]]]]] } },
	{ map { ("member$_" => JSON::PP::true) } 1 .. 100 },
);

$t->fake(script => sub ($c, $job) {
	$c->send(answer(stdout => 'out', %{ $members[$job->{code}] }));
});
$t->run;

for my $n (0 .. $#members) {
	my $some = substr join(' ', sort keys %{ $members[$n] }), 0, 30;

	answer_is($t->http_post_json('/runcode', { code => "$n" }), 200,
		'{"output":"out"}', "with these: $some");
}

$t->done_testing;
