#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# Node.js, forked from a warm process: a program behaves as it would as
# "node main.js", and what is hostile in it stays in its jail.

use v5.36;
use utf8;

use JSON::PP ();
use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Process;
use Test::Codeexec::Real;

$ENV{CODEEXEC_TIMEOUT} // alarm 500;

my $t = Test::Codeexec::Real->start(node => 1, spare => 3,
	conf => { limits => { memory => '192mb', disk => '32mb', processes => 48 } });
my ($major) = $t->output('console.log(process.versions.node)',
	language => 'nodejs') =~ /^(\d+)/;

# One case: what comes out, and how it ends: "exit 0", "signal 9", "timeout",
# "memory".  output, stderr and end are text or a pattern.

sub check ($name, $code, %want) {
	my %member = map { exists $want{$_} ? ($_ => delete $want{$_}) : () }
		qw/stdin args variables/;
	my $a = $t->run_code($code, language => 'nodejs',
		detail => JSON::PP::true, timeout => delete $want{timeout} // 20,
		%member);
	my $status = $a->{status} // $a->{error} // 'no answer';
	my %got = (%$a, end => defined $a->{signal} && $status eq 'signal'
		? "signal $a->{signal}" : defined $a->{exit_code}
		? "exit $a->{exit_code}" : $status);

	$want{end} //= 'exit 0';
	$want{stderr} //= '' if $want{end} eq 'exit 0';

	for my $key (grep { defined $want{$_} } qw/end output stderr/) {
		my $good = ref $want{$key}
			? like($got{$key}, $want{$key}, "$name: $key")
			: is($got{$key}, $want{$key}, "$name: $key");
		diag($a->{stderr}) if !$good && $key eq 'end';
	}

	return $a;
}

sub well ($name) { check($name, 'console.log(6 * 7)', output => "42\n") }

###############################################################################

# What the host sees of the zygote

my ($zygote) = grep {
	cmdline($_) =~ /^node/ && Test::Codeexec::Real::status($_)->{NSpid}
		=~ /^\d+\s+\d+$/
} children($t->daemon_pid);

ok($zygote, 'there is a zygote');
is(join(' ', sort { $a <=> $b } map { m{/(\d+)$} } glob "/proc/$zygote/fd/*"),
	'0 1 2 3', 'four descriptors');
is(Test::Codeexec::Real::status($zygote)->{Threads}, 1, 'one thread');
is(join(' ', children($zygote)), '', 'no children');
is(join("\n", grep { /^\S+ .w.s/ } split /\n/, Test::Codeexec::Process::slurp(
	"/proc/$zygote/maps")), '', 'no shared memory to write to');

###############################################################################

# The main module

check('names', 'console.log(__filename, __dirname, require.main === module, '
	. 'module.id, module.filename, this === exports, arguments.length)',
	output => "/home/user/main.js /home/user true . /home/user/main.js true 5\n");
check('process', 'console.log(process.argv, process.execPath, process.execArgv, '
	. 'process.pid === +require("fs").readlinkSync("/proc/self"), process.title, '
	. 'process.cwd(), process.exitCode, process.mainModule === module)',
	output => "[ '/usr/bin/node', '/home/user/main.js' ] /usr/bin/node [] true "
	. "node /home/user undefined true\n");
check('arguments', 'console.log(process.argv.slice(2))', args => ['a', "b c\n"],
	output => "[ 'a', 'b c\\n' ]\n");
check('environment', 'console.log(process.env.HOME, process.env.TZ, '
	. 'process.env.UV_USE_IO_URING, process.env.NODE_OPTIONS, new Date(0).getHours())',
	output => "/home/user UTC undefined undefined 0\n");
check('variables', 'console.log(n, s, o.a[1], typeof none); n = 2; console.log(n)',
	variables => { n => 1, s => "\x{4f60}", o => { a => [1, JSON::PP::true] } },
	output => "1 \x{4f60} true undefined\n2\n");
check('variables are no traps', 'console.log(toString, Object.keys(globalThis)'
	. '.includes("__proto__"), ({}).polluted)', variables => {
		toString => 'mine', '__proto__' => { polluted => 1 } },
	output => "mine true undefined\n");
clean(check('a variable that can not be', '', variables => { undefined => 1 },
	end => 'exit 1', stderr => qr/TypeError: Cannot redefine property: undefined/),
	'a variable that can not be');
check('variables that are gone', 'console.log(typeof n)', output => "undefined\n");
check('nothing of ours', 'console.log(Object.keys(globalThis).filter((n) => '
	. '!(n in { global: 1, clearImmediate: 1, setImmediate: 1, clearInterval: 1, '
	. 'clearTimeout: 1, setInterval: 1, setTimeout: 1, queueMicrotask: 1, '
	. 'structuredClone: 1, atob: 1, btoa: 1, performance: 1, fetch: 1, '
	. 'navigator: 1, crypto: 1, gc: 1 })), Object.keys(require.cache))',
	output => "[] [ '/home/user/main.js' ]\n");
check('the same globals', "const { execFileSync } = require('child_process');\n"
	. "const names = 'JSON.stringify(Object.getOwnPropertyNames(globalThis).sort())';\n"
	. "const bare = execFileSync(process.execPath, ['-e', "
	. "'require(\"fs\").writeSync(1, ' + names + ')']).toString();\n"
	. "const here = eval(names);\n"
	. "console.log(JSON.parse(here).filter((n) => !bare.includes('\"' + n + '\"')));",
	output => "[]\n");
check('hashbang', "#!/usr/bin/env node\nconsole.log(1)", output => "1\n");
check('byte order mark', "\x{feff}console.log(1)", output => "1\n");
check('empty', '', output => '');
check('comment at the end', "console.log(1) // the end", output => "1\n");
check('strict', "'use strict';\nx = 1", end => 'exit 1',
	stderr => qr/ReferenceError: x is not defined\n    at Object\.<anonymous> \(\/home\/user\/main\.js:2:3\)\n\n/);
check('its own file', "const fs = require('fs');\nconsole.log(fs.readdirSync('.'), "
	. "fs.readFileSync(__filename, 'utf8').length)",
	output => "[ 'main.js' ] 102\n");
check('return', "console.log(1);\nreturn;\nconsole.log(2)", output => "1\n");

# Modules

check('import and top-level await', "import fs from 'fs';\n"
	. "const x = await new Promise((done) => setTimeout(done, 1, 7));\n"
	. "console.log(x, typeof fs.readFileSync, import.meta.url, typeof require)",
	output => "7 function file:///home/user/main.mjs undefined\n");
check('export only', "export const x = 1;\nconsole.log(this)", output => "undefined\n");
check('import.meta only', 'console.log(import.meta.url)',
	output => "file:///home/user/main.mjs\n");
check('await with require', "const x = require('os').EOL;\n"
	. "console.log(await Promise.resolve(1), JSON.stringify(x), __filename)",
	output => "1 \"\\n\" /home/user/main.js\n");
check('for await at the top', "for await (const x of [1, Promise.resolve(2)]) console.log(x)",
	output => "1\n2\n");
check('await that is a name', "const await = 1;\nconsole.log(await)", output => "1\n");
check('await that never comes', "await new Promise(() => {});\nconsole.log('never')",
	end => 'exit 13', output => '', stderr => qr/unsettled top-level await/);
check('the same in a module', "import 'fs';\nawait new Promise(() => {})",
	end => 'exit 13', stderr => qr/unsettled top-level await/);
check('import()', "import('fs').then((m) => console.log(typeof m.default.openSync));\n"
	. "import('./none.mjs').catch((e) => console.log(e.code))",
	output => qr/function/);
check('a module that fails', "import 'fs';\nfunction f() { throw new Error('x'); }\nf();",
	end => 'exit 1', stderr => qr{^file:///home/user/main\.mjs:2\n.*Error: x\n    at f \(file:///home/user/main\.mjs:2:22\)\n    at file:///home/user/main\.mjs:3:1\n\nNode\.js v}s);
check('no such import', "import x from 'no-such-package'", end => 'exit 1',
	stderr => qr/ERR_MODULE_NOT_FOUND|Cannot find package 'no-such-package'/);
check('no such module', "require('no-such-package')", end => 'exit 1',
	stderr => qr{Cannot find module 'no-such-package'\nRequire stack:\n- /home/user/main\.js\n});

# Nothing of ours is in what is printed

sub clean ($a, $name) {
	unlike("$a->{output}$a->{stderr}", qr{/opt|codeexec|runner|zygote},
		"$name: no path of ours");
}

my @errors = (
	['a syntax error', "let x = 1;\nlet y = = 2;", qr{^/home/user/main\.js:2\nlet y = = 2;\n +\^\n\nSyntaxError: Unexpected token '='\n(?:    at \S*(?:\.)?\S*ompileFunction \(node:[^\n]*\n)+\nNode\.js v[\d.]+\n\z}],
	['throw null', 'throw null', qr/Uncaught|null/],
	['throw undefined', 'throw undefined', qr/undefined/],
	['throw a string', 'throw "text"', qr/text/],
	['throw an object', 'throw { a: 1 }', qr/\{ a: 1 \}|\[object Object\]/],
	['throw a proxy', 'throw new Proxy(new Error("p"), { get() { throw 1 } })', qr/./],
	['a stack that throws', 'const e = new Error("s"); Object.defineProperty(e, "stack", { get() { throw new Error("t") } }); throw e', qr/./],
	['a stack that is none', 'const e = new Error("s"); e.stack = 7; throw e', qr/7|Error: s/],
	['a frozen error', 'throw Object.freeze(new Error("frozen"))', qr/Error: frozen/],
	['a cause', 'throw new Error("a", { cause: new TypeError("b") })', qr/Error: a\n.*\[cause\]: TypeError: b/s],
	['an aggregate', 'Promise.any([Promise.reject(new Error("x"))])', qr/AggregateError: All promises were rejected/],
	['a class of its own', 'class Mine extends Error { name = "Mine" } throw new Mine("m")', qr/Mine: m\n    at Object\.<anonymous> \(\/home\/user\/main\.js:1:/],
	['in a tick', 'process.nextTick(() => { throw new Error("tick") })', qr/Error: tick\n    at \/home\/user\/main\.js:1:\d+\n\n/],
	['in a microtask', 'queueMicrotask(() => { throw new Error("micro") })', qr/Error: micro\n    at \/home\/user\/main\.js:1:/],
	['in a timer', 'setTimeout(function f() { throw new Error("timer") }, 1)', qr/Error: timer\n    at Timeout\.f[^\n]*\(\/home\/user\/main\.js:1:\d+\)\n\n/],
	['in an emitter', 'new (require("events"))().emit("error", new Error("event"))', qr/Error: event/],
	['in fs', 'require("fs").readFileSync("/none")', qr/ENOENT.*\n    at Object\.<anonymous> \(\/home\/user\/main\.js:1:15\)/s],
	['in exit', 'process.on("exit", () => { throw new Error("at exit") })', qr/Error: at exit/],
	['in beforeExit', 'process.on("beforeExit", () => { throw new Error("before") })', qr/Error: before/],
	['a rejection that is no error', 'Promise.reject(7)', qr/ERR_UNHANDLED_REJECTION.*"7"|reason "7"/s],
	['recursion', '(function f() { f() })()', qr/RangeError: Maximum call stack size exceeded\n    at f \(/],
	['in JSON', 'JSON.parse("{")', qr/SyntaxError: .*JSON.*\n    at JSON\.parse \(<anonymous>\)\n    at Object\.<anonymous> \(\/home\/user\/main\.js:1:6\)\n\n/s],
);

clean(check($_->[0], $_->[1], end => $_->[0] =~ /beforeExit|exit/ ? qr/^exit [17]$/
	: 'exit 1', stderr => $_->[2]), $_->[0]) for @errors;

clean(check('a stack', "function f() { return new Error('x').stack }\nconsole.log(f());\n"
	. "setTimeout(() => console.log(f()), 1);\nconsole.trace('t');", stderr => qr/./),
	'stacks');
check('only the program is below', "console.log(new Error('x').stack.split('\\n').length)",
	output => "2\n");
check('captured', "const o = {}; Error.captureStackTrace(o); console.log(o.stack)",
	output => "Error\n    at Object.<anonymous> (/home/user/main.js:1:21)\n");

###############################################################################

# Ends

my @ends = (
	['the end', '1', 'exit 0'],
	['exit', 'process.exit()', 'exit 0'],
	['exit 3', 'process.exit(3)', 'exit 3'],
	['exit 300', 'process.exit(300)', 'exit 44'],
	['exit -1', 'process.exit(-1)', 'exit 255'],
	['exit 1e9', 'process.exit(1e9)', 'exit 0'],
	['exitCode', 'process.exitCode = 4', 'exit 4'],
	['exitCode and exit', 'process.exitCode = 4; process.exit()', 'exit 4'],
	['exitCode of text', 'process.exitCode = "x"', $major < 20 ? 'exit 0' : 'exit 1'],
	['exit in a timer', 'setTimeout(() => process.exit(5), 1); setInterval(() => {}, 9)', 'exit 5'],
	['exit in exit', 'process.on("exit", () => process.exit(6))', 'exit 6'],
	['exitCode in exit', 'process.on("exit", () => { process.exitCode = 7 })', 'exit 7'],
	['exit in beforeExit', 'process.on("beforeExit", () => process.exit(8))', 'exit 8'],
	['exit after an error', 'process.on("exit", (c) => { process.exitCode = c + 1 }); throw 1', 'exit 2'],
	['reallyExit', 'process.reallyExit(9)', 'exit 9'],
	['abort', 'process.abort()', 'signal 6'],
	['SIGTERM', 'process.kill(process.pid, "SIGTERM"); setTimeout(() => {}, 5000)', 'signal 15'],
	['SIGKILL', 'process.kill(process.pid, 9)', 'signal 9'],
	['SIGINT that is handled', 'process.on("SIGINT", () => process.exit(11)); process.kill(process.pid, "SIGINT"); setTimeout(() => {}, 5000)', 'exit 11'],
	['an interval that is not waited for', 'setInterval(() => {}, 1000).unref()', 'exit 0'],
	['stdin that is not there', 'process.stdin.on("data", () => {}).on("end", () => process.exit(12))', 'exit 12'],
	['stdout that is closed', 'require("fs").closeSync(1); console.log(1)', qr/^exit/],
	['process that is gone', 'delete globalThis.process; globalThis.process = undefined', 'exit 0'],
	['emit that lies', 'process.emit = () => { throw new Error("x") }', qr/^exit/],
	['a loop', 'for (;;);', 'timeout'],
	['a loop of microtasks', '(function f() { Promise.resolve().then(f) })()', 'timeout'],
	['a loop of ticks', '(function f() { process.nextTick(f) })()', 'timeout'],
	['a flood of immediates', '(function f() { setImmediate(f); setImmediate(() => {}) })()', 'timeout'],
	['a wait for ever', 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)', 'timeout'],
	['a loop in a worker', 'new (require("worker_threads").Worker)("for (;;);", { eval: true })', 'timeout'],
	['a bad regular expression', '/^(a+)+$/.test("a".repeat(40) + "b")', 'timeout'],
);

check($_->[0], $_->[1], end => $_->[2], stderr => qr//, $_->[2] eq 'timeout'
	? (timeout => 1) : ()) for @ends;

is(length $t->run_code("process.stdout.write('y'.repeat(300000)); "
	. "process.on('exit', () => console.log('end'))", language => 'nodejs')->{output},
	300004, 'large output comes whole');
check('output before a crash', "console.log('a'); process.abort()", end => 'signal 6',
	output => "a\n");
check('order', "console.log('a'); require('fs').writeSync(1, 'b\\n'); console.log('c')",
	output => "a\nb\nc\n");
check('stdin at once', "console.log(require('fs').readFileSync(0, 'utf8'))",
	stdin => "héllo", output => "héllo\n");

###############################################################################

# Random numbers differ from run to run

my %seen;
my $runs = $ENV{CODEEXEC_RUNS} || 500;

for (1 .. $runs) {
	my $out = $t->output("const c = require('crypto'), vm = require('vm');\n"
		. "const show = (n, x) => console.log(n + ': ' + x);\n"
		. "show('random', Math.random()); show('context', vm.runInNewContext('Math.random()'));\n"
		. "show('bytes', c.randomBytes(8).toString('hex')); show('uuid', c.randomUUID());\n"
		. "show('int', c.randomInt(2 ** 47)); show('web', c.webcrypto.getRandomValues(new Uint32Array(2)));\n"
		. "show('dir', require('fs').mkdtempSync('/tmp/')); show('key', c.generateKeySync('hmac', { length: 64 }).export().toString('hex'))\n"
		. ($_ % 10 ? '' : "new (require('worker_threads').Worker)('console.log(\"worker: \" + Math.random())', { eval: true })"),
		language => 'nodejs');
	$seen{$1}{$2}++ while $out =~ /^(\w+): (.+)$/mg;
}

is(scalar keys %seen, 9, 'nine sources');
is(join(' ', grep { keys %{ $seen{$_} } != ($_ eq 'worker' ? int $runs / 10 : $runs) }
	sort keys %seen), '', "each differs in $runs runs");

###############################################################################

# Hostile: only inside (J01)

check('descriptors', "const fs = require('fs');\n"
	. "for (const f of fs.readdirSync('/proc/self/fd')) {\n"
	. "  let to; try { to = fs.readlinkSync('/proc/self/fd/' + f) } catch { continue }\n"
	. "  if (!/^(?:\\/dev\\/null|pipe:|anon_inode:\\[event(?:fd|poll)\\])/.test(to)) console.log(f, to);\n"
	. '}', output => qr{\A(?:\d+ /proc/\d+/fd\n)?\z});

# Two runs at once and the zygote have no pipe, eventfd or epoll in common.

{
	my $code = "const fs = require('fs'); fs.writeFileSync('here', ''); setTimeout(() => {}, 9000)";
	my @s = map { $t->send_code($code, language => 'nodejs') } 1 .. 2;
	my @pids;
	wait_until(20, sub { @pids = $t->marked('here'); @pids >= 2 });
	my (%where, @both);

	for my $pid (@pids) {
		for my $fd (glob "/proc/$pid/fd/*") {
			my $to = readlink $fd // next;
			my ($id) = Test::Codeexec::Process::slurp($fd =~ s{/fd/}{/fdinfo/}r)
				=~ /^eventfd-id:\s*(\d+)/m;
			$to = "eventfd $id" if $id;
			next if $to !~ /^pipe|^eventfd /;
			push @both, $to if ($where{$to} //= $pid) != $pid;
		}
	}

	cmp_ok(scalar keys %where, '>', 8, 'pipes and eventfds of two runs');
	is("@both", '', 'they share none');
	close $_ for @s;
	$t->settle;
}

check('our own addon', "const x = require('/opt/codeexec/codeexec.node');\n"
	. 'console.log(Object.keys(x))', output => "[]\n");
check('our own runner', "try { require('/opt/codeexec/runner.js').begin('1', '', '') } "
	. 'catch (e) {} console.log(1)', output => "1\n");
check('our own zygote in a child', "const { spawnSync } = require('child_process');\n"
	. "const r = spawnSync(process.execPath, ['/opt/codeexec/zygote.js']);\n"
	. "console.log(r.status !== 0)", output => "true\n");
check('bindings', "for (const name of ['spawn_sync', 'process_methods', 'pipe_wrap', 'fs']) {\n"
	. "  try { process.binding(name) } catch (e) { console.log(e.code) }\n}", stderr => qr//);
check('spawn_sync', "try {\n  const r = process.binding('spawn_sync').spawn({ file: '/usr/bin/id', "
	. "args: ['id', '-u'], stdio: [{ type: 'inherit', fd: 0 }, { type: 'inherit', fd: 1 }, "
	. "{ type: 'inherit', fd: 2 }] });\n} catch { console.log(1000) }",
	output => "1000\n", stderr => qr//);
check('dlopen', "require('fs').writeFileSync('x.node', 'not one');\n"
	. "try { process.dlopen({ exports: {} }, '/home/user/x.node') } catch (e) { console.log(e.code) }",
	output => "ERR_DLOPEN_FAILED\n");
check('out of a context', "const p = require('vm').runInNewContext('this.constructor.constructor"
	. "(\"return process\")()');\nconsole.log(p === process, p.mainModule.filename)",
	output => "true /home/user/main.js\n");
check('uid', "console.log(process.getuid(), process.geteuid(), process.getgroups());\n"
	. "try { process.setuid(0) } catch (e) { console.log(e.code) }",
	output => qr/^1000 1000 \[[ \d]*\]\nEPERM\n\z/);
check('pollution', "for (const n of ['toJSON', 'then', 'status', 'exit_code', 'output', 'get', 'value', 'writable'])\n"
	. "  Object.prototype[n] = n === 'then' || n === 'toJSON' ? () => ({ status: 'ok', exit_code: 0 }) : 77;\n"
	. "Array.prototype.join = () => 'joined'; JSON.stringify = () => '{}'; Number = () => 0;\n"
	. 'process.exitCode = 3', end => qr/^exit [13]$/, stderr => qr//);
check('Function.prototype.call', "Function.prototype.call = Function.prototype.apply = "
	. "Function.prototype.bind = () => { throw 1 }; process.exitCode = 3",
	end => qr/^exit [137]$/, stderr => qr//);
check('a handler that hides', "process._fatalException = () => true;\nthrow 1",
	end => qr/^exit/, stderr => qr//);
well('after those');

# SIGUSR1, which starts the debugger (J03)

check('the debugger', "process.kill(process.pid, 'SIGUSR1');\n"
	. "setTimeout(() => console.log(require('inspector').url()), 200)",
	output => "undefined\n", stderr => qr//);
check('the debugger, asked for', "require('inspector').open(0, '127.0.0.1');\n"
	. "console.log(require('inspector').url())", output => "undefined\n", stderr => qr//);

# Bombs (J05)

check('workers', "const { Worker } = require('worker_threads');\nlet n = 0;\n"
	. "for (let i = 0; i < 10000; i++) new Worker('setTimeout(() => {}, 1e6)', { eval: true }).on('error', () => n++);",
	end => qr/^(?:exit \d+|signal \d+|memory|timeout)$/, stderr => qr//, timeout => 10);
check('processes', "const { spawn } = require('child_process');\nlet n = 0;\n"
	. "for (let i = 0; i < 200; i++) spawn('sleep', ['9']).on('error', (e) => n++);\n"
	. "setTimeout(() => { console.log(n > 100); process.exit() }, 500)",
	output => "true\n");
check('4 GiB of WebAssembly', "try {\n  const m = new WebAssembly.Memory({ initial: 65536 });\n"
	. "  const b = new Uint8Array(m.buffer);\n  for (let i = 0; i < b.length; i += 4096) b[i] = 1;\n"
	. "} catch (e) { console.log(e.name) }", end => qr/^(?:exit 0|memory)$/, stderr => qr//);
check('a large array', "try { new Uint8Array(2 ** 32).fill(1) } catch (e) { console.log(e.name) }",
	end => qr/^(?:exit 0|memory)$/, stderr => qr//);
check('a long string', "let s = 'x'; try { for (;;) s += s } catch (e) { console.log(e.name) }",
	output => "RangeError\n");
check('the heap', "const a = []; for (;;) a.push({ a: [a.length] })", end => 'signal 6',
	stderr => qr/JavaScript heap out of memory/);
check('the heap of a worker', "const w = new (require('worker_threads').Worker)"
	. "('const a = []; for (;;) a.push({ a: [a.length] })', { eval: true, resourceLimits: { maxOldGenerationSizeMb: 16 } });\n"
	. "w.on('error', (e) => console.log(e.code))", output => "ERR_WORKER_OUT_OF_MEMORY\n", stderr => qr//);
check('buffers', "const a = []; for (;;) a.push(Buffer.alloc(1 << 22, 1))", end => 'memory',
	stderr => qr//);
check('garbage is no bomb', "let x; for (let i = 0; i < 300; i++) x = Buffer.alloc(4 << 20, 1);\n"
	. "for (let i = 0; i < 3e6; i++) x = { i, a: [i] }; console.log('well')", output => "well\n");
check('a heap snapshot', "try { require('v8').writeHeapSnapshot('x.heapsnapshot'); console.log('ok') } "
	. "catch (e) { console.log('ok') }", output => "ok\n", stderr => qr//);
check('the disk', "const fs = require('fs');\ntry { for (let i = 0; i < 200; i++) "
	. "fs.appendFileSync('x', Buffer.alloc(1 << 20)) } catch (e) { console.log(e.code) }",
	output => qr/^(?:ENOSPC|EFBIG)\n\z/, end => qr/exit 0|signal 25/);

# What is not there (J06)

check('fs.watch', "try { require('fs').watch('.').on('error', (e) => console.log(e.code)) } "
	. "catch (e) { console.log(e.code) }", output => "ENOSYS\n");
check('interfaces', "try { console.log(Object.keys(require('os').networkInterfaces()).length) } "
	. "catch (e) { console.log(e.code) }", output => qr/^(?:0|ERR_SYSTEM_ERROR)\n\z/);
check('cpus', "console.log(require('os').cpus().length)", output => qr/^\d+\n\z/);
check('hostname', "console.log(require('os').hostname())", output => qr/^\S+\n\z/);
check('sockets', "require('net').connect(80, '127.0.0.1').on('error', (e) => console.log(e.code))",
	output => "EAFNOSUPPORT\n");
check('cluster', "const c = require('cluster');\nif (c.isPrimary) c.fork().on('exit', (n) => "
	. "console.log('worker', n)); else process.exit(3)", output => "worker 3\n");

well('at last');

###############################################################################

# Results, main(), environment: what a job may ask for

sub ask ($code, %job) {
	my $raw = $t->dial;
	write_all($raw, Test::Codeexec::Real::job_frames($code,
		language => 'nodejs', %job));
	return Test::Codeexec::Real::read_answer($raw);
}

my %results = (options => { results => JSON::PP::true });

is_deeply(ask('display("x"); display({ a: 1 }); display(Buffer.from("GIF89a"))',
	%results)->{shown}, [['text', 'x'], ['text', '{ a: 1 }'], ['gif', 'GIF89a']],
	'display()');
is_deeply(ask('const s = Symbol.for("Jupyter.display");'
	. 'display({ [s]: () => ({ "text/html": "<b>", "application/json": { a: 1 } }) });'
	. 'await display({ async [s]() { return { "text/plain": "later" } } });'
	. 'display({ "image/png": "iVBORw0KGgo=" }, { raw: true })', %results)->{shown},
	[['html', '<b>', 'json', '{"a":1}'], ['text', 'later'],
	['png', "\x89PNG\r\n\x1a\n"]], 'bundles');
is(ask('console.log(typeof display)')->{stdout}, "undefined\n",
	'only if they are asked for');
is_deeply(ask('for (let i = 0; i < 200; i++) display(i)', %results)->{shown},
	[map { ['text', $_] } 0 .. 98], 'as many as there is room for');
is_deeply(ask('display("a"); process.abort()', %results)->{shown}, [['text', 'a']],
	'what was shown before a crash is there');

for my $case (
	['a function', 'function main({ a }) { return { b: a + 1 } }', '{"b":2}'],
	['an async one', 'async function main(x) { await 1; return [x] }', '[{"a":1}]'],
	['with await at the top', 'await 1; const main = (x) => x.a', '1'],
	['exported', 'module.exports = { main: (x) => x }', '{"a":1}'],
	['of a module', 'import "fs"; export function main({ a }) { return String(a) }', '"1"'],
	['nothing', 'function main() {}', 'null'])
{
	my $a = ask($case->[1], options => { %{ $results{options} },
		main => { arguments => { a => 1 } } });
	is_deeply($a->{shown}, [['@return', $case->[2]]], "main(): $case->[0]")
		|| diag($a->{stderr});
}

for my $case (
	['main() that is not there', '1', 'ReferenceError', 'main is not defined'],
	['main() that fails', 'function main() { throw new TypeError("t") }', 'TypeError', 't'],
	['an error', 'throw new RangeError("r")', 'RangeError', 'r'])
{
	my $a = ask($case->[1], options => { %{ $results{options} },
		$case->[0] =~ /main/ ? (main => {}) : () });
	my ($name, $json) = @{ $a->{shown}[0] // [] };
	my $error = JSON::PP->new->decode($json // '{}');
	is($name, '@error', "$case->[0]: told");
	is("$error->{name}: $error->{value}", "$case->[2]: $case->[3]", "$case->[0]: as it is");
	like($error->{traceback}, qr/\A\Q$case->[2]: $case->[3]\E(?:\n    at [^\n]*main\.js[^\n]*)*\z/,
		"$case->[0]: its own frames");
	unlike("$json$a->{stderr}", qr{/opt}, "$case->[0]: no path of ours");
	is($a->{exit_code}, 1, "$case->[0]: exit code");
}

# The value of a program, and its variables

sub value ($code, %options) {
	my $a = ask($code, options => { %{ $results{options} },
		last_value => JSON::PP::true, %options });
	unlike("$a->{stderr}", qr{/opt}, 'no path of ours');
	return $a;
}

for my $case (
	['an expression', "const x = 6;\nx * 7;", ['text', '42', '@main', '']],
	['a string', '"text"', ['text', 'text', '@main', '']],
	['null', 'null', ['text', 'null', '@main', '']],
	['an object', '({ a: [1, { b: 2 }] })', ['text', '{ a: [ 1, { b: 2 } ] }', '@main', '']],
	['undefined', 'undefined'],
	['what is printed', 'console.log(1)'],
	['an empty program', ''],
	['a directive', "'use strict';\nconst x = 1;"],
	['below a directive', "'use strict';\nthis === globalThis", ['text', 'true', '@main', '']],
	['below a hashbang', "#!/usr/bin/env node\n5", ['text', '5', '@main', '']],
	['below a byte order mark', "\xef\xbb\xbf5", ['text', '5', '@main', '']],
	['after what is shown', "display(1); 2", ['text', '1'], ['text', '2', '@main', '']],
	['a promise', 'new Promise((done) => setTimeout(done, 9, 7))', ['text', '7', '@main', '']],
	['a promise that never comes', 'new Promise(() => {})'],
	['a bundle', '({ [Symbol.for("Jupyter.display")]: () => ({ "text/html": "<b>" }) })',
		['html', '<b>', '@main', '']],
	['one that is late', '({ async [Symbol.for("Jupyter.display")]() { return { "text/html": "<i>" } } })',
		['html', '<i>', '@main', '']],
	['an image', 'Buffer.from("89504e470d0a1a0a0000000d49484452000000100000000f", "hex")',
		['png', pack('H*', '89504e470d0a1a0a0000000d49484452000000100000000f'), '@main', '', '@size', '16x15']],
	['a value that is returned', "if (true) return 5; 6", ['text', '5', '@main', '']],
	['a value that is returned, with await', "const x = await 8; return x", ['text', '8', '@main', '']],
	['the default export', "import 'fs'; export default 9", ['text', '9', '@main', '']],
	['names of a module', "const { a } = { a: require('os').EOL }; exports.b = a; [typeof module, __filename, exports.b, require.main === module].join()",
		['text', "object,/home/user/main.js,\n,true", '@main', '']],
	['names that are used already', "const require = 1, process = 2, crypto = 3, exports = 4; require + process + crypto + exports",
		['text', '10', '@main', '']],
	['import()', 'import("os").then((m) => m.EOL.length)', ['text', '1', '@main', '']],
	['arguments and variables', 'process.argv.length', ['text', '2', '@main', '']],
) {
	my ($name, $code, @shown) = @$case;
	my $a = value($code);
	is_deeply($a->{shown}, \@shown, "value: $name") || diag($a->{stderr});
	is($a->{status}, 'ok', "value: $name: well");
}

my $a = value("1;\nfunction f() { throw new TypeError('x') }\nf()");
is_deeply([map { $_->[0] } @{ $a->{shown} }], ['@error'], 'an error has no value');
like($a->{stderr}, qr{\A/home/user/main\.js:2\nfunction f\(\) \{ throw new TypeError\('x'\) \}\n +\^\n\nTypeError: x\n    at f \(/home/user/main\.js:2:22\)\n    at /home/user/main\.js:3:1\n\nNode}, 'and is told as ever');
like(JSON::PP->new->decode($a->{shown}[0][1] // '{}')->{traceback},
	qr{\ATypeError: x\n    at f \(/home/user/main\.js:2:22\)\n    at /home/user/main\.js:3:1\z},
	'with the frames of the program');
like(value("let y = = 2")->{stderr}, qr{\A/home/user/main\.js:1\nlet y = = 2\n +\^\n\nSyntaxError: },
	'a syntax error');
$a = value("const p = Promise.reject(new Error('mine')); setTimeout(() => p.catch(() => {}), 5); p");
is_deeply([$a->@{qw/exit_code shown/}], [1, [['@error', $a->{shown}[0][1]]]],
	'a rejection ends it as ever');
$a = value('({ [Symbol.for("Jupyter.display")]: () => { throw new Error("no bundle") } })');
is($a->{status}, 'ok', 'a value that can not be shown');
like($a->{stderr}, qr/^Error: no bundle\n/, 'is said to be so');
is_deeply(value('5', results => JSON::PP::false)->{shown}, [], 'no results, no value');
is_deeply(value('function main() { return 1 } 5', main => {})->{shown},
	[['@return', '1']], 'main() has the only value');

sub variables ($code, %job) {
	my $a = ask($code, options => { %{ $results{options} },
		variables => JSON::PP::true }, %job);
	my ($found) = grep { $_->[0] eq '@variables' } @{ $a->{shown} };
	return $found && JSON::PP->new->utf8->decode($found->[1]), $a;
}

is_deeply((variables(<<'EOP', vars => '{"given":{"a":1}}'))[0], {
const fs = require('fs'), { join } = require('path'), _private = 1;
let n = 1, s = 'x'.repeat(300); var b = [1n, true, null];
const m = new Map([['a', { b: 1 }]]), u = undefined, z = null;
class Point { constructor() { this.x = 1 } }
const { x: renamed, ...others } = { x: 1, y: 2 };
function f() { const local = 1; return local }
const p = new Point(), g = () => 1;
global.later = 'yes'; display(n); if (true) { const inner = 2 }
EOP
	given => { type => 'Object', value => '{ a: 1 }' },
	n => { type => 'number', value => '1' },
	s => { type => 'string', value => 'x' x 200 },
	b => { type => 'Array', value => '[ 1n, true, null ]' },
	m => { type => 'Map', value => "Map(1) { 'a' => { b: 1 } }" },
	u => { type => 'undefined', value => 'undefined' },
	z => { type => 'null', value => 'null' },
	renamed => { type => 'number', value => '1' },
	others => { type => 'Object', value => '{ y: 2 }' },
	p => { type => 'Point', value => 'Point { x: 1 }' },
	later => { type => 'string', value => 'yes' },
}, 'variables');

for my $end ('process.exit(3)', 'throw new Error("x")', 'setTimeout(() => process.exit(), 1)',
	'process.on("exit", () => { x = 3 })', 'process.exitCode = 2') {
	my ($got, $a) = variables("let x = 1; x = 2; $end");
	is_deeply($got, { x => { type => 'number', value => '2' } }, "variables: $end");
	is(scalar(grep { $_->[0] eq '@variables' } @{ $a->{shown} }), 1, 'told once');
}

my ($hostile) = variables(<<'EOP');
let bad = { get constructor() { throw 1 }, [Symbol.for('nodejs.util.inspect.custom')]() { throw 2 } };
let proxy = new Proxy({}, { get() { throw 3 }, getPrototypeOf() { throw 4 } });
let loop = {}; loop.self = loop;
Object.defineProperty(globalThis, 'trap', { enumerable: true, get() { throw 5 } });
let __proto__ = 1;
EOP
is_deeply([sort keys %$hostile], [qw/bad loop proxy/], 'variables that defend themselves');

is(ask('console.log(process.env.A, process.env.B)', env => { A => '1', B => 'x=y' })->{stdout},
	"1 x=y\n", 'environment');

###############################################################################

# The zygote is replaced, and what is preloaded must not break a rule

$t->run_daemon(name => 'worn', conf => { runs => 2, runtime => {
	nodejs => { kind => 'node', interpreter => '/usr/bin/node', tier => {
		base => { spare => 2, max_runs => 8, max_age => 0,
			preload => ['zlib', '/opt/codeexec/runner.js'] } } } } });

for (1 .. 40) {
	my $raw = $t->dial('worn');
	write_all($raw, Test::Codeexec::Real::job_frames('console.log(7)',
		language => 'nodejs'));
	my $out = Test::Codeexec::Real::read_answer($raw)->{stdout};
	is($out, "7\n", "run $_") if $out ne "7\n";
}

my ($node) = grep { $_->{name} eq 'nodejs' } @{ $t->state('worn')->{runtimes} };
cmp_ok($node->{tiers}[0]{zygotes}, '>=', 2, 'replaced in time');
unlike($t->read_file('worn.log'), qr/warning|refused/, 'nothing to warn of');
ok($t->stop_daemon('worn'), 'stopped');

my $library = $t->dir . '/library';
my $built = $Test::Codeexec::DAEMON =~ s{/[^/]+$}{}r;
mkdir $library;
system('cp', '-a', "$built/codeexec-builder", "$built/python", "$built/node", $library);

my @spoilers = (
	[thread => qr/has started a thread \("/, "require('fs').readFile('/usr/bin/env', () => {})"],
	[file => qr{has left a descriptor open \(\d+, "/usr/bin/env"\)},
		"require('fs').openSync('/usr/bin/env')"],
	[socket => qr/has left a descriptor open \(\d+, "socket:/,
		"require('net').createServer().listen('\\0x')"],
	[child => qr/has started a process|has left a descriptor open/,
		"require('child_process').spawn('sleep', ['9'])"],
	[worker => qr/has (?:started a thread|left a descriptor open)/,
		"new (require('worker_threads').Worker)('', { eval: true })"],
	[error => qr/codeexec: Error: spoilt/, "throw new Error('spoilt')"],
);

for my $case (@spoilers) {
	my ($name, $what, $code) = @$case;

	$t->write_file("library/node/spoils_$name.js", $code);
	my $file = $t->write_file('spoilt.conf', Test::Codeexec::Real::conf_text($t,
		'spoilt', { runs => 1, library => $library, runtime => {
			nodejs => { kind => 'node', interpreter => '/usr/bin/node',
				tier => { base => { spare => 1, preload =>
					["/opt/codeexec/spoils_$name.js"] } } } } }));
	my $out = `timeout 20 $Test::Codeexec::DAEMON -c $file 2>&1 </dev/null`;
	is($? >> 8, 1, "preload, $name: codeexecd does not start");
	like($out, $what, "preload, $name: and says why");
	unlike($out, qr/\bready\b/, "preload, $name: nothing else");
}

$t->write_file('kind.conf', Test::Codeexec::Real::conf_text($t, 'kind', { runtime => {
	nodejs => { interpreter => '/usr/bin/node', tier => { base => { spare => 1 } } } } }));
my $out = `$Test::Codeexec::DAEMON -t -c @{[$t->dir]}/kind.conf 2>&1 </dev/null`;
isnt($?, 0, 'a runtime of no kind is refused');
like($out, qr/runtime "nodejs" is of no "kind"/, 'and named');

$t->done_testing;
