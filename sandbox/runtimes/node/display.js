// Copyright (C) The codeexec authors.
//
// display(), the forms that a value has, and what a job may want of a program
// beside its output: docs/languages.md.

'use strict';

const fs = require('fs');
const util = require('util');

const results = require('./results.js');
const variables = require('./variables.js');

// What Deno's notebooks have made usual: a method that returns a bundle, an
// object of media types and contents.
const SYMBOL = Symbol.for('Jupyter.display');

const IMAGES = [
  ['png', Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')],
  ['jpeg', Buffer.from('\xff\xd8\xff', 'latin1')],
  ['gif', Buffer.from('GIF8', 'latin1')],
  ['pdf', Buffer.from('%PDF-', 'latin1')],
];

const TRACEBACK_MAX = 20000;

let options = {};
let source = '';
let known;          // names of global variables that are not the program's
let isOver = false;


function bundleForms(bundle) {
  return Object.entries(bundle ?? {})
    .filter(([, content]) => content !== undefined && content !== null)
    .map(([type, content]) => {
      const name = results.nameOf(type);
      return [name, results.encode(name, content)];
    });
}

function formsOf(value) {
  if (ArrayBuffer.isView(value)) {
    const bytes = results.encode('png', value);
    const image = IMAGES.find(([, head]) =>
      bytes.subarray(0, head.length).equals(head));

    if (image) {
      return [[image[0], bytes]];
    }
  }
  return [['text', results.encode('text',
    typeof value === 'string' ? value : util.inspect(value))]];
}


// Shows a value as well as it can be shown, or, raw, a bundle.  Of a value
// whose forms come later it returns the promise.
function display(value, { raw = false } = {}) {
  if (raw) {
    results.put(bundleForms(value));
    return undefined;
  }
  if (typeof value?.[SYMBOL] !== 'function') {
    results.put(formsOf(value));
    return undefined;
  }

  const bundle = value[SYMBOL]();

  if (util.types.isPromise(bundle)) {
    return bundle.then((later) => results.put(bundleForms(later)));
  }
  results.put(bundleForms(bundle));
  return undefined;
}


// Before the program, and its variables.
exports.start = (wishes, program) => {
  options = wishes;
  source = program;
  if (options.results || options.claims) {
    results.start(options.limits ?? {}, Boolean(options.results),
      1 + ('main' in options) + Boolean(options.variables));
  }
  if (options.results) {
    Object.defineProperty(globalThis, 'display', { value: display,
      writable: true, enumerable: false, configurable: true });
  }
};


// Whether the program's last value or its variables are asked for: those of
// a function are out of reach.
exports.wantsScript = () => Boolean(options.results && !('main' in options)
  && (options.last_value || options.variables));

exports.wantsVariables = () => Boolean(options.results && options.variables);

// The names that are not the program's are given.
exports.setKnown = (names) => {
  known = new Set(names);
};


// The value of the program's last expression; a directive is one, too.
exports.value = (value) => {
  if (value === undefined || value === 'use strict'
      || !options.last_value || !exports.wantsScript()) {
    return;
  }
  try {
    if (typeof value?.[SYMBOL] !== 'function') {
      results.put(formsOf(value), true);
    } else {
      Promise.resolve(value[SYMBOL]()).then((bundle) =>
        results.put(bundleForms(bundle), true)).catch(mention);
    }
  } catch (error) {
    mention(error);
  }
};

// An error that a program is not ended by.
function mention(error) {
  fs.writeSync(2, util.inspect(error).split('\n').filter((line) =>
    !line.includes(__dirname)).join('\n') + '\n');
}


// The program is over; whatever it does now, it is said once.
exports.finish = () => {
  if (!isOver && exports.wantsVariables()) {
    isOver = true;
    results.putFinal('@variables', variables.summarise(source, known));
  }
};


// The program is none: docs/protocol.md, "@rejected".
exports.rejected = (error) => {
  const [place, text = ''] = String(error.stack).split('\n');
  const line = Number(/:(\d+)$/.exec(place)?.[1]) || null;
  const message = results.cut(String(error.message), 1000);

  results.putFinal('@rejected', { kind: 'syntax', message, line,
    text: text.slice(0, 1000), lines: [{ line, message }] });
};


// The program has ended with an exception.
exports.failed = (error) => {
  const isError = util.types.isNativeError(error);
  const text = isError ? String(error.stack) : `Uncaught ${util.inspect(error)}`;
  const half = TRACEBACK_MAX / 2;

  results.putFinal('@error', {
    name: isError ? String(error.name) : typeof error,
    value: results.cut(isError ? String(error.message) : util.inspect(error),
      10000),
    traceback: text.length <= TRACEBACK_MAX ? text
      : `${text.slice(0, half)}\n…\n${text.slice(-half)}`,
  });
  exports.finish();
};
