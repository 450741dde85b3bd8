#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# What a Python program shows comes back: the programs of gallery/results, each
# with what is expected in comments of its own (see there, "README"), and what
# has no place in a comment.

use v5.36;
use utf8;

use Encode ();
use JSON::PP ();
use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Real;
use Test::FakeSandbox;

alarm(600);

my $python = '/usr/bin/python3';
my $json = JSON::PP->new->utf8->allow_nonref->canonical;
my @pixels;

my $t = Test::Codeexec::Real->start(science => 1, spare => 2, conf => {
	limits => { memory => '512mb', results => 12, results_size => '2mb',
		disk => '32mb' },
});

$t->warm;
$t->baseline;

sub ask ($code, %arg) {
	my $socket = $t->dial;
	Test::Codeexec::write_all($socket, Test::Codeexec::Real::job_frames(
		$code, timeout_ms => 20000, %arg));
	return Test::Codeexec::Real::read_answer($socket);
}

sub rich ($code, %options) {
	my $timeout = delete $options{timeout_ms} // 20000;
	my $stdin = delete $options{stdin};
	return ask($code, options => { results => \1, %options },
		timeout_ms => $timeout, defined $stdin ? (stdin => $stdin) : ());
}

# The forms of each result, as a hash.

sub shown ($answer) { return map { +{@$_} } @{ $answer->{shown} } }

# Names of the forms of each result, in the order in which they came.

sub kinds ($answer) {
	return join ' | ', map {
		my @forms = @$_;
		join ' ', map { $forms[2 * $_] } 0 .. $#forms / 2
	} @{ $answer->{shown} };
}

###############################################################################

# The gallery

sub is_installed ($module) {
	return !system "$python -c 'import $module' >/dev/null 2>&1";
}

sub expected ($source) {
	my %want = (options => {}, status => 'ok', stdout => '', stderr => '',
		needs => [], shown => []);

	while ($source =~ /^# (\w+): (.*)$/mg) {
		my ($key, $value) = ($1, $2);
		next if !exists $want{$key};

		if ($key eq 'shown') { push @{ $want{shown} }, $json->decode($value) }
		elsif ($key eq 'needs') { push @{ $want{needs} }, split ' ', $value }
		else { $want{$key} = $value =~ /^[{"]/ ? $json->decode($value)
			: $value }
	}

	return \%want;
}

sub image_size ($content) {
	return [unpack 'x16 NN', $content] if $content =~ /\A\x89PNG\r\n\x1a\n/;
	return [unpack 'x6 vv', $content] if $content =~ /\AGIF8[79]a/;

	pos($content) = 2;
	while ($content =~ /\G\xff(.)(..)/gcs) {
		my ($marker, $length) = (ord $1, unpack 'n', $2);
		return [reverse unpack 'nn', substr $content, pos($content) + 1, 4]
			if $marker >= 0xc0 && $marker <= 0xc3;
		pos($content) += $length - 2;
	}

	return [];
}

# Whether what is wanted is in it: members of objects that are not named may be
# anything.

sub has ($got, $want) {
	return $json->encode($got) eq $json->encode($want) if !ref $want;
	return ref $got eq 'ARRAY' && @$got == @$want
		&& !grep { !has($got->[$_], $want->[$_]) } 0 .. $#$want
		if ref $want eq 'ARRAY';
	return $json->encode($got) eq $json->encode($want)
		if ref $want ne 'HASH';
	return ref $got eq 'HASH'
		&& !grep { !exists $got->{$_} || !has($got->{$_}, $want->{$_}) }
			keys %$want;
}

sub form_is ($got, $want, $name) {
	if (!ref $want) {
		is(Encode::decode('UTF-8', $got), $want, $name);
		return;
	}

	like(Encode::decode('UTF-8', $got), qr/$want->{like}/s, $name)
		if exists $want->{like};
	unlike(Encode::decode('UTF-8', $got), qr/$want->{unlike}/s,
		"$name: not that") if exists $want->{unlike};

	for my $key (grep { exists $want->{$_} } qw/json has/) {
		my $value = eval { $json->decode($got) };
		ok(defined $value && has($value, $want->{has}), $name)
			|| diag($got) if $key eq 'has';
		is_deeply($value, $want->{json}, $name) if $key eq 'json';
	}

	is_deeply(image_size($got), $want->{size}, "$name: size")
		if exists $want->{size};
	push @pixels, [$name, $got, $want]
		if grep { exists $want->{$_} } qw/at colors/;
}

sub result_is ($got, $want, $name) {
	is(join(' ', sort keys %$got), join(' ', sort keys %$want),
		"$name: its forms") or return;
	form_is($got->{$_}, $want->{$_}, "$name: $_") for sort keys %$want;
}

my @programs = sort glob "$FindBin::Bin/gallery/results/*.py";
cmp_ok(scalar @programs, '>=', 40, 'a gallery');

for my $file (@programs) {
	my ($name) = $file =~ m{([^/]+)\.py$};
	my $source = Test::Codeexec::Process::slurp($file);
	my $want = expected($source);

	SKIP: {
		my @missing = grep { !is_installed($_) } @{ $want->{needs} };
		skip("$name: no @missing", 1) if @missing;

		my $answer = rich($source, %{ $want->{options} });
		my @shown = shown($answer);

		is($answer->{status}, $want->{status}, "$name: status")
			|| diag($answer->{stderr});
		form_is($answer->{$_}, $want->{$_}, "$name: $_")
			for qw/stdout stderr/;
		is(scalar @shown, scalar @{ $want->{shown} },
			"$name: number of results") || diag(kinds($answer));
		result_is($shown[$_], $want->{shown}[$_], "$name: $_")
			for 0 .. ($#shown < $#{ $want->{shown} } ? $#shown
				: $#{ $want->{shown} });
	}
}

# Pixels, as PIL sees them: "at" has some of them, "colors" how many percent of
# all of them have at least that colour.

my $look = <<'EOP';
import io, json, sys
from PIL import Image
for line in sys.stdin:
    data, want = json.loads(line)
    image = Image.open(io.BytesIO(bytes.fromhex(data))).convert('RGB')
    count = {'#%02x%02x%02x' % c: n for n, c in image.getcolors(1 << 24)}
    bad = []
    for at, color in want.get('at', {}).items():
        got = '#%02x%02x%02x' % image.getpixel(tuple(map(int, at.split(','))))
        if got != color: bad.append('%s is %s, not %s' % (at, got, color))
    for color, percent in want.get('colors', {}).items():
        got = 100 * count.get(color, 0) / (image.width * image.height)
        if got < percent: bad.append('%.2f %% are %s' % (got, color))
    print('; '.join(bad))
EOP

SKIP: {
	skip('no PIL to look with', 1) if !is_installed('PIL');

	my $dir = $t->{dir} // $ENV{TMPDIR} // '/tmp';
	my $path = "$dir/pixels-$$";

	open my $fh, '>', $path or die "$path: $!";
	print $fh $json->encode([unpack('H*', $_->[1]), $_->[2]]), "\n" for @pixels;
	close $fh;

	$ENV{LOOK} = $look;
	my @seen = map { s/\n//r } qx{$python -c "\$LOOK" <$path};
	unlink $path;

	is(scalar @seen, scalar @pixels, 'all pictures were looked at');
	is($seen[$_], '', "$pixels[$_][0]: pixels") for 0 .. $#seen;
}

$t->check_leaks('nothing is left');
$t->done_testing;
