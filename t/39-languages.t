#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# The languages of conf/codeexec-languages.conf, as far as they are installed:
# arguments, standard input, environment, exit code, errors, a program that
# does not compile.

use v5.36;

use Cwd 'abs_path';
use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Process;
use Test::Codeexec::Real;
use Test::FakeSandbox;

my $conf = abs_path("$FindBin::Bin/../conf/codeexec-languages.conf");
my %names = map { $_ => 1 } Test::Codeexec::Process::slurp($conf)
	=~ /^language (\S+) \{/mg;

# Reads a line, prints it, an argument and a variable, says "err" on stderr,
# leaves a file, exits with 3; and one with an error in line 1 or 2.

my %program = (
	bash => [bash => <<'EOP', 'if then fi', qr/line 1/],
read line; echo "$line $1 $N"; echo err >&2; echo x > out.png; exit 3
EOP
	perl => [perl => <<'EOP', 'my $x = ;', qr/line 1/],
chomp(my $line = <STDIN>); print "$line $ARGV[0] $ENV{N}\n"; print STDERR "err\n";
open my $f, '>', 'out.png'; print $f "x\n"; exit 3;
EOP
	ruby => [ruby => <<'EOP', 'def x(', qr/main\.rb:1/],
line = $stdin.gets.chomp; puts "#{line} #{ARGV[0]} #{ENV['N']}"; warn 'err'
File.write('out.png', "x\n"); exit 3
EOP
	lua => ['lua5.4' => <<'EOP', 'x = = 1', qr/main\.lua:1/],
print(io.read() .. ' ' .. arg[1] .. ' ' .. os.getenv('N'))
io.stderr:write('err\n'); io.open('out.png', 'w'):write('x\n'); os.exit(3, true)
EOP
	php => [php => <<'EOP', '<?php $x = ;', qr/main\.php.* line 1/],
<?php echo trim(fgets(STDIN)), " $argv[1] ", getenv('N'), "\n";
fwrite(STDERR, "err\n"); file_put_contents('out.png', "x\n"); exit(3);
EOP
	c => [gcc => <<'EOP', 'int main(void) { return y; }', qr/main\.c:1/],
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
    char line[9]; FILE *f = fopen("out.png", "w");
    scanf("%8s", line); printf("%s %s %s\n", line, argv[1], getenv("N"));
    fputs("err\n", stderr); fputs("x\n", f); fclose(f); return argc + 1;
}
EOP
	cpp => ['g++' => <<'EOP', 'int main() { return y; }', qr/main\.cpp:1/],
#include <cstdlib>
#include <fstream>
#include <iostream>
int main(int, char **argv) {
    std::string line; std::cin >> line;
    std::cout << line << ' ' << argv[1] << ' ' << std::getenv("N") << '\n';
    std::cerr << "err\n"; std::ofstream("out.png") << "x\n"; return 3;
}
EOP
	go => [go => <<'EOP', "package main\nfunc main() { y() }", qr/main\.go:2/],
package main
import ("fmt"; "os")
func main() {
	var line string; fmt.Scan(&line)
	fmt.Println(line, os.Args[1], os.Getenv("N"))
	fmt.Fprintln(os.Stderr, "err")
	os.WriteFile("out.png", []byte("x\n"), 0644); os.Exit(3)
}
EOP
	r => [Rscript => <<'EOP', 'x <- <- 1', qr/1:6|<-/],
line <- readLines(file('stdin'), 1)
cat(line, commandArgs(TRUE)[1], Sys.getenv('N')); cat('\n')
message('err'); writeLines('x', 'out.png'); quit(status = 3)
EOP
	typescript => [esbuild => <<'EOP', 'const x: number = ;', qr/main\.ts:1/],
import { writeFileSync, readFileSync } from 'node:fs';
interface Line { text: string }
const line: Line = { text: readFileSync(0, 'utf8').trim() };
const os = require('os'), n = await Promise.resolve(process.env.N!);
console.log(`${line.text} ${process.argv[2]} ${n}`);
process.stderr.write('err' + os.EOL);
writeFileSync('out.png', 'x\n'); process.exitCode = 3;
EOP
	sqlite => undef,
);

is_deeply([sort keys %names], [sort keys %program], 'all of them are here');

sub installed ($command) {
	my $rootfs = $ENV{CODEEXEC_ROOTFS} // '';
	return grep { -x "$rootfs$_/$command" } '/usr/bin', '/usr/local/bin';
}

my $t = Test::Codeexec::Real->start(spare => 1, conf => {
	limits => { memory => '900mb', disk => '500mb', wall => '20s',
		processes => 64, inodes => 20000, open_files => 256 },
	runs => 2, 'include' => $conf,
});

sub ask ($language, $code, %arg) {
	my $socket = $t->dial;
	Test::Codeexec::write_all($socket, Test::Codeexec::Real::job_frames($code,
		language => $language, timeout_ms => 20000, %arg));
	return Test::Codeexec::Real::read_answer($socket);
}

for (1 .. 3) {
	my @all = map { my $s = $t->dial;
		Test::Codeexec::write_all($s, Test::Codeexec::Real::job_frames(
			'sleep 0.05', language => 'sh'));
		$s } 1 .. $t->state->{slots};
	Test::Codeexec::Real::read_answer($_) for @all;
}

$t->warm;
$t->baseline;

for my $name (sort grep { $program{$_} } keys %program) {
	my ($command, $code, $wrong, $says) = @{ $program{$name} };

	SKIP: {
		skip "$command is not installed" if !installed($command);

		my $a = ask($name, $code, args => ['a b'], stdin => "input\n",
			vars => '{"N":42}', collect => ['*.png']);
		is_deeply([$a->@{qw/status exit_code stdout stage/}],
			['error', 3, "input a b 42\n", 'run'], $name)
			|| diag(explain $a);
		is($a->{stderr}, "err\n", "$name: stderr");
		is($a->{files}, 1, "$name: its file");

		$a = ask($name, $wrong);
		isnt($a->{exit_code}, 0, "$name: an error is one");
		like("$a->{stderr}$a->{stdout}", $says, "$name: it says where");

		like((grep { $_->{name} eq $name } @{ $t->state->{languages} })[0]
			{version}, qr/\d\.\d/, "$name: its version");
	}
}

SKIP: {
	skip 'sqlite3 is not installed' if !installed('sqlite3');
	is(ask('sql', 'select 6 * 7;')->{stdout}, "42\n", 'sqlite');
}

SKIP: {
	skip 'esbuild is not installed' if !installed('esbuild');

	my $a = ask('ts', "import { f } from './lib';\nimport { createRequire } from "
		. "'module';\nconst require = createRequire(import.meta.url);\n"
		. "type N = number;\nconst n: N = 1;\nf(n, require('os').EOL);\n",
		put => [pack('n/a', 'lib.ts') . "enum E { A = 3 }\nexport function "
		. "f(n: number, s: string) {\n  throw new Error(`\${n + E.A}`);\n}\n"]);
	is($a->{stage}, 'run', 'TypeScript that throws') || diag($a->{stderr});
	like($a->{stderr}, qr{Error: 4\n    at f \(/home/user/lib\.ts:3:9\)\n    at .*main\.ts:6:1},
		'where, in its own files');
	is(ask('ts', 'let x: number = "text"; console.log(x)')->{stdout}, "text\n",
		'types are not checked');
	is(ask('ts', 'let x: = 1')->{stage}, 'compile', 'an error of syntax');
}

$t->honest('and all is well');
$t->check_leaks('nothing is left');
$t->done_testing;
