const { fork } = require('child_process');
if (process.argv[2] === 'child') {
  process.on('message', (n) => { process.send({ double: n * 2 }); process.disconnect(); });
} else {
  const child = fork(__filename, ['child']);
  child.on('message', (m) => console.log(m.double));
  child.on('exit', (code) => console.log('exit', code));
  child.send(21);
}
//= 42
//= exit 0
