const http = require('http');
http.get('http://127.0.0.1:9/').on('error', async (error) => {
  console.log('http', error.code);
  await fetch('http://192.0.2.1/').catch((e) => console.log(e.name, e.message));
  require('dns').lookup('example.com', (e) => {
    console.log('dns', e.code);
    http.createServer().on('error', (x) => console.log('listen', x.code)).listen(0);
  });
});
//= http EAFNOSUPPORT
//= TypeError fetch failed
//= dns ENOTFOUND
//= listen EAFNOSUPPORT
