// Copyright (C) The codeexec authors.
//
// The Node.js zygote: node OPTION... zygote.js MODULE...
//
// Loads the modules, then forks at codeexecd's request.  A module that leaves
// something that runs must not inherit is the end of it.

'use strict';

const native = require('./codeexec.node');

// What is wrong with the modules will be wrong the next time: spawn.h.
const UNFIT = 78;

// Node's own way to end waits for its threads, which are frozen.
process.on('uncaughtException', (error) => {
  process._rawDebug('codeexec:', error);
  native.exit(UNFIT);
});

// Before anything else: what this leaves on the heap is then among what stays,
// and not where runs write to.
const packages = require('./packages.js');

const version = packages.add();

native.tell(packages.describe(version));

// What most programs use, and what prints their output and their errors.  The
// streams are made here, on pipes as in a run, whatever the log is.
native.lend(() => {
  process.stdout;
  process.stderr;

  for (const name of ['assert', 'buffer', 'child_process', 'crypto', 'events',
    'fs', 'fs/promises', 'module', 'net', 'os', 'path', 'perf_hooks',
    'querystring', 'readline', 'stream', 'stream/promises', 'string_decoder',
    'timers', 'timers/promises', 'tty', 'url', 'util', 'vm', 'worker_threads',
    'zlib']) {
    require(name);
  }
});

native.inspect('node');

const runner = require('./runner.js');

runner.setUp(native, version);

for (const name of process.argv.slice(2)) {
  runner.require(name);
  native.inspect(`preload "${name}"`);
}

runner.rehearse(native, () => {
  process.removeAllListeners('uncaughtException');
  runner.forget();
  native.serve(runner, process);
});
