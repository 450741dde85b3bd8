// Copyright (C) The codeexec authors.
//
// One run: the user's program as the main module, with the manners of a
// script.
//
// codeexec.node calls prepare(), begin(), watch() and finish(), and the program
// by itself, so that no frame of this file is below it.
//
// Everything here runs inside the jail, next to user code that may have
// changed any of it: nothing that codeexecd relies on is decided here.

'use strict';

const fs = require('fs');
const Module = require('module');
const util = require('util');
const v8 = require('v8');
const vm = require('vm');
const { pathToFileURL } = require('url');

const display = require('./display.js');
const entry = require('./entry.js');
const packages = require('./packages.js');

// A program may take the global one away.
const { process } = globalThis;

const HOME = '/home/user';

const SCRIPT = HOME + '/main.js';

const MODULE = HOME + '/main.mjs';

const ENVIRONMENT = {
  HOME,
  LANG: 'C.UTF-8',
  LOGNAME: 'user',
  NODE_PATH: '/usr/local/lib/node_modules:/usr/lib/node_modules:'
    + '/usr/share/nodejs',
  PATH: '/usr/local/bin:/usr/bin:/bin',
  TMPDIR: '/tmp',
  TZ: 'UTC',
  USER: 'user',
};

// Behind a program whose main() is wanted, of what it has called so.
const RETURN_MAIN = '\nreturn typeof main === "undefined" ? undefined : main;';

const PARAMETERS = ['exports', 'require', 'module', '__filename', '__dirname'];

// What V8 says of a script that is a module; of "await" it says many things.
const IS_MODULE = new RegExp('^(?:Cannot use import statement outside a module'
  + "|Unexpected token 'export'"
  + "|Cannot use 'import\\.meta' outside a module)$");

let version;    // of the packages beside those of the rootfs, or 0
let hints;      // whether somebody sees to them

let main;       // the program's module
let required;   // its require()
let result;     // what it returned
let isModule;
let isESModule;


// For a node without that constant: from where the program is, and not this.
function importFor(specifier) {
  if (/^\.{0,2}\//.test(specifier)) {
    return import(new URL(specifier, pathToFileURL(SCRIPT)));
  }
  if (!Module.builtinModules.includes(specifier) && !/^\w+:/.test(specifier)) {
    try {
      return import(pathToFileURL(required.resolve(specifier)));
    } catch {
      // It is for import only, or not there.
    }
  }
  return import(specifier);
}

const OPTIONS = {
  filename: SCRIPT,
  importModuleDynamically:
    vm.constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER ?? importFor,
};


// A function, and its first line is the program's first line.  As an async one
// it has "await"; that is a wrapper whose width is subtracted.
function compile(source) {
  return vm.compileFunction(source, PARAMETERS, OPTIONS);
}

// As a script, a program has a value, and its variables can be found.
function compileScript(source) {
  const script = new vm.Script(source, OPTIONS);

  [main.exports, required, main, SCRIPT, HOME].forEach((value, i) =>
    Object.defineProperty(globalThis, PARAMETERS[i],
      { value, writable: true, enumerable: false, configurable: true }));
  return script.runInThisContext.bind(script, { displayErrors: false });
}

function compileEither(source) {
  if (!display.wantsScript()) {
    return compile(withMain(source));
  }
  try {
    return compileScript(source);
  } catch (error) {
    if (error instanceof SyntaxError
        && error.message === 'Illegal return statement') {
      return compile(source);
    }
    throw error;
  }
}

function withMain(source) {
  return entry.isWanted() ? source + RETURN_MAIN : source;
}

function compileAsync(source) {
  const head = `(async function (${PARAMETERS.join(', ')}) { `;
  return vm.runInThisContext(`${head}${source}\n})`,
    { ...OPTIONS, columnOffset: -head.length });
}


// A syntax error has frames of ours, since we compile.
function withoutFrames(error) {
  error.stack = error.stack.split('\n').filter((line) =>
    !line.includes(__dirname)).join('\n');
  return error;
}


function load(source) {
  try {
    return compileEither(source);
  } catch (error) {
    if (error instanceof SyntaxError && IS_MODULE.test(error.message)) {
      return null;
    }
    if (error instanceof SyntaxError && /\bawait\b/.test(source)) {
      try {
        return compileAsync(withMain(source));
      } catch (other) {
        if (other instanceof SyntaxError && IS_MODULE.test(other.message)) {
          return null;
        }
      }
    }
    throw error;
  }
}


// Whether it is a program; nothing of it is run.
function check(source) {
  try {
    if (load(source) === null) {
      new vm.SourceTextModule(source, { identifier: MODULE });
    }
  } catch (error) {
    display.rejected(error);
    throw error;
  }
}


// The frames at the end that are node's own say nothing about the program.
const OWN_FRAMES = new RegExp('(?:\\n {4}at Script\\.runInThisContext \\(node:vm:.*)?'
  + '(?:\\n {4}at (?:.*\\()?node:internal.*)*$');

function trim(error) {
  const stack = util.types.isNativeError(error) ? error.stack : null;
  if (typeof stack === 'string') {
    error.stack = stack.replace(OWN_FRAMES, '');
  }
}


// What can be done about a program that wants a package.
function hint(error) {
  const found = hints && /^Cannot find (?:module|package) '([^']+)'/
    .exec(error.message);

  if (found && /^(?:ERR_)?MODULE_NOT_FOUND$/.test(error.code)
    && !/^(?:\.{0,2}\/|\w+:)/.test(found[1])) {
    fs.writeSync(2, `No package "${found[1]}" is installed here. `
      + 'Whoever runs this service can add one.\n');
  }
}


function setGlobals(variables) {
  for (const [name, value] of Object.entries(variables)) {
    Object.defineProperty(globalThis, name,
      { value, writable: true, enumerable: true, configurable: true });
  }
}


function makeMain(filename) {
  main = new Module('.', null);
  main.filename = filename;
  main.paths = Module._nodeModulePaths(HOME);
  Module._cache[filename] = main;
  process.mainModule = main;
  required = Module.createRequire(filename);
  main.require = required;
}


// In the zygote: what every run has in common.
exports.setUp = (native, found) => {
  version = found;
  hints = packages.expected();

  for (const name of Object.keys(process.env)) {
    delete process.env[name];
  }
  Object.assign(process.env, ENVIRONMENT);
  Module._initPaths();

  process.title = 'node';
  process.execArgv = [];

  // The main thread has its limit; without this, all workers would have the
  // same one, whatever limits a program sets them.
  v8.setFlagsFromString('--max-old-space-size=0');

  // Node's takes the whole engine down before it exits.
  process.reallyExit = native.exit;

  const caught = process._fatalException;
  process._fatalException = (error, fromPromise) => {
    try {
      trim(error);
    } catch {
      // It is as the program made it.
    }
    if (caught(error, fromPromise)) {
      return true;
    }
    try {
      display.failed(error);
    } catch {
      // It can't be told; node tells it on stderr.
    }
    try {
      hint(error);
    } catch {
      // The same.
    }
    return false;
  };

  makeMain(SCRIPT);
};

exports.require = (name) => required(name);


const REHEARSAL = `
  class A { constructor() { this.x = [1, 'a', new Map([[1, 2]])]; } }
  console.log('%s', 'text', { a: 1 }, [1, 2], new A());
  console.error(new Error('text'));
  setTimeout(() => {}, 0);
  setImmediate(() => {});
  process.nextTick(() => {});
  Promise.resolve(1).then((x) => x);
  (async () => { await null; })();
  try { null.x; } catch (error) { error.stack; }
  require('fs').writeFileSync('/dev/null', 'text');
  import('node:fs').then(() => setTimeout(done, 5));
`;

// In the zygote, too: what is used for the first time is compiled, and that
// costs more than using it.  Then done().
exports.rehearse = (native, done) => {
  const { emitWarning } = process;

  // That import() works in a function is experimental for some versions, and
  // said once.
  process.emitWarning = () => {};

  native.lend(() => vm.compileFunction(REHEARSAL, [...PARAMETERS, 'done'],
    OPTIONS)(main.exports, required, main, SCRIPT, HOME, () => {
    process.emitWarning = emitWarning;
    setImmediate(done);
  }));

  try {
    load('= = =');
  } catch {
    // It is none.
  }
};

// In the zygote, at last: nothing is left of what it did, not even by name.
exports.forget = () => {
  for (const name of Object.keys(Module._cache)) {
    if (name !== SCRIPT && name.startsWith(__dirname)) {
      delete Module._cache[name];
    }
  }
  v8.setFlagsFromString('--expose-gc');
  vm.runInNewContext('gc')();
  v8.setFlagsFromString('--no-expose-gc');
};


// In a run that waits for its job: a forked process pays for each page that
// it writes to first, and the parked one shall pay, not the one that is
// waited for.
exports.prepare = () => {
  packages.link(version);
  Object.defineProperty(process, 'pid', { value: Number(
    fs.readlinkSync('/proc/self')), writable: false, enumerable: true,
    configurable: true });
  compile('const x = { text: `${1}` }; return x;')();
  Math.random();
};


// Texts that have a NUL behind each.
function split(text) {
  return text.split('\0').slice(0, -1);
}

// What the job wants to know of the program beside its output.
function start(source, options) {
  display.start(options, source);
  if (display.wantsVariables()) {
    display.setKnown([...Object.getOwnPropertyNames(globalThis),
      ...PARAMETERS]);

    const exit = process.reallyExit;

    process.reallyExit = (code) => {
      try {
        display.finish();
      } catch {
        // It can't be told.
      }
      exit(code);
    };
  }
}

// The program as a function without parameters.
function begin(source, variables, parameters, environment, options) {
  const wishes = options ? JSON.parse(options) : {};
  const text = source.replace(/^\ufeff/, '');

  start(source, wishes);
  if (wishes.check) {
    check(text);
    return () => {};
  }
  entry.start(wishes);

  const program = load(text);
  const filename = program !== null ? SCRIPT : MODULE;

  isESModule = program === null;
  isModule = isESModule || program.constructor !== Function;
  process.argv = [process.execPath, filename, ...split(parameters)];
  for (const pair of split(environment)) {
    process.env[pair.slice(0, pair.indexOf('='))] =
      pair.slice(pair.indexOf('=') + 1);
  }
  setGlobals(entry.take(variables ? JSON.parse(variables) : {}));

  // Workers and children are often started with the program's own file.
  fs.writeFileSync(filename, source);

  if (program === null) {
    delete Module._cache[SCRIPT];
    process.mainModule = undefined;
    return () => import(pathToFileURL(MODULE));
  }
  return program.bind(main.exports, main.exports, required, main, SCRIPT,
    HOME);
}

exports.begin = (...job) => {
  try {
    return begin(...job);
  } catch (error) {
    throw withoutFrames(error);
  }
};


// What the program has returned, or a promise of it: an ES module has names, a
// CommonJS module exports.
exports.watch = (value) => {
  main.loaded = true;
  result = value;

  if (entry.isWanted()) {
    Promise.resolve(value).then((found) => entry.call(
      typeof found === 'function' ? found
        : found?.main ?? found?.default?.main ?? main.exports.main));
  } else if (!util.types.isPromise(value)) {
    display.value(value);
  }
};


function stateOf(promise) {
  return /^Promise \{\s*<(pending|rejected)>/.exec(util.inspect(promise))?.[1]
    ?? 'fulfilled';
}


// The loop has nothing left to do; "exit" comes next.
exports.finish = () => {
  const state = util.types.isPromise(result) ? stateOf(result) : undefined;

  if (state === 'fulfilled') {
    // Nobody has waited for it: then whoever is to handle its error would.
    result.then((value) =>
      display.value(isESModule ? value.default : value));
  }
  display.finish();

  if (isModule && state === 'pending') {
    process.exitCode ??= 13;
    fs.writeSync(2, 'Warning: Detected unsettled top-level await\n');
  }
  process._exiting = true;
};
