#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Two thousand requests of every kind, thirty-two at a time: each gets its own
# answer, and afterwards everything is as it was.

use v5.36;

use Digest::MD5 qw/md5_hex/;
use IO::Select;
use JSON::PP ();
use MIME::Base64 qw/decode_base64/;
use Test::More;
use Time::HiRes qw/time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Process;
use Test::Codeexec::Real;

my $requests = $ENV{CODEEXEC_REQUESTS} // 2000;
my $concurrency = 32;

my $t = Test::Codeexec::Real->start(science => 1, spare => 4, conf => {
	runs => 6, queue => 64, queue_timeout => '30s',
	limits => { output => '300kb', memory => '256mb' },
}, http => <<'EOC');
	upstream sandbox { server unix:%%SOCK%%; keepalive 16; }
	server {
	    listen 127.0.0.1:%%PORT_0%%;
	    location /runcode { codeexec_pass sandbox; }
	}
EOC

my $json = JSON::PP->new->utf8;
my $seed = $ENV{CODEEXEC_SEED} // $$;

note("CODEEXEC_SEED=$seed");
srand $seed;

###############################################################################

# The kinds: a program with the tag in it, and what must come of it

my %kind = (
	ok => {
		weight => 50,
		code => sub ($tag) { "print('$tag' + tag, input())" },
		check => sub ($r, $tag) {
			$r->status == 200 && same($r, { output => "$tag$tag in-$tag\n" });
		},
	},
	error => {
		weight => 15,
		code => sub ($tag) { "print('$tag')\nraise ValueError('$tag')" },
		check => sub ($r, $tag) {
			my $a = $r->json;
			$r->status == 200 && $a->{output} eq "$tag\n"
				&& $a->{error} =~ /^ValueError: $tag\z/m;
		},
	},
	signal => {
		weight => 4,
		code => sub ($tag) { "import os, sys\nsys.stderr.write('$tag')\n"
			. "sys.stderr.flush()\nos.kill(os.getpid(), 9)" },
		check => sub ($r, $tag) {
			$r->status == 200 && same($r, { output => '', error =>
				"$tag\nProcess killed by signal 9 (SIGKILL)" });
		},
	},
	timeout => {
		weight => 4,
		timeout => 0.3,
		code => sub ($tag) { "import time\nprint('$tag', flush=True)\n"
			. 'time.sleep(20)' },
		check => sub ($r, $tag) {
			$r->status == 504 && same($r, { output => "$tag\n",
				error => 'Code execution timed out' });
		},
	},
	big => {
		weight => 8,
		code => sub ($tag) { "print('$tag' * 10000)" },
		check => sub ($r, $tag) {
			$r->status == 200 && $r->json->{output}
				eq $tag x 10000 . "\n";
		},
	},
	cut => {
		weight => 3,
		code => sub ($tag) { "print('$tag' * 50000)" },
		check => sub ($r, $tag) {
			my $want = substr $tag x 50000, 0, 300 << 10;
			my $a = $r->json;
			$r->status == 200 && $a->{truncated}
				&& $a->{output} eq $want;
		},
	},
	file => {
		weight => 8,
		code => sub ($tag) {
			"open('$tag.png', 'w').write('$tag' * 1000)" },
		check => sub ($r, $tag) {
			my $images = $r->json->{images};
			$r->status == 200 && "@{[keys %$images]}" eq "$tag.png"
				&& decode_base64($images->{"$tag.png"})
					eq $tag x 1000;
		},
	},
	plot => {
		weight => 1,
		code => sub ($tag) { "import matplotlib.pyplot as plt\n"
			. "plt.figure(figsize=(1, 1))\nplt.plot([1, 2])\n"
			. "plt.savefig('$tag.svg')\nprint('$tag')" },
		check => sub ($r, $tag) {
			my $a = $r->json;
			$r->status == 200 && $a->{output} eq "$tag\n"
				&& decode_base64($a->{images}{"$tag.svg"} // '')
					=~ /<svg.*<\/svg>/s;
		},
	},
	daemon => {
		weight => 3,
		code => sub ($tag) { "import os, time\nif os.fork() == 0:\n"
			. "    os.setsid(); time.sleep(60)\nprint('$tag')" },
		check => sub ($r, $tag) {
			$r->status == 200 && same($r, { output => "$tag\n" });
		},
	},
	bad => {
		weight => 2,
		body => sub ($tag) { qq({"code":["$tag"]}) },
		check => sub ($r, $tag) {
			$r->status == 400 && same($r,
				{ error => '"code" must be a string' });
		},
	},
	abort => {
		weight => 2,
		abort => 1,
		code => sub ($tag) { "import time\nprint('$tag')\ntime.sleep(20)" },
	},
);

sub same ($r, $want) {
	state $canonical = JSON::PP->new->canonical->utf8;
	return $canonical->encode($r->json) eq $canonical->encode($want);
}

my @lots = map { ($_) x $kind{$_}{weight} } sort keys %kind;

sub request_of ($name, $tag) {
	my $kind = $kind{$name};
	my $body = $kind->{body} ? $kind->{body}->($tag) : $json->encode({
		code => $kind->{code}->($tag), variables => { tag => $tag },
		stdin => "in-$tag", timeout => $kind->{timeout} // 20 });

	return $t->request(POST => '/runcode', body => $body, keepalive => 1);
}

###############################################################################

# Every slot and every kept connection is used once before it is counted.

$t->warm('codeexec', 24);
$t->baseline;
my $started = $t->state->{runs_started};

my (%done, @wrong, @slow, @took);
my ($n, $finished, $aborted) = (0, 0, 0);
my $select = IO::Select->new;
my %slot;
my $begin = time;

# A connection is used again and again, until its request is aborted.

sub start_next ($socket = undef) {
	return $socket && close $socket if $n >= $requests;

	my $name = $lots[rand @lots];
	my $tag = 'T' . substr md5_hex("$seed " . $n++), 0, 8;

	$socket //= $t->connect;
	write_all($socket, request_of($name, $tag));
	$select->add($socket);
	$slot{$socket} = { name => $name, tag => $tag, begin => time,
		abort => $kind{$name}{abort} ? time + rand 0.3 : undef };
}

sub take ($socket) {
	my $slot = delete $slot{$socket};
	my $r = $t->read_response($socket, timeout => 20);
	my $good = $r->complete && eval {
		$kind{ $slot->{name} }{check}->($r, $slot->{tag}) };

	$select->remove($socket);
	push @took, time - $slot->{begin};
	$done{ $slot->{name} }++;
	$finished++;
	push @wrong, "$slot->{name} $slot->{tag}: " . substr $r->raw, 0, 600
		if !$good;
	start_next($r->complete && ($r->header('Connection') // '') ne 'close'
		? $socket : undef);
}

sub drop ($socket) {
	my $slot = delete $slot{$socket};

	$select->remove($socket);
	rand > 0.5 ? close $socket : $t->abort($socket);
	$done{ $slot->{name} }++;
	$finished++;
	$aborted++;
	start_next();
}

start_next() for 1 .. $concurrency;

while ($select->count && time - $begin < 75) {
	take($_) for grep { !$slot{$_}{abort} } $select->can_read(0.02);

	my $now = time;
	drop($_) for grep { ($slot{$_}{abort} // $now + 1) <= $now }
		$select->handles;
}

my $took = time - $begin;

###############################################################################

is($finished, $requests, "$requests requests are answered");
is(scalar @wrong, 0, 'each with its own answer')
	|| diag(join "\n", @wrong > 10 ? @wrong[0 .. 9] : @wrong);
cmp_ok($done{$_} // 0, '>', 0, "of kind $_") for sort keys %kind;

@took = sort { $a <=> $b } @took;
note(sprintf '%.1f s, %.0f requests/s, median %.1f ms, 99%% %.1f ms, kinds %s',
	$took, $requests / $took, 1000 * $took[@took / 2],
	1000 * $took[@took * 0.99],
	join ' ', map { "$_ " . ($done{$_} // 0) } sort keys %kind);

$t->disconnect;
ok($t->settle, 'settles');

my $state = $t->state;
is($state->{runs_started}, $state->{runs_finished} + $state->{runs_aborted},
	'every run was finished or aborted');
cmp_ok($state->{runs_started} - $started, '<=', $requests - ($done{bad} // 0),
	'none was run twice');
cmp_ok($state->{runs_started} - $started, '>=', $requests - ($done{bad} // 0)
	- $aborted, 'none was left out');
is($state->{busy}, 0, 'nobody was sent away');
is($state->{runs_lost}, 0, 'none was lost');

is(scalar(my @jailed = $t->jailed), 2 * $t->idle,
	'a process and a keeper for each parked run, and no more');
my @procs = map { split ' ',
	Test::Codeexec::Process::slurp("$_/cgroup.procs") }
	grep { m{/pids/} } $t->cgroups;
is(scalar @procs, 2 * $t->idle, 'no more in the control groups')
	if -d '/sys/fs/cgroup/pids';

# Both ends of the connections that nginx keeps may be more than before.

my %kept = map { $_ => delete $t->{baseline}{$_} }
	grep { /nginx: worker|codeexecd -c/ } keys %{ $t->{baseline} };

$t->check_leaks('processes, mounts, control groups, and the descriptors of '
	. 'builder and zygotes');
$t->{baseline} = \%kept;
$t->check_leaks('descriptors of kept connections', 16);

my $log = $t->read_file('codeexec.log');
is(join("\n", grep { /warning/ } split /\n/, $log), '',
	'codeexecd has nothing to warn of');

$t->honest('still well');
$t->done_testing;
