#!/usr/bin/perl

# Copyright (C) The codeexec authors.

# A program behaves as it would as a script: python3 main.py.

use v5.36;
use utf8;

use Encode ();
use JSON::PP ();
use Test::More;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::Codeexec;
use Test::Codeexec::Real;

my $t = Test::Codeexec::Real->start(science => 1, spare => 4,
	conf => { limits => { memory => '384mb' } });
my $python = '/usr/bin/python3';

# One case: what comes out, and how it ends.  output, error (text or pattern)
# and end ("exit 0" or "signal 9").

sub check ($name, $code, %want) {
	my $timeout = delete $want{timeout} // 20;
	my $stdin = delete $want{stdin};
	my $a = $t->run_code($code, detail => JSON::PP::true,
		timeout => $timeout, defined $stdin ? (stdin => $stdin) : ());
	my $end = defined $a->{signal} ? "signal $a->{signal}"
		: defined $a->{exit_code} ? "exit $a->{exit_code}"
		: $a->{error} // 'no answer';

	is($end, $want{end} // 'exit 0', "$name: end") || diag($a->{stderr});

	for my $key (grep { defined $want{$_} } qw/output stderr/) {
		ref $want{$key}
			? like($a->{$key}, $want{$key}, "$name: $key")
			: is($a->{$key}, $want{$key}, "$name: $key");
	}

	return $a;
}

###############################################################################

# The module a script is

check('__name__', "print(__name__, __file__, __doc__)",
	output => "__main__ /home/user/main.py None\n");
check('__doc__', "'''Text'''\nprint(__doc__)", output => "Text\n");
check('import __main__', "x = 5\nimport __main__\nprint(__main__.x)",
	output => "5\n");
check('main guard', "def main(): print('yes')\nif __name__ == '__main__':\n"
	. "    main()", output => "yes\n");
check('no names of ours', "print([n for n in dir() if not n.startswith('__')])",
	output => "[]\n");
check('functions see globals', "x = 1\ndef f():\n    return x\nclass C:\n"
	. "    y = [x for _ in range(2)]\nprint(f(), C.y)", output => "1 [1, 1]\n");
check('pickle', "import pickle\nclass A: pass\n"
	. "print(type(pickle.loads(pickle.dumps(A()))).__name__)",
	output => "A\n");
check('dataclass', "from dataclasses import dataclass\n\@dataclass\n"
	. "class P:\n    x: int = 1\nprint(P())", output => "P(x=1)\n");
check('type hints', "import typing\nclass A:\n    x: 'int'\n"
	. "print(typing.get_type_hints(A))", output => "{'x': <class 'int'>}\n");
check('annotations', "x: int = 1\nprint(__annotations__)",
	output => "{'x': <class 'int'>}\n");
check('inspect.getsource', "import inspect\ndef f():\n    return 1\n"
	. "print(inspect.getsource(f), end='')",
	output => "def f():\n    return 1\n");
check('inspect.getsource of a class', "import inspect\nclass A:\n    x = 1\n\n"
	. "    def f(self):\n        return 1\nprint(inspect.getsource(A), end='')\n"
	. "print(inspect.getsource(A.f), end='')\n"
	. "print(inspect.getsource(inspect.getmodule(A))[:14])\n"
	. "import os; print(os.listdir())",
	output => "class A:\n    x = 1\n\n    def f(self):\n        return 1\n"
	. "    def f(self):\n        return 1\nimport inspect\n[]\n");
check('its own file', "import os, sys\nprint(len(open(__file__).read()), "
	. "os.listdir(), os.path.dirname(__file__))",
	output => "89 ['main.py'] /home/user\n");
check('by its first argument', "import sys; print(open(sys.argv[0]).read())",
	output => "import sys; print(open(sys.argv[0]).read())\n");
check('its own file, as another program', "import subprocess, sys\n"
	. "if len(sys.argv) > 1: print('child', __name__)\n"
	. "else: subprocess.run([sys.executable, __file__, 'x'])",
	output => "child __main__\n");
check('its own file that is gone', "import os; os.remove(__file__); "
	. "print(os.listdir()); raise ValueError", output => "[]\n", end => 'exit 1',
	stderr => qr/line 1, in <module>\n    import os; os.remove/);
check('future', "from __future__ import annotations\nx: Nope = 1\nprint(x)",
	output => "1\n");
check('encoding line', "# -*- coding: latin-1 -*-\nprint('ok')",
	output => "ok\n");
check('import from the working directory',
	"open('mine.py', 'w').write('x = 1')\nimport mine\nprint(mine.x)",
	output => "1\n");
check('the working directory', "import os\nprint(os.getcwd(), os.listdir())",
	output => "/home/user []\n");
check('sys.path', "import sys\nprint(sys.path[0], [p for p in sys.path if "
	. "'opt' in p or not p])", output => "/home/user []\n");
check('sys.flags', "import sys\nprint(sys.executable, sys.flags.optimize, "
	. "sys.getrecursionlimit(), sys.gettrace(), sys.dont_write_bytecode)",
	output => qr{^/usr/bin/python3(?:\.\d+)? 0 1000 None});
check('assert', 'assert 1 == 2, "no"', end => 'exit 1',
	stderr => qr/AssertionError: no\n\z/);
check('environment', "import os\nprint(os.environ['HOME'], "
	. "os.environ['USER'], os.path.expanduser('~'))",
	output => "/home/user user /home/user\n");
check('user', "import getpass, os, pwd\nprint(getpass.getuser(), "
	. "os.getuid(), pwd.getpwuid(os.getuid()).pw_dir)",
	output => "user 1000 /home/user\n");
check('locale', "import locale, sys, time\nprint(sys.stdout.encoding, "
	. "sys.getfilesystemencoding(), locale.getpreferredencoding(), "
	. "open('x', 'w').encoding, time.tzname[0])",
	output => "utf-8 utf-8 utf-8 utf-8 UTC\n");
check('streams', "import sys\nprint([f.fileno() for f in "
	. "(sys.stdin, sys.stdout, sys.stderr)], sys.stdin.name, "
	. "sys.stdout.name, sys.stdout.isatty())",
	output => qr/^\[0, 1, 2\] .* False\n\z/);
check('unbuffered order', "import os, sys\nprint('a', flush=True)\n"
	. "os.write(1, b'b\\n')\nsys.stdout.buffer.write(b'c\\n')",
	output => "a\nb\nc\n");
check('/dev/stdout', "open('/dev/stdout', 'w').write('x\\n')",
	output => "x\n");
check('redirect_stdout', "import contextlib, io\ns = io.StringIO()\n"
	. "with contextlib.redirect_stdout(s): print('x')\n"
	. "print(repr(s.getvalue()))", output => "'x\\n'\n");
check('umask', "import os\nopen('x', 'w')\n"
	. "print(oct(os.stat('x').st_mode), oct(os.umask(0)))",
	output => "0o100644 0o22\n");
check('signals', "import signal\nprint([s.name for s in "
	. "signal.Signals if signal.getsignal(s) not in "
	. "(signal.SIG_DFL, None)], signal.pthread_sigmask(0, []))",
	output => qr/^\['SIGINT', 'SIGPIPE'(?:, 'SIGXFSZ')?\] set\(\)\n\z/);
check('gc is on', "import gc\nprint(gc.isenabled())", output => "True\n");

###############################################################################

# Ends

my @ends = (
	['the end', "print('x')", 'exit 0'],
	['sys.exit()', "import sys\nsys.exit()", 'exit 0'],
	['sys.exit(None)', "import sys\nsys.exit(None)", 'exit 0'],
	['sys.exit(0)', "import sys\nsys.exit(0)", 'exit 0'],
	['sys.exit(True)', "import sys\nsys.exit(True)", 'exit 1'],
	['sys.exit(3)', "import sys\nsys.exit(3)", 'exit 3'],
	['sys.exit(300)', "import sys\nsys.exit(300)", 'exit 44'],
	['sys.exit(-1)', "import sys\nsys.exit(-1)", 'exit 255'],
	['sys.exit(10**30)', "import sys\nsys.exit(10**30)", 'exit 255'],
	['sys.exit("msg")', "import sys\nsys.exit('msg')", 'exit 1', "msg\n"],
	['sys.exit(1.5)', "import sys\nsys.exit(1.5)", 'exit 1', "1.5\n"],
	['sys.exit((1, 2))', "import sys\nsys.exit((1, 2))", 'exit 1',
		"(1, 2)\n"],
	['exit()', 'exit()', 'exit 0'],
	['quit(2)', 'quit(2)', 'exit 2'],
	['raise SystemExit', 'raise SystemExit', 'exit 0'],
	['raise SystemExit(4)', 'raise SystemExit(4)', 'exit 4'],
	['os._exit(5)', "import os\nos._exit(5)", 'exit 5', ''],
	['os._exit(0)', "import os\nprint('lost')\nos._exit(0)", 'exit 0', ''],
	['KeyboardInterrupt', 'raise KeyboardInterrupt', 'exit 130',
		qr/KeyboardInterrupt/],
	['abort', "import os\nos.abort()", 'signal 6'],
	['SIGTERM', "import os\nos.kill(os.getpid(), 15)", 'signal 15'],
	['SIGKILL', "import os\nos.kill(os.getpid(), 9)", 'signal 9'],
	['SIGUSR1', "import os\nos.kill(os.getpid(), 10)", 'signal 10'],
	['SIGRTMIN', "import os, signal\nos.kill(os.getpid(), signal.SIGRTMIN)",
		'signal 34'],
	['SIGINT', "import os, time\nos.kill(os.getpid(), 2)\ntime.sleep(1)",
		'exit 130', qr/KeyboardInterrupt/],
	['SIGPIPE', "import os\nr, w = os.pipe()\nos.close(r)\n"
		. "try: os.write(w, b'x')\nexcept BrokenPipeError: print(1)",
		'exit 0'],
	['segmentation fault', "import ctypes\nctypes.string_at(0)", 'signal 11'],
	['a signal that is handled', "import os, signal\n"
		. "signal.signal(15, lambda *a: print('caught'))\n"
		. "os.kill(os.getpid(), 15)", 'exit 0'],
	['exit in a thread', "import threading, sys\n"
		. "t = threading.Thread(target=sys.exit, args=(3,))\n"
		. "t.start()\nt.join()", 'exit 0', ''],
	['uncaught in a thread', "import threading\n"
		. "t = threading.Thread(target=lambda: 1 / 0, name='T')\n"
		. "t.start()\nt.join()", 'exit 0',
		qr/\AException in thread T:.*ZeroDivisionError: division by zero\n\z/s],
	['os._exit in a thread', "import os, threading, time\n"
		. "threading.Thread(target=os._exit, args=(6,)).start()\n"
		. 'time.sleep(5)', 'exit 6'],
	['excepthook', "import sys\nsys.excepthook = lambda *a: print('hook', "
		. "a[0].__name__)\n1 / 0", 'exit 1', ''],
	['excepthook that exits', "import sys\n"
		. "def hook(*a): sys.exit(7)\nsys.excepthook = hook\n1 / 0",
		'exit 7'],
	['excepthook that fails', "import sys\ndef hook(*a): [][1]\n"
		. "sys.excepthook = hook\n1 / 0", 'exit 1', qr/ZeroDivisionError/],
	['atexit fails', "import atexit\natexit.register(lambda: 1 / 0)",
		'exit 0', qr/ZeroDivisionError/],
	['atexit exits', "import atexit, sys\n"
		. "atexit.register(sys.exit, 9)\nprint('x')", 'exit 0'],
	['atexit os._exit', "import atexit, os\natexit.register(os._exit, 9)",
		'exit 9'],
	['exception with bad __str__', "class E(Exception):\n"
		. "    def __str__(self): 1 / 0\nraise E", 'exit 1',
		qr/E: <exception str\(\) failed>\n\z/],
	['a class of its own', "class Bad(BaseException): pass\nraise Bad('x')",
		'exit 1', qr/^(?:__main__\.)?Bad: x\n\z/m],
	['recursion', "def f(): f()\nf()", 'exit 1',
		qr/RecursionError: maximum recursion depth exceeded\n\z/],
	['MemoryError', "x = ' ' * 10**15", 'exit 1', qr/MemoryError\n\z/],
	['stdout closed', "import sys\nsys.stdout.close()", 'exit 0'],
	['stdout None', "import sys\nsys.stdout = None\nprint('x')", 'exit 0'],
	['descriptor 1 closed', "import os\nprint('x')\nos.close(1)",
		'exit 120'],
	['exec', "import os\nos.execv('/bin/echo', ['echo', 'new'])", 'exit 0'],
	['exec of false', "import os\nos.execv('/bin/false', ['false'])",
		'exit 1'],
);

check($_->[0], $_->[1], end => $_->[2], stderr => $_->[3]) for @ends;

check('printed before an exit', "print('x')\nraise SystemExit(2)",
	end => 'exit 2', output => "x\n");
check('printed before a signal is lost, as it is in a script',
	"import os\nprint('x')\nos.kill(os.getpid(), 9)", end => 'signal 9',
	output => '');
check('atexit', "import atexit\natexit.register(print, 'one')\n"
	. "atexit.register(print, 'two')\nprint('zero')",
	output => "zero\ntwo\none\n");
check('atexit after an error', "import atexit\natexit.register(print, 'one')\n"
	. '1 / 0', end => 'exit 1', output => "one\n");
check('atexit after sys.exit',
	"import atexit, sys\natexit.register(print, 'one')\nsys.exit(3)",
	end => 'exit 3', output => "one\n");
check('threads are waited for', "import threading, time\n"
	. "def f():\n    time.sleep(0.2)\n    print('late')\n"
	. "threading.Thread(target=f).start()\nprint('early')",
	output => "early\nlate\n");
check('daemon threads are not', "import threading, time\n"
	. "def f():\n    while True: time.sleep(0.01)\n"
	. "threading.Thread(target=f, daemon=True).start()\nprint('early')",
	output => "early\n", timeout => 3);
check('finally and with', "class C:\n    def __enter__(self): return self\n"
	. "    def __exit__(self, *a): print('exit')\ntry:\n    with C():\n"
	. "        raise SystemExit(3)\nfinally:\n    print('finally')",
	end => 'exit 3', output => "exit\nfinally\n");
check('__del__ at the end', "class A:\n    def __del__(self): print('del')\n"
	. "a = A()", output => "del\n");
check('a file left open', "f = open('a.svg', 'w')\nf.write('left open')");
is($t->image($t->run_code("f = open('a.svg', 'w')\nf.write('left open')"),
	'a.svg'), 'left open', 'is flushed');
is($t->image($t->run_code("def f():\n    f = open('a.svg', 'w')\n"
	. "    f.write('failed')\n    1 / 0\nf()"), 'a.svg'), 'failed',
	'in a frame of a traceback, too');

###############################################################################

# Tracebacks are those of the interpreter itself, character by character

my @same = (
	['syntax error', "x = 1\ny = = 2\n"],
	['indentation', "if 1:\n    x = 1\n  y = 2\n"],
	['tabs', "if 1:\n\tx = 1\n        y = 2\n"],
	['unclosed', "print((1, 2\n"],
	['unclosed string', "x = 'abc\n"],
	['not UTF-8 escapes', "x = '\\N{no such}'\n"],
	['wide characters', "你好 = 1\n你好.没有\n"],
	['return outside', "return 1\n"],
	['await outside', "await x\n"],
	['several lines', "x = [\n    1,\n    1 / 0,\n]\n"],
	['nested', "def a():\n    b()\ndef b():\n    return [c(i) for i in 'x']\n"
		. "def c(i):\n    return {}[i]\na()\n"],
	['context', "try:\n    {}['a']\nexcept KeyError:\n    int('x')\n"],
	['cause', "try:\n    {}['a']\nexcept KeyError as e:\n"
		. "    raise ValueError('no') from e\n"],
	['from None', "try:\n    {}['a']\nexcept KeyError as e:\n"
		. "    raise ValueError('no') from None\n"],
	['notes', "e = ValueError('x')\ne.add_note('a note')\nraise e\n"],
	['group', "def f():\n    raise ExceptionGroup('several', "
		. "[ValueError(1), TypeError('t')])\nf()\n"],
	['group with tracebacks', "def f(x):\n    try:\n        int(x)\n"
		. "    except Exception as e:\n        return e\n"
		. "raise ExceptionGroup('g', [f('a'), f('b')])\n"],
	['library', "import json\njson.loads('[1,')\n"],
	['suggestion', "import sys\nsys.exti()\n"],
	['name suggestion', "number = 1\nprint(nubmer)\n"],
	['import', "import no_such_module\n"],
	['from import', "from os import no_such_name\n"],
	['generator', "def g():\n    yield 1\n    1 / 0\nlist(g())\n"],
	['decorated', "def d(f):\n    def w(*a):\n        return f(*a)\n"
		. "    return w\n\@d\ndef f(x):\n    return x.y\nf(1)\n"],
	['class body', "class A:\n    x = 1 / 0\n"],
	['lambda', "(lambda: 1 / 0)()\n"],
	['eval', "eval('1 +')\n"],
	['exec with a name', "exec(compile('1/0', 'other.py', 'exec'))\n"],
	['asyncio', "import asyncio\nasync def f():\n    1 / 0\n"
		. "asyncio.run(f())\n"],
	['no message', "raise ValueError\n"],
	['long message', "raise ValueError('x' * 300)\n"],
	['several lines of message', "raise ValueError('a\\nb\\n  c')\n"],
	['warning', "import warnings\nwarnings.warn('careful')\n"],
	['syntax warning', "x = 1\nx is 1\n"],
	['deprecated escape', "import warnings\nx = '\\d'\n"],

	# Nothing of ours is below the program.

	['print_stack', "import traceback\ndef f(): traceback.print_stack()\n"
		. "traceback.print_stack()\nf()\n"],
	['print_stack in a thread', "import threading, traceback\n"
		. "t = threading.Thread(target=traceback.print_stack)\n"
		. "t.start()\nt.join()\n"],
	['faulthandler', "import faulthandler\n"
		. "def f(): faulthandler.dump_traceback()\nf()\n"],
	['a crash with faulthandler', "import faulthandler, os, signal\n"
		. "faulthandler.register(10, chain=False)\n"
		. "os.kill(os.getpid(), 10)\n"],
	['frames', "import inspect, sys\ndef p(*a): print(*a, file=sys.stderr)\n"
		. "p(sys._getframe().f_back, len(inspect.stack()), sys.exc_info())\n"
		. "try: sys._getframe(1)\nexcept ValueError as e: p(e)\n"
		. "p([n for n in dir(sys) if n.startswith('last_')])\n"],
	['the depth of recursion', "import sys\ndef f(n):\n    global m\n"
		. "    m = n\n    f(n + 1)\ntry: f(1)\n"
		. "except RecursionError: print(m, file=sys.stderr)\n"],
	['the depth of recursion, in C', "import sys\ndef f(n):\n    global m\n"
		. "    m = n\n    list(map(f, [n + 1]))\ntry: f(1)\n"
		. "except RecursionError: print(m, file=sys.stderr)\n"],
	['a warning of the caller',
		"import warnings\nwarnings.warn('careful', stacklevel=2)\n"],
	['the hook has no exception', "import sys\ndef hook(*a): "
		. "print(a[:2], sys.exc_info(), file=sys.stderr)\n"
		. "sys.excepthook = hook\n1 / 0\n"],
);

mkdir $t->dir . '/script';

for my $case (@same) {
	my ($name, $code) = @$case;
	my $a = $t->run_code($code, detail => JSON::PP::true);

	$t->write_file('script/main.py', Encode::encode_utf8($code));
	my $want = `cd @{[$t->dir]}/script && env -i PATH=/bin LC_ALL=C.UTF-8 \\
		PYTHONDONTWRITEBYTECODE=1 timeout 20 $python -I main.py 2>&1 1>/dev/null`;
	my $code_wanted = $? >> 8;

	# A script is known by its whole path in some places.

	$want = Encode::decode_utf8($want) =~ s{\Q@{[$t->dir]}\E/script/}{}gr;
	my $got = $a->{stderr} =~ s{/home/user/}{}gr;
	s/ (at|thread) 0x[0-9a-f]+/ $1 0x/g for $want, $got;

	is($got, $want, "as in a script: $name");
	is($a->{exit_code}, $code_wanted, "exit code: $name");
}

###############################################################################

# What programs do

my @works = (
	['input', "a = input('name? ')\nb = input()\nprint(a, b)\n"
		. "try: input()\nexcept EOFError: print('EOF')",
		"name? x y\nEOF\n", stdin => "x\ny\n"],
	['sys.stdin lines', "import sys\nprint(sum(int(x) for x in sys.stdin))",
		"6\n", stdin => "1\n2\n3"],
	['stdin is not a terminal', "import sys\nprint(sys.stdin.isatty())",
		"False\n"],
	['threads', "from concurrent.futures import ThreadPoolExecutor\n"
		. "with ThreadPoolExecutor(8) as p: "
		. "print(sum(p.map(lambda x: x * x, range(100))))", "328350\n"],
	['multiprocessing.Pool', "from multiprocessing import Pool\n"
		. "def f(x): return x * x\nif __name__ == '__main__':\n"
		. "    with Pool(3) as p: print(p.map(f, range(5)))",
		"[0, 1, 4, 9, 16]\n"],
	['multiprocessing queue', "from multiprocessing import Process, Queue\n"
		. "def f(q): q.put('from the child')\nq = Queue()\n"
		. "p = Process(target=f, args=(q,))\np.start()\n"
		. "print(q.get())\np.join()\nprint(p.exitcode)",
		"from the child\n0\n"],
	['shared memory', "from multiprocessing import shared_memory as s\n"
		. "m = s.SharedMemory(create=True, size=10)\nm.buf[0] = 7\n"
		. "n = s.SharedMemory(m.name)\nprint(n.buf[0])\nn.close()\n"
		. "m.close()\nm.unlink()", "7\n"],
	['ProcessPoolExecutor', "from concurrent.futures import "
		. "ProcessPoolExecutor\nwith ProcessPoolExecutor(2) as p: "
		. "print(list(p.map(abs, [-1, -2])))", "[1, 2]\n"],
	['fork', "import os\npid = os.fork()\nif pid == 0: os._exit(7)\n"
		. "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))",
		"7\n"],
	['no strange children', "import os\ntry: os.waitpid(-1, 0)\n"
		. "except ChildProcessError: print('none')", "none\n"],
	['subprocess', "import subprocess\nprint(subprocess.check_output("
		. "'echo a b | tr a-z A-Z | sort; ls /home; exit 0', "
		. "shell=True, text=True), end='')", "A B\nresults\nshm\ntmp\nuser\n"],
	['subprocess to our stdout', "import subprocess, sys\n"
		. "print(1, flush=True)\nsubprocess.run(['echo', '2'])\n"
		. "print(subprocess.run(['false']).returncode)", "1\n2\n1\n"],
	['subprocess with input', "import subprocess\n"
		. "print(subprocess.run(['cat'], input='x', text=True, "
		. "capture_output=True).stdout)", "x\n"],
	['subprocess reads our stdin', "import subprocess\n"
		. "subprocess.run(['cat'])", 'in', stdin => 'in'],
	['python in python', "import subprocess, sys\n"
		. "print(subprocess.check_output([sys.executable, '-c', "
		. "'import json; print(json.dumps([1]))'], text=True), end='')",
		"[1]\n"],
	['asyncio', "import asyncio\nasync def f(x):\n"
		. "    await asyncio.sleep(0.01)\n    return x\nasync def main():\n"
		. "    print(await asyncio.gather(f(1), f(2)))\n"
		. "    p = await asyncio.create_subprocess_exec('echo', 'sub', "
		. "stdout=asyncio.subprocess.PIPE)\n"
		. "    print((await p.communicate())[0], p.returncode)\n"
		. "asyncio.run(main())", "[1, 2]\nb'sub\\n' 0\n"],
	['socketpair', "import socket\na, b = socket.socketpair()\n"
		. "a.send(b'x')\nprint(b.recv(1))", "b'x'\n"],
	['unix server', "import socket, threading\ns = socket.socket("
		. "socket.AF_UNIX)\ns.bind('sock')\ns.listen()\n"
		. "c = socket.socket(socket.AF_UNIX)\nc.connect('sock')\n"
		. "s.accept()[0].send(b'x')\nprint(c.recv(1))", "b'x'\n"],
	['sqlite3', "import sqlite3\nfor name in ':memory:', 'a.db':\n"
		. "    c = sqlite3.connect(name)\n    c.execute('create table t(x)')\n"
		. "    c.executemany('insert into t values (?)', [(1,), (2,)])\n"
		. "    c.commit()\n    print(c.execute('select sum(x) from t')"
		. ".fetchone())", "(3,)\n(3,)\n"],
	['ctypes', "import ctypes\nlibc = ctypes.CDLL(None)\n"
		. "print(libc.abs(-5), libc.getpid() > 0)\n"
		. "f = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x + 1)\n"
		. "print(f(1))", "5 True\n2\n"],
	['tempfile', "import tempfile\nwith tempfile.NamedTemporaryFile() as f:\n"
		. "    f.write(b'x')\n    print(f.name.startswith('/tmp/'))\n"
		. "with tempfile.TemporaryDirectory() as d: print(d[:5])",
		"True\n/tmp/\n"],
	['mmap', "import mmap\nm = mmap.mmap(-1, 10)\nm[:2] = b'ab'\n"
		. "print(m[:2])", "b'ab'\n"],
	['memfd is missing', "import os\ntry: os.memfd_create('x')\n"
		. "except OSError as e: print(e.strerror)",
		"Function not implemented\n"],
	['files', "import os, pathlib, shutil\np = pathlib.Path('d/e')\n"
		. "p.mkdir(parents=True)\n(p / 'f').write_text('x')\n"
		. "shutil.copytree('d', 'c')\nos.symlink('f', 'c/e/l')\n"
		. "os.link('c/e/f', 'c/e/h')\nos.mkfifo('c/e/p')\n"
		. "print(sorted(os.listdir('c/e')), os.path.getsize('c/e/l'))\n"
		. "shutil.rmtree('c')\nprint(os.listdir())",
		"['f', 'h', 'l', 'p'] 1\n['d']\n"],
	['zip and tar', "import io, tarfile, zipfile\n"
		. "zipfile.ZipFile('a.zip', 'w').writestr('x', 'y')\n"
		. "print(zipfile.ZipFile('a.zip').read('x'))\n"
		. "t = tarfile.open('a.tar.gz', 'w:gz')\nt.add('a.zip')\nt.close()\n"
		. "print(tarfile.open('a.tar.gz').getnames())",
		"b'y'\n['a.zip']\n"],
	['signal.alarm', "import signal\ndef h(*a): raise TimeoutError\n"
		. "signal.signal(signal.SIGALRM, h)\nsignal.setitimer(0, 0.05)\n"
		. "try: signal.pause()\nexcept TimeoutError: print('rang')",
		"rang\n"],
	['faulthandler', "import faulthandler\nfaulthandler.enable()\n"
		. "print(faulthandler.is_enabled())", "True\n"],
	['logging', "import logging, sys\nlogging.basicConfig("
		. "stream=sys.stdout, level='INFO')\nlogging.info('x')",
		"INFO:root:x\n"],
	['datetime', "import datetime, zoneinfo\nd = datetime.datetime(2024, 7, "
		. "1, tzinfo=zoneinfo.ZoneInfo('Asia/Shanghai'))\n"
		. "print(d.utcoffset())", "8:00:00\n"],
	['decimal, regex, unicode', "import decimal, re, unicodedata\n"
		. "print(decimal.Decimal('0.1') * 3, re.findall(r'\\w+', 'ä 你'), "
		. "unicodedata.name('ä'))",
		"0.3 ['ä', '你'] LATIN SMALL LETTER A WITH DIAERESIS\n"],
	['compile and exec', "exec('x = 1'); print(eval('x + 1'))", "2\n"],
	['deep recursion that is allowed', "import sys\n"
		. "sys.setrecursionlimit(5000)\n"
		. "def f(n): return 0 if n == 0 else 1 + f(n - 1)\nprint(f(4000))",
		"4000\n"],
	['big integers', "print(len(str(3 ** 8000)))", "3817\n"],
	['no network, and at once', "import time, urllib.request\n"
		. "t = time.time()\ntry: urllib.request.urlopen("
		. "'http://example.com/')\nexcept OSError as e: print('none')\n"
		. "print(time.time() - t < 1)", "none\nTrue\n"],
	['hostname', "import socket\nprint(socket.gethostname())", "sandbox\n"],
	['os.cpu_count', "import os\nprint(os.cpu_count() > 0)", "True\n"],
);

for my $case (@works) {
	my ($name, $code, $output, @more) = @$case;
	check($name, $code, output => $output, stderr => '', @more);
}

###############################################################################

# Science

my @science = (
	['numpy', "import numpy as np\nu, s, v = np.linalg.svd("
		. "np.arange(9.).reshape(3, 3))\nprint(np.round(s, 6))",
		"[14.226707  1.265226  0.      ]\n"],
	['numpy threads', "import numpy as np\na = np.random.rand(300, 300)\n"
		. "print((a @ a).shape)", "(300, 300)\n"],
	['pandas', "import io, pandas as pd\nd = pd.read_csv(io.StringIO("
		. "'k,v\\na,1\\nb,2\\na,3'))\nprint(d.groupby('k').v.sum().to_dict())\n"
		. "d.to_csv('x.csv', index=False)\nprint(open('x.csv').read())",
		"{'a': 4, 'b': 2}\nk,v\na,1\nb,2\na,3\n\n"],
	['pandas plot', "import pandas as pd\nd = pd.DataFrame({'a': [1, 2]})\n"
		. "d.plot().figure.savefig('p.png')", ''],
	['figures', "import matplotlib.pyplot as plt\n"
		. "plt.plot([1, 2])\nplt.title('中文标题 ä')\n"
		. "for e in 'png', 'svg', 'pdf', 'jpg': plt.savefig('f.' + e)\n"
		. "print(open('f.pdf', 'rb').read(5))", "b'%PDF-'\n"],
	['no figure of before', "import matplotlib.pyplot as plt\n"
		. "print(plt.get_fignums(), plt.get_backend().lower())", "[] agg\n"],
	['scipy', "import numpy, scipy.optimize as o\n"
		. "print(round(o.brentq(lambda x: x * x - 2, 0, 2), 6))",
		"1.414214\n"],
	['animation', "import matplotlib.pyplot as plt\n"
		. "from matplotlib.animation import FuncAnimation\n"
		. "f, a = plt.subplots()\nl, = a.plot([0, 1])\n"
		. "FuncAnimation(f, lambda i: l.set_ydata([0, i]), 2)"
		. ".save('a.gif', writer='pillow')", ''],
	['seaborn-like style', "import matplotlib.pyplot as plt\n"
		. "plt.style.use('ggplot')\nplt.hist([1, 2, 2])\n"
		. "plt.savefig('s.webp')", ''],
);

my %figure = ('pandas plot' => { 'p.png' => qr/\A\x89PNG/ },
	figures => { 'f.png' => qr/\A\x89PNG/, 'f.svg' => qr/\A<\?xml.*<svg/s,
		'f.jpg' => qr/\A\xff\xd8\xff/ },
	animation => { 'a.gif' => qr/\AGIF89a/ },
	'seaborn-like style' => { 's.webp' => qr/\ARIFF....WEBP/s });

for my $case (@science) {
	my ($name, $code, $output) = @$case;
	my ($module) = $name =~ /^(\w+)/;

	next if $module eq 'scipy' && system("$python -c 'import scipy' 2>&-");

	my $answer = check($name, $code, output => $output, stderr => '');
	my $files = $figure{$name} // {};
	is(join(' ', sort keys %{ $answer->{images} // {} }),
		join(' ', sort keys %$files), "$name: images");
	like($t->image($answer, $_), $files->{$_}, "$name: $_")
		for sort keys %$files;
}

# From a tier that has not preloaded it.

is($t->output("import importlib\n"
	. "print(importlib.import_module('num' + 'py').arange(3).sum())"), "3\n",
	'a module that is not preloaded');

###############################################################################

# Random numbers: no two runs draw the same, from whatever source

my $draw = <<'EOP';
import os, random, secrets, ssl, tempfile, uuid
print('random:', random.random())
print('Random:', random.Random().random())
print('secrets:', secrets.token_hex())
print('urandom:', os.urandom(8).hex())
print('uuid4:', uuid.uuid4())
print('uuid1:', uuid.uuid1())
print('ssl:', ssl.RAND_bytes(8).hex())
print('tempfile:', tempfile.mktemp())
print('shuffle:', random.sample(range(10**9), 2))
EOP
my $draw_numpy = <<'EOP';
import numpy as np
print('numpy legacy:', np.random.rand())
print('numpy:', np.random.default_rng().random())
print('numpy randn:', np.random.randn())
print('numpy state:', np.random.RandomState().rand())
EOP

for my $program ($draw, "$draw$draw_numpy") {
	my %seen;

	for (1 .. 60) {
		my $output = $t->output($program);
		$seen{$1}{$2}++ while $output =~ /^([\w ]+): (.+)$/mg;
		diag($output) if $output =~ /^error/;
	}

	my @twice = grep { keys %{ $seen{$_} } != 60 } sort keys %seen;
	my $which = $program eq $draw ? 9 : 13;
	is(scalar keys %seen, $which, "$which sources");
	is("@twice", '', 'random numbers differ from run to run');
}

is($t->output("import random\nrandom.seed(1)\nprint(random.randrange(1000))"),
	"137\n", 'a seed gives what it always gave');
is($t->output("import numpy\nnumpy.random.seed(1)\n"
	. "print(numpy.random.randint(1000))"), "37\n", 'with numpy, too');

###############################################################################

# Large programs

for my $size ((1 << 20) - 1, 1 << 20) {
	my ($head, $tail) = ("print('a')\n#", "\nprint('b')");
	my $code = $head . 'x' x ($size - length "$head$tail") . $tail;
	is($t->output($code), "a\nb\n", 'a program of ' . length($code)
		. ' bytes');
}

my $code = "print('a')" . ' ' x ((1 << 20) - 9);
error_is($t->post($code), 413, qr/code, variables, input or files above a limit/,
	'one byte more');
is($t->output(join "\n", 'x = 0', ('x += 1') x 20000, 'print(x)'),
	"20000\n", 'twenty thousand lines');

$t->honest('still well');
$t->done_testing;
