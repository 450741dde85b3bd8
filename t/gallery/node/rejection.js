process.on('exit', (code) => console.log('exit', code));
async function f() { await null; throw new TypeError('rejected'); }
f();
//! end exit 1
//! stderr (?s)^/home/user/main\.js:2\n.*TypeError: rejected\n    at f \(/home/user/main\.js:2:\d+\)\n\nNode\.js v[\d.]+\n\z
//= exit 1
