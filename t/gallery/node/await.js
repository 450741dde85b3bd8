const fs = require('fs');
await new Promise((done) => setTimeout(done, 5));
const text = await fs.promises.readFile(__filename, 'utf8');
console.log(text.startsWith('const fs'), typeof module, require.main === module);
//= true object true
