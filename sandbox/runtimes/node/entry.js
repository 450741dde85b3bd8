// Copyright (C) The codeexec authors.
//
// The program's main(), where a job wants it to be called: docs/languages.md.

'use strict';

const util = require('util');

const results = require('./results.js');

// A program may take the global ones away.
const { console, process } = globalThis;

let wish = null;


// Before the program.
exports.start = (options) => {
  wish = 'main' in options ? options.main ?? {} : null;
};

exports.isWanted = () => wish !== null;

// The job's variables, which may be what main() is called with; then there are
// no global ones.
exports.take = (variables) => {
  if (!wish?.variables) {
    return variables;
  }
  wish.arguments = variables;
  return {};
};


// An error that is not thrown by a line of ours.
function missing() {
  const limit = Error.stackTraceLimit;

  try {
    Error.stackTraceLimit = 0;
    return Promise.reject(new ReferenceError('main is not defined'));
  } finally {
    Error.stackTraceLimit = limit;
  }
}

function finish(value) {
  if (wish.print) {
    console.log(value);
  } else {
    results.putReturn(value);
  }
}


// The texts that RAGFlow's runner has for it.
function fail(text, ...more) {
  console.error(text, ...more);
  process.exit(1);
}

function failWith(text, error) {
  if (util.types.isNativeError(error)) {
    error.stack = String(error.stack).split('\n').filter((line) =>
      !/^ {4}at /.test(line)
      || !(line.includes(__dirname) || line.includes('node:internal')))
      .join('\n');
  }
  fail(text, error);
}

function finishStrictly(value) {
  if (value === undefined && !wish.print) {
    fail('Error: main() must return a value. Use null for an empty result.');
  }
  if (!wish.print && JSON.stringify({ value }) === '{}') {
    fail('Error: main() returned a non-JSON-serializable value.');
  }
  finish(value);
}

function callStrictly(main) {
  let value;

  if (typeof main !== 'function') {
    fail('Error: main is not a function');
  }
  try {
    value = main(wish.arguments ?? {});
  } catch (error) {
    failWith('Error when executing main:', error);
  }
  return Promise.resolve(value).then(finishStrictly).catch((error) =>
    failWith('Error in async main function:', error));
}


// What the program has called so, with nothing of ours below it.
exports.call = (main) => {
  if (wish.style === 'ragflow') {
    return callStrictly(main);
  }
  return typeof main !== 'function' ? missing()
    : Promise.resolve(wish.arguments ?? {}).then(main).then(finish);
};
