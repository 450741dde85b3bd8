const fs = require('fs');
fs.writeFileSync('one.mjs', 'export const one = 1; export { two } from "./two.mjs";');
fs.writeFileSync('two.mjs', 'export const two = await Promise.resolve(2);');
fs.writeFileSync('three.cjs', 'exports.three = 3;');
fs.writeFileSync('data.json', '{"four":4}');
const { three } = require('./three.cjs');
(async () => {
  const { one, two } = await import('./one.mjs');
  console.log(one, two, three, require('./data').four);
  console.log((await import('node:path')).default.sep);
  await import('./missing.mjs').catch((error) => console.log(error.code));
})();
//= 1 2 3 4
//= /
//= ERR_MODULE_NOT_FOUND
