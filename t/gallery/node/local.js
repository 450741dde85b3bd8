const net = require('net'), http = require('http');
const server = http.createServer((q, a) => a.end('from ' + q.url));
server.listen('/tmp/s', () => {
  http.get({ socketPath: '/tmp/s', path: '/x' }, (answer) => {
    answer.on('data', (x) => console.log(String(x))).on('end', () => server.close());
  });
});
//= from /x
