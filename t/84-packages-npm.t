#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# The same for packages of npm: codeexec-packages -l nodejs.

use v5.36;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Packages;

$ENV{CODEEXEC_TIMEOUT} // alarm 900;

# npm belongs to Node.js, and needs it.

-x '/usr/bin/npm' or plan(skip_all => 'no npm');
Test::Codeexec->new->has('daemon', 'node');

my $t = Test::Codeexec::Packages->start(node => 1);
my $dir = $t->dir;
my $top = "$dir/packages/nodejs";

sub npm ($name, $version, %more) {
	return { kind => 'npm', name => $name, version => $version,
		files => { 'index.js' => "exports.v = '$version';\n" }, %more };
}

my $elsewhere = 'http://localhost:' . $t->port(1) . '/npm/stray/-/stray-1.0.0.tgz';
my $hash = $t->offer(
	npm('left', '1.0.0', requires => { '@x/right' => '^1.0.0' }),
	npm('left', '2.0.0', requires => { '@x/right' => '^1.0.0' }),
	npm('@x/right', '1.2.0'),
	npm('other', '1.0.0'),
	npm('module', '1.0.0', files => {
		'index.mjs' => "export const v = 'esm';\n",
		'package.json' => '{"name":"module","version":"1.0.0",'
			. '"exports":"./index.mjs"}' }),
	npm('scripts', '1.0.0', scripts => {
		preinstall => "touch $dir/ran", install => "touch $dir/ran",
		postinstall => "touch $dir/ran" }),
	npm('stray', '1.0.0', tarball => $elsewhere),
	npm('wrong', '1.0.0', integrity => 'sha512-' . 'A' x 86 . '=='),
	npm('climbs', '1.0.0', files => { 'index.js' => '',
		'../../../../../climbed' => 'x' }),
	npm('git', '1.0.0', requires => { x => "git+file://$dir/repository" }),
	npm('path', '1.0.0', requires => { x => "file:$dir" }),
);

sub node ($code) { return $t->output($code, language => 'nodejs') }
sub add (@words) { return ('add', '-l', 'nodejs', @words) }

is($t->state->{packages}{nodejs}{version}, 0, 'there is no version');
like(node('require("left")'), qr/^error: No package "left" is installed here/,
	'what is not there');
unlike(node('require("./left")'), qr/No package/, 'a file');

$t->packages_ok(qr/version 1 is in use\n\+ \@x\/right 1\.2\.0\n\+ left 1\.0\.0/,
	add('left@1.0.0'));
is(node('console.log(require("left").v, require("@x/right").v)'),
	"1.0.0 1.2.0\n", 'require()');
is(node("import l from 'left';\nimport { v } from '\@x/right';\n"
	. 'console.log(l.v, v)'), "1.0.0 1.2.0\n", 'import');
is(node("import('left').then((l) => console.log(l.default.v))"), "1.0.0\n",
	'import()');
is(node("const { execFileSync } = require('child_process');\nprocess.stdout"
	. ".write(execFileSync(process.execPath, ['-p', 'require(\"left\").v']))"),
	"1.0.0\n", 'in a child');
is(node('console.log(require.resolve("left"))'),
	"/opt/packages/1/node_modules/left/index.js\n", 'where it is');
my $listed = $t->http_get('/packages')->json->{nodejs};
is(join(' ', @{ $listed->{packages} }{qw{left @x/right}}), '1.0.0 1.2.0',
	'listed');
like($listed->{version}, qr/^\d+\.\d+\.\d+$/, 'with a version of Node.js');
$t->packages_ok(qr/^\@x\/right 1\.2\.0 \(needed by others\)\nleft 1\.0\.0$/m,
	list => '-l', 'nodejs');
$t->packages_ok(qr/as in its manifest/, verify => '-l', 'nodejs');

$t->packages_ok(qr/\+ module 1\.0\.0/, add('module'));
is(node("import('/home/node_modules/module/index.mjs').then((m) => "
	. 'console.log(m.v))'), "esm\n", 'an ES module');
is(node('console.log(require("left").v)'), "1.0.0\n", 'the other has stayed');

# Nothing runs, and nothing comes from elsewhere.

$t->packages_ok(qr/"scripts" has scripts for its installation, which were not/,
	add('scripts'));
ok(! -e "$dir/ran", 'no script was run');
$t->packages_fail($_->[1], add($_->[0])) for
	[stray => qr/"stray" is not from the registry/],
	[wrong => qr/EINTEGRITY|integrity/],
	[git => qr/./], [path => qr/./], [none => qr/E404|404/],
	['left@7' => qr/No matching version/],
	['git+https://example.org/x' => qr/not understood/],
	['file:/etc' => qr/not understood/], ['../x' => qr/not understood/];
$t->packages_ok(qr/is in use/, add('climbs'));
is(join(' ', grep { -e } "$dir/climbed", "$dir/packages/climbed",
	"$top/climbed", "$dir/packages/.work"), '', 'no file is anywhere else');

# The allow-list

sub allow (@lines) {
	$t->write_file('allow', join '', map { "$_\n" } @lines);
	$t->configure(npm_allow => "$dir/allow");
}

$t->packages_ok(qr/- module 1\.0\.0/, remove => '-l', 'nodejs',
	qw/module climbs scripts/);
allow('left@1.0.0');
$t->packages_fail(qr/"\@x\/right" is not in/, add('left'));
allow('left@1.0.0', '@x/right', 'other@1.0.0 sha512-' . 'A' x 86 . '==');
$t->packages_fail(qr/"other" 1\.0\.0 has not the hash/, add('other'));
allow('left', '@x/right', "other $hash->{'other 1.0.0'}");
$t->packages_ok(qr/\* left 2\.0\.0, was 1\.0\.0/, add('left'));
$t->packages_ok(qr/\+ other 1\.0\.0/, add('other'));

# Versions

is(node('console.log(require("left").v, require("other").v)'),
	"2.0.0 1.0.0\n", 'in use');
$t->packages_ok(qr/is in use/, rollback => '-l', 'nodejs');
like(node('require("other")'), qr/No package "other"/, 'rolled back');
$t->packages_ok(qr/^- \@x\/right 1\.2\.0\n- left 2\.0\.0$/m,
	remove => '-l', 'nodejs', 'left');
like(node('require("left")'), qr/No package "left"/, 'removed');

$t->done_testing;
