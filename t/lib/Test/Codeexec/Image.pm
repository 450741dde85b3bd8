package Test::Codeexec::Image;

# Copyright (C) The codeexec authors.

# Images for the tests: bytes that begin as those of an image do, and names
# that the module takes.

use v5.36;

use Digest::SHA qw/sha256/;
use Exporter qw/import/;

use Test::Postgres;

our @EXPORT = qw/image_bytes image_name image_path image_sql insert/;

our %MAGIC = (
	png => "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06",
	jpeg => "\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0",
	gif => "GIF89a\x01\0\x01\0\x80\0\0",
	webp => "RIFF\x24\0\0\0WEBPVP8 \x18\0\0\0",
	avif => "\0\0\0\x20ftypavif\0\0\0\0avifmif1miaf",
	svg => qq(<?xml version="1.0" encoding="utf-8"?>\n<svg xmlns="")
		. ">\n</svg>\n",
	unknown => "\x01\x02\x03\x04 nothing known",
);

our %MIME = (map({ $_ => "image/$_" } qw/png jpeg gif webp avif/),
	svg => 'image/svg+xml', unknown => 'application/octet-stream');

# A prime number of bytes of every value, so that a block that is lost, doubled
# or in the wrong place is seen.

my $pattern = do {
	my $n = 1;
	join '', map { chr(($n = $n * 48271 % 2147483647) >> 8 & 255) } 1 .. 4093;
};

# That many bytes of an image of that type.

sub image_bytes ($size, $type = 'png') {
	my $head = substr $MAGIC{$type}, 0, $size;
	my $rest = $size - length $head;
	return $head . substr $pattern x (1 + $rest / 4093), 0, $rest;
}

# The same as an SQL expression that does not grow with them.

sub image_sql ($size, $type = 'png') {
	my $head = substr $MAGIC{$type}, 0, $size;
	my $rest = $size - length $head;

	return Test::Postgres::bytea($head) . '::bytea || substring(decode('
		. "repeat('" . unpack('H*', $pattern) . "', "
		. int(1 + $rest / 4093) . "), 'hex') from 1 for $rest)";
}

# Another name each time.

sub image_name ($file = 'chart.png') {
	state $n = 0;
	return sprintf '%08x-0000-4000-8000-%012x_%s', $$, ++$n, $file;
}

# As it is written in a URI.

sub image_path ($name, $prefix = '/image/') {
	return $prefix . $name =~
		s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ger;
}

# A complete row, of so many bytes or of these; returns its name.

sub insert ($db, %arg) {
	my $type = delete $arg{type} // 'png';
	my $name = delete $arg{name} // image_name();
	my $size = delete $arg{size} // 100;
	my $data = delete $arg{data} // image_bytes($size, $type);
	my $sql = length $data > 100000 && $data eq image_bytes($size, $type)
		? image_sql($size, $type) : Test::Postgres::bytea($data);

	return $db->image($name, sql => $sql,
		content_type => Test::Postgres::quote($MIME{$type}),
		sha256 => Test::Postgres::bytea(sha256($data)), %arg);
}

1;

__END__

=head1 NAME

Test::Codeexec::Image - images for the tests

=head1 FUNCTIONS

C<image_bytes($size, $type)>, C<image_sql($size, $type)> (the same bytes as an
expression), C<image_name($file)> (another each time), C<image_path($name,
$prefix)> (escaped), and C<insert($db, %row)>: a row with C<name>, C<type> (png,
jpeg, gif, webp, avif, svg, unknown), C<size> or C<data>, and columns as SQL.

=cut
