const { Readable, Transform, pipeline } = require('stream');
const fs = require('fs');
const upper = new Transform({ transform(chunk, e, next) { next(null, chunk.toString().toUpperCase()); } });
pipeline(Readable.from(['a', 'b', 'c']), upper, fs.createWriteStream('out'), (error) => {
  console.log(error ?? 'done');
  const lines = require('readline').createInterface({ input: fs.createReadStream('out') });
  lines.on('line', (line) => console.log(line)).on('close', () => console.log('end'));
});
//= done
//= ABC
//= end
