console.log('before');
function f() { null.x; }
f();
//! end exit 1
//! stderr (?s)^/home/user/main\.js:2\nfunction f\(\) \{ null\.x; \}\n +\^\n\nTypeError: Cannot read properties of null \(reading 'x'\)\n    at f \(/home/user/main\.js:2:21\)\n    at Object\.<anonymous> \(/home/user/main\.js:3:1\)\n\nNode\.js v[\d.]+\n\z
//= before
