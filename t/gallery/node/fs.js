const fs = require('fs');
fs.mkdirSync('a/b', { recursive: true });
fs.writeFileSync('a/b/x.txt', 'one\n');
fs.appendFileSync('a/b/x.txt', 'two\n');
console.log(fs.readdirSync('a/b'), fs.statSync('a/b/x.txt').size, fs.existsSync('none'));
fs.renameSync('a/b/x.txt', 'a/y'); fs.copyFileSync('a/y', 'a/z'); fs.symlinkSync('y', 'a/l');
fs.promises.readFile('a/l', 'utf8').then(async (x) => {
  console.log(x.split('\n').length);
  await fs.promises.rm('a', { recursive: true });
  console.log(fs.readdirSync('.').join());
});
try { fs.readFileSync('/none'); } catch (error) { console.log(error.code, error.syscall); }
//= [ 'x.txt' ] 8 false
//= ENOENT open
//= 3
//= main.js
