package Test::Postgres;

# Copyright (C) The codeexec authors.

# A real PostgreSQL server of a test's own: a cluster in the test's directory,
# made from a template that is kept below build/, and a client that is just
# large enough to ask it things.

use v5.36;

use Digest::MD5 qw/md5_hex/;
use Fcntl qw/LOCK_EX/;
use File::Path qw/remove_tree/;
use File::Temp qw/tempdir/;
use IO::Socket::UNIX;
use POSIX ();
use Test::More import => [qw/diag plan/];
use Time::HiRes qw/sleep time/;

use Test::Codeexec;
use Test::Codeexec::Process;

our $APPLICATION = 'nginx-codeexec';

# What the module's role is called; on TCP it needs this password.

our ($USER, $PASSWORD) = ('codeexec', "se'cr\\et \xc3\xa9");

my @INITDB = qw/-U postgres -A trust --no-locale -E UTF8 --wal-segsize=1
	--no-sync/;

# Small, fast, and of no use to anybody after the test.

my %CONF = (
	autovacuum => 'off',
	dynamic_shared_memory_type => 'mmap',
	fsync => 'off',
	full_page_writes => 'off',
	jit => 'off',
	listen_addresses => '127.0.0.1',
	log_timezone => 'UTC',
	max_connections => 60,
	max_parallel_workers => 0,
	max_wal_senders => 0,
	max_wal_size => '128MB',
	max_worker_processes => 0,
	shared_buffers => '24MB',
	synchronous_commit => 'off',
	timezone => 'UTC',
	wal_level => 'minimal',
);

my $HBA = <<~'EOF';
	local    all  all                  trust
	hostssl  all  all    127.0.0.1/32  scram-sha-256
	hostnossl all tls    127.0.0.1/32  reject
	host     all  all    127.0.0.1/32  scram-sha-256
	EOF

my $ROLES = <<~"EOF";
	CREATE ROLE $USER LOGIN PASSWORD '${\ ($PASSWORD =~ s/'/''/gr)}';
	CREATE ROLE tls LOGIN PASSWORD '${\ ($PASSWORD =~ s/'/''/gr)}' IN ROLE $USER;
	CREATE DATABASE $USER OWNER $USER;
	EOF

###############################################################################

# Programs

sub bindir {
	state $bindir = do {
		my %version = map { m{/(\d+)/bin/} ? ($_ => $1) : ($_ => 0) }
			grep { -x } glob '/usr/lib/postgresql/*/bin/postgres';
		my ($postgres) = sort { $version{$b} <=> $version{$a} }
			keys %version;

		($postgres) = grep { -x } map { "$_/postgres" }
			split /:/, $ENV{PATH} if !$postgres;
		($postgres // '') =~ s{/postgres$}{}r;
	};

	return $bindir;
}

# Runs a program of PostgreSQL, which refuses root, and waits for it.

sub program ($name, $in, @arg) {
	my $pid = open my $out, '-|';

	defined $pid or die "cannot fork: $!";
	exec_program($name, $in, @arg) if !$pid;

	my $text = do { local $/; <$out> };
	close $out;
	return wantarray ? ($text, $? == 0) : $text;
}

sub exec_program ($name, $in, @arg) {
	delete @ENV{ grep { /^(?:PG|LC_|LANG)/ } keys %ENV };
	$ENV{HOME} = '/nonexistent';
	open STDIN, '<', $in;
	open STDERR, '>&', \*STDOUT;
	become_postgres();
	die_with_parent();
	chdir '/';
	alarm 0;
	$SIG{PIPE} = 'DEFAULT';
	{ no warnings; exec bindir() . "/$name", @arg }
	POSIX::_exit(127);
}

sub become_postgres {
	return if $> != 0;

	my ($uid, $gid) = (getpwnam 'postgres')[2, 3];
	$( = $gid;
	$) = "$gid $gid";
	POSIX::setuid($uid);
}

# A test that is killed takes its server with it.

sub die_with_parent {
	my %prctl = (x86_64 => 157, aarch64 => 167);
	my $nr = $prctl{(POSIX::uname())[4]} or return;
	syscall $nr, 1, POSIX::SIGQUIT(), 0, 0, 0;
}

# A directory that belongs to whoever runs the server.

sub own_directory ($dir, $mode) {
	mkdir $dir or die "$dir: $!";
	chmod $mode, $dir;
	chown((getpwnam 'postgres')[2, 3], $dir) if $> == 0;
	return $dir;
}

###############################################################################

# The template: a cluster with roles and certificates.  It is made where the
# server's user can get at, and copied to build/ and from there with its owners.

sub make_cluster ($dir) {
	own_directory($dir, 0700);

	my ($out, $good) = program(initdb => '/dev/null', @INITDB, '-D', $dir);
	$good or die "initdb: $out\n";

	append("$dir/postgresql.conf", map { "$_ = '$CONF{$_}'\n" }
		sort keys %CONF);
	open my $hba, '>', "$dir/pg_hba.conf" or die "pg_hba.conf: $!";
	print $hba $HBA;
	close $hba;

	certificate($dir, 'server', 'DNS:localhost,DNS:db.test,IP:127.0.0.1')
		&& certificate($dir, 'other', 'DNS:other.test')
		&& append("$dir/postgresql.conf", "ssl = on\n");

	# In single-user mode a statement is a line.

	my $sql = "$dir/roles.sql";
	append($sql, $ROLES);
	($out) = program(postgres => $sql, '--single', '-F', '-D', $dir,
		'postgres');
	unlink $sql;
	$out !~ /ERROR|FATAL|PANIC/ or die "roles: $out\n";
}

sub append ($file, @text) {
	open my $fh, '>>:raw', $file or die "$file: $!";
	print $fh @text;
	return close $fh;
}

sub certificate ($dir, $name, $names) {
	my $cn = $names =~ /^DNS:([^,]+)/ ? $1 : $name;
	my @key = qw/-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes/;
	my $out = `openssl req -x509 @key -days 3650 -subj /CN=$cn \\
		-addext subjectAltName=$names -keyout $dir/$name.key \\
		-out $dir/$name.crt 2>&1`;

	return 0 if $? != 0;
	chmod 0600, "$dir/$name.key";
	chown((getpwnam 'postgres')[2, 3], "$dir/$name.key") if $> == 0;
	return 1;
}

# Copies the template to $dir; the first who needs it makes it.

sub copy_cluster ($dir) {
	my $build = "$Test::Codeexec::ROOT/build";

	return make_cluster($dir) if !-d $build || !-w $build;

	my $key = md5_hex(join "\0", program(postgres => '/dev/null',
		'--version'), $>, @INITDB, %CONF{ sort keys %CONF }, $HBA,
		$ROLES, 2);
	my $template = "$build/postgres/$key";

	mkdir "$build/postgres";
	open my $lock, '>', "$build/postgres/lock" or return make_cluster($dir);
	flock $lock, LOCK_EX;

	if (!-d $template) {
		my $temp = tempdir('codeexec-template-XXXXXX', TMPDIR => 1,
			CLEANUP => 1);
		chmod 0755, $temp;
		make_cluster("$temp/new");
		system('cp', '-a', "$temp/new", "$template.$$") == 0
			&& rename "$template.$$", $template
			or die "cannot keep the template: $!\n";
		remove_tree($temp);
	}

	system('cp', '-a', $template, $dir) == 0 or die "cannot copy $template\n";
}

###############################################################################

# The server

sub available { return bindir() ne '' && ($> != 0 || getpwnam 'postgres') }

# Starts one, and empties it into $t's care: it ends when $t does.

sub new ($class, $t, %arg) {
	available() or plan(skip_all => 'no PostgreSQL');

	my $name = $arg{name} // 'db';
	my $dir = own_directory($t->dir . "/$name", 0755);
	my $self = bless { t => $t->dir, name => $name, dir => $dir,
		data => "$dir/data", port => $arg{port} // $t->port(
			50 + grep { ref =~ /Postgres/ } values %{ $t->{fake} }),
		owner => $$ }, $class;

	copy_cluster($self->{data});
	append("$self->{data}/postgresql.conf", "port = $self->{port}\n",
		"unix_socket_directories = '$dir'\n",
		map { "$_ = '$arg{conf}{$_}'\n" } sort keys %{ $arg{conf} });

	for my $crt (qw/server other/) {
		next if !-e "$self->{data}/$crt.crt";
		system('cp', "$self->{data}/$crt.crt", "$dir/$crt.crt");
		chmod 0644, "$dir/$crt.crt";
	}

	$t->{fake}{"postgres $name"} = $self;
	return $arg{stopped} ? $self : $self->start;
}

sub dir ($self) { return $self->{dir} }
sub port ($self) { return $self->{port} }
sub pid ($self) { return $self->{pid} }
sub log ($self) { return "$self->{dir}/log" }

sub has_ssl ($self) { return -e "$self->{dir}/server.crt" }

sub start ($self) {
	defined(my $pid = fork) or die "cannot fork: $!";

	if (!$pid) {
		open STDOUT, '>>', $self->log;
		exec_program(postgres => '/dev/null', '-D', $self->{data});
	}

	@$self{qw/pid owner/} = ($pid, $$);

	my $ready = wait_until(20, sub {
		eval { $self->psql('SELECT 1') } || exited($pid);
	});

	return $self if $ready && eval { $self->psql('SELECT 1') eq '1' };
	diag($self->log_text);
	die "PostgreSQL did not start\n";
}

# "smart" waits for clients, "fast" ends their sessions, "immediate" is a crash
# that the server takes part in.  True if it ended in time.

sub stop ($self, $how = 'immediate', $timeout = 10) {
	return 1 if !$self->{pid} || $self->{owner} != $$;

	my %signal = (smart => 'TERM', fast => 'INT', immediate => 'QUIT');

	delete $self->{client};
	$self->thaw if $self->{frozen};
	return end_process(delete $self->{pid}, $signal{$how}, $timeout);
}

sub restart ($self, $how = 'fast') {
	$self->stop($how);
	return $self->start;
}

# The postmaster is killed, and its children find out by themselves.

sub crash ($self) {
	my $pid = delete $self->{pid} // return;
	my @children = children($pid);

	delete $self->{client};
	kill KILL => $pid;
	waitpid $pid, 0;
	wait_until(5, sub {
		waitpid $_, POSIX::WNOHANG() for @children;
		return !grep { -e "/proc/$_" } @children;
	});
}

# A server that is there and says nothing.

sub freeze ($self) {
	delete $self->{client};
	$self->{frozen} = [$self->{pid}, children($self->{pid})];
	kill STOP => @{ $self->{frozen} };
}

sub thaw ($self) {
	kill CONT => reverse @{ delete $self->{frozen} // [] };
}

# Changes settings of a server that runs.

sub set ($self, %conf) {
	append("$self->{data}/postgresql.conf",
		map { "$_ = '$conf{$_}'\n" } sort keys %conf);
	$self->psql('SELECT pg_reload_conf()');

	# The postmaster tells its children, which takes a moment.

	for my $name (sort keys %conf) {
		wait_until(2, sub {
			delete $self->{client};
			$self->psql("SELECT 1 FROM pg_file_settings f JOIN "
				. 'pg_settings s USING (name) WHERE name = '
				. quote($name) . ' AND (f.setting = s.setting '
				. "OR s.unit IS NOT NULL OR s.vartype = 'bool')"
				. ' AND f.applied');
		});
	}

	return $self;
}

sub log_text ($self) {
	open my $fh, '<', $self->log or return '';
	local $/;
	return <$fh> // '';
}

sub DESTROY ($self) {
	local ($?, $!);
	$self->stop;
}

###############################################################################

# What nginx is told

sub conninfo ($self, @more) {
	return join ' ', "host=$self->{dir}", "port=$self->{port}",
		"dbname=$USER", "user=$USER", @more;
}

sub tcp_conninfo ($self, @more) {
	unshift @more, 'sslmode=disable' if "@more" !~ /sslmode/;
	unshift @more, 'host=127.0.0.1' if "@more" !~ /\bhost=/;
	return join ' ', "port=$self->{port}", "dbname=$USER", "user=$USER",
		@more;
}

# A codeexec_pg block; options as they are in it, or undef for none.

sub block ($self, $name = 'images', %option) {
	%option = (conninfo => '"' . $self->conninfo . '"', sweep => 0,
		%option);
	return join '', "codeexec_pg $name {\n",
		(map { "    $_ $option{$_};\n" }
			grep { defined $option{$_} } sort keys %option), "}\n";
}

###############################################################################

# What the test asks

# Rows of text as "a|b\nc|d"; dies with "SQLSTATE message".  By default as the
# owner of everything, on a connection that is kept.

sub psql ($self, $sql, %arg) {
	return $self->client->query($sql) if !%arg;
	return Test::Postgres::Client->new($self, %arg)->query($sql);
}

sub client ($self) {
	return $self->{client}{$$} //= Test::Postgres::Client->new($self);
}

sub quote ($text) {
	return 'NULL' if !defined $text;
	return "'" . $text =~ s/'/''/gr . "'";
}

sub bytea ($bytes) {
	return defined $bytes ? "'\\x" . unpack('H*', $bytes) . "'" : 'NULL';
}

# Runs a file with the real psql.

sub load ($self, $file, $dbname = $USER) {
	my ($out, $good) = program(psql => $file, qw/-X -q -v ON_ERROR_STOP=1
		-U postgres/, '-h', $self->{dir}, '-p', $self->{port}, '-d',
		$dbname);
	$good or die "$file: $out\n";
	return $self;
}

# Another database.

sub database ($self, $name) {
	$self->psql("CREATE DATABASE $name OWNER $USER");
	return $self;
}

# The table as it is meant to be, with roles that may do no more than they must.

sub schema ($self, $dbname = $USER) {
	$self->load("$Test::Codeexec::ROOT/conf/$_.sql", $dbname)
		for qw/schema roles/;
	return $self;
}

# The table as the service before made it.

sub legacy_schema ($self, $dbname = $USER) {
	$self->psql("CREATE TABLE images (id SERIAL PRIMARY KEY, "
		. 'filename VARCHAR NOT NULL UNIQUE, data BYTEA NOT NULL)',
		user => $USER, dbname => $dbname);
	return $self;
}

# Inserts an image: data as bytes or as sql => an expression; the other
# members are expressions.

sub image ($self, $name, %member) {
	my $data = delete $member{sql} // bytea(delete $member{data} // '');
	my %arg = map { $_ => delete $member{$_} } grep { exists $member{$_} }
		qw/user dbname/;
	my @columns = sort keys %member;

	$self->psql('INSERT INTO images ('
		. join(', ', qw/filename data/, @columns) . ') VALUES ('
		. join(', ', quote($name), $data, @member{@columns}) . ')',
		%arg);
	return $name;
}

sub images ($self) {
	return split /\n/, $self->psql(
		'SELECT filename FROM images ORDER BY id');
}

# Sessions of the module, or of another application.

sub backends ($self, $application = $APPLICATION, $state = undef) {
	my $and = $state ? 'AND state = ' . quote($state) : '';
	return 0 + $self->psql('SELECT count(*) FROM pg_stat_activity WHERE '
		. 'application_name = ' . quote($application) . " $and");
}

# Waits until there are that many, and says how many there are.

sub wait_backends ($self, $n, $timeout = 3, @arg) {
	my $now;

	wait_until($timeout, sub { ($now = $self->backends(@arg)) == $n });
	return $now;
}

# Ends sessions, all or those of that age; says how many.

sub terminate_backends ($self, $application = undef, $age = '0 s') {
	return 0 + $self->psql('SELECT count(pg_terminate_backend(pid)) FROM '
		. 'pg_stat_activity WHERE application_name = '
		. quote($application // $APPLICATION) . ' AND backend_start '
		. "<= clock_timestamp() - interval '$age'");
}

###############################################################################

package Test::Postgres::Client;

# The simple query protocol over the unix socket, where everybody is trusted.

sub new ($class, $server, %arg) {
	my $socket = IO::Socket::UNIX->new(
		Peer => "$server->{dir}/.s.PGSQL.$server->{port}")
		or die "cannot connect: $!\n";
	my $self = bless { socket => $socket }, $class;
	my $startup = join "\0", user => $arg{user} // 'postgres',
		database => $arg{dbname} // $USER,
		application_name => $arg{application} // 'test', "\0";

	$self->send(pack 'NNa*', 8 + length $startup, 196608, $startup);
	$self->answer;
	return $self;
}

sub send ($self, $bytes) {
	my $sent = 0;

	while ($sent < length $bytes) {
		$sent += syswrite($self->{socket}, $bytes, 1 << 20, $sent)
			// die "connection lost\n";
	}
}

sub query ($self, $sql) {
	$self->send_query($sql);
	return $self->answer;
}

# Without waiting for the answer.

sub send_query ($self, $sql) {
	utf8::encode($sql) if utf8::is_utf8($sql);
	$self->send(pack 'aNa*', 'Q', 5 + length $sql, "$sql\0");
	return $self;
}

sub answer ($self) {
	my (@rows, $error);

	while (1) {
		my ($type, $length) = unpack 'aN', $self->read(5);
		my $body = $self->read($length - 4);

		if ($type eq 'D') {
			push @rows, join '|', values_of($body);
		} elsif ($type eq 'E') {
			my %field = map { /^(.)(.*)/s } split /\0/, $body;
			$error //= "$field{C} $field{M}\n";
			die $error if $field{S} eq 'FATAL';
		} elsif ($type eq 'Z') {
			last;
		}
	}

	die $error if defined $error;
	return join "\n", @rows;
}

sub values_of ($body) {
	my $n = unpack 'n', $body;
	my $at = 2;

	return map {
		my $length = unpack 'l>', substr $body, $at, 4;
		my $value = $length < 0 ? '' : substr $body, $at + 4, $length;
		$at += 4 + ($length < 0 ? 0 : $length);
		$value;
	} 1 .. $n;
}

sub read ($self, $size) {
	my $bytes = '';

	while (length $bytes < $size) {
		my $n = sysread $self->{socket}, $bytes, $size - length $bytes,
			length $bytes;
		next if !defined $n && $!{EINTR};
		die "connection lost\n" if !$n;
	}

	return $bytes;
}

1;

__END__

=head1 NAME

Test::Postgres - a PostgreSQL server of the test's own

=head1 SYNOPSIS

	my $t = Test::Codeexec->new;
	my $db = Test::Postgres->new($t)->schema;

	$t->write_conf(<<~EOC);
		${\ $db->block('images', max_connections => 2)}
		server { ... }
		EOC

	is($db->psql('SELECT count(*) FROM images'), 0, 'empty');

=head1 THE SERVER

C<new($t, name => 'db', conf => { setting => value }, stopped => 1)> makes a
cluster in the directory of the test and starts it; the test is skipped if
there is no PostgreSQL.  Root becomes the user postgres.  The cluster is copied
from a template in build/postgres, made by the first test that needs it.

C<start>, C<stop('smart' | 'fast' | 'immediate')>, C<restart>, C<crash> (kills
the postmaster), C<freeze> and C<thaw> (SIGSTOP), C<set(setting => value)>,
C<pid>, C<port>, C<dir> (of the socket), C<log_text>.

On the unix socket everybody is trusted.  On 127.0.0.1 the role C<codeexec>
needs C<$PASSWORD>, with or without TLS, and the role C<tls> is let in with TLS
only.  C<server.crt> and C<other.crt> in C<dir> are self-signed: the server's,
for localhost, db.test and 127.0.0.1, and one that it could use instead, for
other.test.

=head1 NGINX

C<conninfo(@more)>, C<tcp_conninfo(@more)> and C<block($name, %options)>.

=head1 SQL

C<psql($sql)> returns rows as C<a|b>, one per line, and dies with SQLSTATE and
message; C<< psql($sql, user => $role) >> opens a session for it.
C<client>, C<Test::Postgres::Client-E<gt>new($db)> and their C<query>,
C<send_query> and C<answer> are for sessions that hold locks.

C<database($name)>, C<schema($dbname)>, C<legacy_schema($dbname)>,
C<load($file)>; C<image($name, data => $bytes)>, C<images>; C<backends>, C<wait_backends($n)>, C<terminate_backends>;
C<quote($text)>, C<bytea($bytes)>.

=cut
