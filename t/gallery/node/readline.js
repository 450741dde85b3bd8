const rl = require('readline').createInterface({ input: process.stdin });
(async () => { for await (const line of rl) console.log('>' + line); })();
//! stdin a\nb\n
//= >a
//= >b
