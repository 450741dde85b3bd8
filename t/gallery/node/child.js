const { execSync, exec, spawn, spawnSync } = require('child_process');
console.log(execSync('echo one; pwd').toString().trim().split('\n').join(' '));
console.log(spawnSync('sh', ['-c', 'exit 3']).status);
exec('echo two >&2; exit 4', (error, out, err) => console.log(error.code, err.trim()));
const cat = spawn('cat');
let text = '';
cat.stdout.on('data', (x) => { text += x; });
cat.on('close', (code) => setTimeout(() => console.log(text, code), 60));
cat.stdin.end('through a pipe');
//= one /home/user
//= 3
//= 4 two
//= through a pipe 0
