const crypto = require('crypto');
console.log(crypto.createHash('sha256').update('abc').digest('hex').slice(0, 16));
console.log(crypto.createHmac('md5', 'k').update('x').digest('base64'));
const key = Buffer.alloc(32, 1), iv = Buffer.alloc(16, 2);
const c = crypto.createCipheriv('aes-256-cbc', key, iv);
const sealed = Buffer.concat([c.update('secret'), c.final()]);
const d = crypto.createDecipheriv('aes-256-cbc', key, iv);
console.log(d.update(sealed, undefined, 'utf8') + d.final('utf8'));
console.log(crypto.randomBytes(16).length, crypto.randomUUID().length, crypto.randomInt(1, 2));
crypto.pbkdf2('a', 'b', 1000, 8, 'sha256', (error, k) => {
  console.log(k.toString('hex'));
  crypto.webcrypto.subtle.digest('SHA-1', Buffer.from('abc')).then((x) => console.log(Buffer.from(x).toString('hex')));
});
const { publicKey, privateKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
console.log(crypto.verify('sha256', Buffer.from('m'), publicKey, crypto.sign('sha256', Buffer.from('m'), privateKey)));
//= ba7816bf8f01cfea
//= RCugeejsYgb39VNNRlPbDw==
//= secret
//= 16 36 1
//= true
//= a9ad83929ae9ec53
//= a9993e364706816aba3e25717850c26c9cd0d89d
