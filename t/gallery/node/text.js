console.log('héllo 你好 🙂', Buffer.from('🙂').length);
console.error('to stderr');
console.log(new Intl.NumberFormat('de-DE').format(1234567.8), new Date(0).toISOString(), new Date(0).getTimezoneOffset());
console.log({ a: [1, { b: new Set([1]) }] }, [undefined, null, -0, 1n, Symbol('s')]);
process.stdout.write('x'.repeat(200000).length + '\n');
//! stderr ^to stderr\n\z
//= héllo 你好 🙂 4
//= 1.234.567,8 1970-01-01T00:00:00.000Z 0
//= { a: [ 1, { b: [Set] } ] } [ undefined, null, -0, 1n, Symbol(s) ]
//= 200000
