process.on('exit', (code) => { console.log('exit', code); process.exitCode = 9; });
setTimeout(() => console.log('never'), 1000);
process.exit(7);
//! end exit 9
//= exit 7
