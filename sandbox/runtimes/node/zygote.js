// Copyright (C) The codeexec authors.
//
// The Node.js zygote: node OPTION... zygote.js MODULE...
//
// Loads the modules, then forks at codeexecd's request.  A module that leaves
// something that runs must not inherit is the end of it.

'use strict';

const native = require('./codeexec.node');

// Node's own way to end waits for its threads, which are frozen.
process.on('uncaughtException', (error) => {
  process._rawDebug('codeexec:', error);
  native.exit(1);
});

native.inspect('node');

const runner = require('./runner.js');

// What most programs use, and what prints their output and their errors.
for (const name of ['assert', 'buffer', 'child_process', 'crypto', 'events',
  'fs', 'fs/promises', 'module', 'net', 'os', 'path', 'perf_hooks',
  'querystring', 'readline', 'stream', 'stream/promises', 'string_decoder',
  'timers', 'timers/promises', 'tty', 'url', 'util', 'vm', 'worker_threads',
  'zlib']) {
  require(name);
}

runner.setUp(native);

for (const name of process.argv.slice(2)) {
  runner.require(name);
  native.inspect(`preload "${name}"`);
}

runner.rehearse(native, () => {
  process.removeAllListeners('uncaughtException');
  runner.forget();
  native.serve(runner, process);
});
