const assert = require('assert');
assert.deepStrictEqual({ a: 1 }, { a: 2 });
//! end exit 1
//! stderr (?s)AssertionError \[ERR_ASSERTION\].*\n    at Object\.<anonymous> \(/home/user/main\.js:2:8\)
//=
