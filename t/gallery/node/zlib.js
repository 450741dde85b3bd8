const zlib = require('zlib');
const { Readable, pipeline } = require('stream');
const text = 'abc'.repeat(1000);
console.log(zlib.gunzipSync(zlib.gzipSync(text)).toString() === text, zlib.deflateSync(text).length < 100);
zlib.brotliCompress(text, (error, packed) => zlib.brotliDecompress(packed, (e, b) => {
  console.log(b.toString() === text);
  pipeline(Readable.from([text]), zlib.createGzip(), zlib.createGunzip(), async (source) => {
    let n = 0;
    for await (const chunk of source) n += chunk.length;
    console.log(n);
  }, () => {});
}));
//= true true
//= true
//= 3000
