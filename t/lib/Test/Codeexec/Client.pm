package Test::Codeexec::Client;

# Copyright (C) The codeexec authors.

# The HTTP client of the harness: as simple as http_get($uri), as raw as bytes
# on a socket.

use v5.36;

use Exporter qw/import/;
use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use Scalar::Util qw/weaken/;
use Socket qw/SOL_SOCKET SO_LINGER/;
use Test::More import => [qw/is ok diag/];
use Time::HiRes qw/time/;

our @EXPORT = qw/answer_is error_is uri_escape write_all/;

my $json = JSON::PP->new->utf8->canonical->allow_nonref;

# A connection to nginx.

sub connect ($self, $port = $self->port) {
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
		PeerPort => $port, Timeout => 5) // die "cannot connect: $!\n";

	push @{ $self->{clients} }, $socket;
	weaken($self->{clients}[-1]);
	return $socket;
}

# Closes what a test forgot, or nginx would linger over it at the end.

sub disconnect ($self) {
	close $_ for grep { defined } @{ delete $self->{clients} // [] };
}

# The text of a request.

sub request ($self, $method, $uri, %arg) {
	my $version = $arg{version} // '1.1';
	my @head = ("$method $uri HTTP/$version");

	push @head, 'Host: localhost' if $version ne '1.0';
	push @head, 'Connection: close' if !$arg{keepalive};
	push @head, 'Content-Length: ' . length $arg{body}
		if defined $arg{body} && !$arg{chunked};
	push @head, 'Transfer-Encoding: chunked' if $arg{chunked};
	push @head, @{ $arg{headers} // [] };

	my $body = $arg{body} // '';
	$body = join '', map({ sprintf "%x\r\n%s\r\n", length, $_ }
		unpack "(a$arg{chunked})*", $body), "0\r\n\r\n" if $arg{chunked};

	return join("\r\n", @head, '', '') . $body;
}

# Sends these bytes on a new connection (or socket => $s), reads one response.

sub http ($self, $bytes, %arg) {
	my $socket = $arg{socket} // $self->connect($arg{port} // $self->port);
	write_all($socket, $bytes);
	return Test::Codeexec::Response->read($socket, %arg);
}

sub http_get ($self, $uri, %arg) {
	return $self->http($self->request(GET => $uri, %arg), %arg);
}

sub http_head ($self, $uri, %arg) {
	return $self->http($self->request(HEAD => $uri, %arg), %arg, head => 1);
}

sub http_post ($self, $uri, $body, %arg) {
	return $self->http(
		$self->request(POST => $uri, %arg, body => $body), %arg);
}

# $data is JSON text, or something to be encoded.

sub http_post_json ($self, $uri, $data, %arg) {
	return $self->http_post($uri, ref $data ? $json->encode($data) : $data,
		%arg, headers => ['Content-Type: application/json',
			@{ $arg{headers} // [] }]);
}

sub read_response ($self, $socket, %arg) {
	return Test::Codeexec::Response->read($socket, %arg);
}

# Closes a client connection, as nginx sees it, with RST.

sub abort ($self, $socket) {
	setsockopt $socket, SOL_SOCKET, SO_LINGER, pack 'll', 1, 0;
	close $socket;
}

# All of it, even while nginx already answers.

sub write_all ($socket, $bytes, $timeout = 10) {
	my $end = time + $timeout;
	my $sent = 0;

	while ($sent < length $bytes && time < $end) {
		IO::Select->new($socket)->can_write(1) or next;
		my $n = $socket->syswrite($bytes, 16384, $sent) // last;
		$sent += $n;
	}

	return $sent == length $bytes;
}

sub uri_escape ($text) {
	return $text =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ger;
}

###############################################################################

# Test functions

# Status and exact body at once; without their final newline.

sub answer_is ($r, $status, $body, $name) {
	my $got = ($r->status // 'no response') . ' ' . $r->body;
	chomp $got;

	# Test::More would print megabytes.

	return is($got, "$status $body", $name) if length $got < 10000;
	return ok($got eq "$status $body", $name)
		|| diag(length $got, ' bytes: ', substr($got, 0, 200), ' ...');
}

# A JSON error in full: type, line end, caching.  $text may be a pattern.

sub error_is ($r, $status, $text, $name) {
	my $data = $r->json;
	my $error = ref $data eq 'HASH' && keys %$data == 1
		? $data->{error} : undef;
	my $ok = ($r->status // 0) == $status && defined $error
		&& (ref $text ? $error =~ $text : $error eq $text)
		&& $r->body =~ /\A\{"error":".*"\}\n\z/
		&& $r->header('Content-Type') eq 'application/json';

	return ok($ok, $name)
		|| diag("expected $status {\"error\":\"$text\"}, got:\n",
			$r->raw);
}

###############################################################################

package Test::Codeexec::Response;

use Time::HiRes qw/time/;

# Reads one response, by its own framing, with a time limit.  What came after
# it stays in the buffer of the socket object for the next one.

sub read ($class, $socket, %arg) {
	my $self = bless { raw => delete ${*$socket}{rest} // '', body => '',
		complete => 0 }, $class;
	my $end = time + ($arg{timeout} // 10);
	my $more = sub { read_some($socket, \$self->{raw}, $end) };

	do {
		return $self if !$self->parse_head($more);
	} while $self->{status} == 100 && !$arg{continue};

	return $self if $self->{status} == 100;
	$self->{complete} = $self->parse_body($more, $arg{head});
	${*$socket}{rest} = substr $self->{raw}, $self->{at};
	return $self;
}

sub read_some ($socket, $buffer, $end) {
	while ((my $left = $end - time) > 0) {
		next if !IO::Select->new($socket)->can_read($left);
		return sysread $socket, $$buffer, 1 << 20, length $$buffer;
	}
	return;
}

sub parse_head ($self, $more) {
	my $from = $self->{at} //= 0;
	my $to;

	while (($to = index $self->{raw}, "\r\n\r\n", $from) < 0) {
		$more->() or return 0;
	}

	my ($line, @fields) = split /\r\n/,
		substr $self->{raw}, $from, $to - $from;
	$self->{at} = $to + 4;
	$self->{line} = $line;
	$self->{status} = $line =~ /^HTTP\/\S+ (\d+)/ ? $1 : 0;
	$self->{headers} = [map { [/^([^:]+):\s*(.*)$/] } @fields];
	return 1;
}

sub parse_body ($self, $more, $head) {
	return 1 if $head || $self->{status} =~ /^(?:204|304)$/;
	return $self->parse_chunks($more)
		if ($self->header('Transfer-Encoding') // '') eq 'chunked';

	my $length = $self->header('Content-Length');

	while (!defined $length
		|| length $self->{raw} < $self->{at} + $length)
	{
		next if $more->();
		$length //= length($self->{raw}) - $self->{at};
		last;
	}

	$self->{body} = substr $self->{raw}, $self->{at}, $length;
	$self->{at} += length $self->{body};
	return length $self->{body} == $length;
}

sub parse_chunks ($self, $more) {
	my @parts;

	while (1) {
		pos($self->{raw}) = $self->{at};

		if ($self->{raw} !~ /\G([0-9a-f]+)\r\n/gci) {
			$self->{body} = join '', @parts;
			$more->() or return 0;
			next;
		}

		my ($size, $at) = (hex $1, pos $self->{raw});

		while (length $self->{raw} < $at + $size + 2) {
			next if $more->();
			$self->{body} = join '', @parts, substr $self->{raw}, $at;
			return 0;
		}

		push @parts, substr $self->{raw}, $at, $size;
		$self->{at} = $at + $size + 2;
		last if !$size;
	}

	$self->{body} = join '', @parts;
	return 1;
}

sub status ($self) { return $self->{status} }
sub line ($self) { return $self->{line} }
sub body ($self) { return $self->{body} }
sub raw ($self) { return $self->{raw} }

# False if the connection ended before the response did.

sub complete ($self) { return $self->{complete} }

sub header ($self, $name) {
	my @values = map { $_->[1] }
		grep { lc $_->[0] eq lc $name } @{ $self->{headers} // [] };
	return wantarray ? @values : $values[0];
}

sub json ($self) { return eval { $json->decode($self->{body}) } }

1;

__END__

=head1 NAME

Test::Codeexec::Client - the HTTP client of Test::Codeexec

=head1 METHODS

C<http_get($uri)>, C<http_head($uri)>, C<http_post($uri, $body)>,
C<http_post_json($uri, $data)> and C<http($bytes)> return a response with
C<status>, C<line>, C<header($name)>, C<body>, C<json>, C<raw> and C<complete>.
Arguments: C<port>, C<socket>, C<headers>, C<version>, C<keepalive>,
C<chunked> (size of a chunk), C<timeout>, C<head>, C<continue> (return 100).

C<connect>, C<request>, C<read_response> and C<abort> are for pipelining,
partial requests and broken connections; C<write_all($socket, $bytes)> is a
function.

=head1 TEST FUNCTIONS

C<answer_is($r, $status, $body, $name)> compares status and exact body,
C<error_is($r, $status, $text, $name)> a JSON error with its headers.

=cut
