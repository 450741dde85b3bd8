#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Languages that are commands in the configuration: interpreters and compilers,
# also such as codeexec has never heard of.

use v5.36;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Process;
use Test::Codeexec::Real;
use Test::FakeSandbox;

my %language = (
	'language bash' => { aliases => ['sh'], file => 'main.sh',
		command => ['bash', '{file}'], version => ['bash', '--version'] },
	'language perl' => { file => 'main.pl', command => ['perl', 'main.pl'],
		env => ['GREETING=hello', 'HOME=/tmp'] },
	'language c' => { file => 'main.c',
		compile => ['gcc', '-O1', '-o', 'main', '{file}'],
		command => ['./main'], compile_timeout => '8s' },
	'language zsh' => { file => 'x', command => ['true'],
		version => ['echo', "v\xc3\xa9"] },
	'language slow' => { file => 'x', compile => ['sleep', '9'],
		command => ['true'], compile_timeout => '300ms' },
	'language leaver' => { file => 'main.sh',
		compile => ['bash', '-c', '(trap : HUP; sleep 99) & sleep 99 &'],
		command => ['bash', '-c', 'sleep 0.1; pgrep -c -r S,R,D sleep || true'] },
	'language one' => { file => 'main.sh', command => ['sh', 'main.sh'],
		runs => 1 },
	'language none' => { file => 'x', command => ['/no/such/interpreter'] },
	'language awk-program' => { file => 'main.awk',
		command => ['awk', '-f', '{file}', '--'] },
);

my $t = Test::Codeexec::Real->start(spare => 1, conf => {
	limits => { memory => '256mb', wall => '5s', output => '64kb' },
	runs => 4, commands => { spare => 2 }, %language,
});

sub start ($language, $code, %arg) {
	my $socket = $t->dial;
	Test::Codeexec::write_all($socket, Test::Codeexec::Real::job_frames($code,
		language => $language, timeout_ms => 3000, %arg));
	return $socket;
}

sub ask (@job) { return Test::Codeexec::Real::read_answer(start(@job)) }

# Every slot is used once.

for (1 .. 3) {
	my @all = map { start('bash', 'sleep 0.05') } 1 .. $t->state->{slots};
	Test::Codeexec::Real::read_answer($_) for @all;
}

$t->warm;
$t->baseline;

sub says ($language, $code, $stdout, $name, %arg) {
	my $a = ask($language, $code, %arg);
	is("$a->{status} $a->{stdout}", "ok $stdout", $name)
		|| diag(explain $a);
}

###############################################################################

# Interpreters

says('bash', 'echo "$0 $# $1|$2"; cat', "main.sh 2 a b|\ninput", 'bash',
	args => ['a b', ''], stdin => 'input');
says('sh', 'echo "$BASH_VERSION" | grep -c .', "1\n", 'by another name');
says('bash', 'echo "$N $S $L $B $X"', "42 a b [1,\"x\"] true null\n",
	'variables', vars => '{"N":42,"S":"a b","L":[1,"x"],"B":true,"X":null}');
says('perl', 'print "$ENV{GREETING} $ENV{HOME} $ENV{USER}\n"',
	"hello /tmp user\n", 'environment of the language');
says('perl', 'print "$ENV{GREETING} $ENV{HOME}\n"', "bye /\n",
	'the job has the last word', env => { GREETING => 'bye', HOME => '/' });
says('bash', 'pwd; ls; cat a/b', "/home/user\na\nmain.sh\nfile", 'files',
	put => [pack('n/a', 'a/b') . 'file']);
says('awk-program', 'BEGIN { print ARGV[1], 6 * 7 }', "x 42\n",
	'a language nobody knew', args => ['x']);

my $a = ask('bash', 'echo out; echo err >&2; exit 7');
is_deeply([$a->@{qw/status exit_code stdout stderr stage/}],
	['error', 7, "out\n", "err\n", 'run'], 'exit code and both streams');
$a = ask('bash', 'kill -SEGV $$');
is_deeply([$a->@{qw/status signal/}], ['signal', 11], 'a signal');
$a = ask('bash', 'while :; do :; done', timeout_ms => 300);
is_deeply([$a->@{qw/status reason stage/}], ['timeout', 'timeout', 'run'],
	'a loop');
$a = ask('none', '');
is_deeply([$a->@{qw/status exit_code/}], ['error', 127],
	'an interpreter that is not there');
like($a->{stderr}, qr{^codeexec: can't run "/no/such/interpreter": No such},
	'and it is said');
$a = ask('bash', 'echo x > y.png; echo z', collect => ['*.png']);
is_deeply([keys %{ $a->{file} }], ['y.png'], 'files out');

for my $vars ('{"a b":1}', '{"":1}', '{"A=B":1}', '{"1a":1}') {
	$a = ask('bash', 'echo ran', vars => $vars);
	is($a->{type}, 'REJECT', "$vars: refused");
	like($a->{message}, qr/a name that a command/, "$vars: says why");
}

is(ask('bash', '', vars => '{"a":')->{type}, 'REJECT', 'no JSON: refused');
ok(wait_until(5, sub { (grep { $_->{name} eq 'zsh' } @{ $t->state->{languages} })[0]{version} }), 'versions');
my %told = map { $_->{name} => $_ } @{ $t->state->{languages} };
like($told{bash}{version}, qr/^GNU bash, version 5/, 'that of bash');
is_deeply($told{bash}{aliases}, ['sh'], 'and its aliases');
is($told{zsh}{version}, 'v??', 'what is not printable');
is($told{perl}{version}, '', 'none is known of one that can not be asked');
like($t->state->{runtimes}[0]{version}, qr/^3\.\d+\.\d+$/, 'that of Python');

is(ask('fortran', '')->{message}, 'Unsupported language', 'unknown');
is(ask('command', '')->{message}, 'Unsupported language',
	'the runtime of commands is no language');

###############################################################################

# Compilers

my $c = <<'EOC';
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
    char line[64] = "";
    if (fgets(line, sizeof line, stdin)) printf("%s|", line);
    printf("%d %s %s\n", argc, argv[1], getenv("X"));
    return 3;
}
EOC

$a = ask('c', $c, args => ['a'], stdin => 'in', env => { X => 'y' });
is_deeply([$a->@{qw/status exit_code stdout stderr stage reason/}],
	['error', 3, "in|2 a y\n", '', 'run', 'exit'], 'C') || diag(explain $a);
cmp_ok($a->{compile_us}, '>', 0, 'the time of the compiler');
cmp_ok($a->{time_us}, '<', 3e6, 'is not that of the program');

$a = ask('c', 'int main(void) { return x; }');
is_deeply([$a->@{qw/status stdout stage reason exit_code time_us/}],
	['error', '', 'compile', 'compile', 1, 0], 'C that is none');
like($a->{stderr}, qr/main\.c:1:.*undeclared/s, 'the compiler says why');

$a = ask('c', 'int main(void) { for (;;); }', timeout_ms => 300);
is_deeply([$a->@{qw/status stage/}], ['timeout', 'run'], 'C that loops');
$a = ask('c', 'int main(void) { *(volatile int *) 0 = 0; }');
is_deeply([$a->@{qw/status signal/}], ['signal', 11], 'C that crashes');

$a = ask('slow', '');
is_deeply([$a->@{qw/status reason stage time_us/}],
	['timeout', 'timeout', 'compile', 0], 'a compiler that is too slow');
says('leaver', '', "0\n", 'what a compiler leaves behind is gone');

$a = ask('c', '#include "/dev/zero"', timeout_ms => 1000);
like($a->{status}, qr/^(?:memory|timeout|error)$/, 'endless source')
	|| diag(explain $a);
is($a->{stage}, 'compile', 'that does not compile');

###############################################################################

# A language's own limit

my @sockets = map { start('one', 'sleep 0.3; echo done') } 1 .. 3;
ok(wait_until(2, sub { $t->state->{queued} == 2 }), 'one runs, two wait');
says('bash', 'echo 1', "1\n", 'others do not wait for them');
is(Test::Codeexec::Real::read_answer($_)->{stdout}, "done\n", 'one by one')
	for splice @sockets;

$t->honest('and all is well');
$t->check_leaks('nothing is left');
$t->done_testing;
