#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# codeexec-key: what it makes, nginx accepts, once and for all.

use v5.36;

use Test::More;
use Digest::SHA qw/sha256_hex/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::FakeSandbox;

my $t = Test::Codeexec->new;
my $file = $t->dir . '/keys';

$t->write_conf(<<'EOC');
    server {
        listen 127.0.0.1:%%PORT_0%%;
        codeexec_key_file keys;
        location /runcode { codeexec_pass unix:%%SOCK%%; }
    }
EOC

# Its output, what it said, and whether it was successful.

sub command ($input, @arg) {
	my $out = $t->dir . '/out';
	defined(my $pid = fork) or die "cannot fork: $!";

	if (!$pid) {
		open STDIN, '<', $t->write_file('in', $input);
		open STDOUT, '>', $out;
		open STDERR, '>', "$out.errors";
		exec("$Test::Codeexec::ROOT/tools/codeexec-key", '-f', $file, @arg)
			or POSIX::_exit(127);
	}

	waitpid $pid, 0;
	return ($t->read_file('out'), $t->read_file('out.errors'), $? == 0);
}

sub key ($input, @arg) {
	my ($out, $errors, $success) = command($input, @arg);
	ok($success, "@arg") || diag($errors);
	return $out;
}

sub bad ($message, $input, @arg) {
	my $before = $t->read_file('keys');
	my ($out, $errors, $success) = command($input, @arg);

	ok(!$success && index($errors, $message) >= 0 && $out eq '',
		"refused: @arg") || diag("$out$errors");
	is($t->read_file('keys'), $before, 'the file is as it was');
}

is(key('', 'list'), '', 'nothing yet');
ok(!-e $file, 'and no file');

my $alice = key('', qw/add alice/);
like($alice, qr/\Acx_[A-Za-z0-9_-]{43}\n\z/, 'a key of 256 bits');
chomp $alice;
is((stat $file)[2] & 0777, 0600, 'the file is for its owner');
is($t->read_file('keys'), 'alice ' . sha256_hex($alice) . "\n",
	'it has the digest only');

chomp(my $bob = key('', qw/add bob concurrency=3 class=x admin/));
isnt($bob, $alice, 'another one');

my $mine = 'my own key, of another service' =~ s/ /-/gr x 2;
is(key("$mine\n", 'hash', 'own', 'max_timeout=3s',
	'languages=js,ruby'), '',
	'a key from stdin is not repeated');
is(key('', 'list'), "alice\nbob concurrency=3 class=x admin\n"
	. "own max_timeout=3s languages=js,ruby\n", 'list');

# concurrency needs more than is here

is(key('', qw/remove bob/), '', 'remove prints nothing');
is((stat $file)[2] & 0777, 0600, 'the mode is kept');

bad('there is a "alice"', '', qw/add alice/);
bad('is no name', '', 'add', 'a b');
bad('is no name', '', 'add', "a\nb");
bad('is no name', '', 'add', '#a');
bad('is no name', '', 'add', 'a' x 65);
bad('is no option', '', qw/add x colour=red/);
bad('is no option', '', qw/add x admin=1/);
bad('has a blank', '', 'add', 'x', 'class=a b');
bad('has a blank', '', 'add', 'x', "class=a\nb");
bad('no key', '', qw/hash x/);
bad('without blanks', "\n", qw/hash x/);
bad('without blanks', "a b\n", qw/hash x/);
bad('no "bob"', '', qw/remove bob/);
bad('usage:', '', @$_) for ['add'], ['remove'], ['list', 'x'], ['show'],
	[qw/remove a b/];
like((command("short\n", qw/hash short/))[1], qr/this key is short/, 'a warning');

# an editor has left the last line open

$t->write_file('keys', $t->read_file('keys') . "# mine");
chomp(my $carl = key('', qw/add carl/));

# what nginx makes of them

$t->fake(script => sub ($c, $job) { $c->send(answer(stdout => 'ran')) });
$t->run;
$t->baseline;

sub status ($key) {
	return $t->http_post_json('/runcode', { code => 'x',
		language => 'ruby' }, headers => ["X-API-Key: $key"])->status;
}

is(status($_->[1]), 200, $_->[0])
	for [alice => $alice], [own => $mine], [carl => $carl], [short => 'short'];
is(status($bob), 401, 'bob was removed');

key('', qw/remove alice/);
chomp(my $dave = key('', qw/add dave/));
is(status($dave), 401, 'before a reload');
ok($t->reload, 'reloaded');
is(status($dave), 200, 'after it');
is(status($alice), 401, 'alice is gone');
is(status($carl), 200, 'the others are there');

$t->check_leaks('no leaks', 2);
$t->done_testing;
