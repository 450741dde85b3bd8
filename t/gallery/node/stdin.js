let text = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (x) => { text += x; });
process.stdin.on('end', () => console.log(text.trim().split('\n').map(Number).reduce((a, b) => a + b)));
//! stdin 1\n2\n3\n
//= 6
