#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Two callers at the same time, each with many connections, through several
# workers of nginx.  Everything that a caller sends has a tag of its own in it,
# its code, its variables, its standard input, its files, and every answer is
# compared, byte by byte, to the only one that this request can have.  In
# between are runs that time out, crash, write too much or are aborted.
#
# CODEEXEC_RUNS=10000 for more of it, CODEEXEC_SEED for the same again.

use v5.36;

use Digest::MD5 qw/md5_hex/;
use IO::Select;
use JSON::PP ();
use MIME::Base64 qw/encode_base64/;
use POSIX ();
use Test::More;
use Time::HiRes qw/time/;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Process;
use Test::Codeexec::Real;
use Test::Postgres;

my $runs = $ENV{CODEEXEC_RUNS} // 600;
my $seed = $ENV{CODEEXEC_SEED} // $$;
my @callers = qw/alice bobby/;      # as long as each other
my $connections = 12;
my $output_limit = 200 << 10;

alarm 120 + $runs;
note("CODEEXEC_SEED=$seed");

my $with_db = Test::Postgres::available();
my $store = '';

my $t = Test::Codeexec::Real->new->has('daemon');
my $db = $with_db ? Test::Postgres->new($t)->schema : undef;

$store = <<'EOC' if $with_db;
	location /stored {
	    codeexec_pass sandbox;
	    codeexec_store images;
	}
	location /image/ { codeexec_image images; }
EOC

$t->write_conf(<<~EOC, main => 'worker_processes 3;');
	upstream sandbox { server unix:%%SOCK%%; keepalive 8; }
	${\ ($with_db ? $db->block('images', max_connections => 3) : '')}
	server {
	    listen 127.0.0.1:%%PORT_0%% reuseport;
	    location /runcode { codeexec_pass sandbox; }
	    $store
	}
	EOC

$t->run_daemon(conf => { %{ Test::Codeexec::Real->real_conf(
		science => 1, spare => 4) },
	runs => 6, queue => 64, queue_timeout => '60s',
	limits => { output => $output_limit, memory => '192mb' } });
$t->run;

my $json = JSON::PP->new->utf8->canonical;

###############################################################################

# What is asked, and what the answer must be.  Both are made from the tag only.

# A file that could be an image, and is nobody else's.

sub bytes_of ($tag, $n = 300) { return "\x89PNG\r\n\x1a\n" . $tag x $n }

my $PNG = q{b'\x89PNG\r\n\x1a\n' + };

sub traceback ($line, $text, $error) {
	return qq(Traceback (most recent call last):\n  File "main.py", )
		. "line $line, in <module>\n    $text\n$error";
}

sub image_of ($data) { return encode_base64($data, '') }

my %kind = (
	echo => [30, sub ($tag) {
		("print('$tag', tag, input(), other['x'][1])",
			{ output => "$tag $tag in-$tag $tag\n" }) }],
	error => [8, sub ($tag) {
		("print(tag)\nraise ValueError('$tag')",
			{ output => "$tag\n", error => traceback(2,
				"raise ValueError('$tag')",
				"ValueError: $tag") }) }],
	exit => [5, sub ($tag) {
		("import sys\nprint(input())\nsys.exit(tag)",
			{ output => "in-$tag\n", error => $tag }) }],
	large => [8, sub ($tag) {
		("for n in range(2000): print('$tag', n)",
			{ output => join '', map { "$tag $_\n" } 0 .. 1999 }) }],
	cut => [4, sub ($tag) {
		("print(tag * 20000)", {
			output => substr($tag x 20000, 0, $output_limit),
			truncated => JSON::PP::true }) }],
	both => [6, sub ($tag) {
		("import sys\nfor n in range(500):\n    print(tag)\n"
			. "    print('e' + tag, file=sys.stderr)\nsys.exit(4)", {
			output => "$tag\n" x 500,
			error => join "\n", ("e$tag") x 500 }) }],
	files => [10, sub ($tag) {
		("for name in tag + '.png', 'same.png':\n"
			. "    with open(name, 'wb') as f:\n"
			. "        f.write(${PNG}tag.encode() * 300)\nprint(tag)", {
			output => "$tag\n",
			images => { map { $_ => image_of(bytes_of($tag)) }
				"$tag.png", 'same.png' } }) }],
	disk => [8, sub ($tag) {
		("import glob, os\nfor d in '/tmp', '/home/user', '/dev/shm':\n"
			. "    open(d + '/' + tag, 'w').write(tag)\n"
			. "for d in '/tmp', '/home/user', '/dev/shm':\n"
			. "    for f in glob.glob(d + '/*'):\n"
			. "        print(f, open(f).read())", {
			output => join '', map { "$_/$tag $tag\n" }
				qw{/tmp /home/user /dev/shm} }) }],
	child => [6, sub ($tag) {
		("import subprocess\nprint(tag, flush=True)\n"
			. "subprocess.run(['cat'])\n"
			. "subprocess.run(['sh', '-c', 'echo \$0; kill -9 \$\$', "
			. "tag])", { output => "$tag\nin-$tag$tag\n" }) }],
	socket => [6, sub ($tag) {
		("import os, socket, time\ns = socket.socket(socket.AF_UNIX)\n"
			. "s.bind('\\0same')\ns.listen()\n"
			. "if os.fork() == 0:\n"
			. "    c = socket.socket(socket.AF_UNIX)\n"
			. "    c.connect('\\0same')\n    c.send(tag.encode())\n"
			. "    os._exit(0)\n"
			. "print(s.accept()[0].recv(999).decode())",
			{ output => "$tag\n" }) }],
	memory => [2, sub ($tag) {
		("print('$tag', flush=True)\nx = b'x' * (1 << 28)", {
			output => "$tag\n", error => 'Memory limit exceeded' }) }],
	signal => [3, sub ($tag) {
		("import os, sys\nsys.stderr.write(tag)\nsys.stderr.flush()\n"
			. "os.kill(os.getpid(), 9)", { output => '', error =>
				"$tag\nProcess killed by signal 9 (SIGKILL)" }) }],
	crash => [2, sub ($tag) {
		("import ctypes\nprint(tag, flush=True)\nctypes.string_at(0)", {
			output => "$tag\n", error =>
				'Process killed by signal 11 (SIGSEGV)' }) }],
	late => [3, sub ($tag) {
		("import time\nprint(tag, flush=True)\ntime.sleep(30)", {
			output => "$tag\n",
			error => 'Code execution timed out' },
			status => 504, timeout => 0.2) }],
	plot => [1, sub ($tag) {
		("import matplotlib.pyplot as plt\nimport re\n"
			. "plt.rcParams['svg.fonttype'] = 'none'\n"
			. "plt.figure(figsize=(1, 1)).suptitle(tag)\n"
			. "plt.savefig('figure.pdf', metadata={'Title': tag})\n"
			. "plt.savefig('x.txt', format='svg')\n"
			. "print(re.findall(r'>(.*?)</text>', open('x.txt').read()))",
			{ output => "['$tag']\n" }) }],
	bad => [2, sub ($tag) {
		('', { error => '"code" must be a string' },
			status => 400, body => qq({"code":["$tag"]})) }],
	abort => [4, sub ($tag) {
		("import time\nprint('$tag' * 100, flush=True)\n"
			. 'time.sleep(30)', undef, abort => 1) }],
	stored => [$with_db ? 5 : 0, sub ($tag) {
		("for name in 'a.png', tag + '.png':\n"
			. "    open(name, 'wb').write(${PNG}tag.encode() * 300)\n"
			. 'print(input())', {
			output => "in-$tag\n", images => { map { $_ => 'URL' }
				'a.png', "$tag.png" } },
			uri => '/stored', bytes => bytes_of($tag)) }],
);

# One of each kind comes first.

my @kinds = grep { $kind{$_}[0] } sort keys %kind;
my @lots = map { ($_) x $kind{$_}[0] } @kinds;

sub make_request ($caller, $n) {
	my $tag = "$caller-" . substr md5_hex("$seed $caller $n"), 0, 12;
	my $name = $kinds[$n] // $lots[rand @lots];
	my ($code, $wanted, %more) = $kind{$name}[1]->($tag);

	return { name => $name, tag => $tag, status => 200, %more,
		wanted => $wanted && $json->encode($wanted) . "\n",
		text => $t->request(POST => $more{uri} // '/runcode',
			keepalive => 1, body => $more{body} // $json->encode({
				code => $code, stdin => "in-$tag",
				variables => { tag => $tag,
					other => { x => [0, $tag] } },
				timeout => $more{timeout} // 50 })) };
}

###############################################################################

# One caller: a process of its own, which tells what was wrong

my (%done, @wrong, %slot, $select);

sub ask ($caller, $n, $socket = undef) {
	my $request = make_request($caller, $n);

	$socket //= $t->connect;
	write_all($socket, $request->{text});
	$select->add($socket);
	$slot{$socket} = $request;
	$request->{until} = time + rand 0.2 if $request->{abort};
}

# What is wrong with the body, or nothing.  Stored images are fetched.

sub differs ($request, $r) {
	my $body = $r->body;

	return 'status ' . ($r->status // 'none')
		if !$r->complete || $r->status != $request->{status};

	if ($request->{bytes}) {
		my @path;

		$body =~ s{"http://localhost(/image/[0-9a-f-]{36}_([^"]+))"}{
			push @path, [$1, $2]; '"URL"'}ge;

		for (@path) {
			my $image = $t->http_get($_->[0]);
			return "image $_->[1]" if $image->status != 200
				|| $image->body ne $request->{bytes};
		}
	}

	return $body eq $request->{wanted} ? () : 'body';
}

sub take ($socket) {
	my $request = delete $slot{$socket};
	my $r = $t->read_response($socket, timeout => 60);
	my ($difference) = differs($request, $r);

	$select->remove($socket);
	$done{ $request->{name} }++;
	push @wrong, "$request->{name} $request->{tag}: $difference: "
		. substr $r->raw, 0, 900 if defined $difference;

	# Now and then another connection, and so perhaps another worker.

	return $r->complete && ($r->header('Connection') // '') ne 'close'
		&& rand > 0.05 ? $socket : undef;
}

sub drop ($socket) {
	my $request = delete $slot{$socket};

	$select->remove($socket);
	$done{ $request->{name} }++;
	rand > 0.5 ? close $socket : $t->abort($socket);
}

sub call ($caller, $count) {
	my $n = 0;

	srand hex substr md5_hex("$seed $caller"), 0, 7;
	$select = IO::Select->new;
	ask($caller, $n++) while $n < $connections && $n < $count;

	while ($select->count) {
		my $now = time;

		for my $socket ($select->can_read(0.02)) {
			next if !$slot{$socket} || $slot{$socket}{abort};
			my $kept = take($socket);
			ask($caller, $n++, $kept) if $n < $count;
		}

		for my $socket ($select->handles) {
			next if ($slot{$socket}{until} // $now) >= $now;
			drop($socket);
			ask($caller, $n++) if $n < $count;
		}
	}

	return { done => \%done, wrong => \@wrong };
}

sub start_caller ($caller) {
	pipe my $read, my $write or die "pipe: $!";
	defined(my $pid = fork) or die "fork: $!";

	if (!$pid) {
		$SIG{INT} = $SIG{TERM} = 'DEFAULT';
		my $report = eval { call($caller, $runs / @callers) }
			// { done => {}, wrong => ["died: $@"] };
		close $read;
		print $write $json->encode($report);
		close $write;
		POSIX::_exit(0);
	}

	close $write;
	return { name => $caller, pid => $pid, read => $read };
}

###############################################################################

$t->warm('codeexec', 12);
$t->baseline;

my $began = time;
my @started = map { start_caller($_) } @callers;
my %total;

for my $caller (@started) {
	my $text = do { local $/; readline $caller->{read} };
	my $report = $json->decode($text || '{"done":{},"wrong":["no report"]}');
	my $done = 0;

	waitpid $caller->{pid}, 0;
	$total{$_} += $report->{done}{$_}, $done += $report->{done}{$_}
		for keys %{ $report->{done} };

	my @bad = @{ $report->{wrong} };
	is($done, int($runs / @callers), "$caller->{name}: $done answers");
	is(scalar @bad, 0, "$caller->{name}: every one is its own")
		|| diag(join "\n", @bad > 10 ? @bad[0 .. 9] : @bad);
}

note(sprintf '%.1f s; %s', time - $began,
	join ', ', map { "$_ $total{$_}" } sort keys %total);
cmp_ok($total{$_} // 0, '>', 0, "of kind $_")
	for @kinds[0 .. ($runs / 2 < @kinds ? $runs / 2 : @kinds) - 1];

ok($t->settle, 'settles');

my $state = $t->state;
is($state->{runs_started}, $state->{runs_finished} + $state->{runs_aborted},
	'every run was finished or aborted');
is($state->{runs_lost}, 0, 'none was lost');
is($state->{busy}, 0, 'nobody was sent away');

$t->disconnect;
my %kept = map { $_ => delete $t->{baseline}{$_} }
	grep { /nginx: worker|codeexecd -c/ } keys %{ $t->{baseline} };
$t->check_leaks;
$t->{baseline} = \%kept;
$t->check_leaks('descriptors of kept connections', 24);

$t->honest('still well');
$t->done_testing;
