package Test::Codeexec::Process;

# Copyright (C) The codeexec authors.

# Processes as /proc shows them, and waiting for them.

use v5.36;

use Exporter qw/import/;
use POSIX qw/WNOHANG/;
use Time::HiRes qw/sleep time/;

our @EXPORT = qw/be_subreaper children cmdline descendants descriptors
	end_process exited mounts wait_until/;

# Orphans of nginx and codeexecd become our children, so none can hide.

sub be_subreaper {
	my %prctl = (x86_64 => 157, aarch64 => 167);
	my $nr = $prctl{(POSIX::uname())[4]} or return;
	syscall $nr, 36, 1, 0, 0, 0;
}

sub exited ($pid) {
	return waitpid($pid, WNOHANG) != 0;
}

sub end_process ($pid, $signal, $timeout) {
	kill $signal => $pid;
	my $done = wait_until($timeout, sub { waitpid($pid, WNOHANG) != 0 });

	if (!$done) {
		kill KILL => $pid, children($pid);
		waitpid $pid, 0;
	}

	return $done;
}

sub wait_until ($timeout, $condition) {
	my $end = time + $timeout;

	while (1) {
		my $result = $condition->();
		return $result if $result;
		return if time > $end;
		sleep 0.005;
	}
}

sub slurp ($file) {
	open my $fh, '<', $file or return '';
	local $/;
	return <$fh> // '';
}

sub cmdline ($pid) {
	return slurp("/proc/$pid/cmdline") =~ tr/\0/ /r =~ s/\s+$//r;
}

sub children ($pid) {
	return if !defined $pid;
	return map { split ' ', slurp($_) } glob "/proc/$pid/task/*/children";
}

# Zombies are not among them, they only wait for their parent.

sub descendants ($pid) {
	my @living = grep { slurp("/proc/$_/stat") =~ /\) [^ZX]/ }
		children($pid);
	return map { ($_, descendants($_)) } @living;
}

sub descriptors ($pid) { return scalar(my @fd = glob "/proc/$pid/fd/*") }

sub mounts { return slurp('/proc/self/mountinfo') =~ tr/\n// }

1;
