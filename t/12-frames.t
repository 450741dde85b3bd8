#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# The answer of codeexecd, cut, dribbled, broken and unfinished at every byte.
# Whatever is not a whole, valid answer is a 502, and never a 200.

use v5.36;

use MIME::Base64;
use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::FakeSandbox;

my $t = Test::Codeexec->new;

$t->write_conf(<<'EOC');
    upstream sandbox { server unix:%%SOCK%% max_fails=0; keepalive 4; }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        codeexec_read_timeout 1s;

        location /runcode { codeexec_pass sandbox; }
        location /small { codeexec_pass sandbox; codeexec_buffer_size 512; }
        location /quick { codeexec_pass sandbox; codeexec_read_timeout 20ms; }
    }
EOC

# Answers by name; the code of a request tells which, and how to send it.

my %answer = (
	all => answer(status => 'error', exit_code => 3,
		stdout => ["a\xc3", "\xa9\n"], stderr => ["o", "ops\n"],
		files => [['a.png', "\x89PNG\0\xff"], ['b.svg', '']]),
	busy => busy(retry_after => 7),
	reject => reject('language'),
);

my $image = encode_base64("\x89PNG\0\xff", '');
my $body = qq({"error":"oops","images":{"a.png":"$image","b.svg":""},)
	. qq("output":"a\xc3\xa9\\n"});

my %expected = (
	all => [200, $body],
	busy => [503, '{"error":"Server is busy, try again later"}'],
	reject => [400, '{"error":"Unsupported language"}'],
);

my %bad = bad_answers();
my @bad = sort keys %bad;

my $fake = $t->fake(script => sub ($c, $job) {
	return $c->send($bad{$bad[$1]}), $c->eof
		if $job->{code} =~ /^bad (\d+)/;

	my ($how, $which, @at) = split ' ', $job->{code};
	my $bytes = $answer{$which};

	if ($how eq 'flip') {
		substr($bytes, $at[0], 1) ^.= chr $at[1];
		$c->send($bytes);
		$c->eof;

	} elsif ($how eq 'split') {
		$c->dribble($bytes, \@at, 0.002);

	} elsif ($how eq 'die') {
		$c->send(substr $bytes, 0, $at[0]);
		$c->close;

	} else {
		$c->dribble($bytes, @at ? \@at : undef);
	}
});

$t->run;

sub run ($how, $uri = '/runcode') {
	return $t->http_post_json($uri,
		{ code => $how, execution_id => 'fake' });
}

# in pieces

for my $which (sort keys %answer) {
	for my $uri ('/runcode', '/small') {
		answer_is(run("dribble $which", $uri), $expected{$which}->@*,
			"$which, byte by byte, $uri");
	}

	my $size = length $answer{$which};
	my @wrong = grep {
		my $r = run("split $which $_");
		$r->status != $expected{$which}[0]
			|| $r->body ne "$expected{$which}[1]\n";
	} 1 .. $size - 1;

	is("@wrong", '', "$which, split in two at every offset");
}

# The requests above were answered in full, so connections were kept.

cmp_ok($fake->connections, '<', 20, 'connections were reused');

# every frame in a piece of its own, every header cut

my @borders = borders($answer{all});
answer_is(run("split all @borders"), 200, $body, 'frame by frame');
answer_is(run('split all ' . join ' ', map { $_ + 4 } 0, @borders), 200, $body,
	'cut headers');
answer_is(run('split all ' . join ' ', map { $_ + 8 } 0, @borders), 200, $body,
	'headers apart from payload');

# Unfinished: cut off at every byte.

for my $which (sort keys %answer) {
	my @wrong = grep {
		my $r = run("die $which $_");
		$r->status != 502 || $r->body ne "{\"error\":\"Bad Gateway\"}\n";
	} 0 .. length($answer{$which}) - 1;

	is("@wrong", '', "$which, cut off at every byte");
	answer_is(run("die $which " . length $answer{$which}),
		$expected{$which}->@*, "$which, closed after the end");
}

# Broken.

for my $n (0 .. $#bad) {
	my $name = $bad[$n] =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger;
	error_is(run("bad $n"), 502, 'Bad Gateway', $name);
}

# A wrong bit anywhere.  It may be in what was printed and go unseen, or in a
# length, so that the rest does not come; but it is JSON, and the worker lives.

for my $which (sort keys %answer) {
	my @wrong = grep {
		my $r = run("flip $which $_", '/quick');
		($r->status // 0) !~ /^(?:200|400|413|50[234])$/
			|| ref $r->json ne 'HASH';
	} map { ("$_ 1", "$_ 128") } 0 .. length($answer{$which}) - 1;

	is(join(', ', @wrong), '', "$which, a wrong bit in every byte");
}

# Still alive and well.

answer_is(run('whole all 1'), 200, $body, 'after all that');

$t->done_testing;

###############################################################################

# Offsets where frames begin, without the first.

sub borders ($bytes) {
	my @at;

	for (my $at = 0; $at < length $bytes; push @at, $at) {
		$at += 8 + unpack 'N', substr $bytes, $at + 4, 4;
	}

	pop @at;
	return @at;
}

sub bad_answers {
	my $end = frame('END');
	my $result = result_frame();
	my $sized = sub (%arg) { result_frame(%arg) };
	my $file = sub ($payload) {
		$sized->(files => 1, files_size => length $payload)
			. frame(FILE => $payload) . $end;
	};
	my %bad = (

		# the codec

		'magic' => "XX\x01\x81\0\0\0\2{}",
		'magic, second byte' => "CY\x01\x81\0\0\0\2{}",
		'HTTP' => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		'version 0' => "CX\x00\x81\0\0\0\2{}",
		'version 2' => "CX\x02\x81\0\0\0\2{}",
		'length 64M + 1' => "CX\x01\x81\x04\0\0\1",
		'length 4G - 1' => "CX\x01\x81\xff\xff\xff\xff",
		'STDOUT of 4G - 1' => "${result}CX\x01\x82\xff\xff\xff\xff",
		'magic after RESULT' => "${result}XX\x01\x85\0\0\0\0",
		'version 2 after RESULT' => "${result}CX\x02\x85\0\0\0\0",

		# types

		'unknown type' => frame(0x90),
		'unknown type after RESULT' => $result . frame(0x90) . $end,
		'type 0' => frame(0x00),
		'type 255' => frame(0xff) . $end,
		(map { ("a $_" => frame($_ => '{}'),
			"$_ after RESULT" => $result . frame($_ => '{}') . $end) }
			qw/JOB CODE VARS STDIN RUN QUERY STATE/),

		# order

		'END first' => $end,
		'STDOUT first' => frame(STDOUT => 'x') . $result . $end,
		'STDERR first' => frame(STDERR => 'x') . $result . $end,
		'FILE first' => file_frame(a => 'x') . $result . $end,
		'two RESULTs' => $result . $result . $end,
		'BUSY after RESULT' => $result . busy(),
		'REJECT after RESULT' => $result . reject('job'),

		# JSON

		(map { ("RESULT <$_>" => frame(RESULT => $_) . $end,
			"BUSY <$_>" => frame(BUSY => $_),
			"REJECT <$_>" => frame(REJECT => $_)) }
			'', '"ok"', '{', '{"status":"ok"', "\xff", 'null'),
		'RESULT <[]>' => frame(RESULT => '[]') . $end,
		'REJECT <[]>' => frame(REJECT => '[]'),
		'RESULT without status' => frame(RESULT => {}) . $end,
		'RESULT with unknown status' => $sized->(status => 'x') . $end,
		'RESULT with status 1' => $sized->(status => 1) . $end,

		# FILE

		'empty FILE' => $file->(''),
		'FILE of one byte' => $file->("\0"),
		'FILE with an empty name' => $file->("\0\0x"),
		'FILE with a name beyond its end' => $file->("\0\5abcd"),
		'FILE with a name of 256' => $file->(pack 'n/a*', 'x' x 256),

		# announced and sent differ

		'more STDOUT' => $sized->(stdout_size => 1)
			. frame(STDOUT => 'xy') . $end,
		'less STDOUT' => $sized->(stdout_size => 3)
			. frame(STDOUT => 'xy') . $end,
		'more STDERR' => $result . frame(STDERR => 'xy') . $end,
		'less STDERR' => $sized->(stderr_size => 1) . $end,
		'more FILEs' => $result . file_frame(a => 'x') . $end,
		'fewer FILEs' => $sized->(files => 1) . $end,
		'one FILE for two' => $sized->(files => 2, files_size => 8)
			. file_frame(a => 'xxxxx') . $end,
		'two FILEs for one' => $sized->(files => 1, files_size => 8)
			. file_frame(a => 'x') x 2 . $end,
		'RESULT of another job' => $sized->(id => 'other') . $end,
		'RESULT of an id that begins alike' => $sized->(id => 'fak')
			. $end,
		'negative size' => $sized->(stdout_size => -1) . $end,
		'huge size' => $sized->(stdout_size => 1 << 62) . $end,
		'END with payload' => $result . frame(END => 'x'),
	);

	return %bad;
}
