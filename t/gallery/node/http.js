const http = require('http');
http.get('http://127.0.0.1:9/', () => console.log('?')).on('error', (error) => console.log('http', error.code));
fetch('http://192.0.2.1/').catch((error) => setTimeout(() => console.log(error.name, error.message), 30));
require('dns').lookup('example.com', (error) => setTimeout(() => console.log('dns', error.code), 80));
try { http.createServer().on('error', (e) => setTimeout(() => console.log('listen', e.code), 120)).listen(0); } catch (e) { console.log(e.code); }
//= http EAFNOSUPPORT
//= TypeError fetch failed
//= dns ENOTFOUND
//= listen EAFNOSUPPORT
