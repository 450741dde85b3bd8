package Test::Codeexec::Packages;

# Copyright (C) The codeexec authors.

# The harness with directories of packages, codeexec-packages, and an index and
# a registry of its own behind nginx.

use v5.36;

use IO::Select;
use IPC::Open3;
use JSON::PP;
use Test::More import => [qw/diag is ok plan/];

use Test::Codeexec;
use Test::Codeexec::Real;

our @ISA = qw/Test::Codeexec::Real/;

our $PROGRAM = "$Test::Codeexec::ROOT/sandbox/packages/codeexec-packages";

# runtimes are changes to the two of the test, and http comes before its servers.

sub start ($class, %arg) {
	plan(skip_all => 'no pip')
		if system('/usr/bin/python3 -Ic "import pip" 2>/dev/null');

	my $t = $class->SUPER::new->has('daemon');
	my $dir = $t->dir;

	mkdir "$dir/$_" for qw(packages packages/python packages/nodejs www);
	$t->write_conf(($arg{http} // '') . <<'EOC');
		upstream sandbox { server unix:%%SOCK%%; keepalive 8; }
		server {
		    listen 127.0.0.1:%%PORT_0%%;
		    codeexec_api native;
		    location / { codeexec_pass sandbox; }
		}
		server {
		    listen 127.0.0.1:%%PORT_1%%;
		    root %%TESTDIR%%/www;
		    access_log %%TESTDIR%%/www.log;
		    default_type text/html;
		    location /npm/ {
		        default_type application/json;
		        try_files $uri $uri/index.json =404;
		    }
		}
EOC

	my %runtime = (python => {
		packages => "$dir/packages/python",
		tier => { base => { spare => 2 } },
		%{ $arg{python} // {} },
	});

	$runtime{nodejs} = {
		kind => 'node',
		interpreter => '/usr/bin/node',
		packages => "$dir/packages/nodejs",
		tier => { base => { spare => 2 } },
	} if $arg{node};

	$t->run_daemon(conf => { runtime => \%runtime, %{ $arg{conf} // {} } });
	$t->run;
	return $t->configure;
}

# Options of codeexec-packages beside those of the test; undef takes one away.

sub configure ($t, %option) {
	my $url = 'http://127.0.0.1:' . $t->port(1);

	%option = (directory => $t->dir . '/packages', index => "$url/simple",
		registry => "$url/npm/", timeout => 40,
		sockets => [$t->socket], %option);
	$t->write_file('packages.conf', join '', map {
		my $value = $option{$_};
		"$_ = " . (ref $value ? '{' . join(', ', map { qq("$_") } @$value)
			. '}' : qq("$value")) . "\n";
	} grep { defined $option{$_} } sort keys %option);
	return $t;
}

# Makes packages; returns their hashes by "NAME VERSION".

sub offer ($t, @specs) {
	my %hash;
	my $pid = open3(my $in, my $out, undef, '/usr/bin/python3', '-IB',
		"$Test::Codeexec::ROOT/t/packages/make.py", $t->dir . '/www',
		'http://127.0.0.1:' . $t->port(1) . '/npm');

	$t->{specs} = [@{ $t->{specs} // [] }, @specs];
	print $in JSON::PP->new->utf8->encode($t->{specs});
	close $in;
	while (<$out>) {
		my ($name, $version, $hash) = split;
		$hash{"$name $version"} = $hash // die "make.py: $_";
	}
	waitpid $pid, 0;
	die "make.py failed\n" if $?;
	return \%hash;
}

sub wheel ($name, $version, $files, %more) {
	return { kind => 'wheel', name => $name, version => $version,
		files => $files, %more };
}

# Runs codeexec-packages; returns its status and what it said.

sub packages ($t, $command, @arguments) {
	my $pid = open3(my $in, my $out, undef, $PROGRAM, $command, '-c',
		$t->dir . '/packages.conf', @arguments);

	close $in;
	my $said = do { local $/; <$out> } // '';
	waitpid $pid, 0;
	return ($? >> 8 || $? && 255, $said);
}

sub packages_ok ($t, $pattern, @arguments) {
	my ($status, $said) = $t->packages(@arguments);

	return ok($status == 0 && $said =~ $pattern, "@arguments")
		|| diag("status $status: $said");
}

sub packages_fail ($t, $pattern, @arguments) {
	my ($status, $said) = $t->packages(@arguments);

	return ok($status == 1 && $said =~ $pattern
		&& $said !~ /Traceback/, "@arguments: refused")
		|| diag("status $status: $said");
}

1;
