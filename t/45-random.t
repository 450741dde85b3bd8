#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Every run draws numbers of its own, whatever generators its zygote had: two
# tiers, 500 runs each.

use v5.36;

use Test::More;
use Time::HiRes qw/time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Real;

my $runs = $ENV{CODEEXEC_RANDOM_RUNS} // 500;
my $at_once = 8;

$ENV{CODEEXEC_TIMEOUT} // alarm 170;

# Whatever draws is loaded ahead, and in "ahead" is even used: one preload for
# each, which its zygote inspects.

my @preload = qw/random uuid secrets ssl tempfile hashlib hmac/;

my $t = Test::Codeexec::Real->start(conf => {
	runs => 4,
	limits => { memory => '384mb', wall => '20s' },
	runtime => { python => { tier => {
		base => { spare => 4, max_runs => 0, max_age => 0,
			preload => \@preload },
		science => { spare => 4, max_runs => 0, max_age => 0,
			preload => [@preload, qw/numpy numpy.random scipy.stats/],
			when => ['numpy'] },
	} } },
});

my $usual = <<'EOP';
import hashlib, os, random, secrets, ssl, tempfile, uuid
def say(name, value): print(name, value, sep='\t')
say('random.random', random.random())
say('random.getrandbits', random.getrandbits(64))
say('random.Random', random.Random().random())
say('random.SystemRandom', random.SystemRandom().random())
say('random.shuffle', hashlib.md5(bytes(random.sample(range(256), 256))).hexdigest())
say('uuid1', uuid.uuid1())
say('uuid4', uuid.uuid4())
say('secrets', secrets.token_hex())
say('ssl.RAND_bytes', ssl.RAND_bytes(16).hex())
say('tempfile name', next(tempfile._get_candidate_names()))
say('tempfile', tempfile.mkdtemp())
say('os.urandom', os.urandom(16).hex())
pid = os.fork()
if pid == 0:
    open('c', 'w').write(f'{random.random()} {ssl.RAND_bytes(8).hex()}')
    os._exit(0)
os.waitpid(pid, 0)
say('of a child', open('c').read())
say('HASH', hash('a'))
EOP

my $numpy = $usual . <<'EOP';
import numpy
from scipy import stats
say('numpy.random.rand', numpy.random.rand())
say('numpy.random.bytes', numpy.random.bytes(8).hex())
say('numpy.random.permutation', hashlib.md5(bytes(list(numpy.random.permutation(256)))).hexdigest())
say('numpy RandomState', numpy.random.RandomState().rand())
say('numpy default_rng', numpy.random.default_rng().random())
say('numpy SeedSequence', numpy.random.SeedSequence().entropy)
say('scipy.stats', stats.norm.rvs())
EOP

for my $case ([base => $usual, 13], [science => $numpy, 20]) {
	my ($tier, $code, $kinds) = @$case;
	my (%seen, %count, $bad);
	my $begin = time;
	my @connections = map { $t->dial } 1 .. $at_once;
	my $frames = Test::Codeexec::Real::job_frames($code);

	for (my $n = 0; $n < $runs; $n += $at_once) {
		write_all($_, $frames) for @connections;

		for my $raw (@connections) {
			my $a = Test::Codeexec::Real::read_answer($raw) // {};
			$bad //= $a->{stderr} if ($a->{status} // '') ne 'ok';

			for my $line (split /\n/, $a->{stdout} // '') {
				my ($name, $value) = split /\t/, $line;
				$seen{$name}{$value}++;
				$count{$name}++;
			}
		}
	}

	is($bad, undef, "$tier: every run ends well");
	my $hashes = delete $seen{HASH};
	is(scalar keys %seen, $kinds, "$tier: $kinds sources");
	note(sprintf '%s: %d runs, %.1f s', $tier, $count{HASH}, time - $begin);

	for my $name (sort keys %seen) {
		is(scalar keys %{ $seen{$name} }, $count{$name},
			"$tier, $name: no two of $count{$name} are alike");
		cmp_ok($count{$name}, '>=', $runs, "$tier, $name: $runs runs");
	}

	# As documented: that of the zygote, for as long as it lives.

	is(scalar keys %$hashes, 1, "$tier: one hash seed for each zygote");
}

# Another zygote has other ones.

my $program = "print(hash('a'))";
my %hash = ($t->output($program) => 1);

for my $try (1 .. 2) {
	kill KILL => $t->zygotes;
	wait_until(10, sub { scalar $t->zygotes == 2 });
	$t->warm;
	$hash{ $t->output($program) }++;
}

is(scalar keys %hash, 3, 'three zygotes, three hash seeds');
$t->honest('still well');
$t->done_testing;
