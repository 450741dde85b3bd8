package Test::FakePostgres;

# Copyright (C) The codeexec authors.

# A scripted PostgreSQL server.  It speaks version 3 of the protocol to any
# client, says what the test wants it to, well or badly, and notes everything
# it was asked.

use v5.36;

use Test::FakeSandbox ();
use Test::Postgres ();

our @ISA = qw/Test::FakeSandbox/;

# What the module's lookup returns: name, type, and how it is sent.

our %OID = (bool => 16, bytea => 17, int8 => 20, int4 => 23, text => 25,
	xid => 28, timestamptz => 1184);

our @LOOKUP = ([content_type => 'text'], [size => 'int4'],
	[created => 'timestamptz'], [expires => 'timestamptz'],
	[sha256 => 'bytea'], [id => 'int8'], [version => 'xid'],
	[data => 'bytea']);

my %PARAMETERS = (
	server_version => '15.0',
	server_encoding => 'UTF8',
	client_encoding => 'UTF8',
	DateStyle => 'ISO, MDY',
	default_transaction_read_only => 'off',
	in_hot_standby => 'off',
	integer_datetimes => 'on',
	is_superuser => 'off',
	standard_conforming_strings => 'on',
	TimeZone => 'UTC',
);

###############################################################################

# Messages, as bytes.

sub message ($type, $payload = '') {
	return pack 'aNa*', $type, 4 + length $payload, $payload;
}

# An ErrorResponse, or with the type N a NoticeResponse.

sub error_message ($sqlstate, $text = 'told to fail', %arg) {
	my %field = (S => 'ERROR', V => $arg{S} // 'ERROR', C => $sqlstate,
		M => $text, %arg);
	my $type = delete $field{type} // 'E';

	return message($type, join '',
		(map { "$_$field{$_}\0" } sort keys %field), "\0");
}

# Columns are [name, type] or [name, type, 0] for one in text format.

sub row_description (@columns) {
	return message(T => pack 'n(a*)*', scalar @columns, map {
		my ($name, $type, $binary) = @$_;
		pack 'Z* N n N n N n', $name, 0, 0, $OID{$type} // $type, 0xffff,
			0xffffffff, $binary // 1;
	} @columns);
}

# Values are bytes, or undef for NULL.

sub data_row (@values) {
	return message(D => pack 'n(a*)*', scalar @values, map {
		defined ? pack 'N/a*', $_ : pack 'l>', -1 } @values);
}

# A row of the lookup: type, created, expires, sha256, id, version, data, and
# size if it is not that of the data.  Times are seconds since 1970.

sub lookup_values (%image) {
	my $data = $image{data};
	my $time = sub ($seconds) {
		defined $seconds
			? pack 'q>', int(($seconds - 946684800) * 1e6) : undef;
	};

	return (
		$image{type},
		exists $image{size} ? (defined $image{size}
			? pack 'l>', $image{size} : undef)
			: pack('N', length $data // ''),
		$time->($image{created}),
		$time->($image{expires}),
		$image{sha256},
		pack('q>', $image{id} // 1),
		pack('N', $image{version} // 700),
		$data,
	);
}

###############################################################################

# new($t, name, port | directory of a socket, script, startup, parse, query)

sub new ($class, $t, %arg) {
	my $name = delete $arg{name} // 'fakedb';
	my $port = delete $arg{port}
		// $t->port(70 + grep { ref eq $class } values %{ $t->{fake} });
	my $listen = $port;

	if (my $dir = delete $arg{directory}) {
		-d $dir or mkdir $dir or die "$dir: $!";
		chmod 0755, $dir;
		$listen = "$dir/.s.PGSQL.$port";
	}

	my $self = bless { accept => 1, backlog => 511, listen => $listen,
		port => $port, log => $t->dir . "/$name.fake", %arg }, $class;

	$t->{fake}{"fakepg $name"} = $self;
	return $self->start;
}

sub port ($self) { return $self->{port} }

sub conninfo ($self, @more) {
	my $host = $self->{listen} =~ m{^(/.*)/} ? $1 : '127.0.0.1';
	return join ' ', "host=$host", "port=$self->{port}",
		'dbname=codeexec user=codeexec sslmode=disable', @more;
}

sub block ($self, $name = 'images', %option) {
	return Test::Postgres::block($self, $name, %option);
}

# The statements that were executed, of one kind or all.

sub executed ($self, $kind = undef) {
	return grep { !$kind || $_->{kind} eq $kind } $self->events('execute');
}

sub serve ($self, $c) {
	$c->note('accept');
	$self->{greet}->($c) if $self->{greet};
	$c->startup($self) or return;

	while (my ($type, $body) = $c->read_message) {
		$c->take($self, $type, $body) or return;
	}

	$c->note('eof');
}

###############################################################################

package Test::FakePostgres::Connection;

use Time::HiRes qw/sleep/;

our @ISA = qw/Test::FakeSandbox::Connection/;

sub read_exactly ($self, $size) {
	my $bytes = Test::FakeSandbox::read_bytes($self->{socket}, $size);
	return length($bytes // '') == $size ? $bytes : undef;
}

# SSL and GSS are refused, a request to cancel is noted.

sub startup ($self, $server) {
	while (1) {
		my $head = $self->read_exactly(8) // return;
		my ($length, $code) = unpack 'NN', $head;
		my $rest = $self->read_exactly($length - 8) // return;

		if ($code == 80877103 || $code == 80877104) {
			$self->note(encryption => code => $code);
			$self->send('N');
			next;
		}

		if ($code == 80877102) {
			$self->note('cancel');
			return;
		}

		my %parameters = split /\0/, $rest;
		$self->note(startup => parameters => \%parameters);

		$server->{startup} ? $server->{startup}->($self, \%parameters)
			: $self->welcome;
		return 1;
	}
}

# Lets the client in; parameters of the server as pairs.

sub welcome ($self, %parameter) {
	%parameter = (%PARAMETERS, %parameter);

	$self->out(R => pack 'N', 0);
	$self->out(S => "$_\0$parameter{$_}\0") for sort keys %parameter;
	$self->out(K => pack 'NN', $$, 1);
	$self->ready->flush;
}

sub refuse ($self, $sqlstate, $text = 'told to refuse') {
	$self->error($sqlstate, $text, S => 'FATAL')->flush;
	$self->close;
}

sub read_message ($self) {
	my $head = $self->read_exactly(5) // return;
	my ($type, $length) = unpack 'aN', $head;
	return ($type, $length == 4 ? '' : $self->read_exactly($length - 4));
}

# What is to be sent is collected until the client has synchronised.

sub out ($self, $type, $payload = '') {
	return $self->raw(Test::FakePostgres::message($type, $payload));
}

sub raw ($self, @bytes) {
	$self->{out} .= join '', @bytes;
	return $self;
}

sub ready ($self, $state = undef) {
	return $self->out(Z => $state // $self->{transaction} // 'I');
}

sub flush ($self) {
	my $bytes = delete $self->{out} // '';
	my $mangle = delete $self->{mangle};

	return $mangle->($bytes) if $mangle;
	return $self->send($bytes);
}

# The next flush hands its bytes to this instead.

sub mangle ($self, $how) {
	$self->{mangle} = $how;
	return $self;
}

# ... to be sent in pieces, or only the first $n and then the connection ends.

sub dribbled ($self, $delay = 0.001, $at = undef) {
	return $self->mangle(sub ($bytes) {
		$self->dribble($bytes, $at, $delay) });
}

sub cut ($self, $n) {
	return $self->mangle(sub ($bytes) {
		$self->send(substr $bytes, 0, $n);
		$self->close;
	});
}

sub row ($self, @values) {
	return $self->raw(Test::FakePostgres::data_row(@values));
}

# A row of the lookup.

sub image ($self, %image) {
	return $self->row(Test::FakePostgres::lookup_values(%image));
}

sub complete ($self, $tag = 'SELECT 1') { return $self->out(C => "$tag\0") }

sub notice ($self, $text = 'just so', %arg) {
	return $self->raw(Test::FakePostgres::error_message('00000', $text,
		S => 'NOTICE', %arg, type => 'N'));
}

# Everything up to the next Sync is ignored then, as it has to be.

sub error ($self, $sqlstate, @arg) {
	$self->raw(Test::FakePostgres::error_message($sqlstate, @arg));
	$self->{failed} = 1;
	$self->{transaction} = 'E' if ($self->{transaction} // 'I') eq 'T';
	return $self;
}

###############################################################################

# The client's messages

my %TAKE = (
	P => \&parse, B => \&bind, D => \&describe, E => \&execute,
	C => \&close_statement, H => sub ($self, @) { $self->flush },
	S => \&sync, Q => \&query,
);

sub take ($self, $server, $type, $body) {
	if ($type eq 'X') {
		$self->note('terminate');
		return;
	}

	my $take = $TAKE{$type};

	if (!$take) {
		$self->note(bad => why => "message $type");
		return;
	}

	return 1 if $self->{failed} && $type ne 'S';

	$take->($self, $server, $body);
	return 1;
}

sub kind ($sql) {
	return $sql =~ /\bDELETE\b/i ? 'sweep' : $sql =~ /\bINSERT\b/i ? 'store'
		: $sql =~ /\bFROM\s+\S*images\b/i ? 'lookup'
		: $sql =~ /^\s*(?:BEGIN|START)/i ? 'begin'
		: $sql =~ /^\s*(COMMIT|ROLLBACK|SET|SHOW|END)\b/i ? lc $1
		: 'other';
}

sub parse ($self, $server, $body) {
	my ($name, $sql, @types) = unpack 'Z*Z*n/N', $body;
	my $statement = { name => $name, sql => $sql, types => \@types,
		kind => kind($sql) };

	$self->note(parse => %$statement);

	if ($server->{parse}) {
		$server->{parse}->($self, $statement);
		return if $self->{failed};
	}

	$self->{statement}{$name} = $statement;
	$self->out('1');
}

sub bind ($self, $server, $body) {
	my ($portal, $name) = unpack 'Z*Z*', $body;
	my $at = 2 + length "$portal$name";
	my @formats = unpack "x$at n/n", $body;
	my @values;

	$at += 2 + 2 * @formats;
	my $n = unpack "x$at n", $body;
	$at += 2;

	for (1 .. $n) {
		my $length = unpack 'l>', substr $body, $at, 4;
		push @values, $length < 0 ? undef : substr $body, $at + 4,
			$length;
		$at += 4 + ($length < 0 ? 0 : $length);
	}

	my $statement = $self->{statement}{$name};

	return $self->error('26000', "no statement \"$name\"") if !$statement;

	$self->{portal}{$portal} = { %$statement, params => \@values,
		formats => \@formats, results => [unpack "x$at n/n", $body] };
	$self->out('2');
}

sub describe ($self, $server, $body) {
	my ($what, $name) = unpack 'aZ*', $body;
	my $statement = $self->{ $what eq 'S' ? 'statement' : 'portal' }{$name}
		// return $self->error('34000', "no \"$name\"");

	$self->out(t => pack 'n/N*', @{ $statement->{types} }) if $what eq 'S';
	$self->raw($self->description($server, $statement));
}

sub description ($self, $server, $statement) {
	my $columns = $server->{columns}
		&& $server->{columns}->($self, $statement);

	$columns //= \@Test::FakePostgres::LOOKUP
		if $statement->{kind} eq 'lookup';

	return $columns ? Test::FakePostgres::row_description(@$columns)
		: Test::FakePostgres::message('n');
}

# The script's turn.  Without one there are no images, and all is stored.

sub execute ($self, $server, $body) {
	my $portal = $self->{portal}{ unpack 'Z*', $body }
		// return $self->error('34000', 'no portal');

	$self->{run}++;
	$self->note(execute => %$portal);

	$self->{out} //= '';
	my $before = length $self->{out};

	$server->{script}->($self, $portal) if $server->{script};
	$self->default($portal) if length($self->{out} // '') == $before
		&& !$self->{failed};
}

sub default ($self, $portal) {
	my $kind = $portal->{kind};

	$self->{transaction} = $kind eq 'begin' ? 'T' : 'I'
		if $kind =~ /^(?:begin|commit|end|rollback)$/;
	return $self->complete({ lookup => 'SELECT 0', store => 'INSERT 0 1',
		sweep => 'DELETE 0' }->{$kind} // uc $kind);
}

sub close_statement ($self, $server, $body) {
	my ($what, $name) = unpack 'aZ*', $body;
	delete $self->{ $what eq 'S' ? 'statement' : 'portal' }{$name};
	$self->out('3');
}

sub sync ($self, $server, $body) {
	$self->note('sync');
	$self->{failed} = 0;
	$server->{sync}->($self) if $server->{sync};
	$self->ready->flush;
}

# The simple protocol: what psql uses, and SHOW of libpq.

sub query ($self, $server, $body) {
	my $sql = unpack 'Z*', $body;
	my $statement = { name => '', sql => $sql, types => [], params => [],
		kind => kind($sql) };

	$self->note(query => %$statement);

	if ($server->{query}) {
		$server->{query}->($self, $statement);
	} elsif ($sql =~ /^SHOW (\w+)/) {
		$self->raw(Test::FakePostgres::row_description(
			[$1, 'text', 0]));
		$self->row($PARAMETERS{default_transaction_read_only});
		$self->complete('SHOW');
	} elsif ($sql =~ /^\s*;?\s*$/) {
		$self->out('I');
	} else {
		$self->default($statement);
	}

	$self->{failed} = 0;
	$self->ready->flush;
}

1;

__END__

=head1 NAME

Test::FakePostgres - a scripted PostgreSQL server

=head1 SYNOPSIS

	my $fake = Test::FakePostgres->new($t, script => sub ($c, $q) {
		return if $q->{kind} ne 'lookup';
		my $name = $q->{params}[0];
		return $c->error('53200', 'out of memory') if $name =~ /oom/;
		$c->image(type => 'image/png', data => "\x89PNG")->complete;
		$c->cut(100) if $name =~ /cut/;
	});

	$t->write_conf($fake->block('images') . 'server { ... }');

	is(($fake->executed('lookup'))[-1]{params}[0], 'name', 'asked for');

=head1 THE SERVER

C<new($t, name, port, directory, script, startup, parse, columns, query, sync,
greet, accept, backlog)> listens on 127.0.0.1, or with C<directory> on a unix
socket in it, before it returns.  C<stop>, C<start>, C<events>, C<count>,
C<wait_for>, C<reset> and C<connections> are those of L<Test::FakeSandbox>.
Events are C<accept>, C<encryption>, C<cancel>, C<startup> (C<parameters>),
C<parse> (C<name>, C<sql>, C<types>), C<execute> (the same and C<params>,
C<formats>, C<results>), C<sync>, C<query>, C<terminate> and C<eof>; each
statement has a C<kind>: lookup, store, sweep, begin, commit, other.
C<executed($kind)> lists executions.

=head1 SCRIPTS

Each connection is a process of its own.  C<startup($c, $parameters)> must call
C<< $c->welcome(%parameters) >> or C<< $c->refuse($sqlstate) >>; C<parse($c, $s)>
may refuse a statement with C<error>; C<columns($c, $s)> may return other
columns than the lookup's; C<script($c, $q)> is called for each execution and
does what it likes, by default nothing is found and everything is stored;
C<sync($c)> before each ReadyForQuery.

C<< $c->row(@values) >>, C<image(%image)>, C<complete($tag)>,
C<error($sqlstate, $text)>, C<notice($text)>, C<out($type, $payload)> and
C<raw($bytes)> collect what is sent when the client synchronises.  C<dribbled>,
C<cut($n)> and C<mangle(sub ($bytes))> are about how.  To hang, C<< $c->eof >>.

=cut
