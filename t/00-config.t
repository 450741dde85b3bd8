#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Every directive where it is allowed, every mistake in nginx's own words.

use v5.36;

use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;

my $t = Test::Codeexec->new;

my @settings = (
	'codeexec_key_file keys',
	'codeexec_key_file off',
	'codeexec_bind 127.0.0.1',
	'codeexec_bind off',
	'codeexec_socket_keepalive on',
	'codeexec_connect_timeout 1s',
	'codeexec_send_timeout 1s',
	'codeexec_read_timeout 1500ms',
	'codeexec_buffer_size 8k',
	'codeexec_ignore_client_abort on',
	'codeexec_intercept_errors on',
	'codeexec_next_upstream off',
	'codeexec_next_upstream error timeout invalid_header busy '
		. 'non_idempotent',
	'codeexec_next_upstream_tries 3',
	'codeexec_next_upstream_timeout 3s',
	'codeexec_max_code_size 64k',
	'codeexec_max_stdin_size 64k',
	'codeexec_max_variables_size 64k',
	'codeexec_max_files 10',
	'codeexec_max_files_size 2m',
	'codeexec_max_response_size 1m',
	'codeexec_timeout 500ms',
	'codeexec_max_timeout 30s',
	'codeexec_images png svg',
	'codeexec_images off',
	'codeexec_files off',
	'codeexec_results off',
	'codeexec_detail on',
	'codeexec_cors *',
	'codeexec_cors https://a.example http://localhost:3000 http://[::1]:80',
	'codeexec_cors off',
	'codeexec_zone off',
	'codeexec_zone runs:64k',
	'codeexec_deny ^import "no imports"',
	"codeexec_deny 'rm\\s+-rf'",
	'codeexec_deny_import os http.client _x2',
	'codeexec_allow_import math numpy.linalg',
	'codeexec_deny_call eval os.system',
	'codeexec_store off',
	'codeexec_store_fallback inline',
	'codeexec_store_fallback 503',
	'codeexec_image_types png jpeg gif webp avif svg',
	'codeexec_image_types svg',
	'codeexec_image_max_size 4m',
	'codeexec_image_max_total 8m',
	'codeexec_image_max_count 5',
	'codeexec_image_ttl 30d',
	'codeexec_image_url https://\$host/image/',
	'codeexec_image_name ^[a-z]+\$',
);

my $digest = 'a5' x 32;

$t->write_file('keys', "alice $digest\n");

# Output of nginx -t for a configuration with text at the three levels.

sub config ($http, $server, $location) {
	$t->write_conf(<<~EOC);
		$http
		upstream sandboxes { server unix:%%SOCK%%; keepalive 4; }
		server {
		    listen 127.0.0.1:%%PORT_0%%;
		    $server
		    location /runcode { $location }
		}
		EOC
	return $t->test_conf;
}

sub good ($name, @level) {
	my ($out, $success) = config(@level);
	ok($success, $name) || diag($out);
}

sub bad ($name, $error, @level) {
	my ($out, $success) = config(@level);
	ok(!$success && $out =~ /\[emerg\] \Q$error\E/, $name)
		|| diag("expected \"$error\", got:\n$out");
}

my $pass = 'codeexec_pass unix:%%SOCK%%;';

good('empty', '', '', '');

# where directives are allowed

for my $setting (@settings) {
	good("$setting in http", "$setting;", '', $pass);
	good("$setting in server", '', "$setting;", $pass);
	good("$setting in location", '', '', "$pass $setting;");
}

good('all at once, at all levels', (join ' ', map { "$_;" }
	grep { !/ off$|_images png|fallback 503|cors http|types svg/ } @settings,
	'codeexec_images gif') x 2, $pass);

for my $target (qw(unix:%%SOCK%% unix:%%SOCK%%: 127.0.0.1:9000 sandboxes
	$host:9000 unix:%%TESTDIR%%/$arg_box.sock $arg_box))
{
	good("codeexec_pass $target", '', '', "codeexec_pass $target;");
}

good('codeexec_pass in if', '', '', "if (\$arg_a) { $pass }");
good('codeexec_pass in limit_except', '', '',
	"$pass limit_except POST { deny all; }");
good('codeexec_pass in nested location', '', '',
	"location /runcode/a { $pass }");
good('variables', 'log_format x "$codeexec_status $codeexec_id '
	. '$codeexec_language $codeexec_run_time $codeexec_cpu_time '
	. '$codeexec_memory $codeexec_queue_time $codeexec_exit_code";', '',
	$pass);

bad('codeexec_pass in http', '"codeexec_pass" directive is not allowed here',
	$pass, '', '');
bad('codeexec_pass in server', '"codeexec_pass" directive is not allowed here',
	'', $pass, '');
bad('setting in if', '"codeexec_timeout" directive is not allowed here', '',
	'', "if (\$arg_a) { codeexec_timeout 1s; }");

good("$_ and again", '', '', "$pass $_; $_;") for 'codeexec_deny x',
	map { "codeexec_$_ x" } qw/deny_import allow_import deny_call/;
good('nothing forbidden', '', '', "$pass codeexec_deny off; "
	. 'codeexec_deny_import off; codeexec_deny_call off;');
good('nothing allowed', '', '', "$pass codeexec_allow_import none;");
good('a directive that looks like the end', '', '',
	"$pass codeexec_deny off x;");
bad('a bad pattern', 'pcre2_compile() failed: missing closing parenthesis '
	. 'in "(x" at "" in', '', '', "$pass codeexec_deny '(x';");

for my $both ('deny off; codeexec_deny x', 'deny x; codeexec_deny off',
	'deny_import off; codeexec_deny_import x',
	'deny_import x; codeexec_deny_import off',
	'deny_call off; codeexec_deny_call off',
	'allow_import none; codeexec_allow_import x')
{
	my ($name) = split ' ', $both;
	bad($both, qq("codeexec_$name" directive is duplicate), '', '',
		"$pass codeexec_$both;");
}

bad("a name \"$_\"", qq(invalid name "$_"), '', '',
	qq($pass codeexec_deny_import os "$_";)) for '', '.os', 'os.', 'a..b',
	'2x', 'a.2', 'a-b', 'a b', "\xff", 'os,sys';
bad('off beside a name', 'invalid name "a-b"', '', '',
	"$pass codeexec_deny_call off a-b;");

my $pool = 'codeexec_pg pool { conninfo ""; }';
my $image = 'codeexec_image pool;';

good('codeexec_store', $pool, '', "$pass codeexec_store pool;");
good('codeexec_store in http', "$pool codeexec_store pool;", '', $pass);
good('codeexec_store in server', $pool, 'codeexec_store pool;', $pass);
good('codeexec_store before its pool', "codeexec_store pool; $pool", '', $pass);
good('codeexec_store, then off', "$pool codeexec_store pool;", '',
	"$pass codeexec_store off;");
good('codeexec_image', $pool, '', $image);
good('codeexec_image with a name', $pool, '',
	'codeexec_image pool $arg_name;');
good('codeexec_image in if', $pool, '', "if (\$arg_a) { $image }");
good('codeexec_image in nested location', $pool, '',
	"location /runcode/a { $image }");
good('variables of the store', 'log_format x "$codeexec_images_stored '
	. '$codeexec_pg_time $codeexec_pg_sqlstate";', '', $pass);

bad('codeexec_image in http', '"codeexec_image" directive is not allowed here',
	"$pool $image", '', '');
bad('codeexec_image in server',
	'"codeexec_image" directive is not allowed here', $pool, $image, '');
bad('codeexec_image twice', '"codeexec_image" directive is duplicate', $pool,
	'', $image x 2);
bad('codeexec_image beside codeexec_pass', '"codeexec_', $pool, '',
	"$pass $image");
bad('codeexec_pass beside codeexec_image', '"codeexec_', $pool, '',
	"$image $pass");
bad('codeexec_store twice', '"codeexec_store" directive is duplicate', $pool,
	'', "$pass codeexec_store pool; codeexec_store off;");
bad('codeexec_image, no such pool', 'codeexec_pg "pool" is not configured',
	'', '', $image);

# arguments

bad('codeexec_pass without arguments',
	'invalid number of arguments in "codeexec_pass" directive', '', '',
	'codeexec_pass;');
bad('codeexec_pass with two',
	'invalid number of arguments in "codeexec_pass" directive', '', '',
	'codeexec_pass a b;');

for my $name (qw/key_file socket_keepalive connect_timeout send_timeout read_timeout
	buffer_size ignore_client_abort intercept_errors next_upstream_tries
	next_upstream_timeout max_code_size max_stdin_size max_variables_size
	max_files max_files_size max_response_size timeout max_timeout files
	results detail store store_fallback
	image_max_size image_max_total image_max_count image_ttl image_url
	image_name/)
{
	bad("codeexec_$name with two arguments", 'invalid number of arguments '
		. "in \"codeexec_$name\" directive", '', '',
		"$pass codeexec_$name 1 2;");
}

for my $name (qw/cors key_file bind next_upstream images store image image_types
	image_name image_url/)
{
	bad("codeexec_$name without arguments", 'invalid number of arguments '
		. "in \"codeexec_$name\" directive", '', '',
		"$pass codeexec_$name;");
}

bad('codeexec_api of nobody', 'unknown API "nobody"', '', '',
	"codeexec_api nobody; $pass");
bad('codeexec_api with another path', 'API "native" has no path "run"', '',
	'', "codeexec_api native run; $pass");
bad('codeexec_api twice', '"codeexec_api" directive is duplicate', '', '',
	"codeexec_api native; codeexec_api native; $pass");
good('codeexec_api with a path', '', '', "codeexec_api native healthz; $pass");
good('codeexec_api in http', 'codeexec_api native;', '', $pass);
good("codeexec_api $_", '', '', "codeexec_api $_; $pass") for 'executor',
	'executor validate', 'executor templates/', 'executor ""', 'render',
	'render render-matplotlib', 'render ""';
bad('codeexec_api with a name', 'API "executor" has no path "templates/x"', '',
	'', "codeexec_api executor templates/x; $pass");
bad("codeexec_cors $_", 'invalid origin', '', '', "$pass codeexec_cors $_;")
	for 'null', 'a.example', 'https://', 'https://a.example/',
	'https://A.example', 'https://a.example:0', 'https://a.example:65536',
	'https://a.example:x', 'https://a.example:', '* https://a.example',
	'off *', 'https://a.example off', '://a', 'http:/a', '"https://a b"',
	'http://[::1', '""', 'https://*.example', 'https://a.example?x';
bad('codeexec_cors twice', '"codeexec_cors" directive is duplicate', '', '',
	"$pass codeexec_cors off; codeexec_cors *;");
bad('codeexec_pass twice', '"codeexec_pass" directive is duplicate', '', '',
	$pass x 2);
good('codeexec_zone without a size', 'codeexec_zone a:64k;', 'codeexec_zone off;',
	"codeexec_zone a; $pass");
good('the size of a codeexec_zone may follow', 'codeexec_zone a;', '',
	"codeexec_zone a:64k; $pass");
bad('codeexec_zone of nobody', 'zero size shared memory zone "a"', '', '',
	"codeexec_zone a; $pass");
bad('codeexec_zone with a bad size', 'invalid zone size "a:big"', '', '',
	"codeexec_zone a:big; $pass");
bad('codeexec_zone with no size', 'invalid zone size "a:"', '', '',
	"codeexec_zone a:; $pass");
bad('codeexec_zone with a small size', 'zone "a:8k" is too small', '', '',
	"codeexec_zone a:8k; $pass");
bad('codeexec_zone without a name', 'invalid zone name ":64k"', '', '',
	"codeexec_zone :64k; $pass");
bad('codeexec_zone off twice', '"codeexec_zone" directive is duplicate', '', '',
	"codeexec_zone off; codeexec_zone off; $pass");
bad('codeexec_zone with two sizes', 'the size 131072 of shared memory zone "a" '
	. 'conflicts with already declared size 65536', 'codeexec_zone a:64k;', '',
	"codeexec_zone a:128k; $pass");
bad('codeexec_zone of somebody else', 'the shared memory zone "a" is already '
	. 'declared for a different use',
	'limit_conn_zone $host zone=a:64k; codeexec_zone a:64k;', '', $pass);

for my $setting (@settings) {
	next if $setting =~ / off$|error timeout|images|next_upstream |types
		|_(?:deny|allow)/x;
	my ($name) = split ' ', $setting;
	bad("$name twice", qq{"$name" directive is duplicate}, '', '',
		"$pass $setting; $setting;");
}

# values

for my $name (qw/connect_timeout send_timeout read_timeout buffer_size
	next_upstream_timeout max_code_size max_stdin_size max_variables_size
	max_files_size max_response_size timeout max_timeout image_max_size image_max_total
	image_ttl/)
{
	bad("codeexec_$name soon", qq{"codeexec_$name" directive invalid value},
		'', '', "$pass codeexec_$name soon;");
}

for my $name (qw/socket_keepalive ignore_client_abort intercept_errors
	files results detail/)
{
	bad("codeexec_$name maybe", qq{invalid value "maybe" in "codeexec_$name" }
		. 'directive, it must be "on" or "off"', '', '',
		"$pass codeexec_$name maybe;");
}

bad('codeexec_image_max_count some',
	'"codeexec_image_max_count" directive invalid number', '', '',
	"$pass codeexec_image_max_count some;");
bad('codeexec_image_types bmp', 'invalid value "bmp"', '', '',
	"$pass codeexec_image_types png bmp;");
bad('codeexec_image_name (', 'pcre', '', '', "$pass codeexec_image_name (;");
bad('codeexec_store_fallback maybe', 'invalid value "maybe"', '', '',
	"$pass codeexec_store_fallback maybe;");
bad("codeexec_image_max_size $_", '"codeexec_image_max_size" must be greater '
	. 'than zero and less than 1g', '', '',
	"$pass codeexec_image_max_size $_;") for 0, '1024m', '2048m';
good('codeexec_image_max_size just below', '', '',
	"$pass codeexec_image_max_size 1073741823;");
bad("codeexec_image_ttl $_", '"codeexec_image_ttl" must be equal to or less '
	. 'than 36500d', '', '', "$pass codeexec_image_ttl $_;")
	for '36501d', '36500d1ms', '300000000d';
good("codeexec_image_ttl $_", '', '', "$pass codeexec_image_ttl $_;")
	for '36500d', '1ms';
bad('codeexec_next_upstream_tries some',
	'"codeexec_next_upstream_tries" directive invalid number', '', '',
	"$pass codeexec_next_upstream_tries some;");
bad('codeexec_next_upstream sometimes', 'invalid value "sometimes"', '', '',
	"$pass codeexec_next_upstream sometimes;");
bad('codeexec_bind nowhere', 'invalid address "nowhere"', '', '',
	"$pass codeexec_bind nowhere;");
bad('codeexec_pass with a bad port', 'invalid port in upstream', '', '',
	'codeexec_pass 127.0.0.1:99999;');
bad('codeexec_pass unix:', 'no path in the unix domain socket', '', '',
	'codeexec_pass unix:;');

for my $settings ('codeexec_timeout 2s; codeexec_max_timeout 1s',
	'codeexec_timeout 61s', 'codeexec_timeout 0', 'codeexec_max_timeout 0')
{
	bad($settings, '"codeexec_timeout" must be greater than zero and equal '
		. 'to or less than "codeexec_max_timeout"', '', '',
		"$pass $settings;");
}

bad('codeexec_max_timeout 2h',
	'"codeexec_max_timeout" must be equal to or less than 1h', '', '',
	"$pass codeexec_max_timeout 2h;");
bad('codeexec_buffer_size 0',
	'"codeexec_buffer_size" must be greater than zero', '', '',
	"$pass codeexec_buffer_size 0;");

for my $name (qw/code stdin variables/) {
	bad("codeexec_max_${name}_size 65m", '"codeexec_max_code_size", '
		. '"codeexec_max_stdin_size" and "codeexec_max_variables_size" '
		. 'must be equal to or less than 64m', '', '',
		"$pass codeexec_max_${name}_size 65m;");
}

bad("codeexec_max_files_size $_", '"codeexec_max_files_size" must be equal to '
	. 'or less than 63m', '', '', "$pass codeexec_max_files_size $_;")
	for '64m', '66060289';
bad('codeexec_max_files 1001', '"codeexec_max_files" must be equal to or less '
	. 'than 1000', '', '', "$pass codeexec_max_files 1001;");
bad('codeexec_max_files some', '"codeexec_max_files" directive invalid number',
	'', '', "$pass codeexec_max_files some;");
good($_, '', '', "$pass $_;") for 'codeexec_max_files 1000',
	'codeexec_max_files 0', 'codeexec_max_files_size 63m',
	'codeexec_max_files_size 0';

bad('codeexec_images of 33 types', '"codeexec_images" directive has more than 32 '
	. 'extensions', '', '',
	"$pass codeexec_images @{[map { qq(a$_) } 1 .. 33]};");
good('codeexec_images of 32 types', '', '',
	"$pass codeexec_images @{[map { qq(a$_) } 1 .. 32]};");

ok(!(config('', '', "$pass codeexec_images $_;"))[1], "codeexec_images $_")
	for 'p/g', '*', 'off png', 'png off';

# files of keys

sub keys_good ($name, $text) {
	$t->write_file('keys', $text);
	good("keys: $name", '', 'codeexec_key_file keys;', $pass);
}

sub keys_bad ($name, $error, $text) {
	$t->write_file('keys', $text);
	bad("keys: $name", $error, '', 'codeexec_key_file keys;', $pass);
}

my $other = sprintf '%064x', 7;
my $at = 'in ' . $t->dir . '/keys';

keys_good('empty', '');
like((config('', 'codeexec_key_file keys;', $pass))[0],
	qr/\[warn\] no keys in ".*keys"/, 'keys: a warning');
keys_good('comments', "# a\n\n \t\r\n  # b\n");
keys_good('all options', "a.b_c-d\@9 $digest class=Slow "
	. "languages=python,JS,c++ max_timeout=1h admin # all\r\n");
keys_good('no end of line', "a $digest\nb $other");
keys_good('64 characters', 'a' x 64 . " $digest");

keys_bad('65 characters', "invalid name of a key $at:1", 'a' x 65 . " $digest");
keys_bad("name $_", "invalid name of a key $at:2", "\n$_ $digest")
	for '-', '.a', 'a/b', 'a,b', "a\0", "\xc3\xa4", '"a"';
keys_bad('no digest', "invalid digest $at:3", "# a\na $digest\nb # $other\n");
keys_bad("digest $_", "invalid digest $at:1", "a $_\n")
	for 'x', substr($digest, 1), "${digest}a", substr($digest, 1) . 'g',
	'cx_' . 'a' x 43, "sha256:$digest";
keys_bad('of nothing', "empty key $at:1", 'a e3b0c44298fc1c149afbf4c8996fb924'
	. '27ae41e4649b934ca495991b7852b855');
keys_bad("option $_", "invalid or duplicate option \"$_\" $at:1", "a $digest $_")
	for qw/concurrency concurrency= concurrency=0 concurrency=-1
	concurrency=1000001 concurrency=x class= class=-
	languages= languages=a;b languages=*
	max_timeout= max_timeout=0 max_timeout=61m max_timeout=soon
	max_timeout=-1s admin= admin=1 administrator colour=red Admin/,
	'class=a,b', 'languages=a,,b', 'languages=a,';
keys_bad('option twice', "invalid or duplicate option \"class=b\" $at:1",
	"a $digest class=a class=b");
keys_bad('name twice', "duplicate name \"a\" $at:3", "a $digest\n\na $other\n");
keys_bad('key twice', "\"a\" and \"b\" are the same key $at:2", "a $digest\nb \U$digest\n");
keys_bad('too large', '"' . $t->dir . '/keys" is too large', '#' x (1 << 24) . '#');

$t->write_file('keys', "alice $digest\nbob $other admin concurrency=2");
bad('keys: concurrency without a zone', '"concurrency" of key "bob" ' . $at
	. ':2 needs "codeexec_zone"', '', 'codeexec_key_file keys;', $pass);
good('keys: concurrency with a zone', 'codeexec_zone runs:1m;',
	'codeexec_key_file keys;', $pass);
good('keys: concurrency where nothing is run', '', 'codeexec_key_file keys;',
	'root /nowhere;');
bad('keys: concurrency in if', '"concurrency" of key "bob" ', '',
	'codeexec_key_file keys;', "if (\$arg_a) { $pass }");

$t->write_file('keys', "alice $digest\n");
chmod 0646, $t->dir . '/keys';
bad('keys: writable by others', '"' . $t->dir . '/keys" must not be writable by '
	. 'others', '', 'codeexec_key_file keys;', $pass);
bad('keys: a directory', '"' . $t->dir . '" is not a regular file', '',
	'codeexec_key_file %%TESTDIR%%;', $pass);
bad('keys: a FIFO', '"' . $t->dir . '/fifo" is not a regular file', '',
	'codeexec_key_file fifo;', $pass) if POSIX::mkfifo($t->dir . '/fifo', 0600);
bad('keys: no file', 'open() "' . $t->dir . '/none" failed', '',
	'codeexec_key_file none;', $pass);
bad('codeexec_key_file in if', '"codeexec_key_file" directive is not allowed here',
	'', '', "if (\$arg_a) { codeexec_key_file off; }");

unlink $t->dir . '/error.log';
$t->done_testing;
