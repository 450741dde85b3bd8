#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# The cases of t/hostile/E-time, each with what must be true after it; and what
# is said of CPU time, and that who burns it leaves some to others.

use v5.36;

use JSON::PP ();
use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Hostile;

my $burn = <<'EOP';
import os, subprocess, sys, threading, time
def burn(seconds=0.3):
    t = time.process_time()
    while time.process_time() - t < seconds: pass
EOP

my $file = "open('b.py', 'w').write('''$burn'''+'burn()')\n";

# Milliseconds that each takes, whoever waits for whom; starting an interpreter
# takes some more, which is why the bound above is wide.

my @programs = (
	['one process', 300, 'burn()'],
	['two children', 600, <<'EOP'],
for i in range(2):
    if os.fork() == 0: burn(); os._exit(0)
os.wait(); os.wait()
EOP
	['a child that nobody waits for', 300, <<'EOP'],
r, w = os.pipe()
if os.fork() == 0: burn(); os.write(w, b'x'); time.sleep(9)
os.read(r, 1)
EOP
	['another program', 300, $file . "subprocess.run([sys.executable, 'b.py'])"],
	['a program in its place', 300, $file
		. "os.execv(sys.executable, [sys.executable, 'b.py'])"],
	['threads', 300, <<'EOP'],
t = [threading.Thread(target=burn) for i in range(3)]
for x in t: x.start()
for x in t: x.join()
EOP
);

Test::Codeexec::Hostile->test('E-time', more => sub ($self) {
	my $t = $self->t;

	for my $program (@programs) {
		my ($name, $ms, $code) = @$program;
		my $a = $t->run_code("$burn$code", detail => JSON::PP::true);

		is($a->{status}, 'ok', "E06 $name") || diag($a->{stderr});
		cmp_ok($a->{cpu_ms}, '>=', 0.95 * $ms, "E06 $name: all of it");
		cmp_ok($a->{cpu_ms}, '<=', $ms + 400, "E06 $name: no more");
	}

	# Two of three slots burn, with thirty processes each.

	my @burning = map { $t->send_code("open('burns$_', 'w')\n" . <<'EOP') } 1, 2;
import os
for i in range(30):
    if os.fork() == 0: break
while True: pass
EOP
	$t->marked("burns$_") for 1, 2;
	$t->honest("E08 beside two that burn, $_") for 1 .. 5;
	is($t->state->{running}, 2, 'E08 which do so still');
	close $_ for @burning;
	ok($t->settle, 'E08 and are gone');
	is(join("\n", $self->check_host(aborted => 2)), '', 'E08 and all is well');
});
