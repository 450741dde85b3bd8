const [n, ...rest] = require('fs').readFileSync(0, 'utf8').trim().split('\n');
console.log(n, rest.length, require('fs').readFileSync('/dev/stdin').length);
//! stdin 2\na\nb\n
//= 2 2 6
