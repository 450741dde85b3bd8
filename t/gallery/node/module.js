import fs, { readFileSync } from 'node:fs';
import { join } from 'path';
import os from 'os';
const answer = await Promise.resolve(42);
console.log(answer, fs.readFileSync === readFileSync, join('a', 'b'), typeof require);
console.log(import.meta.url, process.argv[1], os.EOL === '\n');
const { default: util } = await import('node:util');
console.log(util.format('%s-%d', 'x', 1));
export default answer;
//= 42 true a/b undefined
//= file:///home/user/main.mjs /home/user/main.mjs true
//= x-1
