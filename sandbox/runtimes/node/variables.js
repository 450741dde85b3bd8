// Copyright (C) The codeexec authors.
//
// A summary of the program's global variables: what they are, not all that is
// in them.

'use strict';

const Module = require('module');
const util = require('util');
const vm = require('vm');

const LENGTH = 200;     // characters of a value
const NAMES = 200;
const WORDS = 2000;     // of the program, that may be names

const WORD = /[\p{ID_Start}$][\p{ID_Continue}$]*/gu;

// Words that are values, but no variables.
const LITERALS = new Set(['true', 'false', 'null', 'this']);

const INSPECT = { depth: 2, maxArrayLength: 100, maxStringLength: LENGTH,
  breakLength: Infinity };


// What require() gives is no data.
function modules() {
  const found = new Set(Object.values(Module._cache).map((m) => m.exports));

  for (const line of process.moduleLoadList) {
    const name = line.replace(/^NativeModule /, '');

    if (Module.builtinModules.includes(name)) {
      found.add(require(name));
    }
  }
  return found;
}


function typeOf(value) {
  if (value === null || typeof value !== 'object') {
    return value === null ? 'null' : typeof value;
  }
  return String(Object.getPrototypeOf(value)?.constructor?.name || 'Object')
    .slice(0, LENGTH);
}

function describe(value) {
  try {
    const text = typeof value === 'string' ? value
      : util.inspect(value, INSPECT);

    return { type: typeOf(value), value: text.slice(0, LENGTH) };
  } catch {
    return { type: typeof value };
  }
}


// Those of the top of a script are in scope for another one, but nobody has
// a list of them: each word of the program is tried.
exports.summarise = (source, known) => {
  const summary = Object.create(null);
  const notData = modules();
  const words = new Set();

  for (const name of Object.keys(globalThis)) {
    words.add(name);
  }
  for (const [word] of source.matchAll(WORD)) {
    if (words.size >= WORDS) {
      break;
    }
    words.add(word);
  }

  for (const name of words) {
    if (known.has(name) || LITERALS.has(name) || name[0] === '_'
        || name.length > LENGTH) {
      continue;
    }
    try {
      const value = vm.runInThisContext(name);

      if (typeof value !== 'function' && value !== globalThis
          && !notData.has(value)) {
        summary[name] = describe(value);
      }
    } catch {
      // It is no variable, or has no value yet.
    }
    if (Object.keys(summary).length === NAMES) {
      break;
    }
  }
  return summary;
};
