#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# The image: it is built, and run with the options that Dockerfile begins with;
# then its own tests are run in it, and the units under a systemd.  This takes
# half an hour, a Docker engine and packages from the network, so it is only
# done when it is asked for:
#
#     CODEEXEC_DOCKER=1             with the Docker engine that there is
#     CODEEXEC_DOCKER_BASE=IMAGE    built from that in place of Debian's image
#     CODEEXEC_DOCKER_BUILT=1       the images are there already

use v5.36;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Process;

plan(skip_all => 'CODEEXEC_DOCKER is not set') if !$ENV{CODEEXEC_DOCKER};
plan(skip_all => 'no Docker engine answers')
	if system 'timeout 20 docker info >/dev/null 2>&1';

alarm($ENV{CODEEXEC_TIMEOUT} // 3600);
chdir $Test::Codeexec::ROOT or die;
$ENV{DOCKER_BUILDKIT} //= 0;

my $name = "codeexec-test-$$";
my @containers;

END {
	local $?;
	system 'docker', 'rm', '-f', @containers if @containers;
}

# Exit status and output of docker.

sub docker (@args) {
	open my $out, '-|', 'sh', '-c', 'exec docker "$@" 2>&1 </dev/null',
		'sh', @args or die "docker: $!";
	my $text = do { local $/; <$out> } // '';
	close $out;
	return ($? >> 8, $text);
}

sub build ($tag, @args) {
	return if $ENV{CODEEXEC_DOCKER_BUILT};
	my ($code, $out) = docker('build', '-q', '--network', 'host', '-t',
		$tag, @args, '.');
	is($code, 0, "$tag: built") || BAIL_OUT($out);
}

# The options are those of the documentation, but for the network.

my $head = Test::Codeexec::Process::slurp('Dockerfile') =~ s/^# ?//mgr;
my ($documented) = $head =~ /docker run -d -p \S+ (.*?) codeexec$/ms;
my @options = split ' ', $documented =~ s/\\\n//gr;

ok("@options" !~ /privileged|unconfined/ && @options > 5,
	'the options ask for little') || diag("@options");

# Starts a container, which may fail; returns its name.

my $n = 0;

sub start ($image, @args) {
	my $container = "$name-" . $n++;

	push @containers, $container;
	my ($code, $out) = docker('run', '-d', '--name', $container,
		'--network', 'none', @args, $image);
	is($code, 0, 'docker run') || diag($out);
	return $container;
}

sub in ($container, @command) { return docker('exec', $container, @command) }

sub is_healthy ($container) {
	return (in($container, '/usr/local/lib/codeexec/healthcheck'))[0] == 0;
}

sub running ($container) {
	return (docker('inspect', '-f', '{{.State.Running}}', $container))[1]
		=~ /true/;
}

sub exit_code ($container) {
	return (docker('inspect', '-f', '{{.State.ExitCode}}', $container))[1] + 0;
}

sub logs ($container) { return (docker('logs', $container))[1] }

sub post ($container, $json) {
	return (in($container, 'bash', '-c', <<~'EOS', '-', $json))[1];
		exec 3<>/dev/tcp/127.0.0.1/8080
		printf 'POST /runcode HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s' "${#1}" "$1" >&3
		timeout 30 cat <&3
		EOS
}

sub answers ($container, $what) {
	like(post($container, '{"code":"print(6*7)"}'),
		qr/200 OK.*\{"output":"42\\n"\}/s, "$what: text");
	like(post($container, '{"code":"import matplotlib.pyplot as plt\n'
		. 'plt.plot([1,2])\nplt.savefig(\"a.png\")"}'),
		qr/\{"images":\{"a\.png":"iVBORw0KGgo/, "$what: a plot");
	like(post($container, '{"code":"while True: pass","timeout":0.5}'),
		qr/ 504 /, "$what: a loop");
}

sub checked ($container, $what) {
	my ($code, $out) = in($container, 'codeexecd', '--check');
	is($code, 0, "$what: --check") || diag($out);
	is(join(' ', $out =~ /^(\S+) +(?:FAIL|WARN)/mg), '',
		"$what: no layer is missing") || diag($out);
	note($out);
}

###############################################################################

build('codeexec', $ENV{CODEEXEC_DOCKER_BASE}
	? ('--build-arg', "BASE=$ENV{CODEEXEC_DOCKER_BASE}") : ());
build('codeexec-test', '-f', 'docker/test.Dockerfile');
build('codeexec-systemd', '-f', 'docker/systemd.Dockerfile');
note((docker('images', '--format', '{{.Repository}} {{.Size}}'))[1]);

# As documented

my $container = start('codeexec', @options);
ok(wait_until(60, sub { is_healthy($container) }), 'it is healthy')
	|| diag(logs($container));
answers($container, 'container');
checked($container, 'container');

my (undef, $status) = in($container, 'bash', '-c',
	'grep -h "" /proc/[0-9]*/status');
my %caps;
$caps{$1}{$2} = 1 while $status =~ /^Name:\s*(\S+).*?^CapEff:\s*(\w+)/msg;
is(join(' ', sort keys %{ $caps{codeexecd} }), '00000000002000c5',
	'codeexecd has five capabilities');
is(join(' ', sort keys %{ $caps{nginx} }), '0000000000000000',
	'nginx has none');
unlike($status, qr/^NoNewPrivs:\s*0/m, 'no new privileges for anybody');
unlike($status, qr/^Seccomp:\s*0/m, 'a filter for everybody');
isnt((in($container, 'touch', '/usr/x'))[0], 0, 'the image is read-only');

is((docker('stop', '-t', 20, $container))[0], 0, 'docker stop');
is(exit_code($container), 0, 'it ends well') || diag(logs($container));

# When one of the two dies the container ends, for others to start it again

for my $victim (qw/codeexecd nginx/) {
	my $container = start('codeexec', @options);
	wait_until(60, sub { is_healthy($container) });
	in($container, 'bash', '-c', <<~'EOS', '-', $victim);
		for p in /proc/[0-9]*; do
			[ "$(cat $p/comm)" = "$1" ] || continue
			setpriv --reuid="$(stat -c %u $p)" bash -c "kill -9 ${p#/proc/}"
			break
		done
		EOS
	ok(wait_until(20, sub { !running($container) }),
		"$victim dies: the container ends");
	isnt(exit_code($container), 0, "$victim dies: as a failure");
}

# What is taken away must keep it from starting

for my $less (
	[qr/the layer "namespaces" is missing/, '--cap-add=SYS_ADMIN'],
	[qr/Operation not permitted/, '--cap-add=SETUID'],
	[qr/the layer "root" is missing/,
		'--security-opt seccomp=docker/seccomp.json'],
) {
	my ($why, $option) = @$less;
	my @less = split ' ', "@options" =~ s/\Q$option\E//r;
	my $container = start('codeexec', @less);

	ok(wait_until(30, sub { !running($container) }),
		"without $option: it ends");
	isnt(exit_code($container), 0, "without $option: as a failure");
	like(logs($container), $why, "without $option: says why");
	note(logs($container));
}

# The tests, with its privileges; KILL is for those that kill a worker of nginx,
# DAC_OVERRIDE for those that reach into a jail from outside

my @hostile = map { m{(40-hostile-.*)\.t$} ? $1 : () } glob 't/40-hostile-*.t';

for my $test (qw/31-python 32-limits 33-truth/, @hostile, qw/41-isolation
	42-abort 44-files 45-random/)
{
	my ($code, $out);

	# Many of them measure time, and the machine may have been busy.

	for my $try (1, 2) {
		($code, $out) = docker('run', '--rm', '--network', 'none',
			@options, '--cap-add=KILL', '--cap-add=DAC_OVERRIDE',
			'--tmpfs', '/tmp',
			'codeexec-test', "t/$test.t");
		last if $code == 0;
		diag("$test, try $try: $out");
	}

	is($code, 0, "in the container: $test");
	note($out =~ /^(Files=.*)/m);
}

# The units: systemd needs a machine, which this container is for it

SKIP: {
	skip 'no control groups to lend', 1
		if !-w '/sys/fs/cgroup' || !-d '/sys/fs/cgroup/systemd'
			&& !-e '/sys/fs/cgroup/cgroup.controllers';

	my ($documented) = Test::Codeexec::Process::slurp(
		'docker/systemd.Dockerfile') =~ s/^# ?//mgr
		=~ /docker run -d (.*?) codeexec-systemd$/ms;
	my $container = start('codeexec-systemd',
		split ' ', $documented =~ s/\\\n//gr);
	ok(wait_until(60, sub { is_healthy($container) }), 'units: healthy')
		|| diag((in($container, 'journalctl', '-u', 'codeexecd*'))[1]);
	answers($container, 'units');

	my (undef, $active) = in($container, 'systemctl', 'is-active',
		'codeexecd.socket', 'codeexecd.service', 'nginx.service');
	is($active, "active\n" x 3, 'units: they are active');
	checked_unit($container);

	# The socket stays while codeexecd is started again.

	in($container, 'systemctl', 'kill', '-s', 'KILL', 'codeexecd');
	ok(wait_until(30, sub { is_healthy($container) }),
		'units: started again');
	in($container, 'systemctl', 'stop', 'codeexecd.service');
	is((in($container, 'systemctl', 'is-active', 'codeexecd.service'))[1],
		"inactive\n", 'units: stopped');
	ok(wait_until(30, sub { is_healthy($container) }),
		'units: a request starts it');
	in($container, 'systemctl', 'stop', 'codeexecd.socket',
		'codeexecd.service');
	like(post($container, '{"code":"1"}'), qr/ 502 /, 'units: both stopped');
}

done_testing();

# --check with the options of the unit, and not below its control group.

sub checked_unit ($container) {
	my ($code, $out) = in($container, 'bash', '-c', <<~'EOS');
		sed -e 's/^Type=.*/Type=oneshot/; s/-c \S*$/& --check/' \
		    -e '/^Restart=/d; /^RuntimeDirectory/d' \
		    /usr/local/lib/systemd/system/codeexecd.service \
		    >/run/systemd/system/check.service
		systemctl daemon-reload && systemctl start check
		result=$?
		journalctl -o cat -u check
		exit $result
		EOS
	is($code, 0, 'units: --check') || diag($out);
	is(join(' ', $out =~ /^(\S+) +(?:FAIL|WARN)/mg), '',
		'units: no layer is missing') || diag($out);
	note($out);
}
